//! Opens a job's folder and files with the rights of the user who runs it, never with the platform's.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use base::Bytes;
use nix::unistd::{Gid, Uid};

use crate::plan::{Files, Plan};
use crate::sys;

/// Device number of `/dev/null`: major 1, minor 3.
const NULL_DEVICE: u64 = (1 << 8) | 3;

/// Why a job's files could not be opened; every one is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("cannot take on the identity of the user who runs jobs: {0}")]
    Identity(#[source] io::Error),
    #[error("the work folder {path} cannot be {what}: {source}")]
    WorkDir { path: String, what: &'static str, source: io::Error },
    #[error("{what} {path} cannot be opened: {source}")]
    Stream { what: &'static str, path: String, source: io::Error },
    #[error("{what} {path} is neither a regular file nor /dev/null")]
    NotRegular { what: &'static str, path: String },
    #[error("the file system of {path} has only {free} bytes left, and {reserve} are kept free")]
    NoSpace { path: String, free: u64, reserve: Bytes },
}

/// The opened streams, and those of them that can grow.
pub struct Opened {
    pub streams: [OwnedFd; 3],
    /// Regular output files, for watching their sizes, with the name of each.
    pub outputs: Vec<(String, File)>,
}

/// Opens everything as the plan's user. The identity of the process is its own again afterwards.
pub fn open(plan: &Plan) -> Result<Opened, FilesError> {
    let Some(user) = &plan.run_as else { return open_all(plan) };
    sys::assume_file_identity(Uid::from_raw(user.uid), Gid::from_raw(user.gid), &user.groups)
        .map_err(FilesError::Identity)?;
    let opened = open_all(plan);
    sys::set_file_ids(Uid::from_raw(0), Gid::from_raw(0)).map_err(FilesError::Identity)?;
    opened
}

fn open_all(plan: &Plan) -> Result<Opened, FilesError> {
    let files = &plan.files;
    work_dir(files)?;
    let stdin = stream("the input", &files.stdin, OpenOptions::new().read(true))?;
    let mut write = OpenOptions::new();
    // Appending also in the other mode: output and errors may share a file by two names.
    write.append(true).create(true).mode(0o644);
    let truncate = |file: &File, path: &str| -> Result<(), FilesError> {
        if plan.append || !is_regular(file) {
            return Ok(());
        }
        file.set_len(0).map_err(|source| FilesError::Stream { what: "the output", path: path.to_owned(), source })
    };
    let stdout = stream("the output", &files.stdout, &write)?;
    truncate(&stdout, &files.stdout)?;
    enough_space(plan, &stdout)?;
    let same = files.stderr == files.stdout;
    let stderr = if same { again(&stdout, files)? } else { stream("the error output", &files.stderr, &write)? };
    if !same {
        truncate(&stderr, &files.stderr)?;
    }
    let mut outputs = Vec::new();
    for (path, file) in [(&files.stdout, &stdout), (&files.stderr, &stderr)].into_iter().take(if same { 1 } else { 2 })
    {
        if is_regular(file) {
            outputs.push((path.clone(), again(file, files)?));
        }
    }
    Ok(Opened { streams: [stdin.into(), stdout.into(), stderr.into()], outputs })
}

fn again(file: &File, files: &Files) -> Result<File, FilesError> {
    file.try_clone().map_err(|source| FilesError::Stream { what: "the output", path: files.stdout.clone(), source })
}

fn work_dir(files: &Files) -> Result<(), FilesError> {
    let path = Path::new(&files.work_dir);
    let refused = |what| move |source| FilesError::WorkDir { path: files.work_dir.clone(), what, source };
    if files.create_below.is_some() {
        DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(refused("created"))?;
    }
    let not_a_dir = || io::Error::from(io::ErrorKind::NotADirectory);
    let found = std::fs::metadata(path).map_err(refused("entered"))?;
    if !found.is_dir() {
        return Err(refused("entered")(not_a_dir()));
    }
    Ok(())
}

fn stream(what: &'static str, path: &str, options: &OpenOptions) -> Result<File, FilesError> {
    // Without following a link in the last place, without waiting for the other end of a pipe, without a terminal.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = options.clone().custom_flags(flags).open(path);
    let file = opened.map_err(|source| FilesError::Stream { what, path: path.to_owned(), source })?;
    let known =
        file.metadata().is_ok_and(|m| m.is_file() || (m.file_type().is_char_device() && m.rdev() == NULL_DEVICE));
    if known { Ok(file) } else { Err(FilesError::NotRegular { what, path: path.to_owned() }) }
}

fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|m| m.is_file())
}

fn enough_space(plan: &Plan, stdout: &File) -> Result<(), FilesError> {
    if !is_regular(stdout) {
        return Ok(());
    }
    let reserve = plan.watch.disk_reserve;
    match sys::free_space(stdout.as_fd()) {
        Ok(free) if free < reserve.0 => Err(FilesError::NoSpace { path: plan.files.stdout.clone(), free, reserve }),
        _ => Ok(()),
    }
}
