//! What every way into a Slurm cluster can do, in Slurm's own words and without any decision: typed requests out, typed
//! listings in. Times are Slurm's: whole seconds since 1970 by the cluster's clock. Implementations hold no state about jobs.

use std::io;
use std::sync::Arc;

use base::Bytes;
use futures::future::BoxFuture;

/// Slurm's number of a job. Given out again by a controller that lost its state: see [`crate::key`].
pub type JobNumber = u32;

/// Why a question got no answer. Never to be read as "there is no such job".
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// No answer, a broken line, a daemon that is down: ask again.
    #[error("no answer: {0}")]
    Unreachable(#[source] io::Error),
    /// It answered and said no; Slurm's own words.
    #[error("Slurm says: {0}")]
    Refused(String),
    /// The answer could not be understood; the beginning of it.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(String),
}

/// Why a submission has no number.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Certainly never left us: no job can come of it.
    #[error("not sent: {0}")]
    NotSent(#[source] io::Error),
    /// Sent, and no answer: the job may be there, or appear later.
    #[error("sent, and no answer: {0}")]
    Unanswered(#[source] io::Error),
    /// Slurm refused it; no job came of it. Its own words.
    #[error("Slurm says: {0}")]
    Refused(String),
}

/// `gres=NAME[:KIND]:COUNT` per node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gres {
    pub name: String,
    pub kind: Option<String>,
    pub count: u32,
}

/// One batch job, checked and complete. Values travel as arguments or JSON strings; no shell reads them on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitRequest {
    /// See [`crate::key::Realm::name`].
    pub name: String,
    pub comment: String,
    /// The whole batch script, as rendered.
    pub script: Arc<str>,
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    pub reservation: Option<String>,
    /// `--licenses`, e.g. `ansys:2,matlab:1`.
    pub licences: Option<String>,
    /// `--switches`, e.g. `1@30`: the number, and minutes that Slurm may wait for it.
    pub switches: Option<(u32, Option<u32>)>,
    pub nodes: u32,
    pub tasks: u32,
    pub tasks_per_node: Option<u32>,
    pub cpus_per_task: u32,
    /// Zero leaves it to the cluster's default.
    pub mem_per_node: Bytes,
    pub gres: Vec<Gres>,
    /// `--constraint`, already an expression of Slurm's.
    pub constraint: Option<String>,
    /// Nodes it must not run on, by name.
    pub exclude: Vec<String>,
    pub time_limit_minutes: u32,
    /// A warning before the time limit, as Slurm writes it: `[B:]NUMBER@SECONDS`.
    pub signal: Option<String>,
    /// Slurm may queue it again: because it says so itself (`scontrol requeue`), or when a node fails.
    pub requeue: bool,
    /// Absolute.
    pub work_dir: String,
    /// Absolute, with Slurm's `%` signs doubled: they name one file.
    pub stdout: String,
    /// `None`: with stdout.
    pub stderr: Option<String>,
    pub stdin: Option<String>,
    /// Append to the output files instead of cutting them.
    pub append: bool,
    /// Enter the queue held (priority 0), to be released by [`Carrier::release`].
    pub held: bool,
    /// Unix user of the job, checked; `None`: the account that we are there.
    pub run_as: Option<Arc<str>>,
}

/// A job's state as Slurm names it; what is not known is kept as text. Base states only, flags stand beside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlurmState {
    Pending,
    Running,
    Suspended,
    Completed,
    Cancelled,
    Failed,
    Timeout,
    NodeFail,
    Preempted,
    BootFail,
    Deadline,
    OutOfMemory,
    Unknown(String),
}

/// Flags on top of a base state (`COMPLETING`, `CONFIGURING`, `REQUEUED`, `REQUEUE_HOLD`, `SPECIAL_EXIT`, `RESIZING`,
/// `STAGE_OUT`, `STOPPED`, `SIGNALING`, `REVOKED`, …), in Slurm's spelling.
pub type StateFlags = Vec<String>;

/// A job as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedJob {
    pub number: JobNumber,
    pub name: String,
    pub comment: String,
    pub state: SlurmState,
    pub flags: StateFlags,
    /// Slurm's reason word, or what it says instead of one; `None` for `None`.
    pub reason: Option<String>,
    pub submitted: i64,
    /// Of a job that runs or ran; of a pending one the controller's forecast, where it has one.
    pub start: Option<i64>,
    /// Of a job that is over.
    pub end: Option<i64>,
    /// Seconds it was suspended in all, up to its last suspension's end.
    pub suspended_seconds: i64,
    /// Allocated, by name.
    pub nodes: Vec<String>,
    /// How often Slurm itself started it again.
    pub restarts: u32,
    /// `code:signal`, once it is over.
    pub exit: Option<(i32, i32)>,
    /// Allocated, e.g. `cpu=4,mem=16G,node=1,gres/gpu:a100=2`; empty where the carrier cannot tell.
    pub tres: String,
    /// Unix user of the job; `None` where the carrier does not ask, because it lists those of our account only.
    pub user: Option<String>,
}

