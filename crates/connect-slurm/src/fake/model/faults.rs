//! What goes wrong in the machine room of the fake: controllers that are set back, runs that are broken off, nodes that fail.

use base::AttemptId;

use super::{Job, Model, SECOND};
use crate::carrier::{JobNumber, QueuedJob, SlurmState};
use crate::states::EXIT_SUPERSEDED;

impl Model {
    pub fn crash(&mut self, down: i64) {
        self.down_until = self.now + down;
        self.next = self.saved.next;
        let saved = std::mem::take(&mut self.saved.jobs);
        let lost: Vec<JobNumber> = self.jobs.keys().filter(|number| !saved.contains_key(number)).copied().collect();
        for number in lost {
            self.jobs.remove(&number);
            // Its node is told to end what the controller does not know: nothing is written any more.
            self.processes.remove(&number);
            self.ended.retain(|(other, _, _)| *other != number);
        }
        for (number, job) in saved {
            self.set_back(number, job);
        }
        self.saved.jobs = self.jobs.clone();
        // What it had not heard of when it last saved, accounting has not heard of either.
        let jobs = &self.jobs;
        self.ledger.retain(|(_, run)| run.end.is_some() || jobs.contains_key(&run.number));
    }

    /// The controller believes of a job what it believed when it last saved.
    fn set_back(&mut self, number: JobNumber, mut job: Job) {
        let now = self.jobs.get(&number).map(|job| job.record.state.clone());
        if job.record.end.is_some() || now.as_ref() == Some(&job.record.state) {
            return;
        }
        if job.record.state == SlurmState::Pending {
            // What runs of it on a node is not known: it is ended there, and nothing is written any more.
            self.processes.remove(&number);
            self.ended.retain(|(other, _, _)| *other != number);
            job.queued_at = self.down_until;
        }
        job.changed = self.seconds();
        self.jobs.insert(number, job);
    }

    /// Jobs that the controller believes to run and their nodes do not have.
    pub(super) fn miss_jobs(&mut self) {
        let runs = |job: &Job| matches!(job.record.state, SlurmState::Running | SlurmState::Suspended);
        let missed = |number: &JobNumber| !self.processes.contains_key(number);
        let missed: Vec<JobNumber> =
            self.jobs.iter().filter(|(number, job)| runs(job) && missed(number)).map(|(number, _)| *number).collect();
        for number in missed {
            self.close(number, self.now, SlurmState::NodeFail, (0, 0));
        }
    }

    pub fn requeue(&mut self, attempt: AttemptId, state: SlurmState) {
        let name = self.realm.name(attempt);
        let seconds = self.seconds();
        let numbers: Vec<JobNumber> = self.running(&name);
        for number in numbers {
            self.processes.remove(&number);
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            let run = QueuedJob { state: state.clone(), ..job.record.clone() };
            job.record.state = SlurmState::Pending;
            job.record.restarts += 1;
            job.record.start = None;
            job.record.nodes.clear();
            job.record.suspended_seconds = 0;
            job.suspended_since = None;
            job.queued_at = self.now;
            job.changed = seconds;
            job.record.submitted = seconds;
            self.account(&run, seconds);
        }
    }

    /// A job that waits is cancelled at the site: by somebody, or by a node whose order was meant for another job.
    pub fn cancel_waiting(&mut self, attempt: AttemptId) {
        let name = self.realm.name(attempt);
        let waits = |job: &&Job| job.record.name == name && job.record.state == SlurmState::Pending;
        if let Some(number) = self.jobs.values().find(waits).map(|job| job.record.number) {
            self.close(number, self.now, SlurmState::Cancelled, (0, 0));
        }
    }

    /// A copy of a running job gives way, and its exit counts as the job's; the job itself works on.
    pub fn launch_twice(&mut self, attempt: AttemptId) {
        for number in self.running(&self.realm.name(attempt)) {
            self.finish(number, self.now, (EXIT_SUPERSEDED, 0));
        }
    }

    fn running(&self, name: &str) -> Vec<JobNumber> {
        let runs = |job: &&Job| {
            job.record.name == name && matches!(job.record.state, SlurmState::Running | SlurmState::Suspended)
        };
        self.jobs.values().filter(runs).map(|job| job.record.number).collect()
    }

    pub fn suspend(&mut self, attempt: AttemptId, suspended: bool) {
        let (now, seconds) = (self.now, self.seconds());
        for number in self.running(&self.realm.name(attempt)) {
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            match (suspended, job.suspended_since) {
                (true, None) => {
                    job.record.state = SlurmState::Suspended;
                    job.suspended_since = Some(now);
                }
                (false, Some(since)) => {
                    job.record.state = SlurmState::Running;
                    job.record.suspended_seconds += (now - since).div_euclid(SECOND);
                    job.suspended_since = None;
                }
                _ => {}
            }
            job.changed = seconds;
        }
    }

    pub fn fail_node(&mut self, name: &str) {
        self.set_node_state(name, "DOWN");
        let there = |job: &&Job| job.record.end.is_none() && job.record.nodes.iter().any(|node| node == name);
        let numbers: Vec<JobNumber> = self.jobs.values().filter(there).map(|job| job.record.number).collect();
        for number in numbers {
            self.processes.remove(&number);
            self.close(number, self.now, SlurmState::NodeFail, (1, 0));
        }
    }
}
