//! How fast pages of a long list of jobs are: each order's and some filters' first and next page, in milliseconds.
//! `list_speed [JOBS] [postgres://…]`; the embedded database goes into a folder under the current one. Rows are copied by the database
//! from one ended and one open job, with other numbers, owners, names, times and amounts.

#![allow(clippy::print_stdout, reason = "a report is what it is for")]

use std::time::Instant;

use base::{PoolId, TenantId, Timestamp, UserId};
use engine::{Batch, Record};
use model::{EndCause, JobInput, PriorityClass, StateCode};
use ports::Store;
use ports::store_conformance::{job, people, supply};
use sqlx::{AssertSqlSafe, Connection};
use store::{JobFilter, JobOrder, JobSort, Location, NameMatch, PageRequest, Scope, SqlStore};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const LATER: Timestamp = Timestamp::from_secs(2_000_000);
/// Jobs that are open among the last ones.
const OPEN: u64 = 2_000;

/// One ended and one open job of each of three tenants; the others are copies.
async fn patterns(store: &SqlStore) {
    let fence = store.acquire("speed", NOW, LATER).await.expect("a lease").expect("no other").fence;
    let mut records: Vec<Record> = (1..=3).flat_map(people).chain(supply()).collect();
    for number in 1..=2 {
        records.extend(job(number, "pattern").into_iter().map(|record| match record {
            Record::Job(mut row) if number == 1 => {
                row.job.apply(JobInput::End { cause: EndCause::Cancelled }, NOW).expect("an end");
                (row.started_at, row.ended_at) = (Some(NOW), Some(NOW));
                Record::Job(row)
            }
            other => other,
        }));
    }
    store.commit(fence, &Batch { records, effects: Vec::new() }).await.expect("patterns");
}

/// Nine of ten jobs are the first tenant's, one of a hundred the third's; one of 10,000 is lost with its node.
fn copies(jobs: u64, lite: bool) -> String {
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
         WITH RECURSIVE ids(n) AS (SELECT CAST(3 AS BIGINT) UNION ALL SELECT n + 1 FROM ids WHERE n < {jobs}) \
         SELECT {number}, {unique}, {owner}, {owner}, {owner}, j.spec, 'case-' || (n * 7919 % 5003), \
            CASE WHEN j.open = 1 THEN j.state WHEN n % 10007 = 0 THEN 9 WHEN n % 20 = 0 THEN 5 ELSE 4 END, j.open, \
            CASE WHEN j.open = 0 THEN {pool} END, n * 1000000, \
            CASE WHEN j.open = 0 AND n % 50 <> 0 THEN n * 1000000 + n * 31 % 977 * 1000000 END, \
            CASE WHEN j.open = 0 THEN n * 1000000 + 977000000 + n * 17 % 86028157 * 1000 END, \
            CASE WHEN j.open = 0 THEN n * 104729 % 15485863 ELSE 0 END, CASE WHEN n % 1009 = 0 THEN 3 ELSE 1 END, j.v, j.doc \
         FROM ids JOIN jobs j ON j.number = CASE WHEN n > {jobs} - {OPEN} THEN 2 ELSE 1 END",
        pool = if lite {
            "x'00000000000000000000000000000001'"
        } else {
            "decode('00000000000000000000000000000001', 'hex')"
        },
    )
}

/// The first page, the next, and the one after nine more.
async fn pages(store: &SqlStore, name: &str, scope: Scope, filter: &JobFilter, order: JobOrder) {
    let (mut cursor, mut times, mut rows) = (None, Vec::new(), 0);
    for _ in 0..11 {
        let request = PageRequest::new(Some(100), cursor.as_deref()).expect("a cursor");
        let start = Instant::now();
        let page =
            store.jobs_by(scope, filter, order, request).await.expect("an answer").expect("a cursor of this order");
        times.push(start.elapsed().as_secs_f64() * 1e3);
        rows += page.items.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let time = |at: usize| times.get(at).map_or("     -".into(), |ms| format!("{ms:6.1}"));
    println!("{name:<44} first {}  next {}  eleventh {} ms  ({rows} rows)", time(0), time(1), time(10));
}

async fn measure(store: &SqlStore) {
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
            pages(store, &format!("{by:?} {way}, everybody's"), Scope::All, &all, order).await;
            pages(store, &format!("{by:?} {way}, a large tenant's"), one, &all, order).await;
            pages(store, &format!("{by:?} {way}, a small tenant's"), few, &all, order).await;
        }
    }
    let newest = JobOrder::default();
    let dearest = JobOrder { by: JobSort::Price, ascending: false };
    let last = JobOrder { by: JobSort::Ended, ascending: false };
    let at = Timestamp::from_secs;
    let filters = [
        ("one of 10,000 by state", JobFilter { states: vec![StateCode::NodeFail], ..all.clone() }),
        ("one of 20 by state", JobFilter { states: vec![StateCode::Failed], ..all.clone() }),
        ("waiting or failed", JobFilter { states: vec![StateCode::Pending, StateCode::Failed], ..all.clone() }),
        ("one of 1,000 by class", JobFilter { classes: vec![PriorityClass::Urgent], ..all.clone() }),
        ("by pool, all of them", JobFilter { pools: Some(vec![PoolId::from_u128(1)]), ..all.clone() }),
        ("by pool, none", JobFilter { pools: Some(vec![PoolId::from_u128(9)]), ..all.clone() }),
        ("by user", JobFilter { user: Some(UserId::from_u128(2)), ..all.clone() }),
        ("by name", JobFilter { name: Some(NameMatch::Equals("case-17".into())), ..all.clone() }),
        ("ended in an hour", JobFilter { ended_from: Some(at(500_000)), ended_to: Some(at(503_600)), ..all.clone() }),
        (
            "ended in half of the time",
            JobFilter { ended_from: Some(at(1)), ended_to: Some(at(500_000)), ..all.clone() },
        ),
    ];
    for (name, filter) in &filters {
        pages(store, &format!("{name}, newest"), Scope::All, filter, newest).await;
        pages(store, &format!("{name}, dearest"), one, filter, dearest).await;
        pages(store, &format!("{name}, last end"), Scope::All, filter, last).await;
    }
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let jobs: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let url = args.next();
    let location = url.clone().map_or(Location::Folder(folder.path().to_owned()), Location::Postgres);
    let store = SqlStore::open(&location).await.expect("a database");
    patterns(&store).await;
    let start = Instant::now();
    let sql = AssertSqlSafe(copies(jobs, url.is_none()));
    if let Some(url) = &url {
        let mut conn = sqlx::PgConnection::connect(url).await.expect("a connection");
        sqlx::raw_sql(sql).execute(&mut conn).await.expect("copies");
        sqlx::raw_sql("ANALYZE").execute(&mut conn).await.expect("statistics");
    } else {
        let file = format!("sqlite://{}/headworks.db", folder.path().display());
        let mut conn = sqlx::SqliteConnection::connect(&file).await.expect("a connection");
        sqlx::raw_sql(sql).execute(&mut conn).await.expect("copies");
    }
    println!("{jobs} jobs in {:.1} s", start.elapsed().as_secs_f64());
    measure(&store).await;
    store.close().await;
}
