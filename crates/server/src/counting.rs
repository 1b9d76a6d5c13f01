//! What the platform itself sees of storage and traffic, as records of usage: the bytes of tenants' file spaces hour by hour, and the
//! bytes that people sent and fetched. Where the price book has no item for them nothing is billed, and nothing is kept for later.
//! Refuses to know prices.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::{ProjectId, Span, TenantId, Timestamp};
use engine::{Command, Envelope, Report, Reporting, Taken};
use model::Actor;
use rating::Reported;
use rating::tariff::Unit;
use rating::usage::PLATFORM;
use rating::volumes::Pieces;
use tokio::sync::watch;

use crate::app::App;
use crate::driver::Role;
use crate::problem::Failure;

/// Between two looks: what was moved since the last is lost when the server is killed.
const LOOK: Duration = Duration::from_secs(60);
const HOUR: Span = Span::from_hours(1);
/// Hours without a server that are counted afterwards, by what lay in the file space before their ends: a week.
const CATCH_UP: Span = Span::from_hours(7 * 24);

/// Whose bytes.
type Owner = (TenantId, ProjectId);

/// Bytes that were moved since they were last reported.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<BTreeMap<Owner, u64>>);

impl Traffic {
    pub fn add(&self, tenant: TenantId, project: ProjectId, bytes: u64) {
        if bytes > 0 {
            let mut moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = moved.entry((tenant, project)).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    fn take(&self) -> BTreeMap<Owner, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is to be told again as it was, until somebody has answered.
#[derive(Default)]
pub struct State {
    /// Up to where stored bytes are counted; nothing before the first look.
    stored_until: Option<Timestamp>,
    moved_until: Option<Timestamp>,
    /// Traffic that was put into records and not answered for yet.
    pending: Vec<Reported>,
    /// Records of traffic that this process has made.
    made: u64,
}

/// Looks until the server stops, and once more then.
pub async fn run(app: App, role: watch::Receiver<Role>, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Tells the records of this process from those of others.
    let process = app.ids.draw();
    let mut state = State::default();
    loop {
        let stops = tokio::select! {
            _ = stop.changed() => true,
            _ = timer.tick() => false,
        };
        if matches!(&*role.borrow(), Role::Active) {
            if let Err(failure) = state.look(&app, process).await {
                tracing::warn!(%failure, "storage and traffic are not counted now; trying again");
            }
        } else {
            // Whoever takes over counts on from what is booked.
            state.stored_until = None;
        }
        if stops {
            return;
        }
    }
}

impl State {
    /// Reports what was moved since the last look and what lay there in the hours that are over. `process` tells the records of
    /// different servers apart.
    ///
    /// # Errors
    /// Nobody took them: they are told again at the next look.
    pub async fn look(&mut self, app: &App, process: u128) -> Result<(), Failure> {
        self.moved(app, process).await?;
        self.stored(app).await
    }

    async fn moved(&mut self, app: &App, process: u128) -> Result<(), Failure> {
        if self.pending.is_empty() {
            let to = app.clock.now();
            let from = self.moved_until.unwrap_or(to).max(to - HOUR).min(to);
            for ((tenant, project), bytes) in app.traffic.take() {
                self.made += 1;
                let id = format!("moved/{process:032x}/{}", self.made);
                self.pending.push(record(id, (tenant, project), Unit::GibMoved, bytes.into(), (from, to)));
            }
            self.moved_until = Some(to);
        }
        for some in self.pending.chunks(engine::usage::RECORDS_MAX) {
            report(app, some).await?;
        }
        self.pending.clear();
        Ok(())
    }

    /// Each hour that is over, of everything that lay there at its end.
    async fn stored(&mut self, app: &App) -> Result<(), Failure> {
        let hour = full_hour(app.clock.now());
        let begin = match self.stored_until {
            Some(at) => at,
            None => app.store.storage_counted().await?.map_or(hour - HOUR, |at| full_hour(at).max(hour - CATCH_UP)),
        };
        let mut from = begin;
        while from < hour {
            let to = from + HOUR;
            let of = |(tenant, project, bytes): (TenantId, ProjectId, u64)| {
                let id = format!("stored/{project}/{}", from.rfc3339());
                let pieces = u128::from(bytes) * HOUR.as_micros() as u128;
                record(id, (tenant, project), Unit::GibMonth, pieces, (from, to))
            };
            let records: Vec<Reported> = app.store.stored_before(to).await?.into_iter().map(of).collect();
            for some in records.chunks(engine::usage::RECORDS_MAX) {
                report(app, some).await?;
            }
            self.stored_until = Some(to);
            from = to;
        }
        Ok(())
    }
}

fn full_hour(at: Timestamp) -> Timestamp {
    let hour = HOUR.as_micros();
    Timestamp::from_micros(at.as_micros().div_euclid(hour) * hour)
}

fn record(
    id: String,
    (tenant, project): Owner,
    unit: Unit,
    pieces: u128,
    (from, to): (Timestamp, Timestamp),
) -> Reported {
    Reported {
        source: PLATFORM.into(),
        id: id.into(),
        tenant,
        project,
        user: None,
        unit,
        pieces: Pieces(pieces),
        from,
        to,
        line: Default::default(),
        pool: None,
        label: None,
        model: None,
        kind: None,
    }
}

/// Tells the engine; what has no price is not billed.
async fn report(app: &App, records: &[Reported]) -> Result<(), Failure> {
    let keys: Vec<u128> = records.iter().map(Reported::key).collect();
    let known = app.store.usage_known(&keys).await?;
    let command = Command::Usage(Box::new(Reporting { records: records.to_vec(), known }));
    let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
    let Report::Usage { taken } = app.engine.command(envelope).await? else { return Ok(()) };
    for (record, taken) in records.iter().zip(taken) {
        if let Taken::Refused { code, text, .. } = taken
            && code != "no_price"
        {
            tracing::warn!(id = %record.id, %text, "what the platform has counted is not billed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_by_owner_until_they_are_taken() {
        let (traffic, of) = (Traffic::default(), |n| (TenantId::from_u128(n), ProjectId::from_u128(n)));
        for (n, bytes) in [(1, 5), (2, 7), (1, 0), (1, u64::MAX), (3, 0)] {
            let (tenant, project) = of(n);
            traffic.add(tenant, project, bytes);
        }
        assert_eq!(traffic.take(), BTreeMap::from([(of(1), u64::MAX), (of(2), 7)]));
        assert_eq!(traffic.take(), BTreeMap::new());
    }

    #[test]
    fn hours_are_whole_before_and_after_1970() {
        let at = |seconds| full_hour(Timestamp::from_secs(seconds)).as_micros() / 1_000_000;
        assert_eq!([at(0), at(3_599), at(3_600), at(-1)], [0, 0, 3_600, -3_600]);
    }
}
