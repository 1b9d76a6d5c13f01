//! How fast the store is: batches of 64 submissions, and loading what is open.
//! `store_speed [BATCHES] [JOBS_TO_LOAD] [postgres://…]`; the embedded database goes into a folder under the current
//! one, so that it is the disk that is measured and not a file system in memory.

#![allow(clippy::print_stdout, reason = "a report is what it is for")]

use std::time::{Duration, Instant};

use base::Timestamp;
use engine::{Batch, Record};
use ports::Store;
use ports::store_conformance::{job, people};
use store::{Location, SqlStore};

const JOBS: u64 = 64;
const NOW: Timestamp = Timestamp::from_secs(1);
const LATER: Timestamp = Timestamp::from_secs(11);

/// What one batch of submissions writes: 64 jobs with hold, event, key, script and specification, and the wallet.
fn batch(number: u64) -> Batch {
    let mut records: Vec<Record> =
        (1..=JOBS).flat_map(|n| job(number * JOBS + n, &format!("case-{}", number % 50))).collect();
    let wallet = people(1).into_iter().filter(|r| matches!(r, Record::Ledger(_)));
    records.extend(wallet);
    Batch { records, effects: Vec::new() }
}

/// Processor seconds this process has used so far, from the 14th and 15th field of `/proc/self/stat` (ticks of 10 ms):
/// on a busy machine it tells more than the clock.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |n: usize| stat.rsplit(' ').nth(stat.split(' ').count() - n).and_then(|t| t.parse::<f64>().ok());
    (ticks(14).unwrap_or(0.0) + ticks(15).unwrap_or(0.0)) / 100.0
}

async fn measure(name: &str, location: Location, batches: u64, load: u64) {
    let store = SqlStore::open(&location).await.expect("a database");
    let fence = store.acquire("speed", NOW, LATER).await.expect("a lease").expect("no other").fence;
    store.commit(fence, &Batch { records: people(1), effects: Vec::new() }).await.expect("people");
    let mut times = Vec::new();
    let (mut commits, mut encoding) = (Duration::ZERO, Duration::ZERO);
    let mut number = 0;
    let mut used = processor();
    while number < batches.max(load / JOBS) {
        let batch = batch(number);
        let start = Instant::now();
        let commit = store.commit(fence, &batch);
        let encoded = start.elapsed();
        commit.await.expect("a commit");
        number += 1;
        if number <= batches {
            encoding += encoded;
            commits += start.elapsed();
            times.push(start.elapsed());
        }
        if number == batches {
            used = processor() - used;
        }
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    let per_second = batches as f64 / commits.as_secs_f64();
    println!(
        "{name}: {per_second:.0} batches/s, {:.0} jobs/s; a batch p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms, encoding {:.2} ms; {:.0} µs of processor a job",
        per_second * JOBS as f64,
        at(50),
        at(99),
        at(100),
        encoding.as_secs_f64() * 1e3 / batches as f64,
        used * 1e6 / (batches * JOBS) as f64,
    );
    let (start, used) = (Instant::now(), processor());
    let snapshot = store.load().await.expect("a snapshot");
    println!(
        "{name}: {} open jobs loaded in {:.2} s, {:.2} s of processor",
        snapshot.jobs.len(),
        start.elapsed().as_secs_f64(),
        processor() - used
    );
    store.close().await;
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |otherwise: u64| args.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (batches, load) = (number(1_000), number(0));
    let folder = tempfile::tempdir_in(".").expect("a folder");
    measure("sqlite", Location::Folder(folder.path().to_owned()), batches, load).await;
    if let Some(url) = args.next() {
        measure("postgres", Location::Postgres(url), batches, load.min(100_000)).await;
    }
}
