//! Deletes what nobody needs of tenants' files: contents without a file or a job, and uploads that were given up.
//! Reconciles by level on the active server: each look does the next thing there is to do.

use std::time::Duration;

use tokio::sync::watch;

use crate::app::App;
use crate::driver::Role;
use crate::files::blocking;
use crate::limits::{CONTENT_GRACE, FILES_SWEPT, UPLOAD_LIFE};
use crate::problem::Failure;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);

/// Looks until the server stops.
pub async fn run(app: App, role: watch::Receiver<Role>, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = timer.tick() => {
                let active = matches!(&*role.borrow(), Role::Active);
                if active && let Err(failure) = look(&app).await {
                    tracing::warn!(%failure, "unneeded files stay for now");
                }
            }
        }
    }
}

async fn look(app: &App) -> Result<(), Failure> {
    let now = app.clock.now();
    let failed = |error: std::io::Error| Failure::internal(format!("the data folder's files: {error}"));
    for upload in app.store.stale_uploads(now - UPLOAD_LIFE, FILES_SWEPT).await? {
        app.store.drop_upload(upload.id).await?;
        blocking(&app.files, move |space| space.discard(upload.id)).await.map_err(failed)?;
    }
    let _booking = app.files.booking.lock().await;
    for digest in app.store.forget_orphans(now, now - CONTENT_GRACE, FILES_SWEPT).await? {
        blocking(&app.files, move |space| space.remove(digest)).await.map_err(failed)?;
    }
    Ok(())
}
