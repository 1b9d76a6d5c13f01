//! Turns a copy of the supervisor into the job: identity, limits, files, then the script's own interpreter.
//! Between the copy and the `exec` only system calls on prepared values are made.

use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::unistd::Pid;

use crate::plan::Plan;
use crate::sys;

/// Extra eagerness of the kernel to end a job rather than the platform when the machine itself runs out of memory.
const OOM_SCORE: &[u8] = b"500";
/// A fork elsewhere may hold the script open for writing until its own `exec`, microseconds later: tries of 1 ms each.
const TEXT_BUSY_TRIES: u32 = 1_000;

/// From linux/sched.h; libc's own constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// The step that failed on the way to the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Stage {
    Copy = 0,
    Session = 1,
    Identity = 2,
    WorkDir = 3,
    Files = 4,
    Exec = 5,
}

impl Stage {
    fn of(number: i32) -> Stage {
        [Self::Copy, Self::Session, Self::Identity, Self::WorkDir, Self::Files, Self::Exec]
            .into_iter()
            .find(|s| *s as i32 == number)
            .unwrap_or(Self::Exec)
    }
}

/// Everything the copy needs, made beforehand.
pub struct Launch {
    script: CString,
    args: Vec<CString>,
    environment: Vec<CString>,
    work_dir: CString,
    cores: Option<libc::cpu_set_t>,
    run_as: Option<(libc::uid_t, libc::gid_t, Vec<libc::gid_t>)>,
    /// Standard input, output and error.
    pub streams: [OwnedFd; 3],
}

