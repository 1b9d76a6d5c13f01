//! Tenants' contracts: what is committed, how much of it is drawn, signing one from a file, breaking one off.

use clap::{Args, Subcommand};
use wire::contract::{Commitment, Contract, ContractCreate, ContractDetail, ContractEnd, ContractMonth};

use super::people::tenant_or_own;
use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Contracts {
    #[command(subcommand)]
    pub act: Option<ContractsAct>,
}

#[derive(Debug, Subcommand)]
pub enum ContractsAct {
    /// Contracts, newest first (the default)
    List {
        /// Name or id of a tenant; your own when left out
        #[arg(long, value_name = "TENANT", conflicts_with = "all")]
        tenant: Option<String>,
        /// Of all tenants; for operators and auditors
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        most: Most,
    },
    /// One contract with its months
    Show {
        /// Our number of the contract
        #[arg(value_name = "N")]
        number: u64,
    },
    /// Sign the contract of a TOML file; it never changes afterwards
    Sign {
        /// Name or id of the tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// The file: name, tier, from, to, fee, unused, early_end, [[commit]], [[include]]; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
        /// Name of this act: repeated under the same key it happens once
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Break a contract off: the month that has begun is its last
    End {
        /// Our number of the contract
        #[arg(value_name = "N")]
        number: u64,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
}

pub async fn contracts(desk: &Desk, args: Contracts) -> Result<View, Fault> {
    let client = desk.client()?;
    let usual = ContractsAct::List { tenant: None, all: false, most: Most { limit: LIST_USUAL } };
    match args.act.unwrap_or(usual) {
        ContractsAct::List { tenant, all, most } => {
            let pages = match (all, tenant) {
                (true, _) => client.contracts(),
                (false, tenant) => client.tenant_contracts(&tenant_or_own(&client, tenant).await?),
            };
            let page = pages.take(most.limit).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        ContractsAct::Show { number } => Ok(detail(&client.contract(number).await?)),
        ContractsAct::Sign { tenant, file, idempotency_key } => {
            let text = desk.read(&file)?;
            let create: ContractCreate = toml::from_str(&text)
                .map_err(|fault| Fault::Usage(Word::BadFile, vec![("path", file), ("why", fault.to_string())]))?;
            let gaps = [("name", create.name.clone()), ("tenant", tenant.clone())];
            desk.confirm(Word::ReallySign, &gaps)?;
            Ok(detail(&client.sign_contract(&tenant, &create, idempotency_key.as_deref()).await?))
        }
        ContractsAct::End { number, note } => {
            let known = client.contract(number).await?.contract;
            let fee = known.early_end_fee.map_or_else(|| "0".to_owned(), |fee| fee.to_string());
            let gaps =
                [("name", known.name), ("tenant", known.tenant_name), ("fee", fee), ("currency", known.currency)];
            desk.confirm(Word::ReallyEndContract, &gaps)?;
            Ok(detail(&client.end_contract(number, &ContractEnd { note }).await?))
        }
    }
}

fn table(contracts: &[Contract]) -> Table {
    let heads = [
        Word::Number,
        Word::Tenant,
        Word::Name,
        Word::State,
        Word::Tier,
        Word::From,
        Word::Until,
        Word::Committed,
        Word::FeeMonth,
        Word::Currency,
    ];
    let row = |one: &Contract| {
        let fees = one.commit.iter().map(|c| c.fee.0).fold(one.fee.0, |sum, fee| sum + fee);
        vec![
            Cell::number(one.number),
            Cell::text(&one.tenant_name),
            Cell::text(&one.name),
            Cell::text(one.state.as_str()),
            Cell::text(one.tier.as_str()),
            Cell::Time(one.from),
            Cell::Time(one.to),
            Cell::text(one.commit.iter().map(committed).collect::<Vec<_>>().join("; ")),
            Cell::Money(fees.into()),
            Cell::text(&one.currency),
        ]
    };
    Table::new("contract", &heads).with(contracts.iter().map(row))
}

/// In the words of its file.
fn committed(one: &Commitment) -> String {
    let quantity = one.held.map(|many| format!("held={many}")).or(one.hours.map(|hours| format!("hours={hours}")));
    let said = [
        quantity,
        one.pool.as_ref().map(|pool| format!("pool={pool}")),
        one.chip.as_ref().map(|chip| format!("chip={chip}")),
        one.product.map(|line| format!("product={line}")),
        one.class.map(|class| format!("class={class}")),
        one.overage.map(|price| format!("overage={price}")),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    format!("{} {}", one.unit, said.join(" "))
}

fn detail(one: &ContractDetail) -> View {
    let heads = [
        Word::Month,
        Word::ContractLine,
        Word::Committed,
        Word::FeeMonth,
        Word::Hours,
        Word::Drawn,
        Word::Earned,
        Word::Lapsed,
        Word::CarriedOn,
        Word::ClosedAt,
    ];
    let contract = &one.contract;
    let of = |month: &ContractMonth| match usize::from(month.line).checked_sub(1).and_then(|n| contract.commit.get(n)) {
        Some(c) if month.carried => format!("{} ↷", c.unit),
        Some(c) => c.unit.to_string(),
        None => "-".to_owned(),
    };
    let row = |month: &ContractMonth| {
        vec![
            Cell::text(&month.month),
            Cell::number(month.line),
            Cell::text(of(month)),
            Cell::Money(month.fee),
            Cell::maybe(month.hours.as_ref(), Cell::text),
            Cell::maybe(month.drawn_hours.as_ref(), Cell::text),
            Cell::Money(month.earned),
            Cell::Money(month.lapsed),
            Cell::Money(month.carried_on),
            Cell::maybe(month.closed_at, Cell::Time),
        ]
    };
    let months = Table::new("month", &heads).with(one.months.iter().map(row));
    View::of(one, vec![Part::Table(table(std::slice::from_ref(contract))), Part::Table(months)])
}
