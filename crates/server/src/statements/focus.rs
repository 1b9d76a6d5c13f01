//! A statement's charges as CSV by the FinOps Open Cost and Usage Specification (FOCUS 1.2): all of its mandatory columns, those
//! recommended and conditional ones that apply, and ours, which begin with `x_` as it asks. One row for each job, day and kind.

use base::Timestamp;
use rating::tariff::Unit;
use wire::sheet;
use wire::statement::TenantStatement;

use super::parts::hours;
use super::walk::{Kind, Line};
use crate::convert;

pub const COLUMNS: [&str; 39] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "x_JobNumber",
    "x_Pool",
    "x_Statement",
    "x_UsageEnd",
    "x_UsageStart",
    "x_User",
];

const PROVIDER: &str = "Headworks";

pub fn head() -> String {
    sheet::line(COLUMNS)
}

/// `2026-10-01T00:00:00Z`: to the second, as the specification writes times.
fn time(at: Timestamp) -> String {
    let mut text: String = at.rfc3339().chars().take(19).collect();
    text.push('Z');
    text
}

/// Something of a month that was closed before: work that was done then, or a correction of work that was over then or of none.
fn is_earlier(from: Timestamp, line: &Line) -> bool {
    match line.kind {
        Kind::Correction => line.work.as_ref().is_none_or(|work| work.ended_at.is_some_and(|end| end < from)),
        Kind::Refund => line.ran.is_some_and(|(begin, _)| begin < from),
        // Of no month before: it is billed for the first time.
        _ => false,
    }
}

fn described(line: &Line) -> String {
    match (line.kind, line.work.as_ref()) {
        (Kind::Correction | Kind::Fee, _) => line.note.to_string(),
        (Kind::Credit, Some(work)) => format!("Job {} {}: paid by grants", work.number, work.name),
        (Kind::Refund, Some(work)) => format!("Job {} {}: given back", work.number, work.name),
        (_, Some(work)) => format!("Job {} {}", work.number, work.name),
        (Kind::Credit, None) => format!("{}: paid by grants", line.name().unwrap_or_default()),
        _ => line.name().unwrap_or_else(|| "Compute".to_owned()),
    }
}

/// A unit as the specification writes them.
const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::GibMonth => "GiB-Months",
        Unit::GibMoved => "GiB",
        Unit::Request => "Requests",
        Unit::Kilotoken => "1000 Tokens",
        Unit::CoreHour | Unit::GibHour | Unit::CardHour | Unit::NodeHour => "Hours",
    }
}

const fn category(kind: Kind) -> &'static str {
    match kind {
        Kind::Correction => "Adjustment",
        Kind::Fee => "Purchase",
        Kind::Credit => "Credit",
        _ => "Usage",
    }
}

const fn frequency(kind: Kind) -> &'static str {
    match kind {
        Kind::Correction | Kind::Credit => "One-Time",
        Kind::Fee => "Recurring",
        _ => "Usage-Based",
    }
}

