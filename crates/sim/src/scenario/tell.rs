//! Events, explanations and books as plain lines, for transcripts. Refuses to know how they came about.

use std::collections::BTreeMap;
use std::fmt::Write;

use base::{AttemptId, JobId, PoolId, Timestamp};
use model::{Actor, ContractStep, Event, EventKind};
use sched::{Explanation, Verdict};

use crate::tables::Tables;
use crate::world::EPOCH;

/// The scenario's names for what it made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub jobs: BTreeMap<JobId, String>,
}

impl Names {
    /// `a`, `a[3]`, or the job's number.
    pub fn job(&self, tables: &Tables, job: JobId) -> String {
        let Some(row) = tables.jobs.get(&job) else { return job.to_string() };
        match row.job.array {
            Some(array) => {
                let root = self.jobs.get(&array.root).cloned().unwrap_or_else(|| array.root_number.to_string());
                format!("{root}[{}]", array.index)
            }
            None => self.jobs.get(&job).cloned().unwrap_or_else(|| format!("number {}", row.job.number)),
        }
    }
}

/// Time since the scenario's beginning as `h:mm:ss`, with milliseconds where there are any.
pub(crate) fn clock(at: Timestamp) -> String {
    let us = (at - EPOCH).as_micros();
    let sign = if us < 0 { "-" } else { "" };
    let ms = us.unsigned_abs() / 1_000;
    let (s, ms) = (ms / 1_000, ms % 1_000);
    let mut text = format!("{sign}{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    if ms > 0 {
        let _ = write!(text, ".{ms:03}");
    }
    text
}

fn pool_name(tables: &Tables, pool: PoolId) -> String {
    tables.pools.get(&pool).map_or_else(|| pool.to_string(), |p| p.name.to_string())
}

/// One event as a line: time, job, state, what, cause.
pub(crate) fn event(tables: &Tables, names: &Names, event: &Event) -> String {
    let job = event.job.map_or_else(String::new, |job| names.job(tables, job));
    let state = event.state.map_or("", |s| s.as_str());
    let by = match event.actor {
        Actor::Platform => "platform".to_owned(),
        Actor::User(user) => tables.users.get(&user).map_or_else(|| user.to_string(), |u| u.name.to_string()),
        Actor::Cluster(c) => tables.clusters.get(&c).map_or_else(|| c.to_string(), |c| format!("cluster {}", c.name)),
    };
    let subject = if job.is_empty() { "-".to_owned() } else { job };
    format!("{:>9}  {subject:<6} {state:<11} {} ({by})", clock(event.at), what(tables, names, &event.what))
}

/// The stable word of an event, as `expect event` names it.
pub(crate) fn word(kind: &EventKind) -> String {
    let text = serde_json::to_value(kind).ok();
    text.and_then(|v| Some(v.get("kind")?.as_str()?.to_owned())).unwrap_or_default()
}

/// What became of a run on a pool that the job has left.
fn elsewhere(tables: &Tables, kind: &EventKind) -> String {
    let name = |pool: &base::PoolId| pool_name(tables, *pool);
    match kind {
        EventKind::Moved { attempt, from, why } => {
            format!("attempt {} moves away from {}: {}", attempt.number, name(from), why.as_str())
        }
        EventKind::Twinned { attempt, from } => {
            format!("attempt {} on {} is not heard of: a twin elsewhere", attempt.number, name(from))
        }
        EventKind::Returned { attempt, pool } => {
            format!("attempt {} on {} counts again", attempt.number, name(pool))
        }
        _ => String::new(),
    }
}

fn contract_changed(contract: u64, step: ContractStep) -> String {
    match step {
        ContractStep::Unpaid { fee, available } => format!("contract {contract} unpaid: {fee} of {available}"),
        step => format!("contract {contract} {}", step.as_str().replace('_', " ")),
    }
}

fn budget(kind: &EventKind) -> String {
    match kind {
        EventKind::BudgetAlert { budget, percent, spent, amount, .. } => {
            format!("budget {budget}: {percent} % of {amount} reached, {spent} spent")
        }
        EventKind::BudgetStop { budget, stop_at } => {
            format!("budget {budget} is used up, its work is stopped at {}", clock(*stop_at))
        }
        _ => String::new(),
    }
}

