//! A lasting shell at the far end of a connection: commands go in as lines, output comes back up to a mark, no login shell and no
//! session is started for each. A site whose start-up files take 0.3 s would otherwise charge that to every look. Where there is a perl
//! the shell gives its place to [`far`], which spares six processes and copies of itself for each job. Knows no Slurm.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::cli::runner::{Call, OUTPUT_BYTES_MAX, Output, RunError};
use crate::ssh::{far, quote};

/// What the account's login shell is asked to become. No backslash, no newline and no `!`: sh, bash, zsh, csh and fish read it alike.
/// `read` takes single bytes from a pipe, so that what follows a line is left to the program that the line starts. Of the
/// environment only what tells of the connection is taken away, and what would change how Slurm's commands answer.
pub const BOOTSTRAP: &str = "exec env -u SSH_CLIENT -u SSH_CONNECTION -u SSH_TTY -u SSH_AUTH_SOCK -u OLDPWD \
    -u SQUEUE_FORMAT -u SQUEUE_FORMAT2 -u SQUEUE_SORT -u SQUEUE_STATES -u SQUEUE_USERS -u SQUEUE_PARTITION -u SQUEUE_ACCOUNT \
    -u SQUEUE_NAMES -u SQUEUE_ARRAY -u SQUEUE_ARRAY_UNIQUE -u SQUEUE_PRIORITY -u SQUEUE_QOS -u SQUEUE_LICENSES -u SACCT_FORMAT \
    -u SBATCH_EXPORT -u SBATCH_REQUEUE -u SBATCH_NO_REQUEUE -u SBATCH_GET_USER_ENV -u SBATCH_OPEN_MODE -u SBATCH_ARRAY_INX \
    -u SBATCH_EXCLUSIVE -u SBATCH_WAIT -u SBATCH_DEBUG -u SCANCEL_INTERACTIVE -u SCANCEL_VERBOSE -u SCANCEL_FULL \
    -u SCANCEL_BATCH -u SCONTROL_ALL -u SLURM_CLUSTERS -u SLURM_BITSTR_LEN -u SLURM_EXIT_ERROR \
    sh -c 'while IFS= read -r HW_C; do eval \"$HW_C\"; done'";

/// First line to it: a newline for [`quote`], which `$(…)` would cut off at the end; and no options for Slurm's commands out of the
/// account's start-up files, which would stand beside those we give. Who pays there may stay (`SBATCH_ACCOUNT` and the like).
pub const PREPARE: &str = "HW_N=$(printf '\\nx'); HW_N=${HW_N%x}; \
    for HW_V in $(env | sed -n 's/^\\(S[A-Z]*_[A-Z0-9_]*\\)=.*/\\1/p'); do case $HW_V in \
    SBATCH_ACCOUNT|SBATCH_QOS|SBATCH_RESERVATION|SBATCH_WCKEY) ;; \
    SBATCH_*|SQUEUE_*|SACCT_*|SINFO_*|SCANCEL_*|SCONTROL_*|SLURM_TIME_FORMAT) unset \"$HW_V\";; esac; done\n";

/// A line's output ends with this many bytes at most besides the mark: newlines and an exit code.
const CLOSING_BYTES_MAX: usize = 16;

pub struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    mark: String,
    /// It has given its place to [`far`].
    is_far: bool,
}

impl Shell {
    /// Starts `command`, which must lead to a login shell that is given [`BOOTSTRAP`], and waits until it answers. What start-up files
    /// say before is left aside.
    ///
    /// # Errors
    /// [`RunError::NotStarted`] with what was said instead.
    pub async fn open(command: Command) -> Result<Shell, RunError> {
        Shell::open_as(command, true).await
    }

