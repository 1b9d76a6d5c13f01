//! The administrators of the three sites: whoever runs a cluster puts back what Slurm took out of service by itself (a node that
//! answered for a job of a reused number, or could not tell a controller of an end). The platform neither can nor may.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use testkit::slurm::Cluster;

use crate::world::World;

/// Between two looks at a cluster.
const LOOK: Duration = Duration::from_secs(1);

/// At work until they are told to go.
pub struct Administrators {
    stop: Arc<AtomicBool>,
    resumed: Arc<AtomicU32>,
    each: Vec<JoinHandle<()>>,
}

impl Administrators {
    pub fn begin(world: &World) -> Administrators {
        let (stop, resumed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let shared = world.shared();
        let at = |cluster: &Arc<Cluster>| {
            let (cluster, stop, resumed) = (cluster.clone(), stop.clone(), resumed.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    resumed.fetch_add(look(&cluster), Ordering::Relaxed);
                    std::thread::park_timeout(LOOK);
                }
            })
        };
        let each = [&shared.alpha, &shared.beta, &shared.gamma].map(at).into();
        Administrators { stop, resumed, each }
    }

    /// How often a node was put back into service.
    pub fn end(mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        for one in self.each.drain(..) {
            one.thread().unpark();
            one.join().expect("an administrator does not panic");
        }
        self.resumed.load(Ordering::Relaxed)
    }
}

impl Drop for Administrators {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Nodes of this cluster that were drained and are in service again. A controller that is down is asked again later.
fn look(cluster: &Cluster) -> u32 {
    let Ok(names) = cluster.run(&["sinfo", "-h", "-N", "-t", "drain,fail", "-o", "%N"]) else { return 0 };
    let nodes: BTreeSet<&str> = names.split_whitespace().collect();
    if nodes.is_empty() {
        return 0;
    }
    let all: Vec<&str> = nodes.iter().copied().collect();
    let update = format!("NodeName={}", all.join(","));
    cluster.run(&["scontrol", "update", &update, "State=RESUME"]).map_or(0, |_| nodes.len() as u32)
}
