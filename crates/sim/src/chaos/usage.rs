//! Storage, traffic, requests and tokens by chance: reported late, twice, with other content, of nobody, ahead of time and without a
//! price, by somebody who keeps what was not taken.

use std::sync::Arc;

use base::{Money, ProjectId, Span};
use engine::{Command, Envelope, Report, Reporting, Taken};
use model::{Actor, ProductLine};
use rating::Reported;
use rating::contract::Included;
use rating::tariff::calendar::{Day, TimeOfDay};
use rating::tariff::{Band, Item, Rate, Selector, Step, Unit};
use rating::volumes::Pieces;

use super::Chaos;

const UNITS: [Unit; 4] = [Unit::GibMonth, Unit::GibMoved, Unit::Request, Unit::Kilotoken];

/// By quantity, by the hour, with a minimum, and flat; an incomplete book has no price for storage.
pub(super) fn items(factor: i64, complete: bool) -> Vec<Item> {
    let plain = |unit, price: i64| Item::plain(unit, Selector::default(), Money(price * factor));
    let night =
        Band { days: Day::ALL.to_vec(), from: TimeOfDay::START, to: TimeOfDay::END, rate: Rate::Factor(700_001) };
    let morning = Band { to: "06:30".parse().unwrap_or(TimeOfDay::END), ..night };
    let maas = Selector { product: Some(ProductLine::Maas), ..Selector::default() };
    let mut items = vec![
        Item {
            steps: vec![
                Step { above: 3, rate: Rate::Factor(500_003) },
                Step { above: 9, rate: Rate::Price(Money(1_003)) },
            ],
            ..plain(Unit::GibMoved, 80_021)
        },
        Item { minimum: Money(13), ..plain(Unit::Request, 7) },
        Item { of: maas, ..plain(Unit::Request, 3) },
        Item { bands: vec![morning], ..plain(Unit::Kilotoken, 2_011) },
    ];
    items.extend(complete.then(|| plain(Unit::GibMonth, 123_457)));
    items
}

pub(super) fn included() -> Vec<Included> {
    vec![Included { unit: Unit::GibMoved, quantity: 40 }, Included { unit: Unit::Request, quantity: 50_000 }]
}

impl Chaos {
    fn record(&mut self) -> Reported {
        let chance = &mut self.reports;
        let (tenant, user) = *chance.pick(&self.tenants);
        let projects = self.world.tables().projects.values();
        let own = projects.filter(|p| p.tenant == tenant || chance.chance(20)).map(|p| p.id).next();
        let unit = *chance.pick(&UNITS);
        let pieces = match unit {
            Unit::GibMonth => u128::from(chance.below(1 << 40)) * 3_600_000_000,
            Unit::GibMoved => u128::from(chance.below(4 << 30)),
            _ => u128::from(chance.below(3_000)),
        };
        // Some days late, and now and then of the future.
        let late = if chance.chance(100) { 86_400 * 3 } else { 600 };
        let to = self.world.shown() - Span::from_micros(chance.below(late * 1_000_000) as i64);
        let to = if chance.chance(30) { to + Span::from_hours(1) } else { to };
        let id: Arc<str> = format!("{:x}", chance.below(u64::MAX)).into();
        let lasts = Span::from_secs(chance.below(4_000) as i64);
        Reported {
            source: "gateway".into(),
            id,
            tenant,
            project: own.unwrap_or(ProjectId::from_u128(1)),
            user: chance.chance(500).then_some(user),
            unit,
            pieces: Pieces(pieces),
            from: to - lasts,
            to,
            line: *chance.pick(&[ProductLine::General, ProductLine::Maas]),
            pool: chance.chance(200).then(|| self.pools[0].0),
            label: chance.chance(300).then(|| "model".into()),
            model: unit.is_of_models().then(|| "qwen".into()).filter(|_| chance.chance(500)),
            kind: None,
        }
    }

    /// What is new, some of what was reported before, and something under a known id that is something else.
    pub(super) fn report_usage(&mut self) {
        if !self.reports.chance(90) {
            return;
        }
        let mut records: Vec<Reported> = (0..1 + self.reports.below(6)).map(|_| self.record()).collect();
        self.reported.extend(records.iter().cloned());
        for _ in 0..self.reports.below(4) {
            let known = self.reports.pick(&self.reported).clone();
            let changed = self.reports.chance(200);
            let pieces = Pieces(known.pieces.0 + u128::from(changed));
            records.push(Reported { pieces, ..known });
        }
        let keys: Vec<u128> = records.iter().map(Reported::key).collect();
        let tables = self.world.tables();
        let known = keys.iter().filter_map(|key| Some((*key, *tables.usage_keys.get(key)?))).collect();
        let command = Command::Usage(Box::new(Reporting { records, known }));
        let told = self.world.command(Envelope { actor: Actor::Platform, operator: true, once: None, command });
        let Ok(Ok(Report::Usage { taken })) = told else { return };
        for (key, taken) in keys.iter().zip(taken) {
            let Taken::Booked { charge, .. } = taken else { continue };
            if self.billed.insert(*key, charge).is_some_and(|before| before != charge) {
                self.failures.push(format!("usage {key:032x} was answered with two charges"));
            }
        }
    }

    /// What was answered as booked is there, with that charge.
    pub(super) fn usage_stands(&mut self) {
        let known = &self.world.tables().usage_keys;
        let lost = self.billed.iter().filter(|(key, charge)| known.get(key).map(|k| k.charge) != Some(**charge));
        let lost: Vec<String> =
            lost.map(|(key, charge)| format!("usage {key:032x} of {charge} is not there")).collect();
        self.failures.extend(lost);
    }
}
