//! What the two ends say to each other. Words that one does not know are `Unknown`, fields that one does not know are left
//! out: a newer program may say more within one version of the protocol. Fixtures of every message are in `tests/fixtures`.

use std::collections::BTreeMap;

use base::{AttemptId, ClusterId, JobId, Span};
use model::{BackendKind, EndOrder, Order};
use ports::{ClusterFacts, ConnectError, Entry, FileError, LogStream};
use serde::{Deserialize, Serialize};

/// The versions of the protocol that a program speaks, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub min: u16,
    pub max: u16,
}

impl Versions {
    /// The newest version that both speak.
    ///
    /// # Errors
    /// Which side is too old: [`RefusalCode::ProtocolTooOld`] for `other`, [`RefusalCode::ProtocolTooNew`] for us.
    pub fn common(self, other: Versions) -> Result<u16, RefusalCode> {
        match self.max.min(other.max) {
            newest if newest >= self.min && newest >= other.min => Ok(newest),
            _ if other.max < self.min => Err(RefusalCode::ProtocolTooOld),
            _ => Err(RefusalCode::ProtocolTooNew),
        }
    }
}

/// The agent's first frame. Read by every version of the server that there will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: Versions,
    /// e.g. `hw 0.1.0`.
    pub software: String,
    /// The host's name, for people.
    #[serde(default)]
    pub machine: String,
    pub purpose: Purpose,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "snake_case")]
pub enum Purpose {
    /// To have this connection's key noted for the site that the token was made for.
    Join {
        token: String,
    },
    Attach(Attach),
    #[serde(other)]
    Unknown,
}

/// What the agent has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Which event log it is: another one begins at number 1 again.
    pub log: u64,
    /// The oldest event that is kept.
    pub first: u64,
    /// It knows all attempts that it was handed. False after its folder was lost: the server then says which are open.
    #[serde(default)]
    pub told: bool,
    pub backend: BackendKind,
    /// Files below a work root can be reached.
    #[serde(default)]
    pub files: bool,
    /// Its clock, microseconds since 1970.
    #[serde(default)]
    pub clock: i64,
    /// Which process of the agent it is: what one was handed and had not passed on is forgotten with it. 0: it does not say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub process: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The server's answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Welcome {
    Joined(Place),
    Attached {
        /// The version that both speak from now on.
        protocol: u16,
        software: String,
        /// Which server process it is: another one numbers its requests from 1 again.
        run: u64,
        place: Place,
    },
    Refused(Refusal),
    #[serde(other)]
    Unknown,
}

/// Which site an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub site: String,
    pub cluster: ClusterId,
    /// The platform's own id, 32 hexadecimal digits: on a shared cluster it tells its jobs from those of another platform.
    #[serde(default)]
    pub platform: String,
}

/// Why a server does not take an agent in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub code: RefusalCode,
    pub text: String,
}

