//! One thread that turns what stands in the spool into observations. Wake-ups (a datagram, a supervisor's exit, a request of
//! ours) only say where to look; every few seconds it looks everywhere. All observations leave through it, so their order
//! is that of the course of each attempt.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base::{AttemptId, Span, Timestamp};
use model::{Observation, Observed, Outcome, Usage};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::Pid;

use crate::cgroup::Group;
use crate::cluster::Inner;
use crate::config::RESCAN;
use crate::plan::{Claim, End, Ended, Plan, Started};
use crate::spool::{self, Runner};
use crate::state::Watched;
use crate::supervise::{tree, wall_clock};
use crate::sys;

const BELL: u64 = 0;
const SOCKET: u64 = 1;
/// Events taken from the kernel at once.
const EVENTS: usize = 64;
/// Longest datagram: an attempt's name has 36 bytes and up to 11 of its number.
const NAME_MAX: usize = 64;

/// How the watcher is woken.
#[derive(Debug)]
pub struct Waker {
    epoll: Epoll,
    bell: EventFd,
    socket: UnixDatagram,
}

impl Waker {
    /// Binds the socket afresh: the last server to open the spool hears the supervisors.
    pub fn bind(home: &std::path::Path) -> io::Result<Waker> {
        use std::os::unix::fs::PermissionsExt;
        let path = home.join(spool::SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Through a descriptor, as a socket's path may have 108 bytes only.
        let dir = std::fs::File::open(home)?;
        let short = format!("/proc/self/fd/{}/{}", std::os::fd::AsRawFd::as_raw_fd(&dir), spool::SOCKET);
        let socket = UnixDatagram::bind(short)?;
        socket.set_nonblocking(true)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, SOCKET))?;
        Ok(Waker { epoll, bell, socket })
    }

    pub fn ring(&self) {
        let _ = self.bell.write(1);
    }

    fn add(&self, process: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        Ok(self.epoll.add(process, EpollEvent::new(EpollFlags::EPOLLIN, number))?)
    }
}

impl Inner {
    /// Asks to be woken when a supervisor exits.
    pub fn watch(&self, attempt: AttemptId, pid: Pid) {
        let Ok(process) = sys::pidfd_open(pid) else {
            self.look_at(attempt);
            return;
        };
        let mut state = self.state();
        let number = state.next_watch;
        state.next_watch += 1;
        if self.waker.add(process.as_fd(), number).is_ok() {
            state.watched.insert(number, Watched { attempt, pid, process });
            if let Some(known) = state.attempts.get_mut(&attempt) {
                known.watchers += 1;
            }
        }
    }

    /// Has the watcher look at an attempt soon.
    pub fn look_at(&self, attempt: AttemptId) {
        self.state().due.insert(attempt);
        self.waker.ring();
    }

    fn tell(&self, what: Observed) {
        // Nobody listening any more: the platform is going down, and will ask again when it is up.
        let _ = self.observations.blocking_send(Observation { cluster: self.config.cluster, what });
    }
}

/// The watcher's life. Ends when the cluster is dropped.
pub fn run(inner: Arc<Inner>) {
    let rescan = RESCAN.to_std();
    let mut last_scan = Instant::now();
    while !inner.stopping.load(Ordering::Acquire) {
        let (rung, exited) = wait(&inner, rescan.saturating_sub(last_scan.elapsed()));
        let everything = last_scan.elapsed() >= rescan;
        let (mut due, outbox) = {
            let mut state = inner.state();
            let mut due = std::mem::take(&mut state.due);
            if everything {
                last_scan = Instant::now();
                due.extend(state.attempts.iter().filter(|(_, k)| !k.ended).map(|(id, _)| *id));
            }
            due.extend(rung);
            (due, std::mem::take(&mut state.outbox))
        };
        outbox.into_iter().for_each(|what| inner.tell(what));
        for attempt in &exited {
            due.insert(*attempt);
        }
        for attempt in due {
            let why = match () {
                () if exited.contains(&attempt) => Why::SupervisorExited,
                () if everything => Why::Rescan,
                () => Why::Rung,
            };
            if let Err(error) = look(&inner, attempt, why)
                // Forgotten while it was being looked at: there is nothing to read any more.
                && inner.state().attempts.contains_key(&attempt)
            {
                tracing::warn!(%attempt, %error, "cannot read the state of an attempt; will look again");
            }
        }
    }
}

