//! Workload traces as values: what one record says, what a file's header says, which lines could not be read. Formats are in the
//! files beside this. Refuses to know files, compression and what a replay makes of a record.

pub mod sacct;
pub mod swf;

use std::fmt;

/// One job of a trace, with SWF's 18 fields; `None` is SWF's `-1`, not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub job: u64,
    /// Seconds since the trace's beginning.
    pub submit_s: Option<i64>,
    pub wait_s: Option<i64>,
    pub run_s: Option<i64>,
    pub procs_allocated: Option<u32>,
    /// Mean over the processors.
    pub cpu_s: Option<f64>,
    /// Mean over the processors, KiB.
    pub memory_used_kib: Option<u64>,
    pub procs_requested: Option<u32>,
    /// What the user asked for.
    pub estimate_s: Option<i64>,
    /// For each processor, KiB.
    pub memory_requested_kib: Option<u64>,
    pub status: Option<u32>,
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub app: Option<u32>,
    pub queue: Option<u32>,
    pub partition: Option<u32>,
    /// Number of the job that had to end first.
    pub preceding: Option<u64>,
    /// From that job's end to this one's submission.
    pub think_s: Option<i64>,
}

/// The comment lines of a trace, as they stand and as fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Every comment line in order, without the line's end.
    pub lines: Vec<String>,
}

impl Header {
    /// Values of every line `; name: value`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }
    /// Every line `; name: value`.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| {
            let (name, value) = line.trim_start_matches(';').split_once(':')?;
            let name = name.trim();
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
            is_name.then(|| (name, value.trim()))
        })
    }
    /// The number with which the first such field begins: `MaxNodes: 338 (batch partition)` says 338.
    pub fn number(&self, name: &str) -> Option<i64> {
        let text = self.all(name).next()?;
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(text.len());
        text[..digits].parse().ok()
    }
    /// Processors of the machine, from `MaxProcs`, else `MaxNodes`.
    pub fn procs(&self) -> Option<u32> {
        let number = self.number("MaxProcs").filter(|n| *n > 0).or_else(|| self.number("MaxNodes"))?;
        u32::try_from(number).ok().filter(|n| *n > 0)
    }
}

/// A trace that has been read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    pub header: Header,
    /// In the order of the file.
    pub records: Vec<Record>,
    /// Lines that were passed over.
    pub bad: Vec<BadLine>,
}

/// What becomes of a trace with a line that makes no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBad {
    /// It is not read.
    #[default]
    Refuse,
    /// The line is passed over and told.
    Skip,
}

/// A line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct BadLine {
    /// Counted from 1.
    pub line: u64,
    pub fault: LineFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("{found} fields where {wanted} are expected")]
    Fields { found: usize, wanted: usize },
    #[error("{field} is `{text}`, expected {wanted}")]
    Value { field: &'static str, text: String, wanted: Wanted },
    #[error("it is not text (UTF-8)")]
    NotText,
}

/// What would have been right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A number of at least 0, or -1 for unknown.
    Number,
    /// A number above 0.
    JobNumber,
    /// A point in time as sacct writes it.
    Time,
    /// A length of time as sacct writes it.
    Span,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number of at least 0, or -1 for unknown",
            Self::JobNumber => "a number of at least 0",
            Self::Time => "a time such as 2026-11-21T08:00:00, seconds since 1970, or Unknown",
            Self::Span => "a length of time such as 1-02:03:04",
        })
    }
}

/// Why a trace was not read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Bad(#[from] BadLine),
    #[error("the first line names no column {}", .missing.join(", and none of "))]
    Columns { missing: Vec<&'static str> },
}

/// The start of a line, for a message.
fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(40).collect()
}
