//! The facts of an end, wherever it was found: accounting, the controller's record, the evidence beside the fence, or nowhere.

use base::{Bytes, Span};
use model::Usage;

use crate::carrier::{AccountedRun, AccountingKind, JobNumber, QueuedJob, SlurmState};
use crate::evidence::Evidence;
use crate::states::{self, EXIT_NO_START};

/// Two remarks as one.
pub fn join(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}; {second}")),
        (first, second) => first.or(second),
    }
}

/// A slurmd that cannot launch a job has it cancelled by number: within a second, or as long as a message may take
/// (`MessageTimeout`, 10 s by default) where it is slow or its controller is away. A job without a line of its own ran nothing in
/// that time; and a controller that comes back set to an older state has given the number to another job by then.
const REFUSAL_SECS: i64 = 15;

/// An end, wherever it was found. Times are the cluster's, seconds.
#[derive(Clone, Debug)]
pub struct Facts {
    pub state: SlurmState,
    pub exit: (i32, i32),
    /// Whether the exit is as accounting shows it, which cuts codes above 128 down.
    pub exit_is_accounted: bool,
    pub reason: Option<String>,
    pub submitted: Option<i64>,
    pub start: Option<i64>,
    /// `None`: not known; now.
    pub end: Option<i64>,
    pub suspended_seconds: i64,
    pub nodes: Vec<String>,
    pub usage: Usage,
    pub note: Option<String>,
}

impl Facts {
    pub fn accounted(run: &AccountedRun, record: Option<&QueuedJob>) -> Facts {
        let exit = record.and_then(|record| record.exit);
        Facts {
            state: run.state.clone(),
            exit: exit.unwrap_or(run.exit),
            exit_is_accounted: exit.is_none(),
            reason: record.and_then(|record| record.reason.clone()),
            submitted: Some(run.submitted).filter(|&at| at > 0),
            start: run.start.filter(|_| !run.nodes.is_empty()),
            end: run.end,
            suspended_seconds: run.suspended_seconds,
            nodes: run.nodes.clone(),
            usage: Usage {
                cpu_time: Span::from_micros(run.cpu_micros),
                memory_peak: Bytes(run.memory_peak),
                read: Bytes(run.read),
                written: Bytes(run.written),
            },
            note: None,
        }
    }

    pub fn of_record(record: &QueuedJob, accounting: AccountingKind) -> Option<Facts> {
        let note = match accounting {
            AccountingKind::Controller => "no accounting here: start and end are the controller's",
            _ => "accounting has not shown its end: start and end are the controller's",
        };
        Some(Facts {
            state: record.state.clone(),
            exit: record.exit.unwrap_or_default(),
            exit_is_accounted: false,
            reason: record.reason.clone(),
            submitted: Some(record.submitted).filter(|&at| at > 0),
            start: record.start.filter(|_| !record.nodes.is_empty()),
            end: Some(record.end?),
            suspended_seconds: record.suspended_seconds,
            nodes: record.nodes.clone(),
            usage: Usage::default(),
            note: Some(note.to_owned()),
        })
    }

    /// Its own last line. A script that never ran has none. `shown` is the start that Slurm has shown of it: its own first line is
    /// a little later.
    pub fn of_evidence(evidence: &Evidence, shown: Option<i64>) -> Option<Facts> {
        let ended = evidence.ended.as_ref()?;
        let exit = ended.exit.unwrap_or(EXIT_NO_START);
        let mut note =
            "no record of it in the queue or in accounting: start and end are those in its folder".to_owned();
        if !ended.words.is_empty() {
            note = format!("{note}; {}", ended.words);
        }
        let ok = exit == model::Exit::default();
        Some(Facts {
            state: if ok { SlurmState::Completed } else { SlurmState::Failed },
            exit: (exit.code, exit.signal),
            exit_is_accounted: false,
            reason: None,
            submitted: None,
            start: own_start(evidence, shown),
            end: Some(ended.at.as_secs()),
            suspended_seconds: 0,
            nodes: evidence.started.iter().map(|started| started.host.clone()).collect(),
            usage: Usage::default(),
            note: Some(note),
        })
    }

    /// Its launch failed, and its job is held at the cluster.
    pub fn unlaunched() -> Facts {
        let note = "its launch failed, and Slurm holds it in its queue since";
        Facts { note: Some(note.to_owned()), ..Facts::vanished(None, None, None) }
    }

