//! What a price book is made of: items, each with a unit, whom and what it is for, and how its price follows the hour, the month's
//! quantity, a minimum and a rounding. Knows what makes an item senseless; refuses to know amounts of work.

use std::fmt;
use std::sync::Arc;

use base::{Money, Span};
use model::{Chip, PriorityClass, ProductLine};
use serde::{Deserialize, Serialize};

use super::calendar::{Day, TimeOfDay};

/// What is sold by the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A core for an hour.
    CoreHour,
    /// A GiB of memory for an hour.
    GibHour,
    /// A card for an hour.
    CardHour,
    /// A whole node for an hour, instead of its cores, memory and cards.
    NodeHour,
    /// A GiB kept for a month, which is a twelfth of 365 days.
    GibMonth,
    /// A GiB moved.
    GibMoved,
    Request,
    /// A thousand tokens.
    Kilotoken,
}

impl Unit {
    pub const ALL: [Unit; 8] = [
        Unit::CoreHour,
        Unit::GibHour,
        Unit::CardHour,
        Unit::NodeHour,
        Unit::GibMonth,
        Unit::GibMoved,
        Unit::Request,
        Unit::Kilotoken,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Unit::CoreHour => "core_hour",
            Unit::GibHour => "gib_hour",
            Unit::CardHour => "card_hour",
            Unit::NodeHour => "node_hour",
            Unit::GibMonth => "gib_month",
            Unit::GibMoved => "gib_moved",
            Unit::Request => "request",
            Unit::Kilotoken => "kilotoken",
        }
    }

    pub fn parse(text: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| unit.as_str() == text)
    }

    /// Of running work: billed by the time it runs.
    pub const fn is_timed(self) -> bool {
        matches!(self, Unit::CoreHour | Unit::GibHour | Unit::CardHour | Unit::NodeHour)
    }

    /// Of calls of a model: may name it, and which of its requests or tokens.
    pub const fn is_of_models(self) -> bool {
        matches!(self, Unit::Request | Unit::Kilotoken)
    }

    /// Smallest pieces in one unit. Of running work: thousandths of cores, bytes, cards or nodes, times microseconds; of storage
    /// bytes times microseconds; else bytes, requests, tokens.
    pub const fn pieces(self) -> u128 {
        const HOUR: u128 = 3_600_000_000;
        const GIB: u128 = 1 << 30;
        match self {
            Unit::CoreHour => 1_000 * HOUR,
            Unit::GibHour => GIB * HOUR,
            Unit::CardHour | Unit::NodeHour => HOUR,
            Unit::GibMonth => GIB * (365 * 24 * HOUR / 12),
            Unit::GibMoved => GIB,
            Unit::Request => 1,
            Unit::Kilotoken => 1_000,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom and what an item is for: all that is said must hold. Names are compared as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Selector {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<Chip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PriorityClass>,
    /// What answers the requests: of requests and tokens alone, like what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// Which of a model's requests or tokens: `input`, `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Arc<str>>,
}

impl Selector {
    /// Which items go before: the one for a tenant before all others; then model, kind, pool, chip, product, class. Two items that are
    /// for the same work and of the same rank say the same of everything, and no book has two such.
    pub const fn rank(&self) -> u8 {
        (self.tenant.is_some() as u8) << 6
            | (self.model.is_some() as u8) << 5
            | (self.kind.is_some() as u8) << 4
            | (self.pool.is_some() as u8) << 3
            | (self.chip.is_some() as u8) << 2
            | (self.product.is_some() as u8) << 1
            | self.class.is_some() as u8
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lead = " for";
        let mut say = |noun: &str, name: Option<&str>| -> fmt::Result {
            let Some(name) = name else { return Ok(()) };
            write!(f, "{lead} {noun} `{name}`")?;
            lead = ",";
            Ok(())
        };
        say("tenant", self.tenant.as_deref())?;
        say("pool", self.pool.as_deref())?;
        say("chip", self.chip.as_ref().map(Chip::as_str))?;
        say("product", self.product.map(ProductLine::as_str))?;
        say("class", self.class.map(PriorityClass::as_str))?;
        say("model", self.model.as_deref())?;
        say("kind", self.kind.as_deref())
    }
}

/// A price of its own, or the item's times a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    Price(Money),
    /// Millionths; the product is rounded down to a micro-unit.
    Factor(u32),
}

impl Rate {
    /// `None` beyond the range of money.
    pub fn of(self, price: Money) -> Option<Money> {
        match self {
            Rate::Price(own) => Some(own),
            Rate::Factor(millionths) => Money::for_quantity(price, u128::from(millionths), 1_000_000),
        }
    }
    const fn is_negative(self) -> bool {
        matches!(self, Rate::Price(price) if price.is_negative())
    }
}

/// Hours of the week with a price of their own. One that ends at or before its start goes on into the next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// Days on which it begins.
    pub days: Vec<Day>,
    pub from: TimeOfDay,
    pub to: TimeOfDay,
    pub rate: Rate,
}

/// From so many units in the calendar month on, each further one has this price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whole units (hours of a core, of a card …) of the tenant in the month.
    pub above: u64,
    pub rate: Rate,
}

/// To what the billed time of a run is rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundUp {
    /// Billed to the microsecond.
    #[default]
    None,
    Second,
    Minute,
    Hour,
}

impl RoundUp {
    pub const ALL: [RoundUp; 4] = [RoundUp::None, RoundUp::Second, RoundUp::Minute, RoundUp::Hour];

