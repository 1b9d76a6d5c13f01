//! What must hold after a run, checked by means that share nothing with the engine: the cluster models' own history, the
//! stored rows and the ledger's auditor. Refuses to repair and to guess.

mod grants;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

use base::{AttemptId, JobId, Money, Span, Timestamp, UserId};
use ledger::{AccountKind, Stream};
use model::{Attempt, Event, EventKind, Outcome};
use rating::contract::PeriodKey;
use rating::{Cause, CostParts, Interval, PoolCost, Stretch};

use crate::tables::Tables;
use crate::world::World;

/// Everything that is wrong after a run in which all work has ended; empty when all is well.
#[must_use]
pub fn after_quiescence(world: &World) -> Vec<String> {
    let tables = world.tables();
    let mut wrong: Vec<String> = while_running(world);
    wrong.extend(every_job_ended_once(world));
    wrong.extend(nothing_ran_twice(world));
    wrong.extend(every_second_billed_once(world));
    wrong.extend(the_books_agree(tables));
    wrong.extend(nothing_is_free(tables));
    wrong.extend(nothing_is_left(world));
    wrong.extend(pools_cost_what_they_cost(tables));
    wrong.extend(suppliers_are_owed_their_fees(tables));
    wrong.extend(contracts_are_kept(tables));
    wrong.extend(grants::are_kept(tables));
    wrong.extend(usage::is_billed_once(tables));
    wrong.extend(budgets_have_what_was_billed(tables));
    wrong
}

/// What tenants paid for months of contracts was drawn by intervals, earned with the month's end, or is still there; and nobody drew
/// more than a month had.
fn contracts_are_kept(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut drawn: BTreeMap<PeriodKey, (i128, Money)> = BTreeMap::new();
    let of_usage = tables.usage.iter().flat_map(|usage| &usage.drawn);
    for one in tables.intervals.values().flatten().flat_map(|interval| &interval.drawn).chain(of_usage) {
        let sum = drawn.entry(one.of).or_default();
        *sum = (sum.0 + one.pieces, sum.1 + one.value);
    }
    let balance = |code: &str| {
        let found = tables.accounts.values().filter(|a| a.code.as_str() == code || a.code.as_str().ends_with(code));
        found.map(|a| a.balance()).sum::<Money>()
    };
    let (mut paid, mut used, mut left, mut fees) = (Money::ZERO, Money::ZERO, Money::ZERO, Money::ZERO);
    for month in tables.months.values() {
        let key = month.key;
        let (pieces, value) = drawn.get(&key).copied().unwrap_or_default();
        if month.drawn.0 as i128 != pieces || pieces > month.pieces.0 as i128 {
            wrong.push(format!("{key:?}: {:?} drawn of {:?}, by intervals {pieces}", month.drawn, month.pieces));
        }
        let worth = if month.pieces.0 == 0 { 0 } else { i128::from(month.value.0) * pieces / month.pieces.0 as i128 };
        if i128::from(value.0) != worth {
            wrong.push(format!("{key:?}: {pieces} pieces are worth {worth}, intervals have {value}"));
        }
        let kept = balance(&format!("contract/{}/{}/{}/{}", key.contract, key.line, key.month, kind(key.carried)));
        if (kept == Money::ZERO) != (month.closed.is_some() || value == month.value) {
            wrong.push(format!("{key:?}: {kept} is left of its fee, closed: {:?}", month.closed));
        }
        left += kept;
        match key {
            PeriodKey { line: 0, .. } => fees += month.value - kept,
            PeriodKey { carried: true, .. } => used += value,
            _ => (paid, used) = (paid + month.value, used + value),
        }
        if key.line == 0 {
            left = left - kept;
        }
    }
    let unused = balance("/revenue/unused-commitments");
    if paid != used + unused + left {
        wrong.push(format!("{paid} was paid for commitments: {used} used, {unused} unused, {left} left"));
    }
    let early = tables.contracts.values().filter(|c| c.broken_off.is_some());
    fees += early.map(|c| c.terms.early_fee(c.begun)).sum::<Money>();
    let booked = balance("/revenue/contract-fees");
    if fees != booked {
        wrong.push(format!("fees of contracts are {fees}, {booked} is booked"));
    }
    wrong
}

