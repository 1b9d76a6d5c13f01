//! What a running connector remembers of its attempts between two looks at the cluster. All of it can be rebuilt from there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use base::{AttemptId, PoolId, Span, Timestamp};
use model::{EndOrder, Observed, Order};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::carrier::{Cancel, JobNumber, QueuedJob};
use crate::core::limits::FORGOTTEN_MAX;
use crate::states;

/// What became of a hand-over, for those who wait for it.
#[derive(Clone, Debug)]
pub enum Handed {
    /// The cluster has it, or the connector goes on looking: the rest is observed.
    TakenOn,
    NotSent(String),
    Refused {
        text: String,
        note: String,
        permanent: bool,
    },
}

/// Where an attempt stands, as far as this connector knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// On its way; nothing was sent, or its answer is awaited.
    HandingOver,
    /// Sent without an answer (by us, or by the connector before us): it may be there or appear until `until`.
    Seeking {
        until: Instant,
        since: i64,
    },
    /// The cluster has it, waiting.
    Queued,
    Running,
    /// It has left the active states; its exact end is being asked for.
    Ending {
        since: Instant,
    },
    /// The controller does not show it (any more).
    Missing {
        since: Instant,
    },
    /// Its end has been told, and stays so: whatever job of it appears is cancelled.
    Over,
}

impl Phase {
    /// Whether the cluster is believed to hold a job of it that can be ended.
    pub const fn is_there(self) -> bool {
        matches!(self, Phase::Queued | Phase::Running | Phase::Missing { .. })
    }
}

/// How far an order to end has been carried out.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub how: EndOrder,
    /// When to do the next thing about it.
    pub next: Instant,
    /// TERM was sent ahead of Slurm's own end, whose patience is shorter than the one asked for.
    pub warned: bool,
    /// Slurm was asked to end it.
    pub asked: bool,
}

impl Ending {
    /// To be carried out at once.
    pub fn new(how: EndOrder) -> Ending {
        Ending { how, next: Instant::now(), warned: false, asked: false }
    }
}

/// What the platform has been told of an attempt.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub accepted: bool,
    /// Slurm's start of the run that was told.
    pub started: Option<i64>,
    /// Starts of runs that were told as interrupted.
    pub interrupted: BTreeSet<i64>,
    pub suspended: Option<Timestamp>,
    /// Of the present run, seconds of suspensions that are over.
    pub suspended_seconds: i64,
    /// Slurm's reason, flags, state that were told last.
    pub remark: Option<String>,
    pub ended: Option<Observed>,
}

/// One attempt that is not forgotten.
#[derive(Debug)]
pub struct Entry {
    pub phase: Phase,
    /// Slurm's number of its job; an address, never an identity.
    pub number: Option<JobNumber>,
    /// Other jobs with its key that were seen.
    pub rivals: BTreeSet<JobNumber>,
    /// Kept until it runs, to hand it over again should the cluster lose it.
    pub order: Option<(Arc<Order>, Arc<str>)>,
    pub pool: Option<PoolId>,
    pub waiters: Vec<oneshot::Sender<Handed>>,
    pub end: Option<Ending>,
    /// Nobody will ask for it: take it away once it is over.
    pub forget_at_end: bool,
    pub told: Told,
    /// Slurm queued it again, and the run before has not been told as interrupted.
    pub requeued: Option<Instant>,
    pub acknowledged: Option<Instant>,
    /// The latest look at the whole queue that did not show it began then.
    pub absent: Option<Instant>,
    /// The cluster's clock less ours, fixed with the first time that was told, so that lengths are Slurm's to the second.
    pub offset: Option<Span>,
    /// The controller's latest record.
    pub record: Option<Box<QueuedJob>>,
    /// The cluster's time of the latest look that showed it running.
    pub seen_running: Option<i64>,
}

