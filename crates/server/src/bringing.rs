//! Puts files into the work folders of jobs: what arrives goes to a folder of its own below the work folder, and the whole file is
//! renamed to its place, so that a running job sees the older file, none, or all of the new one. Nothing stands here between two
//! pieces but digests so far, which may be lost. Knows no HTTP.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::digest128;
use jobscript::{Facts, default_output, expand_pattern};
use model::{ContentDigest, Order};
use ports::files::FILE_PIECE_MAX;
use ports::{EntryKind, FileError};
use sha2::{Digest, Sha256};
use wire::ErrorCode;

use crate::files::path_fault;
use crate::limits::{COMING_KEPT, HASHES_KEPT};
use crate::problem::Failure;
use crate::results::WorkFolder;

/// Below a job's work folder, what is on its way there. In the same folder as the rest, since a rename within it is one step, also
/// where folders are users' own.
pub const COMING: &str = ".hw-uploads";

/// A file as it was announced.
pub struct Coming {
    pub path: String,
    pub size: u64,
    /// `None`: it comes in one piece.
    pub digest: Option<ContentDigest>,
    pub mode: u32,
    /// One that lies there gives way.
    pub replace: bool,
}

/// Which files have a piece being written, and digests of what has arrived of others.
#[derive(Default)]
pub struct Turns(Mutex<BTreeMap<String, Turn>>);

enum Turn {
    Busy,
    Arrived(u64, Sha256),
}

/// The only right to write to a file on its way.
struct Writing<'a> {
    turns: &'a Turns,
    part: String,
    hash: Option<(u64, Sha256)>,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Turn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, key: String) -> Option<Writing<'_>> {
        let mut all = self.lock();
        let hash = match all.remove(&key) {
            Some(Turn::Busy) => {
                all.insert(key, Turn::Busy);
                return None;
            }
            Some(Turn::Arrived(at, hash)) => Some((at, hash)),
            None => None,
        };
        all.insert(key.clone(), Turn::Busy);
        Some(Writing { turns: self, part: key, hash })
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut all = self.turns.lock();
        all.remove(&self.part);
        let Some((at, hash)) = self.hash.take() else { return };
        if all.len() >= HASHES_KEPT {
            // Whoever loses its place is read from the cluster at its end.
            all.retain(|_, turn| matches!(turn, Turn::Busy));
        }
        all.insert(std::mem::take(&mut self.part), Turn::Arrived(at, hash));
    }
}

impl WorkFolder {
    /// How much of a file has arrived.
    ///
    /// # Errors
    /// What the cluster answers.
    pub async fn arrived(&self, coming: &Coming) -> Result<u64, Failure> {
        match self.files.stat(&self.part(coming)).await {
            Ok(found) if found.kind == EntryKind::File => Ok(found.size.min(coming.size)),
            Ok(_) | Err(FileError::NotFound(_)) => Ok(0),
            Err(error) => Err(unwritten(error, &coming.path)),
        }
    }

    /// Makes sure that a file may be put at its path: that is no name of the platform's, no link leads there, and what lies there is
    /// nothing, or a file that may be replaced. What a job changes on the way there meanwhile stays below the cluster's work root.
    ///
    /// # Errors
    /// `invalid`, `file_exists`, `wrong_state` where there is no work folder; what the cluster answers.
    pub async fn may_take(&self, coming: &Coming) -> Result<(), Failure> {
        let refused = |why: String| Err(Failure::invalid("path", why));
        let path = coming.path.as_str();
        if let Some(fault) = path_fault(path) {
            return refused(fault.to_owned());
        }
        if path.split('/').next() == Some(COMING) {
            return refused(format!("`{COMING}` is the platform's"));
        }
        if outputs(&self.order).iter().any(|output| output == path) {
            return refused(format!("`{path}` is the job's output, which is written while it runs"));
        }
        match self.files.stat(&self.root).await {
            Ok(found) if found.kind == EntryKind::Folder => {}
            Ok(_) | Err(FileError::NotFound(_)) => {
                let detail = "the job has no work folder: it is made when the job is handed to its cluster, and may be gone \
                              some time after its end";
                return Err(Failure::new(ErrorCode::WrongState, detail));
            }
            Err(error) => return Err(unwritten(error, path)),
        }
        for (end, _) in path.match_indices('/') {
            match self.files.stat(&self.whole(&path[..end])?).await {
                Ok(found) if found.kind == EntryKind::Folder => {}
                Ok(_) => return refused(format!("`{}` is no folder, and links are not followed", &path[..end])),
                Err(FileError::NotFound(_)) => return Ok(()),
                Err(error) => return Err(unwritten(error, path)),
            }
        }
        match self.files.stat(&self.whole(path)?).await {
            Err(FileError::NotFound(_)) => Ok(()),
            Err(error) => Err(unwritten(error, path)),
            Ok(found) if found.kind != EntryKind::File => refused(format!("`{path}` is there and no plain file")),
            Ok(_) if coming.replace => Ok(()),
            Ok(_) => {
                let detail =
                    format!("there is a file `{path}` in the job's work folder; say so if it is to be replaced");
                Err(Failure::new(ErrorCode::FileExists, detail))
            }
        }
    }

