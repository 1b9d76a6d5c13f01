//! EASY backfilling: the first job of the queue has a reservation, others may start if they do not delay it.
//!
//! Sources: D. Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995; A. Mu'alem and D. Feitelson, IEEE TPDS 12(6), 2001
//! (shadow time and extra nodes); D. Tsafrir, Y. Etsion and D. Feitelson, IEEE TPDS 18(6), 2007 (shortest job backfilled first).

use super::{Item, Job, JobNo, Line, Policy, Sweep};

/// In which order jobs behind the first are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// As they arrived.
    Arrival,
    /// Shortest estimate first: EASY-SJBF.
    ShortestEstimate,
}

/// EASY on a machine of any size.
#[derive(Clone, Debug)]
pub struct Easy {
    /// A candidate may also run past the shadow time on processors the first job will not need.
    uses_spare: bool,
    /// In order of arrival.
    queue: Line,
    /// The same jobs by estimate, where candidates are tried so.
    shortest: Option<Line>,
    /// By expected end.
    running: Line,
    taken: Vec<Item>,
}

impl Easy {
    /// With both rules of the literature.
    pub fn new(candidates: Candidates) -> Self {
        let shortest = (candidates == Candidates::ShortestEstimate).then(Line::default);
        Self { uses_spare: true, queue: Line::default(), shortest, running: Line::default(), taken: Vec::new() }
    }
    /// Only what ends before the shadow time is backfilled, however many processors the first job leaves over.
    pub fn without_spare(self) -> Self {
        Self { uses_spare: false, ..self }
    }

    fn start(&mut self, now_s: i64, item: Item, starts: &mut Vec<JobNo>) {
        self.running.insert(Item { key: now_s + item.estimate_s, ..item });
        starts.push(item.no);
    }
}

/// What may start without delaying the first job.
struct Fill<'a> {
    now_s: i64,
    /// When the first job will have its processors, if runs end as estimated.
    shadow_s: i64,
    free: u32,
    /// Processors that are left over even then.
    spare: u32,
    taken: &'a mut Vec<Item>,
}

impl Sweep for Fill<'_> {
    fn may_take(&self, procs_min: u32, estimate_min_s: i64) -> bool {
        procs_min <= self.free && (procs_min <= self.spare || estimate_min_s <= self.shadow_s - self.now_s)
    }
    fn take(&mut self, item: &Item) -> bool {
        if item.procs > self.free {
            return false;
        }
        if self.now_s + item.estimate_s > self.shadow_s {
            if item.procs > self.spare {
                return false;
            }
            self.spare -= item.procs;
        }
        self.free -= item.procs;
        self.taken.push(*item);
        true
    }
    fn is_done(&self) -> bool {
        self.free == 0
    }
}

impl Policy for Easy {
    fn arrived(&mut self, _now_s: i64, job: &Job) {
        self.queue.insert(Item::of(job, 0));
        if let Some(shortest) = &mut self.shortest {
            shortest.insert(Item::of(job, job.estimate_s));
        }
    }

    fn ended(&mut self, _now_s: i64, job: &Job, started_s: i64) {
        self.running.remove(started_s + job.estimate_s, job.no);
    }

    fn withdrawn(&mut self, job: &Job) -> bool {
        if let Some(shortest) = &mut self.shortest {
            shortest.remove(job.estimate_s, job.no);
        }
        self.queue.remove(0, job.no).is_some()
    }

    fn decide(&mut self, now_s: i64, mut free: u32, starts: &mut Vec<JobNo>) {
        while let Some(&head) = self.queue.first()
            && head.procs <= free
        {
            self.queue.pop_first();
            if let Some(shortest) = &mut self.shortest {
                shortest.remove(head.estimate_s, head.no);
            }
            free -= head.procs;
            self.start(now_s, head, starts);
        }
        let Some(&head) = self.queue.first() else { return };
        if free == 0 || self.queue.len() == 1 {
            return;
        }
        // All that runs and what is free is the machine, and the job fits the machine.
        let wanted = u64::from(head.procs - free);
        let Some((shadow_s, freed)) = self.running.reach(wanted) else { return };
        let spare = if self.uses_spare { u32::try_from(freed - wanted).unwrap_or(u32::MAX) } else { 0 };
        let mut taken = std::mem::take(&mut self.taken);
        let mut fill = Fill { now_s, shadow_s, free, spare, taken: &mut taken };
        match &mut self.shortest {
            None => self.queue.sweep(&mut fill),
            Some(shortest) => shortest.sweep(&mut fill),
        }
        let by_estimate = self.shortest.is_some();
        for item in taken.drain(..) {
            if by_estimate {
                self.queue.remove(0, item.no);
            }
            self.start(now_s, item, starts);
        }
        self.taken = taken;
    }
}
