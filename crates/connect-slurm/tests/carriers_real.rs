//! Every way into a real cluster does what every cluster must, whatever stands between: a jump host, a forwarded socket, a token that
//! expires, two ways side by side. A way that broke is whole again under the same connector. Skipped with a message where Slurm is missing.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::AttemptId;
use connect_slurm::carrier::{Cancel, LimitRights, QueueWanted, SlurmState};
use connect_slurm::debtors::{self, Changed};
use connect_slurm::open;
use futures::FutureExt;
use model::{Observed, Order, Outcome};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ports::Cluster as _;
use ports::conformance;
use serde_json::{Value, json};
use support::{PATIENCE, Platform, Site, command, farm, login, small};
use testkit::Cut;
use testkit::slurm::{Accounting, Cluster, Daemon};

const VERSION: &str = "v0.0.38";

fn rest(cluster: &Cluster) -> Value {
    let socket = cluster.restd_socket().expect("a socket");
    json!({"endpoint": format!("unix:{}", socket.display()), "version": VERSION})
}

fn through(cluster: &Cluster, login: Value) -> Value {
    let mut rest = rest(cluster);
    rest["through"] = login;
    json!({"kind": "rest", "rest": rest})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_every_way_in_is_a_cluster() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = small("ways").accounting(Accounting::default()).restd_socket().restd_port().ssh_behind_jump();
    let Some((_farm, cluster)) = farm(dir.path(), spec) else { return };
    let login = login(cluster.ssh().expect("a login node"));
    let token = dir.path().join("token");
    let port = cluster.restd_port().expect("a port");
    let tcp = json!({"endpoint": format!("http://127.0.0.1:{port}"), "version": VERSION, "token_file": token});
    let split = json!({
        "kind": "rest", "rest": rest(&cluster), "watch": "command-line", "commands": {"tools": {"slurm_conf": cluster.conf()}},
    });
    let tcp = json!({"kind": "rest", "rest": tcp});
    an_expired_token_is_read_again(&cluster, &token, &tcp).await;
    let ways = [
        ("ssh", json!({"kind": "ssh", "ssh": login})),
        ("socket", json!({"kind": "rest", "rest": rest(&cluster)})),
        ("forward", through(&cluster, login)),
        ("token", tcp),
        ("split", split),
    ];
    let suites = ways.into_iter().map(|(name, way)| suite(name, way, &cluster, dir.path()));
    let failed: Vec<&str> = futures::future::join_all(suites).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "not a cluster through: {failed:?}");
    stopped_jobs_run_on(&cluster, dir.path()).await;
}

/// The name of the way if it failed; why was printed.
async fn suite(name: &'static str, way: Value, cluster: &Arc<Cluster>, dir: &Path) -> Option<&'static str> {
    let begun = Instant::now();
    let site = Site::by(cluster, dir, way).await;
    let done = AssertUnwindSafe(conformance::cluster(|| site.again())).catch_unwind().await;
    println!("{name} ({}): {:.1} s", site.carrier.describe(), begun.elapsed().as_secs_f64());
    done.is_err().then_some(name)
}

/// The file holds a token that has expired, and the cluster says so; then a new one, which the same way reads by itself.
async fn an_expired_token_is_read_again(cluster: &Cluster, file: &Path, way: &Value) {
    let write = |life| {
        let token = cluster.token(cluster.user(), Duration::from_secs(life)).expect("a token");
        std::fs::write(file, format!("SLURM_JWT={token}\n")).expect("a token file");
    };
    write(1);
    let config = serde_json::from_value(json!({"way": way, "work_root": "/tmp"})).expect("a configuration");
    let carrier = open(&config).expect("a way").carrier;
    let deadline = Instant::now() + PATIENCE;
    while carrier.queue(QueueWanted::Jobs(vec![1])).await.is_ok() {
        assert!(Instant::now() < deadline, "a token that never expires");
    }
    write(600);
    carrier.queue(QueueWanted::Jobs(vec![1])).await.expect("the new token");
    assert_eq!(carrier.survey().await.expect("a survey").user, cluster.user(), "the token says for whom it speaks");
}

/// `scancel -s STOP` leaves a job its processors, and Slurm counts on: every way says that it runs.
async fn stopped_jobs_run_on(cluster: &Arc<Cluster>, dir: &Path) {
    let by_commands = Site::new(cluster, dir).await;
    let by_rest = Site::by(cluster, dir, json!({"kind": "rest", "rest": rest(cluster)})).await;
    let number = cluster.sbatch(&["--output=/dev/null"], "#!/bin/sh\nsleep 100\n").expect("a job");
    cluster.wait_job(number, "RUNNING", PATIENCE).expect("it runs");
    by_commands.carrier.cancel(&[number], Cancel::Signal(19)).await.expect("a signal");
    cluster.wait_job(number, "STOPPED", PATIENCE).expect("it is stopped");
    for site in [&by_commands, &by_rest] {
        let queue = site.carrier.queue(QueueWanted::Jobs(vec![number])).await.expect("the queue");
        let job = queue.jobs.into_iter().next().expect("it is there");
        assert_eq!((job.state, job.flags.as_slice()), (SlurmState::Running, &["STOPPED".to_owned()][..]));
    }
    by_commands.carrier.cancel(&[number], Cancel::Signal(9)).await.expect("an end");
}

/// A job through a connector, to its end.
async fn runs(platform: &mut Platform, site: &Site, number: u64) {
    let script = "#!/bin/sh\nsleep 1\n";
    let order = conformance::order(site, number, script);
    handed_over(platform, &order, script).await;
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed, "{number}");
}

