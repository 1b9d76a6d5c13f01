//! Settling with a supplier: its statement read, matched line by line with what was accrued, disputes resolved, amounts agreed.
//! Pure: refuses to know files, storage, HTTP and the ledger's accounts.

pub mod amounts;
mod csv;
pub mod mapping;
pub mod matching;
pub mod minimum;
mod read;
pub mod statement;
mod worked;

#[cfg(test)]
mod property_tests;

pub use amounts::{Decimal, NumberFormat, TimeFormat};
pub use mapping::{Columns, LineKind, Mapping, QuantityUnit, Tolerance};
pub use matching::{Ours, matched};
pub use minimum::{OurShort, Short};
pub use read::{Fault, TheirLine, read};
pub use statement::{
    Clearing, Dispute, Line, LineRefused, MatchedBy, Meter, OurLine, Quantity, State, Statement, Sums, Twin, Verdict,
};
pub use worked::worked;