    /// Takes a piece; with the last one the file is at its path. Where the next piece begins.
    ///
    /// # Errors
    /// `wrong_offset`, `checksum_mismatch` (and nothing is kept); as [`WorkFolder::may_take`].
    pub async fn take(&self, turns: &Turns, coming: &Coming, offset: u64, bytes: &[u8]) -> Result<u64, Failure> {
        let next = offset + bytes.len() as u64;
        if offset == 0 || next == coming.size {
            self.may_take(coming).await?;
        }
        let part = self.part(coming);
        let mut writing = turns.take(format!("{}/{part}", self.order.attempt)).ok_or_else(busy)?;
        self.no_link_to(COMING).await?;
        if offset == 0 {
            writing.hash = Some((0, Sha256::new()));
            self.remove_old().await.map_err(|error| unwritten(error, &coming.path))?;
        } else {
            let arrived = self.arrived(coming).await?;
            if arrived != offset {
                return Err(Failure::new(ErrorCode::WrongOffset, format!("the next piece begins at {arrived}")));
            }
        }
        self.write(&part, coming, offset, bytes).await.map_err(|error| unwritten(error, &coming.path))?;
        writing.hash =
            writing.hash.take().filter(|(at, _)| *at == offset).map(|(_, hash)| (next, hash.chain_update(bytes)));
        if next < coming.size {
            return Ok(next);
        }
        let known = writing.hash.take().map(|(_, hash)| ContentDigest(hash.finalize().into()));
        self.finish(&part, coming, known).await?;
        Ok(next)
    }

