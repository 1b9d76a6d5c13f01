//! Sees to it that nothing outlives a farm: a watching process in a session of its own ends daemons, job steps and
//! payloads when the farm is dropped or its process is gone, even by `kill -9`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{FarmError, io_error};

const SCRIPT: &str = include_str!("reaper.sh");
/// Its name in the folder of sockets, and so in the list of processes.
const SCRIPT_NAME: &str = "watch-farm";
/// Folders of sockets are named by the process they belong to, so that leftovers are recognised.
const FOLDER_PREFIX: &str = "hwf-";
/// A longer temporary folder leaves too little of a socket's path.
const TEMP_BYTES_MAX: usize = 30;
/// The variable by which the farm's processes are known; its value is the folder of sockets.
pub(super) const MARK: &str = "HW_FARM";

/// The watching process and the folder of sockets it removes.
#[derive(Debug)]
pub(super) struct Reaper {
    run: PathBuf,
    watcher: Child,
}

impl Reaper {
    /// Makes the folder of sockets, starts the watching process, and ends what killed farms have left behind.
    ///
    /// `dir` is the farm's folder, absolute.
    pub fn new(dir: &Path) -> Result<Reaper, FarmError> {
        static FARMS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = FARMS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let base = base();
        sweep(&base);
        let run = base.join(format!("{FOLDER_PREFIX}{}-{n}", std::process::id()));
        let _left_by_a_process_of_our_number = fs::remove_dir_all(&run);
        fs::create_dir(&run).map_err(io_error(format!("making {}", run.display())))?;
        let text = dir.as_os_str().as_encoded_bytes();
        fs::write(run.join("dir"), text).map_err(io_error("noting the farm's folder"))?;
        fs::write(run.join(SCRIPT_NAME), SCRIPT).map_err(io_error("writing the watching script"))?;
        let watcher = watch(&run).stdin(Stdio::piped()).spawn().map_err(io_error("starting the watching process"))?;
        Ok(Reaper { run, watcher })
    }

    /// Where sockets go.
    pub fn run(&self) -> &Path {
        &self.run
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ended = self.watcher.wait();
    }
}

fn watch(run: &Path) -> Command {
    let mut command = Command::new("bash");
    // Its own group: a signal to the tests' group must not take the watcher too.
    command.arg(run.join(SCRIPT_NAME)).arg(run).current_dir("/").process_group(0);
    command.env_remove(MARK).env_remove("SLURM_CONF").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn base() -> PathBuf {
    let temp = std::env::temp_dir();
    if temp.as_os_str().len() <= TEMP_BYTES_MAX { temp } else { PathBuf::from("/tmp") }
}

/// Ends what is left of farms whose process is gone and whose watcher was killed too.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|n| n.strip_prefix(FOLDER_PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _someone_else_was_faster = watch(&entry.path()).stdin(Stdio::null()).status();
        }
    }
}