/// The row of a line; nothing for movements that are not asked for. An empty field is null.
pub fn row(of: &TenantStatement, line: &Line) -> Option<String> {
    if !line.kind.is_due() {
        return None;
    }
    let (by_hand, fee) = (matches!(line.kind, Kind::Correction | Kind::Credit), line.kind == Kind::Fee);
    let (from, to) = (of.from.0, of.to.0);
    let earlier = is_earlier(from, line);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let work = line.work.as_ref();
    let cost = line.amount.to_string();
    // A fee is one of its own; usage is counted by the hour.
    let (service, subcategory) = convert::usage::category(line.used.as_ref().map(|used| used.unit));
    let used = line.used.as_ref();
    let (quantity, unit) = match used {
        Some(used) => (convert::usage::quantity(used.unit, used.pieces), unit_name(used.unit)),
        None if fee => ("1".to_owned(), "Units"),
        None => (hours(line.micros), "Hours"),
    };
    let billed = if by_hand { String::new() } else { quantity };
    let unless = |absent: bool, text: &str| if absent { String::new() } else { text.to_owned() };
    let no_job = line.job.is_none();
    let fields: [String; COLUMNS.len()] = [
        cost.clone(),
        of.tenant.to_string(),
        of.tenant_name.clone(),
        of.currency.clone(),
        time(to),
        time(from),
        category(line.kind).to_owned(),
        unless(!earlier, "Correction"),
        described(line),
        frequency(line.kind).to_owned(),
        time(line.day.1),
        time(line.day.0),
        unless(earlier || fee, &billed),
        unless(by_hand || earlier || fee, unit),
        cost.clone(),
        cost.clone(),
        of.invoice.clone().unwrap_or_default(),
        PROVIDER.to_owned(),
        cost,
        unless(by_hand, "Standard"),
        billed,
        unless(by_hand, unit),
        PROVIDER.to_owned(),
        PROVIDER.to_owned(),
        line.job.map_or_else(String::new, |job| job.to_string()),
        text(work.map(|w| &*w.name)),
        unless(no_job, "Batch Job"),
        service.to_owned(),
        if used.is_some() { text(line.name().as_deref()) } else { "Batch".to_owned() },
        subcategory.to_owned(),
        line.project().map_or_else(String::new, |project| format!("{}/{project}", of.tenant_name)),
        text(line.project()),
        unless(line.project().is_none(), "Project"),
        work.map_or_else(String::new, |w| w.number.to_string()),
        text(line.pool()),
        of.name.clone(),
        line.ran.map_or_else(String::new, |(_, end)| time(end)),
        line.ran.map_or_else(String::new, |(begin, _)| time(begin)),
        text(line.user()),
    ];
    Some(sheet::line(fields))
}

/// The same lines in our own words, with the movements that are not asked for.
pub fn own_head() -> String {
    sheet::line([
        "statement",
        "tenant",
        "day",
        "kind",
        "job",
        "number",
        "name",
        "user",
        "project",
        "pool",
        "hours",
        "amount",
        "currency",
        "ran_from",
        "ran_to",
        "note",
        "transfer",
        "quantity",
        "unit",
    ])
}

