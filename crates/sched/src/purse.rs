//! What all work of the platform on one cluster may take together: its account's limits there, and licences. A second
//! profile beside that of the nodes. Refuses to know nodes and the queue.

use std::sync::Arc;

use base::{JobId, Resources};
use model::{Caps, Conditions, Counted, Request};

use crate::pool::FOREIGN;
use crate::profile::{NOW, Respect};
use crate::view::LicenceView;

/// One thing that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bounded for the account.
    Together(Counted),
    Licence(Arc<str>),
}

/// What there is too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub kind: Kind,
    pub requested: u64,
    pub available: u64,
}

/// Amounts by kind, as the purse lists them.
pub(crate) type Draw = Box<[u64]>;

#[derive(Clone, Debug)]
struct Spend {
    /// As in [`crate::pool::Occupation`].
    end: i64,
    run: u32,
    draw: Draw,
}

/// What a blocked job ahead is to find from a time on.
#[derive(Clone, Debug)]
struct Claim {
    job: JobId,
    from: i64,
    draw: Draw,
    /// Left at `from` beside it.
    spare: Draw,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Purse {
    kinds: Vec<Kind>,
    cap: Vec<u64>,
    used: Vec<u64>,
    /// By `(end, run)`.
    spends: Vec<Spend>,
    claims: Vec<Claim>,
}

impl Purse {
    /// An empty one; `others_until`: when what others hold of licences is taken to come back.
    pub fn new(together: &Caps, licences: &[LicenceView], others_until: i64) -> Purse {
        let bounded = Counted::ALL.iter().filter_map(|k| Some((Kind::Together(*k), together.of(*k)?)));
        let counted = licences.iter().map(|l| (Kind::Licence(l.name.clone()), u64::from(l.total)));
        let (kinds, cap): (Vec<Kind>, Vec<u64>) = bounded.chain(counted).unzip();
        let used = vec![0; kinds.len()];
        let mut purse = Purse { kinds, cap, used, ..Purse::default() };
        for licence in licences.iter().filter(|l| l.others > 0) {
            let place = purse.kinds.iter().position(|k| *k == Kind::Licence(licence.name.clone()));
            let mut draw: Draw = vec![0; purse.kinds.len()].into();
            if let Some(place) = place {
                draw[place] = u64::from(licence.others);
                purse.spend(others_until, FOREIGN + place as u32, draw);
            }
        }
        purse
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
    /// True when such a request takes any of what is counted here.
    pub fn concerns(&self, request: &Request) -> bool {
        let licences = request.conditions.as_ref().is_some_and(|c| !c.licences.is_empty());
        licences || matches!(self.kinds.first(), Some(Kind::Together(_)))
    }

    /// What a job of so many nodes takes.
    pub fn draw(&self, nodes: u32, total: &Resources, conditions: Option<&Conditions>) -> Draw {
        let amount = |kind: &Kind| match kind {
            Kind::Together(Counted::Jobs) => 1,
            Kind::Together(Counted::Nodes) => u64::from(nodes),
            Kind::Together(Counted::Cores) => total.cpu.cores_ceil(),
            Kind::Together(Counted::Mem) => total.mem.mib_ceil(),
            Kind::Together(Counted::Gpus) => u64::from(total.gpus),
            Kind::Licence(name) => u64::from(conditions.map_or(0, |c| c.licence(name))),
        };
        self.kinds.iter().map(amount).collect()
    }
    pub fn draw_of(&self, request: &Request) -> Draw {
        self.draw(request.nodes, &request.total(), request.conditions.as_deref())
    }

    /// What could never be had, however empty the cluster.
    pub fn never(&self, request: &Request) -> Option<Short> {
        let draw = self.draw_of(request);
        let over = |(i, kind): (usize, &Kind)| {
            let (requested, available) = (draw[i], self.cap[i]);
            (requested > available).then(|| Short { kind: kind.clone(), requested, available })
        };
        self.kinds.iter().enumerate().find_map(over)
    }
    /// A licence of the request that is not counted here.
    pub fn unknown<'a>(&self, request: &'a Request) -> Option<(&'a Arc<str>, u32)> {
        let asked = request.conditions.as_ref().map_or(&[][..], |c| &c.licences);
        let known = |name: &Arc<str>| self.kinds.iter().any(|k| matches!(k, Kind::Licence(n) if n == name));
        asked.iter().find(|(name, _)| !known(name)).map(|(name, count)| (name, *count))
    }
    /// What there is too little of now.
    pub fn short(&self, request: &Request) -> Option<Short> {
        let draw = self.draw_of(request);
        let over = |(i, kind): (usize, &Kind)| {
            let (requested, available) = (draw[i], self.cap[i].saturating_sub(self.used[i]));
            (requested > available && requested > 0).then(|| Short { kind: kind.clone(), requested, available })
        };
        self.kinds.iter().enumerate().find_map(over)
    }

