//! What passes between connector and supervisor through files: the plan of an attempt and the record of its course.
//! Knows nothing of orders, pools or Slurm: a supervisor does what its plan says.

use base::{AttemptId, Bytes, CpuMillis, PoolId, Span, Timestamp};
use model::{EndCause, Exit, Outcome, SignalSpec, Usage};
use serde::{Deserialize, Serialize};

use crate::cgroup::Groups;
use crate::config::{User, Watch};

/// `order.json`: everything a supervisor needs, ready to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub attempt: AttemptId,
    pub pool: PoolId,
    pub nodes: Vec<String>,
    /// Arguments after the script's own name.
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub files: Files,
    pub append: bool,
    pub time_limit: Span,
    pub warning: Option<SignalSpec>,
    /// Over all nodes; zero means no limit.
    pub memory: Bytes,
    pub cpu: CpuMillis,
    /// Cores to bind to; empty means none in particular.
    pub cores: Vec<u32>,
    pub gpus: Vec<u32>,
    pub run_as: Option<User>,
    pub groups: Option<Groups>,
    pub watch: Watch,
}

/// Where a job works and writes; absolute paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    pub work_dir: String,
    /// The work folder is the platform's to create, below this folder.
    pub create_below: Option<String>,
    pub stdin: String,
    pub stdout: String,
    pub stderr: String,
}

/// `claim`: who runs the attempt. The supervisor holds a lock on this file for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `None`: taken by the connector so that nobody runs it.
    pub pid: Option<i32>,
}

/// `started.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub at: Timestamp,
    /// The script's process.
    pub pid: i32,
}

/// `ended.json`: the last word on an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub started_at: Option<Timestamp>,
    pub at: Timestamp,
    pub end: End,
    pub usage: Usage,
    pub note: Option<String>,
}

/// How it ended, in the words of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Ran {
        outcome: Outcome,
        exit: Option<Exit>,
    },
    /// Nobody ever ran it, and nobody will: reported as `Gone`.
    NeverClaimed,
    /// The supervisor itself could not begin: reported as `Refused`, worth another try.
    NoSupervisor,
}

/// `end-request.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRequest {
    pub cause: EndCause,
    pub grace: Span,
}

/// The outcome which a job has that was ended for `cause`.
pub const fn outcome_of(cause: EndCause) -> Outcome {
    match cause {
        EndCause::TimeLimit => Outcome::Timeout,
        EndCause::Preempted => Outcome::Preempted,
        EndCause::Cancelled | EndCause::Balance | EndCause::Requeued => Outcome::Cancelled,
    }
}
