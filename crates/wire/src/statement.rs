//! Tenants' statements: what was booked in a month, by project, user and job; invoices; corrections of what was billed.

use base::{JobId, TenantId, TransferId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::words::{PriceUnit, StatementFormat};

/// What a tenant was told for a month; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantStatement {
    /// Without a gap over all tenants.
    pub number: u64,
    /// How people name it: `2026-000123`.
    pub name: String,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    /// `2026-10`, in the operator's time.
    pub month: String,
    /// What was booked from here on …
    pub from: TimeText,
    /// … and before this.
    pub to: TimeText,
    pub currency: String,
    /// The balance when the month began.
    pub opening: MoneyText,
    pub top_ups: MoneyText,
    pub grants: MoneyText,
    pub withdrawals: MoneyText,
    /// Taken from the wallet for work.
    pub charges: MoneyText,
    /// Given back of that.
    pub refunds: MoneyText,
    /// Fees of contracts.
    pub fees: MoneyText,
    /// What corrections added; less than nothing where they gave back.
    pub corrections: MoneyText,
    /// Charges less refunds, with fees and corrections.
    pub due: MoneyText,
    /// The balance when the month was over.
    pub closing: MoneyText,
    /// Charges that neither hold nor wallet could cover; not asked for.
    pub written_off: MoneyText,
    /// How many movements of the wallet these are.
    pub transfers: u64,
    /// Of the tax that the amount due contains, in parts of a million.
    pub tax_ppm: u32,
    /// That tax, rounded half away from zero.
    pub tax: MoneyText,
    pub closed_at: TimeText,
    /// Number of the invoice that was written for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
}

/// Sums of one project, user or job within a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementPart {
    pub name: String,
    /// Of a job: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub job: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    pub charges: MoneyText,
    pub refunds: MoneyText,
    pub fees: MoneyText,
    pub corrections: MoneyText,
    /// Of charges less refunds, what grants paid and nobody is asked for.
    #[serde(default)]
    pub credits: MoneyText,
    /// Charges less refunds and credits, with fees and corrections.
    pub due: MoneyText,
    /// Hours that were billed, decimal text with six places.
    pub hours: String,
}

/// A statement with what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementDetail {
    #[serde(flatten)]
    pub statement: TenantStatement,
    pub projects: Vec<StatementPart>,
    pub users: Vec<StatementPart>,
    /// The first hundred by number; the others are asked for a page at a time.
    pub jobs: Vec<StatementPart>,
    /// How many jobs can be listed.
    #[serde(default)]
    pub jobs_total: u64,
    /// There are more jobs than can be listed; the CSV has all.
    pub truncated: bool,
    pub corrections_made: Vec<Correction>,
    /// Storage, traffic, requests and tokens, by project, unit and what was used.
    #[serde(default)]
    pub usage: Vec<StatementUsage>,
}

/// What a project used of storage, traffic, requests or tokens within a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementUsage {
    pub project: String,
    pub unit: PriceUnit,
    /// What was used, in words.
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which of the model's requests or tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// It happened in a month that was closed when it was reported.
    pub late: bool,
    /// Of what was charged for, in units with six places, rounded down.
    pub quantity: String,
    pub charges: MoneyText,
    /// Of the charges, what grants paid.
    pub credits: MoneyText,
    pub due: MoneyText,
}

/// An amendment of what was billed; what was billed stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Correction {
    #[schema(value_type = String)]
    pub transfer: TransferId,
    pub at: TimeText,
    pub tenant_name: String,
    /// Added to what is asked; less than nothing gives back.
    pub amount: MoneyText,
    pub currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub job: Option<JobId>,
    /// Number of that job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    pub reason: String,
    /// The operator who made it.
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionCreate {
    /// In the tenant's currency: added to what it is asked for; negative gives back.
    pub amount: MoneyText,
    /// The job that it is about: id, number or array element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Why; the tenant reads it.
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionDone {
    #[schema(value_type = String)]
    pub transfer: TransferId,
    /// Of the wallet, afterwards.
    pub balance: MoneyText,
    pub currency: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatementsClose {
    /// Up to and with this one, `2026-10`; the last that is over when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    /// Name or id; all tenants when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// What was closed by one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementsClosed {
    pub month: String,
    pub closed: u64,
    /// The first of their numbers; the others follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Not all fitted into one request: ask again.
    pub more: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatementsQuery {
    /// Name or id; the caller's own tenant when left out (all tenants for operators).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// `2026-10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
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
pub struct StatementQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub format: Option<StatementFormat>,
    /// Of the printable page: `en` (the default) or `zh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// Of JSON: false leaves out the sums by project, user, job and usage, which take their time when a statement is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatementJobsQuery {
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceSet {
    #[schema(min_length = 1, max_length = 100)]
    pub invoice: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxSet {
    /// Of the tax that the tenant's prices contain, in parts of a million: 6 % is 60000.
    #[schema(maximum = 1_000_000)]
    pub tax_ppm: u32,
}

/// Which rows of an export.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Name or id; all tenants when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Up to here; now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
}
