//! Replacement: what becomes of work whose cluster does not answer, whose nodes take no work any more, or that waits on its
//! cluster for longer than was to be expected. The policy decides per class: wait, move what has not started, run a twin, or
//! start again elsewhere. Refuses to know how an attempt that was left is followed: that is `stray`.
//!
//! What cannot be shown not to run is started a second time only for jobs that may be run again (`--requeue`): a cluster
//! that does not answer may have started what it was handed. What a cluster that answers has given back is any job's.

use std::collections::BTreeMap;

use base::{AttemptId, ClusterId, JobId, PoolId, Span, SpecId, TenantId};
use model::{
    Actor, Attempt, AttemptPhase, Avoid, ClusterHealth, EndCause, EventKind, JobInput, MoveCause, NodeState, Phase,
    Service, Transition,
};
use sched::forecast::WaitForecast;
use sched::{Rule, Verdict};

use crate::record::{Batch, Record};
use crate::state::{Due, Engine};

/// Jobs that are moved at one look: each is about ten records, so that a look is one ordinary batch.
const MOVES_MAX: usize = 1_000;
/// Of them, jobs of one shape that leave a queue which still moves: what they go to may have room for no more.
const STUCK_MAX: u32 = 16;
/// After so many moves patience grows no more: 10 minutes have become a week.
const PATIENCE_DOUBLINGS: u32 = 10;
/// Pools that one job avoids at once.
const AVOIDED_MAX: usize = 16;

/// A shorter wait is that of the hand-over itself.
const WAIT_SHOWN_MIN: Span = Span::from_secs(5);

/// How long work waited on the cluster of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Waited {
    /// An average that forgets: seven parts old and one part new.
    usual: Span,
    forecast: WaitForecast,
}

/// What to do about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// Ask it back; its cluster answers.
    Withdraw(MoveCause),
    /// Go on without it.
    Leave,
    /// Run a second one.
    Twin,
}

/// Answers of one look to "could this run elsewhere", by what jobs have in common.
type Elsewhere = BTreeMap<(SpecId, TenantId, PoolId, bool), (bool, u32)>;

impl Engine {
    /// Attempts are looked at once an interval while there are any.
    pub(crate) fn keep_looking(&mut self) {
        if !self.looking {
            self.looking = true;
            self.timers.insert((self.now + self.policy.look_interval, Due::Look));
        }
    }

    /// Looks at every attempt and does what the policy says about those that do not come to a start or an end.
    pub(crate) fn look(&mut self, out: &mut Batch) {
        self.looking = false;
        if self.attempts.is_empty() {
            return;
        }
        self.keep_looking();
        self.note_demand(out);
        self.tell_waits();
        // After a restart no cluster has been heard of; its silence counts from the first look on.
        let silent = self.clusters.values().filter(|c| c.health == ClusterHealth::Unreachable).map(|c| c.id);
        for cluster in silent.collect::<Vec<ClusterId>>() {
            self.silent.entry(cluster).or_insert(self.now);
        }
        let mut due: Vec<(AttemptId, Remedy)> =
            self.attempts.values().filter_map(|a| Some((a.id, self.remedy(a)?))).collect();
        due.sort_unstable_by_key(|(id, _)| *id);
        let mut known = Elsewhere::new();
        let mut moved = 0;
        for (attempt, remedy) in due {
            if moved < MOVES_MAX && self.elsewhere(attempt, remedy, &mut known) {
                moved += 1;
                match remedy {
                    Remedy::Withdraw(why) => self.withdraw(attempt, why, out),
                    Remedy::Leave => self.leave(attempt, out),
                    Remedy::Twin => self.twin(attempt, out),
                }
            }
        }
    }

    /// What the policy says about an attempt at this moment, if anything.
    fn remedy(&self, facts: &Attempt) -> Option<Remedy> {
        let entry = self.jobs.get(&facts.id.job)?;
        if facts.phase == AttemptPhase::Abandoned || entry.job.phase().attempt() != Some(facts.id.number) {
            return None;
        }
        let spec = &entry.spec.spec;
        let policy = self.policy.steering.replacement.of(spec.class);
        let over = |limit: Option<Span>, time: Span| limit.is_some_and(|limit| time >= limit);
        match (entry.job.phase(), self.silence(facts.cluster)) {
            (Phase::Starting { .. } | Phase::Withdrawing { hold: None, .. }, Some(silent)) => {
                (spec.requeue && over(policy.move_after, silent)).then_some(Remedy::Leave)
            }
            (Phase::Running { .. }, Some(silent)) if spec.requeue => {
                if over(policy.restart_after, silent) {
                    return Some(Remedy::Leave);
                }
                let first = entry.job.attempts == facts.id.number;
                (first && over(policy.twin_after, silent)).then_some(Remedy::Twin)
            }
            (Phase::Starting { .. }, None) => {
                let since = facts.course.as_ref().and_then(|c| c.last_run).map_or(facts.placed_at, |run| run.1);
                let waits = self.now.since(since.max(facts.placed_at));
                if over(policy.move_after, waits) && !self.takes_work(facts) {
                    return Some(Remedy::Withdraw(MoveCause::Unavailable));
                }
                // Twice as much each time: a job that is slow to start everywhere must come to its turn somewhere.
                let moves = entry.job.avoid.as_ref().map_or(0, |a| a.moves).min(PATIENCE_DOUBLINGS);
                let patience = self.queued_patience(facts.pool).as_micros().saturating_mul(1 << moves);
                let patience = patience.saturating_add(self.data_time(entry, facts.cluster).as_micros());
                let stuck = policy.move_after.is_some() && waits.as_micros() >= patience;
                stuck.then_some(Remedy::Withdraw(MoveCause::Stuck))
            }
            _ => None,
        }
    }

