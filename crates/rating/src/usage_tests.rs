//! What usage costs, one record after the other, against the month as a whole; which records are none; what is included.

use base::Currency;
use proptest::prelude::*;

use super::*;
use crate::contract::{Contract, INCLUDED_LINES, Included, State, Terms, Unused};
use crate::tariff::{Band, Item, Rate, Selector, Step};

fn reported() -> Reported {
    Reported {
        source: "gateway".into(),
        id: "r-1".into(),
        tenant: TenantId::from_u128(1),
        project: ProjectId::from_u128(2),
        user: None,
        unit: Unit::Request,
        pieces: Pieces(3),
        from: Timestamp::from_secs(1_000_000),
        to: Timestamp::from_secs(1_003_600),
        line: ProductLine::Maas,
        pool: None,
        label: None,
        model: None,
        kind: None,
    }
}

#[test]
fn records_without_sense_are_none() {
    let (r, now) = (reported, Timestamp::from_secs(1_003_600));
    assert_eq!(r().fault(now), None);
    assert_eq!(r().fault(now - Span::from_secs(60)), None, "clocks may be ahead a little");
    for (record, at, fault) in [
        (Reported { unit: Unit::CardHour, ..r() }, now, UsageFault::Timed(Unit::CardHour)),
        (Reported { id: "".into(), ..r() }, now, UsageFault::Text),
        (Reported { source: " ".into(), ..r() }, now, UsageFault::Text),
        (Reported { label: Some("a\nb".into()), ..r() }, now, UsageFault::Text),
        (Reported { model: Some(" qwen".into()), ..r() }, now, UsageFault::Text),
        (Reported { unit: Unit::GibMoved, kind: Some("input".into()), ..r() }, now, UsageFault::Model),
        (Reported { pieces: Pieces(0), ..r() }, now, UsageFault::Pieces),
        (Reported { pieces: Pieces(PIECES_MAX + 1), ..r() }, now, UsageFault::Pieces),
        (Reported { to: r().from - Span::from_secs(1), ..r() }, now, UsageFault::Backwards),
        (Reported { from: r().to - LASTS_MAX - Span::from_secs(1), ..r() }, now, UsageFault::TooLong),
        (r(), now - Span::from_secs(61), UsageFault::Ahead),
        (r(), now + LATE_MAX + Span::from_secs(1), UsageFault::TooLate),
    ] {
        assert_eq!(record.fault(at), Some(fault), "{record:?}");
    }
}

/// The fingerprint of the usual record as it was made before there were models: what was stored then is known again.
fn before_models() -> u128 {
    let r = reported();
    digest128(&[
        b"gateway",
        b"r-1",
        &r.tenant.to_bytes(),
        &r.project.to_bytes(),
        &[0; 16],
        b"request",
        &3u128.to_be_bytes(),
        &1_000_000_000_000i64.to_be_bytes(),
        &1_003_600_000_000i64.to_be_bytes(),
        b"maas",
        &[0; 16],
        b"",
    ])
}

#[test]
fn the_fingerprint_tells_every_field_apart() {
    let r = reported;
    let all = [
        r(),
        Reported { source: "gatewa".into(), id: "yr-1".into(), ..r() },
        Reported { tenant: TenantId::from_u128(9), ..r() },
        Reported { project: ProjectId::from_u128(9), ..r() },
        Reported { user: Some(UserId::from_u128(9)), ..r() },
        Reported { unit: Unit::Kilotoken, ..r() },
        Reported { pieces: Pieces(4), ..r() },
        Reported { from: Timestamp::from_secs(5), ..r() },
        Reported { to: Timestamp::from_secs(1_003_601), ..r() },
        Reported { line: ProductLine::Ai, ..r() },
        Reported { pool: Some(PoolId::from_u128(9)), ..r() },
        Reported { label: Some("m".into()), ..r() },
        Reported { model: Some("m".into()), ..r() },
        Reported { kind: Some("m".into()), ..r() },
    ];
    assert_eq!(r().fingerprint(), before_models());
    let prints: std::collections::BTreeSet<u128> = all.iter().map(Reported::fingerprint).collect();
    assert_eq!(prints.len(), all.len());
    assert_ne!(all[0].key(), all[1].key(), "where the source ends is part of the key");
}

const PRICE: Money = Money(123_457);

fn part(change: impl FnOnce(&mut Item)) -> Part {
    let mut item = Item::plain(Unit::GibMoved, Selector::default(), PRICE);
    change(&mut item);
    Part::of(4, &item, UtcOffset::UTC).unwrap()
}

#[test]
fn small_records_are_not_rounded_away() {
    // A 1,000th of a GiB costs 123.457 micro-units: a thousand of them 123,457 less what 1,000 × (2³⁰ ÷ 1,000) lacks to 2³⁰.
    let (flat, mut volumes) = (part(|_| {}), Volumes::default());
    let charge = |volumes: &mut Volumes| charge(&flat, volumes, UtcOffset::UTC, Timestamp::ZERO, (1 << 30) / 1_000);
    let sum: Money = (0..1_000).map(|_| charge(&mut volumes).unwrap()).sum();
    assert_eq!(sum, Money(123_456));
}

#[test]
fn a_minimum_is_of_each_record() {
    let least = part(|item| item.minimum = Money(50));
    let mut volumes = Volumes::default();
    let mut charge = |pieces| charge(&least, &mut volumes, UtcOffset::UTC, Timestamp::ZERO, pieces).unwrap();
    assert_eq!([charge(0), charge(1), charge(1 << 30), charge(3 << 29)], [Money(0), Money(50), PRICE, Money(185_185)]);
}

