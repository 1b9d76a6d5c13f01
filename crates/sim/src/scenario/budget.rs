//! Lines about budgets: `budget TENANT hard 10 month alerts 50,80`, `budget TENANT remove 1`, `budgets TENANT`. Knows nothing of
//! how they are counted.

use base::{Money, Span};
use engine::{BudgetScope, Budgeting, Command};
use rating::tariff::calendar::UtcOffset;
use rating::{BudgetKind, Period};

use super::Runner;
use super::parse::ParseError;
use super::words::{Words, bad};

#[derive(Clone, Debug, PartialEq)]
pub struct BudgetStep {
    pub tenant: String,
    pub what: BudgetWhat,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BudgetWhat {
    Set {
        kind: BudgetKind,
        amount: Money,
        /// A word of the calendar, or for so long from now.
        period: Result<Period, Span>,
        /// Of the tenant's only user, rather than of the whole tenant.
        user: bool,
        alerts: Vec<u32>,
    },
    Remove(u64),
    List,
}

pub(super) fn list(w: &mut Words) -> Result<BudgetStep, ParseError> {
    Ok(BudgetStep { tenant: w.next("a tenant")?.into(), what: BudgetWhat::List })
}

pub(super) fn budget(w: &mut Words) -> Result<BudgetStep, ParseError> {
    let tenant = w.next("a tenant")?.to_owned();
    let kind = match w.next("hard, soft or remove")? {
        "hard" => BudgetKind::Hard,
        "soft" => BudgetKind::Soft,
        "remove" => return Ok(BudgetStep { tenant, what: BudgetWhat::Remove(w.value("a number")?) }),
        word => return Err(ParseError::Word(word.into())),
    };
    let amount = w.value("an amount")?;
    let (mut period, mut user, mut alerts) = (Ok(Period::Month), false, vec![50, 80, 100]);
    while let Some(word) = w.0.next() {
        match word {
            "month" => period = Ok(Period::Month),
            "quarter" => period = Ok(Period::Quarter),
            "year" => period = Ok(Period::Year),
            "once" => period = Err(w.value(word)?),
            "user" => user = true,
            "alerts" => {
                let text = w.next(word)?;
                let read: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
                alerts = read.map_err(|_| bad(word, text))?;
            }
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(BudgetStep { tenant, what: BudgetWhat::Set { kind, amount, period, user, alerts } })
}

impl Runner {
    pub(super) fn budget(&mut self, step: BudgetStep) {
        let Some((tenant, owner)) = self.tenants.get(&step.tenant).copied() else {
            return self.fail("no such tenant");
        };
        let what = match step.what {
            BudgetWhat::List => return self.budgets(tenant),
            BudgetWhat::Remove(budget) => Budgeting::Remove { tenant, budget },
            BudgetWhat::Set { kind, amount, period, user, alerts } => {
                let scope = BudgetScope { tenant, project: None, user: user.then_some(owner) };
                let from = self.world.shown();
                let period = period.unwrap_or_else(|span| Period::Once { from, to: from + span });
                Budgeting::Set { scope, kind, period, offset: UtcOffset::UTC, amount, alerts }
            }
        };
        self.command(None, Command::Budget(Box::new(what)));
    }

    fn budgets(&mut self, tenant: base::TenantId) {
        let now = self.world.engine().now();
        let line = |(b, promised): (rating::Budget, Money)| {
            let (spent, kind) = (b.spent_at(now), b.kind.as_str());
            format!("{} {kind} {} by {}: {spent} spent, {promised} promised", b.number, b.amount, b.period.as_str())
        };
        let lines: Vec<String> = self.world.engine().budgets(tenant).into_iter().map(line).collect();
        lines.iter().for_each(|text| self.say(text));
    }
}
