//! Drawing: running time that a commitment covers is not priced by its part of the tariff but by the worth of what it draws.
//! Covered time counts for that part as if the run had stood still, so that the sum over any number of intervals is exact.
//! Refuses to know who may draw how much: that is told with each billing.

use base::{Money, Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::period::{Period, PeriodKey};
use crate::charge::Meter;
use crate::tariff::{Part, Price};
use crate::volumes::Volumes;

/// A line of a contract that covers a part of a run's tariff. Fixed when the run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// Place in the tariff's parts.
    pub part: u16,
    pub contract: u64,
    pub line: u8,
}

/// A stretch of a run that was covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    pub part: u16,
    pub of: PeriodKey,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What an interval drew, or with negative numbers gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    pub of: PeriodKey,
    /// Smallest pieces of the line's unit.
    #[serde(with = "as_text")]
    pub pieces: i128,
    pub value: Money,
}

/// As text in documents, since many readers know numbers up to 2⁵³ only.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(pieces: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(pieces)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        std::borrow::Cow::<str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A month of a line as one billing sees it: what this run may draw of it, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub period: Period,
    /// Of the fee, what nobody else was promised.
    free: Money,
    pieces: i128,
    value: Money,
}

impl Allowance {
    pub fn new(period: Period, free: Money) -> Allowance {
        Allowance { period, free, pieces: 0, value: Money::ZERO }
    }

    fn may(&self) -> u128 {
        if self.period.closed.is_some() {
            return 0;
        }
        self.period.left().min(self.period.pieces_for(self.free))
    }

    fn take(&mut self, pieces: u128) -> Money {
        let value = self.period.take(pieces);
        self.free = self.free - value;
        self.note(pieces as i128, value)
    }

    fn give(&mut self, pieces: u128) -> Money {
        let value = self.period.give(pieces);
        self.note(-(pieces as i128), value)
    }

    fn note(&mut self, pieces: i128, value: Money) -> Money {
        self.pieces += pieces;
        self.value += value;
        value
    }

    /// What was drawn of it in all; `None` when nothing was.
    pub fn drawn(&self) -> Option<Drawn> {
        let Allowance { period, pieces, value, .. } = self;
        (*pieces != 0 || *value != Money::ZERO).then_some(Drawn { of: period.key, pieces: *pieces, value: *value })
    }
}

/// What a tenant has had of a book's prices by quantity, and what it may draw of its contracts. What is carried from the month before
/// stands before the month's own.
#[derive(Debug)]
pub struct Counts<'a> {
    pub volumes: &'a mut Volumes,
    pub allowances: &'a mut [Allowance],
}

impl<'a> From<&'a mut Volumes> for Counts<'a> {
    /// Of a tenant without contracts.
    fn from(volumes: &'a mut Volumes) -> Counts<'a> {
        Counts { volumes, allowances: &mut [] }
    }
}

impl Meter {
    /// Pieces a microsecond of a part.
    fn rate(&self, part: &Part) -> u128 {
        self.tariff.pieces(part.unit, self.granted)
    }

    /// How long a part of the run was covered so far.
    pub(crate) fn covered(&self, part: usize) -> Span {
        let of_part = self.draws.iter().filter(|draw| usize::from(draw.part) == part);
        of_part.fold(Span::ZERO, |sum, draw| sum + (draw.to - draw.from))
    }

    /// Of a part whose price follows the hours: its sum over the time that was covered.
    pub(crate) fn covered_sum(&self, at: usize, part: &Part) -> u128 {
        let Price::Week(week) = &part.price else { return 0 };
        let of_part = self.draws.iter().filter(|draw| usize::from(draw.part) == at);
        of_part.map(|draw| week.sum(draw.from, draw.to)).sum()
    }

    /// Draws for the time between two moments in which the run did not stand still; what that is worth.
    pub(crate) fn draw(&mut self, from: Timestamp, to: Timestamp, allowances: &mut [Allowance]) -> Money {
        if self.covers.is_empty() || self.waived {
            return Money::ZERO;
        }
        let tariff = self.tariff.clone();
        let parts = (0u16..).zip(&tariff.parts);
        parts.fold(Money::ZERO, |sum, (at, part)| sum + self.draw_part(at, self.rate(part), (from, to), allowances))
    }

    fn draw_part(
        &mut self,
        part: u16,
        rate: u128,
        (from, to): (Timestamp, Timestamp),
        allowances: &mut [Allowance],
    ) -> Money {
        let lines: Vec<(u64, u8)> =
            self.covers.iter().filter(|c| c.part == part).map(|c| (c.contract, c.line)).collect();
        let (mut cursor, mut worth) = (from, Money::ZERO);
        while rate > 0 && cursor < to {
            let here = |a: &Allowance| a.period.from <= cursor && cursor < a.period.to && a.may() >= rate;
            let of = |a: &Allowance, line: &(u64, u8)| (a.period.key.contract, a.period.key.line) == *line;
            let next = lines.iter().find_map(|line| allowances.iter().position(|a| of(a, line) && here(a)));
            let Some(at) = next else {
                // Nothing is left at this moment; perhaps of a month that begins later.
                let later = allowances.iter().map(|a| a.period.from).filter(|begins| *begins > cursor && *begins < to);
                let Some(begins) = later.min() else { break };
                cursor = begins;
                continue;
            };
            let allowance = &mut allowances[at];
            let most = i64::try_from(allowance.may() / rate).unwrap_or(i64::MAX);
            let until = to.min(allowance.period.to);
            let span = Span::from_micros(most.min((until - cursor).as_micros()));
            worth += allowance.take(span.as_micros() as u128 * rate);
            let draw = Draw { part, of: allowance.period.key, from: cursor, to: cursor + span };
            cursor = cursor + span;
            match self.draws.iter_mut().rev().find(|d| (d.part, d.of, d.to) == (part, draw.of, draw.from)) {
                Some(before) => before.to = draw.to,
                None => self.draws.push(draw),
            }
        }
        worth
    }

    /// Gives back what was drawn for the time from a moment on; what that is worth, below zero.
    pub(crate) fn undraw(&mut self, from: Timestamp, allowances: &mut [Allowance]) -> Money {
        let (mut worth, tariff) = (Money::ZERO, self.tariff.clone());
        let granted = self.granted;
        for draw in self.draws.iter_mut().filter(|draw| draw.to > from) {
            let rate = tariff.parts.get(usize::from(draw.part)).map_or(0, |p| tariff.pieces(p.unit, granted));
            let begins = draw.from.max(from);
            let pieces = (draw.to - begins).as_micros() as u128 * rate;
            if let Some(allowance) = allowances.iter_mut().find(|a| a.period.key == draw.of) {
                worth += allowance.give(pieces);
            }
            draw.to = begins;
        }
        self.draws.retain(|draw| draw.to > draw.from);
        worth
    }

    /// What would be drawn for the next `span`, and what the rest of it costs at most.
    pub fn ahead_drawing(&self, span: Span, volumes: &Volumes, mut allowances: Vec<Allowance>) -> (Vec<Drawn>, Money) {
        if self.covers.is_empty() || self.waived {
            return (Vec::new(), self.ahead(span, volumes));
        }
        let mut meter = self.clone();
        let worth = meter.draw(self.metered_until, self.metered_until + span, &mut allowances);
        meter.charged += worth;
        meter.by_contract += worth;
        (allowances.iter().filter_map(Allowance::drawn).collect(), meter.ahead(span, volumes))
    }
}
