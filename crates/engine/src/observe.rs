//! What clusters were seen to do with attempts. Late, repeated and unknown observations change nothing.
//! Runs that do not end an attempt stand in `course`, attempts that were left by their jobs in `stray`.

use std::sync::Arc;

use base::{AttemptId, ClusterId, Span, Timestamp};
use model::{
    Actor, Attempt, AttemptPhase, ClusterHealth, EndCause, EndOrder, EventKind, Exit, JobInput, Observation, Observed,
    Outcome, Phase, Transition, Usage,
};

use crate::course::{SAME_START, broken_off};
use crate::preempt::runs_again;
use crate::record::{Batch, Effect, Record};
use crate::state::{Due, Engine};
use crate::stray::ghost;

/// The facts of an end, together.
pub(crate) struct End {
    pub started_at: Option<Timestamp>,
    pub at: Timestamp,
    pub outcome: Outcome,
    pub exit: Option<Exit>,
    pub usage: Usage,
    pub note: Option<Arc<str>>,
}

impl Engine {
    pub(crate) fn observe(&mut self, observation: Observation, out: &mut Batch) {
        let cluster = observation.cluster;
        let what = if self.stray.is_empty() {
            Some(observation.what)
        } else {
            // Some attempt was left by its job: what is said of it goes another way.
            self.observe_stray(cluster, observation.what, out)
        };
        match what {
            None => {}
            Some(Observed::Accepted { attempt, external }) => self.accepted(cluster, attempt, external, out),
            Some(Observed::Started { attempt, at, nodes, external }) => {
                self.started(cluster, attempt, at, nodes, external, out);
            }
            Some(Observed::Ended { attempt, started_at, at, outcome, exit, usage, note }) => {
                self.ended(cluster, attempt, End { started_at, at, outcome, exit, usage, note }, out);
            }
            Some(Observed::Refused { attempt, text, note, permanent }) => {
                self.refused(cluster, attempt, text, note, permanent, out);
            }
            Some(Observed::Gone { attempt, note }) => self.gone(cluster, attempt, note, out),
            Some(Observed::Progress { attempt, usage }) => {
                if let Some(facts) = self.attempts.get_mut(&attempt).filter(|a| a.cluster == cluster) {
                    facts.usage = usage;
                    out.records.push(Record::Attempt(Box::new(facts.clone())));
                }
            }
            Some(Observed::Interrupted { attempt, started_at, at, outcome, note }) => {
                let (exit, usage) = (None, Usage::default());
                let end = End { started_at: Some(started_at), at, outcome, exit, usage, note };
                self.interrupted(cluster, attempt, end, out);
            }
            Some(Observed::Suspended { attempt, at }) => self.suspended(cluster, attempt, at, out),
            Some(Observed::Continued { attempt, at }) => self.continued(cluster, attempt, at, out),
            Some(Observed::Remark { attempt, text }) => self.remark(cluster, attempt, &text, out),
            Some(Observed::Restored { attempt, from, taken_at, files, bytes }) => {
                let what = EventKind::Restored { attempt, from, taken_at, files, bytes };
                self.restored(cluster, attempt, what, out);
            }
            Some(Observed::Node { pool, node, state }) => self.node_seen(cluster, pool, &node, state, out),
            Some(Observed::Foreign { pool, node, busy }) => self.foreign_seen(cluster, pool, &node, busy),
            // Whoever drives the engine asks the cluster what it is like now and registers that: a command.
            Some(Observed::SupplyChanged) => {}
            Some(Observed::Unreachable) => self.set_health(cluster, ClusterHealth::Unreachable, out),
            Some(Observed::Reachable) => self.set_health(cluster, ClusterHealth::Reachable, out),
        }
    }

