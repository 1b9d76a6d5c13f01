//! The guided conversation of a registration: looks at a cluster through its way in and says, finding by finding, what is
//! there and what to do about it. Changes nothing there but one small job and one small file, both of which it takes away.
//! Refuses to know: the platform's records, what is done with the answer.

mod debtors;
mod differences;
mod facts;
mod first_job;
mod root;
mod users;

use std::time::Duration;

use base::{ClusterId, Resources, Span, Timestamp};
use model::NodeState;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::carrier::{AccountingKind, Carrier, CarrierError, QueueWanted, Survey};
use crate::config::{SlurmConfig, Way};
use crate::supply::{self, Supply};
use root::Root;

/// A question that takes longer than this makes a second of lag impossible at two looks a second.
const LATENCY_WARN: Duration = Duration::from_millis(500);
/// Times the way in is timed; the best counts, since the first opens connections.
const LATENCY_LOOKS: usize = 3;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    /// Works, with a consequence that one should know.
    Warn,
    /// Does not work; the cluster is of no use until it is mended.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub level: Level,
    /// A stable word: `reachability`, `version`, `accounting`, `partitions`, `nodes`, `pools`, `chips`, `limits`, `clock`,
    /// `settings`, `work_root`, `first_job`, `reservation`, `debtors`, `users`, `rsync`.
    pub what: String,
    pub found: String,
    /// What follows from it or what to do; never empty for what is not `Ok`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

impl Finding {
    pub fn ok(what: &str, found: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, what: what.into(), found: found.into(), advice: String::new() }
    }
    pub fn warn(what: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { level: Level::Warn, what: what.into(), found: found.into(), advice: advice.into() }
    }
    pub fn fail(what: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, what: what.into(), found: found.into(), advice: advice.into() }
    }
    #[must_use]
    pub fn with(self, advice: impl Into<String>) -> Finding {
        Finding { advice: advice.into(), ..self }
    }
}

/// A pool that the cluster would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSummary {
    pub name: String,
    pub partition: String,
    pub nodes: u32,
    pub nodes_up: u32,
    /// Of one node.
    pub shape: Resources,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
}

/// The cluster in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The way in, in the carrier's words.
    pub way: String,
    pub version: String,
    /// Slurm's own name of it.
    pub cluster_name: String,
    /// The unix account we are there.
    pub user: String,
    /// `slurmdbd`, `completion_log` or `controller`.
    pub accounting: String,
    pub nodes: u32,
    pub partitions: u32,
    pub pools: Vec<PoolSummary>,
    /// Of one small question.
    pub latency_millis: i64,
    /// The cluster's clock less ours.
    pub clock_ahead_seconds: i64,
    /// From handing in to the end of a job of no work; `None`: it did not end in time, or was not handed in.
    pub first_job_millis: Option<i64>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub at: Timestamp,
    pub took_millis: i64,
    pub findings: Vec<Finding>,
    /// `None`: the cluster could not be asked.
    pub summary: Option<Summary>,
}

impl CheckReport {
    /// Nothing is in the way of using the cluster.
    pub fn passed(&self) -> bool {
        self.summary.is_some() && self.findings.iter().all(|f| f.level != Level::Fail)
    }
}

/// What a check needs to know.
pub struct Checked<'a> {
    pub config: &'a SlurmConfig,
    pub cluster: ClusterId,
    /// The platform's name of it.
    pub name: &'a str,
    /// Names the check's own job and file; from nobody else's.
    pub tag: u32,
    /// Our clock.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Longest wait for the first job's end.
    pub patience: Duration,
}

/// Looks at everything, in the order of the findings. `tell` hears each finding as it comes. Takes as long as the first job
/// waits, at most `patience`, and some seconds.
pub async fn check(
    carrier: &dyn Carrier,
    files: Option<&dyn ports::Files>,
    wanted: &Checked<'_>,
    tell: &(dyn Fn(&Finding) + Send + Sync),
) -> CheckReport {
    let (at, begun) = ((wanted.clock)(), Instant::now());
    let mut findings = Told { all: Vec::new(), tell };
    let summary = look(carrier, files, wanted, &mut findings).await;
    CheckReport { at, took_millis: millis(begun.elapsed()), findings: findings.all, summary }
}

/// Findings so far, each told when it is found.
struct Told<'a> {
    all: Vec<Finding>,
    tell: &'a (dyn Fn(&Finding) + Send + Sync),
}

impl Told<'_> {
    fn push(&mut self, finding: Finding) {
        (self.tell)(&finding);
        self.all.push(finding);
    }
    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

async fn look(
    carrier: &dyn Carrier,
    files: Option<&dyn ports::Files>,
    wanted: &Checked<'_>,
    findings: &mut Told<'_>,
) -> Option<Summary> {
    let asked_at = (wanted.clock)();
    let survey = match carrier.survey().await {
        Ok(survey) => survey,
        Err(error) => {
            findings.push(unreached(carrier, &error, wanted.config));
            return None;
        }
    };
    // The clock was read somewhere between question and answer: half of it is the best guess.
    let middle = asked_at + Span::from_micros((wanted.clock)().since(asked_at).as_micros() / 2);
    let clock_ahead = survey.clock - middle.as_secs();
    let latency = latency(carrier, &survey).await;
    findings.push(reached(carrier, latency));
    findings.extend(facts::all(&survey, wanted.config, clock_ahead));
    let supply = supply::pools(&survey, wanted.config, wanted.cluster, wanted.name, &[]);
    findings.extend(supply.findings.iter().cloned());
    findings.extend(offered(&supply));
    findings.extend(facts::cards(&survey, &supply));
    findings.extend(debtors::look(carrier, &survey, wanted.config, files.is_some()).await);
    let root = root::look(files, wanted, findings).await;
    if let Some(files) = files.filter(|_| root == Root::Good) {
        findings.extend(differences::look(files, wanted).await);
    }
    findings.extend(users::look(carrier, files, &survey, &supply, wanted, root).await);
    let first_job = first_job::run(carrier, files, &survey, &supply, wanted, root, findings).await;
    Some(summary(carrier, &survey, &supply, latency, clock_ahead, first_job))
}

