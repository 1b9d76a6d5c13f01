//! The supervisor: a small process per attempt which starts the job, watches it, ends it and writes down what became of it.
//! It outlives the server. No threads, no executor; it knows its plan and the kernel, nothing else.

mod account;
mod child;
mod course;
mod files;
pub(crate) mod tree;

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use base::{Span, Timestamp};
use model::{Exit, Outcome, Usage};
use nix::sys::signal::SigSet;

use crate::cgroup::Group;
use crate::config::EXIT_NO_START;
use crate::plan::{Claim, End, EndRequest, Ended, Plan, Started, outcome_of};
use crate::spool::{self, NOTE_MAX, Slot};
use crate::sys;

/// A clock that begins at the wall's time and then never steps, as the wall's may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    began: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { wall: wall_clock(), began: Instant::now() }
    }
    pub(crate) fn now(&self) -> Timestamp {
        self.wall + Span::from_micros(i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}

pub(crate) fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Runs one attempt to its end. `args`: what follows [`crate::SUPERVISE`]; its one word is the attempt's folder.
/// Must be called before the process has a second thread. Exit code 0: the truth stands in the folder; 1: it could not
/// even be claimed, and nothing was started.
pub fn supervise_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let (Some(dir), None) = (args.next(), args.next()) else { return ExitCode::from(2) };
    match run(Path::new(&dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(dir: &Path) -> std::io::Result<()> {
    // First of all: a session of its own, so that nothing meant for the server's terminal reaches this process, and blocked
    // signals, so that the connector may send one as soon as it sees the claim.
    let _ = nix::unistd::setsid();
    let wake = sys::block_signals();
    std::env::set_current_dir(dir)?;
    let here = Path::new(".");
    let Some(_claim) = spool::claim(here, Claim { pid: Some(std::process::id() as i32) })? else {
        return Ok(());
    };
    let bell = Bell::new(dir);
    let room = Slot::reserve(here, spool::ENDED);
    let ended = match (&room, spool::read::<Plan>(here, spool::ORDER)) {
        (Err(error), _) => not_started(format!("no room for the record of its end: {error}"), Outcome::Failed),
        (Ok(_), Ok(Some(plan))) => attend(dir, &plan, wake, &bell),
        (Ok(_), Ok(None)) => not_started("the plan is missing".into(), Outcome::Failed),
        (Ok(_), Err(error)) => not_started(format!("the plan cannot be read: {error}"), Outcome::Failed),
    };
    // A disk that refuses is waited out: as long as this process lives, nobody takes the attempt for lost.
    let write = || match &room {
        Ok(room) => room.fill(&ended),
        Err(_) => spool::replace(here, spool::ENDED, &ended),
    };
    while let Err(error) = write() {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Err(error);
        }
        sys::wait_signal(&SigSet::empty(), WRITE_AGAIN);
    }
    bell.ring();
    Ok(())
}

/// Between two tries to write down the end on a full disk.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Wakes the connector, if there is one. Nobody listening is not an error: the files are the truth.
pub(crate) struct Bell {
    socket: Option<UnixDatagram>,
    name: String,
}

impl Bell {
    fn new(dir: &Path) -> Bell {
        let socket = UnixDatagram::unbound().ok();
        if let Some(socket) = &socket {
            let _ = socket.set_nonblocking(true);
        }
        let name = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Bell { socket, name }
    }
    pub(crate) fn ring(&self) {
        if let Some(socket) = &self.socket {
            // Relative to the attempt's folder: a socket's path may have 108 bytes only.
            let _ = socket.send_to(self.name.as_bytes(), Path::new("../..").join(spool::SOCKET));
        }
    }
}

fn not_started(mut note: String, outcome: Outcome) -> Ended {
    note.truncate(note.floor_char_boundary(NOTE_MAX));
    let exit = (outcome == Outcome::Failed).then_some(EXIT_NO_START);
    let end = End::Ran { outcome, exit };
    Ended { started_at: None, at: wall_clock(), end, usage: Usage::default(), note: Some(note) }
}

/// From the plan to the end.
fn attend(dir: &Path, plan: &Plan, wake: SigSet, bell: &Bell) -> Ended {
    let here = Path::new(".");
    if let Ok(Some(request)) = spool::read::<EndRequest>(here, spool::END_REQUEST) {
        return not_started("ended before it began".into(), outcome_of(request.cause));
    }
    let failed = |note: String| not_started(note, Outcome::Failed);
    if let Err(error) = sys::become_subreaper() {
        return failed(format!("this kernel has no subreapers: {error}"));
    }
    let opened = match files::open(plan) {
        Ok(opened) => opened,
        Err(error) => return failed(error.to_string()),
    };
    let room = match Slot::reserve(here, spool::STARTED) {
        Ok(room) => room,
        Err(error) => return failed(format!("no room for the record of its start: {error}")),
    };
    // Without a group the job runs all the same: its processes are then found by ancestry.
    let cpu = plan.cores.is_empty().then_some(plan.cpu);
    let group =
        plan.groups.as_ref().and_then(|groups| Group::create(groups, &plan.attempt.to_string(), plan.memory, cpu).ok());
    let script: PathBuf = dir.join(spool::SCRIPT);
    let launch = match child::Launch::prepare(plan, &script, opened.streams) {
        Ok(launch) => launch,
        Err(_) => return failed("a zero byte in an argument, a variable or a path".into()),
    };
    let clock = Clock::start();
    let main = match launch.start(group.as_ref().map(Group::handle)) {
        Ok(main) => main,
        Err((stage, error)) => {
            if let Some(group) = &group {
                group.remove();
            }
            return failed(start_failure(stage, &error, plan));
        }
    };
    drop(launch);
    let started = Started { at: clock.now(), pid: main.as_raw() };
    // If this fails all the same, the record of the end tells the start as well.
    let _ = room.fill(&started);
    bell.ring();
    let tree = tree::Tree::new(group, main);
    course::Course::new(plan, tree, main, started.at, clock, wake, opened.outputs, bell).follow()
}

fn start_failure(stage: child::Stage, error: &std::io::Error, plan: &Plan) -> String {
    let step = match stage {
        child::Stage::Copy => "no process could be made".to_owned(),
        child::Stage::Session => "no process group could be made, or the supervisor is gone".to_owned(),
        child::Stage::Identity => "the identity of the user who runs jobs could not be taken".to_owned(),
        child::Stage::WorkDir => format!("the work folder {} cannot be entered", plan.files.work_dir),
        child::Stage::Files => "the input and output could not be attached".to_owned(),
        child::Stage::Exec => "the script could not be executed (does its first line name an interpreter?)".to_owned(),
    };
    format!("{step}: {error}")
}

/// A wait status as Slurm writes it: exit code, or the signal.
pub(crate) fn exit_of(status: nix::sys::wait::WaitStatus) -> Option<(nix::unistd::Pid, Exit)> {
    use nix::sys::wait::WaitStatus;
    match status {
        WaitStatus::Exited(pid, code) => Some((pid, Exit { code, signal: 0 })),
        WaitStatus::Signaled(pid, signal, _) => Some((pid, Exit { code: 0, signal: signal as i32 })),
        _ => None,
    }
}
