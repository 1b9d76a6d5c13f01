//! Puts the parts together and runs them: store, driver, clusters, HTTP. Owns the only clock and every task.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, Span};
use model::Observation;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app::{App, Clock, Clusters, EngineHandle, EventBus, HttpSettings, IdSource};
use crate::boot::{self, BootError, FirstAdmin, LocalSupply};
use crate::config::{Checked, Database};
use crate::driver::{self, Connect, INBOX, OBSERVATIONS, Parts, Role};
use crate::files::Space;
use crate::forward::{self, Forwarder};
use crate::limits::FILES_PER_TENANT_MAX;
use crate::links::{self, Links};
use crate::local;
use crate::sites::{self, Sites};
use crate::{checkpoints, counting, fetching, notices, retention, tidy, twin};

/// Streams (events, logs) still open at a stop are cut after this.
const STREAM_GRACE: Duration = Duration::from_secs(2);
/// Old idempotency keys are swept this often.
const SWEEP: Duration = Duration::from_secs(600);

/// The embedded database in the data folder, as the store names it.
pub(crate) const DATABASE_FILE: &str = "headworks.db";

/// Why a server does not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{what} {path}: {source}")]
    Folder { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] ports::StoreError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("this machine as a cluster: {0}")]
    Local(#[from] connect_local::LocalError),
    #[error(
        "the cluster `{name}` of this database is another machine ({machine}); give this one a name of its own with \
         local.name, or none with local.enabled = false"
    )]
    ForeignCluster { name: String, machine: String },
    #[error("the key by which sites know this platform")]
    SiteKey(#[from] link::IdentityError),
    #[error("sites cannot be told apart")]
    Sites(#[from] std::io::Error),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("the driver ended: {0}")]
    Driver(String),
}

/// A server that is up. Dropping it does not stop it; `stop` does.
pub struct Running {
    pub address: SocketAddr,
    pub app: App,
    pub role: watch::Receiver<Role>,
    /// Set on the first start of a platform; the password is shown once.
    pub first_admin: Option<FirstAdmin>,
    stop: watch::Sender<bool>,
    driver: JoinHandle<Result<(), ports::StoreError>>,
    http: JoinHandle<std::io::Result<()>>,
    /// Sentences for the operator: what this host cannot do.
    pub remarks: Vec<String>,
}

/// Starts everything. Returns when the server is active and set up, or stands by.
///
/// # Errors
/// The first thing that does not stand, in words for the operator.
pub async fn start(mut config: Checked) -> Result<Running, StartError> {
    let clock = Clock::steady();
    make_absolute(&mut config)?;
    prepare_folder(&config.data)?;
    let store = Arc::new(store::SqlStore::open(&location(&config)).await?);
    let listener = listen(config.listen).await?;
    let machine = config.local.as_ref().map(|local| local::prepare(local, &config)).transpose()?;
    let remarks = machine.as_ref().map_or_else(Vec::new, |m| m.remarks.clone());
    let supply = machine.as_ref().map(|m| m.supply.clone());
    if let (Some(supply), Database::Postgres(_)) = (&supply, &config.database) {
        refuse_foreign(&store, supply).await?;
    }
    let sites = sites::open(&config, &store, IdSource::system(clock.clone()).draw()).await?;
    let distant = sites.clone();
    let connect: Connect = Arc::new(move |observe| {
        let mut all = distant.as_ref().map_or_else(Vec::new, |sites| sites.connect(&observe));
        if let Some(machine) = &machine {
            all.extend(machine.connect(observe)?);
        }
        Ok(all)
    });
    start_on(Foundation { config, clock, store, listener, supply, connect, sites, remarks }).await
}

/// Where the configured database is.
pub(crate) fn location(config: &Checked) -> store::Location {
    match &config.database {
        Database::Embedded => store::Location::Folder(config.data.clone()),
        Database::Postgres(url) => store::Location::Postgres(url.clone()),
    }
}

/// Servers of one database may stand on several machines. Each is a cluster of its own and needs a name of its own: the jobs
/// of one, looked for on another, would be taken for lost and run twice.
async fn refuse_foreign(store: &store::SqlStore, supply: &LocalSupply) -> Result<(), StartError> {
    let known = store.clusters().await?.into_iter().find(|c| c.id == supply.cluster);
    match known {
        Some(cluster) if machine_of(&cluster) != &*supply.machine => {
            let machine = machine_of(&cluster).to_owned();
            Err(StartError::ForeignCluster { name: supply.name.to_string(), machine })
        }
        _ => Ok(()),
    }
}

/// Platforms of before had the machine's id for the name of its site.
fn machine_of(cluster: &model::Cluster) -> &str {
    if cluster.machine.is_empty() { &cluster.site } else { &cluster.machine }
}

/// Sums by day are cut once: another distance from UTC in the settings comes too late for them, and the operator is told.
async fn cut_days(
    store: &store::SqlStore,
    wanted: rating::tariff::UtcOffset,
    mut remarks: Vec<String>,
) -> Result<Vec<String>, StartError> {
    let days = store.cut_days(wanted).await?;
    if days.offset() != wanted {
        remarks.push(format!(
            "days and months of reports begin at {} from UTC, as when this platform first started; those of statements at {wanted}",
            days.offset()
        ));
    }
    Ok(remarks)
}

pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// What a server stands on; the test kit brings its own.
pub(crate) struct Foundation {
    pub config: Checked,
    pub clock: Clock,
    pub store: Arc<store::SqlStore>,
    pub listener: TcpListener,
    pub supply: Option<LocalSupply>,
    pub connect: Connect,
    pub sites: Option<Arc<Sites>>,
    pub remarks: Vec<String>,
}

pub(crate) async fn start_on(foundation: Foundation) -> Result<Running, StartError> {
    let Foundation { config, clock, store, listener, supply, connect, sites, remarks } = foundation;
    let address = listener.local_addr().unwrap_or(config.listen);
    let remarks = cut_days(&store, config.policy.statement_offset, remarks).await?;
    let (inbox, messages) = mpsc::channel(INBOX);
    let (observe, observations) = mpsc::channel(OBSERVATIONS);
    let (stop, stopping) = watch::channel(false);
    let (role_sender, role) = watch::channel(Role::Starting);
    let (is_set_up, set_up) = watch::channel(false);
    let (links, turns) = Links::new();
    let app = App { sites, ..app(&config, clock, store, EngineHandle::new(inbox), links.clone()) };
    let connect: Connect = Arc::new(move |observe| {
        links.begin(observe.clone());
        connect(observe)
    });
    if let Some(supply) = &supply {
        remarks.iter().for_each(|remark| app.clusters.note(supply.cluster, remark.clone()));
    }
    let parts = Parts {
        store: app.store.clone(),
        clusters: app.clusters.clone(),
        clock: app.clock.clone(),
        events: app.events.clone(),
        files: app.files.clone(),
        policy: config.policy.clone(),
        holder: holder(&config, address, &app.ids),
        inbox: messages,
        observations,
        observe: observe.clone(),
        connect,
        stop: stopping.clone(),
        role: role_sender,
    };
    let driver = tokio::spawn(driver::run(parts));
    if let Some(sites) = &app.sites {
        sites.begin(app.clone(), observe.clone(), role.clone(), config.cost.clone(), stopping.clone());
    }
    let router = crate::full_router(app.clone(), role.clone(), set_up);
    let router = router.layer(axum::middleware::from_fn_with_state(Forwarder::new(role.clone()), forward::layer));
    let http = tokio::spawn(serve(listener, router, stopping.clone()));
    tokio::spawn(sweep(app.store.clone(), app.clock.clone(), stopping.clone()));
    tokio::spawn(links::run(app.clone(), turns, role.clone(), stopping.clone()));
    tokio::spawn(notices::run(app.clone(), role.clone(), stopping.clone()));
    tokio::spawn(fetching::run(app.clone(), role.clone(), stopping.clone()));
    let least = config.job_defaults.checkpoint_interval_min;
    tokio::spawn(checkpoints::run(app.clone(), role.clone(), least, stopping.clone()));
    tokio::spawn(retention::run(app.clone(), role.clone(), config.work_kept, stopping.clone()));
    tokio::spawn(counting::run(app.clone(), role.clone(), stopping.clone()));
    tokio::spawn(tidy::run(app.clone(), role.clone(), stopping.clone()));
    tokio::spawn(twin::run(app.clone(), role.clone(), stopping));
    let mut running = Running { address, app, role: role.clone(), first_admin: None, stop, driver, http, remarks };
    if running.settle().await? {
        running.first_admin = boot::set_up(&running.app, &config, supply.as_ref(), &observe).await?;
        if let Some(admin) = &running.first_admin {
            write_secret(&config.data.join("admin-token"), &admin.token)?;
        }
    } else {
        tokio::spawn(set_up_later(running.app.clone(), config, supply, observe, role));
    }
    is_set_up.send_replace(true);
    Ok(running)
}

fn app(config: &Checked, clock: Clock, store: Arc<store::SqlStore>, engine: EngineHandle, links: Links) -> App {
    let settings = HttpSettings {
        secure_cookies: config.secure_cookies,
        job_defaults: config.job_defaults.clone(),
        steering: config.policy.steering.clone(),
        cost_currency: config.policy.cost_currency,
        statement_offset: config.policy.statement_offset,
        ..HttpSettings::default()
    };
    let bounds = store::FileBounds { bytes: config.files_quota.0, files: FILES_PER_TENANT_MAX };
    App {
        store,
        engine,
        clusters: Arc::new(Clusters::default()),
        links,
        ids: IdSource::system(clock.clone()),
        clock,
        settings: Arc::new(settings),
        events: EventBus::default(),
        sites: None,
        files: Arc::new(Space::new(&config.data, bounds)),
        traffic: Arc::default(),
        coming: Arc::default(),
        twin: Default::default(),
        oidc: config.oidc.clone().map(|settings| Arc::new(crate::oidc::Oidc::new(settings))),
        notices: Arc::new(notices::Notices::new(config.notices.clone())),
        sums: Arc::default(),
    }
}

/// The address others forward to, and something that no other process has.
fn holder(config: &Checked, address: SocketAddr, ids: &IdSource) -> String {
    let advertised = &config.advertise;
    let url = if advertised.ends_with(":0") { format!("http://{address}") } else { advertised.clone() };
    format!("{url}#{:032x}", ids.draw())
}

async fn serve(listener: TcpListener, router: axum::Router, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Small answers must not wait for more to come.
        let _ = stream.set_nodelay(true);
    });
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stopped)
        .await
}

