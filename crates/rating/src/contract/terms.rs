//! The terms of a contract and its months. Knows what makes terms senseless; refuses to know what was drawn.

use std::sync::Arc;

use base::{Currency, Money, TenantId, Timestamp};
use model::ContractTier;
use serde::{Deserialize, Serialize};

use super::period::{Period, PeriodKey};
use crate::tariff::{Month, Selector, Unit, UtcOffset};
use crate::volumes::Pieces;

/// How much is committed in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// So many cores, cards or nodes at all times.
    Held(u32),
    /// So many hours of one core, card or node in a whole month.
    Hours(u64),
}

/// One thing that is committed, with its part of the month's fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// Of running work. It covers what a price book prices by this unit.
    pub unit: Unit,
    /// For which work; a tenant is never named.
    #[serde(default)]
    pub of: Selector,
    pub quantity: Quantity,
    /// For a whole month; above zero, since by it what is drawn has its worth.
    pub fee: Money,
    /// For one unit beyond the commitment, instead of the price book's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overage: Option<Money>,
}

/// What the contract's own fee includes beside running work, in a whole month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Included {
    pub unit: Unit,
    pub quantity: u64,
}

/// What becomes of a commitment that was not used when its month is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unused {
    /// It is lost, and its part of the fee is earned.
    #[default]
    Lapse,
    /// It can be used in the next month of the contract, before that month's own, and then is lost.
    Carry,
}

impl Unused {
    pub const ALL: [Unused; 2] = [Unused::Lapse, Unused::Carry];

    pub const fn as_str(self) -> &'static str {
        match self {
            Unused::Lapse => "lapse",
            Unused::Carry => "carry",
        }
    }
    pub fn parse(text: &str) -> Option<Unused> {
        Unused::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// What was agreed on; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub name: Arc<str>,
    pub currency: Currency,
    /// Whose placement the tenant's work has while the contract is in force.
    pub tier: ContractTier,
    pub from: Timestamp,
    /// Without this moment.
    pub to: Timestamp,
    /// In which the months of the calendar are told.
    pub utc_offset: UtcOffset,
    /// A month's, for what is included and for being there; earned at the month's end.
    pub fee: Money,
    pub commitments: Vec<Commitment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included: Vec<Included>,
    pub unused: Unused,
    /// Of the fees of months that have not begun, what an early end costs: millionths.
    pub early_end: u32,
}

/// Where a contract stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Agreed on; in force from its beginning to its end.
    Signed,
    /// Its time is over and its months are closed.
    Over,
}

/// A tenant's contract, by our number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    pub number: u64,
    pub tenant: TenantId,
    pub terms: Terms,
    pub signed_at: Timestamp,
    pub state: State,
    /// When it was broken off: the month that had begun then is its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_off: Option<Timestamp>,
    /// When it is over: the terms' `to`, or the end of the month in which it was broken off.
    pub to: Timestamp,
    /// How many of its months have begun or were passed over.
    pub begun: u16,
    /// The fee of the next month could not be taken so far: since when it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaid_since: Option<Timestamp>,
}

/// Commitments of one contract; 50 kinds of chip are more than anybody sells.
pub const COMMITMENTS_MAX: usize = 50;
/// Lines of what is included are numbered from here on, those of commitments below.
pub const INCLUDED_LINES: u8 = 100;
/// Months of one contract.
pub const MONTHS_MAX: u16 = 240;
const MILLION: u32 = 1_000_000;

