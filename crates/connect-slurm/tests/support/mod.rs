//! What the tests on real clusters share: a realm on a cluster through any way in, and the platform's side of its connector.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::print_stdout, reason = "says why it was skipped")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{AttemptId, ClusterId, PoolId, Timestamp};
use connect_slurm::carrier::{Carrier, Survey};
use connect_slurm::config::{SlurmConfig, Way};
use connect_slurm::files::{LocalFiles, SftpFiles};
use connect_slurm::key::Realm;
use connect_slurm::ssh::Ssh;
use connect_slurm::{Limits, Parts, SlurmCluster, SlurmPool, supply};
use model::{Exit, Observation, Observed, Order, Outcome};
use ports::cluster::Observations;
use ports::conformance::Bed;
use ports::{Cluster as _, Files};
use serde_json::{Value, json};
use testkit::slurm::{Cluster, ClusterSpec, Farm, NodeSet, SshAccess};
use tokio::sync::mpsc;

/// Longest wait for anything of Slurm's on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Every bed has a realm of its own, so that none sees another's jobs.
static BEDS: AtomicU64 = AtomicU64::new(0);

/// One realm on one cluster, through one way in.
pub struct Site {
    pub cluster: Arc<Cluster>,
    pub carrier: Arc<dyn Carrier>,
    pub files: Arc<dyn Files>,
    pub survey: Arc<Survey>,
    pub config: SlurmConfig,
    pub realm: Realm,
    dir: PathBuf,
    way: Value,
    /// For files, one for all realms.
    line: Option<Arc<Ssh>>,
}

/// Slurm's commands on this machine.
pub fn command(cluster: &Cluster) -> Value {
    json!({"kind": "command", "tools": {"slurm_conf": cluster.conf()}})
}

impl Site {
    pub async fn new(cluster: &Arc<Cluster>, dir: &std::path::Path) -> Site {
        Site::by(cluster, dir, command(cluster)).await
    }

    /// Through the way that the registration would name.
    pub async fn by(cluster: &Arc<Cluster>, dir: &std::path::Path, way: Value) -> Site {
        let carrier = connect_slurm::open(&config(&way, dir)).expect("a way in").carrier;
        let survey = Arc::new(carrier.survey().await.expect("a survey"));
        let line = match config(&way, dir).way {
            Way::Ssh { ssh, .. } => Some(Ssh::new(ssh)),
            Way::Rest { rest, .. } => rest.through.map(Ssh::new),
            Way::Command { .. } => None,
        };
        Site::on(cluster, dir, way, line, carrier, survey)
    }

    fn on(
        cluster: &Arc<Cluster>,
        dir: &std::path::Path,
        way: Value,
        line: Option<Arc<Ssh>>,
        carrier: Arc<dyn Carrier>,
        survey: Arc<Survey>,
    ) -> Site {
        let number = BEDS.fetch_add(1, Ordering::Relaxed);
        // Words that a shell would stumble over.
        let root = dir.join(format!("work root {number} 'q' $(x) %j"));
        std::fs::create_dir_all(&root).expect("a work root");
        let config = config(&way, &root);
        // Without a line they are here, as where the work root is mounted.
        let files: Arc<dyn Files> = match &line {
            Some(line) => Arc::new(SftpFiles::new(Arc::clone(line), &config.work_root)),
            None => Arc::new(LocalFiles::new(&root)),
        };
        let realm = Realm::new(&[b"real", &number.to_be_bytes()]);
        Site { cluster: Arc::clone(cluster), carrier, files, survey, config, realm, dir: dir.to_owned(), way, line }
    }

    pub fn again(&self) -> Site {
        let (carrier, survey) = (Arc::clone(&self.carrier), Arc::clone(&self.survey));
        Site::on(&self.cluster, &self.dir, self.way.clone(), self.line.clone(), carrier, survey)
    }

    pub fn root(&self) -> PathBuf {
        PathBuf::from(&self.config.work_root)
    }

    pub fn pools(&self) -> Vec<SlurmPool> {
        let found = supply::pools(&self.survey, &self.config, ClusterId::from_u128(1), self.cluster.name(), &[]);
        found.plans.into_iter().map(|plan| plan.pool).collect()
    }

