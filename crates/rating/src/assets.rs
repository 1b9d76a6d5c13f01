//! What own nodes cost: straight-line depreciation from the day they are in service, and the data-centre fee.
//! The whole of it is owed for as long as they stand there; of a run it is the share that the run holds.

use base::{Money, Resources, Span, Timestamp};
use model::Chip;
use serde::{Deserialize, Serialize};

use crate::book::Rates;
use crate::cost::{CostParts, spread};

/// A month is a twelfth of 365 days, so that a year of months is a year.
pub const MONTH_US: i64 = 365 * 86_400 * 1_000_000 / 12;

/// The habit of the field: an A100 is written off over five years, another accelerator over three; a node without one over five.
pub fn life_months_usual(chip: Option<&Chip>) -> u32 {
    match chip {
        Some(chip) if !chip.as_str().starts_with("nvidia-a100") => 36,
        _ => 60,
    }
}

/// Cost of one node of an own pool. Depreciation is (price − residual) / life, straight-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCost {
    pub purchase_price: Money,
    pub residual: Money,
    /// At least 1.
    pub life_months: u32,
    pub datacentre_fee_month: Money,
}

/// Nodes that went into service together: commissioning comes in stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub nodes: u32,
    /// When they were bought; says nothing about what they cost when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchased: Option<Timestamp>,
    /// Depreciation and the data-centre fee begin here.
    pub in_service: Timestamp,
    /// Both end here, if the nodes were taken away; what they had not lost by then is not this type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
}

/// The own nodes of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCost {
    #[serde(flatten)]
    pub node: NodeCost,
    /// Nothing is owed for nodes that no stage names.
    #[serde(default)]
    pub stages: Vec<Stage>,
}

impl NodeCost {
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
            fee: Money::ZERO,
        })
    }

    /// The cost of an hour, spread over the resources of a node.
    pub fn rates(&self, shape: Resources) -> Rates {
        spread(self.of(shape, shape, Span::from_hours(1)).map_or(Money(i64::MAX), |c| c.total()), shape)
    }

    fn life(&self) -> i64 {
        MONTH_US.saturating_mul(i64::from(self.life_months.max(1)))
    }
}

impl OwnCost {
    /// What a node costs at `at` on the average of those in service: nodes that have lived their life cost no depreciation
    /// any more. Rounded down; what runs carry too little of is a cost of the pool.
    pub fn at(&self, at: Timestamp) -> NodeCost {
        let serving = |s: &&Stage| s.in_service <= at && s.retired.is_none_or(|end| at < end);
        let (mut all, mut young) = (0u128, 0u128);
        for stage in self.stages.iter().filter(serving) {
            all += u128::from(stage.nodes);
            if at.since(stage.in_service).as_micros() < self.node.life() {
                young += u128::from(stage.nodes);
            }
        }
        if all == 0 {
            // Nodes that nobody has put in service yet, and that run something: as if they were.
            return self.node;
        }
        let lost = self.node.purchase_price - self.node.residual;
        let lost = Money::for_quantity(lost, young, all).unwrap_or(lost);
        NodeCost { purchase_price: self.node.residual + lost, ..self.node }
    }

    /// What is owed for all nodes between two moments: the difference of what was owed since the beginning, each stage rounded
    /// down once, so that any cuts add up. `None` when an amount leaves the range of money.
    pub fn owed(&self, from: Timestamp, to: Timestamp) -> Option<CostParts> {
        Some(self.owed_until(to)?.minus(&self.owed_until(from)?))
    }

    fn owed_until(&self, at: Timestamp) -> Option<CostParts> {
        let life = self.node.life();
        let mut sum = CostParts::default();
        for stage in &self.stages {
            let end = stage.retired.map_or(at, |end| at.min(end));
            let served = end.since(stage.in_service).as_micros().max(0);
            let nodes = u128::from(stage.nodes);
            let lost = self.node.purchase_price - self.node.residual;
            let depreciation = Money::for_quantity(lost, nodes * served.min(life) as u128, life as u128)?;
            let datacentre =
                Money::for_quantity(self.node.datacentre_fee_month, nodes * served as u128, MONTH_US as u128)?;
            sum = sum.plus(&CostParts { depreciation, datacentre, fee: Money::ZERO });
        }
        Some(sum)
    }
}

/// The largest share of a node's resources, as a fraction.
pub fn dominant(granted: Resources, shape: Resources) -> (u128, u128) {
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

    const COST: NodeCost = NodeCost {
        purchase_price: Money(100_000_000_000),
        residual: Money(5_000_000_000),
        life_months: 60,
        datacentre_fee_month: Money(1_000_000_000),
    };

    #[test]
    fn a_whole_node_for_its_whole_life_costs_its_price() {
        let node = Resources::new(64, Bytes::from_gib(512), 8);
        let life = Span::from_micros(MONTH_US * 60);
        let parts = COST.of(node, node, life).unwrap();
        assert_eq!(parts.depreciation, Money::from_units(95_000));
        assert_eq!(parts.datacentre, Money::from_units(60_000));
        // One card of eight carries an eighth, however few cores it takes.
        let card = COST.of(Resources::new(1, Bytes::from_gib(1), 1), node, life).unwrap();
        assert_eq!(card.depreciation, Money(95_000_000_000 / 8));
    }

    fn staged() -> OwnCost {
        let stage = |nodes, months: i64, retired: Option<i64>| Stage {
            nodes,
            purchased: None,
            in_service: Timestamp::from_micros(MONTH_US * months),
            retired: retired.map(|m| Timestamp::from_micros(MONTH_US * m)),
        };
        OwnCost { node: COST, stages: vec![stage(4, 1, None), stage(6, 13, Some(25))] }
    }

    fn month(n: i64) -> Timestamp {
        Timestamp::from_micros(MONTH_US * n)
    }

    #[test]
    fn each_stage_is_written_off_from_the_day_it_is_in_service() {
        let own = staged();
        let owed = |from, to| own.owed(month(from), month(to)).unwrap();
        assert_eq!(owed(0, 1), CostParts::default());
        let year = COST
            .of(Resources::new(1, Bytes(0), 0), Resources::new(1, Bytes(0), 0), Span::from_hours(365 * 24))
            .unwrap();
        assert_eq!(owed(1, 13).depreciation, Money(year.depreciation.0 * 4));
        assert_eq!(owed(13, 25).total(), Money(year.total().0 * 10));
        assert_eq!(owed(25, 61).depreciation, Money(year.depreciation.0 * 12));
        // After five years the first four stand there for their fee alone.
        assert_eq!(owed(61, 73), CostParts { datacentre: Money(year.datacentre.0 * 4), ..CostParts::default() });
        assert_eq!(own.at(month(2)), COST);
        assert_eq!(own.at(month(70)).purchase_price, COST.residual);
    }

    proptest::proptest! {
        /// However the time is cut, the sum is what is owed for the whole.
        #[test]
        fn cutting_changes_nothing(mut cuts in proptest::collection::vec(0i64..80 * MONTH_US, 2..20)) {
            cuts.sort_unstable();
            let own = staged();
            let at = |n: usize| Timestamp::from_micros(cuts[n]);
            let parts = (1..cuts.len()).map(|n| own.owed(at(n - 1), at(n)).unwrap());
            let sum = parts.fold(CostParts::default(), |sum, part| sum.plus(&part));
            proptest::prop_assert_eq!(sum, own.owed(at(0), at(cuts.len() - 1)).unwrap());
        }
    }
}
