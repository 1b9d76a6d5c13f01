//! The operator's reports. Each is a query over the days' sums and the pools' stretches, and adds up to the ledger.

use std::collections::BTreeMap;

use axum::Json;
use base::{Currency, Money, PoolId, ProjectId, Span, Timestamp, UserId};
use model::SupplyMode;
use rating::CostParts;
use rating::book;
use rating::sizing::{CardPrices, Demand};
use store::{Apart, EarnedRow, Scope};
use wire::ReportBy;
use wire::report::{PeriodQuery, PoolsReport, Report, ReportQuery, ReportRow, SizingAsk, SizingDone};

use super::money::{amount, period};
use super::plain_text;

use crate::access::{AuditAccess, Body, Params, Supply};
use crate::convert::rate::{self, Exchange, Lacking};
use crate::convert::report::{Beside, Contracted, Legend, Payer, Short};
use crate::problem::Failure;

const BY_MAX: usize = 4;
/// Four names of 64 characters with what they name.
const ONLY_CHARS_MAX: usize = 400;
/// Midnight belongs to the day that it ends.
const MOMENT: Span = Span::from_micros(1);

/// Revenue, cost and margin by any of several things, by the platform's days. Costs that no work carried stand under `-` where work is told apart.
#[utoipa::path(
    get, path = "/v1/reports/margin", tag = "money", operation_id = "report_margin", params(ReportQuery),
    responses((status = 200, description = "The report", body = Report))
)]
pub(super) async fn margin(access: AuditAccess, Params(query): Params<ReportQuery>) -> Result<Json<Report>, Failure> {
    let by = told_apart(query.by.as_deref().unwrap_or("tenant"))?;
    let (from, to) = days(&access, query.from.map(|t| t.0), query.to.map(|t| t.0))?;
    let exchange = exchange(&access, query.currency.as_deref()).await?;
    let only = narrowed(query.only.as_deref().unwrap_or_default())?;
    let (rows, total) = margin_rows(&access, &by, &only, from, to, exchange.as_ref()).await?;
    let utc_offset = access.app().store.days().offset().to_string();
    Ok(Json(Report { from: from.into(), to: to.into(), utc_offset, rows, total, by }))
}

/// Into which currency a report goes, where one is asked for.
pub(super) async fn exchange(access: &AuditAccess, asked: Option<&str>) -> Result<Option<Exchange>, Failure> {
    let Some(text) = asked else { return Ok(None) };
    let into = rate::currency("currency", text)?;
    let rates = access.app().store.rate_table(Some(into)).await?;
    let days = access.app().store.days();
    Ok(Some(Exchange { into, costs: access.app().settings.cost_currency, rates, days }))
}

/// The rows and sums of a margin report, in one currency where that is asked for.
pub(super) async fn margin_rows(
    access: &AuditAccess,
    by: &[ReportBy],
    only: &[(ReportBy, String)],
    from: Timestamp,
    to: Timestamp,
    exchange: Option<&Exchange>,
) -> Result<(Vec<ReportRow>, Vec<ReportRow>), Failure> {
    // What is narrowed by is told apart as well, and left out of the rows again.
    let by: &[ReportBy] = &by.iter().copied().chain(only.iter().map(|(by, _)| *by)).collect::<Vec<_>>();
    let only: Vec<String> = only.iter().map(|(_, key)| key.clone()).collect();
    // What is converted is the finest that is stored, so that what is told apart changes no sum.
    let any = |words: &[ReportBy]| exchange.is_some() || by.iter().any(|by| words.contains(by));
    let apart = Apart {
        day: any(&[ReportBy::Day, ReportBy::Month, ReportBy::Season]),
        user: by.contains(&ReportBy::User),
        // Currencies are the tenants'.
        project: true,
        pool: any(&[ReportBy::Pool, ReportBy::Cluster, ReportBy::Supplier, ReportBy::Mode, ReportBy::Region]),
        line: any(&[ReportBy::Line, ReportBy::Work]),
    };
    let store = &access.app().store;
    let mut earned = store.earned(apart, from, to).await?;
    let users = users(access, &earned).await?;
    let mut payers = with_corrections(access, &mut earned, from, to).await?;
    let mut time = store.pool_time(apart.day, from, to).await?;
    let mut beside = Beside {
        settled: store.accepted(from, to).await?,
        contracted: contracted(access, from, to).await?,
        short: Short::within(&store.supplier_terms().await?, from, to),
    };
    let supply = access.names().supply().await?;
    let (mut cost_currency, days) = (access.app().settings.cost_currency, access.app().store.days());
    if let Some(exchange) = exchange {
        let mut lacking = Lacking::default();
        exchange.earned(&mut earned, &mut payers, &mut lacking);
        exchange.time(&mut time, &mut lacking);
        exchange.beside(&mut beside, &mut lacking);
        lacking.check(exchange.into)?;
        cost_currency = exchange.into;
    }
    let legend = Legend { by, supply: &supply, payers: &payers, users: &users, days, cost_currency, only: &only };
    Ok(legend.report(&earned, &time, &beside))
}

