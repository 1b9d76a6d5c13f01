//! Published tables, and those of an independent program, reproduced from the shared workload data. Each test prints its table;
//! `HW_DATA` names the folder of the data, and without it a test says that it was skipped.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "tables for whoever reads the run")]

#[path = "published/mod.rs"]
mod data;
#[path = "published/tables.rs"]
mod tables;

use std::fmt::Write;
use std::ops::ControlFlow;

use base::Seed;
use data::{BLUE, CTC, HPC2N, KTH, LUBLIN_1, LUBLIN_2, trace};
use sched::batch::{Backfill, Score, named};
use sim::replay::broker::{Brokered, Home, Router, Rule, broker};
use sim::replay::{Figures, Load, Rules, SEQUENCE_STARTS, Shape, Width, figures, replay, rlscheduler_tasks, sequence};
use sim::trace::Trace;

/// Shows what was found beside what was expected, and fails with all that differs.
struct Sheet {
    text: String,
    wrong: Vec<String>,
}

impl Sheet {
    fn new(title: &str) -> Self {
        Self { text: format!("\n{title}\n"), wrong: Vec::new() }
    }
    fn line(&mut self, found: &str, expected: &str) {
        let mark = if found == expected { "=" } else { "≠" };
        let _ = writeln!(self.text, "{mark} {found}");
        if found != expected {
            let _ = writeln!(self.text, "  {expected} expected");
            self.wrong.push(format!("{found}\n{expected} expected"));
        }
    }
    fn done(self) {
        println!("{}", self.text);
        assert!(self.wrong.is_empty(), "{} lines differ:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

fn on(trace: &Trace, procs: u32, rules: Rules, policy: &str) -> Figures {
    let load = Load::of(&trace.records, &rules);
    let policy = named(policy).unwrap();
    let played = replay(&load, procs, policy, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(played.is_complete);
    figures(&load, &played.starts_s, Shape { procs: u64::from(procs), counts: &|_| true })
}

const SCORES: [(Score, &str); 5] =
    [(Score::Fcfs, "FCFS"), (Score::Wfp3, "WFP3"), (Score::Unicep, "UNICEP"), (Score::Sjf, "SJF"), (Score::F1, "F1")];

/// RLScheduler's tables V and VI: 60 cells, and the sequences of each.
#[test]
fn rlschedulers_heuristics_are_those_of_its_tables() {
    let mut sheet = Sheet::new("RLScheduler: bounded slowdown of ten sequences, its mean; utilisation");
    for (at, (name, procs)) in [(LUBLIN_1, 256), (LUBLIN_2, 256), (HPC2N, 240)].into_iter().enumerate() {
        let Some(trace) = trace(name) else { return };
        let all = rlscheduler_tasks(&trace.records, procs);
        for (row, backfill) in [Backfill::No, Backfill::Yes].into_iter().enumerate() {
            for (column, (score, policy)) in SCORES.into_iter().enumerate() {
                let each = SEQUENCE_STARTS.map(|start| sequence(&all, start, procs, score, backfill).unwrap());
                let mean = |of: &dyn Fn(usize) -> f64| (0..10).map(of).sum::<f64>() / 10.0;
                let slowdowns: Vec<String> =
                    each.iter().map(|one| format!("{:.2}", one.mean_bounded_slowdown)).collect();
                let slowdown = mean(&|at| each[at].mean_bounded_slowdown);
                let utilization = mean(&|at| each[at].utilization);
                let label = format!("{name} {backfill:?} {policy}");
                let found = format!("{label} {} | {slowdown:.2} {utilization:.3}", slowdowns.join(" "));
                let (listed, mean, utilization) = tables::RLSCHEDULER[at][row][column];
                // The sequences were summed in another order: a value on the edge may have been rounded the other way.
                let edge = |(listed, found): (&f64, &str)| {
                    let near = found.parse::<f64>().is_ok_and(|found| (found - listed).abs() < 0.0101);
                    if near { found.to_owned() } else { format!("{listed:.2}") }
                };
                let listed: Vec<String> = listed.iter().zip(slowdowns.iter().map(String::as_str)).map(edge).collect();
                sheet.line(&found, &format!("{label} {} | {mean:.2} {utilization:.3}", listed.join(" ")));
            }
        }
    }
    sheet.done();
}

/// A third party's FIFO and EASY over whole traces. Their EASY knows the run times and has no spare rule; runs are not cut, and a
/// job is as wide as was requested.
#[test]
fn whole_traces_are_as_a_third_party_published_them() {
    let mut sheet = Sheet::new("third party: mean wait, p95 wait, p95 slowdown - 1, utilisation, makespan");
    for (name, procs, policy, expected) in tables::THIRD_PARTY {
        let Some(trace) = trace(name) else { return };
        let perfect = *policy != "fcfs";
        let base = Rules { width: Width::Requested, cuts_at_estimate: false, ..Rules::on(*procs) };
        let rules = Rules { perfect_estimates: perfect, ..base };
        let f = on(&trace, *procs, rules, policy);
        let found = format!(
            "{name} {procs} {policy} {:.0} {:.0} {:.2} {:.3} {}",
            f.mean_wait_s,
            f.p95_wait_s,
            f.p95_bounded_slowdown - 1.0,
            f.utilization,
            f.makespan_s
        );
        sheet.line(&found, &format!("{name} {procs} {policy} {expected}"));
    }
    sheet.done();
}

/// An independent program's figures: fcfs, easy, easy-sjbf, conservative; `*` knows the run times.
#[test]
fn whole_traces_are_as_an_independent_program_has_them() {
    let mut sheet =
        Sheet::new("independent: jobs, mean wait, p95 wait, mean slowdown, p95 slowdown, utilisation, makespan");
    let mut last: Option<(&str, Trace)> = None;
    for (name, policy, procs, expected) in tables::INDEPENDENT {
        if last.as_ref().is_none_or(|(known, _)| known != name) {
            let Some(trace) = trace(name) else { return };
            last = Some((name, trace));
        }
        let Some((_, trace)) = &last else { return };
        let (plain, perfect) = policy.strip_suffix('*').map_or((*policy, false), |plain| (plain, true));
        let f = on(trace, *procs, Rules { perfect_estimates: perfect, ..Rules::on(*procs) }, plain);
        let found = format!(
            "{name} {procs} {policy} {} {:.1} {:.0} {:.3} {:.2} {:.4} {}",
            f.jobs,
            f.mean_wait_s,
            f.p95_wait_s,
            f.mean_bounded_slowdown,
            f.p95_bounded_slowdown,
            f.utilization,
            f.makespan_s
        );
        sheet.line(&found, &format!("{name} {procs} {policy} {expected}"));
    }
    sheet.done();
}

/// Four clusters, 330 days, without the 26 jobs that ran 0 s: home only, least load, earliest predicted start, one pooled machine; chance is unstable by design.
#[test]
fn four_clusters_are_as_an_independent_program_has_them() {
    const DAYS: i64 = 330;
    let mut loads = Vec::new();
    for (name, procs) in [(CTC, 338), (KTH, 100), (HPC2N, 240), (BLUE, 1152)] {
        let Some(trace) = trace(name) else { return };
        let from_zero = Rules { shifts_to_zero: true, plays_empty_runs: false, ..Rules::on(procs) };
        let rules = Rules { first_s: Some(DAYS * 86_400), ..from_zero };
        loads.push((procs, Load::of(&trace.records, &rules)));
    }
    let homes: Vec<Home<'_>> = loads.iter().map(|(procs, load)| Home { procs: *procs, load }).collect();
    let mut sheet = Sheet::new("four clusters: mean wait, p95 wait, mean slowdown, moved; mean waits by home");
    for (router, expected) in tables::FOUR_CLUSTERS {
        let one = Router::ALL.iter().find(|one| one.0 == *router).unwrap().1;
        let rule = Rule { router: one, policy: &|| named("easy").unwrap() };
        let done = broker(&homes, rule, &Seed::from_u64(1), &mut |_| ControlFlow::Continue(())).unwrap();
        let (found, all) = told(&done, one);
        assert_eq!(all, 209_541);
        if one == Router::Random {
            let _ = writeln!(sheet.text, "  {router} {found}");
        } else {
            sheet.line(&format!("{router} {found}"), &format!("{router} {expected}"));
        }
    }
    sheet.done();
}

fn told(done: &Brokered, router: Router) -> (String, usize) {
    let of = |counts: &dyn Fn(usize) -> bool| figures(&done.load, &done.played.starts_s, Shape { procs: 1830, counts });
    let all = of(&|_| true);
    let moved = (0..all.jobs).filter(|at| done.hosts[*at] != Some(done.homes[*at])).count();
    let moved = if router == Router::Pooled { "-".into() } else { format!("{:.3}", moved as f64 / all.jobs as f64) };
    let each = [0, 1, 2, 3].map(|home| format!("{:.0}", of(&|at| done.homes[at] == home).mean_wait_s));
    let text = format!(
        "{:.1} {:.0} {:.2} {moved} {}",
        all.mean_wait_s,
        all.p95_wait_s,
        all.mean_bounded_slowdown,
        each.join(" ")
    );
    (text, all.jobs)
}
