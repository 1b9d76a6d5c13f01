//! Rates between currencies as the API shows them, and reports in one currency: each amount of a day is converted by the rate of that day,
//! at the finest that is stored, and only then summed, so that rows and sums agree whatever is told apart. Pure; guesses no rate.

use std::collections::BTreeMap;

use base::{Currency, Money, ProjectId};
use rating::rates::{Day, NotConverted, ParseDayError, ParseWorthError};
use rating::{CostParts, RateTable};
use store::{Days, EarnedRow, MarginRow, PoolTimeRow};
use wire::ErrorCode;
use wire::rates::{Rate, RateSet};

use super::report::{Beside, Payer, earned_of};
use crate::problem::Failure;

/// A currency that a request names.
pub fn currency(field: &str, text: &str) -> Result<Currency, Failure> {
    text.parse().map_err(|e: base::ParseMoneyError| Failure::invalid(field, e.to_string()))
}

/// # Errors
/// The field that is wrong, and why.
pub fn rate_from(asked: &RateSet) -> Result<engine::NewRate, Failure> {
    let worth = asked.worth.parse().map_err(|e: ParseWorthError| Failure::invalid("worth", e.to_string()))?;
    let from = asked.from.as_deref().map(str::parse::<Day>).transpose();
    Ok(engine::NewRate {
        of: currency("of", &asked.of)?,
        into: currency("into", &asked.into)?,
        worth,
        from: from.map_err(|e: ParseDayError| Failure::invalid("from", e.to_string()))?,
        reason: asked.reason.trim().into(),
    })
}

/// `by` is the name of whoever told it, and `table` has the rates that hold.
pub fn rate(one: &rating::Rate, by: Option<String>, table: &RateTable) -> Rate {
    Rate {
        number: one.number,
        of: one.of.to_string(),
        into: one.into.to_string(),
        worth: one.worth.to_string(),
        from: one.from.to_string(),
        holds: table.on(one.of, one.into, one.from).is_some_and(|held| held.number == one.number),
        reason: one.reason.to_string(),
        set_at: one.set_at.into(),
        by,
    }
}

/// Into which currency a report goes, and by which rates.
pub struct Exchange {
    pub into: Currency,
    /// What the operator's costs are in.
    pub costs: Currency,
    pub rates: RateTable,
    pub days: Days,
}

/// What could not be converted: of which currency, and the first day.
#[derive(Default)]
pub struct Lacking {
    first: BTreeMap<Currency, Day>,
    beyond_range: bool,
}

impl Lacking {
    /// # Errors
    /// Something was not converted: nothing of the report is right.
    pub fn check(self, into: Currency) -> Result<(), Failure> {
        if self.beyond_range {
            return Err(Failure::new(
                ErrorCode::MoneyRange,
                "an amount leaves the range of money when it is converted",
            ));
        }
        if self.first.is_empty() {
            return Ok(());
        }
        let told = |(of, day): (&Currency, &Day)| {
            format!(
                "no rate of {of} into {into} is known for {day}, the first day that needs one \
                 (`hw rates set {of} {into} RATE --from {day}`)"
            )
        };
        let all: Vec<String> = self.first.iter().map(told).collect();
        Err(Failure::invalid("currency", format!("{}; or leave it out to see each currency by itself", all.join("; "))))
    }
}

impl Exchange {
    fn money(&self, amount: Money, of: Currency, day: i64, lacking: &mut Lacking) -> Money {
        match self.rates.convert(amount, of, self.into, Day(day)) {
            Ok(converted) => return converted,
            Err(NotConverted::Range) => lacking.beyond_range = true,
            Err(NotConverted::NoRate(none)) => {
                let first = lacking.first.entry(none.of).or_insert(none.day);
                *first = none.day.min(*first);
            }
        }
        amount
    }

    fn cost(&self, parts: &CostParts, day: i64, lacking: &mut Lacking) -> CostParts {
        let mut part = |amount| self.money(amount, self.costs, day, lacking);
        let CostParts { depreciation, datacentre, fee } = *parts;
        CostParts { depreciation: part(depreciation), datacentre: part(datacentre), fee: part(fee) }
    }

    /// Rows by day, each with its own day. Their payers then pay in the currency asked for.
    pub fn earned(&self, rows: &mut [EarnedRow], payers: &mut BTreeMap<ProjectId, Payer>, lacking: &mut Lacking) {
        for row in rows {
            let of = payers.get(&row.project).map_or(self.costs, |payer| payer.currency);
            let mut part = |amount| self.money(amount, of, row.day, lacking);
            let (revenue, uncollected, credited) = (part(earned_of(row)), part(row.uncollected), part(row.credited));
            // The charge is what its three parts make.
            row.charge = revenue + uncollected + credited;
            (row.uncollected, row.credited) = (uncollected, credited);
            row.cost = self.cost(&row.cost, row.day, lacking);
        }
        payers.values_mut().for_each(|payer| payer.currency = self.into);
    }

    pub fn time(&self, rows: &mut [PoolTimeRow], lacking: &mut Lacking) {
        for row in rows {
            row.owed = self.cost(&row.owed, row.day, lacking);
            row.unused = row.unused.map(|part| self.money(part, self.costs, row.day, lacking));
        }
    }

