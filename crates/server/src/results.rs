//! The work folder of a job as its tenant may look into it: below that folder, and through no link.
//! Knows no HTTP; the routes put it into answers.

use std::sync::Arc;

use model::Order;
use ports::files::{FILE_PIECE_MAX, checked};
use ports::{ConnectError, Entry, EntryKind, FileError, Files};
use store::JobEntry;
use wire::ErrorCode;

use crate::access::Caller;
use crate::bringing::COMING;
use crate::convert::order::order;
use crate::logs::latest;
use crate::problem::Failure;

/// The work folder of a job's last attempt.
#[derive(Clone)]
pub struct WorkFolder {
    pub(crate) files: Arc<dyn Files>,
    /// Relative to the cluster's work root.
    pub(crate) root: Arc<str>,
    pub(crate) order: Arc<Order>,
}

impl WorkFolder {
    /// Finds it.
    ///
    /// # Errors
    /// `file_not_found` when there is none that can be looked into, `cluster_unavailable`, or of the store.
    pub async fn find(caller: &Caller, entry: &JobEntry) -> Result<Self, Failure> {
        let none = |detail: &str| Failure::new(ErrorCode::FileNotFound, detail);
        let attempts = caller.app().store.attempts(entry.row.job.id).await?;
        let attempt =
            latest(&attempts).ok_or_else(|| none("the job has not been placed yet, so it has no work folder"))?;
        let supply = caller.names().supply().await?;
        let cluster = caller.app().clusters.get(attempt.cluster).ok_or_else(|| {
            Failure::new(ErrorCode::ClusterUnavailable, "the cluster of this job is not connected here")
                .note(format!("{} is not among the connected clusters", attempt.cluster))
                .retry_after(2)
        })?;
        let order = order(entry, attempt, &supply);
        let root = cluster
            .work_folder(&order)
            .await
            .map_err(unanswered)?
            .ok_or_else(|| none("the job works in a folder that it named itself, which cannot be looked into"))?;
        let files = cluster.files().ok_or_else(|| none("the files of this job's cluster cannot be reached"))?;
        Ok(Self { files, root: root.into(), order })
    }

    /// What is at `path`, having made sure that no part of the way there is a link.
    ///
    /// # Errors
    /// `file_not_found`, also where a link stands in the way; what the cluster answers.
    pub async fn stat(&self, path: &str) -> Result<Entry, Failure> {
        let whole = self.whole(path)?;
        let ends: Vec<usize> = whole.match_indices('/').map(|(at, _)| at).collect();
        for end in ends {
            let above = self.files.stat(&whole[..end]).await.map_err(|error| failure(error, path))?;
            if above.kind != EntryKind::Folder {
                return Err(not_there(path));
            }
        }
        self.files.stat(&whole).await.map_err(|error| failure(error, path))
    }

    /// What is in the folder at `path`, in name order.
    ///
    /// # Errors
    /// As `stat`.
    pub async fn list(&self, path: &str) -> Result<Vec<Entry>, Failure> {
        let mut all = self.files.list(&self.whole(path)?).await.map_err(|error| failure(error, path))?;
        // What is on its way there is not there yet.
        all.retain(|entry| !path.is_empty() || entry.name != COMING);
        Ok(all)
    }

    /// A reader of the file at `path`, which `stat` has found to be one.
    ///
    /// # Errors
    /// As `stat`.
    pub fn reader(&self, path: &str) -> Result<crate::routes::Reader, Failure> {
        let whole: Arc<str> = self.whole(path)?.into();
        let files = self.files.clone();
        Ok(Box::new(move |offset, most| {
            let (files, whole) = (files.clone(), whole.clone());
            Box::pin(async move {
                files.read(&whole, offset, most.min(FILE_PIECE_MAX)).await.map_err(std::io::Error::other)
            })
        }))
    }

    pub(crate) fn whole(&self, path: &str) -> Result<String, Failure> {
        let path = checked(path).map_err(|error| Failure::invalid("path", error.to_string()))?;
        Ok(if path.is_empty() { self.root.to_string() } else { format!("{}/{path}", self.root) })
    }
}

/// The cluster did not say where the job works.
fn unanswered(error: ConnectError) -> Failure {
    match error {
        ConnectError::Refused { text, note, .. } => Failure::new(ErrorCode::FileNotFound, text).note(note),
        error => Failure::new(ErrorCode::ClusterUnavailable, "the cluster does not answer now; try again in a moment")
            .note(error.to_string())
            .retry_after(2),
    }
}

fn not_there(path: &str) -> Failure {
    let shown: String = path.chars().take(200).collect();
    Failure::new(ErrorCode::FileNotFound, format!("there is no file `{shown}` in the job's work folder"))
}

/// What a cluster says of a file, for who asked for it.
fn failure(error: FileError, path: &str) -> Failure {
    match error {
        FileError::NotFound(_) | FileError::WrongKind { .. } | FileError::Exists(_) => not_there(path),
        FileError::Outside { .. } => not_there(path).note(error.to_string()),
        FileError::Denied(note) => {
            Failure::new(ErrorCode::FileNotFound, "the cluster does not let the platform read this").note(note)
        }
        FileError::Full(note) => Failure::internal(format!("reading found no room: {note}")),
        FileError::Unreachable(source) => {
            Failure::new(ErrorCode::ClusterUnavailable, "the cluster does not answer now; try again in a moment")
                .note(source.to_string())
                .retry_after(2)
        }
    }
}