impl Running {
    /// Waits until the server is active (`true`) or stands by.
    async fn settle(&mut self) -> Result<bool, StartError> {
        let mut role = self.role.clone();
        let settled = role.wait_for(|r| matches!(r, Role::Active | Role::Standby { holder: Some(_) } | Role::Stopped));
        tokio::select! {
            settled = settled => Ok(settled.is_ok_and(|r| *r == Role::Active)),
            reason = self.ended() => Err(StartError::Driver(reason)),
        }
    }

    /// Stops taking requests, lets the batch under way finish, gives the lease back. Running jobs go on.
    pub async fn stop(self) -> Result<(), ports::StoreError> {
        self.stop.send_replace(true);
        let ended = self.driver.await;
        let mut http = self.http;
        if tokio::time::timeout(STREAM_GRACE, &mut http).await.is_err() {
            http.abort();
        }
        match ended {
            Ok(result) => result,
            Err(error) => Err(ports::StoreError::Unavailable(error.to_string())),
        }
    }

    /// Resolves when the server has ended by itself, with the reason.
    pub async fn ended(&mut self) -> String {
        match (&mut self.driver).await {
            Ok(Ok(())) => "the driver was stopped".into(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

/// Jobs and supervisors work elsewhere: every folder is named from the root.
fn make_absolute(config: &mut Checked) -> Result<(), StartError> {
    let local = config.local.iter_mut().flat_map(|l| [l.dir.as_mut(), l.work_root.as_mut()]).flatten();
    for path in std::iter::once(&mut config.data).chain(local) {
        *path = std::path::absolute(&path).map_err(|source| StartError::Folder {
            what: "cannot find",
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// The data folder: made if missing, passable for the jobs' user, readable for nobody else.
fn prepare_folder(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::PermissionsExt;
    let fault = |what| move |source| StartError::Folder { what, path: path.into(), source };
    std::fs::create_dir_all(path).map_err(fault("cannot make the data folder"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
        .map_err(fault("cannot own the data folder"))?;
    // The database's log and index take the mode of its file, so it must be closed before anything is in it.
    let database = path.join(DATABASE_FILE);
    let closed = std::fs::Permissions::from_mode(0o600);
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&database)
        .and_then(|file| file.set_permissions(closed))
        .map_err(fault("cannot own the database in"))
}

fn write_secret(path: &Path, secret: &str) -> Result<(), StartError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fault = |source| StartError::Folder { what: "cannot write", path: path.into(), source };
    // A file of a platform that was here before would keep its own mode.
    if path.exists() {
        std::fs::remove_file(path).map_err(fault)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(fault)
}

/// A stand-by that becomes active brings its own machine along.
async fn set_up_later(
    app: App,
    config: Checked,
    supply: Option<LocalSupply>,
    observe: Observe,
    mut role: watch::Receiver<Role>,
) {
    if role.wait_for(|r| matches!(r, Role::Active)).await.is_err() {
        return;
    }
    match boot::set_up(&app, &config, supply.as_ref(), &observe).await {
        Ok(None) => {}
        Ok(Some(_)) => tracing::warn!("the platform had no administrator; make one with `hw up` on an active server"),
        Err(error) => tracing::error!(%error, "this machine could not be registered as a cluster"),
    }
}

async fn sweep(store: Arc<store::SqlStore>, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = timer.tick() => {
                if let Err(error) = store.sweep(clock.now()).await {
                    tracing::warn!(%error, "old idempotency keys stay for now");
                }
            }
        }
    }
}

/// Clusters by id as the driver wants them.
pub type Connected = Vec<(ClusterId, Arc<dyn ports::Cluster>)>;

impl Clock {
    /// The system's time at the start, carried on by the steady clock: a clock that is set back or forth while the
    /// server runs moves nothing.
    pub fn steady() -> Clock {
        let (wall, begun) = (Clock::system().now(), std::time::Instant::now());
        Clock::new(move || {
            let elapsed = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
            wall + Span::from_micros(elapsed)
        })
    }
}

/// Where connectors deliver.
pub type Observe = mpsc::Sender<Observation>;

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
