//! What the shell needs from the outside, as traits: clusters and the store.
//! Conformance suites and in-memory fakes stand beside them; no adapter is known here.

pub mod cluster;
pub mod conformance;
pub mod fake;
pub mod files;
pub mod files_conformance;
pub mod store;
pub mod store_conformance;

pub use cluster::{Cluster, ClusterFacts, ConnectError, LogChunk, LogStream, PoolFacts};
pub use fake::{FakeCluster, FakeMachine, Fault};
pub use files::{Differences, DifferencesSent, Entry, EntryKind, FileError, Files};
pub use store::{Answer, CommitError, Lease, Store, StoreError};
