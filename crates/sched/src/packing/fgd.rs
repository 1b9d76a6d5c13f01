//! Fragmentation gradient descent: a pod goes where the GPU capacity that typical pods could not use grows the least.
//! Source: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC'23.

use std::collections::HashMap;

use super::greedy::plain_set;
use super::packer::{PackPolicy, Rating};
use super::state::{GPU_MILLIS, GpuSet, Node, Pod};

/// Share of all pods that the typical ones must cover.
const TYPICAL_SHARE: f64 = 0.95;

/// A request and how likely it is.
#[derive(Clone, Copy, Debug)]
pub struct Typical {
    /// Its memory counts as nothing.
    pub pod: Pod,
    /// Part of 1.
    pub weight: f64,
}

/// The most frequent requests of a workload known in advance, the fewest that make 95 % of its pods, with weights that sum to 1.
/// `text` gives what the pod wrote as its GPU models: ties of the count are broken by it as upstream does.
pub fn typical_pods<'a>(pods: impl Iterator<Item = &'a Pod>, text: impl Fn(u64) -> String) -> Vec<Typical> {
    let mut counts: HashMap<Pod, u64> = HashMap::new();
    for pod in pods {
        *counts.entry(Pod { mem: 0, ..*pod }).or_default() += 1;
    }
    let all: u64 = counts.values().sum();
    let mut ranked: Vec<(u64, Pod, String)> = counts.into_iter().map(|(pod, n)| (n, pod, text(pod.models))).collect();
    ranked.sort_by(|a, b| {
        let key = |r: &(u64, Pod, String)| (r.0, r.1.cpu, r.1.gpu_milli, r.1.gpus);
        key(b).cmp(&key(a)).then_with(|| b.2.cmp(&a.2)).then(b.1.cmp(&a.1))
    });
    let mut sum = 0;
    let wanted = TYPICAL_SHARE * all as f64;
    let taken = ranked.iter().position(|r| {
        sum += r.0;
        sum as f64 >= wanted
    });
    ranked.truncate(taken.map_or(0, |i| i + 1));
    ranked.into_iter().map(|(n, pod, _)| Typical { pod, weight: n as f64 / sum as f64 }).collect()
}

/// The published policy, with its whole-numbered scores.
pub struct Fgd {
    typical: Vec<Typical>,
}

impl Fgd {
    /// For work in which requests are as likely as `typical` says.
    pub fn new(typical: Vec<Typical>) -> Fgd {
        Fgd { typical }
    }

    /// Expected thousandths of GPU on the node that a typical pod cannot use. Summed by reason first and in upstream's order, for
    /// scores are cut to whole numbers and a sum in another order lands beside now and then.
    fn fragment(&self, node: &Node) -> f64 {
        let all = f64::from(node.gpu_free());
        let mut sums = [0.0; 6];
        for t in &self.typical {
            let cpu = node.cpu_free >= t.pod.cpu;
            let gpu = node.gpus().iter().filter(|f| **f >= t.pod.gpu_milli).count() >= usize::from(t.pod.gpus);
            let (reason, lost) = match (gpu, cpu) {
                _ if t.pod.gpus == 0 => (if cpu { 3 } else { 4 }, all),
                _ if !t.pod.takes(node.model) => (5, all),
                (false, false) => (0, all),
                (false, true) => (1, all),
                (true, false) => (2, all),
                (true, true) => {
                    let small = node.gpus().iter().filter(|f| **f < t.pod.gpu_milli);
                    (1, f64::from(small.map(|f| u32::from(*f)).sum::<u32>()))
                }
            };
            sums[reason] += t.weight * lost;
        }
        sums.iter().sum()
    }

    fn score(&self, before: f64, after: &Node) -> i64 {
        let gain = (before - self.fragment(after)) / f64::from(GPU_MILLIS);
        (100.0 / (1.0 + (-gain).exp())) as i64
    }
}

impl PackPolicy for Fgd {
    fn name(&self) -> &'static str {
        "FGD"
    }

    fn source(&self) -> &'static str {
        "fragmentation gradient descent: Weng et al., USENIX ATC'23"
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        let before = self.fragment(node);
        if !pod.shares() {
            let gpus = plain_set(node, pod);
            return Rating { score: self.score(before, &node.after(pod, gpus)), gpus };
        }
        let mut best = Rating { score: i64::MIN, gpus: GpuSet::default() };
        let mut seen = [0; super::state::GPUS_MAX];
        for (i, free) in node.gpus().iter().enumerate() {
            // Equal GPUs rate the same; the first of them wins.
            if *free < pod.gpu_milli || seen[..i].contains(free) {
                continue;
            }
            seen[i] = *free;
            let gpus = GpuSet::one(i);
            let score = self.score(before, &node.after(pod, gpus));
            if score > best.score {
                best = Rating { score, gpus };
            }
        }
        best
    }
}
