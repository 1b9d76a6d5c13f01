//! Jobs handed to one slurmctld: what the whole connector manages against what the bare interface does alone with the same scripts, turn
//! by turn in the same run with as many at a time; and what the bare interface does with empty scripts, since those that we send are
//! not. The nodes are drained, so that handing over is all that happens.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::{ClusterId, PoolId, Timestamp};
use connect_slurm::config::SlurmConfig;
use connect_slurm::key::Realm;
use connect_slurm::render::{self, Surroundings};
use connect_slurm::{Limits, Parts, SlurmCluster, SlurmPool, supply};
use ports::Cluster as _;
use ports::cluster::Observations;
use ports::conformance::{self, Bed};
use testkit::slurm::{Cluster, ClusterSpec, Daemon, Farm, NodeSet};
use tokio::sync::mpsc;

use crate::bare::{Lane, Master};

/// Turns of each side.
const ROUNDS: usize = 6;
const SIDES: [&str; 3] = ["ours", "bare, the same scripts", "bare, empty scripts"];
const EMPTY: &str = "#!/bin/sh\nexit 0\n";
const WANTED: f64 = 0.9;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Rest,
    Ssh,
    Here,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Way::Rest => "slurmrestd",
            Way::Ssh => "ssh",
            Way::Here => "command",
        }
    }
    fn words(self) -> &'static str {
        match self {
            Way::Rest => "through slurmrestd",
            Way::Ssh => "through one SSH connection",
            Way::Here => "by sbatch on this machine",
        }
    }
    /// At a time, and jobs of one turn.
    fn load(self) -> (usize, u64) {
        match self {
            Way::Rest => (16, 800),
            // What the connector takes of the ten sessions that sshd allows.
            Way::Ssh => (connect_slurm::ssh::runner::SHELLS_MAX, 180),
            Way::Here => (8, 240),
        }
    }
    fn config(self, cluster: &Cluster, root: &Path) -> SlurmConfig {
        let tools = serde_json::json!({"slurm_conf": cluster.conf()});
        let way = match self {
            Way::Rest => {
                let socket = format!("unix:{}", cluster.restd_socket().expect("a socket").display());
                serde_json::json!({"kind": "rest", "rest": {"endpoint": socket, "version": "v0.0.38"}})
            }
            Way::Ssh => {
                let access = cluster.ssh().expect("a login node");
                let ssh = serde_json::json!({"host": access.host, "config": access.config});
                serde_json::json!({"kind": "ssh", "ssh": ssh, "tools": tools})
            }
            Way::Here => serde_json::json!({"kind": "command", "tools": tools}),
        };
        let config = serde_json::json!({"way": way, "work_root": root, "files": {"kind": "here"}});
        serde_json::from_value(config).expect("a configuration")
    }
}

/// The connector's side, as [`conformance::order`] wants to see it.
struct Site(SlurmPool);

impl Bed for Site {
    fn open(&self, _: Observations) -> Arc<dyn ports::Cluster> {
        unreachable!("the connector is there")
    }
    fn pool(&self) -> (PoolId, Arc<str>) {
        (self.0.id, self.0.name.clone())
    }
}

