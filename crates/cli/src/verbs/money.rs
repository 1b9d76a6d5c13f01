//! Wallets, bills, margins.

use clap::{Args, Subcommand};
use wire::money::{
    Bill as Billed, BillLine, BillQuery, BillUsage, Margin as Earned, MarginQuery, MarginRow, TopUp, Transfer,
    Wallet as Purse,
};
use wire::{MarginBy, MoneyText};

use super::Most;
use super::people::tenant_or_own;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Wallet {
    #[command(subcommand)]
    pub act: Option<WalletAct>,
    /// The tenant; your own when left out
    #[arg(long, global = true, value_name = "TENANT")]
    pub tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum WalletAct {
    /// Balance, what is set aside, what is available (the default)
    Show,
    /// Put money in; a negative amount takes it out
    TopUp {
        /// In the tenant's currency: 100, 12.50
        #[arg(value_name = "AMOUNT", allow_negative_numbers = true)]
        amount: MoneyText,
        /// What it is
        #[arg(long, value_name = "TEXT", default_value = "")]
        memo: String,
        /// Name of this payment: repeated under the same key it happens once
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Movements, newest last
    Transfers(Most),
}

pub async fn wallet(desk: &Desk, args: Wallet) -> Result<View, Fault> {
    let client = desk.client()?;
    let tenant = tenant_or_own(&client, args.tenant).await?;
    match args.act.unwrap_or(WalletAct::Show) {
        WalletAct::Show => Ok(wallet_view(&client.wallet(&tenant).await?)),
        WalletAct::TopUp { amount, memo, idempotency_key } => {
            let done = client.top_up(&tenant, &TopUp { amount, memo }, idempotency_key.as_deref()).await?;
            let gaps = [("balance", done.balance.to_string()), ("currency", done.currency.clone())];
            Ok(View::note(&done, Word::ToppedUp.fill(desk.lang(), &gaps)))
        }
        WalletAct::Transfers(most) => {
            let mut page = client.transfers(&tenant).take(most.limit).await?;
            page.items.reverse();
            let heads = [
                Word::Time,
                Word::Amount,
                Word::Currency,
                Word::Reason,
                Word::Job,
                Word::From,
                Word::Until,
                Word::Memo,
            ];
            let table = Table::new("transfer", &heads).with(page.items.iter().map(transfer_row));
            Ok(View::table(&page, table))
        }
    }
}

fn wallet_view(wallet: &Purse) -> View {
    let amount = |amount| Cell::price(amount, &wallet.currency);
    let facts = vec![
        (Word::Balance, amount(wallet.balance)),
        (Word::SetAside, amount(wallet.held)),
        (Word::CreditLimit, amount(wallet.credit_limit)),
        (Word::Available, amount(wallet.available)),
        (Word::Currency, Cell::text(&wallet.currency)),
    ];
    View::facts(wallet, facts)
}

fn transfer_row(transfer: &Transfer) -> Vec<Cell> {
    vec![
        Cell::Time(transfer.at),
        Cell::Money(transfer.amount),
        Cell::text(&transfer.currency),
        Cell::text(&transfer.reason),
        Cell::maybe(transfer.job, |job| Cell::text(job.to_string())),
        Cell::maybe(transfer.from, Cell::Time),
        Cell::maybe(transfer.to, Cell::Time),
        Cell::text(&transfer.memo),
    ]
}

#[derive(Debug, Args)]
pub struct Bill {
    /// Only this tenant's; your own when left out (for operators: all)
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Only this project's
    #[arg(long, short = 'A', visible_alias = "account", value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only this user's
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// Only this job
    #[arg(long, short = 'j', value_name = "JOB")]
    pub job: Option<String>,
    /// Work done from here on
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// Work done up to here
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
    /// As CSV in the FOCUS columns
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

pub async fn bill(desk: &Desk, args: Bill) -> Result<View, Fault> {
    let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
    let query = BillQuery {
        from: at(&args.from),
        to: at(&args.to),
        tenant: args.tenant,
        project: args.project,
        user: args.user,
        job: args.job,
        format: None,
    };
    let client = desk.client()?;
    if args.csv {
        return Ok(View::text(client.bill_csv(&query).await?));
    }
    let bill = client.bill(&query).await?;
    let view = bill_view(&bill);
    Ok(if bill.truncated { view.and(Word::Truncated.text(desk.lang())) } else { view })
}

pub fn bill_view(bill: &Billed) -> View {
    let heads = [
        Word::Job,
        Word::Name,
        Word::User,
        Word::Project,
        Word::Pool,
        Word::From,
        Word::Until,
        Word::CoreHours,
        Word::GibHours,
        Word::CardHours,
        Word::Charge,
        Word::Currency,
    ];
    let row = |line: &BillLine| {
        vec![
            Cell::number(line.number),
            Cell::text(&line.name),
            Cell::text(&line.user),
            Cell::text(&line.project),
            Cell::text(&line.pool),
            Cell::Time(line.from),
            Cell::Time(line.to),
            Cell::number(&line.core_hours),
            Cell::number(&line.gib_hours),
            Cell::number(&line.card_hours),
            Cell::Money(line.charge),
            Cell::text(&line.currency),
        ]
    };
    let table = Table::new("line", &heads).with(bill.lines.iter().map(row));
    let mut facts = vec![
        (Word::Tenant, Cell::maybe(bill.tenant.as_ref(), Cell::text)),
        (Word::From, Cell::Time(bill.from)),
        (Word::Until, Cell::Time(bill.to)),
    ];
    facts.extend(bill.total.iter().map(|sum| (Word::Sum, Cell::price(sum.total, &sum.currency))));
    let some = |amount: &wire::MoneyText| amount.0 != base::Money::ZERO;
    let drawn = bill.total.iter().filter(|sum| some(&sum.drawn));
    facts.extend(drawn.map(|sum| (Word::PaidByContracts, Cell::price(sum.drawn, &sum.currency))));
    let credited = bill.total.iter().filter(|sum| some(&sum.credited));
    facts.extend(credited.map(|sum| (Word::PaidByGrants, Cell::price(sum.credited, &sum.currency))));
    let corrected = bill.total.iter().filter(|sum| some(&sum.corrected));
    facts.extend(corrected.map(|sum| (Word::Corrections, Cell::price(sum.corrected, &sum.currency))));
    let mut parts = vec![Part::Table(table)];
    if !bill.usage.is_empty() {
        parts.push(Part::Title(Word::UsageBeside));
        parts.push(Part::Table(usage_table(&bill.usage)));
    }
    parts.extend([Part::Title(Word::Summary), Part::Facts(facts)]);
    if !bill.corrections.is_empty() {
        parts.push(Part::Title(Word::Corrections));
        parts.push(Part::Table(super::statements::corrections(&bill.corrections)));
    }
    View::of(bill, parts)
}

/// Storage, traffic, requests and tokens.
fn usage_table(usage: &[BillUsage]) -> Table {
    let heads = [
        Word::PriceUnit,
        Word::Model,
        Word::UsageKind,
        Word::User,
        Word::Project,
        Word::Pool,
        Word::From,
        Word::Until,
        Word::Records,
        Word::Quantity,
        Word::Included,
        Word::Charge,
        Word::Currency,
    ];
    let row = |one: &BillUsage| {
        vec![
            Cell::text(one.unit.as_str()),
            Cell::maybe(one.model.as_ref(), Cell::text),
            Cell::maybe(one.kind.as_ref(), Cell::text),
            Cell::maybe(one.user.as_ref(), Cell::text),
            Cell::text(&one.project),
            Cell::maybe(one.pool.as_ref(), Cell::text),
            Cell::Time(one.from),
            Cell::Time(one.to),
            Cell::number(one.records),
            Cell::number(&one.quantity),
            Cell::number(&one.included_quantity),
            Cell::Money(one.charge),
            Cell::text(&one.currency),
        ]
    };
    Table::new("usage", &heads).with(usage.iter().map(row))
}

#[derive(Debug, Args)]
pub struct Margin {
    /// A row for each job, tenant, pool or project
    #[arg(long, value_name = "WHAT", default_value = "tenant", value_parser = choice(MarginBy::ALL, MarginBy::as_str))]
    pub by: MarginBy,
    /// Work done from here on
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// Work done up to here
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
    /// Everything in this currency, by the rate of each day; refused without one
    #[arg(long, value_name = "CURRENCY")]
    pub currency: Option<base::Currency>,
}

pub async fn margin(desk: &Desk, args: Margin) -> Result<View, Fault> {
    let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
    let currency = args.currency.map(|currency| currency.to_string());
    let query = MarginQuery { by: Some(args.by), from: at(&args.from), to: at(&args.to), currency };
    let margin = desk.client()?.margin(&query).await?;
    let view = margin_view(&margin);
    Ok(if margin.truncated { view.and(Word::Truncated.text(desk.lang())) } else { view })
}

pub fn margin_view(margin: &Earned) -> View {
    let head = match margin.by {
        MarginBy::Job => Word::Job,
        MarginBy::Tenant => Word::Tenant,
        MarginBy::Pool => Word::Pool,
        MarginBy::Project => Word::Project,
    };
    let heads = [
        head,
        Word::Currency,
        Word::Revenue,
        Word::Uncollected,
        Word::Depreciation,
        Word::Datacentre,
        Word::SupplierFee,
        Word::Cost,
        Word::Margin,
        Word::MarginPercent,
    ];
    let row = |row: &MarginRow, name: Cell| {
        vec![
            name,
            Cell::text(&row.currency),
            Cell::Money(row.revenue),
            Cell::Money(row.uncollected),
            Cell::Money(row.depreciation),
            Cell::Money(row.datacentre),
            Cell::Money(row.fee),
            Cell::Money(row.cost),
            Cell::Money(row.margin),
            Cell::maybe(row.margin_percent.as_ref(), Cell::number),
        ]
    };
    let rows = margin.rows.iter().map(|one| row(one, Cell::text(&one.name)));
    let sum = |one| row(one, Cell::Both { en: "TOTAL".into(), zh: "合计".into() });
    let table = Table::new("row", &heads).with(rows).with(margin.total.iter().map(sum));
    View::table(margin, table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use crate::view::Look;
    use crate::view::tests_support::{money, time};

    #[test]
    fn a_bill_sums_each_currency() {
        let line = |number, currency: &str, charge| BillLine {
            job: "job_00000000000000000000000000000001".parse().unwrap(),
            number,
            attempt: 1,
            name: "melt".into(),
            tenant: "bio".into(),
            user: "ann".into(),
            project: "default".into(),
            pool: "main".into(),
            currency: currency.into(),
            from: time("2026-11-21T08:00:00Z"),
            to: time("2026-11-21T09:00:00Z"),
            core_hours: "4.000000".into(),
            gib_hours: "8.000000".into(),
            card_hours: "0.000000".into(),
            charge: money(charge),
            drawn: Default::default(),
            credited: Default::default(),
        };
        let total = |currency: &str, total| wire::money::BillTotal {
            currency: currency.into(),
            total: money(total),
            drawn: Default::default(),
            credited: Default::default(),
            corrected: Default::default(),
        };
        let bill = Billed {
            tenant: None,
            from: time("2026-11-01T00:00:00Z"),
            to: time("2026-12-01T00:00:00Z"),
            lines: vec![line(2, "CNY", "0.52"), line(1, "USD", "0.08")],
            usage: Vec::new(),
            corrections: Vec::new(),
            total: vec![total("CNY", "0.52"), total("USD", "0.08")],
            truncated: false,
        };
        let look = Look {
            lang: Lang::En,
            terminal: true,
            colour: false,
            width: None,
            json: false,
            zone: jiff::tz::TimeZone::UTC,
        };
        insta::assert_snapshot!(look.render(&bill_view(&bill)));
    }
}
