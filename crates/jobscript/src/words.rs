//! Splits the rest of a directive line into words the way a shell would: quotes, backslashes and a trailing comment.

/// The words of `text`. A `#` at the start of a word begins a comment. Single quotes keep everything, double quotes
/// everything but backslash. Error: the quote that is never closed.
pub(crate) fn split(text: &str) -> Result<Vec<String>, char> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(c),
            // A backslash at the very end stands for itself.
            (_, '\\') => word.get_or_insert_default().push(chars.next().unwrap_or('\\')),
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.map_or(Ok(words), Err)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, words) in [
            ("", &[][..]),
            ("  -n 4\t--mem=1G  ", &["-n", "4", "--mem=1G"]),
            (r#"--comment="a b" x"#, &["--comment=a b", "x"]),
            ("--comment='a \"b\" \\n'", &["--comment=a \"b\" \\n"]),
            (r#""a\"b" c\ d ''"#, &["a\"b", "c d", ""]),
            ("--time=1 # an hour \"later", &["--time=1"]),
            ("a#b", &["a#b"]),
            ("a\\", &["a\\"]),
        ] {
            assert_eq!(
                split(text).as_deref(),
                Ok(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
        assert_eq!(split("--comment=\"a b"), Err('"'));
        assert_eq!(split("it's"), Err('\''));
    }
}
