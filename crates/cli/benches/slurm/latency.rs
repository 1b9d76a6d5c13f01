//! From handing a job in over HTTP to its number in Slurm, against `sbatch` alone, turn by turn on an idle cluster.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use testkit::slurm::{ClusterSpec, NodeSet};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::http::{Connection, post};
use crate::world::{Arrived, World, percentile};

const JOBS: usize = 60;
const BODY: &str = r##"{"script":"#!/bin/sh\n#SBATCH --mem=10M --time=5 --output=/dev/null\ntrue\n"}"##;
const SCRIPT: &str = "#!/bin/sh\ntrue\n";
/// Between two jobs, so that nothing of the one before is still going on.
const QUIET: Duration = Duration::from_millis(250);

pub fn measure() {
    let world = World::start(|_| ClusterSpec::new("idle").nodes(NodeSet::new(1).cpus(16).mem_mb(64_000)));
    let mut events = world.events();
    let (address, token) = (world.server.address(), world.server.token());
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    world.runtime.block_on(async {
        let mut connection = Connection::open(address).await;
        for count in 0..=JOBS {
            let times = if count % 2 == 0 {
                let time = one(&mut connection, &token, count, &mut events).await;
                quiet(&world).await;
                (time, sbatch(&world))
            } else {
                let time = sbatch(&world);
                quiet(&world).await;
                (one(&mut connection, &token, count, &mut events).await, time)
            };
            quiet(&world).await;
            // The first ones find nothing in memory.
            if count > 0 {
                ours.push(times.0);
                bare.push(times.1);
            }
        }
    });
    ours.sort_unstable();
    bare.sort_unstable();
    let added = |part: usize| (percentile(&ours, part).as_secs_f64() - percentile(&bare, part).as_secs_f64()) * 1_000.0;
    println!(
        "from HTTP to Slurm's acknowledgement, idle: median {:.1?}, `sbatch` alone {:.1?}: {:.1} ms more, at p90 {:.1} ms   (wanted: under 20 ms)",
        percentile(&ours, 50),
        percentile(&bare, 50),
        added(50),
        added(90)
    );
}

/// From the request until the stream of events shows Slurm's number.
async fn one(
    connection: &mut Connection,
    token: &str,
    count: usize,
    events: &mut UnboundedReceiver<Arrived>,
) -> Duration {
    let request = post("/v1/jobs", token, &format!("latency-{count}"), BODY);
    let begun = SystemTime::now();
    let answer = connection.send(&request).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let said: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    loop {
        let arrived = events.recv().await.expect("a stream");
        let event = &arrived.event;
        let is_ours = event.job.is_some_and(|job| said["job"] == job.to_string());
        if is_ours && event.kind == "queued" && event.detail["external"].is_string() {
            return arrived.at.duration_since(begun).expect("a clock that goes on");
        }
    }
}

fn sbatch(world: &World) -> Duration {
    let options = ["sbatch", "--parsable", "--mem=10M", "--time=5", "--output=/dev/null", "--chdir=/tmp"];
    let mut command = world.cluster.command(&options);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().expect("sbatch starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(SCRIPT.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let took = begun.elapsed();
    assert!(output.status.success());
    took
}

/// Waits until nothing is in the queue, and a moment more.
async fn quiet(world: &World) {
    while !world.cluster.run(&["squeue", "-h"]).expect("a queue").is_empty() {
        tokio::time::sleep(QUIET / 10).await;
    }
    tokio::time::sleep(QUIET).await;
}
