//! Questions about what happened: the stream of events, as pages and for resuming after a sequence number.

use base::JobId;
use model::Event;
use ports::StoreError;

use crate::codec::{self, EVENT_COLUMNS};
use crate::query::build::Select;
use crate::query::page::{Cursor, LIST_LIMIT_MAX, Page, PageRequest, Scope};
use crate::store::SqlStore;

fn cursor(event: &Event) -> Cursor {
    Cursor { number: event.seq as i64, id: 0 }
}

impl SqlStore {
    /// Events of a job, oldest first.
    pub async fn events_of_job(&self, job: JobId, page: PageRequest) -> Result<Page<Event>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {EVENT_COLUMNS} FROM events"));
        select.filter("job = ").id(job.as_u128());
        if let Some(after) = page.after() {
            select.filter("seq > ").int(after.number);
        }
        select.push(" ORDER BY seq LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, codec::get_event).await?;
        Ok(page.page(found, cursor))
    }

    /// Events of the scope, newest first.
    pub async fn events(&self, scope: Scope, page: PageRequest) -> Result<Page<Event>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {EVENT_COLUMNS} FROM events"));
        select.scope("tenant", scope);
        if let Some(after) = page.after() {
            select.filter("seq < ").int(after.number);
        }
        select.push(" ORDER BY seq DESC LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, codec::get_event).await?;
        Ok(page.page(found, cursor))
    }

    /// Up to `limit` (at most [`LIST_LIMIT_MAX`]) events of the scope after `seq`, oldest first: what a stream that
    /// resumes has missed. Fewer than `limit` means that there are no more.
    pub async fn events_after(
        &self,
        scope: Scope,
        job: Option<JobId>,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {EVENT_COLUMNS} FROM events"));
        select.filter("seq > ").int(i64::try_from(seq).unwrap_or(i64::MAX));
        select.scope("tenant", scope);
        if let Some(job) = job {
            select.filter("job = ").id(job.as_u128());
        }
        select.push(" ORDER BY seq LIMIT ").int(i64::from(limit.clamp(1, LIST_LIMIT_MAX)));
        self.list(select.text, select.args, codec::get_event).await
    }
}
