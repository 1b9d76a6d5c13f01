//! What several plays have in common: the same traces and the same supply or machine, in variants by chance and by beginning, played on
//! all cores at once. Knows no rule but by what it brings.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base::{Money, Seed, Span};
use clap::Args;
use sched::batch;
use serde::Serialize;
use sim::replay::{Figures, Load, Progress, Rules, Shape, Watch, figures, replay};
use sim::supply::{Group, Source, Steering, Supply, play, sums};
use sim::trace::Record;

use super::progress::Watcher;
use super::replay::DAY_S;
use super::source::{BadLines, Format, read};
use super::supplied::{named_traces, rules, supply, vary};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;

const WEEK_DAYS: f64 = 7.0;

/// What is played, however often.
#[derive(Clone, Debug, Args)]
pub struct Ground {
    /// Trace: SWF or a dump of `sacct --parsable2`, plain or gzip. With --supply: NAME=FILE, as often as needed
    #[arg(long = "trace", value_name = "FILE", required = true)]
    traces: Vec<String>,
    /// Clusters, pools, prices and contracts to play on, a TOML file; policies are then files as the server reads them
    #[arg(long, value_name = "FILE", conflicts_with = "procs")]
    pub(super) supply: Option<PathBuf>,
    /// How the trace is written [default: told by its first line]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What becomes of lines that make no sense
    #[arg(long, value_enum, default_value = "refuse")]
    bad_lines: BadLines,
    /// Processors of the machine [default: what the trace's header says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    procs: Option<u32>,
    /// The policy knows how long each job will run
    #[arg(long)]
    perfect_estimates: bool,
    /// Only the jobs of the first so many days
    #[arg(long, value_name = "D")]
    days: Option<f64>,
    /// How many variants: each has a seed of its own, by which submissions are moved
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,
    /// The first of the seeds; the others follow
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Every submission is up to so much later, by chance of the variant's seed; 0s: as recorded
    #[arg(long, value_name = "TIME", default_value = "10m")]
    jitter: Span,
    /// Leave out the first so many weeks of each trace; of several, each is played with all seeds: 0,4,8
    #[arg(long, value_name = "W", value_delimiter = ',', default_value = "0")]
    skip_weeks: Vec<f64>,
    /// Plays at once [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
}

/// One history of those that are played.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Variant {
    pub seed: u64,
    pub skip_weeks: f64,
}

/// What decides.
#[derive(Clone, Debug)]
pub enum Rule {
    /// A policy of one machine.
    Named(String),
    /// A policy document.
    Steered(Box<Steering>),
}

/// The traces read and the supply checked.
pub struct Ready {
    ground: Ground,
    supply: Option<Supply>,
    traces: Vec<(String, Vec<Record>)>,
    procs: u32,
}

/// What came of one play; of those of its jobs that started. Money in the price book's currency.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub jobs: usize,
    pub unstarted: usize,
    pub mean_wait_s: f64,
    pub p95_wait_s: f64,
    pub max_wait_s: f64,
    pub mean_bounded_slowdown: f64,
    pub utilization: f64,
    #[serde(flatten)]
    pub account: Option<Account>,
}

/// Money of one play with a supply: what tenants pay with contract fees, all costs with idle ones, and what remains.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    pub revenue: f64,
    pub cost: f64,
    pub margin: f64,
    pub promises_broken: usize,
}

/// A figure of an outcome.
#[derive(Clone, Copy)]
pub struct Figure {
    pub name: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
    /// Digits behind the point in tables.
    pub digits: usize,
    pub of: fn(&Outcome) -> Option<f64>,
}

const fn figure(
    name: &'static str,
    en: &'static str,
    zh: &'static str,
    digits: usize,
    of: fn(&Outcome) -> Option<f64>,
) -> Figure {
    Figure { name, en, zh, digits, of }
}

