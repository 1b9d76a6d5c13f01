//! Base64 as `base64 -d` reads it (RFC 4648, padded, in lines): text that passes every check of sbatch and every terminal.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Characters of a line: 57 bytes each, as MIME has it.
const LINE: usize = 76;

/// Bytes that `encode` makes of `size` bytes: four for every three, and the ends of lines.
pub const fn encoded_size(size: usize) -> usize {
    let plain = size.div_ceil(3) * 4;
    plain + plain.div_ceil(LINE)
}

pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(encoded_size(bytes.len()));
    let mut column = 0;
    for piece in bytes.chunks(3) {
        let word = piece.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let sign = ALPHABET[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= piece.len() { char::from(sign) } else { '=' });
        }
        column += 4;
        if column == LINE {
            text.push('\n');
            column = 0;
        }
    }
    if column > 0 {
        text.push('\n');
    }
    text
}

/// `None` when it is not base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut count) = (0u32, 0);
    for sign in text.bytes().filter(|sign| !sign.is_ascii_whitespace() && *sign != b'=') {
        word = word << 6 | u32::try_from(ALPHABET.iter().position(|known| *known == sign)?).ok()?;
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
            (word, count) = (0, 0);
        }
    }
    match count {
        0 => {}
        2 => bytes.push((word >> 4) as u8),
        3 => bytes.extend_from_slice(&((word >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_and_all_lengths() {
        for (bytes, text) in [("", ""), ("f", "Zg==\n"), ("fo", "Zm8=\n"), ("foo", "Zm9v\n"), ("foobar", "Zm9vYmFy\n")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        for size in 0..300 {
            let bytes: Vec<u8> = (0..size).map(|n| (n * 7 + size) as u8).collect();
            let text = encode(&bytes);
            assert_eq!(text.len(), encoded_size(bytes.len()));
            assert_eq!(decode(&text), Some(bytes));
        }
        assert_eq!(decode("Z"), None);
        assert_eq!(decode("Zg!="), None);
    }
}
