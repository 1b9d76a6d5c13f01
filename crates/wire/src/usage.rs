//! Usage that is no running time, as it is reported and as it was billed: storage, traffic, requests, tokens.

use base::{PoolId, PriceBookId, ProjectId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::words::{PriceUnit, ProductLine};

/// One thing that was used. The same `source` and `id` are the same usage: it is billed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageRecord {
    /// Of the source.
    #[schema(min_length = 1, max_length = 128)]
    pub id: String,
    /// Whose: name or id.
    #[schema(max_length = 64)]
    pub tenant: String,
    /// Name or id; the user's own project when left out, or `default` without a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    /// Name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub user: Option<String>,
    /// `gib_month`, `gib_moved`, `request` or `kilotoken`.
    pub unit: PriceUnit,
    /// In smallest pieces, a whole number: bytes times microseconds, bytes, requests or tokens.
    #[schema(pattern = "^[0-9]{1,30}$")]
    pub pieces: String,
    pub from: TimeText,
    /// `from` when left out; at most a day later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductLine>,
    /// Where: name or id of a pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub pool: Option<String>,
    /// What, in words: the name of a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub label: Option<String>,
    /// By whose prices: the model that answered. Of requests and tokens alone, like `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub model: Option<String>,
    /// Which of its requests or tokens: `input`, `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub kind: Option<String>,
}

/// What somebody reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageReport {
    /// Who reports it, in words; `platform` is taken.
    #[schema(min_length = 1, max_length = 128)]
    pub source: String,
    #[schema(max_items = 1000)]
    pub records: Vec<UsageRecord>,
}

/// What came of one record, in the order of the report. One that was refused is not billed and may be reported again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageResult {
    pub id: String,
    /// Billed, by this report or by one before.
    pub booked: bool,
    /// It was billed before.
    pub again: bool,
    /// Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<MoneyText>,
    /// Of the charge, what the tenant's wallet did not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncollected: Option<MoneyText>,
    /// Why it is not billed: a stable code, and a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageTaken {
    pub booked: u32,
    /// Of these, billed before.
    pub again: u32,
    pub refused: u32,
    pub results: Vec<UsageResult>,
}

/// Usage as it was billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Ours, counted from 1.
    pub number: u64,
    pub source: String,
    pub id: String,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    #[schema(value_type = String)]
    pub project: ProjectId,
    pub project_name: String,
    #[schema(value_type = Option<String>)]
    pub user: Option<UserId>,
    pub user_name: Option<String>,
    pub unit: PriceUnit,
    /// Bytes times microseconds, bytes, requests or tokens.
    pub pieces: String,
    /// The same in units, with six places, rounded down.
    pub quantity: String,
    pub from: TimeText,
    pub to: TimeText,
    /// When it was billed.
    pub at: TimeText,
    /// It was reported when its month was closed, and counts for the month in which it was billed.
    pub late: bool,
    pub product: ProductLine,
    #[schema(value_type = Option<String>)]
    pub pool: Option<PoolId>,
    pub pool_name: Option<String>,
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// By whose prices.
    #[schema(value_type = String)]
    pub price_book: PriceBookId,
    /// Pieces that contracts included, and the same in units.
    pub included: String,
    pub included_quantity: String,
    pub charge: MoneyText,
    /// Of the charge, what grants paid.
    pub credited: MoneyText,
    /// Of the charge, what the wallet did not have; written off.
    pub uncollected: MoneyText,
    pub currency: String,
}

/// What the records of a unit come to, and of a model and a kind where these were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageSum {
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    pub unit: PriceUnit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub records: u64,
    pub pieces: String,
    pub quantity: String,
    pub included: String,
    pub included_quantity: String,
    pub charge: MoneyText,
    pub credited: MoneyText,
    pub uncollected: MoneyText,
    pub currency: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageSums {
    pub from: Option<TimeText>,
    pub to: Option<TimeText>,
    pub items: Vec<UsageSum>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PriceUnit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128)]
    pub model: Option<String>,
    /// Name of a project of the tenant that is asked for, or of one's own; or an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Usage that ended at this moment or later; what was reported late counts when it was billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Without this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
