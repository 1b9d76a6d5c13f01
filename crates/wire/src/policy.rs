//! The operator's policy: the document in force, its versions, and how another is put into force.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TimeText;
use crate::events::Actor;

/// One version of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// 0 is what the server was configured with; 1 is the first that was set.
    pub version: u64,
    /// Every value, as TOML: it may be edited and given back.
    pub document: String,
    /// When and by whom it was put into force; absent for version 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Why, in the words of whoever set it.
    pub note: String,
    /// What it changed: `name: old → new`.
    pub changes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// The whole policy as TOML; what it leaves out has its default.
    #[schema(max_length = 65536)]
    pub document: String,
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: String,
    /// Refused with 409 when another version is in force than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<u64>,
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicySetDone {
    /// The version in force now.
    pub version: u64,
    /// What changed, or would; empty when the document says what is in force.
    pub changes: Vec<String>,
    pub dry_run: bool,
}
