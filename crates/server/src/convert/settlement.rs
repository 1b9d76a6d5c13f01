//! Statements of suppliers: a mapping as it came in becomes one that can be read by, and what came of it becomes what is shown.

use base::{Currency, Money};
use rating::settlement::mapping::Column;
use rating::settlement::{
    Columns, Dispute, Fault, Line, LineKind, Mapping, NumberFormat, Quantity, QuantityUnit, State, Statement,
    TheirLine, TimeFormat, Tolerance, Twin, Verdict, statement,
};
use wire::settlement::{
    LineQuantity, Settlement, SettlementLine, SettlementSums, StatementColumns, StatementMapping, StatementNumbers,
    StatementTimes, StatementTolerance,
};
use wire::{DisputeState, ErrorCode, FieldError, LineVerdict, MatchedBy, Meter, SettlementState};

use crate::access::Supply;
use crate::problem::Failure;

/// Entries of each list of a mapping.
const ENTRIES_MAX: usize = 1_000;
/// Lines that may be skipped at either end.
const SKIPPED_MAX: u32 = 1_000;

/// The mapping of a request, checked.
pub fn mapping(written: &StatementMapping) -> Result<Mapping, Failure> {
    let StatementMapping { delimiter, skip_first, skip_last, skip, headings, columns, numbers, times, .. } = written;
    if written.users.len().max(skip.len()).max(written.kinds.len()).max(columns.quantity.len()) > ENTRIES_MAX {
        return Err(Failure::invalid("mapping", format!("at most {ENTRIES_MAX} entries in one list")));
    }
    if (*skip_first).max(*skip_last) > SKIPPED_MAX {
        return Err(Failure::invalid("mapping.skip_first", format!("at most {SKIPPED_MAX} lines are skipped")));
    }
    let StatementTolerance { amount, quantity_milli_hours, per_mille } = &written.tolerance;
    let mapping = Mapping {
        delimiter: sign("mapping.delimiter", delimiter)?,
        skip_first: *skip_first as usize,
        skip_last: *skip_last as usize,
        headings: *headings,
        skip_where: skip.iter().map(|s| (Column(s.column.clone()), s.text.trim().to_owned())).collect(),
        columns: columns_of(columns)?,
        kind: super::line_kind_from(written.kind),
        kinds: written
            .kinds
            .iter()
            .map(|(word, kind)| (word.trim().to_owned(), super::line_kind_from(*kind)))
            .collect(),
        numbers: numbers_of(numbers)?,
        times: times_of(times)?,
        negative: written.negative,
        users: written.users.clone(),
        tolerance: Tolerance {
            amount: amount.0,
            quantity_milli_hours: i64::from(*quantity_milli_hours),
            per_mille: i64::from(*per_mille),
        },
        overlap_percent_min: written.overlap_percent_min,
    };
    mapping.check().map_err(|fault| Failure::invalid(&format!("mapping.{}", fault.field), fault.message))?;
    Ok(mapping)
}

fn sign(field: &str, text: &str) -> Result<char, Failure> {
    let mut signs = text.chars();
    match (signs.next(), signs.next()) {
        (Some(sign), None) => Ok(sign),
        _ => Err(Failure::invalid(field, "one character")),
    }
}

fn columns_of(written: &StatementColumns) -> Result<Columns, Failure> {
    let column = |name: &Option<String>| name.clone().map(Column);
    let mut quantities = Vec::new();
    for (unit, name) in &written.quantity {
        let unit = QuantityUnit::parse(unit).ok_or_else(|| {
            let units = "core_hours, card_hours, node_hours, or the same in minutes or seconds";
            Failure::invalid("mapping.columns.quantity", format!("`{unit:.40}` is no unit: {units}"))
        })?;
        quantities.push((unit, Column(name.clone())));
    }
    Ok(Columns {
        kind: column(&written.kind),
        attempt: column(&written.attempt),
        external: column(&written.job),
        cluster: column(&written.cluster),
        user: column(&written.user),
        start: column(&written.start),
        end: column(&written.end),
        amount: column(&written.amount),
        price: column(&written.price),
        quantities,
    })
}

