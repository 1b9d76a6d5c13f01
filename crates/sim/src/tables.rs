//! The shadow store: what a database would hold after each batch, as maps and lists in memory, with the database's
//! uniqueness rules and the ledger's auditor looking on. Refuses to know rows, SQL and files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{
    AccountId, AttemptId, ClusterId, HoldId, JobId, PoolId, PriceBookId, ProjectId, ScriptId, SpecId, SupplierId,
    TenantId, Timestamp, TransferId, UserId,
};
use engine::{AuditEntry, JobRow, Known, Record, Report, Snapshot};
use ledger::{Account, Auditor, Hold, LedgerRecord, Transfer};
use model::{Attempt, Cluster, Event, JobSpec, Outcome, Phase, Pool, Project, Supplier, Tenant, User};
use rating::{Interval, Meter, PoolCost, PriceBook, Stretch, Upkeep, Usage, Volumes};
use sched::{Explanation, ResourceSeconds};

/// Of lean tables: numbers of the last jobs, to find one that is given twice. More jobs than are open at any time.
const NUMBERS_KEPT: usize = 1 << 20;

/// A record that contradicts what is stored: always a defect of the engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("transfer {0} was committed twice")]
    TransferTwice(TransferId),
    #[error("interval {seq} of {attempt} does not follow {before}")]
    IntervalSeq { attempt: AttemptId, seq: u32, before: u32 },
    #[error("a stretch of {pool} begins at {from}, which is not where the one before ended")]
    StretchGap { pool: PoolId, from: Timestamp },
    #[error("event {seq} does not follow {before}")]
    EventSeq { seq: u64, before: u64 },
    #[error("audit entry {seq} does not follow {before}")]
    AuditSeq { seq: u64, before: u64 },
    #[error("number {number} belongs to {first} and {second}")]
    JobNumber { number: u64, first: JobId, second: JobId },
    #[error("{0} changed its content")]
    SpecChanged(SpecId),
    #[error("{0} changed its content")]
    ScriptChanged(ScriptId),
    #[error("{0} changed after it had ended")]
    JobReopened(JobId),
    #[error("{0} changed after it had ended")]
    AttemptReopened(AttemptId),
    #[error("an answer under key {0:032x} was stored twice")]
    AnswerTwice(u128),
    #[error("{0} was published twice")]
    PriceBookTwice(PriceBookId),
    #[error("usage {number} was booked twice, or does not follow {before}")]
    UsageTwice { number: u64, before: u64 },
}

/// A job that is over in every respect, taken out of the tables: its attempts are closed and nothing of it is metered any more.
#[derive(Clone, Debug)]
pub struct Settled {
    pub row: JobRow,
    /// In order of their numbers.
    pub attempts: Vec<Attempt>,
    /// In the order in which they were billed.
    pub intervals: Vec<Interval>,
}

