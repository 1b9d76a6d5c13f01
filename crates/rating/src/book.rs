//! Selling prices: immutable versions with an effective-from time, and which of their items price a piece of work.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Currency, Money, PriceBookId, Resources, Span, Timestamp};
use model::{Chip, PriorityClass, ProductLine};
use serde::{Deserialize, Serialize};

use crate::tariff::item::{self, BookFault};
use crate::tariff::{Item, Part, Selector, Tariff, Unit, UtcOffset};

/// Prices or costs of one pool's resources per hour, for comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    pub core_hour: Money,
    pub gib_hour: Money,
    /// `None`: the pool has no chip, or the chip has no price.
    pub card_hour: Option<Money>,
}

impl Rates {
    /// What `granted` costs for `span`, each part rounded down to a micro-unit.
    /// `None` when the amount leaves the range of money, or cards are granted without a price.
    pub fn amount(&self, granted: Resources, span: Span) -> Option<Money> {
        let us = span.as_micros().max(0) as u128;
        let part = |price, unit: Unit, amount: u128| Money::for_quantity(price, amount.checked_mul(us)?, unit.pieces());
        let cores = part(self.core_hour, Unit::CoreHour, granted.cpu.0.into())?;
        let memory = part(self.gib_hour, Unit::GibHour, granted.mem.0.into())?;
        let cards = match (granted.gpus, self.card_hour) {
            (0, _) => Money::ZERO,
            (n, Some(price)) => part(price, Unit::CardHour, n.into())?,
            (_, None) => return None,
        };
        cores.checked_add(memory)?.checked_add(cards)
    }
}

/// One immutable version of the selling prices in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct PriceBook {
    pub id: PriceBookId,
    pub name: Arc<str>,
    pub currency: Currency,
    pub effective_from: Timestamp,
    /// In which hours of the day and months of the calendar are told.
    pub utc_offset: UtcOffset,
    pub items: Vec<Item>,
}

/// The short form: a price for cores, one for memory, and one for cards of each chip.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PriceList {
    pub core_hour: Option<Money>,
    pub gib_hour: Option<Money>,
    pub card_hour: BTreeMap<Chip, Money>,
}

impl PriceList {
    /// The items that say the same.
    pub fn items(self) -> impl Iterator<Item = Item> {
        let for_all = |unit, price: Option<Money>| price.map(|price| Item::plain(unit, Selector::default(), price));
        let cards = self.card_hour.into_iter().map(|(chip, price)| {
            Item::plain(Unit::CardHour, Selector { chip: Some(chip), ..Selector::default() }, price)
        });
        let both = [for_all(Unit::CoreHour, self.core_hour), for_all(Unit::GibHour, self.gib_hour)];
        both.into_iter().flatten().chain(cards)
    }
}

/// A book as programs have stored it: at first in the short form.
#[derive(Deserialize)]
struct Stored {
    id: PriceBookId,
    name: Arc<str>,
    currency: Currency,
    effective_from: Timestamp,
    #[serde(default)]
    utc_offset: UtcOffset,
    #[serde(default)]
    items: Vec<Item>,
    core_hour: Option<Money>,
    gib_hour: Option<Money>,
    #[serde(default)]
    card_hour: BTreeMap<Chip, Money>,
}

impl From<Stored> for PriceBook {
    fn from(stored: Stored) -> PriceBook {
        let Stored { id, name, currency, effective_from, utc_offset, items, core_hour, gib_hour, card_hour } = stored;
        let list = PriceList { core_hour, gib_hour, card_hour };
        PriceBook { id, name, currency, effective_from, utc_offset, items: list.items().chain(items).collect() }
    }
}

/// Who wants to run what where.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    pub tenant: &'a str,
    pub pool: &'a str,
    pub chip: Option<&'a Chip>,
    pub product: ProductLine,
    pub class: PriorityClass,
    /// What one node of the pool has.
    pub shape: Resources,
    pub nodes: u32,
    /// On each of them.
    pub per_node: Resources,
    /// Of requests and tokens.
    pub call: Call<'a>,
}

