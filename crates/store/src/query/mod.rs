//! The questions of the routes, as methods of [`crate::SqlStore`]. Each file answers about one area.
//! Answers are nouns of the model or plain structs of this crate; nothing here changes anything.

pub(crate) mod audit;
pub(crate) mod budgets;
pub(crate) mod build;
pub(crate) mod contracts;
pub(crate) mod events;
pub(crate) mod exports;
pub(crate) mod grants;
pub(crate) mod jobs;
pub(crate) mod links;
pub(crate) mod listed;
pub(crate) mod metered;
pub(crate) mod money;
pub(crate) mod overview;
pub(crate) mod page;
pub(crate) mod people;
pub(crate) mod rates;
pub(crate) mod report;
pub(crate) mod settlements;
pub(crate) mod spent;
pub(crate) mod statements;
pub(crate) mod supply;
pub(crate) mod usage;
pub(crate) mod used;