/// What each pool's time cost and earned: hours by what became of them, cost by cause, unit cost, break-even utilisation.
#[utoipa::path(
    get, path = "/v1/reports/pools", tag = "money", operation_id = "report_pools", params(PeriodQuery),
    responses((status = 200, description = "The report", body = PoolsReport))
)]
pub(super) async fn pools(
    access: AuditAccess,
    Params(query): Params<PeriodQuery>,
) -> Result<Json<PoolsReport>, Failure> {
    let (from, to) = days(&access, query.from.map(|t| t.0), query.to.map(|t| t.0))?;
    let store = &access.app().store;
    let exchange = exchange(&access, query.currency.as_deref()).await?;
    let finest = exchange.is_some();
    let apart = Apart { project: true, pool: true, day: finest, line: finest, user: false };
    let mut earned = store.earned(apart, from, to).await?;
    let mut payers = with_corrections(&access, &mut earned, from, to).await?;
    let mut time = store.pool_time(finest, from, to).await?;
    let used = store.used(from, to).await?;
    let supply = access.names().supply().await?;
    let (mut cost_currency, days) = (access.app().settings.cost_currency, access.app().store.days());
    if let Some(exchange) = exchange {
        let mut lacking = Lacking::default();
        exchange.earned(&mut earned, &mut payers, &mut lacking);
        exchange.time(&mut time, &mut lacking);
        lacking.check(exchange.into)?;
        time = rate::without_days(time);
        cost_currency = exchange.into;
    }
    let users = BTreeMap::new();
    let rows = Legend { by: &[], supply: &supply, payers: &payers, users: &users, days, cost_currency, only: &[] }
        .pools(&earned, &time, &used);
    Ok(Json(PoolsReport { from: from.into(), to: to.into(), rows }))
}

/// How many cards a model service needs, and what a month of it earns at the present prices.
#[utoipa::path(
    post, path = "/v1/reports/sizing", tag = "money", operation_id = "report_sizing", request_body = SizingAsk,
    responses((status = 200, description = "What comes of it", body = SizingDone))
)]
pub(super) async fn sizing(access: AuditAccess, body: Body<SizingAsk>) -> Result<Json<SizingDone>, Failure> {
    let ask = body.value;
    let parts = |field: &str, value: f64, of: f64| {
        let whole = (value * of).round();
        if (0.0..1e15).contains(&whole) { Ok(whole as u64) } else { Err(Failure::invalid(field, "out of range")) }
    };
    let permille = |field: &str, value| Ok::<_, Failure>(u32::try_from(parts(field, value, 1e3)?).unwrap_or(u32::MAX));
    let demand = Demand {
        users: ask.users,
        requests_per_day: ask.requests_per_day,
        output_length: ask.output_length,
        micros_per_unit: parts("seconds_per_unit", ask.seconds_per_unit, 1e6)?,
        utilisation_permille: permille("utilisation", ask.utilisation)?,
        peak_permille: permille("peak", ask.peak)?,
        own_permille: permille("own_share", ask.own_share)?,
    };
    let currency = access.app().settings.cost_currency;
    let supply = access.names().supply().await?;
    let prices = card_prices(&ask, &supply, currency, access.app().clock.now())?;
    let done = demand.size(&prices).map_err(|fault| Failure::invalid("utilisation", fault.to_string()))?;
    Ok(Json(SizingDone {
        card_hours_day: done.card_hours_day,
        cards_busy: done.cards_busy,
        cards: done.cards,
        own_cards: done.own_cards,
        partner_cards: done.partner_cards,
        own_hours_month: done.own_hours_month,
        partner_hours_month: done.partner_hours_month,
        sold_hour: prices.sold_hour.into(),
        own_hour: prices.own_hour.into(),
        partner_hour: prices.partner_hour.into(),
        currency: currency.to_string(),
        revenue: done.revenue.into(),
        own_cost: done.own_cost.into(),
        partner_fees: done.partner_fees.into(),
        margin: done.margin.into(),
    }))
}

