//! Our own policy: little work first by forecasts, deadlines against starvation, and reservations that forecasts may stretch only
//! a little and only at first. Refuses to know run times ahead of their end and anything about a particular machine or trace.

use std::collections::HashMap;

use super::{Forecast, Item, Job, JobNo, Line, Policy, Sweep};

/// What the policy may be told. One setting serves all machines; docs/twin.md says how it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// How long any job lets others pass it, seconds, while nothing is known of the machine's waits.
    pub patience_min_s: f64,
    /// The same as a share of the longest wait there has been: a machine with waits of a week has another measure of starving than
    /// one with waits of an hour.
    pub patience_share: f64,
    /// What a job gives up of its patience, times its share of the machine: the more processors, the longer until they are free together.
    pub haste: f64,
    /// The same, times the fourth power of the share: the last tenth of a machine is the hardest to free. The two together may be above
    /// 1, then a job as wide as the machine is ahead of what came a little before it.
    pub haste_of_the_wide: f64,
    /// Share of the machine from which the next such job whose deadline has passed has a second reservation, behind the head's.
    pub wide: f64,
    /// Waits, in patiences, beyond which the job at the head is no longer passed by forecast, only by estimate.
    pub strict_after: f64,
    /// How far, in patiences, a job let pass by forecast may delay the head if it runs as long as its user asked for.
    pub overrun_max: f64,
    /// Power of the processors in the order of work: 1 orders by area, 0 by length.
    pub procs_power: f64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            patience_min_s: 86_400.0,
            patience_share: 0.32,
            haste: 0.9,
            haste_of_the_wide: 0.9,
            wide: 0.5,
            strict_after: 1.6,
            overrun_max: 0.5,
            procs_power: 0.8,
        }
    }
}

/// A patience is renewed when it has grown by this share: each time, all deadlines are computed anew.
const PATIENCE_STEP: f64 = 1.02;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    submit_s: i64,
    procs: u32,
    estimate_s: i64,
    forecast_s: i64,
    /// Its key in the order of work.
    work: i64,
    /// Its key in the order of deadlines.
    deadline_s: i64,
}

/// Least forecast work first; behind deadlines, earliest first; one reservation.
#[derive(Clone, Debug)]
pub struct Headworks {
    terms: Terms,
    forecast: Forecast,
    /// All there are: learned from what runs and what is idle.
    procs: u32,
    busy: u32,
    patience_s: f64,
    longest_wait_s: i64,
    /// Since the last decision; their deadlines need the machine's size.
    arrived: Vec<(JobNo, Waiting)>,
    waiting: HashMap<JobNo, Waiting>,
    /// Both hold all that waits. Their items carry forecasts for estimates.
    by_work: Line,
    by_deadline: Line,
    /// The wide ones among them, by deadline.
    wide: Line,
    /// By expected end.
    running: Line,
    /// The first reservation of jobs that were heads and still wait.
    promised_s: HashMap<JobNo, i64>,
    taken: Vec<Item>,
}

impl Default for Headworks {
    fn default() -> Self {
        Self::new(Terms::default())
    }
}

/// What may start beside the head. Jobs whose deadline has passed come first, then the rest.
struct Fill<'a> {
    now_s: i64,
    /// What ends by then does not delay the head.
    until_s: i64,
    /// What is forecast to end by `until_s` and will by estimate end by this may start. Before `until_s`: estimates only.
    overrun_until_s: i64,
    free: u32,
    /// Processors left over even when the head has started.
    spare: u32,
    /// Jobs from this key on are not looked at.
    keys_before: i64,
    waiting: &'a HashMap<JobNo, Waiting>,
    taken: &'a mut Vec<Item>,
    /// So many of them were taken as late ones: they stand in the line by work as well.
    late: usize,
    /// A second job's reservation, behind the head's.
    second: Option<Second>,
    is_past: bool,
}

/// When a wide job behind the head will have its processors, if all runs as estimated, and what it leaves over.
#[derive(Clone, Copy, Debug)]
struct Second {
    at_s: i64,
    spare: u64,
}

