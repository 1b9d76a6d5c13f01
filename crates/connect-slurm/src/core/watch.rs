//! The loop that looks at the queue: differences every few hundred milliseconds, the whole every half minute and whenever
//! something is in doubt. What is new goes into the table; what it means for the line goes to the platform.

use std::sync::Arc;
use std::time::Duration;

use model::Observed;
use tokio::time::Instant;

use crate::carrier::{CarrierError, Queue, QueueWanted};
use crate::core::Inner;
use crate::core::limits::{LOOK_PAUSE_MAX, OUTBOX_MAX, WHOLE_LOOK, WHOLE_LOOK_IN_DOUBT};
use crate::core::look::Moment;

/// Changes are asked for from this long before the last answer, seconds: two clocks of whole seconds, and a change that came
/// in while the answer was made.
const OVERLAP_SECS: i64 = 2;

pub async fn run(inner: Arc<Inner>) {
    let poll = Duration::from_millis(u64::from(inner.config.poll_ms.max(1)));
    let mut pause = poll;
    let mut last_whole: Option<Instant> = None;
    let mut since: Option<i64> = None;
    loop {
        let full = inner.table().outbox.len() > OUTBOX_MAX;
        if !full {
            let whole_after = if inner.table().in_doubt() { WHOLE_LOOK_IN_DOUBT } else { WHOLE_LOOK };
            let wanted = match since {
                Some(time) if last_whole.is_some_and(|at| at.elapsed() < whole_after) => {
                    QueueWanted::ChangedSince(time)
                }
                _ => QueueWanted::All,
            };
            match inner.look(wanted).await {
                Ok((queue, moment)) => {
                    if queue.whole {
                        last_whole = Some(moment.began);
                    }
                    since = Some(moment.clock - OVERLAP_SECS);
                    pause = poll;
                }
                Err(()) => {
                    // After an outage nothing may be missed.
                    last_whole = None;
                    pause = (pause * 2).min(LOOK_PAUSE_MAX);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.look_now.notified() => last_whole = None,
        }
    }
}

impl Inner {
    /// Asks once and takes the answer in.
    pub(super) async fn look(&self, wanted: QueueWanted) -> Result<(Queue, Moment), ()> {
        let began = Instant::now();
        let asked_at = self.now();
        let some = matches!(wanted, QueueWanted::Jobs(_));
        let answer = match self.know_owners().await {
            Ok(()) => self.carrier.queue(wanted).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(mut queue) => {
                queue.whole &= !some;
                self.leave_others_out(&mut queue);
                let moment = self.answered(began, asked_at, &queue);
                self.take_in(&queue, moment);
                Ok((queue, moment))
            }
            Err(error) => {
                self.silence(&error);
                Err(())
            }
        }
    }

    /// The line is there: its clock, and the moment of an answer.
    pub(super) fn answered(&self, began: Instant, asked_at: base::Timestamp, queue: &Queue) -> Moment {
        let now = self.now();
        let mut link = self.link();
        if let Some(clock) = queue.clock {
            link.clock(clock, asked_at, now);
        }
        let offset = link.offset();
        let again = link.answered(began, now);
        drop(link);
        if again {
            // Told after what happened meanwhile.
            self.table().reachable_again = true;
        }
        Moment { began, clock: queue.clock.unwrap_or((asked_at + offset).as_secs()), offset }
    }

    fn take_in(&self, queue: &Queue, moment: Moment) {
        let mut table = self.table();
        let work = table.apply(self.realm, queue, moment);
        let orders = !table.surplus.is_empty();
        if queue.whole && std::mem::take(&mut table.reachable_again) {
            table.tell(Observed::Reachable);
        }
        drop(table);
        if queue.whole {
            self.looks.send_modify(|looks| *looks += 1);
        }
        if work {
            self.ends_due.notify_one();
        }
        if orders {
            self.orders_due.notify_one();
        }
        self.told();
    }

    fn silence(&self, error: &CarrierError) {
        let grace = Duration::from_secs(u64::from(self.config.grace_secs));
        let too_long = self.link().failed(error, grace);
        if too_long {
            tracing::warn!(cluster = %self.name, %error, "the cluster does not answer");
            let mut table = self.table();
            table.reachable_again = false;
            table.tell(Observed::Unreachable);
            drop(table);
            self.told();
        }
    }

    /// Waits until the queue has been seen once since the start; false when it is not seen in time.
    pub(super) async fn has_looked(&self, wait: Duration) -> bool {
        let mut looks = self.looks.subscribe();
        tokio::time::timeout(wait, looks.wait_for(|looks| *looks > 0)).await.is_ok_and(|seen| seen.is_ok())
    }
}
