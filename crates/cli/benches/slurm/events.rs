//! From a change of a job in Slurm, by slurmctld's own log, to the platform's stream of events, while ten thousand of its jobs wait
//! in Slurm's queue; and what both ends spend on looking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nix::sys::signal::Signal;
use testkit::slurm::{Accounting, ClusterSpec, Daemon, NodeSet, Partition};
use tokio::sync::mpsc::UnboundedReceiver;
use wire::job::BulkCancel;
use wire::submit::JobSubmit;

use crate::world::{Arrived, World, cpu, percentile};

const QUEUED: usize = 10_000;
/// Jobs that Slurm runs at a time; the nodes would hold all.
const AT_ONCE: usize = 8;
/// How long each of the ten thousand runs: two of them begin and end each second.
const LENGTH_SECS: u32 = 4;
const ALONE: Duration = Duration::from_secs(20);
const LOOKING: Duration = Duration::from_secs(40);
const CHANGING: Duration = Duration::from_secs(120);
/// A change that was not told by then is missing.
const OLD: Duration = Duration::from_secs(10);

/// Slurm's number and whether it began or ended.
type Change = (u32, bool);

pub fn measure() {
    let mut log = PathBuf::new();
    let world = World::start(|folder| {
        log = folder.join("slurmctld.log");
        spec(&log)
    });
    let mut events = world.events();
    submit(&world, AT_ONCE, "sleep 3600");
    let first: Vec<String> = queued(&mut events, &world, AT_ONCE).into_values().collect();
    submit(&world, QUEUED, &format!("sleep {LENGTH_SECS}"));
    let begun = Instant::now();
    let names = queued(&mut events, &world, QUEUED);
    println!(
        "{QUEUED} jobs handed over by sbatch in {:.0?}: {:.0} per second",
        begun.elapsed(),
        QUEUED as f64 / begun.elapsed().as_secs_f64()
    );
    looking(&world);
    let jobs = BulkCancel { jobs: first };
    world.runtime.block_on(world.client.cancel_many(&jobs)).expect("cancelled");
    let told = changes(&mut events, &world, &names);
    tell(&told, &read(&log));
}

fn spec(log: &Path) -> ClusterSpec {
    // A limit of the partition's own QOS: Slurm sees at once that a job has to wait, and its scheduler stays out of the figures. The
    // platform does not read such limits; those of accounts it keeps to itself, and hands no more over.
    let limit = format!("MaxJobsPerUser={AT_ONCE}");
    let accounting = Accounting::default().enforce("associations,limits,qos").sacctmgr(&["add", "qos", "few", &limit]);
    ClusterSpec::new("deep")
        .nodes(NodeSet::new(1).cpus(12_000).mem_mb(12_000_000))
        .partition(Partition::new("main").sets(&[0]).default().with("QOS=few"))
        .accounting(accounting)
        .line(&format!("SlurmctldLogFile={}", log.display()))
}

fn submit(world: &World, elements: usize, work: &str) {
    let script = format!("#!/bin/sh\n#SBATCH --array=1-{elements} --mem=10M --time=90 --output=/dev/null\n{work}\n");
    let job = JobSubmit { script, ..JobSubmit::default() };
    let answer = world.runtime.block_on(world.client.submit(&job, None)).expect("accepted");
    assert_eq!(answer.elements as usize, elements);
}

/// Waits until so many jobs have a number in Slurm; the platform's job by that.
fn queued(events: &mut UnboundedReceiver<Arrived>, world: &World, count: usize) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    world.runtime.block_on(async {
        while names.len() < count {
            let event = events.recv().await.expect("a stream").event;
            if let (Some(number), Some(job)) = (number(&event), event.job) {
                names.insert(number, job.to_string());
            }
        }
    });
    names
}

fn number(event: &wire::events::Event) -> Option<u32> {
    if event.kind == "queued" { event.detail["external"].as_str()?.parse().ok() } else { None }
}

