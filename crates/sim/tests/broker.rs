//! Our router against the earliest predicted start on the four clusters of the shared traces: as the table has them, from later
//! and from shifted beginnings, with submissions moved by minutes, and on fewer clusters. Each test prints its table; `HW_DATA`
//! names the folder of the data, and without it a test says that it was skipped.

#![allow(clippy::print_stdout, reason = "tables for whoever reads the run")]

#[path = "published/mod.rs"]
mod data;

use std::fmt::Write;
use std::ops::ControlFlow;

use base::Seed;
use data::{BLUE, CTC, HPC2N, KTH, LUBLIN_1, LUBLIN_2, trace};
use sched::batch::named;
use sim::replay::broker::{Brokered, Home, Router, Rule, broker};
use sim::replay::{Figures, Load, Rules, Shape, figures};
use sim::trace::{Record, Trace};

const DAY_S: i64 = 86_400;
const DAYS: i64 = 330;
/// By how much a submission is moved, seconds.
const JITTER_S: u64 = 600;
const FOUR: [(&str, u32); 4] = [(CTC, 338), (KTH, 100), (HPC2N, 240), (BLUE, 1152)];

/// Router and what each cluster runs. The first is what the others are measured against.
const RULES: [(Router, &str); 4] = [
    (Router::EarliestStart, "easy"),
    (Router::Headworks, "easy"),
    (Router::EarliestStart, "headworks"),
    (Router::Headworks, "headworks"),
];

struct Row {
    of: Figures,
    /// Shares of the jobs: that ran elsewhere than home, that ever left it.
    moved: f64,
    left: f64,
    /// Times a waiting job was sent on, over the jobs.
    sent_on: f64,
}

impl Row {
    fn of(done: &Brokered, procs: u64) -> Self {
        let of = figures(&done.load, &done.played.starts_s, Shape { procs, counts: &|_| true });
        let share = |count: usize| count as f64 / of.jobs as f64;
        let is_moved = |at: &usize| done.hosts[*at] != Some(done.homes[*at]);
        let sent_on: usize = done.sent_on.iter().map(|times| *times as usize).sum();
        Self {
            of,
            moved: share((0..of.jobs).filter(is_moved).count()),
            left: share((0..of.jobs).filter(|at| is_moved(at) || done.sent_on[*at] > 0).count()),
            sent_on: share(sent_on),
        }
    }
}

/// The jobs of the first `DAYS` days, as the table has them.
fn load(records: &[Record], procs: u32) -> (u32, Load) {
    let from_zero = Rules { shifts_to_zero: true, plays_empty_runs: false, ..Rules::on(procs) };
    (procs, Load::of(records, &Rules { first_s: Some(DAYS * DAY_S), ..from_zero }))
}

