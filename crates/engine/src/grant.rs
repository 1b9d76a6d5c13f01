//! Money granted for free: giving and revoking, what of it is promised to open jobs, what it pays of an interval, and its end. A
//! promise is a hold on the grant's account, so that no two jobs count on the same money. Refuses to know contracts, which are drawn
//! before, and wallets, which pay after.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{
    AccountId, AttemptId, HoldId, JobId, Money, PoolId, ProjectId, TenantId, Timestamp, TransferId, UserId, digest128,
};
use ledger::{Memo, NewHold, Reference, Stream, TransferReason};
use model::{Actor, EventKind, GrantStep, JobSpec};
use rating::tariff::Selector;
use rating::{Credit, Grant, Interval};

use crate::books::{Book, Posting};
use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::{Due, Engine};

/// What is asked about grants.
#[derive(Clone, Debug)]
pub enum Granting {
    /// `from`: none begins when it is taken in.
    Give {
        tenant: TenantId,
        project: Option<ProjectId>,
        user: Option<UserId>,
        amount: Money,
        from: Option<Timestamp>,
        to: Timestamp,
        of: Vec<Selector>,
        note: Arc<str>,
    },
    Revoke {
        grant: u64,
        note: Arc<str>,
    },
}

/// The hold by which a job counts on a grant.
pub fn promise_id(job: JobId, grant: u64) -> HoldId {
    HoldId::from_u128(digest128(&[b"granted", &job.to_bytes(), &grant.to_be_bytes()]))
}

fn transfer_id(what: &[&[u8]]) -> TransferId {
    let mut parts: Vec<&[u8]> = vec![b"grant"];
    parts.extend(what);
    TransferId::from_u128(digest128(&parts))
}

fn about(grant: &Grant) -> Reference {
    Reference::Text { text: Memo::clipped(&format!("grant {}", grant.number)) }
}

impl Engine {
    pub(crate) fn granting(&mut self, what: Granting, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        match what {
            Granting::Give { tenant, project, user, amount, from, to, of, note } => {
                let currency = self.currency(tenant).ok_or(Denied::NotFound("tenant"))?;
                let grant = Grant {
                    number: self.grants.last_key_value().map_or(0, |(n, _)| *n) + 1,
                    tenant,
                    project,
                    user,
                    currency,
                    amount,
                    from: from.unwrap_or(self.now),
                    to,
                    of,
                    note,
                    given_at: self.now,
                    revoked_at: None,
                    over_at: None,
                    drawn: Money::ZERO,
                    back: Money::ZERO,
                };
                self.give(grant, actor, out)
            }
            Granting::Revoke { grant, note } => self.revoke(grant, &note, actor, out),
        }
    }

    fn give(&mut self, grant: Grant, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        if let Some(project) = grant.project {
            let owner = self.projects.get(&project).ok_or(Denied::NotFound("project"))?.tenant;
            if owner != grant.tenant {
                return Err(Denied::ForeignProject);
            }
        }
        if let Some(user) = grant.user {
            self.users.get(&user).filter(|u| u.tenant == grant.tenant).ok_or(Denied::NotFound("user"))?;
        }
        if grant.from < self.now {
            return Err(Denied::Invalid("a grant begins now or later: what has run is paid already"));
        }
        if let Some(fault) = grant.fault() {
            return Err(Denied::Invalid(fault));
        }
        let named = |of: &Selector| of.pool.as_ref().is_none_or(|n| self.pools.values().any(|e| e.pool.name == *n));
        if !grant.of.iter().all(named) {
            return Err(Denied::NotFound("pool"));
        }
        let posting = Posting {
            id: transfer_id(&[b"give", &grant.number.to_be_bytes()]),
            debit: Book::GrantsOutstanding,
            credit: Book::Grant(grant.number),
            amount: grant.amount,
            currency: grant.currency,
            reason: TransferReason::Grant,
            memo: Memo::clipped(&grant.note),
            reference: Some(about(&grant)),
        };
        self.post(posting, None, out)?;
        // From here on nothing fails.
        let (number, tenant, amount) = (grant.number, grant.tenant, grant.amount);
        let until = (grant.from.rfc3339(), grant.to.rfc3339());
        let detail = format!("{amount} {}, {} to {}: {}", grant.currency, until.0, until.1, grant.note);
        self.audit(out, actor, "grant.give", number.to_string(), Some(tenant), detail);
        self.grant_event(number, tenant, GrantStep::Given, amount, actor, out);
        let begins = (grant.from > self.now).then_some(grant.from);
        self.timers.extend(begins.into_iter().chain([grant.to]).map(|at| (at, Due::Grant(number))));
        self.keep_grant(grant, out);
        if begins.is_none() {
            self.cover_again(tenant, out);
        }
        Ok(Report::Grant { grant: number })
    }

