//! A tenant's file space over HTTP: uploads in pieces that can be resumed, lists, contents with ranges, removal.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base::{ProjectId, UploadId};
use futures::FutureExt;
use model::ContentDigest;
use store::{FileRow, PutRefused, UploadRow};
use wire::files::{
    FileEntry, FileKind, FileQuery, FilesQuery, FilesRemoved, PieceQuery, RemoveQuery, Upload, UploadStart,
};
use wire::{ErrorCode, Page};

use super::bytes::{self, Served};
use crate::access::{Body, Caller, FilesAccess, Params, Read, Segments, Shared, Write};
use crate::app::App;
use crate::files::{PieceError, blocking, path_fault};
use crate::limits::{BODY_TIME_MAX, FILE_READ_BYTES, UPLOAD_PIECE_BYTES_MAX};
use crate::problem::Failure;

/// Permissions of a file when nobody says otherwise.
const MODE_USUAL: u32 = 0o644;
const MODE_MAX: u32 = 0o777;

/// The SHA-256 that was said of a file.
pub(super) fn digest_of(sha256: &str) -> Result<ContentDigest, Failure> {
    sha256.parse().map_err(|error: model::ParseDigestError| Failure::invalid("sha256", error.to_string()))
}

/// The permissions that a file gets.
pub(super) fn mode_of(asked: Option<u32>) -> Result<u32, Failure> {
    match asked.unwrap_or(MODE_USUAL) {
        mode @ ..=MODE_MAX => Ok(mode),
        _ => Err(Failure::invalid("mode", "permission bits are 0 to 511 (0o777)")),
    }
}

/// Begin to bring a file, or go on with one that was cut off: the same path, size and digest give the same upload.
#[utoipa::path(
    post, path = "/v1/files/uploads", tag = "files", operation_id = "begin_upload", request_body = UploadStart,
    responses(
        (status = 201, description = "Send the bytes from `offset` on", body = Upload),
        (status = 200, description = "The tenant had this content already: the file lies at its path", body = Upload),
    )
)]
pub(super) async fn begin_upload(access: FilesAccess<Write>, body: Body<UploadStart>) -> Result<Response, Failure> {
    let UploadStart { path, size, sha256, mode, project } = body.value;
    let (digest, mode) = (digest_of(&sha256)?, mode_of(mode)?);
    let app = access.app();
    let file = FileRow {
        tenant: access.who.tenant,
        project: project_of(&access, project.as_deref()).await?,
        path: checked("path", path)?,
        digest,
        size,
        mode,
        user: access.who.user,
        at: app.clock.now(),
    };
    if app.store.has_content(file.tenant, digest, size).await? && app.files.has(digest, size) {
        let _booking = app.files.booking.lock().await;
        match app.store.put_file(&file, None, app.files.bounds).await? {
            Ok(()) => return Ok((StatusCode::OK, Json(done(&file))).into_response()),
            // It was removed a moment ago.
            Err(PutRefused::NoContent) => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    let upload = UploadRow { id: UploadId::from_u128(app.ids.draw()), file };
    let upload = app.store.begin_upload(&upload, app.files.bounds).await??;
    if size == 0 {
        let arrived = finish(app, &upload).await?;
        return Ok((StatusCode::OK, Json(arrived)).into_response());
    }
    let offset = app.files.arrived(upload.id).map_err(unstored)?;
    Ok((StatusCode::CREATED, Json(coming(&upload, offset))).into_response())
}

/// How far an upload has come.
#[utoipa::path(
    get, path = "/v1/files/uploads/{upload}", tag = "files", operation_id = "upload",
    params(("upload" = String, Path, description = "Id of the upload")),
    responses((status = 200, description = "Go on at `offset`", body = Upload))
)]
pub(super) async fn upload(access: FilesAccess<Write>, segments: Segments) -> Result<Json<Upload>, Failure> {
    let upload = find(&access, &segments).await?;
    let offset = access.app().files.arrived(upload.id).map_err(unstored)?;
    Ok(Json(coming(&upload, offset)))
}

