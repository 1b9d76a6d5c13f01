//! Prices, contracts and grants by chance.

use std::collections::BTreeMap;

use base::{Currency, Money, PriceBookId, Span};
use engine::{Command, Contracting, Granting};
use model::ContractTier;
use rating::contract::{Commitment, Quantity, Terms, Unused};
use rating::tariff::{Selector, Unit, UtcOffset};
use rating::{PriceBook, PriceList};

use super::Chaos;

impl Chaos {
    /// A price book from some time on; an incomplete one lacks the chip.
    pub(super) fn publish(&mut self, from: Span, complete: bool) {
        let factor = 1 + self.chance.below(4) as i64;
        let mut card_hour = BTreeMap::new();
        if complete && let Ok(chip) = "nvidia-a100-80g".parse() {
            card_hour.insert(chip, Money(6_123_457 * factor));
        }
        let (core_hour, gib_hour) = (Some(Money(103_001 * factor)), Some(Money(7_919 * factor)));
        let list = PriceList { core_hour, gib_hour, card_hour };
        let (id, from) = (PriceBookId::from_u128(self.ids.u128()), self.world.shown() + from);
        let mut book = PriceBook::list(id, "book".into(), Currency::CNY, from, list);
        book.items.extend(super::usage::items(factor, complete));
        self.operator(Command::PublishPrices(book));
    }

    /// A grant of some minutes or of days for some work; or one is revoked.
    pub(super) fn grant(&mut self) {
        if self.chance.chance(250) {
            let grant = 1 + self.chance.below(8);
            return self.operator(Command::Grant(Box::new(Granting::Revoke { grant, note: "by chance".into() })));
        }
        let (tenant, user) = *self.chance.pick(&self.tenants);
        let user = self.chance.chance(300).then_some(user);
        let later = self.chance.chance(300).then(|| Span::from_secs(self.chance.below(900) as i64));
        let from = later.map(|later| self.world.shown() + later);
        let lasts = if self.chance.chance(600) { 60 + self.chance.below(3_600) } else { 86_400 * 20 };
        let to = from.unwrap_or(self.world.shown()) + Span::from_secs(lasts as i64);
        let pool = self.chance.chance(300).then(|| "main".into());
        let of = pool.map(|pool| Selector { pool: Some(pool), ..Selector::default() }).into_iter().collect();
        let (amount, note) = (Money(1 + self.chance.below(30_000_000) as i64), "by chance".into());
        let give = Granting::Give { tenant, project: None, user, amount, from, to, of, note };
        self.operator(Command::Grant(Box::new(give)));
    }

    /// A contract of some minutes or of days, over the end of a month; some of them too dear for their tenant.
    pub(super) fn sign(&mut self) {
        let (tenant, _) = *self.chance.pick(&self.tenants);
        let from = self.world.shown() + Span::from_secs(self.chance.below(600) as i64);
        let lasts = if self.chance.chance(500) { 60 * 10 + self.chance.below(7_200) } else { 86_400 * 25 };
        let mut commitments = Vec::new();
        for unit in [Unit::CoreHour, Unit::CardHour] {
            let many = self.chance.below(40);
            if many > 0 {
                let quantity =
                    if self.chance.chance(500) { Quantity::Held(many as u32) } else { Quantity::Hours(many) };
                let overage = self.chance.chance(500).then_some(Money(3_000_017));
                let pool = self.chance.chance(300).then(|| "main".into());
                let of = Selector { pool, ..Selector::default() };
                let fee = Money(1 + self.chance.below(400_000_000) as i64);
                commitments.push(Commitment { unit, of, quantity, fee, overage });
            }
        }
        let number = self.ids.u128();
        let terms = Terms {
            name: format!("contract-{number:x}").into(),
            currency: Currency::CNY,
            tier: ContractTier::LongTerm,
            from,
            to: from + Span::from_secs(lasts as i64),
            utc_offset: UtcOffset::UTC,
            fee: Money(self.chance.below(10_000_000) as i64),
            commitments,
            included: super::usage::included(),
            unused: if self.chance.chance(500) { Unused::Carry } else { Unused::Lapse },
            early_end: 300_000,
        };
        let (terms, at_once) = (Box::new(terms), self.chance.chance(500));
        self.operator(Command::Contract(Box::new(Contracting::Sign { tenant, terms, at_once })));
    }
}
