//! A model of one cluster: nodes, attempts, and what it does with orders, by the contract that connectors keep
//! (at-least-once reports, repeats adopt, an end before the start is remembered). Knows no engine; refuses to know money.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{AttemptId, Bytes, ClusterId, PoolId, Resources, Span, Timestamp};
use engine::Effect;
use model::{EndCause, EndOrder, Exit, NodeState, Observed, Order, Outcome, Pool, Usage};

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
}

impl Default for RunPlan {
    fn default() -> Self {
        Self { runs: Span::from_mins(1), exit: 0, dies_after: Span::from_secs(1), out_of_memory: false }
    }
}

/// One stretch of an attempt's processes being alive, for the auditor. `ended` is `None` while they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    pub attempt: AttemptId,
    /// True time, not what any clock showed.
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
}

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
    Running { since: Timestamp, execution: usize, dying: Option<EndCause> },
    Ended(EndFacts),
}

#[derive(Clone, Debug)]
struct Run {
    order: Arc<Order>,
    plan: RunPlan,
    state: RunState,
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
    /// Its own end.
    Exit,
    /// The time limit.
    Limit,
    /// TERM or KILL has worked; the signal.
    Dead(i32),
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
            complaints: Vec::new(),
        }
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
            let model = NodeModel { up: true, shape: pool.shape, used: Resources::ZERO };
            self.nodes.insert((pool.id, node.name.clone()), model);
        }
    }

    pub(crate) fn perform(&mut self, effect: &Effect, plan: RunPlan, at: Clocks) -> Vec<Then> {
        match effect {
            Effect::Submit { order, .. } => self.submit(order, plan),
            Effect::End { attempt, how, .. } => self.end(*attempt, *how, at),
            // A warning changes nothing in these jobs.
            Effect::Signal { .. } => Vec::new(),
            Effect::Forget { attempt, .. } => self.forget(*attempt),
        }
    }

    fn submit(&mut self, order: &Arc<Order>, plan: RunPlan) -> Vec<Then> {
        let id = order.attempt;
        if self.over.contains(&id) {
            return Vec::new();
        }
        if self.runs.contains_key(&id) {
            return self.tell(id);
        }
        self.runs.insert(id, Run { order: order.clone(), plan, state: RunState::Waiting });
        vec![Then::Tell(accepted(id)), Then::Later(self.start_delay, id, Moment::Start)]
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
                vec![die(id, run.plan.dies_after, how.grace)]
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
            (Moment::Exit, RunState::Running { dying: None, .. }) => {
                let (outcome, code) = match run.plan {
                    RunPlan { out_of_memory: true, .. } => (Outcome::OutOfMemory, 137),
                    RunPlan { exit: 0, .. } => (Outcome::Completed, 0),
                    RunPlan { exit, .. } => (Outcome::Failed, exit),
                };
                self.finish(id, outcome, Some(Exit { code, signal: 0 }), at)
            }
            (Moment::Limit, RunState::Running { dying: dying @ None, .. }) => {
                *dying = Some(EndCause::TimeLimit);
                vec![die(id, run.plan.dies_after, LIMIT_GRACE)]
            }
            (Moment::Dead(signal), RunState::Running { dying: Some(cause), .. }) => {
                let outcome = match cause {
                    EndCause::TimeLimit => Outcome::Timeout,
                    EndCause::Preempted => Outcome::Preempted,
                    EndCause::Cancelled | EndCause::Balance | EndCause::Requeued => Outcome::Cancelled,
                };
                self.finish(id, outcome, Some(Exit { code: 0, signal }), at)
            }
            _ => Vec::new(),
        }
    }

    fn start(&mut self, id: AttemptId, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get(&id) else { return Vec::new() };
        let (order, plan) = (run.order.clone(), run.plan);
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
        self.executions.push(Execution { attempt: id, started: at.real, ended: None });
        if let Some(run) = self.runs.get_mut(&id) {
            run.state = RunState::Running { since: at.shown, execution, dying: None };
        }
        let mut then = self.tell(id);
        then.push(Then::Later(plan.runs, id, Moment::Exit));
        then.push(Then::Later(order.spec.time_limit, id, Moment::Limit));
        then
    }

    fn finish(&mut self, id: AttemptId, outcome: Outcome, exit: Option<Exit>, at: Clocks) -> Vec<Then> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        let started_at = match run.state {
            RunState::Running { since, execution, .. } => {
                self.executions[execution].ended = Some(at.real);
                for name in &run.order.nodes {
                    if let Some(node) = self.nodes.get_mut(&(run.order.pool, name.clone())) {
                        node.used = node.used.minus(&run.order.per_node).unwrap_or(Resources::ZERO);
                    }
                }
                Some(since)
            }
            RunState::Waiting | RunState::Ended(_) => None,
        };
        let ran = started_at.map_or(Span::ZERO, |since| at.shown.since(since));
        let usage = Usage { cpu_time: ran, memory_peak: USAGE_BYTES, read: USAGE_BYTES, written: USAGE_BYTES };
        run.state = RunState::Ended(EndFacts { started_at, at: at.shown, outcome, exit, usage });
        self.tell(id)
    }

    /// What there is to say about an attempt at this moment.
    fn tell(&self, id: AttemptId) -> Vec<Then> {
        let Some(run) = self.runs.get(&id) else { return Vec::new() };
        let what = match &run.state {
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
        };
        vec![Then::Tell(what)]
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
                then.extend(self.finish(id, Outcome::NodeFail, None, at));
            }
        }
        then
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

fn die(attempt: AttemptId, dies_after: Span, grace: Span) -> Then {
    const TERM: i32 = 15;
    const KILL: i32 = 9;
    let (after, signal) = if dies_after <= grace { (dies_after, TERM) } else { (grace, KILL) };
    Then::Later(after, attempt, Moment::Dead(signal))
}
