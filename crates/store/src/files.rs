//! Tenants' files: which content lies at which path, uploads under way, and which contents nobody needs any more.
//! These rows are no state of the engine: they are written at once, in transactions of their own, by the active server.
//! Knows no file system: contents are digests here.

use std::sync::Arc;

use base::{JobId, ProjectId, Span, SpecId, TenantId, Timestamp, UploadId, UserId};
use model::{ContentDigest, JobSpec};
use ports::StoreError;

use crate::codec;
use crate::db::{Args, Columns as _, Conn, Kind, Row, Sql, unreadable};
use crate::error::store_error;
use crate::query::build::Select;
use crate::store::SqlStore;

/// A pin of a job that is being handed in counts as needed for this long, whether its job is stored yet or not.
const PIN_FRESH: Span = Span::from_hours(1);

/// One file of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    pub tenant: TenantId,
    pub project: ProjectId,
    /// `/`-separated, without leading `/`, `.`, `..` and empty parts: the caller has checked it.
    pub path: String,
    pub digest: ContentDigest,
    /// Bytes.
    pub size: u64,
    /// Permission bits, `0o777` at most.
    pub mode: u32,
    /// Who put it there.
    pub user: UserId,
    pub at: Timestamp,
}

/// A file on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    pub id: UploadId,
    pub file: FileRow,
}

/// Why a file may not be put there; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutRefused {
    #[error("the tenant's quota is {quota} bytes: {missing} bytes are missing")]
    OverQuota { quota: u64, missing: u64 },
    #[error("the tenant has {0} files already, the most there may be")]
    TooMany(u64),
    #[error("`{0}` is a file, so nothing can be below it")]
    BelowFile(String),
    #[error("`{0}` is a folder")]
    IsFolder(String),
    /// The content went away between the look and the booking; to be sent anew.
    #[error("the content is not there any more")]
    NoContent,
}

/// What a tenant may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileBounds {
    pub bytes: u64,
    pub files: u64,
}

const FILE: &str = "SELECT tenant, project, path, digest, size, mode, user_id, at FROM files";
const UPLOAD: &str = "SELECT tenant, project, path, digest, size, mode, user_id, at, id FROM uploads";

fn read_file(row: &Row) -> Sql<FileRow> {
    Ok(FileRow {
        tenant: TenantId::from_u128(row.id(0)?),
        project: ProjectId::from_u128(row.id(1)?),
        path: String::from_utf8(row.bytes(2)?.to_vec()).map_err(unreadable)?,
        digest: read_digest(row, 3)?,
        size: row.natural(4)?,
        mode: row.small(5)?,
        user: UserId::from_u128(row.id(6)?),
        at: Timestamp::from_micros(row.int(7)?),
    })
}

fn read_upload(row: &Row) -> Sql<UploadRow> {
    Ok(UploadRow { file: read_file(row)?, id: UploadId::from_u128(row.id(8)?) })
}

pub(crate) fn read_digest(row: &Row, column: usize) -> Sql<ContentDigest> {
    row.bytes(column)?.try_into().map(ContentDigest).map_err(unreadable)
}

