//! After the storm: what the jobs left on disk, what the platform says, what Slurm's own accounting says, and the books.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use testkit::slurm::Cluster;
use wire::job::Attempt;
use wire::{AttemptPhase, Outcome};

use crate::support::{audit, client_of};
use crate::world::{Shared, World};

/// Start and end of each run that Slurm has on record, in its seconds, by the end of the job's name: the job's id and the attempt's
/// number. A controller that was set back by a kill may write the end of a job a second time, later than the first.
type Runs = BTreeMap<String, Vec<(i64, i64)>>;

/// From Slurm's start to the first line of a job on a busy machine, seconds.
const LAUNCH_SECS_MAX: i64 = 10;
/// Below so many jobs a cluster may have had none of them.
const FEW: usize = 1_000;
/// Jobs that are read at the same time.
const READERS: usize = 8;

/// What Slurm and the jobs themselves have written.
struct Records {
    /// slurmdbd's rows, or the completion log where there is no slurmdbd.
    runs: Runs,
    /// The completion log beside slurmdbd.
    logged: Runs,
    /// Work roots of the clusters, by name.
    roots: BTreeMap<String, PathBuf>,
}

/// What shows that a bill is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    Accounting,
    /// slurmdbd had shown the run and has it no more. It shows rows before it commits them, so that a kill takes back what it had
    /// acknowledged; and it has one row for a job, over which a controller that was set back to an older state writes a later launch.
    /// The completion log, to which controllers only add, has the run.
    Log,
    /// Slurm gave its node up and wrote the time at which it did; the job had ended there before. It pays up to its own last mark.
    NodeGivenUp,
    /// slurmctld forgot it, or accounting shows a launch after its end instead: the marks that the job's wrapper left, and the start
    /// that Slurm showed while it ran.
    Marks,
}

/// Returns the figures.
///
/// # Panics
/// With what was lost, doubled, billed wrongly or is still held.
pub fn judge(world: World, accepted: &BTreeMap<u64, u64>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client_of(&world.server());
    let shared = world.shared();
    let records = records(&world, &shared);
    let (mut places, mut proofs) = (BTreeMap::<String, u64>::new(), BTreeMap::<Proof, u64>::new());
    let (mut attempts, mut again, mut moved) = (0, 0, 0);
    let jobs = runtime.block_on(async {
        let one = |(key, number): (&u64, &u64)| {
            let (client, key, number) = (client.clone(), *key, *number);
            async move { (key, number, client.job(&number.to_string()).await.expect("every accepted job is there")) }
        };
        futures::stream::iter(accepted.iter().map(one)).buffered(READERS).collect::<Vec<_>>().await
    });
    let mut wrong = Vec::new();
    for (key, number, job) in &jobs {
        let marks = Marks::read(&world.ran(), *key);
        attempts += job.attempts.len();
        moved += job.attempts.iter().filter(|a| a.outcome == Some(Outcome::Cancelled)).count();
        again += usize::from(marks.starts.len() > 1);
        let completed = |a: &&Attempt| a.phase == AttemptPhase::Ended && a.outcome == Some(Outcome::Completed);
        let counts: Vec<&Attempt> = job.attempts.iter().filter(completed).collect();
        let found = match (job.summary.state.as_str(), &marks.ends[..], &counts[..]) {
            ("COMPLETED", [_], [last]) => {
                *places.entry(last.cluster_name.clone()).or_default() += 1;
                proof(last, &records)
                    .and_then(|proof| marks.within(last).map(|()| proof))
                    .map_err(|why| (why, Some(*last)))
            }
            (state, ends, counts) => {
                let why = format!("{state}, {} ends on disk, {} attempts that completed", ends.len(), counts.len());
                Err((why, job.attempts.last()))
            }
        };
        match found {
            Ok(proof) => *proofs.entry(proof).or_default() += 1,
            Err((why, attempt)) => {
                let words = attempt.map(|attempt| words(&shared, attempt)).unwrap_or_default();
                let attempts = serde_json::to_string(&job.attempts).unwrap_or_else(|error| error.to_string());
                wrong.push(format!("job {number} (key {key}): {why}; {marks:?}; {attempts}\n{words}"));
            }
        }
    }
    let mut said = format!(
        "{} jobs in {attempts} attempts, {moved} of them moved away from where they waited, {again} jobs that began more than once, by cluster {places:?}, by proof {proofs:?}",
        accepted.len()
    );
    let (location, _place) = world.stop();
    let books = runtime.block_on(audit(location));
    let _ = write!(said, "; {} intervals, {} transfers", books.intervals, books.transfers);
    let (findings, uncovered) = (&books.findings, &books.uncovered);
    assert!(
        wrong.is_empty(),
        "{} jobs went wrong:\n{}\nthe books: {} held, {findings:?}, {uncovered:?}",
        wrong.len(),
        wrong.join("\n"),
        books.open_holds
    );
    // Few jobs may all pass a cluster by that is out of reach for most of their time.
    assert!(places.len() == 3 || accepted.len() < FEW, "all three clusters had work: {places:?}");
    assert_eq!(books.jobs.len(), accepted.len(), "no job that nobody handed in");
    books.expect_clean();
    said
}

