//! Work that a cluster has already when its model begins: what runs goes on, what waits starts. Refuses to know who says so.

use std::sync::Arc;

use base::{Span, Timestamp};
use model::Order;

use super::{Clocks, ClusterModel, Execution, Moment, Run, RunPlan, RunState, Then, worked};

/// What is known of an attempt that a cluster has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adopted {
    /// By the cluster's clock; `None`: it waits there.
    pub started: Option<Timestamp>,
    /// Time of the present run that it stood still, without the present stop.
    pub suspended: Span,
    /// Since when it stands still.
    pub stands: Option<Timestamp>,
    pub limit: Span,
}

impl ClusterModel {
    pub(crate) fn adopt(&mut self, order: &Arc<Order>, plan: RunPlan, known: Adopted, at: Clocks) -> Vec<Then> {
        let (id, Adopted { started, suspended, stands, limit }) = (order.attempt, known);
        let (state, broken) = (RunState::Waiting, Vec::new());
        let stops = stands.map(|since| (since, true)).into_iter().collect();
        let mut run = Run { order: order.clone(), plan, state, run: 1, limit, broken, remark: None, stops };
        let Some(since) = started else {
            run.run = 0;
            self.runs.insert(id, run);
            return vec![Then::Later(self.start_delay, id, Moment::Start)];
        };
        for name in &order.nodes {
            if let Some(node) = self.nodes.get_mut(&(order.pool, name.clone())) {
                node.used = node.used.plus(&order.per_node);
            }
        }
        let real = since - (at.shown - at.real);
        let execution = self.executions.len();
        let (interrupted, outcome) = (false, None);
        self.executions.push(Execution { attempt: id, started: real, ended: None, suspended, interrupted, outcome });
        let done = worked(&self.executions[execution], stands, at.real);
        run.state = RunState::Running { since, execution, dying: None, stands };
        self.runs.insert(id, run);
        let left = |span: Span| (span - done).max(Span::ZERO);
        vec![Then::Later(left(plan.runs), id, Moment::Exit(1)), Then::Later(left(limit), id, Moment::Limit(1))]
    }
}
