//! A real server process of the `hw` program on a folder of its own, to be started, killed and started again.
//! Knows the program from the outside only: its flags, its files, its `/readyz`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A debug build with a million open jobs starts within this; an empty one within half a second.
pub const READY_WAIT: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// One server process.
pub struct Hw {
    program: PathBuf,
    data: PathBuf,
    address: SocketAddr,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
}

impl Hw {
    /// A server that is not started yet: the program, its data folder, further flags of `hw up` and variables.
    pub fn new(program: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Hw {
        let data = data.into();
        Hw {
            program: program.into(),
            log: data.with_extension("log"),
            data,
            address: free_address(),
            flags: Vec::new(),
            variables: Vec::new(),
            child: None,
        }
    }
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Hw {
        self.flags.extend([format!("--{name}"), value.to_owned()]);
        self
    }
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Hw {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where the server's output goes; beside the data folder when nobody says otherwise.
    #[must_use]
    pub fn log_to(mut self, path: impl Into<PathBuf>) -> Hw {
        self.log = path.into();
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    pub fn data(&self) -> &Path {
        &self.data
    }
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }
    /// The first administrator's token, left by the first start.
    pub fn token(&self) -> String {
        let path = self.data.join("admin-token");
        std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), self.log()))
            .trim()
            .to_owned()
    }
    /// What the server has logged, for failure messages.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Starts the process without waiting for it.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file can be made");
        let mut command = Command::new(&self.program);
        command
            .arg("up")
            .args(["--data", &self.data.to_string_lossy(), "--listen", &self.address.to_string()])
            .args(&self.flags)
            .env_remove("HW_URL")
            .env_remove("HW_TOKEN")
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|e| panic!("{}: {e}", self.program.display())));
    }

    /// Starts the process and waits until `/readyz` says yes; how long that took.
    ///
    /// # Panics
    /// When it ends instead or takes too long, with its log.
    pub fn start(&mut self) -> Duration {
        let begun = Instant::now();
        self.spawn();
        self.wait_ready();
        begun.elapsed()
    }

    /// Waits until `/readyz` says yes, and the first administrator's token is there.
    ///
    /// # Panics
    /// When the process ends instead, or it takes longer than [`READY_WAIT`].
    pub fn wait_ready(&mut self) {
        let begun = Instant::now();
        while get(self.address, "/readyz").is_none_or(|(status, _)| status != 200) {
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten()) {
                panic!("the server ended with {status} before it was ready:\n{}", self.log());
            }
            assert!(begun.elapsed() < READY_WAIT, "the server is not ready after {READY_WAIT:?}:\n{}", self.log());
            std::thread::park_timeout(LOOK);
        }
    }

    /// `kill -9`, as in a power cut of this process.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.child.take().and_then(|mut c| c.wait().ok())
    }

    /// Runs the program as a client of this server; its output and exit status.
    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.client(arguments).output().expect("the program runs")
    }

    /// The program as a client of this server, to be started by the caller.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("HW_URL", self.url())
            .env("HW_TOKEN", self.token())
            .env("HW_LANG", "en")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Hw {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of this machine that nobody listens on at the moment.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a bound listener has an address")
}

/// A plain GET without a client library: status and body, `None` when nobody answers.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `most`; `what` says what was waited for.
pub fn wait_for<T>(what: &str, most: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begun.elapsed() < most, "waited {most:?} for {what}");
        std::thread::park_timeout(LOOK);
    }
}
