//! A work folder on a file system of this machine. Paths are walked part by part from an open folder, and links are read by
//! ourselves: none leads out, whatever a job does to the folders meanwhile.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, ftruncate, unlinkat};
use ports::files::FILE_PIECE_MAX;
use ports::{Entry, EntryKind, FileError, Files};

use crate::files::{LINKS_MAX, outside, parts, wrong};

/// A folder as it is walked through.
const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// A file as it is opened: never by a link, never waiting for a pipe's other end, never taking a terminal.
const FILE: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// Files below one folder of this machine.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    root: Arc<Path>,
}

impl LocalFiles {
    /// Below `root`, an absolute path; it is made with the first file that is written where it is missing.
    pub fn new(root: impl Into<PathBuf>) -> LocalFiles {
        LocalFiles { root: root.into().into() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Root) -> Result<T, FileError> + Send + 'static,
        make: bool,
    ) -> Result<T, FileError> {
        let path = Arc::clone(&self.root);
        let done = tokio::task::spawn_blocking(move || work(&Root::open(&path, make)?));
        done.await.unwrap_or_else(|fault| Err(FileError::Unreachable(io::Error::other(fault))))
    }
}

impl Files for LocalFiles {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        let path = path.to_owned();
        Box::pin(self.blocking(move |root| root.stat(&path), false))
    }
    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        let path = path.to_owned();
        Box::pin(self.blocking(move |root| root.list(&path), false))
    }
    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        let path = path.to_owned();
        Box::pin(self.blocking(move |root| root.read(&path, offset, max.min(FILE_PIECE_MAX)), false))
    }
    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>> {
        let path = path.to_owned();
        Box::pin(self.blocking(move |root| root.write(&path, offset, &bytes, mode), true))
    }
    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        let path = path.to_owned();
        Box::pin(self.blocking(move |root| root.make_folder(&path), true))
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(self.blocking(move |root| root.rename(&from, &to), false))
    }
    /// By the kernel: without a byte passing through this process, and without any where the file system can share them.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str, mode: u32) -> BoxFuture<'a, Result<(), FileError>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(self.blocking(move |root| root.copy(&from, &to, mode), false))
    }
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        let path = path.to_owned();
        Box::pin(async move {
            match self.blocking(move |root| root.remove(&path), false).await {
                Err(FileError::NotFound(_)) => Ok(()),
                done => done,
            }
        })
    }
}

/// The open root, and where it really is: an absolute link may point back into it.
struct Root {
    folder: OwnedFd,
    real: PathBuf,
}

/// Where a path ends: a name in an open folder. The name of a folder reached by a link to it is `.`.
struct Place {
    folder: OwnedFd,
    name: OsString,
}

/// What to do with a link in the last place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
}

