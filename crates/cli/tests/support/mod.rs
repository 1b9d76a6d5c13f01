//! What the whole-product tests share: a server on a folder of its own, a client for it, waiting for conditions,
//! and the audit of its books after it has stopped.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{JobId, Timestamp, TransferId};
use client::{Client, Retry};
use ledger::{Auditor, LedgerRecord, Stream};
use ports::Store as _;
use store::{Location, PageRequest, Scope, SqlStore};
use testkit::{Hw, wait_for};
use wire::job::JobsQuery;
use wire::submit::JobSubmit;

/// The program under test.
pub const HW: &str = env!("CARGO_BIN_EXE_hw");

/// Longest wait for something that takes a second on a quiet machine.
pub const LONG: Duration = Duration::from_secs(120);

/// A folder that jobs of an unprivileged user may pass.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a failure leaves is kept where `HW_KEEP` is set.
impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("HW_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}", self.path().display());
        }
    }
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::Builder::new().prefix("hw-").tempdir().expect("a temporary folder");
        open_to_all(folder.path(), 0o755);
        Place { folder }
    }
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    /// A folder below that every user may write.
    pub fn shared(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        open_to_all(&path, 0o777);
        path
    }
    /// A server here, with nothing but these settings.
    pub fn plain_server(&self, settings: &str) -> Hw {
        let config = self.path().join("headworks.toml");
        std::fs::write(&config, settings).expect("a configuration can be written");
        Hw::new(HW, self.path().join("data")).flag("config", &config.to_string_lossy())
    }
    /// A server here, with one pool of `cores` cores (more than the machine has: jobs are not bound) and further settings.
    pub fn server(&self, cores: u32, settings: &str) -> Hw {
        self.plain_server(&format!(
            "{settings}\n[[local.pool]]\nname = \"main\"\ncores = {cores}\nmemory = \"{cores}G\"\n"
        ))
    }
}

fn open_to_all(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode can be set");
}

/// The one-time password as `hw up` prints it; a server answers before it has.
pub fn first_password(server: &Hw) -> String {
    wait_for("the first password", LONG, || {
        let log = server.log();
        let line = log.lines().find_map(|line| line.strip_prefix("one-time password:"))?;
        line.split_whitespace().next().map(str::to_owned)
    })
}

/// A client that tries once, so that the test sees every failure.
pub fn client_of(server: &Hw) -> Client {
    Client::new(&server.url(), Some(&server.token())).expect("a client").with_retry(Retry::NONE)
}

pub fn script(text: &str) -> JobSubmit {
    JobSubmit { script: format!("#!/bin/sh\n{text}\n"), ..JobSubmit::default() }
}

/// Number of jobs that have not ended and are not held.
pub async fn open_jobs(client: &Client) -> Option<usize> {
    let query = JobsQuery { state: Some("PENDING,RUNNING,COMPLETING".into()), ..JobsQuery::default() };
    Some(client.jobs(&query).take(20_000).await.ok()?.items.len())
}

/// State of a job in capitals; `None` when the server does not answer.
pub async fn state(client: &Client, job: &str) -> Option<String> {
    client.job(job).await.ok().map(|j| j.summary.state.as_str().to_owned())
}

