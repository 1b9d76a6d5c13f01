//! From slurmrestd's JSON to the carrier's words. Pure; fields that are missing or `null` are taken as not told, since each
//! version of the API leaves out others.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::http::Answer;
use crate::carrier::{
    AccountedRun, CarrierError, JobNumber, LicenceFacts, NodeFacts, PartitionFacts, QueuedJob, ReservationFacts,
    SubmitError,
};
use crate::cli::hostlist::expand;
use crate::cli::read::gres;
use crate::states;
use base::Bytes;

/// A field that some versions write as `null`.
fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, CarrierError> {
    answer.done()?;
    serde_json::from_slice(&answer.body).map_err(|error| CarrierError::Unreadable(error.to_string()))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty() && text != "None").then_some(text)
}

fn words(list: &str) -> Vec<String> {
    list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[derive(Deserialize)]
struct Meta {
    meta: MetaSlurm,
}
#[derive(Deserialize)]
struct MetaSlurm {
    #[serde(rename = "Slurm", alias = "slurm")]
    slurm: Release,
}
#[derive(Deserialize)]
struct Release {
    release: String,
}

pub(super) fn version(answer: &Answer) -> Result<String, CarrierError> {
    read::<Meta>(answer).map(|meta| meta.meta.slurm.release)
}

#[derive(Deserialize)]
struct Diag {
    statistics: Statistics,
}
#[derive(Deserialize)]
struct Statistics {
    req_time: i64,
}

pub(super) fn clock(answer: &Answer) -> Result<i64, CarrierError> {
    read::<Diag>(answer).map(|diag| diag.statistics.req_time)
}

#[derive(Deserialize)]
struct Submitted {
    #[serde(default, deserialize_with = "lenient")]
    job_id: JobNumber,
}

/// A number counts, whatever else is said: version 0.0.38 puts remarks such as "job is held" among the errors.
pub(super) fn submitted(answer: &Answer) -> Result<JobNumber, SubmitError> {
    match serde_json::from_slice::<Submitted>(&answer.body) {
        Ok(Submitted { job_id }) if job_id != 0 => Ok(job_id),
        _ => Err(answer.not_submitted()),
    }
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    job_id: JobNumber,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    comment: String,
    job_state: String,
    #[serde(default, deserialize_with = "lenient")]
    state_reason: String,
    #[serde(default, deserialize_with = "lenient")]
    state_description: String,
    #[serde(default, deserialize_with = "lenient")]
    submit_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    start_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    end_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    pre_sus_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    suspend_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    nodes: String,
    #[serde(default, deserialize_with = "lenient")]
    restart_cnt: u32,
    /// A wait status: exit code × 256 + signal.
    #[serde(default, deserialize_with = "lenient")]
    exit_code: i32,
    #[serde(default, deserialize_with = "lenient")]
    tres_alloc_str: String,
    #[serde(default, deserialize_with = "lenient")]
    user_name: String,
}

impl Job {
    fn queued(self) -> Result<QueuedJob, CarrierError> {
        let (state, flags) = states::parse(&self.job_state);
        let over = states::has_end(&state, &flags);
        let positive = |time: i64| (time > 0).then_some(time);
        let end = if over { positive(self.end_time) } else { None };
        // `pre_sus_time` is the time it ran before its last suspension; what it stood still is the rest up to then.
        let stood = if self.suspend_time > 0 && self.pre_sus_time > 0 {
            (self.suspend_time - self.start_time - self.pre_sus_time).max(0)
        } else {
            0
        };
        Ok(QueuedJob {
            number: self.job_id,
            name: self.name,
            comment: self.comment,
            state,
            flags,
            reason: some(self.state_description)
                .filter(|said| states::is_held_after_launch(said))
                .or(some(self.state_reason)),
            submitted: self.submit_time,
            start: positive(self.start_time),
            end,
            suspended_seconds: stood,
            nodes: expand(&self.nodes).map_err(|error| CarrierError::Unreadable(error.to_string()))?,
            restarts: self.restart_cnt,
            exit: over.then_some((self.exit_code >> 8 & 0xff, self.exit_code & 0x7f)),
            tres: self.tres_alloc_str,
            user: some(self.user_name),
        })
    }
}

/// Jobs of which the name begins with `prefix`.
pub(super) fn jobs(answer: &Answer, prefix: &str) -> Result<Vec<QueuedJob>, CarrierError> {
    let all: Jobs = read(answer)?;
    all.jobs.into_iter().filter(|job| job.name.starts_with(prefix)).map(Job::queued).collect()
}

#[derive(Deserialize)]
struct Runs {
    jobs: Vec<Run>,
}
#[derive(Deserialize)]
struct Run {
    job_id: JobNumber,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    user: String,
    state: RunState,
    time: RunTime,
    #[serde(default, deserialize_with = "lenient")]
    nodes: String,
    #[serde(default)]
    exit_code: RunExit,
    #[serde(default)]
    tres: RunTres,
    #[serde(default, deserialize_with = "lenient")]
    comment: RunComment,
}
#[derive(Deserialize, Default)]
struct RunComment {
    #[serde(default, deserialize_with = "lenient")]
    job: String,
}
#[derive(Deserialize)]
struct RunState {
    current: String,
}
#[derive(Deserialize)]
struct RunTime {
    #[serde(default, deserialize_with = "lenient")]
    submission: i64,
    #[serde(default, deserialize_with = "lenient")]
    start: i64,
    #[serde(default, deserialize_with = "lenient")]
    end: i64,
    #[serde(default, deserialize_with = "lenient")]
    suspended: i64,
    #[serde(default, deserialize_with = "lenient")]
    total: Seconds,
}
#[derive(Deserialize, Default)]
struct Seconds {
    #[serde(default, deserialize_with = "lenient")]
    seconds: i64,
    #[serde(default, deserialize_with = "lenient")]
    microseconds: i64,
}
#[derive(Deserialize, Default)]
struct RunExit {
    #[serde(default, deserialize_with = "lenient")]
    return_code: i32,
    #[serde(default, deserialize_with = "lenient")]
    signal: RunSignal,
}
#[derive(Deserialize, Default)]
struct RunSignal {
    #[serde(default, deserialize_with = "lenient")]
    signal_id: i32,
}
#[derive(Deserialize, Default)]
struct RunTres {
    #[serde(default, deserialize_with = "lenient")]
    allocated: Vec<Tres>,
}
#[derive(Deserialize)]
struct Tres {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    count: i64,
}

impl Tres {
    /// `mem=100M`, `gres/gpu:a100=2`.
    fn word(&self) -> String {
        let unit = if self.kind == "mem" { "M" } else { "" };
        let name = if self.name.is_empty() { String::new() } else { format!("/{}", self.name) };
        format!("{}{name}={}{unit}", self.kind, self.count)
    }
}

/// Runs as slurmdbd has them.
pub(super) fn runs(answer: &Answer) -> Result<Vec<AccountedRun>, CarrierError> {
    let all: Runs = read(answer)?;
    let positive = |time: i64| (time > 0).then_some(time);
    let run = |run: Run| {
        let (state, _) = states::parse(&run.state.current);
        let tres: Vec<String> = run.tres.allocated.iter().filter(|t| t.count > 0).map(Tres::word).collect();
        Ok(AccountedRun {
            number: run.job_id,
            name: run.name,
            comment: run.comment.job,
            state,
            submitted: run.time.submission,
            start: positive(run.time.start),
            end: positive(run.time.end),
            suspended_seconds: run.time.suspended,
            nodes: expand(if run.nodes == "None assigned" { "" } else { &run.nodes })
                .map_err(|error| CarrierError::Unreadable(error.to_string()))?,
            exit: (run.exit_code.return_code, run.exit_code.signal.signal_id),
            tres: tres.join(","),
            cpu_micros: run.time.total.seconds * 1_000_000 + run.time.total.microseconds,
            memory_peak: 0,
            read: 0,
            written: 0,
            user: some(run.user),
        })
    };
    all.jobs.into_iter().map(run).collect()
}

#[derive(Deserialize)]
struct Clusters {
    clusters: Vec<Cluster>,
}
#[derive(Deserialize)]
struct Cluster {
    name: String,
}

pub(super) fn clusters(answer: &Answer) -> Result<Vec<String>, CarrierError> {
    Ok(read::<Clusters>(answer)?.clusters.into_iter().map(|cluster| cluster.name).collect())
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}
#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    state: String,
    #[serde(default, deserialize_with = "lenient")]
    state_flags: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    reason: String,
    #[serde(default, deserialize_with = "lenient")]
    cpus: u32,
    #[serde(default, deserialize_with = "lenient")]
    real_memory: u64,
    #[serde(default, deserialize_with = "lenient")]
    gres: String,
    #[serde(default, deserialize_with = "lenient")]
    gres_used: String,
    #[serde(default, deserialize_with = "lenient")]
    features: String,
    #[serde(default, deserialize_with = "lenient")]
    partitions: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    alloc_cpus: u32,
    #[serde(default, deserialize_with = "lenient")]
    alloc_memory: u64,
}

