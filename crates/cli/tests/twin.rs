//! `hw twin` as a program: figures, files, formats, what is refused, and what Ctrl-C leaves.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for something that takes a second on a quiet machine.
const LONG: Duration = Duration::from_secs(120);

fn hw(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hw"));
    command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, words: &str) -> Output {
    hw(folder).args(words.split(' ')).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Four processors: a job of 3, one of 4 that waits for it, a short one of 1 that goes before, and one that is too large.
const SMALL: &str = "; MaxProcs: 4\n; Note: small\n\
    1 0 -1 100 3 -1 -1 3 100 -1 1 1 1 1 1 1 -1 -1\n\
    2 10 -1 50 4 -1 -1 4 60 -1 1 2 1 1 1 1 -1 -1\n\
    3 20 -1 30 1 -1 -1 1 40 -1 1 1 1 1 1 1 -1 -1\n\
    4 30 -1 30 5 -1 -1 5 40 -1 1 1 1 1 1 1 -1 -1\n";

#[test]
fn a_trace_is_replayed_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.swf"), SMALL).unwrap();
    let report = json(&run(folder.path(), "twin replay --trace small.swf --json --jobs-csv a.csv --swf a.swf"));
    assert_eq!((report["jobs"].as_u64(), report["left_out_too_large"].as_u64()), (Some(3), Some(1)));
    assert_eq!((report["policy"].as_str(), report["procs"].as_u64()), (Some("easy"), Some(4)));
    assert_eq!(report["mean_wait_s"].as_f64(), Some(30.0));
    assert_eq!((report["max_wait_s"].as_i64(), report["makespan_s"].as_i64()), (Some(90), Some(150)));
    assert_eq!(report["utilization"].as_f64(), Some(530.0 / 600.0));
    assert!(report["elapsed_s"].as_f64() > Some(0.0) && report["peak_rss_bytes"].as_u64() > Some(1_000_000));
    let csv = std::fs::read_to_string(folder.path().join("a.csv")).unwrap();
    assert_eq!(csv.lines().nth(2), Some("2,10,100,150,90,50,4,60,2,2.8000"));
    // What was written is a trace, which under fcfs makes the short job wait too.
    let report = json(&run(folder.path(), "twin replay --trace a.swf --policy fcfs --json"));
    assert_eq!((report["jobs"].as_u64(), report["max_wait_s"].as_i64()), (Some(3), Some(130)));
    // The same words, the same bytes; compressed or not.
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(SMALL.as_bytes()).unwrap();
    std::fs::write(folder.path().join("packed"), zip.finish().unwrap()).unwrap();
    json(&run(folder.path(), "twin replay --trace packed --json --jobs-csv b.csv --swf b.swf"));
    for (a, b) in [("a.csv", "b.csv"), ("a.swf", "b.swf")] {
        assert_eq!(std::fs::read(folder.path().join(a)).unwrap(), std::fs::read(folder.path().join(b)).unwrap());
    }
    let bare = run(folder.path(), "twin replay --trace small.swf");
    let bare = String::from_utf8(bare.stdout).unwrap();
    assert!(bare.contains("policy\teasy\n") && bare.contains("mean_wait\t30\n"), "{bare}");
}

#[test]
fn bad_lines_and_bad_words_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.swf"), format!("{SMALL}5 40 what\n")).unwrap();
    std::fs::write(folder.path().join("bare.swf"), SMALL.split_once("small\n").unwrap().1).unwrap();
    let refused = run(folder.path(), "twin replay --trace bad.swf --json");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("line 7: 3 fields") && told.contains("--bad-lines skip"), "{told}");
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    let skipped = run(folder.path(), "twin replay --trace bad.swf --bad-lines skip --json");
    assert!(String::from_utf8_lossy(&skipped.stderr).contains("line 7: 3 fields"));
    assert_eq!(json(&skipped)["bad_lines"].as_u64(), Some(1));
    for (words, code, said) in [
        ("twin replay --trace bare.swf", 2, "--procs"),
        ("twin replay --trace nowhere.swf", 1, "nowhere.swf"),
        ("twin replay --trace bare.swf --policy best", 2, "easy-sjbf"),
        ("twin broker --cluster a:4:nowhere.swf", 1, "nowhere.swf"),
    ] {
        let output = run(folder.path(), words);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && told.contains(said), "{words}: {} {told}", output.status);
    }
}

