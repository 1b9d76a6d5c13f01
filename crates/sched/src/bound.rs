//! What stands beside the amounts when a pool is asked: features, switches, times in which nodes are kept for others, and the
//! cluster's purse. Requests and pools without any of it never come here.

use std::sync::Arc;

use model::{AllOf, AnyOf, Conditions, Counted, PoolTerms, Reason, Request};

use crate::pool::{NoPick, Node, Pool, Stay, left};
use crate::profile::{NOW, Respect, Scratch};
use crate::purse::{Kind, Purse, Short};
use crate::rule::Rule;
use crate::standing::Dips;

/// A request as it is put to pools.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub request: &'a Request,
    pub dips: Dips,
}

impl<'a> Ask<'a> {
    pub fn conditions(&self) -> Option<&'a Conditions> {
        self.request.conditions.as_deref()
    }
    fn reservation(&self) -> Option<&'a str> {
        self.conditions()?.reservation.as_deref()
    }
    fn switches_max(&self) -> Option<u32> {
        self.conditions()?.switches.map(|s| s.count)
    }
    fn choices(&self) -> &'a [AnyOf] {
        self.conditions().and_then(|c| c.constraint.as_ref()).map_or(&[], |c| c.choices())
    }
}

/// A time in which some nodes of a pool are kept for those who name it.
#[derive(Clone, Debug)]
pub(crate) struct Closure {
    pub name: Arc<str>,
    /// Microseconds since the epoch.
    pub from: i64,
    pub until: i64,
    pub ours: bool,
    pub nodes: Vec<bool>,
}

/// No switch is known.
const NOWHERE: u32 = u32::MAX;

/// [`PoolTerms`] as the scheduler looks at them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    pub terms: Arc<PoolTerms>,
    features: Vec<(Arc<str>, Vec<bool>)>,
    /// By node; empty when no switch is known at all.
    switch_of: Vec<u32>,
    pub closures: Vec<Closure>,
}

impl Bounds {
    pub fn new(terms: Arc<PoolTerms>, nodes: usize) -> Bounds {
        let places = |places: &model::Places| {
            let mut at = vec![false; nodes];
            places.iter().filter_map(|p| usize::try_from(p).ok()).for_each(|p| {
                if let Some(node) = at.get_mut(p) {
                    *node = true;
                }
            });
            at
        };
        let features = terms.features.iter().map(|(name, at)| (name.clone(), places(at))).collect();
        let mut switch_of = Vec::new();
        for (switch, (_, at)) in (0..).zip(&terms.switches) {
            switch_of.resize(nodes, NOWHERE);
            for place in at.iter().filter_map(|p| usize::try_from(p).ok()).filter(|p| *p < nodes) {
                switch_of[place] = switch;
            }
        }
        Bounds { terms, features, switch_of, closures: Vec::new() }
    }

    pub fn has_switches(&self) -> bool {
        !self.switch_of.is_empty()
    }
    fn switch(&self, node: u32) -> u32 {
        self.switch_of.get(node as usize).copied().unwrap_or(NOWHERE)
    }
    fn has(&self, feature: &str, node: usize) -> bool {
        self.features.iter().any(|(name, at)| &**name == feature && at[node])
    }

    /// The nodes that such an ask may use at all, one list for each choice it leaves; `None` in it: all nodes.
    fn masks(&self, ask: Ask<'_>, nodes: usize) -> Vec<Option<Vec<bool>>> {
        let inside = ask.reservation().map(|name| {
            let of_name = |node| self.closures.iter().any(|c| c.ours && &*c.name == name && c.nodes[node]);
            (0..nodes).map(of_name).collect::<Vec<bool>>()
        });
        if ask.choices().is_empty() {
            return vec![inside];
        }
        let fulfils = |ways: &AnyOf, node| {
            let all = |way: &AllOf| way.iter().all(|feature| self.has(feature, node));
            ways.iter().any(all)
        };
        let mask = |ways: &AnyOf| {
            let allowed = |node: usize| inside.as_ref().is_none_or(|i| i[node]) && fulfils(ways, node);
            Some((0..nodes).map(allowed).collect())
        };
        ask.choices().iter().map(mask).collect()
    }

    /// Whether work may run on a node from `begin` to `end`.
    pub fn open(&self, node: u32, reservation: Option<&str>, begin: i64, end: i64) -> bool {
        let on = || self.closures.iter().filter(|c| c.nodes[node as usize]);
        let named = |c: &&Closure| c.ours && reservation == Some(&*c.name);
        let inside = reservation.is_none() || on().filter(named).any(|c| c.from <= begin && end <= c.until);
        inside && on().filter(|c| !named(c)).all(|c| end <= c.from || c.until <= begin)
    }

