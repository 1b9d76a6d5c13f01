//! What stands behind the agent: this machine, or a Slurm cluster that it reaches. Reads the site's own files about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Bytes, Resources, digest128};
use connect_local::{LocalCluster, LocalConfig, LocalError, LocalPool, User, detect, passable};
use connect_slurm::{CarrierError, OpenError};
use link::{Hosted, Place, Timing, pool_id};
use model::BackendKind;
use model::people::valid_name;
use ports::Cluster;
use ports::cluster::Observations;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::folder::StateFolder;
use crate::machine;
use crate::slurm::{self, Kept};

/// Observations that the agent has not written to its disk yet.
pub(crate) const OBSERVATIONS: usize = 4_096;
/// Where jobs live when their user cannot pass into the agent's folder: when the agent is root.
const OPEN_ROOT: &str = "/var/tmp";

/// What the agent hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// This machine; pools as the file says, or one pool of all it has, named like the site.
    Local(Option<PathBuf>),
    /// The Slurm cluster that the file describes, as [`connect_slurm::SlurmConfig`].
    Slurm(PathBuf),
}

/// The file about this machine. Unknown words are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// Folder of running jobs; every part of the path must be open (`x`) to their user.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    #[serde(default)]
    pub work_root: Option<PathBuf>,
    /// User of the jobs when the agent is root; `nobody` when nothing is said.
    #[serde(default)]
    pub run_as: Option<String>,
    /// Without control groups when `false`.
    #[serde(default)]
    pub cgroups: Option<bool>,
    #[serde(default, rename = "pool")]
    pub pools: Vec<PoolFile>,
}

/// A `[[pool]]` of the file. On the platform its name is that of the site, `-`, and this name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolFile {
    pub name: String,
    pub cores: u64,
    /// `16G`, `512M`.
    pub memory: String,
    #[serde(default)]
    pub gpus: u32,
    #[serde(default)]
    pub chip: Option<String>,
    #[serde(default = "one")]
    pub nodes: u32,
}

const fn one() -> u32 {
    1
}