#[test]
fn dumps_of_sacct_are_traces() {
    let folder = tempfile::tempdir().unwrap();
    let dump = "JobID|Submit|Start|Elapsed|Timelimit|AllocCPUS\n\
        7|2026-11-21T08:00:00|2026-11-21T08:00:00|00:01:00|01:00:00|4\n\
        7.batch|2026-11-21T08:00:00|2026-11-21T08:00:00|00:01:00||4\n\
        8|2026-11-21T08:00:10|2026-11-21T09:00:00|00:01:00|01:00:00|4\n";
    std::fs::write(folder.path().join("dump"), dump).unwrap();
    let report = json(&run(folder.path(), "twin replay --trace dump --procs 4 --json"));
    assert_eq!((report["jobs"].as_u64(), report["mean_wait_s"].as_f64()), (Some(2), Some(25.0)));
}

#[test]
fn clusters_share_their_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.swf"), SMALL).unwrap();
    std::fs::write(folder.path().join("idle.swf"), "9 5000 -1 10 1 -1 -1 1 10 -1 1 1 1 1 1 1 -1 -1\n").unwrap();
    let of = |router: &str| {
        let words = "twin broker --cluster busy:4:small.swf --cluster idle:8:idle.swf --json --router ";
        json(&run(folder.path(), &format!("{words}{router}")))
    };
    let (home, moved, pooled) = (of("home"), of("earliest-start"), of("pooled"));
    assert_eq!((home["moved_jobs"].as_u64(), home["mean_wait_s"].as_f64()), (Some(0), Some(22.5)));
    // The second job of `busy` finds a machine that is free.
    assert_eq!((moved["moved"].as_f64(), moved["max_wait_s"].as_i64()), (Some(0.25), Some(0)));
    assert_eq!(moved["clusters"][1]["hosted"]["jobs"].as_u64(), Some(2));
    assert_eq!((pooled["moved"].is_null(), pooled["max_wait_s"].as_i64()), (true, Some(0)));
    // Ours moves the same one, whatever the clusters run, and says what decided.
    let ours = of("headworks --policy conservative");
    assert_eq!((ours["moved_jobs"].as_u64(), ours["max_wait_s"].as_i64()), (Some(1), Some(0)));
    assert_eq!((ours["returned_jobs"].as_u64(), ours["sent_on"].as_u64()), (Some(0), Some(0)));
    assert_eq!((ours["router"].as_str(), ours["policy"].as_str()), (Some("headworks"), Some("conservative")));
    // Chance is a stream of its seed.
    assert_eq!(of("random")["clusters"], of("random")["clusters"]);
}

/// Whether a process has said what is to happen on a SIGINT.
fn hears_interrupts(pid: u32) -> bool {
    const SIGINT_BIT: u64 = 1 << (2 - 1);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
    caught.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & SIGINT_BIT != 0)
}

