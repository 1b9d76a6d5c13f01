//! Sites whose agents dial in: the door they come through, who may, and their clusters among the others.
//! A site is a cluster whose link is of the kind `site`; what is kept of its enrolment is that link's configuration.

mod debtors;
mod enrolment;
pub(crate) mod supply;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use base::{AttemptId, ClusterId, Timestamp};
use engine::Command;
use futures::FutureExt;
use futures::future::BoxFuture;
use link::message::Attach;
use link::{
    Fingerprint, Gatekeeper, House, Identity, Place, Refusal, RefusalCode, RemoteCluster, Site, SiteStatus, Timing,
};
use model::{BackendKind, Cluster, ClusterLink, LinkKind};
use rating::PoolCost;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::{App, CommandError, Message};
use crate::config::{Checked, SiteDoor};
use crate::driver::Role;
use crate::shell::{Connected, Observe, StartError};

pub use enrolment::{Enrolment, TOKEN_PREFIX, digest_of};
pub use supply::command;

/// A stand-by looks this often for sites that were enrolled through the active server.
const LOOK: Duration = Duration::from_secs(5);
/// Between two tries of what did not work.
const RETRY: Duration = Duration::from_secs(1);

/// The key and certificate by which agents know this platform. Several servers of one database need the same two files.
const KEY_FILE: &str = "site-key.pem";
const CERTIFICATE_FILE: &str = "site-cert.pem";

/// One site as this server knows it.
#[derive(Clone)]
struct Known {
    site: Arc<Site>,
    backend: BackendKind,
    enrolment: Enrolment,
}

/// What a running server has for sites.
struct Running {
    app: App,
    observe: Observe,
    role: watch::Receiver<Role>,
    cost: PoolCost,
    stop: watch::Receiver<bool>,
}

/// All sites of this server.
pub struct Sites {
    identity: Identity,
    address: SocketAddr,
    advertise: String,
    platform: String,
    listener: std::sync::Mutex<Option<TcpListener>>,
    known: RwLock<BTreeMap<ClusterId, Known>>,
    running: OnceLock<Running>,
    /// One change of an enrolment at a time: a token is used once.
    changing: tokio::sync::Mutex<()>,
}

/// A site for a list.
pub struct Listed {
    pub place: Place,
    pub backend: BackendKind,
    pub enrolment: Enrolment,
    pub status: SiteStatus,
}

