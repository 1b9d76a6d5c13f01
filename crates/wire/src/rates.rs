//! Rates between currencies: from which day on one unit of a currency is worth how much of another.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::TimeText;

/// A rate to be kept. Nothing is inverted: what CNY are worth in USD is another rate than what USD are worth in CNY.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateSet {
    /// One unit of this currency …
    #[schema(pattern = "^[A-Z]{3}$")]
    pub of: String,
    /// … is worth so much of this one.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub into: String,
    /// Decimal, above 0, at most nine places.
    #[schema(pattern = "^[0-9]{1,10}(\\.[0-9]{1,9})?$", example = "7.1234")]
    pub worth: String,
    /// The first day that it holds for: `2026-11-01`. Today when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    pub from: Option<String>,
    /// Why it takes the place of another that begins on the same day; needed then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 200)]
    pub reason: String,
}

/// A rate as it was told. It holds from its day on until the day of another of the same two currencies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rate {
    /// Ours, counted from 1.
    pub number: u64,
    pub of: String,
    pub into: String,
    pub worth: String,
    pub from: String,
    /// False where another that begins on the same day has taken its place.
    pub holds: bool,
    /// Why it took the place of another; empty where there was none.
    pub reason: String,
    pub set_at: TimeText,
    /// Who told it.
    pub by: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RatesQuery {
    /// Only rates of this currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[A-Z]{3}$")]
    pub of: Option<String>,
    /// Only rates into this currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[A-Z]{3}$")]
    pub into: Option<String>,
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
