//! Random faults on the cluster in memory: whatever breaks, every attempt is told exactly one end, and its script has run at
//! most once. The platform's side does what its engine does after a crash.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Span, Stream};
use model::{EndCause, EndOrder, Observed, Order, Outcome};
use ports::{Cluster, ConnectError};

use crate::carrier::AccountingKind;
use crate::core::tests::{Platform, SECONDS, order};
use crate::fake::{FakeSlurm, Faults, Setup};

const ATTEMPTS: u64 = 25;
/// Rounds of half a second with faults, and in all.
const STORM: u32 = 400;
const ROUNDS: u32 = 4_000;
const END: EndOrder = EndOrder { cause: EndCause::Cancelled, grace: Span::from_secs(30) };

/// What the platform knows of an attempt, as its engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Submitting,
    There,
    /// `None`: the cluster did not have it any more.
    Over(Option<Outcome>),
}

struct Chaos {
    seed: u64,
    chance: Stream,
    slurm: FakeSlurm,
    platform: Platform,
    orders: Vec<Arc<Order>>,
    /// To be handed over.
    waiting: VecDeque<Arc<Order>>,
    course: BTreeMap<AttemptId, Course>,
    cancelled: BTreeSet<AttemptId>,
    /// Start and end that were told of attempts that completed, seconds.
    told: BTreeMap<AttemptId, (Option<i64>, i64)>,
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let mut chance = base::Seed::from_u64(seed).child("chaos").stream();
        let kinds = [AccountingKind::Slurmdbd, AccountingKind::CompletionLog, AccountingKind::Controller];
        let (accounting, min_job_age) = (*chance.pick(&kinds), SECONDS(*chance.pick(&[5, 60, 300])));
        let slurm = FakeSlurm::new(Setup { accounting, min_job_age, ..Setup::default() });
        let mut faults = Faults { late_max: SECONDS(25), ..Faults::default() };
        (faults.answer_lost, faults.late, faults.dropped) = (chance.below(150), chance.below(150), chance.below(100));
        (faults.not_sent, faults.silent) = (chance.below(100), chance.below(100));
        slurm.set_faults(seed, faults);
        let orders: Vec<Arc<Order>> = (1..=ATTEMPTS).map(order).collect();
        Chaos {
            seed,
            chance,
            platform: Platform::start(&slurm),
            slurm,
            waiting: orders.iter().cloned().collect(),
            orders,
            course: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    fn open(&self) -> Vec<AttemptId> {
        let open = self.course.iter().filter(|(_, course)| !matches!(course, Course::Over(_)));
        open.map(|(attempt, _)| *attempt).collect()
    }

    async fn run(mut self) {
        for round in 0..ROUNDS {
            if round == STORM {
                self.slurm.set_faults(self.seed, Faults::default());
                self.slurm.set_cut(false);
                self.slurm.set_accounting_down(false);
            }
            self.hand_over_one().await;
            if round < STORM {
                self.break_something().await;
            }
            self.platform.wait(Duration::from_millis(500)).await;
            for what in std::mem::take(&mut self.platform.seen) {
                self.take_in(&what);
                if let Observed::Ended { attempt, .. } = what {
                    self.platform.cluster.forget(attempt).await.unwrap();
                }
            }
            if round >= STORM && self.waiting.is_empty() && self.open().is_empty() {
                return self.judge().await;
            }
        }
        panic!("seed {}: without an end: {:?}; {:#?}", self.seed, self.open(), self.platform.cluster.status());
    }

    async fn hand_over_one(&mut self) {
        let Some(order) = self.waiting.pop_front() else { return };
        if matches!(self.course.get(&order.attempt), Some(Course::Over(_))) {
            return;
        }
        self.course.entry(order.attempt).or_insert(Course::Submitting);
        let script = format!("#!/bin/sh\nsleep {}\nexit 0\n", order.number % 13);
        match self.platform.cluster.submit(Arc::clone(&order), script.into()).await {
            Ok(()) => {}
            Err(ConnectError::Unreachable(_)) => self.waiting.push_back(order),
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
    }

    async fn break_something(&mut self) {
        match self.chance.below(100) {
            0 => self.slurm.crash(SECONDS(self.chance.below(8))),
            1 => self.slurm.set_cut(true),
            2..=4 => self.slurm.set_cut(false),
            5 => self.slurm.set_accounting_down(true),
            6..=8 => self.slurm.set_accounting_down(false),
            9 => {
                let open = self.open();
                if !open.is_empty() {
                    let attempt = *self.chance.pick(&open);
                    // Whether it answers or not: an order may have been taken in and its answer lost.
                    self.cancelled.insert(attempt);
                    let _ = self.platform.cluster.end(attempt, END).await;
                }
            }
            10 => self.restart().await,
            _ => {}
        }
    }

    /// The platform dies and starts again; what it had in hand is done anew.
    async fn restart(&mut self) {
        let open = self.open();
        self.platform = Platform::start(&self.slurm);
        while self.platform.cluster.resume(open.clone()).await.is_err() {
            self.slurm.set_cut(false);
            tokio::time::sleep(SECONDS(1)).await;
        }
        self.waiting.retain(|order| !self.course.contains_key(&order.attempt));
        let submitting = |order: &&Arc<Order>| self.course.get(&order.attempt) == Some(&Course::Submitting);
        self.waiting.extend(self.orders.iter().filter(submitting).cloned());
        for attempt in self.cancelled.iter().filter(|attempt| open.contains(attempt)) {
            while self.platform.cluster.end(*attempt, END).await.is_err() {
                tokio::time::sleep(SECONDS(1)).await;
            }
        }
    }

    fn take_in(&mut self, what: &Observed) {
        match what {
            Observed::Accepted { attempt, .. } | Observed::Started { attempt, .. } => {
                if let Some(course @ Course::Submitting) = self.course.get_mut(attempt) {
                    *course = Course::There;
                }
            }
            Observed::Ended { attempt, outcome, started_at, at, .. } => {
                self.told.insert(*attempt, (started_at.map(|at| at.as_secs()), at.as_secs()));
                if let Some(Course::Over(before)) = self.course.insert(*attempt, Course::Over(Some(*outcome))) {
                    assert_eq!(before, Some(*outcome), "seed {}: {attempt} ended twice, differently", self.seed);
                }
            }
            // One whose hand-over is under way has not arrived yet: that it is not there is no news.
            Observed::Gone { attempt, .. } => {
                if let Some(course @ Course::There) = self.course.get_mut(attempt) {
                    *course = Course::Over(None);
                }
            }
            _ => {}
        }
    }

    async fn judge(&self) {
        // What comes late comes now.
        tokio::time::sleep(SECONDS(120)).await;
        for order in &self.orders {
            let attempt = order.attempt;
            let ran = self.slurm.ran(attempt);
            let place = format!("seed {}: {attempt}", self.seed);
            assert!(ran.0 <= 1, "{place} ran {} times", ran.0);
            match self.course[&attempt] {
                Course::Over(Some(Outcome::Completed)) => {
                    assert_eq!(ran, (1, 1), "{place}");
                    let worked = self.slurm.worked(attempt).map(|(began, ended)| (Some(began), ended));
                    assert_eq!(worked, self.told.get(&attempt).copied(), "{place}: worked, and told");
                }
                Course::Over(Some(Outcome::NodeFail)) => assert_eq!(ran, (1, 0), "{place}"),
                Course::Over(Some(Outcome::Cancelled)) => assert!(self.cancelled.contains(&attempt), "{place}"),
                // Gone: it may be handed over elsewhere.
                Course::Over(None) => assert_eq!(ran, (0, 0), "{place}"),
                other => panic!("{place} ended as {other:?}"),
            }
            assert!(self.slurm.active(attempt).is_empty(), "{place} is still there");
        }
    }
}

/// Seeds of one run of the tests; each takes about a second.
const SEEDS: u64 = 12;

#[tokio::test(start_paused = true)]
async fn whatever_breaks_every_attempt_runs_at_most_once_and_has_one_end() {
    // `HW_SEEDS=1000` is what a soak sets.
    let seeds = std::env::var("HW_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        Chaos::new(seed).run().await;
    }
}
