//! A supplier's file and a mapping become lines, or every fault of the file with its line, its column and what to do.
//! Nothing is half read: one fault, and there are no lines.

use std::sync::Arc;

use base::{AttemptId, JobId, Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::amounts::Decimal;
use super::csv::{self, Broken, Record};
use super::mapping::{Column, LineKind, Mapping};
use super::statement::Quantity;

/// One line of a supplier's statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TheirLine {
    /// Line of the file, from 1.
    pub source: u32,
    /// Of a line that is not about work neither attempt, job nor user is read.
    #[serde(default, skip_serializing_if = "LineKind::is_work")]
    pub kind: LineKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// At most one of each meter.
    pub quantities: Vec<Quantity>,
    /// What we owe for it.
    pub amount: Money,
}

/// Something in the file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the file, from 1.
    pub line: u32,
    /// The heading, or `#3`.
    pub column: Option<String>,
    /// A stable word.
    pub code: &'static str,
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// Faults that are told of one file; the rest is of the same kinds.
pub const FAULTS_MAX: usize = 100;
/// Lines of one statement: 50,000 lines with both sides are about 40 MB while they are matched, and what accepting them posts
/// (at most three transfers a line) is stored in a few seconds.
pub const LINES_MAX: usize = 50_000;
/// Characters of a field that is kept as a text.
const TEXT_CHARS_MAX: usize = 200;

/// Reads all lines of a statement.
///
/// # Errors
/// Every fault in the order of the lines, at most [`FAULTS_MAX`].
pub fn read(text: &str, mapping: &Mapping) -> Result<Vec<TheirLine>, Vec<Fault>> {
    let records = csv::records(text, mapping.delimiter).map_err(|broken| vec![broken_file(broken)])?;
    let mut records = records.into_iter().filter(|record| record.line as usize > mapping.skip_first);
    let heads = match mapping.headings {
        true => match records.next() {
            Some(heads) => Some(heads),
            None => return Err(vec![nothing()]),
        },
        false => None,
    };
    let places = Places::find(mapping, heads.as_ref())?;
    let mut records: Vec<Record> = records.collect();
    records.truncate(records.len().saturating_sub(mapping.skip_last));
    let (mut lines, mut faults) = (Vec::with_capacity(records.len()), Vec::new());
    for record in &records {
        if mapping.skip_where.iter().any(|(column, text)| places.field(record, column).trim() == text) {
            continue;
        }
        match (Cells { record, mapping, places: &places }).line() {
            Ok(line) => lines.push(line),
            Err(fault) => faults.push(fault),
        }
        if faults.len() >= FAULTS_MAX {
            return Err(faults);
        }
        if lines.len() > LINES_MAX {
            let message = format!("more than {LINES_MAX} lines");
            return Err(vec![Fault {
                column: None,
                code: "too_long",
                hint: "split the statement into parts with numbers of their own",
                ..at(record, message)
            }]);
        }
    }
    match (faults.is_empty(), lines.is_empty()) {
        (false, _) => Err(faults),
        (true, true) => Err(vec![nothing()]),
        (true, false) => Ok(lines),
    }
}

fn nothing() -> Fault {
    Fault {
        line: 1,
        column: None,
        code: "empty",
        message: "the file has no lines after what is to be skipped".into(),
        hint: "look at delimiter, skip_first, skip_last and headings of the mapping",
    }
}

fn broken_file(broken: Broken) -> Fault {
    let (line, message) = match broken {
        Broken::Unclosed(line) => (line, "a quoted field begins here and never ends"),
        Broken::AfterQuote(line) => (line, "something stands between a closing quote and the delimiter"),
    };
    Fault {
        line,
        column: None,
        code: "not_csv",
        message: message.into(),
        hint: "export the file again as CSV, or write quotes inside a field twice",
    }
}

fn at(record: &Record, message: String) -> Fault {
    Fault { line: record.line, column: None, code: "", message, hint: "" }
}

/// Where the mapping's columns are.
struct Places {
    known: Vec<(Column, usize)>,
}

