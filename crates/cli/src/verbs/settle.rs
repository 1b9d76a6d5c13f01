//! Settling with suppliers: statements taken in, what differs, disputes, acceptance, payments.

use clap::{Args, Subcommand};
use client::Client;
use serde::Serialize;
use wire::settlement::{
    LineQuantity, LinesQuery, LinesResolve, Settlement, SettlementLine, SettlementNote, SettlementPay, SettlementSums,
    StatementImport, StatementMapping,
};
use wire::{LineKind, LineResolution, LineVerdict, LinesOnly, MoneyText};

use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Settle {
    #[command(subcommand)]
    pub act: Option<SettleAct>,
}

#[derive(Debug, Subcommand)]
pub enum SettleAct {
    /// Statements that were taken in, newest first (the default)
    List(Most),
    /// Take a supplier's statement in and match it with what was accrued; nothing is taken in half
    Import {
        /// The statement, CSV; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
        /// What it is and which column is what, TOML; the one kept of its supplier when left out
        #[arg(long, value_name = "FILE", required_unless_present = "supplier")]
        mapping: Option<String>,
        #[command(flatten)]
        of: Of,
        /// Keep the mapping for the supplier's next statement
        #[arg(long, requires = "mapping")]
        keep: bool,
        /// Amounts that differ by no more are the same, whatever the mapping says
        #[arg(long, value_name = "AMOUNT")]
        tolerance: Option<MoneyText>,
        /// Thousandths of our own value by which amounts and quantities may differ, whatever the mapping says
        #[arg(long, value_name = "N")]
        tolerance_per_mille: Option<u32>,
        /// Name of this act: repeated under the same key it happens once
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// The mapping that is kept of a supplier, as the file that `import` takes
    Mapping {
        /// Name or id of the supplier
        #[arg(value_name = "SUPPLIER")]
        supplier: String,
    },
    /// A statement with its lines
    Show {
        /// Our number of the settlement
        #[arg(value_name = "N")]
        number: u64,
        /// Only lines that differ, or only those in dispute
        #[arg(long, value_name = "WHICH", value_parser = choice(LinesOnly::ALL, LinesOnly::as_str))]
        only: Option<LinesOnly>,
        #[command(flatten)]
        most: Most,
    },
    /// Begin a dispute about lines, or take an agreement back
    Dispute {
        /// Our number of the settlement
        #[arg(value_name = "N")]
        number: u64,
        /// Numbers of lines
        #[arg(value_name = "LINE", required = true)]
        lines: Vec<u32>,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// End disputes by agreement
    Resolve(Resolve),
    /// Accept a statement in which nothing is in dispute, and book it; its lines never change again
    Accept {
        /// Our number of the settlement
        #[arg(value_name = "N")]
        number: u64,
        /// Name of this act: repeated under the same key it happens once
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Take back a statement that is not accepted, so that it can be imported again
    Withdraw {
        /// Our number of the settlement
        #[arg(value_name = "N")]
        number: u64,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Pay what is owed by an accepted statement
    Pay {
        /// Our number of the settlement
        #[arg(value_name = "N")]
        number: u64,
        /// A part of it; all that is left when left out
        #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
        amount: Option<MoneyText>,
        /// What it is
        #[arg(long, value_name = "TEXT", default_value = "")]
        memo: String,
        /// Name of this payment: repeated under the same key it happens once
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
}

/// Which statement it is, where the mapping is the one that was kept.
#[derive(Debug, Args)]
pub struct Of {
    /// The supplier whose mapping was kept
    #[arg(long, value_name = "SUPPLIER", conflicts_with = "mapping", requires_all = ["statement", "from", "to"])]
    pub supplier: Option<String>,
    /// The supplier's number of the statement
    #[arg(long, value_name = "TEXT", requires = "supplier")]
    pub statement: Option<String>,
    /// Work that ended after this
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when, requires = "supplier")]
    pub from: Option<When>,
    /// and not after this
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when, requires = "supplier")]
    pub to: Option<When>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("agreement").required(true).args(["ours", "theirs", "amount", "later"]))]
