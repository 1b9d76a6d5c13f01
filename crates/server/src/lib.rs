//! The server: routes, access proofs, the driver loop, the embedded console.
//! The only place where HTTP, engine, store and connectors meet; knows the simulator by what `twin` plays on it, and nothing of the command line.

pub mod access;
pub mod app;
pub mod boot;
pub mod bringing;
mod checkpoints;
pub mod config;
pub mod convert;
pub mod counting;
pub mod driver;
mod fetching;
pub mod files;
mod forward;
mod inputs;
pub mod limits;
pub mod links;
mod local;
mod logs;
pub mod metrics;
pub mod notices;
pub mod oidc;
pub mod openapi;
mod ops;
mod page;
pub mod problem;
pub mod recovery;
mod results;
mod retention;
pub mod routes;
pub mod sheets;
pub mod shell;
pub mod sites;
mod staging;
pub mod statements;
#[doc(hidden)]
pub mod testing;
mod tidy;
pub mod twin;
pub mod up;

pub use shell::{Running, StartError, start};

use tokio::sync::watch;

/// API, operations and the console, without forwarding.
fn full_router(app: app::App, role: watch::Receiver<driver::Role>, set_up: watch::Receiver<bool>) -> axum::Router {
    let ops = ops::router(app.engine.clone(), role, set_up, metrics::install());
    routes::router(app).merge(ops).fallback(page::serve)
}
