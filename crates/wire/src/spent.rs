//! What a tenant spends day by day, what its open jobs have set aside, and how many jobs wait by class.

use base::JobId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::words::{JobState, PriorityClass, SpendBy};

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpendQuery {
    /// By product line when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub by: Option<SpendBy>,
    /// Within the first day; 30 days before the last when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Within the last day; now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
}

/// What was charged on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendRow {
    /// `2026-11-22`, by the platform's days.
    pub day: String,
    /// Name of the project or the user, or the product line; `-` for work of before it was counted.
    pub key: String,
    pub charge: MoneyText,
    /// Part of the charge that grants paid.
    pub credited: MoneyText,
    pub core_hours: f64,
    pub card_hours: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Spend {
    pub from: TimeText,
    pub to: TimeText,
    /// Where the days begin.
    pub utc_offset: String,
    pub by: SpendBy,
    pub currency: String,
    /// Oldest day first. What was charged and corrected later stands here as it was charged.
    pub rows: Vec<SpendRow>,
}

/// What one open job has set aside in its tenant's wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    #[schema(value_type = String)]
    pub job: JobId,
    pub number: u64,
    pub name: String,
    pub state: JobState,
    pub user_name: String,
    pub amount: MoneyText,
    pub currency: String,
    pub since: TimeText,
}

/// Open jobs of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueClass {
    pub class: PriorityClass,
    pub waiting: u64,
    pub held: u64,
    pub running: u64,
    /// When the oldest that waits was submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<TimeText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// The most urgent first, each class once.
    pub classes: Vec<QueueClass>,
}
