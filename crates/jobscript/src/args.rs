//! Reads options as `getopt_long` does, from the command line of sbatch, from the words of a directive line and from
//! `SBATCH_*` variables. Values stay texts; nothing here asks whether they make sense.

use crate::fault::{Fault, FaultCode, Origin, Warning, label, quoted, shown};
use crate::limits::{FAULTS_MAX, WARNINGS_MAX};
use crate::options::{Given, Key, Options, Parsed};
use crate::table::{self, Client, Entry, Found, Meaning, Takes, Toggle};

/// Options which steer the client and never reach the job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFlags {
    /// Print only the job's number.
    pub parsable: bool,
    /// `-W`: return when the job has ended, with its exit code.
    pub wait: bool,
    /// A command to run instead of a script; see [`crate::wrap_script`].
    pub wrap: Option<String>,
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u32,
    /// Say when the job would start, and do not submit it.
    pub test_only: bool,
    pub help: bool,
    pub version: bool,
}

/// A whole command line of `sbatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// With [`Origin::Flag`].
    pub parsed: Parsed,
    pub client: ClientFlags,
    /// The first word that is no option; `None` means standard input (or `--wrap`).
    pub script_path: Option<String>,
    /// Words after it, for the script.
    pub args: Vec<String>,
}

/// Reads the words after the program's name: `--x=y`, `--x y`, `-n 4`, `-n4`, `-Hn4`, beginnings of long names, `--`.
/// Stops at the first word that is no option, as sbatch does. Errors: every fault, not only the first.
pub fn parse_args(words: &[String]) -> Result<Command, Vec<Fault>> {
    let mut sink = Sink::default();
    let read = sink.take(words, Origin::Flag);
    let mut rest = words[read..].iter().cloned();
    let (parsed, client) = sink.finish()?;
    Ok(Command { parsed, client, script_path: rest.next(), args: rest.collect() })
}

/// Reads one option by name, with or without its dashes: `("time", Some("10"))`, `("-H", None)`.
/// Client options are refused.
pub fn parse_flag(name: &str, value: Option<&str>) -> Result<Parsed, Vec<Fault>> {
    let mut sink = Sink::default();
    let bare = name.trim_start_matches('-');
    match (find(bare), value) {
        (Ok(entry), _) if matches!(entry.means, Meaning::Client(_)) => {
            let fault = "does not describe a job; leave it out";
            sink.fault(Fault::new(Origin::Flag, entry.long, FaultCode::CommandLineOnly, fault));
        }
        (Ok(entry), None) if entry.takes == Takes::Value => sink.missing(entry, Origin::Flag),
        (Ok(entry), Some(value)) if entry.takes == Takes::Nothing => sink.unwanted(entry, value, Origin::Flag),
        (Ok(entry), value) => sink.apply(entry, value.map(String::from), Origin::Flag),
        (Err(not), _) => sink.fault(not.fault(bare, Origin::Flag)),
    }
    Ok(sink.finish()?.0)
}

/// The variables that sbatch reads as options, by the names of its manual.
const VARIABLES: [(&str, Key); 21] = [
    ("SBATCH_ACCOUNT", Key::Account),
    ("SBATCH_ARRAY_INX", Key::Array),
    ("SBATCH_COMMENT", Key::Comment),
    ("SBATCH_CONSTRAINT", Key::Constraint),
    ("SBATCH_DEADLINE", Key::Deadline),
    ("SBATCH_ERROR", Key::Error),
    ("SBATCH_EXPORT", Key::Export),
    ("SBATCH_GPUS", Key::Gpus),
    ("SBATCH_GPUS_PER_NODE", Key::GpusPerNode),
    ("SBATCH_GPUS_PER_TASK", Key::GpusPerTask),
    ("SBATCH_GRES", Key::Gres),
    ("SBATCH_INPUT", Key::Input),
    ("SBATCH_JOB_NAME", Key::JobName),
    ("SBATCH_MEM_PER_CPU", Key::MemPerCpu),
    ("SBATCH_MEM_PER_NODE", Key::Mem),
    ("SBATCH_OPEN_MODE", Key::OpenMode),
    ("SBATCH_OUTPUT", Key::Output),
    ("SBATCH_PARTITION", Key::Partition),
    ("SBATCH_QOS", Key::Qos),
    ("SBATCH_RESERVATION", Key::Reservation),
    ("SBATCH_SIGNAL", Key::Signal),
];

