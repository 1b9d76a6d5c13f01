//! CSV that spreadsheets may open without harm: fields by RFC 4180, and texts of users that never begin a formula.

use std::borrow::Cow;

/// A spreadsheet would take the text for a formula. Numbers are none, whatever their sign.
pub fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && text.parse::<f64>().is_err()
}

/// The text, with an apostrophe before what would be a formula.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A field with quotes around it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", guarded(text).replace('"', "\"\""))
}

/// A field with quotes only where it needs them.
pub fn field(text: &str) -> Cow<'_, str> {
    let quotes = is_formula(text) || text.contains([',', '"', '\n', '\r']);
    if quotes { Cow::Owned(quoted(text)) } else { Cow::Borrowed(text) }
}

/// One line of fields, with its end.
pub fn line<T: AsRef<str>>(fields: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for (n, text) in fields.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(&field(text.as_ref()));
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        for (text, written) in [
            ("=1+1", "\"'=1+1\""),
            ("@sum", "\"'@sum\""),
            ("+x", "\"'+x\""),
            ("-x", "\"'-x\""),
            ("\tx", "\"'\tx\""),
            ("\nx", "\"'\nx\""),
            ("-1.50", "-1.50"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("plain", "plain"),
        ] {
            assert_eq!(field(text), written, "{text:?}");
        }
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(line(["a", "=b", "3"]), "a,\"'=b\",3\r\n");
    }
}
