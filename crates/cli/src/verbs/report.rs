//! The operator's reports: margin by any of several things, pools with their costs by cause, cards for a model service.

use base::Currency;
use clap::{Args, Subcommand};
use wire::report::{PeriodQuery, PoolReport, ReportQuery, ReportRow, SizingAsk};
use wire::{MoneyText, ReportBy};

use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Reports {
    #[command(subcommand)]
    pub act: ReportAct,
}

#[derive(Debug, Subcommand)]
pub enum ReportAct {
    /// Revenue, cost and margin by up to four things, in whole days of the platform
    Margin {
        /// What to tell apart, by commas
        #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "tenant", value_parser = choice(ReportBy::ALL, ReportBy::as_str))]
        by: Vec<ReportBy>,
        /// Only what has these keys: tenant=physics;line=ai
        #[arg(long, value_name = "KEYS")]
        only: Option<String>,
        #[command(flatten)]
        period: Period,
    },
    /// What each pool's time cost and earned: use, cost by cause, unit cost, break-even
    Pools(Period),
    /// What each tenant brought and cost, with its active users
    Tenants(Period),
    /// Own against partners' supply by month: hours, cost, revenue and their shares
    Mix(Period),
    /// Who owes what, and what suppliers are owed, by age
    Ageing,
    /// How many cards a model service needs, and what a month of it earns
    Sizing(Sizing),
}

#[derive(Debug, Args)]
pub struct Period {
    /// Work done from here on
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// Work done up to here
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
    /// Everything in this currency, by the rate of each day; refused without one
    #[arg(long, value_name = "CURRENCY")]
    pub currency: Option<Currency>,
}

#[derive(Debug, Args)]
pub struct Sizing {
    /// Users of the service
    #[arg(long, value_name = "N")]
    pub users: u64,
    /// Requests of one user a day
    #[arg(long, value_name = "N")]
    pub requests: u64,
    /// Tokens or characters of an answer
    #[arg(long, value_name = "N")]
    pub length: u64,
    /// Seconds of a card for one of them
    #[arg(long, value_name = "SECONDS")]
    pub seconds: f64,
    /// Share of a card's time that work fills
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub utilisation: f64,
    /// The busiest hour over the mean one
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub peak: f64,
    /// Share of the cards that is owned
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub own: f64,
    /// The chip whose prices and costs count where none are said
    #[arg(long, value_name = "CHIP")]
    pub chip: Option<String>,
    /// Price of a card-hour
    #[arg(long, value_name = "AMOUNT")]
    pub sold: Option<MoneyText>,
    /// Cost of an own card an hour, used or idle
    #[arg(long, value_name = "AMOUNT")]
    pub own_cost: Option<MoneyText>,
    /// A partner's fee for a card-hour
    #[arg(long, value_name = "AMOUNT")]
    pub partner_fee: Option<MoneyText>,
}