    /// Moments after `now` at which a closure begins or ends.
    pub fn edges(&self, now: i64) -> impl Iterator<Item = i64> + '_ {
        self.closures.iter().flat_map(|c| [c.from, c.until]).filter(move |at| *at > now)
    }

    /// `count` of the nodes, which are in order of preference, below as few switches as possible; `None` when that is more
    /// than `most`.
    pub fn below_few_switches(&self, nodes: &[u32], count: usize, most: Option<u32>) -> Option<Vec<u32>> {
        if nodes.len() < count {
            return None;
        }
        let mut groups: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
        nodes.iter().for_each(|n| groups.entry(self.switch(*n)).or_default().push(*n));
        // The largest first; where one alone is enough the tightest.
        let mut order: Vec<(usize, u32)> = groups.iter().map(|(switch, nodes)| (nodes.len(), *switch)).collect();
        order.sort_unstable_by_key(|(size, switch)| (std::cmp::Reverse(*size), *switch));
        let (mut chosen, mut used) = (Vec::with_capacity(count), 0);
        while chosen.len() < count {
            let rest = count - chosen.len();
            let enough = order.iter().rposition(|(size, _)| *size >= rest);
            // Of those of the tightest size the first by number.
            let at = enough.map_or(0, |at| order.partition_point(|(size, _)| *size > order[at].0));
            let (_, switch) = order.remove(at);
            let group = &groups[&switch];
            chosen.extend(&group[..group.len().min(rest)]);
            // Nodes of which nobody knows the switch stand below as many as they are.
            used += if switch == NOWHERE { group.len().min(rest) as u32 } else { 1 };
        }
        (used <= most.unwrap_or(u32::MAX)).then_some(chosen)
    }

    /// Most nodes below so many switches, whatever their state.
    fn most_below(&self, switches: u32) -> u32 {
        let mut sizes: Vec<u32> = (0..self.terms.switches.len() as u32)
            .map(|switch| self.switch_of.iter().filter(|s| **s == switch).count() as u32)
            .collect();
        sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        sizes.iter().take(switches as usize).sum()
    }
}

impl Pool {
    /// True when nothing but nodes, amounts and claims decides about such an ask here.
    pub fn is_plain(&self, ask: Ask<'_>, purse: Option<&Purse>) -> bool {
        ask.conditions().is_none() && self.bounds.closures.is_empty() && purse.is_none_or(|p| !p.concerns(ask.request))
    }

    /// As [`Pool::pick`], for what is not plain.
    pub fn pick_bound(
        &self,
        ask: Ask<'_>,
        purse: Option<&Purse>,
        stay: Stay,
        out: &mut Vec<u32>,
    ) -> Result<(), NoPick> {
        let mut best = NoPick::NoRoom;
        for mask in self.bounds.masks(ask, self.nodes.len()) {
            let open = |node: u32| self.bounds.open(node, ask.reservation(), stay.now, stay.end);
            match self.pick_among(
                ask,
                ask.switches_max(),
                stay.clear,
                |n| mask.as_ref().is_none_or(|m| m[n as usize]),
                open,
                out,
            ) {
                Ok(()) if purse.is_none_or(|p| p.allows(&p.draw_of(ask.request), stay.clear)) => return Ok(()),
                Ok(()) => {
                    out.clear();
                    return Err(NoPick::Claimed);
                }
                Err(NoPick::Claimed) => best = NoPick::Claimed,
                Err(NoPick::NoRoom) => {}
            }
        }
        Err(best)
    }

    /// Rules of the terms that refuse such a request for good, whoever asks for however long.
    pub fn terms_refuse(&self, purse: Option<&Purse>, request: &Request) -> Option<Rule> {
        let terms = &self.bounds.terms;
        let requested = request.nodes;
        if let Some(available) = terms.nodes_min.filter(|min| requested < *min) {
            return Some(Rule::NodesMin { requested, available });
        }
        if let Some(available) = terms.job.nodes.filter(|max| requested > *max) {
            return Some(Rule::NodesMax { requested, available });
        }
        let total = request.total();
        let amounts = [
            (Counted::Cores, total.cpu.cores_ceil()),
            (Counted::Mem, total.mem.mib_ceil()),
            (Counted::Gpus, u64::from(total.gpus)),
        ];
        let over = |(what, requested): &(Counted, u64)| {
            let available = terms.job.of(*what).filter(|max| requested > max)?;
            Some(Rule::JobTotal { what: *what, requested: *requested, available })
        };
        if let Some(rule) = amounts.iter().find_map(over) {
            return Some(rule);
        }
        if let Some(conditions) = request.conditions.as_deref()
            && let Some(rule) = self.conditions_refuse(request, conditions)
        {
            return Some(rule);
        }
        let none = Purse::default();
        let purse = purse.unwrap_or(&none);
        if let Some((name, requested)) = purse.unknown(request) {
            return Some(Rule::Licence { name: name.clone(), requested, available: 0 });
        }
        purse.never(request).map(|short| match short.kind {
            Kind::Together(what) => Rule::ClusterTotal { what, requested: short.requested, available: short.available },
            Kind::Licence(name) => {
                Rule::Licence { name, requested: short.requested as u32, available: short.available as u32 }
            }
        })
    }

