//! Local time of a price book: the week and the calendar month at a fixed distance from UTC. Refuses to know zones with summer
//! time, and reads no clock.

use std::fmt;
use std::str::FromStr;

use base::{Span, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MINUTE_US: i64 = 60 * 1_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
pub(crate) const WEEK_US: i64 = 7 * DAY_US;
pub(crate) const MINUTES_A_DAY: u16 = 24 * 60;
/// The first of January 1970 was a Thursday: three days after a Monday.
const EPOCH_AFTER_MONDAY_US: i64 = 3 * DAY_US;
/// No place on earth is further from UTC.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

/// How far local time is ahead of UTC, in whole minutes; as text `+08:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcOffset(i32);

/// A calendar month, counted from January of the year 0; as text `2026-10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

/// A time of day in whole minutes, up to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Why a text is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct ParseTimeError {
    text: String,
    what: &'static str,
}

fn not(text: &str, what: &'static str) -> ParseTimeError {
    ParseTimeError { text: text.chars().take(40).collect(), what }
}

impl Day {
    pub const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
    const WORDS: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl FromStr for Day {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<Day, ParseTimeError> {
        let found = Day::ALL.into_iter().find(|day| day.as_str() == text);
        found.ok_or_else(|| not(text, "a day: write mon, tue, wed, thu, fri, sat or sun"))
    }
}

impl TimeOfDay {
    pub const START: TimeOfDay = TimeOfDay(0);
    pub const END: TimeOfDay = TimeOfDay(MINUTES_A_DAY);

    pub const fn minutes(self) -> u16 {
        self.0
    }
}

/// Two digits, a colon, two digits.
fn clock(text: &str) -> Option<(u16, u16)> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse().ok())?;
    Some((two(hours)?, two(minutes)?)).filter(|(_, minutes)| *minutes < 60)
}

