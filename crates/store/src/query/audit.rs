//! The audit log, and the store's own size for metrics.

use engine::AuditEntry;
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Kind, Sql};
use crate::error::store_error;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// How much the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Jobs ever submitted: the largest number.
    pub jobs: u64,
    pub jobs_open: u64,
    /// Largest sequence number of an event.
    pub events: u64,
    pub users: u64,
    pub tenants: u64,
    pub onces: u64,
    /// Bytes of the database, without the embedded one's log.
    pub bytes: u64,
}

impl SqlStore {
    /// Entries about the scope's tenant (for [`Scope::All`] every entry), newest first.
    pub async fn audit(&self, scope: Scope, page: PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM audit");
        select.scope("tenant", scope);
        if let Some(after) = page.after() {
            select.filter("seq < ").int(after.number);
        }
        select.push(" ORDER BY seq DESC LIMIT ").int(page.rows());
        let found: Vec<AuditEntry> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |entry| Cursor { number: entry.seq as i64, id: 0 }))
    }

    /// Counts for metrics: index scans only, a few milliseconds per hundred thousand open jobs.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let size = match self.kind() {
            Kind::Lite => "(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())",
            Kind::Pg => "pg_database_size(current_database())",
        };
        let sql = format!(
            "SELECT (SELECT COALESCE(MAX(number), 0) FROM jobs), (SELECT COUNT(*) FROM jobs WHERE open = 1), \
             (SELECT COALESCE(MAX(seq), 0) FROM events), (SELECT COUNT(*) FROM users), \
             (SELECT COUNT(*) FROM tenants), (SELECT COUNT(*) FROM onces), {size}"
        );
        let row = self.one(sql, self.args()).await?;
        let read = || -> Sql<Counts> {
            let Some(row) = row else { return Ok(Counts::default()) };
            Ok(Counts {
                jobs: row.natural(0)?,
                jobs_open: row.natural(1)?,
                events: row.natural(2)?,
                users: row.natural(3)?,
                tenants: row.natural(4)?,
                onces: row.natural(5)?,
                bytes: row.natural(6)?,
            })
        };
        read().map_err(store_error)
    }

    /// Whether the database answers; for the readiness probe.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.one("SELECT 1", self.args()).await.map(drop)
    }
}
