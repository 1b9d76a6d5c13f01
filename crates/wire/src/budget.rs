//! Budgets of tenants, projects and users: set, shown with what was spent, removed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};
use crate::words::{BudgetKind, BudgetPeriod};

/// Sets a budget. One for the same work, of the same kind and the same periods is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetSet {
    /// Only this project's work: name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    /// Only this user's work: name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub user: Option<String>,
    pub kind: BudgetKind,
    pub period: BudgetPeriod,
    /// With the period `once`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    /// Of the calendar in which months, quarters and years begin: `+08:00`; UTC when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 6)]
    pub utc_offset: Option<String>,
    /// In the tenant's currency, more than zero.
    pub amount: MoneyText,
    /// Per cent of the amount at which it is told; 50, 80 and 100 when left out. A hard budget always tells at 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10)]
    pub alerts: Option<Vec<u32>>,
}

/// A budget and what was spent of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    pub number: u64,
    /// Name of the project whose work it is for; `null`: all projects.
    pub project: Option<String>,
    /// Name of the user whose work it is for; `null`: all users.
    pub user: Option<String>,
    pub kind: BudgetKind,
    pub period: BudgetPeriod,
    pub utc_offset: String,
    /// The present period; of a budget for once its only one.
    pub from: TimeText,
    pub to: TimeText,
    pub amount: MoneyText,
    /// Charges of the period less what was given back.
    pub spent: MoneyText,
    /// What open jobs still have set aside.
    pub promised: MoneyText,
    /// Amount less both; below zero when work went beyond it.
    pub left: MoneyText,
    pub currency: String,
    /// Thresholds, per cent of the amount.
    pub alerts: Vec<u32>,
    /// Those that were told in this period.
    pub alerted: Vec<u32>,
    /// Running work is stopped then, unless the budget is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<TimeText>,
    pub set_at: TimeText,
    /// Earlier periods, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<BudgetSpent>,
}

/// What was spent in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetSpent {
    pub from: TimeText,
    pub to: TimeText,
    pub spent: MoneyText,
}