    pub const fn as_str(self) -> &'static str {
        match self {
            RoundUp::None => "none",
            RoundUp::Second => "second",
            RoundUp::Minute => "minute",
            RoundUp::Hour => "hour",
        }
    }
    pub fn parse(text: &str) -> Option<RoundUp> {
        RoundUp::ALL.into_iter().find(|one| one.as_str() == text)
    }
    /// Zero: not rounded.
    pub const fn step(self) -> Span {
        match self {
            RoundUp::None => Span::ZERO,
            RoundUp::Second => Span::from_secs(1),
            RoundUp::Minute => Span::from_mins(1),
            RoundUp::Hour => Span::from_hours(1),
        }
    }
    fn is_none(&self) -> bool {
        *self == RoundUp::None
    }
}

/// One line of a price book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub unit: Unit,
    #[serde(default)]
    pub of: Selector,
    /// For one unit, where neither a band nor a step says otherwise.
    pub price: Money,
    /// The first that holds counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<Band>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// A run of any length costs at least so much by this item.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub minimum: Money,
    #[serde(default, skip_serializing_if = "RoundUp::is_none")]
    pub round_up: RoundUp,
}

fn is_nothing(amount: &Money) -> bool {
    *amount == Money::ZERO
}

/// Characters of the name of a model, or of a kind of its requests or tokens.
pub const MODEL_MAX: usize = 128;

/// Whether a text names a model or a kind: compared as a whole, so that no blank may hide at its ends.
pub fn is_name(text: &str) -> bool {
    (1..=MODEL_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control) && text.trim() == text
}

/// Items of one book; bands and steps of one item. A list of 1,000 pools and chips is longer than any, a week has 168 hours.
pub const ITEMS_MAX: usize = 1_000;
pub const BANDS_MAX: usize = 168;

/// Why an item is none. Numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    #[error("the book has no items: nothing could be sold")]
    Empty,
    #[error("the book has {0} items; {ITEMS_MAX} is the most")]
    TooLong(usize),
    #[error("items {0} and {1} price the same: {2}; leave one of them out")]
    Twice(usize, usize, String),
    #[error("item {0} ({1}): {2}")]
    Item(usize, Unit, ItemFault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemFault {
    #[error("a price is negative")]
    Negative,
    #[error("a price times its factor leaves the range of money")]
    Range,
    #[error("it has bands and steps: a price follows the hour or the month's quantity, not both")]
    BandsAndSteps,
    #[error("it has steps and a minimum: a minimum is of one run, steps are of the month")]
    StepsAndMinimum,
    #[error("it is rounded up, but is not billed by time")]
    RoundedWithoutTime,
    #[error("it names a model or a kind, which requests and tokens alone have")]
    ModelOfOther,
    #[error("a model or a kind is {MODEL_MAX} characters at most, and no control characters")]
    Model,
    #[error("it has more than {BANDS_MAX} bands or steps")]
    TooMany,
    #[error("a band has no days or no length")]
    EmptyBand,
    #[error("steps begin above 0, each above the one before")]
    StepOrder,
}

impl Item {
    /// An item of this unit for everything.
    pub fn plain(unit: Unit, of: Selector, price: Money) -> Item {
        Item { unit, of, price, bands: Vec::new(), steps: Vec::new(), minimum: Money::ZERO, round_up: RoundUp::None }
    }

    fn rates(&self) -> impl Iterator<Item = Rate> {
        self.bands.iter().map(|band| band.rate).chain(self.steps.iter().map(|step| step.rate))
    }

    pub(crate) fn fault(&self) -> Option<ItemFault> {
        let empty = |band: &Band| band.days.is_empty() || band.from == band.to || band.from == TimeOfDay::END;
        match () {
            () if self.price.is_negative() || self.minimum.is_negative() => Some(ItemFault::Negative),
            () if self.rates().any(Rate::is_negative) => Some(ItemFault::Negative),
            () if self.rates().any(|rate| rate.of(self.price).is_none()) => Some(ItemFault::Range),
            () if !self.bands.is_empty() && !self.steps.is_empty() => Some(ItemFault::BandsAndSteps),
            () if !self.steps.is_empty() && self.minimum != Money::ZERO => Some(ItemFault::StepsAndMinimum),
            () if self.round_up != RoundUp::None && !self.unit.is_timed() => Some(ItemFault::RoundedWithoutTime),
            () if (self.of.model.is_some() || self.of.kind.is_some()) && !self.unit.is_of_models() => {
                Some(ItemFault::ModelOfOther)
            }
            () if ![&self.of.model, &self.of.kind].into_iter().flatten().all(|text| is_name(text)) => {
                Some(ItemFault::Model)
            }
            () if self.bands.len().max(self.steps.len()) > BANDS_MAX => Some(ItemFault::TooMany),
            () if self.bands.iter().any(empty) => Some(ItemFault::EmptyBand),
            () if self.steps.first().is_some_and(|step| step.above == 0) => Some(ItemFault::StepOrder),
            () if !self.steps.is_sorted_by(|a, b| a.above < b.above) => Some(ItemFault::StepOrder),
            () => None,
        }
    }
}

/// The first reason why these items make no book.
pub(crate) fn fault(items: &[Item]) -> Option<BookFault> {
    match items.len() {
        0 => return Some(BookFault::Empty),
        many if many > ITEMS_MAX => return Some(BookFault::TooLong(many)),
        _ => {}
    }
    let bad = |(n, item): (usize, &Item)| Some(BookFault::Item(n + 1, item.unit, item.fault()?));
    if let Some(fault) = items.iter().enumerate().find_map(bad) {
        return Some(fault);
    }
    let mut seen = std::collections::BTreeMap::new();
    items.iter().enumerate().find_map(|(n, item)| {
        let first = seen.insert((item.unit, &item.of), n)?;
        Some(BookFault::Twice(first + 1, n + 1, format!("{}{}", item.unit, item.of)))
    })
}
