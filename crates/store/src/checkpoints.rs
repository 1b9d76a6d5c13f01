//! Checkpoints: sets of files of a running job that were copied away, or are on their way. A set counts as soon as all of its
//! files are there; the two newest of a job are kept until it ends. They count in what its tenant keeps.
//! Written at once, in transactions of their own, by the active server. Knows no file system: contents are digests here.

use base::{AttemptId, ClusterId, JobId, TenantId, Timestamp};
use model::ContentDigest;
use ports::StoreError;

use crate::db::{Args, Columns as _, Conn, Row, Sql, unreadable};
use crate::error::store_error;
use crate::files::{FileBounds, PutRefused, book, read_digest, signed};
use crate::query::build::Select;
use crate::store::SqlStore;

/// Sets of a job that are kept.
const KEPT: usize = 2;
/// Rows of one statement: seven values each, below SQLite's 32,766.
const ROWS_AT_ONCE: usize = 1_000;

/// A set of files as they stood in the work folder of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub attempt: AttemptId,
    /// When they stood still; with the job the name of the set.
    pub at: Timestamp,
    pub cluster: ClusterId,
    pub tenant: TenantId,
    pub files: u64,
    pub bytes: u64,
}

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointFile {
    /// Relative to the work folder.
    pub path: String,
    pub size: u64,
    /// Seconds since 1970, by the cluster's clock.
    pub modified_secs: i64,
    pub mode: u32,
    /// `None` until its content is there.
    pub digest: Option<ContentDigest>,
}

/// Sets that were let go, with those of their files of which something may have arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub sets: u64,
    pub unfinished: Vec<(AttemptId, CheckpointFile)>,
}

const SET: &str = "SELECT job, attempt, at, cluster, tenant, files, bytes FROM checkpoints";
const FILE: &str = "SELECT path, size, modified, mode, digest FROM checkpoint_files";

fn read_set(row: &Row) -> Sql<Checkpoint> {
    Ok(Checkpoint {
        attempt: AttemptId::new(JobId::from_u128(row.id(0)?), row.small(1)?),
        at: Timestamp::from_micros(row.int(2)?),
        cluster: ClusterId::from_u128(row.id(3)?),
        tenant: TenantId::from_u128(row.id(4)?),
        files: row.natural(5)?,
        bytes: row.natural(6)?,
    })
}

fn read_file(row: &Row) -> Sql<CheckpointFile> {
    Ok(CheckpointFile {
        path: String::from_utf8(row.bytes(0)?.to_vec()).map_err(unreadable)?,
        size: row.natural(1)?,
        modified_secs: row.int(2)?,
        mode: row.small(3)?,
        digest: match row.bytes(4)? {
            [] => None,
            _ => Some(read_digest(row, 4)?),
        },
    })
}

fn named(mut select: Select, job: JobId, at: Timestamp) -> Select {
    select.filter("job = ").id(job.as_u128()).filter("at = ").int(at.as_micros());
    select
}

impl SqlStore {
    /// The whole sets of a job, the best to go on from first: of the latest attempt below `before`, and of it the newest.
    pub async fn checkpoints(&self, job: JobId, before: u32) -> Result<Vec<Checkpoint>, StoreError> {
        let mut select = Select::new(self.kind(), SET);
        select.filter("job = ").id(job.as_u128()).filter("attempt < ").int(before.into());
        select.filter("whole = ").int(1).push(" ORDER BY attempt DESC, at DESC");
        self.list(select.text, select.args, read_set).await
    }

    /// The set of a job that is on its way, if one is.
    pub async fn checkpoint_under_way(&self, job: JobId) -> Result<Option<Checkpoint>, StoreError> {
        let mut select = Select::new(self.kind(), SET);
        select.filter("job = ").id(job.as_u128()).filter("whole = ").int(0);
        self.find(select.text, select.args, read_set).await
    }

    /// The files of a set, in the order of their paths' bytes.
    pub async fn checkpoint_files(&self, job: JobId, at: Timestamp) -> Result<Vec<CheckpointFile>, StoreError> {
        let mut select = named(Select::new(self.kind(), FILE), job, at);
        select.push(" ORDER BY path");
        self.list(select.text, select.args, read_file).await
    }

