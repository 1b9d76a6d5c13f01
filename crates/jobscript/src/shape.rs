//! From the sizes a job names (nodes, tasks, cores, memory, GPUs) to the one shape placement works on, with every
//! contradiction between them. Knows no pool: whether such a node exists is not asked.

use base::{Bytes, CpuMillis, Resources};
use model::{Chip, Request};

use crate::fault::{Fault, FaultCode, Origin, Warning, label};
use crate::limits::*;
use crate::options::Key;
use crate::value::Gpus;

/// A value that was read, with the option and the place it came from.
#[derive(Clone, Debug)]
pub(crate) struct Got<T> {
    pub value: T,
    pub key: Key,
    pub origin: Origin,
}

impl<T> Got<T> {
    fn at(&self) -> (&'static str, Origin) {
        (self.key.name(), self.origin)
    }
    /// `--ntasks=4 on line 3`, for messages.
    fn fault(&self, code: FaultCode, message: String) -> Fault {
        Fault::new(self.origin, self.key.name(), code, message)
    }
}

/// The sizes as read; each is valid by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub nodes: Option<Got<u32>>,
    pub ntasks: Option<Got<u32>>,
    pub ntasks_per_node: Option<Got<u32>>,
    pub cpus_per_task: Option<Got<u32>>,
    pub mem: Option<Got<Bytes>>,
    pub mem_per_cpu: Option<Got<Bytes>>,
    pub gpus: Option<Got<Gpus>>,
    pub gpus_per_node: Option<Got<Gpus>>,
    pub gpus_per_task: Option<Got<Gpus>>,
    pub gres: Option<Got<Gpus>>,
    pub chip: Option<Got<Vec<Chip>>>,
}

/// Nodes and tasks, settled.
#[derive(Clone, Copy)]
struct Layout {
    nodes: u32,
    tasks: u32,
}

impl Layout {
    fn tasks_per_node(self) -> u32 {
        self.tasks.div_ceil(self.nodes)
    }
}

/// Settles the shape. Nodes not given are derived: from tasks and tasks per node, else from GPUs and GPUs per node,
/// else one. Tasks not given are one per node, or what `--ntasks-per-node` says. Every node gets the same: the cores
/// of its largest share of tasks. `Request::fault` of the result is `None`.
pub(crate) fn request(asked: &Asked, mem_per_cpu: Bytes) -> Result<(Request, Vec<Warning>), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    let layout = layout(asked).map_err(|fault| faults.push(*fault)).ok();
    let cores = layout.and_then(|l| cores(asked, l).map_err(|fault| faults.push(*fault)).ok());
    let mem = memory(asked, cores.unwrap_or(1), mem_per_cpu).map_err(|fault| faults.push(*fault)).ok();
    let gpus = layout.and_then(|l| gpus(asked, l).map_err(|fault| faults.push(*fault)).ok());
    let chips = chips(asked).map_err(|fault| faults.push(*fault)).ok();
    let (Some(layout), Some(cores), Some(mem), Some(gpus), Some(chips)) = (layout, cores, mem, gpus, chips) else {
        return Err(faults);
    };
    if let Some(chip) = asked.chip.as_ref().filter(|_| gpus == 0) {
        warnings.push(Warning::new(chip.origin, Key::Chip.name(), "has no effect: no GPU is asked for"));
    }
    let request = Request {
        nodes: layout.nodes,
        per_node: Resources { cpu: CpuMillis::from_cores(u64::from(cores)), mem, gpus },
        tasks: layout.tasks,
        cpus_per_task: asked.cpus_per_task.as_ref().map_or(1, |c| c.value),
        chips: if gpus == 0 { Vec::new() } else { chips },
        conditions: None,
    };
    Ok((request, warnings))
}

/// GPUs on each node when said directly, by either option.
fn gpus_each(asked: &Asked) -> Option<&Got<Gpus>> {
    asked.gpus_per_node.as_ref().or(asked.gres.as_ref())
}

