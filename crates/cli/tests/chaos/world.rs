//! The platform with its three partners: `alpha` through Slurm's commands on this machine and without accounting, `beta` with slurmdbd through
//! a site agent that dials out, `gamma` over SSH through a jump host. Started anew for each seed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use client::Client;
use serde_json::json;
use store::Location;
use testkit::slurm::{Accounting, Cluster, ClusterSpec, Farm, NodeSet, Partition};
use testkit::{Cut, Hw, wait_for};

use tokio::runtime::Runtime;
use wire::cluster::ClusterCreate;
use wire::sites::SiteEnroll;
use wire::{Backend, ClusterService, SupplyMode};

use crate::support::{HW, LONG, Place, client_of};

/// Everything that faults reach.
pub struct Shared {
    pub server: Mutex<Hw>,
    pub agent: Mutex<Agent>,
    /// Between the agent and the server.
    pub line: Cut,
    pub alpha: Arc<Cluster>,
    pub beta: Arc<Cluster>,
    pub gamma: Arc<Cluster>,
}

/// `hw site` at the partner's, as a process.
pub struct Agent {
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Agent {
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the agent runs already");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file can be made");
        let mut command = Command::new(HW);
        command.args(&self.arguments).env_remove("HW_URL").env_remove("HW_TOKEN").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file handle can be doubled")).stderr(log);
        self.child = Some(command.spawn().expect("hw can be started"));
    }
    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

pub struct World {
    shared: Arc<Shared>,
    // After what uses it.
    _farm: Farm,
    place: Place,
}

impl World {
    /// # Panics
    /// When anything does not start, with what it said.
    pub fn start() -> (World, String) {
        let place = Place::new();
        let mut farm = Farm::new(place.path().join("farm")).expect("a farm");
        let started = farm.start(specs()).expect("three clusters");
        let (alpha, beta, gamma) =
            (farm.cluster("alpha").clone(), farm.cluster("beta").clone(), farm.cluster("gamma").clone());
        let listen = testkit::hw::free_address();
        // What Slurm keeps in its queue for good, as after a launch that failed, is to be moved within the time that everything has
        // to come to its end in.
        let settings = format!(
            "credit_limit = '1000000'\n[site]\nlisten = '{listen}'\nadvertise = '{listen}'\n[policy]\nqueued_patience = '2m'\n[metering]\ninterval = '2s'\nlag = '1s'\n[local]\nenabled = false\n"
        );
        let mut server = place.plain_server(&settings);
        server.start();
        let line = Cut::to(listen).expect("a line");
        let tools = |c: &Cluster| json!({"slurm_conf": c.conf()});
        add(&server, &place, "alpha", json!({"kind": "command", "tools": tools(&alpha)}));
        let ssh = gamma.ssh().expect("a login node");
        let reach = json!({"host": ssh.host, "config": ssh.config});
        add(&server, &place, "gamma", json!({"kind": "ssh", "ssh": reach, "tools": tools(&gamma)}));
        let way = format!("way = {{ kind = \"command\", tools = {{ slurm_conf = \"{}\" }} }}", beta.conf().display());
        let agent = join(&server, &place, &line, &way);
        let shared = Shared { server: Mutex::new(server), agent: Mutex::new(agent), line, alpha, beta, gamma };
        (World { shared: Arc::new(shared), _farm: farm, place }, started.to_string())
    }

    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
    pub fn server(&self) -> MutexGuard<'_, Hw> {
        self.shared.server.lock().expect("no panic")
    }
    /// Everything of it is below here.
    pub fn folder(&self) -> &Path {
        self.place.path()
    }
    /// Where jobs leave their marks.
    pub fn ran(&self) -> PathBuf {
        self.place.shared("ran")
    }
    /// What the clusters show, and the last lines of what server and agent said.
    pub fn tell(&self) -> String {
        let shared = &self.shared;
        let mut clusters = String::new();
        for cluster in [&shared.alpha, &shared.beta, &shared.gamma] {
            for ask in [vec!["sinfo", "-N", "-o", "%N %T %E"], vec!["squeue", "-o", "%i %P %j %T %r %e"]] {
                let said = cluster.run(&ask).unwrap_or_else(|error| error.to_string());
                clusters.extend(said.lines().take(12).map(|line| format!("{}: {line}\n", cluster.name())));
            }
        }
        let tail = |text: String| text.lines().rev().take(60).map(str::to_owned).collect::<Vec<_>>().join("\n");
        let agent = self.shared.agent.lock().expect("no panic");
        let said = std::fs::read_to_string(&agent.log).unwrap_or_default();
        format!("{clusters}server, newest first:\n{}\nagent, newest first:\n{}", tail(self.server().log()), tail(said))
    }
    /// Ends the agent and the server; where the books are, for as long as the place is.
    pub fn stop(self) -> (Location, Place) {
        self.shared.agent.lock().expect("no panic").kill();
        let mut server = self.server();
        server.terminate();
        let folder = server.data().to_path_buf();
        drop(server);
        (Location::Folder(folder), self.place)
    }
}