const fn kind(carried: bool) -> &'static str {
    if carried { "carried" } else { "deferred" }
}

/// All of an own pool's cost stands in its accounts, used or not: by the stretches, and by the life of the nodes from the first
/// stretch to the last. To be asked when a full hour has passed since the last work.
fn pools_cost_what_they_cost(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    for (pool, cost) in &tables.costs {
        let of_pool: Vec<&Stretch> = tables.stretches.iter().filter(|s| s.pool == *pool).collect();
        let (Some(own), [first, .., last]) = (cost.as_ref().and_then(PoolCost::own), &of_pool[..]) else { continue };
        let prefix = format!("pool/{pool}/cost/");
        let booked: Money =
            tables.accounts.values().filter(|a| a.code.as_str().starts_with(&prefix)).map(|a| a.balance()).sum();
        let owed: Money = of_pool.iter().map(|s| s.owed.total()).sum();
        let whole = own.owed(first.from, last.to).map(|parts| parts.total());
        if booked != owed || whole != Some(owed) {
            wrong.push(format!("{pool} has cost {whole:?}, its stretches say {owed}, its accounts {booked}"));
        }
        if of_pool.iter().any(|s| s.owed.total() != s.worked.total() + s.rest.iter().map(CostParts::total).sum()) {
            wrong.push(format!("a stretch of {pool} does not add up"));
        }
    }
    wrong
}

/// What is accrued to suppliers is the fees of the intervals, and what these fell behind the minimum purchase in each period that
/// is closed.
fn suppliers_are_owed_their_fees(tables: &Tables) -> Vec<String> {
    let fees: Money = tables.intervals.values().flatten().map(|i| i.cost.fee).sum();
    let of = |end: &'static str| {
        tables.accounts.values().filter(move |a| a.code.as_str().ends_with(end)).map(|a| a.balance()).sum::<Money>()
    };
    let mut wrong = Vec::new();
    let mut short = Money::ZERO;
    for terms in tables.supplier_terms.values() {
        let supplier_of = |attempt: AttemptId| {
            let cluster = tables.attempts.get(&attempt).map(|a| a.cluster);
            cluster.and_then(|id| tables.clusters.get(&id)).map(|cluster| cluster.supplier)
        };
        let own: Vec<&Interval> =
            tables.intervals.values().flatten().filter(|i| supplier_of(i.attempt) == Some(terms.supplier)).collect();
        for p in &terms.periods {
            let within = |i: &&&Interval| p.from < i.to && i.to <= p.to;
            let bought: Money = own.iter().filter(within).map(|i| i.cost.fee).sum();
            let owed = p.minimum.map_or(Money::ZERO, |minimum| (minimum - bought).max(Money::ZERO));
            if (p.fees, p.accrued) != (bought, owed) {
                wrong.push(format!("from {} were bought {bought}, {owed} short, and is kept as {p:?}", p.from));
            }
            short += owed;
        }
    }
    if fees + short != of("/accrued") || short != of("/cost/minimum") {
        let (accrued, minimum) = (of("/accrued"), of("/cost/minimum"));
        wrong.push(format!("fees of {fees}, {short} short; accrued {accrued}, of that {minimum} for minima"));
    }
    wrong
}

