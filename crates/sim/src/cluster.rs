//! A model of one cluster: nodes, attempts, and what it does with orders, by the contract that connectors keep
//! (at-least-once reports, repeats adopt, an end before the start is remembered). Knows no engine; refuses to know money.

mod adopt;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{AttemptId, Bytes, ClusterId, PoolId, Resources, Seed, Span, Stream, Timestamp};
use engine::Effect;
use model::{EndCause, EndOrder, Exit, NodeState, Observed, Order, Outcome, Pool, Usage};

pub(crate) use adopt::Adopted;

/// What a job really does once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// From its start to its own end; beyond the time limit the cluster ends it.
    pub runs: Span,
    /// Exit code at its own end; 0 is COMPLETED.
    pub exit: i32,
    /// How long it takes to die after TERM; past the grace it is killed.
    pub dies_after: Span,
    /// Ends for lack of memory instead of with `exit`.
    pub out_of_memory: bool,
    /// How long the cluster's own queue lets it wait beyond the usual delay.
    pub waits: Span,
}

impl Default for RunPlan {
    fn default() -> Self {
        Self {
            runs: Span::from_mins(1),
            exit: 0,
            dies_after: Span::from_secs(1),
            out_of_memory: false,
            waits: Span::ZERO,
        }
    }
}

/// One stretch of an attempt's processes being alive, for the auditor. `ended` is `None` while they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    pub attempt: AttemptId,
    /// True time, not what any clock showed.
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// Time of it that the processes stood still.
    pub suspended: Span,
    /// The cluster queued the attempt again afterwards.
    pub interrupted: bool,
    pub outcome: Option<Outcome>,
}

/// Between a requeue by the cluster and the next start.
const REQUEUE_DELAY: Span = Span::from_secs(20);
/// Between TERM and KILL at the time limit, as configured at the cluster.
const LIMIT_GRACE: Span = Span::from_secs(30);
/// What a process writes and touches, so that usage is never zero.
const USAGE_BYTES: Bytes = Bytes(1 << 20);

#[derive(Clone, Debug, PartialEq)]
struct EndFacts {
    started_at: Option<Timestamp>,
    at: Timestamp,
    outcome: Outcome,
    exit: Option<Exit>,
    usage: Usage,
}

#[derive(Clone, Debug)]
enum RunState {
    Waiting,
    Running {
        since: Timestamp,
        execution: usize,
        dying: Option<EndCause>,
        /// Since when it stands still: true time.
        stands: Option<Timestamp>,
    },
    Ended(EndFacts),
}

#[derive(Clone, Debug)]
struct Run {
    order: Arc<Order>,
    plan: RunPlan,
    state: RunState,
    /// Counts its starts: what was to come due in an earlier run does not concern this one.
    run: u32,
    limit: Span,
    /// Ended runs that did not count, in order; told again on resume.
    broken: Vec<Broken>,
    /// A remark, told again on resume.
    remark: Option<Arc<str>>,
    /// Of the present run, in order: when it was stopped for a while and when it went on. Told again on resume.
    stops: Vec<(Timestamp, bool)>,
}

/// A run that the cluster broke off.
#[derive(Clone, Copy, Debug)]
struct Broken {
    started_at: Timestamp,
    at: Timestamp,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
struct NodeModel {
    up: bool,
    shape: Resources,
    used: Resources,
}

/// What the model wants done next by the world.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Then {
    /// Report through the connector.
    Tell(Observed),
    /// Come back to an attempt after some time.
    Later(Span, AttemptId, Moment),
}

/// What may come due for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Start,
    /// Its own end; the number of the run.
    Exit(u32),
    /// The time limit; the number of the run.
    Limit(u32),
    /// TERM or KILL has worked; the signal and the number of the run.
    Dead(i32, u32),
}

/// Clocks at a cluster: the true time and what its own clock shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub real: Timestamp,
    pub shown: Timestamp,
}

