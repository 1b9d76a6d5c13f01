//! Price books in the making of an amount: items and whom they are for, the calendar of a book, and the tariff of one run, which is
//! what is left of a book once it is known who runs what where. Refuses to know meters, stored books and currencies.

pub mod calendar;
pub mod item;
pub mod price;

pub use calendar::{Month, UtcOffset};
pub use item::{Band, BookFault, Item, ItemFault, Rate, RoundUp, Selector, Step, Unit};
pub use price::{Part, Price, Tariff};
