//! Steps through the event log of a failed run: `replay_log FILE [--from N] [--count N] [--grep TEXT] [--short]`.
//! Reads one file and prints; knows nothing of what the entries mean.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a viewer for a terminal")]

use std::process::ExitCode;

struct Wanted {
    file: String,
    from: u64,
    count: usize,
    grep: Option<String>,
    short: bool,
}

fn wanted() -> Option<Wanted> {
    let mut words = std::env::args().skip(1);
    let mut wanted = Wanted { file: words.next()?, from: 1, count: usize::MAX, grep: None, short: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--from" => wanted.from = words.next()?.parse().ok()?,
            "--count" => wanted.count = words.next()?.parse().ok()?,
            "--grep" => wanted.grep = Some(words.next()?),
            "--short" => wanted.short = true,
            _ => return None,
        }
    }
    Some(wanted)
}

fn main() -> ExitCode {
    let Some(wanted) = wanted() else {
        eprintln!("usage: replay_log FILE [--from STEP] [--count STEPS] [--grep TEXT] [--short]");
        return ExitCode::from(2);
    };
    let entries = match std::fs::read_to_string(&wanted.file).map(|text| sim::Log::parse(&text)) {
        Ok(Ok(entries)) => entries,
        Ok(Err((line, error))) => {
            eprintln!("{}: line {line}: {error}", wanted.file);
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("{}: {error}", wanted.file);
            return ExitCode::FAILURE;
        }
    };
    let has = |text: &str| wanted.grep.as_ref().is_none_or(|g| text.contains(g.as_str()));
    let chosen = entries.iter().filter(|e| e.step >= wanted.from);
    let chosen = chosen.filter(|e| has(&e.text) || e.details.iter().any(|d| has(d)));
    for entry in chosen.take(wanted.count) {
        println!("{:>6}  {}  {:<9}  {}", entry.step, entry.at, entry.kind, entry.text);
        for detail in entry.details.iter().filter(|d| !wanted.short && has(d)) {
            println!("        {detail}");
        }
    }
    ExitCode::SUCCESS
}
