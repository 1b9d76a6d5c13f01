//! Several clusters in one folder: made from specifications, started in the order that is quickest, ended together.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::{User, getuid};

use super::accounting::{Database, describe};
use super::cluster::{Cluster, Daemon, clean};
use super::config::{Addresses, Layout, gres_conf, slurm_conf, slurmdbd_conf};
use super::process::{Process, Ready};
use super::reaper::{MARK, Reaper};
use super::{ClusterSpec, FarmError, Ports, READY_WAIT, SOCKET_PATH_BYTES_MAX, io_error, ssh};

/// Programs that every cluster needs, and the Debian package of each.
const NEEDED: &[(&str, &str)] = &[
    ("/usr/sbin/slurmctld", "slurm-wlm"),
    ("/usr/sbin/slurmd", "slurm-wlm"),
    ("/usr/sbin/slurmstepd", "slurm-wlm"),
    ("/usr/bin/sbatch", "slurm-wlm"),
    ("/usr/sbin/munged", "munge"),
];
const NEEDED_FOR_ACCOUNTING: &[(&str, &str)] =
    &[("/usr/sbin/slurmdbd", "slurmdbd"), ("/usr/sbin/mariadbd", "mariadb-server-core")];
const NEEDED_FOR_RESTD: &[(&str, &str)] = &[("/usr/sbin/slurmrestd", "slurmrestd")];
const NEEDED_FOR_SSH: &[(&str, &str)] = &[
    ("/usr/sbin/sshd", "openssh-server"),
    ("/usr/bin/ssh", "openssh-client"),
    ("/usr/bin/ssh-keygen", "openssh-client"),
];

/// munge asks for at least 32 bytes and makes 128 itself; a JWT's HS256 key has 32.
const MUNGE_KEY_BYTES: usize = 128;
const JWT_KEY_BYTES: usize = 32;
/// slurmrestd's API: the newest of Slurm 22.05.
const REST_API: &str = "openapi/v0.0.38";
const REST_ACCOUNTING_API: &str = "openapi/dbv0.0.38";
const REST_THREADS: &str = "4";

/// Clusters in one folder. Dropping it ends all of them, their job steps and their payloads.
pub struct Farm {
    dir: PathBuf,
    user: String,
    clusters: BTreeMap<String, Arc<Cluster>>,
    database: Option<Database>,
    // Last: it sweeps what the fields above have left.
    reaper: Reaper,
}

/// How long the parts of a start took.
#[derive(Debug, Default, Clone)]
pub struct Started(Vec<(&'static str, Duration)>);

impl Started {
    pub fn total(&self) -> Duration {
        self.0.iter().map(|(_, took)| *took).sum()
    }
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, took) in &self.0 {
            write!(f, "{part} {} ms, ", took.as_millis())?;
        }
        write!(f, "together {} ms", self.total().as_millis())
    }
}

impl Farm {
    /// Why no farm can be started on this machine: `None` when all programs are there.
    pub fn unavailable() -> Option<String> {
        [NEEDED, NEEDED_FOR_ACCOUNTING, NEEDED_FOR_RESTD, NEEDED_FOR_SSH]
            .into_iter()
            .find_map(|programs| missing(programs).err())
            .map(|error| error.to_string())
    }

    /// A farm without clusters. `dir` is made where it does not exist; sockets go into a short folder elsewhere.
    /// A folder used before keeps its keys and what Slurm had saved: its clusters go on where they were killed.
    ///
    /// # Errors
    /// When Slurm is not installed or the folders cannot be made.
    pub fn new(dir: impl AsRef<Path>) -> Result<Farm, FarmError> {
        missing(NEEDED)?;
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(io_error(format!("making {}", dir.display())))?;
        let dir = dir.canonicalize().map_err(io_error(format!("finding {}", dir.display())))?;
        let user = match User::from_uid(getuid()) {
            Ok(Some(user)) => user.name,
            Ok(None) => return Err(io_error("finding this user's name")(std::io::ErrorKind::NotFound.into())),
            Err(error) => return Err(io_error("finding this user's name")(error.into())),
        };
        let reaper = Reaper::new(&dir)?;
        Ok(Farm { dir, user, clusters: BTreeMap::new(), database: None, reaper })
    }

