//! What a node with free room is worth: the most GPU that requests still to come could fill there, net of the prices of the requests.
//! Processors are priced per node, memory is not looked at. Whole numbers throughout, so that no order of summing matters.

use super::state::{GPU_MILLIS, GPUS_MAX, GpuSet, Node, Pod};

/// Processor prices that are tried for every node. The one that makes its worth the least is the right one (duality).
const LANES: usize = 24;
/// The prices tried, in units per [`CPU_SLOT_MILLIS`]: nothing, then from 0.004 to 1.5 GPU per core, each about a third above the last.
/// Workloads ask for 1 to 30 cores with a GPU, so that what they can pay lies within.
const LANE_PRICES: Lanes =
    [0, 2, 3, 4, 5, 7, 9, 12, 16, 21, 28, 37, 49, 64, 84, 110, 144, 188, 246, 322, 421, 551, 650, 768];
/// Processors are counted in these: requests rounded up, room down.
const CPU_SLOT_MILLIS: u32 = 8;
/// Whole-number units per thousandth of a GPU.
pub(super) const UNITS: f64 = 64.0;
/// Room on a GPU is counted in hundredths: requests are rounded up, room down.
const SLOT_MILLIS: usize = 10;
const SLOTS: usize = GPU_MILLIS as usize / SLOT_MILLIS;
/// Distinct processor requests by which tables are told apart; further ones are merged, which only makes worth too low.
const STEPS_MAX: usize = 48;
/// A node with more processors (8,000 cores) counts as one with so many: keeps products within 32 bits.
const CPU_SLOTS_MAX: u32 = 1_000_000;

/// One number for each price tried.
type Lanes = [i32; LANES];

/// A kind of request: all pods that ask the same, whatever their memory.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub pod: Pod,
    /// Part of all pods.
    pub share: f64,
    /// Price of one such request, thousandths of GPU: what an optimum forgoes for want of more of them.
    pub price: f64,
    slots: usize,
    cpu_slots: i32,
    /// What it brings net of its price, as the tables have it, in units.
    net: i32,
}

impl Class {
    pub(super) fn new(pod: Pod, share: f64) -> Class {
        let cpu_slots = pod.cpu.div_ceil(CPU_SLOT_MILLIS).min(CPU_SLOTS_MAX) as i32;
        Class { pod, share, price: 0.0, slots: usize::from(pod.gpu_milli).div_ceil(SLOT_MILLIS), cpu_slots, net: 0 }
    }

    /// Thousandths of GPU that it brings.
    pub(super) fn reward(&self) -> f64 {
        f64::from(self.pod.gpu_request())
    }
}

/// Best fillings for nodes of one group of models whose free processors are within one step.
struct Table {
    /// By free slots of a GPU that is in use.
    part: Box<[Lanes; SLOTS + 1]>,
    /// By number of idle GPUs.
    idle: Box<[Lanes; GPUS_MAX + 1]>,
    traces: Vec<Option<Box<Trace>>>,
}

/// What the best filling of a table consists of at one price.
struct Trace {
    /// Class taken first; `NONE` if one slot, or one GPU by itself, is split off.
    part: [u16; SLOTS + 1],
    idle: [u16; GPUS_MAX + 1],
    /// Processors of the filling, thousandths of a core.
    part_cpu: [u32; SLOTS + 1],
    idle_cpu: [u32; GPUS_MAX + 1],
}

const NONE: u16 = u16::MAX;

/// The worth of rooms under the present prices.
pub(super) struct Worth {
    pub(super) classes: Vec<Class>,
    /// Group of each model: models of one group may be used by the same classes.
    group: Vec<u8>,
    /// Least model of each group.
    models: Vec<u8>,
    /// Least free processors of each step, ascending.
    steps: Vec<u32>,
    tables: Vec<Option<Table>>,
}

/// `net` and processors' worth at each price.
#[inline]
fn paying(net: i32, cpu_slots: i32) -> Lanes {
    let mut lanes = [net; LANES];
    for (lane, price) in lanes.iter_mut().zip(&LANE_PRICES) {
        *lane += price * cpu_slots;
    }
    lanes
}

#[inline]
fn least(lanes: &Lanes) -> i32 {
    lanes.iter().copied().fold(i32::MAX, i32::min)
}

