//! Turns a job script with `#SBATCH` and `#HW` lines, command-line options and defaults into a checked
//! [`Draft`] of a job, or into a list of precise [`Fault`]s that name the line to change.
//! Semantics follow Slurm's sbatch manual; where they differ on purpose, the item says so.
//! Refuses to know: files, clocks, the environment of the process, HTTP, pools and prices.

mod args;
mod facts;
mod fault;
pub mod limits;
mod mail;
mod options;
mod resolve;
mod script;
mod shape;
mod table;
mod value;
mod when;
mod words;

pub use args::{ClientFlags, Command, parse_args, parse_environment, parse_flag};
pub use facts::{ArrayFacts, Facts, expand_pattern, variables};
pub use fault::{Fault, FaultCode, Origin, Warning};
pub use limits::Defaults;
pub use options::{Given, Key, Options, Parsed, merge};
pub use resolve::{Context, Draft, DraftDependency, default_output, resolve};
pub use script::{parse_script, wrap_script};
pub use value::{JobRef, ParseJobRefError};

#[cfg(test)]
mod tests;
