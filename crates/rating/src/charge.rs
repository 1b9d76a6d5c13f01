//! The meter of one attempt: what has been billed so far and up to when.
//! Amounts are always computed from the run's start and reduced by what was billed before, so that rounding
//! never drifts: after any number of intervals the sum is the amount for the whole time, rounded once; of prices by the month's
//! quantity, what the tenant's month costs. The meter stands still while the run is suspended, and a waived run costs nothing.

use std::sync::Arc;

use base::{AttemptId, HoldId, Money, PriceBookId, Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::contract::{Allowance, Counts, Cover, Draw, Drawn};
use crate::cost::{CostParts, RunCost};
use crate::grant::{self, Credit, Credits};
use crate::tariff::price::{Ran, Volume};
use crate::tariff::{Month, Part, Price, Tariff};
use crate::volumes::{Count, Pieces, Volumes};

/// Billing state of an attempt that has started; stored, so that each interval is billed once across restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    pub attempt: AttemptId,
    pub hold: HoldId,
    /// The book whose prices were in force at the start; they stay.
    pub book: PriceBookId,
    #[serde(alias = "rates")]
    pub tariff: Arc<Tariff>,
    /// The terms of the pool at the start; they stay.
    pub cost: Option<RunCost>,
    pub granted: Resources,
    /// How many nodes it is on.
    #[serde(default = "one")]
    pub nodes: u32,
    /// Shape of one node, for the cost's share.
    pub node: Resources,
    pub started_at: Timestamp,
    pub metered_until: Timestamp,
    pub intervals: u32,
    pub charged: Money,
    pub costed: CostParts,
    /// Part of `charged` that was written off.
    #[serde(default)]
    pub uncollected: Money,
    /// Set when the wallet could not cover what comes next: the time the job is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<Timestamp>,
    /// How long the run has stood still so far, without the time since `paused_at`.
    #[serde(default, skip_serializing_if = "no_time")]
    pub paused: Span,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// The tenant does not pay for this run: only its cost is counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
    /// Of parts whose price follows the hours, in the order of the tariff's: the sum of their price over `paused`. Empty before the
    /// first pause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stood: Vec<Pieces>,
    /// Of parts whose price follows the month's quantity: what was billed of this run, by item and month in the order of billing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Count>,
    /// Part of `charged` that was priced by the month's quantity.
    #[serde(default, skip_serializing_if = "nothing")]
    pub by_volume: Money,
    /// What of the tenant's contracts covers it, in the order of drawing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<Cover>,
    /// What was covered, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<Draw>,
    /// Part of `charged` that was drawn from contracts.
    #[serde(default, skip_serializing_if = "nothing")]
    pub by_contract: Money,
    /// Parts of `charged` that grants paid, in the order in which they first did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credits: Vec<Credit>,
}

const fn one() -> u32 {
    1
}

fn nothing(amount: &Money) -> bool {
    *amount == Money::ZERO
}
fn no_time(span: &Span) -> bool {
    *span == Span::ZERO
}

/// One billed stretch of time of one attempt; or, with negative amounts, the stretch at its end that was billed before the
/// end became known and is given back; or, with a negative charge alone, a whole run that is not billed after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub attempt: AttemptId,
    /// Starts at 1, dense.
    pub seq: u32,
    pub from: Timestamp,
    pub to: Timestamp,
    pub granted: Resources,
    /// The book by which the tenant is billed; `None` when only the cost is counted, or it was stored before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<PriceBookId>,
    /// When the run began of which it is a stretch; `None` when it was stored before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Timestamp>,
    pub charge: Money,
    /// Part of the charge that neither hold nor wallet could cover; written off.
    pub uncollected: Money,
    /// Parts of the charge that were drawn from the tenant's contracts. No vector, since few intervals have some and all are as wide.
    #[serde(default, skip_serializing_if = "<[Drawn]>::is_empty")]
    pub drawn: Box<[Drawn]>,
    /// Parts of the charge that were paid by grants.
    #[serde(default, skip_serializing_if = "Credits::is_none")]
    pub credits: Credits,
    pub cost: CostParts,
}

impl Interval {
    /// Part of the charge that was drawn from the tenant's contracts; the rest is what the tenant owes for it.
    pub fn drawn_value(&self) -> Money {
        self.drawn.iter().fold(Money::ZERO, |sum, drawn| sum + drawn.value)
    }

    /// Part of the charge that was paid by grants.
    pub fn credited(&self) -> Money {
        self.credits.iter().fold(Money::ZERO, |sum, credit| sum + credit.value)
    }

