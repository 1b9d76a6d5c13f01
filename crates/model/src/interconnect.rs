//! What joins the nodes of a pool, and what a job asks of it. Refuses to know which cluster has which.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name, bytes.
const NAME_MAX: usize = 40;
/// Fastest that can be meant, Gb/s: a hundred times what there is.
const GBPS_MAX: u32 = 100_000;

/// What joins a pool's nodes: `infiniband-ndr:400G`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Interconnect {
    /// Lower-case words joined by dashes.
    pub name: Arc<str>,
    /// What one node sends, and receives, at once.
    pub gbps: u32,
}

/// What a job asks of it: a name, a least speed, or both: `infiniband`, `200G`, `roce:200G`. Never neither.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterconnectAsk {
    pub name: Option<Arc<str>>,
    /// Gb/s.
    pub gbps_min: Option<u32>,
}

/// Why a text is no interconnect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseInterconnectError {
    #[error(
        "`{0}` does not say an interconnect: write its name and what one node has of it, e.g. `infiniband-ndr:400G`"
    )]
    Said(String),
    #[error(
        "`{0}` does not ask for an interconnect: write a name, a least speed in Gb/s, or both, e.g. `infiniband`, `200G`, `roce:200G`"
    )]
    Asked(String),
}

impl InterconnectAsk {
    /// Whether such an interconnect will do. The name is the whole name or a run of its dash-separated words: `infiniband` is met by
    /// `infiniband-ndr`. One that nobody has named meets nothing.
    pub fn met_by(&self, there: Option<&Interconnect>) -> bool {
        let Some(there) = there else { return false };
        let words: Vec<&str> = there.name.split('-').collect();
        let named = self.name.as_deref().is_none_or(|name| {
            let wanted: Vec<&str> = name.split('-').collect();
            words.windows(wanted.len()).any(|run| run == wanted)
        });
        named && self.gbps_min.is_none_or(|least| there.gbps >= least)
    }
}

fn name(text: &str) -> Option<Arc<str>> {
    let fine = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let ok = text.len() <= NAME_MAX && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(fine);
    ok.then(|| text.into())
}

/// `200G`.
fn speed(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('g')?;
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    (1..=GBPS_MAX).contains(&number).then_some(number)
}

fn short(text: &str) -> String {
    text.chars().take(48).collect()
}

impl FromStr for Interconnect {
    type Err = ParseInterconnectError;
    fn from_str(text: &str) -> Result<Interconnect, ParseInterconnectError> {
        let lower = text.trim().to_ascii_lowercase();
        let parts = lower.split_once(':').and_then(|(word, fast)| Some((name(word)?, speed(fast)?)));
        let (name, gbps) = parts.ok_or_else(|| ParseInterconnectError::Said(short(text)))?;
        Ok(Interconnect { name, gbps })
    }
}

impl FromStr for InterconnectAsk {
    type Err = ParseInterconnectError;
    fn from_str(text: &str) -> Result<InterconnectAsk, ParseInterconnectError> {
        let lower = text.trim().to_ascii_lowercase();
        let found = match lower.split_once(':') {
            Some((word, fast)) => name(word).zip(speed(fast)).map(|(name, gbps)| (Some(name), Some(gbps))),
            None => speed(&lower).map(|gbps| (None, Some(gbps))).or_else(|| Some((Some(name(&lower)?), None))),
        };
        let (name, gbps_min) = found.ok_or_else(|| ParseInterconnectError::Asked(short(text)))?;
        Ok(InterconnectAsk { name, gbps_min })
    }
}

impl fmt::Display for Interconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}G", self.name, self.gbps)
    }
}

impl fmt::Display for InterconnectAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joint = if self.name.is_some() && self.gbps_min.is_some() { ":" } else { "" };
        write!(f, "{}{joint}", self.name.as_deref().unwrap_or_default())?;
        self.gbps_min.map_or(Ok(()), |gbps| write!(f, "{gbps}G"))
    }
}

impl TryFrom<String> for Interconnect {
    type Error = ParseInterconnectError;
    fn try_from(text: String) -> Result<Interconnect, ParseInterconnectError> {
        text.parse()
    }
}
impl From<Interconnect> for String {
    fn from(one: Interconnect) -> String {
        one.to_string()
    }
}
impl TryFrom<String> for InterconnectAsk {
    type Error = ParseInterconnectError;
    fn try_from(text: String) -> Result<InterconnectAsk, ParseInterconnectError> {
        text.parse()
    }
}
impl From<InterconnectAsk> for String {
    fn from(one: InterconnectAsk) -> String {
        one.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_speed_or_both_are_asked_for_and_what_nobody_said_meets_nothing() {
        let there: Interconnect = "InfiniBand-NDR:400G".parse().unwrap();
        assert_eq!(there.to_string(), "infiniband-ndr:400G");
        for (text, met) in [
            ("infiniband", true),
            ("ndr", true),
            ("infiniband-ndr", true),
            ("infiniband-hdr", false),
            ("band", false),
            ("400G", true),
            ("401g", false),
            ("infiniband:200G", true),
            ("infiniband:800G", false),
            ("roce:200G", false),
        ] {
            let ask: InterconnectAsk = text.parse().unwrap();
            assert_eq!(ask.met_by(Some(&there)), met, "{text}");
            assert!(!ask.met_by(None));
            assert_eq!(ask.to_string().parse::<InterconnectAsk>().unwrap(), ask);
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_what_to_write() {
        for text in ["", "0G", "200", "200GB", "a:b", ":200G", "ib:", "1ib", "a b", "ib;x:1G"] {
            assert!(text.parse::<InterconnectAsk>().is_err(), "{text}");
        }
        for text in ["ib", "200G", "ib:fast", "ib:0G"] {
            let error = text.parse::<Interconnect>().unwrap_err().to_string();
            assert!(error.contains("infiniband-ndr:400G"), "{error}");
        }
    }

    #[test]
    fn they_are_stored_as_texts() {
        let there: Interconnect = serde_json::from_str(r#""ethernet:25G""#).unwrap();
        assert_eq!(serde_json::to_string(&there).unwrap(), r#""ethernet:25G""#);
        assert!(serde_json::from_str::<InterconnectAsk>(r#""a b""#).is_err());
    }
}
