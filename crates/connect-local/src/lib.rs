//! The machine itself as a cluster: jobs as process trees under one small supervisor process each.
//! The supervisor outlives the server; files in a spool are the truth between the two.
//! Refuses to know: the engine, the store, HTTP; what a job costs; what it computes.

mod cgroup;
mod cluster;
pub mod config;
mod detect;
mod files;
mod layout;
mod logs;
mod plan;
mod render;
mod spool;
mod state;
mod supervise;
mod sys;
mod watch;

pub use cluster::{LocalCluster, passable};
pub use config::{LocalConfig, LocalError, LocalPool, User, Watch};
pub use detect::{detect, gpus_present};
pub use files::LocalFiles;
pub use supervise::supervise_main;

/// First argument of the program with which it becomes a supervisor. To be looked at before anything else in `main`.
pub const SUPERVISE: &str = "__supervise";
