//! The operator's books as CSV, page by page while they are read: everything that is needed to reckon them again elsewhere.
//! `docs/exports.md` describes the columns. A new export is a word of `wire::Export`, a heading and a function for a page.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use base::{AttemptId, JobId, Money, SpecId, Timestamp};
use futures::stream;
use ledger::{Reference, Transfer};
use rating::PriceBook;
use store::{Booked, ExportedInterval, PageRequest, Scope, SqlStore};
use wire::statement::ExportQuery;
use wire::{Export, sheet};

use super::money::period;
use super::statements::file;
use crate::access::{OperatorAccess, Params, Segments, Supply};
use crate::convert::prices::price_book;
use crate::problem::Failure;

/// Metered intervals, transfers, price books, statements, corrections, accounts, contracts or their months, or grants as CSV.
#[utoipa::path(
    get, path = "/v1/exports/{export}", tag = "money", operation_id = "export",
    params(("export" = String, Path, description = "`intervals`, `transfers`, `prices`, `statements`, `corrections`, `accounts`, `contracts`, `contract_months` or `grants`"), ExportQuery),
    responses((status = 200, description = "The rows", content((String = "text/csv"))))
)]
pub(super) async fn export(
    access: OperatorAccess,
    segments: Segments,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Failure> {
    let what = Export::parse(segments.get("export")).ok_or_else(|| Failure::not_found("export"))?;
    let (from, to) = period(query.from.map(|t| t.0), query.to.map(|t| t.0), access.app().clock.now())?;
    let scope = match query.tenant {
        Some(text) => Scope::Tenant(access.tenant(&text).await?.id),
        None => Scope::All,
    };
    let supply = access.names().supply().await?;
    let source = Source { store: access.app().store.clone(), supply, what, scope, from, to };
    let rows = stream::try_unfold((source, Step::Head), |(source, step)| async move {
        let (text, next) = match step {
            Step::Head => (sheet::line(heads(source.what)), Step::After(None)),
            Step::After(after) => source.page(after).await.map_err(std::io::Error::other)?,
            Step::End => return Ok::<_, std::io::Error>(None),
        };
        Ok(Some((text, (source, next))))
    });
    Ok(file("text/csv; charset=utf-8", &format!("{what}.csv"), Body::from_stream(rows)))
}

/// How far an export has come.
enum Step {
    Head,
    After(Option<After>),
    End,
}

/// Behind which row the next page begins.
enum After {
    Interval(AttemptId, u32),
    Transfer(base::TransferId),
    Booked(store::After),
    Page(String),
}

struct Source {
    store: Arc<SqlStore>,
    supply: Arc<Supply>,
    what: Export,
    scope: Scope,
    from: Timestamp,
    to: Timestamp,
}

const INTERVALS: &[&str] = &[
    "job",
    "number",
    "attempt",
    "seq",
    "run",
    "from",
    "to",
    "cpu_millis",
    "memory_bytes",
    "cards",
    "nodes",
    "price_book",
    "charge",
    "uncollected",
    "drawn",
    "depreciation",
    "datacentre",
    "fee",
    "currency",
    "tenant",
    "tenant_name",
    "project",
    "user",
    "pool",
    "chip",
    "product",
    "class",
    "node_cpu_millis",
    "node_memory_bytes",
    "node_cards",
    "draws",
    "credited",
    "credits",
];
const TRANSFERS: &[&str] = &[
    "id", "at", "debit", "credit", "amount", "currency", "reason", "corrects", "memo", "job", "attempt", "from", "to",
    "hold",
];
const PRICES: &[&str] = &["id", "name", "currency", "effective_from", "book"];
const STATEMENTS: &[&str] = &[
    "number",
    "name",
    "tenant",
    "month",
    "from",
    "to",
    "currency",
    "opening",
    "top_ups",
    "grants",
    "withdrawals",
    "charges",
    "refunds",
    "fees",
    "corrections",
    "due",
    "closing",
    "written_off",
    "transfers",
    "tax_ppm",
    "tax",
    "closed_at",
    "invoice",
];
const CORRECTIONS: &[&str] = &["transfer", "at", "tenant", "amount", "currency", "job", "number", "reason", "by"];

const CONTRACTS: &[&str] = &[
    "number",
    "name",
    "tenant",
    "currency",
    "tier",
    "signed_at",
    "from",
    "to",
    "broken_off",
    "ends",
    "utc_offset",
    "fee",
    "unused",
    "early_end",
    "commitments",
    "included",
];
const CONTRACT_MONTHS: &[&str] = &[
    "contract",
    "line",
    "month",
    "carried",
    "from",
    "to",
    "fee",
    "pieces",
    "drawn",
    "earned",
    "closed_at",
    "lapsed",
    "carried_on",
];

const GRANTS: &[&str] = &[
    "number",
    "tenant",
    "project",
    "user",
    "currency",
    "amount",
    "given_at",
    "from",
    "to",
    "revoked_at",
    "over_at",
    "scope",
    "drawn",
    "back",
    "left",
    "note",
];

const ACCOUNTS: &[&str] = &["code", "kind", "currency", "floor", "debits", "credits", "held", "balance"];

const fn heads(what: Export) -> &'static [&'static str] {
    match what {
        Export::Intervals => INTERVALS,
        Export::Transfers => TRANSFERS,
        Export::Prices => PRICES,
        Export::Statements => STATEMENTS,
        Export::Corrections => CORRECTIONS,
        Export::Accounts => ACCOUNTS,
        Export::Contracts => CONTRACTS,
        Export::ContractMonths => CONTRACT_MONTHS,
        Export::Grants => GRANTS,
    }
}

