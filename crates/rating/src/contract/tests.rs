//! What was drawn is counted once, whatever runs do: against a reckoning by hand of covered and uncovered time.

use std::collections::BTreeMap;

use base::{AttemptId, Bytes, Currency, JobId, Money, PriceBookId, Resources, Span, TenantId, Timestamp};
use model::ContractTier;
use proptest::prelude::*;

use super::*;
use crate::charge::{Interval, Meter};
use crate::tariff::{Selector, Tariff, Unit, UtcOffset};
use crate::volumes::Volumes;

/// 2026-01-16T00:00:00Z, in the middle of a month.
const MID_JANUARY: i64 = 1_768_521_600;

fn at(days: i64) -> Timestamp {
    Timestamp::from_secs(MID_JANUARY) + Span::from_hours(24 * days)
}

fn cards(quantity: Quantity, fee: i64, overage: Option<i64>) -> Commitment {
    let overage = overage.map(Money);
    Commitment { unit: Unit::CardHour, of: Selector::default(), quantity, fee: Money(fee), overage }
}

fn terms(commitments: Vec<Commitment>) -> Terms {
    Terms {
        name: "gpu".into(),
        currency: Currency::CNY,
        tier: ContractTier::LongTerm,
        from: at(0),
        to: at(75),
        utc_offset: UtcOffset::UTC,
        fee: Money(31_000_000),
        commitments,
        included: vec![Included { unit: Unit::GibMonth, quantity: 100 }],
        unused: Unused::Carry,
        early_end: 500_000,
    }
}

fn contract(terms: Terms) -> Contract {
    let (signed_at, to) = (terms.from, terms.to);
    Contract {
        number: 1,
        tenant: TenantId::from_u128(1),
        terms,
        signed_at,
        state: State::Signed,
        broken_off: None,
        to,
        begun: 0,
        unpaid_since: None,
    }
}

#[test]
fn months_are_those_of_the_calendar_and_parts_of_months_cost_their_part() {
    let terms = terms(vec![cards(Quantity::Held(2), 310_000_000, None)]);
    assert_eq!(terms.fault(), None);
    // 16 January to 1 April 2026.
    let bounds: Vec<_> = (0..).map_while(|n| terms.month(n)).collect();
    assert_eq!(bounds, [(at(0), at(16)), (at(16), at(44)), (at(44), at(75))]);
    // 16 of 31 days, then whole months.
    assert_eq!(terms.fees_of(0), Money(160_000_000 + 16_000_000));
    assert_eq!(terms.fees_of(1), Money(341_000_000));
    assert_eq!(terms.early_fee(1), Money(341_000_000), "half of two months");
    let first = contract(terms.clone()).open(0);
    assert_eq!(
        first.iter().map(|p| (p.key.line, p.value)).collect::<Vec<_>>(),
        [(0, Money(16_000_000)), (1, Money(160_000_000)), (100, Money::ZERO)],
        "and what is included"
    );
    assert_eq!(first[1].pieces.0, 2 * 16 * 24 * 3_600_000_000, "two cards for 16 days");
    let hours = Terms { commitments: vec![cards(Quantity::Hours(310), 310_000, None)], ..terms };
    assert_eq!(contract(hours).open(0)[1].pieces.0, 160 * 3_600_000_000, "310 hours a month, for 16 of 31 days");
}

#[test]
fn senseless_terms_are_refused_by_number() {
    let good = || cards(Quantity::Hours(10), 5, None);
    let fault = |commitments| terms(commitments).fault();
    assert_eq!(fault(vec![good()]), None);
    assert_eq!(fault(vec![good(), Commitment { fee: Money::ZERO, ..good() }]), Some(TermsFault::FreeCommitment(2)));
    assert_eq!(fault(vec![Commitment { quantity: Quantity::Held(0), ..good() }]), Some(TermsFault::Quantity(1)));
    let untimed = Commitment { unit: Unit::Request, ..good() };
    assert_eq!(fault(vec![untimed]), Some(TermsFault::Untimed(1, Unit::Request)));
    assert_eq!(fault(vec![Commitment { unit: Unit::GibHour, ..good() }]), Some(TermsFault::Memory(1)));
    assert_eq!(fault(vec![good(), good()]), Some(TermsFault::Twice(1, 2)));
    let named = Selector { tenant: Some("a".into()), ..Selector::default() };
    assert_eq!(fault(vec![Commitment { of: named, ..good() }]), Some(TermsFault::Tenant(1)));
    assert_eq!(fault(vec![Commitment { fee: Money(i64::MAX / 2), ..good() }]), Some(TermsFault::Fee));
    let back = Terms { to: at(0), ..terms(vec![good()]) };
    assert_eq!(back.fault(), Some(TermsFault::NoTime));
    let empty = Terms { fee: Money::ZERO, ..terms(vec![]) };
    assert_eq!(empty.fault(), Some(TermsFault::Empty));
    let timed = Included { unit: Unit::CardHour, quantity: 1 };
    assert_eq!(
        Terms { included: vec![timed], ..terms(vec![good()]) }.fault(),
        Some(TermsFault::TimedIncluded(1, Unit::CardHour))
    );
}

