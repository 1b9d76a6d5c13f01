//! The embedded console: files of `console/dist` as they were when this program was built, or a page that says how to
//! build them. Unknown paths that are no API get the page itself, so that every view has an address.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Assets;

const PLACEHOLDER: &str = include_str!("page_placeholder.html");

/// Names of built assets carry a digest of their content: they never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// The page runs its own scripts only and talks to this server only. antd writes its styles into `<style>` elements,
/// hence `unsafe-inline` for styles, and for styles alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

pub async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let gzip = takes_gzip(&headers);
    let immutable = path.starts_with("assets/");
    match file(path, gzip, if immutable { FOREVER } else { "no-cache" }) {
        Some(found) => found,
        None if immutable => StatusCode::NOT_FOUND.into_response(),
        None => file("index.html", gzip, "no-cache")
            .unwrap_or_else(|| asset(PLACEHOLDER.into(), "text/html; charset=utf-8", "no-cache", false)),
    }
}

/// Whether the caller can unpack gzip; `gzip;q=0` says that it cannot.
fn takes_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    })
}

/// A built file, as the build has compressed it (`NAME.gz` beside it) where the caller takes that.
fn file(path: &str, gzip: bool, cache: &'static str) -> Option<Response> {
    let plain = Assets::get(path)?;
    let mime = match plain.metadata.mimetype() {
        "text/html" => "text/html; charset=utf-8",
        other => other,
    };
    let packed = if gzip { Assets::get(&format!("{path}.gz")) } else { None };
    let (bytes, packed) = packed.map_or((plain.data, false), |packed| (packed.data, true));
    Some(asset(bytes.into_owned(), mime, cache, packed))
}

fn asset(bytes: Vec<u8>, mime: &str, cache: &'static str, gzip: bool) -> Response {
    let mime = HeaderValue::from_str(mime).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, mime);
    for (name, value) in [
        (header::CACHE_CONTROL, cache),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// True when the console was there when this program was built.
pub fn is_built() -> bool {
    Assets::get("index.html").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br, deflate", false),
            ("x-gzip2", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn every_address_is_answered_under_the_policy_and_a_missing_asset_is_missing() {
        let response = serve(Uri::from_static("/jobs/7"), HeaderMap::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("eval"), "{policy}");
        // Where the console was built before this program, it is the console that is served.
        assert_eq!(is_built(), std::path::Path::new("../../console/dist/index.html").exists());
        let missing = serve(Uri::from_static("/assets/none.js"), HeaderMap::new()).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }
}
