//! What holds after each phase of a plan, recomputed naively. Called in debug builds only; refuses to repair.

use base::Resources;

use crate::pool::{Pool, left};

/// Every node's use is the sum of its occupations, in the order of their ends.
pub(crate) fn occupations_agree(pool: &Pool) -> bool {
    let mut used = vec![Resources::ZERO; pool.nodes.len()];
    for run in &pool.runs {
        for &n in run.nodes.as_slice() {
            used[n as usize] = used[n as usize].plus(&run.per_node);
        }
    }
    pool.runs.is_sorted_by_key(|r| (r.end, r.run))
        && pool.nodes.iter().zip(&used).all(|(node, used)| node.used == *used && node.free == left(&pool.shape, used))
}

/// The nodes of a new placement hold no more than their shape.
pub(crate) fn within_capacity(pool: &Pool, nodes: &[u32]) -> bool {
    nodes.iter().all(|n| pool.nodes[*n as usize].used.fits(&pool.shape) && pool.nodes[*n as usize].open)
}

/// What runs and was placed leaves every claim its nodes from its time on: nothing behind a reserved job delays it. Pools on
/// the same machines may say other shapes of them, so that one takes more of a node than another says there is.
pub(crate) fn claims_stand(pool: &Pool) -> bool {
    !pool.twins.is_empty()
        || pool.claims.iter().all(|claim| {
            claim.nodes.iter().all(|n| {
                let stays = pool.runs.iter().filter(|r| r.end > claim.from && r.nodes.as_slice().contains(n));
                let used = stays.fold(claim.per_node, |sum, run| sum.plus(&run.per_node));
                used.fits(&pool.shape)
            })
        })
}
