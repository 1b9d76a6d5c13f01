//! Reports from the store's sums: rows by what is told apart, pools with their costs by cause. Pure; adds up to what the store summed.

use std::collections::BTreeMap;

use base::{Currency, Money, PoolId, ProjectId, SupplierId, Timestamp, UserId};
use model::{Pool, ProductLine, SupplyMode};
use rating::CostParts;
use rating::settlement::Statement;
use rating::upkeep::Cause;
use store::{Days, EarnedRow, PoolTimeRow};
use wire::ReportBy;
use wire::report as shown;

use super::bill::percent;
use crate::access::Supply;

/// What a project is called, whose it is, and in what currency that one pays.
#[derive(Clone, Debug)]
pub struct Payer {
    pub project: String,
    pub tenant: String,
    pub currency: Currency,
}

/// What a contract brought beside what was drawn from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contracted {
    pub at: Timestamp,
    pub tenant: String,
    pub currency: Currency,
    pub amount: Money,
}

/// What is earned and owed beside work and the time of pools.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Statements of suppliers that were accepted.
    pub settled: Vec<Statement>,
    pub contracted: Vec<Contracted>,
    pub short: Vec<Short>,
}

/// Names and currencies for one report.
pub struct Legend<'a> {
    pub by: &'a [ReportBy],
    pub supply: &'a Supply,
    pub payers: &'a BTreeMap<ProjectId, Payer>,
    /// Where users are told apart.
    pub users: &'a BTreeMap<UserId, String>,
    pub days: Days,
    /// The operator's costs are in this currency.
    pub cost_currency: Currency,
    /// What the last of `by` must be; these are not shown.
    pub only: &'a [String],
}

/// What a supplier's fees fell behind its minimum in a period that ended then.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    pub supplier: SupplierId,
    pub at: Timestamp,
    pub amount: Money,
}

impl Short {
    /// Of the periods that ended within `from < end <= to`.
    pub fn within(terms: &[rating::SupplierTerms], from: Timestamp, to: Timestamp) -> Vec<Short> {
        let of = |terms: &rating::SupplierTerms| {
            let supplier = terms.supplier;
            let ended = terms.periods.iter().filter(move |p| from < p.to && p.to <= to);
            ended.map(move |p| Short { supplier, at: p.to, amount: p.accrued }).collect::<Vec<_>>()
        };
        terms.iter().flat_map(of).filter(|short| short.amount != Money::ZERO).collect()
    }
}

/// Whose work it is, of which product line, and by which user, as far as that is known.
type Work<'a> = (Option<&'a Payer>, Option<usize>, Option<UserId>);

/// Belongs to none of what is told apart.
const NONE: &str = "-";

#[derive(Clone, Copy, Default)]
struct Sum {
    revenue: Money,
    uncollected: Money,
    promotions: Money,
    cost: CostParts,
    unused: Money,
    core_ms: i64,
    card_ms: i64,
}

