//! Reads `--begin` and `--deadline`: moments relative to a given now, times of day and dates.
//! Knows no clock and no time zone database: now and the offset from UTC are arguments.

use base::{Span, Timestamp};

use crate::fault::{FaultCode, quoted};
use crate::limits::AHEAD_MAX;
use crate::value::Bad;

const DAY_SECONDS: i64 = 86_400;

/// What a moment is relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub at: Timestamp,
    /// East of Greenwich is positive.
    pub utc_offset_seconds: i32,
}

/// Reads `now`, `now+COUNT[unit]`, `HH:MM[:SS]` (the next one), `midnight`, `noon`, `fika`, `teatime`,
/// `YYYY-MM-DD[THH:MM[:SS]]` at the given offset, or the same with `Z` or `+HH:MM`.
pub(crate) fn moment(text: &str, now: Now) -> Result<Timestamp, Bad> {
    let plain = text.trim().to_ascii_lowercase();
    let at = if let Some(rest) = plain.strip_prefix("now") {
        relative(rest, now)
    } else if let Some(seconds) = time_of_day(&plain) {
        Some(next(seconds, now))
    } else {
        date(&plain, now)
    };
    let at = at.ok_or_else(|| {
        let message = format!(
            "{} is not a moment: write `now+1hour`, `16:00`, `2026-11-21` or `2026-11-21T08:00:00`",
            quoted(text)
        );
        Bad::new(FaultCode::BadValue, message)
    })?;
    if at > now.at + AHEAD_MAX {
        return Err(Bad::new(FaultCode::OutOfRange, format!("{} lies more than ten years ahead", quoted(text))));
    }
    Ok(at)
}

/// What follows `now`: nothing, or `+COUNT` with a unit (seconds when none is given, as in Slurm).
fn relative(rest: &str, now: Now) -> Option<Timestamp> {
    if rest.is_empty() {
        return Some(now.at);
    }
    let rest = rest.strip_prefix('+')?.trim();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = rest.split_at(digits);
    let unit_seconds = match unit.trim() {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => DAY_SECONDS,
        "w" | "week" | "weeks" => 7 * DAY_SECONDS,
        _ => return None,
    };
    // Whatever is too long for a Span is far beyond the limit that the caller holds.
    let seconds = number(count, 12)?.saturating_mul(unit_seconds).min(2 * AHEAD_MAX.as_secs());
    Some(now.at + Span::from_secs(seconds))
}

fn number(digits: &str, length_max: usize) -> Option<i64> {
    let ok = (1..=length_max).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if ok { digits.parse().ok() } else { None }
}

/// Seconds since midnight of `HH:MM[:SS]` or of a word.
fn time_of_day(text: &str) -> Option<i64> {
    match text {
        "midnight" => return Some(0),
        "noon" => return Some(12 * 3_600),
        "fika" => return Some(15 * 3_600),
        "teatime" => return Some(16 * 3_600),
        _ => {}
    }
    let parts: Vec<i64> = text.split(':').map(|part| number(part, 2)).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [h, m] => (h, m, 0),
        [h, m, s] => (h, m, s),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3_600 + minutes * 60 + seconds)
}

/// The next moment whose local time of day is `seconds`.
fn next(seconds: i64, now: Now) -> Timestamp {
    let local = now.at.as_secs() + i64::from(now.utc_offset_seconds);
    let today = local - local.rem_euclid(DAY_SECONDS) + seconds;
    let day = if today >= local { today } else { today + DAY_SECONDS };
    Timestamp::from_secs(day - i64::from(now.utc_offset_seconds))
}

/// `YYYY-MM-DD`, alone or with a time of day, at the given offset or at its own.
fn date(text: &str, now: Now) -> Option<Timestamp> {
    let (day, rest) = text.split_once('t').map_or((text, None), |(day, rest)| (day, Some(rest)));
    let dashes = day.len() == 10
        && day.bytes().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    if !dashes {
        return None;
    }
    let midnight = Timestamp::parse(&format!("{day}T00:00:00Z"))?.as_secs();
    let Some(rest) = rest else {
        return Some(Timestamp::from_secs(midnight - i64::from(now.utc_offset_seconds)));
    };
    let (time, offset) = match rest.find(['z', '+', '-']) {
        Some(at) => (&rest[..at], offset(&rest[at..])?),
        None => (rest, i64::from(now.utc_offset_seconds)),
    };
    // Microseconds and the like are accepted and dropped.
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    Some(Timestamp::from_secs(midnight + time_of_day(time)? - offset))
}

/// `z` or `+HH:MM` in seconds.
fn offset(text: &str) -> Option<i64> {
    if text == "z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    Some(sign * time_of_day(&text[1..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_at_their_offset() {
        // 16:30 on a Saturday in Shanghai.
        let now = Now { at: Timestamp::parse("2026-11-21T16:30:00+08:00").unwrap(), utc_offset_seconds: 8 * 3_600 };
        for (text, expected) in [
            ("now", "2026-11-21T16:30:00+08:00"),
            ("now+60", "2026-11-21T16:31:00+08:00"),
            ("now+30minutes", "2026-11-21T17:00:00+08:00"),
            ("now+1hour", "2026-11-21T17:30:00+08:00"),
            ("NOW+2 days", "2026-11-23T16:30:00+08:00"),
            ("now+1week", "2026-11-28T16:30:00+08:00"),
            ("16:30", "2026-11-21T16:30:00+08:00"),
            ("16:29:59", "2026-11-22T16:29:59+08:00"),
            ("23:00", "2026-11-21T23:00:00+08:00"),
            ("midnight", "2026-11-22T00:00:00+08:00"),
            ("noon", "2026-11-22T12:00:00+08:00"),
            ("2026-12-01", "2026-12-01T00:00:00+08:00"),
            ("2026-12-01T07:05", "2026-12-01T07:05:00+08:00"),
            ("2026-12-01T07:05:09Z", "2026-12-01T07:05:09Z"),
            ("2026-12-01T07:05:09.5-03:30", "2026-12-01T07:05:09-03:30"),
        ] {
            let read = moment(text, now).map_err(|bad| bad.message);
            assert_eq!(read, Ok(Timestamp::parse(expected).unwrap()), "{text}");
        }
        for text in [
            "",
            "soon",
            "now+",
            "now-1",
            "now+1fortnight",
            "25:00",
            "1:2:3:4",
            "2026-02-30",
            "2026-12-01T",
            "12/01",
            "1764576000",
        ] {
            assert_eq!(moment(text, now).unwrap_err().code, FaultCode::BadValue, "{text}");
        }
        for text in ["now+999999999999weeks", "2999-12-31"] {
            assert_eq!(moment(text, now).unwrap_err().code, FaultCode::OutOfRange, "{text}");
        }
    }
}
