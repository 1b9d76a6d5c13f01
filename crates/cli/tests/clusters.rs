//! A real Slurm cluster is registered on a running platform, carries a job, survives a restart, and is retired: all through
//! the command line, and by every way in. Skipped with a message where Slurm is not installed.
#![allow(clippy::print_stdout, reason = "says why it was skipped")]

mod support;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{HW, LONG, Place};
use testkit::slurm::{Accounting, Cluster, ClusterSpec, Farm, NodeSet, Partition};
use testkit::{Hw, wait_for};

/// Runs `hw` as an operator; its output must be read by the caller.
fn hw(server: &Hw, words: &[&str]) -> Output {
    let mut command = Command::new(HW);
    command.args(words).env("HW_URL", server.url()).env("HW_TOKEN", server.token()).env("HW_LANG", "en");
    command.stdin(Stdio::null()).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn json(server: &Hw, words: &[&str]) -> Value {
    let output = hw(server, &[words, &["--json"]].concat());
    assert!(output.status.success(), "{words:?}: {}\n{}", said(&output), server.log());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", said(&output)))
}

/// Runs a job to its end; where it ran and what it cost.
fn ran(server: &Hw, place: &Place, pool: &str) -> (String, Value) {
    let script = place.path().join("job.sh");
    std::fs::write(&script, "#!/bin/sh\n#SBATCH --time=5\nsleep 2\nhostname\n").expect("a script can be written");
    let submitted = hw(server, &["submit", "--wait", "-p", pool, &script.to_string_lossy()]);
    assert!(submitted.status.success(), "{}\n{}", said(&submitted), server.log());
    let jobs = json(server, &["jobs", "-a", "--limit", "1"]);
    let number = jobs["items"][0]["number"].to_string();
    (number.clone(), json(server, &["show", &number]))
}

#[test]
fn farm_a_registered_cluster_carries_work() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let place = Place::new();
    let mut farm = Farm::new(place.path().join("farm")).expect("a farm");
    let spec = ClusterSpec::new("delta")
        .nodes(NodeSet::new(2))
        .nodes(NodeSet::new(1).gres("gpu:a100:2"))
        .partition(Partition::new("main").default().with("MaxTime=1:00:00"));
    farm.start([spec]).expect("a cluster");
    let conf = farm.cluster("delta").conf().to_string_lossy().into_owned();
    let mut server = place.server(1, "");
    server.start();

    let work = place.shared("work");
    let flags = ["--name", "delta", "--supplier", "hpc", "--mode", "partner", "--command", "--slurm-conf"];
    let work = work.to_string_lossy();
    let more = ["--work-root", &*work, "--yes"];
    let words = [&["cluster", "add"][..], &flags, &[conf.as_str()], &more].concat();
    let added = json(&server, &words);
    assert_eq!((&added["service"], &added["check"]["passed"]), (&"in_service".into(), &true.into()), "{added:#}");
    let verdicts: Vec<&str> =
        added["trial"]["cases"].as_array().unwrap().iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert!(verdicts.len() == 7 && verdicts.iter().all(|v| *v == "passed"), "{added:#}");
    let pools = json(&server, &["pools", "delta-main", "delta-main-nvidia-a100"]);
    assert_eq!(pools["items"].as_array().map(Vec::len), Some(2));

    let (number, shown) = ran(&server, &place, "delta-main");
    assert_eq!(shown["pool_name"], "delta-main", "{shown:#}");
    let bill = json(&server, &["bill", "--job", &number]);
    let charged: f64 = bill["lines"][0]["charge"].as_str().unwrap_or_default().parse().unwrap_or(0.0);
    assert!(charged > 0.0, "{bill:#}");

    // The platform's restart keeps the cluster, its service and its reports.
    server.terminate();
    server.start();
    let (_, shown) = ran(&server, &place, "delta-main");
    assert_eq!(shown["pool_name"], "delta-main");
    let detail = json(&server, &["cluster", "show", "delta"]);
    assert_eq!(
        (&detail["cluster"]["service"], detail["reports"].as_array().map(Vec::len)),
        (&"in_service".into(), Some(2))
    );
    assert_eq!(detail["cluster"]["link"]["connected"], true);

    let retired = hw(&server, &["cluster", "retire", "delta", "--yes"]);
    assert!(retired.status.success(), "{}", said(&retired));
    let untried = hw(&server, &["cluster", "service", "local", "testing"]);
    assert!(untried.status.success(), "{}", said(&untried));
    let unknown = hw(&server, &["cluster", "check", "local"]);
    assert_eq!(unknown.status.code(), Some(5), "{}", said(&unknown));
    server.terminate();
}

