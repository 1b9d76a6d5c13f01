//! Queue orders by a score, with RLScheduler's way of filling gaps: the first by score is committed to until it starts.
//!
//! Sources: D. Zhang et al., "RLScheduler", SC 2020 (the heuristics' formulas, the loop and the backfilling rule);
//! W. Tang et al., CLUSTER 2009 (WFP3, UNICEP); D. Carastan-Santos and R. de Camargo, SC 2017 (F1).

use super::{Item, Job, JobNo, Line, Policy, Rhythm, Sweep};

/// What orders the queue; the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// Order of arrival.
    Fcfs,
    /// Shortest estimate.
    Sjf,
    /// `log10(estimate) × procs + 870 × log10(submit)`.
    F1,
    /// `-(waited / estimate)³ × procs`.
    Wfp3,
    /// `-waited / (log2(procs) × estimate)`.
    Unicep,
}

/// What WFP3 and UNICEP take for the time a job has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The time since its arrival.
    Really,
    /// `-1 - submit`: RLScheduler's code asks before the start is known, and its published figures follow from that.
    AsPublished,
}

/// Whether gaps before the first job are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backfill {
    No,
    /// With what ends before the first job's shadow time, which is computed once, when it is chosen. No spare rule.
    Yes,
}

/// A score with a committed first job.
#[derive(Clone, Debug)]
pub struct Scored {
    score: Score,
    waited: Waited,
    backfill: Backfill,
    /// By score where that does not change, else in order of arrival.
    queue: Line,
    /// In order of arrival, for backfilling a queue that is ordered by score.
    arrivals: Line,
    /// Submission times and keys of queued jobs, by number.
    known: std::collections::HashMap<JobNo, (i64, i64)>,
    /// By expected end.
    running: Line,
    head: Option<(Item, i64)>,
}

impl Scored {
    pub fn new(score: Score, waited: Waited, backfill: Backfill) -> Self {
        let line = Line::default;
        let known = std::collections::HashMap::new();
        Self { score, waited, backfill, queue: line(), arrivals: line(), known, running: line(), head: None }
    }

    fn is_static(&self) -> bool {
        self.waited == Waited::AsPublished || !matches!(self.score, Score::Wfp3 | Score::Unicep)
    }

    /// The score as a number that sorts alike.
    fn key(&self, submit_s: i64, procs: u32, estimate_s: i64, now_s: i64) -> i64 {
        let waited = match self.waited {
            Waited::Really => now_s - submit_s,
            Waited::AsPublished => -1 - submit_s,
        } as f64;
        let (n, estimate, submit) = (f64::from(procs), estimate_s as f64, submit_s as f64);
        // Zero has no logarithm; RLScheduler takes a tenth of a second for it, and so do we where it would divide.
        let above_zero = |x: f64| if x > 0.0 { x } else { 0.1 };
        sortable(match self.score {
            Score::Fcfs => return submit_s,
            Score::Sjf => return estimate_s,
            Score::F1 => above_zero(estimate).log10() * n + 870.0 * above_zero(submit).log10(),
            Score::Wfp3 => -(waited / above_zero(estimate)).powi(3) * n,
            Score::Unicep => -(waited + 1e-15) / ((n + 1e-15).log2() * above_zero(estimate)),
        })
    }

    fn choose(&mut self, now_s: i64) -> Option<Item> {
        let first = if self.is_static() {
            *self.queue.first()?
        } else {
            let key = |item: &Item| self.key(self.known[&item.no].0, item.procs, item.estimate_s, now_s);
            *self.queue.iter().min_by_key(|item| (key(item), item.no))?
        };
        self.forget(first.no);
        Some(first)
    }

    fn forget(&mut self, no: JobNo) {
        if let Some((_, key)) = self.known.remove(&no) {
            self.queue.remove(key, no);
            self.arrivals.remove(0, no);
        }
    }

    fn start(&mut self, now_s: i64, item: Item, starts: &mut Vec<JobNo>) {
        self.running.insert(Item { key: now_s + item.estimate_s, ..item });
        starts.push(item.no);
    }
}

/// Order-preserving image of a number that is not a NaN.
fn sortable(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    // Negative numbers sort the other way round by their bits.
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// What fits and ends before the shadow time.
struct Fill {
    now_s: i64,
    shadow_s: i64,
    free: u32,
    taken: Vec<Item>,
}

impl Sweep for Fill {
    fn may_take(&self, procs_min: u32, estimate_min_s: i64) -> bool {
        procs_min <= self.free && self.now_s + estimate_min_s < self.shadow_s
    }
    fn take(&mut self, item: &Item) -> bool {
        let takes = self.may_take(item.procs, item.estimate_s);
        if takes {
            self.free -= item.procs;
            self.taken.push(*item);
        }
        takes
    }
    fn is_done(&self) -> bool {
        self.free == 0
    }
}

impl Policy for Scored {
    fn arrived(&mut self, now_s: i64, job: &Job) {
        let key = if self.is_static() { self.key(job.submit_s, job.procs, job.estimate_s, now_s) } else { 0 };
        self.known.insert(job.no, (job.submit_s, key));
        self.queue.insert(Item::of(job, key));
        self.arrivals.insert(Item::of(job, 0));
    }

    fn ended(&mut self, _now_s: i64, job: &Job, started_s: i64) {
        self.running.remove(started_s + job.estimate_s, job.no);
    }

    fn withdrawn(&mut self, job: &Job) -> bool {
        // The one it has chosen is no longer among these.
        let waits = self.known.contains_key(&job.no);
        self.forget(job.no);
        waits
    }

    fn decide(&mut self, now_s: i64, mut free: u32, starts: &mut Vec<JobNo>) {
        loop {
            let (head, shadow_s) = match self.head.take() {
                Some(head) => head,
                None => {
                    let Some(head) = self.choose(now_s) else { return };
                    let wanted = u64::from(head.procs.saturating_sub(free));
                    (head, self.running.reach(wanted).map_or(now_s, |reached| reached.0))
                }
            };
            if head.procs <= free {
                free -= head.procs;
                self.start(now_s, head, starts);
                continue;
            }
            self.head = Some((head, shadow_s));
            if self.backfill == Backfill::Yes {
                let mut fill = Fill { now_s, shadow_s, free, taken: Vec::new() };
                self.arrivals.sweep(&mut fill);
                for item in fill.taken {
                    self.forget(item.no);
                    self.start(now_s, item, starts);
                }
            }
            return;
        }
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let row = [f64::NEG_INFINITY, -1e300, -2.5, -1e-300, 0.0, 1e-300, 1.0, 7e9, f64::INFINITY];
        assert!(row.windows(2).all(|two| sortable(two[0]) < sortable(two[1])));
    }
}
