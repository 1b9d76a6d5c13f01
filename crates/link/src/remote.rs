//! A site's cluster as the platform sees it: each call of the trait is a request to the site's agent, what the agent reports
//! comes out as observations. Knows nothing of the connector behind the agent.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::{AttemptId, PoolId, Span};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{EndOrder, Observation, Observed, Order};
use ports::cluster::Observations;
use ports::files::{FILE_PIECE_MAX, checked, copy_by_pieces};
use ports::{Cluster, ClusterFacts, ConnectError, Entry, FileError, Files, LogChunk, LogStream};
use tokio::task::JoinHandle;

use crate::limits::{ACCOUNTS_TIME_MAX, CHECK_BESIDE, COPY_TIME_MAX};
use crate::message::{Answer, Ask};
use crate::pool_id;
use crate::site::{CallError, Site};

/// The platform's end of a line. Dropping it leaves the line up and the agent alone.
pub struct RemoteCluster {
    site: Arc<Site>,
    resumed: Arc<AtomicBool>,
    watch: JoinHandle<()>,
}

impl Site {
    /// Has whoever stands beside the cluster look at it: a report of the connector, JSON. `None`: the agent is too old to.
    ///
    /// # Errors
    /// Of the line, and of the connector.
    pub async fn check(&self, tag: u32, patience: Duration) -> Result<Option<Vec<u8>>, ConnectError> {
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        match self.call(Ask::Check { tag, patience_ms }, Vec::new(), patience + CHECK_BESIDE).await? {
            (Answer::Checked {}, report) => Ok(Some(report)),
            (Answer::Fault { fault }, _) => Err(fault.into()),
            (Answer::Unknown, _) => Ok(None),
            _ => Err(strange()),
        }
    }

    /// Who the platform's people are at the site, as its connector writes it. Empty: no account there is ever stopped. `None`: the
    /// agent is too old to say.
    ///
    /// # Errors
    /// Of the line.
    pub async fn account_rules(&self) -> Result<Option<Vec<u8>>, ConnectError> {
        match self.call(Ask::AccountRules {}, Vec::new(), self.timing().answer).await? {
            (Answer::AccountRules {}, rules) => Ok(Some(rules)),
            (Answer::Unknown, _) => Ok(None),
            (Answer::Fault { fault }, _) => Err(fault.into()),
            _ => Err(strange()),
        }
    }

    /// Has these accounts of the site take in nothing, and all others that were stopped work again. What was changed, for people.
    ///
    /// # Errors
    /// Of the line, and of the connector.
    pub async fn stop_accounts(&self, accounts: &BTreeSet<String>) -> Result<String, ConnectError> {
        let body = serde_json::to_vec(accounts).map_err(|error| ConnectError::Unreachable(io::Error::other(error)))?;
        match self.call(Ask::StopAccounts {}, body, ACCOUNTS_TIME_MAX).await? {
            (Answer::AccountsStopped { changed }, _) => Ok(changed),
            (Answer::Fault { fault }, _) => Err(fault.into()),
            _ => Err(strange()),
        }
    }

    /// How long a small question takes, there and back.
    ///
    /// # Errors
    /// Of the line.
    pub async fn round_trip(&self) -> Result<Duration, ConnectError> {
        let begun = Instant::now();
        // Whatever it says, it has answered.
        self.call(Ask::Stat { path: String::new() }, Vec::new(), self.timing().answer).await?;
        Ok(begun.elapsed())
    }
}

impl RemoteCluster {
    /// What the site reports goes to `observations` from now on. To be called within a runtime.
    pub fn new(site: Arc<Site>, observations: Observations) -> RemoteCluster {
        site.listen(observations.clone());
        let resumed = Arc::new(AtomicBool::new(false));
        let watch = tokio::spawn(watch(site.clone(), observations, resumed.clone()));
        RemoteCluster { site, resumed, watch }
    }

    async fn ask(&self, ask: Ask, body: Vec<u8>) -> Result<(Answer, Vec<u8>), ConnectError> {
        match self.site.call(ask, body, self.site.timing().answer).await? {
            (Answer::Fault { fault }, _) => Err(fault.into()),
            (Answer::Unknown, _) => Err(ConnectError::Refused {
                text: "the site's agent is too old for this".to_owned(),
                note: "install the platform's version of hw at the site".to_owned(),
                permanent: true,
            }),
            answer => Ok(answer),
        }
    }

    async fn order(&self, ask: Ask, body: Vec<u8>) -> Result<(), ConnectError> {
        match self.ask(ask, body).await? {
            (Answer::Done {}, _) => Ok(()),
            _ => Err(strange()),
        }
    }
}

