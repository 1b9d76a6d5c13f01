//! One conversation with an SFTP server: many requests under way at once, answers by their number. Ends as a whole: after a fault
//! of the line every request has failed. Knows no work folder.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use crate::files::sftp_copy::COPY_DATA;
use crate::files::sftp_wire::{self as wire, Attributes, Reader, Writer};

/// Longest wait for one answer: a line counts as dead after 15 s, a disk may be slow.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Packets waiting to leave: two pieces of [`ports::files::FILE_PIECE_MAX`] in parts of 32 KiB.
const OUTBOX: usize = 64;

/// Why a request came to nothing.
#[derive(Debug)]
pub enum Fault {
    /// The server says no: code and words.
    Status(u32, String),
    /// The line is broken, or what came over it makes no sense.
    Line(io::Error),
}

/// An answer: its kind, and what follows the number.
struct Packet {
    kind: u8,
    body: Vec<u8>,
}

type Waiting = Arc<Mutex<Option<HashMap<u32, oneshot::Sender<Packet>>>>>;

pub struct Client {
    outbox: mpsc::Sender<Vec<u8>>,
    /// `None` after the end.
    waiting: Waiting,
    next: AtomicU32,
    extensions: Vec<String>,
    /// Of folders that are made.
    folder_mode: u32,
    /// Ends with this.
    _process: Option<Child>,
}

impl Client {
    /// Greets the server at the far end of two streams. `process` is ended with the conversation.
    ///
    /// # Errors
    /// When it does not greet back.
    pub async fn start(
        process: Option<Child>,
        mut into: impl AsyncWrite + Send + Unpin + 'static,
        mut from: impl AsyncRead + Send + Unpin + 'static,
    ) -> io::Result<Client> {
        // The number of a greeting is the version.
        into.write_all(&Writer::new(wire::INIT, wire::PROTOCOL).done()).await?;
        into.flush().await?;
        let greeting = tokio::time::timeout(ANSWER_TIMEOUT, packet(&mut from)).await??;
        if greeting.1.kind != wire::VERSION || greeting.0 < wire::PROTOCOL {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no SFTP server answers"));
        }
        let mut reader = Reader(&greeting.1.body);
        let mut extensions = Vec::new();
        while let Some((name, _)) = reader.text().zip(reader.text()) {
            extensions.push(String::from_utf8_lossy(name).into_owned());
        }
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (outbox, letters) = mpsc::channel(OUTBOX);
        tokio::spawn(send(into, letters, Arc::clone(&waiting)));
        tokio::spawn(receive(from, Arc::clone(&waiting)));
        Ok(Client { outbox, waiting, next: AtomicU32::new(1), extensions, folder_mode: 0o755, _process: process })
    }

    /// Folders that it makes are for the user alone.
    #[must_use]
    pub fn closed_to_others(self) -> Client {
        Client { folder_mode: 0o700, ..self }
    }

    pub fn stands(&self) -> bool {
        lock(&self.waiting).is_some()
    }

