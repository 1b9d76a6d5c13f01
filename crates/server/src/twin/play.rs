//! The plays of a run: the past again on a supply, or the present state ahead, as things are and with the changes. Pure but for whoever
//! watches: the same input gives the same figures.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use base::{JobId, Seed, Span, Timestamp};
use engine::Snapshot;
use sim::live::{self, Ahead, Change, NewPool, Now, Start};
use sim::plots;
use sim::replay::{Load, Progress, quantile};
use sim::supply::{Fate, Group, Played, Source, Steering, Supply, group_of, play, rules, sums};
use wire::twin_run::{TwinAhead, TwinChanges, TwinForetold, TwinPast, TwinPlay, TwinPoint, TwinResult, TwinStart};
use wire::{SupplyMode, TimeText};

use super::history::History;
use super::offer::{Offer, TRACE};
use super::tell;
use crate::limits::{TWIN_FINDINGS_SHOWN, TWIN_STARTS_SHOWN};

/// Chance for waits in clusters' own queues, as `hw twin replay` has it when nothing is said.
pub const SEED: u64 = 1;

/// What a run plays.
pub(super) enum Plays {
    Past(Box<Past>),
    Ahead(Box<Looked>),
}

pub(super) struct Past {
    pub history: History,
    pub as_is: Offer,
    pub changed: Option<Offer>,
    pub currency: String,
    pub now: Timestamp,
}

pub(super) struct Looked {
    pub at: Timestamp,
    pub state: Snapshot,
    pub expected: BTreeMap<JobId, TimeText>,
    pub policy: String,
    pub currency: base::Currency,
    pub changes: TwinChanges,
    pub horizon_seconds: u32,
}

/// Why nothing came of it.
#[derive(Debug)]
pub(super) enum Fault {
    /// Whoever watches wanted it.
    Stopped,
    /// In words for the operator.
    Refused(String),
}

fn refused(fault: impl std::fmt::Display) -> Fault {
    Fault::Refused(fault.to_string())
}

/// Sees which of how many plays it is, and how far that is.
pub(super) type Watch<'a> = &'a mut dyn FnMut(usize, usize, Progress) -> ControlFlow<()>;

pub(super) fn played(plays: &Plays, watch: Watch<'_>) -> Result<TwinResult, Fault> {
    match plays {
        Plays::Past(past) => Ok(TwinResult { past: Some(again(past, watch)?), ahead: None }),
        Plays::Ahead(looked) => Ok(TwinResult { past: None, ahead: Some(ahead(looked, watch)?) }),
    }
}

fn again(past: &Past, watch: Watch<'_>) -> Result<TwinPast, Fault> {
    let of = 1 + usize::from(past.changed.is_some());
    let as_is = one(past, &past.as_is, &mut |progress| watch(0, of, progress))?;
    let changed = past.changed.as_ref().map(|offer| one(past, offer, &mut |progress| watch(1, of, progress)));
    let (from, to) = past.history.lasted().unzip();
    Ok(TwinPast {
        currency: past.currency.clone(),
        from: from.map(TimeText),
        to: to.map(TimeText),
        jobs_over: past.history.records().len() as u64,
        as_is,
        changed: changed.transpose()?,
    })
}

