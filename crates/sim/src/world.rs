//! The world around one engine: a true clock and the one that is shown, an event queue, clusters, the shadow store,
//! and the driver's rounds (decide, commit, answer, act) with crashes at every seam. Refuses to know what jobs mean.

mod ahead;
mod faults;
mod lean;

pub use lean::Lateness;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, JobId, PoolId, Resources, Seed, Span, Stream, Timestamp};
use engine::{Batch, Denied, Effect, Engine, Envelope, Input, Policy, Report};
use model::{Observation, Observed, Outcome};

use crate::cluster::{Clocks, ClusterModel, Moment, RunPlan, Then};
use crate::log::Log;
use crate::tables::{Conflict, Tables};

/// The platform went down before it could answer: what became of the command is not known to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What a caller gets: a report, a refusal, or nothing because the platform crashed.
pub type Answer = Result<Result<Report, Denied>, Lost>;

/// Where a round is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Decided and not stored: as if it had never been asked.
    BeforeCommit,
    /// Stored, neither answered nor acted upon.
    BeforeAct,
}

/// What a cluster may do to an attempt by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Break its run off and queue it again.
    Interrupt(Outcome),
    Suspend,
    Continue,
    Say(String),
}

/// How the links between platform and clusters behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Every message takes this long at least.
    pub latency: Span,
    /// Every report takes this much longer.
    pub report_delay: Span,
    /// Per mille of reports that take up to `late_max` more, and so overtake each other.
    pub late: u64,
    pub late_max: Span,
    /// Per mille of reports that come twice.
    pub twice: u64,
}

/// 2026-11-21T08:00:00Z, so that transcripts have a date like today's.
pub(crate) const EPOCH: Timestamp = Timestamp::from_secs(1_795_248_000);

#[derive(Debug)]
enum Due {
    /// A report arrives at the platform, if the incarnation that it was sent to still lives.
    Report {
        to: u64,
        observation: Observation,
    },
    /// An effect arrives at its cluster, if the incarnation that sent it still lives.
    Effect {
        from: u64,
        effect: Effect,
    },
    Moment {
        cluster: ClusterId,
        attempt: base::AttemptId,
        moment: Moment,
    },
    Resume {
        from: u64,
        cluster: ClusterId,
    },
    /// The cut of a link is noticed, if it is still that cut.
    Unreachable {
        cluster: ClusterId,
        cut: u64,
    },
}

struct Place {
    model: ClusterModel,
    /// Number of the present cut of the link, if it is cut.
    cut: Option<u64>,
    /// How late it tells ends, with the chance that says so of each.
    late: Option<(Lateness, Stream)>,
    /// What both sides want to send while the link is cut.
    reports: Vec<Observed>,
    effects: Vec<Effect>,
}

/// One platform in its world.
pub struct World {
    engine: Engine,
    policy: Policy,
    tables: Tables,
    places: BTreeMap<ClusterId, Place>,
    queue: BTreeMap<(Timestamp, u64), Due>,
    plans: BTreeMap<JobId, RunPlan>,
    now: Timestamp,
    /// What clocks show, less the true time.
    offset: Span,
    delivery: Delivery,
    chance: Stream,
    /// Effects on one job keep their order.
    lanes: BTreeMap<JobId, Timestamp>,
    /// What the present engine was told of others on shared nodes: it is not stored.
    foreign: BTreeMap<(PoolId, Arc<str>), (ClusterId, Resources)>,
    sequence: u64,
    /// Grows with every restart: messages from and to an earlier engine are lost.
    incarnation: u64,
    cuts: u64,
    /// True time at which the driver wakes: it sleeps for a length of time, whatever clocks do meanwhile.
    alarm: Option<Timestamp>,
    crash_next: Option<Crash>,
    conflict: Option<Conflict>,
    log: Log,
    /// Digest over the debug form of everything committed, when asked for.
    fingerprint: Option<u128>,
    /// Committed batches, when asked for.
    recorded: Option<Vec<Batch>>,
    /// Of jobs that are watched.
    starts: ahead::Starts,
    awaited: usize,
}

impl World {
    /// An empty platform at a fixed date. `seed` decides about delays and duplicates only.
    pub fn new(policy: Policy, seed: &Seed) -> World {
        World {
            engine: Engine::new(policy.clone()),
            policy,
            tables: Tables::default(),
            places: BTreeMap::new(),
            queue: BTreeMap::new(),
            plans: BTreeMap::new(),
            now: EPOCH,
            offset: Span::ZERO,
            delivery: Delivery::default(),
            chance: seed.child("delivery").stream(),
            lanes: BTreeMap::new(),
            foreign: BTreeMap::new(),
            sequence: 0,
            incarnation: 0,
            cuts: 0,
            alarm: None,
            crash_next: None,
            conflict: None,
            log: Log::new(false),
            fingerprint: None,
            recorded: None,
            starts: Default::default(),
            awaited: 0,
        }
    }

