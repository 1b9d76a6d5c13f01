//! Nodes of the pools: their states, what others take on them, and whether there are other nodes than described. Every few
//! seconds by differences, every minute by a survey. It also takes away the evidence of what is long forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Bytes, CpuMillis, PoolId, Resources};
use model::{NodeState, Observed};
use tokio::time::Instant;

use crate::carrier::NodeFacts;
use crate::core::Inner;
use crate::core::limits::{EVIDENCE_FOUND_KEPT_SECS, NODES_LOOK, SURVEY_LOOK};
use crate::core::table::Phase;
use crate::evidence;
use crate::render::SlurmPool;
use crate::supply::{self, Known};

/// Forgotten attempts whose evidence is taken away in one round: an SFTP request each, some milliseconds.
const LITTER_AT_ONCE: usize = 200;
/// Changes are asked for from this long before the last answer, seconds.
const OVERLAP_SECS: i64 = 2;

/// What was told of a node in a pool.
#[derive(Debug, Default)]
struct Told {
    state: Option<NodeState>,
    busy: Resources,
    /// What others take now, if it is more than was told: it counts once it is seen twice, as a job of ours that has just
    /// started looks like somebody else's until the next look at the queue.
    suspected: Option<Resources>,
}

#[derive(Default)]
struct Picture {
    nodes: BTreeMap<String, NodeFacts>,
    told: BTreeMap<(PoolId, String), Told>,
    /// States by the last survey, which knows partitions and reservations as well.
    surveyed: BTreeMap<(PoolId, String), NodeState>,
    /// Nodes that a reservation held at the last survey: who may use them until when is the platform's to judge.
    reserved: BTreeSet<String>,
    since: Option<i64>,
    surveyed_at: Option<Instant>,
    swept: bool,
}

pub async fn run(inner: Arc<Inner>) {
    let mut picture = Picture::default();
    loop {
        inner.look_at_nodes(&mut picture).await;
        if picture.surveyed_at.is_none_or(|at| at.elapsed() >= SURVEY_LOOK) {
            inner.survey(&mut picture).await;
        }
        inner.tidy(&mut picture).await;
        tokio::time::sleep(NODES_LOOK).await;
    }
}

impl Inner {
    async fn look_at_nodes(&self, picture: &mut Picture) {
        let asked_at = self.cluster_seconds();
        // The queue's loop judges the line; here a failure is only a picture that is not renewed.
        let Ok(changed) = self.carrier.nodes(picture.since).await else { return };
        if picture.since.is_none() {
            picture.nodes.clear();
        }
        picture.since = Some(asked_at - OVERLAP_SECS);
        for node in changed {
            picture.nodes.insert(node.name.clone(), node);
        }
        let ours = self.our_use();
        let reserved = self.config.reservation.is_some();
        let mut news = Vec::new();
        for pool in self.pools().iter() {
            for name in &pool.nodes {
                let Some(facts) = picture.nodes.get(name) else { continue };
                let key = (pool.id, name.clone());
                // What a survey knows beyond the node itself (its partition is down) holds until the next.
                let survey = picture.surveyed.get(&key).copied().unwrap_or(NodeState::Up);
                let is_reserved = reserved || picture.reserved.contains(name);
                let state = worse(supply::node_state(&facts.state, is_reserved), survey);
                let told = picture.told.entry(key.clone()).or_default();
                if told.state != Some(state) {
                    told.state = Some(state);
                    news.push(Observed::Node { pool: pool.id, node: name.as_str().into(), state });
                }
                let ours = ours.get(name).map(|held| seen_by(pool, held));
                let busy = beyond(taken(facts, pool), ours.as_ref());
                if let Some(busy) = told.foreign(busy) {
                    news.push(Observed::Foreign { pool: pool.id, node: name.as_str().into(), busy });
                }
            }
        }
        if self.link().has_supply_changed() {
            news.push(Observed::SupplyChanged);
        }
        self.table().outbox.extend(news);
        self.told();
    }

