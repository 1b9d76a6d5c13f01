//! What a local cluster is told at its making, checked; and every limit of this crate with its arithmetic.

use std::path::PathBuf;
use std::sync::Arc;

use base::{Bytes, ClusterId, PoolId, Resources, Span};
use model::Chip;
use serde::{Deserialize, Serialize};

/// Time between TERM and KILL when nothing else is said; Slurm's `KillWait`.
pub const KILL_GRACE: Span = Span::from_secs(30);
/// Largest output file of a job. A job that writes 100 MB/s reaches it in 107 s.
pub const OUTPUT_MAX: Bytes = Bytes::from_gib(10);
/// Jobs are ended when the file system of their output has less than this: a flood of 100 MB/s writes 25 MB between two
/// looks, so that at least nine tenths of it remain for the platform's own database.
pub const DISK_RESERVE: Bytes = Bytes::from_mib(256);
/// Between two looks at a job's memory and output.
pub const POLL: Span = Span::from_millis(200);
/// The first look, and the distance of looks while a job uses more than half of its memory: at 5 GB/s of page faults
/// (the most one core does) a job is found at most 100 MB over its limit.
pub const POLL_FIRST: Span = Span::from_millis(20);
/// Between two notes of what a running job has used.
pub const PROGRESS: Span = Span::from_secs(15);
/// Between two scans of all attempts, in case a wake-up was lost.
pub const RESCAN: Span = Span::from_secs(5);
/// Most bytes one `read_log` returns, as the port promises.
pub const LOG_READ_MAX: usize = 1 << 20;
/// Between two looks of a waiter at a log file, and for how long it looks.
pub const LOG_POLL: Span = Span::from_millis(50);
pub const LOG_WAIT_MAX: Span = Span::from_secs(10);
/// Recently forgotten attempts that a late submission must not start again: 28 bytes each, half a mebibyte in all, and
/// at 200 jobs a second more than a minute's worth.
pub const FORGOTTEN_MAX: usize = 16_384;
/// Memory of this machine that `detect` leaves to the system and the platform: a sixteenth, at least 512 MiB.
pub const MEMORY_RESERVE_SHARE: u64 = 16;
pub const MEMORY_RESERVE_MIN: Bytes = Bytes::from_mib(512);
/// What a job that could not be started for a reason of its own ends with: code 0, "signal" 53, as Slurm shows it.
pub const EXIT_NO_START: model::Exit = model::Exit { code: 0, signal: 53 };

/// The unprivileged user under whom jobs run when the platform is root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    #[serde(default)]
    pub groups: Vec<u32>,
    pub name: String,
    pub home: String,
}

impl User {
    /// Looks up a user of this machine by name.
    ///
    /// # Errors
    /// `NoSuchUser`, also when the user data base cannot be read.
    pub fn named(name: &str) -> Result<User, LocalError> {
        let found = nix::unistd::User::from_name(name).ok().flatten();
        found.map(User::of).ok_or_else(|| LocalError::NoSuchUser(name.to_owned()))
    }

    /// The user of this process, if the user data base knows it.
    pub fn current() -> Option<User> {
        nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(User::of)
    }

    fn of(found: nix::unistd::User) -> User {
        let c_name = std::ffi::CString::new(found.name.clone()).unwrap_or_default();
        let groups = nix::unistd::getgrouplist(&c_name, found.gid).unwrap_or_else(|_| vec![found.gid]);
        User {
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
            groups: groups.into_iter().map(|g| g.as_raw()).collect(),
            name: found.name,
            home: found.dir.to_string_lossy().into_owned(),
        }
    }
}

/// A pool on this machine. Several may stand side by side; each takes the next free cores and GPUs of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPool {
    pub id: PoolId,
    pub name: Arc<str>,
    /// What one node offers.
    pub shape: Resources,
    pub chip: Option<Chip>,
    /// At least 1; all of them are this machine.
    pub nodes: u32,
}

impl LocalPool {
    /// `cpu` for a pool of one node, `cpu-1`, `cpu-2` … for more.
    pub fn node_names(&self) -> Vec<String> {
        match self.nodes {
            0 | 1 => vec![self.name.to_string()],
            n => (1..=n).map(|i| format!("{}-{i}", self.name)).collect(),
        }
    }
}

/// How a supervisor watches a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Between TERM and KILL at the time limit.
    pub kill_grace: Span,
    pub poll: Span,
    pub progress: Span,
    pub output_max: Bytes,
    pub disk_reserve: Bytes,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            kill_grace: KILL_GRACE,
            poll: POLL,
            progress: PROGRESS,
            output_max: OUTPUT_MAX,
            disk_reserve: DISK_RESERVE,
        }
    }
}

/// Everything a local cluster needs to know.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    pub cluster: ClusterId,
    pub cluster_name: Arc<str>,
    /// Holds `local/spool`; every part of the path must be open (`x`) to the jobs' user.
    pub data_dir: PathBuf,
    /// Jobs without a folder of their own get `<work_root>/<tenant>/<user>/<job number>`.
    pub work_root: PathBuf,
    /// The program that understands [`crate::SUPERVISE`] as its first argument.
    pub supervisor: PathBuf,
    /// `None`: jobs run as the platform's own user.
    pub run_as: Option<User>,
    pub pools: Vec<LocalPool>,
    pub watch: Watch,
    /// Whether to put jobs into control groups where the host permits it. `false` is for tests of the way without.
    pub cgroups: bool,
    /// Whose name and home jobs are told: `run_as`, or the platform's own user. Filled in at the start.
    pub(crate) account: Option<User>,
}

impl LocalConfig {
    /// A configuration with every tuning value at its default.
    pub fn new(cluster: ClusterId, data_dir: PathBuf, supervisor: PathBuf, pools: Vec<LocalPool>) -> LocalConfig {
        LocalConfig {
            cluster,
            cluster_name: "local".into(),
            work_root: data_dir.join("work"),
            data_dir,
            supervisor,
            run_as: None,
            pools,
            watch: Watch::default(),
            cgroups: true,
            account: None,
        }
    }
}

/// Why a local cluster cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("{what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Jobs could not reach their script or work folder.
    #[error("the user {user} who runs jobs cannot pass through {path}: give it mode o+x")]
    Closed { path: PathBuf, user: String },
    #[error("there is no user {0} on this machine")]
    NoSuchUser(String),
    #[error("jobs are to run as {0}, which needs the platform to run as root")]
    NotRoot(String),
    #[error("pool {0} has no cores or no nodes")]
    EmptyPool(Arc<str>),
}

impl LocalError {
    pub(crate) fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> LocalError {
        let path = path.to_owned();
        move |source| LocalError::Io { what, path, source }
    }
}
