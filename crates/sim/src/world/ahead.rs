//! A world that goes on from what a running platform has stored: the same engine, restored, over clusters that have what the attempts
//! say. Refuses to know what is asked of it.

use std::collections::BTreeMap;

use base::{AttemptId, ClusterId, JobId, PoolId, Seed, Span, Timestamp};
use engine::{Engine, Policy, Record, RestoreError, Snapshot};
use model::{AttemptPhase, ClusterHealth};

use super::{Due, World};
use crate::cluster::{Adopted, RunPlan};
use crate::tables::Tables;

/// When jobs first started since they were asked about, and where.
pub(crate) type Starts = BTreeMap<JobId, Option<(Timestamp, Option<PoolId>)>>;

impl World {
    /// Goes on from `at` with what is stored. Running work ends by its limit and so does all that starts later; clusters that were
    /// not reachable stay so.
    ///
    /// # Errors
    /// What the snapshot lacks.
    pub fn resume(policy: Policy, snapshot: Snapshot, at: Timestamp) -> Result<World, RestoreError> {
        let mut world = World::new(policy.clone(), &Seed::from_u64(0));
        world.tables = Tables::going_on(&snapshot);
        world.now = at.max(snapshot.last_event_at);
        let limits: BTreeMap<_, Span> = snapshot.specs.iter().map(|(id, spec)| (*id, spec.time_limit)).collect();
        for row in &snapshot.jobs {
            let runs = limits.get(&row.job.spec).copied().unwrap_or(Span::ZERO);
            world.plans.insert(row.job.id, RunPlan { runs, ..RunPlan::default() });
        }
        let clusters = snapshot.clusters.clone();
        let pools: Vec<_> = snapshot.pools.iter().map(|(pool, _)| pool.clone()).collect();
        world.engine = Engine::restore(policy, snapshot)?;
        for cluster in &clusters {
            if cluster.health == ClusterHealth::Unreachable {
                world.add_silent(cluster.id);
            } else {
                world.add_cluster(cluster.id, Span::ZERO);
            }
        }
        pools.iter().for_each(|pool| world.add_pool(pool));
        for id in world.tables.attempts.keys().copied().collect::<Vec<_>>() {
            world.adopt(id);
        }
        world.engine.outstanding().into_iter().for_each(|effect| world.send(effect));
        world.alarm = Some(world.now);
        Ok(world)
    }

    /// A cluster that says nothing from the beginning on.
    fn add_silent(&mut self, id: ClusterId) {
        self.cuts += 1;
        let cut = self.cuts;
        self.add_cluster(id, Span::ZERO);
        // What it just said is not heard.
        self.queue.retain(|_, due| !matches!(due, Due::Report { observation, .. } if observation.cluster == id));
        if let Some(place) = self.places.get_mut(&id) {
            place.cut = Some(cut);
        }
    }

    /// Puts an attempt that is out on its cluster into the model of it.
    fn adopt(&mut self, id: AttemptId) {
        let Some(facts) = self.tables.attempts.get(&id).cloned() else { return };
        let order = self.engine.order(id.job).filter(|order| order.attempt == id);
        let (Some(order), true) = (order, facts.phase != AttemptPhase::Submitting) else { return };
        let mut plan = self.plan_of(id.job);
        let limit = facts.course.as_ref().and_then(|course| course.time_limit).unwrap_or(plan.runs);
        plan.runs = plan.runs.max(limit);
        let suspended = facts.suspended();
        let stands = facts.suspended_at();
        let started = facts.start_as_told();
        self.at_cluster(facts.cluster, |model, at| {
            model.adopt(&order, plan, Adopted { started, suspended, stands, limit }, at)
        });
    }

    /// From now on it is noted when these jobs first start.
    pub(crate) fn watch_starts(&mut self, jobs: impl IntoIterator<Item = JobId>) {
        self.starts = jobs.into_iter().map(|job| (job, None)).collect();
        self.awaited = self.starts.len();
    }
    pub(crate) fn starts(&self) -> &Starts {
        &self.starts
    }
    /// How many of them have not started.
    pub(crate) fn awaited(&self) -> usize {
        self.awaited
    }

    pub(super) fn note_starts(&mut self, records: &[Record]) {
        for record in records {
            let Record::Job(row) = record else { continue };
            let (Some(at), Some(start)) = (row.started_at, self.starts.get_mut(&row.job.id)) else { continue };
            if start.is_none() {
                *start = Some((at, row.pool));
                self.awaited -= 1;
            }
        }
    }
}
