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
    /// Who works in it, by user. Nobody named: everybody of the tenant does.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub members: Arc<[Member]>,
}

/// What a user may do in a project that names its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectRole {
    /// Names its members and manages all of its jobs, beside what members do.
    Owner,
    /// Submits to it.
    Member,
    /// Looks.
    Viewer,
}

impl ProjectRole {
    pub const ALL: [ProjectRole; 3] = [Self::Owner, Self::Member, Self::Viewer];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }
}

/// A user's role in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user: UserId,
    pub role: ProjectRole,
}

impl Project {
    pub fn role_of(&self, user: UserId) -> Option<ProjectRole> {
        self.members.iter().find(|member| member.user == user).map(|member| member.role)
    }

    /// Whether this user's work may be done in it: everybody's of the tenant while it names nobody, else that of its owners and
    /// members. Those who manage the tenant need no role in it.
    pub fn admits(&self, user: &User) -> bool {
        self.members.is_empty()
            || matches!(self.role_of(user.id), Some(ProjectRole::Owner | ProjectRole::Member))
            || matches!(user.role, Role::Owner | Role::Operator)
    }

    /// The same with another role of this user; none: it is no member any more.
    #[must_use]
    pub fn with(&self, user: UserId, role: Option<ProjectRole>) -> Project {
        let mut members: Vec<Member> = self.members.iter().filter(|m| m.user != user).copied().collect();
        members.extend(role.map(|role| Member { user, role }));
        members.sort_by_key(|member| member.user);
        Project { members: members.into(), ..self.clone() }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u128, role: Role) -> User {
        let (tenant, default_project) = (TenantId::from_u128(1), ProjectId::from_u128(2));
        User { id: UserId::from_u128(id), tenant, name: "x".into(), role, default_project, disabled: false }
    }

    #[test]
    fn a_project_that_names_nobody_is_open_and_then_only_to_those_who_work_in_it() {
        let id = |id| UserId::from_u128(id);
        let open = Project {
            id: ProjectId::from_u128(2),
            tenant: TenantId::from_u128(1),
            name: "deep".into(),
            members: Default::default(),
        };
        assert!(open.admits(&user(5, Role::Member)));
        let shut = open.with(id(9), Some(ProjectRole::Owner)).with(id(3), Some(ProjectRole::Viewer));
        let shut = shut.with(id(4), Some(ProjectRole::Member));
        let admitted = [(9, true), (3, false), (4, true), (5, false)];
        for (one, admits) in admitted {
            assert_eq!(shut.admits(&user(one, Role::Member)), admits, "{one}");
            assert!(shut.admits(&user(one, Role::Owner)) && shut.admits(&user(one, Role::Operator)));
        }
        assert!(shut.members.is_sorted_by_key(|member| member.user));
        let moved = shut.with(id(4), Some(ProjectRole::Viewer));
        assert_eq!((moved.members.len(), moved.role_of(id(4))), (3, Some(ProjectRole::Viewer)));
        assert_eq!(shut.with(id(9), None).with(id(3), None).with(id(4), None), open);
        // As it was stored before there were members.
        let stored = serde_json::to_string(&open).unwrap();
        assert!(!stored.contains("members"), "{stored}");
        assert_eq!(serde_json::from_str::<Project>(&stored).unwrap(), open);
    }
}