    fn revoke(&mut self, number: u64, note: &str, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let grant = self.grants.get(&number).cloned().ok_or(Denied::NotFound("grant"))?;
        if grant.over_at.is_some() || grant.to <= self.now {
            return Err(Denied::Contract("the grant is over already"));
        }
        // From here on nothing fails.
        let tenant = grant.tenant;
        self.keep_grant(Grant { revoked_at: Some(self.now), over_at: Some(self.now), ..grant }, out);
        let back = self.sweep_grant(number, out);
        self.audit(out, actor, "grant.revoke", number.to_string(), Some(tenant), format!("{back} went back ({note})"));
        self.grant_event(number, tenant, GrantStep::Revoked, back, actor, out);
        Ok(Report::Grant { grant: number })
    }

    fn grant_event(
        &mut self,
        grant: u64,
        tenant: TenantId,
        step: GrantStep,
        amount: Money,
        by: Actor,
        out: &mut Batch,
    ) {
        self.event(out, by, Some(tenant), None, EventKind::GrantChanged { grant, step, amount });
    }

    pub(crate) fn keep_grant(&mut self, grant: Grant, out: &mut Batch) {
        out.records.push(Record::Grant(Box::new(grant.clone())));
        self.enter_grant(grant);
    }

    fn enter_grant(&mut self, grant: Grant) {
        let of_tenant = self.grants_of.entry(grant.tenant).or_default();
        if grant.over_at.is_some() && grant.left() == Money::ZERO {
            of_tenant.remove(&grant.number);
        } else {
            of_tenant.insert(grant.number);
        }
        if of_tenant.is_empty() {
            self.grants_of.remove(&grant.tenant);
        }
        self.grants.insert(grant.number, grant);
    }

    /// A grant comes into force, or is over: what is not promised goes back to the operator.
    pub(crate) fn grant_due(&mut self, number: u64, out: &mut Batch) {
        let Some(grant) = self.grants.get(&number).filter(|grant| grant.over_at.is_none()) else { return };
        let tenant = grant.tenant;
        if grant.to <= self.now {
            self.keep_grant(Grant { over_at: Some(self.now), ..grant.clone() }, out);
            let back = self.sweep_grant(number, out);
            self.grant_event(number, tenant, GrantStep::Expired, back, Actor::Platform, out);
        } else if grant.is_in_force(self.now) {
            self.cover_again(tenant, out);
        }
    }

    /// Of a grant that is over, what nobody was promised goes back; how much that is.
    fn sweep_grant(&mut self, number: u64, out: &mut Batch) -> Money {
        let back = self.free_of_grant(number);
        let Some(grant) = self.grants.get(&number).filter(|g| g.over_at.is_some() && back > Money::ZERO) else {
            return Money::ZERO;
        };
        let mut grant = grant.clone();
        let posting = Posting {
            // What went back before is more each time.
            id: transfer_id(&[b"back", &number.to_be_bytes(), &grant.back.0.to_be_bytes()]),
            debit: Book::Grant(number),
            credit: Book::GrantsOutstanding,
            amount: back,
            currency: grant.currency,
            reason: TransferReason::Grant,
            memo: Memo::clipped("not used"),
            reference: Some(about(&grant)),
        };
        let posted = self.post(posting, None, out);
        debug_assert!(posted.is_ok(), "{posted:?}");
        grant.back += back;
        self.keep_grant(grant, out);
        back
    }

