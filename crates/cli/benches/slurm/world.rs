//! One server with one Slurm cluster in service, and its stream of events with the moment at which each came.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{Client, Retry};
use serde_json::json;
use testkit::slurm::{Cluster, ClusterSpec, Farm};
use testkit::{Hw, wait_for};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use wire::cluster::ClusterCreate;
use wire::events::{Event, EventStreamQuery};
use wire::{ClusterService, SupplyMode};

const LONG: Duration = Duration::from_secs(60);

pub struct World {
    pub server: Hw,
    pub cluster: Arc<Cluster>,
    pub runtime: Runtime,
    pub client: Client,
    pub folder: tempfile::TempDir,
    _farm: Farm,
}

/// An event and when it arrived.
pub struct Arrived {
    pub event: Event,
    pub at: SystemTime,
}

impl World {
    /// `spec` may name files below the folder given to it.
    pub fn start(spec: impl FnOnce(&std::path::Path) -> ClusterSpec) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path(), 0o755);
        let mut farm = Farm::new(folder.path().join("farm")).expect("a farm");
        let spec = spec(folder.path());
        let name = spec.name.clone();
        farm.start([spec]).expect("a cluster");
        let cluster = Arc::clone(farm.cluster(&name));
        let config = folder.path().join("headworks.toml");
        std::fs::write(&config, "credit_limit = \"1000000000\"\n[local]\nenabled = false\n").expect("a configuration");
        let program = std::env::var_os("HW_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_hw")), PathBuf::from);
        let mut server = Hw::new(program, folder.path().join("data")).flag("config", &config.to_string_lossy());
        server.start();
        let client = Client::new(&server.url(), Some(&server.token())).expect("a client").with_retry(Retry::NONE);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let world = World { server, cluster, runtime, client, folder, _farm: farm };
        world.register();
        world
    }

    fn register(&self) {
        let root = self.folder.path().join("work");
        std::fs::create_dir_all(&root).expect("a work root");
        open_to_all(&root, 0o777);
        let way = json!({"kind": "command", "tools": {"slurm_conf": self.cluster.conf()}});
        let name = self.cluster.name();
        let cluster = ClusterCreate {
            name: name.into(),
            supplier: "partner".into(),
            mode: Some(SupplyMode::Partner),
            site: None,
            region: None,
            place: None,
            cost: None,
            fee: None,
            slurm: json!({"way": way, "work_root": root}),
        };
        self.runtime.block_on(self.client.register_cluster(&cluster)).expect("a registration");
        wait_for("the pools of the cluster", LONG, || {
            let pools = self.runtime.block_on(self.client.pools().take(50)).ok()?;
            pools.items.iter().any(|pool| pool.name.starts_with(name)).then_some(())
        });
        let service = self.client.set_service(name, ClusterService::InService, true);
        self.runtime.block_on(service).expect("a cluster in service");
    }

    /// All events from now on.
    pub fn events(&self) -> mpsc::UnboundedReceiver<Arrived> {
        let newest = self.runtime.block_on(self.client.events_list(&Default::default()).take(1)).expect("events");
        let after = newest.items.first().map_or(0, |event| event.seq);
        let mut stream = self.client.events(&EventStreamQuery { after: Some(after), ..EventStreamQuery::default() });
        let (sender, events) = mpsc::unbounded_channel();
        self.runtime.spawn(async move {
            while let Ok(event) = stream.next().await {
                if sender.send(Arrived { event, at: SystemTime::now() }).is_err() {
                    return;
                }
            }
        });
        events
    }
}

fn open_to_all(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// CPU time of a process and of those of its children that have ended.
pub fn cpu(pid: Option<u32>) -> Duration {
    /// Of a tick, as Linux tells user programs.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.expect("it runs"))).expect("a process");
    // The name, which may hold anything, ends at the last bracket; user, system and both of the children are fields 14 to 17.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u32 = fields[11..15].iter().map(|field| field.parse::<u32>().expect("a number")).sum();
    TICK * ticks
}

/// The part of sorted values below which so many per cent lie.
pub fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    sorted[(sorted.len() - 1) * per_cent / 100]
}
