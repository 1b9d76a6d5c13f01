//! The one place where refusals and failures become HTTP answers, each by an exhaustive match.
//! Two texts travel apart: the caller's, which leaves, and the operator's, which is logged under the request's id.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Currency, Money};
use engine::Denied;
use jobscript::{Fault, Origin};
use ports::{ConnectError, StoreError};
use wire::{ErrorCode, FieldError, MoneyText, Problem};

use crate::app::CommandError;
use crate::limits::PARSER_CHARS_SHOWN;

/// Seconds after which a caller may try again when something is down for a moment: a failover takes up to ten, most
/// faults of a disk or a link less.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A request that is answered with a problem document. The request's id is added on the way out.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: ErrorCode,
    /// For the caller.
    pub detail: String,
    /// For the operator, never sent.
    pub note: Option<String>,
    pub errors: Vec<FieldError>,
    pub amounts: Option<Box<Amounts>>,
    pub retry_after_seconds: Option<u32>,
}

/// What was missing in a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    pub needed: Money,
    pub available: Money,
    pub missing: Money,
    pub currency: Currency,
}

impl Failure {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), note: None, errors: Vec::new(), amounts: None, retry_after_seconds: None }
    }
    /// What the operator should read in the log.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
    /// A value of the request that makes no sense, by the name of its field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = FieldError { option: Some(field.into()), message: message.clone(), ..FieldError::default() };
        Self { errors: vec![error], ..Self::new(ErrorCode::Invalid, format!("{field}: {message}")) }
    }
    pub fn not_found(noun: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {noun}"))
    }
    /// A defect; the caller learns no more than that.
    pub fn internal(note: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, "the platform made a mistake; it has been noted under this request's id")
            .note(note)
    }

    /// The document as sent.
    pub fn problem(&self, request_id: &str) -> Problem {
        let mut problem = Problem::new(self.code, self.detail.clone(), request_id);
        problem.errors = self.errors.clone();
        if let Some(Amounts { needed, available, missing, currency }) = self.amounts.as_deref().copied() {
            problem.needed = Some(MoneyText(needed));
            problem.available = Some(MoneyText(available));
            problem.missing = Some(MoneyText(missing));
            problem.currency = Some(currency.to_string());
        }
        problem
    }

    /// The answer with the request's id in it; logs what the operator should know.
    pub fn answer(&self, request_id: &str) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(request_id, code = self.code.as_str(), note = self.note.as_deref(), "{}", self.detail);
        } else if let Some(note) = &self.note {
            tracing::warn!(request_id, code = self.code.as_str(), note, "{}", self.detail);
        }
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"headworks\""));
        }
        response
    }
}

/// The operator's view: both texts.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.detail)?;
        match &self.note {
            Some(note) => write!(f, " ({note})"),
            None => Ok(()),
        }
    }
}

