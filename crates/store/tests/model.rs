//! Random batches against a naive model: what the store loads is what maps in memory hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{AttemptId, HoldId, JobId, Money, PoolId, Seed, Stream, Timestamp};
use engine::{Batch, JobRow, Record, Snapshot};
use ledger::{Hold, HoldState, LedgerRecord};
use model::{
    ArrayRef, ArraySpec, Attempt, AttemptPhase, Dependency, DependencyKind, EndCause, JobInput, JobSpec, Outcome, Phase,
};
use ports::Store;
use ports::store_conformance::{job, people, running};
use rating::Meter;
use store::{Location, SqlStore};
use testkit::Postgres;

const NOW: Timestamp = Timestamp::from_secs(1);
const LATER: Timestamp = Timestamp::from_secs(11);

/// The store as maps.
#[derive(Default)]
struct Naive {
    jobs: BTreeMap<JobId, JobRow>,
    attempts: BTreeMap<AttemptId, Attempt>,
    meters: BTreeMap<AttemptId, Meter>,
    holds: BTreeMap<HoldId, Hold>,
    events: u64,
}

impl Naive {
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Job(row) => drop(self.jobs.insert(row.job.id, row.as_ref().clone())),
            Record::Attempt(attempt) => drop(self.attempts.insert(attempt.id, attempt.as_ref().clone())),
            Record::Meter { attempt, meter: Some(meter) } => drop(self.meters.insert(*attempt, meter.as_ref().clone())),
            Record::Meter { attempt, meter: None } => drop(self.meters.remove(attempt)),
            Record::Ledger(LedgerRecord::Hold(hold)) => drop(self.holds.insert(hold.id, hold.clone())),
            Record::Event(event) => self.events = self.events.max(event.seq),
            _ => {}
        }
    }

    fn check(&self, snapshot: &Snapshot, seed: u64) {
        let mut jobs = snapshot.jobs.clone();
        jobs.sort_by_key(|row| row.job.id);
        let open: Vec<JobRow> = self.jobs.values().filter(|row| row.job.is_open()).cloned().collect();
        assert_eq!(jobs, open, "seed {seed}: jobs");
        let attempts: Vec<Attempt> = self.attempts.values().filter(|a| a.phase.is_open()).cloned().collect();
        assert_eq!(snapshot.attempts, attempts, "seed {seed}: attempts");
        assert_eq!(snapshot.meters, self.meters.values().cloned().collect::<Vec<_>>(), "seed {seed}: meters");
        let holds = |record: &LedgerRecord| match record {
            LedgerRecord::Hold(hold) => Some(hold.clone()),
            _ => None,
        };
        let kept: Vec<Hold> = self.holds.values().filter(|hold| hold.is_open()).cloned().collect();
        assert_eq!(snapshot.ledger.iter().filter_map(holds).collect::<Vec<_>>(), kept, "seed {seed}: holds");
        assert_eq!(snapshot.last_job_number, self.jobs.len() as u64, "seed {seed}");
        assert_eq!(snapshot.last_event_seq, self.events, "seed {seed}");
        assert_eq!(snapshot.specs.len(), open.iter().map(|row| row.job.spec).collect::<BTreeSet<_>>().len());
        assert_eq!(snapshot.ended, self.ended(&open), "seed {seed}: ends");
    }

    /// Ends of what open jobs depend on, and of arrays that are partly over, under the id of their first element.
    fn ended(&self, open: &[JobRow]) -> Vec<(JobId, Outcome)> {
        let dependencies = open.iter().flat_map(|row| &row.job.dependencies).map(|d| d.on);
        let roots = open.iter().filter_map(|row| row.job.array).map(|a| a.root);
        let wanted: BTreeSet<JobId> = dependencies.chain(roots).collect();
        wanted.into_iter().filter_map(|id| Some((id, self.end_so_far(id)?))).collect()
    }

    /// Not completed as soon as one of the elements has ended otherwise.
    fn end_so_far(&self, id: JobId) -> Option<Outcome> {
        let of_it = |row: &&JobRow| row.job.id == id || row.job.array.is_some_and(|array| array.root == id);
        let outcome = |row: &JobRow| match row.job.phase() {
            Phase::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        };
        let ends: Vec<Outcome> = self.jobs.values().filter(of_it).filter_map(outcome).collect();
        ends.iter().find(|end| !end.is_success()).or(ends.first()).copied()
    }

    /// An array of one to five jobs, of which each may depend on what went before: jobs, elements, whole arrays.
    fn array(&self, chance: &mut Stream) -> Vec<Record> {
        let first = self.jobs.len() as u64 + 1;
        let count = 1 + chance.below(5);
        let name = format!("array of {count}");
        let mut root = None;
        let mut records = Vec::new();
        for (index, number) in (first..first + count).enumerate() {
            for mut record in job(number, &name) {
                match &mut record {
                    Record::Job(row) => {
                        let root = *root.get_or_insert(row.job.id);
                        row.job.array = Some(ArrayRef { root, root_number: first, index: index as u32 });
                        let on = self.jobs.keys().nth(chance.below(first) as usize);
                        row.job.dependencies =
                            on.map(|on| Dependency { kind: DependencyKind::AfterAny, on: *on }).into_iter().collect();
                    }
                    Record::Spec { spec, .. } => {
                        let array = ArraySpec { indices: (0..count as u32).collect(), limit: None };
                        *spec = Arc::new(JobSpec { array: Some(array), ..JobSpec::clone(spec) });
                    }
                    _ => {}
                }
                records.push(record);
            }
        }
        records
    }

    /// One random thing that can happen, as records.
    fn step(&self, chance: &mut Stream) -> Vec<Record> {
        let number = self.jobs.len() as u64 + 1;
        if number < 4 || chance.chance(300) {
            return if chance.chance(400) {
                self.array(chance)
            } else {
                job(number, chance.pick::<&str>(&["a", "b", "长名字"]))
            };
        }
        let row = self.jobs.values().nth(chance.below(self.jobs.len() as u64) as usize).cloned();
        let Some(mut row) = row else { return Vec::new() };
        let id = AttemptId::new(row.job.id, 1);
        match chance.below(5) {
            0 => {
                let input = *chance.pick(&[
                    JobInput::Place { pool: PoolId::from_u128(1) },
                    JobInput::Hold { by: model::Holder::Operator },
                    JobInput::Started { attempt: 1, at: NOW },
                    JobInput::End { cause: EndCause::Cancelled },
                    JobInput::AttemptEnded { attempt: 1, outcome: Outcome::Failed, exit: None, requeue: false },
                    JobInput::AttemptEnded { attempt: 1, outcome: Outcome::Completed, exit: None, requeue: false },
                ]);
                // A refusal leaves the job as it was; it is written all the same.
                let _refused = row.job.apply(input, LATER);
                row.pool = Some(PoolId::from_u128(1));
                row.ended_at = (!row.job.is_open()).then_some(LATER);
                vec![Record::Job(Box::new(row))]
            }
            // The first job's attempt, meter and explanation, moved to this job; append-only kinds are left out.
            1 => running(row.job.number)
                .into_iter()
                .filter(|r| matches!(r, Record::Attempt(_) | Record::Meter { .. }))
                .collect(),
            2 => vec![Record::Meter { attempt: id, meter: None }],
            3 => match (self.attempts.get(&id), row.hold.and_then(|hold| self.holds.get(&hold))) {
                (Some(attempt), Some(hold)) => vec![
                    Record::Attempt(Box::new(Attempt {
                        phase: AttemptPhase::Lost,
                        ended_at: Some(LATER),
                        ..attempt.clone()
                    })),
                    Record::Ledger(LedgerRecord::Hold(Hold { state: HoldState::Closed, ..hold.clone() })),
                ],
                _ => Vec::new(),
            },
            _ => {
                row.charged += Money(1);
                vec![Record::Job(Box::new(row))]
            }
        }
    }
}

