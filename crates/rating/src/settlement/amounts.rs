//! Numbers and times as suppliers write them: decimal comma, thousands separators, dates in any order.
//! Refuses to guess: a text that does not follow the stated format is no number and no time.

use base::Timestamp;

/// A decimal number as written: `digits / 10^places`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    places: u32,
}

/// Digits of a number that are taken in, with those after the point: with a factor of a day in microseconds (11 digits) a
/// product stays below 10^36, inside `i128`.
const DIGITS_MAX: usize = 24;

impl Decimal {
    /// `self × factor`, rounded half away from zero; `None` when it leaves the range of `i64`.
    pub fn times(self, factor: i64) -> Option<i64> {
        let whole = self.digits.checked_mul(i128::from(factor))?;
        divided(whole, 10i128.pow(self.places))
    }

    /// `self × other × factor`, rounded half away from zero.
    pub fn times_decimal(self, other: Decimal, factor: i64) -> Option<i64> {
        let whole = self.digits.checked_mul(other.digits)?.checked_mul(i128::from(factor))?;
        divided(whole, 10i128.checked_pow(self.places + other.places)?)
    }
}

/// A quotient rounded half away from zero; `by` is positive.
pub(super) fn divided(whole: i128, by: i128) -> Option<i64> {
    let half = by / 2 * whole.signum();
    i64::try_from(whole.checked_add(half)? / by).ok()
}

/// How numbers are written in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// `.` or `,`.
    pub decimal: char,
    /// Between groups of three digits before the decimal sign; `None`: none are expected.
    pub thousands: Option<char>,
    /// Texts that are taken away before the number is read: `¥`, `元`.
    pub strip: Vec<String>,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { decimal: '.', thousands: None, strip: Vec::new() }
    }
}

impl NumberFormat {
    /// Reads `1,234.50`, `-3`, `3-` and `(3.00)`; `None` when it is not a number by this format.
    pub fn read(&self, text: &str) -> Option<Decimal> {
        let mut text = text.trim().to_owned();
        for word in &self.strip {
            text = text.replace(word.as_str(), "");
        }
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
            Some(inside) => (true, inside),
            None => match text.strip_prefix('-').or_else(|| text.strip_suffix('-')) {
                Some(rest) => (true, rest),
                None => (false, text.strip_prefix('+').unwrap_or(text)),
            },
        };
        let (whole, fraction) = text.split_once(self.decimal).unwrap_or((text, ""));
        let whole = self.ungrouped(whole.trim())?;
        let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        let long = whole.len() + fraction.len();
        if !plain(&whole) || !plain(fraction) || long == 0 || long > DIGITS_MAX {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Decimal { digits: if negative { -digits } else { digits }, places: fraction.len() as u32 })
    }

    /// Without the separators, each of which stands before three digits.
    fn ungrouped(&self, whole: &str) -> Option<String> {
        let Some(sign) = self.thousands.filter(|sign| whole.contains(*sign)) else { return Some(whole.to_owned()) };
        let mut groups = whole.split(sign);
        let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
        groups.try_fold(first.to_owned(), |all, group| (group.len() == 3).then(|| all + group))
    }
}

/// How times are written in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339, or whole seconds since 1970.
    Standard,
    /// `YYYY`, `MM`, `DD`, `hh`, `mm`, `ss` and `f` (any digits of a second) in any order with other characters between them; a
    /// local time at a fixed offset from UTC.
    Pattern { pattern: String, offset_seconds: i32 },
}

impl TimeFormat {
    /// Whether a pattern names at least year, month and day, each once.
    pub fn is_complete(pattern: &str) -> bool {
        ["YYYY", "MM", "DD"].iter().all(|part| pattern.matches(part).count() == 1)
    }

    /// `None` when the text does not follow the format or names no day of the calendar.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        match self {
            Self::Standard => Timestamp::parse(text),
            Self::Pattern { pattern, offset_seconds } => {
                let civil = Civil::read(pattern, text)?;
                let seconds = civil.seconds()? - i64::from(*offset_seconds);
                seconds.checked_mul(1_000_000)?.checked_add(civil.micros).map(Timestamp::from_micros)
            }
        }
    }
}

