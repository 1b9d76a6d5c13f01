//! Stretches of metered work as they were stored, one after the other, for reckoning them again. Holds one row at a time.

use std::collections::HashMap;
use std::sync::Arc;

use base::{AttemptId, Currency, PoolId, SpecId, TenantId, Timestamp};
use futures::TryStreamExt;
use model::JobSpec;
use ports::StoreError;
use rating::Interval;

use crate::codec::{self, INTERVAL_COLUMNS};
use crate::db::{Columns as _, Row, Sql};
use crate::error::store_error;
use crate::query::build::Select;
use crate::store::SqlStore;

/// Whose an attempt was and what it was.
#[derive(Clone, Debug)]
pub struct MeteredWork {
    pub tenant: TenantId,
    pub tenant_name: Arc<str>,
    pub pool: Option<PoolId>,
    pub spec: Arc<JobSpec>,
}

/// Columns of an interval, and so where those after them begin.
const WIDTH: usize = codec::INTERVAL_WIDTH;

/// Specifications that are remembered while rows pass, of about 1 KB each.
const SPECS_MAX: usize = 10_000;

impl SqlStore {
    /// All stretches up to `to` of attempts that have one which ends after `from` and not after `to`, of tenants in a currency:
    /// grouped by attempt and there in order. `each` is given them one by one.
    ///
    /// # Errors
    /// What the database says; rows before that were given.
    pub async fn metered(
        &self,
        currency: Currency,
        from: Timestamp,
        to: Timestamp,
        mut each: impl FnMut(&MeteredWork, &Interval) + Send,
    ) -> Result<(), StoreError> {
        let columns: String = INTERVAL_COLUMNS.split(", ").map(|column| format!("i.{column}, ")).collect();
        let mut select = Select::new(
            self.kind(),
            format!(
                "SELECT {columns}j.tenant, t.name, a.pool, j.spec, s.v, CASE WHEN i.seq = w.first THEN s.doc END FROM \
                 (SELECT job, attempt, MIN(seq) AS first FROM intervals WHERE (job, attempt) IN \
                 (SELECT job, attempt FROM intervals WHERE to_at > "
            ),
        );
        select.int(from.as_micros()).push(" AND to_at <= ").int(to.as_micros());
        select.push(
            ") GROUP BY job, attempt) w JOIN intervals i ON i.job = w.job AND i.attempt = w.attempt \
             JOIN jobs j ON j.id = i.job JOIN tenants t ON t.id = j.tenant JOIN specs s ON s.id = j.spec \
             LEFT JOIN attempts a ON a.job = i.job AND a.number = i.attempt",
        );
        select.filter("t.currency = ").text(currency.as_str());
        select.filter("i.to_at <= ").int(to.as_micros());
        select.push(" ORDER BY i.job, i.attempt, i.seq");
        let mut specs: HashMap<u128, Arc<JobSpec>> = HashMap::new();
        let mut present: Option<(AttemptId, MeteredWork)> = None;
        let mut rows = self.stream(select.text, select.args);
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            let interval = codec::get_interval(&row).map_err(store_error)?;
            if present.as_ref().is_none_or(|(attempt, _)| *attempt != interval.attempt) {
                let work = work(&row, &mut specs).map_err(store_error)?;
                present = work.map(|work| (interval.attempt, work));
            }
            if let Some((_, work)) = &present {
                each(work, &interval);
            }
        }
        Ok(())
    }
}

/// `None` of an attempt whose first stretch ends after the period, which its later ones do not.
fn work(row: &Row, specs: &mut HashMap<u128, Arc<JobSpec>>) -> Sql<Option<MeteredWork>> {
    let spec = SpecId::from_u128(row.id(WIDTH + 3)?).as_u128();
    if specs.len() > SPECS_MAX {
        specs.clear();
    }
    let known = specs.get(&spec).cloned();
    let read = match known {
        Some(spec) => Some(spec),
        None => codec::get_opt::<JobSpec>(row, WIDTH + 4)?.map(Arc::new),
    };
    let Some(read) = read else { return Ok(None) };
    specs.insert(spec, read.clone());
    Ok(Some(MeteredWork {
        tenant: TenantId::from_u128(row.id(WIDTH)?),
        tenant_name: row.text(WIDTH + 1)?.into(),
        pool: row.opt_id(WIDTH + 2)?.map(PoolId::from_u128),
        spec: read,
    }))
}
