//! A throw-away PostgreSQL server for tests: made by `initdb` in a temporary folder, reached through a unix socket,
//! without durability, shared by all tests of a process and gone with it. Knows no schema.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, getuid};

/// Where Debian puts the programs of PostgreSQL 15.
const BIN: &str = "/usr/lib/postgresql/15/bin";
/// `initdb` takes under a second and the server starts in a fraction of one; a loaded machine is slower.
const START_WAIT: Duration = Duration::from_secs(60);
/// Time between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);
/// Folders of servers are named by the process they belong to, so that leftovers are recognised.
const FOLDER_PREFIX: &str = "hwpg-";
/// Names the socket; nobody listens on the port itself.
const PORT: u16 = 5432;
/// Settings of a server that forgets everything: no durability, few resources.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=100",
    "shared_buffers=64MB",
    "unix_socket_permissions=0777",
];

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error(
        "PostgreSQL 15 is not installed ({BIN}/{0} is missing): install the Debian package `postgresql-15`, or run scripts/setup.sh"
    )]
    Missing(&'static str),
    #[error("postgres refuses to run as root, and there is no user `postgres` to run it as")]
    NoUser,
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("{what} failed: {said}")]
    Program { what: &'static str, said: String },
    #[error("the server did not accept connections within {START_WAIT:?}: {log}")]
    NotReady { log: String },
}

/// What `openssl` makes a certificate from: for this machine's loopback, its own issuer.
const CERTIFICATE: &str = "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=localhost\n[ext]\n\
    basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    pid: Pid,
    databases: AtomicU32,
}

/// Process id and folder of the shared server, for the hook that runs when the process exits.
static AT_EXIT: Mutex<Option<(Pid, PathBuf)>> = Mutex::new(None);

