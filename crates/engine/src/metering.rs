//! Running work is billed interval by interval: settled from its hold, costed, and stopped when the wallet
//! no longer covers what comes next.

use std::sync::Arc;

use base::{
    AttemptId, HoldId, JobId, Money, PoolId, PriceBookId, ProjectId, Span, TenantId, Timestamp, TransferId, UserId,
    digest128,
};
use ledger::{Memo, Reference, Stream, TransferReason};
use model::{Actor, AttemptPhase, ClusterHealth, EndCause, EventKind};
use rating::contract::{Allowance, Counts};
use rating::{Interval, Meter, Tariff, Volumes};
use sched::ResourceSeconds;

use crate::books::{Book, Posting};
use crate::record::{Batch, Record, Whose};
use crate::state::{Due, Engine};

impl Engine {
    /// Starts billing an attempt at the prices in force at its start.
    pub(crate) fn start_meter(&mut self, attempt: AttemptId, started_at: Timestamp, out: &mut Batch) {
        let (Some(entry), Some(facts)) = (self.jobs.get(&attempt.job), self.attempts.get(&attempt)) else { return };
        let Some(pool) = self.pools.get(&facts.pool) else { return };
        let found = self.tariff_at_start(entry.job.tenant, &entry.spec.spec, &pool.pool, started_at);
        let Some((book, tariff)) = found else { return };
        let covers = self.covers(entry.job.tenant, &entry.spec.spec, &pool.pool, &tariff, started_at);
        let meter = Meter {
            covers,
            hold: entry.hold.unwrap_or(HoldId::from_u128(0)),
            cost: pool.cost.as_ref().map(|cost| cost.at(started_at)),
            nodes: facts.nodes.len() as u32,
            node: pool.pool.shape,
            intervals: facts.course.as_ref().map_or(0, |c| c.intervals),
            ..Meter::begun(attempt, book, Arc::new(tariff), facts.granted, started_at)
        };
        self.timers.insert((self.meter_at(&meter), Due::Meter(attempt)));
        out.records.push(Record::Meter { attempt, meter: Some(Box::new(meter.clone())) });
        self.meters.insert(attempt, meter);
        // Prices may have risen since admission.
        self.look_ahead(attempt, out);
    }

    pub(crate) fn meter_at(&self, meter: &Meter) -> Timestamp {
        meter.metered_until + self.policy.meter_interval + self.policy.meter_lag
    }

    /// A timer set for `at` has come. Intervals end a fixed lag before it, however late it is looked at.
    pub(crate) fn meter_due(&mut self, attempt: AttemptId, at: Timestamp, out: &mut Batch) {
        let Some(meter) = self.meters.get(&attempt) else { return };
        let Some(facts) = self.attempts.get(&attempt) else { return };
        if at < self.meter_at(meter) || meter.paused_at.is_some() || self.stray.contains(&attempt) {
            // Set for an earlier run, or before it stood still or was left: whoever sets it going again sets another.
            return;
        }
        let reachable = self.clusters.get(&facts.cluster).is_some_and(|c| c.health == ClusterHealth::Reachable);
        if !reachable {
            // Whether it still runs is not known: billed when the cluster answers again.
            self.timers.insert((self.now + self.policy.meter_interval, Due::Meter(attempt)));
            return;
        }
        // After a pause several whole intervals are billed as one.
        let interval = self.policy.meter_interval.as_micros().max(1);
        let behind = (self.now - at).as_micros().max(0) / interval * interval;
        let until = at - self.policy.meter_lag + base::Span::from_micros(behind);
        let until = until.max(meter.metered_until);
        self.bill(attempt, until, out);
        self.write_job(out, attempt.job);
        self.look_ahead(attempt, out);
        if let Some(meter) = self.meters.get(&attempt) {
            self.timers.insert((self.meter_at(meter).max(self.now + base::Span::from_micros(1)), Due::Meter(attempt)));
            out.records.push(Record::Meter { attempt, meter: Some(Box::new(meter.clone())) });
        }
    }

