//! From an order to a Slurm job: names, amounts, paths, and one batch script that carries the tenant's own unread.
//! Pure: touches no file, knows no clock; nothing is quoted by hand, as no shell reads a word of it on the way.

mod base64;
pub mod identity;
mod script;
mod words;

use std::path::Path;
use std::sync::Arc;

use base::PoolId;
use jobscript::{Facts, default_output, expand_pattern, variables};
use model::{Chip, Conditions, Constraint, ExportPolicy, Order, SignalSpec};

use crate::carrier::{Gres, SubmitRequest};
use crate::config::SlurmConfig;
use crate::evidence;
use crate::key::Realm;
use crate::users::{self, Home, UnixUser};

pub use script::{Plan, ScriptError, Unpacked, unpack};

/// Stands in file names for the first node, which only Slurm knows; the wrapper puts it in.
pub const NODE_PLACE: &str = "@hw-node@";
/// Largest batch script that Slurm takes unless configured otherwise (`SchedulerParameters=max_script_size`).
pub const SCRIPT_BYTES_MAX: usize = 4 << 20;
/// Where Slurm's own words go when there is no folder for them.
const NOWHERE: &str = "/dev/null";
/// Seconds of Slurm's unit of time limits.
const MINUTE: i64 = 60;

/// A part of a Slurm cluster that the platform places work on, as found by a survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmPool {
    pub id: PoolId,
    pub name: Arc<str>,
    pub partition: String,
    /// Name and kind of the GRES that the platform counts as GPUs; the count is the job's.
    pub gres: Option<(String, Option<String>)>,
    /// `--constraint`, already an expression of Slurm's.
    pub constraint: Option<String>,
    /// Nodes of the partition that are not of the pool.
    pub exclude: Vec<String>,
    /// All nodes of the pool.
    pub nodes: Vec<String>,
    /// What one node offers to jobs.
    pub shape: base::Resources,
    pub chip: Option<Chip>,
}

/// What rendering needs besides the order.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub realm: Realm,
    pub cluster_name: &'a str,
    pub config: &'a SlurmConfig,
    pub pool: &'a SlurmPool,
    /// Of the whole batch script, bytes.
    pub script_bytes_max: usize,
    /// Scripts that are too large can be put beside the fence ahead of their job.
    pub can_stage: bool,
    /// The folder of all attempts is there, so that Slurm can write its own words into it.
    pub has_folder: bool,
    /// Accounting tells runs that a job ended by itself from those that a node broke off: only the latter cost nothing.
    pub may_requeue: bool,
}

/// One job, ready to be handed to a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub request: SubmitRequest,
    /// The script does not travel in the request: it is to be put in its place first ([`evidence::stage`]).
    pub staged: bool,
}

/// Renders one attempt.
///
/// # Errors
/// What can never be handed over, in words for the tenant.
pub fn request(order: &Order, script: &str, around: Surroundings<'_>) -> Result<Rendered, ScriptError> {
    request_of(&users::home_of(around.config, order)?, order, script, around)
}

