//! A local cluster with its real supervisor processes in a folder of its own, for the tests beside this file.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{AttemptId, Bytes, ClusterId, JobId, PoolId, Resources, Span};
use connect_local::{LocalCluster, LocalConfig, LocalPool, User};
use futures::future::BoxFuture;
use model::spec::script_id;
use model::{EndCause, EndOrder, Exit, JobSpec, Observation, Observed, Order, Outcome, Request, Usage};
use ports::cluster::Observations;
use ports::conformance::Bed;
use ports::{Cluster, LogStream};
use tokio::sync::mpsc;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder and configuration of a cluster; survives the cluster.
pub struct Ground {
    pub dir: tempfile::TempDir,
    pub config: LocalConfig,
}

impl Ground {
    /// One pool `test` of two cores (this machine's) and 4 GiB; jobs run as `nobody` when the tests run as root.
    pub fn new() -> Ground {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let pool = LocalPool {
            id: PoolId::from_u128(1),
            name: "test".into(),
            shape: Resources::new(2, Bytes::from_gib(4), 2),
            chip: None,
            nodes: 1,
        };
        let data = dir.path().to_owned();
        let supervisor = PathBuf::from(env!("CARGO_BIN_EXE_hw-supervise"));
        let mut config = LocalConfig::new(ClusterId::from_u128(9), data, supervisor, vec![pool]);
        config.watch.kill_grace = Span::from_millis(300);
        if nix::unistd::geteuid().is_root() {
            config.run_as = Some(User::named("nobody").unwrap());
        }
        Ground { dir, config }
    }

    pub fn start(&self) -> Platform {
        let (sender, observations) = mpsc::channel(1_024);
        let cluster = LocalCluster::new(self.config.clone(), sender).unwrap();
        Platform { cluster: Arc::new(cluster), observations, seen: Vec::new() }
    }

    pub fn spool(&self, attempt: AttemptId) -> PathBuf {
        self.dir.path().join("local/spool").join(attempt.to_string())
    }

    /// A folder that the jobs' user may write to.
    pub fn open_folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        path
    }
}

/// Whatever a test left running ends with it, and so does its folder of control groups.
impl Drop for Ground {
    fn drop(&mut self) {
        let json = |path: PathBuf| -> serde_json::Value {
            std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
        };
        for entry in std::fs::read_dir(self.dir.path().join("local/spool")).into_iter().flatten().flatten() {
            let dir = entry.path();
            if let (Some(pid), false) = (json(dir.join("claim"))["pid"].as_i64(), dir.join("ended.json").exists()) {
                let pid = nix::unistd::Pid::from_raw(pid as i32);
                let deadline = Instant::now() + PATIENCE;
                while nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).is_ok()
                    && is_alive(&pid.to_string())
                    && Instant::now() < deadline
                {
                    std::thread::yield_now();
                }
            }
        }
        let data = self.dir.path().as_os_str().as_encoded_bytes();
        let groups = format!("headworks-{:016x}", base::digest128(&[b"headworks-local", data]) >> 64);
        for mount in ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"] {
            let _ = std::fs::remove_dir(Path::new(mount).join(&groups));
        }
    }
}

impl Bed for Ground {
    fn open(&self, observations: Observations) -> Arc<dyn Cluster> {
        Arc::new(LocalCluster::new(self.config.clone(), observations).unwrap())
    }
    fn pool(&self) -> (PoolId, Arc<str>) {
        (PoolId::from_u128(1), "test".into())
    }
    fn nudge(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The same for the same number within one test, and never that of another test: the sweep after a dead supervisor goes
/// by the job's id, machine-wide.
fn job_id(number: u64) -> JobId {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let process = std::process::id().to_be_bytes();
    JobId::from_u128(base::digest128(&[&process, test.as_bytes(), &number.to_be_bytes()]))
}

/// An order of one core and 256 MiB, changed by `change`.
pub fn order(number: u64, script: &str, change: impl FnOnce(&mut Order, &mut JobSpec)) -> Arc<Order> {
    let per_node = Resources::new(1, Bytes::from_mib(256), 0);
    let mut spec = JobSpec::minimal("test job", script_id(script), Request::of(1, per_node), Span::from_mins(10));
    let mut order = Order {
        attempt: AttemptId::new(job_id(number), 1),
        number,
        array: None,
        array_bounds: None,
        tenant: "tenant".into(),
        project: "project".into(),
        user: "user".into(),
        pool: PoolId::from_u128(1),
        pool_name: "test".into(),
        nodes: Vec::new(),
        per_node,
        spec: Arc::new(spec.clone()),
        checkpoint: None,
    };
    change(&mut order, &mut spec);
    order.spec = Arc::new(spec);
    Arc::new(order)
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct End {
    pub outcome: Outcome,
    pub exit: Option<Exit>,
    pub usage: Usage,
    pub note: String,
    pub was_started: bool,
}

pub struct Platform {
    pub cluster: Arc<LocalCluster>,
    pub observations: mpsc::Receiver<Observation>,
    pub seen: Vec<Observed>,
}

impl Platform {
    pub async fn until<T>(&mut self, what: &str, find: impl Fn(&[Observed]) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(&self.seen) {
                return found;
            }
            match tokio::time::timeout_at(deadline, self.observations.recv()).await {
                Ok(Some(observation)) => self.seen.push(observation.what),
                other => panic!("{what} did not come ({other:?}); seen: {:#?}", self.seen),
            }
        }
    }

    pub async fn submit(&self, order: &Arc<Order>, script: &str) {
        self.cluster.submit(Arc::clone(order), script.into()).await.unwrap();
    }

    pub async fn end(&self, attempt: AttemptId, cause: EndCause, grace: Span) {
        self.cluster.end(attempt, EndOrder { cause, grace }).await.unwrap();
    }

    pub async fn started(&mut self, attempt: AttemptId) {
        let is_it = |o: &Observed| matches!(o, Observed::Started { attempt: a, .. } if *a == attempt);
        self.until("Started", |seen| seen.iter().any(is_it).then_some(())).await;
    }

    pub async fn ended(&mut self, attempt: AttemptId) -> End {
        let find = |o: &Observed| match o {
            Observed::Ended { attempt: a, outcome, exit, usage, note, started_at, .. } if *a == attempt => Some(End {
                outcome: *outcome,
                exit: *exit,
                usage: *usage,
                note: note.as_deref().unwrap_or_default().to_owned(),
                was_started: started_at.is_some(),
            }),
            _ => None,
        };
        self.until("Ended", |seen| seen.iter().find_map(find)).await
    }

    /// Runs a script to its end; its output with it.
    pub async fn run(&mut self, order: &Arc<Order>, script: &str) -> (End, String) {
        self.submit(order, script).await;
        let end = self.ended(order.attempt).await;
        (end, self.log(order).await)
    }

    pub async fn log(&self, order: &Arc<Order>) -> String {
        let chunk = self.cluster.read_log(Arc::clone(order), LogStream::Stdout, 0, 1 << 20).await.unwrap();
        String::from_utf8(chunk.bytes).unwrap()
    }

    /// Waits until the job has written `wanted`.
    pub async fn log_shows(&self, order: &Arc<Order>, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log(order).await;
            if log.contains(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "no {wanted:?} in {log:?}");
            self.cluster.wait_log(Arc::clone(order), LogStream::Stdout, log.len() as u64).await.unwrap();
        }
    }
}

/// Whether a process lives (and is more than a zombie).
pub fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until `what` holds.
pub async fn eventually(name: &str, what: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < deadline, "never: {name}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
