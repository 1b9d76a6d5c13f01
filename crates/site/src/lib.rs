//! The site agent: a program that an ordinary user runs at a partner's login node, or on a machine of one's own, and that
//! dials out to the platform. It hosts one connector and keeps what must not be lost in one folder. Nothing listens here.
//! Refuses to know: the engine, the store, HTTP, how the line works.

mod folder;
mod host;
mod machine;
mod slurm;

use std::path::PathBuf;

pub use folder::{FolderError, Joined, StateFolder};
pub use host::{Host, HostError, LocalFile, PoolFile};

use link::{Agent, AgentError, Dial, DialError, Fingerprint, IdentityError, Timing, join};

/// How a site joins: what the operator's enrolment printed.
#[derive(Clone, Debug)]
pub struct Join {
    /// `host:port` of the server; several where several serve one platform.
    pub servers: Vec<String>,
    pub pin: Fingerprint,
    /// Good once.
    pub token: String,
}

/// What an agent is told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    pub state: PathBuf,
    pub join: Option<Join>,
    pub host: Host,
    /// The program that becomes the supervisor of a job (`connect_local::SUPERVISE`).
    pub supervisor: PathBuf,
    /// e.g. `hw 0.1.0`.
    pub software: String,
    pub timing: Timing,
}

/// Why an agent does not begin.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("joining failed")]
    Join(#[source] DialError),
    #[error("the server names this site {now}, the folder is that of {before}: use a folder of its own for each site")]
    OtherSite { before: String, now: String },
    #[error("{0} has not joined a platform: use the command that `hw sites enroll` prints")]
    NotJoined(PathBuf),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Joins when told to, then serves until `stop` resolves. Jobs go on afterwards. `ready` is told which site it is.
///
/// # Errors
/// [`SiteError`]; once it serves there is none.
pub async fn run(
    options: Options,
    ready: impl FnOnce(&Joined),
    stop: impl Future<Output = ()>,
) -> Result<(), SiteError> {
    let folder = StateFolder::open(&options.state)?;
    // One that has just been told where to go shall say what is wrong; one that was there before waits for what is down.
    let first = folder.joined()?.is_none();
    let joined = enter(&options, &folder).await?;
    ready(&joined);
    let identity = folder.identity(&joined.key)?;
    let dial = dial(&options, joined.servers.clone(), joined.pin()?);
    let (sender, observations) = tokio::sync::mpsc::channel(host::OBSERVATIONS);
    let place = joined.place();
    let patience = (!first).then_some(options.timing);
    let mut stop = std::pin::pin!(stop);
    let (hosted, _kept) = tokio::select! {
        opened = host::open(&options.host, &folder, &place, (&options.supervisor, patience), sender) => opened?,
        () = &mut stop => return Ok(()),
    };
    let agent = Agent::open((dial, identity), &place, &folder.spool()?, hosted, observations).await?;
    agent.run(stop).await;
    Ok(())
}

fn dial(options: &Options, servers: Vec<String>, pin: Fingerprint) -> Dial {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Dial {
        servers,
        pin,
        software: options.software.clone(),
        machine: machine.trim().to_owned(),
        timing: options.timing,
    }
}

/// What the folder says of the platform that was joined; joins first where that is asked for and was not done.
async fn enter(options: &Options, folder: &StateFolder) -> Result<Joined, SiteError> {
    let known = folder.joined()?;
    let Some(wanted) = &options.join else {
        return known.ok_or_else(|| SiteError::NotJoined(options.state.clone()));
    };
    // A key for each token: should this fail, the one before still opens the line; should it be cut off, a repeat presents
    // the same key again.
    let key = folder::key_name(&wanted.token);
    if let Some(known) = known.as_ref().filter(|known| known.key == key) {
        return Ok(known.clone());
    }
    let identity = folder.make_identity(&key)?;
    let dial = dial(options, wanted.servers.clone(), wanted.pin);
    let place = join(&dial, &identity, &wanted.token).await.map_err(SiteError::Join)?;
    if let Some(known) = &known
        && (known.cluster != place.cluster || known.platform != place.platform)
    {
        return Err(SiteError::OtherSite { before: known.site.clone(), now: place.site });
    }
    let joined = Joined {
        servers: wanted.servers.clone(),
        pin: wanted.pin.to_string(),
        site: place.site,
        cluster: place.cluster,
        platform: place.platform,
        key,
    };
    folder.remember(&joined)?;
    Ok(joined)
}
