//! What a job asks for, in the shape placement works on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base::{Bytes, CpuMillis, Resources};
use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;

/// An accelerator model such as `nvidia-a100-80g`, `ascend-910b`: lower-case words joined by dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chip(Arc<str>);

/// Why a text is not a chip name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a chip name: 1 to 40 lower-case letters, digits, `.`, `_` or `-`, e.g. `nvidia-a100-80g`")]
pub struct ParseChipError(pub String);

impl Chip {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True when a request for `self` is served by a pool of `offered`: the same name, or a run of its
    /// dash-separated words (`a100` is served by `nvidia-a100-80g`).
    pub fn served_by(&self, offered: &Chip) -> bool {
        if self == offered {
            return true;
        }
        let want: Vec<&str> = self.0.split('-').collect();
        let have: Vec<&str> = offered.0.split('-').collect();
        have.windows(want.len()).any(|w| w == want)
    }
}

impl FromStr for Chip {
    type Err = ParseChipError;
    fn from_str(text: &str) -> Result<Chip, ParseChipError> {
        let ok = (1..=40).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if ok { Ok(Chip(text.into())) } else { Err(ParseChipError(text.chars().take(48).collect())) }
    }
}
impl TryFrom<String> for Chip {
    type Error = ParseChipError;
    fn try_from(text: String) -> Result<Chip, ParseChipError> {
        text.parse()
    }
}
impl From<Chip> for String {
    fn from(chip: Chip) -> String {
        chip.0.as_ref().into()
    }
}
impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The resources of one placement: `nodes` nodes, the same amount on each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Nodes of one cluster, at least 1.
    pub nodes: u32,
    /// What is taken on every one of them.
    pub per_node: Resources,
    /// Processes in all; at least `nodes`.
    pub tasks: u32,
    pub cpus_per_task: u32,
    /// Any of these chips will do; empty means any chip. Without meaning when no GPU is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chips: Vec<Chip>,
    /// What is asked of the nodes beyond amounts; `None` for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Arc<Conditions>>,
}

impl Request {
    /// One task on one core with the given memory.
    pub fn single(mem: Bytes) -> Request {
        Request::of(1, Resources::new(1, mem, 0))
    }
    /// `nodes` nodes with `per_node` on each, one task per core.
    pub fn of(nodes: u32, per_node: Resources) -> Request {
        let tasks = nodes * u32::try_from(per_node.cpu.cores_ceil()).unwrap_or(u32::MAX).max(1);
        Request { nodes, per_node, tasks, cpus_per_task: 1, chips: Vec::new(), conditions: None }
    }
    /// Sum over all nodes.
    pub fn total(&self) -> Resources {
        self.per_node.times(self.nodes)
    }
    /// Why the request makes no sense by itself, or `None`.
    pub fn fault(&self) -> Option<&'static str> {
        match () {
            _ if self.nodes == 0 => Some("at least one node is needed"),
            _ if self.tasks == 0 => Some("at least one task is needed"),
            _ if self.per_node.cpu == CpuMillis(0) => Some("at least one core per node is needed"),
            _ if self.tasks < self.nodes => Some("more nodes than tasks"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_chip_names_are_served() {
        let chip = |t: &str| t.parse::<Chip>().unwrap();
        assert!(chip("a100").served_by(&chip("nvidia-a100-80g")));
        assert!(chip("nvidia-a100-80g").served_by(&chip("nvidia-a100-80g")));
        assert!(!chip("a10").served_by(&chip("nvidia-a100-80g")));
        assert!("A100".parse::<Chip>().is_err());
    }
}
