//! The supply file as people write it (TOML): every key optional or not as it stands here, a key that nobody knows refused. Refuses to
//! know what the parts mean to each other: that is checked where they are put together.

use std::collections::BTreeMap;

use base::{Currency, Money, Span};
use model::Chip;
use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub run: Run,
    pub prices: Prices,
    #[serde(default, rename = "site")]
    pub sites: Vec<Site>,
    #[serde(default, rename = "link")]
    pub links: Vec<Link>,
    #[serde(default, rename = "cluster")]
    pub clusters: Vec<Cluster>,
    #[serde(default, rename = "pool")]
    pub pools: Vec<Pool>,
    #[serde(default, rename = "outage")]
    pub outages: Vec<Outage>,
    #[serde(default, rename = "accounting")]
    pub accounting: Vec<Accounting>,
    #[serde(default, rename = "tenant")]
    pub tenants: Vec<Tenant>,
    #[serde(default, rename = "contract")]
    pub contracts: Vec<Contract>,
}

/// What concerns the run as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Run {
    #[serde(with = "base::span_text")]
    pub meter_interval: Span,
    #[serde(with = "base::span_text")]
    pub look_interval: Span,
}

impl Default for Run {
    /// A server bills by the minute and looks once a minute. Over a year of history the sums are the same by the hour, at a sixtieth
    /// of the work.
    fn default() -> Self {
        Self { meter_interval: Span::from_hours(1), look_interval: Span::from_mins(10) }
    }
}

/// A price book, as `hw prices publish` reads it; in force from the beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    #[serde(default = "price_book")]
    pub name: String,
    #[serde(default = "cny", deserialize_with = "text")]
    pub currency: Currency,
    #[serde(deserialize_with = "text")]
    pub core_hour: Money,
    #[serde(default, deserialize_with = "text")]
    pub gib_hour: Money,
    #[serde(default)]
    pub card_hour: BTreeMap<String, String>,
}

fn price_book() -> String {
    "prices".into()
}
const fn cny() -> Currency {
    Currency::CNY
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub name: String,
    #[serde(default)]
    pub region: String,
}

/// Between two sites, in both directions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub from: String,
    pub to: String,
    #[serde(with = "base::span_text", default = "no_time")]
    pub latency: Span,
    /// 10⁶ bits a second; left out: without bound.
    #[serde(rename = "bandwidth_mbit_s")]
    pub bandwidth: Option<sched::Bandwidth>,
    #[serde(default, deserialize_with = "text")]
    pub gib_price: Money,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub name: String,
    #[serde(default)]
    pub site: Option<String>,
    pub mode: Mode,
    /// Between hand-over and start, always.
    #[serde(with = "base::span_text", default = "no_time")]
    pub start_delay: Span,
    /// Mean of what its own queue lets work wait beyond that.
    #[serde(with = "base::span_text", default = "no_time")]
    pub queue_wait: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Own,
    Partner,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub name: String,
    pub cluster: String,
    #[serde(default = "one")]
    pub nodes: u32,
    /// Of one node.
    pub cores: u64,
    #[serde(default)]
    pub memory_gib: u64,
    #[serde(default)]
    pub gpus: u32,
    pub chip: Option<String>,
    #[serde(default, deserialize_with = "span_or_none")]
    pub time_limit_max: Option<Span>,
    /// Of a partner: what an hour of a core costs while it is used.
    #[serde(default, deserialize_with = "text_or_none")]
    pub fee_core_hour: Option<Money>,
    /// Of an own pool: what a node costs, used or idle.
    pub cost: Option<Cost>,
    #[serde(default, rename = "foreign")]
    pub foreign: Vec<Foreign>,
    /// Of a partner, in order of time.
    #[serde(default, rename = "fee_change")]
    pub fee_changes: Vec<FeeChange>,
}