impl Legend<'_> {
    fn place(&self, by: ReportBy, id: PoolId) -> String {
        let pool = self.supply.pools.get(&id);
        let cluster = pool.and_then(|pool| self.supply.clusters.get(&pool.cluster));
        let text = match by {
            ReportBy::Pool => pool.map(|pool| pool.name.to_string()),
            ReportBy::Cluster => cluster.map(|cluster| cluster.name.to_string()),
            ReportBy::Supplier => cluster.map(|cluster| self.supply.supplier_name(cluster.supplier)),
            ReportBy::Mode => pool.map(|pool| pool.mode.as_str().to_owned()),
            _ => cluster.map(|c| c.region.to_string()).filter(|region| !region.is_empty()),
        };
        text.unwrap_or_else(|| NONE.to_owned())
    }

    fn key(&self, by: ReportBy, day: i64, pool: PoolId, work: Option<Work>) -> String {
        let line = |line: Option<usize>| line.and_then(|n| ProductLine::ALL.get(n).copied());
        let text = match (by, work) {
            (ReportBy::Day | ReportBy::Month | ReportBy::Season, _) => time(by, day),
            (ReportBy::Tenant, Some((payer, ..))) => payer.map(|payer| payer.tenant.clone()),
            (ReportBy::Project, Some((payer, ..))) => payer.map(|payer| payer.project.clone()),
            (ReportBy::User, Some((.., user))) => user.and_then(|id| self.users.get(&id).cloned()),
            (ReportBy::Line, Some((_, n, _))) => line(n).map(|line| super::line(line).as_str().to_owned()),
            (ReportBy::Work, Some((_, n, _))) => line(n).map(|line| work_of(line).to_owned()),
            (ReportBy::Tenant | ReportBy::Project | ReportBy::User | ReportBy::Line | ReportBy::Work, None) => None,
            _ => Some(self.place(by, pool)),
        };
        text.unwrap_or_else(|| NONE.to_owned())
    }

    /// What settling with a supplier corrected is the supplier's, and no pool's or tenant's.
    fn keys_of_supplier(&self, at: Timestamp, supplier: SupplierId) -> Vec<String> {
        let known = self.supply.suppliers.get(&supplier);
        let key = |by: &ReportBy| match by {
            ReportBy::Supplier => self.supply.supplier_name(supplier),
            ReportBy::Mode => known.map_or(NONE, |known| known.mode.as_str()).to_owned(),
            _ => time(*by, self.days.of(at)).unwrap_or_else(|| NONE.to_owned()),
        };
        self.by.iter().map(key).collect()
    }

    /// What nobody drew of a contract is its tenant's, and no project's, pool's or line's.
    fn keys_of_tenant(&self, at: Timestamp, tenant: &str) -> Vec<String> {
        let key = |by: &ReportBy| match by {
            ReportBy::Tenant => tenant.to_owned(),
            _ => time(*by, self.days.of(at)).unwrap_or_else(|| NONE.to_owned()),
        };
        self.by.iter().map(key).collect()
    }

    fn keys(&self, day: i64, pool: PoolId, work: Option<Work>) -> Vec<String> {
        self.by.iter().map(|by| self.key(*by, day, pool, work)).collect()
    }

    /// Rows in the order of their keys, and sums, one for each currency.
    pub fn report(
        &self,
        earned: &[EarnedRow],
        time: &[PoolTimeRow],
        Beside { settled, contracted, short }: &Beside,
    ) -> (Vec<shown::ReportRow>, Vec<shown::ReportRow>) {
        let mut sums: BTreeMap<(Vec<String>, String), Sum> = BTreeMap::new();
        let mut add = |keys: &[String], currency: Currency, part: Sum| {
            let (shown, rest) = keys.split_at(keys.len() - self.only.len());
            if rest == self.only {
                sums.entry((shown.to_vec(), currency.to_string())).or_default().add(&part);
            }
        };
        for row in earned {
            let payer = self.payers.get(&row.project);
            let keys = self.keys(row.day, row.pool, Some((payer, row.line, row.user)));
            let income = Sum {
                revenue: earned_of(row),
                uncollected: row.uncollected,
                promotions: row.credited,
                core_ms: row.core_ms,
                card_ms: row.card_ms,
                ..Sum::default()
            };
            add(&keys, payer.map_or(self.cost_currency, |payer| payer.currency), income);
            add(&keys, self.cost_currency, Sum { cost: row.cost, ..Sum::default() });
        }
        for row in time {
            let unused = row.unused.iter().copied().sum();
            add(&self.keys(row.day, row.pool, None), self.cost_currency, Sum { unused, ..Sum::default() });
        }
        for statement in settled {
            let Some(at) = statement.accepted_at else { continue };
            let cost = CostParts { fee: statement.payable - statement.cleared, ..CostParts::default() };
            add(&self.keys_of_supplier(at, statement.supplier), statement.currency, Sum { cost, ..Sum::default() });
        }
        for one in contracted {
            let income = Sum { revenue: one.amount, ..Sum::default() };
            add(&self.keys_of_tenant(one.at, &one.tenant), one.currency, income);
        }
        for short in short {
            let cost = CostParts { fee: short.amount, ..CostParts::default() };
            add(&self.keys_of_supplier(short.at, short.supplier), self.cost_currency, Sum { cost, ..Sum::default() });
        }
        let mut total: BTreeMap<String, Sum> = BTreeMap::new();
        for ((_, currency), part) in &sums {
            total.entry(currency.clone()).or_default().add(part);
        }
        let rows = sums.into_iter().filter(|(_, sum)| sum.is_something());
        let rows = rows.map(|((keys, currency), sum)| row(keys, currency, &sum)).collect();
        (rows, total.into_iter().map(|(currency, sum)| row(Vec::new(), currency, &sum)).collect())
    }

    /// One row for each pool of which something is known.
    pub fn pools(
        &self,
        earned: &[EarnedRow],
        time: &[PoolTimeRow],
        used: &[(PoolId, i64, i64)],
    ) -> Vec<shown::PoolReport> {
        let mut rows = Vec::new();
        let mut incomes: BTreeMap<PoolId, Vec<&EarnedRow>> = BTreeMap::new();
        earned.iter().for_each(|row| incomes.entry(row.pool).or_default().push(row));
        let cares: BTreeMap<PoolId, &PoolTimeRow> = time.iter().map(|row| (row.pool, row)).collect();
        for pool in self.supply.pools.values() {
            let income = incomes.get(&pool.id).map_or(&[][..], Vec::as_slice);
            let care = cares.get(&pool.id).copied();
            if !income.is_empty() || care.is_some() {
                let used = used.iter().find(|(id, ..)| *id == pool.id).map(|(_, used, had)| (*used, *had));
                rows.push(self.pool(pool, income, care, used));
            }
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    fn pool(
        &self,
        pool: &Pool,
        income: &[&EarnedRow],
        care: Option<&PoolTimeRow>,
        told: Option<(i64, i64)>,
    ) -> shown::PoolReport {
        let by_card = pool.shape.gpus > 0;
        let each = if by_card { f64::from(pool.shape.gpus) } else { pool.shape.cpu.0 as f64 / 1_000.0 };
        let hours = |n: usize| care.map_or(0.0, |care| care.nodes_ms[n] as f64 / HOUR_MS * each);
        let used = |row: &&EarnedRow| if by_card { row.card_ms } else { row.core_ms };
        let allocated = income.iter().map(used).sum::<i64>() as f64 / HOUR_MS;
        let own_money =
            |row: &&&EarnedRow| self.payers.get(&row.project).is_none_or(|payer| payer.currency == self.cost_currency);
        let revenue: Money = income.iter().filter(own_money).map(|row| earned_of(row)).sum();
        let worked: Money = income.iter().map(|row| row.cost.total()).sum();
        let cause = |cause: Cause| care.map_or(Money::ZERO, |care| care.unused[cause as usize]);
        let cost = worked + Cause::ALL.into_iter().map(cause).sum();
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| format!("{:.2}", part * 100.0 / whole));
        let per_hour =
            |money: Money| (allocated > 0.0).then(|| Money((money.micros() as f64 / allocated).round() as i64).into());
        // As much as was allocated brought the revenue: so much more, or less, would have brought the cost.
        let utilisation = (hours(0) > 0.0).then(|| allocated / hours(0));
        let even = |used: f64| used * cost.micros() as f64 / revenue.micros() as f64;
        let even = utilisation.filter(|_| pool.mode == SupplyMode::Own && revenue > Money::ZERO).map(even);
        shown::PoolReport {
            pool: pool.id,
            name: pool.name.to_string(),
            cluster: self.place(ReportBy::Cluster, pool.id),
            supplier: self.place(ReportBy::Supplier, pool.id),
            mode: super::supply_mode(pool.mode),
            currency: self.cost_currency.to_string(),
            unit: if by_card { "card" } else { "core" }.to_owned(),
            total_hours: hours(0),
            outage_hours: hours(1),
            maintenance_hours: hours(2),
            reserve_hours: hours(3),
            allocated_hours: allocated,
            used_hours: told.filter(|_| !by_card).map(|(used, _)| used as f64 / HOUR_MS),
            used_percent: told.filter(|_| !by_card).and_then(|(used, had)| share(used as f64, had as f64)),
            utilisation_percent: share(allocated, hours(0)),
            revenue: revenue.into(),
            worked: worked.into(),
            outage: cause(Cause::Outage).into(),
            maintenance: cause(Cause::Maintenance).into(),
            reserve: cause(Cause::Reserve).into(),
            idle: cause(Cause::Idle).into(),
            overlap: cause(Cause::Overlap).into(),
            cost: cost.into(),
            margin: revenue.saturating_sub(cost).into(),
            revenue_per_hour: per_hour(revenue),
            cost_per_hour: per_hour(cost),
            break_even_percent: even.map(|share| format!("{:.2}", share * 100.0)),
        }
    }
}