/// A failure on its way through the layers, to be completed by the outermost one, which knows the request's id.
#[derive(Clone)]
pub(crate) struct Unanswered(pub Arc<Failure>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Unanswered(Arc::new(self)));
        response
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Denied(denied) => denied.into(),
            CommandError::NotActive { holder } => Self::new(
                ErrorCode::NotActive,
                "this server is a stand-by and the active one cannot be reached now; try again in a moment",
            )
            .note(format!("the engine runs at {holder:?}"))
            .retry_after(RETRY_AFTER_SECONDS),
            CommandError::Unavailable(note) => Self::new(
                ErrorCode::StoreUnavailable,
                "the platform cannot store anything now, so it did nothing; try again in a moment",
            )
            .note(note)
            .retry_after(RETRY_AFTER_SECONDS),
            CommandError::Stopping => {
                Self::new(ErrorCode::Stopping, "the server is stopping; try again under the same idempotency key")
                    .retry_after(RETRY_AFTER_SECONDS)
            }
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        let detail = denied.to_string();
        let plain = |code| Self::new(code, detail.clone());
        match &denied {
            Denied::NoSuchJob(_) => plain(ErrorCode::JobNotFound),
            Denied::NoSuchDependency(_) => plain(ErrorCode::DependencyNotFound),
            Denied::NotFound(_) => plain(ErrorCode::NotFound),
            Denied::NameTaken { .. } | Denied::StatementKnown { .. } => plain(ErrorCode::NameTaken),
            Denied::BadName { .. } => plain(ErrorCode::BadName),
            Denied::Invalid(_) | Denied::CostCurrency { .. } => plain(ErrorCode::Invalid),
            Denied::Lifecycle(_)
            | Denied::Untried
            | Denied::PolicyMoved { .. }
            | Denied::SettlementMoved
            | Denied::Settlement(_)
            | Denied::Statement(_)
            | Denied::Contract(_)
            | Denied::Disputed { .. }
            | Denied::Overpaid { .. }
            | Denied::LastOperator => plain(ErrorCode::WrongState),
            Denied::TenantSuspended => plain(ErrorCode::TenantSuspended),
            Denied::UserDisabled => plain(ErrorCode::UserDisabled),
            Denied::ForeignProject => plain(ErrorCode::ForeignProject),
            Denied::NotAMember { .. } => plain(ErrorCode::Forbidden),
            Denied::InsufficientFunds { needed, available, missing, currency } => Self {
                amounts: Some(Box::new(Amounts {
                    needed: *needed,
                    available: *available,
                    missing: *missing,
                    currency: *currency,
                })),
                ..plain(ErrorCode::InsufficientFunds)
            },
            Denied::OverBudget(refused) => Self {
                amounts: Some(Box::new(Amounts {
                    needed: refused.needed,
                    available: refused.left,
                    missing: refused.needed - refused.left,
                    currency: refused.currency,
                })),
                ..plain(ErrorCode::OverBudget)
            },
            Denied::NoFeasiblePool { pools } => Self {
                errors: pools
                    .iter()
                    .map(|message| FieldError { message: message.clone(), ..FieldError::default() })
                    .collect(),
                ..plain(ErrorCode::NoFeasiblePool)
            },
            Denied::RegionNotAllowed { .. } => plain(ErrorCode::RegionNotAllowed),
            Denied::NoPrice { .. } | Denied::NotSold(_) | Denied::NoPriceBook(_) => plain(ErrorCode::NoPrice),
            Denied::QueueFull { .. } => plain(ErrorCode::QueueFull).retry_after(RETRY_AFTER_SECONDS),
            Denied::ArrayTooLarge { .. } => plain(ErrorCode::ArrayTooLarge),
            Denied::OperatorOnly => plain(ErrorCode::OperatorOnly),
            Denied::KeyReused | Denied::UsageChanged { .. } => plain(ErrorCode::IdempotencyKeyReused),
            Denied::PriceBook(_)
            | Denied::PriceOfNobody { .. }
            | Denied::Terms(_)
            | Denied::CommitmentOfNoPool { .. }
            | Denied::Usage(_)
            | Denied::ContractCurrency { .. } => plain(ErrorCode::Invalid),
            Denied::MoneyRange => plain(ErrorCode::MoneyRange),
            // The ledger's words name accounts, which are not the caller's business.
            Denied::Ledger(refusal) => {
                Self::new(ErrorCode::LedgerRefused, "the ledger refused the booking; nothing was changed")
                    .note(refusal.to_string())
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(note) => {
                Self::new(ErrorCode::StoreUnavailable, "the platform's store cannot be read now; try again in a moment")
                    .note(note)
                    .retry_after(RETRY_AFTER_SECONDS)
            }
            StoreError::Corrupt(note) => Self::internal(note),
            StoreError::TooNew { .. } => Self::internal(error.to_string()),
        }
    }
}

impl From<store::PutRefused> for Failure {
    fn from(refused: store::PutRefused) -> Self {
        use store::PutRefused as R;
        let detail = shown(&refused.to_string());
        match refused {
            R::OverQuota { .. } | R::TooMany(_) => Self::new(ErrorCode::OverQuota, detail),
            R::BelowFile(_) | R::IsFolder(_) => Self::invalid("path", detail),
            R::NoContent => Self::new(ErrorCode::WrongState, detail).retry_after(1),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable(source) => {
                Self::new(ErrorCode::ClusterUnavailable, "the cluster does not answer now; try again in a moment")
                    .note(source.to_string())
                    .retry_after(RETRY_AFTER_SECONDS)
            }
            ConnectError::Refused { text, note, permanent: _ } => Self::new(ErrorCode::LogNotFound, text).note(note),
            ConnectError::NoSuchAttempt(_) => {
                Self::new(ErrorCode::LogNotFound, "the cluster keeps no output of this job")
            }
        }
    }
}

impl From<Vec<Fault>> for Failure {
    fn from(faults: Vec<Fault>) -> Self {
        let detail = match &faults[..] {
            [] => "the job's description has a fault".to_owned(),
            [one] => shown(&one.to_string()),
            [first, rest @ ..] => format!("{} (and {} more)", shown(&first.to_string()), rest.len()),
        };
        Self { errors: faults.iter().map(field_error).collect(), ..Self::new(ErrorCode::ScriptInvalid, detail) }
    }
}

/// Names that were typed may be as long as the body.
fn shown(text: &str) -> String {
    text.chars().take(PARSER_CHARS_SHOWN).collect()
}

fn field_error(fault: &Fault) -> FieldError {
    let line = match fault.origin {
        Origin::Line(line) => Some(line),
        Origin::Environment | Origin::Flag | Origin::Json => None,
    };
    FieldError {
        line,
        option: Some(&fault.option).filter(|option| !option.is_empty()).map(|option| shown(option)),
        code: Some(fault.code.as_str().into()),
        message: shown(&fault.message),
        hint: fault.hint.clone(),
    }
}

/// The answer of a stand-by whose active server is silent; for layers outside the routes, which draw no request ids.
pub(crate) fn unavailable(detail: &str) -> Response {
    Failure::new(ErrorCode::NotActive, detail).retry_after(RETRY_AFTER_SECONDS).answer("none")
}