#[inline]
fn add(a: &mut Lanes, b: &Lanes) {
    for (x, y) in a.iter_mut().zip(b) {
        *x += *y;
    }
}

/// The least of `sum - gone + come` over all prices.
#[inline]
fn swapped(sum: &Lanes, gone: &Lanes, come: &Lanes) -> i32 {
    (0..LANES).map(|u| sum[u] - gone[u] + come[u]).fold(i32::MAX, i32::min)
}

impl Worth {
    /// For classes with GPU only.
    pub(super) fn new(classes: Vec<Class>) -> Worth {
        let mut kinds: Vec<Vec<bool>> = Vec::new();
        let (mut group, mut models) = (Vec::new(), Vec::new());
        for model in 0..super::state::MODELS_MAX as u8 {
            let takes: Vec<bool> = classes.iter().map(|c| c.pod.takes(model)).collect();
            let known = kinds.iter().position(|k| *k == takes).unwrap_or_else(|| {
                kinds.push(takes);
                models.push(model);
                kinds.len() - 1
            });
            group.push(known as u8);
        }
        let mut steps: Vec<u32> = classes.iter().map(|c| c.pod.cpu).collect();
        steps.sort_unstable();
        steps.dedup();
        if steps.len() > STEPS_MAX {
            steps = (0..STEPS_MAX).map(|i| steps[i * (steps.len() - 1) / (STEPS_MAX - 1)]).collect();
        }
        let tables = (0..models.len() * steps.len()).map(|_| None).collect();
        let mut worth = Worth { classes, group, models, steps, tables };
        worth.reprice();
        worth
    }

    /// Takes the classes' prices as they are now.
    pub(super) fn reprice(&mut self) {
        for class in &mut self.classes {
            class.net = ((class.reward() - class.price) * UNITS).round() as i32;
        }
        self.tables.fill_with(|| None);
    }

    /// Which table tells about nodes of this model with so many free processors; none where no request fits.
    fn table_index(&self, model: u8, cpu: u32) -> Option<usize> {
        let step = self.steps.partition_point(|c| *c <= cpu).checked_sub(1)?;
        Some(usize::from(self.group[usize::from(model)]) * self.steps.len() + step)
    }

    fn ensure(&mut self, index: usize) {
        if self.tables[index].is_none() {
            self.tables[index] = Some(self.build(index));
        }
    }

    /// Best class at each price by (GPUs, slots of one): among those that a node of this table can start.
    fn offers(&self, index: usize) -> Vec<(usize, usize, Lanes)> {
        let model = self.models[index / self.steps.len()];
        let cpu = self.steps[index % self.steps.len()];
        let mut offers: Vec<(usize, usize, Lanes)> = Vec::new();
        for class in self.classes.iter().filter(|c| c.pod.cpu <= cpu && c.pod.takes(model)) {
            let net = paying(class.net, -class.cpu_slots);
            let key = (usize::from(class.pod.gpus), class.slots);
            match offers.iter_mut().find(|o| (o.0, o.1) == key) {
                Some(offer) => (0..LANES).for_each(|u| offer.2[u] = offer.2[u].max(net[u])),
                None => offers.push((key.0, key.1, net)),
            }
        }
        offers.retain(|o| o.2.iter().any(|n| *n > 0));
        offers
    }

    /// The unbounded knapsack on each GPU, and on the idle GPUs of the node together.
    fn build(&self, index: usize) -> Table {
        let offers = self.offers(index);
        let mut part = Box::new([[0; LANES]; SLOTS + 1]);
        for free in 1..=SLOTS {
            let mut best = part[free - 1];
            for (_, slots, net) in offers.iter().filter(|o| o.0 == 1 && o.1 <= free) {
                let rest = &part[free - slots];
                for u in 0..LANES {
                    best[u] = best[u].max(net[u] + rest[u]);
                }
            }
            part[free] = best;
        }
        let mut idle = Box::new([[0; LANES]; GPUS_MAX + 1]);
        for count in 1..=GPUS_MAX {
            let mut best = idle[count - 1];
            add(&mut best, &part[SLOTS]);
            for (gpus, _, net) in offers.iter().filter(|o| o.0 > 1 && o.0 <= count) {
                let rest = &idle[count - gpus];
                for u in 0..LANES {
                    best[u] = best[u].max(net[u] + rest[u]);
                }
            }
            idle[count] = best;
        }
        Table { part, idle, traces: (0..LANES).map(|_| None).collect() }
    }

