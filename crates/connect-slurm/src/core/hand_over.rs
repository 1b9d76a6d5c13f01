//! Handing an attempt over exactly once. What was sent without an answer is looked for, for longer than it may still appear;
//! only what is shown not to be there is sent again. The fence at the cluster makes a copy that comes later still harmless.

use std::io;
use std::sync::Arc;

use base::AttemptId;
use model::{EndOrder, Observed, Order};
use ports::ConnectError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::carrier::{AccountingKind, JobNumber, SubmitError};
use crate::core::Inner;
use crate::core::limits::{FIRST_LOOK_WAIT, HAND_OVERS};
use crate::core::orders::files_unreachable;
use crate::core::table::{Entry, Handed, Phase};
use crate::evidence;
use crate::render::{self, Rendered, ScriptError, Surroundings};
use crate::states;

/// Hands over what is put into the queue, several at a time.
pub async fn run(inner: Arc<Inner>, mut queue: mpsc::UnboundedReceiver<AttemptId>) {
    let places = Arc::new(Semaphore::new(HAND_OVERS));
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            next = queue.recv() => {
                let Some(attempt) = next else { return };
                let (inner, places) = (Arc::clone(&inner), Arc::clone(&places));
                under_way.spawn(async move {
                    // Never closed.
                    let _place = places.acquire().await;
                    inner.hand_over(attempt).await;
                });
            }
            Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
        }
    }
}

impl Inner {
    /// Takes an attempt on. Answers once the cluster has acknowledged or refused it, or once it is being looked for.
    pub(super) async fn submit(&self, order: Arc<Order>, script: Arc<str>) -> Result<(), ConnectError> {
        let attempt = order.attempt;
        let known = {
            let table = self.table();
            table.resumed || table.attempts.contains_key(&attempt) || table.is_forgotten(attempt)
        };
        // What a connector before this one handed over is seen by the first look.
        if !known && !self.has_looked(FIRST_LOOK_WAIT).await {
            return Err(ConnectError::Unreachable(io::Error::other("the cluster has not answered yet")));
        }
        let given_up = {
            let table = self.table();
            let missing = |entry: &Entry| matches!(entry.phase, Phase::Missing { .. }) && entry.order.is_none();
            table.doubtful.contains_key(&attempt)
                || table.strays.contains_key(&attempt)
                || table.attempts.get(&attempt).is_some_and(missing)
        };
        // It may have been told to stay away when it was not found after a restart.
        if let (true, Some(files)) = (given_up, &self.files) {
            evidence::unstop(files.as_ref(), self.realm, attempt).await.map_err(files_unreachable)?;
        }
        let Some(answer) = self.take_on(attempt, order, script) else { return Ok(()) };
        match answer.await {
            Ok(Handed::TakenOn) | Err(_) => Ok(()),
            Ok(Handed::NotSent(why)) => Err(ConnectError::Unreachable(io::Error::other(why))),
            Ok(Handed::Refused { text, note, permanent }) => Err(ConnectError::Refused { text, note, permanent }),
        }
    }