fn file_args(kind: Kind, file: &FileRow) -> Args {
    let mut args = Args::new(kind);
    args.id(file.tenant.as_u128());
    args.id(file.project.as_u128());
    args.bytes(file.path.as_bytes());
    args.bytes(&file.digest.0);
    args.int(signed(file.size));
    args.int(file.mode.into());
    args.id(file.user.as_u128());
    args.int(file.at.as_micros());
    args
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Everything below a folder: from the first to before the second; `/` is followed by `0`.
fn below(folder: &str) -> (Vec<u8>, Vec<u8>) {
    match folder {
        "" => (Vec::new(), vec![0xff]),
        _ => (format!("{folder}/").into_bytes(), format!("{folder}0").into_bytes()),
    }
}

impl SqlStore {
    pub async fn file(&self, tenant: TenantId, project: ProjectId, path: &str) -> Result<Option<FileRow>, StoreError> {
        let mut select = Select::new(self.kind(), FILE);
        select.filter("tenant = ").id(tenant.as_u128()).filter("project = ").id(project.as_u128());
        select.filter("path = ").bytes(path.as_bytes());
        self.find(select.text, select.args, read_file).await
    }

    /// At most `rows` files whose paths are at least `from` and less than `to`, in the order of their paths' bytes.
    pub async fn files_between(
        &self,
        tenant: TenantId,
        project: ProjectId,
        from: &[u8],
        to: &[u8],
        rows: u32,
    ) -> Result<Vec<FileRow>, StoreError> {
        let mut select = Select::new(self.kind(), FILE);
        select.filter("tenant = ").id(tenant.as_u128()).filter("project = ").id(project.as_u128());
        select.filter("path >= ").bytes(from).filter("path < ").bytes(to);
        select.push(" ORDER BY path LIMIT ").int(rows.into());
        self.list(select.text, select.args, read_file).await
    }

    /// Whether some file of the tenant has this content: then it need not send it again.
    pub async fn has_content(&self, tenant: TenantId, digest: ContentDigest, size: u64) -> Result<bool, StoreError> {
        let mut select = Select::new(self.kind(), FILE);
        select.filter("digest = ").bytes(&digest.0).filter("tenant = ").id(tenant.as_u128());
        select.filter("size = ").int(signed(size)).push(" LIMIT 1");
        Ok(self.find(select.text, select.args, read_file).await?.is_some())
    }

    /// Bytes and files that a tenant keeps.
    pub async fn file_usage(&self, tenant: TenantId) -> Result<(u64, u64), StoreError> {
        let mut select = Select::new(self.kind(), "SELECT bytes, files FROM file_usage");
        select.filter("tenant = ").id(tenant.as_u128());
        let found = self.find(select.text, select.args, |row| Ok((row.natural(0)?, row.natural(1)?))).await?;
        Ok(found.unwrap_or_default())
    }

    /// Notes that a file is coming. The same file of the same tenant that is on its way already is gone on with.
    ///
    /// # Errors
    /// Of the store; inside, why it may not come.
    pub async fn begin_upload(
        &self,
        upload: &UploadRow,
        bounds: FileBounds,
    ) -> Result<Result<UploadRow, PutRefused>, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        let answer = async {
            let open = uploads_of(conn, upload.file.tenant).await?;
            let same = |one: &&UploadRow| {
                let (a, b) = (&one.file, &upload.file);
                a.project == b.project && a.path == b.path && a.digest == b.digest && a.size == b.size
            };
            if let Some(known) = open.iter().find(same) {
                return Ok(Ok(known.clone()));
            }
            let coming = open.iter().map(|one| one.file.size).sum();
            if let Err(refused) = room(conn, &upload.file, bounds, coming, open.len() as u64).await? {
                return Ok(Err(refused));
            }
            let mut args = file_args(conn.kind(), &upload.file);
            args.id(upload.id.as_u128());
            let sql = "INSERT INTO uploads (tenant, project, path, digest, size, mode, user_id, at, id) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
            conn.execute(sql, args).await?;
            Ok(Ok(upload.clone()))
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(answer)
    }

    pub async fn upload(&self, tenant: TenantId, id: UploadId) -> Result<Option<UploadRow>, StoreError> {
        let mut select = Select::new(self.kind(), UPLOAD);
        select.filter("id = ").id(id.as_u128()).filter("tenant = ").id(tenant.as_u128());
        self.find(select.text, select.args, read_upload).await
    }

    pub async fn drop_upload(&self, id: UploadId) -> Result<(), StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        delete_upload(&mut writing.conn, id).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)
    }

    /// Uploads begun before `before`, the oldest first.
    pub async fn stale_uploads(&self, before: Timestamp, most: u32) -> Result<Vec<UploadRow>, StoreError> {
        let mut select = Select::new(self.kind(), UPLOAD);
        select.filter("at < ").int(before.as_micros()).push(" ORDER BY at LIMIT ").int(most.into());
        self.list(select.text, select.args, read_upload).await
    }

    /// Puts a file at its path, in the place of what was there, and ends the upload that brought it. With an upload the
    /// content counts as stored from now on; without, some file must have it already.
    ///
    /// # Errors
    /// Of the store; inside, why it may not be put there.
    pub async fn put_file(
        &self,
        file: &FileRow,
        upload: Option<UploadId>,
        bounds: FileBounds,
    ) -> Result<Result<(), PutRefused>, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let put = put(&mut writing.conn, file, upload, bounds).await.map_err(store_error)?;
        // Without a refusal all of it, with one nothing of it.
        match &put {
            Ok(()) => writing.commit().await.map_err(store_error)?,
            Err(_) => {
                writing.conn.rollback().await.map_err(store_error)?;
                writing.done();
            }
        }
        Ok(put)
    }

    /// Removes the file at `path`, or with `all` everything below that folder as well; how many files.
    pub async fn remove_files(
        &self,
        tenant: TenantId,
        project: ProjectId,
        path: &str,
        all: bool,
    ) -> Result<u64, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        let removed = async {
            let (from, to) = below(path);
            let mut select = Select::new(conn.kind(), "DELETE FROM files");
            select.filter("tenant = ").id(tenant.as_u128()).filter("project = ").id(project.as_u128());
            select.filter("(path = ").bytes(path.as_bytes());
            if all {
                select.push(" OR (path >= ").bytes(&from).push(" AND path < ").bytes(&to).push(")");
            }
            select.push(") RETURNING size");
            let rows = conn.fetch(select.text, select.args).await?;
            let bytes: i64 = rows.iter().map(|row| row.int(0)).sum::<Sql<i64>>()?;
            let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            book(conn, tenant, -bytes, -count).await?;
            Ok(rows.len() as u64)
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(removed)
    }

    /// The folders that open jobs chose to work in.
    pub async fn open_work_dirs(&self) -> Result<Vec<Arc<str>>, StoreError> {
        let sql = "SELECT DISTINCT s.v, s.doc FROM jobs j JOIN specs s ON s.id = j.spec \
            WHERE j.open = 1 AND s.doc LIKE '%\"work_dir\":%'";
        let read = |row: &Row| codec::get::<JobSpec>(row, 0);
        let specs = self.list(sql.to_owned(), self.args(), read).await?;
        Ok(specs.into_iter().filter_map(|spec| spec.work_dir).collect())
    }

    /// Whether a content is booked for anybody: then its bytes are not to be deleted.
    pub async fn is_booked(&self, digest: ContentDigest) -> Result<bool, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT 1 FROM blobs");
        select.filter("digest = ").bytes(&digest.0);
        Ok(self.find(select.text, select.args, |row| row.int(0)).await?.is_some())
    }

    /// Ended jobs whose results are to be copied, the longest waiting first, with the time of their end.
    pub async fn results_due(&self, most: u32) -> Result<Vec<(JobId, Timestamp)>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT job, at FROM job_results");
        select.filter("due = 1").push(" ORDER BY at, job LIMIT ").int(most.into());
        let read = |row: &Row| Ok((JobId::from_u128(row.id(0)?), Timestamp::from_micros(row.int(1)?)));
        self.list(select.text, select.args, read).await
    }

    /// Keeps contents as long as an open job of this specification may need them.
    pub async fn pin_contents(&self, spec: SpecId, digests: &[ContentDigest], at: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        for digest in digests {
            let mut args = self.args();
            args.bytes(&digest.0);
            args.id(spec.as_u128());
            args.int(at.as_micros());
            let sql = "INSERT INTO file_pins (digest, spec, at) VALUES ($1, $2, $3) \
                ON CONFLICT (digest, spec) DO UPDATE SET at = excluded.at";
            writing.conn.execute(sql, args).await.map_err(store_error)?;
        }
        writing.commit().await.map_err(store_error)
    }

    /// Forgets at most `most` contents that lie since before `before` and that no file or checkpoint has and no open job needs; which.
    /// The caller deletes their bytes, and lets no upload end meanwhile.
    pub async fn forget_orphans(
        &self,
        now: Timestamp,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<ContentDigest>, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let orphans = async {
            let conn = &mut writing.conn;
            let needed = "SELECT 1 FROM file_pins p WHERE p.digest = b.digest AND (p.at > $1 \
                OR EXISTS (SELECT 1 FROM jobs j WHERE j.open = 1 AND j.spec = p.spec))";
            let sql = format!(
                "SELECT b.digest FROM blobs b WHERE b.at < $2 \
                 AND NOT EXISTS (SELECT 1 FROM files f WHERE f.digest = b.digest) \
                 AND NOT EXISTS (SELECT 1 FROM checkpoint_files c WHERE c.digest = b.digest) \
                 AND NOT EXISTS ({needed}) LIMIT $3"
            );
            let mut args = Args::new(conn.kind());
            args.int((now - PIN_FRESH).as_micros());
            args.int(before.as_micros());
            args.int(most.into());
            let rows = conn.fetch(sql, args).await?;
            let digests = rows.iter().map(|row| read_digest(row, 0)).collect::<Sql<Vec<_>>>()?;
            for digest in &digests {
                for sql in ["DELETE FROM blobs WHERE digest = $1", "DELETE FROM file_pins WHERE digest = $1"] {
                    let mut args = Args::new(conn.kind());
                    args.bytes(&digest.0);
                    conn.execute(sql, args).await?;
                }
            }
            Ok(digests)
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(orphans)
    }
}

