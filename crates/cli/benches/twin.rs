//! How fast the twin replays, measured from outside on this machine: whole processes, reading and unpacking included, best of three.
//! Needs the workload data (`HW_DATA`, else `../shared/data` beside the repository); AccaSim is measured in the same run where
//! `scripts/accasim.sh` could install it. Prints figures; judges nothing.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

const ROUNDS: usize = 3;
const KTH: &str = "KTH-SP2-1996-2.1-cln.swf.gz";

/// What is measured: trace, processors, policy, what is promised.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("CEA-Curie-2011-2.1-cln.swf.gz", "80640", "easy", "under 3 s and 500 MB"),
    ("SDSC-BLUE-2000-4.2-cln.swf.gz", "1152", "conservative", "under 30 s"),
    ("CEA-Curie-2011-2.1-cln.swf.gz", "80640", "easy-sjbf", ""),
    ("CEA-Curie-2011-2.1-cln.swf.gz", "80640", "headworks", "within 5 times easy"),
    ("SDSC-BLUE-2000-4.2-cln.swf.gz", "1152", "easy", ""),
    ("SDSC-BLUE-2000-4.2-cln.swf.gz", "1152", "headworks", "within 5 times easy"),
    ("HPC2N-2002-2.2-cln.swf.gz", "240", "easy", ""),
    ("HPC2N-2002-2.2-cln.swf.gz", "240", "headworks", "within 5 times easy"),
    ("CTC-SP2-1996-3.1-cln.swf.gz", "338", "conservative", ""),
    (KTH, "100", "easy", ""),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn data() -> PathBuf {
    std::env::var_os("HW_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from).join("swf")
}

/// One replay's report.
fn replayed(trace: &Path, procs: &str, policy: &str) -> Value {
    let program = std::env::var_os("HW_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_hw")), PathBuf::from);
    let mut command = Command::new(program);
    command.args(["twin", "replay", "--json", "--procs", procs, "--policy", policy, "--trace"]).arg(trace);
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{policy} on {}: {told}", trace.display());
    serde_json::from_slice(&output.stdout).expect("a report")
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or(f64::NAN)
}

/// The fastest of some.
fn best(trace: &Path, procs: &str, policy: &str) -> Value {
    let reports = (0..ROUNDS).map(|_| replayed(trace, procs, policy));
    reports.min_by(|a, b| number(a, "elapsed_s").total_cmp(&number(b, "elapsed_s"))).expect("a round")
}

fn main() {
    let data = data();
    if !data.join(KTH).exists() {
        println!("twin: skipped: no workload data in {} (HW_DATA names its folder)", data.display());
        return;
    }
    for (trace, procs, policy, promised) in ROWS {
        let path = data.join(trace);
        if !path.exists() {
            println!("twin: {trace} is not there");
            continue;
        }
        let report = best(&path, procs, policy);
        let promised = if promised.is_empty() { String::new() } else { format!("   (promised: {promised})") };
        println!(
            "twin: {policy:<13} {trace:<30} {:>6} jobs {:>7.3} s, of it replay {:.3} s, peak {:.0} MB{promised}",
            number(&report, "jobs"),
            number(&report, "elapsed_s"),
            number(&report, "replay_s"),
            number(&report, "peak_rss_bytes") / 1e6
        );
    }
    accasim(&data.join(KTH));
}

/// AccaSim's EASY and ours on the same trace, each from the file to its statistics.
fn accasim(trace: &Path) {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let python = target.join("venv-accasim/bin/python");
    if !python.exists() {
        println!("twin: AccaSim is not installed: scripts/accasim.sh");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = folder.path().join("kth.swf");
    let mut packed = MultiGzDecoder::new(BufReader::new(File::open(trace).expect("the trace")));
    let mut unpacked = BufWriter::new(File::create(&plain).expect("a file"));
    std::io::copy(&mut packed, &mut unpacked).expect("an unpacked trace");
    drop(unpacked);
    let mut command = Command::new(python);
    command.arg(root().join("scripts/accasim_easy.py")).arg(&plain).arg("100").arg(folder.path());
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("AccaSim runs");
    let Ok(theirs) = serde_json::from_slice::<Value>(&output.stdout) else {
        println!("twin: AccaSim ended with {} and no figures", output.status);
        return;
    };
    let ours = best(&plain, "100", "easy");
    let (slow, fast) = (number(&theirs, "elapsed_s"), number(&ours, "elapsed_s"));
    let text = |name: &str| theirs[name].as_str().unwrap_or("?").to_owned();
    println!(
        "twin: KTH with EASY, plain file: AccaSim {slow:.2} s, ours {fast:.3} s: {:.0} times faster   (promised: 100)",
        slow / fast
    );
    println!(
        "twin:   jobs {} and {}, makespan {} and {} s, mean wait {} and {:.2} s",
        text("Total jobs"),
        ours["jobs"],
        text("Makespan"),
        ours["makespan_s"],
        text("Avg. waiting times"),
        number(&ours, "mean_wait_s")
    );
}
