//! Programs at the far end of a connection, through lasting shells.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::cli::runner::{Call, Output, RunError, Runner};
use crate::ssh::shell::{BOOTSTRAP, Shell};
use crate::ssh::{Master, Ssh};

/// Shells at once over one connection: sshd allows 10 sessions (`MaxSessions`); files and another who looks need some.
pub const SHELLS_MAX: usize = 6;
/// Arguments of one call together. They are one line, read byte by byte at about 0.5 µs each, and one argument of Linux has
/// 128 KiB at most.
const ARGUMENTS_BYTES_MAX: usize = 100 << 10;

/// A shell over a connection, which lives as long as what comes with it.
pub(crate) async fn one_shell(ssh: &Ssh) -> Result<(Arc<Master>, Shell), RunError> {
    let master = ssh.master().await.map_err(RunError::NotStarted)?;
    let mut command = master.command();
    command.args(["--", &ssh.config.host, BOOTSTRAP]);
    let shell = Shell::open(command).await?;
    Ok((master, shell))
}

pub struct SshRunner {
    ssh: Arc<Ssh>,
    idle: Mutex<Vec<(Arc<Master>, Shell)>>,
    places: Semaphore,
}

impl SshRunner {
    pub fn new(ssh: Arc<Ssh>) -> SshRunner {
        SshRunner { ssh, idle: Mutex::default(), places: Semaphore::new(SHELLS_MAX) }
    }

    async fn shell(&self) -> Result<(Arc<Master>, Shell), RunError> {
        loop {
            let kept = self.idle().pop();
            match kept {
                Some((master, mut shell)) => {
                    if master.stands() && shell.alive() {
                        return Ok((master, shell));
                    }
                }
                None => break,
            }
        }
        one_shell(&self.ssh).await
    }

    async fn run_one(&self, call: &Call) -> Result<Output, RunError> {
        let _place = self.places.acquire().await.map_err(|fault| RunError::NotStarted(io::Error::other(fault)))?;
        // A shell that cannot be had within the time has run nothing.
        let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
        let opened = tokio::time::timeout(call.timeout, self.shell()).await;
        let (master, mut shell) = opened.unwrap_or_else(|_| Err(RunError::NotStarted(timed_out())))?;
        let answered = tokio::time::timeout(call.timeout, shell.run(call)).await;
        let output = answered.unwrap_or_else(|_| Err(RunError::Lost(timed_out())))?;
        self.idle().push((master, shell));
        Ok(output)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<Master>, Shell)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner for SshRunner {
    fn describe(&self) -> String {
        format!("ssh {}", self.ssh.name())
    }

    fn arguments_bytes_max(&self) -> usize {
        ARGUMENTS_BYTES_MAX
    }

    fn run(&self, call: Call) -> BoxFuture<'_, Result<Output, RunError>> {
        Box::pin(async move { self.run_one(&call).await })
    }
}
