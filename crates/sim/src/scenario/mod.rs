//! Text scenarios: a file of commands becomes a transcript that reads like a story, and a list of expectations that failed.
//! The language is in `parse`; ARCHITECTURE: one platform, tenants with one user each, clusters that start work a second after
//! it was handed over. Refuses to read files: it takes the text and returns the transcript.

mod budget;
mod contracts;
mod grants;
mod parse;
mod setup;
mod tell;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write;

use base::{ClusterId, JobId, PoolId, Resources, Seed, Span, TenantId, UserId};
use engine::{Command, Denied, Envelope, Once, Policy, Report};
use model::{Actor, NodeState};

use crate::audit;
use crate::world::{Answer, Doing, World};
use parse::{Expect, Name, Step, SubmitStep};
use tell::Names;

pub use parse::{ParseError, parse};
pub(crate) use tell::word;

/// What a scenario came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Every line of the scenario with what happened then.
    pub transcript: String,
    /// Lines that could not be read and expectations that did not hold, with their line numbers.
    pub failures: Vec<String>,
}

/// Runs a scenario from its first line to its last. The auditor's general rules are checked after every line.
pub fn run(text: &str) -> Outcome {
    let mut runner = Runner::new();
    for (number, line) in (1..).zip(text.lines()) {
        runner.line(number, line);
    }
    Outcome { transcript: runner.out, failures: runner.failures }
}

struct Runner {
    world: World,
    out: String,
    failures: Vec<String>,
    number: usize,
    tenants: BTreeMap<String, (TenantId, UserId)>,
    contracts: BTreeMap<String, u64>,
    grants: BTreeMap<String, u64>,
    first_tenant: Option<String>,
    clusters: BTreeMap<String, ClusterId>,
    pools: BTreeMap<String, PoolId>,
    jobs: BTreeMap<String, JobId>,
    submissions: BTreeMap<String, SubmitStep>,
    names: Names,
    /// Events told so far.
    told: usize,
    refused: Option<Denied>,
    lose_answer: bool,
    ids: u128,
}

/// Between hand-over and start at a cluster.
const START_DELAY: Span = Span::from_secs(1);

impl Runner {
    fn new() -> Runner {
        Runner {
            world: World::new(Policy::default(), &Seed::from_u64(0)),
            out: String::new(),
            failures: Vec::new(),
            number: 0,
            tenants: BTreeMap::new(),
            contracts: BTreeMap::new(),
            grants: BTreeMap::new(),
            first_tenant: None,
            clusters: BTreeMap::new(),
            pools: BTreeMap::new(),
            jobs: BTreeMap::new(),
            submissions: BTreeMap::new(),
            names: Names::default(),
            told: 0,
            refused: None,
            lose_answer: false,
            ids: 0,
        }
    }

