//! What is foretold against what then comes in a world where nothing else happens.

use std::ops::ControlFlow;

use base::Currency;
use proptest::prelude::*;

use super::*;
use crate::replay::{Load, Rules};
use crate::supply::{Source, Supply, at_last_arrival};
use crate::trace::Record;

const SUPPLY: &str = r#"
[prices]
core_hour = "1"
[[cluster]]
name = "own"
mode = "own"
[[pool]]
name = "own"
cluster = "own"
nodes = 3
cores = 8
[[cluster]]
name = "far"
mode = "partner"
[[pool]]
name = "far"
cluster = "far"
cores = 8
fee_core_hour = "0.6"
"#;
const HORIZON: Span = Span::from_hours(24 * 30);

fn go(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Jobs that run for as long as they say: when submitted, on how many processors, for how long.
fn world(jobs: &[(i64, u32, i64)], policy: &str) -> World {
    let supply = Supply::parse(SUPPLY).unwrap();
    // Each is somebody else's: what the engine learns of how long a user's work runs is not part of a state.
    let record = |(user, job): (u32, &(i64, u32, i64))| Record {
        submit_s: Some(job.0),
        run_s: Some(job.2),
        estimate_s: Some(job.2),
        procs_allocated: Some(job.1),
        user: Some(user),
        ..Record::default()
    };
    let records: Vec<Record> = (1..).zip(jobs).map(record).collect();
    let load = Load::of(&records, &Rules::on(supply.cores_max()));
    let source = Source { name: "lab".into(), load };
    at_last_arrival(&supply, Steering::parse(policy).unwrap(), source).unwrap()
}

fn copied(world: &World, policy: &str) -> Now {
    let steering = Steering::parse(policy).unwrap();
    Now { at: world.now(), steering, currency: Currency::CNY, state: world.tables().snapshot() }
}

/// What then really comes.
fn comes(mut world: World, state: &Snapshot) -> BTreeMap<JobId, Option<Timestamp>> {
    world.watch_starts(state.jobs.iter().filter(|row| waits(row.job.phase())).map(|row| row.job.id));
    while world.awaited() > 0 {
        let at = world.next_due().unwrap();
        world.advance_to(at);
    }
    world.starts().iter().map(|(job, start)| (*job, start.map(|start| start.0))).collect()
}

fn foretold(now: &Now, changes: &[Change]) -> BTreeMap<JobId, Option<Timestamp>> {
    let ahead = ahead(now, changes, HORIZON, &mut go).unwrap();
    ahead.starts.into_iter().map(|(job, start)| (job, start.map(|start| start.at))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever waits and runs: each waiting job starts when it was foretold, to the microsecond; a state that went through a file
    /// says the same.
    #[test]
    fn what_is_foretold_comes(
        jobs in prop::collection::vec((0i64..7_200, 1u32..25, 60i64..9_000), 1..50), thrift in any::<bool>(),
    ) {
        let policy = if thrift { "[placement]\nready_first = false\norder = \"work\"\n" } else { "" };
        let world = world(&jobs, policy);
        let now = copied(&world, policy);
        let told = foretold(&now, &[]);
        let file = serde_json::to_string(&now.state).unwrap();
        let again = Now { state: serde_json::from_str(&file).unwrap(), ..now.clone() };
        prop_assert_eq!(&foretold(&again, &[]), &told);
        prop_assert_eq!(told, comes(world, &now.state));
    }
}

/// Both pools are taken for an hour, and behind that three jobs wait for an hour each.
fn busy() -> World {
    world(&[(0, 24, 3_600), (0, 8, 3_600), (60, 24, 3_600), (60, 24, 3_600), (61, 24, 3_600)], "")
}

fn waits_s(now: &Now, changes: &[Change]) -> Vec<Option<i64>> {
    let mut waits: Vec<_> = foretold(now, changes).values().map(|at| at.map(|at| (at - now.at).as_secs())).collect();
    waits.sort_unstable();
    waits
}

#[test]
fn a_pool_more_is_earlier_and_a_pool_less_is_later() {
    let now = copied(&busy(), "");
    let waits = waits_s(&now, &[]);
    assert_eq!(waits, [Some(3_539), Some(7_139), Some(10_739)]);
    let more = Change::Add(NewPool::short("new:3:8").unwrap());
    let with = waits_s(&now, std::slice::from_ref(&more));
    // The first starts there at once; the others follow by turns.
    assert_eq!(with, [Some(0), Some(3_539), Some(3_600)]);
    let lose = |nodes| Change::Lose { pool: "own".into(), nodes };
    // Two nodes of eight cores hold no job of 24 cores.
    assert_eq!(waits_s(&now, &[lose(Some(1))]), [None, None, None]);
    // What ran there is first in the queue again, and takes the new pool for an hour.
    assert_eq!(waits_s(&now, &[more, lose(None)]), [Some(3_600), Some(7_200), Some(10_800)]);
    let lost = ahead(&now, &[lose(None)], HORIZON, &mut go).unwrap();
    assert_eq!((lost.broken_off, lost.is_complete), (1, true));
    let nowhere = ahead(&now, &[Change::Lose { pool: "sea".into(), nodes: None }], HORIZON, &mut go);
    assert_eq!(nowhere, Err(Fault::NoPool("sea".into())));
}

#[test]
fn another_policy_is_another_order() {
    let world = world(&[(0, 24, 3_600), (0, 8, 7_200), (1, 24, 7_200), (2, 24, 60)], "");
    let (now, least) = (copied(&world, ""), Steering::parse("[placement]\norder = \"work\"\n").unwrap());
    let order = |changes: &[Change]| {
        let mut starts: Vec<_> = foretold(&now, changes).into_iter().map(|(job, at)| (at, job)).collect();
        starts.sort_unstable();
        starts.into_iter().map(|(_, job)| job).collect::<Vec<_>>()
    };
    let (as_is, other) = (order(&[]), order(&[Change::Steer(Box::new(least))]));
    assert_eq!((as_is.len(), other.iter().rev().copied().collect::<Vec<_>>()), (2, as_is));
}

#[test]
fn pools_are_read_from_words_and_files() {
    let short = NewPool::short("gpu-b:2:64:8").unwrap();
    assert_eq!((short.nodes, short.cores, short.gpus), (2, 64, 8));
    for bad in ["x", "x:1", "x:0:1", "x:1:0", "x:1:1:1:1", "X y:1:1", ":1:1"] {
        assert!(NewPool::short(bad).is_none(), "{bad}");
    }
    let file = "[[pool]]\nname = \"n\"\ncores = 4\nmemory_gib = 8\ntime_limit_max = \"2h\"\n";
    let [pool] = &NewPool::file(file).unwrap()[..] else { panic!("one") };
    assert_eq!((pool.nodes, pool.memory_gib, pool.time_limit_max), (1, Some(8), Some(Span::from_hours(2))));
    assert!(NewPool::file("[[pool]]\nname = \"n\"\ncore = 4\n").unwrap_err().to_string().contains("core"));
}