/// Records leave slurmctld half a minute after a job's end, so that some ends are only found in accounting.
fn specs() -> [ClusterSpec; 3] {
    let age = Duration::from_secs(30);
    [
        ClusterSpec::new("alpha")
            .nodes(NodeSet::new(2).cpus(16).mem_mb(64_000).gres("gpu:a100:4"))
            .partition(Partition::new("batch").default())
            .min_job_age(age),
        ClusterSpec::new("beta")
            .nodes(NodeSet::new(2).cpus(32).mem_mb(128_000).gres("gpu:ascend910b:8"))
            .accounting(Accounting::default())
            .min_job_age(age),
        ClusterSpec::new("gamma")
            .nodes(NodeSet::new(3).cpus(8).mem_mb(32_000).gres("gpu:i20:2"))
            .partition(Partition::new("main").default())
            .partition(Partition::new("debug").with("MaxTime=10:00"))
            .min_job_age(age)
            .ssh_behind_jump(),
    ]
}

/// Registers a cluster and takes it into service without the trial, which other tests make.
fn add(server: &Hw, place: &Place, name: &str, way: serde_json::Value) {
    let root = place.shared(&format!("work-{name}"));
    let cluster = ClusterCreate {
        name: name.into(),
        supplier: format!("partner-{name}"),
        mode: Some(SupplyMode::Partner),
        site: None,
        region: None,
        place: None,
        cost: None,
        fee: None,
        slurm: json!({"way": way, "work_root": root, "grace_secs": 5}),
    };
    let (runtime, client) = (runtime(), client_of(server));
    runtime.block_on(client.register_cluster(&cluster)).expect("a registration");
    serve(&runtime, &client, name);
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Takes a cluster into service once its pools are known. The order is repeated: it also makes the server read the pools anew.
fn serve(runtime: &Runtime, client: &Client, name: &str) {
    wait_for(&format!("the pools of {name}"), LONG, || {
        runtime.block_on(client.set_service(name, ClusterService::InService, true)).ok()?;
        let pools = runtime.block_on(client.pools().take(50)).ok()?;
        pools.items.iter().any(|pool| pool.name.starts_with(name)).then_some(())
    });
}

/// Lets an agent of `beta` join through `line`, tries it and takes it into service.
fn join(server: &Hw, place: &Place, line: &Cut, way: &str) -> Agent {
    let root = place.shared("work-beta");
    let file = place.path().join("beta.toml");
    std::fs::write(&file, format!("grace_secs = 5\n{way}\nwork_root = \"{}\"\n", root.display()))
        .expect("a file can be written");
    let site = SiteEnroll {
        name: "beta".into(),
        backend: Some(Backend::Slurm),
        supplier: Some("partner-beta".into()),
        testing: true,
    };
    let (runtime, client) = (runtime(), client_of(server));
    let told = runtime.block_on(client.enroll_site(&site)).expect("an enrolment");
    let mut arguments: Vec<String> = vec!["site".into()];
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    option("--state", place.path().join("agent").display().to_string());
    option("--slurm", file.display().to_string());
    option("--join", line.address().to_string());
    option("--pin", told.pin);
    option("--token", told.token);
    let mut agent = Agent { arguments, log: place.path().join("agent.log"), child: None };
    agent.spawn();
    serve(&runtime, &client, "beta");
    agent
}
