//! Why a command was refused. Nothing was changed; `tenant text` is the Display form.

use std::sync::Arc;

use base::{Currency, JobId, Money, PoolId};
use model::Refusal;
use serde::{Deserialize, Serialize};

/// What the caller should do next; the HTTP status and the exit code follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextMove {
    /// The request itself is wrong.
    FixRequest,
    /// Nothing of that name is there (any more).
    NotFound,
    /// The thing is in a state that does not allow it.
    Conflict,
    /// Top up or ask for credit.
    Pay,
    /// Try again later.
    Wait,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("there is no open job {0}")]
    NoSuchJob(JobId),
    #[error("dependency: there is no job `{0}`")]
    NoSuchDependency(String),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("the name `{name}` is taken by another {noun}")]
    NameTaken { noun: &'static str, name: String },
    #[error("`{name}` is not a name for a {noun}: 1 to 40 of a-z, 0-9, `-`, `_`, `.`, starting with a letter or digit")]
    BadName { noun: &'static str, name: String },
    #[error("{0}")]
    Invalid(&'static str),
    #[error("{0}")]
    Lifecycle(#[from] Refusal),
    #[error("the tenant is suspended: nothing new is admitted")]
    TenantSuspended,
    #[error("the user is disabled")]
    UserDisabled,
    #[error("nobody could run the platform any more: this is the last operator; make another one first")]
    LastOperator,
    #[error("the project belongs to another tenant")]
    ForeignProject,
    #[error("the project `{project}` names its members, and you do not work in it: ask one of its owners")]
    NotAMember { project: Arc<str> },
    #[error(
        "the balance does not cover the work: {needed} {currency} needed, {available} {currency} available, {missing} {currency} missing"
    )]
    InsufficientFunds { needed: Money, available: Money, missing: Money, currency: Currency },
    #[error("{0}")]
    OverBudget(Box<crate::budget::Refused>),
    #[error("no pool can ever run this: {}", pools.join("; "))]
    NoFeasiblePool { pools: Vec<String> },
    #[error(
        "the job may not be sent to `{region}`: its tenant's data may be in {} only; name one of these, or a site there",
        allowed.join(", ")
    )]
    RegionNotAllowed { region: Arc<str>, allowed: Vec<Arc<str>> },
    #[error("pool {pool_name} cannot be sold: {missing}")]
    NoPrice { pool: PoolId, pool_name: Arc<str>, missing: rating::Missing },
    #[error("{0}")]
    PriceBook(rating::tariff::BookFault),
    #[error("item {number} of the price book is for the {noun} `{name}`, and there is none of that name")]
    PriceOfNobody { number: usize, noun: &'static str, name: Arc<str> },
    #[error("no price book in {0} is in force; ask the operator to publish one")]
    NoPriceBook(Currency),
    #[error("no trial has passed on this cluster since it was registered: run one, or force it into service")]
    Untried,
    #[error("the policy was changed meanwhile: version {now} is in force; look at it and give yours again")]
    PolicyMoved { now: u64 },
    #[error("{0}")]
    Terms(rating::contract::TermsFault),
    #[error("commitment {number} of the contract is for the pool `{name}`, and there is none of that name")]
    CommitmentOfNoPool { number: usize, name: Arc<str> },
    #[error("the contract is in {contract}, its tenant pays in {tenant}: write the contract in {tenant}")]
    ContractCurrency { contract: Currency, tenant: Currency },
    #[error("{0}")]
    Contract(&'static str),
    #[error("the statement {statement} of this supplier was imported before: it is settlement {settlement}")]
    StatementKnown { statement: Arc<str>, settlement: u64 },
    #[error("the statement is in {statement}, what work costs is counted in {costs}: ask for a statement in {costs}")]
    CostCurrency { statement: Currency, costs: Currency },
    #[error("settlements were changed meanwhile: look at it and try again")]
    SettlementMoved,
    #[error("{0}")]
    Settlement(&'static str),
    #[error("{lines} lines are in dispute: resolve them first")]
    Disputed { lines: u32 },
    #[error("{0}")]
    Statement(#[from] rating::statement::StatementFault),
    #[error("{left} {currency} are left to be paid by this settlement: pay no more than that")]
    Overpaid { left: Money, currency: Currency },
    #[error("not sold: {0}")]
    NotSold(rating::Missing),
    #[error("{0}")]
    Usage(rating::usage::UsageFault),
    #[error("usage `{id}` was reported before with other content: give what is new an id of its own")]
    UsageChanged { id: Arc<str> },
    #[error("the queue is full: {limit} open jobs on the platform")]
    QueueFull { limit: u64 },
    #[error("the array has {elements} elements, more than the {limit} allowed")]
    ArrayTooLarge { elements: u32, limit: u32 },
    #[error("only an operator may raise the class or the time limit of a job")]
    OperatorOnly,
    #[error("this idempotency key was used for a request with other content; use a new key")]
    KeyReused,
    #[error("the amount leaves the range of money")]
    MoneyRange,
    #[error("the ledger refused: {0}")]
    Ledger(#[from] ledger::Refusal),
}

impl Denied {
    pub const fn next_move(&self) -> NextMove {
        match self {
            Self::NoSuchJob(_) | Self::NotFound(_) => NextMove::NotFound,
            Self::NoSuchDependency(_)
            | Self::BadName { .. }
            | Self::Invalid(_)
            | Self::ForeignProject
            | Self::NotAMember { .. }
            | Self::NoFeasiblePool { .. }
            | Self::RegionNotAllowed { .. }
            | Self::ArrayTooLarge { .. }
            | Self::OperatorOnly
            | Self::MoneyRange
            | Self::CostCurrency { .. }
            | Self::PriceBook(_)
            | Self::PriceOfNobody { .. }
            | Self::Terms(_)
            | Self::CommitmentOfNoPool { .. }
            | Self::ContractCurrency { .. }
            | Self::Usage(_)
            | Self::Ledger(_) => NextMove::FixRequest,
            Self::NameTaken { .. }
            | Self::Lifecycle(_)
            | Self::TenantSuspended
            | Self::UserDisabled
            | Self::LastOperator
            | Self::Untried
            | Self::PolicyMoved { .. }
            | Self::StatementKnown { .. }
            | Self::SettlementMoved
            | Self::Settlement(_)
            | Self::Statement(_)
            | Self::Contract(_)
            | Self::Disputed { .. }
            | Self::Overpaid { .. }
            | Self::UsageChanged { .. }
            | Self::KeyReused => NextMove::Conflict,
            Self::InsufficientFunds { .. } | Self::OverBudget(_) => NextMove::Pay,
            Self::NoPrice { .. } | Self::NotSold(_) | Self::NoPriceBook(_) | Self::QueueFull { .. } => NextMove::Wait,
        }
    }

    /// The stable public code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchJob(_) => "job_not_found",
            Self::NoSuchDependency(_) => "dependency_not_found",
            Self::NotFound(_) => "not_found",
            Self::NameTaken { .. } | Self::StatementKnown { .. } => "name_taken",
            Self::BadName { .. } => "bad_name",
            Self::Invalid(_)
            | Self::CostCurrency { .. }
            | Self::PriceBook(_)
            | Self::PriceOfNobody { .. }
            | Self::Terms(_)
            | Self::CommitmentOfNoPool { .. }
            | Self::Usage(_)
            | Self::ContractCurrency { .. } => "invalid",
            Self::Lifecycle(_)
            | Self::Untried
            | Self::PolicyMoved { .. }
            | Self::SettlementMoved
            | Self::Settlement(_)
            | Self::Statement(_)
            | Self::Contract(_)
            | Self::Disputed { .. }
            | Self::Overpaid { .. }
            | Self::LastOperator => "wrong_state",
            Self::TenantSuspended => "tenant_suspended",
            Self::UserDisabled => "user_disabled",
            Self::ForeignProject => "foreign_project",
            Self::NotAMember { .. } => "forbidden",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::OverBudget(_) => "over_budget",
            Self::NoFeasiblePool { .. } => "no_feasible_pool",
            Self::RegionNotAllowed { .. } => "region_not_allowed",
            Self::NoPrice { .. } | Self::NotSold(_) | Self::NoPriceBook(_) => "no_price",
            Self::QueueFull { .. } => "queue_full",
            Self::ArrayTooLarge { .. } => "array_too_large",
            Self::OperatorOnly => "operator_only",
            Self::KeyReused | Self::UsageChanged { .. } => "idempotency_key_reused",
            Self::MoneyRange => "money_range",
            Self::Ledger(_) => "ledger_refused",
        }
    }
}