/// Everything committed so far; of long runs (see [`Tables::lean`]) what is still open.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub suppliers: BTreeMap<SupplierId, Supplier>,
    pub clusters: BTreeMap<ClusterId, Cluster>,
    pub pools: BTreeMap<PoolId, Pool>,
    pub costs: BTreeMap<PoolId, Option<PoolCost>>,
    /// The open stretch of each pool, and those that are over.
    pub upkeep: BTreeMap<PoolId, Upkeep>,
    pub stretches: Vec<Stretch>,
    pub books: BTreeMap<PriceBookId, PriceBook>,
    pub volumes: BTreeMap<(TenantId, PriceBookId), Volumes>,
    pub policies: Vec<engine::PolicyVersion>,
    pub settlements: BTreeMap<u64, rating::settlement::Statement>,
    pub statements: BTreeMap<u64, rating::statement::TenantStatement>,
    pub invoices: BTreeMap<u64, rating::statement::Invoice>,
    pub corrections: Vec<rating::statement::Correction>,
    pub contracts: BTreeMap<u64, rating::contract::Contract>,
    pub months: BTreeMap<rating::contract::PeriodKey, rating::contract::Period>,
    pub supplier_terms: BTreeMap<SupplierId, rating::SupplierTerms>,
    pub budgets: BTreeMap<u64, rating::Budget>,
    pub rates: BTreeMap<u64, rating::Rate>,
    pub grants: BTreeMap<u64, rating::Grant>,
    /// Storage, traffic, requests and tokens as they were billed, and what is known of each by its key.
    pub usage: Vec<Usage>,
    pub usage_keys: BTreeMap<u128, Known>,
    pub tenants: BTreeMap<TenantId, Tenant>,
    pub projects: BTreeMap<ProjectId, Project>,
    pub users: BTreeMap<UserId, User>,
    pub specs: BTreeMap<SpecId, Arc<JobSpec>>,
    pub scripts: BTreeMap<ScriptId, Arc<str>>,
    pub jobs: BTreeMap<JobId, JobRow>,
    pub attempts: BTreeMap<AttemptId, Attempt>,
    pub meters: BTreeMap<AttemptId, Meter>,
    pub intervals: BTreeMap<AttemptId, Vec<Interval>>,
    pub events: Vec<Event>,
    pub explanations: BTreeMap<AttemptId, Explanation>,
    pub accounts: BTreeMap<AccountId, Account>,
    pub holds: BTreeMap<HoldId, Hold>,
    pub transfers: Vec<Transfer>,
    pub answers: BTreeMap<u128, (u128, Report)>,
    pub audit: Vec<AuditEntry>,
    pub shares: BTreeMap<TenantId, (ResourceSeconds, Timestamp)>,
    /// Saw every ledger record in commit order.
    pub auditor: Auditor,
    transfer_ids: BTreeSet<TransferId>,
    numbers: BTreeMap<u64, JobId>,
    /// Elements of each array, by its first one.
    elements: BTreeMap<JobId, BTreeSet<JobId>>,
    /// What is over is let go.
    is_lean: bool,
    /// It began with a state: of rows that are appended the first of each kind may have any number.
    goes_on: bool,
    /// Of lean tables: ended, and perhaps something of it is open yet.
    ended: BTreeSet<JobId>,
    settled: Vec<Settled>,
    /// Of lean tables that tell: what was moved since it was last taken.
    told: Option<Vec<Transfer>>,
}

impl Tables {
    /// Tables that keep only what is open, so that a year of work fits into memory: no timelines, no explanations, no transfers (the
    /// auditor has seen them), and of events and the audit log the last line. Jobs that are over come out of
    /// [`Tables::take_settled`] once.
    #[must_use]
    pub fn lean() -> Tables {
        Tables { is_lean: true, ..Tables::default() }
    }

    /// Lean tables that begin with what is stored.
    pub(crate) fn going_on(snapshot: &Snapshot) -> Tables {
        let mut tables = Tables { goes_on: true, ..Tables::lean() };
        tables.clusters = snapshot.clusters.iter().map(|c| (c.id, c.clone())).collect();
        tables.pools = snapshot.pools.iter().map(|(pool, _)| (pool.id, pool.clone())).collect();
        tables.jobs = snapshot.jobs.iter().map(|row| (row.job.id, row.clone())).collect();
        tables.attempts = snapshot.attempts.iter().map(|attempt| (attempt.id, attempt.clone())).collect();
        tables
    }

    /// Jobs that were settled since the last call, in order of their ids.
    pub(crate) fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// From now on transfers come out of [`Tables::take_transfers`] once.
    pub(crate) fn tell_transfers(&mut self) {
        self.told = Some(Vec::new());
    }

    pub(crate) fn take_transfers(&mut self) -> Vec<Transfer> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes out what is over.
    fn settle(&mut self) {
        let of = |job: JobId| AttemptId::new(job, 0)..=AttemptId::new(job, u32::MAX);
        let over = |job: &JobId| {
            self.attempts.range(of(*job)).all(|(_, a)| !a.phase.is_open())
                && self.meters.range(of(*job)).next().is_none()
        };
        let done: Vec<JobId> = self.ended.iter().copied().filter(over).collect();
        for job in done {
            self.ended.remove(&job);
            let Some(row) = self.jobs.remove(&job) else { continue };
            let mut taken = Settled { row, attempts: Vec::new(), intervals: Vec::new() };
            for id in self.attempts.range(of(job)).map(|(id, _)| *id).collect::<Vec<_>>() {
                taken.attempts.extend(self.attempts.remove(&id));
                taken.intervals.extend(self.intervals.remove(&id).into_iter().flatten());
            }
            self.settled.push(taken);
        }
    }

