//! Preemption: work that goes first and fits nowhere has the room of work that may be run again. The policy says who may drive out
//! whom; the scheduler names the least loss; here they are told by a signal, ended when the lead time is over, and queued again.
//! Refuses to know what a job does with the signal.
//!
//! The order stands in the attempt ([`model::Notice`]) and is carried out from there, so that after a crash it is the same order.

use base::{AttemptId, JobId, Span, Timestamp};
use model::{
    Actor, Attempt, AttemptPhase, EndCause, EventKind, Notice, Outcome, Phase, Precedence, PriorityClass, Reason,
};
use sched::Yielding;
use serde::{Deserialize, Serialize};

use crate::observe::End;
use crate::record::{Batch, Effect, Record};
use crate::state::{Due, Engine, JobEntry};

/// Between two searches for room: each looks at all that runs.
const SEARCH_INTERVAL: Span = Span::from_secs(10);
/// Of the lead time of a job with checkpoints, how many sets may be taken.
const SETS_IN_LEAD: i64 = 4;

/// Who makes room for whom. By default nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preemption {
    /// Classes whose work may drive out other work.
    pub by: Vec<PriorityClass>,
    /// So may work within what its tenant is promised (`contracts`), once a quarter of the promised wait is over.
    pub contracted: bool,
    /// Classes whose work makes room, where it may be run again (`--requeue`) and is within no promise; beside all work that said
    /// so itself (`--preemptible`).
    pub classes: Vec<PriorityClass>,
    /// From the signal to the end.
    #[serde(with = "base::span_text")]
    pub lead: Span,
    /// What tells it, to work that did not name its own (`--signal`).
    pub signal: NoticeSignal,
    /// A job that has made room does not do so again for so long.
    #[serde(with = "base::span_text")]
    pub again_after: Span,
}

impl Default for Preemption {
    fn default() -> Preemption {
        Preemption {
            by: Vec::new(),
            contracted: false,
            classes: Vec::new(),
            // Long enough to write some GiB of a model's state.
            lead: Span::from_mins(2),
            signal: NoticeSignal::Usr1,
            again_after: Span::from_hours(1),
        }
    }
}

/// Signals that programs commonly handle by writing their state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum NoticeSignal {
    Hup,
    Int,
    Usr1,
    Usr2,
    Term,
}

impl NoticeSignal {
    /// As Linux numbers it, wherever this runs.
    pub const fn number(self) -> i32 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Usr1 => 10,
            Self::Usr2 => 12,
            Self::Term => 15,
        }
    }
}

impl Preemption {
    pub const fn is_off(&self) -> bool {
        self.by.is_empty() && !self.contracted
    }

    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.lead <= Span::ZERO || self.lead > Span::from_hours(1) {
            return Some("`lead` is longer than zero and at most an hour");
        }
        (self.again_after < self.lead).then_some("`again_after` is at least `lead`")
    }
}

impl Engine {
    /// Finds room for blocked work that goes first. Right after a plan.
    pub(crate) fn make_room(&mut self, out: &mut Batch) {
        if self.policy.steering.preemption.is_off() || self.now < self.room_searched + SEARCH_INTERVAL {
            return;
        }
        let served = |job: &JobId| self.notices.values().any(|by| by == job);
        let blocked = self.sched.blocked_first().into_iter().filter(|job| !served(job));
        let asking: Vec<(JobId, Precedence)> = blocked.filter_map(|job| Some((job, self.precedence(job)?))).collect();
        if asking.is_empty() {
            return;
        }
        self.room_searched = self.now;
        self.timers.insert((self.now + SEARCH_INTERVAL, Due::Room));
        let lead = self.policy.steering.preemption.lead;
        let until = self.now + lead + self.policy.kill_grace;
        let yielding: Vec<Yielding> = self.attempts.values().filter_map(|a| self.yielding(a, until)).collect();
        for (job, why) in asking {
            let Some(room) = self.sched.make_room(job, &yielding, until, self.now) else { continue };
            for victim in room.victims {
                self.give_notice(victim, job, why, out);
            }
        }
    }

