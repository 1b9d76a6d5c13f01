//! Sites whose agent dials in: enrolment, state, revocation.

use base::ClusterId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TimeText;
use crate::words::Backend;

/// Makes a one-time token for a site. A site that is known gets a new one; its key stays good until the token is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteEnroll {
    /// The name of the site and of its cluster.
    #[schema(example = "harbour")]
    pub name: String,
    /// What its agent hosts: `local` is that machine, `slurm` a Slurm cluster. It cannot change later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// The partner that provides it; left out: one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// Give a new `local` site no work until it was tried. Others begin so in any case.
    #[serde(default)]
    pub testing: bool,
}

/// What is typed at the site. The token is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteEnrolled {
    pub name: String,
    #[schema(value_type = String)]
    pub cluster: ClusterId,
    pub token: String,
    pub expires_at: TimeText,
    /// `host:port` that the agent dials.
    pub address: String,
    /// SHA-256 of the server's certificate, 64 hexadecimal digits.
    pub pin: String,
    /// The whole command line.
    pub command: String,
}

/// A site and its line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    pub name: String,
    #[schema(value_type = String)]
    pub cluster: ClusterId,
    pub backend: Backend,
    pub state: SiteState,
    /// When its agent joined.
    pub joined_at: Option<TimeText>,
    /// Until when the token that was made last may be used.
    pub token_expires_at: Option<TimeText>,
    /// Fingerprint of the agent's certificate.
    pub key: Option<String>,
    pub connected_since: Option<TimeText>,
    /// By this server, since it was started.
    pub last_seen: Option<TimeText>,
    pub address: Option<String>,
    pub software: Option<String>,
    pub machine: Option<String>,
    pub protocol: Option<u16>,
    /// Events that wait at the site to be taken in.
    pub events_waiting: u64,
    /// How far the site's clock is ahead of the server's.
    pub clock_ahead_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiteState {
    /// A token was made and not used yet.
    Invited,
    /// Its agent has a line to this server.
    Connected,
    /// Its agent joined and has no line.
    Away,
    /// Its key was taken back, or nothing ever came of its token.
    Closed,
}

impl SiteState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Connected => "connected",
            Self::Away => "away",
            Self::Closed => "closed",
        }
    }
}
