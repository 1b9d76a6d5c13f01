//! Questions about jobs: lists, one job, its attempts, intervals, explanations, script.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{AttemptId, Currency, JobId, PoolId, ProjectId, ScriptId, TenantId, Timestamp, UserId};
use engine::{JobRef, JobRow};
use model::{Attempt, JobSpec, StateCode, Usage};
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
    pub pool: Option<PoolId>,
    pub name: Option<NameMatch>,
    pub submitted_from: Option<Timestamp>,
    /// Excluded.
    pub submitted_to: Option<Timestamp>,
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

fn entries() -> String {
    format!("SELECT {JOB_COLUMNS}, s.v, s.doc, t.name, t.currency, p.name, u.name, o.name{ENTRY_TABLES}")
}

/// Rows of jobs whose people are gone from their tables do not occur; a dash would stand for the name.
fn name(row: &Row, column: usize) -> Sql<Arc<str>> {
    Ok(row.opt_text(column)?.unwrap_or("-").into())
}

fn get_entry(row: &Row) -> Sql<JobEntry> {
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

/// The pattern of everything that starts with `prefix`.
fn escape_like(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn filter(select: &mut Select, filter: &JobFilter) {
    let JobFilter { states, open, user, project, pool, name, submitted_from, submitted_to, array } = filter;
    let all_open = !states.is_empty() && states.iter().all(|state| state.is_open());
    match open {
        // Written out, so that both databases see that the partial index serves.
        Some(true) => {
            select.filter("j.open = 1");
        }
        None if all_open => {
            select.filter("j.open = 1");
        }
        Some(false) => {
            select.filter("j.open = 0");
        }
        None => {}
    }
    if !states.is_empty() {
        select.filter("j.state IN (");
        for (n, state) in states.iter().enumerate() {
            select.push(if n == 0 { "" } else { ", " }).int(codec::state_number(*state));
        }
        select.push(")");
    }
    if let Some(user) = user {
        select.filter("j.user_id = ").id(user.as_u128());
    }
    if let Some(project) = project {
        select.filter("j.project = ").id(project.as_u128());
    }
    if let Some(pool) = pool {
        select.filter("j.pool = ").id(pool.as_u128());
    }
    match name {
        Some(NameMatch::Equals(name)) => {
            select.filter("j.name = ").text(name);
        }
        Some(NameMatch::StartsWith(prefix)) => {
            // The second condition is exact where LIKE of SQLite is not: it ignores the case of ASCII letters.
            select.filter("j.name LIKE ").text(&escape_like(prefix)).push(" ESCAPE '!'");
            select
                .filter("substr(j.name, 1, CAST(")
                .int(prefix.chars().count() as i64)
                .push(" AS INTEGER)) = ")
                .text(prefix);
        }
        None => {}
    }
    select.between("j.submitted_at", *submitted_from, *submitted_to);
    if let Some(array) = array {
        select.filter("j.array_number = ").int(i64::try_from(*array).unwrap_or(i64::MAX));
    }
}

impl SqlStore {
    /// Jobs of the scope that pass the filter, newest (largest number) first.
    pub async fn jobs(&self, scope: Scope, jobs: &JobFilter, page: PageRequest) -> Result<Page<JobEntry>, StoreError> {
        let mut select = Select::new(self.kind(), entries());
        select.scope("j.tenant", scope);
        filter(&mut select, jobs);
        if let Some(after) = page.after() {
            select.filter("j.number < ").int(after.number);
        }
        select.push(" ORDER BY j.number DESC LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, get_entry).await?;
        Ok(page.page(found, |entry| Cursor { number: entry.row.job.number as i64, id: 0 }))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_names_are_only_letters() {
        assert_eq!(escape_like("a_b%c!"), "a!_b!%c!!%");
    }
}
