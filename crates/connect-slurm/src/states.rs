//! Slurm's words for jobs in ours: states, exits, reasons, refusals. Total functions; what is not known stays readable as text.
//! Sources: the manual pages of squeue and sacct (JOB STATE CODES, JOB REASON CODES) of Slurm 22.05
//! to 24.05, and what was seen of 22.05.8.

use model::{EndCause, Exit, Outcome};

use crate::carrier::{SlurmState, StateFlags};

/// Exit codes of the wrapper around each script, below 128 as accounting cuts larger ones down. Taken as such only where something
/// else says the same: a script may use them.
/// Another job has the fence of this attempt.
pub const EXIT_SUPERSEDED: i32 = 117;
/// The attempt was ended before this job began.
pub const EXIT_STOPPED: i32 = 118;
/// Folders or files of the job could not be made; the words stand in the evidence.
pub const EXIT_UNPREPARED: i32 = 119;
/// Whether an exit code may be the wrapper's own.
pub fn is_wrappers(code: i32) -> bool {
    (EXIT_SUPERSEDED..=EXIT_UNPREPARED).contains(&code)
}
/// How Slurm itself shows a launch that failed: code 0, "signal" 53. No folder to work in, no file to write to.
pub const EXIT_NO_START: Exit = Exit { code: 0, signal: 53 };
/// SIGKILL, which is also what a job gets that used too much memory.
const KILL: i32 = 9;

/// Reads a state as `squeue`, `sacct`, `scontrol` and slurmrestd write it: `COMPLETED`, `CANCELLED by 1000`,
/// `COMPLETED+COMPLETING`, `RUNNING,CONFIGURING`. Parts beyond the base state are flags.
pub fn parse(text: &str) -> (SlurmState, StateFlags) {
    let mut base = None;
    let mut flags = StateFlags::new();
    for part in text.split(['+', ',']).map(str::trim).filter(|part| !part.is_empty()) {
        let word = part.split_whitespace().next().unwrap_or(part);
        match base_state(word) {
            Some(state) if base.is_none() => base = Some(state),
            _ => flags.push(word.to_owned()),
        }
    }
    let base = base.unwrap_or_else(|| alone(&flags).unwrap_or_else(|| SlurmState::Unknown(text.trim().to_owned())));
    (base, flags)
}

fn base_state(word: &str) -> Option<SlurmState> {
    Some(match word {
        "PENDING" | "PD" => SlurmState::Pending,
        "RUNNING" | "R" => SlurmState::Running,
        "SUSPENDED" | "S" => SlurmState::Suspended,
        "COMPLETED" | "CD" => SlurmState::Completed,
        "CANCELLED" | "CA" => SlurmState::Cancelled,
        "FAILED" | "F" => SlurmState::Failed,
        "TIMEOUT" | "TO" => SlurmState::Timeout,
        "NODE_FAIL" | "NF" => SlurmState::NodeFail,
        "PREEMPTED" | "PR" => SlurmState::Preempted,
        "BOOT_FAIL" | "BF" => SlurmState::BootFail,
        "DEADLINE" | "DL" => SlurmState::Deadline,
        "OUT_OF_MEMORY" | "OOM" => SlurmState::OutOfMemory,
        _ => return None,
    })
}

/// Lists and slurmrestd show a flag in the place of the state below it: which that is, where only one can be. A stopped job
/// (`scancel -s STOP`) keeps its processors, and Slurm's accounting counts on: it runs. Below `COMPLETING`, `STAGE_OUT` and
/// `REVOKED` may be anything.
fn alone(flags: &[String]) -> Option<SlurmState> {
    match flags.first()?.as_str() {
        "CONFIGURING" | "CF" | "RESIZING" | "RS" | "SIGNALING" | "SI" | "STOPPED" | "ST" | "POWER_UP_NODE" => {
            Some(SlurmState::Running)
        }
        "REQUEUED" | "RQ" | "REQUEUE_HOLD" | "RH" | "REQUEUE_FED" | "RF" | "RESV_DEL_HOLD" | "RD" | "SPECIAL_EXIT"
        | "SE" => Some(SlurmState::Pending),
        _ => None,
    }
}

/// Its end has come, or its nodes are being tidied up behind it: exit and end are known.
pub fn has_end(state: &SlurmState, flags: &StateFlags) -> bool {
    state.course() == Course::Over || flags.iter().any(|flag| flag == "COMPLETING" || flag == "CG")
}

