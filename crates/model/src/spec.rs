//! What a user asks to be run: the checked form of a job script, of flags or of a JSON body.
//! Immutable after submission; named by the digest of its content.

use std::sync::Arc;

use base::{JobId, ScriptId, Span, SpecId, Timestamp, digest128};
use serde::{Deserialize, Serialize};

use crate::file::Input;
use crate::mail::MailOn;
use crate::request::Request;

/// Queue class of a job, lowest first; `--qos` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorityClass {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

impl PriorityClass {
    pub const ALL: [PriorityClass; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

/// What is being sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductLine {
    #[default]
    General,
    Industry,
    Ai,
    Maas,
    Render,
    Lease,
}

impl ProductLine {
    pub const ALL: [ProductLine; 6] = [Self::General, Self::Industry, Self::Ai, Self::Maas, Self::Render, Self::Lease];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Industry => "industry",
            Self::Ai => "ai",
            Self::Maas => "maas",
            Self::Render => "render",
            Self::Lease => "lease",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| line.as_str() == text)
    }
}

/// `--array=0-9:2%4`: the indices in ascending order and how many may run at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArraySpec {
    pub indices: Vec<u32>,
    pub limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    AfterOk,
    AfterAny,
    AfterNotOk,
}

/// The job may start once `on` has ended as `kind` says; all dependencies must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dependency {
    pub kind: DependencyKind,
    pub on: JobId,
}

/// Which variables of the submitter reach the job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportPolicy {
    /// Those of `environment` (what the client sent).
    #[default]
    All,
    /// Only the `SLURM_*` and `HW_*` ones that the platform sets.
    None,
}

/// `--signal=[B:]NUM@SECONDS`: a warning before the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignalSpec {
    /// Number of the signal, 1 to 64.
    pub signal: i32,
    pub before: Span,
    /// Only the batch shell, not its children.
    pub shell_only: bool,
}

/// Everything that describes a job except its script text, which is stored once by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobSpec {
    pub name: Arc<str>,
    pub script: ScriptId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    pub request: Request,
    pub time_limit: Span,
    #[serde(default)]
    pub class: PriorityClass,
    #[serde(default)]
    pub line: ProductLine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<ArraySpec>,
    /// Names of pools (`--partition`), any of them; empty means any pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Arc<str>>,
    /// Sites and regions where it may run (`--region`), within those of its tenant; empty means wherever that one's may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Arc<str>>,
    /// The application that it runs, as the policy names it (`--app`): `lammps/2Aug2023`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Arc<str>>,
    /// Absolute path; `None` means a fresh folder of the job under the cluster's work root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<Arc<str>>,
    /// File name patterns (`%j`, `%A`, `%a`, `%x`, `%u`, `%N`, `%%`), relative to the work folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Arc<str>>,
    #[serde(default)]
    pub export: ExportPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Arc<str>>,
    /// Run again after a failure of the machine.
    #[serde(default)]
    pub requeue: bool,
    /// It may be ended and queued again to make room for work that goes first, wherever the policy has such work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preemptible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalSpec>,
    /// Enter the queue held.
    #[serde(default)]
    pub hold: bool,
    /// Append to existing output files instead of truncating them (`--open-mode`).
    #[serde(default)]
    pub append: bool,
    /// Put into the work folder before each attempt starts. Only for jobs that work in a folder of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Patterns ([`crate::pattern`]) of the files in the work folder that are copied into the tenant's file space when it has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetch: Vec<Arc<str>>,
    /// Patterns of the files that are copied away while it runs, so that its next attempt goes on from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoint: Vec<Arc<str>>,
    /// Between two copies; `None` means [`CHECKPOINT_INTERVAL`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval: Option<Span>,
    /// What its user's mail tells of it (`--mail-type`), in place of what that user has chosen for all jobs; empty means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Vec<MailOn>>,
    /// What was said beside the script, so that it can be said again.
    #[serde(default, skip_serializing_if = "Said::is_empty")]
    pub said: Said,
}

/// What a submission said beside its script, as it was written. Nothing is decided by it: what it meant stands in the other fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Said {
    /// Options by their long names with `_`, each with its value; switches have `true` or `false`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, String)>,
    /// Paths in the file space, each with its name in the work folder where one was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<(String, Option<String>)>,
}

impl Said {
    pub fn is_empty(&self) -> bool {
        self.options.is_empty() && self.inputs.is_empty()
    }
}

/// Between two checkpoints of a job that does not say.
pub const CHECKPOINT_INTERVAL: Span = Span::from_secs(600);

impl JobSpec {
    /// A spec with everything optional left out.
    pub fn minimal(name: &str, script: ScriptId, request: Request, time_limit: Span) -> JobSpec {
        JobSpec {
            name: name.into(),
            script,
            args: Vec::new(),
            request,
            time_limit,
            class: PriorityClass::Normal,
            line: ProductLine::General,
            begin: None,
            deadline: None,
            array: None,
            pools: Vec::new(),
            regions: Vec::new(),
            app: None,
            work_dir: None,
            stdout: None,
            stderr: None,
            stdin: None,
            export: ExportPolicy::All,
            environment: Vec::new(),
            comment: None,
            requeue: false,
            preemptible: false,
            signal: None,
            hold: false,
            append: false,
            inputs: Vec::new(),
            fetch: Vec::new(),
            checkpoint: Vec::new(),
            checkpoint_interval: None,
            mail: None,
            said: Said::default(),
        }
    }
}

/// The id of a script: the digest of its text.
pub fn script_id(text: &str) -> ScriptId {
    ScriptId::from_u128(digest128(&[b"script", text.as_bytes()]))
}

/// The id of a specification: the digest of its canonical serialized form.
pub fn spec_id(canonical: &[u8]) -> SpecId {
    SpecId::from_u128(digest128(&[b"spec", canonical]))
}
