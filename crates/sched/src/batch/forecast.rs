//! How long a job will run, from how long the most similar ones before it ran. Refuses to know queues, machines and what a wrong
//! forecast may cost: whoever uses one bounds that.
//!
//! Source of the idea: D. Tsafrir, Y. Etsion and D. Feitelson, IEEE TPDS 18(6), 2007 (a user's last two jobs); likeness by program,
//! request and width after W. Smith, I. Foster and V. Taylor, JSSPP 1998.

use std::collections::HashMap;

use super::Job;

/// Runs that are remembered of each kind of job: enough to smooth, few enough to follow a user who begins something new.
const REMEMBERED: usize = 8;
/// Runs of a kind that say something; of one alone, the next is as likely to be another attempt as the same again.
const TELLING: usize = 2;

/// In what jobs are alike; fewer fields, more of them. The user is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Whole { user: Option<u32>, app: Option<u32>, estimate_s: i64, procs: u32 },
    AppAndEstimate { user: Option<u32>, app: Option<u32>, estimate_s: i64 },
    Estimate { user: Option<u32>, estimate_s: i64 },
    User { user: Option<u32> },
}

impl Kind {
    /// From the most alike to the least.
    const fn of(job: &Job) -> [Self; 4] {
        let Job { user, app, estimate_s, procs, .. } = *job;
        [
            Self::Whole { user, app, estimate_s, procs },
            Self::AppAndEstimate { user, app, estimate_s },
            Self::Estimate { user, estimate_s },
            Self::User { user },
        ]
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    runs_s: [i64; REMEMBERED],
    next: usize,
    count: usize,
}

impl Recent {
    const fn add(&mut self, run_s: i64) {
        self.runs_s[self.next] = run_s;
        self.next = (self.next + 1) % REMEMBERED;
        if self.count < REMEMBERED {
            self.count += 1;
        }
    }
    fn mean_s(&self) -> Option<i64> {
        let sum: i64 = self.runs_s[..self.count].iter().sum();
        (self.count >= TELLING).then(|| sum / self.count as i64)
    }
}

/// What has been seen so far. Memory: one entry for each kind ever seen, some 100 bytes.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    recent: HashMap<Kind, Recent>,
}

impl Forecast {
    /// A job has ended after this time.
    pub fn ran(&mut self, job: &Job, run_s: i64) {
        if job.user.is_none() {
            return;
        }
        for kind in Kind::of(job) {
            self.recent.entry(kind).or_default().add(run_s);
        }
    }

    /// Kinds of jobs that something is known of.
    pub fn kinds(&self) -> usize {
        self.recent.len()
    }

    /// Seconds, from 1 to what its user asked for: the mean of the last like runs, or the estimate where nothing is known. Jobs of
    /// nobody known are not alike.
    pub fn run_s(&self, job: &Job) -> i64 {
        let most_s = job.estimate_s.max(1);
        let like = |kind| self.recent.get(&kind).and_then(Recent::mean_s);
        Kind::of(job).into_iter().find_map(like).map_or(most_s, |mean_s| mean_s.clamp(1, most_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(user: u32, app: u32, estimate_s: i64, procs: u32) -> Job {
        let (group, queue, partition) = (None, None, None);
        Job { no: 0, submit_s: 0, procs, estimate_s, user: Some(user), group, app: Some(app), queue, partition }
    }

    #[test]
    fn the_most_alike_runs_tell() {
        let mut forecast = Forecast::default();
        let one = job(1, 1, 1_000, 4);
        assert_eq!(forecast.run_s(&one), 1_000, "nothing is known: the estimate");
        forecast.ran(&one, 10);
        assert_eq!(forecast.run_s(&one), 1_000, "one run tells nothing");
        forecast.ran(&job(1, 1, 1_000, 8), 90);
        assert_eq!(forecast.run_s(&one), 50, "same user, program and estimate");
        forecast.ran(&one, 20);
        assert_eq!(forecast.run_s(&one), 15, "now also the same width");
        assert_eq!(forecast.run_s(&job(1, 2, 30, 1)), 30, "another program of the user: never more than asked for");
        assert_eq!(forecast.run_s(&job(2, 1, 1_000, 4)), 1_000, "another user");
        let nobodys = Job { user: None, ..one };
        forecast.ran(&nobodys, 10);
        forecast.ran(&nobodys, 10);
        assert_eq!(forecast.run_s(&nobodys), 1_000, "whose it is is not known: nor what it is like");
    }

    #[test]
    fn old_runs_are_forgotten() {
        let mut forecast = Forecast::default();
        let one = job(1, 1, 1_000, 4);
        for run_s in [900, 900].into_iter().chain([7; REMEMBERED]) {
            forecast.ran(&one, run_s);
        }
        assert_eq!(forecast.run_s(&one), 7);
    }
}
