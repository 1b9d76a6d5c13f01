//! Conservative backfilling: every job has a reservation from its arrival on, and nobody may delay it.
//!
//! Source: A. Mu'alem and D. Feitelson, "Utilization, predictability, workloads, and user runtime estimates in scheduling the
//! IBM SP2 with backfilling", IEEE TPDS 12(6), 2001. When a job ends early the schedule is compressed: all waiting jobs are
//! placed anew in order of arrival.

use super::{Item, Job, JobNo, Line, Policy, Profile};

#[derive(Clone, Copy, Debug)]
struct Waiting {
    item: Item,
    start_s: i64,
}

/// Conservative backfilling on a machine of any size.
#[derive(Clone, Debug, Default)]
pub struct Conservative {
    /// In order of arrival; those from `placed` on have no reservation yet.
    queue: Vec<Waiting>,
    placed: usize,
    /// By expected end.
    running: Line,
    /// What is left by running work and by reservations.
    profile: Profile,
    /// A run ended before its estimate since the last decision.
    is_loose: bool,
}

impl Conservative {
    /// Places every waiting job anew.
    fn compress(&mut self, now_s: i64, free: u32) {
        self.profile.begin(now_s, free);
        // Work past its estimate is taken to go on for a tenth of it; the order of ends is then no longer that of the line.
        if self.running.first().is_some_and(|first| first.key <= now_s) {
            let end = |item: &Item| {
                if item.key > now_s { item.key } else { now_s + (item.estimate_s / 10).max(1) }
            };
            let mut ends: Vec<(i64, u32)> = self.running.iter().map(|item| (end(item), item.procs)).collect();
            ends.sort_unstable();
            ends.into_iter().for_each(|(end_s, procs)| self.profile.frees(end_s, procs));
        } else {
            self.running.iter().for_each(|item| self.profile.frees(item.key, item.procs));
        }
        self.placed = 0;
    }

    fn place_rest(&mut self) {
        for waiting in &mut self.queue[self.placed..] {
            let Item { procs, estimate_s, .. } = waiting.item;
            waiting.start_s = self.profile.earliest(procs, estimate_s);
            self.profile.take(waiting.start_s, estimate_s, procs);
        }
        self.placed = self.queue.len();
    }
}

impl Policy for Conservative {
    fn arrived(&mut self, now_s: i64, job: &Job) {
        self.queue.push(Waiting { item: Item::of(job, 0), start_s: now_s });
    }

    fn ended(&mut self, now_s: i64, job: &Job, started_s: i64) {
        let expected_s = started_s + job.estimate_s;
        self.running.remove(expected_s, job.no);
        self.is_loose |= expected_s != now_s;
    }

    fn withdrawn(&mut self, job: &Job) -> bool {
        let before = self.queue.len();
        self.queue.retain(|waiting| waiting.item.no != job.no);
        // Its reservation is free for those behind it: as after an early end.
        self.is_loose |= self.queue.len() < before;
        self.placed = self.placed.min(self.queue.len());
        self.queue.len() < before
    }

    fn decide(&mut self, now_s: i64, mut free: u32, starts: &mut Vec<JobNo>) {
        let is_overdue = self.running.first().is_some_and(|first| first.key <= now_s);
        if self.is_loose || is_overdue || self.profile.steps().is_empty() {
            self.compress(now_s, free);
        } else {
            self.profile.advance(now_s);
        }
        self.is_loose = false;
        self.place_rest();
        let Self { queue, running, .. } = self;
        queue.retain(|&Waiting { item, start_s }| {
            let starts_now = start_s <= now_s && item.procs <= free;
            if starts_now {
                free -= item.procs;
                running.insert(Item { key: now_s + item.estimate_s, ..item });
                starts.push(item.no);
            }
            !starts_now
        });
        self.placed = self.queue.len();
    }

    fn wake_s(&self) -> Option<i64> {
        self.queue.iter().map(|waiting| waiting.start_s).min()
    }
}