/// Why terms are none. Numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsFault {
    #[error("the contract has neither a fee nor a commitment")]
    Empty,
    #[error("it has {0} commitments or inclusions; {COMMITMENTS_MAX} is the most")]
    TooMany(usize),
    #[error("its end is not after its beginning")]
    NoTime,
    #[error("it goes on for more than {MONTHS_MAX} months")]
    TooLong,
    #[error("its fee is negative, or so large that the sum of its fees leaves the range of money")]
    Fee,
    #[error("the fee for an early end is more than the whole of what is left")]
    EarlyEnd,
    #[error("commitment {0}: its fee must be above zero, since by it what is drawn has its worth")]
    FreeCommitment(usize),
    #[error("commitment {0}: nothing is committed, or more than 10,000,000,000 hours")]
    Quantity(usize),
    #[error("commitment {0}: {1} is not billed by running time; say it under `include`")]
    Untimed(usize, Unit),
    #[error("commitment {0}: memory is not committed by itself; commit cores, cards or nodes")]
    Memory(usize),
    #[error("commitment {0}: a contract has one tenant; leave `tenant` out")]
    Tenant(usize),
    #[error("commitment {0}: the price beyond it is negative")]
    Overage(usize),
    #[error("commitments {0} and {1} are for the same work")]
    Twice(usize, usize),
    #[error("inclusion {0}: {1} is running work; say it under `commit`")]
    TimedIncluded(usize, Unit),
    #[error("inclusion {0}: nothing is included, or more than 10,000,000,000 units")]
    IncludedQuantity(usize),
}

/// Hours of a month that a commitment may have, and with them the products of pieces and fees stay in 128 bits.
const HOURS_MAX: u64 = 10_000_000_000;
/// The sum of all fees stays below a thousandth of the range of money.
const FEES_MAX: i128 = i64::MAX as i128 / 1_000;

impl Terms {
    /// The first reason why these are none.
    pub fn fault(&self) -> Option<TermsFault> {
        let count = self.commitments.len().max(self.included.len());
        match () {
            () if self.fee == Money::ZERO && self.commitments.is_empty() => return Some(TermsFault::Empty),
            () if count > COMMITMENTS_MAX => return Some(TermsFault::TooMany(count)),
            () if self.to <= self.from => return Some(TermsFault::NoTime),
            () if self.month(MONTHS_MAX).is_some() => return Some(TermsFault::TooLong),
            () if self.fee.is_negative() => return Some(TermsFault::Fee),
            () if self.early_end > MILLION => return Some(TermsFault::EarlyEnd),
            () => {}
        }
        if let Some(fault) = (1..).zip(&self.commitments).find_map(|(n, c)| c.fault(n)) {
            return Some(fault);
        }
        let monthly = self.commitments.iter().map(|c| i128::from(c.fee.0)).sum::<i128>() + i128::from(self.fee.0);
        if monthly * i128::from(MONTHS_MAX) > FEES_MAX {
            return Some(TermsFault::Fee);
        }
        let included = |(n, i): (usize, &Included)| match () {
            () if i.unit.is_timed() => Some(TermsFault::TimedIncluded(n, i.unit)),
            () if i.quantity == 0 || i.quantity > HOURS_MAX => Some(TermsFault::IncludedQuantity(n)),
            () => None,
        };
        (1..).zip(&self.included).find_map(included).or_else(|| self.twice())
    }

    fn twice(&self) -> Option<TermsFault> {
        let mut seen = std::collections::BTreeMap::new();
        (1..).zip(&self.commitments).find_map(|(n, c)| {
            let first = seen.insert((c.unit, &c.of), n)?;
            Some(TermsFault::Twice(first, n))
        })
    }

    /// From when to when its n-th month goes, from 0; the first and the last may be parts of months. `None` beyond its end.
    pub fn month(&self, n: u16) -> Option<(Timestamp, Timestamp)> {
        let month = self.calendar_month(n);
        let (begins, ends) = (self.utc_offset.start_of(month), self.utc_offset.start_of(month.next()));
        let (from, to) = (begins.max(self.from), ends.min(self.to));
        (from < to).then_some((from, to))
    }

    /// The month of the calendar in which its n-th lies.
    pub fn calendar_month(&self, n: u16) -> Month {
        self.utc_offset.month_of(self.from).plus(i32::from(n))
    }

    /// So much of an amount for a whole month as its n-th is of one, rounded down.
    fn part_of_month(&self, n: u16, whole: u128) -> u128 {
        let Some((from, to)) = self.month(n) else { return 0 };
        let month = self.calendar_month(n);
        let length = self.utc_offset.start_of(month.next()) - self.utc_offset.start_of(month);
        let micros = |span: base::Span| span.as_micros().max(0) as u128;
        if micros(to - from) == micros(length) {
            return whole;
        }
        // whole × part ÷ length, in two steps, since a month of stored bytes times its microseconds leaves 128 bits.
        let (part, length) = (micros(to - from), micros(length).max(1));
        whole / length * part + whole % length * part / length
    }

