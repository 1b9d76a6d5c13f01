//! Price books from the API's words into the domain's and back. Says which field of which item is wrong; reads nothing.

use std::sync::Arc;

use base::{Currency, Money, PriceBookId, Timestamp};
use model::Chip;
use rating::tariff::calendar::{Day, TimeOfDay};
use rating::tariff::{Band, Item, Rate, RoundUp, Selector, Step, Unit, UtcOffset};
use rating::{PriceBook, PriceList};
use wire::prices::{self as shown, PriceBand, PriceCreate, PriceItem, PriceStep};
use wire::{ErrorCode, MoneyText};

use super::{class, class_from, line, line_from};
use crate::limits::{AMOUNT_UNITS_MAX, PRICE_CHIPS_MAX};
use crate::problem::Failure;

/// A book as a request states it, effective from `now` unless it says later.
///
/// # Errors
/// The field that is wrong, and why.
pub fn book_from(id: PriceBookId, asked: PriceCreate, now: Timestamp) -> Result<PriceBook, Failure> {
    let PriceCreate { name, currency, effective_from, utc_offset, core_hour, gib_hour, card_hour, items } = asked;
    if card_hour.len() > PRICE_CHIPS_MAX {
        return Err(Failure::invalid("card_hour", format!("at most {PRICE_CHIPS_MAX} chips in one book")));
    }
    check_name(&name)?;
    let mut list = PriceList::default();
    for (chip, price) in card_hour {
        let chip: Chip =
            chip.parse().map_err(|e: model::ParseChipError| Failure::invalid("card_hour", e.to_string()))?;
        list.card_hour.insert(chip, price_of("card_hour", price)?);
    }
    list.core_hour = core_hour.map(|price| price_of("core_hour", price)).transpose()?;
    list.gib_hour = gib_hour.map(|price| price_of("gib_hour", price)).transpose()?;
    let further: Vec<Item> = (0..).zip(items).map(|(n, item)| item_from(n, item)).collect::<Result<_, _>>()?;
    let book = PriceBook {
        id,
        name: Arc::from(name),
        currency: currency_of(&currency)?,
        effective_from: effective_from.map_or(now, |t| t.0),
        utc_offset: offset_of(utc_offset)?,
        items: list.items().chain(further).collect(),
    };
    match book.fault() {
        Some(fault) => Err(Failure::invalid("items", fault.to_string())),
        None => Ok(book),
    }
}

pub fn check_name(name: &str) -> Result<(), Failure> {
    if model::people::valid_name(name) {
        return Ok(());
    }
    let why = format!("name: use 1 to 40 of a-z, 0-9, `-`, `_`, `.`: {name:.60}");
    Err(Failure::new(ErrorCode::BadName, why))
}

/// UTC when nothing is said.
pub fn offset_of(text: Option<String>) -> Result<UtcOffset, Failure> {
    let offset = text.map(|text| text.parse::<UtcOffset>()).transpose();
    Ok(offset.map_err(|e| Failure::invalid("utc_offset", e.to_string()))?.unwrap_or_default())
}

pub fn chip_of(field: &str, text: Option<String>) -> Result<Option<Chip>, Failure> {
    text.map(|chip| chip.parse::<Chip>()).transpose().map_err(|e| Failure::invalid(field, e.to_string()))
}

pub fn unit_of(field: &str, unit: wire::PriceUnit) -> Result<Unit, Failure> {
    Unit::parse(unit.as_str()).ok_or_else(|| Failure::invalid(field, "no such unit"))
}

fn currency_of(text: &str) -> Result<Currency, Failure> {
    text.parse().map_err(|e: base::ParseMoneyError| Failure::invalid("currency", e.to_string()))
}

/// A price: not negative, and small enough that sums of many stay in range.
pub fn price_of(field: &str, text: MoneyText) -> Result<Money, Failure> {
    let most = Money::from_units(AMOUNT_UNITS_MAX);
    match text.0 {
        price if price.is_negative() => Err(Failure::invalid(field, "a price is not negative")),
        price if price > most => Err(Failure::invalid(field, format!("at most {most}"))),
        price => Ok(price),
    }
}

fn item_from(number: usize, item: PriceItem) -> Result<Item, Failure> {
    let PriceItem { unit, tenant, pool, chip, product, class, model, kind, price, minimum, round_up, bands, steps } =
        item;
    let field = |name: &str| format!("items[{number}].{name}");
    let of = Selector {
        tenant: tenant.map(Arc::from),
        pool: pool.map(Arc::from),
        chip: chip_of(&field("chip"), chip)?,
        product: product.map(line_from),
        class: class.map(class_from),
        model: model.map(Arc::from),
        kind: kind.map(Arc::from),
    };
    let unit = unit_of(&field("unit"), unit)?;
    let round_up = round_up.map_or(Some(RoundUp::None), |word| RoundUp::parse(word.as_str()));
    Ok(Item {
        unit,
        of,
        price: price_of(&field("price"), price)?,
        bands: bands.into_iter().map(|band| band_from(&field("bands"), band)).collect::<Result<_, _>>()?,
        steps: steps.into_iter().map(|step| step_from(&field("steps"), step)).collect::<Result<_, _>>()?,
        minimum: minimum.map_or(Ok(Money::ZERO), |least| price_of(&field("minimum"), least))?,
        round_up: round_up.ok_or_else(|| Failure::invalid(&field("round_up"), "no such rounding"))?,
    })
}

