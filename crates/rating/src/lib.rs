//! From usage and prices to amounts: price books, what capacity costs, the postings of an interval, and settling with
//! suppliers.
//! Refuses to know: clocks, storage, HTTP.

pub mod assets;
pub mod book;
pub mod budget;
pub mod charge;
pub mod contract;
pub mod cost;
pub mod fee;
pub mod grant;
pub mod purchase;
pub mod rates;
pub mod settlement;
pub mod sizing;
pub mod statement;
pub mod tariff;
pub mod trial;
pub mod upkeep;
pub mod usage;
pub mod volumes;

pub use assets::{NodeCost, OwnCost, Stage};
pub use book::{Call, Missing, PriceBook, PriceList, Rates, Sale};
pub use budget::{Budget, BudgetKind, Period};
pub use charge::{Interval, Meter};
pub use cost::{CostParts, PoolCost, RunCost};
pub use fee::SupplierFee;
pub use grant::{Credit, Credits, Grant};
pub use purchase::{Settles, SupplierTerms};
pub use rates::{Rate, RateTable};
pub use tariff::Tariff;
pub use trial::Trial;
pub use upkeep::{Cause, NodeCounts, Stretch, Upkeep};
pub use usage::{Reported, Usage};
pub use volumes::Volumes;
