//! Questions about storage, traffic, requests and tokens that were billed: record by record, summed by unit, and which are known.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Money, ProjectId, TenantId, Timestamp, UserId};
use engine::Known;
use ports::StoreError;
use rating::Usage;
use rating::tariff::Unit;

use crate::codec::{self, Encoded};
use crate::db::{Args, Columns as _, Pool, Row, Sql, unreadable};
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// Which records are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    pub unit: Option<Unit>,
    pub model: Option<Arc<str>>,
    pub project: Option<ProjectId>,
    pub user: Option<UserId>,
    /// They count at this moment or later …
    pub from: Option<Timestamp>,
    /// … and before this one.
    pub to: Option<Timestamp>,
}

/// A record with the names of its project, user and pool; `-` where it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageFacts {
    pub usage: Usage,
    pub project: Arc<str>,
    pub user: Arc<str>,
    pub pool: Arc<str>,
}

/// What the records of a unit come to, and of a model and a kind where these are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSum {
    pub tenant: TenantId,
    pub unit: Unit,
    pub model: Option<Arc<str>>,
    pub kind: Option<Arc<str>>,
    pub records: u64,
    /// Bytes times microseconds, bytes, requests or tokens.
    pub pieces: u128,
    /// What of them contracts included.
    pub included: u128,
    pub charge: Money,
    pub uncollected: Money,
    pub credited: Money,
}

/// Pieces are stored in two numbers that the database can sum: an exabyte for a day is 8.2e16 high ones, and eight million low ones
/// stay below 2^63.
const LOW_BITS: u32 = 40;

fn put_pieces(args: &mut Args, pieces: u128) {
    args.int(i64::try_from(pieces >> LOW_BITS).unwrap_or(i64::MAX));
    args.int((pieces & ((1 << LOW_BITS) - 1)) as i64);
}

pub(crate) fn pieces(row: &Row, column: usize) -> Sql<u128> {
    let high = u128::from(row.natural(column)?) << LOW_BITS;
    Ok(high + u128::from(row.natural(column + 1)?))
}

pub(crate) fn put(args: &mut Args, usage: &Usage) -> Encoded {
    let of = &usage.of;
    args.id(of.key());
    args.int(codec::natural(usage.number));
    args.id(of.tenant.as_u128());
    args.id(of.project.as_u128());
    args.opt_id(of.user.map(|user| user.as_u128()));
    args.opt_id(of.pool.map(|pool| pool.as_u128()));
    args.text(of.source.as_ref());
    args.text(of.unit.as_str());
    for at in [of.from, of.to, usage.at, usage.counts_at] {
        args.int(at.as_micros());
    }
    put_pieces(args, of.pieces.0);
    put_pieces(args, usage.included());
    for amount in [usage.charge, usage.uncollected, usage.credited()] {
        args.int(amount.micros());
    }
    args.id(of.fingerprint());
    for text in [&of.model, &of.kind] {
        args.opt_text(text.as_deref().map(Into::into));
    }
    codec::put(args, usage)
}

const KNOWN: &str = "SELECT id, number, fingerprint, charge, uncollected FROM usage_records";

fn get_known(row: &Row) -> Sql<(u128, Known)> {
    let (number, fingerprint) = (row.natural(1)?, row.id(2)?);
    let (charge, uncollected) = (Money(row.int(3)?), Money(row.int(4)?));
    Ok((row.id(0)?, Known { number, fingerprint, charge, uncollected }))
}

/// Records of late, which the engine knows without asking: as many as requests under way may have, 64 of 1,000.
const RECENT: usize = 65_536;

/// The last one last.
pub(crate) async fn recent(pool: &Pool) -> Sql<Vec<(u128, Known)>> {
    let sql = format!("{KNOWN} ORDER BY number DESC LIMIT {RECENT}");
    let mut found = crate::load::rows(pool, &sql, get_known).await?;
    found.reverse();
    Ok(found)
}

fn narrow(select: &mut Select, scope: Scope, filter: &UsageFilter) {
    select.scope("tenant", scope);
    if let Some(unit) = filter.unit {
        select.filter("unit = ").text(unit.as_str());
    }
    if let Some(model) = &filter.model {
        select.filter("model = ").text(model);
    }
    if let Some(project) = filter.project {
        select.filter("project = ").id(project.as_u128());
    }
    if let Some(user) = filter.user {
        select.filter("user_id = ").id(user.as_u128());
    }
    select.between("counts_at", filter.from, filter.to);
}

impl SqlStore {
    /// Which of these records are booked.
    pub async fn usage_known(&self, keys: &[u128]) -> Result<Vec<(u128, Known)>, StoreError> {
        let mut found = Vec::new();
        for some in keys.chunks(500) {
            let mut select = Select::new(self.kind(), KNOWN);
            select.filter("id IN (");
            for (n, key) in some.iter().enumerate() {
                select.push(if n == 0 { "" } else { ", " }).id(*key);
            }
            select.push(")");
            found.extend(self.list(select.text, select.args, get_known).await?);
        }
        Ok(found)
    }

