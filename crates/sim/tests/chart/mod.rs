//! Bars in groups as an SVG, for the documentation: plain shapes, no style sheet, readable on white and on black.

use std::fmt::Write;

/// Ours is the last.
const COLOURS: [&str; 3] = ["#9aa5b1", "#6b7c93", "#1f7ae0"];
const WIDTH: f64 = 760.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 64.0;
const BAR: f64 = 15.0;
const GAP: f64 = 16.0;

/// One group of bars: its name and what each of the three series comes to.
pub struct Bars {
    pub name: String,
    pub values: [f64; 3],
}

/// `unit` follows the numbers at the ends of the bars, which have one decimal.
pub fn svg(title: &str, series: [&str; 3], unit: &str, groups: &[Bars]) -> String {
    let step = 3.0 * BAR + GAP;
    let height = TOP + step * groups.len() as f64 + 4.0;
    let most = groups.iter().flat_map(|g| g.values).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\">\n<title>{title}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#ffffff\"/>\n<text x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"600\" fill=\"#1c2733\">{title}</text>\n"
    );
    for (at, (name, colour)) in series.iter().zip(COLOURS).enumerate() {
        let x = LEFT + 130.0 * at as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"38\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{colour}\"/><text x=\"{}\" y=\"48\" fill=\"#1c2733\">{name}</text>",
            x + 18.0
        );
    }
    for (at, group) in groups.iter().enumerate() {
        let top = TOP + step * at as f64;
        let middle = top + 1.5 * BAR + 5.0;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\" fill=\"#1c2733\">{}</text>",
            LEFT - 10.0,
            group.name
        );
        for (bar, (value, colour)) in group.values.iter().zip(COLOURS).enumerate() {
            let (y, wide) = (top + BAR * bar as f64, value * scale);
            let weight = if bar == 2 { "600" } else { "400" };
            let _ = writeln!(
                out,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{wide:.1}\" height=\"{}\" rx=\"2\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{}\" font-size=\"11\" font-weight=\"{weight}\" fill=\"#1c2733\">{value:.1} {unit}</text>",
                BAR - 2.0,
                LEFT + wide + 6.0,
                y + BAR - 4.0
            );
        }
    }
    out.push_str("</svg>\n");
    out
}