pub(super) fn nodes(answer: &Answer) -> Result<Vec<NodeFacts>, CarrierError> {
    let all: Nodes = read(answer)?;
    let node = |node: Node| {
        let mut state = node.state.to_uppercase();
        for flag in &node.state_flags {
            state = format!("{state}+{}", flag.to_uppercase());
        }
        NodeFacts {
            name: node.name,
            state,
            reason: some(node.reason),
            cpus: node.cpus,
            mem: Bytes::from_mib(node.real_memory),
            gres: gres(&node.gres),
            features: words(&node.features),
            partitions: node.partitions,
            cpus_allocated: node.alloc_cpus,
            mem_allocated: Bytes::from_mib(node.alloc_memory),
            gres_allocated: gres(&node.gres_used).into_iter().filter(|g| g.count > 0).collect(),
        }
    };
    Ok(all.nodes.into_iter().map(node).collect())
}

#[derive(Deserialize)]
struct Partitions {
    partitions: Vec<Partition>,
}
#[derive(Deserialize)]
struct Partition {
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    state: String,
    #[serde(default, deserialize_with = "lenient")]
    flags: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    nodes: String,
    #[serde(default, deserialize_with = "lenient")]
    max_time_limit: i64,
    #[serde(default, deserialize_with = "lenient")]
    default_time_limit: i64,
    #[serde(default, deserialize_with = "lenient")]
    maximum_nodes_per_job: i64,
    #[serde(default, deserialize_with = "lenient")]
    min_nodes_per_job: i64,
    #[serde(default, deserialize_with = "lenient")]
    allowed_accounts: String,
    #[serde(default, deserialize_with = "lenient")]
    allowed_qos: String,
    #[serde(default, deserialize_with = "lenient")]
    preemption_mode: Vec<String>,
}

