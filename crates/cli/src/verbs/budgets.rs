//! Budgets of tenants, projects and users: list, set, remove.

use clap::{Args, Subcommand};
use wire::budget::{Budget, BudgetSet};
use wire::{BudgetKind, BudgetPeriod, MoneyText};

use super::LIST_USUAL;
use super::people::tenant_or_own;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Budgets {
    #[command(subcommand)]
    pub act: Option<BudgetsAct>,
    /// The tenant; your own when left out
    #[arg(long, global = true, value_name = "TENANT")]
    pub tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum BudgetsAct {
    /// Budgets with what was spent in their present periods (the default)
    List,
    /// Set a budget, or change the one for the same work and periods
    Set(Set),
    /// Remove a budget
    Remove {
        /// Its number
        #[arg(value_name = "N")]
        number: u64,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("kind").required(true).args(["hard", "soft"]))]
pub struct Set {
    /// In the tenant's currency: 1000, 12.50
    #[arg(value_name = "AMOUNT")]
    pub amount: MoneyText,
    /// New work that does not fit is refused
    #[arg(long)]
    pub hard: bool,
    /// It only tells
    #[arg(long)]
    pub soft: bool,
    /// Only this project's work
    #[arg(long, short = 'A', value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only this user's work
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// In what stretches of time it is counted
    #[arg(long, value_name = "PERIOD", default_value = "month", value_parser = choice(BudgetPeriod::ALL, BudgetPeriod::as_str))]
    pub period: BudgetPeriod,
    /// With the period once: from here on
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    pub from: Option<When>,
    /// With the period once: up to here
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
    /// Where months begin: +08:00; UTC when left out
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    pub utc_offset: Option<String>,
    /// Per cent of the amount at which it tells
    #[arg(long, value_name = "N,N…", value_delimiter = ',')]
    pub alerts: Vec<u32>,
}

pub async fn budgets(desk: &Desk, args: Budgets) -> Result<View, Fault> {
    let client = desk.client()?;
    let tenant = tenant_or_own(&client, args.tenant).await?;
    match args.act.unwrap_or(BudgetsAct::List) {
        BudgetsAct::List => {
            let page = client.budgets(&tenant).take(LIST_USUAL).await?;
            Ok(View::table(&page, table(&page.items)))
        }
        BudgetsAct::Set(set) => {
            let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
            let ask = BudgetSet {
                from: at(&set.from),
                to: at(&set.to),
                project: set.project,
                user: set.user,
                kind: if set.hard { BudgetKind::Hard } else { BudgetKind::Soft },
                period: set.period,
                utc_offset: set.utc_offset,
                amount: set.amount,
                alerts: Some(set.alerts).filter(|alerts| !alerts.is_empty()),
            };
            let done = client.set_budget(&tenant, &ask).await?;
            Ok(View::table(&done, table(std::slice::from_ref(&done))))
        }
        BudgetsAct::Remove { number } => {
            client.remove_budget(&tenant, number).await?;
            let gaps = [("n", number.to_string())];
            Ok(View::done(crate::exit::Exit::Ok).and(Word::BudgetRemoved.fill(desk.lang(), &gaps)))
        }
    }
}

fn table(budgets: &[Budget]) -> Table {
    let heads = [
        Word::Number,
        Word::Kind,
        Word::Project,
        Word::User,
        Word::Period,
        Word::Until,
        Word::Amount,
        Word::Spent,
        Word::Promised,
        Word::Left,
        Word::Currency,
        Word::Alerted,
        Word::StopsAt,
    ];
    let row = |one: &Budget| {
        let alerts: Vec<String> = one
            .alerts
            .iter()
            .map(|percent| if one.alerted.contains(percent) { format!("{percent}!") } else { percent.to_string() })
            .collect();
        vec![
            Cell::number(one.number),
            Cell::text(one.kind.as_str()),
            Cell::maybe(one.project.as_ref(), Cell::text),
            Cell::maybe(one.user.as_ref(), Cell::text),
            Cell::text(one.period.as_str()),
            Cell::Time(one.to),
            Cell::Money(one.amount),
            Cell::Money(one.spent),
            Cell::Money(one.promised),
            Cell::Money(one.left),
            Cell::text(&one.currency),
            Cell::text(alerts.join(" ")),
            Cell::maybe(one.stop_at, Cell::Time),
        ]
    };
    Table::new("budget", &heads).with(budgets.iter().map(row))
}
