//! A work folder at the far end of an SSH connection. SFTP follows links by itself, so the server is asked first where a path really
//! leads, and what leads out is refused. Between the question and the deed a job of the same account could put a link there: SFTP
//! has no way to prevent that; what it reaches so is what the account may reach anyhow.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use model::ContentDigest;
use ports::files::FILE_PIECE_MAX;
use ports::{Differences, DifferencesSent, Entry, EntryKind, FileError, Files};
use tokio::io::AsyncReadExt;

use crate::cli::runner::SEARCH_PATH;
use crate::files::rsync::Known;
use crate::files::sftp_client::{Client, Fault};
use crate::files::sftp_wire::{self as wire, Attributes};
use crate::files::{outside, parts, wrong};
use crate::ssh::Ssh;
use crate::states::NOT_GRANTED;

/// Bytes in one request: every server takes 32 KiB. Those of a piece are under way together.
const REQUEST_BYTES: usize = 32 << 10;
/// What a program says that does not become an SFTP server, and how long it may take to.
const SAID_BYTES_MAX: u64 = 1 << 10;
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// How an SFTP server is come by.
pub enum Line {
    /// The one of a login node.
    Ssh(Arc<Ssh>),
    /// A program that speaks as one, here or at a far end: with the rights of another user. Folders are made for him alone.
    Program { through: Option<Arc<Ssh>>, words: Vec<String> },
}

/// Files below one folder of a login node.
pub struct SftpFiles {
    pub(super) line: Line,
    /// One copy by a shell, or one rsync, at a time.
    pub(super) copying: tokio::sync::Mutex<()>,
    /// What rsync can do over a connection, once known.
    pub(super) rsync: tokio::sync::Mutex<Option<Known>>,
    /// Absolute, without a slash at its end.
    root: String,
    session: tokio::sync::Mutex<Option<Session>>,
}

/// A conversation, and where the root really is.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    root: Arc<[u8]>,
}

/// What to do with a link in the last place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
}

impl SftpFiles {
    /// Below `root`, an absolute path at the far end; it is made with the first file that is written where it is missing.
    pub fn new(ssh: Arc<Ssh>, root: &str) -> SftpFiles {
        SftpFiles::by(Line::Ssh(ssh), root)
    }

    /// The same by any line.
    pub fn by(line: Line, root: &str) -> SftpFiles {
        let root = root.trim_end_matches('/').to_owned();
        let (session, copying, rsync) =
            (tokio::sync::Mutex::default(), tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        SftpFiles { line, root, session, copying, rsync }
    }

    /// The conversation, begun anew where it is over.
    pub(super) async fn session(&self, make: bool) -> Result<Session, FileError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref()
            && session.client.stands()
        {
            return Ok(session.clone());
        }
        *kept = None;
        let client = self.line.open().await?;
        if make {
            make_absolute(&client, &self.root).await?;
        }
        let root = client.real_path(self.root.as_bytes()).await.map_err(|fault| at(&self.root, fault))?;
        // Servers give the path of what is missing, too.
        let found = client.attributes(&root).await.map_err(|fault| at(&self.root, fault))?;
        if found.kind() != EntryKind::Folder {
            return Err(wrong(&self.root, "a folder"));
        }
        let session = Session { client: Arc::new(client), root: root.into() };
        *kept = Some(session.clone());
        Ok(session)
    }
}

