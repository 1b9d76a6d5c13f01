//! Our own router. A job leaves home only for a gain that counts against its own length, and is not bound to where it went: when
//! processors come free, what waits elsewhere and would wait longer there is sent on, least work first. Refuses to know run times
//! ahead of their end and how a cluster orders its queue.
//!
//! Sources of the parts: late binding as in V. Subramani et al., HPDC 2002 (there by copies in several queues); forecasts and
//! the order of work are those of our policy for one machine (`sched::batch::Headworks`).

use sched::batch::{Forecast, JobNo};

use super::{Brokered, Fleet, PolicyFault, UNSTARTED};

/// What a job must gain by leaving home, or by being sent on anywhere but home, in lengths of its forecast run.
const GAIN_MIN: f64 = 0.1;
/// Forecasts below this count as this long, seconds, as in a bounded slowdown.
const LENGTH_MIN_S: i64 = 10;
/// Power of the processors in the order of work, as in our policy for one machine.
const PROCS_POWER: f64 = 0.8;
/// Work budget of one look: so many waiting jobs of each cluster, those that came first, and so many candidates.
const PLANNED_MAX: usize = 1_000;
const CANDIDATES_MAX: usize = 100;

/// What the router has learned and is about to look at.
#[derive(Default)]
pub(super) struct Ours {
    /// From the runs of all clusters.
    pub forecast: Forecast,
    /// Of each job that has arrived, seconds, as it was then; jobs arrive in the order of their numbers.
    forecasts_s: Vec<i64>,
    /// Clusters where something has ended at this instant.
    pub freed: Vec<usize>,
    /// Jobs and their starts on the cluster last planned.
    planned: Vec<(JobNo, i64)>,
}

/// A job that waits elsewhere and may be sent on.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Those at home here first.
    is_away: bool,
    work: f64,
    no: JobNo,
    at: usize,
}

impl Fleet {
    /// Where an arriving job goes: home, unless elsewhere it is predicted to start so much earlier.
    pub(super) fn leaves_for(&mut self, now_s: i64, no: usize, feasible: &[usize], done: &Brokered) -> usize {
        let forecast_s = self.ours.forecast.run_s(&done.load.jobs[no]);
        self.ours.forecasts_s.push(forecast_s);
        let home = done.homes[no] as usize;
        let home_s = self.predicted_s(now_s, no, home, done);
        if home_s <= now_s || feasible.len() < 2 {
            return home;
        }
        let (first_s, first) = self.earliest(now_s, no, feasible, done).unwrap_or((home_s, home));
        if is_worth(home_s - first_s, forecast_s) { first } else { home }
    }

    /// Sends waiting jobs to the clusters where something has ended.
    ///
    /// # Errors
    /// Those of the policies.
    pub(super) fn send_on(&mut self, now_s: i64, done: &mut Brokered) -> Result<(), PolicyFault> {
        for to in std::mem::take(&mut self.ours.freed) {
            let mut has_sent = false;
            for candidate in self.find(now_s, to, done) {
                let Candidate { no, at, .. } = candidate;
                let job = done.load.jobs[no as usize];
                // What was sent before may have started here, or made room for this one where it waits.
                let waits = done.played.starts_s[no as usize] == UNSTARTED;
                if !waits
                    || job.procs > self.machines[to].free()
                    || (has_sent && !self.still_gains(now_s, to, candidate, done))
                {
                    continue;
                }
                if !self.machines[at].withdraw(&job) {
                    continue;
                }
                self.waiting[at].retain(|other| *other != no);
                let place = self.waiting[to].partition_point(|other| *other < no);
                self.waiting[to].insert(place, no);
                self.machines[to].arrive(now_s, &job);
                done.hosts[no as usize] = u16::try_from(to).ok();
                done.sent_on[no as usize] += 1;
                has_sent = true;
                self.decide(now_s, to, done)?;
                self.decide(now_s, at, done)?;
            }
        }
        Ok(())
    }

    /// What waits elsewhere, would fit into what is free here, and gains enough by it; in the order of being sent.
    fn find(&mut self, now_s: i64, to: usize, done: &Brokered) -> Vec<Candidate> {
        let mut found = Vec::new();
        let free = self.machines[to].free();
        let may = |no: JobNo| done.load.jobs[no as usize].procs <= free;
        for at in (0..self.machines.len()).filter(|at| *at != to) {
            if free == 0 || !self.waiting[at].iter().take(PLANNED_MAX).any(|no| may(*no)) {
                continue;
            }
            self.plan(now_s, at, done);
            for &(no, start_s) in &self.ours.planned {
                if may(no) && self.gains(start_s - now_s, no, to, done) {
                    let (job, forecast_s) = (&done.load.jobs[no as usize], self.ours.forecasts_s[no as usize]);
                    let work = forecast_s as f64 * f64::from(job.procs).powf(PROCS_POWER);
                    found.push(Candidate { is_away: done.homes[no as usize] as usize != to, work, no, at });
                }
            }
        }
        let order = |a: &Candidate, b: &Candidate| a.is_away.cmp(&b.is_away).then(a.work.total_cmp(&b.work));
        found.sort_unstable_by(|a, b| order(a, b).then(a.no.cmp(&b.no)));
        found.truncate(CANDIDATES_MAX);
        found
    }

