//! The simple policies of the literature, with the integer scores of the FGD artifact: best fit, dot product, packing, clustering,
//! chance. Source of all: Weng et al., "Beware of Fragmentation", USENIX ATC'23, and its simulator's plug-ins.

use base::Stream;

use super::packer::{PackPolicy, Rating};
use super::state::{GPU_MILLIS, GpuSet, Node, Pod};

/// The largest node of the artifact's cluster, by which free amounts and requests are made comparable.
const CPU_SCALE: f64 = 128_000.0;
const GPU_SCALE: f64 = 8_000.0;

/// Where a pod goes on a node under every policy but FGD and ours: a share on the tightest GPU, others on the first idle ones.
pub(super) fn plain_set(node: &Node, pod: &Pod) -> GpuSet {
    match pod.shares() {
        true => node.tightest(pod.gpu_milli).map(GpuSet::one).unwrap_or_default(),
        false => node.first_fitting(pod),
    }
}

fn plain(node: &Node, pod: &Pod, score: i64) -> Rating {
    Rating { score, gpus: plain_set(node, pod) }
}

/// Least room left, processors and GPUs weighing the same; rescaled over the feasible nodes.
pub struct BestFit;

impl PackPolicy for BestFit {
    fn name(&self) -> &'static str {
        "BestFit"
    }

    fn source(&self) -> &'static str {
        "best fit in vector form: Protean, OSDI'20; weights and rescaling of the FGD artifact"
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        let cpu = f64::from(node.cpu_free - pod.cpu) / CPU_SCALE;
        let gpu = f64::from(node.gpu_free() - pod.gpu_request()) / GPU_SCALE;
        plain(node, pod, (100.0 * (1.0 - (0.5 * cpu + 0.5 * gpu))) as i64)
    }

    fn rescales(&self) -> bool {
        true
    }
}

/// The smallest product of what is free and what is asked.
pub struct DotProd;

impl PackPolicy for DotProd {
    fn name(&self) -> &'static str {
        "DotProd"
    }

    fn source(&self) -> &'static str {
        "dot product of demand and room: Tetris, SIGCOMM'14, in the form of the FGD artifact"
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        let cpu = f64::from(node.cpu_free) / CPU_SCALE * (f64::from(pod.cpu) / CPU_SCALE);
        let gpu = f64::from(node.gpu_free()) / GPU_SCALE * (f64::from(pod.gpu_request()) / GPU_SCALE);
        plain(node, pod, (100.0 * (1.0 - (cpu + gpu) / 2.0)) as i64)
    }
}

/// GPUs already shared first, then idle GPUs of used nodes, then unused nodes.
pub struct GpuPacking;

impl PackPolicy for GpuPacking {
    fn name(&self) -> &'static str {
        "GpuPacking"
    }

    fn source(&self) -> &'static str {
        "packing of MLaaS in the wild, NSDI'22, in the form of the FGD artifact"
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        if pod.gpus == 0 {
            return plain(node, pod, 0);
        }
        let set = plain_set(node, pod);
        let idle = node.idle_gpus();
        let free = |i: usize| i64::from(node.gpus()[i]);
        let needed = set.iter().filter(|i| free(*i) == i64::from(GPU_MILLIS)).count() as i64;
        let score = if idle == node.gpus().len() {
            (33 - idle as i64).max(idle as i64)
        } else if needed > 0 {
            (50 - needed).max(33)
        } else {
            let left: i64 = set.iter().map(|i| free(i) * 100 / i64::from(GPU_MILLIS)).sum();
            (100 - left / 10).max(50)
        };
        Rating { score, gpus: set }
    }
}

/// Nodes that hold the same kind of GPU work and nothing else.
pub struct GpuClustering;

impl PackPolicy for GpuClustering {
    fn name(&self) -> &'static str {
        "GpuClustering"
    }

    fn source(&self) -> &'static str {
        "affinity of like jobs: Gandiva, OSDI'18, in the form of the FGD artifact"
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        if pod.gpus == 0 {
            return plain(node, pod, 0);
        }
        let used = (GPU_SCALE as i64 - i64::from(node.gpu_free())).max(0);
        let base = 25 * used / GPU_SCALE as i64;
        let kind = pod.affinity();
        let score = match node.held() {
            0 => base + 25,
            held if held == kind => base + 75,
            held if held & kind != 0 => base + 50,
            _ => base,
        };
        plain(node, pod, score)
    }
}

/// Any feasible node and any fitting GPU, each with the same chance.
pub struct Random {
    stream: Stream,
}

impl Random {
    /// Draws from this stream only.
    pub fn new(stream: Stream) -> Random {
        Random { stream }
    }
}

impl PackPolicy for Random {
    fn name(&self) -> &'static str {
        "Random"
    }

    fn source(&self) -> &'static str {
        "uniform choice; only its mean over seeds can be compared with the published one"
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        let score = (self.stream.u64() >> 1) as i64;
        if !pod.shares() {
            return Rating { score, gpus: node.first_fitting(pod) };
        }
        let fitting: Vec<usize> = (0..node.gpus().len()).filter(|i| node.gpus()[*i] >= pod.gpu_milli).collect();
        Rating { score, gpus: GpuSet::one(*self.stream.pick(&fitting)) }
    }

    fn lasts(&self) -> bool {
        false
    }
}
