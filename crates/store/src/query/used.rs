//! Questions that storage, traffic, requests and tokens answer beside running work: lines of a bill, their part of margins, and the
//! records of a time one after the other. Within a time is what counts after its beginning and not after its end, as stretches do.

use std::sync::Arc;

use base::{Currency, Money, TenantId, Timestamp};
use futures::TryStreamExt;
use ports::StoreError;
use rating::tariff::Unit;
use rating::{CostParts, Usage};

use crate::codec;
use crate::db::{Columns as _, Row, Sql, unreadable};
use crate::error::store_error;
use crate::query::build::Select;
use crate::query::money::{BillFilter, BillSum, MarginBy, MarginRow};
use crate::query::page::Scope;
use crate::query::usage::pieces;
use crate::store::SqlStore;

/// What somebody was billed for one kind of usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedLine {
    pub tenant_name: Arc<str>,
    pub currency: Currency,
    pub project_name: Arc<str>,
    pub user_name: Option<Arc<str>>,
    pub pool_name: Option<Arc<str>>,
    pub unit: Unit,
    pub model: Option<Arc<str>>,
    pub kind: Option<Arc<str>>,
    pub records: u64,
    /// When the first of it began and the last ended.
    pub from: Timestamp,
    pub to: Timestamp,
    pub pieces: u128,
    /// What of them contracts included.
    pub included: u128,
    pub charge: Money,
    /// Parts of the charge: written off, and paid by grants.
    pub uncollected: Money,
    pub credited: Money,
}

const USED: &str = " FROM usage_records r JOIN tenants t ON t.id = r.tenant JOIN projects p ON p.id = r.project \
    LEFT JOIN users u ON u.id = r.user_id LEFT JOIN pools o ON o.id = r.pool";

const LINE_COLUMNS: &str = "t.currency, t.name, p.name, u.name, o.name, r.unit, r.model, r.kind";

const MARGIN_SUMS: &str = "CAST(SUM(r.charge - r.credited) AS BIGINT), CAST(SUM(r.uncollected) AS BIGINT)";

fn get_line(row: &Row) -> Sql<UsedLine> {
    let text = |n| -> Sql<Option<Arc<str>>> { Ok(row.opt_text(n)?.map(Into::into)) };
    Ok(UsedLine {
        currency: codec::get_currency(row, 0)?,
        tenant_name: row.text(1)?.into(),
        project_name: row.text(2)?.into(),
        user_name: text(3)?,
        pool_name: text(4)?,
        unit: Unit::parse(row.text(5)?).ok_or_else(|| unreadable("a unit that is none"))?,
        model: text(6)?,
        kind: text(7)?,
        records: row.natural(8)?,
        from: Timestamp::from_micros(row.int(9)?),
        to: Timestamp::from_micros(row.int(10)?),
        pieces: pieces(row, 11)?,
        included: pieces(row, 13)?,
        charge: Money(row.int(15)?),
        uncollected: Money(row.int(16)?),
        credited: Money(row.int(17)?),
    })
}

fn counted_within(select: &mut Select, from: Option<Timestamp>, to: Option<Timestamp>) {
    if let Some(from) = from {
        select.filter("r.counts_at > ").int(from.as_micros());
    }
    if let Some(to) = to {
        select.filter("r.counts_at <= ").int(to.as_micros());
    }
}

/// Usage is of no job.
fn bill_filter(select: &mut Select, scope: Scope, filter: &BillFilter) {
    let BillFilter { project, user, job, from, to } = filter;
    select.scope("r.tenant", scope);
    if let Some(project) = project {
        select.filter("r.project = ").id(project.as_u128());
    }
    if let Some(user) = user {
        select.filter("r.user_id = ").id(user.as_u128());
    }
    if job.is_some() {
        select.filter("r.number < 0");
    }
    counted_within(select, *from, *to);
}

/// Id and name of what a row of margins is of; of no job.
const fn group(by: MarginBy) -> Option<(&'static str, &'static str)> {
    match by {
        MarginBy::Job => None,
        MarginBy::Tenant => Some(("t.id", "t.name")),
        MarginBy::Pool => Some(("o.id", "o.name")),
        MarginBy::Project => Some(("p.id", "p.name")),
    }
}

fn get_margin(row: &Row) -> Sql<MarginRow> {
    Ok(MarginRow {
        key: row.opt_id(0)?.unwrap_or(0),
        name: row.opt_text(1)?.unwrap_or("-").into(),
        number: None,
        currency: codec::get_currency(row, 2)?,
        revenue: Money(row.int(3)?),
        uncollected: Money(row.int(4)?),
        cost: CostParts::default(),
    })
}

