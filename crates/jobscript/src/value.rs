//! Reads the values of single options: counts, arrays, dependencies, signals, GPUs, exports, paths.
//! Each reader is a pure function of the text; what two options mean together is asked in `shape` and `resolve`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base::{Bytes, JobId, Span};
use model::pattern::PATTERNS_MAX;
use model::{
    ArraySpec, Chip, Constraint, DependencyKind, InterconnectAsk, ParseConstraintError, ParseInterconnectError,
    PriorityClass, ProductLine, SignalSpec, Switches,
};

use crate::fault::{FaultCode, quoted, shown};
use crate::limits::*;

/// Why a value cannot be accepted; its option and place are added by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub code: FaultCode,
    pub message: String,
}

impl Bad {
    pub(crate) fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
    fn value(message: impl Into<String>) -> Self {
        Self::new(FaultCode::BadValue, message)
    }
}

/// A whole number from `min` to `max`.
pub(crate) fn count(text: &str, min: u32, max: u32) -> Result<u32, Bad> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Bad::value(format!("{} is not a whole number: write for instance `{}`", quoted(text), min.max(4))));
    }
    match digits.parse::<u32>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(Bad::new(FaultCode::OutOfRange, format!("{} is out of range: {min} to {max}", quoted(text)))),
    }
}

/// `2`, or `2-2`. Slurm's ranges let the scheduler choose; here a job has one size.
pub(crate) fn nodes(text: &str) -> Result<u32, Bad> {
    let Some((low, high)) = text.split_once('-') else {
        return count(text, 1, NODES_MAX);
    };
    let (low, high) = (count(low, 1, NODES_MAX)?, count(high, 1, NODES_MAX)?);
    if low == high {
        return Ok(low);
    }
    let message = format!("the range {} is not supported: say one number, for instance `{low}`", quoted(text));
    Err(Bad::new(FaultCode::UnsupportedValue, message))
}

/// Memory of a node or a core; Slurm's `0` (all there is) is refused since placement works on amounts.
pub(crate) fn memory(text: &str) -> Result<Bytes, Bad> {
    let amount: Bytes = text.parse().map_err(|_| Bad::value(base::ParseQuantityError(shown(text)).to_string()))?;
    match amount {
        Bytes(0) => {
            let message = "`0` (all memory of the node) is not supported: say the amount, for instance `16G`";
            Err(Bad::new(FaultCode::UnsupportedValue, message))
        }
        _ if amount > MEMORY_PER_NODE_MAX => {
            let message = format!("{amount} is too much: at most {MEMORY_PER_NODE_MAX}");
            Err(Bad::new(FaultCode::OutOfRange, message))
        }
        _ => Ok(amount),
    }
}

pub(crate) fn time_limit(text: &str) -> Result<Span, Bad> {
    if ["unlimited", "infinite", "-1"].contains(&text.trim().to_ascii_lowercase().as_str()) {
        let message = format!("{} is not supported: every job has a limit, for instance `24:00:00`", quoted(text));
        return Err(Bad::new(FaultCode::UnsupportedValue, message));
    }
    let span: Span = text.parse().map_err(|_| Bad::value(base::ParseSpanError(shown(text)).to_string()))?;
    if span <= Span::ZERO || span > TIME_LIMIT_MAX {
        let max = TIME_LIMIT_MAX.as_secs() / 86_400;
        let message = format!("{} is out of range: more than 0 and at most {max} days", quoted(text));
        return Err(Bad::new(FaultCode::OutOfRange, message));
    }
    Ok(span)
}

/// `0-9:2%4`, `1,3,5-7`: ascending indices without repetition.
pub(crate) fn array(text: &str) -> Result<ArraySpec, Bad> {
    let (list, limit) = match text.split_once('%') {
        Some((list, limit)) => (list, Some(array_number(limit, text, 1)?)),
        None => (text, None),
    };
    let mut indices = BTreeSet::new();
    for part in list.split(',') {
        let (range, step) = match part.split_once(':') {
            Some((range, step)) if range.contains('-') => (range, array_number(step, text, 1)?),
            Some(_) => return Err(not_an_array(text)),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (array_number(first, text, 0)?, array_number(last, text, 0)?),
            None => (array_number(range, text, 0)?, array_number(range, text, 0)?),
        };
        if last < first {
            return Err(Bad::value(format!("the range {} runs backwards: write `{last}-{first}`", quoted(part))));
        }
        // Counted before it is written out, so that no text makes a long loop.
        if (last - first) / step >= ARRAY_SIZE_MAX {
            return Err(too_many_elements());
        }
        indices.extend((first..=last).step_by(step as usize));
        if indices.len() > ARRAY_SIZE_MAX as usize {
            return Err(too_many_elements());
        }
    }
    Ok(ArraySpec { indices: indices.into_iter().collect(), limit })
}

