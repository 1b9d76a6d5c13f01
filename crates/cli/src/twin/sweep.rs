//! `hw twin sweep`: one or two values of a policy document over ranges, each point played on the same histories; a table and a map.
//! Knows no key of the document: the server's own reader says what a key may be.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use sim::paired::{CONFIDENCE, Mean};
use sim::supply::Steering;
use toml::{Table as Document, Value};

use super::compare::ending;
use super::ground::{Ended, FIGURES, Figure, Ground, Outcome, Rule, Variant};
use super::page::{self, Page, svg};
use super::progress::watched;
use super::supplied::refused;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

/// A map with more points is not one that anybody reads.
const POINTS_MAX: usize = 2_500;

#[derive(Debug, Args)]
pub struct Sweep {
    /// A value of the policy document by its dotted name, and what it is to be, a list or a range with its number of values;
    /// once or twice: placement.weights.start=0,1000000 or reserve_permille=0..300/4
    #[arg(long, value_name = "NAME=VALUES", required = true, value_parser = range)]
    vary: Vec<Range>,
    /// The policy file in which they are changed [default: all defaults]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What the map shows, and what is compared with the first point
    #[arg(long, value_name = "NAME", default_value = "margin", value_parser = PossibleValuesParser::new(FIGURES.iter().map(|one| one.name)))]
    figure: String,
    /// Write a report with the map, a page (.html) or its data (.json); as often as needed
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    #[command(flatten)]
    ground: Ground,
}

/// A key and its values.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Range {
    name: String,
    values: Vec<Value>,
}

fn range(text: &str) -> Result<Range, String> {
    let (name, values) = text.split_once('=').ok_or("write NAME=VALUES")?;
    if name.split('.').any(str::is_empty) {
        return Err(format!("`{name}` is no dotted name"));
    }
    let values = match values.split_once("..") {
        Some((from, rest)) => even(from, rest)?,
        None => values.split(',').map(value).collect(),
    };
    Ok(Range { name: name.to_owned(), values })
}

/// So many values from one to the other, both among them; whole ones where all are.
fn even(from: &str, rest: &str) -> Result<Vec<Value>, String> {
    let (to, count) = rest.split_once('/').ok_or("a range is FROM..TO/COUNT")?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let bounds = (number(from), number(to), count.trim().parse::<u32>().ok().filter(|n| (2..=1000).contains(n)));
    let (Some(from), Some(to), Some(count)) = bounds else {
        return Err("a range is FROM..TO/COUNT: two numbers, and 2 to 1000 values".into());
    };
    let at = |n: u32| from + (to - from) * f64::from(n) / f64::from(count - 1);
    let all: Vec<f64> = (0..count).map(at).collect();
    let is_whole = all.iter().all(|n| n.fract().abs() < f64::EPSILON && n.abs() < 9e15);
    Ok(all.into_iter().map(|n| if is_whole { Value::Integer(n as i64) } else { Value::Float(n) }).collect())
}

/// As TOML has it; what is none is text.
fn value(text: &str) -> Value {
    let read = toml::from_str::<Document>(&format!("x = {}", text.trim())).ok().and_then(|mut read| read.remove("x"));
    read.unwrap_or_else(|| Value::String(text.trim().to_owned()))
}

/// The document with a value in its place.
fn changed(mut document: Document, name: &str, value: &Value) -> Result<Document, String> {
    let (folders, key) = name.rsplit_once('.').map_or((None, name), |(folders, key)| (Some(folders), key));
    let mut at = &mut document;
    for folder in folders.into_iter().flat_map(|folders| folders.split('.')) {
        let below = at.entry(folder).or_insert_with(|| Value::Table(Document::new()));
        at = below.as_table_mut().ok_or_else(|| format!("`{name}`: `{folder}` is a value, it has nothing below it"))?;
    }
    at.insert(key.to_owned(), value.clone());
    Ok(document)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The report as JSON. It has no times of this program: the same words bring the same bytes.
#[derive(Serialize)]
struct Report<'a> {
    supply: String,
    policy: Option<String>,
    vary: &'a [Range],
    figure: &'a str,
    confidence: f64,
    /// False when it was broken off: only plays count that came to their end.
    complete: bool,
    points: Vec<Point>,
    /// What the auditor found: nothing.
    wrong: Vec<String>,
}

/// One policy over all histories.
#[derive(Serialize)]
struct Point {
    values: Vec<Value>,
    plays: usize,
    figures: Vec<Average>,
    /// Of the report's figure: this point less the first one, paired by history.
    against_first: Option<Average>,
}