/// Interrupts a command as soon as it listens, and gives what it leaves.
fn interrupted(folder: &Path, words: &str) -> (Value, String) {
    let child = hw(folder).args(words.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !hears_interrupts(child.id()) {
        assert!(begun.elapsed() < LONG, "it never listened");
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    (serde_json::from_slice(&output.stdout).unwrap(), told)
}

#[test]
fn ctrl_c_leaves_a_partial_report() {
    let folder = tempfile::tempdir().unwrap();
    // Jobs that fill the machine one after the other, each ending early: every end places all that wait anew.
    let mut trace = String::from("; MaxProcs: 100\n");
    for job in 0..6_000 {
        let _ = writeln!(trace, "{job} {job} -1 1000 60 -1 -1 60 2000 -1 1 1 1 1 1 1 -1 -1");
    }
    std::fs::write(folder.path().join("long.swf"), trace).unwrap();
    let (report, told) = interrupted(folder.path(), "twin replay --trace long.swf --policy conservative --json");
    assert_eq!((report["complete"].as_bool(), report["jobs"].as_u64()), (Some(false), Some(6_000)));
    assert!(report["unstarted"].as_u64() > Some(0), "{report}");
    assert!(told.contains("Broken off"), "{told}");
    let words = "twin compare easy conservative --trace long.swf --threads 1 --json";
    let (report, told) = interrupted(folder.path(), words);
    assert_eq!(report["complete"].as_bool(), Some(false));
    assert_eq!(report["pairs"].as_u64(), report["plays"].as_array().map(|plays| plays.len() as u64));
    assert!(report["pairs"].as_u64() < Some(5) && told.contains("Broken off"), "{told}");
}

#[test]
fn two_policies_are_compared_over_the_same_histories() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("small.swf", SMALL);
    let words = "twin compare fcfs easy --trace small.swf --jitter 20s --seeds 6 --json --threads";
    let (one, many) = (run(folder.path(), &format!("{words} 1")), run(folder.path(), &format!("{words} 3")));
    assert_eq!(one.stdout, many.stdout);
    let report = json(&one);
    let plays = report["plays"].as_array().unwrap();
    assert_eq!((report["pairs"].as_u64(), plays.len(), plays[5]["seed"].as_u64()), (Some(6), 6, Some(6)));
    let line = |report: &Value, name: &str| {
        let found = report["figures"].as_array().unwrap().iter().find(|line| line["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {report}")).clone()
    };
    // By the numbers of the pairs themselves: 2.571 is Student's t of five degrees.
    let of = |pair: &Value| pair["b"]["mean_wait_s"].as_f64().unwrap() - pair["a"]["mean_wait_s"].as_f64().unwrap();
    let gains: Vec<f64> = plays.iter().map(of).collect();
    let mean = gains.iter().sum::<f64>() / 6.0;
    let deviation = (gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / 5.0).sqrt();
    let wait = line(&report, "mean_wait_s");
    assert!(deviation > 0.0 && (wait["difference"].as_f64().unwrap() - mean).abs() < 1e-9, "{wait}");
    let low = mean - 2.571 * deviation / 6f64.sqrt();
    assert!((wait["low"].as_f64().unwrap() - low).abs() < 0.01, "{wait} {low}");
    assert!(report["figures"].as_array().unwrap().iter().all(|line| line["name"] != "margin"), "{report}");
    // As recorded: the figures of a replay, and no interval of one pair.
    let words = "twin compare fcfs easy --trace small.swf --jitter 0s --seeds 1 --json";
    let wait = line(&json(&run(folder.path(), words)), "mean_wait_s");
    assert_eq!((wait["b"].as_f64(), wait["low"].is_null()), (Some(30.0), true), "{wait}");
    put("supply.toml", SUPPLY);
    put("wait.toml", "[placement]\nready_first = false\n[placement.weights]\nstart = 1\nown_cost = 0\n");
    let words = "twin compare default wait.toml --supply supply.toml --trace lab=small.swf --jitter 1s --seeds 3";
    let report = json(&run(folder.path(), &format!("{words} --json")));
    let (margin, wait) = (line(&report, "margin"), line(&report, "mean_wait_s"));
    assert!(wait["difference"].as_f64() > Some(0.0) && wait["is_clear"] == true, "{wait}");
    let sum = line(&report, "revenue")["b"].as_f64().unwrap() - line(&report, "cost")["b"].as_f64().unwrap();
    assert!((margin["b"].as_f64().unwrap() - sum).abs() < 1e-5, "{report}");
    let bare = run(folder.path(), &format!("{words} --lang zh"));
    assert!(String::from_utf8_lossy(&bare.stdout).contains("毛利"), "{bare:?}");
    for (words, says) in [
        ("twin compare fcfs best --trace small.swf", "no policy `best`"),
        ("twin compare default nowhere.toml --supply supply.toml --trace lab=small.swf", "nowhere.toml"),
        ("twin compare fcfs --trace small.swf", "<B>"),
    ] {
        let refused = run(folder.path(), words);
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains(says), "{words}: {text}");
    }
}

