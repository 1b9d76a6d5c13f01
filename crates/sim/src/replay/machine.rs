//! One machine under a policy: what runs, when it ends, who may start. Checks every decision against the processors there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sched::batch::{Job, JobNo, Policy};

use super::Load;

/// In the place of a start that has not happened.
pub const UNSTARTED: i64 = i64::MIN;

/// A policy did what it must not: a defect of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {now_s} s the policy started job {job} of {procs} processors, which {}", if *.is_known { format!("does not fit into the {free} that are free") } else { "is not waiting".into() })]
pub struct PolicyFault {
    pub now_s: i64,
    pub job: JobNo,
    pub procs: u32,
    pub free: u32,
    pub is_known: bool,
}

/// A machine of like processors.
pub struct Machine {
    procs: u32,
    free: u32,
    /// Processors of waiting jobs.
    queued: u64,
    policy: Box<dyn Policy>,
    /// By time, then in the order of their starts: those of one instant may end one by one.
    ends: BinaryHeap<Reverse<(i64, u32, JobNo)>>,
    started: u32,
    /// What the policy last wanted; only then is it asked without an event.
    wake_s: i64,
    starts: Vec<JobNo>,
}

impl Machine {
    pub fn new(procs: u32, policy: Box<dyn Policy>) -> Self {
        let (ends, starts) = (BinaryHeap::new(), Vec::new());
        Self { procs, free: procs, queued: 0, policy, ends, started: 0, wake_s: i64::MAX, starts }
    }

    pub const fn procs(&self) -> u32 {
        self.procs
    }
    /// Processors in use and wished for.
    pub const fn demand(&self) -> u64 {
        (self.procs - self.free) as u64 + self.queued
    }
    pub const fn free(&self) -> u32 {
        self.free
    }
    /// Seconds; the greatest number when nothing runs.
    pub fn next_end_s(&self) -> i64 {
        self.ends.peek().map_or(i64::MAX, |end| end.0.0)
    }
    /// When the policy wants to be asked besides.
    pub const fn wake_s(&self) -> i64 {
        self.wake_s
    }

    pub fn arrive(&mut self, now_s: i64, job: &Job) {
        self.queued += u64::from(job.procs);
        self.policy.arrived(now_s, job);
    }

    /// Takes a waiting job back, if its policy lets it go.
    pub fn withdraw(&mut self, job: &Job) -> bool {
        let is_free = self.policy.withdrawn(job);
        self.queued -= if is_free { u64::from(job.procs) } else { 0 };
        is_free
    }

    /// Ends everything that is due; how many that were.
    pub fn end_due(&mut self, now_s: i64, load: &Load, starts_s: &[i64]) -> usize {
        let mut ended = 0;
        while self.next_end_s() <= now_s {
            ended += self.end_one(now_s, load, starts_s);
        }
        ended
    }

    /// Ends the first that is due.
    pub fn end_one(&mut self, now_s: i64, load: &Load, starts_s: &[i64]) -> usize {
        if self.next_end_s() > now_s {
            return 0;
        }
        let Some(Reverse((_, _, no))) = self.ends.pop() else { return 0 };
        let job = &load.jobs[no as usize];
        self.free += job.procs;
        self.policy.ended(now_s, job, starts_s[no as usize]);
        1
    }

    /// Asks the policy and starts what it names.
    ///
    /// # Errors
    /// When it names what is not waiting or does not fit.
    pub fn decide(&mut self, now_s: i64, load: &Load, starts_s: &mut [i64]) -> Result<(), PolicyFault> {
        self.starts.clear();
        self.policy.decide(now_s, self.free, &mut self.starts);
        for &no in &self.starts {
            let at = no as usize;
            let fault = |procs, is_known| PolicyFault { now_s, job: no, procs, free: self.free, is_known };
            let Some(job) = load.jobs.get(at).filter(|job| starts_s[at] == UNSTARTED && job.submit_s <= now_s) else {
                return Err(fault(0, false));
            };
            if job.procs > self.free {
                return Err(fault(job.procs, true));
            }
            self.free -= job.procs;
            self.queued -= u64::from(job.procs);
            starts_s[at] = now_s;
            self.ends.push(Reverse((now_s + load.runs_s[at], self.started, no)));
            self.started += 1;
        }
        self.wake_s = self.policy.wake_s().filter(|at| *at > now_s).unwrap_or(i64::MAX);
        Ok(())
    }

    /// Jobs whose end is due, in no order.
    pub fn due(&self, now_s: i64) -> impl Iterator<Item = JobNo> {
        self.ends.iter().filter(move |end| end.0.0 <= now_s).map(|end| end.0.2)
    }
    /// Jobs that run, in no order.
    pub fn running(&self) -> impl Iterator<Item = JobNo> {
        self.ends.iter().map(|end| end.0.2)
    }
}
