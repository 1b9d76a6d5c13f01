//! Questions about tenants' statements: what was booked on a wallet within a month, in sums and one by one; what was closed;
//! corrections. Every question about a month is answered by the indexes of transfers on an account and a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{AccountId, JobId, Money, TenantId, Timestamp};
use ledger::{Reference, Transfer};
use ports::StoreError;
use rating::statement::{Correction, Invoice, TenantStatement, TenantSums};
use rating::usage::STREAM_PART;

use crate::codec::{self, TRANSFER_COLUMNS};
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::query::page::{Cursor, LIST_LIMIT_MAX, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// Behind which row of a list by time the next page begins: its time in microseconds and its id.
pub type After = (i64, u128);

/// A statement and the invoice that was written for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub statement: TenantStatement,
    pub invoice: Option<Invoice>,
}

/// A transfer as seen from the account that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    pub transfer: Transfer,
    pub debited: bool,
}

/// What a line about a job says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkFacts {
    pub number: u64,
    pub name: Arc<str>,
    pub tenant: TenantId,
    pub user: Arc<str>,
    pub project: Arc<str>,
    pub pool: Arc<str>,
    pub ended_at: Option<Timestamp>,
}

/// Rows asked for at once.
const PAGE_ROWS: i64 = LIST_LIMIT_MAX as i64;
/// Jobs looked up by one statement.
const JOBS_PER_LOOKUP: usize = 500;

const TOLD: &str = "SELECT s.v, s.doc, COALESCE(i.v, 1), i.doc FROM tenant_statements s \
    LEFT JOIN tenant_invoices i ON i.number = s.number";

fn get_told(row: &Row) -> Sql<Told> {
    Ok(Told { statement: codec::get(row, 0)?, invoice: codec::get_opt(row, 2)? })
}

impl SqlStore {
    /// When something was first booked on an account.
    pub async fn first_booked(&self, account: AccountId) -> Result<Option<Timestamp>, StoreError> {
        let mut select =
            Select::new(self.kind(), "SELECT MIN(q.at) FROM (SELECT MIN(at) AS at FROM transfers WHERE debit = ");
        select.id(account.as_u128()).push(" UNION ALL SELECT MIN(at) FROM transfers WHERE credit = ");
        select.id(account.as_u128()).push(") q");
        let found = self.find(select.text, select.args, |row| row.opt_int(0)).await?;
        Ok(found.flatten().map(Timestamp::from_micros))
    }