/// As the platform does it: what could not be sent is tried again.
async fn handed_over(platform: &mut Platform, order: &Arc<Order>, script: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(error) = platform.cluster.submit(Arc::clone(order), script.into()).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        tokio::task::yield_now().await;
    }
}

async fn reachable(platform: &mut Platform, is: bool) {
    let find = |seen: &[Observed]| {
        let told = seen.iter().rev().find_map(|what| match what {
            Observed::Reachable => Some(true),
            Observed::Unreachable => Some(false),
            _ => None,
        });
        (told == Some(is)).then_some(())
    };
    platform.until(if is { "the cluster again" } else { "its silence" }, find).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_a_forward_that_broke_is_made_anew_under_the_same_connector() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("broken").restd_socket().ssh_behind_jump()) else { return };
    let access = cluster.ssh().expect("a login node");
    let line = Cut::to(([127, 0, 0, 1], access.first_hop()).into()).expect("a port");
    let way = through(&cluster, login(&access.through(line.address().port()).expect("a way through the line")));
    let mut site = Site::by(&cluster, dir.path(), way).await;
    site.config.grace_secs = 1;
    let mut platform = Platform::start(&site);
    runs(&mut platform, &site, 1).await;

    // A job that runs while the line is cut, and the line comes back.
    let script = "#!/bin/sh\necho ran >>ran\nsleep 3\n";
    let order = conformance::order(&site, 2, script);
    handed_over(&mut platform, &order, script).await;
    platform.started(order.attempt).await;
    line.cut();
    reachable(&mut platform, false).await;
    let cut = Instant::now();
    line.resume();
    reachable(&mut platform, true).await;
    println!("after a cut it was there again in {:.1} s", cut.elapsed().as_secs_f64());
    ended_once(&mut platform, &site, order.attempt, 2).await;
    runs(&mut platform, &site, 3).await;

    // The connection's own process dies.
    let before = masters();
    assert!(!before.is_empty(), "a connection is a process of ours");
    for pid in &before {
        kill(*pid, Signal::SIGKILL).expect("a signal");
    }
    let others = |known: &[Pid]| masters().iter().any(|pid| !known.contains(pid));
    until("another connection", || others(&before)).await;
    runs(&mut platform, &site, 4).await;

    // slurmrestd itself comes back on the same socket: the connection stands, and leads there again.
    let kept = masters();
    cluster.kill(Daemon::Slurmrestd, Signal::SIGKILL);
    until("an error", || platform.cluster.status().last_error.is_some()).await;
    cluster.start(Daemon::Slurmrestd).expect("slurmrestd again");
    until("no error", || platform.cluster.status().last_error.is_none()).await;
    runs(&mut platform, &site, 5).await;
    assert!(!others(&kept), "nothing was connected anew for that");
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come");
        tokio::task::yield_now().await;
    }
}

