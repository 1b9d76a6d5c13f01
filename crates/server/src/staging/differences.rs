//! Large contents that are like one which the cluster has already: which one that is (the last of the same path of the same tenant, by
//! a note that lies there), and that only the changes are sent. Whatever goes wrong here, the content goes whole as ever.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base::ClusterId;
use model::{ContentDigest, Input};
use ports::files::UNFINISHED;
use ports::{Differences, DifferencesSent, EntryKind, FileError, Files};
use sha2::{Digest, Sha256};

use super::{CORNER, Staging, Stopped, content};

/// Smaller contents go whole: what rsync costs besides (two sessions, a digest, some round trips: 0.7 s on the spot) sends as much
/// over a line of 100 Mbit/s.
const CHANGES_BYTES_MIN: u64 = 8 << 20;
/// Tries that may be cut off with the line before a content goes whole: a cut one begins anew, what goes whole is gone on with.
const CUT_MAX: u32 = 3;
/// Contents of which tries are counted; those that nobody wants any more are forgotten so.
const CUT_KEPT: usize = 1_000;

/// Tries that were cut off.
pub(super) type CutOff = Mutex<BTreeMap<(ClusterId, ContentDigest), u32>>;

/// What was there last under a path of a tenant; nothing where that is of no use.
pub(super) struct Latest {
    /// Where the note lies, and what it says.
    note: Option<(String, Option<ContentDigest>)>,
}

impl Latest {
    /// # Errors
    /// `Unreachable` and no other.
    pub(super) async fn of(files: &dyn Files, tenant: &str, input: &Input) -> Result<Latest, FileError> {
        if input.size < CHANGES_BYTES_MIN || !matches!(files.differences().await?, Some(Differences::Sent(_))) {
            return Ok(Latest { note: None });
        }
        // A tenant's name has no zero byte; what stands there tells nobody of another's paths.
        let of = ContentDigest(Sha256::digest(format!("{tenant}\0{}", input.path)).into());
        let path = format!("{CORNER}/latest/{of}");
        let said = match files.read(&path, 0, 64).await {
            Err(error @ FileError::Unreachable(_)) => return Err(error),
            said => said.unwrap_or_default(),
        };
        let digest = String::from_utf8(said).ok().and_then(|said| said.parse().ok());
        Ok(Latest { note: Some((path, digest)) })
    }

    pub(super) fn older(&self) -> Option<ContentDigest> {
        self.note.as_ref()?.1
    }

    /// Notes what is there now. Without the note the next content of this path goes whole, and nothing else comes of it.
    pub(super) async fn is_now(&self, files: &dyn Files, digest: ContentDigest) {
        let Some((path, was)) = &self.note else { return };
        if *was != Some(digest)
            && let Err(error) = files.write(path, 0, digest.to_string().into_bytes(), 0o600).await
        {
            tracing::info!(%error, "not noted which content a path had last");
        }
    }
}

impl Staging {
    /// Sends what a content has that an older one has not; false: nothing was sent.
    pub(super) async fn send_changes(
        &self,
        id: ClusterId,
        files: &dyn Files,
        part: &str,
        older: Option<ContentDigest>,
        input: &Input,
    ) -> Result<bool, Stopped> {
        let Some(older) = older.filter(|older| *older != input.digest) else { return Ok(false) };
        let basis = content(older);
        match files.stat(&basis).await {
            Ok(found) if found.kind == EntryKind::File => {}
            Ok(_) | Err(FileError::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let key = (id, input.digest);
        if self.cuts(|cuts| cuts.get(&key).is_some_and(|count| *count >= CUT_MAX)) {
            tracing::warn!(cluster = %id, content = %input.digest, "rsync was cut off {CUT_MAX} times: sent whole");
            files.remove(&format!("{part}{UNFINISHED}")).await?;
            self.cuts(|cuts| cuts.remove(&key));
            return Ok(false);
        }
        let from = std::path::absolute(self.space.blob(input.digest))?;
        match files.send_differences(&from, input.digest, &basis, part).await {
            Ok(DifferencesSent::Done { new, taken, line }) => {
                self.cuts(|cuts| cuts.remove(&key));
                tracing::info!(cluster = %id, content = %input.digest, new, taken, line, "changes of a content sent");
                Ok(true)
            }
            Ok(DifferencesSent::NotDone(why)) => {
                tracing::warn!(cluster = %id, content = %input.digest, why, "rsync did not send it: sent whole");
                Ok(false)
            }
            Err(error) => {
                self.cuts(|cuts| {
                    if cuts.len() >= CUT_KEPT {
                        cuts.clear();
                    }
                    *cuts.entry(key).or_default() += 1;
                });
                Err(error.into())
            }
        }
    }

    fn cuts<T>(&self, work: impl FnOnce(&mut BTreeMap<(ClusterId, ContentDigest), u32>) -> T) -> T {
        work(&mut self.cut.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
