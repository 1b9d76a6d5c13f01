//! A run over time: use, queue, distributions, money, and who had which processors when. Numbers only: refuses to know how they are drawn.

use serde::Serialize;

use crate::replay::{Load, TAU_S, UNSTARTED, quantile};
use crate::supply::{Played, STINTS_JOBS_MAX, Stint, Sums, Supply};
use base::Money;
use model::SupplyMode;

/// Equal parts of the run, each one value of a curve.
const PARTS: usize = 240;
/// Steps of a distribution.
const STEPS: usize = 200;
/// A run with more jobs or processors has no chart of who had which.
const BARS_JOBS_MAX: usize = STINTS_JOBS_MAX;
const BARS_PROCS_MAX: u64 = 4_096;

/// One job as the curves need it; seconds since the beginning.
#[derive(Clone, Copy, Debug)]
struct Stay {
    submit_s: f64,
    start_s: Option<f64>,
    end_s: f64,
    run_s: f64,
    procs: u32,
    /// Place of the lane where it ran.
    lane: Option<usize>,
}

/// What runs of like processors are drawn beside each other: a machine or a pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    pub name: String,
    pub procs: u64,
    /// `own`, `partner`; nothing without supply.
    pub mode: Option<&'static str>,
}

/// Processors that one run takes: as many in each part of its lane.
#[derive(Clone, Debug)]
struct Seat {
    job: usize,
    lane: usize,
    start_s: f64,
    end_s: f64,
    /// Ranges of the lane's processors; nodes, where there are some.
    parts: Vec<std::ops::Range<usize>>,
    procs: usize,
}

/// An amount that comes evenly over a time, or at once.
#[derive(Clone, Copy, Debug)]
struct Flow {
    from_s: f64,
    to_s: f64,
    amount: f64,
}

/// A named curve; its values stand at the ends of the parts, or are means over them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    pub name: String,
    pub values: Vec<f64>,
}

/// Money since the beginning, at the end of each part, in units of the price book's currency.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Account {
    /// What tenants were billed, evenly over the last run of each job, and contract fees less what was given back.
    pub revenue: Vec<f64>,
    /// Partners' fees over the runs, own pools whether used or idle, links.
    pub cost: Vec<f64>,
    pub margin: Vec<f64>,
}

/// Processors `first..first + procs` of a lane, taken by a job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Place in order of submission.
    pub job: usize,
    pub lane: usize,
    pub first: usize,
    pub procs: usize,
    pub start_s: f64,
    pub end_s: f64,
}

/// Everything that is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plots {
    pub lasted_s: f64,
    /// Length of each part of the run.
    pub part_s: f64,
    pub lanes: Vec<Lane>,
    /// Mean share of the processors in use, by lane.
    pub use_by_pool: Vec<Curve>,
    /// The same by supply mode, where there is a supply.
    pub use_by_mode: Vec<Curve>,
    /// Mean number of jobs that wait, and of processors that they ask for.
    pub waiting_jobs: Vec<f64>,
    pub waiting_procs: Vec<f64>,
    /// Of the jobs that started: value, and share of jobs with at most that.
    pub waits_s: Vec<(f64, f64)>,
    pub bounded_slowdowns: Vec<(f64, f64)>,
    pub account: Option<Account>,
    /// Who had which processors; only of small runs. On a machine the lowest that were free; with a supply those of the nodes that the
    /// engine chose, on each node the lowest.
    pub bars: Vec<Bar>,
}

/// Of a replay on one machine, to its last end.
pub fn of_machine(load: &Load, starts_s: &[i64], procs: u32) -> Plots {
    let first_s = load.jobs.first().map_or(0, |job| job.submit_s);
    let stay = |at: usize| {
        let (start_s, run_s) = (starts_s[at], load.runs_s[at]);
        let has_started = start_s != UNSTARTED;
        Stay {
            submit_s: (load.jobs[at].submit_s - first_s) as f64,
            start_s: has_started.then_some((start_s - first_s) as f64),
            end_s: (start_s.saturating_add(run_s).saturating_sub(first_s)) as f64,
            run_s: run_s as f64,
            procs: load.jobs[at].procs,
            lane: has_started.then_some(0),
        }
    };
    let stays: Vec<Stay> = (0..load.jobs.len()).map(stay).collect();
    let last_s = stays.iter().filter(|stay| stay.start_s.is_some()).map(|stay| stay.end_s).fold(0.0, f64::max);
    let mut found = plots(&stays, vec![Lane { name: "machine".into(), procs: u64::from(procs), mode: None }], last_s);
    if is_charted(stays.len(), &found.lanes) {
        found.bars = bars(on_machine(&stays, procs as usize), &found.lanes);
    }
    found
}

