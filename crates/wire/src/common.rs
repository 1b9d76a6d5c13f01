//! What every part of the API uses: money and time as texts, amounts of resources, pages.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base::{Money, ParseMoneyError, Resources, Timestamp, Tres};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

/// An amount of money as decimal text with two to six places (`"12.50"`); its currency stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MoneyText(pub Money);

impl From<Money> for MoneyText {
    fn from(money: Money) -> Self {
        Self(money)
    }
}
impl fmt::Display for MoneyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for MoneyText {
    type Err = ParseMoneyError;
    fn from_str(text: &str) -> Result<Self, ParseMoneyError> {
        // Micro-units need 13 digits before the point at most; refusing longer texts keeps the parser's work small.
        if text.len() > 24 {
            return Err(ParseMoneyError(text.chars().take(40).collect()));
        }
        text.parse().map(Self)
    }
}
impl Serialize for MoneyText {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for MoneyText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for MoneyText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?[0-9]{1,13}(\.[0-9]{1,6})?$"))
            .description(Some("Decimal units of the currency that stands beside it, at most six places."))
            .examples(["12.50"])
            .into()
    }
}
impl ToSchema for MoneyText {
    fn name() -> Cow<'static, str> {
        "Money".into()
    }
}

/// A point in time as RFC 3339 text; sent in UTC with microseconds, read with any offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeText(pub Timestamp);

/// First instant that a text may not name: the year 10000 has no RFC 3339 form.
const TIME_END_SECS: i64 = 253_402_300_800;

impl From<Timestamp> for TimeText {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}
impl fmt::Display for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.rfc3339())
    }
}
/// Why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write RFC 3339, e.g. `2026-11-21T08:00:00Z`, or whole seconds since 1970")]
pub struct ParseTimeError(pub String);

impl FromStr for TimeText {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        Some(text)
            .filter(|t| t.len() <= 64)
            .and_then(Timestamp::parse)
            .filter(|t| (0..TIME_END_SECS).contains(&t.as_secs()))
            .map(Self)
            .ok_or_else(|| ParseTimeError(text.chars().take(40).collect()))
    }
}
impl Serialize for TimeText {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0.rfc3339())
    }
}
impl<'de> Deserialize<'de> for TimeText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for TimeText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-21T08:00:00.000000Z"])
            .into()
    }
}
impl ToSchema for TimeText {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

/// Amounts of computing resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amounts {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub gpus: u32,
    /// The same as Slurm writes it.
    #[schema(example = "cpu=4,mem=16G,gres/gpu=2")]
    pub tres: String,
}

impl Amounts {
    pub fn of(amounts: Resources, chip: Option<&str>) -> Self {
        Self {
            cpu_millis: amounts.cpu.0,
            memory_bytes: amounts.mem.0,
            gpus: amounts.gpus,
            tres: Tres(amounts, chip).to_string(),
        }
    }
}

/// One page of a list; `next_cursor` asks for the following one, `null` is the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque; valid for the same filters.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_text() {
        let text = serde_json::to_string(&MoneyText(Money(12_500_000))).unwrap();
        assert_eq!(text, r#""12.50""#);
        assert_eq!(serde_json::from_str::<MoneyText>(&text).unwrap().0, Money(12_500_000));
        for bad in ["12.5", "\"1e3\"", "\"\"", "\"9999999999999999999999\"", "\"0.0000001\"", "null", "\"1,5\""] {
            assert!(serde_json::from_str::<MoneyText>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let time: TimeText = "2026-11-21T16:00:00+08:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-21T08:00:00.000000Z");
        for bad in ["", "yesterday", "-1", "253402300800", "9223372036854775807", "2026-11-21"] {
            assert!(bad.parse::<TimeText>().is_err(), "{bad}");
        }
    }
}
