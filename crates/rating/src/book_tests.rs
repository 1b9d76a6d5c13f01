//! Which item prices what, what a book may not say, and books in the form of earlier programs.

use super::*;
use crate::tariff::{ItemFault, Rate, RoundUp, Step};
use base::Bytes;
use proptest::prelude::*;

fn chip(name: &str) -> Chip {
    name.parse().unwrap()
}

fn book(items: Vec<Item>) -> PriceBook {
    let (id, name, currency) = (PriceBookId::from_u128(1), "b".into(), Currency::CNY);
    PriceBook { id, name, currency, effective_from: Timestamp::ZERO, utc_offset: UtcOffset::UTC, items }
}

fn list() -> Vec<Item> {
    let card_hour = [(chip("a100"), Money::from_units(6))].into();
    PriceList { core_hour: Some(Money(100_000)), gib_hour: Some(Money(10_000)), card_hour }.items().collect()
}

fn sale<'a>(chip: Option<&'a Chip>, per_node: Resources) -> Sale<'a> {
    let shape = Resources::new(8, Bytes::from_gib(64), 2);
    let (product, class) = (ProductLine::Ai, PriorityClass::High);
    Sale { tenant: "lab", pool: "gpu", chip, product, class, shape, nodes: 3, per_node, call: Default::default() }
}

fn hour(tariff: &Tariff, granted: Resources) -> Money {
    tariff.amount(granted, Timestamp::ZERO, Span::from_hours(1), |_, _| 0).unwrap()
}

#[test]
fn an_hour_costs_the_hourly_prices() {
    let (a100, granted) = (chip("a100"), Resources::new(4, Bytes::from_gib(16), 1));
    let tariff = book(list()).tariff(&sale(Some(&a100), granted)).unwrap();
    assert_eq!(hour(&tariff, granted), Money(400_000 + 160_000 + 6_000_000));
}

#[test]
fn what_is_missing_is_named() {
    let h100 = chip("h100");
    let missing = book(list()).tariff(&sale(Some(&h100), Resources::new(1, Bytes(1), 1))).unwrap_err();
    let said = "the price book `b` has no card_hour item for tenant `lab`, pool `gpu`, chip `h100`, product `ai`, class `high`";
    assert_eq!(missing.to_string(), said);
    // What is not asked for needs no price.
    assert!(book(list()).tariff(&sale(Some(&h100), Resources::new(1, Bytes(1), 0))).is_ok());
    let cores = book(vec![Item::plain(Unit::CoreHour, Selector::default(), Money(1))]);
    assert!(cores.tariff(&sale(None, Resources::new(1, Bytes(1), 0))).is_err());
}

#[test]
fn whole_nodes_have_a_price_of_their_own() {
    let gpu = Selector { pool: Some("gpu".into()), ..Selector::default() };
    let mut items = list();
    items.push(Item::plain(Unit::NodeHour, gpu.clone(), Money::from_units(20)));
    let (full, a100) = (book(items), chip("a100"));
    let amount = |per_node: Resources| hour(&full.tariff(&sale(Some(&a100), per_node)).unwrap(), per_node.times(3));
    let gib = Bytes::from_gib(1);
    assert_eq!(amount(Resources::new(8, gib, 0)), Money::from_units(60), "all cores");
    assert_eq!(amount(Resources::new(1, gib, 2)), Money::from_units(60), "all cards");
    assert_eq!(amount(Resources::new(1, gib, 1)), Money(300_000 + 30_000 + 18_000_000), "a part of each");
    // A pool that is sold by the node alone is not sold in parts.
    let nodes = book(vec![Item::plain(Unit::NodeHour, gpu, Money::from_units(20))]);
    assert!(nodes.tariff(&sale(Some(&a100), Resources::new(8, gib, 2))).is_ok());
    assert!(nodes.tariff(&sale(Some(&a100), Resources::new(1, gib, 2))).is_ok());
    assert!(nodes.tariff(&sale(Some(&a100), Resources::new(1, gib, 1))).is_err());
    let rates = nodes.rates(&sale(Some(&a100), Resources::new(8, gib, 2))).unwrap();
    assert_eq!(rates.card_hour, Some(Money::from_units(10)));
}