    /// What running attempts take on each node, with what their pool counts as cards: machines may be in several pools.
    fn our_use(&self) -> BTreeMap<String, Vec<Held>> {
        let kinds: BTreeMap<PoolId, Cards> = self.pools().iter().map(|pool| (pool.id, pool.gres.clone())).collect();
        let table = self.table();
        let mut all: BTreeMap<String, Vec<Held>> = BTreeMap::new();
        for entry in
            table.attempts.values().filter(|entry| matches!(entry.phase, Phase::Running | Phase::Ending { .. }))
        {
            let Some(record) = &entry.record else { continue };
            let cards = entry.pool.and_then(|pool| kinds.get(&pool).cloned());
            let name = cards.as_ref().and_then(Option::as_ref).map_or("gpu", |(name, _)| name.as_str());
            let each = each_node(&record.tres, record.nodes.len(), name);
            for node in &record.nodes {
                all.entry(node.clone()).or_default().push((cards.clone(), each));
            }
        }
        all
    }

    /// Compares the pools with what the cluster offers now.
    async fn survey(&self, picture: &mut Picture) {
        let Ok(survey) = self.carrier.survey().await else { return };
        picture.surveyed_at = Some(Instant::now());
        let known = self.pools();
        let before: Vec<Known> = known.iter().map(Known::from).collect();
        let found = supply::pools(&survey, &self.config, self.cluster, &self.name, &before);
        picture.reserved = supply::reserved_now(&survey).into_iter().map(str::to_owned).collect();
        let mut same = found.plans.len() == known.len();
        picture.surveyed.clear();
        for plan in found.plans {
            same &= known.contains(&plan.pool);
            let states = plan.pool.nodes.iter().cloned().zip(plan.states);
            picture.surveyed.extend(states.map(|(node, state)| ((plan.pool.id, node), state)));
        }
        if !same && !known.is_empty() {
            self.link().supply_changed();
        }
        picture.nodes = survey.nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
    }

    /// Takes away the evidence of attempts that are long forgotten.
    async fn tidy(&self, picture: &mut Picture) {
        let Some(files) = &self.files else { return };
        if !picture.swept && self.table().resumed {
            picture.swept = true;
            self.sweep(files.as_ref()).await;
        }
        for _ in 0..LITTER_AT_ONCE {
            let next = {
                let mut table = self.table();
                match table.litter.front() {
                    Some(litter) if litter.at <= Instant::now() => table.litter.pop_front(),
                    _ => None,
                }
            };
            let Some(litter) = next else { return };
            let folder = files.remove(&evidence::folder(self.realm, litter.attempt)).await;
            let words = files.remove(&evidence::slurm_words(self.realm, litter.attempt)).await;
            if let Err(error) = folder.and(words) {
                tracing::debug!(attempt = %litter.attempt, %error, "evidence could not be taken away; the next start does");
            }
        }
    }

    /// What connectors before this one left behind: unknown here, and older than a day.
    async fn sweep(&self, files: &dyn ports::Files) {
        let home = evidence::attempts(self.realm);
        let Ok(entries) = files.list(&home).await else { return };
        let old = self.cluster_seconds() - EVIDENCE_FOUND_KEPT_SECS;
        for entry in entries.iter().filter(|entry| entry.modified_secs < old) {
            let name = entry.name.trim_end_matches(".slurm");
            let is_known = self.realm.attempt(name).is_some_and(|attempt| self.table().attempts.contains_key(&attempt));
            if !is_known && let Err(error) = files.remove(&format!("{home}/{}", entry.name)).await {
                tracing::debug!(name = entry.name, %error, "old evidence could not be taken away");
            }
        }
    }
}

/// What a pool counts as cards.
type Cards = Option<(String, Option<String>)>;
/// What an attempt takes on a node, and of which cards; `None` where its pool is not known any more.
type Held = (Option<Cards>, Resources);

/// What attempts on a machine take of it in a pool's terms: cards count where the pool has the same.
fn seen_by(pool: &SlurmPool, held: &[Held]) -> Resources {
    let amount = |(cards, each): &Held| match cards {
        Some(cards) if *cards != pool.gres => Resources { gpus: 0, ..*each },
        _ => *each,
    };
    held.iter().map(amount).fold(Resources::ZERO, |sum, each| sum.plus(&each))
}

impl Told {
    /// What to tell of others' work, if anything: less at once, more when it is seen twice.
    fn foreign(&mut self, busy: Resources) -> Option<Resources> {
        if busy == self.busy {
            self.suspected = None;
            return None;
        }
        let less = busy.fits(&self.busy);
        let again = self.suspected.is_some_and(|before| before.fits(&busy) || before == busy);
        self.suspected = Some(busy);
        (less || again).then(|| {
            self.suspected = None;
            self.busy = busy;
            busy
        })
    }
}

