//! Contents of tenants' files in the data folder: `files/blobs/xx/SHA256`, each written once, and `files/parts/UPLOAD` of what is
//! on its way. Which tenant has what, and where, is the store's business; this knows bytes and digests only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::UploadId;
use model::ContentDigest;
use sha2::{Digest, Sha256};

use crate::limits::HASHES_KEPT;

/// Bytes read at a time to compute a digest.
const HASH_PIECE: usize = 1 << 20;

/// Where contents lie, and what a tenant may keep.
pub struct Space {
    root: PathBuf,
    pub bounds: store::FileBounds,
    /// Held while a content is booked, and while contents nobody needs are deleted: neither may happen between the other's
    /// row and file.
    pub booking: tokio::sync::Mutex<()>,
    /// Uploads of which a piece is being written.
    busy: Mutex<BTreeSet<UploadId>>,
    /// Digests of what has arrived so far, so that the end of an upload need not read it all again.
    hashes: Mutex<BTreeMap<UploadId, (u64, Sha256)>>,
}

/// The only right to write to an upload, as long as it lives.
pub struct Piece<'a> {
    space: &'a Space,
    id: UploadId,
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        lock(&self.space.busy).remove(&self.id);
    }
}

/// Why a piece was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PieceError {
    /// It does not begin where the last one ended.
    #[error("the next piece begins at {0}")]
    Elsewhere(u64),
    /// All bytes are there and they are others than announced; the upload was emptied.
    #[error("the SHA-256 of what arrived is {0}")]
    Mismatch(ContentDigest),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Space {
    pub fn new(data: &Path, bounds: store::FileBounds) -> Space {
        Space {
            root: data.join("files"),
            bounds,
            booking: tokio::sync::Mutex::default(),
            busy: Mutex::default(),
            hashes: Mutex::default(),
        }
    }

    /// Where a content lies, or would lie.
    pub fn blob(&self, digest: ContentDigest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("blobs").join(&name[..2]).join(&name)
    }

    fn part(&self, id: UploadId) -> PathBuf {
        self.root.join("parts").join(id.to_string())
    }

    /// The right to write to an upload; `None` while somebody else has it.
    pub fn take(&self, id: UploadId) -> Option<Piece<'_>> {
        let new = lock(&self.busy).insert(id);
        new.then(|| Piece { space: self, id })
    }

    /// Bytes of an upload that have arrived.
    ///
    /// # Errors
    /// Of the file system.
    pub fn arrived(&self, id: UploadId) -> io::Result<u64> {
        match std::fs::symlink_metadata(self.part(id)) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Forgets what has arrived of an upload.
    ///
    /// # Errors
    /// Of the file system.
    pub fn discard(&self, id: UploadId) -> io::Result<()> {
        lock(&self.hashes).remove(&id);
        gone(std::fs::remove_file(self.part(id)))
    }

    /// Opens a content for reading.
    ///
    /// # Errors
    /// Of the file system; `NotFound` means that the folder is not the one the database belongs to.
    pub fn open(&self, digest: ContentDigest) -> io::Result<File> {
        File::open(self.blob(digest))
    }

    /// Whether a content lies here with this size.
    pub fn has(&self, digest: ContentDigest, size: u64) -> bool {
        std::fs::symlink_metadata(self.blob(digest)).is_ok_and(|found| found.len() == size)
    }

    /// Deletes a content. What is not there is no fault.
    ///
    /// # Errors
    /// Of the file system.
    pub fn remove(&self, digest: ContentDigest) -> io::Result<()> {
        gone(std::fs::remove_file(self.blob(digest)))
    }

    /// Uploads that have something here, for the sweep.
    ///
    /// # Errors
    /// Of the file system.
    pub fn parts(&self) -> io::Result<Vec<UploadId>> {
        let listed = match std::fs::read_dir(self.root.join("parts")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut all: Vec<UploadId> =
            listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        all.sort();
        Ok(all)
    }
}

impl Piece<'_> {
    /// Adds bytes; where the next piece begins.
    ///
    /// # Errors
    /// [`PieceError::Elsewhere`], or of the file system.
    pub fn append(&self, offset: u64, bytes: &[u8]) -> Result<u64, PieceError> {
        let path = self.space.part(self.id);
        make_folder(path.parent().unwrap_or(&self.space.root))?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let size = file.metadata()?.len();
        if size != offset {
            return Err(PieceError::Elsewhere(size));
        }
        if let Err(error) = file.write_all_at(bytes, offset) {
            // What a full disk took of it goes, so that the offset stays where the caller knows it.
            let _ = file.set_len(offset);
            return Err(error.into());
        }
        let next = offset + bytes.len() as u64;
        let mut hashes = lock(&self.space.hashes);
        let known = match offset {
            0 => Some(Sha256::new()),
            _ => hashes.remove(&self.id).filter(|(at, _)| *at == offset).map(|(_, hash)| hash),
        };
        if let Some(mut hash) = known {
            hash.update(bytes);
            if hashes.len() >= HASHES_KEPT {
                // Whoever loses its place is computed from the disk at its end.
                hashes.pop_first();
            }
            hashes.insert(self.id, (next, hash));
        }
        Ok(next)
    }

    /// All bytes have arrived: checks them and moves them to the contents. When this returns they outlive a power cut.
    ///
    /// # Errors
    /// [`PieceError::Mismatch`], or of the file system.
    pub fn finish(&self, digest: ContentDigest, size: u64) -> Result<(), PieceError> {
        let (file, found) = self.arrived_whole(size)?;
        if found != digest {
            self.space.discard(self.id)?;
            return Err(PieceError::Mismatch(found));
        }
        self.keep(&file, digest)
    }

    /// As [`Piece::finish`], for bytes whose digest nobody has announced.
    ///
    /// # Errors
    /// Of the file system.
    pub fn finish_as_found(&self, size: u64) -> Result<ContentDigest, PieceError> {
        let (file, digest) = self.arrived_whole(size)?;
        self.keep(&file, digest)?;
        Ok(digest)
    }

    fn arrived_whole(&self, size: u64) -> io::Result<(File, ContentDigest)> {
        let path = self.space.part(self.id);
        if size == 0 {
            make_folder(path.parent().unwrap_or(&self.space.root))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(size == 0).truncate(false).mode(0o600);
        let file = options.open(&path)?;
        let known = lock(&self.space.hashes).remove(&self.id).filter(|(at, _)| *at == size);
        let found = match known {
            Some((_, hash)) => ContentDigest(hash.finalize().into()),
            None => digest_of(&file)?,
        };
        Ok((file, found))
    }

    fn keep(&self, file: &File, digest: ContentDigest) -> Result<(), PieceError> {
        let path = self.space.part(self.id);
        file.sync_all()?;
        let place = self.space.blob(digest);
        let folder = place.parent().unwrap_or(&self.space.root);
        make_folder(folder)?;
        std::fs::rename(&path, &place)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a folder for the server alone, and makes sure that it outlives a power cut.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_folder(above)?;
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => File::open(above)?.sync_all()?,
        }
    }
    Ok(())
}

