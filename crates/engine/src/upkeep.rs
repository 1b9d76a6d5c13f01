//! What pools cost while nothing uses them: each pool's time is cut into stretches in which no node changes its state, and of each
//! the part of the nodes' cost that no run carries is booked under its cause. Refuses to know prices.

use std::collections::BTreeMap;

use base::{Money, PoolId, Timestamp, TransferId, digest128};
use ledger::{Memo, Reference, Stream, TransferReason};
use model::{ClusterHealth, NodeState, Service, SupplyMode};
use rating::{Cause, CostParts, NodeCounts, OwnCost, PoolCost, Stage, Stretch, Upkeep};

use crate::books::{Book, Posting};
use crate::record::{Batch, Record};
use crate::state::{Due, Engine};

/// A stretch ends at each full hour at the latest, so that reports by the hour need no interpolation.
const HOUR_US: i64 = 3_600_000_000;

impl Engine {
    /// Sees to it that stretches end at the next full hour.
    pub(crate) fn keep_counting(&mut self) {
        if self.pools.is_empty() || self.counting {
            return;
        }
        self.counting = true;
        let hour = self.now.as_micros().div_euclid(HOUR_US) + 1;
        self.timers.insert((Timestamp::from_micros(hour.saturating_mul(HOUR_US)), Due::Upkeep));
    }

    /// A full hour: all stretches end, and new ones begin.
    pub(crate) fn upkeep_due(&mut self, out: &mut Batch) {
        self.counting = false;
        let ahead = self.cost_ahead(None);
        for pool in self.pools.keys().copied().collect::<Vec<_>>() {
            let ahead = ahead.get(&pool).copied().unwrap_or_default();
            self.end_stretch(pool, ahead, out);
            self.begin_stretch(pool, ahead, out);
        }
        self.keep_counting();
    }

    /// Ends the stretch of a pool whose terms or nodes are about to be others; [`Engine::recount`] begins the next. One of no
    /// length stays and is changed by that.
    pub(crate) fn cut_stretch(&mut self, pool: PoolId, out: &mut Batch) {
        let ahead = self.cost_ahead(Some(pool)).remove(&pool).unwrap_or_default();
        self.end_stretch(pool, ahead, out);
    }

    /// Begins another stretch where the nodes of these pools are no longer in the states of the present one.
    pub(crate) fn recount(&mut self, pools: impl IntoIterator<Item = PoolId>, out: &mut Batch) {
        for pool in pools {
            let counts = self.node_counts(pool);
            if self.upkeep.get(&pool).is_none_or(|open| open.counts != counts) {
                self.cut_stretch(pool, out);
                let ahead = self.cost_ahead(Some(pool)).remove(&pool).unwrap_or_default();
                self.begin_stretch(pool, ahead, out);
            }
        }
        self.keep_counting();
    }

    pub(crate) fn recount_all(&mut self, out: &mut Batch) {
        self.recount(self.pools.keys().copied().collect::<Vec<_>>(), out);
    }

    /// The stages of own nodes whose owner did not say when they went into service: those of before, less the latest where nodes
    /// are gone; nodes that are new are in service from now on.
    pub(crate) fn staged(&self, pool: PoolId, nodes: u32, mut own: OwnCost) -> OwnCost {
        if !own.stages.is_empty() {
            return own;
        }
        let known = self.pools.get(&pool).and_then(|entry| entry.cost.as_ref()?.own());
        own.stages = known.map(|known| known.stages.clone()).unwrap_or_default();
        let standing = |stage: &Stage| if stage.retired.is_none() { stage.nodes } else { 0 };
        let had: u32 = own.stages.iter().map(standing).sum();
        let mut gone = had.saturating_sub(nodes);
        let mut left = Vec::new();
        for stage in own.stages.iter_mut().rev().filter(|stage| stage.retired.is_none()) {
            let leaves = gone.min(stage.nodes);
            if leaves > 0 {
                left.push(Stage { nodes: leaves, retired: Some(self.now), ..*stage });
                stage.nodes -= leaves;
                gone -= leaves;
            }
        }
        own.stages.retain(|stage| stage.nodes > 0);
        own.stages.extend(left);
        if nodes > had {
            own.stages.push(Stage { nodes: nodes - had, purchased: None, in_service: self.now, retired: None });
        }
        own
    }

    fn node_counts(&self, id: PoolId) -> NodeCounts {
        let Some(PoolUnderCare { nodes, states, answers, serves, reserve }) = self.care(id) else {
            return NodeCounts::default();
        };
        if !answers {
            return NodeCounts { nodes, outage: nodes, maintenance: 0, reserve: 0 };
        }
        if !serves {
            return NodeCounts { nodes, outage: 0, maintenance: nodes, reserve: 0 };
        }
        let [outage, maintenance] = states;
        NodeCounts { nodes, outage, maintenance, reserve: reserve.min(nodes - outage - maintenance) }
    }

