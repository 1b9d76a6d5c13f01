//! How many cards a model service needs, and what a month of it earns: requests to card-hours to cards to money, by plain
//! arithmetic. Refuses to know pools, jobs and what is running.

use base::Money;
use serde::{Deserialize, Serialize};

const MICROS_PER_HOUR: u128 = 3_600_000_000;
/// A month is a twelfth of 365 days, as costs are counted.
const MONTH_HOURS: u128 = 730;
const DAY_HOURS: u128 = 24;
const PERMILLE: u128 = 1_000;

/// What is asked of a service, and of what its cards are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    pub users: u64,
    /// By one user.
    pub requests_per_day: u64,
    /// Of an answer: tokens or characters.
    pub output_length: u64,
    /// Card time for one of them, microseconds.
    pub micros_per_unit: u64,
    /// Of the time of a card, thousandths that work fills: 1 to 1,000.
    pub utilisation_permille: u32,
    /// The busiest hour over the mean one, thousandths: 1,000 is flat.
    pub peak_permille: u32,
    /// Of the cards, thousandths that are owned.
    pub own_permille: u32,
}

/// What a card-hour brings and costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardPrices {
    /// To the tenant, for an hour of use.
    pub sold_hour: Money,
    /// Of an own card, used or idle.
    pub own_hour: Money,
    /// To the partner, for an hour of use.
    pub partner_hour: Money,
}

/// What comes of it. A month is 730 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizing {
    /// Card-hours of a day, rounded up.
    pub card_hours_day: u64,
    /// Cards that would be busy around the clock, rounded to the nearest: at a utilisation of 100 % and without a peak.
    pub cards_busy: u64,
    /// Cards that bear the peak at the utilisation, rounded up.
    pub cards: u64,
    /// Of them owned, rounded to the nearest, and the rest.
    pub own_cards: u64,
    pub partner_cards: u64,
    /// Of a month's card-hours: what own cards serve, which come first, and what partners do.
    pub own_hours_month: u64,
    pub partner_hours_month: u64,
    pub revenue: Money,
    pub own_cost: Money,
    pub partner_fees: Money,
    /// Revenue less both.
    pub margin: Money,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizingFault {
    #[error("the utilisation is above 0 % and at most 100 %")]
    Utilisation,
    #[error("the peak is at least 1, the mean")]
    Peak,
    #[error("the owned share is at most 100 %")]
    Own,
    #[error("the numbers are too large")]
    Range,
}

