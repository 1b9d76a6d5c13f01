//! A login node: a real sshd on loopback with keys of its own, and a second one before it when a jump host is asked
//! for. Touches neither the machine's sshd nor anybody's `~/.ssh`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::getuid;

use super::cluster::output;
use super::config::Layout;
use super::process::{Process, Ready};
use super::reaper::MARK;
use super::{ClusterSpec, FarmError, io_error};

const SSHD: &str = "/usr/sbin/sshd";
/// sshd wants this folder when it runs as root; Debian's service makes it, and no service runs here.
const SEPARATION_FOLDER: &str = "/run/sshd";

/// How to reach a cluster's login node: `ssh -F <config> <host> …`.
#[derive(Debug, Clone)]
pub struct SshAccess {
    /// The host's name in [`SshAccess::config`]: the cluster's name. The jump host is `<name>-jump`.
    pub host: String,
    /// A file for `ssh -F`: key, known hosts and jump host are in it, and nothing is asked.
    pub config: PathBuf,
    pub user: String,
    /// The login node's port on 127.0.0.1.
    pub port: u16,
    /// The jump host's port on 127.0.0.1.
    pub jump_port: Option<u16>,
    /// The client's private key.
    pub key: PathBuf,
    /// The host keys of both, under `[127.0.0.1]:<port>` and under their names.
    pub known_hosts: PathBuf,
}

impl SshAccess {
    /// `ssh -F <config> <host>`, to which a remote command may be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(&self.config).arg(&self.host);
        command
    }

    /// The same login node with its first hop (the jump host, where there is one) reached through another port, such
    /// as that of a [`crate::Cut`] before [`SshAccess::first_hop`].
    ///
    /// # Errors
    /// When the second configuration cannot be written beside the first.
    pub fn through(&self, port: u16) -> Result<SshAccess, FarmError> {
        let mut access = self.clone();
        *access.jump_port.as_mut().unwrap_or(&mut access.port) = port;
        access.config = self.config.with_extension(port.to_string());
        access.known_hosts = self.known_hosts.with_extension(port.to_string());
        let (old, new) = (format!("[127.0.0.1]:{},", self.first_hop()), format!("[127.0.0.1]:{port},"));
        write(&access.known_hosts, &read(&self.known_hosts)?.replace(&old, &new), 0o600)?;
        write(&access.config, &client_config(&access), 0o600)?;
        Ok(access)
    }

    /// The port on 127.0.0.1 that a client connects to first.
    pub fn first_hop(&self) -> u16 {
        self.jump_port.unwrap_or(self.port)
    }
}

/// Writes keys and configurations into `<cluster>/ssh`.
pub(super) fn prepare(
    spec: &ClusterSpec,
    at: &Layout,
    user: &str,
    port: u16,
    jump_port: Option<u16>,
) -> Result<SshAccess, FarmError> {
    let name = spec.name.as_str();
    let dir = at.dir.join("ssh");
    fs::create_dir_all(&dir).map_err(io_error("making the folder of keys"))?;
    if getuid().is_root() {
        fs::create_dir_all(SEPARATION_FOLDER).map_err(io_error(format!("making {SEPARATION_FOLDER}")))?;
    }
    let key = keygen(&dir, "client", user)?;
    let public = read(&key.with_extension("pub"))?;
    write(&dir.join("authorized_keys"), &public, 0o600)?;
    let mut known = String::new();
    for (host, port) in hosts(name, port, jump_port) {
        let host_key = keygen(&dir, &host, &host)?;
        let public = read(&host_key.with_extension("pub"))?;
        let words: Vec<&str> = public.split_whitespace().take(2).collect();
        let _ = writeln!(known, "[127.0.0.1]:{port},{host} {}", words.join(" "));
        write(&dir.join(format!("{host}.conf")), &sshd_config(&dir, &host, port, at, spec), 0o600)?;
    }
    let known_hosts = dir.join("known_hosts");
    write(&known_hosts, &known, 0o600)?;
    let config = dir.join("config");
    let access = SshAccess { host: name.to_owned(), config, user: user.to_owned(), port, jump_port, key, known_hosts };
    write(&access.config, &client_config(&access), 0o600)?;
    Ok(access)
}

