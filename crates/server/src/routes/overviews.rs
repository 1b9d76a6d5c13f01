//! Overviews for the operator: tenants with their active users, own against partners' supply, who owes what since when. Each is
//! made from the sums of the margin report or from the books, and adds up to them.

use std::collections::BTreeMap;

use axum::Json;
use base::{Money, TenantId, Timestamp};
use ledger::Account;
use wire::ReportBy;
use wire::overview::{AgeingReport, Ages, MixReport, Payable, Receivable, TenantsReport};
use wire::report::PeriodQuery;

use super::reports::{days, exchange, margin_rows};
use crate::access::{AuditAccess, Params};
use crate::convert::overview as show;
use crate::problem::Failure;

/// What each tenant brought and cost, with its active users and what one of them brought, by the platform's days.
#[utoipa::path(
    get, path = "/v1/reports/tenants", tag = "money", operation_id = "report_tenants", params(PeriodQuery),
    responses((status = 200, description = "The report", body = TenantsReport))
)]
pub(super) async fn tenants(
    access: AuditAccess,
    Params(query): Params<PeriodQuery>,
) -> Result<Json<TenantsReport>, Failure> {
    let (from, to) = days(&access, query.from.map(|t| t.0), query.to.map(|t| t.0))?;
    let exchange = exchange(&access, query.currency.as_deref()).await?;
    let (rows, total) = margin_rows(&access, &[ReportBy::Tenant], &[], from, to, exchange.as_ref()).await?;
    let mut users = BTreeMap::new();
    for (tenant, count) in access.app().store.active_users(from, to).await? {
        if let Some(tenant) = access.names().tenant(tenant).await? {
            let currency = exchange.as_ref().map_or(tenant.currency, |exchange| exchange.into);
            users.insert(tenant.name.to_string(), (count, currency));
        }
    }
    let (rows, total) = show::tenants(&rows, &total, &users);
    Ok(Json(TenantsReport { from: from.into(), to: to.into(), rows, total }))
}

/// Own against partners' supply by month: hours, cost and revenue with their shares, by the platform's days.
#[utoipa::path(
    get, path = "/v1/reports/mix", tag = "money", operation_id = "report_mix", params(PeriodQuery),
    responses((status = 200, description = "The report", body = MixReport))
)]
pub(super) async fn mix(access: AuditAccess, Params(query): Params<PeriodQuery>) -> Result<Json<MixReport>, Failure> {
    let (from, to) = days(&access, query.from.map(|t| t.0), query.to.map(|t| t.0))?;
    let exchange = exchange(&access, query.currency.as_deref()).await?;
    let (rows, _) = margin_rows(&access, &[ReportBy::Month, ReportBy::Mode], &[], from, to, exchange.as_ref()).await?;
    Ok(Json(MixReport { from: from.into(), to: to.into(), rows: show::mix(&rows) }))
}

/// Who owes what, and who is owed what, by age: wallets below zero by the age of their unpaid charges, suppliers by the age of their
/// accepted statements.
#[utoipa::path(
    get, path = "/v1/reports/ageing", tag = "money", operation_id = "report_ageing",
    responses((status = 200, description = "The report", body = AgeingReport))
)]
pub(super) async fn ageing(access: AuditAccess) -> Result<Json<AgeingReport>, Failure> {
    let now = access.app().clock.now();
    let accounts = access.app().store.accounts().await?;
    let receivables = receivables(&access, &accounts, now).await?;
    let payables = payables(&access, &accounts, now).await?;
    Ok(Json(AgeingReport { at: now.into(), receivables, payables }))
}

async fn receivables(access: &AuditAccess, accounts: &[Account], now: Timestamp) -> Result<Vec<Receivable>, Failure> {
    let mut all = Vec::new();
    for account in accounts.iter().filter(|account| account.balance().is_negative()) {
        let code = account.code.as_str();
        let tenant = code.strip_prefix("tenant/").and_then(|rest| rest.strip_suffix("/wallet"));
        let Some(tenant) = tenant.and_then(|text| text.parse::<TenantId>().ok()) else { continue };
        let owed = -account.balance();
        let charges = access.app().store.charged_by_day(tenant).await?;
        let (ages, since) = show::unpaid(owed, charges.into_iter(), now);
        all.push(Receivable {
            tenant,
            name: access.names().tenant_name(tenant).await?,
            currency: account.currency.to_string(),
            owed: owed.into(),
            since: since.map(Timestamp::into),
            ages,
        });
    }
    all.sort_by(|a, b| (&a.name, a.tenant).cmp(&(&b.name, b.tenant)));
    Ok(all)
}

async fn payables(access: &AuditAccess, accounts: &[Account], now: Timestamp) -> Result<Vec<Payable>, Failure> {
    let store = &access.app().store;
    let statements = store.accepted(Timestamp::ZERO, now).await?;
    let mut all = Vec::new();
    for supplier in store.suppliers().await? {
        let balance = |what: &str| {
            let code = format!("supplier/{}/{what}", supplier.id);
            accounts.iter().filter(|a| a.code.as_str() == code).map(|a| (a.currency, a.balance())).collect::<Vec<_>>()
        };
        let mut sums: BTreeMap<_, (Money, Money)> = BTreeMap::new();
        balance("payable")
            .into_iter()
            .for_each(|(currency, owed)| sums.entry(currency.to_string()).or_default().0 += owed);
        balance("accrued")
            .into_iter()
            .for_each(|(currency, due)| sums.entry(currency.to_string()).or_default().1 += due);
        sums.retain(|_, sum| *sum != (Money::ZERO, Money::ZERO));
        for (currency, (owed, accrued)) in sums {
            let mut ages = Ages::default();
            let own = statements.iter().filter(|s| s.supplier == supplier.id && s.currency.as_str() == currency);
            for statement in own {
                let since = statement.accepted_at.unwrap_or(now);
                show::age(&mut ages, statement.payable - statement.paid, since, now);
            }
            all.push(Payable {
                supplier: supplier.id,
                name: supplier.name.to_string(),
                currency,
                owed: owed.into(),
                ages,
                accrued: accrued.into(),
            });
        }
    }
    all.sort_by(|a, b| (&a.name, a.supplier, &a.currency).cmp(&(&b.name, b.supplier, &b.currency)));
    Ok(all)
}