    /// What of the charge is the tenant's own to pay: neither drawn from contracts nor paid by grants.
    pub fn own_part(&self) -> Money {
        self.charge - self.drawn_value() - self.credited()
    }
}

impl Meter {
    /// A run that has begun and of which nothing is billed: on one node, without cost, under no hold, as its first.
    pub fn begun(
        attempt: AttemptId,
        book: PriceBookId,
        tariff: Arc<Tariff>,
        granted: Resources,
        started_at: Timestamp,
    ) -> Meter {
        Meter {
            attempt,
            hold: HoldId::from_u128(0),
            book,
            tariff,
            cost: None,
            granted,
            nodes: one(),
            node: Resources::ZERO,
            started_at,
            metered_until: started_at,
            intervals: 0,
            charged: Money::ZERO,
            costed: CostParts::default(),
            uncollected: Money::ZERO,
            stop_at: None,
            paused: Span::ZERO,
            paused_at: None,
            waived: false,
            stood: Vec::new(),
            counted: Vec::new(),
            by_volume: Money::ZERO,
            covers: Vec::new(),
            draws: Vec::new(),
            by_contract: Money::ZERO,
            credits: Vec::new(),
        }
    }

    /// Grants have paid so much of the interval that was billed last.
    pub fn credit(&mut self, credits: &[Credit]) {
        grant::add(&mut self.credits, credits);
    }

    /// The bill of the run has become less: what of it goes back to grants, after all that the tenant paid itself.
    pub fn uncredit(&mut self) -> Vec<Credit> {
        let back = grant::beyond(&self.credits, self.charged - self.by_contract - self.uncollected);
        grant::add(&mut self.credits, &back);
        back
    }

    /// Running time from the start to `to`, without the time that it stood still; never less than nothing.
    pub fn worked(&self, to: Timestamp) -> Span {
        let to = self.paused_at.map_or(to, |at| to.min(at));
        (to.since(self.started_at) - self.paused).max(Span::ZERO)
    }

    /// The tenant's amount for the whole run billed up to `to`, but for what is priced by the month's quantity.
    fn owed(&self, to: Timestamp) -> Option<Money> {
        let worked = (to.since(self.started_at) - self.paused).max(Span::ZERO);
        self.tariff.parts.iter().enumerate().try_fold(Money::ZERO, |sum, (at, part)| {
            let stood = self.stood.get(at).map_or(0, |stood| stood.0) + self.covered_sum(at, part);
            let worked = worked - self.covered(at);
            let ran = Ran { from: self.started_at, to, worked, stood };
            sum.checked_add(part.owed(self.tariff.pieces(part.unit, self.granted), ran)?)
        })
    }

    /// What is still to be charged by time, and costed, when the run is billed up to `to`.
    fn rest(&self, to: Timestamp) -> Option<(Money, CostParts)> {
        let whole = if self.waived { Money::ZERO } else { self.owed(to)? };
        let span = (to.since(self.started_at) - self.paused).max(Span::ZERO);
        let cost = match &self.cost {
            Some(cost) => cost.of(self.granted, self.nodes, self.node, span)?.minus(&self.costed),
            None => CostParts::default(),
        };
        Some((whole - self.by_time(), cost))
    }

    /// Part of `charged` that is priced by time alone.
    fn by_time(&self) -> Money {
        self.charged - self.by_volume - self.by_contract
    }

    /// Parts whose price follows the month's quantity, each with the pieces of the run up to `to`.
    fn volumes_at(&self, to: Timestamp) -> impl Iterator<Item = (&Part, &Volume, u128)> {
        let worked = (to.since(self.started_at) - self.paused).max(Span::ZERO);
        self.tariff.parts.iter().enumerate().filter_map(move |(at, part)| {
            let Price::Volume(volume) = &part.price else { return None };
            let worked = worked - self.covered(at);
            let pieces = self.tariff.pieces(part.unit, self.granted);
            Some((part, volume, pieces.saturating_mul(part.billed(worked).as_micros() as u128)))
        })
    }

    fn counted_of(&self, item: u16) -> u128 {
        self.counted.iter().filter(|count| count.item == item).map(|count| count.pieces.0).sum()
    }

