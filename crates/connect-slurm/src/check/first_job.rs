//! A job of no work through the queue: how long it takes to its end, and whether nodes and platform see the same files.

use std::sync::Arc;
use std::time::Duration;

use base::Bytes;
use model::NodeState;
use ports::Files;
use tokio::time::Instant;

use super::root::{self, Root};
use super::{Checked, Finding, Level, Told, millis};
use crate::carrier::{
    AccountsWanted, Cancel, Carrier, JobNumber, QueueWanted, QueuedJob, SlurmState, SubmitError, SubmitRequest, Survey,
};
use crate::render::SlurmPool;
use crate::supply::{SlurmPoolPlan, Supply};

/// Enough for a shell on any system.
const MEM: Bytes = Bytes::from_mib(64);
const TIME_LIMIT_MINUTES: u32 = 2;
/// Between two looks. A controller answers such a question in some milliseconds.
const LOOK: Duration = Duration::from_millis(300);
/// A start within this needs no word.
const SOON: Duration = Duration::from_secs(30);
/// A partition that refuses the job may be one of few; where so many do, something else is wrong.
const PARTITIONS_TRIED: usize = 3;
/// Most bytes of the job's output that are read: two lines of `df` and a mark.
const OUTPUT_MAX: usize = 4_096;
/// What the job says when it is through.
const MARK: &str = "headworks-check-done";

const NAME_ONE: &str = "name an account, QOS or reservation that this user may submit to: [[slurm.identity.rules]]";

/// What it says where no program can be started.
const NO_PROGRAMS: &str = "headworks-check-noexec";

/// How it came out.
enum End {
    Completed,
    /// Ended otherwise, in Slurm's words.
    Badly(String),
    /// Still there after all patience, with the reason it waits for.
    Waiting(String),
    /// The queue does not know it any more, and accounting not yet or never.
    Forgotten,
}

/// From handing in to the end; `None` where that was not seen.
pub(super) async fn run(
    carrier: &dyn Carrier,
    files: Option<&dyn Files>,
    survey: &Survey,
    supply: &Supply,
    wanted: &Checked<'_>,
    root: Root,
    findings: &mut Told<'_>,
) -> Option<Duration> {
    let pools = pools(survey, supply);
    let took = match (pools.is_empty(), root) {
        (true, _) => {
            findings.push(Finding::warn("first_job", "not tried: no node is up", "check again when one is"));
            None
        }
        (false, Root::Bad) => {
            findings.push(Finding::warn(
                "first_job",
                "not tried without a work folder",
                "mend the work folder and check again",
            ));
            None
        }
        (false, Root::Good | Root::Unseen) => hand_in(carrier, files, survey, &pools, wanted, root, findings).await,
    };
    if let Some(files) = files {
        root::clear(files, wanted).await;
    }
    took
}

/// A pool of each of some partitions where nodes are up: the site's default partition first, without cards if there is a choice.
fn pools<'a>(survey: &Survey, supply: &'a Supply) -> Vec<&'a SlurmPool> {
    let up = |plan: &SlurmPoolPlan| plan.states.iter().filter(|s| **s == NodeState::Up).count();
    let usual = |plan: &SlurmPoolPlan| {
        survey.partitions.iter().any(|partition| partition.is_default && partition.name == plan.pool.partition)
    };
    let mut able: Vec<&SlurmPoolPlan> = supply.plans.iter().filter(|plan| up(plan) > 0).collect();
    able.sort_by_key(|plan| std::cmp::Reverse((usual(plan), plan.pool.gres.is_none(), up(plan))));
    let mut chosen: Vec<&SlurmPool> = Vec::new();
    for plan in able {
        if chosen.len() < PARTITIONS_TRIED && chosen.iter().all(|pool| pool.partition != plan.pool.partition) {
            chosen.push(&plan.pool);
        }
    }
    chosen
}

fn name(wanted: &Checked<'_>) -> String {
    format!("hw-check-{:08x}", wanted.tag)
}