/// What looking costs while nothing changes: the platform, its commands and Slurm's daemons, less what those spend alone.
fn looking(world: &World) {
    let daemons = || cpu(world.cluster.pid(Daemon::Slurmctld)) + cpu(world.cluster.pid(Daemon::Slurmdbd));
    let share = |time: Duration, of: Duration| 100.0 * time.as_secs_f64() / of.as_secs_f64();
    world.server.signal(Signal::SIGSTOP);
    let before = daemons();
    pause(world, ALONE);
    let alone = share(daemons() - before, ALONE);
    world.server.signal(Signal::SIGCONT);
    // What came up meanwhile is none of the ordinary work.
    pause(world, Duration::from_secs(3));
    let before = (daemons(), cpu(world.server.pid()));
    pause(world, LOOKING);
    let (theirs, ours) = (share(daemons() - before.0, LOOKING), share(cpu(world.server.pid()) - before.1, LOOKING));
    println!(
        "looking at {QUEUED} queued jobs: {:.1} % of a core for both ends: {ours:.1} % platform and commands, {:.1} % Slurm's daemons ({alone:.1} % without us)   (wanted: under 5 %)",
        ours + (theirs - alone).max(0.0),
        theirs - alone
    );
}

fn pause(world: &World, time: Duration) {
    world.runtime.block_on(async { tokio::time::sleep(time).await });
}

/// What the stream tells while jobs begin and end, and when.
fn changes(
    events: &mut UnboundedReceiver<Arrived>,
    world: &World,
    names: &BTreeMap<u32, String>,
) -> BTreeMap<Change, SystemTime> {
    let numbers: BTreeMap<&str, u32> = names.iter().map(|(number, name)| (name.as_str(), *number)).collect();
    let mut told = BTreeMap::new();
    let collect = async {
        loop {
            let arrived = events.recv().await.expect("a stream");
            let Some(job) = arrived.event.job else { continue };
            let Some(number) = numbers.get(job.to_string().as_str()) else { continue };
            match arrived.event.kind.as_str() {
                "started" => told.insert((*number, true), arrived.at),
                "ended" => told.insert((*number, false), arrived.at),
                _ => None,
            };
        }
    };
    let timed: Result<(), _> = world.runtime.block_on(async { tokio::time::timeout(CHANGING, collect).await });
    assert!(timed.is_err(), "the stream goes on");
    told
}

/// When slurmctld began and ended each job: it writes milliseconds.
fn read(log: &Path) -> BTreeMap<Change, SystemTime> {
    let text = std::fs::read_to_string(log).expect("slurmctld's log");
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(Change, SystemTime)> {
    let (time, words) = line.strip_prefix('[')?.split_once("] ")?;
    let is_start = words.starts_with("sched: Allocate JobId=") || words.contains("_start_job: Started JobId=");
    let is_end = words.starts_with("_job_complete: JobId=") && words.ends_with(" done");
    if !is_start && !is_end {
        return None;
    }
    let number: String = words.split_once("JobId=")?.1.chars().take_while(char::is_ascii_digit).collect();
    let time: DateTime = time.parse().ok()?;
    let at = time.to_zoned(TimeZone::system()).ok()?.timestamp();
    Some(((number.parse().ok()?, is_start), SystemTime::from(at)))
}

fn tell(told: &BTreeMap<Change, SystemTime>, happened: &BTreeMap<Change, SystemTime>) {
    let age = |change: &Change, at: &SystemTime| {
        happened.get(change).map(|then| at.duration_since(*then).unwrap_or_default())
    };
    let lags = |which: fn(&Change) -> bool| {
        let chosen = told.iter().filter(|(change, _)| which(change));
        let mut lags: Vec<Duration> = chosen.filter_map(|(change, at)| age(change, at)).collect();
        lags.sort_unstable();
        lags
    };
    let all = lags(|_| true);
    assert!(all.len() > 100, "{} changes were told, Slurm made {}", all.len(), happened.len());
    println!(
        "from a change in Slurm to the stream of events, {QUEUED} queued, {} changes: median {} ms, p99 {} ms, largest {} ms   (wanted: under 1,000 and 3,000 ms)",
        all.len(),
        percentile(&all, 50).as_millis(),
        percentile(&all, 99).as_millis(),
        percentile(&all, 100).as_millis()
    );
    for (what, part) in [("starts", lags(|change| change.1)), ("ends", lags(|change| !change.1))] {
        println!(
            "    {what}: median {} ms, p99 {} ms",
            percentile(&part, 50).as_millis(),
            percentile(&part, 99).as_millis()
        );
    }
    // What Slurm did to a job of which something else was told, and long enough ago to be told itself.
    let old = |at: &SystemTime| at.elapsed().is_ok_and(|age| age > OLD);
    let ours = |number: u32| told.contains_key(&(number, true)) || told.contains_key(&(number, false));
    let missing = happened.iter().filter(|(change, at)| old(at) && ours(change.0) && !told.contains_key(*change));
    println!("    changes older than {OLD:?} that were not told: {}", missing.count());
}
