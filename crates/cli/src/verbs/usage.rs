//! Storage, traffic, requests and tokens: what was billed, sums by unit, and reporting from a file.

use clap::{Args, Subcommand};
use wire::PriceUnit;
use wire::usage::{Usage, UsageQuery, UsageRecord, UsageReport, UsageResult, UsageSum, UsageTaken};

use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Usages {
    #[command(subcommand)]
    pub act: Option<UsageAct>,
}

#[derive(Debug, Subcommand)]
pub enum UsageAct {
    /// Records as they were billed, newest first (the default)
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        most: Most,
    },
    /// What was used and what it came to, by tenant, unit, model and kind
    Sums(Which),
    /// Report what was used, from a file; what was reported before is not billed again
    Report {
        /// CSV with a line of headings, or JSON: id, tenant, project, user, unit, pieces, from, to, product, pool, label, model, kind; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
        /// Who reports it: ids are its own
        #[arg(long, value_name = "NAME")]
        source: String,
    },
}

#[derive(Debug, Default, Args)]
pub struct Which {
    /// Name or id of a tenant
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Only this unit
    #[arg(long, value_name = "UNIT", value_parser = choice(PriceUnit::ALL, PriceUnit::as_str))]
    pub unit: Option<PriceUnit>,
    /// Only of this model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Only of this project
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only of this user
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// Usage that ended then or later
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// Usage that ended before
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
}

/// Records of one request.
const AT_ONCE: usize = 1_000;

pub async fn usage(desk: &Desk, args: Usages) -> Result<View, Fault> {
    let client = desk.client()?;
    let usual = UsageAct::List { which: Which::default(), most: Most { limit: LIST_USUAL } };
    match args.act.unwrap_or(usual) {
        UsageAct::List { which, most } => {
            let page = client.usage(&query(desk, which)).take(most.limit).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        UsageAct::Sums(which) => {
            let sums = client.usage_sums(&query(desk, which)).await?;
            Ok(View::table(&sums, sums_table(&sums.items)))
        }
        UsageAct::Report { file, source } => {
            let text = desk.read(&file)?;
            let bad = |why| Fault::Usage(Word::BadFile, vec![("path", file.clone()), ("why", why)]);
            let records = records(&text).map_err(bad)?;
            let mut done = UsageTaken { booked: 0, again: 0, refused: 0, results: Vec::with_capacity(records.len()) };
            for some in records.chunks(AT_ONCE) {
                let report = UsageReport { source: source.clone(), records: some.to_vec() };
                let taken = client.report_usage(&report).await?;
                done.booked += taken.booked;
                done.again += taken.again;
                done.refused += taken.refused;
                done.results.extend(taken.results);
            }
            Ok(View::table(&done, results_table(&done.results)))
        }
    }
}

fn query(desk: &Desk, which: Which) -> UsageQuery {
    let at = |when: When| when.at(desk.now(), &desk.settings.look.zone);
    let Which { tenant, unit, model, project, user, from, to } = which;
    let (from, to) = (from.map(at), to.map(at));
    UsageQuery { tenant, unit, model, project, user, from, to, limit: None, cursor: None }
}

/// A list of records as JSON, or a line for each below a line of headings.
fn records(text: &str) -> Result<Vec<UsageRecord>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|fault| fault.to_string());
    }
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let Some((_, heads)) = lines.next() else { return Ok(Vec::new()) };
    let heads = fields(heads);
    let record = |(n, line): (usize, &str)| {
        let fields = fields(line);
        if fields.len() != heads.len() {
            return Err(format!("line {n} has {} fields, the first one {}", fields.len(), heads.len()));
        }
        let said = heads.iter().zip(fields).filter(|(_, field)| !field.is_empty());
        let of = said.map(|(head, field)| (head.clone(), serde_json::Value::from(field))).collect();
        serde_json::from_value(serde_json::Value::Object(of)).map_err(|fault| format!("line {n}: {fault}"))
    };
    lines.map(record).collect()
}

