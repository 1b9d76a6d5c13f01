//! Classes the errors of both databases by the caller's next move. Knows no table.

use ports::{CommitError, StoreError};

use crate::db::Unreadable;

/// What a database error means for whoever wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The rows contradict the store: a defect.
    Conflict,
    /// Full, read-only, unreachable, broken: may pass.
    Unavailable,
}

/// SQLite's primary result codes (sqlite.org/rescode.html): 1 ERROR (a wrong statement), 18 TOOBIG, 19 CONSTRAINT,
/// 20 MISMATCH, 21 MISUSE and 25 RANGE are ours; FULL (13), READONLY (8), IOERR (10), CANTOPEN (14), BUSY (5),
/// LOCKED (6), NOMEM (7), CORRUPT (11), NOTADB (26) and the rest are the world's.
fn lite_class(code: i32) -> Class {
    // The extended code carries the primary one in its low byte.
    match code & 0xff {
        1 | 18 | 19 | 20 | 21 | 25 => Class::Conflict,
        _ => Class::Unavailable,
    }
}

/// PostgreSQL's classes (appendix A): 21 cardinality, 22 data, 23 integrity and 42 syntax or access are ours, except
/// 42501 (no right to write); 08 connection, 25 transaction state (25006: read-only), 40 rollback, 53 resources
/// (53100: disk full), 57 shutdown, 58 system and the rest are the world's.
fn pg_class(state: &str) -> Class {
    match state {
        "42501" => Class::Unavailable,
        _ if ["21", "22", "23", "42"].iter().any(|class| state.starts_with(class)) => Class::Conflict,
        _ => Class::Unavailable,
    }
}

pub(crate) fn class(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // PostgreSQL's states have five characters, SQLite's codes are at most four digits.
            match code.parse::<i32>() {
                Ok(number) if code.len() < 5 => lite_class(number),
                _ => pg_class(&code),
            }
        }
        sqlx::Error::Encode(_) | sqlx::Error::Configuration(_) | sqlx::Error::Protocol(_) => Class::Conflict,
        _ => Class::Unavailable,
    }
}

pub(crate) fn commit_error(error: &sqlx::Error) -> CommitError {
    match class(error) {
        Class::Conflict => CommitError::Conflict(error.to_string()),
        Class::Unavailable => CommitError::Unavailable(error.to_string()),
    }
}

pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Decode(inner) | sqlx::Error::ColumnDecode { source: inner, .. } => {
            StoreError::Corrupt(match inner.downcast_ref::<Unreadable>() {
                Some(known) => known.to_string(),
                None => error.to_string(),
            })
        }
        // 11 CORRUPT, 26 NOTADB.
        sqlx::Error::Database(database)
            if matches!(database.code().and_then(|c| c.parse::<i32>().ok()).map(|c| c & 0xff), Some(11 | 26)) =>
        {
            StoreError::Corrupt(database.message().to_owned())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_unavailable_and_what_is_ours_is_a_conflict() {
        for code in [5, 6, 7, 8, 10, 13, 14, 778, 1_032, 4_874] {
            assert_eq!(lite_class(code), Class::Unavailable, "{code}");
        }
        for code in [1, 19, 1_555, 2_067, 1_299, 20] {
            assert_eq!(lite_class(code), Class::Conflict, "{code}");
        }
        for state in ["53100", "08006", "25006", "57P01", "40001", "58030", "42501"] {
            assert_eq!(pg_class(state), Class::Unavailable, "{state}");
        }
        for state in ["23505", "42601", "22003", "21000"] {
            assert_eq!(pg_class(state), Class::Conflict, "{state}");
        }
        assert_eq!(class(&sqlx::Error::PoolTimedOut), Class::Unavailable);
    }
}
