//! Money that the operator grants for free: to whom, for which work and until when, and what became of it. Knows whose work a grant
//! pays for and that its parts add up; refuses to know the ledger, what is promised and which moment it is.

use std::ops::Deref;
use std::sync::Arc;

use base::{Currency, Money, ProjectId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::book::Sale;
use crate::tariff::Selector;

/// A grant with what was drawn of it and what went back to the operator. What is neither is on its account, free or promised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub number: u64,
    pub tenant: TenantId,
    /// Only for work in this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Only for work of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    pub currency: Currency,
    pub amount: Money,
    pub from: Timestamp,
    /// Without this moment.
    pub to: Timestamp,
    /// For work that one of these selects, which never name a tenant; empty: for all work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Selector>,
    /// What it was given for.
    pub note: Arc<str>,
    pub given_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When its end was seen to: from then on only what is promised is left on its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// What intervals were paid from it, less what was given back.
    pub drawn: Money,
    /// What went back to the operator, since it was over.
    pub back: Money,
}

/// What a grant paid of an interval; less than nothing: what it was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    pub grant: u64,
    pub value: Money,
}

/// What grants paid of one interval, in their order. One word wide, since few intervals have some and all are that wide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Credit>", into = "Vec<Credit>")]
pub struct Credits(Option<Box<Paid>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Paid(Vec<Credit>);

impl Credits {
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl Deref for Credits {
    type Target = [Credit];
    fn deref(&self) -> &[Credit] {
        self.0.as_ref().map_or(&[], |paid| &paid.0)
    }
}

impl From<Vec<Credit>> for Credits {
    fn from(all: Vec<Credit>) -> Credits {
        Credits((!all.is_empty()).then(|| Box::new(Paid(all))))
    }
}

impl From<Credits> for Vec<Credit> {
    fn from(of: Credits) -> Vec<Credit> {
        of.0.map_or_else(Vec::new, |paid| paid.0)
    }
}

/// Selectors of one grant: each piece of work looks at all of them.
const SELECTORS_MAX: usize = 50;

impl Grant {
    /// What makes it senseless.
    pub fn fault(&self) -> Option<&'static str> {
        match () {
            () if self.amount <= Money::ZERO => Some("a grant is of more than nothing"),
            () if self.to <= self.from => Some("a grant ends after it begins"),
            () if self.of.len() > SELECTORS_MAX => Some("a grant is for at most 50 kinds of work"),
            () if self.of.iter().any(|of| of.tenant.is_some()) => Some("a grant is its tenant's: its scope names none"),
            () if self.note.trim().is_empty() => Some("say what the grant is given for: the tenant reads it"),
            () => None,
        }
    }

    /// When it is over: at its end, or when it was revoked.
    pub fn ends(&self) -> Timestamp {
        self.revoked_at.map_or(self.to, |at| at.min(self.to))
    }

    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.ends()
    }

    /// Whether it pays for what such work is sold for.
    pub fn is_for(&self, project: ProjectId, user: UserId, sale: &Sale) -> bool {
        self.project.is_none_or(|own| own == project)
            && self.user.is_none_or(|own| own == user)
            && (self.of.is_empty() || self.of.iter().any(|of| sale.is_of(of)))
    }

    /// What is on its account, free or promised.
    pub fn left(&self) -> Money {
        self.amount - self.drawn - self.back
    }
}

/// Adds what grants paid to what they have paid before, in the order in which they first did.
pub fn add(to: &mut Vec<Credit>, more: &[Credit]) {
    for one in more {
        match to.iter_mut().find(|known| known.grant == one.grant) {
            Some(known) => known.value += one.value,
            None => to.push(*one),
        }
    }
    to.retain(|known| known.value != Money::ZERO);
}