impl Drop for RemoteCluster {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Says when the site has had no line for too long, and when it has one again. Silent until the cluster was taken up once.
async fn watch(site: Arc<Site>, observations: Observations, resumed: Arc<AtomicBool>) {
    let tell = |what| observations.send(Observation { cluster: site.place.cluster, what });
    let mut up = site.up();
    loop {
        // The sender lives as long as the site, which this task holds.
        let _ = up.wait_for(|up| !*up).await;
        if tokio::time::timeout(site.timing().unreachable, up.wait_for(|up| *up)).await.is_ok() {
            continue;
        }
        if !resumed.load(Ordering::Acquire) {
            let _ = up.wait_for(|up| *up).await;
            continue;
        }
        tracing::warn!(site = site.place.site, "no line from the site's agent; its cluster counts as unreachable");
        if tell(Observed::Unreachable).await.is_err() {
            return;
        }
        let _ = up.wait_for(|up| *up).await;
        // What stands behind the agent may be down all the same; it says itself when it is not any more.
        if !site.backend_is_down() && tell(Observed::Reachable).await.is_err() {
            return;
        }
    }
}

fn strange() -> ConnectError {
    ConnectError::Unreachable(io::Error::other("the site's agent gave an answer that is not understood"))
}

impl Cluster for RemoteCluster {
    fn describe(&self) -> BoxFuture<'_, Result<ClusterFacts, ConnectError>> {
        async {
            match self.ask(Ask::Describe {}, Vec::new()).await? {
                (Answer::Described { mut facts, pools }, _) => {
                    self.site.note_remarks(pools);
                    facts.remarks.extend(remarks(&self.site));
                    Ok(facts)
                }
                _ => Err(strange()),
            }
        }
        .boxed()
    }

    fn submit(&self, order: Arc<Order>, script: Arc<str>) -> BoxFuture<'_, Result<(), ConnectError>> {
        async move { self.order(Ask::Submit { order: (*order).clone() }, script.as_bytes().to_vec()).await }.boxed()
    }

    fn end(&self, attempt: AttemptId, how: EndOrder) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.order(Ask::End { attempt, how }, Vec::new()).boxed()
    }

    fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.order(Ask::Signal { attempt, signal, shell_only }, Vec::new()).boxed()
    }

    fn forget(&self, attempt: AttemptId) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.order(Ask::Forget { attempt }, Vec::new()).boxed()
    }

    fn resume(&self, open: Vec<AttemptId>) -> BoxFuture<'_, Result<(), ConnectError>> {
        async move {
            self.site.resume(&open).await?;
            self.resumed.store(true, Ordering::Release);
            // Pools' remarks are asked for without waiting, so they are fetched when the cluster is taken up.
            let _remarks_only = self.describe().await;
            Ok(())
        }
        .boxed()
    }

    fn read_log(
        &self,
        order: Arc<Order>,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ConnectError>> {
        async move {
            match self.ask(Ask::ReadLog { order: (*order).clone(), stream, offset, max }, Vec::new()).await? {
                (Answer::Log { offset, size, complete }, bytes) => Ok(LogChunk { offset, bytes, size, complete }),
                _ => Err(strange()),
            }
        }
        .boxed()
    }

    fn wait_log(&self, order: Arc<Order>, stream: LogStream, size: u64) -> BoxFuture<'_, Result<(), ConnectError>> {
        async move { self.order(Ask::WaitLog { order: (*order).clone(), stream, size }, Vec::new()).await }.boxed()
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        self.site.has_files().then(|| Arc::new(RemoteFiles { site: self.site.clone() }) as Arc<dyn Files>)
    }

    fn work_folder<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Option<String>, ConnectError>> {
        async move {
            match self.ask(Ask::WorkFolder { order: order.clone() }, Vec::new()).await? {
                (Answer::WorkFolder { folder }, _) => Ok(folder),
                _ => Err(strange()),
            }
        }
        .boxed()
    }

    fn set_time_limit(&self, attempt: AttemptId, limit: Span) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.order(Ask::SetTimeLimit { attempt, limit }, Vec::new()).boxed()
    }

    fn pool_remarks(&self, pool: PoolId) -> Vec<String> {
        let named = self.site.pools_with_remarks();
        let name = named.iter().find(|name| pool_id(self.site.place.cluster, name) == pool);
        name.map_or_else(Vec::new, |name| self.site.remarks(name))
    }
}

/// Differences of clocks below this are the way there, not the clock.
const CLOCK_TOLERATED_MS: i64 = 2_000;