/// A date and a time of day without a place.
#[derive(Default)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Civil {
    fn read(pattern: &str, text: &str) -> Option<Civil> {
        let mut civil = Civil::default();
        let (mut pattern, mut text) = (pattern, text);
        while !pattern.is_empty() {
            let token = ["YYYY", "MM", "DD", "hh", "mm", "ss", "f"].into_iter().find(|t| pattern.starts_with(t));
            let Some(token) = token else {
                let sign = pattern.chars().next()?;
                pattern = &pattern[sign.len_utf8()..];
                text = text.strip_prefix(sign)?;
                continue;
            };
            pattern = &pattern[token.len()..];
            // Digits that follow at once belong to the next part: then every part has its full width.
            let full = ["YYYY", "MM", "DD", "hh", "mm", "ss"].iter().any(|t| pattern.starts_with(t));
            let most = if token == "f" { 9 } else { token.len() };
            let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let least = if token == "YYYY" || full { token.len() } else { 1 };
            if count < least {
                return None;
            }
            let (digits, rest) = text.split_at(count);
            text = rest;
            let value: i64 = digits.parse().ok()?;
            match token {
                "YYYY" => civil.year = value,
                "MM" => civil.month = value,
                "DD" => civil.day = value,
                "hh" => civil.hour = value,
                "mm" => civil.minute = value,
                "ss" => civil.second = value,
                _ => civil.micros = value * 1_000_000 / 10i64.pow(count as u32),
            }
        }
        text.is_empty().then_some(civil)
    }

    /// Seconds since 1970 as if the place were Greenwich.
    fn seconds(&self) -> Option<i64> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days_of = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let month = usize::try_from(self.month).ok().filter(|m| (1..=12).contains(m))?;
        let sound = (1970..10_000).contains(&self.year)
            && (1..=days_of[month - 1]).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60;
        let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
        let before = (self.year - 1970) * 365 + leap_days(self.year - 1) - leap_days(1969);
        let days = before + days_of[..month - 1].iter().sum::<i64>() + self.day - 1;
        sound.then_some(days * 86_400 + self.hour * 3_600 + self.minute * 60 + self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_mapping_says_and_no_other_way() {
        let german = NumberFormat { decimal: ',', thousands: Some('.'), strip: vec!["€".into()] };
        let chinese = NumberFormat { decimal: '.', thousands: Some(','), strip: vec!["¥".into(), "元".into()] };
        let cases = [
            (&german, "1.234.567,89", Some(1_234_567_890_000)),
            (&german, "€ -3,5", Some(-3_500_000)),
            (&german, "1.23,4", None),
            (&german, "1234,5", Some(1_234_500_000)),
            (&chinese, "¥1,234.5元", Some(1_234_500_000)),
            (&chinese, "(12.00)", Some(-12_000_000)),
            (&chinese, "7-", Some(-7_000_000)),
            (&chinese, "0.0000005", Some(1)),
            (&chinese, "0.00000049", Some(0)),
            (&chinese, "-0.0000005", Some(-1)),
            (&chinese, ".5", Some(500_000)),
            (&chinese, "1e3", None),
            (&chinese, "", None),
            (&chinese, "-", None),
            (&chinese, "1.2.3", None),
            (&chinese, "99999999999999999999", None),
        ];
        for (format, text, micros) in cases {
            assert_eq!(format.read(text).and_then(|d| d.times(1_000_000)), micros, "{text}");
        }
    }

    #[test]
    fn times_are_read_by_pattern_and_offset() {
        let at = |text: &str| Timestamp::parse(text);
        let excel = TimeFormat::Pattern { pattern: "YYYY/MM/DD hh:mm".into(), offset_seconds: 8 * 3_600 };
        assert_eq!(excel.read("2026/1/5 8:03"), at("2026-01-05T00:03:00Z"));
        assert_eq!(excel.read("2024/2/29 08:00"), at("2024-02-29T00:00:00Z"));
        for bad in ["2026/2/29 08:00", "2026/13/1 08:00", "2026/1/5", "2026/1/5 8:03:01", "26/1/5 8:03", "x"] {
            assert_eq!(excel.read(bad), None, "{bad}");
        }
        let dense = TimeFormat::Pattern { pattern: "DDMMYYYYhhmmss".into(), offset_seconds: 0 };
        assert_eq!(dense.read("21112026081530"), at("2026-11-21T08:15:30Z"));
        assert_eq!(dense.read("2111202681530"), None);
        let fine = TimeFormat::Pattern { pattern: "DD.MM.YYYY hh:mm:ss.f".into(), offset_seconds: -3_600 };
        assert_eq!(fine.read("31.12.2026 23:59:59.25"), at("2027-01-01T00:59:59.25Z"));
        assert_eq!(TimeFormat::Standard.read("2026-11-21T16:00:00+08:00"), at("2026-11-21T08:00:00Z"));
        assert!(TimeFormat::is_complete("DD.MM.YYYY") && !TimeFormat::is_complete("MM/DD hh:mm"));
    }
}
