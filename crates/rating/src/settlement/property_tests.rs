//! Random statements with planted errors of every kind, written as CSV and read back: each error is found as what it is, nothing
//! else is reported, and the sums of the parts make the whole.

use std::collections::BTreeMap;

use base::{AttemptId, JobId, Money, Timestamp};
use proptest::prelude::*;

use super::mapping::Column;
use super::statement::{Meter, OurLine};
use super::*;

/// What is done to the line of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plant {
    Nothing,
    Quantity,
    Price,
    Both,
    Dropped,
    /// A line of somebody else's work stands beside it.
    Extra,
    Repeated,
    /// An earlier statement has settled it.
    SettledBefore,
    /// It ended before the period, and is named now.
    Late,
    /// It ended before the period, and is not named.
    LateDropped,
}

const PLANTS: [Plant; 10] = [
    Plant::Nothing,
    Plant::Quantity,
    Plant::Price,
    Plant::Both,
    Plant::Dropped,
    Plant::Extra,
    Plant::Repeated,
    Plant::SettledBefore,
    Plant::Late,
    Plant::LateDropped,
];

#[derive(Clone, Debug)]
struct Case {
    plant: Plant,
    /// 0: attempt id, 1: the key in the job's name, 2: external id, 3: user and time.
    named_by: u8,
    minutes: i64,
    cores: i64,
    cards: i64,
    /// Of a core-hour, micro-units.
    price: i64,
    /// An error between 5 % and 50 %, up or down.
    error_percent: i64,
}

fn case() -> impl Strategy<Value = Case> {
    let error = prop_oneof![5i64..50, -50i64..-4];
    // Half of the lines are right.
    let plant = prop_oneof![Just(Plant::Nothing), proptest::sample::select(&PLANTS[..])];
    (plant, 0u8..4, 60i64..5_000, 1i64..500, 0i64..9, 500_000i64..9_000_000, error).prop_map(
        |(plant, named_by, minutes, cores, cards, price, error_percent)| Case {
            plant,
            named_by,
            minutes,
            cores,
            cards,
            price,
            error_percent,
        },
    )
}

const BEGIN: i64 = 1_790_000_000;

impl Case {
    /// Attempts of one user stand one after another: each has a slot of its own.
    fn ours(&self, n: usize) -> Ours {
        let start = Timestamp::from_micros((BEGIN + n as i64 * 400_000) * 1_000_000 + 123_456);
        let micros = self.minutes * 60_000_000 + 7_890;
        let mut quantities = vec![Quantity { meter: Meter::Core, micros: self.cores * micros }];
        if self.cards > 0 {
            quantities.push(Quantity { meter: Meter::Card, micros: self.cards * micros });
        }
        let line = OurLine {
            attempt: AttemptId::new(JobId::from_u128(n as u128 + 1), 1),
            job: n as u64 + 1,
            external: Some(format!("{}", 7_000 + n).into()),
            cluster: "harbour".into(),
            user: format!("user{}", n % 3).as_str().into(),
            start,
            end: Timestamp::from_micros(start.as_micros() + micros),
            quantities,
            accrued: Money((i128::from(self.price) * i128::from(self.cores * micros) / 3_600_000_000) as i64),
        };
        let late = matches!(self.plant, Plant::Late | Plant::LateDropped);
        Ours { line, due: !late, settled_in: (self.plant == Plant::SettledBefore).then_some(4) }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        match self.plant {
            Plant::Nothing | Plant::Late => vec![Verdict::Matched],
            Plant::Quantity => vec![Verdict::Quantity],
            Plant::Price => vec![Verdict::Price],
            Plant::Both => vec![Verdict::QuantityAndPrice],
            Plant::Dropped => vec![Verdict::OnlyOurs],
            Plant::Extra => vec![Verdict::Matched, Verdict::OnlyTheirs],
            Plant::Repeated => vec![Verdict::Matched, Verdict::Duplicated],
            Plant::SettledBefore => vec![Verdict::Duplicated],
            Plant::LateDropped => vec![],
        }
    }

