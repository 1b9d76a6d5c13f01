//! Drawing on contracts: which lines cover a run, what of them is promised to open jobs, and the postings of what was drawn.
//! A promise is a hold on what is left of a month's fee, so that no two jobs count on the same hours.

use base::{HoldId, JobId, Money, PoolId, Span, TenantId, Timestamp, digest128};
use ledger::{Memo, NewHold, Reference, Stream, TransferReason};
use model::{JobSpec, Pool};
use rating::contract::{Allowance, Contract, Cover, Drawn, Period, PeriodKey};
use rating::{Interval, Meter, Tariff};

use crate::books::{Book, Posting};
use crate::contract::transfer_id;
use crate::record::Batch;
use crate::state::Engine;

/// What of a submission a contract covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub key: PeriodKey,
    /// Of the month's fee, for one job.
    pub value: Money,
    /// What one job needs of the wallet beside it.
    pub rest: Money,
    /// For how many jobs there is enough.
    pub jobs: u32,
}

/// The hold by which a job counts on a month of a contract's line.
pub fn promise_id(job: JobId, key: PeriodKey) -> HoldId {
    HoldId::from_u128(digest128(&[b"promise", &job.to_bytes(), &key.packed().to_be_bytes()]))
}

impl Engine {
    /// The contracts of a tenant that are in force at a moment, the one that ends first before the others.
    fn drawable(&self, tenant: TenantId, at: Timestamp) -> Vec<&Contract> {
        let mut found: Vec<&Contract> = self.contracts_of(tenant).filter(|c| c.is_in_force(at)).collect();
        found.sort_by_key(|c| (c.to, c.number));
        found
    }

    /// The lines that cover the parts of a tariff of work that begins at a moment, in the order of drawing.
    pub(crate) fn covers(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        pool: &Pool,
        tariff: &Tariff,
        at: Timestamp,
    ) -> Vec<Cover> {
        let sale = self.sale(tenant, spec, pool);
        let lines = self.drawable(tenant, at).into_iter().flat_map(|contract| {
            let of_sale = |(_, c): &(u8, &rating::contract::Commitment)| sale.is_of(&c.of);
            (1u8..).zip(&contract.terms.commitments).filter(of_sale).map(|(line, c)| (contract.number, line, c.unit))
        });
        let parts = |(contract, line, unit)| {
            let of_unit = tariff.parts.iter().position(|part| part.unit == unit);
            of_unit.and_then(|part| Some(Cover { part: u16::try_from(part).ok()?, contract, line }))
        };
        lines.filter_map(parts).collect()
    }

    /// Beyond what is committed a contract may have prices of its own.
    pub(crate) fn price_beyond(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        pool: &Pool,
        tariff: &mut Tariff,
        at: Timestamp,
    ) {
        if self.contracts.is_empty() {
            return;
        }
        let covers = self.covers(tenant, spec, pool, tariff, at);
        for cover in covers.into_iter().rev() {
            let overage = self.contracts.get(&cover.contract).and_then(|c| c.commitment(cover.line)?.overage);
            if let (Some(price), Some(part)) = (overage, tariff.parts.get_mut(usize::from(cover.part))) {
                part.becomes_flat(price);
            }
        }
    }

    /// Of a month's fee, what nobody but this job was promised.
    fn free_of(&self, period: &Period, job: Option<JobId>) -> Money {
        let currency = self.contracts.get(&period.key.contract).map(|c| c.terms.currency);
        let account = currency.and_then(|c| self.ledger.account(self.known_account(Book::Deferred(period.key), c)));
        let free = account.and_then(|a| a.available()).unwrap_or(Money::ZERO);
        free + job.map_or(Money::ZERO, |job| self.promised(job, period.key))
    }

    /// Of a month's fee, what a job was promised and has not drawn.
    pub(crate) fn promised(&self, job: JobId, key: PeriodKey) -> Money {
        let hold = self.jobs.get(&job).and_then(|entry| entry.promise(key));
        hold.and_then(|hold| self.ledger.find_hold(hold)).map_or(Money::ZERO, |hold| hold.remaining())
    }

    /// The months that a meter may draw on, or has drawn on; what was carried stands before a month's own.
    pub(crate) fn allowances(&self, meter: &Meter) -> Vec<Allowance> {
        let mut lines: Vec<(u64, u8)> = meter.covers.iter().map(|c| (c.contract, c.line)).collect();
        lines.dedup();
        let wanted = |p: &Period| p.closed.is_none() || meter.draws.iter().any(|draw| draw.of == p.key);
        let found = self.months_where(lines, wanted);
        let job = meter.attempt.job;
        found.into_iter().map(|p| Allowance::new(p.clone(), self.free_of(p, Some(job)))).collect()
    }

    /// Keeps what a billing changed of the months it drew on.
    pub(crate) fn keep_allowances(&mut self, allowances: Vec<Allowance>) {
        let changed = allowances.into_iter().filter(|allowance| allowance.drawn().is_some());
        changed.for_each(|allowance| self.keep_period(allowance.period));
    }

