//! Checkpoints on both databases: a set counts when it is whole, the two newest stay, they count in the quota and keep their contents,
//! and they go with their job.

use base::{AttemptId, ClusterId, JobId, Span, Timestamp};
use engine::{Batch, JobRow, Record};
use model::{ContentDigest, Outcome, Phase};
use ports::Store as _;
use ports::store_conformance::{job, people};
use store::{Checkpoint, CheckpointFile, FileBounds, Location, PutRefused, SqlStore};
use testkit::Postgres;

const BOUNDS: FileBounds = FileBounds { bytes: 250, files: 100 };

fn at(hours: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000) + Span::from_hours(hours)
}

fn row() -> JobRow {
    let found = job(1, "counter").into_iter().find_map(|record| match record {
        Record::Job(row) => Some(*row),
        _ => None,
    });
    found.unwrap()
}

fn set(attempt: u32, hours: i64, bytes: u64) -> Checkpoint {
    Checkpoint {
        attempt: AttemptId::new(row().job.id, attempt),
        at: at(hours),
        cluster: ClusterId::from_u128(7),
        tenant: row().job.tenant,
        files: 2,
        bytes,
    }
}

fn file(path: &str, size: u64, digest: Option<u8>) -> CheckpointFile {
    let digest = digest.map(|byte| ContentDigest([byte; 32]));
    CheckpointFile { path: path.into(), size, modified_secs: -5, mode: 0o640, digest }
}

/// Two files of half the bytes each, with the contents `content` and the next.
async fn take(store: &SqlStore, set: &Checkpoint, content: u8) -> Result<bool, PutRefused> {
    let files = [file("a/日本 $(x)", set.bytes / 2, None), file("b", set.bytes / 2, None)];
    store.begin_checkpoint(set, &files).await.unwrap();
    for (file, content) in files.iter().zip(content..) {
        let digest = ContentDigest([content; 32]);
        assert!(store.book_checkpoint_file(set, &file.path, file.size, digest, set.at).await.unwrap());
    }
    store.complete_checkpoint(set, BOUNDS).await.unwrap()
}

/// Stores the job in this phase; people and the like with its first.
async fn store_job(store: &SqlStore, phase: Phase) {
    let mut row = row();
    row.ended_at = (!matches!(phase, Phase::Pending)).then(|| at(9));
    row.job = row.job.at_phase(phase);
    let now = at(0);
    let fence = store.acquire("checkpoints", now, now + Span::from_hours(1)).await.unwrap().unwrap().fence;
    let mut records = Vec::new();
    if row.ended_at.is_none() {
        records.extend(people(1));
        records.extend(job(1, "counter").into_iter().filter(|record| !matches!(record, Record::Job(_))));
    }
    records.push(Record::Job(Box::new(row)));
    store.commit(fence, &Batch { records, effects: vec![] }).await.unwrap();
}

async fn sets_come_and_go(store: SqlStore) {
    store_job(&store, Phase::Pending).await;
    let (job, tenant): (JobId, _) = (row().job.id, row().job.tenant);
    let usage = async || store.file_usage(tenant).await.unwrap();

    // One that is on its way counts for nothing until all of it is there.
    let first = set(1, 0, 100);
    let files = [file("a", 50, None), file("b", 50, Some(9))];
    assert_eq!(store.begin_checkpoint(&first, &files).await.unwrap().sets, 0);
    assert_eq!(store.checkpoint_under_way(job).await.unwrap(), Some(first.clone()));
    assert_eq!(store.checkpoint_files(job, first.at).await.unwrap(), files);
    assert_eq!(store.complete_checkpoint(&first, BOUNDS).await.unwrap(), Ok(false), "`a` is missing");
    assert!(store.checkpoints(job, u32::MAX).await.unwrap().is_empty());
    // The next takes its place and tells what may have arrived of it.
    let second = set(1, 1, 100);
    let dropped = store.begin_checkpoint(&second, &files).await.unwrap();
    assert_eq!((dropped.sets, &dropped.unfinished[..]), (1, &[(first.attempt, file("a", 50, None))][..]));
    assert!(!store.book_checkpoint_file(&first, "a", 50, ContentDigest([1; 32]), at(1)).await.unwrap());
    assert!(!store.is_booked(ContentDigest([1; 32])).await.unwrap(), "of a set that is gone");
    assert_eq!(store.drop_checkpoint_under_way(job).await.unwrap().sets, 1);
    assert_eq!((store.checkpoint_under_way(job).await.unwrap(), usage().await), (None, (0, 0)));

    // The two best stay: those of the latest attempt, and of it the newest.
    assert_eq!(take(&store, &set(1, 2, 100), 1).await, Ok(true));
    assert_eq!(take(&store, &set(1, 3, 80), 3).await, Ok(true));
    assert_eq!(usage().await, (180, 4));
    assert_eq!(take(&store, &set(2, 4, 60), 5).await, Ok(true));
    assert_eq!(usage().await, (140, 4));
    assert_eq!(store.checkpoints(job, u32::MAX).await.unwrap(), [set(2, 4, 60), set(1, 3, 80)]);
    assert_eq!(store.checkpoints(job, 2).await.unwrap(), [set(1, 3, 80)], "of earlier attempts");
    // One of an attempt that was left, completed late, is not better than what its successor has.
    assert_eq!(take(&store, &set(1, 5, 40), 7).await, Ok(true));
    assert_eq!(store.checkpoints(job, u32::MAX).await.unwrap(), [set(2, 4, 60), set(1, 5, 40)]);

    // What is over the quota changes nothing.
    assert_eq!(take(&store, &set(2, 6, 220), 9).await, Err(PutRefused::OverQuota { quota: 250, missing: 30 }));
    assert_eq!((store.checkpoints(job, u32::MAX).await.unwrap().len(), usage().await), (2, (100, 4)));
    assert_eq!(store.drop_checkpoint_under_way(job).await.unwrap().sets, 1);

    // Contents stay as long as a set has them.
    let mut orphans = store.forget_orphans(at(20), at(19), 100).await.unwrap();
    orphans.sort();
    assert_eq!(orphans, [1, 2, 3, 4, 9, 10].map(|content| ContentDigest([content; 32])));
    assert_eq!(store.drop_checkpoints_of_ended(100).await.unwrap().sets, 0, "the job is open");
    store_job(&store, Phase::Ended { outcome: Outcome::Completed, at: at(9) }).await;
    store.begin_checkpoint(&set(3, 7, 50), &[file("a", 50, None)]).await.unwrap();
    let dropped = store.drop_checkpoints_of_ended(100).await.unwrap();
    assert_eq!((dropped.sets, dropped.unfinished.len(), usage().await), (3, 1, (0, 0)));
    assert_eq!(store.forget_orphans(at(20), at(19), 100).await.unwrap().len(), 4);
    store.close().await;
}

#[tokio::test]
async fn sets_come_and_go_embedded() {
    let folder = tempfile::tempdir().unwrap();
    sets_come_and_go(SqlStore::open(&Location::Folder(folder.path().to_owned())).await.unwrap()).await;
}

#[tokio::test]
async fn sets_come_and_go_postgres() {
    let database = Postgres::shared().database().unwrap();
    sets_come_and_go(SqlStore::open(&Location::Postgres(database)).await.unwrap()).await;
}
