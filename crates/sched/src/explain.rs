//! The candidate table: pool by pool whether a job could run there, from when, for how much, and why one was chosen.
//! The same rows serve placements, `explain` and `quote`. Refuses to place anything.

use std::sync::Arc;

use base::{JobId, Money, PoolId, Resources, Span, Timestamp};
use model::{Reason, Request};
use serde::{Deserialize, Serialize};

use crate::policy::Weights;
use crate::pool::Pool;
use crate::profile::{NOW, Respect, Scratch, WHENEVER, earliest};
use crate::rule::{PoolVerdict, Rule, Verdict, refused_for_good, refused_for_now};
use crate::scheduler::Scheduler;
use crate::shape::{Fit, Shape, money};
use crate::view::{Demand, MICROS_PER_HOUR, mul_div};

/// The terms of a candidate's score in micro-units of money; `total` is the negative of their sum, the highest wins among
/// the pools that can start the job at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    pub total: i64,
    pub start: i64,
    pub price: i64,
    pub cost: i64,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub pool: PoolId,
    pub pool_name: Arc<str>,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// By the users' estimates of what runs there and of jobs with reservations; `None` where a rule refuses.
    pub expected_start: Option<Timestamp>,
    pub run_time: Span,
    /// To the tenant, for the whole run time.
    pub price: Option<Money>,
    /// To the operator, for the whole run time.
    pub cost: Option<Money>,
    pub score: Option<Score>,
    pub chosen: bool,
}

/// How a decision looked when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `None` for a quote.
    pub job: Option<JobId>,
    pub at: Timestamp,
    /// Best first, then those refused; cut at the policy's number of rows.
    pub candidates: Vec<Candidate>,
    /// Rows cut.
    pub omitted: u32,
    /// Of a placement: where it runs. Of a queued job or a quote: where it is expected to run.
    pub chosen: Option<PoolId>,
}

/// What a row needs to know of the job.
pub(crate) struct Wanted<'a> {
    pub total: Resources,
    pub run_time: Span,
    pub now: Timestamp,
    pub weights: &'a Weights,
}

impl Wanted<'_> {
    pub fn refused(&self, pool: &Pool, rule: Rule) -> Candidate {
        Candidate {
            pool: pool.id,
            pool_name: pool.name.clone(),
            verdict: Verdict::Refused(rule),
            expected_start: None,
            run_time: self.run_time,
            price: None,
            cost: None,
            score: None,
            chosen: false,
        }
    }

    /// `start` as the profile gives it; `None` when no expected end makes the room.
    pub fn feasible(&self, pool: &Pool, start: Option<i64>) -> Candidate {
        let price = pool.price.estimate(&self.total, self.run_time);
        let cost = pool.cost.estimate(&self.total, self.run_time);
        let expected_start = start.map(|s| Timestamp::from_micros(s).max(self.now));
        let score = expected_start.map(|s| {
            let start = mul_div(self.weights.start, s.since(self.now).as_micros(), MICROS_PER_HOUR);
            let price = mul_div(self.weights.price, price.micros(), 1_000);
            let cost = mul_div(self.weights.cost, cost.micros(), 1_000);
            let total = start.saturating_add(price).saturating_add(cost).saturating_neg();
            Score { total, start, price, cost }
        });
        Candidate {
            pool: pool.id,
            pool_name: pool.name.clone(),
            verdict: Verdict::Feasible,
            expected_start,
            run_time: self.run_time,
            price: Some(price),
            cost: Some(cost),
            score,
            chosen: false,
        }
    }
}

/// Penalty of a start (microseconds since the epoch) with money terms, times 1000 × an hour in microseconds: exact, linear,
/// and independent of the present moment, so that a comparison does not change while nothing else does.
pub(crate) fn penalty(weights: &Weights, start: i64, money: i64, limit: i64) -> i128 {
    1_000 * i128::from(weights.start) * i128::from(start) + i128::from(money) * i128::from(limit)
}

impl Scheduler {
    /// The candidate table of a queued job; `None` when it is not in the queue.
    pub fn explain(&self, job: JobId, now: Timestamp) -> Option<Explanation> {
        let demand = self.demand(job)?;
        Some(self.table(&demand, Some(job), now))
    }

    /// The candidate table of work that is not submitted, as if it stood next in line behind the reserved jobs.
    pub fn quote(&self, demand: &Demand, now: Timestamp) -> Explanation {
        self.table(demand, None, now)
    }

    /// Whether any pool, in whatever health, could ever run the job; if not, what each one said, in order of pool ids.
    pub fn feasible_anywhere(&self, demand: &Demand) -> Result<(), Vec<PoolVerdict>> {
        let mut refusals = Vec::new();
        for pool in self.pools.iter() {
            match refused_for_good(pool, demand) {
                None => return Ok(()),
                Some(rule) => refusals.push(PoolVerdict { pool: pool.id, pool_name: pool.name.clone(), rule }),
            }
        }
        Err(refusals)
    }

