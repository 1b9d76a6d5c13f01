//! Dated rates between currencies: from which day on one unit of a currency is worth how much of another. Nothing is inverted, crossed
//! through a third currency or guessed between two days: what nobody said is not known. Refuses to know ledgers, storage and clocks.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base::{Currency, Money, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A day by its number from that of 1970-01-01; where days begin is the platform's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

/// The last day of which every zone's midnight has a time: 9999-12-30.
const DAY_MAX: i64 = 2_932_895;
const DAY_SECS: i64 = 86_400;

impl Day {
    /// The day in which a moment lies; midnight belongs to the day that it begins.
    pub fn of(at: Timestamp) -> Day {
        Day(at.as_secs().div_euclid(DAY_SECS))
    }

    /// Whether it can be written as a date from 1970 on.
    pub fn has_date(self) -> bool {
        (0..=DAY_MAX).contains(&self.0)
    }
}

/// `2026-11-01`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp::from_secs(self.0.clamp(0, DAY_MAX) * DAY_SECS).rfc3339();
        f.pad(text.get(..10).unwrap_or_default())
    }
}

/// Why a text is not a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day: write year, month and day, e.g. `2026-11-01`")]
pub struct ParseDayError(pub String);

impl FromStr for Day {
    type Err = ParseDayError;
    fn from_str(text: &str) -> Result<Day, ParseDayError> {
        let dated = Some(text).filter(|t| t.len() == 10 && t.is_ascii());
        let day = dated.and_then(|t| Timestamp::parse(&format!("{t}T00:00:00Z"))).map(Day::of);
        day.filter(|day| day.has_date()).ok_or_else(|| ParseDayError(text.chars().take(40).collect()))
    }
}

/// What one unit of a currency is worth in another: billionths of its unit, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Worth(i64);

const PLACES: usize = 9;
const BILLION: i64 = 1_000_000_000;
/// A unit is worth a billion of another at most: 10^18 billionths, below the range of 9.2 × 10^18.
const WORTH_MAX: i64 = BILLION * BILLION;

impl Worth {
    /// `None` where it is nothing, less, or more than a billion.
    pub fn from_billionths(billionths: i64) -> Option<Worth> {
        (1..=WORTH_MAX).contains(&billionths).then_some(Worth(billionths))
    }

    pub const fn billionths(self) -> i64 {
        self.0
    }

    /// The amount times this, to the micro-unit, rounded half to even, so that what is given back weighs as much as what was given.
    /// `None` where it leaves the range of money.
    pub fn convert(self, amount: Money) -> Option<Money> {
        // 2^63 × 10^18 is below 2^127.
        let whole = i128::from(amount.micros()) * i128::from(self.0);
        let by = i128::from(BILLION);
        let (quotient, rest) = (whole.div_euclid(by), whole.rem_euclid(by));
        let up = match (rest * 2).cmp(&by) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => 1,
            std::cmp::Ordering::Equal => quotient & 1,
        };
        i64::try_from(quotient + up).ok().map(Money)
    }
}

/// Without zeros at its end: `7.1234`, `0.000000001`, `7`.
impl fmt::Display for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, fraction) = (self.0 / BILLION, format!("{:09}", self.0 % BILLION));
        let fraction = fraction.trim_end_matches('0');
        f.pad(&if fraction.is_empty() { units.to_string() } else { format!("{units}.{fraction}") })
    }
}

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a rate: write what one unit is worth, above 0 and up to a billion, with at most nine places, e.g. `7.1234`"
)]
pub struct ParseWorthError(pub String);

impl FromStr for Worth {
    type Err = ParseWorthError;
    fn from_str(text: &str) -> Result<Worth, ParseWorthError> {
        let read = || {
            let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let plain = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
            if !plain(units) || !plain(fraction) || units.len() > 10 || fraction.len() > PLACES {
                return None;
            }
            let units: i64 = units.parse().ok()?;
            let fraction: i64 = format!("{fraction:0<PLACES$}").parse().ok()?;
            Worth::from_billionths(units.checked_mul(BILLION)?.checked_add(fraction)?)
        };
        read().ok_or_else(|| ParseWorthError(text.chars().take(40).collect()))
    }
}

