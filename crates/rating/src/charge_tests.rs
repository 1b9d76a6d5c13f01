//! The meter: however time is cut, paused, taken back or waived, the sum is what the whole costs.

use super::*;
use crate::assets::NodeCost;
use crate::tariff::calendar::Day;
use crate::tariff::{Band, Item, Rate, RoundUp, Selector, Step, Unit, UtcOffset};
use base::{Bytes, JobId};
use proptest::prelude::*;

fn meter() -> Meter {
    let tariff = Tariff::flat(Money(123_457), Money(7_919), Some(Money(6_000_001))).into();
    let granted = Resources::new(3, Bytes(5_000_000_001), 1);
    let start = Timestamp::from_secs(1_000);
    Meter {
        cost: Some(RunCost::Own(NodeCost {
            purchase_price: Money(1_000_003),
            residual: Money(7),
            life_months: 37,
            datacentre_fee_month: Money(1_000_003),
        })),
        node: Resources::new(8, Bytes::from_gib(64), 2),
        ..Meter::begun(AttemptId::new(JobId::from_u128(1), 1), PriceBookId::from_u128(1), tariff, granted, start)
    }
}

/// The counts of a tenant that has none.
fn none() -> Volumes {
    Volumes::default()
}

fn item(unit: Unit, price: i64) -> Item {
    Item::plain(unit, Selector::default(), Money(price))
}

fn band(days: &[Day], from: &str, to: &str, rate: Rate) -> Band {
    Band { days: days.to_vec(), from: from.parse().unwrap(), to: to.parse().unwrap(), rate }
}

/// Items by the hour, with a minimum and roundings, each in its own way.
fn hourly_items() -> Vec<Item> {
    let work = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];
    let cores = Item {
        bands: vec![
            band(&work, "08:00", "20:00", Rate::Price(Money(234_567))),
            band(&Day::ALL, "22:30", "06:00", Rate::Factor(333_333)),
        ],
        round_up: RoundUp::Minute,
        ..item(Unit::CoreHour, 123_457)
    };
    let memory = Item { minimum: Money(12_345), round_up: RoundUp::Hour, ..item(Unit::GibHour, 7_919) };
    let cards = Item {
        bands: vec![band(&[Day::Sun], "00:00", "24:00", Rate::Factor(0))],
        minimum: Money(1_000_000),
        ..item(Unit::CardHour, 6_000_001)
    };
    vec![cores, memory, cards]
}

fn flat_items() -> Vec<Item> {
    vec![item(Unit::CoreHour, 123_457), item(Unit::GibHour, 7_919), item(Unit::CardHour, 6_000_001)]
}

fn hourly() -> Arc<Tariff> {
    let offset = "+08:00".parse().unwrap();
    let part = |(n, item)| Part::of(n, item, offset).unwrap();
    Arc::new(Tariff { parts: hourly_items().iter().enumerate().map(part).collect(), nodes: 0 })
}

/// Meters of either kind.
fn meters() -> impl Strategy<Value = Meter> {
    (any::<bool>(), 0i64..700_000).prop_map(|(by_hour, begins)| {
        let mut m = meter();
        if by_hour {
            m.tariff = hourly();
        }
        (m.started_at, m.metered_until) = (Timestamp::from_secs(begins), Timestamp::from_secs(begins));
        m
    })
}

proptest! {
    /// However the time is cut, the sum is the amount for the whole, and intervals are gapless.
    #[test]
    fn cutting_changes_nothing(m in meters(), cuts in proptest::collection::vec(0i64..300_000_000_000, 1..40)) {
        let mut m = m;
        let (mut charge, mut cost, mut at) = (Money::ZERO, Money::ZERO, m.started_at);
        for cut in &cuts {
            if let Some(i) = m.advance(m.started_at + Span::from_micros(*cut), &mut none()) {
                prop_assert_eq!(i.from, at);
                at = i.to;
                prop_assert!(!i.charge.is_negative() && !i.cost.total().is_negative());
                charge += i.charge;
                cost += i.cost.total();
            }
        }
        let span = Span::from_micros(*cuts.iter().max().unwrap());
        prop_assert_eq!(charge, m.tariff.amount(m.granted, m.started_at, span, |_, _| 0).unwrap());
        prop_assert_eq!(cost, m.cost.unwrap().of(m.granted, m.nodes, m.node, span).unwrap().total());
    }
}

#[test]
fn a_clock_that_steps_back_bills_nothing() {
    let mut m = meter();
    assert!(m.advance(Timestamp::from_secs(1_060), &mut none()).is_some());
    let before = m.clone();
    assert!(m.advance(Timestamp::from_secs(500), &mut none()).is_none());
    assert_eq!(m, before);
}