impl Entry {
    pub fn new(phase: Phase) -> Entry {
        Entry {
            phase,
            number: None,
            rivals: BTreeSet::new(),
            order: None,
            pool: None,
            waiters: Vec::new(),
            end: None,
            forget_at_end: false,
            told: Told::default(),
            requeued: None,
            acknowledged: None,
            absent: None,
            offset: None,
            record: None,
            seen_running: None,
        }
    }

    /// Its launch has failed, and Slurm holds its job in the queue.
    pub fn is_held_after_launch(&self) -> bool {
        let reason = self.record.as_ref().and_then(|record| record.reason.as_deref());
        self.phase == Phase::Queued && reason.is_some_and(states::is_held_after_launch)
    }

    /// Has the platform told again what it may have lost.
    pub fn tell_again(&mut self) -> Option<Observed> {
        self.told.accepted = false;
        self.told.started = None;
        self.told.interrupted.clear();
        self.told.suspended = None;
        self.told.suspended_seconds = 0;
        self.told.remark = None;
        self.told.ended.clone()
    }

    pub fn answer(&mut self, handed: &Handed) {
        for waiter in self.waiters.drain(..) {
            // One who no longer waits has been told by observation.
            let _ = waiter.send(handed.clone());
        }
    }
}

/// A signal that somebody waits for.
#[derive(Debug)]
pub struct Signal {
    pub attempt: AttemptId,
    pub number: JobNumber,
    pub how: Cancel,
    pub done: oneshot::Sender<Result<(), String>>,
}

/// Evidence to be removed, and when.
#[derive(Debug)]
pub struct Litter {
    pub attempt: AttemptId,
    pub at: Instant,
}

#[derive(Debug, Default)]
pub struct Table {
    pub attempts: BTreeMap<AttemptId, Entry>,
    /// Jobs of our realm that no attempt known here explains.
    pub strays: BTreeMap<AttemptId, Vec<QueuedJob>>,
    pub strays_told: BTreeSet<AttemptId>,
    /// Jobs to be ended that belong to no entry, or are one too many of one, with the attempt in their name.
    pub surplus: BTreeMap<JobNumber, AttemptId>,
    pub signals: Vec<Signal>,
    /// To be told, in this order.
    pub outbox: VecDeque<Observed>,
    /// Attempts of which nothing was found after a restart: a submission that the connector before us sent may appear until then.
    pub doubtful: BTreeMap<AttemptId, Instant>,
    /// The platform has said which attempts are open.
    pub resumed: bool,
    /// Jobs of other users with a key of ours that were told.
    pub foreign: BTreeSet<JobNumber>,
    pub litter: VecDeque<Litter>,
    /// It answers after a silence that was told: to be told with the first whole picture.
    pub reachable_again: bool,
    forgotten: BTreeSet<AttemptId>,
    forgotten_order: VecDeque<AttemptId>,
}

impl Table {
    pub fn tell(&mut self, what: Observed) {
        self.outbox.push_back(what);
    }

    pub fn is_forgotten(&self, attempt: AttemptId) -> bool {
        self.forgotten.contains(&attempt)
    }

    /// Drops everything known of an attempt, and remembers that it was. Its evidence goes later.
    pub fn forget(&mut self, attempt: AttemptId, litter_at: Instant) {
        self.attempts.remove(&attempt);
        self.strays.remove(&attempt);
        if self.forgotten.insert(attempt) {
            self.forgotten_order.push_back(attempt);
            self.litter.push_back(Litter { attempt, at: litter_at });
        }
        if self.forgotten_order.len() > FORGOTTEN_MAX
            && let Some(oldest) = self.forgotten_order.pop_front()
        {
            self.forgotten.remove(&oldest);
        }
    }

    /// Whether any attempt is being looked for, so that whole looks should be frequent.
    pub fn in_doubt(&self) -> bool {
        self.attempts.values().any(|entry| matches!(entry.phase, Phase::Seeking { .. } | Phase::Missing { .. }))
    }

    pub fn count(&self, which: impl Fn(Phase) -> bool) -> usize {
        self.attempts.values().filter(|entry| which(entry.phase)).count()
    }
}
