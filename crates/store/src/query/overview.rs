//! Counts and sums for overviews: who was active, what processors were used, what was charged by day. Sums are made by the database.

use base::{Money, PoolId, TenantId, Timestamp};
use ports::StoreError;

use crate::daily::{DAY_US, day_of};
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::store::SqlStore;

impl SqlStore {
    /// How many users of each tenant had something metered within the days of `from..to`, which are read as in [`SqlStore::earned`].
    pub async fn active_users(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(TenantId, u64)>, StoreError> {
        let sql = "SELECT p.tenant, COUNT(DISTINCT d.user_id) FROM daily_users d JOIN projects p ON p.id = d.project";
        let mut select = Select::new(self.kind(), sql);
        select.filter("d.day >= ").int(day_of(from + base::Span::from_micros(1)));
        select.filter("d.day <= ").int(day_of(to)).push(" GROUP BY p.tenant ORDER BY p.tenant");
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
}
