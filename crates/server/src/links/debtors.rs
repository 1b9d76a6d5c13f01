//! Site accounts of tenants who cannot pay are stopped where the registration wants it, and let again. Looked at with the cluster, and
//! by level: what a look missed the next one does. Refuses to know: how a site stops an account.

use std::collections::BTreeSet;

use connect_slurm::key::Realm;
use connect_slurm::render::identity;
use connect_slurm::{Opened, SlurmConfig, debtors};

use crate::app::App;

use super::keeper::chain;

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
    // Without an engine nobody knows who owes; the next one will.
    let standings = app.engine.ask(|engine, _| engine.standings().collect::<Vec<_>>()).await.ok()?;
    let mut wanted = BTreeSet::new();
    for owing in standings.iter().filter(|standing| !standing.takes_work) {
        let projects: Vec<&str> = owing.projects.iter().map(AsRef::as_ref).collect();
        wanted.extend(identity::accounts_of(&config.identity, &owing.tenant, &projects));
    }
    match debtors::reconcile(&*opened.carrier, &**files, realm, slurm_name, &wanted).await {
        Ok(changed) => {
            if !changed.stopped.is_empty() || !changed.lifted.is_empty() {
                let (stopped, lifted) = (changed.stopped.join(","), changed.lifted.join(","));
                tracing::info!(cluster = slurm_name, stopped, lifted, "site accounts by what their tenants can pay");
            }
            None
        }
        Err(error) => Some(format!("accounts of debtors: {}", chain(&error))),
    }
}
