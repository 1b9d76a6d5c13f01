//! The operator's reports: margin by any of several things, what pools cost and earn, how many cards a service needs.

use base::PoolId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::words::{ReportBy, SupplyMode};

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// What to tell apart, by commas, at most four: `tenant`, `project`, `line` (product line), `work` (training, inference, other),
    /// `pool`, `cluster`, `supplier`, `mode`, `region`, `day`, `month`, `season` (quarter), `user`; the
    /// tenant when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 100)]
    pub by: Option<String>,
    /// Only what has these keys: `tenant=physics;line=ai`, at most four of what `by` may name; `-` as in the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 400)]
    pub only: Option<String>,
    /// Work done from the beginning of this day on; days begin where `utc_offset` of the answer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeText>,
    /// Work done up to the end of this day; midnight belongs to the day that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeText>,
    /// Everything in this currency: each day's amounts in others are converted by the rate of that day, and without one the report is refused.
    /// As it was earned and spent when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportRow {
    /// One for each thing told apart, in the order asked; `-` for what belongs to none, such as nodes that nobody used in a report by
    /// tenant. In the sum: nothing.
    pub keys: Vec<String>,
    pub currency: String,
    pub revenue: MoneyText,
    /// Charged but not covered by the wallet; not part of the revenue.
    pub uncollected: MoneyText,
    /// Charged and paid by what was granted for free; not part of the revenue.
    #[serde(default)]
    pub promotions: MoneyText,
    pub depreciation: MoneyText,
    pub datacentre: MoneyText,
    /// What suppliers take, with what statements that were accepted within the period corrected, and what fees fell behind minimum
    /// purchases in periods that ended in it.
    pub fee: MoneyText,
    /// What own nodes cost that no work carried.
    pub unused: MoneyText,
    /// The four together.
    pub cost: MoneyText,
    /// Revenue less cost.
    pub margin: MoneyText,
    /// Of the revenue, with two places; `null` without revenue.
    pub margin_percent: Option<String>,
    pub core_hours: f64,
    pub card_hours: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    pub by: Vec<ReportBy>,
    /// Where days, months and quarters begin, as a distance from UTC: `+08:00`.
    #[serde(default)]
    pub utc_offset: String,
    pub from: TimeText,
    pub to: TimeText,
    pub rows: Vec<ReportRow>,
    /// One per currency.
    pub total: Vec<ReportRow>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
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

/// What a pool's time cost and earned. Hours of cards where nodes have cards, else of cores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PoolReport {
    #[schema(value_type = String)]
    pub pool: PoolId,
    pub name: String,
    pub cluster: String,
    pub supplier: String,
    pub mode: SupplyMode,
    pub currency: String,
    /// What the hours below are of: `card` or `core`.
    pub unit: String,
    /// Hours that there were, and of them out of order, out of service, kept free by the reserve level, and given to work.
    pub total_hours: f64,
    pub outage_hours: f64,
    pub maintenance_hours: f64,
    pub reserve_hours: f64,
    pub allocated_hours: f64,
    /// Core-hours that work used of those that it had, by what clusters told of the processor time of attempts that ended in the period;
    /// `null` where none told, and where the hours are of cards.
    pub used_hours: Option<f64>,
    /// Of the core-hours of attempts that ended in the period and told: how much they used, per cent.
    pub used_percent: Option<String>,
    /// Allocated of total; `null` where there was nothing.
    pub utilisation_percent: Option<String>,
    pub revenue: MoneyText,
    /// What work carried: depreciation, data centre, fee.
    pub worked: MoneyText,
    /// What no work carried, by cause.
    pub outage: MoneyText,
    pub maintenance: MoneyText,
    pub reserve: MoneyText,
    pub idle: MoneyText,
    /// Nothing or less: what work carried beyond the cost of the nodes, since it carries the largest of its shares of a node.
    pub overlap: MoneyText,
    pub cost: MoneyText,
    pub margin: MoneyText,
    /// What an allocated hour brought and cost; `null` where nothing was allocated.
    pub revenue_per_hour: Option<MoneyText>,
    pub cost_per_hour: Option<MoneyText>,
    /// The utilisation at which an own pool would have earned what it cost, at the prices that it brought; `null` without revenue, and
    /// for partners, who cost nothing unused.
    pub break_even_percent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PoolsReport {
    pub from: TimeText,
    pub to: TimeText,
    pub rows: Vec<PoolReport>,
}

/// What is asked of a model service, and what its cards bring and cost.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SizingAsk {
    pub users: u64,
    /// By one user.
    pub requests_per_day: u64,
    /// Of an answer: tokens or characters.
    pub output_length: u64,
    /// Card time for one of them.
    pub seconds_per_unit: f64,
    /// Of the time of a card, the share that work fills, above 0, at most 1.
    #[serde(default = "one")]
    pub utilisation: f64,
    /// The busiest hour over the mean one, at least 1.
    #[serde(default = "one")]
    pub peak: f64,
    /// Of the cards, the share that is owned, 0 to 1.
    #[serde(default)]
    pub own_share: f64,
    /// The chip whose prices and costs count where none are said: of the newest price book, and of the pools that have it.
    #[serde(default)]
    pub chip: Option<String>,
    #[serde(default)]
    pub sold_hour: Option<MoneyText>,
    /// Of an own card, used or idle.
    #[serde(default)]
    pub own_hour: Option<MoneyText>,
    /// To the partner, for an hour of use.
    #[serde(default)]
    pub partner_hour: Option<MoneyText>,
}

const fn one() -> f64 {
    1.0
}

/// What comes of it. A month is 730 hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SizingDone {
    pub card_hours_day: u64,
    /// Cards that would be busy around the clock, without a peak.
    pub cards_busy: u64,
    /// Cards that bear the peak at the utilisation.
    pub cards: u64,
    pub own_cards: u64,
    pub partner_cards: u64,
    pub own_hours_month: u64,
    pub partner_hours_month: u64,
    pub sold_hour: MoneyText,
    pub own_hour: MoneyText,
    pub partner_hour: MoneyText,
    pub currency: String,
    /// Of a month.
    pub revenue: MoneyText,
    pub own_cost: MoneyText,
    pub partner_fees: MoneyText,
    pub margin: MoneyText,
}