/// Two pools, an own one and a partner's.
const SUPPLY: &str = "[prices]\ncore_hour = \"1\"\n\
    [[cluster]]\nname = \"own\"\nmode = \"own\"\n[[pool]]\nname = \"own\"\ncluster = \"own\"\ncores = 4\n\
    cost = { purchase_price = \"8760\", life_months = 12 }\n\
    [[cluster]]\nname = \"far\"\nmode = \"partner\"\n[[pool]]\nname = \"far\"\ncluster = \"far\"\ncores = 4\nfee_core_hour = \"0.5\"\n";

#[test]
fn a_supply_is_played_by_the_engine_with_money() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("small.swf", SMALL);
    put("supply.toml", SUPPLY);
    put("wait.toml", "[placement]\nready_first = false\n[placement.weights]\nstart = 1\nown_cost = 0\n");
    let words = "twin replay --supply supply.toml --trace lab=small.swf --json --jobs-csv";
    let report = json(&run(folder.path(), &format!("{words} a.csv")));
    assert_eq!((report["jobs"].as_u64(), report["left_out_too_large"].as_u64()), (Some(3), Some(1)));
    // 3 × 100 s at home, 4 × 50 s at the partner's since home is taken, 1 × 30 s beside the first.
    assert_eq!(report["max_wait_s"].as_f64(), Some(0.0));
    assert_eq!(report["modes"][1]["jobs"].as_u64(), Some(1));
    assert_eq!(report["modes"][1]["fees"].as_str(), Some("0.027777"));
    assert_eq!(report["tenants"][0]["name"].as_str(), Some("lab"));
    assert_eq!(report["wrong"].as_array().map(Vec::len), Some(0));
    json(&run(folder.path(), &format!("{words} b.csv --seed 1")));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("a.csv"), read("b.csv"));
    assert_eq!(read("a.csv").lines().nth(2), Some("1,lab,lab,10,10,60,0,50,4,far,0,0.055555,0.027777,0.027778"));
    // A policy file under which fees are never worth it.
    let report = json(&run(folder.path(), &format!("{words} c.csv --policy wait.toml")));
    assert_eq!((report["modes"][1]["jobs"].as_u64(), report["fees"].as_str()), (Some(0), Some("0.00")));
    let table = run(folder.path(), "twin replay --supply supply.toml --trace lab=small.swf");
    assert!(String::from_utf8_lossy(&table.stdout).contains("own"), "{table:?}");
    put("bad.toml", &format!("{SUPPLY}nodez = 3\n"));
    for (words, says) in [
        ("twin replay --supply bad.toml --trace lab=small.swf", "nodez"),
        ("twin replay --supply supply.toml --trace small.swf", "NAME=FILE"),
        ("twin replay --supply supply.toml --trace lab=small.swf --policy easy", "easy"),
        ("twin replay --trace small.swf --policy wait.toml", "no policy `wait.toml`"),
        ("twin replay --trace small.swf --trace small.swf", "one trace"),
        ("twin replay --supply supply.toml --trace lab=small.swf --procs 3", "--procs"),
    ] {
        let refused = run(folder.path(), words);
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains(says), "{words}: {text}");
    }
}