/// With all six places, whatever they are.
pub fn six(amount: Money) -> String {
    let (sign, micros) = (if amount.is_negative() { "-" } else { "" }, amount.0.unsigned_abs());
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn at(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, Timestamp::rfc3339)
}

fn text<T: ToString>(of: Option<T>) -> String {
    of.map_or_else(String::new, |of| of.to_string())
}

impl Source {
    async fn page(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        match self.what {
            Export::Intervals => self.intervals(after).await,
            Export::Transfers => self.transfers(after).await,
            Export::Prices => Ok((self.supply.books.iter().map(price_row).collect(), Step::End)),
            Export::Statements => self.statements(after).await,
            Export::Corrections => self.corrections().await,
            Export::Accounts => self.accounts().await,
            Export::Contracts | Export::ContractMonths => self.contracts(after).await,
            Export::Grants => self.grants(after).await,
        }
    }

    async fn intervals(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let after = match after {
            Some(After::Interval(attempt, seq)) => Some((attempt, seq)),
            _ => None,
        };
        let found = self.store.exported_intervals(self.scope, self.from, self.to, after).await?;
        let ids: Vec<SpecId> = found.iter().map(|one| one.spec).collect();
        let specs = self.store.specs_of(&ids).await?;
        let rows = found.iter().map(|one| self.interval(one, specs.get(&one.spec).map(|s| &**s))).collect();
        let last = found.last().map(|one| After::Interval(one.interval.attempt, one.interval.seq));
        Ok((rows, last.map_or(Step::End, |last| Step::After(Some(last)))))
    }