    /// Bills the last stretch of a run that is over, or takes back what was billed beyond its end. What became of the job, and
    /// with it what it is charged, is written by the caller; the meter is dropped by [`Engine::drop_meter`].
    pub(crate) fn stop_meter(&mut self, attempt: AttemptId, ended_at: Timestamp, out: &mut Batch) {
        if self.meters.contains_key(&attempt) {
            self.bill(attempt, ended_at, out);
            self.give_back(attempt, ended_at, out);
        }
    }

    pub(crate) fn drop_meter(&mut self, attempt: AttemptId, out: &mut Batch) {
        if self.meters.remove(&attempt).is_some() {
            out.records.push(Record::Meter { attempt, meter: None });
        }
    }

    /// The run does not count: what was billed of it is given back, and from now on only its cost is counted.
    pub(crate) fn waive(&mut self, attempt: AttemptId, out: &mut Batch) {
        let Some(back) = self.meter_with(attempt, |meter, counts| meter.waive(counts)) else { return };
        if let Some(mut interval) = back {
            let amount = -interval.charge;
            self.post_draws(&interval, out);
            interval.credits = self.give_grants_back(&interval, out).into();
            self.refund(&interval, out);
            self.note_interval(interval, Span::ZERO, out);
            self.job_event(out, Actor::Platform, attempt.job, EventKind::Waived { attempt, amount });
        }
        if let Some(meter) = self.meters.get(&attempt) {
            out.records.push(Record::Meter { attempt, meter: Some(Box::new(meter.clone())) });
        }
    }

