//! A trial of the book by which work was billed says what was charged, whatever happened to the runs.

use super::*;
use crate::cost::CostParts;
use crate::tariff::calendar::Day;
use crate::tariff::{Band, Item, Rate, RoundUp, Selector, Step, Unit, UtcOffset};
use base::{AttemptId, Bytes, Currency, JobId, PriceBookId, Resources, Span};
use model::{PriorityClass, ProductLine};
use proptest::prelude::*;

fn book(items: Vec<Item>) -> PriceBook {
    let (id, name, currency) = (PriceBookId::from_u128(1), "b".into(), Currency::CNY);
    PriceBook { id, name, currency, effective_from: Timestamp::ZERO, utc_offset: UtcOffset::UTC, items }
}

fn items(by_volume: bool) -> Vec<Item> {
    let plain = |unit, price| Item::plain(unit, Selector::default(), Money(price));
    let night = Band {
        days: Day::ALL.to_vec(),
        from: "20:00".parse().unwrap(),
        to: "07:30".parse().unwrap(),
        rate: Rate::Factor(400_000),
    };
    let steps = vec![Step { above: 2, rate: Rate::Factor(500_000) }];
    let cores = match by_volume {
        true => Item { steps, ..plain(Unit::CoreHour, 1_000_003) },
        false => Item {
            bands: vec![night],
            minimum: Money(9_999),
            round_up: RoundUp::Minute,
            ..plain(Unit::CoreHour, 1_000_003)
        },
    };
    vec![cores, plain(Unit::GibHour, 10_007)]
}

fn sale<'a>() -> Sale<'a> {
    Sale {
        tenant: "lab",
        pool: "cpu",
        chip: None,
        product: ProductLine::General,
        class: PriorityClass::Normal,
        shape: Resources::new(8, Bytes::from_gib(64), 0),
        nodes: 1,
        per_node: granted(),
        call: Default::default(),
    }
}

fn granted() -> Resources {
    Resources::new(2, Bytes::from_gib(3), 0)
}

const OCTOBER: &str = "2026-10-01T00:00:00Z";
const NOVEMBER: &str = "2026-11-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

proptest! {
    /// Runs of two tenants, cut, suspended, told late and waived, were billed by a book. Tried on them it comes to what was charged;
    /// one twice as dear comes to twice as much where prices are whole multiples.
    #[test]
    fn the_book_by_which_it_was_billed_comes_to_what_was_charged(
        by_volume in any::<bool>(),
        runs in proptest::collection::vec(
            (0usize..2, -20_000i64..3_000_000, proptest::collection::vec((1i64..40_000, 0i64..9_000, 0i64..20_000), 1..6), 0u8..8),
            1..8,
        ),
    ) {
        let book = book(items(by_volume));
        let (from, to) = (at(OCTOBER), at(NOVEMBER));
        let tenants = [TenantId::from_u128(1), TenantId::from_u128(2)];
        let mut volumes = [Volumes::default(), Volumes::default()];
        let mut trial = Trial::new(&book, from, to);
        let mut charged = [Money::ZERO; 2];
        for (n, (who, begins, stretches, fate)) in runs.into_iter().enumerate() {
            let mut done = Vec::new();
            let start = from + Span::from_secs(begins);
            let mut meter = trial.begin(Some(&sale()), &Interval {
                attempt: AttemptId::new(JobId::from_u128(n as u128), 1), seq: 1, from: start, to: start, granted: granted(),
                book: Some(book.id), run: Some(start), charge: Money::ZERO, uncollected: Money::ZERO, drawn: Box::default(), credits: Default::default(), cost: CostParts::default(),
            }).meter;
            let volumes = &mut volumes[who];
            for (works, rests, late) in stretches {
                let stop = meter.metered_until + Span::from_secs(works);
                let billed = stop + Span::from_secs(late);
                while let Some(end) = meter.month_end(billed) {
                    done.extend(meter.advance(end, &mut *volumes));
                }
                done.extend(meter.advance(billed, &mut *volumes));
                done.extend(meter.retract(stop, &mut *volumes));
                meter.pause(stop);
                meter.resume(stop + Span::from_secs(rests));
            }
            if fate == 0 {
                done.extend(meter.waive(&mut *volumes));
                done.extend(meter.advance(meter.metered_until + Span::from_secs(60), &mut *volumes));
            }
            for interval in done {
                trial.take(tenants[who], Some(&sale()), &interval);
                if from < interval.to && interval.to <= to {
                    charged[who] += interval.charge;
                }
            }
        }
        let (rows, missing) = trial.finish();
        prop_assert!(missing.is_empty());
        for (tenant, charged) in tenants.iter().zip(charged) {
            let row = rows.get(tenant).cloned().unwrap_or_default();
            prop_assert_eq!((row.charged, row.tried, row.unpriced), (charged, charged, 0), "{:?}", row);
        }
    }
}

