//! The one registry of ids: each noun has a newtype, a text prefix, parse and display.
//! Ids are created at the edge (from a UUID v7) or derived from another id; nothing here draws a number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an id of the wanted noun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {noun} id: expected `{prefix}_` and 32 hexadecimal digits")]
pub struct ParseIdError {
    pub noun: &'static str,
    pub prefix: &'static str,
    pub text: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $noun:literal, $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            pub const PREFIX: &'static str = $prefix;
            /// Wraps a number drawn at the edge (the 128 bits of a UUID v7) or read from the store.
            #[inline]
            pub const fn from_u128(raw: u128) -> Self { Self(raw) }
            #[inline]
            pub const fn as_u128(self) -> u128 { self.0 }
            pub const fn to_bytes(self) -> [u8; 16] { self.0.to_be_bytes() }
            pub const fn from_bytes(raw: [u8; 16]) -> Self { Self(u128::from_be_bytes(raw)) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{:032x}"), self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_prefixed(text, $prefix).map(Self).ok_or_else(|| ParseIdError {
                    noun: $noun, prefix: $prefix, text: text.chars().take(64).collect(),
                })
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+

        /// Every noun with its prefix, for the test that keeps prefixes distinct.
        pub const ID_PREFIXES: &[(&str, &str)] = &[$(($noun, $prefix)),+];
    };
}

ids! {
    /// One unit of batch work as the user knows it (an array element is a job of its own).
    JobId, "job", "job";
    TenantId, "tenant", "ten";
    ProjectId, "project", "prj";
    UserId, "user", "usr";
    TokenId, "token", "tok";
    SupplierId, "supplier", "sup";
    ClusterId, "cluster", "clu";
    PoolId, "pool", "pol";
    PriceBookId, "price book", "pri";
    /// One kept report on a cluster: a check or a trial.
    ReportId, "report", "rep";
    /// One account of the ledger.
    AccountId, "account", "acc";
    /// One transfer of the ledger; also its idempotency key.
    TransferId, "transfer", "trf";
    /// One hold of the ledger; also its idempotency key.
    HoldId, "hold", "hld";
    /// A job's specification, by the digest of its content.
    SpecId, "specification", "spc";
    /// A job's script, by the digest of its text.
    ScriptId, "script", "scr";
    /// One request of a client, for logs and problem documents.
    RequestId, "request", "req";
    /// A file on its way into a tenant's file space.
    UploadId, "upload", "upl";
    /// Where a user wants to be called of what happens.
    WebhookId, "webhook", "whk";
    /// One notice on its way to a user; the same at every try.
    NoticeId, "notice", "msg";
    /// A run of the twin that somebody asked the platform for.
    TwinRunId, "twin run", "twn";
}

fn parse_prefixed(text: &str, prefix: &str) -> Option<u128> {
    let digits = text.strip_prefix(prefix)?.strip_prefix('_')?;
    if digits.len() != 32 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

/// One placement of a job on a cluster: the job and a number that starts at 1.
/// It is the fencing key of everything done outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    pub job: JobId,
    pub number: u32,
}

impl AttemptId {
    pub const fn new(job: JobId, number: u32) -> Self {
        Self { job, number }
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "att_{:032x}_{}", self.job.as_u128(), self.number)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AttemptId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (job, number) = text.rsplit_once('_')?;
            Some(Self { job: JobId::from_u128(parse_prefixed(job, "att")?), number: number.parse().ok()? })
        };
        parse().ok_or_else(|| ParseIdError { noun: "attempt", prefix: "att", text: text.chars().take(64).collect() })
    }
}

impl Serialize for AttemptId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AttemptId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_prefixes_are_distinct() {
        let id = JobId::from_u128(0x0192_f000_0000_7000_8000_0000_0000_0001);
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        assert!(id.to_string().parse::<PoolId>().is_err());
        let attempt = AttemptId::new(id, 3);
        assert_eq!(attempt.to_string().parse::<AttemptId>().unwrap(), attempt);
        let mut seen: Vec<_> = ID_PREFIXES.iter().map(|p| p.1).collect();
        seen.push("att");
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn bare_or_upper_case_text_is_refused() {
        for text in ["", "job_", "job_12", "0192f000000070008000000000000001", "job_0192F000000070008000000000000001"] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
