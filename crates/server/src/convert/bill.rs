//! Bills and margins: amounts of hours in wide integers, and the CSV that spreadsheets may open without harm.

use rating::CostParts;

use base::{Currency, Money, Resources, Span};
use store::{BillLine, BillSum, MarginRow};
use wire::MarginBy;
use wire::money::{self, Bill};

/// Microseconds in an hour.
const HOUR: u128 = 3_600_000_000;

pub fn line(line: &BillLine) -> money::BillLine {
    let hours = Hours::of(line.granted, line.billed);
    money::BillLine {
        job: line.job,
        number: line.number,
        attempt: line.attempt,
        name: line.job_name.to_string(),
        tenant: line.tenant_name.to_string(),
        user: line.user_name.to_string(),
        project: line.project_name.to_string(),
        pool: line.pool_name.as_deref().unwrap_or("-").to_owned(),
        currency: line.currency.to_string(),
        from: line.from.into(),
        to: line.to.into(),
        core_hours: hours.core,
        gib_hours: hours.gib,
        card_hours: hours.card,
        // What was written off is not asked of the tenant.
        charge: line.charge.saturating_sub(line.uncollected).into(),
        drawn: line.drawn.into(),
        credited: line.credited.into(),
    }
}

/// Amounts of use as decimal texts with six places.
struct Hours {
    core: String,
    gib: String,
    card: String,
}

impl Hours {
    fn of(granted: Resources, billed: Span) -> Self {
        let us = u128::try_from(billed.as_micros()).unwrap_or(0);
        Self {
            core: decimal(u128::from(granted.cpu.0) * us, 1_000 * HOUR),
            gib: decimal(u128::from(granted.mem.0) * us, (1 << 30) * HOUR),
            card: decimal(u128::from(granted.gpus) * us, HOUR),
        }
    }
}

/// `amount ÷ per` with six places, rounded down. 2⁶³ µs × 2⁵³ bytes × 10⁶ is 2¹³⁶, so whole and fraction are divided apart.
fn decimal(amount: u128, per: u128) -> String {
    let (whole, rest) = (amount / per, amount % per);
    format!("{whole}.{:06}", rest * 1_000_000 / per)
}

/// What is asked for in each currency, in their order: charges less what was written off. Nothing at all is nothing in
/// `usual`.
pub fn totals(sums: &[BillSum], usual: Currency) -> Vec<money::BillTotal> {
    let total = |sum: &BillSum| money::BillTotal {
        currency: sum.currency.to_string(),
        total: sum.charge.saturating_sub(sum.uncollected).into(),
        drawn: sum.drawn.into(),
        credited: sum.credited.into(),
        corrected: Money::ZERO.into(),
    };
    if sums.is_empty() {
        let [charge, uncollected, drawn, credited] = [Money::ZERO; 4];
        return vec![total(&BillSum { currency: usual, charge, uncollected, drawn, credited })];
    }
    sums.iter().map(total).collect()
}

/// Adds what corrections came to in each currency.
pub fn add_corrections(totals: &mut Vec<money::BillTotal>, made: &[rating::statement::Correction]) {
    for one in made {
        let currency = one.currency.to_string();
        match totals.iter_mut().find(|total| total.currency == currency) {
            Some(total) => total.corrected = (total.corrected.0 + one.amount).into(),
            None => {
                let corrected = one.amount.into();
                let [total, drawn, credited] = [Money::ZERO; 3].map(Into::into);
                totals.push(money::BillTotal { currency, total, drawn, credited, corrected });
                totals.sort_by(|a, b| a.currency.cmp(&b.currency));
            }
        }
    }
}

/// One row of a margin report. Revenue is what was collected.
pub fn margin_row(row: &MarginRow, by: MarginBy) -> money::MarginRow {
    let raw = row.key;
    let key = match by {
        MarginBy::Job => base::JobId::from_u128(raw).to_string(),
        MarginBy::Tenant => base::TenantId::from_u128(raw).to_string(),
        MarginBy::Pool => base::PoolId::from_u128(raw).to_string(),
        MarginBy::Project => base::ProjectId::from_u128(raw).to_string(),
    };
    let name = match row.number {
        Some(number) => format!("{number} {}", row.name),
        None => row.name.to_string(),
    };
    let revenue = row.revenue.saturating_sub(row.uncollected);
    figures(key, name, row.currency.to_string(), [revenue, row.uncollected], row.cost)
}

/// Sums of rows, one per currency, in the order of the currencies.
pub fn margin_totals(rows: &[MarginRow]) -> Vec<money::MarginRow> {
    let mut sums = std::collections::BTreeMap::<String, ([Money; 2], CostParts)>::new();
    for row in rows {
        let sum = sums.entry(row.currency.to_string()).or_default();
        sum.0[0] += row.revenue.saturating_sub(row.uncollected);
        sum.0[1] += row.uncollected;
        sum.1 = sum.1.plus(&row.cost);
    }
    sums.into_iter()
        .map(|(currency, (income, cost))| figures("total".into(), String::new(), currency, income, cost))
        .collect()
}