impl Sweep for Fill<'_> {
    fn may_take(&self, procs_min: u32, forecast_min_s: i64) -> bool {
        procs_min <= self.free && (procs_min <= self.spare || forecast_min_s <= self.until_s - self.now_s)
    }
    fn take(&mut self, item: &Item) -> bool {
        self.is_past |= item.key >= self.keys_before;
        if self.is_past || item.procs > self.free {
            return false;
        }
        // Items carry forecasts: what is too long even so needs no closer look.
        if item.procs > self.spare && self.now_s + item.estimate_s > self.until_s {
            return false;
        }
        let Some(job) = self.waiting.get(&item.no) else { return false };
        if self.taken[..self.late].iter().any(|taken| taken.no == item.no) {
            return false;
        }
        let procs = u64::from(item.procs);
        let meets_second = self.second.filter(|second| self.now_s + job.estimate_s > second.at_s);
        if meets_second.is_some_and(|second| procs > second.spare) {
            return false;
        }
        let by_forecast = self.now_s + job.estimate_s <= self.overrun_until_s;
        let length_s = if by_forecast { job.forecast_s } else { job.estimate_s };
        if self.now_s + length_s > self.until_s {
            if item.procs > self.spare {
                return false;
            }
            self.spare -= item.procs;
        }
        if let (Some(_), Some(second)) = (meets_second, &mut self.second) {
            second.spare -= procs;
        }
        self.free -= item.procs;
        self.taken.push(*item);
        true
    }
    fn is_done(&self) -> bool {
        self.free == 0 || self.is_past
    }
}

