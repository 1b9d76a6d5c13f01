//! Rows for exports, a page at a time in the order of their keys: metered intervals with whose they are, and all transfers.

use std::collections::HashMap;
use std::sync::Arc;

use base::{AttemptId, Currency, SpecId, TenantId, Timestamp, TransferId};
use ledger::Transfer;
use model::JobSpec;
use ports::StoreError;
use rating::Interval;

use crate::codec::{self, INTERVAL_COLUMNS, TRANSFER_COLUMNS};
use crate::db::{Columns as _, Row};
use crate::query::build::Select;
use crate::query::page::{LIST_LIMIT_MAX, Scope};
use crate::store::SqlStore;

/// A metered interval and whose it is.
#[derive(Clone, Debug)]
pub struct ExportedInterval {
    pub interval: Interval,
    pub number: u64,
    pub tenant: TenantId,
    pub tenant_name: Arc<str>,
    pub currency: Currency,
    pub project: Arc<str>,
    pub user: Arc<str>,
    pub pool: Arc<str>,
    /// What was asked for, for the words by which prices select it.
    pub spec: SpecId,
    pub nodes: u64,
}

/// Columns of an interval, and so where those after them begin.
const WIDTH: usize = codec::INTERVAL_WIDTH;

impl SqlStore {
    /// Intervals that ended within `from < end <= to`, by job, attempt and place in it: the thousand that follow `after`.
    pub async fn exported_intervals(
        &self,
        scope: Scope,
        from: Timestamp,
        to: Timestamp,
        after: Option<(AttemptId, u32)>,
    ) -> Result<Vec<ExportedInterval>, StoreError> {
        let columns: String = INTERVAL_COLUMNS.split(", ").map(|column| format!("i.{column}, ")).collect();
        let mut select = Select::new(
            self.kind(),
            format!(
                "SELECT {columns}j.number, j.tenant, t.name, t.currency, p.name, u.name, o.name, j.spec, a.v, a.doc \
                 FROM intervals i JOIN jobs j ON j.id = i.job JOIN tenants t ON t.id = j.tenant \
                 JOIN projects p ON p.id = j.project JOIN users u ON u.id = j.user_id \
                 JOIN attempts a ON a.job = i.job AND a.number = i.attempt LEFT JOIN pools o ON o.id = a.pool"
            ),
        );
        select.scope("j.tenant", scope);
        select.filter("i.to_at > ").int(from.as_micros());
        select.filter("i.to_at <= ").int(to.as_micros());
        if let Some((attempt, seq)) = after {
            select.filter("(i.job, i.attempt, i.seq) > (").id(attempt.job.as_u128());
            select.push(", ").int(i64::from(attempt.number)).push(", ").int(i64::from(seq)).push(")");
        }
        select.push(" ORDER BY i.job, i.attempt, i.seq LIMIT ").int(i64::from(LIST_LIMIT_MAX));
        self.list(select.text, select.args, |row: &Row| {
            let attempt: model::Attempt = codec::get(row, WIDTH + 8)?;
            Ok(ExportedInterval {
                interval: codec::get_interval(row)?,
                number: row.natural(WIDTH)?,
                tenant: TenantId::from_u128(row.id(WIDTH + 1)?),
                tenant_name: row.text(WIDTH + 2)?.into(),
                currency: codec::get_currency(row, WIDTH + 3)?,
                project: row.text(WIDTH + 4)?.into(),
                user: row.text(WIDTH + 5)?.into(),
                pool: row.opt_text(WIDTH + 6)?.unwrap_or("-").into(),
                spec: SpecId::from_u128(row.id(WIDTH + 7)?),
                nodes: attempt.nodes.len() as u64,
            })
        })
        .await
    }

    /// Transfers within `from <= at < to`, by id: the thousand that follow `after`.
    pub async fn exported_transfers(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<TransferId>,
    ) -> Result<Vec<Transfer>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {TRANSFER_COLUMNS} FROM transfers"));
        select.between("at", Some(from), Some(to));
        if let Some(after) = after {
            select.filter("id > ").id(after.as_u128());
        }
        select.push(" ORDER BY id LIMIT ").int(i64::from(LIST_LIMIT_MAX));
        self.list(select.text, select.args, codec::get_transfer).await
    }
}

/// Specifications looked up by one statement.
const SPECS_PER_LOOKUP: usize = 500;

impl SqlStore {
    /// What was asked for under these ids.
    pub async fn specs_of(&self, ids: &[SpecId]) -> Result<HashMap<SpecId, Arc<JobSpec>>, StoreError> {
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = HashMap::with_capacity(wanted.len());
        for some in wanted.chunks(SPECS_PER_LOOKUP) {
            let mut select = Select::new(self.kind(), "SELECT id, v, doc FROM specs");
            select.filter("id IN (");
            for (n, id) in some.iter().enumerate() {
                select.push(if n == 0 { "" } else { ", " }).id(id.as_u128());
            }
            select.push(")");
            let read = |row: &Row| Ok((SpecId::from_u128(row.id(0)?), Arc::new(codec::get::<JobSpec>(row, 1)?)));
            found.extend(self.list(select.text, select.args, read).await?);
        }
        Ok(found)
    }
}
