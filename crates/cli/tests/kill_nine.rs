//! The server is killed with `kill -9` two hundred times at random moments under load, with ten thousand open jobs.
//! No accepted job is lost, none runs twice, each interval is billed once, the auditor is content.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Seed;
use client::Client;
use store::Location;
use support::{Place, audit, client_of, open_jobs, script};
use wire::submit::{JobSubmit, OptionValue};

/// As many as the platform promises to survive; `HW_ROUNDS` asks for another number.
const ROUNDS: usize = 200;
/// Held array elements that stay open through all rounds.
const STANDING: u64 = 10_000;

/// What the clients know: job number by key.
#[derive(Default)]
struct Known {
    accepted: Mutex<BTreeMap<u64, u64>>,
    stop: AtomicBool,
}

#[test]
fn heavy_two_hundred_kills_under_load_lose_nothing() {
    let seed = std::env::var("HW_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_121u64);
    let rounds = std::env::var("HW_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(ROUNDS);
    println!("seed {seed}, {rounds} rounds");
    let place = Place::new();
    let ran = place.shared("ran");
    // Short intervals, so that jobs are billed in several pieces between kills.
    let settings = "credit_limit = '100000'\n[metering]\ninterval = '200ms'\nlag = '100ms'\n";
    let mut server = place.server(8, settings);
    server.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = client_of(&server);
    runtime.block_on(stand(&client));

    let known = Arc::new(Known::default());
    let mut load = Vec::new();
    for lane in 0..3u64 {
        load.push(runtime.spawn(submit(client.clone(), known.clone(), ran.clone(), lane)));
    }
    load.push(runtime.spawn(cancel(client.clone(), known.clone(), Seed::from_u64(seed).child("cancel"))));

    let mut moments = Seed::from_u64(seed).child("kills").stream();
    let mut starts = Vec::with_capacity(rounds);
    for round in 0..rounds {
        // The moment of the fault, not a wait for anything.
        std::thread::park_timeout(Duration::from_millis(20 + moments.below(280)));
        server.kill();
        starts.push(server.start());
        if round % 20 == 19 {
            println!("round {}: {} accepted", round + 1, known.accepted.lock().expect("no panic").len());
        }
    }
    known.stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for task in load {
            task.await.expect("the load does not panic");
        }
    });
    starts.sort();
    println!("start after kill: median {:?}, largest {:?}", starts[rounds / 2], starts[rounds - 1]);

    let begun = std::time::Instant::now();
    while runtime.block_on(open_jobs(&client)) != Some(0) {
        if begun.elapsed() > Duration::from_secs(300) {
            show_open(&runtime, &client);
            panic!("jobs are still open:\n{}", server.log().lines().rev().take(50).collect::<Vec<_>>().join("\n"));
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let accepted = known.accepted.lock().expect("no panic").clone();
    judge(&runtime, &client, &accepted, &ran);
    runtime.block_on(async { client.cancel("1").await.expect("the standing jobs can be cancelled") });
    server.terminate();
    let books = runtime.block_on(audit(Location::Folder(server.data().into())));
    println!(
        "{} jobs, {} attempts, {} intervals, {} transfers",
        books.jobs.len(),
        books.attempts,
        books.intervals,
        books.transfers
    );
    assert_eq!(books.jobs.len() as u64, accepted.len() as u64 + STANDING, "every accepted job is there, and no other");
    books.expect_clean();
}

/// What is still open, for a failure's message.
fn show_open(runtime: &tokio::runtime::Runtime, client: &Client) {
    let query = wire::job::JobsQuery { state: Some("PENDING,RUNNING,COMPLETING".into()), ..Default::default() };
    let open = runtime.block_on(client.jobs(&query).take(20)).expect("the server answers");
    println!("{} or more open", open.items.len());
    for job in open.items.iter().rev().take(3) {
        let number = job.number.to_string();
        println!("{:#?}", runtime.block_on(client.job(&number)));
        println!("{:#?}", runtime.block_on(client.job_events(&number).take(50)).map(|p| p.items));
    }
}

async fn stand(client: &Client) {
    let mut standing = script("true");
    standing.options = BTreeMap::from([
        ("array".to_owned(), OptionValue::Text(format!("1-{STANDING}"))),
        ("hold".to_owned(), OptionValue::Flag(true)),
        ("mem".to_owned(), OptionValue::Text("10M".to_owned())),
        ("time".to_owned(), OptionValue::Text("1".to_owned())),
    ]);
    let answer = client.submit(&standing, Some("standing")).await.expect("the standing jobs are accepted");
    assert_eq!(u64::from(answer.elements), STANDING);
}

/// Hands jobs in one after another, each under its own key until it is accepted. Each job leaves a line in a file of its
/// number every time it runs.
async fn submit(client: Client, known: Arc<Known>, ran: PathBuf, lane: u64) {
    let mut job = job(&ran);
    let mut count = 0u64;
    while !known.stop.load(Ordering::Relaxed) {
        let key = lane * 1_000_000 + count;
        job.args = vec![key.to_string()];
        loop {
            match client.submit(&job, Some(&format!("key-{key}"))).await {
                Ok(accepted) => {
                    known.accepted.lock().expect("no panic").insert(key, accepted.number);
                    break;
                }
                Err(error) if error.is_passing() => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("a submission was refused: {error}"),
            }
        }
        count += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn job(ran: &std::path::Path) -> JobSubmit {
    let mut job =
        script(&format!("echo \"$HW_ATTEMPT\" >> {}/\"$SLURM_JOB_ID\"\nsleep 0.$(($SLURM_JOB_ID % 5))", ran.display()));
    job.options = BTreeMap::from([
        ("mem".to_owned(), OptionValue::Text("64M".to_owned())),
        ("time".to_owned(), OptionValue::Text("5".to_owned())),
        ("output".to_owned(), OptionValue::Text("/dev/null".to_owned())),
    ]);
    job
}

/// Cancels one of ten jobs, some of them before they start.
async fn cancel(client: Client, known: Arc<Known>, seed: Seed) {
    let mut chance = seed.stream();
    while !known.stop.load(Ordering::Relaxed) {
        let recent = known.accepted.lock().expect("no panic").values().copied().max();
        if let Some(number) = recent.filter(|_| chance.chance(100)) {
            // It may have ended, or the server may be down.
            let _ = client.cancel(&number.to_string()).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn judge(runtime: &tokio::runtime::Runtime, client: &Client, accepted: &BTreeMap<u64, u64>, ran: &std::path::Path) {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for number in accepted.values() {
        let job = runtime.block_on(client.job(&number.to_string())).expect("every accepted job is there");
        let state = job.summary.state.as_str().to_owned();
        let runs = std::fs::read_to_string(ran.join(number.to_string())).map_or(0, |text| text.lines().count());
        match state.as_str() {
            "COMPLETED" => assert_eq!(runs, 1, "job {number} completed and ran {runs} times"),
            "CANCELLED" => assert!(runs <= 1, "job {number} was cancelled and ran {runs} times"),
            other => panic!("job {number} is {other} after {runs} runs: {job:#?}"),
        }
        *states.entry(state).or_default() += 1;
    }
    println!("{states:?}");
    assert!(states.get("COMPLETED").copied().unwrap_or(0) > 50, "the load did some work");
}
