//! Rows of the operator's books as CSV: which columns each export has, and how what is stored is written into them.
//! `docs/exports.md` describes the columns. Pure; whoever has rows to write reads or makes them.

use base::{Currency, JobId, Money, TenantId, Timestamp};
use ledger::{Account, Floor, Reference, Transfer};
use model::{Chip, JobSpec, Pool};
use rating::contract::{Contract, Drawn, Period};
use rating::statement::{Correction, Invoice, TenantStatement};
use rating::usage::STREAM_PART;
use rating::{Grant, Interval, PriceBook};
pub use store::UsageFacts;
use wire::{Export, sheet};

use crate::convert;

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
    "hold", "usage",
];
const USAGE: &[&str] = &[
    "number",
    "usage",
    "source",
    "id",
    "at",
    "from",
    "to",
    "counts_at",
    "unit",
    "pieces",
    "included",
    "price_book",
    "item",
    "charge",
    "uncollected",
    "credited",
    "currency",
    "tenant",
    "tenant_name",
    "project",
    "user",
    "pool",
    "chip",
    "product",
    "label",
    "model",
    "kind",
    "draws",
    "credits",
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
    "project_name",
    "user_name",
];

const RATES: &[&str] = &["number", "of", "into", "worth", "from", "holds", "reason", "set_at", "by"];

const ACCOUNTS: &[&str] = &["code", "kind", "currency", "floor", "debits", "credits", "held", "balance"];

const fn columns(what: Export) -> &'static [&'static str] {
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
        Export::Usage => USAGE,
        Export::Rates => RATES,
    }
}

/// The first line of an export.
pub fn head(what: Export) -> String {
    sheet::line(columns(what))
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

/// A metered interval, and what its row says of its job.
pub struct Metered<'a> {
    pub interval: &'a Interval,
    pub number: u64,
    pub nodes: u64,
    pub currency: Currency,
    pub tenant: TenantId,
    pub tenant_name: &'a str,
    pub project: &'a str,
    pub user: &'a str,
    pub pool_name: &'a str,
    pub pool: Option<&'a Pool>,
    pub spec: Option<&'a JobSpec>,
}

pub fn interval(of: &Metered<'_>) -> String {
    let (one, pool) = (of.interval, of.pool);
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
        of.tenant_name.to_owned(),
        of.project.to_owned(),
        of.user.to_owned(),
        of.pool_name.to_owned(),
        text(pool.and_then(|pool| pool.chip.as_ref())),
        text(of.spec.map(|spec| convert::line(spec.line))),
        text(of.spec.map(|spec| convert::class(spec.class))),
        text(shape.map(|shape| shape.cpu.0)),
        text(shape.map(|shape| shape.mem.0)),
        text(shape.map(|shape| shape.gpus)),
        draws(one),
        six(one.credited()),
        credits(one),
    ])
}

pub fn account(of: &Account) -> String {
    let floor = match of.floor {
        Floor::NotBelow(floor) => six(floor),
        Floor::Unlimited => String::new(),
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
}

pub fn correction(one: &Correction) -> String {
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
}

/// What an interval drew from contracts, as JSON; nothing where it drew nothing.
fn draws(of: &Interval) -> String {
    drawn(&of.drawn)
}

fn drawn(of: &[Drawn]) -> String {
    let one = |drawn: &Drawn| {
        let key = drawn.of;
        serde_json::json!({
            "contract": key.contract, "line": key.line, "month": key.month, "carried": key.carried,
            "pieces": drawn.pieces.to_string(), "value": six(drawn.value),
        })
    };
    let all: Vec<serde_json::Value> = of.iter().map(one).collect();
    if all.is_empty() { String::new() } else { serde_json::Value::from(all).to_string() }
}

/// What grants paid of an interval, as JSON; nothing where they paid nothing.
fn credits(of: &Interval) -> String {
    credited(&of.credits)
}

fn credited(of: &[rating::Credit]) -> String {
    let one = |credit: &rating::Credit| serde_json::json!({ "grant": credit.grant, "value": six(credit.value) });
    let all: Vec<serde_json::Value> = of.iter().map(one).collect();
    if all.is_empty() { String::new() } else { serde_json::Value::from(all).to_string() }
}

/// For which kinds of work as JSON, in the words of the API.
/// `project` and `user` are the names of those for whose work it is, where it says so.
pub fn grant(of: &Grant, project: Option<&str>, user: Option<&str>) -> String {
    let named = convert::grant::Named { tenant: String::new(), project: None, user: None };
    let shown = convert::grant::grant(of, named, Money::ZERO, of.given_at);
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
        text(project),
        text(user),
    ])
}

