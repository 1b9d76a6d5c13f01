//! Idempotency keys: looks stored answers up and forgets old ones. What a key means is the engine's business.

use std::collections::BTreeMap;

use base::{Span, Timestamp};
use engine::Report;
use ports::StoreError;

use crate::codec;
use crate::db::{Args, Columns as _, Pool, Sql};
use crate::error::store_error;
use crate::store::SqlStore;
use crate::write::placeholders;

/// How long an idempotency key is remembered at least.
pub const KEY_LIFETIME: Span = Span::from_hours(24);

/// Rows removed by one [`SqlStore::sweep`]: about 5 ms of the writer's time.
pub const SWEEP_ROWS_MAX: i64 = 1_000;

/// Keys looked up by one statement; shorter lists are padded, so that one prepared statement serves all.
const KEYS_PER_LOOKUP: usize = 32;

/// Key, fingerprint and answer of each stored key among `keys`.
pub(crate) async fn answers(pool: &Pool, keys: &[u128]) -> Sql<Vec<(u128, u128, Report)>> {
    let mut found = BTreeMap::new();
    for chunk in keys.chunks(KEYS_PER_LOOKUP) {
        let size = if chunk.len() == 1 { 1 } else { KEYS_PER_LOOKUP };
        let mut args = Args::new(pool.kind());
        for at in 0..size {
            args.id(chunk[at.min(chunk.len() - 1)]);
        }
        let sql =
            format!("SELECT key, fingerprint, v, doc FROM onces WHERE key IN ({})", placeholders(pool.kind(), 1, size));
        for row in pool.fetch(sql, args).await? {
            found.insert(row.id(0)?, (row.id(1)?, codec::get::<Report>(&row, 2)?));
        }
    }
    Ok(found.into_iter().map(|(key, (fingerprint, report))| (key, fingerprint, report)).collect())
}

impl SqlStore {
    /// Forgets keys older than [`KEY_LIFETIME`], at most [`SWEEP_ROWS_MAX`] of them; how many. To be called again
    /// when it returned that many. For the active engine's server only.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let mut args = Args::new(self.kind());
        args.int((now - KEY_LIFETIME).as_micros());
        args.int(SWEEP_ROWS_MAX);
        let sql = "DELETE FROM onces WHERE key IN (SELECT key FROM onces WHERE at < $1 ORDER BY at LIMIT $2)";
        let removed = writing.conn.execute(sql, args).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(removed)
    }
}
