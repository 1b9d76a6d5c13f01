//! History played again on machines of like processors under another policy: one machine ([`replay`]) or several behind a router
//! ([`broker`]). Lean where [`World`](crate::World) is complete: no money, no nodes, no faults. Refuses to know files and clocks.
//!
//! Start reading at [`Load`] (what a trace becomes), then [`machine`](Machine) and [`Figures`] (what is told afterwards).

pub mod broker;
mod figures;
mod load;
mod machine;
mod output;
mod rlscheduler;

pub use figures::{Figures, Shape, TAU_S, bounded_slowdown, figures, quantile};
pub use load::{LeftOut, Load, Rules, Width};
pub use machine::{Machine, PolicyFault, UNSTARTED};
pub use output::{csv, swf_records};
pub use rlscheduler::{SEQUENCE_JOBS, SEQUENCE_STARTS, Sequence, sequence, tasks as rlscheduler_tasks};

use std::ops::ControlFlow;

use sched::batch::{Policy, Rhythm};

/// Events between two looks at whoever watches: few, since a decision over a long queue may take a while.
const EVENTS_PER_LOOK: u64 = 64;

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub ended: usize,
    pub jobs: usize,
}

/// Sees progress; `Break` ends the replay where it is.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// When each job of the load started, seconds; [`UNSTARTED`] where it did not.
    pub starts_s: Vec<i64>,
    /// False when it was broken off.
    pub is_complete: bool,
}

/// Plays `load` on one machine of `procs` processors.
///
/// # Errors
/// When the policy names a job that is not waiting or does not fit.
pub fn replay(load: &Load, procs: u32, policy: Box<dyn Policy>, watch: Watch<'_>) -> Result<Played, PolicyFault> {
    let by_event = policy.rhythm() == Rhythm::Event;
    let mut machine = Machine::new(procs, policy);
    let mut played = Played { starts_s: vec![UNSTARTED; load.jobs.len()], is_complete: false };
    let (mut next, mut ended, mut events) = (0, 0, 0u64);
    loop {
        let arrival_s = load.jobs.get(next).map_or(i64::MAX, |job| job.submit_s);
        let end_s = machine.next_end_s();
        let now_s = arrival_s.min(end_s).min(machine.wake_s());
        if now_s == i64::MAX {
            break;
        }
        if by_event {
            if arrival_s <= end_s {
                machine.arrive(now_s, &load.jobs[next]);
                next += 1;
            } else {
                ended += machine.end_one(now_s, load, &played.starts_s);
            }
        } else {
            ended += machine.end_due(now_s, load, &played.starts_s);
            while let Some(job) = load.jobs.get(next)
                && job.submit_s <= now_s
            {
                machine.arrive(now_s, job);
                next += 1;
            }
        }
        machine.decide(now_s, load, &mut played.starts_s)?;
        events += 1;
        if events.is_multiple_of(EVENTS_PER_LOOK) && watch(Progress { ended, jobs: load.jobs.len() }).is_break() {
            return Ok(played);
        }
    }
    played.is_complete = true;
    let _ = watch(Progress { ended, jobs: load.jobs.len() });
    Ok(played)
}
