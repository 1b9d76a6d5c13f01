//! Files below the work root of this machine, touched with the rights of the jobs' user only. No path leads out: every folder
//! on the way is opened beneath the root by the kernel's own rule, and what is done is done relative to what was opened.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use futures::FutureExt;
use futures::future::BoxFuture;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use ports::files::{FILE_PIECE_MAX, checked};
use ports::{Entry, EntryKind, FileError, Files};

use crate::config::User;
use crate::logs::LogReader;

/// Permissions of folders that are made here, as of work folders that supervisors make.
const FOLDER_MODE: u32 = 0o750;
const MODE_BITS: u32 = 0o777;

/// The files below one folder, as one user.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    root: PathBuf,
    workers: LogReader,
}

/// A folder on the way, and the last part of a path in it.
struct Place {
    folder: OwnedFd,
    name: String,
}

impl Place {
    /// The thing itself, for calls that take a path: its folder cannot be exchanged any more.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{}", self.folder.as_raw_fd(), self.name))
    }
}

impl LocalFiles {
    /// `user`: whose rights are taken on; `None` for those of this process.
    ///
    /// # Errors
    /// When threads with that identity cannot be made.
    pub fn start(root: PathBuf, user: Option<&User>) -> io::Result<LocalFiles> {
        Ok(LocalFiles { root, workers: LogReader::start(user)? })
    }

    /// Runs `what` as the jobs' user and tells its fault in the port's words.
    fn run<'a, T: Send + 'static>(
        &'a self,
        path: &'a str,
        what: impl FnOnce(&Beneath<'_>, &str) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, FileError>> {
        async move {
            let owned = checked(path)?.to_owned();
            let root = self.root.clone();
            let done = self.workers.run(move || what(&Beneath::open(&root)?, &owned)).await;
            done.map_err(|error| told(error, path))
        }
        .boxed()
    }
}

/// The opened root.
struct Beneath<'a> {
    root: &'a Path,
    opened: OwnedFd,
}

impl Beneath<'_> {
    fn open(root: &Path) -> io::Result<Beneath<'_>> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_PATH).open(root)?;
        Ok(Beneath { root, opened: file.into() })
    }

    /// Opens what is at `path`, through links only as far as they stay beneath the root.
    fn at(&self, path: &str, flags: OFlag) -> io::Result<OwnedFd> {
        let inner = if path.is_empty() { "." } else { path };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match openat2(&self.opened, inner, how) {
            Err(Errno::EXDEV) => self.through_links(path, flags),
            opened => Ok(opened?),
        }
    }

    /// The kernel takes every absolute link for one that leads out. Whether it does is seen by where the thing that was found
    /// stands; only then is it opened.
    fn through_links(&self, path: &str, flags: OFlag) -> io::Result<OwnedFd> {
        let found = match OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // What is not there may still be looked for outside.
                let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                return self.at(above, OFlag::O_PATH).and(Err(error));
            }
            found => found?,
        };
        let itself = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
        let root = std::fs::read_link(format!("/proc/self/fd/{}", self.opened.as_raw_fd()))?;
        if !std::fs::read_link(&itself)?.starts_with(&root) {
            return Err(Errno::EXDEV.into());
        }
        let opened = nix::fcntl::open(&itself, flags | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
        Ok(opened)
    }

    fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        self.at(path, OFlag::O_PATH | OFlag::O_DIRECTORY)
    }

    fn place(&self, path: &str) -> io::Result<Place> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            // The root itself is not to be replaced or removed.
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Place { folder: self.folder(folder)?, name: name.to_owned() })
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        match self.folder(path) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        if let Some((above, _)) = path.rsplit_once('/') {
            self.make_folder(above)?;
        }
        match std::fs::DirBuilder::new().mode(FOLDER_MODE).create(self.place(path)?.path()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.folder(path).map(drop),
            made => made,
        }
    }

    /// The place for a file to be written, its folders made.
    fn place_to_write(&self, path: &str) -> io::Result<Place> {
        match self.place(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(path.rsplit_once('/').map_or("", |(folder, _)| folder))?;
                self.place(path)
            }
            place => place,
        }
    }

    /// A plain file opened for writing, cut to nothing where `anew`. Neither a link nor a pipe in its place is opened.
    fn to_write(&self, path: &str, anew: bool, mode: u32) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(mode & MODE_BITS);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
        let file = options.open(self.place_to_write(path)?.path())?;
        if !file.metadata()?.is_file() {
            return Err(Errno::EINVAL.into());
        }
        if anew {
            file.set_len(0)?;
            // What the mask of this process took away of it, and what an older file had.
            file.set_permissions(Permissions::from_mode(mode & MODE_BITS))?;
        }
        Ok(file)
    }

    fn to_read(&self, path: &str) -> io::Result<File> {
        let file = File::from(self.at(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?);
        let found = file.metadata()?;
        if found.is_dir() {
            return Err(Errno::EISDIR.into());
        }
        if !found.is_file() {
            return Err(Errno::EINVAL.into());
        }
        Ok(file)
    }
}

