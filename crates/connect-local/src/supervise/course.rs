//! The life of a started job: waits for its end, holds its limits, carries out requests, and closes the account.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use base::{Span, Timestamp};
use model::{Exit, Outcome};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::account::{self, Seen};
use super::tree::Tree;
use super::{Bell, Clock, exit_of};
use crate::config::POLL_FIRST;
use crate::plan::{End, EndRequest, Ended, Plan, Relay, outcome_of};
use crate::spool::{self, NOTE_MAX};
use crate::sys;

/// A job that floods its output or eats the machine's memory is not given the full grace: it would go on in it.
const SHORT_GRACE: Span = Span::from_secs(2);
/// What a job ended for its output's size ends with: the signal the kernel has for it.
const EXIT_TOO_LARGE: Exit = Exit { code: 0, signal: libc::SIGXFSZ };

/// The end that was decided on while the job still ran.
#[derive(Clone, Debug)]
struct Stop {
    outcome: Outcome,
    note: Option<String>,
    /// Instead of what the script's process ended with.
    exit: Option<Exit>,
    kill_at: Timestamp,
}

pub struct Course<'a> {
    plan: &'a Plan,
    tree: Tree,
    main: Pid,
    started_at: Timestamp,
    clock: Clock,
    wake: SigSet,
    outputs: Vec<(String, File)>,
    bell: &'a Bell,
    seen: Seen,
    stop: Option<Stop>,
    /// The next warning, look, and note of progress.
    warn_at: Timestamp,
    limit_at: Timestamp,
    look_at: Timestamp,
    look_every: Span,
    note_at: Timestamp,
}

impl<'a> Course<'a> {
    #[allow(clippy::too_many_arguments, reason = "what a started job consists of, each of its own type")]
    pub fn new(
        plan: &'a Plan,
        tree: Tree,
        main: Pid,
        started_at: Timestamp,
        clock: Clock,
        wake: SigSet,
        outputs: Vec<(String, File)>,
        bell: &'a Bell,
    ) -> Self {
        let limit_at = started_at + plan.time_limit;
        let warn_at = plan.warning.map_or(Timestamp::MAX, |warning| limit_at - warning.before);
        Course {
            plan,
            tree,
            main,
            started_at,
            clock,
            wake,
            outputs,
            bell,
            seen: Seen::default(),
            stop: None,
            warn_at,
            limit_at,
            look_at: started_at + POLL_FIRST,
            look_every: POLL_FIRST,
            note_at: started_at + plan.watch.progress,
        }
    }

    /// Follows the job to its end and answers with the record of it. Nothing of the job lives afterwards.
    pub fn follow(mut self) -> Ended {
        // A request may have come between the first look for one and the claim's becoming visible.
        self.read_request();
        let exit = loop {
            if let Some(exit) = self.reap() {
                break exit;
            }
            self.on_time();
            match sys::wait_signal(&self.wake, self.until_next()) {
                None => {}
                Some(woken) if woken.signal == libc::SIGUSR1 => self.read_request(),
                Some(woken) if woken.signal == sys::relay_signal() => self.relayed(Relay::decode(woken.value)),
                Some(woken) if woken.signal == libc::SIGCHLD => {}
                Some(_) => {
                    self.end(Outcome::NodeFail, Some("the machine is being stopped".into()), None, SHORT_GRACE);
                }
            }
        };
        self.close(exit)
    }

