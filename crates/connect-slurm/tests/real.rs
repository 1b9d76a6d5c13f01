//! The connector over Slurm's own commands, on real clusters: what every cluster must do, what a controller that lost its state
//! does to it, and whether what is told equals Slurm's accounting to the second. Skipped with a message where Slurm is missing.

mod support;

use std::sync::Arc;
use std::time::Duration;

use base::Span;
use model::{EndCause, EndOrder, Exit, Outcome};
use ports::Cluster as _;
use ports::conformance;
use support::{PATIENCE, Platform, Site, changed, farm, small};
use testkit::slurm::Accounting;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_a_cluster_without_accounting_is_a_cluster() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("plain")) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    conformance::cluster(|| site.again()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_a_cluster_with_slurmdbd_is_a_cluster_and_its_seconds_are_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("booked").accounting(Accounting::default())) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    conformance::cluster(|| site.again()).await;
    ends_are_slurms_to_the_second(&site.again()).await;
}

async fn ends_are_slurms_to_the_second(site: &Site) {
    let mut platform = Platform::start(site);
    let scripts = ["sleep 2", "sleep 1\nexit 137", "exit 9", "kill -TERM $$", "sleep 3\nkill -KILL $$"];
    let wanted = [(0, 0), (137, 0), (9, 0), (0, 15), (0, 9)];
    for (number, script) in (1..).zip(scripts) {
        let script = format!("#!/bin/sh\n{script}\n");
        let order = conformance::order(site, number, &script);
        platform.cluster.submit(order, script.into()).await.expect("a hand-over");
    }
    for (number, (code, signal)) in (1..).zip(wanted) {
        let attempt = conformance::order(site, number, "").attempt;
        let (outcome, exit, start, end) = platform.ended(attempt).await;
        assert_eq!(exit, Some(Exit { code, signal }), "{}", scripts[number as usize - 1]);
        assert_eq!(outcome == Outcome::Completed, code == 0 && signal == 0);
        let name = site.realm.name(attempt);
        let said = booked(site, &name).await;
        let told = [start.expect("it ran"), end].map(|at| at.as_secs());
        let slurms: Vec<i64> = said.trim().split('|').map(seconds_of_day).collect();
        assert_eq!(told.map(|at| at.rem_euclid(86_400)).to_vec(), slurms, "{said}");
    }
}