fn entry(name: String, found: &std::fs::Metadata) -> Entry {
    let kind = match found.file_type() {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Folder,
        kind if kind.is_symlink() => EntryKind::Link,
        _ => EntryKind::Other,
    };
    Entry {
        name,
        kind,
        size: if kind == EntryKind::File { found.len() } else { 0 },
        modified_secs: found.mtime(),
        mode: found.mode() & MODE_BITS,
    }
}

fn list(beneath: &Beneath<'_>, path: &str) -> io::Result<Vec<Entry>> {
    let folder = beneath.at(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let mut all = Vec::new();
    for one in std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))? {
        let one = one?;
        // A name that is no text cannot be asked for, and one that went away meanwhile is not there.
        let (Ok(name), Ok(found)) = (one.file_name().into_string(), one.metadata()) else { continue };
        all.push(entry(name, &found));
    }
    all.sort();
    Ok(all)
}

fn read(beneath: &Beneath<'_>, path: &str, offset: u64, max: usize) -> io::Result<Vec<u8>> {
    let file = beneath.to_read(path)?;
    let left = file.metadata()?.len().saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(max).min(FILE_PIECE_MAX)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn remove(beneath: &Beneath<'_>, path: &str) -> io::Result<()> {
    let place = match beneath.place(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        place => place?,
    };
    let found = match std::fs::symlink_metadata(place.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    // Neither follows a link, wherever below it is.
    if found.is_dir() { std::fs::remove_dir_all(place.path()) } else { std::fs::remove_file(place.path()) }
}

/// The kernel's refusals in the port's words.
fn told(error: io::Error, path: &str) -> FileError {
    let shown: String = path.chars().take(200).collect();
    match (error.raw_os_error(), error.kind()) {
        // A path that would leave the root, and a link where none is followed.
        (Some(libc::EXDEV | libc::ELOOP), _) => FileError::Outside { path: shown, why: "it leads through a link" },
        (Some(libc::EINVAL | libc::ENXIO), _) => FileError::WrongKind { path: shown, wanted: "a plain file" },
        (Some(libc::ENAMETOOLONG), _) => FileError::Outside { path: shown, why: "a name in it is too long" },
        (_, io::ErrorKind::NotFound) => FileError::NotFound(shown),
        (_, io::ErrorKind::NotADirectory) => FileError::WrongKind { path: shown, wanted: "a folder" },
        (_, io::ErrorKind::IsADirectory) => FileError::WrongKind { path: shown, wanted: "a plain file" },
        (_, io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty) => FileError::Exists(shown),
        (_, io::ErrorKind::PermissionDenied) => FileError::Denied(format!("{shown}: {error}")),
        (_, io::ErrorKind::ReadOnlyFilesystem) => FileError::Denied(format!("{shown}: {error}")),
        (_, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
            FileError::Full(format!("{shown}: {error}"))
        }
        (Some(libc::ENOSYS), _) => FileError::Denied("this kernel is older than 5.6 and cannot confine paths".into()),
        _ => FileError::Unreachable(error),
    }
}

impl Files for LocalFiles {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        self.run(path, |beneath, path| {
            if path.is_empty() {
                return Ok(entry(String::new(), &File::from(beneath.folder("")?).metadata()?));
            }
            Ok(entry(path.to_owned(), &std::fs::symlink_metadata(beneath.place(path)?.path())?))
        })
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        self.run(path, list)
    }

    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        self.run(path, move |beneath, path| read(beneath, path, offset, max))
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>> {
        self.run(path, move |beneath, path| beneath.to_write(path, offset == 0, mode)?.write_all_at(&bytes, offset))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        self.run(path, |beneath, path| beneath.make_folder(path))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        async move {
            let to = checked(to)?.to_owned();
            self.run(from, move |beneath, from| {
                let (from, to) = (beneath.place(from)?, beneath.place(&to)?);
                std::fs::rename(from.path(), to.path())
            })
            .await
        }
        .boxed()
    }

    /// By the kernel: without a byte passing through this process, and without any where the file system can share them.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str, mode: u32) -> BoxFuture<'a, Result<(), FileError>> {
        async move {
            let to = checked(to)?.to_owned();
            self.run(from, move |beneath, from| {
                let mut source = beneath.to_read(from)?;
                io::copy(&mut source, &mut beneath.to_write(&to, true, mode)?).map(drop)
            })
            .await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        self.run(path, remove)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Stage {
        files: LocalFiles,
        outside: PathBuf,
        root: PathBuf,
        _folder: tempfile::TempDir,
    }

    fn stage() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), "secret").unwrap();
        let files = LocalFiles::start(root.clone(), None).unwrap();
        Stage { files, outside, root, _folder: folder }
    }

    #[tokio::test]
    async fn the_ports_suite_passes() {
        let Stage { files, outside, root, _folder } = stage();
        std::fs::remove_file(outside.join("secret")).unwrap();
        ports::files_conformance::files(std::sync::Arc::new(files), &root, &outside).await;
    }

    #[tokio::test]
    async fn files_are_written_read_copied_moved_and_removed() {
        let Stage { files, root, _folder, .. } = stage();
        let odd = "a/$(touch x); 'q' \"d\" \\ 日本🎉\nnew";
        files.write(odd, 0, b"hello ".to_vec(), 0o640).await.unwrap();
        files.write(odd, 6, b"world".to_vec(), 0o640).await.unwrap();
        assert_eq!(files.read(odd, 0, 100).await.unwrap(), b"hello world");
        assert_eq!(files.read(odd, 6, 3).await.unwrap(), b"wor");
        assert!(files.read(odd, 60, 3).await.unwrap().is_empty());
        let found = files.stat(odd).await.unwrap();
        assert_eq!((found.kind, found.size, found.mode), (EntryKind::File, 11, 0o640));
        files.copy(odd, "b/c/copy", 0o755).await.unwrap();
        assert_eq!(std::fs::read(root.join("b/c/copy")).unwrap(), b"hello world");
        assert_eq!(files.stat("b/c/copy").await.unwrap().mode, 0o755);
        files.rename("b/c/copy", "d").await.unwrap();
        files.make_folder("b/c").await.unwrap();
        let names: Vec<(String, EntryKind)> =
            files.list("").await.unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        let expected = [("a", EntryKind::Folder), ("b", EntryKind::Folder), ("d", EntryKind::File)];
        assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
        // From the start again: nothing of the longer file is left.
        files.write(odd, 0, b"x".to_vec(), 0o600).await.unwrap();
        assert_eq!(files.read(odd, 0, 100).await.unwrap(), b"x");
        for path in ["a", "b", "d", "nothing/at/all"] {
            files.remove(path).await.unwrap();
        }
        assert!(files.list("").await.unwrap().is_empty());
        assert!(matches!(files.stat("d").await, Err(FileError::NotFound(_))));
        assert!(matches!(files.read("d/e", 0, 1).await, Err(FileError::NotFound(_))));
    }

    #[tokio::test]
    async fn nothing_leads_out() {
        let Stage { files, outside, root, _folder } = stage();
        symlink(&outside, root.join("out")).unwrap();
        symlink("../outside", root.join("up")).unwrap();
        symlink("/etc/passwd", root.join("passwd")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        std::fs::write(root.join("plain"), "plain").unwrap();
        symlink("plain", root.join("within")).unwrap();
        for path in ["out/secret", "up/secret", "passwd", "magic/etc/passwd"] {
            assert!(matches!(files.read(path, 0, 9).await, Err(FileError::Outside { .. })), "{path}");
        }
        for path in ["out/new", "up/new", "out/a/b", "passwd"] {
            let written = files.write(path, 0, b"x".to_vec(), 0o600).await;
            assert!(matches!(written, Err(FileError::Outside { .. })), "{path}: {written:?}");
        }
        for path in ["../outside/secret", "/etc/passwd", "a/../../outside/secret", "a\0b"] {
            assert!(matches!(files.read(path, 0, 9).await, Err(FileError::Outside { .. })), "{path}");
        }
        assert!(files.list("out").await.is_err() && files.make_folder("out/new").await.is_err());
        assert!(files.rename("plain", "out/plain").await.is_err());
        assert!(files.copy("passwd", "mine", 0o600).await.is_err());
        assert_eq!(files.read("within", 0, 9).await.unwrap(), b"plain");
        assert_eq!(files.stat("passwd").await.unwrap().kind, EntryKind::Link);
        // Links are removed, not what they lead to.
        for path in ["out", "up", "passwd", "magic"] {
            files.remove(path).await.unwrap();
        }
        assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn pipes_are_not_opened() {
        let Stage { files, root, _folder, .. } = stage();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert_eq!(files.stat("pipe").await.unwrap().kind, EntryKind::Other);
        assert!(matches!(files.read("pipe", 0, 9).await, Err(FileError::WrongKind { .. })));
        assert!(files.write("pipe", 0, b"x".to_vec(), 0o600).await.is_err());
        assert!(matches!(files.read("", 0, 9).await, Err(FileError::WrongKind { .. })));
    }
}