fn too_many_elements() -> Bad {
    let message = format!("the array has more than {ARRAY_SIZE_MAX} elements: let each element do several pieces");
    Bad::new(FaultCode::TooMany, message)
}

fn not_an_array(text: &str) -> Bad {
    Bad::value(format!(
        "{} is not a list of indices: write for instance `0-9`, `1,3,5-7`, `0-9:2` or `0-99%4`",
        quoted(text)
    ))
}

fn array_number(digits: &str, whole: &str, min: u32) -> Result<u32, Bad> {
    let digits = digits.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_an_array(whole));
    }
    count(digits, min, ARRAY_INDEX_MAX)
}

/// Another job as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobRef {
    /// `123`: a job, or a whole array.
    Number(u64),
    /// `123_4`: one element of an array.
    Element(u64, u32),
    /// `job_…`.
    Id(JobId),
}

/// Why a text names no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a job: write its number (`123`, `123_4` for an element of an array) or its id (`job_…`)", quoted(.0))]
pub struct ParseJobRefError(pub String);

impl FromStr for JobRef {
    type Err = ParseJobRefError;
    fn from_str(text: &str) -> Result<JobRef, ParseJobRefError> {
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        let read = || {
            if let Ok(id) = text.parse() {
                return Some(JobRef::Id(id));
            }
            match text.split_once('_') {
                Some((root, index)) if digits(root) && digits(index) => {
                    Some(JobRef::Element(root.parse().ok()?, index.parse().ok()?))
                }
                None if digits(text) => Some(JobRef::Number(text.parse().ok()?)),
                _ => None,
            }
        };
        read().ok_or_else(|| ParseJobRefError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Element(root, index) => write!(f, "{root}_{index}"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// `afterok:12:13,afterany:14`, without repetition and in order.
pub(crate) fn dependencies(text: &str) -> Result<Vec<(DependencyKind, JobRef)>, Bad> {
    if text.contains('?') {
        let message = "`?` (any one of several) is not supported: join with `,`, then all of them must hold";
        return Err(Bad::new(FaultCode::UnsupportedValue, message));
    }
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let mut words = part.trim().split(':');
        let name = words.next().unwrap_or_default();
        let kind = match name {
            "afterok" => DependencyKind::AfterOk,
            "afterany" => DependencyKind::AfterAny,
            "afternotok" => DependencyKind::AfterNotOk,
            "after" | "aftercorr" | "afterburstbuffer" | "expand" | "singleton" => {
                let message = format!("`{name}` is not supported: write `afterok`, `afterany` or `afternotok`");
                return Err(Bad::new(FaultCode::UnsupportedValue, message));
            }
            _ => return Err(Bad::value(format!("{} is not a dependency: write `afterok:123`", quoted(part)))),
        };
        let before = found.len();
        let mut named = false;
        for job in words {
            let job: JobRef = job.parse().map_err(|e: ParseJobRefError| Bad::value(e.to_string()))?;
            found.insert((kind, job));
            named = true;
            if found.len() > DEPENDENCIES_MAX {
                return Err(Bad::new(FaultCode::TooMany, format!("more than {DEPENDENCIES_MAX} jobs to wait for")));
            }
        }
        if found.len() == before && !named {
            return Err(Bad::value(format!("`{name}` names no job: write `{name}:123`")));
        }
    }
    Ok(found.into_iter().collect())
}

/// Linux' numbers of the signals that a batch job may be warned with.
const SIGNALS: [(&str, i32); 18] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("USR1", 10),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
];

/// `[B:]signal[@seconds]` with a name (`USR1`, `SIGUSR1`) or a number.
pub(crate) fn signal(text: &str) -> Result<SignalSpec, Bad> {
    let (shell_only, rest) = match text.split_once(':') {
        None => (false, text),
        Some(("B" | "b", rest)) => (true, rest),
        Some((flags, _)) if !flags.is_empty() && flags.chars().all(|c| "RBrb".contains(c)) => {
            let message = "`R` (only when a reservation needs the nodes) is not supported: leave it out";
            return Err(Bad::new(FaultCode::UnsupportedValue, message));
        }
        Some(_) => return Err(not_a_signal(text)),
    };
    let (name, seconds) = match rest.split_once('@') {
        Some((name, seconds)) => (name, count(seconds, 0, SIGNAL_SECONDS_MAX)?),
        None => (rest, SIGNAL_SECONDS_DEFAULT),
    };
    let upper = name.trim().to_ascii_uppercase();
    let named = SIGNALS.iter().find(|s| s.0 == upper.strip_prefix("SIG").unwrap_or(&upper)).map(|s| s.1);
    let signal = match named {
        Some(signal) => signal,
        None if upper.bytes().all(|b| b.is_ascii_digit()) && !upper.is_empty() => count(&upper, 1, 64)? as i32,
        None => return Err(not_a_signal(text)),
    };
    Ok(SignalSpec { signal, before: Span::from_secs(i64::from(seconds)), shell_only })
}

fn not_a_signal(text: &str) -> Bad {
    Bad::value(format!("{} is not a signal: write for instance `USR1@120` or `B:TERM@60`", quoted(text)))
}

/// A number of GPUs and, where it was said, of which chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpus {
    pub count: u32,
    pub chip: Option<Chip>,
}

/// `4` or `a100:4`; `max` bounds the count.
pub(crate) fn gpus(text: &str, max: u32) -> Result<Gpus, Bad> {
    if text.contains(',') {
        return Err(Bad::new(FaultCode::UnsupportedValue, "several chips in one job are not supported: name one"));
    }
    match text.split_once(':') {
        Some((name, number)) => Ok(Gpus { count: count(number, 0, max)?, chip: Some(chip(name)?) }),
        None if text.bytes().any(|b| b.is_ascii_alphabetic()) => {
            Err(Bad::value(format!("{} is not a number of GPUs: write `2` or `a100:2`", quoted(text))))
        }
        None => Ok(Gpus { count: count(text, 0, max)?, chip: None }),
    }
}

/// `gpu`, `gpu:2`, `gpu:a100`, `gpu:a100:2`, `none`: per node, GPUs only.
pub(crate) fn gres(text: &str) -> Result<Gpus, Bad> {
    if text == "none" {
        return Ok(Gpus { count: 0, chip: None });
    }
    if text.contains(',') {
        return Err(Bad::new(FaultCode::UnsupportedValue, "several resources are not supported: name one, `gpu:…`"));
    }
    let parts: Vec<&str> = text.split([':', '=']).collect();
    let number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    match parts[..] {
        ["gpu"] => Ok(Gpus { count: 1, chip: None }),
        ["gpu", n] if number(n) => gpus(n, GPUS_PER_NODE_MAX),
        ["gpu", name] => Ok(Gpus { count: 1, chip: Some(chip(name)?) }),
        ["gpu", name, n] => Ok(Gpus { count: count(n, 0, GPUS_PER_NODE_MAX)?, chip: Some(chip(name)?) }),
        ["gpu", ..] => Err(Bad::value(format!("{} is too long: write `gpu:a100:2`", quoted(text)))),
        _ => {
            let message =
                format!("{} is not supported: only GPUs are counted, write `gpu:2` or `gpu:a100:2`", quoted(text));
            Err(Bad::new(FaultCode::UnsupportedValue, message))
        }
    }
}

/// A chip's name in whatever case.
fn chip(text: &str) -> Result<Chip, Bad> {
    text.trim().to_ascii_lowercase().parse().map_err(|_| Bad::value(model::ParseChipError(shown(text)).to_string()))
}

/// `a100|ascend-910b`, also with `,`: in name order, without repetition.
pub(crate) fn chips(text: &str) -> Result<Vec<Chip>, Bad> {
    let found: BTreeSet<Chip> = text.split(['|', ',']).map(chip).collect::<Result<_, _>>()?;
    if found.len() > CHIPS_MAX {
        return Err(Bad::new(FaultCode::TooMany, format!("more than {CHIPS_MAX} chips: name fewer, or none for any")));
    }
    Ok(found.into_iter().collect())
}

/// A product line that runs batch jobs.
pub(crate) fn line(text: &str) -> Result<ProductLine, Bad> {
    match text.trim().to_ascii_lowercase().as_str() {
        "general" => Ok(ProductLine::General),
        "industry" => Ok(ProductLine::Industry),
        "ai" => Ok(ProductLine::Ai),
        "render" => Ok(ProductLine::Render),
        "maas" | "lease" => {
            let message =
                format!("{} is not sold as batch jobs: write `general`, `industry`, `ai` or `render`", quoted(text));
            Err(Bad::new(FaultCode::UnsupportedValue, message))
        }
        _ => Err(Bad::value(format!(
            "{} is not a product line: write `general`, `industry`, `ai` or `render`",
            quoted(text)
        ))),
    }
}

pub(crate) fn class(text: &str) -> Result<PriorityClass, Bad> {
    PriorityClass::parse(&text.trim().to_ascii_lowercase()).ok_or_else(|| {
        let names: Vec<String> = PriorityClass::ALL.iter().map(|c| format!("`{}`", c.as_str())).collect();
        Bad::value(format!("{} is not a class: write {}", quoted(text), names.join(", ")))
    })
}

/// A name of a pool or a project.
pub(crate) fn name(text: &str) -> Result<Arc<str>, Bad> {
    let text = text.trim();
    if model::people::valid_name(text) {
        return Ok(text.into());
    }
    let message = format!("{} is not a name: 1 to 40 lower-case letters, digits, `-`, `_` or `.`", quoted(text));
    Err(Bad::value(message))
}

/// Comma-separated names of pools in the given order, without repetition.
pub(crate) fn pools(text: &str) -> Result<Vec<Arc<str>>, Bad> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let pool = name(part)?;
        if !found.contains(&pool) {
            found.push(pool);
        }
        if found.len() > POOLS_MAX {
            return Err(Bad::new(
                FaultCode::TooMany,
                format!("more than {POOLS_MAX} pools: name fewer, or none for any"),
            ));
        }
    }
    Ok(found)
}

