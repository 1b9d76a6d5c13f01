//! The measurements.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::http::{Connection, get, post};
use crate::server;

const CONNECTIONS: usize = 64;
const SUBMIT_FOR: Duration = Duration::from_secs(10);
const JOBS: usize = 2_000;
const MILLION: u64 = 1_000_000;
/// Elements of one array: the platform's limit.
const ARRAY: u64 = 10_000;

/// Held jobs, so that only the submission is measured: the queue grows, nothing runs.
const HELD: &str = r##"{"script":"#!/bin/sh\n#SBATCH --hold --mem=10M --time=5\ntrue\n"}"##;
const TRUE: &str = r##"{"script":"#!/bin/sh\n#SBATCH --mem=10M --time=5 --output=/dev/null\ntrue\n"}"##;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    sorted[(sorted.len() - 1) * per_cent / 100]
}

pub fn submissions() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = server(&folder, 2);
    server.start();
    let (address, token) = (server.address(), server.token());
    let mut latencies = runtime().block_on(async {
        let tasks: Vec<_> =
            (0..CONNECTIONS).map(|lane| tokio::spawn(submit_lane(address, token.clone(), lane))).collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.expect("a lane"));
        }
        all
    });
    latencies.sort_unstable();
    println!(
        "durable submissions over HTTP, {CONNECTIONS} connections: {:.0} per second, p50 {:?}, p99 {:?}, largest {:?}   (wanted: 5,000 per second, p99 under 50 ms)",
        latencies.len() as f64 / SUBMIT_FOR.as_secs_f64(),
        percentile(&latencies, 50),
        percentile(&latencies, 99),
        percentile(&latencies, 100),
    );
}

async fn submit_lane(address: SocketAddr, token: String, lane: usize) -> Vec<Duration> {
    let mut connection = Connection::open(address).await;
    let mut latencies = Vec::new();
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < SUBMIT_FOR {
        let request = post("/v1/jobs", &token, &format!("{lane}-{count}"), HELD);
        let sent = Instant::now();
        let answer = connection.send(&request).await;
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        latencies.push(sent.elapsed());
        count += 1;
    }
    latencies
}

pub fn overhead() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = server(&folder, 16);
    server.start();
    let (address, token) = (server.address(), server.token());
    runtime().block_on(async {
        let mut connection = Connection::open(address).await;
        let mut alone = Vec::new();
        for count in 0..200 {
            let begun = Instant::now();
            let number = submit(&mut connection, &token, &format!("alone-{count}")).await;
            wait_completed(&mut connection, &token, number).await;
            alone.push(begun.elapsed());
        }
        alone.sort_unstable();
        println!(
            "`true` from submission to COMPLETED, one at a time: median {:?}, p99 {:?}   (wanted: median under 30 ms)",
            percentile(&alone, 50),
            percentile(&alone, 99)
        );
        let begun = Instant::now();
        let mut last = 0;
        for count in 0..JOBS {
            last = submit(&mut connection, &token, &format!("stream-{count}")).await.max(last);
        }
        wait_none_open(&mut connection, &token).await;
        println!("`true` jobs from first submission to last end: {:.0} per second over {JOBS} jobs   (wanted: 200 per second)", JOBS as f64 / begun.elapsed().as_secs_f64());
    });
}

async fn submit(connection: &mut Connection, token: &str, key: &str) -> u64 {
    let answer = connection.send(&post("/v1/jobs", token, key, TRUE)).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    json["number"].as_u64().expect("a number")
}

async fn wait_completed(connection: &mut Connection, token: &str, number: u64) {
    loop {
        let answer = connection.send(&get(&format!("/v1/jobs/{number}"), token)).await;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        match json["state"].as_str() {
            Some("COMPLETED") => return,
            Some("PENDING" | "RUNNING" | "COMPLETING") => tokio::time::sleep(Duration::from_millis(1)).await,
            other => panic!("job {number} is {other:?}"),
        }
    }
}

async fn wait_none_open(connection: &mut Connection, token: &str) {
    loop {
        let answer = connection.send(&get("/v1/jobs?open=true&limit=1", token)).await;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        if json["items"].as_array().is_some_and(Vec::is_empty) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn million() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = server(&folder, 2);
    server.start();
    let (address, token) = (server.address(), server.token());
    let before = resident(server.pid());
    let begun = Instant::now();
    runtime().block_on(async {
        let mut connection = Connection::open(address).await;
        for round in 0..MILLION / ARRAY {
            // A script of its own for every array, as different users would have.
            let body = format!(
                r##"{{"script":"#!/bin/sh\n#SBATCH --hold --mem=10M --time=5 --array=1-{ARRAY}\n# {round}\ntrue\n"}}"##
            );
            let answer = connection.send(&post("/v1/jobs", &token, &format!("array-{round}"), &body)).await;
            assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        }
    });
    let took = begun.elapsed();
    println!(
        "{MILLION} jobs as arrays of {ARRAY}: accepted in {took:?}, {:.0} per second",
        MILLION as f64 / took.as_secs_f64()
    );
    let after = resident(server.pid());
    println!("memory per open job, whole server: {} bytes   (wanted: under 2,048)", (after - before) / MILLION);
    server.kill();
    let took = server.start();
    println!("start after kill -9 with {MILLION} open jobs: {took:?}   (wanted: under 10 s)");
    println!(
        "memory per open job after that start: {} bytes",
        (resident(server.pid()).saturating_sub(before)) / MILLION
    );
}

/// Resident memory of a process in bytes.
fn resident(pid: Option<u32>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.expect("it runs"))).expect("a process");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}