/// The data that a page has inside.
fn inside(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_report_is_one_page_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    put("small.swf", SMALL);
    put("supply.toml", SUPPLY);
    let report = json(&run(folder.path(), "twin replay --trace small.swf --json --report a.html --report a.json"));
    let (page, data) = (read("a.html"), serde_json::from_str::<Value>(&read("a.json")).unwrap());
    assert_eq!(inside(&page), data);
    assert_eq!(data["report"]["mean_wait_s"], report["mean_wait_s"]);
    let mean = |values: &Value| {
        let values: Vec<f64> = values.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    // The area below the curve is the figure.
    assert!((mean(&data["plots"]["use_by_pool"][0]["values"]) - 530.0 / 600.0).abs() < 1e-9);
    assert_eq!(data["plots"]["bars"].as_array().map(Vec::len), Some(3));
    assert!(page.matches("<svg").count() == 6 && page.matches("<rect").count() == 3, "{page}");
    // It asks for nothing from elsewhere.
    assert!(!page.contains("http") && !page.contains("src=") && !page.contains("href="), "{page}");
    let words = "twin replay --supply supply.toml --trace lab=small.swf --lang zh --json --report b.html";
    let report = json(&run(folder.path(), words));
    let (page, data) = (read("b.html"), inside(&read("b.html")));
    assert!(page.contains("lang=\"zh\"") && page.contains("累计收支"), "{page}");
    let margin = data["plots"]["account"]["margin"].as_array().unwrap().last().unwrap().as_f64().unwrap();
    let told: f64 = report["margin"].as_str().unwrap().parse().unwrap();
    assert!((margin - told).abs() < 1e-5, "{margin} {told}");
    let refused = run(folder.path(), "twin replay --trace small.swf --report a.pdf");
    assert!(refused.status.code() == Some(2) && String::from_utf8_lossy(&refused.stderr).contains(".html"));
}

#[test]
fn values_of_a_policy_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("small.swf", SMALL);
    put("supply.toml", SUPPLY);
    put("wait.toml", "[placement]\nready_first = false\n[placement.weights]\nown_cost = 0\n");
    let words = "twin sweep --policy wait.toml --supply supply.toml --trace lab=small.swf --jitter 1s --seeds 2 --json";
    let vary = "--vary placement.weights.start=1,100000000 --vary placement.order=shares,work --report map.html";
    let output = run(folder.path(), &format!("{words} {vary}"));
    let report = json(&output);
    let points = report["points"].as_array().unwrap();
    assert_eq!(
        (points.len(), points[3]["values"][1].as_str(), points[3]["plays"].as_u64()),
        (4, Some("work"), Some(2))
    );
    let wait = |at: usize| points[at]["figures"][0]["mean"].as_f64().unwrap();
    // Where time is worth much the job that is too wide for what is left at home goes to the partner at once.
    assert!(wait(0) > 10.0 && wait(2) < 1.0, "{report}");
    let gain = points[2]["against_first"]["mean"].as_f64().unwrap();
    let margin = |at: usize| points[at]["figures"][7]["mean"].as_f64().unwrap();
    assert!(points[2]["figures"][7]["name"] == "margin" && (gain - (margin(2) - margin(0))).abs() < 1e-9, "{report}");
    let page = std::fs::read_to_string(folder.path().join("map.html")).unwrap();
    assert_eq!((page.matches("<rect").count(), inside(&page)), (4, report.clone()));
    assert_eq!(run(folder.path(), &format!("{words} {vary} --threads 1")).stdout, output.stdout);
    for (vary, says) in [
        ("--vary placement.colour=1", "colour"),
        ("--vary reserve_permille=2000", "at most 1000"),
        ("--vary placement.order=shares --vary a=1 --vary b=2", "at most two"),
        ("--vary nothing", "NAME=VALUES"),
    ] {
        let refused = run(folder.path(), &format!("{words} {vary}"));
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && text.contains(says), "{vary}: {text}");
    }
}
