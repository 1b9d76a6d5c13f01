//! One connection to a login node by the system's own OpenSSH, shared by everything that talks to it: commands, files, forwarded
//! sockets. Opened when needed, watched, opened again after it broke. Host keys are always checked and nothing is ever asked.
//! Refuses to know: what is run over it.

mod far;
pub mod forward;
pub mod options;
pub mod quote;
pub mod runner;
pub mod shell;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{oneshot, watch};

use crate::config;
pub use forward::{Forward, Target};
pub use runner::SshRunner;

/// Longest wait for a connection: two hops of [`options::CONNECT_TIMEOUT_SECS`] and the log-in.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks for the control socket while the log-in is under way; a log-in takes 100 ms and more.
const OPEN_LOOK: Duration = Duration::from_millis(10);
/// After a failed connection nothing is tried for this long, doubled with each failure …
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// … up to this: a login node that came back is found within half a minute.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// What `ssh` had said when it ended is read within this.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// What `ssh` said is kept up to here.
const SAID_BYTES_MAX: u64 = 4 << 10;

/// A connection, open or not. Cheap to share.
pub struct Ssh {
    config: config::Ssh,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    master: Option<Arc<Master>>,
    failures: u32,
    retry: Option<(Instant, String)>,
}

/// An open connection: an `ssh` process of ours that others use through its control socket. Ends with the last who holds it.
pub struct Master {
    control: PathBuf,
    ended: watch::Receiver<Option<String>>,
    _stop: oneshot::Sender<()>,
    _folder: Folder,
}

impl Master {
    /// Whether it still stands, as far as `ssh` knows: a dead line is noticed within 20 s.
    pub fn stands(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// `ssh` by way of this connection; it never opens one of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-T", "-o", "ProxyCommand=false", "-o", "BatchMode=yes", "-S"]).arg(&self.control);
        command
    }

    /// The words of [`Master::command`] as a program takes them that starts `ssh` itself and splits at blanks; `None` where the folder of
    /// temporary files has a name that would not stay one word.
    pub fn words(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+');
        let control = self.control.to_str().filter(|path| path.chars().all(plain))?;
        Some(format!("ssh -F none -T -o ProxyCommand=false -o BatchMode=yes -S {control}"))
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        let _ = self.ended.clone().wait_for(Option::is_some).await;
    }

    /// Where sockets of this connection may be made: a folder of ours, short enough for a socket's path.
    pub fn folder(&self) -> &Path {
        &self._folder.0
    }
}

/// How the folders begin; the process's number follows.
const FOLDER: &str = "hw-ssh-";

/// A folder that nobody else may enter; goes away with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        let mut template = std::env::temp_dir();
        // `ssh` adds 17 characters to the socket's name for a moment; a path may have 107, and the folder's name has up to 21.
        if template.as_os_str().len() > 60 {
            template = PathBuf::from("/tmp");
        }
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| sweep(&template));
        let path = nix::unistd::mkdtemp(&template.join(format!("{FOLDER}{}-XXXXXX", std::process::id())))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        Ok(Folder(path))
    }
}

