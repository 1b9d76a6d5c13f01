//! Money granted to tenants for free: what was given and what became of it, giving, revoking.

use clap::{Args, Subcommand};
use wire::grant::{Grant, GrantCreate, GrantRevoke, GrantScope};
use wire::{MoneyText, PriorityClass, ProductLine};

use super::people::tenant_or_own;
use super::{LIST_USUAL, Most};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Grants {
    #[command(subcommand)]
    pub act: Option<GrantsAct>,
}

#[derive(Debug, Subcommand)]
pub enum GrantsAct {
    /// Grants with what was drawn of them, newest first (the default)
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
    /// Grant a tenant money for free, until some time
    Give(Give),
    /// Revoke a grant: what open jobs were not promised goes back
    Revoke {
        /// Our number of the grant
        #[arg(value_name = "N")]
        number: u64,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
}

#[derive(Debug, Args)]
pub struct Give {
    /// Name or id of the tenant
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// In the tenant's currency: 1000, 12.50
    #[arg(value_name = "AMOUNT")]
    pub amount: MoneyText,
    /// When it ends
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: When,
    /// When it begins; at once when left out
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// Only for work in this project
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only for work of this user
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// Only for work on these pools
    #[arg(long, short = 'p', value_name = "POOL,POOL…", value_delimiter = ',')]
    pub pools: Vec<String>,
    /// Only for work on cards of this kind, named in full
    #[arg(long, value_name = "CHIP")]
    pub chip: Option<String>,
    /// Only for work of this product line
    #[arg(long, value_name = "LINE", value_parser = choice(ProductLine::ALL, ProductLine::as_str))]
    pub product: Option<ProductLine>,
    /// Only for work of this class
    #[arg(long, value_name = "CLASS", value_parser = choice(PriorityClass::ALL, PriorityClass::as_str))]
    pub class: Option<PriorityClass>,
    /// What it is given for; the tenant reads it
    #[arg(long, value_name = "TEXT")]
    pub note: String,
    /// Name of this act: repeated under the same key it happens once
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

pub async fn grants(desk: &Desk, args: Grants) -> Result<View, Fault> {
    let client = desk.client()?;
    let usual = GrantsAct::List { tenant: None, all: false, most: Most { limit: LIST_USUAL } };
    match args.act.unwrap_or(usual) {
        GrantsAct::List { tenant, all, most } => {
            let pages = match (all, tenant) {
                (true, _) => client.grants(),
                (false, tenant) => client.tenant_grants(&tenant_or_own(&client, tenant).await?),
            };
            let page = pages.take(most.limit).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        GrantsAct::Give(give) => {
            let at = |when: &When| when.at(desk.now(), &desk.settings.look.zone);
            let create = GrantCreate {
                amount: give.amount,
                from: give.from.as_ref().map(at),
                to: at(&give.to),
                project: give.project,
                user: give.user,
                pools: give.pools,
                chip: give.chip,
                product: give.product,
                class: give.class,
                note: give.note,
            };
            let done = client.give_grant(&give.tenant, &create, give.idempotency_key.as_deref()).await?;
            Ok(View::table(&done, table(std::slice::from_ref(&done))))
        }
        GrantsAct::Revoke { number, note } => {
            let known = client.grant(number).await?;
            let gaps = [
                ("n", number.to_string()),
                ("tenant", known.tenant_name),
                ("left", known.left.to_string()),
                ("currency", known.currency),
            ];
            desk.confirm(Word::ReallyRevokeGrant, &gaps)?;
            let done = client.revoke_grant(number, &GrantRevoke { note }).await?;
            Ok(View::table(&done, table(std::slice::from_ref(&done))))
        }
    }
}

fn table(grants: &[Grant]) -> Table {
    let heads = [
        Word::Number,
        Word::Tenant,
        Word::State,
        Word::From,
        Word::Until,
        Word::Amount,
        Word::Drawn,
        Word::WentBack,
        Word::Left,
        Word::Promised,
        Word::Currency,
        Word::GrantedFor,
        Word::GrantNote,
    ];
    let row = |one: &Grant| {
        vec![
            Cell::number(one.number),
            Cell::text(&one.tenant_name),
            Cell::text(one.state.as_str()),
            Cell::Time(one.from),
            Cell::Time(one.to),
            Cell::Money(one.amount),
            Cell::Money(one.drawn),
            Cell::Money(one.back),
            Cell::Money(one.left),
            Cell::Money(one.promised),
            Cell::text(&one.currency),
            Cell::text(scope(one)),
            Cell::text(&one.note),
        ]
    };
    Table::new("grant", &heads).with(grants.iter().map(row))
}

/// In the words of its options.
fn scope(one: &Grant) -> String {
    let kind = |of: &GrantScope| {
        let said = [
            of.pool.as_ref().map(|pool| format!("pool={pool}")),
            of.chip.as_ref().map(|chip| format!("chip={chip}")),
            of.product.map(|line| format!("product={line}")),
            of.class.map(|class| format!("class={class}")),
        ];
        said.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let whose = [
        one.project.as_ref().map(|project| format!("project={project}")),
        one.user.as_ref().map(|user| format!("user={user}")),
    ];
    let kinds = one.of.iter().map(kind).collect::<Vec<_>>().join("; ");
    let said: Vec<String> = whose.into_iter().flatten().chain((!kinds.is_empty()).then_some(kinds)).collect();
    if said.is_empty() { "-".to_owned() } else { said.join(" ") }
}