impl Places {
    fn find(mapping: &Mapping, heads: Option<&Record>) -> Result<Places, Vec<Fault>> {
        let (mut known, mut faults): (Vec<(Column, usize)>, Vec<Fault>) = (Vec::new(), Vec::new());
        for column in mapping.every_column() {
            if known.iter().any(|(c, _)| c == column) {
                continue;
            }
            let fields = heads.map_or(&[][..], |h| &h.fields);
            let mut named = fields.iter().enumerate().filter(|(_, head)| head.trim() == column.0).map(|(n, _)| n);
            let number =
                column.0.strip_prefix('#').and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_sub(1));
            match (named.next(), named.next(), number) {
                (Some(at), None, _) => known.push((column.clone(), at)),
                (None, _, Some(at)) => known.push((column.clone(), at)),
                (Some(_), Some(_), _) => faults.push(heading(
                    heads,
                    column,
                    "two columns have this heading",
                    "name the column by its number: `#3`",
                )),
                (None, _, None) => faults.push(heading(
                    heads,
                    column,
                    "no column has this heading",
                    "correct the mapping, or its skip_first and delimiter",
                )),
            }
        }
        if faults.is_empty() { Ok(Places { known }) } else { Err(faults) }
    }

    fn field<'a>(&self, record: &'a Record, column: &Column) -> &'a str {
        let place = self.known.iter().find(|(c, _)| c == column).map(|(_, at)| *at);
        place.and_then(|at| record.fields.get(at)).map_or("", |text| text.trim())
    }
}

fn heading(heads: Option<&Record>, column: &Column, message: &str, hint: &'static str) -> Fault {
    Fault {
        line: heads.map_or(1, |h| h.line),
        column: Some(column.0.clone()),
        code: "no_column",
        message: message.into(),
        hint,
    }
}

/// One record under the mapping.
struct Cells<'a> {
    record: &'a Record,
    mapping: &'a Mapping,
    places: &'a Places,
}

