//! How values become columns and back: versioned JSON documents, states as small numbers, jobs as columns.
//! Readers ignore fields they do not know and refuse a version they do not know. Knows no statement.

use base::{
    AccountId, AttemptId, Currency, HoldId, JobId, Money, PoolId, PriceBookId, ProjectId, SpecId, TenantId, Timestamp,
    TransferId, UserId,
};
use engine::{AuditEntry, JobRow, PolicyVersion, Report};
use ledger::{Account, AccountCode, AccountKind, Floor, Hold, HoldState, Memo, Transfer, TransferReason};
use model::{
    Actor, ArrayRef, Attempt, Avoid, Cluster, ClusterLink, ClusterReport, Dependency, Event, EventKind, Exit, Job,
    JobSpec, Outcome, Phase, Pool, PriorityClass, Project, StateCode, Supplier, Tenant, Token, User,
};
use rating::{CostParts, Interval, Meter, PoolCost, PriceBook, Stretch, Upkeep, Volumes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::db::{Args, Columns, Row, Sql, unreadable};
use crate::packed::Field::{Free, Ids, Int, Json};
use crate::packed::Table;

/// A value kept as a JSON document. The version changes only when an old reader could not make sense of a new
/// document; a new optional field needs no new version.
pub(crate) trait Doc: Serialize + DeserializeOwned {
    const KIND: &'static str;
    const VERSION: i64 = 1;
    /// The first that is still read.
    const OLDEST: i64 = Self::VERSION;
}

macro_rules! docs {
    ($($type:ty, $kind:literal;)+) => {$(
        impl Doc for $type {
            const KIND: &'static str = $kind;
        }
    )+};
}
docs! {
    Tenant, "tenant";
    Project, "project";
    User, "user";
    Token, "token";
    Supplier, "supplier";
    Cluster, "cluster";
    ClusterLink, "link to a cluster";
    ClusterReport, "report on a cluster";
    Pool, "pool";
    PoolCost, "pool cost";
    Upkeep, "stretch of a pool";
    Volumes, "tenant's quantities";
    PolicyVersion, "policy";
    rating::contract::Contract, "contract";
    rating::contract::Period, "month of a contract";
    rating::Budget, "budget";
    rating::Grant, "grant";
    rating::SupplierTerms, "supplier's terms";
    rating::Rate, "rate between currencies";
    rating::Usage, "usage";
    rating::settlement::Statement, "settlement";
    rating::settlement::Line, "line of a settlement";
    rating::statement::TenantStatement, "statement";
    rating::statement::Invoice, "invoice";
    rating::statement::Correction, "correction";
    JobSpec, "job specification";
    JobDoc, "job";
    Attempt, "attempt";
    EventKind, "event";
    AuditEntry, "audit entry";
    Report, "report";
    ledger::Reference, "reference";
}

/// Version 1 had three prices where there are items now, respectively the parts of a tariff. It is still read.
impl Doc for PriceBook {
    const KIND: &'static str = "price book";
    const VERSION: i64 = 2;
    const OLDEST: i64 = 1;
}
impl Doc for Meter {
    const KIND: &'static str = "meter";
    const VERSION: i64 = 2;
    const OLDEST: i64 = 1;
}

/// Explanations pass through as JSON: their type belongs to the scheduler, which this crate does not know.
pub(crate) const EXPLANATION_VERSION: i64 = 1;

/// Why a value could not be turned into a row.
pub(crate) type Encoded = Result<(), serde_json::Error>;

/// Two columns: version and document.
pub(crate) fn put<T: Doc>(args: &mut Args, value: &T) -> Encoded {
    args.int(T::VERSION);
    args.text(serde_json::to_string(value)?);
    Ok(())
}

pub(crate) fn put_opt<T: Doc>(args: &mut Args, value: Option<&T>) -> Encoded {
    args.int(T::VERSION);
    args.opt_text(value.map(serde_json::to_string).transpose()?);
    Ok(())
}

/// Reads the version at `column` and the document after it.
pub(crate) fn get<T: Doc>(row: &Row, column: usize) -> Sql<T> {
    parse::<T>(row.int(column)?, row.text(column + 1)?)
}

pub(crate) fn get_opt<T: Doc>(row: &impl Columns, column: usize) -> Sql<Option<T>> {
    let version = row.int(column)?;
    row.opt_text(column + 1)?.map(|text| parse::<T>(version, text)).transpose()
}

pub(crate) fn parse<T: Doc>(version: i64, text: &str) -> Sql<T> {
    let kind = T::KIND;
    if !(T::OLDEST..=T::VERSION).contains(&version) {
        return Err(unreadable(format_args!("a {kind} of version {version}; this program knows {}", T::VERSION)));
    }
    serde_json::from_str(text).map_err(|error| unreadable(format_args!("a {kind}: {error}")))
}

/// What changes about a job besides its columns. Left out of the row while the job waits for its first attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobDoc {
    pub(crate) phase: Phase,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) failed_starts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<Exit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dependencies: Vec<Dependency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) avoid: Option<Box<Avoid>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preempted_at: Option<Timestamp>,
}

