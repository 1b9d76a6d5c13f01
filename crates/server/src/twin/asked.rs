//! What somebody asks of the twin, checked, and as it is kept: with the policy that was in force and who asked.

use std::collections::BTreeSet;

use base::{Currency, Span, Timestamp};
use engine::Steering;
use serde::{Deserialize, Serialize};
use wire::TwinKind;
use wire::twin_run::{TwinGist, TwinPool, TwinRunAsk};

use crate::access::Supply;
use crate::limits::{AMOUNT_UNITS_MAX, POLICY_BYTES_MAX, TWIN_CHANGES_MAX, TWIN_DAYS_MAX, TWIN_HORIZON_SECONDS_MAX};
use crate::problem::Failure;

const DAYS: u32 = 7;
const HORIZON_SECONDS: u32 = 7 * 86_400;
const HORIZON_SECONDS_MIN: u32 = 60;
const NODES_MAX: u32 = 100_000;
const CORES_MAX: u32 = 4_096;

/// A run as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Doc {
    pub asked: TwinRunAsk,
    pub policy: String,
    pub policy_version: u64,
    pub by: String,
    pub currency: String,
}

/// What is kept of a run that is over, beside its result.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Over {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gist: Option<TwinGist>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Doc {
    /// First and last moment of the submissions that are played again.
    pub fn window(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let until = self.asked.until.map_or(at, |until| until.0);
        (until - Span::from_hours(24 * i64::from(self.asked.days.unwrap_or(DAYS))), until)
    }
    pub fn horizon_seconds(&self) -> u32 {
        self.asked.horizon_seconds.unwrap_or(HORIZON_SECONDS)
    }
    pub fn currency(&self) -> Currency {
        self.currency.parse().unwrap_or(Currency::CNY)
    }
}

/// Checks what is asked and fills in what was left out, so that the same can be asked again.
///
/// # Errors
/// The field that is wrong, and why.
pub(crate) fn check(mut asked: TwinRunAsk, supply: &Supply, now: Timestamp) -> Result<TwinRunAsk, Failure> {
    match asked.kind {
        TwinKind::Past => {
            let days = *asked.days.get_or_insert(DAYS);
            if !(1..=TWIN_DAYS_MAX).contains(&days) {
                return Err(Failure::invalid("days", format!("1 to {TWIN_DAYS_MAX} days")));
            }
            if asked.until.get_or_insert(now.into()).0 > now {
                return Err(Failure::invalid("until", "is over already"));
            }
            refuse_other("horizon_seconds", asked.horizon_seconds.is_some(), "a run of kind `ahead` looks ahead")?;
        }
        TwinKind::Ahead => {
            let seconds = *asked.horizon_seconds.get_or_insert(HORIZON_SECONDS);
            if !(HORIZON_SECONDS_MIN..=TWIN_HORIZON_SECONDS_MAX).contains(&seconds) {
                let why = format!("{HORIZON_SECONDS_MIN} to {TWIN_HORIZON_SECONDS_MAX} seconds");
                return Err(Failure::invalid("horizon_seconds", why));
            }
            let of_past = asked.days.is_some() || asked.until.is_some();
            refuse_other("days", of_past, "a run of kind `past` has days")?;
            let fails = !asked.changes.outages.is_empty();
            refuse_other("changes.outages", fails, "outages are played in the past; lose pools instead")?;
        }
    }
    changes(&asked, supply)?;
    Ok(asked)
}

fn refuse_other(field: &str, is_there: bool, why: &str) -> Result<(), Failure> {
    if is_there { Err(Failure::invalid(field, why)) } else { Ok(()) }
}

fn changes(asked: &TwinRunAsk, supply: &Supply) -> Result<(), Failure> {
    let changes = &asked.changes;
    if let Some(policy) = &changes.policy {
        if policy.len() > POLICY_BYTES_MAX {
            return Err(Failure::invalid("changes.policy", format!("at most {POLICY_BYTES_MAX} bytes")));
        }
        Steering::parse(policy).map_err(|fault| Failure::invalid("changes.policy", fault.to_string()))?;
    }
    if changes.add.len().max(changes.lose.len()).max(changes.outages.len()) > TWIN_CHANGES_MAX {
        return Err(Failure::invalid("changes", format!("at most {TWIN_CHANGES_MAX} of a kind")));
    }
    let pools: BTreeSet<&str> = supply.pools.values().map(|pool| &*pool.name).collect();
    let clusters: BTreeSet<&str> = supply.clusters.values().map(|cluster| &*cluster.name).collect();
    let mut new = BTreeSet::new();
    for pool in &changes.add {
        added(pool)?;
        let name = pool.name.as_str();
        if pools.contains(name) || clusters.contains(name) || !new.insert(name) {
            return Err(Failure::invalid("changes.add", format!("there is a `{name}` already")));
        }
    }
    let mut lost = BTreeSet::new();
    for loss in &changes.lose {
        if !pools.contains(loss.pool.as_str()) || !lost.insert(&loss.pool) {
            return Err(Failure::invalid("changes.lose", format!("there is no pool `{:.60}` to lose", loss.pool)));
        }
    }
    for outage in &changes.outages {
        let is_known = match (&outage.pool, &outage.cluster) {
            (Some(pool), None) => pools.contains(pool.as_str()),
            (None, Some(cluster)) => clusters.contains(cluster.as_str()) && outage.nodes.is_none(),
            _ => false,
        };
        if !is_known || outage.for_seconds == 0 {
            let why = "each names a pool, or a cluster, that there is, and how long it lasts";
            return Err(Failure::invalid("changes.outages", why));
        }
    }
    Ok(())
}

fn added(pool: &TwinPool) -> Result<(), Failure> {
    let wrong = |why: &str| Err(Failure::invalid("changes.add", format!("`{:.40}`: {why}", pool.name)));
    if !model::people::valid_name(&pool.name) {
        return wrong("a name has 1 to 40 of a-z 0-9 - _ .");
    }
    if !(1..=NODES_MAX).contains(&pool.nodes) || !(1..=CORES_MAX).contains(&pool.cores) {
        return wrong("at least one node with one core, and no more than there can be");
    }
    let amounts = [pool.fee_core_hour, pool.node_month];
    let most = base::Money::from_units(AMOUNT_UNITS_MAX);
    if amounts.into_iter().flatten().any(|amount| amount.0 < base::Money::ZERO || amount.0 > most) {
        return wrong("no such amount");
    }
    let (own, partner) = (pool.node_month.is_some(), pool.fee_core_hour.is_some());
    match pool.mode {
        wire::SupplyMode::Own if partner => wrong("an own pool has a `node_month`, no fee"),
        wire::SupplyMode::Partner if own => wrong("a partner's pool has a `fee_core_hour`, no `node_month`"),
        _ => Ok(()),
    }
}
