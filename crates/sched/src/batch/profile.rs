//! How many processors are free from when to when, as a staircase of steps. Knows no jobs and no policy.

/// A staircase: each step says how many processors are free from its time until the next step's; the last goes on for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Ascending in time, never empty after [`Profile::begin`].
    steps: Vec<(i64, i64)>,
}

impl Profile {
    /// One step: `free` processors from `now_s` on.
    pub fn begin(&mut self, now_s: i64, free: u32) {
        self.steps.clear();
        self.steps.push((now_s, i64::from(free)));
    }

    /// Running work ends: `procs` more from `end_s` on. Ends come in ascending order, after [`Self::begin`] and before anything is
    /// placed; one in the past counts as now.
    pub fn frees(&mut self, end_s: i64, procs: u32) {
        let Some(last) = self.steps.last_mut() else { return };
        if end_s <= last.0 {
            last.1 += i64::from(procs);
        } else {
            let free = last.1 + i64::from(procs);
            self.steps.push((end_s, free));
        }
    }

    /// Forgets what lies before `now_s`.
    pub fn advance(&mut self, now_s: i64) {
        let past = self.steps.partition_point(|step| step.0 <= now_s);
        if past > 0 {
            self.steps[past - 1].0 = now_s;
            self.steps.drain(..past - 1);
        }
    }

    /// Earliest time from the first step on at which `procs` are free for `length_s` without a break, with the index of the step it
    /// lies in. Exists when the last step has room; else the last step's time is told.
    pub fn earliest(&self, procs: u32, length_s: i64) -> i64 {
        let procs = i64::from(procs);
        let mut start: Option<i64> = None;
        for &(time, free) in &self.steps {
            if let Some(from) = start
                && time - from >= length_s
                && time > from
            {
                return from;
            }
            if free < procs {
                start = None;
            } else if start.is_none() {
                start = Some(time);
                if length_s <= 0 {
                    return time;
                }
            }
        }
        start.or_else(|| self.steps.last().map(|step| step.0)).unwrap_or_default()
    }

    /// Takes `procs` from `start_s` for `length_s`. `start_s` lies on or after the first step.
    pub fn take(&mut self, start_s: i64, length_s: i64, procs: u32) {
        self.change(start_s, length_s, -i64::from(procs));
    }

    /// Gives back what [`Self::take`] took.
    pub fn give(&mut self, start_s: i64, length_s: i64, procs: u32) {
        self.change(start_s, length_s, i64::from(procs));
    }

    fn change(&mut self, start_s: i64, length_s: i64, by: i64) {
        if length_s <= 0 {
            return;
        }
        let from = self.step_at(start_s);
        let to = self.step_at(start_s + length_s);
        for step in &mut self.steps[from..to] {
            step.1 += by;
        }
        // Steps of the same height as the one before say nothing.
        for at in [to, from] {
            if at > 0 && at < self.steps.len() && self.steps[at].1 == self.steps[at - 1].1 {
                self.steps.remove(at);
            }
        }
    }

    /// Index of the step that begins at `time_s`, made if need be.
    fn step_at(&mut self, time_s: i64) -> usize {
        let at = self.steps.partition_point(|step| step.0 < time_s);
        if self.steps.get(at).is_none_or(|step| step.0 != time_s) {
            let free = self.steps[at.saturating_sub(1)].1;
            self.steps.insert(at, (time_s, free));
        }
        at
    }

    /// The steps: time and free processors.
    pub fn steps(&self) -> &[(i64, i64)] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HORIZON: usize = 400;

    proptest! {
        /// Against an array of one number per second.
        #[test]
        fn a_profile_is_a_row_of_numbers(
            ends in prop::collection::vec((1i64..60, 1u32..5), 0..8),
            asks in prop::collection::vec((1u32..9, 0i64..30), 1..25),
            now in 0i64..5,
        ) {
            let mut ends = ends;
            ends.sort_unstable();
            let mut profile = Profile::default();
            profile.begin(0, 8);
            let mut row = vec![8i64; HORIZON];
            for (end, procs) in ends {
                profile.frees(end, procs);
                row[end as usize..].iter_mut().for_each(|free| *free += i64::from(procs));
            }
            profile.advance(now);
            for (procs, length) in asks {
                let fits = |from: usize| row[from..(from + length.max(1) as usize).min(HORIZON)].iter().all(|free| *free >= i64::from(procs));
                let first = (now as usize..HORIZON).find(|from| fits(*from)).unwrap();
                let start = profile.earliest(procs, length);
                prop_assert_eq!(start, first as i64, "{} for {}: {:?}", procs, length, profile.steps());
                profile.take(start, length, procs);
                row[first..first + length as usize].iter_mut().for_each(|free| *free -= i64::from(procs));
                for (time, free) in profile.steps() {
                    prop_assert_eq!(row[*time as usize], *free);
                }
                prop_assert!(profile.steps().windows(2).all(|two| two[0].0 < two[1].0));
            }
        }
    }
}
