//! What the standing rules of the operator say of work: which nodes that are kept it may use, and where it may run at all.
//! Work of equal standing and equal request is of one shape. Refuses to know tenants, products and contracts by name.

use std::fmt;
use std::sync::Arc;

use base::{PoolId, Span};
use model::{Chip, SupplyMode};
use serde::{Deserialize, Serialize};

use crate::links::Ties;

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
    /// Sites and regions where its tenant's work may run; empty means anywhere.
    pub regions: Arc<[Arc<str>]>,
    /// Sites and regions where it is to run itself; empty means anywhere of these.
    pub places: Arc<[Arc<str>]>,
    /// It does not run where the interconnect is known to be slower, Gb/s.
    pub gbps_min: u32,
    /// The application, where something is known of it.
    pub app: Option<Arc<App>>,
    /// Where its data and its users are.
    pub ties: Ties,
    /// Pools in which no price is set for it, in order of their ids.
    pub unpriced: Arc<[PoolId]>,
}

/// What is known of an application on chips and processors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct App {
    /// Chips on which it was verified; empty: any. Work without cards is not asked for them.
    pub chips: Vec<Chip>,
    /// Architectures of processors on which it was verified; empty: any.
    pub architectures: Vec<Arc<str>>,
    /// How fast it runs on a chip, in thousandths of its speed on the one for which run times are stated. Of several words for a
    /// chip the longest counts; on others it is 1000.
    pub speed: Vec<(Chip, u32)>,
}

/// As fast as on the chip for which run times are stated.
pub(crate) const REFERENCE_PERMILLE: u32 = 1_000;

/// The same architecture has two names in use for each of two kinds.
fn canonical(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

impl App {
    pub(crate) fn verified_on_chip(&self, chip: Option<&Chip>) -> bool {
        self.chips.is_empty() || chip.is_some_and(|chip| self.chips.iter().any(|c| c.served_by(chip)))
    }
    pub(crate) fn verified_on_architecture(&self, architecture: Option<&str>) -> bool {
        let known = |one: &str| self.architectures.iter().any(|a| canonical(a) == canonical(one));
        self.architectures.is_empty() || architecture.is_some_and(known)
    }
    fn permille(&self, chip: Option<&Chip>) -> u32 {
        let named = |chip: &Chip| {
            let fits = self.speed.iter().filter(|(word, _)| word.served_by(chip));
            fits.max_by_key(|(word, _)| word.as_str().len()).map(|(_, permille)| *permille)
        };
        chip.and_then(named).unwrap_or(REFERENCE_PERMILLE).max(1)
    }
}

impl Standing {
    /// How fast work with cards (`gpus`) runs on a chip, in thousandths of the speed for which its run time is stated.
    pub fn speed_permille(&self, gpus: u32, chip: Option<&Chip>) -> u32 {
        let app = self.app.as_ref().filter(|_| gpus > 0);
        app.map_or(REFERENCE_PERMILLE, |app| app.permille(chip))
    }
}

/// What runs for `time` at the speed for which that is stated, at another one; rounded towards zero.
pub fn at_speed(time: Span, permille: u32) -> Span {
    let micros = i128::from(time.as_micros()) * i128::from(REFERENCE_PERMILLE) / i128::from(permille.max(1));
    Span::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
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
