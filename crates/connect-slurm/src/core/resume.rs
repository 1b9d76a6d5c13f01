//! After a restart: one look at the whole queue tells most of what is open; the rest is asked of accounting and evidence.

use base::AttemptId;
use model::{EndCause, EndOrder, Observed};
use ports::ConnectError;
use tokio::time::Instant;

use crate::carrier::{Queue, QueueWanted, QueuedJob};
use crate::core::Inner;
use crate::core::limits::EVIDENCE_KEPT;
use crate::core::look::Moment;
use crate::core::table::{Ending, Entry, Phase, Table};

impl Inner {
    pub(super) async fn resume(&self, open: Vec<AttemptId>) -> Result<(), ConnectError> {
        let began = Instant::now();
        let asked_at = self.now();
        self.know_owners().await.map_err(crate::core::link::unreachable)?;
        let mut queue = self.carrier.queue(QueueWanted::All).await.map_err(crate::core::link::unreachable)?;
        self.leave_others_out(&mut queue);
        let moment = self.answered(began, asked_at, &queue);
        {
            let mut table = self.table();
            table.resumed = true;
            let unknown: Vec<AttemptId> =
                table.attempts.keys().filter(|attempt| !open.contains(attempt)).copied().collect();
            unknown.into_iter().for_each(|attempt| self.end_and_forget(&mut table, attempt));
            table.apply(self.realm, &queue, moment);
            for attempt in open {
                self.take_up(&mut table, attempt);
            }
            // What is left belongs to no attempt that is open: it is ended, and nobody is told.
            for (attempt, jobs) in std::mem::take(&mut table.strays) {
                if jobs.iter().any(|job| job.state.course() != crate::states::Course::Over) {
                    table.attempts.insert(attempt, Entry::new(Phase::Queued));
                    self.end_and_forget(&mut table, attempt);
                    self.adopt(&mut table, jobs);
                }
            }
        }
        self.looks.send_modify(|looks| *looks += 1);
        self.ends_due.notify_one();
        self.orders_due.notify_one();
        self.told();
        Ok(())
    }

    /// Tells what is known of an open attempt, or begins to ask for it.
    fn take_up(&self, table: &mut Table, attempt: AttemptId) {
        if table.is_forgotten(attempt) {
            let note = Some("its end was stored and it was forgotten".into());
            return table.tell(Observed::Gone { attempt, note });
        }
        if let Some(jobs) = table.strays.remove(&attempt) {
            table.attempts.insert(attempt, Entry::new(Phase::Queued));
            return self.adopt(table, jobs);
        }
        match table.attempts.get_mut(&attempt) {
            None => {
                table.attempts.insert(attempt, Entry::new(Phase::Missing { since: Instant::now() }));
            }
            Some(entry) => {
                entry.forget_at_end = false;
                if let Some(ended) = entry.tell_again() {
                    return table.tell(ended);
                }
                let moment = self.moment();
                table.tell_course(attempt, moment);
            }
        }
    }

    /// Makes the jobs seen of an attempt its own. Its entry is in the table.
    pub(super) fn adopt(&self, table: &mut Table, jobs: Vec<QueuedJob>) {
        let moment = self.moment();
        let attempts: Vec<AttemptId> = jobs.iter().filter_map(|job| self.realm.attempt(&job.name)).collect();
        table.apply(self.realm, &Queue { clock: None, jobs, whole: false }, moment);
        for attempt in attempts {
            if let Some(entry) = table.attempts.get_mut(&attempt).filter(|entry| entry.number.is_none()) {
                // None of them ever did anything.
                entry.phase = Phase::Missing { since: Instant::now() };
            }
        }
    }

    fn moment(&self) -> Moment {
        let offset = self.link().offset();
        Moment { began: Instant::now(), clock: (self.now() + offset).as_secs(), offset }
    }

    /// The platform has no use for it: what runs of it is ended, and then it is forgotten.
    fn end_and_forget(&self, table: &mut Table, attempt: AttemptId) {
        let Some(entry) = table.attempts.get_mut(&attempt) else { return };
        if entry.phase == Phase::Over {
            return table.forget(attempt, Instant::now() + EVIDENCE_KEPT);
        }
        entry.forget_at_end = true;
        let grace = base::Span::from_secs(self.limits.kill_wait.as_secs() as i64);
        entry.end.get_or_insert(Ending::new(EndOrder { cause: EndCause::Cancelled, grace }));
    }

    pub(super) fn forget(&self, attempt: AttemptId) {
        let mut table = self.table();
        if table.attempts.contains_key(&attempt) {
            self.end_and_forget(&mut table, attempt);
        } else {
            let jobs = table.strays.remove(&attempt).unwrap_or_default();
            let active = jobs.iter().filter(|job| job.state.course() != crate::states::Course::Over);
            table.surplus.extend(active.map(|job| (job.number, attempt)));
            table.forget(attempt, Instant::now() + EVIDENCE_KEPT);
        }
        drop(table);
        self.orders_due.notify_one();
    }
}
