//! One job with everything a person asks about it, and the table that explains where it is.

use base::Timestamp;
use clap::Args;
use wire::events::{Actor, Event};
use wire::job::{Attempt, Exit as Ended, Job};
use wire::submit::{Candidate, Explanation};
use wire::{JobState, Page};

use super::jobs::{name_of, run_seconds};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::cell::Tone;
use crate::view::{Cell, Part, Table, View, to_json};

/// Events of a timeline that are shown: a job that is requeued a hundred times has some 600.
const EVENTS_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub struct Show {
    /// The job: 12, 12_3 or job_…
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Print the script instead
    #[arg(long)]
    pub script: bool,
    /// Show the metered intervals as well
    #[arg(long)]
    pub intervals: bool,
}

pub async fn show(desk: &Desk, args: Show) -> Result<View, Fault> {
    let client = desk.client()?;
    if args.script {
        return Ok(View::text(client.job_script(&args.job).await?));
    }
    let job = client.job(&args.job).await?;
    let events = client.job_events(&args.job).take(EVENTS_MAX).await?;
    let mut view = job_view(&job, &events, desk.now());
    if args.intervals {
        let page = client.job_intervals(&args.job).take(EVENTS_MAX).await?;
        let heads = [
            Word::Attempt,
            Word::Number,
            Word::From,
            Word::Until,
            Word::Granted,
            Word::Charge,
            Word::PaidByContracts,
            Word::PaidByGrants,
            Word::Uncollected,
        ];
        let some =
            |amount: wire::MoneyText| if amount.0 == base::Money::ZERO { Cell::Empty } else { Cell::Money(amount) };
        let rows = page.items.iter().map(|one| {
            vec![
                Cell::text(one.attempt.rsplit('_').next().unwrap_or_default()),
                Cell::number(one.seq),
                Cell::Time(one.from),
                Cell::Time(one.to),
                Cell::text(&one.granted.tres),
                Cell::Money(one.charge),
                some(one.drawn),
                some(one.credited),
                some(one.uncollected),
            ]
        });
        view.parts.push(Part::Title(Word::Metered));
        view.parts.push(Part::Table(Table::new("interval", &heads).with(rows)));
    }
    Ok(view)
}

/// A job's facts, attempts and timeline. The JSON is the job's, with its `events` beside.
pub fn job_view(job: &Job, events: &Page<Event>, now: Timestamp) -> View {
    let mut parts = vec![Part::Facts(facts(job, now))];
    if !job.attempts.is_empty() {
        parts.push(Part::Title(Word::Attempts));
        parts.push(Part::Table(attempts(&job.attempts)));
    }
    parts.push(Part::Title(Word::Timeline));
    parts.push(Part::Table(timeline(events)));
    let mut json = serde_json::to_value(job).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("events".into(), serde_json::to_value(&events.items).unwrap_or_default());
    }
    View { json: Some(to_json(&json)), ..View::of(job, parts) }
}

