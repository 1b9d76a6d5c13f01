//! Files on a cluster, below one folder that is the platform's to use (the work root).
//! Every path is relative to it; what leads out of it, by `..` or through a link, is refused by every implementation.

use std::path::Path;

use futures::future::BoxFuture;
use model::ContentDigest;
use serde::{Deserialize, Serialize};

/// Most bytes that one `read` or `write` moves: 1 MiB, so that a slow link never blocks others for long.
pub const FILE_PIECE_MAX: usize = 1 << 20;
/// A try to send differences that was cut off leaves a folder of this name behind that of its target.
pub const UNFINISHED: &str = ".rsync";
/// Longest path, relative to the work root, in bytes; what Linux takes, less room for the root itself.
pub const FILE_PATH_MAX: usize = 3_072;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    File,
    Folder,
    /// A link that stays within the work root is followed by `read`; here it is only named.
    Link,
    /// Sockets, pipes, devices: never opened.
    Other,
}

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Its name alone in a listing, the path asked for in `stat`.
    pub name: String,
    pub kind: EntryKind,
    /// Bytes of a file; zero of anything else.
    pub size: u64,
    /// Seconds since 1970, by the cluster's clock.
    pub modified_secs: i64,
    /// Permission bits, `0o777` at most.
    pub mode: u32,
}

/// Why it was not done; the class says what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("there is no {0}")]
    NotFound(String),
    /// The path leads out of the work root, or is no path at all. Always refused.
    #[error("{path}: {why}")]
    Outside { path: String, why: &'static str },
    #[error("{0} is there already")]
    Exists(String),
    /// A folder where a file is needed, or the other way round.
    #[error("{path} is not {wanted}")]
    WrongKind { path: String, wanted: &'static str },
    #[error("the cluster does not allow it: {0}")]
    Denied(String),
    #[error("no room: {0}")]
    Full(String),
    /// No answer; ask again later.
    #[error("the cluster does not answer: {0}")]
    Unreachable(#[source] std::io::Error),
}

/// Whether of a content that is like an older one on the cluster only the differences travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Differences {
    /// They alone; by what, in words.
    Sent(String),
    /// All of it travels; why, in words.
    NotSent(String),
}

/// What came of [`Files::send_differences`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferencesSent {
    /// It is there, and its SHA-256 was computed there. Bytes of it that travelled, bytes taken from the older one, and bytes on the
    /// line in both directions with all that was said about them.
    Done { new: u64, taken: u64, line: u64 },
    /// It is not there, nothing of the try is left, and the line stands: send it whole. Why, in words.
    NotDone(String),
}

/// Files below the work root. All paths are relative, `/`-separated, without empty parts; `""` is the root itself.
pub trait Files: Send + Sync + 'static {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>>;

    /// Everything in a folder, in name order, without `.` and `..`.
    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>>;

    /// Up to `max` (at most [`FILE_PIECE_MAX`]) bytes from `offset` on; fewer only at the end of the file.
    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>>;

    /// Writes `bytes` (at most [`FILE_PIECE_MAX`]) at `offset`, making the file and its folders where they are missing.
    /// At offset 0 the file is cut to nothing first and gets `mode`, so a repeat from the start is always whole.
    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>>;

    /// Makes a folder and those above it; one that is there is no fault.
    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>>;

    /// Within the work root, replacing a file that is there.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>>;

    /// Makes `to` a file with the bytes of the file `from` and this mode, replacing a file that is there. Implementations whose
    /// far side can copy by itself do that; this one carries the bytes here and back.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str, mode: u32) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(copy_by_pieces(self, from, to, mode))
    }

    /// Whether [`Files::send_differences`] can do anything, found out once per connection; `None`: there is nothing to find out.
    fn differences(&self) -> BoxFuture<'_, Result<Option<Differences>, FileError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Makes `to`, which is not there, a file with the bytes of `content` (a file of this machine, by its absolute path), of which the
    /// cluster has a good part in the file `basis`; that one stays as it is. What is at `to` afterwards has this SHA-256. What a try
    /// that was cut off has left at `to` and [`UNFINISHED`] is removed by the next.
    ///
    /// # Errors
    /// `Unreachable`: the line broke on the way; everything else is told by [`DifferencesSent::NotDone`].
    fn send_differences<'a>(
        &'a self,
        _content: &'a Path,
        _digest: ContentDigest,
        _basis: &'a str,
        _to: &'a str,
    ) -> BoxFuture<'a, Result<DifferencesSent, FileError>> {
        let why = "files travel whole by this way in".to_owned();
        Box::pin(std::future::ready(Ok(DifferencesSent::NotDone(why))))
    }

    /// A file, a link, or a folder with everything below it (links are removed, never followed). What is not there is no fault.
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>>;
}

/// [`Files::copy`] by reading and writing pieces.
///
/// # Errors
/// As `read` and `write`.
pub async fn copy_by_pieces<F: Files + ?Sized>(files: &F, from: &str, to: &str, mode: u32) -> Result<(), FileError> {
    let mut offset = 0;
    loop {
        let bytes = files.read(from, offset, FILE_PIECE_MAX).await?;
        let (count, last) = (bytes.len() as u64, bytes.len() < FILE_PIECE_MAX);
        if count > 0 || offset == 0 {
            files.write(to, offset, bytes, mode).await?;
        }
        offset += count;
        if last {
            return Ok(());
        }
    }
}

/// Checks a relative path: no empty part, no `.` or `..`, no NUL, not absolute, at most [`FILE_PATH_MAX`] bytes.
///
/// # Errors
/// [`FileError::Outside`] with what is wrong with it.
pub fn checked(path: &str) -> Result<&str, FileError> {
    let fault = |why| Err(FileError::Outside { path: path.chars().take(200).collect(), why });
    if path.len() > FILE_PATH_MAX {
        return fault("the path is too long");
    }
    if path.contains('\0') {
        return fault("a path cannot contain a zero byte");
    }
    if path.starts_with('/') {
        return fault("paths are relative to the work folder");
    }
    if path.is_empty() {
        return Ok(path);
    }
    for part in path.split('/') {
        match part {
            "" => return fault("an empty part"),
            "." | ".." => return fault("`.` and `..` are not allowed"),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_pass() {
        for good in ["", "a", "a/b c", "…/日本", "a..b", ".hidden"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in ["/etc", "..", "a/../b", "a//b", "./a", "a/", "a\0b", &"x".repeat(FILE_PATH_MAX + 1)] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