/// What requests and tokens are of, as far as it was said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    pub model: Option<&'a str>,
    /// `input`, `output`.
    pub kind: Option<&'a str>,
}

impl Sale<'_> {
    /// Whether an item or a commitment for these is for it.
    pub fn is_of(&self, of: &Selector) -> bool {
        of.tenant.as_deref().is_none_or(|tenant| tenant == self.tenant)
            && of.pool.as_deref().is_none_or(|pool| pool == self.pool)
            && of.chip.as_ref().is_none_or(|chip| Some(chip) == self.chip)
            && of.product.is_none_or(|product| product == self.product)
            && of.class.is_none_or(|class| class == self.class)
            && of.model.as_deref().is_none_or(|model| Some(model) == self.call.model)
            && of.kind.as_deref().is_none_or(|kind| Some(kind) == self.call.kind)
    }

    /// All cores or all cards of each of its nodes.
    pub fn is_of_whole_nodes(&self) -> bool {
        let Resources { cpu, gpus, .. } = self.shape;
        self.per_node.cpu >= cpu || gpus > 0 && self.per_node.gpus >= gpus
    }
}

/// What a price book lacks for a piece of work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error("no price book in {0} is in force")]
    Book(Currency),
    #[error("the price book `{book}` has no {unit} item{of}")]
    Item { book: Arc<str>, unit: Unit, of: Box<Selector> },
    #[error("a price of the book `{0}` times its factor leaves the range of money")]
    Range(Arc<str>),
}

impl PriceBook {
    /// A book in the short form, in UTC.
    pub fn list(
        id: PriceBookId,
        name: Arc<str>,
        currency: Currency,
        effective_from: Timestamp,
        list: PriceList,
    ) -> PriceBook {
        let items = list.items().collect();
        PriceBook { id, name, currency, effective_from, utc_offset: UtcOffset::UTC, items }
    }

    /// Why it is none.
    pub fn fault(&self) -> Option<BookFault> {
        item::fault(&self.items)
    }

    /// The item that prices a unit of that work, with its place: of those that are for it, the one of the highest rank.
    pub fn item(&self, unit: Unit, sale: &Sale) -> Option<(usize, &Item)> {
        let all = self.items.iter().enumerate();
        all.filter(|(_, item)| item.unit == unit && sale.is_of(&item.of)).max_by_key(|(_, item)| item.of.rank())
    }

