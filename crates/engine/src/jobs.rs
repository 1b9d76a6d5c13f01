//! Commands on jobs, and the queue: which pending job is eligible, and what follows from the end of one.

use base::{JobId, Span, SpecId, TenantId};
use model::{
    Actor, DependencyKind, EndCause, EndOrder, EventKind, Exit, Holder, JobInput, Outcome, Phase, PriorityClass,
    Transition,
};
use sched::Demand;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Effect, Record};
use crate::state::{Due, Engine};

/// Where a pending job stands with its dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    Fulfilled,
    For(JobId),
    Never(JobId),
}

impl Engine {
    pub(crate) fn cancel(&mut self, job: JobId, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let tenant = self.tenant_of(job);
        let changed = self.each(job, |engine, id| engine.end_job(id, EndCause::Cancelled, actor, out))?;
        self.audit_job(out, actor, "job.cancel", job, tenant);
        Ok(Report::Job { job, changed })
    }

    pub(crate) fn requeue(&mut self, job: JobId, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let tenant = self.tenant_of(job);
        let changed = self.each(job, |engine, id| {
            engine.check_budgets_again(id)?;
            engine.end_job(id, EndCause::Requeued, actor, out)
        })?;
        self.audit_job(out, actor, "job.requeue", job, tenant);
        Ok(Report::Job { job, changed })
    }

    pub(crate) fn hold(&mut self, job: JobId, actor: Actor, operator: bool, out: &mut Batch) -> Result<Report, Denied> {
        let tenant = self.tenant_of(job);
        let by = if operator { Holder::Operator } else { Holder::User };
        let changed = self.each(job, |engine, id| engine.hold_one(id, by, actor, out))?;
        self.audit_job(out, actor, "job.hold", job, tenant);
        Ok(Report::Job { job, changed })
    }

    pub(crate) fn hold_one(&mut self, id: JobId, by: Holder, actor: Actor, out: &mut Batch) -> Result<bool, Denied> {
        let transition = self.apply(id, JobInput::Hold { by })?;
        if transition == Transition::Unchanged {
            return Ok(false);
        }
        if let Transition::WithdrawRequested { attempt } = transition {
            self.order_end(base::AttemptId::new(id, attempt), EndCause::Withdrawn, out);
        }
        self.queue_changed(id, actor, EventKind::Held { by }, out);
        Ok(true)
    }

    pub(crate) fn release(
        &mut self,
        job: JobId,
        actor: Actor,
        operator: bool,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let tenant = self.tenant_of(job);
        let changed = self.each(job, |engine, id| {
            engine.check_budgets_again(id)?;
            engine.apply(id, JobInput::Release { operator })?;
            engine.queue_changed(id, actor, EventKind::Released, out);
            Ok(true)
        })?;
        self.audit_job(out, actor, "job.release", job, tenant);
        Ok(Report::Job { job, changed })
    }

    /// A waiting job went into or out of the queue: the queue follows, the event and the row are written.
    fn queue_changed(&mut self, job: JobId, actor: Actor, what: EventKind, out: &mut Batch) {
        self.refresh(job);
        self.job_event(out, actor, job, what);
        self.write_job(out, job);
    }

    pub(crate) fn change(
        &mut self,
        job: JobId,
        class: Option<PriorityClass>,
        time_limit: Option<Span>,
        actor: Actor,
        operator: bool,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let tenant = self.tenant_of(job);
        let changed = self.each(job, |engine, id| engine.change_one(id, class, time_limit, actor, operator, out))?;
        self.audit_job(out, actor, "job.change", job, tenant);
        Ok(Report::Job { job, changed })
    }