pub fn own_row(of: &TenantStatement, line: &Line) -> String {
    let work = line.work.as_ref();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let at = |at: Option<Timestamp>| at.map_or_else(String::new, Timestamp::rfc3339);
    sheet::line([
        of.name.clone(),
        of.tenant_name.clone(),
        line.day.0.rfc3339(),
        line.kind.as_str().to_owned(),
        line.job.map_or_else(String::new, |job| job.to_string()),
        work.map_or_else(String::new, |w| w.number.to_string()),
        text(line.name().as_deref()),
        text(line.user()),
        text(line.project()),
        text(line.pool()),
        hours(line.micros),
        line.amount.to_string(),
        of.currency.clone(),
        at(line.ran.map(|ran| ran.0)),
        at(line.ran.map(|ran| ran.1)),
        line.note.to_string(),
        line.transfer.map_or_else(String::new, |id| id.to_string()),
        line.used.as_ref().map_or_else(String::new, |used| convert::usage::quantity(used.unit, used.pieces)),
        line.used.as_ref().map_or_else(String::new, |used| used.unit.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use base::{Currency, JobId, Money, TenantId};

    use super::*;
    use crate::statements::walk::Used;

    fn statement() -> TenantStatement {
        let month: rating::tariff::Month = "2026-10".parse().unwrap();
        let offset = rating::tariff::UtcOffset::UTC;
        let told = store::Told {
            statement: rating::statement::TenantStatement {
                number: 7,
                tenant: TenantId::from_u128(1),
                month,
                from: offset.start_of(month),
                to: offset.start_of(month.next()),
                currency: Currency::CNY,
                sums: Default::default(),
                due: Money::ZERO,
                tax_ppm: 0,
                tax: Money::ZERO,
                closed_at: offset.start_of(month.next()),
            },
            invoice: None,
        };
        crate::convert::statement::statement(&told, "lab".to_owned())
    }

    fn line(kind: Kind, amount: i64) -> Line {
        let from = statement().from.0;
        let (day, next) = (from, from + base::Span::from_hours(24));
        Line {
            day: (day, next),
            kind,
            job: None,
            work: None,
            used: None,
            amount: Money(amount),
            micros: 0,
            ran: None,
            note: "contract 3, line 1, 2026-10".into(),
            transfer: None,
        }
    }

    fn fields(line: &Line) -> std::collections::BTreeMap<&'static str, String> {
        let row = row(&statement(), line).unwrap();
        // No field of these lines has a comma that is not within quotes but the note's.
        let row = row.trim_end().replace("\"contract 3, line 1, 2026-10\"", "note");
        COLUMNS.into_iter().zip(row.split(',').map(str::to_owned)).collect()
    }

    #[test]
    fn a_fee_is_one_purchase_that_recurs_and_consumes_nothing() {
        let of = fields(&line(Kind::Fee, 31_000_001));
        for (name, value) in [
            ("BilledCost", "31.000001"),
            ("ListCost", "31.000001"),
            ("ChargeCategory", "Purchase"),
            ("ChargeClass", ""),
            ("ChargeDescription", "note"),
            ("ChargeFrequency", "Recurring"),
            ("PricingCategory", "Standard"),
            ("PricingQuantity", "1"),
            ("PricingUnit", "Units"),
            ("ConsumedQuantity", ""),
            ("ConsumedUnit", ""),
            ("ResourceId", ""),
            ("ResourceType", ""),
            ("SubAccountType", ""),
        ] {
            assert_eq!(of[name], value, "{name}");
        }
    }

    #[test]
    fn only_what_is_asked_for_has_a_row() {
        for kind in [Kind::TopUp, Kind::Grant, Kind::Withdrawal] {
            assert_eq!(row(&statement(), &line(kind, 1)), None, "{kind:?}");
        }
        let (from, job) = (statement().from.0, Some(JobId::from_u128(9)));
        let hour = base::Span::from_hours(1);
        let ran =
            |begin| Line { job, micros: hour.as_micros(), ran: Some((begin, begin + hour)), ..line(Kind::Charge, 5) };
        let used = fields(&ran(from));
        assert_eq!(
            (&*used["ChargeCategory"], &*used["ChargeFrequency"], &*used["ConsumedUnit"]),
            ("Usage", "Usage-Based", "Hours")
        );
        // Work of the month before is charged now: no correction. What is given back of it is one.
        assert_eq!(fields(&ran(from - hour))["ChargeClass"], "");
        let back = Line { kind: Kind::Refund, amount: Money(-5), micros: -hour.as_micros(), ..ran(from - hour) };
        assert_eq!((&*fields(&back)["ChargeClass"], &*fields(&back)["BilledCost"]), ("Correction", "-0.000005"));
        assert_eq!(fields(&back)["ConsumedQuantity"], "", "a correction consumes nothing");
        assert_eq!(fields(&line(Kind::Correction, 5))["ChargeCategory"], "Adjustment");
    }

    #[test]
    fn storage_traffic_and_tokens_are_services_of_their_own() {
        for (unit, pieces, category, quantity, name) in [
            (Unit::GibMonth, Unit::GibMonth.pieces() / 2, "Storage", "0.500000", "GiB-Months"),
            (Unit::GibMoved, 3 << 30, "Networking", "3.000000", "GiB"),
            (Unit::Request, 7, "AI and Machine Learning", "7.000000", "Requests"),
            (Unit::Kilotoken, 1_500, "AI and Machine Learning", "1.500000", "1000 Tokens"),
        ] {
            let (project, user, pool, product) = ("alloys".into(), "ann".into(), "-".into(), Default::default());
            let label = Some("m".into());
            let used =
                Some(Used { unit, product, project, user, pool, model: None, kind: None, label, late: false, pieces });
            let of = fields(&Line { used, note: "".into(), ..line(Kind::Charge, 5) });
            let told = [&of["ServiceCategory"], &of["ConsumedQuantity"], &of["ConsumedUnit"], &of["PricingUnit"]];
            assert_eq!(told, [category, quantity, name, name]);
            assert_eq!(of["ServiceName"], format!("{unit} m"));
            assert_eq!([&of["SubAccountName"], &of["x_User"], &of["ResourceId"]], ["alloys", "ann", ""]);
        }
    }
}