    /// Of a grant, what is neither drawn nor promised to anybody.
    pub(crate) fn free_of_grant(&self, number: u64) -> Money {
        let currency = self.grants.get(&number).map(|grant| grant.currency);
        let account = currency.and_then(|c| self.ledger.account(self.known_account(Book::Grant(number), c)));
        account.and_then(|account| account.available()).unwrap_or(Money::ZERO)
    }

    fn promised_of_grant(&self, job: JobId, number: u64) -> Money {
        self.ledger.find_hold(promise_id(job, number)).map_or(Money::ZERO, |hold| hold.remaining())
    }

    /// Grants of a tenant that have begun and pass, the one that ends first before the others.
    pub(crate) fn grants_where(&self, tenant: TenantId, passes: impl Fn(&Grant) -> bool) -> Vec<u64> {
        let of_tenant = self.grants_of.get(&tenant).into_iter().flatten().filter_map(|n| self.grants.get(n));
        let mut found: Vec<&Grant> = of_tenant.filter(|g| g.from <= self.now && passes(g)).collect();
        found.sort_by_key(|grant| (grant.ends(), grant.number));
        found.into_iter().map(|grant| grant.number).collect()
    }

    /// The grants that a submission can count on: those in force that pay for it wherever it may run.
    pub(crate) fn grants_for(&self, tenant: TenantId, project: ProjectId, user: UserId, spec: &JobSpec) -> Vec<u64> {
        if !self.grants_of.contains_key(&tenant) {
            return Vec::new();
        }
        self.grants_on(tenant, project, user, spec, self.pools_for(tenant, spec).into_iter())
    }

    /// The grants in force that pay for work on each of these pools.
    pub(crate) fn grants_on(
        &self,
        tenant: TenantId,
        project: ProjectId,
        user: UserId,
        spec: &JobSpec,
        pools: impl Iterator<Item = PoolId>,
    ) -> Vec<u64> {
        let pools = pools.filter_map(|id| Some(&self.pools.get(&id)?.pool));
        let sold: Vec<_> = pools.filter(|pool| self.tariff(tenant, spec, pool).is_ok()).collect();
        let everywhere = |g: &Grant| sold.iter().all(|pool| g.is_for(project, user, &self.sale(tenant, spec, pool)));
        self.grants_where(tenant, |grant| grant.is_in_force(self.now) && everywhere(grant))
    }

    /// How much of an amount these grants have free.
    pub(crate) fn granted(&self, grants: &[u64], amount: Money) -> Money {
        grants.iter().fold(Money::ZERO, |sum, n| sum + self.free_of_grant(*n).min(amount - sum))
    }

    /// Lets a job that is not there yet count on as much of an amount as these grants have free: on which, and what is left of it for
    /// the wallet.
    pub(crate) fn count_on(&mut self, job: JobId, grants: &[u64], amount: Money, out: &mut Batch) -> (Vec<u64>, Money) {
        let (mut on, mut left) = (Vec::new(), amount);
        for number in grants {
            let part = self.free_of_grant(*number).min(left);
            if self.hold_grant(job, *number, part, out) {
                on.push(*number);
                left = left - part;
            }
        }
        (on, left)
    }