fn facts(job: &Job, now: Timestamp) -> Vec<(Word, Cell)> {
    let summary = &job.summary;
    let asked = &summary.requested;
    let reason = summary.reason.as_ref().map(|r| Cell::Both { en: r.text_en.clone(), zh: r.text_zh.clone() });
    let waits: Vec<String> = job.dependencies.iter().map(|d| format!("{}:{}", d.kind, d.on)).collect();
    let nodes = job.attempts.last().map(|attempt| nodes_text(&attempt.nodes)).unwrap_or_default();
    let running = summary.state == JobState::Running;
    vec![
        (Word::Job, Cell::text(name_of(summary))),
        (Word::Id, Cell::text(summary.id.to_string())),
        (Word::Name, Cell::text(&summary.name)),
        (Word::State, Cell::State(summary.state)),
        (Word::Reason, reason.unwrap_or_default()),
        (Word::Exit, Cell::maybe(summary.exit, exit_cell)),
        (Word::Note, Cell::maybe(job.attempts.last().and_then(|attempt| attempt.note.as_ref()), Cell::text)),
        (Word::User, Cell::text(&summary.user_name)),
        (Word::Tenant, Cell::text(&summary.tenant_name)),
        (Word::Project, Cell::text(&summary.project_name)),
        (Word::Class, Cell::text(summary.class.as_str())),
        (Word::ProductLine, Cell::text(job.line.as_str())),
        (Word::Asked, Cell::text(&asked.tres)),
        (Word::Nodes, Cell::number(asked.nodes)),
        (Word::Tasks, Cell::number(asked.tasks)),
        (Word::CpusPerTask, Cell::number(asked.cpus_per_task)),
        (Word::Chips, Cell::text(asked.chips.join("|"))),
        (Word::PoolsAllowed, Cell::text(summary.pools.join(","))),
        (Word::TimeLimit, Cell::Seconds(summary.time_limit_seconds)),
        (Word::Begin, Cell::maybe(job.begin, Cell::Time)),
        (Word::Deadline, Cell::maybe(job.deadline, Cell::Time)),
        (Word::Dependencies, Cell::text(waits.join(","))),
        (Word::SubmittedAt, Cell::Time(summary.submitted_at)),
        (Word::ExpectedStart, Cell::maybe(summary.expected_start.filter(|_| summary.started_at.is_none()), Cell::Time)),
        (Word::Started, Cell::maybe(summary.started_at, Cell::Time)),
        (Word::Ended, Cell::maybe(summary.ended_at, Cell::Time)),
        (Word::RunTime, Cell::maybe(run_seconds(summary, now), Cell::Seconds)),
        (Word::Pool, Cell::maybe(summary.pool_name.as_ref(), Cell::text)),
        (Word::NodeList, Cell::text(nodes)),
        (if running { Word::ChargedSoFar } else { Word::Charged }, Cell::price(summary.charged, &summary.currency)),
        (Word::Corrections, corrected(job)),
        (Word::Regions, Cell::text(job.regions.join(","))),
        (Word::App, Cell::maybe(job.app.as_ref(), Cell::text)),
        (Word::Conditions, Cell::text(job.conditions.join(" "))),
        (Word::Requeues, Cell::YesNo(job.requeue)),
        (Word::Preemptible, Cell::YesNo(job.preemptible)),
        (Word::Checkpoint, Cell::maybe(job.checkpoint.as_ref(), checkpoint_cell)),
        (Word::WorkDir, Cell::maybe(job.work_dir.as_ref(), Cell::text)),
        (Word::Stdout, Cell::maybe(job.stdout.as_ref(), Cell::text)),
        (Word::Stderr, Cell::maybe(job.stderr.as_ref(), Cell::text)),
        (Word::Arguments, Cell::text(job.args.join(" "))),
        (Word::Comment, Cell::maybe(job.comment.as_ref(), Cell::text)),
    ]
}

/// What corrections added to what was charged; nothing where there are none.
fn corrected(job: &Job) -> Cell {
    let sum = job.corrections.iter().map(|one| one.amount.0).sum::<base::Money>();
    let reasons: Vec<&str> = job.corrections.iter().map(|one| one.reason.as_str()).collect();
    let said = || Cell::text(format!("{sum} {} ({})", job.summary.currency, reasons.join("; ")));
    if reasons.is_empty() { Cell::default() } else { said() }
}

/// Names in Slurm's short form.
pub fn nodes_text(nodes: &[String]) -> String {
    crate::slurm::hostlist::compress(nodes.iter().map(String::as_str))
}

/// When, of which attempt, and how much.
fn checkpoint_cell(checkpoint: &wire::job::Checkpoint) -> Cell {
    let (at, files, bytes) = (checkpoint.at.0.rfc3339(), checkpoint.files, checkpoint.bytes);
    let size = base::Bytes(bytes);
    Cell::Both {
        en: format!("{at}, attempt {}: {files} files, {size}", checkpoint.attempt),
        zh: format!("{at}，第 {} 次尝试：{files} 个文件，{size}", checkpoint.attempt),
    }
}

fn exit_cell(exit: Ended) -> Cell {
    let tone = if exit.code == 0 && exit.signal == 0 { Tone::Good } else { Tone::Bad };
    Cell::Toned(format!("{}:{}", exit.code, exit.signal), tone)
}

fn attempts(attempts: &[Attempt]) -> Table {
    let heads = [
        Word::Attempt,
        Word::Pool,
        Word::NodeList,
        Word::Phase,
        Word::Started,
        Word::Ended,
        Word::Exit,
        Word::CpuTime,
        Word::MemoryPeak,
        Word::Read,
        Word::Written,
    ];
    let row = |attempt: &Attempt| {
        let phase = attempt.outcome.map_or(attempt.phase.as_str(), |outcome| outcome.as_str());
        vec![
            Cell::number(attempt.number),
            Cell::text(&attempt.pool_name),
            Cell::text(nodes_text(&attempt.nodes)),
            Cell::text(phase),
            Cell::maybe(attempt.started_at, Cell::Time),
            Cell::maybe(attempt.ended_at, Cell::Time),
            Cell::maybe(attempt.exit, exit_cell),
            Cell::Seconds(attempt.usage.cpu_seconds),
            Cell::Bytes(attempt.usage.memory_peak_bytes),
            Cell::Bytes(attempt.usage.read_bytes),
            Cell::Bytes(attempt.usage.written_bytes),
        ]
    };
    Table::new("attempt", &heads).with(attempts.iter().map(row))
}

