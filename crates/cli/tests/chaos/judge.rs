//! After the storm: what the jobs left on disk, what the platform says, what Slurm's own accounting says, and the books.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use futures::StreamExt;
use testkit::slurm::Cluster;
use wire::job::Attempt;
use wire::{AttemptPhase, Outcome};

use crate::support::{audit, client_of};
use crate::world::{Shared, World};

/// Seconds of each record that Slurm has of a run, by the end of the job's name: the job's id and the attempt's number. A controller
/// that was set back by a kill may write the end of a job a second time, later than the first.
type Runs = BTreeMap<String, Vec<i64>>;

/// Jobs that are read at the same time.
const READERS: usize = 8;

/// Returns the figures.
///
/// # Panics
/// With what was lost, doubled, billed wrongly or is still held.
pub fn judge(world: World, accepted: &BTreeMap<u64, u64>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client_of(&world.server());
    let (mut runs, mut logged) = (Runs::new(), Runs::new());
    let shared = world.shared();
    for cluster in [&shared.alpha, &shared.beta, &shared.gamma] {
        match cluster.spec().accounting {
            Some(_) => {
                accounted(cluster, "-D", &mut runs);
                accounted(cluster, "-c", &mut logged);
            }
            None => accounted(cluster, "-c", &mut runs),
        }
    }
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    let (mut proven, mut rewritten, mut attempts) = (0, 0, 0);
    let mut given_up = 0;
    let jobs = runtime.block_on(async {
        let one = |(key, number): (&u64, &u64)| {
            let (client, key, number) = (client.clone(), *key, *number);
            async move { (key, number, client.job(&number.to_string()).await.expect("every accepted job is there")) }
        };
        futures::stream::iter(accepted.iter().map(one)).buffered(READERS).collect::<Vec<_>>().await
    });
    for (key, number, job) in &jobs {
        let (starts, ends) = marks(&world.ran(), *key);
        let state = job.summary.state.as_str();
        assert_eq!((state, ends), ("COMPLETED", 1), "job {number} (key {key}), started {starts} times: {job:#?}");
        attempts += job.attempts.len();
        let last =
            job.attempts.iter().find(|a| a.phase == AttemptPhase::Ended && a.outcome == Some(Outcome::Completed));
        let last = last.unwrap_or_else(|| panic!("job {number} completed without an attempt that did: {job:#?}"));
        match runs.get(&name_end(last)) {
            Some(seconds) => {
                let before = logged.get(&name_end(last)).map_or(&[][..], Vec::as_slice);
                // It ended before the node that Slurm waited for: the tenant pays what its own marks show, and the note says so.
                if last.note.as_deref().is_some_and(|note| note.contains("gave its node up")) {
                    let most = seconds.iter().max().copied().unwrap_or(0);
                    assert!(length(last) <= most, "job {number} is billed beyond {most} s: {last:#?}");
                    given_up += 1;
                    *places.entry(last.cluster_name.clone()).or_default() += 1;
                    continue;
                }
                assert!(
                    seconds.contains(&length(last)) || before.contains(&length(last)),
                    "job {number} is billed for {} s, and Slurm counted {seconds:?}, before that {before:?}: {last:#?}",
                    length(last)
                );
                rewritten += u64::from(!seconds.contains(&length(last)));
            }
            // Its row has lost its name (slurmdbd calls it `allocation` after a controller that was set back told its end again).
            None if last.note.is_none() && logged.get(&name_end(last)).is_some_and(|l| l.contains(&length(last))) => {
                rewritten += 1;
            }
            // slurmctld forgot it: the marks that the job's own wrapper left prove its course, and the note says so.
            None => {
                assert!(
                    last.note.is_some(),
                    "job {number} is not in Slurm's accounting, and nothing says why: {last:#?}\n{}",
                    words(&shared, last)
                );
                proven += 1;
            }
        }
        *places.entry(last.cluster_name.clone()).or_default() += 1;
    }
    let mut said = format!(
        "{} jobs in {attempts} attempts, by cluster {places:?}; {proven} proven by what they left, for Slurm forgot them; {rewritten} whose row slurmdbd wrote over; {given_up} whose node Slurm gave up",
        accepted.len()
    );
    assert!(places.len() == 3, "all three clusters had work");
    let (location, _place) = world.stop();
    let books = runtime.block_on(audit(location));
    let _ = write!(said, "; {} intervals, {} transfers", books.intervals, books.transfers);
    assert_eq!(books.jobs.len(), accepted.len(), "no job that nobody handed in");
    books.expect_clean();
    said
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

/// How often the job began and ended, by its own marks.
fn marks(ran: &Path, key: u64) -> (usize, usize) {
    assert!(!ran.join(format!("{key}.bad")).exists(), "job {key}: a shell has read its name");
    let text = std::fs::read_to_string(ran.join(key.to_string())).unwrap_or_default();
    let count = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    (count("start "), count("end "))
}

fn name_end(attempt: &Attempt) -> String {
    attempt.id.trim_start_matches("att_").replace('_', "-")
}

/// Whole seconds between start and end.
fn length(attempt: &Attempt) -> i64 {
    let secs = |time: &Option<wire::TimeText>| time.as_ref().map_or(0, |t| t.0.as_micros());
    (secs(&attempt.ended_at) - secs(&attempt.started_at)) / 1_000_000
}

/// What `sacct` says, from slurmdbd (`-D`) or the completion log (`-c`). slurmdbd has one row for a job, and a controller that was set
/// back to an older state writes over it when it starts the job once more, although it had run and was accounted for: where there is
/// such a row the log, to which controllers only add, may show what it said before.
fn accounted(cluster: &Cluster, source: &str, runs: &mut Runs) {
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
        "JobName,Start,End",
    ]);
    let output = command.env("SLURM_TIME_FORMAT", "%s").output().expect("sacct runs");
    assert!(output.status.success(), "sacct {source}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\u{1f}').collect();
        let [name, start, end] = fields[..] else { continue };
        let Some(key) = name.splitn(3, '-').nth(2) else { continue };
        let seconds = runs.entry(key.to_owned()).or_default();
        // A row that was written over by a copy which never began has no times any more.
        if let (Ok(start), Ok(end)) = (start.parse::<i64>(), end.parse::<i64>()) {
            seconds.push(end - start);
        }
    }
}
