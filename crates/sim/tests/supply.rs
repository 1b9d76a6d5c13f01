//! The operator's money: four clusters of the shared traces, two owned and two bought in, under the rule "own first, overflow to
//! partners" and under ours. `HW_DATA` names the folder of the data, and without it the test says that it was skipped.

#![allow(clippy::print_stdout, reason = "tables for whoever reads the run")]
#![allow(clippy::disallowed_methods, reason = "tests read files")]

#[allow(dead_code, reason = "other tests read other traces")]
#[path = "published/mod.rs"]
mod data;

use std::ops::ControlFlow;
use std::path::Path;

use base::Seed;
use data::{BLUE, CTC, HPC2N, KTH, trace};
use sim::replay::{Load, Rules};
use sim::supply::{Group, Source, Steering, Supply, play, sums};

/// Days of each trace: the whole 330 of docs/twin.md take a minute with optimisation and ten without.
const DAYS: i64 = 60;

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/twin");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn waiting_for_own_pools_earns_a_tenth_more_and_nobody_waits_longer() {
    let supply = Supply::parse(&example("four-clusters.toml")).unwrap();
    let mut sources = Vec::new();
    for (name, file, procs) in [("ctc", CTC, 338), ("kth", KTH, 100), ("hpc2n", HPC2N, 240), ("blue", BLUE, 1_152)] {
        let Some(trace) = trace(file) else { return };
        let first_s = Some(DAYS * 86_400);
        let rules = Rules { first_s, shifts_to_zero: true, plays_empty_runs: false, ..Rules::on(procs) };
        sources.push(Source { name: name.into(), load: Load::of(&trace.records, &rules) });
    }
    let run = |policy: &str| -> Group {
        let steering = Steering::parse(&example(policy)).unwrap();
        let seed = Seed::from_u64(1);
        let played = play(&supply, steering, &sources, &seed, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(played.is_complete && played.wrong.is_empty(), "{:?}", played.wrong);
        let by_job: base::Money = played.fates.iter().map(|f| f.charge - f.cost).sum();
        assert_eq!(by_job, played.revenue - played.cost);
        let all = sums(&supply, &played).all;
        println!(
            "{policy}: {} jobs, margin {}, fees {}, mean wait {:.1} s, slowdown {:.2}, promises kept {}, broken {}",
            all.jobs,
            all.margin,
            all.fees,
            all.mean_wait_s,
            all.mean_bounded_slowdown,
            all.promises_kept,
            all.promises_broken
        );
        all
    };
    let (theirs, ours) = (run("own-first.toml"), run("thrift.toml"));
    assert_eq!(theirs.jobs, ours.jobs);
    assert!(ours.margin.0 * 10 >= theirs.margin.0 * 11, "{} against {}", ours.margin, theirs.margin);
    assert!(ours.mean_wait_s <= theirs.mean_wait_s && ours.promises_broken == 0);
}
