//! The folder of each attempt: the truth that survives the death of server and supervisor alike.
//! Every file appears whole (written under another name, then renamed or linked); the first claim and the first end win.
//!
//! ```text
//! <data>/local/events.sock            datagrams that only wake the connector: the name of an attempt
//! <data>/local/spool/att_…/order.json the plan, and `script`: both there from the first moment of the folder
//!                         /claim      who runs it; locked by the supervisor while it lives
//!                         /started.json, progress.json, ended.json
//!                         /end-request.json
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base::AttemptId;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::User;
use crate::plan::{Claim, Ended, Plan};
use crate::sys;

pub const ORDER: &str = "order.json";
pub const SCRIPT: &str = "script";
pub const CLAIM: &str = "claim";
pub const STARTED: &str = "started.json";
pub const PROGRESS: &str = "progress.json";
pub const ENDED: &str = "ended.json";
pub const END_REQUEST: &str = "end-request.json";
pub const SOCKET: &str = "events.sock";

/// Folders that are being put together or taken apart; swept at the start.
const UNFINISHED: &str = ".tmp-";

/// All attempts of one local cluster.
#[derive(Debug)]
pub struct Spool {
    /// `<data>/local`
    home: PathBuf,
    root: PathBuf,
    next: AtomicU64,
}

impl Spool {
    /// Opens or creates `<data>/local/spool` and sweeps what a crash left half made.
    pub fn open(data_dir: &Path) -> io::Result<Spool> {
        let home = data_dir.join("local");
        let root = home.join("spool");
        fs::create_dir_all(&root)?;
        // Jobs' users pass through to their script and can list nothing.
        for dir in [&home, &root] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
        }
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Spool { home, root, next: AtomicU64::new(0) })
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn dir(&self, attempt: AttemptId) -> PathBuf {
        self.root.join(attempt.to_string())
    }

    /// All attempts there are, in order of their ids.
    pub fn list(&self) -> io::Result<Vec<AttemptId>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<AttemptId>().ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Puts a new attempt down, whole or not at all. `false`: it was there already and nothing changed.
    pub fn create(&self, plan: &Plan, script: &str) -> io::Result<bool> {
        self.place(plan.attempt, |dir| {
            write_new(&dir.join(ORDER), &json(plan)?, 0o600)?;
            let path = dir.join(SCRIPT);
            write_new(&path, script.as_bytes(), 0o700)?;
            match &plan.run_as {
                Some(User { uid, gid, .. }) => std::os::unix::fs::chown(&path, Some(*uid), Some(*gid)),
                None => Ok(()),
            }
        })
    }

    /// Remembers the end of an attempt that never arrived. `false`: something of it is there already.
    pub fn bury(&self, attempt: AttemptId, ended: &Ended) -> io::Result<bool> {
        self.place(attempt, |dir| write_new(&dir.join(ENDED), &json(ended)?, 0o600))
    }

    fn place(&self, attempt: AttemptId, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<bool> {
        let fresh = self.unfinished();
        fs::DirBuilder::new().mode(0o711).create(&fresh)?;
        // Renaming onto a folder that is not empty is refused by the kernel: that is the guard.
        match fill(&fresh).and_then(|()| fs::rename(&fresh, self.dir(attempt))) {
            Ok(()) => Ok(true),
            Err(error) => {
                let _ = fs::remove_dir_all(&fresh);
                let there = matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists);
                if there { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Takes an attempt away, at one stroke for everybody who looks at it meanwhile.
    pub fn remove(&self, attempt: AttemptId) -> io::Result<()> {
        let aside = self.unfinished();
        match fs::rename(self.dir(attempt), &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            // What is left of it, the next start sweeps.
            Ok(()) => fs::remove_dir_all(aside),
        }
    }

    fn unfinished(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!("{UNFINISHED}{}-{number}", std::process::id()))
    }
}

/// A record as it is written to a file.
fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

/// A name that no other writer in this folder uses at the same time.
fn fresh(dir: &Path, name: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    dir.join(format!("{name}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}

/// Writes a record over an older one, whole.
pub fn replace(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let fresh = fresh(dir, name);
    let written = write_new(&fresh, &json(value)?, 0o600).and_then(|()| fs::rename(&fresh, dir.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

/// Room for a record that must be writable later, also on a disk that has filled up meanwhile.
#[derive(Debug)]
pub struct Slot {
    file: File,
    fresh: PathBuf,
    path: PathBuf,
}

/// Bytes a slot takes: a quarter of the block that every file takes anyway. Records fit (300 bytes and a note of up to
/// [`NOTE_MAX`]); a longer one only needs room of its own again.
const SLOT: usize = 1_024;
/// Longest note, in bytes, that a record of an end carries.
pub const NOTE_MAX: usize = 600;

impl Slot {
    /// Takes the room for record `name`. Nothing of it is to be seen yet.
    pub fn reserve(dir: &Path, name: &str) -> io::Result<Slot> {
        let fresh = fresh(dir, name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&[b' '; SLOT])?;
        Ok(Slot { file, fresh, path: dir.join(name) })
    }

    /// Writes the record into the room and shows it under its name, over an older one. May be repeated until it succeeds.
    pub fn fill(&self, value: &impl Serialize) -> io::Result<()> {
        let mut bytes = json(value)?;
        // White space after a record means nothing.
        bytes.resize(bytes.len().max(SLOT), b' ');
        std::os::unix::fs::FileExt::write_all_at(&self.file, &bytes, 0)?;
        fs::rename(&self.fresh, &self.path)
    }
}

/// Writes a record unless there is one already; `false` when there was.
pub fn write_first(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<bool> {
    let fresh = fresh(dir, name);
    let first = write_new(&fresh, &json(value)?, 0o600).and_then(|()| sys::link_exclusively(&fresh, &dir.join(name)));
    let _ = fs::remove_file(&fresh);
    first
}

/// Reads a record; `None` when there is none. An unreadable one is an error: it is never overlooked.
pub fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Option<T>> {
    let mut bytes = Vec::new();
    match File::open(dir.join(name)) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", dir.join(name).display())))
}

/// The right to run an attempt, held as long as this lives.
#[derive(Debug)]
pub struct Claimed(#[allow(dead_code, reason = "held for its lock")] Flock<File>);

/// Takes the claim of an attempt; `None` when somebody has it. The lock is taken before the name appears, so that nobody
/// ever sees a claim whose living owner does not hold it.
pub fn claim(dir: &Path, claim: Claim) -> io::Result<Option<Claimed>> {
    let fresh = fresh(dir, CLAIM);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| io::Error::from(error))?;
    let won = lock.write_all(&json(&claim)?).and_then(|()| sys::link_exclusively(&fresh, &dir.join(CLAIM)));
    let _ = fs::remove_file(&fresh);
    Ok(won?.then_some(Claimed(lock)))
}

/// What can be said of an attempt's runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// Nobody has taken it.
    Nobody,
    Alive(i32),
    /// Whoever took it does not live any more.
    Dead,
}

pub fn runner(dir: &Path) -> io::Result<Runner> {
    let file = match File::open(dir.join(CLAIM)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Runner::Nobody),
        Err(error) => return Err(error),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_free) => Ok(Runner::Dead),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
            let claim: Option<Claim> = read(dir, CLAIM)?;
            Ok(claim.and_then(|c| c.pid).map_or(Runner::Dead, Runner::Alive))
        }
        Err((_, error)) => Err(error.into()),
    }
}
