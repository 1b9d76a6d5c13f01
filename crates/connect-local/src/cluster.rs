//! The connector: hands attempts to supervisors through the spool, carries requests to them, and reads their files.
//! Every method may be repeated; what stands in the spool decides.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{AttemptId, PoolId, digest128};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{EndCause, EndOrder, Observed, Order, PoolTerms};
use nix::unistd::Pid;
use ports::cluster::Observations;
use ports::{Cluster, ClusterFacts, ConnectError, Files, LogChunk, LogStream, PoolFacts};

use crate::cgroup::Groups;
use crate::config::{LOG_POLL, LOG_READ_MAX, LOG_WAIT_MAX, LocalConfig, LocalError, User};
use crate::files::LocalFiles;
use crate::layout::{Layout, NoGpus, Place};
use crate::logs::LogReader;
use crate::plan::{Claim, End, EndRequest, Ended, Plan, Relay, outcome_of};
use crate::spool::{self, Runner, Spool};
use crate::state::{Known, State};
use crate::supervise::wall_clock;
use crate::watch::{self, Waker, never_ran};
use crate::{SUPERVISE, detect, render, sys};

/// The machine itself as a cluster. Dropping it leaves all jobs running; the next one on the same folder adopts them.
#[derive(Debug)]
pub struct LocalCluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub config: LocalConfig,
    pub spool: Spool,
    pub waker: Waker,
    pub observations: Observations,
    pub stopping: AtomicBool,
    groups: Option<Groups>,
    remarks: Vec<String>,
    logs: LogReader,
    files: Arc<LocalFiles>,
    state: Mutex<State>,
}

impl LocalCluster {
    /// Opens the spool, takes stock of what runs already (without telling it: that is `resume`'s), and begins to watch.
    /// Blocking, a few milliseconds; not to be called twice at the same time on one folder.
    ///
    /// # Errors
    /// [`LocalError`]: folders that cannot be made or that jobs could not reach, or a configuration that cannot work.
    pub fn new(mut config: LocalConfig, observations: Observations) -> Result<LocalCluster, LocalError> {
        check(&config)?;
        config.account = config.run_as.clone().or_else(User::current);
        let spool =
            Spool::open(&config.data_dir).map_err(LocalError::io("cannot open the spool in", &config.data_dir))?;
        make_work_root(&config)?;
        if let Some(user) = &config.run_as {
            for path in [spool.home().join("spool"), config.work_root.clone()] {
                passable(&path, user.uid, user.gid, &user.name)?;
            }
        }
        let mut remarks = Vec::new();
        let groups = detect_groups(&config, &mut remarks);
        let cores = sys::own_cores();
        let layout = Layout::new(&config.pools, &cores, detect::gpus_present());
        remarks.extend(layout.remarks().iter().cloned());
        if config.run_as.is_none() && nix::unistd::geteuid().is_root() {
            remarks.push("jobs run as root, as no user for them is configured".to_owned());
        }
        let waker = Waker::bind(spool.home()).map_err(LocalError::io("cannot listen in", spool.home()))?;
        let logs = LogReader::start(config.run_as.as_ref())
            .map_err(LocalError::io("cannot read as the jobs' user in", &config.work_root))?;
        let files = LocalFiles::start(config.work_root.clone(), config.run_as.as_ref())
            .map_err(LocalError::io("cannot write as the jobs' user in", &config.work_root))?;
        let inner = Arc::new(Inner {
            files: Arc::new(files),
            state: Mutex::new(State::new(layout)),
            stopping: AtomicBool::new(false),
            config,
            spool,
            waker,
            observations,
            groups,
            remarks,
            logs,
        });
        inner.take_stock().map_err(LocalError::io("cannot read the spool in", inner.spool.home()))?;
        let watcher = Arc::clone(&inner);
        std::thread::Builder::new()
            .name("local-watch".to_owned())
            .spawn(move || watch::run(watcher))
            .map_err(LocalError::io("cannot start a thread for", inner.spool.home()))?;
        Ok(LocalCluster { inner })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Inner) -> Result<T, ConnectError> + Send + 'static,
    ) -> Result<T, ConnectError> {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || what(&inner)).await {
            Ok(answer) => answer,
            Err(error) => Err(ConnectError::Unreachable(io::Error::other(error))),
        }
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        // Not waited for: it may be delivering to a channel that nobody empties any more.
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.waker.ring();
        // With nothing handed over there is nobody to need the folder of groups; with something in it the kernel refuses.
        if let (Some(groups), Ok(true)) = (&self.inner.groups, self.inner.spool.list().map(|all| all.is_empty())) {
            groups.remove();
        }
    }
}

