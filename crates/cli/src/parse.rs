//! Readers of single values of the command line, for clap. Each says what would have been right.

use base::{Span, Timestamp};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::tz::TimeZone;
use wire::TimeText;

/// One of a closed list of words, offered by completions.
pub fn choice<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let words: Vec<&'static str> = all.iter().map(|one| word(*one)).collect();
    PossibleValuesParser::new(words).map(move |text| {
        // The parser before lets only words of the list through.
        all.iter().copied().find(|one| word(*one) == text).unwrap_or(all[0])
    })
}

/// A length of time as `--time` takes it, in whole seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let span: Span = text.parse().map_err(|fault: base::ParseSpanError| fault.to_string())?;
    u64::try_from(span.as_secs()).map_err(|_| "a length of time is not negative".to_string())
}

/// A point in time on the command line, before it is known what "now" is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When(String);

/// What is said when a text is no point in time.
const WHEN_FORMS: &str =
    "write 2026-11-21, 2026-11-21T08:00[:00], 08:00, RFC 3339 with an offset, now, now-2h, today or yesterday";

pub fn when(text: &str) -> Result<When, String> {
    // The reader's zone and time do not change whether it can be read.
    let noon = Timestamp::from_secs(1_000_000_000);
    resolve(text, noon, &TimeZone::UTC)
        .filter(|at| *at >= Timestamp::ZERO)
        .map(|_| When(text.into()))
        .ok_or_else(|| format!("`{text}` is not a time: {WHEN_FORMS}"))
}

impl When {
    pub fn at(&self, now: Timestamp, zone: &TimeZone) -> TimeText {
        TimeText(resolve(&self.0, now, zone).unwrap_or(now))
    }
}

/// Reads Slurm's and ISO's ways to write a time; without an offset it is the reader's own.
fn resolve(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("now") {
        let span = |rest: &str| words_to_span(rest);
        return match rest.split_at_checked(1) {
            None => Some(now),
            Some(("+", rest)) => Some(now + span(rest)?),
            Some(("-", rest)) => Some(now - span(rest)?),
            _ => None,
        };
    }
    let today = jiff::Timestamp::from_microsecond(now.as_micros()).ok()?.to_zoned(zone.clone()).date();
    let at = |date: jiff::civil::Date, time: jiff::civil::Time| {
        let zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
        Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
    };
    match text {
        "today" | "midnight" => return at(today, jiff::civil::Time::midnight()),
        "yesterday" => return at(today.yesterday().ok()?, jiff::civil::Time::midnight()),
        "noon" => return at(today, jiff::civil::time(12, 0, 0, 0)),
        _ => {}
    }
    if let Ok(exact) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_micros(exact.as_microsecond()));
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (Some(date), Some(time)),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let date = match date {
        Some(date) => date_of(date, today)?,
        None => today,
    };
    let time = match time {
        Some(time) => ["%H:%M:%S", "%H:%M"].iter().find_map(|form| jiff::civil::Time::strptime(form, time).ok())?,
        None => jiff::civil::Time::midnight(),
    };
    at(date, time)
}

/// `2026-11-21`, and Slurm's `11/21`, `11/21/26`, `112126`.
fn date_of(text: &str, today: jiff::civil::Date) -> Option<jiff::civil::Date> {
    let full = ["%Y-%m-%d", "%m/%d/%y", "%m%d%y"].iter().find_map(|form| jiff::civil::Date::strptime(form, text).ok());
    full.or_else(|| jiff::civil::Date::strptime("%Y/%m/%d", format!("{}/{text}", today.year())).ok())
}

/// `2h`, `30s`, `3days`, `1hour`, `5minutes`, `600` (seconds, as Slurm counts behind `now`).
fn words_to_span(text: &str) -> Option<Span> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = text.split_at(digits);
    let count: i64 = count.parse().ok().filter(|count| *count < 1_000_000_000)?;
    let seconds = match unit {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    };
    Some(Span::from_secs(count * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_reads_them() {
        let now = Timestamp::parse("2026-11-21T08:30:00Z").unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        for (text, utc) in [
            ("now", "2026-11-21T08:30:00Z"),
            ("now-2h", "2026-11-21T06:30:00Z"),
            ("now+1hour", "2026-11-21T09:30:00Z"),
            ("now-3days", "2026-11-18T08:30:00Z"),
            ("today", "2026-11-20T16:00:00Z"),
            ("yesterday", "2026-11-19T16:00:00Z"),
            ("noon", "2026-11-21T04:00:00Z"),
            ("2026-11-21", "2026-11-20T16:00:00Z"),
            ("2026-11-21T08:00", "2026-11-21T00:00:00Z"),
            ("2026-11-21 08:00:30", "2026-11-21T00:00:30Z"),
            ("2026-11-21T08:00:00+00:00", "2026-11-21T08:00:00Z"),
            ("08:00", "2026-11-21T00:00:00Z"),
            ("11/20", "2026-11-19T16:00:00Z"),
            ("112026", "2026-11-19T16:00:00Z"),
            ("11/20/26-", ""),
            ("1-1-1", ""),
            ("", ""),
            ("nowhere", ""),
            ("now+x", ""),
        ] {
            let read = when(text).ok().map(|when| when.at(now, &zone).0);
            assert_eq!(read, Timestamp::parse(utc), "{text}");
        }
    }

    #[test]
    fn spans_are_seconds() {
        assert_eq!(seconds("30d"), Ok(2_592_000));
        assert_eq!(seconds("90"), Ok(5_400));
        assert!(seconds("soon").unwrap_err().contains("`soon`"));
    }
}
