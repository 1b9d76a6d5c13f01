//! A look at this machine as the platform's cluster: what it offers, what is amiss here, whether its work folder can be used.

use std::sync::Arc;
use std::time::Instant;

use connect_slurm::check::{CheckReport, Finding, PoolSummary, Summary};
use futures::FutureExt;
use link::{Examine, Place};
use ports::{Cluster, ClusterFacts, ConnectError, FileError, Files};

use crate::slurm::wall_clock;

/// What the look writes and reads back.
const TEXT: &[u8] = b"Headworks was here; this file may be removed.\n";

pub(crate) fn examine(cluster: Arc<dyn Cluster>, place: &Place) -> Examine {
    let place = place.clone();
    Arc::new(move |tag, _| {
        let (cluster, place) = (cluster.clone(), place.clone());
        async move {
            let report = look(&*cluster, &place, tag).await;
            serde_json::to_vec(&report).map_err(|error| ConnectError::Unreachable(std::io::Error::other(error)))
        }
        .boxed()
    })
}

async fn look(cluster: &dyn Cluster, place: &Place, tag: u32) -> CheckReport {
    let (at, begun) = (wall_clock(), Instant::now());
    let mut findings = Vec::new();
    let summary = match cluster.describe().await {
        Ok(facts) => {
            findings.push(Finding::ok("version", facts.version.clone()));
            findings.extend(facts.pools.iter().map(|pool| {
                let chip = pool.chip.as_ref().map_or(String::new(), |chip| format!(", {} {chip}", pool.shape.gpus));
                let (name, nodes, shape) = (&pool.name, pool.nodes.len(), &pool.shape);
                Finding::ok("pools", format!("{name}: {nodes} nodes of {} cores, {}{chip}", shape.cpu, shape.mem))
            }));
            let advice = "jobs run all the same; docs/operations.md says what mends it";
            findings.extend(facts.remarks.iter().map(|remark| Finding::warn("settings", remark, advice)));
            Some(summary(facts, place))
        }
        Err(error) => {
            let advice = "see the agent's log and that its folder is on a disk that can be written";
            findings.push(Finding::fail("reachability", error.to_string(), advice));
            None
        }
    };
    findings.push(match cluster.files() {
        Some(files) => work_root(&*files, tag).await,
        None => Finding::warn("work_root", "the connector reaches no files", "logs only: no inputs, no results"),
    });
    let took_millis = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    CheckReport { at, took_millis, findings, summary }
}

fn summary(facts: ClusterFacts, place: &Place) -> Summary {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let pools = facts.pools.iter().map(|pool| PoolSummary {
        name: pool.name.clone(),
        partition: String::new(),
        nodes: count(pool.nodes.len()),
        nodes_up: count(pool.nodes.len()),
        shape: pool.shape,
        chip: pool.chip.as_ref().map(ToString::to_string),
    });
    Summary {
        way: "the agent starts jobs itself".into(),
        version: facts.version,
        cluster_name: place.site.clone(),
        user: nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map_or(String::new(), |u| u.name),
        accounting: "supervisors".into(),
        nodes: count(facts.pools.iter().map(|pool| pool.nodes.len()).sum()),
        partitions: 0,
        pools: pools.collect(),
        latency_millis: 0,
        clock_ahead_seconds: 0,
        first_job_millis: None,
    }
}

async fn work_root(files: &dyn Files, tag: u32) -> Finding {
    let folder = format!("hw-check-{tag:08x}");
    let tried = write_and_read(files, &folder).await;
    // What cannot be removed is harmless and says so itself.
    let _ = files.remove(&folder).await;
    match tried {
        Ok(true) => Finding::ok("work_root", "a file was written and read back"),
        Ok(false) => Finding::fail(
            "work_root",
            "a file came back other than it was written",
            "something here changes files: see the file system of the work root",
        ),
        Err(error) => Finding::fail(
            "work_root",
            error.to_string(),
            "let the jobs' user own the work root, and see that there is room; or name another `work_root`",
        ),
    }
}

async fn write_and_read(files: &dyn Files, folder: &str) -> Result<bool, FileError> {
    let path = format!("{folder}/probe");
    files.write(&path, 0, TEXT.to_vec(), 0o600).await?;
    Ok(files.read(&path, 0, TEXT.len() + 1).await? == TEXT)
}