/// The daemon of one of the hosts that [`prepare`] has written.
pub(super) fn process(at: &Layout, host: &str, daemon: &str, port: u16) -> Process {
    let config = at.dir.join("ssh").join(format!("{host}.conf"));
    let mark = at.run.parent().unwrap_or(&at.run).to_path_buf();
    Process::new(daemon, at.log(daemon), Ready::Port(port), move || {
        let mut command = Command::new(SSHD);
        command.args(["-D", "-e", "-f"]).arg(&config).current_dir("/").env(MARK, &mark);
        command
    })
}

fn hosts(name: &str, port: u16, jump_port: Option<u16>) -> Vec<(String, u16)> {
    let mut hosts = vec![(name.to_owned(), port)];
    hosts.extend(jump_port.map(|port| (format!("{name}-jump"), port)));
    hosts
}

fn sshd_config(dir: &Path, host: &str, port: u16, at: &Layout, spec: &ClusterSpec) -> String {
    let mark = at.run.parent().unwrap_or(&at.run);
    let dir = dir.display();
    // PAM, because without it sshd refuses an account whose password is locked, as root's often is.
    let denied = if spec.old_sftp { " -P copy-data" } else { "" };
    let path = spec.login_path.as_ref().map_or(String::new(), |path| format!(" PATH={}", path.display()));
    // bash reads its start file for commands over SSH unless it is told that it is not the first shell: what whoever runs these tests
    // has in theirs may take long, and leave locks behind when it is killed.
    let pam = if getuid().is_root() { "yes" } else { "no" };
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {dir}/{host}\nPidFile none\nAuthorizedKeysFile {dir}/authorized_keys\n\
         StrictModes no\nUsePAM {pam}\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PubkeyAuthentication yes\nPermitRootLogin prohibit-password\nUseDNS no\nPrintMotd no\nPrintLastLog no\n\
         MaxStartups 200\nMaxSessions 200\nSubsystem sftp internal-sftp{denied}\n\
         SetEnv SLURM_CONF={} {MARK}={}{path} SHLVL=1\n",
        at.conf().display(),
        mark.display()
    )
}

fn client_config(access: &SshAccess) -> String {
    let mut text = String::new();
    let jump = format!("{}-jump", access.host);
    for (host, port) in hosts(&access.host, access.port, access.jump_port) {
        let _ = writeln!(text, "Host {host}\n    HostName 127.0.0.1\n    Port {port}\n    HostKeyAlias {host}");
        if access.jump_port.is_some() && host != jump {
            let _ = writeln!(text, "    ProxyJump {jump}");
        }
    }
    let _ = write!(
        text,
        "Host *\n    User {}\n    IdentityFile {}\n    IdentitiesOnly yes\n    IdentityAgent none\n    UserKnownHostsFile {}\n\
         \x20   GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n    UpdateHostKeys no\n    BatchMode yes\n\
         \x20   LogLevel ERROR\n    ConnectTimeout 10\n",
        access.user,
        access.key.display(),
        access.known_hosts.display()
    );
    text
}

fn keygen(dir: &Path, name: &str, comment: &str) -> Result<PathBuf, FarmError> {
    let key = dir.join(name);
    if !key.exists() {
        let mut command = Command::new("ssh-keygen");
        output(command.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(&key))?;
    }
    Ok(key)
}

fn read(path: &Path) -> Result<String, FarmError> {
    fs::read_to_string(path).map_err(io_error(format!("reading {}", path.display())))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), FarmError> {
    let failed = || io_error(format!("writing {}", path.display()));
    fs::write(path, text).map_err(failed())?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed())
}
