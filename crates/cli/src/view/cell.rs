//! Typed values of tables, and their two texts: one for eyes, one for programs. No colours, no widths.

use jiff::tz::TimeZone;
use wire::{JobState, MoneyText, TimeText};

use crate::text::Lang;

/// How a value is to be taken; colour only underlines what the text says anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Busy,
    Faint,
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    #[default]
    Empty,
    Text(String),
    /// The same text in both languages.
    Both {
        en: String,
        zh: String,
    },
    Toned(String, Tone),
    /// Digits, aligned at the right.
    Number(String),
    Time(TimeText),
    Seconds(f64),
    Bytes(u64),
    Money(MoneyText),
    /// An amount with its currency.
    Price(MoneyText, String),
    State(JobState),
    YesNo(bool),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }
    pub fn number(number: impl ToString) -> Cell {
        Cell::Number(number.to_string())
    }
    pub fn price(amount: MoneyText, currency: &str) -> Cell {
        Cell::Price(amount, currency.into())
    }
    /// Empty where there is nothing.
    pub fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Empty, cell)
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Cell::Empty => true,
            Cell::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// Belongs to the right edge of its column.
    pub const fn is_amount(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Seconds(_) | Self::Bytes(_) | Self::Money(_) | Self::Price(..))
    }

    pub const fn tone(&self) -> Tone {
        match self {
            Self::Toned(_, tone) => *tone,
            Self::State(state) => state_tone(*state),
            _ => Tone::Plain,
        }
    }

    /// For eyes.
    pub fn shown(&self, lang: Lang, zone: &TimeZone) -> String {
        match self {
            Self::Empty => "-".into(),
            Self::Time(at) => local_time(*at, zone),
            Self::Seconds(seconds) => span(*seconds),
            Self::Bytes(bytes) => size(*bytes),
            Self::Price(amount, currency) => format!("{amount} {currency}"),
            Self::State(state) => state_text(*state, lang),
            Self::YesNo(yes) => lang.pick(if *yes { "yes" } else { "no" }, if *yes { "是" } else { "否" }).into(),
            other => one_line(&other.plain(lang)),
        }
    }

    /// For programs: times as RFC 3339, spans in seconds, sizes in bytes; nothing is an empty text.
    pub fn plain(&self, lang: Lang) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Toned(text, _) | Self::Number(text) => text.clone(),
            Self::Both { en, zh } => lang.pick(en, zh).into(),
            Self::Time(at) => at.to_string(),
            Self::Seconds(seconds) => format!("{seconds}"),
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Money(amount) | Self::Price(amount, _) => amount.to_string(),
            Self::State(state) => state.as_str().into(),
            Self::YesNo(yes) => yes.to_string(),
        }
    }
}

/// What a user wrote must not move the cursor or break a line.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

const fn state_tone(state: JobState) -> Tone {
    match state {
        JobState::Pending => Tone::Plain,
        JobState::Held | JobState::Cancelled => Tone::Faint,
        JobState::Running | JobState::Completing => Tone::Busy,
        JobState::Completed => Tone::Good,
        JobState::Failed | JobState::Timeout | JobState::OutOfMemory | JobState::NodeFail | JobState::Preempted => {
            Tone::Bad
        }
    }
}

/// States keep their English names, which scripts and manuals use; Chinese stands beside them.
fn state_text(state: JobState, lang: Lang) -> String {
    let zh = match state {
        JobState::Pending => "排队",
        JobState::Held => "挂起",
        JobState::Running => "运行",
        JobState::Completing => "收尾",
        JobState::Completed => "完成",
        JobState::Failed => "失败",
        JobState::Cancelled => "取消",
        JobState::Timeout => "超时",
        JobState::OutOfMemory => "内存不足",
        JobState::NodeFail => "节点故障",
        JobState::Preempted => "被抢占",
    };
    match lang {
        Lang::En => state.as_str().into(),
        Lang::Zh => format!("{} {zh}", state.as_str()),
    }
}

/// `2026-11-21 16:00:05` in the reader's own zone.
pub fn local_time(at: TimeText, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_microsecond(at.0.as_micros()) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// The two largest units: `3d 04h`, `1h 02m`, `5m 03s`, `12s`, `0.250s`.
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".into();
    }
    if seconds < 10.0 && seconds.fract() > 0.0 {
        return format!("{seconds:.2}s");
    }
    let s = seconds.round() as u64;
    match (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s:02}s"),
        (0, h, m, _) => format!("{h}h {m:02}m"),
        (d, h, _, _) => format!("{d}d {h:02}h"),
    }
}

/// `1.5 GiB`, `512 MiB`, `17 B`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        // 1023.95 would be written as 1024.0.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let text = format!("{value:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_short() {
        for (seconds, text) in [
            (0.0, "0s"),
            (0.25, "0.25s"),
            (12.0, "12s"),
            (59.6, "1m 00s"),
            (303.0, "5m 03s"),
            (3_720.0, "1h 02m"),
            (273_600.0, "3d 04h"),
            (-1.0, "-"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
        for (bytes, text) in [
            (17, "17 B"),
            (1 << 10, "1 KiB"),
            (512 << 20, "512 MiB"),
            (3 << 29, "1.5 GiB"),
            ((1 << 30) - 1, "1 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn times_are_local_for_eyes_and_utc_for_programs() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let cell = Cell::Time("2026-11-21T08:00:05Z".parse().unwrap());
        assert_eq!(cell.shown(Lang::En, &zone), "2026-11-21 16:00:05");
        assert_eq!(cell.plain(Lang::En), "2026-11-21T08:00:05.000000Z");
    }

    #[test]
    fn control_characters_stay_out_of_the_terminal() {
        assert_eq!(Cell::text("a\u{1b}[31m\nb").shown(Lang::En, &TimeZone::UTC), "a [31m b");
    }
}
