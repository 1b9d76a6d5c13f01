//! What own capacity costs the operator: straight-line depreciation and the data-centre fee, per node.

use base::{Money, Resources, Span};
use serde::{Deserialize, Serialize};

use crate::book::Rates;

/// A month is a twelfth of 365 days, so that a year of months is a year.
const MONTH_US: i64 = 365 * 86_400 * 1_000_000 / 12;

/// Cost of one node of an own pool. Depreciation is (price − residual) / life, straight-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCost {
    pub purchase_price: Money,
    pub residual: Money,
    /// At least 1; the field's habit is 60 for A100 and 36 for other accelerators.
    pub life_months: u32,
    pub datacentre_fee_month: Money,
}

/// The two parts of what an allocation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CostParts {
    pub depreciation: Money,
    pub datacentre: Money,
}

impl CostParts {
    pub fn total(&self) -> Money {
        self.depreciation + self.datacentre
    }
    pub fn minus(&self, o: &CostParts) -> CostParts {
        CostParts { depreciation: self.depreciation - o.depreciation, datacentre: self.datacentre - o.datacentre }
    }
}

impl PoolCost {
    /// The cost of holding `granted` (over all nodes) of a pool of `shape` nodes for `span`: the dominant share of a
    /// node times the node's cost, each part rounded down. `None` when the amount leaves the range of money.
    pub fn of(&self, granted: Resources, shape: Resources, span: Span) -> Option<CostParts> {
        let (taken, whole) = dominant(granted, shape);
        let us = span.as_micros().max(0) as u128;
        let part = |per_month: Money, months: u128| {
            Money::for_quantity(per_month, taken.checked_mul(us)?, whole.checked_mul(MONTH_US as u128 * months)?)
        };
        Some(CostParts {
            depreciation: part(self.purchase_price - self.residual, self.life_months.max(1) as u128)?,
            datacentre: part(self.datacentre_fee_month, 1)?,
        })
    }

    /// The same cost spread over the resources of a node, for comparing candidates: cards carry it where there are
    /// cards, cores otherwise.
    pub fn rates(&self, shape: Resources) -> Rates {
        let node_hour = self.of(shape, shape, Span::from_hours(1)).map_or(Money(i64::MAX), |c| c.total());
        let per = |n: u64| Money(node_hour.0 / n.max(1) as i64);
        match shape.gpus {
            0 => Rates { core_hour: per(shape.cpu.cores_ceil()), gib_hour: Money::ZERO, card_hour: None },
            n => Rates { core_hour: Money::ZERO, gib_hour: Money::ZERO, card_hour: Some(per(n as u64)) },
        }
    }
}

/// The largest share of a node's resources, as a fraction.
fn dominant(granted: Resources, shape: Resources) -> (u128, u128) {
    let shares = [
        (granted.gpus as u128, shape.gpus as u128),
        (granted.cpu.0 as u128, shape.cpu.0 as u128),
        (granted.mem.0 as u128, shape.mem.0 as u128),
    ];
    shares
        .into_iter()
        .filter(|(_, whole)| *whole > 0)
        // a/b > c/d ⇔ a·d > c·b: amounts stay below 2^64 × 2^53, inside u128.
        .max_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)))
        .unwrap_or((0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Bytes;

    #[test]
    fn a_whole_node_for_its_whole_life_costs_its_price() {
        let cost = PoolCost {
            purchase_price: Money::from_units(100_000),
            residual: Money::from_units(5_000),
            life_months: 60,
            datacentre_fee_month: Money::from_units(1_000),
        };
        let node = Resources::new(64, Bytes::from_gib(512), 8);
        let life = Span::from_micros(MONTH_US * 60);
        let parts = cost.of(node, node, life).unwrap();
        assert_eq!(parts.depreciation, Money::from_units(95_000));
        assert_eq!(parts.datacentre, Money::from_units(60_000));
        // One card of eight carries an eighth, however few cores it takes.
        let card = cost.of(Resources::new(1, Bytes::from_gib(1), 1), node, life).unwrap();
        assert_eq!(card.depreciation, Money(95_000_000_000 / 8));
    }
}