impl Line {
    async fn open(&self) -> Result<Client, FileError> {
        let (through, words) = match self {
            Line::Ssh(ssh) => {
                let (process, into, from) = ssh.sftp().await.map_err(FileError::Unreachable)?;
                return Client::start(Some(process), into, from).await.map_err(FileError::Unreachable);
            }
            Line::Program { through, words } => (through, words),
        };
        let mut command = match through {
            Some(ssh) => ssh.run(words).await.map_err(FileError::Unreachable)?,
            None => {
                let mut command = tokio::process::Command::new(words.first().map_or("", String::as_str));
                command.args(words.get(1..).unwrap_or_default()).env_clear().env("PATH", SEARCH_PATH).current_dir("/");
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().map_err(FileError::Unreachable)?;
        let gone = || FileError::Unreachable(io::ErrorKind::BrokenPipe.into());
        let (Some(into), Some(from)) = (process.stdin.take(), process.stdout.take()) else { return Err(gone()) };
        let stderr = process.stderr.take();
        match Client::start(Some(process), into, from).await {
            Ok(client) => Ok(client.closed_to_others()),
            Err(fault) => {
                let mut said = String::new();
                if let Some(stderr) = stderr {
                    let mut stderr = stderr.take(SAID_BYTES_MAX);
                    let _ = tokio::time::timeout(SAID_WITHIN, stderr.read_to_string(&mut said)).await;
                }
                match said.trim() {
                    "" => Err(FileError::Unreachable(fault)),
                    said => Err(FileError::Denied(format!("{NOT_GRANTED} that user (`{}`): {said}", words.join(" ")))),
                }
            }
        }
    }
}

/// Makes an absolute folder and those above it.
async fn make_absolute(client: &Client, path: &str) -> Result<(), FileError> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    for end in ends {
        let part = &path[..end];
        match client.make_folder(part.as_bytes()).await {
            Ok(()) => {}
            Err(fault) => match client.real_path(part.as_bytes()).await {
                Ok(_) if matches!(fault, Fault::Status(..)) => {}
                _ => return Err(at(part, fault)),
            },
        }
    }
    Ok(())
}

impl Files for SftpFiles {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        Box::pin(async move {
            let session = self.session(false).await?;
            let place = session.place(path, Last::Keep).await?;
            let found = session.client.attributes(&place).await.map_err(|fault| at(path, fault))?;
            Ok(entry(path.to_owned(), &found))
        })
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        Box::pin(async move {
            let session = self.session(false).await?;
            let (place, _) = session.found(path, EntryKind::Folder).await?;
            let mut entries = session.names(&place).await.map_err(|fault| at(path, fault))?;
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(entries
                .into_iter()
                .map(|(name, found)| entry(String::from_utf8_lossy(&name).into_owned(), &found))
                .collect())
        })
    }

    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async move {
            let session = self.session(false).await?;
            session.read(path, offset, max.min(FILE_PIECE_MAX)).await
        })
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move { self.session(true).await?.write(path, offset, &bytes, mode).await })
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move { self.session(true).await?.make_folders(path, &parts(path)?).await })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let session = self.session(false).await?;
            let (old, new) = futures::try_join!(session.place(from, Last::Keep), session.place(to, Last::Keep))?;
            if *old == *session.root || *new == *session.root {
                return Err(FileError::Denied("the work folder itself stays where it is".to_owned()));
            }
            session.client.attributes(&old).await.map_err(|fault| at(from, fault))?;
            session.client.rename(&old, &new).await.map_err(|fault| at(to, fault))
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str, mode: u32) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(self.copy_there(from, to, mode))
    }

    fn differences(&self) -> BoxFuture<'_, Result<Option<Differences>, FileError>> {
        Box::pin(self.rsync_there())
    }

    fn send_differences<'a>(
        &'a self,
        content: &'a Path,
        digest: ContentDigest,
        basis: &'a str,
        to: &'a str,
    ) -> BoxFuture<'a, Result<DifferencesSent, FileError>> {
        Box::pin(self.send_by_rsync(content, digest, basis, to))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let session = self.session(false).await?;
            let place = match session.place(path, Last::Keep).await {
                Err(FileError::NotFound(_)) => return Ok(()),
                place => place?,
            };
            if *place == *session.root {
                return Err(FileError::Denied("the work folder itself stays".to_owned()));
            }
            session.remove_below(place, None).await.map_err(|fault| at(path, fault))
        })
    }
}

impl Session {
    /// Where a path really is: the folder of its last part resolved and within the root; that part itself, too, where it is a link
    /// and `last` says so.
    async fn place(&self, path: &str, last: Last) -> Result<Vec<u8>, FileError> {
        let parts = parts(path)?;
        let Some((name, above)) = parts.split_last() else { return Ok(self.root.to_vec()) };
        let mut place = if above.is_empty() { self.root.to_vec() } else { self.real(path, &above.join("/")).await? };
        place.push(b'/');
        place.extend_from_slice(name.as_bytes());
        if last == Last::Keep {
            return Ok(place);
        }
        match self.client.attributes(&place).await {
            Ok(found) if found.kind() == EntryKind::Link => self.real(path, &parts.join("/")).await,
            Ok(_) | Err(Fault::Status(wire::NO_SUCH_FILE, _)) => Ok(place),
            Err(fault) => Err(at(path, fault)),
        }
    }