fn play(loads: &[(u32, Load)], (router, policy): (Router, &str)) -> Row {
    let homes: Vec<Home<'_>> = loads.iter().map(|(procs, load)| Home { procs: *procs, load }).collect();
    let rule = Rule { router, policy: &|| named(policy).unwrap() };
    let done = broker(&homes, rule, &Seed::from_u64(1), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(done.played.is_complete && done.played.starts_s.iter().zip(&done.load.jobs).all(|(s, j)| *s >= j.submit_s));
    Row::of(&done, loads.iter().map(|(procs, _)| u64::from(*procs)).sum())
}

fn traces(wanted: &[(&str, u32)]) -> Option<Vec<(Trace, u32)>> {
    wanted.iter().map(|(name, procs)| Some((trace(name)?, *procs))).collect()
}

fn label((router, policy): (Router, &str)) -> String {
    let name = Router::ALL.iter().find(|one| one.1 == router).unwrap().0;
    format!("{name} over {policy}")
}

#[test]
fn four_clusters_wait_less_than_by_the_earliest_start() {
    let Some(traces) = traces(&FOUR) else { return };
    let loads: Vec<(u32, Load)> = traces.iter().map(|(trace, procs)| load(&trace.records, *procs)).collect();
    let mut sheet =
        String::from("\nfour clusters: mean, p95, largest wait s; mean slowdown; moved, ever away, sent on\n");
    for rule in RULES {
        let row = play(&loads, rule);
        let Row { of, moved, left, sent_on } = &row;
        let _ = writeln!(
            sheet,
            "{}: {:.1} {:.0} {}; {:.2}; {moved:.3} {left:.3} {sent_on:.3}",
            label(rule),
            of.mean_wait_s,
            of.p95_wait_s,
            of.max_wait_s,
            of.mean_bounded_slowdown
        );
        assert_eq!(of.jobs, 209_541);
        if rule.0 == Router::Headworks {
            let is_met = of.mean_wait_s < 1_000.0 && of.mean_bounded_slowdown < 6.0 && *left <= 0.286;
            assert!(is_met, "{sheet}");
        }
    }
    println!("{sheet}");
}

fn spread(of: &[f64]) -> String {
    let mean = of.iter().sum::<f64>() / of.len() as f64;
    let square = of.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (of.len() - 1) as f64;
    format!("{mean:.3} ± {:.3}", square.sqrt())
}

/// The history from a day of the trace on.
fn later(records: &[Record], days: i64) -> Vec<Record> {
    let first_s = records.iter().filter_map(|record| record.submit_s).min().unwrap_or_default();
    let from_s = first_s + days * DAY_S;
    records.iter().filter(|record| record.submit_s.is_some_and(|at| at >= from_s)).cloned().collect()
}

/// The same history with every submission up to ten minutes later.
fn jittered(records: &[Record], seed: u64) -> Vec<Record> {
    let mut random = Seed::from_u64(seed).stream();
    let mut later = |at_s: i64| at_s + random.below(JITTER_S) as i64;
    records.iter().map(|record| Record { submit_s: record.submit_s.map(&mut later), ..record.clone() }).collect()
}

/// What is made of the trace of a cluster, given its place in the list and the number of the variant.
type Variant = fn(&[Record], i64, u64) -> Vec<Record>;

#[test]
fn the_gain_holds_under_seeds_and_shifted_beginnings() {
    let variants: [(&str, Variant); 3] = [
        ("all traces begin 4 to 20 weeks later", |records, _, no| later(records, 28 * no as i64)),
        ("each trace begins 9 to 45 days later than the one before", |records, at, no| {
            later(records, 9 * no as i64 * at)
        }),
        ("submissions up to ten minutes later", |records, at, no| jittered(records, 10 * no + at as u64)),
    ];
    let Some(traces) = traces(&FOUR) else { return };
    let mut sheet =
        String::from("\nfive of each: mean wait s, mean slowdown, moved, ever away; wait over the first's\n");
    let mut wrong = Vec::new();
    for (title, variant) in variants {
        let mut rows: [Vec<Row>; 4] = Default::default();
        for no in 1..=5 {
            let of = |(at, (trace, procs)): (i64, &(Trace, u32))| load(&variant(&trace.records, at, no), *procs);
            let loads: Vec<(u32, Load)> = (0..).zip(&traces).map(of).collect();
            RULES.into_iter().zip(&mut rows).for_each(|(rule, rows)| rows.push(play(&loads, rule)));
        }
        for (rule, row) in RULES.into_iter().zip(&rows) {
            let of = |value: &dyn Fn(&Row) -> f64| spread(&row.iter().map(value).collect::<Vec<f64>>());
            let over = row.iter().zip(&rows[0]).map(|(row, first)| row.of.mean_wait_s / first.of.mean_wait_s);
            let _ = writeln!(
                sheet,
                "{title}: {}: {}; {}; {}; {}; {}",
                label(rule),
                of(&|row| row.of.mean_wait_s),
                of(&|row| row.of.mean_bounded_slowdown),
                of(&|row| row.moved),
                of(&|row| row.left),
                spread(&over.collect::<Vec<f64>>())
            );
            // Not on average but each time.
            let is_met =
                |row: &Row| row.of.mean_wait_s < 1_000.0 && row.of.mean_bounded_slowdown < 6.0 && row.moved <= 0.286;
            if rule.0 == Router::Headworks && !row.iter().all(is_met) {
                wrong.push(format!("{title}: {}", label(rule)));
            }
        }
    }
    println!("{sheet}");
    assert!(wrong.is_empty(), "missed: {wrong:?} {sheet}");
}

/// Other fleets than the one the terms were chosen on: some of the clusters, and two without users and estimates.
#[test]
fn other_fleets_gain_too() {
    let fleets: [&[(&str, u32)]; 5] = [
        &[(CTC, 338), (KTH, 100)],
        &[(KTH, 100), (BLUE, 1152)],
        &[(HPC2N, 240), (BLUE, 1152)],
        &[(KTH, 100), (HPC2N, 240), (BLUE, 1152)],
        &[(LUBLIN_2, 256), (LUBLIN_1, 256), (HPC2N, 240)],
    ];
    let mut sheet = String::from("\nother fleets: mean and largest wait s; mean slowdown; moved, ever away\n");
    let mut wrong = Vec::new();
    for fleet in fleets {
        let Some(traces) = traces(fleet) else { return };
        let loads: Vec<(u32, Load)> = traces.iter().map(|(trace, procs)| load(&trace.records, *procs)).collect();
        let rows = RULES.map(|rule| play(&loads, rule));
        for (rule, Row { of, moved, left, .. }) in RULES.into_iter().zip(&rows) {
            let _ = writeln!(
                sheet,
                "{:?}: {}: {:.0} {}; {:.2}; {moved:.3} {left:.3}",
                fleet.iter().map(|one| one.0.split('-').next().unwrap_or_default()).collect::<Vec<&str>>(),
                label(rule),
                of.mean_wait_s,
                of.max_wait_s,
                of.mean_bounded_slowdown
            );
        }
        for pair in rows.chunks(2) {
            let [theirs, ours] = pair else { continue };
            let is_met = ours.of.mean_wait_s < theirs.of.mean_wait_s
                && ours.of.mean_bounded_slowdown < theirs.of.mean_bounded_slowdown
                && ours.moved <= rows[0].moved;
            if !is_met {
                wrong.push(fleet);
            }
        }
    }
    println!("{sheet}");
    assert!(wrong.is_empty(), "missed: {wrong:?} {sheet}");
}
