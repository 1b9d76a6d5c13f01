//! What a JWT says of itself: for whom it speaks and until when. Pure; its signature is the cluster's affair.

use serde::Deserialize;

/// Longest token looked at: those of `scontrol token` have some 150 characters.
const TOKEN_BYTES_MAX: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    /// Slurm's own claim.
    #[serde(default, rename = "sun")]
    pub user: Option<String>,
    /// Seconds since 1970 by the cluster's clock.
    #[serde(default, rename = "exp")]
    pub expires: Option<i64>,
}

/// The claims of `HEADER.CLAIMS.SIGNATURE`; `None` for anything else.
pub(super) fn claims(token: &str) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&bytes(claims)?).ok()
}

/// Base64 of the kind that is safe in addresses, without padding (RFC 4648, section 5).
fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut kept, mut bits) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        kept = kept << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((kept >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_for_whom_and_until_when() {
        // {"exp":1700000000,"iat":1699998200,"sun":"hw"}
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDAsImlhdCI6MTY5OTk5ODIwMCwic3VuIjoiaHcifQ.c2ln";
        assert_eq!(claims(token), Some(Claims { user: Some("hw".into()), expires: Some(1_700_000_000) }));
        for other in ["", "no.such.token", "a.b", "..", "a.e30", "x.!.y"] {
            assert_eq!(claims(other), None, "{other}");
        }
        assert_eq!(claims("a.e30.c"), Some(Claims { user: None, expires: None }));
    }
}