    /// Why a job may drive out others, if it may.
    fn precedence(&self, job: JobId) -> Option<Precedence> {
        let policy = &self.policy.steering.preemption;
        let class = self.jobs.get(&job)?.spec.spec.class;
        if policy.by.contains(&class) {
            return Some(Precedence::Class);
        }
        (policy.contracted && self.sched.is_promised(job)).then_some(Precedence::Contract)
    }

    /// Running work that may be made to go, unless it ends by itself until then.
    fn yielding(&self, facts: &Attempt, until: Timestamp) -> Option<Yielding> {
        let policy = &self.policy.steering.preemption;
        let entry = self.jobs.get(&facts.id.job)?;
        let spec = &entry.spec.spec;
        let by_class = || spec.requeue && policy.classes.contains(&spec.class) && !self.sched.is_promised(facts.id.job);
        let runs = matches!(entry.job.phase(), Phase::Running { attempt, .. } if *attempt == facts.id.number);
        let rests = entry.job.preempted_at.is_some_and(|at| at + policy.again_after > self.now);
        let since =
            facts.started_at.filter(|_| facts.phase == AttemptPhase::Running && facts.suspended_at().is_none())?;
        if !runs || rests || facts.notice().is_some() || !(spec.preemptible || by_class()) {
            return None;
        }
        let ends = since + facts.suspended() + spec.time_limit;
        let twinned = self.rival_of(facts.id.job).is_some();
        let reached = self.silence(facts.cluster).is_none();
        (ends > until && reached && !twinned).then_some(Yielding {
            job: facts.id.job,
            class: spec.class,
            submitted_at: entry.job.submitted_at,
            request: entry.spec.request.clone(),
            pools: entry.spec.pools.clone(),
            since,
        })
    }

    /// Tells a running job that it is to make room.
    fn give_notice(&mut self, job: JobId, by: JobId, why: Precedence, out: &mut Batch) {
        let lead = self.policy.steering.preemption.lead;
        let (now, at) = (self.now, self.now + lead);
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        let Some(attempt) = entry.job.phase().attempt().map(|number| AttemptId::new(job, number)) else { return };
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        let own = entry.spec.spec.signal.map(|own| own.signal);
        let signal = own.unwrap_or(self.policy.steering.preemption.signal.number());
        facts.course_mut().notice = Some(Notice { by, at, signal });
        entry.job.preempted_at = Some(now);
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.enter_notice(attempt);
        if let Some(effect) = self.signal_of(attempt) {
            out.effects.push(effect);
        }
        // The room is claimed from then on by whom it is made for.
        self.sched.set_expected_end(job, at + self.policy.kill_grace);
        let (tenant, number) = (self.jobs.get(&job).map(|e| e.job.tenant), self.jobs.get(&by).map(|e| e.job.number));
        let number = number.unwrap_or_default();
        let detail =
            format!("for job {number} ({by}), which goes first by its {}; signal {signal}, {lead} ahead", why.as_str());
        self.audit(out, Actor::Platform, "job.preempt", job.to_string(), tenant, detail);
        self.job_event(out, Actor::Platform, job, EventKind::Preempting { attempt, by, why, signal, at });
        self.write_job(out, job);
    }

    /// Takes up an order to make room that stands in an attempt.
    pub(crate) fn enter_notice(&mut self, attempt: AttemptId) {
        let Some(notice) = self.attempts.get(&attempt).and_then(Attempt::notice) else { return };
        self.notices.insert(attempt, notice.by);
        self.timers.insert((notice.at, Due::Yield(attempt)));
    }