/// Time, what, whose doing.
pub fn timeline(events: &Page<Event>) -> Table {
    let row = |event: &Event| {
        vec![
            Cell::Time(event.at),
            Cell::maybe(event.state, Cell::State),
            Cell::Both { en: event.text_en.clone(), zh: event.text_zh.clone() },
            actor(&event.actor),
        ]
    };
    Table::new("event", &[Word::Time, Word::State, Word::What, Word::Who]).with(events.items.iter().map(row))
}

pub fn actor(actor: &Actor) -> Cell {
    let name = actor.name.as_ref().or(actor.id.as_ref());
    match (actor.kind.as_str(), name) {
        ("platform", _) | (_, None) => Cell::text(&actor.kind),
        ("user", Some(name)) => Cell::text(name),
        (kind, Some(name)) => Cell::text(format!("{kind} {name}")),
    }
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The job: 12, 12_3 or job_…
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The choice of this attempt; the latest when left out
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
}

pub async fn explain(desk: &Desk, args: Explain) -> Result<View, Fault> {
    let explanation = desk.client()?.explain(&args.job, args.attempt).await?;
    Ok(explain_view(&explanation))
}

pub fn explain_view(explanation: &Explanation) -> View {
    let facts = vec![
        (Word::Job, Cell::text(explanation.job.to_string())),
        (Word::LookedAt, Cell::Time(explanation.at)),
        (Word::Phase, Cell::text(explanation.phase.as_str())),
        (Word::Attempt, Cell::maybe(explanation.attempt, Cell::number)),
        (Word::Currency, Cell::text(&explanation.currency)),
    ];
    let table = candidates(&explanation.candidates);
    View::of(explanation, vec![Part::Facts(facts), Part::Title(Word::Candidates), Part::Table(table)])
}

/// The candidate table. The columns of costs are there for those who may see them, those of data and users for work that has some.
pub fn candidates(candidates: &[Candidate]) -> Table {
    let heads = [
        Word::Chosen,
        Word::Pool,
        Word::Cluster,
        Word::Mode,
        Word::Verdict,
        Word::Requested,
        Word::Available,
        Word::DataTime,
        Word::ExpectedStart,
        Word::RunTime,
        Word::Latency,
        Word::Price,
        Word::PaidByContracts,
        Word::PaidByGrants,
        Word::ToPay,
        Word::Cost,
        Word::DataCost,
        Word::Score,
    ];
    let row = |one: &Candidate| {
        let verdict = Cell::Both { en: one.text_en.clone(), zh: one.text_zh.clone() };
        vec![
            Cell::text(if one.chosen { "*" } else { "" }),
            Cell::text(&one.pool_name),
            Cell::text(&one.cluster_name),
            Cell::text(one.mode.as_str()),
            verdict,
            Cell::maybe(one.requested.as_ref(), Cell::text),
            Cell::maybe(one.available.as_ref(), Cell::text),
            Cell::maybe(one.data_time_seconds, Cell::Seconds),
            Cell::maybe(one.expected_start, Cell::Time),
            Cell::maybe(one.run_time_seconds, Cell::Seconds),
            Cell::maybe(one.latency_seconds, |seconds| Cell::number(format!("{:.1} ms", seconds * 1e3))),
            Cell::maybe(one.price, Cell::Money),
            Cell::maybe(one.covered, Cell::Money),
            Cell::maybe(one.granted, Cell::Money),
            Cell::maybe(one.to_pay, Cell::Money),
            Cell::maybe(one.cost, Cell::Money),
            Cell::maybe(one.data_cost, Cell::Money),
            Cell::maybe(one.score, |score| Cell::number(format!("{score:.3}"))),
        ]
    };
    let mut table = Table::new("candidate", &heads).with(candidates.iter().map(row));
    let any = |has: fn(&Candidate) -> bool| candidates.iter().any(has);
    let some = |amount: Option<wire::MoneyText>| amount.is_some_and(|amount| amount != wire::MoneyText::default());
    let (covered, granted) = (candidates.iter().any(|c| some(c.covered)), candidates.iter().any(|c| some(c.granted)));
    let kept = [
        (Word::PaidByContracts, covered),
        (Word::PaidByGrants, granted),
        (Word::ToPay, covered || granted),
        (Word::Cost, any(|c| c.cost.is_some())),
        (Word::DataCost, any(|c| c.data_cost.is_some())),
        (Word::DataTime, any(|c| c.data_time_seconds.is_some())),
        (Word::Latency, any(|c| c.latency_seconds.is_some())),
    ];
    for (word, _) in kept.into_iter().filter(|(_, kept)| !kept) {
        if let Some(at) = table.heads.iter().position(|head| *head == word) {
            table.heads.remove(at);
            table.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
    }
    table
}