/// Millionths of a factor are its micro-units as an amount.
fn rate_from(field: &str, price: Option<MoneyText>, factor: Option<MoneyText>) -> Result<Rate, Failure> {
    match (price, factor) {
        (Some(price), None) => Ok(Rate::Price(price_of(field, price)?)),
        (None, Some(factor)) => match u32::try_from(factor.0.micros()) {
            Ok(millionths) => Ok(Rate::Factor(millionths)),
            Err(_) => Err(Failure::invalid(field, "a factor is 0 to 4294")),
        },
        _ => Err(Failure::invalid(field, "say either `price` or `factor`")),
    }
}

fn band_from(field: &str, band: PriceBand) -> Result<Band, Failure> {
    let time = |text: Option<String>, usual: TimeOfDay| match text {
        Some(text) => text.parse::<TimeOfDay>().map_err(|e| Failure::invalid(field, e.to_string())),
        None => Ok(usual),
    };
    let days: Vec<Day> = band.days.iter().filter_map(|day| day.as_str().parse().ok()).collect();
    Ok(Band {
        days: if days.is_empty() { Day::ALL.to_vec() } else { days },
        from: time(band.from, TimeOfDay::START)?,
        to: time(band.to, TimeOfDay::END)?,
        rate: rate_from(field, band.price, band.factor)?,
    })
}

fn step_from(field: &str, step: PriceStep) -> Result<Step, Failure> {
    Ok(Step { above: step.above, rate: rate_from(field, step.price, step.factor)? })
}

/// A book as those see it whose tenant has that name; `None`: they see all of it. Prices of other tenants are nobody else's business.
pub fn price_book(book: &PriceBook, tenant: Option<&str>) -> shown::PriceBook {
    let seen = |item: &&Item| match (&item.of.tenant, tenant) {
        (Some(whose), Some(own)) => **whose == *own,
        _ => true,
    };
    let items: Vec<&Item> = book.items.iter().filter(seen).collect();
    let plain = |unit: Unit| {
        let found = items.iter().find(|item| item.unit == unit && item.of == Selector::default());
        found.map(|item| item.price.into())
    };
    let cards = items.iter().filter(|item| item.unit == Unit::CardHour).filter_map(|item| {
        let chip = item.of.chip.clone()?;
        let alone = item.of == Selector { chip: Some(chip.clone()), ..Selector::default() };
        alone.then(|| (chip.to_string(), item.price.into()))
    });
    shown::PriceBook {
        id: book.id,
        name: book.name.to_string(),
        currency: book.currency.to_string(),
        effective_from: book.effective_from.into(),
        utc_offset: book.utc_offset.to_string(),
        core_hour: plain(Unit::CoreHour),
        gib_hour: plain(Unit::GibHour),
        card_hour: cards.collect(),
        items: items.iter().filter_map(|item| price_item(item)).collect(),
    }
}

fn rate(rate: Rate) -> (Option<MoneyText>, Option<MoneyText>) {
    match rate {
        Rate::Price(price) => (Some(price.into()), None),
        Rate::Factor(millionths) => (None, Some(Money(i64::from(millionths)).into())),
    }
}

fn price_item(item: &Item) -> Option<PriceItem> {
    let band = |band: &Band| {
        let (price, factor) = rate(band.rate);
        let days = band.days.iter().filter_map(|day| wire::Day::parse(day.as_str())).collect();
        PriceBand { days, from: Some(band.from.to_string()), to: Some(band.to.to_string()), price, factor }
    };
    let step = |step: &Step| {
        let (price, factor) = rate(step.rate);
        PriceStep { above: step.above, price, factor }
    };
    let of = &item.of;
    Some(PriceItem {
        unit: wire::PriceUnit::parse(item.unit.as_str())?,
        tenant: of.tenant.as_deref().map(Into::into),
        pool: of.pool.as_deref().map(Into::into),
        chip: of.chip.as_ref().map(ToString::to_string),
        product: of.product.map(line),
        class: of.class.map(class),
        model: of.model.as_deref().map(Into::into),
        kind: of.kind.as_deref().map(Into::into),
        price: item.price.into(),
        minimum: (item.minimum != Money::ZERO).then(|| item.minimum.into()),
        round_up: wire::RoundUp::parse(item.round_up.as_str()).filter(|word| *word != wire::RoundUp::None),
        bands: item.bands.iter().map(band).collect(),
        steps: item.steps.iter().map(step).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_prices_are_spelled_alike() {
        assert_eq!(
            Unit::ALL.map(Unit::as_str).to_vec(),
            wire::PriceUnit::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>()
        );
        assert_eq!(
            RoundUp::ALL.map(RoundUp::as_str).to_vec(),
            wire::RoundUp::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>()
        );
        assert_eq!(Day::ALL.map(Day::as_str).to_vec(), wire::Day::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>());
    }
}
