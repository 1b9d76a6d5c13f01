//! Tenants' months: closed once, in their order, over, with sums that add up; invoices noted once; corrections within the balance.

use super::*;
use engine::billing::{Billing, Closed, ClosingDraft};
use rating::statement::{StatementFault, TenantSums};
use rating::tariff::{Month, UtcOffset};

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn begin(text: &str) -> Timestamp {
    UtcOffset::UTC.start_of(month(text))
}

/// A month in which so much was paid in and so much was used.
fn draft(text: &str, opening: i64, paid: i64, used: i64) -> ClosingDraft {
    let sums = TenantSums {
        opening: Money(opening),
        top_ups: Money(paid),
        charges: Money(used),
        closing: Money(opening + paid - used),
        ..TenantSums::default()
    };
    ClosingDraft {
        tenant: TENANT,
        month: month(text),
        from: begin(text),
        to: UtcOffset::UTC.start_of(month(text).next()),
        sums,
    }
}

fn bill(f: &mut Fixture, what: Billing) -> Result<Report, Denied> {
    f.ask(true, Command::Bill(Box::new(what)))
}

fn close(f: &mut Fixture, drafts: Vec<ClosingDraft>) -> Result<Report, Denied> {
    bill(f, Billing::Close(drafts))
}

fn due(f: &mut Fixture, through: Option<&str>) -> Result<(Month, Vec<Closed>), Denied> {
    match bill(f, Billing::Due { tenant: None, through: through.map(month) })? {
        Report::Due { month, tenants } => Ok((month, tenants)),
        other => panic!("{other:?}"),
    }
}

fn fault(result: Result<Report, Denied>) -> StatementFault {
    match result.unwrap_err() {
        Denied::Statement(fault) => fault,
        other => panic!("{other}"),
    }
}

fn at(text: &str) -> Fixture {
    let mut f = Fixture::new();
    f.now = begin(text) + Span::from_secs(1);
    f
}

#[test]
fn a_month_is_closed_once_in_its_order_and_when_it_is_over() {
    let mut f = at("2100-03");
    let (last, open) = due(&mut f, None).unwrap();
    assert_eq!((last, open.len(), open[0].last), (month("2100-02"), 1, None));
    let not_over = close(&mut f, vec![draft("2100-03", 0, 5, 2)]);
    assert_eq!(fault(not_over), StatementFault::NotOver { month: month("2100-03"), until: begin("2100-04") });
    // Nothing of a batch with a fault in it is closed, and no number is lost.
    let gap = close(&mut f, vec![draft("2099-12", 0, 5, 2), draft("2100-02", 3, 0, 0)]);
    assert_eq!(fault(gap), StatementFault::Gap { next: month("2100-01") });
    assert_eq!(due(&mut f, None).unwrap().1[0].last, None);
    let done = close(&mut f, vec![draft("2099-12", 0, 5, 2), draft("2100-01", 3, 1, 1)]).unwrap();
    assert_eq!(done, Report::Statements { first: 1, count: 2 });
    for again in ["2099-12", "2100-01"] {
        let refused = fault(close(&mut f, vec![draft(again, 0, 5, 2)]));
        assert!(matches!(refused, StatementFault::Closed { number: 2, .. }), "{refused}");
    }
    assert_eq!(fault(close(&mut f, vec![draft("2100-02", 4, 0, 0)])), StatementFault::Sums { month: month("2100-02") });
    let mut wrong = draft("2100-02", 3, 0, 1);
    wrong.sums.closing = Money(3);
    assert_eq!(fault(close(&mut f, vec![wrong])), StatementFault::Sums { month: month("2100-02") });
    let mut early = draft("2100-02", 3, 0, 1);
    early.from = begin("2100-01");
    assert_eq!(fault(close(&mut f, vec![early])), StatementFault::Bounds);
    assert_eq!(close(&mut f, vec![draft("2100-02", 3, 0, 1)]).unwrap(), Report::Statements { first: 3, count: 1 });
    assert_eq!(due(&mut f, None).unwrap().1, []);
    let numbers: Vec<u64> = f
        .out
        .records
        .iter()
        .filter_map(|r| match r {
            Record::TenantStatement(one) => Some(one.number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn tax_is_the_tenants_at_the_time_of_closing_and_an_invoice_is_noted_once() {
    let mut f = at("2100-03");
    bill(&mut f, Billing::SetTax { tenant: TENANT, ppm: 60_000 }).unwrap();
    close(&mut f, vec![draft("2100-01", 0, 2_000_000, 1_060_000)]).unwrap();
    bill(&mut f, Billing::SetTax { tenant: TENANT, ppm: 0 }).unwrap();
    close(&mut f, vec![draft("2100-02", 940_000, 0, 500_000)]).unwrap();
    let taxes: Vec<Money> = f
        .out
        .records
        .iter()
        .filter_map(|r| match r {
            Record::TenantStatement(one) => Some(one.tax),
            _ => None,
        })
        .collect();
    assert_eq!(taxes, [Money(60_000), Money::ZERO]);
    assert!(bill(&mut f, Billing::SetTax { tenant: TENANT, ppm: 1_000_001 }).is_err());
    let note = |statement| Billing::Invoice { statement, tenant: TENANT, invoice: "FP-1".into() };
    assert_eq!(bill(&mut f, note(1)).unwrap(), Report::Invoiced { statement: 1 });
    assert_eq!(fault(bill(&mut f, note(1))), StatementFault::Invoiced { number: 1 });
    for none in [0, 3] {
        assert_eq!(bill(&mut f, note(none)).unwrap_err(), Denied::NotFound("statement"));
    }
}

#[test]
fn a_correction_moves_the_wallet_and_no_further_than_it_goes() {
    let mut f = Fixture::new();
    let correct = |units: i64, reason: &str| Billing::Correct {
        tenant: TENANT,
        amount: Money::from_units(units),
        job: None,
        reason: reason.into(),
    };
    let before = f.engine.wallet(TENANT).unwrap().balance;
    bill(&mut f, correct(-7, "the filesystem was slow")).unwrap();
    assert_eq!(f.engine.wallet(TENANT).unwrap().balance, before + Money::from_units(7));
    bill(&mut f, correct(1_000, "cards were not counted")).unwrap();
    assert_eq!(f.engine.wallet(TENANT).unwrap().balance, Money::from_units(7));
    match bill(&mut f, correct(8, "more")).unwrap_err() {
        Denied::InsufficientFunds { missing, .. } => assert_eq!(missing, Money::from_units(1)),
        other => panic!("{other}"),
    }
    assert!(bill(&mut f, correct(0, "nothing")).is_err());
    assert!(bill(&mut f, correct(1, " ")).is_err());
    let kept = f.out.records.iter().filter(|r| matches!(r, Record::Correction(_))).count();
    assert_eq!(kept, 2, "what was refused leaves nothing");
}
