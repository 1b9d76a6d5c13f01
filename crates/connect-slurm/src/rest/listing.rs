//! When a daemon that lists a long queue at great cost may be asked for changes again. Pure. What changed while it was not to be asked
//! is asked for with the next question, from the earliest time that was put off.

use std::time::{Duration, Instant};

/// A listing of the whole queue may take this share of a core: 1/20. A slurmrestd of 22.05 spends 4 s on 10,000 jobs and is then
/// asked again after 80 s at the earliest; what a smaller queue costs is never noticed.
const SHARE: u32 = 20;

#[derive(Debug, Default)]
pub struct Listing {
    /// By what the last one took.
    again: Option<Instant>,
    /// The earliest time for which changes were wanted and not asked for.
    put_off: Option<i64>,
}

impl Listing {
    /// From when on changes are to be asked for by a caller who knows everything up to `since`; `None`: not now.
    pub fn ask(&mut self, since: i64, now: Instant) -> Option<i64> {
        let from = self.put_off.map_or(since, |time| time.min(since));
        if self.again.is_some_and(|again| now < again) {
            self.put_off = Some(from);
            return None;
        }
        Some(from)
    }

    /// The whole queue was listed, for whatever purpose, and that took so long.
    pub fn listed(&mut self, took: Duration, now: Instant) {
        self.again = Some(now + took * SHARE);
    }

    /// The caller was told of all that changed.
    pub fn told(&mut self) {
        self.put_off = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_off_is_asked_for_later() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut listing = Listing::default();
        assert_eq!(listing.ask(100, start), Some(100));
        listing.listed(second, start);
        listing.told();
        assert_eq!(listing.ask(101, start + second), None);
        assert_eq!(listing.ask(105, start + second * 5), None);
        // An answer that was lost changes nothing.
        assert_eq!(listing.ask(121, start + second * 21), Some(101));
        assert_eq!(listing.ask(122, start + second * 22), Some(101));
        listing.told();
        assert_eq!(listing.ask(123, start + second * 23), Some(123));
    }
}
