//! What an own pool costs while nothing uses it, by cause. The whole cost of the nodes is what runs have carried and what is
//! left; the rest has a name. Pure sums: knows no accounts.

use base::{Money, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cost::CostParts;

/// Why nodes earn nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Down, or their cluster does not answer.
    Outage,
    /// Drained, or their cluster is not in service.
    Maintenance,
    /// Kept free by the pool's reserve level.
    Reserve,
    /// Free, and nobody came.
    Idle,
    /// Less than nothing: runs carry the largest of their shares of a node, and the sum of them was more than the node.
    Overlap,
}

impl Cause {
    pub const ALL: [Cause; 5] = [Self::Outage, Self::Maintenance, Self::Reserve, Self::Idle, Self::Overlap];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Maintenance => "maintenance",
            Self::Reserve => "reserve",
            Self::Idle => "idle",
            Self::Overlap => "overlap",
        }
    }
}

/// In what state the nodes of a pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeCounts {
    pub nodes: u32,
    pub outage: u32,
    pub maintenance: u32,
    /// Of those that are up.
    pub reserve: u32,
}

/// A stretch of time of a pool that is not over: nothing has changed since it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    pub pool: PoolId,
    pub from: Timestamp,
    pub counts: NodeCounts,
    /// What had been booked as this pool's cost at the beginning, with what runs had used and was not yet billed.
    pub booked: CostParts,
}

/// One that is over. Stretches of a pool are gapless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    pub pool: PoolId,
    pub from: Timestamp,
    pub to: Timestamp,
    pub counts: NodeCounts,
    /// What the nodes cost, used or not.
    pub owed: CostParts,
    /// What runs carried of it, with what became known late of earlier ones.
    pub worked: CostParts,
    /// The rest, in the order of [`Cause::ALL`]: adds up to `owed` − `worked`.
    pub rest: [CostParts; 5],
}

impl Stretch {
    /// What was not carried by runs, for one cause.
    pub fn of(&self, cause: Cause) -> CostParts {
        self.rest[cause as usize]
    }
}

/// What is left of `owed` after `worked`, by cause: outage, maintenance and reserve have at most the part of their nodes, in
/// this order, each rounded down; what remains was idle. The sum is exactly `owed` − `worked`.
pub fn split(owed: Money, worked: Money, counts: NodeCounts) -> [Money; 5] {
    let mut parts = [Money::ZERO; 5];
    let mut rest = owed - worked;
    if rest.is_negative() {
        parts[Cause::Overlap as usize] = rest;
        return parts;
    }
    let causes =
        [(Cause::Outage, counts.outage), (Cause::Maintenance, counts.maintenance), (Cause::Reserve, counts.reserve)];
    for (cause, nodes) in causes {
        let (nodes, all) = (u128::from(nodes.min(counts.nodes)), u128::from(counts.nodes.max(1)));
        let part = Money::for_quantity(owed, nodes, all).unwrap_or(owed).min(rest).max(Money::ZERO);
        parts[cause as usize] = part;
        rest = rest - part;
    }
    parts[Cause::Idle as usize] = rest;
    parts
}

impl Upkeep {
    /// Ends the stretch at `to`, when so much is `owed` for it and `booked` is the pool's cost at that time, as in
    /// [`Upkeep::booked`].
    pub fn close(&self, to: Timestamp, owed: CostParts, booked: CostParts) -> Stretch {
        let worked = booked.minus(&self.booked);
        let depreciation = split(owed.depreciation, worked.depreciation, self.counts);
        let datacentre = split(owed.datacentre, worked.datacentre, self.counts);
        let mut rest = [CostParts::default(); 5];
        for (n, part) in rest.iter_mut().enumerate() {
            *part = CostParts { depreciation: depreciation[n], datacentre: datacentre[n], fee: Money::ZERO };
        }
        Stretch { pool: self.pool, from: self.from, to, counts: self.counts, owed, worked, rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_cause_has_at_most_the_part_of_its_nodes() {
        let counts = NodeCounts { nodes: 10, outage: 2, maintenance: 1, reserve: 3 };
        let parts = |worked| split(Money(1_000), Money(worked), counts).map(Money::micros);
        assert_eq!(parts(0), [200, 100, 300, 400, 0]);
        assert_eq!(parts(650), [200, 100, 50, 0, 0]);
        assert_eq!(parts(1_200), [0, 0, 0, 0, -200]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(owed in 0i64..1_000_000_007, worked in -5i64..2_000_000_000, n in 0u32..9, a in 0u32..9, b in 0u32..9, c in 0u32..9) {
            let counts = NodeCounts { nodes: n, outage: a, maintenance: b, reserve: c };
            let parts = split(Money(owed), Money(worked), counts);
            prop_assert_eq!(parts.iter().map(|p| p.micros()).sum::<i64>(), owed - worked);
            prop_assert!(parts[..4].iter().all(|p| !p.is_negative()));
        }
    }
}
