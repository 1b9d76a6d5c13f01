//! Slurm's three ways to choose columns, and the lines they make: `-o "%.10i %j"` (squeue, sinfo), `-O jobid:10,name` (squeue) and
//! `--format=JobID%10,State` (sacct). Knows no field's meaning: a field is a code, its text comes from the caller.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Most columns of one format; Slurm has about a hundred field names.
const PIECES_MAX: usize = 200;
/// Widest column in characters.
const WIDTH_MAX: usize = 10_000;

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<F> {
    Text(String),
    Field { field: F, right: bool, width: Option<usize> },
}

/// Why a format is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    #[error("`%{0}` is not a field of this command")]
    UnknownCode(char),
    #[error("`{0}` is not a field of this command")]
    UnknownName(String),
    #[error("the format ends behind a `%`")]
    Unfinished,
    #[error("`{0}` is not a width")]
    Width(String),
    #[error("the format has more than {PIECES_MAX} fields")]
    TooLong,
}

/// Reads `%[[.]size]code` with any text between. `known` says which codes there are.
pub fn percent(text: &str, known: impl Fn(char) -> bool) -> Result<Vec<Piece<char>>, FormatFault> {
    let mut pieces: Vec<Piece<char>> = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            plain.push('%');
            continue;
        }
        let right = chars.next_if_eq(&'.').is_some();
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        let width = if digits.is_empty() { None } else { Some(width_of(&digits)?) };
        let field = chars.next().ok_or(FormatFault::Unfinished)?;
        if !known(field) {
            return Err(FormatFault::UnknownCode(field));
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Field { field, right, width });
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    if pieces.len() > PIECES_MAX { Err(FormatFault::TooLong) } else { Ok(pieces) }
}

/// Default width of a column of `-O`.
const LONG_WIDTH: usize = 20;

/// Reads `name[:[.][size]],…`. `find` gives the field of a name in lower case.
pub fn long<F>(text: &str, find: impl Fn(&str) -> Option<F>) -> Result<Vec<Piece<F>>, FormatFault> {
    let mut pieces = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, spec) = item.split_once(':').unwrap_or((item, ""));
        let (right, digits) = match spec.strip_prefix('.') {
            Some(digits) => (true, digits),
            None => (false, spec),
        };
        let width = if digits.is_empty() { LONG_WIDTH } else { width_of(digits)? };
        let field = find(&name.to_ascii_lowercase()).ok_or_else(|| FormatFault::UnknownName(short(name)))?;
        pieces.push(Piece::Field { field, right, width: Some(width) });
    }
    if pieces.len() > PIECES_MAX { Err(FormatFault::TooLong) } else { Ok(pieces) }
}

/// Reads sacct's `name[%[-]size],…`: right-justified unless the size is negative. `find` gives the field of a name in lower case
/// with its usual size, negative for a field that is left-justified by itself.
pub fn sacct<F>(text: &str, find: impl Fn(&str) -> Option<(F, isize)>) -> Result<Vec<Piece<F>>, FormatFault> {
    let mut pieces = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, size) = item.split_once('%').unwrap_or((item, ""));
        let (field, usual) = find(&name.to_ascii_lowercase()).ok_or_else(|| FormatFault::UnknownName(short(name)))?;
        let (right, digits) = match size.strip_prefix('-') {
            Some(digits) => (false, digits),
            None => (usual > 0 || !size.is_empty(), size),
        };
        let width = if digits.is_empty() { usual.unsigned_abs() } else { width_of(digits)? };
        pieces.push(Piece::Field { field, right, width: Some(width) });
    }
    if pieces.len() > PIECES_MAX { Err(FormatFault::TooLong) } else { Ok(pieces) }
}

fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

fn width_of(digits: &str) -> Result<usize, FormatFault> {
    digits.parse().ok().filter(|width| *width <= WIDTH_MAX).ok_or_else(|| FormatFault::Width(short(digits)))
}

