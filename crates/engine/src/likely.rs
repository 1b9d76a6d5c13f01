//! How long a job is likely to run: the mean of the last runs like it (user, name, request and limit), learnt while the engine runs. For
//! the order of the queue and the choice of a pool only, never for limits or reservations. Not stored: learnt anew after a restart.

use base::{AttemptId, Span, Timestamp};
use sched::batch::{Forecast, Job};

use crate::state::{Engine, JobEntry};

/// Kinds of work that are remembered, about 100 bytes each; beyond that all is forgotten and learnt anew.
const KINDS_MAX: usize = 200_000;

impl Engine {
    /// What a job is expected to run for, at most its limit.
    pub(crate) fn expected_run(&self, entry: &JobEntry) -> Span {
        Span::from_secs(self.likely.run_s(&like(entry))).min(entry.spec.spec.time_limit)
    }

    /// A run of a job is over that was not broken off. What is learnt is how long it takes at the speed for which limits are stated.
    pub(crate) fn note_run(&mut self, attempt: AttemptId, started_at: Timestamp, at: Timestamp) {
        let Some(entry) = self.jobs.get(&attempt.job) else { return };
        let like = like(entry);
        let permille = self.attempts.get(&attempt).map_or(1_000, |facts| self.speed_permille(facts));
        let ran_s = at.since(started_at).as_secs().max(0).saturating_mul(i64::from(permille)) / 1_000;
        if self.likely.kinds() > KINDS_MAX {
            self.likely = Forecast::default();
        }
        self.likely.ran(&like, ran_s);
    }
}

/// The job as the forecast sees it: user and name by 32 bits of each. The last of an id are drawn by chance.
fn like(entry: &JobEntry) -> Job {
    let spec = &entry.spec.spec;
    Job {
        no: 0,
        submit_s: 0,
        procs: u32::try_from(entry.spec.request.total().cpu.cores_ceil()).unwrap_or(u32::MAX),
        estimate_s: spec.time_limit.as_secs(),
        user: Some(entry.job.user.as_u128() as u32),
        group: None,
        app: Some(entry.spec.app),
        queue: None,
        partition: None,
    }
}
