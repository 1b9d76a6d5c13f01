//! Books for the farm's clusters: one private MariaDB without durability, copied from a template, and what slurmdbd is
//! told before slurmctld starts. Knows no query.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::unistd::getuid;

use super::cluster::{Cluster, copy_folder, output};
use super::process::{Process, Ready};
use super::reaper::MARK;
use super::{FarmError, Ports, io_error};

const MARIADBD: &str = "/usr/sbin/mariadbd";
/// Changes with the settings below, so that an older template is not taken.
const TEMPLATE_VERSION: u32 = 1;
/// A small log keeps the template at 30 MB: it is copied for every farm.
const LOG_FILE_SIZE: &str = "--innodb-log-file-size=10M";
/// Settings of a server that forgets everything. slurmdbd asks for a long lock wait and a buffer pool by name.
const SETTINGS: &[&str] = &[
    "--skip-log-bin",
    "--skip-name-resolve",
    "--bind-address=127.0.0.1",
    "--innodb-buffer-pool-size=128M",
    "--innodb-lock-wait-timeout=900",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--sync-frm=0",
    "--innodb-file-per-table=0",
    "--innodb-flush-method=nosync",
    "--performance-schema=0",
    "--max-allowed-packet=64M",
];
/// slurmdbd speaks TCP only.
const GRANTS: &str = "CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';\n\
                      GRANT ALL ON *.* TO 'slurm'@'127.0.0.1';\n";

/// The farm's database server.
pub(super) struct Database {
    pub process: Process,
    ports: Ports,
}

impl Database {
    /// Makes the data folder below `dir` and starts the server; waits until it accepts connections.
    pub fn start(dir: &Path, run: &Path, user: &str) -> Result<Database, FarmError> {
        let (home, data) = (dir.join("database"), dir.join("database/data"));
        fs::create_dir_all(&home).map_err(io_error("making the database's folder"))?;
        if !data.exists() {
            copy_folder(&template(user)?, &data)?;
        }
        let init = home.join("grants.sql");
        fs::write(&init, GRANTS).map_err(io_error("writing the database's grants"))?;
        let ports = Ports::lease(1)?;
        let port = ports.at(0);
        let (run, user) = (run.to_path_buf(), user.to_owned());
        let process = Process::new("mariadbd", home.join("mariadbd.log"), Ready::Port(port), move || {
            let mut command = Command::new(MARIADBD);
            command
                .args(["--no-defaults", LOG_FILE_SIZE])
                .args(SETTINGS)
                .arg(flag("--datadir", &data))
                .arg(flag("--socket", &run.join("mariadb.sock")))
                .arg(flag("--pid-file", &run.join("mariadb.pid")))
                .arg(flag("--init-file", &init))
                .args([format!("--user={user}"), format!("--port={port}")])
                .current_dir("/")
                .env(MARK, &run);
            command
        });
        let database = Database { process, ports };
        database.process.spawn()?;
        database.process.wait_ready()?;
        Ok(database)
    }

    pub fn port(&self) -> u16 {
        self.ports.at(0)
    }
}

fn flag(name: &str, path: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}

/// An empty data folder, made once per machine and user: `mariadb-install-db` takes 3 s, a copy 0.1 s.
fn template(user: &str) -> Result<PathBuf, FarmError> {
    // Farms that are started at the same time by one process would make it in one folder; other processes have their own.
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let temp = std::env::temp_dir();
    let template = temp.join(format!("headworks-mariadb-{TEMPLATE_VERSION}-{user}"));
    // In a folder that everybody may write to, only one's own is trusted.
    if fs::symlink_metadata(&template).is_ok_and(|m| m.is_dir() && m.uid() == getuid().as_raw()) {
        return Ok(template);
    }
    let making = temp.join(format!("headworks-mariadb-making-{}", std::process::id()));
    let _left_by_a_process_of_our_number = fs::remove_dir_all(&making);
    fs::create_dir(&making).map_err(io_error("making the database's template"))?;
    fs::set_permissions(&making, fs::Permissions::from_mode(0o700)).map_err(io_error("closing the template"))?;
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", LOG_FILE_SIZE, "--innodb-flush-method=nosync", "--skip-test-db"]);
    install.args(["--auth-root-authentication-method=normal", &format!("--user={user}")]);
    output(install.arg(flag("--datadir", &making)).current_dir("/"))?;
    if let Err(error) = fs::rename(&making, &template) {
        // Somebody else was faster, and theirs is as good; else there is a stranger's folder, and ours is used.
        if !fs::symlink_metadata(&template).is_ok_and(|m| m.is_dir() && m.uid() == getuid().as_raw()) {
            return Err(io_error(format!("naming {}", template.display()))(error));
        }
        let _swept_with_the_temporary_folder = fs::remove_dir_all(&making);
    }
    Ok(template)
}

/// Tells slurmdbd of the cluster, of its ordinary user and of what the specification adds.
pub(super) fn describe(cluster: &Cluster) -> Result<(), FarmError> {
    let Some(accounting) = &cluster.spec.accounting else { return Ok(()) };
    sacctmgr(cluster, &["add", "cluster", cluster.name()])?;
    if cluster.user() != "root" {
        let of = format!("cluster={}", cluster.name());
        sacctmgr(cluster, &["add", "account", "users", &of])?;
        sacctmgr(cluster, &["add", "user", cluster.user(), "account=users", &of])?;
    }
    accounting.sacctmgr.iter().try_for_each(|arguments| sacctmgr(cluster, arguments))
}

fn sacctmgr<S: AsRef<str>>(cluster: &Cluster, arguments: &[S]) -> Result<(), FarmError> {
    let mut argv = vec!["sacctmgr", "--immediate"];
    argv.extend(arguments.iter().map(AsRef::as_ref));
    cluster.run(&argv).map(drop)
}
