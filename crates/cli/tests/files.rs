//! Files from end to end: put into the file space, staged into a job's work folder, results fetched, across a killed server.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use support::{LONG, Place};
use testkit::Hw;
use testkit::hw::wait_for;

/// Names that a shell, a terminal or a careless join would stumble over.
const ODD: &[&str] = &["with space", "it's \"quoted\"", "$(touch pwned);`id`&|", "日本 🎉.txt", "-rf", "%41 + # ?"];
const MIB: usize = 1 << 20;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the program as a client and expects it to end with this code; its standard output.
#[track_caller]
fn ends(server: &Hw, arguments: &[&str], code: i32) -> String {
    let output = server.run(arguments);
    let told = || format!("{arguments:?}\n{}\n{}\n{}", text(&output.stdout), text(&output.stderr), server.log());
    assert_eq!(output.status.code(), Some(code), "{}", told());
    text(&output.stdout)
}

/// Bytes that repeat nowhere within a mebibyte, different for each seed.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        all.extend_from_slice(&next().to_le_bytes());
    }
    all.truncate(length);
    all
}

fn local_folder(place: &Place) -> PathBuf {
    let folder = place.path().join("case");
    std::fs::create_dir_all(folder.join("deep/er")).expect("a folder");
    for (name, seed) in ODD.iter().zip(1..) {
        std::fs::write(folder.join(name), bytes(1_000 + seed as usize, seed)).expect("a file");
    }
    std::fs::write(folder.join("deep/er/empty"), "").expect("a file");
    std::fs::write(folder.join("deep/large"), bytes(9 * MIB + 17, 99)).expect("a file");
    folder
}

fn same(one: &Path, other: &Path) {
    let (a, b) = (std::fs::read(one).expect("the first"), std::fs::read(other).expect("the second"));
    assert!(a == b, "{} ({} bytes) and {} ({} bytes) differ", one.display(), a.len(), other.display(), b.len());
}

#[test]
fn a_folder_goes_to_a_job_and_its_results_come_back() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let case = local_folder(&place);
    std::os::unix::fs::symlink("/etc/passwd", case.join("link")).expect("a link");
    let case_text = case.to_string_lossy().into_owned();
    ends(&server, &["put", &case_text, "cases/one"], 0);
    let listed = ends(&server, &["ls", "-R", "cases"], 0);
    assert_eq!(listed.lines().count(), ODD.len() + 2, "all but the link: {listed}");
    assert!(!listed.contains("link"), "{listed}");
    let top = ends(&server, &["ls", "cases/one"], 0);
    assert_eq!(top.lines().filter(|line| line.starts_with("folder\t")).count(), 1, "{top}");

    // The job adds to each file and leaves what nobody may fetch.
    let script = place.path().join("job.sh");
    let lines = "#!/bin/sh\nset -e\nmkdir out\nfor f in input/*; do [ -f \"$f\" ] && cp -- \"$f\" out/; done\n\
        cmp input/deep/large other-name\ncp other-name out/large\nls -l input >listing\n\
        ln -s /etc/passwd leak\nln -s /etc etc\nln -s listing near\nmkfifo pipe\n";
    std::fs::write(&script, lines).expect("a script");
    let script = script.to_string_lossy().into_owned();
    let stage = ["--stage-in", "cases/one:input", "--stage-in", "cases/one/deep/large:other-name"];
    let job = ends(&server, &[&["submit", "-W", "-q"], &stage[..], &[&script]].concat(), 0).trim().to_owned();

    let shown = ends(&server, &["ls", &format!("{job}:")], 0);
    for line in ["folder\t", "link\t\t", "other\t\t"] {
        assert!(shown.lines().any(|one| one.starts_with(line)), "{line:?} in {shown}");
    }
    let back = place.path().join("back");
    ends(&server, &["get", &format!("{job}:out"), &back.to_string_lossy()], 0);
    for name in ODD {
        same(&case.join(name), &back.join(name));
    }
    same(&case.join("deep/large"), &back.join("large"));
    assert_eq!(ends(&server, &["cat", &format!("{job}:listing")], 0).lines().count(), ODD.len() + 2);
    assert!(!back.join("pwned").exists() && !Path::new("pwned").exists());

    // Nothing outside the work folder is served, by no way.
    for path in ["leak", "etc/passwd", "near", "pipe", "nothing"] {
        let output = ends(&server, &["cat", &format!("{job}:{path}")], 3);
        assert!(output.is_empty(), "{path}: {output}");
    }
    for path in ["../../../..", "a/../..", "x/../../y"] {
        ends(&server, &["cat", &format!("{job}:{path}")], 2);
    }
    // The file space gives back what was put, mode and all.
    let whole = place.path().join("whole");
    ends(&server, &["get", "cases/one", &whole.to_string_lossy()], 0);
    for name in ODD.iter().chain(&["deep/large", "deep/er/empty"]) {
        same(&case.join(name), &whole.join(name));
    }
    assert!(text(&server.run(&["show", &job]).stdout).contains("input files"), "the timeline says so");
    ends(&server, &["rm", "cases"], 3);
    ends(&server, &["rm", "-r", "-y", "cases"], 0);
    assert_eq!(ends(&server, &["ls"], 0), "");
    server.terminate();
}

