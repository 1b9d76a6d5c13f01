//! What the wrapper of a job writes beside its fence, and where: proof of the course of an attempt that needs neither the
//! controller's memory nor accounting. Reading it goes through `ports::Files`; formats are the wrapper's.

use base::{AttemptId, Timestamp};
use model::Exit;
use ports::{FileError, Files};

use crate::carrier::JobNumber;
use crate::key::Realm;

/// Everything of ours that is not a tenant's lies here, below the work root.
const HOME: &str = ".headworks";
/// Whoever may start is the one whose name stands in here.
const OWNER: &str = "fence/owner";
const STARTED: &str = "started";
const ENDED: &str = "ended";
const STOP: &str = "stop";
const STAGED: &str = "staged";
/// Longest file of evidence: its words are bounded by a path's 4 KiB.
const FILE_MAX: usize = 8 << 10;

/// Folder of all attempts of a realm, relative to the work root.
pub fn attempts(realm: Realm) -> String {
    format!("{HOME}/{}/attempts", realm.prefix().trim_end_matches('-'))
}

/// Folder of notes about site accounts that were stopped, relative to the work root.
pub fn stops(realm: Realm) -> String {
    format!("{HOME}/{}/stops", realm.prefix().trim_end_matches('-'))
}

/// Folder of one attempt, relative to the work root.
pub fn folder(realm: Realm, attempt: AttemptId) -> String {
    format!("{}/{}", attempts(realm), realm.name(attempt))
}

/// What Slurm itself writes into the job's output (its own words at a kill) goes to a file of this name.
pub fn slurm_words(realm: Realm, attempt: AttemptId) -> String {
    format!("{}.slurm", folder(realm, attempt))
}

/// A job that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// By the node's clock.
    pub at: Timestamp,
    pub number: JobNumber,
    pub restarts: u32,
    pub host: String,
}

/// A job that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub at: Timestamp,
    pub number: JobNumber,
    /// `None`: its script never ran; the words say why.
    pub exit: Option<Exit>,
    pub words: String,
}

/// Everything that is written of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Job that holds the fence.
    pub owner: Option<JobNumber>,
    pub started: Option<Started>,
    /// Of the run that `started` is about; an earlier run's end is left out.
    pub ended: Option<Ended>,
}

impl Evidence {
    /// Whether anything shows that a job of this attempt was there.
    pub fn is_empty(&self) -> bool {
        self == &Evidence::default()
    }
}

/// Reads all evidence of an attempt; what is half written or foreign counts as not there.
///
/// # Errors
/// When the files cannot be asked; never to be read as "nothing there".
pub async fn read(files: &dyn Files, realm: Realm, attempt: AttemptId) -> Result<Evidence, FileError> {
    let folder = folder(realm, attempt);
    // In the order in which they are written, backwards: what is there later cannot be missed because of the order of looks.
    let ended = text(files, &format!("{folder}/{ENDED}")).await?;
    let started = text(files, &format!("{folder}/{STARTED}")).await?;
    let owner = text(files, &format!("{folder}/{OWNER}")).await?;
    let started = started.as_deref().and_then(parse_started);
    let ended = ended.as_deref().and_then(parse_ended);
    Ok(Evidence {
        owner: owner.as_deref().and_then(self::owner),
        // A job that Slurm started again leaves the end of its earlier run until it ends itself.
        ended: ended.filter(|end| started.as_ref().is_none_or(|s| s.number == end.number && s.at <= end.at)),
        started,
    })
}

async fn text(files: &dyn Files, path: &str) -> Result<Option<String>, FileError> {
    match files.read(path, 0, FILE_MAX).await {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(FileError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps jobs of this attempt from beginning. The job that has begun before, if any: a job looks for this order behind the
/// fence, and here the fence is looked at behind the order, so that one of the two sees the other.
///
/// # Errors
/// When it could not be written, or not be looked at.
pub async fn stop(files: &dyn Files, realm: Realm, attempt: AttemptId) -> Result<Option<JobNumber>, FileError> {
    let folder = folder(realm, attempt);
    files.write(&format!("{folder}/{STOP}"), 0, b"ended before it began\n".to_vec(), 0o600).await?;
    Ok(text(files, &format!("{folder}/{OWNER}")).await?.as_deref().and_then(owner))
}

/// Takes the order to stop back: the attempt is wanted again.
///
/// # Errors
/// When it could not be removed.
pub async fn unstop(files: &dyn Files, realm: Realm, attempt: AttemptId) -> Result<(), FileError> {
    files.remove(&format!("{}/{STOP}", folder(realm, attempt))).await
}

fn owner(line: &str) -> Option<JobNumber> {
    line.split(' ').next()?.parse().ok()
}

/// Puts a script in its place ahead of its job.
///
/// # Errors
/// When it could not be written.
pub async fn stage(files: &dyn Files, realm: Realm, attempt: AttemptId, script: &str) -> Result<(), FileError> {
    let path = format!("{}/{STAGED}", folder(realm, attempt));
    for (at, piece) in
        (0..).step_by(ports::files::FILE_PIECE_MAX).zip(script.as_bytes().chunks(ports::files::FILE_PIECE_MAX))
    {
        files.write(&path, at, piece.to_vec(), 0o700).await?;
    }
    Ok(())
}

/// `SECONDS.FRACTION` since 1970, to the microsecond.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(digits.parse().ok()?)?;
    Some(Timestamp::from_micros(micros))
}

/// `TIME JOB RESTARTS HOST PID`.
fn parse_started(line: &str) -> Option<Started> {
    let mut words = line.trim_end().split(' ');
    Some(Started {
        at: time(words.next()?)?,
        number: words.next()?.parse().ok()?,
        restarts: words.next()?.parse().ok()?,
        host: words.next()?.to_owned(),
    })
}

/// `TIME JOB CODE SIGNAL`, or `TIME JOB - - WORDS`.
fn parse_ended(line: &str) -> Option<Ended> {
    let mut words = line.trim_end().splitn(5, ' ');
    let (at, number) = (time(words.next()?)?, words.next()?.parse().ok()?);
    let (code, signal) = (words.next()?, words.next()?);
    let exit = match code {
        "-" => None,
        _ => Some(Exit { code: code.parse().ok()?, signal: signal.parse().ok()? }),
    };
    Some(Ended { at, number, exit, words: words.next().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_half_lines_are_not() {
        assert_eq!(
            parse_started("1700000000.25 12 1 n1 4711\n"),
            Some(Started {
                at: Timestamp::from_micros(1_700_000_000_250_000),
                number: 12,
                restarts: 1,
                host: "n1".into()
            })
        );
        assert_eq!(parse_started("1700000000.25 12"), None);
        let end = parse_ended("1700000001.123456789 12 0 15\n").unwrap();
        assert_eq!((end.at.as_micros() % 1_000_000, end.exit), (123_456, Some(Exit { code: 0, signal: 15 })));
        let end = parse_ended("1700000001.5 12 - - cannot enter the work folder /x y\n").unwrap();
        assert_eq!((end.exit, end.words.as_str()), (None, "cannot enter the work folder /x y"));
        assert_eq!(parse_ended("17000"), None);
    }
}
