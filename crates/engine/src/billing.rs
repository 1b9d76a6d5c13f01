//! Closing tenants' months: each once, in their order, with sums that add up; the invoice noted afterwards; corrections of what
//! was billed. The sums are read from the store; what makes them a statement is looked at here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Currency, Money, TenantId, Timestamp, TransferId, digest128};
use ledger::{Memo, Reference, Stream, TransferReason};
use model::{Actor, EventKind, StateCode};
use rating::statement::{
    CorrectedJob, Correction, Invoice, PPM, StatementFault, TenantStatement, TenantSums, tax_within,
};
use rating::tariff::Month;
use serde::{Deserialize, Serialize};

use crate::books::{Book, Posting};
use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::Engine;

/// What is asked about tenants' statements.
#[derive(Clone, Debug)]
pub enum Billing {
    /// Whose months up to `through` (the last that is over when none is named) are not closed: of one tenant or of all. By the
    /// time of the answer everything that was booked in these months is stored, and nothing will be booked in them any more.
    Due { tenant: Option<TenantId>, through: Option<Month> },
    /// All of them, or none.
    Close(Vec<ClosingDraft>),
    /// Of the tax that a tenant's prices contain, in parts of a million.
    SetTax { tenant: TenantId, ppm: u32 },
    /// The number of the invoice that was written for a statement.
    Invoice { statement: u64, tenant: TenantId, invoice: Arc<str> },
    /// Adds to what a tenant is asked for; less than nothing gives back. `job` comes with the state it is in.
    Correct { tenant: TenantId, amount: Money, job: Option<(CorrectedJob, StateCode)>, reason: Arc<str> },
}

/// A month before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosingDraft {
    pub tenant: TenantId,
    pub month: Month,
    pub from: Timestamp,
    pub to: Timestamp,
    pub sums: TenantSums,
}

/// How far a tenant's months are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub tenant: TenantId,
    /// The last statement; none: nothing was closed yet.
    pub last: Option<LastClosed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastClosed {
    pub number: u64,
    pub month: Month,
    /// Where the next one begins.
    pub to: Timestamp,
    pub closing: Money,
}

/// What the engine keeps of statements.
#[derive(Debug, Default)]
pub(crate) struct ClosedMonths {
    last: BTreeMap<TenantId, LastClosed>,
    /// The largest number given out.
    number: u64,
    /// Statements that have an invoice.
    invoiced: BTreeSet<u64>,
}

impl From<&TenantStatement> for LastClosed {
    fn from(of: &TenantStatement) -> LastClosed {
        LastClosed { number: of.number, month: of.month, to: of.to, closing: of.sums.closing }
    }
}

/// Sums up to here are closed: a thousandth of the range of money, so that a thousand of them can be added up.
const SUM_MAX: Money = Money(i64::MAX / 1_000);

impl Engine {
    /// Takes stored statements in. Time has come as far as the last of them.
    pub(crate) fn enter_statements(&mut self, last: Vec<TenantStatement>, invoiced: Vec<u64>) {
        for statement in &last {
            self.now = self.now.max(statement.closed_at);
            self.closed.number = self.closed.number.max(statement.number);
            self.closed.last.insert(statement.tenant, statement.into());
        }
        self.closed.invoiced = invoiced.into_iter().collect();
    }

    pub(crate) fn bill_command(&mut self, what: Billing, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        match what {
            Billing::Due { tenant, through } => self.months_due(tenant, through),
            Billing::Close(drafts) => self.close_statements(drafts, actor, out),
            Billing::SetTax { tenant, ppm } => self.set_tax(tenant, ppm, actor, out),
            Billing::Invoice { statement, tenant, invoice } => {
                self.note_invoice(statement, tenant, invoice, actor, out)
            }
            Billing::Correct { tenant, amount, job, reason } => self.correct(tenant, amount, job, reason, actor, out),
        }
    }

    /// Whether the month in which a moment lies is closed for a tenant.
    pub(crate) fn is_month_closed(&self, tenant: TenantId, at: Timestamp) -> bool {
        self.closed.last.get(&tenant).is_some_and(|last| at <= last.to)
    }

    /// A month that is not over has something booked in it yet.
    fn over(&self, month: Month) -> Result<Timestamp, StatementFault> {
        let until = self.policy.statement_offset.start_of(month.next());
        if until > self.now { Err(StatementFault::NotOver { month, until }) } else { Ok(until) }
    }