impl SqlStore {
    /// Lines of usage on a bill, `rows` of them at most, by currency, tenant, project, user, pool, unit, model and kind.
    pub async fn used_lines(
        &self,
        scope: Scope,
        filter: &BillFilter,
        rows: usize,
    ) -> Result<Vec<UsedLine>, StoreError> {
        let sum = |column: &str| format!("CAST(SUM(r.{column}) AS BIGINT)");
        let sums = ["pieces_high", "pieces_low", "included_high", "included_low", "charge", "uncollected", "credited"];
        let sums = sums.map(sum).join(", ");
        let text = format!("SELECT {LINE_COLUMNS}, COUNT(*), MIN(r.from_at), MAX(r.to_at), {sums}{USED}");
        let mut select = Select::new(self.kind(), text);
        bill_filter(&mut select, scope, filter);
        select.push(&format!(" GROUP BY t.id, p.id, u.id, o.id, {LINE_COLUMNS} ORDER BY {LINE_COLUMNS} LIMIT "));
        select.int(codec::natural(rows as u64));
        self.list(select.text, select.args, get_line).await
    }

    /// What usage comes to on the whole bill, by currency.
    pub async fn used_total(&self, scope: Scope, filter: &BillFilter) -> Result<Vec<BillSum>, StoreError> {
        let sums = "SELECT t.currency, CAST(SUM(r.charge) AS BIGINT), CAST(SUM(r.uncollected) AS BIGINT), \
            CAST(SUM(r.credited) AS BIGINT)";
        let mut select = Select::new(self.kind(), format!("{sums}{USED}"));
        bill_filter(&mut select, scope, filter);
        select.push(" GROUP BY t.currency ORDER BY t.currency");
        let read = |row: &Row| -> Sql<BillSum> {
            let [charge, uncollected, credited] = [row.int(1)?, row.int(2)?, row.int(3)?].map(Money);
            let (currency, drawn) = (codec::get_currency(row, 0)?, Money::ZERO);
            Ok(BillSum { currency, charge, uncollected, drawn, credited })
        };
        self.list(select.text, select.args, read).await
    }

    /// What usage brought within a time, grouped; all of it in one row of no job where jobs are told apart.
    pub async fn used_margin(
        &self,
        by: MarginBy,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<MarginRow>, StoreError> {
        let rows = self.used_margins(by, from, to, None).await?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The same by the day for which it counts as well.
    pub async fn used_margin_by_day(
        &self,
        by: MarginBy,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(i64, MarginRow)>, StoreError> {
        let day = self.days().sql("r.counts_at");
        self.used_margins(by, from, to, Some(day)).await
    }

    async fn used_margins(
        &self,
        by: MarginBy,
        from: Timestamp,
        to: Timestamp,
        day: Option<String>,
    ) -> Result<Vec<(i64, MarginRow)>, StoreError> {
        let (key, name) = group(by).unwrap_or(("CAST(NULL AS BYTEA)", "CAST(NULL AS TEXT)"));
        let told = day.as_deref().unwrap_or("CAST(0 AS BIGINT)");
        let mut select =
            Select::new(self.kind(), format!("SELECT {key}, {name}, t.currency, {MARGIN_SUMS}, {told}{USED}"));
        counted_within(&mut select, Some(from), Some(to));
        let columns = group(by).into_iter().flat_map(|(key, name)| [key, name]).chain(day.as_deref());
        let columns = columns.chain(["t.currency"]).collect::<Vec<_>>().join(", ");
        select.push(&format!(" GROUP BY {columns} ORDER BY {columns}"));
        self.list(select.text, select.args, |row| Ok((row.int(5)?, get_margin(row)?))).await
    }

    /// Records that began within `from..to`, of tenants in a currency, in the order of booking. `each` is given them one by one, with
    /// the tenant's name.
    ///
    /// # Errors
    /// What the database says; records before that were given.
    pub async fn used_since(
        &self,
        currency: Currency,
        from: Timestamp,
        to: Timestamp,
        mut each: impl FnMut(TenantId, &str, &Usage) + Send,
    ) -> Result<(), StoreError> {
        let sql = "SELECT r.tenant, t.name, r.v, r.doc FROM usage_records r JOIN tenants t ON t.id = r.tenant";
        let mut select = Select::new(self.kind(), sql);
        select.filter("t.currency = ").text(currency.as_str());
        select.filter("r.from_at >= ").int(from.as_micros());
        select.filter("r.from_at < ").int(to.as_micros());
        // What begins then counts then or later: by the index of days.
        select.filter("r.counts_at >= ").int(from.as_micros());
        select.push(" ORDER BY r.number");
        let mut rows = self.stream(select.text, select.args);
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            let read =
                |row: &Row| -> Sql<(TenantId, Usage)> { Ok((TenantId::from_u128(row.id(0)?), codec::get(row, 2)?)) };
            let (tenant, usage) = read(&row).map_err(store_error)?;
            each(tenant, row.text(1).map_err(store_error)?, &usage);
        }
        Ok(())
    }
}