    /// It ran, and no place says how it ended.
    pub fn vanished(start: Option<i64>, seen: Option<i64>, run: Option<&AccountedRun>) -> Facts {
        Facts {
            state: SlurmState::NodeFail,
            exit: (0, 0),
            exit_is_accounted: false,
            reason: None,
            submitted: None,
            start,
            end: seen.max(start),
            suspended_seconds: 0,
            nodes: run.map(|run| run.nodes.clone()).unwrap_or_default(),
            usage: Usage::default(),
            note: Some("the cluster has lost it while it ran: its end is when it was last seen".to_owned()),
        }
    }

    /// Accounting shows 137 as 9: the wrapper's own line knows better.
    pub fn needs_code(&self) -> bool {
        self.exit_is_accounted && self.state == SlurmState::Failed && self.exit.0 > 0
    }

    /// Ends of which the wrapper's own marks know more than Slurm: a node that is given up may have finished its work, and a
    /// cancel of what had begun may be that of a launch after its end ([`Facts::is_echo`]), or within [`REFUSAL_SECS`] of the start
    /// a launch that slurmd refused. So may one of a job that Slurm shows as never started although it was seen running
    /// (`was_seen`): slurmd cancels a job whose launch a controller that was set back to an older state does not confirm. A failure
    /// in that time may be one of the launch as well.
    pub fn is_doubtful(&self, was_seen: bool) -> bool {
        let is_cancel = self.state == SlurmState::Cancelled && (was_seen || self.start.is_some());
        self.state == SlurmState::NodeFail || is_cancel || self.is_stray_cancel() || self.is_odd_failure()
    }

    /// Ended with an exit of the wrapper's own.
    pub fn is_wrappers(&self) -> bool {
        self.state == SlurmState::Failed && states::is_wrappers(self.exit.0)
    }

    fn is_brief(&self, start: i64) -> bool {
        self.end.is_some_and(|end| end - start <= REFUSAL_SECS)
    }

    /// Cancelled within [`REFUSAL_SECS`] of its arrival: that may be meant for another job which had its number.
    fn is_stray_cancel(&self) -> bool {
        let age = self.end.zip(self.submitted).map(|(end, submitted)| end - submitted);
        self.state == SlurmState::Cancelled && age.is_some_and(|age| age <= REFUSAL_SECS)
    }

    fn is_odd_cancel(&self) -> bool {
        self.state == SlurmState::Cancelled && self.start.is_none_or(|start| self.is_brief(start))
    }

    /// A slurmd that was started again tidies away the scripts of launches it does not know of: what it then fails with is the
    /// number of the system's error, and not the script's exit.
    fn is_odd_failure(&self) -> bool {
        let (code, signal) = self.exit;
        let is_exit = code > 0 && signal == 0 && !states::is_wrappers(code);
        self.state == SlurmState::Failed && is_exit && self.start.is_some_and(|start| self.is_brief(start))
    }

    /// The job that this is about had ended before this start, or without one: a controller that was set back to an older state has launched it
    /// once more, or believes so, and nothing ran then. slurmdbd shows such a launch for a while with the start of the first: a job
    /// that had come to its own exit in an earlier second than that of its cancel, or of a copy that gave way, was not cancelled either.
    pub fn is_echo(&self, evidence: &Evidence, number: Option<JobNumber>) -> bool {
        let ended = evidence.ended.as_ref().filter(|ended| Some(ended.number) == number);
        let Some((at, exit)) = ended.and_then(|ended| Some((ended.at.as_secs(), ended.exit?))) else { return false };
        let may_be_later = self.state == SlurmState::Cancelled || self.is_wrappers();
        let is_before_end = exit.signal == 0 && self.end.is_some_and(|end| at < end);
        self.start.is_none_or(|start| at < start) || may_be_later && is_before_end
    }

    /// What an echo is about: the run that its job has left the marks of.
    pub fn of_echo(self, evidence: &Evidence, shown: Option<i64>) -> Facts {
        let Some(own) = Facts::of_evidence(evidence, shown) else { return self };
        let note = "Slurm was set back and shows a later launch of it, which did nothing: start and end are those in its folder";
        Facts { note: Some(note.to_owned()), nodes: self.nodes, ..own }
    }

