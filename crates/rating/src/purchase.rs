//! Terms of a supplier: for how long they hold, by which periods is settled, and how much is bought in each at least. The shortfall
//! of a period is what its fees fall behind that. Knows one supplier; refuses to know pools, the ledger and clocks.

use base::{Money, Span, SupplierId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::budget::Period;
use crate::settlement::OurShort;
use crate::tariff::calendar::UtcOffset;

/// By which periods a supplier is settled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settles {
    Month,
    Quarter,
}

impl Settles {
    const fn period(self) -> Period {
        match self {
            Self::Month => Period::Month,
            Self::Quarter => Period::Quarter,
        }
    }
    pub const fn as_str(self) -> &'static str {
        self.period().as_str()
    }
}

/// What was bought in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// `from < end <= to`; shorter than the calendar's where the term begins or ends within.
    pub from: Timestamp,
    pub to: Timestamp,
    /// Fees of intervals that end in it, less what was taken back.
    pub fees: Money,
    /// What was to be bought at least, known once the period is closed.
    #[serde(default)]
    pub minimum: Option<Money>,
    /// What of the shortfall is accrued.
    #[serde(default)]
    pub accrued: Money,
    /// How many times that was booked or corrected.
    #[serde(default)]
    pub bookings: u32,
    /// What of the accrual accepted statements of the supplier have settled, and the last of them.
    #[serde(default)]
    pub settled: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_in: Option<u64>,
}

/// A booking that is due: a shortfall, or less than nothing where late fees made it smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    pub from: Timestamp,
    pub to: Timestamp,
    pub number: u32,
    pub amount: Money,
}

/// What was agreed on with a supplier, and what was bought under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplierTerms {
    pub supplier: SupplierId,
    pub from: Timestamp,
    /// `None`: until further notice.
    #[serde(default)]
    pub to: Option<Timestamp>,
    pub settles: Settles,
    pub offset: UtcOffset,
    /// Of a whole period, in the operator's currency; nothing where nothing was agreed on.
    pub minimum: Money,
    /// Purchases count from here on: the beginning of the term, or when it was told if that is later.
    pub counts_from: Timestamp,
    /// That the term is over was told.
    #[serde(default)]
    pub told_over: bool,
    /// Oldest first.
    #[serde(default)]
    pub periods: Vec<Purchase>,
}

/// A period is closed so long after its end: its last intervals are billed by then, of clusters that answer.
pub const CLOSE_AFTER: Span = Span::from_mins(15);

impl SupplierTerms {
    /// What makes no sense about them.
    pub fn fault(&self) -> Option<&'static str> {
        if self.minimum.is_negative() {
            return Some("a minimum purchase is not negative");
        }
        if self.to.is_some_and(|to| to <= self.from) {
            return Some("a term ends after it begins");
        }
        None
    }

    /// Whether the term is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.to.is_some_and(|to| to <= now)
    }

    /// The period of the term that has `from < at <= to`.
    fn around(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let within = self.counts_from < at && self.to.is_none_or(|to| at <= to);
        let (from, to) = self.settles.period().around(at, self.offset).filter(|_| within)?;
        Some((from.max(self.counts_from), self.to.map_or(to, |end| to.min(end))))
    }

    fn entry(&mut self, at: Timestamp) -> Option<&mut Purchase> {
        let known = self.periods.iter().position(|p| p.from < at && at <= p.to);
        let place = match known {
            Some(place) => place,
            None => {
                let (from, to) = self.around(at)?;
                let place = self.periods.partition_point(|p| p.from < from);
                let zero = Money::ZERO;
                let (minimum, bookings, settled_in) = (None, 0, None);
                let new =
                    Purchase { from, to, fees: zero, minimum, accrued: zero, bookings, settled: zero, settled_in };
                self.periods.insert(place, new);
                place
            }
        };
        self.periods.get_mut(place)
    }

    /// Periods that are open end where the term, which was changed, now has them end.
    pub fn refit(&mut self) {
        let ends: Vec<_> = self.periods.iter().map(|p| self.around(p.from + Span::from_micros(1))).collect();
        for (p, around) in self.periods.iter_mut().zip(ends).filter(|(p, _)| p.minimum.is_none()) {
            p.to = around.filter(|(from, _)| *from == p.from).map_or(p.to, |(_, to)| to);
        }
    }

    /// Counts a fee, or what is taken back of one, of an interval that ends at `to`; false where it is outside the term.
    pub fn count(&mut self, to: Timestamp, fee: Money) -> bool {
        let Some(purchase) = self.entry(to) else { return false };
        purchase.fees += fee;
        true
    }

    /// Closes the periods that ended [`CLOSE_AFTER`] ago, and says what is to be booked of all that are closed. It counts as booked
    /// from now on.
    pub fn close(&mut self, now: Timestamp) -> Vec<Booking> {
        let mut at = self.counts_from + Span::from_micros(1);
        while let Some(to) = self.entry(at).map(|p| p.to).filter(|to| *to + CLOSE_AFTER <= now) {
            at = to + Span::from_micros(1);
        }
        let (whole, settles, offset) = (self.minimum, self.settles, self.offset);
        let mut due = Vec::new();
        for p in self.periods.iter_mut().filter(|p| p.to + CLOSE_AFTER <= now) {
            let minimum = *p.minimum.get_or_insert_with(|| share(whole, (p.from, p.to), settles, offset));
            let shortfall = (minimum - p.fees).max(Money::ZERO);
            if shortfall != p.accrued {
                p.bookings += 1;
                due.push(Booking { from: p.from, to: p.to, number: p.bookings, amount: shortfall - p.accrued });
                p.accrued = shortfall;
            }
        }
        due
    }

    /// A shortfall is settled by an accepted statement. `None` where it is not what is left of the period's by now.
    pub fn settle(&mut self, short: &OurShort, settlement: u64) -> Option<()> {
        let period = self.periods.iter_mut().find(|p| (p.from, p.to) == (short.from, short.to))?;
        if period.minimum.is_none() || period.accrued - period.settled != short.accrued || short.accrued == Money::ZERO
        {
            return None;
        }
        period.settled = period.accrued;
        period.settled_in = Some(settlement);
        Some(())
    }

    /// When the next period is closed, or the term ends.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let closes = |p: &Purchase| p.to + CLOSE_AFTER;
        let open = self.periods.iter().filter(|p| p.minimum.is_none()).map(closes).min();
        let next = self.around(now.max(self.counts_from) + Span::from_micros(1)).map(|(_, to)| to + CLOSE_AFTER);
        let end = self.to.filter(|_| !self.told_over);
        [open, next, end].into_iter().flatten().min().map(|at| at.max(now))
    }
}

