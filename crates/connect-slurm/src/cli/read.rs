//! Words, times and amounts as Slurm's commands print them, read into values. Pure; what is unknown is kept as text or left out.

use base::Bytes;

use crate::carrier::{CarrierError, Gres};

/// A time printed with `SLURM_TIME_FORMAT=%s`; `None` for `Unknown`, `None`, `NONE`, `N/A`, nothing.
pub fn time(word: &str) -> Option<i64> {
    word.trim().parse().ok().filter(|&seconds: &i64| seconds > 0)
}

/// `[days-]hours:minutes:seconds`, `minutes:seconds`, `minutes:seconds.millis`, in whole seconds; `None` for anything else
/// (`UNLIMITED`, `INVALID`, `NONE`).
pub fn seconds(word: &str) -> Option<i64> {
    micros(word).map(|micros| micros / 1_000_000)
}

/// As [`seconds`], in microseconds.
pub fn micros(word: &str) -> Option<i64> {
    let word = word.trim();
    let (days, clock) = word.split_once('-').unwrap_or(("0", word));
    let days: i64 = days.parse().ok()?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut total: i64 = 0;
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for part in parts {
        total = total.checked_mul(60)?.checked_add(part.parse::<u32>().ok()?.into())?;
    }
    let fraction: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").get(..6)?.parse().ok()? };
    let seconds = days.checked_mul(86_400)?.checked_add(total)?;
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
}

/// A limit of time in whole minutes, begun ones counted; `None`: no limit.
pub fn minutes(word: &str) -> Option<u32> {
    seconds(word).and_then(|seconds| u32::try_from((seconds + 59) / 60).ok())
}

/// `123`, `16G`, `1.50T`, `500M`, `12345K` in bytes; a bare number counts in `unit` bytes.
pub fn amount(word: &str, unit: u64) -> Option<u64> {
    let word = word.trim();
    let digits = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
    let unit = match word[digits..].bytes().next().map(|byte| byte.to_ascii_uppercase()) {
        None => unit,
        Some(b'K') => 1 << 10,
        Some(b'M') => 1 << 20,
        Some(b'G') => 1 << 30,
        Some(b'T') => 1 << 40,
        Some(b'P') => 1 << 50,
        Some(_) => return None,
    };
    let (whole, fraction) = word[..digits].split_once('.').unwrap_or((&word[..digits], ""));
    let whole: u64 = whole.parse().ok()?;
    let mut bytes = whole.checked_mul(unit)?;
    if !fraction.is_empty() && fraction.len() <= 6 {
        let scale = 10_u64.pow(fraction.len() as u32);
        bytes = bytes.checked_add(unit.checked_mul(fraction.parse().ok()?)? / scale)?;
    }
    Some(bytes)
}

/// Megabytes as Slurm counts memory.
pub fn megabytes(word: &str) -> Bytes {
    Bytes(amount(word, 1 << 20).unwrap_or(0))
}

/// One amount out of `cpu=4,mem=16G,fs/disk=12345,…`, with bare numbers in bytes; zero where it is missing.
pub fn tres(list: &str, name: &str) -> u64 {
    let found = list.split(',').find_map(|part| part.split_once('=').filter(|(word, _)| *word == name));
    found.and_then(|(_, word)| amount(word, 1)).unwrap_or(0)
}

