//! How long a cluster lets work wait that the platform has handed over: a bound learnt from what it did. A cluster of others
//! has users and rules that the platform does not see, so that free nodes there promise nothing.
//!
//! The bound is an order statistic: of `n` waits in ascending order, the `k`-th is at least the quantile `q` of their
//! distribution with the confidence that fewer than `k` of `n` draws fall below it, a binomial sum. No shape of the
//! distribution is assumed. When waits exceed it several times in a row the queue has changed, and what was seen before is
//! forgotten. Source: J. Brevik, D. Nurmi, R. Wolski, "Predicting bounds on queuing delay for batch-scheduled parallel
//! machines", PPoPP 2006. Refuses to know pools, jobs and clocks.

use std::collections::VecDeque;

use base::Span;

/// The bound covers this part of waits …
const QUANTILE: f64 = 0.75;
/// … with this confidence. Both together need six waits: 0.75⁶ is less than a fifth.
const CONFIDENCE: f64 = 0.8;
/// Waits remembered: some days of a busy pool, and a queue of weeks ago says nothing of today's.
const REMEMBERED: usize = 256;
/// Waits above the bound in a row after which the queue counts as another: by chance once in 256 waits.
const MISSES_MAX: u32 = 4;
/// What is kept then: enough for a bound again.
const KEPT_AFTER_CHANGE: usize = 8;

/// What is known of the waits in one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitForecast {
    /// Newest last, microseconds.
    waits: VecDeque<i64>,
    bound: Option<i64>,
    misses: u32,
    told: u64,
    kept: u64,
}

impl WaitForecast {
    /// Takes in how long work waited, and judges by it what was forecast.
    pub fn note(&mut self, wait: Span) {
        let wait = wait.as_micros().max(0);
        if let Some(bound) = self.bound {
            self.told += 1;
            let kept = wait <= bound;
            self.kept += u64::from(kept);
            self.misses = if kept { 0 } else { self.misses + 1 };
        }
        if self.waits.len() == REMEMBERED {
            self.waits.pop_front();
        }
        self.waits.push_back(wait);
        if self.misses == MISSES_MAX {
            self.misses = 0;
            self.waits.drain(..self.waits.len().saturating_sub(KEPT_AFTER_CHANGE));
        }
        let mut sorted: Vec<i64> = self.waits.iter().copied().collect();
        sorted.sort_unstable();
        self.bound = rank(sorted.len()).map(|rank| sorted[rank - 1]);
    }

    /// Work handed over now starts within this time, three times of four; `None` while too little was seen.
    pub fn bound(&self) -> Option<Span> {
        self.bound.map(Span::from_micros)
    }

    /// How many waits were forecast, and how many of them kept within the bound.
    pub fn record(&self) -> (u64, u64) {
        (self.told, self.kept)
    }
}

/// Which of `n` waits in ascending order, counted from 1, is the bound.
fn rank(n: usize) -> Option<usize> {
    let mut probability = (1.0 - QUANTILE).powi(i32::try_from(n).ok()?);
    let mut below = 0.0;
    for k in 0..n {
        below += probability;
        if below >= CONFIDENCE {
            return Some(k + 1);
        }
        probability *= (n - k) as f64 / (k + 1) as f64 * (QUANTILE / (1.0 - QUANTILE));
    }
    None
}

#[cfg(test)]
mod tests {
    use base::{Seed, Span};

    use super::*;

    #[test]
    fn ranks_are_those_of_the_binomial_distribution() {
        // Five draws all fall below the quantile with 0.237, six with 0.178.
        assert_eq!((rank(0), rank(5), rank(6)), (None, None, Some(6)));
        // Summed in whole numbers by another program.
        assert_eq!((rank(8), rank(59), rank(100)), (Some(8), Some(48), Some(80)));
        assert_eq!(rank(REMEMBERED), Some(199));
    }

    #[test]
    fn three_of_four_waits_keep_within_the_bound_whatever_their_shape() {
        let mut random = Seed::from_u64(7).stream();
        for shape in 0..3 {
            let mut forecast = WaitForecast::default();
            for _ in 0..4_000 {
                let draw = (random.below(1_000_000) + 1) as f64 / 1e6;
                let secs = match shape {
                    0 => 100.0 * draw,
                    1 => -1_000.0 * draw.ln(),
                    _ => draw.powi(-3),
                };
                forecast.note(Span::from_micros((secs * 1e6) as i64));
            }
            let (told, kept) = forecast.record();
            let rate = kept as f64 / told as f64;
            assert!(told > 3_990 && (0.72..0.84).contains(&rate), "shape {shape}: {kept} of {told}");
        }
    }

    #[test]
    fn a_queue_that_became_slow_is_noticed_after_some_waits() {
        let mut forecast = WaitForecast::default();
        assert_eq!(forecast.bound(), None);
        (0..200).for_each(|_| forecast.note(Span::from_secs(5)));
        assert_eq!(forecast.bound(), Some(Span::from_secs(5)));
        (0..4).for_each(|_| forecast.note(Span::from_hours(2)));
        assert_eq!(forecast.bound(), Some(Span::from_hours(2)), "the old ones are forgotten");
        assert_eq!(forecast.record(), (198, 194));
    }
}