    /// Lines of the file: job key, external id, user, start, end, core-hours, card-hours, amount.
    fn written(&self, n: usize, csv: &mut String) {
        let OurLine { attempt, external, user, start, end, accrued, .. } = self.ours(n).line;
        let percent = |on: bool| if on { 100 + self.error_percent } else { 100 };
        let wrong = percent(matches!(self.plant, Plant::Quantity | Plant::Both));
        let dearer = percent(matches!(self.plant, Plant::Price | Plant::Both));
        let millis = |units: i64| units * (self.minutes * 60_000_000 + 7_890) / 3_600_000 * wrong / 100;
        let cents = i128::from(accrued.0) * i128::from(wrong) * i128::from(dearer) / 100_000_000;
        let key = match self.named_by {
            0 => attempt.to_string(),
            1 => format!("hw-0123abcd-{:032x}-{} lab/one: a comment", attempt.job.as_u128(), attempt.number),
            _ => "interactive".to_owned(),
        };
        let (key, external) = match (self.named_by, external) {
            (0 | 1, _) => (key, String::new()),
            (2, Some(external)) => (String::new(), external.to_string()),
            _ => (String::new(), format!("other{n}")),
        };
        let mut line = |key: &str, external: &str, user: &str, shift: i64| {
            let time = |at: Timestamp| at.as_secs() + 8 * 3_600 + shift;
            let cards = if self.cards > 0 { german(millis(self.cards), 3) } else { String::new() };
            let (from, to) = (civil(time(start)), civil(time(end)));
            csv.push_str(&format!(
                "{key};{external};\"{user}\";{from};{to};{};{cards};{} €\n",
                german(millis(self.cores), 3),
                german(cents as i64, 2),
            ));
        };
        let theirs = format!("t-{user}");
        match self.plant {
            Plant::Dropped | Plant::LateDropped => {}
            Plant::Extra => {
                line(&key, &external, &theirs, 0);
                // A time at which none of ours ran: slots are 400,000 seconds, work at most 300,000.
                line("", &format!("stranger{n}"), &theirs, 350_000 - self.minutes * 60 / 2 + 400_000 * 1_000);
            }
            Plant::Repeated => (0..2).for_each(|_| line(&key, &external, &theirs, 0)),
            _ => line(&key, &external, &theirs, 0),
        }
    }
}

/// `1.234,56` of an integer with so many places.
fn german(value: i64, places: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    format!("{}{grouped},{fraction}", if value < 0 { "-" } else { "" })
}

/// `DD.MM.YYYY hh:mm:ss` by another way than the reader's: through the text of RFC 3339.
fn civil(seconds: i64) -> String {
    let text = Timestamp::from_secs(seconds).rfc3339();
    format!("{}.{}.{} {}", &text[8..10], &text[5..7], &text[..4], &text[11..19])
}

