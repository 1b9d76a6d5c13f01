//! Plots as SVG text: lines over axes, bars in lanes, cells of a map. Plain shapes with classes of the page's style; knows no figures.

use std::fmt::Write;

/// Of a plot, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;
/// Of one line of a legend.
const LEGEND: f64 = 18.0;
const LEGEND_COLUMNS: usize = 4;
/// Colours that are told apart on paper and by most eyes (M. Okabe and K. Ito, 2008).
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Percent,
    /// Seconds, shown in the unit that suits the axis.
    Time,
}

/// One direction of a plot.
#[derive(Clone, Debug)]
pub struct Axis<'a> {
    pub label: &'a str,
    pub kind: Kind,
    pub low: f64,
    pub high: f64,
    /// By powers of ten; `low` is then above zero.
    pub is_log: bool,
}

impl<'a> Axis<'a> {
    pub const fn new(label: &'a str, kind: Kind, low: f64, high: f64) -> Axis<'a> {
        Axis { label, kind, low, high, is_log: false }
    }

    /// From `low` by powers of ten to above `high`.
    pub fn log(label: &'a str, kind: Kind, low: f64, high: f64) -> Axis<'a> {
        Axis { label, kind, low, high: high.max(low * 10.0), is_log: true }
    }

    /// 0 at the low end, 1 at the high one.
    fn place(&self, value: f64) -> f64 {
        let (low, high, value) = match self.is_log {
            true => (self.low.log10(), self.high.log10(), value.max(self.low).log10()),
            false => (self.low, self.high, value),
        };
        ((value - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }

    fn marks(&self) -> Vec<(f64, String)> {
        if self.is_log {
            let first = self.low.log10().round() as i32;
            let powers = (first..).map(|power| 10f64.powi(power)).take_while(|value| *value <= self.high * 1.000_001);
            return powers.map(|value| (value, plain(value))).collect();
        }
        let (unit, name) = match self.kind {
            Kind::Plain => count_unit(self.high.abs().max(self.low.abs())),
            Kind::Percent => (0.01, " %"),
            Kind::Time => time_unit(self.high - self.low),
        };
        let step = step((self.high - self.low) / unit / 5.0);
        let first = (self.low / unit / step).ceil();
        let at = |n: u32| (first + f64::from(n)) * step;
        let inside = (0..100).map(at).take_while(|value| value * unit <= self.high + 1e-9 * self.high.abs());
        inside.map(|value| (value * unit, format!("{}{name}", plain(value)))).collect()
    }
}

fn time_unit(length_s: f64) -> (f64, &'static str) {
    match length_s {
        s if s >= 3.0 * 86_400.0 => (86_400.0, " d"),
        s if s >= 3.0 * 3_600.0 => (3_600.0, " h"),
        s if s >= 180.0 => (60.0, " min"),
        _ => (1.0, " s"),
    }
}

/// Large numbers get a letter, so that marks stay short.
fn count_unit(most: f64) -> (f64, &'static str) {
    match most {
        most if most >= 1e6 => (1e6, " M"),
        most if most >= 1e5 => (1e3, " k"),
        _ => (1.0, ""),
    }
}

/// 1, 2 or 5 times a power of ten, at least this.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-12).log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least * 0.999);
    step.unwrap_or(10.0 * power)
}

/// A number as short as it can be, thousands apart.
pub fn plain(value: f64) -> String {
    if value != 0.0 && value.abs() < 10.0 {
        let text = format!("{value:.3}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "−" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Names and what they are, safe inside of a page.
pub fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// A line of a plot. Points in the axes' units.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
    /// From point to point level, then up or down.
    pub is_stepped: bool,
}

/// Lines over two axes with a legend below where there are several.
pub fn lines(title: &str, x: &Axis<'_>, y: &Axis<'_>, lines: &[Line<'_>]) -> String {
    let legend = if lines.len() > 1 { lines.len().div_ceil(LEGEND_COLUMNS) as f64 * LEGEND } else { 0.0 };
    let mut svg = opened(title, HEIGHT + legend);
    axes(&mut svg, x, y, HEIGHT);
    for (at, line) in lines.iter().enumerate() {
        let mut path = String::new();
        let mut last: Option<f64> = None;
        for (px, py) in line.points.iter().map(|point| (across(x, point.0), up(y, point.1, HEIGHT))) {
            if let Some(level) = last.filter(|_| line.is_stepped) {
                let _ = write!(path, "L{px:.1} {level:.1}");
            }
            let _ = write!(path, "{}{px:.1} {py:.1}", if last.is_none() { 'M' } else { 'L' });
            last = Some(py);
        }
        let colour = COLOURS[at % COLOURS.len()];
        let dash = if at >= COLOURS.len() { " stroke-dasharray=\"5 3\"" } else { "" };
        let _ = write!(svg, "<path class=\"l\" d=\"{path}\" stroke=\"{colour}\"{dash}/>");
        if lines.len() > 1 {
            let (row, column) = (at / LEGEND_COLUMNS, at % LEGEND_COLUMNS);
            let left = LEFT + column as f64 * (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
            let base = HEIGHT + row as f64 * LEGEND + 10.0;
            let _ = write!(svg, "<path class=\"l\" d=\"M{left:.1} {0:.1}h18\" stroke=\"{colour}\"{dash}/>", base - 4.0);
            let _ = write!(svg, "<text x=\"{:.1}\" y=\"{base:.1}\">{}</text>", left + 23.0, escaped(line.name));
        }
    }
    svg + "</svg>"
}

/// A rectangle of a chart of lanes; times in the axis' units, rows counted over all lanes.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub row: usize,
    pub rows: usize,
    pub from: f64,
    pub to: f64,
    /// What it belongs to; equal ones have one colour.
    pub group: usize,
}

/// Blocks over time, lanes below each other with their names.
pub fn blocks(
    title: &str,
    x: &Axis<'_>,
    lanes: &[(&str, usize)],
    blocks: &[Block],
    name: &dyn Fn(usize) -> String,
) -> String {
    let rows: usize = lanes.iter().map(|lane| lane.1).sum::<usize>().max(1);
    let height = (TOP + BOTTOM + rows as f64 * 6.0).clamp(HEIGHT, 640.0);
    let y = Axis::new("", Kind::Plain, 0.0, rows as f64);
    let mut svg = opened(title, height);
    let down = |row: usize| height - BOTTOM - (height - BOTTOM - up(&y, rows as f64 - row as f64, height));
    x_axis(&mut svg, x, height);
    for block in blocks {
        let (left, top) = (across(x, block.from), down(block.row));
        let (width, tall) = ((across(x, block.to) - left).max(0.5), down(block.row + block.rows) - top);
        let colour = COLOURS[block.group % COLOURS.len()];
        let _ = write!(
            svg,
            "<rect class=\"b\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"><title>{}</title></rect>",
            escaped(&name(block.group))
        );
    }
    let mut row = 0;
    for (lane, count) in lanes {
        let (top, middle) = (down(row), f64::midpoint(down(row), down(row + count)));
        let _ = write!(svg, "<path class=\"a\" d=\"M{LEFT} {top:.1}H{:.1}\"/>", WIDTH - RIGHT);
        let _ =
            write!(svg, "<text class=\"e\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", LEFT - 6.0, middle + 4.0, escaped(lane));
        row += count;
    }
    svg + "</svg>"
}

/// A map of values over two axes, across and down: names and places of each; values row by row. What has no value stays empty.
pub fn map(title: &str, axes: &[(&str, Vec<String>); 2], values: &[Option<f64>]) -> String {
    let [(across_name, columns), (down_name, rows)] = axes;
    let left = LEFT * 1.6;
    let (wide, tall) =
        ((WIDTH - left - RIGHT) / columns.len().max(1) as f64, if rows.len() > 16 { 22.0 } else { 34.0 });
    let height = TOP + BOTTOM + tall * rows.len() as f64;
    let known = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let axis = Axis::new("", Kind::Plain, known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
    let mut svg = opened(title, height);
    for (at, value) in values.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))) {
        let (row, column) = (at / columns.len().max(1), at % columns.len().max(1));
        let (x, y, share) = (left + column as f64 * wide, TOP + row as f64 * tall, axis.place(value));
        let mix = |low: f64, high: f64| (low + (high - low) * share).round();
        let (red, green, blue) = (mix(240.0, 8.0), mix(246.0, 72.0), mix(252.0, 140.0));
        let ink = if share > 0.55 { "#fff" } else { "#222" };
        let _ = write!(
            svg,
            "<rect class=\"b\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"rgb({red},{green},{blue})\"/>"
        );
        if wide > 52.0 {
            let (middle, base) = (x + wide / 2.0, y + tall / 2.0 + 4.0);
            let _ = write!(
                svg,
                "<text class=\"m\" style=\"fill:{ink}\" x=\"{middle:.1}\" y=\"{base:.1}\">{}</text>",
                plain(value)
            );
        }
    }
    let every = (columns.len() as f64 * 60.0 / (WIDTH - left)).ceil().max(1.0) as usize;
    for (at, text) in columns.iter().enumerate().step_by(every) {
        let (middle, base) = (left + (at as f64 + 0.5) * wide, height - BOTTOM + 15.0);
        let _ = write!(svg, "<text class=\"m\" x=\"{middle:.1}\" y=\"{base:.1}\">{}</text>", escaped(text));
    }
    for (at, text) in rows.iter().enumerate() {
        let base = TOP + (at as f64 + 0.5) * tall + 4.0;
        let _ = write!(svg, "<text class=\"e\" x=\"{:.1}\" y=\"{base:.1}\">{}</text>", left - 6.0, escaped(text));
    }
    let under = if down_name.is_empty() { (*across_name).to_owned() } else { format!("{down_name} × {across_name}") };
    let (middle, base) = (f64::midpoint(left, WIDTH - RIGHT), height - BOTTOM + 31.0);
    let _ = write!(svg, "<text class=\"m\" x=\"{middle:.1}\" y=\"{base:.1}\">{}</text>", escaped(&under));
    svg + "</svg>"
}

fn opened(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>")
}

fn across(x: &Axis<'_>, value: f64) -> f64 {
    LEFT + x.place(value) * (WIDTH - LEFT - RIGHT)
}

fn up(y: &Axis<'_>, value: f64, height: f64) -> f64 {
    height - BOTTOM - y.place(value) * (height - BOTTOM - TOP)
}

fn x_axis(svg: &mut String, x: &Axis<'_>, height: f64) {
    let base = height - BOTTOM;
    for (value, text) in x.marks() {
        let at = across(x, value);
        let _ = write!(svg, "<path class=\"g\" d=\"M{at:.1} {TOP}V{base:.1}\"/>");
        let _ = write!(svg, "<text class=\"m\" x=\"{at:.1}\" y=\"{:.1}\">{text}</text>", base + 17.0);
    }
    let _ = write!(svg, "<path class=\"a\" d=\"M{LEFT} {base:.1}H{:.1}\"/>", WIDTH - RIGHT);
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    let _ = write!(svg, "<text class=\"m\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", base + 36.0, escaped(x.label));
}

fn axes(svg: &mut String, x: &Axis<'_>, y: &Axis<'_>, height: f64) {
    x_axis(svg, x, height);
    for (value, text) in y.marks() {
        let at = up(y, value, height);
        let _ = write!(svg, "<path class=\"g\" d=\"M{LEFT} {at:.1}H{:.1}\"/>", WIDTH - RIGHT);
        let _ = write!(svg, "<text class=\"e\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>", LEFT - 6.0, at + 4.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis<'_>) -> Vec<String> {
        axis.marks().into_iter().map(|mark| mark.1).collect()
    }

    #[test]
    fn axes_have_round_marks() {
        assert_eq!(texts(&Axis::new("", Kind::Percent, 0.0, 1.0)), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
        assert_eq!(texts(&Axis::new("", Kind::Time, 0.0, 14_400.0)), ["0 h", "1 h", "2 h", "3 h", "4 h"]);
        assert_eq!(texts(&Axis::new("", Kind::Plain, -1_500.0, 900.0)), ["−1500", "−1000", "−500", "0", "500"]);
        assert_eq!(texts(&Axis::new("", Kind::Plain, 0.0, 400_000.0)), ["0 k", "100 k", "200 k", "300 k", "400 k"]);
        assert_eq!(texts(&Axis::log("", Kind::Plain, 1.0, 1_234.0)), ["1", "10", "100", "1000"]);
        assert_eq!(plain(-1_234_567.0), "−1\u{202f}234\u{202f}567");
    }

    #[test]
    fn what_is_drawn_stays_inside_and_names_cannot_break_out() {
        let axis = Axis::new("<&>", Kind::Plain, 0.0, 1.0);
        let line = Line { name: "\"</svg><script>", points: vec![(-5.0, 9.0), (5.0, -9.0)], is_stepped: true };
        let svg = lines("t", &axis, &axis, &[line.clone(), line]);
        assert!(svg.contains("M64.0 12.0L706.0 12.0L706.0 214.0") && svg.contains("&lt;&amp;&gt;"), "{svg}");
        assert!(!svg.contains("<script>") && svg.ends_with("</svg>"));
    }

    #[test]
    fn blocks_stand_in_their_rows() {
        let x = Axis::new("t", Kind::Time, 0.0, 10.0);
        let block = Block { row: 1, rows: 1, from: 0.0, to: 5.0, group: 0 };
        let svg = blocks("t", &x, &[("a", 1), ("b", 1)], &[block], &|job| format!("job {job}"));
        assert!(svg.contains("<rect class=\"b\" x=\"64.0\" y=\"113.0\" width=\"321.0\" height=\"101.0\""), "{svg}");
    }

    #[test]
    fn a_map_goes_from_pale_to_dark() {
        let axes = [("a", vec!["1".to_owned(), "2".to_owned()]), ("b", vec!["3".to_owned(), "4".to_owned()])];
        let svg = map("t", &axes, &[Some(5.0), None, Some(7.0), Some(6.0)]);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains("rgb(240,246,252)") && svg.contains("rgb(8,72,140)") && svg.contains("b × a"), "{svg}");
    }
}
