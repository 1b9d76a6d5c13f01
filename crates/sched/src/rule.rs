//! Feasibility: whether a pool could hold a job, and if not, which rule said no, with requested and available amounts.
//! Refuses to know what is free at the moment and what else waits.

use std::sync::Arc;

use base::{PoolId, Resources, Span};
use model::{Chip, Counted, Request, Service, SupplyMode};
use serde::{Deserialize, Serialize};

use crate::lending::{Lending, Limit, Over};
use crate::pool::Pool;
use crate::purse::Purse;
use crate::standing::{App, Dips, Standing};
use crate::view::Demand;

/// The rules in the order in which they are asked; the first that refuses is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Rule {
    /// The job names pools and this one is not among them.
    PoolNotNamed,
    /// The pool serves a list of tenants without this one.
    TenantNotAdmitted,
    /// The tenant's contract draws on the pools of another supply mode alone.
    ContractTier {
        requested: SupplyMode,
        available: SupplyMode,
    },
    /// The tenant's data may not be there: where it may be, and where the pool stands.
    Residency {
        requested: Arc<[Arc<str>]>,
        available: Arc<str>,
    },
    /// The job is to run elsewhere: where, and where the pool stands.
    Region {
        requested: Arc<[Arc<str>]>,
        available: Arc<str>,
    },
    /// The nodes are not joined as asked for, or nobody said how.
    Interconnect {
        requested: Arc<str>,
        available: Arc<str>,
    },
    /// Training on several nodes is given to faster interconnects only. Gb/s.
    TrainingInterconnect {
        requested: u32,
        available: u32,
    },
    /// The application was not verified there: on what it was, and what is there.
    AppVariant {
        requested: Vec<Arc<str>>,
        available: Arc<str>,
    },
    /// None of the chips asked for.
    Chip {
        requested: Vec<Chip>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        available: Option<Chip>,
    },
    /// One node is too small.
    NodeShape {
        requested: Resources,
        available: Resources,
    },
    /// The pool has too few nodes, whatever their state.
    NodesTooFew {
        requested: u32,
        available: u32,
    },
    /// The chip has no price, so nothing can be sold on it.
    NoGpuPrice,
    /// Some of what the job asks for has no price there, so it cannot be sold.
    NoPrice,
    TimeLimit {
        requested: Span,
        available: Span,
    },
    /// A job takes at least so many nodes there.
    NodesMin {
        requested: u32,
        available: u32,
    },
    /// A job may have at most so many nodes there.
    NodesMax {
        requested: u32,
        available: u32,
    },
    /// A job may take no more there in all. Units as in [`Counted`].
    JobTotal {
        what: Counted,
        requested: u64,
        available: u64,
    },
    /// All jobs of the platform together may not take as much on the cluster.
    ClusterTotal {
        what: Counted,
        requested: u64,
        available: u64,
    },
    /// No node has this feature.
    FeatureUnknown {
        feature: Arc<str>,
    },
    /// Too few nodes have the features asked for.
    Features {
        constraint: Arc<str>,
        requested: u32,
        available: u32,
    },
    /// Too few nodes stand below so many switches.
    Switches {
        switches: u32,
        requested: u32,
        available: u32,
    },
    /// The pool has no node in the reservation named, or it is not open to the platform; those that are.
    Reservation {
        requested: Arc<str>,
        available: Vec<Arc<str>>,
    },
    /// The tenant's part of the own pools and what it may borrow of others' do not hold it: at the moment (`passes`), or ever.
    BorrowingLimit {
        what: Counted,
        requested: u64,
        available: u64,
        passes: bool,
    },
    /// What others leave and lend of their parts of the own pools does not hold it: at the moment (`passes`), or ever.
    LendingLimit {
        what: Counted,
        requested: u64,
        available: u64,
        passes: bool,
    },
    /// The cluster does not have as many of a licence.
    Licence {
        name: Arc<str>,
        requested: u32,
        available: u32,
    },
    /// The cluster is being tested, or was taken out of service.
    NotInService {
        service: Service,
    },
    /// The job has just been moved away from it. Passing.
    Avoided,
    /// The cluster does not answer. Passing.
    Unreachable,
    /// Too few nodes are up. Passing.
    NodesDown {
        requested: u32,
        available: u32,
    },
    /// Too few nodes are left beside those kept in reserve for urgent work and replacements.
    Reserve {
        requested: u32,
        available: u32,
    },
}

