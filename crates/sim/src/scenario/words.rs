//! One line as words, read from the front. Knows no command.

use super::parse::{Name, ParseError};

/// What is left of a line.
pub(super) struct Words<'a>(pub(super) std::iter::Peekable<std::str::SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    pub(super) fn next(&mut self, what: &str) -> Result<&'a str, ParseError> {
        self.0.next().ok_or_else(|| ParseError::Missing(what.into()))
    }
    pub(super) fn value<T: std::str::FromStr>(&mut self, option: &str) -> Result<T, ParseError> {
        let value = self.next(option)?;
        value.parse().map_err(|_| bad(option, value))
    }
    pub(super) fn takes(&mut self, word: &str) -> bool {
        self.0.next_if_eq(&word).is_some()
    }
    pub(super) fn name(&mut self) -> Result<Name, ParseError> {
        name(self.next("a job")?)
    }
    pub(super) fn rest(&mut self) -> String {
        self.0.by_ref().collect::<Vec<_>>().join(" ")
    }
    pub(super) fn finish(&mut self) -> Result<(), ParseError> {
        self.0.next().map_or(Ok(()), |word| Err(ParseError::Word(word.into())))
    }
}

pub(super) fn bad(option: &str, value: &str) -> ParseError {
    ParseError::Value { option: option.into(), value: value.into() }
}

pub(super) fn name(text: &str) -> Result<Name, ParseError> {
    let Some((job, rest)) = text.split_once('[') else { return Ok(Name { job: text.into(), element: None }) };
    let index = rest.strip_suffix(']').and_then(|i| i.parse().ok()).ok_or_else(|| bad("a job", text))?;
    Ok(Name { job: job.into(), element: Some(index) })
}
