//! What is told of a replay: waits, bounded slowdowns, utilisation, makespan. Each figure says here how it is computed.

use super::{Load, UNSTARTED};

/// Runs shorter than this count as this long in a slowdown. Source: D. Feitelson and L. Rudolph, JSSPP 1998.
pub const TAU_S: i64 = 10;

/// Figures over jobs that started. Times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub jobs: usize,
    /// Of them, those that did not start before the replay was broken off.
    pub unstarted: usize,
    pub mean_wait_s: f64,
    pub p95_wait_s: f64,
    pub max_wait_s: i64,
    pub mean_bounded_slowdown: f64,
    pub p95_bounded_slowdown: f64,
    pub max_bounded_slowdown: f64,
    /// Processor seconds of all runs over processors × makespan.
    pub utilization: f64,
    /// From the first submission to the last end.
    pub makespan_s: i64,
}

/// Which jobs, on how many processors.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    pub procs: u64,
    /// The jobs that count.
    pub counts: &'a dyn Fn(usize) -> bool,
}

/// `max(1, (wait + run) / max(run, 10 s))`.
pub fn bounded_slowdown(wait_s: i64, run_s: i64) -> f64 {
    ((wait_s + run_s) as f64 / run_s.max(TAU_S) as f64).max(1.0)
}

/// The figures of the jobs that count.
pub fn figures(load: &Load, starts_s: &[i64], shape: Shape<'_>) -> Figures {
    let mut found = Figures::default();
    let (mut waits, mut slowdowns) = (Vec::new(), Vec::new());
    let (mut first_s, mut last_s, mut area) = (i64::MAX, i64::MIN, 0.0);
    for (at, job) in load.jobs.iter().enumerate().filter(|(at, _)| (shape.counts)(*at)) {
        found.jobs += 1;
        first_s = first_s.min(job.submit_s);
        if starts_s[at] == UNSTARTED {
            found.unstarted += 1;
            continue;
        }
        let (wait_s, run_s) = (starts_s[at] - job.submit_s, load.runs_s[at]);
        last_s = last_s.max(starts_s[at] + run_s);
        area += run_s as f64 * f64::from(job.procs);
        waits.push(wait_s as f64);
        slowdowns.push(bounded_slowdown(wait_s, run_s));
    }
    if waits.is_empty() {
        return found;
    }
    let count = waits.len() as f64;
    found.mean_wait_s = waits.iter().sum::<f64>() / count;
    found.mean_bounded_slowdown = slowdowns.iter().sum::<f64>() / count;
    waits.sort_unstable_by(f64::total_cmp);
    slowdowns.sort_unstable_by(f64::total_cmp);
    found.p95_wait_s = quantile(&waits, 0.95);
    found.p95_bounded_slowdown = quantile(&slowdowns, 0.95);
    found.max_wait_s = waits[waits.len() - 1] as i64;
    found.max_bounded_slowdown = slowdowns[slowdowns.len() - 1];
    found.makespan_s = last_s - first_s;
    if found.makespan_s > 0 {
        found.utilization = area / (shape.procs as f64 * found.makespan_s as f64);
    }
    found
}

/// The value at the place nearest to `share × (count - 1)`, halves upward, as the reference tables have it; no interpolation, so
/// that it is a value which occurred. Not a number for none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    sorted[((share.clamp(0.0, 1.0) * last as f64).round() as usize).min(last)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let row = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.4, 0.5, 0.9, 1.0].map(|share| quantile(&row, share)), [1.0, 2.0, 4.0, 8.0, 8.0]);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn slowdowns_are_bounded_on_both_sides() {
        assert_eq!([(0, 0), (20, 0), (5, 5), (100, 100)].map(|(w, r)| bounded_slowdown(w, r)), [1.0, 2.0, 1.0, 2.0]);
    }
}
