//! Rates between currencies: what was told, and telling one.

use base::Currency;
use clap::{Args, Subcommand};
use wire::rates::{Rate, RateSet, RatesQuery};

use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Rates {
    #[command(subcommand)]
    pub act: Option<RatesAct>,
}

#[derive(Debug, Subcommand)]
pub enum RatesAct {
    /// Rates as they were told, newest first, also those whose place another has taken (the default)
    List {
        /// Only rates of this currency
        #[arg(long, value_name = "CURRENCY")]
        of: Option<Currency>,
        /// Only rates into this currency
        #[arg(long, value_name = "CURRENCY")]
        into: Option<Currency>,
        #[command(flatten)]
        most: Most,
    },
    /// Tell what one unit of a currency is worth in another from a day on
    Set {
        /// One unit of this currency …
        #[arg(value_name = "OF")]
        of: Currency,
        /// … in this one
        #[arg(value_name = "INTO")]
        into: Currency,
        /// … is worth so much: 7.1234
        #[arg(value_name = "RATE")]
        worth: String,
        /// The first day that it holds for; today when left out
        #[arg(long, short = 'S', value_name = "DATE")]
        from: Option<String>,
        /// Why it takes the place of another that begins on the same day; needed then
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

pub async fn rates(desk: &Desk, args: Rates) -> Result<View, Fault> {
    let client = desk.client()?;
    let usual = RatesAct::List { of: None, into: None, most: Most { limit: LIST_USUAL } };
    match args.act.unwrap_or(usual) {
        RatesAct::List { of, into, most } => {
            let text = |currency: Option<Currency>| currency.map(|c| c.to_string());
            let query = RatesQuery { of: text(of), into: text(into), ..RatesQuery::default() };
            let page = client.rates(&query).take(most.limit).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        RatesAct::Set { of, into, worth, from, reason } => {
            let set = RateSet { of: of.to_string(), into: into.to_string(), worth, from, reason };
            let told = client.set_rate(&set).await?;
            Ok(View::table(&told, table(std::slice::from_ref(&told))))
        }
    }
}

fn table(rates: &[Rate]) -> Table {
    let heads = [
        Word::Number,
        Word::RateOf,
        Word::RateInto,
        Word::RateWorth,
        Word::From,
        Word::RateHolds,
        Word::ToldBy,
        Word::Reason,
    ];
    let row = |one: &Rate| {
        vec![
            Cell::number(one.number),
            Cell::text(&one.of),
            Cell::text(&one.into),
            Cell::number(&one.worth),
            Cell::text(&one.from),
            Cell::YesNo(one.holds),
            Cell::maybe(one.by.as_ref(), Cell::text),
            Cell::text(&one.reason),
        ]
    };
    Table::new("rate", &heads).with(rates.iter().map(row))
}
