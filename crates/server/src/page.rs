//! The embedded console: files of `console/dist` as they were when this program was built, or a page that says how to
//! build them. Unknown paths that are no API get the page itself, so that every view has an address.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../console/dist"]
#[allow_missing = true]
struct Assets;

const PLACEHOLDER: &str = include_str!("page_placeholder.html");

/// Names of built assets carry a digest of their content: they never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

pub async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Assets::get(path) {
        let cache = if path.starts_with("assets/") { FOREVER } else { "no-cache" };
        return asset(file.data.into_owned(), file.metadata.mimetype(), cache);
    }
    if path.starts_with("assets/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    match Assets::get("index.html") {
        Some(index) => asset(index.data.into_owned(), "text/html; charset=utf-8", "no-cache"),
        None => asset(PLACEHOLDER.into(), "text/html; charset=utf-8", "no-cache"),
    }
}

fn asset(bytes: Vec<u8>, mime: &str, cache: &'static str) -> Response {
    let mime = HeaderValue::from_str(mime).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    ([(header::CONTENT_TYPE, mime), (header::CACHE_CONTROL, HeaderValue::from_static(cache))], bytes).into_response()
}

/// True when the console was there when this program was built.
pub fn is_built() -> bool {
    Assets::get("index.html").is_some()
}
