//! The connector over Slurm's own commands, on real clusters: what every cluster must do, what a controller that lost its state
//! does to it, and whether what is told equals Slurm's accounting to the second. Skipped with a message where Slurm is missing.
#![allow(clippy::print_stdout, reason = "says why it was skipped, and figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{AttemptId, ClusterId, PoolId, Span, Timestamp};
use connect_slurm::carrier::Carrier;
use connect_slurm::cli::CommandLine;
use connect_slurm::cli::runner::LocalRunner;
use connect_slurm::config::{SlurmConfig, Tools, Way};
use connect_slurm::files::LocalFiles;
use connect_slurm::key::Realm;
use connect_slurm::{Limits, Parts, SlurmCluster, SlurmPool, supply};
use model::{EndCause, EndOrder, Exit, Observation, Observed, Order, Outcome};
use ports::Cluster as _;
use ports::cluster::Observations;
use ports::conformance::{self, Bed};
use testkit::slurm::{Accounting, Cluster, ClusterSpec, Farm, NodeSet};
use tokio::sync::mpsc;

/// Longest wait for anything of Slurm's on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Every bed has a realm of its own, so that none sees another's jobs.
static BEDS: AtomicU64 = AtomicU64::new(0);

/// One realm on one cluster.
struct Site {
    cluster: Arc<Cluster>,
    carrier: Arc<dyn Carrier>,
    survey: Arc<connect_slurm::carrier::Survey>,
    root: PathBuf,
    realm: Realm,
}

impl Site {
    async fn new(cluster: &Arc<Cluster>, dir: &std::path::Path) -> Site {
        let conf = Some(cluster.conf().to_string_lossy().into_owned());
        let tools = Tools { slurm_conf: conf, bin: None };
        let runner = LocalRunner::new().expect("a runner");
        let carrier: Arc<dyn Carrier> = Arc::new(CommandLine::new(runner, tools, None));
        let survey = Arc::new(carrier.survey().await.expect("a survey"));
        Site::on(cluster, dir, carrier, survey)
    }

    fn on(
        cluster: &Arc<Cluster>,
        dir: &std::path::Path,
        carrier: Arc<dyn Carrier>,
        survey: Arc<connect_slurm::carrier::Survey>,
    ) -> Site {
        let number = BEDS.fetch_add(1, Ordering::Relaxed);
        // Words that a shell would stumble over.
        let root = dir.join(format!("work root {number} 'q' $(x) %j"));
        std::fs::create_dir_all(&root).expect("a work root");
        let realm = Realm::new(&[b"real", &number.to_be_bytes()]);
        Site { cluster: Arc::clone(cluster), carrier, survey, root, realm }
    }

    fn again(&self) -> Site {
        let dir = self.root.parent().expect("a parent");
        Site::on(&self.cluster, dir, Arc::clone(&self.carrier), Arc::clone(&self.survey))
    }

    fn config(&self) -> SlurmConfig {
        let config = serde_json::json!({"way": {"kind": "command"}, "work_root": self.root, "poll_ms": 200});
        let config: SlurmConfig = serde_json::from_value(config).expect("a configuration");
        assert!(matches!(config.way, Way::Command { .. }));
        config
    }

    fn pools(&self) -> Vec<SlurmPool> {
        let found = supply::pools(&self.survey, &self.config(), ClusterId::from_u128(1), self.cluster.name());
        found.plans.into_iter().map(|plan| plan.pool).collect()
    }

