//! `kill -9` in the midst of commits: the database holds whole batches, a prefix of them, and every one that was
//! reported as stored.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use base::{Seed, Timestamp};
use engine::Batch;
use ports::Store;
use ports::store_conformance::{job, people};
use store::{Location, SqlStore};

const FOLDER: &str = "HW_STORE_KILL_FOLDER";
/// Jobs in a batch: each is six rows in six tables.
const JOBS: u64 = 16;
const ROUNDS: u64 = 10;

async fn open(folder: &Path, holder: &str) -> (SqlStore, u64) {
    let store = SqlStore::open(&Location::Folder(folder.to_owned())).await.unwrap();
    let (now, until) = (Timestamp::from_secs(1), Timestamp::from_secs(11));
    let fence = store.acquire(holder, now, until).await.unwrap().unwrap().fence;
    (store, fence)
}

/// Not a test of its own: what the killed process does. It prints the number of each batch after its commit.
#[tokio::test]
async fn commits_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (store, fence) = open(folder.as_ref(), "victim").await;
    let done = store.load().await.unwrap().last_job_number / JOBS;
    if done == 0 {
        store.commit(fence, &Batch { records: people(1), effects: vec![] }).await.unwrap();
    }
    for number in done.. {
        let records = (1..=JOBS).flat_map(|n| job(number * JOBS + n, "victim")).collect();
        store.commit(fence, &Batch { records, effects: vec![] }).await.unwrap();
        #[allow(clippy::print_stdout, reason = "the killer reads it")]
        {
            println!("\nstored {}", number + 1);
        }
    }
}

/// Runs the child, reads `lines` reports, lets a random part of the next commit pass, kills; the last number reported.
fn run_and_kill(folder: &Path, lines: u64, spin: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "commits_until_killed", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut reports = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("stored ").map(|n| n.parse::<u64>().unwrap()));
    let mut last = 0;
    for _ in 0..lines {
        last = reports.next().expect("the child ended by itself");
    }
    // Microseconds of nothing: the kill lands anywhere between two commits.
    let start = std::time::Instant::now();
    while start.elapsed().as_micros() < u128::from(spin) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What was still in the pipe had been stored as well.
    reports.last().unwrap_or(last)
}

#[tokio::test]
async fn kill_9_leaves_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = Seed::from_u64(9).child("kills").stream();
    for round in 0..ROUNDS {
        let (lines, spin) = (1 + chance.below(20), chance.below(8_000));
        let reported = run_and_kill(folder.path(), lines, spin);
        let (store, _) = open(folder.path(), "checker").await;
        let snapshot = store.load().await.unwrap();
        let count = snapshot.jobs.len() as u64;
        assert_eq!(count % JOBS, 0, "round {round}: a batch in part");
        assert!(
            count / JOBS >= reported,
            "round {round}: {reported} batches were reported, {} are there",
            count / JOBS
        );
        assert_eq!(snapshot.last_job_number, count, "round {round}: a gap");
        // The wallet and one hold for each job; one event and one key each.
        assert_eq!(snapshot.ledger.len() as u64, count + 1, "round {round}");
        assert_eq!(snapshot.last_event_seq, count * 100, "round {round}");
        let last = 1_u128 << 64 | u128::from(count);
        assert_eq!(store.answers(vec![last, last + 1]).await.unwrap().len(), 1, "round {round}");
        store.close().await;
    }
}