#[command(group = clap::ArgGroup::new("which").required(true).args(["lines", "every"]))]
pub struct Resolve {
    /// Our number of the settlement
    #[arg(value_name = "N")]
    pub number: u64,
    /// Numbers of lines
    #[arg(value_name = "LINE")]
    pub lines: Vec<u32>,
    /// All lines in dispute that came out so
    #[arg(long, value_name = "VERDICT", value_parser = choice(LineVerdict::ALL, LineVerdict::as_str))]
    pub every: Option<LineVerdict>,
    /// What we accrued is owed (nothing for what only they have)
    #[arg(long)]
    pub ours: bool,
    /// What they ask for is owed (nothing for what only we have)
    #[arg(long)]
    pub theirs: bool,
    /// This is owed for each of the lines
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    pub amount: Option<MoneyText>,
    /// No part of this statement: what was accrued stays for a later one
    #[arg(long)]
    pub later: bool,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

/// A settlement and lines of it, as JSON.
#[derive(Serialize)]
struct Shown {
    settlement: Settlement,
    lines: Vec<SettlementLine>,
    next_cursor: Option<String>,
}

pub async fn settle(desk: &Desk, args: Settle) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(SettleAct::List(Most { limit: LIST_USUAL })) {
        SettleAct::List(most) => {
            let page = client.settlements().take(most.limit).await?;
            Ok(View::table(&page, list(&page.items)))
        }
        SettleAct::Import { file, mapping, of, keep, tolerance, tolerance_per_mille, idempotency_key } => {
            let mut mapping = match mapping {
                Some(path) => written(desk, path)?,
                None => kept(desk, &client, of).await?,
            };
            mapping.tolerance.amount = tolerance.unwrap_or(mapping.tolerance.amount);
            mapping.tolerance.per_mille = tolerance_per_mille.unwrap_or(mapping.tolerance.per_mille);
            let import = StatementImport { mapping, csv: desk.sheet(&file)?, keep };
            let taken = client.import_statement(&import, idempotency_key.as_deref()).await?;
            let gaps = [("n", taken.number.to_string()), ("open", taken.open.to_string())];
            Ok(header(&taken).and(Word::StatementImported.fill(desk.lang(), &gaps)))
        }
        SettleAct::Mapping { supplier } => {
            let kept = client.kept_mapping(&supplier).await?;
            let text = toml::to_string(&kept.mapping);
            let text = text.map_err(|fault| Fault::file("mapping")(std::io::Error::other(fault)))?;
            Ok(View::of(&kept, vec![Part::Text(text)]))
        }
        SettleAct::Show { number, only, most } => {
            let settlement = client.settlement(number).await?;
            let query = LinesQuery { only, ..LinesQuery::default() };
            let page = client.settlement_lines(number, &query).take(most.limit).await?;
            let shown = Shown { settlement, lines: page.items, next_cursor: page.next_cursor };
            let more = shown.next_cursor.is_some();
            let view = show(&shown);
            Ok(if more { view.and(Word::Truncated.text(desk.lang())) } else { view })
        }
        SettleAct::Dispute { number, lines, note } => {
            let resolution = LineResolution::Open;
            let open = LinesResolve { lines, verdict: None, resolution, amount: None, note };
            changed(desk, &client.resolve_lines(number, &open).await?)
        }
        SettleAct::Resolve(args) => {
            let (number, resolve) = resolution(args);
            changed(desk, &client.resolve_lines(number, &resolve).await?)
        }
        SettleAct::Accept { number, idempotency_key } => {
            let known = client.settlement(number).await?;
            let gaps = [("n", number.to_string()), ("statement", known.statement), ("supplier", known.supplier_name)];
            desk.confirm(Word::ReallyAccept, &gaps)?;
            let note = SettlementNote::default();
            let done = client.accept_settlement(number, &note, idempotency_key.as_deref()).await?;
            Ok(header(&done).and(Word::SettlementAccepted.fill(desk.lang(), &gaps)))
        }
        SettleAct::Withdraw { number, note } => {
            let done = client.withdraw_settlement(number, &SettlementNote { note }).await?;
            let gaps = [("n", number.to_string()), ("statement", done.statement.clone())];
            Ok(View::note(&done, Word::SettlementWithdrawn.fill(desk.lang(), &gaps)))
        }
        SettleAct::Pay { number, amount, memo, idempotency_key } => {
            let pay = SettlementPay { amount, memo };
            let done = client.pay_settlement(number, &pay, idempotency_key.as_deref()).await?;
            let amount = |text: Option<MoneyText>| text.unwrap_or_default().to_string();
            let gaps = [
                ("paid", amount(done.paid)),
                ("payable", amount(done.payable)),
                ("currency", done.currency.clone()),
                ("n", number.to_string()),
            ];
            Ok(View::note(&done, Word::SettlementPaid.fill(desk.lang(), &gaps)))
        }
    }
}

