//! Terms of suppliers: a shortfall is accrued once, corrected by late fees, and the end of a term is told and stops nothing.

use super::*;
use engine::NewTerms;
use model::EventKind;
use rating::tariff::calendar::UtcOffset;
use rating::{PoolCost, Settles, SupplierFee};

const SUPPLIER: SupplierId = SupplierId::from_u128(15);

fn terms(to: Option<Timestamp>, settles: Settles, units: i64) -> Command {
    let (supplier, from, offset, minimum) = (SUPPLIER, None, UtcOffset::UTC, Money::from_units(units));
    Command::SetSupplierTerms(Box::new(NewTerms { supplier, from, to, settles, offset, minimum }))
}

fn balance(f: &Fixture, what: &str) -> Money {
    let code = ledger::AccountCode::new(&format!("supplier/{SUPPLIER}/{what}")).unwrap();
    f.engine.ledger().account_by_code(&code).map_or(Money::ZERO, |account| account.balance())
}

fn pass(f: &mut Fixture, to: &str) {
    let to = Timestamp::parse(to).unwrap();
    while f.now < to {
        f.now = (f.now + Span::from_mins(1)).min(to);
        f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    }
}

#[test]
fn what_fees_fall_behind_the_minimum_is_accrued_once_and_the_end_of_a_term_stops_nothing() {
    let mut f = Fixture::new();
    f.now = Timestamp::parse("2026-11-30T20:00:00Z").unwrap();
    f.see(Observed::Reachable);
    let fee = Some(PoolCost::Partner(SupplierFee::by_core(Money::from_units(1))));
    f.give(Command::RegisterPool { pool: Pool { mode: SupplyMode::Partner, ..pool() }, cost: fee });
    f.give(terms(None, Settles::Month, 720));
    let submission = f.submission(|_| {});
    f.submit(submission);
    let attempt = f.placed()[0];
    f.run(attempt);
    // Four of the month's 720 hours are within the terms: 4.00, and four core-hours were used of which 1.00 each is due.
    pass(&mut f, "2026-12-01T00:14:59Z");
    assert_eq!(balance(&f, "cost/minimum"), Money::ZERO);
    pass(&mut f, "2026-12-01T00:15:00Z");
    assert_eq!(balance(&f, "cost/minimum"), Money::ZERO, "as much as was agreed on was used");
    // A dearer one for December, which ends at noon while work runs.
    let noon = Timestamp::parse("2026-12-01T12:00:00Z").unwrap();
    assert_eq!(f.ask(true, terms(Some(noon), Settles::Quarter, 744)).unwrap_err().code(), "invalid");
    f.give(terms(Some(noon), Settles::Month, 7_440));
    f.out = Batch::default();
    pass(&mut f, "2026-12-01T13:00:00Z");
    // Half a day of 31: 120.00 agreed on, 12.00 used.
    assert_eq!(balance(&f, "cost/minimum"), Money::from_units(108));
    assert_eq!(balance(&f, "accrued"), Money::from_units(4 + 12 + 108) + Money(983_333));
    let told = f.out.records.iter().filter(
        |r| matches!(r, Record::Event(e) if matches!(e.what, EventKind::SupplierTermOver { pool, .. } if pool == POOL)),
    );
    assert_eq!(told.count(), 1);
    let stored = f.out.records.iter().rev().find_map(|r| match r {
        Record::SupplierTerms(terms) => Some(terms.as_ref().clone()),
        _ => None,
    });
    let periods = stored.unwrap().periods;
    assert_eq!(
        periods.iter().map(|p| (p.fees, p.accrued)).collect::<Vec<_>>(),
        [(Money::from_units(4), Money::ZERO), (Money::from_units(12), Money::from_units(108)),]
    );
    assert_eq!(f.engine.sizes().running_attempts, 1, "work is not stopped");
}
