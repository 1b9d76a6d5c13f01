//! Reads the `#SBATCH` and `#HW` lines of a script, which count only before its first command.
//! Refuses what cannot run at all: no interpreter line, DOS line breaks, zero bytes, too much text.

use crate::args::Sink;
use crate::fault::{Fault, FaultCode, Origin, quoted};
use crate::limits::SCRIPT_BYTES_MAX;
use crate::options::Parsed;
use crate::table::{self, Found, Meaning};
use crate::words;

/// Reads a script. Every line's options carry [`Origin::Line`]; the text itself is kept in the result.
/// Errors: every fault found (at most [`crate::limits::FAULTS_MAX`]), in the order of lines.
pub fn parse_script(text: &str) -> Result<Parsed, Vec<Fault>> {
    if let Some(fault) = unfit(text) {
        return Err(vec![fault]);
    }
    let mut sink = Sink::default();
    let mut command_seen = false;
    for (index, line) in text.split('\n').enumerate() {
        let origin = Origin::Line(u32::try_from(index + 1).unwrap_or(u32::MAX));
        match (Line::of(line), command_seen) {
            (Line::Slurm(_) | Line::Own(_), true) => {
                sink.warn(origin, "", "is ignored: options count only before the first command");
            }
            (_, true) | (Line::Blank | Line::Comment, false) => {}
            (Line::Slurm(rest), false) => directive(&mut sink, rest, origin),
            (Line::Own(rest), false) => own(&mut sink, rest, origin),
            (Line::Near(why), false) => sink.warn(origin, "", format!("is ignored: {why}")),
            (Line::Command, false) => command_seen = true,
        }
        if sink.full() {
            break;
        }
    }
    let (parsed, _) = sink.finish()?;
    Ok(Parsed { script: Some(text.into()), ..parsed })
}

/// The script that `--wrap=COMMAND` stands for.
pub fn wrap_script(command: &str) -> String {
    format!("#!/bin/sh\n# Written by --wrap.\n\n{command}\n")
}

/// Why the text as a whole cannot be a script. Messages follow sbatch's own.
fn unfit(text: &str) -> Option<Fault> {
    let fault = |line, code, message: String| Some(Fault::new(Origin::Line(line), "", code, message));
    let line_of = |at: usize| u32::try_from(text[..at].matches('\n').count() + 1).unwrap_or(u32::MAX);
    if text.len() > SCRIPT_BYTES_MAX {
        let message = format!(
            "the script has {} bytes, at most {SCRIPT_BYTES_MAX} are accepted: keep data in files beside it",
            text.len()
        );
        return fault(1, FaultCode::ScriptTooLarge, message);
    }
    if text.trim().is_empty() {
        return fault(
            1,
            FaultCode::ScriptEmpty,
            "the script is empty: write at least `#!/bin/bash` and a command".into(),
        );
    }
    if let Some(at) = text.find('\0') {
        let message = "the script contains a zero byte: it must be a text, not a program";
        return fault(line_of(at), FaultCode::ScriptNulCharacter, message.into());
    }
    if let Some(at) = text.find("\r\n") {
        let message = "the script contains DOS line breaks (\\r\\n) instead of UNIX line breaks (\\n): convert it with `dos2unix`";
        return fault(line_of(at), FaultCode::ScriptDosLineBreaks, message.into());
    }
    let first = text.split('\n').next().unwrap_or_default();
    if first.strip_prefix("#!").is_none_or(|interpreter| interpreter.trim().is_empty()) {
        let message = "this does not look like a batch script: the first line must start with `#!` followed by the path \
                       to an interpreter, for instance `#!/bin/bash`";
        let found = fault(1, FaultCode::ScriptWithoutInterpreter, message.into());
        return match first.starts_with('\u{feff}') {
            true => found.map(|f| f.hint("the file begins with a byte order mark: save it as UTF-8 without one")),
            false => found,
        };
    }
    None
}

/// What one line is.
enum Line<'a> {
    Blank,
    Comment,
    /// `#SBATCH` and what follows.
    Slurm(&'a str),
    /// `#HW` and what follows.
    Own(&'a str),
    /// A comment that was probably meant as options, and why it is none.
    Near(&'static str),
    Command,
}

impl Line<'_> {
    fn of(line: &str) -> Line<'_> {
        if let Some(rest) = after_word(line, "#SBATCH") {
            return Line::Slurm(rest);
        }
        if let Some(rest) = after_word(line, "#HW") {
            return Line::Own(rest);
        }
        let text = line.trim();
        match text.strip_prefix('#') {
            None if text.is_empty() => Line::Blank,
            None => Line::Command,
            Some(comment) => near(line, comment).map_or(Line::Comment, Line::Near),
        }
    }
}

/// The rest behind `word` when white space, an option or nothing follows it.
fn after_word<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with('-') || rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn near(line: &str, comment: &str) -> Option<&'static str> {
    let word = comment.split(|c: char| c.is_whitespace() || c == '-').next()?;
    match word {
        "PBS" | "BSUB" | "LSF" | "$" => Some("options of other schedulers are not read; write `#SBATCH`"),
        "SBATCH" | "HW" if line.starts_with(char::is_whitespace) => Some("`#` must be the first character of the line"),
        _ if word.eq_ignore_ascii_case("SBATCH") && word != "SBATCH" => Some("write `#SBATCH` in capitals"),
        _ => None,
    }
}

fn directive(sink: &mut Sink, rest: &str, origin: Origin) {
    match words::split(rest) {
        Ok(words) => _ = sink.take(&words, origin),
        Err(quote) => sink.fault(unmatched(quote, rest, origin)),
    }
}

fn unmatched(quote: char, rest: &str, origin: Origin) -> Fault {
    let message = format!("the quote {quote} is never closed in {}: close it, or write \\{quote}", quoted(rest.trim()));
    Fault::new(origin, "", FaultCode::UnmatchedQuote, message)
}

/// `#HW name=value …`: the product's own options, with or without dashes.
fn own(sink: &mut Sink, rest: &str, origin: Origin) {
    let words = match words::split(rest) {
        Ok(words) => words,
        Err(quote) => return sink.fault(unmatched(quote, rest, origin)),
    };
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (word.as_str(), None),
        };
        let name = name.trim_start_matches('-');
        match table::by_long(name) {
            Found::Entry(entry)
                if matches!(entry.means, Meaning::Toggle(_)) && value.is_some() && table::is_own(entry.long) =>
            {
                let message = "takes no value: write it alone, or leave it out".to_owned();
                sink.fault(Fault::new(origin, entry.long, FaultCode::UnsupportedValue, message));
            }
            Found::Entry(entry) if table::is_own(entry.long) => sink.apply(entry, value, origin),
            Found::Entry(entry) if matches!(entry.means, Meaning::Text(_) | Meaning::Toggle(_)) => {
                let message = format!("belongs to Slurm: write `#SBATCH --{}`", entry.long);
                sink.fault(Fault::new(origin, entry.long, FaultCode::UnknownOption, message));
            }
            _ => {
                let message = format!(
                    "{} is not an option of `#HW`: write `app=…`, `checkpoint=…`, `checkpoint-interval=…`, `chip=…`, \
                     `fetch=…`, `interconnect=…`, `line=…`, `preemptible` or `region=…`",
                    quoted(&word)
                );
                sink.fault(Fault::new(origin, "", FaultCode::UnknownOption, message));
            }
        }
    }
}
