//! A report as one page that needs nothing else: figures as a table, plots as SVG, and all of it once more as JSON inside. Works on
//! paper and on a phone. Knows no replay.

pub mod svg;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Serialize;
use sim::plots::{Curve, Plots};
use svg::{Axis, Block, Kind, Line, blocks, escaped, lines};

use super::out::write;
use crate::fault::Fault;
use crate::text::{Lang, Word};
use crate::view::{Cell, Part, View};

const STYLE: &str = "body{font:15px/1.45 system-ui,'Noto Sans CJK SC',sans-serif;max-width:70rem;margin:1.5rem auto;padding:0 1rem;\
color:#222;background:#fff}h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}\
.t{overflow-x:auto;margin:.8rem 0}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}\
td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:bottom;font-weight:normal;white-space:nowrap}td{text-align:right}\
thead th,thead td{color:#555;border-bottom:1px solid #bbb;white-space:normal}svg{width:100%;height:auto;display:block}\
svg text{font-size:12px;fill:#444}.m{text-anchor:middle}.e{text-anchor:end}.g{stroke:#e4e4e4;fill:none}.a{stroke:#888;fill:none}\
.l{fill:none;stroke-width:1.6}.b{stroke:#fff;stroke-width:.6}p.n{color:#555;font-size:.85rem}section{break-inside:avoid}\
@media(max-width:40rem){svg text{font-size:17px}body{padding:0 .6rem}}\
@media print{body{margin:0;max-width:none}table{font-size:8px}td,th{padding-right:.4rem}}";

/// A page while it grows.
pub struct Page {
    lang: Lang,
    body: String,
}

impl Page {
    pub fn new(lang: Lang, title: &str) -> Page {
        let code = lang.pick("en", "zh");
        let title = escaped(title);
        let body = format!(
            "<!doctype html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\n\
             <style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        );
        Page { lang, body }
    }

    /// The parts of a view as tables, what was told beside them, and the plots of the run.
    pub fn of(lang: Lang, title: &str, view: &View, plots: &Plots) -> Page {
        let mut page = Page::new(lang, title);
        page.parts(view);
        page.plots(plots);
        page
    }

    /// The parts of a view as tables, and what was told beside them.
    pub fn parts(&mut self, view: &View) {
        for part in &view.parts {
            match part {
                Part::Table(table) => self.table(&table.heads, &table.rows),
                Part::Facts(facts) => {
                    let row = |(word, cell): &(Word, Cell)| vec![Cell::text(word.text(self.lang)), cell.clone()];
                    self.table(&[], &facts.iter().map(row).collect::<Vec<_>>());
                }
                Part::Title(_) | Part::Text(_) => {}
            }
        }
        for note in &view.notes {
            let _ = writeln!(self.body, "<p class=\"n\">{}</p>", escaped(note));
        }
    }

    /// A table with or without headings; first cells are names.
    pub fn table(&mut self, heads: &[Word], rows: &[Vec<Cell>]) {
        self.body.push_str("<div class=\"t\"><table>");
        if !heads.is_empty() {
            let head = |(at, word): (usize, &Word)| {
                let tag = if at == 0 { "th" } else { "td" };
                format!("<{tag}>{}</{tag}>", escaped(word.text(self.lang)))
            };
            let all: String = heads.iter().enumerate().map(head).collect();
            let _ = write!(self.body, "<thead><tr>{all}</tr></thead>");
        }
        for row in rows {
            self.body.push_str("<tr>");
            for (at, cell) in row.iter().enumerate() {
                let tag = if at == 0 { "th" } else { "td" };
                let shown = escaped(&cell.shown(self.lang, &TimeZone::UTC));
                let _ = write!(self.body, "<{tag}>{shown}</{tag}>");
            }
            self.body.push_str("</tr>");
        }
        self.body.push_str("</table></div>\n");
    }

    pub fn section(&mut self, title: &str, note: Option<&str>, svg: &str) {
        let _ = write!(self.body, "<section><h2>{}</h2>{svg}", escaped(title));
        if let Some(note) = note {
            let _ = write!(self.body, "<p class=\"n\">{}</p>", escaped(note));
        }
        self.body.push_str("</section>\n");
    }

    /// The page with its data inside. A `<` in the JSON is written as an escape, so that no name ends the block.
    pub fn done<T: Serialize>(self, data: &T) -> String {
        let json = serde_json::to_string(data).unwrap_or_default().replace('<', "\\u003c");
        self.body + "<script type=\"application/json\" id=\"data\">" + &json + "</script>\n</body></html>\n"
    }

    /// All plots of a run.
    pub fn plots<'a>(&mut self, plots: &'a Plots) {
        let text = |word: Word| word.text(self.lang);
        let time = Axis::new(text(Word::PlotTime), Kind::Time, 0.0, plots.lasted_s);
        let share = Axis::new("", Kind::Percent, 0.0, 1.0);
        let of = |curve: &'a Curve| stepped(&curve.name, &curve.values, plots.part_s);
        let mut sections: Vec<(Word, Option<Word>, String)> = Vec::new();
        let mut over_time = |word: Word, note: Option<Word>, y: &Axis<'_>, all: &[Line<'_>]| {
            sections.push((word, note, lines(text(word), &time, y, all)));
        };
        let pools: Vec<Line<'_>> = plots.use_by_pool.iter().map(of).collect();
        let word = if plots.use_by_mode.is_empty() { Word::PlotUse } else { Word::PlotUseByPool };
        over_time(word, None, &share, &pools);
        let mode = |name: &str| if name == "own" { text(Word::PlotOwn) } else { text(Word::PlotPartner) };
        let modes: Vec<Line<'_>> =
            plots.use_by_mode.iter().map(|c| stepped(mode(&c.name), &c.values, plots.part_s)).collect();
        if !modes.is_empty() {
            over_time(Word::PlotUseByMode, None, &share, &modes);
        }
        for (word, values) in
            [(Word::PlotWaitingJobs, &plots.waiting_jobs), (Word::PlotWaitingProcs, &plots.waiting_procs)]
        {
            let y = Axis::new("", Kind::Plain, 0.0, high(values).max(1.0));
            over_time(word, None, &y, &[stepped(text(word), values, plots.part_s)]);
        }
        if let Some(account) = &plots.account {
            let all = [(Word::Revenue, &account.revenue), (Word::Cost, &account.cost), (Word::Margin, &account.margin)];
            let ends = |values: &[f64]| {
                values.iter().enumerate().map(|(at, v)| ((at + 1) as f64 * plots.part_s, *v)).collect()
            };
            let line =
                |(word, values): (Word, &Vec<f64>)| Line { name: text(word), points: ends(values), is_stepped: false };
            let least = all.iter().flat_map(|one| one.1).copied().fold(0.0, f64::min);
            let most = all.iter().map(|one| high(one.1)).fold(0.01, f64::max);
            let y = Axis::new("", Kind::Plain, least, most);
            over_time(Word::PlotMoney, Some(Word::PlotMoneyNote), &y, &all.map(line));
        }
        for (word, label, values) in [
            (Word::PlotWaits, Word::PlotWaitsAxis, &plots.waits_s),
            (Word::PlotSlowdowns, Word::BoundedSlowdown, &plots.bounded_slowdowns),
        ] {
            let most = values.last().map_or(10.0, |last| last.0);
            let x = Axis::log(text(label), Kind::Plain, 1.0, most);
            let mut points = vec![(1.0, values.iter().rev().find(|v| v.0 <= 1.0).map_or(0.0, |v| v.1))];
            points.extend(values.iter().filter(|value| value.0 > 1.0));
            let line = Line { name: text(word), points, is_stepped: true };
            sections.push((word, None, lines(text(word), &x, &share, &[line])));
        }
        if !plots.bars.is_empty() {
            sections.push((Word::PlotBars, Some(Word::PlotBarsNote), bars(text(Word::PlotBars), &time, plots)));
        }
        for (title, note, svg) in sections {
            self.section(title.text(self.lang), note.map(|note| note.text(self.lang)), &svg);
        }
    }
}