    /// What an abandoned run has cost its pool so far becomes a cost of abandoned work.
    pub(crate) fn write_off_cost(&mut self, attempt: AttemptId, out: &mut Batch) {
        let (Some(meter), Some(facts)) = (self.meters.get(&attempt), self.attempts.get(&attempt)) else { return };
        let (pool, cost) = (facts.pool, meter.costed);
        // The number of the next interval: no other transfers have it under this name.
        let (job, number, seq) = (attempt.job.to_bytes(), attempt.number.to_be_bytes(), meter.intervals.to_be_bytes());
        let key = digest128(&[b"abandoned", &job, &number, &seq]) & !0xf;
        let reference =
            Reference::Interval { stream: Stream::from(attempt), from: meter.started_at, to: meter.metered_until };
        let parts = [
            (Part::Depreciation, cost.depreciation, Book::Depreciation(pool)),
            (Part::Datacentre, cost.datacentre, Book::Datacentre(pool)),
            (Part::Fee, cost.fee, Book::Fee(pool)),
        ];
        for (part, amount, credit) in parts {
            let posting = Posting {
                id: interval_transfer(key, part),
                debit: Book::Abandoned(pool),
                credit,
                amount,
                currency: self.policy.cost_currency,
                reason: TransferReason::Accrue,
                memo: Memo::default(),
                reference: Some(reference.clone()),
            };
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
    }

    /// A meter of cost alone, for an abandoned run of which nothing was known.
    pub(crate) fn start_cost_meter(&mut self, attempt: AttemptId) {
        let Some(facts) = self.attempts.get(&attempt) else { return };
        let (Some(pool), Some(started_at)) = (self.pools.get(&facts.pool), facts.started_at) else { return };
        let meter = Meter {
            cost: pool.cost.as_ref().map(|cost| cost.at(started_at)),
            nodes: facts.nodes.len() as u32,
            node: pool.pool.shape,
            intervals: facts.course.as_ref().map_or(0, |c| c.intervals),
            waived: true,
            ..Meter::begun(attempt, PriceBookId::from_u128(0), Tariff::free(), facts.granted, started_at)
        };
        self.meters.insert(attempt, meter);
    }

    /// Counts the cost of a run that nobody is billed for, up to its end.
    pub(crate) fn bill_cost(&mut self, attempt: AttemptId, until: Timestamp, out: &mut Batch) {
        let Some(meter) = self.meters.get_mut(&attempt).filter(|m| m.waived) else { return };
        // Nothing is counted for anybody any more.
        let none = &mut Volumes::default();
        let advanced = meter.advance(until, &mut *none);
        let Some(interval) = advanced.or_else(|| meter.retract(until, none)) else { return };
        let worked =
            if meter.metered_until == interval.to { lasted(&interval) } else { Span::ZERO - lasted(&interval) };
        self.cost(&interval, interval_key(&interval), out);
        self.note_interval(interval, worked, out);
    }

    /// Lets a meter go on with the counts of its tenant and book and the months of its contracts; these are stored if it changed
    /// them. `None`: there is no meter.
    fn meter_with<T>(&mut self, attempt: AttemptId, act: impl FnOnce(&mut Meter, Counts) -> T) -> Option<T> {
        let known = self.meters.get(&attempt)?;
        if known.covers.is_empty() {
            return self.meter_counting(attempt, &mut [], act);
        }
        let mut allowances = self.allowances(known);
        let done = self.meter_counting(attempt, &mut allowances, act);
        self.keep_allowances(allowances);
        done
    }

    fn meter_counting<T>(
        &mut self,
        attempt: AttemptId,
        allowances: &mut [Allowance],
        act: impl FnOnce(&mut Meter, Counts) -> T,
    ) -> Option<T> {
        let meter = self.meters.get_mut(&attempt)?;
        if !meter.tariff.has_volume() {
            return Some(act(meter, Counts { volumes: &mut Volumes::default(), allowances }));
        }
        let known = self.attempts.get(&attempt).and_then(|a| a.course.as_ref()?.tenant);
        let (tenant, book) = (self.jobs.get(&attempt.job).map(|e| e.job.tenant).or(known)?, meter.book);
        let volumes = self.volumes.entry((tenant, book)).or_default();
        let done = act(meter, Counts { volumes, allowances });
        self.touched.volumes.insert((tenant, book));
        Some(done)
    }

    fn bill(&mut self, attempt: AttemptId, until: Timestamp, out: &mut Batch) {
        // A calendar month ends within: what is priced by its quantity is billed up to there first.
        while let Some(end) = self.meters.get(&attempt).and_then(|meter| meter.month_end(until)) {
            let before = self.meters.get(&attempt).map(|meter| meter.metered_until);
            self.bill_stretch(attempt, end, out);
            if self.meters.get(&attempt).map(|meter| meter.metered_until) == before {
                break;
            }
        }
        self.bill_stretch(attempt, until, out);
    }

    fn bill_stretch(&mut self, attempt: AttemptId, until: Timestamp, out: &mut Batch) {
        let advanced = self.meter_with(attempt, |meter, counts| meter.advance(until, counts));
        let Some(mut interval) = advanced.flatten() else { return };
        let Some(entry) = self.jobs.get_mut(&attempt.job) else { return };
        entry.charged += interval.charge;
        let (tenant, hold) = (entry.job.tenant, entry.hold);
        let key = interval_key(&interval);
        self.post_draws(&interval, out);
        interval.credits = self.pay_by_grants(&interval, out).into();
        interval.uncollected = self.collect(&interval, key, tenant, hold, out);
        if interval.uncollected > Money::ZERO
            && let Some(meter) = self.meters.get_mut(&attempt)
        {
            meter.uncollected += interval.uncollected;
        }
        self.cost(&interval, key, out);
        let used = ResourceSeconds::of(&interval.granted, interval.to - interval.from);
        self.sched.charge(tenant, &used, self.now);
        self.touched.shares.insert(tenant);
        let worked = lasted(&interval);
        self.note_interval(interval, worked, out);
    }

    /// The end became known after time beyond it was billed: the tenant gets it back, and the cost is taken back.
    fn give_back(&mut self, attempt: AttemptId, ended_at: Timestamp, out: &mut Batch) {
        let back = self.meter_with(attempt, |meter, counts| meter.retract(ended_at, counts));
        let Some(mut interval) = back.flatten() else { return };
        self.post_draws(&interval, out);
        interval.credits = self.give_grants_back(&interval, out).into();
        self.refund(&interval, out);
        self.cost(&interval, interval_key(&interval), out);
        let worked = Span::ZERO - lasted(&interval);
        self.note_interval(interval, worked, out);
    }

    fn note_interval(&mut self, interval: Interval, worked: Span, out: &mut Batch) {
        self.count_spent(&interval, out);
        self.count_purchase(&interval, out);
        let job = self.jobs.get(&interval.attempt.job);
        // A run whose job is over is nobody's any more but its pool's.
        let project = job.map_or(ProjectId::from_u128(0), |entry| entry.job.project);
        let user = job.map_or(UserId::from_u128(0), |entry| entry.job.user);
        let line = job.map_or_else(Default::default, |entry| entry.spec.spec.line);
        let pool = self.attempts.get(&interval.attempt).map_or(PoolId::from_u128(0), |facts| facts.pool);
        out.records.push(Record::Interval { interval, whose: Box::new(Whose { project, user, pool, line, worked }) });
    }

    /// Gives the tenant back what a negative interval says.
    fn refund(&mut self, interval: &Interval, out: &mut Batch) {
        let Some(entry) = self.jobs.get_mut(&interval.attempt.job) else { return };
        entry.charged += interval.charge;
        let tenant = entry.job.tenant;
        let Some(currency) = self.currency(tenant) else { return };
        let written_off = -interval.uncollected;
        let key = interval_key(interval);
        let parts = [
            (Part::Refund, -interval.own_part() - written_off, Book::Wallet(tenant)),
            (Part::RefundUncollected, written_off, Book::Uncollected),
        ];
        for (part, amount, credit) in parts {
            let posting = Posting {
                id: interval_transfer(key, part),
                debit: Book::Revenue,
                credit,
                amount,
                currency,
                reason: TransferReason::Refund,
                memo: Memo::default(),
                reference: Some(reference(interval)),
            };
            // The operator's accounts have no floor, and a wallet only grows here.
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
    }

    /// Moves the charge of an interval, but for what was drawn and what grants paid, to revenue: from the hold, then from the wallet; what neither
    /// covers is written off. Returns the part written off.
    fn collect(
        &mut self,
        interval: &Interval,
        key: u128,
        tenant: TenantId,
        hold: Option<HoldId>,
        out: &mut Batch,
    ) -> Money {
        let Some(currency) = self.currency(tenant) else { return Money::ZERO };
        let held = hold.and_then(|h| self.ledger.find_hold(h)).map_or(Money::ZERO, |h| h.remaining());
        let owed = interval.own_part();
        let from_hold = owed.min(held);
        let rest = owed - from_hold;
        let free = || self.wallet(tenant).map_or(Money::ZERO, |w| w.available.max(Money::ZERO));
        let from_wallet = if rest > Money::ZERO { rest.min(free()) } else { Money::ZERO };
        let uncollected = rest - from_wallet;
        let parts = [
            (Part::Hold, from_hold, Book::Wallet(tenant), hold),
            (Part::Wallet, from_wallet, Book::Wallet(tenant), None),
            (Part::Uncollected, uncollected, Book::Uncollected, None),
        ];
        for (part, amount, debit, hold) in parts {
            let posting = Posting {
                id: interval_transfer(key, part),
                debit,
                credit: Book::Revenue,
                amount,
                currency,
                reason: TransferReason::Settle,
                memo: Memo::default(),
                reference: Some(reference(interval)),
            };
            // Amounts were cut to what hold and wallet have, so nothing is refused.
            let posted = self.post(posting, hold, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
        uncollected
    }

    /// Accrues what the interval cost; takes back what a negative one did not cost.
    fn cost(&mut self, interval: &Interval, key: u128, out: &mut Batch) {
        let Some(facts) = self.attempts.get(&interval.attempt) else { return };
        let (pool, cluster, phase) = (facts.pool, facts.cluster, facts.phase);
        let Some(supplier) = self.clusters.get(&cluster).map(|cluster| cluster.supplier) else { return };
        let abandoned = phase == AttemptPhase::Abandoned;
        let of = |book| if abandoned { Book::Abandoned(pool) } else { book };
        let cost = &interval.cost;
        let parts = [
            (Part::Depreciation, cost.depreciation, of(Book::Depreciation(pool)), Book::AccumulatedDepreciation(pool)),
            (Part::Datacentre, cost.datacentre, of(Book::Datacentre(pool)), Book::DatacentrePayable),
            (Part::Fee, cost.fee, of(Book::Fee(pool)), Book::SupplierAccrued(supplier)),
        ];
        for (part, amount, debit, credit) in parts {
            let back = amount.is_negative();
            let (amount, debit, credit) = if back { (-amount, credit, debit) } else { (amount, debit, credit) };
            let posting = Posting {
                id: interval_transfer(key, part),
                debit,
                credit,
                amount,
                currency: self.policy.cost_currency,
                reason: TransferReason::Accrue,
                memo: Memo::default(),
                reference: Some(reference(interval)),
            };
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
    }

    /// Makes sure that the hold covers what comes before the next look; warns, or takes a warning back.
    fn look_ahead(&mut self, attempt: AttemptId, out: &mut Batch) {
        let Some(meter) = self.meters.get(&attempt).filter(|_| !self.stray.contains(&attempt)) else { return };
        let Some(entry) = self.jobs.get(&attempt.job) else { return };
        let (hold, tenant) = (entry.hold, entry.job.tenant);
        let limit = entry.spec.spec.time_limit + self.policy.kill_grace;
        let left = (meter.started_at + limit + meter.paused).since(meter.metered_until);
        let (cover, more) = (self.policy.cover().min(left), self.policy.hold_span.max(self.policy.cover()).min(left));
        let warned = meter.stop_at.is_some();
        let held = hold.and_then(|h| self.ledger.find_hold(h));
        let (amount, kept) = held.map_or((Money::ZERO, Money::ZERO), |h| (h.amount, h.remaining()));
        let (needed, wanted) = self.needs_ahead(attempt, tenant, kept, (cover, more), out);
        let granted = self.promise_grants(attempt, kept, (needed, wanted), out);
        let (needed, wanted) = (needed - granted, wanted - granted);
        if kept >= needed {
            return self.set_stop(attempt, None, warned, out);
        }
        for target in [wanted, needed] {
            if self.raise_hold(attempt.job, amount + (target - kept).max(Money::ZERO), out) {
                return self.set_stop(attempt, None, warned, out);
            }
        }
        if !warned {
            let available = self.wallet(tenant).map_or(Money::ZERO, |w| w.available);
            let stop_at = self.now + self.policy.balance_grace;
            self.set_stop(attempt, Some(stop_at), warned, out);
            self.timers.insert((stop_at, Due::Stop(attempt)));
            let what = EventKind::BalanceLow { available, needed: needed - kept, stop_at };
            self.job_event(out, Actor::Platform, attempt.job, what);
        }
    }

    /// What a run needs of the wallet for two spans to come, when contracts are drawn on first; what it draws in the longer one is
    /// promised to it as soon as what it was promised does not cover the shorter one.
    fn needs_ahead(
        &mut self,
        attempt: AttemptId,
        tenant: TenantId,
        kept: Money,
        (cover, more): (Span, Span),
        out: &mut Batch,
    ) -> (Money, Money) {
        let Some(meter) = self.meters.get(&attempt) else { return (Money::ZERO, Money::ZERO) };
        let none = Volumes::default();
        let book = meter.book;
        if meter.covers.is_empty() {
            let volumes = self.volumes.get(&(tenant, book)).unwrap_or(&none);
            return (meter.ahead(cover, volumes), meter.ahead(more, volumes));
        }
        // A promise takes nothing from what the run itself may draw.
        let allowances = self.allowances(meter);
        let volumes = self.volumes.get(&(tenant, book)).unwrap_or(&none);
        let (drawn, needed) = meter.ahead_drawing(cover, volumes, allowances.clone());
        if needed <= kept && drawn.iter().all(|one| self.promised(attempt.job, one.of) >= one.value) {
            return (needed, needed);
        }
        let (drawn, wanted) = meter.ahead_drawing(more, volumes, allowances);
        for one in drawn {
            self.promise(attempt.job, one.of, one.value, out);
        }
        (needed, wanted)
    }

    /// Authorises `to` in all for a job, as far as the wallet covers it; false when it does not.
    fn raise_hold(&mut self, job: JobId, to: Money, out: &mut Batch) -> bool {
        let Some(entry) = self.jobs.get(&job) else { return false };
        let tenant = entry.job.tenant;
        if let Some(hold) = entry.hold {
            let raised = self.ledger.extend_hold_onto(hold, to, &mut out.records).is_ok();
            self.count_promised(job);
            return raised;
        }
        // Admitted for nothing, and now it costs something.
        let hold = self.open_hold(job, tenant, to, out);
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.hold = hold;
        }
        self.count_promised(job);
        self.write_job(out, job);
        hold.is_some()
    }

    fn set_stop(&mut self, attempt: AttemptId, stop_at: Option<Timestamp>, warned: bool, out: &mut Batch) {
        if let Some(meter) = self.meters.get_mut(&attempt).filter(|m| m.stop_at != stop_at) {
            meter.stop_at = stop_at;
            out.records.push(Record::Meter { attempt, meter: Some(Box::new(meter.clone())) });
        }
        if warned && stop_at.is_none() {
            self.job_event(out, Actor::Platform, attempt.job, EventKind::BalanceRestored);
        }
    }

    /// The grace after a warning is over: one more look, then the end.
    pub(crate) fn stop_due(&mut self, attempt: AttemptId, out: &mut Batch) {
        self.look_ahead(attempt, out);
        let due = self.meters.get(&attempt).and_then(|m| m.stop_at).is_some_and(|at| at <= self.now);
        if due && !self.stray.contains(&attempt) {
            // A refusal means that it is ending already.
            let _ = self.end_job(attempt.job, EndCause::Balance, Actor::Platform, out);
        }
    }

    /// Money came in: warnings of the tenant's running work are looked at again.
    pub(crate) fn cover_again(&mut self, tenant: TenantId, out: &mut Batch) {
        let mut warned: Vec<AttemptId> =
            self.meters.values().filter(|m| m.stop_at.is_some()).map(|m| m.attempt).collect();
        warned.retain(|a| self.jobs.get(&a.job).is_some_and(|e| e.job.tenant == tenant));
        warned.sort_unstable();
        for attempt in warned {
            self.look_ahead(attempt, out);
        }
    }
}

/// What of an interval a transfer moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Hold = 1,
    Wallet,
    Uncollected,
    Depreciation,
    Datacentre,
    Refund,
    RefundUncollected,
    Fee,
}

/// One transfer per interval and part, named by both: billing an interval twice would repeat the id. The parts share one
/// digest, of which the last four bits say the part.
fn interval_key(interval: &Interval) -> u128 {
    let attempt = interval.attempt;
    let (job, number, seq) = (attempt.job.to_bytes(), attempt.number.to_be_bytes(), interval.seq.to_be_bytes());
    digest128(&[b"interval", &job, &number, &seq]) & !0xf
}

fn interval_transfer(key: u128, part: Part) -> TransferId {
    TransferId::from_u128(key | part as u128)
}

fn lasted(interval: &Interval) -> Span {
    interval.to - interval.from
}

fn reference(interval: &Interval) -> Reference {
    Reference::Interval { stream: Stream::from(interval.attempt), from: interval.from, to: interval.to }
}
