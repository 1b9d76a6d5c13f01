//! The work root: is it there, can we write, does what we wrote come back?

use ports::{FileError, Files};

use super::{Checked, Finding, Told};

/// What the check writes and reads back.
pub(super) const TEXT: &str = "Headworks was here; this file may be removed.\n";

/// What is known of the work root afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// A file was written and read.
    Good,
    /// Nobody can look: this way in carries no files.
    Unseen,
    Bad,
}

/// The folder of this check, below the work root.
pub(super) fn folder(wanted: &Checked<'_>) -> String {
    format!("hw-check-{:08x}", wanted.tag)
}

pub(super) async fn look(files: Option<&dyn Files>, wanted: &Checked<'_>, findings: &mut Told<'_>) -> Root {
    let root = &wanted.config.work_root;
    let Some(files) = files else {
        let found = format!("{root} cannot be looked at through this way in");
        let advice = "add `files` (\"here\" where it is mounted, or an SSH host) for logs, inputs and results";
        findings.push(Finding::warn("work_root", found, advice));
        return Root::Unseen;
    };
    match write_and_read(files, wanted).await {
        Ok(true) => {
            findings.push(Finding::ok("work_root", format!("{root}: a file was written and read back")));
            Root::Good
        }
        Ok(false) => {
            let advice = "something between here and there changes files: see the file system and the way to it";
            findings.push(Finding::fail(
                "work_root",
                format!("{root}: a file came back other than it was written"),
                advice,
            ));
            Root::Bad
        }
        Err(error) => {
            findings.push(Finding::fail("work_root", format!("{root}: {error}"), advice(&error)));
            Root::Bad
        }
    }
}

async fn write_and_read(files: &dyn Files, wanted: &Checked<'_>) -> Result<bool, FileError> {
    let folder = folder(wanted);
    files.make_folder(&folder).await?;
    let path = format!("{folder}/probe");
    files.write(&path, 0, TEXT.as_bytes().to_vec(), 0o600).await?;
    let back = files.read(&path, 0, TEXT.len() + 1).await?;
    Ok(back == TEXT.as_bytes())
}

fn advice(error: &FileError) -> &'static str {
    match error {
        FileError::NotFound(_) => {
            "make the folder there, on a file system that all nodes share, or name another `work_root`"
        }
        FileError::Denied(_) => "let this account own the folder, or name another `work_root`",
        FileError::Full(_) => "make room there, or name a `work_root` on another file system",
        FileError::Unreachable(_) => {
            "see that files can be reached: SFTP may be switched off, or the mount is not there"
        }
        FileError::Outside { .. } | FileError::Exists(_) | FileError::WrongKind { .. } => {
            "name a `work_root` that is a plain folder of this account"
        }
    }
}

/// Takes away what the check made. What cannot be removed is harmless and says so itself.
pub(super) async fn clear(files: &dyn Files, wanted: &Checked<'_>) {
    let _ = files.remove(&folder(wanted)).await;
}