    /// Worth of the node's GPUs by price of its processors, these themselves included; and how many GPUs are idle.
    fn lanes(&self, table: &Table, node: &Node, cpu: u32) -> (Lanes, usize) {
        let cpu = (cpu / CPU_SLOT_MILLIS).min(CPU_SLOTS_MAX) as i32;
        let mut sum = paying(0, cpu);
        let mut idle = 0;
        for free in node.gpus() {
            match usize::from(*free) / SLOT_MILLIS {
                SLOTS => idle += 1,
                slots => add(&mut sum, &table.part[slots]),
            }
        }
        add(&mut sum, &table.idle[idle]);
        (sum, idle)
    }

    /// Worth of the node as it is, in [`UNITS`].
    pub(super) fn of(&mut self, node: &Node) -> i32 {
        let Some(index) = self.table_index(node.model, node.cpu_free) else { return 0 };
        self.ensure(index);
        let table = self.tables[index].as_ref().expect("just built");
        least(&self.lanes(table, node, node.cpu_free).0)
    }

    /// The GPUs on which the pod leaves the node worth the most, and that worth in [`UNITS`]. The node has room for the pod.
    pub(super) fn after(&mut self, node: &Node, pod: &Pod) -> (GpuSet, i32) {
        let cpu = node.cpu_free - pod.cpu;
        if !pod.shares() {
            let gpus = node.first_fitting(pod);
            return (gpus, self.of(&node.after(pod, gpus)));
        }
        let Some(index) = self.table_index(node.model, cpu) else {
            return (node.tightest(pod.gpu_milli).map(GpuSet::one).unwrap_or_default(), 0);
        };
        self.ensure(index);
        let table = self.tables[index].as_ref().expect("just built");
        let (sum, idle) = self.lanes(table, node, cpu);
        let mut best = (GpuSet::default(), i32::MIN);
        for (i, free) in node.gpus().iter().enumerate() {
            // Equal GPUs leave the same; the first of them wins.
            if *free < pod.gpu_milli || node.gpus()[..i].contains(free) {
                continue;
            }
            let left = &table.part[usize::from(free - pod.gpu_milli) / SLOT_MILLIS];
            let worth = match usize::from(*free) / SLOT_MILLIS {
                SLOTS => {
                    let mut come = *left;
                    add(&mut come, &table.idle[idle - 1]);
                    swapped(&sum, &table.idle[idle], &come)
                }
                slots => swapped(&sum, &table.part[slots], left),
            };
            if worth > best.1 {
                best = (GpuSet::one(i), worth);
            }
        }
        best
    }

    fn trace(&self, index: usize, lane: usize) -> Trace {
        let table = self.tables[index].as_ref().expect("asked for a node of it");
        let model = self.models[index / self.steps.len()];
        let cpu = self.steps[index % self.steps.len()];
        let mut nets: Vec<(usize, usize, i32, u16, u32)> = Vec::new();
        for (i, class) in self.classes.iter().enumerate().filter(|(_, c)| c.pod.cpu <= cpu && c.pod.takes(model)) {
            let net = class.net - LANE_PRICES[lane] * class.cpu_slots;
            let key = (usize::from(class.pod.gpus), class.slots);
            match nets.iter_mut().find(|o| (o.0, o.1) == key) {
                Some(offer) if offer.2 < net => *offer = (key.0, key.1, net, i as u16, class.pod.cpu),
                Some(_) => {}
                None => nets.push((key.0, key.1, net, i as u16, class.pod.cpu)),
            }
        }
        let mut trace = Trace {
            part: [NONE; SLOTS + 1],
            idle: [NONE; GPUS_MAX + 1],
            part_cpu: [0; SLOTS + 1],
            idle_cpu: [0; GPUS_MAX + 1],
        };
        for free in 1..=SLOTS {
            trace.part_cpu[free] = trace.part_cpu[free - 1];
            let best = table.part[free][lane];
            if best == table.part[free - 1][lane] {
                continue;
            }
            for (_, slots, net, class, cpu) in nets.iter().filter(|o| o.0 == 1 && o.1 <= free) {
                if best == net + table.part[free - slots][lane] {
                    trace.part[free] = *class;
                    trace.part_cpu[free] = trace.part_cpu[free - slots] + cpu;
                    break;
                }
            }
        }
        for count in 1..=GPUS_MAX {
            trace.idle_cpu[count] = trace.idle_cpu[count - 1] + trace.part_cpu[SLOTS];
            let best = table.idle[count][lane];
            if best == table.idle[count - 1][lane] + table.part[SLOTS][lane] {
                continue;
            }
            for (gpus, _, net, class, cpu) in nets.iter().filter(|o| o.0 > 1 && o.0 <= count) {
                if best == net + table.idle[count - gpus][lane] {
                    trace.idle[count] = *class;
                    trace.idle_cpu[count] = trace.idle_cpu[count - gpus] + cpu;
                    break;
                }
            }
        }
        trace
    }
}

