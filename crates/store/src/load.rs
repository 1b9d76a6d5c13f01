//! Everything the engine needs to start: what is open, what it refers to, and the largest numbers given out.
//! Finished work stays in its tables. Reads only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::{JobId, PriceBookId, SpecId, TenantId, Timestamp};
use engine::{JobRow, Snapshot};
use futures::{FutureExt, TryStreamExt};
use ledger::LedgerRecord;
use model::{Attempt, JobSpec, Outcome, StateCode};
use rating::{Meter, PoolCost};

use crate::codec::{self, Doc};
use crate::db::{Args, Columns, Pool, Row, Sql, unreadable};
use crate::packed::Packed;
use crate::write::placeholders;

/// More states than there will ever be: an element's index and its state make one number.
const STATES_MAX: i64 = 256;

/// Keys looked up by one statement; the last, shorter list is padded, so that one prepared statement serves all.
const KEYS_PER_LOOKUP: usize = 500;

pub(crate) async fn load(pool: &Pool) -> Sql<Snapshot> {
    // Holds are as many as jobs: read beside them, on another connection and core.
    let books = tokio::spawn({
        let pool = pool.clone();
        async move { ledger(&pool).await }
    });
    let mut jobs = Vec::new();
    let read = |row: &Packed<'_, _>| codec::get_job(row).map(|row| (codec::natural(row.job.number), row));
    codec::OPEN_JOBS.read(pool, 0, Args::int, read, |row| jobs.push(row)).await?;
    let specs = specs(pool, &jobs).await?;
    let ended = ended(pool, &jobs, &specs).await?;
    share_names(&mut jobs, &specs);
    let ledger = books.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))??;
    let mut snapshot = Snapshot {
        policy: docs(pool, "SELECT v, doc FROM policies ORDER BY number DESC LIMIT 1").await?.pop(),
        settlements: docs(pool, "SELECT v, doc FROM settlements ORDER BY number").await?,
        statements: docs(pool, LAST_STATEMENTS).await?,
        invoiced: rows(pool, "SELECT number FROM tenant_invoices ORDER BY number", |row| row.natural(0)).await?,
        contracts: docs(pool, "SELECT v, doc FROM contracts ORDER BY number").await?,
        periods: docs(pool, "SELECT v, doc FROM contract_months ORDER BY contract, line, month, carried").await?,
        supplier_terms: docs(pool, "SELECT v, doc FROM supplier_terms ORDER BY supplier").await?,
        budgets: docs(pool, "SELECT v, doc FROM budgets ORDER BY number").await?,
        grants: docs(pool, "SELECT v, doc FROM grants ORDER BY number").await?,
        usage: crate::query::usage::recent(pool).await?,
        rates: docs(pool, "SELECT v, doc FROM currency_rates ORDER BY number").await?,
        suppliers: docs(pool, "SELECT v, doc FROM suppliers ORDER BY id").await?,
        clusters: docs(pool, "SELECT v, doc FROM clusters ORDER BY id").await?,
        pools: pools(pool).await?,
        upkeep: docs(pool, "SELECT v, doc FROM upkeep ORDER BY pool").await?,
        books: docs(pool, "SELECT v, doc FROM price_books ORDER BY id").await?,
        volumes: volumes(pool).await?,
        tenants: docs(pool, "SELECT v, doc FROM tenants ORDER BY id").await?,
        projects: docs(pool, "SELECT v, doc FROM projects ORDER BY id").await?,
        users: docs(pool, "SELECT v, doc FROM users ORDER BY id").await?,
        shares: Vec::new(),
        ledger,
        specs: specs.into_iter().map(|(id, spec)| (SpecId::from_u128(id), spec)).collect(),
        jobs,
        attempts: docs::<Attempt>(pool, "SELECT v, doc FROM attempts WHERE open = 1 ORDER BY job, number").await?,
        meters: docs::<Meter>(pool, "SELECT v, doc FROM meters ORDER BY job, attempt").await?,
        ended,
        last_job_number: largest(pool, "SELECT COALESCE(MAX(number), 0) FROM jobs").await?,
        last_event_seq: largest(pool, "SELECT COALESCE(MAX(seq), 0) FROM events").await?,
        last_event_at: Timestamp::from_micros(largest(pool, LAST_EVENT_AT).await? as i64),
        last_audit_seq: largest(pool, "SELECT COALESCE(MAX(seq), 0) FROM audit").await?,
    };
    shares(pool, &mut snapshot).await?;
    Ok(snapshot)
}

/// Sequence and time grow together: the engine's time never goes back behind an event.
const LAST_EVENT_AT: &str = "SELECT at FROM events ORDER BY seq DESC LIMIT 1";