/// An item for each set of selectors, priced by its place.
fn ladder() -> Vec<Item> {
    let all = (0u8..32).map(|bits| {
        let on = |bit: u8| bits & bit != 0;
        let of = Selector {
            tenant: on(16).then(|| "lab".into()),
            pool: on(8).then(|| "gpu".into()),
            chip: on(4).then(|| chip("a100")),
            product: on(2).then_some(ProductLine::Ai),
            class: on(1).then_some(PriorityClass::High),
            ..Selector::default()
        };
        Item::plain(Unit::CoreHour, of, Money(bits.into()))
    });
    all.collect()
}

proptest! {
    /// Of any items that are for a piece of work the one wins that names the tenant; else the pool; else the chip; and so on,
    /// wherever in the book it stands.
    #[test]
    fn the_most_specific_item_wins(kept in proptest::collection::btree_set(0usize..32, 1..32), shift in 0usize..32) {
        let mut items: Vec<Item> = kept.iter().map(|n| ladder()[*n].clone()).collect();
        let turn = shift % items.len();
        items.rotate_left(turn);
        let (book, a100) = (book(items), chip("a100"));
        prop_assert_eq!(book.fault(), None);
        let won = book.item(Unit::CoreHour, &sale(Some(&a100), Resources::ZERO)).unwrap().1.price;
        prop_assert_eq!(won, Money(*kept.last().unwrap() as i64));
        // Elsewhere only what names nothing of this.
        let other = Sale { tenant: "x", pool: "y", chip: None, product: ProductLine::Maas, class: PriorityClass::Low,
            ..sale(None, Resources::ZERO) };
        prop_assert_eq!(book.item(Unit::CoreHour, &other).is_some(), kept.contains(&0));
    }
}

#[test]
fn a_book_says_nothing_twice_and_nothing_senseless() {
    let of = |items: Vec<Item>| book(items).fault().map(|fault| fault.to_string());
    assert_eq!(of(list()), None);
    let twice = [list(), vec![list().remove(2)]].concat();
    assert_eq!(
        of(twice).as_deref(),
        Some("items 3 and 4 price the same: card_hour for chip `a100`; leave one of them out")
    );
    assert!(of(Vec::new()).is_some());
    let plain = |unit| Item::plain(unit, Selector::default(), Money(1));
    let step = |above| Step { above, rate: Rate::Factor(1) };
    let band = |to: &str| crate::tariff::Band {
        days: vec!["mon".parse().unwrap()],
        from: "08:00".parse().unwrap(),
        to: to.parse().unwrap(),
        rate: Rate::Price(Money(2)),
    };
    for (item, fault) in [
        (Item { price: Money(-1), ..plain(Unit::CoreHour) }, ItemFault::Negative),
        (
            Item { steps: vec![Step { above: 1, rate: Rate::Price(Money(-1)) }], ..plain(Unit::CoreHour) },
            ItemFault::Negative,
        ),
        (Item { steps: vec![step(0)], ..plain(Unit::CoreHour) }, ItemFault::StepOrder),
        (Item { steps: vec![step(2), step(2)], ..plain(Unit::CoreHour) }, ItemFault::StepOrder),
        (Item { steps: vec![step(2)], minimum: Money(1), ..plain(Unit::CoreHour) }, ItemFault::StepsAndMinimum),
        (Item { steps: vec![step(2)], bands: vec![band("09:00")], ..plain(Unit::CoreHour) }, ItemFault::BandsAndSteps),
        (Item { bands: vec![band("08:00")], ..plain(Unit::CoreHour) }, ItemFault::EmptyBand),
        (Item { round_up: RoundUp::Hour, ..plain(Unit::Request) }, ItemFault::RoundedWithoutTime),
        (
            Item {
                price: Money(i64::MAX),
                steps: vec![Step { above: 1, rate: Rate::Factor(u32::MAX) }],
                ..plain(Unit::GibHour)
            },
            ItemFault::Range,
        ),
    ] {
        assert_eq!(book(vec![item.clone()]).fault(), Some(BookFault::Item(1, item.unit, fault)));
    }
}