    /// The real path of something below the root that is there, or an error when it leads out.
    async fn real(&self, path: &str, below: &str) -> Result<Vec<u8>, FileError> {
        let asked = [&*self.root, b"/", below.as_bytes()].concat();
        let real = match self.client.real_path(&asked).await {
            Ok(real) => real,
            // One word of the server's stands for what is missing, for a file on the way, and for a link that leads to itself.
            Err(Fault::Status(..)) => return Err(self.why_not_real(path, below).await),
            Err(fault) => return Err(at(path, fault)),
        };
        let inside = real.strip_prefix(&*self.root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if inside { Ok(real) } else { Err(outside(path, "a link leads out of the work folder")) }
    }

    async fn why_not_real(&self, path: &str, below: &str) -> FileError {
        let mut asked = self.root.to_vec();
        for part in below.split('/') {
            asked.extend([b"/", part.as_bytes()].concat());
            match self.client.attributes(&asked).await.map(|found| found.kind()) {
                Ok(EntryKind::Folder) => {}
                Ok(EntryKind::Link) => match self.client.real_path(&asked).await {
                    Ok(real) => asked = real,
                    Err(_) => return outside(path, "a link that leads nowhere"),
                },
                Ok(_) => return wrong(path, "a folder"),
                Err(fault) => return at(path, fault),
            }
        }
        FileError::NotFound(path.to_owned())
    }

    /// The place of something that must be a file or a folder.
    pub(super) async fn found(&self, path: &str, wanted: EntryKind) -> Result<(Vec<u8>, Attributes), FileError> {
        let place = self.place(path, Last::Follow).await?;
        let found = self.client.attributes(&place).await.map_err(|fault| at(path, fault))?;
        match (found.kind() == wanted, wanted) {
            (true, _) => Ok((place, found)),
            (false, EntryKind::Folder) => Err(wrong(path, "a folder")),
            (false, _) => Err(wrong(path, "a file")),
        }
    }

    async fn read(&self, path: &str, offset: u64, max: usize) -> Result<Vec<u8>, FileError> {
        let (place, _) = self.found(path, EntryKind::File).await?;
        let handle = self.client.open(&place, wire::FOR_READ, 0).await.map_err(|fault| at(path, fault))?;
        let read = self.read_open(&handle, offset, max).await;
        let _ = self.client.close(&handle).await;
        read.map_err(|fault| at(path, fault))
    }

    /// Many requests at once. A file may grow meanwhile, so what stands behind a short answer is thrown away and asked for again.
    async fn read_open(&self, handle: &[u8], offset: u64, max: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(max);
        while bytes.len() < max && offset.checked_add(max as u64).is_some_and(|end| i64::try_from(end).is_ok()) {
            let from = bytes.len();
            let mut requests: FuturesOrdered<_> = (from..max)
                .step_by(REQUEST_BYTES)
                .map(|begin| {
                    let length = (max - begin).min(REQUEST_BYTES);
                    async move { (length, self.client.read(handle, offset + begin as u64, length as u32).await) }
                })
                .collect();
            let mut whole = true;
            while let Some((length, piece)) = requests.next().await {
                let piece = piece?;
                if whole {
                    whole = piece.len() == length;
                    bytes.extend(piece);
                }
            }
            if bytes.len() == from {
                break;
            }
        }
        Ok(bytes)
    }

    pub(super) async fn write(&self, path: &str, offset: u64, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let handle = self.open_making_folders(path, offset, mode).await?;
        // A file that was there has the mode it had.
        let written = match offset {
            0 => match self.client.set_mode(&handle, mode & 0o777).await {
                Ok(()) => self.write_open(&handle, offset, bytes).await,
                refused => refused,
            },
            _ => self.write_open(&handle, offset, bytes).await,
        };
        let closed = self.client.close(&handle).await;
        match written.and(closed) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.not_written(path, bytes.len(), fault).await),
        }
    }

    /// Opens the file that a path names to be written from its start, and gives it this mode.
    pub(super) async fn open_anew(&self, path: &str, mode: u32) -> Result<Vec<u8>, FileError> {
        let handle = self.open_making_folders(path, 0, mode).await?;
        match self.client.set_mode(&handle, mode & 0o777).await {
            Ok(()) => Ok(handle),
            Err(fault) => {
                let _ = self.client.close(&handle).await;
                Err(at(path, fault))
            }
        }
    }

    async fn open_making_folders(&self, path: &str, offset: u64, mode: u32) -> Result<Vec<u8>, FileError> {
        match self.open_to_write(path, offset, mode).await {
            // Where its folder is missing: a second try, once that is made.
            Err(FileError::NotFound(_)) => {
                let parts = parts(path)?;
                self.make_folders(path, &parts[..parts.len().saturating_sub(1)]).await?;
                self.open_to_write(path, offset, mode).await
            }
            opened => opened,
        }
    }

    /// Opens the file that a path names, making it where it is missing.
    async fn open_to_write(&self, path: &str, offset: u64, mode: u32) -> Result<Vec<u8>, FileError> {
        let place = self.place(path, Last::Follow).await?;
        match self.client.attributes(&place).await {
            Ok(found) if found.kind() != EntryKind::File => return Err(wrong(path, "a file")),
            Ok(_) | Err(Fault::Status(wire::NO_SUCH_FILE, _)) => {}
            Err(fault) => return Err(at(path, fault)),
        }
        let how = wire::FOR_WRITE | wire::CREATE | if offset == 0 { wire::TRUNCATE } else { 0 };
        match self.client.open(&place, how, mode & 0o777).await {
            Ok(handle) => Ok(handle),
            Err(fault) => Err(self.not_written(path, 1, fault).await),
        }
    }

    async fn write_open(&self, handle: &[u8], offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let requests = bytes.chunks(REQUEST_BYTES).enumerate().map(|(number, piece)| {
            let begin = offset.saturating_add((number * REQUEST_BYTES) as u64);
            self.client.write(handle, begin, piece)
        });
        futures::future::try_join_all(requests).await.map(|_| ())
    }

    /// The protocol has no word for a full disk: "failure", and then no room, is one.
    pub(super) async fn not_written(&self, path: &str, bytes: usize, fault: Fault) -> FileError {
        if matches!(fault, Fault::Status(code, _) if code > wire::PERMISSION_DENIED)
            && self.client.room(&self.root).await.is_some_and(|room| room < bytes as u64)
        {
            return FileError::Full(path.to_owned());
        }
        at(path, fault)
    }

    async fn make_folders(&self, path: &str, parts: &[&str]) -> Result<(), FileError> {
        for end in 1..=parts.len() {
            let part = parts[..end].join("/");
            let place = self.place(&part, Last::Follow).await?;
            match self.client.attributes(&place).await {
                Ok(found) if found.kind() == EntryKind::Folder => {}
                Ok(_) => return Err(wrong(path, "a folder")),
                Err(Fault::Status(wire::NO_SUCH_FILE, _)) => {
                    if let Err(fault) = self.client.make_folder(&place).await {
                        // Somebody else was quicker.
                        let there = self.client.attributes(&place).await.map(|found| found.kind());
                        if !matches!(there, Ok(EntryKind::Folder)) {
                            return Err(at(path, fault));
                        }
                    }
                }
                Err(fault) => return Err(at(path, fault)),
            }
        }
        Ok(())
    }

    /// Names and attributes in a folder.
    async fn names(&self, place: &[u8]) -> Result<Vec<(Vec<u8>, Attributes)>, Fault> {
        let handle = self.client.open_folder(place).await?;
        let mut entries = Vec::new();
        let read = loop {
            match self.client.read_folder(&handle).await {
                Ok(some) if some.is_empty() => break Ok(()),
                Ok(some) => entries.extend(some),
                Err(fault) => break Err(fault),
            }
        };
        let _ = self.client.close(&handle).await;
        entries.retain(|(name, _)| name != b"." && name != b"..");
        read.map(|()| entries)
    }

    /// Removes a file, a link, or a folder with all below it. What vanishes meanwhile is no fault.
    fn remove_below(&self, place: Vec<u8>, kind: Option<EntryKind>) -> BoxFuture<'_, Result<(), Fault>> {
        let gone = |done: Result<(), Fault>| match done {
            Err(Fault::Status(wire::NO_SUCH_FILE, _)) => Ok(()),
            done => done,
        };
        Box::pin(async move {
            let kind = match kind {
                Some(kind) => kind,
                None => match self.client.attributes(&place).await {
                    Err(Fault::Status(wire::NO_SUCH_FILE, _)) => return Ok(()),
                    found => found?.kind(),
                },
            };
            if kind != EntryKind::Folder {
                return gone(self.client.remove(&place).await);
            }
            for (name, found) in self.names(&place).await? {
                self.remove_below([&place, &b"/"[..], &name].concat(), Some(found.kind())).await?;
            }
            gone(self.client.remove_folder(&place).await)
        })
    }
}

fn entry(name: String, found: &Attributes) -> Entry {
    let kind = found.kind();
    let size = if kind == EntryKind::File { found.size } else { 0 };
    Entry { name, kind, size, modified_secs: found.modified.into(), mode: found.mode & 0o777 }
}

/// What went wrong at a path.
pub(super) fn at(path: &str, fault: Fault) -> FileError {
    match fault {
        Fault::Status(wire::NO_SUCH_FILE, _) => FileError::NotFound(path.to_owned()),
        Fault::Status(wire::NO_CONNECTION | wire::CONNECTION_LOST, words) => {
            FileError::Unreachable(io::Error::new(io::ErrorKind::NotConnected, words))
        }
        Fault::Status(_, words) => FileError::Denied(format!("{path}: {words}")),
        Fault::Line(fault) => FileError::Unreachable(fault),
    }
}
