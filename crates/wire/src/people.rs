//! Tenants, projects and users: shown, created, changed.

use base::{ProjectId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::MoneyText;
use crate::words::{ContractTier, ProjectRole, Role, TenantStatus};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    #[schema(value_type = String, example = "ten_0192f000000070008000000000000001")]
    pub id: TenantId,
    pub name: String,
    pub currency: String,
    /// Weight in fair sharing.
    pub shares: u32,
    pub status: TenantStatus,
    pub tier: ContractTier,
    /// Sites and regions where its work may run; empty means anywhere.
    pub regions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantCreate {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,39}$")]
    pub name: String,
    /// `CNY` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub shares: Option<u32>,
    /// How far below zero the wallet may go; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_limit: Option<MoneyText>,
    /// `on_demand` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ContractTier>,
    /// Sites and regions of clusters where its work may run; empty means anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 32)]
    pub regions: Option<Vec<String>>,
}

/// A new tenant comes with a project called `default`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantCreated {
    #[schema(value_type = String)]
    pub tenant: TenantId,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub shares: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_limit: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ContractTier>,
    /// Sites and regions of clusters where its work may run; empty means anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 32)]
    pub regions: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    #[schema(value_type = String, example = "prj_0192f000000070008000000000000001")]
    pub id: ProjectId,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub name: String,
    /// How many users have a role in it. With none it is open to everybody of the tenant.
    #[serde(default)]
    pub members: u32,
    /// The caller's own role in it.
    #[serde(default)]
    pub role: Option<ProjectRole>,
}

/// A user's role in a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectMember {
    #[schema(value_type = String)]
    pub user: UserId,
    pub name: String,
    pub role: ProjectRole,
    pub disabled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectMemberSet {
    pub role: ProjectRole,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectCreate {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,39}$")]
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectCreated {
    #[schema(value_type = String)]
    pub project: ProjectId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    #[schema(value_type = String, example = "usr_0192f000000070008000000000000001")]
    pub id: UserId,
    pub name: String,
    pub role: Role,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    #[schema(value_type = String)]
    pub project: ProjectId,
    pub project_name: String,
    pub disabled: bool,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,39}$")]
    pub name: String,
    /// Left out: the user can sign in only after somebody has set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 10, max_length = 256, format = Password)]
    pub password: Option<String>,
    /// Owners may create members and owners of their own tenant.
    pub role: Role,
    /// Name or id.
    pub tenant: String,
    /// Name or id of the default project; the tenant's first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

impl std::fmt::Debug for UserCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserCreate").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserCreated {
    #[schema(value_type = String)]
    pub user: UserId,
}

#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Sets a new password, for one who forgot it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 10, max_length = 256, format = Password)]
    pub password: Option<String>,
}

impl std::fmt::Debug for UserPatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserPatch").field("role", &self.role).field("disabled", &self.disabled).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TenantsQuery {
    /// Part of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128)]
    pub q: Option<String>,
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Only this tenant's, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Part of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128)]
    pub q: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
