//! Questions about money: accounts, transfers, the lines of a bill, margin. Sums are made by the database in whole
//! micro-units; products of amounts and hours are left to the caller, who has wider integers.

use std::sync::Arc;

use base::{AccountId, Currency, JobId, Money, PoolId, ProjectId, Resources, Span, TenantId, Timestamp, UserId};
use ledger::{Account, Transfer};
use ports::StoreError;
use rating::cost::CostParts;

use crate::codec::{self, ACCOUNT_COLUMNS, TRANSFER_COLUMNS};
use crate::db::{Columns as _, Row, Sql, unreadable};
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// An account as it stood after the last commit.
pub type AccountEntry = Account;

/// A transfer as seen from one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferEntry {
    pub transfer: Transfer,
    /// The code of the other account.
    pub other: Arc<str>,
    /// Whether the account of the list was debited.
    pub debited: bool,
}

/// Which work a bill covers. An interval belongs to the period in which it ends: `from < end <= to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BillFilter {
    pub project: Option<ProjectId>,
    pub user: Option<UserId>,
    pub job: Option<JobId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// What one attempt was billed within the period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLine {
    pub job: JobId,
    pub number: u64,
    pub attempt: u32,
    pub job_name: Arc<str>,
    pub tenant: TenantId,
    pub tenant_name: Arc<str>,
    pub currency: Currency,
    pub project_name: Arc<str>,
    pub user_name: Arc<str>,
    pub pool: Option<PoolId>,
    pub pool_name: Option<Arc<str>>,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Time billed; with `granted` it gives core-hours, GiB-hours and card-hours.
    pub billed: Span,
    pub granted: Resources,
    pub charge: Money,
    /// Part of the charge that was written off.
    pub uncollected: Money,
    /// Parts of the charge: drawn from contracts, and paid by grants.
    pub drawn: Money,
    pub credited: Money,
}

/// What a whole bill comes to in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillSum {
    pub currency: Currency,
    pub charge: Money,
    /// Parts of the charge: written off, drawn from contracts, and paid by grants.
    pub uncollected: Money,
    pub drawn: Money,
    pub credited: Money,
}

impl BillSum {
    /// Of the same currency.
    pub fn add(&mut self, other: &BillSum) {
        self.charge += other.charge;
        self.uncollected += other.uncollected;
        self.drawn += other.drawn;
        self.credited += other.credited;
    }
}

/// By what margin is grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginBy {
    Job,
    Tenant,
    Pool,
    Project,
}

/// Revenue and cost of one group in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginRow {
    /// The 128 bits of the job's, tenant's, pool's or project's id.
    pub key: u128,
    pub name: Arc<str>,
    /// The job's number, when grouped by job.
    pub number: Option<u64>,
    pub currency: Currency,
    /// All charges but what grants paid, with what was written off.
    pub revenue: Money,
    pub uncollected: Money,
    pub cost: CostParts,
}

/// An interval with its job and its people. `o` is the pool of the attempt.
const BILLED: &str = " FROM intervals i JOIN jobs j ON j.id = i.job JOIN tenants t ON t.id = j.tenant \
    JOIN projects p ON p.id = j.project JOIN users u ON u.id = j.user_id \
    LEFT JOIN attempts a ON a.job = i.job AND a.number = i.attempt LEFT JOIN pools o ON o.id = a.pool";

const LINE_COLUMNS: &str =
    "j.id, j.number, i.attempt, j.name, j.tenant, t.name, t.currency, p.name, u.name, a.pool, o.name";

/// PostgreSQL sums BIGINT into NUMERIC; the sums themselves fit BIGINT (9.2 × 10¹² units of money, 292,000 years).
const LINE_SUMS: &str = "MIN(i.from_at), MAX(i.to_at), CAST(SUM(CASE WHEN i.charge < 0 THEN i.from_at - i.to_at ELSE i.to_at - i.from_at END) AS BIGINT), MAX(i.cpu_millis), \
    MAX(i.memory_bytes), MAX(i.gpus), CAST(SUM(i.charge) AS BIGINT), CAST(SUM(i.uncollected) AS BIGINT), \
    CAST(SUM(i.drawn) AS BIGINT), CAST(SUM(i.credited) AS BIGINT)";

fn get_line(row: &Row) -> Sql<BillLine> {
    Ok(BillLine {
        job: JobId::from_u128(row.id(0)?),
        number: row.natural(1)?,
        attempt: row.small(2)?,
        job_name: row.text(3)?.into(),
        tenant: TenantId::from_u128(row.id(4)?),
        tenant_name: row.text(5)?.into(),
        currency: codec::get_currency(row, 6)?,
        project_name: row.text(7)?.into(),
        user_name: row.text(8)?.into(),
        pool: row.opt_id(9)?.map(PoolId::from_u128),
        pool_name: row.opt_text(10)?.map(Arc::from),
        from: Timestamp::from_micros(row.int(11)?),
        to: Timestamp::from_micros(row.int(12)?),
        billed: Span::from_micros(row.int(13)?),
        granted: codec::get_resources(row, 14)?,
        charge: Money(row.int(17)?),
        uncollected: Money(row.int(18)?),
        drawn: Money(row.int(19)?),
        credited: Money(row.int(20)?),
    })
}

