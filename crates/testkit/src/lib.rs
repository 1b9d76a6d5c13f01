//! What tests of several crates need: a throw-away PostgreSQL server, a real server process, real Slurm clusters, a
//! network that can be cut, receivers of mail and of calls. Never part of a product.

pub mod cut;
pub mod hw;
pub mod postgres;
pub mod receivers;
pub mod slurm;

pub use cut::Cut;
pub use hw::{Hw, wait_for};
pub use postgres::{Postgres, PostgresError};
pub use receivers::{Call, HttpReceiver, Mail, MailReceiver};
