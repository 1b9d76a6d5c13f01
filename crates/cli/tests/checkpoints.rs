//! A job that counts, and keeps its count as a checkpoint: cut off from the platform on a Slurm cluster it goes on elsewhere from the
//! last set; run again where it was it goes on from its own files; a server killed in the middle of copying goes on with it.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};
use store::{Location, PageRequest, SqlStore};
use support::{LONG, Place, audit, client_of};
use testkit::slurm::{ClusterSpec, Farm, NodeSet, Partition};
use testkit::{Cut, Hw, wait_for};
use tokio::runtime::Runtime;
use wire::cluster::ClusterCreate;
use wire::{ClusterService, SupplyMode};

const MIB: u64 = 1 << 20;
const SETTINGS: &str =
    "credit_limit = '1000000'\n[jobs]\ncheckpoint_interval_min = '1s'\n[metering]\ninterval = '2s'\nlag = '1s'\n";

#[track_caller]
fn ends(server: &Hw, arguments: &[&str], code: i32) -> String {
    let output = server.run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = || format!("{arguments:?}\n{}\n{}\n{}", text(&output.stdout), text(&output.stderr), server.log());
    assert_eq!(output.status.code(), Some(code), "{}", told());
    text(&output.stdout)
}

fn shown(server: &Hw, job: &str) -> Value {
    serde_json::from_str(&ends(server, &["show", job, "--json"], 0)).expect("JSON")
}

/// Time of the job's latest checkpoint, if there is one.
fn checkpoint(server: &Hw, job: &str) -> Option<String> {
    shown(server, job)["checkpoint"]["at"].as_str().map(str::to_owned)
}

fn wait_checkpoint(server: &Hw, job: &str, other_than: Option<&str>) -> String {
    let about = format!("a checkpoint of {job}\n{}", server.log());
    wait_for(&about, LONG, || checkpoint(server, job).filter(|at| Some(at.as_str()) != other_than))
}

/// What the timeline says once it says these words.
fn wait_told(server: &Hw, job: &str, words: &str) -> String {
    wait_for(&format!("job {job} to say {words}\n{}", server.log()), LONG, || {
        Some(ends(server, &["show", job], 0)).filter(|shown| shown.contains(words))
    })
}

/// Bytes of the file that is on its way.
fn arriving(server: &Hw) -> u64 {
    let Ok(listed) = std::fs::read_dir(server.data().join("files/parts")) else { return 0 };
    listed.filter_map(|one| one.ok()?.metadata().ok()).map(|found| found.len()).max().unwrap_or(0)
}

/// The files of all contents.
fn contents(server: &Hw) -> Vec<PathBuf> {
    let listed = |path: PathBuf| std::fs::read_dir(path).expect("a folder").filter_map(|one| Some(one.ok()?.path()));
    listed(server.data().join("files/blobs")).flat_map(listed).collect()
}

/// A job that counts five times a second, keeps every twentieth count, and ends when `go` is there. What each attempt is told and
/// counts lies below `marks`.
struct Counter {
    marks: PathBuf,
    script: PathBuf,
}

impl Counter {
    fn new(place: &Place) -> Counter {
        let (marks, script) = (place.shared("marks"), place.path().join("counter.sh"));
        let text = format!(
            "#!/bin/sh\n#SBATCH -n 1 -t 30 --mem 64M --requeue\n#HW checkpoint=state checkpoint-interval=2s\nm={}\n\
             n=$(cat state/count 2>/dev/null || echo 0)\nmkdir -p state\n\
             echo \"$n $HW_RESTART_COUNT ${{HW_CHECKPOINT:-none}}\" >$m/begun.$HW_ATTEMPT\n\
             until [ -e $m/go ]; do\n  n=$((n+1)); echo $n $(date +%s) >>$m/steps.$HW_ATTEMPT\n\
             if [ $((n % 20)) = 0 ]; then echo $n >new; mv new state/count; fi\n  sleep 0.2\ndone\n",
            marks.display()
        );
        std::fs::write(&script, text).expect("a script");
        Counter { marks, script }
    }

    fn submit(&self, server: &Hw, more: &[&str]) -> String {
        let path = self.script.to_string_lossy();
        ends(server, &[&["submit", "-q"], more, &[&*path]].concat(), 0).trim().to_owned()
    }

    /// At which count an attempt began, how many were before it, and of when the checkpoint is that it was told.
    fn begun(&self, attempt: u32, server: &Hw) -> (u64, u64, String) {
        let file = self.marks.join(format!("begun.{attempt}"));
        let about = format!("attempt {attempt} to begin\n{}", server.log());
        let said = wait_for(&about, LONG, || std::fs::read_to_string(&file).ok().filter(|said| said.ends_with('\n')));
        let mut words = said.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
        (number(), number(), words.next().expect("a time").to_owned())
    }

    /// The counts of an attempt, each with its second.
    fn steps(&self, attempt: u32) -> Vec<(u64, i64)> {
        let said = std::fs::read_to_string(self.marks.join(format!("steps.{attempt}"))).unwrap_or_default();
        let step = |line: &str| {
            let (n, at) = line.split_once(' ')?;
            Some((n.parse().ok()?, at.parse().ok()?))
        };
        said.lines().filter_map(step).collect()
    }