/// `code:signal`.
pub fn exit(word: &str) -> Option<(i32, i32)> {
    let (code, signal) = word.trim().split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

/// A wait status as `squeue` prints it: `768` is `3:0`, `9` is `0:9`.
pub fn wait_status(word: &str) -> Option<(i32, i32)> {
    let status: i32 = word.trim().parse().ok()?;
    Some(((status >> 8) & 0xff, status & 0x7f))
}

/// A word that may be missing: `(null)`, `None`, `N/A` and nothing are `None`.
pub fn word(text: &str) -> Option<String> {
    let text = text.trim();
    (!matches!(text, "" | "(null)" | "None" | "NONE" | "N/A" | "n/a")).then(|| text.to_owned())
}

/// A list of words between commas; `ALL`, `(null)` and nothing give none.
pub fn words(text: &str) -> Vec<String> {
    match word(text) {
        Some(text) if text != "ALL" => text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A count that may be `UNLIMITED`.
pub fn count(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

/// `gpu:a100:4(S:0-1),npu:8,bandwidth:no_consume:4G` as `(name, kind, count)`.
pub fn gres(text: &str) -> Vec<Gres> {
    let Some(text) = word(text) else { return Vec::new() };
    let mut list = Vec::new();
    for item in outside_parentheses(&text).into_iter().filter(|item| *item != "N/A") {
        let item = item.split('(').next().unwrap_or(item);
        let mut parts: Vec<&str> = item.split(':').filter(|part| *part != "no_consume").collect();
        let count = match parts.last().and_then(|last| amount(last, 1)) {
            Some(count) if parts.len() > 1 => {
                parts.pop();
                u32::try_from(count).unwrap_or(u32::MAX)
            }
            _ => 1,
        };
        let kind = (parts.len() > 1).then(|| parts[1..].join(":"));
        list.push(Gres { name: parts[0].to_owned(), kind, count });
    }
    list
}

/// Parts between commas, leaving alone those within parentheses: `gpu:a100:2(IDX:0,3),npu:0`.
fn outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// The value of `key` in a record of `scontrol -o`: what follows the first ` key=` up to the next blank.
pub fn field<'a>(record: &'a str, key: &str) -> Option<&'a str> {
    let rest = after(record, key)?;
    Some(rest.split([' ', '\n']).next().unwrap_or(rest))
}

/// Everything behind the first ` key=` of a record.
pub fn after<'a>(record: &'a str, key: &str) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let at = from + record[from..].find(key)?;
        let end = at + key.len();
        let free = at == 0 || matches!(record.as_bytes()[at - 1], b' ' | b'\n');
        if free && record.as_bytes().get(end) == Some(&b'=') {
            return Some(&record[end + 1..]);
        }
        from = end;
    }
}

/// An answer that cannot be read, with its beginning.
pub fn unreadable(what: &str, text: &[u8]) -> CarrierError {
    /// Enough to see what came instead.
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
    CarrierError::Unreadable(format!("{what}: {}", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans() {
        assert_eq!(time("1795259210"), Some(1_795_259_210));
        for none in ["Unknown", "None", "NONE", "N/A", "", "0"] {
            assert_eq!(time(none), None, "{none}");
        }
        assert_eq!(seconds("1-02:03:04"), Some(93_784));
        assert_eq!(seconds("0:04"), Some(4));
        assert_eq!(micros("00:00.037"), Some(37_000));
        for none in ["UNLIMITED", "INVALID", "", "7", "1:2:3:4", "-1:00"] {
            assert_eq!(seconds(none), None, "{none}");
        }
        assert_eq!(minutes("01:30:00"), Some(90));
        assert_eq!(minutes("00:00:01"), Some(1));
    }

    #[test]
    fn amounts_and_exits() {
        assert_eq!(amount("62.50G", 1), Some(67_108_864_000));
        assert_eq!(amount("64000", 1 << 20), Some(64_000 << 20));
        assert_eq!(amount("12x", 1), None);
        assert_eq!(tres("energy=0,fs/disk=1234,mem=2M", "fs/disk"), 1234);
        assert_eq!(tres("energy=0,fs/disk=1234,mem=2M", "mem"), 2 << 20);
        assert_eq!(tres("", "mem"), 0);
        assert_eq!(exit("3:0"), Some((3, 0)));
        assert_eq!(wait_status("768"), Some((3, 0)));
        assert_eq!(wait_status("9"), Some((0, 9)));
        assert_eq!(wait_status("35072"), Some((137, 0)));
    }

    #[test]
    fn gres_of_every_spelling() {
        let one = |name: &str, kind: Option<&str>, count| Gres { name: name.into(), kind: kind.map(Into::into), count };
        assert_eq!(gres("gpu:a100:4(S:0-1),npu:8"), [one("gpu", Some("a100"), 4), one("npu", None, 8)]);
        assert_eq!(gres("gpu:a100:2(IDX:0,3),npu:0"), [one("gpu", Some("a100"), 2), one("npu", None, 0)]);
        assert_eq!(gres("bandwidth:lustre:no_consume:4K"), [one("bandwidth", Some("lustre"), 4096)]);
        assert_eq!(gres("fpga"), [one("fpga", None, 1)]);
        assert_eq!(gres("(null)"), []);
    }

    #[test]
    fn a_key_is_found_as_a_whole_word_only() {
        let record = "NodeName=n1 CfgTRES=cpu=16 AllocTRES= State=IDLE+DRAIN Reason=x State=no";
        assert_eq!(field(record, "NodeName"), Some("n1"));
        assert_eq!(field(record, "TRES"), None);
        assert_eq!(field(record, "AllocTRES"), Some(""));
        assert_eq!(field(record, "State"), Some("IDLE+DRAIN"));
        assert_eq!(field(record, "Nothing"), None);
    }
}
