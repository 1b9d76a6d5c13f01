//! All processes of one attempt: found by control group or by ancestry, measured, signalled, killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::cgroup::{Counted, Group};
use crate::sys;

/// How long the dead are waited for. Only a process stuck in the kernel (a hanging network file system) outlives a KILL.
const UNKILLABLE: Duration = Duration::from_secs(300);
/// Between two rounds of killing where there is no group to kill at once.
const KILL_ROUND: Duration = Duration::from_millis(2);

pub struct Tree {
    group: Option<Group>,
    /// The script's process, leader of its own process group.
    main: Pid,
}

impl Tree {
    pub fn new(group: Option<Group>, main: Pid) -> Tree {
        Tree { group, main }
    }

    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// What the control group says of the whole job; nothing without one.
    pub fn counted(&self) -> Counted {
        self.group.as_ref().map(Group::counted).unwrap_or_default()
    }

    pub fn pids(&self) -> Vec<i32> {
        match &self.group {
            Some(group) => group.pids(),
            None => descendants(std::process::id() as i32),
        }
    }

    /// Sends `signal` as scancel does: to the script's own process only, or to all except it. A script that replaced itself
    /// by its program (nothing else runs) is taken as that program.
    pub fn relay(&self, signal: i32, shell_only: bool) {
        let others: Vec<i32> = self.pids().into_iter().filter(|&pid| pid != self.main.as_raw()).collect();
        if shell_only || others.is_empty() {
            send(self.main.as_raw(), signal);
        } else {
            others.into_iter().for_each(|pid| send(pid, signal));
        }
    }

    /// Sends `signal` to every process.
    pub fn signal_all(&self, signal: Signal) {
        for pid in self.pids() {
            send(pid, signal as i32);
        }
    }

    /// KILL to every process, once; what is forked meanwhile is left for the next call.
    pub fn kill_all(&self) {
        if !self.group.as_ref().is_some_and(Group::kill) {
            self.signal_all(Signal::SIGSTOP);
            self.signal_all(Signal::SIGKILL);
        }
    }

    /// Kills and reaps until nothing is left; `false` when something would not die.
    /// As subreaper this process is the ancestor of all of them, so "no child" means that none is left.
    pub fn exterminate(&self, wake: &SigSet) -> bool {
        let began = Instant::now();
        while any_children() {
            self.kill_all();
            sys::wait_signal(wake, KILL_ROUND);
            if began.elapsed() > UNKILLABLE {
                return false;
            }
        }
        true
    }

    /// Sum of resident bytes over the processes, pages shared among them counted in each: never too little.
    pub fn resident(&self) -> u64 {
        let kib = |pid: i32| -> u64 {
            let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        self.pids().into_iter().map(kib).sum::<u64>() * 1_024
    }

    /// Sum of proportional set sizes: shared pages counted once. Costs about a millisecond per GiB.
    pub fn proportional(&self) -> u64 {
        let kib = |pid: i32| -> u64 {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        self.pids().into_iter().map(kib).sum::<u64>() * 1_024
    }
}

fn send(pid: i32, signal: i32) {
    // SAFETY: plain numbers. A process that is gone already is no error; real-time signals are not in nix' enum.
    unsafe { libc::kill(pid, signal) };
}

/// Reaps what has died; whether there are children left.
fn any_children() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Every process below `root`, by parent numbers.
fn descendants(root: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // "pid (name, which may hold anything) state ppid …"
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        open.extend(children.get(&pid).into_iter().flatten().copied().filter(|&child| found.insert(child)));
    }
    found.into_iter().collect()
}

/// Kills what a dead supervisor left of a job: by its group, or else every process whose environment names the attempt.
pub fn sweep(group: Option<&Group>, marks: &[String]) {
    if let Some(group) = group {
        let began = Instant::now();
        while !group.pids().is_empty() && began.elapsed() < UNKILLABLE {
            if !group.kill() {
                group.pids().into_iter().for_each(|pid| send(pid, libc::SIGKILL));
            }
            // The dead are init's to reap; its own pace decides when the group is empty.
            sys::wait_signal(&SigSet::empty(), KILL_ROUND);
        }
        group.remove();
        return;
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let entries: Vec<&[u8]> = environment.split(|&b| b == 0).collect();
        if marks.iter().all(|mark| entries.contains(&mark.as_bytes())) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