impl JobDoc {
    fn of(job: &Job) -> Option<JobDoc> {
        let fresh = *job.phase() == Phase::Pending
            && (job.attempts, job.failed_starts, job.not_before, job.exit) == (0, 0, None, None)
            && job.dependencies.is_empty()
            && job.avoid.is_none()
            && job.preempted_at.is_none();
        (!fresh).then(|| JobDoc {
            phase: *job.phase(),
            attempts: job.attempts,
            failed_starts: job.failed_starts,
            not_before: job.not_before,
            exit: job.exit,
            dependencies: job.dependencies.clone(),
            avoid: job.avoid.clone(),
            preempted_at: job.preempted_at,
        })
    }
}

/// States as stored: their place in [`StateCode::ALL`], which therefore only grows at its end.
pub(crate) fn state_number(state: StateCode) -> i64 {
    StateCode::ALL.iter().position(|s| *s == state).unwrap_or(StateCode::ALL.len()) as i64
}

pub(crate) fn state_from(number: i64) -> Sql<StateCode> {
    let found = usize::try_from(number).ok().and_then(|n| StateCode::ALL.get(n));
    found.copied().ok_or_else(|| unreadable(format_args!("job state {number}")))
}

/// Classes as stored: their place in [`PriorityClass::ALL`], which is known to the schema's step of lists.
pub(crate) fn class_number(class: PriorityClass) -> i64 {
    PriorityClass::ALL.iter().position(|one| *one == class).unwrap_or_default() as i64
}

fn class_from(number: i64) -> Sql<PriorityClass> {
    let found = usize::try_from(number).ok().and_then(|n| PriorityClass::ALL.get(n));
    found.copied().ok_or_else(|| unreadable(format_args!("class {number}")))
}

/// How a job in this state has ended; `None` for an open one.
pub(crate) const fn outcome_of(state: StateCode) -> Option<Outcome> {
    match state {
        StateCode::Pending | StateCode::Held | StateCode::Running | StateCode::Completing => None,
        StateCode::Completed => Some(Outcome::Completed),
        StateCode::Failed => Some(Outcome::Failed),
        StateCode::Cancelled => Some(Outcome::Cancelled),
        StateCode::Timeout => Some(Outcome::Timeout),
        StateCode::OutOfMemory => Some(Outcome::OutOfMemory),
        StateCode::NodeFail => Some(Outcome::NodeFail),
        StateCode::Preempted => Some(Outcome::Preempted),
    }
}