    /// Enters an attempt into the table, or adopts what is there. `None`: there is nothing to wait for.
    fn take_on(&self, attempt: AttemptId, order: Arc<Order>, script: Arc<str>) -> Option<oneshot::Receiver<Handed>> {
        let mut table = self.table();
        if table.is_forgotten(attempt) {
            table.tell(Observed::Gone { attempt, note: Some("submitted again after it was over".into()) });
            drop(table);
            self.told();
            return None;
        }
        if let Some(jobs) = table.strays.remove(&attempt) {
            table.attempts.insert(attempt, Entry::new(Phase::Queued));
            self.adopt(&mut table, jobs);
            self.ends_due.notify_one();
        }
        let window = Instant::now() + self.limits.late;
        let since = self.cluster_seconds() - self.limits.late.as_secs() as i64;
        let mut answer = None;
        let doubtful = table.doubtful.remove(&attempt).filter(|until| *until > Instant::now());
        if let (Some(until), false) = (doubtful, table.attempts.contains_key(&attempt)) {
            table.attempts.insert(attempt, Entry::new(Phase::Seeking { until, since }));
        }
        let is_new = !table.attempts.contains_key(&attempt);
        let entry = table.attempts.entry(attempt).or_insert_with(|| Entry::new(Phase::HandingOver));
        entry.pool = Some(order.pool);
        entry.forget_at_end = false;
        // What is handed over needs no look: a whole one for each would cost more than the hand-over.
        let look_now = entry.phase != Phase::HandingOver;
        match entry.phase {
            Phase::HandingOver => {
                let (waiter, waiting) = oneshot::channel();
                entry.waiters.push(waiter);
                entry.order = Some((order, script));
                answer = Some(waiting);
            }
            // Not found yet since a restart: what was sent before it may still appear.
            Phase::Missing { .. } if entry.number.is_none() => {
                entry.phase = Phase::Seeking { until: window, since };
                entry.order = Some((order, script));
            }
            Phase::Seeking { .. } | Phase::Queued | Phase::Missing { .. } => {
                entry.order.get_or_insert((order, script));
                drop(entry.tell_again());
            }
            Phase::Running | Phase::Ending { .. } | Phase::Over => {
                entry.order.get_or_insert((order, script));
                let ended = entry.tell_again();
                if let Some(ended) = ended {
                    table.tell(ended);
                }
            }
        }
        drop(table);
        if is_new {
            // The receiver lives as long as the tasks do.
            let _ = self.hand_over.send(attempt);
        }
        if look_now {
            self.look_now.notify_one();
        }
        self.told();
        answer
    }

    fn render(&self, order: &Order, script: &str) -> Result<Rendered, ScriptError> {
        let pools = self.pools();
        let pool = pools.iter().find(|pool| pool.id == order.pool).ok_or(ScriptError::NoPool)?;
        let around = Surroundings {
            realm: self.realm,
            cluster_name: &self.name,
            config: &self.config,
            pool,
            script_bytes_max: self.limits.script_bytes_max,
            can_stage: self.files.is_some(),
            has_folder: self.link().has_folder,
            may_requeue: self.accounting == AccountingKind::Slurmdbd,
        };
        render::request_of(&self.home(order)?, order, script, around)
    }

    /// One try. The attempt is in the table, in phase `HandingOver`.
    async fn hand_over(&self, attempt: AttemptId) {
        self.make_folder().await;
        let (order, script) = {
            let mut table = self.table();
            let Some(entry) = table.attempts.get_mut(&attempt) else { return };
            if entry.phase != Phase::HandingOver {
                return;
            }
            if let Some(end) = entry.end {
                entry.answer(&Handed::TakenOn);
                drop(table);
                return self.bury(attempt, end.how, "ended before it was handed over");
            }
            let Some(order) = entry.order.clone() else { return };
            order
        };
        if let Err(handed) = self.make_home(&order).await {
            return self.settle(attempt, handed);
        }
        let rendered = match self.render(&order, &script) {
            Ok(rendered) => rendered,
            Err(error) => {
                let ConnectError::Refused { text, note, permanent } = refused(&error) else { return };
                return self.settle(attempt, Handed::Refused { text, note, permanent });
            }
        };
        if rendered.staged
            && let Some(files) = &self.files
            && let Err(error) = evidence::stage(files.as_ref(), self.realm, attempt, &script).await
        {
            return self.settle(attempt, Handed::NotSent(format!("the script could not be put in its place: {error}")));
        }
        let since = self.cluster_seconds();
        match self.carrier.submit(&rendered.request).await {
            Ok(number) => self.acknowledged(attempt, number),
            Err(SubmitError::NotSent(error)) => self.settle(attempt, Handed::NotSent(error.to_string())),
            Err(SubmitError::Refused(words)) => {
                let (text, permanent) = states::refusal(&words);
                self.settle(attempt, Handed::Refused { text, note: words, permanent });
            }
            Err(SubmitError::Unanswered(error)) => {
                tracing::warn!(%attempt, %error, cluster = %self.name, "a submission was not answered: looking for it");
                let mut table = self.table();
                let Some(entry) = table.attempts.get_mut(&attempt) else { return };
                entry.answer(&Handed::TakenOn);
                if entry.phase == Phase::HandingOver {
                    entry.phase = Phase::Seeking { until: Instant::now() + self.limits.late, since };
                }
                drop(table);
                self.look_now.notify_one();
            }
        }
    }

