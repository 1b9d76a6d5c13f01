//! A park of 100,000 nodes and a million synthetic jobs: how long a replay takes and how much memory. Policies for one machine play
//! all of them; the engine itself, with 100 clusters, tenants, money and our policy, plays the first three days. Every row is a
//! process of its own, so that peaks of memory are its own.
//!
//! `cargo bench --profile fast -p headworks-sim --bench scale`; `-- ROW [JOBS]` runs one row.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program")]

use std::fmt::Write;
use std::ops::ControlFlow;
use std::process::Command;
use std::time::Instant;

use base::{Seed, Stream};
use sim::replay::{self, Load, Rules, Shape, figures};
use sim::supply::{Source, Steering, Supply, play, sums};
use sim::trace::Record;

/// 100 pools of 1,000 nodes of 64 cores, in as many clusters of 24 regions; three of five are owned.
const POOLS: u64 = 100;
const NODES: u64 = 1_000;
const CORES: u64 = 64;
const REGIONS: u64 = 24;
const TENANTS: u64 = 20;
const USERS: u64 = 50;
const JOBS: u64 = 1_000_000;
/// Of them, those that the engine plays: its time for one grows with what waits.
const JOBS_OF_ENGINE: u64 = 100_000;
/// Work for so many days at 0.8 of the park: more than its own three fifths can do.
const DAYS: f64 = 30.0;
const LOAD: f64 = 0.8;
const DAY_S: f64 = 86_400.0;
/// The policy of `examples/twin/thrift.toml` without its contracts, and with an hour's wait worth what it is worth to jobs of 3,000 cores.
const POLICY: &str = "[placement]\norder = \"work\"\nready_first = false\nage_bound = \"2d\"\n[placement.weights]\nstart = 1500000000\nown_cost = 0\n";
const ENGINE: &str = "engine";
/// The names of policies for one machine, and the engine.
const ROWS: [&str; 4] = ["easy", "easy-sjbf", "headworks", ENGINE];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let all = |row: &str| if row == ENGINE { JOBS_OF_ENGINE } else { JOBS };
    let jobs = args.get(1).and_then(|n| n.parse().ok());
    match args.first() {
        Some(row) => measure(row, jobs.unwrap_or(all(row))),
        None => ROWS.iter().for_each(|row| {
            let status = std::env::current_exe().and_then(|program| Command::new(program).arg(row).status());
            assert!(status.is_ok_and(|s| s.success()), "row {row}");
        }),
    }
}

fn measure(row: &str, jobs: u64) {
    let begun = Instant::now();
    let told = if row == ENGINE { engine(jobs) } else { machine(row, jobs) };
    let (took_s, peak) = (begun.elapsed().as_secs_f64(), peak_mib());
    println!(
        "scale: {row:<9} {} nodes, {jobs:>7} jobs: {took_s:>5.1} s, peak {peak:>4.0} MiB; {told}{}",
        POOLS * NODES,
        if row == "headworks" { "   (promised: under 300 s, 4096 MiB)" } else { "" }
    );
}

/// The engine with tenants, clusters, fees and the auditor.
fn engine(jobs: u64) -> String {
    let supply = Supply::parse(&park()).expect("a supply");
    let rules = Rules { plays_empty_runs: false, ..Rules::on(supply.cores_max()) };
    let of = |tenant: u64| {
        let mut chance = Seed::from_u64(7).child(tenant).stream();
        Source { name: format!("t{tenant}"), load: Load::of(&trace(jobs, TENANTS, &mut chance), &rules) }
    };
    let sources: Vec<Source> = (0..TENANTS).map(of).collect();
    let steering = Steering::parse(POLICY).expect("a policy");
    let played = play(&supply, steering, &sources, &Seed::from_u64(1), &mut |_| ControlFlow::Continue(()));
    let played = played.expect("the platform takes the supply");
    assert!(played.is_complete && played.wrong.is_empty(), "{:?}", played.wrong);
    let all = sums(&supply, &played).all;
    let used = all.core_hours / ((POOLS * NODES * CORES) as f64 * played.lasted.as_secs_f64() / 3_600.0);
    format!("mean wait {:.0} s, used {used:.3}, margin {}", all.mean_wait_s, all.margin)
}

