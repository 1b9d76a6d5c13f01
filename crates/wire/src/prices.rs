//! Price books and their trial: what a book would have charged for the work of a month.

use std::collections::BTreeMap;

use base::{PriceBookId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};
use crate::words::{Day, PriceUnit, PriorityClass, ProductLine, RoundUp};

/// One immutable version of the selling prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceBook {
    #[schema(value_type = String)]
    pub id: PriceBookId,
    pub name: String,
    pub currency: String,
    pub effective_from: TimeText,
    /// How far the hours of bands and the months of steps are ahead of UTC.
    #[serde(default = "utc")]
    #[schema(example = "+08:00")]
    pub utc_offset: String,
    /// In the order of the file.
    #[serde(default)]
    pub items: Vec<PriceItem>,
    /// Price of the item for cores that names nothing further; `null` when there is none.
    pub core_hour: Option<MoneyText>,
    pub gib_hour: Option<MoneyText>,
    /// Prices of the items for cards that name a chip alone.
    pub card_hour: BTreeMap<String, MoneyText>,
}

fn utc() -> String {
    "+00:00".to_owned()
}

/// One price: of a unit, for whom and what, and what it follows. Of several items that are for a piece of work the one with a tenant goes
/// first; then that with a model, a kind, a pool, a chip, a product, a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceItem {
    pub unit: PriceUnit,
    /// Name of a tenant; left out: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Name of a pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Of the pool, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PriorityClass>,
    /// Of requests and tokens alone: the model, as usage names it; like `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub model: Option<String>,
    /// Which of a model's requests or tokens, as usage names it: `input`, `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub kind: Option<String>,
    pub price: MoneyText,
    /// Least amount for a run, however short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<MoneyText>,
    /// To what the billed time of a run is rounded up; left out: to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_up: Option<RoundUp>,
    /// Hours with another price; the first that holds counts. Not beside `steps`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 168)]
    pub bands: Vec<PriceBand>,
    /// Other prices for what goes beyond a quantity in the calendar month.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 168)]
    pub steps: Vec<PriceStep>,
}

/// Hours of the week: `price` or `factor`. One that ends at or before its start goes on into the next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceBand {
    /// On which it begins; left out: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// Left out: midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-2][0-9]:[0-5][0-9]$")]
    pub from: Option<String>,
    /// Left out: midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-2][0-9]:[0-5][0-9]$")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<MoneyText>,
    /// Of the item's price, as decimal text with at most six places; the product is rounded down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<MoneyText>,
}

/// What goes beyond so many units of a tenant in the calendar month: `price` or `factor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceStep {
    /// Whole units, above 0 and above the step before.
    pub above: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<MoneyText>,
}

/// A book to publish. The short form `core_hour`, `gib_hour`, `card_hour` stands for items that name nothing, or the chip alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceCreate {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,39}$")]
    pub name: String,
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// Now when left out; not in the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<TimeText>,
    /// UTC when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "+08:00")]
    pub utc_offset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_hour: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gib_hour: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub card_hour: BTreeMap<String, MoneyText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub items: Vec<PriceItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceCreated {
    #[schema(value_type = String)]
    pub price_book: PriceBookId,
}

/// What would this book have charged?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceTry {
    /// A calendar month at the book's distance from UTC; the last one that is over when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}$")]
    pub month: Option<String>,
    /// As it would be published; `effective_from` is not looked at.
    pub book: PriceCreate,
}

/// What a book would have charged for the metered work and the usage of a month, against what was charged. Stretches count in the month
/// in which they end, records of storage, traffic, requests and tokens in that in which they begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceTrial {
    pub month: String,
    pub from: TimeText,
    pub to: TimeText,
    pub currency: String,
    /// By name.
    pub tenants: Vec<PriceTrialRow>,
    pub total: PriceTrialRow,
    /// Some of what the book lacks for runs and records without a price.
    pub missing: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceTrialRow {
    /// `null` in the sum over all.
    #[schema(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
    pub runs: u64,
    /// Runs for which the book has no price; in `tried` they count nothing.
    pub runs_unpriced: u64,
    /// Of storage, traffic, requests and tokens.
    #[serde(default)]
    pub records: u64,
    /// Records for which the book has no price; in `tried` they count nothing.
    #[serde(default)]
    pub records_unpriced: u64,
    /// What of `charged` and `tried` these records are.
    #[serde(default)]
    pub usage_charged: MoneyText,
    #[serde(default)]
    pub usage_tried: MoneyText,
    /// With what was written off.
    pub charged: MoneyText,
    pub tried: MoneyText,
    /// `tried` less `charged`.
    pub difference: MoneyText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_in_the_short_form_and_with_items() {
        let short = "name = 'list'\ncurrency = 'CNY'\ncore_hour = '0.1'\ngib_hour = '0.01'\n[card_hour]\na100 = '6'\n";
        let book: PriceCreate = toml::from_str(short).unwrap();
        assert_eq!((book.card_hour.len(), book.items.len(), book.utc_offset), (1, 0, None));
        let items = "name = 'list'\ncurrency = 'CNY'\nutc_offset = '+08:00'\n[[items]]\nunit = 'card_hour'\nchip = 'a100'\n\
            class = 'urgent'\nprice = '12'\nround_up = 'minute'\nminimum = '0.5'\n[[items.bands]]\ndays = ['mon', 'fri']\n\
            from = '08:00'\nto = '20:00'\nfactor = '1.5'\n[[items]]\nunit = 'kilotoken'\nprice = '0.002'\n\
            steps = [{ above = 1000000, price = '0.001' }]\n";
        let book: PriceCreate = toml::from_str(items).unwrap();
        assert_eq!((book.items.len(), book.items[0].bands.len(), book.items[1].steps[0].above), (2, 1, 1_000_000));
        assert_eq!(serde_json::from_value::<PriceCreate>(serde_json::to_value(&book).unwrap()).unwrap(), book);
        for wrong in ["unit = 'core'", "unit = 'core_hour'\nclas = 'urgent'", "unit = 'core_hour'\nprice = 1"] {
            let text = format!("name = 'x'\ncurrency = 'CNY'\n[[items]]\nprice = '1'\n{wrong}\n");
            assert!(toml::from_str::<PriceCreate>(&text).is_err(), "{wrong}");
        }
    }
}
