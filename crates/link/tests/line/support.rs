//! A site in one process: the server's door, the agent in front of a cluster in memory, and between them, where a test wants
//! it, a proxy that cuts connections after a random number of bytes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{AttemptId, Bytes, ClusterId, PoolId, Resources, Seed, Span, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use link::message::Attach;
use link::{
    Agent, Dial, Fingerprint, Gatekeeper, Hosted, House, Identity, Place, Refusal, RefusalCode, RemoteCluster, Site,
    Timing,
};
use model::BackendKind;
use ports::cluster::Observations;
use ports::{Cluster, FakeMachine, PoolFacts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// From `HW_SEED`, else the same for everyone.
pub fn seed() -> u64 {
    std::env::var("HW_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121)
}

/// Everything at a hundredth of its length, so that a test sees what takes minutes.
pub fn timing() -> Timing {
    Timing {
        heartbeat: Duration::from_millis(50),
        silence: Duration::from_secs(5),
        greeting: Duration::from_secs(5),
        redial_first: Duration::from_millis(2),
        redial_max: Duration::from_millis(20),
        patience: Duration::from_secs(10),
        answer: Duration::from_secs(20),
        unreachable: Duration::from_millis(300),
    }
}

pub fn place() -> Place {
    Place { site: "harbour".to_owned(), cluster: link::cluster_id("harbour"), platform: String::new() }
}

/// Lets the key of one agent in, and knows one site.
pub struct Gate {
    pub key: Fingerprint,
    pub site: Arc<Site>,
    /// What the platform says is open.
    pub open: Mutex<Option<Vec<AttemptId>>>,
    /// How often what is on its way was to be handed over again.
    pub repeats: AtomicU64,
}

impl Gate {
    pub fn new(key: Fingerprint) -> Arc<Gate> {
        let site = Site::new(place(), timing()).unwrap();
        Arc::new(Gate { key, site: Arc::new(site), open: Mutex::new(None), repeats: AtomicU64::new(0) })
    }
}

impl Gatekeeper for Gate {
    fn join<'a>(&'a self, token: &'a str, _: Fingerprint) -> BoxFuture<'a, Result<Place, Refusal>> {
        let answer = match token {
            "right" => Ok(place()),
            "used" => Err(Refusal::new(RefusalCode::TokenUsed, "the token was used already")),
            _ => Err(Refusal::new(RefusalCode::TokenUnknown, "there is no such token")),
        };
        std::future::ready(answer).boxed()
    }
    fn admit<'a>(&'a self, key: Fingerprint, _: &'a Attach) -> BoxFuture<'a, Result<Arc<Site>, Refusal>> {
        let unknown = || Refusal::new(RefusalCode::KeyUnknown, "no site has this key");
        std::future::ready(if key == self.key { Ok(self.site.clone()) } else { Err(unknown()) }).boxed()
    }
    fn open_attempts(&self, _: ClusterId) -> BoxFuture<'_, Option<Vec<AttemptId>>> {
        std::future::ready(self.open.lock().unwrap().clone()).boxed()
    }
    fn repeat(&self, _: ClusterId) -> BoxFuture<'_, ()> {
        self.repeats.fetch_add(1, Ordering::Relaxed);
        std::future::ready(()).boxed()
    }
}

pub fn identity(folder: &Path, name: &str) -> Identity {
    let (key, certificate) = (folder.join(format!("{name}-key.pem")), folder.join(format!("{name}-cert.pem")));
    Identity::load_or_make(&key, &certificate, name).unwrap()
}

/// The server's door on a listener that outlives it.
pub struct Server {
    pub gate: Arc<Gate>,
    door: JoinHandle<()>,
}

impl Server {
    pub fn start(listener: &std::net::TcpListener, identity: Identity, gate: Arc<Gate>) -> Server {
        let listener = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
        let house = House { software: "test".to_owned(), timing: timing() };
        let keeper = gate.clone();
        let door = tokio::spawn(async move {
            let ended = link::serve(listener, &identity, keeper, house).await;
            panic!("the door closed: {}", ended.unwrap_err());
        });
        Server { gate, door }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.door.abort();
    }
}

pub fn listener() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// When connections are cut.
pub struct Cuts {
    seed: Seed,
    least: u64,
    most: u64,
    connections: AtomicU64,
    made: AtomicU64,
}

impl Cuts {
    /// Each connection after `least` to `most` bytes, both directions together.
    pub fn new(seed: u64, least: u64, most: u64) -> Cuts {
        Cuts { seed: Seed::from_u64(seed), least, most, connections: AtomicU64::new(0), made: AtomicU64::new(0) }
    }
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
    fn next(&self) -> u64 {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut stream = self.seed.child(number.to_string()).stream();
        self.least + stream.below(self.most - self.least)
    }
}

