//! What clusters were seen to do. Late, repeated and unknown observations change nothing.

use std::sync::Arc;

use base::{AttemptId, ClusterId, Span, Timestamp};
use model::{
    Actor, AttemptPhase, ClusterHealth, EndCause, EndOrder, EventKind, Exit, JobInput, Observation, Observed, Outcome,
    Phase, Transition, Usage,
};

use crate::record::{Batch, Effect, Record};
use crate::state::{Due, Engine};

/// The facts of an end, together.
struct End {
    started_at: Option<Timestamp>,
    at: Timestamp,
    outcome: Outcome,
    exit: Option<Exit>,
    usage: Usage,
    note: Option<Arc<str>>,
}

impl Engine {
    pub(crate) fn observe(&mut self, observation: Observation, out: &mut Batch) {
        let cluster = observation.cluster;
        match observation.what {
            Observed::Accepted { attempt, external } => self.accepted(cluster, attempt, external, out),
            Observed::Started { attempt, at, nodes, external } => {
                self.started(cluster, attempt, at, nodes, external, out)
            }
            Observed::Ended { attempt, started_at, at, outcome, exit, usage, note } => {
                self.ended(cluster, attempt, End { started_at, at, outcome, exit, usage, note }, out)
            }
            Observed::Refused { attempt, text, note, permanent } => {
                self.refused(cluster, attempt, text, note, permanent, out)
            }
            Observed::Gone { attempt, note } => self.gone(cluster, attempt, note, out),
            Observed::Progress { attempt, usage } => {
                if let Some(facts) = self.attempts.get_mut(&attempt).filter(|a| a.cluster == cluster) {
                    facts.usage = usage;
                    out.records.push(Record::Attempt(Box::new(facts.clone())));
                }
            }
            // Taken in by the next change of this file.
            Observed::Interrupted { .. }
            | Observed::Suspended { .. }
            | Observed::Continued { .. }
            | Observed::Remark { .. }
            | Observed::Foreign { .. }
            | Observed::SupplyChanged => {}
            Observed::Node { pool, node, state } => self.node_seen(cluster, pool, &node, state, out),
            Observed::Unreachable => self.set_health(cluster, ClusterHealth::Unreachable, out),
            Observed::Reachable => self.set_health(cluster, ClusterHealth::Reachable, out),
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

    fn started(
        &mut self,
        cluster: ClusterId,
        attempt: AttemptId,
        at: Timestamp,
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
            return;
        }
        // A cluster's clock may be ahead of ours or behind; a start is never before the placement nor after now.
        let at = self.stamped(at).max(facts.placed_at);
        if self.apply(attempt.job, JobInput::Started { attempt: attempt.number, at }).is_err() {
            return;
        }
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        facts.phase = AttemptPhase::Running;
        facts.started_at = Some(at);
        if !nodes.is_empty() {
            facts.nodes.clone_from(&nodes);
        }
        facts.external = external.or(facts.external.take());
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        let Some(entry) = self.jobs.get_mut(&attempt.job) else { return };
        entry.started_at = Some(at);
        let limit = entry.spec.spec.time_limit;
        self.sched.set_expected_end(attempt.job, at + limit);
        self.timers.insert((self.overdue_at(at, limit), Due::Overdue(attempt)));
        self.start_meter(attempt, at, out);
        let nodes = self.attempts.get(&attempt).map_or(nodes, |a| a.nodes.clone());
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::Started { attempt, nodes });
        self.write_job(out, attempt.job);
    }

    fn ended(&mut self, cluster: ClusterId, attempt: AttemptId, end: End, out: &mut Batch) {
        if !self.known(cluster, attempt, out) {
            return;
        }
        if let Some(started_at) = end.started_at {
            // The start may not have been seen on its own.
            self.started(cluster, attempt, started_at, Vec::new(), None, out);
        }
        let at = self.end_time(attempt, &end);
        self.stop_meter(attempt, at, out);
        self.close_attempt(attempt, AttemptPhase::Ended, &end, at, out);
        let requeue = self.jobs.get(&attempt.job).is_some_and(|e| e.spec.spec.requeue);
        let input = JobInput::AttemptEnded { attempt: attempt.number, outcome: end.outcome, exit: end.exit, requeue };
        self.after_attempt(cluster, attempt, input, end.exit, out);
        out.effects.push(Effect::Forget { cluster, attempt });
    }