    /// Work that takes so much may start now, if claims take it to be gone by `clear`.
    pub fn allows(&self, draw: &[u64], clear: i64) -> bool {
        self.holds(&self.used, draw) && self.claims.iter().all(|c| clear <= c.from || fits(draw, &c.spare))
    }

    /// When there is enough: [`NOW`], or the expected end after which there is; `None` when it is not before `before`.
    pub fn earliest(&self, draw: &[u64], respect: Respect, before: i64) -> Option<i64> {
        let mut used = self.used.clone();
        if let Respect::ClaimsExcept(own) = respect {
            for claim in self.claims.iter().filter(|c| Some(c.job) != own) {
                add(&mut used, &claim.draw);
            }
        }
        if self.holds(&used, draw) {
            return Some(NOW);
        }
        for spend in self.spends.iter().take_while(|s| s.end < before) {
            take(&mut used, &spend.draw);
            if self.holds(&used, draw) {
                return Some(spend.end);
            }
        }
        None
    }

    pub fn spend(&mut self, end: i64, run: u32, draw: Draw) {
        if draw.iter().all(|amount| *amount == 0) {
            return;
        }
        add(&mut self.used, &draw);
        for claim in self.claims.iter_mut().filter(|c| end > c.from) {
            take(&mut claim.spare, &draw);
        }
        let at = self.spends.partition_point(|s| (s.end, s.run) < (end, run));
        self.spends.insert(at, Spend { end, run, draw });
    }

    /// Gives back what a run took; `None` when it took nothing.
    pub fn refund(&mut self, end: i64, run: u32) -> Option<Draw> {
        let at = self.spends.partition_point(|s| (s.end, s.run) < (end, run));
        self.spends.get(at).filter(|s| (s.end, s.run) == (end, run))?;
        let gone = self.spends.remove(at);
        take(&mut self.used, &gone.draw);
        Some(gone.draw)
    }

    /// What others hold goes on until `end` where it should have come back by `now`. The first time that is due again.
    pub fn prolong(&mut self, now: i64, end: i64) -> (bool, i64) {
        let late: Vec<(i64, u32)> =
            self.spends.iter().filter(|s| s.run >= FOREIGN && s.end <= now).map(|s| (s.end, s.run)).collect();
        for (old, run) in &late {
            if let Some(draw) = self.refund(*old, *run) {
                self.spend(end, *run, draw);
            }
        }
        let next = self.spends.iter().filter(|s| s.run >= FOREIGN).map(|s| s.end).min();
        (!late.is_empty(), next.unwrap_or(i64::MAX))
    }

    pub fn claim(&mut self, job: JobId, from: i64, draw: Draw) {
        let mut used = self.used.clone();
        self.spends.iter().take_while(|s| s.end <= from).for_each(|s| take(&mut used, &s.draw));
        add(&mut used, &draw);
        let spare = self.cap.iter().zip(&used).map(|(cap, used)| cap.saturating_sub(*used)).collect();
        self.claims.push(Claim { job, from, draw, spare });
    }
    pub fn clear_claims(&mut self) {
        self.claims.clear();
    }

    fn holds(&self, used: &[u64], draw: &[u64]) -> bool {
        // What asks for nothing of a kind is not kept away by others who took too much of it.
        (0..draw.len()).all(|i| draw[i] == 0 || used[i].saturating_add(draw[i]) <= self.cap[i])
    }
}

fn fits(draw: &[u64], room: &[u64]) -> bool {
    draw.iter().zip(room).all(|(draw, room)| *draw == 0 || draw <= room)
}
fn add(sum: &mut [u64], part: &[u64]) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.saturating_add(*part));
}
fn take(sum: &mut [u64], part: &[u64]) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.saturating_sub(*part));
}