/// Of a run with supply and money.
pub fn of_supply(supply: &Supply, played: &Played, sums: &Sums) -> Plots {
    let lasted_s = played.lasted.as_secs_f64();
    let stays: Vec<Stay> = played
        .fates
        .iter()
        .map(|fate| Stay {
            submit_s: fate.submitted.as_secs_f64(),
            start_s: fate.started.map(base::Span::as_secs_f64),
            end_s: fate.ended.unwrap_or(played.lasted).as_secs_f64(),
            run_s: fate.run.as_secs_f64(),
            procs: fate.procs,
            lane: fate.pool,
        })
        .collect();
    let lane = |pool: &crate::supply::Pool| Lane {
        name: pool.name.clone(),
        procs: u64::from(pool.nodes) * pool.shape.cpu.cores_ceil(),
        mode: Some(match supply.clusters[pool.cluster].mode {
            SupplyMode::Own => "own",
            SupplyMode::Partner => "partner",
        }),
    };
    let mut found = plots(&stays, supply.pools.iter().map(lane).collect(), lasted_s);
    found.account = Some(account(supply, played, sums, found.part_s));
    if is_charted(stays.len(), &found.lanes) {
        found.bars = bars(on_nodes(supply, played), &found.lanes);
    }
    found
}

fn is_charted(jobs: usize, lanes: &[Lane]) -> bool {
    jobs <= BARS_JOBS_MAX && lanes.iter().map(|lane| lane.procs).sum::<u64>() <= BARS_PROCS_MAX
}

fn on_machine(stays: &[Stay], procs: usize) -> Vec<Seat> {
    let whole = 0..procs;
    let seat = |(job, stay): (usize, &Stay)| {
        let (lane, start_s) = (stay.lane?, stay.start_s?);
        Some(Seat { job, lane, start_s, end_s: stay.end_s, parts: vec![whole.clone()], procs: stay.procs as usize })
    };
    stays.iter().enumerate().filter_map(seat).collect()
}

/// Every run of every job, also those that a failure ended.
fn on_nodes(supply: &Supply, played: &Played) -> Vec<Seat> {
    let seat = |(job, stint): (usize, &Stint)| {
        let cores = supply.pools[stint.pool].shape.cpu.cores_ceil() as usize;
        let node = |number: &u32| (*number as usize * cores)..((*number as usize + 1) * cores);
        Seat {
            job,
            lane: stint.pool,
            start_s: stint.from.as_secs_f64(),
            end_s: stint.to.unwrap_or(played.lasted).as_secs_f64(),
            parts: stint.nodes.iter().map(node).collect(),
            procs: stint.cores as usize,
        }
    };
    let all = played.fates.iter().enumerate().flat_map(|(job, fate)| fate.stints.iter().map(move |s| (job, s)));
    all.map(seat).collect()
}

