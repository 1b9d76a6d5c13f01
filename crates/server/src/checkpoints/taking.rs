//! Taking one checkpoint: which files, whether they stand still, their bytes, and the moment from which the set counts.

use std::time::Duration;

use base::{AttemptId, JobId, UploadId, digest128};
use engine::{Checkpointed, JobRef};
use ports::{Entry, Files};
use store::{Checkpoint, CheckpointFile, PutRefused, Scope};

use super::clear;
use crate::access::Supply;
use crate::app::App;
use crate::convert::order::order;
use crate::fetching::{Stopped, arrive, below, finish, found};
use crate::files::{blocking, path_fault};

/// Clusters tell times of change in whole seconds. What was changed no later than at a first look, and not up to a second one this
/// much later, cannot change any more without its time telling so.
const STILL: Duration = Duration::from_millis(1_100);

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A new set counts.
    Whole,
    /// The latest set has these very files.
    Unchanged,
    /// No file is meant by the rule yet.
    Nothing,
}

fn changes(path: &str) -> Stopped {
    Stopped::Later(format!("`{path}` changes while it is copied; write to another name and rename"))
}

/// The part in which a file arrives: the same one after a restart, another when the file has changed.
pub(super) fn part(attempt: AttemptId, file: &CheckpointFile) -> UploadId {
    let (number, size, changed) =
        (attempt.number.to_be_bytes(), file.size.to_be_bytes(), file.modified_secs.to_be_bytes());
    let path = file.path.as_bytes();
    UploadId::from_u128(digest128(&[b"checkpoint", &attempt.job.to_bytes(), &number, path, &size, &changed]))
}

/// Copies the files of a running attempt.
///
/// # Errors
/// `Later`: they changed, or something did not answer. `Never`: for the tenant.
pub(super) async fn take(app: &App, one: &Checkpointed) -> Result<Taken, Stopped> {
    let entry = app.store.job(Scope::All, &JobRef::Id(one.attempt.job)).await?;
    let entry = entry.ok_or_else(|| Stopped::Later("the job is not in the store".into()))?;
    let attempts = app.store.attempts(one.attempt.job).await?;
    let attempt = attempts.iter().find(|attempt| attempt.id == one.attempt);
    let attempt = attempt.ok_or_else(|| Stopped::Later("the attempt is not in the store".into()))?;
    let cluster = app.clusters.get(one.cluster).ok_or_else(|| Stopped::Later("no such cluster here".into()))?;
    let supply = Supply::read(&app.store).await?;
    let root = cluster.work_folder(&order(&entry, attempt, &supply)).await?;
    let root = root.ok_or_else(|| Stopped::Never("it works in a folder of its own choice".into()))?;
    let files = cluster.files();
    let files = files.ok_or_else(|| Stopped::Never("the files of its cluster cannot be reached".into()))?;
    let rule = &entry.spec.checkpoint;
    let standing = still(&*files, &root, rule).await?;
    if standing.is_empty() {
        return Ok(Taken::Nothing);
    }
    let Some((set, of_set)) = begin(app, one, entry.row.job.tenant, &standing).await? else {
        return Ok(Taken::Unchanged);
    };
    for (file, seen) in of_set.iter().zip(&standing).filter(|(file, _)| file.digest.is_none()) {
        bring(app, &*files, &root, &set, (file, seen)).await?;
    }
    let now = found(&*files, &root, rule).await?;
    if let Some(changed) = difference(&standing, &now) {
        let dropped = app.store.drop_checkpoint_under_way(set.attempt.job).await?;
        clear(app, &dropped).await?;
        return Err(changes(changed));
    }
    match app.store.complete_checkpoint(&set, app.files.bounds).await? {
        Ok(true) => {
            tracing::debug!(attempt = %one.attempt, files = set.files, bytes = set.bytes, "a checkpoint was taken");
            Ok(Taken::Whole)
        }
        Ok(false) => Err(Stopped::Later("the set was let go meanwhile".into())),
        Err(refused) => Err(let_go(app, set.attempt.job, &refused).await),
    }
}

