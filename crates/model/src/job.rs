//! The life of a job: one closed enum of phases, one total function forward.
//! Refuses to know: what a cluster is, what anything costs.

use base::{JobId, PoolId, ProjectId, SpecId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

pub use crate::phase::{EndCause, Exit, Holder, Outcome, Phase, StateCode};
use crate::spec::Dependency;

/// Position in an array; the first element's `root` is its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArrayRef {
    /// The job that stands for the whole array (its first element).
    pub root: JobId,
    pub root_number: u64,
    pub index: u32,
}

/// Pools that a job has just left and does not go back to for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avoid {
    /// In order of id.
    pub pools: Vec<PoolId>,
    pub until: Timestamp,
    /// How often it was moved so far: each time it has more patience.
    pub moves: u32,
}

/// A job as the engine keeps it and the store stores it. The specification stands beside it, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    /// Small number for people and for Slurm's verbs; dense, starts at 1, never reused.
    pub number: u64,
    pub tenant: TenantId,
    pub project: ProjectId,
    pub user: UserId,
    pub spec: SpecId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayRef>,
    /// All must be fulfilled before it may start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    pub submitted_at: Timestamp,
    /// Attempts made so far; the next one's number is one more.
    pub attempts: u32,
    /// Starts that the cluster could not perform, since the last release.
    #[serde(default)]
    pub failed_starts: u32,
    /// Earliest time of the next try after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avoid: Option<Box<Avoid>>,
    /// When it was last told to make room for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preempted_at: Option<Timestamp>,
    phase: Phase,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobInput {
    Hold {
        by: Holder,
    },
    /// `operator`: the caller may lift an operator's hold.
    Release {
        operator: bool,
    },
    /// Decided to run on a pool, as attempt `attempts + 1`.
    Place {
        pool: PoolId,
    },
    /// The cluster says that the attempt runs since a time.
    Started {
        attempt: u32,
        at: Timestamp,
    },
    /// The cluster could not take or start the attempt; it goes back to the queue, held after `limit` tries.
    StartFailed {
        attempt: u32,
        retry_at: Timestamp,
        limit: u32,
    },
    /// The attempt is over, as the cluster saw it. `requeue`: the job's policy allows another try after a machine failure.
    AttemptEnded {
        attempt: u32,
        outcome: Outcome,
        exit: Option<Exit>,
        requeue: bool,
    },
    /// A run of the attempt is over and the cluster has queued it again.
    Interrupted {
        attempt: u32,
    },
    /// Ask an attempt that has not started back from its cluster, to run it elsewhere.
    Withdraw,
    /// Go on without the attempt, whose cluster does not answer; it counts no more, or only if it completes.
    Leave {
        attempt: u32,
    },
    /// Back to an attempt that was left and turned out to be the one that counts: its twin is over, or never came about.
    Return {
        attempt: u32,
        pool: PoolId,
        since: Timestamp,
    },
    /// An attempt that was left has completed: it counts, whatever else is under way.
    Won {
        exit: Option<Exit>,
    },
    /// End it: by a person, a limit or a policy.
    End {
        cause: EndCause,
    },
    /// A dependency can never be fulfilled and the policy cancels such jobs.
    Abandon,
}

/// What a legal input did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing to do: the job is already there.
    Unchanged,
    Held,
    Released,
    Placed {
        attempt: u32,
    },
    Started {
        attempt: u32,
    },
    /// Back in the queue (or held, when `held`).
    BackToQueue {
        attempt: u32,
        held: bool,
    },
    /// The cluster must be asked to end the attempt.
    EndRequested {
        attempt: u32,
        cause: EndCause,
    },
    Requeued {
        attempt: u32,
        after: Outcome,
    },
    /// The attempt waits on its cluster again.
    Interrupted {
        attempt: u32,
    },
    /// The cluster must be asked to give the attempt back.
    WithdrawRequested {
        attempt: u32,
    },
    /// The cluster has given it back: in the queue (or held, when `held`).
    Withdrawn {
        attempt: u32,
        held: bool,
    },
    /// In the queue (or held, when `held`) without having been given back.
    Left {
        attempt: u32,
        held: bool,
    },
    Returned {
        attempt: u32,
    },
    Ended {
        attempt: Option<u32>,
        outcome: Outcome,
    },
}

/// Why an input does not apply; the caller's next move follows from the variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the job has ended ({0:?}) and cannot change any more")]
    AlreadyEnded(Outcome),
    #[error("the job is not waiting: only pending jobs can be held")]
    NotWaiting,
    #[error("the job is not held")]
    NotHeld,
    #[error("the hold was set by an operator and only an operator can release it")]
    HeldByOperator,
    #[error("the job is already being ended")]
    AlreadyEnding,
    #[error("the job has no attempt {0} under way: a late answer")]
    StaleAttempt(u32),
    #[error("the job is not in the queue")]
    NotQueued,
    #[error("only running work can be requeued")]
    NotRunning,
}

