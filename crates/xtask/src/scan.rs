//! A small reader of Rust text: blanks out comments and literals, then finds functions by matching braces.
//! Knows no grammar beyond that; it counts lines and never judges.

/// One function with a body: its name, its first line (1-based) and its length in lines, from `fn` to the closing brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// `text` with comments, strings and character literals replaced by spaces; line breaks and all lengths stay.
pub fn blank(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end > at {
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
            at = end;
        } else {
            at += 1;
        }
    }
    out
}

/// Where the comment or literal which begins at `at` ends; `at` itself where none begins.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_end(bytes, at);
    }
    let inside_word = at > 0 && is_word(bytes[at - 1]);
    match rest[0] {
        b'"' => string_end(bytes, at + 1),
        b'r' if !inside_word || bytes[at - 1] == b'b' => raw_string_end(bytes, at),
        b'\'' => character_end(bytes, at),
        _ => at,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Block comments nest.
fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if bytes[at..].starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#` and so on; a raw identifier such as `r#type` is no literal.
fn raw_string_end(bytes: &[u8], start: usize) -> usize {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return start;
    }
    let mut at = open + 1;
    while at < bytes.len() {
        if bytes[at] == b'"' && bytes[at + 1..].iter().take(hashes).filter(|byte| **byte == b'#').count() == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    bytes.len()
}

/// `'x'`, `'\n'`, `'\u{1f}'`, `'汉'`; a lifetime such as `'a` is no literal.
fn character_end(bytes: &[u8], start: usize) -> usize {
    const LONGEST: usize = "\\u{10ffff}".len();
    let mut at = start + 1;
    match bytes.get(at) {
        None => return start,
        Some(b'\\') => at += 2,
        Some(first) => {
            at += 1;
            if *first >= 0x80 {
                at += bytes[at..].iter().take_while(|byte| (0x80..0xc0).contains(*byte)).count();
            }
            return if bytes.get(at) == Some(&b'\'') { at + 1 } else { start };
        }
    }
    match bytes[at.min(bytes.len())..].iter().take(LONGEST).position(|byte| *byte == b'\'') {
        Some(offset) => at + offset + 1,
        None => start,
    }
}

/// Every function with a body in `text`, in order of appearance, except those in modules marked `#[cfg(test)]`.
pub fn functions(text: &str) -> Vec<Function> {
    let code = blank(text);
    let skipped = test_modules(&code);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_word(&code, at, b"fn") {
        at = start + 2;
        if skipped.iter().any(|range| range.contains(&start)) {
            continue;
        }
        let name = word_at(&code, skip_spaces(&code, at));
        // A function pointer type `fn(…)` has no name, a trait's declaration has no body.
        if name.is_empty() {
            continue;
        }
        let Some(open) = body_start(&code, at) else { continue };
        let end = brace_end(&code, open);
        let lines = count_lines(&code[start..end]) + 1;
        found.push(Function { name, line: count_lines(&code[..start]) + 1, lines });
    }
    found
}

fn count_lines(code: &[u8]) -> usize {
    code.iter().filter(|byte| **byte == b'\n').count()
}

/// Byte ranges of the bodies of `#[cfg(test)] mod … { … }`.
fn test_modules(code: &[u8]) -> Vec<std::ops::Range<usize>> {
    const MARK: &[u8] = b"#[cfg(test)]";
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(offset) = code[at..].windows(MARK.len()).position(|window| window == MARK) {
        at += offset + MARK.len();
        let Some(keyword) = next_word(code, at, b"mod") else { continue };
        // Only attributes and `pub` may stand between the mark and its module.
        if code[at..keyword].iter().any(|byte| matches!(byte, b';' | b'{' | b'}')) {
            continue;
        }
        let Some(open) = body_start(code, keyword) else { continue };
        ranges.push(open..brace_end(code, open));
    }
    ranges
}

/// Position of the next occurrence of `word` as a whole word.
fn next_word(code: &[u8], from: usize, word: &[u8]) -> Option<usize> {
    (from..code.len().saturating_sub(word.len())).find(|at| {
        code[*at..].starts_with(word)
            && (*at == 0 || !is_word(code[at - 1]))
            && !code.get(at + word.len()).is_some_and(|byte| is_word(*byte))
    })
}

fn skip_spaces(code: &[u8], from: usize) -> usize {
    from + code[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn word_at(code: &[u8], from: usize) -> String {
    let word = code[from..].iter().copied().take_while(|byte| is_word(*byte) || *byte == b'#').collect();
    String::from_utf8(word).unwrap_or_default()
}

/// The brace which opens the body of the item at `from`; `None` where a `;` ends it first. Semicolons inside
/// brackets, as in `[u8; 4]`, do not end an item.
fn body_start(code: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (offset, byte) in code[from..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(from + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// One past the brace which closes the one at `open`.
fn brace_end(code: &[u8], open: usize) -> usize {
    let mut depth = 0usize;
    for (offset, byte) in code[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return open + offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, usize, usize)> {
        functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect()
    }

    #[test]
    fn lengths_run_from_fn_to_the_closing_brace() {
        let text = "/// doc\npub fn one() {}\n\nimpl X {\n    fn two(\n        a: [u8; 4],\n    ) -> u8 {\n        a[0]\n    }\n}\n";
        assert_eq!(found(text), [("one".into(), 2, 1), ("two".into(), 5, 5)]);
    }

    #[test]
    fn nested_functions_count_for_both() {
        let text = "fn outer() {\n    fn inner() {\n    }\n}\n";
        assert_eq!(found(text), [("outer".into(), 1, 4), ("inner".into(), 2, 2)]);
    }

    #[test]
    fn braces_in_comments_and_literals_do_not_count() {
        let text = r###"fn a<'a>(x: &'a str) {
    // } fn no() {
    /* } /* { */ fn no() { */
    let s = "} fn no() { \" }";
    let r = r#"} " fn no() {"#;
    let b = br"}";
    let c = ['}', '\'', '"', '\u{7d}', '汉'];
    let r#type = 1;
}
fn b() {
}
"###;
        assert_eq!(found(text), [("a".into(), 1, 9), ("b".into(), 10, 2)]);
    }

    #[test]
    fn declarations_and_pointer_types_are_no_functions() {
        assert_eq!(found("trait T { fn no(&self) -> [u8; 2]; }\ntype P = fn(u8) -> u8;\nconst fn_name: u8 = 1;\n"), []);
    }

    #[test]
    fn test_modules_are_skipped_and_what_follows_is_not() {
        let text = "#[cfg(test)]\nmod tests {\n    fn no() {\n    }\n}\nfn yes() {\n}\n#[cfg(test)]\nfn helper() {\n}\nmod m {\n    fn also() {}\n}\n";
        assert_eq!(found(text), [("yes".into(), 6, 2), ("helper".into(), 9, 2), ("also".into(), 12, 1)]);
    }

    #[test]
    fn blanking_keeps_lengths_and_lines() {
        let text = "a \"b\nc\" // d\n'x' /* e\n */ f";
        let blanked = blank(text);
        assert_eq!(blanked.len(), text.len());
        assert_eq!(String::from_utf8(blanked).unwrap().replace(' ', ""), "a\n\n\nf");
    }
}