/// What is said; else the price of the chip in the newest book, and the dearest cost of the pools that have it.
fn card_prices(ask: &SizingAsk, supply: &Supply, currency: Currency, now: Timestamp) -> Result<CardPrices, Failure> {
    let chip = ask.chip.as_deref().map(str::parse::<model::Chip>).transpose();
    let chip = chip.map_err(|error| Failure::invalid("chip", error.to_string()))?;
    let sold = book::in_force(&supply.books, currency, now).and_then(|book| book.card_hour(chip.as_ref()));
    let dearest = |mode: SupplyMode| {
        let pools = supply.pools.values().filter(|pool| pool.mode == mode && chip.is_some() && pool.chip == chip);
        let cost = |pool: &model::Pool| supply.costs.get(&pool.id)?.at(now).rates(pool.shape).card_hour;
        pools.filter_map(cost).max()
    };
    let said = |field: &str, text: Option<wire::MoneyText>, known: Option<Money>| match (text, known) {
        (Some(text), _) => amount(field, text),
        (None, Some(known)) => Ok(known),
        (None, None) => Err(Failure::invalid(field, "not known: say it, or a chip that is priced and that pools have")),
    };
    let none = Some(Money::ZERO);
    let (own, partner) = (ask.own_share > 0.0, ask.own_share < 1.0);
    Ok(CardPrices {
        sold_hour: said("sold_hour", ask.sold_hour, sold)?,
        own_hour: said("own_hour", ask.own_hour, dearest(SupplyMode::Own).or(none.filter(|_| !own)))?,
        partner_hour: said(
            "partner_hour",
            ask.partner_hour,
            dearest(SupplyMode::Partner).or(none.filter(|_| !partner)),
        )?,
    })
}

fn told_apart(text: &str) -> Result<Vec<ReportBy>, Failure> {
    let words: Vec<&str> = ReportBy::ALL.iter().map(|by| by.as_str()).collect();
    let parse = |word: &str| {
        ReportBy::parse(word.trim())
            .ok_or_else(|| Failure::invalid("by", format!("`{word:.40}` is none of {}", words.join(", "))))
    };
    let by: Vec<ReportBy> = text.split(',').map(parse).collect::<Result<_, _>>()?;
    if by.len() > BY_MAX {
        return Err(Failure::invalid("by", format!("at most {BY_MAX}")));
    }
    Ok(by)
}

/// `tenant=physics;line=ai`: what a report is narrowed to.
fn narrowed(text: &str) -> Result<Vec<(ReportBy, String)>, Failure> {
    plain_text("only", text, ONLY_CHARS_MAX)?;
    let parse = |pair: &str| {
        let (word, key) = pair
            .split_once('=')
            .ok_or_else(|| Failure::invalid("only", "write `thing=key`, several with `;` between"))?;
        let by = ReportBy::parse(word.trim())
            .ok_or_else(|| Failure::invalid("only", format!("`{word:.40}` is nothing that a report tells apart")))?;
        Ok((by, key.trim().to_owned()))
    };
    let only: Vec<_> =
        text.split(';').filter(|pair| !pair.trim().is_empty()).map(parse).collect::<Result<_, Failure>>()?;
    if only.len() > BY_MAX {
        return Err(Failure::invalid("only", format!("at most {BY_MAX}")));
    }
    Ok(only)
}