#[test]
fn what_is_left_lapses_or_is_carried_once() {
    let contract = contract(terms(vec![cards(Quantity::Hours(31), 31_000_000, None)]));
    let mut first = contract.open(0).remove(1);
    first.take(4 * 3_600_000_000);
    assert_eq!(first.earned(), Money(4_000_000), "one an hour");
    let next = contract.terms.month(1);
    let mut carried = first.close(at(17), Unused::Carry, next).expect("12 hours are carried");
    assert_eq!((carried.value, carried.pieces.0), (Money(12_000_000), 12 * 3_600_000_000));
    assert_eq!(first.closed, Some(Closing { at: at(17), lapsed: Money::ZERO, carried: Money(12_000_000) }));
    assert_eq!(carried.close(at(45), Unused::Carry, contract.terms.month(2)), None, "only once");
    assert_eq!(carried.closed.map(|c| c.lapsed), Some(Money(12_000_000)));
    let mut last = contract.open(2).remove(1);
    assert_eq!(last.close(at(75), Unused::Carry, contract.terms.month(3)), None, "there is no next month");
    assert_eq!(last.closed.map(|c| c.lapsed), Some(last.value));
}

#[test]
fn a_run_draws_first_and_pays_for_the_rest() {
    let contract = contract(terms(vec![cards(Quantity::Hours(31), 31_000_000, None)]));
    let month = contract.open(0).remove(1);
    let mut meter = meter(1, 2, 5_000_000, at(0));
    meter.covers = vec![Cover { part: 0, contract: 1, line: 1 }];
    let mut volumes = Volumes::default();
    let mut allowances = [Allowance::new(month.clone(), month.value)];
    let counts = Counts { volumes: &mut volumes, allowances: &mut allowances };
    // Two cards for ten hours: 16 card-hours are committed in half of January, so 8 hours are covered.
    let interval = meter.advance(at(0) + Span::from_hours(10), counts).expect("time has passed");
    assert_eq!(interval.drawn_value(), Money(16_000_000));
    assert_eq!(interval.charge, Money(16_000_000 + 4 * 5_000_000));
    // It ended after nine hours: an uncovered one is given back.
    let mut allowances = [Allowance::new(allowances[0].period.clone(), Money::ZERO)];
    let counts = Counts { volumes: &mut volumes, allowances: &mut allowances };
    let back = meter.retract(at(0) + Span::from_hours(9), counts).expect("an hour too much");
    assert_eq!((back.charge, back.drawn.len()), (Money(-2 * 5_000_000), 0));
    // After seven: two uncovered ones and a covered one.
    let counts = Counts { volumes: &mut volumes, allowances: &mut allowances };
    let back = meter.retract(at(0) + Span::from_hours(7), counts).expect("two hours too much");
    assert_eq!((back.charge, back.drawn_value()), (Money(-2 * 5_000_000 - 2_000_000), Money(-2_000_000)));
    assert_eq!(allowances[0].period.drawn.0, 14 * 3_600_000_000);
    let mut allowances = [Allowance::new(allowances[0].period.clone(), Money::ZERO)];
    let counts = Counts { volumes: &mut volumes, allowances: &mut allowances };
    let all = meter.waive(counts).expect("it was charged");
    assert_eq!((all.charge, all.drawn_value()), (Money(-14_000_000), Money(-14_000_000)));
    assert_eq!((meter.charged, allowances[0].period.drawn.0), (Money::ZERO, 0));
}

fn meter(job: u128, cards: u32, price: i64, start: Timestamp) -> Meter {
    let tariff = Tariff { parts: vec![part(price)], nodes: 0 };
    let granted = Resources::new(1, Bytes(0), cards);
    Meter::begun(AttemptId::new(JobId::from_u128(job), 1), PriceBookId::from_u128(1), tariff.into(), granted, start)
}

fn part(price: i64) -> crate::tariff::Part {
    crate::tariff::Part::of(
        0,
        &crate::tariff::Item::plain(Unit::CardHour, Selector::default(), Money(price)),
        UtcOffset::UTC,
    )
    .expect("within the range")
}

