//! Functions and files may only be so long; the exceptions are listed in `ratchet.toml`, and the list may only shrink:
//! an entry which is no longer needed, or which has grown, is a fault just as a new excess is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::scan;
use crate::workspace::rust_sources;

/// Lines a function may have, `fn` to closing brace: what a tall window shows at once.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Lines a file under `crates/*/src` may have, tests included.
pub const FILE_LINES_MAX: usize = 600;

const LIST: &str = "crates/xtask/ratchet.toml";
const PREAMBLE: &str = "\
# Functions over 70 and files over 600 lines which are tolerated for now. The list may only shrink: an entry which is no
# longer needed fails the test as a new excess does. `lines` is the most it may have.
";

/// A function or a whole file which is longer than it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excess {
    /// Path relative to the repository's root.
    pub file: String,
    /// The function's name; `None` for the file as a whole.
    pub function: Option<String>,
    pub lines: usize,
}

impl fmt::Display for Excess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(name) => write!(out, "{}: fn {name} has {} lines, over {FUNCTION_LINES_MAX}", self.file, self.lines),
            None => write!(out, "{}: {} lines, over {FILE_LINES_MAX}", self.file, self.lines),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    file: Vec<Entry>,
    #[serde(default)]
    function: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    name: Option<String>,
    lines: usize,
}

type Key = (String, Option<String>);

/// Every function and file over its length, listed or not, sorted.
///
/// # Errors
/// When a source file cannot be read.
pub fn excesses(root: &Path) -> Result<Vec<Excess>> {
    let mut found = Vec::new();
    for path in rust_sources(root)? {
        let text = std::fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        found.extend(excesses_of(&path.to_string_lossy(), &text));
    }
    found.sort();
    Ok(found)
}

/// The excesses in one file's text. Of several functions of one name the longest counts.
pub fn excesses_of(file: &str, text: &str) -> Vec<Excess> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(Excess { file: file.to_owned(), function: None, lines });
    }
    if is_test_module(file) {
        return found;
    }
    let mut longest: BTreeMap<String, usize> = BTreeMap::new();
    for function in scan::functions(text).into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
        let known = longest.entry(function.name).or_default();
        *known = function.lines.max(*known);
    }
    let functions = longest.into_iter();
    found.extend(functions.map(|(name, lines)| Excess { file: file.to_owned(), function: Some(name), lines }));
    found
}

/// Whether a file is the outlined form of `#[cfg(test)] mod tests`, whose functions are not counted: `tests.rs` or
/// anything in a folder `tests`. A test reads as one story or one table, however long.
fn is_test_module(file: &str) -> bool {
    file.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// What differs between the sources and the list: new or grown excesses, and entries no longer needed.
///
/// # Errors
/// When a source file or the list cannot be read.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(LIST)).context(LIST)?;
    compare(&excesses(root)?, &text)
}

/// [`faults`] on given excesses and a given list's text.
///
/// # Errors
/// When the list does not parse.
pub fn compare(excesses: &[Excess], list: &str) -> Result<Vec<String>> {
    let list: List = toml::from_str(list).context(LIST)?;
    let mut tolerated: BTreeMap<Key, usize> = BTreeMap::new();
    for entry in list.file.into_iter().chain(list.function) {
        tolerated.insert((entry.path, entry.name), entry.lines);
    }
    let mut faults = Vec::new();
    for excess in excesses {
        match tolerated.remove(&(excess.file.clone(), excess.function.clone())) {
            Some(limit) if excess.lines <= limit => {}
            Some(limit) => faults.push(format!("{excess}; it was listed with {limit} and may only shrink")),
            None => faults.push(format!("{excess}; split it")),
        }
    }
    for (path, name) in tolerated.into_keys() {
        let what = name.map(|name| format!(" fn {name}")).unwrap_or_default();
        faults.push(format!("{LIST}: {path}{what} is no longer too long: remove the entry"));
    }
    Ok(faults)
}

/// Writes the list anew from what is there. For the reviewer's eye: new entries show in the diff.
///
/// # Errors
/// When a source file cannot be read or the list cannot be written.
pub fn accept(root: &Path) -> Result<()> {
    std::fs::write(root.join(LIST), render(&excesses(root)?)).context(LIST)
}

fn render(excesses: &[Excess]) -> String {
    let mut text = String::from(PREAMBLE);
    for Excess { file, function, lines } in excesses {
        text.push_str(&match function {
            Some(name) => format!("\n[[function]]\npath = \"{file}\"\nname = \"{name}\"\nlines = {lines}\n"),
            None => format!("\n[[file]]\npath = \"{file}\"\nlines = {lines}\n"),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn at_the_limit_is_fine_and_one_more_is_not() {
        assert_eq!(excesses_of("a.rs", &long_function(FUNCTION_LINES_MAX)), []);
        assert_eq!(
            excesses_of("crates/a/src/tests/b.rs", &long_function(FUNCTION_LINES_MAX + 1)),
            [],
            "tests may be long"
        );
        let over = excesses_of("a.rs", &long_function(FUNCTION_LINES_MAX + 1));
        assert_eq!(
            over,
            [Excess { file: "a.rs".into(), function: Some("long".into()), lines: FUNCTION_LINES_MAX + 1 }]
        );
        assert_eq!(excesses_of("a.rs", &"\n".repeat(FILE_LINES_MAX)), []);
        assert_eq!(excesses_of("a.rs", &"\n".repeat(FILE_LINES_MAX + 1)).len(), 1);
    }

    #[test]
    fn the_list_tolerates_exactly_what_it_names() {
        let excesses = excesses_of("a.rs", &long_function(80));
        let listed = render(&excesses);
        assert!(compare(&excesses, &listed).unwrap().is_empty());
        assert_eq!(compare(&excesses, "").unwrap().len(), 1, "not listed");
        let grown = excesses_of("a.rs", &long_function(81));
        assert!(compare(&grown, &listed).unwrap()[0].contains("may only shrink"));
        assert!(compare(&[], &listed).unwrap()[0].contains("remove the entry"));
        assert!(compare(&[], "[[function]]\npath = \"a\"\nwhy = 1").is_err());
    }
}