impl Sites {
    /// Opens the door's socket and reads which sites there are. Nobody is let in before [`Sites::begin`].
    ///
    /// # Errors
    /// A key that cannot be read or made, an address that is taken, a store that does not answer.
    pub async fn open(
        door: &SiteDoor,
        data: &Path,
        store: &store::SqlStore,
        fresh_id: u128,
    ) -> Result<Arc<Sites>, StartError> {
        let (key, certificate) = (data.join(KEY_FILE), data.join(CERTIFICATE_FILE));
        let identity = Identity::load_or_make(&key, &certificate, "headworks platform")?;
        let listener = crate::shell::listen(door.listen).await?;
        let address = listener.local_addr().unwrap_or(door.listen);
        let platform = format!("{:032x}", store.platform_id(fresh_id).await?);
        let sites = Sites {
            identity,
            address,
            advertise: door.advertise.clone().unwrap_or_else(|| advertised(address)),
            platform,
            listener: std::sync::Mutex::new(Some(listener)),
            known: RwLock::default(),
            running: OnceLock::new(),
            changing: tokio::sync::Mutex::default(),
        };
        sites.read(store).await?;
        Ok(Arc::new(sites))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// `host:port` for agents.
    pub fn advertised(&self) -> &str {
        &self.advertise
    }
    pub fn pin(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    /// Takes over what other servers stored meanwhile; sites that are new here get a memory of their own.
    async fn read(&self, store: &store::SqlStore) -> Result<(), StartError> {
        let clusters: BTreeMap<ClusterId, Cluster> =
            store.clusters().await?.into_iter().map(|cluster| (cluster.id, cluster)).collect();
        for link in store.cluster_links().await?.into_iter().filter(|link| link.kind == LinkKind::Site) {
            let Some(cluster) = clusters.get(&link.cluster) else { continue };
            match serde_json::from_str(&link.config) {
                Ok(enrolment) => self.remember(cluster, enrolment)?,
                Err(error) => tracing::error!(cluster = %cluster.name, %error, "the site's link cannot be read"),
            }
        }
        Ok(())
    }

    fn remember(&self, cluster: &Cluster, enrolment: Enrolment) -> std::io::Result<()> {
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&cluster.id) {
            known.enrolment = enrolment;
            return Ok(());
        }
        let place = Place { site: cluster.name.to_string(), cluster: cluster.id, platform: self.platform.clone() };
        let site = Arc::new(Site::new(place, Timing::default())?);
        all.insert(cluster.id, Known { site, backend: cluster.backend, enrolment });
        Ok(())
    }

    fn all(&self) -> Vec<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn get(&self, cluster: ClusterId) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&cluster).cloned()
    }

    /// By name.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |known: Known| Listed {
            place: known.site.place.clone(),
            backend: known.backend,
            enrolment: known.enrolment,
            status: known.site.status(),
        };
        let mut all: Vec<Listed> = self.all().into_iter().map(listed).collect();
        all.sort_by(|a, b| a.place.site.cmp(&b.place.site));
        all
    }

    /// The clusters of all sites, each time the engine begins here.
    pub fn connect(&self, observe: &Observe) -> Connected {
        let remote = |known: Known| -> (ClusterId, Arc<dyn ports::Cluster>) {
            let cluster = known.site.place.cluster;
            (cluster, Arc::new(RemoteCluster::new(known.site, observe.clone())))
        };
        self.all().into_iter().map(remote).collect()
    }

    /// Opens the door; it closes when `stop` is set.
    pub fn begin(
        self: &Arc<Self>,
        app: App,
        observe: Observe,
        role: watch::Receiver<Role>,
        cost: PoolCost,
        mut stop: watch::Receiver<bool>,
    ) {
        let running = Running { app, observe, role, cost, stop: stop.clone() };
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Ok(()), Some(listener)) = (self.running.set(running).map_err(drop), listener) else { return };
        let sites = Arc::clone(self);
        tokio::spawn(async move {
            let house = House { software: software(), timing: Timing::default() };
            let known: Vec<_> = sites.all();
            known.into_iter().for_each(|known| drop(tokio::spawn(Arc::clone(&sites).tend(known.site, stop.clone()))));
            let gate: Arc<dyn Gatekeeper> = sites.clone();
            tokio::select! {
                ended = link::serve(listener, &sites.identity, gate, house) => {
                    let Err(error) = ended;
                    tracing::error!(%error, "the door for sites cannot be opened");
                }
                never = sites.follow(stop.clone()) => never,
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// A stand-by keeps up with what the active server enrols.
    async fn follow(self: &Arc<Self>, stop: watch::Receiver<bool>) {
        let Some(running) = self.running.get() else { return };
        loop {
            tokio::time::sleep(LOOK).await;
            if *running.role.borrow() == Role::Active {
                // What was enrolled through another server shortly before this one took over.
                let missing = |known: &Known| running.app.clusters.get(known.site.place.cluster).is_none();
                for known in self.all().into_iter().filter(missing) {
                    Arc::clone(self).take_up(known.site).await;
                }
                continue;
            }
            let before: Vec<ClusterId> = self.all().iter().map(|known| known.site.place.cluster).collect();
            if let Err(error) = self.read(&running.app.store).await {
                tracing::debug!(%error, "sites cannot be read now");
            }
            for known in self.all().into_iter().filter(|known| !before.contains(&known.site.place.cluster)) {
                tokio::spawn(Arc::clone(self).tend(known.site, stop.clone()));
            }
        }
    }

    /// Registers a site's pools as its agent describes them, each time it has a line or says that it offers something else.
    async fn tend(self: Arc<Self>, site: Arc<Site>, mut stop: watch::Receiver<bool>) {
        let Some(running) = self.running.get() else { return };
        let (cluster, mut up, mut supply) = (site.place.cluster, site.up(), site.supply());
        let work = async {
            loop {
                // The senders live as long as the site.
                let _ = up.wait_for(|up| *up).await;
                supply.mark_unchanged();
                match self.describe(running, cluster).await {
                    true => tokio::select! {
                        _ = up.wait_for(|up| !*up) => {}
                        _ = supply.changed() => {}
                    },
                    false => tokio::time::sleep(RETRY).await,
                }
            }
        };
        let stops_accounts = self.get(cluster).is_some_and(|known| known.backend == BackendKind::Slurm);
        let owing = async {
            match stops_accounts {
                true => debtors::keep_out(running.app.clone(), running.role.clone(), site.clone()).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = work => {}
            () = owing => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// False: to be tried again.
    async fn describe(&self, running: &Running, cluster: ClusterId) -> bool {
        if *running.role.borrow() != Role::Active {
            return false;
        }
        let Some(remote) = running.app.clusters.get(cluster) else { return false };
        let facts = match remote.describe().await {
            Ok(facts) => facts,
            Err(error) => {
                tracing::warn!(%cluster, %error, "the site's cluster does not describe itself");
                return false;
            }
        };
        match supply::register(&running.app, cluster, &facts, running.cost.clone()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%cluster, %error, "the site's pools are not registered yet");
                false
            }
        }
    }

    /// A cluster that was enrolled while the engine runs: takes its place among the others, and counts as reachable once its
    /// agent was told what is open there.
    async fn take_up(self: Arc<Self>, site: Arc<Site>) {
        let Some(running) = self.running.get() else { return };
        let cluster = site.place.cluster;
        if running.app.clusters.get(cluster).is_some() {
            return;
        }
        let remote = Arc::new(RemoteCluster::new(site, running.observe.clone()));
        running.app.clusters.insert(cluster, remote);
        // As after a restart: the agent is told what is open, and counts as reachable once it has answered.
        running.app.engine.send(Message::Resume(cluster)).await;
    }

    /// The memory of a site's line.
    pub fn site(&self, cluster: ClusterId) -> Option<Arc<Site>> {
        self.get(cluster).map(|known| known.site)
    }

    /// A site's cluster for a trial alone, whose observations go to `observe` until [`Sites::after_trial`]. `None`: not a site's.
    pub fn for_trial(&self, cluster: ClusterId, observe: Observe) -> Option<Arc<RemoteCluster>> {
        self.get(cluster).map(|known| Arc::new(RemoteCluster::new(known.site, observe)))
    }

    /// The cluster is the platform's again.
    pub async fn after_trial(&self, cluster: ClusterId) {
        let (Some(running), Some(known)) = (self.running.get(), self.get(cluster)) else { return };
        let remote = Arc::new(RemoteCluster::new(known.site, running.observe.clone()));
        running.app.clusters.insert(cluster, remote);
        running.app.engine.send(Message::Resume(cluster)).await;
    }

    /// Stores a new enrolment of a known or new site, through `give`, which knows who asks.
    ///
    /// # Errors
    /// What the engine or the store answered.
    pub async fn change<E: From<CommandError>>(
        self: &Arc<Self>,
        cluster: Cluster,
        with: impl FnOnce(&Enrolment) -> Enrolment,
        give: impl AsyncFnOnce(Command) -> Result<(), E>,
    ) -> Result<(), E> {
        let running = self.running.get().ok_or(CommandError::Stopping)?;
        let _one = self.changing.lock().await;
        let known = self.get(cluster.id);
        let enrolment = with(&known.as_ref().map(|known| known.enrolment.clone()).unwrap_or_default());
        give(Command::ConnectCluster { cluster: cluster.clone(), link: link_of(cluster.id, &enrolment) }).await?;
        let unable = |error: std::io::Error| CommandError::Unavailable(error.to_string());
        self.remember(&cluster, enrolment.clone()).map_err(unable)?;
        match known {
            Some(known) if enrolment.key != known.enrolment.key => known.site.hang_up(),
            Some(_) => {}
            None => {
                let Some(known) = self.get(cluster.id) else { return Ok(()) };
                tokio::spawn(Arc::clone(self).tend(known.site.clone(), running.stop.clone()));
                tokio::spawn(Arc::clone(self).take_up(known.site));
            }
        }
        Ok(())
    }

    async fn join_with(&self, token: &str, key: Fingerprint) -> Result<Place, Refusal> {
        let unable = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "a site could not join");
            Refusal::new(RefusalCode::Other, "the server cannot store it now; try again")
        };
        let running = self.active()?;
        let _one = self.changing.lock().await;
        let digest = digest_of(token);
        let found = self.all().into_iter().find(|known| known.enrolment.knows(&digest));
        let known = found.ok_or_else(enrolment::unknown_token)?;
        let place = known.site.place.clone();
        let Some(joined) = known.enrolment.join(&digest, key, running.app.clock.now())? else { return Ok(place) };
        let clusters = running.app.store.clusters().await.map_err(|error| unable(&error))?;
        let cluster = clusters.into_iter().find(|c| c.id == place.cluster).ok_or_else(|| unable(&"no such cluster"))?;
        let link = link_of(cluster.id, &joined);
        let connect = Command::ConnectCluster { cluster: cluster.clone(), link };
        command(&running.app, connect).await.map_err(|error| unable(&error))?;
        self.remember(&cluster, joined).map_err(|error| unable(&error))?;
        known.site.hang_up();
        Ok(place)
    }

    /// Sites come to the active server only.
    fn active(&self) -> Result<&Running, Refusal> {
        let standby = || Refusal::new(RefusalCode::Standby, "this server is not the active one");
        self.running.get().filter(|running| *running.role.borrow() == Role::Active).ok_or_else(standby)
    }
}

impl Gatekeeper for Sites {
    fn join<'a>(&'a self, token: &'a str, key: Fingerprint) -> BoxFuture<'a, Result<Place, Refusal>> {
        self.join_with(token, key).boxed()
    }

    fn admit<'a>(&'a self, key: Fingerprint, attach: &'a Attach) -> BoxFuture<'a, Result<Arc<Site>, Refusal>> {
        let judge = || {
            self.active()?;
            for known in self.all() {
                match known.enrolment.opens(key) {
                    Some(true) if known.backend != attach.backend => {
                        let text = format!(
                            "this site was enrolled to host {}, and its agent hosts {}",
                            hosts(known.backend),
                            hosts(attach.backend)
                        );
                        return Err(Refusal::new(RefusalCode::Malformed, text));
                    }
                    Some(true) => return Ok(known.site),
                    Some(false) => {
                        let text = "the operator has taken this site's key back";
                        return Err(Refusal::new(RefusalCode::KeyRevoked, text));
                    }
                    None => {}
                }
            }
            Err(Refusal::new(RefusalCode::KeyUnknown, "no site has this key; join with a new token"))
        };
        std::future::ready(judge()).boxed()
    }

    fn open_attempts(&self, cluster: ClusterId) -> BoxFuture<'_, Option<Vec<AttemptId>>> {
        async move {
            let running = self.running.get()?;
            running.app.engine.ask(move |engine, _| engine.handed_over(cluster)).await.ok()
        }
        .boxed()
    }

    fn repeat(&self, cluster: ClusterId) -> BoxFuture<'_, ()> {
        async move {
            if let Some(running) = self.running.get() {
                running.app.engine.send(Message::Repeat(cluster)).await;
            }
        }
        .boxed()
    }
}

