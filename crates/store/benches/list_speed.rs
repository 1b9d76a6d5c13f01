//! How fast pages of a long list of jobs are on both databases: each order's and some filters' first page, the next one, and one after
//! thousands of jobs, in milliseconds; then what the lists' indexes cost where jobs are written. `HW_LIST_JOBS` (a million), `HW_LIST_OPEN` of
//! them open (100,000), `HW_LIST_URL` (a PostgreSQL to fill instead of one of its own), `HW_LIST_ONLY` (`sqlite`, `postgresql`). Rows are
//! copied by the database from one ended and two open jobs, with other numbers, owners, names, times and amounts.

#![allow(clippy::print_stdout, reason = "a report is what it is for")]

use std::time::Instant;

use base::{PoolId, TenantId, Timestamp, UserId};
use engine::{Batch, Record};
use model::{EndCause, JobInput, PriorityClass, StateCode};
use ports::Store;
use ports::store_conformance::{job, people, supply};
use sqlx::{AssertSqlSafe, Connection, Row};
use store::{JobFilter, JobOrder, JobSort, Location, NameMatch, PageRequest, Scope, SqlStore};

#[path = "list_speed/lives.rs"]
mod lives;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const LATER: Timestamp = Timestamp::from_secs(2_000_000);
/// A page answers within this.
const WANTED_MS: f64 = 100.0;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// An ended, a waiting and a running job, and the people of three tenants; all other jobs are copies of these.
async fn patterns(store: &SqlStore) -> u64 {
    let fence = store.acquire("speed", NOW, LATER).await.expect("a lease").expect("no other").fence;
    let mut records: Vec<Record> = (1..=3).flat_map(people).chain(supply()).collect();
    for number in 1..=3 {
        records.extend(job(number, "pattern").into_iter().map(|record| match record {
            Record::Job(mut row) if number == 1 => {
                row.job.apply(JobInput::End { cause: EndCause::Cancelled }, NOW).expect("an end");
                (row.started_at, row.ended_at) = (Some(NOW), Some(NOW));
                Record::Job(row)
            }
            Record::Job(row) if number == 3 => Record::Job(lives::started(lives::placed(row))),
            other => other,
        }));
    }
    store.commit(fence, &Batch { records, effects: Vec::new() }).await.expect("patterns");
    fence
}

/// Nine of ten jobs are the first tenant's, one of a hundred the third's; one of 10,000 is lost with its node. Of the open ones every
/// tenth runs.
fn copies(jobs: u64, open: u64, lite: bool) -> String {
    let number = if lite { "CAST(ids.n AS INTEGER)" } else { "ids.n" };
    let (unique, owner) = match lite {
        true => (
            "randomblob(16)",
            "CAST(x'000000000000000000000000000000' || char(1 + (n % 10 = 0) + (n % 100 = 0)) AS BLOB)",
        ),
        false => (
            "decode(md5(ids.n::text), 'hex')",
            "decode('000000000000000000000000000000' || CASE WHEN n % 100 = 0 THEN '03' WHEN n % 10 = 0 THEN '02' ELSE '01' END, 'hex')",
        ),
    };
    format!(
        "INSERT INTO jobs (number, id, tenant, project, user_id, spec, name, state, open, pool, submitted_at, started_at, ended_at, \
            charged, class, v, doc) \
         WITH RECURSIVE ids(n) AS (SELECT CAST(4 AS BIGINT) UNION ALL SELECT n + 1 FROM ids WHERE n < {jobs}) \
         SELECT {number}, {unique}, {owner}, {owner}, {owner}, j.spec, 'case-' || (n * 7919 % 5003), \
            CASE WHEN j.open = 1 THEN j.state WHEN n % 10007 = 0 THEN 9 WHEN n % 20 = 0 THEN 5 ELSE 4 END, j.open, \
            CASE WHEN j.open = 0 THEN {pool} END, n * 1000000, \
            CASE WHEN j.number = 3 OR (j.open = 0 AND n % 50 <> 0) THEN n * 1000000 + n * 31 % 977 * 1000000 END, \
            CASE WHEN j.open = 0 THEN n * 1000000 + 977000000 + n * 17 % 86028157 * 1000 END, \
            CASE WHEN j.number = 2 THEN 0 ELSE n * 104729 % 15485863 END, CASE WHEN n % 1009 = 0 THEN 3 ELSE 1 END, j.v, j.doc \
         FROM ids JOIN jobs j ON j.number = CASE WHEN n <= {jobs} - {open} THEN 1 WHEN n % 10 = 0 THEN 3 ELSE 2 END",
        pool = if lite {
            "x'00000000000000000000000000000001'"
        } else {
            "decode('00000000000000000000000000000001', 'hex')"
        },
    )
}