impl Headworks {
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            forecast: Forecast::default(),
            procs: 0,
            busy: 0,
            patience_s: terms.patience_min_s,
            longest_wait_s: 0,
            arrived: Vec::new(),
            waiting: HashMap::new(),
            by_work: Line::default(),
            by_deadline: Line::default(),
            wide: Line::default(),
            running: Line::default(),
            promised_s: HashMap::new(),
            taken: Vec::new(),
        }
    }

    fn deadline_s(&self, job: &Waiting) -> i64 {
        let share = f64::from(job.procs) / f64::from(self.procs.max(1));
        let haste = self.terms.haste * share + self.terms.haste_of_the_wide * share.powi(4);
        (job.submit_s as f64 + self.patience_s * (1.0 - haste)).floor() as i64
    }

    fn is_wide(&self, procs: u32) -> bool {
        f64::from(procs) >= self.terms.wide * f64::from(self.procs)
    }

    /// Puts what has arrived into its lines.
    fn admit(&mut self, free: u32) {
        let procs = self.busy + free;
        if procs > self.procs {
            self.procs = procs;
            self.renew_deadlines();
        }
        for (no, mut job) in std::mem::take(&mut self.arrived) {
            job.deadline_s = self.deadline_s(&job);
            let Waiting { procs, forecast_s: estimate_s, .. } = job;
            self.by_work.insert(Item { key: job.work, no, procs, estimate_s });
            self.by_deadline.insert(Item { key: job.deadline_s, no, procs, estimate_s });
            if self.is_wide(procs) {
                self.wide.insert(Item { key: job.deadline_s, no, procs, estimate_s });
            }
            self.waiting.insert(no, job);
        }
    }

    /// Follows the longest wait, upwards only.
    fn renew_patience(&mut self) {
        let patience_s = self.terms.patience_share * self.longest_wait_s as f64;
        if patience_s > self.patience_s * PATIENCE_STEP {
            self.patience_s = patience_s;
            self.renew_deadlines();
        }
    }

    fn renew_deadlines(&mut self) {
        let items: Vec<Item> = self.by_deadline.iter().copied().collect();
        (self.by_deadline, self.wide) = (Line::default(), Line::default());
        for item in items {
            let Some(job) = self.waiting.get(&item.no) else { continue };
            let key = self.deadline_s(job);
            self.by_deadline.insert(Item { key, ..item });
            if self.is_wide(item.procs) {
                self.wide.insert(Item { key, ..item });
            }
            self.waiting.entry(item.no).and_modify(|job| job.deadline_s = key);
        }
    }

    /// Whose turn it is: the earliest deadline that has passed, else the least work.
    fn head(&self, now_s: i64) -> Option<Item> {
        let late = self.by_deadline.first().filter(|item| item.key < now_s);
        late.or_else(|| self.by_work.first()).copied()
    }

    /// Takes a job out of all lines.
    fn take_out(&mut self, no: JobNo) -> Option<Waiting> {
        let job = self.waiting.remove(&no)?;
        self.by_work.remove(job.work, no);
        self.by_deadline.remove(job.deadline_s, no);
        self.wide.remove(job.deadline_s, no);
        self.promised_s.remove(&no);
        Some(job)
    }

    fn start(&mut self, now_s: i64, no: JobNo, starts: &mut Vec<JobNo>) {
        let Some(job) = self.take_out(no) else { return };
        self.busy += job.procs;
        self.longest_wait_s = self.longest_wait_s.max(now_s - job.submit_s);
        let Waiting { procs, estimate_s, .. } = job;
        self.running.insert(Item { key: now_s + estimate_s, no, procs, estimate_s });
        starts.push(no);
    }

    /// Until when candidates may run by forecast, and how far they may overrun by estimate, given the head's reservation now.
    fn leave(&mut self, now_s: i64, head: &Item, shadow_s: i64) -> (i64, i64) {
        let Some(job) = self.waiting.get(&head.no) else { return (shadow_s, i64::MIN) };
        if (now_s - job.submit_s) as f64 >= self.terms.strict_after * self.patience_s {
            return (shadow_s, i64::MIN);
        }
        let promised_s = *self.promised_s.entry(head.no).or_insert(shadow_s);
        let until_s = shadow_s.max(promised_s);
        let overrun_s = (self.terms.overrun_max * self.patience_s) as i64;
        (until_s, if now_s < promised_s { until_s + overrun_s } else { i64::MIN })
    }

    /// The reservation of the next late job that is wide, and wider than the head: what starts now and ends after it must leave it
    /// room. Without it, a long narrow job that passes a moment before such a job becomes the head holds it up for days.
    fn second(&self, now_s: i64, free: u32, head: &Item, shadow_s: i64) -> Option<Second> {
        let late = self.wide.iter().take_while(|item| item.key < now_s);
        let next = late.filter(|item| item.no != head.no).find(|item| item.procs > head.procs)?;
        let wanted = u64::from(next.procs - free);
        let (at_s, freed) = self.running.reach(wanted)?;
        let head_ends_s = shadow_s + self.waiting.get(&head.no)?.estimate_s;
        if at_s >= head_ends_s {
            return Some(Second { at_s, spare: freed - wanted });
        }
        let freed = self.running.procs_to(head_ends_s);
        Some(Second { at_s: head_ends_s, spare: freed.saturating_sub(wanted) })
    }

    /// Starts what does not delay the head.
    fn backfill(&mut self, now_s: i64, head: &Item, free: u32, starts: &mut Vec<JobNo>) {
        // All that runs and what is free is the machine, and the job fits the machine.
        let wanted = u64::from(head.procs - free);
        let Some((shadow_s, freed)) = self.running.reach(wanted) else { return };
        let spare = u32::try_from(freed - wanted).unwrap_or(u32::MAX);
        let (until_s, overrun_until_s) = self.leave(now_s, head, shadow_s);
        let mut taken = std::mem::take(&mut self.taken);
        let mut fill = Fill {
            now_s,
            until_s,
            overrun_until_s,
            free,
            spare,
            keys_before: now_s,
            waiting: &self.waiting,
            taken: &mut taken,
            late: 0,
            second: self.second(now_s, free, head, shadow_s),
            is_past: false,
        };
        self.by_deadline.sweep(&mut fill);
        (fill.keys_before, fill.is_past, fill.late) = (i64::MAX, false, fill.taken.len());
        // What was declined above is declined again: there is only less room now.
        self.by_work.sweep(&mut fill);
        for item in taken.drain(..) {
            self.start(now_s, item.no, starts);
        }
        self.taken = taken;
    }
}

impl Policy for Headworks {
    fn arrived(&mut self, _now_s: i64, job: &Job) {
        let forecast_s = self.forecast.run_s(job);
        let work = forecast_s as f64 * f64::from(job.procs).powf(self.terms.procs_power);
        // Of positive numbers the bits are in the same order.
        let work = i64::try_from(work.to_bits()).unwrap_or(i64::MAX);
        let Job { submit_s, procs, estimate_s, .. } = *job;
        self.arrived.push((job.no, Waiting { submit_s, procs, estimate_s, forecast_s, work, deadline_s: 0 }));
    }

    fn ended(&mut self, now_s: i64, job: &Job, started_s: i64) {
        self.busy -= job.procs;
        self.running.remove(started_s + job.estimate_s, job.no);
        self.forecast.ran(job, now_s - started_s);
    }

    fn withdrawn(&mut self, job: &Job) -> bool {
        let before = self.arrived.len();
        self.arrived.retain(|(no, _)| *no != job.no);
        self.arrived.len() < before || self.take_out(job.no).is_some()
    }

