//! Small supplies of our own: what a file refuses, how money adds up, that the same seed gives the same bytes.

use std::ops::ControlFlow;

use base::{Money, Seed};
use proptest::prelude::*;

use super::{Played, Source, Steering, Sums, Supply, csv, play, sums};
use crate::replay::{Load, Rules};
use crate::trace::Record;

const SMALL: &str = r#"
[prices]
core_hour = "1"

[[site]]
name = "here"
[[site]]
name = "there"
[[link]]
from = "here"
to = "there"
latency = "2s"
bandwidth_mbit_s = 8589.934592
gib_price = "0.5"

[[cluster]]
name = "own"
mode = "own"
site = "here"
[[pool]]
name = "own"
cluster = "own"
cores = 8
[pool.cost]
purchase_price = "1752"
life_months = 12
datacentre_fee_month = "146"

[[cluster]]
name = "far"
mode = "partner"
site = "there"
[[pool]]
name = "far"
cluster = "far"
cores = 8
fee_core_hour = "0.6"

[[tenant]]
name = "lab"
home = "own"
site = "here"
data_gib = 2
[[contract]]
tenant = "lab"
cores = 8
wait = "30m"
fee_month = "73"
broken = "5"
"#;

fn record(submit_s: i64, procs: u32, run_s: i64, estimate_s: i64) -> Record {
    let (submit_s, run_s, estimate_s) = (Some(submit_s), Some(run_s), Some(estimate_s));
    Record { submit_s, run_s, estimate_s, procs_allocated: Some(procs), user: Some(1), ..Record::default() }
}

fn source(records: &[Record], supply: &Supply) -> Source {
    Source { name: "lab".into(), load: Load::of(records, &Rules::on(supply.cores_max())) }
}

fn run(supply: &str, policy: &str, records: &[Record], seed: u64) -> (Supply, Source, Played, Sums) {
    let supply = Supply::parse(supply).unwrap();
    let source = source(records, &supply);
    let steering = Steering::parse(policy).unwrap();
    let seed = Seed::from_u64(seed);
    let sources = [source.clone()];
    let played = play(&supply, steering, &sources, &seed, &mut |_| ControlFlow::Continue(())).unwrap();
    let sums = sums(&supply, &played);
    (supply, source, played, sums)
}

#[test]
fn money_of_three_jobs_by_hand() {
    let records = [record(0, 8, 3_600, 3_600), record(0, 4, 3_600, 7_200), record(60, 8, 3_600, 7_200)];
    let (_, _, played, sums) = run(SMALL, "", &records, 1);
    assert!(played.is_complete && played.wrong.is_empty(), "{:?}", played.wrong);
    // The second goes to the partner, four seconds late for its data; the third follows the first at the own pool.
    assert_eq!(sums.all.jobs, 3);
    let [own, far] = &sums.clusters[..] else { panic!("{:?}", sums.clusters) };
    assert_eq!((own.jobs, far.jobs), (2, 1));
    assert_eq!(sums.all.revenue, Money::from_units(8 + 4 + 8));
    assert_eq!(sums.all.fees, "2.4".parse().unwrap());
    assert_eq!(sums.all.data_cost, Money::from_units(1));
    assert_eq!((far.max_wait_s, own.max_wait_s), (4.0, 3_540.0));
    // (1752 / 12 + 146) a month of 730 hours are 0.4 an hour, used or not.
    assert_eq!((sums.all.own_cost, sums.all.idle_cost), ("0.8".parse().unwrap(), Money::ZERO));
    // 73 a month are 0.1 an hour; the second and third were beyond the commitment of eight cores, the first within it.
    assert_eq!(sums.all.contract_fees, "0.2".parse().unwrap());
    assert_eq!((sums.all.promises_kept, sums.all.promises_broken), (1, 0));
    assert_eq!(sums.all.moved, Some(1.0 / 3.0));
    let margin = Money::from_units(20) + "0.2".parse().unwrap() - "4.2".parse().unwrap();
    assert_eq!(sums.all.margin, margin);
}

