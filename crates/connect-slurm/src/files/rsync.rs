//! A content of which the far end has an older one, sent by rsync: what both have stays where it is, the rest travels, through the
//! connection that is there. Whatever rsync makes counts only once its SHA-256 was computed at the far end. Refuses to know: which content
//! is like which.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::ContentDigest;
use ports::files::UNFINISHED;
use ports::{Differences, DifferencesSent, EntryKind, FileError, Files};
use tokio::process::Command;

use crate::cli::runner::{Call, Output, RunError, SEARCH_PATH, found};
use crate::files::SftpFiles;
use crate::files::sftp::Line;
use crate::ssh::runner::one_shell;
use crate::ssh::{Master, Ssh};

/// Oldest version at either end: before 3.0 names pass through the shell there, before 3.1 figures are written otherwise.
const OLDEST: (u32, u32) = (3, 1);
/// Longest wait for a program's version.
const VERSION_TIME_MAX: Duration = Duration::from_secs(20);
/// rsync ends a line that says nothing for so long; `ssh` notices a dead one within 20 s.
const SILENCE_SECS: u32 = 60;
/// A SHA-256 there may take so long: 100 GB at 60 MB/s.
const DIGEST_TIME_MAX: Duration = Duration::from_secs(1_800);
/// After rsync failed: whether it was the line shows within this time.
const LINE_TIME_MAX: Duration = Duration::from_secs(1);
/// Shown of what rsync says.
const SAID_BYTES_MAX: usize = 1 << 10;

/// What holds for one connection: the words of both versions, or why it cannot be used.
pub(super) struct Known {
    master: Weak<Master>,
    by: Result<String, String>,
}

/// Why no content came of it.
enum Failed {
    /// Something else may be tried.
    Not(String),
    Line(io::Error),
}

impl From<FileError> for Failed {
    fn from(error: FileError) -> Failed {
        match error {
            FileError::Unreachable(fault) => Failed::Line(fault),
            error => Failed::Not(error.to_string()),
        }
    }
}

fn not(why: impl Into<String>) -> Failed {
    Failed::Not(why.into())
}

impl SftpFiles {
    pub(super) async fn rsync_there(&self) -> Result<Option<Differences>, FileError> {
        let Line::Ssh(ssh) = &self.line else { return Ok(None) };
        Ok(Some(match self.rsync_over(ssh).await?.1 {
            Ok(by) => Differences::Sent(by),
            Err(why) => Differences::NotSent(why),
        }))
    }

    /// The connection, and what rsync can do over it.
    async fn rsync_over(&self, ssh: &Ssh) -> Result<(Arc<Master>, Result<String, String>), FileError> {
        let master = ssh.master().await.map_err(FileError::Unreachable)?;
        let mut known = self.rsync.lock().await;
        if let Some(known) = known.as_ref()
            && known.master.upgrade().is_some_and(|of| Arc::ptr_eq(&of, &master))
        {
            return Ok((master, known.by.clone()));
        }
        let by = both(ssh, &master).await.map_err(FileError::Unreachable)?;
        if let Err(why) = &by {
            tracing::info!(host = ssh.name(), why, "a file that changed is sent there whole, without rsync");
        }
        *known = Some(Known { master: Arc::downgrade(&master), by: by.clone() });
        Ok((master, by))
    }

    pub(super) async fn send_by_rsync(
        &self,
        content: &Path,
        digest: ContentDigest,
        basis: &str,
        to: &str,
    ) -> Result<DifferencesSent, FileError> {
        let Line::Ssh(ssh) = &self.line else {
            return Ok(DifferencesSent::NotDone("rsync goes through a login node only".to_owned()));
        };
        let (master, by) = self.rsync_over(ssh).await?;
        if let Err(why) = by {
            return Ok(DifferencesSent::NotDone(why));
        }
        // One more of sshd's ten sessions, for as long as it takes.
        let _one = self.copying.lock().await;
        // The file arrives under the name of the older one, in a folder of its own: rsync looks for what it may take by name.
        let folder = format!("{to}{UNFINISHED}");
        match self.transfer(ssh, &master, content, digest, (basis, &folder, to)).await {
            Ok(sent) => Ok(sent),
            Err(Failed::Line(fault)) => Err(FileError::Unreachable(fault)),
            Err(Failed::Not(why)) => {
                if tokio::time::timeout(LINE_TIME_MAX, master.ended()).await.is_ok() {
                    return Err(FileError::Unreachable(io::Error::new(io::ErrorKind::ConnectionReset, why)));
                }
                // Half a file would take the room that the whole one needs.
                self.remove(&folder).await?;
                Ok(DifferencesSent::NotDone(why))
            }
        }
    }

