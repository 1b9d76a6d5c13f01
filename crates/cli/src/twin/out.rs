//! What the twin's verbs show alike: figures as JSON fields and as cells, files that are asked for.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use sim::replay::Figures;

use crate::fault::Fault;
use crate::text::Word;
use crate::view::Cell;

/// Figures as JSON has them; seconds, shares of one.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    pub jobs: usize,
    pub unstarted: usize,
    pub mean_wait_s: f64,
    pub p95_wait_s: f64,
    pub max_wait_s: i64,
    pub mean_bounded_slowdown: f64,
    pub p95_bounded_slowdown: f64,
    pub max_bounded_slowdown: f64,
    pub utilization: f64,
    pub makespan_s: i64,
}

impl Told {
    pub const fn of(figures: &Figures) -> Self {
        Self {
            jobs: figures.jobs,
            unstarted: figures.unstarted,
            mean_wait_s: figures.mean_wait_s,
            p95_wait_s: figures.p95_wait_s,
            max_wait_s: figures.max_wait_s,
            mean_bounded_slowdown: figures.mean_bounded_slowdown,
            p95_bounded_slowdown: figures.p95_bounded_slowdown,
            max_bounded_slowdown: figures.max_bounded_slowdown,
            utilization: figures.utilization,
            makespan_s: figures.makespan_s,
        }
    }

    /// For a table: headings and cells in the same order.
    pub const HEADS: [Word; 7] = [
        Word::Jobs,
        Word::MeanWait,
        Word::WaitP95,
        Word::WaitMax,
        Word::BoundedSlowdown,
        Word::Utilization,
        Word::Makespan,
    ];
    pub fn cells(&self) -> [Cell; 7] {
        [
            Cell::number(self.jobs),
            Cell::Seconds(self.mean_wait_s),
            Cell::Seconds(self.p95_wait_s),
            Cell::Seconds(self.max_wait_s as f64),
            Cell::number(format!("{:.2}", self.mean_bounded_slowdown)),
            Cell::number(format!("{:.4}", self.utilization)),
            Cell::Seconds(self.makespan_s as f64),
        ]
    }
}

/// Writes a file that was asked for, from a thread of its own or not.
pub fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Fault> {
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.flush()
    });
    written.map_err(Fault::file(path))
}