/// Batches of random sizes; now and then one that is refused as a whole; checked after each few.
async fn random_history(location: Location, seed: u64) {
    let mut chance = Seed::from_u64(seed).child("store-model").stream();
    let store = SqlStore::open(&location).await.unwrap();
    let fence = store.acquire("model", NOW, LATER).await.unwrap().unwrap().fence;
    store.commit(fence, &Batch { records: people(1), effects: vec![] }).await.unwrap();
    let mut naive = Naive::default();
    for round in 0..30 {
        let mut records = Vec::new();
        for _ in 0..=chance.below(150) {
            let step = naive.step(&mut chance);
            step.iter().for_each(|record| naive.apply(record));
            records.extend(step);
        }
        let batch = Batch { records, effects: vec![] };
        if chance.chance(300) {
            // An audit entry of this number is stored: the batch is refused, and tried again without it.
            let mut refused = Batch { records: batch.records.clone(), effects: vec![] };
            refused.records.extend(people(1).into_iter().filter(|r| matches!(r, Record::Audit(_))));
            assert!(store.commit(fence, &refused).await.is_err(), "seed {seed} round {round}");
        }
        store.commit(fence, &batch).await.unwrap();
        if round % 5 == 4 {
            naive.check(&store.load().await.unwrap(), seed);
        }
    }
}

#[tokio::test]
async fn random_batches_load_as_a_naive_model_has_them_embedded() {
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        random_history(Location::Folder(folder.path().to_owned()), seed).await;
    }
}

#[tokio::test]
async fn random_batches_load_as_a_naive_model_has_them_postgres() {
    for seed in 100..103 {
        random_history(Location::Postgres(Postgres::shared().database().unwrap()), seed).await;
    }
}
