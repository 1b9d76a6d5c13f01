//! Turns views into text. Three renderings: for eyes, for programs, JSON. Writes nowhere.

use std::fmt::Write;

use comfy_table::{CellAlignment, Color, ContentArrangement, presets};
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use super::cell::{Cell, Tone, one_line};
use super::{Part, Table, View};
use crate::text::{Lang, Word};

/// How things are shown.
#[derive(Clone, Debug)]
pub struct Look {
    pub lang: Lang,
    /// Standard output is a terminal: tables; else bare lines.
    pub terminal: bool,
    pub colour: bool,
    /// Columns of the terminal; `None` lays tables out as wide as they are.
    pub width: Option<u16>,
    pub json: bool,
    pub zone: TimeZone,
}

/// Columns between two columns of a table.
const GAP: u16 = 2;

impl Look {
    /// The view as text, empty or ending with a line feed.
    pub fn render(&self, view: &View) -> String {
        let mut out = String::new();
        if self.json {
            if let Some(json) = &view.json {
                out.push_str(json);
                out.push('\n');
            }
            return out;
        }
        let several = view.parts.iter().filter(|part| matches!(part, Part::Table(_) | Part::Facts(_))).count() > 1;
        for (at, part) in view.parts.iter().enumerate() {
            match part {
                Part::Text(text) => {
                    out.push_str(text);
                    if !text.ends_with('\n') && !text.is_empty() {
                        out.push('\n');
                    }
                }
                Part::Title(word) if self.terminal => {
                    let gap = if at > 0 { "\n" } else { "" };
                    let _ = writeln!(out, "{gap}{}", self.bold(word.text(self.lang)));
                }
                Part::Title(_) => {}
                Part::Table(table) if self.terminal => out.push_str(&self.table(table)),
                Part::Facts(facts) if self.terminal => out.push_str(&self.facts(facts)),
                Part::Table(table) => out.push_str(&self.bare_table(table, several)),
                Part::Facts(facts) => out.push_str(&self.bare_facts(facts)),
            }
        }
        out
    }

    fn table(&self, table: &Table) -> String {
        if table.rows.is_empty() {
            return String::new();
        }
        let mut grid = comfy_table::Table::new();
        grid.load_style(presets::NOTHING);
        match self.width {
            Some(width) => grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => grid.set_content_arrangement(ContentArrangement::Disabled),
        };
        if self.colour {
            grid.enforce_styling();
        } else {
            grid.force_no_tty();
        }
        grid.set_header(table.heads.iter().map(|word| self.head(*word)));
        for row in &table.rows {
            grid.add_row(row.iter().map(|cell| self.cell(cell)));
        }
        let last = table.heads.len().saturating_sub(1);
        for at in 0..table.heads.len() {
            let mut cells = table.rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty()).peekable();
            let right = cells.peek().is_some() && cells.all(Cell::is_amount);
            if let Some(column) = grid.column_mut(at) {
                column.set_padding((0, if at == last { 0 } else { GAP }));
                column.set_cell_alignment(if right { CellAlignment::Right } else { CellAlignment::Left });
            }
        }
        trim_lines(&grid.to_string())
    }

    fn head(&self, word: Word) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new(word.text(self.lang).to_uppercase());
        if self.colour { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
    }

    fn cell(&self, cell: &Cell) -> comfy_table::Cell {
        let shown = comfy_table::Cell::new(cell.shown(self.lang, &self.zone));
        match (self.colour, cell.tone()) {
            (true, Tone::Good) => shown.fg(Color::Green),
            (true, Tone::Bad) => shown.fg(Color::Red),
            (true, Tone::Busy) => shown.fg(Color::Cyan),
            (true, Tone::Faint) => shown.fg(Color::DarkGrey),
            _ => shown,
        }
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.into() }
    }

    fn facts(&self, facts: &[(Word, Cell)]) -> String {
        let told: Vec<_> = facts.iter().filter(|(_, cell)| !cell.is_empty()).collect();
        let wide = told.iter().map(|(word, _)| word.text(self.lang).width()).max().unwrap_or(0);
        let mut out = String::new();
        for (word, cell) in told {
            let label = word.text(self.lang);
            let blanks = " ".repeat(wide - label.width() + usize::from(GAP));
            let _ = writeln!(out, "{label}{blanks}{}", cell.shown(self.lang, &self.zone));
        }
        out
    }

    fn bare_table(&self, table: &Table, tagged: bool) -> String {
        let mut out = String::new();
        for row in &table.rows {
            let tag = tagged.then(|| table.tag.to_string());
            let cells = row.iter().map(|cell| one_line(&cell.plain(self.lang)));
            let fields: Vec<String> = tag.into_iter().chain(cells).collect();
            let _ = writeln!(out, "{}", fields.join("\t"));
        }
        out
    }

    fn bare_facts(&self, facts: &[(Word, Cell)]) -> String {
        let mut out = String::new();
        for (word, cell) in facts.iter().filter(|(_, cell)| !cell.is_empty()) {
            let _ = writeln!(out, "{}\t{}", word.key(), one_line(&cell.plain(self.lang)));
        }
        out
    }
}

/// Every line without blanks at its end, the last with a line feed.
fn trim_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use wire::JobState;

    use super::*;
    use crate::exit::Exit;

    fn view() -> View {
        let table = Table::new("job", &[Word::Job, Word::Name, Word::State, Word::RunTime, Word::Charged]).with([
            vec![
                Cell::text("12"),
                Cell::text("氩熔化 melt"),
                Cell::State(JobState::Running),
                Cell::Seconds(3_725.0),
                Cell::Money(wire::MoneyText(base::Money(1_250_000))),
            ],
            vec![Cell::text("12_3"), Cell::text("a\tb"), Cell::State(JobState::Failed), Cell::Empty, Cell::Empty],
        ]);
        let facts = vec![(Word::TimeLimit, Cell::Seconds(3_600.0)), (Word::Comment, Cell::Empty)];
        View {
            parts: vec![Part::Facts(facts), Part::Title(Word::Timeline), Part::Table(table)],
            ..View::done(Exit::Ok)
        }
    }
    fn look(lang: Lang, terminal: bool) -> Look {
        Look { lang, terminal, colour: false, width: Some(100), json: false, zone: TimeZone::UTC }
    }

    #[test]
    fn a_terminal_gets_tables() {
        assert_snapshot!(look(Lang::En, true).render(&view()));
        assert_snapshot!(look(Lang::Zh, true).render(&view()));
        assert_snapshot!(Look { colour: true, ..look(Lang::En, true) }.render(&view()).escape_debug());
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text = look(Lang::En, true).render(&view());
        let columns: Vec<usize> = text
            .lines()
            .filter_map(|line| line.find("RUNNING").or(line.find("FAILED")).map(|at| line[..at].width()))
            .collect();
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[0], columns[1], "{text}");
    }

    #[test]
    fn a_pipe_gets_bare_lines() {
        assert_snapshot!(look(Lang::En, false).render(&view()));
    }

    #[test]
    fn a_narrow_terminal_keeps_every_line_short() {
        let text = Look { width: Some(40), ..look(Lang::En, true) }.render(&view());
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
    }
}
