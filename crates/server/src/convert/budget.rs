//! Budgets as the API shows them.

use base::{Currency, Money, ProjectId, Timestamp, UserId};
use rating::budget::{Budget, BudgetKind, Period, Spent};
use wire::budget as shown;

use super::job::time;

pub const fn kind(of: BudgetKind) -> wire::BudgetKind {
    match of {
        BudgetKind::Hard => wire::BudgetKind::Hard,
        BudgetKind::Soft => wire::BudgetKind::Soft,
    }
}

pub const fn kind_from(of: wire::BudgetKind) -> BudgetKind {
    match of {
        wire::BudgetKind::Hard => BudgetKind::Hard,
        wire::BudgetKind::Soft => BudgetKind::Soft,
    }
}

pub const fn period(of: Period) -> wire::BudgetPeriod {
    match of {
        Period::Month => wire::BudgetPeriod::Month,
        Period::Quarter => wire::BudgetPeriod::Quarter,
        Period::Year => wire::BudgetPeriod::Year,
        Period::Once { .. } => wire::BudgetPeriod::Once,
    }
}

/// A budget at `now`. `promised` is what open jobs of each project and user still have set aside.
pub fn budget(
    of: &Budget,
    now: Timestamp,
    promised: &[(ProjectId, UserId, Money)],
    names: (Option<String>, Option<String>),
    currency: Currency,
) -> shown::Budget {
    let own = |(p, u, _): &&(ProjectId, UserId, Money)| of.is_for(of.tenant, *p, *u);
    let promised: Money = promised.iter().filter(own).map(|(_, _, amount)| *amount).sum();
    let once = match of.period {
        Period::Once { from, to } => Some((from, to)),
        Period::Month | Period::Quarter | Period::Year => None,
    };
    let (from, to) = once.or_else(|| of.ahead(now)).unwrap_or((now, now));
    let present = of.of(from);
    let spent = present.map_or(Money::ZERO, Spent::total);
    let past = |s: &Spent| shown::BudgetSpent { from: s.from.into(), to: s.to.into(), spent: s.total().into() };
    shown::Budget {
        number: of.number,
        project: names.0,
        user: names.1,
        kind: kind(of.kind),
        period: period(of.period),
        utc_offset: of.offset.to_string(),
        from: from.into(),
        to: to.into(),
        amount: of.amount.into(),
        spent: spent.into(),
        promised: promised.into(),
        left: (of.amount - spent - promised).into(),
        currency: currency.to_string(),
        alerts: of.alerts.clone(),
        alerted: present.map(|s| s.alerted.clone()).unwrap_or_default(),
        stop_at: time(present.and_then(|s| s.stop_at)),
        set_at: of.set_at.into(),
        past: of.spent.iter().rev().filter(|s| s.from < from).map(past).collect(),
    }
}
