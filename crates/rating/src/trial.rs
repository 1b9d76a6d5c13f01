//! A book tried on metered work and on usage: what it would have charged for the stretches and the records of a period, with the
//! meter and the function that bill for real.
//! Refuses to know where stretches are stored, and holds one run at a time beside a row for each tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Money, TenantId, Timestamp};

use crate::book::{Missing, PriceBook, Sale};
use crate::charge::{Interval, Meter};
use crate::tariff::Part;
use crate::usage::{self, Usage};
use crate::volumes::Volumes;

/// What a tenant was charged, and would have been.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tried {
    pub runs: u64,
    /// Runs for which the book has no price.
    pub unpriced: u64,
    /// Records of storage, traffic, requests and tokens.
    pub records: u64,
    /// Those for which the book has no price.
    pub records_unpriced: u64,
    pub usage_charged: Money,
    pub usage_tried: Money,
    /// With usage.
    pub charged: Money,
    pub tried: Money,
}

impl Tried {
    /// Of several tenants together.
    #[must_use]
    pub fn and(&self, other: &Tried) -> Tried {
        Tried {
            runs: self.runs + other.runs,
            unpriced: self.unpriced + other.unpriced,
            records: self.records + other.records,
            records_unpriced: self.records_unpriced + other.records_unpriced,
            usage_charged: self.usage_charged + other.usage_charged,
            usage_tried: self.usage_tried + other.usage_tried,
            charged: self.charged + other.charged,
            tried: self.tried + other.tried,
        }
    }
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

    /// A record that began within the period, in the order of booking. `sale` as of [`crate::usage::Reported::sale`]; `None`: where it
    /// was used is not known any more. What contracts included stays included.
    pub fn take_usage(&mut self, tenant: TenantId, sale: Option<&Sale>, usage: &Usage) {
        let part = sale.map(|sale| self.book.part(usage.of.unit, sale));
        if let Some(Err(missing)) = &part {
            self.note_missing(missing);
        }
        let (row, volumes) = self.tenants.entry(tenant).or_default();
        let pieces = usage.of.pieces.0 - usage.included().min(usage.of.pieces.0);
        let charge = |part: Part| usage::charge(&part, volumes, self.book.utc_offset, usage.of.from, pieces);
        let tried = part.and_then(Result::ok).and_then(charge);
        row.records += 1;
        row.records_unpriced += u64::from(tried.is_none());
        let tried = tried.unwrap_or(Money::ZERO);
        row.usage_charged += usage.charge;
        row.usage_tried += tried;
        row.charged += usage.charge;
        row.tried += tried;
    }

    fn note_missing(&mut self, missing: &Missing) {
        let said = missing.to_string();
        if self.missing.len() < MISSING_TOLD && !self.missing.contains(&said) {
            self.missing.push(said);
        }
    }

    fn begin(&mut self, sale: Option<&Sale>, interval: &Interval) -> Run {
        let tariff = sale.map(|sale| self.book.tariff(sale));
        if let Some(Err(missing)) = &tariff {
            self.note_missing(missing);
        }
        let tariff = tariff.and_then(Result::ok);
        let begins = interval.run.unwrap_or(interval.from).min(interval.from);
        let priced = tariff.is_some();
        let tariff = Arc::new(tariff.unwrap_or_default());
        let meter = Meter::begun(interval.attempt, self.book.id, tariff, interval.granted, begins);
        Run { meter, priced, counts: false }
    }

    /// What each tenant was charged and would have been, and examples of what the book lacks. Tenants without a run or a record in
    /// the period are left out.
    pub fn finish(self) -> (BTreeMap<TenantId, Tried>, Vec<String>) {
        let rows = self.tenants.into_iter().map(|(tenant, (row, _))| (tenant, row));
        (rows.filter(|(_, row)| row.runs + row.records > 0).collect(), self.missing)
    }
}

/// Of stretches that do not say of which run they are, all of one attempt are one.
fn is_same(meter: &Meter, interval: &Interval) -> bool {
    meter.attempt == interval.attempt && interval.run.is_none_or(|run| run == meter.started_at)
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
