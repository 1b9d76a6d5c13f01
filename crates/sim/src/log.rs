//! The event log of a run: one line of JSON a step, for the viewer. Refuses to write files.

use base::Timestamp;
use serde::{Deserialize, Serialize};

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    pub step: u64,
    /// True time of the world.
    pub at: Timestamp,
    /// What the engine's clock showed.
    pub shown: Timestamp,
    /// `given`, `committed`, `fault`, `cluster`, `note`.
    pub kind: String,
    pub text: String,
    /// Records and effects in debug form, where the step has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// Collects entries when it is on; costs nothing when it is off.
#[derive(Clone, Debug, Default)]
pub struct Log {
    on: bool,
    entries: Vec<LogEntry>,
}

impl Log {
    pub fn new(on: bool) -> Log {
        Log { on, entries: Vec::new() }
    }
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    pub(crate) fn add(
        &mut self,
        at: Timestamp,
        shown: Timestamp,
        kind: &str,
        entry: impl FnOnce() -> (String, Vec<String>),
    ) {
        if self.on {
            let (text, details) = entry();
            let step = self.entries.len() as u64 + 1;
            self.entries.push(LogEntry { step, at, shown, kind: kind.into(), text, details });
        }
    }

    /// One line of JSON per entry.
    pub fn to_lines(&self) -> String {
        let line = |entry: &LogEntry| {
            serde_json::to_string(entry).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
        };
        self.entries.iter().map(|entry| line(entry) + "\n").collect()
    }

    /// Reads what [`Log::to_lines`] wrote.
    ///
    /// # Errors
    /// The number of the first line (from 1) that is not an entry, with the reason.
    pub fn parse(text: &str) -> Result<Vec<LogEntry>, (usize, serde_json::Error)> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(n, line)| serde_json::from_str(line).map_err(|error| (n + 1, error))).collect()
    }
}
