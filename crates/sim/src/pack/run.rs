//! One run of the packing experiment: pods arrive one by one and stay; how much GPU is allocated by how much has arrived.
//! Refuses to know: files, how the order was made, how a node is chosen.

use sched::packing::{Node, PackPolicy, Packer};

use super::read::Workload;

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// `curve[x]`: allocated GPU in per cent of the cluster, the mean over all moments at which x per cent had arrived (rounded
    /// half to even); `None` where there was no such moment.
    pub curve: Vec<Option<f64>>,
    /// Thousandths of GPU in the cluster, arrived, and allocated at the end.
    pub capacity: u64,
    pub arrived: u64,
    pub allocated: u64,
    /// Pods that arrived, and those of them that fitted nowhere.
    pub pods: usize,
    pub dropped: usize,
    /// Arrivals before the first pod with a GPU that fitted nowhere; all of them if there was none.
    pub first_drop_after: usize,
    /// Per cent of the cluster that had arrived when that pod came.
    pub first_drop_percent: Option<f64>,
    /// Processor time in use at the end, per cent of the cluster's.
    pub cpu_percent: f64,
    /// The nodes as they were left, in the order in which they win ties.
    pub nodes: Vec<Node>,
}

impl Outcome {
    /// Allocation when everything had arrived: the last point of the curve.
    pub fn last(&self) -> f64 {
        self.curve.iter().rev().find_map(|y| *y).unwrap_or(0.0)
    }
}

/// What is counted as pods arrive.
#[derive(Default)]
struct Count {
    arrived: u64,
    allocated: u64,
    dropped: usize,
    first_drop: Option<(usize, f64)>,
    /// By per cent arrived: hundredths of per cent allocated, summed, and moments.
    bins: Vec<(u64, u64)>,
}

impl Count {
    fn pod(&mut self, at: usize, request: u64, is_placed: bool, capacity: u64) {
        self.arrived += request;
        if is_placed {
            self.allocated += request;
        } else {
            self.dropped += 1;
            if request > 0 && self.first_drop.is_none() {
                self.first_drop = Some((at, 100.0 * self.arrived as f64 / capacity as f64));
            }
        }
        let x = half_even(100 * self.arrived, capacity) as usize;
        if self.bins.len() <= x {
            self.bins.resize(x + 1, (0, 0));
        }
        // Each point is rounded to hundredths of a per cent before the mean, as upstream does.
        self.bins[x].0 += half_even(10_000 * self.allocated, capacity);
        self.bins[x].1 += 1;
    }
}

/// Lets the rows of `order` arrive; nodes win ties in `node_order`. Pods are placed one by one and never moved; one that fits
/// nowhere is dropped.
pub fn run(workload: &Workload, order: &[usize], node_order: &[usize], policy: Box<dyn PackPolicy>) -> Outcome {
    let nodes: Vec<_> = node_order.iter().map(|i| workload.nodes[*i]).collect();
    let cpu_all: u64 = nodes.iter().map(|n| u64::from(n.cpu_free)).sum();
    let capacity = workload.capacity();
    let mut packer = Packer::new(nodes, policy);
    let mut count = Count::default();
    for (at, row) in order.iter().enumerate() {
        let pod = &workload.pods[*row];
        let is_placed = packer.place(pod).is_some();
        count.pod(at, u64::from(pod.gpu_request()), is_placed, capacity);
    }
    let cpu_left: u64 = packer.nodes().iter().map(|n| u64::from(n.cpu_free)).sum();
    let mean = |(sum, n): &(u64, u64)| (*n > 0).then(|| *sum as f64 / *n as f64 / 100.0);
    Outcome {
        curve: count.bins.iter().map(mean).collect(),
        capacity,
        arrived: count.arrived,
        allocated: count.allocated,
        pods: order.len(),
        dropped: count.dropped,
        first_drop_after: count.first_drop.map_or(order.len(), |f| f.0),
        first_drop_percent: count.first_drop.map(|f| f.1),
        cpu_percent: 100.0 * (cpu_all - cpu_left) as f64 / cpu_all.max(1) as f64,
        nodes: packer.nodes().to_vec(),
    }
}

/// `a / b` rounded to the nearest whole number, halves to the even one.
fn half_even(a: u64, b: u64) -> u64 {
    let (whole, rest) = (a / b, a % b);
    match (2 * rest).cmp(&b) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole % 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{arrivals, node_order, policy};
    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nb,8000,1000,2,X\na,8000,1000,1,Y\nc,9000,1000,0,\n";
    const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n\
        p2,1000,10,1,600,\np1,1000,10,1,1000,Y\np3,1000,10,2,1000,X\np4,500,10,0,0,Y\np5,1000,2000,1,100,\n";

    fn outcome(name: &str, rows: &[usize]) -> Outcome {
        let work = Workload::read(NODES, PODS).unwrap();
        run(&work, rows, &[0, 1], policy(name, &work, 1).unwrap())
    }

    #[test]
    fn a_run_counts_what_was_placed_and_dropped() {
        for name in super::super::NAMES {
            // The share goes first; Y takes its pod, then X has no two idle GPUs if the share went there.
            let outcome = outcome(name, &[1, 0, 2, 3, 4]);
            assert_eq!((outcome.capacity, outcome.arrived, outcome.pods), (3000, 3700, 5), "{name}");
            assert_eq!(outcome.allocated, 1600, "{name}: the share had to go to X");
            assert_eq!((outcome.dropped, outcome.first_drop_after), (2, 2), "{name}: one for GPUs, one for memory");
            assert!((outcome.last() - 53.33).abs() < 1e-9, "{name}: {}", outcome.last());
            assert_eq!(outcome.curve[33], Some(33.33), "{name}");
            assert_eq!(outcome.curve[34], None, "{name}");
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        assert_eq!([half_even(5, 2), half_even(7, 2), half_even(9, 4), half_even(11, 4)], [2, 4, 2, 3]);
    }

    #[test]
    fn arrivals_hold_the_list_and_end_at_the_limit() {
        let nodes: String = (0..20).map(|i| format!("n{i},64000,100000,8,X\n")).collect();
        let work = Workload::read(&format!("sn,cpu_milli,memory_mib,gpu,model\n{nodes}"), PODS).unwrap();
        let order = arrivals(&work, 7);
        let sum: u64 = order.iter().map(|r| u64::from(work.pods[*r].gpu_request())).sum();
        let limit = work.capacity() * 130 / 100;
        assert!(sum <= limit + 1000 && sum + 2000 > limit, "{sum} of {limit}");
        assert!((0..5).all(|row| order.contains(&row)));
        assert_eq!(order, arrivals(&work, 7), "the same seed");
        assert_ne!(order, arrivals(&work, 8), "another seed");
        let mut nodes = node_order(&work, 7);
        nodes.sort_unstable();
        assert_eq!(nodes, (0..20).collect::<Vec<_>>());
    }
}
