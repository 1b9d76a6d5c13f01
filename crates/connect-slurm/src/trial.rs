//! The trial of a cluster before it enters service: real jobs through the very connector that will carry the work, in a
//! realm of their own. Success, failure, cancel, time limit, an array, and cards where there are some.
//! Refuses to know: the engine, tenants, money; it is the platform's side of one connector and nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Bytes, CpuMillis, JobId, Resources, Span, Timestamp};
use model::spec::script_id;
use model::{ArrayRef, EndCause, EndOrder, Exit, JobSpec, Observation, Observed, Order, Outcome, Request};
use ports::{Cluster, LogStream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::render::SlurmPool;

/// A cluster has at most a handful of kinds of node; the others are like those that were tried.
const POOLS_MAX: usize = 16;
const ELEMENTS: u32 = 3;
/// Slurm counts time limits in minutes, so the shortest is one.
const SHORT: Span = Span::from_mins(1);
/// Longer than the trial itself lasts.
const LONG: Span = Span::from_mins(10);
const KILL_GRACE: Span = Span::from_secs(5);
/// Numbers of the trial's jobs: bit 48 set, 32 drawn bits, 8 to count with. Exact in JSON, and no job comes near them.
const NUMBERS_FROM: u64 = 1 << 48;
const NUMBERS_DRAWN: u64 = 0xffff_ffff;
/// Memory of each job, where the pool has it.
const MEM: Bytes = Bytes::from_mib(128);
/// Bytes of output looked at.
const OUTPUT_MAX: usize = 1_024;
/// Between two looks at output that is late: shared file systems show a file's end after some seconds.
const LOOK: Duration = Duration::from_millis(500);
const OUTPUT_LATE: Duration = Duration::from_secs(15);

/// How a case came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passed,
    Failed,
    /// There was nothing to try it on.
    Skipped,
}

/// One job of the trial, or an array's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// `success`, `failure`, `cancel`, `time_limit`, `array`, `cards`.
    pub what: String,
    pub pool: String,
    pub verdict: Verdict,
    /// From handing in to the start.
    pub waited_millis: Option<i64>,
    /// From start to end, by the cluster's clock.
    pub ran_millis: Option<i64>,
    /// What was seen, in words; for what failed also what was wanted.
    pub words: String,
}

/// What a trial showed; kept with the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialReport {
    pub at: Timestamp,
    pub took_millis: i64,
    pub cases: Vec<Case>,
}

impl TrialReport {
    /// Nothing failed and something was tried.
    pub fn passed(&self) -> bool {
        self.cases.iter().any(|c| c.verdict == Verdict::Passed)
            && self.cases.iter().all(|c| c.verdict != Verdict::Failed)
    }
}

/// What a trial needs to know.
pub struct Trial<'a> {
    pub pools: &'a [SlurmPool],
    /// Ids of its jobs; never given out twice.
    pub draw: &'a (dyn Fn() -> u128 + Send + Sync),
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// For whom the jobs run, as the identity table knows them.
    pub tenant: Arc<str>,
    pub project: Arc<str>,
    pub user: Arc<str>,
    /// Everything is over by then; what is not has failed.
    pub patience: Duration,
}

