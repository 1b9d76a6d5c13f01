//! What is kept of a site's enrolment, and who may join or come in by it. Pure; digests and fingerprints only, no secret.

use base::{Span, Timestamp};
use link::{Fingerprint, Refusal, RefusalCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a token may be used: time enough to log in at a partner's.
pub const TOKEN_LIFE: Span = Span::from_hours(1);
/// What tokens of sites begin with.
pub const TOKEN_PREFIX: &str = "hws_";

/// Kept as the configuration of the cluster's link.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Enrolment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<OneTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The key before was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// A token that was made and not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTime {
    /// SHA-256 of its text.
    pub digest: String,
    pub expires_at: Timestamp,
}

/// The key that opens the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub fingerprint: String,
    /// Of the token it came with.
    pub digest: String,
    pub joined_at: Timestamp,
}

/// As stored.
pub fn digest_of(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Enrolment {
    /// Whether a token is, or was, this site's.
    pub fn knows(&self, digest: &str) -> bool {
        self.token.as_ref().is_some_and(|token| token.digest == digest)
            || self.key.as_ref().is_some_and(|key| key.digest == digest)
    }

    /// The key is this site's from now on; `None`: it is already, an answer got lost.
    ///
    /// # Errors
    /// Used up, or too late.
    pub fn join(&self, digest: &str, key: Fingerprint, now: Timestamp) -> Result<Option<Enrolment>, Refusal> {
        let fingerprint = key.to_string();
        if let Some(known) = self.key.as_ref().filter(|known| known.digest == digest) {
            if known.fingerprint == fingerprint {
                return Ok(None);
            }
            let text = "this token was used already; make a new one with `hw sites enroll`";
            return Err(Refusal::new(RefusalCode::TokenUsed, text));
        }
        let Some(token) = self.token.as_ref().filter(|token| token.digest == digest) else {
            return Err(unknown_token());
        };
        if now >= token.expires_at {
            let text = "this token has expired; make a new one with `hw sites enroll`";
            return Err(Refusal::new(RefusalCode::TokenExpired, text));
        }
        let key = Key { fingerprint, digest: digest.to_owned(), joined_at: now };
        Ok(Some(Enrolment { token: None, key: Some(key), revoked: None }))
    }

    /// A new token; the key stays until the token is used.
    pub fn invite(&self, digest: String, now: Timestamp) -> Enrolment {
        Enrolment { token: Some(OneTime { digest, expires_at: now + TOKEN_LIFE }), ..self.clone() }
    }

    /// Neither key nor token opens anything any more.
    pub fn revoke(&self) -> Enrolment {
        let key = self.key.as_ref().map(|key| key.fingerprint.clone());
        Enrolment { token: None, key: None, revoked: key.or_else(|| self.revoked.clone()) }
    }

    /// Whether this key opens the line; `None`: it was never this site's.
    pub fn opens(&self, key: Fingerprint) -> Option<bool> {
        let key = key.to_string();
        match (&self.key, &self.revoked) {
            (Some(known), _) if known.fingerprint == key => Some(true),
            (_, Some(revoked)) if *revoked == key => Some(false),
            _ => None,
        }
    }
}

pub fn unknown_token() -> Refusal {
    Refusal::new(RefusalCode::TokenUnknown, "there is no such token; the operator makes one with `hw sites enroll`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Fingerprint = Fingerprint([1; 32]);
    const OTHER: Fingerprint = Fingerprint([2; 32]);

    fn code(answer: Result<Option<Enrolment>, Refusal>) -> RefusalCode {
        answer.unwrap_err().code
    }

    #[test]
    fn a_token_is_good_once_within_its_hour_and_a_repeat_of_its_key_is_the_same() {
        let now = Timestamp::from_secs(1_000);
        let (first, second) = (digest_of("hws_1"), digest_of("hws_2"));
        let invited = Enrolment::default().invite(first.clone(), now);
        assert!(invited.knows(&first) && !invited.knows(&second));
        assert_eq!(code(invited.join(&second, KEY, now)), RefusalCode::TokenUnknown);
        assert_eq!(code(invited.join(&first, KEY, now + TOKEN_LIFE)), RefusalCode::TokenExpired);
        let joined = invited.join(&first, KEY, now).unwrap().unwrap();
        assert_eq!((joined.opens(KEY), joined.opens(OTHER)), (Some(true), None));
        assert_eq!(joined.join(&first, KEY, now + TOKEN_LIFE), Ok(None));
        assert_eq!(code(joined.join(&first, OTHER, now)), RefusalCode::TokenUsed);

        let again = joined.invite(second.clone(), now);
        assert_eq!(again.opens(KEY), Some(true), "the old key is good until the new one is there");
        let replaced = again.join(&second, OTHER, now).unwrap().unwrap();
        assert_eq!((replaced.opens(KEY), replaced.opens(OTHER)), (None, Some(true)));
        assert_eq!(code(replaced.join(&first, KEY, now)), RefusalCode::TokenUnknown);

        let revoked = replaced.invite(first.clone(), now).revoke();
        assert_eq!((revoked.opens(OTHER), revoked.knows(&first)), (Some(false), false));
        let text = serde_json::to_string(&replaced).unwrap();
        assert_eq!(serde_json::from_str::<Enrolment>(&text).unwrap(), replaced);
        assert!(!text.contains("hws_"), "{text}");
    }
}
