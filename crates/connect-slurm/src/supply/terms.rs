//! What a survey says of pools and of the cluster beyond shapes and nodes: features, switches, reservations, licences.
//! Pure. Refuses to know what placement makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Timestamp;
use model::{Caps, ClusterTerms, Licence, Places, PoolTerms, Window};

use super::architecture;
use super::limits::{self, Limits};
use crate::carrier::{NodeFacts, PartitionFacts, ReservationFacts, Survey};
use crate::config::SlurmConfig;

/// A reservation without an end lasts this long from the survey, seconds: ten years.
const ENDLESS_SECS: i64 = 3_660 * 86_400;

/// Of one pool, whose nodes are in the order in which the platform knows them.
pub fn of_pool(
    survey: &Survey,
    config: &SlurmConfig,
    partition: &PartitionFacts,
    limits: &Limits,
    nodes: &[&NodeFacts],
) -> PoolTerms {
    let mut features: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut switches: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let leaves = leaves(survey);
    for (place, node) in (0..).zip(nodes) {
        for feature in node.features.iter().collect::<BTreeSet<_>>() {
            features.entry(feature).or_default().push(place);
        }
        if let Some(switch) = leaves.get(node.name.as_str()) {
            switches.entry(switch).or_default().push(place);
        }
    }
    let named = |map: BTreeMap<&str, Vec<u32>>| {
        map.into_iter().map(|(name, at)| (Arc::from(name), Places::of(at))).collect::<Vec<_>>()
    };
    let max_nodes = Caps { nodes: partition.max_nodes, ..Caps::NONE };
    PoolTerms {
        machines: true,
        nodes_min: partition.min_nodes.filter(|min| *min > 1),
        job: limits.job.and(max_nodes),
        features: named(features),
        switches: named(switches),
        // All nodes of a pool are of one.
        architecture: nodes.first().and_then(|node| architecture(node)).map(Arc::from),
        interconnect: config.interconnect(&partition.name).cloned(),
    }
}

/// The switch to which each node is connected directly: of all above it the one with the fewest nodes.
fn leaves(survey: &Survey) -> BTreeMap<&str, &str> {
    let mut leaves: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (switch, nodes) in &survey.topology {
        for node in nodes {
            let found = (nodes.len(), switch.as_str());
            let least = leaves.entry(node).or_insert(found);
            *least = found.min(*least);
        }
    }
    leaves.into_iter().map(|(node, (_, switch))| (node, switch)).collect()
}

/// Of the cluster. `nodes`: those of our pools.
pub fn of_cluster(survey: &Survey, config: &SlurmConfig, nodes: &BTreeSet<&str>) -> ClusterTerms {
    // What is bounded for one partition only stays Slurm's to count.
    let together = limits::of(survey, config, "").together;
    let licence =
        |l: &crate::carrier::LicenceFacts| Licence { name: l.name.as_str().into(), total: l.total, used: l.used };
    let mut licences: Vec<Licence> = survey.licences.iter().filter(|l| !l.name.is_empty()).map(licence).collect();
    licences.sort();
    let accounts = our_accounts(survey, config);
    let mut windows: Vec<Window> = survey
        .reservations
        .iter()
        .filter(|r| config.reservation.as_ref() != Some(&r.name))
        .filter_map(|r| window(survey, r, &accounts, nodes))
        .collect();
    windows.sort();
    ClusterTerms { together, licences, windows }
}

/// Accounts that accounting or the rules of identity name for us; empty when nobody says.
fn our_accounts<'a>(survey: &'a Survey, config: &'a SlurmConfig) -> BTreeSet<&'a str> {
    let associations = survey.limits.iter().filter_map(|l| l.of.strip_prefix("association "));
    let ours = associations
        .filter_map(|of| of.split_once('/'))
        .filter(|(_, user)| user.split(' ').next() == Some(&survey.user));
    let named = config.identity.rules.iter().filter_map(|r| r.account.as_deref()).filter(|a| !a.contains('{'));
    ours.map(|(account, _)| account).chain(named).collect()
}

fn window(
    survey: &Survey,
    reservation: &ReservationFacts,
    accounts: &BTreeSet<&str>,
    ours: &BTreeSet<&str>,
) -> Option<Window> {
    let mut nodes: Vec<Arc<str>> =
        reservation.nodes.iter().map(String::as_str).filter(|n| ours.contains(n)).map(Arc::from).collect();
    nodes.sort();
    nodes.dedup();
    let end = reservation.end.min(survey.clock + ENDLESS_SECS);
    let named = reservation.users.contains(&survey.user);
    let paid = reservation.accounts.iter().any(|a| accounts.contains(a.as_str()));
    (!nodes.is_empty() && end > survey.clock).then(|| Window {
        name: reservation.name.as_str().into(),
        from: Timestamp::from_secs(reservation.start),
        until: Timestamp::from_secs(end),
        nodes,
        ours: named || paid,
    })
}

/// Nodes that a reservation holds now, so that they are kept by it and not drained.
pub fn reserved_now(survey: &Survey) -> BTreeSet<&str> {
    let holds = |r: &&ReservationFacts| r.start <= survey.clock && survey.clock < r.end;
    survey.reservations.iter().filter(holds).flat_map(|r| r.nodes.iter().map(String::as_str)).collect()
}