impl Launch {
    /// # Errors
    /// A zero byte in an argument, a variable or a path.
    pub fn prepare(plan: &Plan, script: &Path, streams: [OwnedFd; 3]) -> io::Result<Launch> {
        use std::os::unix::ffi::OsStrExt;
        let script = sys::c_string(script.as_os_str().as_bytes())?;
        let mut args = vec![script.clone()];
        for arg in &plan.args {
            args.push(sys::c_string(arg.as_bytes())?);
        }
        let environment =
            plan.environment.iter().map(|(name, value)| sys::c_string(format!("{name}={value}").as_bytes()));
        let cores = (!plan.cores.is_empty()).then(|| {
            // SAFETY: zero is the empty set; CPU_SET ignores numbers beyond its size.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                for &core in plan.cores.iter().filter(|&&core| (core as i32) < libc::CPU_SETSIZE) {
                    libc::CPU_SET(core as usize, &mut set);
                }
                set
            }
        });
        Ok(Launch {
            environment: environment.collect::<io::Result<_>>()?,
            work_dir: sys::c_string(plan.files.work_dir.as_bytes())?,
            run_as: plan.run_as.as_ref().map(|u| (u.uid, u.gid, u.groups.clone())),
            script,
            args,
            cores,
            streams,
        })
    }

    /// Starts the job, inside `group` from its first instruction. Returns once its interpreter runs, or with the step and
    /// the error that prevented it.
    pub fn start(&self, group: Option<BorrowedFd<'_>>) -> Result<Pid, (Stage, io::Error)> {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| (Stage::Copy, e.into()))?;
        let pointers = |all: &[CString]| -> Vec<*const libc::c_char> {
            all.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (args, environment) = (pointers(&self.args), pointers(&self.environment));
        let parent = nix::unistd::getpid();
        // SAFETY: this process has one thread, so its copy may do what it likes; `become_job` never returns.
        let pid = unsafe {
            match copy_self(group).map_err(|e| (Stage::Copy, e))? {
                0 => self.become_job(write.as_raw_fd(), parent.as_raw(), &args, &environment),
                pid => pid,
            }
        };
        drop(write);
        let mut report = Vec::new();
        std::fs::File::from(read).read_to_end(&mut report).map_err(|e| (Stage::Copy, e))?;
        match report.first_chunk::<8>() {
            None => Ok(Pid::from_raw(pid)),
            Some(bytes) => {
                // Until it is reaped, its group is not empty.
                let _ = nix::sys::wait::waitpid(Pid::from_raw(pid), None);
                let word = |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
                Err((Stage::of(word(0)), io::Error::from_raw_os_error(word(4))))
            }
        }
    }

    /// # Safety
    /// Only in a fresh copy of a process with one thread. `args` and `environment` end with null and point to live strings.
    unsafe fn become_job(
        &self,
        report: RawFd,
        parent: libc::pid_t,
        args: &[*const libc::c_char],
        environment: &[*const libc::c_char],
    ) -> ! {
        // SAFETY: system calls on values that live until `exec` or `_exit`.
        let stage = unsafe {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            // The Rust runtime ignores SIGPIPE, and a job wants it as ever.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if score >= 0 {
                libc::write(score, OOM_SCORE.as_ptr().cast(), OOM_SCORE.len());
            }
            let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &no_core);
            if let Some(cores) = &self.cores {
                // A core that went offline meanwhile is no reason to refuse the job.
                libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cores);
            }
            libc::umask(0o022);
            match () {
                // A group of its own, in the supervisor's session: a session of its own would cost the job its turn on a busy
                // machine (the scheduler shares by session), 4 ms for nothing.
                () if libc::setpgid(0, 0) < 0 => Stage::Session,
                () if !self.drop_privileges() => Stage::Identity,
                // Dying with the supervisor is asked for after the change of identity, which clears it; a supervisor that
                // died before is noticed by the change of parent.
                () if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0 || libc::getppid() != parent => {
                    Stage::Session
                }
                () if libc::chdir(self.work_dir.as_ptr()) < 0 => Stage::WorkDir,
                () if (0..3).any(|n| libc::dup2(self.streams[n].as_raw_fd(), n as RawFd) < 0) => Stage::Files,
                () => {
                    let mut tries = 0;
                    loop {
                        libc::execve(self.script.as_ptr(), args.as_ptr(), environment.as_ptr());
                        tries += 1;
                        if *libc::__errno_location() != libc::ETXTBSY || tries > TEXT_BUSY_TRIES {
                            break Stage::Exec;
                        }
                        libc::usleep(1_000);
                    }
                }
            }
        };
        // SAFETY: as above.
        unsafe {
            let mut bytes = [0u8; 8];
            bytes[..4].copy_from_slice(&(stage as i32).to_ne_bytes());
            bytes[4..].copy_from_slice(&(*libc::__errno_location()).to_ne_bytes());
            libc::write(report, bytes.as_ptr().cast(), bytes.len());
            libc::_exit(127)
        }
    }

    /// # Safety
    /// As [`Self::become_job`].
    unsafe fn drop_privileges(&self) -> bool {
        // SAFETY: plain numbers and a live slice.
        unsafe {
            if let Some((uid, gid, groups)) = &self.run_as {
                let dropped = libc::setgroups(groups.len(), groups.as_ptr()) == 0
                    && libc::setresgid(*gid, *gid, *gid) == 0
                    && libc::setresuid(*uid, *uid, *uid) == 0;
                if !dropped {
                    return false;
                }
            }
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        }
    }
}

/// Forks; the copy begins its life inside `group`. Where the kernel cannot (before 5.7) it is moved there by its number
/// before it has done anything.
///
/// # Safety
/// As `fork`: the process must have one thread.
unsafe fn copy_self(group: Option<BorrowedFd<'_>>) -> io::Result<libc::pid_t> {
    // SAFETY: a zeroed clone_args with these two fields is a plain fork into a group.
    unsafe {
        let mut args: libc::clone_args = std::mem::zeroed();
        args.exit_signal = libc::SIGCHLD as u64;
        if let Some(group) = group {
            args.flags = CLONE_INTO_CGROUP;
            args.cgroup = group.as_raw_fd() as u64;
        }
        let pid = libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>());
        if pid >= 0 {
            return Ok(pid as libc::pid_t);
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::E2BIG)) {
            return Err(error);
        }
        let pid = libc::fork();
        if pid == 0
            && let Some(group) = group
        {
            let procs = libc::openat(group.as_raw_fd(), c"cgroup.procs".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if procs < 0 || libc::write(procs, b"0".as_ptr().cast(), 1) != 1 {
                libc::_exit(126);
            }
            drop(OwnedFd::from_raw_fd(procs));
        }
        if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
    }
}
