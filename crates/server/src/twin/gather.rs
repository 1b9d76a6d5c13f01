//! Reads what a run plays: the jobs of some days, what the platform has to offer, the state as it is. Decides nothing.

use std::collections::BTreeMap;

use base::{JobId, Timestamp};
use engine::Snapshot;
use model::{JobSpec, Phase, Usage};
use ports::Store as _;
use store::{JobFilter, LIST_LIMIT_MAX, PageRequest, Scope};
use wire::{ErrorCode, TimeText};

use super::asked::Doc;
use super::history::{Past, Used};
use super::offer::{Changes, Offer, TRACE};
use crate::access::Supply;
use crate::app::{App, CommandError};
use crate::convert::job::Live;
use crate::convert::supply::PoolNow;
use crate::convert::{self, people};
use crate::limits::{LIST_START_GLANCES_MAX, STATE_JOBS_MAX, TWIN_JOBS_MAX};
use crate::problem::Failure;

/// The jobs that were handed in within `from` to `to`, and over then.
///
/// # Errors
/// Of the store, and that there are too many to be played.
pub(super) async fn past(app: &App, from: Timestamp, to: Timestamp) -> Result<Vec<Past>, Failure> {
    let supply = Supply::read(&app.store).await?;
    let filter =
        JobFilter { open: Some(false), submitted_from: Some(from), submitted_to: Some(to), ..JobFilter::default() };
    let (mut found, mut cursor, live) = (Vec::new(), None::<String>, Live::default());
    loop {
        let request = page(cursor.as_deref())?;
        let read = app.store.jobs(Scope::All, &filter, request).await?;
        let over: Vec<_> = read.items.iter().filter(|e| e.row.ended_at.is_some_and(|at| at <= to)).collect();
        let ids: Vec<JobId> = over.iter().map(|entry| entry.row.job.id).collect();
        let usage = app.store.usage_of(&ids).await?;
        found.extend(over.into_iter().map(|entry| Past {
            told: convert::job::summary(entry, &live, &[], &supply),
            used: usage.get(&entry.row.job.id).map(used),
        }));
        if found.len() > TWIN_JOBS_MAX {
            let text = format!("more than {TWIN_JOBS_MAX} jobs were over in these days: play fewer days");
            return Err(Failure::new(ErrorCode::Invalid, text));
        }
        cursor = read.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// What a cluster cannot tell is zero there and unknown here.
fn used(usage: &Usage) -> Used {
    let cpu_seconds = Some(usage.cpu_time.as_secs_f64()).filter(|seconds| *seconds > 0.0);
    Used { cpu_seconds, ..Used::default() }
}

fn page(cursor: Option<&str>) -> Result<PageRequest, Failure> {
    PageRequest::new(Some(LIST_LIMIT_MAX), cursor).map_err(|e| Failure::internal(format!("own cursor: {e}")))
}

/// What there is, in the order in which the API lists it.
pub(super) async fn offer(app: &App, doc: &Doc, groups: BTreeMap<String, usize>) -> Result<Offer, Failure> {
    let supply = Supply::read(&app.store).await?;
    let mut clusters: Vec<_> = supply.clusters.values().map(|c| convert::supply::cluster(c, &supply)).collect();
    clusters.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let ids: Vec<_> = supply.pools.keys().copied().collect();
    let asked = app.engine.ask(move |engine, _| {
        let forecast = |id| Some((id, engine.queue_forecast(id).and_then(convert::supply::forecast)?));
        ids.into_iter().filter_map(forecast).collect::<BTreeMap<_, _>>()
    });
    let forecasts = asked.await.unwrap_or_default();
    let now = app.clock.now();
    let mut pools: Vec<_> = supply.pools.values().collect();
    pools.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let pool = |pool: &model::Pool| {
        let (forecast, cost) = (forecasts.get(&pool.id).copied(), supply.costs.get(&pool.id).cloned());
        let currency = doc.currency();
        let known = PoolNow {
            usage: None,
            reserved_nodes: None,
            forecast,
            quality: None,
            currency,
            tenant: "",
            now,
            cost,
            remarks: Vec::new(),
        };
        convert::supply::pool(pool, &supply, known)
    };
    let pools = pools.into_iter().map(pool).collect();
    let books = supply.books.iter().map(|book| convert::prices::price_book(book, None)).collect();
    let (mut tenants, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let read = app.store.tenants(Scope::All, page(cursor.as_deref())?).await?;
        tenants.extend(read.items.into_iter().map(people::tenant));
        cursor = read.next;
        if cursor.is_none() {
            break;
        }
    }
    let (policy, changes) = (doc.policy.clone(), Changes::default());
    Ok(Offer { clusters, pools, books, tenants, policy, groups, trace: TRACE, changes })
}

/// The state now, without what only the jobs themselves need, and when the platform itself expects waiting jobs to start.
///
/// # Errors
/// Of the store, and that more jobs are open than are copied.
pub(crate) async fn state(app: &App) -> Result<(Snapshot, BTreeMap<JobId, TimeText>), Failure> {
    let open = app.engine.ask(|engine, _| engine.sizes().open_jobs).await;
    if matches!(open, Ok(open) if open > STATE_JOBS_MAX) {
        let text = format!("more than {STATE_JOBS_MAX} jobs are open: the state would be too large");
        return Err(Failure::new(ErrorCode::QueueFull, text));
    }
    let mut snapshot = app.store.load().await?;
    bare(&mut snapshot);
    let waiting: Vec<JobId> = snapshot
        .jobs
        .iter()
        .filter(|row| matches!(row.job.phase(), Phase::Pending | Phase::Starting { .. }))
        .map(|row| row.job.id)
        .collect();
    let asked = app.engine.ask(move |engine, _| {
        let most = LIST_START_GLANCES_MAX / engine.pools().count().max(1);
        let looked = waiting.into_iter().take(most);
        looked.filter_map(|id| Some((id, TimeText(engine.expected_start(id)?)))).collect::<BTreeMap<_, _>>()
    });
    match asked.await {
        Ok(starts) => Ok((snapshot, starts)),
        Err(CommandError::NotActive { .. } | CommandError::Unavailable(_) | CommandError::Stopping) => {
            Ok((snapshot, BTreeMap::new()))
        }
        Err(CommandError::Denied(denied)) => Err(denied.into()),
    }
}

/// Takes out what only the jobs themselves need: none of it decides when they start.
fn bare(snapshot: &mut Snapshot) {
    for (_, spec) in &mut snapshot.specs {
        let JobSpec { environment, args, comment, said, .. } = std::sync::Arc::make_mut(spec);
        *said = model::Said::default();
        environment.clear();
        args.clear();
        *comment = None;
    }
}
