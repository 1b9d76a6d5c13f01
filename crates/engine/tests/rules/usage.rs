//! Usage that is no running time: booked once, priced by its book, drawn from what is included, paid by grants, written off beyond
//! the wallet, and refused with a reason that says what to do.

use super::*;
use engine::usage::RECORDS_MAX;
use engine::{Billing, BudgetScope, Budgeting, ClosingDraft, Contracting, Granting, NextMove, Reporting, Taken};
use rating::contract::{Included, Terms, Unused};
use rating::statement::TenantSums;
use rating::tariff::{Item, Month, Selector, Unit, UtcOffset};
use rating::usage::PLATFORM;
use rating::volumes::Pieces;
use rating::{BudgetKind, Period, Reported};

/// A request costs 0.5, a GiB moved 0.1; the fixture's book, which has neither, is in force until then.
fn sold() -> Fixture {
    let mut f = Fixture::new();
    f.now = f.now + Span::from_hours(1);
    publish(&mut f, 20, &[(Unit::Request, 500_000), (Unit::GibMoved, 100_000)]);
    f
}

fn publish(f: &mut Fixture, id: u128, items: &[(Unit, i64)]) {
    let list = PriceList { core_hour: Some(Money(1)), gib_hour: Some(Money(1)), card_hour: Default::default() };
    let mut book = book(id, f.now, list);
    let plain = |(unit, price): &(Unit, i64)| Item::plain(*unit, Selector::default(), Money(*price));
    book.items.extend(items.iter().map(plain));
    f.give(Command::PublishPrices(book));
    f.out = Batch::default();
}

fn record(f: &Fixture, id: &str, unit: Unit, pieces: u128) -> Reported {
    Reported {
        source: "gateway".into(),
        id: id.into(),
        tenant: TENANT,
        project: PROJECT,
        user: Some(USER),
        unit,
        pieces: Pieces(pieces),
        from: f.now,
        to: f.now,
        line: Default::default(),
        pool: None,
        label: None,
        model: None,
        kind: None,
    }
}

fn report(f: &mut Fixture, records: Vec<Reported>) -> Vec<Taken> {
    match f.give(Command::Usage(Box::new(Reporting { records, known: Vec::new() }))) {
        Report::Usage { taken } => taken,
        other => panic!("{other:?}"),
    }
}

fn one(f: &mut Fixture, record: Reported) -> Taken {
    report(f, vec![record]).remove(0)
}

/// Used now.
fn used(f: &mut Fixture, id: &str, unit: Unit, pieces: u128) -> Taken {
    let record = record(f, id, unit, pieces);
    one(f, record)
}

fn charge(taken: &Taken) -> i64 {
    match taken {
        Taken::Booked { charge, .. } => charge.0,
        refused => panic!("{refused:?}"),
    }
}

fn code(taken: &Taken) -> (&str, NextMove) {
    match taken {
        Taken::Refused { code, next, .. } => (code, *next),
        booked => panic!("{booked:?}"),
    }
}

fn balance(f: &Fixture) -> Money {
    f.engine.wallet(TENANT).unwrap().balance
}

fn booked(f: &Fixture, end: &str) -> Money {
    let mut accounts = f.out.records.iter().filter_map(|r| match r {
        Record::Ledger(ledger::LedgerRecord::Account(a)) if a.code.as_str().ends_with(end) => Some(a.balance()),
        _ => None,
    });
    accounts.next_back().unwrap_or_default()
}

fn stored(f: &Fixture) -> Vec<rating::Usage> {
    let of = |r: &Record| if let Record::Usage(usage) = r { Some(usage.as_ref().clone()) } else { None };
    f.out.records.iter().filter_map(of).collect()
}

