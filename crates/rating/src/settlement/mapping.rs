//! Which column of a supplier's statement is what, and how its numbers and times are written; checked when it is made.
//! Refuses to know in what form people write a mapping down.

use std::collections::BTreeMap;

use base::Money;
use serde::{Deserialize, Serialize};

use super::amounts::{NumberFormat, TimeFormat};
use super::statement::Meter;

/// A unit in which a statement gives quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuantityUnit {
    pub meter: Meter,
    /// 1, 60 or 3,600.
    pub seconds: i64,
}

impl QuantityUnit {
    /// `core_hours`, `node_minutes`, `card_seconds` … and the same in the singular or with `-`.
    pub fn parse(text: &str) -> Option<QuantityUnit> {
        let text = text.replace(['-', ' '], "_");
        let (meter, time) = text.split_once('_')?;
        let meter = Meter::ALL.into_iter().find(|m| m.as_str() == meter)?;
        let seconds = match time.strip_suffix('s').unwrap_or(time) {
            "hour" => 3_600,
            "minute" => 60,
            "second" => 1,
            _ => return None,
        };
        Some(QuantityUnit { meter, seconds })
    }
}

/// A column by its heading, or by its number from 1 as `#3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column(pub String);

/// What a line of a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    #[default]
    Work,
    /// What was bought less than agreed on.
    Minimum,
}

impl LineKind {
    pub const fn is_work(&self) -> bool {
        matches!(self, Self::Work)
    }
    pub const fn is_minimum(&self) -> bool {
        matches!(self, Self::Minimum)
    }
}

/// What is where. Amount, or price and one quantity, and something to match by are needed; see [`Mapping::check`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Columns {
    /// Whose words say what a line is about, see [`Mapping::kinds`].
    pub kind: Option<Column>,
    /// The attempt's id, or the name or comment its job has on the cluster, which carries it.
    pub attempt: Option<Column>,
    /// What the cluster calls the job.
    pub external: Option<Column>,
    pub cluster: Option<Column>,
    pub user: Option<Column>,
    pub start: Option<Column>,
    pub end: Option<Column>,
    pub amount: Option<Column>,
    /// Of one unit of the first quantity.
    pub price: Option<Column>,
    pub quantities: Vec<(QuantityUnit, Column)>,
}

/// By how much two values may differ and still count as the same: the larger of the two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tolerance {
    pub amount: Money,
    /// Of a quantity, in thousandths of an hour of its meter.
    pub quantity_milli_hours: i64,
    /// Thousandths of our own value.
    pub per_mille: i64,
}

/// A checked mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub delimiter: char,
    /// Lines before the headings, or before the first line where there are none.
    pub skip_first: usize,
    /// Lines at the end: totals, signatures.
    pub skip_last: usize,
    pub headings: bool,
    /// Lines whose column has this text are no lines of the statement.
    pub skip_where: Vec<(Column, String)>,
    pub columns: Columns,
    /// What lines are about whose word is not in `kinds`, or all where there is no column of it.
    pub kind: LineKind,
    /// Their word → what the line is about.
    pub kinds: BTreeMap<String, LineKind>,
    pub numbers: NumberFormat,
    pub times: TimeFormat,
    /// What is owed is written with a minus.
    pub negative: bool,
    /// Their name of a user → ours; `*` stands for anybody's work. Names that are not here count as they are.
    pub users: BTreeMap<String, String>,
    pub tolerance: Tolerance,
    /// No pair by user and time below this share of the time that either side names.
    pub overlap_percent_min: u32,
}

/// What is wrong with a mapping as a whole, by the name of the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct MappingFault {
    pub field: &'static str,
    pub message: &'static str,
}

impl Mapping {
    /// # Errors
    /// The first thing that is missing or contradicts another.
    pub fn check(&self) -> Result<(), MappingFault> {
        let fault = |field, message| Err(MappingFault { field, message });
        let Columns { kind, attempt, external, user, start, end, amount, price, quantities, .. } = &self.columns;
        if amount.is_none() && (price.is_none() || quantities.is_empty()) {
            return fault("columns.amount", "name the column of the amount, or those of the price and of one quantity");
        }
        let by_time = user.is_some() && start.is_some() && end.is_some();
        if kind.is_none() != self.kinds.is_empty() {
            return fault("kinds", "name the column of the kind, and what its words say");
        }
        if self.is_about(LineKind::Work) && attempt.is_none() && external.is_none() && !by_time {
            return fault("columns.attempt", "name a column to match by: attempt, job, or user with start and end");
        }
        if start.is_some() != end.is_some() {
            return fault("columns.start", "name both start and end, or neither");
        }
        if !matches!(self.numbers.decimal, '.' | ',') || self.numbers.thousands == Some(self.numbers.decimal) {
            return fault("numbers.decimal", "`.` or `,`, and another sign between thousands");
        }
        if self.numbers.thousands.is_some_and(|c| c.is_ascii_digit() || c == '-') {
            return fault("numbers.thousands", "not a digit and not a minus");
        }
        if matches!(self.delimiter, '"' | '\n' | '\r') {
            return fault("delimiter", "not a quote and not the end of a line");
        }
        if matches!(&self.times, TimeFormat::Pattern { pattern, .. } if !TimeFormat::is_complete(pattern)) {
            return fault("times.format", "`standard`, or a pattern with YYYY, MM and DD once each");
        }
        if !(1..=100).contains(&self.overlap_percent_min) {
            return fault("overlap_percent_min", "from 1 to 100");
        }
        let Tolerance { amount, quantity_milli_hours, per_mille } = self.tolerance;
        if amount.is_negative() || quantity_milli_hours < 0 || !(0..1_000).contains(&per_mille) {
            return fault("tolerance", "no bound is negative, and per_mille is below 1000");
        }
        if !self.headings && self.every_column().any(|c| !c.0.starts_with('#')) {
            return fault("columns", "without headings columns are named by their number: `#1`");
        }
        Ok(())
    }

    /// Whether lines of it may be about that; what is ours alone is told of such things only.
    pub fn is_about(&self, kind: LineKind) -> bool {
        self.kind == kind || (self.columns.kind.is_some() && self.kinds.values().any(|one| *one == kind))
    }

    pub(super) fn every_column(&self) -> impl Iterator<Item = &Column> {
        let c = &self.columns;
        let named = [&c.kind, &c.attempt, &c.external, &c.cluster, &c.user, &c.start, &c.end, &c.amount, &c.price];
        let quantities = c.quantities.iter().map(|(_, column)| column);
        named.into_iter().flatten().chain(quantities).chain(self.skip_where.iter().map(|(column, _)| column))
    }
}