/// From then on a partner takes another fee. Work that runs keeps that of its start.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeeChange {
    #[serde(with = "base::span_text")]
    pub from: Span,
    #[serde(deserialize_with = "text")]
    pub fee_core_hour: Money,
}

const fn one() -> u32 {
    1
}
const fn no_time() -> Span {
    Span::ZERO
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    #[serde(deserialize_with = "text")]
    pub purchase_price: Money,
    #[serde(default, deserialize_with = "text")]
    pub residual: Money,
    pub life_months: u32,
    #[serde(default, deserialize_with = "text")]
    pub datacentre_fee_month: Money,
}

/// Work that is not the platform's takes so many cores of each of the first nodes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Foreign {
    #[serde(with = "base::span_text")]
    pub from: Span,
    #[serde(rename = "for", with = "base::span_text")]
    pub lasts: Span,
    #[serde(default = "one")]
    pub nodes: u32,
    pub cores: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outage {
    /// A pool whose nodes go down, so many of them from the first on,
    pub pool: Option<String>,
    pub nodes: Option<u32>,
    /// or a cluster that does not answer,
    pub cluster: Option<String>,
    /// or the link between two sites: data that is to set out waits until it is back.
    pub link: Option<[String; 2]>,
    #[serde(with = "base::span_text")]
    pub from: Span,
    #[serde(rename = "for", with = "base::span_text")]
    pub lasts: Span,
}

/// A cluster whose ends of work become known late, or without what it used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accounting {
    pub cluster: String,
    #[serde(with = "base::span_text", default = "no_time")]
    pub from: Span,
    #[serde(rename = "for", with = "base::span_text")]
    pub lasts: Span,
    /// Each end is told up to so much later.
    #[serde(with = "base::span_text", default = "no_time")]
    pub late_max: Span,
    /// So many of 1,000 ends are told without what the work used: accounting has nothing of them.
    #[serde(default)]
    pub missing_permille: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tenant {
    pub name: String,
    /// Traces whose users it has; several tenants of one trace share its users out among them. Left out: the one of its name.
    pub traces: Option<Vec<String>>,
    /// Of these traces only the jobs of these group numbers; a tenant without any has what no other names.
    #[serde(default)]
    pub groups: Vec<u32>,
    #[serde(default = "one")]
    pub shares: u32,
    /// The cluster where its work ran before there was a platform: what runs elsewhere has moved.
    pub home: Option<String>,
    /// Where its data is, and how much each job brings.
    pub site: Option<String>,
    #[serde(default)]
    pub data_gib: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contract {
    pub tenant: String,
    pub cores: u32,
    #[serde(with = "base::span_text")]
    pub wait: Span,
    /// Paid for the promise, whatever is used.
    #[serde(default, deserialize_with = "text")]
    pub fee_month: Money,
    /// Given back for each job that waited longer.
    #[serde(default, deserialize_with = "text")]
    pub broken: Money,
}

/// Money as text: `"0.10"`.
fn text<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}
fn text_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Money>, D::Error> {
    text(from).map(Some)
}
pub(crate) fn span_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Span>, D::Error> {
    text(from).map(Some)
}

impl Prices {
    /// Chips with their prices.
    ///
    /// # Errors
    /// The first that is no chip or no money.
    pub fn cards(&self) -> Result<BTreeMap<Chip, Money>, String> {
        let card = |(chip, price): (&String, &String)| {
            let chip = chip.parse().map_err(|_| format!("prices.card_hour: `{chip}` is no chip"))?;
            let price = price.parse().map_err(|fault: base::ParseMoneyError| format!("prices.card_hour: {fault}"))?;
            Ok((chip, price))
        };
        self.card_hour.iter().map(card).collect()
    }
}

/// Why a file is no supply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// With line and column.
    #[error("{0}")]
    Toml(String),
    #[error("{0}")]
    Sense(String),
    /// The platform refused something of the set-up.
    #[error("the platform refuses the supply: {0}")]
    Refused(String),
}