fn layout(asked: &Asked) -> Result<Layout, Box<Fault>> {
    let per_node = asked.ntasks_per_node.as_ref();
    let (nodes, said_by) = match (&asked.nodes, &asked.ntasks, per_node, &asked.gpus, gpus_each(asked)) {
        (Some(nodes), ..) => (nodes.value, Some(nodes.at())),
        (None, Some(tasks), Some(each), ..) => (tasks.value.div_ceil(each.value), None),
        (None, _, _, Some(all), Some(each)) if each.value.count > 0 && all.value.count > 0 => {
            if !all.value.count.is_multiple_of(each.value.count) {
                let why = format!("{} GPUs are no multiple of {} per node", all.value.count, each.value.count);
                return Err(Box::new(Fault::contradiction(all.at(), each.at(), why)));
            }
            (all.value.count / each.value.count, Some(all.at()))
        }
        _ => (1, None),
    };
    if let Some(tasks) = asked.ntasks.as_ref().filter(|_| nodes > NODES_MAX) {
        let message =
            format!("makes {nodes} nodes with {} tasks on each: at most {NODES_MAX}", tasks.value.div_ceil(nodes));
        return Err(Box::new(tasks.fault(FaultCode::OutOfRange, message)));
    }
    let Some(tasks) = &asked.ntasks else {
        let tasks = u64::from(nodes) * u64::from(per_node.map_or(1, |each| each.value));
        return match (u32::try_from(tasks), per_node) {
            (Ok(tasks), _) if tasks <= TASKS_MAX => Ok(Layout { nodes, tasks }),
            (_, Some(each)) => {
                let message = format!("makes {tasks} tasks on {nodes} nodes: at most {TASKS_MAX}");
                Err(Box::new(each.fault(FaultCode::OutOfRange, message)))
            }
            // One task on each of at most NODES_MAX nodes is below TASKS_MAX.
            (_, None) => Ok(Layout { nodes, tasks: nodes }),
        };
    };
    if let Some(said) = said_by.filter(|_| tasks.value < nodes) {
        let why = format!("{nodes} nodes need at least {nodes} tasks, {} asked for", tasks.value);
        return Err(Box::new(Fault::contradiction(tasks.at(), said, why)));
    }
    if let Some(each) = per_node.filter(|each| u64::from(each.value) * u64::from(nodes) < u64::from(tasks.value)) {
        let why = format!("{} tasks do not fit on {nodes} nodes with {} on each", tasks.value, each.value);
        return Err(Box::new(Fault::contradiction(tasks.at(), each.at(), why)));
    }
    Ok(Layout { nodes, tasks: tasks.value })
}

/// Cores on each node.
fn cores(asked: &Asked, layout: Layout) -> Result<u32, Box<Fault>> {
    let per_task = asked.cpus_per_task.as_ref().map_or(1, |c| c.value);
    let tasks = layout.tasks_per_node();
    let cores = u64::from(tasks) * u64::from(per_task);
    if cores <= u64::from(CORES_PER_NODE_MAX) {
        return Ok(cores as u32);
    }
    let message =
        format!("makes {cores} cores on each node: at most {CORES_PER_NODE_MAX}; spread the tasks over more nodes");
    let told = match (&asked.ntasks, &asked.ntasks_per_node, &asked.cpus_per_task) {
        (_, _, Some(at)) | (Some(at), _, None) | (None, Some(at), None) => at,
        // One task of one core is within the limit.
        (None, None, None) => return Ok(1),
    };
    Err(Box::new(told.fault(FaultCode::OutOfRange, message)))
}

/// Memory on each node.
fn memory(asked: &Asked, cores: u32, default_per_cpu: Bytes) -> Result<Bytes, Box<Fault>> {
    let per_cpu = match (&asked.mem, &asked.mem_per_cpu) {
        (Some(node), Some(cpu)) => {
            let why = "give the memory of a node or that of a core, not both";
            return Err(Box::new(Fault::contradiction(node.at(), cpu.at(), why)));
        }
        (Some(node), None) => return Ok(node.value),
        (None, Some(cpu)) => cpu.value,
        // The default can never be the reason of a refusal: it is cut to what a node may be asked for.
        (None, None) => return Ok(Bytes(default_per_cpu.0.saturating_mul(u64::from(cores))).min(MEMORY_PER_NODE_MAX)),
    };
    let node = Bytes(per_cpu.0.saturating_mul(u64::from(cores)));
    match &asked.mem_per_cpu {
        Some(cpu) if node > MEMORY_PER_NODE_MAX => {
            let message =
                format!("makes too much memory for {cores} cores on each node: at most {MEMORY_PER_NODE_MAX}");
            Err(Box::new(cpu.fault(FaultCode::OutOfRange, message)))
        }
        _ => Ok(node),
    }
}