    /// Takes away what has died; the script's own end, if that was among it.
    fn reap(&self) -> Option<Exit> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return None,
                Ok(status) => match exit_of(status) {
                    Some((pid, exit)) if pid == self.main => return Some(exit),
                    _ => {}
                },
                Err(Errno::EINTR) => {}
                // The script's process cannot vanish unseen; if it does, its end is unknown.
                Err(_) => return Some(Exit { code: 0, signal: libc::SIGKILL }),
            }
        }
    }

    fn until_next(&self) -> Duration {
        let kill_at = self.stop.as_ref().map_or(Timestamp::MAX, |stop| stop.kill_at);
        let next = [self.warn_at, self.limit_at, self.look_at, self.note_at, kill_at].into_iter().min();
        next.unwrap_or(Timestamp::MAX).since(self.clock.now()).to_std()
    }

    /// Does everything whose time has come.
    fn on_time(&mut self) {
        let now = self.clock.now();
        if self.stop.as_ref().is_some_and(|stop| stop.kill_at <= now) {
            self.tree.kill_all();
            // Again at the next look, for what was forked at the same moment.
            if let Some(stop) = &mut self.stop {
                stop.kill_at = now + POLL_FIRST;
            }
        }
        if self.warn_at <= now {
            self.warn_at = Timestamp::MAX;
            if let Some(warning) = self.plan.warning {
                self.tree.relay(warning.signal, warning.shell_only);
            }
        }
        if self.limit_at <= now {
            self.limit_at = Timestamp::MAX;
            self.end(Outcome::Timeout, None, None, self.plan.watch.kill_grace);
        }
        if self.look_at <= now {
            self.look();
            self.look_every = (self.look_every + self.look_every).min(self.plan.watch.poll);
            self.look_at = self.clock.now() + self.look_every;
        }
        if self.note_at <= now {
            let usage = account::so_far(&self.tree, &self.seen);
            let _ = spool::replace(Path::new("."), spool::PROGRESS, &usage);
            self.bell.ring();
            self.note_at = now + self.plan.watch.progress;
        }
    }

    /// One look at memory and output.
    fn look(&mut self) {
        let limit = self.plan.memory;
        let size = self.seen.look(&self.tree, limit);
        if limit.0 > 0 && size > limit.0 / 2 {
            self.look_every = POLL_FIRST;
        }
        if limit.0 > 0 && size > limit.0 {
            let note = format!("used {size} bytes of memory, and {} were granted", limit.0);
            self.end(Outcome::OutOfMemory, Some(note), None, Span::ZERO);
        }
        let mut fault = None;
        for (path, file) in &self.outputs {
            let size = file.metadata().map_or(0, |m| m.len());
            if size > self.plan.watch.output_max.0 {
                fault = Some(format!("{path} has grown over {} bytes", self.plan.watch.output_max.0));
            }
            let free = sys::free_space(file.as_fd()).unwrap_or(u64::MAX);
            if free < self.plan.watch.disk_reserve.0 {
                fault = Some(format!("the file system of {path} has only {free} bytes left"));
            }
        }
        if let Some(note) = fault {
            self.end(Outcome::Failed, Some(note), Some(EXIT_TOO_LARGE), SHORT_GRACE.min(self.plan.watch.kill_grace));
        }
    }

    fn relayed(&mut self, relay: Relay) {
        match relay {
            Relay::Signal { signal, shell_only } => self.tree.relay(signal, shell_only),
            Relay::End(request) => self.end(outcome_of(request.cause), None, None, request.grace),
        }
    }

    fn read_request(&mut self) {
        if let Ok(Some(request)) = spool::read::<EndRequest>(Path::new("."), spool::END_REQUEST) {
            self.end(outcome_of(request.cause), None, None, request.grace);
        }
    }

    /// TERM now, KILL after the grace. The first cause stays; a later one may only bring the KILL forward.
    fn end(&mut self, outcome: Outcome, note: Option<String>, exit: Option<Exit>, grace: Span) {
        let kill_at = self.clock.now() + grace;
        match &mut self.stop {
            Some(stop) => stop.kill_at = stop.kill_at.min(kill_at),
            None => {
                self.stop = Some(Stop { outcome, note, exit, kill_at });
                if grace > Span::ZERO {
                    self.tree.signal_all(Signal::SIGTERM);
                    // A stopped process takes its TERM only when it goes on.
                    self.tree.signal_all(Signal::SIGCONT);
                }
            }
        }
    }

    /// After the script's end: whatever it left running is killed, and the usage is final.
    fn close(self, exit: Exit) -> Ended {
        let contained = self.tree.exterminate(&self.wake);
        let counted = self.tree.counted();
        let usage = account::at_end(&counted, &self.seen);
        let succeeded = exit == Exit::default();
        let (outcome, exit, mut note) = match self.stop {
            Some(stop) => (stop.outcome, stop.exit.unwrap_or(exit), stop.note),
            None if counted.out_of_memory && !succeeded => {
                (Outcome::OutOfMemory, exit, Some("the kernel ended it at its memory limit".to_owned()))
            }
            None if succeeded => (Outcome::Completed, exit, None),
            None => (Outcome::Failed, exit, None),
        };
        if !contained {
            note = Some(format!("some of its processes could not be killed; {}", note.unwrap_or_default()));
        }
        if let Some(group) = self.tree.group() {
            group.remove();
        }
        if let Some(note) = &mut note {
            note.truncate(note.floor_char_boundary(NOTE_MAX));
        }
        let end = End::Ran { outcome, exit: Some(exit) };
        Ended { started_at: Some(self.started_at), at: self.clock.now(), end, usage, note }
    }
}