    pub fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|name| name == extension)
    }

    async fn ask(&self, kind: u8, fill: impl FnOnce(Writer) -> Writer) -> Result<Packet, Fault> {
        let broken = || Fault::Line(io::ErrorKind::BrokenPipe.into());
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiting) => _ = waiting.insert(number, answer),
            None => return Err(broken()),
        }
        self.outbox.send(fill(Writer::new(kind, number)).done()).await.map_err(|_| broken())?;
        match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
            Ok(answer) => answer.map_err(|_| broken()),
            Err(_) => {
                // Too late for everybody: the line is given up.
                *lock(&self.waiting) = None;
                Err(Fault::Line(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// An answer that is only a status.
    async fn done(&self, kind: u8, fill: impl FnOnce(Writer) -> Writer) -> Result<(), Fault> {
        let packet = self.ask(kind, fill).await?;
        match status(&packet) {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }

    /// An answer of the kind that was hoped for, or the status instead.
    async fn want<T>(
        &self,
        kind: u8,
        wanted: u8,
        fill: impl FnOnce(Writer) -> Writer,
        read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let packet = self.ask(kind, fill).await?;
        if packet.kind == wanted {
            return read(&mut Reader(&packet.body)).ok_or_else(senseless);
        }
        Err(status(&packet).unwrap_or_else(senseless))
    }

    /// The real path of something; only the last part may be missing.
    pub async fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        let name = |reader: &mut Reader<'_>| {
            reader.u32()?;
            reader.text().map(<[u8]>::to_vec)
        };
        self.want(wire::REALPATH, wire::NAME, |packet| packet.text(path), name).await
    }

    pub async fn attributes(&self, path: &[u8]) -> Result<Attributes, Fault> {
        self.want(wire::LSTAT, wire::ATTRS, |packet| packet.text(path), |reader| reader.attributes()).await
    }

    pub async fn open(&self, path: &[u8], how: u32, mode: u32) -> Result<Vec<u8>, Fault> {
        let fill = |packet: Writer| packet.text(path).u32(how).mode(mode);
        self.want(wire::OPEN, wire::HANDLE, fill, handle).await
    }

    pub async fn open_to_read(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        self.open(path, wire::FOR_READ, 0).await
    }

    /// Has the server copy `length` bytes, which must be there, from one open file to another.
    pub async fn copy_data(&self, from: &[u8], at: u64, length: u64, to: &[u8], there: u64) -> Result<(), Fault> {
        let fill =
            |packet: Writer| packet.text(COPY_DATA.as_bytes()).text(from).u64(at).u64(length).text(to).u64(there);
        self.done(wire::EXTENDED, fill).await
    }

    /// Sets the permission bits of an open file.
    pub async fn set_mode(&self, handle: &[u8], mode: u32) -> Result<(), Fault> {
        self.done(wire::FSETSTAT, |packet| packet.text(handle).mode(mode)).await
    }

    pub async fn open_folder(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        self.want(wire::OPENDIR, wire::HANDLE, |packet| packet.text(path), handle).await
    }

    pub async fn close(&self, handle: &[u8]) -> Result<(), Fault> {
        self.done(wire::CLOSE, |packet| packet.text(handle)).await
    }

    /// Up to `length` bytes; none at the end of the file.
    pub async fn read(&self, handle: &[u8], offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        let fill = |packet: Writer| packet.text(handle).u64(offset).u32(length);
        let bytes = |reader: &mut Reader<'_>| reader.text().map(<[u8]>::to_vec);
        match self.want(wire::READ, wire::DATA, fill, bytes).await {
            Err(Fault::Status(wire::END, _)) => Ok(Vec::new()),
            read => read,
        }
    }

    pub async fn write(&self, handle: &[u8], offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.done(wire::WRITE, |packet| packet.text(handle).u64(offset).text(bytes)).await
    }

    /// The next names of a folder, with `.` and `..`; none after the last.
    pub async fn read_folder(&self, handle: &[u8]) -> Result<Vec<(Vec<u8>, Attributes)>, Fault> {
        let entries = |reader: &mut Reader<'_>| {
            let mut entries = Vec::new();
            for _ in 0..reader.u32()? {
                let name = reader.text()?.to_vec();
                // The line that `ls -l` would show.
                reader.text()?;
                entries.push((name, reader.attributes()?));
            }
            Some(entries)
        };
        match self.want(wire::READDIR, wire::NAME, |packet| packet.text(handle), entries).await {
            Err(Fault::Status(wire::END, _)) => Ok(Vec::new()),
            read => read,
        }
    }

    pub async fn make_folder(&self, path: &[u8]) -> Result<(), Fault> {
        self.done(wire::MKDIR, |packet| packet.text(path).mode(self.folder_mode)).await
    }

    pub async fn remove(&self, path: &[u8]) -> Result<(), Fault> {
        self.done(wire::REMOVE, |packet| packet.text(path)).await
    }

    pub async fn remove_folder(&self, path: &[u8]) -> Result<(), Fault> {
        self.done(wire::RMDIR, |packet| packet.text(path)).await
    }

    /// Replaces what is there, where the server can do that in one step.
    pub async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        /// Renames as POSIX does.
        const POSIX: &str = "posix-rename@openssh.com";
        if self.has(POSIX) {
            return self.done(wire::EXTENDED, |packet| packet.text(POSIX.as_bytes()).text(from).text(to)).await;
        }
        match self.remove(to).await {
            Ok(()) | Err(Fault::Status(..)) => {}
            Err(fault) => return Err(fault),
        }
        self.done(wire::RENAME, |packet| packet.text(from).text(to)).await
    }

    /// Bytes that the account may still write there; `None` where the server does not say.
    pub async fn room(&self, path: &[u8]) -> Option<u64> {
        const STATVFS: &str = "statvfs@openssh.com";
        if !self.has(STATVFS) {
            return None;
        }
        let free = |reader: &mut Reader<'_>| {
            // f_bsize, f_frsize, f_blocks, f_bfree, f_bavail
            let (_, unit, _, _) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
            Some(reader.u64()?.saturating_mul(unit))
        };
        let fill = |packet: Writer| packet.text(STATVFS.as_bytes()).text(path);
        self.want(wire::EXTENDED, wire::EXTENDED_REPLY, fill, free).await.ok()
    }
}

fn handle(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    reader.text().map(<[u8]>::to_vec)
}

fn senseless() -> Fault {
    Fault::Line(io::Error::new(io::ErrorKind::InvalidData, "an answer that makes no sense"))
}

/// What a status complains of; `None` for `OK`.
fn status(packet: &Packet) -> Option<Fault> {
    if packet.kind != wire::STATUS {
        return Some(senseless());
    }
    let mut reader = Reader(&packet.body);
    match reader.u32() {
        Some(wire::OK) => None,
        Some(code) => Some(Fault::Status(code, String::from_utf8_lossy(reader.text().unwrap_or(b"")).into_owned())),
        None => Some(senseless()),
    }
}

/// One packet and its number.
async fn packet(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u32, Packet)> {
    let length = from.read_u32().await?;
    if !(5..=wire::PACKET_BYTES_MAX).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet of impossible length"));
    }
    let kind = from.read_u8().await?;
    let number = from.read_u32().await?;
    let mut body = vec![0; length as usize - 5];
    from.read_exact(&mut body).await?;
    Ok((number, Packet { kind, body }))
}

async fn send(mut into: impl AsyncWrite + Unpin, mut letters: mpsc::Receiver<Vec<u8>>, waiting: Waiting) {
    while let Some(letter) = letters.recv().await {
        if into.write_all(&letter).await.is_err() || into.flush().await.is_err() {
            break;
        }
    }
    *lock(&waiting) = None;
}

async fn receive(from: impl AsyncRead + Unpin, waiting: Waiting) {
    let mut from = tokio::io::BufReader::with_capacity(64 << 10, from);
    while let Ok((number, answer)) = packet(&mut from).await {
        let asked = match &mut *lock(&waiting) {
            Some(waiting) => waiting.remove(&number),
            None => break,
        };
        if let Some(asked) = asked {
            let _ = asked.send(answer);
        }
    }
    *lock(&waiting) = None;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
