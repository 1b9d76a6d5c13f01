//! Packing policies by name, made for one workload. Refuses to know: how they rate.

use base::Seed;
use sched::packing::{BestFit, DotProd, Fgd, GpuClustering, GpuPacking, Headworks, PackPolicy, Random, typical_pods};

use super::read::Workload;

/// Names that [`policy`] takes, in any case.
pub const NAMES: [&str; 7] = ["Random", "DotProd", "GpuClustering", "GpuPacking", "BestFit", "FGD", "headworks"];

/// The policy of this name for this workload; `None` for a name that is not in [`NAMES`]. Those that need to know how likely each
/// request is learn it from the pod list as it is (not from the arrivals). The seed is for policies that draw.
pub fn policy(name: &str, workload: &Workload, seed: u64) -> Option<Box<dyn PackPolicy>> {
    let typical = || typical_pods(workload.pods.iter(), |bits| workload.spec(bits));
    Some(match name.to_ascii_lowercase().as_str() {
        "random" => Box::new(Random::new(Seed::from_u64(seed).child("pack-random").stream())),
        "dotprod" => Box::new(DotProd),
        "gpuclustering" => Box::new(GpuClustering),
        "gpupacking" => Box::new(GpuPacking),
        "bestfit" => Box::new(BestFit),
        "fgd" => Box::new(Fgd::new(typical())),
        "headworks" => Box::new(Headworks::new(workload.pods.iter())),
        _ => return None,
    })
}

/// Where the policy of this name is from.
pub fn source(name: &str, workload: &Workload) -> Option<&'static str> {
    policy(name, workload, 0).map(|p| p.source())
}