fn bill_filter(select: &mut Select, scope: Scope, filter: &BillFilter) {
    let BillFilter { project, user, job, from, to } = filter;
    select.scope("j.tenant", scope);
    if let Some(project) = project {
        select.filter("j.project = ").id(project.as_u128());
    }
    if let Some(user) = user {
        select.filter("j.user_id = ").id(user.as_u128());
    }
    if let Some(job) = job {
        select.filter("i.job = ").id(job.as_u128());
    }
    ended_within(select, *from, *to);
}

fn ended_within(select: &mut Select, from: Option<Timestamp>, to: Option<Timestamp>) {
    if let Some(from) = from {
        select.filter("i.to_at > ").int(from.as_micros());
    }
    if let Some(to) = to {
        select.filter("i.to_at <= ").int(to.as_micros());
    }
}

impl SqlStore {
    /// An account by its code.
    pub async fn account(&self, code: &str) -> Result<Option<AccountEntry>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {ACCOUNT_COLUMNS} FROM accounts"));
        select.filter("code = ").text(code);
        self.find(select.text, select.args, codec::get_account).await
    }

    /// All accounts, by code: the trial balance.
    pub async fn accounts(&self) -> Result<Vec<AccountEntry>, StoreError> {
        let sql = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts ORDER BY code");
        self.list(sql, self.args(), codec::get_account).await
    }

    /// All holds, open and closed, by id: for audits of the whole books.
    pub async fn holds(&self) -> Result<Vec<ledger::Hold>, StoreError> {
        let sql = format!("SELECT {} FROM holds ORDER BY id", codec::HOLD_COLUMNS);
        self.list(sql, self.args(), codec::get_hold).await
    }

    /// Transfers of an account, newest first (by time, then id).
    pub async fn transfers(&self, account: AccountId, page: PageRequest) -> Result<Page<TransferEntry>, StoreError> {
        let columns: String = TRANSFER_COLUMNS.split(", ").map(|column| format!("x.{column}, ")).collect();
        let mut select = Select::new(self.kind(), format!("SELECT {columns}c.code, side FROM ("));
        // Either side has its own index; each gives at most a page.
        for (n, (column, other, side)) in [("debit", "credit", 1), ("credit", "debit", 0)].into_iter().enumerate() {
            select.push(if n == 0 { "" } else { " UNION ALL " });
            select.push(&format!("SELECT * FROM (SELECT y.*, {other} AS other, CAST({side} AS BIGINT) AS side FROM transfers y WHERE y.{column} = "));
            select.id(account.as_u128());
            if let Some(Cursor { number, id }) = page.after() {
                select.push(" AND (y.at < ").int(number);
                select.push(" OR (y.at = ").int(number).push(" AND y.id < ").id(id).push("))");
            }
            select.push(" ORDER BY y.at DESC, y.id DESC LIMIT ").int(page.rows()).push(&format!(") q{n}"));
        }
        select.push(") x LEFT JOIN accounts c ON c.id = x.other ORDER BY x.at DESC, x.id DESC LIMIT ").int(page.rows());
        let found = self
            .list(select.text, select.args, |row| {
                Ok(TransferEntry {
                    transfer: codec::get_transfer(row)?,
                    other: row.opt_text(12)?.unwrap_or("-").into(),
                    debited: row.int(13)? == 1,
                })
            })
            .await?;
        Ok(page.page(found, |entry| Cursor { number: entry.transfer.at.as_micros(), id: entry.transfer.id.as_u128() }))
    }

    /// Lines of a bill, one per attempt, oldest job first.
    pub async fn bill(
        &self,
        scope: Scope,
        filter: &BillFilter,
        page: PageRequest,
    ) -> Result<Page<BillLine>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {LINE_COLUMNS}, {LINE_SUMS}{BILLED}"));
        bill_filter(&mut select, scope, filter);
        if let Some(Cursor { number, id }) = page.after() {
            select.filter("(j.number > ").int(number);
            select.push(" OR (j.number = ").int(number).push(" AND i.attempt > ").int(id as i64).push("))");
        }
        select.push(" GROUP BY ").push(LINE_COLUMNS);
        select.push(" ORDER BY j.number, i.attempt LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, get_line).await?;
        Ok(page.page(found, |line| Cursor { number: line.number as i64, id: u128::from(line.attempt) }))
    }

    /// What the whole bill comes to, by currency.
    pub async fn bill_total(&self, scope: Scope, filter: &BillFilter) -> Result<Vec<BillSum>, StoreError> {
        let sums = "SELECT t.currency, CAST(SUM(i.charge) AS BIGINT), CAST(SUM(i.uncollected) AS BIGINT), \
            CAST(SUM(i.drawn) AS BIGINT), CAST(SUM(i.credited) AS BIGINT)";
        let mut select = Select::new(self.kind(), format!("{sums}{BILLED}"));
        bill_filter(&mut select, scope, filter);
        select.push(" GROUP BY t.currency ORDER BY t.currency");
        let read = |row: &Row| -> Sql<BillSum> {
            let [charge, uncollected, drawn, credited] =
                [row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?].map(Money);
            Ok(BillSum { currency: codec::get_currency(row, 0)?, charge, uncollected, drawn, credited })
        };
        self.list(select.text, select.args, read).await
    }

    /// Revenue and cost of what was metered within a period, grouped, in the order of the groups' ids.
    pub async fn margin(
        &self,
        by: MarginBy,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<Page<MarginRow>, StoreError> {
        let (key, name, number) = group(by);
        let mut select = Select::new(
            self.kind(),
            format!("SELECT {key}, {name}, CAST(MAX({number}) AS BIGINT), t.currency, {MARGIN_SUMS}{BILLED}"),
        );
        ended_within(&mut select, from, to);
        if let Some(after) = page.after() {
            let currency = currency_from(after.number).map_err(crate::error::store_error)?;
            select.filter(&format!("({key} > ")).id(after.id);
            select.push(&format!(" OR ({key} = ")).id(after.id);
            select.push(" AND t.currency > ").text(currency.as_str()).push("))");
        }
        select.push(&format!(" GROUP BY {key}, {name}, t.currency ORDER BY {key}, t.currency LIMIT ")).int(page.rows());
        let found = self.list(select.text, select.args, |row| get_margin(row, by)).await?;
        Ok(page.page(found, |row| Cursor { number: currency_number(row.currency), id: row.key }))
    }

    /// As [`SqlStore::margin`], by the day in which intervals end as well, `rows` of them at most.
    pub async fn margin_by_day(
        &self,
        by: MarginBy,
        from: Timestamp,
        to: Timestamp,
        rows: usize,
    ) -> Result<Vec<(i64, MarginRow)>, StoreError> {
        let (key, name, number) = group(by);
        let day = self.days().sql("i.to_at");
        let mut select = Select::new(
            self.kind(),
            format!("SELECT {key}, {name}, CAST(MAX({number}) AS BIGINT), t.currency, {MARGIN_SUMS}, {day}{BILLED}"),
        );
        ended_within(&mut select, Some(from), Some(to));
        select.push(&format!(" GROUP BY {key}, {name}, t.currency, {day} ORDER BY {key}, t.currency, {day} LIMIT "));
        select.int(codec::natural(rows as u64));
        self.list(select.text, select.args, |row| Ok((row.int(9)?, get_margin(row, by)?))).await
    }
}