    /// Corrects a doubtful end by what `number`, the job it is about, has left. A slurmd that has heard of another job of that
    /// number, before the controller lost its state, refuses to launch this one, and Slurm says CANCELLED.
    pub fn correct(&mut self, evidence: &Evidence, number: Option<JobNumber>) {
        let ended = evidence.ended.as_ref().filter(|ended| Some(ended.number) == number);
        if self.state == SlurmState::NodeFail
            && let Some((at, exit)) = ended.and_then(|ended| Some((ended.at, ended.exit?)))
        {
            let is_success = exit == model::Exit::default();
            self.state = if is_success { SlurmState::Completed } else { SlurmState::Failed };
            self.exit = (exit.code, exit.signal);
            self.end = self.end.map(|end| end.min(at.as_secs()).max(self.start.unwrap_or(i64::MIN)));
            self.note("Slurm gave its node up; it had run to its end there");
        } else if (self.is_odd_cancel() || self.is_stray_cancel())
            && ended.is_some_and(|ended| ended.exit == Some(model::Exit::default()))
        {
            self.state = SlurmState::Completed;
            self.exit = (0, 0);
            self.note("Slurm cancelled another launch of it; it had run to its end");
        } else if self.is_odd_cancel() && evidence.is_empty() {
            self.state = SlurmState::NodeFail;
            self.note("Slurm cancelled it before it ran a line");
        } else if self.is_stray_cancel() {
            self.state = SlurmState::NodeFail;
            self.note("Slurm cancelled it soon after it had come in, as nodes do that cannot launch another job of its number");
        } else if self.is_odd_failure() && evidence.is_empty() {
            self.state = SlurmState::NodeFail;
            self.note("its launch failed, and it never ran");
        }
    }

    pub fn note(&mut self, words: &str) {
        self.note = join(self.note.take(), Some(words.to_owned()));
    }
}

