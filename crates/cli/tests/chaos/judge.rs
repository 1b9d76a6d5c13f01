//! After the storm: what the jobs left on disk, what the platform says, what Slurm's own accounting says, and the books.

use std::collections::BTreeMap;
use std::path::Path;

use testkit::slurm::Cluster;
use wire::job::Attempt;
use wire::{AttemptPhase, Outcome};

use crate::support::{audit, client_of};
use crate::world::World;

/// Seconds of each record that Slurm has of a run, by the end of the job's name: the job's id and the attempt's number. A controller
/// that was set back by a kill may write the end of a job a second time, later than the first.
type Runs = BTreeMap<String, Vec<i64>>;

/// # Panics
/// With what was lost, doubled, billed wrongly or is still held.
pub fn judge(world: World, accepted: &BTreeMap<u64, u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client_of(&world.server());
    let mut runs = Runs::new();
    let shared = world.shared();
    for cluster in [&shared.alpha, &shared.beta, &shared.gamma] {
        runs.extend(accounted(cluster));
    }
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    let (mut proven, mut attempts) = (0, 0);
    for (key, number) in accepted {
        let job = runtime.block_on(client.job(&number.to_string())).expect("every accepted job is there");
        let (starts, ends) = marks(&world.ran(), *key);
        let state = job.summary.state.as_str();
        assert_eq!((state, ends), ("COMPLETED", 1), "job {number} (key {key}), started {starts} times: {job:#?}");
        attempts += job.attempts.len();
        let last =
            job.attempts.iter().find(|a| a.phase == AttemptPhase::Ended && a.outcome == Some(Outcome::Completed));
        let last = last.unwrap_or_else(|| panic!("job {number} completed without an attempt that did: {job:#?}"));
        match runs.get(&name_end(last)) {
            Some(seconds) => assert!(
                seconds.contains(&length(last)),
                "job {number} is billed for {} s, and Slurm counted {seconds:?}: {last:#?}",
                length(last)
            ),
            // slurmctld forgot it: the marks that the job's own wrapper left prove its course, and the note says so.
            None => {
                assert!(
                    last.note.is_some(),
                    "job {number} is not in Slurm's accounting, and nothing says why: {last:#?}"
                );
                proven += 1;
            }
        }
        *places.entry(last.cluster_name.clone()).or_default() += 1;
    }
    println!(
        "  {} jobs in {attempts} attempts, by cluster {places:?}; {proven} proven by what they left, for Slurm forgot them",
        accepted.len()
    );
    assert!(places.len() == 3, "all three clusters had work");
    let location = world.stop();
    let books = runtime.block_on(audit(location));
    println!("  {} intervals, {} transfers", books.intervals, books.transfers);
    assert_eq!(books.jobs.len(), accepted.len(), "no job that nobody handed in");
    books.expect_clean();
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

/// What `sacct` says, from slurmdbd where there is one and from the completion log elsewhere.
fn accounted(cluster: &Cluster) -> Runs {
    let source = if cluster.spec().accounting.is_some() { "-D" } else { "-c" };
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
    let text = String::from_utf8_lossy(&output.stdout);
    let mut runs = Runs::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\u{1f}').collect();
        let [name, start, end] = fields[..] else { continue };
        let (Some(key), Ok(start), Ok(end)) = (name.splitn(3, '-').nth(2), start.parse::<i64>(), end.parse::<i64>())
        else {
            continue;
        };
        runs.entry(key.to_owned()).or_default().push(end - start);
    }
    runs
}
