//! Signing in, who one is, and tokens.

use base::{ProjectId, TenantId, TokenId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TimeText;
use crate::words::{Role, Scope};

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[schema(max_length = 40)]
    pub name: String,
    #[schema(max_length = 256, format = Password)]
    pub password: String,
}

/// Signing in for a program: the answer carries a token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    #[schema(max_length = 40)]
    pub name: String,
    #[schema(max_length = 256, format = Password)]
    pub password: String,
    /// What the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub label: Option<String>,
    /// From 60 to 31,622,400 (a leap year); 90 days when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_622_400)]
    pub expires_in_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// Secrets stay out of logs.
impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("name", &self.name).finish_non_exhaustive()
    }
}
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("name", &self.name).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// How one can sign in beside a name and a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignInWays {
    /// Where a provider is named: `GET /v1/session/oidc` leads there.
    pub oidc: Option<OidcWay>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OidcWay {
    /// What the button says.
    pub label: String,
}

/// A user with the names of where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionUser {
    #[schema(value_type = String, example = "usr_0192f000000070008000000000000001")]
    pub id: UserId,
    pub name: String,
    pub role: Role,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    /// The project that pays when a job names none.
    #[schema(value_type = String)]
    pub project: ProjectId,
    pub project_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    pub user: SessionUser,
    pub scope: Scope,
    pub expires_at: TimeText,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub label: Option<String>,
    /// From 60 to 31,622,400 (a leap year); 90 days when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_622_400)]
    pub expires_in_seconds: Option<u64>,
    /// At most the scope of the token that asks; that one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// The only time the secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenIssued {
    #[schema(example = "hwt_…")]
    pub token: String,
    #[schema(value_type = String)]
    pub token_id: TokenId,
    pub scope: Scope,
    pub expires_at: TimeText,
}

impl std::fmt::Debug for TokenIssued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenIssued").field("token_id", &self.token_id).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    #[schema(value_type = String)]
    pub id: TokenId,
    pub label: String,
    pub scope: Scope,
    /// A browser's session rather than a program's token.
    pub session: bool,
    pub created_at: TimeText,
    pub expires_at: TimeText,
    pub revoked_at: Option<TimeText>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[schema(max_length = 256, format = Password)]
    pub old: String,
    #[schema(min_length = 10, max_length = 256, format = Password)]
    pub new: String,
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordChange { .. }")
    }
}