/// Comma-separated patterns of files, without repetition.
pub(crate) fn fetch(text: &str) -> Result<Vec<Arc<str>>, Bad> {
    let mut found: Vec<Arc<str>> = Vec::new();
    for part in text.split(',').map(str::trim) {
        if let Some(fault) = model::pattern::fault(part) {
            return Err(Bad::value(format!("{}: {fault}", quoted(part))));
        }
        if !found.iter().any(|known| **known == *part) {
            found.push(part.into());
        }
        if found.len() > PATTERNS_MAX {
            return Err(Bad::new(FaultCode::TooMany, format!("more than {PATTERNS_MAX} patterns: name a folder")));
        }
    }
    Ok(found)
}

pub(crate) fn constraint(text: &str) -> Result<Constraint, Bad> {
    text.parse().map_err(|e: ParseConstraintError| Bad::value(format!("{}: {e}", quoted(text))))
}

/// `lammps/2Aug2023`.
pub(crate) fn app(text: &str) -> Result<Arc<str>, Bad> {
    let text = text.trim();
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'/' | b'@');
    if (1..=APP_MAX).contains(&text.len()) && text.bytes().all(fine) {
        return Ok(text.into());
    }
    let message = format!(
        "{} is not an application: write its name and version such as `lammps/2Aug2023`, 1 to {APP_MAX} letters, digits, `.`, \
         `_`, `+`, `@`, `-` and `/`",
        quoted(text)
    );
    Err(Bad::value(message))
}

