//! Terms of suppliers at work: fees are counted by period, the shortfall behind the minimum purchase is accrued when a period is
//! over, and that a term is over is told for each pool. Stops no work. Refuses to know statements.

use base::{Money, SupplierId, Timestamp, TransferId, digest128};
use ledger::{Memo, Reference, Stream, TransferReason};
use model::{Actor, EventKind};
use rating::Interval;
use rating::purchase::{Settles, SupplierTerms};
use rating::tariff::calendar::UtcOffset;

use crate::books::{Book, Posting};
use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::{Due, Engine};

/// What is agreed on with a supplier from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTerms {
    pub supplier: SupplierId,
    /// Now when left out.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub settles: Settles,
    pub offset: UtcOffset,
    pub minimum: Money,
}

impl Engine {
    /// Terms of a supplier, in place of those there are. While a term runs its periods stay; what is closed stays for good.
    pub(crate) fn set_supplier_terms(
        &mut self,
        new: NewTerms,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let NewTerms { supplier, from, to, settles, offset, minimum } = new;
        let name = self.suppliers.get(&supplier).ok_or(Denied::NotFound("supplier"))?.name.clone();
        let known = self.supplier_terms.get(&supplier);
        let running = known.filter(|terms| !terms.is_over(self.now));
        if running.is_some_and(|terms| (terms.settles, terms.offset) != (settles, offset)) {
            return Err(Denied::Invalid("the settlement period changes with a new term: end this one first"));
        }
        let from = from.or(running.map(|terms| terms.from)).unwrap_or(self.now);
        let counts_from = running.map_or(from.max(self.now), |terms| terms.counts_from);
        let periods = known.map(|terms| terms.periods.clone()).unwrap_or_default();
        let told_over = false;
        let mut terms = SupplierTerms { supplier, from, to, settles, offset, minimum, counts_from, told_over, periods };
        if let Some(fault) = terms.fault() {
            return Err(Denied::Invalid(fault));
        }
        if to.is_some_and(|to| to <= counts_from || to < self.now) {
            return Err(Denied::Invalid("the term would be over already"));
        }
        // From here on nothing fails.
        terms.refit();
        let until = to.map_or_else(|| "further notice".to_owned(), Timestamp::rfc3339);
        let (by, currency) = (settles.as_str(), self.policy.cost_currency);
        let detail = format!("{name}: {} to {until}, by the {by}, at least {minimum} {currency}", from.rfc3339());
        self.audit(out, actor, "supplier.terms", supplier.to_string(), None, detail);
        self.supplier_terms.insert(supplier, terms);
        self.supplier_due(supplier, out);
        Ok(Report::Supplier { supplier })
    }

    /// A fee was accrued or taken back: it counts in the period in which its interval ends.
    pub(crate) fn count_purchase(&mut self, interval: &Interval, out: &mut Batch) {
        if interval.cost.fee == Money::ZERO || self.supplier_terms.is_empty() {
            return;
        }
        let cluster = self.attempts.get(&interval.attempt).and_then(|facts| self.clusters.get(&facts.cluster));
        let Some(supplier) = cluster.map(|cluster| cluster.supplier) else { return };
        let Some(terms) = self.supplier_terms.get_mut(&supplier) else { return };
        if terms.count(interval.to, interval.cost.fee) {
            self.keep_purchases(supplier, out);
        }
    }

    /// Stores what was bought, and books what is due of closed periods.
    fn keep_purchases(&mut self, supplier: SupplierId, out: &mut Batch) {
        let now = self.now;
        let Some(terms) = self.supplier_terms.get_mut(&supplier) else { return };
        let due = terms.close(now);
        out.records.push(Record::SupplierTerms(Box::new(terms.clone())));
        for booking in due {
            let back = booking.amount.is_negative();
            let (cost, accrued) = (Book::Minimum(supplier), Book::SupplierAccrued(supplier));
            let (debit, credit) = if back { (accrued, cost) } else { (cost, accrued) };
            let begun = booking.from.as_micros().to_be_bytes();
            let posting = Posting {
                id: TransferId::from_u128(digest128(&[
                    b"minimum",
                    &supplier.to_bytes(),
                    &begun,
                    &booking.number.to_be_bytes(),
                ])),
                debit,
                credit,
                amount: if back { -booking.amount } else { booking.amount },
                currency: self.policy.cost_currency,
                reason: TransferReason::Accrue,
                memo: Memo::default(),
                reference: Some(Reference::Interval {
                    stream: Stream::new(supplier.as_u128(), 0),
                    from: booking.from,
                    to: booking.to,
                }),
            };
            // The operator's accounts have no floor.
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
    }

    /// A period is to be closed, or a term has ended.
    pub(crate) fn supplier_due(&mut self, supplier: SupplierId, out: &mut Batch) {
        let now = self.now;
        let Some(terms) = self.supplier_terms.get_mut(&supplier) else { return };
        let tells = terms.is_over(now) && !terms.told_over;
        terms.told_over |= tells;
        self.keep_purchases(supplier, out);
        if tells {
            let is_its = |cluster| self.clusters.get(&cluster).is_some_and(|c| c.supplier == supplier);
            let pools: Vec<_> =
                self.pools.values().filter(|e| is_its(e.pool.cluster)).map(|entry| entry.pool.id).collect();
            for pool in pools {
                self.event(out, Actor::Platform, None, None, EventKind::SupplierTermOver { supplier, pool });
            }
        }
        self.wake_for(supplier);
    }

    fn wake_for(&mut self, supplier: SupplierId) {
        let next = self.supplier_terms.get(&supplier).and_then(|terms| terms.next_due(self.now));
        // What is due now was done; a moment later it is another.
        if let Some(at) = next {
            self.timers.insert((at, Due::Supplier(supplier)));
        }
    }

    pub(crate) fn restore_supplier_terms(&mut self, all: Vec<SupplierTerms>) {
        for terms in all {
            let supplier = terms.supplier;
            self.supplier_terms.insert(supplier, terms);
            self.wake_for(supplier);
        }
    }
}