/// A mean over histories, with its 95 % confidence interval (Student t).
#[derive(Serialize)]
struct Average {
    name: &'static str,
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl Average {
    fn of(name: &'static str, values: &[f64]) -> Option<Average> {
        let Mean { mean, half } = Mean::of(values)?;
        Some(Average { name, mean, low: half.map(|half| mean - half), high: half.map(|half| mean + half) })
    }
}

pub async fn run(desk: &Desk, args: Sweep) -> Result<View, Fault> {
    args.report.iter().try_for_each(|path| page::is_page(path).map(drop))?;
    let Some(supply) = args.ground.supply.clone() else { return Err(Fault::Usage(Word::SweepNeedsSupply, Vec::new())) };
    let points = points(&args.vary).ok_or_else(|| Fault::Usage(Word::SweepTooMany, Vec::new()))?;
    let document = match &args.policy {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(Fault::file(path))?;
            toml::from_str::<Document>(&text).map_err(|fault| refused(path, &fault))?
        }
        None => Document::new(),
    };
    let rules = points.iter().map(|values| rule(&args, &document, values)).collect::<Result<Vec<Rule>, Fault>>()?;
    let ready = args.ground.ready(desk)?;
    let variants = args.ground.variants();
    let done = watched(desk, move |watcher| {
        let of = |variant: &Variant| rules.iter().map(|rule| (rule, *variant)).collect::<Vec<_>>();
        let tasks: Vec<(&Rule, Variant)> = variants.iter().flat_map(of).collect();
        ready.all(&tasks, &watcher)
    });
    let done = done.await?.map_err(|fault| refused(&supply, &fault))?;
    let report = report(&args, &supply, points, done);
    let view = view(desk, &report);
    page::written(&args.report, &report, || drawn(desk, &report, &view))?;
    Ok(view)
}

/// All combinations; nothing where there are too many, or of too many keys.
fn points(vary: &[Range]) -> Option<Vec<Vec<Value>>> {
    let of = |first: &Value| match vary.get(1) {
        Some(second) => second.values.iter().map(|second| vec![first.clone(), second.clone()]).collect(),
        None => vec![vec![first.clone()]],
    };
    let points: Vec<Vec<Value>> = vary.first()?.values.iter().flat_map(of).collect();
    (vary.len() <= 2 && points.len() <= POINTS_MAX).then_some(points)
}

fn rule(args: &Sweep, document: &Document, values: &[Value]) -> Result<Rule, Fault> {
    let path = args.policy.clone().unwrap_or_else(|| PathBuf::from("--vary"));
    let mut document = document.clone();
    for (range, value) in args.vary.iter().zip(values) {
        document = changed(document, &range.name, value).map_err(|fault| refused(&path, &fault))?;
    }
    let steering = Steering::parse(&document.to_string()).map_err(|fault| refused(&path, &fault))?;
    Ok(Rule::Steered(Box::new(steering)))
}

fn report<'a>(args: &'a Sweep, supply: &Path, points: Vec<Vec<Value>>, done: Vec<Option<Ended>>) -> Report<'a> {
    let complete = done.iter().all(Option::is_some);
    let (count, mut wrong) = (points.len(), Vec::new());
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    for ended in done {
        outcomes.push(ended.map(|ended| {
            wrong.extend(ended.wrong);
            ended.outcome
        }));
    }
    // By history, then by point.
    let of = |figure: &Figure, history: usize, point: usize| (figure.of)(outcomes[history * count + point].as_ref()?);
    let histories = outcomes.len() / count.max(1);
    let figure = FIGURES.iter().find(|figure| figure.name == args.figure);
    let point = |(at, values): (usize, Vec<Value>)| {
        let mean = |figure: &Figure| {
            Average::of(figure.name, &(0..histories).filter_map(|history| of(figure, history, at)).collect::<Vec<_>>())
        };
        let less_first = |figure: &Figure| {
            let pair = |history: usize| Some(of(figure, history, at)? - of(figure, history, 0)?);
            Average::of(figure.name, &(0..histories).filter_map(pair).collect::<Vec<_>>())
        };
        Point {
            values,
            plays: (0..histories).filter(|history| outcomes[history * count + at].is_some()).count(),
            figures: FIGURES.iter().filter_map(mean).collect(),
            against_first: figure.filter(|_| at > 0).and_then(less_first),
        }
    };
    Report {
        supply: supply.display().to_string(),
        policy: args.policy.as_ref().map(|path| path.display().to_string()),
        vary: &args.vary,
        figure: &args.figure,
        confidence: CONFIDENCE,
        complete,
        points: points.into_iter().enumerate().map(point).collect(),
        wrong,
    }
}