/// The model. Its history says what really ran.
#[derive(Clone, Debug)]
pub struct ClusterModel {
    pub id: ClusterId,
    start_delay: Span,
    nodes: BTreeMap<(PoolId, Arc<str>), NodeModel>,
    runs: BTreeMap<AttemptId, Run>,
    /// Ended and forgotten, or ended before they came: a late submission does not start them.
    over: BTreeSet<AttemptId>,
    executions: Vec<Execution>,
    /// What others take.
    foreign: BTreeMap<(PoolId, Arc<str>), Resources>,
    /// Queues work again by itself when its node fails.
    pub(crate) requeues: bool,
    /// Mean wait in its own queue, with the chance that draws each.
    queue: Option<(Span, Stream)>,
    /// How long the data of a tenant's job is on its way, by the tenant's name.
    staging: BTreeMap<Arc<str>, Span>,
    /// Until when the data of a tenant cannot set out.
    held: BTreeMap<Arc<str>, Timestamp>,
    /// What must never happen, in words: nodes filled beyond their shape, live attempts that nobody knew at a resume.
    complaints: Vec<String>,
}

impl ClusterModel {
    pub fn new(id: ClusterId, start_delay: Span) -> ClusterModel {
        ClusterModel {
            id,
            start_delay,
            nodes: BTreeMap::new(),
            runs: BTreeMap::new(),
            over: BTreeSet::new(),
            executions: Vec::new(),
            foreign: BTreeMap::new(),
            requeues: false,
            queue: None,
            staging: BTreeMap::new(),
            held: BTreeMap::new(),
            complaints: Vec::new(),
        }
    }

    pub(crate) fn set_queue(&mut self, mean: Span, seed: &Seed, staging: BTreeMap<Arc<str>, Span>) {
        self.queue = (mean > Span::ZERO).then(|| (mean, seed.child(self.id).stream()));
        self.staging = staging;
    }

    pub(crate) fn hold_data(&mut self, tenant: &str, until: Timestamp) {
        let held = self.held.entry(tenant.into()).or_insert(until);
        *held = until.max(*held);
    }

    /// How long an order waits here beyond the usual delay.
    fn waits(&mut self, order: &Order, now: Timestamp) -> Span {
        let queue = match &mut self.queue {
            // As between random arrivals: exponential, by a uniform number of 32 bits that is never zero.
            Some((mean, chance)) => {
                let uniform = (chance.below(1 << 32) + 1) as f64 / (1u64 << 32) as f64;
                Span::from_micros((mean.as_micros() as f64 * -uniform.ln()) as i64)
            }
            None => Span::ZERO,
        };
        let Some(way) = self.staging.get(&order.tenant).copied().filter(|way| *way > Span::ZERO) else { return queue };
        let held = self.held.get(&order.tenant).map_or(Span::ZERO, |until| until.since(now).max(Span::ZERO));
        queue + held + way
    }

