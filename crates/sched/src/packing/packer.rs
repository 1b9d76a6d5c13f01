//! Places pods one by one on nodes: the best rated node that has room, ties to the node of the lowest rank; nothing is ever moved.
//! Keeps ratings until their node changes. Refuses to know: which policy rates, where pods come from, chance.

use std::collections::HashMap;

use super::state::{GpuSet, Node, Pod};

/// What a policy thinks of a pod on a node that has room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rating {
    /// Higher wins; only compared with ratings of the same pod.
    pub score: i64,
    /// The GPUs it would take there.
    pub gpus: GpuSet,
}

/// A way to choose the node. All that it may use is the node, the pod and what it was built from.
pub trait PackPolicy {
    /// As written on the command line.
    fn name(&self) -> &'static str;
    /// Where it is from.
    fn source(&self) -> &'static str;
    /// Sees the cluster before each pod; true if ratings given before no longer hold.
    fn look(&mut self, _nodes: &[Node]) -> bool {
        false
    }
    /// Rates a node that fits the pod.
    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating;
    /// True if scores are stretched to 0..=100 over the feasible nodes, in whole numbers, before they are compared.
    fn rescales(&self) -> bool {
        false
    }
    /// True if a rating holds until the node changes.
    fn lasts(&self) -> bool {
        true
    }
}

/// Where a pod went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the node.
    pub node: usize,
    /// Its GPUs.
    pub gpus: GpuSet,
}

#[derive(Clone, Copy)]
struct Kept {
    version: u32,
    rating: Rating,
}

const NEVER: Kept = Kept { version: 0, rating: Rating { score: 0, gpus: GpuSet::one(0) } };

/// The cluster being filled, and the policy that fills it.
pub struct Packer {
    nodes: Vec<Node>,
    version: Vec<u32>,
    policy: Box<dyn PackPolicy>,
    kept: HashMap<Pod, Vec<Kept>>,
    scores: Vec<(u32, i64)>,
}

impl Packer {
    /// `nodes` in the order in which they win ties.
    pub fn new(nodes: Vec<Node>, policy: Box<dyn PackPolicy>) -> Packer {
        let version = vec![1; nodes.len()];
        Packer { nodes, version, policy, kept: HashMap::new(), scores: Vec::new() }
    }

    /// The nodes as they are now.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Places one pod, or says that it fits nowhere.
    pub fn place(&mut self, pod: &Pod) -> Option<Place> {
        if self.policy.look(&self.nodes) {
            self.version.iter_mut().for_each(|v| *v += 1);
        }
        // Memory decides whether a node is asked, never how it is rated.
        let class = Pod { mem: 0, ..*pod };
        let kept = self.kept.entry(class).or_insert_with(|| vec![NEVER; self.nodes.len()]);
        let lasts = self.policy.lasts();
        self.scores.clear();
        for (i, node) in self.nodes.iter().enumerate() {
            if !node.fits(pod) {
                continue;
            }
            if !lasts || kept[i].version != self.version[i] {
                kept[i] = Kept { version: self.version[i], rating: self.policy.rate(node, &class) };
            }
            self.scores.push((i as u32, kept[i].rating.score));
        }
        if self.policy.rescales() {
            rescale(&mut self.scores);
        }
        let best = self.scores.iter().max_by_key(|(i, score)| (*score, std::cmp::Reverse(*i)))?.0 as usize;
        let gpus = kept[best].rating.gpus;
        self.nodes[best].put(pod, gpus);
        self.version[best] += 1;
        Some(Place { node: best, gpus })
    }
}

/// Stretches scores to 0..=100 in whole numbers; all the same become 0.
fn rescale(scores: &mut [(u32, i64)]) {
    let low = scores.iter().map(|s| s.1).min().unwrap_or(0);
    let high = scores.iter().map(|s| s.1).max().unwrap_or(0);
    for (_, score) in scores {
        *score = if high == low { 0 } else { (*score - low) * 100 / (high - low) };
    }
}

#[cfg(test)]
mod tests {
    use base::Seed;

    use super::super::{BestFit, DotProd, Fgd, GpuClustering, GpuPacking, Headworks, Random, typical_pods};
    use super::*;

    fn some_pods(seed: u64) -> Vec<Pod> {
        let mut stream = Seed::from_u64(seed).stream();
        let pod = |stream: &mut base::Stream| {
            let gpus = *stream.pick(&[0, 1, 1, 1, 1, 2, 4]);
            let whole = gpus != 1 || stream.chance(500);
            let gpu_milli = if gpus == 0 {
                0
            } else if whole {
                1000
            } else {
                *stream.pick(&[125, 333, 500, 810])
            };
            Pod {
                cpu: *stream.pick(&[1000, 4000, 12_500]),
                mem: 1 + stream.below(4),
                gpus,
                gpu_milli,
                models: stream.below(4),
            }
        };
        (0..150).map(|_| pod(&mut stream)).collect()
    }

    fn policies(pods: &[Pod]) -> Vec<Box<dyn PackPolicy>> {
        vec![
            Box::new(BestFit),
            Box::new(DotProd),
            Box::new(GpuPacking),
            Box::new(GpuClustering),
            Box::new(Random::new(Seed::from_u64(1).stream())),
            Box::new(Fgd::new(typical_pods(pods.iter(), |bits| bits.to_string()))),
            Box::new(Headworks::new(pods.iter())),
        ]
    }

    fn nodes() -> Vec<Node> {
        (0..12).map(|i| Node::new(i % 2, 48_000 - u32::from(i) * 3000, 40, 1 << (i % 4)).unwrap()).collect()
    }

    #[test]
    fn every_policy_stays_within_the_nodes_and_drops_only_what_fits_nowhere() {
        for seed in 0..4 {
            let pods = some_pods(seed);
            for policy in policies(&pods) {
                let name = policy.name();
                assert!(!policy.source().is_empty());
                let mut packer = Packer::new(nodes(), policy);
                let mut mirror = nodes();
                for pod in &pods {
                    let fits = mirror.iter().any(|n| n.fits(pod));
                    let place = packer.place(pod);
                    assert_eq!(place.is_some(), fits, "{name}, seed {seed}: {pod:?}");
                    let Some(place) = place else { continue };
                    assert!(mirror[place.node].fits(pod), "{name}: {pod:?}");
                    assert_eq!(place.gpus.iter().count(), usize::from(pod.gpus), "{name}: {pod:?}");
                    assert!(
                        place.gpus.iter().all(|g| mirror[place.node].gpus()[g] >= pod.gpu_milli),
                        "{name}: {pod:?}"
                    );
                    mirror[place.node].put(pod, place.gpus);
                }
                assert_eq!(packer.nodes(), mirror);
            }
        }
    }

    #[test]
    fn ties_go_to_the_first_node() {
        let node = Node::new(0, 8000, 10, 1).unwrap();
        let pod = Pod { cpu: 1000, mem: 1, gpus: 1, gpu_milli: 500, models: 0 };
        let mut packer = Packer::new(vec![node; 3], Box::new(DotProd));
        assert_eq!(packer.place(&pod).map(|p| p.node), Some(0));
    }

    #[test]
    fn a_range_is_stretched_in_whole_numbers() {
        let mut scores = [(0, 40), (1, 43), (2, 50)];
        rescale(&mut scores);
        assert_eq!(scores.map(|s| s.1), [0, 30, 100]);
        let mut same = [(0, 7), (1, 7)];
        rescale(&mut same);
        assert_eq!(same.map(|s| s.1), [0, 0]);
    }
}