pub(super) fn request(pool: &SlurmPool, wanted: &Checked<'_>, root: Root) -> SubmitRequest {
    let config = wanted.config;
    let base = config.work_root.trim_end_matches('/');
    let folder = match root {
        Root::Good => format!("{base}/{}", root::folder(wanted)),
        Root::Unseen | Root::Bad => base.to_owned(),
    };
    let output = format!("{folder}/hw-check-{:08x}.out", wanted.tag).replace('%', "%%");
    let rule = config.identity.rules.iter().find(|r| r.account.as_deref().is_some_and(|a| !a.contains('{')));
    SubmitRequest {
        name: name(wanted),
        comment: format!("{} Headworks: check of the way in", name(wanted)),
        script: Arc::from(format!(
            "#!/bin/sh\ndf -Pk . 2>/dev/null\np=./hw-check-$$; printf '#!/bin/sh\\n' >$p; chmod 700 $p\n\
             $p 2>/dev/null || echo {NO_PROGRAMS}; rm -f $p\necho {MARK}\n"
        )),
        partition: Some(pool.partition.clone()),
        account: rule.and_then(|r| r.account.clone()),
        qos: rule.and_then(|r| r.qos.clone()).filter(|q| !q.contains('{')),
        reservation: config.reservation.clone(),
        licences: None,
        switches: None,
        nodes: 1,
        tasks: 1,
        tasks_per_node: None,
        cpus_per_task: 1,
        mem_per_node: MEM,
        gres: Vec::new(),
        constraint: pool.constraint.clone(),
        exclude: pool.exclude.clone(),
        time_limit_minutes: TIME_LIMIT_MINUTES,
        signal: None,
        requeue: false,
        work_dir: folder,
        stdout: output,
        stderr: None,
        stdin: None,
        append: false,
        held: false,
        run_as: None,
    }
}

async fn hand_in(
    carrier: &dyn Carrier,
    files: Option<&dyn Files>,
    survey: &Survey,
    pools: &[&SlurmPool],
    wanted: &Checked<'_>,
    root: Root,
    findings: &mut Told<'_>,
) -> Option<Duration> {
    let begun = Instant::now();
    let (number, pool) = taken(carrier, pools, wanted, root, findings).await?;
    let (end, seen) = wait(carrier, number, survey, begun + wanted.patience).await;
    findings.extend(seen.and_then(|job| renamed(&job, wanted)));
    let took = begun.elapsed();
    let (partition, seconds) = (&pool.partition, took.as_secs());
    match end {
        End::Completed | End::Forgotten => {
            let found = format!("in `{partition}`: from handing in to its end {} ms", millis(took));
            findings.push(match took {
                t if t > SOON => {
                    Finding::warn("first_job", found, "the site's queue is busy: expect jobs to wait there")
                }
                _ => Finding::ok("first_job", found),
            });
            if let (Some(files), Root::Good) = (files, root) {
                findings.push(output(files, wanted).await);
            }
            Some(took)
        }
        End::Badly(words) => {
            let advice =
                "look at the node's slurmd log; a work folder that the nodes do not see ends jobs like this (0:53)";
            findings.push(Finding::fail("first_job", format!("in `{partition}` it ended as {words}"), advice));
            None
        }
        End::Waiting(reason) => {
            // Best effort: it is a job of no work and ends by itself.
            let _ = carrier.cancel(&[number], Cancel::End).await;
            let found = format!("in `{partition}` it still waits after {seconds} s: {reason}");
            let advice =
                "the way in works; whether jobs run there was not seen. Check again, or look at limits and the queue";
            findings.push(Finding::warn("first_job", found, advice));
            None
        }
    }
}

/// Hands it to the first partition that takes it, and says which do not.
async fn taken<'a>(
    carrier: &dyn Carrier,
    pools: &[&'a SlurmPool],
    wanted: &Checked<'_>,
    root: Root,
    findings: &mut Told<'_>,
) -> Option<(JobNumber, &'a SlurmPool)> {
    let mut refusals = Vec::new();
    for pool in pools {
        match carrier.submit(&request(pool, wanted, root)).await {
            Ok(number) => {
                findings.extend(refusals);
                return Some((number, pool));
            }
            Err(SubmitError::Refused(words)) => {
                let found = format!("`{}` does not take it: {words}", pool.partition);
                let advice = "name `partitions` without it, or an account, QOS or reservation that it takes";
                refusals.push(Finding::warn("first_job", found, advice));
            }
            Err(error) => {
                findings.push(not_taken(&error));
                return None;
            }
        }
    }
    findings.extend(refusals.into_iter().map(|refusal| Finding {
        level: Level::Fail,
        advice: NAME_ONE.to_owned(),
        ..refusal
    }));
    None
}