/// The files meant, once they stand still.
async fn still(files: &dyn Files, root: &str, rule: &[std::sync::Arc<str>]) -> Result<Vec<Entry>, Stopped> {
    let first = found(files, root, rule).await?;
    if let Some((entry, fault)) = first.iter().find_map(|entry| Some((entry, path_fault(&entry.name)?))) {
        return Err(Stopped::Never(format!("`{}`: {fault}", entry.name)));
    }
    if first.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(STILL).await;
    let second = found(files, root, rule).await?;
    match difference(&first, &second) {
        Some(changed) => Err(changes(changed)),
        None => Ok(second),
    }
}

/// The first path of two listings at which they differ.
fn difference<'a>(one: &'a [Entry], other: &'a [Entry]) -> Option<&'a str> {
    let unlike = one.iter().zip(other).find(|(a, b)| a != b).map(|(a, b)| a.name.as_str().min(&b.name));
    let more = || one.get(other.len()).or_else(|| other.get(one.len())).map(|entry| entry.name.as_str());
    unlike.or_else(more)
}

fn file_of(entry: &Entry) -> CheckpointFile {
    CheckpointFile {
        path: entry.name.clone(),
        size: entry.size,
        modified_secs: entry.modified_secs,
        mode: entry.mode,
        digest: None,
    }
}

/// Whether a set is of these files, whatever of it has arrived.
fn is_of(of_set: &[CheckpointFile], standing: &[Entry]) -> bool {
    let same =
        |(file, entry): (&CheckpointFile, &Entry)| CheckpointFile { digest: None, ..file.clone() } == file_of(entry);
    of_set.len() == standing.len() && of_set.iter().zip(standing).all(same)
}

/// The set to be filled: the one that is on its way, if it is of these files, or a new one, with what the latest one has of it
/// already. `None`: the latest one has all of it.
async fn begin(
    app: &App,
    one: &Checkpointed,
    tenant: base::TenantId,
    standing: &[Entry],
) -> Result<Option<(Checkpoint, Vec<CheckpointFile>)>, Stopped> {
    let job = one.attempt.job;
    if let Some(set) = app.store.checkpoint_under_way(job).await?.filter(|set| set.attempt == one.attempt) {
        let of_set = app.store.checkpoint_files(job, set.at).await?;
        if is_of(&of_set, standing) {
            return Ok(Some((set, of_set)));
        }
    }
    let sets = app.store.checkpoints(job, u32::MAX).await?;
    let mut known = Vec::new();
    if let Some(latest) = sets.first().filter(|set| set.attempt == one.attempt) {
        known = app.store.checkpoint_files(job, latest.at).await?;
        if is_of(&known, standing) {
            return Ok(None);
        }
    }
    let mut of_set: Vec<CheckpointFile> = standing.iter().map(file_of).collect();
    for file in &mut of_set {
        let same = |old: &&CheckpointFile| CheckpointFile { digest: None, ..(*old).clone() } == *file;
        file.digest = known.iter().find(same).and_then(|old| old.digest);
    }
    let set = Checkpoint {
        attempt: one.attempt,
        at: app.clock.now(),
        cluster: one.cluster,
        tenant,
        files: standing.len() as u64,
        bytes: standing.iter().map(|entry| entry.size).sum(),
    };
    // The older of two sets goes when this one is whole.
    let (kept, _) = app.store.file_usage(tenant).await?;
    let wanted = kept.saturating_sub(sets.get(1).map_or(0, |set| set.bytes)).saturating_add(set.bytes);
    let quota = app.files.bounds.bytes;
    if wanted > quota {
        return Err(let_go(app, job, &PutRefused::OverQuota { quota, missing: wanted - quota }).await);
    }
    let dropped = app.store.begin_checkpoint(&set, &of_set).await?;
    clear(app, &dropped).await?;
    Ok(Some((set, of_set)))
}