    async fn transfer(
        &self,
        ssh: &Ssh,
        master: &Master,
        content: &Path,
        digest: ContentDigest,
        (basis, folder, to): (&str, &str, &str),
    ) -> Result<DifferencesSent, Failed> {
        self.remove(folder).await?;
        self.make_folder(folder).await?;
        let session = self.session(true).await?;
        let (older, _) = session.found(basis, EntryKind::File).await?;
        let (folder_there, _) = session.found(folder, EntryKind::Folder).await?;
        let slash = older.iter().rposition(|&byte| byte == b'/').ok_or_else(|| not("the older file has no folder"))?;
        let (above, name) = (&older[..slash], &older[slash + 1..]);
        let target = [&folder_there, &b"/"[..], name].concat();
        let rsync = found("rsync").map_err(|fault| not(fault.to_string()))?;
        let rsh = master.words().ok_or_else(|| not("the folder of temporary files has an unusual name"))?;
        let sent = figures(&run(&rsync, &rsh, content, above, &target).await?)?;
        let whole = String::from_utf8(target).map_err(|_| not("the work folder's name is not UTF-8"))?;
        let arrived = digest_there(ssh, whole).await?;
        if arrived != digest {
            return Err(not(format!("what arrived has the SHA-256 {arrived}")));
        }
        let name = String::from_utf8_lossy(name);
        self.rename(&format!("{folder}/{name}"), to).await?;
        self.remove(folder).await?;
        Ok(sent)
    }
}

