//! The twin in the platform: its own past as a trace, what it has to offer as a supply, and runs of both under other rules that people ask
//! for. One run is played at a time, on a thread of low priority; refuses to know how the simulation works.

mod asked;
mod gather;
mod history;
mod offer;
mod play;
mod tell;
mod worker;

pub use history::{History, Past, Used};
pub use offer::{Changes, Offer, TRACE};
pub use play::SEED;

pub(crate) use asked::{Doc, Over, check};
pub(crate) use gather::state;
pub(crate) use worker::{TwinRuns, run};