fn figures(key: String, name: String, currency: String, income: [Money; 2], parts: CostParts) -> money::MarginRow {
    let [revenue, uncollected] = income;
    let cost = parts.total();
    let margin = revenue.saturating_sub(cost);
    money::MarginRow {
        key,
        name,
        currency,
        revenue: revenue.into(),
        uncollected: uncollected.into(),
        depreciation: parts.depreciation.into(),
        datacentre: parts.datacentre.into(),
        fee: parts.fee.into(),
        cost: cost.into(),
        margin: margin.into(),
        margin_percent: percent(margin, revenue),
    }
}

/// `part` of `whole` in percent with two places, rounded towards zero; `None` of nothing.
pub(super) fn percent(part: Money, whole: Money) -> Option<String> {
    if whole.micros() <= 0 {
        return None;
    }
    let hundredths = i128::from(part.micros()) * 10_000 / i128::from(whole.micros());
    let sign = if hundredths < 0 { "-" } else { "" };
    let abs = hundredths.unsigned_abs();
    Some(format!("{sign}{}.{:02}", abs / 100, abs % 100))
}

/// Columns by the FinOps Open Cost and Usage Specification (FOCUS 1.2); ours begin with `x_` as it asks.
const COLUMNS: [&str; 24] = [
    "BilledCost",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeDescription",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "EffectiveCost",
    "ProviderName",
    "ResourceId",
    "ResourceName",
    "ServiceCategory",
    "ServiceName",
    "SubAccountName",
    "x_Number",
    "x_Attempt",
    "x_User",
    "x_Pool",
    "x_GibHours",
    "x_CardHours",
];

/// The bill as CSV by RFC 4180. Texts that a spreadsheet would take for a formula begin with an apostrophe.
pub fn csv(bill: &Bill) -> String {
    let mut out = String::with_capacity(256 * (bill.lines.len() + 1));
    out.push_str(&COLUMNS.join(","));
    out.push_str("\r\n");
    let (from, to) = (bill.from.to_string(), bill.to.to_string());
    for line in &bill.lines {
        let charge = line.charge.to_string();
        let fields: [Field<'_>; COLUMNS.len()] = [
            Field::Plain(&charge),
            Field::Text(&line.tenant),
            Field::Plain(&line.currency),
            Field::Plain(&from),
            Field::Plain(&to),
            Field::Plain("Usage"),
            Field::Text(&line.name),
            Field::Plain(&line.from.to_string()),
            Field::Plain(&line.to.to_string()),
            Field::Plain(&line.core_hours),
            Field::Plain("core-hours"),
            Field::Plain(&charge),
            Field::Plain("Headworks"),
            Field::Plain(&line.job.to_string()),
            Field::Text(&line.name),
            Field::Plain("Compute"),
            Field::Plain("Batch"),
            Field::Text(&line.project),
            Field::Plain(&line.number.to_string()),
            Field::Plain(&line.attempt.to_string()),
            Field::Text(&line.user),
            Field::Text(&line.pool),
            Field::Plain(&line.gib_hours),
            Field::Plain(&line.card_hours),
        ];
        row(&mut out, &fields);
    }
    for line in &bill.usage {
        used_row(&mut out, line, &from, &to);
    }
    out
}

/// Usage is of no job: its columns are empty.
fn used_row(out: &mut String, line: &money::BillUsage, from: &str, to: &str) {
    let charge = line.charge.to_string();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let said = [Some(line.unit.as_str()), line.model.as_deref(), line.kind.as_deref()];
    let what = said.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let (category, _) = super::usage::category(super::usage::unit(line.unit).ok());
    let none = || Field::Plain("");
    let fields: [Field<'_>; COLUMNS.len()] = [
        Field::Plain(&charge),
        Field::Text(&line.tenant),
        Field::Plain(&line.currency),
        Field::Plain(from),
        Field::Plain(to),
        Field::Plain("Usage"),
        Field::Text(&what),
        Field::Plain(&line.from.to_string()),
        Field::Plain(&line.to.to_string()),
        Field::Plain(&line.quantity),
        Field::Plain(line.unit.as_str()),
        Field::Plain(&charge),
        Field::Plain("Headworks"),
        none(),
        Field::Text(line.model.as_deref().unwrap_or_default()),
        Field::Plain(category),
        Field::Plain(line.unit.as_str()),
        Field::Text(&line.project),
        none(),
        none(),
        Field::Text(&text(&line.user)),
        Field::Text(&text(&line.pool)),
        none(),
        none(),
    ];
    row(out, &fields);
}