/// Waits for something to look at: attempts that rang, and attempts whose supervisor has exited.
fn wait(inner: &Inner, timeout: Duration) -> (Vec<AttemptId>, Vec<AttemptId>) {
    let mut events = [EpollEvent::empty(); EVENTS];
    let millis = u16::try_from(timeout.as_millis()).unwrap_or(u16::MAX);
    let count = inner.waker.epoll.wait(&mut events, EpollTimeout::from(millis)).unwrap_or(0);
    let (mut rung, mut exited) = (Vec::new(), Vec::new());
    for event in &events[..count] {
        match event.data() {
            BELL => drop(inner.waker.bell.read()),
            SOCKET => {
                let mut name = [0; NAME_MAX];
                // Bounded, so that a flood of datagrams cannot hold the watcher.
                for _ in 0..EVENTS {
                    let Ok(length) = inner.waker.socket.recv(&mut name) else { break };
                    rung.extend(std::str::from_utf8(&name[..length]).ok().and_then(|n| n.parse::<AttemptId>().ok()));
                }
            }
            number => {
                let mut state = inner.state();
                if let Some(Watched { attempt, pid, .. }) = state.watched.remove(&number) {
                    exited.push(attempt);
                    sys::reap(pid);
                    if let Some(known) = state.attempts.get_mut(&attempt) {
                        known.watchers = known.watchers.saturating_sub(1);
                    }
                }
            }
        }
    }
    (rung, exited)
}

/// What made the watcher look at an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Rung,
    Rescan,
    SupervisorExited,
}

/// Tells what is new about one attempt, and finds out about its supervisor when there is doubt that it lives.
fn look(inner: &Inner, attempt: AttemptId, why: Why) -> io::Result<()> {
    let Some(told_started) = inner.state().attempts.get(&attempt).map(|known| known.told_started) else {
        return Ok(());
    };
    let dir = inner.spool.dir(attempt);
    let mut ended = spool::read::<Ended>(&dir, spool::ENDED)?;
    if ended.is_none() && why != Why::Rung {
        ended = settle(inner, attempt, why)?;
    }
    if !told_started {
        let written = spool::read::<Started>(&dir, spool::STARTED)?;
        // On a full disk the start may stand in the record of the end only.
        let implied = ended.as_ref().and_then(|ended| ended.started_at).map(|at| Started { at, pid: 0 });
        if let Some(started) = written.or(implied) {
            tell_started(inner, attempt, started)?;
        }
    }
    match ended {
        Some(ended) => tell_ended(inner, attempt, ended),
        None if told_started => tell_progress(inner, attempt)?,
        None => {}
    }
    Ok(())
}

/// Finds out what became of an attempt without an end: adopts its living supervisor, or writes its end.
fn settle(inner: &Inner, attempt: AttemptId, why: Why) -> io::Result<Option<Ended>> {
    let dir = inner.spool.dir(attempt);
    let watchers = inner.state().attempts.get(&attempt).map_or(0, |known| known.watchers);
    match spool::runner(&dir)? {
        Runner::Alive(pid) => {
            if watchers == 0 {
                inner.watch(attempt, Pid::from_raw(pid));
                // If it died in between, its number may be another's by now: then its claim is free.
                if spool::runner(&dir)? == Runner::Dead {
                    inner.look_at(attempt);
                }
            }
            return Ok(None);
        }
        Runner::Nobody => {
            // Only a supervisor's own exit proves that it could not begin; one may be on its way, and even now win the claim.
            if why == Why::Rescan || watchers > 0 || spool::claim(&dir, Claim { pid: None })?.is_none() {
                return Ok(None);
            }
            let note = "its supervisor could not begin".to_owned();
            spool::write_first(&dir, spool::ENDED, &never_ran(End::NoSupervisor, &note))?;
        }
        Runner::Dead => {
            // It may have written the end as its last act.
            if spool::read::<Ended>(&dir, spool::ENDED)?.is_none() {
                sweep_after(inner, attempt)?;
            }
        }
    }
    spool::read(&dir, spool::ENDED)
}

/// An end without a beginning.
pub fn never_ran(end: End, note: &str) -> Ended {
    Ended { started_at: None, at: wall_clock(), end, usage: Usage::default(), note: Some(note.to_owned()) }
}

