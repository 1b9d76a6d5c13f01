//! What the policy says of applications: where each version of one was verified, and how fast it runs on which chip.
//! Refuses to know what an application does, and whether a job really runs the one it names.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{AttemptId, Span, Timestamp};
use model::{Attempt, Chip, JobSpec};
use sched::{App, at_speed};
use serde::{Deserialize, Serialize};

use crate::state::Engine;

/// Fastest and slowest that can be meant, in thousandths: a hundred times as fast, a thousandth of it.
const SPEED_PERMILLE_MAX: u32 = 100_000;

/// One version of an application, `[apps."lammps/2Aug2023"]`. What is left out restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppRule {
    /// Chips on which it was verified, as jobs name them; asked of work with cards.
    pub chips: Vec<Chip>,
    /// Architectures of processors on which it was verified, in Linux's words.
    pub arch: Vec<Arc<str>>,
    /// Thousandths of its speed on the chip for which limits are stated, by chip; 1000 on those that are not named.
    pub speed: BTreeMap<Chip, u32>,
}

impl AppRule {
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let possible = |permille: &u32| (1..=SPEED_PERMILLE_MAX).contains(permille);
        (!self.speed.values().all(possible)).then_some("a speed is 1 to 100000 thousandths")
    }

    pub(crate) fn known(&self) -> App {
        let speed = self.speed.iter().map(|(chip, permille)| (chip.clone(), *permille)).collect();
        App { chips: self.chips.clone(), architectures: self.arch.clone(), speed }
    }
}

impl Engine {
    /// What is known of the application of a job.
    pub(crate) fn app(&self, spec: &JobSpec) -> Option<Arc<App>> {
        let rule = self.policy.steering.apps.get(spec.app.as_deref()?)?;
        Some(Arc::new(rule.known()))
    }

    /// How fast an attempt runs where it is, in thousandths of the speed for which its limit is stated.
    pub(crate) fn speed_permille(&self, facts: &Attempt) -> u32 {
        let Some(entry) = self.jobs.get(&facts.id.job) else { return 1_000 };
        let (spec, chip) = (&entry.spec.spec, self.pools.get(&facts.pool).and_then(|p| p.pool.chip.as_ref()));
        let standing = sched::Standing { app: self.app(spec), ..sched::Standing::default() };
        standing.speed_permille(spec.request.per_node.gpus, chip)
    }

    /// When a run is expected to end that began, what it stood still left out, at `begun`: on a faster chip before its limit. Not
    /// after it has been told to be gone.
    pub(crate) fn expected_end(&self, facts: &Attempt, begun: Timestamp, limit: Span) -> Timestamp {
        let end = begun + at_speed(limit, self.speed_permille(facts)).min(limit);
        facts.notice().map_or(end, |notice| end.min(notice.at + self.policy.kill_grace))
    }

    /// Tells the scheduler when a run is expected to end, as it now stands.
    pub(crate) fn expect_end(&mut self, attempt: AttemptId) {
        let end = self.attempts.get(&attempt).and_then(|facts| {
            let limit = self.jobs.get(&attempt.job)?.spec.spec.time_limit;
            Some(self.expected_end(facts, facts.started_at? + facts.suspended(), limit))
        });
        if let Some(end) = end {
            self.sched.set_expected_end(attempt.job, end);
        }
    }
}