    fn interval(&self, of: &ExportedInterval, spec: Option<&model::JobSpec>) -> String {
        let one = &of.interval;
        let pool = self.supply.pools.values().find(|pool| pool.name == of.pool);
        let shape = pool.map(|pool| pool.shape);
        sheet::line([
            one.attempt.job.to_string(),
            of.number.to_string(),
            one.attempt.number.to_string(),
            one.seq.to_string(),
            at(one.run),
            one.from.rfc3339(),
            one.to.rfc3339(),
            one.granted.cpu.0.to_string(),
            one.granted.mem.0.to_string(),
            one.granted.gpus.to_string(),
            of.nodes.to_string(),
            text(one.book),
            six(one.charge),
            six(one.uncollected),
            six(one.drawn_value()),
            six(one.cost.depreciation),
            six(one.cost.datacentre),
            six(one.cost.fee),
            of.currency.to_string(),
            of.tenant.to_string(),
            of.tenant_name.to_string(),
            of.project.to_string(),
            of.user.to_string(),
            of.pool.to_string(),
            text(pool.and_then(|pool| pool.chip.as_ref())),
            text(spec.map(|spec| crate::convert::line(spec.line))),
            text(spec.map(|spec| crate::convert::class(spec.class))),
            text(shape.map(|shape| shape.cpu.0)),
            text(shape.map(|shape| shape.mem.0)),
            text(shape.map(|shape| shape.gpus)),
            draws(one),
            six(one.credited()),
            credits(one),
        ])
    }

    /// As they are now, whatever time is asked for; or their months.
    async fn contracts(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let cursor = match after {
            Some(After::Page(cursor)) => Some(cursor),
            _ => None,
        };
        let request = PageRequest::new(Some(store::LIST_LIMIT_MAX), cursor.as_deref());
        let request = request.unwrap_or(PageRequest::first(store::LIST_LIMIT_MAX));
        let tenant = match self.scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::All => None,
        };
        let found = self.store.contracts(tenant, request).await?;
        let mut rows = String::new();
        for one in &found.items {
            if self.what == Export::Contracts {
                rows.push_str(&contract_row(one));
                continue;
            }
            for period in self.store.contract_months(one.number).await? {
                rows.push_str(&month_row(one, &period));
            }
        }
        Ok((rows, found.next.map_or(Step::End, |next| Step::After(Some(After::Page(next))))))
    }

    /// As they are now, whatever time is asked for.
    async fn grants(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let cursor = match after {
            Some(After::Page(cursor)) => Some(cursor),
            _ => None,
        };
        let request = PageRequest::new(Some(store::LIST_LIMIT_MAX), cursor.as_deref());
        let request = request.unwrap_or(PageRequest::first(store::LIST_LIMIT_MAX));
        let tenant = match self.scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::All => None,
        };
        let found = self.store.grants(tenant, request).await?;
        let rows = found.items.iter().map(grant_row).collect();
        Ok((rows, found.next.map_or(Step::End, |next| Step::After(Some(After::Page(next))))))
    }

    async fn transfers(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let accounts = self.store.accounts().await?;
        let code = |id| accounts.iter().find(|a| a.id == id).map_or_else(|| "-".to_owned(), |a| a.code.to_string());
        let Scope::Tenant(tenant) = self.scope else {
            let after = match after {
                Some(After::Transfer(id)) => Some(id),
                _ => None,
            };
            let found = self.store.exported_transfers(self.from, self.to, after).await?;
            let rows = found.iter().map(|one| transfer_row(one, &code(one.debit), &code(one.credit))).collect();
            let last = found.last().map(|one| After::Transfer(one.id));
            return Ok((rows, last.map_or(Step::End, |last| Step::After(Some(last)))));
        };
        let wallet = engine::wallet_code(tenant);
        let Some(wallet) = accounts.iter().find(|a| a.code.as_str() == wallet) else {
            return Ok((String::new(), Step::End));
        };
        let after = match after {
            Some(After::Booked(after)) => Some(after),
            _ => None,
        };
        let found: Vec<Booked> = self.store.booked(wallet.id, self.from, self.to, after).await?;
        let row = |b: &Booked| transfer_row(&b.transfer, &code(b.transfer.debit), &code(b.transfer.credit));
        let last = found.last().map(|b| After::Booked((b.transfer.at.as_micros(), b.transfer.id.as_u128())));
        Ok((found.iter().map(row).collect(), last.map_or(Step::End, |last| Step::After(Some(last)))))
    }

    async fn statements(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let cursor = match after {
            Some(After::Page(cursor)) => Some(cursor),
            _ => None,
        };
        let request = PageRequest::new(Some(store::LIST_LIMIT_MAX), cursor.as_deref());
        let request = request.unwrap_or(PageRequest::first(store::LIST_LIMIT_MAX));
        let found = self.store.tenant_statements(self.scope, None, request).await?;
        let within = found.items.iter().filter(|t| self.from <= t.statement.to && t.statement.from < self.to);
        let rows = within.map(statement_row).collect();
        Ok((rows, found.next.map_or(Step::End, |next| Step::After(Some(After::Page(next))))))
    }

    /// As they are now, whatever time is asked for.
    async fn accounts(&self) -> Result<(String, Step), ports::StoreError> {
        let mut all = self.store.accounts().await?;
        if let Scope::Tenant(tenant) = self.scope {
            let wallet = engine::wallet_code(tenant);
            all.retain(|account| account.code.as_str() == wallet);
        }
        let row = |of: &ledger::Account| {
            let floor = match of.floor {
                ledger::Floor::NotBelow(floor) => six(floor),
                ledger::Floor::Unlimited => String::new(),
            };
            sheet::line([
                of.code.to_string(),
                of.kind.as_str().to_owned(),
                of.currency.to_string(),
                floor,
                six(of.debits),
                six(of.credits),
                six(of.held),
                six(of.balance()),
            ])
        };
        Ok((all.iter().map(row).collect(), Step::End))
    }

    async fn corrections(&self) -> Result<(String, Step), ports::StoreError> {
        let made = self.store.corrections(self.scope, self.from, self.to).await?;
        let row = |one: &rating::statement::Correction| {
            sheet::line([
                one.transfer.to_string(),
                one.at.rfc3339(),
                one.tenant.to_string(),
                six(one.amount),
                one.currency.to_string(),
                text(one.job.map(|of| of.job)),
                text(one.job.map(|of| of.number)),
                one.reason.to_string(),
                text(one.by),
            ])
        };
        Ok((made.iter().map(row).collect(), Step::End))
    }
}

