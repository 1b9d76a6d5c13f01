//! One running cluster: its daemons by name, commands in its environment, and what tests ask of it. Knows nothing of
//! other clusters.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::config::Layout;
use super::process::{Process, tail};
use super::reaper::MARK;
use super::ssh::SshAccess;
use super::{ClusterSpec, FarmError, LOOK, Ports, io_error};

/// A cluster's daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Daemon {
    Munged,
    Slurmdbd,
    Slurmctld,
    /// That of a node, from 0.
    Slurmd(u16),
    /// On the unix socket.
    Slurmrestd,
    /// On the loopback port: a process of its own, for one slurmrestd serves either its caller's user or tokens.
    SlurmrestdTcp,
    /// Of the login node.
    Sshd,
    /// Of the jump host before it.
    JumpSshd,
}

impl std::fmt::Display for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Daemon::Munged => f.write_str("munged"),
            Daemon::Slurmdbd => f.write_str("slurmdbd"),
            Daemon::Slurmctld => f.write_str("slurmctld"),
            Daemon::Slurmd(node) => write!(f, "slurmd-n{}", node + 1),
            Daemon::Slurmrestd => f.write_str("slurmrestd"),
            Daemon::SlurmrestdTcp => f.write_str("slurmrestd-tcp"),
            Daemon::Sshd => f.write_str("sshd"),
            Daemon::JumpSshd => f.write_str("sshd-jump"),
        }
    }
}

/// A copy of what slurmctld had saved at some moment.
#[derive(Debug, Clone)]
pub struct SavedState(PathBuf);

/// A running cluster. All operations take `&self`: faults are injected from any thread.
pub struct Cluster {
    pub(super) spec: ClusterSpec,
    pub(super) at: Layout,
    pub(super) user: String,
    pub(super) daemons: BTreeMap<Daemon, Process>,
    pub(super) restd_port: Option<u16>,
    pub(super) ssh: Option<SshAccess>,
    /// Held as long as the cluster is.
    pub(super) ports: Ports,
    pub(super) saved: AtomicU32,
}

