//! Our policy: a pod goes where the worth of the cluster's free room falls the least, the worth being what a linear programme says that
//! requests to come could still fill. Refuses to know: how many pods will come, in which order, when.

use std::collections::BTreeMap;

use super::packer::{PackPolicy, Rating};
use super::state::{Node, Pod};
use super::worth::{Class, UNITS, Worth};

/// The requests that are thought to be still to come, as a multiple of what would fill all free room if they came in the usual
/// proportions. Just above 1: nearly all that comes must be placed, not only what fits best.
const FUTURE: f64 = 1.15;
/// Prices are found anew whenever so large a part of the pods that fill the empty cluster has arrived, but not for fewer than
/// [`PODS_MIN`]: 36 times in a run of 130 %, each as dear as rating 50 pods.
const RENEW_SHARE: f64 = 0.035;
const PODS_MIN: u32 = 100;
/// Steps of the price search: at first, and from the last prices on.
const ROUNDS_FIRST: usize = 50;
const ROUNDS: usize = 10;
/// The first step changes a price by at most so large a part of the request; step k by that over `1 + k × STEP_FADE`.
const STEP: f64 = 0.2;
const STEP_FADE: f64 = 0.05;
/// Losses of worth that differ by less than this count as equal, thousandths of a GPU: then the order of the nodes decides, which
/// keeps work together better than noise does.
const QUANTUM_MILLIS: f64 = 0.1;
/// Kinds of requests that are looked at, the most frequent ones.
const CLASSES_MAX: usize = 400;

/// The published idea it departs from is FGD's: known proportions of requests, no knowledge of arrivals.
pub struct Headworks {
    worth: Worth,
    /// Thousandths of GPU that a pod of the history asks, on average.
    mean_request: f64,
    renew: Option<u32>,
    since: u32,
}

impl Headworks {
    /// `history` tells in which proportions requests come; their order says nothing.
    pub fn new<'a>(history: impl Iterator<Item = &'a Pod>) -> Headworks {
        let mut counts: BTreeMap<Pod, u32> = BTreeMap::new();
        let mut all = 0u32;
        for pod in history {
            *counts.entry(Pod { mem: 0, ..*pod }).or_default() += 1;
            all += 1;
        }
        let mut ranked: Vec<(Pod, u32)> = counts.into_iter().filter(|(pod, _)| pod.gpus > 0).collect();
        ranked.sort_by_key(|(pod, n)| (std::cmp::Reverse(*n), *pod));
        ranked.truncate(CLASSES_MAX);
        let share = |n: u32| f64::from(n) / f64::from(all.max(1));
        let classes: Vec<Class> = ranked.into_iter().map(|(pod, n)| Class::new(pod, share(n))).collect();
        let mean_request = classes.iter().map(|c| c.share * c.reward()).sum();
        Headworks { worth: Worth::new(classes), mean_request, renew: None, since: 0 }
    }

    /// Finds prices at which the best fillings of all nodes want no more of any request than will come: subgradient steps on the
    /// dual of the fluid packing programme, the second half of them averaged.
    fn find_prices(&mut self, nodes: &[Node], rounds: usize) {
        let free: f64 = nodes.iter().map(|n| f64::from(n.gpu_free())).sum();
        let coming = FUTURE * free / self.mean_request;
        let averaged = rounds.div_ceil(2);
        let mut sums = vec![0.0; self.worth.classes.len()];
        for round in 0..rounds {
            let wanted = self.worth.demand(nodes);
            let step = STEP / (1.0 + round as f64 * STEP_FADE);
            for ((class, wanted), sum) in self.worth.classes.iter_mut().zip(wanted).zip(&mut sums) {
                let supply = coming * class.share;
                // One is added so that a request of which hardly any comes does not swing between its ends.
                let excess = ((wanted - supply) / (supply + 1.0)).clamp(-1.0, 1.0);
                class.price = (class.price + step * class.reward() * excess).clamp(0.0, class.reward());
                if round + averaged >= rounds {
                    *sum += class.price;
                }
            }
            self.worth.reprice();
        }
        for (class, sum) in self.worth.classes.iter_mut().zip(sums) {
            class.price = sum / averaged as f64;
        }
        self.worth.reprice();
    }
}

impl PackPolicy for Headworks {
    fn name(&self) -> &'static str {
        "headworks"
    }

    fn source(&self) -> &'static str {
        "ours: least opportunity cost under bid prices of requests and processors (docs/twin.md); bid-price control: Talluri and \
         van Ryzin, Management Science 1998"
    }

    fn look(&mut self, nodes: &[Node]) -> bool {
        if self.mean_request == 0.0 {
            return false;
        }
        self.since += 1;
        match self.renew {
            None => {
                let capacity: f64 = nodes.iter().map(|n| f64::from(n.gpu_free())).sum();
                self.renew = Some(((capacity / self.mean_request * RENEW_SHARE) as u32).max(PODS_MIN));
                self.find_prices(nodes, ROUNDS_FIRST);
            }
            Some(renew) if self.since > renew => self.find_prices(nodes, ROUNDS),
            Some(_) => return false,
        }
        self.since = 0;
        true
    }

    fn rate(&mut self, node: &Node, pod: &Pod) -> Rating {
        let before = self.worth.of(node);
        let (gpus, after) = self.worth.after(node, pod);
        Rating { score: (f64::from(after - before) / (UNITS * QUANTUM_MILLIS)).round() as i64, gpus }
    }
}
