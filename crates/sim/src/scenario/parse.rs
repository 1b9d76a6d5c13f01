//! The line language of scenarios: one command a line, words separated by blanks, options as word pairs.
//! Turns text into steps; refuses to know what a step does.

use std::sync::Arc;

use base::{Bytes, Money, Resources, Span};
use model::{
    Caps, Chip, Conditions, ContractTier, DependencyKind, Licence, Outcome, PoolTerms, PriorityClass, ProductLine,
    Service, Switches,
};

use super::words::{Words, bad, name};
use crate::cluster::RunPlan;
use crate::world::{Crash, Doing};

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("unknown command `{0}`")]
    Command(String),
    #[error("unknown word `{0}`")]
    Word(String),
    #[error("`{0}` needs a value")]
    Missing(String),
    #[error("`{value}` is no value for `{option}`")]
    Value { option: String, value: String },
}

/// How a line names a job: by the scenario's name for it, perhaps one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub job: String,
    pub element: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PoolStep {
    pub name: String,
    pub cluster: String,
    pub nodes: u32,
    pub shape: Resources,
    pub chip: Option<Chip>,
    pub partner: bool,
    pub region: String,
    pub site: String,
    pub time_max: Option<Span>,
    pub tenants: Vec<String>,
    /// Purchase price and data-centre fee a month, per node.
    pub cost: Option<(Money, Money)>,
    /// What a partner takes an hour of a core, and to what its time is rounded up.
    pub fee: Option<(Money, Span)>,
    pub terms: PoolTerms,
}

/// What a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TermsStep {
    pub cluster: String,
    pub together: Caps,
    pub licences: Vec<Licence>,
    pub windows: Vec<WindowStep>,
}

/// Times from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowStep {
    pub name: String,
    pub from: Span,
    pub until: Span,
    pub nodes: Vec<Arc<str>>,
    pub ours: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SubmitStep {
    pub name: String,
    pub by: Option<String>,
    pub nodes: u32,
    pub per_node: Resources,
    pub chips: Vec<Chip>,
    pub time: Span,
    pub plan: RunPlan,
    pub array: Option<(Vec<u32>, Option<u32>)>,
    pub after: Vec<(DependencyKind, Name)>,
    pub class: PriorityClass,
    pub line: ProductLine,
    pub data: Bytes,
    pub hold: bool,
    pub requeue: bool,
    pub preemptible: bool,
    pub begin: Option<Span>,
    pub pools: Vec<Arc<str>>,
    pub regions: Vec<Arc<str>>,
    pub app: Option<Arc<str>>,
    pub key: Option<String>,
    pub conditions: Conditions,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    State(Name, String),
    Reason(Name, String),
    Event(Name, String),
    Attempts(Name, u32),
    Charged(Name, Money),
    Balance(String, Money),
    Held(String, Money),
    Refused(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Tenant {
        name: String,
        balance: Money,
        shares: u32,
        credit: Money,
        tier: ContractTier,
        regions: Vec<Arc<str>>,
    },
    Tier {
        tenant: String,
        tier: ContractTier,
    },
    Pool(Box<PoolStep>),
    Terms(TermsStep),
    Service {
        cluster: String,
        service: Service,
    },
    Prices {
        core: Money,
        gib: Money,
        cards: Vec<(Chip, Money)>,
        from: Option<Span>,
    },
    Submit(Box<SubmitStep>),
    /// The same submission once more, under the same key.
    Repeat(String),
    Cancel(Name),
    Hold {
        job: Name,
        operator: bool,
    },
    Release {
        job: Name,
        operator: bool,
    },
    Requeue(Name),
    Change {
        job: Name,
        class: Option<PriorityClass>,
        time: Option<Span>,
        operator: bool,
    },
    /// What of the default policy becomes another, as TOML without a break.
    Policy(String),
    Budget(super::budget::BudgetStep),
    TopUp {
        tenant: String,
        amount: Money,
    },
    Tick(Span),
    Node {
        pool: String,
        node: String,
        up: bool,
    },
    Drain {
        pool: String,
        node: String,
    },
    Cut(String),
    Join(String),
    /// A cluster does something to a job's present attempt by itself.
    There {
        job: Name,
        doing: Doing,
    },
    /// Others take so many cores of a node of a shared cluster.
    Foreign {
        pool: String,
        node: String,
        cores: u64,
    },
    /// The cluster queues work of failed nodes again by itself.
    Requeues(String),
    LoseAnswer,
    Crash(Option<Crash>),
    /// All clocks, by this much.
    Clock(Span),
    /// Reports come this much later from now on.
    DelayReports(Span),
    /// Every report comes twice from now on.
    RepeatReports,
    Expect(Expect),
    Explain(Name),
    Show(Name),
    Jobs,
    Books,
    Contract(Box<super::contracts::ContractStep>),
    BreakOff(String),
    Contracts,
    Grant(Box<super::grants::GrantStep>),
    Revoke(String),
    Grants,
}

/// Reads one line; `None` for empty ones and comments.
///
/// # Errors
/// The first word that is not understood.
pub fn parse(line: &str) -> Result<Option<Step>, ParseError> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = Words(line.split_whitespace().peekable());
    let Some(command) = words.0.next() else { return Ok(None) };
    let step = step(command, &mut words)?;
    words.finish()?;
    Ok(Some(step))
}

