//! The command line as a carrier, and files, against real Slurm clusters: on this machine, and through a login node behind a jump
//! host. Prints rates and costs, asserts none. Skipped, with the reason, where Slurm is not installed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Bytes;
use connect_slurm::carrier::{
    AccountedRun, AccountingKind, AccountsWanted, Cancel, Carrier, CarrierError, Gres, JobNumber, QueueWanted,
    QueuedJob, SlurmState, SubmitError, SubmitRequest,
};
use connect_slurm::cli::CommandLine;
use connect_slurm::cli::runner::{Call, LocalRunner, Runner};
use connect_slurm::config::{Ssh as SshConfig, Tools};
use connect_slurm::files::{LocalFiles, SftpFiles};
use connect_slurm::ssh::{Forward, Ssh, SshRunner, Target};
use nix::sys::signal::Signal;
use ports::Files;
use tempfile::TempDir;
use testkit::Cut;
use testkit::slurm::{Cluster, ClusterSpec, Daemon, Farm, NodeSet, alpha, beta, gamma};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A job starts within a second or two of its submission; a loaded machine is slower.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Comments with everything that a shell, a list or a parser could trip over.
const HOSTILE: &str = "key 1 | ; $(id) `id` 'q' \"d\" \\ %j\nJobId=1 JobName=x JobState=FAILED\nline 🜚\u{1f}end";

fn farm(specs: impl IntoIterator<Item = ClusterSpec>) -> Option<(Farm, TempDir)> {
    if let Some(why) = Farm::unavailable() {
        eprintln!("skipped: {why}");
        return None;
    }
    let dir = TempDir::new().unwrap();
    let mut farm = Farm::new(dir.path()).unwrap();
    let took = farm.start(specs).unwrap_or_else(|fault| panic!("{fault}"));
    eprintln!("farm started: {took}");
    Some((farm, dir))
}

fn local(cluster: &Cluster) -> CommandLine {
    let tools = Tools { slurm_conf: Some(cluster.conf().display().to_string()), bin: None };
    CommandLine::new(LocalRunner::new().unwrap(), tools, None)
}

/// The login node by the configuration file, which names the jump host.
fn by_config(cluster: &Cluster) -> SshConfig {
    let access = cluster.ssh().unwrap();
    SshConfig::by_file(&access.host, access.config.clone())
}

/// The same by single options.
fn by_options(cluster: &Cluster) -> SshConfig {
    let access = cluster.ssh().unwrap();
    SshConfig {
        host: "127.0.0.1".into(),
        user: Some(access.user.clone()),
        port: Some(access.port),
        key: Some(access.key.clone()),
        known_hosts: Some(access.known_hosts.clone()),
        jump: access.jump_port.map(|port| format!("{}@127.0.0.1:{port}", access.user)),
        config: None,
    }
}

fn remote(cluster: &Cluster, config: SshConfig) -> CommandLine {
    let tools = Tools { slurm_conf: Some(cluster.conf().display().to_string()), bin: None };
    CommandLine::new(SshRunner::new(Ssh::new(config)), tools, None)
}

fn request(cluster: &Cluster, name: &str, script: &str) -> SubmitRequest {
    let dir = cluster.dir().display();
    SubmitRequest {
        name: name.into(),
        comment: HOSTILE.into(),
        script: script.into(),
        partition: None,
        account: None,
        qos: None,
        reservation: None,
        licences: None,
        switches: None,
        nodes: 1,
        tasks: 1,
        tasks_per_node: None,
        cpus_per_task: 1,
        mem_per_node: Bytes(100 << 20),
        gres: Vec::new(),
        constraint: None,
        exclude: Vec::new(),
        time_limit_minutes: 10,
        signal: None,
        requeue: false,
        work_dir: dir.to_string(),
        stdout: format!("{dir}/{name}.out"),
        stderr: None,
        stdin: None,
        append: false,
        held: false,
        run_as: None,
    }
}