/// What was said of two currencies. Never changes; another of the same two and the same day takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Ours, from 1, dense.
    pub number: u64,
    /// One unit of this …
    pub of: Currency,
    /// … is worth so much of this from that day on.
    pub into: Currency,
    pub worth: Worth,
    pub from: Day,
    /// Why it takes the place of another; empty where there was none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Arc<str>,
    pub set_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
}

/// No rate is known of two currencies for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRate {
    pub of: Currency,
    pub into: Currency,
    pub day: Day,
}

/// Why an amount was not converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotConverted {
    NoRate(NoRate),
    /// It would leave the range of money.
    Range,
}

/// The rates that hold, those of which none took the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateTable {
    rates: BTreeMap<(Currency, Currency, Day), Rate>,
    last: u64,
}

impl RateTable {
    /// Takes rates in, in any order: of the same two currencies and the same day the one with the highest number holds.
    pub fn enter(&mut self, rate: Rate) {
        self.last = self.last.max(rate.number);
        let key = (rate.of, rate.into, rate.from);
        if self.rates.get(&key).is_none_or(|known| known.number < rate.number) {
            self.rates.insert(key, rate);
        }
    }

    /// The highest number given so far; 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The one that begins on that very day.
    pub fn on(&self, of: Currency, into: Currency, day: Day) -> Option<&Rate> {
        self.rates.get(&(of, into, day))
    }

    /// The newest whose day is not after this one.
    pub fn at(&self, of: Currency, into: Currency, day: Day) -> Option<&Rate> {
        let known = self.rates.range((of, into, Day(i64::MIN))..=(of, into, day));
        known.last().map(|(_, rate)| rate)
    }

    pub fn all(&self) -> impl Iterator<Item = &Rate> {
        self.rates.values()
    }

    /// An amount of a day in another currency, see [`Worth::convert`]. Nothing is worth nothing in any currency, without a rate.
    ///
    /// # Errors
    /// No rate is known for the day, or the result leaves the range of money.
    pub fn convert(&self, amount: Money, of: Currency, into: Currency, day: Day) -> Result<Money, NotConverted> {
        if of == into || amount == Money::ZERO {
            return Ok(amount);
        }
        let rate = self.at(of, into, day).ok_or(NotConverted::NoRate(NoRate { of, into, day }))?;
        rate.worth.convert(amount).ok_or(NotConverted::Range)
    }
}

