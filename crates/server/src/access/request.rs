//! Reading requests defensively: JSON bodies, queries, path segments and the headers that go along. Whatever is wrong
//! with them becomes a problem of the 4xx kind here, before any handler runs.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use base::{UserId, digest128};
use engine::Once;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use wire::ErrorCode;

use super::Shared;
use crate::limits::{
    BODY_BYTES_MAX, BODY_TIME_MAX, IDEMPOTENCY_KEY_CHARS_MAX, PARSER_CHARS_SHOWN, PATH_SEGMENT_BYTES_MAX,
};
use crate::problem::Failure;

/// A JSON body, with the bytes it was read from.
pub struct Body<T> {
    pub value: T,
    pub raw: Bytes,
}

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Failure> {
        if !says_json(request.headers()) {
            return Err(Failure::new(ErrorCode::UnsupportedMediaType, "send `Content-Type: application/json`"));
        }
        let arrived = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
        let late = |_| Failure::new(ErrorCode::Malformed, format!("the body did not arrive within {BODY_TIME_MAX:?}"));
        let raw = arrived.map_err(late)?.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("the body has more than the {BODY_BYTES_MAX} bytes that are accepted");
                Failure::new(ErrorCode::BodyTooLarge, detail)
            }
            _ => Failure::new(ErrorCode::Malformed, "the body did not arrive whole"),
        })?;
        // A structure could also be read from a bare list of its fields; nobody should come to rely on that.
        if raw.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| *b != b'{') {
            return Err(Failure::new(ErrorCode::Malformed, "the body must be a JSON object"));
        }
        let value = serde_json::from_slice(&raw).map_err(|error| {
            let code = match error.classify() {
                Category::Data => ErrorCode::Invalid,
                Category::Syntax | Category::Eof | Category::Io => ErrorCode::Malformed,
            };
            Failure::new(code, format!("the body cannot be read: {}", shortened(&error.to_string())))
        })?;
        Ok(Self { value, raw })
    }
}

/// A parser's words about a request repeat parts of it, which may be long.
fn shortened(text: &str) -> String {
    text.chars().take(PARSER_CHARS_SHOWN).collect()
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || kind.len() > 5
            && kind.is_char_boundary(kind.len() - 5)
            && kind[kind.len() - 5..].eq_ignore_ascii_case("+json")
}

/// The query, read into one structure; unknown and repeated names are refused.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        // PostgreSQL keeps no zero byte in a text, and no name or filter has a use for one.
        if query.contains("%00") {
            return Err(Failure::new(ErrorCode::Malformed, "the query contains a zero byte"));
        }
        axum::extract::Query::<T>::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            Failure::new(ErrorCode::Invalid, format!("the query cannot be read: {}", shortened(text)))
        })
    }
}

/// The variable segments of a path, decoded.
pub struct Segments(Vec<(String, String)>);

impl Segments {
    /// The segment called `name` in the route; empty when the route has none, which matches nothing.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl FromRequestParts<Shared> for Segments {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Failure> {
        let malformed = |detail: &str| Failure::new(ErrorCode::Malformed, detail);
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| malformed("the path is not valid UTF-8"))?;
        let segments: Vec<(String, String)> = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (_, value) in &segments {
            if value.len() > PATH_SEGMENT_BYTES_MAX {
                return Err(malformed(&format!("a segment of the path is longer than {PATH_SEGMENT_BYTES_MAX} bytes")));
            }
            if value.chars().any(char::is_control) {
                return Err(malformed("a segment of the path contains a control character"));
            }
        }
        Ok(Self(segments))
    }
}

/// What makes a request the same as an earlier one, beyond its body.
pub struct Meta {
    method: String,
    target: String,
    key: Option<String>,
}

impl Meta {
    /// The key under which the engine answers repeats, for this user and body.
    pub fn once(&self, user: UserId, body: &[u8]) -> Option<Once> {
        let key = self.key.as_deref()?;
        Some(Once {
            key: digest128(&[b"once", &user.to_bytes(), key.as_bytes()]),
            fingerprint: digest128(&[self.method.as_bytes(), self.target.as_bytes(), body]),
            prior: None,
        })
    }
}

impl FromRequestParts<Shared> for Meta {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Failure> {
        let key = idempotency_key(&parts.headers)?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self { method: parts.method.to_string(), target: target.to_owned(), key })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let bad = || {
        Failure::new(
            ErrorCode::Malformed,
            format!("`Idempotency-Key` must be 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters, once"),
        )
    };
    let mut keys = headers.get_all(wire::IDEMPOTENCY_HEADER).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(bad());
    }
    let text = key.to_str().map_err(|_| bad())?;
    let fits = (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(Some(text.to_owned())) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_single() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(wire::IDEMPOTENCY_HEADER, value.parse().unwrap());
            }
            idempotency_key(&headers)
        };
        assert_eq!(with(&[]).unwrap(), None);
        assert_eq!(with(&["a-1"]).unwrap().as_deref(), Some("a-1"));
        assert!(with(&[&"x".repeat(200)]).is_ok());
        for bad in [&[""][..], &["a b"], &["a", "a"], &[&"x".repeat(201)]] {
            assert!(with(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_the_users_own_and_the_body_its_fingerprint() {
        let meta = Meta { method: "POST".into(), target: "/v1/jobs".into(), key: Some("k".into()) };
        let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
        let once = meta.once(a, b"{}").unwrap();
        assert_ne!(once.key, meta.once(b, b"{}").unwrap().key);
        assert_eq!(once.key, meta.once(a, b"[]").unwrap().key);
        assert_ne!(once.fingerprint, meta.once(a, b"[]").unwrap().fingerprint);
    }

    #[test]
    fn json_is_said_in_several_ways() {
        for (kind, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("", false),
            ("json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(says_json(&headers), json, "{kind}");
        }
    }
}
