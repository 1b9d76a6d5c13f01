//! The end of a month: a month of a made-up operator is played and stored as a platform stores it, a server is started on
//! that, the month is closed as an operator closes it while others ask and hand in work, and reports are asked for.
//! `HW_CLOSE_JOBS` and `HW_CLOSE_TENANTS` make it smaller.
#![allow(clippy::disallowed_methods, reason = "a stopwatch that reads its settings")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::ToSpan as _;

use crate::http::{Connection, get, post};
use crate::month::Month;
use crate::server;

/// Between two requests of one kind.
const PAUSE: Duration = Duration::from_millis(25);
/// How long others ask before and after anything is closed.
const QUIET: Duration = Duration::from_secs(5);
const HELD: &str = r##"{"script":"#!/bin/sh\n#SBATCH --hold --mem=10M --time=5\ntrue\n"}"##;
/// What reports tell apart.
const BY: [&str; 11] = [
    "tenant",
    "line",
    "pool",
    "cluster",
    "supplier",
    "mode",
    "day",
    "project",
    "user",
    "tenant,line,pool",
    "month,region",
];

fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

pub fn close() {
    let (jobs, tenants) = (number("HW_CLOSE_JOBS", 1_000_000), number("HW_CLOSE_TENANTS", 1_000));
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = server(&folder, 2);
    let month = Month::last_over();
    let begun = Instant::now();
    let (year, size) = month.fill(server.data(), jobs, tenants);
    assert_eq!(year.wrong, Vec::<String>::new());
    println!(
        "{} of {jobs} jobs of {tenants} tenants in {}, played and stored in {:.0?}; the database has {} MiB",
        year.handed_in,
        month.name,
        begun.elapsed(),
        size >> 20
    );
    println!("start on it: {:.2?}", server.start());
    let lanes = Lanes { address: server.address(), token: server.token(), month: &month };
    lanes.report("before anything is closed", || std::thread::sleep(QUIET));
    let begun = Instant::now();
    let mut said = String::new();
    lanes.report("while the month is closed", || {
        let done = server.run(&["statements", "close", "--month", &month.name, "--json"]);
        said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
        println!("statements closed: {:.1} s   (wanted: under 60 s)", begun.elapsed().as_secs_f64());
    });
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    println!("months closed: {}", told["closed"]);
    lanes.reports();
}

/// Others who ask and hand in work, each kind on a connection of its own.
struct Lanes<'a> {
    address: SocketAddr,
    token: String,
    month: &'a Month,
}

impl Lanes<'_> {
    fn kinds(&self) -> Vec<(&'static str, String)> {
        let (from, day) = (self.month.begins, self.month.begins.saturating_add(1.day()));
        vec![
            ("list of jobs", "/v1/jobs?limit=50".to_owned()),
            ("jobs of a tenant", "/v1/jobs?tenant=tenant-5&limit=50".to_owned()),
            ("wallet", "/v1/tenants/tenant-5/wallet".to_owned()),
            ("submission", String::new()),
            ("margin of a day", format!("/v1/reports/margin?by=tenant&from={from}T00:00:00Z&to={day}T00:00:00Z")),
        ]
    }

    /// What others are answered while `work` goes on.
    fn report(&self, when: &str, work: impl FnOnce()) {
        let stop = Arc::new(AtomicBool::new(false));
        let lanes: Vec<_> =
            self.kinds().into_iter().map(|(kind, path)| (kind, self.lane(path, stop.clone()))).collect();
        work();
        stop.store(true, Ordering::Relaxed);
        for (kind, lane) in lanes {
            let mut took = lane.join().expect("a lane");
            took.sort_unstable();
            let at = |permille: usize| took[(took.len() - 1) * permille / 1_000];
            println!(
                "{when}: {kind:<16} {:>6} answers, p50 {:>9.2?}, p99 {:>9.2?}, largest {:>9.2?}   (wanted: p99 under 100 ms)",
                took.len(),
                at(500),
                at(990),
                at(1_000)
            );
        }
    }

    fn lane(&self, path: String, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<Duration>> {
        let (address, token) = (self.address, self.token.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut connection = Connection::open(address).await;
                let mut took = Vec::new();
                while !stop.load(Ordering::Relaxed) || took.is_empty() {
                    let key = jiff::Timestamp::now().as_nanosecond().to_string();
                    let request =
                        if path.is_empty() { post("/v1/jobs", &token, &key, HELD) } else { get(&path, &token) };
                    let sent = Instant::now();
                    let answer = connection.send(&request).await;
                    assert!(answer.status < 300, "{path}: {}", String::from_utf8_lossy(&answer.body));
                    took.push(sent.elapsed());
                    tokio::time::sleep(PAUSE).await;
                }
                took
            })
        })
    }

    /// The operator's reports over the whole month, one after another.
    fn reports(&self) {
        let (from, to) = (self.month.begins, self.month.ends);
        let margin = |by: &&str| format!("margin?by={by}&");
        let all = BY.iter().map(margin).chain(["pools?", "tenants?"].map(str::to_owned));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for report in all {
            let path = format!("/v1/reports/{report}from={from}T00:00:00Z&to={to}T00:00:00Z");
            let mut took = runtime.block_on(async {
                let (mut connection, mut took) = (Connection::open(self.address).await, Vec::new());
                for _ in 0..3 {
                    let sent = Instant::now();
                    let answer = connection.send(&get(&path, &self.token)).await;
                    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
                    took.push(sent.elapsed());
                }
                took
            });
            took.sort_unstable();
            println!(
                "the month's {report:<28} median {:>9.2?}, largest {:>9.2?}   (wanted: under 1 s)",
                took[1], took[2]
            );
        }
    }
}
