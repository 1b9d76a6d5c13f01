//! What pools cost the operator: own nodes, or a partner's fee.

use axum::Json;
use base::{Money, Span};
use engine::Command;
use model::SupplyMode;
use rating::{NodeCost, OwnCost, PoolCost, Stage, SupplierFee};
use wire::cost::{self as shown, PoolCostDone, PoolCostSet};
use wire::{MoneyText, TimeText};

use super::money::amount;
use crate::access::{Body, Meta, OperatorAccess, Segments};
use crate::convert;
use crate::limits::{LIFE_MONTHS_MAX, STAGES_MAX};
use crate::problem::Failure;

/// Say what a pool costs from now on. Running work keeps the terms of its start.
#[utoipa::path(
    put, path = "/v1/pools/{pool}/cost", tag = "supply", operation_id = "set_pool_cost", request_body = PoolCostSet,
    params(
        ("pool" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The terms in force", body = PoolCostDone))
)]
pub(super) async fn set(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<PoolCostSet>,
) -> Result<Json<PoolCostDone>, Failure> {
    let supply = access.names().supply().await?;
    let pool = supply.find_pool(segments.get("pool")).ok_or_else(|| Failure::not_found("pool"))?;
    let PoolCostSet { cost, fee } = body.value;
    let Some(cost) = terms(cost, fee, pool.mode)? else {
        return Err(Failure::invalid("cost", "say a `cost` for an own pool, a `fee` for a partner's"));
    };
    let pool = pool.id;
    access.command(Command::SetPoolCost { pool, cost }, meta.once(access.who.user, &body.raw)).await?;
    let stored = access.app().store.pools().await?.into_iter().find(|(known, _)| known.id == pool);
    let (cost, fee) = stored.and_then(|(_, cost)| cost).map_or((None, None), |cost| convert::cost::shown(&cost));
    Ok(Json(PoolCostDone { pool, cost, fee }))
}

/// The terms of a pool of a supplier of that mode.
///
/// # Errors
/// Both or the wrong one of the two, or an amount that is out of its range.
pub(super) fn terms(
    cost: Option<shown::NodeCost>,
    fee: Option<shown::SupplierFee>,
    mode: SupplyMode,
) -> Result<Option<PoolCost>, Failure> {
    match (cost, fee, mode) {
        (None, None, _) => Ok(None),
        (Some(_), Some(_), _) => {
            Err(Failure::invalid("fee", "either a cost or a fee: own nodes cost, partners take fees"))
        }
        (Some(cost), None, SupplyMode::Own) => own(cost).map(PoolCost::Own).map(Some),
        (None, Some(fee), SupplyMode::Partner) => partner(fee).map(PoolCost::Partner).map(Some),
        (Some(_), None, SupplyMode::Partner) => {
            Err(Failure::invalid("cost", "a partner's nodes are not yours: say its `fee`"))
        }
        (None, Some(_), SupplyMode::Own) => {
            Err(Failure::invalid("fee", "nobody takes a fee for own nodes: say their `cost`"))
        }
    }
}

fn own(cost: shown::NodeCost) -> Result<OwnCost, Failure> {
    let shown::NodeCost { purchase_price, residual, life_months, datacentre_fee_month, stages } = cost;
    if life_months.is_some_and(|months| !(1..=LIFE_MONTHS_MAX).contains(&months)) {
        return Err(Failure::invalid("cost.life_months", format!("say 1 to {LIFE_MONTHS_MAX}")));
    }
    if stages.len() > STAGES_MAX {
        return Err(Failure::invalid("cost.stages", format!("at most {STAGES_MAX}")));
    }
    let node = NodeCost {
        purchase_price: positive("cost.purchase_price", purchase_price)?,
        residual: positive("cost.residual", residual)?,
        life_months: life_months.unwrap_or(0),
        datacentre_fee_month: positive("cost.datacentre_fee_month", datacentre_fee_month)?,
    };
    if node.residual > node.purchase_price {
        return Err(Failure::invalid("cost.residual", "more than its price"));
    }
    let stage = |stage: shown::NodeStage| {
        let of = |time: TimeText| time.0;
        let (in_service, retired) = (stage.in_service.0, stage.retired.map(of));
        if stage.nodes == 0 || retired.is_some_and(|end| end <= in_service) {
            return Err(Failure::invalid("cost.stages", "a stage has at least one node, and ends after it began"));
        }
        Ok(Stage { nodes: stage.nodes, purchased: stage.purchased.map(of), in_service, retired })
    };
    Ok(OwnCost { node, stages: stages.into_iter().map(stage).collect::<Result<_, _>>()? })
}

fn partner(fee: shown::SupplierFee) -> Result<SupplierFee, Failure> {
    let shown::SupplierFee { core_hour, gib_hour, card_hour, node_hour, round_up_seconds, minimum_seconds } = fee;
    let part = |field: &str, text: Option<MoneyText>| text.map_or(Ok(Money::ZERO), |text| positive(field, text));
    Ok(SupplierFee {
        fee_core_hour: part("fee.core_hour", core_hour)?,
        fee_gib_hour: part("fee.gib_hour", gib_hour)?,
        fee_card_hour: part("fee.card_hour", card_hour)?,
        fee_node_hour: part("fee.node_hour", node_hour)?,
        round_up: Span::from_secs(i64::from(round_up_seconds)),
        minimum: Span::from_secs(i64::from(minimum_seconds)),
    })
}

fn positive(field: &str, text: MoneyText) -> Result<Money, Failure> {
    match amount(field, text)? {
        money if money.is_negative() => Err(Failure::invalid(field, "a cost is not negative")),
        money => Ok(money),
    }
}