/// Reads the whole books of a stopped server and lets the auditor judge: transfers, holds and accounts against each other,
/// and every metered interval billed once, without gap, from the start of its attempt to its end.
pub async fn audit(location: Location) -> Books {
    let store = SqlStore::open(&location).await.expect("the store opens after the server has stopped");
    let snapshot = store.load().await.expect("the store can be loaded");
    let mut auditor = Auditor::new();
    let mut transfers: BTreeMap<TransferId, ledger::Transfer> = BTreeMap::new();
    for account in store.accounts().await.expect("accounts") {
        let mut page = PageRequest::first(1_000);
        loop {
            let found = store.transfers(account.id, page).await.expect("transfers");
            transfers.extend(found.items.into_iter().map(|t| (t.transfer.id, t.transfer)));
            let Some(cursor) = found.next else { break };
            page = PageRequest::new(Some(1_000), Some(&cursor)).expect("a cursor of ours");
        }
    }
    let mut ordered: Vec<_> = transfers.into_values().collect();
    ordered.sort_by_key(|t| (t.at, t.id));
    for transfer in &ordered {
        auditor.observe(&LedgerRecord::Transfer(transfer.clone()));
    }
    let holds = store.holds().await.expect("holds");
    let open_holds = holds.iter().filter(|h| h.is_open()).count();
    let accounts = snapshot.ledger.into_iter().filter(|r| matches!(r, LedgerRecord::Account(_)));
    let records: Vec<_> = holds.into_iter().map(LedgerRecord::Hold).chain(accounts).collect();
    auditor.observe_all(&records);
    let mut books = Books { open_holds, transfers: ordered.len(), ..Books::default() };
    let mut page = PageRequest::first(1_000);
    loop {
        let found = store.jobs(Scope::All, &Default::default(), page).await.expect("jobs");
        for entry in &found.items {
            books.jobs.push(entry.row.job.id);
            audit_job(&store, &mut auditor, entry.row.job.id, &mut books).await;
        }
        let Some(cursor) = found.next else { break };
        page = PageRequest::new(Some(1_000), Some(&cursor)).expect("a cursor of ours");
    }
    books.findings = auditor.findings().iter().map(|f| format!("{f:?}")).collect();
    store.close().await;
    books
}

async fn audit_job(store: &SqlStore, auditor: &mut Auditor, job: JobId, books: &mut Books) {
    for attempt in store.attempts(job).await.expect("attempts") {
        books.attempts += 1;
        let (Some(from), Some(to)) = (attempt.started_at, attempt.ended_at) else { continue };
        let stream = Stream::from(attempt.id);
        let page = store.intervals(job, PageRequest::first(1_000)).await.expect("intervals");
        let mut billed: Vec<_> = page.items.iter().filter(|i| i.attempt == attempt.id).collect();
        billed.sort_by_key(|interval| interval.seq);
        books.intervals += billed.len();
        // A run that the cluster broke off is given back as a whole: nothing may be left of it.
        let outcome = serde_json::to_value(attempt.outcome).expect("a word");
        let broken_off = matches!(outcome.as_str(), Some("node_fail" | "preempted"));
        let sum: i64 = billed.iter().map(|i| i.charge.0).sum();
        if broken_off && sum == 0 {
            continue;
        }
        let billed = billed.into_iter().map(|i| (i.from, i.to, i.charge.0.signum()));
        net(billed).into_iter().for_each(|(from, to)| auditor.interval(stream, from, to));
        let uncovered = auditor.expect_covered(stream, from, to);
        books.uncovered.extend(uncovered.iter().map(|f| format!("{}: {f:?}", attempt.id)));
    }
}

/// What was billed in the end, given the sign of each charge: a stretch that was given back, since its end was learnt late, is cut off.
/// One of a few milliseconds may cost nothing; then it is one that lies at the end of what was billed.
fn net(billed: impl Iterator<Item = (Timestamp, Timestamp, i64)>) -> Vec<(Timestamp, Timestamp)> {
    let mut kept: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to, sign) in billed {
        let is_end =
            |last: &(Timestamp, Timestamp)| sign < 0 && last.1 <= to || sign == 0 && last.0 < from && last.1 == to;
        match kept.last() {
            Some(last) if is_end(last) => {
                kept.retain(|stretch| stretch.0 < from);
                if let Some(last) = kept.last_mut() {
                    last.1 = last.1.min(from);
                }
            }
            _ => kept.push((from, to)),
        }
    }
    kept
}

/// What an audit found.
#[derive(Debug, Default)]
pub struct Books {
    pub jobs: Vec<JobId>,
    pub attempts: usize,
    pub intervals: usize,
    pub transfers: usize,
    pub open_holds: usize,
    pub findings: Vec<String>,
    pub uncovered: Vec<String>,
}

impl Books {
    /// # Panics
    /// When the auditor found anything, or money is still held.
    pub fn expect_clean(&self) {
        assert!(self.findings.is_empty(), "{:#?}", self.findings);
        assert!(self.uncovered.is_empty(), "{:#?}", self.uncovered);
        assert_eq!(self.open_holds, 0, "nothing may be held when no job is open");
    }
}
