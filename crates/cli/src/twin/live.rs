//! `hw twin live`: a copy of the running platform, run ahead: when does each waiting job start, as things are and with other pools or
//! another policy?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{JobId, Span, Timestamp};
use clap::Args;
use serde::Serialize;
use sim::live::{self, Ahead, Change, NewPool, Now, Start};
use wire::TimeText;
use wire::twin::PlatformState;

use super::out::write;
use super::progress::{INTERRUPTED, watched};
use super::supplied::{policy, refused};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Live {
    /// Run this copy ahead, which `--save` wrote, instead of asking the server
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Write the copy that is run ahead
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    save: Option<PathBuf>,
    /// What if there were these pools too? A file of [[pool]] tables; as often as needed
    #[arg(long, value_name = "FILE")]
    add_pool: Vec<PathBuf>,
    /// The same in one word, with cores and cards of a node: NAME:NODES:CORES[:GPUS]
    #[arg(long, value_name = "POOL", value_parser = short)]
    add: Vec<NewPool>,
    /// What if this pool were lost, or so many of its nodes? POOL[:NODES]; as often as needed
    #[arg(long, value_name = "POOL")]
    lose: Vec<String>,
    /// What if this policy were in force?
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How far to look ahead
    #[arg(long, value_name = "TIME", default_value = "7d")]
    horizon: Span,
}

pub(super) fn short(text: &str) -> Result<NewPool, String> {
    NewPool::short(text).ok_or_else(|| format!("`{text}` is not NAME:NODES:CORES[:GPUS]"))
}

/// The answer as JSON. Times are RFC 3339; `null`: not before the end of the look ahead.
#[derive(Serialize)]
struct Report {
    at: TimeText,
    complete: bool,
    horizon_s: i64,
    waiting: usize,
    as_is: Sum,
    /// With the changes; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Sum>,
    jobs: Vec<Line>,
}

/// What is told of all waiting jobs together.
#[derive(Clone, Copy, Serialize)]
struct Sum {
    started: usize,
    /// From now on, of those that start.
    mean_wait_s: f64,
    /// Running jobs that the changes break off.
    broken_off: usize,
}

#[derive(Serialize)]
struct Line {
    job: JobId,
    number: u64,
    name: String,
    tenant: String,
    user: String,
    /// What the platform itself expects.
    expected: Option<TimeText>,
    start: Option<TimeText>,
    pool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
}

#[derive(Serialize)]
struct Changed {
    start: Option<TimeText>,
    pool: Option<String>,
    /// How much earlier; less than zero is later.
    gain_s: Option<f64>,
}

pub async fn run(desk: &Desk, args: Live) -> Result<View, Fault> {
    let state = match &args.snapshot {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(Fault::file(path))?;
            serde_json::from_str(&text).map_err(|fault| refused(path, &fault))?
        }
        None => desk.client()?.state().await?,
    };
    if let Some(path) = &args.save {
        let text = crate::view::to_json(&state);
        write(path, |out| out.write_all(text.as_bytes()))?;
    }
    let source = args.snapshot.clone().unwrap_or_else(|| PathBuf::from(&desk.settings.url));
    let now = now(&state, &source)?;
    let changes = changes(&args)?;
    let (copy, horizon) = (now.clone(), args.horizon);
    let done = watched(desk, move |watcher| {
        let as_is = live::ahead(&copy, &[], horizon, &mut |progress| watcher.look(progress))?;
        let changed = (!changes.is_empty() && as_is.is_complete)
            .then(|| live::ahead(&copy, &changes, horizon, &mut |progress| watcher.look(progress)));
        Ok((as_is, changed.transpose()?))
    });
    let (as_is, changed) = done.await?.map_err(|fault: live::Fault| refused(&source, &fault))?;
    let report = report(&state, &now, &as_is, changed.as_ref(), horizon);
    let mut view = view(desk, &report);
    if !report.complete {
        view = view.and(Word::PlaysBrokenOff.text(desk.lang()));
        view.exit = Exit::Job(INTERRUPTED);
    }
    Ok(view)
}

/// The state as it is run ahead; `source` is where it came from, for messages.
fn now(state: &PlatformState, source: &Path) -> Result<Now, Fault> {
    let steering = sim::supply::Steering::parse(&state.policy).map_err(|fault| refused(source, &fault))?;
    let currency = state.currency.parse().map_err(|fault: base::ParseMoneyError| refused(source, &fault))?;
    let snapshot = serde_json::from_value(state.state.clone()).map_err(|fault| refused(source, &fault))?;
    Ok(Now { at: state.at.0, steering, currency, state: snapshot })
}