#[test]
fn a_record_is_booked_once_and_what_has_changed_is_refused() {
    let mut f = sold();
    let first = record(&f, "a", Unit::Request, 3);
    let other = Reported { pieces: Pieces(4), ..first.clone() };
    let taken = report(&mut f, vec![first.clone(), first.clone(), other.clone()]);
    assert_eq!(charge(&taken[0]), 1_500_000);
    assert!(matches!(taken[1], Taken::Booked { number: 1, charge: Money(1_500_000), again: true, .. }));
    assert_eq!(code(&taken[2]), ("idempotency_key_reused", NextMove::Conflict));
    assert_eq!((stored(&f).len(), balance(&f)), (1, Money::from_units(1_000) - Money(1_500_000)));
    assert_eq!(booked(&f, "/revenue/usage"), Money(1_500_000));
    // From another source it is another one.
    assert_eq!(charge(&one(&mut f, Reported { source: "other".into(), ..other })), 2_000_000);
    assert_eq!(stored(&f).iter().map(|u| u.number).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_the_store_has_is_not_booked_again_by_an_engine_that_has_forgotten_it() {
    let mut f = sold();
    let first = record(&f, "a", Unit::Request, 3);
    one(&mut f, first.clone());
    let known = vec![(first.key(), engine::Known::from(&stored(&f)[0]))];
    let mut fresh = sold();
    let changed = Reported { pieces: Pieces(9), ..first.clone() };
    let told = fresh.give(Command::Usage(Box::new(Reporting { records: vec![first, changed], known })));
    let Report::Usage { taken } = told else { panic!("{told:?}") };
    assert!(matches!(taken[0], Taken::Booked { number: 1, again: true, .. }));
    assert_eq!(code(&taken[1]).0, "idempotency_key_reused");
    assert!(stored(&fresh).is_empty() && fresh.out.records.is_empty());
}

#[test]
fn what_is_wrong_is_refused_by_itself() {
    let mut f = sold();
    let r = |f: &Fixture| record(f, "x", Unit::Request, 1);
    let refused = [
        (Reported { unit: Unit::CoreHour, ..r(&f) }, "invalid", NextMove::FixRequest),
        (Reported { to: f.now + Span::from_mins(2), ..r(&f) }, "invalid", NextMove::FixRequest),
        (Reported { tenant: TenantId::from_u128(99), ..r(&f) }, "not_found", NextMove::NotFound),
        (Reported { project: ProjectId::from_u128(99), ..r(&f) }, "not_found", NextMove::NotFound),
        (Reported { user: Some(UserId::from_u128(99)), ..r(&f) }, "not_found", NextMove::NotFound),
        (Reported { pool: Some(PoolId::from_u128(99)), ..r(&f) }, "not_found", NextMove::NotFound),
        (Reported { unit: Unit::Kilotoken, ..r(&f) }, "no_price", NextMove::Wait),
    ];
    let mut records: Vec<Reported> = refused.iter().map(|(record, ..)| record.clone()).collect();
    records.push(r(&f));
    let taken = report(&mut f, records);
    for ((_, expected, next), taken) in refused.iter().zip(&taken) {
        assert_eq!(code(taken), (*expected, *next));
    }
    let Taken::Refused { text, .. } = &taken[6] else { panic!() };
    assert!(text.contains("has no kilotoken item for tenant `lab`, product `general`, class `normal`"), "{text}");
    // The same id was only ever refused so far: it is free.
    assert_eq!(charge(&taken[7]), 500_000);
    let many = vec![r(&f); RECORDS_MAX + 1];
    assert!(f.ask(true, Command::Usage(Box::new(Reporting { records: many, known: Vec::new() }))).is_err());
}

#[test]
fn a_record_has_the_price_of_its_time_or_the_first_one_since() {
    let mut f = sold();
    let early = record(&f, "early", Unit::Request, 1);
    f.now = f.now + Span::from_hours(1);
    publish(&mut f, 21, &[(Unit::Request, 900_000), (Unit::Kilotoken, 7_000_000)]);
    f.now = f.now + Span::from_hours(1);
    publish(&mut f, 22, &[(Unit::Request, 1_900_000), (Unit::Kilotoken, 9_000_000)]);
    assert_eq!(charge(&one(&mut f, early.clone())), 500_000);
    // Nothing is lost that was reported before it had a price, but what the platform itself has counted is free then.
    let tokens = Reported { unit: Unit::Kilotoken, pieces: Pieces(1_000), id: "t".into(), ..early };
    assert_eq!(charge(&one(&mut f, tokens.clone())), 7_000_000);
    assert_eq!(code(&one(&mut f, Reported { source: PLATFORM.into(), ..tokens })).0, "no_price");
}

#[test]
fn beyond_the_wallet_it_is_written_off_and_holds_are_left_alone() {
    let mut f = sold();
    let job = f.submission(|_| {});
    f.submit(job);
    let held = f.engine.wallet(TENANT).unwrap().held;
    assert!(held > Money::ZERO);
    let taken = used(&mut f, "a", Unit::Request, 3_000);
    let free = Money::from_units(1_000) - held;
    let Taken::Booked { charge, uncollected, .. } = taken else { panic!("{taken:?}") };
    assert_eq!((charge, uncollected), (Money::from_units(1_500), Money::from_units(1_500) - free));
    assert_eq!((balance(&f), f.engine.wallet(TENANT).unwrap().held), (held, held));
    assert_eq!((booked(&f, "/uncollected"), booked(&f, "/revenue/usage")), (uncollected, charge));
}

fn bundle(f: &mut Fixture, quantity: u64, unused: Unused, months: i64) {
    let from = f.now;
    let month = UtcOffset::UTC.month_of(from);
    let terms = Terms {
        name: "bundle".into(),
        currency: Currency::CNY,
        tier: Default::default(),
        from,
        to: UtcOffset::UTC.start_of(month.plus(months as i32)),
        utc_offset: UtcOffset::UTC,
        fee: Money::from_units(10),
        commitments: Vec::new(),
        included: vec![Included { unit: Unit::Request, quantity }],
        unused,
        early_end: 0,
    };
    f.give(Command::Contract(Box::new(Contracting::Sign { tenant: TENANT, terms: Box::new(terms), at_once: false })));
    f.out = Batch::default();
}

#[test]
fn what_is_included_is_drawn_first_and_carried_once() {
    let mut f = sold();
    let month: Month = UtcOffset::UTC.month_of(f.now).next();
    f.now = UtcOffset::UTC.start_of(month);
    bundle(&mut f, 10, Unused::Carry, 3);
    assert_eq!(charge(&used(&mut f, "a", Unit::Request, 4)), 0);
    assert_eq!(stored(&f)[0].included(), 4);
    assert_eq!(charge(&used(&mut f, "moved", Unit::GibMoved, 1 << 30)), 100_000);
    // A day after the month's end it is closed: six are carried. Until then it takes what is reported late.
    let late = Reported { id: "late".into(), ..record(&f, "", Unit::Request, 1) };
    let second = UtcOffset::UTC.start_of(month.next());
    f.now = second + Span::from_hours(23);
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    assert_eq!(charge(&one(&mut f, late.clone())), 0);
    f.now = second + Span::from_hours(25);
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    let after = Reported { id: "after".into(), ..late };
    assert_eq!(charge(&one(&mut f, after)), 500_000, "the month is closed");
    assert_eq!(charge(&used(&mut f, "b", Unit::Request, 17)), 2 * 500_000, "5 carried, 10 of its own");
    let drawn = stored(&f).pop().unwrap().drawn;
    assert_eq!(drawn.iter().map(|d| (d.of.carried, d.pieces)).collect::<Vec<_>>(), [(true, 5), (false, 10)]);
    assert!(!f.engine.standings().any(|s| s.projects.is_empty()));
}

#[test]
fn grants_pay_before_the_wallet_and_budgets_count_the_rest() {
    let mut f = sold();
    let (from, to) = (None, f.now + Span::from_hours(24 * 400));
    let (project, user, of) = (None, Some(USER), Vec::new());
    let (amount, note) = (Money::from_units(1), "first steps".into());
    f.give(Command::Grant(Box::new(Granting::Give { tenant: TENANT, project, user, amount, from, to, of, note })));
    let scope = BudgetScope { tenant: TENANT, project: Some(PROJECT), user: None };
    let (kind, period, offset) = (BudgetKind::Hard, Period::Month, UtcOffset::UTC);
    let (amount, alerts) = (Money::from_units(100), Vec::new());
    f.give(Command::Budget(Box::new(Budgeting::Set { scope, kind, period, offset, amount, alerts })));
    f.now = f.now + Span::from_secs(5);
    let nobody = Reported { user: None, ..record(&f, "nobody", Unit::Request, 1) };
    assert_eq!(charge(&one(&mut f, nobody)), 500_000);
    assert_eq!(balance(&f), Money::from_units(1_000) - Money(500_000), "the grant is for its user");
    assert_eq!(charge(&used(&mut f, "a", Unit::Request, 5)), 2_500_000);
    let usage = stored(&f).pop().unwrap();
    assert_eq!((usage.credited(), usage.own_part()), (Money::from_units(1), Money(1_500_000)));
    assert_eq!(balance(&f), Money::from_units(998));
    assert_eq!(booked(&f, "/revenue/promotions"), -Money::from_units(1));
    assert_eq!(f.engine.budgets(TENANT)[0].0.spent_at(f.now), Money(2_000_000));
}

#[test]
fn what_is_reported_after_its_month_was_closed_counts_now() {
    let mut f = sold();
    let month = UtcOffset::UTC.month_of(f.now).next();
    f.now = UtcOffset::UTC.start_of(month);
    let late = record(&f, "late", Unit::Request, 2);
    let before = record(&f, "before", Unit::Request, 2);
    let (from, to) = (f.now, UtcOffset::UTC.start_of(month.next()));
    f.now = to + Span::from_secs(9);
    one(&mut f, before);
    let top_ups = Money::ZERO;
    let sums = TenantSums { top_ups, ..TenantSums::default() };
    let draft = ClosingDraft { tenant: TENANT, month, from, to, sums };
    f.give(Command::Bill(Box::new(Billing::Close(vec![draft]))));
    f.now = f.now + Span::from_secs(9);
    one(&mut f, late);
    let counts: Vec<_> = stored(&f).iter().map(|u| (u.of.to == from, u.counts_at == u.at, u.is_late())).collect();
    assert_eq!(counts, [(true, false, false), (true, true, true)]);
}