    fn let_go(&self) {
        std::fs::write(self.marks.join("go"), "").expect("a mark");
    }
}

/// Registers a Slurm cluster behind a line that can be cut, and takes it into service.
fn join(server: &Hw, place: &Place, farm: &Farm, runtime: &Runtime) -> Cut {
    let access = farm.cluster("delta").ssh().expect("a login node");
    let cut = Cut::to(SocketAddr::from((Ipv4Addr::LOCALHOST, access.first_hop()))).expect("a line");
    let access = access.through(cut.address().port()).expect("a way through it");
    let reach = json!({"host": access.host, "config": access.config});
    let way = json!({"kind": "ssh", "ssh": reach, "tools": {"slurm_conf": farm.cluster("delta").conf()}});
    let cluster = ClusterCreate {
        name: "delta".into(),
        supplier: "partner".into(),
        mode: Some(SupplyMode::Partner),
        site: None,
        region: None,
        place: None,
        cost: None,
        fee: None,
        slurm: json!({"way": way, "work_root": place.shared("work-delta"), "grace_secs": 5}),
    };
    let client = client_of(server);
    runtime.block_on(client.register_cluster(&cluster)).expect("a registration");
    wait_for("the pools of delta", LONG, || {
        runtime.block_on(client.set_service("delta", ClusterService::InService, true)).ok()?;
        let pools = runtime.block_on(client.pools().take(50)).ok()?;
        pools.items.iter().any(|pool| pool.name == "delta-main").then_some(())
    });
    cut
}

#[test]
fn farm_a_job_cut_off_goes_on_elsewhere_from_its_checkpoint() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let place = Place::new();
    let mut farm = Farm::new(place.path().join("farm")).expect("a farm");
    let spec = ClusterSpec::new("delta").nodes(NodeSet::new(1)).partition(Partition::new("main").default()).ssh();
    farm.start([spec]).expect("a cluster");
    let mut server = place.server(1, SETTINGS);
    server.start();
    let runtime = Runtime::new().expect("a runtime");
    let line = join(&server, &place, &farm, &runtime);
    let policy = place.path().join("policy.toml");
    std::fs::write(&policy, "[replacement.normal]\nmove_after = '10s'\nrestart_after = '2s'\n").expect("a policy");
    ends(&server, &["policy", "set", "-y", &policy.to_string_lossy()], 0);

    let counter = Counter::new(&place);
    // This machine is taken at first.
    let blocker = ends(&server, &["sbatch", "--parsable", "-p", "main", "-t", "30", "--wrap", "sleep 1800"], 0);
    wait_told(&server, blocker.trim(), "RUNNING");
    // The count to begin with is an input, of the name under which the checkpoint lies.
    let seed = place.path().join("seed");
    std::fs::write(&seed, "20\n").expect("a file");
    ends(&server, &["put", &seed.to_string_lossy(), "seed"], 0);
    let job = counter.submit(&server, &["-p", "delta-main,main", "--stage-in", "seed:state/count"]);
    assert_eq!(counter.begun(1, &server), (20, 0, "none".to_owned()));
    let first = wait_checkpoint(&server, &job, None);
    let second = wait_checkpoint(&server, &job, Some(&first));
    line.cut();
    let cut_at = counter.steps(1).last().map_or(0, |(n, _)| *n);
    ends(&server, &["cancel", "-y", blocker.trim()], 0);
    let (from, before, told) = counter.begun(2, &server);
    let at = shown(&server, &job)["checkpoint"].clone();
    assert_eq!((before, &told), (1, &at["at"].as_str().expect("a time").to_owned()), "{at}");
    assert!(told >= second && at["attempt"] == 1, "{at}");
    // What was kept when the set was taken: the last twentieth count that had stood for longer than the look takes.
    let taken: wire::TimeText = serde_json::from_value(at["at"].clone()).expect("a time");
    let counted = counter.steps(1);
    let kept = |until: i64| counted.iter().filter(|(n, s)| n % 20 == 0 && *s <= until).map(|(n, _)| *n).max();
    let (least, most) = (kept(taken.0.as_secs() - 3).unwrap_or(20), kept(taken.0.as_secs() + 1).expect("a kept count"));
    assert!(from > 20 && (least..=most).contains(&from), "{from}, kept {least} to {most}");
    let text = wait_told(&server, &job, "goes on from the checkpoint of");
    assert!(text.contains("taken over from attempt 1: 1 files"), "{text}");
    println!("cut off at {cut_at}, five counts a second and a set every two seconds; attempt 2 went on from {from}");

    // Its own files are the newer ones when it is run again where it is.
    wait_checkpoint(&server, &job, Some(&told));
    ends(&server, &["requeue", &job], 0);
    let (again, before, told) = counter.begun(3, &server);
    let last = counter.steps(2).last().map_or(0, |(n, _)| *n);
    assert!(before == 2 && told != "none" && again + 20 > last && again % 20 == 0, "{again} after {last}");

    // The abandoned run is found and ended; the job ends once, and its books are clean.
    line.resume();
    wait_told(&server, &job, "given up before");
    counter.let_go();
    let ended = wait_told(&server, &job, "COMPLETED");
    assert!(ended.contains("given back: attempt 1 does not count"), "{ended}");
    assert!(checkpoint(&server, &job).is_none(), "they go with the job");
    wait_for("the abandoned run to end", LONG, || {
        let said = farm.cluster("delta").run(&["squeue", "-h"]).ok()?;
        said.trim().is_empty().then_some(())
    });
    let folder = server.data().to_path_buf();
    let shown_id = shown(&server, &job)["id"].as_str().expect("an id").to_owned();
    server.terminate();
    // What was given back leaves no interval that counts; all else is billed without a gap.
    let id: base::JobId = shown_id.parse().expect("an id");
    let first = base::AttemptId::new(id, 1).to_string();
    let mut books = runtime.block_on(audit(Location::Folder(folder.clone())));
    books.uncovered.retain(|one| !one.starts_with(&first));
    books.expect_clean();
    assert_eq!(runtime.block_on(charged(Location::Folder(folder), id, 1)), 0, "the run that was left is given back");
}

