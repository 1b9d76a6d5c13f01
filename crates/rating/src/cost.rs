//! What a pool costs the operator: the fee that a partner takes for what is used, or what own nodes cost, used or not.
//! A run keeps the terms of its start. Knows no accounts.

use base::{Money, Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::assets::{NodeCost, OwnCost};
use crate::book::Rates;
use crate::fee::SupplierFee;

/// The terms of a pool. Rows of before there were fees have the own cost alone, which is told from a fee by its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PoolCost {
    Own(OwnCost),
    Partner(SupplierFee),
}

/// The terms that one run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RunCost {
    Own(NodeCost),
    Partner(SupplierFee),
}

/// The parts of what something costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CostParts {
    pub depreciation: Money,
    pub datacentre: Money,
    /// What the supplier is owed.
    #[serde(default)]
    pub fee: Money,
}

impl CostParts {
    pub fn total(&self) -> Money {
        self.depreciation + self.datacentre + self.fee
    }
    pub fn plus(&self, o: &CostParts) -> CostParts {
        CostParts {
            depreciation: self.depreciation + o.depreciation,
            datacentre: self.datacentre + o.datacentre,
            fee: self.fee + o.fee,
        }
    }
    pub fn minus(&self, o: &CostParts) -> CostParts {
        CostParts {
            depreciation: self.depreciation - o.depreciation,
            datacentre: self.datacentre - o.datacentre,
            fee: self.fee - o.fee,
        }
    }
}

impl PoolCost {
    /// The terms that a run keeps which starts at `at`.
    pub fn at(&self, at: Timestamp) -> RunCost {
        match self {
            Self::Own(own) => RunCost::Own(own.at(at)),
            Self::Partner(fee) => RunCost::Partner(*fee),
        }
    }

    /// Whether `known`, terms in force, are these: what these leave open may be anything.
    pub fn is_met_by(&self, known: &PoolCost) -> bool {
        let (Self::Own(asked), Self::Own(known)) = (self, known) else { return self == known };
        let mut node = asked.node;
        if node.life_months == 0 {
            node.life_months = known.node.life_months;
        }
        node == known.node && (asked.stages.is_empty() || asked.stages == known.stages)
    }

    /// The own cost, which is owed whether the nodes are used or not.
    pub fn own(&self) -> Option<&OwnCost> {
        match self {
            Self::Own(own) => Some(own),
            Self::Partner(_) => None,
        }
    }
}

impl RunCost {
    /// What holding `granted`, in all, on `nodes` nodes of `shape` for `span` costs. `None` when the amount leaves the range
    /// of money.
    pub fn of(&self, granted: Resources, nodes: u32, shape: Resources, span: Span) -> Option<CostParts> {
        match self {
            Self::Own(node) => node.of(granted, shape, span),
            Self::Partner(fee) => Some(CostParts { fee: fee.of(granted, nodes, span)?, ..CostParts::default() }),
        }
    }

    /// The same spread over the resources of a node, an hour each, for comparing candidates.
    pub fn rates(&self, shape: Resources) -> Rates {
        match self {
            Self::Own(node) => node.rates(shape),
            Self::Partner(fee) => fee.rates(shape),
        }
    }
}

/// `hourly`, the cost of a whole node an hour, spread over its resources: cards carry it where there are cards, cores otherwise.
pub(crate) fn spread(hourly: Money, shape: Resources) -> Rates {
    let per = |n: u64| Money(hourly.0 / n.max(1) as i64);
    match shape.gpus {
        0 => Rates { core_hour: per(shape.cpu.cores_ceil()), gib_hour: Money::ZERO, card_hour: None },
        n => Rates { core_hour: Money::ZERO, gib_hour: Money::ZERO, card_hour: Some(per(n as u64)) },
    }
}
