//! From an order to a supervisor's plan: names, paths and the environment. Pure: touches no file, knows no clock.

use std::path::Path;

use base::{Bytes, CpuMillis, Timestamp};
use jobscript::{Facts, default_output, expand_pattern, variables};
use model::{ExportPolicy, Order};

use crate::cgroup::Groups;
use crate::config::LocalConfig;
use crate::layout::Place;
use crate::plan::{Files, Plan};

/// Search path of jobs that bring none along.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Names of the nodes of an order: as placed, or as many of the pool as were asked for.
fn nodes(order: &Order, config: &LocalConfig) -> Vec<String> {
    if !order.nodes.is_empty() {
        return order.nodes.iter().map(|n| n.to_string()).collect();
    }
    let wanted = order.spec.request.nodes.max(1) as usize;
    let names = config.pools.iter().find(|p| p.id == order.pool).map(|p| p.node_names()).unwrap_or_default();
    names.into_iter().cycle().take(wanted).collect()
}

fn facts(order: &Order, config: &LocalConfig) -> Facts {
    Facts { cluster: config.cluster_name.to_string(), nodes: nodes(order, config), ..Facts::of_order(order) }
}

/// A name as one part of a path: never empty, hidden, or more than one part.
fn part(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).collect();
    match safe.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if safe.is_empty() => "_".into(),
        None => safe,
    }
}

/// Where the job works and writes. The same for every reading of the same order.
pub fn files(order: &Order, config: &LocalConfig) -> Files {
    files_of(order, config, &facts(order, config))
}

fn files_of(order: &Order, config: &LocalConfig, facts: &Facts) -> Files {
    let spec = &order.spec;
    let root = config.work_root.to_string_lossy();
    let (work_dir, create_below) = match &spec.work_dir {
        Some(path) => (expand_pattern(path, facts), None),
        None => {
            let own = format!("{root}/{}/{}/{}", part(&order.tenant), part(&order.user), order.number);
            (own, Some(root.into_owned()))
        }
    };
    let path = |pattern: &str| -> String {
        Path::new(&work_dir).join(expand_pattern(pattern, facts)).to_string_lossy().into_owned()
    };
    let stdout = path(spec.stdout.as_deref().unwrap_or(default_output(order.array.is_some())));
    let stderr = spec.stderr.as_deref().map_or_else(|| stdout.clone(), path);
    let stdin = spec.stdin.as_deref().map_or_else(|| "/dev/null".into(), path);
    Files { work_dir, create_below, stdin, stdout, stderr }
}

/// MPI libraries that see `SLURM_JOB_ID` look for Slurm's daemons to start their ranks. There are none here, so they are told
/// to start them on this machine: Open MPI 4, Open MPI 5 (PRRTE), MPICH and Intel MPI (Hydra), in this order.
const MPI: &[(&str, &str)] = &[
    ("OMPI_MCA_plm", "isolated"),
    ("OMPI_MCA_ras", "^slurm"),
    ("PRTE_MCA_plm", "^slurm"),
    ("PRTE_MCA_ras", "^slurm"),
    ("HYDRA_BOOTSTRAP", "fork"),
    ("I_MPI_HYDRA_BOOTSTRAP", "fork"),
];

/// The whole environment of the job, later entries winning: the user's account, what the submitter sent (unless
/// `--export=NONE`), the account again where it cannot be the submitter's own, and what the platform says.
fn environment(order: &Order, config: &LocalConfig, facts: &Facts, place: &Place) -> Vec<(String, String)> {
    let mut all = std::collections::BTreeMap::new();
    let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    set("PATH", PATH);
    set("LANG", "C.UTF-8");
    set("SHELL", "/bin/sh");
    set("TMPDIR", "/tmp");
    for (name, value) in MPI {
        set(name, value);
    }
    if order.spec.export == ExportPolicy::All {
        for (name, value) in &order.spec.environment {
            set(name, value);
        }
    }
    if let Some(user) = &config.account {
        set("HOME", &user.home);
        set("USER", &user.name);
        set("LOGNAME", &user.name);
    }
    for (name, value) in variables(facts) {
        set(&name, &value);
    }
    if !place.gpus.is_empty() {
        let list = place.gpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        set("CUDA_VISIBLE_DEVICES", &list);
        set("SLURM_JOB_GPUS", &list);
    } else {
        // No accelerator was granted, so none is shown.
        set("CUDA_VISIBLE_DEVICES", "");
    }
    all.into_iter().collect()
}

/// The plan of one attempt. `now` is the start that the job is told; its time limit counts from the real one.
pub fn plan(order: &Order, config: &LocalConfig, place: Place, groups: Option<Groups>, now: Timestamp) -> Plan {
    let spec = &order.spec;
    let mut facts = facts(order, config);
    let files = files_of(order, config, &facts);
    facts.submit_dir = files.work_dir.clone();
    facts.start_seconds = Some(now.as_secs());
    facts.end_seconds = Some((now + spec.time_limit).as_secs());
    let nodes = facts.nodes.len().max(1) as u64;
    Plan {
        attempt: order.attempt,
        pool: order.pool,
        args: spec.args.clone(),
        environment: environment(order, config, &facts, &place),
        nodes: facts.nodes,
        files,
        append: spec.append,
        time_limit: spec.time_limit,
        warning: spec.signal,
        memory: Bytes(order.per_node.mem.0.saturating_mul(nodes)),
        cpu: CpuMillis(order.per_node.cpu.0.saturating_mul(nodes)),
        cores: place.cores,
        gpus: place.gpus,
        run_as: config.run_as.clone(),
        groups,
        watch: config.watch.clone(),
    }
}