#[test]
fn nothing_is_counted_beyond_the_range_of_money() {
    let (flat, mut volumes) = (part(|item| item.price = Money(i64::MAX)), Volumes::default());
    assert_eq!(charge(&flat, &mut volumes, UtcOffset::UTC, Timestamp::ZERO, 2 << 30), None);
    assert_eq!(charge(&flat, &mut volumes, UtcOffset::UTC, Timestamp::ZERO, 1 << 30), Some(Money(i64::MAX)));
    assert_eq!(charge(&flat, &mut volumes, UtcOffset::UTC, Timestamp::ZERO, 1 << 30), None);
}

fn terms(unused: Unused) -> Terms {
    Terms {
        name: "bundle".into(),
        currency: Currency::CNY,
        tier: Default::default(),
        // Half of November, December, and a second of January.
        from: Timestamp::from_secs(1794787200),
        to: Timestamp::from_secs(1798761601),
        utc_offset: UtcOffset::UTC,
        fee: Money(30),
        commitments: Vec::new(),
        included: vec![
            Included { unit: Unit::GibMonth, quantity: 10_000_000_000 },
            Included { unit: Unit::Request, quantity: 31 },
        ],
        unused,
        early_end: 0,
    }
}

fn contract(terms: Terms) -> Contract {
    let (signed_at, to) = (terms.from, terms.to);
    let (tenant, state) = (TenantId::from_u128(1), State::Signed);
    Contract { number: 1, tenant, terms, signed_at, state, broken_off: None, to, begun: 0, unpaid_since: None }
}

#[test]
fn parts_of_months_include_parts() {
    let contract = contract(terms(Unused::Lapse));
    assert_eq!(contract.terms.fault(), None);
    let pieces = |n| contract.open(n).iter().map(|p| (p.key.line, p.value, p.pieces.0)).collect::<Vec<_>>();
    let whole = 10_000_000_000 * Unit::GibMonth.pieces();
    assert_eq!(pieces(0), [(0, Money(15), 0), (100, Money::ZERO, whole / 2), (101, Money::ZERO, 15)]);
    assert_eq!(pieces(1), [(0, Money(30), 0), (100, Money::ZERO, whole), (101, Money::ZERO, 31)]);
    assert_eq!(pieces(2)[0], (100, Money::ZERO, whole / (31 * 86_400)));
    assert_eq!(contract.included(101).map(|i| i.unit), Some(Unit::Request));
    assert_eq!(contract.included(102), None);
    assert!(contract.commitment(INCLUDED_LINES).is_none());
    let wrong = Included { unit: Unit::Request, quantity: 0 };
    assert!(Terms { included: vec![wrong], ..terms(Unused::Lapse) }.fault().is_some());
}

#[test]
fn what_is_left_lapses_or_is_carried_once() {
    let next = Some((Timestamp::from_secs(5), Timestamp::from_secs(9)));
    let mut month = contract(terms(Unused::Carry)).open(1).remove(2);
    assert_eq!([month.draw(20), month.draw(0), month.left()], [20, 0, 11]);
    let mut carried = month.clone().close(Timestamp::ZERO, Unused::Carry, next).unwrap();
    assert_eq!((carried.key.month, carried.key.carried, carried.pieces.0, carried.value), (2, true, 11, Money::ZERO));
    assert_eq!([carried.draw(20), carried.left()], [11, 0]);
    assert_eq!(carried.close(Timestamp::ZERO, Unused::Carry, next), None);
    assert_eq!(month.close(Timestamp::ZERO, Unused::Lapse, next), None);
    assert_eq!(month.earned(), Money::ZERO);
}

fn bands() -> Vec<Band> {
    let days = crate::tariff::calendar::Day::ALL.to_vec();
    let time = |text: &str| text.parse().unwrap();
    vec![Band { days, from: time("20:00"), to: time("08:00"), rate: Rate::Price(Money(7_919)) }]
}

proptest! {
    /// In whatever pieces and order: what a month was charged is what a reckoning of the whole month says.
    #[test]
    fn records_of_a_month_come_to_the_month(
        records in proptest::collection::vec((0..3_000_000i64, 0..5_000_000_000u64), 0..60),
        kind in 0..3,
    ) {
        let part = part(|item| match kind {
            0 => {}
            1 => item.bands = bands(),
            _ => item.steps = vec![
                Step { above: 2, rate: Rate::Price(Money(90_001)) },
                Step { above: 40, rate: Rate::Price(Money(13)) },
            ],
        });
        let (mut volumes, mut charged) = (Volumes::default(), [0i128; 2]);
        let (mut pieces, mut worth) = ([0u128; 2], [0u128; 2]);
        for (second, bytes) in records {
            let at = Timestamp::from_secs(second);
            // The epoch's January has 2,678,400 seconds.
            let month = usize::from(second >= 2_678_400);
            let hour = second / 3_600 % 24;
            let price = if kind == 1 && !(8..20).contains(&hour) { 7_919 } else { 123_457 };
            pieces[month] += u128::from(bytes);
            worth[month] += u128::from(bytes) * price;
            let charge = charge(&part, &mut volumes, UtcOffset::UTC, at, bytes.into()).unwrap();
            prop_assert!(charge >= Money::ZERO);
            charged[month] += i128::from(charge.0);
        }
        for month in 0..2 {
            let whole = match kind {
                2 => {
                    let of = |above: u128, to: u128, price: u128| pieces[month].min(to << 30).saturating_sub(above << 30) * price;
                    of(0, 2, 123_457) + of(2, 40, 90_001) + of(40, 1 << 60, 13)
                }
                _ => worth[month],
            };
            prop_assert_eq!(charged[month], (whole >> 30) as i128);
        }
    }
}
