//! Tenants' contracts: what is committed for a fee a month, and what became of each month.

use base::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};
use crate::words::{ContractState, ContractTier, PriceUnit, PriorityClass, ProductLine, UnusedRule};

/// One thing that is committed: `held` so many at all times, or so many `hours` in a whole month. It covers work that the price book
/// prices by this unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// `core_hour`, `card_hour` or `node_hour`.
    pub unit: PriceUnit,
    /// Name of a pool; left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Of the pool, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PriorityClass>,
    /// Cores, cards or nodes at all times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u32>,
    /// Hours of one core, card or node in a whole month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u64>,
    /// A month's part of the fee, above zero.
    pub fee: MoneyText,
    /// For one unit beyond what is committed; left out: the price book's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overage: Option<MoneyText>,
}

/// What the contract's own fee includes beside running work, in a whole month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Included {
    pub unit: PriceUnit,
    pub quantity: u64,
}

/// A contract to be signed. Fees are of whole months of the calendar; of parts of months their part is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractCreate {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,39}$")]
    pub name: String,
    /// As whose the tenant's work is placed meanwhile; `on_demand` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ContractTier>,
    /// At once when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Without this moment.
    pub to: TimeText,
    /// In which the months are told; UTC when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "+08:00")]
    pub utc_offset: Option<String>,
    /// A month's, beside the commitments'; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub commit: Vec<Commitment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub include: Vec<Included>,
    /// What becomes of what a month did not use; `lapse` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<UnusedRule>,
    /// Of the fees of months that have not begun, the part that an early end costs, 0 to 1; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_end: Option<MoneyText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contract {
    /// Our number of it.
    pub number: u64,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub tenant_name: String,
    pub name: String,
    pub state: ContractState,
    pub tier: ContractTier,
    pub currency: String,
    pub from: TimeText,
    /// When it ends, or has ended.
    pub to: TimeText,
    pub utc_offset: String,
    pub signed_at: TimeText,
    /// When it was broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_off: Option<TimeText>,
    pub fee: MoneyText,
    pub commit: Vec<Commitment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Included>,
    pub unused: UnusedRule,
    pub early_end: MoneyText,
    /// What breaking it off would cost now; `null` when it is over or broken off.
    pub early_end_fee: Option<MoneyText>,
}

/// A contract with its months, the first first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContractDetail {
    pub contract: Contract,
    pub months: Vec<ContractMonth>,
}

/// A month of one commitment, or of the contract's own fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContractMonth {
    /// Of the calendar.
    pub month: String,
    /// 0: the contract's own fee; from 1 its commitments; from 100 what is included.
    pub line: u8,
    /// It is what the month before left.
    pub carried: bool,
    pub from: TimeText,
    pub to: TimeText,
    /// What was paid for it.
    pub fee: MoneyText,
    /// Hours, or units of what is included, that can be drawn, with three decimal places, rounded down; `null` for the contract's own fee.
    pub hours: Option<String>,
    pub drawn_hours: Option<String>,
    /// Of the fee, what is earned by what was drawn.
    pub earned: MoneyText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<TimeText>,
    /// Of the fee, what nobody drew and was earned at the month's end.
    pub lapsed: MoneyText,
    /// Of the fee, what went into the next month.
    pub carried_on: MoneyText,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContractEnd {
    /// Why.
    #[schema(max_length = 200)]
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let text = "name = 'gpu'\ntier = 'long_term'\nto = '2027-01-01T00:00:00Z'\nfee = '100'\nearly_end = '0.5'\nunused = 'carry'\n\
            [[commit]]\nunit = 'card_hour'\nchip = 'nvidia-a100-80g'\nheld = 8\nfee = '38000'\noverage = '9.5'\n\
            [[include]]\nunit = 'gib_month'\nquantity = 1000\n";
        let contract: ContractCreate = toml::from_str(text).unwrap();
        assert_eq!((contract.commit[0].held, contract.include[0].quantity), (Some(8), 1_000));
        assert_eq!(
            serde_json::from_value::<ContractCreate>(serde_json::to_value(&contract).unwrap()).unwrap(),
            contract
        );
        assert!(toml::from_str::<ContractCreate>(&text.replace("held", "hold")).is_err());
    }
}
