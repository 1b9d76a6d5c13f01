//! Questions about jobs: lists, one job, its attempts, intervals, explanations, script.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{AttemptId, Currency, JobId, PoolId, ProjectId, ScriptId, TenantId, Timestamp, UserId};
use engine::{JobRef, JobRow};
use model::{Attempt, JobSpec, PriorityClass, StateCode, Usage};
use ports::StoreError;
use rating::Interval;
use serde::de::DeserializeOwned;

use crate::codec::{self, EXPLANATION_VERSION, INTERVAL_COLUMNS, JOB_COLUMNS, JOB_WIDTH};
use crate::db::{Args, Columns as _, Row, Sql, unreadable};
use crate::error::store_error;
use crate::load::by_key;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// How a name must look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameMatch {
    Equals(String),
    StartsWith(String),
}

/// Which jobs a list shows; everything left empty shows all of the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Any of these; empty means every state.
    pub states: Vec<StateCode>,
    /// `Some(true)`: jobs that have not ended.
    pub open: Option<bool>,
    pub user: Option<UserId>,
    pub project: Option<ProjectId>,
    /// In one of these; `None`: in any or none.
    pub pools: Option<Vec<PoolId>>,
    /// Any of these; empty means every class.
    pub classes: Vec<PriorityClass>,
    pub name: Option<NameMatch>,
    pub submitted_from: Option<Timestamp>,
    /// Excluded.
    pub submitted_to: Option<Timestamp>,
    pub ended_from: Option<Timestamp>,
    /// Excluded.
    pub ended_to: Option<Timestamp>,
    /// Number of the array's first element.
    pub array: Option<u64>,
}

/// A job as lists and pages show it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEntry {
    pub row: JobRow,
    pub spec: Arc<JobSpec>,
    pub tenant_name: Arc<str>,
    pub currency: Currency,
    pub project_name: Arc<str>,
    pub user_name: Arc<str>,
    /// Of `row.pool`.
    pub pool_name: Option<Arc<str>>,
}

/// Why an attempt was placed where it was; `T` is the scheduler's explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained<T> {
    pub attempt: AttemptId,
    pub explanation: T,
}

const ENTRY_TABLES: &str = " FROM jobs j LEFT JOIN specs s ON s.id = j.spec LEFT JOIN tenants t ON t.id = j.tenant \
    LEFT JOIN projects p ON p.id = j.project LEFT JOIN users u ON u.id = j.user_id LEFT JOIN pools o ON o.id = j.pool";

pub(crate) fn entries() -> String {
    format!("SELECT {JOB_COLUMNS}, s.v, s.doc, t.name, t.currency, p.name, u.name, o.name{ENTRY_TABLES}")
}

/// Rows of jobs whose people are gone from their tables do not occur; a dash would stand for the name.
fn name(row: &Row, column: usize) -> Sql<Arc<str>> {
    Ok(row.opt_text(column)?.unwrap_or("-").into())
}

pub(crate) fn get_entry(row: &Row) -> Sql<JobEntry> {
    let job = codec::get_job(row)?;
    if row.opt_text(JOB_WIDTH + 1)?.is_none() {
        return Err(unreadable(format_args!("the specification of {} is missing", job.job.id)));
    }
    Ok(JobEntry {
        spec: Arc::new(codec::get(row, JOB_WIDTH)?),
        tenant_name: name(row, JOB_WIDTH + 2)?,
        currency: row.opt_text(JOB_WIDTH + 3)?.unwrap_or("XXX").parse().map_err(unreadable)?,
        project_name: name(row, JOB_WIDTH + 4)?,
        user_name: name(row, JOB_WIDTH + 5)?,
        pool_name: row.opt_text(JOB_WIDTH + 6)?.map(Arc::from),
        row: job,
    })
}

impl SqlStore {
    /// One job of the scope by id, by number, or as an element of an array.
    pub async fn job(&self, scope: Scope, job: &JobRef) -> Result<Option<JobEntry>, StoreError> {
        let mut select = Select::new(self.kind(), entries());
        select.scope("j.tenant", scope);
        match job {
            JobRef::Id(id) => {
                select.filter("j.id = ").id(id.as_u128());
            }
            JobRef::Number(number) => {
                select.filter("j.number = ").int(i64::try_from(*number).unwrap_or(-1));
            }
            JobRef::Element(root, index) => {
                select.filter("j.array_number = ").int(i64::try_from(*root).unwrap_or(-1));
                select.filter("j.array_index = ").int(i64::from(*index));
            }
        }
        self.find(select.text, select.args, get_entry).await
    }