fn account(supply: &Supply, played: &Played, sums: &Sums, part_s: f64) -> Account {
    let units = |money: Money| money.0 as f64 / Money::MICROS_PER_UNIT as f64;
    let lasted_s = played.lasted.as_secs_f64();
    let steady = |amount: Money| Flow { from_s: 0.0, to_s: lasted_s, amount: units(amount) };
    let mut given_back = Money::ZERO;
    let (mut revenue, mut cost) = (Vec::new(), vec![steady(sums.all.own_cost + sums.all.idle_cost)]);
    for fate in &played.fates {
        let Some(pool) = fate.pool else { continue };
        let tenant = &played.tenants[fate.tenant];
        let from_s = fate.started.unwrap_or(fate.submitted).as_secs_f64();
        let over = |amount: Money| {
            let to_s = fate.ended.unwrap_or(played.lasted).as_secs_f64();
            Flow { from_s, to_s, amount: units(amount) }
        };
        let at_once = |amount: Money| Flow { from_s, to_s: from_s, amount: units(amount) };
        revenue.push(over(fate.charge));
        let cluster = supply.pools[pool].cluster;
        if supply.clusters[cluster].mode == SupplyMode::Partner {
            cost.push(over(fate.cost));
        }
        cost.push(at_once(tenant.data_cost(cluster)));
        let waited = fate.started.map(|started| started - fate.submitted);
        if let Some(contract) = tenant.contract
            && fate.promised
            && waited.is_some_and(|waited| waited > contract.promise.wait)
        {
            given_back += contract.broken;
            revenue.push(Flow { amount: -units(contract.broken), ..at_once(Money::ZERO) });
        }
    }
    revenue.push(steady(sums.all.contract_fees + given_back));
    let (revenue, cost) = (cumulated(&revenue, part_s), cumulated(&cost, part_s));
    let margin = revenue.iter().zip(&cost).map(|(revenue, cost)| revenue - cost).collect();
    Account { revenue, cost, margin }
}

fn plots(stays: &[Stay], lanes: Vec<Lane>, lasted_s: f64) -> Plots {
    let part_s = (lasted_s / PARTS as f64).max(f64::MIN_POSITIVE);
    let in_use = |counts: &dyn Fn(usize) -> bool| {
        let procs: u64 = lanes.iter().enumerate().filter(|(at, _)| counts(*at)).map(|(_, lane)| lane.procs).sum();
        let mut parts = vec![0.0; PARTS];
        for stay in stays.iter().filter(|stay| stay.lane.is_some_and(counts)) {
            let Some(start_s) = stay.start_s else { continue };
            spread(&mut parts, part_s, start_s, stay.end_s, f64::from(stay.procs));
        }
        parts.iter().map(|area| area / (part_s * procs.max(1) as f64)).collect::<Vec<f64>>()
    };
    let by_pool = |(at, lane): (usize, &Lane)| Curve { name: lane.name.clone(), values: in_use(&|other| other == at) };
    let modes = ["own", "partner"].into_iter().filter(|mode| lanes.iter().any(|lane| lane.mode == Some(mode)));
    let by_mode = |mode: &str| Curve { name: mode.into(), values: in_use(&|at| lanes[at].mode == Some(mode)) };
    let waiting = |weight: fn(&Stay) -> f64| {
        let mut parts = vec![0.0; PARTS];
        for stay in stays {
            spread(&mut parts, part_s, stay.submit_s, stay.start_s.unwrap_or(lasted_s), weight(stay));
        }
        parts.iter().map(|area| area / part_s).collect::<Vec<f64>>()
    };
    let started = || stays.iter().filter_map(|stay| Some((stay.start_s? - stay.submit_s, stay.run_s)));
    let slowdown = |(wait_s, run_s): (f64, f64)| ((wait_s + run_s) / run_s.max(TAU_S as f64)).max(1.0);
    Plots {
        lasted_s,
        part_s,
        use_by_pool: lanes.iter().enumerate().map(by_pool).collect(),
        use_by_mode: modes.map(by_mode).collect(),
        waiting_jobs: waiting(|_| 1.0),
        waiting_procs: waiting(|stay| f64::from(stay.procs)),
        waits_s: distribution(started().map(|one| one.0).collect()),
        bounded_slowdowns: distribution(started().map(slowdown).collect()),
        account: None,
        bars: Vec::new(),
        lanes,
    }
}

/// Adds `rate` × time to every part that `from_s..to_s` meets; what is beyond the last part is left out.
fn spread(parts: &mut [f64], part_s: f64, from_s: f64, to_s: f64, rate: f64) {
    let first = (from_s.max(0.0) / part_s) as usize;
    for (at, part) in parts.iter_mut().enumerate().skip(first) {
        let (begin_s, end_s) = (at as f64 * part_s, (at + 1) as f64 * part_s);
        if begin_s >= to_s {
            break;
        }
        *part += rate * (to_s.min(end_s) - from_s.max(begin_s)).max(0.0);
    }
}

