//! The line to a cluster: when it last answered, how far its clock is from ours, what went wrong last.

use std::io;
use std::time::Duration;

use base::{Span, Timestamp};
use ports::ConnectError;
use tokio::time::Instant;

use crate::carrier::{AccountingKind, CarrierError};
use crate::core::limits::CLOCK_SLACK_SECS;
use crate::states::short;

/// Characters of an error that are kept for people.
const ERROR_CHARS_MAX: usize = 500;

/// How the line to a cluster is, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// The carrier's own words.
    pub way: String,
    pub accounting: AccountingKind,
    /// `None`: never since the start.
    pub last_contact: Option<Timestamp>,
    /// Age of the newest picture of the queue.
    pub lag: Span,
    pub reachable: bool,
    /// The cluster's clock less ours; zero up to two seconds.
    pub clock_offset: Span,
    /// Attempts by where they stand.
    pub handing_over: usize,
    pub seeking: usize,
    pub waiting: usize,
    pub running: usize,
    pub ending: usize,
    pub missing: usize,
    /// Observations that the platform has not taken yet.
    pub untold: usize,
    pub last_error: Option<String>,
    pub accounting_error: Option<String>,
}

#[derive(Debug)]
pub struct Link {
    last_contact: Instant,
    pub last_contact_at: Option<Timestamp>,
    /// Beginning of the latest look that was answered.
    looked: Instant,
    /// The platform was told that the cluster does not answer.
    silent: bool,
    offset_secs: i64,
    /// A sample that contradicts the offset, to be confirmed by the next.
    suspected: Option<i64>,
    pub last_error: Option<String>,
    pub accounting_error: Option<String>,
    supply_changed: bool,
    /// The folder of all attempts is there.
    pub has_folder: bool,
}

impl Default for Link {
    fn default() -> Link {
        Link {
            last_contact: Instant::now(),
            last_contact_at: None,
            looked: Instant::now(),
            silent: false,
            offset_secs: 0,
            suspected: None,
            last_error: None,
            accounting_error: None,
            supply_changed: false,
            has_folder: false,
        }
    }
}

impl Link {
    /// It answered a question that was asked at `began`. True when it had counted as unreachable.
    pub fn answered(&mut self, began: Instant, now: Timestamp) -> bool {
        self.last_contact = Instant::now();
        self.last_contact_at = Some(now);
        self.looked = began;
        self.last_error = None;
        std::mem::take(&mut self.silent)
    }

    /// It did not. True when that has lasted for longer than `grace`, once.
    pub fn failed(&mut self, error: &CarrierError, grace: Duration) -> bool {
        self.last_error = Some(short(&error.to_string(), ERROR_CHARS_MAX));
        let too_long = !self.silent && self.last_contact.elapsed() >= grace;
        self.silent |= too_long;
        too_long
    }

    pub fn is_silent(&self) -> bool {
        self.silent
    }

    pub fn lag(&self) -> Span {
        Span::from_millis(i64::try_from(self.looked.elapsed().as_millis()).unwrap_or(i64::MAX / 1_000))
    }

    pub fn offset(&self) -> Span {
        Span::from_secs(self.offset_secs)
    }

    /// Takes one sample: the cluster's whole seconds, and our times before the question and behind the answer. What the sample
    /// allows is a stretch as long as the answer took: a slow one contradicts nothing.
    pub fn clock(&mut self, theirs: i64, asked: Timestamp, answered: Timestamp) {
        let micros = theirs.saturating_mul(1_000_000);
        // Whole seconds are cut off: their clock showed up to one more.
        let least = micros.saturating_sub(answered.as_micros()).div_euclid(1_000_000);
        let most = micros.saturating_add(1_999_999).saturating_sub(asked.as_micros()).div_euclid(1_000_000).max(least);
        let allows = |seconds: i64| (least - CLOCK_SLACK_SECS..=most + CLOCK_SLACK_SECS).contains(&seconds);
        if allows(self.offset_secs) {
            self.suspected = None;
            return;
        }
        let seconds = if allows(0) { 0 } else { 0.clamp(least, most) };
        if self.suspected.is_some_and(allows) || self.last_contact_at.is_none() {
            self.offset_secs = seconds;
            self.suspected = None;
        } else {
            self.suspected = Some(seconds);
        }
    }

    pub fn supply_changed(&mut self) {
        self.supply_changed = true;
    }

    /// The platform has asked what there is.
    pub fn described(&mut self) {
        self.supply_changed = false;
    }

    pub fn has_supply_changed(&self) -> bool {
        self.supply_changed
    }
}

/// A question of the platform's own that got no answer.
pub fn unreachable(error: CarrierError) -> ConnectError {
    match error {
        CarrierError::Unreachable(error) => ConnectError::Unreachable(error),
        error @ (CarrierError::Refused(_) | CarrierError::Unreadable(_)) => {
            ConnectError::Unreachable(io::Error::other(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_differences_are_none_and_one_odd_sample_changes_nothing() {
        let mut link = Link::default();
        let at = Timestamp::from_secs;
        let quick = |link: &mut Link, theirs, ours| link.clock(theirs, at(ours), at(ours));
        quick(&mut link, 1_001, 1_000);
        assert_eq!(link.offset(), Span::ZERO);
        link.answered(Instant::now(), at(1_000));
        quick(&mut link, 1_100, 1_001);
        assert_eq!(link.offset(), Span::ZERO, "one answer may have been held up");
        quick(&mut link, 1_002, 1_002);
        quick(&mut link, 1_102, 1_003);
        assert_eq!(link.offset(), Span::ZERO);
        quick(&mut link, 1_103, 1_004);
        assert_eq!(link.offset(), Span::from_secs(99));
        quick(&mut link, 1_104, 1_005);
        assert_eq!(link.offset(), Span::from_secs(99));
        // Right again.
        quick(&mut link, 1_006, 1_006);
        quick(&mut link, 1_007, 1_007);
        assert_eq!(link.offset(), Span::ZERO);
    }

    #[tokio::test]
    async fn slow_answers_are_no_difference_of_clocks() {
        let mut link = Link::default();
        let at = Timestamp::from_secs;
        for ours in [1_000, 1_010, 1_020] {
            // Asked at once and eight seconds on the way back, then the other way round.
            link.clock(ours, at(ours), at(ours + 8));
            link.answered(Instant::now(), at(ours + 8));
            link.clock(ours + 8, at(ours), at(ours + 8));
            assert_eq!(link.offset(), Span::ZERO);
        }
        // They hide no great difference either.
        link.clock(1_130, at(1_030), at(1_038));
        link.clock(1_140, at(1_040), at(1_048));
        let found = link.offset().as_micros() / 1_000_000;
        assert!((90..=101).contains(&found), "{found}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_once_it_has_lasted() {
        let mut link = Link::default();
        let grace = Duration::from_secs(30);
        let lost = || CarrierError::Unreachable(io::ErrorKind::TimedOut.into());
        assert!(!link.failed(&lost(), grace));
        tokio::time::advance(grace).await;
        assert!(link.failed(&lost(), grace));
        assert!(!link.failed(&lost(), grace));
        assert!(link.answered(Instant::now(), Timestamp::ZERO));
        assert!(!link.answered(Instant::now(), Timestamp::ZERO));
    }
}
