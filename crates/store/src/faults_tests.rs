//! Bad days of the database itself: full, read-only, torn connection, a second server. A refusal leaves nothing, and the
//! next commit works once the condition is gone.

use std::path::Path;

use base::{Span, Timestamp};
use engine::{Batch, Record};
use ports::store_conformance::{job, people};
use ports::{CommitError, Store, StoreError};
use testkit::Postgres;

use crate::{Location, SqlStore};

const NOW: Timestamp = Timestamp::from_secs(1_000);
const LATER: Timestamp = Timestamp::from_secs(2_000);

fn batch(records: Vec<Record>) -> Batch {
    Batch { records, effects: Vec::new() }
}

async fn embedded(folder: &Path) -> (SqlStore, u64) {
    let store = SqlStore::open(&Location::Folder(folder.to_owned())).await.unwrap();
    let fence = store.acquire("test", NOW, LATER).await.unwrap().unwrap().fence;
    store.commit(fence, &batch(people(1))).await.unwrap();
    (store, fence)
}

fn many() -> Batch {
    batch((1..=500).flat_map(|n| job(n, "many")).collect())
}

async fn refused(store: &SqlStore, fence: u64, word: &str) {
    match store.commit(fence, &many()).await {
        Err(CommitError::Unavailable(text)) => assert!(text.contains(word), "{text}"),
        other => panic!("{word}: {other:?}"),
    }
    assert!(store.load().await.unwrap().jobs.is_empty(), "{word}: nothing is stored");
}

async fn works_again(store: &SqlStore, fence: u64) {
    store.commit(fence, &many()).await.unwrap();
    assert_eq!(store.load().await.unwrap().jobs.len(), 500);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (store, fence) = embedded(folder.path()).await;
    // SQLITE_FULL comes alike from a full disk and from a full database; a fresh connection has no such bound.
    let mut writing = store.writing().await.unwrap();
    writing.conn.script("PRAGMA max_page_count = 1".into()).await.unwrap();
    writing.commit().await.unwrap();
    refused(&store, fence, "full").await;
    works_again(&store, fence).await;
}

#[tokio::test]
async fn a_read_only_database_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, fence) = embedded(folder.path()).await;
    let writable = store.db.clone();
    store.db = crate::db::Db::Lite(Box::new(crate::lite::reader(folder.path()).read_only(true)));
    *store.writer.lock().await = None;
    refused(&store, fence, "readonly").await;
    store.db = writable;
    works_again(&store, fence).await;
}

#[tokio::test]
async fn a_second_server_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (store, fence) = embedded(folder.path()).await;
    match SqlStore::open(&Location::Folder(folder.path().to_owned())).await {
        Err(StoreError::Unavailable(text)) => {
            assert!(text.contains("test") && text.contains(&std::process::id().to_string()), "{text}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two servers on one folder"),
    }
    store.close().await;
    // Whoever held the lease of a folder is dead once its lock is free: no waiting for the term to end.
    let store = SqlStore::open(&Location::Folder(folder.path().to_owned())).await.unwrap();
    let lease = store.acquire("next", NOW, LATER).await.unwrap().unwrap();
    assert_eq!(lease.fence, fence + 1);
    assert_eq!(store.lease().await.unwrap(), lease);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not-a-folder");
    std::fs::write(&file, "x").unwrap();
    match SqlStore::open(&Location::Folder(file.clone())).await {
        Err(StoreError::Unavailable(text)) => assert!(text.contains("not-a-folder"), "{text}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a store in a file"),
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(crate::lite::FILE), "this is no database, whatever its name says").unwrap();
    let opened = SqlStore::open(&Location::Folder(folder.path().to_owned())).await;
    assert!(matches!(opened, Err(StoreError::Corrupt(_))), "{:?}", opened.err());
}

#[tokio::test]
async fn keys_are_forgotten_after_their_lifetime() {
    let folder = tempfile::tempdir().unwrap();
    let (store, fence) = embedded(folder.path()).await;
    let once = |key: u128, at| Record::Once { key, fingerprint: 1, report: engine::Report::Done, at };
    let old = NOW - crate::KEY_LIFETIME - Span::from_secs(1);
    let records = (0..1_500).map(|n| once(n, old)).chain([once(9_999, NOW)]).collect();
    store.commit(fence, &batch(records)).await.unwrap();
    assert_eq!(store.sweep(NOW).await.unwrap(), 1_000);
    assert_eq!(store.sweep(NOW).await.unwrap(), 500);
    assert_eq!(store.sweep(NOW).await.unwrap(), 0);
    assert_eq!(store.answers(vec![1, 9_999]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn checkpoints_keep_the_log_short() {
    let folder = tempfile::tempdir().unwrap();
    let (store, fence) = embedded(folder.path()).await;
    let log = folder.path().join("headworks.db-wal");
    let mut largest = 0;
    for n in 0..1_500 {
        store.commit(fence, &batch(job(n + 1, "one"))).await.unwrap();
        largest = largest.max(std::fs::metadata(&log).unwrap().len());
    }
    // 1,500 commits of some 16 pages are 100 MB when the log is never started anew; it is after that many pages.
    assert!(largest < crate::lite::PAGES_PER_CHECKPOINT * 4_200, "the log grew to {largest} bytes");
    assert_eq!(store.load().await.unwrap().jobs.len(), 1_500);
}

/// A commit cut off between COMMIT and its answer is looked up, not guessed; a lost connection is opened anew.
#[tokio::test]
async fn postgres_connections_may_be_lost() {
    let url = Postgres::shared().database().unwrap();
    let store = SqlStore::open(&Location::Postgres(url.clone())).await.unwrap();
    let fence = store.acquire("test", NOW, LATER).await.unwrap().unwrap().fence;
    store.commit(fence, &batch(people(1))).await.unwrap();
    let other = SqlStore::open(&Location::Postgres(url)).await.unwrap();
    let kill = "SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    other.all(kill, other.args()).await.unwrap();
    // What was lost while idle is opened anew, unseen by the caller.
    store.commit(fence, &batch(people(2))).await.unwrap();
    assert_eq!(store.load().await.unwrap().tenants.len(), 2);
    // The second store is a replica: it reads, and is refused the lease until the term is over.
    assert_eq!(other.acquire("replica", NOW, LATER).await.unwrap().unwrap_err().holder, "test");
    assert_eq!(other.load().await.unwrap().tenants.len(), 2);
    let taken = other.acquire("replica", LATER, LATER + Span::from_secs(10)).await.unwrap().unwrap();
    assert!(matches!(store.commit(fence, &batch(people(3))).await, Err(CommitError::Fenced { .. })));
    other.commit(taken.fence, &batch(people(3))).await.unwrap();
    // What became of the last batch, as asked after a cut-off commit.
    let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
    let batches = 3;
    assert!(other.resolve(taken.fence, batches, lost()).await.is_ok());
    assert!(matches!(other.resolve(taken.fence, batches + 1, lost()).await, Err(CommitError::Unavailable(_))));
    assert!(matches!(store.resolve(fence, batches, lost()).await, Err(CommitError::Fenced { .. })));
}
