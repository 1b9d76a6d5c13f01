//! Packing of pods onto GPU nodes, one by one as they arrive and for good: the policies of the literature and ours behind one trait.
//! A policy rates a node for a pod; [`Packer`] asks it and places. Refuses to know: files, names, metrics of an experiment.

mod fgd;
mod greedy;
mod headworks;
mod packer;
mod state;
mod worth;

pub use fgd::{Fgd, Typical, typical_pods};
pub use greedy::{BestFit, DotProd, GpuClustering, GpuPacking, Random};
pub use headworks::Headworks;
pub use packer::{PackPolicy, Packer, Place, Rating};
pub use state::{GPU_MILLIS, GPUS_MAX, GpuSet, MODELS_MAX, Node, Pod};