/// What was spent of a budget in each of its periods is the sum of its work's intervals that end there, each threshold that it has
/// reached was told once, and none that it never reached. For budgets that were set before anything was billed.
fn budgets_have_what_was_billed(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    let first = tables.intervals.values().flatten().map(|i| i.from).min();
    let told = |number: u64, percent: u32, until: Timestamp| {
        let is_it = |e: &&Event| {
            matches!(e.what, EventKind::BudgetAlert { budget, percent: p, until: u, .. }
                if (budget, p, u) == (number, percent, until))
        };
        tables.events.iter().filter(is_it).count()
    };
    for budget in tables.budgets.values().filter(|b| first.is_some_and(|first| b.set_at <= first)) {
        let number = budget.number;
        let mut sums: BTreeMap<(Timestamp, Timestamp), Money> = BTreeMap::new();
        for interval in tables.intervals.values().flatten() {
            let Some(job) = tables.jobs.get(&interval.attempt.job).map(|row| &row.job) else { continue };
            if let Some(period) = budget.around(interval.to)
                && budget.is_for(job.tenant, job.project, job.user)
            {
                *sums.entry(period).or_default() += interval.own_part();
            }
        }
        for usage in &tables.usage {
            let user = usage.of.user.unwrap_or(UserId::from_u128(0));
            if let Some(period) = budget.around(usage.counts_at)
                && usage.at >= budget.set_at
                && budget.is_for(usage.of.tenant, usage.of.project, user)
            {
                *sums.entry(period).or_default() += usage.own_part();
            }
        }
        for spent in &budget.spent {
            let billed = sums.remove(&(spent.from, spent.to)).unwrap_or(Money::ZERO);
            if spent.total() != billed {
                wrong.push(format!("{} of budget {number} are spent, its intervals are {billed}", spent.total()));
            }
            for percent in &budget.alerts {
                let wanted = usize::from(spent.alerted.contains(percent));
                let (reached, times) =
                    (billed.0 >= budget.amount.0 / 100 * i64::from(*percent), told(number, *percent, spent.to));
                if times != wanted || (reached && wanted == 0) {
                    wrong.push(format!("{percent} % of budget {number} was told {times} times"));
                }
            }
        }
        sums.retain(|_, sum| *sum != Money::ZERO);
        if !sums.is_empty() {
            wrong.push(format!("budget {number} has not counted {sums:?}"));
        }
    }
    wrong
}

/// What must hold at any moment of a run.
#[must_use]
pub fn while_running(world: &World) -> Vec<String> {
    let mut wrong: Vec<String> = world.conflict().map(|c| format!("the store refused: {c}")).into_iter().collect();
    wrong.extend(world.clusters().flat_map(|c| c.complaints()).cloned());
    wrong
}

/// What must hold of a job that was settled in a lean run: billed as its intervals say, each second of each undisturbed run once.
#[must_use]
pub fn settled(job: &crate::Settled) -> Vec<String> {
    let crate::Settled { row, attempts, intervals } = job;
    let mut wrong = Vec::new();
    let id = row.job.id;
    let billed: Money = intervals.iter().map(|i| i.charge).sum();
    if billed != row.charged {
        wrong.push(format!("{id} is charged {} and its intervals are {billed}", row.charged));
    }
    if row.job.is_open() {
        wrong.push(format!("{id} is over and open"));
    }
    for attempt in attempts.iter().filter(|a| a.course.is_none() && a.outcome.is_some_and(|o| !is_broken(o))) {
        let (Some(from), Some(to)) = (attempt.started_at, attempt.ended_at) else { continue };
        let of: Vec<Interval> = intervals.iter().filter(|i| i.attempt == attempt.id).cloned().collect();
        let charged: Money = of.iter().map(|i| i.charge).sum();
        if charged == Money::ZERO && attempt.id.number < row.job.attempts {
            // It was asked back while it started, and is not billed: the run that counts came later.
            continue;
        }
        match net(&of) {
            Err(text) => wrong.push(text),
            Ok(kept) => {
                let whole = kept.first().map(|k| k.0) == Some(from) && kept.last().map(|k| k.1) == Some(to);
                let dense = kept.windows(2).all(|pair| pair[0].1 == pair[1].0);
                if from < to && !(whole && dense) {
                    wrong.push(format!("{} ran from {from} to {to} and is billed {kept:?}", attempt.id));
                }
            }
        }
    }
    wrong
}