/// Amounts beyond 2⁶³ do not occur (memory is bounded by 2⁵³, cores by the machine park); they would be cut.
pub(crate) fn natural(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn put_job(args: &mut Args, row: &JobRow) -> Encoded {
    let JobRow { job, name, pool, started_at, ended_at, charged, hold, class } = row;
    args.int(natural(job.number));
    args.id(job.id.as_u128());
    args.id(job.tenant.as_u128());
    args.id(job.project.as_u128());
    args.id(job.user.as_u128());
    args.id(job.spec.as_u128());
    args.opt_id(job.array.map(|a| a.root.as_u128()));
    args.opt_int(job.array.map(|a| natural(a.root_number)));
    args.opt_int(job.array.map(|a| i64::from(a.index)));
    args.text(name.as_ref());
    args.int(state_number(job.state()));
    args.int(i64::from(job.is_open()));
    args.opt_id(pool.map(PoolId::as_u128));
    args.int(job.submitted_at.as_micros());
    args.opt_int(started_at.map(Timestamp::as_micros));
    args.opt_int(ended_at.map(Timestamp::as_micros));
    args.int(charged.micros());
    args.opt_id(hold.map(HoldId::as_u128));
    args.int(class_number(*class));
    put_opt(args, JobDoc::of(job).as_ref())
}

/// What [`get_job`] reads, in order; `j` is the table.
/// The five ids come as one value, because every column of a row has its price when a million rows are read.
pub(crate) const JOB_COLUMNS: &str = "j.number, j.id || j.tenant || j.project || j.user_id || j.spec, j.array_root, \
    j.array_number, j.array_index, j.name, j.pool, j.submitted_at, j.started_at, j.ended_at, j.charged, j.hold, j.class, \
    j.v, j.doc";
/// How many columns that is.
pub(crate) const JOB_WIDTH: usize = 15;
/// The same of all open jobs.
pub(crate) const OPEN_JOBS: Table<JOB_WIDTH> = Table {
    name: "jobs",
    key: "number",
    fields: [
        Int("number"),
        Ids("id || tenant || project || user_id || spec"),
        Ids("array_root"),
        Int("array_number"),
        Int("array_index"),
        Free("name"),
        Ids("pool"),
        Int("submitted_at"),
        Int("started_at"),
        Int("ended_at"),
        Int("charged"),
        Ids("hold"),
        Int("class"),
        Int("v"),
        Json("doc"),
    ],
};

pub(crate) fn get_job(row: &impl Columns) -> Sql<JobRow> {
    let [id, tenant, project, user, spec] = row.ids(1)?;
    let array = match row.opt_id(2)? {
        Some(root) => {
            Some(ArrayRef { root: JobId::from_u128(root), root_number: row.natural(3)?, index: row.small(4)? })
        }
        None => None,
    };
    let mut job = Job::new(
        JobId::from_u128(id),
        row.natural(0)?,
        TenantId::from_u128(tenant),
        ProjectId::from_u128(project),
        UserId::from_u128(user),
        SpecId::from_u128(spec),
        array,
        None,
        Timestamp::from_micros(row.int(7)?),
    );
    if let Some(doc) = get_opt::<JobDoc>(row, 13)? {
        let JobDoc { phase, attempts, failed_starts, not_before, exit, dependencies, avoid, preempted_at } = doc;
        job = job.at_phase(phase);
        job.dependencies = dependencies;
        job.avoid = avoid;
        job.preempted_at = preempted_at;
        (job.attempts, job.failed_starts, job.not_before, job.exit) = (attempts, failed_starts, not_before, exit);
    }
    Ok(JobRow {
        job,
        name: row.free_text(5)?,
        pool: row.opt_id(6)?.map(PoolId::from_u128),
        started_at: row.opt_int(8)?.map(Timestamp::from_micros),
        ended_at: row.opt_int(9)?.map(Timestamp::from_micros),
        charged: Money(row.int(10)?),
        hold: row.opt_id(11)?.map(HoldId::from_u128),
        class: class_from(row.int(12)?)?,
    })
}

pub(crate) fn put_attempt(args: &mut Args, attempt: &Attempt) -> Encoded {
    args.id(attempt.id.job.as_u128());
    args.int(i64::from(attempt.id.number));
    args.id(attempt.pool.as_u128());
    args.int(i64::from(attempt.phase.is_open()));
    put(args, attempt)
}

pub(crate) fn put_interval(args: &mut Args, interval: &Interval) -> Encoded {
    let Interval { attempt, seq, from, to, granted, book, run, charge, uncollected, drawn, credits, cost } = interval;
    args.id(attempt.job.as_u128());
    args.int(i64::from(attempt.number));
    args.int(i64::from(*seq));
    args.int(from.as_micros());
    args.int(to.as_micros());
    args.int(natural(granted.cpu.0));
    args.int(natural(granted.mem.0));
    args.int(i64::from(granted.gpus));
    args.int(charge.micros());
    args.int(uncollected.micros());
    args.int(cost.depreciation.micros());
    args.int(cost.datacentre.micros());
    args.int(cost.fee.micros());
    args.opt_id(book.map(PriceBookId::as_u128));
    args.opt_int(run.map(Timestamp::as_micros));
    args.int(interval.drawn_value().micros());
    args.opt_text(if drawn.is_empty() { None } else { Some(serde_json::to_string(drawn)?) });
    args.int(interval.credited().micros());
    args.opt_text(if credits.is_none() { None } else { Some(serde_json::to_string(credits)?) });
    Ok(())
}

pub(crate) const INTERVAL_COLUMNS: &str = "job, attempt, seq, from_at, to_at, cpu_millis, memory_bytes, gpus, \
    charge, uncollected, depreciation, datacentre, fee, book, run, draws, credits";

/// How many these are, and so where columns after them begin.
pub(crate) const INTERVAL_WIDTH: usize = 17;

pub(crate) fn get_interval(row: &Row) -> Sql<Interval> {
    Ok(Interval {
        attempt: AttemptId::new(JobId::from_u128(row.id(0)?), row.small(1)?),
        seq: row.small(2)?,
        from: Timestamp::from_micros(row.int(3)?),
        to: Timestamp::from_micros(row.int(4)?),
        granted: get_resources(row, 5)?,
        book: row.opt_id(13)?.map(PriceBookId::from_u128),
        run: row.opt_int(14)?.map(Timestamp::from_micros),
        charge: Money(row.int(8)?),
        uncollected: Money(row.int(9)?),
        cost: get_cost(row, 10)?,
        drawn: get_parts(row, 15)?.into(),
        credits: get_parts(row, 16)?.into(),
    })
}

/// A list as JSON; nothing where there is none.
fn get_parts<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> Sql<Vec<T>> {
    let text = row.opt_text(column)?;
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(text).map_err(crate::db::unreadable))
}