    /// The signal that tells an attempt to make room.
    pub(crate) fn signal_of(&self, attempt: AttemptId) -> Option<Effect> {
        let facts = self.attempts.get(&attempt)?;
        let spec = &self.jobs.get(&attempt.job)?.spec.spec;
        let shell_only = spec.signal.is_some_and(|own| own.shell_only);
        Some(Effect::Signal { cluster: facts.cluster, attempt, signal: facts.notice()?.signal, shell_only })
    }

    /// The lead time is over: it is ended, unless the job that it was to make room for needs none any more.
    pub(crate) fn yield_due(&mut self, attempt: AttemptId, out: &mut Batch) {
        let Some(notice) = self.attempts.get(&attempt).and_then(Attempt::notice).filter(|n| n.at <= self.now) else {
            return;
        };
        let phase = self.jobs.get(&attempt.job).map(|e| *e.job.phase());
        let present = phase.is_some_and(|phase| phase.attempt() == Some(attempt.number));
        let still = self.jobs.get(&notice.by).is_some_and(|by| *by.job.phase() == Phase::Pending && by.queued);
        match phase {
            Some(Phase::Running { .. } | Phase::Starting { .. }) if present && still => {
                // A refusal means that it is ending already.
                let _ = self.end_job(attempt.job, EndCause::Preempted, Actor::Platform, out);
            }
            Some(Phase::Running { .. } | Phase::Starting { .. }) if present => self.spare(attempt, out),
            Some(Phase::Ending { .. }) if present => {}
            _ => drop(self.notices.remove(&attempt)),
        }
    }

    /// It goes on as if it had not been told.
    fn spare(&mut self, attempt: AttemptId, out: &mut Batch) {
        self.notices.remove(&attempt);
        let Some(facts) = self.attempts.get_mut(&attempt) else { return };
        facts.course_mut().notice = None;
        out.records.push(Record::Attempt(Box::new(facts.clone())));
        self.expect_end(attempt);
        self.job_event(out, Actor::Platform, attempt.job, EventKind::Spared { attempt });
    }

    /// What the end of an attempt is: one that was told to make room and went has made room, whatever its own last words were.
    pub(crate) fn end_of_notice(&self, attempt: AttemptId, end: End) -> End {
        let phase = self.jobs.get(&attempt.job).map(|e| e.job.phase());
        let told = self.attempts.get(&attempt).is_some_and(|a| a.notice().is_some());
        let went = match phase {
            Some(Phase::Ending { cause: EndCause::Preempted, .. }) => end.outcome != Outcome::Completed,
            Some(Phase::Running { .. }) => told && matches!(end.outcome, Outcome::Failed | Outcome::NodeFail),
            _ => false,
        };
        if went { End { outcome: Outcome::Preempted, ..end } } else { end }
    }

    /// For whom room is being made, and when it will be there.
    pub(crate) fn room_coming(&self, job: JobId) -> Option<Reason> {
        let made = || self.notices.iter().filter(|(_, by)| **by == job).map(|(attempt, _)| *attempt);
        let at = made().filter_map(|attempt| Some(self.attempts.get(&attempt)?.notice()?.at)).max()?;
        let pool = self.attempts.get(&made().next()?)?.pool;
        Some(Reason::MakingRoom { pool, jobs: made().count() as u64, at: at + self.policy.kill_grace })
    }

    /// Between two checkpoints of an attempt that has been told to go.
    pub(crate) fn checkpoints_before_end(&self, facts: &Attempt, every: Span) -> Span {
        if facts.notice().is_none() {
            return every;
        }
        let lead = self.policy.steering.preemption.lead.as_micros();
        every.min(Span::from_micros(lead / SETS_IN_LEAD).max(Span::from_secs(1)))
    }
}

/// Whether a job that has made room is queued again whatever it said about failures of machines.
pub(crate) fn runs_again(entry: &JobEntry, outcome: Outcome, told: bool) -> bool {
    entry.spec.spec.requeue || told && outcome == Outcome::Preempted
}