impl Postgres {
    /// The server of this test process, started on first use; it ends with the process, however that ends.
    ///
    /// # Panics
    /// When there is none to be had; the text says which package to install.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match Postgres::start() {
            Ok(server) => {
                *AT_EXIT.lock().unwrap_or_else(|e| e.into_inner()) = Some((server.pid, server.folder.clone()));
                // SAFETY: the function takes no arguments, does not unwind and lives as long as the program.
                unsafe { libc::atexit(end_shared) };
                server
            }
            Err(error) => panic!("{error}"),
        })
    }

    /// Starts a server of one's own; [`Postgres::stop`] ends it.
    pub fn start() -> Result<Postgres, PostgresError> {
        Self::launch(false)
    }

    /// Starts a server of one's own that is also reached through the loopback, and there with TLS only: by a certificate for
    /// `127.0.0.1` that nobody trusts unless told to, at [`Postgres::certificate`].
    pub fn start_tls() -> Result<Postgres, PostgresError> {
        Self::launch(true)
    }

    fn launch(tls: bool) -> Result<Postgres, PostgresError> {
        for program in ["initdb", "postgres", "createdb", "pg_isready"] {
            if !Path::new(BIN).join(program).exists() {
                return Err(PostgresError::Missing(program));
            }
        }
        sweep();
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
        // Short, because a socket's path is limited to 107 bytes.
        let folder = std::env::temp_dir().join(format!("{FOLDER_PREFIX}{}-{n}", std::process::id()));
        let io = |what| move |source| PostgresError::Io { what, source };
        // A process that died with this number left it behind.
        let _leftover = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).map_err(io("creating the server's folder"))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(io("opening the server's folder"))?;
        if let Some(user) = other_user()? {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            chown(&folder, Some(uid), Some(gid)).map_err(io("giving the server its folder"))?;
        }
        let data = folder.join("data");
        let init = program("initdb")?
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output();
        success("initdb", init)?;
        let port = if tls { crate::hw::free_address().port() } else { PORT };
        let mut command = server(&folder, &data, port)?;
        if tls {
            encrypt(&folder, &data)?;
            command.args(["-c", "ssl=on", "-c", "listen_addresses=127.0.0.1"]);
        }
        let pid = keep(command).map_err(io("starting postgres"))?;
        let server = Postgres { folder, port, pid, databases: AtomicU32::new(0) };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// URL of a new database of its own, for one test.
    pub fn database(&self) -> Result<String, PostgresError> {
        self.copy_of("template1")
    }

    /// URL of a new database that is a copy of another (a name or URL); nobody may be connected to that one.
    pub fn copy_of(&self, database: &str) -> Result<String, PostgresError> {
        let template = database.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap_or(database);
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = program("createdb")?
            .args(["--username=postgres", "--strategy=file_copy", "--template", template, "--host"])
            .arg(&self.folder)
            .args(["--port", &self.port.to_string()])
            .arg(&name)
            .output();
        success("createdb", made)?;
        // The host is a path, so it goes into the query, its slashes as they are.
        Ok(format!("postgres://postgres@localhost/{name}?host={}", self.folder.display()))
    }

    /// The database of a URL as it is reached through the loopback.
    pub fn over_tcp(&self, url: &str) -> String {
        let name = url.rsplit('/').find_map(|rest| rest.split_once("?host=")).map_or(url, |(name, _)| name);
        let name = name.rsplit('/').next().unwrap_or(name);
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The certificate of [`Postgres::start_tls`], as a PEM file.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    fn wait_until_ready(&self) -> Result<(), PostgresError> {
        let socket = self.folder.join(format!(".s.PGSQL.{}", self.port));
        let deadline = Instant::now() + START_WAIT;
        while Instant::now() < deadline {
            let asked = program("pg_isready")?
                .args(["--quiet", "--timeout=1", "--username=postgres", "--port", &self.port.to_string(), "--host"])
                .arg(&self.folder)
                .status()
                .map_err(|source| PostgresError::Io { what: "asking pg_isready", source })?;
            if socket.exists() && asked.success() {
                return Ok(());
            }
            std::thread::park_timeout(POLL);
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(PostgresError::NotReady { log: log.lines().rev().take(5).collect::<Vec<_>>().join(" | ") })
    }

    /// Stops the server at once and removes what it wrote.
    pub fn stop(self) {
        end(self.pid, &self.folder);
    }
}

/// The user to run as when this process is root; `None` when it is not.
fn other_user() -> Result<Option<User>, PostgresError> {
    if !getuid().is_root() {
        return Ok(None);
    }
    match User::from_name("postgres") {
        Ok(Some(user)) => Ok(Some(user)),
        Ok(None) | Err(_) => Err(PostgresError::NoUser),
    }
}

/// One of PostgreSQL's programs, run by a user that it accepts, in a folder that this user may enter.
fn program(name: &str) -> Result<Command, PostgresError> {
    let mut command = Command::new(Path::new(BIN).join(name));
    command.current_dir("/").stdin(Stdio::null()).env_remove("PGDATABASE").env_remove("PGPORT").env("LC_ALL", "C");
    if let Some(user) = other_user()? {
        command.gid(user.gid.as_raw()).uid(user.uid.as_raw());
    }
    Ok(command)
}

fn success(what: &'static str, output: io::Result<Output>) -> Result<(), PostgresError> {
    let output = output.map_err(|source| PostgresError::Io { what, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(PostgresError::Program { what, said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// Makes a certificate in `folder` and `data`, and lets connections over the network in with TLS only.
fn encrypt(folder: &Path, data: &Path) -> Result<(), PostgresError> {
    let io = |what| move |source| PostgresError::Io { what, source };
    let wanted = folder.join("server.cnf");
    fs::write(&wanted, CERTIFICATE).map_err(io("describing a certificate"))?;
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    command
        .arg("-config")
        .arg(&wanted)
        .arg("-out")
        .arg(data.join("server.crt"))
        .arg("-keyout")
        .arg(data.join("server.key"));
    if let Some(user) = other_user()? {
        command.gid(user.gid.as_raw()).uid(user.uid.as_raw());
    }
    success("openssl", command.current_dir("/").stdin(Stdio::null()).output())?;
    fs::copy(data.join("server.crt"), folder.join("server.crt")).map_err(io("showing the certificate"))?;
    let rules = data.join("pg_hba.conf");
    let text = fs::read_to_string(&rules).map_err(io("reading who may connect"))?;
    fs::write(&rules, text.replace("\nhost ", "\nhostssl ")).map_err(io("writing who may connect"))
}

fn server(folder: &Path, data: &Path, port: u16) -> Result<Command, PostgresError> {
    let io = |what| move |source| PostgresError::Io { what, source };
    let log = fs::File::create(folder.join("log")).map_err(io("creating the server's log"))?;
    let mut command = program("postgres")?;
    command.arg("-D").arg(data).arg("-k").arg(folder).args(["-p", &port.to_string(), "-c", "listen_addresses="]);
    for setting in SETTINGS {
        command.arg("-c").arg(setting);
    }
    command.stdout(Stdio::null()).stderr(log);
    // SAFETY: prctl is async-signal-safe and touches only the child's own attribute.
    unsafe {
        command.pre_exec(|| {
            // SIGQUIT is PostgreSQL's immediate shutdown.
            match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGQUIT) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
    Ok(command)
}

/// Starts the command from a thread that stays: the signal at the parent's death follows the thread that started it.
fn keep(mut command: Command) -> io::Result<Pid> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("postgres-keeper".into()).spawn(move || {
        let started = command.spawn();
        match started {
            Ok(mut child) => {
                // The receiver waits for exactly this message.
                let _received = sender.send(Ok(Pid::from_raw(child.id() as i32)));
                let _status = child.wait();
            }
            Err(error) => {
                let _received = sender.send(Err(error));
            }
        }
    })?;
    receiver.recv().unwrap_or_else(|_| Err(io::Error::other("the keeper thread ended")))
}

/// Ends a server and removes its folder, however far it had come.
fn end(pid: Pid, folder: &Path) {
    if kill(pid, Signal::SIGQUIT).is_ok() {
        let deadline = Instant::now() + Duration::from_secs(10);
        while kill(pid, None).is_ok() && Instant::now() < deadline {
            std::thread::park_timeout(POLL);
        }
    }
    // A leftover is swept by the next process that starts a server.
    let _swept_later = fs::remove_dir_all(folder);
}

extern "C" fn end_shared() {
    let taken = AT_EXIT.lock().map(|mut shared| shared.take());
    if let Ok(Some((pid, folder))) = taken {
        end(pid, &folder);
    }
}

/// Removes the folders of processes that are gone; their servers went with them.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|n| n.strip_prefix(FOLDER_PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _someone_else_was_faster = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_gives_databases_and_leaves_nothing() {
        let server = Postgres::start().unwrap();
        let (first, second) = (server.database().unwrap(), server.copy_of("t0").unwrap());
        assert!(first.contains("/t0?host=") && second.contains("/t1?host="), "{first} {second}");
        let (folder, pid) = (server.folder.clone(), server.pid);
        server.stop();
        assert!(!folder.exists());
        assert!(kill(pid, None).is_err());
    }
}