#[test]
fn a_policy_waits_for_the_own_pool_and_saves_the_fee() {
    let records = [record(0, 8, 3_600, 3_600), record(0, 6, 3_600, 3_600), record(60, 1, 60, 60)];
    let ready = run(SMALL, "", &records, 1).3;
    assert_eq!(ready.modes[1].jobs, 2);
    let thrift = "[placement]\nready_first = false\n[placement.weights]\nstart = 3000000\nown_cost = 0\n";
    let (_, _, played, thrift) = run(SMALL, thrift, &records, 1);
    assert!(played.wrong.is_empty(), "{:?}", played.wrong);
    // The large one waits an hour and saves 3.6, the small one saves next to nothing and goes.
    assert_eq!(thrift.modes[1].jobs, 1);
    assert!(thrift.all.fees < ready.all.fees && thrift.all.margin > ready.all.margin);
    assert_eq!(thrift.all.max_wait_s, 3_600.0);
}

/// A partner at the end of a line of 400 Mbit/s, seven minutes for 20 GiB, whose cores are cheap.
fn behind_a_slow_link() -> String {
    SMALL
        .replace("8589.934592", "400")
        .replace("data_gib = 2", "data_gib = 20")
        .replace("fee_core_hour = \"0.6\"", "fee_core_hour = \"0.01\"")
}

#[test]
fn placement_that_knows_the_links_avoids_a_slow_one() {
    let of = |every_s: i64| {
        let records: Vec<Record> = (0..12).map(|n| record(n * every_s, 8, 600, 600)).collect();
        let supply = behind_a_slow_link();
        // A policy that has links of its own has these alone: here none.
        let blind = run(&supply, "[links]\nfiles = \"nowhere\"\n", &records, 1).3;
        let knows = run(&supply, "", &records, 1).3;
        (blind, knows)
    };
    // A core-hour costs 0.04 less at the partner, and the way there 10 for each job.
    let (blind, knows) = of(600);
    assert_eq!((blind.clusters[1].jobs, knows.clusters[1].jobs), (6, 0));
    assert_eq!((blind.all.data_cost, knows.all.data_cost), (Money::from_units(60), Money::ZERO));
    assert!(knows.all.mean_wait_s < 1.0 && blind.all.mean_wait_s > 200.0);
    assert!(knows.all.margin > blind.all.margin + Money::from_units(50));
    // More than the near pool can do goes there all the same, and less of it than before.
    let (blind, knows) = of(450);
    assert!((1..blind.clusters[1].jobs).contains(&knows.clusters[1].jobs), "{}", knows.clusters[1].jobs);
    assert!(knows.all.mean_wait_s <= blind.all.mean_wait_s && knows.all.max_wait_s <= blind.all.max_wait_s);
    assert!(knows.all.margin > blind.all.margin, "{:?} blind, {:?} knowing", told(&blind), told(&knows));
}

fn told(sums: &Sums) -> (f64, f64, Money, Money) {
    (sums.all.mean_wait_s, sums.all.max_wait_s, sums.all.data_cost, sums.all.margin)
}

#[test]
fn what_is_no_supply_is_refused_with_its_place() {
    let with = |what: &str| format!("{SMALL}\n{what}");
    for (text, says) in [
        (with("[[outage]]\npool = \"own\"\nfrom = \"1h\"\nfor = \"1h\"\nwhy = \"x\""), "unknown field `why`"),
        (SMALL.replacen("cores = 8", "core = 8", 1), "unknown field `core`"),
        (SMALL.replace("cluster = \"far\"", "cluster = \"near\""), "there is no cluster `near`"),
        (SMALL.replace("to = \"there\"", "to = \"where\""), "no link between `here` and `there`"),
        (SMALL.replace("fee_core_hour = \"0.6\"", "cost = { purchase_price = \"1\", life_months = 1 }"), "no cost"),
        (SMALL.replace("tenant = \"lab\"", "tenant = \"labs\""), "there is no tenant `labs`"),
        (with("[[tenant]]\nname = \"lab\""), "two of the tenant `lab`"),
        (with("[[outage]]\nfrom = \"1h\"\nfor = \"1h\""), "names a pool, a cluster or a link"),
        ("[prices]\ncore_hour = \"1\"".into(), "there is no pool"),
        ("[prices]\ncore_hour = 1".into(), "line 2"),
        (SMALL.replacen("cores = 8", "core = 8", 1), "line 23"),
    ] {
        let fault = Supply::parse(&text).map(|_| ()).unwrap_err().to_string();
        assert!(fault.contains(says), "{says}: {fault}");
    }
}