    async fn write(&self, part: &str, coming: &Coming, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        if bytes.is_empty() {
            return self.files.write(part, 0, Vec::new(), coming.mode).await;
        }
        let mut at = offset;
        for piece in bytes.chunks(FILE_PIECE_MAX) {
            self.files.write(part, at, piece.to_vec(), coming.mode).await?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// All bytes are there: checks them and puts the file at its path.
    async fn finish(&self, part: &str, coming: &Coming, known: Option<ContentDigest>) -> Result<(), Failure> {
        let there = |error| unwritten(error, &coming.path);
        let found = self.files.stat(part).await.map_err(there)?;
        if (found.kind, found.size) != (EntryKind::File, coming.size) {
            self.files.remove(part).await.map_err(there)?;
            return Err(Failure::new(ErrorCode::WrongOffset, "the next piece begins at 0: somebody else wrote to it"));
        }
        if let Some(announced) = coming.digest {
            let found = match known {
                Some(known) => known,
                None => self.digest_of(part).await.map_err(there)?,
            };
            if found != announced {
                self.files.remove(part).await.map_err(there)?;
                let detail = format!("{announced} was announced and {found} arrived; nothing was kept, send it again");
                return Err(Failure::new(ErrorCode::ChecksumMismatch, detail));
            }
        }
        self.may_take(coming).await?;
        if let Some((folder, _)) = coming.path.rsplit_once('/') {
            self.files.make_folder(&self.whole(folder)?).await.map_err(there)?;
        }
        self.files.rename(part, &self.whole(&coming.path)?).await.map_err(there)?;
        // An empty folder of ours is nothing to see.
        let folder = self.whole(COMING)?;
        if self.files.list(&folder).await.is_ok_and(|left| left.is_empty())
            && let Err(error) = self.files.remove(&folder).await
        {
            tracing::debug!(%error, "an empty folder stays");
        }
        Ok(())
    }

    async fn digest_of(&self, part: &str) -> Result<ContentDigest, FileError> {
        let (mut hash, mut at) = (Sha256::new(), 0);
        loop {
            let bytes = self.files.read(part, at, FILE_PIECE_MAX).await?;
            if bytes.is_empty() {
                return Ok(ContentDigest(hash.finalize().into()));
            }
            at += bytes.len() as u64;
            hash.update(&bytes);
        }
    }

    /// A job may have put a link where ours is made.
    async fn no_link_to(&self, name: &str) -> Result<(), Failure> {
        match self.files.stat(&self.whole(name)?).await {
            Ok(found) if found.kind == EntryKind::Folder => Ok(()),
            Err(FileError::NotFound(_)) => Ok(()),
            Err(error) => Err(unwritten(error, name)),
            Ok(_) => Err(Failure::invalid("path", format!("the job has something else at `{name}`"))),
        }
    }

    /// What was given up long ago goes.
    async fn remove_old(&self) -> Result<(), FileError> {
        let folder = format!("{}/{COMING}", self.root);
        let all = match self.files.list(&folder).await {
            Err(FileError::NotFound(_)) => return Ok(()),
            listed => listed?,
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let before = i64::try_from(now.saturating_sub(COMING_KEPT.to_std()).as_secs()).unwrap_or(0);
        for entry in all.iter().filter(|entry| entry.modified_secs < before) {
            self.files.remove(&format!("{folder}/{}", entry.name)).await?;
        }
        Ok(())
    }

    /// Where a file is until it is whole: the same for all its pieces, another for other bytes or another path.
    fn part(&self, coming: &Coming) -> String {
        let digest = coming.digest.map_or_else(String::new, |digest| digest.to_string());
        let tag = digest128(&[b"put", coming.path.as_bytes(), digest.as_bytes(), &coming.size.to_be_bytes()]);
        format!("{}/{COMING}/{tag:032x}", self.root)
    }
}

/// Files that the job's output goes to, from its work folder on.
fn outputs(order: &Order) -> Vec<String> {
    let spec = &order.spec;
    let nodes = order.nodes.iter().map(|node| node.to_string()).collect();
    let facts = Facts { nodes, ..Facts::of_order(order) };
    let usual = default_output(order.array.is_some());
    let named = [Some(spec.stdout.as_deref().unwrap_or(usual)), spec.stderr.as_deref()];
    let plain = |path: String| path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
    named.into_iter().flatten().map(|pattern| plain(expand_pattern(pattern, &facts))).collect()
}

fn busy() -> Failure {
    Failure::new(ErrorCode::WrongOffset, "another piece of this file is being written at this moment").retry_after(1)
}

/// What a cluster says of writing, for who asked for it.
fn unwritten(error: FileError, path: &str) -> Failure {
    let shown: String = path.chars().take(200).collect();
    match error {
        FileError::Full(note) => Failure::new(ErrorCode::OverQuota, "the cluster has no room for this file").note(note),
        FileError::Denied(note) => {
            Failure::new(ErrorCode::WrongState, format!("the cluster does not let the platform write `{shown}`"))
                .note(note)
        }
        FileError::Unreachable(source) => {
            Failure::new(ErrorCode::ClusterUnavailable, "the cluster does not answer now; try again in a moment")
                .note(source.to_string())
                .retry_after(2)
        }
        error @ (FileError::NotFound(_)
        | FileError::Outside { .. }
        | FileError::Exists(_)
        | FileError::WrongKind { .. }) => {
            Failure::invalid("path", format!("`{shown}` cannot be written there")).note(error.to_string())
        }
    }
}

#[cfg(test)]
#[path = "bringing_tests.rs"]
mod tests;
