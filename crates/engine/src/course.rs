//! The course of an attempt on its cluster beyond one plain run: runs that the cluster broke off and queued again, time that
//! it stood still, the cluster's own words. Refuses to know what follows for other attempts of the job.

use std::sync::Arc;

use base::{AttemptId, ClusterId, Span, Timestamp};
use model::{Actor, AttemptPhase, Course, EndCause, EndOrder, EventKind, JobInput, Outcome, Phase};

use crate::observe::{End, is_old_run};
use crate::record::{Batch, Effect, Record};
use crate::state::{Due, Engine};

/// Two reports of one start may differ by so much, through rounding to seconds and correction of clocks; a cluster that
/// queues work again takes longer than this to start it.
pub(crate) const SAME_START: Span = Span::from_secs(5);
/// One start may be told so much earlier than before: rounding to seconds.
const SAME_SECOND: Span = Span::from_secs(1);
/// Remarks on one attempt that reach its job's timeline. A waiting reason changes a few times; 50 × 300 B is 15 KB.
const REMARKS_MAX: u32 = 50;
/// Characters of one remark.
const REMARK_CHARS: usize = 300;

impl Engine {
    /// A start was reported of an attempt that runs: perhaps that of its next run, and the end of this one is still on its way.
    pub(crate) fn note_next_run(&mut self, attempt: AttemptId, told: Timestamp, out: &mut Batch) {
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        if facts.start_as_told().is_some_and(|known| told > known + SAME_START) {
            let course = facts.course_mut();
            if course.next_run < Some(told) {
                course.next_run = Some(told);
                out.records.push(Record::Attempt(Box::new(facts.clone())));
            }
        }
    }

    /// The end of a run that began at `started_at` is known: one that is known to run since earlier was broken off before
    /// without our being told.
    pub(crate) fn close_missed_run(
        &mut self,
        cluster: ClusterId,
        attempt: AttemptId,
        started_at: Timestamp,
        out: &mut Batch,
    ) {
        let running = self.attempts.get(&attempt).filter(|a| a.phase == AttemptPhase::Running);
        let known = running.and_then(|a| a.start_as_told());
        if let Some(known) = known.filter(|known| started_at > *known + SAME_START) {
            let note = Some("the cluster had queued it again".into());
            let end = End { started_at: Some(known), ..End::nothing(started_at, note) };
            self.interrupted(cluster, attempt, end, out);
        }
    }

    /// The run that has ended began before the start that is known: that one was told of a later launch which did nothing. What was
    /// billed from there on is given back; the run is billed from its own start.
    pub(crate) fn take_back_start(&mut self, attempt: AttemptId, started_at: Timestamp, out: &mut Batch) {
        let running = self.attempts.get(&attempt).filter(|a| a.phase == AttemptPhase::Running);
        let is_false = |a: &&model::Attempt| a.start_as_told().is_some_and(|known| started_at + SAME_SECOND < known);
        let Some(facts) = running.filter(is_false).filter(|a| !is_old_run(a, started_at)) else { return };
        let Some(false_start) = facts.started_at else { return };
        self.stop_meter(attempt, false_start, out);
        self.forget_run(attempt, out);
    }

    /// The attempt runs no more as far as the platform knows; its meter is dropped. `None`: its job went another way.
    fn forget_run(&mut self, attempt: AttemptId, out: &mut Batch) -> Option<&mut Course> {
        self.stop_overdue(attempt);
        let billed = self.meters.get(&attempt).map(|m| m.intervals);
        self.drop_meter(attempt, out);
        self.apply(attempt.job, JobInput::Interrupted { attempt: attempt.number }).ok()?;
        let facts = self.attempts.get_mut(&attempt)?;
        (facts.phase, facts.started_at) = (AttemptPhase::Queued, None);
        let course = facts.course_mut();
        course.intervals = billed.unwrap_or(course.intervals);
        (course.ahead, course.suspended) = (Span::ZERO, Span::ZERO);
        (course.suspended_at, course.stopped_at, course.continued_at) = (None, None, None);
        Some(course)
    }