/// One machine of all processors.
fn machine(name: &str, jobs: u64) -> String {
    let procs = (POOLS * NODES * CORES) as u32;
    let load = Load::of(&trace(jobs, 1, &mut Seed::from_u64(7).stream()), &Rules::on(procs));
    let policy = sched::batch::named(name).expect("a policy");
    let played = replay::replay(&load, procs, policy, &mut |_| ControlFlow::Continue(())).expect("starts that fit");
    let told = figures(&load, &played.starts_s, Shape { procs: u64::from(procs), counts: &|_| true });
    format!("mean wait {:.0} s, used {:.3}", told.mean_wait_s, told.utilization)
}

/// One of so many equal parts of the jobs. Fewer of them come in fewer days. Widths in whole nodes, log-uniform from 1 to 256; run times log-normal; estimates are rounded up from 1 to 8 times the run.
fn trace(jobs: u64, parts: u64, chance: &mut Stream) -> Vec<Record> {
    let share = |chance: &mut Stream| chance.below(1 << 32) as f64 / (1u64 << 32) as f64;
    // What the park can do, spread over the jobs; 46 is the mean width, 2.05 the mean of exp(1.2 × normal).
    let mean_s = LOAD * DAYS * DAY_S * (POOLS * NODES) as f64 / JOBS as f64 / 46.0 / 2.05;
    let days = DAYS * jobs as f64 / JOBS as f64;
    let mut records: Vec<Record> = (0..jobs / parts)
        .map(|n| {
            let nodes = 256f64.powf(share(chance)).floor();
            let normal = (0..12).map(|_| share(chance)).sum::<f64>() - 6.0;
            let run_s = (mean_s * (1.2 * normal).exp()).clamp(10.0, 4.0 * DAY_S) as i64;
            let estimate_s = (run_s as f64 * 8f64.powf(share(chance)) / 600.0).ceil() as i64 * 600;
            let day = (share(chance) * days).floor();
            // A quarter more come by day.
            let hour = if chance.chance(250) { 8.0 + 10.0 * share(chance) } else { 24.0 * share(chance) };
            Record {
                job: n + 1,
                submit_s: Some((day * DAY_S + hour * 3_600.0) as i64),
                run_s: Some(run_s),
                procs_requested: Some((nodes as u64 * CORES) as u32),
                estimate_s: Some(estimate_s),
                user: Some(chance.below(USERS) as u32),
                app: Some(chance.below(8) as u32),
                ..Record::default()
            }
        })
        .collect();
    records.sort_by_key(|r| r.submit_s);
    records
}

/// The park as a supply file.
fn park() -> String {
    let mut text = String::from("[prices]\ncore_hour = \"0.10\"\n");
    for region in 0..REGIONS {
        let _ = write!(text, "[[site]]\nname = \"s{region}\"\nregion = \"r{region}\"\n");
    }
    for pool in 0..POOLS {
        let is_own = pool % 5 < 3;
        let (mode, site) = (if is_own { "own" } else { "partner" }, pool % REGIONS);
        let _ = write!(text, "[[cluster]]\nname = \"c{pool}\"\nmode = \"{mode}\"\nsite = \"s{site}\"\n");
        let _ = write!(
            text,
            "[[pool]]\nname = \"p{pool}\"\ncluster = \"c{pool}\"\nnodes = {NODES}\ncores = {CORES}\nmemory_gib = 256\n"
        );
        let cost = if is_own {
            "[pool.cost]\npurchase_price = \"100000\"\nresidual = \"5000\"\nlife_months = 60\ndatacentre_fee_month = \"512\"\n"
        } else {
            "fee_core_hour = \"0.09\"\n"
        };
        text.push_str(cost);
    }
    text
}

/// The greatest resident memory so far, MiB; 0 where the system does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
}