/// How often each part of a table is filled.
#[derive(Clone)]
struct Tally {
    part: [f64; SLOTS + 1],
    idle: [f64; GPUS_MAX + 1],
}

impl Worth {
    fn cpu_of(&mut self, index: usize, lane: usize, node: &Node) -> u32 {
        if self.tables[index].as_ref().is_some_and(|t| t.traces[lane].is_none()) {
            let trace = Box::new(self.trace(index, lane));
            self.tables[index].as_mut().expect("just seen").traces[lane] = Some(trace);
        }
        let table = self.tables[index].as_ref().expect("just seen");
        let trace = table.traces[lane].as_ref().expect("just made");
        let mut idle = 0;
        let mut cpu = 0;
        for free in node.gpus() {
            match usize::from(*free) / SLOT_MILLIS {
                SLOTS => idle += 1,
                slots => cpu += trace.part_cpu[slots],
            }
        }
        cpu + trace.idle_cpu[idle]
    }

    /// How many of each class the best fillings of all nodes take at the present prices.
    pub(super) fn demand(&mut self, nodes: &[Node]) -> Vec<f64> {
        let mut tallies: std::collections::BTreeMap<(usize, usize), Tally> = std::collections::BTreeMap::new();
        for node in nodes {
            let Some(index) = self.table_index(node.model, node.cpu_free) else { continue };
            self.ensure(index);
            let lanes = self.lanes(self.tables[index].as_ref().expect("just built"), node, node.cpu_free).0;
            let low = least(&lanes);
            // Where nothing more can be filled there is no demand: most nodes, once the cluster is full.
            if low == 0 {
                continue;
            }
            let lane = lanes.iter().position(|v| *v == low).unwrap_or(0);
            for (lane, weight) in self.mixed(index, lane, node).into_iter().filter(|m| m.1 > 0.0) {
                let tally = tallies
                    .entry((index, lane))
                    .or_insert_with(|| Tally { part: [0.0; SLOTS + 1], idle: [0.0; GPUS_MAX + 1] });
                let mut idle = 0;
                for free in node.gpus() {
                    match usize::from(*free) / SLOT_MILLIS {
                        SLOTS => idle += 1,
                        slots => tally.part[slots] += weight,
                    }
                }
                tally.idle[idle] += weight;
            }
        }
        let mut used = vec![0.0; self.classes.len()];
        for ((index, lane), mut tally) in tallies {
            let trace = self.tables[index].as_ref().and_then(|t| t.traces[lane].as_ref()).expect("made when mixed");
            for count in (1..=GPUS_MAX).rev() {
                let n = tally.idle[count];
                match trace.idle[count] {
                    NONE => {
                        tally.idle[count - 1] += n;
                        tally.part[SLOTS] += n;
                    }
                    class => {
                        used[usize::from(class)] += n;
                        tally.idle[count - usize::from(self.classes[usize::from(class)].pod.gpus)] += n;
                    }
                }
            }
            for free in (1..=SLOTS).rev() {
                let n = tally.part[free];
                match trace.part[free] {
                    NONE => tally.part[free - 1] += n,
                    class => {
                        used[usize::from(class)] += n;
                        tally.part[free - self.classes[usize::from(class)].slots] += n;
                    }
                }
            }
        }
        used
    }

