//! What is kept free of own pools, for whom: for urgent and moved work in general, and for the elastic demand of product
//! lines. A level is a share of a pool's nodes, or a quantile of what was used of late with a floor and a ceiling.
//! Refuses to know which nodes are kept: that is the scheduler's.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{PoolId, TenantId};
use model::{AttemptPhase, JobSpec, PastUse, Pool, PriorityClass, ProductLine, SupplyMode};
use sched::{Dips, Standing};
use serde::{Deserialize, Serialize};

use crate::record::{Batch, Record};
use crate::state::Engine;

const HOUR_MICROS: i64 = 3_600_000_000;
const HOURS_A_DAY: usize = 24;
/// Longest memory of a forecast: 90 days are 2,160 numbers for a pool and product line, about 10 KB where they are stored.
const DAYS_MAX: u32 = 90;
/// Kept for urgent work and work moved from elsewhere.
const GENERAL: Dips = Dips::keeper(0);

/// Levels of own pools and who may use what is kept. What is kept for a product line is used by work of that line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reserve {
    /// Urgent work may use whatever is kept.
    pub urgent: bool,
    /// So may work that was moved away from elsewhere, or whose pool failed.
    pub replacements: bool,
    /// So may work of tenants with a contract for a term.
    pub contracted: bool,
    /// Product lines that may use what is kept in general.
    pub elastic: Vec<ProductLine>,
    /// In place of the share `reserve_permille`, which then holds until enough was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Kept of every own pool for work of a product line, beside what is kept in general.
    pub lines: BTreeMap<ProductLine, Level>,
    /// Own pools, by name, for which other levels hold.
    pub pools: BTreeMap<String, PoolLevels>,
}

impl Default for Reserve {
    fn default() -> Reserve {
        Reserve {
            urgent: true,
            replacements: true,
            contracted: false,
            elastic: Vec::new(),
            forecast: None,
            lines: BTreeMap::new(),
            pools: BTreeMap::new(),
        }
    }
}

/// Levels of one pool; what is not said is as in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolLevels {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub general: Option<Level>,
    pub lines: BTreeMap<ProductLine, Level>,
}

/// How much of a pool is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Level {
    /// Thousandths of the nodes, rounded up. With a forecast: until a day has been seen.
    pub permille: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

/// As much as was used at the peak of that part of the last days' hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Forecast {
    pub quantile_permille: u32,
    pub days: u32,
    pub floor_permille: u32,
    pub ceiling_permille: u32,
}

impl Default for Forecast {
    fn default() -> Forecast {
        Forecast { quantile_permille: 950, days: 14, floor_permille: 0, ceiling_permille: 1_000 }
    }
}

impl Level {
    const fn fault(&self) -> Option<&'static str> {
        if self.permille > 1_000 {
            return Some("`permille` is at most 1000, which is all of a pool");
        }
        match &self.forecast {
            Some(forecast) => forecast.fault(),
            None => None,
        }
    }

    /// Nodes of a pool of so many, given the peaks of past hours in thousandths of a node.
    fn nodes(&self, of: u32, past: &[u32]) -> u32 {
        let share = |permille: u32| (u64::from(of) * u64::from(permille)).div_ceil(1_000) as u32;
        let Some(forecast) = self.forecast else { return share(self.permille) };
        let seen = &past[past.len().saturating_sub(forecast.days as usize * HOURS_A_DAY)..];
        if seen.len() < HOURS_A_DAY {
            return share(self.permille);
        }
        let mut sorted = seen.to_vec();
        sorted.sort_unstable();
        let rank = (sorted.len() * forecast.quantile_permille as usize).div_ceil(1_000).max(1);
        let ceiling = (u64::from(of) * u64::from(forecast.ceiling_permille) / 1_000) as u32;
        sorted[rank - 1].div_ceil(1_000).max(share(forecast.floor_permille)).min(ceiling)
    }
}

impl Forecast {
    const fn fault(&self) -> Option<&'static str> {
        match () {
            () if self.quantile_permille == 0 || self.quantile_permille > 1_000 => {
                Some("`quantile_permille` is 1 to 1000")
            }
            () if self.days == 0 || self.days > DAYS_MAX => Some("`days` is 1 to 90"),
            () if self.floor_permille > self.ceiling_permille || self.ceiling_permille > 1_000 => {
                Some("`floor_permille` is at most `ceiling_permille`, and that at most 1000")
            }
            () => None,
        }
    }
}