/// What an interval drew from contracts, as JSON; nothing where it drew nothing.
fn draws(of: &rating::Interval) -> String {
    let one = |drawn: &rating::contract::Drawn| {
        let key = drawn.of;
        serde_json::json!({
            "contract": key.contract, "line": key.line, "month": key.month, "carried": key.carried,
            "pieces": drawn.pieces.to_string(), "value": six(drawn.value),
        })
    };
    let all: Vec<serde_json::Value> = of.drawn.iter().map(one).collect();
    if all.is_empty() { String::new() } else { serde_json::Value::from(all).to_string() }
}

/// What grants paid of an interval, as JSON; nothing where they paid nothing.
fn credits(of: &rating::Interval) -> String {
    let one = |credit: &rating::Credit| serde_json::json!({ "grant": credit.grant, "value": six(credit.value) });
    let all: Vec<serde_json::Value> = of.credits.iter().map(one).collect();
    if all.is_empty() { String::new() } else { serde_json::Value::from(all).to_string() }
}

/// For which kinds of work as JSON, in the words of the API.
fn grant_row(of: &rating::Grant) -> String {
    let named = crate::convert::grant::Named { tenant: String::new(), project: None, user: None };
    let shown = crate::convert::grant::grant(of, named, Money::ZERO, of.given_at);
    sheet::line([
        of.number.to_string(),
        of.tenant.to_string(),
        text(of.project),
        text(of.user),
        of.currency.to_string(),
        six(of.amount),
        of.given_at.rfc3339(),
        of.from.rfc3339(),
        of.to.rfc3339(),
        at(of.revoked_at),
        at(of.over_at),
        serde_json::to_string(&shown.of).unwrap_or_default(),
        six(of.drawn),
        six(of.back),
        six(of.left()),
        of.note.to_string(),
    ])
}

