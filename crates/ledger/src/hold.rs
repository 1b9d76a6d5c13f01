//! Holds: money of an account set aside for what is still running.
//! Knows nothing of what runs; expiry is a time in the data, never a timer.

use base::{AccountId, HoldId, Money, Timestamp};
use serde::{Deserialize, Serialize};

use crate::code::Field;

/// Whether a hold still keeps money back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    Open,
    /// Released or expired; final.
    Closed,
}

/// What [`crate::Ledger::hold`] is asked for. The amount is in the account's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    pub id: HoldId,
    pub account: AccountId,
    pub amount: Money,
    pub opened_at: Timestamp,
    /// From this moment on [`crate::Ledger::expire`] closes the hold; `None`: it stays until released.
    pub expires_at: Option<Timestamp>,
}

/// One hold as it stood after some step; also the form in which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub id: HoldId,
    pub account: AccountId,
    /// The amount it was opened with; with the id it recognises a repeated request after extensions.
    pub initial: Money,
    /// Total authorised so far; only grows.
    pub amount: Money,
    /// What settlements have taken so far, at most `amount`.
    pub settled: Money,
    pub state: HoldState,
    pub opened_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl Hold {
    pub(crate) fn opened(new: NewHold) -> Self {
        let NewHold { id, account, amount, opened_at, expires_at } = new;
        Self {
            id,
            account,
            initial: amount,
            amount,
            settled: Money::ZERO,
            state: HoldState::Open,
            opened_at,
            expires_at,
        }
    }

    #[inline]
    pub fn is_open(&self) -> bool {
        self.state == HoldState::Open
    }

    /// What it still keeps back: authorised − settled while open, nothing once closed.
    #[inline]
    pub fn remaining(&self) -> Money {
        match self.state {
            HoldState::Open => self.amount - self.settled,
            HoldState::Closed => Money::ZERO,
        }
    }

    /// The first field in which `asked` is another request than the one that opened this hold.
    /// `opened_at` is when it was booked, not what was asked, so a repeat may carry a later one.
    pub(crate) fn first_difference(&self, asked: &NewHold) -> Option<Field> {
        let NewHold { id: _, account, amount, opened_at: _, expires_at } = asked;
        [
            (self.account != *account, Field::Account),
            (self.initial != *amount, Field::Amount),
            (self.expires_at != *expires_at, Field::ExpiresAt),
        ]
        .into_iter()
        .find_map(|(differs, field)| differs.then_some(field))
    }
}