fn written(desk: &Desk, path: String) -> Result<StatementMapping, Fault> {
    let text = desk.read(&path)?;
    toml::from_str(&text).map_err(|fault| Fault::Usage(Word::BadFile, vec![("path", path), ("why", fault.to_string())]))
}

/// The mapping that was kept of the supplier, for another statement.
async fn kept(desk: &Desk, client: &Client, of: Of) -> Result<StatementMapping, Fault> {
    let Of { supplier, statement, from, to } = of;
    let supplier = supplier.unwrap_or_default();
    let mut mapping = client.kept_mapping(&supplier).await?.mapping;
    let at = |when: Option<When>, kept| when.map_or(kept, |when| when.at(desk.now(), &desk.settings.look.zone));
    (mapping.from, mapping.to) = (at(from, mapping.from), at(to, mapping.to));
    mapping.statement = statement.unwrap_or_default();
    mapping.supplier = supplier;
    Ok(mapping)
}

fn resolution(args: Resolve) -> (u64, LinesResolve) {
    let Resolve { number, lines, every, ours, theirs, amount, later: _, note } = args;
    let resolution = match (ours, theirs, amount) {
        (true, ..) => LineResolution::Ours,
        (_, true, _) => LineResolution::Theirs,
        (_, _, Some(_)) => LineResolution::Amount,
        // One of the four was given.
        _ => LineResolution::Later,
    };
    (number, LinesResolve { lines, verdict: every, resolution, amount, note })
}

fn changed(desk: &Desk, now: &Settlement) -> Result<View, Fault> {
    let gaps = [("n", now.number.to_string()), ("open", now.open.to_string())];
    Ok(View::note(now, Word::DisputesLeft.fill(desk.lang(), &gaps)))
}

fn list(settlements: &[Settlement]) -> Table {
    let heads = [
        Word::Number,
        Word::Supplier,
        Word::Statement,
        Word::From,
        Word::Until,
        Word::State,
        Word::Lines,
        Word::InDispute,
        Word::Ours,
        Word::Theirs,
        Word::Payable,
        Word::Paid,
        Word::Currency,
    ];
    let row = |one: &Settlement| {
        vec![
            Cell::number(one.number),
            Cell::text(&one.supplier_name),
            Cell::text(&one.statement),
            Cell::Time(one.from),
            Cell::Time(one.to),
            Cell::text(one.state.as_str()),
            Cell::number(one.lines),
            Cell::number(one.open),
            Cell::Money(one.ours),
            Cell::Money(one.theirs),
            Cell::maybe(one.payable, Cell::Money),
            Cell::maybe(one.paid, Cell::Money),
            Cell::text(&one.currency),
        ]
    };
    Table::new("settlement", &heads).with(settlements.iter().map(row))
}

/// The facts of a settlement and its sums.
fn header(of: &Settlement) -> View {
    let (facts, sums) = parts(of);
    View::of(of, vec![facts, sums])
}

