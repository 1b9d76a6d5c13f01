//! The way through slurmrestd against a real one: over its socket and, with a token, over TCP. Skipped with a message where Slurm is
//! not installed.
#![allow(clippy::print_stdout, reason = "says why it was skipped, and figures")]

use std::time::{Duration, Instant};

use base::Bytes;
use connect_slurm::carrier::{
    AccountingKind, AccountsWanted, Cancel, Carrier, CarrierError, Gres, QueueWanted, QueuedJob, SlurmState,
    SubmitError, SubmitRequest,
};
use connect_slurm::rest::{Endpoint, Rest, RestError, endpoint};
use connect_slurm::states::Course;
use nix::sys::signal::Signal;
use testkit::slurm::{Accounting, Cluster, ClusterSpec, Daemon, Farm, NodeSet};

const VERSION: &str = "v0.0.38";
const PATIENCE: Duration = Duration::from_secs(40);

fn request(name: &str, script: &str) -> SubmitRequest {
    SubmitRequest {
        name: name.into(),
        comment: "a \"q\"; $(x) 日本𝄞".into(),
        script: format!("#!/bin/bash\n{script}\n").into(),
        partition: None,
        account: None,
        qos: None,
        reservation: None,
        licences: None,
        switches: None,
        nodes: 1,
        tasks: 1,
        tasks_per_node: Some(1),
        cpus_per_task: 2,
        mem_per_node: Bytes::from_mib(100),
        gres: vec![Gres { name: "gpu".into(), kind: Some("a30".into()), count: 1 }],
        constraint: None,
        exclude: Vec::new(),
        time_limit_minutes: 5,
        signal: None,
        requeue: false,
        work_dir: "/tmp".into(),
        stdout: "/dev/null".into(),
        stderr: None,
        stdin: None,
        append: false,
        held: false,
        run_as: None,
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        tokio::task::yield_now().await;
    }
}

async fn job(rest: &Rest, number: u32) -> Option<QueuedJob> {
    let queue = rest.queue(QueueWanted::Jobs(vec![number])).await.expect("the queue can be asked");
    queue.jobs.into_iter().next()
}

async fn over(rest: &Rest, number: u32) -> QueuedJob {
    until("the end of a job", async || job(rest, number).await.filter(|j| j.state.course() == Course::Over)).await
}

#[tokio::test]
async fn farm_a_real_slurmrestd_hands_over_lists_and_changes() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut farm = Farm::new(dir.path()).expect("a farm");
    let spec = ClusterSpec::new("resty")
        .nodes(NodeSet::new(2).cpus(8).mem_mb(32_000).gres("gpu:a30:2"))
        .accounting(Accounting::default())
        .restd_socket()
        .restd_port();
    farm.start([spec]).expect("a cluster");
    let cluster = farm.cluster("resty").clone();
    let socket = Rest::new(Endpoint::Unix(cluster.restd_socket().expect("a socket")), VERSION, None, None);
    let rest = socket.expect("a way in");

    let survey = rest.survey().await.expect("a survey");
    assert_eq!(survey.accounting, AccountingKind::Slurmdbd);
    assert_eq!((survey.cluster_name.as_str(), survey.nodes.len()), ("resty", 2));
    assert_eq!(survey.nodes[0].gres, [Gres { name: "gpu".into(), kind: Some("a30".into()), count: 2 }]);
    assert_eq!(survey.partitions[0].nodes, ["resty-n1", "resty-n2"]);
    assert!(survey.version.starts_with('2'), "{}", survey.version);

    ends(&rest).await;
    changes(&rest).await;
    refusals(&rest).await;
    nodes_are_left_out(&rest).await;
    accounts(&rest).await;
    with_a_token(&cluster, dir.path()).await;
    without_a_controller(&rest, &cluster).await;
}

async fn ends(rest: &Rest) {
    for (script, state, exit) in [
        ("exit 0", SlurmState::Completed, (0, 0)),
        ("exit 7", SlurmState::Failed, (7, 0)),
        ("kill -9 $$", SlurmState::Failed, (0, 9)),
    ] {
        let number = rest.submit(&request("hw-ends", script)).await.expect("a submission");
        let seen = over(rest, number).await;
        assert_eq!((seen.state, seen.exit), (state, Some(exit)), "{script}");
        assert_eq!((seen.name.as_str(), seen.comment.as_str()), ("hw-ends", "a \"q\"; $(x) 日本𝄞"));
        assert_eq!(seen.nodes.len(), 1);
    }
}

async fn changes(rest: &Rest) {
    let held = SubmitRequest { held: true, ..request("hw-held", "sleep 100") };
    let number = rest.submit(&held).await.expect("a submission");
    let seen = job(rest, number).await.expect("it is there");
    assert_eq!((&seen.state, seen.reason.as_deref()), (&SlurmState::Pending, Some("JobHeldUser")));
    rest.set_time_limit(number, 9).await.expect("a new limit");
    rest.release(&[number]).await.expect("a release");
    let running = async || job(rest, number).await.filter(|j| j.state == SlurmState::Running);
    until("the start", running).await;
    let clock = rest.queue(QueueWanted::All).await.expect("the queue").clock.expect("a clock");
    // Nothing of a running job is lost by asking again and again.
    rest.queue(QueueWanted::ChangedSince(clock)).await.expect("what changed");
    for _ in 0..2 {
        rest.cancel(&[number], Cancel::End).await.expect("a cancel, and its repeat");
    }
    let end = over(rest, number).await;
    assert_eq!(end.state, SlurmState::Cancelled);
    rest.cancel(&[4_000_000], Cancel::End).await.expect("what is not there needs no cancel");
    rest.hold(&[number]).await.expect("what is over cannot be held, and that is no fault");
}