impl Rule {
    /// Stable name, shown by every front end.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PoolNotNamed => "pool_not_named",
            Self::TenantNotAdmitted => "tenant_not_admitted",
            Self::ContractTier { .. } => "contract_tier",
            Self::Residency { .. } => "residency",
            Self::Region { .. } => "region",
            Self::Interconnect { .. } => "interconnect",
            Self::TrainingInterconnect { .. } => "training_interconnect",
            Self::AppVariant { .. } => "app_variant",
            Self::Chip { .. } => "chip",
            Self::NodeShape { .. } => "node_shape",
            Self::NodesTooFew { .. } => "nodes_too_few",
            Self::NoGpuPrice => "no_gpu_price",
            Self::NoPrice => "no_price",
            Self::TimeLimit { .. } => "time_limit",
            Self::NodesMin { .. } => "nodes_min",
            Self::NodesMax { .. } => "nodes_max",
            Self::JobTotal { .. } => "job_total",
            Self::ClusterTotal { .. } => "cluster_total",
            Self::FeatureUnknown { .. } => "feature_unknown",
            Self::Features { .. } => "features",
            Self::Switches { .. } => "switches",
            Self::Reservation { .. } => "reservation",
            Self::BorrowingLimit { .. } => "borrowing_limit",
            Self::LendingLimit { .. } => "lending_limit",
            Self::Licence { .. } => "licence",
            Self::NotInService { .. } => "not_in_service",
            Self::Avoided => "avoided",
            Self::Unreachable => "unreachable",
            Self::NodesDown { .. } => "nodes_down",
            Self::Reserve { .. } => "reserve",
        }
    }
    /// What the rule compared: asked for, and there.
    pub fn amounts(&self) -> Option<(String, String)> {
        let shape = |r: &Resources| base::Tres(*r, None).to_string();
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        Some(match self {
            Self::PoolNotNamed
            | Self::TenantNotAdmitted
            | Self::NoGpuPrice
            | Self::NoPrice
            | Self::Avoided
            | Self::Unreachable => return None,
            Self::ContractTier { requested, available } => (requested.as_str().into(), available.as_str().into()),
            Self::Residency { requested, available } | Self::Region { requested, available } => {
                (requested.join("|"), or_none(available.to_string()))
            }
            Self::Interconnect { requested, available } => (requested.to_string(), or_none(available.to_string())),
            Self::TrainingInterconnect { requested, available } => (format!("{requested}G"), format!("{available}G")),
            Self::AppVariant { requested, available } => (requested.join("|"), or_none(available.to_string())),
            Self::Chip { requested, available } => {
                let names: Vec<&str> = requested.iter().map(Chip::as_str).collect();
                (names.join("|"), available.as_ref().map_or("-".into(), ToString::to_string))
            }
            Self::NodeShape { requested, available } => (shape(requested), shape(available)),
            Self::NodesTooFew { requested, available }
            | Self::NodesDown { requested, available }
            | Self::Reserve { requested, available }
            | Self::NodesMin { requested, available }
            | Self::NodesMax { requested, available }
            | Self::Switches { requested, available, .. } => (requested.to_string(), available.to_string()),
            Self::TimeLimit { requested, available } => (requested.slurm(), available.slurm()),
            Self::JobTotal { what, requested, available }
            | Self::ClusterTotal { what, requested, available }
            | Self::BorrowingLimit { what, requested, available, .. }
            | Self::LendingLimit { what, requested, available, .. } => (what.show(*requested), what.show(*available)),
            Self::FeatureUnknown { feature } => (feature.to_string(), "-".into()),
            Self::Features { constraint, requested, available } => {
                (format!("{requested} × {constraint}"), available.to_string())
            }
            Self::Reservation { requested, available } => (requested.to_string(), or_none(available.join(", "))),
            Self::Licence { name, requested, available } => (format!("{name}:{requested}"), available.to_string()),
            Self::NotInService { service } => ("-".into(), service.as_str().into()),
        })
    }
    /// True for a state of health that is expected to end; false where only a change of the pool or the job helps.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Avoided | Self::Unreachable | Self::NodesDown { .. } => true,
            Self::BorrowingLimit { passes, .. } | Self::LendingLimit { passes, .. } => *passes,
            Self::PoolNotNamed
            | Self::TenantNotAdmitted
            | Self::ContractTier { .. }
            | Self::Residency { .. }
            | Self::Region { .. }
            | Self::Interconnect { .. }
            | Self::TrainingInterconnect { .. }
            | Self::AppVariant { .. }
            | Self::Chip { .. }
            | Self::NodeShape { .. }
            | Self::NodesTooFew { .. }
            | Self::NoGpuPrice
            | Self::NoPrice
            | Self::TimeLimit { .. }
            | Self::NodesMin { .. }
            | Self::NodesMax { .. }
            | Self::JobTotal { .. }
            | Self::ClusterTotal { .. }
            | Self::FeatureUnknown { .. }
            | Self::Features { .. }
            | Self::Switches { .. }
            | Self::Reservation { .. }
            | Self::Licence { .. }
            | Self::NotInService { .. }
            | Self::Reserve { .. } => false,
        }
    }
}

impl Rule {
    /// What keeps work within its tenant's limits; `passes`: for now.
    pub(crate) const fn of_share(over: Over, passes: bool) -> Rule {
        let Over { limit, what, requested, available } = over;
        match limit {
            Limit::Borrowing => Rule::BorrowingLimit { what, requested, available, passes },
            Limit::Lending => Rule::LendingLimit { what, requested, available, passes },
        }
    }
}

/// What the rules say about one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "rule", rename_all = "snake_case")]
pub enum Verdict {
    Feasible,
    Refused(Rule),
}

