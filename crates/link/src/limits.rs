//! Every bound of the link in one table, each with its unit and its arithmetic, and the timing that both ends keep.

use std::time::Duration;

use crate::message::Versions;

/// The versions of the protocol that this program speaks. Raised when an old program could not understand a new one.
pub const PROTOCOL: Versions = Versions { min: 1, max: 1 };

/// Bytes of a frame's head, JSON: an order whose variables fill their 1 MiB, each byte escaped as `\u00xx`, is 6 MiB.
pub const HEAD_BYTES_MAX: usize = 8 << 20;
/// Bytes of a frame's body: the largest script (4 MiB); pieces of files and logs are 1 MiB.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Bytes of a frame before the other side has proven who it is: a greeting is below 1 KiB.
pub const GREETING_BYTES_MAX: usize = 16 << 10;
/// Bytes written or read at a time: at 4.4 KB/s they take the 15 s after which a silent line counts as dead.
pub const PIECE_BYTES: usize = 64 << 10;

/// Requests under way on one link. The driver has 32 lanes; the rest is logs and files.
pub const REQUESTS_MAX: usize = 256;
/// Answers of requests that change something, remembered by the agent for the case that they were lost with the line: the
/// requests of sixteen lines that broke one after the other, some 100 bytes each.
pub const ANSWERS_KEPT: usize = 4_096;
/// Frames that wait to be written on one connection.
pub const OUTBOX_FRAMES: usize = 64;
/// Events sent and not yet acknowledged, so that the server's memory of a link is bounded: at 1 KiB each 4 MiB.
pub const EVENTS_WINDOW: u64 = 4_096;
/// Events of one frame, and their bytes.
pub const EVENTS_AT_ONCE: usize = 512;
pub const EVENTS_BYTES_AT_ONCE: usize = 512 << 10;
/// Bytes of one event; the longest carry the names of a job's nodes, 100,000 of 20 bytes.
pub const EVENT_BYTES_MAX: usize = 3 << 20;
/// Bytes of events that wait for the server, in memory and on disk. At 250 bytes an event some 260,000: a day of a site with
/// 130,000 jobs. When it is full the connector waits, and reports later what it then sees.
pub const SPOOL_BYTES_MAX: usize = 64 << 20;
/// Above this, notes of progress are left out: each is replaced by the next.
pub const SPOOL_BYTES_BUSY: usize = SPOOL_BYTES_MAX / 4;
/// The spool is written anew when this much of it is acknowledged, and that is more than what is not.
pub const SPOOL_BYTES_STALE: usize = 4 << 20;
/// Attempts of one part of a `resume`, 20 bytes each: 2 MB.
pub const RESUME_PART: usize = 100_000;
/// Entries of one part of a folder's listing: with names of 255 bytes, some 4 MiB of JSON.
pub const LISTING_PART: usize = 10_000;

/// Connections that have not proven who they are, in all and of one address; each holds some 50 KiB.
pub const STRANGERS_MAX: usize = 64;
pub const STRANGERS_PER_ADDRESS: usize = 8;
/// Refused greetings that one address may make in a minute before it is not listened to.
pub const REFUSALS_PER_MINUTE: u32 = 20;
/// Addresses whose refusals are counted; some 50 bytes each.
pub const ADDRESSES_COUNTED: usize = 10_000;

/// A copy at the site may take this long: 100 GB at 60 MB/s. One that takes longer is begun anew.
pub const COPY_TIME_MAX: Duration = Duration::from_secs(1_800);
/// What a check takes beside its first job: a survey, some questions, files. A slow slurmctld takes 9 s for each.
pub const CHECK_BESIDE: Duration = Duration::from_secs(90);
/// Limits of accounts are set one by one, at 30 to 100 ms each.
pub const ACCOUNTS_TIME_MAX: Duration = Duration::from_secs(300);

/// How long the two ends wait for what. Tests shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two signs of life of each end.
    pub heartbeat: Duration,
    /// Without a byte for this long the line is dead: three signs of life missed.
    pub silence: Duration,
    /// From the connection to the end of the greeting, TLS included.
    pub greeting: Duration,
    /// The agent's first pause before it dials again, doubled up to the longest, each with half of it left to chance.
    pub redial_first: Duration,
    pub redial_max: Duration,
    /// How long a call waits for a line that is down before it says so: most lines are back by then.
    pub patience: Duration,
    /// How long a call waits for its answer: a busy slurmctld takes 9 s to fail, files 1 MiB at 50 KB/s 20 s.
    pub answer: Duration,
    /// A site without a line for this long counts as unreachable.
    pub unreachable: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            greeting: Duration::from_secs(10),
            redial_first: Duration::from_millis(500),
            redial_max: Duration::from_secs(30),
            patience: Duration::from_secs(3),
            answer: Duration::from_secs(30),
            unreachable: Duration::from_secs(30),
        }
    }
}