impl Root {
    fn open(path: &Path, make: bool) -> Result<Root, FileError> {
        let fault = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => FileError::NotFound(path.display().to_string()),
            io::ErrorKind::PermissionDenied => FileError::Denied(path.display().to_string()),
            _ => FileError::Unreachable(source),
        };
        let real = match std::fs::canonicalize(path) {
            Err(missing) if make && missing.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path).and_then(|()| std::fs::canonicalize(path))
            }
            found => found,
        }
        .map_err(fault)?;
        let folder = open(&real, FOLDER, Mode::empty()).map_err(|errno| fault(errno.into()))?;
        Ok(Root { folder, real })
    }

    fn again(&self, path: &str) -> Result<OwnedFd, FileError> {
        self.folder.try_clone().map_err(|source| at(path, source))
    }

    /// Walks to the last part of a path. Folders on the way are made where `make` says so.
    fn place(&self, path: &str, last: Last, make: bool) -> Result<Place, FileError> {
        let mut parts: VecDeque<OsString> = parts(path)?.into_iter().map(OsString::from).collect();
        let mut way = vec![self.again(path)?];
        let mut links = 0;
        while let Some(part) = parts.pop_front() {
            match part.as_bytes() {
                b"" | b"." => continue,
                // Out of a link's text only.
                b".." if way.len() > 1 => {
                    way.pop();
                    continue;
                }
                b".." => return Err(outside(path, "a link leads out of the work folder")),
                _ => {}
            }
            let end = parts.is_empty();
            let Some(folder) = way.last() else { return Err(outside(path, "no folder to begin with")) };
            if end && last == Last::Keep {
                return Ok(Place { folder: pop(way, path)?, name: part });
            }
            match kind_of(folder, &part) {
                Ok(SFlag::S_IFLNK) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(outside(path, "too many links"));
                    }
                    let target = readlinkat(folder, part.as_os_str()).map_err(|errno| at(path, errno))?;
                    let mut rest = Path::new(&target);
                    if rest.is_absolute() {
                        rest = rest
                            .strip_prefix(&self.real)
                            .map_err(|_| outside(path, "a link leads out of the work folder"))?;
                        way.truncate(1);
                    }
                    for part in rest.as_os_str().as_bytes().rsplit(|&byte| byte == b'/') {
                        parts.push_front(OsStr::from_bytes(part).to_owned());
                    }
                }
                Ok(_) | Err(Errno::ENOENT) if end => return Ok(Place { folder: pop(way, path)?, name: part }),
                found => {
                    if found == Err(Errno::ENOENT) && make {
                        make_one(folder, &part).map_err(|errno| at(path, errno))?;
                    }
                    let next = openat(folder, part.as_os_str(), FOLDER, Mode::empty());
                    way.push(next.map_err(|errno| at(path, errno))?);
                }
            }
        }
        Ok(Place { folder: pop(way, path)?, name: ".".into() })
    }

    fn stat(&self, path: &str) -> Result<Entry, FileError> {
        let place = self.place(path, Last::Keep, false)?;
        let stat = place.stat().map_err(|errno| at(path, errno))?;
        Ok(entry(path.to_owned(), &stat))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, FileError> {
        let place = self.place(path, Last::Follow, false)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = openat(&place.folder, place.name.as_os_str(), flags, Mode::empty());
        let mut folder = Dir::from_fd(folder.map_err(|errno| at(path, errno))?).map_err(|errno| at(path, errno))?;
        let mut entries = Vec::new();
        for name in names(&mut folder, path)? {
            // Gone since: a job works there.
            if let Ok(stat) = fstatat(folder.as_fd(), name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                entries.push(entry(name.to_string_lossy().into_owned(), &stat));
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn read(&self, path: &str, offset: u64, max: usize) -> Result<Vec<u8>, FileError> {
        let place = self.place(path, Last::Follow, false)?;
        let file = place.open(path, OFlag::O_RDONLY, Mode::empty())?;
        let mut bytes = vec![0; max];
        let mut read = 0;
        // Behind the last byte that a file can have there is nothing.
        while read < max && i64::try_from(offset).is_ok_and(|offset| offset.checked_add(max as i64).is_some()) {
            match file.read_at(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(at(path, fault)),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    fn copy(&self, from: &str, to: &str, mode: u32) -> Result<(), FileError> {
        let mut source = self.place(from, Last::Follow, false)?.open(from, OFlag::O_RDONLY, Mode::empty())?;
        let mut target = self.open_to_write(to, mode)?;
        let (one, other) = (fstat(&source), fstat(&target));
        if let (Ok(one), Ok(other)) = (one, other)
            && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        {
            return Err(FileError::Denied(format!("{to}: a file is not copied onto itself")));
        }
        ftruncate(&target, 0).map_err(|errno| at(to, errno))?;
        target.set_permissions(Permissions::from_mode(mode & 0o777)).map_err(|fault| at(to, fault))?;
        io::copy(&mut source, &mut target).map(drop).map_err(|fault| at(to, fault))
    }

    fn open_to_write(&self, path: &str, mode: u32) -> Result<File, FileError> {
        let place = self.place(path, Last::Follow, true)?;
        place.open(path, OFlag::O_WRONLY | OFlag::O_CREAT, Mode::from_bits_truncate(mode & 0o777))
    }

    fn write(&self, path: &str, offset: u64, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let file = self.open_to_write(path, mode)?;
        if offset == 0 {
            ftruncate(&file, 0).map_err(|errno| at(path, errno))?;
            // A file that was there has the mode it had.
            file.set_permissions(Permissions::from_mode(mode & 0o777)).map_err(|fault| at(path, fault))?;
        }
        if i64::try_from(offset).is_err() {
            return Err(FileError::Full(path.to_owned()));
        }
        file.write_all_at(bytes, offset).map_err(|fault| at(path, fault))
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path, Last::Follow, true)?;
        if place.name != "." {
            make_one(&place.folder, &place.name).map_err(|errno| at(path, errno))?;
        }
        match place.stat().map_err(|errno| at(path, errno))? {
            stat if kind(&stat) == SFlag::S_IFDIR => Ok(()),
            _ => Err(wrong(path, "a folder")),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (old, new) = (self.place(from, Last::Keep, false)?, self.place(to, Last::Keep, false)?);
        old.stat().map_err(|errno| at(from, errno))?;
        if old.name == "." || new.name == "." {
            return Err(FileError::Denied("the work folder itself stays where it is".to_owned()));
        }
        let done = renameat(&old.folder, old.name.as_os_str(), &new.folder, new.name.as_os_str());
        done.map_err(|errno| at(to, errno))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        let place = self.place(path, Last::Keep, false)?;
        if place.name == "." {
            return Err(FileError::Denied("the work folder itself stays".to_owned()));
        }
        remove_below(place.folder.as_fd(), &place.name).map_err(|errno| at(path, errno))
    }
}

impl Place {
    fn stat(&self) -> nix::Result<FileStat> {
        fstatat(&self.folder, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// Opens a regular file and nothing else; looked at before, because opening alone can do something to a device.
    fn open(&self, path: &str, how: OFlag, mode: Mode) -> Result<File, FileError> {
        match self.stat() {
            Ok(stat) if kind(&stat) != SFlag::S_IFREG => return Err(wrong(path, "a file")),
            Ok(_) => {}
            Err(Errno::ENOENT) if how.contains(OFlag::O_CREAT) => {}
            Err(errno) => return Err(at(path, errno)),
        }
        let file = openat(&self.folder, self.name.as_os_str(), how | FILE, mode).map_err(|errno| at(path, errno))?;
        let stat = fstat(&file).map_err(|errno| at(path, errno))?;
        if kind(&stat) == SFlag::S_IFREG { Ok(file.into()) } else { Err(wrong(path, "a file")) }
    }
}

fn pop(mut way: Vec<OwnedFd>, path: &str) -> Result<OwnedFd, FileError> {
    way.pop().ok_or_else(|| outside(path, "no folder to begin with"))
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT)
}

fn kind_of(folder: &OwnedFd, name: &OsStr) -> nix::Result<SFlag> {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(|stat| kind(&stat))
}

fn make_one(folder: &OwnedFd, name: &OsStr) -> nix::Result<()> {
    match mkdirat(folder, name, Mode::from_bits_truncate(0o755)) {
        Err(Errno::EEXIST) => Ok(()),
        done => done,
    }
}

/// Names in a folder, without `.` and `..`.
fn names(folder: &mut Dir, path: &str) -> Result<Vec<OsString>, FileError> {
    let mut names = Vec::new();
    for found in folder.iter() {
        let found = found.map_err(|errno| at(path, errno))?;
        let name = found.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Removes a name; a folder with everything below it. A link is removed, never followed. What vanishes meanwhile is no fault.
fn remove_below(folder: BorrowedFd<'_>, name: &OsStr) -> nix::Result<()> {
    let gone = |done: nix::Result<()>| if done == Err(Errno::ENOENT) { Ok(()) } else { done };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let below = match openat(folder, name, flags, Mode::empty()) {
        Ok(below) => below,
        Err(Errno::ENOTDIR | Errno::ELOOP) => return gone(unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)),
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let mut below = Dir::from_fd(below)?;
    let found: nix::Result<Vec<_>> = below.iter().map(|one| one.map(|one| one.file_name().to_owned())).collect();
    for one in found? {
        if !matches!(one.to_bytes(), b"." | b"..") {
            remove_below(below.as_fd(), OsStr::from_bytes(one.to_bytes()))?;
        }
    }
    gone(unlinkat(folder, name, UnlinkatFlags::RemoveDir))
}

fn entry(name: String, stat: &FileStat) -> Entry {
    let kind = match kind(stat) {
        SFlag::S_IFREG => EntryKind::File,
        SFlag::S_IFDIR => EntryKind::Folder,
        SFlag::S_IFLNK => EntryKind::Link,
        _ => EntryKind::Other,
    };
    let size = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    Entry { name, kind, size, modified_secs: stat.st_mtime, mode: stat.st_mode & 0o777 }
}

/// What went wrong at a path.
fn at(path: &str, fault: impl Into<io::Error>) -> FileError {
    let fault: io::Error = fault.into();
    let path_text = || path.to_owned();
    match Errno::from_raw(fault.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT => FileError::NotFound(path_text()),
        Errno::ENOTDIR => wrong(path, "a folder"),
        Errno::EISDIR => wrong(path, "a file"),
        Errno::EEXIST | Errno::ENOTEMPTY => FileError::Exists(path_text()),
        Errno::ELOOP => outside(path, "a link where none was a moment ago"),
        Errno::ENAMETOOLONG => outside(path, "a name is too long"),
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => FileError::Full(format!("{path}: {fault}")),
        Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::EINVAL | Errno::EBUSY | Errno::EXDEV => {
            FileError::Denied(format!("{path}: {fault}"))
        }
        _ => FileError::Unreachable(fault),
    }
}
