//! Suppliers: what they are owed, what was agreed on, what was bought.

use clap::{Args, Subcommand};
use wire::suppliers::{Purchase, Supplier, SupplierTermsSet};
use wire::{MoneyText, SettlesBy};

use super::LIST_USUAL;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Suppliers {
    #[command(subcommand)]
    pub act: Option<SuppliersAct>,
}

#[derive(Debug, Subcommand)]
pub enum SuppliersAct {
    /// Suppliers with their terms (the default); of one also what was bought by period
    Show {
        /// Only this one
        #[arg(value_name = "SUPPLIER")]
        supplier: Option<String>,
    },
    /// Set what is agreed on with a supplier
    Set {
        /// Name or id
        #[arg(value_name = "SUPPLIER")]
        supplier: String,
        /// By which periods is settled
        #[arg(long, value_name = "PERIOD", default_value = "month", value_parser = choice(SettlesBy::ALL, SettlesBy::as_str))]
        settles: SettlesBy,
        /// What is bought at least in a whole period
        #[arg(long, value_name = "AMOUNT")]
        minimum: Option<MoneyText>,
        /// The term begins; now when left out
        #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
        from: Option<When>,
        /// The term ends; until further notice when left out
        #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
        to: Option<When>,
        /// Where months begin: +08:00; UTC when left out
        #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
        utc_offset: Option<String>,
    },
}

pub async fn suppliers(desk: &Desk, args: Suppliers) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(SuppliersAct::Show { supplier: None }) {
        SuppliersAct::Show { supplier: None } => {
            let page = client.suppliers().take(LIST_USUAL).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        SuppliersAct::Show { supplier: Some(name) } => {
            let mut page = client.suppliers().take(usize::MAX).await?;
            page.items.retain(|one| one.name == name || one.id.to_string() == name);
            let bought = page.items.iter().filter_map(|one| one.terms.as_ref()).flat_map(|terms| &terms.periods);
            let parts = vec![Part::Table(table(&page.items)), Part::Table(purchases(bought))];
            Ok(View::of(&page, parts))
        }
        SuppliersAct::Set { supplier, settles, minimum, from, to, utc_offset } => {
            let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
            let set = SupplierTermsSet { from: at(&from), to: at(&to), settles, utc_offset, minimum };
            let done = client.set_supplier_terms(&supplier, &set).await?;
            Ok(View::table(&done, table(std::slice::from_ref(&done))))
        }
    }
}

fn table(suppliers: &[Supplier]) -> Table {
    let heads = [
        Word::Supplier,
        Word::Mode,
        Word::From,
        Word::Until,
        Word::SettlesBy,
        Word::Minimum,
        Word::Accrued,
        Word::Payable,
        Word::Currency,
    ];
    let row = |one: &Supplier| {
        let terms = one.terms.as_ref();
        vec![
            Cell::text(&one.name),
            Cell::text(one.mode.as_str()),
            Cell::maybe(terms.map(|t| t.from), Cell::Time),
            Cell::maybe(terms.and_then(|t| t.to), Cell::Time),
            Cell::maybe(terms.map(|t| t.settles), |settles| Cell::text(settles.as_str())),
            Cell::maybe(terms.map(|t| t.minimum), Cell::Money),
            Cell::Money(one.accrued),
            Cell::Money(one.payable),
            Cell::text(&one.currency),
        ]
    };
    Table::new("supplier", &heads).with(suppliers.iter().map(row))
}

fn purchases<'a>(periods: impl Iterator<Item = &'a Purchase>) -> Table {
    let heads = [Word::From, Word::Until, Word::Bought, Word::Minimum, Word::Short];
    let row = |p: &Purchase| {
        vec![
            Cell::Time(p.from),
            Cell::Time(p.to),
            Cell::Money(p.fees),
            Cell::maybe(p.minimum, Cell::Money),
            Cell::Money(p.short),
        ]
    };
    Table::new("period", &heads).with(periods.map(row))
}