    /// Starts clusters and waits until all their nodes are idle.
    ///
    /// # Errors
    /// When a program is missing, or a daemon does not start; then with the end of its log.
    pub fn start(&mut self, specs: impl IntoIterator<Item = ClusterSpec>) -> Result<Started, FarmError> {
        let mut started = Started::default();
        let mut begun = Instant::now();
        let mut lap = |part: &'static str| {
            let now = Instant::now();
            started.0.push((part, now - begun));
            begun = now;
        };
        let specs: Vec<ClusterSpec> = specs.into_iter().collect();
        let books = specs.iter().any(|spec| spec.accounting.is_some());
        if books && self.database.is_none() {
            missing(NEEDED_FOR_ACCOUNTING)?;
            self.database = Some(Database::start(&self.dir, self.reaper.run(), &self.user)?);
            lap("database");
        }
        let mut clusters = Vec::new();
        for spec in specs {
            let cluster = Arc::new(self.prepare(spec)?);
            self.clusters.insert(cluster.name().to_owned(), cluster.clone());
            clusters.push(cluster);
        }
        lap("files");
        start_all(&clusters, |daemon| matches!(daemon, Daemon::Munged | Daemon::Sshd | Daemon::JumpSshd))?;
        lap("munged, sshd");
        if books {
            start_all(&clusters, |daemon| daemon == Daemon::Slurmdbd)?;
            clusters.iter().try_for_each(|cluster| describe(cluster))?;
            lap("slurmdbd");
        }
        // A slurmd which registers before the controller listens tries again a second later.
        start_all(&clusters, |daemon| daemon == Daemon::Slurmctld)?;
        lap("slurmctld");
        start_all(&clusters, |daemon| {
            matches!(daemon, Daemon::Slurmd(_) | Daemon::Slurmrestd | Daemon::SlurmrestdTcp)
        })?;
        for cluster in &clusters {
            cluster.wait_idle(cluster.spec.node_count(), READY_WAIT)?;
        }
        lap("nodes idle");
        Ok(started)
    }

    /// A cluster by its name.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn cluster(&self, name: &str) -> &Arc<Cluster> {
        self.clusters.get(name).unwrap_or_else(|| panic!("{}", FarmError::NoCluster(name.to_owned())))
    }
    /// All clusters, by name.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.values()
    }
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// Where sockets and spools are; it goes with the farm.
    pub fn run_dir(&self) -> &Path {
        self.reaper.run()
    }

    /// Sends a signal to the database server, if there is one. After SIGKILL it has ended.
    pub fn signal_database(&self, signal: Signal) {
        if let Some(database) = &self.database {
            database.process.signal(signal);
        }
    }
    /// `kill -9` of the database server, and a new start from what it had written.
    ///
    /// # Errors
    /// When it does not start again.
    pub fn restart_database(&self) -> Result<(), FarmError> {
        self.signal_database(Signal::SIGKILL);
        let Some(database) = &self.database else { return Ok(()) };
        database.process.spawn()?;
        database.process.wait_ready()
    }

    /// Everything of a cluster but running daemons: folders, keys, configurations, ports.
    fn prepare(&self, spec: ClusterSpec) -> Result<Cluster, FarmError> {
        if spec.restd_socket || spec.restd_port {
            missing(NEEDED_FOR_RESTD)?;
        }
        if spec.ssh {
            missing(NEEDED_FOR_SSH)?;
        }
        let at = Layout { dir: self.dir.join(&spec.name), run: self.reaper.run().join(&spec.name) };
        // slurmstepd's sockets are the longest: <spool>/<node>/<node>_4294967295.4294967295.
        let longest = at.spool(&spec.node_name(999)).join(format!("{}_4294967295.4294967295", spec.node_name(999)));
        if longest.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            return Err(FarmError::SocketPath(longest));
        }
        // slurmctld, slurmdbd, slurmrestd, sshd, jump sshd, then the nodes.
        let ports = Ports::lease(5 + spec.node_count())?;
        let addresses = Addresses { slurmctld: ports.at(0), slurmdbd: ports.at(1), first_slurmd: ports.at(5) };
        write_files(&spec, &at, addresses, &self.user, self.database.as_ref().map(Database::port))?;
        let ssh = match spec.ssh {
            true => Some(ssh::prepare(&spec, &at, &self.user, ports.at(3), spec.jump.then(|| ports.at(4)))?),
            false => None,
        };
        let restd_port = spec.restd_port.then(|| ports.at(2));
        let daemons = daemons(&spec, &at, addresses, ports.at(2), ssh.as_ref(), self.reaper.run());
        let user = self.user.clone();
        Ok(Cluster { spec, at, user, daemons, restd_port, ssh, ports, saved: AtomicU32::new(0) })
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        // Those who run jobs first, then those who would start them anew; the reaper looks for the rest.
        for cluster in self.clusters.values() {
            cluster.daemons.iter().rev().for_each(|(_, process)| process.close());
        }
        if let Some(database) = &self.database {
            database.process.close();
        }
    }
}

