//! What the agent must not forget: the events that the server has not taken in, numbered and in order, and the attempts it
//! was handed. On disk before anything else is done with them.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::AttemptId;
use model::Observed;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::journal::Journal;
use crate::limits::{
    EVENT_BYTES_MAX, EVENTS_AT_ONCE, EVENTS_BYTES_AT_ONCE, SPOOL_BYTES_BUSY, SPOOL_BYTES_MAX, SPOOL_BYTES_STALE,
};

/// Version of both files.
const FORMAT: u32 = 1;
/// Lines of the file of attempts that say nothing any more before it is written anew; 60 bytes each.
const LEASE_LINES_STALE: usize = 20_000;

/// The first line of the file of events: which log it is, and the number of the line after it.
#[derive(Serialize, Deserialize)]
struct Head {
    events: u32,
    log: u64,
    first: u64,
}

/// The events that wait for the server.
pub(crate) struct Spool {
    journal: Journal,
    state: Mutex<Kept>,
    /// Held while file and memory differ.
    turn: tokio::sync::Mutex<()>,
    /// The number of the newest event, for those who wait for more.
    newest: watch::Sender<u64>,
    /// Rung when something was taken away.
    room: tokio::sync::Notify,
}

struct Kept {
    log: u64,
    /// Number of the front of `lines`, or of the next event when there is none.
    first: u64,
    /// JSON of [`Observed`].
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    /// Bytes on disk of what was taken in.
    stale: usize,
}

impl Kept {
    fn newest(&self) -> u64 {
        self.first + self.lines.len() as u64 - 1
    }
}

