//! Output files of jobs, through the files of the cluster.

use std::sync::Arc;

use model::Order;
use ports::{ConnectError, EntryKind, FileError, LogChunk, LogStream};
use tokio::time::Instant;

use crate::core::Inner;
use crate::core::hand_over::refused;
use crate::core::limits::{LOG_POLL, LOG_READ_MAX, LOG_WAIT_MAX};
use crate::core::table::Phase;
use crate::render;

impl Inner {
    /// Path of an output file below the work root.
    fn log_path(&self, order: &Order, stream: LogStream) -> Result<String, ConnectError> {
        let node = self.node_of(order);
        let home = self.home(order).map_err(|error| refused(&error.into()))?;
        let paths = render::paths(order, &home.root, &self.name, node.as_deref());
        let path = match stream {
            LogStream::Stdout => paths.stdout,
            LogStream::Stderr => paths.stderr.unwrap_or(paths.stdout),
        };
        let below = path.strip_prefix(home.root.as_str()).and_then(|rest| rest.strip_prefix('/')).map(plain);
        let below = below.map(|below| home.path(&below));
        below.ok_or_else(|| ConnectError::Refused {
            text: "the output file is outside of the platform's folder on the cluster: read it there".to_owned(),
            note: path,
            permanent: true,
        })
    }

    /// The node that runs the script, without its domain.
    fn node_of(&self, order: &Order) -> Option<String> {
        let table = self.table();
        let record = table.attempts.get(&order.attempt).and_then(|entry| entry.record.as_ref());
        record
            .and_then(|record| record.nodes.first().cloned())
            .or_else(|| order.nodes.first().map(|node| node.to_string()))
    }

    fn files_or_refusal(&self) -> Result<Arc<dyn ports::Files>, ConnectError> {
        self.files.clone().ok_or_else(|| ConnectError::Refused {
            text: "output on this cluster cannot be read from here".to_owned(),
            note: "the cluster is connected without access to its files".to_owned(),
            permanent: true,
        })
    }

    /// Whether nothing will be written any more; `None` when this connector does not know the attempt.
    fn is_over(&self, order: &Order) -> Option<bool> {
        let table = self.table();
        if table.is_forgotten(order.attempt) {
            return Some(true);
        }
        table.attempts.get(&order.attempt).map(|entry| entry.phase == Phase::Over)
    }

    pub(super) async fn read_log(
        &self,
        order: &Order,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> Result<LogChunk, ConnectError> {
        let (files, path) = (self.files_or_refusal()?, self.log_path(order, stream)?);
        // Asked before the reading: what is said to be over was all there when it was read.
        let over = self.is_over(order);
        let size = match files.stat(&path).await {
            Ok(entry) if entry.kind == EntryKind::File => entry.size,
            Ok(_) | Err(FileError::NotFound(_)) => 0,
            Err(error) => return Err(unreadable(error)),
        };
        let start = u64::try_from(offset).unwrap_or_else(|_| size.saturating_sub(offset.unsigned_abs()));
        let wanted = usize::try_from(size.saturating_sub(start)).unwrap_or(usize::MAX).min(max).min(LOG_READ_MAX);
        let mut bytes = Vec::new();
        while bytes.len() < wanted {
            match files.read(&path, start + bytes.len() as u64, wanted - bytes.len()).await {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => bytes.extend(piece),
                Err(FileError::NotFound(_)) => break,
                Err(error) => return Err(unreadable(error)),
            }
        }
        // An attempt that is not known here any more, and has left a file, is over.
        Ok(LogChunk { offset: start, bytes, size, complete: over.unwrap_or(size > 0) })
    }

    pub(super) async fn wait_log(&self, order: &Order, stream: LogStream, size: u64) -> Result<(), ConnectError> {
        let (files, path) = (self.files_or_refusal()?, self.log_path(order, stream)?);
        let until = Instant::now() + LOG_WAIT_MAX;
        loop {
            let over = self.is_over(order).unwrap_or(false);
            let present = match files.stat(&path).await {
                Ok(entry) => entry.size,
                Err(FileError::NotFound(_)) => 0,
                Err(error) => return Err(unreadable(error)),
            };
            if over || present > size || Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(LOG_POLL).await;
        }
    }
}

/// A path without empty and `.` parts, as files below the root are named.
fn plain(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

fn unreadable(error: FileError) -> ConnectError {
    match error {
        FileError::Unreachable(error) => ConnectError::Unreachable(error),
        error => ConnectError::Refused {
            text: "the output file cannot be read".to_owned(),
            note: error.to_string(),
            permanent: true,
        },
    }
}
