//! One month of one commitment: what it is worth, what was drawn of it, and its end.

use base::{Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::terms::{INCLUDED_LINES, Unused};
use crate::volumes::Pieces;

/// A month of one line of a contract. In order: what was carried comes after the month's own of the same number, so drawing sorts
/// by itself, see [`super::Allowance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeriodKey {
    pub contract: u64,
    /// 0: the contract's own fee; from 1 its commitments; from [`super::INCLUDED_LINES`] what is included.
    pub line: u8,
    /// From 0.
    pub month: u16,
    /// What the month before left, to be used in this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carried: bool,
}

impl PeriodKey {
    /// All of it in one number.
    pub const fn packed(self) -> u128 {
        (self.contract as u128) << 32 | (self.line as u128) << 24 | (self.month as u128) << 1 | self.carried as u128
    }
}

/// How a month ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    pub at: Timestamp,
    /// Of the fee, what nobody drew and was earned then.
    pub lapsed: Money,
    /// Of the fee, what went into the next month.
    pub carried: Money,
}

/// What a month of a line has to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub key: PeriodKey,
    pub from: Timestamp,
    /// Without this moment.
    pub to: Timestamp,
    /// The fee for all of it.
    pub value: Money,
    /// What can be drawn, in smallest pieces of the line's unit; none of the contract's own fee.
    pub pieces: Pieces,
    pub drawn: Pieces,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
}

impl Period {
    /// The part of the fee that so many pieces have earned, rounded down once: over all pieces it is the whole fee.
    fn worth(&self, drawn: u128) -> Money {
        if self.pieces.0 == 0 {
            return Money::ZERO;
        }
        let value = self.value.0.max(0) as u128;
        match value.checked_mul(drawn.min(self.pieces.0)) {
            Some(product) => Money(i64::try_from(product / self.pieces.0).unwrap_or(i64::MAX)),
            // Unreachable by the bounds of terms.
            None => self.value,
        }
    }

    pub fn earned(&self) -> Money {
        self.worth(self.drawn.0)
    }

    /// The worth of `pieces` that are not drawn yet, rounded down.
    pub fn value_of(&self, pieces: u128) -> Money {
        self.worth(pieces)
    }

    /// How many pieces an amount of the fee stands for, rounded down.
    pub fn pieces_for(&self, value: Money) -> u128 {
        let (value, all) = (value.0.max(0) as u128, self.value.0.max(0) as u128);
        if all == 0 {
            return 0;
        }
        value.checked_mul(self.pieces.0).map_or(0, |product| product / all).min(self.pieces.0)
    }

    /// Of what the contract's own fee includes: it has no fee of its own, and what is drawn of it moves no money.
    pub const fn is_included(&self) -> bool {
        self.key.line >= INCLUDED_LINES
    }

    /// Draws as much of so many pieces as is left; how many these are. Of what is included.
    pub fn draw(&mut self, wanted: u128) -> u128 {
        let pieces = wanted.min(self.left());
        self.drawn.0 += pieces;
        pieces
    }

    pub fn left(&self) -> u128 {
        self.pieces.0.saturating_sub(self.drawn.0)
    }

    /// Counts `more` as drawn; what they earn in their place.
    pub(super) fn take(&mut self, more: u128) -> Money {
        let before = self.earned();
        self.drawn.0 = (self.drawn.0 + more).min(self.pieces.0);
        self.earned() - before
    }

    /// Counts `fewer` as drawn; what they had earned, below zero.
    pub(super) fn give(&mut self, fewer: u128) -> Money {
        let before = self.earned();
        self.drawn.0 = self.drawn.0.saturating_sub(fewer);
        self.earned() - before
    }

    /// Ends the month. Where what is left goes into the next month, which is `next`, that is given: the pieces that nobody drew and
    /// what they are worth.
    pub fn close(&mut self, at: Timestamp, unused: Unused, next: Option<(Timestamp, Timestamp)>) -> Option<Period> {
        let rest = self.value - self.earned();
        let worth_carrying = rest > Money::ZERO || self.is_included();
        let carries = unused == Unused::Carry && !self.key.carried && self.left() > 0 && worth_carrying;
        let Some((from, to)) = next.filter(|_| carries) else {
            self.closed = Some(Closing { at, lapsed: rest, carried: Money::ZERO });
            return None;
        };
        self.closed = Some(Closing { at, lapsed: Money::ZERO, carried: rest });
        let key = PeriodKey { month: self.key.month + 1, carried: true, ..self.key };
        let (value, pieces) = (rest, Pieces(self.left()));
        Some(Period { key, from, to, value, pieces, drawn: Pieces(0), closed: None })
    }
}