const fn is_broken(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::NodeFail | Outcome::Preempted)
}

/// Revenue, and all costs of work but what was written off of revenue, as the accounts have them; without what nodes cost while
/// nothing used them.
#[must_use]
pub fn accounts(tables: &Tables) -> (Money, Money) {
    let of = |kind: AccountKind| tables.accounts.values().filter(move |a| a.kind == kind);
    let revenue = of(AccountKind::Income).map(|a| a.balance()).sum();
    let unused = |code: &str| Cause::ALL.iter().any(|cause| code.rsplit('/').next() == Some(cause.as_str()));
    let costs =
        of(AccountKind::Expense).filter(|a| !a.code.as_str().ends_with("/uncollected") && !unused(a.code.as_str()));
    (revenue, costs.map(|a| a.balance()).sum())
}

/// The auditor's word on the books of a lean run, and with `all_ended` that nothing is left of the work.
#[must_use]
pub fn books(world: &World, all_ended: bool) -> Vec<String> {
    let auditor = &world.tables().auditor;
    let mut wrong: Vec<String> = auditor.findings().iter().map(|f| format!("auditor: {f:?}")).collect();
    if all_ended {
        wrong.extend(auditor.expect_nothing_held().iter().map(|f| format!("auditor: {f:?}")));
        let sizes = world.engine().sizes();
        if [sizes.open_jobs, sizes.queued_jobs, sizes.open_holds] != [0; 3] {
            wrong.push(format!("the engine still keeps {sizes:?}"));
        }
    }
    wrong
}

fn every_job_ended_once(world: &World) -> Vec<String> {
    let tables = world.tables();
    let mut ends: BTreeMap<JobId, u32> = BTreeMap::new();
    for event in &tables.events {
        if let (Some(job), EventKind::Ended { .. }) = (event.job, &event.what) {
            *ends.entry(job).or_default() += 1;
        }
    }
    let mut wrong = Vec::new();
    for (id, row) in &tables.jobs {
        if row.job.is_open() {
            let reason = world.engine().reason(*id);
            wrong.push(format!("{id} (number {}) is still {:?}: {reason:?}", row.job.number, row.job.phase()));
        }
        let count = ends.get(id).copied().unwrap_or(0);
        if count != u32::from(!row.job.is_open()) {
            wrong.push(format!("{id} has {count} events of its end"));
        }
    }
    wrong
}

fn nothing_ran_twice(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut of_job: BTreeMap<JobId, Vec<crate::Execution>> = BTreeMap::new();
    for execution in world.clusters().flat_map(|c| c.executions()) {
        of_job.entry(execution.attempt.job).or_default().push(*execution);
    }
    for (job, mut runs) in of_job {
        runs.sort_by_key(|e| (e.started, e.attempt));
        for pair in runs.windows(2) {
            if pair[0].attempt == pair[1].attempt && !pair[0].interrupted {
                wrong.push(format!("{} was started twice", pair[0].attempt));
            }
            if (was_left(world.tables(), pair[0].attempt) || was_left(world.tables(), pair[1].attempt))
                && may_run_again(world.tables(), job)
            {
                continue;
            }
            if pair[0].ended.is_none_or(|ended| ended > pair[1].started) {
                wrong.push(format!("{} and {} ran at the same time", pair[0].attempt, pair[1].attempt));
            }
        }
        let tables = world.tables();
        if !tables.jobs.contains_key(&job) {
            wrong.push(format!("{job} ran and is not stored"));
            continue;
        }
        let again = |e: &Event| matches!(e.what, EventKind::Requeued { .. } | EventKind::Withdrawn { .. });
        let asked = may_run_again(tables, job) || tables.timeline(job).any(again);
        if runs.iter().filter(|e| !e.interrupted).count() > 1 && !asked {
            wrong.push(format!("{job} ran {} times without a requeue", runs.len()));
        }
        if let Some(alive) = runs.iter().find(|e| e.ended.is_none()) {
            wrong.push(format!("{} still runs", alive.attempt));
        }
    }
    wrong
}

