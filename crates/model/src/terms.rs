//! What a cluster says of itself beyond shapes and numbers of nodes: what one job may ask there, what all of ours may take
//! together, what is counted, what is closed when. Refuses to know how it was found out.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};

use crate::interconnect::Interconnect;

/// Bounds on amounts; what is `None` is not bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Caps {
    /// Jobs at once. Without meaning for one job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
}

/// What is bounded by [`Caps`], and counted in these units: jobs, nodes, whole cores, mebibytes, cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    Jobs,
    Nodes,
    Cores,
    Mem,
    Gpus,
}

impl Counted {
    pub const ALL: [Counted; 5] = [Self::Jobs, Self::Nodes, Self::Cores, Self::Mem, Self::Gpus];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Nodes => "nodes",
            Self::Cores => "cores",
            Self::Mem => "mem",
            Self::Gpus => "gpus",
        }
    }
    /// An amount in Slurm's way: `cpu=12`, `mem=64G`, `node=2`, `gres/gpu=4`, `job=1`.
    pub fn show(self, amount: u64) -> String {
        match self {
            Self::Jobs => format!("job={amount}"),
            Self::Nodes => format!("node={amount}"),
            Self::Cores => format!("cpu={amount}"),
            Self::Mem => format!("mem={}", Bytes::from_mib(amount)),
            Self::Gpus => format!("gres/gpu={amount}"),
        }
    }
}

impl Caps {
    pub const NONE: Caps = Caps { jobs: None, nodes: None, cores: None, mem: None, gpus: None };

    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
    /// In the units of [`Counted`]; memory rounded down, so that what is kept within is within.
    pub fn of(&self, what: Counted) -> Option<u64> {
        match what {
            Counted::Jobs => self.jobs.map(u64::from),
            Counted::Nodes => self.nodes.map(u64::from),
            Counted::Cores => self.cores,
            Counted::Mem => self.mem.map(|m| m.0 >> 20),
            Counted::Gpus => self.gpus.map(u64::from),
        }
    }
    /// The narrower of both, bound by bound.
    pub fn and(self, other: Caps) -> Caps {
        fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        Caps {
            jobs: least(self.jobs, other.jobs),
            nodes: least(self.nodes, other.nodes),
            cores: least(self.cores, other.cores),
            mem: least(self.mem, other.mem),
            gpus: least(self.gpus, other.gpus),
        }
    }
    /// The wider of both, bound by bound: what either lets through.
    pub fn or(self, other: Caps) -> Caps {
        fn most<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            a.zip(b).map(|(a, b)| a.max(b))
        }
        Caps {
            jobs: most(self.jobs, other.jobs),
            nodes: most(self.nodes, other.nodes),
            cores: most(self.cores, other.cores),
            mem: most(self.mem, other.mem),
            gpus: most(self.gpus, other.gpus),
        }
    }
}

/// Places in a list of nodes, as ranges: `0-3,7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Places(Vec<(u32, u32)>);

/// A text that is no list of places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a list of places such as `0-3,7`")]
pub struct ParsePlacesError(pub String);

impl Places {
    /// From places in ascending order.
    pub fn of(places: impl IntoIterator<Item = u32>) -> Places {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for place in places {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == place => *last = place,
                _ => ranges.push((place, place)),
            }
        }
        Places(ranges)
    }
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Places {
    type Err = ParsePlacesError;
    fn from_str(text: &str) -> Result<Places, ParsePlacesError> {
        let error = || ParsePlacesError(text.chars().take(40).collect());
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range: (u32, u32) = (first.parse().map_err(|_| error())?, last.parse().map_err(|_| error())?);
            if range.0 > range.1 || ranges.last().is_some_and(|before| range.0 <= before.1) {
                return Err(error());
            }
            ranges.push(range);
        }
        Ok(Places(ranges))
    }
}
impl TryFrom<String> for Places {
    type Error = ParsePlacesError;
    fn try_from(text: String) -> Result<Places, ParsePlacesError> {
        text.parse()
    }
}
impl From<Places> for String {
    fn from(places: Places) -> String {
        places.to_string()
    }
}
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// What holds in one pool beside its shape.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PoolTerms {
    /// Its nodes are machines of the cluster by name: another pool of the cluster that says so too and names the same node
    /// stands on the same machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub machines: bool,
    /// One job takes at least so many nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_min: Option<u32>,
    /// What one job may ask in all.
    #[serde(default, skip_serializing_if = "Caps::is_none")]
    pub job: Caps,
    /// Words by which nodes are told apart, in order, with the places of the nodes that have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<(Arc<str>, Places)>,
    /// Switches to which nodes are connected directly, in order, with the places of these nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<(Arc<str>, Places)>,
    /// What joins its nodes, where somebody said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interconnect: Option<Interconnect>,
    /// Of its processors, in Linux's word (`x86_64`, `aarch64`), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Arc<str>>,
}

impl PoolTerms {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A licence that a cluster counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Licence {
    pub name: Arc<str>,
    pub total: u32,
    /// Taken by whomever, when it was looked at.
    pub used: u32,
}

/// A time in which nodes are kept for some: a reservation at the site, maintenance among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    pub name: Arc<str>,
    pub from: Timestamp,
    pub until: Timestamp,
    /// By name, in order.
    pub nodes: Vec<Arc<str>>,
    /// Jobs of ours may name it; they run inside only.
    pub ours: bool,
}

/// What holds in all pools of a cluster together.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterTerms {
    /// What all our jobs may take at once.
    #[serde(default, skip_serializing_if = "Caps::is_none")]
    pub together: Caps,
    /// By name, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<Licence>,
    /// By name, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

impl ClusterTerms {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ranges() {
        let places = Places::of([0, 1, 2, 7, 9, 10]);
        assert_eq!(places.to_string(), "0-2,7,9-10");
        assert_eq!(places.to_string().parse::<Places>().unwrap(), places);
        assert_eq!(places.iter().collect::<Vec<_>>(), [0, 1, 2, 7, 9, 10]);
        assert_eq!("".parse::<Places>().unwrap(), Places::default());
        for bad in ["3-1", "x", "1,1", "4,2-9"] {
            assert!(bad.parse::<Places>().is_err(), "{bad}");
        }
    }

    #[test]
    fn caps_narrow_and_widen() {
        let a = Caps { jobs: Some(3), cores: Some(10), ..Caps::NONE };
        let b = Caps { jobs: Some(5), mem: Some(Bytes::from_gib(1)), ..Caps::NONE };
        let both = Caps { jobs: Some(3), cores: Some(10), mem: Some(Bytes::from_gib(1)), ..Caps::NONE };
        assert_eq!(a.and(b), both);
        assert_eq!(a.or(b), Caps { jobs: Some(5), ..Caps::NONE });
        assert_eq!(both.of(Counted::Mem), Some(1_024));
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        assert_eq!(serde_json::to_string(&PoolTerms::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<ClusterTerms>("{}").unwrap(), ClusterTerms::default());
    }
}