/// The part of a period's minimum that a part of it bears: by time, rounded down to the micro-unit.
fn share(whole: Money, (from, to): (Timestamp, Timestamp), settles: Settles, offset: UtcOffset) -> Money {
    let Some((begin, end)) = settles.period().around(to, offset) else { return whole };
    let (part, all) = ((to - from).as_micros(), (end - begin).as_micros().max(1));
    Money((i128::from(whole.0) * i128::from(part) / i128::from(all)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn terms(from: &str, to: Option<&str>) -> SupplierTerms {
        SupplierTerms {
            supplier: SupplierId::from_u128(1),
            from: at(from),
            to: to.map(at),
            settles: Settles::Month,
            offset: UtcOffset::UTC,
            minimum: Money::from_units(310),
            counts_from: at(from),
            told_over: false,
            periods: Vec::new(),
        }
    }

    #[test]
    fn a_shortfall_is_booked_once_and_corrected_by_late_fees() {
        let mut t = terms("2026-10-01T00:00:00Z", None);
        assert!(t.count(at("2026-10-05T00:00:00Z"), Money::from_units(300)));
        assert_eq!(t.close(at("2026-11-01T00:14:59Z")), []);
        let due = at("2026-11-01T00:15:00Z");
        assert_eq!(t.next_due(at("2026-10-20T00:00:00Z")), Some(due));
        let booked = t.close(due);
        assert_eq!(booked.iter().map(|b| (b.number, b.amount)).collect::<Vec<_>>(), [(1, Money::from_units(10))]);
        assert_eq!(t.close(due), [], "once");
        t.count(at("2026-10-31T23:59:00Z"), Money::from_units(4));
        let corrected = t.close(due + Span::from_hours(1));
        assert_eq!(corrected.iter().map(|b| (b.number, b.amount)).collect::<Vec<_>>(), [(2, Money::from_units(-4))]);
        // More than the minimum: nothing is left of the shortfall, and what was too much does not go to the next month.
        t.count(at("2026-10-31T23:59:00Z"), Money::from_units(40));
        assert_eq!(t.close(due + Span::from_hours(2))[0].amount, Money::from_units(-6));
        let november = t.close(at("2026-12-01T01:00:00Z"));
        assert_eq!(november.iter().map(|b| b.amount).collect::<Vec<_>>(), [Money::from_units(310)]);
    }

    #[test]
    fn a_term_that_begins_or_ends_within_a_period_bears_its_part() {
        let mut t = terms("2026-10-11T00:00:00Z", Some("2026-12-16T12:00:00Z"));
        assert!(!t.count(at("2026-10-10T00:00:00Z"), Money(1)), "before the term");
        assert!(!t.count(at("2026-12-17T00:00:00Z"), Money(1)), "after it");
        let booked = t.close(at("2027-02-01T00:00:00Z"));
        // 21 of 31 days, all, 15½ of 31.
        let units: Vec<Money> = booked.iter().map(|b| b.amount).collect();
        assert_eq!(units, [Money::from_units(210), Money::from_units(310), Money::from_units(155)]);
        assert!(t.is_over(at("2026-12-16T12:00:00Z")));
        t.told_over = true;
        assert_eq!(t.next_due(at("2027-02-01T00:00:00Z")), None);
    }

    #[test]
    fn an_open_period_follows_a_change_of_the_terms_end() {
        let mut t = terms("2026-10-01T00:00:00Z", None);
        t.count(at("2026-10-05T00:00:00Z"), Money::from_units(10));
        t.to = Some(at("2026-10-11T00:00:00Z"));
        t.refit();
        assert_eq!(t.close(at("2026-10-11T00:15:00Z"))[0].amount, Money::from_units(90), "ten of 31 days");
        t.to = None;
        t.refit();
        assert_eq!(t.periods[0].to, at("2026-10-11T00:00:00Z"), "what is closed stays");
    }

    #[test]
    fn quarters_and_nonsense() {
        let mut t = SupplierTerms { settles: Settles::Quarter, ..terms("2026-10-01T00:00:00Z", None) };
        assert_eq!(t.close(at("2026-12-31T00:00:00Z")), []);
        assert_eq!(t.close(at("2027-01-01T00:15:00Z"))[0].amount, Money::from_units(310));
        assert_eq!(t.fault(), None);
        assert!(SupplierTerms { minimum: Money(-1), ..t.clone() }.fault().is_some());
        assert!(SupplierTerms { to: Some(t.from), ..t }.fault().is_some());
    }
}