    /// Moves what an interval drew from the months' fees to revenue; back, what it gave back. Of a month that is closed that was
    /// not drawn after all, so it is earned as unused.
    pub(crate) fn post_draws(&mut self, interval: &Interval, out: &mut Batch) {
        for Drawn { of, value, .. } in &interval.drawn {
            let Some(contract) = self.contracts.get(&of.contract) else { continue };
            let currency = contract.terms.currency;
            let closed = self.periods.get(of).is_some_and(|p| p.closed.is_some());
            let source = if closed { Book::UnusedCommitment } else { Book::Deferred(*of) };
            let promise = self.jobs.get(&interval.attempt.job).and_then(|entry| entry.promise(*of));
            let held = promise.and_then(|hold| self.ledger.find_hold(hold)).map_or(Money::ZERO, |h| h.remaining());
            let promised = if closed { Money::ZERO } else { (*value).min(held).max(Money::ZERO) };
            let back = value.is_negative();
            let parts = [
                (1u8, promised, source, Book::Revenue, promise),
                (2, if back { Money::ZERO } else { *value - promised }, source, Book::Revenue, None),
                (3, if back { -*value } else { Money::ZERO }, Book::Revenue, source, None),
            ];
            let (attempt, seq) = (interval.attempt, interval.seq.to_be_bytes());
            let stream = Stream::from(attempt);
            for (part, amount, debit, credit, hold) in parts.into_iter().filter(|part| part.1 != Money::ZERO) {
                let number = attempt.number.to_be_bytes();
                let key = of.packed().to_be_bytes();
                let posting = Posting {
                    id: transfer_id(&[b"draw", &attempt.job.to_bytes(), &number, &seq, &key, &[part]]),
                    debit,
                    credit,
                    amount,
                    currency,
                    reason: if back { TransferReason::Refund } else { TransferReason::Settle },
                    memo: Memo::default(),
                    reference: Some(Reference::Interval { stream, from: interval.from, to: interval.to }),
                };
                // What is left of a fee is never less than what its pieces are worth.
                let posted = self.post(posting, hold, out);
                debug_assert!(posted.is_ok(), "{posted:?}");
            }
        }
    }

    /// What of a submission's hold the tenant's contracts cover, all of its part or nothing.
    pub(crate) fn covered(&self, tenant: TenantId, spec: &JobSpec) -> Option<Covered> {
        if self.drawable(tenant, self.now).is_empty() {
            return None;
        }
        let pools = self.pools_for(tenant, spec);
        self.covered_on(tenant, spec, pools.into_iter(), self.hold_span(spec.time_limit))
    }

    /// What contracts cover of work that may run on any of these pools for so long.
    pub(crate) fn covered_on(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        pools: impl Iterator<Item = PoolId>,
        span: Span,
    ) -> Option<Covered> {
        let granted = spec.request.total();
        let sold = |pool: PoolId| {
            let pool = &self.pools.get(&pool)?.pool;
            let (_, tariff) = self.tariff(tenant, spec, pool).ok()?;
            let covers = self.covers(tenant, spec, pool, &tariff, self.now);
            Some((tariff, covers))
        };
        let pools: Vec<(Tariff, Vec<Cover>)> = pools.filter_map(sold).collect();
        let pieces_on = |(tariff, covers): &(Tariff, Vec<Cover>), line: (u64, u8)| {
            let cover = covers.iter().find(|c| (c.contract, c.line) == line)?;
            let part = tariff.parts.get(usize::from(cover.part))?;
            let micros = span.as_micros().max(0) as u128;
            Some((usize::from(cover.part), tariff.pieces(part.unit, granted).saturating_mul(micros)))
        };
        let lines = pools.iter().flat_map(|(_, covers)| covers.iter().map(|c| (c.contract, c.line)));
        lines
            .filter_map(|line| {
                let most = pools.iter().filter_map(|pool| Some(pieces_on(pool, line)?.1)).max()?;
                let mut rest = pools.iter().map(|pool| {
                    let without = pieces_on(pool, line).map(|(part, _)| part);
                    pool.0.most_without(granted, span, without)
                });
                let rest = rest.try_fold(Money::ZERO, |dearest, amount| Some(dearest.max(amount?)))?;
                let at_hand = |p: &Period| p.closed.is_none() && p.from <= self.now && self.now < p.to;
                let months = self.months_where(vec![line], at_hand);
                let (key, value, jobs) = months.into_iter().find_map(|p| self.room_in(p, most))?;
                Some(Covered { key, value, rest, jobs })
            })
            .next()
    }

