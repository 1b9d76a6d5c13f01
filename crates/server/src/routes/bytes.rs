//! Contents of files as answers: whole or one range (RFC 9110 §14), streamed in pieces whatever their size.

use std::io;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::stream;
use wire::ErrorCode;

use crate::problem::Failure;

/// Reads up to so many bytes from an offset; none only at the end.
pub(crate) type Reader = Box<dyn Fn(u64, usize) -> BoxFuture<'static, io::Result<Vec<u8>>> + Send + Sync>;

/// A file as it is served.
pub(super) struct Served {
    pub size: u64,
    /// What tells these bytes from others at the same path.
    pub tag: Option<String>,
    pub read: Reader,
}

/// The bytes that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// From the first, this many.
    Some(u64, u64),
    None,
}

/// The file, or the range of it that `headers` ask for. A range under `If-Range` with another tag gives the whole file.
///
/// # Errors
/// `range_not_satisfiable`.
pub(super) fn serve(headers: &HeaderMap, served: Served) -> Result<Response, Failure> {
    let tag = served.tag.map(|tag| format!("\"{tag}\""));
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let same = text(header::IF_RANGE).is_none_or(|wanted| tag.as_deref() == Some(wanted));
    let wanted = match text(header::RANGE).filter(|_| same) {
        Some(range) => wanted(range, served.size),
        None => Wanted::All,
    };
    let (status, first, count) = match wanted {
        Wanted::All => (StatusCode::OK, 0, served.size),
        Wanted::Some(first, count) => (StatusCode::PARTIAL_CONTENT, first, count),
        Wanted::None => {
            let detail = format!("the file has {} bytes; ask for one range of them", served.size);
            return Err(Failure::new(ErrorCode::RangeNotSatisfiable, detail));
        }
    };
    let pieces = stream::try_unfold((served.read, first, count), |(read, at, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let mut piece = read(at, usize::try_from(left).unwrap_or(usize::MAX)).await?;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let read_now = piece.len() as u64;
        if read_now == 0 {
            // A job may cut its own file while it is read: the answer is broken off, so that nobody takes it for whole.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((piece, (read, at + read_now, left - read_now))))
    });
    let mut response = (status, Body::from_stream(pieces)).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + count - 1, served.size);
        out.extend(HeaderValue::from_str(&range).ok().map(|value| (header::CONTENT_RANGE, value)));
    }
    out.extend(tag.and_then(|tag| HeaderValue::from_str(&tag).ok()).map(|value| (header::ETAG, value)));
    Ok(response)
}

/// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`. Several ranges, and what is no range, are none.
fn wanted(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|rest| rest.split_once('-')) else {
        return Wanted::None;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, end) = match (number(first), number(last)) {
        (Some(first), Some(last)) if last >= first => (first, last.saturating_add(1).min(size)),
        (Some(first), None) if last.trim().is_empty() => (first, size),
        (None, Some(count)) if first.trim().is_empty() => (size.saturating_sub(count), size),
        _ => return Wanted::None,
    };
    if first < end { Wanted::Some(first, end - first) } else { Wanted::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-99", Wanted::Some(0, 10)),
            ("bytes=0-0", Wanted::Some(0, 1)),
            ("bytes=4-", Wanted::Some(4, 6)),
            ("bytes=-3", Wanted::Some(7, 3)),
            ("bytes=-30", Wanted::Some(0, 10)),
            ("bytes=9-18446744073709551615", Wanted::Some(9, 1)),
            ("bytes=10-", Wanted::None),
            ("bytes=5-4", Wanted::None),
            ("bytes=-0", Wanted::None),
            ("bytes=-", Wanted::None),
            ("bytes=1-2,4-5", Wanted::None),
            ("lines=1-2", Wanted::None),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::None);
    }
}