    fn conditions_refuse(&self, request: &Request, conditions: &Conditions) -> Option<Rule> {
        let ask = Ask { request, dips: Dips::ALL };
        let bounds = &self.bounds;
        let there = bounds.terms.interconnect.as_ref();
        if let Some(asked) = conditions.interconnect.as_ref().filter(|asked| !asked.met_by(there)) {
            let available = there.map_or_else(String::new, ToString::to_string);
            return Some(Rule::Interconnect { requested: asked.to_string().into(), available: available.into() });
        }
        if let Some(name) = &conditions.reservation
            && !bounds.closures.iter().any(|c| c.ours && c.name == *name)
        {
            let mut available: Vec<Arc<str>> =
                bounds.closures.iter().filter(|c| c.ours).map(|c| c.name.clone()).collect();
            available.dedup();
            return Some(Rule::Reservation { requested: name.clone(), available });
        }
        let masks = bounds.masks(ask, self.nodes.len());
        let most =
            masks.iter().map(|m| m.as_ref().map_or(self.nodes.len(), |m| m.iter().filter(|n| **n).count())).max();
        let available = most.unwrap_or(0) as u32;
        if available < request.nodes {
            let known =
                |feature: &Arc<str>| bounds.features.iter().any(|(name, at)| name == feature && at.contains(&true));
            let unknown =
                conditions.constraint.as_ref().and_then(|c| c.features().into_iter().find(|f| !known(f)).cloned());
            if let Some(feature) = unknown {
                return Some(Rule::FeatureUnknown { feature });
            }
            return Some(match (&conditions.constraint, &conditions.reservation) {
                (Some(constraint), _) => {
                    Rule::Features { constraint: constraint.as_str().into(), requested: request.nodes, available }
                }
                (None, _) => Rule::NodesTooFew { requested: request.nodes, available },
            });
        }
        let switches = conditions.switches.filter(|_| request.nodes > 1)?.count;
        let available = bounds.most_below(switches);
        (bounds.has_switches() && available < request.nodes).then_some(Rule::Switches {
            switches,
            requested: request.nodes,
            available,
        })
    }

    /// As [`Pool::has_room`], on nodes that such an ask may use.
    pub fn has_room_for(&self, ask: Ask<'_>) -> bool {
        let Request { nodes, per_node, .. } = ask.request;
        let has_room = self.has_room(per_node, *nodes, ask.dips);
        if !has_room || ask.conditions().is_none() {
            return has_room;
        }
        let masks = self.bounds.masks(ask, self.nodes.len());
        masks.iter().any(|mask| self.roomy(ask, mask).len() >= *nodes as usize)
    }

    fn roomy(&self, ask: Ask<'_>, mask: &Option<Vec<bool>>) -> Vec<u32> {
        let fits = |(i, node): (usize, &Node)| {
            let allowed = mask.as_ref().is_none_or(|m| m[i]);
            (allowed && node.takes(ask.dips) && ask.request.per_node.fits(&node.free)).then_some(i as u32)
        };
        self.nodes.iter().enumerate().filter_map(fits).collect()
    }

    /// Why nodes that have the room are not taken, when claims of others are not the cause.
    pub fn obstacle(&self, ask: Ask<'_>, purse: Option<&Purse>, now: i64, limit: i64) -> Option<Reason> {
        let pool = self.id;
        if let Some(Short { kind, requested, available }) = purse.and_then(|p| p.short(ask.request)) {
            return Some(match kind {
                Kind::Together(what) => Reason::ClusterTotal { pool, what, requested, available },
                Kind::Licence(name) => Reason::Licence { pool, name, requested, available },
            });
        }
        let (count, end) = (ask.request.nodes as usize, now.saturating_add(limit));
        let masks = self.bounds.masks(ask, self.nodes.len());
        let best = masks.iter().map(|mask| self.roomy(ask, mask)).max_by_key(Vec::len)?;
        if best.len() < count {
            return None;
        }
        let open: Vec<u32> =
            best.iter().copied().filter(|n| self.bounds.open(*n, ask.reservation(), now, end)).collect();
        if open.len() < count {
            let closes = |c: &&Closure| c.until > now && best.iter().any(|n| c.nodes[*n as usize]);
            let first = self.bounds.closures.iter().filter(closes).min_by_key(|c| (c.from, c.until))?;
            let at = |micros| base::Timestamp::from_micros(micros);
            return Some(Reason::Window {
                pool,
                name: first.name.clone(),
                from: at(first.from),
                until: at(first.until),
            });
        }
        let most = ask.switches_max().filter(|_| self.bounds.has_switches() && count > 1)?;
        match self.bounds.below_few_switches(&open, count, Some(most)) {
            Some(_) => None,
            None => Some(Reason::Switches { pool, switches: most, requested: ask.request.nodes }),
        }
    }
}