#[test]
fn what_is_broken_off_tells_what_had_started() {
    let supply = Supply::parse(SMALL).unwrap();
    let records: Vec<Record> = (0..2_000).map(|n| record(n * 60, 1, 600, 600)).collect();
    let source = source(&records, &supply);
    let mut looks = 0;
    let mut stop = |_| {
        looks += 1;
        if looks > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let played = play(&supply, Steering::default(), &[source], &Seed::from_u64(1), &mut stop).unwrap();
    assert!(!played.is_complete && played.wrong.is_empty(), "{:?}", played.wrong);
    let sums = sums(&supply, &played);
    assert!(sums.all.jobs > 100 && sums.all.jobs < 2_000);
    assert!(sums.all.unstarted <= 8, "{}", sums.all.unstarted);
    assert_eq!(played.revenue, sums.all.revenue);
}

const FAULTY: &str = r#"
[[outage]]
pool = "own"
from = "1h"
for = "3h"
[[outage]]
cluster = "far"
from = "2h"
for = "90m"
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Over faults, queues of partners and any policy: the auditor is content, the jobs' margins add up to the ledger's, groups of
    /// one kind add up to all, and the same seed gives the same bytes.
    #[test]
    fn money_adds_up(
        jobs in prop::collection::vec((0i64..20_000, 1u32..9, 1i64..9_000, 1i64..9_000), 1..60),
        faults in any::<bool>(), thrift in any::<bool>(), queue in 0u32..20, seed in 0u64..100,
    ) {
        let records: Vec<Record> =
            jobs.iter().map(|(at, procs, run, more)| record(*at, *procs, *run, run + more)).collect();
        let queue = format!("site = \"there\"\nqueue_wait = \"{queue}m\"");
        let supply = SMALL.replacen("site = \"there\"", &queue, 1);
        let supply = if faults { supply + FAULTY } else { supply };
        let policy = if thrift { "[placement]\nready_first = false\norder = \"work\"\n" } else { "" };
        let (on, source, played, sums) = run(&supply, policy, &records, seed);
        prop_assert!(played.is_complete);
        prop_assert!(played.wrong.is_empty(), "{:?}", played.wrong);
        let by_job: Money = played.fates.iter().map(|f| f.charge - f.cost).sum();
        prop_assert_eq!(by_job, played.revenue - played.cost);
        for groups in [&sums.clusters, &sums.pools, &sums.modes] {
            prop_assert_eq!(groups.iter().map(|g| g.jobs).sum::<usize>(), sums.all.jobs);
            let margin: Money = groups.iter().map(|g| g.margin).sum();
            prop_assert_eq!(margin + sums.all.contract_fees, sums.all.margin);
        }
        let bytes = |supply: &Supply, source: &Source, played: &Played| {
            let mut out = Vec::new();
            csv(supply, played, std::slice::from_ref(source), &mut out).map(|()| out)
        };
        let (on2, source2, again, _) = run(&supply, policy, &records, seed);
        prop_assert_eq!(bytes(&on, &source, &played).unwrap(), bytes(&on2, &source2, &again).unwrap());
    }
}

/// The small supply with something more in it; all its ends are the auditor's business.
fn run_with(more: &str, supply: &str, records: &[Record]) -> Sums {
    let (_, _, played, sums) = run(&format!("{supply}{more}"), "", records, 1);
    assert!(played.is_complete && played.wrong.is_empty(), "{:?}", played.wrong);
    sums
}

