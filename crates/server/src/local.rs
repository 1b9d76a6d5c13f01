//! This machine as a cluster: what it has, where its jobs live, under whom they run.

use std::path::PathBuf;
use std::sync::Arc;

use connect_local::{LocalCluster, LocalConfig, LocalError, LocalPool as ConnectorPool, User, passable};

use crate::boot::LocalSupply;
use crate::config::{Checked, Local, LocalPool};
use crate::shell::{Connected, Observe};

/// The pool that stands for the whole machine when none is configured, on the machine whose cluster has the usual name.
/// Names of pools are the platform's: on a machine whose cluster has a name of its own the pool has the same.
const WHOLE: &str = "main";
const USUAL_CLUSTER: &str = "local";
/// Where jobs live when their user cannot pass into the data folder (a root's home, say).
const OPEN_ROOT: &str = "/var/tmp";

/// A checked local cluster, ready to be connected each time this server becomes active.
pub struct Machine {
    pub supply: LocalSupply,
    pub remarks: Vec<String>,
    config: LocalConfig,
}

impl Machine {
    /// Starts the connector; it delivers to `observe` until it is dropped.
    ///
    /// # Errors
    /// A folder that cannot be made or entered.
    pub fn connect(&self, observe: Observe) -> Result<Connected, LocalError> {
        let cluster = LocalCluster::new(self.config.clone(), observe)?;
        Ok(vec![(self.supply.cluster, Arc::new(cluster))])
    }
}

/// # Errors
/// A user that does not exist, a pool without cores, a folder that the jobs' user cannot pass.
pub fn prepare(local: &Local, config: &Checked) -> Result<Machine, LocalError> {
    let pools = if local.pools.is_empty() { whole_machine(&local.name) } else { local.pools.clone() };
    let run_as = match &local.run_as {
        Some(name) => Some(User::named(name)?),
        None if nix::unistd::geteuid().is_root() => Some(User::named("nobody")?),
        None => None,
    };
    let named: Vec<(LocalPool, Vec<String>)> = pools
        .into_iter()
        .map(|pool| {
            let names = connector_pool(base::PoolId::from_u128(0), &pool).node_names();
            (pool, names)
        })
        .collect();
    let supply = LocalSupply::new(&local.name, &machine_id(), named);
    let connector_pools = supply.pools.iter().map(|(id, pool, _)| connector_pool(*id, pool)).collect();
    let supervisor = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("hw"));
    let mut connector = LocalConfig::new(supply.cluster, config.data.clone(), supervisor, connector_pools);
    connector.cluster_name = supply.name.clone();
    connector.cgroups = local.cgroups;
    connector.watch.kill_grace = config.policy.kill_grace;
    connector.run_as = run_as;
    let mut remarks = Vec::new();
    if let Some(dir) = &local.dir {
        connector.data_dir.clone_from(dir);
    } else if let Some(LocalError::Closed { path, user }) = closed(&connector) {
        // Two platforms on one machine do not meet: the folder is named after the data folder.
        let tag = base::digest128(&[path.as_os_str().as_encoded_bytes(), config.data.as_os_str().as_encoded_bytes()]);
        let open = PathBuf::from(OPEN_ROOT).join(format!("headworks-{:016x}", tag >> 64));
        remarks.push(format!(
            "jobs run as {user}, who cannot pass through {}; their folders are in {} (set local.dir to choose)",
            path.display(),
            open.display()
        ));
        connector.data_dir = open;
    }
    connector.work_root = local.work_root.clone().unwrap_or_else(|| connector.data_dir.join("work"));
    Ok(Machine { supply, remarks, config: connector })
}

/// Why the jobs' user cannot pass into the data folder, if so.
fn closed(connector: &LocalConfig) -> Option<LocalError> {
    let user = connector.run_as.as_ref()?;
    let path = std::path::absolute(&connector.data_dir).ok()?;
    passable(&path, user.uid, user.gid, &user.name).err()
}

/// What tells this machine from others: the system's machine id, or its host name where there is none.
pub fn machine_id() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    match id.trim() {
        "" => {
            std::fs::read_to_string("/proc/sys/kernel/hostname").map_or("unknown".into(), |name| name.trim().to_owned())
        }
        id => id.to_owned(),
    }
}

fn whole_machine(cluster: &str) -> Vec<LocalPool> {
    let name = if cluster == USUAL_CLUSTER { WHOLE } else { cluster };
    let facts = connect_local::detect(name);
    vec![LocalPool {
        name: name.into(),
        shape: facts.shape,
        chip: facts.chip,
        nodes: 1,
        time_limit_max: None,
        interconnect: None,
    }]
}

fn connector_pool(id: base::PoolId, pool: &LocalPool) -> ConnectorPool {
    ConnectorPool { id, name: pool.name.as_str().into(), shape: pool.shape, chip: pool.chip.clone(), nodes: pool.nodes }
}
