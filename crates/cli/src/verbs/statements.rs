//! Tenants' statements: months closed, shown, written out; corrections of what was billed; exports of the books.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use client::{Client, Content};
use wire::statement::{
    Correction, CorrectionCreate, ExportQuery, InvoiceSet, StatementDetail, StatementPart, StatementsClose,
    StatementsClosed, StatementsQuery, TaxSet, TenantStatement,
};
use wire::{Export as Exported, MoneyText, StatementFormat};

use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::{Lang, Word};
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Statements {
    #[command(subcommand)]
    pub act: Option<StatementAct>,
}

#[derive(Debug, Subcommand)]
pub enum StatementAct {
    /// Statements, newest first (the default)
    List {
        /// Only this tenant's; your own when left out (for operators: all)
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// Only of this month: 2026-10
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        #[command(flatten)]
        most: Most,
    },
    /// Close months that are over; what is closed is numbered and never changes
    Close {
        /// Up to and with this one, 2026-10; the last that is over when left out
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Only this tenant's; all tenants' when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// A statement with its sums by project, user and job
    Show {
        /// Number of the statement
        #[arg(value_name = "N")]
        number: u64,
    },
    /// Write a statement out: CSV in the FOCUS columns, a workbook, a page to print
    Export {
        /// Number of the statement
        #[arg(value_name = "N")]
        number: u64,
        /// focus, xlsx, html, csv or json
        #[arg(long, value_name = "FORMAT", default_value = "focus", value_parser = choice(StatementFormat::ALL, StatementFormat::as_str))]
        format: StatementFormat,
        /// Into this file; to standard output when left out
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Note the number of the invoice that was written for a statement; once
    Invoice {
        /// Number of the statement
        #[arg(value_name = "N")]
        number: u64,
        /// Number of the invoice
        #[arg(value_name = "INVOICE")]
        invoice: String,
    },
    /// Set the rate of the tax that a tenant's prices contain
    Tax {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// In percent: 6, 6.5 or 6%
        #[arg(value_name = "PERCENT", value_parser = percent)]
        rate: u32,
    },
}

/// Percent, with four places at most, in parts of a million.
fn percent(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is not a rate from 0 to 100 percent with at most four places");
    let micros = text.trim_end_matches('%').trim().parse::<base::Money>().map_err(|_| wrong())?.0;
    u32::try_from(micros / 100).ok().filter(|ppm| micros % 100 == 0 && *ppm <= 1_000_000).ok_or_else(wrong)
}

pub async fn statements(desk: &Desk, args: Statements) -> Result<View, Fault> {
    let client = desk.client()?;
    let usual = || StatementAct::List { tenant: None, month: None, most: Most { limit: LIST_USUAL } };
    match args.act.unwrap_or_else(usual) {
        StatementAct::List { tenant, month, most } => {
            let query = StatementsQuery { tenant, month, ..StatementsQuery::default() };
            let page = client.statements(&query).take(most.limit).await?;
            Ok(View::table(&page, list(&page.items)))
        }
        StatementAct::Close { month, tenant } => {
            let close = StatementsClose { month, tenant };
            let mut all = StatementsClosed { month: String::new(), closed: 0, first: None, more: true };
            while all.more {
                let done = client.close_statements(&close).await?;
                all.first = all.first.or(done.first);
                all = StatementsClosed { closed: all.closed + done.closed, first: all.first, ..done };
            }
            let gaps = [("n", all.closed.to_string()), ("month", all.month.clone())];
            Ok(View::note(&all, Word::MonthsClosed.fill(desk.lang(), &gaps)))
        }
        StatementAct::Show { number } => Ok(show(&whole(&client, number).await?)),
        StatementAct::Export { number, format: StatementFormat::Json, output } => {
            let text = serde_json::to_vec(&whole(&client, number).await?);
            let text = text.map_err(|fault| Fault::file("statement")(fault.into()))?;
            match output {
                Some(path) => std::fs::write(&path, text).map_err(Fault::file(&path))?,
                None => desk.out_bytes(&text)?,
            }
            Ok(View::done(Exit::Ok))
        }
        StatementAct::Export { number, format, output } => {
            let lang = match desk.lang() {
                Lang::Zh => "zh",
                Lang::En => "en",
            };
            let content = client.statement_file(number, format, Some(lang)).await?;
            put(desk, content, output.as_deref()).await
        }
        StatementAct::Invoice { number, invoice } => {
            let done = client.set_invoice(number, &InvoiceSet { invoice }).await?;
            let gaps = [("n", done.name.clone()), ("invoice", done.invoice.clone().unwrap_or_default())];
            Ok(View::note(&done, Word::InvoiceNoted.fill(desk.lang(), &gaps)))
        }
        StatementAct::Tax { tenant, rate } => {
            let done = client.set_tax(&tenant, &TaxSet { tax_ppm: rate }).await?;
            let gaps = [("tenant", tenant), ("rate", rate_text(done.tax_ppm))];
            Ok(View::note(&done, Word::TaxIsSet.fill(desk.lang(), &gaps)))
        }
    }
}

/// A statement with all of its jobs.
async fn whole(client: &Client, number: u64) -> Result<StatementDetail, Fault> {
    let mut detail = client.statement(number).await?;
    if detail.jobs_total > detail.jobs.len() as u64 {
        detail.jobs = client.statement_jobs(number).take(usize::MAX).await?.items;
    }
    Ok(detail)
}

/// Parts of a million as percent.
fn rate_text(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Bytes as they come, into a file or to standard output.
async fn put(desk: &Desk, mut content: Content, output: Option<&Path>) -> Result<View, Fault> {
    let Some(path) = output else {
        while let Some(piece) = content.next().await? {
            desk.out_bytes(&piece)?;
        }
        return Ok(View::done(Exit::Ok));
    };
    let fault = |source| Fault::File { path: path.to_owned(), source };
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(fault)?);
    while let Some(piece) = content.next().await? {
        file.write_all(&piece).map_err(fault)?;
    }
    file.flush().map_err(fault)?;
    Ok(View::done(Exit::Ok))
}

fn list(statements: &[TenantStatement]) -> Table {
    let heads = [
        Word::Number,
        Word::Name,
        Word::Tenant,
        Word::Month,
        Word::OpeningBalance,
        Word::Charge,
        Word::GivenBack,
        Word::Corrections,
        Word::AmountDue,
        Word::TaxWithin,
        Word::ClosingBalance,
        Word::Currency,
        Word::InvoiceNumber,
    ];
    let row = |one: &TenantStatement| {
        vec![
            Cell::number(one.number),
            Cell::text(&one.name),
            Cell::text(&one.tenant_name),
            Cell::text(&one.month),
            Cell::Money(one.opening),
            Cell::Money(one.charges),
            Cell::Money(one.refunds),
            Cell::Money(one.corrections),
            Cell::Money(one.due),
            Cell::Money(one.tax),
            Cell::Money(one.closing),
            Cell::text(&one.currency),
            Cell::maybe(one.invoice.as_ref(), Cell::text),
        ]
    };
    Table::new("statement", &heads).with(statements.iter().map(row))
}

fn show(detail: &StatementDetail) -> View {
    let of = &detail.statement;
    let price = |amount: MoneyText| Cell::price(amount, &of.currency);
    let facts = vec![
        (Word::Number, Cell::text(&of.name)),
        (Word::Tenant, Cell::text(&of.tenant_name)),
        (Word::Month, Cell::text(&of.month)),
        (Word::From, Cell::Time(of.from)),
        (Word::Until, Cell::Time(of.to)),
        (Word::OpeningBalance, price(of.opening)),
        (Word::PaidIn, price(of.top_ups)),
        (Word::GrantedFree, price(of.grants)),
        (Word::TakenOut, price(of.withdrawals)),
        (Word::Charge, price(of.charges)),
        (Word::GivenBack, price(of.refunds)),
        (Word::FeesWithin, price(of.fees)),
        (Word::Corrections, price(of.corrections)),
        (Word::AmountDue, price(of.due)),
        (Word::TaxRate, Cell::text(rate_text(of.tax_ppm))),
        (Word::TaxWithin, price(of.tax)),
        (Word::ClosingBalance, price(of.closing)),
        (Word::Uncollected, price(of.written_off)),
        (Word::MonthClosedAt, Cell::Time(of.closed_at)),
        (Word::InvoiceNumber, Cell::maybe(of.invoice.as_ref(), Cell::text)),
    ];
    let parts = |head: Word, parts: &[StatementPart]| {
        let heads = [
            Word::Number,
            head,
            Word::HoursTotal,
            Word::Charge,
            Word::GivenBack,
            Word::Corrections,
            Word::PaidByGrants,
            Word::AmountDue,
        ];
        let row = |one: &StatementPart| {
            vec![
                Cell::maybe(one.number, Cell::number),
                Cell::text(&one.name),
                Cell::number(&one.hours),
                Cell::Money(one.charges),
                Cell::Money(one.refunds),
                Cell::Money(one.corrections),
                Cell::Money(one.credits),
                Cell::Money(one.due),
            ]
        };
        Part::Table(Table::new("part", &heads).with(parts.iter().map(row)))
    };
    let mut all = vec![Part::Facts(facts), parts(Word::Project, &detail.projects), parts(Word::User, &detail.users)];
    all.push(parts(Word::Job, &detail.jobs));
    if !detail.corrections_made.is_empty() {
        all.push(Part::Table(corrections(&detail.corrections_made)));
    }
    View::of(detail, all)
}

/// Corrections, one a row.
pub fn corrections(made: &[Correction]) -> Table {
    let heads = [Word::Time, Word::Job, Word::Corrections, Word::Currency, Word::Reason, Word::Who];
    let row = |one: &Correction| {
        vec![
            Cell::Time(one.at),
            Cell::maybe(one.number, Cell::number),
            Cell::Money(one.amount),
            Cell::text(&one.currency),
            Cell::text(&one.reason),
            Cell::text(&one.by),
        ]
    };
    Table::new("correction", &heads).with(made.iter().map(row))
}

#[derive(Debug, Args)]
pub struct Correct {
    /// The tenant
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// Added to what it is asked for; a negative amount gives back
    #[arg(value_name = "AMOUNT", allow_negative_numbers = true)]
    pub amount: MoneyText,
    /// The job that it is about
    #[arg(long, short = 'j', value_name = "JOB")]
    pub job: Option<String>,
    /// Why; the tenant reads it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Name of this correction: repeated under the same key it happens once
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

pub async fn correct(desk: &Desk, args: Correct) -> Result<View, Fault> {
    let Correct { tenant, amount, job, reason, idempotency_key } = args;
    let correction = CorrectionCreate { amount, job, reason };
    let done = desk.client()?.correct(&tenant, &correction, idempotency_key.as_deref()).await?;
    let gaps = [("balance", done.balance.to_string()), ("currency", done.currency.clone())];
    Ok(View::note(&done, Word::ToppedUp.fill(desk.lang(), &gaps)))
}

#[derive(Debug, Args)]
pub struct Export {
    /// intervals, transfers, prices, statements, corrections or accounts
    #[arg(value_name = "WHAT", value_parser = choice(Exported::ALL, Exported::as_str))]
    pub what: Exported,
    /// From here on
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// Up to here
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// As CSV, which is the only form there is
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Into this file; to standard output when left out
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
}

pub async fn export(desk: &Desk, args: Export) -> Result<View, Fault> {
    let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
    let query = ExportQuery { from: at(&args.from), to: at(&args.to), tenant: args.tenant };
    put(desk, desk.client()?.export(args.what, &query).await?, args.output.as_deref()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_percent() {
        for (text, ppm) in [("6", 60_000), ("6.5%", 65_000), ("0", 0), ("100 %", 1_000_000), ("0.0001", 1)] {
            assert_eq!(percent(text), Ok(ppm), "{text}");
        }
        for text in ["", "x", "101", "-1", "0.00001"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert_eq!([rate_text(60_000), rate_text(65_000), rate_text(1)], ["6 %", "6.5 %", "0.0001 %"]);
    }
}