/// SHA-256 of a file from its beginning.
fn digest_of(mut file: &File) -> io::Result<ContentDigest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; HASH_PIECE];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(ContentDigest(hash.finalize().into())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Runs file work away from the executor.
///
/// # Errors
/// What the work answers; a panic in it is an error too.
pub async fn blocking<T: Send + 'static, E: From<io::Error> + Send + 'static>(
    space: &Arc<Space>,
    work: impl FnOnce(&Space) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let space = space.clone();
    match tokio::task::spawn_blocking(move || work(&space)).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error).into()),
    }
}

/// Why a path cannot be one of the file space; for the caller.
pub fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("name a file");
    }
    if path.len() > crate::limits::FILE_PATH_BYTES_MAX {
        return Some("the path is longer than 1024 bytes");
    }
    if path.chars().any(char::is_control) {
        return Some("control characters are not accepted");
    }
    if path.split('/').any(|part| part.len() > crate::limits::FILE_NAME_BYTES_MAX) {
        return Some("a name in it is longer than 255 bytes");
    }
    if path.starts_with('/') {
        return Some("paths begin at the root of the file space, without a `/` before");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("empty parts, `.` and `..` are not accepted");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> (Space, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Space::new(folder.path(), store::FileBounds { bytes: 1 << 20, files: 10 }), folder)
    }

    fn sha(bytes: &[u8]) -> ContentDigest {
        ContentDigest(Sha256::digest(bytes).into())
    }

    #[test]
    fn pieces_become_a_content() {
        let (space, folder) = space();
        let id = UploadId::from_u128(1);
        let piece = space.take(id).unwrap();
        assert!(space.take(id).is_none(), "one writer at a time");
        assert_eq!(piece.append(0, b"hello ").unwrap(), 6);
        assert!(matches!(piece.append(3, b"lo"), Err(PieceError::Elsewhere(6))));
        assert_eq!(piece.append(6, b"world").unwrap(), 11);
        drop(piece);
        assert_eq!(space.arrived(id).unwrap(), 11);
        let digest = sha(b"hello world");
        space.take(id).unwrap().finish(digest, 11).unwrap();
        assert!(space.has(digest, 11) && !space.has(digest, 10));
        assert_eq!(space.arrived(id).unwrap(), 0);
        let mut text = String::new();
        space.open(digest).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
        use std::os::unix::fs::MetadataExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&space.blob(digest)), 0o600);
        assert_eq!(mode(&folder.path().join("files")), 0o700);
        space.remove(digest).unwrap();
        space.remove(digest).unwrap();
        assert!(!space.has(digest, 11));
    }

    /// A server that was started again knows no digest so far and reads what is there.
    #[test]
    fn what_arrived_before_a_restart_counts() {
        let (space, folder) = space();
        let id = UploadId::from_u128(2);
        space.take(id).unwrap().append(0, b"half ").unwrap();
        let again = Space::new(folder.path(), space.bounds);
        assert_eq!(again.parts().unwrap(), [id]);
        let piece = again.take(id).unwrap();
        piece.append(again.arrived(id).unwrap(), b"whole").unwrap();
        piece.finish(sha(b"half whole"), 10).unwrap();
        assert!(again.has(sha(b"half whole"), 10));
    }

    #[test]
    fn other_bytes_than_announced_are_not_kept() {
        let (space, _folder) = space();
        let id = UploadId::from_u128(3);
        let piece = space.take(id).unwrap();
        piece.append(0, b"other").unwrap();
        let Err(PieceError::Mismatch(found)) = piece.finish(sha(b"these"), 5) else { panic!("it was taken") };
        assert_eq!(found, sha(b"other"));
        assert_eq!((space.arrived(id).unwrap(), space.has(sha(b"other"), 5)), (0, false));
        piece.finish(sha(b""), 0).unwrap();
        assert!(space.has(sha(b""), 0));
    }

    #[test]
    fn only_plain_paths_are_paths() {
        for good in ["a", "a/b c", "…/日本 🎉", "$(x);'\"", "a..b", ".hidden"] {
            assert_eq!(path_fault(good), None, "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\nb", "a\0b", &"x".repeat(256), &"x/".repeat(600)]
        {
            assert!(path_fault(bad).is_some(), "{bad}");
        }
    }
}