    fn care(&self, id: PoolId) -> Option<PoolUnderCare> {
        let pool = &self.pools.get(&id)?.pool;
        let cluster = self.clusters.get(&pool.cluster);
        let of = |state| pool.nodes.iter().filter(|n| n.state == state).count() as u32;
        Some(PoolUnderCare {
            nodes: pool.nodes.len() as u32,
            states: [of(NodeState::Down), of(NodeState::Drained)],
            answers: cluster.is_some_and(|c| c.health == ClusterHealth::Reachable),
            serves: cluster.is_some_and(|c| c.service == Service::InService),
            reserve: self.kept(pool).iter().map(|(_, nodes)| nodes).sum(),
        })
    }

    /// What running work has cost and was not yet billed, by pool; of one pool, or of all in one walk.
    fn cost_ahead(&self, only: Option<PoolId>) -> BTreeMap<PoolId, CostParts> {
        let mut sums: BTreeMap<PoolId, CostParts> = BTreeMap::new();
        for (id, meter) in &self.meters {
            let Some(pool) = self.attempts.get(id).map(|a| a.pool) else { continue };
            if only.is_none_or(|only| only == pool) {
                let sum = sums.entry(pool).or_default();
                *sum = sum.plus(&meter.cost_ahead(self.now));
            }
        }
        sums
    }

    fn begin_stretch(&mut self, pool: PoolId, ahead: CostParts, out: &mut Batch) {
        // One that has just begun is counted anew from what was booked then: whatever came since belongs to this one.
        let begun = self.upkeep.get(&pool).map(|open| open.booked);
        let booked = begun.unwrap_or_else(|| self.booked(pool).plus(&ahead));
        let open = Upkeep { pool, from: self.now, counts: self.node_counts(pool), booked };
        out.records.push(Record::Upkeep(Box::new(open.clone())));
        self.upkeep.insert(pool, open);
    }

    fn end_stretch(&mut self, pool: PoolId, ahead: CostParts, out: &mut Batch) {
        if self.upkeep.get(&pool).is_none_or(|open| open.from >= self.now) {
            return;
        }
        let Some(open) = self.upkeep.remove(&pool) else { return };
        let entry = self.pools.get(&pool).filter(|entry| entry.pool.mode == SupplyMode::Own);
        let own = entry.and_then(|entry| entry.cost.as_ref()).and_then(PoolCost::own);
        let owed = own.and_then(|own| own.owed(open.from, self.now)).unwrap_or_default();
        let booked = self.booked(pool).plus(&ahead);
        let stretch = match own {
            Some(_) => open.close(self.now, owed, booked),
            // A partner's nodes cost nothing while they are not used.
            None => Stretch { worked: booked.minus(&open.booked), ..open.close(self.now, owed, open.booked) },
        };
        for cause in Cause::ALL {
            self.book_rest(&stretch, cause, out);
        }
        out.records.push(Record::Stretch(Box::new(stretch)));
    }

    fn book_rest(&mut self, stretch: &Stretch, cause: Cause, out: &mut Batch) {
        let pool = stretch.pool;
        let parts = stretch.of(cause);
        let key = digest128(&[
            b"upkeep",
            &pool.to_bytes(),
            &stretch.from.as_micros().to_be_bytes(),
            cause.as_str().as_bytes(),
        ]) & !0xf;
        let credits = [
            (1, parts.depreciation, Book::AccumulatedDepreciation(pool)),
            (2, parts.datacentre, Book::DatacentrePayable),
        ];
        for (part, amount, other) in credits {
            let cost = Book::Unused(pool, cause);
            let back = amount.is_negative();
            let (amount, debit, credit) = if back { (-amount, other, cost) } else { (amount, cost, other) };
            let posting = Posting {
                id: TransferId::from_u128(key | part),
                debit,
                credit,
                amount,
                currency: self.policy.cost_currency,
                reason: TransferReason::Accrue,
                memo: Memo::default(),
                reference: Some(Reference::Interval {
                    stream: Stream::new(pool.as_u128(), 0),
                    from: stretch.from,
                    to: stretch.to,
                }),
            };
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
    }

    /// What the books have as cost of a pool so far.
    fn booked(&self, pool: PoolId) -> CostParts {
        let currency = self.policy.cost_currency;
        let balance = |book: Book| self.balance(book, currency);
        let depreciation = -balance(Book::AccumulatedDepreciation(pool));
        let unused: Money =
            Cause::ALL.into_iter().map(|cause| balance(Book::Unused(pool, cause))).fold(Money::ZERO, |a, b| a + b);
        let worked = balance(Book::Depreciation(pool)) + balance(Book::Datacentre(pool)) + balance(Book::Fee(pool));
        let all = worked + balance(Book::Abandoned(pool)) + unused;
        let fee = balance(Book::Fee(pool));
        CostParts { depreciation, datacentre: all - depreciation - fee, fee }
    }
}

/// What decides how the time of a pool counts.
struct PoolUnderCare {
    nodes: u32,
    /// Down and drained.
    states: [u32; 2],
    answers: bool,
    serves: bool,
    reserve: u32,
}