impl Reserve {
    /// Why it is none.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let of_pools = self.pools.values().flat_map(|p| p.general.iter().chain(p.lines.values()));
        let mut levels = self.lines.values().chain(of_pools);
        self.forecast.as_ref().and_then(Forecast::fault).or_else(|| levels.find_map(Level::fault))
    }

    /// Levels of a pool by product line, the general one first; those that keep nothing are left out.
    fn levels<'a>(&'a self, pool: &'a str, permille: u32) -> impl Iterator<Item = (Option<ProductLine>, Level)> + 'a {
        let own = self.pools.get(pool);
        let all = Level { permille, forecast: self.forecast };
        let general = own.and_then(|own| own.general).unwrap_or(all);
        let of_line = move |line: ProductLine| {
            let level = own.and_then(|own| own.lines.get(&line)).or_else(|| self.lines.get(&line))?;
            Some((Some(line), *level))
        };
        std::iter::once((None, general))
            .chain(ProductLine::ALL.into_iter().filter_map(of_line))
            .filter(|(_, level)| *level != Level::default())
    }

    fn keeps_for_lines(&self) -> bool {
        !self.lines.is_empty() || self.pools.values().any(|p| !p.lines.is_empty())
    }
}

const fn keeper(line: Option<ProductLine>) -> Dips {
    match line {
        None => GENERAL,
        Some(line) => Dips::keeper(1 + line as u8),
    }
}

/// The highest use in the running hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peak {
    hour: i64,
    milli_nodes: u32,
}

impl Engine {
    /// What the rules say of a job. `moved`: it was moved away from elsewhere, or its run was broken off.
    pub(crate) fn standing(&self, tenant: TenantId, spec: &JobSpec, moved: bool) -> Standing {
        let reserve = &self.policy.steering.reserve;
        let ties = self.ties(tenant, spec);
        let tenant_id = tenant;
        let tenant = self.tenants.get(&tenant).map(|entry| &entry.tenant);
        let tier = self.tier(tenant_id);
        let regions = tenant.map_or_else(Default::default, |tenant| tenant.regions.clone());
        let anything = spec.class == PriorityClass::Urgent && reserve.urgent
            || moved && reserve.replacements
            || tier.is_contracted() && reserve.contracted;
        let general = if reserve.elastic.contains(&spec.line) { GENERAL } else { Dips::NONE };
        let dips = match anything {
            true => Dips::ALL,
            false if reserve.keeps_for_lines() => general.and(keeper(Some(spec.line))),
            false => general,
        };
        let gbps_min = self.policy.steering.training.gbps_min(spec);
        Standing {
            dips,
            draws: self.policy.steering.tiers.of(tier),
            regions,
            places: spec.regions.as_slice().into(),
            gbps_min,
            app: self.app(spec),
            ties,
            unpriced: self.unpriced(tenant_id, spec),
        }
    }

    /// What is kept of a pool, for whom, in nodes.
    pub(crate) fn kept(&self, pool: &Pool) -> Vec<(Dips, u32)> {
        if pool.mode != SupplyMode::Own {
            return Vec::new();
        }
        let steering = &self.policy.steering;
        let nodes = |(line, level): (Option<ProductLine>, Level)| {
            let past = pool.past_use.iter().find(|past| past.line == line);
            let nodes = level.nodes(pool.nodes.len() as u32, past.map_or(&[], |past| &past.peaks));
            (nodes > 0).then_some((keeper(line), nodes))
        };
        steering.reserve.levels(&pool.name, steering.reserve_permille).filter_map(nodes).collect()
    }

    /// Whether work of a job is of the demand for which a level is kept.
    fn is_demand(&self, line: Option<ProductLine>, dips: Dips, of: ProductLine) -> bool {
        line.map_or(dips.reach(GENERAL), |line| line == of)
    }

    /// Notes what is used of the levels that follow their demand. When an hour is over its peak is stored, and the level is
    /// set anew.
    pub(crate) fn note_demand(&mut self, out: &mut Batch) {
        let steering = &self.policy.steering;
        let follows = |pool: &Pool| -> Vec<Option<ProductLine>> {
            let levels = steering.reserve.levels(&pool.name, steering.reserve_permille);
            levels.filter(|(_, level)| level.forecast.is_some()).map(|(line, _)| line).collect()
        };
        let own = self.pools.values().map(|entry| &entry.pool).filter(|pool| pool.mode == SupplyMode::Own);
        let watched: BTreeMap<PoolId, Vec<Option<ProductLine>>> =
            own.map(|pool| (pool.id, follows(pool))).filter(|(_, lines)| !lines.is_empty()).collect();
        if watched.is_empty() {
            self.demand_peaks.clear();
            return;
        }
        let used = self.used_of(&watched);
        let hour = self.now.as_micros().div_euclid(HOUR_MICROS);
        for (pool, lines) in watched {
            let mut over = Vec::new();
            for line in lines {
                let now = used.get(&(pool, line)).copied().unwrap_or(0);
                let peak = self.demand_peaks.entry((pool, line)).or_insert(Peak { hour, milli_nodes: 0 });
                if peak.hour < hour {
                    over.push((line, *peak));
                    *peak = Peak { hour, milli_nodes: 0 };
                }
                peak.milli_nodes = peak.milli_nodes.max(now);
            }
            if !over.is_empty() {
                self.end_hour(pool, over, hour, out);
            }
        }
    }