fn worse(a: NodeState, b: NodeState) -> NodeState {
    match (a, b) {
        (NodeState::Down, _) | (_, NodeState::Down) => NodeState::Down,
        (NodeState::Drained, _) | (_, NodeState::Drained) => NodeState::Drained,
        (NodeState::Up, NodeState::Up) => NodeState::Up,
    }
}

/// What is allocated on a node, in the pool's terms.
fn taken(facts: &NodeFacts, pool: &SlurmPool) -> Resources {
    let counts = pool.gres.as_ref().map(|(name, kind)| {
        let same = facts.gres_allocated.iter().filter(|gres| gres.name == *name);
        same.filter(|gres| kind.is_none() || gres.kind.is_none() || gres.kind == *kind).map(|gres| gres.count).sum()
    });
    Resources {
        cpu: CpuMillis::from_cores(u64::from(facts.cpus_allocated)),
        mem: facts.mem_allocated,
        gpus: counts.unwrap_or(0),
    }
}

fn beyond(all: Resources, ours: Option<&Resources>) -> Resources {
    let ours = ours.copied().unwrap_or_default();
    Resources {
        cpu: CpuMillis(all.cpu.0.saturating_sub(ours.cpu.0)),
        mem: Bytes(all.mem.0.saturating_sub(ours.mem.0)),
        gpus: all.gpus.saturating_sub(ours.gpus),
    }
}

/// Share of one node in Slurm's text of what a job has, e.g. `cpu=4,mem=16G,node=2,gres/gpu=2,gres/gpu:a100=2`.
fn each_node(tres: &str, nodes: usize, gres: &str) -> Resources {
    let nodes = nodes.max(1) as u64;
    let value = |name: &str| tres.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let typed: u64 = tres
        .split(',')
        .filter_map(|part| part.trim().strip_prefix("gres/")?.strip_prefix(gres)?.strip_prefix(':')?.split_once('='))
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum();
    let gpus = number(&format!("gres/{gres}")).max(typed);
    let mem = value("mem").and_then(|text| text.parse::<Bytes>().ok()).unwrap_or_default();
    Resources {
        cpu: CpuMillis::from_cores(number("cpu").div_ceil(nodes)),
        mem: Bytes(mem.0.div_ceil(nodes)),
        gpus: u32::try_from(gpus.div_ceil(nodes)).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_read() {
        let each = each_node("cpu=4,mem=16G,node=2,billing=4,gres/gpu=2,gres/gpu:a100=2", 2, "gpu");
        assert_eq!(each, Resources::new(2, Bytes::from_gib(8), 1));
        assert_eq!(each_node("cpu=1,mem=0,gres/npu:ascend910b=3", 1, "npu"), Resources::new(1, Bytes(0), 3));
        assert_eq!(each_node("", 0, "gpu"), Resources::ZERO);
    }

    #[test]
    fn our_work_in_one_pool_is_ours_in_all_pools_on_the_machine() {
        let pool = |gres: Cards| {
            let (name, partition) = ("p".into(), "p".to_owned());
            let shape = Resources::new(8, Bytes::from_gib(8), 4);
            let (exclude, nodes) = (Vec::new(), vec!["n1".to_owned()]);
            SlurmPool {
                id: PoolId::from_u128(1),
                name,
                partition,
                gres,
                constraint: None,
                exclude,
                nodes,
                shape,
                chip: None,
            }
        };
        let a100: Cards = Some(("gpu".into(), Some("a100".into())));
        let held = [(Some(a100.clone()), Resources::new(2, Bytes(4), 1)), (Some(None), Resources::new(1, Bytes(2), 0))];
        assert_eq!(seen_by(&pool(a100), &held), Resources::new(3, Bytes(6), 1));
        assert_eq!(seen_by(&pool(None), &held), Resources::new(3, Bytes(6), 0));
        assert_eq!(seen_by(&pool(None), &[(None, Resources::new(2, Bytes(4), 1))]), Resources::new(2, Bytes(4), 1));
    }

    #[test]
    fn others_work_counts_once_it_is_seen_twice_and_goes_at_once() {
        let mut told = Told::default();
        let some = Resources::new(2, Bytes(0), 0);
        assert_eq!(told.foreign(some), None);
        assert_eq!(told.foreign(Resources::ZERO), None);
        assert_eq!(told.foreign(some), None);
        assert_eq!(told.foreign(some), Some(some));
        assert_eq!(told.foreign(some), None);
        assert_eq!(told.foreign(Resources::ZERO), Some(Resources::ZERO));
    }
}