    /// When an attempt ended, in the engine's time. How long it ran by the cluster's own clock counts, so that a clock that
    /// is wrong does not change the bill; unless clocks were set while it ran.
    fn end_time(&self, attempt: AttemptId, end: &End) -> Timestamp {
        let known = self.attempts.get(&attempt).and_then(|a| a.started_at);
        match (known, end.started_at) {
            (Some(known), Some(started_at)) if self.ahead() == Span::ZERO => {
                (known + end.at.since(started_at)).min(self.now)
            }
            _ => self.stamped(end.at),
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
        self.start_failed(cluster, attempt, note, permanent, out);
    }

    /// It vanished while running, or before it started. One whose hand-over is still under way has not arrived yet:
    /// that it is not there is no news, unless it was to be ended.
    fn gone(&mut self, cluster: ClusterId, attempt: AttemptId, note: Option<Arc<str>>, out: &mut Batch) {
        let Some(facts) = self.attempts.get(&attempt).filter(|a| a.cluster == cluster) else { return };
        if facts.started_at.is_none() {
            let ending = self.jobs.get(&attempt.job).is_some_and(|e| matches!(e.job.phase(), Phase::Ending { .. }));
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
        let end = End { started_at: None, at: until, outcome: Outcome::NodeFail, exit: None, usage: facts.usage, note };
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
        let end = End {
            started_at: None,
            at: self.now,
            outcome: Outcome::NodeFail,
            exit: None,
            usage: Usage::default(),
            note,
        };
        self.close_attempt(attempt, AttemptPhase::Lost, &end, self.now, out);
        let tries = self.jobs.get(&attempt.job).map_or(0, |e| e.job.failed_starts);
        let pause = Span::from_micros(self.policy.retry_first.as_micros() << tries.min(16)).min(self.policy.retry_max);
        let retry_at = self.now + pause;
        let limit = if permanent { 1 } else { self.policy.start_failures_max };
        self.timers.insert((retry_at, Due::Eligible(attempt.job)));
        let input = JobInput::StartFailed { attempt: attempt.number, retry_at, limit };
        self.after_attempt(cluster, attempt, input, None, out);
    }

    fn close_attempt(&mut self, attempt: AttemptId, phase: AttemptPhase, end: &End, at: Timestamp, out: &mut Batch) {
        let Some(mut facts) = self.attempts.remove(&attempt) else { return };
        let limit = self.jobs.get(&attempt.job).map(|e| e.spec.spec.time_limit);
        if let (Some(started_at), Some(limit)) = (facts.started_at, limit) {
            self.timers.remove(&(self.overdue_at(started_at, limit), Due::Overdue(attempt)));
        }
        facts.phase = phase;
        facts.ended_at = Some(at.max(facts.started_at.unwrap_or(facts.placed_at)));
        facts.exit = end.exit;
        facts.outcome = Some(end.outcome);
        facts.usage = end.usage;
        facts.note.clone_from(&end.note);
        out.records.push(Record::Attempt(Box::new(facts)));
        self.sched.release(attempt.job);
        self.leave_cluster(attempt.job);
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
        let takes_work = entry.takes_work();
        out.records.push(Record::Cluster(entry.clone()));
        let pools: Vec<_> = self.pools.values().filter(|p| p.pool.cluster == cluster).map(|p| p.pool.id).collect();
        for pool in pools {
            self.sched.set_reachable(pool, takes_work);
        }
        let what =
            if reachable { EventKind::ClusterReachable { cluster } } else { EventKind::ClusterUnreachable { cluster } };
        self.event(out, Actor::Cluster(cluster), None, None, what);
    }
}
