//! Sums for the operator's reports: what was earned a day, and what pools cost. Sums are made by the database in whole micro-units.

use base::{Money, PoolId, ProjectId, Timestamp, UserId};
use ports::StoreError;
use rating::CostParts;
use rating::upkeep::Cause;

use crate::codec;
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::store::SqlStore;

/// What is told apart; the rest is summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    pub day: bool,
    pub user: bool,
    pub project: bool,
    pub pool: bool,
    pub line: bool,
}

/// Sums of intervals that ended within some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnedRow {
    /// As of [`crate::Days`]; 0 where days are not told apart.
    pub day: i64,
    /// Zero where projects are not told apart, and so for the pool.
    pub project: ProjectId,
    pub pool: PoolId,
    /// Where users are told apart.
    pub user: Option<UserId>,
    /// Place in the list of product lines; `None` for work of before it was counted.
    pub line: Option<usize>,
    pub charge: Money,
    pub uncollected: Money,
    /// What grants paid of the charge.
    pub credited: Money,
    pub cost: CostParts,
    pub core_ms: i64,
    pub card_ms: i64,
}

/// What a pool's time was, and what of its cost no run carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTimeRow {
    pub day: i64,
    pub pool: PoolId,
    /// Node-milliseconds: all, and of them out of order, out of service and kept free.
    pub nodes_ms: [i64; 4],
    /// What the nodes cost in all.
    pub owed: CostParts,
    /// In the order of [`Cause::ALL`].
    pub unused: [Money; 5],
}

const EARNED: &str = "CAST(SUM(d.charge) AS BIGINT), CAST(SUM(d.uncollected) AS BIGINT), CAST(SUM(d.depreciation) AS BIGINT), \
    CAST(SUM(d.datacentre) AS BIGINT), CAST(SUM(d.fee) AS BIGINT), CAST(SUM(d.core_ms) AS BIGINT), \
    CAST(SUM(d.card_ms) AS BIGINT), CAST(SUM(d.credited) AS BIGINT)";

fn get_earned(row: &Row) -> Sql<EarnedRow> {
    Ok(EarnedRow {
        day: row.int(0)?,
        user: row.opt_id(1)?.map(UserId::from_u128),
        project: ProjectId::from_u128(row.opt_id(2)?.unwrap_or(0)),
        pool: PoolId::from_u128(row.opt_id(3)?.unwrap_or(0)),
        line: usize::try_from(row.int(4)?).ok(),
        charge: Money(row.int(5)?),
        uncollected: Money(row.int(6)?),
        cost: codec::get_cost(row, 7)?,
        core_ms: row.int(10)?,
        card_ms: row.int(11)?,
        credited: Money(row.int(12)?),
    })
}

fn get_time(row: &Row) -> Sql<PoolTimeRow> {
    let ms = |column| row.int(column);
    let mut unused = [Money::ZERO; Cause::ALL.len()];
    for (n, part) in unused.iter_mut().enumerate() {
        *part = Money(row.int(8 + n)?);
    }
    Ok(PoolTimeRow {
        day: row.int(0)?,
        pool: PoolId::from_u128(row.id(1)?),
        nodes_ms: [ms(2)?, ms(3)?, ms(4)?, ms(5)?],
        owed: CostParts { depreciation: Money(row.int(6)?), datacentre: Money(row.int(7)?), fee: Money::ZERO },
        unused,
    })
}

impl SqlStore {
    /// What was earned within `from..to`, which are read as days: the first is that of the moment after `from`, the last that which ends
    /// at `to` or has it in it.
    pub async fn earned(&self, apart: Apart, from: Timestamp, to: Timestamp) -> Result<Vec<EarnedRow>, StoreError> {
        let columns = [
            (apart.day, "d.day"),
            (apart.user, "d.user_id"),
            (apart.project, "d.project"),
            (apart.pool, "d.pool"),
            (apart.line, "d.line"),
        ];
        let none = "CAST(NULL AS BYTEA)";
        let instead = ["CAST(0 AS BIGINT)", none, none, none, "CAST(-1 AS BIGINT)"];
        let table = if apart.user { "daily_users" } else { "daily" };
        let shown: Vec<&str> =
            columns.iter().zip(instead).map(|((told, column), other)| if *told { *column } else { other }).collect();
        let mut select = Select::new(self.kind(), format!("SELECT {}, {EARNED} FROM {table} d", shown.join(", ")));
        select.filter("d.day >= ").int(self.days().after(from));
        select.filter("d.day <= ").int(self.days().of(to));
        let told: Vec<&str> = columns.iter().filter(|(told, _)| *told).map(|(_, column)| *column).collect();
        if told.is_empty() {
            select.push(" HAVING COUNT(*) > 0");
        } else {
            select.push(&format!(" GROUP BY {0} ORDER BY {0}", told.join(", ")));
        }
        self.list(select.text, select.args, get_earned).await
    }

    /// What pools' time was within `from..to`, by the ends of its stretches, and by day where `days` is said.
    pub async fn pool_time(&self, days: bool, from: Timestamp, to: Timestamp) -> Result<Vec<PoolTimeRow>, StoreError> {
        let by_day = self.days().sql("s.to_at");
        let day = if days { by_day.as_str() } else { "CAST(0 AS BIGINT)" };
        let ms = |nodes: &str| format!("CAST(SUM(s.{nodes} * ((s.to_at - s.from_at) / 1000)) AS BIGINT)");
        let nodes = ["nodes", "nodes_outage", "nodes_maintenance", "nodes_reserve"].map(ms).join(", ");
        let causes = Cause::ALL.map(|cause| format!("CAST(SUM(s.{}) AS BIGINT)", cause.as_str())).join(", ");
        let owed = "CAST(SUM(s.depreciation) AS BIGINT), CAST(SUM(s.datacentre) AS BIGINT)";
        let mut select =
            Select::new(self.kind(), format!("SELECT {day}, s.pool, {nodes}, {owed}, {causes} FROM stretches s"));
        select.filter("s.to_at > ").int(from.as_micros());
        select.filter("s.to_at <= ").int(to.as_micros());
        select.push(" GROUP BY ");
        if days {
            select.push(&by_day).push(", ");
        }
        select.push("s.pool ORDER BY 1, 2");
        self.list(select.text, select.args, get_time).await
    }
}
