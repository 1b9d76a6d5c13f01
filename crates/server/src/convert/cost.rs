//! What pools cost, as the API says it.

use base::{Money, Span};
use rating::{OwnCost, PoolCost, Stage};
use wire::cost as shown;

/// What is shown of the terms: one of the two.
pub fn shown(cost: &PoolCost) -> (Option<shown::NodeCost>, Option<shown::SupplierFee>) {
    match cost {
        PoolCost::Own(OwnCost { node, stages }) => {
            let stage = |stage: &Stage| shown::NodeStage {
                nodes: stage.nodes,
                purchased: stage.purchased.map(Into::into),
                in_service: stage.in_service.into(),
                retired: stage.retired.map(Into::into),
            };
            let own = shown::NodeCost {
                purchase_price: node.purchase_price.into(),
                residual: node.residual.into(),
                life_months: Some(node.life_months),
                datacentre_fee_month: node.datacentre_fee_month.into(),
                stages: stages.iter().map(stage).collect(),
            };
            (Some(own), None)
        }
        PoolCost::Partner(fee) => {
            let seconds = |span: Span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
            let part = |money: Money| (money != Money::ZERO).then(|| money.into());
            let fee = shown::SupplierFee {
                core_hour: part(fee.fee_core_hour),
                gib_hour: part(fee.fee_gib_hour),
                card_hour: part(fee.fee_card_hour),
                node_hour: part(fee.fee_node_hour),
                round_up_seconds: seconds(fee.round_up),
                minimum_seconds: seconds(fee.minimum),
            };
            (None, Some(fee))
        }
    }
}
