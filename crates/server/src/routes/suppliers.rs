//! Suppliers and the terms agreed on with them.

use std::collections::BTreeMap;

use axum::Json;
use base::{Money, SupplierId};
use engine::{Command, NewTerms};
use rating::tariff::calendar::{ParseTimeError, UtcOffset};
use wire::Page;
use wire::page::PageQuery;
use wire::settlement::KeptMapping;
use wire::suppliers as shown;

use super::money::amount;
use super::{page_of, plain_text};
use crate::access::{AuditAccess, Body, Caller, Meta, OperatorAccess, Params, Segments};
use crate::convert::{self, suppliers as show};
use crate::limits::FILTER_CHARS_MAX;
use crate::problem::Failure;

/// Suppliers with what they are owed, what was agreed on and what was bought.
#[utoipa::path(
    get, path = "/v1/suppliers", tag = "money", operation_id = "suppliers", params(PageQuery),
    responses((status = 200, description = "A page of suppliers", body = Page<shown::Supplier>))
)]
pub(super) async fn list(
    access: AuditAccess,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<shown::Supplier>>, Failure> {
    let all = told(&access, None).await?;
    Ok(Json(page_of(all, query.limit, query.cursor.as_deref(), |s| s.id.to_string())?))
}

/// All suppliers by name, or one.
async fn told(caller: &Caller, only: Option<SupplierId>) -> Result<Vec<shown::Supplier>, Failure> {
    let app = caller.app();
    let (currency, now) = (app.settings.cost_currency, app.clock.now());
    let terms = app.store.supplier_terms().await?;
    let mappings = app.store.kept_mappings().await?;
    let accounts = app.store.accounts().await?;
    let balances: BTreeMap<&str, Money> =
        accounts.iter().filter(|a| a.currency == currency).map(|a| (a.code.as_str(), a.balance())).collect();
    let owed = |id: SupplierId, what: &str| {
        balances.get(format!("supplier/{id}/{what}").as_str()).copied().unwrap_or(Money::ZERO)
    };
    let mut suppliers = app.store.suppliers().await?;
    suppliers.retain(|s| only.is_none_or(|only| only == s.id));
    suppliers.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let supplier = |s: model::Supplier| shown::Supplier {
        id: s.id,
        name: s.name.to_string(),
        mode: convert::supply_mode(s.mode),
        terms: terms.iter().find(|t| t.supplier == s.id).map(|t| show::terms(t, now)),
        accrued: owed(s.id, "accrued").into(),
        payable: owed(s.id, "payable").into(),
        currency: currency.to_string(),
        mapping_of: mappings.get(&s.id).map(|(settlement, _)| *settlement),
    };
    Ok(suppliers.into_iter().map(supplier).collect())
}

/// Set what is agreed on with a supplier: term, settlement period, minimum purchase.
#[utoipa::path(
    put, path = "/v1/suppliers/{supplier}/terms", tag = "money", operation_id = "set_supplier_terms",
    request_body = shown::SupplierTermsSet,
    params(
        ("supplier" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The supplier afterwards", body = shown::Supplier))
)]
pub(super) async fn set(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<shown::SupplierTermsSet>,
) -> Result<Json<shown::Supplier>, Failure> {
    let supplier = named(&access, segments.get("supplier")).await?;
    let set = &body.value;
    plain_text("utc_offset", set.utc_offset.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    let offset = match set.utc_offset.as_deref() {
        None => UtcOffset::UTC,
        Some(text) => text.parse().map_err(|e: ParseTimeError| Failure::invalid("utc_offset", e.to_string()))?,
    };
    let terms = NewTerms {
        supplier,
        from: set.from.map(|at| at.0),
        to: set.to.map(|at| at.0),
        settles: show::settles_from(set.settles),
        offset,
        minimum: set.minimum.map(|text| amount("minimum", text)).transpose()?.unwrap_or(Money::ZERO),
    };
    let command = Command::SetSupplierTerms(Box::new(terms));
    access.command(command, meta.once(access.who.user, &body.raw)).await?;
    let told = told(&access, Some(supplier)).await?.pop();
    told.map(Json).ok_or_else(|| Failure::not_found("supplier"))
}

/// By name or id.
async fn named(caller: &Caller, text: &str) -> Result<SupplierId, Failure> {
    let supply = caller.names().supply().await?;
    Ok(supply.find_supplier(text).ok_or_else(|| Failure::not_found("supplier"))?.id)
}

/// How a supplier's statements are read, as it was kept when one was taken in.
#[utoipa::path(
    get, path = "/v1/suppliers/{supplier}/mapping", tag = "money", operation_id = "supplier_mapping",
    params(("supplier" = String, Path, description = "Name or id")),
    responses((status = 200, description = "The mapping", body = KeptMapping))
)]
pub(super) async fn mapping(access: AuditAccess, segments: Segments) -> Result<Json<KeptMapping>, Failure> {
    let supplier = named(&access, segments.get("supplier")).await?;
    let mut all = access.app().store.kept_mappings().await?;
    let (settlement, text) = all.remove(&supplier).ok_or_else(|| Failure::not_found("kept mapping"))?;
    let read = serde_json::from_str(&text);
    let mapping = read.map_err(|e| Failure::internal(format!("the mapping of settlement {settlement}: {e}")))?;
    Ok(Json(KeptMapping { settlement, mapping }))
}
