//! The candidate table: pool by pool whether a job could run there, from when, for how much, and why one was chosen.
//! The same rows serve placements, `explain` and `quote`. Refuses to place anything.

use std::sync::Arc;

use base::{JobId, Money, PoolId, Resources, Span, Timestamp};
use model::{Reason, SupplyMode};
use serde::{Deserialize, Serialize};

use crate::bound::{Ask, earliest_bound};
use crate::lending::{Limit, Over};
use crate::links::{Ties, run_class};
use crate::policy::Weights;
use crate::pool::{Pool, Stay};
use crate::profile::{NOW, Respect, Scratch, WHENEVER, earliest_alone};
use crate::queue::{Asked, Slot, Term};
use crate::rule::{PoolVerdict, Rule, Verdict, refused_for_good, refused_for_now};
use crate::scheduler::Scheduler;
use crate::shape::{Fit, Guest, Pools, Shape, money};
use crate::standing::{Standing, at_speed};
use crate::view::{Demand, MICROS_PER_HOUR, mul_div};

/// The terms of a candidate's score in micro-units of money; `total` is the negative of their sum, the highest wins among
/// the pools that can start the job at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    pub total: i64,
    pub start: i64,
    pub price: i64,
    /// Of use.
    pub cost: i64,
    /// Of the way of its data.
    #[serde(default)]
    pub data: i64,
    #[serde(default)]
    pub latency: i64,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub pool: PoolId,
    pub pool_name: Arc<str>,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// By the users' estimates of what runs there and of jobs with reservations; `None` where a rule refuses.
    /// With what work waited in the cluster's own queue of late, where that is known.
    pub expected_start: Option<Timestamp>,
    /// Of that, the wait in the cluster's own queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_wait: Option<Span>,
    /// Of the expected start, how long its data is on its way there before; `None` where it has none or no link is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Span>,
    /// To the operator, for the way of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_cost: Option<Money>,
    /// To its users and back, of work that answers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
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
    /// At the speed for which it is stated, and the limit.
    pub run_time: Span,
    pub now: Timestamp,
    pub weights: &'a Weights,
    pub standing: &'a Standing,
}

impl Wanted<'_> {
    /// How long it would run in a pool if nobody ended it.
    fn run_time(&self, pool: &Pool) -> Span {
        at_speed(self.run_time, self.standing.speed_permille(self.total.gpus, pool.chip.as_ref()))
    }

    pub fn refused(&self, pool: &Pool, rule: Rule) -> Candidate {
        Candidate {
            pool: pool.id,
            pool_name: pool.name.clone(),
            verdict: Verdict::Refused(rule),
            expected_start: None,
            queue_wait: None,
            data_time: None,
            data_cost: None,
            latency: None,
            run_time: self.run_time,
            price: None,
            cost: None,
            score: None,
            chosen: false,
        }
    }

    /// `start` as the profile gives it; `None` when no expected end makes the room.
    pub fn feasible(&self, pools: &Pools, pool: &Pool, start: Option<i64>) -> Candidate {
        let (wait, way) = (pools.queue_wait(pool.id), pools.links.way(&self.standing.ties, &pool.site));
        let needed = self.run_time(pool);
        let run_time = needed.min(self.run_time);
        let price = pool.price.estimate(&self.total, run_time);
        let cost = pool.cost.estimate(&self.total, run_time);
        let queue_wait = wait.filter(|_| start.is_some());
        let waits = queue_wait.unwrap_or(Span::ZERO) + way.data_time.unwrap_or(Span::ZERO);
        let expected_start = start.map(|s| Timestamp::from_micros(s).max(self.now) + waits);
        let score = expected_start.map(|s| {
            let start = mul_div(self.weights.start, s.since(self.now).as_micros(), MICROS_PER_HOUR);
            // What it cannot do there within its limit counts as well: a slower chip is no cheaper for ending it.
            let price = mul_div(self.weights.price, pool.price.estimate(&self.total, needed).micros(), 1_000);
            let cost =
                mul_div(self.weights.cost_in(pool.mode), pool.cost.estimate(&self.total, needed).micros(), 1_000);
            let data = way.once(self.weights) / 1_000;
            let latency = mul_div(way.hourly(self.weights) / 1_000, self.run_time.as_micros(), MICROS_PER_HOUR);
            let sum = [start, price, cost, data, latency].into_iter().fold(0, i64::saturating_add);
            Score { total: sum.saturating_neg(), start, price, cost, data, latency }
        });
        Candidate {
            pool: pool.id,
            pool_name: pool.name.clone(),
            verdict: Verdict::Feasible,
            expected_start,
            queue_wait,
            data_time: way.data_time,
            data_cost: way.data_cost,
            latency: way.latency,
            run_time,
            price: Some(price),
            cost: Some(cost),
            score,
            chosen: false,
        }
    }
}

