//! Files from end to end: put into the file space, staged into a job's work folder, results fetched, across a killed server.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::os::unix::fs::PermissionsExt;
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

/// A running job is given files: whole, over older ones only when that is said, and nothing else of its folder is touched.
#[test]
fn a_running_job_is_given_files() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let (large, go, script) = (place.path().join("large"), place.path().join("go"), place.path().join("job.sh"));
    std::fs::write(&large, bytes(9 * MIB + 17, 5)).expect("a file");
    std::fs::write(&go, "first").expect("a file");
    // It ends when `go` is there, and has then seen all of it.
    let lines =
        "#!/bin/sh\n: >ready\nuntil [ -f go ]; do sleep 0.05; done\ncat go in/old\ncmp in/deep/large in/deep/large\n";
    std::fs::write(&script, lines).expect("a script");
    let (large_text, go_text) = (large.to_string_lossy().into_owned(), go.to_string_lossy().into_owned());
    let held = ends(&server, &["submit", "-q", "-H", &script.to_string_lossy()], 0).trim().to_owned();
    ends(&server, &["put", &go_text, &format!("{held}:go")], 5);
    ends(&server, &["release", &held], 0);
    let job = held;
    let at = |path: &str| format!("{job}:{path}");
    wait_for("the job to begin", LONG, || text(&server.run(&["ls", &at("")]).stdout).contains("ready").then_some(()));
    ends(&server, &["put", &large_text, &at("in/deep/")], 0);
    let back = place.path().join("back");
    ends(&server, &["get", &at("in/deep/large"), &back.to_string_lossy()], 0);
    same(&large, &back);
    ends(&server, &["put", &go_text, &at("in/old")], 0);
    std::fs::write(&go, "second").expect("a file");
    ends(&server, &["put", &go_text, &at("in/old")], 5);
    assert_eq!(ends(&server, &["cat", &at("in/old")], 0), "first");
    ends(&server, &["put", "--replace", &go_text, &at("in/old")], 0);
    // The output is the platform's to write, and nothing lies outside.
    let output = format!("slurm-{job}.out");
    for bad in [&*output, ".hw-uploads/x", "in/../../x", "in/old/x"] {
        ends(&server, &["put", "--replace", &go_text, &at(bad)], 2);
    }
    let listed = ends(&server, &["ls", "-R", &at("")], 0);
    assert!(!listed.contains("hw-uploads"), "{listed}");
    ends(&server, &["put", &go_text, &at("go")], 0);
    let seen = wait_for("the job's output", LONG, || {
        let output = text(&server.run(&["logs", &job]).stdout);
        output.contains("second").then_some(output)
    });
    assert_eq!(seen, "secondsecond");
    let told = text(&server.run(&["show", &job]).stdout);
    assert!(told.contains("in/old") && told.contains("put into its work folder"), "{told}");
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

/// What the timeline of a job says once it says one of these words.
fn told(server: &Hw, job: &str, words: &str) -> String {
    wait_for(&format!("job {job} to say {words}\n{}", server.log()), LONG, || {
        let shown = text(&server.run(&["show", job]).stdout);
        shown.contains(words).then_some(shown)
    })
}

