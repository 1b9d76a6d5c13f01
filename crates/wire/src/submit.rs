//! Handing work in: a submission, its answer, a quote, and the candidate table that explains a choice.

use std::collections::BTreeMap;

use base::{JobId, PoolId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::files::InputFile;
use crate::words::{ExplainPhase, PriorityClass, ProductLine, SupplyMode};

/// Value of an option: a text as on the command line; numbers and booleans are taken too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OptionValue {
    Text(String),
    Flag(bool),
    Number(u64),
}

impl std::fmt::Display for OptionValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// A job as a script, with what the script does not say or what shall override it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSubmit {
    /// The text of the script, at most 4 MiB; its `#SBATCH` and `#HW` lines are read.
    #[schema(example = "#!/bin/sh\n#SBATCH --ntasks=2 --time=10\nsrun hostname\n")]
    pub script: String,
    /// Long names of sbatch's options with `_` for `-`; they win over the script.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"job_name": "melt", "ntasks": 4, "time": "0:10:00"}))]
    pub options: BTreeMap<String, OptionValue>,
    /// Arguments of the script.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables of the submitter, as far as the export policy lets them through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Name or id of the project that pays; the user's default project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Absolute path where the submitter stands: a relative `chdir` starts from it. Without `chdir` a job works in a
    /// fresh folder of its own, since the submitter's folder need not exist where the job runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    /// Name of the script's file, the job's name when nothing else names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_name: Option<String>,
    /// Files of the tenant that the job finds in its work folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputFile>,
    /// Check and price only: nothing is accepted, nothing is held.
    #[serde(default)]
    pub dry_run: bool,
}

/// Something that was ignored or is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    pub message: String,
}

/// The answer to an accepted submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobAccepted {
    /// The job, or the array's first element. `null` after a dry run.
    #[schema(value_type = Option<String>, example = "job_0192f000000070008000000000000001")]
    pub job: Option<JobId>,
    /// Its small number; 0 after a dry run.
    pub number: u64,
    /// 1, or the size of the array; elements are numbered from `number` on.
    pub elements: u32,
    /// What was set aside in the wallet, for all elements.
    pub hold: MoneyText,
    pub currency: String,
    pub warnings: Vec<Warning>,
}

/// What is asked for, in the shape placement works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requested {
    pub nodes: u32,
    pub tasks: u32,
    pub cpus_per_task: u32,
    /// Over all nodes, as are the next two.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub gpus: u32,
    /// Any of them will do; empty means any.
    pub chips: Vec<String>,
    pub tres: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    pub request: Requested,
    pub time_limit_seconds: f64,
    pub class: PriorityClass,
    pub line: ProductLine,
    pub elements: u32,
    /// Every pool, best first, then those that cannot serve.
    pub candidates: Vec<Candidate>,
    /// The pool that would be chosen now.
    #[schema(value_type = Option<String>)]
    pub chosen: Option<PoolId>,
    /// What a submission would set aside of the wallet, for all elements.
    pub hold: MoneyText,
    /// What contracts would cover, and grants pay, of what is to be set aside.
    #[serde(default)]
    pub covered: MoneyText,
    #[serde(default)]
    pub granted: MoneyText,
    pub currency: String,
    pub warnings: Vec<Warning>,
}

/// One part of a candidate's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreTerm {
    pub name: String,
    pub value: f64,
}

/// One pool in the table that explains a choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    #[schema(value_type = String)]
    pub pool: PoolId,
    pub pool_name: String,
    pub cluster_name: String,
    pub mode: SupplyMode,
    /// `feasible`, or the code of the rule that said no.
    pub verdict: String,
    pub text_en: String,
    pub text_zh: String,
    /// With a rule about amounts: what was asked for, and what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
    pub expected_start: Option<TimeText>,
    /// Of the time until then, what the cluster's own queue takes by what it took of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_wait_seconds: Option<f64>,
    /// Of that time, how long its input is on its way there; `null` where it has none or no link is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_time_seconds: Option<f64>,
    /// What that way costs the operator; only operators and auditors see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_cost: Option<MoneyText>,
    /// To the users of a model there and back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_seconds: Option<f64>,
    pub run_time_seconds: Option<f64>,
    /// For the whole time limit, to the tenant.
    pub price: Option<MoneyText>,
    /// In a quote, of the price of one job: what a contract covers by what is free of it now, what grants pay of the rest, and what is left
    /// to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_pay: Option<MoneyText>,
    /// To the operator; only operators and auditors see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<MoneyText>,
    /// Larger is better; comparable within one explanation.
    pub score: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<ScoreTerm>,
    pub chosen: bool,
}

/// Why a job is where it is, or what its choice looks like now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    #[schema(value_type = String)]
    pub job: JobId,
    /// When the choice was looked at.
    pub at: TimeText,
    pub phase: ExplainPhase,
    /// Number of the attempt that was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    pub currency: String,
    pub candidates: Vec<Candidate>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// Number of the attempt; the latest choice when left out.
    pub attempt: Option<u32>,
}
