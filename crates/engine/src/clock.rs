//! The engine's time: what the shell's clock shows, except that it never goes back. After a step back it goes on from
//! where it was, a little slower, until the clock has caught up: work is still metered and timers still fire.
//! Refuses to know clocks; it is told.

use base::{Span, Timestamp};

use crate::state::Engine;

/// While the engine is ahead of the clock its time runs by this part slower: an hour is made up in 16 hours, and what is
/// metered meanwhile is in the tenant's favour.
const SLOWER_BY: i64 = 16;

impl Engine {
    /// Takes in what the shell's clock shows.
    pub(crate) fn tell_time(&mut self, shown: Timestamp) {
        // While work runs the shell comes back once an interval; a longer stretch is another step of the clock.
        let stretch = self.policy.meter_interval + self.policy.meter_lag;
        let passed = shown.since(self.shown).min(stretch).as_micros();
        self.shown = shown;
        self.now = if shown >= self.now { shown } else { self.now + Span::from_micros(passed - passed / SLOWER_BY) };
    }

    /// How far the engine's time is ahead of the clock; zero but for some hours after a step back.
    pub(crate) fn ahead(&self) -> Span {
        if self.shown == Timestamp::MAX { Span::ZERO } else { self.now.since(self.shown) }
    }

    /// When the clock will show that a time of the engine has come.
    pub(crate) fn as_shown(&self, at: Timestamp) -> Timestamp {
        if self.ahead() == Span::ZERO {
            return at;
        }
        let left = at.since(self.now).as_micros();
        self.shown + Span::from_micros(left + left / (SLOWER_BY - 1) + i64::from(left > 0))
    }

    /// A cluster's stamp in the engine's time, not after now. Clusters share the platform's clock or follow the true time;
    /// after a step back the ones are moved along, the others end at now.
    pub(crate) fn stamped(&self, at: Timestamp) -> Timestamp {
        (at + self.ahead()).min(self.now)
    }
}