    /// Notes that a set is on its way, in the place of one that was; what of that one is to be cleared away.
    pub async fn begin_checkpoint(&self, set: &Checkpoint, files: &[CheckpointFile]) -> Result<Dropped, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        let dropped = async {
            let job = set.attempt.job;
            let mut select = Select::new(conn.kind(), SET);
            select.filter("job = ").id(job.as_u128()).filter("whole = ").int(0);
            let old = conn.fetch(select.text, select.args).await?.iter().map(read_set).collect::<Sql<Vec<_>>>()?;
            let mut dropped = Dropped::default();
            for one in old {
                drop_set(conn, &one, false, &mut dropped).await?;
            }
            let mut args = Args::new(conn.kind());
            args.id(job.as_u128());
            args.int(set.at.as_micros());
            args.int(set.attempt.number.into());
            args.id(set.cluster.as_u128());
            args.id(set.tenant.as_u128());
            args.int(signed(set.files));
            args.int(signed(set.bytes));
            let sql = "INSERT INTO checkpoints (job, at, attempt, cluster, tenant, files, bytes, whole) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, 0)";
            conn.execute(sql, args).await?;
            for some in files.chunks(ROWS_AT_ONCE) {
                insert_files(conn, set, some).await?;
            }
            Ok(dropped)
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(dropped)
    }

    /// The content of a file of a set that is on its way has arrived and counts as stored. False when there is no such set any more.
    pub async fn book_checkpoint_file(
        &self,
        set: &Checkpoint,
        path: &str,
        size: u64,
        digest: ContentDigest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        let booked = async {
            let mut args = Args::new(conn.kind());
            args.id(set.attempt.job.as_u128());
            args.int(set.at.as_micros());
            args.bytes(path.as_bytes());
            args.bytes(&digest.0);
            let sql = "UPDATE checkpoint_files SET digest = $4 WHERE job = $1 AND at = $2 AND path = $3";
            if conn.execute(sql, args).await? == 0 {
                return Ok(false);
            }
            let mut args = Args::new(conn.kind());
            args.bytes(&digest.0);
            args.int(signed(size));
            args.int(now.as_micros());
            let sql = "INSERT INTO blobs (digest, size, at) VALUES ($1, $2, $3) \
                ON CONFLICT (digest) DO UPDATE SET at = excluded.at";
            conn.execute(sql, args).await?;
            Ok(true)
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(booked)
    }

    /// A set whose files are all there becomes the latest of its job, and all but the two newest are let go.
    /// `Ok(Ok(false))`: there is no such set any more, or something of it is still missing.
    ///
    /// # Errors
    /// Of the store; inside, that the tenant has no room for it.
    pub async fn complete_checkpoint(
        &self,
        set: &Checkpoint,
        bounds: FileBounds,
    ) -> Result<Result<bool, PutRefused>, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let done = complete(&mut writing.conn, set, bounds).await.map_err(store_error)?;
        match &done {
            Ok(true) => writing.commit().await.map_err(store_error)?,
            Ok(false) | Err(_) => {
                writing.conn.rollback().await.map_err(store_error)?;
                writing.done();
            }
        }
        Ok(done)
    }

    /// Lets go of a set that was not completed.
    pub async fn drop_checkpoint_under_way(&self, job: JobId) -> Result<Dropped, StoreError> {
        self.drop_checkpoints("SELECT job, at FROM checkpoints WHERE job = $1 AND whole = 0", Some(job), 1).await
    }

    /// Lets go of at most `most` sets of jobs that are over.
    pub async fn drop_checkpoints_of_ended(&self, most: u32) -> Result<Dropped, StoreError> {
        let sql = "SELECT c.job, c.at FROM checkpoints c \
            WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.job AND j.open = 1) LIMIT $1";
        self.drop_checkpoints(sql, None, most).await
    }

