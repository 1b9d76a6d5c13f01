//! The few system calls for which no safe wrapper exists, each behind one small function.
//! Everything unsafe of this crate is in this file and in `supervise/child.rs`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A handle on a process which stays its own even when the number is used again.
pub fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers go in, and the kernel gives a new descriptor that nobody else owns.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: as above; descriptors fit c_int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal through a pidfd; with `value` as `sigqueue` would.
pub fn pidfd_signal(process: BorrowedFd<'_>, signal: i32, value: Option<i32>) -> io::Result<()> {
    let info = value.map(|value| {
        // SAFETY: siginfo_t is plain data for which zero is valid; the fields below are those of the kernel's
        // `_rt` member: pid and uid at 16 and 20, the value at 24 (64-bit layout of the generic ABI).
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            info.si_signo = signal;
            info.si_code = libc::SI_QUEUE;
            let raw = (&raw mut info).cast::<i32>();
            raw.add(4).write(libc::getpid());
            raw.add(5).write(libc::getuid() as i32);
            raw.add(6).write(value);
            info
        }
    });
    let pointer = info.as_ref().map_or(std::ptr::null(), |info| info as *const libc::siginfo_t);
    // SAFETY: `pointer` is null or points to a siginfo_t that lives until after the call.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, pointer, 0) }).map(drop)
}

/// What a waiting supervisor was woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    pub signal: i32,
    /// The value that came with a queued signal.
    pub value: i32,
}

/// Waits for one of the (blocked) signals of `set`; `None` when `timeout` passed first.
pub fn wait_signal(set: &SigSet, timeout: Duration) -> Option<Woken> {
    let timeout = libc::timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: all three pointers are to live values of the right type; zero is a valid siginfo_t.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let signal = libc::sigtimedwait(set.as_ref(), &mut info, &timeout);
        (signal > 0).then(|| Woken { signal, value: (&raw const info).cast::<i32>().add(6).read() })
    }
}

/// The real-time signal that carries a job's signal from the connector to the supervisor.
pub fn relay_signal() -> i32 {
    libc::SIGRTMIN()
}

/// Blocks what the supervisor waits for. Returns the set, and the mask there was before.
pub fn block_signals() -> SigSet {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    // SAFETY: SigSet is a transparent sigset_t; adding a valid real-time signal keeps it valid.
    let set = unsafe {
        let mut raw = *set.as_ref();
        libc::sigaddset(&mut raw, relay_signal());
        SigSet::from_sigset_t_unchecked(raw)
    };
    // Fails for an invalid `how` only.
    let _ = set.thread_block();
    set
}

/// Orphans of this process' tree become its children rather than init's.
pub fn become_subreaper() -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }.into()).map(drop)
}

/// Takes over, for file access of the calling thread only, the identity of a user. Irrevocable for supplementary groups.
///
/// # Errors
/// When the kernel did not take one of the three: nothing may then be opened on behalf of the user.
pub fn assume_file_identity(uid: Uid, gid: Gid, groups: &[u32]) -> io::Result<()> {
    set_thread_groups(groups)?;
    set_file_ids(uid, gid)
}

/// Only this thread's supplementary groups: the system call, as glibc's function would change every thread.
pub fn set_thread_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and length describe a live slice of gid_t (u32).
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// The owner used for file access by this thread, group first.
pub fn set_file_ids(uid: Uid, gid: Gid) -> io::Result<()> {
    // SAFETY: plain numbers. The calls never fail visibly: asking again with an impossible id tells what holds.
    unsafe {
        if uid.is_root() {
            // Back to root: the owner first, or the group could not be changed any more.
            libc::setfsuid(0);
        }
        libc::setfsgid(gid.as_raw());
        libc::setfsuid(uid.as_raw());
        let holds = libc::setfsgid(u32::MAX) as u32 == gid.as_raw() && libc::setfsuid(u32::MAX) as u32 == uid.as_raw();
        if holds { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
    }
}

/// CPU time in microseconds and largest resident size in bytes of all children waited for, and theirs.
pub fn children_usage() -> (i64, u64) {
    // SAFETY: getrusage fills a struct of ours; zero is valid for it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let micros = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
    // ru_maxrss is in KiB on Linux.
    (micros(usage.ru_utime) + micros(usage.ru_stime), usage.ru_maxrss.max(0) as u64 * 1_024)
}

/// Cores this process may run on, in ascending order.
pub fn own_cores() -> Vec<u32> {
    // SAFETY: the size given is that of the set; CPU_ISSET reads inside it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize).filter(|&n| libc::CPU_ISSET(n, &set)).map(|n| n as u32).collect()
    }
}

/// Bytes an ordinary user may still write to the file system of an open file.
pub fn free_space(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let stat = nix::sys::statvfs::fstatvfs(fd)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// A path or word for the kernel.
///
/// # Errors
/// `InvalidInput` when it contains a zero byte.
pub fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Creates `name` as a second name of `existing`; exactly one of several callers succeeds.
pub fn link_exclusively(existing: &Path, name: &Path) -> io::Result<bool> {
    match std::fs::hard_link(existing, name) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes an ended child's remains away; not an error when it is no child of ours.
pub fn reap(pid: Pid) {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive | _) | Err(_) => {}
    }
}