/// One deed of one of several runs.
#[derive(Clone, Debug)]
enum Deed {
    Advance(i64),
    Retract(i64),
    Rest(i64),
    Waive,
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let minutes = 1..60 * 24 * 6i64;
    let deed = prop_oneof![
        6 => minutes.clone().prop_map(Deed::Advance),
        2 => minutes.clone().prop_map(Deed::Retract),
        1 => minutes.prop_map(Deed::Rest),
        1 => Just(Deed::Waive),
    ];
    proptest::collection::vec((0..3usize, deed), 1..60)
}

proptest! {
    #[test]
    fn whatever_runs_do_covered_and_uncovered_time_add_up(
        deeds in deeds(),
        hours in 1..4_000u64,
        fee in 1..10_000_000_000i64,
        price in 0..9_000_000i64,
        promised in 0..3u8,
    ) {
        let contract = contract(terms(vec![cards(Quantity::Hours(hours), fee, None)]));
        let mut periods: Vec<Period> = (0..3).filter_map(|n| contract.open(n).into_iter().find(|p| p.key.line == 1)).collect();
        let mut meters: Vec<Meter> = (0..3).map(|n| meter(n, n as u32 + 1, price, at(3 * n as i64))).collect();
        meters.iter_mut().for_each(|m| m.covers = vec![Cover { part: 0, contract: 1, line: 1 }]);
        let mut stood = [Span::ZERO; 3];
        let mut done: Vec<Interval> = Vec::new();
        for (who, deed) in deeds {
            let meter = &mut meters[who];
            let mut allowances: Vec<Allowance> = periods.iter().map(|p| {
                let free = p.value - p.earned();
                // Others were promised some of it.
                Allowance::new(p.clone(), Money(free.0 / (i64::from(promised) + 1)))
            }).collect();
            let mut volumes = Volumes::default();
            let counts = Counts { volumes: &mut volumes, allowances: &mut allowances };
            let interval = match deed {
                Deed::Advance(minutes) => meter.advance(meter.metered_until + Span::from_mins(minutes), counts),
                Deed::Retract(minutes) => {
                    let to = meter.metered_until - Span::from_mins(minutes);
                    // Not behind the last pause: the engine never does.
                    if to < meter.started_at + stood[who] { None } else if stood[who] == Span::ZERO { meter.retract(to, counts) } else { None }
                }
                Deed::Rest(minutes) => {
                    meter.pause(meter.metered_until);
                    meter.resume(meter.metered_until + Span::from_mins(minutes));
                    stood[who] += Span::from_mins(minutes);
                    None
                }
                Deed::Waive => meter.waive(counts),
            };
            done.extend(interval);
            for (period, allowance) in periods.iter_mut().zip(allowances) {
                *period = allowance.period;
            }
        }
        let mut drawn: BTreeMap<PeriodKey, (i128, Money)> = BTreeMap::new();
        for one in done.iter().flat_map(|interval| &interval.drawn) {
            let sum = drawn.entry(one.of).or_default();
            *sum = (sum.0 + one.pieces, sum.1 + one.value);
        }
        for period in &periods {
            let (pieces, value) = drawn.get(&period.key).copied().unwrap_or_default();
            prop_assert_eq!(period.drawn.0 as i128, pieces);
            prop_assert!(period.drawn.0 <= period.pieces.0);
            prop_assert_eq!(Money(((period.value.0 as i128) * pieces / (period.pieces.0 as i128)) as i64), value);
        }
        for (meter, stood) in meters.iter().zip(stood) {
            let own = done.iter().filter(|i| i.attempt == meter.attempt);
            let (charged, drawn) = own.fold((Money::ZERO, Money::ZERO), |(a, b), i| (a + i.charge, b + i.drawn_value()));
            prop_assert_eq!(charged, meter.charged);
            let covered: i64 = meter.draws.iter().map(|d| (d.to - d.from).as_micros()).sum();
            let worked = (meter.metered_until - meter.started_at - stood).as_micros();
            let uncovered = if meter.waived { 0 } else { worked - covered };
            let paid = uncovered as i128 * meter.granted.gpus as i128 * price as i128 / 3_600_000_000;
            prop_assert_eq!(charged - drawn, Money(paid as i64));
            let pieces: i128 = done.iter().filter(|i| i.attempt == meter.attempt).flat_map(|i| &i.drawn).map(|d| d.pieces).sum();
            prop_assert_eq!(pieces, covered as i128 * meter.granted.gpus as i128);
        }
    }
}
