//! Registered clusters and what was found out about them, as the API shows them.

use connect_slurm::check::{self, CheckReport};
use connect_slurm::trial::{self, TrialReport};
use model::ReportKind;
use wire::Amounts;
use wire::cluster as shown;

use crate::links::{LinkState, Running, SlurmLink};

/// A report from the store; one that cannot be read says so.
pub fn report(report: &model::ClusterReport) -> shown::ClusterReport {
    let mut shown = shown::ClusterReport {
        id: report.id,
        cluster: report.cluster,
        at: report.at.into(),
        kind: super::report_kind(report.kind),
        passed: Some(report.passed),
        error: None,
        took_millis: None,
        findings: Vec::new(),
        summary: None,
        cases: Vec::new(),
    };
    let read = match report.kind {
        ReportKind::Check => serde_json::from_str(&report.report).map(|found: CheckReport| {
            shown.took_millis = Some(found.took_millis);
            shown.findings = found.findings.iter().map(finding).collect();
            shown.summary = found.summary.map(summary);
        }),
        ReportKind::Trial => serde_json::from_str(&report.report).map(|tried: TrialReport| {
            shown.took_millis = Some(tried.took_millis);
            shown.cases = tried.cases.into_iter().map(case).collect();
        }),
    };
    if let Err(error) = read {
        shown.error = Some(format!("it was written in another form: {error}"));
    }
    shown
}

/// One that is under way, or could not be made or kept.
pub fn running(report: &Running) -> shown::ClusterReport {
    shown::ClusterReport {
        id: report.id,
        cluster: report.cluster,
        at: report.at.into(),
        kind: super::report_kind(report.kind),
        passed: report.done.then_some(false),
        error: report.error.clone(),
        took_millis: None,
        findings: report.findings.iter().map(finding).collect(),
        summary: None,
        cases: Vec::new(),
    }
}

fn finding(finding: &check::Finding) -> shown::Finding {
    shown::Finding {
        level: match finding.level {
            check::Level::Ok => wire::FindingLevel::Ok,
            check::Level::Warn => wire::FindingLevel::Warn,
            check::Level::Fail => wire::FindingLevel::Fail,
        },
        what: finding.what.clone(),
        found: finding.found.clone(),
        advice: finding.advice.clone(),
    }
}

fn summary(summary: check::Summary) -> shown::ClusterSummary {
    let pool = |pool: check::PoolSummary| shown::SummaryPool {
        shape: Amounts::of(pool.shape, pool.chip.as_deref()).tres,
        name: pool.name,
        partition: pool.partition,
        nodes: pool.nodes,
        nodes_up: pool.nodes_up,
        chip: pool.chip,
    };
    shown::ClusterSummary {
        way: summary.way,
        version: summary.version,
        cluster_name: summary.cluster_name,
        user: summary.user,
        accounting: summary.accounting,
        nodes: summary.nodes,
        partitions: summary.partitions,
        pools: summary.pools.into_iter().map(pool).collect(),
        latency_millis: summary.latency_millis,
        clock_ahead_seconds: summary.clock_ahead_seconds,
        first_job_millis: summary.first_job_millis,
    }
}

fn case(case: trial::Case) -> shown::TrialCase {
    shown::TrialCase {
        what: case.what,
        pool: case.pool,
        verdict: match case.verdict {
            trial::Verdict::Passed => wire::Verdict::Passed,
            trial::Verdict::Failed => wire::Verdict::Failed,
            trial::Verdict::Skipped => wire::Verdict::Skipped,
        },
        waited_millis: case.waited_millis,
        ran_millis: case.ran_millis,
        words: case.words,
    }
}

/// How a registered cluster is reached; `state` is nothing on a server without the connection.
pub fn way(link: &SlurmLink, state: Option<LinkState>) -> shown::ClusterWay {
    let state = state.unwrap_or_default();
    let status = state.status;
    let count = |n: usize| n as u64;
    let (cost, fee) = link.cost.as_ref().map_or((None, None), super::cost::shown);
    shown::ClusterWay {
        slurm: serde_json::to_value(&link.slurm).unwrap_or_default(),
        cost,
        fee,
        connected: state.connected,
        error: state.error.or_else(|| status.as_ref().and_then(|s| s.last_error.clone())),
        way: status.as_ref().map(|s| s.way.clone()),
        clock_offset_seconds: status.as_ref().map(|s| s.clock_offset.as_secs()),
        waiting: status.as_ref().map(|s| count(s.handing_over + s.seeking + s.waiting)),
        running: status.as_ref().map(|s| count(s.running + s.ending)),
    }
}
