//! What the standing rules of the operator say of work: which nodes that are kept it may use, and where it may run at all.
//! Work of equal standing and equal request is of one shape. Refuses to know tenants, products and contracts by name.

use std::fmt;
use std::sync::Arc;

use model::SupplyMode;
use serde::{Deserialize, Serialize};

/// For whom nodes are kept, and what work may use of them: a set of keepers, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Dips(u8);

impl Dips {
    /// Of a node: kept for nobody. Of work: it uses nothing that is kept.
    pub const NONE: Dips = Dips(0);
    /// Of work: it may use whatever is kept.
    pub const ALL: Dips = Dips(u8::MAX);

    /// One keeper, by a number from 0 to 7.
    pub const fn keeper(number: u8) -> Dips {
        Dips(1 << (number & 7))
    }
    #[must_use]
    pub const fn and(self, other: Dips) -> Dips {
        Dips(self.0 | other.0)
    }
    /// Work with these may use nodes kept for `kept`.
    pub const fn reach(self, kept: Dips) -> bool {
        kept.0 == 0 || kept.0 & self.0 != 0
    }
    /// Place of a node in the order of choice: what is kept comes first, so that the rest stays for those who have no more.
    pub(crate) const fn order(self) -> u8 {
        self.0.wrapping_sub(1)
    }
}

impl fmt::Debug for Dips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dips({:#b})", self.0)
    }
}

/// On whose pools work runs. `…First`: on the others only while none of these can start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draws {
    #[default]
    Any,
    OwnFirst,
    OwnOnly,
    PartnerFirst,
    PartnerOnly,
}

impl Draws {
    pub const ALL: [Draws; 5] = [Self::Any, Self::OwnFirst, Self::OwnOnly, Self::PartnerFirst, Self::PartnerOnly];

    /// What it must be when it may not be this.
    pub const fn refuses(self, mode: SupplyMode) -> Option<SupplyMode> {
        match (self, mode) {
            (Self::OwnOnly, SupplyMode::Partner) => Some(SupplyMode::Own),
            (Self::PartnerOnly, SupplyMode::Own) => Some(SupplyMode::Partner),
            _ => None,
        }
    }
    /// Others are preferred.
    pub const fn is_second(self, mode: SupplyMode) -> bool {
        matches!((self, mode), (Self::OwnFirst, SupplyMode::Partner) | (Self::PartnerFirst, SupplyMode::Own))
    }
}

/// What the rules say of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Standing {
    pub dips: Dips,
    pub draws: Draws,
    /// Sites and regions where it may run; empty means anywhere.
    pub regions: Arc<[Arc<str>]>,
}

impl Standing {
    /// Whether it may run at a site in a region.
    pub fn lives_in(&self, site: &str, region: &str) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|at| **at == *site || **at == *region)
    }
}

impl From<Dips> for Standing {
    fn from(dips: Dips) -> Standing {
        Standing { dips, ..Standing::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_uses_what_is_kept_for_it_and_what_is_not_kept() {
        let (ai, render) = (Dips::keeper(3), Dips::keeper(5));
        assert!(ai.reach(ai) && !ai.reach(render) && ai.and(render).reach(render));
        assert!([Dips::NONE, ai, Dips::ALL].iter().all(|d| d.reach(Dips::NONE)));
        assert!((0..8).all(|n| Dips::ALL.reach(Dips::keeper(n)) && !Dips::NONE.reach(Dips::keeper(n))));
        assert!(ai.order() < render.order() && render.order() < Dips::NONE.order());
    }
}
