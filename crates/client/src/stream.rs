//! Streams that outlive their connections: events by their last id, logs by their offset.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use reqwest::Response;
use wire::LogStream;
use wire::events::Event;
use wire::job::{LogEnd, LogPiece};

use crate::sse::{Decoder, Frame};
use crate::transport::Call;
use crate::{Client, ClientError, NextMove};

/// Connections in a row that brought nothing before a stream is given up. Each of them is already tried as often as the
/// client's patience allows (3 s): half a minute in all, enough for another replica to take over (10 s).
pub const STREAM_FAILURES_MAX: u32 = 10;

/// A connection that stood this long was a good one, though nothing happened: keep-alive lines came through.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// One connection at a time, and what it has brought.
#[derive(Debug, Default)]
struct Line {
    answer: Option<Response>,
    since: Option<Instant>,
    decoder: Decoder,
    frames: VecDeque<Frame>,
    failures: u32,
}

impl Line {
    /// The next frame; `None` when a new connection is needed. Errors: those which another connection would not mend.
    async fn next(&mut self, client: &Client, call: impl FnOnce() -> Call) -> Result<Option<Frame>, ClientError> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                self.failures = 0;
                return Ok(Some(frame));
            }
            let Some(answer) = &mut self.answer else { break };
            match answer.chunk().await {
                Ok(Some(piece)) => match self.decoder.feed(&piece) {
                    Ok(frames) => self.frames.extend(frames),
                    Err(_) => self.answer = None,
                },
                Ok(None) | Err(_) => self.answer = None,
            }
        }
        if self.since.take().is_some_and(|since| since.elapsed() >= GOOD_CONNECTION) {
            self.failures = 0;
        }
        self.failures += 1;
        if self.failures > STREAM_FAILURES_MAX {
            return Err(ClientError::StreamLost { address: client.address().to_string() });
        }
        if self.failures > 1 {
            tokio::time::sleep(client.retry().pause(self.failures - 1, None)).await;
        }
        match client.send(call().streaming()).await {
            Ok(answer) => {
                self.answer = Some(answer);
                self.since = Some(Instant::now());
                self.decoder = Decoder::default();
            }
            Err(fault) if matches!(fault.next_move(), NextMove::Reach | NextMove::Wait) => {}
            Err(fault) => return Err(fault),
        }
        Ok(None)
    }
}

/// The platform's stream of facts.
#[derive(Debug)]
pub struct Events {
    client: Client,
    filters: Vec<(String, String)>,
    last: Option<String>,
    line: Line,
}

impl Events {
    pub(crate) fn new(client: &Client, filters: Vec<(String, String)>, after: Option<u64>) -> Self {
        let last = after.map(|seq| seq.to_string());
        Self { client: client.clone(), filters, last, line: Line::default() }
    }

    /// The next fact, each once and in order; waits for it. Frames that are no facts are passed over.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let (client, filters, last) = (&self.client, &self.filters, &self.last);
            let call = || {
                let call = client.get(&["v1", "events"]).pairs(filters);
                match last {
                    Some(id) => call.header("last-event-id", id),
                    None => call,
                }
            };
            let Some(frame) = self.line.next(client, call).await? else { continue };
            if !frame.id.is_empty() {
                self.last = Some(frame.id.clone());
            }
            if let Ok(event) = serde_json::from_str::<Event>(&frame.data) {
                self.last = Some(event.seq.to_string());
                return Ok(event);
            }
        }
    }
}

/// A step of a followed log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogStep {
    Text(String),
    /// Nothing will be added any more; the file has this many bytes.
    End(u64),
}

/// An output file that grows.
#[derive(Debug)]
pub struct LogTail {
    client: Client,
    job: String,
    stream: LogStream,
    offset: i64,
    line: Line,
}

impl LogTail {
    pub(crate) fn new(client: &Client, job: &str, stream: LogStream, offset: i64) -> Self {
        Self { client: client.clone(), job: job.into(), stream, offset, line: Line::default() }
    }

    /// The next piece, without gap or repetition over broken connections.
    pub async fn next(&mut self) -> Result<LogStep, ClientError> {
        loop {
            let (client, job, stream, offset) = (&self.client, &self.job, self.stream, self.offset);
            let call = || {
                let call = client.get(&["v1", "jobs", job, "logs", "follow"]);
                call.query("stream", Some(stream)).query("offset", Some(offset))
            };
            let Some(frame) = self.line.next(client, call).await? else { continue };
            match frame.event.as_str() {
                "log" => {
                    let Ok(piece) = serde_json::from_str::<LogPiece>(&frame.data) else { continue };
                    if let Some(next) = next_offset(&piece, &frame.id) {
                        self.offset = next;
                    }
                    return Ok(LogStep::Text(piece.text));
                }
                "end" => {
                    let size = serde_json::from_str::<LogEnd>(&frame.data).map_or(0, |end| end.size);
                    return Ok(LogStep::End(size));
                }
                _ => {}
            }
        }
    }
}

/// Where to go on after a piece: the frame's id says it; else the piece's own length does, as long as its text is the
/// file's bytes (U+FFFD may stand for bytes that are no text, and is longer than they were).
fn next_offset(piece: &LogPiece, id: &str) -> Option<i64> {
    let behind = id.parse().ok().unwrap_or(piece.offset + piece.text.len() as u64);
    i64::try_from(behind).ok()
}
