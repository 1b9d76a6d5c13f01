//! How arrays have ended so far is loaded under the id of their first element, however that one itself ended.

use base::{JobId, Timestamp};
use engine::{Batch, JobRow, Record};
use model::{ArrayRef, Dependency, DependencyKind, Outcome, Phase};
use ports::Store;
use ports::store_conformance::{job, people};
use store::{Location, SqlStore};
use testkit::Postgres;

const NOW: Timestamp = Timestamp::from_secs(1);
const LATER: Timestamp = Timestamp::from_secs(11);

fn row(number: u64) -> JobRow {
    let found = job(number, "element").into_iter().find_map(|record| match record {
        Record::Job(row) => Some(*row),
        _ => None,
    });
    found.unwrap()
}

fn id(number: u64) -> JobId {
    row(number).job.id
}

/// The elements of an array whose first has this number: `None` is open.
fn array(first: u64, ends: &[Option<Outcome>]) -> Vec<JobRow> {
    let elements = ends.iter().zip(first..).map(|(end, number)| {
        let mut row = row(number);
        row.job.array = Some(ArrayRef { root: id(first), root_number: first, index: (number - first) as u32 });
        if let Some(outcome) = *end {
            row.job = row.job.at_phase(Phase::Ended { outcome, at: LATER });
            row.ended_at = Some(LATER);
        }
        row
    });
    elements.collect()
}

fn depending(number: u64, on: &[u64]) -> Vec<JobRow> {
    let mut row = row(number);
    let after = |on: &u64| Dependency { kind: DependencyKind::AfterOk, on: id(*on) };
    row.job.dependencies = on.iter().map(after).collect();
    vec![row]
}

async fn check(location: Location) {
    const COMPLETED: Option<Outcome> = Some(Outcome::Completed);
    const TIMEOUT: Option<Outcome> = Some(Outcome::Timeout);
    let store = SqlStore::open(&location).await.unwrap();
    let fence = store.acquire("ends", NOW, LATER).await.unwrap().unwrap().fence;
    let jobs = [
        // Over: badly by its second element; well; nobody waits for it.
        array(1, &[COMPLETED, TIMEOUT, COMPLETED, Some(Outcome::Failed)]),
        array(5, &[COMPLETED, COMPLETED]),
        array(7, &[TIMEOUT, TIMEOUT]),
        // Partly over: badly by its last, its first; well; open as a whole.
        array(9, &[None, COMPLETED, TIMEOUT]),
        array(12, &[Some(Outcome::NodeFail), None]),
        array(14, &[COMPLETED, None]),
        array(16, &[None, None]),
        // On arrays; on elements, which count by themselves; on an array that is still open.
        depending(18, &[1, 5, 16]),
        depending(19, &[2, 3, 10]),
        depending(20, &[14, 18]),
    ];
    let mut records = people(1);
    records.extend(job(21, "element").into_iter().filter(|record| !matches!(record, Record::Job(_))));
    records.extend(jobs.into_iter().flatten().map(|row| Record::Job(Box::new(row))));
    store.commit(fence, &Batch { records, effects: vec![] }).await.unwrap();
    let ends = [
        (1, Outcome::Timeout),
        (2, Outcome::Timeout),
        (3, Outcome::Completed),
        (5, Outcome::Completed),
        (9, Outcome::Timeout),
        (10, Outcome::Completed),
        (12, Outcome::NodeFail),
        (14, Outcome::Completed),
    ];
    let mut found = store.load().await.unwrap().ended;
    found.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(found, ends.map(|(number, outcome)| (id(number), outcome)));
}

#[tokio::test]
async fn arrays_end_as_their_worst_element_embedded() {
    let folder = tempfile::tempdir().unwrap();
    check(Location::Folder(folder.path().to_owned())).await;
}

#[tokio::test]
async fn arrays_end_as_their_worst_element_postgres() {
    check(Location::Postgres(Postgres::shared().database().unwrap())).await;
}