/// Reads the `SBATCH_*` variables among `variables` (`SBATCH_TIMELIMIT` and the two of requeueing included); others and
/// empty ones are passed over. They stand between script and command line: `merge(merge(script, environment), flags)`.
pub fn parse_environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Parsed {
    let mut options = Options::default();
    for (name, value) in variables {
        let key = match name {
            "SBATCH_REQUEUE" => {
                options.requeue = Some(Given::new(true, Origin::Environment));
                continue;
            }
            "SBATCH_NO_REQUEUE" => {
                options.requeue = Some(Given::new(false, Origin::Environment));
                continue;
            }
            "SBATCH_TIMELIMIT" => Some(Key::Time),
            _ => VARIABLES.iter().find(|v| v.0 == name).map(|v| v.1),
        };
        if let Some(key) = key.filter(|_| !value.is_empty()) {
            *options.slot(key) = Some(Given::new(value.into(), Origin::Environment));
        }
    }
    Parsed::from_options(options)
}

/// A name that stands for nothing, or for too much.
enum Not {
    Known,
    Unique(Vec<&'static str>),
}

impl Not {
    fn fault(self, typed: &str, origin: Origin) -> Fault {
        let shown = shown(typed);
        match self {
            Not::Known => {
                let fault = Fault::new(origin, &shown, FaultCode::UnknownOption, "there is no such option");
                match table::nearest(typed) {
                    Some(name) if table::is_own(name) && matches!(origin, Origin::Line(_)) => {
                        fault.hint(format!("did you mean `#HW {name}=…`?"))
                    }
                    Some(name) => fault.hint(format!("did you mean `--{name}`?")),
                    None => fault,
                }
            }
            Not::Unique(names) => {
                let names: Vec<String> = names.iter().map(|n| format!("`--{n}`")).collect();
                let message = format!("is the beginning of {}: write one of them out", names.join(", "));
                Fault::new(origin, &shown, FaultCode::UnknownOption, message)
            }
        }
    }
}

/// Finds a name without its dashes; one letter is a short name.
fn find(name: &str) -> Result<&'static Entry, Not> {
    let mut letters = name.chars();
    if let (Some(short), None) = (letters.next(), letters.next()) {
        return table::by_short(short).ok_or(Not::Known);
    }
    match table::by_long(name) {
        Found::Entry(entry) => Ok(entry),
        Found::Ambiguous(names) => Err(Not::Unique(names)),
        Found::Unknown => Err(Not::Known),
    }
}

/// Collects what is read from one source.
#[derive(Default)]
pub(crate) struct Sink {
    options: Options,
    warnings: Vec<Warning>,
    faults: Vec<Fault>,
    client: ClientFlags,
}

