//! What an operation leaves to be stored. The store writes these rows and hands them back at start;
//! nothing here knows how.

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::hold::Hold;
use crate::transfer::Transfer;

/// An account as it stands after the operation; replaces the stored row of the same id.
pub type AccountSnapshot = Account;

/// One row to store. Accounts and holds replace the row of the same id; transfers are only ever added, under a
/// unique key on their id, which is the last guard against a repeat that memory has forgotten.
///
/// Within one operation transfers come first (in the order given), then holds, then accounts (both in id order,
/// each once), so that a reader who follows the order can check every snapshot against what came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// A transfer is the largest variant and also the most frequent one: boxing it would cost more than the room.
#[allow(clippy::large_enum_variant)]
pub enum LedgerRecord {
    Account(AccountSnapshot),
    Transfer(Transfer),
    Hold(Hold),
}

/// The outcome of an operation that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// The state changed; these records are to be stored together.
    New(Vec<LedgerRecord>),
    /// The same request was applied before; nothing changed, nothing is to be stored.
    Already,
}

impl Applied {
    /// The records to store, none for a repeat.
    pub fn into_records(self) -> Vec<LedgerRecord> {
        match self {
            Self::New(records) => records,
            Self::Already => Vec::new(),
        }
    }

    pub fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }
}