/// One run of a job as accounting (or, without slurmdbd, the completion log) has it. A job that Slurm requeued has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountedRun {
    pub number: JobNumber,
    pub name: String,
    pub comment: String,
    pub state: SlurmState,
    pub submitted: i64,
    /// `None`: it never started.
    pub start: Option<i64>,
    /// `None`: not over yet.
    pub end: Option<i64>,
    pub suspended_seconds: i64,
    pub nodes: Vec<String>,
    pub exit: (i32, i32),
    pub tres: String,
    /// CPU microseconds, peak bytes, bytes read and written of all steps; zero where not counted.
    pub cpu_micros: i64,
    pub memory_peak: u64,
    pub read: u64,
    pub written: u64,
    /// As in [`QueuedJob`].
    pub user: Option<String>,
}

/// All jobs of ours in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Queue {
    /// The cluster's clock when it answered, where the carrier can tell.
    pub clock: Option<i64>,
    pub jobs: Vec<QueuedJob>,
    /// True: these are all the jobs of the account that the controller knows; what is not here is not there.
    /// False: only what changed since the time asked for.
    pub whole: bool,
}

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueWanted {
    /// Everything of the account, in every state the controller still keeps.
    All,
    /// Enough to see what changed since the cluster's time given: a carrier that cannot tell answers as it can, and says so in
    /// `Queue::whole`. Jobs that only wait, as before, may be left out.
    ChangedSince(i64),
    /// These, whatever their state; those the controller does not know are left out.
    Jobs(Vec<JobNumber>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountsWanted {
    Jobs(Vec<JobNumber>),
    /// Runs that were under way or ended since this time, by name prefix.
    Since {
        time: i64,
        name_prefix: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Slurm's usual end: TERM, then KILL after its KillWait.
    End,
    /// A signal to all processes of the job.
    Signal(i32),
    /// A signal to the batch shell alone.
    SignalShell(i32),
}

/// One node as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeFacts {
    pub name: String,
    /// Base state and flags in Slurm's spelling, e.g. `IDLE`, `MIXED+DRAIN`.
    pub state: String,
    pub reason: Option<String>,
    pub cpus: u32,
    pub mem: Bytes,
    /// `(name, kind, count)` as configured.
    pub gres: Vec<Gres>,
    pub features: Vec<String>,
    pub partitions: Vec<String>,
    pub cpus_allocated: u32,
    pub mem_allocated: Bytes,
    pub gres_allocated: Vec<Gres>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionFacts {
    pub name: String,
    /// `UP`, `DOWN`, `DRAIN`, `INACTIVE`.
    pub state: String,
    pub is_default: bool,
    pub nodes: Vec<String>,
    /// `None`: no limit.
    pub max_time_minutes: Option<u32>,
    pub max_nodes: Option<u32>,
    pub min_nodes: Option<u32>,
    pub default_time_minutes: Option<u32>,
    pub allow_accounts: Vec<String>,
    pub allow_qos: Vec<String>,
    pub preempt_mode: String,
    /// Further words about who may use it, as Slurm writes them: `RootOnly=YES`, `ReqResv=YES`, `Hidden=YES`, `DenyAccounts=a,b`,
    /// `DenyQos=x`; none that says what is usual.
    pub rules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationFacts {
    pub name: String,
    pub start: i64,
    pub end: i64,
    pub nodes: Vec<String>,
    pub users: Vec<String>,
    pub accounts: Vec<String>,
    pub flags: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LicenceFacts {
    pub name: String,
    pub total: u32,
    pub used: u32,
}

/// What the account may do, where accounting is kept: limits of its association and of a QOS, as Slurm prints them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitFacts {
    /// `association ACCOUNT/USER` or `qos NAME`.
    pub of: String,
    /// `(word, value)`, e.g. `("MaxJobs", "100")`; only those that are set.
    pub limits: Vec<(String, String)>,
}

/// How the end of a job is proven on this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountingKind {
    Slurmdbd,
    /// `jobcomp/filetxt`, read through `sacct -c`.
    CompletionLog,
    /// Only the controller's memory (`MinJobAge` seconds) and the evidence in the work folder.
    Controller,
}

/// The cluster as a whole, read at registration and when something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// e.g. `22.05.8`.
    pub version: String,
    pub cluster_name: String,
    /// Unix account we are there.
    pub user: String,
    pub accounting: AccountingKind,
    /// The cluster's clock when it answered.
    pub clock: i64,
    /// From `scontrol show config`: words that matter to a connector (`MinJobAge`, `KillWait`, `MessageTimeout`,
    /// `MaxArraySize`, `MaxJobCount`, `JobRequeue`, `SelectType`, `AccountingStorageTRES`, `TopologyPlugin`, …).
    pub config: Vec<(String, String)>,
    pub partitions: Vec<PartitionFacts>,
    pub nodes: Vec<NodeFacts>,
    pub reservations: Vec<ReservationFacts>,
    pub licences: Vec<LicenceFacts>,
    pub limits: Vec<LimitFacts>,
    /// Switches of `topology.conf`: `(switch, nodes below it)`.
    pub topology: Vec<(String, Vec<String>)>,
}

/// What a site account lets its members have in the queue: `GrpSubmitJobs` of its association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitLimit {
    pub account: String,
    /// `None`: no limit.
    pub most: Option<u32>,
}

/// Whose limits the account we are there may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitRights {
    /// Operator or administrator of Slurm's accounting.
    All,
    /// Coordinator of these site accounts.
    Of(Vec<String>),
    None,
}