    pub fn with_log(mut self) -> World {
        self.log = Log::new(true);
        self
    }
    pub fn with_fingerprint(mut self) -> World {
        self.fingerprint = Some(0);
        self
    }
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }
    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
    pub fn log(&self) -> &Log {
        &self.log
    }
    pub fn fingerprint(&self) -> Option<u128> {
        self.fingerprint
    }
    /// A record that contradicted the store; the run is worthless from there on.
    pub fn conflict(&self) -> Option<&Conflict> {
        self.conflict.as_ref()
    }
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterModel> {
        self.places.values().map(|p| &p.model)
    }
    /// True time.
    pub fn now(&self) -> Timestamp {
        self.now
    }
    /// What the clocks show.
    pub fn shown(&self) -> Timestamp {
        self.now + self.offset
    }
    pub fn is_cut(&self, cluster: ClusterId) -> bool {
        self.places.get(&cluster).is_some_and(|p| p.cut.is_some())
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let (now, shown) = (self.now, self.shown());
        self.log.add(now, shown, "note", || (text(), Vec::new()));
    }

    /// Adds a cluster; it reports itself reachable after the latency.
    pub fn add_cluster(&mut self, id: ClusterId, start_delay: Span) {
        let place = Place {
            model: ClusterModel::new(id, start_delay),
            cut: None,
            late: None,
            reports: Vec::new(),
            effects: Vec::new(),
        };
        self.places.insert(id, place);
        self.report(id, Observed::Reachable);
    }

    /// Adds a pool's nodes to its cluster's model.
    pub fn add_pool(&mut self, pool: &model::Pool) {
        if let Some(place) = self.places.get_mut(&pool.cluster) {
            place.model.add_pool(pool);
        }
    }

    /// What a job (or every element of an array, by its first one) will really do.
    pub fn plan(&mut self, job: JobId, plan: RunPlan) {
        self.plans.insert(job, plan);
    }

    /// The next round crashes there.
    pub fn crash_next(&mut self, crash: Crash) {
        self.crash_next = Some(crash);
    }

    /// Sets all clocks forward or back without time passing.
    pub fn step_clock(&mut self, by: Span) {
        self.offset += by;
        let text = format!("the clocks step by {} s", by.as_secs());
        self.note(|| text);
    }

    /// One command in a round of its own.
    pub fn command(&mut self, envelope: Envelope) -> Answer {
        let input = Input::Command(Box::new(envelope));
        self.round(vec![input]).pop().unwrap_or(Err(Lost))
    }

    /// One round of the driver: all inputs are decided upon, time's due work and the scheduler follow, everything is
    /// stored at once, answered and acted upon. Answers are in the order of the inputs.
    pub fn round(&mut self, inputs: Vec<Input>) -> Vec<Answer> {
        let answers = self.decide_commit_act(inputs);
        let shown = self.shown();
        // After a crash, or when the scheduler's budget ended, the driver goes on at once.
        let asleep = if self.engine.wants_schedule(shown) { Some(shown) } else { self.engine.next_wakeup() };
        self.alarm = asleep.map(|at| self.now + at.since(shown));
        answers
    }

    fn decide_commit_act(&mut self, inputs: Vec<Input>) -> Vec<Answer> {
        let shown = self.shown();
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(inputs.len());
        for input in inputs {
            let now = self.now;
            self.log.add(now, shown, "given", || (format!("{input:?}"), Vec::new()));
            answers.push(Ok(self.engine.step(input, shown, &mut batch)));
        }
        // Neither a tick nor a pass of the scheduler is ever refused.
        if self.engine.next_wakeup().is_some_and(|at| at <= shown) {
            let _ = self.engine.step(Input::Tick, shown, &mut batch);
        }
        if self.engine.wants_schedule(shown) {
            let _ = self.engine.step(Input::Schedule, shown, &mut batch);
        }
        let crash = self.crash_next.take();
        if crash == Some(Crash::BeforeCommit) {
            answers.iter_mut().for_each(|a| *a = Err(Lost));
            self.restart("crash before the commit");
            return answers;
        }
        self.commit(&batch);
        if crash == Some(Crash::BeforeAct) {
            answers.iter_mut().for_each(|a| *a = Err(Lost));
            self.restart("crash after the commit, before answer and act");
            return answers;
        }
        batch.effects.into_iter().for_each(|effect| self.send(effect));
        answers
    }

    fn commit(&mut self, batch: &Batch) {
        if batch.is_empty() {
            return;
        }
        let (now, shown) = (self.now, self.shown());
        self.log.add(now, shown, "committed", || {
            let records = batch.records.iter().map(|r| format!("{r:?}"));
            let effects = batch.effects.iter().map(|e| format!("effect {e:?}"));
            let text = format!("{} records, {} effects", batch.records.len(), batch.effects.len());
            (text, records.chain(effects).collect())
        });
        if let Some(fingerprint) = &mut self.fingerprint {
            let text = format!("{:?}", (&batch.records, &batch.effects));
            *fingerprint = base::digest128(&[&fingerprint.to_be_bytes(), text.as_bytes()]);
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Batch { records: batch.records.clone(), effects: Vec::new() });
        }
        self.note_starts(&batch.records);
        if let Err(conflict) = self.tables.commit(&batch.records) {
            self.note(|| format!("the store refused a record: {conflict}"));
            self.conflict.get_or_insert(conflict);
        }
    }

    /// The engine is gone with everything in memory and on its way; a new one starts from what is stored.
    pub fn restart(&mut self, why: &str) {
        // A new driver looks at once.
        self.alarm = Some(self.now);
        let (now, shown) = (self.now, self.shown());
        self.log.add(now, shown, "fault", || (why.to_owned(), Vec::new()));
        self.incarnation += 1;
        match Engine::restore(self.policy.clone(), self.tables.snapshot()) {
            Ok(engine) => self.engine = engine,
            Err(error) => {
                // The old engine stays so that the run can be looked at; the run has failed.
                self.note(|| format!("the engine cannot be restored: {error}"));
                self.conflict.get_or_insert(Conflict::EventSeq { seq: 0, before: 0 });
                return;
            }
        }
        self.lanes.clear();
        self.foreign.clear();
        for place in self.places.values_mut() {
            place.effects.clear();
            place.reports.clear();
        }
        let clusters: Vec<ClusterId> = self.places.keys().copied().collect();
        for cluster in clusters {
            if !self.is_cut(cluster) {
                self.resume_later(cluster);
            }
        }
        self.engine.outstanding().into_iter().for_each(|effect| self.send(effect));
    }

    fn resume_later(&mut self, cluster: ClusterId) {
        let at = self.now + self.delivery.latency;
        self.push(at, Due::Resume { from: self.incarnation, cluster });
    }

    /// Lets time pass until `until` (true time), with everything that comes due.
    pub fn advance_to(&mut self, until: Timestamp) {
        while let Some(at) = self.next_due().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            if !self.work() {
                break;
            }
        }
        self.now = self.now.max(until);
    }

    /// True time of the next thing to happen.
    pub fn next_due(&self) -> Option<Timestamp> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        [queued, self.alarm].into_iter().flatten().min().map(|at| at.max(self.now))
    }

    /// Everything due now: what happens at clusters first, then one round with what arrived. False when nothing was due.
    fn work(&mut self) -> bool {
        let mut inputs = Vec::new();
        let mut worked = false;
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
            worked = true;
            match entry.remove() {
                Due::Report { to, observation } => {
                    if to == self.incarnation {
                        if let Observed::Foreign { pool, node, busy } = &observation.what {
                            self.foreign.insert((*pool, node.clone()), (observation.cluster, *busy));
                        }
                        inputs.push(Input::Observed(observation));
                    }
                }
                Due::Effect { from, effect } => {
                    if from == self.incarnation {
                        self.perform(effect);
                    }
                }
                Due::Moment { cluster, attempt, moment } => {
                    self.at_cluster(cluster, |model, at| model.moment(attempt, moment, at));
                }
                Due::Resume { from, cluster } => {
                    if from == self.incarnation && !self.is_cut(cluster) {
                        let open = self.engine.handed_over(cluster);
                        self.at_cluster(cluster, |model, at| model.resume(&open, at));
                    }
                }
                Due::Unreachable { cluster, cut } => {
                    if self.places.get(&cluster).is_some_and(|p| p.cut == Some(cut)) {
                        inputs.push(Input::Observed(Observation { cluster, what: Observed::Unreachable }));
                    }
                }
            }
        }
        if self.alarm.is_some_and(|at| at <= self.now) {
            // Whatever the clock shows by now: the engine must learn when it was set.
            inputs.push(Input::Tick);
        }
        if !inputs.is_empty() || self.engine.wants_schedule(self.shown()) {
            worked = true;
            self.round(inputs);
        }
        worked
    }

    /// Sends an effect on its way, behind earlier ones on the same job.
    fn send(&mut self, effect: Effect) {
        let jitter = self.chance.below(self.delivery.latency.as_micros().max(1) as u64);
        let lane = self.lanes.entry(effect.attempt().job).or_insert(self.now);
        *lane = (*lane).max(self.now + self.delivery.latency + Span::from_micros(jitter as i64));
        let at = *lane;
        self.push(at, Due::Effect { from: self.incarnation, effect });
    }

    fn perform(&mut self, effect: Effect) {
        let cluster = effect.cluster();
        if self.is_cut(cluster) {
            if let Some(place) = self.places.get_mut(&cluster) {
                place.effects.push(effect);
            }
            return;
        }
        let plan = self.plan_of(effect.attempt().job);
        self.at_cluster(cluster, |model, at| model.perform(&effect, plan, at));
    }

    fn plan_of(&self, job: JobId) -> RunPlan {
        let root = self.tables.jobs.get(&job).and_then(|row| row.job.array).map_or(job, |a| a.root);
        self.plans.get(&job).or_else(|| self.plans.get(&root)).copied().unwrap_or_default()
    }

    fn at_cluster(&mut self, cluster: ClusterId, act: impl FnOnce(&mut ClusterModel, Clocks) -> Vec<Then>) {
        let at = Clocks { real: self.now, shown: self.shown() };
        let Some(place) = self.places.get_mut(&cluster) else { return };
        for then in act(&mut place.model, at) {
            match then {
                Then::Tell(what) => self.report(cluster, what),
                Then::Later(after, attempt, moment) => {
                    let at = self.now + after;
                    self.push(at, Due::Moment { cluster, attempt, moment });
                }
            }
        }
    }

    /// A report on its way to the platform; kept while the link is cut.
    fn report(&mut self, cluster: ClusterId, mut what: Observed) {
        let Some(place) = self.places.get_mut(&cluster) else { return };
        if place.cut.is_some() {
            place.reports.push(what);
            return;
        }
        let mut copies = 1;
        let mut delay = self.delivery.latency + self.delivery.report_delay;
        if let (Some((late, chance)), Observed::Ended { usage, .. }) = (&mut place.late, &mut what) {
            if chance.chance(u64::from(late.missing_permille)) {
                *usage = Default::default();
            }
            delay += late.draw(chance);
        }
        // A resume is answered in order: what the cluster has not, then that it is reachable. That something is not there, or
        // that a node is up, is true of one moment only, so a connector must neither delay nor repeat it.
        // Stops come in their order, as a connector sees them.
        let prompt = matches!(
            what,
            Observed::Reachable
                | Observed::Gone { .. }
                | Observed::Node { .. }
                | Observed::Foreign { .. }
                | Observed::Suspended { .. }
                | Observed::Continued { .. }
        );
        if !prompt && self.delivery.late_max > Span::ZERO {
            if self.chance.chance(self.delivery.late) {
                delay += Span::from_micros(self.chance.below(self.delivery.late_max.as_micros() as u64) as i64);
            }
            copies += u64::from(self.chance.chance(self.delivery.twice));
        }
        for copy in 0..copies {
            let at = self.now + delay + Span::from_secs(copy as i64 * 7);
            let observation = Observation { cluster, what: what.clone() };
            self.push(at, Due::Report { to: self.incarnation, observation });
        }
    }

    fn push(&mut self, at: Timestamp, due: Due) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    /// A second engine from what is stored.
    ///
    /// # Errors
    /// What the snapshot lacks.
    pub fn restored_twin(&self) -> Result<Engine, engine::RestoreError> {
        // When attempts are looked at next is not stored: here they are not, since the live engine has not come to it either.
        let mut policy = Policy { look_interval: Span::from_hours(24 * 365), ..self.policy.clone() };
        // Nor is when room was last searched for: it makes none.
        policy.steering.preemption.by.clear();
        let mut twin = Engine::restore(policy, self.tables.snapshot())?;
        for ((pool, node), (cluster, busy)) in &self.foreign {
            let what = Observed::Foreign { pool: *pool, node: node.clone(), busy: *busy };
            let observation = Observation { cluster: *cluster, what };
            let _ = twin.step(Input::Observed(observation), self.engine.now(), &mut Batch::default());
        }
        Ok(twin)
    }

    /// A second engine from what is stored that has come to the live one's time: the same clusters answer, what is due is
    /// done (some of it earlier than in the live one, whose meters may wait after a cut) and the scheduler has run.
    ///
    /// # Errors
    /// What the snapshot lacks.
    pub fn caught_up_twin(&self) -> Result<Engine, engine::RestoreError> {
        let mut twin = self.restored_twin()?;
        let mut batch = Batch::default();
        let reachable = self.engine.clusters().filter(|c| c.health == model::ClusterHealth::Reachable);
        for cluster in reachable.map(|c| c.id).collect::<Vec<_>>() {
            let observation = Observation { cluster, what: Observed::Reachable };
            let _ = twin.step(Input::Observed(observation), self.engine.now(), &mut batch);
        }
        let _ = twin.step(Input::Tick, self.engine.now(), &mut batch);
        let _ = twin.step(Input::Schedule, self.engine.now(), &mut batch);
        Ok(twin)
    }
}
