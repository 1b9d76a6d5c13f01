//! Items of price books at work: who is sold what, at which hour, and by the month's quantity.

use super::*;
use rating::tariff::calendar::Day;
use rating::tariff::{Band, Item, Rate, Selector, Step, Unit};

fn plain(unit: Unit, of: Selector, units: i64) -> Item {
    Item::plain(unit, of, Money::from_units(units))
}

fn free_memory() -> Item {
    plain(Unit::GibHour, Selector::default(), 0)
}

fn for_class(class: PriorityClass) -> Selector {
    Selector { class: Some(class), ..Selector::default() }
}

fn publish(f: &mut Fixture, n: u128, items: Vec<Item>) -> Result<Report, Denied> {
    let book = PriceBook { items, ..book(n, f.now, PriceList::default()) };
    f.ask(true, Command::PublishPrices(book))
}

fn of_class(f: &mut Fixture, class: PriorityClass) -> Submission {
    f.submission(|spec| spec.class = class)
}

#[test]
fn what_no_item_prices_is_refused_by_name_and_does_not_run() {
    let mut f = Fixture::new();
    let waits = of_class(&mut f, PriorityClass::Normal);
    f.submit(waits);
    let high = plain(Unit::CoreHour, for_class(PriorityClass::High), 3);
    publish(&mut f, 17, vec![high.clone(), free_memory()]).unwrap();
    // What was admitted waits for a price.
    assert_eq!(f.placed(), []);
    let normal = of_class(&mut f, PriorityClass::Normal);
    let refused = f.ask(false, Command::Submit(Box::new(normal))).unwrap_err();
    assert_eq!(refused.code(), "no_price");
    let said = refused.to_string();
    assert!(
        said.contains("no core_hour item for tenant `lab`, pool `main`, product `general`, class `normal`"),
        "{said}"
    );
    let high_job = of_class(&mut f, PriorityClass::High);
    let job = f.submit(high_job);
    assert_eq!(f.placed().into_iter().map(|a| a.job).collect::<Vec<_>>(), [job]);
    publish(&mut f, 18, vec![high, plain(Unit::CoreHour, Selector::default(), 1), free_memory()]).unwrap();
    assert_eq!(f.placed().len(), 1);
}

#[test]
fn a_pool_that_joins_without_a_price_takes_no_work() {
    let mut f = Fixture::new();
    let here = Selector { pool: Some("main".into()), ..Selector::default() };
    publish(&mut f, 17, vec![plain(Unit::CoreHour, here, 3), free_memory()]).unwrap();
    let large = f.submission(|spec| spec.request = Request::of(1, Resources::new(8, Bytes::from_gib(1), 0)));
    let other = Submission { id: JobId::from_u128(900), ..large.clone() };
    f.submit(large);
    f.submit(other);
    assert_eq!(f.placed().len(), 1);
    f.give(Command::RegisterPool {
        pool: Pool { id: PoolId::from_u128(21), name: "new".into(), ..pool() },
        cost: None,
    });
    assert_eq!(f.placed(), [], "nobody said what it costs there");
    publish(&mut f, 18, vec![plain(Unit::CoreHour, Selector::default(), 3), free_memory()]).unwrap();
    assert_eq!(f.placed().len(), 1);
}

#[test]
fn a_book_for_nobody_is_refused() {
    let mut f = Fixture::new();
    let of = Selector { tenant: Some("lap".into()), ..Selector::default() };
    let refused = publish(&mut f, 17, vec![plain(Unit::CoreHour, of, 1)]).unwrap_err();
    assert!(refused.to_string().contains("tenant `lap`"), "{refused}");
    assert!(publish(&mut f, 17, Vec::new()).is_err());
}

