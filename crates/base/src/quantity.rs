//! Amounts of computing resources as integers with their unit in the type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Thousandths of a CPU core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuMillis(pub u64);

impl CpuMillis {
    pub const fn from_cores(cores: u64) -> Self {
        Self(cores * 1_000)
    }
    /// Whole cores, rounded up.
    pub const fn cores_ceil(self) -> u64 {
        self.0.div_ceil(1_000)
    }
}

impl fmt::Display for CpuMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) {
            write!(f, "{}", self.0 / 1_000)
        } else {
            write!(f, "{}", self.0 as f64 / 1e3)
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    pub const GIB: u64 = 1 << 30;
    pub const fn from_mib(n: u64) -> Self {
        Self(n << 20)
    }
    pub const fn from_gib(n: u64) -> Self {
        Self(n << 30)
    }
    /// Whole mebibytes, rounded up.
    pub const fn mib_ceil(self) -> u64 {
        self.0.div_ceil(1 << 20)
    }
}

/// Slurm's style: the largest binary unit that divides the amount (`16G`, `512M`, `3K`, `5`).
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [("T", 1u64 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount of memory: write a number with an optional unit K, M, G or T (no unit means M), e.g. `16G`"
)]
pub struct ParseQuantityError(pub String);

/// Reads Slurm's memory sizes: `16G`, `512M`, `100K`, `1T`; no unit means mebibytes.
impl FromStr for Bytes {
    type Err = ParseQuantityError;
    fn from_str(text: &str) -> Result<Bytes, ParseQuantityError> {
        let error = || ParseQuantityError(text.chars().take(40).collect());
        let t = text.trim();
        let t = t.strip_suffix(['b', 'B']).unwrap_or(t);
        let (digits, shift) = match t.bytes().last() {
            Some(b'k' | b'K') => (&t[..t.len() - 1], 10),
            Some(b'm' | b'M') => (&t[..t.len() - 1], 20),
            Some(b'g' | b'G') => (&t[..t.len() - 1], 30),
            Some(b't' | b'T') => (&t[..t.len() - 1], 40),
            _ => (t, 20),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let n: u64 = digits.parse().map_err(|_| error())?;
        // 2^53 bytes are exact in every JSON reader; sums over nodes saturate.
        n.checked_shl(shift).filter(|v| v >> shift == n && *v <= 1 << 53).map(Bytes).ok_or_else(error)
    }
}

/// What one node offers, or what a job takes on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Resources {
    pub cpu: CpuMillis,
    pub mem: Bytes,
    pub gpus: u32,
}

impl Resources {
    pub const ZERO: Resources = Resources { cpu: CpuMillis(0), mem: Bytes(0), gpus: 0 };

    pub const fn new(cores: u64, mem: Bytes, gpus: u32) -> Self {
        Self { cpu: CpuMillis::from_cores(cores), mem, gpus }
    }
    /// True when every component of `self` is at most that of `room`.
    #[inline]
    pub const fn fits(&self, room: &Resources) -> bool {
        self.cpu.0 <= room.cpu.0 && self.mem.0 <= room.mem.0 && self.gpus <= room.gpus
    }
    /// Component-wise sum; stops at the largest number.
    #[inline]
    pub const fn plus(&self, o: &Resources) -> Resources {
        Resources {
            cpu: CpuMillis(self.cpu.0.saturating_add(o.cpu.0)),
            mem: Bytes(self.mem.0.saturating_add(o.mem.0)),
            gpus: self.gpus.saturating_add(o.gpus),
        }
    }
    /// Component-wise difference; `None` when a component would go below zero.
    pub fn minus(&self, o: &Resources) -> Option<Resources> {
        Some(Resources {
            cpu: CpuMillis(self.cpu.0.checked_sub(o.cpu.0)?),
            mem: Bytes(self.mem.0.checked_sub(o.mem.0)?),
            gpus: self.gpus.checked_sub(o.gpus)?,
        })
    }
    /// `n` times as much; stops at the largest number.
    #[inline]
    pub const fn times(&self, n: u32) -> Resources {
        Resources {
            cpu: CpuMillis(self.cpu.0.saturating_mul(n as u64)),
            mem: Bytes(self.mem.0.saturating_mul(n as u64)),
            gpus: self.gpus.saturating_mul(n),
        }
    }
    /// How many times `self` fits into `room`; `u32::MAX` when `self` is zero.
    pub fn count_in(&self, room: &Resources) -> u32 {
        let part = |need: u64, have: u64| have.checked_div(need).unwrap_or(u64::MAX);
        let n = part(self.cpu.0, room.cpu.0)
            .min(part(self.mem.0, room.mem.0))
            .min(part(self.gpus as u64, room.gpus as u64));
        u32::try_from(n).unwrap_or(u32::MAX)
    }
}

/// Resources as Slurm's TRES text with an optional chip: `cpu=4,mem=16G,gres/gpu:a100=2`.
pub struct Tres<'a>(pub Resources, pub Option<&'a str>);

impl fmt::Display for Tres<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu={},mem={}", self.0.cpu, self.0.mem)?;
        match (self.0.gpus, self.1) {
            (0, _) => Ok(()),
            (n, Some(chip)) => write!(f, ",gres/gpu:{chip}={n}"),
            (n, None) => write!(f, ",gres/gpu={n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_texts() {
        for (text, bytes) in [("16G", 16 << 30), ("512", 512 << 20), ("1T", 1 << 40), ("3K", 3 << 10), ("2gb", 2 << 30)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "99999999999999T", "1X"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        assert_eq!(Bytes::from_gib(16).to_string(), "16G");
        let r = Resources::new(4, Bytes::from_gib(16), 2);
        assert_eq!(Tres(r, Some("a100")).to_string(), "cpu=4,mem=16G,gres/gpu:a100=2");
        assert_eq!(r.count_in(&Resources::new(9, Bytes::from_gib(64), 8)), 2);
    }
}