    pub fn connect(&self, observations: Observations) -> SlurmCluster {
        let parts = Parts {
            cluster: ClusterId::from_u128(1),
            name: self.cluster.name().into(),
            realm: self.realm,
            config: self.config.clone(),
            pools: self.pools(),
            carrier: Arc::clone(&self.carrier),
            files: Some(Arc::clone(&self.files)),
            homes: None,
            accounting: self.survey.accounting,
            limits: Limits::of(&self.survey),
            clock: Arc::new(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
                Timestamp::from_micros(now.as_micros() as i64)
            }),
        };
        SlurmCluster::new(parts, observations)
    }
}

impl Bed for Site {
    fn open(&self, observations: Observations) -> Arc<dyn ports::Cluster> {
        Arc::new(self.connect(observations))
    }
    fn pool(&self) -> (PoolId, Arc<str>) {
        let pool = self.pools().into_iter().next().expect("a pool");
        (pool.id, pool.name)
    }
}

/// The platform's side of one connector.
pub struct Platform {
    pub cluster: SlurmCluster,
    observations: mpsc::Receiver<Observation>,
    seen: Vec<Observed>,
}

impl Platform {
    pub fn start(site: &Site) -> Platform {
        let (sender, observations) = mpsc::channel(256);
        Platform { cluster: site.connect(sender), observations, seen: Vec::new() }
    }

    /// The same for a connector that was built otherwise.
    pub fn of(cluster: SlurmCluster, observations: mpsc::Receiver<Observation>) -> Platform {
        Platform { cluster, observations, seen: Vec::new() }
    }

    pub async fn until<T>(&mut self, what: &str, find: impl Fn(&[Observed]) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(&self.seen) {
                return found;
            }
            match tokio::time::timeout_at(deadline, self.observations.recv()).await {
                Ok(Some(observation)) => self.seen.push(observation.what),
                _ => panic!("{what} did not come; {:#?}; seen {:#?}", self.cluster.status(), self.seen),
            }
        }
    }

    pub async fn ended(&mut self, attempt: AttemptId) -> (Outcome, Option<Exit>, Option<Timestamp>, Timestamp) {
        let find = |seen: &[Observed]| {
            seen.iter().find_map(|what| match what {
                Observed::Ended { attempt: a, outcome, exit, started_at, at, .. } if *a == attempt => {
                    Some((*outcome, *exit, *started_at, *at))
                }
                _ => None,
            })
        };
        self.until("an end", find).await
    }

    pub async fn started(&mut self, attempt: AttemptId) {
        let is_it = |what: &Observed| matches!(what, Observed::Started { attempt: a, .. } if *a == attempt);
        self.until("a start", |seen| seen.iter().any(is_it).then_some(())).await;
    }

    pub async fn log(&self, order: &Arc<Order>) -> String {
        let chunk = self.cluster.read_log(Arc::clone(order), ports::LogStream::Stdout, 0, 1 << 20).await;
        String::from_utf8_lossy(&chunk.expect("a log").bytes).into_owned()
    }
}

pub fn changed(order: &Arc<Order>, change: impl FnOnce(&mut model::JobSpec)) -> Arc<Order> {
    let mut order = Order::clone(order);
    let mut spec = model::JobSpec::clone(&order.spec);
    change(&mut spec);
    order.spec = Arc::new(spec);
    Arc::new(order)
}

/// A farm with one cluster; `None` where there is no Slurm.
pub fn farm(dir: &std::path::Path, spec: ClusterSpec) -> Option<(Farm, Arc<Cluster>)> {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return None;
    }
    let name = spec.name.clone();
    let mut farm = Farm::new(dir.join("farm")).expect("a farm");
    farm.start([spec]).expect("a cluster");
    let cluster = Arc::clone(farm.cluster(&name));
    Some((farm, cluster))
}

pub fn small(name: &str) -> ClusterSpec {
    ClusterSpec::new(name).nodes(NodeSet::new(2).cpus(8).mem_mb(32_000))
}

/// As an operator would write it; looks come quickly.
fn config(way: &Value, root: &std::path::Path) -> SlurmConfig {
    let config = json!({"way": way, "work_root": root, "poll_ms": 200});
    serde_json::from_value(config).expect("a configuration")
}

/// The login node as a registration names it: key, known hosts and jump host, and no configuration of ssh's own.
pub fn login(access: &SshAccess) -> Value {
    let jump = access.jump_port.map(|port| format!("{}@127.0.0.1:{port}", access.user));
    let mut login = json!({
        "host": "127.0.0.1", "port": access.port, "user": access.user, "key": access.key, "known_hosts": access.known_hosts,
    });
    if let Some(jump) = jump {
        login["jump"] = json!(jump);
    }
    login
}