    async fn drop_checkpoints(&self, sql: &'static str, job: Option<JobId>, most: u32) -> Result<Dropped, StoreError> {
        let mut args = self.args();
        match job {
            Some(job) => args.id(job.as_u128()),
            None => args.int(most.into()),
        }
        let key = |row: &Row| Ok((JobId::from_u128(row.id(0)?), Timestamp::from_micros(row.int(1)?)));
        let due = self.list(sql.to_owned(), args, key).await?;
        let mut dropped = Dropped::default();
        if due.is_empty() {
            return Ok(dropped);
        }
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        async {
            for (job, at) in due {
                let mut select = named(Select::new(conn.kind(), SET), job, at);
                select.push(" AND whole = ").int(1);
                let whole = !conn.fetch(select.text, select.args).await?.is_empty();
                let select = named(Select::new(conn.kind(), SET), job, at);
                for row in conn.fetch(select.text, select.args).await? {
                    drop_set(conn, &read_set(&row)?, whole, &mut dropped).await?;
                }
            }
            Ok(())
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(dropped)
    }
}

async fn insert_files(conn: &mut Conn, set: &Checkpoint, files: &[CheckpointFile]) -> Sql<()> {
    let mut sql = "INSERT INTO checkpoint_files (job, at, path, size, modified, mode, digest) VALUES ".to_owned();
    let mut args = Args::new(conn.kind());
    for (at, file) in files.iter().enumerate() {
        let n = at * 7;
        let row: Vec<String> = (n + 1..=n + 7).map(|n| format!("${n}")).collect();
        sql.push_str(&format!("{}({})", if at == 0 { "" } else { ", " }, row.join(", ")));
        args.id(set.attempt.job.as_u128());
        args.int(set.at.as_micros());
        args.bytes(file.path.as_bytes());
        args.int(signed(file.size));
        args.int(file.modified_secs);
        args.int(file.mode.into());
        args.bytes(file.digest.as_ref().map_or(&[], |digest| &digest.0));
    }
    if files.is_empty() {
        return Ok(());
    }
    conn.execute(sql, args).await.map(drop)
}

async fn complete(conn: &mut Conn, set: &Checkpoint, bounds: FileBounds) -> Sql<Result<bool, PutRefused>> {
    let job = set.attempt.job;
    let mut select = named(Select::new(conn.kind(), FILE), job, set.at);
    select.push(" ORDER BY path");
    let files = conn.fetch(select.text, select.args).await?.iter().map(read_file).collect::<Sql<Vec<_>>>()?;
    let mut args = Args::new(conn.kind());
    args.id(job.as_u128());
    args.int(set.at.as_micros());
    let sql = "UPDATE checkpoints SET whole = 1 WHERE job = $1 AND at = $2 AND whole = 0";
    if files.iter().any(|file| file.digest.is_none()) || conn.execute(sql, args).await? == 0 {
        return Ok(Ok(false));
    }
    book(conn, set.tenant, signed(set.bytes), signed(set.files)).await?;
    let mut select = Select::new(conn.kind(), SET);
    select.filter("job = ").id(job.as_u128()).filter("whole = ").int(1).push(" ORDER BY attempt DESC, at DESC");
    let sets = conn.fetch(select.text, select.args).await?.iter().map(read_set).collect::<Sql<Vec<_>>>()?;
    for old in sets.iter().skip(KEPT) {
        drop_set(conn, old, true, &mut Dropped::default()).await?;
    }
    let mut select = Select::new(conn.kind(), "SELECT bytes FROM file_usage");
    select.filter("tenant = ").id(set.tenant.as_u128());
    let rows = conn.fetch(select.text, select.args).await?;
    let kept = rows.first().map(|row| row.natural(0)).transpose()?.unwrap_or(0);
    if kept > bounds.bytes {
        return Ok(Err(PutRefused::OverQuota { quota: bounds.bytes, missing: kept - bounds.bytes }));
    }
    Ok(Ok(true))
}

/// Removes the rows of a set; its contents go when nothing else needs them.
async fn drop_set(conn: &mut Conn, set: &Checkpoint, whole: bool, dropped: &mut Dropped) -> Sql<()> {
    let job = set.attempt.job;
    let select = named(Select::new(conn.kind(), FILE), job, set.at);
    for row in conn.fetch(select.text, select.args).await? {
        let file = read_file(&row)?;
        if file.digest.is_none() {
            dropped.unfinished.push((set.attempt, file));
        }
    }
    for table in ["checkpoint_files", "checkpoints"] {
        let select = named(Select::new(conn.kind(), format!("DELETE FROM {table}")), job, set.at);
        conn.execute(select.text, select.args).await?;
    }
    dropped.sets += 1;
    if whole {
        book(conn, set.tenant, -signed(set.bytes), -signed(set.files)).await?;
    }
    Ok(())
}