async fn uploads_of(conn: &mut Conn, tenant: TenantId) -> Sql<Vec<UploadRow>> {
    let mut select = Select::new(conn.kind(), UPLOAD);
    select.filter("tenant = ").id(tenant.as_u128());
    conn.fetch(select.text, select.args).await?.iter().map(read_upload).collect()
}

async fn delete_upload(conn: &mut Conn, id: UploadId) -> Sql<u64> {
    let mut args = Args::new(conn.kind());
    args.id(id.as_u128());
    conn.execute("DELETE FROM uploads WHERE id = $1", args).await
}

/// Adds to what a tenant keeps.
pub(crate) async fn book(conn: &mut Conn, tenant: TenantId, bytes: i64, files: i64) -> Sql<()> {
    let mut args = Args::new(conn.kind());
    args.id(tenant.as_u128());
    args.int(bytes);
    args.int(files);
    let sql = "INSERT INTO file_usage (tenant, bytes, files) VALUES ($1, $2, $3) ON CONFLICT (tenant) \
        DO UPDATE SET bytes = file_usage.bytes + excluded.bytes, files = file_usage.files + excluded.files";
    conn.execute(sql, args).await.map(drop)
}

/// The size of the file that is at this path now.
async fn present(conn: &mut Conn, file: &FileRow) -> Sql<Option<u64>> {
    let mut select = Select::new(conn.kind(), "SELECT size FROM files");
    select.filter("tenant = ").id(file.tenant.as_u128()).filter("project = ").id(file.project.as_u128());
    select.filter("path = ").bytes(file.path.as_bytes());
    conn.fetch(select.text, select.args).await?.first().map(|row| row.natural(0)).transpose()
}