/// Three columns: depreciation, data centre, fee.
pub(crate) fn get_cost(row: &Row, column: usize) -> Sql<CostParts> {
    let amount = |n| row.int(column + n).map(Money);
    Ok(CostParts { depreciation: amount(0)?, datacentre: amount(1)?, fee: amount(2)? })
}

pub(crate) fn put_stretch(args: &mut Args, stretch: &Stretch) {
    let Stretch { pool, from, to, counts, owed, worked, rest } = stretch;
    args.id(pool.as_u128());
    args.int(from.as_micros());
    args.int(to.as_micros());
    for nodes in [counts.nodes, counts.outage, counts.maintenance, counts.reserve] {
        args.int(i64::from(nodes));
    }
    args.int(owed.depreciation.micros());
    args.int(owed.datacentre.micros());
    args.int(worked.total().micros());
    rest.iter().for_each(|part| args.int(part.total().micros()));
}

/// Three columns: thousandths of cores, bytes, cards.
pub(crate) fn get_resources(row: &Row, column: usize) -> Sql<base::Resources> {
    Ok(base::Resources {
        cpu: base::CpuMillis(row.natural(column)?),
        mem: base::Bytes(row.natural(column + 1)?),
        gpus: row.small(column + 2)?,
    })
}

pub(crate) fn put_event(args: &mut Args, event: &Event) -> Encoded {
    let Event { seq, at, tenant, job, state, actor, what } = event;
    args.int(natural(*seq));
    args.int(at.as_micros());
    args.opt_id(tenant.map(TenantId::as_u128));
    args.opt_id(job.map(JobId::as_u128));
    args.opt_int(state.map(state_number));
    let (kind, id) = match actor {
        Actor::Platform => (0, None),
        Actor::User(user) => (1, Some(user.as_u128())),
        Actor::Cluster(cluster) => (2, Some(cluster.as_u128())),
    };
    args.int(kind);
    args.opt_id(id);
    put(args, what)
}

pub(crate) const EVENT_COLUMNS: &str = "seq, at, tenant, job, state, actor_kind, actor, v, doc";

pub(crate) fn get_event(row: &Row) -> Sql<Event> {
    let actor = match (row.int(5)?, row.opt_id(6)?) {
        (0, None) => Actor::Platform,
        (1, Some(id)) => Actor::User(UserId::from_u128(id)),
        (2, Some(id)) => Actor::Cluster(base::ClusterId::from_u128(id)),
        (kind, _) => return Err(unreadable(format_args!("an actor of kind {kind}"))),
    };
    Ok(Event {
        seq: row.natural(0)?,
        at: Timestamp::from_micros(row.int(1)?),
        tenant: row.opt_id(2)?.map(TenantId::from_u128),
        job: row.opt_id(3)?.map(JobId::from_u128),
        state: row.opt_int(4)?.map(state_from).transpose()?,
        actor,
        what: get(row, 7)?,
    })
}

pub(crate) fn put_account(args: &mut Args, account: &Account) {
    let Account { id, code, kind, currency, floor, debits, credits, held } = account;
    args.id(id.as_u128());
    args.text(code.as_str());
    args.text(kind.as_str());
    args.text(currency.as_str());
    args.opt_int(match floor {
        Floor::NotBelow(money) => Some(money.micros()),
        Floor::Unlimited => None,
    });
    args.int(debits.micros());
    args.int(credits.micros());
    args.int(held.micros());
}