fn hosts(backend: BackendKind) -> &'static str {
    match backend {
        BackendKind::Local => "its own machine",
        BackendKind::Slurm => "a Slurm cluster",
        BackendKind::Kubernetes => "a Kubernetes cluster",
    }
}

fn link_of(cluster: ClusterId, enrolment: &Enrolment) -> ClusterLink {
    let config = serde_json::to_string(enrolment).unwrap_or_default();
    ClusterLink { cluster, kind: LinkKind::Site, config: config.into() }
}

/// What a server calls itself to agents.
pub fn software() -> String {
    format!("hw {}", env!("CARGO_PKG_VERSION"))
}

/// A socket on every address is reached under the host's name.
fn advertised(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", if name.trim().is_empty() { "localhost" } else { name.trim() }, address.port())
}

/// When a token that was made now may no longer be used.
pub fn token_expires(now: Timestamp) -> Timestamp {
    now + enrolment::TOKEN_LIFE
}

/// The door of a configuration, if one is asked for.
///
/// # Errors
/// As [`Sites::open`].
pub async fn open(config: &Checked, store: &store::SqlStore, fresh_id: u128) -> Result<Option<Arc<Sites>>, StartError> {
    match &config.site {
        Some(door) => Ok(Some(Sites::open(door, &config.data, store, fresh_id).await?)),
        None => Ok(None),
    }
}