impl FromStr for TimeOfDay {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<TimeOfDay, ParseTimeError> {
        let minutes = clock(text).map(|(hours, minutes)| hours * 60 + minutes).filter(|all| *all <= MINUTES_A_DAY);
        minutes.map(TimeOfDay).ok_or_else(|| not(text, "a time of day: write 00:00 to 24:00"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl UtcOffset {
    pub const UTC: UtcOffset = UtcOffset(0);

    /// Microseconds of local time since a Monday's midnight long ago.
    pub(crate) const fn since_monday(self, at: Timestamp) -> i64 {
        self.local(at).saturating_add(EPOCH_AFTER_MONDAY_US)
    }

    const fn local(self, at: Timestamp) -> i64 {
        at.as_micros().saturating_add(self.0 as i64 * MINUTE_US)
    }

    /// The calendar month in which a moment lies.
    pub fn month_of(self, at: Timestamp) -> Month {
        let (year, month) = civil(self.local(at).div_euclid(DAY_US));
        Month(i32::try_from(year * 12 + month - 1).unwrap_or(i32::MAX))
    }

    /// The day in which a moment lies, from that of 1970-01-01.
    pub const fn day_of(self, at: Timestamp) -> i64 {
        self.local(at).div_euclid(DAY_US)
    }

    /// The moment at which a day begins.
    pub const fn start_of_day(self, day: i64) -> Timestamp {
        Timestamp::from_micros(day.saturating_mul(DAY_US).saturating_sub(self.0 as i64 * MINUTE_US))
    }

    /// How far it is ahead of UTC.
    pub const fn ahead(self) -> Span {
        Span::from_micros(self.0 as i64 * MINUTE_US)
    }

    /// The moment at which a month begins.
    pub fn start_of(self, month: Month) -> Timestamp {
        let days = days_before(i64::from(month.0.div_euclid(12)), i64::from(month.0.rem_euclid(12)) + 1);
        Timestamp::from_micros(days * DAY_US - i64::from(self.0) * MINUTE_US)
    }
}

impl FromStr for UtcOffset {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<UtcOffset, ParseTimeError> {
        let read = || {
            let (sign, rest) = match text.as_bytes().first()? {
                b'+' => (1, &text[1..]),
                b'-' => (-1, &text[1..]),
                _ => return (text == "Z").then_some(0),
            };
            let (hours, minutes) = clock(rest)?;
            Some(sign * (i32::from(hours) * 60 + i32::from(minutes)))
        };
        let minutes = read().filter(|minutes| minutes.abs() <= OFFSET_MINUTES_MAX);
        minutes.map(UtcOffset).ok_or_else(|| not(text, "an offset from UTC: write e.g. +08:00, at most 14 hours"))
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, all) = (if self.0 < 0 { '-' } else { '+' }, self.0.abs());
        write!(f, "{sign}{:02}:{:02}", all / 60, all % 60)
    }
}

impl Month {
    #[must_use]
    pub const fn next(self) -> Month {
        Month(self.0 + 1)
    }
    #[must_use]
    pub const fn previous(self) -> Month {
        Month(self.0 - 1)
    }
    #[must_use]
    pub const fn plus(self, months: i32) -> Month {
        Month(self.0 + months)
    }
    /// The first month of its quarter or year, which begin with January and have so many months.
    #[must_use]
    pub const fn first_of(self, months: i32) -> Month {
        Month(self.0.div_euclid(months) * months)
    }
}

impl FromStr for Month {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<Month, ParseTimeError> {
        let digits =
            |t: &str, n: usize| (t.len() == n && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse().ok())?;
        let read = || -> Option<(i32, i32)> {
            let (year, month) = text.split_once('-')?;
            Some((digits(year, 4)?, digits(month, 2)?))
        };
        let found = read().filter(|(_, month)| (1..=12).contains(month));
        found.map(|(year, month)| Month(year * 12 + month - 1)).ok_or_else(|| not(text, "a month: write e.g. 2026-10"))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

macro_rules! as_text {
    ($($name:ident)+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
as_text! { UtcOffset Month TimeOfDay }

/// Days of 400 years: 97 of them are leap years.
const ERA_DAYS: i64 = 400 * 365 + 97;
/// From the first of March of the year 0 to 1970-01-01, in the proleptic Gregorian calendar.
const MARCH_TO_EPOCH: i64 = 719_468;

/// Days from 1970-01-01 to the first of a month. Years are taken to begin in March, so that the leap day is their last: the months
/// from there on then have 31, 30, 31, 30, 31 days over and over, which is (153 × n + 2) ÷ 5 days before the n-th.
const fn days_before(year: i64, month: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let before = (153 * ((month + 9) % 12) + 2) / 5;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + before - MARCH_TO_EPOCH
}

/// Year and month of a day counted from 1970-01-01.
const fn civil(day: i64) -> (i64, i64) {
    let since = day + MARCH_TO_EPOCH;
    let (era, of_era) = (since.div_euclid(ERA_DAYS), since.rem_euclid(ERA_DAYS));
    // Leap days that lie before it, taken out, leave years of 365 days.
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA_DAYS - 1)) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn months_begin_and_end_in_local_time() {
        let cst: UtcOffset = "+08:00".parse().unwrap();
        let october: Month = "2026-10".parse().unwrap();
        assert_eq!(cst.start_of(october), at("2026-10-01T00:00:00+08:00"));
        assert_eq!(cst.month_of(at("2026-09-30T16:00:00Z")), october);
        assert_eq!(cst.month_of(at("2026-09-30T15:59:59.999999Z")), october.previous());
        assert_eq!(UtcOffset::UTC.month_of(at("2026-09-30T16:00:00Z")).to_string(), "2026-09");
        assert_eq!(october.next().next().next().to_string(), "2027-01");
    }

    #[test]
    fn every_month_of_four_centuries_is_where_the_calendar_has_it() {
        let mut month: Month = "1900-01".parse().unwrap();
        while month.to_string() != "2301-01" {
            let start = at(&format!("{month}-01T00:00:00Z"));
            assert_eq!(UtcOffset::UTC.start_of(month), start, "{month}");
            assert_eq!(UtcOffset::UTC.month_of(start), month);
            assert_eq!(UtcOffset::UTC.month_of(start - base::Span::from_micros(1)), month.previous());
            month = month.next();
        }
    }

    #[test]
    fn texts_are_read_and_written() {
        for text in ["+08:00", "-03:30", "+00:00", "+14:00"] {
            assert_eq!(text.parse::<UtcOffset>().unwrap().to_string(), text);
        }
        assert_eq!("Z".parse::<UtcOffset>().unwrap(), UtcOffset::UTC);
        for text in ["", "8", "+8:00", "+15:00", "+08:60", "CST", "＋08:00"] {
            assert!(text.parse::<UtcOffset>().is_err(), "{text}");
        }
        for text in ["00:00", "08:30", "24:00"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in ["24:01", "8:00", "08-00", "25:00", ""] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
        for text in ["2026-13", "2026-00", "26-01", "2026-1", "2026"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        assert_eq!("sun".parse::<Day>(), Ok(Day::Sun));
        assert!("Sunday".parse::<Day>().is_err());
    }
}
