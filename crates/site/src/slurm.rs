//! A Slurm cluster behind the agent: taken up, looked at again twice a minute and whenever its connector sees that it offers something
//! else, and examined when the platform asks. Knows no line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{Span, Timestamp};
use connect_slurm::carrier::Survey;
use connect_slurm::check::{self, Checked};
use connect_slurm::debtors;
use connect_slurm::key::Realm;
use connect_slurm::supply::{self, Known, Supply};
use connect_slurm::{CarrierError, Limits, Opened, Parts, SlurmCluster, SlurmConfig, SlurmPool};
use futures::FutureExt;
use futures::future::BoxFuture;
use link::{Accounts, Examine, Hosted, Place, Timing};
use model::{BackendKind, ClusterTerms, Observation, Observed, PoolTerms};
use ports::ConnectError;
use ports::cluster::Observations;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::host::{HostError, OBSERVATIONS};

/// A cluster is looked at as a whole this often: partitions and their limits are all that its connector does not see itself.
const LOOK: Duration = Duration::from_secs(30);

/// What must live as long as the connector.
pub(crate) struct Kept {
    _way: Opened,
    _tasks: JoinSet<()>,
}

/// What a cluster offers, as far as the platform is told of it.
type Offer = (Vec<(SlurmPool, Option<Span>, PoolTerms)>, ClusterTerms);

/// Surveys the cluster and takes it up; with `patience` it asks until there is an answer. It delivers to `observations`, also that
/// it offers something else than before.
pub(crate) async fn open(
    config: SlurmConfig,
    place: &Place,
    patience: Option<Timing>,
    observations: Observations,
) -> Result<(Hosted, Kept), HostError> {
    let way = connect_slurm::open(&config)?;
    let survey = first_answer(&way, patience).await.map_err(HostError::Silent)?;
    let supply = supply::pools(&survey, &config, place.cluster, &place.site, &[]);
    if supply.plans.is_empty() {
        let said = supply.findings.iter().map(|finding| finding.found.as_str()).collect::<Vec<_>>();
        return Err(HostError::Nothing(said.join("; ")));
    }
    let offer = offer(supply);
    // Whose jobs they are, on a cluster where several platforms use one account.
    let realm = Realm::new(&[place.platform.as_bytes(), &place.cluster.to_bytes(), b"site"]);
    let parts = Parts {
        cluster: place.cluster,
        name: place.site.as_str().into(),
        realm,
        pools: pools_of(&offer),
        carrier: way.carrier.clone(),
        files: way.files.clone(),
        homes: way.homes.clone(),
        accounting: survey.accounting,
        limits: Limits::default(),
        clock: Arc::new(wall_clock),
        config: config.clone(),
    };
    let (sender, seen) = mpsc::channel(OBSERVATIONS);
    let cluster = Arc::new(SlurmCluster::new(parts, sender));
    let look_now = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(pass_on(seen, observations.clone(), look_now.clone()));
    let follower =
        Follower { cluster: cluster.clone(), way: way.clone(), config: config.clone(), place: place.clone() };
    tasks.spawn(follower.follow(offer, observations, look_now));
    let accounts = SiteAccounts { way: way.clone(), config: config.clone(), realm, slurm_name: survey.cluster_name };
    let accounts: Option<Arc<dyn Accounts>> = Some(Arc::new(accounts));
    let hosted = Hosted { backend: BackendKind::Slurm, cluster, examine: Some(examine(&way, config, place)), accounts };
    Ok((hosted, Kept { _way: way, _tasks: tasks }))
}

/// An agent that is started again, perhaps with the whole site, may be up before its Slurm is.
async fn first_answer(way: &Opened, patience: Option<Timing>) -> Result<Survey, CarrierError> {
    let mut pause = patience.map(|timing| timing.redial_first);
    loop {
        match (way.carrier.survey().await, pause.zip(patience)) {
            (Err(error), Some((wait, timing))) => {
                tracing::warn!(%error, "the agent waits for Slurm");
                tokio::time::sleep(wait).await;
                pause = Some((wait * 2).min(timing.redial_max));
            }
            (answer, _) => return answer,
        }
    }
}

/// Observations go to the agent; that something changed there is told once it is known what.
async fn pass_on(mut seen: mpsc::Receiver<Observation>, deliver: Observations, look_now: Arc<Notify>) {
    while let Some(observation) = seen.recv().await {
        if observation.what == Observed::SupplyChanged {
            look_now.notify_one();
        } else if deliver.send(observation).await.is_err() {
            return;
        }
    }
}

