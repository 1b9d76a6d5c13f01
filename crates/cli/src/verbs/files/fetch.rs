//! `hw get`: what comes is written beside its place, checked, and put there at once when it is whole.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use client::{Client, Content};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use wire::files::{FileEntry, FileKind};

use super::{Get, Place, last_name, listed, progress};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::cell::size;
use crate::view::{Cell, Table, View};

/// What a file keeps whatever was said of it: its owner may read and replace it.
const MODE_OWNER: u32 = 0o600;
/// Bytes read at a time of what is here already.
const READ: usize = 1 << 20;

/// From where files come.
struct Source<'a> {
    client: &'a Client,
    place: &'a Place,
    project: Option<&'a str>,
}

impl Source<'_> {
    async fn content(&self, path: &str, first: u64, tag: &str) -> Result<Content, Fault> {
        Ok(match self.place {
            Place::Space(_) => self.client.file(path, self.project, first, Some(tag)).await?,
            Place::Job { job, .. } => self.client.job_file(job, path, first, Some(tag)).await?,
        })
    }
}

pub async fn get(desk: &Desk, args: Get) -> Result<View, Fault> {
    let client = desk.client()?;
    let place = Place::of(&args.from);
    let found = listed(&client, &place, args.project.as_deref(), true).await?;
    let source = Source { client: &client, place: &place, project: args.project.as_deref() };
    let to = Path::new(&args.to);
    let into = args.to.ends_with('/') || to.is_dir();
    let here = match (into, last_name(place.path())) {
        (true, "") | (false, _) => to.to_path_buf(),
        (true, name) => to.join(name),
    };
    let bar = progress(desk, found.iter().map(|one| one.size).sum());
    let mut got = Vec::new();
    for one in found {
        if one.kind != FileKind::File {
            desk.tell(Word::LinkLeftOut, &[("path", one.path.clone())]);
            continue;
        }
        bar.set_message(one.path.clone());
        fetch(&source, &one, &beneath(&here, place.path(), &one.path)?, &bar).await?;
        got.push(one);
    }
    bar.finish_and_clear();
    let row = |one: &FileEntry| vec![Cell::text(&one.path), Cell::Bytes(one.size)];
    let table = Table::new("file", &[Word::Path, Word::Size]).with(got.iter().map(row));
    let total = got.iter().map(|one| one.size).sum();
    let gaps = [("n", got.len().to_string()), ("size", size(total))];
    Ok(View::table(&got, table).and(Word::FilesGot.fill(desk.lang(), &gaps)))
}

/// Where the file `path` from below `root` goes. What a server says leads out of nowhere.
fn beneath(here: &Path, root: &str, path: &str) -> Result<PathBuf, Fault> {
    let inner = path.strip_prefix(root).map(|rest| rest.trim_start_matches('/'));
    let bad = || Fault::Refused(Word::BadRemote, vec![("path", path.to_owned())]);
    let inner = inner.ok_or_else(bad)?;
    let mut place = here.to_path_buf();
    for part in inner.split('/').filter(|_| !inner.is_empty()) {
        if matches!(part, "" | "." | "..") || part.contains('\0') {
            return Err(bad());
        }
        place.push(part);
    }
    Ok(place)
}

/// Fetches one file, going on where an earlier try was cut off.
async fn fetch(source: &Source<'_>, one: &FileEntry, to: &Path, bar: &ProgressBar) -> Result<(), Fault> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Fault::file(folder))?;
    if to.is_dir() {
        return Err(Fault::Refused(Word::IsFolder, vec![("path", to.display().to_string())]));
    }
    // Named by what is fetched: a part of other bytes is never gone on with.
    let modified = one.modified_at.map_or(0, |at| at.0.as_secs());
    let tag = one.sha256.clone().unwrap_or_else(|| format!("{}-{modified}", one.size));
    let part = folder.join(format!(".hw-part-{}", tag.chars().take(32).collect::<String>()));
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part);
    let file = file.as_mut().map_err(|error| Fault::file(&part)(std::mem::replace(error, gone())))?;
    let before = bar.position();
    let mut hash = Sha256::new();
    let mut offset = present(file, &mut hash, one.size).map_err(Fault::file(&part))?;
    let (mut failures, mut reached) = (0, offset);
    while offset < one.size {
        bar.set_position(before + offset);
        let content = source.content(&one.path, offset, &tag).await?;
        let received = receive(content, file, &mut hash, &mut offset, one.size, bar).await;
        let Err(fault) = received else { continue };
        // A line that breaks again and again without bringing anything is not coming back.
        failures = if offset > reached { 1 } else { failures + 1 };
        reached = offset;
        let retry = source.client.retry();
        if !matches!(&fault, Fault::Client(error) if error.is_passing()) || failures >= retry.tries {
            return Err(fault);
        }
        tokio::time::sleep(retry.pause(failures, None)).await;
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if one.sha256.as_ref().is_some_and(|announced| *announced != digest) {
        std::fs::remove_file(&part).map_err(Fault::file(&part))?;
        return Err(Fault::Refused(Word::ArrivedDamaged, vec![("path", one.path.clone())]));
    }
    let finish = || {
        file.set_permissions(Permissions::from_mode((one.mode & 0o777) | MODE_OWNER))?;
        file.sync_all()?;
        std::fs::rename(&part, to)
    };
    finish().map_err(Fault::file(to))?;
    bar.set_position(before + one.size);
    Ok(())
}

fn gone() -> std::io::Error {
    std::io::ErrorKind::Other.into()
}

/// Bytes that are here already, with their digest; what is longer than it can be is thrown away.
fn present(file: &mut File, hash: &mut Sha256, size: u64) -> std::io::Result<u64> {
    if file.metadata()?.len() > size {
        file.set_len(0)?;
    }
    let mut buffer = vec![0; READ];
    let mut offset = 0;
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(offset),
            n => {
                hash.update(&buffer[..n]);
                offset += n as u64;
            }
        }
    }
}

/// Writes what comes. When the file is another one by now it comes from its beginning, and so it is begun again.
async fn receive(
    mut content: Content,
    file: &mut File,
    hash: &mut Sha256,
    offset: &mut u64,
    size: u64,
    bar: &ProgressBar,
) -> Result<(), Fault> {
    if content.first != *offset {
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(Fault::file("<part>"))?;
        *hash = Sha256::new();
        *offset = 0;
    }
    while let Some(mut piece) = content.next().await? {
        // A job that goes on writing makes the file longer than it was when it was looked at.
        piece.truncate(usize::try_from(size - *offset).unwrap_or(usize::MAX));
        file.write_all(&piece).map_err(Fault::file("<part>"))?;
        hash.update(&piece);
        *offset += piece.len() as u64;
        bar.inc(piece.len() as u64);
        if *offset == size {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_server_says_leads_out() {
        let place = |root, path| beneath(Path::new("/here/x"), root, path).ok().map(|p| p.display().to_string());
        assert_eq!(place("data/x", "data/x").as_deref(), Some("/here/x"));
        assert_eq!(place("data/x", "data/x/a/b").as_deref(), Some("/here/x/a/b"));
        assert_eq!(place("", "a/b").as_deref(), Some("/here/x/a/b"));
        for bad in ["data/x/../y", "data/x/a//b", "other", "data/x/a/.."] {
            assert_eq!(place("data/x", bad), None, "{bad}");
        }
    }
}
