//! Tables of the operator's overviews: tenants, own against partners' supply, amounts by age.

use wire::overview::{AgeingReport, Ages, MixReport, TenantRow, TenantsReport};

use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

pub fn tenants(report: &TenantsReport) -> View {
    let heads = [
        Word::Tenant,
        Word::Currency,
        Word::Revenue,
        Word::Cost,
        Word::Margin,
        Word::MarginPercent,
        Word::ActiveUsers,
        Word::RevenuePerUser,
    ];
    let row = |name: Cell, one: &TenantRow| {
        vec![
            name,
            Cell::text(&one.currency),
            Cell::Money(one.revenue),
            Cell::Money(one.cost),
            Cell::Money(one.margin),
            Cell::maybe(one.margin_percent.as_ref(), Cell::number),
            Cell::number(one.active_users),
            Cell::maybe(one.revenue_per_user, Cell::Money),
        ]
    };
    let total = || Cell::Both { en: "TOTAL".into(), zh: "合计".into() };
    let rows = report.rows.iter().map(|one| row(Cell::text(&one.tenant), one));
    let rows = rows.chain(report.total.iter().map(|one| row(total(), one)));
    View::table(report, Table::new("tenant", &heads).with(rows))
}

pub fn mix(report: &MixReport) -> View {
    let heads = [
        Word::Month,
        Word::Mode,
        Word::CardHours,
        Word::Share,
        Word::CoreHours,
        Word::Share,
        Word::Currency,
        Word::Cost,
        Word::Share,
        Word::Revenue,
        Word::Share,
    ];
    let rows = report.rows.iter().map(|one| {
        let percent = |text: &Option<String>| Cell::maybe(text.as_ref(), Cell::number);
        vec![
            Cell::text(&one.month),
            Cell::text(&one.mode),
            Cell::number(format!("{:.2}", one.card_hours)),
            percent(&one.card_hours_percent),
            Cell::number(format!("{:.2}", one.core_hours)),
            percent(&one.core_hours_percent),
            Cell::text(&one.currency),
            Cell::Money(one.cost),
            percent(&one.cost_percent),
            Cell::Money(one.revenue),
            percent(&one.revenue_percent),
        ]
    });
    View::table(report, Table::new("mix", &heads).with(rows))
}

pub fn ageing(report: &AgeingReport) -> View {
    let ages = |ages: &Ages| [ages.up_to_30, ages.up_to_60, ages.up_to_90, ages.over_90].map(Cell::Money);
    let days = [Word::UpTo30, Word::UpTo60, Word::UpTo90, Word::Over90];
    let heads = [&[Word::Tenant, Word::Currency, Word::Owed, Word::OwedSince][..], &days].concat();
    let receivables = report.receivables.iter().map(|one| {
        let since = Cell::maybe(one.since, Cell::Time);
        let mut row = vec![Cell::text(&one.name), Cell::text(&one.currency), Cell::Money(one.owed), since];
        row.extend(ages(&one.ages));
        row
    });
    let receivables = Table::new("receivable", &heads).with(receivables);
    let heads = [&[Word::Supplier, Word::Currency, Word::Accrued, Word::Payable][..], &days].concat();
    let payables = report.payables.iter().map(|one| {
        let money = [one.accrued, one.owed].map(Cell::Money);
        let mut row = vec![Cell::text(&one.name), Cell::text(&one.currency)];
        row.extend(money.into_iter().chain(ages(&one.ages)));
        row
    });
    let payables = Table::new("payable", &heads).with(payables);
    View::of(report, vec![Part::Table(receivables), Part::Table(payables)])
}
