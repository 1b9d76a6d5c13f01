//! What tenants may take of the operator's own pools together: each has a nominal part; it may borrow a bounded amount of what
//! others leave idle, and need not lend all of its own. Refuses to know pools one by one and the queue.
//!
//! Work that stays within its tenant's own part is never refused here. Beyond it, for each of cores, memory and cards: the
//! tenant holds at most its part and what it may borrow; and all together hold no more than there is beside what other
//! tenants have not lent and do not use themselves.

use std::collections::BTreeMap;

use base::{Resources, TenantId};
use model::Counted;
use serde::{Deserialize, Serialize};

use crate::share::amounts;

const KINDS: usize = 3;
type Amounts = [u64; KINDS];

/// A tenant's part of the own pools, in thousandths of their capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stake {
    pub nominal_permille: u32,
    /// Of what others leave idle it may take so much at most; any, when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub borrow_permille: Option<u32>,
    /// Of its own part others may take so much at most while it is idle; all, when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lend_permille: Option<u32>,
}

/// Which limit keeps work off the own pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Borrowing,
    Lending,
}

/// Too much was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    pub limit: Limit,
    pub what: Counted,
    pub requested: u64,
    pub available: u64,
}

/// The tenants' parts and what they hold of own pools.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lending {
    stakes: BTreeMap<TenantId, Stake>,
    /// Everything that there is of own pools.
    capacity: Amounts,
    held: BTreeMap<TenantId, Amounts>,
    all_held: Amounts,
    /// What came later than this borrows nothing: an overdue job waits for what is lent.
    frozen: Option<Age>,
    /// What came later than this of such a tenant takes nothing: an overdue job of its own waits for its limit.
    frozen_of: BTreeMap<TenantId, Age>,
}

/// When work came: submission in microseconds since the epoch, and number.
pub(crate) type Age = (i64, u64);

impl Lending {
    pub fn set(&mut self, stakes: BTreeMap<TenantId, Stake>) {
        self.stakes = stakes;
    }
    pub fn is_on(&self) -> bool {
        !self.stakes.is_empty()
    }
    /// Begins anew: what there is, and nothing is held.
    pub fn reset(&mut self, capacity: &Resources) {
        (self.capacity, self.all_held) = (amounts(capacity), [0; KINDS]);
        self.held.clear();
    }
    pub fn hold(&mut self, tenant: TenantId, total: &Resources) {
        let part = amounts(total);
        let held = self.held.entry(tenant).or_default();
        for k in 0..KINDS {
            held[k] += part[k];
            self.all_held[k] += part[k];
        }
    }
    pub fn drop_hold(&mut self, tenant: TenantId, total: &Resources) {
        let part = amounts(total);
        let Some(held) = self.held.get_mut(&tenant) else { return };
        for k in 0..KINDS {
            held[k] = held[k].saturating_sub(part[k]);
            self.all_held[k] = self.all_held[k].saturating_sub(part[k]);
        }
    }

    pub fn thaw(&mut self) {
        self.frozen = None;
        self.frozen_of.clear();
    }
    pub fn is_frozen(&self) -> bool {
        !self.frozen_of.is_empty()
    }
    /// An overdue job waits for a limit: what came later does not use up what is given back meanwhile.
    pub fn freeze(&mut self, limit: Limit, tenant: TenantId, age: Age) {
        let of = self.frozen_of.entry(tenant).or_insert(age);
        *of = age.min(*of);
        if limit == Limit::Lending {
            self.frozen = Some(self.frozen.map_or(age, |known| known.min(age)));
        }
    }

