//! The active server's loop: collect, decide, commit, answer, act.

use std::collections::HashMap;
use std::sync::Arc;

use base::{ClusterId, Timestamp};
use engine::{Batch, Effect, Engine, Envelope, Input, Record, Report};
use model::{Event, Observation, Observed};
use ports::{CommitError, Store as _, StoreError};
use tokio::sync::oneshot;

use super::dispatch::Dispatcher;
use super::{BATCH_MAX, LEASE, Parts, RENEW, Role, refuse};
use crate::app::{CommandError, Message, Question};
use crate::staging::Staging;

type Reply = oneshot::Sender<Result<Report, CommandError>>;

/// What one round took in.
#[derive(Default)]
struct Round {
    commands: Vec<(Box<Envelope>, Reply)>,
    observations: Vec<Observation>,
    questions: Vec<Question>,
    resumes: Vec<ClusterId>,
    repeats: Vec<ClusterId>,
}

impl Round {
    fn is_full(&self) -> bool {
        let asked = self.questions.len() + self.resumes.len() + self.repeats.len();
        self.commands.len() + self.observations.len() + asked >= BATCH_MAX
    }
    fn take(&mut self, message: Message) {
        match message {
            Message::Command { envelope, reply } => self.commands.push((envelope, reply)),
            Message::Ask(question) => self.questions.push(question),
            Message::Resume(cluster) => self.resumes.push(cluster),
            Message::Repeat(cluster) => self.repeats.push(cluster),
        }
    }
}

/// Why the active loop ended.
enum Left {
    /// Stop was asked for, or every handle is gone.
    Stop,
    /// Another server has the lease.
    Fenced,
    /// Nothing can be stored; the state in memory is ahead of the store and must be built again.
    Unavailable(String),
}