/// Commitments and inclusions as JSON, in the words of the API.
fn contract_row(of: &rating::contract::Contract) -> String {
    let terms = &of.terms;
    let shown = crate::convert::contract::contract(of, String::new(), of.signed_at);
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    sheet::line([
        of.number.to_string(),
        terms.name.to_string(),
        of.tenant.to_string(),
        terms.currency.to_string(),
        terms.tier.as_str().to_owned(),
        of.signed_at.rfc3339(),
        terms.from.rfc3339(),
        terms.to.rfc3339(),
        at(of.broken_off),
        of.to.rfc3339(),
        terms.utc_offset.to_string(),
        six(terms.fee),
        terms.unused.as_str().to_owned(),
        six(Money(i64::from(terms.early_end))),
        json(serde_json::to_string(&shown.commit)),
        json(serde_json::to_string(&shown.include)),
    ])
}

/// `month` counts from 0; the calendar's follows from `from`. Pieces are the smallest of the line's unit.
fn month_row(contract: &rating::contract::Contract, of: &rating::contract::Period) -> String {
    let closed = of.closed;
    sheet::line([
        contract.number.to_string(),
        of.key.line.to_string(),
        of.key.month.to_string(),
        of.key.carried.to_string(),
        of.from.rfc3339(),
        of.to.rfc3339(),
        six(of.value),
        of.pieces.to_string(),
        of.drawn.to_string(),
        six(of.earned()),
        at(closed.map(|c| c.at)),
        six(closed.map_or(Money::ZERO, |c| c.lapsed)),
        six(closed.map_or(Money::ZERO, |c| c.carried)),
    ])
}

fn transfer_row(of: &Transfer, debit: &str, credit: &str) -> String {
    let (stream, from, to) = match &of.reference {
        Some(Reference::Interval { stream, from, to }) => (Some(*stream), Some(*from), Some(*to)),
        Some(Reference::Subject { stream }) => (Some(*stream), None, None),
        Some(Reference::Text { .. }) | None => (None, None, None),
    };
    sheet::line([
        of.id.to_string(),
        of.at.rfc3339(),
        debit.to_owned(),
        credit.to_owned(),
        six(of.amount),
        of.currency.to_string(),
        of.reason.as_str().to_owned(),
        text(of.reason.corrects()),
        of.memo.as_str().to_owned(),
        text(stream.map(|s| JobId::from_u128(s.subject))),
        text(stream.map(|s| s.part)),
        at(from),
        at(to),
        text(of.hold),
    ])
}

/// The book whole, as the API shows it, in one field.
fn price_row(book: &PriceBook) -> String {
    let shown = serde_json::to_string(&price_book(book, None)).unwrap_or_default();
    let from = book.effective_from.rfc3339();
    sheet::line([book.id.to_string(), book.name.to_string(), book.currency.to_string(), from, shown])
}

fn statement_row(told: &store::Told) -> String {
    let (of, sums) = (&told.statement, told.statement.sums);
    sheet::line([
        of.number.to_string(),
        of.name(),
        of.tenant.to_string(),
        of.month.to_string(),
        of.from.rfc3339(),
        of.to.rfc3339(),
        of.currency.to_string(),
        six(sums.opening),
        six(sums.top_ups),
        six(sums.grants),
        six(sums.withdrawals),
        six(sums.charges),
        six(sums.refunds),
        six(sums.fees),
        six(sums.corrections),
        six(of.due),
        six(sums.closing),
        six(sums.written_off),
        sums.transfers.to_string(),
        of.tax_ppm.to_string(),
        six(of.tax),
        of.closed_at.rfc3339(),
        text(told.invoice.as_ref().map(|invoice| invoice.invoice.clone())),
    ])
}
