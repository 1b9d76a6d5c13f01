//! Why the ledger refuses: one closed list of codes in one order of precedence, the same for every operation.
//! Knows no HTTP status and no text for tenants; it names codes, fields and amounts.

use std::fmt;

use base::{AccountId, Money};
use serde::{Deserialize, Serialize};

/// Why an operation was refused. **The order of the variants is the order of precedence**: of several faults at
/// once the earliest is reported. Each operation skips the codes that cannot concern it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The id was used before for something else; [`Refusal::field`] says what differs.
    IdReused,
    /// Another account has this code already.
    CodeTaken,
    /// There is no such account ([`Refusal::account`]); of two missing ones the debited is named.
    AccountMissing,
    /// The account ([`Refusal::account`]) has another currency than the transfer.
    CurrenciesDiffer,
    /// The amount is zero or negative.
    AmountNotPositive,
    /// Debit and credit are the same account.
    SameAccount,
    /// A correction names itself as what it corrects.
    CorrectsItself,
    /// The hold would expire when it opens, or before.
    ExpiryNotLater,
    /// The transfer names another hold than the one to settle.
    HoldDiffers,
    /// There is no such hold, or it was closed too long ago to be remembered.
    HoldMissing,
    /// The hold was released or has expired.
    HoldClosed,
    /// The transfer does not take from the hold's account.
    HoldOfOtherAccount,
    /// More than the hold still keeps back: `needed` is the amount, `available` the rest of the hold.
    ExceedsHold,
    /// A total would leave the range of money (±9.2 × 10¹² units).
    Overflow,
    /// The account ([`Refusal::account`]) would pass its floor: `needed` is the amount, `available` what is free.
    InsufficientFunds,
    /// The new floor is above what the account has beyond its holds: `needed` is the floor, `available` that amount.
    FloorAboveBalance,
}

impl Code {
    /// Every code, in order of precedence.
    pub const ALL: [Code; 16] = [
        Code::IdReused,
        Code::CodeTaken,
        Code::AccountMissing,
        Code::CurrenciesDiffer,
        Code::AmountNotPositive,
        Code::SameAccount,
        Code::CorrectsItself,
        Code::ExpiryNotLater,
        Code::HoldDiffers,
        Code::HoldMissing,
        Code::HoldClosed,
        Code::HoldOfOtherAccount,
        Code::ExceedsHold,
        Code::Overflow,
        Code::InsufficientFunds,
        Code::FloorAboveBalance,
    ];

    /// Whether the very same request may succeed later, after others have changed the ledger's state.
    /// Where this is false the request itself is wrong for good.
    pub const fn may_change_on_retry(self) -> bool {
        match self {
            // An account or hold may be opened, a hold extended, money paid in, other holds released.
            Self::AccountMissing
            | Self::HoldMissing
            | Self::ExceedsHold
            | Self::InsufficientFunds
            | Self::FloorAboveBalance => true,
            // Content does not change; accounts keep code and currency; closed is final; totals only grow.
            Self::IdReused
            | Self::CodeTaken
            | Self::CurrenciesDiffer
            | Self::AmountNotPositive
            | Self::SameAccount
            | Self::CorrectsItself
            | Self::ExpiryNotLater
            | Self::HoldDiffers
            | Self::HoldClosed
            | Self::HoldOfOtherAccount
            | Self::Overflow => false,
        }
    }

    /// The stable name, as stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdReused => "id_reused",
            Self::CodeTaken => "code_taken",
            Self::AccountMissing => "account_missing",
            Self::CurrenciesDiffer => "currencies_differ",
            Self::AmountNotPositive => "amount_not_positive",
            Self::SameAccount => "same_account",
            Self::CorrectsItself => "corrects_itself",
            Self::ExpiryNotLater => "expiry_not_later",
            Self::HoldDiffers => "hold_differs",
            Self::HoldMissing => "hold_missing",
            Self::HoldClosed => "hold_closed",
            Self::HoldOfOtherAccount => "hold_of_other_account",
            Self::ExceedsHold => "exceeds_hold",
            Self::Overflow => "overflow",
            Self::InsufficientFunds => "insufficient_funds",
            Self::FloorAboveBalance => "floor_above_balance",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A field in which a repeated request differs from the first one under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Debit,
    Credit,
    Amount,
    Currency,
    Reason,
    Memo,
    Reference,
    Hold,
    Account,
    ExpiresAt,
    Code,
    Kind,
    Floor,
}

impl Field {
    /// The field's name in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Reason => "reason",
            Self::Memo => "memo",
            Self::Reference => "reference",
            Self::Hold => "hold",
            Self::Account => "account",
            Self::ExpiresAt => "expires_at",
            Self::Code => "code",
            Self::Kind => "kind",
            Self::Floor => "floor",
        }
    }
}

/// An operation that was refused and changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{code}{}", Details(self))]
pub struct Refusal {
    pub code: Code,
    /// With [`Code::IdReused`]: the first field that differs.
    pub field: Option<Field>,
    /// The account at fault, where one is.
    pub account: Option<AccountId>,
    /// The amount asked for, where an amount was too much.
    pub needed: Option<Money>,
    /// What there was instead of `needed`.
    pub available: Option<Money>,
    /// In a batch: the position of the refused transfer, from 0.
    pub position: Option<usize>,
}

impl Refusal {
    /// How much more it would take: `needed` − `available`.
    pub fn missing(&self) -> Option<Money> {
        self.needed?.checked_sub(self.available?)
    }

    pub(crate) const fn new(code: Code) -> Self {
        Self { code, field: None, account: None, needed: None, available: None, position: None }
    }

    pub(crate) const fn reused(field: Field) -> Self {
        Self { field: Some(field), ..Self::new(Code::IdReused) }
    }

    pub(crate) const fn account(code: Code, account: AccountId) -> Self {
        Self { account: Some(account), ..Self::new(code) }
    }

    pub(crate) const fn amounts(code: Code, account: AccountId, needed: Money, available: Money) -> Self {
        Self { account: Some(account), needed: Some(needed), available: Some(available), ..Self::new(code) }
    }
}

struct Details<'a>(&'a Refusal);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { code: _, field, account, needed, available, position } = self.0;
        if let Some(field) = field {
            write!(f, ": `{}` differs", field.as_str())?;
        }
        if let Some(account) = account {
            write!(f, ": {account}")?;
        }
        if let (Some(needed), Some(available)) = (needed, available) {
            write!(f, ": needs {needed}, has {available}")?;
        }
        match position {
            Some(position) => write!(f, " (transfer {position} of the batch)"),
            None => Ok(()),
        }
    }
}