/// Penalty of a start (microseconds since the epoch) with money an hour and money once, times 1000 × an hour in microseconds: exact,
/// linear, and independent of the present moment, so that a comparison does not change while nothing else does.
pub(crate) fn penalty(weights: &Weights, start: i64, money: i64, limit: i64, once: i64) -> i128 {
    let hourly = i128::from(money) * i128::from(limit);
    1_000 * i128::from(weights.start) * i128::from(start) + hourly + i128::from(once) * i128::from(MICROS_PER_HOUR)
}

/// Of rows in order, as (can start now, rank, row): puts one first that starts the job before its data would be where it could be
/// sent now, as the planner waits for it. Without those that wait for that pool already, which only the planner counts.
fn nearer_first(rows: &mut [(bool, i64, Candidate)]) -> bool {
    let Some((true, rank, first)) = rows.first() else { return false };
    let far = first.data_time.is_some_and(|time| time > Span::ZERO);
    let nearer = |(ready, other, row): &(bool, i64, Candidate)| {
        !ready && other < rank && row.expected_start.is_some_and(|at| Some(at) < first.expected_start)
    };
    let Some(place) = rows.iter().position(nearer).filter(|_| far) else { return false };
    rows[..=place].rotate_right(1);
    true
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
            match refused_for_good(pool, self.pools.purse(pool), &self.lending, demand) {
                None => return Ok(()),
                Some(rule) => refusals.push(PoolVerdict { pool: pool.id, pool_name: pool.name.clone(), rule }),
            }
        }
        Err(refusals)
    }

    /// Pools that can run the job now or once their health allows it, in order of their ids.
    pub fn possible_pools<'a>(&'a self, demand: &'a Demand) -> impl Iterator<Item = PoolId> + 'a {
        let refused = |pool: &Pool| refused_for_good(pool, self.pools.purse(pool), &self.lending, demand);
        self.pools.iter().filter(move |pool| refused(pool).is_none_or(|rule| rule.is_passing())).map(|pool| pool.id)
    }

    fn table(&self, demand: &Demand, job: Option<JobId>, now: Timestamp) -> Explanation {
        let weights = &self.policy.weights;
        let request = &*demand.request;
        let total = request.total();
        let standing = &demand.standing;
        let wanted = Wanted { total, run_time: demand.time_limit, now, weights, standing };
        let mut scratch = Scratch::default();
        let mut rows = Vec::new();
        let ties = demand.standing.ties.rounded();
        let asked = job.and_then(|job| self.queue.find(job)).map(|slot| self.queue.slot(slot).asked.expected);
        let expected = asked.unwrap_or(demand.time_limit.as_micros());
        let age = (demand.submitted_at.as_micros(), demand.number);
        let over = self.lending.keeps_off(demand.tenant, &total, age);
        for pool in self.pools.iter() {
            let beyond = over.filter(|_| pool.mode == SupplyMode::Own).map(|over| Rule::of_share(over, true));
            let passing = || refused_for_now(pool, request.nodes, demand.standing.dips).or(beyond);
            if let Some(rule) = refused_for_good(pool, self.pools.purse(pool), &self.lending, demand).or_else(passing) {
                rows.push((((2, false, 0), 0, false, pool.id), i64::MAX, wanted.refused(pool, rule)));
                continue;
            }
            let start = self.start_in(pool, demand, job, now, &mut scratch);
            let row = wanted.feasible(&self.pools, pool, start);
            let at = row.expected_start.map_or(i64::MAX, Timestamp::as_micros);
            let waits = match start {
                Some(start) if start <= now.as_micros() => {
                    let tier = self.pools.queues.get(&pool.id).map_or(0, |w| w.tier);
                    (0, demand.standing.draws.is_second(pool.mode), tier)
                }
                _ => (1, false, 0),
            };
            let way = self.pools.links.way(&ties, &pool.site);
            let money = money(pool, &total, weights, standing).saturating_add(way.hourly(weights));
            let rank = money.saturating_add(way.spread(weights, run_class(expected)));
            let score = match waits.0 == 0 && ties.data.0 > 0 {
                // As the list of its shape is ordered.
                true => i128::from(rank),
                false => penalty(weights, at, money, demand.time_limit.as_micros(), way.once(weights)),
            };
            let wastes = total.gpus == 0 && pool.shape.gpus > 0;
            rows.push(((waits, score, wastes, pool.id), rank, row));
        }
        rows.sort_by_key(|row| row.0);
        let mut rows: Vec<(bool, i64, Candidate)> =
            rows.into_iter().map(|(key, rank, row)| (key.0.0 == 0, rank, row)).collect();
        let waits = job.is_none_or(|j| self.queue.find(j).is_none_or(|slot| !self.queue.slot(slot).aged));
        let waits = waits && self.policy.ready_first && nearer_first(&mut rows);
        let reserved = job.and_then(|j| self.holders.iter().find(|h| h.job == j)).and_then(|h| h.pool);
        let reserved = reserved.and_then(|pool| self.pools.get(pool)).map(|p| p.id);
        let best = rows.first().filter(|r| r.2.expected_start.is_some()).map(|r| r.2.pool);
        let chosen = match rows.first() {
            Some((ready, ..)) if *ready || waits => best,
            _ => reserved.or(best),
        };
        let omitted = rows.len().saturating_sub(self.policy.explain_candidates_max as usize) as u32;
        let kept = rows.into_iter().take(self.policy.explain_candidates_max as usize);
        let candidates = kept.map(|(.., row)| Candidate { chosen: Some(row.pool) == chosen, ..row }).collect();
        Explanation { job, at: now, candidates, omitted, chosen }
    }

    /// The chosen pool first, then the others in order of money, as many as the policy keeps.
    pub(crate) fn placement_table(&mut self, slot: u32, shape: u32, place: usize, now: Timestamp) -> Explanation {
        let Slot { job, limit, asked: Asked { data, .. }, .. } = *self.queue.slot(slot);
        let tenant = self.shares.id(self.queue.lane_of(slot).tenant);
        let shape = self.shapes.get_mut(shape);
        let request = shape.request.clone();
        let run_time = Span::from_micros(limit);
        let standing = Standing { ties: Ties { data, ..shape.standing.ties.clone() }, ..shape.standing.clone() };
        let wanted =
            Wanted { total: request.total(), run_time, now, weights: &self.policy.weights, standing: &standing };
        let rows = (self.policy.placement_candidates_max as usize).clamp(1, shape.fits.len());
        let mut candidates = Vec::with_capacity(rows);
        let order = std::iter::once(place).chain((0..shape.fits.len()).filter(|p| *p != place)).take(rows);
        let mut chosen = None;
        let over = self.lending.over(tenant, &request.total());
        let terms = (now.as_micros(), limit);
        for at in order {
            let ordinal = shape.fits[at].pool;
            let Some(pool) = self.pools.get(ordinal) else { continue };
            if at == place {
                chosen = Some(pool.id);
                candidates.push(wanted.feasible(&self.pools, pool, Some(NOW)));
                continue;
            }
            let limit_max = pool.time_limit_max.filter(|max| run_time > *max);
            let refused = if !pool.admits(tenant) {
                Some(Rule::TenantNotAdmitted)
            } else if let Some(over) = over.filter(|_| pool.mode == SupplyMode::Own) {
                Some(Rule::of_share(over, true))
            } else if let Some(available) = limit_max {
                Some(Rule::TimeLimit { requested: run_time, available })
            } else {
                refused_for_now(pool, request.nodes, shape.standing.dips)
            };
            candidates.push(match refused {
                Some(rule) => wanted.refused(pool, rule),
                None => {
                    let alone = shape.start(at, &self.pools, WHENEVER, &mut self.scratch);
                    // Room that was passed over is room claimed by jobs ahead.
                    let claimed = alone == Some(NOW) && at < place;
                    let ask = Ask { request: &request, dips: shape.standing.dips };
                    let start = match claimed || !pool.is_plain(ask, self.pools.purse(pool)) {
                        true => self.pools.start(ordinal, ask, terms, None, WHENEVER, &mut self.scratch),
                        false => alone,
                    };
                    wanted.feasible(&self.pools, pool, start)
                }
            });
        }
        candidates[0].chosen = true;
        let omitted = (shape.fits.len() - candidates.len()) as u32;
        Explanation { job: Some(job), at: now, candidates, omitted, chosen }
    }

    fn start_in(
        &self,
        pool: &Pool,
        demand: &Demand,
        job: Option<JobId>,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Option<i64> {
        let ask = Ask { request: &demand.request, dips: demand.standing.dips };
        let (start, limit) = (now.as_micros(), demand.time_limit.as_micros());
        let ordinal = *self.pools.by_id.get(&pool.id)?;
        let (nodes, per_node, purse) = (demand.request.nodes, &demand.request.per_node, self.pools.purse(pool));
        let is_plain = pool.is_plain(ask, purse);
        let dips = demand.standing.dips;
        if is_plain && pool.claims.is_empty() {
            return earliest_alone(pool, per_node, nodes, dips, WHENEVER, scratch);
        }
        let queued = job.and_then(|job| self.queue.find(job));
        let term = queued.map_or(Term::whole(limit), |slot| self.term(slot));
        if self.pools.pick(ordinal, ask, Stay::of(start, term), &mut scratch.nodes).is_ok() {
            return Some(NOW);
        }
        let beside = self.pools.start(ordinal, ask, (start, limit), job, WHENEVER, scratch);
        beside.or_else(|| match is_plain {
            true => earliest_alone(pool, per_node, nodes, dips, WHENEVER, scratch),
            false => earliest_bound(pool, purse, ask, limit, start, Respect::Running, WHENEVER, scratch),
        })
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
        let (limit, age) = (self.queue.slot(slot).limit, self.queue.slot(slot));
        let age = (age.submitted, age.number);
        let tenant = self.shares.id(lane.tenant);
        let fits = || (0..).zip(&shape.fits);
        let over = self.lending.keeps_off(tenant, &request.total(), age);
        let guest = Guest { tenant, limit, fence: limit, own: true };
        let admitted = || fits().filter(|(_, f)| self.pools.admits(f.pool, guest));
        if let (Some(over), Some(_)) = (over, admitted().next())
            && admitted().all(|(_, f)| self.pools.gate(f.pool).own)
        {
            let Over { what, requested, available, .. } = over;
            return match over.limit {
                Limit::Borrowing => Reason::BorrowingLimit { what, requested, available },
                Limit::Lending => Reason::LendingLimit { what, requested, available },
            };
        }
        let guest = Guest { own: over.is_none(), ..guest };
        let open = || fits().filter(|(_, f)| self.pools.admits(f.pool, guest));
        if open().next().is_none() {
            return self.out_of_service(job).unwrap_or(Reason::NoFeasiblePool);
        }
        let serving = || open().filter(|(_, f)| self.pools.serves(f.pool, request.nodes, shape.standing.dips));
        let start = |place: usize| shape.soonest(place, &self.pools).unwrap_or(NOW);
        let Some((_, first)) = serving().min_by_key(|(place, f)| (start(*place), f.money)) else {
            return Reason::PoolsUnavailable;
        };
        let has_room = |(_, f): (usize, &Fit)| self.pools.get(f.pool).is_some_and(|p| p.has_room_for(shape.ask()));
        if shape.roomy && serving().any(has_room) {
            if let Some(obstacle) =
                self.obstacle(shape, serving().filter(|p| has_room(*p)).map(|(_, f)| f.pool), now, limit)
            {
                return obstacle;
            }
            let rank = self.rank(slot, now);
            let ahead = self.holders.iter().filter(|h| h.pool.is_some() && self.rank(h.slot, now) < rank).count();
            return Reason::Priority { ahead: ahead as u64 };
        }
        let own = self.holders.iter().find(|h| h.job == job).and_then(|h| h.pool);
        match self.pools.get(own.unwrap_or(first.pool)) {
            None => Reason::Queued,
            Some(pool) => {
                let available = pool.available(request.nodes, shape.standing.dips);
                Reason::Resources { pool: pool.id, requested: request.total(), available }
            }
        }
    }

    /// What keeps a job off every one of these pools, none of which is only claimed by others; of the first.
    fn obstacle(&self, shape: &Shape, pools: impl Iterator<Item = u32>, now: Timestamp, limit: i64) -> Option<Reason> {
        let mut first = None;
        for ordinal in pools {
            let pool = self.pools.get(ordinal)?;
            let purse = self.pools.purse(pool);
            let found = (!pool.is_plain(shape.ask(), purse))
                .then(|| pool.obstacle(shape.ask(), purse, now.as_micros(), limit))
                .flatten()?;
            first = first.or(Some(found));
        }
        first
    }

    /// Of a job that no pool in service could ever run: whether another one could.
    fn out_of_service(&self, job: JobId) -> Option<Reason> {
        let demand = self.demand(job)?;
        let only = |pool: &&Pool| {
            matches!(
                refused_for_good(pool, self.pools.purse(pool), &self.lending, &demand),
                Some(Rule::NotInService { .. })
            )
        };
        self.pools.iter().find(only).map(|pool| Reason::NotInService { pool: pool.id })
    }

    pub(crate) fn is_current(&self, shape: &Shape) -> bool {
        shape.synced == self.pass && shape.is_built(&self.pools)
    }
}
