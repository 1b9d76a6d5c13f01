//! Checks and trials of registered clusters: begun by an operator, run in the background, readable while they run, kept when
//! they are done. One at a time and cluster.

use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, ReportId, Timestamp};
use connect_slurm::check::{self, CheckReport, Checked, Finding};
use connect_slurm::supply;
use connect_slurm::trial::{self, Trial, TrialReport};
use connect_slurm::{Limits, Opened, Parts, SlurmCluster, SlurmConfig, SlurmPool, open};
use engine::{Command, Envelope};
use model::{Actor, Cluster, ClusterLink, ClusterReport, LinkKind, NodeState, Observation, ReportKind};
use tokio::sync::mpsc;

use super::keeper::{chain, known_pools, realm};
use super::{Links, SlurmLink, by_agent};
use crate::app::App;

/// Longest wait for the first job of a check. A queue that lets a job of no work wait longer is a finding.
pub(super) const FIRST_JOB: Duration = Duration::from_secs(60);
/// Longest trial. Its shortest time limit is a minute, which Slurm notices up to half a minute late; the rest is the queue's.
const TRIAL: Duration = Duration::from_secs(270);
/// Observations of a trial under way: at most some forty jobs with three each.
pub(super) const TRIAL_ROOM: usize = 256;
/// Reports that stay readable from memory when they could not be stored.
const REMEMBERED: usize = 32;

/// A report that is being made, or was just made.
#[derive(Clone, Debug)]
pub struct Running {
    pub id: ReportId,
    pub cluster: ClusterId,
    pub kind: ReportKind,
    pub at: Timestamp,
    pub done: bool,
    /// So far, of a check.
    pub findings: Vec<Finding>,
    /// Why it could not be made or kept.
    pub error: Option<String>,
}

/// Another check or trial of this cluster is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy(pub ReportId);

impl Links {
    /// The report under this id that is not in the store yet.
    pub fn running(&self, id: ReportId) -> Option<Running> {
        self.held().reports.get(&id).cloned()
    }

    /// Begins a check or a trial in the background.
    ///
    /// # Errors
    /// [`Busy`] with the one that is under way.
    pub fn start(
        &self,
        app: &App,
        cluster: Cluster,
        link: ClusterLink,
        kind: ReportKind,
        actor: Actor,
        who: Who,
    ) -> Result<Running, Busy> {
        let (id, at) = (ReportId::from_u128(app.ids.draw()), app.clock.now());
        let begun = Running { id, cluster: cluster.id, kind, at, done: false, findings: Vec::new(), error: None };
        {
            let mut held = self.held();
            if let Some(other) = held.reports.values().find(|r| r.cluster == cluster.id && !r.done) {
                return Err(Busy(other.id));
            }
            while held.reports.len() >= REMEMBERED {
                let Some(oldest) = held.reports.values().find(|r| r.done).map(|r| r.id) else { break };
                held.reports.remove(&oldest);
            }
            held.reports.insert(id, begun.clone());
        }
        let (app, work) = (app.clone(), begun.clone());
        tokio::spawn(async move {
            // Whatever happens to the task, the next one may begin.
            let _done = Done { links: app.links.clone(), id };
            if let Err(error) = make(&app, &cluster, &link, &work, actor, who).await {
                app.links.fail(id, error);
            }
        });
        Ok(begun)
    }

    /// A finding of a check under way, for those who read it meanwhile.
    pub(super) fn tell(&self, id: ReportId, finding: &Finding) {
        if let Some(report) = self.held().reports.get_mut(&id) {
            report.findings.push(finding.clone());
        }
    }

    fn fail(&self, id: ReportId, error: String) {
        if let Some(report) = self.held().reports.get_mut(&id) {
            report.error = Some(error);
        }
    }
}

/// For whom a trial's jobs run, as the cluster's table of identities knows them.
pub struct Who {
    pub tenant: Arc<str>,
    pub project: Arc<str>,
    pub user: Arc<str>,
}

struct Done {
    links: Links,
    id: ReportId,
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(report) = self.links.held().reports.get_mut(&self.id) {
            report.done = true;
        }
    }
}