/// The flags of each way into one cluster, by the name under which it is registered.
fn ways(cluster: &Cluster, place: &Place) -> Vec<(&'static str, Vec<String>)> {
    let access = cluster.ssh().expect("a login node");
    let user = &access.user;
    let login = format!(
        "--ssh-port {} --ssh-user {user} --ssh-key {} --known-hosts {} --jump {user}@127.0.0.1:{}",
        access.port,
        access.key.display(),
        access.known_hosts.display(),
        access.jump_port.expect("a jump host"),
    );
    let token = place.path().join("token");
    let text = cluster.token(user, std::time::Duration::from_secs(1800)).expect("a token");
    std::fs::write(&token, text).expect("a token file");
    let (port, socket) = (cluster.restd_port().expect("a port"), cluster.restd_socket().expect("a socket"));
    let ways = [
        ("login", format!("--ssh 127.0.0.1 {login}")),
        ("token", format!("--rest http://127.0.0.1:{port} --token-file {} --files-here", token.display())),
        ("both", format!("--rest unix:{} --through 127.0.0.1 {login} --watch command-line", socket.display())),
    ];
    ways.map(|(name, flags)| (name, flags.split(' ').map(str::to_owned).collect())).into()
}

/// Registers the cluster by one way, tries it with real jobs, and has it carry one: its result and its bill.
fn carries_work(server: &Hw, place: &Place, name: &str, way: &[String]) {
    let work = place.shared(&format!("work-{name}")).to_string_lossy().into_owned();
    let mut words: Vec<&str> = vec!["cluster", "add", "--name", name, "--supplier", "hpc", "--mode", "partner"];
    words.extend(way.iter().map(String::as_str));
    words.extend(["--work-root", &work, "--yes"]);
    let added = json(server, &words);
    assert_eq!((&added["service"], &added["check"]["passed"]), (&"in_service".into(), &true.into()), "{added:#}");
    let cases = added["trial"]["cases"].as_array().expect("cases");
    assert!(cases.iter().all(|case| case["verdict"] == "passed"), "{added:#}");

    let script = place.path().join(format!("{name}.sh"));
    let text = format!("#!/bin/sh\n#SBATCH --time=5\nsleep 2\necho by {name} >result\n");
    std::fs::write(&script, text).expect("a script can be written");
    let number =
        json(server, &["submit", "-p", &format!("{name}-main"), &script.to_string_lossy()])["number"].to_string();
    wait_for(&format!("the job of {name}"), LONG, || {
        let state = json(server, &["show", &number])["state"].as_str().unwrap_or_default().to_owned();
        assert!(!matches!(state.as_str(), "FAILED" | "CANCELLED" | "NODE_FAIL"), "{name}: {state}\n{}", server.log());
        (state == "COMPLETED").then_some(())
    });
    let result = hw(server, &["cat", &format!("{number}:result")]);
    assert_eq!(said(&result), format!("by {name}\n"));
    let bill = json(server, &["bill", "--job", &number]);
    let charged: f64 = bill["lines"][0]["charge"].as_str().unwrap_or_default().parse().unwrap_or(0.0);
    assert!(charged > 0.0, "{name}: {bill:#}");
}

#[test]
fn farm_every_way_in_is_registered_tried_and_carries_work() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let place = Place::new();
    let mut farm = Farm::new(place.path().join("farm")).expect("a farm");
    let sets = ClusterSpec::new("delta").nodes(NodeSet::new(3)).nodes(NodeSet::new(1).gres("gpu:a100:2"));
    let spec = sets.accounting(Accounting::default());
    farm.start([spec.restd_socket().restd_port().ssh_behind_jump()]).expect("a cluster");
    let mut server = place.server(1, "");
    server.start();
    // Words that would mean nothing are refused with what to write instead.
    let wrong =
        ["cluster", "add", "--name", "x", "--supplier", "hpc", "--mode", "partner", "--work-root", "/w", "--yes"];
    let wrong = hw(&server, &[&wrong[..], &["--rest", "unix:/s", "--slurm-conf", "/etc/slurm.conf"]].concat());
    assert!(wrong.status.code() == Some(2) && said(&wrong).contains("watch = \"command-line\""), "{}", said(&wrong));
    std::thread::scope(|scope| {
        for (name, way) in ways(farm.cluster("delta"), &place) {
            let (server, place) = (&server, &place);
            scope.spawn(move || carries_work(server, place, name, &way));
        }
    });
    server.terminate();
}
