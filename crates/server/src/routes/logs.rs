//! Output files over HTTP: ranges of bytes, and server-sent events that follow a file to its end.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;
use wire::ErrorCode;
use wire::job::{FollowQuery, LogEnd, LogFindQuery, LogFound, LogPiece, LogPlace, LogQuery};

use crate::access::{JobAccess, Params, Read};
use crate::convert;
use crate::limits::{LOG_BYTES_DEFAULT, LOG_BYTES_MAX, LOG_FIND_MAX, STREAM_KEEP_ALIVE};
use crate::logs::{Follower, LogFile, Piece};
use crate::problem::Failure;

/// Between two looks whether a waiting job has been placed, when no event says so earlier.
const PLACED_POLL: Duration = Duration::from_secs(2);

/// Characters of a text to look for.
const FIND_TEXT_MAX: usize = 200;
/// Places that are told when nobody says how many.
const FIND_DEFAULT: u64 = 200;

/// A piece of a job's output, as bytes.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/logs", tag = "jobs", operation_id = "job_log",
    params(("job" = String, Path, description = "Id, number or element of an array"), LogQuery),
    responses((
        status = 200, description = "The bytes, of the last attempt that started", body = String, content_type = "text/plain",
        headers(
            ("X-HW-Offset" = u64, description = "Offset of the first byte"),
            ("X-HW-Size" = u64, description = "Size of the file now"),
            ("X-HW-Complete" = bool, description = "Nothing will be added any more"),
        )
    ))
)]
pub(super) async fn read(access: JobAccess<Read>, Params(query): Params<LogQuery>) -> Result<Response, Failure> {
    let stream = query.stream.map_or(ports::LogStream::Stdout, convert::log_stream_from);
    let limit = match query.limit {
        None => LOG_BYTES_DEFAULT,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|n| (1..=LOG_BYTES_MAX).contains(n))
            .ok_or_else(|| Failure::invalid("limit", format!("ask for 1 to {LOG_BYTES_MAX} bytes")))?,
    };
    let file = LogFile::find(&access, &access.entry, stream).await?.ok_or_else(not_placed)?;
    let chunk = file.read(query.offset.unwrap_or(0), limit).await?;
    let number = |n: u64| HeaderValue::from(n);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (HeaderName::from_static(wire::LOG_OFFSET_HEADER), number(chunk.offset)),
        (HeaderName::from_static(wire::LOG_SIZE_HEADER), number(chunk.size)),
        (
            HeaderName::from_static(wire::LOG_COMPLETE_HEADER),
            HeaderValue::from_static(if chunk.complete { "true" } else { "false" }),
        ),
    ];
    Ok((headers, chunk.bytes).into_response())
}

/// Places of a text in a job's output. One look goes through 64 MiB at most: look on from `next` until it is `null`.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/logs/find", tag = "jobs", operation_id = "find_in_job_log",
    params(("job" = String, Path, description = "Id, number or element of an array"), LogFindQuery),
    responses((status = 200, description = "The places, in order", body = LogFound))
)]
pub(super) async fn find(
    access: JobAccess<Read>,
    Params(query): Params<LogFindQuery>,
) -> Result<Json<LogFound>, Failure> {
    let _permit = access.stream()?;
    let stream = query.stream.map_or(ports::LogStream::Stdout, convert::log_stream_from);
    if !(1..=FIND_TEXT_MAX).contains(&query.text.chars().count()) {
        return Err(Failure::invalid("text", format!("look for 1 to {FIND_TEXT_MAX} characters")));
    }
    let limit = query.limit.unwrap_or(FIND_DEFAULT);
    if !(1..=LOG_FIND_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("ask for 1 to {LOG_FIND_MAX} places")));
    }
    let file = LogFile::find(&access, &access.entry, stream).await?.ok_or_else(not_placed)?;
    let found = file.places(&query.text, query.from.unwrap_or(0), usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    let places = found.places.into_iter().map(|place| LogPlace { offset: place.offset, line: place.line });
    Ok(Json(LogFound { places: places.collect(), next: found.next, size: found.size }))
}

fn not_placed() -> Failure {
    Failure::new(ErrorCode::LogNotFound, "the job has not been placed yet, so it has no output")
}

