//! The driver: drains its inbox, lets the engine decide, commits everything of the batch in one transaction,
//! then answers, publishes and acts. The only place where engine, store and clusters meet.
//!
//! One server of a database is active, by a lease with a fence; the others stand by and answer `NotActive`.

mod active;
mod dispatch;
mod role;

use std::sync::Arc;

use base::{ClusterId, Span};
use engine::Policy;
use model::Observation;
use ports::Store as _;
use tokio::sync::{mpsc, watch};

use crate::app::{Clock, Clusters, CommandError, EventBus, Message};

pub use role::Role;

/// Commands and questions under way. 64 connections wait for their answer; bursts of other kinds are small.
pub const INBOX: usize = 4_096;
/// Observations under way; a connector waits when it is full.
pub const OBSERVATIONS: usize = 4_096;
/// Inputs of one commit. At 64 connections a batch is at most 64 commands; observations of a busy cluster come on top.
const BATCH_MAX: usize = 512;
/// The lease lasts this long without renewal: a dead server is replaced within it plus one look.
const LEASE: Span = Span::from_secs(6);
/// Renewed this often, so that two renewals may fail before it is lost.
const RENEW: Span = Span::from_secs(2);
/// A stand-by looks this often whether the lease is free. 6 s + 1 s stays under the 10 s promised.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// Starts connectors that deliver to the given sender.
pub type Connect = Arc<
    dyn Fn(mpsc::Sender<Observation>) -> Result<Vec<(ClusterId, Arc<dyn ports::Cluster>)>, connect_local::LocalError>
        + Send
        + Sync,
>;

/// What a driver is built from.
pub struct Parts {
    pub store: Arc<store::SqlStore>,
    pub clusters: Arc<Clusters>,
    pub clock: Clock,
    pub events: EventBus,
    /// Contents that jobs get as input.
    pub files: Arc<crate::files::Space>,
    pub policy: Policy,
    /// Unique per process, beginning with the address others forward to: `http://host:port#…`.
    pub holder: String,
    pub inbox: mpsc::Receiver<Message>,
    pub observations: mpsc::Receiver<Observation>,
    /// Where connectors deliver; the driver uses it for what it notices itself.
    pub observe: mpsc::Sender<Observation>,
    /// Starts this server's connectors, each time it becomes active; they end when it no longer is.
    pub connect: Connect,
    pub stop: watch::Receiver<bool>,
    pub role: watch::Sender<Role>,
}

/// Runs until `stop` is set: takes the lease when it is free, is active while it holds it.
pub async fn run(mut parts: Parts) -> Result<(), ports::StoreError> {
    let mut failures = 0u32;
    while !*parts.stop.borrow() {
        let now = parts.clock.now();
        match parts.store.acquire(&parts.holder, now, now + LEASE).await {
            Ok(Ok(lease)) => {
                failures = 0;
                active::run(&mut parts, lease.fence).await?;
            }
            Ok(Err(other)) => {
                failures = 0;
                parts.role.send_replace(Role::Standby { holder: Some(other.holder.clone()) });
                refuse_for(&mut parts, Some(other.holder)).await;
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::error!(%error, "the store cannot be reached; trying again every second");
                }
                parts.role.send_replace(Role::Standby { holder: None });
                refuse_for(&mut parts, None).await;
            }
        }
    }
    parts.role.send_replace(Role::Stopped);
    Ok(())
}

/// Answers everything with `NotActive` for one look's time.
async fn refuse_for(parts: &mut Parts, holder: Option<String>) {
    let until = tokio::time::sleep(LOOK);
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return,
            _ = parts.stop.changed() => return,
            message = parts.inbox.recv() => match message {
                Some(message) => refuse(message, CommandError::NotActive { holder: holder.clone() }),
                None => return,
            },
            // A stand-by's connectors are not running; what still arrives will be delivered again on resume.
            _ = parts.observations.recv() => {}
        }
    }
}

fn refuse(message: Message, error: CommandError) {
    match message {
        // The asker may have gone away; that is its own affair.
        Message::Command { reply, .. } => drop(reply.send(Err(error))),
        Message::Ask(question) => question(Err(error)),
        // Its connector ends with this time of being active.
        Message::Resume(_) | Message::Repeat(_) => {}
    }
}