    /// When what waits on a cluster would start, each with a reservation in order of arrival.
    fn plan(&mut self, now_s: i64, at: usize, done: &Brokered) {
        self.begin(now_s, at, done);
        self.ours.planned.clear();
        for &no in self.waiting[at].iter().take(PLANNED_MAX) {
            let job = &done.load.jobs[no as usize];
            let start_s = self.profile.earliest(job.procs, job.estimate_s);
            self.profile.take(start_s, job.estimate_s, job.procs);
            self.ours.planned.push((no, start_s));
        }
    }

    /// Whether this wait is worth being sent on; home any wait is.
    fn gains(&self, wait_s: i64, no: JobNo, to: usize, done: &Brokered) -> bool {
        let is_home = done.homes[no as usize] as usize == to;
        if is_home { wait_s > 0 } else { is_worth(wait_s, self.ours.forecasts_s[no as usize]) }
    }

    /// The same once others have been sent on from where it waits.
    fn still_gains(&mut self, now_s: i64, to: usize, candidate: Candidate, done: &Brokered) -> bool {
        self.plan(now_s, candidate.at, done);
        let start_s = self.ours.planned.iter().find(|planned| planned.0 == candidate.no).map(|planned| planned.1);
        start_s.is_some_and(|start_s| self.gains(start_s - now_s, candidate.no, to, done))
    }
}

/// Whether so much sooner is worth a move.
fn is_worth(gain_s: i64, forecast_s: i64) -> bool {
    gain_s as f64 > GAIN_MIN * forecast_s.max(LENGTH_MIN_S) as f64
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use base::Seed;
    use sched::batch::{Job, named};

    use super::super::{Home, Router, Rule, broker};
    use super::*;
    use crate::replay::Load;

    const PROCS: u32 = 4;

    /// Jobs of the whole machine by submission, estimate and run time.
    fn load(jobs: &[(i64, i64, i64)]) -> Load {
        let mut load = Load::default();
        for (no, &(submit_s, estimate_s, run_s)) in (0..).zip(jobs) {
            let (user, group, app, queue, partition) = (Some(1), None, None, None, None);
            load.jobs.push(Job { no, submit_s, procs: PROCS, estimate_s, user, group, app, queue, partition });
            load.runs_s.push(run_s);
            load.records.push(no);
        }
        load
    }

    fn play(loads: &[Load], policy: &str) -> Brokered {
        let homes: Vec<Home<'_>> = loads.iter().map(|load| Home { procs: PROCS, load }).collect();
        let rule = Rule { router: Router::Headworks, policy: &|| named(policy).unwrap() };
        broker(&homes, rule, &Seed::from_u64(1), &mut |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn what_waits_is_sent_to_where_a_run_ends_early() {
        for policy in ["easy", "headworks", "conservative"] {
            // The other cluster says 2000 s and is free after 100.
            let done = play(&[load(&[(0, 1_000, 1_000), (10, 500, 500)]), load(&[(0, 2_000, 100)])], policy);
            assert_eq!(done.hosts, [Some(0), Some(1), Some(1)], "{policy}");
            assert_eq!((done.played.starts_s[2], &done.sent_on[..]), (100, &[0, 0, 1][..]), "{policy}");
        }
    }

    #[test]
    fn what_left_comes_home_when_that_is_sooner() {
        // Home says 1000 s and is free after 100; elsewhere it would have been 300.
        let done = play(&[load(&[(0, 1_000, 100), (10, 500, 500)]), load(&[(0, 300, 300)])], "easy");
        assert_eq!((done.hosts[2], done.sent_on[2], done.played.starts_s[2]), (Some(0), 1, 100));
    }

    #[test]
    fn nobody_moves_for_a_gain_that_is_small_against_the_job() {
        // Elsewhere all is idle; at home it takes 90 s more.
        let host = |estimate_s: i64| {
            play(&[load(&[(0, 100, 100), (10, estimate_s, estimate_s)]), Load::default()], "easy").hosts[1]
        };
        assert_eq!([host(100), host(899), host(900), host(90_000)], [Some(1), Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn users_of_two_clusters_are_two() {
        let done = play(&[load(&[(0, 10, 10), (1, 10, 10)]), load(&[(0, 10, 10)])], "easy");
        let users: Vec<Option<u32>> = done.load.jobs.iter().map(|job| job.user).collect();
        assert_eq!(users, [Some(0), Some(1), Some(0)]);
    }
}
