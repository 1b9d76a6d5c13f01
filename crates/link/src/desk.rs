//! The agent's desk: does what the server asks, once for each number, and keeps the answers of what changed something in case
//! they are lost with the line. Outlives every connection; knows no socket.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{AttemptId, ClusterId};
use futures::future::BoxFuture;
use ports::{Cluster, ConnectError, FileError, Files};
use tokio::sync::{RwLock, mpsc, watch};

use crate::agent::Hosted;
use crate::frame::Frame;
use crate::limits::{ANSWERS_KEPT, LISTING_PART, REQUESTS_MAX};
use crate::message::{Answer, Ask, ToServer, attempts_from_bytes};
use crate::pool_id;
use crate::spool::Leases;

/// Looks at what stands behind the agent: a tag for what it leaves there for a moment, how long it may wait for a first job. The
/// answer is a report of the connector, JSON.
pub type Examine = Arc<dyn Fn(u32, Duration) -> BoxFuture<'static, Result<Vec<u8>, ConnectError>> + Send + Sync>;

/// Accounts of the site that take in no work while their people cannot pay. Knows who is to be stopped when it is told.
pub trait Accounts: Send + Sync {
    /// Who the platform's people are here, as the connector writes it; empty: no account here is ever stopped.
    fn rules(&self) -> Vec<u8>;
    /// These take in nothing from now on, and all others that were stopped do again. What was changed, for people.
    fn stop(&self, accounts: BTreeSet<String>) -> BoxFuture<'_, Result<String, ConnectError>>;
}

/// Where frames go that are to be written on the present connection.
pub(crate) type Outbox = mpsc::Sender<Arc<Frame>>;

pub(crate) struct Desk {
    cluster: Arc<dyn Cluster>,
    id: ClusterId,
    leases: Leases,
    examine: Option<Examine>,
    accounts: Option<Arc<dyn Accounts>>,
    /// The number of the newest event that is on the disk.
    newest: watch::Receiver<u64>,
    /// Read while an attempt is handed over or ended, written while the connector is told which ones are open: one that
    /// arrives in between would be taken for a stranger.
    turn: RwLock<()>,
    /// The parts of a `resume` so far, and the number of the next.
    parts: tokio::sync::Mutex<(u32, Vec<AttemptId>)>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// The server process whose numbers these are.
    run: u64,
    running: BTreeSet<u64>,
    answered: VecDeque<(u64, Arc<Frame>)>,
    out: Option<Outbox>,
}

/// An answer and its body.
type Said = (Answer, Vec<u8>);

impl Desk {
    pub fn new(hosted: Hosted, id: ClusterId, leases: Leases, newest: watch::Receiver<u64>) -> Desk {
        let Hosted { cluster, examine, accounts, .. } = hosted;
        let parts = tokio::sync::Mutex::default();
        Desk { cluster, id, leases, examine, accounts, newest, turn: RwLock::new(()), parts, table: Mutex::default() }
    }

