//! Our own policy against EASY and EASY-SJBF on the shared traces: whole, from later beginnings, and with submissions moved by
//! minutes. Each test prints its table; `HW_DATA` names the folder of the data, and without it a test says that it was skipped.

#![allow(clippy::print_stdout, reason = "tables for whoever reads the run")]
#![allow(clippy::disallowed_methods, reason = "tests read files")]

mod chart;
#[path = "published/mod.rs"]
mod data;

use std::fmt::Write;
use std::ops::ControlFlow;

use base::Seed;
use chart::{Bars, svg};
use data::{BLUE, CTC, HPC2N, KTH, LUBLIN_1, LUBLIN_2, trace};
use sched::batch::named;
use sim::replay::{Figures, Load, Rules, Shape, figures, replay};
use sim::supply::{Source, Steering, Supply, play, sums};
use sim::trace::Record;

const WEEK_S: i64 = 7 * 86_400;
/// By how much a submission is moved, seconds: what a user's coffee comes to.
const JITTER_S: u64 = 600;

fn on(load: &Load, procs: u32, policy: &str) -> Figures {
    let played = replay(load, procs, named(policy).unwrap(), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(played.is_complete);
    figures(load, &played.starts_s, Shape { procs: u64::from(procs), counts: &|_| true })
}

/// Ours over theirs.
struct Ratios {
    /// Mean wait, of EASY-SJBF's.
    mean: f64,
    /// Largest wait, of EASY's.
    max: f64,
    /// Mean bounded slowdown, of EASY-SJBF's.
    slowdown: f64,
}

fn ratios(load: &Load, procs: u32) -> (Ratios, [Figures; 3]) {
    let of = ["easy", "easy-sjbf", "headworks"].map(|policy| on(load, procs, policy));
    let [easy, sjbf, ours] = &of;
    let mean = ours.mean_wait_s / sjbf.mean_wait_s;
    let max = ours.max_wait_s as f64 / easy.max_wait_s as f64;
    (Ratios { mean, max, slowdown: ours.mean_bounded_slowdown / sjbf.mean_bounded_slowdown }, of)
}

const CURIE: &str = "CEA-Curie-2011-2.1-cln.swf.gz";
/// Trace and processors. The policy's terms were chosen on the first four.
const WHOLE: [(&str, u32); 5] = [(CTC, 338), (KTH, 100), (HPC2N, 240), (BLUE, 1152), (CURIE, 80_640)];

#[test]
fn whole_traces_wait_a_sixth_less_than_under_easy_sjbf() {
    let mut sheet =
        String::from("\ntrace: mean wait s of easy, easy-sjbf, ours; largest wait s; mean bounded slowdown\n");
    let mut wrong = Vec::new();
    let mut bars = Vec::new();
    for (name, procs) in WHOLE {
        let Some(trace) = trace(name) else { return };
        let (ratios, of) = ratios(&Load::of(&trace.records, &Rules::on(procs)), procs);
        let _ = writeln!(
            sheet,
            "{name} {procs}: mean {:.1} {:.1} {:.1} (target {:.1}, {:.3} of sjbf); largest {} {} {} ({:.3} of easy); slowdown {:.3} {:.3} {:.3} ({:.3} of sjbf)",
            of[0].mean_wait_s,
            of[1].mean_wait_s,
            of[2].mean_wait_s,
            0.85 * of[1].mean_wait_s,
            ratios.mean,
            of[0].max_wait_s,
            of[1].max_wait_s,
            of[2].max_wait_s,
            ratios.max,
            of[0].mean_bounded_slowdown,
            of[1].mean_bounded_slowdown,
            of[2].mean_bounded_slowdown,
            ratios.slowdown,
        );
        let hours = |figures: &Figures| figures.mean_wait_s / 3_600.0;
        let machine = name.split("-19").next().and_then(|n| n.split("-20").next()).unwrap_or(name);
        bars.push(Bars { name: machine.into(), values: [hours(&of[0]), hours(&of[1]), hours(&of[2])] });
        if ratios.mean > 0.85 || ratios.max > 1.0 || ratios.slowdown >= 1.0 {
            wrong.push(name);
        }
    }
    println!("{sheet}");
    assert!(wrong.is_empty(), "missed on {wrong:?}: {sheet}");
    picture_is(&svg("Mean wait of a job, five public workload logs", ["EASY", "EASY-SJBF", "Headworks"], "h", &bars));
}

/// The picture in the README is that of these figures; `UPDATE_PLOTS=1` draws it anew.
fn picture_is(drawn: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/img/waits.svg");
    if std::env::var_os("UPDATE_PLOTS").is_some() {
        std::fs::write(path, drawn).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == drawn, "docs/img/waits.svg shows other figures: draw it again with UPDATE_PLOTS=1");
}

/// Later beginnings: the first weeks left out, so that the machine begins empty and nothing is known of the users.
fn later(records: &[Record], weeks: i64) -> Vec<Record> {
    let first_s = records.iter().filter_map(|record| record.submit_s).min().unwrap_or_default();
    let from_s = first_s + weeks * WEEK_S;
    records.iter().filter(|record| record.submit_s.is_some_and(|at| at >= from_s)).cloned().collect()
}

/// The same history with every submission up to ten minutes later.
fn moved(records: &[Record], seed: u64) -> Vec<Record> {
    let mut random = Seed::from_u64(seed).stream();
    let mut later = |at_s: i64| at_s + random.below(JITTER_S) as i64;
    records.iter().map(|record| Record { submit_s: record.submit_s.map(&mut later), ..record.clone() }).collect()
}

fn spread(of: &[f64]) -> (f64, f64) {
    let mean = of.iter().sum::<f64>() / of.len() as f64;
    let square = of.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (of.len() - 1) as f64;
    (mean, square.sqrt())
}

/// What is made of a trace, given the weeks to leave out and a seed.
type Variant = fn(&[Record], i64, u64) -> Vec<Record>;

fn holds(title: &str, variant: Variant) {
    let mut sheet = format!(
        "\n{title}: ours over easy-sjbf (mean wait, slowdown) and over easy (largest wait), mean ± deviation of five\n"
    );
    let mut wrong = Vec::new();
    for (name, procs) in [(CTC, 338), (KTH, 100), (HPC2N, 240), (BLUE, 1152), (LUBLIN_1, 256), (LUBLIN_2, 256)] {
        let Some(trace) = trace(name) else { return };
        // The Lublin traces last for months, not years.
        let is_log = name != LUBLIN_1 && name != LUBLIN_2;
        let step = if is_log { 4 } else { 1 };
        let of = |seed: u64| {
            let records = variant(&trace.records, step * seed as i64, seed);
            ratios(&Load::of(&records, &Rules::on(procs)), procs).0
        };
        let all = [1, 2, 3, 4, 5].map(of);
        let of = |value: fn(&Ratios) -> f64| spread(&all.iter().map(value).collect::<Vec<f64>>());
        let (mean, max, slowdown) = (of(|one| one.mean), of(|one| one.max), of(|one| one.slowdown));
        let _ = writeln!(
            sheet,
            "{name}: mean wait {:.3} ± {:.3}, largest wait {:.3} ± {:.3}, slowdown {:.3} ± {:.3}",
            mean.0, mean.1, max.0, max.1, slowdown.0, slowdown.1
        );
        // The Lublin traces have no users and no estimates: nothing to forecast from, and EASY-SJBF knows the run times there.
        if is_log && (mean.0 > 0.9 || max.0 > 1.15 || slowdown.0 >= 1.0) {
            wrong.push(name);
        }
    }
    println!("{sheet}");
    assert!(wrong.is_empty(), "missed on {wrong:?}: {sheet}");
}

#[test]
fn the_gain_holds_from_later_beginnings() {
    holds("later beginnings, 4 to 20 weeks left out (Lublin: 1 to 5)", |records, weeks, _| later(records, weeks));
}

#[test]
fn the_gain_holds_when_submissions_move_by_minutes() {
    holds("submissions up to ten minutes later", |records, _, seed| moved(records, seed));
}

/// The platform's own engine, with everything it does beside placing, under the policy of the examples.
#[test]
fn the_platform_waits_less_than_easy_sjbf_too() {
    let (name, procs) = (KTH, 100);
    let Some(trace) = trace(name) else { return };
    let load = Load::of(&trace.records, &Rules::on(procs));
    let [easy, sjbf] = ["easy", "easy-sjbf"].map(|policy| on(&load, procs, policy));
    let supply = format!(
        "[prices]\ncore_hour = \"0.1\"\n[[cluster]]\nname = \"own\"\nmode = \"own\"\n[[pool]]\nname = \"own\"\ncluster = \"own\"\ncores = {procs}\n"
    );
    let supply = Supply::parse(&supply).unwrap();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/twin/least-work.toml");
    let run = |policy: &str| {
        let steering = Steering::parse(policy).unwrap();
        let sources = [Source { name: "kth".into(), load: load.clone() }];
        let played = play(&supply, steering, &sources, &Seed::from_u64(1), &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(played.is_complete && played.wrong.is_empty(), "{:?}", played.wrong);
        sums(&supply, &played).all
    };
    let (plain, ours) = (run(""), run(&std::fs::read_to_string(policy).unwrap()));
    println!(
        "{name}: mean wait {:.1} s by default, {:.1} s with least-work.toml ({:.3} of easy-sjbf), largest {} s ({:.3} of easy), slowdown {:.3}",
        plain.mean_wait_s,
        ours.mean_wait_s,
        ours.mean_wait_s / sjbf.mean_wait_s,
        ours.max_wait_s,
        ours.max_wait_s / easy.max_wait_s as f64,
        ours.mean_bounded_slowdown,
    );
    // One tenant, one pool, no forecasts: by default it is EASY to the second.
    assert!((plain.mean_wait_s - easy.mean_wait_s).abs() < 1e-6 && plain.max_wait_s as i64 == easy.max_wait_s);
    assert!(ours.mean_wait_s <= 0.85 * sjbf.mean_wait_s && ours.mean_bounded_slowdown < sjbf.mean_bounded_slowdown);
}