    fn connect(&self, observations: Observations) -> SlurmCluster {
        let parts = Parts {
            cluster: ClusterId::from_u128(1),
            name: self.cluster.name().into(),
            realm: self.realm,
            config: self.config(),
            pools: self.pools(),
            carrier: Arc::clone(&self.carrier),
            files: Some(Arc::new(LocalFiles::new(&self.root))),
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
struct Platform {
    cluster: SlurmCluster,
    observations: mpsc::Receiver<Observation>,
    seen: Vec<Observed>,
}

impl Platform {
    fn start(site: &Site) -> Platform {
        let (sender, observations) = mpsc::channel(256);
        Platform { cluster: site.connect(sender), observations, seen: Vec::new() }
    }

    async fn until<T>(&mut self, what: &str, find: impl Fn(&[Observed]) -> Option<T>) -> T {
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

    async fn ended(&mut self, attempt: AttemptId) -> (Outcome, Option<Exit>, Option<Timestamp>, Timestamp) {
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

    async fn started(&mut self, attempt: AttemptId) {
        let is_it = |what: &Observed| matches!(what, Observed::Started { attempt: a, .. } if *a == attempt);
        self.until("a start", |seen| seen.iter().any(is_it).then_some(())).await;
    }

    async fn log(&self, order: &Arc<Order>) -> String {
        let chunk = self.cluster.read_log(Arc::clone(order), ports::LogStream::Stdout, 0, 1 << 20).await;
        String::from_utf8_lossy(&chunk.expect("a log").bytes).into_owned()
    }
}

fn changed(order: &Arc<Order>, change: impl FnOnce(&mut model::JobSpec)) -> Arc<Order> {
    let mut order = Order::clone(order);
    let mut spec = model::JobSpec::clone(&order.spec);
    change(&mut spec);
    order.spec = Arc::new(spec);
    Arc::new(order)
}

/// A farm with one cluster; `None` where there is no Slurm.
fn farm(dir: &std::path::Path, spec: ClusterSpec) -> Option<(Farm, Arc<Cluster>)> {
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

fn small(name: &str) -> ClusterSpec {
    ClusterSpec::new(name).nodes(NodeSet::new(2).cpus(8).mem_mb(32_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_a_cluster_without_accounting_is_a_cluster() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("plain")) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    conformance::cluster(|| site.again()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_a_cluster_with_slurmdbd_is_a_cluster_and_its_seconds_are_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("booked").accounting(Accounting::default())) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    conformance::cluster(|| site.again()).await;
    ends_are_slurms_to_the_second(&site.again()).await;
}

async fn ends_are_slurms_to_the_second(site: &Site) {
    let mut platform = Platform::start(site);
    let scripts = ["sleep 2", "sleep 1\nexit 137", "exit 9", "kill -TERM $$", "sleep 3\nkill -KILL $$"];
    let wanted = [(0, 0), (137, 0), (9, 0), (0, 15), (0, 9)];
    for (number, script) in (1..).zip(scripts) {
        let script = format!("#!/bin/sh\n{script}\n");
        let order = conformance::order(site, number, &script);
        platform.cluster.submit(order, script.into()).await.expect("a hand-over");
    }
    for (number, (code, signal)) in (1..).zip(wanted) {
        let attempt = conformance::order(site, number, "").attempt;
        let (outcome, exit, start, end) = platform.ended(attempt).await;
        assert_eq!(exit, Some(Exit { code, signal }), "{}", scripts[number as usize - 1]);
        assert_eq!(outcome == Outcome::Completed, code == 0 && signal == 0);
        let name = site.realm.name(attempt);
        let said = site
            .cluster
            .run(&["sacct", "-n", "-P", "-X", "--name", &name, "-S", "now-1hour", "-o", "Start,End"])
            .expect("sacct");
        let told = [start.expect("it ran"), end].map(|at| at.as_secs());
        let slurms: Vec<i64> = said.trim().split('|').map(seconds_of_day).collect();
        assert_eq!(told.map(|at| at.rem_euclid(86_400)).to_vec(), slurms, "{said}");
    }
}

/// `2026-11-21T11:22:33` in UTC as seconds of its day.
fn seconds_of_day(text: &str) -> i64 {
    let time = text.split_once('T').expect("a time").1;
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_what_a_controller_forgot_runs_once_and_scripts_arrive_as_they_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), small("loser")) else { return };
    let site = Site::new(&cluster, dir.path()).await;
    everything_arrives(&site).await;
    signals_arrive_once(&site.again()).await;
    forgotten_jobs_run_once(&site.again()).await;
}

async fn everything_arrives(site: &Site) {
    let mut platform = Platform::start(site);
    let nasty = "$(touch never) `id` 'q' \"d\" \\ ; & | > \u{1d11e}\ttab\nline -n %j %%";
    let script = "#!/bin/bash\n#SBATCH --nodes=1000\ncat -- \"$0\"\nprintf '[%s]' \"$@\" \"$NASTY\" \"$SLURM_JOB_NAME\" \"$HW_JOB_NUMBER\"\n\
                  # \u{1d11e} '\"`$( \r\n";
    let order = changed(&conformance::order(site, 1, script), |spec| {
        spec.name = nasty.into();
        spec.comment = Some(nasty.into());
        spec.args = vec![nasty.into(), String::new()];
        spec.environment = vec![("NASTY".into(), nasty.into())];
        spec.stdout = Some("out 'q' $(x) 100%%".into());
    });
    platform.cluster.submit(Arc::clone(&order), script.into()).await.expect("a hand-over");
    let end = platform.ended(order.attempt).await;
    assert_eq!(platform.log(&order).await, format!("{script}[{nasty}][][{nasty}][{nasty}][1]"), "{end:?}");
    // 4 MiB of script is put beside the fence.
    let large = format!("#!/bin/sh\necho large\nexit 0\n{}", "#234567\n".repeat(1 << 19));
    let order = conformance::order(site, 2, &large);
    platform.cluster.submit(Arc::clone(&order), large.into()).await.expect("a hand-over");
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed);
    assert_eq!(platform.log(&order).await, "large\n");
}

async fn signals_arrive_once(site: &Site) {
    let mut platform = Platform::start(site);
    let script = "#!/bin/bash\ntrap 'echo usr1' USR1\ntrap 'echo usr2' USR2\nmkfifo wait\nexec 3<>wait\necho ready\nwhile :; do read -t 0.1 -u 3; done\n";
    let order = conformance::order(site, 1, script);
    platform.cluster.submit(Arc::clone(&order), script.into()).await.expect("a hand-over");
    platform.started(order.attempt).await;
    for (signal, shell_only, text) in
        [(0, false, "ready\n"), (12, false, "ready\nusr2\n"), (10, true, "ready\nusr2\nusr1\n")]
    {
        if signal > 0 {
            platform.cluster.signal(order.attempt, signal, shell_only).await.expect("a signal");
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let log = platform.log(&order).await;
            if log == text {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline && text.starts_with(&log), "{log:?} instead of {text:?}");
            let size = log.len() as u64;
            platform.cluster.wait_log(Arc::clone(&order), ports::LogStream::Stdout, size).await.expect("a log");
        }
    }
    let how = EndOrder { cause: EndCause::Cancelled, grace: Span::from_secs(2) };
    platform.cluster.end(order.attempt, how).await.expect("an end");
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Cancelled);
}

/// A controller that is set back forgets what it acknowledged, and gives the numbers to others.
async fn forgotten_jobs_run_once(site: &Site) {
    const JOBS: u64 = 6;
    let mut platform = Platform::start(site);
    // Nothing starts meanwhile.
    site.cluster.run(&["scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=test"]).expect("drained");
    let saved = site.cluster.save_state().expect("a saved state");
    let script = "#!/bin/sh\necho ran >>ran\nsleep 1\n";
    for number in 1..=JOBS {
        let order = conformance::order(site, number, script);
        platform.cluster.submit(order, script.into()).await.expect("a hand-over");
    }
    site.cluster.restore_state(&saved).expect("set back");
    // The drain may be forgotten as well; then there is nothing to resume.
    let _ = site.cluster.run(&["scontrol", "update", "NodeName=ALL", "State=RESUME"]);
    // The numbers are somebody else's now.
    for number in JOBS + 1..=2 * JOBS {
        let order = conformance::order(site, number, script);
        platform.cluster.submit(order, script.into()).await.expect("a hand-over");
    }
    for number in 1..=2 * JOBS {
        let order = conformance::order(site, number, script);
        assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed, "{number}");
        let ran = site.root.join(format!("work/tenant/user/{number}/ran"));
        assert_eq!(std::fs::read_to_string(ran).expect("it ran"), "ran\n", "{number}");
    }
}