pub async fn reports(desk: &Desk, args: Reports) -> Result<View, Fault> {
    let client = desk.client()?;
    let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
    let query = |period: &Period| PeriodQuery {
        from: at(&period.from),
        to: at(&period.to),
        currency: period.currency.map(|currency| currency.to_string()),
    };
    match args.act {
        ReportAct::Margin { by, only, period } => {
            let by: Vec<&str> = by.iter().map(|by| by.as_str()).collect();
            let currency = period.currency.map(|currency| currency.to_string());
            let (from, to) = (at(&period.from), at(&period.to));
            let query = ReportQuery { by: Some(by.join(",")), only, from, to, currency };
            let report = client.report_margin(&query).await?;
            let heads = [report.by.iter().map(|by| head(*by)).collect(), MARGIN_HEADS.to_vec()].concat();
            let mut rows: Vec<Vec<Cell>> =
                report.rows.iter().map(|one| row(one, one.keys.iter().map(Cell::text).collect())).collect();
            let sums = report.total.iter().map(|one| {
                let mut keys = vec![Cell::Both { en: "TOTAL".into(), zh: "合计".into() }];
                keys.resize_with(report.by.len(), || Cell::text(""));
                row(one, keys)
            });
            rows.extend(sums);
            let (heads, rows) = if desk.settings.look.terminal { without_zeros(heads, rows) } else { (heads, rows) };
            Ok(View::table(&report, Table::new("row", &heads).with(rows)))
        }
        ReportAct::Pools(period) => {
            let report = client.report_pools(&query(&period)).await?;
            let [(mut heads, mut rows), money] = pools_tables(&report.rows);
            if desk.settings.look.terminal {
                let (money_heads, money_rows) = without_zeros(money.0, money.1);
                let parts = [("pool", heads, rows), ("cost", money_heads, money_rows)];
                let table = |(kind, heads, rows): (_, Vec<Word>, Vec<Vec<Cell>>)| Table::new(kind, &heads).with(rows);
                return Ok(View::of(&report, parts.into_iter().map(|part| Part::Table(table(part))).collect()));
            }
            // For a pipe: a pool, a line.
            heads.extend(money.0.into_iter().skip(1));
            rows.iter_mut().zip(money.1).for_each(|(row, more)| row.extend(more.into_iter().skip(1)));
            Ok(View::table(&report, Table::new("pool", &heads).with(rows)))
        }
        ReportAct::Tenants(period) => Ok(super::overview::tenants(&client.report_tenants(&query(&period)).await?)),
        ReportAct::Mix(period) => Ok(super::overview::mix(&client.report_mix(&query(&period)).await?)),
        ReportAct::Ageing => Ok(super::overview::ageing(&client.report_ageing().await?)),
        ReportAct::Sizing(args) => sizing(desk, args).await,
    }
}

const MARGIN_HEADS: [Word; 13] = [
    Word::Currency,
    Word::Revenue,
    Word::Uncollected,
    Word::Promotions,
    Word::Depreciation,
    Word::Datacentre,
    Word::SupplierFee,
    Word::Unused,
    Word::Cost,
    Word::Margin,
    Word::MarginPercent,
    Word::CoreHours,
    Word::CardHours,
];

fn head(by: ReportBy) -> Word {
    match by {
        ReportBy::Tenant => Word::Tenant,
        ReportBy::Project => Word::Project,
        ReportBy::Line => Word::Line,
        ReportBy::Work => Word::WorkKind,
        ReportBy::Pool => Word::Pool,
        ReportBy::Cluster => Word::Cluster,
        ReportBy::Supplier => Word::Supplier,
        ReportBy::Mode => Word::Mode,
        ReportBy::Region => Word::Region,
        ReportBy::Day => Word::Day,
        ReportBy::Month => Word::Month,
        ReportBy::Season => Word::Season,
        ReportBy::User => Word::User,
    }
}

fn row(one: &ReportRow, mut cells: Vec<Cell>) -> Vec<Cell> {
    let money = [
        one.revenue,
        one.uncollected,
        one.promotions,
        one.depreciation,
        one.datacentre,
        one.fee,
        one.unused,
        one.cost,
        one.margin,
    ];
    cells.push(Cell::text(&one.currency));
    cells.extend(money.map(Cell::Money));
    cells.push(Cell::maybe(one.margin_percent.as_ref(), Cell::number));
    cells.extend([one.core_hours, one.card_hours].map(hours));
    cells
}

fn hours(hours: f64) -> Cell {
    Cell::number(format!("{hours:.2}"))
}