fn bars(title: &str, time: &Axis<'_>, plots: &Plots) -> String {
    let rows: Vec<usize> = plots.lanes.iter().map(|lane| lane.procs as usize).collect();
    let above = |lane: usize| rows[..lane].iter().sum::<usize>();
    let block = |bar: &sim::plots::Bar| Block {
        row: above(bar.lane) + bar.first,
        rows: bar.procs,
        from: bar.start_s,
        to: bar.end_s,
        group: bar.job,
    };
    let lanes: Vec<(&str, usize)> =
        plots.lanes.iter().map(|lane| lane.name.as_str()).zip(rows.iter().copied()).collect();
    let all: Vec<Block> = plots.bars.iter().map(block).collect();
    blocks(title, time, &lanes, &all, &|job| format!("#{}", job + 1))
}

fn stepped<'a>(name: &'a str, values: &[f64], part_s: f64) -> Line<'a> {
    let mut points: Vec<(f64, f64)> =
        values.iter().enumerate().map(|(at, value)| (at as f64 * part_s, *value)).collect();
    points.extend(values.last().map(|last| (values.len() as f64 * part_s, *last)));
    Line { name, points, is_stepped: true }
}

fn high(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// Writes a report to every file that was asked for: a page where the name ends so, else JSON.
pub fn written<T: Serialize>(paths: &[PathBuf], data: &T, page: impl FnOnce() -> Page) -> Result<(), Fault> {
    let mut page = Some(page);
    let mut html: Option<String> = None;
    for path in paths {
        if is_page(path)? {
            if let Some(page) = page.take() {
                html = Some(page().done(data));
            }
            write(path, |out| out.write_all(html.as_deref().unwrap_or_default().as_bytes()))?;
        } else {
            write(path, |out| {
                serde_json::to_writer_pretty(&mut *out, data).map_err(Into::into).and_then(|()| writeln!(out))
            })?;
        }
    }
    Ok(())
}

/// Whether a report goes there as a page.
///
/// # Errors
/// The name ends neither in `.html` nor in `.json`.
pub fn is_page(path: &Path) -> Result<bool, Fault> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("html" | "htm") => Ok(true),
        Some("json") => Ok(false),
        _ => Err(Fault::Usage(Word::ReportName, vec![("path", path.display().to_string())])),
    }
}
