//! Several clusters, each with its own queue and policy, and a router that sends every job somewhere when it arrives; ours may
//! send it on while it waits. No transfer cost, equal speeds: the setting of meta-scheduling studies (M. Jones and W. Ligon;
//! F. Guim, I. Rodero et al.). Of one instant, ends come first, then the arrivals one by one, then what is sent on; a cluster
//! decides after its ends and whenever a job joins or leaves its queue.

mod ours;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::ControlFlow;

use base::{Seed, Stream};
use sched::batch::{JobNo, Policy, Profile};

use self::ours::Ours;
use super::{EVENTS_PER_LOOK, Load, Machine, Played, PolicyFault, Progress, UNSTARTED, Watch};

/// A cluster by its size and what its own users submit.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    pub procs: u32,
    /// Times from 0.
    pub load: &'a Load,
}

/// Where a job goes when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Where it was submitted.
    Home,
    /// To a cluster that could hold it, by chance.
    Random,
    /// To the least (busy + queued + its own processors) / size; home where it is as little.
    LeastLoad,
    /// To the earliest start by a conservative profile over estimates; home where it is as early, else to the least busy share.
    EarliestStart,
    /// Ours: home unless the gain counts against the job's length; waiting jobs are sent on to where processors come free.
    Headworks,
    /// All clusters are one machine.
    Pooled,
}

