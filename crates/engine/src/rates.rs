//! Rates between currencies as people tell them: kept with who said so and when. What is said again differently for the same day takes the
//! place of what was said before, with a reason. Moves no money; refuses to know what is converted.

use std::sync::Arc;

use base::Currency;
use model::Actor;
use rating::rates::{Day, Rate, Worth};

use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::Engine;

/// What one unit of a currency is worth in another from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRate {
    pub of: Currency,
    pub into: Currency,
    pub worth: Worth,
    /// Today (UTC) when left out.
    pub from: Option<Day>,
    /// Needed where it takes the place of another.
    pub reason: Arc<str>,
}

impl Engine {
    /// Keeps a rate. The same one again is the one that is known.
    pub(crate) fn set_rate(&mut self, new: NewRate, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let NewRate { of, into, worth, from, reason } = new;
        if of == into {
            return Err(Denied::Invalid("a rate is between two currencies: name another one"));
        }
        let from = from.unwrap_or_else(|| Day(self.policy.statement_offset.day_of(self.now)));
        if !from.has_date() {
            return Err(Denied::Invalid("the day is outside the calendar"));
        }
        let known = self.rates.on(of, into, from);
        if let Some(known) = known.filter(|known| known.worth == worth) {
            return Ok(Report::Rate { rate: known.number });
        }
        let replaced = known.map(|known| (known.number, known.worth));
        if replaced.is_some() && reason.trim().is_empty() {
            return Err(Denied::Invalid(
                "another rate of these two currencies begins on that day: say the reason why this one takes its place",
            ));
        }
        // From here on nothing fails.
        let number = self.rates.last() + 1;
        let user = match actor {
            Actor::User(user) => Some(user),
            Actor::Platform | Actor::Cluster(_) => None,
        };
        let reason = if replaced.is_some() { reason } else { "".into() };
        let place = replaced.map(|(number, was)| format!(", in place of {was} (rate {number}): {reason}"));
        let detail = format!("1 {of} = {worth} {into} from {from} on{}", place.unwrap_or_default());
        self.audit(out, actor, "rate.set", number.to_string(), None, detail);
        let rate = Rate { number, of, into, worth, from, reason, set_at: self.now, user };
        out.records.push(Record::Rate(Box::new(rate.clone())));
        self.rates.enter(rate);
        Ok(Report::Rate { rate: number })
    }
}
