//! What a command has to show: one value, rendered as aligned tables for a terminal, as bare lines for a pipe, or as the
//! JSON of the wire. Knows no command and asks nobody.

pub mod cell;
mod render;
#[cfg(test)]
pub mod tests_support;

use serde::Serialize;

pub use cell::Cell;
pub use render::Look;

use crate::exit::Exit;
use crate::text::Word;

/// Rows under headings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Stands before each bare line when the view has several parts.
    pub tag: &'static str,
    pub heads: Vec<Word>,
    pub rows: Vec<Vec<Cell>>,
}

/// A part of a view.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Title(Word),
    Table(Table),
    /// Names and values; empty values are left out.
    Facts(Vec<(Word, Cell)>),
    /// Shown as it is: a script, a token.
    Text(String),
}

/// What one command shows and ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub parts: Vec<Part>,
    /// The wire type as JSON text.
    pub json: Option<String>,
    /// Told on standard error, whatever the rendering.
    pub notes: Vec<String>,
    pub exit: Exit,
}

impl View {
    /// Shows nothing (more).
    pub fn done(exit: Exit) -> View {
        View { parts: Vec::new(), json: None, notes: Vec::new(), exit }
    }
    pub fn of<T: Serialize>(value: &T, parts: Vec<Part>) -> View {
        View { parts, json: Some(to_json(value)), notes: Vec::new(), exit: Exit::Ok }
    }
    pub fn table<T: Serialize>(value: &T, table: Table) -> View {
        View::of(value, vec![Part::Table(table)])
    }
    pub fn facts<T: Serialize>(value: &T, facts: Vec<(Word, Cell)>) -> View {
        View::of(value, vec![Part::Facts(facts)])
    }
    pub fn text(text: impl Into<String>) -> View {
        View { parts: vec![Part::Text(text.into())], ..View::done(Exit::Ok) }
    }
    /// The JSON of `value`, and `note` for people.
    pub fn note<T: Serialize>(value: &T, note: String) -> View {
        View { json: Some(to_json(value)), notes: vec![note], ..View::done(Exit::Ok) }
    }
    pub fn and(mut self, note: impl Into<String>) -> View {
        self.notes.push(note.into());
        self
    }
}

impl Table {
    pub fn new(tag: &'static str, heads: &[Word]) -> Table {
        Table { tag, heads: heads.to_vec(), rows: Vec::new() }
    }
    pub fn with(mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> Table {
        self.rows.extend(rows);
        self
    }
}

/// The JSON of a wire type. Wire types are plain data with text keys: writing them cannot fail.
pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