/// Pages that took longer than is wanted.
#[derive(Default)]
struct Slow(Vec<(f64, String)>);

/// The first page, the next, and one after 20,000 jobs.
async fn pages(store: &SqlStore, slow: &mut Slow, name: &str, scope: Scope, filter: &JobFilter, order: JobOrder) {
    let (mut cursor, mut times, mut rows) = (None, Vec::new(), 0);
    for step in 0..23 {
        let deep = (2..22).contains(&step);
        let request = PageRequest::new(Some(if deep { 1_000 } else { 100 }), cursor.as_deref()).expect("a cursor");
        let start = Instant::now();
        let page =
            store.jobs_by(scope, filter, order, request).await.expect("an answer").expect("a cursor of this order");
        if !deep {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        rows += page.items.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let time = |at: usize| times.get(at).map_or("      -".into(), |ms| format!("{ms:7.1}"));
    println!("{name:<46} first {}  next {}  deep {} ms  ({rows} rows)", time(0), time(1), time(2));
    slow.0.extend(times.iter().filter(|ms| **ms > WANTED_MS).map(|ms| (*ms, name.to_owned())));
}

async fn measure(store: &SqlStore) {
    let mut slow = Slow::default();
    orders(store, &mut slow).await;
    filters(store, &mut slow).await;
    match slow.0.iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
        None => println!("every page within {WANTED_MS} ms"),
        Some((ms, name)) => println!("{} pages over {WANTED_MS} ms, the slowest {ms:.1} ms: {name}", slow.0.len()),
    }
}

async fn orders(store: &SqlStore, slow: &mut Slow) {
    let one = Scope::Tenant(TenantId::from_u128(1));
    let few = Scope::Tenant(TenantId::from_u128(3));
    let all = JobFilter::default();
    for by in [
        JobSort::Number,
        JobSort::Started,
        JobSort::Ended,
        JobSort::RunTime,
        JobSort::Price,
        JobSort::Name,
        JobSort::User,
    ] {
        for ascending in [false, true] {
            let order = JobOrder { by, ascending };
            let way = if ascending { "up" } else { "down" };
            pages(store, slow, &format!("{by:?} {way}, everybody's"), Scope::All, &all, order).await;
            pages(store, slow, &format!("{by:?} {way}, a large tenant's"), one, &all, order).await;
            pages(store, slow, &format!("{by:?} {way}, a small tenant's"), few, &all, order).await;
        }
    }
}

fn beginning(text: &str) -> JobFilter {
    JobFilter { name: Some(NameMatch::StartsWith(text.into())), ..JobFilter::default() }
}

async fn filters(store: &SqlStore, slow: &mut Slow) {
    let one = Scope::Tenant(TenantId::from_u128(1));
    let all = JobFilter::default();
    let newest = JobOrder::default();
    let dearest = JobOrder { by: JobSort::Price, ascending: false };
    let last = JobOrder { by: JobSort::Ended, ascending: false };
    let by_name = JobOrder { by: JobSort::Name, ascending: true };
    let at = Timestamp::from_secs;
    let filters = [
        ("one of 10,000 by state", JobFilter { states: vec![StateCode::NodeFail], ..all.clone() }),
        ("one of 20 by state", JobFilter { states: vec![StateCode::Failed], ..all.clone() }),
        ("waiting or failed", JobFilter { states: vec![StateCode::Pending, StateCode::Failed], ..all.clone() }),
        ("open ones", JobFilter { open: Some(true), ..all.clone() }),
        ("running ones", JobFilter { states: vec![StateCode::Running], ..all.clone() }),
        (
            "waiting ones of a class",
            JobFilter { states: vec![StateCode::Pending], classes: vec![PriorityClass::Urgent], ..all.clone() },
        ),
        ("one of 1,000 by class", JobFilter { classes: vec![PriorityClass::Urgent], ..all.clone() }),
        ("by pool, all of them", JobFilter { pools: Some(vec![PoolId::from_u128(1)]), ..all.clone() }),
        ("by pool, none", JobFilter { pools: Some(vec![PoolId::from_u128(9)]), ..all.clone() }),
        ("by user", JobFilter { user: Some(UserId::from_u128(2)), ..all.clone() }),
        ("by name", JobFilter { name: Some(NameMatch::Equals("case-17".into())), ..all.clone() }),
        ("named case-1…", beginning("case-1")),
        ("named case-49…", beginning("case-49")),
        ("named case-500…", beginning("case-500")),
        ("named so by none", beginning("melt")),
        ("ended in an hour", JobFilter { ended_from: Some(at(500_000)), ended_to: Some(at(503_600)), ..all.clone() }),
        (
            "ended in half of the time",
            JobFilter { ended_from: Some(at(1)), ended_to: Some(at(500_000)), ..all.clone() },
        ),
    ];
    for (name, filter) in &filters {
        pages(store, slow, &format!("{name}, newest"), Scope::All, filter, newest).await;
        pages(store, slow, &format!("{name}, dearest"), one, filter, dearest).await;
        pages(store, slow, &format!("{name}, last end"), Scope::All, filter, last).await;
        pages(store, slow, &format!("{name}, by name"), Scope::All, filter, by_name).await;
    }
}

/// Fills a database, asks for pages, and writes jobs with and without the lists' indexes.
async fn database(jobs: u64, open: u64, url: Option<&str>) {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let location = url.map_or(Location::Folder(folder.path().to_owned()), |url| Location::Postgres(url.to_owned()));
    let store = SqlStore::open(&location).await.expect("a database");
    let fence = patterns(&store).await;
    let start = Instant::now();
    let sql = AssertSqlSafe(copies(jobs, open, url.is_none()));
    let file = format!("sqlite://{}/headworks.db", folder.path().display());
    if let Some(url) = url {
        let mut conn = sqlx::PgConnection::connect(url).await.expect("a connection");
        sqlx::raw_sql(sql).execute(&mut conn).await.expect("copies");
        // What the server does by itself before long.
        sqlx::raw_sql("VACUUM ANALYZE jobs").execute(&mut conn).await.expect("statistics");
    } else {
        let mut conn = sqlx::SqliteConnection::connect(&file).await.expect("a connection");
        sqlx::raw_sql(sql).execute(&mut conn).await.expect("copies");
    }
    let name = if url.is_some() { "PostgreSQL" } else { "SQLite" };
    println!("{name}: {jobs} jobs, {open} of them open, copied in {:.1} s", start.elapsed().as_secs_f64());
    measure(&store).await;
    for indexed in [true, false] {
        if !indexed {
            drop_indexes(url, &file).await;
        }
        let with = if indexed { "with" } else { "without" };
        let first = jobs + if indexed { 1 } else { 1_000_000 };
        let before = hot(url).await;
        let per_second = lives::lives(&store, fence, first).await;
        let after = hot(url).await;
        let share = after.zip(before).map_or(String::new(), |((all, hot), (all_before, hot_before))| {
            let share = 100.0 * (hot - hot_before) as f64 / (all - all_before).max(1) as f64;
            format!(", {share:.0} % of {} updates left the indexes alone", all - all_before)
        });
        println!(
            "{name}: {per_second:.0} jobs/s written from their submission to their end {with} the lists' indexes{share}"
        );
    }
    store.close().await;
}

const INDEXES: &str = "DROP INDEX jobs_by_start; DROP INDEX jobs_by_end; DROP INDEX jobs_by_run; DROP INDEX jobs_by_charge; \
    DROP INDEX jobs_by_name; DROP INDEX jobs_by_state; DROP INDEX jobs_by_class; DROP INDEX jobs_by_pool; DROP INDEX jobs_begun; DROP INDEX jobs_open_tenant";

async fn drop_indexes(url: Option<&str>, file: &str) {
    if let Some(url) = url {
        let mut conn = sqlx::PgConnection::connect(url).await.expect("a connection");
        sqlx::raw_sql(INDEXES).execute(&mut conn).await.expect("no indexes");
    } else {
        let mut conn = sqlx::SqliteConnection::connect(file).await.expect("a connection");
        sqlx::raw_sql(INDEXES).execute(&mut conn).await.expect("no indexes");
    }
}

/// Updates of jobs so far, and those that touched no index.
async fn hot(url: Option<&str>) -> Option<(i64, i64)> {
    // Each process of the server tells a second late, or when it is done.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let mut conn = sqlx::PgConnection::connect(url?).await.expect("a connection");
    let sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'";
    let row = sqlx::query(sql).fetch_one(&mut conn).await.expect("statistics");
    Some((row.get(0), row.get(1)))
}

#[tokio::main]
async fn main() {
    let (jobs, open) = (number("HW_LIST_JOBS", 1_000_000), number("HW_LIST_OPEN", 100_000));
    let only = std::env::var("HW_LIST_ONLY").unwrap_or_default();
    if only != "postgresql" {
        database(jobs, open, None).await;
    }
    if only != "sqlite" {
        let url = std::env::var("HW_LIST_URL");
        let url = url.unwrap_or_else(|_| testkit::Postgres::shared().database().expect("PostgreSQL"));
        database(jobs, open, Some(&url)).await;
    }
}