/// `cn-east,site-3`, also with `|`: in name order, without repetition.
pub(crate) fn regions(text: &str) -> Result<Vec<Arc<str>>, Bad> {
    let mut found: BTreeSet<Arc<str>> = BTreeSet::new();
    for part in text.split(['|', ',']).map(str::trim) {
        let fine = !part.is_empty() && part.chars().count() <= REGION_MAX && !part.contains(char::is_control);
        if !fine {
            let message = format!("{} is not a region or a site: 1 to {REGION_MAX} characters", quoted(part));
            return Err(Bad::value(message));
        }
        found.insert(part.into());
    }
    if found.len() > REGIONS_MAX {
        return Err(Bad::new(FaultCode::TooMany, format!("more than {REGIONS_MAX} regions: name fewer")));
    }
    Ok(found.into_iter().collect())
}

/// `infiniband`, `200G`, `roce:200G`.
pub(crate) fn interconnect(text: &str) -> Result<InterconnectAsk, Bad> {
    text.parse().map_err(|_| Bad::value(ParseInterconnectError::Asked(shown(text)).to_string()))
}

/// `1`, or `2@30:00`: how long a cluster may insist on it.
pub(crate) fn switches(text: &str) -> Result<Switches, Bad> {
    let (number, patience) = text.split_once('@').map_or((text, None), |(n, time)| (n, Some(time)));
    let count = count(number, 1, NODES_MAX)?;
    Ok(Switches { count, patience: patience.map(time_limit).transpose()? })
}

/// A name that somebody else gave: at a site, in Slurm's characters.
pub(crate) fn site_name(text: &str) -> Result<Arc<str>, Bad> {
    let text = text.trim();
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@' | b'+');
    if (1..=SITE_NAME_MAX).contains(&text.len()) && text.bytes().all(fine) && !text.starts_with('-') {
        return Ok(text.into());
    }
    let message =
        format!("{} is not a name: 1 to {SITE_NAME_MAX} letters, digits, `-`, `_`, `.`, `@` or `+`", quoted(text));
    Err(Bad::value(message))
}