fn unreadable(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

impl Spool {
    /// Opens or makes the log in `folder`. `stamp`: a number that no other log has, for a new one.
    pub async fn open(folder: &Path, stamp: u64) -> io::Result<Spool> {
        let path = folder.join("events");
        let (journal, mut lines) =
            Journal::open(&path, |line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok())?;
        let mut kept = Kept { log: stamp, first: 1, lines: VecDeque::new(), bytes: 0, stale: 0 };
        if lines.is_empty() {
            journal.append(head(&kept)).await?;
        } else {
            let head: Head =
                serde_json::from_str(&lines.remove(0)).map_err(|_| unreadable(&path, "not a log of events"))?;
            if head.events != FORMAT {
                return Err(unreadable(&path, "it is of another version of this program"));
            }
            (kept.log, kept.first) = (head.log, head.first.max(1));
            kept.bytes = lines.iter().map(String::len).sum();
            kept.lines = lines.into_iter().map(Arc::from).collect();
        }
        let newest = watch::Sender::new(kept.newest());
        let (turn, room) = (tokio::sync::Mutex::default(), tokio::sync::Notify::new());
        Ok(Spool { journal, state: Mutex::new(kept), turn, newest, room })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn log(&self) -> u64 {
        self.kept().log
    }
    pub fn first(&self) -> u64 {
        self.kept().first
    }
    pub fn waiting(&self) -> u64 {
        self.kept().lines.len() as u64
    }
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Resolves when there is room for more.
    pub async fn has_room(&self) {
        loop {
            let rung = self.room.notified();
            if self.kept().bytes < SPOOL_BYTES_MAX {
                return;
            }
            rung.await;
        }
    }

    /// Adds events in order; on the disk when this resolves. To be called by one task only.
    ///
    /// # Errors
    /// What the file system says; then none of them was added, and they may be given again.
    pub async fn add(&self, events: &[Observed]) -> io::Result<()> {
        let busy = self.kept().bytes > SPOOL_BYTES_BUSY;
        let wanted = events.iter().filter(|event| !(busy && matches!(event, Observed::Progress { .. })));
        let mut lines: Vec<Arc<str>> = Vec::with_capacity(events.len());
        for event in wanted {
            let line = serde_json::to_string(event).map_err(io::Error::other)?;
            if line.len() > EVENT_BYTES_MAX {
                tracing::error!(bytes = line.len(), "an event is too large to be reported and left out");
                continue;
            }
            lines.push(line.into());
        }
        if lines.is_empty() {
            return Ok(());
        }
        let text: Vec<u8> = lines.iter().flat_map(|line| line.bytes().chain([b'\n'])).collect();
        let _turn = self.turn.lock().await;
        self.journal.append(text).await?;
        let mut kept = self.kept();
        kept.bytes += lines.iter().map(|line| line.len()).sum::<usize>();
        kept.lines.extend(lines);
        let newest = kept.newest();
        drop(kept);
        self.newest.send_replace(newest);
        Ok(())
    }

    /// The events from number `from` on that fit into one frame, and the number of the first of them.
    pub fn batch(&self, from: u64) -> (u64, Vec<Arc<str>>) {
        let kept = self.kept();
        let from = from.max(kept.first);
        let skip = usize::try_from(from - kept.first).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |line: &&Arc<str>| {
            bytes += line.len() + 1;
            // The first always fits: it is below the bound of an event.
            bytes <= EVENTS_BYTES_AT_ONCE || bytes == line.len() + 1
        };
        (from, kept.lines.iter().skip(skip).take(EVENTS_AT_ONCE).take_while(fits).cloned().collect())
    }

    /// The server has taken in all events up to `upto`.
    ///
    /// # Errors
    /// The file could not be written anew: it stays longer than it need be, nothing is lost.
    pub async fn taken(&self, upto: u64) -> io::Result<()> {
        {
            let mut kept = self.kept();
            while kept.first <= upto
                && let Some(line) = kept.lines.pop_front()
            {
                kept.first += 1;
                kept.bytes -= line.len();
                kept.stale += line.len() + 1;
            }
            self.room.notify_waiters();
            if kept.stale < SPOOL_BYTES_STALE || kept.stale < kept.bytes {
                return Ok(());
            }
        }
        let _turn = self.turn.lock().await;
        let text = {
            let mut kept = self.kept();
            kept.stale = 0;
            let lines = kept.lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
            head(&kept).into_iter().chain(lines).collect()
        };
        self.journal.rewrite(text).await
    }
}

fn head(kept: &Kept) -> Vec<u8> {
    let head = Head { events: FORMAT, log: kept.log, first: kept.first };
    let mut line = serde_json::to_vec(&head).unwrap_or_default();
    line.push(b'\n');
    line
}

/// One line of the file of attempts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Lease {
    /// The first line: version of the file.
    Leases(u32),
    Hold(AttemptId),
    Drop(AttemptId),
    /// The server has said once which attempts are open: since then this file knows them all.
    Told(bool),
}

impl Lease {
    fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The attempts that the server handed over and has not told to forget.
pub(crate) struct Leases {
    journal: Journal,
    state: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    held: BTreeSet<AttemptId>,
    told: bool,
    lines: usize,
}

impl Leases {
    pub async fn open(folder: &Path) -> io::Result<Leases> {
        let path = folder.join("attempts");
        let (journal, lines) =
            Journal::open(&path, |line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok())?;
        let mut state = Held { lines: lines.len(), ..Held::default() };
        for (n, line) in lines.iter().enumerate() {
            let lease: Lease = serde_json::from_str(line).map_err(|_| unreadable(&path, "not a list of attempts"))?;
            match lease {
                Lease::Leases(FORMAT) if n == 0 => {}
                Lease::Leases(_) => return Err(unreadable(&path, "it is of another version of this program")),
                Lease::Hold(attempt) => drop(state.held.insert(attempt)),
                Lease::Drop(attempt) => drop(state.held.remove(&attempt)),
                Lease::Told(told) => state.told = told,
            }
        }
        if lines.is_empty() {
            journal.append(Lease::Leases(FORMAT).line()).await?;
        }
        Ok(Leases { journal, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, Held> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them; `None` as long as the server has never said which ones are open: then there may be others, of an agent
    /// before this one.
    pub fn all(&self) -> Option<Vec<AttemptId>> {
        let state = self.state();
        state.told.then(|| state.held.iter().copied().collect())
    }

    /// On the disk when this resolves.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn hold(&self, attempt: AttemptId) -> io::Result<()> {
        if self.state().held.contains(&attempt) {
            return Ok(());
        }
        self.journal.append(Lease::Hold(attempt).line()).await?;
        let mut state = self.state();
        state.held.insert(attempt);
        state.lines += 1;
        Ok(())
    }

    /// # Errors
    /// As [`Leases::hold`]; the attempt is then dropped later.
    pub async fn drop(&self, attempt: AttemptId) -> io::Result<()> {
        if !self.state().held.contains(&attempt) {
            return Ok(());
        }
        self.journal.append(Lease::Drop(attempt).line()).await?;
        let mut state = self.state();
        state.held.remove(&attempt);
        state.lines += 1;
        Ok(())
    }

    /// Exactly these are open. To be called when no other call is under way.
    ///
    /// # Errors
    /// As [`Leases::hold`].
    pub async fn reset(&self, open: &[AttemptId]) -> io::Result<()> {
        let same = {
            let state = self.state();
            state.told && state.lines < LEASE_LINES_STALE && state.held.iter().eq(open)
        };
        if same {
            return Ok(());
        }
        let lines = [Lease::Leases(FORMAT), Lease::Told(true)];
        let text: Vec<u8> =
            lines.iter().map(Lease::line).chain(open.iter().map(|a| Lease::Hold(*a).line())).flatten().collect();
        self.journal.rewrite(text).await?;
        *self.state() = Held { held: open.iter().copied().collect(), told: true, lines: open.len() + lines.len() };
        Ok(())
    }

    /// Many lines that say nothing any more: to be written anew by [`Leases::reset`] with [`Leases::all`].
    pub fn is_stale(&self) -> bool {
        let state = self.state();
        state.told && state.lines > LEASE_LINES_STALE + 4 * state.held.len()
    }
}

#[cfg(test)]
mod tests {
    use base::JobId;

    use super::*;

    fn attempt(n: u32) -> AttemptId {
        AttemptId::new(JobId::from_u128(u128::from(n)), 1)
    }
    fn gone(n: u32) -> Observed {
        Observed::Gone { attempt: attempt(n), note: None }
    }

    #[tokio::test]
    async fn events_keep_their_numbers_over_restarts_until_they_are_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 7).await.unwrap();
        assert_eq!((spool.first(), spool.waiting(), *spool.newest().borrow()), (1, 0, 0));
        spool.add(&[gone(1), gone(2), gone(3)]).await.unwrap();
        spool.taken(1).await.unwrap();
        assert_eq!(spool.batch(0).0, 2);
        drop(spool);
        // What was taken in and is still in the file has its number again: the server drops it.
        let spool = Spool::open(folder.path(), 8).await.unwrap();
        assert_eq!((spool.log(), spool.first(), *spool.newest().borrow()), (7, 1, 3));
        let (from, lines) = spool.batch(2);
        assert_eq!((from, lines.len()), (2, 2));
        assert_eq!(serde_json::from_str::<Observed>(&lines[0]).unwrap(), gone(2));
        spool.taken(99).await.unwrap();
        assert_eq!((spool.first(), spool.waiting()), (4, 0));
    }

    #[tokio::test]
    async fn the_file_shrinks_and_progress_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 7).await.unwrap();
        let note: Arc<str> = "x".repeat(1 << 20).into();
        let large = |n| Observed::Gone { attempt: attempt(n), note: Some(note.clone()) };
        for n in 0..17 {
            spool.add(&[large(n)]).await.unwrap();
        }
        let progress = Observed::Progress { attempt: attempt(1), usage: Default::default() };
        spool.add(&[progress.clone(), gone(18)]).await.unwrap();
        assert_eq!(spool.waiting(), 18, "progress is left out when much waits");
        assert_eq!(spool.batch(1).1.len(), 1, "a frame is bounded");
        spool.taken(17).await.unwrap();
        assert!(std::fs::metadata(folder.path().join("events")).unwrap().len() < 1_000);
        spool.add(&[progress]).await.unwrap();
        drop(spool);
        let spool = Spool::open(folder.path(), 8).await.unwrap();
        assert_eq!((spool.log(), spool.first(), spool.waiting()), (7, 18, 2));
    }

    #[tokio::test]
    async fn attempts_are_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::open(folder.path()).await.unwrap();
        leases.hold(attempt(1)).await.unwrap();
        assert_eq!(leases.all(), None, "the server has not spoken yet");
        leases.reset(&[attempt(1), attempt(2)]).await.unwrap();
        leases.hold(attempt(3)).await.unwrap();
        leases.drop(attempt(1)).await.unwrap();
        leases.drop(attempt(9)).await.unwrap();
        drop(leases);
        let leases = Leases::open(folder.path()).await.unwrap();
        assert_eq!(leases.all(), Some(vec![attempt(2), attempt(3)]));
        assert!(!leases.is_stale());
    }
}
