//! What an attempt goes on from: the latest checkpoint of its job's earlier attempts goes into the work folder over the inputs. A
//! folder that still has files as new as those is left alone: an attempt on the same cluster goes on from its own. A set of which
//! the platform has lost or damaged something gives way to the one before it.

use std::io;

use base::{AttemptId, ClusterId, Timestamp};
use model::{Input, Observed, Order};
use ports::{EntryKind, FileError, Files};
use store::{Checkpoint, CheckpointFile};

use super::{Staging, Stopped};

/// What a mark says, at most: a number of microseconds.
const MARK_BYTES_MAX: usize = 32;

/// What lies in a work folder of an earlier attempt.
pub(super) struct Restored {
    set: Checkpoint,
    files: Vec<CheckpointFile>,
    /// The cluster had it still, or newer.
    own: bool,
}

impl Restored {
    pub(super) fn at(&self) -> Timestamp {
        self.set.at
    }

    fn has(&self, path: &str) -> bool {
        self.files.binary_search_by(|file| file.path.as_bytes().cmp(path.as_bytes())).is_ok()
    }

    /// For the timeline; nothing where nothing was put there.
    pub(super) fn told(&self, attempt: AttemptId) -> Option<Observed> {
        let Checkpoint { attempt: from, at, files, bytes, .. } = self.set;
        let what = Observed::Restored { attempt, from: from.number, taken_at: at, files, bytes };
        (!self.own).then_some(what)
    }
}

/// Whether it may have something to go on from.
pub(super) fn restarts(order: &Order) -> bool {
    order.attempt.number > 1 && !order.spec.checkpoint.is_empty()
}

pub(super) fn mark(restored: Option<&Restored>) -> Vec<u8> {
    restored.map_or_else(Vec::new, |restored| restored.at().as_micros().to_string().into_bytes())
}

/// `None`: the folder was not made ready yet; inside, the time of the checkpoint that was put there.
pub(super) async fn read_mark(files: &dyn Files, mark: &str) -> Result<Option<Option<Timestamp>>, FileError> {
    match files.read(mark, 0, MARK_BYTES_MAX).await {
        Ok(said) => Ok(Some(String::from_utf8(said).ok().and_then(|t| t.parse().ok()).map(Timestamp::from_micros))),
        Err(FileError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Staging {
    /// Puts inputs and the best checkpoint there is into the folder; `None`: there is none, and nothing was put.
    pub(super) async fn restore(
        &self,
        id: ClusterId,
        files: &dyn Files,
        folder: &str,
        order: &Order,
    ) -> Result<Option<Restored>, Stopped> {
        if !restarts(order) {
            return Ok(None);
        }
        let sets = self.store.checkpoints(order.attempt.job, order.attempt.number).await?;
        for (at, set) in sets.into_iter().enumerate() {
            let of_set = self.store.checkpoint_files(set.attempt.job, set.at).await?;
            // Only of the best: over one that could not be put whole, what lies there is neither the one nor the other.
            let own = at == 0 && set.cluster == id && is_there(files, folder, &of_set).await?;
            let restored = Restored { set, files: of_set, own };
            // Never an input where a file of the checkpoint goes: cut off in between, it would pass for a newer one of the job's own.
            self.put_inputs(id, files, folder, order, |path| !restored.has(path)).await?;
            if restored.own {
                return Ok(Some(restored));
            }
            match self.put_set(id, files, (folder, &order.tenant), &restored.files).await {
                Ok(()) => return Ok(Some(restored)),
                Err(Stopped::Here(error)) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::error!(attempt = %order.attempt, %error, "a content of its checkpoint is missing here");
                }
                Err(Stopped::Damaged(digest)) => {
                    tracing::error!(attempt = %order.attempt, %digest, "a content of its checkpoint is damaged here");
                }
                Err(stopped) => return Err(stopped),
            }
        }
        Ok(None)
    }

    async fn put_set(
        &self,
        id: ClusterId,
        files: &dyn Files,
        place: (&str, &str),
        of_set: &[CheckpointFile],
    ) -> Result<(), Stopped> {
        for file in of_set {
            // A whole set has the contents of all its files.
            let Some(digest) = file.digest else { return Err(io::Error::from(io::ErrorKind::NotFound).into()) };
            let input = Input { path: file.path.as_str().into(), digest, size: file.size, mode: file.mode };
            self.put(id, files, place, &input).await?;
        }
        Ok(())
    }
}

/// Whether all of these are in the folder, each as new as it was when it was copied away.
async fn is_there(files: &dyn Files, folder: &str, of_set: &[CheckpointFile]) -> Result<bool, FileError> {
    for file in of_set {
        match files.stat(&format!("{folder}/{}", file.path)).await {
            Ok(found) if found.kind == EntryKind::File && found.modified_secs >= file.modified_secs => {}
            Ok(_) | Err(FileError::NotFound(_) | FileError::WrongKind { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
#[path = "restoring_tests.rs"]
mod tests;