fn numbers_of(written: &StatementNumbers) -> Result<NumberFormat, Failure> {
    let thousands = Some(&written.thousands).filter(|t| !t.is_empty());
    if written.strip.len() > 20 || written.strip.iter().any(String::is_empty) {
        return Err(Failure::invalid("mapping.numbers.strip", "at most 20 texts, none of them empty"));
    }
    Ok(NumberFormat {
        decimal: sign("mapping.numbers.decimal", &written.decimal)?,
        thousands: thousands.map(|text| sign("mapping.numbers.thousands", text)).transpose()?,
        strip: written.strip.clone(),
    })
}

fn times_of(written: &StatementTimes) -> Result<TimeFormat, Failure> {
    if written.format == "standard" {
        return Ok(TimeFormat::Standard);
    }
    let offset = offset_seconds(&written.offset);
    let offset_seconds =
        offset.ok_or_else(|| Failure::invalid("mapping.times.offset", "hours and minutes from UTC, e.g. `+08:00`"))?;
    Ok(TimeFormat::Pattern { pattern: written.format.clone(), offset_seconds })
}

fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |t: &str| (t.len() == 2).then(|| t.parse::<i32>().ok().filter(|n| *n >= 0)).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Faults of the file: nothing was taken in.
pub fn faults(faults: &[Fault]) -> Failure {
    let first = faults.first().map_or_else(String::new, |f| {
        let column = f.column.as_ref().map_or_else(String::new, |c| format!(", column `{c:.60}`"));
        format!("line {}{column}: {}", f.line, f.message)
    });
    let more = match faults.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let errors = faults.iter().map(|f| FieldError {
        line: Some(f.line),
        option: f.column.clone(),
        code: Some(f.code.to_owned()),
        message: f.message.clone(),
        hint: Some(f.hint.to_owned()),
    });
    let detail = format!("the statement was not taken in: {first}{more}");
    Failure { errors: errors.collect(), ..Failure::new(ErrorCode::StatementInvalid, detail) }
}

const fn state(state: State) -> SettlementState {
    match state {
        State::Open => SettlementState::Open,
        State::Accepted => SettlementState::Accepted,
        State::Withdrawn => SettlementState::Withdrawn,
    }
}

pub const fn verdict(verdict: Verdict) -> LineVerdict {
    match verdict {
        Verdict::Matched => LineVerdict::Matched,
        Verdict::Quantity => LineVerdict::Quantity,
        Verdict::Price => LineVerdict::Price,
        Verdict::QuantityAndPrice => LineVerdict::QuantityAndPrice,
        Verdict::OnlyOurs => LineVerdict::OnlyOurs,
        Verdict::OnlyTheirs => LineVerdict::OnlyTheirs,
        Verdict::Duplicated => LineVerdict::Duplicated,
    }
}

pub fn settlement(of: &Statement, supply: &Supply) -> Settlement {
    let sums = of.sums.iter().map(|s| SettlementSums {
        verdict: verdict(s.verdict),
        lines: s.lines,
        ours: s.ours.into(),
        theirs: s.theirs.into(),
        difference: (s.theirs - s.ours).into(),
    });
    let accepted = of.state == State::Accepted;
    let only = |amount: Money| accepted.then(|| amount.into());
    Settlement {
        number: of.number,
        supplier: of.supplier,
        supplier_name: supply.supplier_name(of.supplier),
        statement: of.statement.to_string(),
        from: of.from.into(),
        to: of.to.into(),
        currency: of.currency.to_string(),
        state: state(of.state),
        lines: of.lines,
        open: of.open,
        ours: of.sums.iter().map(|s| s.ours).sum::<Money>().into(),
        theirs: of.sums.iter().map(|s| s.theirs).sum::<Money>().into(),
        sums: sums.collect(),
        imported_at: of.imported_at.into(),
        accepted_at: super::job::time(of.accepted_at),
        cleared: only(of.cleared),
        payable: only(of.payable),
        difference: only(of.payable - of.cleared),
        paid: only(of.paid),
    }
}

