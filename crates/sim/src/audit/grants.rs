//! What must hold of money that was granted for free, by the stored rows alone. Refuses to repair and to guess.

use std::collections::BTreeMap;

use base::Money;

use crate::tables::Tables;

/// What was granted was drawn by intervals, went back to the operator, or is still there; nobody drew more than there was, nothing is
/// promised any more, and the books say the same of all grants together.
pub(super) fn are_kept(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut drawn: BTreeMap<u64, Money> = BTreeMap::new();
    for interval in tables.intervals.values().flatten() {
        for credit in &*interval.credits {
            *drawn.entry(credit.grant).or_default() += credit.value;
        }
        let (paid, asked) = (interval.credited() + interval.uncollected, interval.charge - interval.drawn_value());
        if paid.0.abs() > asked.0.abs() || paid.0.signum() * asked.0.signum() < 0 {
            wrong.push(format!("{} interval {}: {paid} of {asked}", interval.attempt, interval.seq));
        }
    }
    for usage in &tables.usage {
        for credit in &*usage.credits {
            *drawn.entry(credit.grant).or_default() += credit.value;
        }
    }
    let account =
        |end: &str| tables.accounts.values().filter(move |a| a.code.as_str().ends_with(end)).collect::<Vec<_>>();
    let (mut left, mut paid) = (Money::ZERO, Money::ZERO);
    for grant in tables.grants.values() {
        let by_intervals = drawn.remove(&grant.number).unwrap_or_default();
        if grant.drawn != by_intervals || grant.drawn.is_negative() || grant.left().is_negative() {
            wrong.push(format!("{grant:?}: its intervals were paid {by_intervals}"));
        }
        if grant.over_at.is_some() != (grant.left() == Money::ZERO) && grant.drawn != grant.amount {
            wrong.push(format!("grant {}: {} is left, over at {:?}", grant.number, grant.left(), grant.over_at));
        }
        let own = tables.accounts.values().find(|a| a.code.as_str() == engine::grant_code(grant.number));
        if own.map(|a| (a.balance(), a.held)) != Some((grant.left(), Money::ZERO)) {
            wrong.push(format!("grant {} has {} left, its account is {own:?}", grant.number, grant.left()));
        }
        left += grant.left();
        paid += grant.drawn;
    }
    let sum = |end: &str| account(end).iter().map(|a| a.balance()).sum::<Money>();
    let booked = (-sum("/grants-outstanding"), -sum("/revenue/promotions"));
    if !drawn.is_empty() || booked != (left, paid) {
        wrong.push(format!("of grants {left} is left and {paid} was drawn, booked are {booked:?}; of none: {drawn:?}"));
    }
    wrong
}