fn may_run_again(tables: &Tables, job: JobId) -> bool {
    tables.jobs.get(&job).and_then(|row| tables.specs.get(&row.job.spec)).is_some_and(|s| s.requeue)
}

/// Whether the job went on without this attempt, or let it run beside another.
fn was_left(tables: &Tables, attempt: AttemptId) -> bool {
    let is_it = |e: &Event| match e.what {
        EventKind::Twinned { attempt: left, .. } | EventKind::Moved { attempt: left, .. } => left == attempt,
        _ => false,
    };
    tables.attempts.get(&attempt).is_some_and(|a| a.course.as_ref().is_some_and(|c| c.tenant.is_some()))
        || tables.timeline(attempt.job).any(is_it)
}

/// Whether what was billed of an attempt's last run was given back.
fn was_waived(tables: &Tables, attempt: &Attempt) -> bool {
    let runs = attempt.course.as_ref().map_or(0, |c| c.runs) as usize;
    let is_it = |e: &&Event| matches!(e.what, EventKind::Waived { attempt: waived, .. } if waived == attempt.id);
    let free = tables.intervals.get(&attempt.id).is_none_or(|i| i.iter().all(|i| i.charge == Money::ZERO));
    free || tables.timeline(attempt.id.job).filter(is_it).count() > runs
}

/// What was billed of an attempt in the end: stretches that were given back are cut off.
fn net(intervals: &[Interval]) -> Result<Vec<(Timestamp, Timestamp)>, String> {
    let mut kept: Vec<(Timestamp, Timestamp)> = Vec::new();
    for interval in intervals {
        // Between two stretches it may have stood still, or waited for its next run.
        if interval.charge >= Money::ZERO && kept.last().is_none_or(|k| k.1 <= interval.from) {
            kept.push((interval.from, interval.to));
            continue;
        }
        if kept.last().is_none_or(|k| k.1 > interval.to) {
            return Err(format!("interval {} of {} neither follows nor takes back", interval.seq, interval.attempt));
        }
        kept.retain(|k| k.0 < interval.from);
        if let Some(last) = kept.last_mut() {
            last.1 = last.1.min(interval.from);
        }
    }
    Ok(kept)
}

fn every_second_billed_once(world: &World) -> Vec<String> {
    let tables = world.tables();
    let mut wrong = Vec::new();
    let mut auditor = tables.auditor.clone();
    let started: Vec<&Attempt> = tables.attempts.values().filter(|a| a.started_at.is_some()).collect();
    let has_gaps = |a: &&Attempt| a.course.as_ref().is_some_and(|c| c.runs > 0 || c.stopped_at.is_some());
    let told = tables.events.iter().filter_map(|e| match e.what {
        EventKind::Suspended { attempt } | EventKind::Interrupted { attempt, .. } => Some(attempt),
        _ => None,
    });
    let stopped: BTreeSet<AttemptId> = tables.attempts.values().filter(has_gaps).map(|a| a.id).chain(told).collect();
    for (attempt, intervals) in &tables.intervals {
        match net(intervals) {
            // With gaps: that it is billed for as long as it worked is asked of `billed_as_it_ran`.
            Ok(_) if stopped.contains(attempt) => {}
            Ok(kept) => kept.into_iter().for_each(|(from, to)| auditor.interval(Stream::from(*attempt), from, to)),
            Err(text) => wrong.push(text),
        }
    }
    wrong.extend(auditor.findings().iter().map(|f| format!("auditor: {f:?}")));
    wrong.extend(auditor.expect_nothing_held().iter().map(|f| format!("auditor: {f:?}")));
    for attempt in started {
        if was_left(tables, attempt.id) || was_waived(tables, attempt) || stopped.contains(&attempt.id) {
            continue;
        }
        let (Some(from), Some(to)) = (attempt.started_at, attempt.ended_at) else { continue };
        let found = auditor.expect_covered(Stream::from(attempt.id), from, to);
        wrong.extend(found.iter().map(|f| format!("{} from {from} to {to}: {f:?}", attempt.id)));
    }
    wrong
}

