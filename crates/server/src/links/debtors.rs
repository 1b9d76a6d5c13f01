//! Site accounts of tenants who cannot pay are stopped where the registration wants it, and let again. Looked at with the cluster, and
//! by level: what a look missed the next one does. Refuses to know: how a site stops an account.

use std::collections::BTreeSet;

use connect_slurm::config::Identity;
use connect_slurm::key::Realm;
use connect_slurm::{Opened, SlurmConfig, debtors};

use crate::app::App;

use super::keeper::chain;

/// Accounts that the rules of a site give to debtors alone. `None`: without an engine nobody knows who owes; the next one will.
pub(crate) async fn to_stop(app: &App, identity: &Identity) -> Option<BTreeSet<String>> {
    let standings = app.engine.ask(|engine, _| engine.standings().collect::<Vec<_>>()).await.ok()?;
    let known = |standing: engine::Standing| debtors::Tenant {
        name: standing.tenant,
        projects: standing.projects,
        users: standing.users,
        owes: !standing.takes_work,
    };
    let tenants: Vec<debtors::Tenant> = standings.into_iter().map(known).collect();
    Some(debtors::to_stop(identity, &tenants))
}

/// What is amiss, for the operator; nothing of it is in the way of jobs.
pub(super) async fn keep_out(
    app: &App,
    config: &SlurmConfig,
    opened: &Opened,
    realm: Realm,
    slurm_name: &str,
) -> Option<String> {
    if !config.identity.stop_debtors {
        return None;
    }
    let Some(files) = &opened.files else {
        return Some("accounts of debtors are not stopped: files cannot be reached this way".to_owned());
    };
    let wanted = to_stop(app, &config.identity).await?;
    match debtors::reconcile(&*opened.carrier, &**files, realm, slurm_name, &wanted).await {
        Ok(changed) => {
            let changed = changed.words();
            if !changed.is_empty() {
                tracing::info!(cluster = slurm_name, changed, "site accounts by what their tenants can pay");
            }
            None
        }
        Err(error) => Some(format!("accounts of debtors: {}", chain(&error))),
    }
}