const MARGIN_SUMS: &str = "CAST(SUM(i.charge - i.credited) AS BIGINT), CAST(SUM(i.uncollected) AS BIGINT), \
    CAST(SUM(i.depreciation) AS BIGINT), CAST(SUM(i.datacentre) AS BIGINT), CAST(SUM(i.fee) AS BIGINT)";

/// Id, name and number of what a row of margins is of.
const fn group(by: MarginBy) -> (&'static str, &'static str, &'static str) {
    match by {
        MarginBy::Job => ("j.id", "j.name", "j.number"),
        MarginBy::Tenant => ("t.id", "t.name", "0"),
        MarginBy::Pool => ("o.id", "o.name", "0"),
        MarginBy::Project => ("p.id", "p.name", "0"),
    }
}

fn get_margin(row: &Row, by: MarginBy) -> Sql<MarginRow> {
    Ok(MarginRow {
        key: row.opt_id(0)?.unwrap_or(0),
        name: row.opt_text(1)?.unwrap_or("-").into(),
        number: (by == MarginBy::Job).then(|| row.natural(2)).transpose()?,
        currency: codec::get_currency(row, 3)?,
        revenue: Money(row.int(4)?),
        uncollected: Money(row.int(5)?),
        cost: codec::get_cost(row, 6)?,
    })
}

/// A currency as a number for a cursor: its three letters.
fn currency_number(currency: Currency) -> i64 {
    currency.as_str().bytes().fold(0, |number, byte| number << 8 | i64::from(byte))
}

fn currency_from(number: i64) -> Sql<Currency> {
    let bytes = number.to_be_bytes();
    std::str::from_utf8(&bytes[5..]).map_err(unreadable)?.parse().map_err(unreadable)
}