fn check(config: &LocalConfig) -> Result<(), LocalError> {
    if let Some(pool) = config.pools.iter().find(|p| p.nodes == 0 || p.shape.cpu.0 == 0) {
        return Err(LocalError::EmptyPool(Arc::clone(&pool.name)));
    }
    match &config.run_as {
        Some(user) if !nix::unistd::geteuid().is_root() => Err(LocalError::NotRoot(user.name.clone())),
        _ => Ok(()),
    }
}

/// The work root belongs to the jobs' user: supervisors create jobs' folders with that user's rights only.
fn make_work_root(config: &LocalConfig) -> Result<(), LocalError> {
    let root = &config.work_root;
    let failed = || LocalError::io("cannot make the folder", root);
    if !root.is_dir() {
        std::fs::create_dir_all(root).map_err(failed())?;
    }
    match &config.run_as {
        Some(user) => std::os::unix::fs::lchown(root, Some(user.uid), Some(user.gid)).map_err(failed()),
        None => Ok(()),
    }
}

/// Whether a user may pass through every folder down to `path`.
/// Whether a user may pass through a folder and all above it.
///
/// # Errors
/// `Closed` with the first folder that lacks the bit; `Io` when it is not there.
pub fn passable(path: &Path, uid: u32, gid: u32, user: &str) -> Result<(), LocalError> {
    use std::os::unix::fs::MetadataExt;
    let path = path.canonicalize().map_err(LocalError::io("cannot find", path))?;
    for folder in path.ancestors() {
        let found = std::fs::metadata(folder).map_err(LocalError::io("cannot look at", folder))?;
        let bit = match () {
            () if found.uid() == uid => 0o100,
            () if found.gid() == gid => 0o010,
            () => 0o001,
        };
        if found.mode() & bit == 0 {
            return Err(LocalError::Closed { path: folder.to_owned(), user: user.to_owned() });
        }
    }
    Ok(())
}

fn detect_groups(config: &LocalConfig, remarks: &mut Vec<String>) -> Option<Groups> {
    if !config.cgroups {
        remarks.push("control groups are switched off by configuration".to_owned());
        return None;
    }
    // One folder of groups per spool: two platforms on one machine do not meet.
    let tag = digest128(&[b"headworks-local", config.data_dir.as_os_str().as_encoded_bytes()]);
    match Groups::detect(&format!("headworks-{:016x}", tag >> 64)) {
        Ok(groups) => {
            remarks.extend(groups.remarks());
            Some(groups)
        }
        Err(remark) => {
            remarks.push(remark);
            None
        }
    }
}

fn unreachable(error: io::Error) -> ConnectError {
    ConnectError::Unreachable(error)
}

impl Inner {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns every attempt in the spool, and what the running ones hold.
    fn take_stock(&self) -> io::Result<()> {
        for attempt in self.spool.list()? {
            self.adopt(attempt)?;
        }
        Ok(())
    }

    /// Learns one attempt from its folder; quiet, as nobody has asked for it yet.
    fn adopt(&self, attempt: AttemptId) -> io::Result<()> {
        let dir = self.spool.dir(attempt);
        let ended = spool::read::<Ended>(&dir, spool::ENDED)?.is_some();
        let mut state = self.state();
        if state.attempts.contains_key(&attempt) {
            return Ok(());
        }
        let known = Known { told_started: true, told_ended: true, ended, ..Known::default() };
        state.attempts.insert(attempt, known);
        drop(state);
        if ended {
            return Ok(());
        }
        if let Some(plan) = spool::read::<Plan>(&dir, spool::ORDER)? {
            self.state().layout.restore(attempt, plan.pool, Place { cores: plan.cores, gpus: plan.gpus });
        }
        if let Runner::Alive(pid) = spool::runner(&dir)? {
            self.watch(attempt, Pid::from_raw(pid));
        }
        Ok(())
    }