/// A job's rule copies its results into the file space, also when the server is killed in the middle of it; what cannot be copied is
/// told and changes nothing of the job.
#[test]
fn results_come_by_rule() {
    const LARGE: usize = 256;
    let place = Place::new();
    let mut server = place.server(2, "[files]\nquota = '400M'\n");
    server.start();
    let script = place.path().join("job.sh");
    let write = |lines: &str| std::fs::write(&script, format!("#!/bin/sh\n{lines}")).expect("a script");
    let path = script.to_string_lossy().into_owned();
    let submit =
        |server: &Hw, more: &[&str]| ends(server, &[&["submit", "-q"], more, &[&path]].concat(), 0).trim().to_owned();

    write(&format!(
        "#HW fetch=out,**/*.log\nmkdir -p out/deep logs/a\nhead -c {LARGE}M /dev/zero >out/large\necho end >>out/large\n\
         echo odd >'out/deep/$(touch x) 日本'\n: >out/empty\nln -s /etc/passwd out/leak\necho log >logs/a/b.log\n\
         chmod 750 out/deep/*\necho no >other\nexit 3\n"
    ));
    let job = submit(&server, &[]);
    let before = wait_for("some of it to arrive", LONG, || Some(arrived(&server)).filter(|n| *n > 8 * MIB as u64));
    server.kill();
    assert!(arrived(&server) >= before && arrived(&server) < (LARGE * MIB) as u64, "killed in the middle");
    server.start();
    let shown = told(&server, &job, "result files");
    assert!(
        shown.contains("FAILED") && shown.contains(&format!("4 result files ({} bytes)", LARGE * MIB + 12)),
        "{shown}"
    );
    let listed = ends(&server, &["ls", "-R", &format!("results/{job}")], 0);
    assert_eq!(listed.lines().count(), 4, "no link and nothing that was not named: {listed}");
    let back = place.path().join("back");
    ends(&server, &["get", &format!("results/{job}"), &back.to_string_lossy()], 0);
    let large = std::fs::read(back.join("out/large")).expect("the large file");
    assert!(large.len() == LARGE * MIB + 4 && large.ends_with(b"\0end\n"));
    assert_eq!(std::fs::read_to_string(back.join("out/deep/$(touch x) 日本")).expect("the odd file"), "odd\n");
    assert_eq!(std::fs::read_to_string(back.join("logs/a/b.log")).expect("the log"), "log\n");
    let mode = std::fs::metadata(back.join("out/deep/$(touch x) 日本")).expect("the odd file").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    assert_eq!(arrived(&server), 0, "nothing is left on its way");

    // Over the quota, nothing that fits, and nothing to copy from.
    write("truncate -s 200M sparse\n");
    let shown = told(&server, &submit(&server, &["--fetch", "sparse"]), "not fetched");
    assert!(shown.contains("COMPLETED") && shown.contains("quota"), "{shown}");
    let shown = told(&server, &submit(&server, &["--fetch", "none*", "--fetch", "a/b"]), "not fetched");
    assert!(shown.contains("COMPLETED") && shown.contains("none*, a/b"), "{shown}");
    for bad in ["../x", "/etc/passwd", "a//b", ""] {
        ends(&server, &["submit", "-q", "--fetch", bad, &path], 2);
    }
    ends(&server, &["submit", "-q", "--fetch", "x", "--chdir", "/tmp", &path], 2);
    // The same by the request's body.
    let body = wire::submit::JobSubmit {
        options: [("fetch".to_owned(), wire::submit::OptionValue::Text("out/*.txt".into()))].into(),
        ..support::script("mkdir out; echo json >out/a.txt")
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = support::client_of(&server);
    let job = runtime.block_on(client.submit(&body, None)).expect("a job").number.to_string();
    told(&server, &job, "1 result files");
    assert_eq!(ends(&server, &["cat", &format!("results/{job}/out/a.txt")], 0), "json\n");
    server.terminate();
}

/// Work folders go some time after their jobs; those of open jobs, and those that open jobs chose, stay.
#[test]
fn old_work_folders_go() {
    let place = Place::new();
    let work = place.shared("work");
    let settings = format!("[files]\nwork_kept = '2s'\n[local]\nwork_root = '{}'\n", work.display());
    let mut server = place.server(3, &settings);
    server.start();
    let script = place.path().join("job.sh");
    std::fs::write(&script, "#!/bin/sh\npwd >where\nuntil [ -e \"$1\" ]; do sleep 0.05; done\n").expect("a script");
    let (path, go) = (script.to_string_lossy().into_owned(), place.shared("go"));
    let mark = |name: &str| go.join(name).to_string_lossy().into_owned();
    let submit = |more: &[&str], name: &str| {
        let mark = mark(name);
        let arguments = [&["submit", "-q", "--mem", "64M"], more, &[&path, &mark]].concat();
        ends(&server, &arguments, 0).trim().to_owned()
    };
    let folder = |job: &str| work.join("house/admin").join(job);
    let stranger = work.join("house/admin/4711");
    let (first, open) = (submit(&[], "first"), submit(&[], "open"));
    for job in [&first, &open] {
        wait_for("the job to begin", LONG, || folder(job).join("where").exists().then_some(()));
    }
    std::fs::create_dir(&stranger).expect("a folder");
    // Waits in the first one's folder.
    let chosen = folder(&first).to_string_lossy().into_owned();
    let guest = submit(&["-H", "--chdir", &chosen], "first");
    let plain = submit(&[], "plain");
    for name in ["first", "plain"] {
        std::fs::write(mark(name), "").expect("a mark");
    }
    told(&server, &plain, "COMPLETED");
    wait_for("the plain job's folder to go", LONG, || (!folder(&plain).exists()).then_some(()));
    assert!(folder(&open).join("where").exists(), "a job is in it");
    assert!(folder(&first).join("where").exists(), "an open job chose it");
    assert!(stranger.exists(), "nobody's here");
    ends(&server, &["ls", &format!("{plain}:")], 3);
    ends(&server, &["cancel", "-y", &guest], 0);
    std::fs::write(mark("open"), "").expect("a mark");
    for job in [&first, &open] {
        wait_for("its folder to go", LONG, || (!folder(job).exists()).then_some(()));
    }
    assert!(stranger.exists(), "nobody's here");
    server.terminate();
}