    fn fee_of(&self, n: u16, fee: Money) -> Money {
        let part = self.part_of_month(n, fee.0.max(0) as u128);
        Money(i64::try_from(part).unwrap_or(i64::MAX))
    }

    /// All fees of its n-th month, each rounded down to a micro-unit where it is part of a month.
    pub fn fees_of(&self, n: u16) -> Money {
        let commitments = self.commitments.iter().map(|c| self.fee_of(n, c.fee));
        commitments.fold(self.fee_of(n, self.fee), |sum, fee| sum + fee)
    }

    /// What an early end costs when the first `begun` months have begun, rounded down once.
    pub fn early_fee(&self, begun: u16) -> Money {
        let left: i128 = (begun..).map_while(|n| self.month(n).map(|_| i128::from(self.fees_of(n).0))).sum::<i128>();
        Money(i64::try_from(left * i128::from(self.early_end) / i128::from(MILLION)).unwrap_or(i64::MAX))
    }
}

impl Commitment {
    fn fault(&self, n: usize) -> Option<TermsFault> {
        let hours = match self.quantity {
            Quantity::Held(many) => u64::from(many) * 24 * 31,
            Quantity::Hours(hours) => hours,
        };
        match () {
            () if self.fee <= Money::ZERO => Some(TermsFault::FreeCommitment(n)),
            () if hours == 0 || hours > HOURS_MAX => Some(TermsFault::Quantity(n)),
            () if !self.unit.is_timed() => Some(TermsFault::Untimed(n, self.unit)),
            () if self.unit == Unit::GibHour => Some(TermsFault::Memory(n)),
            () if self.of.tenant.is_some() => Some(TermsFault::Tenant(n)),
            () if self.overage.is_some_and(Money::is_negative) => Some(TermsFault::Overage(n)),
            () => None,
        }
    }
}

impl Contract {
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.terms.from <= now && now < self.to
    }

    /// The line of a commitment in the keys of its periods: 0 is the contract's own fee.
    pub fn commitment(&self, line: u8) -> Option<&Commitment> {
        self.terms.commitments.get(usize::from(line).checked_sub(1)?)
    }

    /// What is included, by its line: free of charge, since the contract's own fee is for it.
    pub fn included(&self, line: u8) -> Option<&Included> {
        self.terms.included.get(usize::from(line.checked_sub(INCLUDED_LINES)?))
    }

    /// What its n-th month has to give, line by line, with the fees that are taken for it; commitments without a fee are left out.
    pub fn open(&self, n: u16) -> Vec<Period> {
        let Some((from, to)) = self.terms.month(n).filter(|(from, _)| *from < self.to) else { return Vec::new() };
        let terms = &self.terms;
        let period = |line: u8, value: Money, pieces: u128| Period {
            key: PeriodKey { contract: self.number, line, month: n, carried: false },
            from,
            to,
            value,
            pieces: Pieces(pieces),
            drawn: Pieces(0),
            closed: None,
        };
        let own = period(0, terms.fee_of(n, terms.fee), 0);
        let committed = (1u8..).zip(&terms.commitments).map(|(line, c)| {
            let pieces = match c.quantity {
                Quantity::Held(many) => {
                    const HOUR: u128 = 3_600_000_000;
                    u128::from(many) * (c.unit.pieces() / HOUR) * (to - from).as_micros().max(0) as u128
                }
                Quantity::Hours(hours) => terms.part_of_month(n, u128::from(hours) * c.unit.pieces()),
            };
            period(line, terms.fee_of(n, c.fee), pieces)
        });
        let included = (INCLUDED_LINES..).zip(&terms.included).map(|(line, i)| {
            period(line, Money::ZERO, terms.part_of_month(n, u128::from(i.quantity) * i.unit.pieces()))
        });
        std::iter::once(own).chain(committed).filter(|p| p.value > Money::ZERO).chain(included).collect()
    }
}
