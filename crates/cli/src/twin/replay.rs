//! `hw twin replay`: a trace on one machine of like processors under a policy. With `--supply` see `supplied`.

use std::path::PathBuf;
use std::time::Instant;

use base::Span;
use clap::Args;
use sched::batch;
use serde::Serialize;
use sim::plots;
use sim::replay::{Figures, LeftOut, Load, Played, Rules, Shape, csv, figures, replay, swf_records};
use sim::trace::{Header, Record, swf};

use super::out::{Told, write};
use super::page::{self, Page};
use super::progress::{INTERRUPTED, peak_rss_bytes, seconds_since, watched};
use super::source::{BadLines, Format, read};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, View};

/// Seconds of a day.
pub(super) const DAY_S: f64 = 86_400.0;

#[derive(Debug, Args)]
pub struct Replay {
    /// Trace: SWF or a dump of `sacct --parsable2`, plain or gzip; `-` reads standard input. With --supply: NAME=FILE, as often as needed
    #[arg(long = "trace", value_name = "FILE", required = true)]
    pub(super) traces: Vec<String>,
    /// Clusters, pools, prices and contracts to play on, a TOML file: the engine itself decides, with money
    #[arg(long, value_name = "FILE", conflicts_with_all = ["procs", "no_cut", "swf"])]
    pub(super) supply: Option<PathBuf>,
    /// How the trace is written [default: told by its first line]
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,
    /// What becomes of lines that make no sense
    #[arg(long, value_enum, default_value = "refuse")]
    pub(super) bad_lines: BadLines,
    /// Processors of the machine [default: what the trace's header says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    procs: Option<u32>,
    /// Who starts when: fcfs, easy, easy-sjbf, conservative, headworks and others [default: easy]. With --supply: a policy file
    /// as the server reads it [default: all defaults]
    #[arg(long, value_name = "NAME")]
    pub(super) policy: Option<String>,
    /// Chance for waits in clusters' own queues and for --jitter
    #[arg(long, value_name = "N", default_value_t = 1, requires = "supply")]
    pub(super) seed: u64,
    /// Leave out the first so many days of each trace
    #[arg(long, value_name = "D", default_value_t = 0.0, requires = "supply")]
    pub(super) skip_days: f64,
    /// Every submission is up to so much later, by chance: 10m
    #[arg(long, value_name = "TIME", requires = "supply")]
    pub(super) jitter: Option<Span>,
    /// The policy knows how long each job will run
    #[arg(long)]
    pub(super) perfect_estimates: bool,
    /// Runs go on past their estimates as they did in the trace
    #[arg(long)]
    no_cut: bool,
    /// Only the jobs of the first so many days
    #[arg(long, value_name = "D")]
    pub(super) days: Option<f64>,
    /// Write the schedule, a line for each job
    #[arg(long, value_name = "FILE")]
    pub(super) jobs_csv: Option<PathBuf>,
    /// Write the schedule as a trace in SWF
    #[arg(long, value_name = "FILE")]
    swf: Option<PathBuf>,
    /// Write a report with plots, a page (.html) or its data (.json); as often as needed
    #[arg(long, value_name = "FILE")]
    pub(super) report: Vec<PathBuf>,
}

/// The report as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: &'a str,
    policy: &'a str,
    procs: u32,
    perfect_estimates: bool,
    /// False when it was broken off: the figures are then those of the jobs that had started.
    complete: bool,
    #[serde(flatten)]
    figures: Told,
    /// Records without processors, submission or run time.
    left_out_unknown: usize,
    /// Records of more processors than there are.
    left_out_too_large: usize,
    bad_lines: usize,
    read_s: f64,
    replay_s: f64,
    elapsed_s: f64,
    peak_rss_bytes: u64,
}

/// What a report holds beside its plots.
#[derive(Serialize)]
pub(super) struct Data<'a, R> {
    pub(super) report: &'a R,
    pub(super) plots: &'a plots::Plots,
}

/// What is needed after the replay.
struct Done {
    load: Load,
    played: Played,
    figures: Figures,
    replay_s: f64,
}

