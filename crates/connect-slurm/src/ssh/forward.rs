//! A socket at the far end of a connection, to be had here: slurmrestd, for one. Knows no HTTP.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::ssh::{Master, Ssh};

/// Longest wait for the far end to agree.
const AGREE_TIMEOUT: Duration = Duration::from_secs(15);

/// What is to be reached from the login node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A unix socket by its absolute path.
    Socket(String),
    Tcp {
        host: String,
        port: u16,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Socket(path) => f.write_str(path),
            Target::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Target::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// One forwarded socket. Several share a connection.
pub struct Forward {
    ssh: Arc<Ssh>,
    target: Target,
    /// The connection that holds it now, and where it is.
    held: tokio::sync::Mutex<Option<(Weak<Master>, PathBuf)>>,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} through ssh {}", self.target, self.ssh.name())
    }
}

impl Forward {
    pub fn new(ssh: Arc<Ssh>, target: Target) -> Forward {
        Forward { ssh, target, held: tokio::sync::Mutex::default() }
    }

    /// A unix socket of this machine, reachable by this user only, which leads to the target. Made anew after the connection broke:
    /// ask before each new connection to it.
    ///
    /// # Errors
    /// When the login node cannot be reached or does not forward. Whether anybody listens there shows in talking to it.
    pub async fn socket(&self) -> io::Result<PathBuf> {
        let master = self.ssh.master().await?;
        let mut held = self.held.lock().await;
        if let Some((on, path)) = held.as_ref()
            && on.upgrade().is_some_and(|on| Arc::ptr_eq(&on, &master))
        {
            return Ok(path.clone());
        }
        let drawn = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), self.target.to_string());
        let path = master.folder().join(format!("f{:08x}", drawn as u32));
        let mut command = master.command();
        command.args(["-O", "forward", "-L"]).arg(format!("{}:{}", path.display(), self.target));
        command.args(["--", &self.ssh.config.host]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let ended = tokio::time::timeout(AGREE_TIMEOUT, command.output()).await;
        let output = ended.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, said));
        }
        *held = Some((Arc::downgrade(&master), path.clone()));
        Ok(path)
    }
}