/// In the order in which they are told; money only where there is some.
pub const FIGURES: [Figure; 9] = [
    figure("mean_wait_s", "mean wait, s", "平均等待，秒", 1, |o| Some(o.mean_wait_s)),
    figure("p95_wait_s", "95 % wait at most, s", "95% 等待不超过，秒", 1, |o| Some(o.p95_wait_s)),
    figure("max_wait_s", "longest wait, s", "最长等待，秒", 1, |o| Some(o.max_wait_s)),
    figure("mean_bounded_slowdown", "bounded slowdown", "有界减速比", 3, |o| Some(o.mean_bounded_slowdown)),
    figure("utilization", "utilisation", "利用率", 4, |o| Some(o.utilization)),
    figure("revenue", "revenue", "收入", 2, |o| o.account.as_ref().map(|a| a.revenue)),
    figure("cost", "cost", "成本", 2, |o| o.account.as_ref().map(|a| a.cost)),
    figure("margin", "margin", "毛利", 2, |o| o.account.as_ref().map(|a| a.margin)),
    figure("promises_broken", "promises broken", "违约", 1, |o| o.account.as_ref().map(|a| a.promises_broken as f64)),
];

/// A play that ended: what came of it, and what the auditor found.
pub struct Ended {
    pub outcome: Outcome,
    pub wrong: Vec<String>,
}

impl Ground {
    /// Reads what is to be played.
    pub fn ready(&self, desk: &Desk) -> Result<Ready, Fault> {
        let ground = self.clone();
        if let Some(path) = &self.supply {
            let traces = named_traces(desk, &self.traces, self.format, self.bad_lines)?;
            return Ok(Ready { ground, supply: Some(supply(path)?), traces, procs: 0 });
        }
        let [path] = &self.traces[..] else { return Err(Fault::Usage(Word::OneTrace, Vec::new())) };
        let trace = read(desk, path, self.format, self.bad_lines)?;
        let procs = self.procs.or_else(|| trace.header.procs());
        let procs = procs.ok_or_else(|| Fault::Usage(Word::TraceWithoutProcs, vec![("path", path.clone())]))?;
        Ok(Ready { ground, supply: None, traces: vec![("trace".to_owned(), trace.records)], procs })
    }

    /// All histories, beginnings in the outer loop.
    pub fn variants(&self) -> Vec<Variant> {
        let of = |skip_weeks: &f64| {
            let skip_weeks = *skip_weeks;
            (0..u64::from(self.seeds)).map(move |at| Variant { seed: self.seed.wrapping_add(at), skip_weeks })
        };
        self.skip_weeks.iter().flat_map(of).collect()
    }
}

/// Checks a policy's name.
pub fn named(name: &str) -> Result<Rule, Fault> {
    let unknown = || Fault::Usage(Word::NoSuchPolicy, vec![("name", name.into()), ("names", batch::NAMES.join(", "))]);
    batch::named(name).map(|_| Rule::Named(name.to_owned())).ok_or_else(unknown)
}

