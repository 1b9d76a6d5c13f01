//! What a running job is told about itself: `SLURM_*` and `HW_*` variables, and file name patterns.
//! Numbers and texts only; where they come from is the caller's business.

use base::Bytes;
use model::Order;

/// One element's place in its array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrayFacts {
    /// Number of the array as a whole (`SLURM_ARRAY_JOB_ID`, `%A`).
    pub root_number: u64,
    /// `SLURM_ARRAY_TASK_ID`, `%a`.
    pub index: u32,
    pub count: u32,
    pub min: u32,
    pub max: u32,
    /// Distance of neighbouring indices where it is the same everywhere, else 1.
    pub step: u32,
}

impl ArrayFacts {
    /// The facts of element `index` of an array with the given ascending indices.
    pub fn of(root_number: u64, index: u32, indices: &[u32]) -> Self {
        let mut gaps = indices.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let first = gaps.next().unwrap_or(1);
        let step = if gaps.all(|gap| gap == first) { first.max(1) } else { 1 };
        Self {
            root_number,
            index,
            count: u32::try_from(indices.len()).unwrap_or(u32::MAX),
            min: indices.first().copied().unwrap_or(index),
            max: indices.last().copied().unwrap_or(index),
            step,
        }
    }

    /// The facts of an order's element; `None` for a job by itself.
    pub fn of_order(order: &Order) -> Option<Self> {
        let array = order.array.as_ref()?;
        Some(match (&order.spec.array, order.array_bounds) {
            (Some(all), _) => Self::of(array.root_number, array.index, &all.indices),
            (None, Some((count, min, max))) => {
                Self { root_number: array.root_number, index: array.index, count, min, max, step: 1 }
            }
            (None, None) => Self::of(array.root_number, array.index, &[array.index]),
        })
    }
}

/// Everything a job may be told. Empty texts and absent values make no variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The number users type (`SLURM_JOB_ID`, `%j`).
    pub number: u64,
    /// `job_…` (`HW_JOB`).
    pub job: String,
    /// From 1 (`HW_ATTEMPT`); one less is `HW_RESTART_COUNT` and `SLURM_RESTART_COUNT`.
    pub attempt: u32,
    /// When the checkpoint was taken that lies in the work folder, in RFC 3339 (`HW_CHECKPOINT`).
    pub checkpoint: String,
    pub name: String,
    pub user: String,
    pub tenant: String,
    pub project: String,
    pub pool: String,
    pub cluster: String,
    pub submit_dir: String,
    pub submit_host: String,
    pub array: Option<ArrayFacts>,
    /// Names of all nodes, the first of which runs the script.
    pub nodes: Vec<String>,
    pub tasks: u32,
    /// As asked for with `--ntasks-per-node`.
    pub tasks_per_node: Option<u32>,
    pub cpus_per_task: u32,
    pub cores_per_node: u32,
    pub mem_per_node: Bytes,
    pub gpus_per_node: u32,
    /// Of the start and of the time limit, in seconds since the epoch.
    pub start_seconds: Option<i64>,
    pub end_seconds: Option<i64>,
    /// Which node (`%n`) and which task (`%t`) this is; 0 for the batch script.
    pub node: u32,
    pub task: u32,
}

impl Facts {
    /// Who and what an order is, and what it asks of each node; where it runs (cluster, nodes, folder, times) is the backend's to say.
    pub fn of_order(order: &Order) -> Self {
        let request = &order.spec.request;
        Self {
            number: order.number,
            job: order.attempt.job.to_string(),
            attempt: order.attempt.number,
            checkpoint: order.checkpoint.map(|at| at.rfc3339()).unwrap_or_default(),
            name: order.spec.name.to_string(),
            user: order.user.to_string(),
            tenant: order.tenant.to_string(),
            project: order.project.to_string(),
            pool: order.pool_name.to_string(),
            array: ArrayFacts::of_order(order),
            tasks: request.tasks,
            cpus_per_task: request.cpus_per_task,
            cores_per_node: u32::try_from(order.per_node.cpu.cores_ceil()).unwrap_or(u32::MAX),
            mem_per_node: order.per_node.mem,
            gpus_per_node: order.per_node.gpus,
            ..Self::default()
        }
    }

    fn node_count(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX).max(1)
    }
    /// Tasks of each node: as even as can be, the first ones take what is left over.
    fn distribution(&self) -> Vec<u32> {
        let nodes = self.node_count();
        (0..nodes).map(|n| self.tasks / nodes + u32::from(n < self.tasks % nodes)).collect()
    }
}