/// Whether there is room for a file beside what is kept and what is `coming`, and its path leads through no other file.
async fn room(
    conn: &mut Conn,
    file: &FileRow,
    bounds: FileBounds,
    coming: u64,
    uploads: u64,
) -> Sql<Result<(), PutRefused>> {
    let mut select = Select::new(conn.kind(), "SELECT bytes, files FROM file_usage");
    select.filter("tenant = ").id(file.tenant.as_u128());
    let rows = conn.fetch(select.text, select.args).await?;
    let (bytes, files) = match rows.first() {
        Some(row) => (row.natural(0)?, row.natural(1)?),
        None => (0, 0),
    };
    let replaced = present(conn, file).await?;
    let wanted = bytes.saturating_add(coming).saturating_add(file.size).saturating_sub(replaced.unwrap_or(0));
    if wanted > bounds.bytes {
        return Ok(Err(PutRefused::OverQuota { quota: bounds.bytes, missing: wanted - bounds.bytes }));
    }
    if replaced.is_none() && files + uploads >= bounds.files {
        return Ok(Err(PutRefused::TooMany(bounds.files)));
    }
    for (at, _) in file.path.match_indices('/') {
        let above = FileRow { path: file.path[..at].to_owned(), ..file.clone() };
        if present(conn, &above).await?.is_some() {
            return Ok(Err(PutRefused::BelowFile(above.path)));
        }
    }
    let (from, to) = below(&file.path);
    let mut select = Select::new(conn.kind(), "SELECT size FROM files");
    select.filter("tenant = ").id(file.tenant.as_u128()).filter("project = ").id(file.project.as_u128());
    select.filter("path >= ").bytes(&from).filter("path < ").bytes(&to).push(" LIMIT 1");
    match conn.fetch(select.text, select.args).await?.is_empty() {
        true => Ok(Ok(())),
        false => Ok(Err(PutRefused::IsFolder(file.path.clone()))),
    }
}

async fn put(
    conn: &mut Conn,
    file: &FileRow,
    upload: Option<UploadId>,
    bounds: FileBounds,
) -> Sql<Result<(), PutRefused>> {
    if let Err(refused) = room(conn, file, bounds, 0, 0).await? {
        return Ok(Err(refused));
    }
    let replaced = present(conn, file).await?;
    let mut args = Args::new(conn.kind());
    args.bytes(&file.digest.0);
    args.int(signed(file.size));
    args.int(file.at.as_micros());
    match upload {
        Some(id) => {
            let sql = "INSERT INTO blobs (digest, size, at) VALUES ($1, $2, $3) \
                ON CONFLICT (digest) DO UPDATE SET at = excluded.at";
            conn.execute(sql, args).await?;
            delete_upload(conn, id).await?;
        }
        None => {
            let sql = "UPDATE blobs SET at = $3 WHERE digest = $1 AND size = $2";
            if conn.execute(sql, args).await? == 0 {
                return Ok(Err(PutRefused::NoContent));
            }
        }
    }
    let sql = "INSERT INTO files (tenant, project, path, digest, size, mode, user_id, at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, project, path) DO UPDATE SET \
        digest = excluded.digest, size = excluded.size, mode = excluded.mode, user_id = excluded.user_id, at = excluded.at";
    let args = file_args(conn.kind(), file);
    conn.execute(sql, args).await?;
    let grown = signed(file.size) - signed(replaced.unwrap_or(0));
    book(conn, file.tenant, grown, i64::from(replaced.is_none())).await?;
    Ok(Ok(()))
}