    /// What lines say of records, by the digests of their sources and ids.
    pub async fn usage_facts(&self, keys: &[u128]) -> Result<HashMap<u128, UsageFacts>, StoreError> {
        let mut wanted = keys.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = HashMap::with_capacity(wanted.len());
        for some in wanted.chunks(500) {
            let sql = "SELECT r.id, p.name, u.name, o.name, r.v, r.doc FROM usage_records r \
                LEFT JOIN projects p ON p.id = r.project LEFT JOIN users u ON u.id = r.user_id \
                LEFT JOIN pools o ON o.id = r.pool";
            let mut select = Select::new(self.kind(), sql);
            select.filter("r.id IN (");
            for (n, key) in some.iter().enumerate() {
                select.push(if n == 0 { "" } else { ", " }).id(*key);
            }
            select.push(")");
            let read = |row: &Row| {
                let text = |n| -> Sql<Arc<str>> { Ok(row.opt_text(n)?.unwrap_or("-").into()) };
                let (project, user, pool) = (text(1)?, text(2)?, text(3)?);
                Ok((row.id(0)?, UsageFacts { usage: codec::get(row, 4)?, project, user, pool }))
            };
            found.extend(self.list(select.text, select.args, read).await?);
        }
        Ok(found)
    }

    /// Records as they were billed, newest first.
    pub async fn usage(
        &self,
        scope: Scope,
        filter: &UsageFilter,
        page: PageRequest,
    ) -> Result<Page<Usage>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM usage_records");
        narrow(&mut select, scope, filter);
        if let Some(after) = page.after() {
            select.filter("number < ").int(after.number);
        }
        select.push(" ORDER BY number DESC LIMIT ").int(page.rows());
        let found: Vec<Usage> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |one| Cursor { number: codec::natural(one.number), id: 0 }))
    }

    /// What records come to, by tenant, unit, model and kind.
    pub async fn usage_sums(&self, scope: Scope, filter: &UsageFilter) -> Result<Vec<UsageSum>, StoreError> {
        let sum = |column: &str| format!("CAST(SUM({column}) AS BIGINT)");
        let sums = ["pieces_high", "pieces_low", "included_high", "included_low", "charge", "uncollected", "credited"];
        let sums = sums.map(sum).join(", ");
        let mut select =
            Select::new(self.kind(), format!("SELECT tenant, unit, COUNT(*), {sums}, model, kind FROM usage_records"));
        narrow(&mut select, scope, filter);
        select.push(" GROUP BY tenant, unit, model, kind ORDER BY tenant, unit, model, kind");
        let read = |row: &Row| {
            let unit = Unit::parse(row.text(1)?).ok_or_else(|| unreadable("a unit that is none"))?;
            Ok(UsageSum {
                tenant: TenantId::from_u128(row.id(0)?),
                unit,
                model: row.opt_text(10)?.map(Into::into),
                kind: row.opt_text(11)?.map(Into::into),
                records: row.natural(2)?,
                pieces: pieces(row, 3)?,
                included: pieces(row, 5)?,
                charge: Money(row.int(7)?),
                uncollected: Money(row.int(8)?),
                credited: Money(row.int(9)?),
            })
        };
        self.list(select.text, select.args, read).await
    }

    /// Records that were booked within `from <= at < to`, in the order of their numbers: those that follow `after`.
    pub async fn usage_booked(
        &self,
        scope: Scope,
        (from, to): (Timestamp, Timestamp),
        after: u64,
        rows: i64,
    ) -> Result<Vec<Usage>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM usage_records");
        select.scope("tenant", scope);
        select.filter("number > ").int(codec::natural(after));
        select.between("at", Some(from), Some(to)).push(" ORDER BY number LIMIT ").int(rows);
        self.list(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// Bytes that tenants' projects have kept in their file space since before a moment.
    pub async fn stored_before(&self, at: Timestamp) -> Result<Vec<(TenantId, ProjectId, u64)>, StoreError> {
        let sql = "SELECT tenant, project, CAST(SUM(size) AS BIGINT) FROM files";
        let mut select = Select::new(self.kind(), sql);
        select.filter("at < ").int(at.as_micros());
        select.push(" GROUP BY tenant, project HAVING SUM(size) > 0 ORDER BY tenant, project");
        let read = |row: &Row| Ok((TenantId::from_u128(row.id(0)?), ProjectId::from_u128(row.id(1)?), row.natural(2)?));
        self.list(select.text, select.args, read).await
    }

    /// Up to when the platform has counted what is stored; `None`: never.
    pub async fn storage_counted(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MAX(to_at) FROM usage_records WHERE source = ";
        let mut select = Select::new(self.kind(), sql);
        select.text(rating::usage::PLATFORM).push(" AND unit = ").text(Unit::GibMonth.as_str());
        Ok(self.find(select.text, select.args, |row| row.opt_int(0)).await?.flatten().map(Timestamp::from_micros))
    }
}
