//! Control groups (version 2): one per attempt, for containment always and for limits where the host offers them.
//! Knows nothing of attempts beyond a name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base::{Bytes, CpuMillis};
use serde::{Deserialize, Serialize};

/// Where the groups of attempts are made, and which controllers act there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    pub parent: PathBuf,
    pub memory: bool,
    pub cpu: bool,
    pub io: bool,
}

/// Length in microseconds of the window over which `cpu.max` counts; the kernel's default.
const CPU_PERIOD_MICROS: u64 = 100_000;

impl Groups {
    /// Finds a place below our own group where groups can be made, and makes one named `name` there.
    ///
    /// # Errors
    /// A sentence for the operator: why there is none.
    pub fn detect(name: &str) -> Result<Groups, String> {
        let none = |why: &str| format!("no control groups for jobs ({why}): what a job forks is found by its ancestry");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let base = own_group(&mounts, &own).ok_or_else(|| none("cgroup v2 is not mounted"))?;
        let parent = base.join(name);
        match fs::create_dir(&parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(none(&format!("{}: {error}", parent.display())));
            }
            _ => {}
        }
        // A group that holds processes must not hand controllers down: its children could then take none in. Only the
        // root may do both, and an empty group that was made for us.
        let may_share = !base.join("cgroup.type").exists() || is_empty(&base);
        for controller in ["memory", "cpu", "io"].into_iter().filter(|_| may_share) {
            // Refused where the host keeps the controller elsewhere; read back below.
            for dir in [&base, &parent] {
                let _ = write(&dir.join("cgroup.subtree_control"), &format!("+{controller}"));
            }
        }
        if let Err(error) = takes_processes(&parent) {
            let _ = fs::remove_dir(&parent);
            return Err(none(&format!("{} takes no processes: {error}", parent.display())));
        }
        let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |name: &str| enabled.split_whitespace().any(|c| c == name);
        Ok(Groups { memory: has("memory"), cpu: has("cpu"), io: has("io"), parent })
    }

    /// Takes the (empty) folder of groups away.
    pub fn remove(&self) {
        let _ = fs::remove_dir(&self.parent);
    }

    /// Plain sentences on what is missing.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.memory {
            remarks.push(
                "the memory controller of cgroup v2 is not available here: a job's memory is measured every 0.2 s or \
                 more often, and a job over its limit is ended after the fact"
                    .to_owned(),
            );
        }
        if !self.cpu {
            remarks.push(
                "the cpu controller of cgroup v2 is not available here: jobs are kept to their cores by binding alone"
                    .to_owned(),
            );
        }
        remarks
    }
}

/// The folder of our own group: mount point and path from `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn own_group(mounts: &str, own: &str) -> Option<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        (right.split(' ').next() == Some("cgroup2")).then_some(())?;
        let mut fields = left.split(' ').skip(3);
        let (root, mount) = (fields.next()?, fields.next()?);
        // Inside a container the mount may show a subtree only.
        let below = own.strip_prefix(root.trim_end_matches('/')).unwrap_or(own);
        Some(Path::new(mount).join(below.trim_start_matches('/')))
    })
}

fn is_empty(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|pids| pids.trim().is_empty())
}

/// Puts a process into a group below `parent` and takes it out again: rules of the kernel and of containers that forbid it
/// are many, and a job that could not be started would be the first to find out.
fn takes_processes(parent: &Path) -> io::Result<()> {
    let probe = parent.join("probe");
    match fs::create_dir(&probe) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // It ends when its input does.
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let moved = write(&probe.join("cgroup.procs"), &child.id().to_string());
    drop(child.stdin.take());
    child.wait()?;
    fs::remove_dir(&probe)?;
    moved
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// The group of one attempt.
#[derive(Debug)]
pub struct Group {
    dir: PathBuf,
    handle: File,
    has_memory: bool,
    has_io: bool,
}

/// What the kernel counted; `None` where it does not count here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub cpu_micros: Option<i64>,
    pub memory_peak: Option<u64>,
    /// Bytes read from and written to disks.
    pub disk: Option<(u64, u64)>,
    pub out_of_memory: bool,
}

impl Group {
    /// Makes the group and sets its limits where there are controllers. Zero memory means no limit; `cpu` only when given.
    pub fn create(groups: &Groups, name: &str, memory: Bytes, cpu: Option<CpuMillis>) -> io::Result<Group> {
        let dir = groups.parent.join(name);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(&dir)?,
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if groups.memory && memory.0 > 0 {
            write(&dir.join("memory.max"), &memory.0.to_string())?;
            // Swapping out would let a job outgrow its memory; all of its processes go together.
            let _ = write(&dir.join("memory.swap.max"), "0");
            let _ = write(&dir.join("memory.oom.group"), "1");
        }
        if let (true, Some(cpu)) = (groups.cpu, cpu) {
            write(&dir.join("cpu.max"), &format!("{} {CPU_PERIOD_MICROS}", cpu.0 * CPU_PERIOD_MICROS / 1_000))?;
        }
        Ok(Group { handle: File::open(&dir)?, dir, has_memory: groups.memory, has_io: groups.io })
    }

    /// The group of an attempt whose supervisor died, if it is still there.
    pub fn find(groups: &Groups, name: &str) -> Option<Group> {
        let dir = groups.parent.join(name);
        let (has_memory, has_io) = (groups.memory, groups.io);
        File::open(&dir).ok().map(|handle| Group { dir, handle, has_memory, has_io })
    }

    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    pub fn pids(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// KILL to everything inside at once; `false` where the kernel (before 5.14) cannot.
    pub fn kill(&self) -> bool {
        write(&self.dir.join("cgroup.kill"), "1").is_ok()
    }

    pub fn counted(&self) -> Counted {
        let text = |name: &str| fs::read_to_string(self.dir.join(name)).ok();
        let field = |name: &str, key: &str| -> Option<u64> {
            let text = text(name)?;
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        };
        // Kept by the kernel for every group, also without the controller.
        let cpu_micros = || field("cpu.stat", "usage_usec ").and_then(|v| i64::try_from(v).ok());
        if !self.has_memory && !self.has_io {
            return Counted { cpu_micros: cpu_micros(), ..Counted::default() };
        }
        Counted {
            cpu_micros: cpu_micros(),
            memory_peak: text("memory.peak").and_then(|t| t.trim().parse().ok()),
            disk: text("io.stat").map(|t| disk_bytes(&t)),
            out_of_memory: field("memory.events", "oom_kill ").is_some_and(|n| n > 0),
        }
    }

    /// Takes the (empty) group away.
    pub fn remove(&self) {
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Sums `rbytes=` and `wbytes=` over all devices.
fn disk_bytes(text: &str) -> (u64, u64) {
    let sum =
        |key: &str| text.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum::<u64>();
    (sum("rbytes="), sum("wbytes="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_group_is_found_in_hybrid_and_unified_layouts() {
        let hybrid = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/x\n0::/system.slice/hw.service\n";
        let found = own_group(hybrid, own);
        assert_eq!(found, Some(PathBuf::from("/sys/fs/cgroup/unified/system.slice/hw.service")));
        let inside = "41 31 0:38 /docker/abc /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup rw\n";
        assert_eq!(own_group(inside, "0::/docker/abc/hw\n"), Some(PathBuf::from("/sys/fs/cgroup/hw")));
        assert_eq!(own_group("", own), None);
    }

    #[test]
    fn disk_bytes_are_summed_over_devices() {
        let text = "254:0 rbytes=4096 wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n254:16 rbytes=4 wbytes=2 rios=0\n";
        assert_eq!(disk_bytes(text), (4_100, 3));
    }
}