fn view(desk: &Desk, report: &Report<'_>) -> View {
    let values = [Word::FirstValue, Word::SecondValue].into_iter().zip(report.vary);
    let mut facts: Vec<(Word, Cell)> = values.clone().map(|(word, range)| (word, Cell::text(&range.name))).collect();
    facts.push((Word::Policy, Cell::text(report.policy.as_deref().unwrap_or("-"))));
    facts.push((Word::Compared, name(report.figure)));
    let mut heads: Vec<Word> = values.map(|one| one.0).collect();
    heads.extend([Word::Plays, Word::MeanWait, Word::WaitP95, Word::BoundedSlowdown, Word::Utilization]);
    heads.extend([Word::Revenue, Word::Cost, Word::Margin, Word::PromisesBroken]);
    heads.extend([Word::AgainstFirst, Word::IntervalLow, Word::IntervalHigh]);
    let columns = [
        "mean_wait_s",
        "p95_wait_s",
        "mean_bounded_slowdown",
        "utilization",
        "revenue",
        "cost",
        "margin",
        "promises_broken",
    ];
    let digits = |wanted: &str| FIGURES.iter().find(|figure| figure.name == wanted).map_or(2, |figure| figure.digits);
    let row = |point: &Point| {
        let mut cells: Vec<Cell> = point.values.iter().map(|value| Cell::number(shown(value))).collect();
        cells.push(Cell::number(point.plays));
        for wanted in columns {
            let found = point.figures.iter().find(|average| average.name == wanted);
            cells.push(Cell::maybe(found, |average| match wanted.ends_with("_s") {
                true => Cell::Seconds(average.mean),
                false => Cell::number(format!("{:.*}", digits(wanted), average.mean)),
            }));
        }
        let against = point.against_first.as_ref();
        let signed = |value: f64| Cell::number(format!("{value:+.*}", digits(report.figure)));
        let bounds = [against.map(|a| a.mean), against.and_then(|a| a.low), against.and_then(|a| a.high)];
        cells.extend(bounds.map(|bound| Cell::maybe(bound, signed)));
        cells
    };
    let table = Table::new("point", &heads).with(report.points.iter().map(row));
    let view = View::of(report, vec![Part::Facts(facts), Part::Table(table)]);
    ending(desk, view, report.complete, &report.wrong)
}

fn name(figure: &str) -> Cell {
    let found = FIGURES.iter().find(|one| one.name == figure);
    found.map_or(Cell::Empty, |figure| Cell::Both { en: figure.en.into(), zh: figure.zh.into() })
}

fn drawn(desk: &Desk, report: &Report<'_>, view: &View) -> Page {
    let lang = desk.lang();
    let figure = name(report.figure).plain(lang);
    let title = Word::SweepTitle.fill(lang, &[("figure", figure)]);
    let mut page = Page::new(lang, &title);
    let texts = |range: &Range| range.values.iter().map(shown).collect::<Vec<String>>();
    let (down, across) = (&report.vary[0], report.vary.get(1));
    let mean = |point: &Point| point.figures.iter().find(|a| a.name == report.figure).map(|average| average.mean);
    let values: Vec<Option<f64>> = report.points.iter().map(mean).collect();
    let axes = match across {
        Some(across) => [(across.name.as_str(), texts(across)), (down.name.as_str(), texts(down))],
        None => [(down.name.as_str(), texts(down)), ("", vec![String::new()])],
    };
    page.section(&title, Some(Word::SweepNote.text(lang)), &svg::map(&title, &axes, &values));
    page.parts(view);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lists_or_ranges() {
        let read = range("a.b=1,2.5,2d,true").unwrap();
        let expected = [Value::Integer(1), Value::Float(2.5), Value::String("2d".into()), Value::Boolean(true)];
        assert_eq!((read.name.as_str(), &read.values[..]), ("a.b", &expected[..]));
        assert_eq!(range("a=0..300/4").unwrap().values, [0, 100, 200, 300].map(Value::Integer));
        assert_eq!(range("a=0..1/3").unwrap().values, [0.0, 0.5, 1.0].map(Value::Float));
        for wrong in ["a", "a..b=1", "a=1..2", "a=1..2/1", "a=x..2/3", "=1"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_is_put_in_its_place() {
        let document: Document = toml::from_str("x = 1\n[a]\nb = 2\nc = 3\n").unwrap();
        let text = changed(document.clone(), "a.b", &Value::Integer(7)).unwrap().to_string();
        assert_eq!(text, "x = 1\n\n[a]\nb = 7\nc = 3\n");
        let text = changed(document.clone(), "d.e.f", &Value::Boolean(true)).unwrap().to_string();
        assert!(text.contains("[d.e]\nf = true\n"), "{text}");
        assert!(changed(document, "x.y", &Value::Integer(1)).is_err());
    }
}
