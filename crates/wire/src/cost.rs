//! What pools cost the operator: own nodes, or a partner's fee.

use base::PoolId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};

/// What own nodes cost: straight-line depreciation from the day they are in service, and a monthly fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeCost {
    /// Of one node.
    pub purchase_price: MoneyText,
    pub residual: MoneyText,
    /// 1 to 1200; left out: five years for nodes with A100 and for nodes without cards, three for those with other cards.
    #[serde(default)]
    pub life_months: Option<u32>,
    pub datacentre_fee_month: MoneyText,
    /// When nodes went into service; left out: nodes are in service from the day on which they are registered until they are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub stages: Vec<NodeStage>,
}

/// Nodes that went into service together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeStage {
    pub nodes: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchased: Option<TimeText>,
    /// Depreciation and fee begin here.
    pub in_service: TimeText,
    /// Both end here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<TimeText>,
}

/// What a partner takes for what is used. What is left out costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SupplierFee {
    #[serde(default)]
    pub core_hour: Option<MoneyText>,
    #[serde(default)]
    pub gib_hour: Option<MoneyText>,
    #[serde(default)]
    pub card_hour: Option<MoneyText>,
    /// For each node on which something is granted, whole or not.
    #[serde(default)]
    pub node_hour: Option<MoneyText>,
    /// The time of a run is rounded up to a multiple of this; 0 counts microseconds.
    #[serde(default)]
    pub round_up_seconds: u32,
    /// The shortest time that is counted of a run.
    #[serde(default)]
    pub minimum_seconds: u32,
}

/// What a pool costs from now on: one of the two. Running work keeps the terms of its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolCostSet {
    #[serde(default)]
    pub cost: Option<NodeCost>,
    #[serde(default)]
    pub fee: Option<SupplierFee>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolCostDone {
    #[schema(value_type = String)]
    pub pool: PoolId,
    #[serde(default)]
    pub cost: Option<NodeCost>,
    #[serde(default)]
    pub fee: Option<SupplierFee>,
}
