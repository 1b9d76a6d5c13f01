//! Jobs, attempts, intervals and reasons as the API shows them.

use std::sync::Arc;

use base::{JobId, Resources, Span, Timestamp};
use engine::Engine;
use model::{Attempt, DependencyKind, Exit, Holder, Phase, Reason, Request};
use rating::Interval;
use store::{Checkpoint, JobEntry};
use wire::text::{self, Both, REASONS, same};
use wire::{Amounts, TimeText, job, submit};

use super::{attempt_phase, class, line, outcome, state};
use crate::access::Supply;

/// `nodes`: where it runs, by node; of no meaning for work that does not run.
pub fn summary(entry: &JobEntry, live: &Live, nodes: &[Arc<str>], supply: &Supply) -> job::JobSummary {
    let JobEntry { row, spec, tenant_name, currency, project_name, user_name, pool_name } = entry;
    job::JobSummary {
        id: row.job.id,
        number: row.job.number,
        array: row.job.array.map(|a| job::ArrayPosition { root_number: a.root_number, index: a.index }),
        name: row.name.to_string(),
        state: state(row.job.state()),
        tenant: row.job.tenant,
        tenant_name: tenant_name.to_string(),
        project: row.job.project,
        project_name: project_name.to_string(),
        user: row.job.user,
        user_name: user_name.to_string(),
        pool: row.pool,
        pool_name: pool_name.as_ref().map(ToString::to_string),
        nodes: match row.job.phase() {
            Phase::Running { .. } | Phase::Ending { .. } => nodes.iter().map(ToString::to_string).collect(),
            Phase::Pending
            | Phase::Held { .. }
            | Phase::Starting { .. }
            | Phase::Withdrawing { .. }
            | Phase::Ended { .. } => Vec::new(),
        },
        pools: spec.pools.iter().map(ToString::to_string).collect(),
        reason: live.reason.as_ref().map(|r| reason(r, live.on_number, entry, supply)),
        expected_start: time(live.expected_start),
        class: class(spec.class),
        requested: requested(&spec.request),
        time_limit_seconds: spec.time_limit.as_secs_f64(),
        submitted_at: row.job.submitted_at.into(),
        started_at: time(row.started_at),
        ended_at: time(row.ended_at),
        exit: row.job.exit.map(exit),
        charged: row.charged.into(),
        currency: currency.to_string(),
    }
}

/// What the live engine adds to a job's row.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub reason: Option<Reason>,
    pub expected_start: Option<Timestamp>,
    /// Number of the job it waits for.
    pub on_number: Option<u64>,
}

impl Live {
    /// What the engine knows of an open job. `start`: also when it is expected to start, which takes a glance at each pool.
    pub fn look(engine: &Engine, id: JobId, start: bool) -> Self {
        let reason = engine.reason(id);
        let on = match &reason {
            Some(Reason::Dependency { on } | Reason::DependencyNever { on }) => Some(*on),
            _ => None,
        };
        Self {
            expected_start: reason.as_ref().filter(|_| start).and_then(|_| engine.expected_start(id)),
            on_number: on.and_then(|on| engine.job(on)).map(|job| job.number),
            reason,
        }
    }

    /// What a job's own phase says, where there is no live engine to ask.
    pub fn of_phase(phase: &Phase) -> Self {
        let reason = match phase {
            Phase::Pending | Phase::Withdrawing { hold: None, .. } => Some(Reason::Queued),
            Phase::Held { by } | Phase::Withdrawing { hold: Some(by), .. } => Some(Reason::Held { by: *by }),
            Phase::Starting { pool, .. } => Some(Reason::Starting { pool: *pool }),
            Phase::Running { .. } | Phase::Ending { .. } | Phase::Ended { .. } => None,
        };
        Self { reason, ..Self::default() }
    }
}

pub fn full(entry: &JobEntry, attempts: &[Attempt], live: &Live, supply: &Supply, notes: bool) -> job::Job {
    let spec = &entry.spec;
    let text = |t: &Option<Arc<str>>| t.as_ref().map(ToString::to_string);
    let current = entry.row.job.phase().attempt().and_then(|number| attempts.iter().find(|a| a.id.number == number));
    job::Job {
        summary: summary(entry, live, current.map(|a| &a.nodes[..]).unwrap_or_default(), supply),
        line: line(spec.line),
        begin: time(spec.begin),
        deadline: time(spec.deadline),
        attempts: attempts.iter().map(|a| attempt(a, supply, notes)).collect(),
        args: spec.args.clone(),
        work_dir: text(&spec.work_dir),
        stdout: text(&spec.stdout),
        stderr: text(&spec.stderr),
        comment: text(&spec.comment),
        dependencies: entry.row.job.dependencies.iter().map(|d| dependency(d.kind, d.on)).collect(),
        requeue: spec.requeue,
        preemptible: spec.preemptible,
        regions: spec.regions.iter().map(ToString::to_string).collect(),
        app: text(&spec.app),
        conditions: spec.request.conditions.as_deref().map_or_else(Vec::new, conditions),
        checkpoint: None,
        corrections: Vec::new(),
    }
}