fn cumulated(flows: &[Flow], part_s: f64) -> Vec<f64> {
    let mut parts = vec![0.0; PARTS];
    for flow in flows {
        let length_s = flow.to_s - flow.from_s;
        if length_s > 0.0 {
            spread(&mut parts, part_s, flow.from_s, flow.to_s, flow.amount / length_s);
        } else {
            parts[((flow.from_s / part_s) as usize).min(PARTS - 1)] += flow.amount;
        }
    }
    let mut sum = 0.0;
    for part in &mut parts {
        sum += *part;
        *part = sum;
    }
    parts
}

fn distribution(mut values: Vec<f64>) -> Vec<(f64, f64)> {
    if values.is_empty() {
        return Vec::new();
    }
    values.sort_unstable_by(f64::total_cmp);
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for step in 0..=STEPS {
        let value = quantile(&values, step as f64 / STEPS as f64);
        let share = values.partition_point(|other| *other <= value) as f64 / values.len() as f64;
        if steps.last().is_none_or(|last| last.0 < value) {
            steps.push((value, share));
        }
    }
    steps
}

/// Each run has the lowest processors of its parts that are free when it starts, in blocks.
fn bars(mut seats: Vec<Seat>, lanes: &[Lane]) -> Vec<Bar> {
    let mut free_at: Vec<Vec<f64>> = lanes.iter().map(|lane| vec![f64::MIN; lane.procs as usize]).collect();
    seats.sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(a.job.cmp(&b.job)));
    let mut bars: Vec<Bar> = Vec::new();
    for Seat { job, lane, start_s, end_s, parts, procs } in seats {
        let first_bar = bars.len();
        for part in parts {
            let places = part.filter(|at| free_at[lane].get(*at).is_some_and(|until_s| *until_s <= start_s));
            for place in places.take(procs).collect::<Vec<usize>>() {
                free_at[lane][place] = end_s;
                match bars[first_bar..].last_mut().filter(|bar| bar.first + bar.procs == place) {
                    Some(bar) => bar.procs += 1,
                    None => bars.push(Bar { job, lane, first: place, procs: 1, start_s, end_s }),
                }
            }
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(submit_s: f64, start_s: f64, run_s: f64, procs: u32) -> Stay {
        Stay { submit_s, start_s: Some(start_s), end_s: start_s + run_s, run_s, procs, lane: Some(0) }
    }

    #[test]
    fn areas_are_kept() {
        let stays = [stay(0.0, 0.0, 100.0, 3), stay(10.0, 100.0, 50.0, 4), stay(20.0, 20.0, 30.0, 1)];
        let found = plots(&stays, vec![Lane { name: "m".into(), procs: 4, mode: None }], 150.0);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&found.use_by_pool[0].values) - 530.0 / 600.0).abs() < 1e-9);
        // One job waits 90 of 150 s, and asks for four.
        assert!((mean(&found.waiting_jobs) - 0.6).abs() < 1e-9 && (mean(&found.waiting_procs) - 2.4).abs() < 1e-9);
        assert_eq!(found.waits_s, [(0.0, 2.0 / 3.0), (90.0, 1.0)]);
        assert_eq!(found.bounded_slowdowns.last(), Some(&(2.8, 1.0)));
    }

    #[test]
    fn no_processor_has_two_jobs_at_once() {
        let stays = [stay(0.0, 0.0, 9.0, 1), stay(0.0, 0.0, 4.0, 1), stay(0.0, 0.0, 9.0, 1), stay(1.0, 4.0, 2.0, 2)];
        let bars = bars(on_machine(&stays, 4), &[Lane { name: "m".into(), procs: 4, mode: None }]);
        let places: Vec<_> = bars.iter().map(|bar| (bar.job, bar.first, bar.procs)).collect();
        assert_eq!(places, [(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 1, 1), (3, 3, 1)]);
    }

    #[test]
    fn money_comes_over_its_time() {
        let flows =
            [Flow { from_s: 0.0, to_s: 240.0, amount: 480.0 }, Flow { from_s: 100.5, to_s: 100.5, amount: -7.0 }];
        let found = cumulated(&flows, 1.0);
        assert!((found[99] - 200.0).abs() < 1e-9 && (found[100] - 195.0).abs() < 1e-9);
        assert!((found[239] - 473.0).abs() < 1e-9);
    }
}