/// Send the next piece of an upload. The last one makes the file appear at its path, if its SHA-256 is the announced one.
#[utoipa::path(
    put, path = "/v1/files/uploads/{upload}", tag = "files", operation_id = "upload_piece",
    params(("upload" = String, Path, description = "Id of the upload"), PieceQuery),
    request_body(content = String, content_type = "application/octet-stream", description = "At most 8 MiB of the file"),
    responses((status = 200, description = "The next piece begins at `offset`", body = Upload))
)]
pub(super) async fn upload_piece(
    access: FilesAccess<Write>,
    segments: Segments,
    Params(query): Params<PieceQuery>,
    Raw(piece): Raw,
) -> Result<Json<Upload>, Failure> {
    let upload = find(&access, &segments).await?;
    let app = access.app();
    let end = query.offset.checked_add(piece.len() as u64).filter(|end| *end <= upload.file.size);
    let Some(end) = end else {
        return Err(Failure::invalid("offset", format!("the file was announced with {} bytes", upload.file.size)));
    };
    let (id, sent) = (upload.id, piece.len() as u64);
    let next = blocking(&app.files, move |space| {
        let Some(writer) = space.take(id) else { return Ok(None) };
        writer.append(query.offset, &piece).map(Some)
    });
    let next = next.await.map_err(piece_failure)?.ok_or_else(busy)?;
    app.traffic.add(upload.file.tenant, upload.file.project, sent);
    if next < upload.file.size || end < upload.file.size {
        return Ok(Json(coming(&upload, next)));
    }
    Ok(Json(finish(app, &upload).await?))
}

/// All bytes are there: checks them, and books the file.
async fn finish(app: &App, upload: &UploadRow) -> Result<Upload, Failure> {
    let (id, digest, size) = (upload.id, upload.file.digest, upload.file.size);
    // Nothing may take the content away between its file and its row.
    let _booking = app.files.booking.lock().await;
    let kept = blocking(&app.files, move |space| {
        let Some(writer) = space.take(id) else { return Ok(false) };
        writer.finish(digest, size).map(|()| true)
    })
    .await;
    match kept {
        Ok(true) => {}
        Ok(false) => return Err(busy()),
        Err(PieceError::Mismatch(found)) => {
            app.store.drop_upload(id).await?;
            let detail = format!("{digest} was announced and {found} arrived; nothing was kept, send it again");
            return Err(Failure::new(ErrorCode::ChecksumMismatch, detail));
        }
        Err(error) => return Err(piece_failure(error)),
    }
    let file = FileRow { at: app.clock.now(), ..upload.file.clone() };
    if let Err(refused) = app.store.put_file(&file, Some(id), app.files.bounds).await? {
        app.store.drop_upload(id).await?;
        return Err(refused.into());
    }
    Ok(done(&file))
}

/// Files of the tenant: everything in a folder, all files below it, or one file.
#[utoipa::path(
    get, path = "/v1/files", tag = "files", operation_id = "files", params(FilesQuery),
    responses((status = 200, description = "In the order of their paths' bytes", body = Page<FileEntry>))
)]
pub(super) async fn list(
    access: FilesAccess<Read>,
    Params(query): Params<FilesQuery>,
) -> Result<Json<Page<FileEntry>>, Failure> {
    let project = project_of(&access, query.project.as_deref()).await?;
    let limit = super::items(query.limit)? as usize;
    let path = query.path.unwrap_or_default();
    let path = path.trim_end_matches('/');
    if !path.is_empty() {
        let path = checked("path", path.to_owned())?;
        if let Some(file) = access.app().store.file(access.who.tenant, project, &path).await? {
            return Ok(Json(Page { items: vec![entry(&file)], next_cursor: None }));
        }
    }
    let folder = Folder { access: &access, project, path, recursive: query.recursive.unwrap_or(false) };
    let page = folder.page(limit, query.cursor.as_deref()).await?;
    if page.items.is_empty() && !path.is_empty() && query.cursor.is_none() {
        return Err(no_such_file(path));
    }
    Ok(Json(page))
}

/// A folder as it is listed: files below it stand in the order of their paths, and whatever has a further `/` is shown as the
/// folder it lies in, unless all files are wanted.
struct Folder<'a> {
    access: &'a FilesAccess<Read>,
    project: ProjectId,
    path: &'a str,
    recursive: bool,
}

