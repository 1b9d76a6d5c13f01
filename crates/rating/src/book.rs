//! Selling prices: immutable versions with an effective-from time.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Currency, Money, PriceBookId, Resources, Span, Timestamp};
use model::Chip;
use serde::{Deserialize, Serialize};

/// Prices of one pool's resources, per hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    pub core_hour: Money,
    pub gib_hour: Money,
    /// `None`: the pool has no chip, or the chip has no price.
    pub card_hour: Option<Money>,
}

/// Thousandths of a core times microseconds in a core-hour.
const CORE_HOUR: u128 = 1_000 * HOUR;
/// Bytes times microseconds in a GiB-hour.
const GIB_HOUR: u128 = (1 << 30) * HOUR;
/// Microseconds in an hour.
const HOUR: u128 = 3_600_000_000;

impl Rates {
    /// What `granted` costs for `span`, each part rounded down to a micro-unit.
    /// `None` when the amount leaves the range of money, or cards are granted without a price.
    pub fn amount(&self, granted: Resources, span: Span) -> Option<Money> {
        let us = span.as_micros().max(0) as u128;
        let cores = Money::for_quantity(self.core_hour, granted.cpu.0 as u128 * us, CORE_HOUR)?;
        let memory = Money::for_quantity(self.gib_hour, granted.mem.0 as u128 * us, GIB_HOUR)?;
        let cards = match (granted.gpus, self.card_hour) {
            (0, _) => Money::ZERO,
            (n, Some(price)) => Money::for_quantity(price, n as u128 * us, HOUR)?,
            (_, None) => return None,
        };
        cores.checked_add(memory)?.checked_add(cards)
    }
}

/// One immutable version of the selling prices in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceBook {
    pub id: PriceBookId,
    pub name: Arc<str>,
    pub currency: Currency,
    pub effective_from: Timestamp,
    pub core_hour: Money,
    pub gib_hour: Money,
    /// By chip; a pool whose chip is missing here cannot be sold with cards.
    pub card_hour: BTreeMap<Chip, Money>,
}

/// What a price book lacks for a piece of work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error("no price book in {0} is in force")]
    Book(Currency),
    #[error("the price book `{book}` has no card-hour price for `{chip}`")]
    Chip { book: Arc<str>, chip: Chip },
}

impl PriceBook {
    /// The prices for a pool with this chip.
    pub fn rates(&self, chip: Option<&Chip>) -> Rates {
        let card_hour = chip.and_then(|c| self.card_hour.get(c).copied());
        Rates { core_hour: self.core_hour, gib_hour: self.gib_hour, card_hour }
    }
}

/// The version in force at `now` for `currency`: the latest effective-from not after `now`; of equals, the larger id.
pub fn in_force<'a>(
    books: impl IntoIterator<Item = &'a PriceBook>,
    currency: Currency,
    now: Timestamp,
) -> Option<&'a PriceBook> {
    books
        .into_iter()
        .filter(|b| b.currency == currency && b.effective_from <= now)
        .max_by_key(|b| (b.effective_from, b.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Bytes;

    fn rates() -> Rates {
        Rates { core_hour: Money(100_000), gib_hour: Money(10_000), card_hour: Some(Money::from_units(6)) }
    }

    #[test]
    fn an_hour_costs_the_hourly_prices() {
        let granted = Resources::new(4, Bytes::from_gib(16), 2);
        let total = rates().amount(granted, Span::from_hours(1)).unwrap();
        assert_eq!(total, Money(400_000 + 160_000 + 12_000_000));
    }

    #[test]
    fn cards_without_a_price_have_no_amount() {
        let rates = Rates { card_hour: None, ..rates() };
        assert_eq!(rates.amount(Resources::new(1, Bytes(0), 1), Span::from_secs(1)), None);
        assert!(rates.amount(Resources::new(1, Bytes(0), 0), Span::from_secs(1)).is_some());
    }

    #[test]
    fn the_latest_version_in_force_counts() {
        let book = |n: u128, from| PriceBook {
            id: PriceBookId::from_u128(n),
            name: "b".into(),
            currency: Currency::CNY,
            effective_from: Timestamp::from_secs(from),
            core_hour: Money(n as i64),
            gib_hour: Money(0),
            card_hour: BTreeMap::new(),
        };
        let books = [book(1, 0), book(2, 100), book(3, 200)];
        let at = |s| in_force(&books, Currency::CNY, Timestamp::from_secs(s)).map(|b| b.id.as_u128());
        assert_eq!((at(-1), at(50), at(100), at(500)), (None, Some(1), Some(2), Some(3)));
        assert!(in_force(&books, Currency::USD, Timestamp::from_secs(500)).is_none());
    }
}
