//! Transfers: an amount moved once from one account to another, and never changed again.
//! Knows a subject of a charge only as a number; what was metered is rating's business.

use std::fmt;
use std::str::FromStr;

use base::{AccountId, AttemptId, Currency, HoldId, Money, Timestamp, TransferId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::code::Field;
use crate::text::Memo;

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferReason {
    /// A tenant paid in.
    TopUp,
    /// Used and charged.
    Settle,
    /// Owed or consumed on the supply side.
    Accrue,
    /// Given back to the tenant.
    Refund,
    /// Undoes or amends an earlier transfer, which itself stays as it is.
    Correct { of: TransferId },
    /// Amends what was billed to a tenant as a whole: no one transfer that it undoes.
    Adjust,
    /// Given by the operator.
    Grant,
    /// A tenant took out.
    Withdraw,
    /// A supplier was paid.
    Pay,
    /// Remainders of divisions, on their way to the account named for them.
    Round,
    /// A month of a contract: taken for it, earned with its end, or carried on.
    Contract,
}

impl TransferReason {
    /// The stable name, as stored; the target of a correction stands beside it, see [`Self::corrects`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Settle => "settle",
            Self::Accrue => "accrue",
            Self::Refund => "refund",
            Self::Correct { .. } => "correct",
            Self::Adjust => "adjust",
            Self::Grant => "grant",
            Self::Withdraw => "withdraw",
            Self::Pay => "pay",
            Self::Round => "round",
            Self::Contract => "contract",
        }
    }

    /// The transfer that this one corrects.
    pub const fn corrects(self) -> Option<TransferId> {
        match self {
            Self::Correct { of } => Some(of),
            Self::TopUp
            | Self::Settle
            | Self::Accrue
            | Self::Refund
            | Self::Adjust
            | Self::Grant
            | Self::Withdraw
            | Self::Pay
            | Self::Round
            | Self::Contract => None,
        }
    }

    /// The inverse of [`Self::as_str`] and [`Self::corrects`]; `None` where the two do not belong together.
    pub fn from_parts(name: &str, corrects: Option<TransferId>) -> Option<Self> {
        Some(match (name, corrects) {
            ("top_up", None) => Self::TopUp,
            ("settle", None) => Self::Settle,
            ("accrue", None) => Self::Accrue,
            ("refund", None) => Self::Refund,
            ("correct", Some(of)) => Self::Correct { of },
            ("adjust", None) => Self::Adjust,
            ("grant", None) => Self::Grant,
            ("withdraw", None) => Self::Withdraw,
            ("pay", None) => Self::Pay,
            ("round", None) => Self::Round,
            ("contract", None) => Self::Contract,
            _ => return None,
        })
    }
}

/// One metered sequence: a subject (a job, a lease, a service) and a part of it (its attempt, its replica).
/// Its text is 32 hexadecimal digits, `_`, and the part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    pub subject: u128,
    pub part: u32,
}

impl Stream {
    pub const fn new(subject: u128, part: u32) -> Self {
        Self { subject, part }
    }
}

impl From<AttemptId> for Stream {
    fn from(attempt: AttemptId) -> Self {
        Self { subject: attempt.job.as_u128(), part: attempt.number }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}_{}", self.subject, self.part)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a [`Stream`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits, `_` and a number")]
pub struct ParseStreamError;

impl FromStr for Stream {
    type Err = ParseStreamError;
    fn from_str(text: &str) -> Result<Self, ParseStreamError> {
        let (subject, part) = text.split_once('_').ok_or(ParseStreamError)?;
        if subject.len() != 32 || !subject.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ParseStreamError);
        }
        let subject = u128::from_str_radix(subject, 16).map_err(|_| ParseStreamError)?;
        Ok(Self { subject, part: part.parse().map_err(|_| ParseStreamError)? })
    }
}

impl Serialize for Stream {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a transfer is about, for statements and for those who look a charge up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// A metered interval, `from` included, `to` excluded.
    Interval { stream: Stream, from: Timestamp, to: Timestamp },
    /// A subject as a whole.
    Subject { stream: Stream },
    /// Anything outside: an invoice number, a bank's reference.
    Text { text: Memo },
}

/// An amount moved from one account (`debit`) to another (`credit`) of the same currency.
///
/// A wallet is a liability, so paying in debits `operator/cash` and credits the wallet, and a charge debits the
/// wallet and credits a revenue account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The idempotency key; the caller makes it, drawn or derived.
    pub id: TransferId,
    pub debit: AccountId,
    pub credit: AccountId,
    /// More than zero.
    pub amount: Money,
    /// The currency of both accounts.
    pub currency: Currency,
    /// When it was booked. Not part of what was asked: a repeated request comes later by nature.
    pub at: Timestamp,
    pub reason: TransferReason,
    pub memo: Memo,
    pub reference: Option<Reference>,
    /// The open hold that pays for it; the money then leaves the hold's account.
    pub hold: Option<HoldId>,
}

impl Transfer {
    /// The transfer that takes this one back in full: accounts swapped, linked by [`TransferReason::Correct`].
    /// It is not paid by a hold, and meets the same floors as any other transfer.
    pub fn reversal(&self, id: TransferId, at: Timestamp, memo: Memo) -> Transfer {
        Transfer {
            id,
            debit: self.credit,
            credit: self.debit,
            amount: self.amount,
            currency: self.currency,
            at,
            reason: TransferReason::Correct { of: self.id },
            memo,
            reference: self.reference.clone(),
            hold: None,
        }
    }

    /// The first field in which `other` asks for something else; `at` does not count.
    pub(crate) fn first_difference(&self, other: &Transfer) -> Option<Field> {
        let Transfer { id: _, debit, credit, amount, currency, at: _, reason, memo, reference, hold } = other;
        [
            (self.debit != *debit, Field::Debit),
            (self.credit != *credit, Field::Credit),
            (self.amount != *amount, Field::Amount),
            (self.currency != *currency, Field::Currency),
            (self.reason != *reason, Field::Reason),
            (self.memo != *memo, Field::Memo),
            (self.reference != *reference, Field::Reference),
            (self.hold != *hold, Field::Hold),
        ]
        .into_iter()
        .find_map(|(differs, field)| differs.then_some(field))
    }
}