/// `by` is the name of whoever changed its dispute last.
pub fn line(of: &Line, by: Option<String>) -> SettlementLine {
    let (ours, short, theirs) = (of.ours.as_ref(), of.short, of.theirs.as_ref());
    let kind = theirs.map_or_else(|| if short.is_some() { LineKind::Minimum } else { LineKind::Work }, |t| t.kind);
    let text = |text: Option<&std::sync::Arc<str>>| text.map(|t| t.to_string());
    SettlementLine {
        line: of.line,
        source: theirs.map(|t| t.source),
        kind: super::line_kind(kind),
        verdict: verdict(of.verdict),
        matched_by: of.by.map(|by| match by {
            statement::MatchedBy::Attempt => MatchedBy::Attempt,
            statement::MatchedBy::External => MatchedBy::External,
            statement::MatchedBy::Time => MatchedBy::Time,
        }),
        attempt: ours.map(|o| o.attempt).or_else(|| theirs?.attempt),
        job: ours.map(|o| o.job),
        external: text(ours.and_then(|o| o.external.as_ref()).or_else(|| theirs?.external.as_ref())),
        cluster: text(ours.map(|o| &o.cluster).or_else(|| theirs?.cluster.as_ref())),
        user: text(ours.map(|o| &o.user).or_else(|| theirs?.user.as_ref())),
        start: super::job::time(ours.map(|o| o.start).or(short.map(|s| s.from)).or_else(|| theirs?.start)),
        end: super::job::time(ours.map(|o| o.end).or(short.map(|s| s.to)).or_else(|| theirs?.end)),
        quantities: quantities(ours.map_or(&[], |o| &o.quantities), theirs),
        ours: ours.map(|o| o.accrued).or(short.map(|s| s.accrued)).map(Money::into),
        theirs: theirs.map(|t| t.amount.into()),
        agreed: of.clearing().map(|c| c.agreed.into()),
        twin_line: match of.twin {
            Some(Twin::Line(line)) => Some(line),
            _ => None,
        },
        twin_settlement: match of.twin {
            Some(Twin::Settlement(number)) => Some(number),
            _ => None,
        },
        dispute: dispute(of.dispute),
        note: of.note.clone(),
        by,
        at: super::job::time(of.at),
    }
}

const fn dispute(dispute: Dispute) -> DisputeState {
    match dispute {
        Dispute::None => DisputeState::None,
        Dispute::Open => DisputeState::Open,
        Dispute::Ours => DisputeState::Ours,
        Dispute::Theirs => DisputeState::Theirs,
        Dispute::Amount(_) => DisputeState::Amount,
        Dispute::Later => DisputeState::Later,
    }
}

fn quantities(ours: &[Quantity], theirs: Option<&TheirLine>) -> Vec<LineQuantity> {
    let theirs = theirs.map_or(&[][..], |t| &t.quantities);
    let find = |all: &[Quantity], meter| all.iter().find(|q| q.meter == meter).map(|q| hours(q.micros));
    let meters = [
        (statement::Meter::Core, Meter::Core),
        (statement::Meter::Card, Meter::Card),
        (statement::Meter::Node, Meter::Node),
    ];
    let both = meters.map(|(meter, shown)| LineQuantity {
        meter: shown,
        ours_hours: find(ours, meter),
        theirs_hours: find(theirs, meter),
    });
    both.into_iter().filter(|q| q.ours_hours.is_some() || q.theirs_hours.is_some()).collect()
}

/// Hours with six places, cut.
fn hours(micros: i64) -> String {
    let millionths = micros.unsigned_abs() / 3_600;
    format!("{}{}.{:06}", if micros < 0 { "-" } else { "" }, millionths / 1_000_000, millionths % 1_000_000)
}

/// The currency of a request.
pub fn currency(text: &str) -> Result<Currency, Failure> {
    text.parse().map_err(|e: base::ParseMoneyError| Failure::invalid("mapping.currency", e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_offsets_are_read_and_written() {
        assert_eq!(hours(5_400_000_000), "1.500000");
        assert_eq!(hours(-3_600_000), "-0.001000");
        assert_eq!(offset_seconds("+08:00"), Some(28_800));
        assert_eq!(offset_seconds("-03:30"), Some(-12_600));
        for bad in ["", "8", "08:00", "+8:00", "+15:00", "+01:60", "+-1:00"] {
            assert_eq!(offset_seconds(bad), None, "{bad}");
        }
    }
}
