//! Files in the work folders of jobs over HTTP: lists, and contents with ranges.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::Response;
use base::Timestamp;
use ports::{Entry, EntryKind};
use wire::Page;
use wire::files::{FileEntry, FileKind, JobFileQuery, JobFilesQuery};

use super::bytes::{self, Served};
use super::files::no_such_file;
use crate::access::{JobAccess, Params, Read};
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