/// A proxy to `target`; its address.
pub fn proxy(target: SocketAddr, cuts: Arc<Cuts>) -> (SocketAddr, JoinHandle<()>) {
    let (listener, address) = listener();
    let listener = TcpListener::from_std(listener).unwrap();
    let task = tokio::spawn(async move {
        loop {
            let Ok((near, _)) = listener.accept().await else { continue };
            let cuts = cuts.clone();
            tokio::spawn(async move {
                let Ok(far) = TcpStream::connect(target).await else { return };
                for socket in [&near, &far] {
                    let _ = socket.set_nodelay(true);
                }
                let left = AtomicU64::new(cuts.next());
                let (mut near_read, mut near_write) = near.into_split();
                let (mut far_read, mut far_write) = far.into_split();
                let cut = tokio::select! {
                    cut = carry(&mut near_read, &mut far_write, &left) => cut,
                    cut = carry(&mut far_read, &mut near_write, &left) => cut,
                };
                if cut {
                    cuts.made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (address, task)
}

/// True: cut here; false: closed by one of the ends.
async fn carry(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    left: &AtomicU64,
) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return false };
        let allowed = left.load(Ordering::Relaxed).min(n as u64) as usize;
        left.fetch_sub(allowed as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return false;
        }
        if allowed < n {
            return true;
        }
    }
}

/// An agent in front of `machine`, which ends when it is dropped, as by `kill -9`: all that it began stands in a runtime of its
/// own and ends with that, also what it does for a request.
pub struct Running {
    task: JoinHandle<()>,
    process: Option<Runtime>,
}

impl Running {
    pub async fn start(folder: &Path, server: SocketAddr, pin: Fingerprint, machine: &FakeMachine) -> Running {
        let identity = identity(folder, "agent");
        let dial = Dial {
            servers: vec![server.to_string()],
            pin,
            software: "test".to_owned(),
            machine: "here".to_owned(),
            timing: timing(),
        };
        let (sender, observations) = mpsc::channel(64);
        let cluster: Arc<dyn Cluster> = Arc::new(machine.open(sender));
        let hosted = Hosted { backend: BackendKind::Local, cluster, examine: None, accounts: None };
        let agent = Agent::open((dial, identity), &place(), folder, hosted, observations).await.unwrap();
        let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Running { task: process.spawn(agent.run(std::future::pending())), process: Some(process) }
    }

    /// As `kill -9` does: nothing is said, and what is under way is left as it is.
    pub async fn kill(mut self) {
        let Some(process) = self.process.take() else { return };
        tokio::task::spawn_blocking(move || process.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.shutdown_background();
        }
    }
}

/// A whole site as the bed of a suite.
pub struct SiteBed {
    pub machine: FakeMachine,
    pub folder: tempfile::TempDir,
    listener: std::net::TcpListener,
    server: Mutex<Option<Server>>,
    key: Fingerprint,
    tasks: Vec<JoinHandle<()>>,
}

pub fn machine() -> FakeMachine {
    let shape = Resources::new(4, Bytes::from_gib(4), 0);
    let pool = PoolFacts {
        name: "fake".to_owned(),
        shape,
        chip: None,
        nodes: vec!["fake".to_owned()],
        time_limit_max: None,
        terms: Default::default(),
    };
    FakeMachine::new(place().cluster, vec![pool], Timestamp::from_secs(1_000))
}

impl SiteBed {
    pub fn new(cuts: Option<Arc<Cuts>>) -> SiteBed {
        let folder = tempfile::tempdir().unwrap();
        let (listener, address) = listener();
        let machine = machine();
        let mut tasks = Vec::new();
        let dialled = match cuts {
            None => address,
            Some(cuts) => {
                let (through, task) = proxy(address, cuts);
                tasks.push(task);
                through
            }
        };
        let pin = identity(folder.path(), "server").fingerprint();
        let key = identity(folder.path(), "agent").fingerprint();
        let (path, device): (PathBuf, _) = (folder.path().into(), machine.clone());
        tasks.push(tokio::spawn(async move {
            let mut agent = Running::start(&path, dialled, pin, &device).await;
            (&mut agent.task).await.unwrap();
        }));
        SiteBed { machine, folder, listener, server: Mutex::new(None), key, tasks }
    }
}

impl Drop for SiteBed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl ports::conformance::Bed for SiteBed {
    /// A new server process: it remembers nothing of the site, and the lines of the one before break.
    fn open(&self, observations: Observations) -> Arc<dyn Cluster> {
        let mut server = self.server.lock().unwrap();
        drop(server.take());
        let gate = Gate::new(self.key);
        *server = Some(Server::start(&self.listener, identity(self.folder.path(), "server"), gate.clone()));
        Arc::new(RemoteCluster::new(gate.site.clone(), observations))
    }
    fn pool(&self) -> (PoolId, Arc<str>) {
        (link::pool_id(place().cluster, "fake"), "fake".into())
    }
    fn nudge(&self) -> BoxFuture<'_, ()> {
        self.machine.tick(Span::from_millis(100)).boxed()
    }
}