/// The days that a period touches, from the first moment of the first to the last of the last.
pub(super) fn days(
    access: &AuditAccess,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<(Timestamp, Timestamp), Failure> {
    let (app, days) = (access.app(), access.app().store.days());
    let (from, to) = period(from, to, app.clock.now())?;
    Ok((days.begin(days.after(from)), days.end(days.of(to))))
}

/// Names of the users that are told apart.
async fn users(access: &AuditAccess, earned: &[EarnedRow]) -> Result<BTreeMap<UserId, String>, Failure> {
    let users = access.names().users(earned.iter().filter_map(|row| row.user)).await?;
    Ok(users.into_iter().map(|(id, user)| (id, user.name.to_string())).collect())
}

/// Whose the work is, when what was corrected has been put beside it.
async fn with_corrections(
    access: &AuditAccess,
    earned: &mut Vec<EarnedRow>,
    from: Timestamp,
    to: Timestamp,
) -> Result<BTreeMap<ProjectId, Payer>, Failure> {
    let corrected = access.app().store.corrections(Scope::All, from + MOMENT, to + MOMENT).await?;
    let known = earned.iter().map(|row| row.project).chain(corrected.iter().filter_map(|c| Some(c.job?.project)));
    let mut payers = payers(access, known).await?;
    earned.extend(corrections(access, &corrected, &mut payers).await?);
    Ok(payers)
}

/// Corrections as what they are: revenue of the day on which they were made. One that names no job is its tenant's, and of no
/// project, pool or line; it stands under the tenant's own id in the place of a project's.
async fn corrections(
    access: &AuditAccess,
    made: &[rating::statement::Correction],
    payers: &mut BTreeMap<ProjectId, Payer>,
) -> Result<Vec<EarnedRow>, Failure> {
    let mut rows = Vec::with_capacity(made.len());
    for one in made {
        let project = one.job.map_or_else(|| ProjectId::from_u128(one.tenant.as_u128()), |job| job.project);
        if one.job.is_none() && !payers.contains_key(&project) {
            let tenant = access.names().tenant_name(one.tenant).await?;
            payers.insert(project, Payer { project: "-".to_owned(), tenant, currency: one.currency });
        }
        rows.push(EarnedRow {
            day: access.app().store.days().of(one.at),
            project,
            pool: one.job.and_then(|job| job.pool).unwrap_or(PoolId::from_u128(0)),
            line: one.job.map(|job| job.line as usize),
            user: None,
            charge: one.amount,
            uncollected: Money::ZERO,
            credited: Money::ZERO,
            cost: CostParts::default(),
            core_ms: 0,
            card_ms: 0,
        });
    }
    Ok(rows)
}

/// Fees of contracts' months that were closed, what nobody drew of them, and fees of early ends.
async fn contracted(access: &AuditAccess, from: Timestamp, to: Timestamp) -> Result<Vec<Contracted>, Failure> {
    let store = &access.app().store;
    let mut found = Vec::new();
    let lapsed = store.lapsed(from, to).await?.into_iter();
    let lapsed = lapsed.filter_map(|(contract, period)| Some((contract, period.closed?.at, period.closed?.lapsed)));
    let early = store.broken_off(from, to).await?.into_iter();
    let early = early.filter_map(|c| {
        let (at, fee) = (c.broken_off?, c.terms.early_fee(c.begun));
        Some((c, at, fee))
    });
    for (contract, at, amount) in lapsed.chain(early) {
        let tenant = access.names().tenant(contract.tenant).await?;
        let tenant = tenant.map_or_else(|| contract.tenant.to_string(), |tenant| tenant.name.to_string());
        found.push(Contracted { at, tenant, currency: contract.terms.currency, amount });
    }
    Ok(found)
}

async fn payers(
    access: &AuditAccess,
    projects: impl Iterator<Item = ProjectId>,
) -> Result<BTreeMap<ProjectId, Payer>, Failure> {
    let payer = |(project, tenant): (model::Project, model::Tenant)| Payer {
        project: project.name.to_string(),
        tenant: tenant.name.to_string(),
        currency: tenant.currency,
    };
    let known = access.names().projects(projects).await?;
    Ok(known.into_iter().map(|(id, whose)| (id, payer(whose))).collect())
}
