//! The HTTP API as typed calls: one method per endpoint, retries that can do no harm, streams that take themselves up
//! again, pages. Refuses to know: how anything is shown, exit codes, files, the environment.

mod error;
mod files;
mod jobs;
mod money;
mod notices;
mod page;
mod people;
mod places;
mod session;
mod sites;
pub mod sse;
mod statements;
mod stream;
mod transport;
mod twin;

pub use error::{ClientError, NextMove};
pub use files::Content;
pub use jobs::LogSlice;
pub use page::{PAGE_MAX, Pages};
pub use stream::{Events, LogStep, LogTail, STREAM_FAILURES_MAX};
pub use transport::{Client, Retry};

/// Where a server stands when nobody says otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:7460";
