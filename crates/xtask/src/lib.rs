//! Fences and generators of the workspace: what a crate may import, which calls it may make, how long its
//! functions and files may grow, what a tracked file may contain. Knows the shape of the code, nothing of its meaning.

pub mod bans;
pub mod fences;
pub mod hygiene;
pub mod ratchet;
pub mod scan;
pub mod workspace;