    /// How long work may wait on a pool's cluster before it is to be moved.
    fn queued_patience(&self, pool: PoolId) -> Span {
        let usual = self.waits.get(&pool).map_or(0, |w| w.usual.as_micros());
        let patience = usual.saturating_mul(i64::from(self.policy.steering.waiting.factor));
        self.policy.steering.waiting.patience.max(Span::from_micros(patience))
    }

    /// Notes how long an attempt waited on its cluster.
    pub(crate) fn note_wait(&mut self, pool: PoolId, wait: Span) {
        let waited =
            self.waits.entry(pool).or_insert_with(|| Waited { usual: wait, forecast: WaitForecast::default() });
        waited.usual = Span::from_micros((waited.usual.as_micros() * 7 + wait.as_micros()) / 8);
        waited.forecast.note(wait);
    }

    /// Tells the scheduler how long the clusters' own queues let work wait. Once a look, since each change of order makes it
    /// go through all work anew.
    fn tell_waits(&mut self) {
        for (pool, waited) in &self.waits {
            self.sched.set_queue_wait(*pool, waited.forecast.bound().filter(|wait| *wait >= WAIT_SHOWN_MIN));
        }
    }

    /// What is known of the queue of a pool's cluster.
    pub fn queue_forecast(&self, pool: PoolId) -> Option<&WaitForecast> {
        self.waits.get(&pool).map(|waited| &waited.forecast)
    }

    /// Whether the nodes of an attempt take new work: those it was given, or any of its pool where the cluster chooses; not when
    /// its cluster was taken out of service.
    pub(crate) fn takes_work(&self, facts: &Attempt) -> bool {
        if self.clusters.get(&facts.cluster).is_none_or(|c| c.service != Service::InService) {
            return false;
        }
        let Some(entry) = self.pools.get(&facts.pool) else { return false };
        let up = |name: &str| entry.pool.nodes.iter().any(|n| &*n.name == name && n.state == NodeState::Up);
        if facts.nodes.is_empty() { entry.pool.nodes_up() > 0 } else { facts.nodes.iter().all(|name| up(name)) }
    }

    /// Pools that an attempt leaves: all of a cluster that does not answer, else its own.
    fn left_by(&self, attempt: AttemptId, remedy: Remedy) -> Vec<PoolId> {
        let Some(facts) = self.attempts.get(&attempt) else { return Vec::new() };
        match remedy {
            Remedy::Withdraw(_) => vec![facts.pool],
            Remedy::Leave | Remedy::Twin => {
                let of = self.pools.values().filter(|p| p.pool.cluster == facts.cluster);
                of.map(|p| p.pool.id).take(AVOIDED_MAX).collect()
            }
        }
    }

    /// Whether the job could run in another pool; at once, where the one it is in still serves others.
    fn elsewhere(&self, attempt: AttemptId, remedy: Remedy, known: &mut Elsewhere) -> bool {
        let (Some(entry), Some(facts)) = (self.jobs.get(&attempt.job), self.attempts.get(&attempt)) else {
            return false;
        };
        let at_once = remedy == Remedy::Withdraw(MoveCause::Stuck);
        let key = (entry.job.spec, entry.job.tenant, facts.pool, at_once);
        let (possible, taken) = known.entry(key).or_insert_with(|| {
            let mut demand = self.draft_demand(entry.job.tenant, &entry.spec.spec);
            let left = self.left_by(attempt, remedy);
            let Some(names) = self.pools_without(&demand.pools, &left) else { return (false, 0) };
            demand.pools = names;
            demand.standing = self.standing(entry.job.tenant, &entry.spec.spec, true);
            let serves = |c: &sched::Candidate| {
                matches!(c.verdict, Verdict::Feasible) && (!at_once || c.expected_start.is_some_and(|s| s <= self.now))
            };
            (self.sched.quote(&demand, self.now).candidates.iter().any(serves), 0)
        });
        *taken += 1;
        *possible && (!at_once || *taken <= STUCK_MAX)
    }

    /// The named pools (all, when none is named) without some; `None` when nothing is left.
    fn pools_without(
        &self,
        named: &[std::sync::Arc<str>],
        left: &[PoolId],
    ) -> Option<std::sync::Arc<[std::sync::Arc<str>]>> {
        let stays = |p: &&crate::state::PoolEntry| {
            !left.contains(&p.pool.id) && (named.is_empty() || named.contains(&p.pool.name))
        };
        let names: Vec<_> = self.pools.values().filter(stays).map(|p| p.pool.name.clone()).collect();
        (!names.is_empty()).then(|| names.into())
    }