    pub fn has_files(&self) -> bool {
        self.cluster.files().is_some()
    }
    /// The server has said once which attempts are open.
    pub fn was_told(&self) -> bool {
        self.leases.all().is_some()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers go to `out` from now on. What another server process asked is answered to nobody.
    pub fn attach(&self, run: u64, out: Outbox) {
        let mut table = self.table();
        if table.run != run {
            *table = Table { run, ..Table::default() };
        }
        table.out = Some(out);
    }

    /// Tells the connector, after a restart of the agent, which attempts it was handed. False: to be tried again.
    pub async fn resume_own(&self) -> bool {
        let _turn = self.turn.write().await;
        let Some(open) = self.leases.all() else { return true };
        match self.cluster.resume(open).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the cluster did not resume; trying again");
                false
            }
        }
    }

    /// Takes a request in; returns at once. One that is under way goes on, one that was answered is answered again.
    pub fn take(self: &Arc<Self>, id: u64, within: Duration, ask: Ask, body: Vec<u8>) {
        let mut table = self.table();
        if table.running.contains(&id) {
            return;
        }
        let known = table.answered.iter().find(|(known, _)| *known == id).map(|(_, frame)| frame.clone());
        let busy = table.running.len() >= 2 * REQUESTS_MAX;
        if known.is_none() && !busy {
            table.running.insert(id);
        }
        let (run, out) = (table.run, table.out.clone());
        drop(table);
        if let Some(frame) = known {
            tokio::spawn(async move { send(out, frame).await });
        } else if busy {
            let answer = fault(unreachable("the agent has too many requests under way"));
            let frame = Arc::new(frame(id, answer, Vec::new()));
            tokio::spawn(async move { send(out, frame).await });
        } else {
            let desk = Arc::clone(self);
            tokio::spawn(async move { desk.answer(run, id, within, ask, body).await });
        }
    }

    async fn answer(&self, run: u64, id: u64, within: Duration, ask: Ask, body: Vec<u8>) {
        let changes = ask.changes();
        let (answer, body) = match tokio::time::timeout(within, self.carry_out(ask, body)).await {
            Ok(said) => said,
            Err(_) => (fault(unreachable("the cluster took too long")), Vec::new()),
        };
        let frame = Arc::new(frame(id, answer, body));
        let out = {
            let mut table = self.table();
            if table.run != run {
                return;
            }
            table.running.remove(&id);
            if changes {
                table.answered.push_back((id, frame.clone()));
                if table.answered.len() > ANSWERS_KEPT {
                    table.answered.pop_front();
                }
            }
            table.out.clone()
        };
        send(out, frame).await;
    }

    async fn carry_out(&self, ask: Ask, body: Vec<u8>) -> Said {
        match ask {
            Ask::Submit { order } => {
                let Ok(script) = String::from_utf8(body) else {
                    return (fault(refused("the script is not UTF-8 text")), Vec::new());
                };
                done(self.submit(order, script).await)
            }
            Ask::End { attempt, how } => {
                let _turn = self.turn.read().await;
                // Also one that never arrived: the connector remembers it so that it does not start later.
                match self.leases.hold(attempt).await {
                    Ok(()) => done(self.cluster.end(attempt, how).await),
                    Err(error) => done(Err(ConnectError::Unreachable(error))),
                }
            }
            Ask::Signal { attempt, signal, shell_only } => done(self.cluster.signal(attempt, signal, shell_only).await),
            Ask::Forget { attempt } => done(self.forget(attempt).await),
            Ask::Resume { part, last, stock } => match self.resume(part, last, &body).await {
                Ok(Some(newest)) if stock => (Answer::Resumed { newest }, Vec::new()),
                other => done(other.map(drop)),
            },
            Ask::SetTimeLimit { attempt, limit } => done(self.cluster.set_time_limit(attempt, limit).await),
            Ask::Describe {} => self.describe().await,
            Ask::ReadLog { order, stream, offset, max } => {
                match self.cluster.read_log(Arc::new(order), stream, offset, max).await {
                    Ok(chunk) => {
                        let (offset, size, complete) = (chunk.offset, chunk.size, chunk.complete);
                        (Answer::Log { offset, size, complete }, chunk.bytes)
                    }
                    Err(error) => (fault(error), Vec::new()),
                }
            }
            Ask::WaitLog { order, stream, size } => done(self.cluster.wait_log(Arc::new(order), stream, size).await),
            Ask::WorkFolder { order } => match self.cluster.work_folder(&order).await {
                Ok(folder) => (Answer::WorkFolder { folder }, Vec::new()),
                Err(error) => (fault(error), Vec::new()),
            },
            Ask::Check { tag, patience_ms } => match &self.examine {
                Some(examine) => match examine(tag, Duration::from_millis(patience_ms)).await {
                    Ok(report) => (Answer::Checked {}, report),
                    Err(error) => (fault(error), Vec::new()),
                },
                None => (Answer::Unknown, Vec::new()),
            },
            // No account of such a cluster is ever stopped.
            Ask::AccountRules {} => {
                (Answer::AccountRules {}, self.accounts.as_ref().map_or_else(Vec::new, |accounts| accounts.rules()))
            }
            Ask::StopAccounts {} => (self.stop_accounts(&body).await.unwrap_or_else(fault), Vec::new()),
            Ask::Unknown => (Answer::Unknown, Vec::new()),
            files => match self.cluster.files() {
                Some(over) => file_work(&*over, files, body).await,
                None => (file_fault(FileError::Denied("the site's agent reaches no files".into())), Vec::new()),
            },
        }
    }

    async fn stop_accounts(&self, body: &[u8]) -> Result<Answer, ConnectError> {
        let accounts = serde_json::from_slice(body).map_err(|_| refused("a list of accounts that cannot be read"))?;
        match &self.accounts {
            Some(known) => Ok(Answer::AccountsStopped { changed: known.stop(accounts).await? }),
            None => Err(refused("no account is stopped here")),
        }
    }

    async fn submit(&self, order: model::Order, script: String) -> Result<(), ConnectError> {
        let _turn = self.turn.read().await;
        let attempt = order.attempt;
        self.leases.hold(attempt).await.map_err(ConnectError::Unreachable)?;
        let handed = self.cluster.submit(Arc::new(order), script.into()).await;
        if matches!(handed, Err(ConnectError::Refused { .. })) {
            // Should the note fail: the connector says after the next start that it does not have it.
            let _later = self.leases.drop(attempt).await;
        }
        handed
    }

    async fn forget(&self, attempt: AttemptId) -> Result<(), ConnectError> {
        {
            let _turn = self.turn.read().await;
            self.cluster.forget(attempt).await?;
            self.leases.drop(attempt).await.map_err(ConnectError::Unreachable)?;
        }
        if self.leases.is_stale() {
            let _turn = self.turn.write().await;
            if let Some(open) = self.leases.all() {
                self.leases.reset(&open).await.map_err(ConnectError::Unreachable)?;
            }
        }
        Ok(())
    }

    /// The number of the newest event before the connector was told; `None` for a part that is not the last.
    async fn resume(&self, part: u32, last: bool, body: &[u8]) -> Result<Option<u64>, ConnectError> {
        let some = attempts_from_bytes(body).ok_or_else(|| refused("a list of attempts that cannot be read"))?;
        let mut parts = self.parts.lock().await;
        if part == 0 {
            *parts = (0, Vec::new());
        }
        if part != parts.0 {
            return Err(unreachable("a part of the list of attempts is missing"));
        }
        parts.0 += 1;
        parts.1.extend(some);
        if !last {
            return Ok(None);
        }
        let (_, mut open) = std::mem::take(&mut *parts);
        open.sort_unstable();
        let _turn = self.turn.write().await;
        let newest = *self.newest.borrow();
        self.cluster.resume(open.clone()).await?;
        self.leases.reset(&open).await.map_err(ConnectError::Unreachable)?;
        Ok(Some(newest))
    }

    async fn describe(&self) -> Said {
        match self.cluster.describe().await {
            Ok(facts) => {
                let remarks = |name: &str| self.cluster.pool_remarks(pool_id(self.id, name));
                let pools = facts.pools.iter().map(|pool| (pool.name.clone(), remarks(&pool.name)));
                let pools = pools.filter(|(_, remarks)| !remarks.is_empty()).collect();
                (Answer::Described { facts, pools }, Vec::new())
            }
            Err(error) => (fault(error), Vec::new()),
        }
    }
}