/// As the options say it.
fn conditions(of: &model::Conditions) -> Vec<String> {
    let model::Conditions { constraint, switches, reservation, licences, interconnect } = of;
    let all = [
        interconnect.as_ref().map(|ask| format!("interconnect={ask}")),
        constraint.as_ref().map(|features| format!("constraint={features}")),
        switches.map(|switches| format!("switches={}", switches.count)),
        reservation.as_ref().map(|name| format!("reservation={name}")),
    ];
    let licences = licences.iter().map(|(name, many)| format!("licenses={name}:{many}"));
    all.into_iter().flatten().chain(licences).collect()
}

pub fn checkpoint(set: &Checkpoint) -> job::Checkpoint {
    job::Checkpoint { at: set.at.into(), attempt: set.attempt.number, files: set.files, bytes: set.bytes }
}

fn dependency(kind: DependencyKind, on: JobId) -> job::Dependency {
    let kind = match kind {
        DependencyKind::AfterOk => "afterok",
        DependencyKind::AfterAny => "afterany",
        DependencyKind::AfterNotOk => "afternotok",
    };
    job::Dependency { kind: kind.into(), on }
}

pub fn attempt(attempt: &Attempt, supply: &Supply, notes: bool) -> job::Attempt {
    job::Attempt {
        id: attempt.id.to_string(),
        number: attempt.id.number,
        cluster: attempt.cluster,
        cluster_name: supply.cluster_name(attempt.cluster),
        pool: attempt.pool,
        pool_name: supply.pool_name(attempt.pool),
        phase: attempt_phase(attempt.phase),
        nodes: attempt.nodes.iter().map(ToString::to_string).collect(),
        granted: Amounts::of(attempt.granted, chip_of(attempt, supply)),
        external: attempt.external.as_ref().map(ToString::to_string),
        placed_at: attempt.placed_at.into(),
        started_at: time(attempt.started_at),
        ended_at: time(attempt.ended_at),
        outcome: attempt.outcome.map(outcome),
        exit: attempt.exit.map(exit),
        usage: job::Usage {
            cpu_seconds: attempt.usage.cpu_time.as_secs_f64(),
            memory_peak_bytes: attempt.usage.memory_peak.0,
            read_bytes: attempt.usage.read.0,
            written_bytes: attempt.usage.written.0,
        },
        note: attempt.note.as_ref().filter(|_| notes).map(ToString::to_string),
    }
}

fn chip_of<'a>(attempt: &Attempt, supply: &'a Supply) -> Option<&'a str> {
    supply.pools.get(&attempt.pool).and_then(|p| p.chip.as_ref()).map(model::Chip::as_str)
}

pub fn interval(interval: Interval) -> job::Interval {
    job::Interval {
        attempt: interval.attempt.to_string(),
        seq: interval.seq,
        from: interval.from.into(),
        to: interval.to.into(),
        granted: Amounts::of(interval.granted, None),
        charge: interval.charge.into(),
        uncollected: interval.uncollected.into(),
        drawn: interval.drawn_value().into(),
        credited: interval.credited().into(),
    }
}

pub fn requested(request: &Request) -> submit::Requested {
    let total = request.total();
    let chip = request.chips.first().map(model::Chip::as_str);
    let Amounts { cpu_millis, memory_bytes, gpus, tres } = Amounts::of(total, chip);
    submit::Requested {
        nodes: request.nodes,
        tasks: request.tasks,
        cpus_per_task: request.cpus_per_task,
        cpu_millis,
        memory_bytes,
        gpus,
        chips: request.chips.iter().map(ToString::to_string).collect(),
        tres,
    }
}

