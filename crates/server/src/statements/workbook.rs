//! A statement as a workbook: one sheet of sums, one each for projects, users and corrections, and the lines. Texts of users are
//! written as texts, which no spreadsheet computes.

use base::Money;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use wire::MoneyText;
use wire::statement::{StatementDetail, StatementPart};

use super::parts::hours;
use super::walk::Line;
use crate::convert;

/// Lines that fit into a sheet beside its heading: the format has 1,048,576 rows. About 400 bytes each while it is made, so 80 MB.
pub const LINES_MAX: usize = 200_000;

/// As a spreadsheet's number: exact up to fifteen digits, that is for amounts below 10⁹ to the micro-unit.
fn number(amount: Money) -> f64 {
    amount.micros() as f64 / 1_000_000.0
}

struct Sheet<'a> {
    sheet: &'a mut Worksheet,
    money: Format,
    bold: Format,
    row: u32,
}

enum Cell<'a> {
    Text(&'a str),
    Money(MoneyText),
    Number(f64),
}

impl<'a> Sheet<'a> {
    fn new(book: &'a mut Workbook, name: &str, heads: &[&str]) -> Result<Self, XlsxError> {
        let sheet = book.add_worksheet();
        sheet.set_name(name)?;
        let bold = Format::new().set_bold();
        for (column, head) in heads.iter().enumerate() {
            sheet.write_string_with_format(0, column as u16, *head, &bold)?;
        }
        Ok(Self { sheet, money: Format::new().set_num_format("#,##0.00####"), bold, row: u32::from(!heads.is_empty()) })
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), XlsxError> {
        for (column, cell) in cells.iter().enumerate() {
            let column = column as u16;
            match cell {
                Cell::Text(text) => self.sheet.write_string(self.row, column, *text)?,
                Cell::Money(amount) => {
                    self.sheet.write_number_with_format(self.row, column, number(amount.0), &self.money)?
                }
                Cell::Number(number) => self.sheet.write_number(self.row, column, *number)?,
            };
        }
        self.row += 1;
        Ok(())
    }

    fn fact(&mut self, name: &str, cell: Cell<'_>) -> Result<(), XlsxError> {
        self.sheet.write_string_with_format(self.row, 0, name, &self.bold)?;
        match cell {
            Cell::Text(text) => self.sheet.write_string(self.row, 1, text)?,
            Cell::Money(amount) => self.sheet.write_number_with_format(self.row, 1, number(amount.0), &self.money)?,
            Cell::Number(number) => self.sheet.write_number(self.row, 1, number)?,
        };
        self.row += 1;
        Ok(())
    }
}

/// The workbook's bytes.
///
/// # Errors
/// Of the writer: a sheet is full.
pub fn workbook(detail: &StatementDetail, lines: &[Line]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    summary(Sheet::new(&mut book, "Statement", &[])?, detail)?;
    parts(Sheet::new(&mut book, "Projects", &PART_HEADS)?, &detail.projects)?;
    parts(Sheet::new(&mut book, "Users", &PART_HEADS)?, &detail.users)?;
    let heads = ["project", "unit", "what", "quantity", "charges", "credits", "due"];
    let mut sheet = Sheet::new(&mut book, "Usage", &heads)?;
    for one in &detail.usage {
        sheet.row(&[
            Cell::Text(&one.project),
            Cell::Text(one.unit.as_str()),
            Cell::Text(&super::parts::what(one)),
            Cell::Number(one.quantity.parse().unwrap_or(0.0)),
            Cell::Money(one.charges),
            Cell::Money(one.credits),
            Cell::Money(one.due),
        ])?;
    }
    let mut sheet = Sheet::new(&mut book, "Corrections", &["time", "job", "reason", "by", "amount"])?;
    for one in &detail.corrections_made {
        let job = one.number.map_or_else(String::new, |number| number.to_string());
        let (at, amount) = (one.at.to_string(), one.amount);
        sheet.row(&[
            Cell::Text(&at),
            Cell::Text(&job),
            Cell::Text(&one.reason),
            Cell::Text(&one.by),
            Cell::Money(amount),
        ])?;
    }
    let heads =
        ["day", "kind", "job", "name", "user", "project", "pool", "hours", "amount", "note", "quantity", "unit"];
    let mut sheet = Sheet::new(&mut book, "Lines", &heads)?;
    for line in lines {
        let work = line.work.as_ref();
        let text = |text: Option<&'_ str>| text.unwrap_or_default().to_owned();
        let (day, job) = (line.day.0.rfc3339(), work.map_or_else(String::new, |w| w.number.to_string()));
        let used = line.used.as_ref();
        let quantity = used.map_or_else(String::new, |used| convert::usage::quantity(used.unit, used.pieces));
        let unit = used.map_or_else(String::new, |used| used.unit.to_string());
        let time = hours(line.micros).parse().unwrap_or(0.0);
        sheet.row(&[
            Cell::Text(&day),
            Cell::Text(line.kind.as_str()),
            Cell::Text(&job),
            Cell::Text(&text(line.name().as_deref())),
            Cell::Text(&text(line.user())),
            Cell::Text(&text(line.project())),
            Cell::Text(&text(line.pool())),
            Cell::Number(time),
            Cell::Money(line.amount.into()),
            Cell::Text(&line.note),
            Cell::Text(&quantity),
            Cell::Text(&unit),
        ])?;
    }
    book.save_to_buffer()
}

const PART_HEADS: [&str; 7] = ["name", "hours", "charges", "refunds", "corrections", "credits", "due"];

fn summary(mut sheet: Sheet<'_>, detail: &StatementDetail) -> Result<(), XlsxError> {
    let of = &detail.statement;
    let (from, to, closed) = (of.from.to_string(), of.to.to_string(), of.closed_at.to_string());
    let texts = [
        ("statement", of.name.as_str()),
        ("tenant", &of.tenant_name),
        ("month", &of.month),
        ("from", &from),
        ("to", &to),
        ("currency", &of.currency),
        ("closed_at", &closed),
        ("invoice", of.invoice.as_deref().unwrap_or_default()),
    ];
    for (name, text) in texts {
        sheet.fact(name, Cell::Text(text))?;
    }
    let amounts = [
        ("opening", of.opening),
        ("top_ups", of.top_ups),
        ("grants", of.grants),
        ("withdrawals", of.withdrawals),
        ("charges", of.charges),
        ("refunds", of.refunds),
        ("fees", of.fees),
        ("corrections", of.corrections),
        ("due", of.due),
        ("tax", of.tax),
        ("closing", of.closing),
        ("written_off", of.written_off),
    ];
    for (name, amount) in amounts {
        sheet.fact(name, Cell::Money(amount))?;
    }
    sheet.fact("tax_rate", Cell::Number(f64::from(of.tax_ppm) / 1_000_000.0))
}

fn parts(mut sheet: Sheet<'_>, parts: &[StatementPart]) -> Result<(), XlsxError> {
    for part in parts {
        sheet.row(&[
            Cell::Text(&part.name),
            Cell::Number(part.hours.parse().unwrap_or(0.0)),
            Cell::Money(part.charges),
            Cell::Money(part.refunds),
            Cell::Money(part.corrections),
            Cell::Money(part.credits),
            Cell::Money(part.due),
        ])?;
    }
    Ok(())
}