    /// A run is over and does not count as the end: the cluster has queued the attempt again. The run is billed or not by its
    /// outcome; the next one has its own intervals.
    pub(crate) fn interrupted(&mut self, cluster: ClusterId, attempt: AttemptId, end: End, out: &mut Batch) {
        let Some(facts) = self.attempts.get(&attempt).filter(|a| a.cluster == cluster) else { return };
        let Some(started_at) = end.started_at.filter(|at| !is_old_run(facts, *at)) else { return };
        let running = facts.phase == AttemptPhase::Running;
        if running && facts.start_as_told().is_some_and(|known| started_at + SAME_START < known) {
            // A run before the present one, of which nothing was known: it was not billed and is over.
            return;
        }
        self.close_missed_run(cluster, attempt, started_at, out);
        if !self.runs(attempt) {
            self.started(cluster, attempt, started_at, Vec::new(), None, out);
        }
        if !self.runs(attempt) {
            return;
        }
        let at = self.end_time(attempt, end.at, Some(started_at));
        self.stop_meter(attempt, at, out);
        // One that the job itself had queued again is billed, or its work would be had for nothing.
        if !self.policy.bill_failed_machine && broken_off(end.outcome) {
            self.waive(attempt, out);
        }
        let Some(course) = self.forget_run(attempt, out) else { return };
        let next = course.next_run.take().filter(|next| *next >= end.at);
        course.runs += 1;
        course.last_run = Some((started_at, end.at));
        course.over_at = Some(at);
        let Some(facts) = self.attempts.get(&attempt) else { return };
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        if let Some(entry) = self.jobs.get_mut(&attempt.job) {
            entry.started_at = None;
            let limit = entry.spec.spec.time_limit;
            self.sched.set_expected_end(attempt.job, self.now + limit);
        }
        let what = EventKind::Interrupted { attempt, outcome: end.outcome, text: end.note };
        self.job_event(out, Actor::Cluster(cluster), attempt.job, what);
        self.write_job(out, attempt.job);
        self.end_again(attempt, out);
        if let Some(next) = next {
            self.started(cluster, attempt, next, Vec::new(), None, out);
        }
    }

    /// What was to be ended and has been queued again there is to be ended once more.
    fn end_again(&self, attempt: AttemptId, out: &mut Batch) {
        let Some(entry) = self.jobs.get(&attempt.job) else { return };
        let cause = match entry.job.phase() {
            Phase::Ending { cause, .. } => *cause,
            Phase::Withdrawing { .. } => EndCause::Withdrawn,
            _ => return,
        };
        self.order_end(attempt, cause, out);
    }

    pub(crate) fn order_end(&self, attempt: AttemptId, cause: EndCause, out: &mut Batch) {
        if let Some(facts) = self.attempts.get(&attempt) {
            let how = EndOrder { cause, grace: self.policy.kill_grace };
            out.effects.push(Effect::End { cluster: facts.cluster, attempt, how });
        }
    }

