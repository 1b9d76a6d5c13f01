//! From a registered configuration to a way in: the one place where carriers and files are built.

use std::io;
use std::sync::Arc;

use ports::Files;

use crate::carrier::Carrier;
use crate::cli::CommandLine;
use crate::cli::runner::LocalRunner;
use crate::config::{self, Become, Commands, ConfigError, FilesWay, SlurmConfig, Tools, Watch, Way};
use crate::files::local::LocalFiles;
use crate::files::sftp::SftpFiles;
use crate::homes::Homes;
use crate::rest::{Endpoint, Rest, RestError, Split, endpoint};
use crate::ssh::Ssh;
use crate::ssh::forward::{Forward, Target};
use crate::ssh::runner::SshRunner;

/// A way into a cluster, and to the files below its work root where there is one.
#[derive(Clone)]
pub struct Opened {
    pub carrier: Arc<dyn Carrier>,
    pub files: Option<Arc<dyn Files>>,
    /// The same files, where jobs run as Unix users of their own.
    pub homes: Option<Arc<Homes>>,
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
    let by = config.users.as_ref().map(|users| users.by);
    let carrier: Arc<dyn Carrier> = match &config.way {
        Way::Command { tools } => commands(None, tools, by, &mut lines)?,
        Way::Ssh { ssh, tools } => commands(Some(ssh), tools, by, &mut lines)?,
        Way::Rest { rest, watch, commands: beside } => {
            let hand: Arc<dyn Carrier> = Arc::new(slurmrestd(rest, by.is_some(), &mut lines)?);
            match (watch, beside.as_deref()) {
                (Watch::CommandLine, Some(Commands { ssh, tools })) => {
                    Arc::new(Split { hand, eye: commands(ssh.as_ref(), tools, by, &mut lines)? })
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
    let (Some(users), Some(service)) = (&config.users, &files) else {
        return Ok(Opened { carrier, files, homes: None });
    };
    // Where the platform's own files are, there are the users'.
    let line = match (&config.files, files_beside(&config.way)) {
        (Some(FilesWay::Ssh(to)), _) | (None, Some(Beside::Far(to))) => Some(lines.to(to)),
        _ => None,
    };
    let homes = Arc::new(Homes::new(users.clone(), Arc::clone(service), Arc::clone(&carrier), line));
    let files: Arc<dyn Files> = homes.clone();
    Ok(Opened { carrier, files: Some(files), homes: Some(homes) })
}

/// Whether files can be reached when nothing is said of them.
pub(crate) fn has_files(way: &Way) -> bool {
    files_beside(way).is_some()
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

fn commands(
    ssh: Option<&config::Ssh>,
    tools: &Tools,
    by: Option<Become>,
    lines: &mut Lines,
) -> Result<Arc<dyn Carrier>, OpenError> {
    let commands = match ssh {
        Some(to) => CommandLine::new(SshRunner::new(lines.to(to)), tools.clone(), None),
        None => CommandLine::new(LocalRunner::new().map_err(OpenError::Runner)?, tools.clone(), None),
    };
    Ok(match by {
        Some(by) => Arc::new(commands.acting(by)),
        None => Arc::new(commands),
    })
}

fn slurmrestd(config: &config::Rest, acting: bool, lines: &mut Lines) -> Result<Rest, OpenError> {
    let to = endpoint(&config.endpoint)?;
    let (token, user) = (config.token_file.clone(), config.user.clone());
    let Some(through) = &config.through else {
        return Ok(Rest::new(to, &config.version, token, user)?.acting(acting));
    };
    let forward = Forward::new(lines.to(through), target(&to)?);
    Ok(Rest::through(forward, &config.version, token, user, through.user.clone())?.acting(acting))
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
