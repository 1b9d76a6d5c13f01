//! The course of real jobs under real supervisors: ends, limits, containment, adoption.

use std::sync::Arc;

use crate::common::{Ground, eventually, is_alive, order};
use base::{Bytes, Span};
use model::{EndCause, Exit, Observed, Outcome, SignalSpec};
use ports::Cluster;

#[tokio::test]
async fn the_local_cluster_is_a_cluster() {
    ports::conformance::cluster(Ground::new).await;
}

#[tokio::test]
async fn the_local_cluster_is_a_cluster_without_control_groups() {
    ports::conformance::cluster(|| {
        let mut ground = Ground::new();
        ground.config.cgroups = false;
        ground
    })
    .await;
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_as_slurm_does() {
    let ground = Ground::new();
    let mut platform = ground.start();
    for (number, (script, outcome, code, signal)) in (1..).zip([
        ("#!/bin/sh\ntrue\n", Outcome::Completed, 0, 0),
        ("#!/bin/sh\nexit 255\n", Outcome::Failed, 255, 0),
        ("#!/bin/sh\nkill -SEGV $$\n", Outcome::Failed, 0, 11),
        ("#!/bin/sh\nkill -KILL $$\n", Outcome::Failed, 0, 9),
        ("#!/no/such/interpreter\n", Outcome::Failed, 0, 53),
        ("no first line\n", Outcome::Failed, 0, 53),
    ]) {
        let order = order(number, script, |_, _| {});
        let (end, _) = platform.run(&order, script).await;
        assert_eq!((end.outcome, end.exit), (outcome, Some(Exit { code, signal })), "{script:?}: {end:?}");
    }
}

#[tokio::test]
async fn a_job_that_ignores_term_is_killed_after_the_grace() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 100; done\n";
    let order = order(1, script, |_, _| {});
    platform.submit(&order, script).await;
    platform.log_shows(&order, "ready").await;
    platform.end(order.attempt, EndCause::Cancelled, Span::from_millis(200)).await;
    let end = platform.ended(order.attempt).await;
    assert_eq!((end.outcome, end.exit), (Outcome::Cancelled, Some(Exit { code: 0, signal: 9 })));
}

#[tokio::test]
async fn the_time_limit_holds_by_itself_after_its_warning() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\ntrap 'echo warned' USR1\ntrap 'echo asked; exit 5' TERM\necho ready\n\
                  while :; do sleep 0.01; done\n";
    let order = order(1, script, |_, spec| {
        spec.time_limit = Span::from_millis(700);
        spec.signal = Some(SignalSpec { signal: 10, before: Span::from_millis(300), shell_only: true });
    });
    let (end, log) = platform.run(&order, script).await;
    assert_eq!((end.outcome, end.exit), (Outcome::Timeout, Some(Exit { code: 5, signal: 0 })));
    // The shell itself adds a line on the end of its `sleep`.
    let said: Vec<&str> = log.lines().filter(|line| *line != "Terminated").collect();
    assert_eq!(said, ["ready", "warned", "asked"]);
}

#[tokio::test]
async fn signals_reach_the_children_or_the_shell_alone() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\ntrap 'echo shell; exit 3' USR1\n\
                  sh -c 'trap \"echo child; exit 0\" USR1; echo ready; while :; do sleep 0.01; done'\n\
                  while :; do sleep 0.01; done\n";
    let order = order(1, script, |_, _| {});
    platform.submit(&order, script).await;
    platform.log_shows(&order, "ready").await;
    platform.cluster.signal(order.attempt, 10, false).await.unwrap();
    platform.log_shows(&order, "child").await;
    platform.cluster.signal(order.attempt, 10, true).await.unwrap();
    let end = platform.ended(order.attempt).await;
    assert_eq!(end.exit, Some(Exit { code: 3, signal: 0 }));
}

/// A script whose main process ends at once and leaves a daemon (own session, orphaned) which burns processor time.
const FORKS_AWAY: &str = "#!/bin/bash\n\
    (setsid bash -c 'echo $BASHPID > daemon; while :; do :; done' & ) \n\
    while [ ! -s daemon ]; do sleep 0.01; done\n\
    for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.02; done\nexit 4\n";

async fn forks_away(ground: Ground) {
    let mut platform = ground.start();
    let order = order(1, FORKS_AWAY, |_, _| {});
    let (end, _) = platform.run(&order, FORKS_AWAY).await;
    assert_eq!((end.outcome, end.exit), (Outcome::Failed, Some(Exit { code: 4, signal: 0 })));
    let daemon = std::fs::read_to_string(ground.dir.path().join("work/tenant/user/1/daemon")).unwrap();
    assert!(!is_alive(&daemon), "the daemon {daemon} outlived its job");
    assert!(end.usage.cpu_time > Span::from_millis(30), "its processor time counts: {:?}", end.usage);
}