    fn months_due(&self, tenant: Option<TenantId>, through: Option<Month>) -> Result<Report, Denied> {
        let month = through.unwrap_or_else(|| self.policy.statement_offset.month_of(self.now).previous());
        self.over(month)?;
        let closed = |tenant: TenantId| Closed { tenant, last: self.closed.last.get(&tenant).copied() };
        if let Some(tenant) = tenant {
            if !self.tenants.contains_key(&tenant) {
                return Err(Denied::NotFound("tenant"));
            }
            if let Some(last) = closed(tenant).last.filter(|last| last.month >= month) {
                return Err(StatementFault::Closed { month: last.month, number: last.number }.into());
            }
            return Ok(Report::Due { month, tenants: vec![closed(tenant)] });
        }
        let open = self.tenants.keys().map(|id| closed(*id)).filter(|c| c.last.is_none_or(|last| last.month < month));
        Ok(Report::Due { month, tenants: open.collect() })
    }

    fn close_statements(&mut self, drafts: Vec<ClosingDraft>, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let mut last: BTreeMap<TenantId, LastClosed> = BTreeMap::new();
        let mut number = self.closed.number;
        let mut closed = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let before = last.get(&draft.tenant).or_else(|| self.closed.last.get(&draft.tenant)).copied();
            number += 1;
            let statement = self.closing(draft, before, number)?;
            last.insert(statement.tenant, (&statement).into());
            closed.push(statement);
        }
        // From here on nothing fails.
        let (first, count) = (self.closed.number + 1, number - self.closed.number);
        self.closed.number = number;
        self.closed.last.append(&mut last);
        for statement in closed {
            let (tenant, due, currency) = (statement.tenant, statement.due, statement.currency);
            let detail = format!("{} of {}: {due} {currency}", statement.name(), statement.month);
            self.audit(out, actor, "statement.close", statement.number.to_string(), Some(tenant), detail);
            let month = statement.month.to_string().into();
            let what = EventKind::StatementClosed { statement: statement.number, month, due };
            self.event(out, actor, Some(tenant), None, what);
            out.records.push(Record::TenantStatement(Box::new(statement)));
        }
        Ok(Report::Statements { first, count })
    }

    /// The statement of a month, if it is the one that comes next, is over, and its sums lie between its balances.
    fn closing(&self, draft: ClosingDraft, before: Option<LastClosed>, number: u64) -> Result<TenantStatement, Denied> {
        let ClosingDraft { tenant, month, from, to, sums } = draft;
        let known = &self.tenants.get(&tenant).ok_or(Denied::NotFound("tenant"))?.tenant;
        let (mut begins, mut opening) = (self.policy.statement_offset.start_of(month), Money::ZERO);
        if let Some(before) = before {
            if month <= before.month {
                let number = self.closed.last.get(&tenant).map_or(before.number, |last| last.number);
                return Err(StatementFault::Closed { month, number }.into());
            }
            if month != before.month.next() {
                return Err(StatementFault::Gap { next: before.month.next() }.into());
            }
            (begins, opening) = (before.to, before.closing);
        }
        let ends = self.over(month)?;
        if (from, to) != (begins, ends) || from >= to {
            return Err(StatementFault::Bounds.into());
        }
        if sums.opening != opening || !sums.adds_up() {
            return Err(StatementFault::Sums { month }.into());
        }
        let within = |amount: Money| amount <= SUM_MAX && amount >= -SUM_MAX;
        let all = [sums.top_ups, sums.withdrawals, sums.grants, sums.charges, sums.refunds, sums.corrections];
        let balances = [sums.opening, sums.closing, sums.written_off, sums.fees];
        let due = sums.due().filter(|due| all.into_iter().chain(balances).chain([*due]).all(within));
        let due = due.ok_or(Denied::MoneyRange)?;
        let (currency, tax_ppm, closed_at) = (known.currency, known.tax_ppm, self.now);
        let tax = tax_within(due, tax_ppm);
        Ok(TenantStatement { number, tenant, month, from, to, currency, sums, due, tax_ppm, tax, closed_at })
    }

    fn set_tax(&mut self, tenant: TenantId, ppm: u32, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        if ppm > PPM {
            return Err(Denied::Invalid("a tax rate is at most 100 %"));
        }
        let entry = self.tenants.get_mut(&tenant).ok_or(Denied::NotFound("tenant"))?;
        entry.tenant.tax_ppm = ppm;
        out.records.push(Record::Tenant(entry.tenant.clone()));
        self.audit(out, actor, "tenant.tax", tenant.to_string(), Some(tenant), format!("{ppm} parts of a million"));
        Ok(Report::Tenant { tenant })
    }

    fn note_invoice(
        &mut self,
        statement: u64,
        tenant: TenantId,
        invoice: Arc<str>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        if statement == 0 || statement > self.closed.number {
            return Err(Denied::NotFound("statement"));
        }
        if invoice.is_empty() {
            return Err(Denied::Invalid("say the number of the invoice"));
        }
        if !self.closed.invoiced.insert(statement) {
            return Err(StatementFault::Invoiced { number: statement }.into());
        }
        self.audit(out, actor, "statement.invoice", statement.to_string(), Some(tenant), invoice.to_string());
        let noted = Invoice { statement, tenant, invoice, at: self.now, by: user(actor) };
        out.records.push(Record::Invoice(Box::new(noted)));
        Ok(Report::Invoiced { statement })
    }

    fn correct(
        &mut self,
        tenant: TenantId,
        amount: Money,
        job: Option<(CorrectedJob, StateCode)>,
        reason: Arc<str>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let currency = self.currency(tenant).ok_or(Denied::NotFound("tenant"))?;
        if amount == Money::ZERO {
            return Err(Denied::Invalid("the amount is zero"));
        }
        if amount > SUM_MAX || amount < -SUM_MAX {
            return Err(Denied::MoneyRange);
        }
        if reason.trim().is_empty() {
            return Err(Denied::Invalid("say why: the tenant reads it"));
        }
        let memo =
            Memo::new(&reason).map_err(|_| Denied::Invalid("the reason is too long or has control characters"))?;
        let available = self.wallet(tenant).map_or(Money::ZERO, |wallet| wallet.available);
        if amount > Money::ZERO && available < amount {
            let missing = amount.saturating_sub(available);
            return Err(Denied::InsufficientFunds { needed: amount, available, missing, currency });
        }
        let id = self.correction_id(tenant);
        let back = amount.is_negative();
        let (wallet, revenue) = (Book::Wallet(tenant), Book::Revenue);
        let (debit, credit) = if back { (revenue, wallet) } else { (wallet, revenue) };
        let posting = Posting {
            id,
            debit,
            credit,
            amount: if back { -amount } else { amount },
            currency,
            reason: TransferReason::Adjust,
            memo,
            reference: job.map(|(of, _)| Reference::Subject { stream: Stream::new(of.job.as_u128(), 0) }),
        };
        self.post(posting, None, out)?;
        let what = EventKind::Corrected { amount, reason: reason.clone() };
        self.event(out, actor, Some(tenant), job.map(|(of, state)| (of.job, state)), what);
        self.audit_correction(out, actor, tenant, amount, currency, job.map(|(of, _)| of), &reason);
        let (job, by) = (job.map(|(of, _)| of), user(actor));
        let done = Correction { transfer: id, tenant, at: self.now, amount, currency, job, reason, by };
        out.records.push(Record::Correction(Box::new(done)));
        if back {
            self.cover_again(tenant, out);
        }
        let balance = self.wallet(tenant).map_or(Money::ZERO, |wallet| wallet.balance);
        Ok(Report::Corrected { transfer: id, balance })
    }

    #[allow(clippy::too_many_arguments)]
    fn audit_correction(
        &mut self,
        out: &mut Batch,
        actor: Actor,
        tenant: TenantId,
        amount: Money,
        currency: Currency,
        job: Option<CorrectedJob>,
        reason: &str,
    ) {
        let about = job.map_or_else(String::new, |of| format!(" for job {}", of.number));
        let detail = format!("{amount} {currency}{about}: {reason}");
        self.audit(out, actor, "wallet.correct", tenant.to_string(), Some(tenant), detail);
    }

    /// The next entry of the audit log is of this correction alone.
    fn correction_id(&self, tenant: TenantId) -> TransferId {
        let (audit, now) = ((self.last_audit + 1).to_be_bytes(), self.now.as_micros().to_be_bytes());
        TransferId::from_u128(digest128(&[b"correction", &tenant.to_bytes(), &audit, &now]))
    }
}

const fn user(actor: Actor) -> Option<base::UserId> {
    match actor {
        Actor::User(user) => Some(user),
        Actor::Platform | Actor::Cluster(_) => None,
    }
}
