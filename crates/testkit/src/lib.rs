//! What tests of several crates need: a throw-away PostgreSQL server, a real server process, real Slurm clusters, a
//! network that can be cut. Never part of a product.

pub mod cut;
pub mod hw;
pub mod postgres;
pub mod slurm;

pub use cut::Cut;
pub use hw::{Hw, wait_for};
pub use postgres::{Postgres, PostgresError};
