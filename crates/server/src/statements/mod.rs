//! Tenants' statements as people get them: what was booked on a wallet, job by job and day by day, as tables, pages and sheets.
//! Nothing here changes anything; how a month is closed is the engine's business.

pub mod focus;
pub mod kept;
pub mod page;
pub mod parts;
pub mod walk;
pub mod workbook;

pub use kept::KeptSums;
pub use parts::Parts;
pub use walk::{Kind, Line, Walk};