impl Job {
    #[allow(clippy::too_many_arguments, reason = "the facts of a birth, each of its own type")]
    pub fn new(
        id: JobId,
        number: u64,
        tenant: TenantId,
        project: ProjectId,
        user: UserId,
        spec: SpecId,
        array: Option<ArrayRef>,
        hold: Option<Holder>,
        now: Timestamp,
    ) -> Job {
        let phase = hold.map_or(Phase::Pending, |by| Phase::Held { by });
        Job {
            id,
            number,
            tenant,
            project,
            user,
            spec,
            array,
            dependencies: Vec::new(),
            submitted_at: now,
            attempts: 0,
            failed_starts: 0,
            not_before: None,
            exit: None,
            avoid: None,
            preempted_at: None,
            phase,
        }
    }

    /// The job at a phase that was written down earlier: for the store, which reads jobs back. Everybody else goes
    /// forward through [`Job::apply`].
    #[must_use]
    pub fn at_phase(self, phase: Phase) -> Job {
        Job { phase, ..self }
    }

    pub const fn phase(&self) -> &Phase {
        &self.phase
    }
    pub const fn state(&self) -> StateCode {
        self.phase.code()
    }
    pub const fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ended { .. })
    }

    /// The only way forward. On refusal nothing has changed.
    pub fn apply(&mut self, input: JobInput, now: Timestamp) -> Result<Transition, Refusal> {
        match input {
            JobInput::Hold { by } => self.hold(by),
            JobInput::Release { operator } => self.release(operator),
            JobInput::Place { pool } => self.place(pool),
            JobInput::Started { attempt, at } => self.started(attempt, at),
            JobInput::StartFailed { attempt, retry_at, limit } => self.start_failed(attempt, retry_at, limit, now),
            JobInput::AttemptEnded { attempt, outcome, exit, requeue } => {
                self.attempt_ended(attempt, outcome, exit, requeue, now)
            }
            JobInput::Interrupted { attempt } => self.interrupted(attempt),
            JobInput::Withdraw => self.withdraw(),
            JobInput::Leave { attempt } => self.leave(attempt),
            JobInput::Return { attempt, pool, since } => self.return_to(attempt, pool, since),
            JobInput::Won { exit } => self.won(exit, now),
            JobInput::End { cause } => self.end(cause, now),
            JobInput::Abandon => self.abandon(now),
        }
    }

    fn hold(&mut self, by: Holder) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Pending => {
                self.phase = Phase::Held { by };
                Ok(Transition::Held)
            }
            Phase::Held { by: old } if old == by || by == Holder::User => Ok(Transition::Unchanged),
            Phase::Held { .. } => {
                self.phase = Phase::Held { by };
                Ok(Transition::Held)
            }
            Phase::Starting { attempt, pool } => {
                self.phase = Phase::Withdrawing { attempt, pool, since: None, hold: Some(by) };
                Ok(Transition::WithdrawRequested { attempt })
            }
            Phase::Withdrawing { hold: Some(old), .. } if old == by || by == Holder::User => Ok(Transition::Unchanged),
            Phase::Withdrawing { attempt, pool, since, .. } => {
                self.phase = Phase::Withdrawing { attempt, pool, since, hold: Some(by) };
                Ok(Transition::Held)
            }
            Phase::Running { .. } | Phase::Ending { .. } => Err(Refusal::NotWaiting),
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn release(&mut self, operator: bool) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Held { by: Holder::Operator } | Phase::Withdrawing { hold: Some(Holder::Operator), .. }
                if !operator =>
            {
                Err(Refusal::HeldByOperator)
            }
            Phase::Held { .. } => {
                self.phase = Phase::Pending;
                self.failed_starts = 0;
                self.not_before = None;
                Ok(Transition::Released)
            }
            // It is asked back all the same, and queues again then.
            Phase::Withdrawing { attempt, pool, since, hold: Some(_) } => {
                self.phase = Phase::Withdrawing { attempt, pool, since, hold: None };
                self.failed_starts = 0;
                Ok(Transition::Released)
            }
            Phase::Pending
            | Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Ending { .. }
            | Phase::Withdrawing { hold: None, .. } => Err(Refusal::NotHeld),
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn place(&mut self, pool: PoolId) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Pending => {
                self.attempts += 1;
                self.phase = Phase::Starting { attempt: self.attempts, pool };
                Ok(Transition::Placed { attempt: self.attempts })
            }
            Phase::Held { .. }
            | Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Ending { .. }
            | Phase::Withdrawing { .. } => Err(Refusal::NotQueued),
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn started(&mut self, attempt: u32, at: Timestamp) -> Result<Transition, Refusal> {
        self.expect_attempt(attempt)?;
        match self.phase {
            Phase::Starting { pool, .. } => {
                self.phase = Phase::Running { attempt, pool, since: at };
                self.failed_starts = 0;
                Ok(Transition::Started { attempt })
            }
            Phase::Ending { pool, since: None, cause, .. } => {
                self.phase = Phase::Ending { attempt, pool, since: Some(at), cause };
                Ok(Transition::Started { attempt })
            }
            Phase::Withdrawing { pool, since: None, hold, .. } => {
                self.phase = Phase::Withdrawing { attempt, pool, since: Some(at), hold };
                Ok(Transition::Started { attempt })
            }
            Phase::Running { .. } | Phase::Ending { .. } | Phase::Withdrawing { .. } => Ok(Transition::Unchanged),
            Phase::Pending | Phase::Held { .. } | Phase::Ended { .. } => Err(Refusal::StaleAttempt(attempt)),
        }
    }

    fn start_failed(
        &mut self,
        attempt: u32,
        retry_at: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        self.expect_attempt(attempt)?;
        match self.phase {
            Phase::Starting { .. } => {
                self.failed_starts += 1;
                let held = self.failed_starts >= limit;
                self.phase = if held { Phase::Held { by: Holder::Platform } } else { Phase::Pending };
                self.not_before = Some(retry_at);
                Ok(Transition::BackToQueue { attempt, held })
            }
            // It never ran, and was to be run again.
            Phase::Ending { cause: EndCause::Requeued, .. } => Ok(self.requeue(attempt, Outcome::Cancelled)),
            Phase::Ending { cause: EndCause::Preempted, .. } => Ok(self.requeue(attempt, Outcome::Preempted)),
            Phase::Ending { cause, .. } => Ok(self.finish(Some(attempt), cause_outcome(cause), now)),
            Phase::Withdrawing { hold, .. } => Ok(self.withdrawn(attempt, hold)),
            Phase::Running { .. } => Ok(Transition::Unchanged),
            Phase::Pending | Phase::Held { .. } | Phase::Ended { .. } => Err(Refusal::StaleAttempt(attempt)),
        }
    }

    fn attempt_ended(
        &mut self,
        attempt: u32,
        outcome: Outcome,
        exit: Option<Exit>,
        requeue: bool,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        self.expect_attempt(attempt)?;
        let ending = match self.phase {
            Phase::Ending { cause, .. } => Some(cause),
            Phase::Withdrawing { hold, .. } if outcome != Outcome::Completed => {
                return Ok(self.withdrawn(attempt, hold));
            }
            _ => None,
        };
        self.exit = exit;
        match (ending, outcome) {
            // Asked to be run again, or lost with its machine and allowed another try.
            (Some(EndCause::Requeued), _) => Ok(self.requeue(attempt, Outcome::Cancelled)),
            (None, Outcome::NodeFail | Outcome::Preempted) if requeue => Ok(self.requeue(attempt, outcome)),
            // It ended by itself before the request to end it reached it.
            (Some(_), Outcome::Completed) => Ok(self.finish(Some(attempt), Outcome::Completed, now)),
            // It has made room and waits for its turn again.
            (Some(EndCause::Preempted), _) => Ok(self.requeue(attempt, Outcome::Preempted)),
            (Some(cause), _) => Ok(self.finish(Some(attempt), cause_outcome(cause), now)),
            (None, outcome) => Ok(self.finish(Some(attempt), outcome, now)),
        }
    }

    fn interrupted(&mut self, attempt: u32) -> Result<Transition, Refusal> {
        self.expect_attempt(attempt)?;
        match self.phase {
            Phase::Running { pool, .. } => self.phase = Phase::Starting { attempt, pool },
            Phase::Ending { pool, cause, .. } => self.phase = Phase::Ending { attempt, pool, since: None, cause },
            Phase::Withdrawing { pool, hold, .. } => {
                self.phase = Phase::Withdrawing { attempt, pool, since: None, hold };
            }
            Phase::Starting { .. } => return Ok(Transition::Unchanged),
            Phase::Pending | Phase::Held { .. } | Phase::Ended { .. } => return Err(Refusal::StaleAttempt(attempt)),
        }
        Ok(Transition::Interrupted { attempt })
    }

    fn withdraw(&mut self) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Starting { attempt, pool } => {
                self.phase = Phase::Withdrawing { attempt, pool, since: None, hold: None };
                Ok(Transition::WithdrawRequested { attempt })
            }
            Phase::Withdrawing { .. } => Ok(Transition::Unchanged),
            Phase::Pending | Phase::Held { .. } | Phase::Running { .. } | Phase::Ending { .. } => {
                Err(Refusal::NotWaiting)
            }
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn leave(&mut self, attempt: u32) -> Result<Transition, Refusal> {
        self.expect_attempt(attempt)?;
        match self.phase {
            Phase::Starting { .. } | Phase::Running { .. } => {
                self.phase = Phase::Pending;
                Ok(Transition::Left { attempt, held: false })
            }
            Phase::Withdrawing { hold, .. } => {
                self.withdrawn(attempt, hold);
                Ok(Transition::Left { attempt, held: hold.is_some() })
            }
            Phase::Ending { .. } => Err(Refusal::AlreadyEnding),
            Phase::Pending | Phase::Held { .. } | Phase::Ended { .. } => Err(Refusal::StaleAttempt(attempt)),
        }
    }

    fn return_to(&mut self, attempt: u32, pool: PoolId, since: Timestamp) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Pending | Phase::Starting { .. } | Phase::Running { .. } | Phase::Withdrawing { hold: None, .. } => {
                self.phase = Phase::Running { attempt, pool, since };
                Ok(Transition::Returned { attempt })
            }
            Phase::Held { .. } | Phase::Withdrawing { .. } => Err(Refusal::NotQueued),
            Phase::Ending { .. } => Err(Refusal::AlreadyEnding),
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn won(&mut self, exit: Option<Exit>, now: Timestamp) -> Result<Transition, Refusal> {
        if let Phase::Ended { outcome, .. } = self.phase {
            return Err(Refusal::AlreadyEnded(outcome));
        }
        self.exit = exit;
        Ok(self.finish(None, Outcome::Completed, now))
    }

    /// Given back before it ran, or ended because it was asked back.
    fn withdrawn(&mut self, attempt: u32, hold: Option<Holder>) -> Transition {
        self.phase = hold.map_or(Phase::Pending, |by| Phase::Held { by });
        self.exit = None;
        Transition::Withdrawn { attempt, held: hold.is_some() }
    }

    fn end(&mut self, cause: EndCause, now: Timestamp) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Pending | Phase::Held { .. } if cause == EndCause::Requeued => Err(Refusal::NotRunning),
            Phase::Pending | Phase::Held { .. } => Ok(self.finish(None, cause_outcome(cause), now)),
            Phase::Starting { attempt, pool } => {
                self.phase = Phase::Ending { attempt, pool, since: None, cause };
                Ok(Transition::EndRequested { attempt, cause })
            }
            Phase::Running { attempt, pool, since } => {
                self.phase = Phase::Ending { attempt, pool, since: Some(since), cause };
                Ok(Transition::EndRequested { attempt, cause })
            }
            // A cancel overrides that it is to be run again; the cluster has been asked already.
            Phase::Ending { attempt, pool, since, cause: EndCause::Requeued | EndCause::Preempted }
                if cause == EndCause::Cancelled =>
            {
                self.phase = Phase::Ending { attempt, pool, since, cause };
                Ok(Transition::EndRequested { attempt, cause })
            }
            // It goes back to the queue anyway.
            Phase::Withdrawing { .. } if cause == EndCause::Requeued => Err(Refusal::NotRunning),
            Phase::Withdrawing { attempt, pool, since, .. } => {
                self.phase = Phase::Ending { attempt, pool, since, cause };
                Ok(Transition::EndRequested { attempt, cause })
            }
            Phase::Ending { cause: old, .. } if old == cause => Ok(Transition::Unchanged),
            Phase::Ending { .. } => Err(Refusal::AlreadyEnding),
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn abandon(&mut self, now: Timestamp) -> Result<Transition, Refusal> {
        match self.phase {
            Phase::Pending | Phase::Held { .. } => Ok(self.finish(None, Outcome::Cancelled, now)),
            Phase::Starting { .. } | Phase::Running { .. } | Phase::Ending { .. } | Phase::Withdrawing { .. } => {
                Err(Refusal::NotQueued)
            }
            Phase::Ended { outcome, .. } => Err(Refusal::AlreadyEnded(outcome)),
        }
    }

    fn expect_attempt(&self, attempt: u32) -> Result<(), Refusal> {
        if self.phase.attempt() == Some(attempt) { Ok(()) } else { Err(Refusal::StaleAttempt(attempt)) }
    }

    fn requeue(&mut self, attempt: u32, after: Outcome) -> Transition {
        self.phase = Phase::Pending;
        self.exit = None;
        Transition::Requeued { attempt, after }
    }

    fn finish(&mut self, attempt: Option<u32>, outcome: Outcome, at: Timestamp) -> Transition {
        self.phase = Phase::Ended { outcome, at };
        Transition::Ended { attempt, outcome }
    }
}

const fn cause_outcome(cause: EndCause) -> Outcome {
    match cause {
        EndCause::Cancelled | EndCause::Balance | EndCause::Requeued | EndCause::Withdrawn => Outcome::Cancelled,
        EndCause::TimeLimit => Outcome::Timeout,
        EndCause::Preempted => Outcome::Preempted,
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
