//! The line between the platform and a site agent: one TLS connection that the agent dials, requests to it, events from it.
//! [`RemoteCluster`] is the platform's end, a [`ports::Cluster`] like any other; [`Agent`] is the site's, in front of any
//! connector. Refuses to know: the engine, the store, HTTP, Slurm; who may join, which [`Gatekeeper`] decides.

mod agent;
mod desk;
mod frame;
mod journal;
pub mod limits;
mod listen;
pub mod message;
mod remote;
mod site;
mod spool;
mod tls;

pub use agent::{Agent, AgentError, Dial, DialError, Hosted, join};
pub use desk::{Accounts, Examine};
pub use frame::{Bounds, Frame, FrameError};
pub use limits::Timing;
pub use listen::{Gatekeeper, House, serve};
pub use message::{Place, Refusal, RefusalCode};
pub use remote::RemoteCluster;
pub use site::{Site, SiteStatus};
pub use tls::{Fingerprint, Identity, IdentityError, ParseFingerprintError};

use base::{ClusterId, PoolId, digest128};

/// The id of a site's cluster: it follows from the name, so that every server of a database means the same.
pub fn cluster_id(name: &str) -> ClusterId {
    ClusterId::from_u128(digest128(&[b"cluster", name.as_bytes()]))
}

/// The id of a pool of a cluster, on both ends.
pub fn pool_id(cluster: ClusterId, pool: &str) -> PoolId {
    PoolId::from_u128(digest128(&[b"pool", &cluster.to_bytes(), pool.as_bytes()]))
}

/// The system's clock, microseconds since 1970.
fn wall_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A number that no other has.
fn stamp() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    // JSON numbers are exact in every reader below 2^53.
    Ok(u64::from_be_bytes(bytes) >> 11 | 1)
}