async fn ended_once(platform: &mut Platform, site: &Site, attempt: AttemptId, number: u64) {
    assert_eq!(platform.ended(attempt).await.0, Outcome::Completed);
    let ran = site.root().join(format!("work/tenant/user/{number}/ran"));
    assert_eq!(std::fs::read_to_string(ran).expect("it ran"), "ran\n");
}

/// Connections of this process: children of it that are `ssh -M`.
fn masters() -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if words.starts_with(b"ssh\0-M\0") && status.contains(&format!("\nPPid:\t{}\n", std::process::id())) {
            found.push(Pid::from_raw(pid));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_two_ways_to_different_clusters_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((mut farm, one)) = farm(dir.path(), small("one").restd_socket()) else { return };
    farm.start([small("other")]).expect("a second cluster");
    let commands = command(farm.cluster("other"))["tools"].clone();
    let way = json!({"kind": "rest", "rest": rest(&one), "watch": "command-line", "commands": {"tools": commands}});
    let config = serde_json::from_value(json!({"way": way, "work_root": dir.path()})).expect("a configuration");
    let said = open(&config).expect("a way").carrier.survey().await.expect_err("they lead apart").to_string();
    assert!(said.contains("different nodes"), "{said}");
}

/// Site accounts of debtors take in nothing, and afterwards what they did before. A repeat changes nothing; so does a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_accounts_of_debtors_are_stopped_and_let_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let books = Accounting::default()
        .enforce("associations,limits")
        .sacctmgr(&["add", "account", "lab", "set", "GrpSubmitJobs=7"])
        .sacctmgr(&["add", "account", "dock"])
        .sacctmgr(&["add", "user", "root", "account=lab,dock"]);
    let Some((_farm, cluster)) = farm(dir.path(), small("books").accounting(books)) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    assert_eq!(site.carrier.limit_rights("root").await.expect("an answer"), LimitRights::All);
    assert_eq!(site.carrier.limit_rights("nobody").await.expect("an answer"), LimitRights::None);
    let to = |names: &[&str]| {
        let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (carrier, files, realm) = (Arc::clone(&site.carrier), Arc::clone(&site.files), site.realm);
        async move { debtors::reconcile(&*carrier, &*files, realm, "books", &wanted).await.expect("it is done") }
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let takes = |account: &str| cluster.sbatch(&[format!("--account={account}"), "-o/dev/null".into()], "#!/bin/sh\n");

    takes("lab").expect("a job of somebody who pays");
    let seen = to(&["Lab", "dock", "nowhere"]).await;
    assert_eq!((seen.stopped, seen.unknown), (names(&["dock", "lab"]), names(&["nowhere"])));
    // The controller hears of it from slurmdbd a moment later.
    until("a refusal", || takes("lab").is_err() && takes("dock").is_err()).await;
    assert_eq!(to(&["lab", "dock"]).await, Changed::default(), "a repeat");
    // Somebody at the site gave one of them another limit meanwhile: that stays.
    cluster.run(&["sacctmgr", "-i", "modify", "account", "dock", "set", "GrpSubmitJobs=3"]).expect("another limit");
    assert_eq!(to(&[]).await.lifted, names(&["lab"]));
    until("work again", || takes("lab").is_ok() && takes("dock").is_ok()).await;
    let accounts = names(&["lab", "dock"]);
    let mut limits = site.carrier.submit_limits("books", &accounts).await.expect("limits");
    limits.sort_by(|a, b| a.account.cmp(&b.account));
    assert_eq!(limits.iter().map(|limit| limit.most).collect::<Vec<_>>(), [Some(3), Some(7)]);
    assert_eq!(to(&[]).await, Changed::default(), "nothing is left to do");
    let odd = to_odd(&site).await;
    assert!(odd.contains("no name of an account"), "{odd}");
}

async fn to_odd(site: &Site) -> String {
    let wanted = BTreeSet::from(["a b".to_owned()]);
    let done = debtors::reconcile(&*site.carrier, &*site.files, site.realm, "books", &wanted).await;
    done.expect_err("such a name never reaches sacctmgr").to_string()
}
