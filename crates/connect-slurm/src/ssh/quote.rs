//! Words as one line of a POSIX shell reads them back, byte for byte. Pure. Nothing in them is ever interpreted.

/// The variable that holds a newline in the shells we talk to: their commands are lines, so no word may contain one itself.
pub const NEWLINE: &str = "HW_N";

/// Adds a word to a line, quoted. Zero bytes cannot be passed to a program at all and must not come here.
pub fn word(line: &mut Vec<u8>, text: &[u8]) {
    line.push(b'\'');
    for &byte in text {
        match byte {
            // Out of the quotes, a quote by a backslash, and in again.
            b'\'' => line.extend_from_slice(b"'\\''"),
            // A variable within double quotes is not looked into again.
            b'\n' => {
                line.extend_from_slice(b"'\"$");
                line.extend_from_slice(NEWLINE.as_bytes());
                line.extend_from_slice(b"\"'");
            }
            byte => line.push(byte),
        }
    }
    line.push(b'\'');
}

/// A word for a command that a configuration holds and a shell reads (`ProxyCommand`): quoted, and with `%` doubled.
pub fn option(text: &str) -> String {
    let mut line = Vec::new();
    word(&mut line, text.as_bytes());
    // Quoting adds ASCII only.
    String::from_utf8_lossy(&line).replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;
    use crate::ssh::shell::{BOOTSTRAP, PREPARE};

    /// What a shell passes to a program for these words, each followed by a zero byte. As a login shell starts ours, and as ours reads.
    fn through(shell: &str, words: &[Vec<u8>]) -> Vec<u8> {
        let mut input = PREPARE.as_bytes().to_vec();
        input.extend_from_slice(b"printf '%s\\0'");
        for text in words {
            input.push(b' ');
            word(&mut input, text);
        }
        input.push(b'\n');
        let mut child =
            Command::new(shell).args(["-c", BOOTSTRAP]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    fn check(words: &[Vec<u8>]) {
        let wanted: Vec<u8> = words.iter().flat_map(|word| word.iter().copied().chain([0])).collect();
        for shell in ["sh", "bash"] {
            let found = through(shell, words);
            assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&wanted), "{shell}");
            assert_eq!(found, wanted, "{shell}");
        }
    }

    #[test]
    fn the_worst_words_come_through() {
        let words = [
            "", " ", "-n", "'", "''", "\"", "$(id)", "`id`", "${HW_N}", "$HW_N", "a\nb", "\n", "\\", "\\n", "a b", "*",
            "~", "!x", ";", "&", "|", ">x", "#", "%s", "\r\n", "\t", "🜚", "\u{1f}", "x=y", "\\'\n'\\",
        ];
        check(&words.map(|text| text.as_bytes().to_vec()));
    }

    #[test]
    fn an_option_keeps_its_percent_signs() {
        assert_eq!(option("/home/a b/%h'x"), "'/home/a b/%%h'\\''x'");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_come_through(words in prop::collection::vec(prop::collection::vec(1_u8.., 0..60), 1..20)) {
            check(&words);
        }
    }
}