/// The last of each tenant; the largest number of all is one of them.
const LAST_STATEMENTS: &str = "SELECT v, doc FROM tenant_statements WHERE number IN \
    (SELECT MAX(number) FROM tenant_statements GROUP BY tenant) ORDER BY number";

/// Pause while rows gather. Waiting for each row by itself costs a wake-up a row, which is half of the time of
/// loading many; in a millisecond some 500 rows gather, and the buffer between the threads holds more.
const GATHER: Duration = Duration::from_millis(1);

pub(crate) async fn rows<T>(pool: &Pool, sql: &str, read: impl Fn(&Row) -> Sql<T>) -> Sql<Vec<T>> {
    let mut found = pool.stream(sql.to_owned(), Args::new(pool.kind()));
    let mut list = Vec::new();
    loop {
        match found.try_next().now_or_never() {
            Some(Ok(Some(row))) => list.push(read(&row)?),
            Some(Ok(None)) => return Ok(list),
            Some(Err(error)) => return Err(error),
            None => tokio::time::sleep(GATHER).await,
        }
    }
}

async fn docs<T: Doc>(pool: &Pool, sql: &str) -> Sql<Vec<T>> {
    rows(pool, sql, |row| codec::get(row, 0)).await
}

/// Fair-share usage by tenant. The amounts' type belongs to the scheduler, which this crate does not name.
async fn shares(pool: &Pool, snapshot: &mut Snapshot) -> Sql<()> {
    let sql = "SELECT tenant, cpu_milli_ms, mem_mib_ms, gpu_ms, at FROM shares ORDER BY tenant";
    for row in pool.fetch(sql, Args::new(pool.kind())).await? {
        let at = Timestamp::from_micros(row.int(4)?);
        snapshot.shares.push((TenantId::from_u128(row.id(0)?), Default::default(), at));
        if let Some((_, used, _)) = snapshot.shares.last_mut() {
            (used.cpu_milli_ms, used.mem_mib_ms, used.gpu_ms) = (row.natural(1)?, row.natural(2)?, row.natural(3)?);
        }
    }
    Ok(())
}

pub(crate) const POOLS: &str = "SELECT p.v, p.doc, COALESCE(c.v, 1), c.doc FROM pools p \
    LEFT JOIN pool_costs c ON c.pool = p.id ORDER BY p.id";

pub(crate) fn get_pool(row: &Row) -> Sql<(model::Pool, Option<PoolCost>)> {
    Ok((codec::get(row, 0)?, codec::get_opt(row, 2)?))
}

async fn pools(pool: &Pool) -> Sql<Vec<(model::Pool, Option<PoolCost>)>> {
    rows(pool, POOLS, get_pool).await
}

async fn volumes(pool: &Pool) -> Sql<Vec<(TenantId, PriceBookId, rating::Volumes)>> {
    let ids = |row: &Row| Ok((TenantId::from_u128(row.id(0)?), PriceBookId::from_u128(row.id(1)?)));
    let read = |row: &Row| ids(row).and_then(|(tenant, book)| Ok((tenant, book, codec::get(row, 2)?)));
    rows(pool, "SELECT tenant, book, v, doc FROM volumes ORDER BY tenant, book", read).await
}

async fn ledger(pool: &Pool) -> Sql<Vec<LedgerRecord>> {
    let accounts = format!("SELECT {} FROM accounts ORDER BY id", codec::ACCOUNT_COLUMNS);
    let mut records = rows(pool, &accounts, |row| codec::get_account(row).map(LedgerRecord::Account)).await?;
    let read = |row: &Packed<'_, _>| codec::get_hold(row).map(|hold| (hold.id.as_u128(), hold));
    codec::OPEN_HOLDS.read(pool, 0, Args::id, read, |hold| records.push(LedgerRecord::Hold(hold))).await?;
    Ok(records)
}

/// Reads rows by a key, a list at a time: `select … IN (list) rest`. Keys of one list come in one answer.
pub(crate) async fn by_key<K: Copy, T>(
    pool: &Pool,
    select: &str,
    rest: &str,
    keys: &[K],
    put: impl Fn(&mut Args, K),
    read: impl Fn(&Row) -> Sql<T>,
) -> Sql<Vec<T>> {
    let sql = format!("{select} IN ({}) {rest}", placeholders(pool.kind(), 1, KEYS_PER_LOOKUP));
    let mut list = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_PER_LOOKUP) {
        let mut args = Args::new(pool.kind());
        for at in 0..KEYS_PER_LOOKUP {
            put(&mut args, chunk[at.min(chunk.len() - 1)]);
        }
        for row in pool.fetch(sql.clone(), args).await? {
            list.push(read(&row)?);
        }
    }
    Ok(list)
}

