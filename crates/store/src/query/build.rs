//! A statement put together from our own texts and bound values; what users write is only ever bound.

use base::{TenantId, Timestamp};

use crate::db::{Args, Kind};
use crate::query::page::Scope;

/// `SELECT … WHERE …` under construction. Conditions are joined by `AND`.
pub(crate) struct Select {
    pub(crate) text: String,
    pub(crate) args: Args,
    bound: usize,
    conditions: usize,
}

impl Select {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Select {
        Select { text: text.into(), args: Args::new(kind), bound: 0, conditions: 0 }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn parameter(&mut self) {
        self.bound += 1;
        self.text.push_str(&format!("${}", self.bound));
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        self.parameter();
        self.args.int(value);
        self
    }

    pub(crate) fn id(&mut self, value: u128) -> &mut Self {
        self.parameter();
        self.args.id(value);
        self
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.parameter();
        self.args.text(value);
        self
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.parameter();
        self.args.bytes(value);
        self
    }

    /// Starts a condition, e.g. `filter("j.state = ").int(3)`.
    pub(crate) fn filter(&mut self, text: &str) -> &mut Self {
        self.push(if self.conditions == 0 { " WHERE " } else { " AND " });
        self.conditions += 1;
        self.push(text)
    }

    /// What follows is a statement within this one, with conditions of its own.
    pub(crate) fn again(&mut self) -> &mut Self {
        self.conditions = 0;
        self
    }

    /// Values joined by commas, and the parenthesis that ends them.
    pub(crate) fn list<T>(&mut self, values: &[T], put: impl Fn(&mut Self, &T)) -> &mut Self {
        for (n, value) in values.iter().enumerate() {
            self.push(if n == 0 { "" } else { ", " });
            put(self, value);
        }
        // No value at all is one that nothing equals.
        self.push(if values.is_empty() { "NULL)" } else { ")" })
    }

    /// Only the rows whose `column` is the scope's tenant.
    pub(crate) fn scope(&mut self, column: &str, scope: Scope) -> &mut Self {
        match scope {
            Scope::All => self,
            Scope::Tenant(tenant) => self.filter(column).push(" = ").id(TenantId::as_u128(tenant)),
        }
    }

    /// `from <= column < to`, either end open.
    pub(crate) fn between(&mut self, column: &str, from: Option<Timestamp>, to: Option<Timestamp>) -> &mut Self {
        if let Some(from) = from {
            self.filter(column).push(" >= ").int(from.as_micros());
        }
        if let Some(to) = to {
            self.filter(column).push(" < ").int(to.as_micros());
        }
        self
    }
}