/// A job keeps its inputs when their paths are removed, and one that names what is not there is refused.
#[test]
fn inputs_are_those_of_the_submission() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let (file, script) = (place.path().join("in"), place.path().join("job.sh"));
    std::fs::write(&file, "first").expect("a file");
    std::fs::write(&script, "#!/bin/sh\ncat in.txt\n").expect("a script");
    let (file, script) = (file.to_string_lossy().into_owned(), script.to_string_lossy().into_owned());
    ends(&server, &["put", &file, "in.txt"], 0);
    let job = ends(&server, &["submit", "-q", "-H", "--stage-in", "in.txt", &script], 0).trim().to_owned();
    std::fs::write(&file, "second").expect("a file");
    ends(&server, &["put", &file, "in.txt"], 0);
    ends(&server, &["rm", "in.txt"], 0);
    ends(&server, &["release", &job], 0);
    let seen = wait_for("the job's output", LONG, || {
        let output = server.run(&["logs", &job]);
        (output.status.success() && !output.stdout.is_empty()).then(|| text(&output.stdout))
    });
    assert_eq!(seen, "first");
    for bad in ["in.txt", "../x", "in.txt:../y"] {
        ends(&server, &["submit", "-q", "--stage-in", bad, &script], 2);
    }
    ends(&server, &["put", &file, "in.txt"], 0);
    ends(&server, &["submit", "-q", "--chdir", "/tmp", "--stage-in", "in.txt", &script], 2);
    server.terminate();
}

fn arrived(server: &Hw) -> u64 {
    let Ok(listed) = std::fs::read_dir(server.data().join("files/parts")) else { return 0 };
    listed.filter_map(|one| one.ok()?.metadata().ok()).map(|found| found.len()).max().unwrap_or(0)
}

/// The server is killed in the middle of an upload; the same command goes on with it.
#[test]
fn an_upload_outlives_the_server() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let (file, back) = (place.path().join("large"), place.path().join("back"));
    std::fs::write(&file, bytes(64 * MIB, 7)).expect("a file");
    let put = [&*file.to_string_lossy(), "data/large"].map(String::from);
    let put: Vec<&str> = std::iter::once("put").chain(put.iter().map(String::as_str)).collect();
    let sending = server.client(&put).stderr(std::process::Stdio::piped()).spawn().expect("the program runs");
    let before = wait_for("half of it to arrive", LONG, || Some(arrived(&server)).filter(|n| *n > 30 * MIB as u64));
    server.kill();
    let Output { status, .. } = sending.wait_with_output().expect("it ends");
    assert_eq!(status.code(), Some(7), "nobody answers");
    server.start();
    assert!(arrived(&server) >= before && arrived(&server) < 64 * MIB as u64);
    let output = server.run(&put);
    let told = text(&output.stderr);
    assert!(output.status.success(), "{told}");
    let sent: f64 = told
        .split("; ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{told}"));
    assert!(sent < 40.0, "only the rest was sent: {told}");
    ends(&server, &["get", "data/large", &back.to_string_lossy()], 0);
    same(&file, &back);
    server.terminate();
}

/// 64 MiB there and back, and a second time when the platform has the content already.
#[test]
fn a_large_file_goes_there_and_back() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let (file, back) = (place.path().join("large"), place.path().join("back"));
    std::fs::write(&file, bytes(64 * MIB, 8)).expect("a file");
    let (file_text, back_text) = (file.to_string_lossy().into_owned(), back.to_string_lossy().into_owned());
    for (what, arguments) in [
        ("put 64 MiB", ["put", &file_text, "a"]),
        ("put the same again", ["put", &file_text, "b"]),
        ("get 64 MiB", ["get", "a", &back_text]),
    ] {
        let begun = Instant::now();
        ends(&server, &arguments, 0);
        println!("{what}: {:?}", begun.elapsed());
    }
    same(&file, &back);
    server.terminate();
}