/// Why one pool refuses a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolVerdict {
    pub pool: PoolId,
    pub pool_name: Arc<str>,
    pub rule: Rule,
}

/// The first rule that refuses, over the pool as it is built (not its health).
pub(crate) fn refused_for_good(pool: &Pool, purse: Option<&Purse>, lending: &Lending, demand: &Demand) -> Option<Rule> {
    let request = &*demand.request;
    if !demand.pools.is_empty() && !demand.pools.contains(&pool.name) {
        return Some(Rule::PoolNotNamed);
    }
    if !pool.admits(demand.tenant) {
        return Some(Rule::TenantNotAdmitted);
    }
    if let Some(rule) = standing_refuses(pool, &demand.standing, request) {
        return Some(rule);
    }
    if request.per_node.gpus > 0 && !request.chips.is_empty() && !chip_served(&request.chips, pool.chip.as_ref()) {
        return Some(Rule::Chip { requested: request.chips.clone(), available: pool.chip.clone() });
    }
    if !request.per_node.fits(&pool.shape) {
        return Some(Rule::NodeShape { requested: request.per_node, available: pool.shape });
    }
    if request.nodes as usize > pool.nodes.len() {
        return Some(Rule::NodesTooFew { requested: request.nodes, available: pool.nodes.len() as u32 });
    }
    let available = pool.most_nodes(demand.standing.dips);
    if request.nodes > available {
        return Some(Rule::Reserve { requested: request.nodes, available });
    }
    if request.per_node.gpus > 0 && pool.price.card_hour.is_none() {
        return Some(Rule::NoGpuPrice);
    }
    if demand.standing.unpriced.binary_search(&pool.id).is_ok() {
        return Some(Rule::NoPrice);
    }
    if let Some(available) = pool.limit_max(request).filter(|max| demand.time_limit > *max) {
        return Some(Rule::TimeLimit { requested: demand.time_limit, available });
    }
    if let Some(over) = lending.never(demand.tenant, &request.total()).filter(|_| pool.mode == SupplyMode::Own) {
        return Some(Rule::of_share(over, false));
    }
    let service = pool.service;
    pool.terms_refuse(purse, request)
        .or_else(|| (service != Service::InService).then_some(Rule::NotInService { service }))
}

/// The first of the standing rules that keeps such work out of a pool.
pub(crate) fn standing_refuses(pool: &Pool, standing: &Standing, request: &Request) -> Option<Rule> {
    if let Some(app) = standing.app.as_deref()
        && let Some(rule) = not_verified(pool, app, request)
    {
        return Some(rule);
    }
    let available = pool.mode;
    if let Some(requested) = standing.draws.refuses(available) {
        return Some(Rule::ContractTier { requested, available });
    }
    if !lives_in(&standing.regions, pool) {
        return Some(Rule::Residency { requested: standing.regions.clone(), available: place(pool) });
    }
    if !lives_in(&standing.places, pool) {
        return Some(Rule::Region { requested: standing.places.clone(), available: place(pool) });
    }
    let requested = standing.gbps_min;
    // Of one that nobody described nothing is known to be wrong.
    let available = pool.bounds.terms.interconnect.as_ref().map(|there| there.gbps).filter(|gbps| *gbps < requested);
    available.map(|available| Rule::TrainingInterconnect { requested, available })
}

fn not_verified(pool: &Pool, app: &App, request: &Request) -> Option<Rule> {
    let architecture = pool.bounds.terms.architecture.as_deref();
    if request.per_node.gpus > 0 && !app.verified_on_chip(pool.chip.as_ref()) {
        let requested = app.chips.iter().map(|chip| chip.as_str().into()).collect();
        let available = pool.chip.as_ref().map_or_else(Arc::default, |chip| chip.as_str().into());
        return Some(Rule::AppVariant { requested, available });
    }
    (!app.verified_on_architecture(architecture)).then(|| Rule::AppVariant {
        requested: app.architectures.clone(),
        available: architecture.unwrap_or_default().into(),
    })
}

/// Whether a pool stands at one of these sites, or in one of these regions; none means anywhere.
fn lives_in(places: &[Arc<str>], pool: &Pool) -> bool {
    places.is_empty() || places.iter().any(|at| *at == pool.site || *at == pool.region)
}

fn place(pool: &Pool) -> Arc<str> {
    let words = [&*pool.region, &*pool.site].into_iter().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("/").into()
}

/// The first rule that refuses because of the pool's health.
pub(crate) fn refused_for_now(pool: &Pool, nodes: u32, dips: Dips) -> Option<Rule> {
    if !pool.reachable {
        return Some(Rule::Unreachable);
    }
    if pool.nodes_up < nodes {
        return Some(Rule::NodesDown { requested: nodes, available: pool.nodes_up });
    }
    let available = pool.nodes_for(dips);
    (available < nodes).then_some(Rule::Reserve { requested: nodes, available })
}

pub(crate) fn chip_served(wanted: &[Chip], offered: Option<&Chip>) -> bool {
    offered.is_some_and(|o| wanted.iter().any(|w| w.served_by(o)))
}