async fn refusals(rest: &Rest) {
    let nowhere = SubmitRequest { partition: Some("nowhere".into()), ..request("hw-no", "true") };
    match rest.submit(&nowhere).await {
        Err(SubmitError::Refused(words)) => assert!(words.to_lowercase().contains("partition"), "{words}"),
        other => panic!("{other:?}"),
    }
    assert!(job(rest, 4_000_000).await.is_none(), "a number that the controller does not know is left out");
}

/// Both nodes are free, and the first is where jobs go.
async fn nodes_are_left_out(rest: &Rest) {
    for (left_out, taken) in [("resty-n1", "resty-n2"), ("resty-n2", "resty-n1")] {
        let job = SubmitRequest { exclude: vec![left_out.into()], ..request("hw-without", "true") };
        let number = rest.submit(&job).await.expect("a submission");
        assert_eq!(over(rest, number).await.nodes, [taken]);
    }
}

async fn accounts(rest: &Rest) {
    let number = rest.submit(&request("hw-count", "exit 5")).await.expect("a submission");
    over(rest, number).await;
    let run = until("the account of a run", async || {
        let runs = rest.accounts(AccountsWanted::Jobs(vec![number])).await.expect("accounting answers");
        runs.into_iter().find(|run| run.end.is_some())
    })
    .await;
    let controller = job(rest, number).await.expect("the controller still has it");
    assert_eq!((run.start, run.end, run.exit), (controller.start, controller.end, (5, 0)));
    assert!(run.tres.contains("gres/gpu:a30=1"), "{}", run.tres);
    // A run that ended before slurmdbd had written down its start is not found by time; those of the first case are.
    let since = AccountsWanted::Since { time: run.submitted - 60, name_prefix: "hw-ends".into() };
    let found = rest.accounts(since).await.expect("accounting answers");
    assert!(!found.is_empty() && found.iter().all(|run| run.end.is_some() && run.name == "hw-ends"), "{found:#?}");

    let begun = Instant::now();
    for _ in 0..100 {
        rest.submit(&SubmitRequest { held: true, ..request("hw-many", "true") }).await.expect("a submission");
    }
    println!("slurmrestd, one at a time: {:.0} submissions/s", 100.0 / begun.elapsed().as_secs_f64());
}

async fn with_a_token(cluster: &Cluster, dir: &std::path::Path) {
    let file = dir.join("token");
    std::fs::write(&file, "SLURM_JWT=no.such.token\n").expect("a token file");
    let url = format!("http://127.0.0.1:{}", cluster.restd_port().expect("a port"));
    let way = Rest::new(endpoint(&url).expect("an endpoint"), VERSION, Some(file.clone()), Some(cluster.user().into()));
    let rest = way.expect("a way in");
    let refused = rest.queue(QueueWanted::Jobs(vec![1])).await;
    // 22.05 says "unspecified error" to a token it does not know.
    assert!(matches!(&refused, Err(CarrierError::Unreachable(_) | CarrierError::Refused(_))), "{refused:?}");
    let token = cluster.token(cluster.user(), Duration::from_secs(600)).expect("a token");
    std::fs::write(&file, token).expect("a new token file");
    rest.queue(QueueWanted::Jobs(vec![1])).await.expect("the new token is read on the next refusal");
    rest.submit(&request("hw-jwt", "true")).await.expect("a submission");
}

async fn without_a_controller(rest: &Rest, cluster: &Cluster) {
    cluster.kill(Daemon::Slurmctld, Signal::SIGKILL);
    let answer = rest.submit(&request("hw-down", "true")).await;
    assert!(matches!(answer, Err(SubmitError::NotSent(_))), "{answer:?}");
    let answer = rest.queue(QueueWanted::Jobs(vec![1])).await;
    assert!(matches!(answer, Err(CarrierError::Unreachable(_))), "could not ask is not `is not there`: {answer:?}");
    cluster.start(Daemon::Slurmctld).expect("slurmctld starts again");
    until("an answer again", async || rest.survey().await.ok().map(drop)).await;
}

#[test]
fn endpoints_and_versions_are_checked() {
    assert_eq!(endpoint("unix:/run/a.sock").unwrap(), Endpoint::Unix("/run/a.sock".into()));
    for bad in ["", "unix:a", "https://h", "http://", "http://h/p", "/run/a.sock"] {
        assert!(matches!(endpoint(bad), Err(RestError::Endpoint(_))), "{bad}");
    }
    let version = |v: &str| Rest::new(Endpoint::Unix("/x".into()), v, None, None).map(drop);
    assert!(matches!(version("latest"), Err(RestError::Version(_))));
}
