//! The packing experiment of FGD (USENIX ATC'23) on virtual arrivals: read the lists, order them, run a policy, take the curve.
//! Refuses to know: files, the command line, how a policy rates.

mod arrivals;
mod bound;
mod policies;
mod read;
mod run;

pub use arrivals::{ARRIVING_PERCENT, arrivals, node_order};
pub use bound::most_allocated;
pub use policies::{NAMES, policy, source};
pub use read::{List, ReadError, Unread, Workload};
pub use run::{Outcome, run};