/// GPUs on each node.
fn gpus(asked: &Asked, layout: Layout) -> Result<u32, Box<Fault>> {
    if let (Some(a), Some(b)) = (&asked.gpus_per_node, &asked.gres)
        && a.value.count != b.value.count
    {
        let why = format!("{} and {} GPUs on each node", a.value.count, b.value.count);
        return Err(Box::new(Fault::contradiction(a.at(), b.at(), why)));
    }
    let nodes = layout.nodes;
    // What each option makes of a node, strongest wording first; all must agree.
    let mut said: Vec<(u32, (&str, Origin))> = Vec::new();
    if let Some(each) = gpus_each(asked) {
        said.push((each.value.count, each.at()));
    }
    if let Some(all) = &asked.gpus {
        if let Some(each) =
            gpus_each(asked).filter(|e| u64::from(e.value.count) * u64::from(nodes) != u64::from(all.value.count))
        {
            let why =
                format!("{nodes} nodes with {} GPUs on each are not {} in all", each.value.count, all.value.count);
            return Err(Box::new(Fault::contradiction(all.at(), each.at(), why)));
        }
        if !all.value.count.is_multiple_of(nodes) {
            let message = format!(
                "{} GPUs cannot be shared evenly by {nodes} nodes: ask for a multiple of {nodes}",
                all.value.count
            );
            return Err(Box::new(all.fault(FaultCode::Contradiction, message)));
        }
        said.push((all.value.count / nodes, all.at()));
    }
    if let Some(each) = &asked.gpus_per_task {
        if !layout.tasks.is_multiple_of(nodes) {
            let message =
                format!("{} tasks cannot be shared evenly by {nodes} nodes: say `--gpus-per-node`", layout.tasks);
            return Err(Box::new(each.fault(FaultCode::Contradiction, message)));
        }
        // At most 2^10 GPUs for each of at most CORES_PER_NODE_MAX = 2^16 tasks of a node: inside u32.
        let count = each.value.count.saturating_mul(layout.tasks_per_node());
        if let Some((other, at)) = said.first().filter(|s| s.0 != count) {
            let why = format!("{} tasks on each node make {count} GPUs there, not {other}", layout.tasks_per_node());
            return Err(Box::new(Fault::contradiction(each.at(), *at, why)));
        }
        said.push((count, each.at()));
    }
    match said.first() {
        Some(&(count, (option, origin))) if count > GPUS_PER_NODE_MAX => {
            let message = format!("makes {count} GPUs on each node: at most {GPUS_PER_NODE_MAX}");
            Err(Box::new(Fault::new(origin, option, FaultCode::OutOfRange, message)))
        }
        first => Ok(first.map_or(0, |s| s.0)),
    }
}

/// The chips that will do: those of `chip=`, or the one that a GPU option names; where both are given, the one must be
/// among the others and is taken.
fn chips(asked: &Asked) -> Result<Vec<Chip>, Box<Fault>> {
    let named = [&asked.gpus, &asked.gpus_per_node, &asked.gpus_per_task, &asked.gres];
    let mut first: Option<(&Got<Gpus>, &Chip)> = None;
    for got in named.into_iter().flatten() {
        let Some(chip) = &got.value.chip else { continue };
        if let Some((before, other)) = first.filter(|(_, other)| *other != chip) {
            let why = format!("`{chip}` is not `{other}`: name one chip");
            return Err(Box::new(Fault::contradiction(got.at(), before.at(), why)));
        }
        first = first.or(Some((got, chip)));
    }
    match (first, &asked.chip) {
        (None, None) => Ok(Vec::new()),
        (None, Some(list)) => Ok(list.value.clone()),
        (Some((got, chip)), Some(list)) if !list.value.contains(chip) => {
            let why = format!("`{chip}` is not among those of {}", label(list.key.name(), list.origin));
            Err(Box::new(Fault::contradiction(got.at(), list.at(), why)))
        }
        (Some((_, chip)), _) => Ok(vec![chip.clone()]),
    }
}