    /// Thousandths of a node in use, by pool and product line.
    fn used_of(
        &self,
        watched: &BTreeMap<PoolId, Vec<Option<ProductLine>>>,
    ) -> BTreeMap<(PoolId, Option<ProductLine>), u32> {
        let mut used = BTreeMap::new();
        for attempt in self.attempts.values().filter(|a| a.phase != AttemptPhase::Abandoned) {
            let (Some(lines), Some(entry)) = (watched.get(&attempt.pool), self.jobs.get(&attempt.id.job)) else {
                continue;
            };
            let (Some(pool), spec) = (self.pools.get(&attempt.pool), &entry.spec.spec) else { continue };
            let dips = self.standing(entry.job.tenant, spec, entry.job.avoid.is_some()).dips;
            let (asked, shape) = (spec.request.per_node, pool.pool.shape);
            let part = |asked: u64, of: u64| (asked.saturating_mul(1_000)).checked_div(of).unwrap_or(0);
            let most = part(asked.cpu.0, shape.cpu.0)
                .max(part(asked.mem.mib_ceil(), shape.mem.mib_ceil()))
                .max(part(asked.gpus.into(), shape.gpus.into()));
            let milli = u32::try_from(most * u64::from(spec.request.nodes)).unwrap_or(u32::MAX);
            for line in lines.iter().copied().filter(|line| self.is_demand(*line, dips, spec.line)) {
                let sum: &mut u32 = used.entry((attempt.pool, line)).or_default();
                *sum = sum.saturating_add(milli);
            }
        }
        used
    }

    fn end_hour(&mut self, id: PoolId, over: Vec<(Option<ProductLine>, Peak)>, hour: i64, out: &mut Batch) {
        let Some(entry) = self.pools.get_mut(&id) else { return };
        let pool = &mut entry.pool;
        let seen = Arc::make_mut(&mut pool.past_use);
        for (line, peak) in over {
            if !seen.iter().any(|past| past.line == line) {
                seen.push(PastUse { line, until_hour: peak.hour, peaks: Vec::new() });
            }
            for past in seen.iter_mut().filter(|past| past.line == line) {
                past.note(peak.hour, peak.milli_nodes, hour, DAYS_MAX as usize * HOURS_A_DAY);
            }
        }
        out.records.push(Record::Pool(pool.clone()));
        if let Some(view) = self.pools.get(&id).map(|entry| self.view(entry))
            && self.sched.reserve_of(id) != view.reserve
        {
            self.sched.upsert_pool(view);
            self.admissions.clear();
            self.recount([id], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_follows_its_demand_between_floor_and_ceiling() {
        let forecast = Forecast { quantile_permille: 500, days: 2, floor_permille: 100, ceiling_permille: 600 };
        let level = Level { permille: 250, forecast: Some(forecast) };
        // Too little was seen: the share.
        assert_eq!((level.nodes(10, &[]), level.nodes(10, &[9_000; 23])), (3, 3));
        let hours = |n: usize, milli: u32| vec![milli; n];
        assert_eq!(level.nodes(10, &hours(24, 2_001)), 3);
        assert_eq!(level.nodes(10, &hours(24, 0)), 1, "the floor");
        assert_eq!(level.nodes(10, &hours(24, 9_000)), 6, "the ceiling");
        // The older of three days is forgotten; of the rest half the hours are quiet.
        let days = [hours(24, 6_000), hours(24, 1_500), hours(24, 4_000)].concat();
        assert_eq!(level.nodes(10, &days), 2);
        let wary = Level { forecast: Some(Forecast { quantile_permille: 501, ..forecast }), ..level };
        assert_eq!(wary.nodes(10, &days), 4);
        assert_eq!(Level { permille: 1, forecast: None }.nodes(10, &days), 1);
    }

    #[test]
    fn a_pool_may_have_levels_of_its_own() {
        let level = |permille| Level { permille, forecast: None };
        let reserve = Reserve {
            lines: [(ProductLine::Ai, level(200)), (ProductLine::Render, level(100))].into(),
            pools: [(
                "big".to_owned(),
                PoolLevels { general: Some(level(0)), lines: [(ProductLine::Ai, level(300))].into() },
            )]
            .into(),
            ..Reserve::default()
        };
        let of = |pool| reserve.levels(pool, 50).map(|(line, level)| (line, level.permille)).collect::<Vec<_>>();
        let (ai, render) = (Some(ProductLine::Ai), Some(ProductLine::Render));
        assert_eq!(of("small"), [(None, 50), (ai, 200), (render, 100)]);
        assert_eq!(of("big"), [(ai, 300), (render, 100)]);
        assert_eq!(reserve.fault(), None);
        let wrong = Reserve { lines: [(ProductLine::Ai, level(1_001))].into(), ..Reserve::default() };
        assert!(wrong.fault().is_some());
    }
}
