//! First come, first served: the first job waits until it fits and everyone behind it waits too.
//! The baseline of every study; no source to name.

use std::collections::VecDeque;

use super::{Job, JobNo, Policy};

/// Strict order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Fcfs {
    queue: VecDeque<(JobNo, u32)>,
}

impl Policy for Fcfs {
    fn arrived(&mut self, _now_s: i64, job: &Job) {
        self.queue.push_back((job.no, job.procs));
    }
    fn ended(&mut self, _now_s: i64, _job: &Job, _started_s: i64) {}
    fn withdrawn(&mut self, job: &Job) -> bool {
        let before = self.queue.len();
        self.queue.retain(|waiting| waiting.0 != job.no);
        self.queue.len() < before
    }
    fn decide(&mut self, _now_s: i64, mut free: u32, starts: &mut Vec<JobNo>) {
        while let Some(&(no, procs)) = self.queue.front() {
            if procs > free {
                return;
            }
            free -= procs;
            starts.push(no);
            self.queue.pop_front();
        }
    }
}