impl Refusal {
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Refusal {
        Refusal { code, text: text.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalCode {
    ProtocolTooOld,
    ProtocolTooNew,
    TokenUnknown,
    TokenUsed,
    TokenExpired,
    KeyUnknown,
    /// The operator took the key back.
    KeyRevoked,
    /// This server is not the active one.
    Standby,
    /// The greeting made no sense.
    Malformed,
    /// Another server process took over in between, or a word of a newer program.
    Other,
}

impl RefusalCode {
    const ALL: [(RefusalCode, &'static str); 10] = [
        (Self::ProtocolTooOld, "protocol_too_old"),
        (Self::ProtocolTooNew, "protocol_too_new"),
        (Self::TokenUnknown, "token_unknown"),
        (Self::TokenUsed, "token_used"),
        (Self::TokenExpired, "token_expired"),
        (Self::KeyUnknown, "key_unknown"),
        (Self::KeyRevoked, "key_revoked"),
        (Self::Standby, "standby"),
        (Self::Malformed, "malformed"),
        (Self::Other, "other"),
    ];

    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(code, _)| *code == self).map_or("other", |(_, word)| word)
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for RefusalCode {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(d)?;
        Ok(Self::ALL.iter().find(|(_, known)| *known == word).map_or(Self::Other, |(code, _)| *code))
    }
}

/// What the server sends once an agent is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToAgent {
    /// Somebody listens now: send the events after this number.
    Listen {
        after: u64,
    },
    /// All events up to this one have been taken in.
    Taken {
        upto: u64,
    },
    /// The body is the ask's. An agent that had this number before, from this server process, does not do it again.
    Request {
        id: u64,
        /// The asker waits this long.
        within_ms: u64,
        ask: Box<Ask>,
    },
    Alive {},
    #[serde(other)]
    Unknown,
}

/// What the agent sends once it is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToServer {
    /// The body: one event a line, JSON of [`model::Observed`]; the first has the number `from`.
    Events { from: u64 },
    /// The body is the answer's.
    Answer { id: u64, answer: Answer },
    /// `waiting`: events not yet taken in; `clock`: as in [`Attach`].
    Alive {
        #[serde(default)]
        waiting: u64,
        #[serde(default)]
        clock: i64,
    },
    #[serde(other)]
    Unknown,
}

/// One call of [`ports::Cluster`] or [`ports::Files`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    Describe {},
    /// Body: the script.
    Submit {
        order: Order,
    },
    End {
        attempt: AttemptId,
        how: EndOrder,
    },
    Signal {
        attempt: AttemptId,
        signal: i32,
        shell_only: bool,
    },
    Forget {
        attempt: AttemptId,
    },
    /// Body: attempts as [`attempts_to_bytes`] writes them. Parts come one after the other, the first with number 0.
    Resume {
        part: u32,
        last: bool,
        /// The server knows [`Answer::Resumed`]. One that does not say so gets [`Answer::Done`], as it always did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stock: bool,
    },
    ReadLog {
        order: Order,
        stream: LogStream,
        offset: i64,
        max: usize,
    },
    WaitLog {
        order: Order,
        stream: LogStream,
        size: u64,
    },
    SetTimeLimit {
        attempt: AttemptId,
        limit: Span,
    },
    Stat {
        path: String,
    },
    /// Entries after this name.
    List {
        path: String,
        after: Option<String>,
    },
    Read {
        path: String,
        offset: u64,
        max: usize,
    },
    /// Body: the bytes.
    Write {
        path: String,
        offset: u64,
        mode: u32,
    },
    MakeFolder {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    /// A file to a file, without its bytes on the line. The first agents do not know it.
    Copy {
        from: String,
        to: String,
        mode: u32,
    },
    /// Where the order's job works. The first agents do not know it.
    WorkFolder {
        order: Order,
    },
    /// A look at the cluster by who stands beside it, with a first job of no work for which it waits this long. `tag` names what it
    /// leaves there for a moment. The first agents do not know it.
    Check {
        tag: u32,
        patience_ms: u64,
    },
    Remove {
        path: String,
    },
    /// Who the platform's people are at the site, so that it can be told which accounts are debtors' without being told who owes. The first agents
    /// know neither this nor the next.
    AccountRules {},
    /// Body: JSON, the names of all accounts that are to take in nothing.
    StopAccounts {},
    #[serde(other)]
    Unknown,
}

impl Ask {
    /// Whether doing it twice could differ from doing it once: the agent then remembers its answer.
    pub const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Describe {}
                | Self::ReadLog { .. }
                | Self::WaitLog { .. }
                | Self::Stat { .. }
                | Self::List { .. }
                | Self::Read { .. }
                | Self::WorkFolder { .. }
                | Self::AccountRules {}
                | Self::Unknown
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    Done {},
    /// The connector was told which attempts are open when `newest` was the number of the agent's newest event: what was said to
    /// be absent before that may be there by now.
    Resumed {
        newest: u64,
    },
    Described {
        facts: ClusterFacts,
        /// Remarks by the pool's name.
        #[serde(default)]
        pools: BTreeMap<String, Vec<String>>,
    },
    /// Body: the bytes.
    Log {
        offset: u64,
        size: u64,
        complete: bool,
    },
    Entry {
        entry: Entry,
    },
    Entries {
        entries: Vec<Entry>,
        more: bool,
    },
    /// Body: the bytes.
    Bytes {},
    /// Relative to the work root; `None`: the job named a folder itself.
    WorkFolder {
        folder: Option<String>,
    },
    /// Body: the report, JSON of the connector.
    Checked {},
    /// Body: the rules, JSON of the connector; nothing where no account is ever stopped.
    AccountRules {},
    /// What is other than before, for people; mostly nothing.
    AccountsStopped {
        changed: String,
    },
    Fault {
        fault: Fault,
    },
    FileFault {
        fault: FileFault,
    },
    /// The agent's program does not know this ask.
    #[serde(other)]
    Unknown,
}

/// [`ConnectError`] on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Fault {
    Unreachable { text: String },
    Refused { text: String, note: String, permanent: bool },
    NoSuchAttempt { attempt: AttemptId },
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Fault {
        match error {
            ConnectError::Unreachable(error) => Fault::Unreachable { text: error.to_string() },
            ConnectError::Refused { text, note, permanent } => Fault::Refused { text, note, permanent },
            ConnectError::NoSuchAttempt(attempt) => Fault::NoSuchAttempt { attempt },
        }
    }
}

