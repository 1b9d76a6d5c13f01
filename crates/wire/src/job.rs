//! Jobs as they are shown and changed: summaries, one job with its attempts, its metered intervals, its output.

use base::{ClusterId, JobId, PoolId, ProjectId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{Amounts, MoneyText, TimeText};
use crate::submit::Requested;
use crate::words::{
    AttemptPhase, BulkAction, JobSort, JobState, LogStream, Outcome, PriorityClass, ProductLine, SortOrder,
};

/// Filters of the list of jobs; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// States joined by commas: `PENDING,RUNNING`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Name or id of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Name or id of a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Name or id of a project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Name of a job, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The beginning of a job's name, its letters as they are; not beside `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// Name or id of a pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Name or id of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Classes joined by commas: `high,urgent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_after: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_before: Option<TimeText>,
    /// Ended at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_after: Option<TimeText>,
    /// Ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_before: Option<TimeText>,
    /// Number or id of an array's first job: its elements only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// True: only jobs that have not ended; false: only those that have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// By number when left out. Jobs without the value come last in both orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub sort: Option<JobSort>,
    /// `desc` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub order: Option<SortOrder>,
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArrayPosition {
    /// Number of the array's first job.
    pub root_number: u64,
    pub index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exit {
    pub code: i32,
    /// The signal that ended it, 0 for none.
    pub signal: i32,
}

/// One line of a list of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    #[schema(value_type = String, example = "job_0192f000000070008000000000000001")]
    pub id: JobId,
    pub number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayPosition>,
    pub name: String,
    pub state: JobState,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    #[schema(value_type = String)]
    pub project: ProjectId,
    pub project_name: String,
    #[schema(value_type = String)]
    pub user: UserId,
    pub user_name: String,
    /// Of the current or last attempt.
    #[schema(value_type = Option<String>)]
    pub pool: Option<PoolId>,
    pub pool_name: Option<String>,
    /// Where it runs now; empty for work that does not.
    pub nodes: Vec<String>,
    /// Pools it may run in, by name; empty means any.
    pub pools: Vec<String>,
    /// Why it does not run yet; `null` for work that runs or has ended.
    pub reason: Option<Reason>,
    /// Of waiting work. In a list only of the first jobs of a page where there are many pools: each takes a glance at every pool.
    pub expected_start: Option<TimeText>,
    pub class: PriorityClass,
    pub requested: Requested,
    pub time_limit_seconds: f64,
    pub submitted_at: TimeText,
    pub started_at: Option<TimeText>,
    pub ended_at: Option<TimeText>,
    pub exit: Option<Exit>,
    pub charged: MoneyText,
    pub currency: String,
}

/// Why a job does not run yet; `code` is stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    pub code: String,
    pub text_en: String,
    pub text_zh: String,
    /// With `resources`: what the job asks for on each node, and what is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Amounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Amounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pool: Option<PoolId>,
    /// The job it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub on: Option<JobId>,
    /// When it is looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<TimeText>,
}

/// What the kernel or the cluster counted; zero where it cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub memory_peak_bytes: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

/// One placement of a job on a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    #[schema(example = "att_0192f000000070008000000000000001_1")]
    pub id: String,
    pub number: u32,
    #[schema(value_type = String)]
    pub cluster: ClusterId,
    pub cluster_name: String,
    #[schema(value_type = String)]
    pub pool: PoolId,
    pub pool_name: String,
    pub phase: AttemptPhase,
    pub nodes: Vec<String>,
    pub granted: Amounts,
    /// The cluster's own name of it.
    pub external: Option<String>,
    pub placed_at: TimeText,
    pub started_at: Option<TimeText>,
    pub ended_at: Option<TimeText>,
    pub outcome: Option<Outcome>,
    pub exit: Option<Exit>,
    pub usage: Usage,
    /// The cluster's own words; only operators and auditors see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dependency {
    /// `afterok`, `afterany` or `afternotok`.
    pub kind: String,
    #[schema(value_type = String)]
    pub on: JobId,
}