proptest! {
    /// An end that becomes known late leaves the same amounts as one known in time.
    #[test]
    fn what_was_billed_too_long_is_given_back(m in meters(), a in 0i64..90_000_000_000, b in 1i64..90_000_000_000) {
        let (mut late, mut timely) = (m.clone(), m);
        let end = late.started_at + Span::from_micros(a);
        late.advance(end + Span::from_micros(b), &mut none());
        let back = late.retract(end, &mut none()).unwrap();
        prop_assert!(back.charge <= Money::ZERO && back.from == end && back.to > end);
        timely.advance(end, &mut none());
        prop_assert_eq!((late.charged, late.costed, late.metered_until), (timely.charged, timely.costed, end));
        prop_assert!(late.retract(end, &mut none()).is_none());
    }
}

/// What a price by the hour comes to, minute by minute of the local week, with bands looked up one by one.
fn naive(item: &Item, stretches: &[(Timestamp, Timestamp)]) -> u128 {
    let minute = 60_000_000;
    let local = |t: i64| t + 8 * 60 * minute;
    let price = |t: i64| {
        let (day, of_day) =
            ((local(t).div_euclid(1_440 * minute) + 3).rem_euclid(7), local(t).div_euclid(minute).rem_euclid(1_440));
        let holds = |band: &&Band| {
            let (from, to) = (i64::from(band.from.minutes()), i64::from(band.to.minutes()));
            let begins = |day: i64| band.days.contains(&Day::ALL[day.rem_euclid(7) as usize]);
            match to <= from {
                false => begins(day) && (from..to).contains(&of_day),
                true => begins(day) && of_day >= from || begins(day - 1) && of_day < to,
            }
        };
        item.bands.iter().find(holds).map_or(item.price, |band| band.rate.of(item.price).unwrap()).0 as u128
    };
    let mut sum = 0;
    for (from, to) in stretches {
        let mut at = from.as_micros();
        while at < to.as_micros() {
            let next = ((at.div_euclid(minute) + 1) * minute).min(to.as_micros());
            sum += price(at) * (next - at) as u128;
            at = next;
        }
    }
    sum
}

/// The whole run, as it would be reckoned by hand at its end.
fn by_hand(items: &[Item], granted: Resources, stretches: &[(Timestamp, Timestamp)]) -> Money {
    let worked: i64 = stretches.iter().map(|(from, to)| (*to - *from).as_micros()).sum();
    let amount = |item: &Item| {
        let step = item.round_up.step().as_micros().max(1);
        let added = (worked + step - 1) / step * step - worked;
        let rates = item.bands.iter().map(|band| band.rate.of(item.price).unwrap());
        let least = rates.chain([item.price]).min().unwrap();
        let pieces = match item.unit {
            Unit::CoreHour => u128::from(granted.cpu.0),
            Unit::GibHour => u128::from(granted.mem.0),
            _ => u128::from(granted.gpus),
        };
        let sum = naive(item, stretches) + least.0 as u128 * added as u128;
        let amount = Money((sum * pieces / item.unit.pieces()) as i64);
        if worked > 0 { amount.max(item.minimum) } else { amount }
    };
    items.iter().map(amount).sum()
}

proptest! {
    /// However often it stands still and whenever it is looked at, the sum is the amount for the time it did not.
    #[test]
    fn time_that_it_stands_still_is_not_billed(
        m in meters(),
        stretches in proptest::collection::vec((1i64..50_000_000_000, 0i64..90_000_000_000, 0i64..90_000_000_000), 1..12),
    ) {
        let (mut m, mut ran) = (m, Vec::new());
        let items = if m.tariff == hourly() { hourly_items() } else { flat_items() };
        let (mut at, mut worked, mut charge) = (m.started_at, Span::ZERO, Money::ZERO);
        let mut take = |i: Option<Interval>| charge += i.map_or(Money::ZERO, |i| i.charge);
        for (works, rests, late) in stretches {
            let (stop, on) = (at + Span::from_micros(works), at + Span::from_micros(works + rests));
            // It was billed beyond the stop before that became known.
            take(m.advance(stop + Span::from_micros(late), &mut none()));
            take(m.retract(stop, &mut none()));
            m.pause(stop);
            take(m.advance(on, &mut none()));
            m.resume(on);
            ran.push((at, stop));
            (at, worked) = (on, worked + Span::from_micros(works));
        }
        prop_assert_eq!(charge, by_hand(&items, m.granted, &ran));
        prop_assert_eq!(m.worked(at), worked);
        let back = m.waive(&mut none());
        prop_assert_eq!(back.map_or(Money::ZERO, |i| i.charge), -charge);
        prop_assert_eq!(m.advance(at + Span::from_secs(60), &mut none()).unwrap().charge, Money::ZERO);
    }
}

