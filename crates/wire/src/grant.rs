//! Money granted for free: to whom, for which work and until when, and what became of it.

use base::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};
use crate::words::{GrantState, PriorityClass, ProductLine};

/// A grant to be given. It pays for the tenant's work before its wallet does, and what is left of it at its end goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantCreate {
    /// In the tenant's currency, more than zero.
    pub amount: MoneyText,
    /// At once when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Without this moment.
    pub to: TimeText,
    /// Only for work in this project: name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    /// Only for work of this user: name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub user: Option<String>,
    /// Only for work on one of these pools, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub pools: Vec<String>,
    /// Only for work on cards of this kind, named in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PriorityClass>,
    /// What it is given for; the tenant reads it.
    #[schema(min_length = 1, max_length = 200)]
    pub note: String,
}

/// A kind of work that a grant pays for: what is left out is any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantScope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PriorityClass>,
}

/// A grant and what became of it: what was granted is `drawn + back + left`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Our number of it.
    pub number: u64,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    /// Name of the project whose work it pays for; `null`: all projects.
    pub project: Option<String>,
    /// Name of the user whose work it pays for; `null`: all users.
    pub user: Option<String>,
    pub state: GrantState,
    pub currency: String,
    pub amount: MoneyText,
    pub from: TimeText,
    /// When it ends, or has ended.
    pub to: TimeText,
    /// Any of these; empty: all work.
    pub of: Vec<GrantScope>,
    pub note: String,
    pub given_at: TimeText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<TimeText>,
    /// What it paid for.
    pub drawn: MoneyText,
    /// What was not used and went back.
    pub back: MoneyText,
    /// What it still has.
    pub left: MoneyText,
    /// Of that, what open jobs count on.
    pub promised: MoneyText,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrantRevoke {
    /// Why.
    #[schema(max_length = 200)]
    pub note: String,
}
