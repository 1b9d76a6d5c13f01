//! What people ask for in a random run: submissions of many shapes, repeats of them, and commands on jobs.
//! A caller who gets no answer asks again under the same key, as a client does. Refuses to know how it is decided.

use std::sync::Arc;

use base::{Bytes, JobId, Resources, Span, digest128};
use engine::{Command, Envelope, JobRef, Once, Report, Submission};
use model::{Actor, ArraySpec, DependencyKind, JobSpec, PriorityClass, Request};

use super::{Act, Chaos};
use crate::cluster::RunPlan;

/// A submission as it was made, for repeating it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub submission: Submission,
    pub key: u128,
    pub answer: Option<Report>,
}

/// A caller gives up after so many lost answers; a crash strikes once, so two would do.
const TRIES: u32 = 4;

impl Chaos {
    pub(super) fn submit(&mut self) {
        let id = JobId::from_u128(self.ids.u128());
        let (_, user) = *self.chance.pick(&self.tenants);
        let spec = Arc::new(self.spec());
        let canonical = format!("{spec:?}");
        let mut dependencies = Vec::new();
        let mut ended = Vec::new();
        while self.chance.chance(250) && !self.known.is_empty() {
            let (reference, on) = self.any_reference();
            let kinds = [DependencyKind::AfterOk, DependencyKind::AfterAny, DependencyKind::AfterNotOk];
            dependencies.push((*self.chance.pick(&kinds), reference.clone()));
            let tables = self.world.tables();
            let over = tables.elements_of(on).iter().all(|j| tables.jobs.get(j).is_some_and(|r| !r.job.is_open()));
            if let Some(outcome) = tables.end_so_far(on).filter(|_| over) {
                ended.push((reference, on, outcome));
            }
        }
        let plan = RunPlan {
            runs: Span::from_micros(self.chance.below(1_800_000_000) as i64),
            exit: if self.chance.chance(150) { 1 } else { 0 },
            dies_after: Span::from_secs(self.chance.below(60) as i64),
            out_of_memory: self.chance.chance(30),
            waits: if self.chance.chance(150) { Span::from_secs(self.chance.below(1_500) as i64) } else { Span::ZERO },
        };
        self.world.plan(id, plan);
        let submission = Submission {
            id,
            user,
            project: None,
            spec_id: model::spec::spec_id(canonical.as_bytes()),
            script_id: spec.script,
            script: "#!/bin/sh\n".into(),
            spec,
            dependencies,
            ended,
        };
        let key = self.ids.u128();
        self.asked.push(Asked { submission, key, answer: None });
        self.ask(self.asked.len() - 1);
    }

    fn spec(&mut self) -> JobSpec {
        let cores = 1 + self.chance.below(8);
        let mut per_node = Resources::new(cores, Bytes::from_mib(512 * (1 + self.chance.below(16))), 0);
        if self.chance.chance(150) {
            per_node.gpus = 1 + self.chance.below(4) as u32;
        }
        let nodes = if self.chance.chance(150) { 2 } else { 1 };
        let limit = Span::from_secs(60 + self.chance.below(1_800) as i64);
        let script = model::spec::script_id("#!/bin/sh\n");
        let count = 1 + self.chance.below(6) as u32;
        let array = self.chance.chance(200).then(|| ArraySpec {
            indices: (0..count).map(|n| n * 3).collect(),
            limit: self.chance.chance(600).then(|| 1 + self.chance.below(3) as u32),
        });
        let begin =
            self.chance.chance(80).then(|| self.world.shown() + Span::from_secs(self.chance.below(3_600) as i64));
        JobSpec {
            array,
            begin,
            class: *self.chance.pick(&PriorityClass::ALL),
            requeue: self.chance.chance(300),
            hold: self.chance.chance(80),
            preemptible: self.chance.chance(300),
            ..JobSpec::minimal("job", script, Request::of(nodes, per_node), limit)
        }
    }

    /// Any known job by one of its names.
    fn any_reference(&mut self) -> (JobRef, JobId) {
        let job = self.any_job();
        let number = self.world.tables().jobs.get(&job).map(|r| r.job.number);
        match number.filter(|_| self.chance.chance(500)) {
            Some(number) => (JobRef::Number(number), job),
            None => (JobRef::Id(job), job),
        }
    }

    /// One of the latest jobs, since old ones have ended.
    fn any_job(&mut self) -> JobId {
        let latest: Vec<JobId> = {
            let mut jobs: Vec<_> = self.known.iter().filter_map(|id| self.world.tables().jobs.get(id)).collect();
            jobs.sort_by_key(|r| std::cmp::Reverse(r.job.number));
            jobs.iter().take(12).map(|r| r.job.id).collect()
        };
        if latest.is_empty() { JobId::from_u128(1) } else { *self.chance.pick(&latest) }
    }

    pub(super) fn repeat(&mut self) {
        if !self.asked.is_empty() {
            let which = self.chance.below(self.asked.len() as u64) as usize;
            self.ask(which);
        }
    }

    /// Asks until an answer comes; the same question must always get the same answer.
    fn ask(&mut self, which: usize) {
        let Asked { submission, key, answer: first } = self.asked[which].clone();
        for _ in 0..TRIES {
            let prior = self.world.tables().answers.get(&key).cloned();
            let fingerprint = digest128(&[&submission.id.to_bytes()]);
            let once = Some(Once { key, fingerprint, prior });
            let command = Command::Submit(Box::new(submission.clone()));
            let actor = Actor::User(submission.user);
            let Ok(answer) = self.world.command(Envelope { actor, operator: false, once, command }) else { continue };
            match (&first, &answer) {
                (Some(first), Ok(again)) if first != again => {
                    self.failures.push(format!("one key, two answers: {first:?} and {again:?}"));
                }
                (Some(first), Err(denied)) => {
                    self.failures.push(format!("one key, two answers: {first:?} and {denied}"));
                }
                _ => {}
            }
            if let Ok(report) = answer {
                if let Report::Submitted { job, .. } = &report {
                    for element in self.world.tables().elements_of(*job) {
                        self.known.insert(element);
                    }
                }
                self.asked[which].answer = Some(report);
            }
            return;
        }
    }

    pub(super) fn ask_about_a_job(&mut self, act: Act) {
        if self.known.is_empty() {
            return;
        }
        let job = self.any_job();
        let operator = self.chance.chance(300);
        let command = match act {
            Act::Cancel => Command::Cancel { job },
            Act::Hold => Command::Hold { job },
            Act::Release => Command::Release { job },
            Act::Requeue => Command::Requeue { job },
            _ => Command::Change {
                job,
                class: self.chance.chance(600).then(|| *self.chance.pick(&PriorityClass::ALL)),
                time_limit: self.chance.chance(600).then(|| Span::from_secs(60 + self.chance.below(2_400) as i64)),
            },
        };
        // Whether it is refused or lost is all the same here.
        let _ = self.world.command(Envelope { actor: Actor::Platform, operator, once: None, command });
    }
}