/// True times against billed ones, for runs in which no clock was ever set: to the microsecond.
#[must_use]
pub fn billed_as_it_ran(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let tables = world.tables();
    let mut interrupted: BTreeMap<AttemptId, u32> = BTreeMap::new();
    for run in world.clusters().flat_map(|c| c.executions()) {
        let Some(attempt) = tables.attempts.get(&run.attempt) else { continue };
        if run.interrupted {
            *interrupted.entry(run.attempt).or_default() += 1;
            continue;
        }
        if was_left(tables, run.attempt) {
            continue;
        }
        let known = attempt.started_at.zip(attempt.ended_at).map(|(from, to)| to - from);
        let real = run.ended.map(|ended| ended - run.started);
        if known != real {
            wrong.push(format!("{} ran {real:?} and is stored with {known:?}", run.attempt));
        }
        if was_waived(tables, attempt) {
            continue;
        }
        let kept = tables.intervals.get(&run.attempt).map_or(Ok(Vec::new()), |i| net(i)).unwrap_or_default();
        let billed: Span = kept.iter().map(|(from, to)| *to - *from).fold(Span::ZERO, |sum, span| sum + span);
        let worked = real.map(|real| real - run.suspended);
        if Some(billed) != worked {
            wrong.push(format!("{} worked {worked:?} and was billed for {billed:?}", run.attempt));
        }
    }
    for (id, runs) in interrupted {
        let known = tables.attempts.get(&id).and_then(|a| a.course.as_ref()).map_or(0, |c| c.runs);
        // A run of which nothing was heard before the attempt had ended is not billed, and so not missed.
        if known > runs {
            wrong.push(format!("{id} was broken off {runs} times and {known} are known"));
        }
    }
    wrong
}

/// Runs that were not billed are those that the policy lets go: broken off by their cluster, asked back, or lost to a twin.
fn nothing_is_free(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    for event in &tables.events {
        let EventKind::Waived { attempt, .. } = &event.what else { continue };
        let Some(facts) = tables.attempts.get(attempt) else { continue };
        let runs = facts.course.as_ref().map_or(0, |c| c.runs);
        let excused = |e: &Event| {
            matches!(e.what, EventKind::Withdrawn { .. } | EventKind::Moved { .. } | EventKind::Twinned { .. })
        };
        let broken = matches!(facts.outcome, Some(Outcome::NodeFail | Outcome::Preempted)) || runs > 0;
        if !broken && !tables.timeline(attempt.job).any(excused) {
            wrong.push(format!("{attempt} ended {:?} and was not billed", facts.outcome));
        }
    }
    wrong
}

fn the_books_agree(tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut of_job: BTreeMap<JobId, Money> = BTreeMap::new();
    let mut total = Money::ZERO;
    for interval in tables.intervals.values().flatten() {
        *of_job.entry(interval.attempt.job).or_default() += interval.charge;
        total += interval.charge;
    }
    for (id, row) in &tables.jobs {
        let billed = of_job.get(id).copied().unwrap_or_default();
        if row.charged != billed {
            wrong.push(format!("{id} is charged {} and its intervals are {billed}", row.charged));
        }
    }
    let income = tables.accounts.values().filter(|a| a.code.as_str().ends_with("/revenue/compute"));
    let revenue: Money = income.map(|a| a.balance()).sum();
    if revenue != total {
        wrong.push(format!("revenue is {revenue} and all intervals are {total}"));
    }
    wrong
}

