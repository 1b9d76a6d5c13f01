//! Turns the scheduler's placements into attempts and orders.

use std::sync::Arc;

use base::{AttemptId, JobId};
use model::{Actor, Attempt, AttemptPhase, EventKind, JobInput, Order, Transition, Usage};
use sched::WorkBudget;

use crate::record::{Batch, Effect, Record};
use crate::state::Engine;

impl Engine {
    /// One pass of the scheduler. What the budget did not reach is left for the next step; `wants_schedule` says so.
    pub(crate) fn schedule(&mut self, out: &mut Batch) {
        if self.sched.next_edge().is_some_and(|at| at <= self.now) {
            // A reservation that somebody named may be over.
            self.admissions.clear();
        }
        let plan = self.sched.plan(self.now, WorkBudget(self.policy.schedule_budget));
        let complete = plan.complete;
        for placement in plan.placements {
            if !self.place(&placement, out) {
                // The scheduler only sees eligible jobs; should one have slipped through, its room is given back.
                self.sched.release(placement.job);
                if let Some(entry) = self.jobs.get_mut(&placement.job) {
                    entry.queued = false;
                }
                self.refresh(placement.job);
            }
        }
        if complete {
            self.make_room(out);
        }
    }

    fn place(&mut self, placement: &sched::Placement, out: &mut Batch) -> bool {
        let job = placement.job;
        let Some(pool) = self.pools.get(&placement.pool) else { return false };
        let cluster = pool.pool.cluster;
        let Ok(Transition::Placed { attempt }) = self.apply(job, JobInput::Place { pool: placement.pool }) else {
            return false;
        };
        let id = AttemptId::new(job, attempt);
        let Some(entry) = self.jobs.get_mut(&job) else { return false };
        entry.queued = false;
        if let Some(array) = entry.job.array
            && let Some(state) = self.arrays.get_mut(&array.root).filter(|a| a.limit.is_some())
        {
            state.queued.remove(&(array.index, job));
            state.out += 1;
        }
        entry.pool = Some(placement.pool);
        let (tenant, spec) = (entry.job.tenant, entry.spec.spec.clone());
        let facts = Attempt {
            id,
            cluster,
            pool: placement.pool,
            phase: AttemptPhase::Submitting,
            granted: entry.spec.request.total(),
            nodes: placement.nodes.clone(),
            external: None,
            placed_at: self.now,
            started_at: None,
            ended_at: None,
            exit: None,
            outcome: None,
            usage: Usage::default(),
            note: None,
            course: None,
        };
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        let mut explanation = placement.explanation.clone();
        self.reprice(&mut explanation, tenant, &spec);
        out.records.push(Record::Explanation { attempt: id, explanation });
        self.attempts.insert(id, facts);
        self.foretell(id, &placement.explanation);
        self.keep_looking();
        self.job_event(out, Actor::Platform, job, EventKind::Placed { attempt: id, pool: placement.pool });
        self.write_job(out, job);
        if let Some(order) = self.order(job) {
            out.effects.push(Effect::Submit { cluster, order });
        }
        true
    }

    /// The order of a job's present attempt.
    pub fn order(&self, job: JobId) -> Option<Arc<Order>> {
        let entry = self.jobs.get(&job)?;
        let attempt = AttemptId::new(job, entry.job.phase().attempt()?);
        let facts = self.attempts.get(&attempt)?;
        let pool = self.pools.get(&facts.pool)?;
        let tenant = self.tenants.get(&entry.job.tenant)?;
        let project = self.projects.get(&entry.job.project)?;
        let user = self.users.get(&entry.job.user)?;
        let array_bounds = entry
            .spec
            .spec
            .array
            .as_ref()
            .and_then(|a| Some((u32::try_from(a.indices.len()).ok()?, *a.indices.first()?, *a.indices.last()?)));
        Some(Arc::new(Order {
            attempt,
            number: entry.job.number,
            array: entry.job.array,
            array_bounds,
            tenant: tenant.tenant.name.clone(),
            project: project.name.clone(),
            user: user.name.clone(),
            pool: facts.pool,
            pool_name: pool.pool.name.clone(),
            nodes: facts.nodes.clone(),
            per_node: entry.spec.request.per_node,
            spec: entry.spec.spec.clone(),
            checkpoint: None,
        }))
    }
}