impl SlurmState {
    /// Slurm's own word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Suspended => "SUSPENDED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
            Self::Timeout => "TIMEOUT",
            Self::NodeFail => "NODE_FAIL",
            Self::Preempted => "PREEMPTED",
            Self::BootFail => "BOOT_FAIL",
            Self::Deadline => "DEADLINE",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::Unknown(text) => text,
        }
    }

    pub const fn course(&self) -> Course {
        match self {
            Self::Pending => Course::Waiting,
            Self::Running => Course::Running,
            Self::Suspended => Course::Suspended,
            Self::Unknown(_) => Course::Unknown,
            Self::Completed
            | Self::Cancelled
            | Self::Failed
            | Self::Timeout
            | Self::NodeFail
            | Self::Preempted
            | Self::BootFail
            | Self::Deadline
            | Self::OutOfMemory => Course::Over,
        }
    }
}

/// Where a state stands in the life of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    Waiting,
    Running,
    Suspended,
    Over,
    /// A word of a newer Slurm: shown, and waited for what follows.
    Unknown,
}

/// How a job ended, in our words, with what the operator should read beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub exit: Option<Exit>,
    /// Slurm's own words, where ours say less.
    pub note: Option<String>,
}

/// What an end in Slurm means. `exit` is `(code, signal)` as Slurm has it; `reason` its reason word; `ran`: it had started;
/// `cause`: the platform had asked for the end.
pub fn verdict(
    state: &SlurmState,
    exit: (i32, i32),
    reason: Option<&str>,
    ran: bool,
    cause: Option<EndCause>,
) -> Verdict {
    let plain = || ran.then_some(Exit { code: exit.0, signal: exit.1 });
    let oom = reason.is_some_and(|reason| reason.contains("OutOfMemory") || reason.contains("OUT_OF_MEMORY"));
    let (outcome, note) = match state {
        SlurmState::Completed => (Outcome::Completed, None),
        SlurmState::Cancelled => (cause.map_or(Outcome::Cancelled, outcome_of), None),
        SlurmState::Failed if oom => (Outcome::OutOfMemory, None),
        SlurmState::Failed if exit == (EXIT_NO_START.code, EXIT_NO_START.signal) => {
            (Outcome::Failed, Some("Slurm could not launch it: no folder to work in, or no file to write to"))
        }
        SlurmState::Failed if ended_by_signal(exit) && cause.is_some() => {
            (cause.map_or(Outcome::Cancelled, outcome_of), None)
        }
        SlurmState::Failed if exit.1 == KILL => {
            (Outcome::Failed, Some("ended by signal 9: where Slurm holds memory by polling, that is too much of it"))
        }
        SlurmState::Failed => (Outcome::Failed, None),
        SlurmState::Timeout => (Outcome::Timeout, None),
        SlurmState::Deadline => (Outcome::Timeout, Some("DEADLINE: it could not have ended in time")),
        SlurmState::OutOfMemory => (Outcome::OutOfMemory, None),
        SlurmState::NodeFail => (Outcome::NodeFail, None),
        SlurmState::BootFail => (Outcome::NodeFail, Some("BOOT_FAIL: its nodes did not come up")),
        SlurmState::Preempted => (Outcome::Preempted, None),
        SlurmState::Pending | SlurmState::Running | SlurmState::Suspended | SlurmState::Unknown(_) => {
            (cause.map_or(Outcome::Failed, outcome_of), Some("a state that is no end"))
        }
    };
    let own_words = reason.filter(|reason| outcome != Outcome::Completed && says_more(reason));
    let mut words: Vec<String> = Vec::new();
    if !matches!(state.course(), Course::Over) {
        words.push(format!("Slurm's state is {}", state.as_str()));
    } else if let Some(note) = note {
        words.push(note.to_owned());
    }
    if let Some(reason) = own_words {
        words.push(format!("Slurm's reason is {reason}"));
    }
    let exit = match state {
        SlurmState::NodeFail | SlurmState::BootFail => None,
        _ => plain(),
    };
    Verdict { outcome, exit, note: (!words.is_empty()).then(|| words.join("; ")) }
}

/// TERM, KILL and their kin, as a signal or as a shell's exit code of one.
const fn ended_by_signal(exit: (i32, i32)) -> bool {
    exit.1 != 0 || (exit.0 > 128 && exit.0 <= 128 + 64)
}

/// Reasons that only repeat the state.
fn says_more(reason: &str) -> bool {
    !matches!(reason, "None" | "NonZeroExitCode" | "Cancelled" | "TimeLimit" | "RaisedSignal" | "Prolog" | "")
}