const HOUR_MS: f64 = 3_600_000.0;

/// Neither what was written off nor what was granted for free is revenue.
pub(super) fn earned_of(row: &EarnedRow) -> Money {
    row.charge.saturating_sub(row.uncollected).saturating_sub(row.credited)
}

impl Sum {
    fn add(&mut self, part: &Sum) {
        self.revenue += part.revenue;
        self.uncollected += part.uncollected;
        self.promotions += part.promotions;
        self.cost = self.cost.plus(&part.cost);
        self.unused += part.unused;
        self.core_ms = self.core_ms.saturating_add(part.core_ms);
        self.card_ms = self.card_ms.saturating_add(part.card_ms);
    }

    fn is_something(&self) -> bool {
        let money = [self.revenue, self.uncollected, self.promotions, self.cost.total(), self.unused];
        money.iter().any(|part| *part != Money::ZERO) || self.core_ms != 0 || self.card_ms != 0
    }
}

fn row(keys: Vec<String>, currency: String, sum: &Sum) -> shown::ReportRow {
    let cost = sum.cost.total() + sum.unused;
    let margin = sum.revenue.saturating_sub(cost);
    shown::ReportRow {
        keys,
        currency,
        revenue: sum.revenue.into(),
        uncollected: sum.uncollected.into(),
        promotions: sum.promotions.into(),
        depreciation: sum.cost.depreciation.into(),
        datacentre: sum.cost.datacentre.into(),
        fee: sum.cost.fee.into(),
        unused: sum.unused.into(),
        cost: cost.into(),
        margin: margin.into(),
        margin_percent: percent(margin, sum.revenue),
        core_hours: sum.core_ms as f64 / HOUR_MS,
        card_hours: sum.card_ms as f64 / HOUR_MS,
    }
}

/// Training or inference, by the product line.
const fn work_of(line: ProductLine) -> &'static str {
    match line {
        ProductLine::Ai => "training",
        ProductLine::Maas => "inference",
        _ => "other",
    }
}

/// The day, month or season of a day since 1970; nothing where something else is told apart.
fn time(by: ReportBy, day: i64) -> Option<String> {
    match by {
        ReportBy::Day => Some(date(day).0),
        ReportBy::Month => Some(date(day).1),
        ReportBy::Season => Some(season(day)),
        _ => None,
    }
}

/// `2026-Q4` of a day since 1970.
fn season(day: i64) -> String {
    let month = date(day).1;
    let number: u32 = month.get(5..).and_then(|text| text.parse().ok()).unwrap_or(1);
    format!("{}-Q{}", month.get(..4).unwrap_or_default(), number.div_ceil(3))
}

/// `2026-11-22` and `2026-11` of a day since 1970.
fn date(day: i64) -> (String, String) {
    let text = Timestamp::from_secs(day.saturating_mul(86_400)).rfc3339();
    (text.chars().take(10).collect(), text.chars().take(7).collect())
}
