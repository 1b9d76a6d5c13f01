//! Figures and curves of the simulation in the API's words.

use sim::plots::{Curve, Plots};
use sim::supply::Group;
use wire::twin_run::{TwinCurve, TwinCurves, TwinFigures, TwinForetold, TwinGist, TwinHead, TwinPoint, TwinResult};

/// `used_s`: seconds of processors that were used.
pub(super) fn figures(group: &Group, used_s: Option<f64>) -> TwinFigures {
    let count = |count: usize| count as u64;
    TwinFigures {
        name: group.name.clone(),
        jobs: count(group.jobs),
        unstarted: count(group.unstarted),
        failed: count(group.failed),
        mean_wait_seconds: group.mean_wait_s,
        median_wait_seconds: group.median_wait_s,
        p95_wait_seconds: group.p95_wait_s,
        max_wait_seconds: group.max_wait_s,
        mean_bounded_slowdown: group.mean_bounded_slowdown,
        core_hours: group.core_hours,
        used_core_hours: used_s.map(|seconds| seconds / 3_600.0),
        capacity_core_hours: group.capacity_core_hours,
        utilization: group.utilization,
        revenue: group.revenue.into(),
        contract_fees: group.contract_fees.into(),
        fees: group.fees.into(),
        own_cost: group.own_cost.into(),
        idle_cost: group.idle_cost.into(),
        data_cost: group.data_cost.into(),
        margin: group.margin.into(),
        promises_kept: count(group.promises_kept),
        promises_broken: count(group.promises_broken),
    }
}

pub(super) fn curves(plots: Plots) -> TwinCurves {
    let curves =
        |all: Vec<Curve>| all.into_iter().map(|one| TwinCurve { name: one.name, values: one.values }).collect();
    let (revenue, cost, margin) = plots.account.map_or_else(Default::default, |a| (a.revenue, a.cost, a.margin));
    TwinCurves {
        lasted_seconds: plots.lasted_s,
        part_seconds: plots.part_s,
        use_by_pool: curves(plots.use_by_pool),
        use_by_mode: curves(plots.use_by_mode),
        waiting_jobs: plots.waiting_jobs,
        waiting_cores: plots.waiting_procs,
        waits: plots.waits_s.into_iter().map(|(seconds, share)| TwinPoint { seconds, share }).collect(),
        revenue,
        cost,
        margin,
    }
}

/// The result in a few figures.
pub(super) fn gist(result: &TwinResult) -> TwinGist {
    let of_figures = |all: &TwinFigures| TwinHead {
        jobs: all.jobs,
        started: all.jobs - all.unstarted,
        mean_wait_seconds: all.mean_wait_seconds,
        margin: Some(all.margin),
    };
    let of_ahead = |waiting: u64, all: &TwinForetold| TwinHead {
        jobs: waiting,
        started: all.started,
        mean_wait_seconds: all.mean_wait_seconds,
        margin: None,
    };
    match (&result.past, &result.ahead) {
        (Some(past), _) => TwinGist {
            as_is: of_figures(&past.as_is.all),
            changed: past.changed.as_ref().map(|play| of_figures(&play.all)),
            currency: past.currency.clone(),
        },
        (None, Some(ahead)) => TwinGist {
            as_is: of_ahead(ahead.waiting, &ahead.as_is),
            changed: ahead.changed.as_ref().map(|all| of_ahead(ahead.waiting, all)),
            currency: String::new(),
        },
        (None, None) => TwinGist::default(),
    }
}