    /// Counts what the run has had up to `to` beyond what was counted; the charge for it. A month is that in which `since` lies.
    fn count(&mut self, since: Timestamp, to: Timestamp, volumes: &mut Volumes) -> Option<Money> {
        if self.waived || !self.tariff.has_volume() {
            return Some(Money::ZERO);
        }
        let tariff = self.tariff.clone();
        let run: Vec<u128> = self.volumes_at(to).map(|(.., pieces)| pieces).collect();
        let parts = tariff.parts.iter().filter_map(|part| match &part.price {
            Price::Volume(volume) => Some((part, volume)),
            _ => None,
        });
        let mut charge = Money::ZERO;
        for ((part, volume), pieces) in parts.zip(run) {
            let before = self.counted_of(part.item);
            if pieces >= before {
                let month = volume.offset.month_of(since);
                charge += volumes.add(part.item, month, part.unit, volume, pieces - before)?;
                self.note(part.item, month, pieces - before);
            } else {
                charge += self.uncount(part, volume, before - pieces, volumes)?;
            }
        }
        self.by_volume += charge;
        Some(charge)
    }

    fn note(&mut self, item: u16, month: Month, more: u128) {
        match self.counted.iter_mut().find(|count| (count.item, count.month) == (item, month)) {
            Some(count) => count.pieces.0 += more,
            None => self.counted.push(Count { item, month, pieces: Pieces(more) }),
        }
    }

    /// Takes pieces out of the months in which they were counted, the last month first.
    fn uncount(&mut self, part: &Part, volume: &Volume, fewer: u128, volumes: &mut Volumes) -> Option<Money> {
        let (mut left, mut charge) = (fewer, Money::ZERO);
        for count in self.counted.iter_mut().rev().filter(|count| count.item == part.item) {
            let here = left.min(count.pieces.0);
            charge += volumes.take(part.item, count.month, part.unit, volume, here)?;
            count.pieces.0 -= here;
            left -= here;
        }
        self.counted.retain(|count| count.pieces.0 > 0);
        Some(charge)
    }

    /// The end of the first calendar month, by which some price goes, between where the billing has come and `to`: a stretch that is
    /// billed by the month's quantity is to end there.
    pub fn month_end(&self, to: Timestamp) -> Option<Timestamp> {
        let end = |part: &Part| match &part.price {
            Price::Volume(volume) => Some(volume.offset.start_of(volume.offset.month_of(self.metered_until).next())),
            _ => None,
        };
        self.tariff.parts.iter().filter_map(end).min().filter(|end| *end < to)
    }

    fn stretch(&mut self, from: Timestamp, to: Timestamp, charge: Money, cost: CostParts) -> Interval {
        self.intervals += 1;
        self.charged += charge;
        Interval {
            attempt: self.attempt,
            seq: self.intervals,
            from,
            to,
            granted: self.granted,
            book: (!self.waived).then_some(self.book),
            run: Some(self.started_at),
            charge,
            uncollected: Money::ZERO,
            drawn: Box::default(),
            credits: Credits::default(),
            cost,
        }
    }