fn changes(args: &Live) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    for path in &args.add_pool {
        let text = std::fs::read_to_string(path).map_err(Fault::file(path))?;
        let pools = NewPool::file(&text).map_err(|fault| refused(path, &fault))?;
        changes.extend(pools.into_iter().map(Change::Add));
    }
    changes.extend(args.add.iter().cloned().map(Change::Add));
    for text in &args.lose {
        let (pool, nodes) = match text.rsplit_once(':').map(|(pool, nodes)| (pool, nodes.parse())) {
            Some((pool, Ok(nodes))) => (pool.to_owned(), Some(nodes)),
            _ => (text.clone(), None),
        };
        changes.push(Change::Lose { pool, nodes });
    }
    if let Some(path) = &args.policy {
        changes.push(Change::Steer(Box::new(policy(path)?)));
    }
    Ok(changes)
}

fn report(state: &PlatformState, now: &Now, as_is: &Ahead, changed: Option<&Ahead>, horizon: Span) -> Report {
    let tenants: BTreeMap<_, _> = now.state.tenants.iter().map(|tenant| (tenant.id, &tenant.name)).collect();
    let users: BTreeMap<_, _> = now.state.users.iter().map(|user| (user.id, &user.name)).collect();
    let at = |start: &Option<Start>| start.as_ref().map(|start| TimeText(start.at));
    let pool = |start: &Option<Start>| start.as_ref().and_then(|start| start.pool.clone());
    let mut rows: Vec<_> = now.state.jobs.iter().filter(|row| as_is.starts.contains_key(&row.job.id)).collect();
    rows.sort_by_key(|row| (row.job.number, row.job.id));
    let line = |row: &&sim::live::JobRow| {
        let id = row.job.id;
        let start = &as_is.starts[&id];
        let changed = changed.map(|changed| {
            let other = changed.starts.get(&id).cloned().flatten();
            let gain = start.as_ref().zip(other.as_ref()).map(|(start, other)| (start.at - other.at).as_secs_f64());
            Changed { start: at(&other), pool: pool(&other), gain_s: gain }
        });
        Line {
            job: id,
            number: row.job.number,
            name: row.name.to_string(),
            tenant: tenants.get(&row.job.tenant).map_or(String::new(), ToString::to_string),
            user: users.get(&row.job.user).map_or(String::new(), ToString::to_string),
            expected: state.expected_starts.get(&id).copied(),
            start: at(start),
            pool: pool(start),
            changed,
        }
    };
    let jobs: Vec<Line> = rows.iter().map(line).collect();
    Report {
        at: state.at,
        complete: as_is.is_complete && changed.is_none_or(|changed| changed.is_complete),
        horizon_s: horizon.as_secs(),
        waiting: jobs.len(),
        as_is: sum(as_is, now.at),
        changed: changed.map(|changed| sum(changed, now.at)),
        jobs,
    }
}

fn sum(ahead: &Ahead, now: Timestamp) -> Sum {
    let starts: Vec<f64> = ahead.starts.values().flatten().map(|start| (start.at - now).as_secs_f64()).collect();
    let mean_wait_s = if starts.is_empty() { 0.0 } else { starts.iter().sum::<f64>() / starts.len() as f64 };
    Sum { started: starts.len(), mean_wait_s, broken_off: ahead.broken_off }
}

fn view(desk: &Desk, report: &Report) -> View {
    let mut heads = vec![Word::Job, Word::Name, Word::User, Word::PlatformExpects, Word::ForetoldStart, Word::Pool];
    if report.changed.is_some() {
        heads.extend([Word::ChangedStart, Word::ChangedPool, Word::Earlier]);
    }
    let time = |at: Option<TimeText>| Cell::maybe(at, Cell::Time);
    let row = |line: &Line| {
        let mut cells = vec![
            Cell::number(line.number),
            Cell::text(&line.name),
            Cell::text(format!("{}/{}", line.tenant, line.user)),
            time(line.expected),
            time(line.start),
            Cell::maybe(line.pool.as_ref(), Cell::text),
        ];
        if let Some(changed) = &line.changed {
            cells.extend([
                time(changed.start),
                Cell::maybe(changed.pool.as_ref(), Cell::text),
                Cell::maybe(changed.gain_s, |gain| Cell::number(format!("{gain:.0}"))),
            ]);
        }
        cells
    };
    let mut facts = vec![
        (Word::At, Cell::Time(report.at)),
        (Word::WaitingJobs, Cell::number(report.waiting)),
        (Word::StartWithin, Cell::number(report.as_is.started)),
        (Word::MeanWait, Cell::Seconds(report.as_is.mean_wait_s)),
    ];
    if let Some(changed) = report.changed {
        facts.push((Word::ChangedStartWithin, Cell::number(changed.started)));
        facts.push((Word::ChangedMeanWait, Cell::Seconds(changed.mean_wait_s)));
        facts.push((Word::BrokenOffJobs, Cell::number(changed.broken_off)));
    }
    let table = Table::new("job", &heads).with(report.jobs.iter().map(row));
    View::of(report, vec![Part::Table(table), Part::Facts(facts)]).and(Word::LiveMethod.text(desk.lang()))
}