/// Starts these daemons of all clusters, then waits for all.
fn start_all(clusters: &[Arc<Cluster>], wanted: impl Fn(Daemon) -> bool) -> Result<(), FarmError> {
    let chosen = || clusters.iter().flat_map(|c| c.daemons.iter()).filter(|(daemon, _)| wanted(**daemon));
    chosen().try_for_each(|(_, process)| process.spawn())?;
    chosen().try_for_each(|(_, process)| process.wait_ready())
}

fn missing(programs: &[(&'static str, &'static str)]) -> Result<(), FarmError> {
    match programs.iter().find(|(program, _)| program_path(program).is_none()) {
        Some(&(program, package)) => Err(FarmError::Missing { program, package }),
        None => Ok(()),
    }
}

/// Debian calls the real daemons `…-wlm` and lets a link of the plain name point to one of several builds.
fn program_path(program: &str) -> Option<PathBuf> {
    [format!("{program}-wlm"), program.to_owned()].into_iter().map(PathBuf::from).find(|path| path.exists())
}

fn write_files(
    spec: &ClusterSpec,
    at: &Layout,
    ports: Addresses,
    user: &str,
    database_port: Option<u16>,
) -> Result<(), FarmError> {
    let make = |path: &Path| fs::create_dir_all(path).map_err(io_error(format!("making {}", path.display())));
    for folder in ["etc", "state", "log", "bin", "dev", "tmp"] {
        make(&at.dir.join(folder))?;
    }
    for node in (0..spec.node_count()).map(|index| spec.node_name(index)) {
        make(&at.spool(&node))?;
        make(&at.tmp(&node))?;
        mode(&at.tmp(&node), 0o1777)?;
    }
    for program in ["slurmctld", "slurmd", "slurmstepd"] {
        let real = program_path(&format!("/usr/sbin/{program}")).unwrap_or_default();
        link(&real, &at.bin(program))?;
    }
    write(&at.conf(), &slurm_conf(spec, at, ports, user), 0o644)?;
    write(&at.etc().join("plugstack.conf"), "", 0o644)?;
    write(&at.etc().join("cgroup.conf"), "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n", 0o644)?;
    let (gres, devices) = gres_conf(spec, &at.devices());
    write(&at.etc().join("gres.conf"), &gres, 0o644)?;
    for device in 0..devices {
        // Any file will do, but one that is no character device is complained about.
        link(Path::new("/dev/null"), &at.devices().join(format!("gpu{device}")))?;
    }
    for (name, text) in &spec.files {
        write(&at.etc().join(name), text, 0o644)?;
    }
    if let Some(topology) = &spec.topology {
        write(&at.etc().join("topology.conf"), topology, 0o644)?;
    }
    if let (true, Some(database_port)) = (spec.accounting.is_some(), database_port) {
        let text = slurmdbd_conf(spec, at, ports.slurmdbd, database_port, user);
        write(&at.etc().join("slurmdbd.conf"), &text, 0o600)?;
    }
    make_key(&at.munge_key(), MUNGE_KEY_BYTES)?;
    make_key(&at.jwt_key(), JWT_KEY_BYTES)
}

