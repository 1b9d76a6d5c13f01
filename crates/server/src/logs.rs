//! Output files: which attempt's, read as bytes, or followed as text without a gap.
//! Knows nothing of HTTP; the routes put it into answers and streams.

pub mod find;

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Attempt, Order};
use ports::{Cluster, LogChunk, LogStream};
use store::JobEntry;
use wire::ErrorCode;

use crate::access::Caller;
use crate::convert::order::order;
use crate::limits::{LOG_BYTES_MAX, LOG_FIND_BYTES_MAX, LOG_PIECE_BYTES};
use crate::problem::Failure;
use find::Finder;

/// A cluster's wait for more output is trusted for this long, then the file is looked at anyway.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Between two looks when the cluster's wait returned at once and there was nothing new: a file that grows in small
/// steps is then read at most ten times a second.
const PAUSE: Duration = Duration::from_millis(100);

/// A look for a text takes no longer, but for the piece it is reading.
const FIND_MAX: Duration = Duration::from_secs(5);

/// How often the store is asked whether an attempt is over, while its cluster does not say so.
const OVER_POLL: Duration = Duration::from_secs(2);

/// One output file of one attempt, and the cluster that keeps it.
pub struct LogFile {
    caller: Caller,
    cluster: Arc<dyn Cluster>,
    order: Arc<Order>,
    stream: LogStream,
    /// The attempt is over: what is there is all there will be.
    over: bool,
    /// When that was asked last.
    asked: Instant,
}

impl LogFile {
    /// The file of the latest attempt that started; `None` while no attempt was placed.
    pub async fn find(caller: &Caller, entry: &JobEntry, stream: LogStream) -> Result<Option<Self>, Failure> {
        let attempts = caller.app().store.attempts(entry.row.job.id).await?;
        let Some(attempt) = latest(&attempts) else { return Ok(None) };
        let supply = caller.names().supply().await?;
        let cluster = caller.app().clusters.get(attempt.cluster).ok_or_else(|| {
            Failure::new(ErrorCode::ClusterUnavailable, "the cluster of this job is not connected here")
                .note(format!("{} is not among the connected clusters", attempt.cluster))
                .retry_after(2)
        })?;
        Ok(Some(Self {
            caller: caller.clone(),
            cluster,
            order: order(entry, attempt, &supply),
            stream,
            over: !attempt.phase.is_open(),
            asked: Instant::now(),
        }))
    }

    /// Up to `max` bytes from `offset` on; a negative offset counts from the end.
    pub async fn read(&self, offset: i64, max: usize) -> Result<LogChunk, Failure> {
        let mut chunk = self.cluster.read_log(self.order.clone(), self.stream, offset, max).await?;
        chunk.complete |= self.over;
        Ok(chunk)
    }

    /// Where a text is, from `offset` on: as many places as `max` within the bytes and the time that one look may take.
    pub async fn places(&self, wanted: &str, offset: u64, max: usize) -> Result<Found, Failure> {
        let begun = Instant::now();
        let mut finder = Finder::new(wanted, offset);
        let (mut at, mut places) = (offset, Vec::new());
        loop {
            let chunk = self.read(i64::try_from(at).unwrap_or(i64::MAX), LOG_BYTES_MAX).await?;
            places.extend(finder.feed(&chunk.bytes, max - places.len()));
            at = at.saturating_add(chunk.bytes.len() as u64);
            let (full, through) = (places.len() >= max, chunk.bytes.is_empty() || at >= chunk.size);
            if full || through || at - offset >= LOG_FIND_BYTES_MAX || begun.elapsed() > FIND_MAX {
                let next = (full || !through).then(|| finder.next());
                return Ok(Found { places, next, size: chunk.size });
            }
        }
    }

    /// Resolves when there may be more than `size` bytes.
    async fn wait(&mut self, size: u64) -> Result<(), Failure> {
        let begun = Instant::now();
        // A wait that fails is a short one: reading says what is wrong.
        let waited = self.cluster.wait_log(self.order.clone(), self.stream, size);
        let quiet = !matches!(tokio::time::timeout(WAIT_MAX, waited).await, Ok(Ok(())));
        tokio::time::sleep(PAUSE.saturating_sub(begun.elapsed())).await;
        if !self.over && (quiet || self.asked.elapsed() > OVER_POLL) {
            let attempts = self.caller.app().store.attempts(self.order.attempt.job).await?;
            self.over = attempts.iter().any(|a| a.id == self.order.attempt && !a.phase.is_open());
            self.asked = Instant::now();
        }
        Ok(())
    }
}

/// Where a text was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub places: Vec<find::Place>,
    /// Where to look on; nothing: all was looked through.
    pub next: Option<u64>,
    /// Of the file, bytes.
    pub size: u64,
}