/// No set can be kept: what was on its way goes.
async fn let_go(app: &App, job: JobId, why: &PutRefused) -> Stopped {
    let done = async {
        let dropped = app.store.drop_checkpoint_under_way(job).await?;
        Ok::<_, Stopped>(clear(app, &dropped).await?)
    };
    match done.await {
        Ok(()) => Stopped::Never(why.to_string()),
        Err(stopped) => stopped,
    }
}

/// One file from where the last try ended; one that has changed meanwhile ends the set.
async fn bring(
    app: &App,
    files: &dyn Files,
    root: &str,
    set: &Checkpoint,
    (file, seen): (&CheckpointFile, &Entry),
) -> Result<(), Stopped> {
    let id = part(set.attempt, file);
    let source = below(root, &file.path);
    let arrived = arrive(app, files, &source, id, file.size).await;
    let now = match files.stat(&source).await {
        Err(ports::FileError::NotFound(_)) => None,
        now => Some(now?),
    };
    if now.is_none_or(|now| (now.size, now.modified_secs) != (seen.size, seen.modified_secs)) {
        let dropped = app.store.drop_checkpoint_under_way(set.attempt.job).await?;
        clear(app, &dropped).await?;
        return Err(changes(&file.path));
    }
    arrived?;
    // Nothing may take the content away between its file and its row.
    let _booking = app.files.booking.lock().await;
    let digest = finish(app, id, file.size).await?;
    if app.store.book_checkpoint_file(set, &file.path, file.size, digest, app.clock.now()).await? {
        return Ok(());
    }
    if !app.store.is_booked(digest).await? {
        blocking(&app.files, move |space| space.remove(digest)).await?;
    }
    Err(Stopped::Later("the set was let go meanwhile".into()))
}

#[cfg(test)]
mod tests {
    use ports::EntryKind;

    use super::*;

    fn entry(name: &str, size: u64, modified_secs: i64) -> Entry {
        Entry { name: name.into(), kind: EntryKind::File, size, modified_secs, mode: 0o644 }
    }

    #[test]
    fn listings_differ_by_any_change() {
        let one = [entry("a", 1, 1), entry("b", 2, 2)];
        assert_eq!(difference(&one, &one), None);
        for (other, at) in [
            (vec![entry("a", 1, 1), entry("b", 2, 3)], "b"),
            (vec![entry("a", 2, 1), entry("b", 2, 2)], "a"),
            (vec![entry("a", 1, 1)], "b"),
            (vec![entry("a", 1, 1), entry("aa", 1, 1), entry("b", 2, 2)], "aa"),
            (vec![entry("a", 1, 1), entry("b", 2, 2), entry("c", 0, 0)], "c"),
            (vec![], "a"),
        ] {
            assert_eq!(difference(&one, &other), Some(at), "{other:?}");
            assert_eq!(difference(&other, &one), Some(at), "{other:?}");
        }
    }

    #[test]
    fn a_set_is_of_files_whatever_has_arrived() {
        let standing = [entry("a", 1, 1), entry("b", 2, 2)];
        let mut of_set: Vec<CheckpointFile> = standing.iter().map(file_of).collect();
        of_set[0].digest = Some(model::ContentDigest([1; 32]));
        assert!(is_of(&of_set, &standing));
        assert!(!is_of(&of_set, &standing[..1]) && !is_of(&of_set, &[entry("a", 1, 1), entry("b", 2, 3)]));
        let attempt = AttemptId::new(JobId::from_u128(1), 1);
        let changed = CheckpointFile { modified_secs: 9, ..of_set[1].clone() };
        assert!(part(attempt, &of_set[1]) != part(attempt, &changed), "another part");
        assert!(part(attempt, &of_set[0]) == part(attempt, &file_of(&standing[0])), "the same part");
    }
}