fn daemons(
    spec: &ClusterSpec,
    at: &Layout,
    ports: Addresses,
    restd_port: u16,
    ssh_access: Option<&super::SshAccess>,
    mark: &Path,
) -> BTreeMap<Daemon, Process> {
    let mut daemons = BTreeMap::new();
    // A daemon in the cluster's folder and environment, marked as the farm's.
    let mut add = |daemon: Daemon, ready: Ready, conf: PathBuf, argv: Vec<String>, more: &[(&'static str, &str)]| {
        let (dir, mark) = (at.dir.clone(), mark.to_path_buf());
        let more: Vec<(&'static str, String)> = more.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        let make = move || {
            let mut command = Command::new(&argv[0]);
            command.args(&argv[1..]).current_dir(&dir);
            clean(&mut command);
            command.env("SLURM_CONF", &conf).env(MARK, &mark).envs(more.iter().map(|(name, value)| (name, value)));
            command
        };
        daemons.insert(daemon, Process::new(daemon.to_string(), at.log(&daemon.to_string()), ready, make));
    };
    let path = |path: PathBuf| path.display().to_string();
    let (conf, socket) = (at.conf(), at.munge_socket());
    let munged = vec![
        "/usr/sbin/munged".into(),
        "--foreground".into(),
        "--force".into(),
        format!("--socket={}", socket.display()),
        format!("--key-file={}", at.munge_key().display()),
        format!("--pid-file={}/munged.pid", at.run.display()),
        format!("--seed-file={}/munge.seed", at.run.display()),
        "--num-threads=2".into(),
        "--group-update-time=-1".into(),
    ];
    add(Daemon::Munged, Ready::Socket(socket), conf.clone(), munged, &[]);
    if spec.accounting.is_some() {
        // It reads slurmdbd.conf in the folder of what SLURM_CONF names.
        let argv = vec!["/usr/sbin/slurmdbd".into(), "-D".into()];
        add(Daemon::Slurmdbd, Ready::Port(ports.slurmdbd), at.etc().join("slurmdbd.conf"), argv, &[]);
    }
    let slurmctld = vec![path(at.bin("slurmctld")), "-D".into(), "-f".into(), path(conf.clone())];
    add(Daemon::Slurmctld, Ready::Port(ports.slurmctld), conf.clone(), slurmctld, &[]);
    for index in 0..spec.node_count() {
        let mut slurmd = vec![path(at.bin("slurmd")), "-D".into(), "-f".into(), path(conf.clone())];
        slurmd.extend(["-N".into(), spec.node_name(index), "-d".into(), path(at.bin("slurmstepd"))]);
        add(Daemon::Slurmd(index), Ready::Port(ports.first_slurmd + index), conf.clone(), slurmd, &[]);
    }
    // slurmrestd refuses to run as root or as SlurmUser otherwise.
    const ANY_USER: (&str, &str) = ("SLURMRESTD_SECURITY", "disable_user_check");
    if spec.restd_socket {
        let argv = restd(spec, at, "rest_auth/local", format!("unix:{}", at.restd_socket().display()));
        add(Daemon::Slurmrestd, Ready::Socket(at.restd_socket()), conf.clone(), argv, &[ANY_USER]);
    }
    if spec.restd_port {
        let argv = restd(spec, at, "rest_auth/jwt", format!("127.0.0.1:{restd_port}"));
        // With any value it speaks to slurmctld by its caller's token; else by munge, which refuses tokens.
        let by_token = ("SLURM_JWT", "daemon");
        add(Daemon::SlurmrestdTcp, Ready::Port(restd_port), conf, argv, &[ANY_USER, by_token]);
    }
    if let Some(access) = ssh_access {
        let sshd = |daemon: Daemon, host: &str, port| ssh::process(at, host, &daemon.to_string(), port);
        daemons.insert(Daemon::Sshd, sshd(Daemon::Sshd, &spec.name, access.port));
        if let Some(port) = access.jump_port {
            daemons.insert(Daemon::JumpSshd, sshd(Daemon::JumpSshd, &format!("{}-jump", spec.name), port));
        }
    }
    daemons
}

/// slurmrestd with one way of knowing its callers.
fn restd(spec: &ClusterSpec, at: &Layout, authentication: &str, listen: String) -> Vec<String> {
    let mut apis = vec![REST_API];
    if spec.accounting.is_some() {
        apis.push(REST_ACCOUNTING_API);
    }
    let conf = at.conf().display().to_string();
    ["/usr/sbin/slurmrestd", "-f", &conf, "-t", REST_THREADS, "-a", authentication, "-s", &apis.join(","), &listen]
        .map(str::to_owned)
        .to_vec()
}

fn write(path: &Path, text: &str, bits: u32) -> Result<(), FarmError> {
    fs::write(path, text).map_err(io_error(format!("writing {}", path.display())))?;
    mode(path, bits)
}

fn mode(path: &Path, bits: u32) -> Result<(), FarmError> {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).map_err(io_error(format!("opening {}", path.display())))
}

/// Links anew: the farm's folder may be used a second time.
fn link(to: &Path, from: &Path) -> Result<(), FarmError> {
    let _none_there = fs::remove_file(from);
    symlink(to, from).map_err(io_error(format!("linking {}", from.display())))
}

fn make_key(path: &Path, bytes: usize) -> Result<(), FarmError> {
    if path.exists() {
        return Ok(());
    }
    let failed = || io_error(format!("making {}", path.display()));
    let mut key = vec![0; bytes];
    File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut key)).map_err(failed())?;
    fs::write(path, key).map_err(failed())?;
    mode(path, 0o600)
}
