//! Files in the work folders of jobs over HTTP: lists, contents with ranges, and files that are put there.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::Response;
use base::Timestamp;
use engine::Command;
use ports::{Entry, EntryKind};
use wire::files::{FileEntry, FileKind, JobFileQuery, JobFilesQuery, JobUpload, JobUploadQuery};
use wire::{ErrorCode, Page};

use super::bytes::{self, Served};
use super::files::{Raw, digest_of, mode_of, no_such_file};
use crate::access::{JobAccess, Params, Read, Write};
use crate::bringing::Coming;
use crate::limits::WORK_FILE_BYTES_MAX;
use crate::problem::Failure;
use crate::results::WorkFolder;

/// What is in a job's work folder, while it runs and afterwards. Links are shown and never followed.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/files", tag = "files", operation_id = "job_files",
    params(("job" = String, Path, description = "Id, number or element of an array"), JobFilesQuery),
    responses((status = 200, description = "By name", body = Page<FileEntry>))
)]
pub(super) async fn list(
    access: JobAccess<Read>,
    Params(query): Params<JobFilesQuery>,
) -> Result<Json<Page<FileEntry>>, Failure> {
    let folder = WorkFolder::find(&access, &access.entry).await?;
    let path = query.path.unwrap_or_default();
    let path = path.trim_end_matches('/');
    let found = folder.stat(path).await?;
    if found.kind != EntryKind::Folder {
        return Ok(Json(Page { items: vec![entry(path.to_owned(), &found)], next_cursor: None }));
    }
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let items = folder.list(path).await?.iter().map(|one| entry(inner(&one.name), one)).collect();
    super::page_of(items, query.limit, query.cursor.as_deref(), |one: &FileEntry| one.path.clone()).map(Json)
}

/// The bytes of a file in a job's work folder, all or a range of them.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/files/content", tag = "files", operation_id = "job_file_content",
    params(
        ("job" = String, Path, description = "Id, number or element of an array"), JobFileQuery,
        ("Range" = Option<String>, Header, description = "One range: `bytes=0-99`, `bytes=100-`, `bytes=-100`")
    ),
    responses(
        (status = 200, description = "All bytes", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The bytes asked for", body = String, content_type = "application/octet-stream"),
    )
)]
pub(super) async fn content(
    access: JobAccess<Read>,
    Params(query): Params<JobFileQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let folder = WorkFolder::find(&access, &access.entry).await?;
    let found = folder.stat(&query.path).await?;
    if found.kind != EntryKind::File {
        return Err(no_such_file(&query.path));
    }
    // What the job writes meanwhile is another file as far as resuming goes.
    let tag = format!("{}-{}", found.size, found.modified_secs);
    let (read, traffic) = (folder.reader(&query.path)?, access.app().traffic.clone());
    let (read, job) = (std::sync::Arc::new(read), &access.entry.row.job);
    let (tenant, project) = (job.tenant, job.project);
    let counted: bytes::Reader = Box::new(move |offset, most| {
        let (read, traffic) = (read.clone(), traffic.clone());
        Box::pin(async move {
            let bytes = read(offset, most).await?;
            traffic.add(tenant, project, bytes.len() as u64);
            Ok(bytes)
        })
    });
    bytes::serve(&headers, Served { size: found.size, tag: Some(tag), read: counted })
}

/// Put a file into a job's work folder, in one piece or in several. It appears whole or not at all. A request without bytes, for a
/// file that has some, asks how far the file has come.
#[utoipa::path(
    put, path = "/v1/jobs/{job}/files/content", tag = "files", operation_id = "put_job_file",
    params(("job" = String, Path, description = "Id, number or element of an array"), JobUploadQuery),
    request_body(content = String, content_type = "application/octet-stream", description = "At most 8 MiB of the file"),
    responses((status = 200, description = "The next piece begins at `offset`", body = JobUpload))
)]
pub(super) async fn put(
    access: JobAccess<Write>,
    Params(query): Params<JobUploadQuery>,
    Raw(bytes): Raw,
) -> Result<Json<JobUpload>, Failure> {
    let coming = coming(&query, bytes.len() as u64)?;
    let (app, job) = (access.app(), &access.entry.row.job);
    let folder = WorkFolder::find(&access, &access.entry).await.map_err(|failure| match failure.code {
        ErrorCode::FileNotFound => Failure { code: ErrorCode::WrongState, ..failure },
        _ => failure,
    })?;
    let told = |offset, done| Ok(Json(JobUpload { path: coming.path.clone(), offset, size: coming.size, done }));
    if bytes.is_empty() && coming.size > 0 {
        folder.may_take(&coming).await?;
        return told(folder.arrived(&coming).await?, false);
    }
    let offset = query.offset.unwrap_or(0);
    if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > coming.size) {
        return Err(Failure::invalid("offset", format!("the file was announced with {} bytes", coming.size)));
    }
    let next = folder.take(&app.coming, &coming, offset, &bytes).await?;
    app.traffic.add(job.tenant, job.project, bytes.len() as u64);
    if next < coming.size {
        return told(next, false);
    }
    let note = Command::NoteUpload {
        job: job.id,
        tenant: job.tenant,
        state: job.state(),
        path: coming.path.as_str().into(),
        bytes: coming.size,
    };
    access.command(note, None).await?;
    told(next, true)
}

/// The file that a request is about, of which a piece of so many bytes came.
fn coming(query: &JobUploadQuery, piece: u64) -> Result<Coming, Failure> {
    let digest = query.sha256.as_deref().map(digest_of).transpose()?;
    let (size, mode) = (query.size.unwrap_or(piece), mode_of(query.mode)?);
    if size > WORK_FILE_BYTES_MAX {
        let most = WORK_FILE_BYTES_MAX >> 30;
        let detail =
            format!("a file put into a work folder has at most {most} GiB; bring larger ones as a job's inputs");
        return Err(Failure::invalid("size", detail));
    }
    if digest.is_none() && size != piece {
        return Err(Failure::invalid("sha256", "say it of a file that comes in several pieces"));
    }
    Ok(Coming {
        path: super::files::checked("path", query.path.clone())?,
        size,
        digest,
        mode,
        replace: query.replace == Some(true),
    })
}

fn entry(path: String, found: &Entry) -> FileEntry {
    FileEntry {
        path,
        kind: match found.kind {
            EntryKind::File => FileKind::File,
            EntryKind::Folder => FileKind::Folder,
            EntryKind::Link => FileKind::Link,
            EntryKind::Other => FileKind::Other,
        },
        size: found.size,
        sha256: None,
        mode: found.mode,
        modified_at: Some(Timestamp::from_secs(found.modified_secs.max(0)).into()),
    }
}
