//! Reads jobs' output files with the rights of the user who wrote them, so that no trick with links or pipes in a job's
//! folder makes the platform show a file which its user could not have read.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use nix::unistd::{Gid, Uid};

use crate::config::User;
use crate::sys;

/// Threads that read: two keep one slow file system from holding up everything.
const READERS: usize = 2;

type Task = Box<dyn FnOnce() + Send>;

/// A few threads whose identity for file access is that of the jobs' user, for as long as they live.
#[derive(Clone, Debug)]
pub struct LogReader(mpsc::Sender<Task>);

/// A piece of a file and the file's size.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    pub offset: u64,
    pub bytes: Vec<u8>,
    pub size: u64,
}

impl LogReader {
    /// # Errors
    /// When a thread cannot be made or cannot take on the identity.
    pub fn start(user: Option<&User>) -> io::Result<LogReader> {
        let (sender, receiver) = mpsc::channel::<Task>();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..READERS {
            let receiver = Arc::clone(&receiver);
            let user = user.cloned();
            let (ready, is_ready) = mpsc::channel();
            std::thread::Builder::new().name(format!("local-log-{number}")).spawn(move || {
                let taken = user.map_or(Ok(()), |u| {
                    sys::assume_file_identity(Uid::from_raw(u.uid), Gid::from_raw(u.gid), &u.groups)
                });
                let refused = taken.is_err();
                let _ = ready.send(taken);
                if refused {
                    return;
                }
                loop {
                    let task = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match task {
                        Ok(task) => task(),
                        Err(_) => return,
                    }
                }
            })?;
            is_ready.recv().map_err(io::Error::other)??;
        }
        Ok(LogReader(sender))
    }

    /// Runs something with that identity.
    ///
    /// # Errors
    /// What it answers, or that the threads are gone.
    pub async fn run<T: Send + 'static>(&self, what: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let task: Task = Box::new(move || drop(answer.send(what())));
        self.0.send(task).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        answered.await.map_err(io::Error::other)?
    }

    /// Up to `max` bytes from `offset` on (from the end when negative); an absent file is an empty one.
    pub async fn read(&self, path: String, offset: i64, max: usize) -> io::Result<Piece> {
        self.run(move || read_piece(Path::new(&path), offset, max)).await
    }

    /// Size of the file; 0 when there is none.
    pub async fn size(&self, path: String) -> io::Result<Option<u64>> {
        self.run(move || match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => Ok(Some(found.len())),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read_piece(path: &Path, offset: i64, max: usize) -> io::Result<Piece> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let nothing = || Piece { offset: 0, bytes: Vec::new(), size: 0 };
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(nothing()),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        // /dev/null, or something put in the file's place.
        return Ok(nothing());
    }
    let size = found.len();
    let offset = match u64::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => size.saturating_sub(offset.unsigned_abs()),
    };
    let wanted = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(max);
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(Piece { offset, bytes, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_from_both_ends_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        std::fs::write(&path, "0123456789").unwrap();
        let text = |offset, max| {
            let piece = read_piece(&path, offset, max).unwrap();
            (piece.offset, String::from_utf8(piece.bytes).unwrap(), piece.size)
        };
        assert_eq!(text(0, 4), (0, "0123".into(), 10));
        assert_eq!(text(8, 100), (8, "89".into(), 10));
        assert_eq!(text(-3, 2), (7, "78".into(), 10));
        assert_eq!(text(-100, 2), (0, "01".into(), 10));
        assert_eq!(text(50, 2), (50, String::new(), 10));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_piece(&link, 0, 10).is_err());
        assert_eq!(read_piece(&dir.path().join("none"), 5, 10).unwrap(), Piece { offset: 0, bytes: vec![], size: 0 });
    }
}
