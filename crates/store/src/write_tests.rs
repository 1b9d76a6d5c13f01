//! Statements of each mode, and what of scripts and specs is remembered as stored.

use super::*;

#[test]
fn statements_replace_keep_or_refuse() {
    assert_eq!(
        TABLES[T::Scripts as usize].make(Kind::Pg, 2),
        "INSERT INTO scripts (id, body) VALUES ($1, $2), ($3, $4) ON CONFLICT (id) DO NOTHING"
    );
    assert_eq!(
        TABLES[T::Passwords as usize].make(Kind::Pg, 1),
        "INSERT INTO passwords (user_id, phc) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET phc = excluded.phc"
    );
    assert_eq!(
        TABLES[T::PriceBooks as usize].make(Kind::Lite, 1),
        "INSERT INTO price_books (id, v, doc) VALUES (?, ?, ?)"
    );
}

#[test]
fn what_was_stored_recently_is_remembered_within_bounds() {
    let mut recent = Recent::default();
    recent.add((0..RECENT_IDS as u128 * 2 + 10).collect());
    assert!(recent.contains(RECENT_IDS as u128 * 2 + 9) && recent.contains(RECENT_IDS as u128 + 1));
    assert!(!recent.contains(0));
    assert!(recent.young.len() + recent.old.len() <= 2 * RECENT_IDS);
}
