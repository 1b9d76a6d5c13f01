//! Accounts: their kind, their floor, and what their totals mean.
//! Knows nothing of who owns an account; the code says that to people.

use base::{AccountId, Currency, Money};
use serde::{Deserialize, Serialize};

use crate::text::AccountCode;

/// What an account stands for, which fixes its natural direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// What the operator has: cash, receivables, machines. Grows by debits.
    Asset,
    /// What the operator owes: a tenant's wallet, a supplier's payable. Grows by credits.
    Liability,
    /// What was earned. Grows by credits.
    Income,
    /// What was used up: fees, depreciation. Grows by debits.
    Expense,
    /// The owners' share. Grows by credits.
    Equity,
}

impl AccountKind {
    pub const ALL: [AccountKind; 5] = [Self::Asset, Self::Liability, Self::Income, Self::Expense, Self::Equity];

    /// Whether a debit makes the balance larger.
    pub const fn grows_by_debit(self) -> bool {
        match self {
            Self::Asset | Self::Expense => true,
            Self::Liability | Self::Income | Self::Equity => false,
        }
    }

    /// The stable name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Liability => "liability",
            Self::Income => "income",
            Self::Expense => "expense",
            Self::Equity => "equity",
        }
    }
}

/// How low the balance less what is held may go, in the account's natural direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// Zero for a prepaid wallet, minus the credit limit for a postpaid one.
    NotBelow(Money),
    /// No lower bound: the operator's own accounts.
    Unlimited,
}

/// What [`crate::Ledger::open_account`] is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    pub id: AccountId,
    pub code: AccountCode,
    pub kind: AccountKind,
    pub currency: Currency,
    pub floor: Floor,
}

/// One account with its totals, as it stood after some transfer; also the form in which it is stored.
///
/// Copies outside the [`crate::Ledger`] are snapshots; changing one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub code: AccountCode,
    pub kind: AccountKind,
    pub currency: Currency,
    pub floor: Floor,
    /// Sum of all transfers that debit this account, never negative.
    pub debits: Money,
    /// Sum of all transfers that credit this account, never negative.
    pub credits: Money,
    /// Sum of what its open holds still keep, never negative.
    pub held: Money,
}

impl Account {
    pub(crate) fn opened(new: NewAccount) -> Self {
        let NewAccount { id, code, kind, currency, floor } = new;
        Self { id, code, kind, currency, floor, debits: Money::ZERO, credits: Money::ZERO, held: Money::ZERO }
    }

    /// The balance in the account's natural direction: positive means "has", "owes", "earned" or "used up".
    /// Both totals are non-negative, so their difference always fits.
    #[inline]
    pub fn balance(&self) -> Money {
        if self.kind.grows_by_debit() { self.debits - self.credits } else { self.credits - self.debits }
    }

    /// Balance − held − floor: what may still leave or be held. `None` where the floor is unlimited.
    /// Never negative for an account of a [`crate::Ledger`]. Clamped to the range of `Money`, which only a floor
    /// near the end of that range can reach.
    #[inline]
    pub fn available(&self) -> Option<Money> {
        match self.floor {
            Floor::NotBelow(floor) => Some(clamp(self.above(floor))),
            Floor::Unlimited => None,
        }
    }

    /// Whether `amount` may leave or be held without breaking the floor.
    pub(crate) fn covers(&self, amount: Money) -> bool {
        match self.floor {
            Floor::NotBelow(floor) => self.above(floor) >= i128::from(amount.micros()),
            Floor::Unlimited => true,
        }
    }

    /// How far the balance less what is held stands above `floor`, in micro-units. Three `i64` fit an `i128`.
    pub(crate) fn above(&self, floor: Money) -> i128 {
        i128::from(self.balance().micros()) - i128::from(self.held.micros()) - i128::from(floor.micros())
    }
}

pub(crate) fn clamp(micros: i128) -> Money {
    Money(micros.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}
