//! The words of the HTTP API: request and response types with their schemas, error codes, and the texts of both languages.
//! Refuses to know: the domain's own types, the engine, the store, and how anything is sent.

pub mod budget;
pub mod cluster;
pub mod common;
pub mod contract;
pub mod cost;
pub mod events;
pub mod files;
pub mod grant;
pub mod job;
pub mod money;
pub mod notices;
pub mod overview;
pub mod page;
pub mod people;
pub mod place;
pub mod policy;
pub mod prices;
pub mod problem;
pub mod rates;
pub mod report;
pub mod session;
pub mod settlement;
pub mod sheet;
pub mod sites;
pub mod spent;
pub mod statement;
pub mod submit;
pub mod suppliers;
pub mod supply;
pub mod text;
pub mod twin;
pub mod twin_run;
pub mod usage;
pub mod words;

pub use common::{Amounts, MoneyText, Page, TimeText};
pub use problem::{ErrorCode, FieldError, Problem};
pub use words::*;

/// Where problem types have their pages; the code follows.
pub const ERROR_PAGES: &str = "https://headworks.dev/errors/";
/// Header of requests that carry a cookie and change something.
pub const CSRF_HEADER: &str = "x-hw-csrf";
/// Name of the session's cookie.
pub const SESSION_COOKIE: &str = "hw_session";
/// What the secret of a token begins with.
pub const TOKEN_PREFIX: &str = "hwt_";
/// Header under which a request may be repeated.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// Header that carries the request's id both ways.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// Headers of a piece of a log: offset of its first byte, size of the file, whether nothing will be added any more.
pub const LOG_OFFSET_HEADER: &str = "x-hw-offset";
pub const LOG_SIZE_HEADER: &str = "x-hw-size";
pub const LOG_COMPLETE_HEADER: &str = "x-hw-complete";
