//! Counts and sums for overviews: who was active, what processors were used, what was charged by day. Sums are made by the database.

use base::{Money, PoolId, TenantId, Timestamp};
use ports::StoreError;
use rating::tariff::UtcOffset;
use rating::tariff::calendar::ParseTimeError;

use crate::daily::Days;
use crate::db::{Columns as _, Row, Sql};
use crate::error::store_error;
use crate::query::build::Select;
use crate::store::SqlStore;

impl SqlStore {
    /// How many users of each tenant had something metered within the days of `from..to`, which are read as in [`SqlStore::earned`].
    pub async fn active_users(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(TenantId, u64)>, StoreError> {
        let sql = "SELECT p.tenant, COUNT(DISTINCT d.user_id) FROM daily_users d JOIN projects p ON p.id = d.project";
        let mut select = Select::new(self.kind(), sql);
        select.filter("d.day >= ").int(self.days().after(from));
        select.filter("d.day <= ").int(self.days().of(to));
        // Storage is of nobody in particular.
        select.filter("d.user_id <> ").id(0).push(" GROUP BY p.tenant ORDER BY p.tenant");
        let read = |row: &Row| -> Sql<_> { Ok((TenantId::from_u128(row.id(0)?), row.natural(1)?)) };
        self.list(select.text, select.args, read).await
    }

    /// Core-milliseconds that attempts used which ended within the days of `from..to`, and had, by pool; of those whose clusters told.
    pub async fn used(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(PoolId, i64, i64)>, StoreError> {
        let sql = "SELECT pool, CAST(SUM(used_ms) AS BIGINT), CAST(SUM(known_ms) AS BIGINT) FROM daily_used";
        let mut select = Select::new(self.kind(), sql);
        select.filter("day >= ").int(self.days().after(from));
        select.filter("day <= ").int(self.days().of(to)).push(" GROUP BY pool ORDER BY pool");
        let read = |row: &Row| -> Sql<_> { Ok((PoolId::from_u128(row.id(0)?), row.int(1)?, row.int(2)?)) };
        self.list(select.text, select.args, read).await
    }

    /// What a tenant was charged, less what was written off and what grants paid, by day, newest first: the end of each day and its amount.
    pub async fn charged_by_day(&self, tenant: TenantId) -> Result<Vec<(Timestamp, Money)>, StoreError> {
        let sql = "SELECT d.day, CAST(SUM(d.charge - d.uncollected - d.credited) AS BIGINT) FROM daily d \
            JOIN projects p ON p.id = d.project";
        let mut select = Select::new(self.kind(), sql);
        select.filter("p.tenant = ").id(tenant.as_u128()).push(" GROUP BY d.day ORDER BY d.day DESC");
        let days = self.days();
        let read = |row: &Row| -> Sql<_> { Ok((days.end(row.int(0)?), Money(row.int(1)?))) };
        self.list(select.text, select.args, read).await
    }

    /// The days by which this platform sums up; UTC's until [`SqlStore::cut_days`] was asked.
    pub fn days(&self) -> Days {
        self.days.get().copied().unwrap_or_default()
    }

    /// Sets the days by which the platform sums up, if none were set before and nothing was summed; what they are.
    ///
    /// # Errors
    /// What the database says, also when it keeps what is no distance from UTC.
    pub async fn cut_days(&self, wanted: UtcOffset) -> Result<Days, StoreError> {
        let mut args = self.args();
        args.text(wanted.to_string());
        let insert = "INSERT INTO days (one, utc_offset) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
        let mut writing = self.writing().await.map_err(store_error)?;
        writing.conn.execute(insert, args).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        let read = |row: &Row| -> Sql<String> { Ok(row.text(0)?.to_owned()) };
        let stored = self.find("SELECT utc_offset FROM days", self.args(), read).await?;
        let stored = stored.ok_or_else(|| StoreError::Corrupt("the beginning of days is not kept".into()))?;
        let offset = stored.parse().map_err(|e: ParseTimeError| StoreError::Corrupt(e.to_string()))?;
        Ok(*self.days.get_or_init(|| Days::at(offset)))
    }
}
