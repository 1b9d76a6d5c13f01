//! Contracts from the API's words into the domain's and back. Says which field is wrong; reads nothing.

use base::{Currency, Money, Timestamp};
use rating::contract::{self as pure, Period, Quantity, State, Terms, Unused};
use rating::tariff::Selector;
use wire::contract::{Commitment, Contract, ContractCreate, ContractMonth, Included};
use wire::{ContractState, MoneyText, PriceUnit, UnusedRule};

use super::prices::{check_name, chip_of, offset_of, price_of, unit_of};
use super::{class, class_from, line, line_from, tier, tier_from};
use crate::problem::Failure;

/// The terms that a request states; from `now` unless it says when.
///
/// # Errors
/// The field that is wrong, and why.
pub fn terms_from(asked: ContractCreate, currency: Currency, now: Timestamp) -> Result<Terms, Failure> {
    let ContractCreate { name, tier, from, to, utc_offset, fee, commit, include, unused, early_end } = asked;
    check_name(&name)?;
    let early_end = early_end.map_or(Some(0), |part| u32::try_from(part.0.micros()).ok());
    let terms = Terms {
        name: name.into(),
        currency,
        tier: tier.map_or_else(Default::default, tier_from),
        from: from.map_or(now, |t| t.0),
        to: to.0,
        utc_offset: offset_of(utc_offset)?,
        fee: fee.map_or(Ok(Money::ZERO), |fee| price_of("fee", fee))?,
        commitments: (0..).zip(commit).map(|(n, one)| commitment_from(n, one)).collect::<Result<_, _>>()?,
        included: include.into_iter().map(included_from).collect::<Result<_, _>>()?,
        unused: unused.map_or(Some(Unused::Lapse), |word| Unused::parse(word.as_str())).unwrap_or_default(),
        early_end: early_end.ok_or_else(|| Failure::invalid("early_end", "a part of what is left: 0 to 1"))?,
    };
    match terms.fault() {
        Some(fault) => Err(Failure::invalid("commit", fault.to_string())),
        None => Ok(terms),
    }
}

fn included_from(one: Included) -> Result<pure::Included, Failure> {
    Ok(pure::Included { unit: unit_of("include", one.unit)?, quantity: one.quantity })
}

fn commitment_from(number: usize, one: Commitment) -> Result<pure::Commitment, Failure> {
    let Commitment { unit, pool, chip, product, class, held, hours, fee, overage } = one;
    let field = |name: &str| format!("commit[{number}].{name}");
    let quantity = match (held, hours) {
        (Some(many), None) => Quantity::Held(many),
        (None, Some(hours)) => Quantity::Hours(hours),
        _ => return Err(Failure::invalid(&field("held"), "say either `held` or `hours`")),
    };
    Ok(pure::Commitment {
        unit: unit_of(&field("unit"), unit)?,
        of: Selector {
            tenant: None,
            pool: pool.map(Into::into),
            chip: chip_of(&field("chip"), chip)?,
            product: product.map(line_from),
            class: class.map(class_from),
            ..Selector::default()
        },
        quantity,
        fee: price_of(&field("fee"), fee)?,
        overage: overage.map(|price| price_of(&field("overage"), price)).transpose()?,
    })
}

/// A contract as it is shown to its tenant and to operators.
pub fn contract(one: &pure::Contract, tenant_name: String, now: Timestamp) -> Contract {
    let terms = &one.terms;
    let state = match one.state {
        State::Over => ContractState::Over,
        State::Signed if one.unpaid_since.is_some() => ContractState::Unpaid,
        State::Signed if now < terms.from => ContractState::Signed,
        State::Signed => ContractState::InForce,
    };
    let goes_on = one.state == State::Signed && one.broken_off.is_none();
    Contract {
        number: one.number,
        tenant: one.tenant,
        tenant_name,
        name: terms.name.to_string(),
        state,
        tier: tier(terms.tier),
        currency: terms.currency.to_string(),
        from: terms.from.into(),
        to: one.to.into(),
        utc_offset: terms.utc_offset.to_string(),
        signed_at: one.signed_at.into(),
        broken_off: one.broken_off.map(Into::into),
        fee: terms.fee.into(),
        commit: terms.commitments.iter().filter_map(commitment).collect(),
        include: terms.included.iter().filter_map(included).collect(),
        unused: UnusedRule::parse(terms.unused.as_str()).unwrap_or(UnusedRule::Lapse),
        early_end: Money(i64::from(terms.early_end)).into(),
        early_end_fee: goes_on.then(|| terms.early_fee(one.begun).into()),
    }
}

fn included(one: &pure::Included) -> Option<Included> {
    Some(Included { unit: PriceUnit::parse(one.unit.as_str())?, quantity: one.quantity })
}

fn commitment(one: &pure::Commitment) -> Option<Commitment> {
    let of = &one.of;
    let (held, hours) = match one.quantity {
        Quantity::Held(many) => (Some(many), None),
        Quantity::Hours(hours) => (None, Some(hours)),
    };
    Some(Commitment {
        unit: PriceUnit::parse(one.unit.as_str())?,
        pool: of.pool.as_deref().map(Into::into),
        chip: of.chip.as_ref().map(ToString::to_string),
        product: of.product.map(line),
        class: of.class.map(class),
        held,
        hours,
        fee: one.fee.into(),
        overage: one.overage.map(MoneyText::from),
    })
}

/// A month of a line.
pub fn month(of: &pure::Contract, one: &Period) -> ContractMonth {
    let included = of.included(one.key.line).map(|i| i.unit);
    let unit = of.commitment(one.key.line).map(|c| c.unit).or(included);
    let hours = |pieces: u128| {
        unit.map(|unit| {
            let thousandths = pieces.saturating_mul(1_000) / unit.pieces();
            format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
        })
    };
    ContractMonth {
        month: of.terms.calendar_month(one.key.month).to_string(),
        line: one.key.line,
        carried: one.key.carried,
        from: one.from.into(),
        to: one.to.into(),
        fee: one.value.into(),
        hours: hours(one.pieces.0),
        drawn_hours: hours(one.drawn.0),
        earned: one.earned().into(),
        closed_at: one.closed.map(|c| c.at.into()),
        lapsed: one.closed.map_or(Money::ZERO, |c| c.lapsed).into(),
        carried_on: one.closed.map_or(Money::ZERO, |c| c.carried).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_contracts_are_spelled_alike() {
        let words: Vec<&str> = UnusedRule::ALL.iter().map(|w| w.as_str()).collect();
        assert_eq!(Unused::ALL.map(Unused::as_str).to_vec(), words);
    }
}
