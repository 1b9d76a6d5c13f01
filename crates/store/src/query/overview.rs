//! Counts and sums for overviews: who was active, what was charged by day, and what was earned by user. Sums are made by the database.

use base::{Money, PoolId, ProjectId, TenantId, Timestamp, UserId};
use ports::StoreError;

use crate::codec;
use crate::daily::{DAY_US, day_of};
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::query::report::{Apart, EarnedRow};
use crate::store::SqlStore;

/// Of intervals: amounts, and milliseconds of cores and cards. What was given back is time that was not worked.
const BY_USER: &str = "CAST(SUM(i.charge) AS BIGINT), CAST(SUM(i.uncollected) AS BIGINT), CAST(SUM(i.depreciation) AS BIGINT), \
    CAST(SUM(i.datacentre) AS BIGINT), CAST(SUM(i.fee) AS BIGINT), CAST(SUM(i.credited) AS BIGINT)";

impl SqlStore {
    /// How many users of each tenant had something metered in intervals that ended within `from < end <= to`.
    pub async fn active_users(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(TenantId, u64)>, StoreError> {
        let sql = "SELECT u.tenant, COUNT(DISTINCT u.user_id) FROM (SELECT j.tenant, j.user_id FROM jobs j \
            WHERE j.id IN (SELECT i.job FROM intervals i";
        let mut select = Select::new(self.kind(), sql);
        select.filter("i.to_at > ").int(from.as_micros());
        select.filter("i.to_at <= ").int(to.as_micros()).push(")) u GROUP BY u.tenant ORDER BY u.tenant");
        let read = |row: &Row| -> Sql<_> { Ok((TenantId::from_u128(row.id(0)?), row.natural(1)?)) };
        self.list(select.text, select.args, read).await
    }

    /// Core-milliseconds that attempts used which ended within the days of `from..to`, and had, by pool; of those whose clusters told.
    pub async fn used(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(PoolId, i64, i64)>, StoreError> {
        let sql = "SELECT pool, CAST(SUM(used_ms) AS BIGINT), CAST(SUM(known_ms) AS BIGINT) FROM daily_used";
        let mut select = Select::new(self.kind(), sql);
        select.filter("day >= ").int(day_of(from + base::Span::from_micros(1)));
        select.filter("day <= ").int(day_of(to)).push(" GROUP BY pool ORDER BY pool");
        let read = |row: &Row| -> Sql<_> { Ok((PoolId::from_u128(row.id(0)?), row.int(1)?, row.int(2)?)) };
        self.list(select.text, select.args, read).await
    }

    /// What a tenant was charged, less what was written off and what grants paid, by day, newest first: the end of each day and its amount.
    pub async fn charged_by_day(&self, tenant: TenantId) -> Result<Vec<(Timestamp, Money)>, StoreError> {
        let sql = "SELECT d.day, CAST(SUM(d.charge - d.uncollected - d.credited) AS BIGINT) FROM daily d \
            JOIN projects p ON p.id = d.project";
        let mut select = Select::new(self.kind(), sql);
        select.filter("p.tenant = ").id(tenant.as_u128()).push(" GROUP BY d.day ORDER BY d.day DESC");
        let end = |day: i64| Timestamp::from_micros((day + 1).saturating_mul(DAY_US));
        let read = |row: &Row| -> Sql<_> { Ok((end(row.int(0)?), Money(row.int(1)?))) };
        self.list(select.text, select.args, read).await
    }

    /// As [`SqlStore::earned`], by the user whose work it was: from the intervals themselves, so that the days' sums stay as narrow as
    /// they are. Product lines are not told apart, hours are not counted.
    pub async fn earned_by_user(
        &self,
        apart: Apart,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<EarnedRow>, StoreError> {
        let day = "(i.to_at - 1) / 86400000000";
        let columns = [(true, "j.user_id"), (apart.day, day), (true, "j.project"), (apart.pool, "a.pool")];
        let instead = ["", "CAST(0 AS BIGINT)", "", "CAST(NULL AS BYTEA)"];
        let shown: Vec<&str> =
            columns.iter().zip(instead).map(|((told, column), other)| if *told { *column } else { other }).collect();
        let mut text = format!("SELECT {}, {BY_USER} FROM intervals i JOIN jobs j ON j.id = i.job", shown.join(", "));
        if apart.pool {
            text.push_str(" JOIN attempts a ON a.job = i.job AND a.number = i.attempt");
        }
        let mut select = Select::new(self.kind(), text);
        let (first, last) = (day_of(from + base::Span::from_micros(1)), day_of(to));
        select.filter("i.to_at > ").int(first.saturating_mul(DAY_US));
        select.filter("i.to_at <= ").int((last + 1).saturating_mul(DAY_US));
        let told: Vec<&str> = columns.iter().filter(|(told, _)| *told).map(|(_, column)| *column).collect();
        select.push(&format!(" GROUP BY {0} ORDER BY {0}", told.join(", ")));
        let read = |row: &Row| -> Sql<EarnedRow> {
            Ok(EarnedRow {
                day: row.int(1)?,
                project: ProjectId::from_u128(row.id(2)?),
                pool: PoolId::from_u128(row.opt_id(3)?.unwrap_or(0)),
                user: Some(UserId::from_u128(row.id(0)?)),
                line: None,
                charge: Money(row.int(4)?),
                uncollected: Money(row.int(5)?),
                cost: codec::get_cost(row, 6)?,
                core_ms: 0,
                card_ms: 0,
                credited: Money(row.int(9)?),
            })
        };
        self.list(select.text, select.args, read).await
    }
}
