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
        EndCause::Cancelled | EndCause::Balance | EndCause::Requeued | EndCause::Withdrawn => Outcome::Cancelled,
    }
}

/// What a real-time signal carries to a supervisor in its 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// A signal for the job; `shell_only`: for the script's own process alone.
    Signal { signal: i32, shell_only: bool },
    /// A request to end, when a full disk takes no file. The grace in whole seconds, up to 9 hours.
    End(EndRequest),
}

/// Bit 8: to the shell only. Bit 9: an end, its cause in bits 10 to 12 and its grace in seconds in bits 16 to 30.
const SHELL_ONLY: i32 = 1 << 8;
const END: i32 = 1 << 9;
const GRACE_MAX: i64 = 0x7fff;
const CAUSES: [EndCause; 6] = [
    EndCause::Cancelled,
    EndCause::TimeLimit,
    EndCause::Balance,
    EndCause::Preempted,
    EndCause::Requeued,
    EndCause::Withdrawn,
];

impl Relay {
    pub fn encode(self) -> i32 {
        match self {
            Relay::Signal { signal, shell_only } => (signal & 0xff) | if shell_only { SHELL_ONLY } else { 0 },
            Relay::End(EndRequest { cause, grace }) => {
                let cause = CAUSES.iter().position(|c| *c == cause).unwrap_or(0) as i32;
                END | cause << 10 | (grace.as_secs().clamp(0, GRACE_MAX) as i32) << 16
            }
        }
    }

    pub fn decode(value: i32) -> Relay {
        if value & END == 0 {
            return Relay::Signal { signal: value & 0xff, shell_only: value & SHELL_ONLY != 0 };
        }
        let cause = CAUSES.get((value >> 10 & 7) as usize).copied().unwrap_or(EndCause::Cancelled);
        Relay::End(EndRequest { cause, grace: Span::from_secs(i64::from(value >> 16)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_survive_their_32_bits() {
        let mut all =
            vec![Relay::Signal { signal: 64, shell_only: false }, Relay::Signal { signal: 1, shell_only: true }];
        for cause in CAUSES {
            for grace in [0, 30, GRACE_MAX] {
                all.push(Relay::End(EndRequest { cause, grace: Span::from_secs(grace) }));
            }
        }
        for relay in all {
            assert_eq!(Relay::decode(relay.encode()), relay);
        }
    }
}