    /// The pools that a job may be placed in now: those it names, without those it has just left, as long as others remain.
    pub(crate) fn open_pools(&self, job: JobId) -> Option<std::sync::Arc<[std::sync::Arc<str>]>> {
        let entry = self.jobs.get(&job)?;
        let avoid = entry.job.avoid.as_ref().filter(|a| a.until > self.now)?;
        let pools = self.pools_without(&entry.spec.pools, &avoid.pools)?;
        let demand = sched::Demand { pools, ..self.draft_demand(entry.job.tenant, &entry.spec.spec) };
        self.sched.feasible_anywhere(&demand).is_ok().then_some(demand.pools)
    }

    /// Says in an explanation that a pool is left out because the job was moved away from it.
    pub(crate) fn say_avoided(&self, job: JobId, explanation: &mut sched::Explanation) {
        let Some(avoid) = self.jobs.get(&job).and_then(|e| e.job.avoid.as_ref()) else { return };
        for candidate in &mut explanation.candidates {
            let unnamed = candidate.verdict == Verdict::Refused(Rule::PoolNotNamed);
            if unnamed && avoid.until > self.now && avoid.pools.contains(&candidate.pool) {
                candidate.verdict = Verdict::Refused(Rule::Avoided);
            }
        }
    }

    /// The job keeps away from these pools for a while.
    fn avoid(&mut self, job: JobId, mut pools: Vec<PoolId>) {
        let until = self.now + self.policy.steering.waiting.avoid_for;
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        let mut moves = 1;
        if let Some(old) = entry.job.avoid.take() {
            moves += old.moves;
            self.timers.remove(&(old.until, Due::Eligible(job)));
            pools.extend(old.pools.iter().copied().filter(|_| old.until > self.now));
        }
        pools.sort_unstable();
        pools.dedup();
        pools.truncate(AVOIDED_MAX);
        entry.job.avoid = Some(Box::new(Avoid { pools, until, moves }));
        self.timers.insert((until, Due::Eligible(job)));
    }

    /// Asks an attempt that has not started back from its cluster, to run it elsewhere.
    fn withdraw(&mut self, attempt: AttemptId, why: MoveCause, out: &mut Batch) {
        let left = self.left_by(attempt, Remedy::Withdraw(why));
        let Ok(Transition::WithdrawRequested { .. }) = self.apply(attempt.job, JobInput::Withdraw) else { return };
        self.order_end(attempt, EndCause::Withdrawn, out);
        self.moved(attempt, left, why, out);
    }

    /// Goes on without an attempt whose cluster does not answer.
    fn leave(&mut self, attempt: AttemptId, out: &mut Batch) {
        let left = self.left_by(attempt, Remedy::Leave);
        if self.apply(attempt.job, JobInput::Leave { attempt: attempt.number }).is_err() {
            return;
        }
        self.set_aside(attempt);
        self.give_up(attempt, out);
        self.moved(attempt, left, MoveCause::Unreachable, out);
        self.refresh(attempt.job);
    }

    fn moved(&mut self, attempt: AttemptId, left: Vec<PoolId>, why: MoveCause, out: &mut Batch) {
        let Some(from) = self.attempts.get(&attempt).map(|a| a.pool) else { return };
        self.avoid(attempt.job, left);
        self.job_event(out, Actor::Platform, attempt.job, EventKind::Moved { attempt, from, why });
        self.write_job(out, attempt.job);
    }

    /// Lets a second attempt be made elsewhere; the present one still counts if it completes first.
    fn twin(&mut self, attempt: AttemptId, out: &mut Batch) {
        let left = self.left_by(attempt, Remedy::Twin);
        let Some(from) = self.attempts.get(&attempt).map(|a| a.pool) else { return };
        if self.apply(attempt.job, JobInput::Leave { attempt: attempt.number }).is_err() {
            return;
        }
        self.set_aside(attempt);
        self.avoid(attempt.job, left);
        self.job_event(out, Actor::Platform, attempt.job, EventKind::Twinned { attempt, from });
        self.write_job(out, attempt.job);
        self.refresh(attempt.job);
    }

    /// Sets the time limit of work that is on a cluster: there, and where the platform itself watches over it.
    pub(crate) fn change_limit_there(&mut self, attempt: AttemptId, limit: Span, out: &mut Batch) {
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        facts.course_mut().time_limit = Some(limit);
        let (cluster, starts) = (facts.cluster, facts.started_at.unwrap_or(facts.placed_at) + facts.suspended());
        let runs = facts.started_at.is_some() && facts.suspended_at().is_none();
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        if let Some(end) = self.attempts.get(&attempt).map(|a| self.expected_end(a, starts, limit)) {
            self.sched.set_expected_end(attempt.job, end);
        }
        if let Some(at) = self.overdue_of(attempt).filter(|_| runs) {
            self.timers.insert((at, Due::Overdue(attempt)));
        }
        out.effects.push(crate::record::Effect::SetTimeLimit { cluster, attempt, limit });
    }
}