    fn decide(&mut self, now_s: i64, mut free: u32, starts: &mut Vec<JobNo>) {
        self.admit(free);
        if free == 0 || self.waiting.is_empty() {
            return;
        }
        self.renew_patience();
        while let Some(head) = self.head(now_s) {
            if head.procs > free {
                if free > 0 && self.waiting.len() > 1 {
                    self.backfill(now_s, &head, free, starts);
                }
                return;
            }
            free -= head.procs;
            self.start(now_s, head.no, starts);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::{Candidates, Easy};

    const HOUR_S: i64 = 3_600;

    fn job(no: JobNo, submit_s: i64, procs: u32, estimate_s: i64, user: u32) -> Job {
        let (user, group, app, queue, partition) = (Some(user), None, None, None, None);
        Job { no, submit_s, procs, estimate_s, user, group, app, queue, partition }
    }

    /// When each job starts, on a machine that cuts nothing; asserts that what starts fits and that everything does start.
    fn play(jobs: &[Job], runs_s: &[i64], procs: u32, policy: &mut dyn Policy) -> Vec<i64> {
        let mut starts_s = vec![None; jobs.len()];
        let mut ends = BinaryHeap::new();
        let (mut next, mut free, mut now) = (0, procs, Vec::new());
        loop {
            let arrival_s = jobs.get(next).map_or(i64::MAX, |job| job.submit_s);
            let now_s = ends.peek().map_or(i64::MAX, |Reverse((end_s, _))| *end_s).min(arrival_s);
            if now_s == i64::MAX {
                break;
            }
            while let Some(&Reverse((end_s, no))) = ends.peek()
                && end_s <= now_s
            {
                ends.pop();
                let job: &Job = &jobs[no as usize];
                free += job.procs;
                policy.ended(now_s, job, starts_s[no as usize].unwrap());
            }
            while let Some(job) = jobs.get(next).filter(|job| job.submit_s <= now_s) {
                policy.arrived(now_s, job);
                next += 1;
            }
            now.clear();
            policy.decide(now_s, free, &mut now);
            for no in &now {
                let at = *no as usize;
                assert!(jobs[at].procs <= free && starts_s[at].is_none() && jobs[at].submit_s <= now_s);
                free -= jobs[at].procs;
                starts_s[at] = Some(now_s);
                ends.push(Reverse((now_s + runs_s[at], *no)));
            }
        }
        starts_s.into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn what_is_forecast_short_goes_first() {
        // No two fit together. User 1 asks for two hours and needs a minute, as seen twice when the last two come; user 2 needs what is asked for.
        let asks = [(0, 1), (1, 1), (2, 2), (130, 2), (140, 1)];
        let jobs: Vec<Job> = (0..).zip(asks).map(|(no, (at, user))| job(no, at, 4, 2 * HOUR_S, user)).collect();
        let runs_s = [60, 60, 2 * HOUR_S, 2 * HOUR_S, 60];
        let starts_s = play(&jobs, &runs_s, 7, &mut Headworks::default());
        assert_eq!(starts_s, [0, 60, 120, 180 + 2 * HOUR_S, 120 + 2 * HOUR_S]);
    }

    #[test]
    fn a_wide_job_is_not_starved_by_narrow_ones() {
        // Half the machine's work arrives in narrow jobs without end; among them, one that needs the whole machine.
        let mut jobs: Vec<Job> = (0..2_000).map(|no| job(no, i64::from(no) * 300, 1, 2 * HOUR_S, no % 3)).collect();
        jobs[100].procs = 48;
        let runs_s: Vec<i64> = (0..2_000).map(|no| 3_000 + no % 7 * 600).collect();
        let starts_s = play(&jobs, &runs_s, 48, &mut Headworks::default());
        let waited_s = starts_s[100] - jobs[100].submit_s;
        assert!(
            waited_s <= 4 * HOUR_S,
            "late from the first: the drain, and forecasts wrong by one run, not {waited_s} s"
        );
    }

    #[test]
    fn no_forecast_lets_a_long_request_far_past_the_head() {
        // Two runs of a minute by user 1; then the head waits for the whole machine, and user 1 asks for a short and a long time.
        let estimates_s = [60, 60, 10 * HOUR_S, HOUR_S, 11 * HOUR_S, 90 * HOUR_S];
        let asks = [(0, 1, 1), (0, 1, 1), (100, 3, 2), (101, 4, 3), (102, 1, 1), (103, 1, 1)];
        let of = |(no, (at, procs, user)): (JobNo, _)| job(no, at, procs, estimates_s[no as usize], user);
        let jobs: Vec<Job> = (0..).zip(asks).map(of).collect();
        let starts_s = play(&jobs, &[60, 60, 10 * HOUR_S, HOUR_S, 60, 60], 4, &mut Headworks::default());
        assert_eq!(starts_s[4], 102, "by its estimate it would delay the head an hour: it may pass");
        assert!(starts_s[5] >= starts_s[3], "by its estimate it would delay the head for days: it may not");
    }

    #[test]
    fn a_late_job_that_passes_the_head_takes_its_room_once() {
        // At 200, 5 are left over beside an 11 and before a 6: a late 2 and a 2 that has just come both pass the 6.
        let asks = [(0, 16, 200), (10, 11, 50), (20, 6, 50), (30, 2, 50), (200, 2, 50)];
        let jobs: Vec<Job> = (0..).zip(asks).map(|(no, (at, procs, run))| job(no, at, procs, run, no)).collect();
        let terms = Terms {
            patience_min_s: 1.0,
            patience_share: 0.0,
            haste: 0.0,
            haste_of_the_wide: 0.0,
            wide: 2.0,
            ..Terms::default()
        };
        let starts_s = play(&jobs, &[200, 50, 50, 50, 50], 16, &mut Headworks::new(terms));
        assert_eq!(starts_s, [0, 200, 250, 200, 200]);
    }

    #[test]
    fn a_second_wide_job_has_a_reservation_too() {
        // On 8: a run of 5, until 100; then 6 and 8, both at once late. A narrow one of a day fits beside the 6 but not the 8.
        let day_s = 24 * HOUR_S;
        let jobs = [job(0, 0, 5, 100, 1), job(1, 1, 6, 50, 2), job(2, 60, 8, 60, 3), job(3, 61, 2, day_s, 4)];
        let terms = Terms { patience_min_s: 100.0, haste: 2.0, haste_of_the_wide: 0.0, ..Terms::default() };
        let starts_s = play(&jobs, &[100, 50, 60, day_s], 8, &mut Headworks::new(terms));
        assert_eq!(starts_s, [0, 100, 150, 210]);
        let lone = Terms { wide: 2.0, ..terms };
        assert_eq!(play(&jobs, &[100, 50, 60, day_s], 8, &mut Headworks::new(lone))[2], 61 + day_s, "without it");
    }

    proptest! {
        /// Whatever comes, also runs beyond their estimates: what starts fits, everything starts, twice the same.
        #[test]
        fn every_job_starts_once(
            jobs in prop::collection::vec((0i64..2_000, 1u32..17, 0i64..900, 0i64..1_000, 0u32..4), 1..120)
        ) {
            let mut jobs = jobs;
            jobs.sort_unstable();
            let runs_s: Vec<i64> = jobs.iter().map(|job| job.3).collect();
            let jobs: Vec<Job> = (0..).zip(jobs).map(|(no, (at, procs, estimate, _, user))| job(no, at, procs, estimate, user)).collect();
            let hasty = Terms { patience_min_s: 300.0, ..Terms::default() };
            let first = play(&jobs, &runs_s, 16, &mut Headworks::new(hasty));
            prop_assert_eq!(first, play(&jobs, &runs_s, 16, &mut Headworks::new(hasty)));
        }

        /// Without patience and without haste it is EASY: nobody passes but beside the first who came.
        #[test]
        fn without_patience_it_is_easy(
            jobs in prop::collection::vec((1i64..500, 1u32..17, 1i64..900, 1i64..900, 0u32..4), 1..80)
        ) {
            let mut at_s = 0;
            let mut asked = Vec::new();
            for (no, (gap_s, procs, estimate_s, _, user)) in (0..).zip(&jobs) {
                at_s += gap_s;
                asked.push(job(no, at_s, *procs, *estimate_s, *user));
            }
            let runs_s: Vec<i64> = jobs.iter().map(|job| job.3.min(job.2)).collect();
            let none = Terms { patience_min_s: -1.0, patience_share: 0.0, haste: 0.0, haste_of_the_wide: 0.0, wide: 2.0, ..Terms::default() };
            let ours = play(&asked, &runs_s, 16, &mut Headworks::new(none));
            prop_assert_eq!(ours, play(&asked, &runs_s, 16, &mut Easy::new(Candidates::Arrival)));
        }
    }
}