impl From<Fault> for ConnectError {
    fn from(fault: Fault) -> ConnectError {
        match fault {
            Fault::Unreachable { text } => ConnectError::Unreachable(std::io::Error::other(text)),
            Fault::Refused { text, note, permanent } => ConnectError::Refused { text, note, permanent },
            Fault::NoSuchAttempt { attempt } => ConnectError::NoSuchAttempt(attempt),
        }
    }
}

/// [`FileError`] on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum FileFault {
    NotFound { path: String },
    Outside { path: String, text: String },
    Exists { path: String },
    WrongKind { path: String, wanted: String },
    Denied { text: String },
    Full { text: String },
    Unreachable { text: String },
}

impl From<FileError> for FileFault {
    fn from(error: FileError) -> FileFault {
        match error {
            FileError::NotFound(path) => FileFault::NotFound { path },
            FileError::Outside { path, why } => FileFault::Outside { path, text: why.to_owned() },
            FileError::Exists(path) => FileFault::Exists { path },
            FileError::WrongKind { path, wanted } => FileFault::WrongKind { path, wanted: wanted.to_owned() },
            FileError::Denied(text) => FileFault::Denied { text },
            FileError::Full(text) => FileFault::Full { text },
            FileError::Unreachable(error) => FileFault::Unreachable { text: error.to_string() },
        }
    }
}

impl From<FileFault> for FileError {
    fn from(fault: FileFault) -> FileError {
        match fault {
            FileFault::NotFound { path } => FileError::NotFound(path),
            // The reasons of a path itself are found before it is sent; what the site finds is a link.
            FileFault::Outside { path, .. } => FileError::Outside { path, why: "it leads out of the work folder" },
            FileFault::Exists { path } => FileError::Exists(path),
            FileFault::WrongKind { path, wanted } => {
                let wanted = if wanted.contains("folder") { "a folder" } else { "a file" };
                FileError::WrongKind { path, wanted }
            }
            FileFault::Denied { text } => FileError::Denied(text),
            FileFault::Full { text } => FileError::Full(text),
            FileFault::Unreachable { text } => FileError::Unreachable(std::io::Error::other(text)),
        }
    }
}

/// 20 bytes each: the job's id and the attempt's number, big-endian.
pub fn attempts_to_bytes(attempts: &[AttemptId]) -> Vec<u8> {
    attempts.iter().flat_map(|a| a.job.to_bytes().into_iter().chain(a.number.to_be_bytes())).collect()
}

/// `None` when the bytes are not whole attempts.
pub fn attempts_from_bytes(bytes: &[u8]) -> Option<Vec<AttemptId>> {
    let (attempts, rest) = bytes.as_chunks::<20>();
    let read = |raw: &[u8; 20]| {
        let (job, number) = (raw.first_chunk::<16>()?, raw.last_chunk::<4>()?);
        Some(AttemptId::new(JobId::from_bytes(*job), u32::from_be_bytes(*number)))
    };
    if rest.is_empty() { attempts.iter().map(read).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_meet_or_say_who_is_old() {
        let v = |min, max| Versions { min, max };
        for (server, agent, wanted) in [
            (v(1, 1), v(1, 1), Ok(1)),
            (v(1, 3), v(2, 5), Ok(3)),
            (v(2, 5), v(1, 3), Ok(3)),
            (v(3, 4), v(1, 2), Err(RefusalCode::ProtocolTooOld)),
            (v(1, 2), v(3, 4), Err(RefusalCode::ProtocolTooNew)),
        ] {
            assert_eq!(server.common(agent), wanted, "{server:?} {agent:?}");
        }
    }

    #[test]
    fn attempts_travel_as_bytes() {
        let attempts =
            [AttemptId::new(JobId::from_u128(7 << 100 | 1), 1), AttemptId::new(JobId::from_u128(2), u32::MAX)];
        let bytes = attempts_to_bytes(&attempts);
        assert_eq!(attempts_from_bytes(&bytes).as_deref(), Some(&attempts[..]));
        assert_eq!(attempts_from_bytes(&bytes[1..]), None);
    }
}