fn summary(
    carrier: &dyn Carrier,
    survey: &Survey,
    supply: &Supply,
    latency: Option<Duration>,
    clock_ahead_seconds: i64,
    first_job: Option<Duration>,
) -> Summary {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let pools = supply.plans.iter().map(|plan| PoolSummary {
        name: plan.pool.name.to_string(),
        partition: plan.pool.partition.clone(),
        nodes: count(plan.pool.nodes.len()),
        nodes_up: count(plan.states.iter().filter(|s| **s == NodeState::Up).count()),
        shape: plan.pool.shape,
        chip: plan.pool.chip.as_ref().map(ToString::to_string),
    });
    Summary {
        way: carrier.describe(),
        version: survey.version.clone(),
        cluster_name: survey.cluster_name.clone(),
        user: survey.user.clone(),
        accounting: match survey.accounting {
            AccountingKind::Slurmdbd => "slurmdbd",
            AccountingKind::CompletionLog => "completion_log",
            AccountingKind::Controller => "controller",
        }
        .into(),
        nodes: count(survey.nodes.len()),
        partitions: count(survey.partitions.len()),
        pools: pools.collect(),
        latency_millis: latency.map_or(-1, millis),
        clock_ahead_seconds,
        first_job_millis: first_job.map(millis),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The best of some small questions; `None` when none was answered.
async fn latency(carrier: &dyn Carrier, survey: &Survey) -> Option<Duration> {
    let mut best: Option<Duration> = None;
    for _ in 0..LATENCY_LOOKS {
        let begun = Instant::now();
        if carrier.queue(QueueWanted::ChangedSince(survey.clock)).await.is_ok() {
            let took = begun.elapsed();
            best = Some(best.map_or(took, |b| b.min(took)));
        }
    }
    best
}

fn reached(carrier: &dyn Carrier, latency: Option<Duration>) -> Finding {
    let way = carrier.describe();
    match latency {
        None => Finding::fail(
            "reachability",
            format!("{way}: describes itself, but does not list its queue"),
            "see that this account may run squeue there (PrivateData, a restricted shell, a wrapper of the site)",
        ),
        Some(took) if took > LATENCY_WARN => Finding::warn(
            "reachability",
            format!("{way}: a question takes {} ms", millis(took)),
            "changes are seen later than within a second; raise `poll_ms` accordingly, or use another way in",
        ),
        Some(took) => Finding::ok("reachability", format!("{way}: answers in {} ms", millis(took))),
    }
}

fn unreached(carrier: &dyn Carrier, error: &CarrierError, config: &SlurmConfig) -> Finding {
    let mut found = format!("{}: {error}", carrier.describe());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        found.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    let advice = match (error, &config.way) {
        (CarrierError::Refused(_), Way::Rest { .. }) => {
            "see token, user name and pinned version of slurmrestd; `slurmrestd -s list` names the versions it has"
        }
        (CarrierError::Refused(words), _) if words.contains("denied") => {
            "the site hides nodes or partitions from users (PrivateData): ask it to let this account see them, as operator or otherwise"
        }
        (CarrierError::Refused(_), _) => {
            "see that slurmctld is up (`scontrol ping`) and that this account may use Slurm"
        }
        (CarrierError::Unreadable(_), Way::Rest { .. }) => {
            "the endpoint answers something else than the pinned version; see `version` and that no proxy is between"
        }
        (CarrierError::Unreadable(_), _) => {
            "Slurm's commands print something else than Slurm does: look for a login banner or a wrapper of the site"
        }
        (CarrierError::Unreachable(_), Way::Command { .. }) => {
            "see that Slurm's commands are installed here, munge runs, and `slurm_conf` names the right file"
        }
        (CarrierError::Unreachable(_), Way::Ssh { .. }) => {
            "try it by hand as the same user: `ssh -o BatchMode=yes HOST true`; the host must be in the known-hosts file"
        }
        (CarrierError::Unreachable(_), Way::Rest { .. }) => {
            "see that slurmrestd runs, and that the socket or port can be reached by the user that the platform runs as"
        }
    };
    Finding::fail("reachability", found, advice)
}

/// What would be offered, and that it is something.
fn offered(supply: &Supply) -> Vec<Finding> {
    if supply.plans.is_empty() {
        let advice = "see the findings above: partitions that this account may use, nodes that say what they have";
        return vec![Finding::fail("pools", "there is nothing that jobs could be given to", advice)];
    }
    let mut findings = Vec::new();
    for plan in &supply.plans {
        let (pool, up) = (&plan.pool, plan.states.iter().filter(|s| **s == NodeState::Up).count());
        let chip = pool.chip.as_ref().map_or(String::new(), |chip| format!(", {} {chip}", pool.shape.gpus));
        let found = format!(
            "{}: {} nodes of {} cores, {}{chip}; {up} up",
            pool.name,
            pool.nodes.len(),
            pool.shape.cpu,
            pool.shape.mem
        );
        findings.push(match up {
            0 => Finding::warn("pools", found, "nothing runs there until a node is back"),
            _ => Finding::ok("pools", found),
        });
    }
    findings
}

#[cfg(test)]
mod tests;
