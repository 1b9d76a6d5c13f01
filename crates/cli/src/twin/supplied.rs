//! `hw twin replay --supply`: traces on several clusters with money, decided by the engine itself under a policy file.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use base::{Money, Seed, Span};
use serde::Serialize;
use sim::plots;
use sim::replay::{LeftOut, Load, Rules};
use sim::supply::{Group, Played, Source, Steering, Sums, Supply, csv, play, sums};
use sim::trace::Record;

use super::out::write;
use super::page::{self, Page};
use super::progress::{INTERRUPTED, peak_rss_bytes, seconds_since, watched};
use super::replay::{DAY_S, Data, Replay};
use super::source::{BadLines, Format, read};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

/// Findings of the auditor that are told one by one.
const WRONG_TOLD: usize = 20;

/// The report as JSON: figures over all jobs, then by cluster, pool, tenant and supply mode.
#[derive(Serialize)]
struct Report<'a> {
    supply: String,
    policy: Option<&'a str>,
    seed: u64,
    /// False when it was broken off: the figures are then those of the jobs that had started.
    complete: bool,
    #[serde(flatten)]
    all: &'a Group,
    lasted_s: f64,
    clusters: &'a [Group],
    pools: &'a [Group],
    tenants: &'a [Group],
    modes: &'a [Group],
    /// What the auditor found: nothing.
    wrong: &'a [String],
    left_out_unknown: usize,
    left_out_too_large: usize,
    read_s: f64,
    replay_s: f64,
    elapsed_s: f64,
    peak_rss_bytes: u64,
}

pub async fn run(desk: &Desk, args: Replay) -> Result<View, Fault> {
    let begun = Instant::now();
    let path = args.supply.clone().unwrap_or_default();
    let supply = supply(&path)?;
    let steering = args.policy.as_deref().map_or_else(|| Ok(Steering::default()), |path| policy(Path::new(path)))?;
    let (sources, left_out) = sources(desk, &args, supply.cores_max())?;
    let read_s = seconds_since(begun);
    let seed = Seed::from_u64(args.seed);
    let (of, on) = (sources.clone(), supply.clone());
    let done = watched(desk, move |watcher| {
        let begun = Instant::now();
        let played = play(&on, steering, &of, &seed, &mut |progress| watcher.look(progress))?;
        Ok((played, seconds_since(begun)))
    });
    let (played, replay_s) = done.await?.map_err(|fault: sim::supply::Fault| refused(&path, &fault))?;
    if let Some(path) = &args.jobs_csv {
        write(path, |out| csv(&supply, &played, &sources, out))?;
    }
    let sums = sums(&supply, &played);
    let report = Report {
        supply: path.display().to_string(),
        policy: args.policy.as_deref(),
        seed: args.seed,
        complete: played.is_complete,
        all: &sums.all,
        lasted_s: played.lasted.as_secs_f64(),
        clusters: &sums.clusters,
        pools: &sums.pools,
        tenants: &sums.tenants,
        modes: &sums.modes,
        wrong: &played.wrong,
        left_out_unknown: left_out.unknown,
        left_out_too_large: left_out.too_large,
        read_s,
        replay_s,
        elapsed_s: seconds_since(begun),
        peak_rss_bytes: peak_rss_bytes(),
    };
    let view = view(desk, &report, &sums, &played, left_out);
    if !args.report.is_empty() {
        let plots = plots::of_supply(&supply, &played, &sums);
        let name = args.policy.as_deref().and_then(|path| Path::new(path).file_name()).unwrap_or_default();
        let name = if name.is_empty() { "-".into() } else { name.display().to_string() };
        let title = Word::PlotTitle.fill(desk.lang(), &[("policy", name)]);
        page::written(&args.report, &Data { report: &report, plots: &plots }, || {
            Page::of(desk.lang(), &title, &view, &plots)
        })?;
    }
    Ok(view)
}

pub(super) fn refused(path: &Path, fault: &dyn std::fmt::Display) -> Fault {
    Fault::Usage(Word::BadFile, vec![("path", path.display().to_string()), ("why", fault.to_string())])
}

/// Reads a supply file.
pub(super) fn supply(path: &Path) -> Result<Supply, Fault> {
    let text = std::fs::read_to_string(path).map_err(Fault::file(path))?;
    Supply::parse(&text).map_err(|fault| refused(path, &fault))
}

/// Reads a policy file as the server does.
pub(super) fn policy(path: &Path) -> Result<Steering, Fault> {
    let text = std::fs::read_to_string(path).map_err(Fault::file(path))?;
    Steering::parse(&text).map_err(|fault| refused(path, &fault))
}

fn sources(desk: &Desk, args: &Replay, cores_max: u32) -> Result<(Vec<Source>, LeftOut), Fault> {
    let (mut sources, mut left_out) = (Vec::new(), LeftOut::default());
    for (name, mut records) in named_traces(desk, &args.traces, args.format, args.bad_lines)? {
        vary(&mut records, &name, args.skip_days, args.jitter, args.seed);
        let load = Load::of(&records, &rules(cores_max, args.days, args.perfect_estimates));
        left_out.unknown += load.left_out.unknown;
        left_out.too_large += load.left_out.too_large;
        sources.push(Source { name, load });
    }
    Ok((sources, left_out))
}

/// How records become jobs of a supply whose widest pool has so many cores.
pub(super) fn rules(cores_max: u32, days: Option<f64>, perfect_estimates: bool) -> Rules {
    let first_s = days.map(|days| (days * DAY_S) as i64);
    Rules { perfect_estimates, first_s, ..sim::supply::rules(cores_max) }
}

