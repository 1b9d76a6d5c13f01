//! Overviews for the operator: what each tenant earns, own against partners' supply, and who owes what since when.

use base::{SupplierId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};

/// What a tenant brought and cost. A tenant that does not pay in the currency of costs has a row in each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantRow {
    /// Name; `-` for costs that no work carried.
    pub tenant: String,
    pub currency: String,
    pub revenue: MoneyText,
    pub cost: MoneyText,
    pub margin: MoneyText,
    pub margin_percent: Option<String>,
    /// Users of whose work something was metered.
    pub active_users: u64,
    /// Revenue by active user, rounded half away from zero; `null` without any.
    pub revenue_per_user: Option<MoneyText>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantsReport {
    pub from: TimeText,
    pub to: TimeText,
    pub rows: Vec<TenantRow>,
    /// One per currency; active users are those of the tenants that pay in it.
    pub total: Vec<TenantRow>,
}

/// Own or partners' supply in one month, with its shares of the month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MixRow {
    /// `2026-11`.
    pub month: String,
    /// `own`, `partner`, or `-` for work whose pool is not known any more.
    pub mode: String,
    pub currency: String,
    pub card_hours: f64,
    pub core_hours: f64,
    pub revenue: MoneyText,
    pub cost: MoneyText,
    /// Of the month over all modes, per cent with two places; `null` where there was nothing. Money within its currency.
    pub card_hours_percent: Option<String>,
    pub core_hours_percent: Option<String>,
    pub revenue_percent: Option<String>,
    pub cost_percent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MixReport {
    pub from: TimeText,
    pub to: TimeText,
    pub rows: Vec<MixRow>,
}

/// An amount by its age in days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ages {
    pub up_to_30: MoneyText,
    pub up_to_60: MoneyText,
    pub up_to_90: MoneyText,
    pub over_90: MoneyText,
}

/// What a tenant owes: its wallet is below zero. The newest charges are the unpaid ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receivable {
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub name: String,
    pub currency: String,
    pub owed: MoneyText,
    /// End of the day of the oldest unpaid charge.
    pub since: Option<TimeText>,
    pub ages: Ages,
}

/// What a supplier is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Payable {
    #[schema(value_type = String)]
    pub supplier: SupplierId,
    pub name: String,
    pub currency: String,
    /// By accepted statements that are not paid.
    pub owed: MoneyText,
    /// Since the statements were accepted.
    pub ages: Ages,
    /// Accrued and in no accepted statement yet.
    pub accrued: MoneyText,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgeingReport {
    pub at: TimeText,
    pub receivables: Vec<Receivable>,
    pub payables: Vec<Payable>,
}