    /// Every stretch of processes, in order of their starts.
    pub fn executions(&self) -> &[Execution] {
        &self.executions
    }
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
    /// Attempts that are kept: waiting, running, or ended and not forgotten.
    pub fn kept(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn add_pool(&mut self, pool: &Pool) {
        for node in &pool.nodes {
            let model = NodeModel { up: node.state != NodeState::Down, shape: pool.shape, used: Resources::ZERO };
            self.nodes.insert((pool.id, node.name.clone()), model);
        }
    }

    pub(crate) fn perform(&mut self, effect: &Effect, plan: RunPlan, at: Clocks) -> Vec<Then> {
        match effect {
            Effect::Submit { order, .. } => self.submit(order, plan, at.real),
            Effect::End { attempt, how, .. } => self.end(*attempt, *how, at),
            // A warning changes nothing in these jobs.
            Effect::Signal { .. } => Vec::new(),
            Effect::SetTimeLimit { attempt, limit, .. } => self.set_limit(*attempt, *limit, at),
            Effect::Forget { attempt, .. } => self.forget(*attempt),
        }
    }

    fn submit(&mut self, order: &Arc<Order>, plan: RunPlan, now: Timestamp) -> Vec<Then> {
        let id = order.attempt;
        if self.over.contains(&id) {
            return Vec::new();
        }
        if self.runs.contains_key(&id) {
            return self.tell(id);
        }
        let waits = plan.waits + self.waits(order, now);
        let (state, limit, broken) = (RunState::Waiting, order.spec.time_limit, Vec::new());
        self.runs.insert(
            id,
            Run { order: order.clone(), plan, state, run: 0, limit, broken, remark: None, stops: Vec::new() },
        );
        vec![Then::Tell(accepted(id)), Then::Later(self.start_delay + waits, id, Moment::Start)]
    }

    fn end(&mut self, id: AttemptId, how: EndOrder, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else {
            self.over.insert(id);
            return vec![Then::Tell(never_ran(id, at.shown))];
        };
        match &mut run.state {
            RunState::Waiting => self.finish(id, Outcome::Cancelled, None, at),
            RunState::Running { dying: Some(_), .. } => Vec::new(),
            RunState::Running { dying, .. } => {
                *dying = Some(how.cause);
                vec![die(id, run.run, run.plan.dies_after, how.grace)]
            }
            RunState::Ended(_) => self.tell(id),
        }
    }

    fn forget(&mut self, id: AttemptId) -> Vec<Then> {
        if let Some(Run { state: RunState::Ended(_), .. }) = self.runs.get(&id) {
            self.runs.remove(&id);
            self.over.insert(id);
        }
        Vec::new()
    }

    pub(crate) fn moment(&mut self, id: AttemptId, moment: Moment, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        match (moment, &mut run.state) {
            (Moment::Start, RunState::Waiting) => self.start(id, at),
            (Moment::Exit(n) | Moment::Limit(n) | Moment::Dead(_, n), _) if n != run.run => Vec::new(),
            (Moment::Exit(_), RunState::Running { dying: None, execution, stands, .. }) => {
                let execution = self.executions[*execution];
                let left = run.plan.runs - worked(&execution, *stands, at.real);
                if left > Span::ZERO || stands.is_some() {
                    // It stood still meanwhile; one that still does is looked at when it goes on.
                    return if stands.is_some() { Vec::new() } else { vec![Then::Later(left, id, moment)] };
                }
                let (outcome, code) = match run.plan {
                    RunPlan { out_of_memory: true, .. } => (Outcome::OutOfMemory, 137),
                    RunPlan { exit: 0, .. } => (Outcome::Completed, 0),
                    RunPlan { exit, .. } => (Outcome::Failed, exit),
                };
                self.finish(id, outcome, Some(Exit { code, signal: 0 }), at)
            }
            (Moment::Limit(_), RunState::Running { dying: dying @ None, execution, stands, .. }) => {
                let left = run.limit - worked(&self.executions[*execution], *stands, at.real);
                if left > Span::ZERO || stands.is_some() {
                    return if stands.is_some() { Vec::new() } else { vec![Then::Later(left, id, moment)] };
                }
                *dying = Some(EndCause::TimeLimit);
                vec![die(id, run.run, run.plan.dies_after, LIMIT_GRACE)]
            }
            (Moment::Dead(signal, _), RunState::Running { dying: Some(cause), .. }) => {
                let outcome = match cause {
                    EndCause::TimeLimit => Outcome::Timeout,
                    EndCause::Preempted => Outcome::Preempted,
                    EndCause::Cancelled | EndCause::Balance | EndCause::Requeued | EndCause::Withdrawn => {
                        Outcome::Cancelled
                    }
                };
                self.finish(id, outcome, Some(Exit { code: 0, signal }), at)
            }
            _ => Vec::new(),
        }
    }

    fn start(&mut self, id: AttemptId, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get(&id) else { return Vec::new() };
        let (order, plan, limit, number) = (run.order.clone(), run.plan, run.limit, run.run + 1);
        let places = || order.nodes.iter().map(|n| (order.pool, n.clone()));
        if let Some((_, down)) = places().find(|key| !self.nodes.get(key).is_some_and(|n| n.up)) {
            self.runs.remove(&id);
            let (text, note) = ("a node went down before the start".into(), Some(format!("{down} is down").into()));
            return vec![Then::Tell(Observed::Refused { attempt: id, text, note, permanent: false })];
        }
        for key in places() {
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            node.used = node.used.plus(&order.per_node);
            if !node.used.fits(&node.shape) {
                self.complaints.push(format!("{id} fills {} beyond its shape: {:?}", key.1, node.used));
            }
        }
        let execution = self.executions.len();
        let (suspended, interrupted, outcome) = (Span::ZERO, false, None);
        self.executions.push(Execution { attempt: id, started: at.real, ended: None, suspended, interrupted, outcome });
        if let Some(run) = self.runs.get_mut(&id) {
            run.state = RunState::Running { since: at.shown, execution, dying: None, stands: None };
            run.stops.clear();
            run.run = number;
        }
        let mut then = self.tell(id);
        then.push(Then::Later(plan.runs, id, Moment::Exit(number)));
        then.push(Then::Later(limit, id, Moment::Limit(number)));
        then
    }

    fn finish(&mut self, id: AttemptId, outcome: Outcome, exit: Option<Exit>, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        let started_at = match run.state {
            RunState::Running { since, execution, stands, .. } => {
                let past = &mut self.executions[execution];
                (past.ended, past.outcome) = (Some(at.real), Some(outcome));
                past.suspended += stands.map_or(Span::ZERO, |since| at.real - since);
                self.free(id);
                Some(since)
            }
            RunState::Waiting | RunState::Ended(_) => None,
        };
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        let ran = started_at.map_or(Span::ZERO, |since| at.shown.since(since));
        let usage = Usage { cpu_time: ran, memory_peak: USAGE_BYTES, read: USAGE_BYTES, written: USAGE_BYTES };
        run.state = RunState::Ended(EndFacts { started_at, at: at.shown, outcome, exit, usage });
        self.tell(id)
    }

    fn free(&mut self, id: AttemptId) {
        let Some(run) = self.runs.get(&id) else { return };
        for name in &run.order.nodes {
            if let Some(node) = self.nodes.get_mut(&(run.order.pool, name.clone())) {
                node.used = node.used.minus(&run.order.per_node).unwrap_or(Resources::ZERO);
            }
        }
    }

    /// What there is to say about an attempt at this moment.
    fn tell(&self, id: AttemptId) -> Vec<Then> {
        let Some(run) = self.runs.get(&id) else { return Vec::new() };
        let broken = run.broken.iter().map(|b| Then::Tell(interrupted(id, *b)));
        let remarks = run.remark.iter().map(|text| Observed::Remark { attempt: id, text: text.clone() });
        let mut then: Vec<Then> = broken.collect();
        then.extend(remarks.map(Then::Tell));
        let stops = run.stops.iter().map(|(at, stop)| Then::Tell(stopped(id, *at, *stop)));
        if matches!(run.state, RunState::Ended(_)) {
            then.extend(stops);
            then.push(Then::Tell(what_of(id, run)));
            return then;
        }
        then.push(Then::Tell(what_of(id, run)));
        then.extend(stops);
        then
    }

    /// After a restart of the platform or a cut: says how its nodes are and what it knows of the open attempts, ends and
    /// forgets what it has beyond them.
    pub(crate) fn resume(&mut self, open: &[AttemptId], at: Clocks) -> Vec<Then> {
        let strangers: Vec<AttemptId> = self.runs.keys().filter(|id| !open.contains(id)).copied().collect();
        for id in strangers {
            if !matches!(self.runs[&id].state, RunState::Ended(_)) {
                self.complaints.push(format!("{id} was alive and unknown to the platform at a resume"));
                self.finish(id, Outcome::Cancelled, None, at);
            }
            self.forget(id);
        }
        let state = |node: &NodeModel| if node.up { NodeState::Up } else { NodeState::Down };
        let nodes = self.nodes.iter().map(|((pool, name), node)| (*pool, name.clone(), state(node)));
        let mut then: Vec<Then> =
            nodes.map(|(pool, node, state)| Then::Tell(Observed::Node { pool, node, state })).collect();
        let foreign = self.foreign.iter().map(|((pool, node), busy)| (*pool, node.clone(), *busy));
        then.extend(foreign.map(|(pool, node, busy)| Then::Tell(Observed::Foreign { pool, node, busy })));
        for &id in open {
            match self.runs.contains_key(&id) {
                true => then.extend(self.tell(id)),
                false if self.over.contains(&id) => then.push(Then::Tell(never_ran(id, at.shown))),
                false => then.push(Then::Tell(Observed::Gone { attempt: id, note: None })),
            }
        }
        then.push(Then::Tell(Observed::Reachable));
        then
    }

    /// Attempts that run, or wait, in id order.
    pub fn alive(&self, running: bool) -> Vec<AttemptId> {
        let is = |run: &Run| match run.state {
            RunState::Running { .. } => running,
            RunState::Waiting => !running,
            RunState::Ended(_) => false,
        };
        self.runs.iter().filter(|(_, run)| is(run)).map(|(id, _)| *id).collect()
    }

    /// Attempts that stand still.
    pub fn standing(&self) -> Vec<AttemptId> {
        let stands = |run: &Run| matches!(run.state, RunState::Running { stands: Some(_), .. });
        self.runs.iter().filter(|(_, run)| stands(run)).map(|(id, _)| *id).collect()
    }

    /// Others take so much of a node from now on.
    pub(crate) fn set_foreign(&mut self, pool: PoolId, node: &Arc<str>, busy: Resources) -> Vec<Then> {
        self.foreign.insert((pool, node.clone()), busy);
        vec![Then::Tell(Observed::Foreign { pool, node: node.clone(), busy })]
    }

    /// Start of a run by the cluster's clock.
    pub fn runs_since(&self, id: AttemptId) -> Option<Timestamp> {
        match self.runs.get(&id)?.state {
            RunState::Running { since, dying: None, .. } => Some(since),
            _ => None,
        }
    }

    /// The cluster breaks a run off and queues the attempt again.
    pub(crate) fn interrupt(&mut self, id: AttemptId, outcome: Outcome, at: Clocks) -> Vec<Then> {
        let Some(RunState::Running { since, execution, dying: None, stands }) = self.runs.get(&id).map(|r| &r.state)
        else {
            return Vec::new();
        };
        let (since, stands) = (*since, *stands);
        let past = &mut self.executions[*execution];
        (past.ended, past.interrupted, past.outcome) = (Some(at.real), true, Some(outcome));
        past.suspended += stands.map_or(Span::ZERO, |since| at.real - since);
        self.free(id);
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        let broken = Broken { started_at: since, at: at.shown, outcome };
        run.broken.push(broken);
        run.state = RunState::Waiting;
        vec![Then::Tell(interrupted(id, broken)), Then::Later(REQUEUE_DELAY, id, Moment::Start)]
    }

    /// Stops a run for a while, or lets it go on.
    pub(crate) fn suspend(&mut self, id: AttemptId, stop: bool, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        let (number, limit, plan) = (run.run, run.limit, run.plan);
        let RunState::Running { execution, dying: None, stands, .. } = &mut run.state else { return Vec::new() };
        match (stop, *stands) {
            (true, None) => {
                *stands = Some(at.real);
                run.stops.push((at.shown, true));
                vec![Then::Tell(stopped(id, at.shown, true))]
            }
            (false, Some(since)) => {
                *stands = None;
                let past = &mut self.executions[*execution];
                past.suspended += at.real - since;
                let done = worked(past, None, at.real);
                run.stops.push((at.shown, false));
                vec![
                    Then::Tell(stopped(id, at.shown, false)),
                    Then::Later(plan.runs - done, id, Moment::Exit(number)),
                    Then::Later(limit - done, id, Moment::Limit(number)),
                ]
            }
            _ => Vec::new(),
        }
    }

    fn set_limit(&mut self, id: AttemptId, limit: Span, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        run.limit = limit;
        let RunState::Running { execution, stands, .. } = &run.state else { return Vec::new() };
        let left = limit - worked(&self.executions[*execution], *stands, at.real);
        vec![Then::Later(left.max(Span::ZERO), id, Moment::Limit(run.run))]
    }

    /// The cluster says something about an attempt.
    pub(crate) fn say(&mut self, id: AttemptId, text: &str) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        run.remark = Some(text.into());
        vec![Then::Tell(Observed::Remark { attempt: id, text: text.into() })]
    }

