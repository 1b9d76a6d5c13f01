//! Attempts that their jobs have left because their cluster did not answer. An *abandoned* one counts for nothing: what is heard
//! of it later is recorded, it is ended there, and its cost goes to an account of its own. A *rival* has a twin elsewhere and
//! counts if it is the first to complete. Refuses to decide when to leave: that is `replace`.

use base::{AttemptId, ClusterId, JobId, Span, TenantId, Timestamp, digest128};
use model::{
    Actor, AttemptPhase, EndCause, EventKind, JobInput, Observed, Outcome, Phase, StateCode, Transition, Usage,
};

use sched::Taking;

use crate::observe::{End, is_old_run};
use crate::record::{Batch, Effect, Record};
use crate::state::Engine;

/// The name under which the scheduler knows the nodes of an attempt that is not its job's present one.
pub(crate) fn ghost(attempt: AttemptId) -> JobId {
    JobId::from_u128(digest128(&[b"stray attempt", &attempt.job.to_bytes(), &attempt.number.to_be_bytes()]))
}

/// The attempt that an observation is about.
const fn subject(what: &Observed) -> Option<AttemptId> {
    match what {
        Observed::Accepted { attempt, .. }
        | Observed::Started { attempt, .. }
        | Observed::Ended { attempt, .. }
        | Observed::Refused { attempt, .. }
        | Observed::Gone { attempt, .. }
        | Observed::Interrupted { attempt, .. }
        | Observed::Suspended { attempt, .. }
        | Observed::Continued { attempt, .. }
        | Observed::Remark { attempt, .. }
        | Observed::Restored { attempt, .. }
        | Observed::Progress { attempt, .. } => Some(*attempt),
        Observed::Node { .. }
        | Observed::Foreign { .. }
        | Observed::SupplyChanged
        | Observed::Unreachable
        | Observed::Reachable => None,
    }
}

impl Engine {
    /// Takes in what concerns an attempt that was left; gives back what is to be taken in as usual.
    pub(crate) fn observe_stray(&mut self, cluster: ClusterId, what: Observed, out: &mut Batch) -> Option<Observed> {
        let Some(attempt) = subject(&what).filter(|a| self.stray.contains(a)) else { return Some(what) };
        let phase = self.attempts.get(&attempt).filter(|a| a.cluster == cluster)?.phase;
        if phase == AttemptPhase::Abandoned {
            self.late(cluster, attempt, what, out);
            return None;
        }
        // No twin has come about: the attempt that was left is the one after all.
        let tells = matches!(what, Observed::Ended { .. } | Observed::Interrupted { .. } | Observed::Gone { .. });
        if (tells || !self.silent.contains_key(&cluster)) && !self.is_out(attempt.job) && self.return_to(attempt, out) {
            return Some(what);
        }
        match what {
            Observed::Ended { started_at, at, outcome, exit, usage, note, .. } => {
                self.rival_ended(cluster, attempt, End { started_at, at, outcome, exit, usage, note }, out);
                None
            }
            Observed::Gone { note, .. } => {
                let until = self.meters.get(&attempt).map_or(self.now, |m| m.metered_until);
                self.rival_ended(cluster, attempt, End::nothing(until, note), out);
                None
            }
            // Its present run is over, and it would begin again from nothing, as its twin did before it.
            Observed::Interrupted { started_at, .. } => {
                if self.attempts.get(&attempt).is_some_and(|a| !is_old_run(a, started_at)) {
                    self.give_up(attempt, out);
                    self.write_job(out, attempt.job);
                }
                None
            }
            Observed::Suspended { .. }
            | Observed::Continued { .. }
            | Observed::Progress { .. }
            | Observed::Remark { .. } => Some(what),
            _ => None,
        }
    }