/// Kills what a dead supervisor left and writes the end of its attempt.
fn sweep_after(inner: &Inner, attempt: AttemptId) -> io::Result<()> {
    let dir = inner.spool.dir(attempt);
    let plan = spool::read::<Plan>(&dir, spool::ORDER)?;
    let group = plan.and_then(|p| p.groups).and_then(|groups| Group::find(&groups, &attempt.to_string()));
    let counted = group.as_ref().map(Group::counted).unwrap_or_default();
    tree::sweep(group.as_ref(), &[format!("HW_JOB={}", attempt.job), format!("HW_ATTEMPT={}", attempt.number)]);
    let started = spool::read::<Started>(&dir, spool::STARTED)?;
    let mut usage = spool::read::<Usage>(&dir, spool::PROGRESS)?.unwrap_or_default();
    if let Some(micros) = counted.cpu_micros {
        usage.cpu_time = base::Span::from_micros(micros);
    }
    let ended = Ended {
        started_at: started.map(|s| s.at),
        at: started.map_or(wall_clock(), |s| end_without_witness(&dir, s.at, inner.config.watch.progress)),
        end: End::Ran { outcome: Outcome::NodeFail, exit: None },
        usage,
        note: Some("its supervisor died without writing an end: killed, or the machine stopped".to_owned()),
    };
    spool::write_first(&dir, spool::ENDED, &ended).map(drop)
}

/// When an attempt ended that nobody saw end: now, but no later than its supervisor would have left its next note. A
/// machine that was off for a night is not billed for it.
fn end_without_witness(dir: &Path, started: Timestamp, between_notes: Span) -> Timestamp {
    let noted = std::fs::metadata(dir.join(spool::PROGRESS)).and_then(|m| m.modified()).ok();
    let noted = noted.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let noted = noted.map_or(started, |d| Timestamp::from_micros(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)));
    let last_sign = started.max(noted);
    wall_clock().min(last_sign + between_notes).max(last_sign)
}

fn tell_started(inner: &Inner, attempt: AttemptId, started: Started) -> io::Result<()> {
    let plan = spool::read::<Plan>(&inner.spool.dir(attempt), spool::ORDER)?;
    if let Some(known) = inner.state().attempts.get_mut(&attempt) {
        known.told_started = true;
    }
    let nodes = plan.map(|p| p.nodes.into_iter().map(Into::into).collect()).unwrap_or_default();
    let external = (started.pid > 0).then(|| started.pid.to_string().into());
    inner.tell(Observed::Started { attempt, at: started.at, nodes, external });
    Ok(())
}

fn tell_ended(inner: &Inner, attempt: AttemptId, ended: Ended) {
    let (forget, told) = {
        let mut state = inner.state();
        state.layout.release(attempt);
        let Some(known) = state.attempts.get_mut(&attempt) else { return };
        known.ended = true;
        // At once: whoever asks to be told again meanwhile is told by this look or by the next.
        let told = std::mem::replace(&mut known.told_ended, true);
        (known.forget_at_end, told)
    };
    if forget {
        inner.state().forget(attempt);
        if let Err(error) = inner.spool.remove(attempt) {
            tracing::warn!(%attempt, %error, "cannot take an attempt away; the next start does");
        }
        return;
    }
    if told {
        return;
    }
    let note = ended.note.map(Into::into);
    inner.tell(match ended.end {
        End::Ran { outcome, exit } => Observed::Ended {
            attempt,
            started_at: ended.started_at,
            at: ended.at,
            outcome,
            exit,
            usage: ended.usage,
            note,
        },
        End::NeverClaimed => Observed::Gone { attempt, note },
        End::NoSupervisor => {
            Observed::Refused { attempt, text: "the machine could not start the job".into(), note, permanent: false }
        }
    });
}

fn tell_progress(inner: &Inner, attempt: AttemptId) -> io::Result<()> {
    let Some(usage) = spool::read::<Usage>(&inner.spool.dir(attempt), spool::PROGRESS)? else { return Ok(()) };
    let is_news = inner.state().attempts.get_mut(&attempt).is_some_and(|known| {
        let is_news = known.progress != usage;
        known.progress = usage;
        is_news
    });
    if is_news {
        inner.tell(Observed::Progress { attempt, usage });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_nobody_saw_is_not_later_than_the_next_note_would_have_been() {
        let folder = tempfile::tempdir().unwrap();
        let between = Span::from_secs(15);
        // A job of yesterday that left no note: its machine was off since.
        let yesterday = wall_clock() - Span::from_hours(24);
        assert_eq!(end_without_witness(folder.path(), yesterday, between), yesterday + between);
        // It left one just now: it ended just now.
        std::fs::write(folder.path().join(spool::PROGRESS), "{}").unwrap();
        let end = end_without_witness(folder.path(), yesterday, between);
        assert!(end > wall_clock() - between && end <= wall_clock());
    }
}