    fn hold_grant(&mut self, job: JobId, number: u64, amount: Money, out: &mut Batch) -> bool {
        let Some(currency) = self.grants.get(&number).map(|g| g.currency).filter(|_| amount > Money::ZERO) else {
            return false;
        };
        let account = self.account(Book::Grant(number), currency, out);
        let hold = NewHold { id: promise_id(job, number), account, amount, opened_at: self.now, expires_at: None };
        self.ledger.hold_onto(hold, &mut out.records).is_ok()
    }

    /// The grants that pay for a run, in their order; of those that are over only what its job was promised is left.
    fn grants_of_run(&self, attempt: AttemptId) -> Vec<u64> {
        let Some(entry) = self.jobs.get(&attempt.job) else { return Vec::new() };
        let tenant = entry.job.tenant;
        if !self.grants_of.contains_key(&tenant) {
            return Vec::new();
        }
        let pool = self.attempts.get(&attempt).and_then(|facts| self.pools.get(&facts.pool));
        let Some(pool) = pool else { return Vec::new() };
        let sale = self.sale(tenant, &entry.spec.spec, &pool.pool);
        self.grants_where(tenant, |grant| grant.is_for(entry.job.project, entry.job.user, &sale))
    }

    /// Promises a run what it needs next beyond what its job has set aside, as far as grants have it free: what is promised to it then.
    pub(crate) fn promise_grants(
        &mut self,
        attempt: AttemptId,
        kept: Money,
        (needed, wanted): (Money, Money),
        out: &mut Batch,
    ) -> Money {
        let job = attempt.job;
        let grants = self.grants_of_run(attempt);
        let mut promised: Money = grants.iter().map(|number| self.promised_of_grant(job, *number)).sum();
        if kept + promised >= needed {
            return promised;
        }
        for number in grants {
            let in_force = self.grants.get(&number).is_some_and(|grant| grant.is_in_force(self.now));
            let more = self.free_of_grant(number).min(wanted - kept - promised);
            if !in_force || more <= Money::ZERO {
                continue;
            }
            let known = self.ledger.find_hold(promise_id(job, number)).map(|hold| hold.amount);
            let done = match known {
                Some(amount) => {
                    self.ledger.extend_hold_onto(promise_id(job, number), amount + more, &mut out.records).is_ok()
                }
                None => self.hold_grant(job, number, more, out),
            };
            if let Some(entry) = self.jobs.get_mut(&job).filter(|_| done) {
                promised += more;
                entry.note_grant(number);
            }
        }
        promised
    }

    /// A job is over: what it did not draw is free again, or goes back where the grant is over.
    pub(crate) fn release_grants(&mut self, job: JobId, out: &mut Batch) {
        let counts_on = self.jobs.get_mut(&job).and_then(|entry| entry.counts_on.as_mut());
        for number in counts_on.map(|on| std::mem::take(&mut on.grants)).unwrap_or_default() {
            let _ = self.ledger.release_onto(promise_id(job, number), &mut out.records);
            self.sweep_grant(number, out);
        }
    }

    /// Pays what an interval comes to beyond what was drawn from contracts, as far as grants have it: first what its job was promised
    /// of each, then what is free.
    pub(crate) fn pay_by_grants(&mut self, interval: &Interval, out: &mut Batch) -> Vec<Credit> {
        let (job, mut owed, mut paid) = (interval.attempt.job, interval.own_part(), Vec::new());
        if owed <= Money::ZERO {
            return paid;
        }
        for number in self.grants_of_run(interval.attempt) {
            let grant = self.grants.get(&number).filter(|grant| grant.from < interval.to);
            let Some(grant) = grant else { continue };
            let free = if grant.is_in_force(self.now) { self.free_of_grant(number) } else { Money::ZERO };
            let promised = self.promised_of_grant(job, number).min(owed);
            let value = promised + free.min(owed - promised);
            if value > Money::ZERO {
                self.post_credit(interval, Credit { grant: number, value }, promised, out);
                paid.push(Credit { grant: number, value });
                owed = owed - value;
            }
        }
        if !paid.is_empty()
            && let Some(meter) = self.meters.get_mut(&interval.attempt)
        {
            meter.credit(&paid);
        }
        paid
    }