impl Demand {
    /// # Errors
    /// A share is outside its range, or an amount leaves that of money.
    pub fn size(&self, prices: &CardPrices) -> Result<Sizing, SizingFault> {
        let utilisation = u128::from(self.utilisation_permille);
        let (peak, own) = (u128::from(self.peak_permille), u128::from(self.own_permille));
        if !(1..=PERMILLE).contains(&utilisation) {
            return Err(SizingFault::Utilisation);
        }
        if peak < PERMILLE {
            return Err(SizingFault::Peak);
        }
        if own > PERMILLE {
            return Err(SizingFault::Own);
        }
        let factors = [self.users, self.requests_per_day, self.output_length, self.micros_per_unit];
        let day = factors.iter().try_fold(1u128, |product, factor| product.checked_mul(u128::from(*factor)));
        let day = day.filter(|micros| *micros < 1 << 96).ok_or(SizingFault::Range)?;
        let cards = (day * peak).div_ceil(MICROS_PER_HOUR * DAY_HOURS * utilisation);
        let own_cards = (cards * own + PERMILLE / 2) / PERMILLE;
        // Own cards are filled first, up to the utilisation.
        let month = (day * MONTH_HOURS).div_ceil(DAY_HOURS * MICROS_PER_HOUR);
        let own_hours = month.min(own_cards * MONTH_HOURS * utilisation / PERMILLE);
        let amount = |price, hours| Money::for_quantity(price, hours, 1).ok_or(SizingFault::Range);
        let revenue = amount(prices.sold_hour, month)?;
        let own_cost = amount(prices.own_hour, own_cards * MONTH_HOURS)?;
        let partner_fees = amount(prices.partner_hour, month - own_hours)?;
        let margin = revenue.checked_sub(own_cost).and_then(|m| m.checked_sub(partner_fees));
        let count = |n: u128| u64::try_from(n).map_err(|_| SizingFault::Range);
        Ok(Sizing {
            card_hours_day: count(day.div_ceil(MICROS_PER_HOUR))?,
            cards_busy: count((day + MICROS_PER_HOUR * DAY_HOURS / 2) / (MICROS_PER_HOUR * DAY_HOURS))?,
            cards: count(cards)?,
            own_cards: count(own_cards)?,
            partner_cards: count(cards - own_cards)?,
            own_hours_month: count(own_hours)?,
            partner_hours_month: count(month - own_hours)?,
            revenue,
            own_cost,
            partner_fees,
            margin: margin.ok_or(SizingFault::Range)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRICES: CardPrices =
        CardPrices { sold_hour: Money(8_000_000), own_hour: Money(3_500_000), partner_hour: Money(6_000_000) };

    fn demand() -> Demand {
        Demand {
            users: 50_000_000,
            requests_per_day: 10,
            output_length: 50,
            micros_per_unit: 350_000,
            utilisation_permille: 1_000,
            peak_permille: 1_000,
            own_permille: 0,
        }
    }

    #[test]
    fn fifty_million_users_need_a_hundred_thousand_cards() {
        let sizing = demand().size(&PRICES).unwrap();
        assert_eq!((sizing.card_hours_day, sizing.cards_busy, sizing.cards), (2_430_556, 101_273, 101_274));
    }

    #[test]
    fn own_cards_cost_idle_too_and_partners_by_use() {
        let asked =
            Demand { users: 8_640, requests_per_day: 100, output_length: 100, micros_per_unit: 100_000, ..demand() };
        // 100 cards around the clock; at half use and a peak of 1.5, 300, of which 200 are owned and serve it all.
        let asked = Demand { utilisation_permille: 500, peak_permille: 1_500, own_permille: 667, ..asked };
        let sizing = asked.size(&PRICES).unwrap();
        assert_eq!((sizing.cards_busy, sizing.cards, sizing.own_cards, sizing.partner_cards), (100, 300, 200, 100));
        assert_eq!((sizing.own_hours_month, sizing.partner_hours_month), (73_000, 0));
        assert_eq!(sizing.revenue, Money::from_units(584_000));
        assert_eq!(sizing.own_cost, Money::from_units(511_000));
        assert_eq!(sizing.margin, Money::from_units(73_000));
        let bought = Demand { own_permille: 0, ..asked }.size(&PRICES).unwrap();
        assert_eq!((bought.partner_fees, bought.own_cost), (Money::from_units(438_000), Money::ZERO));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let faults = [
            Demand { utilisation_permille: 0, ..demand() },
            Demand { utilisation_permille: 1_001, ..demand() },
            Demand { peak_permille: 999, ..demand() },
            Demand { own_permille: 1_001, ..demand() },
            Demand { users: u64::MAX, micros_per_unit: u64::MAX, ..demand() },
        ];
        let faults = faults.map(|demand| demand.size(&PRICES).unwrap_err());
        let expected = [
            SizingFault::Utilisation,
            SizingFault::Utilisation,
            SizingFault::Peak,
            SizingFault::Own,
            SizingFault::Range,
        ];
        assert_eq!(faults, expected);
    }

    proptest! {
        /// Cards suffice for the peak, one fewer does not; shares add up.
        #[test]
        fn cards_are_enough_and_not_more(
            users in 1u64..100_000_000, micros in 1u64..2_000_000, use_permille in 1u32..=1_000, peak in 1_000u32..5_000, own in 0u32..=1_000
        ) {
            let asked = Demand {
                users,
                micros_per_unit: micros,
                utilisation_permille: use_permille,
                peak_permille: peak,
                own_permille: own,
                ..demand()
            };
            let sizing = asked.size(&PRICES).unwrap();
            let need = u128::from(users) * 500 * u128::from(micros) * u128::from(peak);
            let bears = |cards: u64| u128::from(cards) * 24 * 3_600_000_000 * u128::from(use_permille);
            prop_assert!(bears(sizing.cards) >= need && bears(sizing.cards - 1) < need);
            prop_assert_eq!(sizing.own_cards + sizing.partner_cards, sizing.cards);
            prop_assert_eq!(sizing.margin, sizing.revenue - sizing.own_cost - sizing.partner_fees);
        }
    }
}