/// Removes the folders of processes that were killed before they could.
fn sweep(within: &Path) {
    let Ok(entries) = std::fs::read_dir(within) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.split_once('-')?.0.parse::<u32>().ok());
        let is_ours =
            || entry.metadata().is_ok_and(|about| about.is_dir() && about.uid() == nix::unistd::geteuid().as_raw());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) && is_ours() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Ssh {
    pub fn new(config: config::Ssh) -> Arc<Ssh> {
        Arc::new(Ssh { config, state: tokio::sync::Mutex::default() })
    }

    /// `user@host`, for people.
    pub fn name(&self) -> String {
        match &self.config.user {
            Some(user) => format!("{user}@{}", self.config.host),
            None => self.config.host.clone(),
        }
    }

    /// The connection, opened if it is not there.
    ///
    /// # Errors
    /// What `ssh` says; soon after a failure the same again without another try.
    pub async fn master(&self) -> io::Result<Arc<Master>> {
        let mut state = self.state.lock().await;
        if let Some(master) = &state.master
            && master.stands()
        {
            return Ok(Arc::clone(master));
        }
        state.master = None;
        if let Some((until, said)) = &state.retry
            && Instant::now() < *until
        {
            return Err(io::Error::new(io::ErrorKind::NotConnected, said.clone()));
        }
        match open(&self.config).await {
            Ok(master) => {
                let master = Arc::new(master);
                *state = State { master: Some(Arc::clone(&master)), ..State::default() };
                Ok(master)
            }
            Err(fault) => {
                let wait = RETRY_FIRST.saturating_mul(1 << state.failures.min(10)).min(RETRY_MAX);
                state.failures += 1;
                state.retry = Some((Instant::now() + wait, fault.to_string()));
                Err(fault)
            }
        }
    }

    /// A command at the far end, its words quoted for the shell there.
    ///
    /// # Errors
    /// As [`Ssh::master`].
    pub async fn run(&self, words: &[String]) -> io::Result<Command> {
        let master = self.master().await?;
        let mut line = Vec::new();
        for word in words {
            if !line.is_empty() {
                line.push(b' ');
            }
            quote::word(&mut line, word.as_bytes());
        }
        let mut command = master.command();
        command.args(["--", &self.config.host]).arg(OsString::from_vec(line));
        Ok(command)
    }

    /// The far end's SFTP server: its process, and both directions.
    ///
    /// # Errors
    /// As [`Ssh::master`], or when `ssh` cannot be started.
    pub async fn sftp(&self) -> io::Result<(Child, ChildStdin, ChildStdout)> {
        let master = self.master().await?;
        let mut command = master.command();
        command.args(["-s", "--", &self.config.host, "sftp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        stdin.zip(stdout).map(|(stdin, stdout)| (child, stdin, stdout)).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

async fn open(config: &config::Ssh) -> io::Result<Master> {
    let folder = Folder::new()?;
    let control = folder.0.join("c");
    let mut command = Command::new("ssh");
    command.args(["-M", "-N", "-T", "-S"]).arg(&control).args(options::of(config)?).args(["--", &config.host]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = spawn_for_life(command).await?;
    let (stop, stopped) = oneshot::channel();
    let (tell, mut ended) = watch::channel(None);
    tokio::spawn(watch_over(child, stopped, tell));
    let deadline = tokio::time::Instant::now() + OPEN_TIMEOUT;
    loop {
        if UnixStream::connect(&control).await.is_ok() {
            return Ok(Master { control, ended, _stop: stop, _folder: folder });
        }
        tokio::select! {
            _ = ended.changed() => {
                let said = ended.borrow().clone().unwrap_or_default();
                return Err(io::Error::new(io::ErrorKind::NotConnected, said));
            }
            () = tokio::time::sleep(OPEN_LOOK) => {}
        }
        if tokio::time::Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// Waits for the end of the connection, or ends it when nobody holds it any more; tells with which words it ended.
async fn watch_over(mut child: Child, stopped: oneshot::Receiver<()>, tell: watch::Sender<Option<String>>) {
    let mut said = Vec::new();
    let stderr = child.stderr.take();
    let end = async {
        tokio::select! {
            _ = child.wait() => {}
            _ = stopped => {
                let _ = child.kill().await;
            }
        }
    };
    {
        let listen = async {
            if let Some(stderr) = stderr {
                let _ = stderr.take(SAID_BYTES_MAX).read_to_end(&mut said).await;
            }
        };
        tokio::pin!(end, listen);
        tokio::select! {
            // `ssh` speaks before it ends, so what it said lies in the pipe. The stream's own end may not come: what it started for
            // a jump host can hold it open.
            () = &mut end => drop(tokio::time::timeout(LAST_WORDS, listen).await),
            () = &mut listen => end.await,
        }
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let said = if said.is_empty() { "ssh ended without a word".to_owned() } else { said };
    tracing::debug!(said, "a connection ended");
    let _ = tell.send(Some(said));
}

type Order = (Command, tokio::runtime::Handle, oneshot::Sender<io::Result<Child>>);

/// Starts a process that the kernel ends with this one, however that ends. The kernel goes by the thread that started it:
/// hence one which lives as long as the process does.
async fn spawn_for_life(mut command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    // SAFETY: between fork and exec only `prctl` is called, which is safe there.
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?));
    }
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, runtime, answer) in inbox {
                let _entered = runtime.enter();
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, answered) = oneshot::channel();
    let order = (command, tokio::runtime::Handle::current(), answer);
    let sent = starter.lock().unwrap_or_else(PoisonError::into_inner).send(order);
    sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    answered.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_killed_processes_go_and_others_stay() {
        let within = tempfile::tempdir().unwrap();
        // No process of Linux has a number above 2^22.
        let own = format!("{FOLDER}{}-abcdef", std::process::id());
        for name in ["hw-ssh-9999999-abcdef", &own, "hw-ssh-abcdef", "other-9999999-abcdef"] {
            std::fs::create_dir(within.path().join(name)).unwrap();
            std::fs::write(within.path().join(name).join("c"), "").unwrap();
        }
        sweep(within.path());
        let mut left: Vec<_> = std::fs::read_dir(within.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, [own.as_str(), "hw-ssh-abcdef", "other-9999999-abcdef"]);
    }
}