#[tokio::test]
async fn what_forks_away_is_killed_and_accounted() {
    forks_away(Ground::new()).await;
}

#[tokio::test]
async fn what_forks_away_is_killed_and_accounted_without_control_groups() {
    let mut ground = Ground::new();
    ground.config.cgroups = false;
    forks_away(ground).await;
}

#[tokio::test]
async fn a_memory_eater_is_ended_as_out_of_memory() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\nexec perl -e 'my @held; while (1) { push @held, \"x\" x (1 << 20); }'\n";
    let order = order(1, script, |order, _| order.per_node.mem = Bytes::from_mib(100));
    let (end, _) = platform.run(&order, script).await;
    assert_eq!(end.outcome, Outcome::OutOfMemory, "{end:?}");
    assert!(end.usage.memory_peak >= Bytes::from_mib(90), "{end:?}");
}

#[tokio::test]
async fn a_flood_of_output_is_contained() {
    let mut ground = Ground::new();
    ground.config.watch.output_max = Bytes::from_mib(8);
    let mut platform = ground.start();
    let script = "#!/bin/sh\nexec cat /dev/zero\n";
    let order = order(1, script, |_, _| {});
    platform.submit(&order, script).await;
    let end = platform.ended(order.attempt).await;
    assert_eq!((end.outcome, end.exit), (Outcome::Failed, Some(Exit { code: 0, signal: 25 })), "{end:?}");
    assert!(end.note.contains("grown"), "{end:?}");
    assert!(end.usage.written >= Bytes::from_mib(8), "{end:?}");
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_the_start_with_its_reason() {
    let mut ground = Ground::new();
    ground.config.watch.disk_reserve = Bytes(1 << 60);
    let mut platform = ground.start();
    let script = "#!/bin/sh\nexit 0\n";
    let (end, _) = platform.run(&order(1, script, |_, _| {}), script).await;
    assert_eq!((end.outcome, end.exit), (Outcome::Failed, Some(Exit { code: 0, signal: 53 })));
    assert!(end.note.contains("kept free"), "{end:?}");
}

#[tokio::test]
async fn usage_is_counted_by_the_kernel() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\nhead -c 5000000 /dev/zero > data\ncat data > /dev/null\n\
                  i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done\n";
    let (end, _) = platform.run(&order(1, script, |_, _| {}), script).await;
    assert_eq!(end.outcome, Outcome::Completed);
    let usage = end.usage;
    assert!(usage.cpu_time > Span::from_millis(20) && usage.cpu_time < Span::from_secs(20), "{usage:?}");
    assert!(usage.memory_peak > Bytes(500_000) && usage.memory_peak < Bytes::from_mib(64), "{usage:?}");
    // Written once to the file and once to /dev/null, read once from /dev/zero and once from the file.
    assert!(usage.written.0 >= 10_000_000 && usage.written.0 < 12_000_000, "{usage:?}");
    assert!(usage.read.0 >= 10_000_000 && usage.read.0 < 12_000_000, "{usage:?}");
}

#[tokio::test]
async fn running_jobs_tell_what_they_use() {
    let mut ground = Ground::new();
    ground.config.watch.progress = Span::from_millis(100);
    let mut platform = ground.start();
    let script = "#!/bin/sh\nwhile :; do :; done\n";
    let order = order(1, script, |_, _| {});
    platform.submit(&order, script).await;
    let some = |o: &Observed| matches!(o, Observed::Progress { usage, .. } if usage.cpu_time > Span::from_millis(50));
    platform.until("Progress", |seen| seen.iter().any(some).then_some(())).await;
    platform.end(order.attempt, EndCause::Cancelled, Span::from_secs(1)).await;
    platform.ended(order.attempt).await;
}

#[tokio::test]
async fn a_new_connector_finds_running_jobs_and_the_exit_codes_of_ended_ones() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let folder = ground.open_folder("gate");
    let script =
        format!("#!/bin/sh\nwhile [ ! -e {}/$SLURM_JOB_ID ]; do sleep 0.01; done\nexit 42\n", folder.display());
    let (during, after) = (order(1, &script, |_, _| {}), order(2, &script, |_, _| {}));
    for order in [&during, &after] {
        platform.submit(order, &script).await;
        platform.started(order.attempt).await;
    }
    drop(platform);
    // One ends while nobody is there, the other one under the next connector.
    std::fs::write(folder.join("1"), "").unwrap();
    eventually("an end is written", || ground.spool(during.attempt).join("ended.json").exists()).await;
    let mut platform = ground.start();
    platform.cluster.resume(vec![during.attempt, after.attempt]).await.unwrap();
    assert_eq!(platform.ended(during.attempt).await.exit, Some(Exit { code: 42, signal: 0 }));
    platform.started(after.attempt).await;
    std::fs::write(folder.join("2"), "").unwrap();
    assert_eq!(platform.ended(after.attempt).await.exit, Some(Exit { code: 42, signal: 0 }));
}