pub async fn run(desk: &Desk, args: Replay) -> Result<View, Fault> {
    args.report.iter().try_for_each(|path| page::is_page(path).map(drop))?;
    if args.supply.is_some() {
        return super::supplied::run(desk, args).await;
    }
    let begun = Instant::now();
    let [path] = &args.traces[..] else { return Err(Fault::Usage(Word::OneTrace, Vec::new())) };
    let name = args.policy.clone().unwrap_or_else(|| "easy".into());
    let unknown = || Fault::Usage(Word::NoSuchPolicy, vec![("name", name.clone()), ("names", batch::NAMES.join(", "))]);
    let policy = batch::named(&name).ok_or_else(unknown)?;
    let trace = read(desk, path, args.format, args.bad_lines)?;
    let Some(procs) = args.procs.or_else(|| trace.header.procs()) else {
        return Err(Fault::Usage(Word::TraceWithoutProcs, vec![("path", path.clone())]));
    };
    let rules = Rules {
        cuts_at_estimate: !args.no_cut,
        perfect_estimates: args.perfect_estimates,
        first_s: args.days.map(|days| (days * DAY_S) as i64),
        ..Rules::on(procs)
    };
    let load = Load::of(&trace.records, &rules);
    let (header, bad_lines) = (trace.header, trace.bad.len());
    let records = if args.jobs_csv.is_some() || args.swf.is_some() { trace.records } else { Vec::new() };
    let left_out = load.left_out;
    let read_s = seconds_since(begun);
    let done = watched(desk, move |watcher| {
        let begun = Instant::now();
        let played = replay(&load, procs, policy, &mut |progress| watcher.look(progress))?;
        let replay_s = seconds_since(begun);
        let figures = figures(&load, &played.starts_s, Shape { procs: u64::from(procs), counts: &|_| true });
        Ok(Done { load, played, figures, replay_s })
    });
    let done = done.await?.map_err(|fault: sim::replay::PolicyFault| Fault::Server(fault.into()))?;
    files(&args, &name, &header, &records, &done)?;
    let report = Report {
        trace: path,
        policy: &name,
        procs,
        perfect_estimates: args.perfect_estimates,
        complete: done.played.is_complete,
        figures: Told::of(&done.figures),
        left_out_unknown: left_out.unknown,
        left_out_too_large: left_out.too_large,
        bad_lines,
        read_s,
        replay_s: done.replay_s,
        elapsed_s: seconds_since(begun),
        peak_rss_bytes: peak_rss_bytes(),
    };
    let view = view(desk, &report, left_out);
    if !args.report.is_empty() {
        let plots = plots::of_machine(&done.load, &done.played.starts_s, procs);
        let title = Word::PlotTitle.fill(desk.lang(), &[("policy", name.clone())]);
        page::written(&args.report, &Data { report: &report, plots: &plots }, || {
            Page::of(desk.lang(), &title, &view, &plots)
        })?;
    }
    Ok(view)
}

fn files(args: &Replay, policy: &str, header: &Header, records: &[Record], done: &Done) -> Result<(), Fault> {
    let Done { load, played, .. } = done;
    if let Some(path) = &args.jobs_csv {
        let number = |at: usize| records[load.records[at] as usize].job;
        write(path, |out| csv(load, &played.starts_s, &number, None, out))?;
    }
    if let Some(path) = &args.swf {
        let played: Vec<Record> = swf_records(load, &played.starts_s, records).collect();
        let mut header = header.clone();
        header.lines.push(format!("; Note: replayed by Headworks under {policy}"));
        write(path, |out| swf::write(&header, &played, out))?;
    }
    Ok(())
}

fn view(desk: &Desk, report: &Report<'_>, left_out: LeftOut) -> View {
    let mut facts = vec![(Word::Policy, Cell::text(report.policy)), (Word::Processors, Cell::number(report.procs))];
    facts.extend(Told::HEADS.into_iter().zip(report.figures.cells()));
    facts.push((Word::TookTime, Cell::Seconds(report.elapsed_s)));
    facts.push((Word::MemoryPeak, Cell::Bytes(report.peak_rss_bytes)));
    let mut view = View::facts(report, facts);
    let gone = left_out.unknown + left_out.too_large;
    if gone > 0 {
        let gaps = [("unknown", left_out.unknown.to_string()), ("large", left_out.too_large.to_string())];
        view = view.and(Word::JobsLeftOut.fill(desk.lang(), &gaps));
    }
    if !report.complete {
        let gaps = [("n", report.figures.unstarted.to_string()), ("jobs", report.figures.jobs.to_string())];
        view = view.and(Word::BrokenOff.fill(desk.lang(), &gaps));
        view.exit = Exit::Job(INTERRUPTED);
    }
    view
}
