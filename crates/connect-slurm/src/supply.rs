//! From what a Slurm cluster says of itself to pools: nodes of one shape in one partition, and the words that make a job land
//! on them. Pure. Refuses to know how the survey came here, and what the platform does with the pools.

mod access;
mod chips;
mod limits;
mod names;
mod states;
mod terms;

use std::collections::{BTreeMap, BTreeSet};

use base::{Bytes, ClusterId, CpuMillis, PoolId, Resources, Span, digest128};
use model::{ClusterTerms, NodeState, PoolTerms};

use crate::carrier::{NodeFacts, PartitionFacts, Survey};
use crate::check::Finding;
use crate::config::SlurmConfig;
use crate::render::SlurmPool;

pub use access::Access;
pub use chips::{Accelerator, accelerator, is_accelerator};
pub use names::Known;
pub use states::node_state;
pub use terms::reserved_now;

/// Memory that differs by less than a sixteenth between nodes counts as one size; the pool offers the least of it. Nodes of
/// one order rarely report the same number (187 of 192 GiB here, 188 there), and a pool for each would be none at all.
const MEM_SLACK: u64 = 16;
/// A node that is configured without `RealMemory` says it has this much: Slurm's default.
const MEM_UNSAID: Bytes = Bytes::from_mib(1);

/// Pairs of pools on common nodes that are told one by one; many partitions over the same nodes make very many.
const PAIRS_TOLD: usize = 3;

/// A pool with what changes while it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmPoolPlan {
    pub pool: SlurmPool,
    /// As `pool.nodes`.
    pub states: Vec<NodeState>,
    /// The partition's and the account's; `None` means any.
    pub time_limit_max: Option<Span>,
    pub terms: PoolTerms,
}

/// What a cluster has to offer, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Supply {
    /// In name order.
    pub plans: Vec<SlurmPoolPlan>,
    pub terms: ClusterTerms,
    pub findings: Vec<Finding>,
}

/// Ids follow from names: a restart and a second look mean the same pool.
pub fn pool_id(cluster: ClusterId, name: &str) -> PoolId {
    PoolId::from_u128(digest128(&[b"pool", &cluster.to_bytes(), name.as_bytes()]))
}

/// Nodes of one partition that look alike.
struct Group<'a> {
    accelerator: Option<Accelerator>,
    cpus: u32,
    /// The least of its nodes.
    mem: Bytes,
    nodes: Vec<&'a NodeFacts>,
}

/// What nodes of one group have in common but their memory: accelerator, cores, architecture.
type Look<'a> = (Option<Accelerator>, u32, Option<&'a str>);

/// Groups the nodes of every usable partition by shape. `cluster_name` is the platform's name of it; `known`: the pools that it
/// had before, which keep their names.
///
/// A partition over which others also stand makes pools of its own: the same node may be in several, and the platform knows
/// that they are the same machines.
pub fn pools(survey: &Survey, config: &SlurmConfig, cluster: ClusterId, cluster_name: &str, known: &[Known]) -> Supply {
    let mut findings = Vec::new();
    let ours = reserved(survey, config, &mut findings);
    let by_name: BTreeMap<&str, &NodeFacts> = survey.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
    let mut drafts = Vec::new();
    for partition in usable(survey, config, &mut findings) {
        let nodes = partition.nodes.iter().filter_map(|name| by_name.get(name.as_str()).copied());
        let nodes: Vec<&NodeFacts> = nodes.filter(|n| ours.as_ref().is_none_or(|set| set.contains(&*n.name))).collect();
        let sized = without_memory(partition, nodes, &mut findings);
        drafts.extend(groups(&sized, config, &mut findings).into_iter().map(|group| (partition, group)));
    }
    let described: Vec<names::Described<'_>> = drafts
        .iter()
        .map(|(partition, group)| names::Described {
            partition: &partition.name,
            chip: group.accelerator.as_ref().map(|a| a.chip.as_str()),
            cards: group.accelerator.as_ref().map_or(0, |a| a.gres.count),
            cpus: group.cpus,
            mem: group.mem,
            nodes: group.nodes.iter().map(|n| n.name.as_str()).collect(),
        })
        .collect();
    let names = names::stable(cluster_name, &described, known);
    let around =
        Around { survey, config, all: &by_name, reserved: reserved_now(survey), in_reservation: ours.is_some() };
    let mut plans: Vec<SlurmPoolPlan> = drafts
        .iter()
        .zip(names)
        .map(|((partition, group), name)| plan(partition, group, &around, pool_id(cluster, &name), &name))
        .collect();
    plans.sort_by(|a, b| a.pool.name.cmp(&b.pool.name));
    shared(&plans, &mut findings);
    let nodes: BTreeSet<&str> = drafts.iter().flat_map(|(_, g)| g.nodes.iter().map(|n| n.name.as_str())).collect();
    let terms = terms::of_cluster(survey, config, &nodes);
    Supply { plans, terms, findings }
}