/// Start and end of a run as the accounting has them. It may learn of an end later than the completion log, and we with it.
async fn booked(site: &Site, name: &str) -> String {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let ask = ["sacct", "-n", "-P", "-X", "--name", name, "-S", "now-1hour", "-o", "Start,End"];
        let said = site.cluster.run(&ask).expect("sacct");
        if said.matches('T').count() == 2 {
            return said;
        }
        assert!(tokio::time::Instant::now() < deadline, "the accounting says: {said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// `2026-11-21T11:22:33` in UTC as seconds of its day.
fn seconds_of_day(text: &str) -> i64 {
    let time = text.split_once('T').expect("a time").1;
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_what_a_controller_forgot_runs_once_and_scripts_arrive_as_they_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("loser")) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    everything_arrives(&site).await;
    signals_arrive_once(&site.again()).await;
    forgotten_jobs_run_once(&site.again()).await;
}

/// A node whose prologue fails is drained by Slurm, and the job is queued again and held there for good: it is for the platform to
/// run it elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_a_job_whose_launch_failed_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = small("prologue").line("Prolog=/bin/false").accounting(Accounting::default());
    let Some((_farm, cluster)) = farm(dir.path(), spec) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    let mut platform = Platform::start(&site);
    let script = "#!/bin/sh\nscontrol requeue 0\necho ran\n";
    let order = changed(&conformance::order(&site, 1, script), |spec| spec.requeue = true);
    platform.cluster.submit(Arc::clone(&order), script.into()).await.expect("a hand-over");
    let (outcome, ..) = platform.ended(order.attempt).await;
    assert_eq!(outcome, Outcome::NodeFail);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let said = cluster.run(&["squeue", "-h", "-o", "%i %T %r"]).expect("squeue");
        if said.trim().is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is held there still: {said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn everything_arrives(site: &Site) {
    let mut platform = Platform::start(site);
    let nasty = "$(touch never) `id` 'q' \"d\" \\ ; & | > \u{1d11e}\ttab\nline -n %j %%";
    let script = "#!/bin/bash\n#SBATCH --nodes=1000\ncat -- \"$0\"\nprintf '[%s]' \"$@\" \"$NASTY\" \"$SLURM_JOB_NAME\" \"$HW_JOB_NUMBER\"\n\
                  # \u{1d11e} '\"`$( \r\n";
    let order = changed(&conformance::order(site, 1, script), |spec| {
        spec.name = nasty.into();
        spec.comment = Some(nasty.into());
        spec.args = vec![nasty.into(), String::new()];
        spec.environment = vec![("NASTY".into(), nasty.into())];
        spec.stdout = Some("out 'q' $(x) 100%%".into());
    });
    platform.cluster.submit(Arc::clone(&order), script.into()).await.expect("a hand-over");
    let end = platform.ended(order.attempt).await;
    assert_eq!(platform.log(&order).await, format!("{script}[{nasty}][][{nasty}][{nasty}][1]"), "{end:?}");
    // 4 MiB of script is put beside the fence.
    let large = format!("#!/bin/sh\necho large\nexit 0\n{}", "#234567\n".repeat(1 << 19));
    let order = conformance::order(site, 2, &large);
    platform.cluster.submit(Arc::clone(&order), large.into()).await.expect("a hand-over");
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed);
    assert_eq!(platform.log(&order).await, "large\n");
}

async fn signals_arrive_once(site: &Site) {
    let mut platform = Platform::start(site);
    let script = "#!/bin/bash\ntrap 'echo usr1' USR1\ntrap 'echo usr2' USR2\nmkfifo wait\nexec 3<>wait\necho ready\nwhile :; do read -t 0.1 -u 3; done\n";
    let order = conformance::order(site, 1, script);
    platform.cluster.submit(Arc::clone(&order), script.into()).await.expect("a hand-over");
    platform.started(order.attempt).await;
    for (signal, shell_only, text) in
        [(0, false, "ready\n"), (12, false, "ready\nusr2\n"), (10, true, "ready\nusr2\nusr1\n")]
    {
        if signal > 0 {
            platform.cluster.signal(order.attempt, signal, shell_only).await.expect("a signal");
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let log = platform.log(&order).await;
            if log == text {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline && text.starts_with(&log), "{log:?} instead of {text:?}");
            let size = log.len() as u64;
            platform.cluster.wait_log(Arc::clone(&order), ports::LogStream::Stdout, size).await.expect("a log");
        }
    }
    let how = EndOrder { cause: EndCause::Cancelled, grace: Span::from_secs(2) };
    platform.cluster.end(order.attempt, how).await.expect("an end");
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Cancelled);
}

/// A controller that is set back forgets what it acknowledged, and gives the numbers to others.
async fn forgotten_jobs_run_once(site: &Site) {
    const JOBS: u64 = 6;
    let mut platform = Platform::start(site);
    // Nothing starts meanwhile.
    site.cluster.run(&["scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=test"]).expect("drained");
    let saved = site.cluster.save_state().expect("a saved state");
    let script = "#!/bin/sh\necho ran >>ran\nsleep 1\n";
    for number in 1..=JOBS {
        let order = conformance::order(site, number, script);
        platform.cluster.submit(order, script.into()).await.expect("a hand-over");
    }
    site.cluster.restore_state(&saved).expect("set back");
    // The drain may be forgotten as well; then there is nothing to resume.
    let _ = site.cluster.run(&["scontrol", "update", "NodeName=ALL", "State=RESUME"]);
    // The numbers are somebody else's now.
    for number in JOBS + 1..=2 * JOBS {
        let order = conformance::order(site, number, script);
        platform.cluster.submit(order, script.into()).await.expect("a hand-over");
    }
    for number in 1..=2 * JOBS {
        let order = conformance::order(site, number, script);
        assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed, "{number}");
        let ran = site.root().join(format!("work/tenant/user/{number}/ran"));
        assert_eq!(std::fs::read_to_string(ran).expect("it ran"), "ran\n", "{number}");
    }
}