fn mapping() -> Mapping {
    let column = |name: &str| Some(Column(name.into()));
    let mapping = Mapping {
        delimiter: ';',
        skip_first: 2,
        skip_last: 1,
        headings: true,
        skip_where: Vec::new(),
        columns: Columns {
            kind: None,
            attempt: column("Job name"),
            external: column("#2"),
            cluster: None,
            user: column("User"),
            start: column("Start"),
            end: column("End"),
            amount: column("Net"),
            price: None,
            quantities: vec![
                (QuantityUnit::parse("core_hours").unwrap(), Column("Core-h".into())),
                (QuantityUnit::parse("card-hour").unwrap(), Column("Card-h".into())),
            ],
        },
        kind: LineKind::Work,
        kinds: BTreeMap::new(),
        numbers: NumberFormat { decimal: ',', thousands: Some('.'), strip: vec!["€".into()] },
        times: TimeFormat::Pattern { pattern: "DD.MM.YYYY hh:mm:ss".into(), offset_seconds: 8 * 3_600 },
        negative: false,
        users: (0..3).map(|n| (format!("t-user{n}"), format!("user{n}"))).collect::<BTreeMap<_, _>>(),
        // Cents and thousandths of hours are cut off by the other side.
        tolerance: Tolerance { amount: Money(11_000), quantity_milli_hours: 2, per_mille: 3 },
        overlap_percent_min: 80,
    };
    assert_eq!(mapping.check(), Ok(()));
    mapping
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_planted_error_is_found_and_nothing_else(cases in proptest::collection::vec(case(), 1..60), turn in any::<prop::sample::Index>()) {
        let mut body = String::new();
        cases.iter().enumerate().for_each(|(n, case)| case.written(n, &mut body));
        let mut rows: Vec<&str> = body.lines().collect();
        if !rows.is_empty() {
            let by = turn.index(rows.len());
            rows.rotate_left(by);
        }
        let csv = format!("Harbour Computing\n\nJob name;No.;User;Start;End;Core-h;Card-h;Net\n{}\nTotal;;;;;;;1,00\n", rows.join("\n"));
        let theirs = match read(&csv, &mapping()) {
            Ok(lines) => lines,
            // Nothing but dropped lines.
            Err(faults) => { prop_assert!(rows.is_empty(), "{:?}", faults); Vec::new() }
        };
        prop_assert_eq!(theirs.len(), rows.len());
        let total: Money = theirs.iter().map(|t| t.amount).sum();
        let ours: Vec<Ours> = cases.iter().enumerate().map(|(n, case)| case.ours(n)).collect();
        let accrued: Money = ours.iter().filter(|o| o.due && o.settled_in.is_none()).map(|o| o.line.accrued).sum();
        let late: Money = cases.iter().zip(&ours).filter(|(c, _)| c.plant == Plant::Late).map(|(_, o)| o.line.accrued).sum();

        let lines = matched(theirs.clone(), ours.clone(), &[], &mapping());
        for (n, case) in cases.iter().enumerate() {
            let mut wanted = case.verdicts();
            let mut found: Vec<Verdict> = lines.iter().filter(|l| belongs(l, n)).map(|l| l.verdict).collect();
            wanted.sort();
            found.sort();
            prop_assert_eq!(found, wanted, "attempt {}: {:?}", n, case);
        }
        prop_assert_eq!(lines.len(), cases.iter().map(|c| c.verdicts().len()).sum::<usize>());
        prop_assert!(lines.iter().all(|l| (l.verdict == Verdict::Matched) == (l.dispute == Dispute::None)));
        // Theirs in the order of the file, then ours; numbered.
        prop_assert!(lines.iter().zip(1..).all(|(l, n)| l.line == n));
        prop_assert!(lines.iter().zip(&theirs).all(|(l, t)| l.theirs.as_ref() == Some(t)));

        let sums = Sums::of(&lines).unwrap();
        prop_assert_eq!(sums.iter().map(|s| s.theirs).sum::<Money>(), total);
        prop_assert_eq!(sums.iter().map(|s| s.ours).sum::<Money>(), accrued + late);
        prop_assert_eq!(sums.iter().map(|s| s.lines as usize).sum::<usize>(), lines.len());
        // Each attempt is settled by one line at most.
        let mut settled: Vec<AttemptId> = lines.iter().filter_map(Line::settles).collect();
        settled.sort();
        prop_assert!(settled.windows(2).all(|w| w[0] != w[1]));
        // The other order of ours changes nothing.
        prop_assert_eq!(matched(theirs, ours.into_iter().rev().collect(), &[], &mapping()), lines);
    }
}

/// Whether a line is about the attempt in slot `n`, or is the stranger planted beside it.
fn belongs(line: &Line, n: usize) -> bool {
    let stranger = format!("stranger{n}");
    match (&line.ours, &line.theirs) {
        (Some(ours), _) => ours.attempt.job == JobId::from_u128(n as u128 + 1),
        (None, Some(theirs)) => theirs.external.as_deref() == Some(stranger.as_str()),
        (None, None) => false,
    }
}