/// The specifications of the open jobs, each once, by id.
async fn specs(pool: &Pool, jobs: &[JobRow]) -> Sql<BTreeMap<u128, Arc<JobSpec>>> {
    let wanted: BTreeSet<u128> = jobs.iter().map(|row| row.job.spec.as_u128()).collect();
    let wanted: Vec<u128> = wanted.into_iter().collect();
    let read = |row: &Row| Ok((row.id(0)?, Arc::new(codec::get::<JobSpec>(row, 1)?)));
    let found: BTreeMap<_, _> =
        by_key(pool, "SELECT id, v, doc FROM specs WHERE id", "", &wanted, Args::id, read).await?.into_iter().collect();
    match wanted.iter().find(|id| !found.contains_key(id)) {
        Some(id) => {
            Err(unreadable(format_args!("the specification {} of an open job is missing", SpecId::from_u128(*id))))
        }
        None => Ok(found),
    }
}

/// How the jobs ended on which open jobs depend, and under the id of its first element how an array has ended so far
/// that open jobs depend on or of which elements are open. In id order.
async fn ended(pool: &Pool, jobs: &[JobRow], specs: &BTreeMap<u128, Arc<JobSpec>>) -> Sql<Vec<(JobId, Outcome)>> {
    let mut wanted: BTreeSet<u128> =
        jobs.iter().flat_map(|row| &row.job.dependencies).map(|dependency| dependency.on.as_u128()).collect();
    if !wanted.is_empty() {
        for row in jobs {
            wanted.remove(&row.job.id.as_u128());
        }
    }
    let wanted: Vec<u128> = wanted.into_iter().collect();
    let mut arrays = partly_over(jobs, specs);
    let mut ends = BTreeMap::new();
    let read = |row: &Row| Ok((row.id(0)?, row.opt_id(1)?, row.opt_int(2)?, codec::state_from(row.int(3)?)?));
    let select = "SELECT id, array_root, array_number, state FROM jobs WHERE id";
    for (id, root, number, state) in by_key(pool, select, "", &wanted, Args::id, read).await? {
        match number.filter(|_| root == Some(id)) {
            Some(number) => drop(arrays.insert(number, JobId::from_u128(id))),
            None => ends.extend(codec::outcome_of(state).map(|outcome| (JobId::from_u128(id), outcome))),
        }
    }
    let numbers: Vec<i64> = arrays.keys().copied().collect();
    let completed = codec::state_number(StateCode::Completed);
    // Of the first element that ended badly; none where all that are over ended well.
    let select = format!(
        "SELECT array_number, MIN(CASE WHEN state <> {completed} THEN array_index * {STATES_MAX} + state END) \
            FROM jobs WHERE open = 0 AND array_number"
    );
    let read = |row: &Row| Ok((row.int(0)?, row.opt_int(1)?.map_or(completed, |worst| worst % STATES_MAX)));
    for (number, state) in by_key(pool, &select, "GROUP BY array_number", &numbers, Args::int, read).await? {
        ends.extend(arrays.get(&number).copied().zip(codec::outcome_of(codec::state_from(state)?)));
    }
    Ok(ends.into_iter().collect())
}

/// Arrays of which some elements are open and not all may be: number and id of the first element.
fn partly_over(jobs: &[JobRow], specs: &BTreeMap<u128, Arc<JobSpec>>) -> BTreeMap<i64, JobId> {
    let mut arrays: BTreeMap<u64, (JobId, SpecId, usize)> = BTreeMap::new();
    for row in jobs {
        if let Some(array) = row.job.array {
            arrays.entry(array.root_number).or_insert((array.root, row.job.spec, 0)).2 += 1;
        }
    }
    let elements = |spec: SpecId| specs.get(&spec.as_u128())?.array.as_ref().map(|array| array.indices.len());
    // A million elements that wait need not be looked at: as many are open as there are.
    arrays.retain(|_, (_, spec, open)| elements(*spec) != Some(*open));
    arrays.into_iter().map(|(number, (root, ..))| (codec::natural(number), root)).collect()
}

/// Jobs named like their specification share its text, which saves some 40 bytes a job.
fn share_names(jobs: &mut [JobRow], specs: &BTreeMap<u128, Arc<JobSpec>>) {
    let names: HashMap<u128, &Arc<str>> = specs.iter().map(|(id, spec)| (*id, &spec.name)).collect();
    for row in jobs {
        if let Some(name) = names.get(&row.job.spec.as_u128()).filter(|name| ***name == row.name) {
            row.name = Arc::clone(name);
        }
    }
}

async fn largest(pool: &Pool, sql: &'static str) -> Sql<u64> {
    let row = pool.fetch_optional(sql, Args::new(pool.kind())).await?;
    row.map_or(Ok(0), |row| row.natural(0))
}