    fn change_one(
        &mut self,
        job: JobId,
        class: Option<PriorityClass>,
        time_limit: Option<Span>,
        actor: Actor,
        operator: bool,
        out: &mut Batch,
    ) -> Result<bool, Denied> {
        let entry = self.jobs.get(&job).ok_or(Denied::NoSuchJob(job))?;
        let mut spec = (*entry.spec.spec).clone();
        if class.is_some_and(|new| !Self::may_reclass(spec.class, new, operator))
            || time_limit.is_some_and(|new| new > spec.time_limit && !operator)
        {
            return Err(Denied::OperatorOnly);
        }
        if time_limit.is_some_and(|new| new <= Span::ZERO) {
            return Err(Denied::Invalid("the time limit must be longer than zero"));
        }
        // The limit of work that is on a cluster can be changed there; its class has had its say.
        let placed = match entry.job.phase() {
            Phase::Pending | Phase::Held { .. } | Phase::Withdrawing { .. } => None,
            Phase::Starting { attempt, .. } | Phase::Running { attempt, .. } if class.is_none() => Some(*attempt),
            _ => return Err(Denied::Lifecycle(model::Refusal::NotWaiting)),
        };
        if placed.is_some() && time_limit.is_none_or(|new| new == spec.time_limit) {
            return Ok(false);
        }
        spec.class = class.unwrap_or(spec.class);
        spec.time_limit = time_limit.unwrap_or(spec.time_limit);
        let (old_id, tenant) = (entry.job.spec, entry.job.tenant);
        let id = changed_spec_id(old_id, spec.class, spec.time_limit);
        self.admission(tenant, id, &spec)?;
        // From here on nothing fails.
        let spec = Arc::new(spec);
        let (shared, new) = self.spec_entry(id, &spec);
        if new {
            out.records.push(Record::Spec { id, spec });
        }
        self.unqueue(job);
        let placed = placed.map(|attempt| base::AttemptId::new(job, attempt));
        if let Some(attempt) = placed {
            self.stop_overdue(attempt);
        }
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.spec = shared;
            entry.job.spec = id;
        }
        self.drop_spec(old_id);
        if let (Some(attempt), Some(limit)) = (placed, time_limit) {
            self.change_limit_there(attempt, limit, out);
        }
        self.refresh(job);
        if class.is_some() {
            self.job_event(out, actor, job, EventKind::PriorityChanged);
        }
        if let Some(limit) = time_limit {
            self.job_event(out, actor, job, EventKind::TimeLimitChanged { micros: limit.as_micros() });
        }
        self.write_job(out, job);
        Ok(true)
    }

    /// Runs `act` on one job, or on every open element when `job` is the root of an array.
    /// Fails with the first refusal only when no element could be changed.
    fn each(
        &mut self,
        job: JobId,
        mut act: impl FnMut(&mut Engine, JobId) -> Result<bool, Denied>,
    ) -> Result<u32, Denied> {
        let targets: Vec<JobId> = match self.arrays.get(&job) {
            Some(array) => array.open.iter().copied().collect(),
            None => vec![job],
        };
        let (mut changed, mut refusal) = (0, None);
        for target in targets {
            match act(self, target) {
                Ok(true) => changed += 1,
                Ok(false) => {}
                Err(denied) => refusal = refusal.or(Some(denied)),
            }
        }
        match refusal {
            Some(denied) if changed == 0 => Err(denied),
            _ => Ok(changed),
        }
    }

    pub(crate) fn apply(&mut self, job: JobId, input: JobInput) -> Result<Transition, Denied> {
        let now = self.now;
        let Some(entry) = self.jobs.get_mut(&job) else {
            let ended = self.ended.get(&job).map(|(_, _, outcome)| model::Refusal::AlreadyEnded(*outcome));
            return Err(ended.map_or(Denied::NoSuchJob(job), Denied::Lifecycle));
        };
        Ok(entry.job.apply(input, now)?)
    }

    /// Whose job it is, or whose array; asked before the command, which may end it.
    fn tenant_of(&self, job: JobId) -> Option<TenantId> {
        let first = self.arrays.get(&job).and_then(|a| a.open.first().copied());
        self.jobs.get(&first.unwrap_or(job)).map(|e| e.job.tenant)
    }

    fn audit_job(&mut self, out: &mut Batch, actor: Actor, action: &str, job: JobId, tenant: Option<TenantId>) {
        self.audit(out, actor, action, job.to_string(), tenant, String::new());
    }

    /// Ends a job for a cause: at once when it is only waiting, through its cluster otherwise.
    pub(crate) fn end_job(
        &mut self,
        job: JobId,
        cause: EndCause,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<bool, Denied> {
        match self.apply(job, JobInput::End { cause })? {
            Transition::Ended { outcome, .. } => self.finish(job, outcome, None, actor, out),
            Transition::EndRequested { attempt, cause } => {
                let id = base::AttemptId::new(job, attempt);
                let how = EndOrder { cause, grace: self.policy.kill_grace };
                if let Some(attempt) = self.attempts.get(&id) {
                    out.effects.push(Effect::End { cluster: attempt.cluster, attempt: id, how });
                }
                self.job_event(out, actor, job, EventKind::Ending { cause });
                self.write_job(out, job);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Brings the scheduler's queue in line with the job: eligible jobs are in it, all others are not.
    pub(crate) fn refresh(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get(&job) else { return };
        let eligible = matches!(entry.job.phase(), Phase::Pending)
            && entry.spec.spec.begin.is_none_or(|at| at <= self.now)
            && entry.job.not_before.is_none_or(|at| at <= self.now)
            && self.waits(job) == Waits::Fulfilled;
        match (eligible, entry.queued) {
            (true, false) => self.enqueue(job),
            (false, true) => self.unqueue(job),
            (false, false) => self.leave_line(job),
            (true, true) => {}
        }
    }

    /// A time has come at which a job may start, or may go back to where it was moved away from.
    pub(crate) fn eligible(&mut self, job: JobId) {
        self.refresh(job);
        let back = |e: &crate::state::JobEntry| e.queued && e.job.avoid.as_ref().is_some_and(|a| a.until <= self.now);
        if self.jobs.get(&job).is_some_and(|e| back(e)) {
            self.queue_demand(job);
        }
    }

    fn enqueue(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get(&job) else { return };
        if let Some(array) = entry.job.array
            && let Some(state) = self.arrays.get_mut(&array.root)
            && let Some(limit) = state.limit
        {
            let place = (array.index, job);
            let full = state.out as usize + state.queued.len() >= limit as usize;
            let last = state.queued.last().copied().filter(|last| *last > place);
            if full && last.is_none() {
                state.waiting.insert(place);
                return;
            }
            state.waiting.remove(&place);
            state.queued.insert(place);
            // Elements start in the order of their indices: a later one that has not started gives its place up.
            if let Some(last) = last.filter(|_| full) {
                state.queued.remove(&last);
                state.waiting.insert(last);
                self.sched.dequeue(last.1);
                if let Some(entry) = self.jobs.get_mut(&last.1) {
                    entry.queued = false;
                }
            }
        }
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.queued = true;
        }
        self.queue_demand(job);
    }

    /// Puts a job into the scheduler's queue as it now stands.
    fn queue_demand(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get(&job) else { return };
        let spec = &entry.spec.spec;
        let open = entry.job.avoid.as_ref().and_then(|_| self.open_pools(job));
        let standing = self.standing(entry.job.tenant, spec, entry.job.avoid.is_some());
        let placement = &self.policy.steering.placement;
        // Looked up where it counts only: this is done for every submission.
        let counts = placement.goes_by_forecasts() || standing.ties.data.0 > 0;
        let expected = if counts { self.expected_run(entry) } else { spec.time_limit };
        let demand = Demand {
            job,
            number: entry.job.number,
            tenant: entry.job.tenant,
            class: spec.class,
            submitted_at: entry.job.submitted_at,
            deadline: spec.deadline,
            time_limit: spec.time_limit,
            request: entry.spec.request.clone(),
            pools: open.unwrap_or_else(|| entry.spec.pools.clone()),
            standing,
        };
        self.sched.enqueue_expecting(demand, expected);
    }

    /// The rules changed: what waits stands in the queue as they now say.
    pub(crate) fn requeue_all(&mut self) {
        let mut queued: Vec<JobId> = self.jobs.iter().filter(|(_, e)| e.queued).map(|(id, _)| *id).collect();
        queued.sort_unstable();
        queued.into_iter().for_each(|job| self.queue_demand(job));
    }

    /// Takes a job out of the scheduler's queue; its place under the array's limit becomes free.
    pub(crate) fn unqueue(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        if std::mem::take(&mut entry.queued) {
            self.sched.dequeue(job);
            self.leave_slot(job, false);
        } else {
            self.leave_line(job);
        }
    }

    /// A job that waits for its array's limit and is no longer eligible leaves that line.
    fn leave_line(&mut self, job: JobId) {
        if let Some(array) = self.jobs.get(&job).and_then(|e| e.job.array)
            && let Some(state) = self.arrays.get_mut(&array.root)
        {
            state.waiting.remove(&(array.index, job));
        }
    }

    /// An element is not out on a cluster any more.
    pub(crate) fn leave_cluster(&mut self, job: JobId) {
        self.leave_slot(job, true);
    }

    /// Gives the place of an element, out or queued, under the array's limit to the next in line.
    fn leave_slot(&mut self, job: JobId, out: bool) {
        let Some(array) = self.jobs.get(&job).and_then(|e| e.job.array) else { return };
        let Some(state) = self.arrays.get_mut(&array.root).filter(|a| a.limit.is_some()) else { return };
        if out {
            state.out = state.out.saturating_sub(1);
        } else {
            state.queued.remove(&(array.index, job));
        }
        if let Some((_, next)) = state.waiting.pop_first() {
            self.enqueue(next);
        }
    }

    pub(crate) fn waits(&self, job: JobId) -> Waits {
        let Some(entry) = self.jobs.get(&job) else { return Waits::Fulfilled };
        let mut waiting = None;
        for dependency in &entry.job.dependencies {
            let fulfilled = match self.dependency_end(dependency.on) {
                None => {
                    waiting = waiting.or(Some(dependency.on));
                    continue;
                }
                Some(success) => match dependency.kind {
                    DependencyKind::AfterAny => true,
                    DependencyKind::AfterOk => success,
                    DependencyKind::AfterNotOk => !success,
                },
            };
            if !fulfilled {
                return Waits::Never(dependency.on);
            }
        }
        waiting.map_or(Waits::Fulfilled, Waits::For)
    }

    /// Whether the job, or the whole array it is the root of, has ended well; `None` while any of it is open.
    fn dependency_end(&self, on: JobId) -> Option<bool> {
        if self.arrays.contains_key(&on) || self.jobs.contains_key(&on) {
            return None;
        }
        self.end_of(on).map(Outcome::is_success)
    }

    /// Everything that follows from the end of a job, and from the ends that follow from it: a chain of dependents that
    /// can never run may be as long as the queue, so it is walked, not descended.
    pub(crate) fn finish(&mut self, job: JobId, outcome: Outcome, exit: Option<Exit>, actor: Actor, out: &mut Batch) {
        let mut ended = VecDeque::from(self.close(job, outcome, exit, actor, out));
        while let Some(on) = ended.pop_front() {
            let dependents: Vec<JobId> = self.dependents.get(&on).into_iter().flatten().copied().collect();
            for dependent in dependents {
                self.refresh(dependent);
                if let Some(outcome) = self.abandon(dependent) {
                    ended.extend(self.close(dependent, outcome, None, Actor::Platform, out));
                }
            }
        }
    }

    /// Releases the hold of an ended job and takes it out of the maps. What is over by it: the job, perhaps its array.
    fn close(&mut self, job: JobId, outcome: Outcome, exit: Option<Exit>, actor: Actor, out: &mut Batch) -> Vec<JobId> {
        self.give_up_rivals(job, out);
        self.release_hold(job, out);
        let Some(entry) = self.jobs.get(&job) else { return Vec::new() };
        let charged = entry.charged;
        self.job_event(out, actor, job, EventKind::Ended { outcome, exit, charged });
        self.write_job(out, job);
        self.unqueue(job);
        let Some(entry) = self.jobs.remove(&job) else { return Vec::new() };
        if !entry.spec.spec.fetch.is_empty() && entry.pool.is_some() {
            out.records.push(Record::Results { job, at: self.now, due: true });
        }
        let avoids = entry.job.avoid.as_ref().map(|a| a.until);
        for at in [entry.spec.spec.begin, entry.job.not_before, avoids].into_iter().flatten() {
            self.timers.remove(&(at, Due::Eligible(job)));
        }
        self.numbers.remove(&entry.job.number);
        self.ended.put(job, (entry.job.number, entry.job.array.map(|a| a.index), outcome));
        self.ended_numbers.put(entry.job.number, job);
        for dependency in &entry.job.dependencies {
            self.forget_dependent(dependency.on, job);
        }
        let spec = entry.job.spec;
        let array = entry.job.array;
        drop(entry);
        self.drop_spec(spec);
        if self.dependents.contains_key(&job) {
            self.settled_ends.insert(job, outcome);
        }
        let mut ended = vec![job];
        if let Some(array) = array
            && let Some(state) = self.arrays.get_mut(&array.root)
        {
            state.open.remove(&job);
            state.waiting.remove(&(array.index, job));
            if let Some(bad) = (!outcome.is_success()).then_some(outcome) {
                // One bad element makes the array's end a bad one.
                state.worst = Some(bad);
            }
            if state.open.is_empty() {
                let end = state.worst.unwrap_or(Outcome::Completed);
                self.arrays.remove(&array.root);
                self.ended.put(array.root, (array.root_number, None, end));
                self.ended_numbers.put(array.root_number, array.root);
                if self.dependents.contains_key(&array.root) {
                    self.settled_ends.insert(array.root, end);
                }
                ended.push(array.root);
            }
        }
        ended
    }

    fn forget_dependent(&mut self, on: JobId, job: JobId) {
        if let Some(list) = self.dependents.get_mut(&on) {
            list.remove(&job);
            if list.is_empty() {
                self.dependents.remove(&on);
                self.settled_ends.remove(&on);
            }
        }
    }

    /// Cancels a job whose dependency can never be fulfilled, where the policy says so.
    pub(crate) fn abandon_if_hopeless(&mut self, job: JobId, out: &mut Batch) {
        if let Some(outcome) = self.abandon(job) {
            self.finish(job, outcome, None, Actor::Platform, out);
        }
    }

    /// The end of such a job, which is then to be closed.
    fn abandon(&mut self, job: JobId) -> Option<Outcome> {
        if !self.policy.cancel_unfulfillable || !matches!(self.waits(job), Waits::Never(_)) {
            return None;
        }
        match self.apply(job, JobInput::Abandon) {
            Ok(Transition::Ended { outcome, .. }) => Some(outcome),
            Ok(_) | Err(_) => None,
        }
    }
}

/// The id of a specification that differs from `old` in class and time limit only.
fn changed_spec_id(old: SpecId, class: PriorityClass, time_limit: Span) -> SpecId {
    let limit = time_limit.as_micros().to_be_bytes();
    SpecId::from_u128(base::digest128(&[b"changed", &old.to_bytes(), class.as_str().as_bytes(), &limit]))
}