/// What goes back to each of the grants that have paid a run, the last one first, when its bill became less: as much of `paid` as is
/// beyond `owed`. So what the tenant paid itself goes back before any grant.
pub fn beyond(paid: &[Credit], owed: Money) -> Vec<Credit> {
    let mut left = paid.iter().map(|one| one.value).sum::<Money>() - owed.max(Money::ZERO);
    let mut back = Vec::new();
    for one in paid.iter().rev() {
        let part = left.min(one.value);
        if part > Money::ZERO {
            back.push(Credit { grant: one.grant, value: -part });
            left = left - part;
        }
    }
    back
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant() -> Grant {
        Grant {
            number: 1,
            tenant: TenantId::from_u128(1),
            project: None,
            user: None,
            currency: Currency::CNY,
            amount: Money(100),
            from: Timestamp::from_secs(10),
            to: Timestamp::from_secs(20),
            of: Vec::new(),
            note: "first steps".into(),
            given_at: Timestamp::from_secs(5),
            revoked_at: None,
            over_at: None,
            drawn: Money(30),
            back: Money(20),
        }
    }

    fn sale<'a>(pool: &'a str) -> Sale<'a> {
        Sale {
            tenant: "lab",
            pool,
            chip: None,
            product: model::ProductLine::Ai,
            class: model::PriorityClass::default(),
            shape: base::Resources::ZERO,
            nodes: 1,
            per_node: base::Resources::ZERO,
            call: Default::default(),
        }
    }

    #[test]
    fn it_is_in_force_until_it_ends_or_is_revoked() {
        let (grant, at) = (grant(), Timestamp::from_secs);
        assert_eq!([9, 10, 19, 20].map(|s| grant.is_in_force(at(s))), [false, true, true, false]);
        let revoked = Grant { revoked_at: Some(at(15)), ..grant.clone() };
        assert_eq!([14, 15].map(|s| revoked.is_in_force(at(s))), [true, false]);
        assert_eq!((grant.left(), grant.fault()), (Money(50), None));
    }

    #[test]
    fn it_pays_for_work_within_its_scope() {
        let (project, user) = (ProjectId::from_u128(1), UserId::from_u128(2));
        let other = (ProjectId::from_u128(8), UserId::from_u128(9));
        let pool = |name: &str| Selector { pool: Some(name.into()), ..Selector::default() };
        let line = Selector { product: Some(model::ProductLine::Maas), ..Selector::default() };
        assert!(grant().is_for(project, user, &sale("a")));
        let of_pools = Grant { of: vec![pool("a"), pool("b")], ..grant() };
        assert_eq!(["a", "b", "c"].map(|name| of_pools.is_for(project, user, &sale(name))), [true, true, false]);
        assert!(!Grant { of: vec![line], ..grant() }.is_for(project, user, &sale("a")));
        let own = Grant { project: Some(project), user: Some(user), ..grant() };
        assert!(own.is_for(project, user, &sale("a")));
        assert!(!own.is_for(other.0, user, &sale("a")) && !own.is_for(project, other.1, &sale("a")));
    }

    #[test]
    fn senseless_grants_are_refused() {
        let named = Selector { tenant: Some("lab".into()), ..Selector::default() };
        for wrong in [
            Grant { amount: Money::ZERO, ..grant() },
            Grant { to: Timestamp::from_secs(10), ..grant() },
            Grant { of: vec![named], ..grant() },
            Grant { note: " ".into(), ..grant() },
        ] {
            assert!(wrong.fault().is_some(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn grants_get_back_only_what_is_beyond(values in proptest::collection::vec(1..1_000i64, 0..5), owed in -500..6_000i64) {
            let paid: Vec<Credit> = (1..).zip(values).map(|(grant, v)| Credit { grant, value: Money(v) }).collect();
            let sum: Money = paid.iter().map(|one| one.value).sum();
            let back = beyond(&paid, Money(owed));
            let gone: Money = back.iter().map(|one| one.value).sum();
            prop_assert_eq!(-gone, (sum - Money(owed.max(0))).max(Money::ZERO));
            let mut kept = paid.clone();
            add(&mut kept, &back);
            prop_assert!(kept.iter().all(|one| one.value > Money::ZERO));
            prop_assert_eq!(kept.iter().map(|one| one.value).sum::<Money>(), sum.min(Money(owed.max(0))));
            // The first to pay is the last to get something back.
            prop_assert!(kept.iter().map(|one| one.grant).eq(paid.iter().map(|one| one.grant).take(kept.len())));
        }
    }
}
