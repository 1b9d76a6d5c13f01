//! What tests of several crates need: a throw-away PostgreSQL server. Never part of a product.

pub mod postgres;

pub use postgres::{Postgres, PostgresError};
