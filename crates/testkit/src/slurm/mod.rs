//! Real Slurm clusters for tests, several at once: every daemon a child of this process on ports, keys and folders of
//! its own, to be killed, stopped, started again and set back in time. Touches no system service and no file of the
//! system's Slurm; runs as root and as an ordinary user. Knows nothing of Headworks.
//!
//! Sources: the manual pages of Slurm 22.05 (slurm.conf, slurmdbd.conf, gres.conf, slurmrestd), of munged and of sshd.

mod accounting;
mod cluster;
mod config;
mod farm;
mod ports;
mod process;
mod reaper;
mod shapes;
mod spec;
mod ssh;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use cluster::{Cluster, Daemon, SavedState};
pub use farm::{Farm, Started};
pub use ports::Ports;
pub use shapes::{alpha, beta, gamma};
pub use spec::{Accounting, ClusterSpec, Gres, NodeSet, Partition};
pub use ssh::SshAccess;

/// The longest path of a unix socket: `sun_path` holds 108 bytes with its closing zero; some are kept for suffixes.
pub const SOCKET_PATH_BYTES_MAX: usize = 100;
/// A daemon accepts connections a fraction of a second after its start; a loaded machine is slower.
pub const READY_WAIT: Duration = Duration::from_secs(60);
/// Between two looks at a condition: one `sinfo` costs about 8 ms.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Why a cluster, or a part of one, is not running.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    #[error("{program} is not installed: install the Debian package `{package}`, or run scripts/setup.sh test")]
    Missing { program: &'static str, package: &'static str },
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{what} failed: {said}")]
    Program { what: String, said: String },
    #[error("{daemon} ended with {status} before it was ready:\n{log}")]
    Ended { daemon: String, status: std::process::ExitStatus, log: String },
    #[error("{daemon} was not ready within {READY_WAIT:?}:\n{log}")]
    NotReady { daemon: String, log: String },
    #[error("waited {waited:?} for {what}; last seen: {seen}")]
    Waited { what: String, waited: Duration, seen: String },
    #[error("a socket's path may have {SOCKET_PATH_BYTES_MAX} bytes: {}", .0.display())]
    SocketPath(PathBuf),
    #[error("no {0} free TCP ports in a row")]
    NoPorts(u16),
    #[error("there is no cluster {0} in this farm")]
    NoCluster(String),
}

/// Turns an I/O error into ours, with what was being done.
pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> FarmError {
    let what = what.into();
    move |source| FarmError::Io { what, source }
}