/// `on_number` is the number of the job it waits for, where it is known.
pub fn reason(reason: &Reason, on_number: Option<u64>, entry: &JobEntry, supply: &Supply) -> job::Reason {
    let on_text = |on: &JobId| same(on_number.map_or_else(|| on.to_string(), |n| n.to_string()));
    let amounts = |r: &Resources| Amounts::of(*r, None);
    let money = |m: &base::Money| same(format!("{m} {}", entry.currency));
    let at_text = |at: &Timestamp| same(at.rfc3339());
    let mut shown = job::Reason {
        code: reason.code().into(),
        text_en: String::new(),
        text_zh: String::new(),
        requested: None,
        available: None,
        pool: None,
        on: None,
        at: None,
    };
    let mut code = reason.code();
    let values: Vec<(&str, Both)> = match reason {
        Reason::Resources { pool, requested, available } => {
            let (wanted, free) = (amounts(requested), amounts(available));
            let values = vec![
                ("requested", same(wanted.tres.clone())),
                ("available", same(free.tres.clone())),
                ("pool", same(supply.pool_name(*pool))),
            ];
            (shown.requested, shown.available, shown.pool) = (Some(wanted), Some(free), Some(*pool));
            values
        }
        Reason::Priority { ahead } => vec![("ahead", same(ahead.to_string()))],
        Reason::Starting { pool } => {
            shown.pool = Some(*pool);
            vec![("pool", same(supply.pool_name(*pool)))]
        }
        Reason::Held { by } => {
            code = match by {
                Holder::User => "held_user",
                Holder::Operator => "held_operator",
                Holder::Platform => "held_platform",
            };
            Vec::new()
        }
        Reason::BeginTime { at } | Reason::Retry { at } => {
            shown.at = Some((*at).into());
            vec![("at", at_text(at))]
        }
        Reason::Dependency { on } | Reason::DependencyNever { on } => {
            shown.on = Some(*on);
            vec![("on", on_text(on))]
        }
        Reason::ArrayLimit { limit } => vec![("limit", same(limit.to_string()))],
        Reason::Balance { needed, available } => {
            vec![("needed", money(needed)), ("available", money(available))]
        }
        Reason::BorrowingLimit { .. } | Reason::LendingLimit { .. } => terms_values(reason, &mut shown),
        Reason::NotInService { pool }
        | Reason::ClusterTotal { pool, .. }
        | Reason::Licence { pool, .. }
        | Reason::Window { pool, .. }
        | Reason::MakingRoom { pool, .. }
        | Reason::Switches { pool, .. } => {
            shown.pool = Some(*pool);
            let pool = ("pool", same(supply.pool_name(*pool)));
            [terms_values(reason, &mut shown), vec![pool]].concat()
        }
        Reason::Queued | Reason::NoFeasiblePool | Reason::PoolsUnavailable => Vec::new(),
    };
    let said = text::say(REASONS, code, &values);
    (shown.text_en, shown.text_zh) = (said.en, said.zh);
    shown
}

/// What the text of a reason says that comes from what a cluster says of itself, but for the pool.
fn terms_values(reason: &Reason, shown: &mut job::Reason) -> Vec<(&'static str, Both)> {
    match reason {
        Reason::ClusterTotal { what, requested, available, .. }
        | Reason::BorrowingLimit { what, requested, available }
        | Reason::LendingLimit { what, requested, available } => {
            vec![("requested", same(what.show(*requested))), ("available", same(what.show(*available)))]
        }
        Reason::Licence { name, requested, available, .. } => vec![
            ("name", same(name.to_string())),
            ("requested", same(requested.to_string())),
            ("available", same(available.to_string())),
        ],
        Reason::Window { name, from, until, .. } => {
            shown.at = Some((*until).into());
            let times = [("from", same(from.rfc3339())), ("until", same(until.rfc3339()))];
            [vec![("name", same(name.to_string()))], times.to_vec()].concat()
        }
        Reason::MakingRoom { jobs, at, .. } => {
            shown.at = Some((*at).into());
            vec![("jobs", same(jobs.to_string())), ("at", same(at.rfc3339()))]
        }
        Reason::Switches { switches, requested, .. } => {
            vec![("switches", same(switches.to_string())), ("requested", same(requested.to_string()))]
        }
        _ => Vec::new(),
    }
}

pub fn time(at: Option<Timestamp>) -> Option<TimeText> {
    at.map(TimeText)
}

pub const fn exit(exit: Exit) -> job::Exit {
    job::Exit { code: exit.code, signal: exit.signal }
}

/// A span as whole seconds, rounded up.
pub fn seconds_ceil(span: Span) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(0).div_ceil(1_000_000)
}

#[cfg(test)]
pub(crate) mod tests {
    use base::{Bytes, Currency, Money, PoolId, ProjectId, ScriptId, SpecId, TenantId, UserId};
    use engine::JobRow;
    use model::{Job, JobSpec};