fn records(world: &World, shared: &Shared) -> Records {
    let mut records = Records { runs: Runs::new(), logged: Runs::new(), roots: BTreeMap::new() };
    for cluster in [&shared.alpha, &shared.beta, &shared.gamma] {
        let name = cluster.name().to_owned();
        records.roots.insert(name.clone(), world.folder().join(format!("work-{name}")));
        match cluster.spec().accounting {
            Some(_) => {
                accounted(cluster, "-D", &mut records.runs, world.folder());
                accounted(cluster, "-c", &mut records.logged, world.folder());
            }
            None => accounted(cluster, "-c", &mut records.runs, world.folder()),
        }
    }
    records
}

/// What shows that an attempt was billed for the run that it had, to the second.
fn proof(attempt: &Attempt, records: &Records) -> Result<Proof, String> {
    let (Some(from), Some(to)) = (seconds(&attempt.started_at), seconds(&attempt.ended_at)) else {
        return Err("its start or its end is no whole second".into());
    };
    let (runs, logged) = (records.runs.get(&name_end(attempt)), records.logged.get(&name_end(attempt)));
    let known: Vec<(i64, i64)> = runs.into_iter().chain(logged).flatten().copied().collect();
    let told = |words: &str| attempt.note.as_deref().is_some_and(|note| note.contains(words));
    if runs.is_some_and(|runs| runs.contains(&(from, to))) {
        return Ok(Proof::Accounting);
    }
    if logged.is_some_and(|logged| logged.contains(&(from, to))) {
        return Ok(Proof::Log);
    }
    let left = left(attempt, records);
    let given_up =
        known.iter().any(|run| run.0 == from && to < run.1 && left.is_some_and(|left| to == left.1.max(from)));
    if told("gave its node up") && given_up {
        return Ok(Proof::NodeGivenUp);
    }
    let accounted = |left: (i64, i64)| runs.into_iter().flatten().any(|run| run.0 <= left.0 && left.1 <= run.1);
    let marked =
        |left: (i64, i64)| to == left.1 && (left.0 - LAUNCH_SECS_MAX..=left.0).contains(&from) && !accounted(left);
    if told("those in its folder") && left.is_some_and(marked) {
        return Ok(Proof::Marks);
    }
    Err(format!("billed {from} to {to}, Slurm has {runs:?} and logged {logged:?}, and it left {left:?}"))
}

/// The seconds in which the job's wrapper wrote that it began and that it ended.
fn left(attempt: &Attempt, records: &Records) -> Option<(i64, i64)> {
    let attempts = std::fs::read_dir(records.roots.get(&attempt.cluster_name)?.join(".headworks")).ok()?;
    let realms = attempts.flatten().map(|realm| realm.path().join("attempts"));
    let folders = realms.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let end = format!("-{}", name_end(attempt));
    let mine = folders.map(|folder| folder.path()).find(|path| path.to_string_lossy().ends_with(&end))?;
    let second = |name: &str| std::fs::read_to_string(mine.join(name)).ok()?.split('.').next()?.parse().ok();
    Some((second("started")?, second("ended")?))
}

