//! Copies of a job: Slurm has launched it twice, one of the two has its fence, and the other gave way (`EXIT_SUPERSEDED`). Refuses to know
//! how ends are found.

use std::time::Duration;

use base::AttemptId;
use tokio::time::Instant;

use crate::carrier::{JobNumber, SlurmState};
use crate::core::Inner;
use crate::core::facts::Facts;
use crate::core::table::Phase;
use crate::evidence::Evidence;

impl Inner {
    /// What it means that a copy gave way. False: it is not the last word on the attempt.
    pub(super) fn gave_way(
        &self,
        attempt: AttemptId,
        number: Option<JobNumber>,
        facts: &mut Facts,
        evidence: &Evidence,
    ) -> bool {
        if self.is_superseded(attempt, number, evidence) {
            return false;
        }
        let ended = evidence.ended.as_ref().filter(|ended| Some(ended.number) == number);
        // The end of a copy beside the start of the job itself: slurmdbd may be half-way through writing the copy's launch.
        let is_later = ended.is_some_and(|ended| facts.end.is_some_and(|end| end > ended.at.as_secs() + 1));
        let is_untold = ended.is_none() && evidence.owner == number;
        if (is_later || is_untold) && self.may_say_more(attempt) {
            return false;
        }
        if is_untold {
            facts.state = SlurmState::NodeFail;
            facts.note("launched twice by Slurm, and nothing says how the launch that did the work ended");
        }
        true
    }

    /// A copy of the job gave way to another launch of it, which may still work. What Slurm no longer knows it ends soon.
    fn may_say_more(&self, attempt: AttemptId) -> bool {
        let table = self.table();
        let since = table.attempts.get(&attempt).and_then(|entry| match entry.phase {
            Phase::Ending { since } | Phase::Missing { since } => Some(since),
            _ => None,
        });
        since.is_some_and(|since| since.elapsed() < Duration::from_secs(u64::from(self.config.grace_secs)))
    }

    /// The job that ended was a copy: the one that has the fence is followed from now on.
    fn is_superseded(&self, attempt: AttemptId, number: Option<JobNumber>, evidence: &Evidence) -> bool {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else { return true };
        let owner = evidence.owner.filter(|owner| Some(*owner) != number);
        let Some(other) = owner.or_else(|| entry.rivals.pop_first()) else { return false };
        entry.number = Some(other);
        entry.record = None;
        entry.phase = Phase::Missing { since: Instant::now() };
        drop(table);
        self.look_now.notify_one();
        true
    }
}