/// Follow a job's output: events `log` with text, and `end` when nothing will be added any more. Works for jobs that
/// wait (it begins when they are placed) and for jobs that ended.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/logs/follow", tag = "jobs", operation_id = "follow_job_log",
    params(("job" = String, Path, description = "Id, number or element of an array"), FollowQuery),
    responses((
        status = 200, content_type = "text/event-stream", body = LogPiece,
        description = "Server-sent events: `log` with a LogPiece, whose id is the offset behind it; `end` with a LogEnd; `problem` with a Problem"
    ))
)]
pub(super) async fn follow(access: JobAccess<Read>, Params(query): Params<FollowQuery>) -> Result<Response, Failure> {
    let permit = access.stream()?;
    let which = query.stream.map_or(ports::LogStream::Stdout, convert::log_stream_from);
    let offset = query.offset.unwrap_or(0);
    // What cannot be read at all is a plain problem, not a stream.
    let place = match LogFile::find(&access, &access.entry, which).await? {
        Some(file) => Place::Open(Box::new(Follower::new(file, offset))),
        None => Place::Waiting,
    };
    let state = Following { access, which, offset, place, _permit: permit };
    let sse = Sse::new(pieces(state)).keep_alive(KeepAlive::new().interval(STREAM_KEEP_ALIVE));
    Ok(([(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))], sse).into_response())
}

struct Following {
    access: JobAccess<Read>,
    which: ports::LogStream,
    offset: i64,
    place: Place,
    _permit: OwnedSemaphorePermit,
}

enum Place {
    /// Not placed yet.
    Waiting,
    Open(Box<Follower>),
    Over,
}

fn pieces(state: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(state, |mut state| async move {
        let event = match next(&mut state).await {
            Ok(event) => event?,
            Err(failure) => {
                state.place = Place::Over;
                problem(&failure)
            }
        };
        Some((Ok(event), state))
    })
}

/// A failure in the middle of a stream; the log has what the operator needs.
pub(super) fn problem(failure: &Failure) -> Event {
    if let Some(note) = &failure.note {
        tracing::warn!(code = failure.code.as_str(), note, "a stream ended: {}", failure.detail);
    }
    event("problem", &failure.problem("stream"))
}

fn event(name: &str, data: &impl serde::Serialize) -> Event {
    // Wire types always serialize; a comment keeps the stream alive if one should not.
    Event::default().event(name).json_data(data).unwrap_or_else(|_| Event::default().comment("unreadable"))
}

async fn next(state: &mut Following) -> Result<Option<Event>, Failure> {
    loop {
        match &mut state.place {
            Place::Over => return Ok(None),
            Place::Waiting => match wait_for_file(state).await? {
                Some(file) => state.place = Place::Open(Box::new(Follower::new(file, state.offset))),
                None => {
                    state.place = Place::Over;
                    return Ok(Some(event("end", &LogEnd { size: 0 })));
                }
            },
            Place::Open(follower) => match follower.next().await? {
                Some(Piece::Text { offset, next, text }) => {
                    return Ok(Some(event("log", &LogPiece { offset, text }).id(next.to_string())));
                }
                Some(Piece::End { size }) => {
                    state.place = Place::Over;
                    return Ok(Some(event("end", &LogEnd { size })));
                }
                None => return Ok(None),
            },
        }
        if !state.access.still_valid().await {
            return Err(Failure::new(ErrorCode::Unauthenticated, "the token is no longer valid"));
        }
    }
}

/// Waits until the job is placed; `None` when it ended without ever having been.
async fn wait_for_file(state: &Following) -> Result<Option<LogFile>, Failure> {
    let access = &state.access;
    let mut events = access.app().events.subscribe();
    loop {
        let text = access.id().to_string();
        let entry = access.visible_job(&text).await?;
        if let Some(file) = LogFile::find(access, &entry, state.which).await? {
            return Ok(Some(file));
        }
        if !entry.row.job.is_open() {
            return Ok(None);
        }
        if !access.still_valid().await {
            return Err(Failure::new(ErrorCode::Unauthenticated, "the token is no longer valid"));
        }
        let id = access.id();
        let ours = async {
            // Falling behind, or a bus that is gone, is no reason to miss the placement: look again.
            while let Ok(batch) = events.recv().await {
                if batch.iter().any(|e| e.job == Some(id)) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(PLACED_POLL, ours).await;
    }
}
