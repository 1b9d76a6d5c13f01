//! `hw twin broker`: several clusters, each under a policy of its own, and a router between them.

use std::path::PathBuf;
use std::time::Instant;

use base::Seed;
use clap::Args;
use clap::builder::PossibleValuesParser;
use sched::batch::{Candidates, Easy, NAMES, named};
use serde::Serialize;
use sim::replay::broker::{Brokered, Home, Router, Rule, broker};
use sim::replay::{Load, PolicyFault, Rules, Shape, csv, figures};

use super::out::{Told, write};
use super::progress::{INTERRUPTED, peak_rss_bytes, seconds_since, watched};
use super::source::{BadLines, read};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

#[derive(Debug, Args)]
pub struct Broker {
    /// A cluster, its processors and the trace of its own users
    #[arg(long = "cluster", value_name = "NAME:PROCS:TRACE", required = true, value_parser = cluster)]
    clusters: Vec<Cluster>,
    /// Only the jobs of the first so many days of each trace
    #[arg(long, value_name = "D")]
    days: Option<f64>,
    /// Where jobs go when they arrive
    #[arg(long, value_name = "NAME", default_value = "earliest-start", value_parser = PossibleValuesParser::new(Router::ALL.iter().map(|one| one.0)))]
    router: String,
    /// The policy of each cluster
    #[arg(long, value_name = "NAME", default_value = "easy", value_parser = PossibleValuesParser::new(NAMES))]
    policy: String,
    /// The schedulers know how long each job will run
    #[arg(long)]
    perfect_estimates: bool,
    /// Chance for the router `random`
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What becomes of lines that make no sense
    #[arg(long, value_enum, default_value = "refuse")]
    bad_lines: BadLines,
    /// Write the schedule, a line for each job
    #[arg(long, value_name = "FILE")]
    jobs_csv: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct Cluster {
    name: String,
    procs: u32,
    trace: String,
}

fn cluster(text: &str) -> Result<Cluster, String> {
    let mut parts = text.splitn(3, ':');
    let (Some(name), Some(procs), Some(trace)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("write NAME:PROCS:TRACE".into());
    };
    let procs =
        procs.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("`{procs}` is not a number of processors"))?;
    Ok(Cluster { name: name.into(), procs, trace: trace.into() })
}

/// The report as JSON: figures over all jobs, then for each cluster's own users and for what it ran.
#[derive(Serialize)]
struct Report<'a> {
    router: &'a str,
    policy: &'a str,
    complete: bool,
    #[serde(flatten)]
    figures: Told,
    /// Share of the jobs that went elsewhere than home; nothing where all is one machine.
    moved: Option<f64>,
    moved_jobs: usize,
    /// Of those that ran at home, those that had been sent elsewhere and came back.
    returned_jobs: usize,
    /// How often a waiting job was sent on to another cluster.
    sent_on: u64,
    clusters: Vec<Of<'a>>,
    left_out: usize,
    elapsed_s: f64,
    peak_rss_bytes: u64,
}

#[derive(Serialize)]
struct Of<'a> {
    name: &'a str,
    procs: u32,
    /// Of the jobs its users submitted, wherever they ran; utilisation as if they had run here.
    #[serde(flatten)]
    figures: Told,
    /// Of the jobs it ran, whoever submitted them; nothing where all is one machine.
    hosted: Option<Told>,
    moved_jobs: usize,
}

pub async fn run(desk: &Desk, args: Broker) -> Result<View, Fault> {
    let begun = Instant::now();
    let router = Router::ALL.iter().find(|one| one.0 == args.router).map_or(Router::Home, |one| one.1);
    let (mut homes, mut numbers, mut left_out) = (Vec::new(), Vec::new(), 0);
    for cluster in &args.clusters {
        let trace = read(desk, &cluster.trace, None, args.bad_lines)?;
        let rules = Rules {
            perfect_estimates: args.perfect_estimates,
            first_s: args.days.map(|days| (days * DAY_S) as i64),
            shifts_to_zero: true,
            // What ran no second needs no place; the reference figures leave it out too.
            plays_empty_runs: false,
            ..Rules::on(cluster.procs)
        };
        let load = Load::of(&trace.records, &rules);
        left_out += load.left_out.unknown + load.left_out.too_large;
        let wanted = args.jobs_csv.is_some();
        numbers.push(if wanted { trace.records.iter().map(|record| record.job).collect() } else { Vec::<u64>::new() });
        homes.push((cluster.procs, load));
    }
    let seed = Seed::from_u64(args.seed);
    let name = args.policy.clone();
    let done = watched(desk, move |watcher| {
        let homes: Vec<Home<'_>> = homes.iter().map(|(procs, load)| Home { procs: *procs, load }).collect();
        // The name is one of the list: the arguments were checked against it.
        let policy = || named(&name).unwrap_or_else(|| Box::new(Easy::new(Candidates::Arrival)));
        broker(&homes, Rule { router, policy: &policy }, &seed, &mut |progress| watcher.look(progress))
    });
    let done = done.await?.map_err(|fault: PolicyFault| Fault::Server(fault.into()))?;
    if let Some(path) = &args.jobs_csv {
        let number = |at: usize| numbers[done.homes[at] as usize][done.load.records[at] as usize];
        let host = |at: usize| {
            let host = done.hosts[at].filter(|_| router != Router::Pooled);
            host.map_or(String::new(), |host| args.clusters[host as usize].name.clone())
        };
        write(path, |out| csv(&done.load, &done.played.starts_s, &number, Some(&host), out))?;
    }
    let report = report(&args, router, &done, left_out, begun);
    Ok(view(desk, &report))
}