fn what(tables: &Tables, names: &Names, kind: &EventKind) -> String {
    let number = |attempt: &AttemptId| format!("attempt {}", attempt.number);
    match kind {
        EventKind::Submitted { hold } => format!("submitted, {hold} set aside"),
        EventKind::Held { by } => format!("held by {by:?}").to_lowercase(),
        EventKind::Released => "released".into(),
        EventKind::Placed { attempt, pool } => format!("{} placed on {}", number(attempt), pool_name(tables, *pool)),
        EventKind::Queued { attempt, .. } => format!("{} accepted", number(attempt)),
        EventKind::Started { attempt, nodes } => format!("{} started on {}", number(attempt), nodes.join(",")),
        EventKind::Ending { cause } => format!("ending: {cause:?}").to_lowercase(),
        EventKind::Ended { outcome, exit, charged } => {
            let exit = exit.map_or_else(String::new, |e| format!(", exit {}:{}", e.code, e.signal));
            format!("ended: {}{exit}, charged {charged}", format!("{outcome:?}").to_lowercase())
        }
        EventKind::Requeued { after } => format!("back in the queue after {}", format!("{after:?}").to_lowercase()),
        EventKind::HandOverFailed { attempt, text } => format!("{} not started: {text}", number(attempt)),
        EventKind::BalanceLow { available, needed, stop_at } => {
            format!("balance low: {available} available, {needed} more needed, stops at {}", clock(*stop_at))
        }
        EventKind::BalanceRestored => "balance restored".into(),
        EventKind::BudgetAlert { .. } | EventKind::BudgetStop { .. } => budget(kind),
        EventKind::TimeLimitWarning { signal } => format!("warned of the time limit by signal {signal}"),
        EventKind::Interrupted { attempt, outcome, text } => {
            let words = text.as_ref().map_or_else(String::new, |t| format!(": {t}"));
            format!("{} interrupted ({outcome:?}), queued there again{words}", number(attempt))
        }
        EventKind::Suspended { attempt } => format!("{} suspended", number(attempt)),
        EventKind::Continued { attempt } => format!("{} goes on", number(attempt)),
        EventKind::Remark { attempt, text } => format!("{}: \"{text}\"", number(attempt)),
        EventKind::Fetched { files, bytes, folder } => format!("{files} results, {bytes} B, in {folder}"),
        EventKind::Uploaded { path, bytes } => format!("`{path}` was put there, {bytes} B"),
        EventKind::FetchFailed { text } => format!("results not fetched: {text}"),
        EventKind::Restored { attempt, from, files, bytes, .. } => {
            format!("{} goes on from a checkpoint of attempt {from}: {files} files, {bytes} B", number(attempt))
        }
        EventKind::CheckpointFailed { attempt, text } => format!("{}: no checkpoint: {text}", number(attempt)),
        EventKind::Preempting { attempt, by, why, signal, at } => {
            let (by, at) = (names.job(tables, *by), clock(*at));
            format!("{} makes room for {by} ({}): signal {signal}, ended at {at}", number(attempt), why.as_str())
        }
        EventKind::Spared { attempt } => format!("{} need not make room any more", number(attempt)),
        EventKind::Withdrawn { attempt } => format!("{} given back", number(attempt)),
        EventKind::Waived { attempt, amount } => format!("{} not billed, {amount} given back", number(attempt)),
        EventKind::Moved { .. } | EventKind::Twinned { .. } | EventKind::Returned { .. } => elsewhere(tables, kind),
        EventKind::LateAnswer { attempt, outcome } => {
            let what = outcome.map_or_else(|| "is there".to_owned(), |o| format!("ended {o:?}"));
            format!("{}, abandoned, {what}", number(attempt))
        }
        EventKind::PriorityChanged => "class changed".into(),
        EventKind::TimeLimitChanged { micros } => format!("time limit now {}", base::Span::from_micros(*micros)),
        EventKind::WalletChanged { amount } => format!("wallet {amount}"),
        EventKind::Corrected { amount, reason } => format!("corrected {amount} ({reason})"),
        EventKind::StatementClosed { statement, month, due } => format!("statement {statement} of {month}: {due}"),
        EventKind::PoolChanged { pool } => format!("pool {}", pool_name(tables, *pool)),
        EventKind::NodeChanged { pool, node, state } => {
            format!("node {}/{node} {}", pool_name(tables, *pool), format!("{state:?}").to_lowercase())
        }
        EventKind::SupplierTermOver { pool, .. } => format!("term over: {}", pool_name(tables, *pool)),
        EventKind::ClusterUnreachable { .. } => "cluster does not answer".into(),
        EventKind::ClusterReachable { .. } => "cluster answers".into(),
        EventKind::TenantChanged => "tenant changed".into(),
        EventKind::UserChanged { .. } => "user changed".into(),
        EventKind::PricesChanged => "prices changed".into(),
        EventKind::ContractChanged { contract, step } => contract_changed(*contract, *step),
        EventKind::GrantChanged { grant, step, amount } => format!("grant {grant} {}: {amount}", step.as_str()),
    }
}

/// The candidate table.
pub(crate) fn explanation(e: &Explanation) -> Vec<String> {
    let row = |c: &sched::Candidate| {
        let verdict = match &c.verdict {
            Verdict::Feasible => "feasible".to_owned(),
            Verdict::Refused(rule) => rule.code().to_owned(),
        };
        let start = c.expected_start.map_or_else(|| "-".to_owned(), clock);
        let money = |m: Option<base::Money>| m.map_or_else(|| "-".to_owned(), |m| m.to_string());
        let chosen = if c.chosen { "  <- chosen" } else { "" };
        let (price, cost) = (money(c.price), money(c.cost));
        let way = c.data_time.map_or_else(String::new, |time| format!(" data {time} for {}", money(c.data_cost)));
        let users = c.latency.map_or_else(String::new, |latency| format!(" users {latency}"));
        format!("{:<8} {verdict:<18} start {start:<9} price {price:<9} cost {cost}{way}{users}{chosen}", c.pool_name)
    };
    e.candidates.iter().map(row).collect()
}

/// The trial balance, account by account.
pub(crate) fn books(tables: &Tables) -> Vec<String> {
    let name = |code: &str| {
        let tenants = tables.tenants.values().map(|t| (t.id.to_string(), t.name.to_string()));
        let pools = tables.pools.values().map(|p| (p.id.to_string(), p.name.to_string()));
        tenants.chain(pools).fold(code.to_owned(), |text, (id, name)| text.replace(&id, &name))
    };
    let mut lines: Vec<String> = tables
        .accounts
        .values()
        .map(|a| format!("{:<44} {:>14} {:>14} held {}", name(a.code.as_str()), a.debits, a.credits, a.held))
        .collect();
    lines.sort();
    let (debits, credits) = tables
        .accounts
        .values()
        .fold((0i128, 0i128), |(d, c), a| (d + i128::from(a.debits.0), c + i128::from(a.credits.0)));
    let verdict = if debits == credits { "balanced" } else { "NOT BALANCED" };
    lines.push(format!("{verdict}; the auditor found {}", tables.auditor.findings().len()));
    lines
}
