//! The lease: one row that says who may write. Its fence grows with each change of holder and every commit names it.
//! Time is an argument.

use std::sync::atomic::Ordering;

use base::Timestamp;
use ports::{Lease, StoreError};

use crate::db::{Args, Columns as _, Conn, Kind, Sql};
use crate::error::store_error;
use crate::store::SqlStore;

/// The row as stored; waits for a commit under way where others may write.
pub(crate) async fn read(conn: &mut Conn) -> Sql<(Lease, u64)> {
    let sql = match conn.kind() {
        // The transaction holds the only write lock already.
        Kind::Lite => "SELECT holder, fence, expires_at, batches FROM lease WHERE id = 1",
        Kind::Pg => "SELECT holder, fence, expires_at, batches FROM lease WHERE id = 1 FOR UPDATE",
    };
    let rows = conn.fetch(sql, Args::new(conn.kind())).await?;
    let row = rows.first().ok_or_else(|| crate::db::unreadable("the lease row is missing"))?;
    let lease = Lease {
        holder: row.text(0)?.to_owned(),
        fence: row.natural(1)?,
        expires_at: Timestamp::from_micros(row.int(2)?),
    };
    Ok((lease, row.natural(3)?))
}

async fn write(conn: &mut Conn, lease: &Lease) -> Sql<()> {
    let mut args = Args::new(conn.kind());
    args.text(lease.holder.as_str());
    args.int(lease.fence as i64);
    args.int(lease.expires_at.as_micros());
    conn.execute("UPDATE lease SET holder = $1, fence = $2, expires_at = $3 WHERE id = 1", args).await.map(drop)
}

impl SqlStore {
    pub(crate) async fn take_lease(
        &self,
        holder: String,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<Lease, Lease>, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        let answer = async {
            let (stored, _) = read(conn).await?;
            // On the embedded database whoever wrote the row before this process is dead: the lock is ours.
            let void = self.lite.as_ref().is_some_and(|lite| !lite.taken.load(Ordering::Relaxed));
            let other = stored.holder != holder && !stored.holder.is_empty();
            if other && !void && stored.expires_at > now {
                conn.rollback().await?;
                return Ok(Err(stored));
            }
            let fence = if stored.holder == holder && !void { stored.fence } else { stored.fence + 1 };
            let lease = Lease { holder, fence, expires_at: until };
            write(conn, &lease).await?;
            conn.commit().await?;
            Ok(Ok(lease))
        }
        .await
        .map_err(store_error)?;
        writing.done();
        if let (Some(lite), Ok(lease)) = (&self.lite, &answer)
            && !lite.taken.swap(true, Ordering::Relaxed)
        {
            lite.name_holder(&lease.holder);
        }
        Ok(answer)
    }

    /// The lease as it stands, for whoever forwards commands to its holder; the holder is empty when nobody has it.
    pub async fn lease(&self) -> Result<Lease, StoreError> {
        let sql = "SELECT holder, fence, expires_at FROM lease WHERE id = 1";
        let row = self.one(sql, self.args()).await?;
        let read = || -> Sql<Lease> {
            let row = row.ok_or_else(|| crate::db::unreadable("the lease row is missing"))?;
            Ok(Lease {
                holder: row.text(0)?.to_owned(),
                fence: row.natural(1)?,
                expires_at: Timestamp::from_micros(row.int(2)?),
            })
        };
        read().map_err(store_error)
    }

    pub(crate) async fn drop_lease(&self, fence: u64) -> Result<(), StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let mut args = Args::new(self.kind());
        args.int(fence as i64);
        let sql = "UPDATE lease SET holder = '', expires_at = 0 WHERE id = 1 AND fence = $1";
        writing.conn.execute(sql, args).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)
    }
}