pub(crate) const ACCOUNT_COLUMNS: &str = "id, code, kind, currency, floor, debits, credits, held";

pub(crate) fn get_account(row: &Row) -> Sql<Account> {
    let kind = row.text(2)?;
    Ok(Account {
        id: AccountId::from_u128(row.id(0)?),
        code: AccountCode::new(row.text(1)?).map_err(unreadable)?,
        kind: AccountKind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(|| unreadable(format_args!("an account of kind {kind}")))?,
        currency: get_currency(row, 3)?,
        floor: row.opt_int(4)?.map_or(Floor::Unlimited, |micros| Floor::NotBelow(Money(micros))),
        debits: Money(row.int(5)?),
        credits: Money(row.int(6)?),
        held: Money(row.int(7)?),
    })
}

pub(crate) fn get_currency(row: &Row, column: usize) -> Sql<Currency> {
    row.text(column)?.parse().map_err(unreadable)
}

pub(crate) fn put_hold(args: &mut Args, hold: &Hold) {
    let Hold { id, account, initial, amount, settled, state, opened_at, expires_at } = hold;
    args.id(id.as_u128());
    args.id(account.as_u128());
    args.int(initial.micros());
    args.int(amount.micros());
    args.int(settled.micros());
    args.int(i64::from(*state == HoldState::Open));
    args.int(opened_at.as_micros());
    args.opt_int(expires_at.map(Timestamp::as_micros));
}

pub(crate) const HOLD_COLUMNS: &str = "id, account, amount_initial, amount, settled, open, opened_at, expires_at";
/// The same of all open holds.
pub(crate) const OPEN_HOLDS: Table<8> = Table {
    name: "holds",
    key: "id",
    fields: [
        Ids("id"),
        Ids("account"),
        Int("amount_initial"),
        Int("amount"),
        Int("settled"),
        Int("open"),
        Int("opened_at"),
        Int("expires_at"),
    ],
};

pub(crate) fn get_hold(row: &impl Columns) -> Sql<Hold> {
    Ok(Hold {
        id: HoldId::from_u128(row.id(0)?),
        account: AccountId::from_u128(row.id(1)?),
        initial: Money(row.int(2)?),
        amount: Money(row.int(3)?),
        settled: Money(row.int(4)?),
        state: if row.int(5)? == 1 { HoldState::Open } else { HoldState::Closed },
        opened_at: Timestamp::from_micros(row.int(6)?),
        expires_at: row.opt_int(7)?.map(Timestamp::from_micros),
    })
}

pub(crate) fn put_transfer(args: &mut Args, transfer: &Transfer) -> Encoded {
    let Transfer { id, debit, credit, amount, currency, at, reason, memo, reference, hold } = transfer;
    args.id(id.as_u128());
    args.id(debit.as_u128());
    args.id(credit.as_u128());
    args.int(amount.micros());
    args.text(currency.as_str());
    args.int(at.as_micros());
    args.text(reason.as_str());
    args.opt_id(reason.corrects().map(TransferId::as_u128));
    args.text(memo.as_str());
    args.opt_id(hold.map(HoldId::as_u128));
    put_opt(args, reference.as_ref())
}

pub(crate) const TRANSFER_COLUMNS: &str =
    "id, debit, credit, amount, currency, at, reason, corrects, memo, hold, v, reference";

pub(crate) fn get_transfer(row: &Row) -> Sql<Transfer> {
    let reason = row.text(6)?;
    let corrects = row.opt_id(7)?.map(TransferId::from_u128);
    Ok(Transfer {
        id: TransferId::from_u128(row.id(0)?),
        debit: AccountId::from_u128(row.id(1)?),
        credit: AccountId::from_u128(row.id(2)?),
        amount: Money(row.int(3)?),
        currency: get_currency(row, 4)?,
        at: Timestamp::from_micros(row.int(5)?),
        reason: TransferReason::from_parts(reason, corrects)
            .ok_or_else(|| unreadable(format_args!("a transfer because of `{reason}`")))?,
        memo: Memo::new(row.text(8)?).map_err(unreadable)?,
        hold: row.opt_id(9)?.map(HoldId::from_u128),
        reference: get_opt(row, 10)?,
    })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