/// The nodes of the reservation that jobs go into; `None` when there is none to go into.
fn reserved<'a>(survey: &'a Survey, config: &SlurmConfig, findings: &mut Vec<Finding>) -> Option<BTreeSet<&'a str>> {
    let wanted = config.reservation.as_ref()?;
    let found = survey.reservations.iter().find(|r| r.name == *wanted);
    if found.is_none() {
        let advice = "ask the site for it, or register the cluster without `reservation`";
        findings.push(Finding::fail("reservation", format!("the cluster has no reservation `{wanted}`"), advice));
    }
    Some(found.map_or_else(BTreeSet::new, |r| r.nodes.iter().map(String::as_str).collect()))
}

/// Partitions to make pools of: those named, or all that our accounts may use.
fn usable<'a>(survey: &'a Survey, config: &SlurmConfig, findings: &mut Vec<Finding>) -> Vec<&'a PartitionFacts> {
    for name in &config.partitions {
        if !survey.partitions.iter().any(|p| p.name == *name) {
            let known: Vec<&str> = survey.partitions.iter().map(|p| p.name.as_str()).collect();
            let advice = format!("the cluster has {}", known.join(", "));
            findings.push(Finding::fail("partitions", format!("there is no partition `{name}`"), advice));
        }
    }
    for name in config.interconnects.keys().filter(|name| *name != "*") {
        if !survey.partitions.iter().any(|p| p.name == *name) {
            let advice = "name a partition of the cluster, or `*` for all that are not named";
            findings.push(Finding::fail("interconnects", format!("there is no partition `{name}`"), advice));
        }
    }
    let access = Access::of(survey, config);
    let mut usable = Vec::new();
    for partition in &survey.partitions {
        let named = config.partitions.contains(&partition.name);
        if !named && !config.partitions.is_empty() {
            continue;
        }
        if let (false, Some(refusal)) = (named, access.refusal(partition, config)) {
            findings.push(refusal);
            continue;
        }
        if !is_up(partition) {
            let found = format!("`{}` is {}", partition.name, partition.state.to_ascii_lowercase());
            findings.push(Finding::warn("partitions", found, "nothing starts there until the site opens it"));
        }
        usable.push(partition);
    }
    usable
}

fn is_up(partition: &PartitionFacts) -> bool {
    partition.state.eq_ignore_ascii_case("UP")
}

/// Nodes that say how much memory they have; the others are named and left out, since nothing fits into 1 MB.
fn without_memory<'a>(
    partition: &PartitionFacts,
    nodes: Vec<&'a NodeFacts>,
    findings: &mut Vec<Finding>,
) -> Vec<&'a NodeFacts> {
    let (sized, unsaid): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|n| n.mem > MEM_UNSAID && n.cpus > 0);
    if let Some(first) = unsaid.first() {
        let found =
            format!("{} nodes of `{}` do not say their memory ({} …)", unsaid.len(), partition.name, first.name);
        let advice = "left out; ask the site to set RealMemory of these nodes in slurm.conf";
        findings.push(Finding::warn("nodes", found, advice));
    }
    sized
}

/// Of its processors, where one of its features says it.
fn architecture(node: &NodeFacts) -> Option<&str> {
    node.features.iter().map(String::as_str).find(|f| chips::ARCHITECTURES.contains(f))
}

/// Nodes by accelerator, cores, architecture, then by memory of about one size.
fn groups<'a>(nodes: &[&'a NodeFacts], config: &SlurmConfig, findings: &mut Vec<Finding>) -> Vec<Group<'a>> {
    let mut alike: BTreeMap<Look<'_>, Vec<&NodeFacts>> = BTreeMap::new();
    for node in nodes {
        let kinds: Vec<Accelerator> = node.gres.iter().filter_map(|g| accelerator(g, &config.chips)).collect();
        let architecture = architecture(node);
        if kinds.is_empty() {
            alike.entry((None, node.cpus, architecture)).or_default().push(node);
        }
        for kind in kinds {
            alike.entry((Some(kind), node.cpus, architecture)).or_default().push(node);
        }
    }
    let mut groups = Vec::new();
    for ((accelerator, cpus, _), mut nodes) in alike {
        if let Some(unknown) = accelerator.as_ref().filter(|a| !a.known) {
            let finding = unknown.unknown();
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        nodes.sort_by(|a, b| (a.mem, &a.name).cmp(&(b.mem, &b.name)));
        let mut rest = &nodes[..];
        while let Some(first) = rest.first() {
            let least = first.mem;
            let size = rest.partition_point(|n| n.mem.0 <= least.0 + least.0 / MEM_SLACK);
            let mut of_one_size = rest[..size].to_vec();
            of_one_size.sort_by(|a, b| a.name.cmp(&b.name));
            groups.push(Group { accelerator: accelerator.clone(), cpus, mem: least, nodes: of_one_size });
            rest = &rest[size..];
        }
    }
    groups
}

