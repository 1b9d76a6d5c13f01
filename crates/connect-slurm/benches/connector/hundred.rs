//! A hundred clusters of a thousand jobs each in one process, on recorded answers: CPU and memory of the connectors in a minute of
//! ordinary work, and how long ago a change was when it was told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::{ClusterId, PoolId, Timestamp};
use connect_slurm::carrier::Carrier;
use connect_slurm::cli::CommandLine;
use connect_slurm::config::{SlurmConfig, Tools};
use connect_slurm::files::LocalFiles;
use connect_slurm::key::Realm;
use connect_slurm::{Limits, Parts, SlurmCluster, SlurmPool, supply};
use model::{Observation, Observed};
use ports::Cluster as _;
use ports::cluster::Observations;
use ports::conformance::{self, Bed};
use tokio::sync::mpsc;

use crate::replay::{CHANGE, Hand, RUNNING, Replay};

const CLUSTERS: u64 = 100;
const JOBS: u64 = 1_000;
/// Until every job is told to be there, and the looks have found their step.
const SETTLE: Duration = Duration::from_secs(20);
const MEASURE: Duration = Duration::from_secs(60);

/// How old changes were when they were told.
type Lags = Arc<Mutex<Vec<Duration>>>;

struct Site {
    connector: SlurmCluster,
    pool: SlurmPool,
    realm: Realm,
    hand: Hand,
}

impl Bed for Site {
    fn open(&self, _: Observations) -> Arc<dyn ports::Cluster> {
        unreachable!("the connector is there")
    }
    fn pool(&self) -> (PoolId, Arc<str>) {
        (self.pool.id, self.pool.name.clone())
    }
}

impl Site {
    async fn submit(&self, number: u64) {
        let script: Arc<str> =
            format!("#!/bin/sh\n# job {number}\n{}", "srun ./solver --steps 1000\n".repeat(20)).into();
        let order = conformance::order(self, number, &script);
        self.connector.submit(order, script).await.expect("a hand-over");
    }
}

pub fn measure() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let own = Arc::new(AtomicU64::new(0));
    let lags = Lags::default();
    runtime.block_on(async {
        let mut sites = Vec::new();
        for index in 0..CLUSTERS {
            sites.push(begin(index, dir.path(), &own, &lags).await);
        }
        for site in &sites {
            while !site.hand.is_full(JOBS as usize) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        for site in &sites {
            site.hand.begin();
            // Not all in the same millisecond.
            tokio::time::sleep(CHANGE / CLUSTERS as u32).await;
        }
        tokio::time::sleep(SETTLE).await;
        lags.lock().expect("no panic").clear();
        let (cpu, replayed, begun) = (process_cpu(), own.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(MEASURE).await;
        let wall = begun.elapsed();
        let (cpu, replayed) = (process_cpu() - cpu, Duration::from_nanos(own.load(Ordering::Relaxed) - replayed));
        tell(wall, cpu, replayed, &mut lags.lock().expect("no panic"));
    });
}

fn tell(wall: Duration, cpu: Duration, replayed: Duration, lags: &mut [Duration]) {
    let cores = |time: Duration| time.as_secs_f64() / wall.as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    println!(
        "{CLUSTERS} clusters × {JOBS} jobs on recorded answers, a start, an end and a hand-over every second at each: {:.2} cores, {:.2} of them the recording's, {} MiB at most   (wanted: under 1 core, under 1,024 MiB)",
        cores(cpu),
        cores(replayed),
        peak / 1_024
    );
    lags.sort_unstable();
    assert!(lags.len() as u64 > CLUSTERS * MEASURE.as_secs(), "{} changes were told", lags.len());
    let part = |per_cent: usize| lags[(lags.len() - 1) * per_cent / 100];
    println!(
        "    {} changes, told after {} ms in the median, p99 {} ms",
        lags.len(),
        part(50).as_millis(),
        part(99).as_millis()
    );
}

/// One cluster, filled, and the platform's side of it.
async fn begin(index: u64, dir: &std::path::Path, own: &Arc<AtomicU64>, lags: &Lags) -> Arc<Site> {
    let (replay, hand) = Replay::new(Arc::clone(own));
    let carrier: Arc<dyn Carrier> = Arc::new(CommandLine::new(replay, Tools::default(), None));
    let survey = carrier.survey().await.expect("a survey");
    let root = dir.join(index.to_string());
    std::fs::create_dir_all(&root).expect("a work root");
    let config = serde_json::json!({"way": {"kind": "command"}, "work_root": root});
    let config: SlurmConfig = serde_json::from_value(config).expect("a configuration");
    let (id, name) = (ClusterId::from_u128(u128::from(index) + 1), format!("c{index}"));
    let pools: Vec<SlurmPool> =
        supply::pools(&survey, &config, id, &name, &[]).plans.into_iter().map(|plan| plan.pool).collect();
    let pool = pools.first().expect("a pool").clone();
    let realm = Realm::new(&[b"hundred", &index.to_be_bytes()]);
    let parts = Parts {
        cluster: id,
        name: name.into(),
        realm,
        config,
        pools,
        carrier,
        files: Some(Arc::new(LocalFiles::new(&root))),
        homes: None,
        accounting: survey.accounting,
        limits: Limits::of(&survey),
        clock: Arc::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
            Timestamp::from_micros(now.as_micros() as i64)
        }),
    };
    let (sender, observations) = mpsc::channel(256);
    let site = Arc::new(Site { connector: SlurmCluster::new(parts, sender), pool, realm, hand });
    site.connector.resume(Vec::new()).await.expect("a connector that stands");
    tokio::spawn(platform(Arc::clone(&site), observations, Arc::clone(lags)));
    let filled = Arc::clone(&site);
    tokio::spawn(async move {
        for number in 1..=JOBS {
            filled.submit(number).await;
        }
    });
    site
}

/// Takes in what is told; for each job that ended it hands the next one over.
async fn platform(site: Arc<Site>, mut observations: mpsc::Receiver<Observation>, lags: Lags) {
    let mut started = 0;
    let mut next = JOBS;
    while let Some(observation) = observations.recv().await {
        let (attempt, ended) = match observation.what {
            Observed::Started { attempt, .. } => (attempt, false),
            Observed::Ended { attempt, .. } => (attempt, true),
            _ => continue,
        };
        started += usize::from(!ended);
        // The first ones all start at once.
        if let Some(age) = site.hand.age(&site.realm.name(attempt))
            && started > RUNNING
        {
            lags.lock().expect("no panic").push(age);
        }
        if ended {
            site.connector.forget(attempt).await.expect("forgotten");
            next += 1;
            let (site, number) = (Arc::clone(&site), next);
            tokio::spawn(async move { site.submit(number).await });
        }
    }
}

/// CPU time of this process, user and system.
fn process_cpu() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).expect("usage");
    let time =
        |at: nix::sys::time::TimeVal| Duration::from_micros(at.tv_sec() as u64 * 1_000_000 + at.tv_usec() as u64);
    time(usage.user_time()) + time(usage.system_time())
}
