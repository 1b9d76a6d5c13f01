//! Grants from the API's words into the domain's and back. Says which field is wrong; reads nothing.

use base::{Money, Timestamp};
use rating::tariff::Selector;
use wire::GrantState;
use wire::grant::{Grant, GrantCreate, GrantScope};

use super::prices::chip_of;
use super::{class, class_from, line, line_from};
use crate::problem::Failure;

/// The kinds of work that a request names: one for each pool, or one for all.
///
/// # Errors
/// The field that is wrong, and why.
pub fn scope_from(asked: &GrantCreate) -> Result<Vec<Selector>, Failure> {
    let of = Selector {
        tenant: None,
        pool: None,
        chip: chip_of("chip", asked.chip.clone())?,
        product: asked.product.map(line_from),
        class: asked.class.map(class_from),
        ..Selector::default()
    };
    if asked.pools.is_empty() {
        return Ok(Some(of).filter(|of| *of != Selector::default()).into_iter().collect());
    }
    Ok(asked.pools.iter().map(|pool| Selector { pool: Some(pool.as_str().into()), ..of.clone() }).collect())
}

/// Whose it is, by name.
pub struct Named {
    pub tenant: String,
    pub project: Option<String>,
    pub user: Option<String>,
}

/// A grant as it is shown to its tenant and to operators. `promised` is what open jobs count on.
pub fn grant(one: &rating::Grant, named: Named, promised: Money, now: Timestamp) -> Grant {
    let scope = |of: &Selector| GrantScope {
        pool: of.pool.as_deref().map(Into::into),
        chip: of.chip.as_ref().map(ToString::to_string),
        product: of.product.map(line),
        class: of.class.map(class),
    };
    Grant {
        number: one.number,
        tenant: one.tenant,
        tenant_name: named.tenant,
        project: named.project,
        user: named.user,
        state: match () {
            () if one.revoked_at.is_some() => GrantState::Revoked,
            () if one.to <= now => GrantState::Over,
            () if now < one.from => GrantState::Given,
            () => GrantState::InForce,
        },
        currency: one.currency.to_string(),
        amount: one.amount.into(),
        from: one.from.into(),
        to: one.ends().into(),
        of: one.of.iter().map(scope).collect(),
        note: one.note.to_string(),
        given_at: one.given_at.into(),
        revoked_at: one.revoked_at.map(Into::into),
        drawn: one.drawn.into(),
        back: one.back.into(),
        left: one.left().into(),
        promised: promised.into(),
    }
}