/// Active from taking the lease to losing it or stopping.
pub(super) async fn run(parts: &mut Parts, fence: u64) -> Result<(), StoreError> {
    loop {
        parts.role.send_replace(Role::Starting);
        let begun = std::time::Instant::now();
        let snapshot = match parts.store.load().await {
            Ok(snapshot) => snapshot,
            Err(StoreError::Unavailable(reason)) => {
                wait_writable(parts, reason).await;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let engine =
            Engine::restore(parts.policy.clone(), snapshot).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        tracing::info!(open_jobs = engine.sizes().open_jobs, took = ?begun.elapsed(), fence, "engine restored");
        let mut active = Active::start(parts, engine, fence);
        let left = active.serve().await;
        active.dispatch.shut().await;
        parts.clusters.clear();
        match left {
            Left::Stop => {
                // Not giving it back only delays the next server by the lease's length.
                if let Err(error) = parts.store.give_up(fence).await {
                    tracing::warn!(%error, "the lease could not be given back");
                }
                return Ok(());
            }
            Left::Fenced => {
                tracing::warn!(fence, "another server has taken over");
                return Ok(());
            }
            Left::Unavailable(reason) => {
                wait_writable(parts, reason).await;
                if *parts.stop.borrow() {
                    return Ok(());
                }
                let now = parts.clock.now();
                match parts.store.acquire(&parts.holder, now, now + LEASE).await {
                    Ok(Ok(lease)) if lease.fence == fence => {}
                    _ => return Ok(()),
                }
            }
        }
    }
}

/// Refuses commands until the store can write again; the lease's own row is the probe.
async fn wait_writable(parts: &mut Parts, reason: String) {
    tracing::error!(%reason, "the store cannot write; commands are refused until it can");
    parts.role.send_replace(Role::Degraded { reason: reason.clone() });
    let mut probe = tokio::time::interval(super::LOOK);
    loop {
        tokio::select! {
            _ = parts.stop.changed() => return,
            message = parts.inbox.recv() => match message {
                Some(message) => refuse(message, CommandError::Unavailable(reason.clone())),
                None => return,
            },
            // Connectors deliver again on resume.
            _ = parts.observations.recv() => {}
            _ = probe.tick() => {
                let now = parts.clock.now();
                if parts.store.acquire(&parts.holder, now, now + LEASE).await.is_ok() {
                    tracing::info!("the store can write again");
                    return;
                }
            }
        }
    }
}

struct Active<'a> {
    parts: &'a mut Parts,
    engine: Engine,
    fence: u64,
    renew_at: Timestamp,
    dispatch: Dispatcher,
    batch: Batch,
}

impl<'a> Active<'a> {
    fn start(parts: &'a mut Parts, engine: Engine, fence: u64) -> Self {
        match (parts.connect)(parts.observe.clone()) {
            Ok(connected) => connected.into_iter().for_each(|(id, cluster)| parts.clusters.insert(id, cluster)),
            Err(error) => tracing::error!(%error, "the clusters of this server cannot be connected"),
        }
        let staging = Staging::new(parts.files.clone(), parts.store.clone(), parts.observe.clone());
        let dispatch = Dispatcher::new(parts.clusters.clone(), parts.store.clone(), parts.observe.clone(), staging);
        let mut outstanding: HashMap<ClusterId, Vec<Effect>> = HashMap::new();
        for effect in engine.outstanding() {
            outstanding.entry(effect.cluster()).or_default().push(effect);
        }
        for cluster in parts.clusters.ids() {
            dispatch.resume(cluster, engine.handed_over(cluster), outstanding.remove(&cluster).unwrap_or_default());
        }
        let renew_at = parts.clock.now() + RENEW;
        parts.role.send_replace(Role::Active);
        Self { parts, engine, fence, renew_at, dispatch, batch: Batch::default() }
    }

    async fn serve(&mut self) -> Left {
        loop {
            let round = match self.collect().await {
                Ok(round) => round,
                Err(left) => return left,
            };
            let now = self.parts.clock.now();
            if now >= self.renew_at
                && let Err(left) = self.renew(now).await
            {
                return self.abandon(round, left);
            }
            if let Err(left) = self.work(round, now).await {
                return left;
            }
        }
    }

    /// Waits for the first input, the next timer or the renewal; then takes what else is there.
    async fn collect(&mut self) -> Result<Round, Left> {
        let mut round = Round::default();
        let now = self.parts.clock.now();
        let due = self.engine.next_wakeup().map_or(self.renew_at, |at| at.min(self.renew_at));
        if *self.parts.stop.borrow() {
            return Err(Left::Stop);
        }
        if self.engine.wants_schedule(now) {
            // The scheduler's budget ended before its work: go on at once.
        } else {
            tokio::select! {
                biased;
                _ = self.parts.stop.changed() => return Err(Left::Stop),
                message = self.parts.inbox.recv() => match message {
                    Some(message) => round.take(message),
                    None => return Err(Left::Stop),
                },
                Some(observation) = self.parts.observations.recv() => round.observations.push(observation),
                () = tokio::time::sleep((due - now).to_std()) => {}
            }
        }
        while !round.is_full()
            && let Ok(message) = self.parts.inbox.try_recv()
        {
            round.take(message);
        }
        while !round.is_full()
            && let Ok(observation) = self.parts.observations.try_recv()
        {
            round.observations.push(observation);
        }
        Ok(round)
    }

    async fn renew(&mut self, now: Timestamp) -> Result<(), Left> {
        self.renew_at = now + RENEW;
        match self.parts.store.acquire(&self.parts.holder, now, now + LEASE).await {
            Ok(Ok(lease)) if lease.fence == self.fence => Ok(()),
            Ok(_) => Err(Left::Fenced),
            Err(error) => Err(Left::Unavailable(error.to_string())),
        }
    }

    fn abandon(&mut self, round: Round, left: Left) -> Left {
        let error = || match &left {
            Left::Unavailable(reason) => CommandError::Unavailable(reason.clone()),
            Left::Fenced | Left::Stop => CommandError::NotActive { holder: None },
        };
        for (_, reply) in round.commands {
            // The caller may have gone away; that is its own affair.
            let _ = reply.send(Err(error()));
        }
        round.questions.into_iter().for_each(|question| question(Err(error())));
        left
    }

    /// One batch: steps, one transaction, answers, effects.
    async fn work(&mut self, mut round: Round, now: Timestamp) -> Result<(), Left> {
        if let Err(left) = self.recall(&mut round).await {
            return Err(self.abandon(round, left));
        }
        let commands = std::mem::take(&mut round.commands);
        let mut answers = Vec::with_capacity(commands.len());
        for (envelope, reply) in commands {
            let word = envelope.command.word();
            let answer = self.engine.step(Input::Command(envelope), now, &mut self.batch);
            crate::metrics::command(word, &answer);
            answers.push((reply, answer));
        }
        for observation in round.observations.drain(..) {
            // Observations are never refused.
            let _ = self.engine.step(Input::Observed(observation), now, &mut self.batch);
        }
        if self.engine.next_wakeup().is_some_and(|at| at <= now) {
            let _ = self.engine.step(Input::Tick, now, &mut self.batch);
        }
        if self.engine.wants_schedule(now) {
            let begun = std::time::Instant::now();
            let _ = self.engine.step(Input::Schedule, now, &mut self.batch);
            crate::metrics::schedule(begun.elapsed());
        }
        let batch = std::mem::take(&mut self.batch);
        if !batch.records.is_empty()
            && let Err(left) = self.commit(&batch).await
        {
            let error = match &left {
                Left::Unavailable(reason) => CommandError::Unavailable(reason.clone()),
                Left::Fenced | Left::Stop => CommandError::NotActive { holder: None },
            };
            answers.into_iter().for_each(|(reply, _)| drop(reply.send(Err(error.clone()))));
            round.questions.into_iter().for_each(|question| question(Err(error.clone())));
            return Err(left);
        }
        for (reply, answer) in answers {
            let _ = reply.send(answer.map_err(CommandError::Denied));
        }
        for question in round.questions {
            question(Ok((&self.engine, now)));
        }
        self.act(batch);
        for cluster in round.resumes {
            let outstanding = self.engine.outstanding().into_iter().filter(|e| e.cluster() == cluster).collect();
            self.dispatch.resume(cluster, self.engine.handed_over(cluster), outstanding);
        }
        if !round.repeats.is_empty() {
            let again = self.engine.outstanding().into_iter().filter(|e| round.repeats.contains(&e.cluster()));
            again.for_each(|effect| self.dispatch.perform(effect));
        }
        Ok(())
    }

    /// Asks the store for answers given under idempotency keys that memory no longer has.
    async fn recall(&mut self, round: &mut Round) -> Result<(), Left> {
        let unknown = |e: &Envelope| e.once.as_ref().filter(|o| !self.engine.remembers(o.key)).map(|o| o.key);
        let keys: Vec<u128> = round.commands.iter().filter_map(|(envelope, _)| unknown(envelope)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let found = self.parts.store.answers(keys).await.map_err(|error| Left::Unavailable(error.to_string()))?;
        let found: HashMap<u128, (u128, Report)> = found.into_iter().map(|(k, f, r)| (k, (f, r))).collect();
        for (envelope, _) in &mut round.commands {
            if let Some(once) = &mut envelope.once {
                once.prior = found.get(&once.key).cloned();
            }
        }
        Ok(())
    }

    async fn commit(&self, batch: &Batch) -> Result<(), Left> {
        let begun = std::time::Instant::now();
        let result = self.parts.store.commit(self.fence, batch).await;
        crate::metrics::commit(begun.elapsed(), batch.records.len());
        result.map_err(|error| match error {
            CommitError::Fenced { .. } => Left::Fenced,
            CommitError::Unavailable(reason) => Left::Unavailable(reason),
            CommitError::Conflict(reason) => {
                tracing::error!(%reason, "the store refused a record: a defect; the state is rebuilt from the store");
                Left::Unavailable(reason)
            }
        })
    }

    /// After the commit: tell those who watch, then do what was decided.
    fn act(&mut self, batch: Batch) {
        let mut events: Vec<Event> = Vec::new();
        for record in batch.records {
            match record {
                Record::Event(event) => events.push(event),
                Record::Script { id, text } => self.dispatch.remember_script(id, text),
                _ => {}
            }
        }
        crate::metrics::events(&events);
        self.parts.events.publish(Arc::from(events));
        for effect in batch.effects {
            self.dispatch.perform(effect);
        }
        crate::metrics::sizes(&self.engine.sizes());
    }
}

/// The observation that a cluster answered.
pub(super) fn reachable(cluster: ClusterId) -> Observation {
    Observation { cluster, what: Observed::Reachable }
}
