//! The platform's decisions in one place: commands and observations in, records, effects and a report out.
//! Refuses to know: tokio, HTTP, SQL, clocks.

mod admit;
pub mod apps;
mod books;
pub mod budget;
mod clock;
mod course;
pub mod denied;
pub mod input;
mod jobs;
mod likely;
mod metering;
pub mod network;
mod observe;
mod people;
pub mod policy;
pub mod preempt;
pub mod quality;
pub mod query;
pub mod record;
mod replace;
pub mod reserve;
mod restore;
mod sale;
mod schedule;
pub mod settle;
mod state;
pub mod steering;
mod step;
mod stray;
mod supply;
mod upkeep;

pub use apps::AppRule;
pub use books::wallet_code;
pub use budget::{Budgeting, MoneyRules, OverBudget, Scope as BudgetScope};
pub use denied::{Denied, NextMove};
pub use input::{Command, Envelope, FetchEnd, Input, JobRef, Once, Report, Submission};
pub use policy::Policy;
pub use preempt::Preemption;
pub use query::{Checkpointed, Standing, WalletView};
pub use record::{AuditEntry, Batch, Effect, JobRow, Record, Snapshot};
pub use restore::RestoreError;
pub use settle::{Draft, Settling};
pub use state::Engine;
pub use steering::{ByClass, PolicyVersion, Replacement, Steering, SteeringError, Tiers, Waiting};
