//! The way of a new user through the program: the README's tour, the sample simulation, jobs that outlive the server.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::PathBuf;

use support::{LONG, Place};
use testkit::{Hw, wait_for};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example(name: &str) -> String {
    root().join("examples").join(name).to_string_lossy().into_owned()
}

/// Output of a command that must succeed.
fn ok(server: &Hw, arguments: &[&str]) -> String {
    let output = server.run(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "hw {}: {:?}\n{text}{}\n{}",
        arguments.join(" "),
        output.status.code(),
        String::from_utf8_lossy(&output.stderr),
        server.log()
    );
    text
}

/// The commands of a README's tour, as a user would type them.
fn tour(readme: &str) -> Vec<String> {
    let path = root().join(readme);
    let text = std::fs::read_to_string(&path).expect("the README is there");
    let lines = text.lines().map(|l| l.split("  #").next().unwrap_or(l).trim());
    let commands: Vec<String> = lines.filter(|l| l.starts_with("hw ")).map(str::to_owned).collect();
    assert!(commands.len() > 10, "{readme} has a tour: {commands:?}");
    commands
}

/// Types a tour line by line.
fn walk(readme: &str) {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let program = PathBuf::from(support::HW);
    let folder = program.parent().expect("a program is in a folder").to_string_lossy().into_owned();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    for command in tour(readme) {
        let output = std::process::Command::new("bash")
            .args(["-c", &command])
            .current_dir(root())
            .env("PATH", &path)
            .env("HW_URL", server.url())
            .env("HW_TOKEN", server.token())
            .output()
            .expect("bash runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {:?}\n{text}\n{}", output.status.code(), server.log());
    }
    assert!(ok(&server, &["jobs", "--all"]).contains("COMPLETED"));
    ok(&server, &["scancel", "--me"]);
}

#[test]
fn the_tour_of_the_readme() {
    walk("README.md");
}

#[test]
fn the_tour_of_the_chinese_readme() {
    walk("README.zh-CN.md");
}

#[test]
fn slurms_verbs_know_what_happened() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let run = |arguments: &[&str]| ok(&server, arguments);
    assert_eq!(run(&["sbatch", "--parsable", "--mem", "50M", "--wrap", "exit 3"]).trim(), "1");
    wait_for("job 1 to fail", LONG, || run(&["show", "1"]).contains("FAILED").then_some(()));
    assert!(run(&["squeue", "-h"]).trim().is_empty());
    assert!(run(&["sacct", "-j", "1", "-n", "-P", "-o", "JobID,State,ExitCode"]).contains("1|FAILED|3:0"));
    assert!(run(&["sinfo"]).contains("main"));
    let bill: serde_json::Value = serde_json::from_str(&run(&["bill", "--json"])).expect("JSON");
    assert!(bill["lines"].is_array() || bill["items"].is_array(), "{bill}");
    assert!(run(&["config"]).contains("metering.interval"));
}

#[test]
fn jobs_are_found_and_cancelled_by_how_their_names_begin() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let run = |arguments: &[&str]| ok(&server, arguments);
    for name in ["melt-1", "melt-2", "Melt-3", "other"] {
        run(&["sbatch", "--hold", "--mem", "50M", "-J", name, "--wrap", "true"]);
    }
    let count = |arguments: &[&str]| run(&[&["jobs"], arguments].concat()).lines().count();
    assert_eq!((count(&[]), count(&["--name-prefix", "melt"]), count(&["--name-prefix", "m%"])), (4, 2, 0));
    run(&["cancel", "--name-prefix", "melt", "--yes"]);
    assert_eq!((count(&[]), count(&["-a", "--name-prefix", "melt"])), (2, 2));
}

#[test]
fn a_submission_that_waits_ends_with_the_jobs_exit_code() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let script = place.path().join("seven.sh");
    std::fs::write(&script, "#!/bin/sh\n#SBATCH --mem=50M\necho to-stdout\nexit 7\n").expect("a script");
    let output = server.run(&["submit", "--wait", &script.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let bad = place.path().join("bad.sh");
    std::fs::write(&bad, "#!/bin/sh\n#SBATCH --tiem=5\ntrue\n").expect("a script");
    let output = server.run(&["submit", &bad.to_string_lossy()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("line 2") && text.contains("--time"), "{text}");
}

#[test]
fn a_stop_leaves_jobs_running_and_a_start_adopts_them() {
    let place = Place::new();
    let gate = place.shared("gate");
    let mut server = place.server(2, "");
    server.start();
    let text = format!("until [ -e {}/go ]; do sleep 0.05; done; exit 5", gate.display());
    let number = ok(&server, &["sbatch", "--parsable", "--mem", "50M", "--wrap", &text]).trim().to_owned();
    let state = |server: &Hw, wanted: &str| {
        let text = ok(server, &["squeue", "-h", "-o", "%T", "-j", &number]);
        (text.trim() == wanted).then_some(())
    };
    wait_for("the job to run", LONG, || state(&server, "RUNNING"));
    let status = server.terminate().expect("it ran");
    assert!(status.success(), "SIGTERM is a clean stop: {status}\n{}", server.log());
    server.start();
    state(&server, "RUNNING").expect("the job is still running after the restart");
    std::fs::write(gate.join("go"), "").expect("a mark");
    wait_for("the job to end", LONG, || {
        ok(&server, &["sacct", "-j", &number, "-n", "-P", "-o", "State,ExitCode"]).contains("FAILED|5:0").then_some(())
    });
}

/// The platform's main job: a real simulation on MPI ranks, followed to its bill.
#[test]
fn heavy_the_sample_simulation_runs_and_is_billed() {
    let place = Place::new();
    let mut server = place.server(2, "[metering]\ninterval = '2s'\nlag = '1s'\n");
    server.start();
    let output = server.run(&["submit", "--wait", &example("melt/melt.sh")]);
    assert!(output.status.success(), "{output:?}\n{}", ok(&server, &["logs", "1"]));
    let log = ok(&server, &["logs", "1"]);
    assert!(log.contains("32000"), "the simulation says how many atoms it has:\n{log}");
    let show: serde_json::Value = serde_json::from_str(&ok(&server, &["show", "1", "--json"])).expect("JSON");
    let text = show.to_string();
    assert!(text.contains("COMPLETED"), "{text}");
    let bill = ok(&server, &["bill", "--job", "1", "--csv"]);
    println!("{bill}");
    assert!(bill.lines().count() >= 2, "{bill}");
}