    fn line(&mut self, number: usize, line: &str) {
        self.number = number;
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            let _ = writeln!(self.out, "{line}");
            return;
        }
        let _ = writeln!(self.out, "> {}", line.trim());
        match parse(line) {
            Ok(None) => {}
            Ok(Some(step)) => {
                self.step(step);
                self.tell_events();
                for wrong in audit::while_running(&self.world) {
                    self.fail(&wrong);
                }
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn say(&mut self, text: &str) {
        let _ = writeln!(self.out, "    {text}");
    }

    fn fail(&mut self, text: &str) {
        self.say(&format!("FAILED: {text}"));
        self.failures.push(format!("line {}: {text}", self.number));
    }

    fn tell_events(&mut self) {
        let tables = self.world.tables();
        let lines: Vec<String> =
            tables.events[self.told..].iter().map(|e| tell::event(tables, &self.names, e)).collect();
        self.told = tables.events.len();
        lines.iter().for_each(|line| self.say(line));
    }

    fn id(&mut self) -> u128 {
        self.ids += 1;
        base::digest128(&[b"scenario", &self.ids.to_be_bytes()])
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Tenant { name, balance, shares, credit, tier, regions } => {
                self.tenant(name, (balance, credit), shares, tier, regions.into());
            }
            Step::Tier { tenant, tier } => self.tier(&tenant, tier),
            Step::Pool(pool) => self.pool(*pool),
            Step::Terms(terms) => self.terms(terms),
            Step::Service { cluster, service } => self.service(&cluster, service),
            Step::Policy(text) => self.steer(&text),
            Step::Prices { core, gib, cards, from } => self.prices(core, gib, cards, from),
            Step::Submit(submit) => self.submit(*submit),
            Step::Repeat(name) => match self.submissions.get(&name).cloned() {
                Some(submit) => self.submit(submit),
                None => self.fail("nothing of that name was submitted"),
            },
            Step::Cancel(job) => self.on_job(&job, false, |job| Command::Cancel { job }),
            Step::Hold { job, operator } => self.on_job(&job, operator, |job| Command::Hold { job }),
            Step::Release { job, operator } => self.on_job(&job, operator, |job| Command::Release { job }),
            Step::Requeue(job) => self.on_job(&job, false, |job| Command::Requeue { job }),
            Step::Change { job, class, time, operator } => {
                self.on_job(&job, operator, |job| Command::Change { job, class, time_limit: time });
            }
            Step::Budget(step) => self.budget(step),
            Step::TopUp { tenant, amount } => self.top_up(&tenant, amount),
            Step::Drain { pool, node } => {
                let Some(pool) = self.pools.get(&pool).copied() else { return self.fail("no such pool") };
                self.command(None, Command::SetNode { pool, node, state: NodeState::Drained });
            }
            Step::Expect(expect) => self.expect(expect),
            Step::Explain(name) => self.explain(&name),
            Step::Show(name) => self.show(&name),
            Step::Jobs => self.list_jobs(),
            Step::Contract(contract) => self.contract(*contract),
            Step::BreakOff(name) => self.break_off(&name),
            Step::Contracts => self.list_contracts(),
            Step::Grant(step) => self.grant(*step),
            Step::Revoke(name) => self.revoke(&name),
            Step::Grants => self.list_grants(),
            Step::Books => tell::books(self.world.tables()).iter().for_each(|line| self.say(line)),
            Step::Tick(_)
            | Step::Node { .. }
            | Step::There { .. }
            | Step::Foreign { .. }
            | Step::Requeues(_)
            | Step::Cut(_)
            | Step::Join(_)
            | Step::LoseAnswer
            | Step::Crash(_)
            | Step::Clock(_)
            | Step::DelayReports(_)
            | Step::RepeatReports => self.outside(step),
        }
    }

    /// What happens to the platform rather than being asked of it.
    fn outside(&mut self, step: Step) {
        let mut delivery = self.world.delivery();
        match step {
            Step::Tick(span) => self.world.advance_to(self.world.now() + span),
            Step::Node { pool, node, up } => match self.pools.get(&pool).copied() {
                Some(pool) => self.world.set_node(pool, &node, up),
                None => self.fail("no such pool"),
            },
            Step::There { job, doing } => self.there(&job, doing),
            Step::Foreign { pool, node, cores } => match self.pools.get(&pool).copied() {
                Some(pool) => self.world.set_foreign(pool, &node, Resources::new(cores, base::Bytes(0), 0)),
                None => self.fail("no such pool"),
            },
            Step::Requeues(name) if self.clusters.contains_key(&name) => self.world.set_requeues(self.clusters[&name]),
            Step::Cut(name) | Step::Join(name) | Step::Requeues(name) if !self.clusters.contains_key(&name) => {
                self.fail("no such cluster")
            }
            Step::Cut(name) => self.world.cut(self.clusters[&name]),
            Step::Join(name) => self.world.join(self.clusters[&name]),
            Step::LoseAnswer => self.lose_answer = true,
            Step::Crash(Some(when)) => self.world.crash_next(when),
            Step::Crash(None) => self.world.restart("crash between two rounds"),
            Step::Clock(by) => self.world.step_clock(by),
            Step::DelayReports(by) => {
                delivery.report_delay = by;
                self.world.set_delivery(delivery);
            }
            Step::RepeatReports => {
                delivery.twice = 1_000;
                delivery.late_max = Span::from_micros(1);
                self.world.set_delivery(delivery);
            }
            _ => self.fail("not something that happens outside"),
        }
        self.world.advance_to(self.world.now());
    }

    /// What the cluster does to the newest attempt of a job.
    fn there(&mut self, name: &Name, doing: Doing) {
        let Some(job) = self.job(name) else { return self.fail("no such job") };
        let of = base::AttemptId::new(job, 0)..=base::AttemptId::new(job, u32::MAX);
        match self.world.tables().attempts.range(of).next_back().map(|(id, a)| (a.cluster, *id)) {
            Some((cluster, attempt)) => self.world.at_attempt(cluster, attempt, doing),
            None => self.fail("it was never placed"),
        }
    }

    /// Gives a command and says what came back.
    fn command(&mut self, actor: Option<(Actor, bool, Option<Once>)>, command: Command) -> Option<Report> {
        let (actor, operator, once) = actor.unwrap_or((Actor::Platform, true, None));
        let answer = self.world.command(Envelope { actor, operator, once, command });
        self.world.advance_to(self.world.now());
        self.answer(answer)
    }

    fn answer(&mut self, answer: Answer) -> Option<Report> {
        self.refused = None;
        if std::mem::take(&mut self.lose_answer) || answer.is_err() {
            self.say("no answer came");
            return None;
        }
        match answer {
            Ok(Ok(report)) => Some(report),
            Ok(Err(denied)) => {
                self.say(&format!("refused ({}): {denied}", denied.code()));
                self.refused = Some(denied);
                None
            }
            Err(_) => None,
        }
    }

    fn job(&self, name: &Name) -> Option<JobId> {
        let root = self.jobs.get(&name.job).copied()?;
        let Some(index) = name.element else { return Some(root) };
        let tables = self.world.tables();
        let is_it = |id: &JobId| tables.jobs.get(id).and_then(|r| r.job.array).is_some_and(|a| a.index == index);
        tables.elements_of(root).into_iter().find(is_it)
    }

    fn on_job(&mut self, name: &Name, operator: bool, command: impl FnOnce(JobId) -> Command) {
        let Some(job) = self.job(name) else { return self.fail("no such job") };
        let owner = self.world.tables().jobs.get(&job).map(|row| Actor::User(row.job.user));
        let actor = if operator { Actor::Platform } else { owner.unwrap_or(Actor::Platform) };
        if let Some(Report::Job { changed, .. }) = self.command(Some((actor, operator, None)), command(job)) {
            self.say(&format!("{changed} changed"));
        }
    }

    fn expect(&mut self, expect: Expect) {
        let state = |job: JobId| self.world.tables().jobs.get(&job).map(|r| r.job.state().as_str().to_owned());
        let money = |tenant: &str| self.tenants.get(tenant).and_then(|(id, _)| self.world.engine().wallet(*id));
        let of = |name: &Name| self.job(name);
        let row = |name: &Name| of(name).and_then(|job| self.world.tables().jobs.get(&job));
        let (wanted, found) = match expect {
            Expect::State(name, wanted) => (wanted, of(&name).and_then(state)),
            Expect::Reason(name, wanted) => {
                let reason = of(&name).and_then(|job| self.world.engine().reason(job));
                (wanted, reason.map(|r| r.code().to_owned()))
            }
            Expect::Event(name, wanted) => {
                let mut words = of(&name)
                    .into_iter()
                    .flat_map(|job| self.world.tables().timeline(job))
                    .map(|e| tell::word(&e.what));
                let found = words.find(|w| *w == wanted);
                (wanted, found)
            }
            Expect::Attempts(name, wanted) => (wanted.to_string(), row(&name).map(|r| r.job.attempts.to_string())),
            Expect::Charged(name, wanted) => (wanted.to_string(), row(&name).map(|r| r.charged.to_string())),
            Expect::Balance(tenant, wanted) => (wanted.to_string(), money(&tenant).map(|w| w.balance.to_string())),
            Expect::Held(tenant, wanted) => (wanted.to_string(), money(&tenant).map(|w| w.held.to_string())),
            Expect::Refused(wanted) => (wanted, self.refused.as_ref().map(|d| d.code().to_owned())),
        };
        let found = found.unwrap_or_else(|| "nothing".to_owned());
        if wanted == found { self.say("yes") } else { self.fail(&format!("expected {wanted}, found {found}")) }
    }

    fn explain(&mut self, name: &Name) {
        let Some(job) = self.job(name) else { return self.fail("no such job") };
        let tables = self.world.tables();
        let kept =
            tables.explanations.range(base::AttemptId::new(job, 0)..=base::AttemptId::new(job, u32::MAX)).next_back();
        let explanation = self.world.engine().explain(job).or_else(|| kept.map(|(_, e)| e.clone()));
        match explanation {
            Some(e) => tell::explanation(&e).iter().for_each(|line| self.say(line)),
            None => self.say("nothing to explain"),
        }
    }

    fn show(&mut self, name: &Name) {
        let Some(job) = self.job(name) else { return self.fail("no such job") };
        let tables = self.world.tables();
        let lines: Vec<String> = tables.timeline(job).map(|e| tell::event(tables, &self.names, e)).collect();
        lines.iter().for_each(|line| self.say(line));
    }

    fn list_jobs(&mut self) {
        let tables = self.world.tables();
        let mut rows: Vec<&engine::JobRow> = tables.jobs.values().filter(|r| r.job.is_open()).collect();
        rows.sort_by_key(|r| r.job.number);
        let reason = |id| self.world.engine().reason(id).map_or("", |r| r.code());
        let line = |r: &&engine::JobRow| {
            format!("{:<6} {:<11} {}", self.names.job(tables, r.job.id), r.job.state().as_str(), reason(r.job.id))
        };
        let lines: Vec<String> = rows.iter().map(line).collect();
        lines.iter().for_each(|text| self.say(text.trim_end()));
    }
}
