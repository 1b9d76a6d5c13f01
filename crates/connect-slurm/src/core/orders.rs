//! Orders to end, signals and new limits. What is asked for within a few milliseconds goes into one call; an order to end is
//! repeated until the job is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Span};
use model::{EndOrder, Observed};
use ports::{ConnectError, FileError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::carrier::{Cancel, CarrierError, JobNumber, QueueWanted};
use crate::core::Inner;
use crate::core::limits::{COLLECT, END_AGAIN, FIRST_LOOK_WAIT, Limits, NUMBERS_MAX};
use crate::core::table::{Ending, Entry, Phase, Signal, Table};
use crate::evidence;
use crate::render::{self, PASSED_ON, SIGNAL_MAX};

/// Between two looks at orders whose time has come.
const TICK: Duration = Duration::from_secs(1);
/// Slurm's own end is early by at most this much against the grace asked for, before TERM is sent ahead of it.
const EARLY: Duration = Duration::from_secs(2);
const TERM: i32 = 15;
const KILL: i32 = 9;
const REAL_TIME_MAX: i32 = 64;

pub async fn run(inner: Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.orders_due.notified() => tokio::time::sleep(COLLECT).await,
            () = tokio::time::sleep(TICK) => {}
        }
        let named = inner.table().orders_named();
        if named.is_empty() {
            continue;
        }
        // A controller that lost its state gives numbers out again: what is ended is looked at by name just before.
        let mut ours = BTreeSet::new();
        for numbers in named.chunks(NUMBERS_MAX) {
            if let Ok((queue, _)) = inner.look(QueueWanted::Jobs(numbers.to_vec())).await {
                ours.extend(queue.jobs.iter().filter_map(|job| Some((job.number, inner.realm.attempt(&job.name)?))));
            }
        }
        let (calls, signals) = {
            let mut table = inner.table();
            (table.orders_due(&inner.limits, &ours), table.signals_due(&ours))
        };
        for (how, numbers) in calls {
            for numbers in numbers.chunks(NUMBERS_MAX) {
                if let Err(error) = inner.carrier.cancel(numbers, how).await {
                    tracing::warn!(cluster = %inner.name, %error, ?how, jobs = numbers.len(), "could not ask for an end");
                }
            }
        }
        inner.signal_all(signals).await;
    }
}

/// Whose job stands under a number.
type Ours = BTreeSet<(JobNumber, AttemptId)>;

impl Table {
    /// Numbers of jobs for which something is to be asked now.
    fn orders_named(&self) -> Vec<JobNumber> {
        let now = Instant::now();
        let due = |entry: &&Entry| entry.phase.is_there() && entry.end.is_some_and(|end| end.next <= now);
        let ends = self.attempts.values().filter(due).filter_map(|entry| entry.number);
        let signals = self.signals.iter().map(|signal| signal.number);
        ends.chain(self.surplus.keys().copied()).chain(signals).collect()
    }

    /// What is to be asked of the cluster now, by kind, and when to ask again.
    fn orders_due(&mut self, limits: &Limits, ours: &Ours) -> Vec<(Cancel, Vec<JobNumber>)> {
        let now = Instant::now();
        let mut calls: BTreeMap<u8, Vec<JobNumber>> = BTreeMap::new();
        for (attempt, entry) in &mut self.attempts {
            let (Some(end), Some(number)) = (&mut entry.end, entry.number) else { continue };
            if end.next > now || !entry.phase.is_there() {
                continue;
            }
            if !ours.contains(&(number, *attempt)) {
                end.next = now + TICK;
                continue;
            }
            let grace = end.how.grace.to_std();
            let kind = if entry.phase == Phase::Running && !end.warned && !end.asked && grace > limits.kill_wait + EARLY
            {
                end.warned = true;
                end.next = now + grace - limits.kill_wait;
                1
            } else if !end.asked {
                end.asked = true;
                end.next = now + grace.min(limits.kill_wait).max(TICK);
                0
            } else {
                // The grace is over and it is still there; Slurm may have lost the first order in a restart.
                end.asked = false;
                end.warned = true;
                end.next = now + END_AGAIN;
                2
            };
            calls.entry(kind).or_default().push(number);
        }
        let surplus = self.surplus.iter().filter(|(number, attempt)| ours.contains(&(**number, **attempt)));
        calls.entry(0).or_default().extend(surplus.map(|(number, _)| *number));
        let how = [Cancel::End, Cancel::Signal(TERM), Cancel::Signal(KILL)];
        calls.into_iter().filter(|(_, all)| !all.is_empty()).map(|(kind, all)| (how[usize::from(kind)], all)).collect()
    }

    /// Signals whose job is there; the others are answered, to be asked for again.
    fn signals_due(&mut self, ours: &Ours) -> Vec<Signal> {
        let (due, others): (Vec<Signal>, Vec<Signal>) = std::mem::take(&mut self.signals)
            .into_iter()
            .partition(|signal| ours.contains(&(signal.number, signal.attempt)));
        for signal in others {
            // One who gave up waiting asks again.
            let _ = signal.done.send(Err("the cluster did not show the job".to_owned()));
        }
        due
    }
}

impl Inner {
    /// Nothing of it has begun, and nothing shall: a controller that is set back to an older state launches again what it had
    /// given up. False: something has begun, or that could not be found out.
    pub(super) async fn is_kept_away(&self, attempt: AttemptId) -> bool {
        let Some(files) = &self.files else { return true };
        matches!(evidence::stop(files.as_ref(), self.realm, attempt).await, Ok(None))
    }

