//! How long an attempt was metered, read back from its intervals: those that are given back count against it.
//! Knows no meter.

use base::{Money, Span, Timestamp};

use crate::charge::Interval;

/// The time that was metered of one attempt, from its intervals in their order.
///
/// An interval that begins before the end of what was metered so far takes something back: time, or, where it gives back all of
/// a run's charge and no cost, the charge alone.
pub fn worked<'a>(intervals: impl IntoIterator<Item = &'a Interval>) -> Span {
    let (mut whole, mut until) = (Span::ZERO, Timestamp::from_micros(i64::MIN));
    let mut charged = Money::ZERO;
    // Where a run may have begun, after nothing or after a gap, and what was charged before.
    let mut begun: Vec<(Timestamp, Money)> = Vec::new();
    for interval in intervals {
        let Interval { from, to, charge, .. } = *interval;
        let no_cost = interval.cost == Default::default();
        if from >= until {
            if from > until {
                begun.push((from, charged));
            }
            whole += to - from;
            until = to;
        } else if no_cost && charge.is_negative() && begun.iter().any(|run| from <= run.0 && charged + charge == run.1)
        {
            // Waived: the time was worked all the same. A run may have stood still before its first interval.
        } else {
            whole = whole - (to - from);
            until = from;
        }
        charged += charge;
    }
    whole.max(Span::ZERO)
}

#[cfg(test)]
mod tests {
    use base::{AttemptId, Bytes, JobId, PriceBookId, Resources};
    use proptest::prelude::*;

    use super::*;
    use crate::charge::Meter;
    use crate::tariff::Tariff;
    use crate::volumes::Volumes;

    fn meter(core_hour: i64) -> Meter {
        let tariff = Tariff::flat(Money(core_hour), Money::ZERO, None).into();
        let (attempt, book) = (AttemptId::new(JobId::from_u128(1), 1), PriceBookId::from_u128(1));
        let granted = Resources::new(3, Bytes(5_000_000_001), 0);
        // Without cost every interval must be told by its times and its charge.
        Meter::begun(attempt, book, tariff, granted, Timestamp::from_secs(1_000))
    }

    proptest! {
        /// Whatever a meter went through, its intervals tell the time it counted.
        #[test]
        fn the_intervals_of_a_meter_tell_its_time(
            acts in proptest::collection::vec((0u8..6, 1i64..100_000_000), 1..40),
            core_hour in prop_oneof![Just(0i64), 1_000_000i64..9_000_000_000],
        ) {
            let mut meter = meter(core_hour);
            let mut month = Volumes::default();
            let mut kept = Vec::new();
            // A run that went on after a pause did not end before it.
            let mut since = meter.started_at;
            for (act, span) in acts {
                let span = Span::from_micros(span);
                let made = match act {
                    0..=2 => meter.advance(meter.metered_until + span, &mut month),
                    3 => {
                        let at = (meter.metered_until - span).max(since + Span::from_micros(1));
                        meter.retract(at, &mut month)
                    }
                    4 if meter.paused_at.is_none() => {
                        meter.pause(meter.metered_until);
                        meter.resume(meter.metered_until + span);
                        since = meter.metered_until;
                        None
                    }
                    5 => meter.waive(&mut month),
                    _ => None,
                };
                kept.extend(made);
            }
            prop_assert_eq!(worked(&kept), meter.worked(meter.metered_until));
        }
    }
}