#[test]
fn what_has_no_price_is_counted_and_named() {
    let book = book(vec![items(false).remove(1)]);
    let mut trial = Trial::new(&book, at(OCTOBER), at(NOVEMBER));
    let interval = Interval {
        attempt: AttemptId::new(JobId::from_u128(1), 1),
        seq: 1,
        from: at(OCTOBER),
        to: at(OCTOBER) + Span::from_hours(1),
        granted: granted(),
        book: None,
        run: None,
        charge: Money(70),
        uncollected: Money::ZERO,
        drawn: Box::default(),
        credits: Default::default(),
        cost: CostParts::default(),
    };
    trial.take(TenantId::from_u128(1), Some(&sale()), &interval);
    let earlier = Interval { attempt: AttemptId::new(JobId::from_u128(2), 1), to: at(OCTOBER), ..interval };
    trial.take(TenantId::from_u128(2), Some(&sale()), &earlier);
    let (rows, missing) = trial.finish();
    let row = Tried { runs: 1, unpriced: 1, charged: Money(70), ..Tried::default() };
    assert_eq!(rows, [(TenantId::from_u128(1), row)].into());
    assert!(missing[0].contains("core_hour"), "{missing:?}");
}

fn used(number: u64, (tenant, from): (TenantId, Timestamp), [pieces, included]: [u128; 2], charge: Money) -> Usage {
    let of = usage::Reported {
        source: "gateway".into(),
        id: number.to_string().into(),
        tenant,
        project: base::ProjectId::from_u128(1),
        user: None,
        unit: Unit::Kilotoken,
        pieces: crate::volumes::Pieces(pieces),
        from,
        to: from,
        line: ProductLine::Maas,
        pool: None,
        label: None,
        model: None,
        kind: None,
    };
    let month = crate::contract::PeriodKey { contract: 1, line: 100, month: 0, carried: false };
    let drawn = crate::contract::Drawn { of: month, pieces: included as i128, value: Money::ZERO };
    Usage {
        number,
        of,
        at: from,
        counts_at: from,
        book: PriceBookId::from_u128(9),
        item: 0,
        drawn: [drawn].into(),
        charge,
        uncollected: Money::ZERO,
        credits: Default::default(),
    }
}

proptest! {
    /// Usage of two tenants was billed record by record. Tried by the same book it comes to what was charged, in whatever pieces and
    /// whatever contracts included; what began outside the month is not given in.
    #[test]
    fn usage_tried_by_its_own_book_comes_to_what_was_charged(
        records in proptest::collection::vec((0usize..2, 0i64..2_600_000, 1u128..5_000_000, 0u128..3_000), 1..40),
        kind in 0..3,
    ) {
        let plain = Item::plain(Unit::Kilotoken, Default::default(), Money(1_000_003));
        let item = match kind {
            0 => plain,
            1 => Item { minimum: Money(777), ..plain },
            _ => Item { steps: vec![Step { above: 3_000, rate: Rate::Price(Money(13)) }], ..plain },
        };
        let book = book(vec![item]);
        let part = book.part(Unit::Kilotoken, &sale()).unwrap();
        let tenants = [TenantId::from_u128(1), TenantId::from_u128(2)];
        let (mut volumes, mut charged) = ([Volumes::default(), Volumes::default()], [Money::ZERO; 2]);
        let mut trial = Trial::new(&book, at(OCTOBER), at(NOVEMBER));
        for (n, (who, begins, pieces, included)) in (1..).zip(records) {
            let (from, included) = (at(OCTOBER) + Span::from_secs(begins), included.min(pieces));
            let charge =
                usage::charge(&part, &mut volumes[who], book.utc_offset, from, pieces - included).unwrap();
            charged[who] += charge;
            trial.take_usage(tenants[who], Some(&sale()), &used(n, (tenants[who], from), [pieces, included], charge));
        }
        let (rows, _) = trial.finish();
        for (tenant, charged) in tenants.iter().zip(charged) {
            let row = rows.get(tenant).cloned().unwrap_or_default();
            prop_assert_eq!((row.usage_charged, row.usage_tried, row.tried, row.records_unpriced), (charged, charged, charged, 0));
        }
    }
}
