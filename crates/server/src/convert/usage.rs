//! Usage that is no running time, from the API's words into the domain's and back. Reads nothing.

use base::{Currency, Money};
use engine::Taken;
use rating::tariff::Unit;
use store::UsageFacts;
use wire::money::BillUsage;
use wire::usage::{Usage, UsageResult, UsageSum};
use wire::{ErrorCode, PriceUnit};

use super::line;
use crate::problem::Failure;

/// Pieces as units with six places, rounded down.
pub fn quantity(unit: Unit, pieces: u128) -> String {
    let (whole, rest) = (pieces / unit.pieces(), pieces % unit.pieces());
    format!("{whole}.{:06}", rest * 1_000_000 / unit.pieces())
}

/// FOCUS's service category and subcategory of what is used, by the unit in which it is told; none: running time.
pub const fn category(used: Option<Unit>) -> (&'static str, &'static str) {
    match used {
        Some(Unit::GibMonth) => ("Storage", "Other (Storage)"),
        Some(Unit::GibMoved) => ("Networking", "Other (Networking)"),
        Some(Unit::Request | Unit::Kilotoken) => ("AI and Machine Learning", "Other (AI and Machine Learning)"),
        Some(Unit::CoreHour | Unit::GibHour | Unit::CardHour | Unit::NodeHour) | None => ("Compute", "Other (Compute)"),
    }
}

fn word(unit: Unit) -> PriceUnit {
    PriceUnit::parse(unit.as_str()).unwrap_or(PriceUnit::Request)
}

pub fn usage(of: &UsageFacts, tenant_name: String, currency: Currency) -> Usage {
    let UsageFacts { usage: one, project, user, pool } = of;
    let (unit, told) = (one.of.unit, &one.of);
    Usage {
        number: one.number,
        source: told.source.to_string(),
        id: told.id.to_string(),
        tenant: told.tenant,
        tenant_name,
        project: told.project,
        project_name: project.to_string(),
        user: told.user,
        user_name: told.user.map(|_| user.to_string()),
        unit: word(unit),
        pieces: told.pieces.to_string(),
        quantity: quantity(unit, told.pieces.0),
        from: told.from.into(),
        to: told.to.into(),
        at: one.at.into(),
        late: one.is_late(),
        product: line(told.line),
        pool: told.pool,
        pool_name: told.pool.map(|_| pool.to_string()),
        label: told.label.as_deref().map(Into::into),
        model: told.model.as_deref().map(Into::into),
        kind: told.kind.as_deref().map(Into::into),
        price_book: one.book,
        included: one.included().to_string(),
        included_quantity: quantity(unit, one.included()),
        charge: one.charge.into(),
        credited: one.credited().into(),
        uncollected: one.uncollected.into(),
        currency: currency.to_string(),
    }
}

pub fn sum(of: &store::UsageSum, tenant_name: String, currency: Currency) -> UsageSum {
    UsageSum {
        tenant: of.tenant,
        tenant_name,
        unit: word(of.unit),
        model: of.model.as_deref().map(Into::into),
        kind: of.kind.as_deref().map(Into::into),
        records: of.records,
        pieces: of.pieces.to_string(),
        quantity: quantity(of.unit, of.pieces),
        included: of.included.to_string(),
        included_quantity: quantity(of.unit, of.included),
        charge: of.charge.into(),
        credited: of.credited.into(),
        uncollected: of.uncollected.into(),
        currency: currency.to_string(),
    }
}

/// A line of a bill: what was written off is not asked of the tenant.
pub fn line_of_bill(of: &store::UsedLine) -> BillUsage {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(Into::into);
    BillUsage {
        tenant: of.tenant_name.to_string(),
        project: of.project_name.to_string(),
        user: text(&of.user_name),
        pool: text(&of.pool_name),
        unit: word(of.unit),
        model: text(&of.model),
        kind: text(&of.kind),
        records: of.records,
        from: of.from.into(),
        to: of.to.into(),
        quantity: quantity(of.unit, of.pieces),
        included_quantity: quantity(of.unit, of.included),
        currency: of.currency.to_string(),
        charge: of.charge.saturating_sub(of.uncollected).into(),
        credited: of.credited.into(),
    }
}

pub fn result(id: String, taken: Taken) -> UsageResult {
    match taken {
        Taken::Booked { number, charge, uncollected, again } => UsageResult {
            id,
            booked: true,
            again,
            number: Some(number),
            charge: Some(charge.into()),
            uncollected: (uncollected != Money::ZERO).then(|| uncollected.into()),
            code: None,
            detail: None,
        },
        Taken::Refused { code, text, .. } => refused(id, code, text),
    }
}

pub fn refused(id: String, code: String, detail: String) -> UsageResult {
    let (booked, again, number, charge, uncollected) = (false, false, None, None, None);
    UsageResult { id, booked, again, number, charge, uncollected, code: Some(code), detail: Some(detail) }
}

/// Of a record whose words name nobody.
pub fn invalid(id: &str, field: &str, text: &str) -> UsageResult {
    refused(id.to_owned(), ErrorCode::Invalid.as_str().to_owned(), format!("{field}: {text}"))
}

/// # Errors
/// Running work is not reported.
pub fn unit(text: PriceUnit) -> Result<Unit, Failure> {
    Unit::parse(text.as_str()).ok_or_else(|| Failure::invalid("unit", "no such unit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_six_places_and_are_rounded_down() {
        assert_eq!(quantity(Unit::GibMoved, (1 << 30) + (1 << 29)), "1.500000");
        assert_eq!(quantity(Unit::Kilotoken, 1_999_999), "1999.999000");
        assert_eq!(quantity(Unit::GibMonth, Unit::GibMonth.pieces() * 2 - 1), "1.999999");
    }
}
