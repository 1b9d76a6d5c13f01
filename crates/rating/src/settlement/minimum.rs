//! A supplier's lines for what was bought less than agreed on, against the shortfalls that were accrued for it. A period is named once, by
//! the time that a line says, else as the one that ended within the statement. Refuses to know work.

use base::{Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::mapping::Tolerance;
use super::matching::{blank, near};
use super::read::TheirLine;
use super::statement::{Line, MatchedBy, Twin, Verdict};
use crate::purchase::SupplierTerms;

/// What we accrued for a period in which a supplier's fees fell behind its minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurShort {
    /// The period: `from < end <= to`.
    pub from: Timestamp,
    pub to: Timestamp,
    /// What was accrued, without what accepted statements have settled of it.
    pub accrued: Money,
}

/// A shortfall that a statement may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    pub ours: OurShort,
    /// Its period ended within the statement's: when the statement does not name it, that is told.
    pub due: bool,
    /// The accepted statement that has settled all of it.
    pub settled_in: Option<u64>,
}

impl Short {
    /// Of a supplier's closed periods that ended within `late_from < end <= to`; due are those that ended after `from`. A period without a
    /// shortfall is none that could be named, unless one was settled for it.
    pub fn of(terms: &SupplierTerms, late_from: Timestamp, from: Timestamp, to: Timestamp) -> Vec<Short> {
        let closed = terms.periods.iter().filter(|p| p.minimum.is_some() && late_from < p.to && p.to <= to);
        let short = closed.filter_map(|p| {
            let left = p.accrued - p.settled;
            let settled_in = p.settled_in.filter(|_| left == Money::ZERO);
            let ours = OurShort { from: p.from, to: p.to, accrued: left };
            (left != Money::ZERO || settled_in.is_some()).then_some(Short { ours, due: from < p.to, settled_in })
        });
        short.collect()
    }
}

/// Which of ours each of their lines names, by place; lines that are no such lines, and those that name none, have none. The first line
/// that names a period has it.
pub(super) struct Named {
    found: Vec<Option<usize>>,
    first: Vec<Option<usize>>,
}

impl Named {
    pub(super) fn find(theirs: &[TheirLine], shorts: &[Short]) -> Named {
        let mut named = Named { found: vec![None; theirs.len()], first: vec![None; shorts.len()] };
        for (n, their) in theirs.iter().enumerate().filter(|(_, t)| t.kind.is_minimum()) {
            let at = match their.start.zip(their.end) {
                Some(time) => by_time(time, shorts),
                None => named.by_amount(their, shorts),
            };
            named.found[n] = at;
            if let Some(at) = at {
                named.first[at].get_or_insert(n);
            }
        }
        named
    }

    /// Of those that are due, or late where none is: one that no line has and no statement has settled, the nearest amount, the first.
    fn by_amount(&self, their: &TheirLine, shorts: &[Short]) -> Option<usize> {
        let rank = |at: &usize| {
            let short = &shorts[*at];
            let gap = short.ours.accrued.0.abs_diff(their.amount.0);
            (self.first[*at].is_some(), short.settled_in.is_some(), !short.due, gap, *at)
        };
        (0..shorts.len()).min_by_key(rank)
    }

    pub(super) fn is_named(&self, short: usize) -> bool {
        self.first[short].is_some()
    }

    /// What came of line `n` of theirs.
    pub(super) fn line(&self, n: usize, their: &TheirLine, shorts: &[Short], tolerance: &Tolerance) -> Line {
        let Some(at) = self.found[n] else { return blank(Verdict::OnlyTheirs) };
        let (short, first) = (&shorts[at], self.first[at].unwrap_or(n));
        let (verdict, twin) = match short.settled_in {
            _ if first != n => (Verdict::Duplicated, Some(Twin::Line(first as u32 + 1))),
            Some(number) => (Verdict::Duplicated, Some(Twin::Settlement(number))),
            None => {
                let (ours, theirs) = (short.ours.accrued.0, their.amount.0);
                let same = near(ours, theirs, tolerance.amount.0, tolerance.per_mille);
                (if same { Verdict::Matched } else { Verdict::Price }, None)
            }
        };
        Line { by: Some(MatchedBy::Time), short: Some(short.ours), twin, ..blank(verdict) }
    }
}