/// The environment that the platform sets for the batch script, in name order.
/// Names and formats are those of sbatch's manual ("OUTPUT ENVIRONMENT VARIABLES"); memory is in MiB.
pub fn variables(facts: &Facts) -> Vec<(String, String)> {
    let mut found: Vec<(&str, String)> = Vec::with_capacity(48);
    identity(facts, &mut found);
    sizes(facts, &mut found);
    if let Some(array) = &facts.array {
        found.extend([
            ("SLURM_ARRAY_JOB_ID", array.root_number.to_string()),
            ("SLURM_ARRAY_TASK_COUNT", array.count.to_string()),
            ("SLURM_ARRAY_TASK_ID", array.index.to_string()),
            ("SLURM_ARRAY_TASK_MAX", array.max.to_string()),
            ("SLURM_ARRAY_TASK_MIN", array.min.to_string()),
            ("SLURM_ARRAY_TASK_STEP", array.step.to_string()),
        ]);
    }
    found.retain(|(_, value)| !value.is_empty());
    found.sort_unstable();
    found.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

fn identity(facts: &Facts, found: &mut Vec<(&'static str, String)>) {
    let seconds = |at: Option<i64>| at.map(|s| s.to_string()).unwrap_or_default();
    found.extend([
        ("HW_ATTEMPT", facts.attempt.to_string()),
        ("HW_CHECKPOINT", facts.checkpoint.clone()),
        ("HW_JOB", facts.job.clone()),
        ("HW_POOL", facts.pool.clone()),
        ("HW_PROJECT", facts.project.clone()),
        ("HW_RESTART_COUNT", facts.attempt.saturating_sub(1).to_string()),
        ("HW_TENANT", facts.tenant.clone()),
        ("SLURM_CLUSTER_NAME", facts.cluster.clone()),
        ("SLURM_JOBID", facts.number.to_string()),
        ("SLURM_JOB_ACCOUNT", facts.project.clone()),
        ("SLURM_JOB_END_TIME", seconds(facts.end_seconds)),
        ("SLURM_JOB_ID", facts.number.to_string()),
        ("SLURM_JOB_NAME", facts.name.clone()),
        ("SLURM_JOB_PARTITION", facts.pool.clone()),
        ("SLURM_JOB_START_TIME", seconds(facts.start_seconds)),
        ("SLURM_JOB_USER", facts.user.clone()),
        ("SLURM_LOCALID", "0".into()),
        ("SLURM_NODEID", facts.node.to_string()),
        ("SLURM_PROCID", facts.task.to_string()),
        ("SLURM_RESTART_COUNT", facts.attempt.saturating_sub(1).to_string()),
        ("SLURM_SUBMIT_DIR", facts.submit_dir.clone()),
        ("SLURM_SUBMIT_HOST", facts.submit_host.clone()),
        ("SLURMD_NODENAME", facts.nodes.get(facts.node as usize).cloned().unwrap_or_default()),
    ]);
}

fn sizes(facts: &Facts, found: &mut Vec<(&'static str, String)>) {
    let nodes = facts.node_count();
    let list = facts.nodes.join(",");
    let gpus = |n: u64| if facts.gpus_per_node > 0 { n.to_string() } else { String::new() };
    let each = u64::from(facts.gpus_per_node);
    found.extend([
        ("SLURM_CPUS_ON_NODE", facts.cores_per_node.to_string()),
        ("SLURM_CPUS_PER_TASK", facts.cpus_per_task.to_string()),
        ("SLURM_GPUS", gpus(each * u64::from(nodes))),
        ("SLURM_GPUS_ON_NODE", gpus(each)),
        ("SLURM_GPUS_PER_NODE", gpus(each)),
        ("SLURM_JOB_CPUS_PER_NODE", repeated(&vec![facts.cores_per_node; nodes as usize])),
        ("SLURM_JOB_NODELIST", list.clone()),
        ("SLURM_JOB_NUM_NODES", nodes.to_string()),
        ("SLURM_MEM_PER_NODE", facts.mem_per_node.mib_ceil().to_string()),
        ("SLURM_NNODES", nodes.to_string()),
        ("SLURM_NODELIST", list),
        ("SLURM_NPROCS", facts.tasks.to_string()),
        ("SLURM_NTASKS", facts.tasks.to_string()),
        ("SLURM_NTASKS_PER_NODE", facts.tasks_per_node.map(|n| n.to_string()).unwrap_or_default()),
        ("SLURM_TASKS_PER_NODE", repeated(&facts.distribution())),
    ]);
}

/// Slurm's short form of a list of numbers: `2(x3),1`.
fn repeated(numbers: &[u32]) -> String {
    let run = |run: &[u32]| if run.len() > 1 { format!("{}(x{})", run[0], run.len()) } else { run[0].to_string() };
    numbers.chunk_by(|a, b| a == b).map(run).collect::<Vec<_>>().join(",")
}

/// Widest zero padding, as in Slurm.
const PADDING_MAX: usize = 10;

/// Fills a file name pattern: `%j` job, `%A` array (the job itself outside arrays), `%a` index (0 outside arrays),
/// `%x` name, `%u` user, `%N` first node, `%n` node index, `%t` task, `%%`; a number pads numeric ones with zeros
/// (`%5j`). Unknown ones stay as they are. Slashes in names become `_`, so that no name leaves its folder.
pub fn expand_pattern(pattern: &str, facts: &Facts) -> String {
    let mut text = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let width = tail[..digits].parse().unwrap_or(if digits == 0 { 0 } else { PADDING_MAX }).min(PADDING_MAX);
        let number = |n: u64| format!("{n:0width$}");
        let name = |t: &str| t.replace('/', "_");
        let array = facts.array.as_ref();
        let known = match tail[digits..].chars().next() {
            Some('j') => number(facts.number),
            Some('A') => number(array.map_or(facts.number, |a| a.root_number)),
            Some('a') => number(array.map_or(0, |a| u64::from(a.index))),
            Some('n') => number(u64::from(facts.node)),
            Some('t') => number(u64::from(facts.task)),
            Some('x') => name(&facts.name),
            Some('u') => name(&facts.user),
            Some('N') => name(facts.nodes.get(facts.node as usize).map_or("", |n| n.split('.').next().unwrap_or(n))),
            Some('%') => "%".into(),
            _ => {
                text.push('%');
                rest = tail;
                continue;
            }
        };
        text.push_str(&known);
        rest = &tail[digits + 1..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            number: 42,
            job: "job_00000000000000000000000000000001".into(),
            attempt: 2,
            checkpoint: "2026-11-21T08:00:00Z".into(),
            name: "a/b".into(),
            user: "li".into(),
            tenant: "hydro".into(),
            project: "flood".into(),
            pool: "cpu".into(),
            cluster: "local".into(),
            submit_dir: "/home/li".into(),
            submit_host: String::new(),
            array: Some(ArrayFacts::of(40, 4, &[0, 2, 4])),
            nodes: vec!["n01.example".into(), "n02".into(), "n03".into()],
            tasks: 5,
            tasks_per_node: None,
            cpus_per_task: 2,
            cores_per_node: 4,
            mem_per_node: Bytes(Bytes::GIB + 1),
            gpus_per_node: 2,
            start_seconds: Some(100),
            end_seconds: None,
            node: 0,
            task: 0,
        }
    }

    #[test]
    fn patterns_are_filled() {
        let facts = facts();
        let alone = Facts { array: None, ..facts.clone() };
        for (pattern, filled) in [
            ("plain", "plain"),
            ("slurm-%j.out", "slurm-42.out"),
            ("%A_%a", "40_4"),
            ("%5j %3a", "00042 004"),
            ("%99j", "0000000042"),
            ("%99999999999999999999j", "0000000042"),
            ("%x-%u@%5N %n %t", "a_b-li@n01 0 0"),
            ("100%% %", "100% %"),
            ("%z %5", "%z %5"),
            ("渠%j首", "渠42首"),
        ] {
            assert_eq!(expand_pattern(pattern, &facts), filled, "{pattern}");
        }
        assert_eq!(expand_pattern("%A_%a", &alone), "42_0");
    }

    #[test]
    fn the_environment_is_as_checked_in() {
        let text: Vec<String> = variables(&facts()).into_iter().map(|(n, v)| format!("{n}={v}")).collect();
        insta::assert_snapshot!(text.join("\n"));
        let bare = variables(&Facts { tasks: 1, ..Facts::default() });
        assert!(bare.iter().all(|(name, value)| !value.is_empty() && !name.contains("ARRAY") && !name.contains("GPU")));
    }
}
