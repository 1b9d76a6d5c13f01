//! What is wrong with a job's description, where, and what to do about it. Faults refuse the job, warnings go along.
//! English only: the console translates by `FaultCode`.

use std::fmt;

use crate::table;

/// Where an option was written. The order is that of precedence: later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Line of the script, from 1.
    Line(u32),
    /// A `SBATCH_*` variable, or the exported environment itself.
    Environment,
    /// The command line.
    Flag,
    /// A field of a request body.
    Json,
}

impl Origin {
    /// `on line 3`, `on the command line` …, for the middle of a sentence.
    pub(crate) fn place(self) -> String {
        match self {
            Self::Line(n) => format!("on line {n}"),
            Self::Environment => "in the environment".into(),
            Self::Flag => "on the command line".into(),
            Self::Json => "in the request body".into(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("command line"),
            Self::Json => f.write_str("request body"),
        }
    }
}

/// The kind of a fault, stable for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultCode {
    ScriptMissing,
    ScriptEmpty,
    ScriptTooLarge,
    ScriptWithoutInterpreter,
    ScriptDosLineBreaks,
    ScriptNulCharacter,
    UnmatchedQuote,
    UnexpectedWord,
    UnknownOption,
    UnsupportedOption,
    /// Means something on the command line only.
    CommandLineOnly,
    ValueMissing,
    ValueUnwanted,
    BadValue,
    /// Understood by Slurm, not by Headworks.
    UnsupportedValue,
    OutOfRange,
    TooLong,
    TooMany,
    /// Two options cannot both hold.
    Contradiction,
}

impl FaultCode {
    pub const ALL: [FaultCode; 19] = [
        Self::ScriptMissing,
        Self::ScriptEmpty,
        Self::ScriptTooLarge,
        Self::ScriptWithoutInterpreter,
        Self::ScriptDosLineBreaks,
        Self::ScriptNulCharacter,
        Self::UnmatchedQuote,
        Self::UnexpectedWord,
        Self::UnknownOption,
        Self::UnsupportedOption,
        Self::CommandLineOnly,
        Self::ValueMissing,
        Self::ValueUnwanted,
        Self::BadValue,
        Self::UnsupportedValue,
        Self::OutOfRange,
        Self::TooLong,
        Self::TooMany,
        Self::Contradiction,
    ];
    /// Stable text for APIs and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScriptMissing => "script_missing",
            Self::ScriptEmpty => "script_empty",
            Self::ScriptTooLarge => "script_too_large",
            Self::ScriptWithoutInterpreter => "script_without_interpreter",
            Self::ScriptDosLineBreaks => "script_dos_line_breaks",
            Self::ScriptNulCharacter => "script_nul_character",
            Self::UnmatchedQuote => "unmatched_quote",
            Self::UnexpectedWord => "unexpected_word",
            Self::UnknownOption => "unknown_option",
            Self::UnsupportedOption => "unsupported_option",
            Self::CommandLineOnly => "command_line_only",
            Self::ValueMissing => "value_missing",
            Self::ValueUnwanted => "value_unwanted",
            Self::BadValue => "bad_value",
            Self::UnsupportedValue => "unsupported_value",
            Self::OutOfRange => "out_of_range",
            Self::TooLong => "too_long",
            Self::TooMany => "too_many",
            Self::Contradiction => "contradiction",
        }
    }
}

/// One reason why a description is refused. Displays as `line 3: --time: what is wrong and what to do (hint)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(*.origin, .option, .message, .hint.as_deref()))]
pub struct Fault {
    pub origin: Origin,
    /// Long name without dashes (`ntasks-per-node`); what was typed for an unknown one; empty for the script itself.
    pub option: String,
    pub code: FaultCode,
    /// A clause in English that says what to do.
    pub message: String,
    /// A guess at what was meant, or an alternative.
    pub hint: Option<String>,
    /// The other side of a contradiction: its option and where it stands.
    pub other: Option<(String, Origin)>,
}

impl Fault {
    pub(crate) fn new(origin: Origin, option: &str, code: FaultCode, message: impl Into<String>) -> Self {
        Self { origin, option: option.into(), code, message: message.into(), hint: None, other: None }
    }
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Two options that cannot both hold. The fault stands at the one which wins by precedence, and names the other.
    pub(crate) fn contradiction(a: (&str, Origin), b: (&str, Origin), why: impl fmt::Display) -> Self {
        let (at, other) = if a.1 >= b.1 { (a, b) } else { (b, a) };
        let message = format!("contradicts {} {}: {why}", label(other.0, other.1), other.1.place());
        let fault = Fault::new(at.1, at.0, FaultCode::Contradiction, message);
        Fault { other: Some((other.0.into(), other.1)), ..fault }
    }
}

/// Something that was ignored or is probably not meant; the job is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub origin: Origin,
    /// As in [`Fault::option`].
    pub option: String,
    pub message: String,
}

impl Warning {
    pub(crate) fn new(origin: Origin, option: &str, message: impl Into<String>) -> Self {
        Self { origin, option: option.into(), message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(self.origin, &self.option, &self.message, None))
    }
}

/// An option as it is written at `origin`: `--time`, `time_limit` style in JSON, `chip` on a `#HW` line.
pub(crate) fn label(option: &str, origin: Origin) -> String {
    match origin {
        Origin::Json => option.replace('-', "_"),
        Origin::Line(_) if table::is_own(option) => option.into(),
        _ if option.chars().count() == 1 => format!("-{option}"),
        _ => format!("--{option}"),
    }
}

fn told(origin: Origin, option: &str, message: &str, hint: Option<&str>) -> String {
    let option = if option.is_empty() { String::new() } else { format!("{}: ", label(option, origin)) };
    let hint = hint.map(|h| format!(" ({h})")).unwrap_or_default();
    format!("{origin}: {option}{message}{hint}")
}

/// A user's text made fit for a message: on one line, at most 40 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    // `escape_debug` also escapes quotes, which need none between backquotes.
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

/// The same in backquotes; an empty text by its name.
pub(crate) fn quoted(text: &str) -> String {
    if text.is_empty() { "an empty text".into() } else { format!("`{}`", shown(text)) }
}
