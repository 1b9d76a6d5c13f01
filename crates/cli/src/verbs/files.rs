//! Files: bringing them into the tenant's file space, fetching them from there or from a job's work folder, listing, printing,
//! removing. What was cut off is gone on with by the same command.

mod fetch;
mod send;
mod send_job;

use clap::Args;
use client::Client;
use indicatif::{ProgressBar, ProgressStyle};
use wire::files::{FileEntry, FileKind, FilesQuery, FilesRemoved};

use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Table, View};

pub use fetch::get;
pub use send::put;

#[derive(Debug, Args)]
pub struct Put {
    /// Local files or folders, one or several, and behind them a path of the file space or JOB:PATH; one that ends with `/` means below it
    #[arg(value_name = "LOCAL… REMOTE|JOB:[PATH]", required = true, num_args = 2..)]
    pub paths: Vec<String>,
    /// Replace files of a job's work folder; those of the file space are replaced in any case
    #[arg(long)]
    pub replace: bool,
    /// Project whose files these are [default: your own]
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// A path of the file space, or JOB:PATH
    #[arg(value_name = "REMOTE|JOB:PATH")]
    pub from: String,
    /// Local file or folder
    #[arg(value_name = "LOCAL", default_value = ".")]
    pub to: String,
    /// Project whose files these are [default: your own]
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// A path of the file space, JOB: or JOB:PATH [default: the root]
    #[arg(value_name = "REMOTE|JOB:[PATH]", default_value = "", hide_default_value = true)]
    pub path: String,
    /// All files below
    #[arg(long, short = 'R')]
    pub recursive: bool,
    /// Project whose files these are [default: your own]
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
}

#[derive(Debug, Args)]
pub struct Cat {
    /// Paths of the file space, or JOB:PATH
    #[arg(value_name = "REMOTE|JOB:PATH", required = true)]
    pub paths: Vec<String>,
    /// Project whose files these are [default: your own]
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
}

#[derive(Debug, Args)]
pub struct Rm {
    /// Paths of the file space
    #[arg(value_name = "REMOTE", required = true)]
    pub paths: Vec<String>,
    /// Folders with everything below them
    #[arg(long, short = 'r')]
    pub recursive: bool,
    /// Project whose files these are [default: your own]
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
}

/// Where a file is on the platform's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Space(String),
    Job { job: String, path: String },
}

impl Place {
    /// What stands before a colon and is a job's name makes it a job's; `./12:x` is a file of the space called `12:x`.
    pub fn of(text: &str) -> Place {
        match text.split_once(':') {
            Some((job, path)) if job.parse::<jobscript::JobRef>().is_ok() => {
                Place::Job { job: job.to_owned(), path: remote(path) }
            }
            _ => Place::Space(remote(text)),
        }
    }

    pub fn path(&self) -> &str {
        match self {
            Place::Space(path) | Place::Job { path, .. } => path,
        }
    }
}

/// A remote path as the server names it: `/a/`, `./a` and `a` are the same.
pub fn remote(text: &str) -> String {
    let mut text = text.trim_end_matches('/');
    while let Some(rest) = text.strip_prefix("./").or(text.strip_prefix('/')) {
        text = rest;
    }
    if text == "." { String::new() } else { text.to_owned() }
}

/// The last part of a path.
fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Progress for whoever watches: on a terminal only.
fn progress(desk: &Desk, bytes: u64) -> ProgressBar {
    if !desk.settings.stderr_terminal || desk.settings.look.json {
        return ProgressBar::hidden();
    }
    let template = "{bar:30} {percent:>3}% {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} {wide_msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}

/// What is at a place: the file itself, what a folder has in it, or with `all` every file below it.
async fn listed(client: &Client, place: &Place, project: Option<&str>, all: bool) -> Result<Vec<FileEntry>, Fault> {
    match place {
        Place::Space(path) => {
            let query = FilesQuery {
                path: Some(path.clone()).filter(|path| !path.is_empty()),
                project: project.map(String::from),
                recursive: all.then_some(true),
                ..FilesQuery::default()
            };
            Ok(client.files(&query).take(usize::MAX).await?.items)
        }
        Place::Job { job, path } => {
            let mut found = client.job_files(job, path).take(usize::MAX).await?.items;
            if !all {
                return Ok(found);
            }
            let mut files = Vec::new();
            while let Some(one) = found.pop() {
                match one.kind {
                    FileKind::Folder => found.extend(client.job_files(job, &one.path).take(usize::MAX).await?.items),
                    FileKind::File | FileKind::Link | FileKind::Other => files.push(one),
                }
            }
            files.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(files)
        }
    }
}

pub async fn ls(desk: &Desk, args: Ls) -> Result<View, Fault> {
    let client = desk.client()?;
    let found = listed(&client, &Place::of(&args.path), args.project.as_deref(), args.recursive).await?;
    let row = |one: &FileEntry| {
        vec![
            Cell::text(one.kind.as_str()),
            if one.kind == FileKind::File { Cell::Bytes(one.size) } else { Cell::Empty },
            Cell::maybe(one.modified_at, Cell::Time),
            Cell::text(&one.path),
        ]
    };
    let heads = [Word::Kind, Word::Size, Word::Modified, Word::Path];
    Ok(View::table(&found, Table::new("file", &heads).with(found.iter().map(row))))
}

pub async fn cat(desk: &Desk, args: Cat) -> Result<View, Fault> {
    let client = desk.client()?;
    for path in &args.paths {
        let mut content = match Place::of(path) {
            Place::Space(path) => client.file(&path, args.project.as_deref(), 0, None).await?,
            Place::Job { job, path } => client.job_file(&job, &path, 0, None).await?,
        };
        while let Some(piece) = content.next().await? {
            desk.out_bytes(&piece)?;
        }
    }
    Ok(View::done(Exit::Ok))
}

pub async fn rm(desk: &Desk, args: Rm) -> Result<View, Fault> {
    let client = desk.client()?;
    let mut removed = FilesRemoved { files: 0 };
    for text in &args.paths {
        let Place::Space(path) = Place::of(text) else {
            return Err(Fault::Usage(Word::NoJobThere, vec![("path", text.clone())]));
        };
        if args.recursive {
            desk.confirm(Word::ReallyRemove, &[("path", path.clone())])?;
        }
        removed.files += client.remove_files(&path, args.project.as_deref(), args.recursive).await?.files;
    }
    let note = Word::FilesRemoved.fill(desk.lang(), &[("n", removed.files.to_string())]);
    Ok(View::note(&removed, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let job = |job: &str, path: &str| Place::Job { job: job.into(), path: path.into() };
        for (text, place) in [
            ("12:", job("12", "")),
            ("12:out/x", job("12", "out/x")),
            ("12_3:/x/", job("12_3", "x")),
            ("12", Place::Space("12".into())),
            ("./12:x", Place::Space("12:x".into())),
            ("a:b", Place::Space("a:b".into())),
            ("/data//x/", Place::Space("data//x".into())),
            (".", Place::Space(String::new())),
            ("/", Place::Space(String::new())),
        ] {
            assert_eq!(Place::of(text), place, "{text}");
        }
    }
}