impl Cluster {
    pub fn name(&self) -> &str {
        &self.spec.name
    }
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }
    /// The cluster's folder: `etc`, `state`, `log` and others below.
    pub fn dir(&self) -> &Path {
        &self.at.dir
    }
    /// The value of `SLURM_CONF`.
    pub fn conf(&self) -> PathBuf {
        self.at.conf()
    }
    /// The account that the daemons run under, and that may do everything in this cluster.
    pub fn user(&self) -> &str {
        &self.user
    }
    /// First and last TCP port of the cluster.
    pub fn port_range(&self) -> (u16, u16) {
        self.ports.range()
    }
    /// slurmrestd's unix socket, which trusts the caller's user id.
    pub fn restd_socket(&self) -> Option<PathBuf> {
        self.spec.restd_socket.then(|| self.at.restd_socket())
    }
    /// slurmrestd's loopback port, which asks for a token.
    pub fn restd_port(&self) -> Option<u16> {
        self.restd_port
    }
    /// How to reach the login node.
    pub fn ssh(&self) -> Option<&SshAccess> {
        self.ssh.as_ref()
    }

    /// What a client needs in its environment.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![("SLURM_CONF".into(), self.conf().display().to_string())]
    }

    /// A command in this cluster's environment and in none of another: inherited variables of Slurm are removed.
    ///
    /// # Panics
    /// When `argv` is empty.
    pub fn command<S: AsRef<str>>(&self, argv: &[S]) -> Command {
        let (program, arguments) = argv.split_first().expect("a command has a name");
        let mut command = Command::new(program.as_ref());
        command.args(arguments.iter().map(AsRef::as_ref)).stdin(Stdio::null());
        clean(&mut command);
        command.envs(self.env());
        command
    }

    /// Runs a command in this cluster's environment; its standard output.
    ///
    /// # Errors
    /// When it cannot be started or does not exit with 0; then with what it said on standard error.
    pub fn run<S: AsRef<str>>(&self, argv: &[S]) -> Result<String, FarmError> {
        output(&mut self.command(argv))
    }

    /// Submits a script; the job's number.
    ///
    /// # Errors
    /// When sbatch refuses it or does not answer with a number.
    pub fn sbatch<S: AsRef<str>>(&self, arguments: &[S], script: &str) -> Result<u32, FarmError> {
        let mut argv = vec!["sbatch", "--parsable"];
        argv.extend(arguments.iter().map(AsRef::as_ref));
        let mut child = self
            .command(&argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io_error("starting sbatch"))?;
        if let Some(mut input) = child.stdin.take() {
            // sbatch may refuse by its arguments alone and not read to the end: its own words say more.
            let _ = input.write_all(script.as_bytes());
        }
        let output = child.wait_with_output().map_err(io_error("waiting for sbatch"))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let number = said.split(';').next().and_then(|n| n.parse().ok());
        number.filter(|_| output.status.success()).ok_or_else(|| FarmError::Program {
            what: "sbatch".into(),
            said: format!("{said}{}", String::from_utf8_lossy(&output.stderr).trim()),
        })
    }

    /// The state in which the controller holds a job, such as `RUNNING`; `None` when it knows none of that number.
    ///
    /// # Errors
    /// When the controller cannot be asked.
    pub fn job_state(&self, job: u32) -> Result<Option<String>, FarmError> {
        match self.run(&["squeue", "--noheader", "--states=all", "--format=%T", &format!("--jobs={job}")]) {
            Ok(said) => Ok(said.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())),
            Err(FarmError::Program { said, .. }) if said.contains("Invalid job id") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until a job is in this state.
    ///
    /// # Errors
    /// [`FarmError::Waited`] with the last state seen.
    pub fn wait_job(&self, job: u32, state: &str, most: Duration) -> Result<(), FarmError> {
        let begun = Instant::now();
        loop {
            let seen = self.job_state(job);
            if matches!(&seen, Ok(Some(now)) if now == state) {
                return Ok(());
            }
            if begun.elapsed() > most {
                let what = format!("job {job} of {} to be {state}", self.name());
                return Err(FarmError::Waited { what, waited: most, seen: format!("{seen:?}") });
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Waits until as many nodes are idle; how long that took.
    ///
    /// # Errors
    /// [`FarmError::Waited`] with the nodes' states, or [`FarmError::Ended`] when a daemon has ended.
    pub fn wait_idle(&self, nodes: u16, most: Duration) -> Result<Duration, FarmError> {
        let begun = Instant::now();
        loop {
            let seen = self.run(&["sinfo", "--noheader", "--Node", "--format=%N %T"]);
            let text = seen.unwrap_or_else(|error| error.to_string());
            // A node of two partitions has two lines.
            let idle: std::collections::BTreeSet<&str> = text.lines().filter_map(|l| l.strip_suffix(" idle")).collect();
            if idle.len() >= usize::from(nodes) {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > most {
                let what = format!("{nodes} idle nodes in {}", self.name());
                let log = tail(self.process(Daemon::Slurmctld).log());
                return Err(FarmError::Waited { what, waited: most, seen: format!("{text}\n{log}") });
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// A token for slurmrestd in this user's name, as `scontrol token` makes it.
    ///
    /// # Errors
    /// When the cluster has no tokens or the controller does not answer.
    pub fn token(&self, user: &str, lifespan: Duration) -> Result<String, FarmError> {
        let lifespan = format!("lifespan={}", lifespan.as_secs());
        let said = self.run(&["scontrol", "token", &format!("username={user}"), &lifespan])?;
        let token = said.trim().strip_prefix("SLURM_JWT=").map(str::to_owned);
        token.ok_or(FarmError::Program { what: "scontrol token".into(), said })
    }

    /// All daemons of this cluster.
    pub fn daemons(&self) -> Vec<Daemon> {
        self.daemons.keys().copied().collect()
    }
    /// The process id of a daemon, while it runs.
    pub fn pid(&self, daemon: Daemon) -> Option<u32> {
        self.process(daemon).pid()
    }
    /// All that a daemon has written, for failure messages and for what only logs tell.
    pub fn log(&self, daemon: Daemon) -> String {
        let bytes = fs::read(self.process(daemon).log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal to the daemon alone, not to what it started. After SIGKILL it has ended.
    pub fn kill(&self, daemon: Daemon, signal: Signal) {
        self.process(daemon).signal(signal);
    }
    /// Stops it in its tracks: it keeps its connections and answers nothing.
    pub fn stop(&self, daemon: Daemon) {
        self.kill(daemon, Signal::SIGSTOP);
    }
    /// Lets a stopped daemon go on.
    pub fn cont(&self, daemon: Daemon) {
        self.kill(daemon, Signal::SIGCONT);
    }
    /// SIGTERM, and waits for the end; `false` when it has not ended within `most`.
    pub fn terminate(&self, daemon: Daemon, most: Duration) -> bool {
        self.kill(daemon, Signal::SIGTERM);
        self.process(daemon).wait_end(most)
    }
    /// Starts a daemon that does not run and waits until it accepts connections; how long that took.
    ///
    /// # Errors
    /// When it ends instead, or does not become ready.
    pub fn start(&self, daemon: Daemon) -> Result<Duration, FarmError> {
        let begun = Instant::now();
        self.process(daemon).spawn()?;
        self.process(daemon).wait_ready()?;
        Ok(begun.elapsed())
    }
    /// `kill -9`, then [`Cluster::start`].
    ///
    /// # Errors
    /// As of [`Cluster::start`].
    pub fn restart(&self, daemon: Daemon) -> Result<Duration, FarmError> {
        self.kill(daemon, Signal::SIGKILL);
        self.start(daemon)
    }

    /// Copies what slurmctld has saved by now. It saves a change a fraction of a second to seconds after it happened.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub fn save_state(&self) -> Result<SavedState, FarmError> {
        let copy = self.at.dir.join(format!("saved-{}", self.saved.fetch_add(1, Ordering::Relaxed)));
        copy_folder(&self.at.state(), &copy)?;
        Ok(SavedState(copy))
    }

    /// Kills slurmctld, puts an old state in the place of what it had saved, and starts it: it has forgotten all since.
    ///
    /// # Errors
    /// When the state cannot be written or slurmctld does not start.
    pub fn restore_state(&self, saved: &SavedState) -> Result<Duration, FarmError> {
        self.kill(Daemon::Slurmctld, Signal::SIGKILL);
        let state = self.at.state();
        fs::remove_dir_all(&state).map_err(io_error("removing the newer state"))?;
        copy_folder(&saved.0, &state)?;
        self.start(Daemon::Slurmctld)
    }

    /// # Panics
    /// When the cluster was not specified with such a daemon.
    pub(super) fn process(&self, daemon: Daemon) -> &Process {
        self.daemons.get(&daemon).unwrap_or_else(|| panic!("{} has no {daemon}", self.spec.name))
    }
}

/// Removes what a surrounding job, farm or test has set for Slurm's programs.
pub(super) fn clean(command: &mut Command) {
    const PREFIXES: [&str; 8] = ["SLURM", "SBATCH_", "SQUEUE_", "SACCT_", "SINFO_", "SALLOC_", "SRUN_", "SCANCEL_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n == MARK || PREFIXES.iter().any(|p| n.starts_with(p))) {
            command.env_remove(name);
        }
    }
}

/// Runs a command to its end; its standard output.
pub(super) fn output(command: &mut Command) -> Result<String, FarmError> {
    let what = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(io_error(format!("starting {what}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let said = format!("{}{}", said.trim(), String::from_utf8_lossy(&output.stderr).trim());
    Err(FarmError::Program { what: format!("{what} {}", arguments.join(" ")), said })
}

/// Copies a folder with its permissions. Files that vanish meanwhile are left out: slurmctld renames as it saves.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<(), FarmError> {
    let failed = |at: &Path| io_error(format!("copying {}", at.display()));
    fs::create_dir_all(to).map_err(failed(to))?;
    let mode = fs::metadata(from).map_err(failed(from))?.permissions();
    fs::set_permissions(to, mode).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target)?;
            continue;
        }
        match fs::copy(&path, &target) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    Ok(())
}