    fn acknowledged(&self, attempt: AttemptId, number: JobNumber) {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else {
            // Given up meanwhile; nothing else knows of it.
            table.surplus.insert(number, attempt);
            drop(table);
            return self.orders_due.notify_one();
        };
        entry.answer(&Handed::TakenOn);
        entry.acknowledged = Some(Instant::now());
        if entry.phase == Phase::HandingOver {
            entry.number = Some(number);
            entry.phase = Phase::Queued;
            entry.told.accepted = true;
            let ending = entry.end.is_some();
            table.tell(Observed::Accepted { attempt, external: Some(number.to_string().into()) });
            drop(table);
            self.told();
            if ending {
                self.orders_due.notify_one();
            }
        } else if entry.number != Some(number) {
            // A look was faster and chose another copy.
            entry.rivals.insert(number);
        }
    }

    /// Nothing came of it: those who wait are told, or the platform.
    fn settle(&self, attempt: AttemptId, handed: Handed) {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else { return };
        if entry.phase != Phase::HandingOver {
            // A look has found a job of it meanwhile.
            return entry.answer(&Handed::TakenOn);
        }
        if let Some(end) = entry.end {
            entry.answer(&Handed::TakenOn);
            drop(table);
            return self.bury(attempt, end.how, "ended before it was handed over");
        }
        if entry.waiters.is_empty() {
            if let Handed::NotSent(_) = handed {
                // Nobody else tries again.
                drop(table);
                return self.again_later(attempt);
            }
            if let Handed::Refused { text, note, permanent } = &handed {
                let (text, note) = (text.as_str().into(), Some(note.as_str().into()));
                let what = Observed::Refused { attempt, text, note, permanent: *permanent };
                table.tell(what);
            }
        } else {
            entry.answer(&handed);
        }
        table.attempts.remove(&attempt);
        drop(table);
        self.told();
    }

    /// Hands an attempt over again by itself, after a pause: it had been acknowledged and was lost.
    fn again_later(&self, attempt: AttemptId) {
        let mut table = self.table();
        if let Some(entry) = table.attempts.get_mut(&attempt) {
            // Shown not to be there already; the next whole look decides again.
            let since = self.cluster_seconds();
            entry.phase = Phase::Seeking { until: Instant::now(), since };
        }
    }

    /// It is shown not to be there: it is sent (again), unless it was to be ended meanwhile.
    pub(super) fn hand_over_again(&self, attempt: AttemptId) {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else { return };
        if let Some(end) = entry.end {
            drop(table);
            return self.bury(attempt, end.how, "the cluster did not have it");
        }
        if entry.order.is_none() {
            return;
        }
        entry.phase = Phase::HandingOver;
        entry.number = None;
        entry.acknowledged = None;
        entry.record = None;
        drop(table);
        tracing::info!(%attempt, cluster = %self.name, "the cluster does not have it: handed over again");
        let _ = self.hand_over.send(attempt);
    }

    /// The attempt is over before it began, and stays so.
    pub(super) fn bury(&self, attempt: AttemptId, how: EndOrder, why: &str) {
        let ended = Observed::Ended {
            attempt,
            started_at: None,
            at: self.now(),
            outcome: states::outcome_of(how.cause),
            exit: None,
            usage: model::Usage::default(),
            note: Some(why.into()),
        };
        self.over(attempt, ended);
    }

    /// The folder in which Slurm writes its own words has to be there before the first job.
    async fn make_folder(&self) {
        let Some(files) = &self.files else { return };
        if self.link().has_folder {
            return;
        }
        match files.make_folder(&evidence::attempts(self.realm)).await {
            Ok(()) => self.link().has_folder = true,
            Err(error) => {
                tracing::warn!(cluster = %self.name, %error, "Slurm's own words are not kept: their folder cannot be made")
            }
        }
    }
}

pub(super) fn refused(error: &ScriptError) -> ConnectError {
    let permanent = !matches!(error, ScriptError::NoPool);
    ConnectError::Refused { text: error.to_string(), note: String::new(), permanent }
}
