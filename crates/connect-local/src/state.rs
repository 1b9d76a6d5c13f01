//! What a running connector remembers of its attempts between two looks at the spool. All of it can be rebuilt from there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;

use base::AttemptId;
use model::{Observed, Usage};
use nix::unistd::Pid;

use crate::config::FORGOTTEN_MAX;
use crate::layout::Layout;

/// One attempt that is not forgotten.
#[derive(Debug, Default)]
pub struct Known {
    /// Whether the platform has been told (or did not ask yet, after a restart).
    pub told_started: bool,
    pub told_ended: bool,
    pub ended: bool,
    /// Take it away once it has ended: nobody will ask for it.
    pub forget_at_end: bool,
    /// Supervisors on their way or at work for it, as far as this process is watching.
    pub watchers: u32,
    pub progress: Usage,
}

/// One supervisor.
#[derive(Debug)]
pub struct Watched {
    pub attempt: AttemptId,
    pub pid: Pid,
    /// Becomes readable when it exits; closing it ends the watch.
    #[allow(dead_code, reason = "held open for the watch")]
    pub process: OwnedFd,
}

#[derive(Debug)]
pub struct State {
    pub layout: Layout,
    pub attempts: BTreeMap<AttemptId, Known>,
    /// To be looked at by the watcher.
    pub due: BTreeSet<AttemptId>,
    /// To be told by the watcher, as it stands.
    pub outbox: VecDeque<Observed>,
    /// Supervisors whose exit wakes the watcher, by the number given to the kernel.
    pub watched: BTreeMap<u64, Watched>,
    pub next_watch: u64,
    forgotten: BTreeSet<AttemptId>,
    forgotten_order: VecDeque<AttemptId>,
}

impl State {
    pub fn new(layout: Layout) -> State {
        State {
            layout,
            attempts: BTreeMap::new(),
            due: BTreeSet::new(),
            outbox: VecDeque::new(),
            watched: BTreeMap::new(),
            next_watch: FIRST_WATCH,
            forgotten: BTreeSet::new(),
            forgotten_order: VecDeque::new(),
        }
    }

    pub fn is_forgotten(&self, attempt: AttemptId) -> bool {
        self.forgotten.contains(&attempt)
    }

    /// Drops everything known of an attempt, and remembers that it was.
    pub fn forget(&mut self, attempt: AttemptId) {
        self.attempts.remove(&attempt);
        self.due.remove(&attempt);
        self.layout.release(attempt);
        if self.forgotten.insert(attempt) {
            self.forgotten_order.push_back(attempt);
        }
        if self.forgotten_order.len() > FORGOTTEN_MAX
            && let Some(oldest) = self.forgotten_order.pop_front()
        {
            self.forgotten.remove(&oldest);
        }
    }
}

/// Numbers below are the watcher's own: its bell and its socket.
pub const FIRST_WATCH: u64 = 2;