fn step(command: &str, w: &mut Words) -> Result<Step, ParseError> {
    Ok(match command {
        "tenant" => tenant(w)?,
        "tier" => Step::Tier { tenant: w.next("a tenant")?.into(), tier: known(w, "tier")? },
        "pool" => pool(w)?,
        "terms" => terms(w)?,
        "service" => Step::Service { cluster: cluster(w)?, service: service(w)? },
        "prices" => prices(w)?,
        "submit" => submit(w)?,
        "repeat" => Step::Repeat(w.next("a job")?.into()),
        "cancel" => Step::Cancel(w.name()?),
        "hold" => Step::Hold { job: w.name()?, operator: w.takes("as-operator") },
        "release" => Step::Release { job: w.name()?, operator: w.takes("as-operator") },
        "requeue" => Step::Requeue(w.name()?),
        "change" => change(w)?,
        "policy" => Step::Policy(w.rest()),
        "budget" => Step::Budget(super::budget::budget(w)?),
        "budgets" => Step::Budget(super::budget::list(w)?),
        "top-up" => Step::TopUp { tenant: w.next("a tenant")?.into(), amount: w.value("an amount")? },
        "tick" => Step::Tick(w.value("tick")?),
        "fail" | "repair" | "drain" => node(command, w)?,
        "interrupt" | "suspend" | "continue" | "says" => there(command, w)?,
        "foreign" => {
            w.takes("node");
            let (pool, node) = pool_node(w)?;
            w.takes("cores");
            Step::Foreign { pool, node, cores: w.value("cores")? }
        }
        "requeues" => Step::Requeues(cluster(w)?),
        "cut" => Step::Cut(cluster(w)?),
        "join" => Step::Join(cluster(w)?),
        "lose" => {
            w.takes("answer");
            Step::LoseAnswer
        }
        "crash" => crash(w)?,
        "clock" => match w.next("clock")? {
            "back" => Step::Clock(Span::ZERO - w.value::<Span>("back")?),
            "forward" => Step::Clock(w.value("forward")?),
            word => return Err(ParseError::Word(word.into())),
        },
        "reports" => match w.next("reports")? {
            "delayed" => Step::DelayReports(w.value("delayed")?),
            "twice" => Step::RepeatReports,
            word => return Err(ParseError::Word(word.into())),
        },
        "expect" => Step::Expect(expect(w)?),
        "explain" => Step::Explain(w.name()?),
        "show" => Step::Show(w.name()?),
        "jobs" => Step::Jobs,
        "books" => Step::Books,
        "contract" => super::contracts::contract(w)?,
        "contracts" => Step::Contracts,
        "grant" => super::grants::grant(w)?,
        "grants" => Step::Grants,
        "revoke" => Step::Revoke(w.next("a grant")?.into()),
        "break" => {
            w.takes("off");
            Step::BreakOff(w.next("a contract")?.into())
        }
        word => return Err(ParseError::Command(word.into())),
    })
}