/// What a pool is planned by, beside its own nodes.
struct Around<'a> {
    survey: &'a Survey,
    config: &'a SlurmConfig,
    all: &'a BTreeMap<&'a str, &'a NodeFacts>,
    /// Nodes that a reservation holds now.
    reserved: BTreeSet<&'a str>,
    /// All jobs go into a reservation, which holds all nodes of the pools.
    in_reservation: bool,
}

fn plan(partition: &PartitionFacts, group: &Group<'_>, around: &Around<'_>, id: PoolId, name: &str) -> SlurmPoolPlan {
    let inside: BTreeSet<&str> = group.nodes.iter().map(|n| n.name.as_str()).collect();
    let others: Vec<&str> = partition.nodes.iter().map(String::as_str).filter(|n| !inside.contains(n)).collect();
    let constraint = distinguishing(&group.nodes, &others, around.all);
    let exclude = match &constraint {
        Some(_) => Vec::new(),
        None => others.iter().map(|n| (*n).to_owned()).collect(),
    };
    let cards = group.accelerator.as_ref().map_or(0, |a| a.gres.count);
    let open = is_up(partition);
    let limits = limits::of(around.survey, around.config, &partition.name);
    let open_to = |node: &NodeFacts| around.in_reservation || around.reserved.contains(node.name.as_str());
    let state = |node: &&NodeFacts| match node_state(&node.state, open_to(node)) {
        NodeState::Up if !open => NodeState::Drained,
        state => state,
    };
    SlurmPoolPlan {
        states: group.nodes.iter().map(state).collect(),
        time_limit_max: partition_time(partition).into_iter().chain(limits.time_max).min(),
        terms: terms::of_pool(around.survey, around.config, partition, &limits, &group.nodes),
        pool: SlurmPool {
            id,
            name: name.into(),
            partition: partition.name.clone(),
            gres: group.accelerator.as_ref().map(|a| (a.gres.name.clone(), a.gres.kind.clone())),
            constraint,
            exclude,
            nodes: group.nodes.iter().map(|n| n.name.clone()).collect(),
            shape: Resources { cpu: CpuMillis::from_cores(u64::from(group.cpus)), mem: group.mem, gpus: cards },
            chip: group.accelerator.as_ref().map(|a| a.chip.clone()),
        },
    }
}

fn partition_time(partition: &PartitionFacts) -> Option<Span> {
    partition.max_time_minutes.map(|m| Span::from_secs(i64::from(m) * 60))
}

/// A feature that all of `inside` have and none of `others`; `None` too when there are no others to tell them from.
fn distinguishing(inside: &[&NodeFacts], others: &[&str], all: &BTreeMap<&str, &NodeFacts>) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    // A node of the partition that the controller does not describe may have any feature.
    let others: Option<Vec<&NodeFacts>> = others.iter().map(|name| all.get(name).copied()).collect();
    let (others, (first, rest)) = (others?, inside.split_first()?);
    let tells = |feature: &&String| {
        plain_feature(feature)
            && rest.iter().all(|n| n.features.contains(feature))
            && !others.iter().any(|n| n.features.contains(feature))
    };
    first.features.iter().filter(tells).min().cloned()
}

/// Words that mean nothing else in Slurm's constraint expressions.
fn plain_feature(feature: &str) -> bool {
    !feature.is_empty() && feature.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Says which pools stand on the same nodes, once per pair of partitions.
fn shared(plans: &[SlurmPoolPlan], findings: &mut Vec<Finding>) {
    let mut owners: BTreeMap<&str, Vec<&SlurmPool>> = BTreeMap::new();
    for plan in plans {
        plan.pool.nodes.iter().for_each(|node| owners.entry(node).or_default().push(&plan.pool));
    }
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for pools in owners.values() {
        for (i, one) in pools.iter().enumerate() {
            pools[i + 1..].iter().for_each(|two| *pairs.entry((&one.name, &two.name)).or_default() += 1);
        }
    }
    if pairs.len() > PAIRS_TOLD {
        let names: BTreeSet<&str> = pairs.keys().flat_map(|(one, two)| [*one, *two]).collect();
        let found = format!("{} pools stand on common nodes: {}", names.len(), Vec::from_iter(names).join(", "));
        let advice =
            "what runs in one is taken into account in the others; name `partitions` to offer only some of them";
        return findings.push(Finding::ok("pools", found).with(advice));
    }
    for ((one, two), nodes) in pairs {
        let found = format!("pools {one} and {two} stand on {nodes} common nodes");
        let advice = "their machines are taken and counted once; name `partitions` to offer only one of them";
        findings.push(Finding::ok("pools", found).with(advice));
    }
}

#[cfg(test)]
mod tests;