/// Jobs are known by their key, in name or comment.
fn renamed(job: &QueuedJob, wanted: &Checked<'_>) -> Option<Finding> {
    let name = name(wanted);
    if job.name == name {
        return None;
    }
    let found = format!("the site gives jobs other names: `{}` instead of `{name}`", job.name.escape_debug());
    Some(if job.comment.starts_with(&name) {
        let advice = "they are known by their comment; let accounting store it (AccountingStoreFlags=job_comment), or each end is the \
                      controller's and a minute late";
        Finding::warn("first_job", found, advice)
    } else {
        let advice = "and other comments: jobs cannot be known again; ask the site to leave the names of this account's jobs alone";
        Finding::fail("first_job", found, advice)
    })
}

fn not_taken(error: &SubmitError) -> Finding {
    let advice = match error {
        SubmitError::Refused(_) => NAME_ONE,
        SubmitError::NotSent(_) | SubmitError::Unanswered(_) => {
            "see the way in; the cluster answered questions a moment ago"
        }
    };
    Finding::fail("first_job", format!("was not taken: {error}"), advice)
}

/// The end, and the job as the queue showed it last.
async fn wait(carrier: &dyn Carrier, number: JobNumber, survey: &Survey, until: Instant) -> (End, Option<QueuedJob>) {
    let mut seen: Option<QueuedJob> = None;
    loop {
        // No answer is no news; the next look asks again.
        if let Ok(queue) = carrier.queue(QueueWanted::Jobs(vec![number])).await {
            match queue.jobs.into_iter().find(|j| j.number == number) {
                Some(job) => {
                    if let Some(end) = ended(&job) {
                        return (end, Some(job));
                    }
                    seen = Some(job);
                }
                None if seen.is_some() => return (accounted(carrier, number, survey).await, seen),
                None => {}
            }
        }
        if Instant::now() >= until {
            let word = |job: &QueuedJob| format!("{:?} {}", job.state, job.reason.as_deref().unwrap_or(""));
            let words = seen.as_ref().map_or("it was not seen in the queue".into(), |job| word(job).trim().into());
            return (End::Waiting(words), seen);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn ended(job: &QueuedJob) -> Option<End> {
    let badly = || {
        let exit = job.exit.map_or(String::new(), |(code, signal)| format!(" {code}:{signal}"));
        End::Badly(format!("{:?}{exit} {}", job.state, job.reason.as_deref().unwrap_or("")).trim().to_owned())
    };
    match &job.state {
        SlurmState::Pending | SlurmState::Running | SlurmState::Suspended | SlurmState::Unknown(_) => None,
        SlurmState::Completed => Some(End::Completed),
        _ => Some(badly()),
    }
}

/// What accounting has of a job that the queue dropped: a controller with a short memory.
async fn accounted(carrier: &dyn Carrier, number: JobNumber, survey: &Survey) -> End {
    let Ok(runs) = carrier.accounts(AccountsWanted::Jobs(vec![number])).await else { return End::Forgotten };
    match runs.iter().rev().find(|run| run.number == number && run.submitted >= survey.clock - 1) {
        Some(run) if run.state == SlurmState::Completed => End::Completed,
        Some(run) => End::Badly(format!("{:?} {}:{}", run.state, run.exit.0, run.exit.1)),
        None => End::Forgotten,
    }
}

/// What the job wrote must be readable here: nodes and platform share the work root.
async fn output(files: &dyn Files, wanted: &Checked<'_>) -> Finding {
    let root = &wanted.config.work_root;
    let path = format!("{}/hw-check-{:08x}.out", root::folder(wanted), wanted.tag);
    // A file system between two machines may show a new file some seconds late.
    let until = Instant::now() + SOON;
    loop {
        let text = files.read(&path, 0, OUTPUT_MAX).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if text.contains(MARK) && text.contains(NO_PROGRAMS) {
            let found = format!("{root}: nodes start no programs there (noexec)");
            let advice =
                "scripts of jobs lie there: name a `work_root` on a file system from which nodes may start programs";
            return Finding::fail("work_root", found, advice);
        }
        if text.contains(MARK) {
            let room = free_kib(&text).map_or(String::new(), |kib| format!("; {} free", Bytes((kib >> 20) << 30)));
            return Finding::ok("work_root", format!("{root}: the nodes see it too{room}"));
        }
        if Instant::now() >= until {
            return Finding::fail(
                "work_root",
                format!("{root}: what a node wrote there is not seen from here"),
                "name a `work_root` on a file system that nodes and login node share",
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The fourth column of `df -P`'s second line.
fn free_kib(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}