fn tenant(w: &mut Words) -> Result<Step, ParseError> {
    let name = w.next("a tenant")?.to_owned();
    let (mut balance, mut shares, mut credit, mut tier) = (Money::ZERO, 1, Money::ZERO, ContractTier::OnDemand);
    let mut regions = Vec::new();
    while let Some(word) = w.0.next() {
        match word {
            "balance" => balance = w.value(word)?,
            "shares" => shares = w.value(word)?,
            "credit" => credit = w.value(word)?,
            "tier" => tier = known(w, "tier")?,
            "in" => regions.push(w.next(word)?.into()),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Tenant { name, balance, shares, credit, tier, regions })
}

fn pool(w: &mut Words) -> Result<Step, ParseError> {
    let mut p = PoolStep {
        name: w.next("a pool")?.into(),
        cluster: "local".into(),
        nodes: 1,
        shape: Resources::new(1, Bytes::from_gib(1), 0),
        chip: None,
        partner: false,
        region: String::new(),
        site: "here".into(),
        time_max: None,
        tenants: Vec::new(),
        cost: None,
        fee: None,
        terms: PoolTerms::default(),
    };
    while let Some(word) = w.0.next() {
        match word {
            "cluster" => p.cluster = w.next(word)?.into(),
            "nodes" => p.nodes = w.value(word)?,
            "cores" => p.shape.cpu = base::CpuMillis::from_cores(w.value(word)?),
            "mem" => p.shape.mem = w.value(word)?,
            "gpus" => p.shape.gpus = w.value(word)?,
            "chip" => p.chip = Some(w.value(word)?),
            "partner" => p.partner = true,
            "region" => p.region = w.next(word)?.into(),
            "site" => p.site = w.next(word)?.into(),
            "time-max" => p.time_max = Some(w.value(word)?),
            "for" => p.tenants.push(w.next(word)?.into()),
            "cost" => p.cost = Some((w.value(word)?, w.value(word)?)),
            "fee" => p.fee = Some((w.value(word)?, w.value(word)?)),
            "machines" => p.terms.machines = true,
            "job-nodes" => p.terms.job.nodes = Some(w.value(word)?),
            "feature" => p.terms.features.push((w.next(word)?.into(), w.value(word)?)),
            "arch" => p.terms.architecture = Some(w.next(word)?.into()),
            "interconnect" => p.terms.interconnect = Some(w.value(word)?),
            "switch" => p.terms.switches.push((w.next(word)?.into(), w.value(word)?)),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Pool(Box::new(p)))
}

fn terms(w: &mut Words) -> Result<Step, ParseError> {
    let mut t = TermsStep { cluster: cluster(w)?, ..TermsStep::default() };
    while let Some(word) = w.0.next() {
        match word {
            "jobs" => t.together.jobs = Some(w.value(word)?),
            "cores" => t.together.cores = Some(w.value(word)?),
            "licence" => {
                let name = w.next(word)?.into();
                t.licences.push(Licence { name, total: w.value(word)?, used: w.value(word)? });
            }
            "window" => t.windows.push(WindowStep {
                name: w.next(word)?.into(),
                from: later(w)?,
                until: later(w)?,
                nodes: w.next(word)?.split(',').map(Arc::from).collect(),
                ours: w.takes("ours"),
            }),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Terms(t))
}

fn service(w: &mut Words) -> Result<Service, ParseError> {
    let word = w.next("a service")?;
    let all = [Service::Testing, Service::InService, Service::Retired];
    all.into_iter().find(|s| s.as_str() == word).ok_or_else(|| bad("service", word))
}

fn prices(w: &mut Words) -> Result<Step, ParseError> {
    let (mut core, mut gib, mut cards, mut from) = (Money::ZERO, Money::ZERO, Vec::new(), None);
    while let Some(word) = w.0.next() {
        match word {
            "core" => core = w.value(word)?,
            "gib" => gib = w.value(word)?,
            "card" => cards.push((w.value(word)?, w.value(word)?)),
            "from" => from = Some(later(w)?),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Prices { core, gib, cards, from })
}

/// `+5m`.
fn later(w: &mut Words) -> Result<Span, ParseError> {
    let text = w.next("a time")?;
    text.strip_prefix('+').and_then(|t| t.parse().ok()).ok_or_else(|| bad("a time", text))
}

fn submit(w: &mut Words) -> Result<Step, ParseError> {
    let mut s = SubmitStep {
        name: w.next("a job")?.into(),
        by: None,
        nodes: 1,
        per_node: Resources::new(1, Bytes::from_gib(1), 0),
        chips: Vec::new(),
        time: Span::from_mins(10),
        plan: RunPlan::default(),
        array: None,
        after: Vec::new(),
        class: PriorityClass::Normal,
        line: ProductLine::General,
        data: Bytes(0),
        hold: false,
        requeue: false,
        preemptible: false,
        begin: None,
        pools: Vec::new(),
        regions: Vec::new(),
        app: None,
        key: None,
        conditions: Conditions::default(),
    };
    while let Some(word) = w.0.next() {
        match word {
            "by" => s.by = Some(w.next(word)?.into()),
            "nodes" => s.nodes = w.value(word)?,
            "cores" => s.per_node.cpu = base::CpuMillis::from_cores(w.value(word)?),
            "mem" => s.per_node.mem = w.value(word)?,
            "gpus" => s.per_node.gpus = w.value(word)?,
            "chip" => s.chips.push(w.value(word)?),
            "time" => s.time = w.value(word)?,
            "runs" => s.plan.runs = w.value(word)?,
            "exit" => s.plan.exit = w.value(word)?,
            "dies-after" => s.plan.dies_after = w.value(word)?,
            "waits" => s.plan.waits = w.value(word)?,
            "out-of-memory" => s.plan.out_of_memory = true,
            "array" => s.array = Some(array(w.next(word)?)?),
            "after" => s.after.push((dependency(w.next(word)?)?, w.name()?)),
            "class" => s.class = class(w)?,
            "line" => s.line = known(w, "line")?,
            "data" => s.data = w.value(word)?,
            "hold" => s.hold = true,
            "requeue" => s.requeue = true,
            "preemptible" => s.preemptible = true,
            "begin" => s.begin = Some(later(w)?),
            "on" => s.pools.push(w.next(word)?.into()),
            "app" => s.app = Some(w.next(word)?.into()),
            "region" => s.regions.push(w.next(word)?.into()),
            "key" => s.key = Some(w.next(word)?.into()),
            "constraint" => s.conditions.constraint = Some(w.value(word)?),
            "licence" => s.conditions.licences.push((w.next(word)?.into(), w.value(word)?)),
            "reservation" => s.conditions.reservation = Some(w.next(word)?.into()),
            "interconnect" => s.conditions.interconnect = Some(w.value(word)?),
            "switches" => s.conditions.switches = Some(Switches { count: w.value(word)?, patience: None }),
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Submit(Box::new(s)))
}

/// `0-4%2`, `1,3,5`.
fn array(text: &str) -> Result<(Vec<u32>, Option<u32>), ParseError> {
    let error = || bad("array", text);
    let (list, limit) = match text.split_once('%') {
        Some((list, limit)) => (list, Some(limit.parse().map_err(|_| error())?)),
        None => (text, None),
    };
    let mut indices = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().map_err(|_| error())?, last.parse().map_err(|_| error())?);
        indices.extend(first..=last);
    }
    Ok((indices, limit))
}

fn dependency(word: &str) -> Result<DependencyKind, ParseError> {
    match word {
        "ok" => Ok(DependencyKind::AfterOk),
        "any" => Ok(DependencyKind::AfterAny),
        "notok" => Ok(DependencyKind::AfterNotOk),
        _ => Err(bad("after", word)),
    }
}

fn class(w: &mut Words) -> Result<PriorityClass, ParseError> {
    let word = w.next("class")?;
    PriorityClass::parse(word).ok_or_else(|| bad("class", word))
}

/// One of the words of a closed list, as they are stored.
pub(super) fn known<T: serde::de::DeserializeOwned>(w: &mut Words, what: &str) -> Result<T, ParseError> {
    let word = w.next(what)?;
    serde_json::from_value(word.into()).map_err(|_| bad(what, word))
}

fn change(w: &mut Words) -> Result<Step, ParseError> {
    let job = w.name()?;
    let (mut new_class, mut time, mut operator) = (None, None, false);
    while let Some(word) = w.0.next() {
        match word {
            "class" => new_class = Some(class(w)?),
            "time" => time = Some(w.value(word)?),
            "as-operator" => operator = true,
            _ => return Err(ParseError::Word(word.into())),
        }
    }
    Ok(Step::Change { job, class: new_class, time, operator })
}

/// `suspend a`, `interrupt a preempted`, `says a "…"`.
fn there(command: &str, w: &mut Words) -> Result<Step, ParseError> {
    let job = w.name()?;
    let doing = match command {
        "suspend" => Doing::Suspend,
        "continue" => Doing::Continue,
        "says" => Doing::Say(w.0.by_ref().collect::<Vec<_>>().join(" ")),
        _ if w.takes("preempted") => Doing::Interrupt(Outcome::Preempted),
        _ => Doing::Interrupt(Outcome::NodeFail),
    };
    Ok(Step::There { job, doing })
}

fn pool_node(w: &mut Words) -> Result<(String, String), ParseError> {
    let text = w.next("a node")?;
    let (pool, node) = text.split_once('/').ok_or_else(|| bad("a node", text))?;
    Ok((pool.to_owned(), node.to_owned()))
}

fn node(command: &str, w: &mut Words) -> Result<Step, ParseError> {
    w.takes("node");
    let (pool, node) = pool_node(w)?;
    Ok(if command == "drain" { Step::Drain { pool, node } } else { Step::Node { pool, node, up: command == "repair" } })
}

fn cluster(w: &mut Words) -> Result<String, ParseError> {
    w.takes("cluster");
    Ok(w.0.next().unwrap_or("local").into())
}

fn crash(w: &mut Words) -> Result<Step, ParseError> {
    Ok(Step::Crash(match w.0.next() {
        None => None,
        Some("before") => {
            w.takes("commit");
            Some(Crash::BeforeCommit)
        }
        Some("after") => {
            w.takes("commit");
            Some(Crash::BeforeAct)
        }
        Some(word) => return Err(ParseError::Word(word.into())),
    }))
}

fn expect(w: &mut Words) -> Result<Expect, ParseError> {
    let first = w.next("what to expect")?;
    Ok(match first {
        "balance" => Expect::Balance(w.next("a tenant")?.into(), w.value("an amount")?),
        "held" => Expect::Held(w.next("a tenant")?.into(), w.value("an amount")?),
        "event" => Expect::Event(w.name()?, w.next("an event")?.into()),
        "charged" => Expect::Charged(w.name()?, w.value("an amount")?),
        "attempts" => Expect::Attempts(w.name()?, w.value("a number")?),
        "refused" => Expect::Refused(w.next("a code")?.into()),
        job => {
            let job = name(job)?;
            if w.takes("reason") {
                Expect::Reason(job, w.next("a reason")?.into())
            } else {
                Expect::State(job, w.next("a state")?.into())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused_by_word() {
        assert_eq!(parse("  # only a comment"), Ok(None));
        assert_eq!(parse("tick 5m"), Ok(Some(Step::Tick(Span::from_mins(5)))));
        let Ok(Some(Step::Submit(s))) = parse("submit a cores 4 array 0-4,9%2 after ok b[3] begin +5m") else {
            panic!("a submission");
        };
        assert_eq!(s.array, Some((vec![0, 1, 2, 3, 4, 9], Some(2))));
        assert_eq!(s.after, vec![(DependencyKind::AfterOk, Name { job: "b".into(), element: Some(3) })]);
        assert_eq!(s.begin, Some(Span::from_mins(5)));
        assert_eq!(parse("dance"), Err(ParseError::Command("dance".into())));
        assert_eq!(parse("tick 5m twice"), Err(ParseError::Word("twice".into())));
        assert_eq!(parse("submit a cores"), Err(ParseError::Missing("cores".into())));
        assert_eq!(parse("tick soon"), Err(bad("tick", "soon")));
    }
}
