//! `hw twin export`: the platform's own past as a trace, and its supply as a file, so that both can be replayed under another policy.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use client::{Client, PAGE_MAX};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use server::twin::{Changes, History, Offer, Past, TRACE, Used};
use sim::supply::Supply;
use sim::trace::swf;
use wire::job::JobsQuery;

use super::out::write;
use super::supplied::refused;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, when};
use crate::text::Word;
use crate::view::{Cell, View};

/// Pools, clusters and tenants read at once: what the platform is designed for.
const LIST_MAX: usize = 10_000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["trace", "csv", "supply"]))]
pub struct Export {
    /// Write the jobs that are over as a trace in SWF 2.2; gzip where the name ends in .gz, `-` is standard output
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write a line for each of them, with names
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write pools, prices, tenants and contracts as a supply file for `hw twin replay`, where the trace is played as `history`
    #[arg(long, value_name = "FILE")]
    supply: Option<PathBuf>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Handed in at or after
    #[arg(long, value_name = "TIME", value_parser = when)]
    since: Option<When>,
    /// Handed in before
    #[arg(long, value_name = "TIME", value_parser = when)]
    until: Option<When>,
    /// Ask for each job by itself: processor time and memory that it used, what it waited for
    #[arg(long)]
    usage: bool,
}

/// What was written.
#[derive(Serialize)]
struct Report {
    jobs: usize,
    /// Of them, those that never ran: they are in the trace with unknown wait and run.
    never_ran: usize,
    tenants: usize,
    users: usize,
    pools: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

pub async fn run(desk: &Desk, args: Export) -> Result<View, Fault> {
    let client = desk.client()?;
    let pools = client.pools().take(LIST_MAX).await?.items;
    let wants_jobs = args.trace.is_some() || args.csv.is_some();
    let history = if wants_jobs { History::of(past(desk, &client, &args).await?) } else { History::default() };
    if let Some(path) = &args.trace {
        let header = history.header(&pools);
        put(desk, path, |out| swf::write(&header, history.records(), out))?;
    }
    if let Some(path) = &args.csv {
        put(desk, path, |out| history.csv(out))?;
    }
    let groups: BTreeMap<String, usize> = history.tenants().map(|(number, name)| (name.to_owned(), number)).collect();
    let report = Report {
        jobs: history.records().len(),
        never_ran: history.records().iter().filter(|record| record.run_s.is_none()).count(),
        tenants: groups.len(),
        users: history.users(),
        pools: pools.len(),
        first: history.lasted().map(|(first, _)| first.rfc3339()),
        last: history.lasted().map(|(_, last)| last.rfc3339()),
    };
    if let Some(path) = &args.supply {
        let offer = Offer {
            clusters: client.clusters().take(LIST_MAX).await?.items,
            pools,
            books: client.prices().take(LIST_MAX).await?.items,
            tenants: client.tenants().take(LIST_MAX).await?.items,
            policy: client.policy().await?.document,
            groups,
            trace: TRACE,
            changes: Changes::default(),
        };
        let text = offer.supply(desk.now());
        // What cannot be played is told now, not when somebody wants to play it.
        Supply::parse(&text).map_err(|fault| refused(path, &fault))?;
        put(desk, path, |out| out.write_all(text.as_bytes()))?;
    }
    if [&args.trace, &args.csv, &args.supply].into_iter().flatten().any(|path| is_stdout(path)) {
        return Ok(View { parts: Vec::new(), json: None, ..View::facts(&report, Vec::new()) });
    }
    let facts = vec![
        (Word::Jobs, Cell::number(report.jobs)),
        (Word::NeverRan, Cell::number(report.never_ran)),
        (Word::Tenants, Cell::number(report.tenants)),
        (Word::Users, Cell::number(report.users)),
        (Word::Pools, Cell::number(report.pools)),
    ];
    Ok(View::facts(&report, facts))
}

/// The jobs that are over and that the caller may see.
async fn past(desk: &Desk, client: &Client, args: &Export) -> Result<Vec<Past>, Fault> {
    let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
    let query = JobsQuery {
        tenant: args.tenant.clone(),
        submitted_after: at(&args.since),
        submitted_before: at(&args.until),
        open: Some(false),
        ..JobsQuery::default()
    };
    let (mut pages, mut found) = (client.jobs(&query), Vec::new());
    while let Some(page) = pages.next(PAGE_MAX).await? {
        for told in page {
            let used = match (args.usage, told.started_at) {
                (true, Some(_)) => Some(Used::of(&client.job(&told.id.to_string()).await?)),
                _ => None,
            };
            found.push(Past { told, used });
        }
    }
    Ok(found)
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes a file, packed where its name says so, or standard output.
fn put(desk: &Desk, path: &Path, content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Fault> {
    if is_stdout(path) {
        let mut bytes = Vec::new();
        content(&mut bytes).map_err(Fault::file(path))?;
        return desk.out_bytes(&bytes);
    }
    if path.extension().is_some_and(|end| end == "gz") {
        return write(path, |out| {
            let mut packed = GzEncoder::new(out, Compression::default());
            content(&mut packed)?;
            packed.finish().map(drop)
        });
    }
    write(path, content)
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