/// Sentences about the line itself.
fn remarks(site: &Site) -> Vec<String> {
    let status = site.status();
    let mut remarks = Vec::new();
    if status.clock_ahead_ms.abs() > CLOCK_TOLERATED_MS {
        let (amount, way) =
            (status.clock_ahead_ms.abs() as f64 / 1e3, if status.clock_ahead_ms > 0 { "ahead" } else { "behind" });
        remarks.push(format!(
            "the site's clock is {amount:.1} s {way}: billing uses the length of runs, not their clock times"
        ));
    }
    if status.unreadable > 0 {
        remarks.push(format!("{} events of its newer agent were not understood: update the server", status.unreadable));
    }
    remarks
}

/// The files of a site, through its agent.
struct RemoteFiles {
    site: Arc<Site>,
}

impl RemoteFiles {
    async fn ask(&self, ask: Ask, body: Vec<u8>) -> Result<(Answer, Vec<u8>), FileError> {
        match self.ask_within(ask, body, self.site.timing().answer).await {
            Ok((Answer::Unknown, _)) => Err(FileError::Denied("the site's agent is too old for this".into())),
            answer => answer,
        }
    }

    async fn ask_within(&self, ask: Ask, body: Vec<u8>, within: Duration) -> Result<(Answer, Vec<u8>), FileError> {
        match self.site.call(ask, body, within).await {
            Ok((Answer::FileFault { fault }, _)) => Err(fault.into()),
            Ok((Answer::Fault { fault }, _)) => Err(match ConnectError::from(fault) {
                ConnectError::Unreachable(error) => FileError::Unreachable(error),
                other => FileError::Denied(other.to_string()),
            }),
            Ok(answer) => Ok(answer),
            Err(CallError::Unreachable(error)) => Err(FileError::Unreachable(error)),
            Err(CallError::TooLarge(why)) => Err(FileError::Denied(why)),
        }
    }

    async fn change(&self, ask: Ask, body: Vec<u8>) -> Result<(), FileError> {
        match self.ask(ask, body).await? {
            (Answer::Done {}, _) => Ok(()),
            _ => Err(odd()),
        }
    }
}

fn odd() -> FileError {
    FileError::Unreachable(io::Error::other("the site's agent gave an answer that is not understood"))
}

impl Files for RemoteFiles {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        async move {
            match self.ask(Ask::Stat { path: checked(path)?.to_owned() }, Vec::new()).await? {
                (Answer::Entry { entry }, _) => Ok(entry),
                _ => Err(odd()),
            }
        }
        .boxed()
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        async move {
            let path = checked(path)?;
            let mut all: Vec<Entry> = Vec::new();
            loop {
                let after = all.last().map(|entry| entry.name.clone());
                match self.ask(Ask::List { path: path.to_owned(), after }, Vec::new()).await? {
                    (Answer::Entries { entries, more }, _) => {
                        let none = entries.is_empty();
                        all.extend(entries);
                        if !more || none {
                            return Ok(all);
                        }
                    }
                    _ => return Err(odd()),
                }
            }
        }
        .boxed()
    }

    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        async move {
            let ask = Ask::Read { path: checked(path)?.to_owned(), offset, max: max.min(FILE_PIECE_MAX) };
            match self.ask(ask, Vec::new()).await? {
                (Answer::Bytes {}, bytes) => Ok(bytes),
                _ => Err(odd()),
            }
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>> {
        async move { self.change(Ask::Write { path: checked(path)?.to_owned(), offset, mode }, bytes).await }.boxed()
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        async move { self.change(Ask::MakeFolder { path: checked(path)?.to_owned() }, Vec::new()).await }.boxed()
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        async move {
            let ask = Ask::Rename { from: checked(from)?.to_owned(), to: checked(to)?.to_owned() };
            self.change(ask, Vec::new()).await
        }
        .boxed()
    }

    /// At the site; with an agent that is too old for that, over the line and back.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str, mode: u32) -> BoxFuture<'a, Result<(), FileError>> {
        async move {
            let ask = Ask::Copy { from: checked(from)?.to_owned(), to: checked(to)?.to_owned(), mode };
            match self.ask_within(ask, Vec::new(), COPY_TIME_MAX).await? {
                (Answer::Done {}, _) => Ok(()),
                (Answer::Unknown, _) => copy_by_pieces(self, from, to, mode).await,
                _ => Err(odd()),
            }
        }
        .boxed()
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        async move { self.change(Ask::Remove { path: checked(path)?.to_owned() }, Vec::new()).await }.boxed()
    }
}