/// Reads traces written `NAME=FILE`.
pub(super) fn named_traces(
    desk: &Desk,
    traces: &[String],
    format: Option<Format>,
    bad_lines: BadLines,
) -> Result<Vec<(String, Vec<Record>)>, Fault> {
    let mut names = BTreeSet::new();
    let named = |written: &String| {
        let split = written.split_once('=').filter(|(name, _)| model_name(name) && names.insert(name.to_string()));
        let Some((name, path)) = split else {
            return Err(Fault::Usage(Word::NamedTraces, vec![("trace", written.clone())]));
        };
        Ok((name.to_owned(), read(desk, path, format, bad_lines)?.records))
    };
    traces.iter().map(named).collect()
}

fn model_name(name: &str) -> bool {
    name.len() <= 30
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The same history from a later beginning, with every submission up to so much later.
pub(super) fn vary(records: &mut Vec<Record>, name: &str, skip_days: f64, jitter: Option<Span>, seed: u64) {
    let first = records.iter().filter_map(|r| r.submit_s).min().unwrap_or(0);
    let from = first.saturating_add((skip_days.max(0.0) * DAY_S) as i64);
    records.retain(|r| r.submit_s.is_none_or(|at| at >= from));
    let most = jitter.map_or(0, |span| span.as_secs().max(0)) as u64;
    if most > 0 {
        let mut chance = Seed::from_u64(seed).child("jitter").child(name).stream();
        for record in records.iter_mut() {
            record.submit_s = record.submit_s.map(|at| at + chance.below(most) as i64);
        }
    }
}

fn view(desk: &Desk, report: &Report<'_>, sums: &Sums, played: &Played, left_out: LeftOut) -> View {
    let mut parts: Vec<Part> = [
        (Word::Cluster, "cluster", &sums.clusters),
        (Word::Pool, "pool", &sums.pools),
        (Word::Tenant, "tenant", &sums.tenants),
        (Word::Mode, "mode", &sums.modes),
    ]
    .into_iter()
    .filter(|(word, _, groups)| *word != Word::Pool || groups.len() != sums.clusters.len())
    .map(|(word, id, groups)| Part::Table(table(word, id, groups, (id == "mode").then_some(&sums.all))))
    .collect();
    let mut facts = vec![(Word::Policy, Cell::text(report.policy.unwrap_or("-")))];
    facts.push((Word::Makespan, Cell::Seconds(report.lasted_s)));
    facts.push((Word::TookTime, Cell::Seconds(report.elapsed_s)));
    facts.push((Word::MemoryPeak, Cell::Bytes(report.peak_rss_bytes)));
    parts.push(Part::Facts(facts));
    let mut view = View::of(report, parts);
    if left_out.unknown + left_out.too_large > 0 {
        let gaps = [("unknown", left_out.unknown.to_string()), ("large", left_out.too_large.to_string())];
        view = view.and(Word::JobsWide.fill(desk.lang(), &gaps));
    }
    for text in played.wrong.iter().take(WRONG_TOLD) {
        view = view.and(Word::AuditorSays.fill(desk.lang(), &[("text", text.clone())]));
        view.exit = Exit::Failure;
    }
    if !report.complete {
        let gaps = [("n", sums.all.unstarted.to_string()), ("jobs", sums.all.jobs.to_string())];
        view = view.and(Word::BrokenOff.fill(desk.lang(), &gaps));
        view.exit = Exit::Job(INTERRUPTED);
    }
    view
}

fn table(word: Word, id: &'static str, groups: &[Group], all: Option<&Group>) -> Table {
    let heads = [
        word,
        Word::Jobs,
        Word::MeanWait,
        Word::WaitP95,
        Word::WaitMax,
        Word::BoundedSlowdown,
        Word::Utilization,
        Word::Revenue,
        Word::ContractFees,
        Word::PartnerFees,
        Word::OwnCost,
        Word::IdleCost,
        Word::Margin,
        Word::PromisesKept,
        Word::PromisesBroken,
    ];
    let named = |name: &str| match name {
        "all" => Cell::Both { en: "all".into(), zh: "合计".into() },
        "own" if id == "mode" => Cell::Both { en: "own".into(), zh: "自有".into() },
        "partner" if id == "mode" => Cell::Both { en: "partner".into(), zh: "合作".into() },
        name => Cell::text(name),
    };
    // Rounded to hundredths as a whole number first, so that a small loss is no "-0.00".
    let hundredths = |amount: Money| (amount.0 as f64 * 100.0 / Money::MICROS_PER_UNIT as f64).round() as i64;
    let money = |amount: Money| Cell::number(format!("{:.2}", hundredths(amount) as f64 / 100.0));
    let row = |group: &Group| {
        let [mean, p95, max] = [group.mean_wait_s, group.p95_wait_s, group.max_wait_s].map(Cell::Seconds);
        vec![
            named(&group.name),
            Cell::number(group.jobs),
            mean,
            p95,
            max,
            Cell::number(format!("{:.2}", group.mean_bounded_slowdown)),
            group.utilization.map_or(Cell::Empty, |share| Cell::number(format!("{share:.4}"))),
            money(group.revenue),
            money(group.contract_fees),
            money(group.fees),
            money(group.own_cost),
            money(group.idle_cost),
            money(group.margin),
            Cell::number(group.promises_kept),
            Cell::number(group.promises_broken),
        ]
    };
    Table::new(id, &heads).with(groups.iter().chain(all).map(row))
}
