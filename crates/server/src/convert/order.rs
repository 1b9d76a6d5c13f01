//! The order that an attempt was submitted with, rebuilt from stored rows: a cluster is asked for the output of work
//! that ended long ago by the same order that started it.

use std::sync::Arc;

use model::{Attempt, Order};
use store::JobEntry;

use crate::access::Supply;

pub fn order(entry: &JobEntry, attempt: &Attempt, supply: &Supply) -> Arc<Order> {
    let job = &entry.row.job;
    let indices = entry.spec.array.as_ref().map(|array| &array.indices);
    let array_bounds = job.array.and(indices).and_then(|indices| {
        let count = u32::try_from(indices.len()).ok()?;
        Some((count, *indices.first()?, *indices.last()?))
    });
    Arc::new(Order {
        attempt: attempt.id,
        number: job.number,
        array: job.array,
        array_bounds,
        tenant: entry.tenant_name.clone(),
        project: entry.project_name.clone(),
        user: entry.user_name.clone(),
        pool: attempt.pool,
        pool_name: supply.pool_name(attempt.pool).into(),
        nodes: attempt.nodes.clone(),
        per_node: entry.spec.request.per_node,
        spec: entry.spec.clone(),
        checkpoint: None,
    })
}
