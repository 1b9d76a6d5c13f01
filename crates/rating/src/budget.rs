//! Budgets: how much the work of a tenant, a project or a user may cost in each of its periods, what was spent of that, and which
//! alerts are due. Knows one budget; refuses to know jobs, holds, clocks and where it is stored.

use base::{Money, ProjectId, Span, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::tariff::calendar::{Month, UtcOffset};

/// What becomes of work that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetKind {
    /// It is not taken in.
    Hard,
    /// It is told.
    Soft,
}

impl BudgetKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// In what stretches of time a budget is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "every", rename_all = "snake_case")]
pub enum Period {
    Month,
    /// Quarters of the calendar year.
    Quarter,
    Year,
    Once {
        from: Timestamp,
        to: Timestamp,
    },
}

impl Period {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::Once { .. } => "once",
        }
    }

    /// The period with `from < at <= to`: an end belongs to what it ends.
    pub fn around(&self, at: Timestamp, offset: UtcOffset) -> Option<(Timestamp, Timestamp)> {
        let months = match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
            Self::Once { from, to } => return (*from < at && at <= *to).then_some((*from, *to)),
        };
        let first: Month = offset.month_of(at - Span::from_micros(1)).first_of(months);
        Some((offset.start_of(first), offset.start_of(first.plus(months))))
    }
}

/// What was spent in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Of intervals that were billed before the budget was set; counted once, when that is known.
    #[serde(default)]
    pub before: Option<Money>,
    /// Of intervals that were billed since.
    pub since: Money,
    /// Thresholds that were alerted, per cent.
    #[serde(default)]
    pub alerted: Vec<u32>,
    /// Running work is stopped then, if the budget is still over.
    #[serde(default)]
    pub stop_at: Option<Timestamp>,
}

impl Spent {
    pub fn total(&self) -> Money {
        self.since + self.before.unwrap_or(Money::ZERO)
    }
}

/// A budget and what was spent of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub number: u64,
    pub tenant: TenantId,
    /// `None`: of all projects.
    #[serde(default)]
    pub project: Option<ProjectId>,
    /// `None`: of all users.
    #[serde(default)]
    pub user: Option<UserId>,
    pub kind: BudgetKind,
    pub period: Period,
    /// Of the calendar's periods.
    pub offset: UtcOffset,
    pub amount: Money,
    /// Per cent of the amount, ascending.
    pub alerts: Vec<u32>,
    pub set_at: Timestamp,
    #[serde(default)]
    pub removed_at: Option<Timestamp>,
    /// Oldest first, at most [`PERIODS_KEPT`].
    #[serde(default)]
    pub spent: Vec<Spent>,
}

/// Two years by the month: what comes later for an older one changes nothing any more.
pub const PERIODS_KEPT: usize = 24;
/// Alerts of one budget.
pub const ALERTS_MAX: usize = 10;
/// The largest threshold, per cent.
pub const ALERT_MAX: u32 = 1_000;

/// Thresholds in order and each once; a hard budget always tells when it is used up.
#[must_use]
pub fn thresholds(mut alerts: Vec<u32>, kind: BudgetKind) -> Vec<u32> {
    if kind == BudgetKind::Hard {
        alerts.push(100);
    }
    alerts.sort_unstable();
    alerts.dedup();
    alerts
}

