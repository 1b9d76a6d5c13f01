//! What tenants agree on for a term: capacity or hours committed for a fee a month, and what becomes of what is not used.
//! A fee is owed from the beginning of its month, earned as the commitment is drawn down, and the rest earned at the month's end or
//! carried into the next one. Refuses to know the ledger, storage and which month it is.

mod draw;
mod period;
mod terms;

pub use draw::{Allowance, Counts, Cover, Draw, Drawn};
pub use period::{Closing, Period, PeriodKey};
pub use terms::{Commitment, Contract, INCLUDED_LINES, Included, Quantity, State, Terms, TermsFault, Unused};

#[cfg(test)]
mod tests;