fn row(out: &mut String, fields: &[Field<'_>]) {
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        field.write(out);
    }
    out.push_str("\r\n");
}

enum Field<'a> {
    /// Made by us: numbers, times, ids.
    Plain(&'a str),
    /// Made by users.
    Text(&'a str),
}

impl Field<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(text) => out.push_str(text),
            Self::Text(text) => out.push_str(&wire::sheet::quoted(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{Bytes, JobId, TenantId, Timestamp};

    use super::*;

    fn billed() -> BillLine {
        BillLine {
            job: JobId::from_u128(1),
            number: 12,
            attempt: 1,
            job_name: "=cmd|' /C calc'!A0, \"x\"".into(),
            tenant: TenantId::from_u128(1),
            tenant_name: "lab".into(),
            currency: Currency::CNY,
            project_name: "default".into(),
            user_name: "anna".into(),
            pool: None,
            pool_name: None,
            from: Timestamp::from_secs(0),
            to: Timestamp::from_secs(5_400),
            billed: Span::from_secs(5_400),
            granted: Resources::new(4, Bytes::from_gib(10), 2),
            charge: Money(3_000_000),
            uncollected: Money(500_000),
            drawn: Money(300_000),
            credited: Money(200_000),
        }
    }

    fn used() -> money::BillUsage {
        let at = |secs| Timestamp::from_secs(secs).into();
        money::BillUsage {
            tenant: "lab".into(),
            project: "default".into(),
            user: None,
            pool: None,
            unit: wire::PriceUnit::Kilotoken,
            model: Some("qwen".into()),
            kind: Some("input".into()),
            records: 2,
            from: at(0),
            to: at(60),
            quantity: "1.500000".into(),
            included_quantity: "0.000000".into(),
            currency: "CNY".into(),
            charge: Money(3_000).into(),
            credited: Money::ZERO.into(),
        }
    }

    #[test]
    fn hours_are_exact_and_what_was_written_off_is_not_asked_for() {
        let line = line(&billed());
        assert_eq!((&*line.core_hours, &*line.gib_hours, &*line.card_hours), ("6.000000", "15.000000", "3.000000"));
        assert_eq!(line.charge.to_string(), "2.50");
        assert_eq!(decimal(1, 3), "0.333333");
        // The largest amount there can be, 2^53 bytes for 292,000 years: 2^23 GiB × 2^63 µs ÷ 3.6 × 10^9 µs.
        let most = Hours::of(Resources::new(0, Bytes(1 << 53), 0), Span::MAX);
        assert_eq!(most.gib.split('.').next(), Some("21492014570926740"));
    }

    #[test]
    fn a_spreadsheet_finds_no_formula_and_every_line_has_every_column() {
        let bill = Bill {
            tenant: Some("lab".into()),
            from: Timestamp::from_secs(0).into(),
            to: Timestamp::from_secs(1).into(),
            lines: vec![line(&billed())],
            usage: vec![used()],
            total: Vec::new(),
            corrections: Vec::new(),
            truncated: false,
        };
        let text = csv(&bill);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!((lines.len(), lines[3]), (4, ""));
        assert_eq!(lines[2].matches(',').count(), COLUMNS.len() - 1);
        assert!(
            lines[2].contains(",1.500000,kilotoken,0.003,") && lines[2].contains("kilotoken qwen input"),
            "{}",
            lines[2]
        );
        assert!(lines[1].contains("\"'=cmd|' /C calc'!A0, \"\"x\"\"\""), "{}", lines[1]);
        // One comma of each name is quoted.
        assert_eq!(lines[1].matches(',').count(), COLUMNS.len() - 1 + 2);
        assert_eq!(lines[0].matches(',').count(), COLUMNS.len() - 1);
    }

    #[test]
    fn margins_are_of_what_was_collected() {
        let row = MarginRow {
            key: 1,
            name: "lab".into(),
            number: None,
            currency: Currency::CNY,
            revenue: Money(3_000_000),
            uncollected: Money(1_000_000),
            cost: CostParts { depreciation: Money(400_000), datacentre: Money(70_000), fee: Money(30_000) },
        };
        let shown = margin_row(&row, MarginBy::Tenant);
        assert_eq!((shown.revenue.to_string(), shown.margin.to_string()), ("2.00".into(), "1.50".into()));
        assert_eq!(shown.margin_percent.as_deref(), Some("75.00"));
        assert_eq!(percent(Money(-1), Money(3)).as_deref(), Some("-33.33"));
        assert_eq!(percent(Money(1), Money(0)), None);
        let totals = margin_totals(&[row.clone(), row]);
        assert_eq!((totals.len(), totals[0].margin.to_string().as_str()), (1, "3.00"));
    }
}