impl Budget {
    /// What makes no sense about it.
    pub fn fault(&self) -> Option<&'static str> {
        if self.amount <= Money::ZERO {
            return Some("the amount of a budget is more than zero");
        }
        if self.alerts.len() > ALERTS_MAX || self.alerts.iter().any(|a| !(1..=ALERT_MAX).contains(a)) {
            return Some("alerts are at most 10 thresholds of 1 to 1000 per cent");
        }
        if matches!(self.period, Period::Once { from, to } if from >= to) {
            return Some("a budget for once ends after it begins");
        }
        None
    }

    pub fn is_for(&self, tenant: TenantId, project: ProjectId, user: UserId) -> bool {
        self.removed_at.is_none()
            && self.tenant == tenant
            && self.project.is_none_or(|own| own == project)
            && self.user.is_none_or(|own| own == user)
    }

    /// Whether it is the budget that `other` changes: of the same work, in the same periods, of the same kind.
    pub fn is_same_as(&self, other: &Budget) -> bool {
        self.removed_at.is_none()
            && (self.tenant, self.project, self.user) == (other.tenant, other.project, other.user)
            && (self.kind, self.period, self.offset) == (other.kind, other.period, other.offset)
    }

    /// The period in which something lies that ends at `at`.
    pub fn around(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.period.around(at, self.offset)
    }

    /// The period that work which begins at `now` is charged to.
    pub fn ahead(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.around(now + Span::from_micros(1))
    }

    /// What is known of the period that begins at `from`.
    pub fn of(&self, from: Timestamp) -> Option<&Spent> {
        self.spent.iter().find(|spent| spent.from == from)
    }

    /// Of the present period; nothing where none was counted.
    pub fn spent_at(&self, now: Timestamp) -> Money {
        self.ahead(now).and_then(|(from, _)| self.of(from)).map_or(Money::ZERO, Spent::total)
    }

    /// What is kept of the period around `at`, made if it is not there yet. `None`: in no period, or in one too old.
    pub fn entry(&mut self, at: Timestamp) -> Option<&mut Spent> {
        let (from, to) = self.around(at)?;
        let place = match self.spent.binary_search_by_key(&from, |spent| spent.from) {
            Ok(place) => place,
            Err(0) if self.spent.len() >= PERIODS_KEPT => return None,
            Err(mut place) => {
                if self.spent.len() >= PERIODS_KEPT {
                    self.spent.remove(0);
                    place -= 1;
                }
                let new = Spent { from, to, before: None, since: Money::ZERO, alerted: Vec::new(), stop_at: None };
                self.spent.insert(place, new);
                place
            }
        };
        self.spent.get_mut(place)
    }

    /// Counts a charge, or what is given back, of an interval that ends at `to`; false where it is none of its.
    pub fn count(&mut self, to: Timestamp, charge: Money) -> bool {
        let Some(spent) = self.entry(to) else { return false };
        spent.since += charge;
        true
    }

    /// Thresholds that the period around `at` has reached and that were never told; they count as told from now on. What was
    /// told is never taken back.
    pub fn newly_reached(&mut self, at: Timestamp) -> Vec<u32> {
        let (amount, alerts) = (i128::from(self.amount.0), self.alerts.clone());
        let Some(spent) = self.entry(at) else { return Vec::new() };
        let total = i128::from(spent.total().0);
        let reached = |percent: &u32| total * 100 >= amount * i128::from(*percent);
        let new: Vec<u32> = alerts.into_iter().filter(|p| reached(p) && !spent.alerted.contains(p)).collect();
        spent.alerted.extend(&new);
        new
    }

    /// Whether the period around `at` has used it up.
    pub fn is_over(&self, at: Timestamp) -> bool {
        let spent = self.around(at).and_then(|(from, _)| self.of(from));
        spent.is_some_and(|spent| spent.total() >= self.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn budget(period: Period) -> Budget {
        Budget {
            number: 1,
            tenant: TenantId::from_u128(1),
            project: None,
            user: None,
            kind: BudgetKind::Hard,
            period,
            offset: "+08:00".parse().unwrap(),
            amount: Money::from_units(100),
            alerts: thresholds(vec![80, 50], BudgetKind::Hard),
            set_at: at("2026-11-15T00:00:00Z"),
            removed_at: None,
            spent: Vec::new(),
        }
    }

    #[test]
    fn periods_are_those_of_the_calendar_there() {
        let offset: UtcOffset = "+08:00".parse().unwrap();
        let around = |period: Period, text: &str| period.around(at(text), offset);
        let span = |from: &str, to: &str| Some((at(from), at(to)));
        let midnight = "2026-11-01T00:00:00+08:00";
        assert_eq!(around(Period::Month, midnight), span("2026-10-01T00:00:00+08:00", midnight));
        assert_eq!(
            around(Period::Month, "2026-10-31T16:00:00.000001Z"),
            span(midnight, "2026-12-01T00:00:00+08:00"),
            "an end belongs to what it ends"
        );
        let (autumn, new_year) = ("2026-10-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00");
        assert_eq!(around(Period::Quarter, "2026-12-31T15:00:00Z"), span(autumn, new_year));
        assert_eq!(around(Period::Year, new_year), span("2026-01-01T00:00:00+08:00", new_year));
        let once = Period::Once { from: at(autumn), to: at(midnight) };
        assert_eq!(around(once, midnight), Some((at(autumn), at(midnight))));
        assert_eq!(around(once, autumn), None);
    }

    #[test]
    fn each_threshold_is_told_once_a_period_and_never_taken_back() {
        let mut b = budget(Period::Month);
        let november = at("2026-11-20T00:00:00Z");
        assert!(b.count(november, Money::from_units(49)));
        assert_eq!(b.newly_reached(november), []);
        b.count(november, Money::from_units(31));
        assert_eq!(b.newly_reached(november), [50, 80]);
        b.count(november, Money::from_units(-40));
        assert_eq!(b.newly_reached(november), []);
        b.count(november, Money::from_units(60));
        assert_eq!(b.newly_reached(november), [100]);
        assert!(b.is_over(november));
        let december = at("2026-12-20T00:00:00Z");
        assert!(!b.is_over(december));
        b.count(december, Money::from_units(50));
        assert_eq!(b.newly_reached(december), [50]);
        assert_eq!(b.spent_at(november), Money::from_units(100));
        // What is given back late comes off the period in which it was billed.
        b.count(november, Money::from_units(-1));
        assert_eq!((b.spent_at(november), b.spent_at(december)), (Money::from_units(99), Money::from_units(50)));
    }

    #[test]
    fn old_periods_are_let_go() {
        let mut b = budget(Period::Month);
        let mut month: Month = "2024-01".parse().unwrap();
        for _ in 0..PERIODS_KEPT + 3 {
            assert!(b.count(b.offset.start_of(month.next()), Money(1)));
            month = month.next();
        }
        assert_eq!(b.spent.len(), PERIODS_KEPT);
        assert!(b.spent.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert!(!b.count(at("2024-01-15T00:00:00Z"), Money(1)), "too old");
    }

    #[test]
    fn nonsense_has_a_fault() {
        assert_eq!(budget(Period::Month).fault(), None);
        let (from, to) = (at("2026-11-02T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        for wrong in [
            Budget { amount: Money::ZERO, ..budget(Period::Month) },
            Budget { alerts: vec![0], ..budget(Period::Month) },
            Budget { alerts: vec![1_001], ..budget(Period::Month) },
            budget(Period::Once { from, to }),
        ] {
            assert!(wrong.fault().is_some(), "{wrong:?}");
        }
    }
}