    /// As [`Shell::open`]; `may_be_far`: it may give its place to [`far`].
    async fn open_as(mut command: Command, may_be_far: bool) -> Result<Shell, RunError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(RunError::NotStarted)?;
        let gone = || RunError::NotStarted(io::ErrorKind::BrokenPipe.into());
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(gone());
        };
        let drawn = std::hash::RandomState::new().build_hasher().finish();
        let mut shell = Shell { child, stdin, stdout, stderr, mark: format!("hw{drawn:016x}"), is_far: false };
        let mut line = PREPARE.as_bytes().to_vec();
        if may_be_far {
            far::begin(&mut line, &shell.mark);
        } else {
            line.extend_from_slice(b"true </dev/null");
        }
        shell.close_line(&mut line);
        // What is there instead of a shell may have ended already: why, it says.
        let _ = shell.stdin.write_all(&line).await;
        let (out, err) = shell.answers().await;
        match (out, err) {
            (Ok((_, code)), Ok(_)) => {
                shell.is_far = code == far::BEGUN;
                Ok(shell)
            }
            (Err(Broken { fault, .. }), Err(Broken { said, .. })) if !said.is_empty() => {
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                Err(RunError::NotStarted(io::Error::new(fault.kind(), said)))
            }
            (Err(broken), _) | (_, Err(broken)) => Err(RunError::NotStarted(broken.fault)),
        }
    }

    /// Whether it can take a command: its process is there.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Runs one command. After an error this shell must not be used again.
    pub async fn run(&mut self, call: &Call) -> Result<Output, RunError> {
        if self.is_far {
            return self.run_far(call).await;
        }
        let mut bytes = self.line(call);
        let line = bytes.len();
        // In one piece with the line: two small packets would wait 40 ms for each other on the way (Nagle, delayed acknowledgement).
        bytes.extend_from_slice(call.stdin.as_deref().unwrap_or("").as_bytes());
        let mut sent = 0;
        let feed = feed(&mut self.stdin, &bytes, &mut sent);
        let answers = answers(&mut self.stdout, &mut self.stderr, self.mark.as_bytes());
        let (fed, (out, err)) = tokio::join!(feed, answers);
        match fed {
            Ok(()) => {}
            // The far end takes whole lines only: one whose newline did not leave us is never run.
            Err(fault) if sent < line => return Err(RunError::NotStarted(fault)),
            Err(fault) => return Err(RunError::Lost(fault)),
        }
        let (stdout, code) = out.map_err(Broken::lost)?;
        let (stderr, _) = err.map_err(Broken::lost)?;
        if stdout.len() > OUTPUT_BYTES_MAX || stderr.len() > OUTPUT_BYTES_MAX {
            return Err(RunError::TooMuch);
        }
        // A shell's way to tell of a signal.
        let code = if (129..160).contains(&code) { None } else { Some(code) };
        Ok(Output { code, stdout, stderr })
    }

    async fn run_far(&mut self, call: &Call) -> Result<Output, RunError> {
        let bytes = far::request(call);
        let mut sent = 0;
        let feed = feed(&mut self.stdin, &bytes, &mut sent);
        let (fed, answer) = tokio::join!(feed, far::answer(&mut self.stdout, &self.mark));
        match fed {
            // Only a whole request is ever run.
            Err(fault) if sent < bytes.len() => Err(RunError::NotStarted(fault)),
            Err(fault) => Err(RunError::Lost(fault)),
            Ok(()) => answer,
        }
    }

    /// `NAME='value' 'program' 'word' …`, its input, and the marks.
    fn line(&self, call: &Call) -> Vec<u8> {
        let mut command = Vec::new();
        for (name, value) in &call.environment {
            command.extend_from_slice(name.as_bytes());
            command.push(b'=');
            quote::word(&mut command, value.as_bytes());
            command.push(b' ');
        }
        quote::word(&mut command, call.program.as_bytes());
        for argument in &call.arguments {
            command.push(b' ');
            quote::word(&mut command, argument.as_bytes());
        }
        let (mut line, mark) = (Vec::new(), &self.mark);
        match &call.stdin {
            // What the program leaves of its input must not be taken for commands. What it says is kept until its end and leaves with
            // the mark in one packet: a jump host makes a second small one wait 40 ms (Nagle). `x` keeps newlines at the end.
            Some(script) => {
                line.extend_from_slice(format!("HW_O=$(head -c {} | {{ ", script.len()).as_bytes());
                line.append(&mut command);
                line.extend_from_slice(
                    b"; HW_R=$?; cat >/dev/null; exit $HW_R; }; HW_R=$?; printf x; exit $HW_R); HW_R=$?; ",
                );
                line.extend_from_slice(
                    format!("printf '%s\\n{mark}%d\\n' \"${{HW_O%x}}\" $HW_R; printf '\\n{mark}0\\n' >&2; HW_O=\n")
                        .as_bytes(),
                );
            }
            None => {
                line.append(&mut command);
                line.extend_from_slice(b" </dev/null");
                self.close_line(&mut line);
            }
        }
        line
    }

    fn close_line(&self, line: &mut Vec<u8>) {
        let mark = &self.mark;
        line.extend_from_slice(format!("; printf '\\n{mark}%d\\n' $?; printf '\\n{mark}0\\n' >&2\n").as_bytes());
    }

    async fn answers(&mut self) -> (Answer, Answer) {
        answers(&mut self.stdout, &mut self.stderr, self.mark.as_bytes()).await
    }
}

/// Writes all; `sent` says how much of it has left.
async fn feed(into: &mut ChildStdin, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
    while *sent < bytes.len() {
        match into.write(&bytes[*sent..]).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => *sent += more,
        }
    }
    Ok(())
}

/// Bytes before the mark, and the number behind it.
type Answer = Result<(Vec<u8>, i32), Broken>;

/// A stream that ended before its mark, with what had come.
struct Broken {
    fault: io::Error,
    said: Vec<u8>,
}

impl Broken {
    fn lost(self) -> RunError {
        RunError::Lost(self.fault)
    }
}