pub fn measure(way: Way) {
    if let Some(why) = Farm::unavailable() {
        println!("jobs handed over {}: not measured: {why}", way.words());
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut farm = Farm::new(dir.path().join("farm")).expect("a farm");
    let spec = ClusterSpec::new("speed").nodes(NodeSet::new(1).cpus(16).mem_mb(64_000));
    farm.start([if way == Way::Rest { spec.restd_socket() } else { spec.ssh() }]).expect("a cluster");
    let cluster = Arc::clone(farm.cluster("speed"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(turns(way, &cluster, dir.path()));
}

async fn turns(way: Way, cluster: &Arc<Cluster>, dir: &Path) {
    let root = dir.join("work");
    std::fs::create_dir_all(&root).expect("a work root");
    let (sender, mut observations) = mpsc::channel(256);
    tokio::spawn(async move { while observations.recv().await.is_some() {} });
    let (connector, site) = connect(way, cluster, &root, sender).await;
    connector.resume(Vec::new()).await.expect("a connector that stands");
    cluster.run(&["scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=bench"]).expect("drained nodes");
    let master = match cluster.ssh() {
        Some(access) if way == Way::Ssh => Some(Master::open(access, dir).await.expect("a connection")),
        _ => None,
    };
    let (lanes, jobs) = way.load();
    let same = rendered(&site, way, &root);
    let mut bare = [Vec::new(), Vec::new()];
    for (side, script) in bare.iter_mut().zip([same.as_ref(), EMPTY]) {
        for _ in 0..lanes {
            side.push(match (way, &master) {
                (Way::Rest, _) => Lane::rest(&cluster.restd_socket().expect("a socket"), script).await,
                (Way::Ssh, Some(master)) => Lane::ssh(cluster.ssh().expect("a login node"), &master.control, script),
                _ => Lane::here(cluster, script),
            });
        }
    }
    let mut took = SIDES.map(|_| Vec::new());
    let mut spent = SIDES.map(|_| Spent::default());
    let mut number = 0;
    // The first turn of each opens connections and shells, and does not count.
    for round in 0..=ROUNDS {
        for side in (0..SIDES.len()).map(|side| (side + round) % SIDES.len()) {
            let before = Spent::now(cluster);
            let time = if side == 0 {
                number += jobs;
                ours(&connector, &site, number - jobs, lanes, jobs).await
            } else {
                plain(&mut bare[side - 1], jobs).await
            };
            if round > 0 {
                took[side].push(time);
                spent[side] += Spent::now(cluster) - before;
            }
        }
    }
    tell(way, lanes, jobs, &took, &spent);
    let queued = cluster.run(&["squeue", "-h", "-o", "%i"]).expect("a queue").lines().count() as u64;
    assert_eq!(queued, SIDES.len() as u64 * (ROUNDS as u64 + 1) * jobs, "every job is there once");
}

/// CPU time in hundredths of a second: of this process, of its children that ended, of slurmctld, of the other daemons.
#[derive(Clone, Copy, Default)]
struct Spent([u64; 4]);

impl Spent {
    fn now(cluster: &Cluster) -> Spent {
        let fields = |pid: &str| -> Vec<u64> {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
            // The name, which may hold anything, ends at the last bracket; user, system and both of the children are fields 14 to 17.
            let behind = stat.rsplit_once(')').expect("a name").1.split_whitespace().skip(11).take(4);
            behind.map(|field| field.parse().expect("a number")).collect()
        };
        let own = fields("self");
        let daemons = cluster.daemons();
        let of = |which: &[Daemon]| -> u64 {
            let pids = daemons.iter().filter(|daemon| which.contains(daemon)).filter_map(|daemon| cluster.pid(*daemon));
            pids.map(|pid| fields(&pid.to_string())[..2].iter().sum::<u64>()).sum()
        };
        let others = of(&[Daemon::Slurmrestd, Daemon::Munged]);
        Spent([own[0] + own[1], own[2] + own[3], of(&[Daemon::Slurmctld]), others])
    }
}

impl std::ops::Sub for Spent {
    type Output = Spent;
    fn sub(self, other: Spent) -> Spent {
        Spent(std::array::from_fn(|at| self.0[at] - other.0[at]))
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Spent) {
        self.0 = std::array::from_fn(|at| self.0[at] + other.0[at]);
    }
}

fn tell(way: Way, lanes: usize, jobs: u64, took: &[Vec<Duration>; 3], spent: &[Spent; 3]) {
    let rate = |all: &[Duration]| jobs as f64 * all.len() as f64 / all.iter().sum::<Duration>().as_secs_f64();
    let [ours, same, empty] = [0, 1, 2].map(|side| rate(&took[side]));
    println!(
        "jobs handed to one slurmctld {}, {lanes} at a time: {ours:.0} per second, the bare interface {same:.0}: {:.0} %   (wanted: {:.0} %); with empty scripts {empty:.0}: {:.0} %",
        way.words(),
        100.0 * ours / same,
        100.0 * WANTED,
        100.0 * ours / empty
    );
    for (side, name) in SIDES.iter().enumerate() {
        let each = spent[side].0.map(|ticks| ticks as f64 * 10.0 / (jobs * ROUNDS as u64) as f64);
        let turns: Vec<u64> = took[side].iter().map(|time| (jobs as f64 / time.as_secs_f64()).round() as u64).collect();
        println!(
            "    {name}: {turns:?} per second; CPU per job {:.2} ms this process, {:.2} ms its commands, {:.2} ms slurmctld, {:.2} ms slurmrestd and munged",
            each[0], each[1], each[2], each[3]
        );
    }
}

async fn plain(lanes: &mut Vec<Lane>, jobs: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(jobs));
    let begun = Instant::now();
    let tasks: Vec<_> = lanes
        .drain(..)
        .map(|mut lane| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                while take(&left).is_some() {
                    lane.submit().await;
                }
                lane
            })
        })
        .collect();
    for task in tasks {
        lanes.push(task.await.expect("a lane"));
    }
    begun.elapsed()
}

