//! From a registered configuration to a way in: the one place where carriers and files are built.

use std::io;
use std::sync::Arc;

use ports::Files;

use crate::carrier::Carrier;
use crate::cli::CommandLine;
use crate::cli::runner::LocalRunner;
use crate::config::{self, Commands, ConfigError, FilesWay, SlurmConfig, Tools, Watch, Way};
use crate::files::local::LocalFiles;
use crate::files::sftp::SftpFiles;
use crate::rest::{Endpoint, Rest, RestError, Split, endpoint};
use crate::ssh::Ssh;
use crate::ssh::forward::{Forward, Target};
use crate::ssh::runner::SshRunner;

/// A way into a cluster, and to the files below its work root where there is one.
#[derive(Clone)]
pub struct Opened {
    pub carrier: Arc<dyn Carrier>,
    pub files: Option<Arc<dyn Files>>,
}

/// Why a way cannot be built. Whether the cluster answers shows later, with the first question.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the registration is wrong: {0}")]
    Config(#[from] ConfigError),
    #[error("Slurm's commands cannot be run here")]
    Runner(#[source] io::Error),
    #[error("slurmrestd: {0}")]
    Rest(#[from] RestError),
    #[error("`{0}` is not a host and a port to forward to")]
    Target(String),
}

/// Connections that a configuration names, each made once.
#[derive(Default)]
struct Lines(Vec<(config::Ssh, Arc<Ssh>)>);

impl Lines {
    fn to(&mut self, config: &config::Ssh) -> Arc<Ssh> {
        if let Some((_, line)) = self.0.iter().find(|(known, _)| known == config) {
            return Arc::clone(line);
        }
        let line = Ssh::new(config.clone());
        self.0.push((config.clone(), Arc::clone(&line)));
        line
    }
}

/// Builds the way that `config` names. Nothing is connected to until it is first used.
///
/// # Errors
/// What is wrong with the configuration or with this machine.
pub fn open(config: &SlurmConfig) -> Result<Opened, OpenError> {
    config.check()?;
    let mut lines = Lines::default();
    let carrier: Arc<dyn Carrier> = match &config.way {
        Way::Command { tools } => commands(None, tools, &mut lines)?,
        Way::Ssh { ssh, tools } => commands(Some(ssh), tools, &mut lines)?,
        Way::Rest { rest, watch, commands: beside } => {
            let hand: Arc<dyn Carrier> = Arc::new(slurmrestd(rest, &mut lines)?);
            match (watch, beside.as_deref()) {
                (Watch::CommandLine, Some(Commands { ssh, tools })) => {
                    Arc::new(Split { hand, eye: commands(ssh.as_ref(), tools, &mut lines)? })
                }
                _ => hand,
            }
        }
    };
    let files: Option<Arc<dyn Files>> = match (&config.files, files_beside(&config.way)) {
        (Some(FilesWay::Here), _) | (None, Some(Beside::Here)) => Some(Arc::new(LocalFiles::new(&config.work_root))),
        (Some(FilesWay::Ssh(to)), _) | (None, Some(Beside::Far(to))) => {
            Some(Arc::new(SftpFiles::new(lines.to(to), &config.work_root)))
        }
        (None, None) => None,
    };
    Ok(Opened { carrier, files })
}

/// Where files are when nothing else is said.
enum Beside<'a> {
    Here,
    Far(&'a config::Ssh),
}

/// Files are where Slurm's commands run, or at the far end of a connection that is there anyway.
fn files_beside(way: &Way) -> Option<Beside<'_>> {
    match way {
        Way::Command { .. } => Some(Beside::Here),
        Way::Ssh { ssh, .. } => Some(Beside::Far(ssh)),
        Way::Rest { rest, commands, .. } => match commands {
            Some(commands) => Some(commands.ssh.as_ref().map_or(Beside::Here, Beside::Far)),
            None => rest.through.as_ref().map(Beside::Far),
        },
    }
}

fn commands(ssh: Option<&config::Ssh>, tools: &Tools, lines: &mut Lines) -> Result<Arc<dyn Carrier>, OpenError> {
    Ok(match ssh {
        Some(to) => Arc::new(CommandLine::new(SshRunner::new(lines.to(to)), tools.clone(), None)),
        None => {
            let runner = LocalRunner::new().map_err(OpenError::Runner)?;
            Arc::new(CommandLine::new(runner, tools.clone(), None))
        }
    })
}

fn slurmrestd(config: &config::Rest, lines: &mut Lines) -> Result<Rest, OpenError> {
    let to = endpoint(&config.endpoint)?;
    let (token, user) = (config.token_file.clone(), config.user.clone());
    let Some(through) = &config.through else { return Ok(Rest::new(to, &config.version, token, user)?) };
    let forward = Forward::new(lines.to(through), target(&to)?);
    Ok(Rest::through(forward, &config.version, token, user, through.user.clone())?)
}

/// Where a forward leads to.
pub(crate) fn target(to: &Endpoint) -> Result<Target, OpenError> {
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