fn nothing_is_left(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let tables = world.tables();
    let open: Vec<AttemptId> = tables.attempts.values().filter(|a| a.phase.is_open()).map(|a| a.id).collect();
    if !open.is_empty() {
        wrong.push(format!("attempts without an end: {open:?}"));
    }
    if !tables.meters.is_empty() {
        wrong.push(format!("meters still run: {:?}", tables.meters.keys()));
    }
    let sizes = world.engine().sizes();
    let left = [sizes.open_jobs, sizes.queued_jobs, sizes.running_attempts, sizes.open_holds];
    if left != [0; 4] {
        wrong.push(format!("the engine still keeps {sizes:?}"));
    }
    for pool in world.engine().pools() {
        let free = world.engine().pool_use(pool.id);
        if free.is_some_and(|u| u.free != u.total || u.jobs_running != 0) {
            wrong.push(format!("pool {} is not free: {free:?}", pool.name));
        }
    }
    let kept: usize = world.clusters().map(|c| c.kept()).sum();
    if kept != 0 {
        wrong.push(format!("clusters keep {kept} attempts"));
    }
    wrong
}

/// The live engine against one restored from the store: everything that can be asked must be answered alike.
#[must_use]
pub fn restored_equals_live(world: &World) -> Vec<String> {
    let (twin, later) = match (world.restored_twin(), world.caught_up_twin()) {
        (Ok(twin), Ok(later)) => (twin, later),
        (Err(error), _) | (_, Err(error)) => return vec![format!("the engine cannot be restored: {error}")],
    };
    let live = world.engine();
    let mut wrong = Vec::new();
    let mut differ = |what: String, live: String, twin: String| {
        if live != twin {
            wrong.push(format!("{what}: live {live}, restored {twin}"));
        }
    };
    for (id, row) in world.tables().jobs.iter().filter(|(_, row)| row.job.is_open()) {
        differ(format!("{id}"), format!("{:?}", live.job(*id)), format!("{:?}", twin.job(*id)));
        differ(format!("order of {id}"), format!("{:?}", live.order(*id)), format!("{:?}", twin.order(*id)));
        // For how long others stay is guessed from when they were seen, and with it what may be placed before them.
        if !world.has_foreign() {
            let what = format!("reason of {id} (number {})", row.job.number);
            differ(what, reason(live, *id), reason(&later, *id));
        }
    }
    for (id, tenant) in &world.tables().tenants {
        let name = &tenant.name;
        differ(format!("wallet of {name}"), format!("{:?}", live.wallet(*id)), format!("{:?}", twin.wallet(*id)));
    }
    for id in world.tables().tenants.keys() {
        let of = |e: &engine::Engine| format!("{:?}", e.budgets(*id));
        differ(format!("budgets of {id}"), of(live), of(&twin));
    }
    for pool in live.pools() {
        let of = |e: &engine::Engine| format!("{:?}", e.pool_use(pool.id));
        differ(format!("pool {}", pool.name), of(live), of(&twin));
    }
    for cluster in live.clusters() {
        let of = |e: &engine::Engine| format!("{:?}", e.handed_over(cluster.id));
        differ(format!("attempts at {}", cluster.name), of(live), of(&twin));
    }
    differ("outstanding".into(), format!("{:?}", live.outstanding()), format!("{:?}", twin.outstanding()));
    let sizes = |e: &engine::Engine| {
        let s = e.sizes();
        format!("{} open, {} out, {} holds", s.open_jobs, s.running_attempts, s.open_holds)
    };
    differ("sizes".into(), sizes(live), sizes(&twin));
    let queued = |e: &engine::Engine| format!("{}", e.sizes().queued_jobs);
    if !world.has_foreign() {
        differ("queued".into(), queued(live), queued(&later));
    }
    wrong
}

/// Why a job waits. Which pool will serve it first, and how many stand ahead, are estimates that remember the past: of
/// those only the code counts.
fn reason(engine: &engine::Engine, job: JobId) -> String {
    match engine.reason(job) {
        Some(reason @ (model::Reason::Resources { .. } | model::Reason::Priority { .. })) => reason.code().to_owned(),
        reason => format!("{reason:?}"),
    }
}
