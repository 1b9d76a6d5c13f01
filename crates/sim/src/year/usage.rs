//! What is used in a year beside running work: storage, traffic, requests and tokens of the day before, told each morning by somebody
//! who keeps what was not answered, tells some of it twice, and some of it weeks later.

use base::{Money, Span};
use engine::{Command, Report, Reporting, Taken};
use model::ProductLine;
use rating::Reported;
use rating::contract::Included;
use rating::tariff::calendar::{Day, TimeOfDay};
use rating::tariff::{Band, Item, Rate, Selector, Step, Unit};
use rating::volumes::Pieces;

use super::Run;

/// Records of a day.
const A_DAY: u64 = 12;

pub(super) fn items(permille: i64) -> Vec<Item> {
    let plain = |unit, of, micros: i64| Item::plain(unit, of, Money(micros * permille / 1_000));
    let all = Selector::default;
    let of = |model: Option<&str>, kind: Option<&str>| Selector {
        model: model.map(Into::into),
        kind: kind.map(Into::into),
        ..all()
    };
    let night = Band {
        days: Day::ALL.to_vec(),
        from: "22:00".parse().unwrap_or(TimeOfDay::START),
        to: "08:00".parse().unwrap_or(TimeOfDay::END),
        rate: Rate::Factor(600_001),
    };
    vec![
        plain(Unit::GibMonth, all(), 100_003),
        Item { steps: vec![Step { above: 20, rate: Rate::Factor(500_001) }], ..plain(Unit::GibMoved, all(), 50_021) },
        Item { minimum: Money(7), ..plain(Unit::Request, all(), 3) },
        Item { bands: vec![night], ..plain(Unit::Kilotoken, all(), 1_009) },
        plain(Unit::Kilotoken, of(Some("model-a"), None), 4_001),
        Item {
            steps: vec![Step { above: 5_000, rate: Rate::Factor(700_001) }],
            ..plain(Unit::Kilotoken, of(Some("model-a"), Some("output")), 12_007)
        },
        plain(Unit::Kilotoken, of(None, Some("output")), 2_003),
        plain(Unit::Request, of(Some("model-b"), None), 11),
    ]
}

pub(super) fn included() -> Vec<Included> {
    vec![Included { unit: Unit::GibMonth, quantity: 30 }, Included { unit: Unit::GibMoved, quantity: 15 }]
}

impl Run<'_> {
    pub(super) fn report_usage(&mut self) {
        let mut records = std::mem::take(&mut self.unanswered);
        for _ in 0..self.reports.below(2 * A_DAY) {
            records.push(self.used());
        }
        if let Some(last) = records.last().cloned().filter(|_| self.reports.chance(200)) {
            records.push(last);
        }
        let tables = self.world.tables();
        let key = |record: &Reported| Some((record.key(), *tables.usage_keys.get(&record.key())?));
        let known = records.iter().filter_map(key).collect();
        let command = Command::Usage(Box::new(Reporting { records: records.clone(), known }));
        match self.operator(command) {
            Some(Ok(Report::Usage { taken })) => {
                let refused = taken.iter().find(|taken| matches!(taken, Taken::Refused { .. }));
                self.wrong.extend(refused.map(|refused| format!("usage was not taken: {refused:?}")));
            }
            Some(other) => self.wrong.push(format!("usage was not taken: {other:?}")),
            None => self.unanswered = records,
        }
    }

    fn used(&mut self) -> Reported {
        let chance = &mut self.reports;
        let (tenant, users) = chance.pick(&self.tenants);
        let project = self.world.tables().projects.values().find(|p| p.tenant == *tenant).map(|p| p.id);
        let unit = *chance.pick(&[Unit::GibMonth, Unit::GibMoved, Unit::Request, Unit::Kilotoken]);
        let lasts = Span::from_hours(1 + chance.below(23) as i64);
        let pieces = match unit {
            Unit::GibMonth => u128::from(chance.below(400 << 30)) * lasts.as_micros() as u128,
            Unit::GibMoved => u128::from(chance.below(9 << 30)),
            _ => u128::from(chance.below(2_000_000)),
        };
        // The first days have nothing before them that had a price.
        let late = if chance.chance(20) { chance.below(30) as i64 } else { 0 };
        let words = [["model-a", "model-b"], ["input", "output"]];
        let [model, kind] =
            words.map(|of| chance.chance(600).then(|| (*chance.pick(&of)).into()).filter(|_| unit.is_of_models()));
        let begins = self.world.tables().books.values().map(|book| book.effective_from).min();
        let to = self.world.shown() - Span::from_hours(24 * late) - Span::from_secs(chance.below(600) as i64);
        let first = begins.unwrap_or(to);
        let to = to.max(first);
        Reported {
            source: "gateway".into(),
            id: format!("{:016x}", chance.below(u64::MAX)).into(),
            tenant: *tenant,
            project: project.unwrap_or(base::ProjectId::from_u128(0)),
            user: chance.chance(600).then(|| *chance.pick(users)),
            unit,
            pieces: Pieces(pieces + 1),
            from: (to - lasts).max(first),
            to,
            line: *chance.pick(&[ProductLine::General, ProductLine::Maas]),
            pool: chance.chance(300).then(|| self.pools[0].0),
            label: chance.chance(300).then(|| "bucket-a".into()),
            model,
            kind,
        }
    }
}