    /// All attempts of a job, in order.
    pub async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        let mut args = self.args();
        args.id(job.as_u128());
        let sql = "SELECT v, doc FROM attempts WHERE job = $1 ORDER BY number";
        self.list(sql, args, |row| codec::get(row, 0)).await
    }

    /// The nodes of the attempts that are out there now, by job. Jobs without one are left out.
    pub async fn nodes_of(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Vec<Arc<str>>>, StoreError> {
        let keys: Vec<u128> = jobs.iter().map(|job| job.as_u128()).collect();
        let read = |row: &Row| codec::get::<Attempt>(row, 0).map(|attempt| (attempt.id.job, attempt.nodes));
        let select = "SELECT v, doc FROM attempts WHERE open = 1 AND job";
        let found = by_key(&self.readers, select, "", &keys, Args::id, read).await.map_err(store_error)?;
        Ok(found.into_iter().collect())
    }

    /// What the last attempt that ran used, by job. Jobs that never ran, and those whose attempt goes on, are left out.
    pub async fn usage_of(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Usage>, StoreError> {
        let keys: Vec<u128> = jobs.iter().map(|job| job.as_u128()).collect();
        let read = |row: &Row| codec::get::<Attempt>(row, 0);
        let select = "SELECT v, doc FROM attempts WHERE open = 0 AND job";
        let found = by_key(&self.readers, select, "", &keys, Args::id, read).await.map_err(store_error)?;
        let mut ran: Vec<Attempt> = found.into_iter().filter(|attempt| attempt.started_at.is_some()).collect();
        ran.sort_by_key(|attempt| attempt.id);
        Ok(ran.into_iter().map(|attempt| (attempt.id.job, attempt.usage)).collect())
    }

    /// Billed stretches of time of a job, oldest attempt and stretch first.
    pub async fn intervals(&self, job: JobId, page: PageRequest) -> Result<Page<Interval>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {INTERVAL_COLUMNS} FROM intervals"));
        select.filter("job = ").id(job.as_u128());
        if let Some(Cursor { number, id }) = page.after() {
            select.filter("(attempt > ").int(number);
            select.push(" OR (attempt = ").int(number).push(" AND seq > ").int(id as i64).push("))");
        }
        select.push(" ORDER BY attempt, seq LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, codec::get_interval).await?;
        Ok(page.page(found, |i| Cursor { number: i64::from(i.attempt.number), id: u128::from(i.seq) }))
    }

    /// Why the last attempt of a job (or a certain one) was placed where it was; `T` is `sched::Explanation`.
    pub async fn explanation<T: DeserializeOwned>(
        &self,
        job: JobId,
        attempt: Option<u32>,
    ) -> Result<Option<Explained<T>>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT attempt, v, doc FROM explanations");
        select.filter("job = ").id(job.as_u128());
        if let Some(attempt) = attempt {
            select.filter("attempt = ").int(i64::from(attempt));
        }
        select.push(" ORDER BY attempt DESC LIMIT 1");
        self.find(select.text, select.args, |row| {
            let version = row.int(1)?;
            if version != EXPLANATION_VERSION {
                return Err(unreadable(format_args!("an explanation of version {version}")));
            }
            let explanation = serde_json::from_str(row.text(2)?)
                .map_err(|error| unreadable(format_args!("an explanation: {error}")))?;
            Ok(Explained { attempt: AttemptId::new(job, row.small(0)?), explanation })
        })
        .await
    }

    /// The text of a script.
    pub async fn script(&self, id: ScriptId) -> Result<Option<Arc<str>>, StoreError> {
        let mut args = self.args();
        args.id(id.as_u128());
        self.find("SELECT body FROM scripts WHERE id = $1", args, |row| {
            std::str::from_utf8(row.bytes(0)?).map(Arc::from).map_err(unreadable)
        })
        .await
    }

    /// The tenant of a job, by which its access is proven; `None` when there is no such job.
    pub async fn tenant_of(&self, job: JobId) -> Result<Option<TenantId>, StoreError> {
        let mut args = self.args();
        args.id(job.as_u128());
        self.find("SELECT tenant FROM jobs WHERE id = $1", args, |row| Ok(TenantId::from_u128(row.id(0)?))).await
    }
}