impl Router {
    /// With the names by which they are asked for.
    pub const ALL: &[(&'static str, Self)] = &[
        ("home", Self::Home),
        ("random", Self::Random),
        ("least-load", Self::LeastLoad),
        ("earliest-start", Self::EarliestStart),
        ("headworks", Self::Headworks),
        ("pooled", Self::Pooled),
    ];
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Brokered {
    /// All jobs in order of arrival; of one instant, in the order of the clusters.
    pub load: Load,
    pub played: Played,
    /// The cluster each job was submitted at.
    pub homes: Vec<u16>,
    /// Where it ran or at last waited; none where it never arrived.
    pub hosts: Vec<Option<u16>>,
    /// How often it was sent on while it waited.
    pub sent_on: Vec<u16>,
}

/// What decides: the router, and in each cluster a policy of its own.
#[derive(Clone, Copy)]
pub struct Rule<'a> {
    pub router: Router,
    /// Makes a cluster's policy.
    pub policy: &'a dyn Fn() -> Box<dyn Policy>,
}

/// Plays all loads together.
///
/// # Errors
/// Those of the policies.
pub fn broker(homes: &[Home<'_>], rule: Rule<'_>, seed: &Seed, watch: Watch<'_>) -> Result<Brokered, PolicyFault> {
    let (load, from) = merged(homes);
    let Rule { router, policy } = rule;
    let total = homes.iter().map(|home| home.procs).sum();
    let machines = match router {
        Router::Pooled => vec![Machine::new(total, policy())],
        _ => homes.iter().map(|home| Machine::new(home.procs, policy())).collect(),
    };
    let mut fleet = Fleet {
        router,
        waiting: vec![Vec::new(); machines.len()],
        machines,
        stream: seed.child("router").stream(),
        profile: Profile::default(),
        ends: Vec::new(),
        ours: Ours::default(),
    };
    let mut done = Brokered {
        played: Played { starts_s: vec![UNSTARTED; load.jobs.len()], is_complete: false },
        hosts: vec![None; load.jobs.len()],
        sent_on: vec![0; load.jobs.len()],
        homes: from,
        load,
    };
    done.played.is_complete = fleet.play(&mut done, watch)?;
    Ok(done)
}

/// All jobs in one load, with their homes. Users of two clusters are two users, whatever their numbers.
fn merged(homes: &[Home<'_>]) -> (Load, Vec<u16>) {
    let mut order: Vec<(i64, u16, usize)> = Vec::new();
    for (home, at) in (0u16..).zip(homes) {
        order.extend(at.load.jobs.iter().enumerate().map(|(index, job)| (job.submit_s, home, index)));
    }
    order.sort_unstable();
    let mut load = Load::default();
    let mut from = Vec::with_capacity(order.len());
    let mut users: HashMap<(u16, u32), u32> = HashMap::new();
    for (no, (_, home, index)) in (0u32..).zip(order) {
        let source = homes[home as usize].load;
        let job = source.jobs[index];
        let user = job.user.map(|user| {
            let next = u32::try_from(users.len()).unwrap_or(u32::MAX);
            *users.entry((home, user)).or_insert(next)
        });
        load.jobs.push(sched::batch::Job { no, user, ..job });
        load.runs_s.push(source.runs_s[index]);
        load.records.push(source.records[index]);
        from.push(home);
    }
    (load, from)
}

struct Fleet {
    router: Router,
    machines: Vec<Machine>,
    /// For each machine its waiting jobs in order of arrival, as the router sees them.
    waiting: Vec<Vec<JobNo>>,
    stream: Stream,
    profile: Profile,
    ends: Vec<(i64, u32)>,
    ours: Ours,
}

impl Fleet {
    /// Whether it came to its end.
    fn play(&mut self, done: &mut Brokered, watch: Watch<'_>) -> Result<bool, PolicyFault> {
        let (mut next, mut ended, mut events) = (0, 0, 0u64);
        let jobs = done.load.jobs.len();
        loop {
            let arrival_s = done.load.jobs.get(next).map_or(i64::MAX, |job| job.submit_s);
            let ends = self.machines.iter().map(|machine| machine.next_end_s().min(machine.wake_s()));
            let now_s = ends.fold(arrival_s, i64::min);
            if now_s == i64::MAX {
                let _ = watch(Progress { ended, jobs });
                return Ok(true);
            }
            for at in 0..self.machines.len() {
                if self.machines[at].next_end_s().min(self.machines[at].wake_s()) <= now_s {
                    self.learn(now_s, at, done);
                    ended += self.machines[at].end_due(now_s, &done.load, &done.played.starts_s);
                    self.decide(now_s, at, done)?;
                }
            }
            while next < jobs && done.load.jobs[next].submit_s <= now_s {
                let host = self.route(now_s, next, done);
                self.machines[host].arrive(now_s, &done.load.jobs[next]);
                self.waiting[host].push(done.load.jobs[next].no);
                done.hosts[next] = u16::try_from(host).ok();
                next += 1;
                self.decide(now_s, host, done)?;
            }
            self.send_on(now_s, done)?;
            events += 1;
            if events.is_multiple_of(EVENTS_PER_LOOK) && watch(Progress { ended, jobs }) == ControlFlow::Break(()) {
                return Ok(false);
            }
        }
    }

    /// What our router learns from the ends that are due. The others learn nothing, and nothing is sent on.
    fn learn(&mut self, now_s: i64, at: usize, done: &Brokered) {
        if self.router != Router::Headworks {
            return;
        }
        self.ours.freed.push(at);
        for no in self.machines[at].due(now_s) {
            self.ours.forecast.ran(&done.load.jobs[no as usize], now_s - done.played.starts_s[no as usize]);
        }
    }

    fn decide(&mut self, now_s: i64, at: usize, done: &mut Brokered) -> Result<(), PolicyFault> {
        self.machines[at].decide(now_s, &done.load, &mut done.played.starts_s)?;
        self.waiting[at].retain(|no| done.played.starts_s[*no as usize] == UNSTARTED);
        Ok(())
    }

    fn route(&mut self, now_s: i64, no: usize, done: &Brokered) -> usize {
        let (home, procs) = (done.homes[no] as usize, done.load.jobs[no].procs);
        if matches!(self.router, Router::Home | Router::Pooled) {
            return if self.router == Router::Home { home } else { 0 };
        }
        let feasible: Vec<usize> = (0..self.machines.len()).filter(|at| self.machines[*at].procs() >= procs).collect();
        if self.router == Router::Headworks {
            return self.leaves_for(now_s, no, &feasible, done);
        }
        // A job fits at home: its own load left out what does not.
        if feasible.len() < 2 {
            return home;
        }
        match self.router {
            Router::Random => *self.stream.pick(&feasible),
            Router::LeastLoad => {
                let load = |at: usize| self.machines[at].demand() + u64::from(procs);
                let least = feasible
                    .into_iter()
                    .min_by(|a, b| self.share(load(*a), *a, load(*b), *b).then((*a != home).cmp(&(*b != home))));
                least.unwrap_or(home)
            }
            _ => self.earliest(now_s, no, &feasible, done).map_or(home, |first| first.1),
        }
    }

    /// When and where a job would start first; home where it is as early, else the least busy share.
    fn earliest(&mut self, now_s: i64, no: usize, feasible: &[usize], done: &Brokered) -> Option<(i64, usize)> {
        let home = done.homes[no] as usize;
        let starts: Vec<(i64, usize)> =
            feasible.iter().map(|at| (self.predicted_s(now_s, no, *at, done), *at)).collect();
        let busy = |at: usize| u64::from(self.machines[at].procs() - self.machines[at].free());
        starts.into_iter().min_by(|a, b| {
            let by_time = a.0.cmp(&b.0).then((a.1 != home).cmp(&(b.1 != home)));
            by_time.then_with(|| self.share(busy(a.1), a.1, busy(b.1), b.1))
        })
    }

    /// Compares `x` over the size of `a` with `y` over the size of `b`, without dividing.
    fn share(&self, x: u64, a: usize, y: u64, b: usize) -> Ordering {
        let size = |at: usize| u64::from(self.machines[at].procs());
        (x * size(b)).cmp(&(y * size(a)))
    }

    /// When a job would start behind all that waits there, every one with a reservation in order of arrival.
    fn predicted_s(&mut self, now_s: i64, no: usize, at: usize, done: &Brokered) -> i64 {
        let load = &done.load;
        self.begin(now_s, at, done);
        for &waiting in &self.waiting[at] {
            let job = &load.jobs[waiting as usize];
            let start_s = self.profile.earliest(job.procs, job.estimate_s);
            self.profile.take(start_s, job.estimate_s, job.procs);
        }
        let job = &load.jobs[no];
        self.profile.earliest(job.procs, job.estimate_s)
    }

    /// What comes free on a machine as the runs there end by their estimates.
    fn begin(&mut self, now_s: i64, at: usize, done: &Brokered) {
        let machine = &self.machines[at];
        self.ends.clear();
        self.ends.extend(machine.running().map(|no| {
            let job = &done.load.jobs[no as usize];
            (done.played.starts_s[no as usize] + job.estimate_s, job.procs)
        }));
        self.ends.sort_unstable();
        self.profile.begin(now_s, machine.free());
        for &(end_s, procs) in &self.ends {
            self.profile.frees(end_s, procs);
        }
    }
}