async fn answers(stdout: &mut ChildStdout, stderr: &mut ChildStderr, mark: &[u8]) -> (Answer, Answer) {
    tokio::join!(until_mark(stdout, mark), until_mark(stderr, mark))
}

async fn until_mark(from: &mut (impl AsyncRead + Unpin), mark: &[u8]) -> Answer {
    const PIECE: usize = 64 << 10;
    let mut bytes = Vec::new();
    loop {
        bytes.reserve(PIECE);
        match from.read_buf(&mut bytes).await {
            Ok(0) => return Err(Broken { fault: io::ErrorKind::UnexpectedEof.into(), said: bytes }),
            Ok(_) => {}
            Err(fault) => return Err(Broken { fault, said: bytes }),
        }
        if let Some((end, code)) = closing(&bytes, mark) {
            bytes.truncate(end);
            return Ok((bytes, code));
        }
        if bytes.len() > OUTPUT_BYTES_MAX + PIECE {
            return Err(Broken { fault: io::ErrorKind::FileTooLarge.into(), said: Vec::new() });
        }
    }
}

/// Where the output ends and the number behind the mark, if the mark closes it.
fn closing(bytes: &[u8], mark: &[u8]) -> Option<(usize, i32)> {
    if bytes.last() != Some(&b'\n') {
        return None;
    }
    let from = bytes.len().saturating_sub(mark.len() + CLOSING_BYTES_MAX);
    let at = from + bytes[from..].windows(mark.len()).rposition(|window| window == mark)?;
    let code = std::str::from_utf8(&bytes[at + mark.len()..bytes.len() - 1]).ok()?.parse().ok()?;
    (at > 0 && bytes[at - 1] == b'\n').then_some((at - 1, code))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// With a perl at the far end, and without.
    const KINDS: [bool; 2] = [true, false];

    async fn shell(is_far: bool) -> Shell {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("echo welcome; echo warning >&2; {BOOTSTRAP}")]).env("SSH_CLIENT", "x");
        let shell = Shell::open_as(command, is_far).await.unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(shell.is_far, is_far);
        shell
    }

    fn call(program: &str, arguments: &[&str], stdin: Option<String>) -> Call {
        Call {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: vec![("TZ", "UTC it's".to_owned())],
            stdin: stdin.map(Into::into),
            timeout: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn one_shell_runs_many_commands() {
        for is_far in KINDS {
            let mut shell = shell(is_far).await;
            for round in 0..3 {
                let said = shell.run(&call("env", &[], None)).await.unwrap();
                let text = String::from_utf8(said.stdout).unwrap();
                assert!(text.contains("TZ=UTC it's\n") && !text.contains("SSH_CLIENT"), "{round}: {text}");
                let output =
                    shell.run(&call("sh", &["-c", "printf 'no\nend' >&2; printf 'a\nb'; exit 7"], None)).await.unwrap();
                assert_eq!(output, Output { code: Some(7), stdout: b"a\nb".to_vec(), stderr: b"no\nend".to_vec() });
            }
            let killed = shell.run(&call("sh", &["-c", "kill -9 $$"], None)).await.unwrap();
            assert_eq!(killed.code, None);
            assert_eq!(shell.run(&call("/no/such", &[], None)).await.unwrap().code, Some(127));
        }
    }

    #[tokio::test]
    async fn input_goes_to_the_program_and_never_to_the_shell() {
        for is_far in KINDS {
            let mut shell = shell(is_far).await;
            let script = "echo evil >&2; exit 9\n'\"$(id)🜚\n".repeat(50_000) + "no newline at the end";
            let output = shell.run(&call("cat", &[], Some(script.clone()))).await.unwrap();
            assert_eq!((output.stdout == script.as_bytes(), output.stderr.as_slice()), (true, &b""[..]));
            // A program that does not want its input, and one that fails before.
            let output = shell.run(&call("true", &[], Some(script.clone()))).await.unwrap();
            assert_eq!((output.code, output.stdout.as_slice()), (Some(0), &b""[..]));
            assert_eq!(shell.run(&call("false", &[], Some(script))).await.unwrap().code, Some(1));
            assert_eq!(shell.run(&call("echo", &["still here"], None)).await.unwrap().stdout, b"still here\n");
        }
    }

    #[tokio::test]
    async fn a_shell_that_is_none_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo This account is currently not available. >&2; exit 1"]);
        let Err(RunError::NotStarted(fault)) = Shell::open(command).await else { panic!("it opened") };
        assert!(fault.to_string().contains("not available"), "{fault}");
    }

    #[tokio::test]
    async fn a_line_that_breaks_is_no_answer() {
        for is_far in KINDS {
            let mut shell = shell(is_far).await;
            let fault = shell.run(&call("sh", &["-c", "kill -9 $PPID"], None)).await;
            assert!(matches!(fault, Err(RunError::Lost(_))), "{fault:?}");
        }
    }
}