async fn ours(connector: &Arc<SlurmCluster>, site: &Arc<Site>, from: u64, lanes: usize, jobs: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(jobs));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..lanes)
        .map(|_| {
            let (connector, site, left) = (Arc::clone(connector), Arc::clone(site), Arc::clone(&left));
            tokio::spawn(async move {
                while let Some(place) = take(&left) {
                    let script = script(place);
                    let order = conformance::order(site.as_ref(), from + place, &script);
                    connector.submit(order, script).await.expect("a hand-over");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a lane");
    }
    begun.elapsed()
}

/// The next job's place, from 1.
fn take(left: &AtomicU64) -> Option<u64> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()
}

/// A script as it travels.
fn rendered(site: &Arc<Site>, way: Way, root: &Path) -> Arc<str> {
    let script = script(1);
    let config = serde_json::json!({"way": {"kind": "command"}, "work_root": root});
    let config: SlurmConfig = serde_json::from_value(config).expect("a configuration");
    let around = Surroundings {
        realm: realm(way),
        cluster_name: "speed",
        config: &config,
        pool: &site.0,
        script_bytes_max: Limits::default().script_bytes_max,
        can_stage: true,
        has_folder: true,
        may_requeue: false,
    };
    let order = conformance::order(site.as_ref(), 1, &script);
    render::request(&order, &script, around).expect("a job").request.script
}

fn script(place: u64) -> Arc<str> {
    format!("{EMPTY}# {place}\n").into()
}

fn realm(way: Way) -> Realm {
    Realm::new(&[b"speed", way.name().as_bytes()])
}

async fn connect(
    way: Way,
    cluster: &Cluster,
    root: &Path,
    observations: Observations,
) -> (Arc<SlurmCluster>, Arc<Site>) {
    let config = way.config(cluster, root);
    let opened = connect_slurm::open(&config).expect("a way in");
    let survey = opened.carrier.survey().await.expect("a survey");
    let id = ClusterId::from_u128(1);
    let pools: Vec<SlurmPool> =
        supply::pools(&survey, &config, id, cluster.name(), &[]).plans.into_iter().map(|plan| plan.pool).collect();
    let site = Site(pools.first().expect("a pool").clone());
    let parts = Parts {
        cluster: id,
        name: cluster.name().into(),
        realm: realm(way),
        config,
        pools,
        carrier: opened.carrier,
        files: opened.files,
        homes: opened.homes,
        accounting: survey.accounting,
        limits: Limits::of(&survey),
        clock: Arc::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
            Timestamp::from_micros(now.as_micros() as i64)
        }),
    };
    (Arc::new(SlurmCluster::new(parts, observations)), Arc::new(site))
}