#[cfg(test)]
mod tests {
    use base::{JobId, PoolId};
    use engine::NextMove;
    use model::Refusal;

    use super::*;

    fn refusal() -> ledger::Refusal {
        ledger::Refusal {
            code: ledger::Code::InsufficientFunds,
            field: None,
            account: Some(base::AccountId::from_u128(0x5ec2e7)),
            needed: None,
            available: None,
            position: None,
        }
    }

    fn every_denial() -> Vec<Denied> {
        let name = || "x".to_owned();
        vec![
            Denied::NoSuchJob(JobId::from_u128(1)),
            Denied::NoSuchDependency(name()),
            Denied::NotFound("pool"),
            Denied::NameTaken { noun: "user", name: name() },
            Denied::BadName { noun: "user", name: name() },
            Denied::Invalid("x"),
            Denied::Lifecycle(Refusal::NotHeld),
            Denied::Untried,
            Denied::PolicyMoved { now: 3 },
            Denied::StatementKnown { statement: "x".into(), settlement: 1 },
            Denied::CostCurrency { statement: Currency::USD, costs: Currency::CNY },
            Denied::SettlementMoved,
            Denied::Settlement("x"),
            Denied::Statement(rating::statement::StatementFault::Bounds),
            Denied::Disputed { lines: 2 },
            Denied::Overpaid { left: Money(1), currency: Currency::CNY },
            Denied::TenantSuspended,
            Denied::UserDisabled,
            Denied::LastOperator,
            Denied::ForeignProject,
            Denied::NotAMember { project: "p".into() },
            Denied::InsufficientFunds {
                needed: Money(3_000_000),
                available: Money(1_000_000),
                missing: Money(2_000_000),
                currency: Currency::CNY,
            },
            Denied::OverBudget(Box::new(engine::budget::Refused {
                budget: 1,
                of: "whole tenant, by the month".into(),
                until: base::Timestamp::ZERO,
                left: Money(1),
                needed: Money(2),
                currency: Currency::CNY,
            })),
            Denied::NoFeasiblePool { pools: vec!["a: too small".into()] },
            Denied::NoPrice {
                pool: PoolId::from_u128(1),
                pool_name: "a".into(),
                missing: rating::Missing::Book(Currency::CNY),
            },
            Denied::RegionNotAllowed { region: "cn-west".into(), allowed: vec!["cn-east".into()] },
            Denied::NoPriceBook(Currency::CNY),
            Denied::QueueFull { limit: 1 },
            Denied::ArrayTooLarge { elements: 2, limit: 1 },
            Denied::OperatorOnly,
            Denied::KeyReused,
            Denied::MoneyRange,
            Denied::Ledger(refusal()),
        ]
    }

    #[test]
    fn a_denial_keeps_its_code_and_is_never_the_servers_fault() {
        for denied in every_denial() {
            let (code, next) = (denied.code(), denied.next_move());
            let failure = Failure::from(denied);
            assert_eq!(failure.code.as_str(), code);
            let status = failure.code.status();
            assert!((400..500).contains(&status), "{code}");
            match next {
                NextMove::NotFound => assert_eq!(status, 404, "{code}"),
                NextMove::Pay => assert_eq!(status, 402, "{code}"),
                NextMove::FixRequest | NextMove::Conflict | NextMove::Wait => {}
            }
        }
    }

    #[test]
    fn the_operators_text_does_not_leave() {
        for failure in [
            Failure::from(Denied::Ledger(refusal())),
            Failure::from(CommandError::Unavailable("/secret/path: disk full".into())),
            Failure::from(CommandError::NotActive { holder: Some("secret-host".into()) }),
            Failure::from(StoreError::Corrupt("secret row".into())),
            Failure::from(ConnectError::Refused { text: "no".into(), note: "secret".into(), permanent: true }),
        ] {
            let secret = |text: &str| text.contains("secret") || text.contains("5ec2e7");
            assert!(failure.note.as_deref().is_some_and(secret), "{failure:?}");
            assert!(!secret(&serde_json::to_string(&failure.problem("req_1")).unwrap()));
        }
    }

    #[test]
    fn what_is_missing_is_told_in_amounts() {
        let funds = every_denial().into_iter().find(|d| d.next_move() == NextMove::Pay).unwrap();
        let problem = Failure::from(funds).problem("req_1");
        assert_eq!(problem.missing.unwrap().to_string(), "2.00");
        assert_eq!(problem.currency.as_deref(), Some("CNY"));
    }

    #[test]
    fn faults_of_a_script_name_their_line() {
        let faults = jobscript::parse_script("#!/bin/sh\n#SBATCH --bogus=1\n#SBATCH --also-bogus\n").unwrap_err();
        let failure = Failure::from(faults);
        assert_eq!(failure.code, ErrorCode::ScriptInvalid);
        assert_eq!(failure.errors.iter().map(|e| e.line).collect::<Vec<_>>(), [Some(2), Some(3)]);
        assert!(failure.detail.ends_with("(and 1 more)"), "{}", failure.detail);
    }
}