/// The same for somebody whose home is known.
///
/// # Errors
/// As [`request`].
pub fn request_of(home: &Home, order: &Order, script: &str, around: Surroundings<'_>) -> Result<Rendered, ScriptError> {
    let spec = &order.spec;
    let name = around.realm.name(order.attempt);
    let root = home.root.as_str();
    let plan = plan(order, root, around)?;
    let built = script::build(&name, &plan, script, around.script_bytes_max, around.can_stage)?;
    let asked = &spec.request;
    let nodes = asked.nodes.max(1);
    let tasks_per_node = asked.tasks.max(1).div_ceil(nodes);
    // What was granted is what is taken: a job that asked for more cores than its tasks need gets them through its tasks.
    let cores = u32::try_from(order.per_node.cpu.cores_ceil()).unwrap_or(u32::MAX);
    let cpus_per_task = asked.cpus_per_task.max(1).max(cores / tasks_per_node);
    let gres = (order.per_node.gpus > 0).then(|| {
        let (name, kind) = around.pool.gres.clone().unwrap_or_else(|| ("gpu".to_owned(), None));
        Gres { name, kind, count: order.per_node.gpus }
    });
    let who =
        identity::of(&around.config.identity, &order.tenant, &order.project, &order.user).ok_or(ScriptError::Nobody)?;
    let slurm_words = match around.has_folder {
        true => format!("{root}/{}", evidence::slurm_words(around.realm, order.attempt)).replace('%', "%%"),
        false => NOWHERE.to_owned(),
    };
    let conditions = asked.conditions.as_deref();
    let request = SubmitRequest {
        comment: words::comment(&name, order),
        name,
        script: built.text.into(),
        partition: (!around.pool.partition.is_empty()).then(|| around.pool.partition.clone()),
        account: who.account,
        qos: who.qos,
        // A cluster that was registered with a reservation has none beside it.
        reservation: around
            .config
            .reservation
            .clone()
            .or_else(|| conditions?.reservation.as_deref().map(str::to_owned)),
        licences: conditions.and_then(licences),
        switches: conditions.and_then(|c| c.switches).map(|s| (s.count, s.patience.map(minutes))),
        nodes,
        tasks: asked.tasks.max(1),
        tasks_per_node: (nodes > 1).then_some(tasks_per_node),
        cpus_per_task,
        mem_per_node: order.per_node.mem,
        gres: gres.into_iter().collect(),
        constraint: constraint(around.pool.constraint.as_deref(), conditions.and_then(|c| c.constraint.as_ref())),
        exclude: around.pool.exclude.clone(),
        time_limit_minutes: minutes(spec.time_limit),
        signal: spec.signal.map(warning),
        requeue: around.may_requeue && spec.requeue && requeues_itself(script),
        work_dir: if root.is_empty() { "/".to_owned() } else { root.to_owned() },
        stdout: slurm_words,
        stderr: None,
        stdin: None,
        append: true,
        held: false,
        run_as: home.user.as_ref().map(UnixUser::name),
    };
    Ok(Rendered { request, staged: built.staged })
}

/// Real-time signals stand for those that the wrapper passes on to the script's own process: 33 above their number.
pub const PASSED_ON: i32 = 33;
/// The last signal that is none of real time.
pub const SIGNAL_MAX: i32 = 31;

/// The warning before the time limit. One for the batch shell alone reaches the wrapper, which passes it on.
fn warning(wanted: SignalSpec) -> String {
    let seconds = wanted.before.as_micros().max(0) / 1_000_000;
    match wanted.shell_only {
        true if wanted.signal <= SIGNAL_MAX => format!("B:{}@{seconds}", PASSED_ON + wanted.signal),
        true => format!("B:{}@{seconds}", wanted.signal),
        false => format!("{}@{seconds}", wanted.signal),
    }
}

/// Whether a script has Slurm queue its job again, as those do that save their state when they are warned. Slurm refuses it to
/// jobs that may not be queued again; all others had better not be, since the platform decides what follows a failure.
fn requeues_itself(script: &str) -> bool {
    script.lines().any(|line| line.contains("scontrol") && line.contains("requeue"))
}

fn licences(conditions: &Conditions) -> Option<String> {
    let words: Vec<String> = conditions.licences.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// The pool's own feature and what the job asks. Slurm reads from left to right, so that parentheses stand where both meet.
fn constraint(pool: Option<&str>, asked: Option<&Constraint>) -> Option<String> {
    match (pool, asked) {
        (pool, None) => pool.map(str::to_owned),
        (None, Some(asked)) => Some(asked.as_str().to_owned()),
        (Some(pool), Some(asked)) if asked.as_str().contains('[') => Some(format!("{pool}&{asked}")),
        (Some(pool), Some(asked)) => Some(format!("{pool}&({asked})")),
    }
}

/// A length of time in Slurm's minutes, rounded up, at least one.
pub fn minutes(span: base::Span) -> u32 {
    let seconds = (span.as_micros().max(0) + 999_999) / 1_000_000;
    u32::try_from((seconds + MINUTE - 1) / MINUTE).unwrap_or(u32::MAX).max(1)
}

/// Where a job works and writes; absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    pub work_dir: String,
    /// The work folder is the platform's to make.
    pub ours: bool,
    pub stdin: String,
    pub stdout: String,
    /// `None`: with stdout.
    pub stderr: Option<String>,
}

