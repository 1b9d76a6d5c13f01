//! Traces as files: plain or gzip, SWF or a dump of sacct, told apart by their first bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use clap::ValueEnum;
use flate2::bufread::MultiGzDecoder;
use sim::trace::{OnBad, Trace, TraceError, sacct, swf};

use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;

/// Bytes read at once.
const BUFFER: usize = 1 << 16;
/// Bad lines told one by one; of the rest only the number.
const BAD_LINES_TOLD: usize = 20;

/// What becomes of lines that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BadLines {
    Refuse,
    Skip,
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Standard Workload Format 2.2
    Swf,
    /// What `sacct --parsable2` prints
    Sacct,
}

impl BadLines {
    const fn rule(self) -> OnBad {
        match self {
            Self::Refuse => OnBad::Refuse,
            Self::Skip => OnBad::Skip,
        }
    }
}

/// Reads a trace; `-` is standard input. Lines that were passed over are told.
pub fn read(desk: &Desk, path: &str, format: Option<Format>, bad_lines: BadLines) -> Result<Trace, Fault> {
    let fault = |error| Fault::File { path: Path::new(path).to_owned(), source: error };
    let plain: Box<dyn Read> =
        if path == "-" { Box::new(std::io::stdin()) } else { Box::new(File::open(path).map_err(fault)?) };
    let mut plain = BufReader::with_capacity(BUFFER, plain);
    let zipped = plain.fill_buf().map_err(fault)?.starts_with(&[0x1f, 0x8b]);
    let mut text: Box<dyn BufRead> =
        if zipped { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain))) } else { Box::new(plain) };
    let format = match format {
        Some(format) => format,
        None => guess(text.fill_buf().map_err(fault)?),
    };
    let read = match format {
        Format::Swf => swf::read(text, bad_lines.rule()),
        Format::Sacct => sacct::read(text, bad_lines.rule()),
    };
    let trace = read.map_err(|error| match error {
        TraceError::Read(source) => fault(source),
        other => {
            let hint = if matches!(other, TraceError::Bad(_)) { Word::TraceRefused } else { Word::BadFile };
            Fault::Usage(hint, vec![("path", path.into()), ("why", other.to_string())])
        }
    })?;
    for bad in trace.bad.iter().take(BAD_LINES_TOLD) {
        desk.tell(Word::LinePassedOver, &[("path", path.into()), ("why", bad.to_string())]);
    }
    if trace.bad.len() > BAD_LINES_TOLD {
        desk.tell(Word::LinesPassedOver, &[("path", path.into()), ("n", trace.bad.len().to_string())]);
    }
    Ok(trace)
}

/// A dump of sacct begins with the names of its columns and bars between them.
fn guess(beginning: &[u8]) -> Format {
    let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !first.starts_with(b";") && first.contains(&b'|') { Format::Sacct } else { Format::Swf }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(guess(b"; Note: a|b\n1 2"), Format::Swf);
        assert_eq!(guess(b"1 0 3"), Format::Swf);
        assert_eq!(guess(b"JobID|User|Submit\n1|a|b"), Format::Sacct);
    }
}
