//! What pools cost the operator: shown, and set from a file.

use clap::{Args, Subcommand};
use wire::cost::PoolCostSet;
use wire::supply::Pool;

use super::supply::SUPPLY_MAX;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Costs {
    #[command(subcommand)]
    pub act: Option<CostsAct>,
}

#[derive(Debug, Subcommand)]
pub enum CostsAct {
    /// The terms of each pool (the default)
    Show,
    /// Put the terms of a TOML file into force: a table `[cost]` for own nodes, `[fee]` for a partner's
    Set {
        /// The pool
        #[arg(value_name = "POOL")]
        pool: String,
        /// The file, TOML; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
}

pub async fn costs(desk: &Desk, args: Costs) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(CostsAct::Show) {
        CostsAct::Show => {
            let page = client.pools().take(SUPPLY_MAX).await?;
            Ok(View::table(&page, costs_table(&page.items)))
        }
        CostsAct::Set { pool, file } => {
            let text = desk.read(&file)?;
            let terms: PoolCostSet = toml::from_str(&text)
                .map_err(|fault| Fault::Usage(Word::BadFile, vec![("path", file), ("why", fault.to_string())]))?;
            let done = client.set_pool_cost(&pool, &terms).await?;
            Ok(View::note(&done, Word::CostSet.fill(desk.lang(), &[("pool", pool)])))
        }
    }
}

fn costs_table(pools: &[Pool]) -> Table {
    let heads = [
        Word::Pool,
        Word::Mode,
        Word::InService,
        Word::PurchasePrice,
        Word::Residual,
        Word::LifeMonths,
        Word::DatacentreMonth,
        Word::CoreHour,
        Word::GibHour,
        Word::CardHour,
        Word::NodeHour,
        Word::RoundUp,
        Word::Shortest,
    ];
    let row = |pool: &Pool| {
        let (own, fee) = (pool.cost.as_ref(), pool.fee.as_ref());
        let standing = |stage: &&wire::cost::NodeStage| stage.retired.is_none();
        let nodes = |own: &wire::cost::NodeCost| own.stages.iter().filter(standing).map(|s| s.nodes).sum::<u32>();
        let seconds = |seconds: u32| Cell::Seconds(f64::from(seconds));
        vec![
            Cell::text(&pool.name),
            Cell::text(pool.mode.as_str()),
            Cell::maybe(own, |own| Cell::number(nodes(own))),
            Cell::maybe(own, |own| Cell::Money(own.purchase_price)),
            Cell::maybe(own, |own| Cell::Money(own.residual)),
            Cell::maybe(own.and_then(|own| own.life_months), Cell::number),
            Cell::maybe(own, |own| Cell::Money(own.datacentre_fee_month)),
            Cell::maybe(fee.and_then(|fee| fee.core_hour), Cell::Money),
            Cell::maybe(fee.and_then(|fee| fee.gib_hour), Cell::Money),
            Cell::maybe(fee.and_then(|fee| fee.card_hour), Cell::Money),
            Cell::maybe(fee.and_then(|fee| fee.node_hour), Cell::Money),
            Cell::maybe(fee.map(|fee| fee.round_up_seconds).filter(|s| *s > 0), seconds),
            Cell::maybe(fee.map(|fee| fee.minimum_seconds).filter(|s| *s > 0), seconds),
        ]
    };
    Table::new("cost", &heads).with(pools.iter().map(row))
}
