//! What tests of several crates need: a throw-away PostgreSQL server, a real server process. Never part of a product.

pub mod hw;
pub mod postgres;

pub use hw::{Hw, wait_for};
pub use postgres::{Postgres, PostgresError};
