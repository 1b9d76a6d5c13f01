//! Runs one program with an argument vector, bytes on its standard input and a small environment of its own, and collects what it
//! says within a time and a size. No shell reads anything. Refuses to know: Slurm.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Most bytes of output that one call keeps: a million jobs of about 190 bytes each.
pub const OUTPUT_BYTES_MAX: usize = 192 << 20;
/// Longest single argument: Linux takes 128 KiB with its closing zero (`MAX_ARG_STRLEN`).
pub const ARGUMENT_BYTES_MAX: usize = (128 << 10) - 1;
/// Arguments of one local call together: Linux gives them a quarter of the stack limit, 2 MiB of 8; half of that leaves room
/// for the environment and the pointers.
const LOCAL_ARGUMENTS_BYTES_MAX: usize = 1 << 20;
/// Search path of programs run here: where distributions and sites put Slurm's commands.
pub(crate) const SEARCH_PATH: &str =
    "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/slurm/bin:/usr/local/slurm/bin";

/// One call of a program.
#[derive(Clone, Debug)]
pub struct Call {
    pub program: String,
    pub arguments: Vec<String>,
    /// Set in the program's environment, on top of what the runner gives.
    pub environment: Vec<(&'static str, String)>,
    pub stdin: Option<Arc<str>>,
    pub timeout: Duration,
}

/// What a program said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
    /// Standard error as text, at most its first 4 KiB.
    pub fn said(&self) -> String {
        const SHOWN: usize = 4 << 10;
        String::from_utf8_lossy(&self.stderr[..self.stderr.len().min(SHOWN)]).trim().to_owned()
    }
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The program certainly did not begin.
    #[error("not started: {0}")]
    NotStarted(#[source] io::Error),
    /// It may have begun, and may have done its work: time ran out, the line broke.
    #[error("no answer: {0}")]
    Lost(#[source] io::Error),
    /// More output than [`OUTPUT_BYTES_MAX`].
    #[error("more than {OUTPUT_BYTES_MAX} bytes of output")]
    TooMuch,
}

/// Where programs run: on this machine, or at the far end of a connection.
pub trait Runner: Send + Sync + 'static {
    /// A word for people.
    fn describe(&self) -> String;
    /// Bytes that the arguments of one call may have together.
    fn arguments_bytes_max(&self) -> usize;
    fn run(&self, call: Call) -> BoxFuture<'_, Result<Output, RunError>>;
}

/// Programs on this machine, as this process's user. They see nothing of this process's environment.
#[derive(Clone, Debug)]
pub struct LocalRunner {
    environment: Vec<(String, String)>,
}

impl LocalRunner {
    /// With the environment of a fresh login: the user's own home, name and shell, and a plain search path.
    ///
    /// # Errors
    /// When this process's user has no account.
    pub fn new() -> io::Result<LocalRunner> {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())?
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "this process's user has no account"))?;
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let environment = vec![
            ("PATH".to_owned(), SEARCH_PATH.to_owned()),
            ("HOME".to_owned(), text(user.dir)),
            ("USER".to_owned(), user.name.clone()),
            ("LOGNAME".to_owned(), user.name),
            ("SHELL".to_owned(), text(user.shell)),
        ];
        Ok(LocalRunner { environment })
    }
}

impl Runner for LocalRunner {
    fn describe(&self) -> String {
        "command line".to_owned()
    }

    fn arguments_bytes_max(&self) -> usize {
        LOCAL_ARGUMENTS_BYTES_MAX
    }

    fn run(&self, call: Call) -> BoxFuture<'_, Result<Output, RunError>> {
        Box::pin(async move {
            let mut command = Command::new(found(&call.program).map_err(RunError::NotStarted)?);
            command.args(&call.arguments).env_clear();
            command.envs(self.environment.iter().map(|(name, value)| (name, value)));
            command.envs(call.environment.iter().map(|(name, value)| (name, value)));
            let stdin = if call.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).current_dir("/");
            let mut child = command.spawn().map_err(RunError::NotStarted)?;
            match tokio::time::timeout(call.timeout, talk(&mut child, call.stdin)).await {
                Ok(answer) => answer,
                Err(_) => Err(RunError::Lost(io::ErrorKind::TimedOut.into())),
            }
        })
    }
}

/// The program in the search path. Named without a folder it would be started by way of a copy of this process, which takes ten
/// milliseconds for each gigabyte that it has.
pub(crate) fn found(program: &str) -> io::Result<PathBuf> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    let found = SEARCH_PATH.split(':').map(|folder| Path::new(folder).join(program)).find(is_program);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{program} is not in {SEARCH_PATH}")))
}

async fn talk(child: &mut Child, stdin: Option<Arc<str>>) -> Result<Output, RunError> {
    let (into, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (_, stdout, stderr) = tokio::join!(feed(into, stdin), collect(out), collect(err));
    let (stdout, stderr) = (stdout?, stderr?);
    let status = child.wait().await.map_err(RunError::Lost)?;
    Ok(Output { code: status.code(), stdout, stderr })
}

/// Writes all and closes. A program that does not want its input to the end is none of our faults.
pub(crate) async fn feed(into: Option<impl tokio::io::AsyncWrite + Unpin>, bytes: Option<Arc<str>>) {
    if let (Some(mut into), Some(bytes)) = (into, bytes) {
        let _ = into.write_all(bytes.as_bytes()).await;
        let _ = into.shutdown().await;
    }
}

/// Reads to the end, up to [`OUTPUT_BYTES_MAX`].
pub(crate) async fn collect(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, RunError> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(OUTPUT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await.map_err(RunError::Lost)?;
    }
    if bytes.len() > OUTPUT_BYTES_MAX { Err(RunError::TooMuch) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(program: &str, arguments: &[&str]) -> Call {
        Call {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: vec![("TZ", "UTC".to_owned())],
            stdin: None,
            timeout: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn a_program_gets_its_words_its_input_and_nothing_else() {
        let runner = LocalRunner::new().unwrap();
        let mut cat = call("cat", &["-"]);
        // More than a pipe holds, so that reading and writing must go on side by side.
        cat.stdin = Some("🜚 'x' $(id)\n".repeat(100_000).into());
        assert_eq!(runner.run(cat).await.unwrap().stdout.len(), 15 * 100_000);
        let said = runner.run(call("printf", &["%s|", "a b", "$(id)", "", "'\"\n"])).await.unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), "a b|$(id)||'\"\n|");
        let said = runner.run(call("env", &[])).await.unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LOGNAME", "PATH", "SHELL", "TZ", "USER"]);
    }

    #[tokio::test]
    async fn how_a_program_ended_is_told_apart() {
        let runner = LocalRunner::new().unwrap();
        let failed = runner.run(call("sh", &["-c", "echo no >&2; exit 3"])).await.unwrap();
        assert_eq!((failed.code, failed.said().as_str()), (Some(3), "no"));
        assert_eq!(runner.run(call("sh", &["-c", "kill -9 $$"])).await.unwrap().code, None);
        for program in ["/no/such", "no-such-program", ""] {
            assert!(matches!(runner.run(call(program, &[])).await, Err(RunError::NotStarted(_))), "{program}");
        }
        let mut slow = call("sleep", &["600"]);
        slow.timeout = Duration::from_millis(50);
        assert!(matches!(runner.run(slow).await, Err(RunError::Lost(_))));
    }
}