/// The period that has most of the time in common with a line's.
fn by_time((start, end): (Timestamp, Timestamp), shorts: &[Short]) -> Option<usize> {
    let common = |short: &Short| (end.min(short.ours.to) - start.max(short.ours.from)).as_micros();
    let best = (0..shorts.len()).map(|at| (common(&shorts[at]), std::cmp::Reverse(at))).max();
    best.filter(|(common, _)| *common > 0).map(|(_, at)| at.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::{AttemptId, JobId, Span};

    use super::super::amounts::{NumberFormat, TimeFormat};
    use super::super::mapping::{Column, Columns, LineKind, Mapping};
    use super::super::matching::{Ours, matched};
    use super::super::read::read;
    use super::super::statement::{Dispute, OurLine};
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn short(month: u32, units: i64) -> Short {
        let (from, to) = (format!("2026-{month:02}-01T00:00:00Z"), format!("2026-{:02}-01T00:00:00Z", month + 1));
        let ours = OurShort { from: at(&from), to: at(&to), accrued: Money::from_units(units) };
        Short { ours, due: true, settled_in: None }
    }

    fn mapping(columns: Columns, kind: LineKind) -> Mapping {
        let mapping = Mapping {
            delimiter: ',',
            skip_first: 0,
            skip_last: 0,
            headings: true,
            skip_where: Vec::new(),
            kinds: columns.kind.iter().map(|_| ("Mindestabnahme".to_owned(), LineKind::Minimum)).collect(),
            columns,
            kind,
            numbers: NumberFormat::default(),
            times: TimeFormat::Standard,
            negative: false,
            users: BTreeMap::new(),
            tolerance: Tolerance { amount: Money(10_000), ..Tolerance::default() },
            overlap_percent_min: 50,
        };
        assert_eq!(mapping.check(), Ok(()));
        mapping
    }

    fn column(name: &str) -> Option<Column> {
        Some(Column(name.into()))
    }

    fn both() -> Mapping {
        let columns = Columns {
            attempt: column("id"),
            kind: column("what"),
            start: column("from"),
            end: column("to"),
            amount: column("net"),
            ..Columns::default()
        };
        mapping(columns, LineKind::Work)
    }

    fn work(n: u128, units: i64) -> Ours {
        let start = at("2026-10-05T00:00:00Z");
        let line = OurLine {
            attempt: AttemptId::new(JobId::from_u128(n), 1),
            job: n as u64,
            external: None,
            cluster: "edge".into(),
            user: "ann".into(),
            start,
            end: start + Span::from_hours(1),
            quantities: Vec::new(),
            accrued: Money::from_units(units),
        };
        Ours { line, due: true, settled_in: None }
    }

    fn told(lines: &[Line]) -> Vec<(Verdict, i64, i64)> {
        lines.iter().map(|l| (l.verdict, l.accrued().micros() / 1_000_000, l.claimed().micros() / 1_000_000)).collect()
    }

    /// Work beside a shortfall, a planted error in each, and what neither side names of the other.
    #[test]
    fn a_statement_of_work_and_minimum_purchases_finds_planted_errors_in_both() {
        let csv = |october: &str, again: &str| {
            format!(
                "id,what,from,to,net\n{},Rechenzeit,,,3\n,Mindestabnahme,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,{october}\n\
                 ,Mindestabnahme,2026-08-01T00:00:00Z,2026-09-01T00:00:00Z,77\n{again}",
                AttemptId::new(JobId::from_u128(1), 1)
            )
        };
        let ours = || vec![work(1, 3), work(2, 5)];
        let shorts = [short(9, 40), short(10, 10)];
        let lines = |text: &str| matched(read(text, &both()).unwrap(), ours(), &shorts, &both());
        let right = lines(&csv("10", ""));
        use Verdict::{Duplicated, Matched, OnlyOurs, OnlyTheirs, Price};
        // What was accrued for September, and work that the statement leaves out, are ours alone; their August is nobody's.
        let expected = [(Matched, 3, 3), (Matched, 10, 10), (OnlyTheirs, 0, 77), (OnlyOurs, 5, 0), (OnlyOurs, 40, 0)];
        assert_eq!(told(&right), expected);
        assert_eq!(
            right.iter().map(|l| l.settles_short().map(|s| s.accrued)).collect::<Vec<_>>(),
            [None, Some(Money::from_units(10)), None, None, Some(Money::from_units(40)),]
        );
        assert!(right[1].settles().is_none(), "no attempt");
        // Planted: dearer by two, and the same month a second time.
        let wrong = lines(&csv("12", ",Mindestabnahme,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,12\n"));
        assert_eq!(told(&wrong)[1..4], [(Price, 10, 12), (OnlyTheirs, 0, 77), (Duplicated, 0, 12)]);
        assert_eq!((wrong[3].twin, wrong[3].settles_short()), (Some(Twin::Line(2)), None));
        assert!(wrong[1..4].iter().all(|line| line.dispute == Dispute::Open));
        // Within the tolerance it is the same.
        assert_eq!(lines(&csv("10.01", ""))[1].verdict, Matched);
        assert_eq!(lines(&csv("10.02", ""))[1].verdict, Price);
    }

    #[test]
    fn a_statement_of_nothing_else_needs_no_columns_to_match_by_and_says_nothing_of_work() {
        let alone = mapping(Columns { amount: column("net"), ..Columns::default() }, LineKind::Minimum);
        let lines = |csv: &str, shorts: &[Short]| matched(read(csv, &alone).unwrap(), vec![work(1, 3)], shorts, &alone);
        use Verdict::{Duplicated, Matched, OnlyOurs, OnlyTheirs};
        assert_eq!(told(&lines("net\n10\n", &[short(10, 10)])), [(Matched, 10, 10)]);
        // Two months: each line is the one whose amount is nearest.
        let both = lines("net\n41\n10\n", &[short(9, 10), short(10, 40)]);
        assert_eq!(told(&both), [(Verdict::Price, 40, 41), (Matched, 10, 10)]);
        assert_eq!(told(&lines("net\n10\n", &[])), [(OnlyTheirs, 0, 10)]);
        assert_eq!(told(&lines("net\n10\n", &[short(9, 7), short(10, 10)])), [(Matched, 10, 10), (OnlyOurs, 7, 0)]);
        // Settled by a statement before it, and named late.
        let settled = Short { settled_in: Some(4), ..short(10, 0) };
        let again = lines("net\n10\n", &[settled]);
        assert_eq!((told(&again), again[0].twin), (vec![(Duplicated, 0, 10)], Some(Twin::Settlement(4))));
        let late = Short { due: false, ..short(9, 10) };
        assert_eq!(told(&lines("net\n10\n", &[late])), [(Matched, 10, 10)]);
        assert_eq!(told(&lines("net\n10\n", &[late, short(10, 10)])), [(Matched, 10, 10)], "what is due goes first");
    }

    /// A mapping that knows no such lines is asked about work alone, as ever.
    #[test]
    fn a_statement_of_work_alone_says_nothing_of_shortfalls() {
        let columns = Columns { attempt: column("id"), amount: column("net"), ..Columns::default() };
        let plain = mapping(columns, LineKind::Work);
        let csv = format!("id,net\n{},3\n", AttemptId::new(JobId::from_u128(1), 1));
        let lines = matched(read(&csv, &plain).unwrap(), vec![work(1, 3)], &[short(10, 10)], &plain);
        assert_eq!(told(&lines), [(Verdict::Matched, 3, 3)]);
    }

    #[test]
    fn a_correction_after_a_period_was_settled_is_due_by_itself() {
        let mut terms = SupplierTerms {
            supplier: base::SupplierId::from_u128(1),
            from: at("2026-10-01T00:00:00Z"),
            to: None,
            settles: crate::Settles::Month,
            offset: crate::tariff::calendar::UtcOffset::UTC,
            minimum: Money::from_units(31),
            counts_from: at("2026-10-01T00:00:00Z"),
            told_over: false,
            periods: Vec::new(),
        };
        let (from, to) = (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        let of = |terms: &SupplierTerms| Short::of(terms, from - Span::from_hours(1), from, to);
        assert_eq!(of(&terms), [], "nothing is closed");
        terms.close(at("2026-11-01T01:00:00Z"));
        let due = of(&terms);
        assert_eq!(due.iter().map(|s| (s.ours.accrued, s.due)).collect::<Vec<_>>(), [(Money::from_units(31), true)]);
        assert_eq!(
            terms.settle(&OurShort { accrued: Money(1), ..due[0].ours }, 7),
            None,
            "it is another amount by now"
        );
        assert_eq!(terms.settle(&due[0].ours, 7), Some(()));
        assert_eq!(of(&terms).iter().map(|s| s.settled_in).collect::<Vec<_>>(), [Some(7)]);
        assert_eq!(terms.settle(&due[0].ours, 8), None, "once");
        terms.count(at("2026-10-31T00:00:00Z"), Money::from_units(4));
        terms.close(at("2026-11-02T00:00:00Z"));
        let left: Vec<_> = of(&terms).iter().map(|s| (s.ours.accrued, s.settled_in)).collect();
        assert_eq!(left, [(Money::from_units(-4), None)], "what was too much comes back");
    }
}
