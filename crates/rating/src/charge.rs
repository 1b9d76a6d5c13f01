//! The meter of one attempt: what has been billed so far and up to when.
//! Amounts are always computed from the attempt's start and reduced by what was billed before, so that rounding
//! never drifts: after any number of intervals the sum is the amount for the whole time, rounded once.

use base::{AttemptId, HoldId, Money, PriceBookId, Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::book::Rates;
use crate::cost::{CostParts, PoolCost};

/// Billing state of an attempt that has started; stored, so that each interval is billed once across restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    pub attempt: AttemptId,
    pub hold: HoldId,
    /// The book whose prices were in force at the start; they stay.
    pub book: PriceBookId,
    pub rates: Rates,
    /// Cost per node at the start, for own pools.
    pub cost: Option<PoolCost>,
    pub granted: Resources,
    /// Shape of one node, for the cost's share.
    pub node: Resources,
    pub started_at: Timestamp,
    pub metered_until: Timestamp,
    pub intervals: u32,
    pub charged: Money,
    pub costed: CostParts,
    /// Part of `charged` that was written off.
    #[serde(default)]
    pub uncollected: Money,
    /// Set when the wallet could not cover what comes next: the time the job is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<Timestamp>,
}

/// One billed stretch of time of one attempt; or, with negative amounts, the stretch at its end that was billed before the
/// end became known and is given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub attempt: AttemptId,
    /// Starts at 1, dense.
    pub seq: u32,
    pub from: Timestamp,
    pub to: Timestamp,
    pub granted: Resources,
    pub charge: Money,
    /// Part of the charge that neither hold nor wallet could cover; written off.
    pub uncollected: Money,
    pub cost: CostParts,
}

impl Meter {
    /// Bills from `metered_until` to `to` and moves on. `None` when `to` is not later (a late or repeated
    /// observation, a clock that stepped back), or an amount leaves the range of money.
    pub fn advance(&mut self, to: Timestamp) -> Option<Interval> {
        if to <= self.metered_until {
            return None;
        }
        let span = to - self.started_at;
        let charge = self.rates.amount(self.granted, span)? - self.charged;
        let cost = match &self.cost {
            Some(cost) => cost.of(self.granted, self.node, span)?.minus(&self.costed),
            None => CostParts::default(),
        };
        self.intervals += 1;
        let interval = Interval {
            attempt: self.attempt,
            seq: self.intervals,
            from: self.metered_until,
            to,
            granted: self.granted,
            charge,
            uncollected: Money::ZERO,
            cost,
        };
        self.metered_until = to;
        self.charged += charge;
        self.costed.depreciation += cost.depreciation;
        self.costed.datacentre += cost.datacentre;
        Some(interval)
    }

    /// Takes back what was billed beyond `to`, when an end becomes known after the time was billed: an interval of
    /// negative amounts from the end to where the billing had come. `None` when nothing lies beyond.
    pub fn retract(&mut self, to: Timestamp) -> Option<Interval> {
        let to = to.max(self.started_at);
        if to >= self.metered_until {
            return None;
        }
        let span = to - self.started_at;
        let charge = self.rates.amount(self.granted, span)? - self.charged;
        let cost = match &self.cost {
            Some(cost) => cost.of(self.granted, self.node, span)?.minus(&self.costed),
            None => CostParts::default(),
        };
        let uncollected = -self.uncollected.min(-charge);
        let from = to;
        let to = std::mem::replace(&mut self.metered_until, from);
        self.intervals += 1;
        self.charged += charge;
        self.uncollected += uncollected;
        self.costed.depreciation += cost.depreciation;
        self.costed.datacentre += cost.datacentre;
        let (attempt, seq, granted) = (self.attempt, self.intervals, self.granted);
        Some(Interval { attempt, seq, from, to, granted, charge, uncollected, cost })
    }

    /// What the next `span` after `metered_until` will cost: exactly what `advance` will charge for it.
    pub fn ahead(&self, span: Span) -> Money {
        let until = self.metered_until + span;
        let total = self.rates.amount(self.granted, until - self.started_at);
        total.map_or(Money(i64::MAX / 4), |total| total - self.charged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Bytes, JobId};
    use proptest::prelude::*;

    fn meter() -> Meter {
        Meter {
            attempt: AttemptId::new(JobId::from_u128(1), 1),
            hold: HoldId::from_u128(1),
            book: PriceBookId::from_u128(1),
            rates: Rates { core_hour: Money(123_457), gib_hour: Money(7_919), card_hour: Some(Money(6_000_001)) },
            cost: Some(PoolCost {
                purchase_price: Money(1_000_003),
                residual: Money(7),
                life_months: 37,
                datacentre_fee_month: Money(1_000_003),
            }),
            granted: Resources::new(3, Bytes(5_000_000_001), 1),
            node: Resources::new(8, Bytes::from_gib(64), 2),
            started_at: Timestamp::from_secs(1_000),
            metered_until: Timestamp::from_secs(1_000),
            intervals: 0,
            charged: Money::ZERO,
            costed: CostParts::default(),
            uncollected: Money::ZERO,
            stop_at: None,
        }
    }

    proptest! {
        /// However the time is cut, the sum is the amount for the whole, and intervals are gapless.
        #[test]
        fn cutting_changes_nothing(cuts in proptest::collection::vec(0i64..10_000_000_000, 1..40)) {
            let mut m = meter();
            let (mut charge, mut cost, mut at) = (Money::ZERO, Money::ZERO, m.started_at);
            for cut in &cuts {
                if let Some(i) = m.advance(m.started_at + Span::from_micros(*cut)) {
                    prop_assert_eq!(i.from, at);
                    at = i.to;
                    prop_assert!(!i.charge.is_negative() && !i.cost.total().is_negative());
                    charge += i.charge;
                    cost += i.cost.total();
                }
            }
            let span = Span::from_micros(*cuts.iter().max().unwrap());
            prop_assert_eq!(charge, m.rates.amount(m.granted, span).unwrap());
            prop_assert_eq!(cost, m.cost.unwrap().of(m.granted, m.node, span).unwrap().total());
        }
    }

    #[test]
    fn a_clock_that_steps_back_bills_nothing() {
        let mut m = meter();
        assert!(m.advance(Timestamp::from_secs(1_060)).is_some());
        let before = m.clone();
        assert!(m.advance(Timestamp::from_secs(500)).is_none());
        assert_eq!(m, before);
    }

    proptest! {
        /// An end that becomes known late leaves the same amounts as one known in time.
        #[test]
        fn what_was_billed_too_long_is_given_back(a in 0i64..1_000_000_000, b in 1i64..1_000_000_000) {
            let (mut late, mut timely) = (meter(), meter());
            let end = late.started_at + Span::from_micros(a);
            late.advance(end + Span::from_micros(b));
            let back = late.retract(end).unwrap();
            prop_assert!(back.charge <= Money::ZERO && back.from == end && back.to > end);
            timely.advance(end);
            prop_assert_eq!((late.charged, late.costed, late.metered_until), (timely.charged, timely.costed, end));
            prop_assert!(late.retract(end).is_none());
        }
    }

    proptest! {
        #[test]
        fn what_lies_ahead_is_known_exactly(a in 0i64..1_000_000_000, b in 1i64..1_000_000_000) {
            let mut m = meter();
            m.advance(m.started_at + Span::from_micros(a));
            let ahead = m.ahead(Span::from_micros(b));
            let next = m.advance(m.metered_until + Span::from_micros(b)).unwrap();
            prop_assert_eq!(next.charge, ahead);
        }
    }
}