impl FromIterator<Rate> for RateTable {
    fn from_iter<I: IntoIterator<Item = Rate>>(rates: I) -> Self {
        let mut table = RateTable::default();
        rates.into_iter().for_each(|rate| table.enter(rate));
        table
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(number: u64, of: Currency, worth: &str, from: &str) -> Rate {
        Rate {
            number,
            of,
            into: Currency::CNY,
            worth: worth.parse().unwrap(),
            from: from.parse().unwrap(),
            reason: "".into(),
            set_at: Timestamp::ZERO,
            user: None,
        }
    }

    #[test]
    fn rates_and_days_are_read_as_they_are_written_and_no_other_way() {
        for text in ["7.1234", "7", "0.000000001", "1000000000", "10.01"] {
            assert_eq!(text.parse::<Worth>().map(|w| w.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("7.10".parse::<Worth>().map(Worth::billionths), Ok(7_100_000_000));
        for bad in ["", "0", "0.0", "-1", "+1", "1.", ".5", "1e3", "7,1", "0.0000000001", "1000000001", "1000000000.1"]
        {
            assert_eq!(bad.parse::<Worth>(), Err(ParseWorthError(bad.into())), "{bad}");
        }
        for text in ["1970-01-01", "2026-11-01", "2028-02-29", "9999-12-30"] {
            assert_eq!(text.parse::<Day>().map(|day| day.to_string()).as_deref(), Ok(text));
        }
        for bad in ["2026-02-29", "2026-11-1", "1969-12-31", "2026/11/01", "20261101", "2026-11-01T00:00:00Z", ""] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
        let noon = Timestamp::parse("2026-11-01T12:00:00Z").unwrap();
        assert_eq!(Day::of(noon).to_string(), "2026-11-01");
    }

    #[test]
    fn halves_go_to_the_even_micro_unit_on_either_side_of_zero() {
        let half: Worth = "0.5".parse().unwrap();
        let halves = [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)];
        for (micros, expected) in halves {
            assert_eq!(half.convert(Money(micros)), Some(Money(expected)), "{micros}");
        }
        let yuan: Worth = "7.1234".parse().unwrap();
        assert_eq!(yuan.convert(Money::from_units(100)), Some(Money(712_340_000)));
        assert_eq!(yuan.convert(Money(i64::MAX)), None);
    }

    #[test]
    fn the_newest_rate_not_after_the_day_holds_and_a_later_word_for_a_day_takes_the_earlier_ones_place() {
        let usd = Currency::USD;
        let told = [
            rate(1, usd, "7.1", "2026-11-01"),
            rate(2, usd, "7.2", "2026-11-10"),
            rate(3, usd, "7.15", "2026-11-01"),
            rate(4, usd, "7.0", "2026-10-01"),
        ];
        let table: RateTable = told.clone().into_iter().collect();
        let backwards: RateTable = told.into_iter().rev().collect();
        assert_eq!(table, backwards, "in any order");
        let at = |day: &str| table.at(usd, Currency::CNY, day.parse().unwrap()).map(|rate| rate.number);
        let expected = [
            ("2026-09-30", None),
            ("2026-10-01", Some(4)),
            ("2026-10-31", Some(4)),
            ("2026-11-01", Some(3)),
            ("2026-11-09", Some(3)),
            ("2026-11-10", Some(2)),
            ("2030-01-01", Some(2)),
        ];
        for (day, number) in expected {
            assert_eq!(at(day), number, "{day}");
        }
        assert_eq!((table.last(), table.all().count()), (4, 3));
        let day: Day = "2026-12-01".parse().unwrap();
        // Neither turned round nor by way of a third.
        let back = NoRate { of: Currency::CNY, into: usd, day };
        assert_eq!(table.convert(Money(1), Currency::CNY, usd, day), Err(NotConverted::NoRate(back)));
        assert_eq!(table.convert(Money::ZERO, Currency::CNY, usd, day), Ok(Money::ZERO));
        assert_eq!(table.convert(Money(5), usd, usd, Day(0)), Ok(Money(5)), "of itself without a rate");
        assert_eq!(table.convert(Money(i64::MAX), usd, Currency::CNY, day), Err(NotConverted::Range));
    }

    proptest! {
        /// What is converted in parts differs from the whole by less than a micro-unit a part, and what is taken back weighs as much.
        #[test]
        fn parts_are_off_by_half_a_micro_unit_each_at_most(
            amounts in proptest::collection::vec(-1_000_000_000_000i64..1_000_000_000_000, 1..40),
            billionths in 1i64..100_000_000_000,
        ) {
            let worth = Worth::from_billionths(billionths).unwrap();
            let convert = |micros: i64| worth.convert(Money(micros)).unwrap().micros();
            let whole = i128::from(amounts.iter().sum::<i64>()) * i128::from(billionths);
            let parts: i128 = amounts.iter().map(|one| i128::from(convert(*one))).sum();
            let off = (parts * i128::from(BILLION) - whole).abs();
            prop_assert!(off * 2 <= i128::from(BILLION) * amounts.len() as i128, "{off}");
            for one in amounts {
                prop_assert_eq!(convert(-one), -convert(one));
                prop_assert!(one.signum() * convert(one) >= 0);
            }
        }

        /// A larger amount is never worth less, and a unit rate changes nothing.
        #[test]
        fn conversion_keeps_the_order(a in any::<i64>(), b in any::<i64>(), billionths in 1i64..=BILLION) {
            let worth = Worth::from_billionths(billionths).unwrap();
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(worth.convert(Money(low)) <= worth.convert(Money(high)));
            prop_assert_eq!(Worth::from_billionths(BILLION).unwrap().convert(Money(a)), Some(Money(a)));
        }
    }
}