    /// What keeps work that came then off the own pools: a limit, or overdue work that waits for one.
    pub fn keeps_off(&self, tenant: TenantId, total: &Resources, age: Age) -> Option<Over> {
        if !self.is_on() {
            return None;
        }
        let asked = amounts(total);
        let ahead = || {
            let kind = (0..KINDS).find(|k| asked[*k] > 0)?;
            if self.frozen_of.get(&tenant).is_some_and(|first| *first < age) {
                return Some(shown(Limit::Borrowing, kind, asked[kind], 0));
            }
            self.frozen.filter(|first| *first < age)?;
            let (stake, held) = (self.stake(tenant), self.held(tenant));
            (0..KINDS).filter(|k| asked[*k] > 0).find_map(|k| {
                let left = self.part(k, stake.nominal_permille).saturating_sub(held[k]);
                (asked[k] > left).then(|| shown(Limit::Lending, k, asked[k], left))
            })
        };
        self.over(tenant, total).or_else(ahead)
    }

    fn stake(&self, tenant: TenantId) -> Stake {
        self.stakes.get(&tenant).copied().unwrap_or_default()
    }
    fn part(&self, kind: usize, permille: u32) -> u64 {
        (u128::from(self.capacity[kind]) * u128::from(permille) / 1_000) as u64
    }
    fn held(&self, tenant: TenantId) -> Amounts {
        self.held.get(&tenant).copied().unwrap_or_default()
    }

    /// What keeps work of a tenant off the own pools at the moment. Cost: one look at each stake for what goes beyond its part.
    pub fn over(&self, tenant: TenantId, total: &Resources) -> Option<Over> {
        if !self.is_on() {
            return None;
        }
        let (stake, held) = (self.stake(tenant), self.held(tenant));
        let asked = amounts(total);
        (0..KINDS).filter(|k| asked[*k] > 0).find_map(|k| {
            let nominal = self.part(k, stake.nominal_permille);
            if held[k] + asked[k] <= nominal {
                return None;
            }
            let over = |limit, available: u64| Some(shown(limit, k, asked[k], available));
            if let Some(borrow) = stake.borrow_permille {
                let available = (nominal + self.part(k, borrow)).saturating_sub(held[k]);
                if asked[k] > available {
                    return over(Limit::Borrowing, available);
                }
            }
            let room = self.capacity[k].saturating_sub(self.all_held[k]).saturating_sub(self.unlent(k, tenant));
            let available = room.max(nominal.saturating_sub(held[k]));
            if asked[k] > available { over(Limit::Lending, available) } else { None }
        })
    }

    /// What could never be had, whatever others leave.
    pub fn never(&self, tenant: TenantId, total: &Resources) -> Option<Over> {
        if !self.is_on() {
            return None;
        }
        let (stake, asked) = (self.stake(tenant), amounts(total));
        (0..KINDS).filter(|k| asked[*k] > 0).find_map(|k| {
            let nominal = self.part(k, stake.nominal_permille);
            if let Some(borrow) = stake.borrow_permille {
                let available = nominal + self.part(k, borrow);
                if asked[k] > available {
                    return Some(shown(Limit::Borrowing, k, asked[k], available));
                }
            }
            let others = self.stakes.iter().filter(|(id, _)| **id != tenant);
            let kept: u64 = others.map(|(_, stake)| self.kept(k, stake)).sum();
            let available = self.capacity[k].saturating_sub(kept).max(nominal);
            (asked[k] > available).then(|| shown(Limit::Lending, k, asked[k], available))
        })
    }

    /// Of its part a tenant does not lend so much.
    fn kept(&self, kind: usize, stake: &Stake) -> u64 {
        stake.lend_permille.map_or(0, |lend| self.part(kind, stake.nominal_permille.saturating_sub(lend)))
    }
    /// What others than the tenant do not lend and do not use.
    fn unlent(&self, kind: usize, tenant: TenantId) -> u64 {
        let others = self.stakes.iter().filter(|(id, _)| **id != tenant);
        others.map(|(id, stake)| self.kept(kind, stake).saturating_sub(self.held(*id)[kind])).sum()
    }
}

