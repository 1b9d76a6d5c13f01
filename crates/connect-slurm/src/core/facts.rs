//! The facts of an end, wherever it was found: accounting, the controller's record, the evidence beside the fence, or nowhere.

use base::{Bytes, Span};
use model::Usage;

use crate::carrier::{AccountedRun, AccountingKind, QueuedJob, SlurmState};
use crate::evidence::Evidence;
use crate::states::EXIT_NO_START;

/// Two remarks as one.
pub fn join(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}; {second}")),
        (first, second) => first.or(second),
    }
}

/// An end, wherever it was found. Times are the cluster's, seconds.
#[derive(Clone, Debug)]
pub struct Facts {
    pub state: SlurmState,
    pub exit: (i32, i32),
    /// Whether the exit is as accounting shows it, which cuts codes above 128 down.
    pub exit_is_accounted: bool,
    pub reason: Option<String>,
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
            start: record.start.filter(|_| !record.nodes.is_empty()),
            end: Some(record.end?),
            suspended_seconds: record.suspended_seconds,
            nodes: record.nodes.clone(),
            usage: Usage::default(),
            note: Some(note.to_owned()),
        })
    }

    /// Its own last line. A script that never ran has none.
    pub fn of_evidence(evidence: &Evidence) -> Option<Facts> {
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
            start: evidence.started.as_ref().map(|started| started.at.as_secs()),
            end: Some(ended.at.as_secs()),
            suspended_seconds: 0,
            nodes: evidence.started.iter().map(|started| started.host.clone()).collect(),
            usage: Usage::default(),
            note: Some(note),
        })
    }

    /// It ran, and no place says how it ended.
    pub fn vanished(start: Option<i64>, seen: Option<i64>, run: Option<&AccountedRun>) -> Facts {
        Facts {
            state: SlurmState::NodeFail,
            exit: (0, 0),
            exit_is_accounted: false,
            reason: None,
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

    pub fn note(&mut self, words: &str) {
        self.note = join(self.note.take(), Some(words.to_owned()));
    }
}