/// When such work of this length can start: like [`crate::profile::earliest`], with everything that bounds it. What is kept
/// for others in between does not count as room, so that an answer may lie beyond a time when there was room for a while.
#[allow(clippy::too_many_arguments, reason = "one question with all that it depends on")]
pub(crate) fn earliest_bound(
    pool: &Pool,
    purse: Option<&Purse>,
    ask: Ask<'_>,
    limit: i64,
    now: i64,
    respect: Respect,
    before: i64,
    scratch: &mut Scratch,
) -> Option<i64> {
    scratch.nodes.clear();
    if !pool.serves(ask.request.nodes, ask.dips) {
        return None;
    }
    let funded = match purse {
        Some(purse) => purse.earliest(&purse.draw_of(ask.request), respect, before)?,
        None => NOW,
    };
    let mut times: Vec<i64> = pool.runs.iter().map(|r| r.end).chain(pool.bounds.edges(now)).collect();
    times.extend([NOW, funded]);
    times.sort_unstable();
    times.dedup();
    let mut first: Option<(i64, Vec<u32>)> = None;
    for mask in pool.bounds.masks(ask, pool.nodes.len()) {
        let before = first.as_ref().map_or(before, |(found, _)| *found);
        let times = times.iter().copied().take_while(|t| *t < before);
        let from = Search { pool, ask, mask, limit, now, funded };
        first = from.first(times, respect).or(first);
    }
    let (start, nodes) = first?;
    scratch.nodes = nodes;
    scratch.nodes.sort_unstable();
    Some(start)
}

struct Search<'a> {
    pool: &'a Pool,
    ask: Ask<'a>,
    mask: Option<Vec<bool>>,
    limit: i64,
    now: i64,
    funded: i64,
}

impl Search<'_> {
    fn first(&self, times: impl Iterator<Item = i64>, respect: Respect) -> Option<(i64, Vec<u32>)> {
        let pool = self.pool;
        let mut used: Vec<_> = pool.nodes.iter().map(|n| n.used).collect();
        if let Respect::ClaimsExcept(own) = respect {
            for claim in pool.claims.iter().filter(|c| Some(c.job) != own) {
                claim.nodes.iter().for_each(|&n| used[n as usize] = used[n as usize].plus(&claim.per_node));
            }
        }
        // In the order in which they came to have room.
        let mut roomy: Vec<u32> = Vec::new();
        let mut has_room = vec![false; pool.nodes.len()];
        let mut runs = pool.runs.iter().peekable();
        for time in times {
            while let Some(run) = runs.next_if(|r| r.end <= time) {
                for &n in run.nodes.as_slice() {
                    used[n as usize] = left(&used[n as usize], &run.per_node);
                }
            }
            for (i, node) in (0..).zip(&pool.nodes) {
                let at = i as usize;
                let allowed = self.mask.as_ref().is_none_or(|m| m[at]) && node.takes(self.ask.dips);
                if !has_room[at] && allowed && self.ask.request.per_node.plus(&used[at]).fits(&pool.shape) {
                    has_room[at] = true;
                    roomy.push(i);
                }
            }
            if time >= self.funded
                && let Some(nodes) = self.choose(&roomy, time.max(self.now))
            {
                return Some((time, nodes));
            }
        }
        None
    }

    fn choose(&self, roomy: &[u32], begin: i64) -> Option<Vec<u32>> {
        let bounds = &self.pool.bounds;
        let end = begin.saturating_add(self.limit);
        let reservation = self.ask.reservation();
        let mut open: Vec<u32> = roomy.iter().copied().filter(|n| bounds.open(*n, reservation, begin, end)).collect();
        let count = self.ask.request.nodes as usize;
        match self.ask.switches_max().filter(|_| count > 1 && bounds.has_switches()) {
            Some(most) => bounds.below_few_switches(&open, count, Some(most)),
            None => (open.len() >= count).then(|| {
                open.truncate(count);
                open
            }),
        }
    }
}
