//! What a partner takes for what is used, by its own way of counting, which may round otherwise than we do.

use base::{Money, Resources, Span};
use serde::{Deserialize, Serialize};

use crate::book::Rates;
use crate::cost::spread;

/// The fee by what is granted. Time counts from the start of each run; a run that was never started costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplierFee {
    pub fee_core_hour: Money,
    #[serde(default)]
    pub fee_gib_hour: Money,
    #[serde(default)]
    pub fee_card_hour: Money,
    /// For each node on which something is granted, whole or not.
    #[serde(default)]
    pub fee_node_hour: Money,
    /// The time of a run is rounded up to a multiple of this; zero counts microseconds.
    #[serde(default)]
    pub round_up: Span,
    /// The shortest time that is counted of a run.
    #[serde(default)]
    pub minimum: Span,
}

const HOUR_US: u128 = 3_600_000_000;

impl SupplierFee {
    /// By the core-hour, to the microsecond.
    pub const fn by_core(fee_core_hour: Money) -> SupplierFee {
        SupplierFee {
            fee_core_hour,
            fee_gib_hour: Money::ZERO,
            fee_card_hour: Money::ZERO,
            fee_node_hour: Money::ZERO,
            round_up: Span::ZERO,
            minimum: Span::ZERO,
        }
    }

    /// The time that is counted of a run of `span`.
    pub fn counted(&self, span: Span) -> Span {
        if span <= Span::ZERO {
            return Span::ZERO;
        }
        let span = span.max(self.minimum).as_micros();
        let step = self.round_up.as_micros().max(1);
        Span::from_micros(span.div_euclid(step).saturating_add(i64::from(span % step > 0)).saturating_mul(step))
    }

    /// What `granted`, in all, on `nodes` nodes costs for a run of `span`; each part rounded down to a micro-unit. `None`
    /// when the amount leaves the range of money.
    pub fn of(&self, granted: Resources, nodes: u32, span: Span) -> Option<Money> {
        let span = self.counted(span);
        let by_node = Money::for_quantity(self.fee_node_hour, u128::from(nodes) * span.as_micros() as u128, HOUR_US)?;
        self.parts().amount(granted, span)?.checked_add(by_node)
    }

    /// An hour's fee by resource, with the fee by the node spread over them.
    pub fn rates(&self, shape: Resources) -> Rates {
        let (parts, node) = (self.parts(), spread(self.fee_node_hour, shape));
        Rates {
            core_hour: parts.core_hour + node.core_hour,
            gib_hour: parts.gib_hour,
            card_hour: Some(self.fee_card_hour + node.card_hour.unwrap_or(Money::ZERO)),
        }
    }

    fn parts(&self) -> Rates {
        Rates { core_hour: self.fee_core_hour, gib_hour: self.fee_gib_hour, card_hour: Some(self.fee_card_hour) }
    }

    /// The first of its amounts that is negative, by name.
    pub fn negative(&self) -> Option<&'static str> {
        let amounts = [
            ("core_hour", self.fee_core_hour),
            ("gib_hour", self.fee_gib_hour),
            ("card_hour", self.fee_card_hour),
            ("node_hour", self.fee_node_hour),
        ];
        let times = [("round_up", self.round_up), ("minimum", self.minimum)];
        let amount = amounts.into_iter().find(|(_, amount)| amount.is_negative()).map(|(name, _)| name);
        amount.or_else(|| times.into_iter().find(|(_, time)| *time < Span::ZERO).map(|(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Bytes;

    #[test]
    fn time_is_counted_by_the_partner_s_rule() {
        let hour = Span::from_hours(1);
        let fee = SupplierFee { round_up: hour, minimum: hour + hour, ..SupplierFee::by_core(Money(1_000)) };
        let counted = |us| fee.counted(Span::from_micros(us)).as_micros() / hour.as_micros();
        assert_eq!([counted(0), counted(1), counted(7_200_000_000), counted(7_200_000_001)], [0, 2, 2, 3]);
        assert_eq!(SupplierFee::by_core(Money(1)).counted(Span::from_micros(7)), Span::from_micros(7));
    }

    #[test]
    fn each_node_that_is_touched_costs_its_fee() {
        let fee = SupplierFee {
            fee_card_hour: Money(7),
            fee_node_hour: Money(1_000),
            round_up: Span::from_mins(1),
            ..SupplierFee::by_core(Money(100))
        };
        let granted = Resources::new(4, Bytes::from_gib(1), 2);
        assert_eq!(fee.of(granted, 3, Span::from_mins(59)), Some(Money(393 + 13 + 2_950)));
        assert_eq!(fee.of(granted, 3, Span::ZERO), Some(Money::ZERO));
    }
}