/// What Slurm has of an attempt's number and of its name, for whoever looks into a failure.
fn words(shared: &Shared, attempt: &Attempt) -> String {
    let all = [&shared.alpha, &shared.beta, &shared.gamma];
    let Some(cluster) = all.into_iter().find(|cluster| cluster.name() == attempt.cluster_name) else {
        return String::new();
    };
    let fields = "JobID,JobName%60,State%30,Submit,Eligible,Start,End,ExitCode,NodeList";
    let number = attempt.external.clone().unwrap_or_default();
    let by_number = cluster.run(&["sacct", "-D", "-X", "-P", "-S", "now-1day", "-j", &number, "-o", fields]);
    let log = std::fs::read_to_string(cluster.dir().join("log/jobcomp.txt")).unwrap_or_default();
    let mut text = by_number.unwrap_or_else(|error| error.to_string());
    text.extend(log.lines().filter(|line| line.contains(&name_end(attempt))).map(|line| format!("{line}\n")));
    text
}

/// When the job began and ended, by its own marks: seconds and fractions.
#[derive(Debug)]
struct Marks {
    starts: Vec<f64>,
    ends: Vec<f64>,
}

impl Marks {
    fn read(ran: &Path, key: u64) -> Marks {
        assert!(!ran.join(format!("{key}.bad")).exists(), "job {key}: a shell has read its name");
        let text = std::fs::read_to_string(ran.join(key.to_string())).unwrap_or_default();
        let times = |word: &str| {
            let lines = text.lines().filter(|line| line.starts_with(word));
            lines.map(|line| line.rsplit(' ').next().and_then(|time| time.parse().ok()).unwrap_or(f64::NAN)).collect()
        };
        Marks { starts: times("start "), ends: times("end ") }
    }

    /// Whether what the job did lies in the run that is billed: one that Slurm only believes in is not to be paid.
    fn within(&self, attempt: &Attempt) -> Result<(), String> {
        let micros = |time: &Option<wire::TimeText>| time.as_ref().map_or(f64::NAN, |t| t.0.as_micros() as f64 / 1e6);
        // Slurm cuts times down to whole seconds.
        let (from, to) = (micros(&attempt.started_at), micros(&attempt.ended_at) + 1.0);
        match (self.starts.last(), self.ends.first()) {
            (Some(start), Some(end)) if from <= *start && *end < to => Ok(()),
            _ => Err(format!("billed from {from} to {to} at most, and it worked at other times")),
        }
    }
}

fn name_end(attempt: &Attempt) -> String {
    attempt.id.trim_start_matches("att_").replace('_', "-")
}

/// A moment that is a whole second.
fn seconds(time: &Option<wire::TimeText>) -> Option<i64> {
    let micros = time.as_ref()?.0.as_micros();
    (micros % 1_000_000 == 0).then_some(micros / 1_000_000)
}

/// What `sacct` says, from slurmdbd (`-D`) or the completion log (`-c`).
fn accounted(cluster: &Cluster, source: &str, runs: &mut Runs, keep: &Path) {
    let mut command = cluster.command(&[
        "sacct",
        source,
        "-X",
        "-n",
        "-P",
        "--delimiter=\u{1f}",
        "-S",
        "now-1day",
        "-o",
        "JobName,Start,End,JobID,State,ExitCode,NodeList,Submit",
    ]);
    let output = command.env("SLURM_TIME_FORMAT", "%s").output().expect("sacct runs");
    assert!(output.status.success(), "sacct {source}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    // For whoever looks into a failure (`HW_KEEP`): slurmdbd is gone then.
    std::fs::write(keep.join(format!("sacct{source}.{}", cluster.name())), &*text).expect("a file can be written");
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\u{1f}').collect();
        let [name, start, end, ..] = fields[..] else { continue };
        let Some(key) = name.splitn(3, '-').nth(2) else { continue };
        let known = runs.entry(key.to_owned()).or_default();
        // A row that was written over by a copy which never began has no times any more.
        if let (Ok(start), Ok(end)) = (start.parse::<i64>(), end.parse::<i64>()) {
            known.push((start, end));
        }
    }
}