    /// Sets a node's health; what was on a node that went down is lost.
    pub(crate) fn set_node(&mut self, pool: PoolId, name: &Arc<str>, up: bool, at: Clocks) -> Vec<Then> {
        let Some(node) = self.nodes.get_mut(&(pool, name.clone())).filter(|n| n.up != up) else { return Vec::new() };
        node.up = up;
        let state = if up { NodeState::Up } else { NodeState::Down };
        let mut then = vec![Then::Tell(Observed::Node { pool, node: name.clone(), state })];
        if !up {
            let hit = |run: &Run| run.order.pool == pool && run.order.nodes.contains(name);
            let running = |run: &Run| matches!(run.state, RunState::Running { .. });
            let lost: Vec<AttemptId> =
                self.runs.iter().filter(|(_, r)| hit(r) && running(r)).map(|(id, _)| *id).collect();
            for id in lost {
                // As Slurm does it: work that may be run again is queued again by the cluster itself.
                if self.requeues && self.runs.get(&id).is_some_and(|r| r.order.spec.requeue) {
                    then.extend(self.interrupt(id, Outcome::NodeFail, at));
                } else {
                    then.extend(self.finish(id, Outcome::NodeFail, None, at));
                }
            }
        }
        then
    }
}

fn what_of(id: AttemptId, run: &Run) -> Observed {
    match &run.state {
        RunState::Waiting => accepted(id),
        RunState::Running { since, .. } => {
            let external = Some(external(id));
            Observed::Started { attempt: id, at: *since, nodes: run.order.nodes.clone(), external }
        }
        RunState::Ended(end) => Observed::Ended {
            attempt: id,
            started_at: end.started_at,
            at: end.at,
            outcome: end.outcome,
            exit: end.exit,
            usage: end.usage,
            note: None,
        },
    }
}

