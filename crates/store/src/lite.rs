//! What is special about the embedded database: its file and settings, the lock that keeps a second process out, and
//! the checkpoints that keep its log short without delaying commits. Knows no table.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ports::StoreError;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::Notify;

use crate::db::{Args, Db, Kind, Sql};

/// Name of the database in its folder.
pub(crate) const FILE: &str = "headworks.db";
/// Name of the lock file beside it; it says who holds the lock.
pub(crate) const LOCK: &str = "lock";

/// The largest statement set is 7 sizes × 27 tables for writing; readers use far fewer.
const STATEMENTS_CACHED: usize = 256;
/// Longest wait for another connection's lock; only a checkpoint that restarts the log ever holds one this long.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Pages kept by the writer: the hot ends of all indexes for millions of jobs (KiB, negative by SQLite's convention).
const WRITER_CACHE: &str = "-65536";
/// Pages kept by each reader.
const READER_CACHE: &str = "-16384";
/// Readers see the file through the page cache without copying, up to this many bytes (256 MiB).
const READER_MAP: &str = "268435456";
/// Rows that wait between the database's thread and ours: about 1 KiB each, documents that a snapshot gathers.
const ROWS_BUFFERED: usize = 2_048;
/// Longest lock text that is read back: a process id and a name.
const LOCK_TEXT_BYTES_MAX: u64 = 200;
/// How long the folder's lock is tried for, and between two tries. Starting a process takes milliseconds, on a loaded
/// machine some hundred.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(20);

/// Pages of 4 KiB written between two checkpoints: the log stays near 64 MiB under full load and is copied in the
/// background, never inside a commit.
pub(crate) const PAGES_PER_CHECKPOINT: u64 = 16_384;
/// What a commit writes: the last pages of some tables and indexes, and four records to a page beyond them. Counted on
/// batches of one and of 64 submissions: 20 and 120 pages; each index that a submission enters adds one.
const fn pages_of(records: usize) -> u64 {
    20 + records as u64 / 4
}

fn options(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .busy_timeout(BUSY_WAIT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .pragma("wal_autocheckpoint", "0")
        .pragma("temp_store", "MEMORY")
        .row_buffer_size(ROWS_BUFFERED)
        .disable_statement_logging()
}

pub(crate) fn writer(folder: &Path) -> Db {
    Db::Lite(Box::new(options(folder).pragma("cache_size", WRITER_CACHE)))
}

pub(crate) fn reader(folder: &Path) -> SqliteConnectOptions {
    options(folder).pragma("cache_size", READER_CACHE).pragma("mmap_size", READER_MAP).pragma("query_only", "1")
}

/// The embedded database's own process-wide things.
pub(crate) struct Lite {
    lock: File,
    /// Whether the lease was taken through this handle. What another holder left is void: the lock proves it dead.
    pub(crate) taken: AtomicBool,
    pages: AtomicU64,
    due: Arc<Notify>,
    checkpoints: tokio::task::JoinHandle<()>,
}

/// Tries again for a while: a process that a killed server was just starting holds its lock until it has become
/// what it was started as.
fn try_lock_for(file: &File, most: Duration) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < most => std::thread::park_timeout(LOCK_LOOK),
            taken => return taken,
        }
    }
}

impl Lite {
    /// Takes the lock of a folder, or says who has it. Blocks for [`LOCK_WAIT`] at most.
    pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
        let path = folder.join(LOCK);
        let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unavailable)?;
        match try_lock_for(&file, LOCK_WAIT) {
            Ok(()) => {
                write_holder(&mut file, "starting").map_err(unavailable)?;
                Ok(file)
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // A holder that is just writing its name leaves the text short; the refusal stands either way.
                let _read = file.take(LOCK_TEXT_BYTES_MAX).read_to_string(&mut text);
                Err(StoreError::Unavailable(format!(
                    "{} is in use by another server ({})",
                    folder.display(),
                    text.trim()
                )))
            }
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    pub(crate) fn new(lock: File, db: Db, writer: crate::store::Writer) -> Lite {
        let due = Arc::new(Notify::new());
        let checkpoints = tokio::spawn(checkpoint_when_due(due.clone(), db, writer));
        Lite { lock, taken: AtomicBool::new(false), pages: AtomicU64::new(0), due, checkpoints }
    }

    /// Writes into the lock file who holds it, for people and for a refused second server.
    pub(crate) fn name_holder(&self, holder: &str) {
        if let Err(error) = write_holder(&mut &self.lock, holder) {
            tracing::warn!(%error, "the lock file does not name the holder");
        }
    }

    /// Counts what a commit wrote and wakes the checkpoint task now and then.
    pub(crate) fn committed(&self, records: usize) {
        let pages = pages_of(records);
        let before = self.pages.fetch_add(pages, Ordering::Relaxed);
        if before / PAGES_PER_CHECKPOINT != (before + pages) / PAGES_PER_CHECKPOINT {
            self.due.notify_one();
        }
    }
}

impl Drop for Lite {
    fn drop(&mut self) {
        self.checkpoints.abort();
    }
}

fn write_holder<F: Write + Seek>(file: &mut F, holder: &str) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    // Padded, so that a shorter text leaves nothing of a longer one.
    file.write_all(format!("{:<80}\n", format!("pid {}, {holder}", std::process::id())).as_bytes())
}

/// Copies the log into the database file from a connection of its own, beside the commits; then, with the writer
/// held for the few frames that came meanwhile, once more, so that the next commit starts the log anew.
async fn checkpoint_when_due(due: Arc<Notify>, db: Db, writer: crate::store::Writer) {
    let mut own = None;
    loop {
        due.notified().await;
        if let Err(error) = checkpoint(&mut own, &db, &writer).await {
            tracing::warn!(%error, "a checkpoint of the database failed; its log grows until one succeeds");
            own = None;
        }
    }
}

async fn checkpoint(own: &mut Option<crate::db::Conn>, db: &Db, writer: &crate::store::Writer) -> Sql<()> {
    const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
    let conn = match own {
        Some(conn) => conn,
        None => own.insert(db.connect().await?),
    };
    conn.fetch(PASSIVE, Args::new(Kind::Lite)).await?;
    let mut slot = writer.lock().await;
    let Some(mut conn) = slot.take() else { return Ok(()) };
    conn.fetch(PASSIVE, Args::new(Kind::Lite)).await?;
    *slot = Some(conn);
    Ok(())
}
