//! Checks and trials of a site: taken by its agent, which stands beside the cluster, and told here with what is known of the line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{ClusterId, ReportId};
use connect_slurm::SlurmPool;
use connect_slurm::check::{CheckReport, Finding};
use connect_slurm::trial::TrialReport;
use link::{Site, SiteStatus};
use model::{Cluster, Service};
use tokio::sync::mpsc;

use super::keeper::chain;
use super::reports::{FIRST_JOB, TRIAL_ROOM, Who, run};
use crate::app::App;
use crate::sites::software;

/// An answer that takes longer than this makes orders and files slow.
const ROUND_TRIP_WARN: Duration = Duration::from_millis(500);
/// Differences of clocks below this are the way there, not the clock, milliseconds.
const CLOCK_TOLERATED_MS: i64 = 2_000;

/// Findings so far, each told when it is found.
struct Told<'a> {
    app: &'a App,
    id: ReportId,
    all: Vec<Finding>,
}

impl Told<'_> {
    fn push(&mut self, finding: Finding) {
        self.app.links.tell(self.id, &finding);
        self.all.push(finding);
    }
}

/// The line to the agent first, then what the agent finds.
///
/// # Errors
/// When this server has no such site.
pub(super) async fn look(app: &App, cluster: &Cluster, id: ReportId) -> Result<CheckReport, String> {
    let sites = app.sites.as_ref().ok_or("this server takes no sites in")?;
    let site = sites.site(cluster.id).ok_or("there is no such site")?;
    let (at, begun) = (app.clock.now(), Instant::now());
    let mut told = Told { app, id, all: Vec::new() };
    let mut summary = None;
    if let Some(took) = line(&site, &mut told).await {
        // The last bits of an id are drawn at random.
        match site.check(id.as_u128() as u32, FIRST_JOB).await {
            Ok(Some(report)) => match serde_json::from_slice::<CheckReport>(&report) {
                Ok(report) => {
                    report.findings.into_iter().for_each(|finding| told.push(finding));
                    summary = report.summary;
                    if let Some(summary) = &mut summary {
                        summary.latency_millis += i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
                    }
                }
                Err(error) => told.push(Finding::fail(
                    "agent",
                    format!("its report is written in another form: {error}"),
                    "install the platform's version of hw at the site and start the agent again",
                )),
            },
            Ok(None) => told.push(Finding::fail(
                "agent",
                "the agent's program does not know how to look at its cluster",
                "install the platform's version of hw at the site and start the agent again: jobs go on meanwhile",
            )),
            Err(error) => told.push(Finding::fail(
                "agent",
                format!("what stands behind the agent did not answer: {}", chain(&error)),
                "see the agent's log, and the cluster from there",
            )),
        }
    }
    let took_millis = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    Ok(CheckReport { at, took_millis, findings: told.all, summary })
}

/// What is known of the line; how long a question takes, or nothing where none is answered.
async fn line(site: &Site, told: &mut Told<'_>) -> Option<Duration> {
    let status = site.status();
    if status.connected_since.is_none() {
        let advice = "see that `hw site` runs there; its log says why it has no line. A site that never joined: `hw sites enroll`";
        let seen = status.last_seen.map_or("never heard of".to_owned(), |at| format!("last heard of {at}"));
        told.push(Finding::fail("reachability", format!("no line from the site's agent, {seen}"), advice));
        return None;
    }
    let from = status.address.map_or(String::new(), |address| format!(" from {address}"));
    let took = match site.round_trip().await {
        Ok(took) => took,
        Err(error) => {
            let advice = "the line stands, and the agent does not answer: see its log";
            told.push(Finding::fail("reachability", format!("agent{from}: {}", chain(&error)), advice));
            return None;
        }
    };
    let found = format!("agent{from}: answers in {} ms", took.as_millis());
    told.push(match took {
        took if took > ROUND_TRIP_WARN => {
            Finding::warn("reachability", found, "orders and files are slow over this line; jobs are not")
        }
        _ => Finding::ok("reachability", found),
    });
    told.push(program(&status));
    let ahead = status.clock_ahead_ms;
    let found = format!("the site's clock differs from ours by {ahead} ms");
    told.push(match ahead.abs() {
        apart if apart > CLOCK_TOLERATED_MS => {
            Finding::warn("clock", found, "have the site keep its time by NTP; bills use the length of runs")
        }
        _ => Finding::ok("clock", found),
    });
    Some(took)
}

fn program(status: &SiteStatus) -> Finding {
    let (theirs, ours) = (status.software.as_deref().unwrap_or("unknown"), software());
    let protocol = status.protocol.map_or(String::new(), |protocol| format!(", protocol {protocol}"));
    if status.unreadable > 0 {
        let found = format!("{theirs}{protocol}: {} events were not understood", status.unreadable);
        return Finding::warn("agent", found, "its program is newer than the server's: update the server");
    }
    match theirs == ours {
        true => Finding::ok("agent", format!("{theirs}{protocol}")),
        false => {
            Finding::warn("agent", format!("{theirs}{protocol}; the server is {ours}"), "install the same at both ends")
        }
    }
}

/// Real jobs through a site's agent. It has one connector, which a trial needs for itself: only while nothing is open there,
/// and nothing can come.
///
/// # Errors
/// Why it is not tried, for the operator.
pub(super) async fn try_out(app: &App, cluster: &Cluster, who: Who) -> Result<TrialReport, String> {
    let id = cluster.id;
    let busy = app.engine.ask(move |engine, _| {
        let testing = engine.clusters().any(|c| c.id == id && c.service == Service::Testing);
        !testing || !engine.handed_over(id).is_empty()
    });
    if busy.await.map_err(|error| error.to_string())? {
        return Err("a site is tried while it is in testing and no job is open there".to_owned());
    }
    let sites = app.sites.as_ref().ok_or("this server takes no sites in")?;
    let (sender, observations) = mpsc::channel(TRIAL_ROOM);
    let remote = sites.for_trial(id, sender).ok_or("there is no such site")?;
    let tried = match ports::Cluster::describe(&*remote).await {
        Ok(facts) => {
            let pools: Vec<SlurmPool> = facts.pools.into_iter().map(|pool| described(id, pool)).collect();
            Ok(run(app, remote as Arc<dyn ports::Cluster>, observations, &pools, who).await)
        }
        Err(error) => Err(error.to_string()),
    };
    sites.after_trial(id).await;
    tried
}

/// A pool as a trial needs it: how its connector names things there is the agent's affair.
fn described(cluster: ClusterId, pool: ports::PoolFacts) -> SlurmPool {
    SlurmPool {
        id: link::pool_id(cluster, &pool.name),
        partition: pool.name.clone(),
        name: pool.name.into(),
        gres: (pool.shape.gpus > 0).then(|| ("gpu".to_owned(), None)),
        constraint: None,
        exclude: Vec::new(),
        nodes: pool.nodes,
        shape: pool.shape,
        chip: pool.chip,
    }
}