struct Follower {
    cluster: Arc<SlurmCluster>,
    way: Opened,
    config: SlurmConfig,
    place: Place,
}

impl Follower {
    async fn follow(self, mut known: Offer, deliver: Observations, look_now: Arc<Notify>) {
        loop {
            // Either way the next look does the same.
            let _ = tokio::time::timeout(LOOK, look_now.notified()).await;
            // No answer is no news; the connector tells when the cluster is silent for too long.
            let Ok(survey) = self.way.carrier.survey().await else { continue };
            let before: Vec<Known> = known.0.iter().map(|(pool, ..)| Known::from(pool)).collect();
            let now = supply::pools(&survey, &self.config, self.place.cluster, &self.place.site, &before);
            let now = offer(now);
            if now == known {
                continue;
            }
            tracing::info!(pools = now.0.len(), "the cluster offers something else than before; the platform is told");
            self.cluster.set_pools(pools_of(&now));
            known = now;
            let changed = Observation { cluster: self.place.cluster, what: Observed::SupplyChanged };
            if deliver.send(changed).await.is_err() {
                return;
            }
        }
    }
}

fn offer(supply: Supply) -> Offer {
    let pools = supply.plans.into_iter().map(|plan| (plan.pool, plan.time_limit_max, plan.terms));
    (pools.collect(), supply.terms)
}

fn pools_of(offer: &Offer) -> Vec<SlurmPool> {
    offer.0.iter().map(|(pool, ..)| pool.clone()).collect()
}

fn examine(way: &Opened, config: SlurmConfig, place: &Place) -> Examine {
    let (way, config, place) = (way.clone(), Arc::new(config), place.clone());
    Arc::new(move |tag, patience| {
        let (way, config, place) = (way.clone(), config.clone(), place.clone());
        async move {
            let wanted = Checked {
                config: &config,
                cluster: place.cluster,
                name: &place.site,
                tag,
                clock: &wall_clock,
                patience,
            };
            let report = check::check(&*way.carrier, way.files.as_deref(), &wanted, &|_| {}).await;
            serde_json::to_vec(&report).map_err(|error| ConnectError::Unreachable(std::io::Error::other(error)))
        }
        .boxed()
    })
}

/// Accounts of this cluster that the registration lets the platform stop.
struct SiteAccounts {
    way: Opened,
    config: SlurmConfig,
    realm: Realm,
    /// What Slurm calls the cluster.
    slurm_name: String,
}

impl Accounts for SiteAccounts {
    fn rules(&self) -> Vec<u8> {
        let wanted = self.config.identity.stop_debtors.then(|| serde_json::to_vec(&self.config.identity));
        // Names and patterns: nothing that could not be written.
        wanted.and_then(Result::ok).unwrap_or_default()
    }

    fn stop(&self, accounts: BTreeSet<String>) -> BoxFuture<'_, Result<String, ConnectError>> {
        async move {
            let refused = |note: String| ConnectError::Refused {
                text: "accounts of debtors are not stopped".to_owned(),
                note,
                permanent: false,
            };
            if !self.config.identity.stop_debtors {
                return Err(refused("the site's own configuration does not say so (`stop_debtors`)".to_owned()));
            }
            let Some(files) = &self.way.files else {
                return Err(refused("files cannot be reached this way".to_owned()));
            };
            let done = debtors::reconcile(&*self.way.carrier, &**files, self.realm, &self.slurm_name, &accounts).await;
            let changed = done.map_err(|error| refused(error.to_string()))?.words();
            if !changed.is_empty() {
                tracing::info!(changed, "accounts by what their tenants can pay, as the platform says");
            }
            Ok(changed)
        }
        .boxed()
    }
}

pub(crate) fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use connect_slurm::fake::{FakeSlurm, Setup};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_has_joined_waits_for_its_slurm_and_one_that_joins_does_not() {
        let slurm = FakeSlurm::new(Setup::default());
        let way = Opened { carrier: Arc::new(slurm.clone()), files: None, homes: None };
        slurm.set_cut(true);
        assert!(first_answer(&way, None).await.is_err());
        let back = async {
            tokio::time::sleep(Duration::from_secs(90)).await;
            slurm.set_cut(false);
        };
        let (answer, ()) = tokio::join!(first_answer(&way, Some(Timing::default())), back);
        assert!(answer.is_ok());
    }
}
