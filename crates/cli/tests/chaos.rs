//! Three real Slurm clusters under one platform, each reached another way, while the server, the site agent, Slurm's daemons,
//! the login nodes and the lines are killed, paused and cut at random. Every accepted job runs to its end exactly once, the
//! ledger equals what Slurm says to the second, and nothing stays held.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

#[path = "chaos/faults.rs"]
mod faults;
#[path = "chaos/judge.rs"]
mod judge;
#[path = "chaos/load.rs"]
mod load;
mod support;
#[path = "chaos/world.rs"]
mod world;

use std::time::{Duration, Instant};

use base::Seed;
use testkit::slurm::Farm;

use world::World;

/// Jobs of one seed, and seeds of a run: what the platform promises. `HW_CHAOS_JOBS` and `HW_CHAOS_SEEDS` ask for others, `HW_SEED` for the
/// first seed.
const JOBS: u64 = 2_000;
const SEEDS: u64 = 10;
/// After the last fault everything must come to its end within this: a job may wait for a node that counts as down for 25 s, a
/// cluster for its grace of 30 s, and the queue for 2,000 jobs at 40 a second.
const SETTLE_MAX: Duration = Duration::from_secs(300);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
#[ignore = "an hour of real Slurm: `make soak` runs it"]
fn heavy_chaos_over_three_clusters_runs_every_job_to_its_end_once() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let (jobs, seeds, first) = (number("HW_CHAOS_JOBS", JOBS), number("HW_CHAOS_SEEDS", SEEDS), number("HW_SEED", 1));
    for seed in first..first + seeds {
        round(seed, jobs);
    }
}

fn round(seed: u64, jobs: u64) {
    println!("seed {seed}: {jobs} jobs (HW_SEED={seed} HW_CHAOS_SEEDS=1 repeats it)");
    let begun = Instant::now();
    let world = World::start();
    println!("  three clusters in service after {:.1} s", begun.elapsed().as_secs_f64());
    let seed = Seed::from_u64(seed);
    let load = load::Load::begin(&world, jobs, &seed.child("load"));
    let faults = faults::Faults::begin(&world, &seed.child("faults"));
    load.wait_submitted();
    let told = faults.end();
    println!("  {told}");
    let settling = Instant::now();
    let accepted = load.wait_ended(&world, SETTLE_MAX);
    println!("  all ended {:.1} s after the last fault", settling.elapsed().as_secs_f64());
    judge::judge(world, &accepted);
    println!("  {:.1} s in all", begun.elapsed().as_secs_f64());
}
