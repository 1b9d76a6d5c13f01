//! How fast the local cluster runs jobs that do nothing: `local_speed [JOBS] [AT ONCE] [SUPERVISOR]`.
//! Prints jobs per second, and the time from the call of `submit` to the start and to the end as the platform learns it.
#![allow(clippy::print_stdout, reason = "a tool for a terminal")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{AttemptId, Bytes, ClusterId, JobId, PoolId, Resources, Span};
use connect_local::{LocalCluster, LocalConfig, LocalPool};
use model::spec::script_id;
use model::{JobSpec, Observed, Order, Request};
use ports::Cluster;

const SCRIPT: &str = "#!/bin/sh\nexit 0\n";

fn order(number: u64) -> Arc<Order> {
    let per_node = Resources::new(1, Bytes::from_mib(64), 0);
    let spec = JobSpec::minimal("speed", script_id(SCRIPT), Request::of(1, per_node), Span::from_mins(1));
    Arc::new(Order {
        attempt: AttemptId::new(JobId::from_u128(u128::from(number)), 1),
        number,
        array: None,
        array_bounds: None,
        tenant: "t".into(),
        project: "p".into(),
        user: "u".into(),
        pool: PoolId::from_u128(1),
        pool_name: "speed".into(),
        nodes: Vec::new(),
        per_node,
        spec: Arc::new(spec),
        checkpoint: None,
    })
}

fn percentiles(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{name:<18} p50 {:7.2} ms   p90 {:7.2} ms   p99 {:7.2} ms", at(50), at(90), at(99));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let jobs: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let at_once: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(2);
    let beside = || std::env::current_exe().ok()?.parent()?.parent().map(|dir| dir.join("hw-supervise"));
    let supervisor = args.next().map(PathBuf::from).or_else(beside).expect("the path of the supervisor");

    let data = std::env::temp_dir().join(format!("hw-local-speed-{}", std::process::id()));
    std::fs::create_dir_all(&data).expect("a folder for the spool");
    let shape = Resources::new(64, Bytes::from_gib(64), 0);
    let pool = LocalPool { id: PoolId::from_u128(1), name: "speed".into(), shape, chip: None, nodes: 1 };
    let config = LocalConfig::new(ClusterId::from_u128(1), data.clone(), supervisor, vec![pool]);
    let (sender, mut observations) = tokio::sync::mpsc::channel(1_024);
    let cluster = LocalCluster::new(config, sender).expect("a local cluster");

    let began = Instant::now();
    let (mut next, mut done) = (0, 0);
    let mut submitted = BTreeMap::new();
    let (mut to_call, mut to_start, mut to_end) = (Vec::new(), Vec::new(), Vec::new());
    while done < jobs {
        while next < jobs && next - done < at_once {
            next += 1;
            let (order, at) = (order(next), Instant::now());
            submitted.insert(order.attempt, at);
            cluster.submit(order, SCRIPT.into()).await.expect("submit");
            to_call.push(at.elapsed());
        }
        match observations.recv().await.expect("the connector lives").what {
            Observed::Started { attempt, .. } => to_start.push(submitted[&attempt].elapsed()),
            Observed::Ended { attempt, outcome, note, .. } => {
                assert!(outcome.is_success(), "{outcome:?}: {note:?}");
                to_end.push(submitted[&attempt].elapsed());
                done += 1;
                cluster.forget(attempt).await.expect("forget");
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!("{jobs} jobs, {at_once} at once: {:.0} jobs/s", jobs as f64 / took);
    percentiles("submit answered", to_call);
    percentiles("submit to started", to_start);
    percentiles("submit to ended", to_end);
    drop(cluster);
    let _ = std::fs::remove_dir_all(data);
}