/// Hours and what they brought; and, beside it, the money.
fn pools_tables(rows: &[PoolReport]) -> [(Vec<Word>, Vec<Vec<Cell>>); 2] {
    let used = |one: &PoolReport| {
        vec![
            Cell::text(&one.name),
            Cell::text(one.mode.as_str()),
            Cell::text(&one.unit),
            hours(one.total_hours),
            hours(one.allocated_hours),
            Cell::maybe(one.used_hours, hours),
            Cell::maybe(one.utilisation_percent.as_ref(), Cell::number),
            Cell::maybe(one.revenue_per_hour, Cell::Money),
            Cell::maybe(one.cost_per_hour, Cell::Money),
            Cell::maybe(one.break_even_percent.as_ref(), Cell::number),
        ]
    };
    let causes = |one: &PoolReport| [one.worked, one.outage, one.maintenance, one.reserve, one.idle, one.overlap];
    let money = |one: &PoolReport| {
        let mut cells = vec![Cell::text(&one.name), Cell::Money(one.revenue)];
        cells.extend(causes(one).into_iter().chain([one.cost, one.margin]).map(Cell::Money));
        cells
    };
    let use_heads = [
        Word::Pool,
        Word::Mode,
        Word::Unit,
        Word::HoursTotal,
        Word::HoursAllocated,
        Word::HoursUsed,
        Word::Utilisation,
        Word::RevenuePerHour,
        Word::CostPerHour,
        Word::BreakEven,
    ];
    let money_heads = [
        Word::Pool,
        Word::Revenue,
        Word::Carried,
        Word::Outage,
        Word::Maintenance,
        Word::Reserve,
        Word::Idle,
        Word::Overlap,
        Word::Cost,
        Word::Margin,
    ];
    [(use_heads.to_vec(), rows.iter().map(used).collect()), (money_heads.to_vec(), rows.iter().map(money).collect())]
}

/// For eyes: without the columns that are nothing but zeros, of those that may go.
fn without_zeros(heads: Vec<Word>, mut rows: Vec<Vec<Cell>>) -> (Vec<Word>, Vec<Vec<Cell>>) {
    let stays = [Word::Revenue, Word::Cost, Word::Margin];
    let zero = |cell: &Cell| matches!(cell, Cell::Money(amount) if amount.0.micros() == 0);
    let goes = |n: usize| !stays.contains(&heads[n]) && !rows.is_empty() && rows.iter().all(|row| zero(&row[n]));
    let kept: Vec<bool> = (0..heads.len()).map(|n| !goes(n)).collect();
    for row in &mut rows {
        let mut at = kept.iter();
        row.retain(|_| at.next().is_none_or(|kept| *kept));
    }
    let mut at = kept.iter();
    let mut heads = heads;
    heads.retain(|_| at.next().is_none_or(|kept| *kept));
    (heads, rows)
}

async fn sizing(desk: &Desk, args: Sizing) -> Result<View, Fault> {
    let ask = SizingAsk {
        users: args.users,
        requests_per_day: args.requests,
        output_length: args.length,
        seconds_per_unit: args.seconds,
        utilisation: args.utilisation,
        peak: args.peak,
        own_share: args.own,
        chip: args.chip,
        sold_hour: args.sold,
        own_hour: args.own_cost,
        partner_hour: args.partner_fee,
    };
    let done = desk.client()?.report_sizing(&ask).await?;
    let money = |amount: MoneyText| Cell::price(amount, &done.currency);
    let facts = vec![
        (Word::CardHoursDay, Cell::number(done.card_hours_day)),
        (Word::CardsBusy, Cell::number(done.cards_busy)),
        (Word::CardsNeeded, Cell::number(done.cards)),
        (Word::CardsOwn, Cell::number(done.own_cards)),
        (Word::CardsPartner, Cell::number(done.partner_cards)),
        (Word::CardHour, money(done.sold_hour)),
        (Word::OwnCardHour, money(done.own_hour)),
        (Word::PartnerCardHour, money(done.partner_hour)),
        (Word::Revenue, money(done.revenue)),
        (Word::OwnCost, money(done.own_cost)),
        (Word::SupplierFee, money(done.partner_fees)),
        (Word::Margin, money(done.margin)),
    ];
    Ok(View::of(&done, vec![Part::Facts(facts)]))
}