async fn killed_supervisor(ground: Ground) {
    let mut platform = ground.start();
    let script = "#!/bin/bash\nsetsid sleep 1000 &\necho $! $$\nwait\n";
    let order = order(1, script, |_, _| {});
    platform.submit(&order, script).await;
    platform.log_shows(&order, "\n").await;
    let pids = platform.log(&order).await;
    let claim = std::fs::read_to_string(ground.spool(order.attempt).join("claim")).unwrap();
    let supervisor: i32 = claim.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor), nix::sys::signal::Signal::SIGKILL).unwrap();
    let end = platform.ended(order.attempt).await;
    assert_eq!((end.outcome, end.exit), (Outcome::NodeFail, None));
    assert!(end.note.contains("supervisor"), "{end:?}");
    eventually("all its processes are gone", || !pids.split_whitespace().any(is_alive)).await;
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_job_along() {
    killed_supervisor(Ground::new()).await;
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_job_along_without_control_groups() {
    let mut ground = Ground::new();
    ground.config.cgroups = false;
    killed_supervisor(ground).await;
}

#[tokio::test]
async fn a_supervisor_that_cannot_begin_is_a_refusal_worth_another_try() {
    let mut ground = Ground::new();
    ground.config.supervisor = "/bin/false".into();
    let mut platform = ground.start();
    let order = order(1, "#!/bin/sh\n", |_, _| {});
    platform.submit(&order, "#!/bin/sh\n").await;
    let is_it = |o: &Observed| matches!(o, Observed::Refused { permanent: false, .. });
    platform.until("Refused", |seen| seen.iter().any(is_it).then_some(())).await;
    ground.config.supervisor = "/no/such/program".into();
    let platform = ground.start();
    let other = crate::common::order(2, "#!/bin/sh\n", |_, _| {});
    assert!(platform.cluster.submit(other, "#!/bin/sh\n".into()).await.is_err());
}

#[tokio::test]
async fn a_hundred_submissions_of_one_attempt_run_it_once() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\necho run\n";
    let order = order(1, script, |_, spec| spec.append = true);
    let calls = (0..100).map(|_| platform.cluster.submit(Arc::clone(&order), script.into()));
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    platform.ended(order.attempt).await;
    assert_eq!(platform.log(&order).await, "run\n");
}

/// A file system of a quarter of a mebibyte over the ground's folder, as root on a host that permits it.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn over(ground: &Ground) -> Option<SmallDisk> {
        let path = ground.dir.path().to_owned();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=711", "tmpfs"])
            .arg(&path)
            .status();
        mount.is_ok_and(|status| status.success()).then_some(SmallDisk(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_loses_no_end_and_stops_no_request() {
    let mut ground = Ground::new();
    ground.config.watch.disk_reserve = Bytes(0);
    let Some(_disk) = SmallDisk::over(&ground) else { return };
    let mut platform = ground.start();
    let script = "#!/bin/sh\ncat /dev/zero > fill 2> /dev/null\necho\nsleep 1000\n";
    let filling = order(1, script, |_, spec| spec.stdout = Some("/dev/null".into()));
    platform.submit(&filling, script).await;
    platform.started(filling.attempt).await;
    let dir = ground.spool(filling.attempt);
    let probe = |n: u32| std::fs::write(dir.join(format!("probe-{n}")), [0; 4_096]).is_err();
    let probes = std::cell::Cell::new(0);
    eventually("the disk is full", || probe(probes.replace(probes.get() + 1))).await;
    // Nothing new can be handed over, which is said and can be tried again.
    let next = order(2, script, |_, _| {});
    assert!(platform.cluster.submit(Arc::clone(&next), script.into()).await.is_err());
    // The request to end is taken all the same, and the end has its room since the beginning.
    platform.end(filling.attempt, EndCause::Cancelled, Span::from_secs(1)).await;
    assert_eq!(platform.ended(filling.attempt).await.outcome, Outcome::Cancelled);
    assert!(probe(u32::MAX), "the disk is still full");
    std::fs::remove_file(ground.dir.path().join("work/tenant/user/1/fill")).unwrap();
    let script = "#!/bin/sh\nexit 0\n";
    assert_eq!(platform.run(&next, script).await.0.outcome, Outcome::Completed);
}
