//! Copies the results that a job's rule names from its work folder into the tenant's file space once it has ended. What is to be
//! done stands in the store since the commit of the end, and is done with in the commit that tells it: a server that dies in between
//! goes on with the bytes that had arrived. Reconciles by level on the active server; never touches the job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{JobId, Timestamp, UploadId, digest128};
use engine::{Command, Envelope, FetchEnd, JobRef};
use model::{Actor, ContentDigest, pattern};
use ports::files::FILE_PIECE_MAX;
use ports::{ConnectError, Entry, EntryKind, FileError, Files};
use store::{FileRow, JobEntry, PutRefused, Scope};
use tokio::sync::watch;

use crate::access::Supply;
use crate::app::{App, CommandError};
use crate::bringing::COMING;
use crate::convert::order::order;
use crate::driver::Role;
use crate::files::{PieceError, blocking, path_fault};
use crate::limits::{FETCH_AT_ONCE, FETCH_FILES_MAX, FETCH_LOOKED_AT_MAX, FETCH_PATIENCE};
use crate::logs::latest;

/// Between two looks for ends; a look is one question to an index that is mostly empty.
const LOOK: Duration = Duration::from_secs(1);
/// A job whose cluster does not answer is tried again after this, and twice as long each time.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(600);
/// Where results of a job lie in the file space: below `results/NUMBER`.
const FOLDER: &str = "results";

/// When a job may be tried again, and how long it then waits.
type Waiting = BTreeMap<JobId, (Instant, Duration)>;

/// Why files of a job are not there.
pub(crate) enum Stopped {
    /// Asked again later.
    Later(String),
    /// Told to the tenant.
    Never(String),
}

impl From<FileError> for Stopped {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Unreachable(error) => Self::Later(error.to_string()),
            error => Self::Never(error.to_string()),
        }
    }
}
impl From<ports::StoreError> for Stopped {
    fn from(error: ports::StoreError) -> Self {
        Self::Later(error.to_string())
    }
}
impl From<ConnectError> for Stopped {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused { text, .. } => Self::Never(text),
            error => Self::Later(error.to_string()),
        }
    }
}
impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Later(format!("the data folder's files: {error}"))
    }
}

/// Looks until the server stops.
pub async fn run(app: App, role: watch::Receiver<Role>, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut waiting = Waiting::new();
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = timer.tick() => {}
        }
        if !matches!(&*role.borrow(), Role::Active) {
            waiting.clear();
            continue;
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = look(&app, &mut waiting) => {}
        }
    }
}

async fn look(app: &App, waiting: &mut Waiting) {
    let due = match app.store.results_due(FETCH_AT_ONCE).await {
        Ok(due) if due.is_empty() => return,
        Ok(due) => due,
        Err(error) => return tracing::warn!(%error, "ended jobs with results cannot be read now"),
    };
    let Ok(supply) = Supply::read(&app.store).await else { return };
    let now = Instant::now();
    let ripe = due.into_iter().filter(|(job, _)| waiting.get(job).is_none_or(|(at, _)| *at <= now));
    for (job, since) in ripe.collect::<Vec<_>>() {
        match one(app, &supply, job, since).await {
            Ok(()) => drop(waiting.remove(&job)),
            Err(why) => {
                let pause = waiting.get(&job).map_or(RETRY_FIRST, |(_, pause)| (*pause * 2).min(RETRY_MAX));
                tracing::warn!(%job, why, "results cannot be fetched now; trying again in {pause:?}");
                waiting.insert(job, (Instant::now() + pause, pause));
            }
        }
    }
}

/// One job to its end; an error is tried again.
async fn one(app: &App, supply: &Supply, job: JobId, since: Timestamp) -> Result<(), String> {
    let entry = app.store.job(Scope::All, &JobRef::Id(job)).await.map_err(|error| error.to_string())?;
    let entry = entry.ok_or("the job is not in the store")?;
    let what = match fetch(app, supply, &entry).await {
        Ok(what) => what,
        Err(Stopped::Never(text)) => FetchEnd::Failed(bounded(&text)),
        Err(Stopped::Later(text)) if app.clock.now() - FETCH_PATIENCE > since => {
            FetchEnd::Failed(bounded(&format!("its cluster did not answer for {FETCH_PATIENCE}: {text}")))
        }
        Err(Stopped::Later(text)) => return Err(text),
    };
    let (tenant, state) = (entry.row.job.tenant, entry.row.job.state());
    let command = Command::NoteResults { job, tenant, state, what };
    let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
    app.engine.command(envelope).await.map(drop).map_err(|error: CommandError| error.to_string())
}

pub(crate) fn bounded(text: &str) -> Arc<str> {
    text.chars().filter(|c| !c.is_control()).take(400).collect::<String>().into()
}

async fn fetch(app: &App, supply: &Supply, entry: &JobEntry) -> Result<FetchEnd, Stopped> {
    let never = |text: &str| Stopped::Never(text.to_owned());
    let attempts = app.store.attempts(entry.row.job.id).await?;
    let attempt = latest(&attempts).ok_or_else(|| never("it was never placed, so there is no work folder"))?;
    let cluster = app.clusters.get(attempt.cluster).ok_or_else(|| Stopped::Later("no such cluster here".into()))?;
    let root = cluster.work_folder(&order(entry, attempt, supply)).await?;
    let root = root.ok_or_else(|| never("it worked in a folder of its own choice"))?;
    let files = cluster.files().ok_or_else(|| never("the files of its cluster cannot be reached"))?;
    let found = found(&*files, &root, &entry.spec.fetch).await?;
    if found.is_empty() {
        return Err(Stopped::Never(format!("no file in its work folder is meant by {}", entry.spec.fetch.join(", "))));
    }
    let folder = format!("{FOLDER}/{}", entry.row.job.number);
    let mut bytes = 0;
    for result in &found {
        bring(app, entry, &*files, &root, &folder, result).await?;
        bytes += result.size;
        app.traffic.add(entry.row.job.tenant, entry.row.job.project, result.size);
    }
    Ok(FetchEnd::Fetched { files: found.len() as u64, bytes, folder: folder.into() })
}