impl Folder<'_> {
    async fn page(&self, limit: usize, cursor: Option<&str>) -> Result<Page<FileEntry>, Failure> {
        let prefix = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
        let end = if self.path.is_empty() { vec![0xff] } else { format!("{}0", self.path).into_bytes() };
        let mut from = match cursor {
            None => prefix.clone().into_bytes(),
            Some(cursor) => read_cursor(cursor).filter(|at| at.as_slice() >= prefix.as_bytes()).ok_or_else(|| {
                Failure::new(ErrorCode::BadCursor, "the cursor is not one that this list has given out")
            })?,
        };
        let mut items = Vec::new();
        loop {
            // One more than wanted tells whether there is a next page.
            let rows = u32::try_from(limit + 1 - items.len()).unwrap_or(u32::MAX);
            let tenant = self.access.who.tenant;
            let found = self.access.app().store.files_between(tenant, self.project, &from, &end, rows).await?;
            let all = found.len() < rows as usize;
            let mut skipped = false;
            for file in &found {
                if items.len() == limit {
                    return Ok(Page { items, next_cursor: Some(write_cursor(file.path.as_bytes())) });
                }
                let inner = file.path.get(prefix.len()..).unwrap_or_default();
                match inner.split_once('/').filter(|_| !self.recursive) {
                    None => items.push(entry(file)),
                    Some((name, _)) => {
                        let path = format!("{prefix}{name}");
                        // Behind everything in that folder: `0` comes after `/`.
                        from = format!("{path}0").into_bytes();
                        items.push(folder_entry(path));
                        skipped = true;
                        break;
                    }
                }
            }
            if !skipped {
                if all || found.is_empty() {
                    return Ok(Page { items, next_cursor: None });
                }
                // The next path after the last one: no text has a zero byte.
                from = found.last().map(|file| [file.path.as_bytes(), b"\0"].concat()).unwrap_or(from);
            }
        }
    }
}

/// The bytes of a file, all or a range of them.
#[utoipa::path(
    get, path = "/v1/files/content", tag = "files", operation_id = "file_content",
    params(FileQuery, ("Range" = Option<String>, Header, description = "One range: `bytes=0-99`, `bytes=100-`, `bytes=-100`")),
    responses(
        (status = 200, description = "All bytes; `ETag` is the SHA-256", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The bytes asked for", body = String, content_type = "application/octet-stream"),
    )
)]
pub(super) async fn content(
    access: FilesAccess<Read>,
    Params(query): Params<FileQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let project = project_of(&access, query.project.as_deref()).await?;
    let path = checked("path", query.path)?;
    let found = access.app().store.file(access.who.tenant, project, &path).await?;
    let file = found.ok_or_else(|| no_such_file(&path))?;
    let digest = file.digest;
    let content = blocking(&access.app().files, move |space| space.open(digest)).await.map_err(unstored)?;
    let content = Arc::new(content);
    let (traffic, tenant) = (access.app().traffic.clone(), access.who.tenant);
    let read = move |offset: u64, most: usize| {
        let (content, traffic) = (content.clone(), traffic.clone());
        async move {
            let read = tokio::task::spawn_blocking(move || read_at(&content, offset, most.min(FILE_READ_BYTES))).await;
            let bytes = read.map_err(std::io::Error::other)??;
            traffic.add(tenant, project, bytes.len() as u64);
            Ok(bytes)
        }
        .boxed()
    };
    bytes::serve(&headers, Served { size: file.size, tag: Some(file.digest.to_string()), read: Box::new(read) })
}

fn read_at(file: &std::fs::File, offset: u64, most: usize) -> std::io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; most];
    let read = file.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Remove a file, or a folder with everything below it.
#[utoipa::path(
    delete, path = "/v1/files", tag = "files", operation_id = "remove_files", params(RemoveQuery),
    responses((status = 200, description = "How many files were removed", body = FilesRemoved))
)]
pub(super) async fn remove(
    access: FilesAccess<Write>,
    Params(query): Params<RemoveQuery>,
) -> Result<Json<FilesRemoved>, Failure> {
    let project = project_of(&access, query.project.as_deref()).await?;
    let path = checked("path", query.path.trim_end_matches('/').to_owned())?;
    let all = query.recursive.unwrap_or(false);
    let files = access.app().store.remove_files(access.who.tenant, project, &path, all).await?;
    match files {
        0 => Err(no_such_file(&path)),
        files => Ok(Json(FilesRemoved { files })),
    }
}