/// `table` has the rates that hold.
pub fn rate(of: &rating::Rate, table: &rating::RateTable) -> String {
    let shown = convert::rate::rate(of, None, table);
    let by = text(of.user);
    let (number, set_at, holds) = (shown.number.to_string(), of.set_at.rfc3339(), shown.holds.to_string());
    sheet::line([number, shown.of, shown.into, shown.worth, shown.from, holds, shown.reason, set_at, by])
}

/// Commitments and inclusions as JSON, in the words of the API.
pub fn contract(of: &Contract) -> String {
    let terms = &of.terms;
    let shown = convert::contract::contract(of, String::new(), of.signed_at);
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
pub fn contract_month(contract: &Contract, of: &Period) -> String {
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

pub fn transfer(of: &Transfer, debit: &str, credit: &str) -> String {
    let (stream, from, to) = match &of.reference {
        Some(Reference::Interval { stream, from, to }) => (Some(*stream), Some(*from), Some(*to)),
        Some(Reference::Subject { stream }) => (Some(*stream), None, None),
        Some(Reference::Text { .. }) | None => (None, None, None),
    };
    let used = stream.filter(|stream| stream.part == STREAM_PART);
    let stream = stream.filter(|_| used.is_none());
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
        used.map_or_else(String::new, |stream| key_text(stream.subject)),
    ])
}

/// By what usage is known, in exports.
fn key_text(key: u128) -> String {
    format!("{key:032x}")
}

/// Usage that is no running time, as it was billed. `tenant_name` is by what prices may name it.
pub fn usage(of: &UsageFacts, tenant_name: &str, currency: Currency, chip: Option<&Chip>) -> String {
    let UsageFacts { usage: one, project, user, pool } = of;
    let told = &one.of;
    sheet::line([
        one.number.to_string(),
        key_text(told.key()),
        told.source.to_string(),
        told.id.to_string(),
        one.at.rfc3339(),
        told.from.rfc3339(),
        told.to.rfc3339(),
        one.counts_at.rfc3339(),
        told.unit.to_string(),
        told.pieces.to_string(),
        one.included().to_string(),
        one.book.to_string(),
        one.item.to_string(),
        six(one.charge),
        six(one.uncollected),
        six(one.credited()),
        currency.to_string(),
        told.tenant.to_string(),
        tenant_name.to_owned(),
        project.to_string(),
        user.to_string(),
        pool.to_string(),
        text(chip),
        convert::line(told.line).to_string(),
        told.label.as_deref().unwrap_or_default().to_owned(),
        told.model.as_deref().unwrap_or_default().to_owned(),
        told.kind.as_deref().unwrap_or_default().to_owned(),
        drawn(&one.drawn),
        credited(&one.credits),
    ])
}

/// The book whole, as the API shows it, in one field.
pub fn price_book(book: &PriceBook) -> String {
    let shown = serde_json::to_string(&convert::prices::price_book(book, None)).unwrap_or_default();
    let from = book.effective_from.rfc3339();
    sheet::line([book.id.to_string(), book.name.to_string(), book.currency.to_string(), from, shown])
}

pub fn statement(of: &TenantStatement, invoice: Option<&Invoice>) -> String {
    let sums = of.sums;
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
        text(invoice.map(|invoice| &invoice.invoice)),
    ])
}