    /// The run stands still from `told` on (by the cluster's clock): it is not billed until it goes on.
    pub(crate) fn suspended(&mut self, cluster: ClusterId, attempt: AttemptId, told: Timestamp, out: &mut Batch) {
        let Some(facts) = self.running_on(cluster, attempt) else { return };
        let (known, last) = (facts.start_as_told(), facts.course.as_ref().and_then(|c| c.stopped_at));
        if known.is_some_and(|known| told < known) || facts.suspended_at().is_some() {
            return;
        }
        let at = self.end_time(attempt, told, known);
        if last >= Some(at) {
            return;
        }
        self.stop_overdue(attempt);
        self.stop_meter(attempt, at, out);
        if let Some(meter) = self.meters.get_mut(&attempt) {
            meter.pause(at);
            out.records.push(Record::Meter { attempt, meter: Some(Box::new(meter.clone())) });
        }
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        let course = facts.course_mut();
        (course.suspended_at, course.stopped_at) = (Some(at), Some(at));
        let over = course.continued_at.filter(|until| *until >= at);
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::Suspended { attempt });
        self.write_job(out, attempt.job);
        if let Some(until) = over {
            // That it went on was told before.
            self.goes_on(cluster, attempt, until, out);
        }
    }

    /// The run goes on at `told` (by the cluster's clock); its limit and its expected end move by the time it stood still.
    pub(crate) fn continued(&mut self, cluster: ClusterId, attempt: AttemptId, told: Timestamp, out: &mut Batch) {
        let Some(facts) = self.running_on(cluster, attempt) else { return };
        let (known, since) = (facts.start_as_told(), facts.suspended_at());
        if known.is_some_and(|known| told < known) {
            return;
        }
        let at = self.end_time(attempt, told, known);
        if since.is_some_and(|since| at < since) {
            return;
        }
        if since.is_some() {
            return self.goes_on(cluster, attempt, at, out);
        }
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        let course = facts.course_mut();
        if course.continued_at < Some(at) && course.stopped_at < Some(at) {
            // Since when it stood still is still on its way.
            course.continued_at = Some(at);
            out.records.push(Record::Attempt(Box::new(facts.clone())));
        }
    }

    /// A run that stands still goes on at `at`, in the engine's time.
    fn goes_on(&mut self, cluster: ClusterId, attempt: AttemptId, at: Timestamp, out: &mut Batch) {
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        let course = facts.course_mut();
        let Some(since) = course.suspended_at.take() else { return };
        course.suspended += at - since;
        course.continued_at = Some(at);
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        if let Some(meter) = self.meters.get_mut(&attempt) {
            meter.resume(at);
            out.records.push(Record::Meter { attempt, meter: Some(Box::new(meter.clone())) });
        }
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::Continued { attempt });
        if !self.stray.contains(&attempt) {
            self.go_on(attempt);
        }
    }

    /// Timers and the expected end of a run as it stands now.
    pub(crate) fn go_on(&mut self, attempt: AttemptId) {
        if let Some(at) = self.overdue_of(attempt) {
            self.timers.insert((at, Due::Overdue(attempt)));
            self.expect_end(attempt);
        }
        if let Some(meter) = self.meters.get(&attempt) {
            let at = self.meter_at(meter);
            self.timers.insert((at, Due::Meter(attempt)));
        }
    }

    fn runs(&self, attempt: AttemptId) -> bool {
        self.attempts.get(&attempt).is_some_and(|a| a.phase == AttemptPhase::Running)
    }

    fn running_on(&self, cluster: ClusterId, attempt: AttemptId) -> Option<&model::Attempt> {
        self.attempts.get(&attempt).filter(|a| a.cluster == cluster && a.phase == AttemptPhase::Running)
    }

    /// The cluster's own words on an attempt, unless it said the same last or has said too much.
    pub(crate) fn remark(&mut self, cluster: ClusterId, attempt: AttemptId, text: &Arc<str>, out: &mut Batch) {
        let Some(facts) = self.attempts.get_mut(&attempt).filter(|a| a.cluster == cluster) else { return };
        let text: Arc<str> = match text.char_indices().nth(REMARK_CHARS) {
            None => text.clone(),
            Some((end, _)) => text[..end].into(),
        };
        let course = facts.course_mut();
        if course.remarks >= REMARKS_MAX || course.remark.as_ref() == Some(&text) {
            return;
        }
        course.remarks += 1;
        course.remark = Some(text.clone());
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.job_event(out, Actor::Cluster(cluster), attempt.job, EventKind::Remark { attempt, text });
    }

    pub(crate) fn is_ending(&self, job: base::JobId) -> bool {
        self.jobs.get(&job).is_some_and(|e| matches!(e.job.phase(), Phase::Ending { .. }))
    }
}

/// Whether the cluster, not the job, brought a run to its end.
pub(crate) const fn broken_off(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::NodeFail | Outcome::Preempted)
}
