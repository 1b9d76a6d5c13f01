//! The availability profile of one pool: when will enough nodes have room, judging by the expected ends of what runs.
//! Refuses to know the queue; claims of reserved jobs count as room that is taken for good.

use base::{JobId, Resources};

use crate::pool::{Claim, Node, Pool, left};
use crate::standing::Dips;

/// Start "now", before every end.
pub(crate) const NOW: i64 = i64::MIN;
/// Bound of a question for a start at any time.
pub(crate) const WHENEVER: i64 = i64::MAX;

/// Buffers reused from one question to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    used: Vec<Resources>,
    found: Vec<bool>,
    /// By node: the question that last looked at it, and what was in use there at the time of its look.
    looks: Vec<(u64, Resources)>,
    question: u64,
    /// The nodes of the last answer, ascending.
    pub nodes: Vec<u32>,
}

/// Which claims the asker respects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Respect {
    /// None: only running work counts.
    Running,
    /// All but those of one job.
    ClaimsExcept(Option<JobId>),
}

/// When `count` open nodes have room for `per_node`: [`NOW`], the expected end that frees the last of them (microseconds;
/// possibly past, for overdue work), or `None` while too few nodes are up, other claims leave no room, or it is not `before`.
pub(crate) fn earliest(
    pool: &Pool,
    per_node: &Resources,
    count: u32,
    dips: Dips,
    respect: Respect,
    before: i64,
    scratch: &mut Scratch,
) -> Option<i64> {
    let Scratch { used, found, nodes, .. } = scratch;
    let takes = |node: &Node| node.takes(dips);
    nodes.clear();
    if !pool.serves(count, dips) {
        return None;
    }
    used.clear();
    used.extend(pool.nodes.iter().map(|n| n.used));
    if let Respect::ClaimsExcept(own) = respect {
        for claim in pool.claims.iter().filter(|c| Some(c.job) != own) {
            for &n in &claim.nodes {
                used[n as usize] = used[n as usize].plus(&claim.per_node);
            }
        }
    }
    found.clear();
    for ((n, node), used) in (0..).zip(&pool.nodes).zip(&*used) {
        let fits = takes(node) && per_node.plus(used).fits(&pool.shape);
        found.push(fits);
        if fits {
            nodes.push(n);
            if nodes.len() == count as usize {
                return Some(NOW);
            }
        }
    }
    for together in pool.runs.chunk_by(|a, b| a.end == b.end).take_while(|together| together[0].end < before) {
        let before = nodes.len();
        for run in together {
            for &n in run.nodes.as_slice() {
                let i = n as usize;
                used[i] = left(&used[i], &run.per_node);
                if !found[i] && takes(&pool.nodes[i]) && per_node.plus(&used[i]).fits(&pool.shape) {
                    found[i] = true;
                    nodes.push(n);
                }
            }
        }
        if nodes.len() >= count as usize {
            // Nodes that were free before are kept; of those that came with the last end, the first by name.
            nodes[before..].sort_unstable();
            nodes.truncate(count as usize);
            nodes.sort_unstable();
            return Some(together[0].end);
        }
    }
    nodes.clear();
    None
}

/// As [`earliest`] for running work alone, without telling the nodes: where few runs have to end, few nodes are looked at.
pub(crate) fn earliest_alone(
    pool: &Pool,
    per_node: &Resources,
    count: u32,
    dips: Dips,
    before: i64,
    scratch: &mut Scratch,
) -> Option<i64> {
    if !pool.serves(count, dips) {
        return None;
    }
    let mut found = pool.rooms.count(per_node, dips, count);
    if found >= count {
        return Some(NOW);
    }
    let Scratch { looks, question, .. } = scratch;
    *question += 1;
    if looks.len() < pool.nodes.len() {
        looks.resize(pool.nodes.len(), (0, Resources::ZERO));
    }
    let fits = |used: &Resources| per_node.fits(&left(&pool.shape, used));
    for together in pool.runs.chunk_by(|a, b| a.end == b.end).take_while(|together| together[0].end < before) {
        for run in together {
            for node in run.nodes.as_slice().iter().map(|n| *n as usize).filter(|n| pool.nodes[*n].takes(dips)) {
                let (asked, seen) = &mut looks[node];
                let used = if *asked == *question { *seen } else { pool.nodes[node].used };
                (*asked, *seen) = (*question, left(&used, &run.per_node));
                found += u32::from(!fits(&used) && fits(seen));
            }
        }
        if found >= count {
            return Some(together[0].end);
        }
    }
    None
}

/// The claim of a job on nodes from a time on, with what each node will have left beside it.
pub(crate) fn claim(pool: &Pool, job: JobId, from: i64, per_node: Resources, nodes: &[u32]) -> Claim {
    let mut used: Vec<Resources> = nodes.iter().map(|&n| pool.nodes[n as usize].used).collect();
    for run in pool.runs.iter().take_while(|r| r.end <= from) {
        for n in run.nodes.as_slice() {
            if let Ok(i) = nodes.binary_search(n) {
                used[i] = left(&used[i], &run.per_node);
            }
        }
    }
    let spare = used.iter().map(|u| left(&left(&pool.shape, u), &per_node)).collect();
    Claim { job, from, per_node, nodes: nodes.to_vec(), spare }
}
