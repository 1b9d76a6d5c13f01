//! Double-entry ledger: accounts, append-only transfers, holds, and an independent auditor.
//! Refuses by code, in one documented order. Refuses to know: GPUs, jobs, prices, clocks, floats, I/O, SQL.
//!
//! Start reading at [`Ledger`] (what may be done), [`Code`] (why it is refused, in which order) and
//! [`Auditor`] (how the result is proven by other means).

mod account;
pub mod auditor;
mod code;
mod dense;
mod hold;
mod ledger;
mod record;
mod text;
mod transfer;

#[cfg(test)]
mod auditor_tests;
#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod property_tests;

pub use account::{Account, AccountKind, Floor, NewAccount};
pub use auditor::{Auditor, Finding};
pub use code::{Code, Field, Refusal};
pub use hold::{Hold, HoldState, NewHold};
pub use ledger::{CLOSED_HOLDS_REMEMBERED, Ledger, RestoreError, TRANSFERS_REMEMBERED, TrialBalance};
pub use record::{AccountSnapshot, Applied, LedgerRecord};
pub use text::{ACCOUNT_CODE_CHARS_MAX, AccountCode, MEMO_CHARS_MAX, Memo, TextError};
pub use transfer::{ParseStreamError, Reference, Stream, Transfer, TransferReason};