    fn table(&self, demand: &Demand, job: Option<JobId>, now: Timestamp) -> Explanation {
        let weights = &self.policy.weights;
        let request = &*demand.request;
        let total = request.total();
        let wanted = Wanted { total, run_time: demand.time_limit, now, weights };
        let mut scratch = Scratch::default();
        let mut rows = Vec::new();
        for pool in self.pools.iter() {
            let passing = || refused_for_now(pool, request.nodes, demand.dips);
            if let Some(rule) = refused_for_good(pool, demand).or_else(passing) {
                rows.push(((2, 0, false, pool.id), wanted.refused(pool, rule)));
                continue;
            }
            let start = expected_start(pool, demand, job, now, &mut scratch);
            let row = wanted.feasible(pool, start);
            let at = row.expected_start.map_or(i64::MAX, Timestamp::as_micros);
            let waits = u8::from(at > now.as_micros());
            let score = penalty(weights, at, money(pool, &total, weights), demand.time_limit.as_micros());
            let wastes = total.gpus == 0 && pool.shape.gpus > 0;
            rows.push(((waits, score, wastes, pool.id), row));
        }
        rows.sort_by_key(|row| row.0);
        let reserved = job.and_then(|j| self.holders.iter().find(|h| h.job == j)).and_then(|h| h.pool);
        let reserved = reserved.and_then(|pool| self.pools.get(pool)).map(|p| p.id);
        let best = rows.first().filter(|r| r.1.expected_start.is_some()).map(|r| r.1.pool);
        let chosen = match rows.first() {
            Some(row) if row.0.0 == 0 => best,
            _ => reserved.or(best),
        };
        let omitted = rows.len().saturating_sub(self.policy.explain_candidates_max as usize) as u32;
        let kept = rows.into_iter().take(self.policy.explain_candidates_max as usize);
        let candidates = kept.map(|(_, row)| Candidate { chosen: Some(row.pool) == chosen, ..row }).collect();
        Explanation { job, at: now, candidates, omitted, chosen }
    }

    /// In a few words why a queued job has not started. Cost: one glance at each pool that fits its shape.
    /// `Queued` for jobs that are unknown or have not been looked at since the last change.
    pub fn reason(&self, job: JobId, now: Timestamp) -> Reason {
        let Some(slot) = self.queue.find(job) else { return Reason::Queued };
        let lane = self.queue.lane_of(slot);
        let shape = self.shapes.get(lane.shape);
        if self.changes.full || !self.is_current(shape) || self.changes.fresh.contains(&slot) {
            return Reason::Queued;
        }
        let request = &*shape.request;
        let limit = self.queue.slot(slot).limit;
        let tenant = self.shares.id(lane.tenant);
        let fits = || (0..).zip(&shape.fits);
        let open = || fits().filter(|(_, f)| self.pools.admits(f.pool, tenant, limit));
        if open().next().is_none() {
            return Reason::NoFeasiblePool;
        }
        let serving = || open().filter(|(_, f)| self.pools.serves(f.pool, request.nodes, shape.dips));
        let start = |place: usize| shape.soonest(place, &self.pools).unwrap_or(NOW);
        let Some((_, first)) = serving().min_by_key(|(place, f)| (start(*place), f.money)) else {
            return Reason::PoolsUnavailable;
        };
        let has_room = |(_, f): (usize, &Fit)| {
            self.pools.get(f.pool).is_some_and(|p| p.has_room(&request.per_node, request.nodes, shape.dips))
        };
        if shape.roomy && serving().any(has_room) {
            let rank = self.rank(slot, now);
            let ahead = self.holders.iter().filter(|h| h.pool.is_some() && self.rank(h.slot, now) < rank).count();
            return Reason::Priority { ahead: ahead as u64 };
        }
        let own = self.holders.iter().find(|h| h.job == job).and_then(|h| h.pool);
        match self.pools.get(own.unwrap_or(first.pool)) {
            None => Reason::Queued,
            Some(pool) => {
                let available = pool.available(request.nodes, shape.dips);
                Reason::Resources { pool: pool.id, requested: request.total(), available }
            }
        }
    }

    pub(crate) fn is_current(&self, shape: &Shape) -> bool {
        shape.synced == self.pass && shape.is_built(&self.pools)
    }
}

fn expected_start(
    pool: &Pool,
    demand: &Demand,
    job: Option<JobId>,
    now: Timestamp,
    scratch: &mut Scratch,
) -> Option<i64> {
    let Request { nodes, per_node, .. } = &*demand.request;
    let end = (now + demand.time_limit).as_micros();
    let dips = demand.dips;
    if pool.pick(per_node, *nodes, dips, end, &mut scratch.nodes).is_ok() {
        return Some(NOW);
    }
    earliest(pool, per_node, *nodes, dips, Respect::ClaimsExcept(job), WHENEVER, scratch)
        .or_else(|| earliest(pool, per_node, *nodes, dips, Respect::Running, WHENEVER, scratch))
}
