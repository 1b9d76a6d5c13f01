//! Slurm clusters, own and partner, through an ordinary user account: hands attempts over, finds them again by their key,
//! follows them to their end and reads what accounting says of them. Three ways in (command line, the same over SSH, slurmrestd)
//! behind one [`Carrier`]. Refuses to know: the engine, the store, what a job costs.

pub mod carrier;
pub mod check;
pub mod cli;
pub mod config;
pub mod core;
pub mod debtors;
pub mod evidence;
pub mod fake;
pub mod files;
pub mod homes;
pub mod key;
pub mod open;
pub mod render;
pub mod rest;
pub mod ssh;
pub mod states;
pub mod supply;
pub mod trial;
pub mod users;

pub use self::core::{Clock, Limits, LinkStatus, Parts, SlurmCluster};
pub use carrier::{Carrier, CarrierError, SubmitError, SubmitRequest};
pub use config::SlurmConfig;
pub use open::{OpenError, Opened, open};
pub use render::SlurmPool;