    /// Months of lines, what was carried first.
    fn months_where(&self, lines: Vec<(u64, u8)>, wanted: impl Fn(&Period) -> bool) -> Vec<&Period> {
        let key = |(contract, line), month, carried| PeriodKey { contract, line, month, carried };
        let all =
            lines.into_iter().flat_map(|line| self.periods.range(key(line, 0, false)..=key(line, u16::MAX, true)));
        let mut found: Vec<&Period> = all.map(|(_, period)| period).filter(|period| wanted(period)).collect();
        found.sort_by_key(|p| !p.key.carried);
        found
    }

    fn room_in(&self, period: &Period, pieces: u128) -> Option<(PeriodKey, Money, u32)> {
        let free = period.left().min(period.pieces_for(self.free_of(period, None)));
        let jobs = free.checked_div(pieces).filter(|jobs| *jobs > 0)?;
        Some((period.key, period.value_of(pieces), u32::try_from(jobs).unwrap_or(u32::MAX)))
    }

    /// Lets a job count on so much of a month's fee, as far as that is free. Each month is promised to a job under one hold, which
    /// stays until the job or the month is over.
    pub(crate) fn promise(&mut self, job: JobId, key: PeriodKey, value: Money, out: &mut Batch) {
        let Some(entry) = self.jobs.get(&job).filter(|_| value > Money::ZERO) else { return };
        if let Some(id) = entry.promise(key) {
            let Some(hold) = self.ledger.find_hold(id) else { return };
            let (more, to) = (value - hold.remaining(), hold.amount + value - hold.remaining());
            if more > Money::ZERO {
                // What is not free was promised to others meanwhile.
                let _ = self.ledger.extend_hold_onto(id, to, &mut out.records);
            }
            return;
        }
        let Some(currency) = self.contracts.get(&key.contract).map(|c| c.terms.currency) else { return };
        let (id, account) = (promise_id(job, key), self.account(Book::Deferred(key), currency, out));
        let hold = NewHold { id, account, amount: value, opened_at: self.now, expires_at: None };
        if self.ledger.hold_onto(hold, &mut out.records).is_ok()
            && let Some(entry) = self.jobs.get_mut(&job)
        {
            entry.note_promise(key, id);
        }
    }

    /// A job is over: what it did not draw is free again.
    pub(crate) fn release_promises(&mut self, job: JobId, out: &mut Batch) {
        let counts_on = self.jobs.get_mut(&job).and_then(|entry| entry.counts_on.as_mut());
        for (_, hold) in counts_on.map(|on| std::mem::take(&mut on.months)).unwrap_or_default() {
            let _ = self.ledger.release_onto(hold, &mut out.records);
        }
    }

    /// Takes back what was promised of a month that is being closed: the jobs, in order.
    pub(crate) fn release_promises_of(&mut self, tenant: TenantId, key: PeriodKey, out: &mut Batch) -> Vec<JobId> {
        let of_tenant = self.jobs.values_mut().filter(|e| e.job.tenant == tenant);
        let mut jobs: Vec<JobId> = Vec::new();
        for entry in of_tenant {
            let Some(on) = entry.counts_on.as_mut() else { continue };
            let before = on.months.len();
            on.months.retain(|(other, _)| *other != key);
            jobs.extend((on.months.len() < before).then_some(entry.job.id));
        }
        jobs.sort_unstable();
        for job in &jobs {
            let _ = self.ledger.release_onto(promise_id(*job, key), &mut out.records);
        }
        jobs
    }

    /// Jobs that lost a promise get one of the month that has begun, if there is room; running ones look to their cover by
    /// themselves.
    pub(crate) fn promise_again(&mut self, jobs: Vec<JobId>, out: &mut Batch) {
        for job in jobs {
            let Some(entry) = self.jobs.get(&job) else { continue };
            let (tenant, spec) = (entry.job.tenant, entry.spec.spec.clone());
            if let Some(covered) = self.covered(tenant, &spec) {
                self.promise(job, covered.key, covered.value, out);
            }
        }
    }

    /// After a restart: which open jobs count on what.
    pub(crate) fn restore_promises(&mut self) {
        let open: Vec<PeriodKey> = self.periods.values().filter(|p| p.closed.is_none()).map(|p| p.key).collect();
        for key in open {
            let Some(tenant) = self.contracts.get(&key.contract).map(|c| c.tenant) else { continue };
            let ledger = &self.ledger;
            let of_tenant = self.jobs.values_mut().filter(|e| e.job.tenant == tenant);
            for entry in of_tenant {
                let id = promise_id(entry.job.id, key);
                if ledger.find_hold(id).is_some_and(|hold| hold.is_open()) {
                    entry.note_promise(key, id);
                }
            }
        }
    }

    /// Whether something is left that a tenant has paid for.
    pub(crate) fn has_commitment_left(&self, tenant: TenantId) -> bool {
        let to_draw = |p: &Period| p.closed.is_none() && !p.is_included() && p.left() > 0 && p.from <= self.now;
        let open = |number| self.months_of(number).any(to_draw);
        self.drawable(tenant, self.now).iter().any(|c| open(c.number))
    }
}
