//! What can go wrong between a caller and the server, classed by what the caller does next.
//! Knows no exit code and no language but the server's own texts.

use wire::{ErrorCode, Problem};

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextMove {
    /// The request itself is wrong: change it.
    FixRequest,
    /// Look for the right name.
    NotFound,
    /// Sign in, or ask somebody with the right to do it.
    Access,
    /// Its present state does not allow it: look at it again.
    Conflict,
    /// Money is missing.
    Money,
    /// The server asks to come back later.
    Wait,
    /// Nobody answered: look at the address and the network, then repeat.
    Reach,
    /// A defect: tell the operator, with the request's id.
    Tell,
}

/// Every way in which a call may fail. Display says one level; sources follow.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{url}` is not the address of a server: {reason}")]
    Address { url: String, reason: &'static str },
    #[error("the token is not one: it has characters which no token has")]
    Token,
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
    /// No connection, or it broke before the answer was whole.
    #[error("no answer from {address}")]
    Unreachable { address: String, source: reqwest::Error },
    /// A stream went silent or nonsensical and could not be taken up again.
    #[error("the stream from {address} broke off")]
    StreamLost { address: String },
    /// The server's own refusal.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// A refusal which is no problem document of ours: a proxy's, or a much newer server's.
    #[error("the answer was HTTP {status}: {text}")]
    Foreign { status: u16, text: String },
    /// Success, but not in words of ours.
    #[error("the answer to {path} cannot be read")]
    Answer { path: String, source: serde_json::Error },
}

/// Characters of a foreign answer that are shown.
const FOREIGN_SHOWN: usize = 300;

impl ClientError {
    /// Reads the body of an answer that is no success.
    pub(crate) fn refused(status: u16, body: &[u8]) -> ClientError {
        if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
            return ClientError::Refused(Box::new(problem));
        }
        // A newer server's code is unknown here; its text for people is good enough.
        let detail = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|value| value.get("detail").or(value.get("title"))?.as_str().map(String::from));
        let text =
            detail.unwrap_or_else(|| String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" "));
        ClientError::Foreign { status, text: text.chars().take(FOREIGN_SHOWN).collect() }
    }

    /// The server's document, where it sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// True when the same request may succeed later without anybody changing it.
    pub fn is_passing(&self) -> bool {
        matches!(self.next_move(), NextMove::Wait | NextMove::Reach)
    }

    pub fn next_move(&self) -> NextMove {
        match self {
            Self::Address { .. } | Self::Token => NextMove::FixRequest,
            Self::Tls(_) | Self::Unreachable { .. } | Self::StreamLost { .. } => NextMove::Reach,
            Self::Refused(problem) => of_code(problem.code),
            Self::Foreign { status, .. } => of_status(*status),
            Self::Answer { .. } => NextMove::Tell,
        }
    }
}

fn of_code(code: ErrorCode) -> NextMove {
    use ErrorCode as C;
    match code {
        C::Malformed
        | C::BadCursor
        | C::MethodNotAllowed
        | C::BodyTooLarge
        | C::TargetTooLong
        | C::UnsupportedMediaType
        | C::HeadersTooLarge
        | C::RangeNotSatisfiable
        | C::ChecksumMismatch
        | C::Invalid
        | C::ScriptInvalid
        | C::StatementInvalid
        | C::BadName
        | C::DependencyNotFound
        | C::ForeignProject
        | C::NoFeasiblePool
        | C::RegionNotAllowed
        | C::ArrayTooLarge
        | C::MoneyRange => NextMove::FixRequest,
        C::Unauthenticated | C::SignInFailed | C::CsrfMissing | C::Forbidden | C::ScopeTooNarrow | C::OperatorOnly => {
            NextMove::Access
        }
        C::InsufficientFunds | C::OverBudget => NextMove::Money,
        C::NotFound | C::JobNotFound | C::LogNotFound | C::FileNotFound | C::RouteNotFound => NextMove::NotFound,
        C::WrongState
        | C::WrongOffset
        | C::FileExists
        | C::OverQuota
        | C::NameTaken
        | C::TenantSuspended
        | C::UserDisabled
        | C::IdempotencyKeyReused
        | C::NoPrice
        | C::LedgerRefused => NextMove::Conflict,
        C::TooManyRequests
        | C::TooManyStreams
        | C::QueueFull
        | C::StoreUnavailable
        | C::NotActive
        | C::Stopping
        | C::MailUnavailable
        | C::ClusterUnavailable => NextMove::Wait,
        C::Internal => NextMove::Tell,
    }
}

/// For answers without a code of ours.
fn of_status(status: u16) -> NextMove {
    match status {
        401 | 403 | 407 => NextMove::Access,
        402 => NextMove::Money,
        404 | 410 => NextMove::NotFound,
        409 | 412 => NextMove::Conflict,
        408 | 429 | 502..=504 => NextMove::Wait,
        400..=499 => NextMove::FixRequest,
        _ => NextMove::Tell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_its_status_agree() {
        for code in ErrorCode::ALL {
            assert_eq!(of_code(*code), of_status(code.status()), "{code}");
        }
    }

    #[test]
    fn foreign_answers_are_shown_shortly() {
        let newer = br#"{"code":"quantum_flux","detail":"the flux is wrong","status":422}"#;
        let error = ClientError::refused(422, newer);
        assert_eq!(error.to_string(), "the answer was HTTP 422: the flux is wrong");
        assert_eq!(error.next_move(), NextMove::FixRequest);
        let error = ClientError::refused(502, "<html>\n  Bad\tgateway".repeat(100).as_bytes());
        assert_eq!(error.next_move(), NextMove::Wait);
        assert!(error.to_string().chars().count() < FOREIGN_SHOWN + 40);
    }
}