/// The fields of a line by RFC 4180; none has an end of line in it.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field).trim().to_owned()),
            other => field.push(other),
        }
    }
    all.push(field.trim().to_owned());
    all
}

fn table(usage: &[Usage]) -> Table {
    let heads = [
        Word::Number,
        Word::Tenant,
        Word::Project,
        Word::User,
        Word::PriceUnit,
        Word::Model,
        Word::UsageKind,
        Word::Quantity,
        Word::Included,
        Word::From,
        Word::Until,
        Word::Charge,
        Word::Currency,
        Word::UsedWhat,
    ];
    let row = |one: &Usage| {
        vec![
            Cell::number(one.number),
            Cell::text(&one.tenant_name),
            Cell::text(&one.project_name),
            Cell::maybe(one.user_name.as_ref(), Cell::text),
            Cell::text(one.unit.as_str()),
            Cell::maybe(one.model.as_ref(), Cell::text),
            Cell::maybe(one.kind.as_ref(), Cell::text),
            Cell::number(&one.quantity),
            Cell::number(&one.included_quantity),
            Cell::Time(one.from),
            Cell::Time(one.to),
            Cell::Money(one.charge),
            Cell::text(&one.currency),
            Cell::maybe(one.label.as_ref(), Cell::text),
        ]
    };
    Table::new("usage", &heads).with(usage.iter().map(row))
}

fn sums_table(sums: &[UsageSum]) -> Table {
    let heads = [
        Word::Tenant,
        Word::PriceUnit,
        Word::Model,
        Word::UsageKind,
        Word::Records,
        Word::Quantity,
        Word::Included,
        Word::Charge,
        Word::Credits,
        Word::WrittenOff,
        Word::Currency,
    ];
    let row = |one: &UsageSum| {
        vec![
            Cell::text(&one.tenant_name),
            Cell::text(one.unit.as_str()),
            Cell::maybe(one.model.as_ref(), Cell::text),
            Cell::maybe(one.kind.as_ref(), Cell::text),
            Cell::number(one.records),
            Cell::number(&one.quantity),
            Cell::number(&one.included_quantity),
            Cell::Money(one.charge),
            Cell::Money(one.credited),
            Cell::Money(one.uncollected),
            Cell::text(&one.currency),
        ]
    };
    Table::new("usage", &heads).with(sums.iter().map(row))
}

fn results_table(results: &[UsageResult]) -> Table {
    let heads = [Word::RecordId, Word::Booked, Word::BookedBefore, Word::Charge, Word::Reason];
    let row = |one: &UsageResult| {
        vec![
            Cell::text(&one.id),
            Cell::YesNo(one.booked),
            Cell::YesNo(one.again),
            Cell::maybe(one.charge, Cell::Money),
            Cell::maybe(one.detail.as_ref(), Cell::text),
        ]
    };
    Table::new("record", &heads).with(results.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_both_kinds_say_the_same() {
        let csv = "id,tenant,unit,pieces,from,to,label\r\na-1,lab,kilotoken,1500,2026-11-01T00:00:00Z,,\"m \"\"x\"\", 7b\"\r\n\r\n";
        let json = r#"[{"id": "a-1", "tenant": "lab", "unit": "kilotoken", "pieces": "1500", "from": "2026-11-01T00:00:00Z",
            "label": "m \"x\", 7b"}]"#;
        let read = records(csv).unwrap();
        assert_eq!(read, records(json).unwrap());
        assert_eq!((read.len(), read[0].label.as_deref(), &*read[0].pieces), (1, Some("m \"x\", 7b"), "1500"));
        assert_eq!(records("").unwrap(), Vec::new());
        assert!(records("id,tenant\nx").unwrap_err().contains("line 2 has 1 fields"));
        assert!(records("id,tenant\nx,y").unwrap_err().contains("line 2: missing field `unit`"));
    }
}
