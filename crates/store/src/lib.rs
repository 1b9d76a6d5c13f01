//! One SQL store over SQLite and PostgreSQL: rows, migrations, the lease, and the queries of the routes.
//! Rows and tables are private to this crate. It refuses to know HTTP, wire types, connectors and clocks.
//!
//! Start reading at [`SqlStore`]. `db` is the only module that knows there are two databases, `write` turns a batch
//! into statements, `load` turns tables into a snapshot, `query` answers the routes.

mod agreed;
mod checkpoints;
mod codec;
mod daily;
mod db;
mod error;
mod files;
mod lease;
mod lite;
mod load;
mod migrate;
mod notices;
mod once;
mod packed;
mod query;
mod store;
mod twin_runs;
mod write;

pub use checkpoints::{Checkpoint, CheckpointFile, Dropped};
pub use daily::Days;
pub use files::{FileBounds, FileRow, PutRefused, UploadRow};
pub use notices::{Asked, Hook, Lane, Listener, NamedJob, Notice, Outcome as NoticeOutcome, Waiting, Wishes};
pub use once::{KEY_LIFETIME, SWEEP_ROWS_MAX};
pub use query::audit::{AuditFilter, AuditWord, Counts};
pub use query::exports::ExportedInterval;
pub use query::jobs::{Explained, JobEntry, JobFilter, NameMatch};
pub use query::listed::{JobOrder, JobSort};
pub use query::metered::MeteredWork;
pub use query::money::{AccountEntry, BillFilter, BillLine, BillSum, MarginBy, MarginRow, TransferEntry};
pub use query::page::{BadCursor, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, Page, PageRequest, Scope};
pub use query::report::{Apart, EarnedRow, PoolTimeRow};
pub use query::settlements::{LineFilter, WorkPeriod};
pub use query::spent::{HeldRow, QueueRow, SpentBy, SpentKey, SpentRow};
pub use query::statements::{After, Booked, Told, WorkFacts, job_of, usage_of};
pub use query::usage::{UsageFacts, UsageFilter, UsageSum};
pub use query::used::UsedLine;
pub use store::{Location, SqlStore};
pub use twin_runs::{TwinRun, TwinRunState};

#[cfg(test)]
mod faults_tests;
