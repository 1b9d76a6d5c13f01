//! Migrations on both databases: they sum up, are applied once, survive a cut, and refuse what is newer.

use std::collections::BTreeSet;

use testkit::Postgres;

use super::*;
use crate::db::Db;
use crate::lite;

/// A connection to a new embedded database, with the folder that keeps it.
async fn embedded() -> (Conn, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (lite::writer(folder.path()).connect().await.unwrap(), folder)
}

async fn postgres() -> Db {
    let url = Postgres::shared().database().unwrap();
    Db::Pg(Box::new(url.parse().unwrap()))
}

/// What the catalogue says about tables, columns and indexes, as comparable lines.
async fn schema(conn: &mut Conn) -> BTreeSet<String> {
    let sql = match conn.kind() {
        Kind::Lite => "SELECT COALESCE(sql, name) FROM sqlite_master WHERE name <> 'schema_steps'",
        Kind::Pg => {
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_steps' \
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_steps'"
        }
    };
    let rows = conn.fetch(sql, Args::new(conn.kind())).await.unwrap();
    // A column that was added later stands before the end without a space in the embedded database's own text.
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",").replace(" )", ")");
    rows.iter().map(|row| line(row.text(0).unwrap())).collect()
}

async fn steps_sum_up(mut migrated: Conn, mut at_once: Conn) {
    migrate(&mut migrated, STEPS).await.unwrap();
    migrate(&mut migrated, STEPS).await.unwrap();
    let whole = dialect(include_str!("../schema.sql"), at_once.kind());
    at_once.script(whole.into()).await.unwrap();
    let (steps, file) = (schema(&mut migrated).await, schema(&mut at_once).await);
    assert!(steps.len() > 40, "{steps:?}");
    assert_eq!(steps, file, "schema.sql is not what the steps make");
}

const FIRST: Step =
    Step { version: 1, name: "first", sql: "CREATE TABLE a (n BIGINT PRIMARY KEY); INSERT INTO a VALUES (1);" };
const SECOND: Step = Step { version: 2, name: "second", sql: "CREATE TABLE b (n BIGINT PRIMARY KEY); DELETE FROM a;" };
/// The second step as a program would have it that fails half-way.
const BROKEN: Step = Step {
    version: 2,
    name: "second",
    sql: "CREATE TABLE b (n BIGINT PRIMARY KEY); DELETE FROM a; DELETE FROM nowhere;",
};

async fn count(conn: &mut Conn, sql: &'static str) -> i64 {
    conn.fetch(sql, Args::new(conn.kind())).await.unwrap()[0].int(0).unwrap()
}

/// A step that fails, and a process that dies inside one, leave the old state; the next start finishes the work.
async fn a_cut_step_leaves_the_old_state(db: &Db) {
    let mut conn = db.connect().await.unwrap();
    migrate(&mut conn, &[FIRST]).await.unwrap();
    assert!(migrate(&mut conn, &[FIRST, BROKEN]).await.is_err());
    assert_eq!(count(&mut conn, "SELECT COUNT(*) FROM a").await, 1, "a failed step changes nothing");
    // Dying inside the transaction is the same to the database as the connection going away.
    conn.begin().await.unwrap();
    conn.script("CREATE TABLE b (n BIGINT PRIMARY KEY); DELETE FROM a;".into()).await.unwrap();
    drop(conn);
    let mut conn = db.connect().await.unwrap();
    assert_eq!(applied(&mut conn).await.unwrap().len(), 1);
    assert_eq!(count(&mut conn, "SELECT COUNT(*) FROM a").await, 1, "a cut step changes nothing");
    migrate(&mut conn, &[FIRST, SECOND]).await.unwrap();
    assert_eq!(count(&mut conn, "SELECT COUNT(*) FROM a").await + count(&mut conn, "SELECT COUNT(*) FROM b").await, 0);
    match migrate(&mut conn, &[FIRST]).await {
        Err(StoreError::TooNew { found: 2, known: 1 }) => {}
        other => panic!("an older program said {other:?}"),
    }
    let edited = Step { sql: "CREATE TABLE c (n BIGINT PRIMARY KEY);", ..FIRST };
    assert!(matches!(migrate(&mut conn, &[edited, SECOND]).await, Err(StoreError::Corrupt(_))));
}

#[test]
fn versions_increase() {
    for (n, step) in STEPS.iter().enumerate() {
        assert_eq!(step.version, n as i64 + 1, "{}", step.name);
    }
}

#[tokio::test]
async fn steps_sum_up_to_the_schema_file_embedded() {
    let ((a, _a), (b, _b)) = (embedded().await, embedded().await);
    steps_sum_up(a, b).await;
}

#[tokio::test]
async fn a_cut_step_leaves_the_old_state_embedded() {
    let folder = tempfile::tempdir().unwrap();
    a_cut_step_leaves_the_old_state(&lite::writer(folder.path())).await;
}

#[tokio::test]
async fn migrations_hold_on_postgres() {
    steps_sum_up(postgres().await.connect().await.unwrap(), postgres().await.connect().await.unwrap()).await;
    a_cut_step_leaves_the_old_state(&postgres().await).await;
    // Two servers that start together.
    let both = postgres().await;
    let (mut a, mut b) = (both.connect().await.unwrap(), both.connect().await.unwrap());
    let (a, b) = futures::join!(migrate(&mut a, STEPS), migrate(&mut b, STEPS));
    assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
}