proptest! {
    #[test]
    fn what_lies_ahead_is_known_exactly(m in meters(), a in 0i64..90_000_000_000, b in 1i64..90_000_000_000) {
        let mut m = m;
        m.advance(m.started_at + Span::from_micros(a), &mut none());
        let ahead = m.ahead(Span::from_micros(b), &none());
        let next = m.advance(m.metered_until + Span::from_micros(b), &mut none()).unwrap();
        prop_assert_eq!(next.charge, ahead);
    }
}

#[test]
fn a_run_of_any_length_costs_its_minimum_and_one_of_none_costs_nothing() {
    let mut m = meter();
    m.tariff = hourly();
    let second = m.started_at + Span::from_secs(1);
    // An hour of memory and a second of a card cost less than what they cost at least.
    let first = m.advance(second, &mut none()).unwrap().charge;
    assert!(first >= Money(1_000_000 + 12_345));
    // Only the cores of the same minute, at the price of the hour instead of the lowest.
    let next = m.advance(second + Span::from_secs(1), &mut none()).unwrap().charge;
    assert!(Money::ZERO < next && next < Money(200), "{next}");
    assert_eq!(m.retract(m.started_at, &mut none()).unwrap().charge, -first - next);
}

/// The first 3 core-hours of a month at one price, the next 7 at half of it, all others at a tenth.
fn volume() -> Item {
    let steps =
        vec![Step { above: 3, rate: Rate::Factor(500_000) }, Step { above: 10, rate: Rate::Price(Money(100_003)) }];
    Item { steps, round_up: RoundUp::Second, ..item(Unit::CoreHour, 1_000_037) }
}

/// What is done with one of several runs.
#[derive(Clone, Debug)]
enum Deed {
    Advance(i64),
    Retract(i64),
    Rest(i64),
    Waive,
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        6 => (0i64..40_000_000_000).prop_map(Deed::Advance),
        2 => (0i64..9_000_000_000).prop_map(Deed::Retract),
        1 => (0i64..9_000_000_000).prop_map(Deed::Rest),
        1 => Just(Deed::Waive),
    ];
    proptest::collection::vec((0usize..3, deed), 1..60)
}

proptest! {
    /// Runs of one tenant side by side, cut, taken back and waived over the turn of a month: each month adds up to what its
    /// quantity costs, to the last micro-unit, and the counts are what the runs have had.
    #[test]
    fn a_month_adds_up_to_the_price_of_its_quantity(deeds in deeds()) {
        let offset: UtcOffset = "+08:00".parse().unwrap();
        let part = Part::of(0, &volume(), offset).unwrap();
        let Price::Volume(price) = part.price.clone() else { panic!("not by volume") };
        let begin = Timestamp::parse("2026-10-31T12:00:00+08:00").unwrap();
        let mut runs = [meter(), meter(), meter()];
        for (n, run) in runs.iter_mut().enumerate() {
            run.tariff = Arc::new(Tariff { parts: vec![part.clone()], nodes: 0 });
            run.attempt = AttemptId::new(JobId::from_u128(n as u128 + 1), 1);
            (run.started_at, run.metered_until) = (begin, begin);
        }
        let (mut volumes, mut charge) = (Volumes::default(), Money::ZERO);
        for (n, deed) in deeds {
            let run = &mut runs[n];
            let intervals = match deed {
                Deed::Advance(by) => {
                    let to = run.metered_until + Span::from_micros(by);
                    let mut cut = Vec::new();
                    while let Some(end) = run.month_end(to) {
                        cut.extend(run.advance(end, &mut volumes));
                    }
                    cut.extend(run.advance(to, &mut volumes));
                    cut
                }
                // Not into the time before it stood still.
                Deed::Retract(by) if run.paused == Span::ZERO => {
                    let to = run.metered_until - Span::from_micros(by);
                    run.retract(to, &mut volumes).into_iter().collect()
                }
                Deed::Retract(_) => Vec::new(),
                Deed::Rest(by) => {
                    let at = run.metered_until;
                    run.pause(at);
                    run.resume(at + Span::from_micros(by));
                    Vec::new()
                }
                Deed::Waive => run.waive(&mut volumes).into_iter().collect(),
            };
            charge += intervals.iter().map(|i| i.charge).sum();
        }
        let months: Money = volumes.counts().iter().map(|c| price.graduated(Unit::CoreHour, c.pieces.0).unwrap()).sum();
        prop_assert_eq!(charge, months);
        prop_assert_eq!(charge, runs.iter().map(|run| run.charged).sum::<Money>());
        let had = |run: &Meter| match run.waived {
            true => 0,
            false => u128::from(run.granted.cpu.0) * part.billed(run.worked(run.metered_until)).as_micros() as u128,
        };
        let counted: u128 = volumes.counts().iter().map(|c| c.pieces.0).sum();
        prop_assert_eq!(counted, runs.iter().map(had).sum::<u128>());
    }
}