    pub fn beside(&self, beside: &mut Beside, lacking: &mut Lacking) {
        for statement in &mut beside.settled {
            let Some(at) = statement.accepted_at else { continue };
            // What counts is what it came to beyond the accrual.
            let difference = statement.payable - statement.cleared;
            statement.payable = self.money(difference, statement.currency, self.days.of(at), lacking);
            (statement.cleared, statement.currency) = (Money::ZERO, self.into);
        }
        for one in &mut beside.contracted {
            one.amount = self.money(one.amount, one.currency, self.days.of(one.at), lacking);
            one.currency = self.into;
        }
        for short in &mut beside.short {
            short.amount = self.money(short.amount, self.costs, self.days.of(short.at), lacking);
        }
    }

    /// Rows by day become one for each thing, in the order of the things.
    pub fn margins(&self, rows: Vec<(i64, MarginRow)>, lacking: &mut Lacking) -> Vec<MarginRow> {
        let mut sums: BTreeMap<u128, MarginRow> = BTreeMap::new();
        for (day, row) in rows {
            let mut part = |amount| self.money(amount, row.currency, day, lacking);
            let (revenue, uncollected) = (part(row.revenue.saturating_sub(row.uncollected)), part(row.uncollected));
            let cost = self.cost(&row.cost, day, lacking);
            let sum = sums.entry(row.key).or_insert_with(|| MarginRow {
                currency: self.into,
                revenue: Money::ZERO,
                uncollected: Money::ZERO,
                cost: CostParts::default(),
                ..row
            });
            sum.revenue += revenue + uncollected;
            sum.uncollected += uncollected;
            sum.cost = sum.cost.plus(&cost);
        }
        sums.into_values().collect()
    }
}

/// Time of pools by day as time of pools.
pub fn without_days(rows: Vec<PoolTimeRow>) -> Vec<PoolTimeRow> {
    let mut sums: BTreeMap<base::PoolId, PoolTimeRow> = BTreeMap::new();
    for row in rows {
        let Some(sum) = sums.get_mut(&row.pool) else {
            sums.insert(row.pool, PoolTimeRow { day: 0, ..row });
            continue;
        };
        sum.nodes_ms.iter_mut().zip(row.nodes_ms).for_each(|(sum, ms)| *sum = sum.saturating_add(ms));
        sum.owed = sum.owed.plus(&row.owed);
        sum.unused.iter_mut().zip(row.unused).for_each(|(sum, part)| *sum += part);
    }
    sums.into_values().collect()
}

/// What a row cost is in the operator's currency: where its tenant pays in another it stands in a row of its own.
pub fn costs_apart(rows: Vec<MarginRow>, costs: Currency) -> Vec<MarginRow> {
    let mut told: Vec<MarginRow> = Vec::with_capacity(rows.len());
    let mut places: BTreeMap<(u128, Currency), usize> = BTreeMap::new();
    let mut put = |row: MarginRow| match places.get(&(row.key, row.currency)) {
        None => {
            places.insert((row.key, row.currency), told.len());
            told.push(row);
        }
        Some(at) => {
            let known = &mut told[*at];
            known.revenue += row.revenue;
            known.uncollected += row.uncollected;
            known.cost = known.cost.plus(&row.cost);
        }
    };
    for mut row in rows {
        let apart = row.currency != costs && row.cost != CostParts::default();
        let cost = if apart { std::mem::take(&mut row.cost) } else { CostParts::default() };
        let (revenue, uncollected) = (Money::ZERO, Money::ZERO);
        let beside = apart.then(|| MarginRow { currency: costs, revenue, uncollected, cost, ..row.clone() });
        put(row);
        beside.into_iter().for_each(&mut put);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u128, currency: &str, revenue: i64, fee: i64) -> MarginRow {
        let cost = CostParts { fee: Money(fee), ..CostParts::default() };
        let (name, currency) = ("row".into(), currency.parse().unwrap());
        MarginRow { key, name, number: None, currency, revenue: Money(revenue), uncollected: Money::ZERO, cost }
    }

    #[test]
    fn what_work_cost_is_never_taken_from_revenue_in_another_currency() {
        let rows = vec![row(1, "USD", 10, 3), row(1, "CNY", 7, 2), row(2, "EUR", 5, 0)];
        let expected = vec![row(1, "USD", 10, 0), row(1, "CNY", 7, 5), row(2, "EUR", 5, 0)];
        assert_eq!(costs_apart(rows, Currency::CNY), expected);
    }

    #[test]
    fn all_that_lacks_a_rate_is_named_with_its_first_day() {
        let exchange =
            Exchange { into: Currency::CNY, costs: Currency::CNY, rates: RateTable::default(), days: Days::default() };
        let rows = vec![(20_760, row(1, "USD", 10, 3)), (20_758, row(1, "USD", 1, 0)), (20_759, row(2, "EUR", 5, 0))];
        let mut lacking = Lacking::default();
        exchange.margins(rows, &mut lacking);
        let failure = lacking.check(exchange.into).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Invalid);
        for told in ["EUR into CNY is known for 2026-11-02", "hw rates set USD CNY RATE --from 2026-11-01"] {
            assert!(failure.errors[0].message.contains(told), "{}", failure.errors[0].message);
        }
        // Nothing needs no rate.
        let mut lacking = Lacking::default();
        assert_eq!(exchange.margins(vec![(1, row(1, "USD", 0, 4))], &mut lacking), [row(1, "CNY", 0, 4)]);
        assert!(lacking.check(exchange.into).is_ok());
    }
}