#[test]
fn a_partner_that_takes_more_takes_it_of_work_that_starts_then() {
    // The own pool is full for hours; the partner has room for both.
    let records = [record(0, 8, 36_000, 36_000), record(60, 4, 7_200, 7_200), record(5_400, 4, 3_600, 3_600)];
    let change = "[[pool.fee_change]]\nfrom = \"1h\"\nfee_core_hour = \"1.2\"\n";
    let dear = SMALL.replace("fee_core_hour = \"0.6\"\n", &format!("fee_core_hour = \"0.6\"\n{change}"));
    let sums = run_with("", &dear, &records);
    assert_eq!(sums.clusters[1].jobs, 2);
    // Four cores for two hours at 0.6, and for one at 1.2.
    assert_eq!(sums.all.fees, "9.6".parse().unwrap());
    let own = SMALL.replace("[pool.cost]\n", &format!("{change}[pool.cost]\n"));
    let fault = Supply::parse(&own).unwrap_err().to_string();
    assert!(fault.contains("an own pool has no fee"), "{fault}");
}

#[test]
fn data_waits_for_a_link_that_is_down() {
    let records = [record(0, 8, 3_600, 3_600), record(60, 4, 600, 600)];
    let down = "[[outage]]\nlink = [\"there\", \"here\"]\nfrom = \"0s\"\nfor = \"10m\"\n";
    let sums = run_with(down, SMALL, &records);
    // It was sent off at 60 s, the link is back at 600 s, and the data takes four seconds.
    assert_eq!((sums.clusters[1].jobs, sums.clusters[1].max_wait_s), (1, 544.0));
    let nowhere = down.replace("there", "nowhere");
    let fault = Supply::parse(&format!("{SMALL}{nowhere}")).unwrap_err().to_string();
    assert!(fault.contains("no site `nowhere`"), "{fault}");
}

#[test]
fn ends_that_become_known_late_or_without_usage_change_no_bill() {
    let records: Vec<Record> = (0..60).map(|n| record(n * 300, 1 + n as u32 % 4, 1_000 + 37 * n, 7_200)).collect();
    let late = |late: &str, missing: u32| {
        let of = |cluster: &str| {
            format!(
                "[[accounting]]\ncluster = \"{cluster}\"\nfor = \"30d\"\nlate_max = \"{late}\"\nmissing_permille = {missing}\n"
            )
        };
        run_with(&(of("own") + &of("far")), SMALL, &records)
    };
    let usual = run_with("", SMALL, &records);
    for (late_max, missing) in [("2h", 0), ("0s", 500), ("45m", 300)] {
        let sums = late(late_max, missing);
        assert_eq!((sums.all.revenue, sums.all.jobs), (usual.all.revenue, 60), "{late_max} {missing}");
        // Nodes are taken to be in use until the end is known.
        assert_eq!(sums.all.mean_wait_s > usual.all.mean_wait_s, late_max != "0s", "{late_max} {missing}");
    }
}

#[test]
fn the_chart_shows_the_nodes_that_the_engine_chose() {
    // Two nodes of four cores: what takes three of a node leaves one there, and a second such job has the other node. The first
    // node is lost with what runs on it, which runs again.
    let text = r#"
[prices]
core_hour = "1"
[[cluster]]
name = "own"
mode = "own"
[[pool]]
name = "own"
cluster = "own"
nodes = 2
cores = 4
[[outage]]
pool = "own"
nodes = 1
from = "30m"
for = "1h"
"#;
    let records = [record(0, 3, 3_600, 3_600), record(60, 3, 3_600, 3_600), record(120, 1, 600, 600)];
    let (supply, _, played, sums) = run(text, "", &records, 1);
    assert!(played.wrong.is_empty(), "{:?}", played.wrong);
    let bars = crate::plots::of_supply(&supply, &played, &sums).bars;
    let seen = |job: usize| {
        let of = bars.iter().filter(|bar| bar.job == job);
        of.map(|bar| (bar.first, bar.procs, bar.start_s as i64)).collect::<Vec<_>>()
    };
    // Whichever had the first node ran twice.
    let (broken, kept) = if seen(0).len() == 2 { (0, 1) } else { (1, 0) };
    assert_eq!(seen(broken).len(), 2, "both of its runs: {bars:?}");
    assert_eq!(seen(kept).len(), 1);
    let nodes: Vec<usize> = [broken, kept].iter().map(|job| seen(*job)[0].0 / 4).collect();
    assert_eq!(nodes.iter().sum::<usize>(), 1, "a node each: {bars:?}");
    assert!(bars.iter().all(|bar| bar.first / 4 == (bar.first + bar.procs - 1) / 4), "nothing lies over two nodes");
}
