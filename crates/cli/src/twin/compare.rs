//! `hw twin compare`: the same histories under two policies, side by side, with paired differences and how far chance may have moved
//! them. Knows no policy but by its name or file.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use sim::paired::{CONFIDENCE, Mean};

use super::ground::{Ended, FIGURES, Figure, Ground, Outcome, Rule, Variant, named};
use super::progress::{INTERRUPTED, watched};
use super::supplied::{policy, refused};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

/// Findings of the auditor that are told one by one.
pub(super) const WRONG_TOLD: usize = 20;
/// Instead of a policy file: nothing said in it.
pub(super) const DEFAULT: &str = "default";

#[derive(Debug, Args)]
pub struct Compare {
    /// A policy's name; with --supply a policy file, or `default` for all defaults
    #[arg(value_name = "A")]
    a: String,
    /// The policy that it is compared with
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    ground: Ground,
}

/// The report as JSON. It has no times of this program: the same words bring the same bytes.
#[derive(Serialize)]
struct Report<'a> {
    a: &'a str,
    b: &'a str,
    supply: Option<String>,
    /// False when it was broken off: only pairs count of which both plays came to their end.
    complete: bool,
    pairs: usize,
    confidence: f64,
    method: &'static str,
    figures: Vec<Line>,
    plays: Vec<Pair>,
    /// What the auditor found: nothing.
    wrong: Vec<String>,
}

/// A figure over all pairs: means, the mean of the differences `b - a`, and its confidence interval where there are two pairs at least.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    a: f64,
    b: f64,
    difference: f64,
    low: Option<f64>,
    high: Option<f64>,
    /// Of the mean of A.
    difference_percent: Option<f64>,
    /// Zero is outside the interval.
    is_clear: bool,
}

#[derive(Serialize)]
struct Pair {
    #[serde(flatten)]
    variant: Variant,
    a: Outcome,
    b: Outcome,
}

pub async fn run(desk: &Desk, args: Compare) -> Result<View, Fault> {
    let (a, b) = (rule(&args.ground, &args.a)?, rule(&args.ground, &args.b)?);
    let ready = args.ground.ready(desk)?;
    let variants = args.ground.variants();
    let of = variants.clone();
    let done = watched(desk, move |watcher| {
        let tasks: Vec<(&Rule, Variant)> = of.iter().flat_map(|variant| [(&a, *variant), (&b, *variant)]).collect();
        ready.all(&tasks, &watcher)
    });
    let path = args.ground.supply.clone().unwrap_or_default();
    let done = done.await?.map_err(|fault| refused(&path, &fault))?;
    Ok(view(desk, &report(&args, &variants, done)))
}

/// The policy that a word names.
pub(super) fn rule(ground: &Ground, word: &str) -> Result<Rule, Fault> {
    match (&ground.supply, word) {
        (None, name) => named(name),
        (Some(_), DEFAULT) => Ok(Rule::Steered(Box::default())),
        (Some(_), path) => policy(Path::new(path)).map(|steering| Rule::Steered(Box::new(steering))),
    }
}

fn report<'a>(args: &'a Compare, variants: &[Variant], done: Vec<Option<Ended>>) -> Report<'a> {
    let complete = done.iter().all(Option::is_some);
    let mut done = done.into_iter();
    let (mut plays, mut wrong) = (Vec::new(), Vec::new());
    for variant in variants {
        if let (Some(Some(a)), Some(Some(b))) = (done.next(), done.next()) {
            wrong.extend(a.wrong.into_iter().chain(b.wrong));
            plays.push(Pair { variant: *variant, a: a.outcome, b: b.outcome });
        }
    }
    Report {
        a: &args.a,
        b: &args.b,
        supply: args.ground.supply.as_ref().map(|path| path.display().to_string()),
        complete,
        pairs: plays.len(),
        confidence: CONFIDENCE,
        method: "Student's t over the paired differences b - a",
        figures: FIGURES.iter().filter_map(|figure| line(figure, &plays)).collect(),
        plays,
        wrong,
    }
}

/// Nothing where no pair has the figure.
fn line(figure: &Figure, plays: &[Pair]) -> Option<Line> {
    let values: Vec<(f64, f64)> =
        plays.iter().filter_map(|pair| Some(((figure.of)(&pair.a)?, (figure.of)(&pair.b)?))).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| Mean::of(&values.iter().map(of).collect::<Vec<f64>>());
    let (a, b, difference) = (mean(|v| v.0)?, mean(|v| v.1)?, mean(|v| v.1 - v.0)?);
    Some(Line {
        name: figure.name,
        a: a.mean,
        b: b.mean,
        difference: difference.mean,
        low: difference.half.map(|half| difference.mean - half),
        high: difference.half.map(|half| difference.mean + half),
        difference_percent: (a.mean.abs() > f64::EPSILON).then(|| 100.0 * difference.mean / a.mean),
        is_clear: difference.is_beyond_zero(),
    })
}

fn view(desk: &Desk, report: &Report<'_>) -> View {
    let heads = [
        Word::Figure,
        Word::MeanA,
        Word::MeanB,
        Word::DifferenceMean,
        Word::IntervalLow,
        Word::IntervalHigh,
        Word::RelativePercent,
        Word::IsClear,
    ];
    let row = |line: &Line| {
        let figure = FIGURES.iter().find(|figure| figure.name == line.name)?;
        let number = |value: f64| Cell::number(format!("{value:.*}", figure.digits));
        let signed = |value: f64| Cell::number(format!("{value:+.*}", figure.digits));
        Some(vec![
            Cell::Both { en: figure.en.into(), zh: figure.zh.into() },
            number(line.a),
            number(line.b),
            signed(line.difference),
            Cell::maybe(line.low, signed),
            Cell::maybe(line.high, signed),
            Cell::maybe(line.difference_percent, |percent| Cell::number(format!("{percent:+.1}"))),
            Cell::YesNo(line.is_clear),
        ])
    };
    let facts = vec![
        (Word::PolicyA, Cell::text(report.a)),
        (Word::PolicyB, Cell::text(report.b)),
        (Word::PairsPlayed, Cell::number(report.pairs)),
    ];
    let table = Table::new("figure", &heads).with(report.figures.iter().filter_map(row));
    let mut view = View::of(report, vec![Part::Facts(facts), Part::Table(table)]);
    view = view.and(Word::PairsMethod.fill(desk.lang(), &[("n", report.pairs.to_string())]));
    ending(desk, view, report.complete, &report.wrong)
}

/// What is said and what the exit is where something was found or broken off.
pub(super) fn ending(desk: &Desk, mut view: View, complete: bool, wrong: &[String]) -> View {
    for text in wrong.iter().take(WRONG_TOLD) {
        view = view.and(Word::AuditorSays.fill(desk.lang(), &[("text", text.clone())]));
        view.exit = Exit::Failure;
    }
    if !complete {
        view = view.and(Word::PlaysBrokenOff.text(desk.lang()));
        view.exit = Exit::Job(INTERRUPTED);
    }
    view
}
