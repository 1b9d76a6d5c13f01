//! Who asks and who pays: tenant › project › user, and what each may do.

use std::sync::Arc;

use base::{Currency, ProjectId, TenantId, Timestamp, TokenId, UserId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    #[default]
    Active,
    /// Nothing new is admitted; what runs goes on.
    Suspended,
}

/// What a tenant has agreed on for its computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractTier {
    /// Capacity for a long term.
    LongTerm,
    /// Capacity for a short term.
    ShortTerm,
    /// Nothing: it pays for what it uses.
    #[default]
    OnDemand,
}

impl ContractTier {
    pub const ALL: [ContractTier; 3] = [Self::LongTerm, Self::ShortTerm, Self::OnDemand];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LongTerm => "long_term",
            Self::ShortTerm => "short_term",
            Self::OnDemand => "on_demand",
        }
    }
    pub const fn is_contracted(self) -> bool {
        !matches!(self, Self::OnDemand)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    /// Unique, `[a-z0-9][a-z0-9-]{0,39}`.
    pub name: Arc<str>,
    pub currency: Currency,
    /// Weight in fair sharing, at least 1.
    pub shares: u32,
    #[serde(default)]
    pub status: TenantStatus,
    #[serde(default)]
    pub tier: ContractTier,
    /// Sites and regions where its data may be, and so its work may run; empty means anywhere.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub regions: Arc<[Arc<str>]>,
    /// Of the tax that its prices contain, in parts of a million; on its statements.
    #[serde(default, skip_serializing_if = "untaxed")]
    pub tax_ppm: u32,
}

fn untaxed(ppm: &u32) -> bool {
    *ppm == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    pub id: ProjectId,
    pub tenant: TenantId,
    /// Unique within the tenant; `--account` names it.
    pub name: Arc<str>,
}

/// What a user may do; one role per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, for every tenant.
    Operator,
    /// Reads everything, changes nothing.
    Auditor,
    /// Manages its own tenant: users, projects, all its jobs.
    Owner,
    /// Submits and manages own jobs, reads its tenant's.
    Member,
}

impl Role {
    pub const ALL: [Role; 4] = [Self::Operator, Self::Auditor, Self::Owner, Self::Member];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    /// Unique on the platform.
    pub name: Arc<str>,
    pub role: Role,
    pub default_project: ProjectId,
    #[serde(default)]
    pub disabled: bool,
}

/// What a token may be used for, below its user's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// Everything the user may do.
    Full,
    /// Reading and everything about jobs; no people, tokens or money.
    Jobs,
    /// Reading only.
    Read,
}

impl TokenScope {
    pub const ALL: [TokenScope; 3] = [Self::Full, Self::Jobs, Self::Read];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Jobs => "jobs",
            Self::Read => "read",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// A bearer token or a browser session. The secret itself is shown once and stored as a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    pub user: UserId,
    pub label: Arc<str>,
    /// SHA-256 of the secret.
    pub digest: [u8; 32],
    pub scope: TokenScope,
    /// Made by a sign-in with a password, carried by a cookie.
    pub session: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// True for names of tenants, projects, users, pools and clusters: `[a-z0-9][a-z0-9._-]{0,39}`.
pub fn valid_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}
