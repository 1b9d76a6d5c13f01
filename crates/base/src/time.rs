//! Points in time and lengths of time, in whole microseconds. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A length of time in microseconds; may be negative as a difference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Timestamp {
    pub const ZERO: Timestamp = Timestamp(0);
    pub const MAX: Timestamp = Timestamp(i64::MAX);
    #[inline]
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }
    pub const fn from_secs(s: i64) -> Self {
        Self(s * 1_000_000)
    }
    #[inline]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    /// Whole seconds since the epoch, rounded towards the past.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// `self - earlier`, never below zero.
    pub const fn since(self, earlier: Timestamp) -> Span {
        let d = self.0.saturating_sub(earlier.0);
        Span(if d < 0 { 0 } else { d })
    }
    /// RFC 3339 in UTC with microseconds, e.g. `2026-11-21T08:00:00.000000Z`.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(t) => format!("{t:.6}"),
            Err(_) => format!("{}us", self.0),
        }
    }
    /// Reads RFC 3339 with any offset, or an integer of seconds since the epoch.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if let Ok(s) = text.parse::<i64>() {
            return s.checked_mul(1_000_000).map(Timestamp);
        }
        text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_microsecond()))
    }
}

impl Span {
    pub const ZERO: Span = Span(0);
    pub const MAX: Span = Span(i64::MAX);
    #[inline]
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms * 1_000)
    }
    pub const fn from_secs(s: i64) -> Self {
        Self(s * 1_000_000)
    }
    pub const fn from_mins(m: i64) -> Self {
        Self::from_secs(m * 60)
    }
    pub const fn from_hours(h: i64) -> Self {
        Self::from_secs(h * 3600)
    }
    #[inline]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000
    }
    pub const fn as_secs(self) -> i64 {
        self.0 / 1_000_000
    }
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// For timers of the shell; negative spans become zero.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(if self.0 < 0 { 0 } else { self.0 as u64 })
    }
    /// Slurm's `[days-]hours:minutes:seconds`, rounded up to a second.
    pub fn slurm(self) -> String {
        let s = (self.0.max(0) + 999_999) / 1_000_000;
        let (d, h, m, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
        if d > 0 { format!("{d}-{h:02}:{m:02}:{s:02}") } else { format!("{h:02}:{m:02}:{s:02}") }
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    #[inline]
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}
impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    #[inline]
    fn sub(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}
impl Sub for Timestamp {
    type Output = Span;
    #[inline]
    fn sub(self, other: Timestamp) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}
impl Add for Span {
    type Output = Span;
    #[inline]
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}
impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}
impl Sub for Span {
    type Output = Span;
    #[inline]
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0;
        if us % 1_000_000 != 0 {
            return write!(f, "{}ms", us as f64 / 1e3);
        }
        let s = us / 1_000_000;
        match s {
            _ if s != 0 && s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            _ if s != 0 && s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            _ if s != 0 && s % 60 == 0 => write!(f, "{}m", s / 60),
            _ => write!(f, "{s}s"),
        }
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a length of time: write minutes (`90`), `minutes:seconds`, `hours:minutes:seconds`, \
     `days-hours[:minutes[:seconds]]`, or a number with a unit (`30s`, `5m`, `2h`, `1d`)"
)]
pub struct ParseSpanError(pub String);

/// Reads Slurm's time formats (a bare number is minutes) and numbers with one unit `ms|s|m|h|d`.
impl FromStr for Span {
    type Err = ParseSpanError;
    fn from_str(text: &str) -> Result<Span, ParseSpanError> {
        parse_span(text.trim()).ok_or_else(|| ParseSpanError(text.chars().take(40).collect()))
    }
}

/// For files that people write: `#[serde(with = "base::span_text")]` reads and writes a [`Span`] as its text (`10m`).
pub mod span_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Span;

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(span: &Span, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(span)
    }

    /// # Errors
    /// What is written is not a length of time.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        std::borrow::Cow::<str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

fn parse_span(text: &str) -> Option<Span> {
    let number = |t: &str| -> Option<i64> {
        (!t.is_empty() && t.len() <= 9 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse().ok())?
    };
    for (unit, us) in
        [("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000i64)]
    {
        if let Some(n) = text.strip_suffix(unit).and_then(number) {
            return n.checked_mul(us).map(Span);
        }
    }
    let secs = if let Some((days, rest)) = text.split_once('-') {
        let parts: Vec<i64> = rest.split(':').map(number).collect::<Option<_>>()?;
        let (h, m, s) = match parts[..] {
            [h] => (h, 0, 0),
            [h, m] => (h, m, 0),
            [h, m, s] => (h, m, s),
            _ => return None,
        };
        number(days)?.checked_mul(86_400)?.checked_add(h * 3_600 + m * 60 + s)?
    } else {
        let parts: Vec<i64> = text.split(':').map(number).collect::<Option<_>>()?;
        match parts[..] {
            [m] => m.checked_mul(60)?,
            [m, s] => m * 60 + s,
            [h, m, s] => h * 3_600 + m * 60 + s,
            _ => return None,
        }
    };
    secs.checked_mul(1_000_000).map(Span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slurm_formats_and_units_are_read() {
        for (text, secs) in [
            ("90", 5_400),
            ("1:30", 90),
            ("2:00:00", 7_200),
            ("1-0", 86_400),
            ("1-2:3", 93_780),
            ("1-2:3:4", 93_784),
            ("30s", 30),
            ("5m", 300),
            ("2h", 7_200),
            ("1d", 86_400),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Span>(), Ok(Span::from_secs(secs)), "{text}");
        }
        for text in ["", "x", "1:2:3:4", "-1", "1-", "1.5h", "99999999999999999999"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_stable() {
        assert_eq!(Timestamp::from_secs(0).rfc3339(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::parse("2026-11-21T16:00:00+08:00"), Timestamp::parse("2026-11-21T08:00:00Z"));
        assert_eq!(Span::from_secs(93_784).slurm(), "1-02:03:04");
        assert_eq!(Span::from_mins(90).to_string(), "90m");
    }
}