impl Ready {
    /// Plays every task, each a rule on a variant, in this order on all cores. In the result what did not come to its end is empty.
    ///
    /// # Errors
    /// The first that a play says; the others are broken off.
    pub fn all(&self, tasks: &[(&Rule, Variant)], watcher: &Watcher) -> Result<Vec<Option<Ended>>, String> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.ground.threads.map_or(cores, |n| n as usize).min(tasks.len()).max(1);
        let (next, ended, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let jobs = tasks.len() * self.traces.iter().map(|t| t.1.len()).sum::<usize>();
        let done: Vec<Mutex<Option<Result<Ended, String>>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((rule, variant)) = tasks.get(at) else { break };
                let mut before = 0;
                let mut look = |progress: Progress| {
                    let more = progress.ended.saturating_sub(before);
                    before = progress.ended;
                    let ended = ended.fetch_add(more, Ordering::Relaxed) + more;
                    let flow = watcher.look(Progress { ended, jobs });
                    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { flow }
                };
                if look(Progress { ended: 0, jobs }).is_break() {
                    break;
                }
                let played = self.play(rule, *variant, &mut look);
                stop.fetch_or(played.is_err(), Ordering::Relaxed);
                if let Ok(mut slot) = done[at].lock() {
                    *slot = played.transpose();
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        done.into_iter().map(|slot| slot.into_inner().ok().flatten().transpose()).collect()
    }

    /// Nothing where it was broken off.
    fn play(&self, rule: &Rule, variant: Variant, watch: Watch<'_>) -> Result<Option<Ended>, String> {
        let loads = self.traces.iter().map(|(name, records)| (name, self.load(name, records, variant)));
        match (rule, &self.supply) {
            (Rule::Steered(steering), Some(supply)) => {
                let sources: Vec<Source> = loads.map(|(name, load)| Source { name: name.clone(), load }).collect();
                let seed = Seed::from_u64(variant.seed);
                let played = play(supply, (**steering).clone(), &sources, &seed, watch);
                let played = played.map_err(|fault| fault.to_string())?;
                let outcome = with_money(&sums(supply, &played).all);
                Ok(played.is_complete.then_some(Ended { outcome, wrong: played.wrong }))
            }
            (Rule::Named(name), _) => {
                let (Some(policy), Some((_, load))) = (batch::named(name), loads.into_iter().next()) else {
                    return Err(format!("there is no policy `{name}`"));
                };
                let played = replay(&load, self.procs, policy, watch).map_err(|fault| fault.to_string())?;
                let shape = Shape { procs: u64::from(self.procs), counts: &|_| true };
                let outcome = without_money(&figures(&load, &played.starts_s, shape));
                Ok(played.is_complete.then_some(Ended { outcome, wrong: Vec::new() }))
            }
            (Rule::Steered(_), None) => Err("a policy document needs a supply".into()),
        }
    }

    fn load(&self, name: &str, records: &[Record], variant: Variant) -> Load {
        let Ground { jitter, days, perfect_estimates, .. } = self.ground;
        let mut records = records.to_vec();
        vary(&mut records, name, variant.skip_weeks * WEEK_DAYS, Some(jitter), variant.seed);
        let rules = match &self.supply {
            Some(supply) => rules(supply.cores_max(), days, perfect_estimates),
            None => {
                let first_s = days.map(|days| (days * DAY_S) as i64);
                Rules { perfect_estimates, first_s, ..Rules::on(self.procs) }
            }
        };
        Load::of(&records, &rules)
    }
}

const fn without_money(all: &Figures) -> Outcome {
    Outcome {
        jobs: all.jobs,
        unstarted: all.unstarted,
        mean_wait_s: all.mean_wait_s,
        p95_wait_s: all.p95_wait_s,
        max_wait_s: all.max_wait_s as f64,
        mean_bounded_slowdown: all.mean_bounded_slowdown,
        utilization: all.utilization,
        account: None,
    }
}

fn with_money(all: &Group) -> Outcome {
    let units = |money: Money| money.0 as f64 / Money::MICROS_PER_UNIT as f64;
    Outcome {
        jobs: all.jobs,
        unstarted: all.unstarted,
        mean_wait_s: all.mean_wait_s,
        p95_wait_s: all.p95_wait_s,
        max_wait_s: all.max_wait_s,
        mean_bounded_slowdown: all.mean_bounded_slowdown,
        utilization: all.utilization.unwrap_or_default(),
        account: Some(Account {
            revenue: units(all.revenue + all.contract_fees),
            cost: units(all.fees + all.own_cost + all.idle_cost + all.data_cost),
            margin: units(all.margin),
            promises_broken: all.promises_broken,
        }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        ground: Ground,
    }

    #[test]
    fn every_beginning_is_played_with_every_seed() {
        let line = Line::parse_from("x --trace t --seeds 2 --seed 7 --skip-weeks 0,1.5".split(' '));
        let variants = line.ground.variants().into_iter().map(|v| (v.skip_weeks.to_string(), v.seed));
        let expected = [("0", 7), ("0", 8), ("1.5", 7), ("1.5", 8)].map(|(weeks, seed)| (weeks.to_owned(), seed));
        assert_eq!(variants.collect::<Vec<_>>(), expected);
        assert!(Line::try_parse_from(["x", "--trace", "t", "--seeds", "0"]).is_err());
    }
}