impl Cells<'_> {
    fn fault(&self, column: &Column, code: &'static str, message: String, hint: &'static str) -> Fault {
        Fault { line: self.record.line, column: Some(column.0.clone()), code, message, hint }
    }

    fn text(&self, column: Option<&Column>) -> Result<Option<Arc<str>>, Fault> {
        let Some(column) = column else { return Ok(None) };
        let text = self.places.field(self.record, column);
        if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
            let message = format!("more than {TEXT_CHARS_MAX} characters, or control characters");
            return Err(self.fault(column, "bad_text", message, "shorten it, and take line breaks out"));
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }

    fn time(&self, column: Option<&Column>) -> Result<Option<Timestamp>, Fault> {
        let Some(column) = column else { return Ok(None) };
        let text = self.places.field(self.record, column);
        if text.is_empty() {
            return Ok(None);
        }
        let message = || format!("`{text:.40}` is not a time as the mapping writes it");
        let read = self.mapping.times.read(text).map(Some);
        read.ok_or_else(|| {
            self.fault(column, "bad_time", message(), "correct the field, or times.format of the mapping")
        })
    }

    fn number(&self, column: &Column) -> Result<Decimal, Fault> {
        let text = self.places.field(self.record, column);
        let message = || format!("`{text:.40}` is not a number as the mapping writes it");
        let hint = "correct the field, or numbers.decimal, numbers.thousands and numbers.strip of the mapping";
        self.mapping.numbers.read(text).ok_or_else(|| self.fault(column, "bad_number", message(), hint))
    }

    fn in_range(&self, column: &Column, value: Option<i64>) -> Result<i64, Fault> {
        let hint = "correct the field; amounts below nine million million fit";
        value.ok_or_else(|| self.fault(column, "out_of_range", "the number is too large".into(), hint))
    }

    /// Quantities in the order of the meters, and the first number of the mapping's order as it is written.
    fn quantities(&self) -> Result<(Vec<Quantity>, Option<Decimal>), Fault> {
        let (mut quantities, mut first): (Vec<Quantity>, _) = (Vec::new(), None);
        for (unit, column) in &self.mapping.columns.quantities {
            if self.places.field(self.record, column).is_empty() {
                continue;
            }
            let value = self.number(column)?;
            let micros = self.in_range(column, value.times(unit.seconds * 1_000_000))?;
            first.get_or_insert(value);
            if quantities.iter().any(|q| q.meter == unit.meter) {
                let message = format!("a second quantity of {}s", unit.meter.as_str());
                return Err(self.fault(column, "twice", message, "leave one of the two empty, or out of the mapping"));
            }
            quantities.push(Quantity { meter: unit.meter, micros });
        }
        quantities.sort_unstable();
        Ok((quantities, first))
    }

    /// What is owed: the amount as written, or price times quantity.
    fn amount(&self, first: Option<Decimal>) -> Result<Money, Fault> {
        let columns = &self.mapping.columns;
        let micros = match (&columns.amount, &columns.price) {
            (Some(column), _) => self.in_range(column, self.number(column)?.times(1_000_000))?,
            (None, Some(column)) => {
                let price = self.number(column)?;
                let missing =
                    || self.fault(column, "no_quantity", "a price without a quantity".into(), "fill in a quantity");
                self.in_range(column, price.times_decimal(first.ok_or_else(missing)?, 1_000_000))?
            }
            // Refused by the check of the mapping.
            (None, None) => 0,
        };
        Ok(Money(if self.mapping.negative { -micros } else { micros }))
    }

    fn kind(&self) -> LineKind {
        let column = self.mapping.columns.kind.as_ref();
        let word = column.map(|column| self.places.field(self.record, column));
        word.and_then(|word| self.mapping.kinds.get(word)).copied().unwrap_or(self.mapping.kind)
    }

    fn attempt(&self) -> Result<Option<AttemptId>, Fault> {
        let column = self.mapping.columns.attempt.as_ref();
        let Some((text, column)) = self.text(column)?.zip(column) else { return Ok(None) };
        match attempt_in(&text) {
            None if text.starts_with("att_") => {
                let hint = "correct the field: `att_`, 32 hexadecimal digits, `_`, a number";
                Err(self.fault(column, "bad_attempt", format!("`{text:.60}` is not an attempt id"), hint))
            }
            found => Ok(found),
        }
    }

    fn line(&self) -> Result<TheirLine, Fault> {
        let columns = &self.mapping.columns;
        let (quantities, first) = self.quantities()?;
        let (start, end) = (self.time(columns.start.as_ref())?, self.time(columns.end.as_ref())?);
        if let (Some(from), Some(to), Some(column)) = (start, end, &columns.end)
            && to < from
        {
            return Err(self.fault(column, "bad_time", "it ends before it starts".into(), "correct start or end"));
        }
        let (source, amount, kind) = (self.record.line, self.amount(first)?, self.kind());
        if kind.is_minimum() {
            let (attempt, external, cluster, user) = (None, None, None, None);
            let quantities = Vec::new();
            return Ok(TheirLine { source, kind, attempt, external, cluster, user, start, end, quantities, amount });
        }
        Ok(TheirLine {
            source,
            kind,
            attempt: self.attempt()?,
            external: self.text(columns.external.as_ref())?,
            cluster: self.text(columns.cluster.as_ref())?,
            user: self.text(columns.user.as_ref())?,
            start,
            end,
            quantities,
            amount,
        })
    }
}

/// The attempt that a text names: its id, or the key that jobs carry as their name, or first in their comment (`hw-`, eight
/// hexadecimal digits, `-`, 32 of them, `-`, a number). Another text names none: it may be somebody else's job.
fn attempt_in(text: &str) -> Option<AttemptId> {
    let word = text.split_whitespace().next()?;
    if let Ok(id) = word.parse() {
        return Some(id);
    }
    let (realm, rest) = word.strip_prefix("hw-")?.split_once('-')?;
    let (job, number) = rest.split_once('-')?;
    let hex = |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex(realm, 8) || !hex(job, 32) {
        return None;
    }
    Some(AttemptId::new(JobId::from_u128(u128::from_str_radix(job, 16).ok()?), number.parse().ok()?))
}