/// One play of the past on what there is, or might be.
fn one(past: &Past, offer: &Offer, watch: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<TwinPlay, Fault> {
    let supply = Supply::parse(&offer.supply(past.now)).map_err(refused)?;
    let steering = Steering::parse(&offer.policy).map_err(refused)?;
    let load = Load::of(past.history.records(), &rules(supply.cores_max()));
    let sources = [Source { name: TRACE.into(), load }];
    let mut is_stopped = false;
    let mut look = |progress| {
        let go_on = watch(progress);
        is_stopped |= go_on.is_break();
        go_on
    };
    let played = play(&supply, steering, &sources, &Seed::from_u64(SEED), &mut look).map_err(refused)?;
    if is_stopped {
        return Err(Fault::Stopped);
    }
    Ok(told(past, &supply, &played, &sources[0].load))
}

fn told(past: &Past, supply: &Supply, played: &Played, load: &Load) -> TwinPlay {
    let sums = sums(supply, played);
    let used_s = |counts: &dyn Fn(&Fate) -> bool| {
        let of = played.fates.iter().filter(|fate| fate.started.is_some() && counts(fate));
        let known = of.filter_map(|fate| past.history.cpu_seconds(load.records[fate.at] as usize));
        known.reduce(|sum, seconds| sum + seconds)
    };
    let figures = |groups: &[Group], counts: &dyn Fn(usize, &Fate) -> bool| {
        let one = |(at, group)| tell::figures(group, used_s(&|fate| counts(at, fate)));
        groups.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let of_pool =
        |fate: &Fate, has: &dyn Fn(&sim::supply::Pool) -> bool| fate.pool.is_some_and(|pool| has(&supply.pools[pool]));
    let modes: Vec<model::SupplyMode> = supply.clusters.iter().map(|cluster| cluster.mode).collect();
    let class = |(number, name): (usize, &str)| {
        let counts = |fate: &Fate| load.jobs[fate.at].queue.is_some_and(|queue| queue as usize == number);
        tell::figures(&group_of(name, supply, played, &counts), used_s(&counts))
    };
    let mut wrong = played.wrong.clone();
    wrong.truncate(TWIN_FINDINGS_SHOWN);
    if !played.is_complete {
        wrong.insert(0, "some of the work never came to an end".into());
    }
    TwinPlay {
        all: tell::figures(&sums.all, used_s(&|_| true)),
        clusters: figures(&sums.clusters, &|at, fate| of_pool(fate, &|pool| pool.cluster == at)),
        pools: figures(&sums.pools, &|at, fate| fate.pool == Some(at)),
        modes: figures(&sums.modes, &|at, fate| of_pool(fate, &|p| modes[p.cluster] == SUPPLY_MODES[at])),
        tenants: figures(&sums.tenants, &|at, fate| fate.tenant == at),
        classes: past.history.classes().map(class).collect(),
        left_out_unknown: load.left_out.unknown as u64,
        left_out_too_large: load.left_out.too_large as u64,
        wrong,
        curves: tell::curves(plots::of_supply(supply, played, &sums)),
    }
}

/// In the order in which sums by mode are told.
const SUPPLY_MODES: [model::SupplyMode; 2] = [model::SupplyMode::Own, model::SupplyMode::Partner];

fn ahead(looked: &Looked, watch: Watch<'_>) -> Result<TwinAhead, Fault> {
    let steering = Steering::parse(&looked.policy).map_err(refused)?;
    let now = Now { at: looked.at, steering, currency: looked.currency, state: looked.state.clone() };
    let changes = changes(&looked.changes)?;
    let horizon = Span::from_secs(i64::from(looked.horizon_seconds));
    let of = 1 + usize::from(!changes.is_empty());
    let mut run = |place: usize, changes: &[Change]| {
        let ahead = live::ahead(&now, changes, horizon, &mut |p| watch(place, of, p)).map_err(refused)?;
        if ahead.is_complete { Ok(ahead) } else { Err(Fault::Stopped) }
    };
    let as_is = run(0, &[])?;
    let changed = if of > 1 { Some(run(1, &changes)?) } else { None };
    Ok(TwinAhead {
        now: looked.at.into(),
        horizon_seconds: looked.horizon_seconds,
        waiting: as_is.starts.len() as u64,
        as_is: foretold(&as_is, looked.at),
        changed: changed.as_ref().map(|ahead| foretold(ahead, looked.at)),
        jobs: starts(looked, &as_is, changed.as_ref()),
    })
}

fn changes(asked: &TwinChanges) -> Result<Vec<Change>, Fault> {
    let add = asked.add.iter().map(|pool| {
        Change::Add(NewPool {
            name: pool.name.clone(),
            nodes: pool.nodes,
            cores: u64::from(pool.cores),
            memory_gib: pool.memory_gib.map(u64::from),
            gpus: pool.gpus,
            chip: None,
            partner: pool.mode == SupplyMode::Partner,
            time_limit_max: None,
        })
    });
    let lose = asked.lose.iter().map(|loss| Change::Lose { pool: loss.pool.clone(), nodes: loss.nodes });
    let policy = asked.policy.as_ref().map(|text| Steering::parse(text).map_err(refused)).transpose()?;
    Ok(add.chain(lose).chain(policy.map(|policy| Change::Steer(Box::new(policy)))).collect())
}

fn foretold(ahead: &Ahead, now: Timestamp) -> TwinForetold {
    let mut waits: Vec<f64> = ahead.starts.values().flatten().map(|start| (start.at - now).as_secs_f64()).collect();
    waits.sort_unstable_by(f64::total_cmp);
    let Some(last) = waits.last().copied() else {
        return TwinForetold { broken_off: ahead.broken_off as u64, ..TwinForetold::default() };
    };
    let all = ahead.starts.len() as f64;
    // At every half per cent of those that start, like the twin's other distributions.
    let point = |step: usize| {
        let at = (waits.len() * step).div_ceil(200).max(1);
        TwinPoint { seconds: waits[at - 1], share: at as f64 / all }
    };
    TwinForetold {
        started: waits.len() as u64,
        mean_wait_seconds: waits.iter().sum::<f64>() / waits.len() as f64,
        median_wait_seconds: quantile(&waits, 0.5),
        max_wait_seconds: last,
        broken_off: ahead.broken_off as u64,
        starts: (0..=200).map(point).collect(),
    }
}

fn starts(looked: &Looked, as_is: &Ahead, changed: Option<&Ahead>) -> Vec<TwinStart> {
    let tenants: BTreeMap<_, _> = looked.state.tenants.iter().map(|tenant| (tenant.id, &tenant.name)).collect();
    let users: BTreeMap<_, _> = looked.state.users.iter().map(|user| (user.id, &user.name)).collect();
    let mut rows: Vec<_> = looked.state.jobs.iter().filter(|row| as_is.starts.contains_key(&row.job.id)).collect();
    rows.sort_by_key(|row| (row.job.number, row.job.id));
    let parts = |start: Option<&Start>| (start.map(|s| TimeText(s.at)), start.and_then(|s| s.pool.clone()));
    let line = |row: &sim::live::JobRow| {
        let id = row.job.id;
        let (start, pool) = parts(as_is.starts[&id].as_ref());
        let (changed_start, changed_pool) = parts(changed.and_then(|other| other.starts.get(&id)?.as_ref()));
        TwinStart {
            number: row.job.number,
            name: row.name.to_string(),
            tenant: tenants.get(&row.job.tenant).map_or(String::new(), ToString::to_string),
            user: users.get(&row.job.user).map_or(String::new(), ToString::to_string),
            expected: looked.expected.get(&id).copied(),
            start,
            pool,
            changed_start,
            changed_pool,
        }
    };
    rows.into_iter().take(TWIN_STARTS_SHOWN).map(line).collect()
}
