//! A real Slurm cluster is registered on a running platform, carries a job, survives a restart, and is retired: all through
//! the command line. Skipped with a message where Slurm is not installed.
#![allow(clippy::print_stdout, reason = "says why it was skipped")]

mod support;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{HW, Place};
use testkit::Hw;
use testkit::slurm::{ClusterSpec, Farm, NodeSet, Partition};

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
fn heavy_a_registered_cluster_carries_work() {
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