/// One job with everything a person asks about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    #[serde(flatten)]
    pub summary: JobSummary,
    pub line: ProductLine,
    pub begin: Option<TimeText>,
    pub deadline: Option<TimeText>,
    /// Oldest first.
    pub attempts: Vec<Attempt>,
    pub args: Vec<String>,
    pub work_dir: Option<String>,
    /// File name patterns as asked for; `null` means the platform's own.
    pub stdout: Option<String>,
    pub stderr: Option<String>,
    pub comment: Option<String>,
    pub dependencies: Vec<Dependency>,
    /// Whether it runs again after a failure of its machine.
    pub requeue: bool,
    /// Whether it may be told to make room for work that goes first.
    #[serde(default)]
    pub preemptible: bool,
    /// Regions and sites to which it may be sent; empty: wherever its tenant's work may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// The application by whose verified chips it is placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What else it asks of nodes, as options without dashes: `interconnect=infiniband`, `switches=1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// From which its next attempt goes on, while it is open and has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// What was amended of what was charged, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<crate::statement::Correction>,
}

/// A set of files that was copied away from a running job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// When they stood still.
    pub at: TimeText,
    /// Number of the attempt whose files they are.
    pub attempt: u32,
    pub files: u64,
    pub bytes: u64,
}

/// One billed stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    pub attempt: String,
    /// From 1, without gaps, per attempt.
    pub seq: u32,
    pub from: TimeText,
    pub to: TimeText,
    pub granted: Amounts,
    pub charge: MoneyText,
    /// Part of the charge that the wallet could not cover.
    pub uncollected: MoneyText,
    /// Parts of the charge that were drawn from contracts and paid by grants.
    #[serde(default, skip_serializing_if = "crate::money::none")]
    pub drawn: MoneyText,
    #[serde(default, skip_serializing_if = "crate::money::none")]
    pub credited: MoneyText,
}

/// The answer to a change of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobChanged {
    #[schema(value_type = String)]
    pub job: JobId,
    /// How many jobs changed: 0 when it was as asked already, more than 1 for an array.
    pub changed: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<PriorityClass>,
    /// As `--time` is written: `90`, `1:30:00`, `2-00`, `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40, example = "1:30:00")]
    pub time_limit: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkCancel {
    /// Up to 1000 jobs by id, number or array element.
    #[schema(max_items = 1000)]
    pub jobs: Vec<String>,
}

/// One thing that is done to many jobs: to those that are named, or to those that pass a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    pub action: BulkAction,
    /// Up to 1000 jobs by id, number or array element.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub jobs: Vec<String>,
    /// As of the list of jobs; its order and page are not looked at. The newest 1000 that pass and whose state allows the action are
    /// taken; of an array with `resubmit` one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<JobsQuery>,
}

/// What became of one job of a bulk request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkItem {
    /// As it was named in the request.
    pub job: String,
    pub changed: u32,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::ErrorCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Number of the job that was handed in anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkResult {
    /// In the order of the request.
    pub results: Vec<BulkItem>,
    /// Whether more jobs pass the filter than were taken.
    #[serde(default)]
    pub more: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Standard output when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub stream: Option<LogStream>,
    /// First byte; negative counts from the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Bytes, at most 1 MiB; 256 KiB when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1_048_576)]
    pub limit: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogFindQuery {
    /// Standard output when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub stream: Option<LogStream>,
    /// What to look for; small and capital letters of ASCII are alike.
    #[param(min_length = 1, max_length = 200)]
    pub text: String,
    /// First byte; 0 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Places, at most 1,000; 200 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
}

/// Where a text is in an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogFound {
    pub places: Vec<LogPlace>,
    /// From where to look on; `null`: all that there is was looked through.
    pub next: Option<u64>,
    /// Of the file now.
    pub size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPlace {
    /// Of its first byte in the file.
    pub offset: u64,
    /// The line around it, cut where it is long.
    pub line: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FollowQuery {
    /// Standard output when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub stream: Option<LogStream>,
    /// First byte; negative counts from the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

/// Data of an event `log` of a followed log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPiece {
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// Valid text; bytes that are none appear as U+FFFD.
    pub text: String,
}

/// Data of the event `end` of a followed log: nothing will be added any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEnd {
    pub size: u64,
}