/// `ansys:4,matlab`, by name in order; the same name twice is added up.
pub(crate) fn licences(text: &str) -> Result<Vec<(Arc<str>, u32)>, Bad> {
    let mut found: std::collections::BTreeMap<Arc<str>, u32> = std::collections::BTreeMap::new();
    for part in text.split(',') {
        if part.contains('|') {
            let message =
                format!("{} is not supported: name one licence, not several of which one will do", quoted(part));
            return Err(Bad::new(FaultCode::UnsupportedValue, message));
        }
        let (name, number) = match part.split_once([':', '=']) {
            Some((name, number)) => (name, count(number, 1, LICENCES_MAX)?),
            None => (part, 1),
        };
        let sum = found.entry(site_name(name)?).or_default();
        *sum = (*sum + number).min(LICENCES_MAX);
        if found.len() > LICENCE_NAMES_MAX {
            return Err(Bad::new(FaultCode::TooMany, format!("more than {LICENCE_NAMES_MAX} licences: name fewer")));
        }
    }
    Ok(found.into_iter().collect())
}

/// A text on one line of at most `max` bytes.
pub(crate) fn one_line(text: &str, max: usize) -> Result<Arc<str>, Bad> {
    if text.len() > max {
        return Err(Bad::new(FaultCode::TooLong, format!("has {} bytes, at most {max} are accepted", text.len())));
    }
    if text.trim().is_empty() {
        return Err(Bad::value("is empty: leave the option out or write something"));
    }
    if text.chars().any(char::is_control) {
        return Err(Bad::value(format!("{} contains a line break or a control character: take it out", quoted(text))));
    }
    Ok(text.into())
}

/// A file name pattern whose `%` are all known.
pub(crate) fn pattern(text: &str) -> Result<Arc<str>, Bad> {
    let checked = one_line(text, PATH_BYTES_MAX)?;
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        rest = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(letter) = rest.chars().next().filter(|c| "jAaxuNnt%".contains(*c)) else {
            let message = format!(
                "`%{}` is not known: write %j, %A, %a, %x, %u, %N, %n, %t, or %% for a plain one",
                rest.chars().next().map(String::from).unwrap_or_default().escape_debug()
            );
            return Err(Bad::value(message));
        };
        rest = &rest[letter.len_utf8()..];
    }
    Ok(checked)
}

/// True for `append`.
pub(crate) fn open_mode(text: &str) -> Result<bool, Bad> {
    match text.trim() {
        "append" | "a" => Ok(true),
        "truncate" | "t" => Ok(false),
        _ => Err(Bad::value(format!("{} is not a mode: write `append` or `truncate`", quoted(text)))),
    }
}

/// What `--export` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Export {
    pub all: bool,
    pub none: bool,
    /// Names with the value to set, or with `None` for the submitter's, in the order given.
    pub entries: Vec<(String, Option<String>)>,
}

/// `ALL`, `NONE`, `NIL`, `ALL,A=1`, `A=1,B`; a value in single or double quotes may contain commas.
pub(crate) fn export(text: &str) -> Result<Export, Bad> {
    let mut found = Export::default();
    for item in unquoted_commas(text)? {
        match item.split_once('=') {
            None if item.eq_ignore_ascii_case("all") => found.all = true,
            None if item.eq_ignore_ascii_case("none") || item.eq_ignore_ascii_case("nil") => found.none = true,
            None => found.entries.push((variable(&item)?, None)),
            Some((name, value)) => found.entries.push((variable(name)?, Some(value.into()))),
        }
    }
    if found.none && (found.all || !found.entries.is_empty()) {
        let message = format!("{} contradicts itself: `NONE` stands alone", quoted(text));
        return Err(Bad::new(FaultCode::Contradiction, message));
    }
    Ok(found)
}

fn variable(name: &str) -> Result<String, Bad> {
    let head = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if head && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(name.into());
    }
    Err(Bad::value(format!("{} is not a name of a variable: write `ALL`, `NONE` or `ALL,NAME=value`", quoted(name))))
}

/// Splits at commas outside quotes and takes the quotes away.
fn unquoted_commas(text: &str) -> Result<Vec<String>, Bad> {
    let mut items = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == ',' => items.push(String::new()),
            _ => items.last_mut().expect("never empty").push(c),
        }
    }
    match quote {
        Some(q) => Err(Bad::value(format!("the quote {q} is never closed in {}: close it", quoted(text)))),
        None => Ok(items),
    }
}
