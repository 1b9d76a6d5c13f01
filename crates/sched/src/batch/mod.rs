//! Batch scheduling of rigid jobs on one machine of like processors: the setting of the literature, behind one trait.
//! Each policy names its source. Refuses to know traces, run times ahead of their end, clocks, several machines.
//!
//! # Adding a policy
//!
//! Implement [`Policy`] in a file of this folder and give it a name in [`catalogue`](NAMES). Whoever drives it (the twin's replay)
//! calls, at each instant with events: [`Policy::ended`] for each end, [`Policy::arrived`] for each arrival, then
//! [`Policy::decide`] once; [`Policy::withdrawn`] takes a job back between two of these. [`Line`] keeps jobs in any static order with fast sweeps, [`Profile`] is an availability profile.

mod catalogue;
mod conservative;
mod easy;
mod fcfs;
mod forecast;
mod headworks;
mod line;
mod profile;
mod scored;

pub use catalogue::{NAMES, named};
pub use conservative::Conservative;
pub use easy::{Candidates, Easy};
pub use fcfs::Fcfs;
pub use forecast::Forecast;
pub use headworks::{Headworks, Terms};
pub use line::{Item, Line, Sweep};
pub use profile::Profile;
pub use scored::{Backfill, Score, Scored, Waited};

/// Number of a job within a replay: ascending in the order of arrival.
pub type JobNo = u32;

/// What is known of a job when it arrives. How long it will run is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    pub no: JobNo,
    /// Seconds since the replay's epoch.
    pub submit_s: i64,
    /// At least 1, at most the machine's.
    pub procs: u32,
    /// The run time its user asked for, seconds; at least 0.
    pub estimate_s: i64,
    pub user: Option<u32>,
    pub group: Option<u32>,
    /// The trace's number of the program.
    pub app: Option<u32>,
    pub queue: Option<u32>,
    pub partition: Option<u32>,
}

/// When a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Once per instant, after all its ends and then all its arrivals.
    Instant,
    /// After every single event; of one instant, arrivals come before ends (RLScheduler's simulator).
    Event,
}

/// Decides which waiting jobs start. Deterministic: the same calls give the same answers.
///
/// A job whose run time passes its estimate is cut by most drivers, but a policy must bear one that is not.
pub trait Policy: Send {
    /// A job joins the queue.
    fn arrived(&mut self, now_s: i64, job: &Job);
    /// A job this policy started at `started_s` has ended and its processors are free.
    fn ended(&mut self, now_s: i64, job: &Job, started_s: i64);
    /// A waiting job is to leave the queue, because it goes to another machine. Whether it has left: a policy keeps what it is
    /// committed to, and then nothing has changed.
    fn withdrawn(&mut self, job: &Job) -> bool;
    /// Appends the jobs that start now to `starts`, in the order of decision. `free`: idle processors; the jobs named must fit
    /// into them together.
    fn decide(&mut self, now_s: i64, free: u32, starts: &mut Vec<JobNo>);
    /// When it wants to be asked though nothing arrives or ends; later than the last [`Self::decide`].
    fn wake_s(&self) -> Option<i64> {
        None
    }
    fn rhythm(&self) -> Rhythm {
        Rhythm::Instant
    }
}
