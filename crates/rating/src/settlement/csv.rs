//! Comma-separated values by RFC 4180 with any delimiter, with the line each record begins on.
//! Refuses to know what the fields mean.

/// One record: the line of the file on which it begins, from 1, and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub line: u32,
    pub fields: Vec<String>,
}

/// A quoted field that is never closed, by the line it begins on; or one with something after its closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Unclosed(u32),
    AfterQuote(u32),
}

/// All records; lines without any text are left out. A mark of byte order at the beginning is passed over.
pub(super) fn records(text: &str, delimiter: char) -> Result<Vec<Record>, Broken> {
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    let (mut records, mut line) = (Vec::new(), 1u32);
    while chars.peek().is_some() {
        let begins = line;
        let mut fields = Vec::new();
        loop {
            let (field, end) = field(&mut chars, delimiter, &mut line)?;
            fields.push(field);
            if end {
                break;
            }
        }
        if fields.iter().any(|f| !f.trim().is_empty()) {
            records.push(Record { line: begins, fields });
        }
    }
    Ok(records)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// The next field, and whether the record ends with it.
fn field(chars: &mut Chars<'_>, delimiter: char, line: &mut u32) -> Result<(String, bool), Broken> {
    let mut text = String::new();
    let mut closed = false;
    if chars.next_if_eq(&'"').is_some() {
        let began = *line;
        loop {
            match chars.next() {
                None => return Err(Broken::Unclosed(began)),
                Some('"') if chars.next_if_eq(&'"').is_some() => text.push('"'),
                Some('"') => break,
                Some(c) => {
                    *line += u32::from(c == '\n');
                    text.push(c);
                }
            }
        }
        closed = true;
    }
    loop {
        match chars.next() {
            None => return Ok((text, true)),
            Some('\r') if chars.peek() == Some(&'\n') => {}
            Some('\n') => {
                *line += 1;
                return Ok((text, true));
            }
            Some(c) if c == delimiter => return Ok((text, false)),
            Some(' ') if closed => {}
            Some(_) if closed => return Err(Broken::AfterQuote(*line)),
            Some(c) => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, delimiter: char) -> Vec<(u32, Vec<String>)> {
        records(text, delimiter).unwrap().into_iter().map(|r| (r.line, r.fields)).collect()
    }

    #[test]
    fn quotes_delimiters_and_lines_are_kept_apart() {
        let read = lines("\u{feff}a;b\r\n\"x;\"\"y\"\"\n z\" ;2\n\n;\n3;4", ';');
        let of = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(read, [(1, of("a", "b")), (2, of("x;\"y\"\n z", "2")), (6, of("3", "4"))]);
        assert_eq!(records("a\n\"b", ','), Err(Broken::Unclosed(2)));
        assert_eq!(records("\"a\"b", ','), Err(Broken::AfterQuote(1)));
        assert!(lines("", ',').is_empty());
    }
}