pub(super) fn partitions(answer: &Answer) -> Result<Vec<PartitionFacts>, CarrierError> {
    let all: Partitions = read(answer)?;
    // -1 and numbers near 2³² stand for "no limit".
    let limit = |value: i64| u32::try_from(value).ok().filter(|v| (1..u32::MAX - 1).contains(v));
    let partition = |partition: Partition| {
        Ok(PartitionFacts {
            nodes: expand(&partition.nodes).map_err(|error| CarrierError::Unreadable(error.to_string()))?,
            name: partition.name,
            state: partition.state.to_uppercase(),
            is_default: partition.flags.iter().any(|flag| flag.eq_ignore_ascii_case("default")),
            max_time_minutes: limit(partition.max_time_limit),
            max_nodes: limit(partition.maximum_nodes_per_job),
            min_nodes: limit(partition.min_nodes_per_job),
            default_time_minutes: limit(partition.default_time_limit),
            allow_accounts: words(&partition.allowed_accounts),
            allow_qos: words(&partition.allowed_qos),
            preempt_mode: partition.preemption_mode.join(",").to_uppercase(),
            rules: Vec::new(),
        })
    };
    all.partitions.into_iter().map(partition).collect()
}

#[derive(Deserialize)]
struct Reservations {
    #[serde(default, deserialize_with = "lenient")]
    reservations: Vec<Reservation>,
}
#[derive(Deserialize)]
struct Reservation {
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    start_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    end_time: i64,
    #[serde(default, deserialize_with = "lenient")]
    node_list: String,
    #[serde(default, deserialize_with = "lenient")]
    users: String,
    #[serde(default, deserialize_with = "lenient")]
    accounts: String,
    #[serde(default, deserialize_with = "lenient")]
    flags: Vec<String>,
}

pub(super) fn reservations(answer: &Answer) -> Result<Vec<ReservationFacts>, CarrierError> {
    // Without any, version 0.0.38 answers a list of none or an error of its own.
    let Ok(all) = read::<Reservations>(answer) else { return Ok(Vec::new()) };
    let reservation = |r: Reservation| {
        Ok(ReservationFacts {
            nodes: expand(&r.node_list).map_err(|error| CarrierError::Unreadable(error.to_string()))?,
            name: r.name,
            start: r.start_time,
            end: r.end_time,
            users: words(&r.users),
            accounts: words(&r.accounts),
            flags: r.flags.join(","),
        })
    };
    all.reservations.into_iter().map(reservation).collect()
}

#[derive(Deserialize)]
struct Licences {
    #[serde(default, deserialize_with = "lenient")]
    licenses: Vec<Licence>,
}
#[derive(Deserialize)]
struct Licence {
    #[serde(rename = "LicenseName", alias = "name")]
    name: String,
    #[serde(default, rename = "Total", alias = "total", deserialize_with = "lenient")]
    total: u32,
    #[serde(default, rename = "Used", alias = "used", deserialize_with = "lenient")]
    used: u32,
}

pub(super) fn licences(answer: &Answer) -> Result<Vec<LicenceFacts>, CarrierError> {
    let Ok(all) = read::<Licences>(answer) else { return Ok(Vec::new()) };
    Ok(all.licenses.into_iter().map(|l| LicenceFacts { name: l.name, total: l.total, used: l.used }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gres_words_of_every_shape_are_read() {
        let seen: Vec<(String, Option<String>, u32)> =
            gres("gpu:a100:4(S:0-1),npu:ascend910b:8,fpga:2,craynetwork,N/A")
                .into_iter()
                .map(|g| (g.name, g.kind, g.count))
                .collect();
        let one = |n: &str, k: Option<&str>, c| (n.to_owned(), k.map(str::to_owned), c);
        let wanted = [
            one("gpu", Some("a100"), 4),
            one("npu", Some("ascend910b"), 8),
            one("fpga", None, 2),
            one("craynetwork", None, 1),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(gres("gpu:a100:0(IDX:N/A)")[0].count, 0);
        assert_eq!(gres("gpu:a100:2(IDX:0,3)").len(), 1, "a list of indices is no list of GRES");
    }

    #[test]
    fn amounts_read_as_slurm_writes_them() {
        let tres = |kind: &str, name: &str, count| Tres { kind: kind.into(), name: name.into(), count };
        assert_eq!(tres("mem", "", 100).word(), "mem=100M");
        assert_eq!(tres("gres", "gpu:a100", 2).word(), "gres/gpu:a100=2");
    }
}
