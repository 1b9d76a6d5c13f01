//! The store as the driver and the routes see it.

use base::Timestamp;
use engine::{Batch, Report, Snapshot};
use futures::future::BoxFuture;

/// The right to be the one active engine of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Name and address of the holder, for forwarding.
    pub holder: String,
    /// Grows by one with each change of holder; every commit names it.
    pub fence: u64,
    pub expires_at: Timestamp,
}

/// Why a batch was not stored. In every case nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another engine holds the lease: stop being active.
    #[error("another engine has taken over (fence {current})")]
    Fenced { current: u64 },
    /// Disk full, read-only, connection lost: nothing was stored; try again later.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// A row contradicts the store (a transfer id used twice): a defect, to be told to a human.
    #[error("the store refused a record: {0}")]
    Conflict(String),
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    #[error("the database was written by a newer version (schema {found}, this program knows {known})")]
    TooNew { found: i64, known: i64 },
}

/// An idempotency key, the fingerprint of the request it came with, and the answer.
pub type Answer = (u128, u128, Report);

/// What the driver needs. Queries of the routes are methods of the concrete store.
pub trait Store: Send + Sync + 'static {
    /// Takes or renews the lease for `holder` until `until`; `Err(lease)` is the other holder's, still in force at `now`.
    fn acquire(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Lease, Lease>, StoreError>>;
    /// Gives the lease back at shutdown.
    fn give_up(&self, fence: u64) -> BoxFuture<'_, Result<(), StoreError>>;
    /// Stores all records of a batch in one transaction, if `fence` is still the lease's.
    fn commit(&self, fence: u64, batch: &Batch) -> BoxFuture<'_, Result<(), CommitError>>;
    /// Everything the engine needs to start.
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>>;
    /// Stored answers under these idempotency keys.
    fn answers(&self, keys: Vec<u128>) -> BoxFuture<'_, Result<Vec<Answer>, StoreError>>;
}
