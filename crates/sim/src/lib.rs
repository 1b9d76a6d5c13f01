//! A discrete-event runner of `engine`: virtual clock, cluster models, faults, a shadow store and the ledger's auditor.
//! The very same engine as in production, driven without a thread, a socket or a file.
//!
//! Start reading at [`World`] (what can be done to a platform), [`scenario`] (the same as text with transcripts) and
//! [`chaos`] (the same by chance). [`audit`] says what must hold at the end. [`trace`] reads recorded workloads, [`replay`] plays
//! them on machines of like processors, [`supply`] on clusters with money, by the engine itself; [`live`] runs a
//! copy of a running platform ahead. Refuses to know: tokio, ports, store, server, files, clocks.

pub mod audit;
pub mod chaos;
mod cluster;
pub mod live;
mod log;
pub mod pack;
pub mod paired;
pub mod plots;
pub mod replay;
pub mod scenario;
pub mod supply;
mod tables;
pub mod trace;
mod world;
pub mod year;

pub use cluster::{ClusterModel, Execution, RunPlan};
pub use log::{Log, LogEntry};
pub use tables::{Conflict, Settled, Tables};
pub use world::{Answer, Crash, Delivery, Doing, Lost, World};
