//! Secrets of tokens: drawn from the system, shown once, kept as a digest.

use sha2::{Digest, Sha256};

use crate::problem::Failure;

/// Random bytes of a secret: 256 bits, so that a plain digest is enough (nothing to guess, no salt needed).
const SECRET_BYTES: usize = 32;
/// Length of a secret's text: the prefix and two digits a byte.
const SECRET_CHARS: usize = wire::TOKEN_PREFIX.len() + 2 * SECRET_BYTES;

/// A new secret and what is stored of it.
pub struct Secret {
    pub text: String,
    pub digest: [u8; 32],
}

impl Secret {
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw() -> Result<Self, Failure> {
        let mut bytes = [0u8; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|e| Failure::internal(format!("no random bytes: {e}")))?;
        let mut text = String::with_capacity(SECRET_CHARS);
        text.push_str(wire::TOKEN_PREFIX);
        for byte in bytes {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        let digest = Sha256::digest(text.as_bytes()).into();
        Ok(Self { text, digest })
    }
}

/// The digest of a presented secret; `None` for what cannot be one.
pub fn digest_of(text: &str) -> Option<[u8; 32]> {
    let fits = text.len() == SECRET_CHARS
        && text.starts_with(wire::TOKEN_PREFIX)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then(|| Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_found_by_their_digest() {
        let (a, b) = (Secret::draw().unwrap(), Secret::draw().unwrap());
        assert_ne!(a.text, b.text);
        assert_eq!(digest_of(&a.text), Some(a.digest));
        assert_eq!(a.text.len(), SECRET_CHARS);
        for bad in ["", "hwt_", &a.text[1..], &format!("{}0", a.text), &a.text.replace("hwt_", "hwx_")] {
            assert_eq!(digest_of(bad), None, "{bad}");
        }
    }
}
