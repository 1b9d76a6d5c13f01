//! `hw put` into a job's work folder: each file in pieces, and in its place when it is whole. What was cut off is gone on with.

use std::fs::File;

use client::Client;
use indicatif::ProgressBar;
use wire::ErrorCode;
use wire::files::{JobUpload, JobUploadQuery};

use super::send::{ASTRAY_MAX, Outgoing, digest, is, piece};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::cell::size;
use crate::view::{Cell, Table, View};

pub async fn put(
    desk: &Desk,
    client: &Client,
    job: &str,
    all: &[Outgoing],
    replace: bool,
    bar: &ProgressBar,
) -> Result<View, Fault> {
    let mut done = Vec::new();
    for one in all {
        bar.set_message(one.path.clone());
        let before = bar.position();
        done.push(send(client, job, one, replace, bar).await?);
        bar.set_position(before + one.size);
    }
    bar.finish_and_clear();
    let row = |one: &JobUpload| vec![Cell::text(&one.path), Cell::Bytes(one.size)];
    let table = Table::new("file", &[Word::Path, Word::Size]).with(done.iter().map(row));
    let total = done.iter().map(|one| one.size).sum();
    let gaps = [("n", done.len().to_string()), ("size", size(total)), ("job", job.to_owned())];
    Ok(View::table(&done, table).and(Word::JobFilesPut.fill(desk.lang(), &gaps)))
}

async fn send(
    client: &Client,
    job: &str,
    one: &Outgoing,
    replace: bool,
    bar: &ProgressBar,
) -> Result<JobUpload, Fault> {
    let mut file = File::open(&one.local).map_err(Fault::file(&one.local))?;
    let mut query = JobUploadQuery {
        path: one.path.clone(),
        size: Some(one.size),
        sha256: Some(digest(one, &mut file)?),
        offset: None,
        replace: replace.then_some(true),
        mode: Some(one.mode),
    };
    let before = bar.position();
    // Without bytes it says how much of the file came by an earlier call; an empty file is there with that.
    let mut upload = client.put_job_file(job, &query, Vec::new()).await?;
    let mut astray = 0;
    while !upload.done {
        bar.set_position(before + upload.offset);
        query.offset = Some(upload.offset);
        match client.put_job_file(job, &query, piece(one, &file, upload.offset)?).await {
            Ok(next) => upload = next,
            // An answer was lost, or somebody else sends the same file: it is asked how far it has come.
            Err(error) if is(&error, ErrorCode::WrongOffset) && astray < ASTRAY_MAX => {
                astray += 1;
                query.offset = None;
                upload = client.put_job_file(job, &query, Vec::new()).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(upload)
}
