//! Suppliers and their terms as the API shows them.

use base::{Money, Timestamp};
use rating::SupplierTerms;
use rating::purchase::{Purchase, Settles};
use wire::suppliers as shown;

use super::job::time;

pub const fn settles(of: Settles) -> wire::SettlesBy {
    match of {
        Settles::Month => wire::SettlesBy::Month,
        Settles::Quarter => wire::SettlesBy::Quarter,
    }
}

pub const fn settles_from(of: wire::SettlesBy) -> Settles {
    match of {
        wire::SettlesBy::Month => Settles::Month,
        wire::SettlesBy::Quarter => Settles::Quarter,
    }
}

pub fn terms(of: &SupplierTerms, now: Timestamp) -> shown::SupplierTerms {
    let purchase = |p: &Purchase| shown::Purchase {
        from: p.from.into(),
        to: p.to.into(),
        fees: p.fees.into(),
        minimum: p.minimum.map(Money::into),
        short: p.accrued.into(),
    };
    shown::SupplierTerms {
        from: of.from.into(),
        to: time(of.to),
        settles: settles(of.settles),
        utc_offset: of.offset.to_string(),
        minimum: of.minimum.into(),
        counts_from: of.counts_from.into(),
        is_over: of.is_over(now),
        periods: of.periods.iter().rev().map(purchase).collect(),
    }
}