    /// The bill of a run has become less by an interval: what of it goes back to grants.
    pub(crate) fn give_grants_back(&mut self, interval: &Interval, out: &mut Batch) -> Vec<Credit> {
        let back = self.meters.get_mut(&interval.attempt).map(rating::Meter::uncredit).unwrap_or_default();
        for credit in &back {
            self.post_credit(interval, *credit, Money::ZERO, out);
            self.sweep_grant(credit.grant, out);
        }
        back
    }

    /// Moves what a grant paid to revenue, `promised` of it from the job's promise, and with it what is outstanding of grants to
    /// promotions, by which revenue is less; the other way round what is given back.
    fn post_credit(&mut self, interval: &Interval, credit: Credit, promised: Money, out: &mut Batch) {
        let Credit { grant: number, value } = credit;
        let Some(mut grant) = self.grants.get(&number).cloned() else { return };
        let attempt = interval.attempt;
        let key = (attempt.job.to_bytes(), attempt.number.to_be_bytes(), interval.seq.to_be_bytes());
        let promise = Some(promise_id(attempt.job, number));
        let (own, revenue) = (Book::Grant(number), Book::Revenue);
        let (outstanding, promotions) = (Book::GrantsOutstanding, Book::Promotions);
        let (settle, refund, moved) = (TransferReason::Settle, TransferReason::Refund, TransferReason::Grant);
        let back = value.is_negative();
        let parts = if back {
            [
                (1u8, -value, revenue, own, refund, None),
                (2, Money::ZERO, own, revenue, settle, None),
                (3, -value, outstanding, promotions, moved, None),
            ]
        } else {
            [
                (1, promised, own, revenue, settle, promise),
                (2, value - promised, own, revenue, settle, None),
                (3, value, promotions, outstanding, moved, None),
            ]
        };
        for (part, amount, debit, credit, reason, hold) in parts {
            let posting = Posting {
                id: transfer_id(&[b"pay", &key.0, &key.1, &key.2, &number.to_be_bytes(), &[part]]),
                debit,
                credit,
                amount,
                currency: grant.currency,
                reason,
                memo: Memo::default(),
                reference: Some(Reference::Interval {
                    stream: Stream::from(attempt),
                    from: interval.from,
                    to: interval.to,
                }),
            };
            // Cut to what is promised and free.
            let posted = self.post(posting, hold, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
        grant.drawn += value;
        self.keep_grant(grant, out);
    }

    /// Whether some grant of the tenant has something left for new work.
    pub(crate) fn has_grant_left(&self, tenant: TenantId) -> bool {
        let in_force = self.grants_where(tenant, |grant| grant.is_in_force(self.now));
        in_force.into_iter().any(|number| self.free_of_grant(number) > Money::ZERO)
    }

    /// After a restart: which grants are still to pay or to end, and which open jobs count on them.
    pub(crate) fn restore_grants(&mut self, held: &BTreeSet<AccountId>) {
        let all: Vec<Grant> = self.grants.values().cloned().collect();
        for grant in all {
            let (number, tenant) = (grant.number, grant.tenant);
            if grant.over_at.is_none() {
                self.timers.insert((grant.to, Due::Grant(number)));
                self.timers.extend((grant.from > self.now).then_some((grant.from, Due::Grant(number))));
            }
            let promised = held.contains(&self.known_account(Book::Grant(number), grant.currency));
            self.enter_grant(grant);
            let ledger = &self.ledger;
            for entry in self.jobs.values_mut().filter(|e| promised && e.job.tenant == tenant) {
                if ledger.find_hold(promise_id(entry.job.id, number)).is_some_and(|hold| hold.is_open()) {
                    entry.note_grant(number);
                }
            }
        }
    }

    /// Grants, by number.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }
}
