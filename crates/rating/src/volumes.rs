//! How much of each item a tenant has had in each calendar month, for prices that follow the month's quantity: the price of what is
//! added is the price of all with it less the price of all without it, so that a month adds up to the price of its quantity.
//! Knows one tenant and one book; refuses to know where counts are stored.

use std::fmt;
use std::str::FromStr;

use base::Money;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tariff::price::Volume;
use crate::tariff::{Month, Unit};

/// A number of smallest pieces; as text in documents, since many readers know numbers up to 2⁵³ only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Pieces(pub u128);

impl fmt::Display for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for Pieces {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Pieces, Self::Err> {
        text.parse().map(Pieces)
    }
}
impl Serialize for Pieces {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Of one item in one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Place of the item in its book, from 0.
    pub item: u16,
    pub month: Month,
    /// Of usage at a price that does not follow the quantity: pieces times micro-units of their price.
    pub pieces: Pieces,
}

/// All counts of a tenant under one book, in order of item and month. Few: a book has a handful of such items, a year twelve months.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Volumes(Vec<Count>);

impl Volumes {
    pub fn counts(&self) -> &[Count] {
        &self.0
    }

    pub fn of(&self, item: u16, month: Month) -> u128 {
        let found = self.0.binary_search_by_key(&(item, month), |count| (count.item, count.month));
        found.map_or(0, |at| self.0[at].pieces.0)
    }

    fn at(&mut self, item: u16, month: Month) -> &mut u128 {
        let found = self.0.binary_search_by_key(&(item, month), |count| (count.item, count.month));
        let at = found.unwrap_or_else(|at| {
            self.0.insert(at, Count { item, month, pieces: Pieces(0) });
            at
        });
        &mut self.0[at].pieces.0
    }

    /// Counts `more` and says what they cost in their place. `None`, and nothing is counted, beyond the range of money.
    pub fn add(&mut self, item: u16, month: Month, unit: Unit, price: &Volume, more: u128) -> Option<Money> {
        let count = self.at(item, month);
        let after = count.checked_add(more)?;
        let charge = price.graduated(unit, after)?.checked_sub(price.graduated(unit, *count)?)?;
        *count = after;
        Some(charge)
    }

    /// Counts pieces times their price, where the price does not follow the quantity, and says what they come to: what a month's worth
    /// comes to, rounded down once, less what it came to before. `None`, and nothing is counted, beyond the range of money.
    pub fn add_worth(&mut self, item: u16, month: Month, unit: Unit, worth: u128) -> Option<Money> {
        let amount = |worth: u128| i64::try_from(worth / unit.pieces()).ok().map(Money);
        let count = self.at(item, month);
        let after = count.checked_add(worth)?;
        let charge = amount(after)?.checked_sub(amount(*count)?)?;
        *count = after;
        Some(charge)
    }

    /// Takes `fewer` out again and says what is given back for them, below zero: what the month costs less without them.
    pub fn take(&mut self, item: u16, month: Month, unit: Unit, price: &Volume, fewer: u128) -> Option<Money> {
        let count = self.at(item, month);
        let after = count.saturating_sub(fewer);
        let charge = price.graduated(unit, after)?.checked_sub(price.graduated(unit, *count)?)?;
        *count = after;
        Some(charge)
    }
}
