//! Suppliers: what they are owed, what was agreed on with them, and what was bought.

use base::SupplierId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};
use crate::words::{SettlesBy, SupplyMode};

/// Terms agreed on with a supplier, in place of those there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SupplierTermsSet {
    /// Now when left out, or as it was while a term runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Until further notice when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    /// Changes with a new term only.
    pub settles: SettlesBy,
    /// Of the calendar in which periods begin: `+08:00`; UTC when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 6)]
    pub utc_offset: Option<String>,
    /// What is bought at least in a whole period, in the currency of costs; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<MoneyText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Supplier {
    #[schema(value_type = String)]
    pub id: SupplierId,
    pub name: String,
    pub mode: SupplyMode,
    /// `null`: nothing was agreed on beyond the fees of its pools.
    pub terms: Option<SupplierTerms>,
    /// Owed for what was used and for minimum purchases, before statements are settled.
    pub accrued: MoneyText,
    /// Owed by accepted statements.
    pub payable: MoneyText,
    pub currency: String,
    /// The settlement whose mapping is kept for the next statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_of: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SupplierTerms {
    pub from: TimeText,
    pub to: Option<TimeText>,
    pub settles: SettlesBy,
    pub utc_offset: String,
    pub minimum: MoneyText,
    /// Purchases count from here on.
    pub counts_from: TimeText,
    /// The term has ended.
    pub is_over: bool,
    /// Newest first.
    pub periods: Vec<Purchase>,
}

/// What was bought in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Purchase {
    pub from: TimeText,
    pub to: TimeText,
    /// Fees of what was used in it.
    pub fees: MoneyText,
    /// What was to be bought at least; `null` while it is open.
    pub minimum: Option<MoneyText>,
    /// What of the shortfall is accrued.
    pub short: MoneyText,
}