    /// The fillings at the best price and beside it, in parts that together use the node's processors.
    fn mixed(&mut self, index: usize, lane: usize, node: &Node) -> [(usize, f64); 2] {
        let free = node.cpu_free;
        let here = self.cpu_of(index, lane, node);
        let beside = match here.cmp(&free) {
            std::cmp::Ordering::Greater if lane + 1 < LANES => lane + 1,
            std::cmp::Ordering::Less if lane > 0 => lane - 1,
            _ => return [(lane, 1.0), (lane, 0.0)],
        };
        let there = self.cpu_of(index, beside, node);
        if (there > free) == (here > free) || there == here {
            let lane = if here > free { beside } else { lane };
            return [(lane, 1.0), (lane, 0.0)];
        }
        let part = (f64::from(free) - f64::from(there)) / (f64::from(here) - f64::from(there));
        [(lane, part), (beside, 1.0 - part)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(cpu: u32, gpus: u8, gpu_milli: u16) -> Pod {
        Pod { cpu, mem: 0, gpus, gpu_milli, models: 0 }
    }

    /// The most GPU that fillings with these requests bring, by trying all.
    fn tried(node: &Node, pods: &[Pod]) -> u32 {
        let each = pods.iter().filter(|p| node.hosts(p)).flat_map(|p| {
            let sets: Vec<GpuSet> = match p.shares() {
                true => (0..node.gpus().len()).filter(|i| node.gpus()[*i] >= p.gpu_milli).map(GpuSet::one).collect(),
                false => vec![node.first_fitting(p)],
            };
            sets.into_iter().map(|set| p.gpu_request() + tried(&node.after(p, set), pods)).collect::<Vec<_>>()
        });
        each.max().unwrap_or(0)
    }

    #[test]
    fn worth_is_never_below_the_best_filling_and_meets_it_where_processors_do_not_bind() {
        let pods = [pod(2000, 1, 400), pod(4000, 1, 1000), pod(8000, 2, 1000), pod(1000, 1, 250)];
        for (cpu, gpus) in [(64_000, 2), (8000, 2), (5000, 1), (3000, 2), (1500, 1), (500, 1)] {
            let node = Node::new(0, cpu, 1 << 20, gpus).unwrap();
            let mut worth = Worth::new(pods.iter().map(|p| Class::new(*p, 0.25)).collect());
            let best = f64::from(tried(&node, &pods));
            let found = f64::from(worth.of(&node)) / UNITS;
            // Requests are rounded up by less than a slot of processors and of GPU.
            assert!(found >= best - 1.0, "{cpu} {gpus}: {found} for {best}");
            if cpu == 64_000 || cpu == 500 {
                assert_eq!(found, best, "{cpu} {gpus}");
            }
        }
    }

    #[test]
    fn after_is_the_worth_of_the_node_that_it_leaves() {
        let pods = [pod(2000, 1, 400), pod(4000, 1, 1000), pod(8000, 2, 1000), pod(1000, 1, 250)];
        let mut worth = Worth::new(pods.iter().map(|p| Class::new(*p, 0.25)).collect());
        let mut node = Node::new(3, 12_000, 1 << 20, 4).unwrap();
        for next in [pods[0], pods[3], pods[1], pods[3]] {
            let (gpus, left) = worth.after(&node, &next);
            node.put(&next, gpus);
            assert_eq!(left, worth.of(&node), "{next:?}");
        }
    }

    #[test]
    fn demand_stays_within_the_processors_of_the_node() {
        let pods = [pod(9000, 1, 1000), pod(1000, 1, 300)];
        let mut worth = Worth::new(pods.iter().map(|p| Class::new(*p, 0.5)).collect());
        let nodes = [Node::new(0, 20_000, 1 << 20, 4).unwrap()];
        let wanted = worth.demand(&nodes);
        let cpu: f64 = wanted.iter().zip(pods).map(|(n, p)| n * f64::from(p.cpu)).sum();
        assert!(cpu <= 20_000.0 * 1.01, "{wanted:?}");
        assert!(wanted[0] > 0.5 && wanted[1] > 0.5, "{wanted:?}");
    }
}
