//! Contracts in scenarios: the line that signs one, and its breaking off. Refuses to judge outcomes.

use base::{Currency, Money, Span};
use engine::{Command, Contracting, Report};
use model::ContractTier;
use rating::contract::{Commitment, Quantity, Terms, Unused};
use rating::tariff::{Selector, Unit, UtcOffset};

use super::Runner;
use super::parse::{ParseError, Step};
use super::words::{Words, bad};

/// A contract that begins now.
#[derive(Clone, Debug, PartialEq)]
pub struct ContractStep {
    pub name: String,
    pub tenant: String,
    pub lasts: Span,
    pub fee: Money,
    pub unused: Unused,
    pub early_end: u32,
    pub tier: ContractTier,
    pub commitments: Vec<Commitment>,
}

/// `contract NAME by TENANT for 30d base 10 carry early 500 tier long_term commit core_hour hours 100 fee 50 beyond 2 pool own`
pub(super) fn contract(w: &mut Words) -> Result<Step, ParseError> {
    let mut step = ContractStep {
        name: w.next("a contract")?.into(),
        tenant: String::new(),
        lasts: Span::ZERO,
        fee: Money::ZERO,
        unused: Unused::Lapse,
        early_end: 0,
        tier: ContractTier::OnDemand,
        commitments: Vec::new(),
    };
    while let Some(word) = w.0.next() {
        let last = step.commitments.last_mut();
        match (word, last) {
            ("by", _) => step.tenant = w.next(word)?.into(),
            ("for", _) => step.lasts = w.value(word)?,
            ("base", _) => step.fee = w.value(word)?,
            ("carry", _) => step.unused = Unused::Carry,
            // Thousandths.
            ("early", _) => step.early_end = w.value::<u32>(word)?.saturating_mul(1_000),
            ("tier", _) => step.tier = super::parse::known(w, word)?,
            ("commit", _) => {
                let unit = w.next(word)?;
                let unit = Unit::parse(unit).ok_or_else(|| bad(word, unit))?;
                let (of, quantity, fee, overage) = (Selector::default(), Quantity::Held(0), Money::ZERO, None);
                step.commitments.push(Commitment { unit, of, quantity, fee, overage });
            }
            ("held", Some(last)) => last.quantity = Quantity::Held(w.value(word)?),
            ("hours", Some(last)) => last.quantity = Quantity::Hours(w.value(word)?),
            ("fee", Some(last)) => last.fee = w.value(word)?,
            ("beyond", Some(last)) => last.overage = Some(w.value(word)?),
            ("pool", Some(last)) => last.of.pool = Some(w.next(word)?.into()),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Contract(Box::new(step)))
}

impl Runner {
    pub(super) fn contract(&mut self, step: ContractStep) {
        let Some((tenant, _)) = self.tenants.get(&step.tenant).copied() else { return self.fail("no such tenant") };
        let from = self.world.shown();
        let terms = Terms {
            name: step.name.as_str().into(),
            currency: Currency::CNY,
            tier: step.tier,
            from,
            to: from + step.lasts,
            utc_offset: UtcOffset::UTC,
            fee: step.fee,
            commitments: step.commitments,
            included: Vec::new(),
            unused: step.unused,
            early_end: step.early_end,
        };
        let sign = Contracting::Sign { tenant, terms: Box::new(terms), at_once: true };
        let report = self.command(None, Command::Contract(Box::new(sign)));
        if let Some(Report::Contract { contract }) = report {
            self.contracts.insert(step.name, contract);
        }
    }

    pub(super) fn break_off(&mut self, name: &str) {
        let Some(contract) = self.contracts.get(name).copied() else { return self.fail("no such contract") };
        let end = Contracting::BreakOff { contract, note: "by the scenario".into() };
        self.command(None, Command::Contract(Box::new(end)));
    }

    pub(super) fn list_contracts(&mut self) {
        let tables = self.world.tables();
        let mut lines = Vec::new();
        for contract in tables.contracts.values() {
            let unpaid = if contract.unpaid_since.is_some() { ", unpaid" } else { "" };
            lines
                .push(format!("{} {:?}, {} months begun{unpaid}", contract.terms.name, contract.state, contract.begun));
            let months = tables.months.values().filter(|m| m.key.contract == contract.number);
            lines.extend(months.map(|m| {
                let hours = |pieces: u128| match contract.commitment(m.key.line) {
                    Some(c) => format!("{:.3} h", pieces as f64 / c.unit.pieces() as f64),
                    None => "fee".to_owned(),
                };
                let closed = m
                    .closed
                    .map_or_else(|| "open".to_owned(), |c| format!("lapsed {}, carried {}", c.lapsed, c.carried));
                let carried = if m.key.carried { " carried" } else { "" };
                format!(
                    "  line {} month {}{carried}: {} of {} drawn, {} of {} earned, {closed}",
                    m.key.line,
                    m.key.month,
                    hours(m.drawn.0),
                    hours(m.pieces.0),
                    m.earned(),
                    m.value
                )
            }));
        }
        lines.iter().for_each(|line| self.say(line));
    }
}
