//! A copy of the platform's state, to be run ahead somewhere else.

use std::collections::BTreeMap;

use base::JobId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TimeText;

/// Everything that decides when open work starts, as of one moment. Scripts, variables and arguments of jobs are not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlatformState {
    pub at: TimeText,
    /// Of the server; another one may write `state` differently.
    pub version: String,
    /// The policy in force, as TOML.
    pub policy: String,
    /// Of the operator's costs.
    pub currency: String,
    /// When the platform itself expects waiting jobs to start, by id; of the first ones where many wait.
    #[schema(value_type = BTreeMap<String, TimeText>)]
    pub expected_starts: BTreeMap<JobId, TimeText>,
    /// Clusters, pools, tenants, the ledger's accounts and holds, open jobs and attempts, as the engine is restored from.
    #[schema(value_type = Object)]
    pub state: serde_json::Value,
}