    /// Stores the records of one batch, in order.
    ///
    /// # Errors
    /// The first record that contradicts what is stored; those before it are stored then, because a conflict ends the run.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), Conflict> {
        records.iter().try_for_each(|record| self.store(record))?;
        if !self.ended.is_empty() {
            self.settle();
        }
        Ok(())
    }

    fn store(&mut self, record: &Record) -> Result<(), Conflict> {
        match record {
            Record::Tenant(t) => drop(self.tenants.insert(t.id, t.clone())),
            Record::Project(p) => drop(self.projects.insert(p.id, p.clone())),
            Record::User(u) => drop(self.users.insert(u.id, u.clone())),
            // Secrets, sessions and files are no concern of a simulation.
            Record::Password { .. } | Record::Token(_) | Record::TokenRevoked { .. } | Record::Results { .. } => {}
            Record::Supplier(s) => drop(self.suppliers.insert(s.id, s.clone())),
            Record::Cluster(c) => drop(self.clusters.insert(c.id, c.clone())),
            // Ways to real clusters and what was found there; lines of statements, which nothing here reads again.
            Record::ClusterLink(_) | Record::ClusterReport(_) | Record::StatementLine(_) => {}
            Record::Pool(p) => drop(self.pools.insert(p.id, p.clone())),
            Record::PoolCost { pool, cost } => drop(self.costs.insert(*pool, cost.clone())),
            Record::Upkeep(open) => drop(self.upkeep.insert(open.pool, open.as_ref().clone())),
            Record::Stretch(stretch) => self.store_stretch(stretch)?,
            Record::TenantStatement(_) | Record::Invoice(_) | Record::Correction(_) => self.store_billing(record),
            Record::Statement(_)
            | Record::Budget(_)
            | Record::Grant(_)
            | Record::Rate(_)
            | Record::SupplierTerms(_)
            | Record::Contract(_)
            | Record::Period(_) => self.store_agreed(record),
            Record::Policy(version) => self.policies.push(version.as_ref().clone()),
            Record::PriceBook(book) => {
                if self.books.insert(book.id, book.clone()).is_some() {
                    return Err(Conflict::PriceBookTwice(book.id));
                }
            }
            Record::Volumes { tenant, book, volumes } => drop(self.volumes.insert((*tenant, *book), volumes.clone())),
            Record::Spec { id, spec } => {
                let first = self.specs.entry(*id).or_insert_with(|| spec.clone());
                if first != spec {
                    return Err(Conflict::SpecChanged(*id));
                }
            }
            Record::Script { id, text } => {
                let first = self.scripts.entry(*id).or_insert_with(|| text.clone());
                if first != text {
                    return Err(Conflict::ScriptChanged(*id));
                }
            }
            Record::Job(row) => self.store_job(row)?,
            Record::Attempt(attempt) => {
                let old = self.attempts.insert(attempt.id, attempt.as_ref().clone());
                if old.is_some_and(|old| !old.phase.is_open()) {
                    return Err(Conflict::AttemptReopened(attempt.id));
                }
            }
            Record::Meter { attempt, meter: Some(meter) } => drop(self.meters.insert(*attempt, meter.as_ref().clone())),
            Record::Meter { attempt, meter: None } => drop(self.meters.remove(attempt)),
            Record::Interval { interval, .. } => self.store_interval(interval)?,
            Record::Usage(usage) => self.store_usage(usage)?,
            Record::Event(event) => self.store_event(event)?,
            Record::Explanation { attempt, explanation } => {
                if !self.is_lean {
                    self.explanations.insert(*attempt, explanation.clone());
                }
            }
            Record::Ledger(record) => self.store_ledger(record)?,
            Record::Once { key, fingerprint, report, .. } => {
                if self.answers.insert(*key, (*fingerprint, report.clone())).is_some() {
                    return Err(Conflict::AnswerTwice(*key));
                }
            }
            Record::Audit(entry) => self.store_audit(entry)?,
            Record::Share { tenant, used, at } => drop(self.shares.insert(*tenant, (*used, *at))),
        }
        Ok(())
    }

    fn store_audit(&mut self, entry: &AuditEntry) -> Result<(), Conflict> {
        let before = self.audit.last().map_or(0, |e| e.seq);
        if entry.seq != before + 1 && !(self.goes_on && before == 0) {
            return Err(Conflict::AuditSeq { seq: entry.seq, before });
        }
        self.audit.push(entry.clone());
        Ok(())
    }

    fn store_agreed(&mut self, record: &Record) {
        match record {
            Record::Statement(of) => drop(self.settlements.insert(of.number, of.as_ref().clone())),
            Record::Contract(of) => drop(self.contracts.insert(of.number, of.as_ref().clone())),
            Record::Period(of) => drop(self.months.insert(of.key, of.as_ref().clone())),
            Record::Budget(of) => drop(self.budgets.insert(of.number, of.as_ref().clone())),
            Record::Grant(of) => drop(self.grants.insert(of.number, of.as_ref().clone())),
            Record::Rate(of) => drop(self.rates.insert(of.number, of.as_ref().clone())),
            Record::SupplierTerms(of) => drop(self.supplier_terms.insert(of.supplier, of.as_ref().clone())),
            _ => {}
        }
    }

    fn store_interval(&mut self, interval: &Interval) -> Result<(), Conflict> {
        let attempt = interval.attempt;
        let list = self.intervals.entry(attempt).or_default();
        let before = list.last().map_or(0, |i| i.seq);
        if interval.seq != before + 1 && !(self.goes_on && before == 0) {
            return Err(Conflict::IntervalSeq { attempt, seq: interval.seq, before });
        }
        list.push(interval.clone());
        Ok(())
    }

    fn store_usage(&mut self, usage: &Usage) -> Result<(), Conflict> {
        let before = self.usage.last().map_or(0, |last| last.number);
        let is_new = self.usage_keys.insert(usage.of.key(), Known::from(usage)).is_none();
        if !is_new || usage.number != before + 1 && !(self.goes_on && before == 0) {
            return Err(Conflict::UsageTwice { number: usage.number, before });
        }
        self.usage.push(usage.clone());
        Ok(())
    }

    fn store_stretch(&mut self, stretch: &Stretch) -> Result<(), Conflict> {
        let before = self.stretches.iter().rev().find(|s| s.pool == stretch.pool).map(|s| s.to);
        if before.is_some_and(|before| before != stretch.from) {
            return Err(Conflict::StretchGap { pool: stretch.pool, from: stretch.from });
        }
        if self.is_lean {
            self.stretches.retain(|s| s.pool != stretch.pool);
        }
        self.stretches.push(*stretch);
        Ok(())
    }

    fn store_event(&mut self, event: &Event) -> Result<(), Conflict> {
        let before = self.events.last().map_or(0, |e| e.seq);
        if event.seq != before + 1 && !(self.goes_on && before == 0) {
            return Err(Conflict::EventSeq { seq: event.seq, before });
        }
        if self.is_lean {
            self.events.clear();
        }
        self.events.push(event.clone());
        Ok(())
    }

    fn store_job(&mut self, row: &JobRow) -> Result<(), Conflict> {
        let (id, number) = (row.job.id, row.job.number);
        if self.is_lean && self.numbers.len() > NUMBERS_KEPT {
            self.numbers.pop_first();
        }
        let first = *self.numbers.entry(number).or_insert(id);
        if first != id {
            return Err(Conflict::JobNumber { number, first, second: id });
        }
        if let Some(array) = row.job.array {
            self.elements.entry(array.root).or_default().insert(id);
        }
        if self.is_lean && !row.job.is_open() {
            self.ended.insert(id);
        }
        match self.jobs.insert(id, row.clone()) {
            Some(old) if !old.job.is_open() => Err(Conflict::JobReopened(id)),
            _ => Ok(()),
        }
    }

    fn store_ledger(&mut self, record: &LedgerRecord) -> Result<(), Conflict> {
        self.auditor.observe(record);
        match record {
            LedgerRecord::Account(account) => drop(self.accounts.insert(account.id, account.clone())),
            LedgerRecord::Hold(hold) if self.is_lean && !hold.is_open() => drop(self.holds.remove(&hold.id)),
            LedgerRecord::Hold(hold) => drop(self.holds.insert(hold.id, hold.clone())),
            // That it was not committed twice is seen by the auditor.
            LedgerRecord::Transfer(transfer) if self.is_lean => {
                if let Some(told) = &mut self.told {
                    told.push(transfer.clone());
                }
            }
            LedgerRecord::Transfer(transfer) => {
                if !self.transfer_ids.insert(transfer.id) {
                    return Err(Conflict::TransferTwice(transfer.id));
                }
                self.transfers.push(transfer.clone());
            }
        }
        Ok(())
    }

    fn store_billing(&mut self, record: &Record) {
        match record {
            Record::TenantStatement(one) => drop(self.statements.insert(one.number, one.as_ref().clone())),
            Record::Invoice(invoice) => drop(self.invoices.insert(invoice.statement, invoice.as_ref().clone())),
            Record::Correction(correction) => self.corrections.push(correction.as_ref().clone()),
            _ => {}
        }
    }

    /// The last of each tenant.
    fn last_statements(&self) -> Vec<rating::statement::TenantStatement> {
        let last: BTreeMap<TenantId, _> = self.statements.values().map(|one| (one.tenant, one.clone())).collect();
        last.into_values().collect()
    }

    /// What an engine needs to go on after a restart.
    pub fn snapshot(&self) -> Snapshot {
        let open: Vec<&JobRow> = self.jobs.values().filter(|row| row.job.is_open()).collect();
        let specs: BTreeSet<SpecId> = open.iter().map(|row| row.job.spec).collect();
        let holds = self.holds.values().filter(|h| h.is_open()).cloned().map(LedgerRecord::Hold);
        let accounts = self.accounts.values().cloned().map(LedgerRecord::Account);
        Snapshot {
            policy: self.policies.last().cloned(),
            suppliers: self.suppliers.values().cloned().collect(),
            settlements: self.settlements.values().cloned().collect(),
            statements: self.last_statements(),
            invoiced: self.invoices.keys().copied().collect(),
            contracts: self.contracts.values().cloned().collect(),
            periods: self.months.values().cloned().collect(),
            supplier_terms: self.supplier_terms.values().cloned().collect(),
            budgets: self.budgets.values().cloned().collect(),
            grants: self.grants.values().cloned().collect(),
            rates: self.rates.values().cloned().collect(),
            usage: self.usage.iter().map(|u| (u.of.key(), Known::from(u))).collect(),
            clusters: self.clusters.values().cloned().collect(),
            pools: self.pools.values().map(|p| (p.clone(), self.costs.get(&p.id).cloned().flatten())).collect(),
            upkeep: self.upkeep.values().cloned().collect(),
            books: self.books.values().cloned().collect(),
            volumes: self.volumes.iter().map(|((tenant, book), v)| (*tenant, *book, v.clone())).collect(),
            tenants: self.tenants.values().cloned().collect(),
            projects: self.projects.values().cloned().collect(),
            users: self.users.values().cloned().collect(),
            shares: self.shares.iter().map(|(tenant, (used, at))| (*tenant, *used, *at)).collect(),
            ledger: accounts.chain(holds).collect(),
            specs: specs.into_iter().filter_map(|id| Some((id, self.specs.get(&id)?.clone()))).collect(),
            ended: self.ends_wanted_by(&open),
            jobs: open.into_iter().cloned().collect(),
            attempts: self.attempts.values().filter(|a| a.phase.is_open()).cloned().collect(),
            meters: self.meters.values().cloned().collect(),
            last_job_number: self.numbers.last_key_value().map_or(0, |(n, _)| *n),
            last_event_seq: self.events.last().map_or(0, |e| e.seq),
            last_event_at: self.events.last().map_or(Timestamp::ZERO, |e| e.at),
            last_audit_seq: self.audit.last().map_or(0, |e| e.seq),
        }
    }

    /// Ends of what open jobs depend on, and of arrays that are partly over.
    fn ends_wanted_by(&self, open: &[&JobRow]) -> Vec<(JobId, Outcome)> {
        let dependencies = open.iter().flat_map(|row| &row.job.dependencies).map(|d| d.on);
        let roots = open.iter().filter_map(|row| row.job.array).map(|a| a.root);
        let wanted: BTreeSet<JobId> = dependencies.chain(roots).collect();
        wanted.into_iter().filter_map(|id| Some((id, self.end_so_far(id)?))).collect()
    }

    /// How a job ended, or the ended elements of the array it is the first of; `None` while nothing of it has ended.
    pub fn end_so_far(&self, job: JobId) -> Option<Outcome> {
        let outcome = |id: &JobId| match self.jobs.get(id)?.job.phase() {
            Phase::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        };
        let Some(elements) = self.elements.get(&job) else { return outcome(&job) };
        let ends: Vec<Outcome> = elements.iter().filter_map(outcome).collect();
        ends.iter().copied().find(|o| !o.is_success()).or(ends.first().copied())
    }

    /// The elements of the array whose first one this is, in id order; the job itself when it is no array.
    pub fn elements_of(&self, root: JobId) -> Vec<JobId> {
        self.elements.get(&root).map_or_else(|| vec![root], |all| all.iter().copied().collect())
    }

    /// Events of one job, oldest first.
    pub fn timeline(&self, job: JobId) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |e| e.job == Some(job))
    }
}