    /// Bills from `metered_until` to `to`, or to the moment since which it stands still, and moves on. `None` when that is not
    /// later (a late or repeated observation, a clock that stepped back), or an amount leaves the range of money. `counts` are the
    /// tenant's; nothing is looked up there unless a price follows the month's quantity or a contract covers the run.
    pub fn advance<'a>(&mut self, to: Timestamp, counts: impl Into<Counts<'a>>) -> Option<Interval> {
        let Counts { volumes, allowances } = counts.into();
        let to = self.paused_at.map_or(to, |at| to.min(at));
        if to <= self.metered_until {
            return None;
        }
        let drawn = self.draw(self.metered_until, to, allowances);
        let Some((charge, cost)) = self.rest(to) else {
            self.undraw(self.metered_until, allowances);
            return None;
        };
        let counted = self.count(self.metered_until, to, volumes)?;
        let from = std::mem::replace(&mut self.metered_until, to);
        self.costed = self.costed.plus(&cost);
        self.by_contract += drawn;
        let interval = self.stretch(from, to, charge + counted + drawn, cost);
        Some(Interval { drawn: allowances.iter().filter_map(Allowance::drawn).collect(), ..interval })
    }

    /// Takes back what was billed beyond `to`, when an end becomes known after the time was billed: an interval of
    /// negative amounts from the end to where the billing had come. `None` when nothing lies beyond.
    pub fn retract<'a>(&mut self, to: Timestamp, counts: impl Into<Counts<'a>>) -> Option<Interval> {
        let Counts { volumes, allowances } = counts.into();
        let from = to.max(self.started_at);
        if from >= self.metered_until {
            return None;
        }
        let drawn = self.undraw(from, allowances);
        // A stretch without a length is billed as none, whatever a minimum says.
        let (charge, cost) = self.rest(from)?;
        let counted = self.count(from, from, volumes)?;
        let to = std::mem::replace(&mut self.metered_until, from);
        self.costed = self.costed.plus(&cost);
        let charge = charge + counted;
        let uncollected = self.uncharge(charge);
        self.by_contract += drawn;
        let drawn_of = allowances.iter().filter_map(Allowance::drawn).collect();
        Some(Interval { uncollected, drawn: drawn_of, ..self.stretch(from, to, charge + drawn, cost) })
    }

    /// Of a charge below zero, what was written off before and is not given back.
    fn uncharge(&mut self, charge: Money) -> Money {
        let uncollected = -self.uncollected.min(-charge);
        self.uncollected += uncollected;
        uncollected
    }

    /// The run stands still from `at` on. What was billed beyond is to be taken back with [`Meter::retract`] first.
    pub fn pause(&mut self, at: Timestamp) {
        self.paused_at.get_or_insert(at.max(self.started_at));
    }

    /// The run goes on at `at`: the time since the pause is neither billed nor costed. Nothing when it did not stand still.
    pub fn resume(&mut self, at: Timestamp) {
        if let Some(since) = self.paused_at.take() {
            let at = at.max(since);
            self.paused += at - since;
            self.metered_until = self.metered_until.max(at);
            self.stand(since, at);
        }
    }

    fn stand(&mut self, since: Timestamp, until: Timestamp) {
        let weeks = |part: &Part| match &part.price {
            Price::Week(week) => week.sum(since, until),
            _ => 0,
        };
        if self.tariff.parts.iter().any(|part| matches!(part.price, Price::Week(_))) {
            self.stood.resize(self.tariff.parts.len(), Pieces(0));
            for (stood, part) in self.stood.iter_mut().zip(&self.tariff.parts) {
                stood.0 += weeks(part);
            }
        }
    }

    /// The tenant is not to pay for this run after all: an interval over the whole of it that takes back every charge and no
    /// cost, and from now on costs alone are counted. What was priced by the month's quantity is taken back as the month is cheaper
    /// without it, what was drawn from contracts goes back to them. `None` when nothing was charged.
    pub fn waive<'a>(&mut self, counts: impl Into<Counts<'a>>) -> Option<Interval> {
        let Counts { volumes, allowances } = counts.into();
        let mut charge = -self.by_time();
        let tariff = self.tariff.clone();
        for part in &tariff.parts {
            if let Price::Volume(volume) = &part.price {
                let all = self.counted_of(part.item);
                charge += self.uncount(part, volume, all, volumes).unwrap_or(Money::ZERO);
            }
        }
        let drawn = self.undraw(self.started_at, allowances);
        self.waived = true;
        self.by_contract += drawn;
        // What is left of quantities that had another price when they were taken back stays where it is.
        self.by_volume = self.charged + charge + drawn - self.by_contract;
        let uncollected = self.uncharge(charge);
        if charge == Money::ZERO && drawn == Money::ZERO {
            return None;
        }
        let back = self.stretch(self.started_at, self.metered_until, charge + drawn, CostParts::default());
        Some(Interval { uncollected, drawn: allowances.iter().filter_map(Allowance::drawn).collect(), ..back })
    }

    /// What the run has cost until `to` and is not yet costed; less than nothing when it was costed beyond.
    pub fn cost_ahead(&self, to: Timestamp) -> CostParts {
        let to = self.paused_at.map_or(to, |at| to.min(at));
        self.rest(to).map_or_else(CostParts::default, |(_, cost)| cost)
    }

    /// The most that the next `span` after `metered_until` will cost: exactly what `advance` will charge for it, but for prices by the
    /// month's quantity, of which the dearest counts that may come.
    pub fn ahead(&self, span: Span, volumes: &Volumes) -> Money {
        let to = self.metered_until + span;
        let by_time = self.rest(to).map(|(charge, _)| charge);
        let by_volume = |sum: Money, (part, volume, pieces): (&Part, &Volume, u128)| {
            let more = pieces.saturating_sub(self.counted_of(part.item));
            let had = volumes.of(part.item, volume.offset.month_of(self.metered_until));
            sum.checked_add(Money::for_quantity(volume.most_from(part.unit, had), more, part.unit.pieces())?)
        };
        let counted = match self.waived {
            true => Some(Money::ZERO),
            false => self.volumes_at(to).try_fold(Money::ZERO, by_volume),
        };
        by_time.zip(counted).and_then(|(a, b)| a.checked_add(b)).unwrap_or(Money(i64::MAX / 4))
    }
}

#[cfg(test)]
#[path = "charge_tests.rs"]
mod tests;