    /// The platform has put a checkpoint where an attempt is to begin.
    fn restored(&mut self, cluster: ClusterId, attempt: AttemptId, what: EventKind, out: &mut Batch) {
        if self.attempts.get(&attempt).is_some_and(|a| a.cluster == cluster) {
            self.job_event(out, Actor::Platform, attempt.job, what);
        }
    }

    /// What others take on a node of a shared cluster. Not stored: a cluster says it again after a restart.
    fn foreign_seen(&mut self, cluster: ClusterId, pool: base::PoolId, node: &str, busy: base::Resources) {
        if self.pools.get(&pool).is_some_and(|p| p.pool.cluster == cluster) {
            self.sched.set_foreign(pool, node, busy, self.now);
        }
    }

    /// True when the attempt is open and of this cluster. For a closed one the cluster is told to forget it,
    /// and for one that never was, too.
    fn known(&self, cluster: ClusterId, attempt: AttemptId, out: &mut Batch) -> bool {
        if self.attempts.get(&attempt).is_some_and(|a| a.cluster == cluster) {
            return true;
        }
        out.effects.push(Effect::Forget { cluster, attempt });
        false
    }

    fn accepted(&mut self, cluster: ClusterId, attempt: AttemptId, external: Option<Arc<str>>, out: &mut Batch) {
        let Some(facts) = self.attempts.get_mut(&attempt).filter(|a| a.cluster == cluster) else { return };
        if facts.phase != AttemptPhase::Submitting {
            return;
        }
        facts.phase = AttemptPhase::Queued;
        facts.external.clone_from(&external);
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::Queued { attempt, external });
    }

    pub(crate) fn started(
        &mut self,
        cluster: ClusterId,
        attempt: AttemptId,
        told: Timestamp,
        nodes: Vec<Arc<str>>,
        external: Option<Arc<str>>,
        out: &mut Batch,
    ) {
        let Some(facts) = self.attempts.get(&attempt).filter(|a| a.cluster == cluster) else {
            // Something runs that nobody waits for: an answer that came after the attempt was given up.
            let how = EndOrder { cause: EndCause::Cancelled, grace: self.policy.kill_grace };
            out.effects.push(Effect::End { cluster, attempt, how });
            return;
        };
        if facts.phase == AttemptPhase::Running {
            return self.note_next_run(attempt, told, out);
        }
        if is_old_run(facts, told) {
            return;
        }
        // A cluster's clock may be ahead of ours or behind; a start is never before the second of the placement nor after now.
        let at = self.stamped(told).max(facts.begins_after());
        if self.apply(attempt.job, JobInput::Started { attempt: attempt.number, at }).is_err() {
            return;
        }
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        facts.phase = AttemptPhase::Running;
        facts.started_at = Some(at);
        if told != at {
            facts.course_mut().ahead = told - at;
        }
        // Only a first start tells how long the queue there is.
        let waited = facts.course.as_ref().is_none_or(|c| c.runs == 0).then(|| (facts.pool, at.since(facts.placed_at)));
        let moved = !nodes.is_empty() && facts.nodes != nodes;
        if moved {
            facts.nodes.clone_from(&nodes);
        }
        facts.external = external.or(facts.external.take());
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        let Some(entry) = self.jobs.get_mut(&attempt.job) else { return };
        entry.started_at = Some(at);
        let limit = entry.spec.spec.time_limit;
        if let Some(wait) = waited {
            self.note_wait(wait.0, wait.1);
            self.judge_start(attempt, at);
        }
        if moved {
            self.occupy_nodes(attempt, at + limit);
        }
        if let Some(end) = self.attempts.get(&attempt).map(|facts| self.expected_end(facts, at, limit)) {
            self.sched.set_expected_end(attempt.job, end);
        }
        self.timers.insert((self.overdue_at(at, limit), Due::Overdue(attempt)));
        self.start_meter(attempt, at, out);
        let nodes = self.attempts.get(&attempt).map_or(nodes, |a| a.nodes.clone());
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::Started { attempt, nodes });
        self.write_job(out, attempt.job);
    }

    pub(crate) fn ended(&mut self, cluster: ClusterId, attempt: AttemptId, end: End, out: &mut Batch) {
        if !self.known(cluster, attempt, out) {
            return;
        }
        if let Some(started_at) = end.started_at {
            self.take_back_start(attempt, started_at, out);
            self.close_missed_run(cluster, attempt, started_at, out);
            // The start may not have been seen on its own.
            self.started(cluster, attempt, started_at, Vec::new(), None, out);
        }
        let end = self.end_of_notice(attempt, end);
        let told = self.attempts.get(&attempt).is_some_and(|a| a.notice().is_some());
        let at = self.end_time(attempt, end.at, end.started_at);
        self.stop_meter(attempt, at, out);
        if let Some(started_at) = self.attempts.get(&attempt).and_then(|a| a.started_at)
            && matches!(end.outcome, Outcome::Completed | Outcome::Timeout)
        {
            self.judge_run(attempt, at.since(started_at));
            self.note_run(attempt, started_at, at);
        }
        // A twin that did not complete counts for nothing: the attempt that it was to replace does again.
        let rival =
            self.rival_of(attempt.job).filter(|_| end.outcome != Outcome::Completed && !self.is_ending(attempt.job));
        if rival.is_some() || !self.counts(attempt, end.outcome) {
            self.waive(attempt, out);
        }
        self.drop_meter(attempt, out);
        self.close_attempt(attempt, AttemptPhase::Ended, &end, at, out);
        out.effects.push(Effect::Forget { cluster, attempt });
        if rival.is_some_and(|rival| self.return_to(rival, out)) {
            return;
        }
        let requeue = self.jobs.get(&attempt.job).is_some_and(|e| runs_again(e, end.outcome, told));
        let input = JobInput::AttemptEnded { attempt: attempt.number, outcome: end.outcome, exit: end.exit, requeue };
        self.after_attempt(cluster, attempt, input, end.exit, out);
    }

    /// Whether the tenant pays for a run that ended so. Not when it was asked back before it should have run, nor, unless the
    /// policy says otherwise, when its machine failed or its cluster took it off.
    fn counts(&self, attempt: AttemptId, outcome: Outcome) -> bool {
        let withdrawn = self.jobs.get(&attempt.job).is_some_and(|e| matches!(e.job.phase(), Phase::Withdrawing { .. }));
        outcome == Outcome::Completed || !withdrawn && (self.policy.bill_failed_machine || !broken_off(outcome))
    }

    /// A moment of a run in the engine's time. How long it ran by the cluster's own clock counts, so that a clock that
    /// is wrong does not change the bill; unless clocks were set while it ran. `started_at` is the start by that clock.
    pub(crate) fn end_time(&self, attempt: AttemptId, told: Timestamp, started_at: Option<Timestamp>) -> Timestamp {
        let facts = self.attempts.get(&attempt);
        match (facts.and_then(|a| a.started_at), started_at) {
            (Some(known), Some(started_at)) if self.ahead() == Span::ZERO => {
                let shown = facts.and_then(|a| a.start_as_told()).filter(|shown| is_first_line(*shown, started_at));
                (known + told.since(shown.unwrap_or(started_at))).min(self.now)
            }
            _ => self.stamped(told),
        }
    }

    fn refused(
        &mut self,
        cluster: ClusterId,
        attempt: AttemptId,
        text: Arc<str>,
        note: Option<Arc<str>>,
        permanent: bool,
        out: &mut Batch,
    ) {
        if !self.known(cluster, attempt, out) {
            return;
        }
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::HandOverFailed { attempt, text });
        if self.attempts.get(&attempt).is_some_and(|a| a.started_at.is_some()) {
            // Its run was broken off without our being told, and it could not be started again.
            return self.gone(cluster, attempt, note, out);
        }
        self.start_failed(cluster, attempt, note, permanent, out);
    }

    /// It vanished while running, or before it started. One whose hand-over is still under way has not arrived yet:
    /// that it is not there is no news, unless it was to be ended.
    pub(crate) fn gone(&mut self, cluster: ClusterId, attempt: AttemptId, note: Option<Arc<str>>, out: &mut Batch) {
        let Some(facts) = self.attempts.get(&attempt).filter(|a| a.cluster == cluster) else { return };
        if facts.started_at.is_none() {
            let asked = |p: &Phase| matches!(p, Phase::Ending { .. } | Phase::Withdrawing { .. });
            let ending = self.jobs.get(&attempt.job).is_some_and(|e| asked(e.job.phase()));
            if facts.phase == AttemptPhase::Submitting && !ending {
                return;
            }
            if !ending {
                let text = "the cluster has lost it before it started".into();
                self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::HandOverFailed { attempt, text });
            }
            return self.start_failed(cluster, attempt, note, false, out);
        }
        let until = self.meters.get(&attempt).map_or(self.now, |m| m.metered_until);
        let usage = facts.usage;
        let end = End { started_at: None, at: until, outcome: Outcome::NodeFail, exit: None, usage, note };
        self.ended(cluster, attempt, end, out);
    }

    fn start_failed(
        &mut self,
        cluster: ClusterId,
        attempt: AttemptId,
        note: Option<Arc<str>>,
        permanent: bool,
        out: &mut Batch,
    ) {
        self.stop_meter(attempt, self.now, out);
        self.drop_meter(attempt, out);
        let end = End::nothing(self.now, note);
        self.close_attempt(attempt, AttemptPhase::Lost, &end, self.now, out);
        let tries = self.jobs.get(&attempt.job).map_or(0, |e| e.job.failed_starts);
        let pause = Span::from_micros(self.policy.retry_first.as_micros() << tries.min(16)).min(self.policy.retry_max);
        let retry_at = self.now + pause;
        let limit = if permanent { 1 } else { self.policy.start_failures_max };
        self.timers.insert((retry_at, Due::Eligible(attempt.job)));
        let input = JobInput::StartFailed { attempt: attempt.number, retry_at, limit };
        self.after_attempt(cluster, attempt, input, None, out);
    }

    pub(crate) fn close_attempt(
        &mut self,
        attempt: AttemptId,
        phase: AttemptPhase,
        end: &End,
        at: Timestamp,
        out: &mut Batch,
    ) {
        self.stop_overdue(attempt);
        self.notices.remove(&attempt);
        let Some(mut facts) = self.attempts.remove(&attempt) else { return };
        self.told.remove(&attempt);
        facts.phase = phase;
        facts.ended_at = Some(at.max(facts.started_at.unwrap_or(facts.placed_at)));
        facts.exit = end.exit;
        facts.outcome = Some(end.outcome);
        facts.usage = end.usage;
        facts.note.clone_from(&end.note);
        out.records.push(Record::Attempt(Box::new(facts)));
        if self.stray.remove(&attempt) {
            self.sched.release(ghost(attempt));
        } else {
            self.sched.release(attempt.job);
            self.leave_cluster(attempt.job);
        }
    }

    /// What the end of an attempt means to its job.
    fn after_attempt(
        &mut self,
        cluster: ClusterId,
        attempt: AttemptId,
        input: JobInput,
        exit: Option<Exit>,
        out: &mut Batch,
    ) {
        let actor = Actor::Cluster(cluster);
        let job = attempt.job;
        match self.apply(job, input) {
            Ok(Transition::Ended { outcome, .. }) => self.finish(job, outcome, exit, actor, out),
            Ok(Transition::Requeued { after, .. }) => {
                self.job_event(out, actor, job, EventKind::Requeued { after });
                self.write_job(out, job);
                self.refresh(job);
            }
            Ok(Transition::Withdrawn { .. }) => {
                self.job_event(out, actor, job, EventKind::Withdrawn { attempt });
                if let Some(entry) = self.jobs.get_mut(&job) {
                    entry.started_at = None;
                }
                self.write_job(out, job);
                self.refresh(job);
            }
            Ok(Transition::BackToQueue { held, .. }) => {
                if held {
                    self.job_event(out, Actor::Platform, job, EventKind::Held { by: model::Holder::Platform });
                }
                self.write_job(out, job);
                self.refresh(job);
            }
            // The job went another way; what its attempt was charged is kept.
            Ok(_) | Err(_) => self.write_job(out, job),
        }
    }

    /// When the engine itself asks for the end of work that its cluster should have ended at the limit.
    pub(crate) fn overdue_at(&self, started_at: Timestamp, limit: Span) -> Timestamp {
        started_at + limit + self.policy.kill_grace + self.policy.time_limit_margin
    }

    /// The same of an attempt as it stands: time that it stood still is added. `None` while it does not run.
    pub(crate) fn overdue_of(&self, attempt: AttemptId) -> Option<Timestamp> {
        let facts = self.attempts.get(&attempt)?;
        let limit = self.jobs.get(&attempt.job)?.spec.spec.time_limit;
        Some(self.overdue_at(facts.started_at? + facts.suspended(), limit))
    }

    pub(crate) fn stop_overdue(&mut self, attempt: AttemptId) {
        if let Some(at) = self.overdue_of(attempt) {
            self.timers.remove(&(at, Due::Overdue(attempt)));
        }
    }

    /// The cluster should have ended it at its limit and has not said so.
    pub(crate) fn overdue(&mut self, attempt: AttemptId, out: &mut Batch) {
        let running = self
            .jobs
            .get(&attempt.job)
            .is_some_and(|e| matches!(e.job.phase(), Phase::Running { attempt: n, .. } if *n == attempt.number));
        if running {
            // A refusal means that it is ending already.
            let _ = self.end_job(attempt.job, EndCause::TimeLimit, Actor::Platform, out);
        }
    }

    fn set_health(&mut self, cluster: ClusterId, health: ClusterHealth, out: &mut Batch) {
        let Some(entry) = self.clusters.get_mut(&cluster).filter(|c| c.health != health) else { return };
        entry.health = health;
        let reachable = health == ClusterHealth::Reachable;
        out.records.push(Record::Cluster(entry.clone()));
        let pools = self.pools_of(cluster);
        for pool in &pools {
            self.sched.set_reachable(*pool, reachable);
        }
        self.recount(pools, out);
        let what =
            if reachable { EventKind::ClusterReachable { cluster } } else { EventKind::ClusterUnreachable { cluster } };
        self.event(out, Actor::Cluster(cluster), None, None, what);
        if reachable {
            self.silent.remove(&cluster);
            self.heard_again(cluster, out);
        } else {
            self.silent.insert(cluster, self.now);
        }
    }
}

impl End {
    /// It never ran, and nothing is known of an end.
    pub fn nothing(at: Timestamp, note: Option<Arc<str>>) -> End {
        End { started_at: None, at, outcome: Outcome::NodeFail, exit: None, usage: Usage::default(), note }
    }
}

/// True when a start that is told with an end is that of the work's own first line, after the one that its cluster had shown: a little
/// later by the same clock. Where that clock was corrected anew in between they differ by more than whole seconds.
fn is_first_line(shown: Timestamp, started_at: Timestamp) -> bool {
    let later = started_at - shown;
    later > Span::ZERO && later <= SAME_START && later.as_micros() % Span::from_secs(1).as_micros() == 0
}

/// True when a start is that of a run which is known to be over.
pub(crate) fn is_old_run(facts: &Attempt, told: Timestamp) -> bool {
    let last = facts.course.as_ref().and_then(|c| c.last_run);
    last.is_some_and(|(started_at, ended_at)| told <= started_at || told < ended_at)
}