    /// Whether the job has an attempt on a cluster that it has not left.
    fn is_out(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|e| e.job.phase().attempt().is_some())
    }

    /// Attempts of a job that it has left and that are still open.
    fn strays_of(&self, job: JobId) -> impl Iterator<Item = AttemptId> {
        self.stray.range(AttemptId::new(job, 0)..=AttemptId::new(job, u32::MAX)).copied()
    }

    /// The attempt that counts again should the present one come to nothing.
    pub(crate) fn rival_of(&self, job: JobId) -> Option<AttemptId> {
        if self.stray.is_empty() {
            return None;
        }
        let is_rival = |a: &AttemptId| self.attempts.get(a).is_some_and(|a| a.phase != AttemptPhase::Abandoned);
        self.strays_of(job).find(is_rival)
    }

    /// The cluster answers again: work that has no twin yet counts as before.
    pub(crate) fn heard_again(&mut self, cluster: ClusterId, out: &mut Batch) {
        let on = |a: &AttemptId| {
            self.attempts.get(a).is_some_and(|a| a.cluster == cluster && a.phase != AttemptPhase::Abandoned)
        };
        let rivals: Vec<AttemptId> = self.stray.iter().copied().filter(on).collect();
        for rival in rivals {
            if !self.is_out(rival.job) {
                self.return_to(rival, out);
            }
        }
    }

    /// Keeps an attempt's nodes occupied under a name of its own, since its job will have others.
    pub(crate) fn haunt(&mut self, attempt: AttemptId, tenant: TenantId) {
        let Some(facts) = self.attempts.get(&attempt) else { return };
        let limit = self.jobs.get(&attempt.job).map(|e| e.spec.spec.time_limit);
        let end =
            facts.started_at.unwrap_or(facts.placed_at) + limit.unwrap_or(self.policy.steering.placement.foreign_hold);
        let conditions = self.jobs.get(&attempt.job).and_then(|e| e.spec.request.conditions.clone());
        let taking = Taking { per_node: facts.per_node(), conditions };
        self.sched.occupy(ghost(attempt), facts.pool, &facts.nodes, taking, end, tenant);
    }

    /// The present attempt of a job becomes one that was left: its nodes stay occupied, the job's place is free.
    pub(crate) fn set_aside(&mut self, attempt: AttemptId) {
        let Some(tenant) = self.jobs.get(&attempt.job).map(|e| e.job.tenant) else { return };
        self.stop_overdue(attempt);
        self.sched.release(attempt.job);
        self.leave_cluster(attempt.job);
        self.stray.insert(attempt);
        self.haunt(attempt, tenant);
        if let Some(entry) = self.jobs.get_mut(&attempt.job) {
            entry.started_at = None;
        }
    }

    /// An attempt that was set aside counts no more: what was billed of it is given back, its cost is no longer its pool's,
    /// and its cluster is asked to end it. The job's row is written by the caller.
    pub(crate) fn give_up(&mut self, attempt: AttemptId, out: &mut Batch) {
        let Some(tenant) = self.jobs.get(&attempt.job).map(|e| e.job.tenant) else { return };
        self.waive(attempt, out);
        self.write_off_cost(attempt, out);
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        facts.phase = AttemptPhase::Abandoned;
        facts.course_mut().tenant = Some(tenant);
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.order_end(attempt, EndCause::Withdrawn, out);
    }

    /// A job is over: whatever else was under way for it is not needed any more.
    pub(crate) fn give_up_rivals(&mut self, job: JobId, out: &mut Batch) {
        while let Some(rival) = self.rival_of(job) {
            self.give_up(rival, out);
        }
    }

    /// Makes an attempt that was left the job's present one again. False when the job went another way.
    pub(crate) fn return_to(&mut self, attempt: AttemptId, out: &mut Batch) -> bool {
        let Some(facts) = self.attempts.get(&attempt) else { return false };
        let (pool, Some(since)) = (facts.pool, facts.started_at) else { return false };
        let stands = facts.suspended_at().is_some();
        if self.apply(attempt.job, JobInput::Return { attempt: attempt.number, pool, since }).is_err() {
            return false;
        }
        self.unqueue(attempt.job);
        self.stray.remove(&attempt);
        self.sched.release(ghost(attempt));
        let Some(entry) = self.jobs.get_mut(&attempt.job) else { return false };
        (entry.pool, entry.started_at) = (Some(pool), Some(since));
        let limit = entry.spec.spec.time_limit;
        if let Some(state) = entry.job.array.and_then(|a| self.arrays.get_mut(&a.root)).filter(|a| a.limit.is_some()) {
            state.out += 1;
        }
        self.occupy_nodes(attempt, since + limit);
        if !stands {
            self.go_on(attempt);
        }
        self.job_event(out, Actor::Platform, attempt.job, EventKind::Returned { attempt, pool });
        self.write_job(out, attempt.job);
        true
    }

    /// Tells the scheduler on which nodes the present attempt of a job is.
    pub(crate) fn occupy_nodes(&mut self, attempt: AttemptId, end: Timestamp) {
        let (Some(facts), Some(entry)) = (self.attempts.get(&attempt), self.jobs.get(&attempt.job)) else { return };
        self.sched.occupy(attempt.job, facts.pool, &facts.nodes, &*entry.spec.request, end, entry.job.tenant);
    }

    /// A rival is over. If it completed, it is the one that counts, and its twin is given up.
    fn rival_ended(&mut self, cluster: ClusterId, attempt: AttemptId, end: End, out: &mut Batch) {
        let job = attempt.job;
        let at = self.end_time(attempt, end.at, end.started_at);
        self.stop_meter(attempt, at, out);
        let won = end.outcome == Outcome::Completed;
        if !won {
            self.waive(attempt, out);
        }
        self.drop_meter(attempt, out);
        let facts = self.attempts.get(&attempt).map(|a| (a.pool, a.started_at));
        self.close_attempt(attempt, AttemptPhase::Ended, &end, at, out);
        out.effects.push(Effect::Forget { cluster, attempt });
        if !won {
            return self.write_job(out, job);
        }
        match self.jobs.get(&job).and_then(|e| e.job.phase().attempt()) {
            Some(number) => {
                let twin = AttemptId::new(job, number);
                self.set_aside(twin);
                self.give_up(twin, out);
            }
            None => self.unqueue(job),
        }
        if let (Some(entry), Some((pool, started_at))) = (self.jobs.get_mut(&job), facts) {
            (entry.pool, entry.started_at) = (Some(pool), started_at);
        }
        match self.apply(job, JobInput::Won { exit: end.exit }) {
            Ok(Transition::Ended { outcome, .. }) => {
                self.finish(job, outcome, end.exit, Actor::Cluster(cluster), out);
            }
            Ok(_) | Err(_) => self.write_job(out, job),
        }
    }

    /// An abandoned attempt was heard of: it is ended there, and what it cost is written down. Nothing reaches the job.
    fn late(&mut self, cluster: ClusterId, attempt: AttemptId, what: Observed, out: &mut Batch) {
        match what {
            Observed::Started { at, nodes, external, .. } => {
                let news = self.late_start(attempt, at);
                let Some(facts) = self.attempts.get_mut(&attempt) else { return };
                if !nodes.is_empty() {
                    facts.nodes = nodes;
                }
                facts.external = external.or(facts.external.take());
                out.records.push(Record::Attempt(Box::new(facts.clone())));
                if news {
                    self.late_answer(attempt, None, out);
                }
                self.order_end(attempt, EndCause::Withdrawn, out);
            }
            Observed::Interrupted { started_at, at, .. } => self.late_interruption(attempt, started_at, at, out),
            Observed::Ended { started_at, at, outcome, exit, usage, note, .. } => {
                self.late_end(cluster, attempt, End { started_at, at, outcome, exit, usage, note }, out);
            }
            Observed::Gone { note, .. } | Observed::Refused { note, .. } => {
                let known = self.meters.get(&attempt).map_or(self.now, |m| m.metered_until);
                let end = End { outcome: Outcome::Cancelled, usage: Usage::default(), ..End::nothing(known, note) };
                self.late_end(cluster, attempt, end, out);
            }
            _ => {}
        }
    }

    /// True when it was not known to run.
    fn late_start(&mut self, attempt: AttemptId, told: Timestamp) -> bool {
        let stamp = self.stamped(told);
        let waits = |a: &&mut model::Attempt| a.started_at.is_none() && !is_old_run(a, told);
        let Some(facts) = self.attempts.get_mut(&attempt).filter(waits) else { return false };
        let at = stamp.max(facts.begins_after());
        facts.started_at = Some(at);
        if told != at {
            facts.course_mut().ahead = told - at;
        }
        true
    }

    /// A run of an abandoned attempt was broken off: its cost is written down, and the attempt still to be ended.
    fn late_interruption(&mut self, attempt: AttemptId, started_at: Timestamp, told: Timestamp, out: &mut Batch) {
        if self.attempts.get(&attempt).is_none_or(|a| is_old_run(a, started_at)) {
            return;
        }
        self.late_start(attempt, started_at);
        let at = self.end_time(attempt, told, Some(started_at));
        self.late_cost(attempt, at, out);
        let billed = self.meters.get(&attempt).map(|m| m.intervals);
        self.drop_meter(attempt, out);
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        facts.started_at = None;
        let course = facts.course_mut();
        (course.runs, course.intervals) = (course.runs + 1, billed.unwrap_or(course.intervals));
        (course.last_run, course.over_at) = (Some((started_at, told)), Some(at));
        course.ahead = Span::ZERO;
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.order_end(attempt, EndCause::Withdrawn, out);
    }

    fn late_end(&mut self, cluster: ClusterId, attempt: AttemptId, end: End, out: &mut Batch) {
        if let Some(started_at) = end.started_at {
            self.late_start(attempt, started_at);
        }
        let at = self.end_time(attempt, end.at, end.started_at);
        let ran = self.attempts.get(&attempt).is_some_and(|a| a.started_at.is_some());
        if ran {
            self.late_cost(attempt, at, out);
            self.late_answer(attempt, Some(end.outcome), out);
        }
        let phase = if ran { AttemptPhase::Ended } else { AttemptPhase::Lost };
        self.drop_meter(attempt, out);
        self.close_attempt(attempt, phase, &end, at, out);
        out.effects.push(Effect::Forget { cluster, attempt });
    }

    /// What an abandoned run has cost up to `until`, as far as it is not written down yet.
    fn late_cost(&mut self, attempt: AttemptId, until: Timestamp, out: &mut Batch) {
        if !self.meters.contains_key(&attempt) {
            self.start_cost_meter(attempt);
        }
        self.bill_cost(attempt, until, out);
    }

    fn late_answer(&mut self, attempt: AttemptId, outcome: Option<Outcome>, out: &mut Batch) {
        let Some(facts) = self.attempts.get(&attempt) else { return };
        let tenant = facts.course.as_ref().and_then(|c| c.tenant);
        let actor = Actor::Cluster(facts.cluster);
        let ended = |outcome| Phase::Ended { outcome, at: self.now }.code();
        let state = self.jobs.get(&attempt.job).map(|e| e.job.state());
        let state = state.or_else(|| self.end_of(attempt.job).map(ended)).unwrap_or(StateCode::Cancelled);
        self.event(out, actor, tenant, Some((attempt.job, state)), EventKind::LateAnswer { attempt, outcome });
    }

    /// How long a cluster has not answered; `None` while it does.
    pub(crate) fn silence(&self, cluster: ClusterId) -> Option<Span> {
        self.silent.get(&cluster).map(|since| self.now.since(*since))
    }
}
