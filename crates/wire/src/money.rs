//! Wallets, transfers, bills and margins.

use base::{JobId, TenantId, TransferId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::words::{BillFormat, MarginBy, PriceUnit};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wallet {
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// Paid in less charged.
    pub balance: MoneyText,
    /// Set aside for work under way.
    pub held: MoneyText,
    /// Balance and credit limit less what is held.
    pub available: MoneyText,
    pub credit_limit: MoneyText,
    pub currency: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    /// In the tenant's currency; negative takes money out.
    pub amount: MoneyText,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub memo: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopUpDone {
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub balance: MoneyText,
    pub currency: String,
}

/// One movement of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    #[schema(value_type = String)]
    pub id: TransferId,
    pub at: TimeText,
    /// Positive into the wallet, negative out of it.
    pub amount: MoneyText,
    pub currency: String,
    /// `top_up`, `settle`, `refund` …
    pub reason: String,
    pub memo: String,
    /// The job it paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub job: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The metered time it paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BillQuery {
    /// Name or id; the caller's own tenant when left out (all tenants for operators).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// One job by id, number or array element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Metered time from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Up to here, excluded; now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub format: Option<BillFormat>,
}

/// What was used of storage, traffic, requests or tokens within the time of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillUsage {
    pub tenant: String,
    pub project: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    pub unit: PriceUnit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which of the model's requests or tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub records: u64,
    /// When the first of it began and the last ended.
    pub from: TimeText,
    pub to: TimeText,
    /// In units with six places, rounded down; and what of it contracts included.
    pub quantity: String,
    pub included_quantity: String,
    pub currency: String,
    /// Without what was written off.
    pub charge: MoneyText,
    /// Of the charge, what grants paid.
    pub credited: MoneyText,
}

/// What one attempt of a job cost within the time of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillLine {
    #[schema(value_type = String)]
    pub job: JobId,
    pub number: u64,
    /// Number of the attempt.
    pub attempt: u32,
    pub name: String,
    pub tenant: String,
    pub user: String,
    pub project: String,
    pub pool: String,
    /// Of the charge: the tenant's.
    pub currency: String,
    pub from: TimeText,
    pub to: TimeText,
    /// Decimal text with six places, as are the next two.
    pub core_hours: String,
    pub gib_hours: String,
    pub card_hours: String,
    /// What was not written off, with what contracts and grants paid.
    pub charge: MoneyText,
    /// The parts of it that were drawn from contracts and paid by grants.
    #[serde(default, skip_serializing_if = "none")]
    pub drawn: MoneyText,
    #[serde(default, skip_serializing_if = "none")]
    pub credited: MoneyText,
}

/// What the work of a bill cost in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillTotal {
    pub currency: String,
    /// What the lines come to, with what contracts and grants paid.
    pub total: MoneyText,
    /// The parts of it that were drawn from contracts and paid by grants: nobody is asked for them here.
    #[serde(default, skip_serializing_if = "none")]
    pub drawn: MoneyText,
    #[serde(default, skip_serializing_if = "none")]
    pub credited: MoneyText,
    /// What corrections within the time added; not part of the total, which is what the lines come to.
    #[serde(default, skip_serializing_if = "none")]
    pub corrected: MoneyText,
}

pub(crate) fn none(amount: &MoneyText) -> bool {
    *amount == MoneyText::default()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bill {
    pub tenant: Option<String>,
    pub from: TimeText,
    pub to: TimeText,
    /// In the order of the currencies, then of the jobs' numbers.
    pub lines: Vec<BillLine>,
    /// Storage, traffic, requests and tokens: a line for each project, user, pool, unit, model and kind, by these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<BillUsage>,
    /// One per currency, in the order of the currencies; at least one.
    pub total: Vec<BillTotal>,
    /// Amendments within the time of what was billed then or before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<crate::statement::Correction>,
    /// There were more lines than one bill may have: narrow the time.
    pub truncated: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MarginQuery {
    /// What to have a row for; the tenant when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub by: Option<MarginBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    /// Everything in this currency: each day's amounts in others are converted by the rate of that day, and without one the report is refused.
    /// As it was earned and spent when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarginRow {
    /// Id of the job, tenant, pool or project; zeros for what is of none (of usage, that is of no job); `total` in the sum.
    pub key: String,
    pub name: String,
    pub currency: String,
    pub revenue: MoneyText,
    /// Charged but not covered by the wallet; not part of the revenue.
    pub uncollected: MoneyText,
    pub depreciation: MoneyText,
    pub datacentre: MoneyText,
    /// What suppliers take.
    #[serde(default)]
    pub fee: MoneyText,
    /// Depreciation, data centre and fee together.
    pub cost: MoneyText,
    /// Revenue less cost.
    pub margin: MoneyText,
    /// Of the revenue, with two places; `null` without revenue.
    pub margin_percent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Margin {
    pub by: MarginBy,
    pub from: TimeText,
    pub to: TimeText,
    pub rows: Vec<MarginRow>,
    /// One per currency.
    pub total: Vec<MarginRow>,
    /// There were more rows than one report may have: narrow the time.
    pub truncated: bool,
}