    use super::*;

    pub(crate) fn entry() -> JobEntry {
        let spec = JobSpec::minimal(
            "melt",
            ScriptId::from_u128(1),
            Request::of(2, Resources::new(4, Bytes::from_gib(8), 0)),
            Span::from_hours(1),
        );
        let job = Job::new(
            JobId::from_u128(7),
            12,
            TenantId::from_u128(1),
            ProjectId::from_u128(2),
            UserId::from_u128(3),
            SpecId::from_u128(4),
            None,
            None,
            Timestamp::from_secs(1_700_000_000),
        );
        JobEntry {
            row: JobRow {
                job,
                name: "melt".into(),
                pool: None,
                started_at: None,
                ended_at: None,
                charged: Money(1_500_000),
                hold: None,
                class: model::PriorityClass::Normal,
            },
            spec: Arc::new(spec),
            tenant_name: "lab".into(),
            currency: Currency::CNY,
            project_name: "default".into(),
            user_name: "anna".into(),
            pool_name: None,
        }
    }

    #[test]
    fn every_reason_has_its_texts() {
        let pool = PoolId::from_u128(1);
        let (some, on, at) = (Resources::new(1, Bytes::from_gib(1), 0), JobId::from_u128(9), Timestamp::from_secs(1));
        let reasons = [
            Reason::Resources { pool, requested: some, available: Resources::ZERO },
            Reason::Priority { ahead: 3 },
            Reason::Queued,
            Reason::Starting { pool },
            Reason::Held { by: Holder::User },
            Reason::Held { by: Holder::Operator },
            Reason::Held { by: Holder::Platform },
            Reason::BeginTime { at },
            Reason::Dependency { on },
            Reason::DependencyNever { on },
            Reason::ArrayLimit { limit: 2 },
            Reason::NoFeasiblePool,
            Reason::PoolsUnavailable,
            Reason::NotInService { pool },
            Reason::ClusterTotal { pool, what: model::Counted::Jobs, requested: 1, available: 0 },
            Reason::BorrowingLimit { what: model::Counted::Cores, requested: 2, available: 1 },
            Reason::LendingLimit { what: model::Counted::Gpus, requested: 2, available: 1 },
            Reason::Licence { pool, name: "ansys".into(), requested: 2, available: 1 },
            Reason::Window { pool, name: "maintenance".into(), from: at, until: at },
            Reason::Switches { pool, switches: 1, requested: 4 },
            Reason::MakingRoom { pool, jobs: 2, at },
            Reason::Balance { needed: Money(2), available: Money(1) },
            Reason::Retry { at },
        ];
        for r in reasons {
            let shown = reason(&r, Some(9), &entry(), &Supply::default());
            assert_eq!(shown.code, r.code());
            // Every placeholder was filled, and the text is not just the code.
            assert!(!shown.text_en.contains('…') && !shown.text_zh.contains('…'), "{shown:?}");
            assert!(shown.text_en.contains(' ') && !shown.text_zh.is_ascii(), "{shown:?}");
        }
    }

    #[test]
    fn a_summary_says_what_was_asked_for_in_all() {
        let shown = summary(&entry(), &Live::default(), &[], &Supply::default());
        assert_eq!(shown.requested.tres, "cpu=8,mem=16G");
        assert_eq!((shown.requested.nodes, shown.requested.cpu_millis), (2, 8_000));
        assert_eq!((shown.charged.to_string().as_str(), shown.currency.as_str()), ("1.50", "CNY"));
        assert_eq!(shown.submitted_at.to_string(), "2023-11-14T22:13:20.000000Z");
    }

    #[test]
    fn a_summary_names_nodes_only_while_they_are_used() {
        let nodes: Vec<Arc<str>> = vec!["n1".into(), "n2".into()];
        let mut entry = entry();
        let live = Live::of_phase(entry.row.job.phase());
        let waiting = summary(&entry, &live, &nodes, &Supply::default());
        assert_eq!((waiting.nodes.len(), waiting.reason.unwrap().code.as_str()), (0, "queued"));
        let (pool, at) = (PoolId::from_u128(1), Timestamp::from_secs(1));
        for input in [model::JobInput::Place { pool }, model::JobInput::Started { attempt: 1, at }] {
            entry.row.job.apply(input, at).unwrap();
        }
        let running = summary(&entry, &Live::of_phase(entry.row.job.phase()), &nodes, &Supply::default());
        assert_eq!((running.nodes, running.reason), (vec!["n1".to_owned(), "n2".to_owned()], None));
    }
}