/// What a case wants to see.
enum Wanted {
    /// Ends by itself like this, having printed that.
    End { outcome: Outcome, code: Option<i32>, print: &'static str },
    /// Is ended by us once it runs.
    Cancelled,
    /// Is ended by the cluster.
    Timeout,
}

/// One order of the trial and what was seen of it.
struct Job {
    what: &'static str,
    pool: Arc<str>,
    nodes: Vec<String>,
    order: Arc<Order>,
    script: Arc<str>,
    wanted: Wanted,
    sent: Instant,
    started: Option<(Instant, Timestamp, Vec<Arc<str>>)>,
    end: Option<(Timestamp, Outcome, Option<Exit>)>,
    /// The cluster's last words on it.
    words: String,
    asked_to_end: bool,
}

/// Runs every case, all at once, and waits for their ends. `observations` is what `cluster` was built with; both serve this
/// trial alone. The shortest time limit decides the duration: a minute and a half where nothing waits.
pub async fn run(
    cluster: Arc<dyn Cluster>,
    mut observations: mpsc::Receiver<Observation>,
    trial: &Trial<'_>,
) -> TrialReport {
    let (at, begun) = ((trial.clock)(), Instant::now());
    let until = begun + trial.patience;
    let (mut jobs, mut cases) = jobs(trial);
    // What an earlier trial left behind is ended; a failure shows in the first submission as well.
    if let Err(error) = cluster.resume(Vec::new()).await {
        tracing::debug!(%error, "the trial's connector did not resume");
    }
    for job in jobs.values_mut() {
        job.sent = Instant::now();
        if let Err(error) = cluster.submit(job.order.clone(), job.script.clone()).await {
            job.words = error.to_string();
            if let ports::ConnectError::Refused { note, .. } = &error {
                job.words = format!("{}: {note}", job.words);
            }
            job.end = Some((at, Outcome::NodeFail, None));
        }
    }
    while jobs.values().any(|job| job.end.is_none()) {
        let Ok(Some(observation)) = tokio::time::timeout_at(until, observations.recv()).await else { break };
        take_in(&mut jobs, observation.what);
        for job in jobs.values_mut() {
            let ripe = matches!(job.wanted, Wanted::Cancelled) && job.started.is_some() && job.end.is_none();
            if ripe && !job.asked_to_end {
                job.asked_to_end = true;
                let how = EndOrder { cause: EndCause::Cancelled, grace: KILL_GRACE };
                if let Err(error) = cluster.end(job.order.attempt, how).await {
                    job.words = error.to_string();
                }
            }
        }
    }
    for job in jobs.values() {
        cases.push(judge(cluster.as_ref(), job).await);
        if job.end.is_none() {
            let how = EndOrder { cause: EndCause::Cancelled, grace: KILL_GRACE };
            // The next trial ends what is left.
            let _ = cluster.end(job.order.attempt, how).await;
        } else {
            let _ = cluster.forget(job.order.attempt).await;
            clear(cluster.as_ref(), job).await;
        }
    }
    TrialReport { at, took_millis: millis(begun.elapsed()), cases: arrays_as_one(cases) }
}

/// Takes a job's work folder away: its words are in the report. What cannot be removed is small.
async fn clear(cluster: &dyn Cluster, job: &Job) {
    if let (Ok(Some(folder)), Some(files)) = (cluster.work_folder(&job.order).await, cluster.files()) {
        let _ = files.remove(&folder).await;
    }
}

fn take_in(jobs: &mut BTreeMap<AttemptId, Job>, what: Observed) {
    match what {
        Observed::Started { attempt, at, nodes, .. } => {
            if let Some(job) = jobs.get_mut(&attempt) {
                job.started.get_or_insert((Instant::now(), at, nodes));
            }
        }
        Observed::Ended { attempt, started_at, at, outcome, exit, note, .. } => {
            let Some(job) = jobs.get_mut(&attempt) else { return };
            if let Some(started_at) = started_at {
                job.started.get_or_insert((Instant::now(), started_at, Vec::new()));
            }
            job.end = Some((at, outcome, exit));
            if let Some(note) = note {
                job.words = note.to_string();
            }
        }
        Observed::Refused { attempt, text, note, .. } => {
            let Some(job) = jobs.get_mut(&attempt) else { return };
            job.words = note.map_or_else(|| text.to_string(), |note| format!("{text}: {note}"));
            job.end = Some((Timestamp::ZERO, Outcome::NodeFail, None));
        }
        Observed::Gone { attempt, note } => {
            let Some(job) = jobs.get_mut(&attempt) else { return };
            job.words = format!("the cluster lost it{}", note.map_or(String::new(), |note| format!(": {note}")));
            job.end = Some((Timestamp::ZERO, Outcome::NodeFail, None));
        }
        Observed::Remark { attempt, text } => {
            if let Some(job) = jobs.get_mut(&attempt).filter(|job| job.end.is_none()) {
                job.words = text.to_string();
            }
        }
        _ => {}
    }
}

/// All orders, and the cases that cannot be tried.
fn jobs(trial: &Trial<'_>) -> (BTreeMap<AttemptId, Job>, Vec<Case>) {
    let mut jobs = BTreeMap::new();
    let mut cases = Vec::new();
    // Work folders are named by number: far above those of jobs, and another one in each trial.
    let mut number = NUMBERS_FROM | (((trial.draw)() as u64 & NUMBERS_DRAWN) << 8);
    let mut add = |what, pool: &SlurmPool, script: &str, limit, gpus, array, wanted| {
        number += 1;
        let job = job(trial, what, number, pool, script, limit, gpus, array, wanted);
        jobs.insert(job.order.attempt, job);
    };
    let done = |print| Wanted::End { outcome: Outcome::Completed, code: Some(0), print };
    let Some(first) = trial.pools.iter().find(|p| p.gres.is_none()).or_else(|| trial.pools.first()) else {
        cases.push(skipped("success", "there is no pool"));
        return (jobs, cases);
    };
    for pool in trial.pools.iter().take(POOLS_MAX) {
        add("success", pool, "#!/bin/sh\necho hw-trial-success\n", SHORT, 0, None, done("hw-trial-success"));
        if pool.shape.gpus > 0 {
            let script = "#!/bin/sh\necho hw-trial-cards \"$SLURM_JOB_GPUS$GPU_DEVICE_ORDINAL$CUDA_VISIBLE_DEVICES\"\n";
            add("cards", pool, script, SHORT, 1, None, done("hw-trial-cards"));
        }
    }
    if trial.pools.iter().all(|p| p.shape.gpus == 0) {
        cases.push(skipped("cards", "no pool has cards"));
    }
    let failed = Wanted::End { outcome: Outcome::Failed, code: Some(7), print: "" };
    add("failure", first, "#!/bin/sh\nexit 7\n", SHORT, 0, None, failed);
    add("cancel", first, "#!/bin/sh\nsleep 600\n", LONG, 0, None, Wanted::Cancelled);
    add("time_limit", first, "#!/bin/sh\nsleep 600\n", SHORT, 0, None, Wanted::Timeout);
    let root = JobId::from_u128((trial.draw)());
    for index in 1..=ELEMENTS {
        let print = ["hw-trial-1", "hw-trial-2", "hw-trial-3"][index as usize - 1];
        let script = "#!/bin/sh\necho hw-trial-$SLURM_ARRAY_TASK_ID\n";
        add("array", first, script, SHORT, 0, Some((root, index)), done(print));
    }
    (jobs, cases)
}

fn skipped(what: &str, why: &str) -> Case {
    let (what, words) = (what.into(), why.into());
    Case { what, pool: String::new(), verdict: Verdict::Skipped, waited_millis: None, ran_millis: None, words }
}

#[allow(clippy::too_many_arguments, reason = "one place that spells an order out")]
fn job(
    trial: &Trial<'_>,
    what: &'static str,
    number: u64,
    pool: &SlurmPool,
    script: &str,
    limit: Span,
    gpus: u32,
    array: Option<(JobId, u32)>,
    wanted: Wanted,
) -> Job {
    let per_node = Resources { cpu: CpuMillis::from_cores(1), mem: MEM.min(pool.shape.mem), gpus };
    let request = Request { chips: Vec::new(), ..Request::of(1, per_node) };
    let spec = JobSpec::minimal(&format!("hw-trial-{what}"), script_id(script), request, limit);
    // The first element's id stands for the array.
    let id = match array {
        Some((root, 1)) => root,
        _ => JobId::from_u128((trial.draw)()),
    };
    let order = Order {
        attempt: AttemptId::new(id, 1),
        number,
        array: array.map(|(root, index)| ArrayRef { root, root_number: number + 1 - u64::from(index), index }),
        array_bounds: array.map(|_| (ELEMENTS, 1, ELEMENTS)),
        tenant: trial.tenant.clone(),
        project: trial.project.clone(),
        user: trial.user.clone(),
        pool: pool.id,
        pool_name: pool.name.clone(),
        nodes: Vec::new(),
        per_node,
        spec: Arc::new(spec),
        checkpoint: None,
    };
    Job {
        what,
        pool: pool.name.clone(),
        nodes: pool.nodes.clone(),
        order: Arc::new(order),
        script: script.into(),
        wanted,
        sent: Instant::now(),
        started: None,
        end: None,
        words: String::new(),
        asked_to_end: false,
    }
}

async fn judge(cluster: &dyn Cluster, job: &Job) -> Case {
    let (verdict, words) = verdict(cluster, job).await;
    let waited = job.started.as_ref().map(|(at, _, _)| millis(at.saturating_duration_since(job.sent)));
    let ran = job.started.as_ref().zip(job.end.as_ref()).map(|((_, from, _), (to, _, _))| to.since(*from).as_millis());
    Case {
        what: job.what.into(),
        pool: job.pool.to_string(),
        verdict,
        waited_millis: waited,
        ran_millis: ran.filter(|ms| *ms >= 0),
        words,
    }
}

async fn verdict(cluster: &dyn Cluster, job: &Job) -> (Verdict, String) {
    let failed = |words: String| (Verdict::Failed, words);
    let Some((_, outcome, exit)) = &job.end else {
        let state = if job.started.is_some() { "it still runs" } else { "it still waits" };
        return failed(format!("{state}; {}", if job.words.is_empty() { "no reason was given" } else { &job.words }));
    };
    let seen = exit.map_or(format!("{outcome:?}"), |e| format!("{outcome:?} {}:{}", e.code, e.signal));
    let (want, code, print) = match &job.wanted {
        Wanted::End { outcome, code, print } => (*outcome, *code, *print),
        Wanted::Cancelled => (Outcome::Cancelled, None, ""),
        Wanted::Timeout => (Outcome::Timeout, None, ""),
    };
    let right = *outcome == want && code.is_none_or(|code| exit.is_some_and(|e| e.code == code));
    if !right {
        let code = code.map_or(String::new(), |code| format!(" {code}:0"));
        return failed(format!("wanted {want:?}{code}, saw {seen} {}", job.words).trim_end().to_owned());
    }
    let nodes = job.started.as_ref().map_or(&[][..], |(_, _, nodes)| nodes);
    if let Some(stray) = nodes.iter().find(|n| !job.nodes.iter().any(|known| *known == ***n)) {
        return failed(format!("it ran on {stray}, which is not of this pool"));
    }
    if !print.is_empty() {
        match output(cluster, job, print).await {
            Ok(true) => {}
            Ok(false) => return failed(format!("{seen}, but its output does not say `{print}`")),
            Err(error) => return failed(format!("{seen}, but its output cannot be read: {error}")),
        }
    }
    (Verdict::Passed, seen)
}

/// Whether the job's output says what it should, within the time that shared files may take.
async fn output(cluster: &dyn Cluster, job: &Job, print: &str) -> Result<bool, ports::ConnectError> {
    let until = Instant::now() + OUTPUT_LATE;
    loop {
        let chunk = cluster.read_log(job.order.clone(), LogStream::Stdout, 0, OUTPUT_MAX).await?;
        if String::from_utf8_lossy(&chunk.bytes).contains(print) {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The elements of the array as one case: the worst counts.
fn arrays_as_one(cases: Vec<Case>) -> Vec<Case> {
    let (elements, mut rest): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|c| c.what == "array");
    let worst = elements.iter().find(|c| c.verdict == Verdict::Failed).or(elements.last()).cloned();
    if let Some(mut worst) = worst {
        if worst.verdict == Verdict::Passed {
            worst.words = format!("{} elements: {}", elements.len(), worst.words);
            worst.waited_millis = elements.iter().filter_map(|c| c.waited_millis).max();
            worst.ran_millis = elements.iter().filter_map(|c| c.ran_millis).max();
        }
        rest.push(worst);
    }
    let order = ["success", "failure", "cancel", "time_limit", "array", "cards"];
    rest.sort_by_key(|c| (order.iter().position(|w| *w == c.what), c.pool.clone()));
    rest
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