impl Sink {
    pub(crate) fn finish(self) -> Result<(Parsed, ClientFlags), Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        Ok((Parsed { options: self.options, warnings: self.warnings, script: None }, self.client))
    }
    /// True when reading on would only add to a list nobody reads to its end.
    pub(crate) fn full(&self) -> bool {
        self.faults.len() >= FAULTS_MAX
    }
    pub(crate) fn fault(&mut self, fault: Fault) {
        if !self.full() {
            self.faults.push(fault);
        }
    }
    pub(crate) fn warn(&mut self, origin: Origin, option: &str, message: impl Into<String>) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning::new(origin, option, message));
        }
    }
    fn missing(&mut self, entry: &Entry, origin: Origin) {
        let message = format!("needs a value: `{}=…`", label(entry.long, origin));
        self.fault(Fault::new(origin, entry.long, FaultCode::ValueMissing, message));
    }
    fn unwanted(&mut self, entry: &Entry, value: &str, origin: Origin) {
        let message = format!("takes no value: leave out {}", quoted(value));
        self.fault(Fault::new(origin, entry.long, FaultCode::ValueUnwanted, message));
    }

    /// Reads options from `words`; returns how many were consumed. On a line of a script a word that is no option is
    /// a fault, on the command line it ends the options.
    pub(crate) fn take(&mut self, words: &[String], origin: Origin) -> usize {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            let next = words.get(at);
            if word == "--" {
                break;
            } else if let Some(long) = word.strip_prefix("--") {
                at += usize::from(self.long(long, next, origin));
            } else if let Some(shorts) = word.strip_prefix('-').filter(|s| !s.is_empty()) {
                at += usize::from(self.shorts(shorts, next, origin));
            } else if let Origin::Line(_) = origin {
                let message = format!("{} is not an option: options begin with `-`", quoted(word));
                let fault = Fault::new(origin, "", FaultCode::UnexpectedWord, message);
                self.fault(fault.hint("a comment behind options begins with ` #`; a value with spaces needs quotes"));
            } else {
                return at - 1;
            }
        }
        at
    }

    /// One `--name[=value]`; true when `next` was used up as its value.
    fn long(&mut self, word: &str, next: Option<&String>, origin: Origin) -> bool {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let plain = next.is_some_and(|n| !n.starts_with("--"));
        let entry = match if name.chars().count() == 1 { Err(Not::Known) } else { find(name) } {
            Ok(entry) => entry,
            Err(not) => {
                self.fault(not.fault(name, origin));
                // On a line of a script the next word was meant as its value: one fault is enough.
                return matches!(origin, Origin::Line(_))
                    && inline.is_none()
                    && next.is_some_and(|n| !n.starts_with('-'));
            }
        };
        match (entry.takes, inline) {
            (Takes::Nothing, Some(value)) => self.unwanted(entry, value, origin),
            (Takes::Value, None) if plain => {
                self.apply(entry, next.cloned(), origin);
                return true;
            }
            (Takes::Value, None) => self.missing(entry, origin),
            (_, value) => self.apply(entry, value.map(String::from), origin),
        }
        false
    }

    /// A group of short names such as `Hn4`; true when `next` was used up as the last one's value.
    fn shorts(&mut self, group: &str, next: Option<&String>, origin: Origin) -> bool {
        for (at, short) in group.char_indices() {
            let rest = &group[at + short.len_utf8()..];
            let Some(entry) = table::by_short(short) else {
                self.fault(Not::Known.fault(&short.to_string(), origin));
                return false;
            };
            match entry.takes {
                Takes::Nothing => self.apply(entry, None, origin),
                Takes::Maybe => {
                    let value = (!rest.is_empty()).then(|| rest.to_string());
                    self.apply(entry, value, origin);
                    return false;
                }
                Takes::Value if !rest.is_empty() => {
                    // `-t=10` is a slip that getopt reads as the value `=10`; it is never meant so.
                    self.apply(entry, Some(rest.trim_start_matches('=').to_string()), origin);
                    return false;
                }
                Takes::Value => {
                    let value = next.filter(|n| !n.starts_with("--"));
                    match value {
                        Some(value) => self.apply(entry, Some(value.clone()), origin),
                        None => self.missing(entry, origin),
                    }
                    return value.is_some();
                }
            }
        }
        false
    }

    /// Puts one option where it belongs. `value` is present when the option takes one.
    pub(crate) fn apply(&mut self, entry: &Entry, value: Option<String>, origin: Origin) {
        let in_script = matches!(origin, Origin::Line(_));
        match entry.means {
            Meaning::Text(key) => match value {
                Some(value) if !value.is_empty() => {
                    let before = self.options.slot(key).replace(Given::new(value, origin));
                    if let Some(before) = before.filter(|_| in_script) {
                        self.warn(
                            origin,
                            key.name(),
                            format!("already given {}: the last one counts", before.origin.place()),
                        );
                    }
                }
                _ => self.missing(entry, origin),
            },
            Meaning::Toggle(Toggle::Hold) => self.options.hold = Some(Given::new(true, origin)),
            Meaning::Toggle(Toggle::Preemptible) => self.options.preemptible = Some(Given::new(true, origin)),
            Meaning::Toggle(Toggle::Requeue) => self.options.requeue = Some(Given::new(true, origin)),
            Meaning::Toggle(Toggle::NoRequeue) => self.options.requeue = Some(Given::new(false, origin)),
            Meaning::Client(client) if in_script => self.client_in_script(entry, client, origin),
            Meaning::Client(client) => self.client(client, value),
            Meaning::Ignored(what) => self.warn(origin, entry.long, format!("is ignored: {what}")),
            Meaning::Unsupported(instead) => {
                let message = format!("is not supported: {instead}");
                self.fault(Fault::new(origin, entry.long, FaultCode::UnsupportedOption, message));
            }
        }
    }

    fn client(&mut self, client: Client, value: Option<String>) {
        let flags = &mut self.client;
        match client {
            Client::Parsable => flags.parsable = true,
            Client::Wait => flags.wait = true,
            Client::Wrap => flags.wrap = value,
            Client::Quiet => flags.quiet = true,
            Client::Verbose => flags.verbose = flags.verbose.saturating_add(1),
            Client::TestOnly => flags.test_only = true,
            Client::Help => flags.help = true,
            Client::Version => flags.version = true,
        }
    }

    /// In a script, what only changes the client's talk is passed over; what would change what happens is refused.
    fn client_in_script(&mut self, entry: &Entry, client: Client, origin: Origin) {
        match client {
            Client::Parsable | Client::Wait | Client::Quiet | Client::Verbose => {
                self.warn(origin, entry.long, "is ignored: it has a meaning on the command line only");
            }
            Client::Wrap | Client::TestOnly | Client::Help | Client::Version => {
                let message = "has a meaning on the command line only: take it out of the script";
                self.fault(Fault::new(origin, entry.long, FaultCode::CommandLineOnly, message));
            }
        }
    }
}