    async fn signal_all(&self, signals: Vec<Signal>) {
        let mut groups: Vec<(Cancel, Vec<Signal>)> = Vec::new();
        for signal in signals {
            match groups.iter_mut().find(|(how, _)| *how == signal.how) {
                Some((_, group)) => group.push(signal),
                None => groups.push((signal.how, vec![signal])),
            }
        }
        for (how, group) in groups {
            let numbers: Vec<JobNumber> = group.iter().map(|signal| signal.number).collect();
            let answer = self.carrier.cancel(&numbers, how).await.map_err(|error| error.to_string());
            for signal in group {
                // One who gave up waiting asks again.
                let _ = signal.done.send(answer.clone());
            }
        }
    }

    /// Asks for the end of an attempt; what has not arrived is kept from beginning.
    pub(super) async fn end(&self, attempt: AttemptId, how: EndOrder) -> Result<(), ConnectError> {
        let known = {
            let table = self.table();
            table.is_forgotten(attempt) || table.attempts.contains_key(&attempt) || table.resumed
        };
        if !known && !self.has_looked(FIRST_LOOK_WAIT).await {
            return Err(ConnectError::Unreachable(io::Error::other("the cluster has not answered yet")));
        }
        if self.order_end(attempt, how) {
            return Ok(());
        }
        // It may be on its way, or arrive late: then it ends itself.
        let begun = match &self.files {
            Some(files) => evidence::stop(files.as_ref(), self.realm, attempt).await.map_err(files_unreachable)?,
            None => None,
        };
        let is_unknown = !self.table().attempts.contains_key(&attempt);
        match begun {
            _ if !is_unknown => {}
            None => {
                self.table().attempts.insert(attempt, Entry::new(Phase::Queued));
                self.bury(attempt, how, "ended before it was handed over");
            }
            Some(number) => {
                let mut entry = Entry::new(Phase::Missing { since: Instant::now() });
                entry.number = Some(number);
                entry.end = Some(Ending::new(how));
                self.table().attempts.insert(attempt, entry);
                self.ends_due.notify_one();
                self.look_now.notify_one();
            }
        }
        Ok(())
    }

    /// Notes the order. True when nothing else is to be done about it than to carry it out.
    fn order_end(&self, attempt: AttemptId, how: EndOrder) -> bool {
        let mut table = self.table();
        if table.is_forgotten(attempt) {
            return true;
        }
        if let Some(jobs) = table.strays.remove(&attempt) {
            table.attempts.insert(attempt, Entry::new(Phase::Queued));
            self.adopt(&mut table, jobs);
        }
        let Some(entry) = table.attempts.get_mut(&attempt) else { return false };
        let phase = entry.phase;
        match phase {
            Phase::Over => {
                if let Some(ended) = entry.told.ended.clone() {
                    table.tell(ended);
                }
            }
            // It ended by itself, and how is being asked.
            Phase::Ending { .. } => {}
            Phase::HandingOver | Phase::Seeking { .. } | Phase::Queued | Phase::Running | Phase::Missing { .. } => {
                match &mut entry.end {
                    // The first cause stays; a later order may only shorten the grace.
                    Some(end) => end.how.grace = end.how.grace.min(how.grace),
                    None => entry.end = Some(Ending::new(how)),
                }
            }
        }
        drop(table);
        self.told();
        self.orders_due.notify_one();
        !matches!(phase, Phase::HandingOver | Phase::Seeking { .. } | Phase::Missing { .. })
    }

    pub(super) async fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> Result<(), ConnectError> {
        if !(1..=REAL_TIME_MAX).contains(&signal) {
            let text = format!("{signal} is not a signal");
            return Err(ConnectError::Refused { text, note: String::new(), permanent: true });
        }
        let how = match shell_only {
            true if signal <= SIGNAL_MAX => Cancel::SignalShell(PASSED_ON + signal),
            true => Cancel::SignalShell(signal),
            false => Cancel::Signal(signal),
        };
        let (done, answer) = oneshot::channel();
        {
            let mut table = self.table();
            let running = table.attempts.get(&attempt).filter(|entry| entry.phase == Phase::Running);
            let Some(number) = running.and_then(|entry| entry.number) else {
                return Err(ConnectError::NoSuchAttempt(attempt));
            };
            table.signals.push(Signal { attempt, number, how, done });
        }
        self.orders_due.notify_one();
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(words)) => Err(ConnectError::Unreachable(io::Error::other(words))),
            Err(_) => Err(ConnectError::Unreachable(io::Error::other("the connector has ended"))),
        }
    }

    pub(super) async fn set_time_limit(&self, attempt: AttemptId, limit: Span) -> Result<(), ConnectError> {
        let number = {
            let table = self.table();
            let there = table.attempts.get(&attempt).filter(|entry| entry.phase.is_there());
            there.and_then(|entry| entry.number)
        };
        let Some(number) = number else { return Err(ConnectError::NoSuchAttempt(attempt)) };
        let minutes = render::minutes(limit);
        match self.carrier.set_time_limit(number, minutes).await {
            Ok(()) => {
                let text = format!("the cluster's time limit is now {minutes} minutes").into();
                self.table().tell(Observed::Remark { attempt, text });
                self.told();
                Ok(())
            }
            Err(CarrierError::Refused(words)) => Err(ConnectError::Refused {
                text: "the cluster does not change the time limit".to_owned(),
                note: words,
                permanent: true,
            }),
            Err(error) => Err(crate::core::link::unreachable(error)),
        }
    }
}

/// Files that do not answer: to be asked again.
pub fn files_unreachable(error: FileError) -> ConnectError {
    ConnectError::Unreachable(io::Error::other(error.to_string()))
}