    fn submit(&self, order: &Order, script: &str) -> Result<(), ConnectError> {
        let attempt = order.attempt;
        {
            let mut state = self.state();
            if state.is_forgotten(attempt) {
                let note = Some("submitted again after it was over".into());
                state.outbox.push_back(Observed::Gone { attempt, note });
                drop(state);
                self.waker.ring();
                return Ok(());
            }
        }
        if self.state().attempts.contains_key(&attempt) {
            return self.submit_again(attempt);
        }
        let total = order.per_node.times(order.nodes.len().max(order.spec.request.nodes.max(1) as usize) as u32);
        let place = self.state().layout.take(attempt, order.pool, &total).map_err(|NoGpus { wanted, free }| {
            ConnectError::Refused {
                text: "no accelerator is free on this machine".to_owned(),
                note: format!("{wanted} GPUs wanted, {free} free by the connector's own map"),
                permanent: false,
            }
        })?;
        let plan = render::plan(order, &self.config, place, self.groups.clone(), wall_clock());
        // Known before it can ring.
        self.state().attempts.entry(attempt).or_default();
        match self.spool.create(&plan, script) {
            Ok(true) => self.spawn(attempt),
            Ok(false) => self.submit_again(attempt),
            Err(error) => {
                let mut state = self.state();
                state.attempts.remove(&attempt);
                state.layout.release(attempt);
                Err(unreachable(error))
            }
        }
    }

    /// Adopts what is there: tells it again, and makes up for a supervisor that was never started.
    fn submit_again(&self, attempt: AttemptId) -> Result<(), ConnectError> {
        let dir = self.spool.dir(attempt);
        let mut state = self.state();
        let known = state.attempts.entry(attempt).or_default();
        (known.told_started, known.told_ended) = (false, false);
        let idle = !known.ended && known.watchers == 0;
        drop(state);
        self.look_at(attempt);
        let has_order = dir.join(spool::ORDER).exists();
        if idle && has_order && spool::runner(&dir).map_err(unreachable)? == Runner::Nobody {
            return self.spawn(attempt);
        }
        Ok(())
    }

