//! Random runs by seed. `HW_SIM_SEEDS=5000` runs more, `HW_SIM_FIRST=17` begins elsewhere; a failure prints its seed and leaves
//! an event log for `cargo run -p headworks-sim --example replay_log FILE`.
#![allow(clippy::disallowed_methods, reason = "tests read their settings and leave logs")]

use std::collections::BTreeMap;
use std::path::Path;

use sim::chaos::{Options, RunReport, run};

/// What clusters do by themselves and what becomes of work that is not served.
const EVERYTHING: [&str; 11] = [
    "interrupted",
    "suspended",
    "continued",
    "remark",
    "withdrawn",
    "waived",
    "moved",
    "twinned",
    "returned",
    "late_answer",
    "time_limit_changed",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn explain(report: &RunReport) -> ! {
    let again = run(report.seed, Options { log: true, ..Options::default() });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}.log", report.seed));
    std::fs::write(&path, again.log).unwrap();
    let first: Vec<&String> = report.failures.iter().take(12).collect();
    panic!("seed {}: {} findings, log in {}\n{first:#?}", report.seed, report.failures.len(), path.display());
}

#[test]
fn whatever_happens_every_job_ends_once_and_the_books_are_right() {
    let (first, seeds) = (number("HW_SIM_FIRST", 1), number("HW_SIM_SEEDS", 200));
    let (mut jobs, mut executions, mut restarts, mut transfers) = (0, 0, 0, 0);
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for seed in first..first + seeds {
        let report = run(seed, Options::default());
        if !report.failures.is_empty() {
            explain(&report);
        }
        jobs += report.jobs;
        executions += report.executions;
        restarts += report.restarts;
        transfers += report.transfers;
        report.events.into_iter().for_each(|(word, count)| *events.entry(word).or_default() += count);
    }
    eprintln!("{seeds} runs: {jobs} jobs, {executions} executions, {restarts} restarts, {transfers} transfers");
    eprintln!("{events:?}");
    assert!(jobs > 0 && executions > 0 && transfers > 0);
    if seeds >= 100 {
        // Fewer may not come to everything.
        for word in EVERYTHING {
            assert!(events.contains_key(word), "no `{word}` in {seeds} runs");
        }
    }
}

#[test]
fn one_seed_commits_the_same_bytes_every_time() {
    for seed in [3, 4] {
        let options = Options { fingerprint: true, ..Options::default() };
        let (first, second) = (run(seed, options), run(seed, options));
        assert!(first.fingerprint.is_some_and(|digest| digest != 0));
        assert_eq!(first, second);
        assert_ne!(first.fingerprint, run(seed + 10, options).fingerprint);
    }
}