async fn file_work(files: &dyn Files, ask: Ask, body: Vec<u8>) -> Said {
    let plain = |answer: Result<Answer, FileError>| (answer.unwrap_or_else(file_fault), Vec::new());
    match ask {
        Ask::Stat { path } => plain(files.stat(&path).await.map(|entry| Answer::Entry { entry })),
        Ask::List { path, after } => plain(files.list(&path).await.map(|mut entries| {
            if let Some(after) = after {
                entries.retain(|entry| entry.name > after);
            }
            let more = entries.len() > LISTING_PART;
            entries.truncate(LISTING_PART);
            Answer::Entries { entries, more }
        })),
        Ask::Read { path, offset, max } => match files.read(&path, offset, max.min(ports::files::FILE_PIECE_MAX)).await
        {
            Ok(bytes) => (Answer::Bytes {}, bytes),
            Err(error) => (file_fault(error), Vec::new()),
        },
        Ask::Write { path, offset, mode } => {
            plain(files.write(&path, offset, body, mode).await.map(|()| Answer::Done {}))
        }
        Ask::MakeFolder { path } => plain(files.make_folder(&path).await.map(|()| Answer::Done {})),
        Ask::Rename { from, to } => plain(files.rename(&from, &to).await.map(|()| Answer::Done {})),
        Ask::Copy { from, to, mode } => plain(files.copy(&from, &to, mode).await.map(|()| Answer::Done {})),
        Ask::Remove { path } => plain(files.remove(&path).await.map(|()| Answer::Done {})),
        _ => (Answer::Unknown, Vec::new()),
    }
}

fn frame(id: u64, answer: Answer, body: Vec<u8>) -> Frame {
    Frame::new(&ToServer::Answer { id, answer }, body).unwrap_or_else(|error| {
        let answer = fault(refused(&format!("the answer cannot be sent: {error}")));
        let head = serde_json::to_vec(&ToServer::Answer { id, answer }).unwrap_or_default();
        Frame { head, body: Vec::new() }
    })
}

async fn send(out: Option<Outbox>, frame: Arc<Frame>) {
    if let Some(out) = out {
        // The line is gone: the server asks again on the next.
        let _ = out.send(frame).await;
    }
}

fn unreachable(why: &str) -> ConnectError {
    ConnectError::Unreachable(io::Error::other(why.to_owned()))
}
fn refused(why: &str) -> ConnectError {
    ConnectError::Refused {
        text: "the site did not understand the request".to_owned(),
        note: why.to_owned(),
        permanent: true,
    }
}
fn fault(error: ConnectError) -> Answer {
    Answer::Fault { fault: error.into() }
}
fn file_fault(error: FileError) -> Answer {
    Answer::FileFault { fault: error.into() }
}
fn done(answer: Result<(), ConnectError>) -> Said {
    (answer.map_or_else(fault, |()| Answer::Done {}), Vec::new())
}
