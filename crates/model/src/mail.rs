//! Of what a job's own mail tells (`--mail-type`). Knows neither addresses nor words.

use serde::{Deserialize, Serialize};

use crate::{EventKind, Outcome};

/// One type of mail about a job. Stored by these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailOn {
    /// It has begun on a cluster.
    Begin,
    /// It has ended, well or badly.
    End,
    /// It has ended in any way but well.
    Fail,
    /// It is back in the queue, or is moved.
    Requeue,
    /// It has ended at its time limit.
    TimeLimit,
}

impl MailOn {
    /// Whether this type tells of an event.
    pub const fn tells(self, what: &EventKind) -> bool {
        match self {
            Self::Begin => matches!(what, EventKind::Started { .. }),
            Self::End => matches!(what, EventKind::Ended { .. }),
            Self::Fail => matches!(what, EventKind::Ended { outcome, .. } if !outcome.is_success()),
            Self::TimeLimit => matches!(what, EventKind::Ended { outcome: Outcome::Timeout, .. }),
            Self::Requeue => matches!(
                what,
                EventKind::Requeued { .. }
                    | EventKind::Interrupted { .. }
                    | EventKind::Moved { .. }
                    | EventKind::Twinned { .. }
            ),
        }
    }
}
