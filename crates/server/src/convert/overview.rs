//! Overviews from the store's sums and the books: tenants with their active users, own against partners', amounts by age. Pure;
//! each adds up to what it was made from.

use std::collections::BTreeMap;

use base::{Currency, Money, Timestamp};
use wire::overview::{Ages, MixRow, TenantRow};
use wire::report::ReportRow;
use wire::{MoneyText, overview};

const DAY_US: i64 = 86_400_000_000;

/// Rows of the margin report by tenant, with active users by tenant's name and the currency in which it pays, where they count. In
/// a sum they are those of its currency.
pub fn tenants(
    rows: &[ReportRow],
    total: &[ReportRow],
    users: &BTreeMap<String, (u64, Currency)>,
) -> (Vec<TenantRow>, Vec<TenantRow>) {
    let mut of_currency: BTreeMap<&str, u64> = BTreeMap::new();
    let mut told = Vec::new();
    for one in rows {
        let tenant = one.keys.first().map_or("-", String::as_str);
        let active = users.get(tenant).filter(|(_, pays)| pays.as_str() == one.currency).map_or(0, |(count, _)| *count);
        *of_currency.entry(&one.currency).or_default() += active;
        told.push(tenant_row(tenant.to_owned(), one, active));
    }
    let sum =
        |one: &ReportRow| tenant_row(String::new(), one, of_currency.get(one.currency.as_str()).copied().unwrap_or(0));
    (told, total.iter().map(sum).collect())
}

fn tenant_row(tenant: String, one: &ReportRow, active_users: u64) -> TenantRow {
    TenantRow {
        tenant,
        currency: one.currency.clone(),
        revenue: one.revenue,
        cost: one.cost,
        margin: one.margin,
        margin_percent: one.margin_percent.clone(),
        active_users,
        revenue_per_user: each(one.revenue.0, active_users).map(Money::into),
    }
}

/// Divides, rounded half away from zero.
fn each(amount: Money, by: u64) -> Option<Money> {
    let by = i128::from(by);
    if by == 0 {
        return None;
    }
    let half = if amount.is_negative() { -(by / 2) } else { by / 2 };
    Some(Money(((i128::from(amount.0) + half) / by) as i64))
}

/// Rows of the margin report by month and mode, with their shares of the month.
pub fn mix(rows: &[ReportRow]) -> Vec<MixRow> {
    let month = |one: &ReportRow| one.keys.first().cloned().unwrap_or_default();
    let mut hours: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let mut money: BTreeMap<(String, String), [Money; 2]> = BTreeMap::new();
    for one in rows {
        let sum = hours.entry(month(one)).or_default();
        sum[0] += one.card_hours;
        sum[1] += one.core_hours;
        let sum = money.entry((month(one), one.currency.clone())).or_default();
        sum[0] += one.revenue.0;
        sum[1] += one.cost.0;
    }
    let percent = |part: f64, whole: f64| (whole != 0.0).then(|| format!("{:.2}", part * 100.0 / whole));
    let of_money = |part: MoneyText, whole: Money| percent(part.0.micros() as f64, whole.micros() as f64);
    let row = |one: &ReportRow| {
        let [cards, cores] = hours.get(&month(one)).copied().unwrap_or_default();
        let [revenue, cost] = money.get(&(month(one), one.currency.clone())).copied().unwrap_or_default();
        MixRow {
            month: month(one),
            mode: one.keys.get(1).cloned().unwrap_or_default(),
            currency: one.currency.clone(),
            card_hours: one.card_hours,
            core_hours: one.core_hours,
            revenue: one.revenue,
            cost: one.cost,
            card_hours_percent: percent(one.card_hours, cards),
            core_hours_percent: percent(one.core_hours, cores),
            revenue_percent: of_money(one.revenue, revenue),
            cost_percent: of_money(one.cost, cost),
        }
    };
    rows.iter().map(row).collect()
}

/// Puts an amount where its age belongs.
pub fn age(ages: &mut Ages, amount: Money, since: Timestamp, now: Timestamp) {
    let place = match now.since(since).as_micros() / DAY_US {
        ..=30 => &mut ages.up_to_30,
        31..=60 => &mut ages.up_to_60,
        61..=90 => &mut ages.up_to_90,
        _ => &mut ages.over_90,
    };
    *place = MoneyText(place.0 + amount);
}

/// What is owed by a wallet, from charges by day, newest first: these are the unpaid ones. What no charge explains, such as money
/// that was taken out, is as old as the oldest charge. Says since when.
pub fn unpaid(
    owed: Money,
    charges: impl Iterator<Item = (Timestamp, Money)>,
    now: Timestamp,
) -> (Ages, Option<Timestamp>) {
    let (mut ages, mut left, mut since) = (overview::Ages::default(), owed, None);
    for (at, charge) in charges.filter(|(_, charge)| *charge > Money::ZERO) {
        if left == Money::ZERO {
            break;
        }
        let part = charge.min(left);
        age(&mut ages, part, at, now);
        (left, since) = (left - part, Some(at));
    }
    if left > Money::ZERO {
        age(&mut ages, left, since.unwrap_or(now), now);
    }
    (ages, since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_charges_are_the_unpaid_ones() {
        let now = Timestamp::from_secs(100 * 86_400);
        let day = |n: i64| Timestamp::from_secs((100 - n) * 86_400);
        let units = Money::from_units;
        let charges = [(day(1), units(5)), (day(40), units(10)), (day(95), units(100))];
        let (ages, since) = unpaid(units(8), charges.into_iter(), now);
        assert_eq!((ages.up_to_30.0, ages.up_to_60.0, since), (units(5), units(3), Some(day(40))));
        let (ages, since) = unpaid(units(200), charges.into_iter(), now);
        let all = ages.up_to_30.0 + ages.up_to_60.0 + ages.up_to_90.0 + ages.over_90.0;
        assert_eq!((all, ages.over_90.0, since), (units(200), units(185), Some(day(95))));
        let (ages, since) = unpaid(units(7), std::iter::empty(), now);
        assert_eq!((ages.up_to_30.0, since), (units(7), None));
    }

    #[test]
    fn a_share_by_user_is_rounded() {
        assert_eq!(each(Money(10), 4), Some(Money(3)));
        assert_eq!(each(Money(-10), 4), Some(Money(-3)));
        assert_eq!(each(Money(10), 0), None);
    }
}