fn parts(of: &Settlement) -> (Part, Part) {
    let price = |amount: Option<MoneyText>| Cell::maybe(amount, |amount| Cell::price(amount, &of.currency));
    let facts = vec![
        (Word::Number, Cell::number(of.number)),
        (Word::Supplier, Cell::text(&of.supplier_name)),
        (Word::Statement, Cell::text(&of.statement)),
        (Word::From, Cell::Time(of.from)),
        (Word::Until, Cell::Time(of.to)),
        (Word::State, Cell::text(of.state.as_str())),
        (Word::Lines, Cell::number(of.lines)),
        (Word::InDispute, Cell::number(of.open)),
        (Word::Imported, Cell::Time(of.imported_at)),
        (Word::Accepted, Cell::maybe(of.accepted_at, Cell::Time)),
        (Word::Cleared, price(of.cleared)),
        (Word::Payable, price(of.payable)),
        (Word::Difference, price(of.difference)),
        (Word::Paid, price(of.paid)),
    ];
    let row = |name: Cell, lines: u32, ours, theirs, difference| {
        vec![name, Cell::number(lines), Cell::Money(ours), Cell::Money(theirs), Cell::Money(difference)]
    };
    let sums = of
        .sums
        .iter()
        .map(|s: &SettlementSums| row(Cell::text(s.verdict.as_str()), s.lines, s.ours, s.theirs, s.difference));
    let all = Cell::Both { en: "TOTAL".into(), zh: "合计".into() };
    let total = row(all, of.lines, of.ours, of.theirs, MoneyText(of.theirs.0 - of.ours.0));
    let heads = [Word::Verdict, Word::Lines, Word::Ours, Word::Theirs, Word::Difference];
    (Part::Facts(facts), Part::Table(Table::new("verdict", &heads).with(sums).with([total])))
}

fn show(shown: &Shown) -> View {
    let (facts, sums) = parts(&shown.settlement);
    let heads = [
        Word::StatementLine,
        Word::FileLine,
        Word::LineKind,
        Word::Verdict,
        Word::MatchedBy,
        Word::Job,
        Word::External,
        Word::User,
        Word::Ended,
        Word::Quantities,
        Word::Ours,
        Word::Theirs,
        Word::Agreed,
        Word::Dispute,
        Word::Twin,
        Word::Memo,
        Word::Who,
    ];
    let table = Table::new("line", &heads).with(shown.lines.iter().map(line_row));
    View::of(shown, vec![facts, sums, Part::Table(table)])
}

fn line_row(line: &SettlementLine) -> Vec<Cell> {
    let quantities: Vec<String> = line.quantities.iter().map(quantity).collect();
    let twin = line.twin_line.map(|n| format!("line {n}")).or(line.twin_settlement.map(|n| format!("settlement {n}")));
    vec![
        Cell::number(line.line),
        Cell::maybe(line.source, Cell::number),
        match line.kind {
            LineKind::Work => Cell::Both { en: "work".into(), zh: "作业".into() },
            LineKind::Minimum => Cell::Both { en: "minimum".into(), zh: "最低采购".into() },
        },
        Cell::text(line.verdict.as_str()),
        Cell::maybe(line.matched_by, |by| Cell::text(by.as_str())),
        Cell::maybe(line.job, Cell::number),
        Cell::maybe(line.external.as_ref(), Cell::text),
        Cell::maybe(line.user.as_ref(), Cell::text),
        Cell::maybe(line.end, Cell::Time),
        Cell::text(quantities.join(" ")),
        Cell::maybe(line.ours, Cell::Money),
        Cell::maybe(line.theirs, Cell::Money),
        Cell::maybe(line.agreed, Cell::Money),
        Cell::text(line.dispute.as_str()),
        Cell::maybe(twin, Cell::text),
        Cell::text(&line.note),
        Cell::maybe(line.by.as_ref(), Cell::text),
    ]
}

/// `core:2.000000/2.500000`, ours first; one number where only one side has it or both say the same.
fn quantity(of: &LineQuantity) -> String {
    match (&of.ours_hours, &of.theirs_hours) {
        (Some(ours), Some(theirs)) if ours != theirs => format!("{}:{ours}/{theirs}", of.meter),
        (Some(hours), _) | (None, Some(hours)) => format!("{}:{hours}", of.meter),
        (None, None) => of.meter.to_string(),
    }
}