/// What an attempt was charged in the end, in millionths.
async fn charged(location: Location, job: base::JobId, attempt: u32) -> i64 {
    let store = SqlStore::open(&location).await.expect("the store opens after the server has stopped");
    let page = store.intervals(job, PageRequest::first(1_000)).await.expect("intervals");
    let charged = page.items.iter().filter(|one| one.attempt.number == attempt).map(|one| one.charge.0).sum();
    assert!(page.items.iter().any(|one| one.attempt.number == attempt), "it was billed before");
    store.close().await;
    charged
}

/// The server dies while a large file is on its way; the same set goes on. A file that never stands still makes no checkpoint, which is
/// told and harms nobody; nor does one over the quota.
#[test]
fn a_checkpoint_outlives_the_server() {
    const LARGE: u64 = 256 * MIB;
    let place = Place::new();
    let mut server = place.server(4, &format!("{SETTINGS}[files]\nquota = '300M'\n"));
    server.start();
    let script = place.path().join("job.sh");
    let submit = |server: &Hw, lines: &str| {
        let head = "#!/bin/sh\n#SBATCH -n 1 -t 30 --mem 64M\n#HW checkpoint=state/**\nmkdir state\n";
        std::fs::write(&script, format!("{head}{lines}")).expect("a script");
        ends(server, &["submit", "-q", "--checkpoint-interval", "2s", &script.to_string_lossy()], 0).trim().to_owned()
    };
    let job =
        submit(&server, &format!("head -c {LARGE} /dev/zero >new; echo end >>new; mv new state/large; sleep 1800\n"));
    let before = wait_for("some of it to arrive", LONG, || Some(arriving(&server)).filter(|n| *n > 8 * MIB));
    server.kill();
    let there = arriving(&server);
    assert!(there >= before && there < LARGE, "killed in the middle: {there}");
    server.start();
    let at = wait_checkpoint(&server, &job, None);
    let told = shown(&server, &job)["checkpoint"].clone();
    assert_eq!(
        (&told["attempt"], &told["files"], &told["bytes"]),
        (&1.into(), &1.into(), &(LARGE + 4).into()),
        "{told}"
    );
    let content =
        contents(&server).into_iter().find(|path| path.metadata().is_ok_and(|found| found.len() == LARGE + 4));
    let copied = std::fs::read(content.expect("the content")).expect("the content");
    assert!(copied.ends_with(b"\0end\n") && copied[..LARGE as usize].iter().all(|byte| *byte == 0));
    assert!(wait_told(&server, &job, "checkpoint\t").contains(&at[..19]));

    // Over the quota with what is kept already; and never standing still.
    let large = submit(&server, "truncate -s 100M state/sparse; sleep 1800\n");
    let text = wait_told(&server, &large, "no checkpoint was taken");
    assert!(text.contains("quota") && text.contains("RUNNING"), "{text}");
    let restless = submit(&server, "while :; do echo x >>state/log; sleep 0.2; done\n");
    let text = wait_told(&server, &restless, "no checkpoint was taken");
    assert!(text.contains("state/log` changes") && text.contains("RUNNING"), "{text}");
    assert!(checkpoint(&server, &large).is_none() && checkpoint(&server, &restless).is_none());

    for bad in ["../x", "/etc/passwd"] {
        ends(&server, &["submit", "-q", "--checkpoint", bad, &script.to_string_lossy()], 2);
    }
    ends(&server, &["submit", "-q", "--checkpoint-interval", "500ms", &script.to_string_lossy()], 2);
    ends(&server, &["submit", "-q", "--chdir", "/tmp", &script.to_string_lossy()], 2);
    // What is kept for a job goes with it, and makes room.
    ends(&server, &["cancel", "-y", &job, &restless], 0);
    wait_checkpoint(&server, &large, None);
    ends(&server, &["cancel", "-y", &large], 0);
    wait_for("what had arrived to go", LONG, || (arriving(&server) == 0).then_some(()));
    server.terminate();
}
