//! Price books: what is in force, publishing another, and trying one on a month that is over. Files are TOML, in the words of the API.

use clap::{Args, Subcommand};
use wire::MoneyText;
use wire::prices::{PriceBand, PriceBook, PriceCreate, PriceItem, PriceTrial, PriceTrialRow, PriceTry};

use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Prices {
    #[command(subcommand)]
    pub act: Option<PricesAct>,
}

#[derive(Debug, Subcommand)]
pub enum PricesAct {
    /// Price books, newest first, with their items (the default)
    Show(Most),
    /// Publish a new version from a TOML file
    Publish {
        /// The file: name, currency, effective_from, utc_offset, core_hour, gib_hour, [card_hour], [[items]]; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// What a file's prices would have charged for the work of a month
    Try {
        /// The file, as `publish` reads it; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
        /// The calendar month, e.g. 2026-10; the last one when left out
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
    },
}

pub async fn prices(desk: &Desk, args: Prices) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(PricesAct::Show(Most { limit: LIST_USUAL })) {
        PricesAct::Show(most) => {
            let page = client.prices().take(most.limit).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        PricesAct::Publish { file } => {
            let prices = read(desk, file)?;
            let gaps = [("name", prices.name.clone()), ("currency", prices.currency.clone())];
            desk.confirm(Word::ReallyPublish, &gaps)?;
            let created = client.publish_prices(&prices).await?;
            Ok(View::note(&created, Word::PricesPublished.fill(desk.lang(), &gaps)))
        }
        PricesAct::Try { file, month } => {
            let trial = client.try_prices(&PriceTry { month, book: read(desk, file)? }).await?;
            let view = trial_view(&trial);
            Ok(trial.missing.iter().fold(view, |view, missing| view.and(missing.as_str())))
        }
    }
}

fn read(desk: &Desk, file: String) -> Result<PriceCreate, Fault> {
    let text = desk.read(&file)?;
    toml::from_str(&text).map_err(|fault| Fault::Usage(Word::BadFile, vec![("path", file), ("why", fault.to_string())]))
}

/// A row for each item.
fn table(books: &[PriceBook]) -> Table {
    let heads = [
        Word::Name,
        Word::EffectiveFrom,
        Word::Currency,
        Word::PriceUnit,
        Word::PriceFor,
        Word::Price,
        Word::PriceFollows,
    ];
    let row = |book: &PriceBook, item: &PriceItem| {
        vec![
            Cell::text(&book.name),
            Cell::Time(book.effective_from),
            Cell::text(&book.currency),
            Cell::text(item.unit.as_str()),
            Cell::text(of(item)),
            Cell::Money(item.price),
            Cell::text(follows(item, &book.utc_offset)),
        ]
    };
    let rows = books.iter().flat_map(|book| book.items.iter().map(move |item| row(book, item)));
    Table::new("price", &heads).with(rows)
}

/// Whom and what an item is for, in the words of its file.
fn of(item: &PriceItem) -> String {
    let said = [
        ("tenant", item.tenant.as_deref()),
        ("pool", item.pool.as_deref()),
        ("chip", item.chip.as_deref()),
        ("product", item.product.map(|line| line.as_str())),
        ("class", item.class.map(|class| class.as_str())),
        ("model", item.model.as_deref()),
        ("kind", item.kind.as_deref()),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    said.collect::<Vec<_>>().join(" ")
}

fn rate(price: Option<MoneyText>, factor: Option<MoneyText>) -> String {
    match (price, factor) {
        (Some(price), _) => price.to_string(),
        (None, Some(factor)) => format!("×{factor}"),
        (None, None) => String::new(),
    }
}

/// What its price follows: hours, quantities, a minimum, a rounding; in the words of its file.
fn follows(item: &PriceItem, offset: &str) -> String {
    let band = |band: &PriceBand| {
        let days: Vec<&str> = band.days.iter().map(|day| day.as_str()).collect();
        let days = if matches!(days.len(), 0 | 7) { String::new() } else { format!("{} ", days.join(",")) };
        let time = |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
        let (from, to) = (time(&band.from, "00:00"), time(&band.to, "24:00"));
        format!("{days}{from}-{to}{offset}: {}", rate(band.price, band.factor))
    };
    let bands = item.bands.iter().map(band);
    let steps = item.steps.iter().map(|step| format!(">{}: {}", step.above, rate(step.price, step.factor)));
    let minimum = item.minimum.map(|least| format!("minimum={least}"));
    let round_up = item.round_up.map(|step| format!("round_up={step}"));
    bands.chain(steps).chain(minimum).chain(round_up).collect::<Vec<_>>().join("; ")
}

fn trial_view(trial: &PriceTrial) -> View {
    let heads = [
        Word::Tenant,
        Word::Currency,
        Word::Runs,
        Word::RunsUnpriced,
        Word::Records,
        Word::RecordsUnpriced,
        Word::Charged,
        Word::PriceTried,
        Word::Difference,
    ];
    let row = |row: &PriceTrialRow, name: Cell| {
        vec![
            name,
            Cell::text(&trial.currency),
            Cell::number(row.runs),
            Cell::number(row.runs_unpriced),
            Cell::number(row.records),
            Cell::number(row.records_unpriced),
            Cell::Money(row.charged),
            Cell::Money(row.tried),
            Cell::Money(row.difference),
        ]
    };
    let rows = trial.tenants.iter().map(|one| row(one, Cell::text(one.tenant_name.as_deref().unwrap_or("-"))));
    let sum = row(&trial.total, Cell::Both { en: "TOTAL".into(), zh: "合计".into() });
    View::table(trial, Table::new("row", &heads).with(rows).with([sum]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_told_in_the_words_of_its_file() {
        let text = "name = 'x'\ncurrency = 'CNY'\n[[items]]\nunit = 'card_hour'\ntenant = 'lab'\nclass = 'urgent'\nprice = '12'\n\
            minimum = '0.5'\nround_up = 'minute'\nbands = [{ days = ['sat', 'sun'], factor = '0.5' }, { from = '20:00', to = '08:00', price = '9' }]\n\
            [[items]]\nunit = 'core_hour'\nprice = '1'\nsteps = [{ above = 100, factor = '0.8' }]\n";
        let book: PriceCreate = toml::from_str(text).unwrap();
        assert_eq!(of(&book.items[0]), "tenant=lab class=urgent");
        let said = "sat,sun 00:00-24:00+08:00: ×0.50; 20:00-08:00+08:00: 9.00; minimum=0.50; round_up=minute";
        assert_eq!(follows(&book.items[0], "+08:00"), said);
        assert_eq!(follows(&book.items[1], "+08:00"), ">100: ×0.80");
    }
}