/// Why there is nothing behind the agent.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("{path}: {why}")]
    File { path: PathBuf, why: String },
    #[error("pool `{name}`: {why}")]
    Pool { name: String, why: String },
    #[error("this machine as a cluster")]
    Local(#[from] LocalError),
    #[error("the way to Slurm")]
    Slurm(#[from] OpenError),
    #[error("Slurm does not answer")]
    Silent(#[source] CarrierError),
    #[error("Slurm offers nothing to this account: {0}")]
    Nothing(String),
}

/// Starts the connector; it delivers to `observations`. The second value is to be kept as long as the connector is used. With
/// `patience`, a cluster that does not answer is waited for.
pub(crate) async fn open(
    host: &Host,
    folder: &StateFolder,
    place: &Place,
    (supervisor, patience): (&Path, Option<Timing>),
    observations: Observations,
) -> Result<(Hosted, Option<Kept>), HostError> {
    match host {
        Host::Local(file) => {
            let file: LocalFile = file.as_deref().map_or_else(|| Ok(LocalFile::default()), read)?;
            let config = local(file, folder, place, supervisor)?;
            let cluster: Arc<dyn Cluster> = Arc::new(LocalCluster::new(config, observations)?);
            let examine = Some(machine::examine(cluster.clone(), place));
            Ok((Hosted { backend: BackendKind::Local, cluster, examine, accounts: None }, None))
        }
        Host::Slurm(file) => {
            let (hosted, kept) = slurm::open(read(file)?, place, patience, observations).await?;
            Ok((hosted, Some(kept)))
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, HostError> {
    let fault = |why: String| HostError::File { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    toml::from_str(&text).map_err(|error| fault(error.message().to_owned()))
}

fn local(file: LocalFile, folder: &StateFolder, place: &Place, supervisor: &Path) -> Result<LocalConfig, HostError> {
    let pools = match &file.pools[..] {
        [] => vec![whole_machine(place)],
        some => some.iter().map(|pool| checked(pool, place)).collect::<Result<_, _>>()?,
    };
    let run_as = match &file.run_as {
        Some(name) => Some(User::named(name)?),
        None if nix::unistd::geteuid().is_root() => Some(User::named("nobody")?),
        None => None,
    };
    let mut data = file.dir.clone().unwrap_or_else(|| folder.path().join("local"));
    if let (Some(user), None) = (&run_as, &file.dir)
        && passable(folder.path(), user.uid, user.gid, &user.name).is_err()
    {
        let tag = digest128(&[b"site", folder.path().as_os_str().as_encoded_bytes()]);
        data = PathBuf::from(OPEN_ROOT).join(format!("headworks-{:016x}", tag >> 64));
    }
    std::fs::create_dir_all(&data).map_err(|error| HostError::File { path: data.clone(), why: error.to_string() })?;
    let mut config = LocalConfig::new(place.cluster, data, supervisor.to_owned(), pools);
    config.cluster_name = place.site.as_str().into();
    config.cgroups = file.cgroups.unwrap_or(true);
    config.run_as = run_as;
    if let Some(root) = file.work_root {
        config.work_root = root;
    }
    Ok(config)
}

fn whole_machine(place: &Place) -> LocalPool {
    let facts = detect(&place.site);
    let name: Arc<str> = place.site.as_str().into();
    LocalPool { id: pool_id(place.cluster, &name), name, shape: facts.shape, chip: facts.chip, nodes: 1 }
}

fn checked(pool: &PoolFile, place: &Place) -> Result<LocalPool, HostError> {
    let fault = |why: &str| HostError::Pool { name: pool.name.clone(), why: why.to_owned() };
    let name = format!("{}-{}", place.site, pool.name);
    if !valid_name(&name) {
        return Err(fault("with the site's name before it, a name has 1 to 40 of a-z, 0-9, `-`, `_`, `.`"));
    }
    if pool.cores == 0 || pool.nodes == 0 {
        return Err(fault("cores and nodes must be at least 1"));
    }
    if pool.gpus > 0 && pool.chip.is_none() {
        return Err(fault("a pool with gpus names their chip, e.g. chip = \"nvidia-a100-80g\""));
    }
    let memory: Bytes = pool.memory.parse().map_err(|e: base::ParseQuantityError| fault(&e.to_string()))?;
    let chip = pool.chip.as_ref().map(|c| c.parse()).transpose();
    Ok(LocalPool {
        id: pool_id(place.cluster, &name),
        name: name.into(),
        shape: Resources::new(pool.cores, memory, pool.gpus),
        chip: chip.map_err(|e: model::ParseChipError| fault(&e.to_string()))?,
        nodes: pool.nodes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { site: "harbour".to_owned(), cluster: link::cluster_id("harbour"), platform: String::new() }
    }

    #[test]
    fn pools_carry_the_name_of_their_site() {
        let file: LocalFile = toml::from_str("[[pool]]\nname = 'a'\ncores = 2\nmemory = '4G'\n").unwrap();
        let pool = checked(&file.pools[0], &place()).unwrap();
        assert_eq!((&*pool.name, pool.id), ("harbour-a", pool_id(place().cluster, "harbour-a")));
        assert_eq!(&*whole_machine(&place()).name, "harbour");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(toml::from_str::<LocalFile>("pools = 3").is_err());
        for (text, why) in [
            ("name = 'A b'\ncores = 1\nmemory = '1G'", "a name has"),
            ("name = 'a'\ncores = 0\nmemory = '1G'", "at least 1"),
            ("name = 'a'\ncores = 1\nmemory = 'much'", "much"),
            ("name = 'a'\ncores = 1\nmemory = '1G'\ngpus = 1", "names their chip"),
        ] {
            let pool: PoolFile = toml::from_str(text).unwrap();
            let error = checked(&pool, &place()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
