//! A file copied at the far end of an SSH connection without its bytes coming here: by the SFTP server where it can (OpenSSH since
//! 9.0), else by `cp` in a shell there, else over the line and back. Knows no work folder's meaning.

use std::time::Duration;

use ports::files::copy_by_pieces;
use ports::{EntryKind, FileError};

use crate::cli::runner::{Call, RunError};
use crate::files::SftpFiles;
use crate::files::sftp::{Line, Session, at};
use crate::files::sftp_client::Fault;
use crate::ssh::runner::one_shell;

/// Bytes of one order to the SFTP server, which does nothing else meanwhile: half a second of a slow disk.
const PIECE_BYTES: u64 = 32 << 20;
/// A `cp` there may take this long: 100 GB at 60 MB/s.
const COPY_TIME_MAX: Duration = Duration::from_secs(1_800);

impl SftpFiles {
    pub(super) async fn copy_there(&self, from: &str, to: &str, mode: u32) -> Result<(), FileError> {
        let session = self.session(true).await?;
        let (source, found) = session.found(from, EntryKind::File).await?;
        if session.client.has(COPY_DATA) {
            return session.copy_data((from, &source), found.size, to, mode).await;
        }
        // Makes the file with its mode, or empties the one that is there: `cp` keeps what it finds.
        session.write(to, 0, &[], mode).await?;
        let (target, _) = session.found(to, EntryKind::File).await?;
        if source == target {
            return Err(FileError::Denied(format!("{to}: a file is not copied onto itself")));
        }
        let (Ok(source), Ok(target)) = (String::from_utf8(source), String::from_utf8(target)) else {
            return copy_by_pieces(self, from, to, mode).await;
        };
        let Line::Ssh(ssh) = &self.line else { return copy_by_pieces(self, from, to, mode).await };
        // One more of sshd's ten sessions, for as long as it takes.
        let _one = self.copying.lock().await;
        let call = Call {
            program: "cp".to_owned(),
            arguments: ["--", &source, &target].map(str::to_owned).into(),
            environment: vec![("LC_ALL", "C".to_owned())],
            stdin: None,
            timeout: COPY_TIME_MAX,
        };
        let copied = async {
            let (_line, mut shell) = one_shell(ssh).await?;
            tokio::time::timeout(COPY_TIME_MAX, shell.run(&call))
                .await
                .unwrap_or_else(|_| Err(RunError::Lost(std::io::ErrorKind::TimedOut.into())))
        };
        match copied.await {
            Ok(output) if output.ok() => Ok(()),
            Ok(output) => {
                let said = output.said();
                let full = said.contains("No space left") || said.contains("quota exceeded");
                Err(if full { FileError::Full(said) } else { FileError::Denied(format!("{to}: {said}")) })
            }
            // An account that may use files and has no shell.
            Err(RunError::NotStarted(_)) => copy_by_pieces(self, from, to, mode).await,
            Err(RunError::Lost(fault)) => Err(FileError::Unreachable(fault)),
            Err(error @ RunError::TooMuch) => Err(FileError::Unreachable(std::io::Error::other(error))),
        }
    }
}

/// Copies between two open files (draft-ietf-secsh-filexfer-extensions-00, section 7).
pub(super) const COPY_DATA: &str = "copy-data";

impl Session {
    async fn copy_data(&self, from: (&str, &[u8]), size: u64, to: &str, mode: u32) -> Result<(), FileError> {
        let (from, source) = from;
        let read = self.client.open_to_read(source).await.map_err(|fault| at(from, fault))?;
        let copied = async {
            let write = self.open_anew(to, mode).await?;
            let copied = self.copy_open(&read, &write, size).await;
            let closed = self.client.close(&write).await;
            match copied.and(closed) {
                Ok(()) => Ok(()),
                Err(fault) => Err(self.not_written(to, 1, fault).await),
            }
        }
        .await;
        let _ = self.client.close(&read).await;
        copied
    }

    async fn copy_open(&self, read: &[u8], write: &[u8], size: u64) -> Result<(), Fault> {
        let mut offset = 0;
        while offset < size {
            let length = PIECE_BYTES.min(size - offset);
            self.client.copy_data(read, offset, length, write, offset).await?;
            offset += length;
        }
        Ok(())
    }
}
