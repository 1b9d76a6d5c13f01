//! Deletes work folders some time after the end of their jobs. Goes by what lies on each cluster: a folder is deleted only when its
//! connector says that it is the work folder of an ended job of this platform, nothing in it changed since, no open job works in it,
//! and no rule still waits for its files. What another platform or a person put beside them is never touched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, JobId, Span, Timestamp};
use engine::JobRef;
use ports::{Cluster, EntryKind, FileError, Files};
use store::Scope;
use tokio::sync::watch;

use crate::access::Supply;
use crate::app::App;
use crate::convert::order::order;
use crate::driver::Role;
use crate::limits::WORK_LOOKED_AT_MAX;

/// Looks are a twenty-fourth of the time folders are kept apart, within these bounds.
const LOOK_MIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(86_400);
/// The deepest that a connector puts a work folder: `work/TENANT/USER/NUMBER`.
const DEPTH: usize = 4;
/// Jobs whose results are still to be fetched, of which a look takes notice.
const DUE_MAX: u32 = 100_000;

/// Looks until the server stops. `kept`: how long folders outlive their jobs; `None` keeps them for ever.
pub async fn run(app: App, role: watch::Receiver<Role>, kept: Option<Span>, mut stop: watch::Receiver<bool>) {
    let Some(kept) = kept else { return };
    let mut timer = tokio::time::interval((kept.to_std() / 24).clamp(LOOK_MIN, LOOK_MAX));
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = timer.tick() => {}
        }
        if !matches!(&*role.borrow(), Role::Active) {
            continue;
        }
        for id in app.clusters.ids() {
            tokio::select! {
                _ = stop.changed() => return,
                looked = look(&app, id, kept) => match looked {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(cluster = %id, removed, "old work folders were deleted"),
                    Err(why) => tracing::debug!(cluster = %id, why, "old work folders stay for now"),
                },
            }
        }
    }
}

/// What one look at one cluster knows.
struct Look<'a> {
    app: &'a App,
    id: ClusterId,
    cluster: Arc<dyn Cluster>,
    supply: Supply,
    before: Timestamp,
    /// Folders that open jobs chose for themselves.
    used: Vec<Arc<str>>,
    due: BTreeSet<JobId>,
}

/// How many folders were deleted.
async fn look(app: &App, id: ClusterId, kept: Span) -> Result<usize, String> {
    let Some(cluster) = app.clusters.get(id) else { return Ok(0) };
    let Some(files) = cluster.files() else { return Ok(0) };
    let told = |error: ports::StoreError| error.to_string();
    let look = Look {
        app,
        id,
        cluster,
        supply: Supply::read(&app.store).await.map_err(told)?,
        before: app.clock.now() - kept,
        used: app.store.open_work_dirs().await.map_err(told)?,
        due: app.store.results_due(DUE_MAX).await.map_err(told)?.into_iter().map(|(job, _)| job).collect(),
    };
    look.walk(&*files).await
}

impl Look<'_> {
    async fn walk(&self, files: &dyn Files) -> Result<usize, String> {
        let (mut removed, mut passed) = (0, 0);
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let listed = match files.list(&folder).await {
                Err(FileError::Unreachable(error)) => return Err(error.to_string()),
                // Gone, or not ours to look into.
                Err(_) => continue,
                Ok(listed) => listed,
            };
            for entry in listed.into_iter().filter(|e| e.kind == EntryKind::Folder && !e.name.starts_with('.')) {
                passed += 1;
                if passed > WORK_LOOKED_AT_MAX {
                    return Ok(removed);
                }
                let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
                let number = entry.name.parse::<u64>().ok();
                if number.is_some() && entry.modified_secs >= self.before.as_secs() {
                    continue;
                }
                match number {
                    Some(number) if self.is_over(number, &path).await? => {
                        if let Err(error) = files.remove(&path).await {
                            tracing::warn!(cluster = %self.id, path, %error, "an old work folder cannot be deleted");
                            continue;
                        }
                        removed += 1;
                    }
                    _ if depth + 1 < DEPTH => folders.push((path, depth + 1)),
                    _ => {}
                }
            }
        }
        Ok(removed)
    }

    /// Whether this is the work folder of a job that ended long enough ago, and nobody needs it.
    async fn is_over(&self, number: u64, path: &str) -> Result<bool, String> {
        let told = |error: ports::StoreError| error.to_string();
        let Some(entry) = self.app.store.job(Scope::All, &JobRef::Number(number)).await.map_err(told)? else {
            return Ok(false);
        };
        let job = &entry.row.job;
        if job.state().is_open() || entry.row.ended_at.is_none_or(|at| at >= self.before) || self.due.contains(&job.id)
        {
            return Ok(false);
        }
        let below = format!("/{path}/");
        if self.used.iter().any(|dir| format!("{}/", dir.trim_end_matches('/')).contains(&below)) {
            return Ok(false);
        }
        let attempts = self.app.store.attempts(job.id).await.map_err(told)?;
        for attempt in attempts.iter().filter(|attempt| attempt.cluster == self.id) {
            let folder = self.cluster.work_folder(&order(&entry, attempt, &self.supply)).await;
            if folder.map_err(|error| error.to_string())?.as_deref() == Some(path) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
