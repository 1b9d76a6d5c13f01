//! `hw put`: walks what is to be sent, computes digests here, sends what the platform has not.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use client::{Client, ClientError};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use wire::ErrorCode;
use wire::files::{Upload, UploadStart};

use super::{Place, Put, last_name, progress};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::cell::size;
use crate::view::{Cell, Table, View};

/// Bytes of one piece: half of what the server takes, so that a slow link (70 KiB/s) brings it within its minute.
const PIECE: usize = 4 << 20;
/// Times that a piece may be refused for beginning elsewhere before the upload is given up.
pub(super) const ASTRAY_MAX: usize = 5;

/// A file to be sent.
pub(super) struct Outgoing {
    pub(super) local: PathBuf,
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) mode: u32,
}

pub async fn put(desk: &Desk, args: Put) -> Result<View, Fault> {
    let client = desk.client()?;
    let Some((target, locals)) = args.paths.split_last() else {
        return Err(Fault::Usage(Word::BadRemote, vec![("path", String::new())]));
    };
    let place = Place::of(target);
    let into = locals.len() > 1 || target.ends_with('/') || place.path().is_empty();
    let target = place.path().to_owned();
    let mut all = Vec::new();
    for local in locals {
        let local = local.trim_end_matches('/');
        let local = if local.is_empty() { "/" } else { local };
        let path = match into {
            true => joined(&target, last_name(local)),
            false => target.clone(),
        };
        walk(desk, Path::new(local), path, true, &mut all)?;
    }
    let total: u64 = all.iter().map(|one| one.size).sum();
    let bar = progress(desk, total);
    let mut done = Vec::new();
    let mut sent = 0;
    if let Place::Job { job, .. } = &place {
        return super::send_job::put(desk, &client, job, &all, args.replace, &bar).await;
    }
    for one in &all {
        bar.set_message(one.path.clone());
        let before = bar.position();
        let (upload, bytes) = send(&client, one, args.project.as_deref(), &bar).await?;
        // What the platform had already counts as well.
        bar.set_position(before + one.size);
        sent += bytes;
        done.push(upload);
    }
    bar.finish_and_clear();
    let row = |one: &Upload| vec![Cell::text(&one.path), Cell::Bytes(one.size), Cell::text(&one.sha256)];
    let table = Table::new("file", &[Word::Path, Word::Size, Word::Digest]).with(done.iter().map(row));
    let gaps = [("n", done.len().to_string()), ("size", size(total)), ("sent", size(sent))];
    Ok(View::table(&done, table).and(Word::FilesPut.fill(desk.lang(), &gaps)))
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Everything at `local`, in name order. Links below a folder are left out, and it is said so; one that was named is followed.
fn walk(desk: &Desk, local: &Path, path: String, named: bool, all: &mut Vec<Outgoing>) -> Result<(), Fault> {
    let found = if named { std::fs::metadata(local) } else { std::fs::symlink_metadata(local) };
    let found = found.map_err(Fault::file(local))?;
    if found.is_symlink() {
        desk.tell(Word::LinkLeftOut, &[("path", local.display().to_string())]);
    } else if found.is_dir() {
        let listed = std::fs::read_dir(local).map_err(Fault::file(local))?;
        let mut names = listed.map(|one| one.map(|one| one.file_name())).collect::<Result<Vec<_>, _>>();
        let names = names.as_mut().map_err(|error| Fault::file(local)(std::mem::replace(error, other())))?;
        names.sort();
        for name in names {
            let inner = local.join(&*name);
            let Some(name) = name.to_str() else {
                return Err(Fault::Usage(Word::NameNotText, vec![("path", inner.display().to_string())]));
            };
            walk(desk, &inner, joined(&path, name), false, all)?;
        }
    } else if found.is_file() {
        all.push(Outgoing { local: local.into(), path, size: found.len(), mode: found.mode() & 0o777 });
    } else {
        return Err(Fault::Usage(Word::NotPlainFile, vec![("path", local.display().to_string())]));
    }
    Ok(())
}

fn other() -> std::io::Error {
    std::io::ErrorKind::Other.into()
}

/// SHA-256 of all bytes, as text.
pub(super) fn digest(one: &Outgoing, file: &mut File) -> Result<String, Fault> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut read = 0;
    loop {
        match file.read(&mut buffer).map_err(Fault::file(&one.local))? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                read += n as u64;
            }
        }
    }
    if read != one.size {
        return Err(changed(one));
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn changed(one: &Outgoing) -> Fault {
    Fault::Refused(Word::FileChanged, vec![("path", one.local.display().to_string())])
}

/// Sends one file as far as it is missing; also how many bytes that were.
async fn send(
    client: &Client,
    one: &Outgoing,
    project: Option<&str>,
    bar: &ProgressBar,
) -> Result<(Upload, u64), Fault> {
    let mut file = File::open(&one.local).map_err(Fault::file(&one.local))?;
    let start = UploadStart {
        path: one.path.clone(),
        size: one.size,
        sha256: digest(one, &mut file)?,
        mode: Some(one.mode),
        project: project.map(String::from),
    };
    let mut upload = client.begin_upload(&start).await?;
    let (mut sent, mut astray) = (0, 0);
    let before = bar.position();
    while let Some(id) = upload.upload.clone().filter(|_| !upload.done) {
        bar.set_position(before + upload.offset);
        let piece = piece(one, &file, upload.offset)?;
        let length = piece.len() as u64;
        match client.upload_piece(&id, upload.offset, piece).await {
            Ok(next) => {
                sent += length;
                upload = next;
            }
            // An answer was lost, or another `hw put` sends the same file: it is asked how far it has come.
            Err(error) if is(&error, ErrorCode::WrongOffset) && astray < ASTRAY_MAX => {
                astray += 1;
                upload = client.begin_upload(&start).await?;
            }
            // The last piece arrived and its answer was lost.
            Err(error) if is(&error, ErrorCode::NotFound) && astray < ASTRAY_MAX => {
                astray += 1;
                upload = client.begin_upload(&start).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((upload, sent))
}

pub(super) fn is(error: &ClientError, code: ErrorCode) -> bool {
    error.problem().is_some_and(|problem| problem.code == code)
}

pub(super) fn piece(one: &Outgoing, file: &File, offset: u64) -> Result<Vec<u8>, Fault> {
    let length = usize::try_from(one.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(PIECE);
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, offset) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(changed(one)),
        read => read.map(|()| bytes).map_err(Fault::file(&one.local)),
    }
}