/// The attempt whose output a reader means: the last one that started, or else the last.
pub fn latest(attempts: &[Attempt]) -> Option<&Attempt> {
    attempts.iter().rev().find(|a| a.started_at.is_some()).or(attempts.last())
}

/// What a follower sees next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that begins at `offset`; the next piece begins at `next`.
    Text { offset: u64, next: u64, text: String },
    /// Nothing will be added any more.
    End { size: u64 },
}

/// Follows a file to its end.
pub struct Follower {
    file: LogFile,
    /// Next byte to be read; negative as long as it counts from an end that is not known yet.
    offset: i64,
    decoder: Decoder,
    stage: Stage,
}

enum Stage {
    Reading,
    /// All text was given; the end is still to be told.
    Ending {
        size: u64,
    },
    Ended,
}

impl Follower {
    pub fn new(file: LogFile, offset: i64) -> Self {
        Self { file, offset, decoder: Decoder::default(), stage: Stage::Reading }
    }

    /// The next piece; waits for it. `None` after the end.
    pub async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            match self.stage {
                Stage::Ended => return Ok(None),
                Stage::Ending { size } => {
                    self.stage = Stage::Ended;
                    return Ok(Some(Piece::End { size }));
                }
                Stage::Reading => {}
            }
            let chunk = match self.file.read(self.offset, LOG_PIECE_BYTES).await {
                Ok(chunk) => chunk,
                // A file that is not there yet may come as long as the attempt lives.
                Err(failure) if failure.code == ErrorCode::LogNotFound && !self.file.over => {
                    self.file.wait(0).await?;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            if let Some(piece) = self.take(&chunk) {
                return Ok(Some(piece));
            }
            if matches!(self.stage, Stage::Reading) && chunk.bytes.is_empty() {
                self.file.wait(chunk.size).await?;
            }
        }
    }

    /// What a chunk gives to show, if anything; moves on behind it.
    fn take(&mut self, chunk: &LogChunk) -> Option<Piece> {
        let behind = chunk.offset.saturating_add(chunk.bytes.len() as u64);
        self.offset = i64::try_from(behind).unwrap_or(i64::MAX);
        let (offset, text) = if !chunk.bytes.is_empty() {
            self.decoder.feed(chunk.offset, &chunk.bytes)
        } else if chunk.complete {
            self.stage = Stage::Ending { size: chunk.size };
            self.decoder.finish(behind)
        } else {
            return None;
        };
        let next = behind.saturating_sub(self.decoder.held() as u64);
        (!text.is_empty()).then_some(Piece::Text { offset, next, text })
    }
}

/// Bytes to text across any cuts: what is valid comes out unchanged, what is not becomes U+FFFD, and a character that is
/// not whole yet is held back until it is.
#[derive(Default)]
pub struct Decoder {
    /// Beginning of a character, at most three bytes.
    rest: Vec<u8>,
}

impl Decoder {
    /// Bytes held back.
    pub fn held(&self) -> usize {
        self.rest.len()
    }

    /// Takes the bytes at `offset`; gives the text that is whole now and the offset of its first byte.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) -> (u64, String) {
        let start = offset.saturating_sub(self.rest.len() as u64);
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let whole = all.len() - unfinished(&all);
        self.rest = all.split_off(whole);
        (start, into_text(all))
    }

    /// The end of the file is at `offset`: what is held back will never be whole.
    pub fn finish(&mut self, offset: u64) -> (u64, String) {
        let rest = std::mem::take(&mut self.rest);
        (offset.saturating_sub(rest.len() as u64), into_text(rest))
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// How many bytes at the end begin a character that more bytes could make whole.
fn unfinished(bytes: &[u8]) -> usize {
    // A character has at most four bytes, so its unfinished beginning at most three.
    (1..=bytes.len().min(3))
        .rev()
        .find(|back| {
            let tail = &bytes[bytes.len() - back..];
            std::str::from_utf8(tail).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_every_cut() {
        let text = "step 1: 能量 −3.5 eV ✓ 🎉\n";
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            for second in cut..=bytes.len() {
                let mut decoder = Decoder::default();
                let (mut out, mut next) = (String::new(), 0);
                for (from, to) in [(0, cut), (cut, second), (second, bytes.len())] {
                    let (offset, piece) = decoder.feed(from as u64, &bytes[from..to]);
                    assert_eq!(offset, next);
                    next = (to - decoder.held()) as u64;
                    out.push_str(&piece);
                }
                assert_eq!((out.as_str(), decoder.held()), (text, 0), "cut at {cut} and {second}");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_marked_and_ends() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(0, b"a\xffb"), (0, "a\u{fffd}b".into()));
        assert_eq!(decoder.feed(3, "é".as_bytes().split_at(1).0), (3, String::new()));
        assert_eq!(decoder.held(), 1);
        // The file ends within a character.
        assert_eq!(decoder.finish(4), (3, "\u{fffd}".into()));
        assert_eq!(decoder.finish(4), (4, String::new()));
    }
}