fn report<'a>(args: &'a Broker, router: Router, done: &Brokered, left_out: usize, begun: Instant) -> Report<'a> {
    let told = |procs: u64, counts: &dyn Fn(usize) -> bool| {
        Told::of(&figures(&done.load, &done.played.starts_s, Shape { procs, counts }))
    };
    let is_pooled = router == Router::Pooled;
    let moved = |at: usize| !is_pooled && done.hosts[at].is_some_and(|host| host != done.homes[at]);
    let clusters = (0u16..).zip(&args.clusters).map(|(number, cluster)| Of {
        name: &cluster.name,
        procs: cluster.procs,
        figures: told(u64::from(cluster.procs), &|at| done.homes[at] == number),
        hosted: (!is_pooled).then(|| told(u64::from(cluster.procs), &|at| done.hosts[at] == Some(number))),
        moved_jobs: (0..done.homes.len()).filter(|at| done.homes[*at] == number && moved(*at)).count(),
    });
    let clusters: Vec<Of<'_>> = clusters.collect();
    let moved_jobs = clusters.iter().map(|of| of.moved_jobs).sum();
    let total = args.clusters.iter().map(|cluster| u64::from(cluster.procs)).sum();
    let is_back = |at: &usize| !is_pooled && done.sent_on[*at] > 0 && done.hosts[*at] == Some(done.homes[*at]);
    Report {
        router: &args.router,
        policy: &args.policy,
        complete: done.played.is_complete,
        figures: told(total, &|_| true),
        moved: (!is_pooled && !done.homes.is_empty()).then(|| moved_jobs as f64 / done.homes.len() as f64),
        moved_jobs,
        returned_jobs: (0..done.homes.len()).filter(is_back).count(),
        sent_on: done.sent_on.iter().map(|times| u64::from(*times)).sum(),
        clusters,
        left_out,
        elapsed_s: seconds_since(begun),
        peak_rss_bytes: peak_rss_bytes(),
    }
}

fn view(desk: &Desk, report: &Report<'_>) -> View {
    let heads: Vec<Word> =
        [Word::Cluster, Word::Processors].into_iter().chain(Told::HEADS).chain([Word::Moved]).collect();
    let row = |name: Cell, procs: u64, told: &Told, moved: Cell| {
        [name, Cell::number(procs)].into_iter().chain(told.cells()).chain([moved]).collect()
    };
    let each = |of: &Of<'_>| row(Cell::text(of.name), u64::from(of.procs), &of.figures, Cell::number(of.moved_jobs));
    let all = Cell::Both { en: "all".into(), zh: "合计".into() };
    let total = report.clusters.iter().map(|of| u64::from(of.procs)).sum();
    let rows = report.clusters.iter().map(each);
    let table = Table::new("cluster", &heads).with(rows).with([row(
        all,
        total,
        &report.figures,
        Cell::number(report.moved_jobs),
    )]);
    let took = vec![
        (Word::Router, Cell::text(report.router)),
        (Word::Policy, Cell::text(report.policy)),
        (Word::TookTime, Cell::Seconds(report.elapsed_s)),
        (Word::MemoryPeak, Cell::Bytes(report.peak_rss_bytes)),
    ];
    let mut view = View::of(report, vec![Part::Table(table), Part::Facts(took)]);
    if !report.complete {
        let gaps = [("n", report.figures.unstarted.to_string()), ("jobs", report.figures.jobs.to_string())];
        view = view.and(Word::BrokenOff.fill(desk.lang(), &gaps));
        view.exit = Exit::Job(INTERRUPTED);
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_read() {
        let read = cluster("ctc:338:/a/b:c.swf").unwrap();
        assert_eq!((read.name.as_str(), read.procs, read.trace.as_str()), ("ctc", 338, "/a/b:c.swf"));
        assert!(["ctc:338", "ctc:0:x", "ctc:many:x", ""].iter().all(|text| cluster(text).is_err()));
    }
}
