//! One cluster, whatever its backend. Everything here may be repeated: the attempt's id is the key.

use std::sync::Arc;

use base::{AttemptId, PoolId, Resources, Span};
use futures::future::BoxFuture;
use model::{Chip, ClusterTerms, EndOrder, Observation, Order, PoolTerms};
use serde::{Deserialize, Serialize};

/// Which of an attempt's output files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// A piece of an output file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Offset of the first byte.
    pub offset: u64,
    pub bytes: Vec<u8>,
    /// Size of the file when it was read; `offset + bytes.len() < size` means there is more.
    pub size: u64,
    /// Nothing will be added any more.
    pub complete: bool,
}

/// What a cluster says of itself. New fields have a default: agents at sites are older than the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    pub version: String,
    pub pools: Vec<PoolFacts>,
    /// Plain sentences for the operator: what this host cannot do and what that means.
    pub remarks: Vec<String>,
    /// What holds in all its pools together.
    #[serde(default, skip_serializing_if = "ClusterTerms::is_default")]
    pub terms: ClusterTerms,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFacts {
    pub name: String,
    pub shape: Resources,
    pub chip: Option<Chip>,
    pub nodes: Vec<String>,
    /// Longest time limit that is taken there; `None` means any, or that its agent is too old to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_max: Option<Span>,
    /// Places in it are those in `nodes`, which are then in order of name.
    #[serde(default, skip_serializing_if = "PoolTerms::is_default")]
    pub terms: PoolTerms,
}

/// Why a cluster did not do it; the class says what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No answer, or the link is down: ask again later, nothing is known.
    #[error("the cluster does not answer: {0}")]
    Unreachable(#[source] std::io::Error),
    /// It said no, with words for the tenant and for the operator; `permanent`: it will always say no.
    #[error("the cluster refused: {text}")]
    Refused { text: String, note: String, permanent: bool },
    /// It has no such attempt (any more).
    #[error("the cluster has no attempt {0}")]
    NoSuchAttempt(AttemptId),
}

/// Where a connector delivers what it sees. Full is not an error: the connector waits.
pub type Observations = tokio::sync::mpsc::Sender<Observation>;

/// One cluster. Implementations are cheap to share.
///
/// Observations (`Started`, `Ended`, `Gone`, `Node`, …) are delivered at least once through the `Observations` sender
/// that the connector was built with; after a restart `resume` makes it deliver again whatever is not forgotten.
pub trait Cluster: Send + Sync + 'static {
    fn describe(&self) -> BoxFuture<'_, Result<ClusterFacts, ConnectError>>;

    /// Hands one attempt over. A repeat adopts what is already there and changes nothing.
    fn submit(&self, order: Arc<Order>, script: Arc<str>) -> BoxFuture<'_, Result<(), ConnectError>>;

    /// Asks for the end of an attempt: TERM, then KILL after the grace. Idempotent; the end is reported as `Ended`.
    /// An attempt that never arrived is remembered as ended, so that a late submission does not start it.
    fn end(&self, attempt: AttemptId, how: EndOrder) -> BoxFuture<'_, Result<(), ConnectError>>;

    fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> BoxFuture<'_, Result<(), ConnectError>>;

    /// The platform has stored the end of it. Output files stay.
    fn forget(&self, attempt: AttemptId) -> BoxFuture<'_, Result<(), ConnectError>>;

    /// After a restart: the open attempts as the platform knows them. For each, the connector delivers what it
    /// knows (`Started`, `Ended`) or `Gone`; what it has beyond them it ends and forgets.
    fn resume(&self, open: Vec<AttemptId>) -> BoxFuture<'_, Result<(), ConnectError>>;

    /// Reads up to `max` bytes (at most 1 MiB) of an output file from `offset` on. A negative offset counts from the end.
    fn read_log(
        &self,
        order: Arc<Order>,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ConnectError>>;

    /// How many bytes of output there are for waiters: resolves when the file has grown past `size` or the attempt is over,
    /// or after a bounded time of the connector's choice.
    fn wait_log(&self, order: Arc<Order>, stream: LogStream, size: u64) -> BoxFuture<'_, Result<(), ConnectError>>;

    /// The files of the cluster under its work root, when the platform can reach them.
    fn files(&self) -> Option<Arc<dyn crate::Files>> {
        None
    }

    /// The folder in which this order's job works, relative to the work root, when it is one of the platform's own making
    /// below it; `None` where the job named a folder itself. The same for every reading of the same order.
    ///
    /// # Errors
    /// Of the line, where only the far end knows.
    fn work_folder<'a>(&'a self, _order: &'a Order) -> BoxFuture<'a, Result<Option<String>, ConnectError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Changes the time limit of an attempt that is there. Idempotent.
    ///
    /// # Errors
    /// Refused where the backend cannot: then the platform itself ends the attempt at its limit.
    fn set_time_limit(&self, _attempt: AttemptId, _limit: Span) -> BoxFuture<'_, Result<(), ConnectError>> {
        Box::pin(std::future::ready(Err(ConnectError::Refused {
            text: "the cluster cannot change a time limit".into(),
            note: "not a thing this backend can do".into(),
            permanent: true,
        })))
    }

    /// Free amounts that the backend sees differently from the platform are reported as observations; this names the pool's
    /// present limits for `hw pools`.
    fn pool_remarks(&self, _pool: PoolId) -> Vec<String> {
        Vec::new()
    }
}