/// One line: every field in its width, cut where it is longer, without blanks at its end.
pub fn line<F>(pieces: &[Piece<F>], text: impl Fn(&F) -> String) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(plain) => out.push_str(plain),
            Piece::Field { field, right, width } => {
                let text = one_line(&text(field));
                out.push_str(&match width {
                    Some(width) => fit(&text, *width, *right),
                    None => text,
                });
            }
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}

/// sacct's lines in columns: a blank between fields, `+` at the end of what was cut.
pub fn columns<F>(pieces: &[Piece<F>], text: impl Fn(&F) -> String) -> String {
    let mut cells = Vec::new();
    for piece in pieces {
        if let Piece::Field { field, right, width } = piece {
            let text = one_line(&text(field));
            let width = width.unwrap_or(LONG_WIDTH);
            cells.push(match text.width() > width && width > 0 {
                true => fit(&text, width - 1, false) + "+",
                false => fit(&text, width, *right),
            });
        }
    }
    cells.join(" ") + " "
}

/// What a user wrote must not break a line into two.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` cut or padded to `width` columns of a terminal; a wide character that would stick out gives way to a blank.
pub fn fit(text: &str, width: usize, right: bool) -> String {
    let mut used = 0;
    let kept: Cow<'_, str> = if text.width() <= width {
        used = text.width();
        text.into()
    } else {
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= width
        };
        let kept: String = text.chars().take_while(fits).collect();
        used = kept.width();
        kept.into()
    };
    let blanks = " ".repeat(width - used);
    if right { blanks + &kept } else { kept.into_owned() + &blanks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(c: char) -> bool {
        "ijT".contains(c)
    }
    fn show(format: &str) -> String {
        let pieces = percent(format, known).unwrap();
        line(&pieces, |field| match field {
            'i' => "12".into(),
            'j' => "melt\nof 氩原子".into(),
            _ => "RUNNING".into(),
        })
    }

    #[test]
    fn percent_formats_expand() {
        for (format, text) in [
            ("%i|%T", "12|RUNNING"),
            ("%.5i %.3T x", "   12 RUN x"),
            ("%5i%T", "12   RUNNING"),
            ("100%% %i", "100% 12"),
            ("%9j|", "melt of |"),
            ("%10j|", "melt of 氩|"),
            ("%11j|", "melt of 氩 |"),
            ("%j", "melt of 氩原子"),
            ("%8T%4i", "RUNNING 12"),
            ("", ""),
        ] {
            assert_eq!(show(format), text.replace("melt of |", "melt of  |"), "{format}");
        }
        assert_eq!(percent("%y", known), Err(FormatFault::UnknownCode('y')));
        assert_eq!(percent("%i %", known), Err(FormatFault::Unfinished));
        assert_eq!(percent("%.99999999i", known), Err(FormatFault::Width("99999999".into())));
    }

    #[test]
    fn long_names_expand() {
        let find = |name: &str| ["jobid", "name"].into_iter().find(|n| *n == name);
        let pieces = long("JobID:.6,name:4,name", find).unwrap();
        assert_eq!(line(&pieces, |f| if *f == "jobid" { "12".into() } else { "melting".into() }), "    12meltmelting");
        assert_eq!(long("jobid,wat", find), Err(FormatFault::UnknownName("wat".into())));
        assert_eq!(long("jobid:x", find), Err(FormatFault::Width("x".into())));
    }

    #[test]
    fn sacct_columns_are_cut_with_a_plus() {
        let find = |name: &str| (name == "jobname").then_some((0, 10)).or((name == "state").then_some((1, 10)));
        let pieces = sacct("JobName%8,State,state%-4", find).unwrap();
        let text = |f: &i32| if *f == 0 { "lammps-melt".to_string() } else { "OK".to_string() };
        assert_eq!(columns(&pieces, text), "lammps-+         OK OK   ");
    }
}