fn shown(limit: Limit, kind: usize, requested: u64, available: u64) -> Over {
    // Cores are counted whole, as everywhere else.
    match kind {
        0 => Over { limit, what: Counted::Cores, requested: requested.div_ceil(1_000), available: available / 1_000 },
        1 => Over { limit, what: Counted::Mem, requested, available },
        _ => Over { limit, what: Counted::Gpus, requested, available },
    }
}

#[cfg(test)]
mod tests {
    use base::Bytes;

    use super::*;

    const CAPACITY: u64 = 100;

    fn cores(n: u64) -> Resources {
        Resources::new(n, Bytes(0), 0)
    }
    fn tenant(n: u128) -> TenantId {
        TenantId::from_u128(n)
    }
    fn stake(nominal: u32, borrow: Option<u32>, lend: Option<u32>) -> Stake {
        Stake {
            nominal_permille: nominal * 10,
            borrow_permille: borrow.map(|n| n * 10),
            lend_permille: lend.map(|n| n * 10),
        }
    }

    #[test]
    fn parts_are_lent_and_borrowed_up_to_their_limits() {
        let mut l = Lending::default();
        let (a, b, c) = (tenant(1), tenant(2), tenant(3));
        l.reset(&cores(CAPACITY));
        assert_eq!(l.over(c, &cores(1_000)), None, "nothing is limited");
        l.set([(a, stake(40, Some(20), Some(10))), (b, stake(30, None, None))].into());
        let most = |l: &Lending, who| (1..=CAPACITY).rev().find(|n| l.over(who, &cores(*n)).is_none()).unwrap_or(0);
        // a: 40 of its own and 20 of others'. b and c: all but the 30 that a does not lend.
        assert_eq!((most(&l, a), most(&l, b), most(&l, c)), (60, 70, 70));
        let never = |n| l.never(c, &cores(n)).map(|o| (o.limit, o.requested, o.available));
        assert_eq!((never(70), never(71)), (None, Some((Limit::Lending, 71, 70))));
        let over = Over { limit: Limit::Borrowing, what: Counted::Cores, requested: 61, available: 60 };
        assert_eq!((l.over(a, &cores(61)), l.never(a, &cores(61))), (Some(over), Some(over)));
        l.hold(c, &cores(65));
        // b's part has been lent; what is left beside a's is five.
        assert_eq!((most(&l, b), most(&l, c)), (30, 5), "b is within its own part, whether there is room or not");
        assert_eq!(most(&l, a), 40);
        l.hold(a, &cores(35));
        assert_eq!((most(&l, a), most(&l, c)), (5, 0));
        l.drop_hold(c, &cores(65));
        assert_eq!((most(&l, a), most(&l, c)), (25, 65));
    }

    #[test]
    fn nothing_later_uses_up_what_overdue_work_waits_for() {
        let mut l = Lending::default();
        let (a, b, c) = (tenant(1), tenant(2), tenant(3));
        l.reset(&cores(CAPACITY));
        l.set([(a, stake(40, Some(20), Some(10))), (b, stake(30, None, None))].into());
        let may = |l: &Lending, who, n, at| l.keeps_off(who, &cores(n), (at, 1)).is_none();
        // Its own tenant's limit stops its tenant's later work.
        l.freeze(Limit::Borrowing, a, (10, 1));
        assert!(may(&l, a, 1, 10) && may(&l, a, 1, 9) && !may(&l, a, 1, 11) && may(&l, c, 9, 11));
        // What others lend stops all later borrowing, not the use of one's own part.
        l.freeze(Limit::Lending, c, (20, 1));
        assert!(may(&l, b, 30, 21) && !may(&l, b, 31, 21) && may(&l, b, 31, 20) && !may(&l, c, 1, 21));
        l.freeze(Limit::Lending, c, (30, 1));
        assert!(!may(&l, b, 31, 21), "the earlier one counts");
        l.thaw();
        assert!(may(&l, b, 31, 21) && may(&l, c, 1, 21) && may(&l, a, 1, 11));
    }
}