fn accepted(attempt: AttemptId) -> Observed {
    Observed::Accepted { attempt, external: Some(external(attempt)) }
}

fn external(attempt: AttemptId) -> Arc<str> {
    format!("model-{attempt}").into()
}

fn never_ran(attempt: AttemptId, at: Timestamp) -> Observed {
    let (started_at, exit, usage, note) = (None, None, Usage::default(), None);
    Observed::Ended { attempt, started_at, at, outcome: Outcome::Cancelled, exit, usage, note }
}

fn interrupted(attempt: AttemptId, Broken { started_at, at, outcome }: Broken) -> Observed {
    Observed::Interrupted { attempt, started_at, at, outcome, note: Some("JobState=REQUEUED".into()) }
}

fn stopped(attempt: AttemptId, at: Timestamp, stop: bool) -> Observed {
    if stop { Observed::Suspended { attempt, at } } else { Observed::Continued { attempt, at } }
}

/// How long a run has worked, without the time that it stood still.
fn worked(execution: &Execution, stands: Option<Timestamp>, now: Timestamp) -> Span {
    stands.unwrap_or(now) - execution.started - execution.suspended
}

fn die(attempt: AttemptId, run: u32, dies_after: Span, grace: Span) -> Then {
    const TERM: i32 = 15;
    const KILL: i32 = 9;
    let (after, signal) = if dies_after <= grace { (dies_after, TERM) } else { (grace, KILL) };
    Then::Later(after, attempt, Moment::Dead(signal, run))
}