/// Looks until `find` finds something.
async fn until<T>(what: &str, mut find: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

async fn job(carrier: &CommandLine, number: JobNumber) -> Option<QueuedJob> {
    carrier.queue(QueueWanted::Jobs(vec![number])).await.unwrap().jobs.pop()
}

async fn in_state(carrier: &CommandLine, number: JobNumber, state: SlurmState) -> QueuedJob {
    let what = format!("job {number} to be {state:?}");
    until(&what, async || job(carrier, number).await.filter(|job| job.state == state && job.flags.is_empty())).await
}

/// For a moment slurmdbd may have the end of a run without its beginning: it is then named `allocation`.
async fn accounted(carrier: &CommandLine, number: JobNumber, name: &str) -> AccountedRun {
    until("the accounting", async || {
        let runs = carrier.accounts(AccountsWanted::Jobs(vec![number])).await.unwrap();
        runs.into_iter().find(|run| run.number == number && run.name == name && run.end.is_some())
    })
    .await
}

/// Everything that a carrier does, on a cluster with nothing else in its queue.
async fn exercise(cluster: &Cluster, carrier: &CommandLine, accounting: AccountingKind) {
    let survey = carrier.survey().await.unwrap();
    assert_eq!((survey.nodes.len(), survey.accounting), (usize::from(cluster.spec().node_count()), accounting));
    assert_eq!((survey.user.as_str(), survey.cluster_name.as_str()), (cluster.user(), cluster.name()));
    assert!(survey.version.starts_with(|c: char| c.is_ascii_digit()), "{}", survey.version);
    assert_eq!(carrier.nodes(None).await.unwrap().len(), survey.nodes.len());

    failure_and_hold(cluster, carrier).await;
    a_script_and_its_environment(cluster, carrier).await;
    limits_signals_and_cancellation(cluster, carrier).await;
    refusals(cluster, carrier).await;

    let since = AccountsWanted::Since { time: survey.clock - 60, name_prefix: "hw-test-fail".into() };
    let runs = carrier.accounts(since).await.unwrap();
    assert_eq!(runs.len(), if accounting == AccountingKind::Controller { 0 } else { 1 }, "{runs:?}");
}

async fn failure_and_hold(cluster: &Cluster, carrier: &CommandLine) {
    let mut held = request(cluster, "hw-test-fail", "#!/bin/sh\nsleep 1\nexit 3\n");
    held.held = true;
    let number = carrier.submit(&held).await.unwrap();
    let all = carrier.queue(QueueWanted::All).await.unwrap();
    let seen = all.jobs.iter().find(|job| job.number == number).unwrap();
    assert!(all.whole && all.clock.is_some());
    assert_eq!((seen.name.as_str(), seen.comment.as_str()), ("hw-test-fail", HOSTILE));
    assert_eq!((&seen.state, seen.reason.as_deref()), (&SlurmState::Pending, Some("JobHeldUser")));
    // The list of an account's own jobs names no user.
    let one = job(carrier, number).await.map(|one| QueuedJob { user: seen.user.clone(), ..one });
    assert_eq!(one.as_ref(), Some(seen));
    // Held twice, released twice, with numbers of nobody beside: no fault.
    carrier.hold(&[number, 4_000_000]).await.unwrap();
    carrier.release(&[4_000_000, number]).await.unwrap();
    carrier.release(&[number]).await.unwrap();
    let clock = all.clock.unwrap();
    let over = until("the end", async || {
        let queue = carrier.queue(QueueWanted::ChangedSince(clock)).await.unwrap();
        queue.jobs.into_iter().find(|job| job.number == number && job.state == SlurmState::Failed)
    })
    .await;
    assert_eq!((over.exit, over.nodes.len(), over.restarts), (Some((3, 0)), 1, 0));
    let (start, end) = (over.start.unwrap(), over.end.unwrap());
    assert!(over.submitted <= start && end - start >= 1 && (end - clock).abs() < 60, "{over:?}");
    if carrier.survey().await.unwrap().accounting == AccountingKind::Controller {
        return;
    }
    let run = accounted(carrier, number, "hw-test-fail").await;
    assert_eq!((&run.state, run.exit), (&SlurmState::Failed, (3, 0)));
    assert_eq!((run.start, run.end), (over.start, over.end));
}

async fn a_script_and_its_environment(cluster: &Cluster, carrier: &CommandLine) {
    // No newline at its end, and more than a pipe holds.
    let script = format!(
        "#!/bin/sh\ncat \"$0\" >script.copy\nenv -0 >environment\nexit 0\n{}#SBATCH --array=1-9\n'\"$(id)` 🜚",
        "# filler %s $(id)\n".repeat(20_000)
    );
    let number = carrier.submit(&request(cluster, "hw-test-script", &script)).await.unwrap();
    in_state(carrier, number, SlurmState::Completed).await;
    let copy = std::fs::read_to_string(cluster.dir().join("script.copy")).unwrap();
    assert!(copy == script, "the script was changed: {} bytes of {}", copy.len(), script.len());
    let environment = std::fs::read(cluster.dir().join("environment")).unwrap();
    let environment: BTreeMap<String, String> = String::from_utf8(environment)
        .unwrap()
        .split_terminator('\0')
        .filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    for needed in ["HOME", "PATH", "USER", "SLURM_JOB_ID"] {
        assert!(environment.contains_key(needed), "{needed}: {environment:?}");
    }
    let leaked = |name: &&String| {
        name.starts_with("CARGO_")
            || name.starts_with("SSH_")
            || ["NEXTEST", "LC_ALL", "TZ", "SLURM_TIME_FORMAT", "HW_C", "HW_N", "HW_R"].contains(&name.as_str())
    };
    assert_eq!(environment.keys().find(leaked), None);
}

async fn limits_signals_and_cancellation(cluster: &Cluster, carrier: &CommandLine) {
    let script = "#!/bin/bash\ntrap 'touch signalled' USR1\n: >begun\nwhile :; do sleep 0.1; done\n";
    let mut wanted = request(cluster, "hw-test-cancel", script);
    wanted.tasks = 2;
    let number = carrier.submit(&wanted).await.unwrap();
    let running = in_state(carrier, number, SlurmState::Running).await;
    assert_eq!((running.end, running.exit), (None, None));
    assert!(running.tres.contains("cpu=2"), "{}", running.tres);
    carrier.set_time_limit(number, 5).await.unwrap();
    until("the script", async || cluster.dir().join("begun").exists().then_some(())).await;
    carrier.cancel(&[number], Cancel::SignalShell(10)).await.unwrap();
    until("the signal", async || cluster.dir().join("signalled").exists().then_some(())).await;
    // Many, most of them nobody's.
    let numbers: Vec<JobNumber> = (3_000_000..3_000_050).chain([number]).collect();
    carrier.cancel(&numbers, Cancel::End).await.unwrap();
    let over = in_state(carrier, number, SlurmState::Cancelled).await;
    assert!(over.end.is_some());
    carrier.cancel(&[number], Cancel::End).await.unwrap();
    let many = carrier.queue(QueueWanted::Jobs(numbers)).await.unwrap();
    assert_eq!(many.jobs.iter().map(|job| job.number).collect::<Vec<_>>(), [number]);
    assert!(matches!(carrier.set_time_limit(4_000_000, 5).await, Err(CarrierError::Refused(_))));
}

async fn refusals(cluster: &Cluster, carrier: &CommandLine) {
    let script = "#!/bin/sh\nexit 0\n";
    let refused = |fault: Result<JobNumber, SubmitError>, words: &str| match fault {
        Err(SubmitError::Refused(said)) => assert!(said.contains(words), "{said}"),
        other => panic!("{words}: {other:?}"),
    };
    let with = |change: &dyn Fn(&mut SubmitRequest)| {
        let mut wanted = request(cluster, "hw-test-refused", script);
        change(&mut wanted);
        wanted
    };
    let nowhere = with(&|wanted| wanted.partition = Some("no where".into()));
    refused(carrier.submit(&nowhere).await, "artition");
    let chip = Gres { name: "gpu".into(), kind: Some("nosuch".into()), count: 1 };
    refused(carrier.submit(&with(&|wanted| wanted.gres = vec![chip.clone()])).await, "configuration is not available");
    refused(carrier.submit(&with(&|wanted| wanted.comment = "a\0b".into())).await, "zero byte");
    refused(carrier.submit(&with(&|wanted| wanted.script = "no interpreter".into())).await, "batch script");
    let queue = carrier.queue(QueueWanted::All).await.unwrap();
    // The controller may keep a record of what it refused: as one that failed.
    let mut of_them = queue.jobs.iter().filter(|job| job.name == "hw-test-refused");
    assert!(of_them.all(|job| job.state == SlurmState::Failed && job.nodes.is_empty()), "{queue:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine() {
    let Some((farm, _dir)) = farm([alpha(), beta()]) else { return };
    let alpha = farm.cluster("alpha");
    let carrier = local(alpha);
    let kind = carrier.survey().await.unwrap().accounting;
    assert_ne!(kind, AccountingKind::Slurmdbd);
    exercise(alpha, &carrier, kind).await;
    let beta = farm.cluster("beta");
    exercise(beta, &local(beta), AccountingKind::Slurmdbd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_jump_host() {
    let Some((farm, _dir)) = farm([gamma()]) else { return };
    let cluster = farm.cluster("gamma");
    let carrier = remote(cluster, by_config(cluster));
    let kind = carrier.survey().await.unwrap().accounting;
    exercise(cluster, &carrier, kind).await;
    let other = remote(cluster, by_options(cluster));
    assert_eq!(other.survey().await.unwrap().cluster_name, "gamma");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_down_is_no_refusal() {
    let Some((farm, _dir)) = farm([ClusterSpec::new("down").nodes(NodeSet::new(1)).line("MessageTimeout=5")]) else {
        return;
    };
    let cluster = farm.cluster("down");
    let carrier = local(cluster);
    let number = carrier.submit(&request(cluster, "hw-test-1", "#!/bin/sh\nsleep 600\n")).await.unwrap();
    in_state(&carrier, number, SlurmState::Running).await;
    cluster.kill(Daemon::Slurmctld, Signal::SIGKILL);
    let wanted = request(cluster, "hw-test-2", "#!/bin/sh\nexit 0\n");
    let (submitted, all, jobs, changed, cancelled) = tokio::join!(
        carrier.submit(&wanted),
        carrier.queue(QueueWanted::All),
        carrier.queue(QueueWanted::Jobs(vec![number])),
        carrier.queue(QueueWanted::ChangedSince(0)),
        async { carrier.cancel(&[number], Cancel::End).await },
    );
    assert!(matches!(submitted, Err(SubmitError::NotSent(_))), "{submitted:?}");
    for answer in [all, jobs, changed] {
        assert!(matches!(answer, Err(CarrierError::Unreachable(_))), "{answer:?}");
    }
    assert!(matches!(cancelled, Err(CarrierError::Unreachable(_))), "{cancelled:?}");
    cluster.start(Daemon::Slurmctld).unwrap();
    // A stopped controller takes the connection and answers nobody: what was sent may have been done.
    cluster.stop(Daemon::Slurmctld);
    let submitted = carrier.submit(&wanted).await;
    assert!(matches!(submitted, Err(SubmitError::Unanswered(_))), "{submitted:?}");
    cluster.cont(Daemon::Slurmctld);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_cut_is_opened_again() {
    let Some((farm, _dir)) = farm([ClusterSpec::new("cut").nodes(NodeSet::new(1)).ssh()]) else { return };
    let cluster = farm.cluster("cut");
    let cut = Cut::to(SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.ssh().unwrap().port))).unwrap();
    let mut config = by_options(cluster);
    config.port = Some(cut.address().port());
    let known = std::fs::read_to_string(config.known_hosts.as_ref().unwrap()).unwrap();
    let known = known.replace(&format!(":{}", cluster.ssh().unwrap().port), &format!(":{}", cut.address().port()));
    let own = cluster.dir().join("known hosts");
    // A host whose key is not known is never talked to.
    std::fs::write(&own, "").unwrap();
    config.known_hosts = Some(own.clone());
    let stranger = remote(cluster, config.clone()).queue(QueueWanted::All).await;
    assert!(
        matches!(&stranger, Err(CarrierError::Unreachable(fault)) if fault.to_string().contains("Host key")),
        "{stranger:?}"
    );
    std::fs::write(&own, known).unwrap();

    let ssh = Ssh::new(config);
    let runner = SshRunner::new(Arc::clone(&ssh));
    let call = |words: &[&str]| Call {
        program: words[0].to_owned(),
        arguments: words[1..].iter().map(|&word| word.to_owned()).collect(),
        environment: Vec::new(),
        stdin: None,
        timeout: PATIENCE,
    };
    assert_eq!(runner.run(call(&["echo", "one"])).await.unwrap().stdout, b"one\n");
    let begun = cluster.dir().join("begun");
    let waits = [format!(": >'{}'; sleep 600", begun.display())];
    let under_way = runner.run(call(&["sh", "-c", &waits[0]]));
    let broken = async {
        until("the command", async || begun.exists().then_some(())).await;
        cut.cut();
    };
    let (lost, ()) = tokio::join!(under_way, broken);
    assert!(matches!(lost, Err(connect_slurm::cli::runner::RunError::Lost(_))), "{lost:?}");
    let down = runner.run(call(&["true"])).await;
    assert!(matches!(down, Err(connect_slurm::cli::runner::RunError::NotStarted(_))), "{down:?}");
    cut.resume();
    let again = until("the line", async || runner.run(call(&["echo", "two"])).await.ok()).await;
    assert_eq!(again.stdout, b"two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_the_far_end_is_had_here() {
    let Some((farm, _dir)) = farm([gamma()]) else { return };
    let cluster = farm.cluster("gamma");
    let ssh = Ssh::new(by_config(cluster));
    let targets = [
        Target::Socket(cluster.restd_socket().unwrap().display().to_string()),
        Target::Tcp { host: "127.0.0.1".into(), port: cluster.restd_port().unwrap() },
    ];
    for target in targets {
        let forward = Forward::new(Arc::clone(&ssh), target.clone());
        let path = forward.socket().await.unwrap();
        assert_eq!(forward.socket().await.unwrap(), path);
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /slurm/v0.0.38/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 8];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_here_keep_the_rules() {
    let dir = TempDir::new().unwrap();
    let (root, beside) = (dir.path().join("root"), dir.path().join("beside"));
    std::fs::create_dir(&beside).unwrap();
    let files: Arc<dyn Files> = Arc::new(LocalFiles::new(&root));
    ports::files_conformance::files(files, &root, &beside).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_there_keep_the_rules() {
    let Some((farm, _dir)) = farm([gamma()]) else { return };
    let cluster = farm.cluster("gamma");
    let dir = TempDir::new().unwrap();
    let (root, beside) = (dir.path().join("ro ot/'x' 🜚"), dir.path().join("beside"));
    std::fs::create_dir(&beside).unwrap();
    let files = SftpFiles::new(Ssh::new(by_config(cluster)), root.to_str().unwrap());
    let files: Arc<dyn Files> = Arc::new(files);
    ports::files_conformance::files(Arc::clone(&files), &root, &beside).await;

    let begun = Instant::now();
    const PIECES: u64 = 64;
    for piece in 0..PIECES {
        files.write("rate", piece << 20, vec![piece as u8; 1 << 20], 0o600).await.unwrap();
    }
    let written = begun.elapsed();
    for piece in 0..PIECES {
        assert_eq!(files.read("rate", piece << 20, 1 << 20).await.unwrap().len(), 1 << 20);
    }
    let read = begun.elapsed() - written;
    let rate = |took: Duration| PIECES as f64 / took.as_secs_f64();
    eprintln!("SFTP through a jump host: written {:.0} MiB/s, read {:.0} MiB/s", rate(written), rate(read));
    let begun = Instant::now();
    files.copy("rate", "copied", 0o600).await.unwrap();
    eprintln!("copied there: {:.0} MiB/s", rate(begun.elapsed()));
    assert!(std::fs::read(root.join("rate")).unwrap() == std::fs::read(root.join("copied")).unwrap());
    assert!(
        files.copy("copied", "copied", 0o600).await.is_err() || files.stat("copied").await.unwrap().size == 64 << 20
    );
}

/// An SFTP server that cannot copy: the shell beside it can.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_older_sftp_server_keep_the_rules() {
    let Some((farm, _dir)) = farm([gamma().old_sftp()]) else { return };
    let dir = TempDir::new().unwrap();
    let (root, beside) = (dir.path().join("ro ot/'x' 🜚"), dir.path().join("beside"));
    std::fs::create_dir(&beside).unwrap();
    let files = SftpFiles::new(Ssh::new(by_config(farm.cluster("gamma"))), root.to_str().unwrap());
    let files: Arc<dyn Files> = Arc::new(files);
    ports::files_conformance::files(Arc::clone(&files), &root, &beside).await;
    std::fs::write(root.join("large"), vec![7; 64 << 20]).unwrap();
    let begun = Instant::now();
    files.copy("large", "new\nfolder/$(touch x)/copied", 0o640).await.unwrap();
    eprintln!("64 MiB copied there by a shell in {:?}", begun.elapsed());
    assert!(std::fs::read(root.join("new\nfolder/$(touch x)/copied")).unwrap() == vec![7; 64 << 20]);
    assert_eq!(files.stat("new\nfolder/$(touch x)/copied").await.unwrap().mode, 0o640);
}

/// Rates of submission beside those of `sbatch` alone, and the cost of looks. Run by name; takes two minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: run it by name"]
async fn what_it_costs() {
    const WAITING: usize = 10_000;
    let Some((farm, _dir)) = farm([gamma()]) else { return };
    let cluster = farm.cluster("gamma");
    let mut wanted = request(cluster, "hw-test-cost", "#!/bin/sh\nsleep 600\n");
    wanted.held = true;
    wanted.comment = "0192f000-0000-7000-8000-000000000001 tenant project".into();
    let here = Arc::new(local(cluster));
    let there = Arc::new(remote(cluster, by_config(cluster)));
    for at_once in [1, 8] {
        let bare = rate(at_once, 200, |_| {
            let cluster = Arc::clone(cluster);
            async move {
                let submit =
                    move || cluster.sbatch(&["--hold", "--output=/dev/null"], "#!/bin/sh\nsleep 600\n").unwrap();
                tokio::task::spawn_blocking(submit).await.unwrap();
            }
        });
        let bare = bare.await;
        for (name, carrier) in [("here", &here), ("ssh", &there)] {
            let ours = rate(at_once, 200, |_| {
                let (carrier, wanted) = (Arc::clone(carrier), wanted.clone());
                async move { _ = carrier.submit(&wanted).await.unwrap() }
            });
            let ours = ours.await;
            eprintln!("{at_once} at once, {name}: {ours:.0} submissions/s; bare sbatch here {bare:.0}/s");
        }
    }
    rate(8, WAITING - 1_200, |_| {
        let (carrier, wanted) = (Arc::clone(&here), wanted.clone());
        async move { _ = carrier.submit(&wanted).await.unwrap() }
    })
    .await;
    for (name, carrier) in [("here", &here), ("ssh", &there)] {
        let all = cost(cluster, 10, async || carrier.queue(QueueWanted::All).await.unwrap().jobs.len()).await;
        eprintln!("{name}: all of {} jobs: {all}", carrier.queue(QueueWanted::All).await.unwrap().jobs.len());
        let mut since = carrier.queue(QueueWanted::ChangedSince(0)).await.unwrap().clock.unwrap();
        let look = cost(cluster, 75, async || {
            let queue = carrier.queue(QueueWanted::ChangedSince(since)).await.unwrap();
            since = queue.clock.unwrap();
            // As often as a cluster is looked at.
            tokio::time::sleep(Duration::from_millis(400)).await;
            queue.jobs.len()
        })
        .await;
        eprintln!("{name}: a look for changes every 400 ms, over 30 s: {look}");
    }
}

/// Calls a second, `at_once` at a time.
async fn rate<F: Future<Output = ()> + Send + 'static>(at_once: usize, calls: usize, call: impl Fn(usize) -> F) -> f64 {
    use futures::StreamExt;
    let begun = Instant::now();
    let calls_made = futures::stream::iter((0..calls).map(|number| tokio::spawn(call(number))));
    calls_made.buffer_unordered(at_once).for_each(|done| async { done.unwrap() }).await;
    calls as f64 / begun.elapsed().as_secs_f64()
}

/// CPU of the controller, and of everything together that works for a call (this process, the cluster's daemons, its login node,
/// and what they started), and the time it takes.
async fn cost(cluster: &Cluster, calls: u32, mut call: impl AsyncFnMut() -> usize) -> String {
    let controller = cluster.pid(Daemon::Slurmctld).unwrap();
    let before = (ticks(|pid| pid == controller), ticks(|_| true), Instant::now());
    for _ in 0..calls {
        call().await;
    }
    // A tick is 10 ms.
    let each = |ticks: u64| ticks as f64 * 10.0 / f64::from(calls);
    let (alone, all) = (each(ticks(|pid| pid == controller) - before.0), each(ticks(|_| true) - before.1));
    let time = before.2.elapsed().as_secs_f64() * 1e3 / f64::from(calls);
    format!("{time:.0} ms each; CPU {all:.1} ms together, {alone:.1} ms of it the controller's")
}

/// CPU of some of this process and all below it, with that of children which have ended.
fn ticks(counts: impl Fn(u32) -> bool) -> u64 {
    // (parent, own and children's ticks) by process
    let mut processes: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let fields: Vec<u64> =
            stat.rsplit_once(") ").unwrap().1.split(' ').map(|word| word.parse().unwrap_or(0)).collect();
        processes.insert(pid, (fields[1] as u32, fields[11..15].iter().sum()));
    }
    let ours = |mut pid: u32| loop {
        match processes.get(&pid) {
            _ if pid == std::process::id() => return true,
            Some((parent, _)) => pid = *parent,
            None => return false,
        }
    };
    processes.iter().filter(|(pid, _)| counts(**pid) && ours(**pid)).map(|(_, (_, ticks))| ticks).sum()
}
