//! `hw twin`: history played again under other rules, on this machine and without a server. One file per verb; this one names them.

mod broker;
mod compare;
mod ground;
mod out;
mod pack;
mod page;
mod progress;
mod replay;
mod source;
mod supplied;
mod sweep;

use clap::{Args, Subcommand};

use crate::desk::Desk;
use crate::fault::Fault;
use crate::view::View;

/// Flags of `hw twin`.
#[derive(Debug, Args)]
pub struct Twin {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Play a trace on one machine under a policy
    Replay(replay::Replay),
    /// Play the same histories under two policies and tell what differs, and how sure that is
    Compare(compare::Compare),
    /// Play the same histories under a policy with one or two of its values changed over ranges
    Sweep(sweep::Sweep),
    /// Play several clusters' traces together, with a router that sends each job somewhere when it arrives
    Broker(broker::Broker),
    /// Let pods arrive at a cluster of GPU nodes and see how much of it a policy allocates
    Pack(pack::Pack),
}

/// Carries out one of the twin's verbs.
pub async fn run(desk: &Desk, args: Twin) -> Result<View, Fault> {
    match args.act {
        Act::Replay(args) => replay::run(desk, args).await,
        Act::Compare(args) => compare::run(desk, args).await,
        Act::Sweep(args) => sweep::run(desk, args).await,
        Act::Broker(args) => broker::run(desk, args).await,
        Act::Pack(args) => pack::run(desk, args),
    }
}
