//! From a registered configuration to a way in: the one place where carriers and files are built.

use std::io;
use std::sync::Arc;

use ports::Files;

use crate::carrier::Carrier;
use crate::cli::CommandLine;
use crate::cli::runner::LocalRunner;
use crate::config::{FilesWay, SlurmConfig, Way};
use crate::files::local::LocalFiles;
use crate::files::sftp::SftpFiles;
use crate::rest::{Endpoint, Rest, RestError, endpoint};
use crate::ssh::Ssh;
use crate::ssh::forward::{Forward, Target};
use crate::ssh::runner::SshRunner;

/// A way into a cluster, and to the files below its work root where there is one.
#[derive(Clone)]
pub struct Opened {
    pub carrier: Arc<dyn Carrier>,
    pub files: Option<Arc<dyn Files>>,
    /// Kept while the way is used: it ends with the last of its users.
    _forward: Option<Arc<Forward>>,
}

/// Why a way cannot be built. Whether the cluster answers shows later, with the first question.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("Slurm's commands cannot be run here")]
    Runner(#[source] io::Error),
    #[error("the connection through SSH")]
    Forward(#[source] io::Error),
    #[error("slurmrestd: {0}")]
    Rest(#[from] RestError),
    #[error("`{0}` is not a host and a port to forward to")]
    Target(String),
}

/// Builds the way that `config` names. Only a forwarded slurmrestd is connected to; everything else is when it is first used.
///
/// # Errors
/// What is wrong with the configuration or with this machine, or a forward that does not stand.
pub async fn open(config: &SlurmConfig) -> Result<Opened, OpenError> {
    let mut forward = None;
    let mut ssh = None;
    let carrier: Arc<dyn Carrier> = match &config.way {
        Way::Command { tools } => {
            let runner = LocalRunner::new().map_err(OpenError::Runner)?;
            Arc::new(CommandLine::new(runner, tools.clone(), None))
        }
        Way::Ssh { ssh: to, tools } => {
            let line = Ssh::new(to.clone());
            ssh = Some(line.clone());
            Arc::new(CommandLine::new(SshRunner::new(line), tools.clone(), None))
        }
        Way::Rest { rest } => {
            let mut to = endpoint(&rest.endpoint)?;
            if let Some(through) = &rest.through {
                let line = Ssh::new(through.clone());
                let built = Arc::new(Forward::new(line.clone(), target(&to)?));
                to = Endpoint::Unix(built.socket().await.map_err(OpenError::Forward)?);
                (forward, ssh) = (Some(built), Some(line));
            }
            Arc::new(Rest::new(to, &rest.version, rest.token_file.clone(), rest.user.clone())?)
        }
    };
    let files: Option<Arc<dyn Files>> = match (&config.files, &config.way) {
        (Some(FilesWay::Here), _) | (None, Way::Command { .. }) => Some(Arc::new(LocalFiles::new(&config.work_root))),
        (Some(FilesWay::Ssh(to)), _) => Some(Arc::new(SftpFiles::new(Ssh::new(to.clone()), &config.work_root))),
        // The connection that is there anyway.
        (None, _) => ssh.map(|line| Arc::new(SftpFiles::new(line, &config.work_root)) as Arc<dyn Files>),
    };
    Ok(Opened { carrier, files, _forward: forward })
}

/// Where a forward leads to.
fn target(to: &Endpoint) -> Result<Target, OpenError> {
    match to {
        Endpoint::Unix(path) => Ok(Target::Socket(path.display().to_string())),
        Endpoint::Tcp(url) => {
            let wrong = || OpenError::Target(url.clone());
            let (host, port) = url.strip_prefix("http://").and_then(|rest| rest.rsplit_once(':')).ok_or_else(wrong)?;
            let port = port.trim_end_matches('/').parse().map_err(|_| wrong())?;
            Ok(Target::Tcp { host: host.trim_matches(['[', ']']).to_owned(), port })
        }
    }
}