/// What a site says of a Unix user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnixId {
    Is(u32),
    Nobody,
    /// This way in cannot ask.
    CannotSay,
}

const NO_LIMITS_HERE: &str =
    "this way in cannot set limits; Slurm's commands can, as the way itself or with watch = \"command-line\"";

/// One way into one cluster. Cheap to share; every call has a bounded duration of the carrier's choice.
pub trait Carrier: Send + Sync + 'static {
    /// A word for people: `command line`, `ssh hw@login.example`, `slurmrestd v0.0.38 at /run/…`.
    fn describe(&self) -> String;

    /// Everything about the cluster; heavy (hundreds of milliseconds on a large one).
    fn survey(&self) -> BoxFuture<'_, Result<Survey, CarrierError>>;

    /// Nodes whose record changed since the given time, or all of them.
    fn nodes(&self, since: Option<i64>) -> BoxFuture<'_, Result<Vec<NodeFacts>, CarrierError>>;

    /// Hands one batch job over.
    fn submit<'a>(&'a self, request: &'a SubmitRequest) -> BoxFuture<'a, Result<JobNumber, SubmitError>>;

    fn queue(&self, wanted: QueueWanted) -> BoxFuture<'_, Result<Queue, CarrierError>>;

    /// Runs as accounted. On a cluster without slurmdbd what the completion log has, or nothing.
    fn accounts(&self, wanted: AccountsWanted) -> BoxFuture<'_, Result<Vec<AccountedRun>, CarrierError>>;

    /// To all of `numbers` at once. A job that is not there or is over is no fault.
    fn cancel<'a>(&'a self, numbers: &'a [JobNumber], how: Cancel) -> BoxFuture<'a, Result<(), CarrierError>>;

    fn hold<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>>;

    fn release<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>>;

    fn set_time_limit(&self, number: JobNumber, minutes: u32) -> BoxFuture<'_, Result<(), CarrierError>>;

    /// The number of a Unix user there. The name is checked.
    fn unix_id<'a>(&'a self, _user: &'a str) -> BoxFuture<'a, Result<UnixId, CarrierError>> {
        Box::pin(std::future::ready(Ok(UnixId::CannotSay)))
    }

    /// Limits of site accounts on the cluster that Slurm calls `cluster`; those that it does not know are left out.
    fn submit_limits<'a>(
        &'a self,
        _cluster: &'a str,
        _accounts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<SubmitLimit>, CarrierError>> {
        Box::pin(std::future::ready(Err(CarrierError::Refused(NO_LIMITS_HERE.into()))))
    }

    /// Sets the limit of a site account; what it has in the queue already stays.
    fn set_submit_limit<'a>(
        &'a self,
        _cluster: &'a str,
        _limit: &'a SubmitLimit,
    ) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(std::future::ready(Err(CarrierError::Refused(NO_LIMITS_HERE.into()))))
    }

    /// Whose limits the unix account `user` may set.
    fn limit_rights<'a>(&'a self, _user: &'a str) -> BoxFuture<'a, Result<LimitRights, CarrierError>> {
        Box::pin(std::future::ready(Err(CarrierError::Refused(NO_LIMITS_HERE.into()))))
    }
}
