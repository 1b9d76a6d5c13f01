//! Files: a tenant's own, and those in the work folders of its jobs.

use reqwest::Response;
use wire::files::{FileEntry, FilesQuery, FilesRemoved, JobUpload, JobUploadQuery, Upload, UploadStart};

use crate::jobs::filters;
use crate::{Client, ClientError, Pages};

/// The bytes of a file as they come.
#[derive(Debug)]
pub struct Content {
    client: Client,
    answer: Response,
    /// Offset of the first byte that comes: what was asked for, or 0 when the file is another one now.
    pub first: u64,
}

impl Content {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let piece = self.answer.chunk().await.map_err(|source| self.client.broken(source))?;
        Ok(piece.map(Vec::from))
    }
}

impl Client {
    /// Begins to bring a file, or learns how far it has come.
    pub async fn begin_upload(&self, start: &UploadStart) -> Result<Upload, ClientError> {
        self.read(self.post(&["v1", "files", "uploads"]).json(start).repeatable()).await
    }
    pub async fn upload(&self, id: &str) -> Result<Upload, ClientError> {
        self.read(self.get(&["v1", "files", "uploads", id])).await
    }
    /// Sends a piece, at most 8 MiB, that begins at `offset`.
    pub async fn upload_piece(&self, id: &str, offset: u64, piece: Vec<u8>) -> Result<Upload, ClientError> {
        let call = self.put(&["v1", "files", "uploads", id]).query("offset", Some(offset));
        self.read(call.bytes_body(piece)).await
    }
    /// By path; `limit` and `cursor` of the query are not used.
    pub fn files(&self, query: &FilesQuery) -> Pages<FileEntry> {
        Pages::new(self, &["v1", "files"], filters(query))
    }
    /// The bytes of a file from `first` on; all of them when its SHA-256 is not `tag` any more.
    pub async fn file(
        &self,
        path: &str,
        project: Option<&str>,
        first: u64,
        tag: Option<&str>,
    ) -> Result<Content, ClientError> {
        let call = self.get(&["v1", "files", "content"]).query("path", Some(path)).query("project", project);
        self.content(call, first, tag).await
    }
    /// A file, or with `recursive` a folder and everything below it.
    pub async fn remove_files(
        &self,
        path: &str,
        project: Option<&str>,
        recursive: bool,
    ) -> Result<FilesRemoved, ClientError> {
        let call = self.delete(&["v1", "files"]).query("path", Some(path)).query("project", project);
        self.read(call.query("recursive", recursive.then_some(true))).await
    }
    /// What is in a job's work folder, at `path` from there on.
    pub fn job_files(&self, job: &str, path: &str) -> Pages<FileEntry> {
        Pages::new(self, &["v1", "jobs", job, "files"], vec![("path".to_owned(), path.to_owned())])
    }
    /// The bytes of a file in a job's work folder from `first` on; all of them when it is not the one of `tag` any more.
    pub async fn job_file(&self, job: &str, path: &str, first: u64, tag: Option<&str>) -> Result<Content, ClientError> {
        let call = self.get(&["v1", "jobs", job, "files", "content"]).query("path", Some(path));
        self.content(call, first, tag).await
    }

    /// Sends a piece, at most 8 MiB, of a file into a job's work folder; one without bytes asks how far the file has come.
    pub async fn put_job_file(
        &self,
        job: &str,
        query: &JobUploadQuery,
        piece: Vec<u8>,
    ) -> Result<JobUpload, ClientError> {
        let call = self.put(&["v1", "jobs", job, "files", "content"]).pairs(&filters(query));
        self.read(call.bytes_body(piece)).await
    }

    pub(crate) async fn content(
        &self,
        mut call: crate::transport::Call,
        first: u64,
        tag: Option<&str>,
    ) -> Result<Content, ClientError> {
        if first > 0 {
            call = call.header("range", &format!("bytes={first}-"));
            if let Some(tag) = tag {
                call = call.header("if-range", &format!("\"{tag}\""));
            }
        }
        let answer = self.send(call).await?;
        let first = if answer.status() == reqwest::StatusCode::PARTIAL_CONTENT { first } else { 0 };
        Ok(Content { client: self.clone(), answer, first })
    }
}