    /// Starts a supervisor on a folder. It may be one too many: the claim decides.
    fn spawn(&self, attempt: AttemptId) -> Result<(), ConnectError> {
        let mut command = Command::new(&self.config.supervisor);
        // Nothing of the server's surroundings reaches it: no variables, no terminal.
        command.arg(SUPERVISE).arg(absolute(self.spool.dir(attempt)));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => {
                self.watch(attempt, Pid::from_raw(child.id() as i32));
                Ok(())
            }
            Err(error) => {
                let mut state = self.state();
                state.attempts.remove(&attempt);
                state.layout.release(attempt);
                drop(state);
                self.spool.remove(attempt).map_err(unreachable)?;
                Err(ConnectError::Refused {
                    text: "the machine could not start the job".to_owned(),
                    note: format!("{}: {error}", self.config.supervisor.display()),
                    permanent: false,
                })
            }
        }
    }

    fn end(&self, attempt: AttemptId, how: EndOrder) -> Result<(), ConnectError> {
        if self.state().is_forgotten(attempt) {
            return Ok(());
        }
        let outcome = End::Ran { outcome: outcome_of(how.cause), exit: None };
        let before = never_ran(outcome, "ended before it began");
        let dir = self.spool.dir(attempt);
        if !dir.exists() && self.spool.bury(attempt, &before).map_err(unreachable)? {
            self.state().attempts.insert(attempt, Known::default());
            self.look_at(attempt);
            return Ok(());
        }
        if spool::read::<Ended>(&dir, spool::ENDED).map_err(unreachable)?.is_none() {
            // The first cause stays; a later request may only shorten the grace.
            let request = match spool::read::<EndRequest>(&dir, spool::END_REQUEST).map_err(unreachable)? {
                Some(first) => EndRequest { cause: first.cause, grace: first.grace.min(how.grace) },
                None => EndRequest { cause: how.cause, grace: how.grace },
            };
            let written = spool::replace(&dir, spool::END_REQUEST, &request);
            let mut runner = spool::runner(&dir).map_err(unreachable)?;
            if runner == Runner::Nobody {
                // With the claim in our hands no supervisor begins, also not one that is on its way.
                if spool::claim(&dir, Claim { pid: None }).map_err(unreachable)?.is_some() {
                    spool::write_first(&dir, spool::ENDED, &before).map_err(unreachable)?;
                } else {
                    runner = spool::runner(&dir).map_err(unreachable)?;
                }
            }
            if let Runner::Alive(pid) = runner {
                match written {
                    Ok(()) => self.signal_supervisor(&dir, pid, libc::SIGUSR1, None),
                    // The disk that takes no request may be full of this very job's output: the signal carries it.
                    Err(_) => {
                        let value = Relay::End(request).encode();
                        self.signal_supervisor(&dir, pid, sys::relay_signal(), Some(value))
                    }
                }
                .map_err(unreachable)?;
            }
        }
        if let Some(known) = self.state().attempts.get_mut(&attempt) {
            known.told_ended = false;
        }
        self.look_at(attempt);
        Ok(())
    }

    /// Signals a supervisor by a handle, after making sure that the handle is of the one that holds the claim.
    fn signal_supervisor(&self, dir: &Path, pid: i32, signal: i32, value: Option<i32>) -> io::Result<()> {
        let gone = |error: &io::Error| error.raw_os_error() == Some(libc::ESRCH);
        let process = match sys::pidfd_open(Pid::from_raw(pid)) {
            Ok(process) => process,
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        if spool::runner(dir)? != Runner::Alive(pid) {
            return Ok(());
        }
        match sys::pidfd_signal(std::os::fd::AsFd::as_fd(&process), signal, value) {
            Err(error) if !gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> Result<(), ConnectError> {
        if !(1..=libc::SIGRTMAX()).contains(&signal) {
            return Err(ConnectError::Refused {
                text: format!("{signal} is not a signal"),
                note: String::new(),
                permanent: true,
            });
        }
        let dir = self.spool.dir(attempt);
        match spool::runner(&dir).map_err(unreachable)? {
            Runner::Alive(pid) => {
                let value = Relay::Signal { signal, shell_only }.encode();
                self.signal_supervisor(&dir, pid, sys::relay_signal(), Some(value)).map_err(unreachable)
            }
            Runner::Nobody | Runner::Dead => Err(ConnectError::NoSuchAttempt(attempt)),
        }
    }

    fn forget(&self, attempt: AttemptId) -> Result<(), ConnectError> {
        let ended = match self.state().attempts.get_mut(&attempt) {
            None => return self.spool.remove(attempt).map_err(unreachable),
            Some(known) => {
                known.forget_at_end = true;
                known.ended
            }
        };
        if ended {
            self.state().forget(attempt);
            return self.spool.remove(attempt).map_err(unreachable);
        }
        // The platform has no use for it any more, and still it runs.
        self.end(attempt, EndOrder { cause: EndCause::Cancelled, grace: self.config.watch.kill_grace })
    }

    fn resume(&self, open: &[AttemptId]) -> Result<(), ConnectError> {
        for attempt in self.spool.list().map_err(unreachable)? {
            self.adopt(attempt).map_err(unreachable)?;
            if !open.contains(&attempt) {
                self.forget(attempt)?;
            }
        }
        for &attempt in open {
            let dir = self.spool.dir(attempt);
            if !dir.exists() {
                let note = Some("this machine has no trace of it".into());
                self.state().outbox.push_back(Observed::Gone { attempt, note });
                self.waker.ring();
                continue;
            }
            let on_its_way = self.state().attempts.get(&attempt).is_some_and(|k| k.watchers > 0 || k.ended);
            // Handed over, and the connector died before its supervisor began: it begins now. Should that one still be on its
            // way, the claim decides.
            if !on_its_way && spool::runner(&dir).map_err(unreachable)? == Runner::Nobody {
                self.begin_late(attempt)?;
            }
            if let Some(known) = self.state().attempts.get_mut(&attempt) {
                (known.told_started, known.told_ended) = (false, false);
            }
            self.look_at(attempt);
        }
        Ok(())
    }

    /// Starts the supervisor of an attempt that was handed over and never begun; one without an order has nothing to begin
    /// with and is over.
    fn begin_late(&self, attempt: AttemptId) -> Result<(), ConnectError> {
        let dir = self.spool.dir(attempt);
        if dir.join(spool::ORDER).exists() {
            return self.spawn(attempt);
        }
        if spool::claim(&dir, Claim { pid: None }).map_err(unreachable)?.is_some() {
            let ended = never_ran(End::NeverClaimed, "it was handed over and never begun");
            spool::write_first(&dir, spool::ENDED, &ended).map_err(unreachable)?;
        }
        Ok(())
    }

    /// Whether nothing will be written any more; `None` when this connector does not know the attempt.
    fn is_over(&self, attempt: AttemptId) -> Option<bool> {
        let state = self.state();
        if state.is_forgotten(attempt) {
            return Some(true);
        }
        state.attempts.get(&attempt).map(|known| known.ended)
    }

    fn log_path(&self, order: &Order, stream: LogStream) -> String {
        let files = render::files(order, &self.config);
        match stream {
            LogStream::Stdout => files.stdout,
            LogStream::Stderr => files.stderr,
        }
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// A file that cannot be read is the tenant's to know: something else stands in its place.
fn unreadable(error: io::Error) -> ConnectError {
    ConnectError::Refused {
        text: "the output file cannot be read".to_owned(),
        note: error.to_string(),
        permanent: true,
    }
}

impl Cluster for LocalCluster {
    fn describe(&self) -> BoxFuture<'_, Result<ClusterFacts, ConnectError>> {
        async {
            let system = nix::sys::utsname::uname().map_err(|e| unreachable(e.into()))?;
            let pools = self.inner.config.pools.iter().map(|pool| PoolFacts {
                name: pool.name.to_string(),
                shape: pool.shape,
                chip: pool.chip.clone(),
                nodes: pool.node_names(),
                time_limit_max: None,
                terms: PoolTerms { architecture: Some(std::env::consts::ARCH.into()), ..PoolTerms::default() },
            });
            Ok(ClusterFacts {
                version: format!("local, Linux {}", system.release().to_string_lossy()),
                pools: pools.collect(),
                remarks: self.inner.remarks.clone(),
                terms: Default::default(),
            })
        }
        .boxed()
    }

    fn submit(&self, order: Arc<Order>, script: Arc<str>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.blocking(move |inner| inner.submit(&order, &script)).boxed()
    }

    fn end(&self, attempt: AttemptId, how: EndOrder) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.blocking(move |inner| inner.end(attempt, how)).boxed()
    }

    fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.blocking(move |inner| inner.signal(attempt, signal, shell_only)).boxed()
    }

    fn forget(&self, attempt: AttemptId) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.blocking(move |inner| inner.forget(attempt)).boxed()
    }

    fn resume(&self, open: Vec<AttemptId>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.blocking(move |inner| inner.resume(&open)).boxed()
    }

    fn read_log(
        &self,
        order: Arc<Order>,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ConnectError>> {
        async move {
            let path = self.inner.log_path(&order, stream);
            // Asked before the reading: what is said to be over was all there when it was read.
            let over = self.inner.is_over(order.attempt);
            let piece = self.inner.logs.read(path, offset, max.min(LOG_READ_MAX)).await.map_err(unreadable)?;
            // An attempt that is not known here any more, and has left a file, is over.
            let complete = over.unwrap_or(piece.size > 0);
            Ok(LogChunk { offset: piece.offset, bytes: piece.bytes, size: piece.size, complete })
        }
        .boxed()
    }

    fn wait_log(&self, order: Arc<Order>, stream: LogStream, size: u64) -> BoxFuture<'_, Result<(), ConnectError>> {
        async move {
            let path = self.inner.log_path(&order, stream);
            let until = tokio::time::Instant::now() + LOG_WAIT_MAX.to_std();
            loop {
                let over = self.inner.is_over(order.attempt).unwrap_or(false);
                let present = self.inner.logs.size(path.clone()).await.map_err(unreadable)?.unwrap_or(0);
                if over || present > size || tokio::time::Instant::now() >= until {
                    return Ok(());
                }
                tokio::time::sleep(LOG_POLL.to_std()).await;
            }
        }
        .boxed()
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        Some(self.inner.files.clone())
    }

    fn work_folder<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Option<String>, ConnectError>> {
        let files = render::files(order, &self.inner.config);
        let below = files.create_below.as_deref().and_then(|root| files.work_dir.strip_prefix(root)?.strip_prefix('/'));
        std::future::ready(Ok(below.map(str::to_owned))).boxed()
    }

    fn pool_remarks(&self, pool: PoolId) -> Vec<String> {
        let name = self.inner.config.pools.iter().find(|p| p.id == pool).map(|p| format!("pool {} ", p.name));
        let Some(name) = name else { return Vec::new() };
        self.inner.remarks.iter().filter(|remark| remark.starts_with(&name)).cloned().collect()
    }
}
