//! A book tried on metered work: what it would have charged for the stretches of a period, with the meter that bills for real.
//! Refuses to know where stretches are stored, and holds one run at a time beside a row for each tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Money, TenantId, Timestamp};

use crate::book::{PriceBook, Sale};
use crate::charge::{Interval, Meter};
use crate::volumes::Volumes;

/// What a tenant was charged, and would have been.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tried {
    pub runs: u64,
    /// Runs for which the book has no price.
    pub unpriced: u64,
    pub charged: Money,
    pub tried: Money,
}

/// Examples of what is missing that are told.
const MISSING_TOLD: usize = 10;

/// Stretches go in grouped by attempt, each in the order of its numbers, from the attempt's first one on.
#[derive(Debug)]
pub struct Trial<'a> {
    book: &'a PriceBook,
    from: Timestamp,
    to: Timestamp,
    tenants: BTreeMap<TenantId, (Tried, Volumes)>,
    missing: Vec<String>,
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    meter: Meter,
    priced: bool,
    /// Some of it lies within the period.
    counts: bool,
}

impl Trial<'_> {
    /// A stretch belongs to the period when it ends after `from` and not after `to`.
    pub fn new(book: &PriceBook, from: Timestamp, to: Timestamp) -> Trial<'_> {
        Trial { book, from, to, tenants: BTreeMap::new(), missing: Vec::new(), run: None }
    }

    fn within(&self, end: Timestamp) -> bool {
        self.from < end && end <= self.to
    }

    /// The next stretch, and who had it. `None`: what the work was is not known any more.
    pub fn take(&mut self, tenant: TenantId, sale: Option<&Sale>, interval: &Interval) {
        let mut run = match self.run.take() {
            Some(run) if is_same(&run.meter, interval) => run,
            _ => self.begin(sale, interval),
        };
        let meter = &mut run.meter;
        let (_, volumes) = self.tenants.entry(tenant).or_default();
        let mut deltas: Vec<(Timestamp, Money)> = Vec::new();
        let mut note = |done: Option<Interval>| deltas.extend(done.map(|i| (i.to, i.charge)));
        // Nobody was billed for it any more.
        if interval.run.is_some() && interval.book.is_none() && !meter.waived {
            note(meter.waive(&mut *volumes).map(|back| Interval { to: interval.to, ..back }));
        }
        if interval.from < meter.metered_until {
            note(meter.retract(interval.from, &mut *volumes));
        } else {
            let stands_since = meter.metered_until;
            if interval.from > stands_since {
                meter.pause(stands_since);
                meter.resume(interval.from);
            }
            while let Some(end) = meter.month_end(interval.to) {
                note(meter.advance(end, &mut *volumes));
            }
            note(meter.advance(interval.to, &mut *volumes));
        }
        let tried: Money = deltas.into_iter().filter(|(end, _)| self.within(*end)).map(|(_, charge)| charge).sum();
        let within = self.within(interval.to);
        let (row, _) = self.tenants.entry(tenant).or_default();
        row.tried += tried;
        if within {
            row.charged += interval.charge;
            if !std::mem::replace(&mut run.counts, true) {
                row.runs += 1;
                row.unpriced += u64::from(!run.priced);
            }
        }
        self.run = Some(run);
    }

    fn begin(&mut self, sale: Option<&Sale>, interval: &Interval) -> Run {
        let tariff = sale.map(|sale| self.book.tariff(sale));
        if let Some(Err(missing)) = &tariff {
            let said = missing.to_string();
            if self.missing.len() < MISSING_TOLD && !self.missing.contains(&said) {
                self.missing.push(said);
            }
        }
        let tariff = tariff.and_then(Result::ok);
        let begins = interval.run.unwrap_or(interval.from).min(interval.from);
        let priced = tariff.is_some();
        let tariff = Arc::new(tariff.unwrap_or_default());
        let meter = Meter::begun(interval.attempt, self.book.id, tariff, interval.granted, begins);
        Run { meter, priced, counts: false }
    }

    /// What each tenant was charged and would have been, and examples of what the book lacks. Tenants without a run in the period
    /// are left out.
    pub fn finish(self) -> (BTreeMap<TenantId, Tried>, Vec<String>) {
        let rows = self.tenants.into_iter().map(|(tenant, (row, _))| (tenant, row));
        (rows.filter(|(_, row)| row.runs > 0).collect(), self.missing)
    }
}

/// Of stretches that do not say of which run they are, all of one attempt are one.
fn is_same(meter: &Meter, interval: &Interval) -> bool {
    meter.attempt == interval.attempt && interval.run.is_none_or(|run| run == meter.started_at)
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
