//! From usage and prices to amounts: price books, what own capacity costs, and the postings of an interval.
//! Refuses to know: clocks, storage, HTTP.

pub mod book;
pub mod charge;
pub mod cost;

pub use book::{Missing, PriceBook, Rates};
pub use charge::{Interval, Meter};
pub use cost::PoolCost;