/// The same for every reading of the same order, but for `%N`: `node` is the first node, once it is known.
pub fn paths(order: &Order, work_root: &str, cluster_name: &str, node: Option<&str>) -> Paths {
    let facts = facts(order, cluster_name, node);
    let spec = &order.spec;
    let root = work_root.trim_end_matches('/');
    let (work_dir, ours) = match &spec.work_dir {
        Some(path) => (expand_pattern(path, &facts), false),
        None => {
            let (tenant, user) = (words::part(&order.tenant), words::part(&order.user));
            (format!("{root}/work/{tenant}/{user}/{}", order.number), true)
        }
    };
    let path = |pattern: &str| -> String {
        Path::new(&work_dir).join(expand_pattern(pattern, &facts)).to_string_lossy().into_owned()
    };
    Paths {
        stdout: path(spec.stdout.as_deref().unwrap_or(default_output(order.array.is_some()))),
        stderr: spec.stderr.as_deref().map(path),
        stdin: spec.stdin.as_deref().map_or_else(|| NOWHERE.to_owned(), path),
        work_dir,
        ours,
    }
}

fn facts(order: &Order, cluster_name: &str, node: Option<&str>) -> Facts {
    let nodes = vec![node.unwrap_or(NODE_PLACE).to_owned()];
    Facts { cluster: cluster_name.to_owned(), nodes, ..Facts::of_order(order) }
}

fn plan(order: &Order, root: &str, around: Surroundings<'_>) -> Result<Plan, ScriptError> {
    let paths = paths(order, root, around.cluster_name, None);
    Ok(Plan {
        dir: format!("{root}/{}", evidence::folder(around.realm, order.attempt)),
        environment: environment(order, around.cluster_name, &paths.work_dir)?,
        args: order.spec.args.clone(),
        append: order.spec.append,
        paths,
    })
}

/// Variables of the submitter that mean nothing on a node of a cluster, or that Slurm gives there.
fn is_the_clusters_own(name: &str) -> bool {
    const PREFIXES: &[&str] = &["SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "HW_", "SSH_", "XDG_", "DBUS_"];
    const NAMES: &[&str] = &[
        "HOME",
        "USER",
        "LOGNAME",
        "HOSTNAME",
        "SHELL",
        "SHLVL",
        "PWD",
        "OLDPWD",
        "MAIL",
        "TMPDIR",
        "DISPLAY",
        "XAUTHORITY",
        "LD_PRELOAD",
        "CUDA_VISIBLE_DEVICES",
        "GPU_DEVICE_ORDINAL",
        "ROCR_VISIBLE_DEVICES",
        "ASCEND_RT_VISIBLE_DEVICES",
        "ZE_AFFINITY_MASK",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// What is added to the environment that Slurm gives: what the submitter sent (unless `--export=NONE`), and what the
/// platform says. Slurm's own number and nodes stay Slurm's, since its tools need them.
fn environment(order: &Order, cluster_name: &str, work_dir: &str) -> Result<Vec<(String, String)>, ScriptError> {
    const OURS: &[&str] = &["SLURM_JOB_NAME", "SLURM_SUBMIT_DIR"];
    let mut all = std::collections::BTreeMap::new();
    if order.spec.export == ExportPolicy::All {
        for (name, value) in order.spec.environment.iter().filter(|(name, _)| !is_the_clusters_own(name)) {
            if name.is_empty() || name.contains('=') || name.starts_with('-') {
                return Err(ScriptError::Variable(crate::states::short(name, 60)));
            }
            all.insert(name.clone(), value.clone());
        }
    }
    let facts = Facts { submit_dir: work_dir.to_owned(), ..facts(order, cluster_name, None) };
    let ours = variables(&facts).into_iter().filter(|(name, _)| {
        name.starts_with("HW_") || name.starts_with("SLURM_ARRAY_") || OURS.contains(&name.as_str())
    });
    all.extend(ours);
    all.insert("HW_JOB_NUMBER".to_owned(), order.number.to_string());
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests;