/// The start that Slurm has shown, unless that is of a later launch; else the job's own first line.
fn own_start(evidence: &Evidence, shown: Option<i64>) -> Option<i64> {
    let own = evidence.started.as_ref()?.at.as_secs();
    Some(shown.filter(|shown| *shown <= own).unwrap_or(own))
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use model::Exit;

    use super::*;
    use crate::evidence::{Ended, Started};

    fn facts(state: SlurmState, start: Option<i64>, end: i64) -> Facts {
        Facts {
            state,
            exit: (0, 0),
            exit_is_accounted: true,
            reason: None,
            submitted: None,
            start,
            end: Some(end),
            suspended_seconds: 0,
            nodes: Vec::new(),
            usage: Usage::default(),
            note: None,
        }
    }

    fn ended(number: JobNumber, at: i64, exit: Option<Exit>) -> Evidence {
        let ended = Ended { at: Timestamp::from_secs(at), number, exit, words: String::new() };
        Evidence { owner: Some(number), started: None, ended: Some(ended) }
    }

    fn started(number: JobNumber, at: i64) -> Started {
        Started { at: Timestamp::from_secs(at), number, restarts: 0, host: "n1".to_owned() }
    }

    #[test]
    fn work_that_ran_to_its_end_on_a_lost_node_counts() {
        for (code, state) in [(0, SlurmState::Completed), (3, SlurmState::Failed)] {
            let mut lost = facts(SlurmState::NodeFail, Some(100), 130);
            assert!(lost.is_doubtful(false));
            lost.correct(&ended(7, 104, Some(Exit { code, signal: 0 })), Some(7));
            assert_eq!((&lost.state, lost.exit, lost.end), (&state, (code, 0), Some(104)));
        }
        // Of another job, or of a script that never ran: no proof.
        for evidence in [ended(8, 104, Some(Exit::default())), ended(7, 104, None)] {
            let mut lost = facts(SlurmState::NodeFail, Some(100), 130);
            lost.correct(&evidence, Some(7));
            assert_eq!((lost.state, lost.end), (SlurmState::NodeFail, Some(130)));
        }
    }

    /// As slurmdbd had a job that was launched again 14 s after its end, by a controller that was set back: the launch was refused.
    #[test]
    fn a_cancel_after_the_jobs_own_end_is_of_a_later_launch() {
        let mixed = |state, exit| Facts { submitted: Some(110), exit: (exit, 0), ..facts(state, Some(110), 127) };
        let done = ended(61, 113, Some(Exit::default()));
        let cancel = mixed(SlurmState::Cancelled, 0);
        assert!(cancel.is_doubtful(true) && cancel.is_echo(&done, Some(61)));
        let own = cancel.of_echo(&Evidence { started: Some(started(61, 112)), ..done.clone() }, Some(110));
        assert_eq!((&own.state, own.start, own.end), (&SlurmState::Completed, Some(110), Some(113)));
        assert!(
            mixed(SlurmState::Failed, crate::states::EXIT_SUPERSEDED).is_echo(&done, Some(61)),
            "a copy that gave way"
        );
        assert!(!mixed(SlurmState::Failed, 3).is_echo(&done, Some(61)), "an end of its own");
        // Somebody cancelled it: it ends then or later, or by the signal.
        let cancel = mixed(SlurmState::Cancelled, 0);
        assert!(!cancel.is_echo(&ended(61, 127, Some(Exit::default())), Some(61)));
        assert!(!cancel.is_echo(&ended(61, 113, Some(Exit { code: 0, signal: 15 })), Some(61)));
        assert!(!cancel.is_echo(&done, Some(62)) && !cancel.is_echo(&Evidence::default(), Some(61)));
    }

    #[test]
    fn a_cancel_at_the_start_of_work_that_never_ran_is_a_failed_launch() {
        let mut launch = facts(SlurmState::Cancelled, Some(100), 100);
        launch.correct(&Evidence::default(), Some(7));
        assert_eq!(launch.state, SlurmState::NodeFail);
        let mut done = facts(SlurmState::Cancelled, Some(100), 100);
        done.correct(&ended(7, 99, Some(Exit::default())), Some(7));
        assert_eq!((done.state, done.start, done.end), (SlurmState::Completed, Some(100), Some(100)));
        // Seen running, and shown as never started.
        let mut unconfirmed = facts(SlurmState::Cancelled, None, 100);
        assert!(unconfirmed.is_doubtful(true) && !unconfirmed.is_doubtful(false), "one that waited was cancelled");
        unconfirmed.correct(&Evidence::default(), Some(7));
        assert_eq!(unconfirmed.state, SlurmState::NodeFail);
        // Cancelled while it waited, soon after it was handed in or later.
        for (submitted, doubtful) in [(Some(85), true), (Some(84), false), (None, false)] {
            let waited = Facts { submitted, ..facts(SlurmState::Cancelled, None, 100) };
            assert_eq!(waited.is_doubtful(false), doubtful, "{submitted:?}");
        }
        // Or after it had begun.
        for (submitted, state) in [(90, SlurmState::NodeFail), (80, SlurmState::Cancelled)] {
            let mut began = Facts { submitted: Some(submitted), ..facts(SlurmState::Cancelled, Some(91), 100) };
            began.correct(&ended(7, 100, Some(Exit { code: 0, signal: 15 })), Some(7));
            assert_eq!(began.state, state, "{submitted}");
        }
        // A failure of the launch has an exit of its own.
        let mut gone = Facts { exit: (2, 0), ..facts(SlurmState::Failed, Some(100), 101) };
        assert!(gone.is_doubtful(true));
        gone.correct(&Evidence::default(), Some(7));
        assert_eq!(gone.state, SlurmState::NodeFail);
        let began = Evidence { owner: Some(7), ..Evidence::default() };
        for (exit, end, evidence) in
            [((2, 0), 101, &began), ((2, 0), 116, &Evidence::default()), ((119, 0), 101, &Evidence::default())]
        {
            let mut failed = Facts { exit, ..facts(SlurmState::Failed, Some(100), end) };
            failed.correct(evidence, Some(7));
            assert_eq!(failed.state, SlurmState::Failed, "{exit:?} {end}");
        }
        // A slurmd that was away for some seconds refuses the launch later.
        let mut late = facts(SlurmState::Cancelled, Some(100), 104);
        assert!(late.is_doubtful(false));
        late.correct(&Evidence::default(), Some(7));
        assert_eq!(late.state, SlurmState::NodeFail);
        // It ran, or it had run for a while: somebody cancelled it.
        for (mut cancelled, evidence) in [
            (facts(SlurmState::Cancelled, Some(100), 101), ended(7, 101, None)),
            (facts(SlurmState::Cancelled, Some(100), 116), Evidence::default()),
        ] {
            cancelled.correct(&evidence, Some(7));
            assert_eq!(cancelled.state, SlurmState::Cancelled);
        }
    }
}