/// All files below `root` that some pattern means, with their paths from there, in name order. Links are not followed.
pub(crate) async fn found(files: &dyn Files, root: &str, patterns: &[Arc<str>]) -> Result<Vec<Entry>, Stopped> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let listed = match files.list(&below(root, &folder)).await {
            // The job removed it, or never made it.
            Err(FileError::NotFound(_)) => continue,
            listed => listed?,
        };
        for entry in listed {
            let path = below(&folder, &entry.name);
            looked_at += 1;
            if looked_at > FETCH_LOOKED_AT_MAX {
                let text =
                    format!("its work folder has more than {FETCH_LOOKED_AT_MAX} files; fetch them with `hw get`");
                return Err(Stopped::Never(text));
            }
            match entry.kind {
                EntryKind::Folder if path == COMING => {}
                EntryKind::Folder => folders.push(path),
                EntryKind::File if patterns.iter().any(|pattern| pattern::matches(pattern, &path)) => {
                    found.push(Entry { name: path, ..entry });
                }
                _ => {}
            }
        }
        if found.len() > FETCH_FILES_MAX {
            let text = format!("more than {FETCH_FILES_MAX} files are meant; pack them in the job");
            return Err(Stopped::Never(text));
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn below(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// Brings one file, or what is missing of it, and books it.
async fn bring(
    app: &App,
    entry: &JobEntry,
    files: &dyn Files,
    root: &str,
    folder: &str,
    result: &Entry,
) -> Result<(), Stopped> {
    let job = &entry.row.job;
    let path = format!("{folder}/{}", result.name);
    if let Some(fault) = path_fault(&path) {
        return Err(Stopped::Never(format!("`{}`: {fault}", result.name)));
    }
    if let Some(there) = app.store.file(job.tenant, job.project, &path).await?
        && there.size == result.size
        && there.user == job.user
    {
        return Ok(());
    }
    let (kept, _) = app.store.file_usage(job.tenant).await?;
    let bounds = app.files.bounds;
    if kept.saturating_add(result.size) > bounds.bytes {
        let missing = kept.saturating_add(result.size) - bounds.bytes;
        return Err(Stopped::Never(PutRefused::OverQuota { quota: bounds.bytes, missing }.to_string()));
    }
    // The same file of the same job is the same part, also after a restart; one that has changed is another.
    let (size, changed) = (result.size.to_be_bytes(), result.modified_secs.to_be_bytes());
    let id = UploadId::from_u128(digest128(&[b"fetch", &job.id.to_bytes(), path.as_bytes(), &size, &changed]));
    let source = below(root, &result.name);
    let arrived = arrive(app, files, &source, id, result.size).await;
    let now = files.stat(&source).await?;
    if (now.size, now.modified_secs) != (result.size, result.modified_secs) {
        blocking(&app.files, move |space| space.discard(id)).await?;
        return Err(Stopped::Later(format!("`{}` still changes", result.name)));
    }
    arrived?;
    book(app, entry, id, path, result).await
}

/// The bytes of a file from where the last try ended.
pub(crate) async fn arrive(app: &App, files: &dyn Files, source: &str, id: UploadId, size: u64) -> Result<(), Stopped> {
    let mut offset = blocking(&app.files, move |space| space.arrived(id)).await?;
    while offset < size {
        let most = usize::try_from(size - offset).unwrap_or(usize::MAX).min(FILE_PIECE_MAX);
        let bytes = files.read(source, offset, most).await?;
        if bytes.is_empty() {
            return Err(Stopped::Later("a file became shorter while it was read".into()));
        }
        let at = offset;
        offset = blocking(&app.files, move |space| {
            let piece = space.take(id).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ResourceBusy))?;
            piece.append(at, &bytes)
        })
        .await
        .map_err(|error: PieceError| Stopped::Later(error.to_string()))?;
    }
    Ok(())
}

/// Makes a content of what arrived. The caller holds the lock for booking until the content has a row.
pub(crate) async fn finish(app: &App, id: UploadId, size: u64) -> Result<ContentDigest, Stopped> {
    let done = blocking(&app.files, move |space| {
        let piece = space.take(id).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ResourceBusy))?;
        piece.finish_as_found(size)
    });
    done.await.map_err(|error: PieceError| Stopped::Later(error.to_string()))
}

/// Makes a content of what arrived and a file of the tenant's of it.
async fn book(app: &App, entry: &JobEntry, id: UploadId, path: String, result: &Entry) -> Result<(), Stopped> {
    let (job, size) = (&entry.row.job, result.size);
    // Nothing may take the content away between its file and its row.
    let _booking = app.files.booking.lock().await;
    let digest = finish(app, id, size).await?;
    let file = FileRow {
        tenant: job.tenant,
        project: job.project,
        path,
        digest,
        size,
        mode: result.mode,
        user: job.user,
        at: app.clock.now(),
    };
    let put = app.store.put_file(&file, Some(id), app.files.bounds).await?;
    let Err(refused) = put else { return Ok(()) };
    if !app.store.is_booked(digest).await? {
        blocking(&app.files, move |space| space.remove(digest)).await?;
    }
    Err(Stopped::Never(format!("`{}`: {refused}", result.name)))
}
