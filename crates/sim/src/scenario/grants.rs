//! Grants in scenarios: the line that gives one, its revoking, and what became of all. Refuses to judge outcomes.

use base::{Money, Span};
use engine::{Command, Granting, Report};
use rating::tariff::Selector;

use super::Runner;
use super::parse::{ParseError, Step};
use super::words::Words;

/// A grant that begins now, or after a while.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantStep {
    pub name: String,
    pub tenant: String,
    pub amount: Money,
    pub after: Option<Span>,
    pub lasts: Span,
    pub of: Vec<Selector>,
}

/// `grant NAME to TENANT of 10 for 30d after 1d pool own product ai pool other`; each `pool` begins another kind of work.
pub(super) fn grant(w: &mut Words) -> Result<Step, ParseError> {
    let mut step = GrantStep {
        name: w.next("a grant")?.into(),
        tenant: String::new(),
        amount: Money::ZERO,
        after: None,
        lasts: Span::ZERO,
        of: Vec::new(),
    };
    while let Some(word) = w.0.next() {
        match word {
            "to" => step.tenant = w.next(word)?.into(),
            "of" => step.amount = w.value(word)?,
            "for" => step.lasts = w.value(word)?,
            "after" => step.after = Some(w.value(word)?),
            "pool" => step.of.push(Selector { pool: Some(w.next(word)?.into()), ..Selector::default() }),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Grant(Box::new(step)))
}

impl Runner {
    pub(super) fn grant(&mut self, step: GrantStep) {
        let Some((tenant, _)) = self.tenants.get(&step.tenant).copied() else { return self.fail("no such tenant") };
        let from = self.world.shown() + step.after.unwrap_or(Span::ZERO);
        let give = Granting::Give {
            tenant,
            project: None,
            user: None,
            amount: step.amount,
            from: step.after.map(|_| from),
            to: from + step.lasts,
            of: step.of,
            note: step.name.as_str().into(),
        };
        if let Some(Report::Grant { grant }) = self.command(None, Command::Grant(Box::new(give))) {
            self.grants.insert(step.name, grant);
        }
    }

    pub(super) fn revoke(&mut self, name: &str) {
        let Some(grant) = self.grants.get(name).copied() else { return self.fail("no such grant") };
        self.command(None, Command::Grant(Box::new(Granting::Revoke { grant, note: "by the scenario".into() })));
    }

    pub(super) fn list_grants(&mut self) {
        let tables = self.world.tables();
        let mut lines = Vec::new();
        for grant in tables.grants.values() {
            let code = engine::grant_code(grant.number);
            let held: Money = tables.accounts.values().filter(|a| a.code.as_str() == code).map(|a| a.held).sum();
            let state = if grant.over_at.is_some() { "over" } else { "open" };
            lines.push(format!(
                "{} of {}, {state}: {} drawn, {} went back, {} left, {held} of it promised",
                grant.note,
                grant.amount,
                grant.drawn,
                grant.back,
                grant.left()
            ));
        }
        lines.iter().for_each(|line| self.say(line));
    }
}
