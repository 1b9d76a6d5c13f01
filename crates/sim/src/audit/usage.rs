//! What must hold of storage, traffic, requests and tokens, by the stored rows alone: each record is in the ledger once and with its
//! charge, and a second reckoning of every month comes to the same. Refuses to repair and to guess.

use std::collections::BTreeMap;

use base::{Money, PriceBookId, TenantId};
use ledger::Reference;
use rating::tariff::{Item, Month, Rate};
use rating::usage::STREAM_PART;
use rating::{PriceBook, Usage};

use crate::tables::Tables;

/// By tenant, book, item and month.
type Key = (TenantId, PriceBookId, u16, Month);

pub(super) fn is_billed_once(tables: &Tables) -> Vec<String> {
    let mut wrong = in_the_ledger(tables);
    let mut months: BTreeMap<Key, (i128, Reckoned)> = BTreeMap::new();
    for usage in &tables.usage {
        let Some((book, item)) = priced_by(tables, usage) else {
            wrong.push(format!("usage {} has no price", usage.number));
            continue;
        };
        if !is_the_nearest(book, item, usage) {
            wrong.push(format!("usage {} has another item's price", usage.number));
        }
        let paid = usage.credited() + usage.uncollected;
        if usage.charge.is_negative() || paid > usage.charge || usage.included() > usage.of.pieces.0 {
            wrong.push(format!("usage {} does not add up: {usage:?}", usage.number));
        }
        let billed = usage.of.pieces.0 - usage.included();
        if item.minimum > Money::ZERO {
            let alone = (item.price.0 as u128 * billed / item.unit.pieces()) as i64;
            let owed = if billed == 0 { 0 } else { alone.max(item.minimum.0) };
            if usage.charge.0 != owed {
                wrong.push(format!("usage {} is charged {}, and comes to {owed}", usage.number, usage.charge));
            }
            continue;
        }
        let month = book.utc_offset.month_of(usage.of.from);
        let sums = months.entry((usage.of.tenant, usage.book, usage.item, month)).or_default();
        sums.0 += i128::from(usage.charge.0);
        sums.1.pieces += billed;
        sums.1.worth += billed * price_at(book, item, usage).0 as u128;
    }
    for ((tenant, book, item, month), (charged, reckoned)) in months {
        let Some(item) = tables.books.get(&book).and_then(|b| b.items.get(usize::from(item))) else { continue };
        let worth = if item.steps.is_empty() { reckoned.worth } else { graduated(item, reckoned.pieces) };
        let owed = (worth / item.unit.pieces()) as i128;
        if owed != charged {
            wrong.push(format!("{} of {tenant} in {month}: charged {charged}, comes to {owed}", item.unit));
        }
    }
    wrong
}

#[derive(Default)]
struct Reckoned {
    pieces: u128,
    /// Pieces times the price of their hour.
    worth: u128,
}

/// The item that is named goes before all others that are for the record: by its model first, then by its kind.
fn is_the_nearest(book: &PriceBook, item: &Item, usage: &Usage) -> bool {
    let is_for = |of: &Item| {
        let says = |wanted: &Option<_>, told: &Option<_>| wanted.is_none() || wanted == told;
        of.unit == usage.of.unit && says(&of.of.model, &usage.of.model) && says(&of.of.kind, &usage.of.kind)
    };
    let nearness = |of: &Item| (of.of.model.is_some(), of.of.kind.is_some());
    is_for(item) && book.items.iter().filter(|other| is_for(other)).all(|other| nearness(other) <= nearness(item))
}

fn priced_by<'a>(tables: &'a Tables, usage: &Usage) -> Option<(&'a PriceBook, &'a Item)> {
    let book = tables.books.get(&usage.book)?;
    let item = book.items.get(usize::from(usage.item)).filter(|item| item.unit == usage.of.unit)?;
    Some((book, item))
}

/// Of the bands as they are written, in minutes of the day; all of these begin at midnight and hold every day.
fn price_at(book: &PriceBook, item: &Item, usage: &Usage) -> Money {
    let local = usage.of.from + book.utc_offset.ahead();
    let minute = local.as_micros().div_euclid(60_000_000).rem_euclid(1_440);
    let band = item.bands.iter().find(|band| minute < i64::from(band.to.minutes()));
    band.map_or(item.price, |band| own(item, band.rate))
}

fn own(item: &Item, rate: Rate) -> Money {
    match rate {
        Rate::Price(price) => price,
        Rate::Factor(millionths) => Money(item.price.0 * i64::from(millionths) / 1_000_000),
    }
}

fn graduated(item: &Item, pieces: u128) -> u128 {
    let (mut left, mut sum) = (pieces, 0);
    for step in item.steps.iter().rev() {
        let beyond = left.saturating_sub(u128::from(step.above) * item.unit.pieces());
        sum += beyond * own(item, step.rate).0 as u128;
        left -= beyond;
    }
    sum + left * item.price.0 as u128
}

/// What moved to revenue under a record's name is its charge, in as many transfers as it has payers; all of them are all of that revenue.
fn in_the_ledger(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    let revenue = |id| tables.accounts.get(&id).is_some_and(|a| a.code.as_str().ends_with("/revenue/usage"));
    let mut moved: BTreeMap<u128, (Money, usize)> = BTreeMap::new();
    for transfer in tables.transfers.iter().filter(|t| revenue(t.credit)) {
        if let Some(Reference::Interval { stream, .. }) = &transfer.reference
            && stream.part == STREAM_PART
        {
            let sums = moved.entry(stream.subject).or_default();
            *sums = (sums.0 + transfer.amount, sums.1 + 1);
        } else {
            wrong.push(format!("{} is revenue of no usage", transfer.id));
        }
    }
    let mut total = Money::ZERO;
    for usage in &tables.usage {
        total += usage.charge;
        let own = usage.own_part() - usage.uncollected;
        let payers =
            usage.credits.len() + usize::from(own > Money::ZERO) + usize::from(usage.uncollected > Money::ZERO);
        let booked = moved.remove(&usage.of.key()).unwrap_or_default();
        if booked != (usage.charge, payers) {
            wrong.push(format!("usage {} is charged {} and booked {booked:?}", usage.number, usage.charge));
        }
    }
    let booked: Money = tables.accounts.values().filter(|a| revenue(a.id)).map(|a| a.balance()).sum();
    if !moved.is_empty() || booked != total {
        wrong.push(format!("revenue of usage is {booked}, all records are {total}; of none: {moved:?}"));
    }
    wrong
}
