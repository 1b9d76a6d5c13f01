//! Money as whole micro-units (a millionth of a yuan, dollar …) of one currency. No floats, no conversion.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 code such as `CNY`; three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    pub const CNY: Currency = Currency(*b"CNY");
    pub const USD: Currency = Currency(*b"USD");
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl FromStr for Currency {
    type Err = ParseMoneyError;
    fn from_str(text: &str) -> Result<Self, ParseMoneyError> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|x| x.is_ascii_uppercase()) => Ok(Currency([*a, *b, *c])),
            _ => Err(ParseMoneyError(text.chars().take(40).collect())),
        }
    }
}
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in micro-units; the currency stands beside it, once per account, book or document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

impl Money {
    pub const ZERO: Money = Money(0);
    pub const MICROS_PER_UNIT: i64 = 1_000_000;
    pub const fn from_units(units: i64) -> Self {
        Self(units * Self::MICROS_PER_UNIT)
    }
    pub const fn micros(self) -> i64 {
        self.0
    }
    pub fn checked_add(self, o: Money) -> Option<Money> {
        self.0.checked_add(o.0).map(Money)
    }
    pub fn checked_sub(self, o: Money) -> Option<Money> {
        self.0.checked_sub(o.0).map(Money)
    }
    pub const fn saturating_sub(self, o: Money) -> Money {
        Money(self.0.saturating_sub(o.0))
    }
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
    /// `quantity × price ÷ per`, rounded towards zero; the remainder stays with the caller's running total.
    /// `None` when the result leaves the range of `i64` micro-units.
    pub fn for_quantity(price: Money, quantity: u128, per: u128) -> Option<Money> {
        let sign = if price.0 < 0 { -1 } else { 1 };
        let total = (price.0.unsigned_abs() as u128).checked_mul(quantity)? / per;
        i64::try_from(total).ok().map(|v| Money(sign * v))
    }
}

impl std::ops::Add for Money {
    type Output = Money;
    #[inline]
    fn add(self, o: Money) -> Money {
        Money(self.0 + o.0)
    }
}
impl std::ops::Sub for Money {
    type Output = Money;
    #[inline]
    fn sub(self, o: Money) -> Money {
        Money(self.0 - o.0)
    }
}
impl std::ops::Neg for Money {
    type Output = Money;
    #[inline]
    fn neg(self) -> Money {
        Money(-self.0)
    }
}
impl std::ops::AddAssign for Money {
    #[inline]
    fn add_assign(&mut self, o: Money) {
        self.0 += o.0;
    }
}
impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Money>>(iter: I) -> Money {
        iter.fold(Money::ZERO, |a, b| a + b)
    }
}

/// Decimal units with at least two and at most six places: `12.50`, `0.000001`, `-3.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        let (units, mut fraction, mut places) = (abs / 1_000_000, abs % 1_000_000, 6);
        while places > 2 && fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        f.pad(&format!("{sign}{units}.{fraction:0places$}"))
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount of money or a currency: write decimal units with at most six places, e.g. `12.50`, and the currency as three capitals, e.g. `CNY`"
)]
pub struct ParseMoneyError(pub String);

impl FromStr for Money {
    type Err = ParseMoneyError;
    fn from_str(text: &str) -> Result<Money, ParseMoneyError> {
        let error = || ParseMoneyError(text.chars().take(40).collect());
        let d = Decimal::from_str_exact(text.trim()).map_err(|_| error())?;
        let micros = d.checked_mul(Decimal::from(Money::MICROS_PER_UNIT)).ok_or_else(error)?;
        if micros.normalize().scale() != 0 {
            return Err(error());
        }
        micros.to_i64().map(Money).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips(micros in any::<i64>().prop_filter("abs", |m| *m != i64::MIN)) {
            prop_assert_eq!(Money(micros).to_string().parse::<Money>().unwrap(), Money(micros));
        }
    }

    #[test]
    fn rounding_is_towards_zero_and_overflow_is_none() {
        assert_eq!(Money::for_quantity(Money(100), 1, 3), Some(Money(33)));
        assert_eq!(Money::for_quantity(Money(-100), 1, 3), Some(Money(-33)));
        assert_eq!(Money::for_quantity(Money(i64::MAX), 2, 1), None);
        assert_eq!(Money(12_500_000).to_string(), "12.50");
        for text in ["0.0000001", "", "1e3", "12,5"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }
}