#[test]
fn the_latest_version_in_force_counts() {
    let book = |n: u128, from| PriceBook {
        id: PriceBookId::from_u128(n),
        effective_from: Timestamp::from_secs(from),
        ..book(list())
    };
    let books = [book(1, 0), book(2, 100), book(3, 200)];
    let at = |s| in_force(&books, Currency::CNY, Timestamp::from_secs(s)).map(|b| b.id.as_u128());
    assert_eq!((at(-1), at(50), at(100), at(500)), (None, Some(1), Some(2), Some(3)));
    assert!(in_force(&books, Currency::USD, Timestamp::from_secs(500)).is_none());
    let turn = in_turn(&books, Currency::CNY, Timestamp::from_secs(150));
    assert_eq!(turn.iter().map(|b| b.id.as_u128()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn what_is_not_billed_by_running_time_is_priced_by_the_piece() {
    let at = Timestamp::ZERO;
    let part = |unit, price| {
        crate::tariff::Part::of(0, &Item::plain(unit, Selector::default(), price), UtcOffset::UTC).unwrap()
    };
    let month = 365 * 86_400 * 1_000_000 / 12;
    let kept = part(Unit::GibMonth, Money::from_units(2)).once(3 * (1 << 30) * month, at, 0);
    assert_eq!(kept, Some(Money::from_units(6)));
    let moved = part(Unit::GibMoved, Money(500_000)).once(1 << 29, at, 0);
    assert_eq!(moved, Some(Money(250_000)));
    assert_eq!(part(Unit::Request, Money(7)).once(3, at, 0), Some(Money(21)));
    assert_eq!(part(Unit::Kilotoken, Money(1_000)).once(1_999, at, 0), Some(Money(1_999)));
    assert_eq!(part(Unit::Kilotoken, Money(1)).once(999, at, 0), Some(Money(0)), "rounded down");
}

proptest! {
    /// Tokens of a month, however they come, add up to the price of their number.
    #[test]
    fn requests_of_a_month_add_up(tokens in proptest::collection::vec(0u128..9_000_000, 1..50)) {
        let steps = vec![Step { above: 1_000, rate: Rate::Price(Money(777)) }, Step { above: 50_000, rate: Rate::Factor(0) }];
        let item = Item { steps, ..Item::plain(Unit::Kilotoken, Selector::default(), Money(1_001)) };
        let part = crate::tariff::Part::of(0, &item, UtcOffset::UTC).unwrap();
        let (mut had, mut sum) = (0, Money::ZERO);
        for more in tokens {
            sum += part.once(more, Timestamp::ZERO, had).unwrap();
            had += more;
        }
        let first = had.min(1_000_000) * 1_001;
        let second = had.saturating_sub(1_000_000).min(49_000_000) * 777;
        prop_assert_eq!(sum, Money(((first + second) / 1_000) as i64));
    }
}

#[test]
fn requests_and_tokens_go_by_their_model_before_all_but_the_tenant() {
    let of = |tenant: Option<&str>, model: Option<&str>, kind: Option<&str>, product| Selector {
        tenant: tenant.map(Into::into),
        model: model.map(Into::into),
        kind: kind.map(Into::into),
        product,
        ..Selector::default()
    };
    let of = [
        of(None, None, None, Some(ProductLine::Ai)),
        of(None, None, Some("output"), None),
        of(None, Some("m"), None, None),
        of(None, Some("m"), Some("output"), None),
        of(Some("lab"), None, None, None),
    ];
    let book = book((1..).zip(of).map(|(n, of)| Item::plain(Unit::Kilotoken, of, Money(n))).collect());
    assert_eq!(book.fault(), None);
    let price = |tenant, model, kind| {
        let call = crate::Call { model, kind };
        let sale = Sale { tenant, call, ..sale(None, Resources::ZERO) };
        book.item(Unit::Kilotoken, &sale).map(|(_, item)| item.price.0)
    };
    assert_eq!(price("x", None, None), Some(1));
    assert_eq!(price("x", Some("other"), Some("output")), Some(2));
    assert_eq!(price("x", Some("m"), Some("input")), Some(3));
    assert_eq!(price("x", Some("m"), Some("output")), Some(4));
    assert_eq!(price("lab", Some("m"), Some("output")), Some(5));
    let wrong = Item::plain(Unit::GibMonth, Selector { model: Some("m".into()), ..Selector::default() }, Money(1));
    assert!(PriceBook { items: vec![wrong], ..book.clone() }.fault().is_some());
    let blank = Item::plain(Unit::Request, Selector { kind: Some("output ".into()), ..Selector::default() }, Money(1));
    assert!(PriceBook { items: vec![blank], ..book.clone() }.fault().is_some());
}