/// One run of rsync; what it says of what travelled. Names travel as bytes of the protocol (`-s`), none of them through a shell; the
/// host's name means nothing, as `ssh` is told which connection to use and opens none.
async fn run(rsync: &Path, rsh: &str, content: &Path, above: &[u8], target: &[u8]) -> Result<String, Failed> {
    let joined = |prefix: &str, path: &[u8]| OsString::from_vec([prefix.as_bytes(), path].concat());
    let mut command = plain(rsync);
    // A file that is made anew takes from everywhere in the older one, and needs no second name when it is written in place.
    command.args(["-s", "--inplace", "--no-whole-file", "--ignore-times", "--perms", "--chmod=Fu=rw,Fgo="]);
    command.args(["--stats", "--no-human-readable"]).arg(format!("--timeout={SILENCE_SECS}")).args(["-e", rsh]);
    command.arg(joined("--compare-dest=", above)).arg("--").arg(content).arg(joined("far:", target));
    let output = command.output().await.map_err(|fault| not(fault.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr[..output.stderr.len().min(SAID_BYTES_MAX)]).trim().to_owned();
    Err(not(format!("rsync ended with {}: {said}", output.status)))
}

/// A program that sees nothing of our environment: no options of rsync's out of it, nor out of a file in a home.
fn plain(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Both versions in words, or why rsync is not used. An error: the line broke.
async fn both(ssh: &Ssh, master: &Master) -> io::Result<Result<String, String>> {
    let here = match version_here().await {
        Ok(version) => version,
        Err(why) => return Ok(Err(format!("no rsync on the platform's machine ({why})"))),
    };
    let there = match run_there(ssh, "rsync", vec!["--version".to_owned()], VERSION_TIME_MAX).await {
        Ok(output) if output.ok() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => return Ok(Err(format!("no rsync on the login node ({})", output.said()))),
        Err(RunError::NotStarted(why)) if master.stands() => {
            return Ok(Err(format!("no shell on the login node to run rsync ({why})")));
        }
        Err(RunError::NotStarted(fault) | RunError::Lost(fault)) => return Err(fault),
        Err(error @ RunError::TooMuch) => return Ok(Err(error.to_string())),
    };
    Ok(match (version(&here), version(&there)) {
        (Some(a), Some(b)) if a >= OLDEST && b >= OLDEST => {
            Ok(format!("rsync {}.{} here, {}.{} on the login node", a.0, a.1, b.0, b.1))
        }
        (a, b) => {
            let end = if a.is_some_and(|a| a >= OLDEST) { "the login node" } else { "the platform's machine" };
            let words = if end == "the login node" { (b, &there) } else { (a, &here) };
            let is = match words {
                (Some(version), _) => format!("{}.{}", version.0, version.1),
                (None, said) => said.lines().next().unwrap_or("").chars().take(80).collect(),
            };
            Err(format!("rsync on {end} is `{is}`, not {}.{} or later", OLDEST.0, OLDEST.1))
        }
    })
}

async fn version_here() -> Result<String, String> {
    let program = found("rsync").map_err(|fault| fault.to_string())?;
    let asked = tokio::time::timeout(VERSION_TIME_MAX, plain(&program).arg("--version").output()).await;
    let output = asked.map_err(|_| "it does not answer".to_owned())?.map_err(|fault| fault.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Out of `rsync  version 3.2.7  protocol version 31`; other programs of that name say it otherwise.
fn version(said: &str) -> Option<(u32, u32)> {
    let rest = said.lines().next()?.strip_prefix("rsync")?.trim_start().strip_prefix("version ")?;
    let mut parts = rest.trim_start_matches('v').split(['.', ' ', '-', 'p']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Out of what `--stats` writes.
fn figures(said: &str) -> Result<DifferencesSent, Failed> {
    let figure = |name: &str| {
        let rest = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        rest.split(' ').next()?.parse::<u64>().ok()
    };
    let all = || {
        let line = figure("Total bytes sent")?.checked_add(figure("Total bytes received")?)?;
        Some(DifferencesSent::Done { new: figure("Literal data")?, taken: figure("Matched data")?, line })
    };
    all().ok_or_else(|| not("rsync says nothing of what it did"))
}

/// Of a file there, computed there.
async fn digest_there(ssh: &Ssh, path: String) -> Result<ContentDigest, Failed> {
    let words = vec!["-b".to_owned(), "--".to_owned(), path];
    match run_there(ssh, "sha256sum", words, DIGEST_TIME_MAX).await {
        Ok(output) if output.ok() => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            // A backslash stands before it where the name has unusual characters.
            let digest = said.trim_start_matches('\\').split(' ').next().and_then(|digest| digest.parse().ok());
            digest.ok_or_else(|| not(format!("sha256sum says: {}", said.chars().take(80).collect::<String>())))
        }
        Ok(output) => Err(not(format!("sha256sum on the login node: {}", output.said()))),
        Err(RunError::Lost(fault)) => Err(Failed::Line(fault)),
        Err(error) => Err(not(error.to_string())),
    }
}

async fn run_there(ssh: &Ssh, program: &str, arguments: Vec<String>, timeout: Duration) -> Result<Output, RunError> {
    let environment = vec![("LC_ALL", "C".to_owned())];
    let call = Call { program: program.to_owned(), arguments, environment, stdin: None, timeout };
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let opened = tokio::time::timeout(VERSION_TIME_MAX, one_shell(ssh)).await;
    let (_line, mut shell) = opened.unwrap_or_else(|_| Err(RunError::NotStarted(late())))?;
    tokio::time::timeout(timeout, shell.run(&call)).await.unwrap_or_else(|_| Err(RunError::Lost(late())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_other_programs_are_none() {
        for (said, wanted) in [
            ("rsync  version 3.5.0  protocol version 32\nCopyright", Some((3, 5))),
            ("rsync  version v3.2.7  protocol version 31", Some((3, 2))),
            ("rsync  version 3.4.0pre1  protocol version 31", Some((3, 4))),
            ("rsync  version 2.6.9  protocol version 29", Some((2, 6))),
            ("openrsync: protocol version 29\nrsync version 2.6.9 compatible", None),
            ("", None),
        ] {
            assert_eq!(version(said), wanted, "{said}");
        }
    }

    #[test]
    fn figures_are_all_read_or_none() {
        let said = "\nLiteral data: 8201 bytes\nMatched data: 67100672 bytes\nTotal bytes sent: 41052\nTotal bytes received: 57380\n";
        let Ok(sent) = figures(said) else { panic!("{said}") };
        assert_eq!(sent, DifferencesSent::Done { new: 8201, taken: 67_100_672, line: 98_432 });
        assert!(matches!(figures(&said.replace("Matched", "Other")), Err(Failed::Not(_))));
    }
}