    /// Sums of what was booked on a wallet within `from <= at < to`. The closing balance is counted back from the present one, by what
    /// was booked since; the opening one and what was written off are left at nothing.
    pub async fn month_sums(
        &self,
        wallet: AccountId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<TenantSums, StoreError> {
        let mut sums = TenantSums { closing: self.balance_at(wallet, to).await?, ..TenantSums::default() };
        let mut select = Select::new(self.kind(), "");
        for (n, side) in ["credit", "debit"].into_iter().enumerate() {
            select.push(if n == 0 { "" } else { " UNION ALL " });
            select.push(&format!(
                "SELECT CAST({n} AS BIGINT), reason, CAST(SUM(amount) AS BIGINT), COUNT(*) FROM transfers WHERE {side} = "
            ));
            select.id(wallet.as_u128()).push(" AND at >= ").int(from.as_micros());
            select.push(" AND at < ").int(to.as_micros()).push(" GROUP BY reason");
        }
        let read = |row: &Row| Ok((row.int(0)? == 1, row.text(1)?.to_owned(), Money(row.int(2)?), row.natural(3)?));
        for (debited, reason, amount, count) in self.list(select.text, select.args, read).await? {
            sums.transfers += count;
            match (reason.as_str(), debited) {
                ("top_up", false) => sums.top_ups += amount,
                ("withdraw", true) => sums.withdrawals += amount,
                ("grant", false) => sums.grants += amount,
                ("settle", true) => sums.charges += amount,
                ("refund", false) => sums.refunds += amount,
                ("contract", true) => sums.fees += amount,
                // Corrections, and whatever else there may be one day: nothing that moved a balance is left out.
                (_, true) => sums.corrections += amount,
                (_, false) => sums.corrections += -amount,
            }
        }
        Ok(sums)
    }

    /// The balance of a wallet before anything that was booked at `at` or later. One statement: the account and its transfers are seen
    /// as of the same commit.
    async fn balance_at(&self, wallet: AccountId, at: Timestamp) -> Result<Money, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT COALESCE((SELECT credits - debits FROM accounts WHERE id = ");
        select.id(wallet.as_u128()).push("), 0)");
        for (sign, side) in [("-", "credit"), ("+", "debit")] {
            select.push(&format!(" {sign} CAST(COALESCE((SELECT SUM(amount) FROM transfers WHERE {side} = "));
            select.id(wallet.as_u128()).push(" AND at >= ").int(at.as_micros()).push("), 0) AS BIGINT)");
        }
        Ok(self.find(select.text, select.args, |row| row.int(0)).await?.map_or(Money::ZERO, Money))
    }

    /// What of each tenant's charges was booked on `account` (that for what could not be collected) within `from <= at < to`.
    pub async fn written_off(
        &self,
        account: AccountId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<TenantId, Money>, StoreError> {
        let mut sums: BTreeMap<TenantId, Money> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.booked(account, from, to, after).await?;
            let jobs: Vec<JobId> = page.iter().filter_map(|b| job_of(&b.transfer)).collect();
            let facts = self.work_facts(&jobs).await?;
            let keys: Vec<u128> = page.iter().filter_map(|b| usage_of(&b.transfer)).collect();
            let used = self.usage_facts(&keys).await?;
            for Booked { transfer, debited } in &page {
                let of_job = job_of(transfer).and_then(|job| facts.get(&job)).map(|work| work.tenant);
                let of_usage = || used.get(&usage_of(transfer)?).map(|facts| facts.usage.of.tenant);
                let Some(tenant) = of_job.or_else(of_usage) else { continue };
                *sums.entry(tenant).or_default() += if *debited { transfer.amount } else { -transfer.amount };
            }
            after = page.last().map(|last| (last.transfer.at.as_micros(), last.transfer.id.as_u128()));
            if (page.len() as i64) < PAGE_ROWS {
                return Ok(sums);
            }
        }
    }

    /// Transfers on an account within `from <= at < to`, oldest first: the thousand that follow `after`.
    pub async fn booked(
        &self,
        account: AccountId,
        from: Timestamp,
        to: Timestamp,
        after: Option<After>,
    ) -> Result<Vec<Booked>, StoreError> {
        self.booked_on(&[account], from, to, after).await
    }

    /// As [`SqlStore::booked`], on any of some accounts; what moves between two of them is there twice.
    pub async fn booked_on(
        &self,
        accounts: &[AccountId],
        from: Timestamp,
        to: Timestamp,
        after: Option<After>,
    ) -> Result<Vec<Booked>, StoreError> {
        let columns: String = TRANSFER_COLUMNS.split(", ").map(|column| format!("x.{column}, ")).collect();
        let mut select = Select::new(self.kind(), format!("SELECT {columns}side FROM ("));
        let sides = accounts.iter().flat_map(|account| [("debit", 1, account), ("credit", 0, account)]);
        for (n, (side, value, account)) in sides.enumerate() {
            select.push(if n == 0 { "" } else { " UNION ALL " });
            select.push(&format!(
                "SELECT * FROM (SELECT y.*, CAST({value} AS BIGINT) AS side FROM transfers y WHERE y.{side} = "
            ));
            let begin = after.map_or(from.as_micros(), |(at, _)| at.max(from.as_micros()));
            select.id(account.as_u128()).push(" AND y.at >= ").int(begin).push(" AND y.at < ").int(to.as_micros());
            if let Some((at, id)) = after {
                select.push(" AND (y.at > ").int(at).push(" OR y.id > ").id(id).push(")");
            }
            select.push(" ORDER BY y.at, y.id LIMIT ").int(PAGE_ROWS).push(&format!(") q{n}"));
        }
        select.push(") x ORDER BY x.at, x.id LIMIT ").int(PAGE_ROWS);
        let read = |row: &Row| Ok(Booked { transfer: codec::get_transfer(row)?, debited: row.int(12)? == 1 });
        self.list(select.text, select.args, read).await
    }

    /// What lines say of these jobs.
    pub async fn work_facts(&self, jobs: &[JobId]) -> Result<HashMap<JobId, WorkFacts>, StoreError> {
        let mut wanted = jobs.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut facts = HashMap::with_capacity(wanted.len());
        for some in wanted.chunks(JOBS_PER_LOOKUP) {
            let sql = "SELECT j.id, j.number, j.name, j.tenant, u.name, p.name, o.name, j.ended_at FROM jobs j \
                LEFT JOIN users u ON u.id = j.user_id LEFT JOIN projects p ON p.id = j.project \
                LEFT JOIN pools o ON o.id = j.pool";
            let mut select = Select::new(self.kind(), sql);
            select.filter("j.id IN (");
            for (n, job) in some.iter().enumerate() {
                select.push(if n == 0 { "" } else { ", " }).id(job.as_u128());
            }
            select.push(")");
            let text = |row: &Row, n| -> Sql<Arc<str>> { Ok(row.opt_text(n)?.unwrap_or("-").into()) };
            let read = |row: &Row| {
                let (user, project, pool) = (text(row, 4)?, text(row, 5)?, text(row, 6)?);
                let (number, name) = (row.natural(1)?, row.text(2)?.into());
                let tenant = TenantId::from_u128(row.id(3)?);
                let ended_at = row.opt_int(7)?.map(Timestamp::from_micros);
                Ok((JobId::from_u128(row.id(0)?), WorkFacts { number, name, tenant, user, project, pool, ended_at }))
            };
            facts.extend(self.list(select.text, select.args, read).await?);
        }
        Ok(facts)
    }

    /// Statements, newest first: of a month where one is named.
    pub async fn tenant_statements(
        &self,
        scope: Scope,
        month: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<Told>, StoreError> {
        let mut select = Select::new(self.kind(), TOLD);
        select.scope("s.tenant", scope);
        if let Some(month) = month {
            select.filter("s.month = ").text(month);
        }
        if let Some(after) = page.after() {
            select.filter("s.number < ").int(after.number);
        }
        select.push(" ORDER BY s.number DESC LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, get_told).await?;
        Ok(page.page(found, |one| Cursor { number: codec::natural(one.statement.number), id: 0 }))
    }

    /// A statement by its number, if it is within the scope.
    pub async fn tenant_statement(&self, scope: Scope, number: u64) -> Result<Option<Told>, StoreError> {
        let mut select = Select::new(self.kind(), TOLD);
        select.scope("s.tenant", scope);
        select.filter("s.number = ").int(codec::natural(number));
        self.find(select.text, select.args, get_told).await
    }

    /// Corrections about one job, oldest first.
    pub async fn job_corrections(&self, job: JobId) -> Result<Vec<Correction>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM corrections");
        select.filter("job = ").id(job.as_u128()).push(" ORDER BY at, id");
        self.list(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// Corrections within `from <= at < to`, oldest first. They are made by hand, so all of them at once.
    pub async fn corrections(
        &self,
        scope: Scope,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Correction>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM corrections");
        select.scope("tenant", scope).between("at", Some(from), Some(to)).push(" ORDER BY at, id");
        self.list(select.text, select.args, |row| codec::get(row, 0)).await
    }
}

/// The usage that a transfer names, by the digest of its source and id.
pub fn usage_of(transfer: &Transfer) -> Option<u128> {
    match transfer.reference {
        Some(Reference::Interval { stream, .. }) if stream.part == STREAM_PART => Some(stream.subject),
        _ => None,
    }
}

/// The job that a transfer names.
pub fn job_of(transfer: &Transfer) -> Option<JobId> {
    match transfer.reference {
        Some(Reference::Interval { stream, .. }) if stream.part == STREAM_PART => None,
        Some(Reference::Interval { stream, .. } | Reference::Subject { stream }) => {
            Some(JobId::from_u128(stream.subject))
        }
        Some(Reference::Text { .. }) | None => None,
    }
}