/// The outcome of an attempt that was ended for `cause`.
pub const fn outcome_of(cause: EndCause) -> Outcome {
    match cause {
        EndCause::TimeLimit => Outcome::Timeout,
        EndCause::Preempted => Outcome::Preempted,
        EndCause::Cancelled | EndCause::Balance | EndCause::Requeued | EndCause::Withdrawn => Outcome::Cancelled,
    }
}

/// What a run means that did not end its job: Slurm queued it again.
pub fn interrupted(state: &SlurmState) -> Outcome {
    match state {
        SlurmState::NodeFail | SlurmState::BootFail => Outcome::NodeFail,
        SlurmState::Preempted => Outcome::Preempted,
        SlurmState::Timeout | SlurmState::Deadline => Outcome::Timeout,
        SlurmState::OutOfMemory => Outcome::OutOfMemory,
        SlurmState::Failed => Outcome::Failed,
        // `REQUEUED` in accounting, and whatever a newer Slurm says.
        _ => Outcome::Cancelled,
    }
}

/// Slurm has tried to launch a job, and holds it since: it will not begin unless somebody at the site lets it go.
pub fn is_held_after_launch(reason: &str) -> bool {
    reason.replace(' ', "_").starts_with(LAUNCH_FAILED)
}

const LAUNCH_FAILED: &str = "launch_failed_requeued_held";

/// Why a job waits, for people: Slurm's word and what it means.
pub fn waiting(reason: &str) -> String {
    let meaning = meaning(reason);
    if meaning.is_empty() { format!("Slurm: {reason}") } else { format!("Slurm: {reason}: {meaning}") }
}

fn meaning(reason: &str) -> &'static str {
    const PREFIXES: &[(&str, &str)] = &[
        ("Assoc", "a limit of the account at the site"),
        ("QOS", "a limit of the quality of service at the site"),
        ("BurstBuffer", "it waits for the burst buffer"),
        ("ReqNodeNotAvail", "nodes it needs are down, drained or reserved"),
        ("Nodes_required_for_job_are_DOWN", "nodes it needs are down, drained or reserved"),
        (LAUNCH_FAILED, "its launch failed and the site holds it"),
        ("MaxMemPerLimit", "more memory than the partition allows"),
        ("Partition", "a limit of the partition, or the partition is not up"),
        ("Reservation", "it waits for its reservation"),
    ];
    match reason {
        "Resources" => "it waits for free nodes",
        "Priority" => "others are ahead of it",
        "BeginTime" => "its time has not come",
        "Dependency" => "it waits for another job",
        "DependencyNeverSatisfied" => "what it waits for cannot happen any more",
        "JobHeldUser" => "held by the account's user at the site",
        "JobHeldAdmin" => "held by the site's administrator",
        "JobHoldMaxRequeue" => "started again too often by the site",
        "Licenses" => "it waits for a licence",
        "NodeDown" => "a node it needs is down",
        "BadConstraints" => "no node of the site can serve it",
        "Cleaning" | "Prolog" => "its nodes are being prepared",
        "FrontEndDown" => "no front end is up",
        "InvalidAccount" => "the site does not accept the account",
        "InvalidQOS" => "the site does not accept the quality of service",
        "SystemFailure" => "a failure at the site",
        _ => PREFIXES.iter().find(|(prefix, _)| reason.starts_with(prefix)).map_or("", |(_, meaning)| meaning),
    }
}

/// Begins what is said where a site does not let the platform act as a user.
pub const NOT_GRANTED: &str = "the site does not let the platform act as";

/// Whether a refusal holds for good, with words for the tenant. `text` is Slurm's.
pub fn refusal(text: &str) -> (String, bool) {
    const PASSING: &[&str] = &[
        "temporarily",
        "try again",
        "Resource temporarily unavailable",
        "submit limit",
        "SubmitJobs",
        "MaxSubmit",
        "job limit",
        "limit violated",
        "Too many",
        "is down",
        "not available (inactive or drain)",
        "in inactive or drain state",
        "cluster is being reconfigured",
        "slurmdbd",
        "Socket timed out",
        "Unable to contact",
        "I/O error writing script",
        "No space left",
        NOT_GRANTED,
    ];
    let passing = PASSING.iter().any(|word| text.to_lowercase().contains(&word.to_lowercase()));
    let words = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no words");
    let words = words.trim_start_matches("sbatch: ").trim_start_matches("error: ");
    (format!("the cluster does not take the job: {}", short(words, 300)), !passing)
}

/// At most `max` characters of a text.
pub fn short(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "states_tests.rs"]
mod tests;
