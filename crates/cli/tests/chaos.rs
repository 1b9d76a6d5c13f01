//! Three real Slurm clusters under one platform, each reached another way, while the server, the site agent, Slurm's daemons,
//! the login nodes and the lines are killed, paused and cut at random. Every accepted job runs to its end exactly once, the
//! ledger equals what Slurm says to the second, and nothing stays held.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

#[path = "chaos/administrator.rs"]
mod administrator;
#[path = "chaos/faults.rs"]
mod faults;
#[path = "chaos/judge.rs"]
mod judge;
#[path = "chaos/load.rs"]
mod load;
mod support;
#[path = "chaos/world.rs"]
mod world;

use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::Seed;
use testkit::slurm::Farm;

use world::World;

/// Jobs of the first seed and of each further one, and seeds of a run: what two cores do in some ten minutes, at 0.1 s of Slurm's own
/// work for each job. `HW_CHAOS_JOBS` (of every seed) and `HW_CHAOS_SEEDS` ask for others (`make soak`: 2,000 and 1,000), `HW_SEED` for
/// the first seed.
const JOBS_FIRST: u64 = 2_000;
const JOBS: u64 = 400;
const SEEDS: u64 = 10;
/// Seeds at the same time, each with clusters and a platform of its own: while one waits (for what was sent and not answered, some
/// thirty seconds), another works.
const WORLDS: u64 = 2;
/// After the last fault everything must come to its end within this: a job may wait for a node that counts as down for 25 s, a
/// cluster for its grace of 30 s, what was sent and not answered for 30 s after the last restart of the server, and all that on a
/// machine that other work keeps busy.
const SETTLE_MAX: Duration = Duration::from_secs(300);
/// So many characters of what a seed failed with are said, at once and at the end; the whole is in a file.
const SAID: usize = 2_500;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn heavy_chaos_over_three_clusters_runs_every_job_to_its_end_once() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let (seeds, first) = (number("HW_CHAOS_SEEDS", SEEDS), number("HW_SEED", 1));
    let jobs_of = |seed| number("HW_CHAOS_JOBS", if seed == first { JOBS_FIRST } else { JOBS });
    // What went wrong says more than the way to where it was noticed.
    set_hook(Box::new(|panic| println!("{}", begin_of(&panic.to_string()))));
    let next = AtomicU64::new(first);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return failed;
            }
            let jobs = jobs_of(seed);
            // The others go on: one run shall tell of all.
            if let Err(why) = catch_unwind(AssertUnwindSafe(|| round(seed, jobs))) {
                let (why, file) =
                    (words(&*why), Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("seed-{seed}.txt")));
                std::fs::write(&file, why).expect("a file can be written");
                let (why, file) = (begin_of(why), file.display());
                failed.push(format!(
                    "seed {seed} (HW_CHAOS_JOBS={jobs} HW_CHAOS_SEEDS=1 HW_SEED={seed} make soak repeats it; all of it in {file}): {why}"
                ));
            }
        }
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let worlds: Vec<_> = (0..WORLDS.min(seeds)).map(|_| scope.spawn(work)).collect();
        worlds.into_iter().flat_map(|world| world.join().expect("what fails is caught")).collect()
    });
    assert!(failed.is_empty(), "{} seeds failed\n{}", failed.len(), failed.join("\n"));
}

fn begin_of(text: &str) -> String {
    text.chars().take(SAID).collect()
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

/// One seed; what it saw is printed at its end.
fn round(seed: u64, jobs: u64) {
    println!("seed {seed} begins: {jobs} jobs");
    let begun = Instant::now();
    let mut said = format!("seed {seed}: {jobs} jobs\n");
    let (world, started) = World::start();
    let _ = writeln!(said, "  {started}");
    let _ = writeln!(said, "  three clusters in service after {:.1} s", begun.elapsed().as_secs_f64());
    let seed = Seed::from_u64(seed);
    let administrators = administrator::Administrators::begin(&world);
    let work = Instant::now();
    let load = load::Load::begin(&world, jobs, &seed.child("load"));
    let faults = faults::Faults::begin(&world, &seed.child("faults"));
    load.wait_submitted();
    let told = faults.end();
    let _ = writeln!(said, "  all in after {:.1} s; {told}", work.elapsed().as_secs_f64());
    let settling = Instant::now();
    let accepted = load.wait_ended(&world, SETTLE_MAX);
    let _ = writeln!(said, "  all ended {:.1} s after the last fault", settling.elapsed().as_secs_f64());
    let _ = writeln!(said, "  {} nodes that Slurm had drained were put back", administrators.end());
    let _ = writeln!(said, "  {}", judge::judge(world, &accepted));
    println!("{said}  {:.1} s in all", begun.elapsed().as_secs_f64());
}