async fn make(
    app: &App,
    cluster: &Cluster,
    link: &ClusterLink,
    work: &Running,
    actor: Actor,
    who: Who,
) -> Result<(), String> {
    let (passed, report) = if link.kind == LinkKind::Site {
        match work.kind {
            ReportKind::Check => {
                let report = by_agent::look(app, cluster, work.id).await?;
                (report.passed(), serde_json::to_string(&report))
            }
            ReportKind::Trial => {
                let report = by_agent::try_out(app, cluster, who).await?;
                (report.passed(), serde_json::to_string(&report))
            }
        }
    } else {
        let config = SlurmLink::read(link).map_err(|error| format!("its registration cannot be read: {error}"))?.slurm;
        let opened = open(&config).map_err(|error| chain(&error))?;
        match work.kind {
            ReportKind::Check => {
                let report = look(app, cluster, &config, &opened, work.id).await;
                (report.passed(), serde_json::to_string(&report))
            }
            ReportKind::Trial => {
                let report = try_out(app, cluster, config, opened, who).await?;
                (report.passed(), serde_json::to_string(&report))
            }
        }
    };
    let report = report.map_err(|error| error.to_string())?.into();
    let kept = ClusterReport { id: work.id, cluster: cluster.id, at: work.at, kind: work.kind, passed, report };
    let envelope = Envelope { actor, operator: true, once: None, command: Command::KeepReport(kept) };
    app.engine.command(envelope).await.map_err(|error| format!("it could not be kept: {error}"))?;
    app.links.look_again(cluster.id);
    Ok(())
}

async fn look(app: &App, cluster: &Cluster, config: &SlurmConfig, opened: &Opened, id: ReportId) -> CheckReport {
    let clock = app.clock.clone();
    let wanted = Checked {
        config,
        cluster: cluster.id,
        name: &cluster.name,
        // The last bits of an id are drawn at random.
        tag: id.as_u128() as u32,
        clock: &move || clock.now(),
        patience: FIRST_JOB,
    };
    let tell = |finding: &Finding| app.links.tell(id, finding);
    check::check(&*opened.carrier, opened.files.as_deref(), &wanted, &tell).await
}

/// Real jobs through a connector of their own, which sees nothing of the work's.
async fn try_out(
    app: &App,
    cluster: &Cluster,
    config: SlurmConfig,
    opened: Opened,
    who: Who,
) -> Result<TrialReport, String> {
    let survey = opened.carrier.survey().await.map_err(|error| chain(&error))?;
    let known = known_pools(app, cluster.id).await.map_err(|error| error.to_string())?;
    let plans = supply::pools(&survey, &config, cluster.id, &cluster.name, &known).plans;
    let up = |plan: &supply::SlurmPoolPlan| plan.states.contains(&NodeState::Up);
    let pools: Vec<SlurmPool> = plans.iter().filter(|plan| up(plan)).map(|plan| plan.pool.clone()).collect();
    let platform = app.store.platform_id(app.ids.draw()).await.map_err(|error| error.to_string())?;
    let (sender, observations) = mpsc::channel(TRIAL_ROOM);
    let clock = app.clock.clone();
    let parts = Parts {
        cluster: cluster.id,
        name: cluster.name.clone(),
        realm: realm(platform, cluster, b"trial"),
        config,
        pools: pools.clone(),
        carrier: opened.carrier.clone(),
        files: opened.files.clone(),
        homes: opened.homes.clone(),
        accounting: survey.accounting,
        limits: Limits::of(&survey),
        clock: Arc::new(move || clock.now()),
    };
    Ok(run(app, Arc::new(SlurmCluster::new(parts, sender)), observations, &pools, who).await)
}

pub(super) async fn run(
    app: &App,
    connector: Arc<dyn ports::Cluster>,
    observations: mpsc::Receiver<Observation>,
    pools: &[SlurmPool],
    who: Who,
) -> TrialReport {
    let (ids, clock) = (app.ids.clone(), app.clock.clone());
    let trial = Trial {
        pools,
        draw: &move || ids.draw(),
        clock: &move || clock.now(),
        tenant: who.tenant,
        project: who.project,
        user: who.user,
        patience: TRIAL,
    };
    trial::run(connector, observations, &trial).await
}
