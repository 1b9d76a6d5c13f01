//! Values every crate shares: ids, quantities, money, time values and seeded random streams.
//! Refuses to know: clocks, OS randomness, I/O, async, SQL.

pub mod id;
pub mod id_map;
pub mod money;
pub mod quantity;
pub mod recent;
pub mod seed;
pub mod time;

pub use id::*;
pub use id_map::IdMap;
pub use money::{Currency, Money, ParseMoneyError};
pub use quantity::{Bytes, CpuMillis, ParseQuantityError, Resources, Tres};
pub use recent::Recent;
pub use seed::{Seed, Stream, digest128};
pub use time::{ParseSpanError, Span, Timestamp, span_text};