/// A body of plain bytes, within its bounds.
pub(super) struct Raw(pub Bytes);

impl FromRequest<Shared> for Raw {
    type Rejection = Failure;
    async fn from_request(request: axum::extract::Request, state: &Shared) -> Result<Self, Failure> {
        let arrived = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
        let late = |_| Failure::new(ErrorCode::Malformed, format!("the piece did not arrive within {BODY_TIME_MAX:?}"));
        let read = arrived.map_err(late)?.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::new(
                ErrorCode::BodyTooLarge,
                format!("a piece has at most {UPLOAD_PIECE_BYTES_MAX} bytes; send several"),
            ),
            _ => Failure::new(ErrorCode::Malformed, "the piece did not arrive whole"),
        });
        read.map(Self)
    }
}

/// The project whose files are meant.
pub(super) async fn project_of(caller: &Caller, named: Option<&str>) -> Result<ProjectId, Failure> {
    let Some(text) = named else { return Ok(caller.who.project) };
    super::plain_text("project", text, 64)?;
    let found = caller.names().find_project(caller.who.tenant, text).await?;
    found.ok_or_else(|| Failure::invalid("project", format!("your tenant has no project `{text}`")))
}

/// A path that may be one of the file space.
pub(super) fn checked(field: &str, path: String) -> Result<String, Failure> {
    match path_fault(&path) {
        None => Ok(path),
        Some(fault) => Err(Failure::invalid(field, fault)),
    }
}

async fn find(access: &FilesAccess<Write>, segments: &Segments) -> Result<UploadRow, Failure> {
    let id = segments.get("upload").parse().map_err(|_| Failure::not_found("upload"))?;
    let found = access.app().store.upload(access.who.tenant, id).await?;
    found.ok_or_else(|| Failure::not_found("upload"))
}

fn coming(upload: &UploadRow, offset: u64) -> Upload {
    let UploadRow { id, file } = upload;
    Upload { upload: Some(id.to_string()), offset, done: false, ..done(file) }
}

fn done(file: &FileRow) -> Upload {
    let (path, sha256) = (file.path.clone(), file.digest.to_string());
    Upload { upload: None, offset: file.size, size: file.size, path, sha256, done: true }
}

fn entry(file: &FileRow) -> FileEntry {
    FileEntry {
        path: file.path.clone(),
        kind: FileKind::File,
        size: file.size,
        sha256: Some(file.digest.to_string()),
        mode: file.mode,
        modified_at: Some(file.at.into()),
    }
}

fn folder_entry(path: String) -> FileEntry {
    FileEntry { path, kind: FileKind::Folder, size: 0, sha256: None, mode: 0, modified_at: None }
}

fn write_cursor(path: &[u8]) -> String {
    path.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_cursor(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 2 * crate::limits::FILE_PATH_BYTES_MAX + 2 || !text.is_ascii()
    {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

pub(super) fn no_such_file(path: &str) -> Failure {
    let shown: String = path.chars().take(200).collect();
    Failure::new(ErrorCode::FileNotFound, format!("there is no file `{shown}`"))
}

fn busy() -> Failure {
    Failure::new(ErrorCode::WrongOffset, "another piece of this upload is being written at this moment").retry_after(1)
}

fn piece_failure(error: PieceError) -> Failure {
    match error {
        PieceError::Elsewhere(at) => Failure::new(ErrorCode::WrongOffset, format!("the next piece begins at {at}")),
        PieceError::Mismatch(found) => Failure::new(ErrorCode::ChecksumMismatch, format!("{found} arrived")),
        PieceError::Io(error) => unstored(error),
    }
}

/// The data folder does not do what it should; the operator reads why.
fn unstored(error: std::io::Error) -> Failure {
    Failure::new(ErrorCode::StoreUnavailable, "the platform's file store cannot be used now; try again in a moment")
        .note(format!("the data folder's files: {error}"))
        .retry_after(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip() {
        for path in ["", "a", "日本/🎉", "x0"] {
            assert_eq!(read_cursor(&write_cursor(path.as_bytes())), Some(path.as_bytes().to_vec()));
        }
        for bad in ["a", "zz", "é", &"00".repeat(2_000)] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }
}
