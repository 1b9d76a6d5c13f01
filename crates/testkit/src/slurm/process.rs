//! One daemon in the foreground as our child, in a process group of its own, which can be killed, stopped and started
//! again while other threads look on. Knows how to see that it is ready; not what it serves.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{FarmError, READY_WAIT, io_error};

/// Between two looks at a socket or port.
const POLL: Duration = Duration::from_millis(5);
/// Of the log, for messages.
const TAIL_LINES: usize = 15;

/// By what one sees that the daemon serves.
#[derive(Debug)]
pub(super) enum Ready {
    Port(u16),
    Socket(PathBuf),
}

enum Slot {
    Idle,
    Running(Child),
    /// The farm has ended: nothing is started any more.
    Closed,
}

/// A daemon, running or not.
pub(super) struct Process {
    name: String,
    make: Box<dyn Fn() -> Command + Send + Sync>,
    ready: Ready,
    log: PathBuf,
    slot: Mutex<Slot>,
}

impl Process {
    /// A daemon that is not started yet; `make` is called at each start and gives a command without redirections.
    pub fn new(
        name: impl Into<String>,
        log: PathBuf,
        ready: Ready,
        make: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Process {
        Process { name: name.into(), make: Box::new(make), ready, log, slot: Mutex::new(Slot::Idle) }
    }

    /// Starts it, without waiting; nothing happens when it runs already or the farm has ended.
    pub fn spawn(&self) -> Result<(), FarmError> {
        let mut slot = self.lock();
        if matches!(*slot, Slot::Closed) || running(&mut slot).is_some() {
            return Ok(());
        }
        if let Ready::Socket(path) = &self.ready {
            // One that a killed predecessor left behind would look ready, and hinder the bind.
            let _none_there = std::fs::remove_file(path);
        }
        let starting = || format!("starting {}", self.name);
        let log = File::options().create(true).append(true).open(&self.log).map_err(io_error(starting()))?;
        let error_log = log.try_clone().map_err(io_error(starting()))?;
        let child = (self.make)()
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(error_log)
            .process_group(0)
            .spawn()
            .map_err(io_error(starting()))?;
        *slot = Slot::Running(child);
        Ok(())
    }

    /// Waits until it accepts connections.
    pub fn wait_ready(&self) -> Result<(), FarmError> {
        let begun = Instant::now();
        while !self.accepts() {
            if let Slot::Running(child) = &mut *self.lock()
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(FarmError::Ended { daemon: self.name.clone(), status, log: self.log_tail() });
            }
            if begun.elapsed() > READY_WAIT {
                return Err(FarmError::NotReady { daemon: self.name.clone(), log: self.log_tail() });
            }
            std::thread::park_timeout(POLL);
        }
        Ok(())
    }

    fn accepts(&self) -> bool {
        match &self.ready {
            Ready::Port(port) => {
                TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, *port)), Duration::from_secs(1))
                    .is_ok()
            }
            Ready::Socket(path) => UnixStream::connect(path).is_ok(),
        }
    }

    /// Sends a signal to this process alone, not to what it started. After SIGKILL it has ended.
    pub fn signal(&self, signal: Signal) {
        let mut slot = self.lock();
        if let Slot::Running(child) = &mut *slot {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
            if signal == Signal::SIGKILL {
                let _ = child.wait();
                *slot = Slot::Idle;
            }
        }
    }

    /// Waits until it has ended, however that came; `false` when it has not within `most`.
    pub fn wait_end(&self, most: Duration) -> bool {
        let begun = Instant::now();
        while self.pid().is_some() {
            if begun.elapsed() > most {
                return false;
            }
            std::thread::park_timeout(POLL);
        }
        true
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        running(&mut self.lock())
    }

    /// Kills it and keeps it from being started again.
    pub fn close(&self) {
        self.signal(Signal::SIGKILL);
        *self.lock() = Slot::Closed;
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    fn log_tail(&self) -> String {
        tail(&self.log)
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn running(slot: &mut Slot) -> Option<u32> {
    match slot {
        Slot::Running(child) => child.try_wait().is_ok_and(|ended| ended.is_none()).then(|| child.id()),
        Slot::Idle | Slot::Closed => None,
    }
}

/// The last lines of a log, for messages.
pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
