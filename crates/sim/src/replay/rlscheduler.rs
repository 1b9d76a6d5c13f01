//! RLScheduler's experiment: ten sequences of 1,024 jobs, each on an empty machine. Source: D. Zhang et al., SC 2020, and the tables
//! of its repository; the starting points are those its simulator draws with seed 1.

use std::ops::ControlFlow;

use sched::batch::{Backfill, Job, Score, Scored, Waited};

use super::{Load, PolicyFault, bounded_slowdown, replay};
use crate::trace::Record;

/// Jobs of a sequence.
pub const SEQUENCE_JOBS: usize = 1_024;
/// Where the sequences begin, counted in jobs from 0.
pub const SEQUENCE_STARTS: [usize; 10] = [1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085];

/// What one sequence comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequence {
    pub mean_bounded_slowdown: f64,
    /// Over the time from the first submission to the last start.
    pub utilization: f64,
}

/// A trace's jobs by that experiment's rules: in order of their numbers, without those that ran 0 s, 10 s where the run time is
/// not known; runs are not cut.
pub fn tasks(records: &[Record], procs_max: u32) -> Load {
    let mut order: Vec<u32> = (0u32..).zip(records).map(|(at, _)| at).collect();
    order.sort_by_key(|at| records[*at as usize].job);
    let mut load = Load::default();
    for at in order {
        let record = &records[at as usize];
        let run_s = record.run_s.unwrap_or(10);
        let procs = record.procs_allocated.max(record.procs_requested).filter(|n| (1..=procs_max).contains(n));
        let (Some(procs), Some(submit_s)) = (procs, record.submit_s) else { continue };
        if run_s > 0 {
            load.push(record, submit_s, procs, run_s, record.estimate_s.unwrap_or(run_s), at);
        }
    }
    load
}

/// Plays the sequence that begins at `start`.
///
/// # Errors
/// Those of [`replay`].
pub fn sequence(
    all: &Load,
    start: usize,
    procs: u32,
    score: Score,
    backfill: Backfill,
) -> Result<Sequence, PolicyFault> {
    let until = (start + SEQUENCE_JOBS).min(all.jobs.len());
    let jobs: Vec<Job> = (0u32..).zip(&all.jobs[start..until]).map(|(no, job)| Job { no, ..*job }).collect();
    let load = Load { jobs, runs_s: all.runs_s[start..until].to_vec(), ..Load::default() };
    let policy = Box::new(Scored::new(score, Waited::AsPublished, backfill));
    let played = replay(&load, procs, policy, &mut |_| ControlFlow::Continue(()))?;
    let (mut slowdowns, mut area, mut last_s) = (0.0, 0.0, i64::MIN);
    for ((job, run_s), start_s) in load.jobs.iter().zip(&load.runs_s).zip(&played.starts_s) {
        slowdowns += bounded_slowdown(start_s - job.submit_s, *run_s);
        area += *run_s as f64 * f64::from(job.procs);
        last_s = last_s.max(*start_s);
    }
    let first_s = load.jobs.first().map_or(0, |job| job.submit_s);
    Ok(Sequence {
        mean_bounded_slowdown: slowdowns / load.jobs.len() as f64,
        utilization: area / (f64::from(procs) * (last_s - first_s) as f64),
    })
}