    /// The prices of that work. Whole nodes are billed by the node where the book has a price for it, and by nothing else; all else by
    /// cores, memory and cards, each of which must have a price, be it zero.
    ///
    /// # Errors
    /// The item that is missing.
    pub fn tariff(&self, sale: &Sale) -> Result<Tariff, Missing> {
        let part = |(number, item)| Part::of(number, item, self.utc_offset).ok_or(Missing::Range(self.name.clone()));
        if sale.is_of_whole_nodes()
            && let Some(node) = self.item(Unit::NodeHour, sale)
        {
            return Ok(Tariff { parts: vec![part(node)?], nodes: sale.nodes });
        }
        let Resources { cpu, mem, gpus } = sale.per_node;
        let asked = [(Unit::CoreHour, cpu.0), (Unit::GibHour, mem.0), (Unit::CardHour, gpus.into())];
        let parts = asked
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(unit, _)| part(self.item(unit, sale).ok_or_else(|| self.missing(unit, sale))?));
        Ok(Tariff { parts: parts.collect::<Result<_, Missing>>()?, nodes: 0 })
    }

    /// The price of one unit of what is no running time, for a tenant there.
    ///
    /// # Errors
    /// The item that is missing.
    pub fn part(&self, unit: Unit, sale: &Sale) -> Result<Part, Missing> {
        let (number, item) = self.item(unit, sale).ok_or_else(|| self.missing(unit, sale))?;
        Part::of(number, item, self.utc_offset).ok_or_else(|| Missing::Range(self.name.clone()))
    }

    fn missing(&self, unit: Unit, sale: &Sale) -> Missing {
        let of = Selector {
            tenant: Some(sale.tenant.into()),
            // Usage may be of no pool.
            pool: (!sale.pool.is_empty()).then(|| sale.pool.into()),
            chip: sale.chip.cloned(),
            product: Some(sale.product),
            class: Some(sale.class),
            model: sale.call.model.map(Arc::from),
            kind: sale.call.kind.map(Arc::from),
        };
        Missing::Item { book: self.name.clone(), unit, of: Box::new(of) }
    }

    /// Whether everybody can buy every part of a pool's nodes, whatever the product and the class.
    pub fn sells_to_all(&self, pool: &str, chip: Option<&Chip>, shape: Resources) -> bool {
        let sold = |unit| {
            self.items.iter().any(|item| {
                let Selector { tenant, pool: of_pool, chip: of_chip, product, class, .. } = &item.of;
                item.unit == unit
                    && of_pool.as_deref().is_none_or(|name| name == pool)
                    && of_chip.as_ref().is_none_or(|name| Some(name) == chip)
                    && (tenant, product, class) == (&None, &None, &None)
            })
        };
        sold(Unit::CoreHour) && sold(Unit::GibHour) && (shape.gpus == 0 || sold(Unit::CardHour))
    }

    /// The mean prices of a tenant's ordinary work on a pool, for comparing and for showing; of a pool that is sold by whole nodes
    /// alone the node's price, carried by its cards or else its cores. `None` when cores or memory cannot be bought.
    pub fn rates(&self, sale: &Sale) -> Option<Rates> {
        let part = |unit| self.item(unit, sale).and_then(|(n, item)| Part::of(n, item, self.utc_offset));
        let mean = |unit| part(unit).map(|part| part.mean());
        let cards = || mean(Unit::CardHour).filter(|_| sale.shape.gpus > 0);
        if let (Some(core_hour), Some(gib_hour)) = (mean(Unit::CoreHour), mean(Unit::GibHour)) {
            return Some(Rates { core_hour, gib_hour, card_hour: cards() });
        }
        let node = mean(Unit::NodeHour)?;
        let per = |n: u64| Money(node.0 / n.max(1) as i64);
        Some(match sale.shape.gpus {
            0 => Rates { core_hour: per(sale.shape.cpu.cores_ceil()), gib_hour: Money::ZERO, card_hour: None },
            n => Rates { core_hour: Money::ZERO, gib_hour: Money::ZERO, card_hour: Some(per(n.into())) },
        })
    }
}

impl PriceBook {
    /// The mean price of a card of this chip for those and there where no item names them. `None`: it is not sold so.
    pub fn card_hour(&self, chip: Option<&Chip>) -> Option<Money> {
        let (tenant, pool, nodes) = ("", "", 1);
        let (product, class) = (ProductLine::default(), PriorityClass::default());
        let (shape, per_node) = (Resources::ZERO, Resources::ZERO);
        let sale = Sale { tenant, pool, chip, product, class, shape, nodes, per_node, call: Call::default() };
        let (number, item) = self.item(Unit::CardHour, &sale)?;
        Some(Part::of(number, item, self.utc_offset)?.mean())
    }
}

/// The versions for `currency` whose time has come at `now`, the one in force first: the latest effective-from; of equals, the
/// larger id.
pub fn in_turn<'a>(
    books: impl IntoIterator<Item = &'a PriceBook>,
    currency: Currency,
    now: Timestamp,
) -> Vec<&'a PriceBook> {
    let begun = |b: &&PriceBook| b.currency == currency && b.effective_from <= now;
    let mut found: Vec<&PriceBook> = books.into_iter().filter(begun).collect();
    found.sort_unstable_by_key(|b| std::cmp::Reverse((b.effective_from, b.id)));
    found
}

/// The version in force at `now` for `currency`.
pub fn in_force<'a>(
    books: impl IntoIterator<Item = &'a PriceBook>,
    currency: Currency,
    now: Timestamp,
) -> Option<&'a PriceBook> {
    books
        .into_iter()
        .filter(|b| b.currency == currency && b.effective_from <= now)
        .max_by_key(|b| (b.effective_from, b.id))
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
