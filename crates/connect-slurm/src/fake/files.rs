//! The work folder of the fake, as the platform sees it.

use std::io;

use futures::FutureExt;
use futures::future::BoxFuture;
use ports::{Entry, EntryKind, FileError, Files};

use crate::fake::FakeSlurm;
use crate::fake::model::Model;

pub struct FakeFiles(pub FakeSlurm);

impl FakeFiles {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        what: impl FnOnce(&mut Model) -> Result<T, FileError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, FileError>> {
        let mut memory = self.0.now();
        let answer = if memory.files_down || memory.cut {
            Err(FileError::Unreachable(io::ErrorKind::TimedOut.into()))
        } else {
            what(&mut memory.model)
        };
        std::future::ready(answer).boxed()
    }
}

fn missing(path: &str) -> FileError {
    FileError::NotFound(path.to_owned())
}

impl Files for FakeFiles {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        self.ask(move |model| {
            let (kind, size) = match model.files.get(path) {
                Some(bytes) => (EntryKind::File, bytes.len() as u64),
                None if model.has_folder(path) => (EntryKind::Folder, 0),
                None => return Err(missing(path)),
            };
            Ok(Entry { name: path.to_owned(), kind, size, modified_secs: model.seconds(), mode: 0o600 })
        })
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        self.ask(move |model| {
            let prefix = format!("{path}/");
            let mut names: Vec<(String, EntryKind, u64)> = Vec::new();
            for (file, bytes) in &model.files {
                let Some(rest) = file.strip_prefix(&prefix) else { continue };
                match rest.split_once('/') {
                    Some((folder, _)) => names.push((folder.to_owned(), EntryKind::Folder, 0)),
                    None => names.push((rest.to_owned(), EntryKind::File, bytes.len() as u64)),
                }
            }
            names.dedup_by(|a, b| a.0 == b.0);
            let modified_secs = model.seconds();
            let entry = |(name, kind, size)| Entry { name, kind, size, modified_secs, mode: 0o600 };
            Ok(names.into_iter().map(entry).collect())
        })
    }

    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        self.ask(move |model| {
            let bytes = model.files.get(path).ok_or_else(|| missing(path))?;
            let rest = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
            Ok(rest[..rest.len().min(max)].to_vec())
        })
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        _mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>> {
        self.ask(move |model| {
            let file = model.files.entry(path.to_owned()).or_default();
            file.resize(usize::try_from(offset).unwrap_or(0), 0);
            file.extend(bytes);
            Ok(())
        })
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        self.ask(move |model| {
            model.folders.insert(path.to_owned());
            Ok(())
        })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        self.ask(move |model| {
            let bytes = model.files.remove(from).ok_or_else(|| missing(from))?;
            model.files.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        self.ask(move |model| {
            let prefix = format!("{path}/");
            model.files.retain(|name, _| name != path && !name.starts_with(&prefix));
            model.folders.retain(|name| name != path && !name.starts_with(&prefix));
            Ok(())
        })
    }
}
