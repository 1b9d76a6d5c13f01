//! Every bound of a job's description, with its unit and its arithmetic, and what is assumed when nothing is said.
//! Knows nothing of pools: whether a request fits anywhere is placement's question.

use base::{Bytes, Span};

/// Bytes of a script. Slurm's own default (`max_script_size`) is 4 MiB as well.
pub const SCRIPT_BYTES_MAX: usize = 4 << 20;
/// Elements of one array.
pub const ARRAY_SIZE_MAX: u32 = 10_000;
/// Largest index of an array element; Slurm's `MaxArraySize` may be at most 4,000,001.
pub const ARRAY_INDEX_MAX: u32 = 4_000_000;
/// Jobs that one job may wait for.
pub const DEPENDENCIES_MAX: usize = 100;
/// Bytes of a job's name.
pub const NAME_LENGTH_MAX: usize = 128;
/// Bytes of a comment.
pub const COMMENT_BYTES_MAX: usize = 1_024;
/// Bytes of a mail address (RFC 5321).
pub const MAIL_USER_BYTES_MAX: usize = 254;
/// Bytes of a path or of a file name pattern: Linux' `PATH_MAX` of 4,096 less the terminating zero.
pub const PATH_BYTES_MAX: usize = 4_095;
/// Bytes of all variables together, `NAME=value` and one terminator each. Linux grants arguments and environment
/// 2 MiB (a quarter of the 8 MiB stack); half of it leaves room for arguments and the platform's own variables.
pub const ENVIRONMENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of one `NAME=value` or of one argument: Linux' `MAX_ARG_STRLEN` of 32 pages less the terminating zero.
pub const ENVIRONMENT_ENTRY_BYTES_MAX: usize = 32 * 4_096 - 1;
/// Bytes of all arguments of the script together: an eighth of the 2 MiB of [`ENVIRONMENT_BYTES_MAX`].
pub const ARGUMENTS_BYTES_MAX: usize = 256 << 10;
/// Pools that one `--partition` may name.
pub const POOLS_MAX: usize = 32;
/// Characters of an application's name with its version.
pub(crate) const APP_MAX: usize = 80;
/// Characters of a region's or a site's name, as in the registration of clusters.
pub(crate) const REGION_MAX: usize = 64;
/// Places that one `region=` may name.
pub(crate) const REGIONS_MAX: usize = 16;
/// Alternatives that one `chip=` may name.
pub const CHIPS_MAX: usize = 16;
/// Bytes of a name that a site gave, of a reservation or a licence.
pub const SITE_NAME_MAX: usize = 64;
/// Kinds of licences of one job, and pieces of each: more than any server of licences hands out.
pub const LICENCE_NAMES_MAX: usize = 16;
pub const LICENCES_MAX: u32 = 100_000;
/// Nodes of one job: the hundred thousand nodes the platform is designed for.
pub const NODES_MAX: u32 = 100_000;
/// Tasks of one job: a hundred on each of [`NODES_MAX`] nodes; fits `u32` with room to round up.
pub const TASKS_MAX: u32 = 10_000_000;
/// Cores asked for on one node; the largest machines of today have some 2,000.
pub const CORES_PER_NODE_MAX: u32 = 65_536;
/// Accelerators asked for on one node; times [`NODES_MAX`] this is 102 million and fits `u32`.
pub const GPUS_PER_NODE_MAX: u32 = 1_024;
/// Memory asked for on one node, 64 TiB: 2^46 bytes on 2^17 nodes (more than [`NODES_MAX`]) sum up to 2^63, inside `u64`.
pub const MEMORY_PER_NODE_MAX: Bytes = Bytes(1 << 46);
/// Longest time limit: a leap year.
pub const TIME_LIMIT_MAX: Span = Span::from_hours(366 * 24);
/// How far ahead `--begin` and `--deadline` may lie: ten years.
pub const AHEAD_MAX: Span = Span::from_hours(3_660 * 24);
/// Longest warning before the time limit (`--signal`), in seconds; Slurm keeps it in 16 bits.
pub const SIGNAL_SECONDS_MAX: u32 = 65_535;
/// Warning before the time limit when `--signal` does not say, in seconds; Slurm's default.
pub const SIGNAL_SECONDS_DEFAULT: u32 = 60;
/// Faults told at once; the rest of the text is then not read.
pub const FAULTS_MAX: usize = 50;
/// Warnings told at once.
pub const WARNINGS_MAX: usize = 50;

/// What holds where neither script nor command line says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub time_limit: Span,
    /// Memory per allocated core where neither `--mem` nor `--mem-per-cpu` is given.
    pub mem_per_cpu: Bytes,
    /// Whether a job runs again after a failure of its machine.
    pub requeue: bool,
    /// The shortest time between two checkpoints of a job.
    pub checkpoint_interval_min: Span,
}

impl Default for Defaults {
    /// One hour, 1 GiB per core, requeued: what most clusters' configuration amounts to. Checkpoints at most once a minute.
    fn default() -> Self {
        Self {
            time_limit: Span::from_hours(1),
            mem_per_cpu: Bytes::from_gib(1),
            requeue: true,
            checkpoint_interval_min: Span::from_mins(1),
        }
    }
}
