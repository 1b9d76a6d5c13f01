//! Accounts of debtors at sites whose agent dials in. The agent says by which rules people have accounts there, and is told which of
//! them are to take in nothing: a partner never learns who owes, only what is to stop. By level, once a minute.

use std::sync::Arc;
use std::time::Duration;

use connect_slurm::config::Identity;
use link::Site;
use tokio::sync::watch;

use crate::app::App;
use crate::driver::Role;
use crate::links::debtors::to_stop;

/// As often as a cluster that the platform reaches itself.
const LOOK: Duration = Duration::from_secs(60);
/// While there is nothing to ask, or nobody to ask it.
const AGAIN: Duration = Duration::from_secs(5);

/// For as long as the server runs.
pub(super) async fn keep_out(app: App, role: watch::Receiver<Role>, site: Arc<Site>) {
    let (cluster, mut up) = (site.place.cluster, site.up());
    loop {
        // The sender lives as long as the site.
        let _ = up.wait_for(|up| *up).await;
        let wait = if *role.borrow() == Role::Active {
            let amiss = look(&app, &site).await;
            if let Some(amiss) = &amiss {
                tracing::debug!(%cluster, amiss, "accounts of debtors at a site");
            }
            app.clusters.set_owing(cluster, amiss);
            LOOK
        } else {
            AGAIN
        };
        tokio::time::sleep(wait).await;
    }
}

/// What is amiss, for the operator; nothing of it is in the way of jobs.
async fn look(app: &App, site: &Site) -> Option<String> {
    let rules = match site.account_rules().await {
        Ok(Some(rules)) => rules,
        Ok(None) => {
            return Some(
                "its agent is too old to stop accounts of debtors, should its configuration ask for that: install the \
                 platform's version of hw at the site"
                    .to_owned(),
            );
        }
        Err(error) => return Some(format!("accounts of debtors: {error}")),
    };
    if rules.is_empty() {
        return None;
    }
    let Ok(identity) = serde_json::from_slice::<Identity>(&rules) else {
        return Some(
            "accounts of debtors are not stopped: its agent's rules are written in another form; update the server"
                .to_owned(),
        );
    };
    let wanted = to_stop(app, &identity).await?;
    match site.stop_accounts(&wanted).await {
        Ok(changed) => {
            if !changed.is_empty() {
                tracing::info!(site = site.place.site, changed, "site accounts by what their tenants can pay");
            }
            None
        }
        Err(error) => Some(format!("accounts of debtors: {}", crate::links::chain(&error))),
    }
}
