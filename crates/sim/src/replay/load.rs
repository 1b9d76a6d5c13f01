//! What a trace becomes before it is played: jobs in order of arrival with their run times, and what was left out and why.
//! Knows no policy and no machine beyond its size.

use sched::batch::Job;

use crate::trace::Record;

/// How wide a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// The greater of allocated and requested processors.
    #[default]
    Greater,
    /// What was requested; allocated where that is not known.
    Requested,
}

/// How records become jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Jobs that need more are left out.
    pub procs_max: u32,
    pub width: Width,
    /// Jobs that ran less than a second are played too.
    pub plays_empty_runs: bool,
    /// A run ends at the latest when its estimate is over, as batch systems do it.
    pub cuts_at_estimate: bool,
    /// Policies are told the run time as the estimate.
    pub perfect_estimates: bool,
    /// Only jobs submitted in the first so many seconds after the first one.
    pub first_s: Option<i64>,
    /// The first submission becomes time 0.
    pub shifts_to_zero: bool,
}

impl Rules {
    /// The usual ones for a machine of this size.
    pub const fn on(procs_max: u32) -> Self {
        let (width, plays_empty_runs) = (Width::Greater, true);
        Self {
            procs_max,
            width,
            plays_empty_runs,
            cuts_at_estimate: true,
            perfect_estimates: false,
            first_s: None,
            shifts_to_zero: false,
        }
    }
}

/// How many records did not become jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Neither allocated nor requested processors, or no submission, or no run time.
    pub unknown: usize,
    /// More processors than there are.
    pub too_large: usize,
}

/// Jobs in order of arrival; the number of a job is its place.
#[derive(Clone, Debug, Default)]
pub struct Load {
    pub jobs: Vec<Job>,
    /// How long each runs, seconds.
    pub runs_s: Vec<i64>,
    /// Which record of the trace each was.
    pub records: Vec<u32>,
    pub left_out: LeftOut,
}

impl Load {
    /// A missing estimate is the run time. Jobs of one instant keep the order of the trace.
    pub fn of(records: &[Record], rules: &Rules) -> Self {
        let mut load = Self::default();
        let mut order: Vec<(i64, u32)> = Vec::with_capacity(records.len());
        for (at, record) in (0u32..).zip(records) {
            match record.submit_s {
                Some(submit_s) => order.push((submit_s, at)),
                None => load.left_out.unknown += 1,
            }
        }
        order.sort_unstable();
        let first_s = order.first().map_or(0, |first| first.0);
        let until_s = rules.first_s.map_or(i64::MAX, |seconds| first_s.saturating_add(seconds));
        let shift_s = if rules.shifts_to_zero { first_s } else { 0 };
        for (submit_s, at) in order.into_iter().take_while(|(submit_s, _)| *submit_s < until_s) {
            load.add(&records[at as usize], submit_s - shift_s, at, rules);
        }
        load
    }

    fn add(&mut self, record: &Record, submit_s: i64, at: u32, rules: &Rules) {
        let (allocated, requested) = (record.procs_allocated, record.procs_requested.filter(|procs| *procs > 0));
        let procs = match rules.width {
            Width::Greater => allocated.max(requested),
            Width::Requested => requested.or(allocated),
        };
        let procs = procs.filter(|procs| *procs > 0);
        let run_s = record.run_s.filter(|run_s| *run_s > 0 || rules.plays_empty_runs);
        let (Some(procs), Some(run_s)) = (procs, run_s) else {
            self.left_out.unknown += 1;
            return;
        };
        if procs > rules.procs_max {
            self.left_out.too_large += 1;
            return;
        }
        let asked_s = record.estimate_s.filter(|estimate| *estimate > 0).unwrap_or(run_s);
        let run_s = if rules.cuts_at_estimate { run_s.min(asked_s) } else { run_s };
        let estimate_s = if rules.perfect_estimates { run_s } else { asked_s };
        self.push(record, submit_s, procs, run_s, estimate_s, at);
    }

    /// Appends a job; not before the last one in time.
    pub(super) fn push(&mut self, record: &Record, submit_s: i64, procs: u32, run_s: i64, estimate_s: i64, at: u32) {
        self.jobs.push(Job {
            no: u32::try_from(self.jobs.len()).unwrap_or(u32::MAX),
            submit_s,
            procs,
            estimate_s,
            user: record.user,
            group: record.group,
            app: record.app,
            queue: record.queue,
            partition: record.partition,
        });
        self.runs_s.push(run_s);
        self.records.push(at);
    }
}