#[test]
fn elements_of_an_array_at_one_time_are_told_apart_by_what_they_took() {
    let case = Case {
        plant: Plant::Nothing,
        named_by: 3,
        minutes: 60,
        cores: 1,
        cards: 0,
        price: 1_000_000,
        error_percent: 0,
    };
    let ours: Vec<Ours> = (1..=20i64)
        .map(|cores| {
            let mut one = Case { cores, ..case.clone() }.ours(0);
            one.line.attempt = AttemptId::new(JobId::from_u128(cores as u128), 1);
            // Started within a second of one another.
            one.line.start = Timestamp::from_micros(one.line.start.as_micros() + (cores * 37_000) % 900_000);
            one
        })
        .collect();
    let mut csv = String::from("\n\nJob name;No.;User;Start;End;Core-h;Card-h;Net\n");
    (1..=20).rev().for_each(|cores| Case { cores, ..case.clone() }.written(0, &mut csv));
    let lines = matched(read(&(csv + "x\n"), &mapping()).unwrap(), ours, &[], &mapping());
    assert!(lines.iter().all(|l| l.verdict == Verdict::Matched), "{lines:#?}");
    assert_eq!(lines.len(), 20);
}

#[test]
fn pairs_below_the_stated_overlap_are_none() {
    let case = Case {
        plant: Plant::Nothing,
        named_by: 3,
        minutes: 100,
        cores: 2,
        cards: 0,
        price: 1_000_000,
        error_percent: 0,
    };
    let mut csv = String::from("\n\nJob name;No.;User;Start;End;Core-h;Card-h;Net\n");
    case.written(0, &mut csv);
    let theirs = read(&(csv + "x\n"), &mapping()).unwrap();
    let with = |late: i64, least: u32| {
        let mut one = case.ours(0);
        one.line.start = Timestamp::from_micros(one.line.start.as_micros() + late * 60_000_000);
        let mapping = Mapping { overlap_percent_min: least, ..mapping() };
        matched(theirs.clone(), vec![one], &[], &mapping).iter().map(|l| l.verdict).collect::<Vec<_>>()
    };
    assert_eq!(with(15, 80), [Verdict::Matched]);
    assert_eq!(with(25, 80), [Verdict::OnlyTheirs, Verdict::OnlyOurs]);
    assert_eq!(with(25, 70), [Verdict::Matched]);
}

#[test]
fn faults_name_line_column_and_what_to_do() {
    let head = "a\n\nJob name;No.;User;Start;End;Core-h;Card-h;Net\n";
    let faults = |rows: &str| {
        let faults = read(&format!("{head}{rows}end\n"), &mapping()).unwrap_err();
        faults.iter().map(|f| (f.line, f.column.clone().unwrap_or_default(), f.code)).collect::<Vec<_>>()
    };
    let rows = "x;1;u;01.01.2026 00:00:00;01.01.2026 01:00:00;1;;3,00\n\
                x;2;u;01.01.2026 00:00:00;01.13.2026 01:00:00;1;;3,00\n\
                x;3;u;02.01.2026 00:00:00;01.01.2026 01:00:00;1;;3,00\n\
                x;4;u;;;1.0,0;;3,00\n\
                att_12;5;u;;;1;;3,00\n\
                x;6;u;;;1;;3.00\n";
    let wanted = [
        (5, "End", "bad_time"),
        (6, "End", "bad_time"),
        (7, "Core-h", "bad_number"),
        (8, "Job name", "bad_attempt"),
        (9, "Net", "bad_number"),
    ];
    assert_eq!(faults(rows), wanted.map(|(line, column, code)| (line, column.to_owned(), code)));
    assert_eq!(faults(""), [(1, String::new(), "empty")]);
    let other = read("a\n\nJob;No.\nx;y\nend\n", &mapping()).unwrap_err();
    assert_eq!(other[0].code, "no_column");
    assert!(other.iter().all(|f| f.line == 3 && !f.hint.is_empty() && f.column.is_some()), "{other:?}");
}
