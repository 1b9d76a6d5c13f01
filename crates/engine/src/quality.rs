//! How good the engine's forecasts were, pool by pool: when work started against when it was expected to, how long it ran against how
//! long it was likely to. Sums since the engine was made, four numbers each; refuses to know who reads them.

use base::{AttemptId, PoolId, Span, Timestamp};

use crate::state::Engine;

/// Shorter times count as this long where two are compared by their ratio: a start after 2 s instead of 1 s is no miss.
const RATIO_FLOOR: Span = Span::from_secs(10);

/// What became of forecasts of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    pub count: u64,
    /// Of them, those at least half and at most twice what came, times under ten seconds counting as ten.
    pub within_two: u64,
    /// Sum of the differences without their signs.
    pub absolute: Span,
    /// Sum of what came less what was forecast: above zero, things took longer.
    pub signed: Span,
}

impl Errors {
    fn note(&mut self, forecast: Span, came: Span) {
        let error = came - forecast;
        self.count += 1;
        self.absolute += if error < Span::ZERO { Span::ZERO - error } else { error };
        self.signed += error;
        let (a, b) = (forecast.max(RATIO_FLOOR).as_micros(), came.max(RATIO_FLOOR).as_micros());
        self.within_two += u64::from(a.max(b) <= a.min(b).saturating_mul(2));
    }
    /// `None` before anything was forecast.
    pub fn mean_absolute(&self) -> Option<Span> {
        self.mean(self.absolute)
    }
    /// `None` before anything was forecast.
    pub fn bias(&self) -> Option<Span> {
        self.mean(self.signed)
    }
    fn mean(&self, sum: Span) -> Option<Span> {
        let count = i64::try_from(self.count).ok().filter(|count| *count > 0)?;
        Some(Span::from_micros(sum.as_micros() / count))
    }
}

/// Of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// From the placement to the start, as told when the attempt was placed.
    pub starts: Errors,
    /// How long work ran that ended by itself or at its limit, as expected when it was placed.
    pub runs: Errors,
}

/// What was forecast of an open attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    starts_at: Timestamp,
    runs_for: Span,
}

impl Engine {
    /// An attempt was placed: what is expected of it.
    pub(crate) fn foretell(&mut self, attempt: AttemptId, explanation: &sched::Explanation) {
        let chosen = explanation.candidates.iter().find(|candidate| candidate.chosen);
        let Some(starts_at) = chosen.and_then(|candidate| candidate.expected_start) else { return };
        let Some(entry) = self.jobs.get(&attempt.job) else { return };
        let told = Told { starts_at, runs_for: self.expected_run(entry) };
        self.told.insert(attempt, told);
    }

    /// It has started for the first time.
    pub(crate) fn judge_start(&mut self, attempt: AttemptId, at: Timestamp) {
        let Some((told, facts)) = self.told.get(&attempt).zip(self.attempts.get(&attempt)) else { return };
        let (forecast, came) = (told.starts_at.since(facts.placed_at), at.since(facts.placed_at));
        self.quality.entry(facts.pool).or_default().starts.note(forecast, came);
    }

    /// Its run is over, and was not broken off.
    pub(crate) fn judge_run(&mut self, attempt: AttemptId, ran: Span) {
        let Some((told, facts)) = self.told.get(&attempt).zip(self.attempts.get(&attempt)) else { return };
        self.quality.entry(facts.pool).or_default().runs.note(told.runs_for, ran);
    }

    /// How good forecasts of a pool were since the engine was made; `None` before there was one to judge.
    pub fn forecast_quality(&self, pool: PoolId) -> Option<&Quality> {
        self.quality.get(&pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_add_up() {
        let mut errors = Errors::default();
        assert_eq!((errors.mean_absolute(), errors.bias()), (None, None));
        for (forecast, came) in [(100, 40), (100, 50), (100, 200), (100, 201), (1, 10), (0, 21)] {
            errors.note(Span::from_secs(forecast), Span::from_secs(came));
        }
        assert_eq!((errors.count, errors.within_two), (6, 3));
        assert_eq!(errors.absolute, Span::from_secs(60 + 50 + 100 + 101 + 9 + 21));
        assert_eq!(errors.mean_absolute(), Some(Span::from_micros(341_000_000 / 6)));
        assert_eq!(errors.signed, Span::from_secs(-60 - 50 + 100 + 101 + 9 + 21));
    }
}
