//! `hw twin`: history played again under other rules, on this machine; only `export`, `live`, `ask` and `runs` ask a server. One file per verb; this one names them.

mod broker;
mod compare;
mod export;
mod ground;
mod live;
mod out;
mod pack;
mod page;
mod progress;
mod replay;
mod runs;
mod source;
mod supplied;
mod sweep;
mod year;

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
    /// Write the platform's own past as a trace, and its supply as a file, to be replayed
    Export(export::Export),
    /// Run a copy of the platform ahead: when does each waiting job start, and what if?
    Live(live::Live),
    /// Let the server play its last days again, or its present ahead, also with changes
    Ask(runs::Ask),
    /// Runs that the server plays or has played
    Runs(runs::Runs),
    /// Let pods arrive at a cluster of GPU nodes and see how much of it a policy allocates
    Pack(pack::Pack),
    /// Play a year of a made-up operator with four clusters, and write its raw books
    Year(year::YearArgs),
}

/// Carries out one of the twin's verbs.
pub async fn run(desk: &Desk, args: Twin) -> Result<View, Fault> {
    match args.act {
        Act::Replay(args) => replay::run(desk, args).await,
        Act::Compare(args) => compare::run(desk, args).await,
        Act::Sweep(args) => sweep::run(desk, args).await,
        Act::Broker(args) => broker::run(desk, args).await,
        Act::Export(args) => export::run(desk, args).await,
        Act::Live(args) => live::run(desk, args).await,
        Act::Ask(args) => runs::ask(desk, args).await,
        Act::Runs(args) => runs::runs(desk, args).await,
        Act::Pack(args) => pack::run(desk, args),
        Act::Year(args) => year::run(desk, args).await,
    }
}
