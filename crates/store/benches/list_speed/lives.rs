//! Jobs as the engine writes them, from their submission to their end; nothing else of the engine.

use std::time::Instant;

use base::{Money, PoolId};
use engine::{Batch, JobRow, Record};
use model::{JobInput, Outcome};
use ports::Store as _;
use ports::store_conformance::job;
use store::SqlStore;

use crate::NOW;

/// Jobs that are written side by side, and how many times that.
const WAVE: u64 = 2_000;
const WAVES: u64 = 5;
/// Rows of one transaction.
const AT_ONCE: usize = 500;
/// Minutes that each runs.
const MINUTES: usize = 5;

pub fn placed(mut row: Box<JobRow>) -> Box<JobRow> {
    let pool = PoolId::from_u128(1);
    row.job.apply(JobInput::Place { pool }, NOW).expect("a place");
    row.pool = Some(pool);
    row
}

pub fn started(mut row: Box<JobRow>) -> Box<JobRow> {
    row.job.apply(JobInput::Started { attempt: 1, at: NOW }, NOW).expect("a start");
    row.started_at = Some(NOW);
    row
}

fn ended(mut row: Box<JobRow>) -> Box<JobRow> {
    let end = JobInput::AttemptEnded { attempt: 1, outcome: Outcome::Completed, exit: None, requeue: false };
    row.job.apply(end, NOW).expect("an end");
    (row.ended_at, row.hold) = (Some(NOW), None);
    row
}

async fn put(store: &SqlStore, fence: u64, records: Vec<Record>) {
    for some in records.chunks(AT_ONCE) {
        store.commit(fence, &Batch { records: some.to_vec(), effects: Vec::new() }).await.expect("written");
    }
}

/// Jobs per second, from `first` on.
pub async fn lives(store: &SqlStore, fence: u64, first: u64) -> f64 {
    let start = Instant::now();
    for wave in 0..WAVES {
        let from = first + wave * WAVE;
        let submitted: Vec<Record> = (from..from + WAVE).flat_map(|number| job(number, "written")).collect();
        let mut rows: Vec<Box<JobRow>> = submitted
            .iter()
            .filter_map(|one| if let Record::Job(row) = one { Some(row.clone()) } else { None })
            .collect();
        put(store, fence, submitted).await;
        let charge = |mut row: Box<JobRow>| {
            row.charged += Money(1_000);
            row
        };
        let mut steps: Vec<fn(Box<JobRow>) -> Box<JobRow>> = vec![placed, started];
        steps.extend([charge as fn(Box<JobRow>) -> Box<JobRow>; MINUTES]);
        steps.push(ended);
        for step in steps {
            rows = rows.into_iter().map(step).collect();
            put(store, fence, rows.iter().cloned().map(Record::Job).collect()).await;
        }
    }
    (WAVE * WAVES) as f64 / start.elapsed().as_secs_f64()
}
