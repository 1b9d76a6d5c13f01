//! `hw twin ask` and `hw twin runs`: runs that the server plays itself, of its own past or its present ahead.

use std::path::PathBuf;
use std::time::Duration;

use base::TwinRunId;
use clap::Args;
use client::Client;
use sim::live::NewPool;
use wire::twin_run::{TwinChanges, TwinHead, TwinLoss, TwinPool, TwinRun, TwinRunAsk};
use wire::{SupplyMode, TwinKind, TwinState};

use super::live::short;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Table, View};

/// Runs shown at once: as many as a server keeps.
const SHOWN: usize = 100;
/// Between two looks at a run that is waited for.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct Runs {
    /// Show this run with all its figures instead of the list
    #[arg(value_name = "RUN")]
    run: Option<TwinRunId>,
    /// Stop it
    #[arg(long, requires = "run")]
    cancel: bool,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// Play the last so many days again [default: 7]
    #[arg(long, value_name = "D", conflicts_with = "ahead")]
    days: Option<u32>,
    /// Run the present ahead instead, at most so many days
    #[arg(long, value_name = "D")]
    ahead: Option<u32>,
    /// Also with this policy in force
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Also with such a pool, in cores and cards of a node: NAME:NODES:CORES[:GPUS]; as often as needed
    #[arg(long, value_name = "POOL", value_parser = short)]
    add: Vec<NewPool>,
    /// Also without this pool, or so many of its nodes: POOL[:NODES]; as often as needed
    #[arg(long, value_name = "POOL")]
    lose: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    /// Wait until it is over
    #[arg(long)]
    wait: bool,
}

pub async fn runs(desk: &Desk, args: Runs) -> Result<View, Fault> {
    let client = desk.client()?;
    let Some(run) = args.run else {
        let all = client.twin_runs().take(SHOWN).await?.items;
        return Ok(View::table(&all, table(&all)));
    };
    if args.cancel {
        client.cancel_twin_run(run).await?;
    }
    shown(&client, run).await
}

pub async fn ask(desk: &Desk, args: Ask) -> Result<View, Fault> {
    let client = desk.client()?;
    let wait = args.wait;
    let run = client.ask_twin_run(&asked(args)?).await?;
    if wait {
        while matches!(client.twin_run(run.id).await?.run.state, TwinState::Queued | TwinState::Running) {
            tokio::time::sleep(LOOK).await;
        }
    }
    shown(&client, run.id).await
}

fn asked(args: Ask) -> Result<TwinRunAsk, Fault> {
    let policy = args.policy.map(|path| std::fs::read_to_string(&path).map_err(Fault::file(&path))).transpose()?;
    let add = |pool: NewPool| TwinPool {
        name: pool.name,
        nodes: pool.nodes,
        cores: u32::try_from(pool.cores).unwrap_or(u32::MAX),
        memory_gib: None,
        gpus: pool.gpus,
        mode: SupplyMode::Own,
        fee_core_hour: None,
        node_month: None,
    };
    let lose = |text: String| match text.rsplit_once(':').map(|(pool, nodes)| (pool.to_owned(), nodes.parse())) {
        Some((pool, Ok(nodes))) => TwinLoss { pool, nodes: Some(nodes) },
        _ => TwinLoss { pool: text, nodes: None },
    };
    Ok(TwinRunAsk {
        kind: if args.ahead.is_some() { TwinKind::Ahead } else { TwinKind::Past },
        days: args.days,
        until: None,
        horizon_seconds: args.ahead.map(|days| days.saturating_mul(86_400)),
        note: args.note,
        changes: TwinChanges {
            policy,
            add: args.add.into_iter().map(add).collect(),
            lose: args.lose.into_iter().map(lose).collect(),
            outages: Vec::new(),
        },
    })
}

/// A run in a table as in the list; as JSON with everything that came of it.
async fn shown(client: &Client, run: TwinRunId) -> Result<View, Fault> {
    let detail = client.twin_run(run).await?;
    let mut view = View::table(&detail, table(std::slice::from_ref(&detail.run)));
    if let Some(reason) = &detail.run.reason {
        view = view.and(reason.clone());
    }
    if detail.run.state == TwinState::Failed {
        view.exit = Exit::Failure;
    }
    Ok(view)
}

fn table(runs: &[TwinRun]) -> Table {
    let heads = [
        Word::TwinRun,
        Word::State,
        Word::Kind,
        Word::Asked,
        Word::Jobs,
        Word::MeanWait,
        Word::Margin,
        Word::ChangedMeanWait,
        Word::ChangedMargin,
        Word::At,
    ];
    let row = |run: &TwinRun| {
        let gist = run.gist.as_ref();
        let (as_is, changed) = (gist.map(|gist| &gist.as_is), gist.and_then(|gist| gist.changed.as_ref()));
        let wait = |head: Option<&TwinHead>| Cell::maybe(head, |head| Cell::Seconds(head.mean_wait_seconds));
        let margin = |head: Option<&TwinHead>| Cell::maybe(head.and_then(|head| head.margin), Cell::number);
        vec![
            Cell::text(run.id.to_string()),
            Cell::text(run.state.as_str()),
            Cell::text(run.asked.kind.as_str()),
            Cell::text(&run.asked.note),
            Cell::maybe(as_is, |head| Cell::number(head.jobs)),
            wait(as_is),
            margin(as_is),
            wait(changed),
            margin(changed),
            Cell::Time(run.at),
        ]
    };
    Table::new("run", &heads).with(runs.iter().map(row))
}
