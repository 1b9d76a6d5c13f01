//! The meter of one attempt: what has been billed so far and up to when.
//! Amounts are always computed from the run's start and reduced by what was billed before, so that rounding
//! never drifts: after any number of intervals the sum is the amount for the whole time, rounded once.
//! The meter stands still while the run is suspended, and a waived run costs the tenant nothing.

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
    /// How long the run has stood still so far, without the time since `paused_at`.
    #[serde(default, skip_serializing_if = "no_time")]
    pub paused: Span,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// The tenant does not pay for this run: only its cost is counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

fn no_time(span: &Span) -> bool {
    *span == Span::ZERO
}

/// One billed stretch of time of one attempt; or, with negative amounts, the stretch at its end that was billed before the
/// end became known and is given back; or, with a negative charge alone, a whole run that is not billed after all.
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
    /// Running time from the start to `to`, without the time that it stood still; never less than nothing.
    pub fn worked(&self, to: Timestamp) -> Span {
        let to = self.paused_at.map_or(to, |at| to.min(at));
        (to.since(self.started_at) - self.paused).max(Span::ZERO)
    }

    /// What is still to be charged and costed when the run is billed for `span` in all.
    fn rest(&self, span: Span) -> Option<(Money, CostParts)> {
        let whole = if self.waived { Money::ZERO } else { self.rates.amount(self.granted, span)? };
        let cost = match &self.cost {
            Some(cost) => cost.of(self.granted, self.node, span)?.minus(&self.costed),
            None => CostParts::default(),
        };
        Some((whole - self.charged, cost))
    }

    /// Bills from `metered_until` to `to`, or to the moment since which it stands still, and moves on. `None` when that is not
    /// later (a late or repeated observation, a clock that stepped back), or an amount leaves the range of money.
    pub fn advance(&mut self, to: Timestamp) -> Option<Interval> {
        let to = self.paused_at.map_or(to, |at| to.min(at));
        if to <= self.metered_until {
            return None;
        }
        let (charge, cost) = self.rest(self.worked(to))?;
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
        let (charge, cost) = self.rest(self.worked(to))?;
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

    /// The run stands still from `at` on. What was billed beyond is to be taken back with [`Meter::retract`] first.
    pub fn pause(&mut self, at: Timestamp) {
        self.paused_at.get_or_insert(at.max(self.started_at));
    }

    /// The run goes on at `at`: the time since the pause is neither billed nor costed. Nothing when it did not stand still.
    pub fn resume(&mut self, at: Timestamp) {
        if let Some(since) = self.paused_at.take() {
            let at = at.max(since);
            self.paused += at - since;
            self.metered_until = self.metered_until.max(at);
        }
    }

    /// The tenant is not to pay for this run after all: an interval over the whole of it that takes back every charge and no
    /// cost, and from now on costs alone are counted. `None` when nothing was charged.
    pub fn waive(&mut self) -> Option<Interval> {
        self.waived = true;
        if self.charged == Money::ZERO {
            return None;
        }
        let charge = -std::mem::take(&mut self.charged);
        let uncollected = -std::mem::take(&mut self.uncollected);
        self.intervals += 1;
        Some(Interval {
            attempt: self.attempt,
            seq: self.intervals,
            from: self.started_at,
            to: self.metered_until,
            granted: self.granted,
            charge,
            uncollected,
            cost: CostParts::default(),
        })
    }

    /// What the next `span` after `metered_until` will cost: exactly what `advance` will charge for it.
    pub fn ahead(&self, span: Span) -> Money {
        let rest = self.rest(self.worked(self.metered_until) + span);
        rest.map_or(Money(i64::MAX / 4), |(charge, _)| charge)
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
            paused: Span::ZERO,
            paused_at: None,
            waived: false,
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
        /// However often it stands still and whenever it is looked at, the sum is the amount for the time it did not.
        #[test]
        fn time_that_it_stands_still_is_not_billed(
            stretches in proptest::collection::vec((1i64..500_000_000, 0i64..500_000_000, 0i64..90_000_000), 1..12),
        ) {
            let mut m = meter();
            let (mut at, mut worked, mut charge) = (m.started_at, Span::ZERO, Money::ZERO);
            let mut take = |i: Option<Interval>| charge += i.map_or(Money::ZERO, |i| i.charge);
            for (works, rests, late) in stretches {
                let (stop, on) = (at + Span::from_micros(works), at + Span::from_micros(works + rests));
                // It was billed beyond the stop before that became known.
                take(m.advance(stop + Span::from_micros(late)));
                take(m.retract(stop));
                m.pause(stop);
                take(m.advance(on));
                m.resume(on);
                (at, worked) = (on, worked + Span::from_micros(works));
            }
            prop_assert_eq!(charge, m.rates.amount(m.granted, worked).unwrap());
            prop_assert_eq!(m.worked(at), worked);
            let back = m.waive();
            prop_assert_eq!(back.map_or(Money::ZERO, |i| i.charge), -charge);
            prop_assert_eq!(m.advance(at + Span::from_secs(60)).unwrap().charge, Money::ZERO);
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