#[test]
fn a_quote_is_by_class_and_hour_and_the_hold_by_the_dearest_hour() {
    let mut f = Fixture::new();
    f.now = Timestamp::parse("2026-10-05T07:00:00Z").unwrap();
    f.see(Observed::Reachable);
    let day = Band {
        days: Day::ALL.to_vec(),
        from: "08:00".parse().unwrap(),
        to: "20:00".parse().unwrap(),
        rate: Rate::Price(Money::from_units(5)),
    };
    let normal = Item { bands: vec![day], ..plain(Unit::CoreHour, Selector::default(), 1) };
    let urgent = plain(Unit::CoreHour, for_class(PriorityClass::Urgent), 9);
    publish(&mut f, 17, vec![normal, urgent, free_memory()]).unwrap();
    let quote = |f: &mut Fixture, class| {
        let spec = f.submission(|spec| (spec.class, spec.time_limit) = (class, Span::from_hours(3))).spec;
        let (explanation, hold, _) = f.engine.quote(TENANT, &spec).unwrap();
        (explanation.candidates[0].price.unwrap(), hold)
    };
    let (price, hold) = quote(&mut f, PriorityClass::Normal);
    assert_eq!(price, Money::from_units(1 + 5 + 5), "an hour of the night, two of the day");
    assert!(hold >= Money::from_units(5), "{hold}");
    assert_eq!(quote(&mut f, PriorityClass::Urgent).0, Money::from_units(27));
}

/// What was charged for a job so far, after its last record.
fn billed(f: &Fixture, job: JobId) -> Money {
    let rows = f.out.records.iter().rev().filter_map(|r| match r {
        Record::Job(row) if row.job.id == job => Some(row.charged),
        _ => None,
    });
    rows.into_iter().next().unwrap()
}

#[test]
fn the_months_quantity_is_one_for_all_runs_of_a_tenant_and_is_stored() {
    let mut f = Fixture::new();
    f.now = Timestamp::parse("2026-10-31T12:00:00Z").unwrap();
    f.see(Observed::Reachable);
    let steps = vec![Step { above: 3, rate: Rate::Factor(500_000) }];
    publish(&mut f, 17, vec![Item { steps, ..plain(Unit::CoreHour, Selector::default(), 10) }, free_memory()]).unwrap();
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let submission = f.submission(|_| {});
        jobs.push(f.submit(submission));
    }
    let attempts = f.placed();
    attempts.iter().for_each(|attempt| f.run(*attempt));
    // Two core-hours, then two more: three at the full price, one at half; and one of the next month.
    f.now = f.now + Span::from_hours(2);
    f.out = Batch::default();
    f.end(attempts[0]);
    assert_eq!(billed(&f, jobs[0]), Money::from_units(20));
    f.now = Timestamp::parse("2026-11-01T01:00:00Z").unwrap();
    f.out = Batch::default();
    f.end(attempts[1]);
    // One at the full price, eleven at half; a new month begins with the full price.
    assert_eq!(billed(&f, jobs[1]), Money::from_units(10 + 55 + 10));
    let of_interval = |r: &Record| match r {
        Record::Interval { interval, .. } => Some(interval.to),
        _ => None,
    };
    let ends: Vec<Timestamp> = f.out.records.iter().filter_map(of_interval).collect();
    let midnight = Timestamp::parse("2026-11-01T00:00:00Z").unwrap();
    assert!(ends.contains(&midnight), "no stretch goes over the turn of the month: {ends:?}");
    let stored = f.out.records.iter().rev().find_map(|r| match r {
        Record::Volumes { tenant, book, volumes } => Some((*tenant, *book, volumes.clone())),
        _ => None,
    });
    let (tenant, number, volumes) = stored.unwrap();
    assert_eq!((tenant, number), (TENANT, PriceBookId::from_u128(17)));
    let hours: Vec<(String, u128)> = volumes
        .counts()
        .iter()
        .map(|count| (count.month.to_string(), count.pieces.0 / Unit::CoreHour.pieces()))
        .collect();
    assert_eq!(hours, [("2026-10".to_owned(), 14), ("2026-11".to_owned(), 1)]);
    assert_eq!(f.engine.volumes(TENANT, number), Some(&volumes));
}
