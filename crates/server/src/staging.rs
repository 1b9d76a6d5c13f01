//! Puts the inputs of a job, and the latest checkpoint of its earlier attempts, where it will work, before it is handed over: each
//! content once per cluster, then a copy of it in the work folder. Everything here may be repeated and cut off anywhere: what has arrived is gone on with, and a folder that
//! was made ready once is not touched again, since its job may run by then.

mod differences;
mod restoring;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::{ClusterId, Timestamp};
use model::{ContentDigest, Input, Observation, Observed, Order};
use ports::files::FILE_PIECE_MAX;
use ports::{Cluster, ConnectError, EntryKind, FileError, Files};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::files::{Space, blocking};
use differences::Latest;
use restoring::Restored;

/// The platform's own corner below a work root.
const CORNER: &str = ".headworks";
/// Contents on a cluster that lie there longer than this are removed; who needs one again sends it again.
const CONTENT_KEPT: Duration = Duration::from_secs(14 * 86_400);
/// Marks of work folders that were made ready. An attempt lives shorter than this: the longest time limit is 366 days, and a
/// mark is needed only until the cluster has the attempt.
const MARK_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Between two looks for what can be removed on one cluster.
const TIDY_EVERY: Duration = Duration::from_secs(86_400);

/// Who sends a content to a cluster at the moment; others wait for it.
type Sending = BTreeMap<(ClusterId, ContentDigest), Arc<tokio::sync::Mutex<()>>>;

pub struct Staging {
    space: Arc<Space>,
    store: Arc<store::SqlStore>,
    observe: mpsc::Sender<Observation>,
    sending: Mutex<Sending>,
    tidied: Mutex<BTreeMap<ClusterId, Instant>>,
    cut: differences::CutOff,
}

/// What stopped it, before it is known whether asking again helps.
enum Stopped {
    /// Of a file on the cluster.
    There(FileError),
    /// Of a file of ours.
    Here(io::Error),
    /// A content of ours is not what its name says.
    Damaged(ContentDigest),
    /// The store does not answer.
    Store(ports::StoreError),
}

impl From<FileError> for Stopped {
    fn from(error: FileError) -> Self {
        Self::There(error)
    }
}
impl From<ports::StoreError> for Stopped {
    fn from(error: ports::StoreError) -> Self {
        Self::Store(error)
    }
}
impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Here(error)
    }
}

impl Staging {
    pub fn new(space: Arc<Space>, store: Arc<store::SqlStore>, observe: mpsc::Sender<Observation>) -> Staging {
        Staging { space, store, observe, sending: Mutex::default(), tidied: Mutex::default(), cut: Mutex::default() }
    }

    /// Makes the order's work folder ready: puts its inputs there, and over them the latest checkpoint of its earlier attempts, whose
    /// time is the answer. Nothing to do for an order with neither.
    ///
    /// # Errors
    /// `Unreachable` to be tried again, `Refused` with words for the tenant.
    pub async fn make_ready(
        &self,
        id: ClusterId,
        cluster: &dyn Cluster,
        order: &Order,
    ) -> Result<Option<Timestamp>, ConnectError> {
        let (inputs, restarts) = (!order.spec.inputs.is_empty(), restoring::restarts(order));
        if !inputs && !restarts {
            return Ok(None);
        }
        let no = |text: &str| refused(text, format!("cluster {id}, attempt {}", order.attempt), true);
        let files = match cluster.files() {
            Some(files) => files,
            None if inputs => return Err(no("input files cannot be put on this cluster")),
            // It begins from nothing, as everywhere without checkpoints.
            None => return Ok(None),
        };
        let folder = cluster
            .work_folder(order)
            .await?
            .ok_or_else(|| no("the job works in a folder that it named itself, where no files are put"))?;
        let mark = format!("{CORNER}/staged/{}", order.attempt);
        let files = files.as_ref();
        if let Some(made) = restoring::read_mark(files, &mark).await.map_err(|error| told(error.into(), order))? {
            return Ok(made);
        }
        self.tidy(id, files).await;
        let restored = self.fill(id, files, (&folder, &mark), order).await.map_err(|stopped| told(stopped, order))?;
        if inputs {
            let bytes: u64 = order.spec.inputs.iter().map(|input| input.size).sum();
            let text = format!("{} input files ({bytes} bytes) are in the work folder", order.spec.inputs.len());
            self.tell(id, Observed::Remark { attempt: order.attempt, text: text.into() }).await;
        }
        if let Some(what) = restored.as_ref().and_then(|restored| restored.told(order.attempt)) {
            self.tell(id, what).await;
        }
        Ok(restored.map(|restored| restored.at()))
    }

    async fn tell(&self, id: ClusterId, what: Observed) {
        // Fails only when the driver is gone, and then nobody is left to tell.
        let _ = self.observe.send(Observation { cluster: id, what }).await;
    }

    /// Inputs, and over them the checkpoint; then the mark, which says of when it is.
    async fn fill(
        &self,
        id: ClusterId,
        files: &dyn Files,
        (folder, mark): (&str, &str),
        order: &Order,
    ) -> Result<Option<Restored>, Stopped> {
        files.make_folder(folder).await?;
        let restored = self.restore(id, files, folder, order).await?;
        if restored.is_none() {
            self.put_inputs(id, files, folder, order, |_| true).await?;
        }
        files.write(mark, 0, restoring::mark(restored.as_ref()), 0o600).await?;
        Ok(restored)
    }

    async fn put_inputs(
        &self,
        id: ClusterId,
        files: &dyn Files,
        folder: &str,
        order: &Order,
        wanted: impl Fn(&str) -> bool + Send,
    ) -> Result<(), Stopped> {
        for input in order.spec.inputs.iter().filter(|input| wanted(&input.path)) {
            self.put(id, files, (folder, &order.tenant), input).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        id: ClusterId,
        files: &dyn Files,
        (folder, tenant): (&str, &str),
        input: &Input,
    ) -> Result<(), Stopped> {
        let content = content(input.digest);
        let place = format!("{folder}/{}", input.path);
        let latest = Latest::of(files, tenant, input).await?;
        // Removed by age between the look and the copy, it is sent once more.
        for last in [false, true] {
            self.bring(id, files, (&content, latest.older()), input).await?;
            match files.copy(&content, &place, input.mode).await {
                Err(FileError::NotFound(_)) if !last => {}
                copied => {
                    copied?;
                    latest.is_now(files, input.digest).await;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the cluster has a content, of which it may have an older one.
    async fn bring(
        &self,
        id: ClusterId,
        files: &dyn Files,
        (content, older): (&str, Option<ContentDigest>),
        input: &Input,
    ) -> Result<(), Stopped> {
        if has(files, content, input.size).await? {
            return Ok(());
        }
        let turn = {
            let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            sending.retain(|_, turn| Arc::strong_count(turn) > 1);
            sending.entry((id, input.digest)).or_default().clone()
        };
        let _turn = turn.lock().await;
        if has(files, content, input.size).await? {
            return Ok(());
        }
        let part = format!("{content}.part");
        let arrived = match files.stat(&part).await {
            Ok(found) if found.kind == EntryKind::File && found.size <= input.size => found.size,
            Ok(_) | Err(FileError::NotFound(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        // What went whole so far goes on so.
        let older = older.filter(|_| arrived == 0);
        if !self.send_changes(id, files, &part, older, input).await? {
            self.send(files, &part, arrived, input).await?;
        }
        if !has(files, &part, input.size).await? {
            // Somebody else wrote to it; the next try begins anew.
            files.remove(&part).await?;
            return Err(FileError::Unreachable(io::Error::other("what arrived has another size")).into());
        }
        Ok(files.rename(&part, content).await?)
    }

    /// Sends the rest of a content, checking all of it against its digest on the way.
    async fn send(&self, files: &dyn Files, part: &str, arrived: u64, input: &Input) -> Result<(), Stopped> {
        let digest = input.digest;
        let file = Arc::new(blocking(&self.space, move |space| space.open(digest)).await?);
        let mut hash = Sha256::new();
        let mut offset = 0;
        loop {
            let file = file.clone();
            let bytes = blocking(&self.space, move |_| {
                let mut bytes = vec![0; FILE_PIECE_MAX];
                let read = file.read_at(&mut bytes, offset)?;
                bytes.truncate(read);
                Ok::<_, io::Error>(bytes)
            })
            .await?;
            hash.update(&bytes);
            let next = offset + bytes.len() as u64;
            let (empty, new) = (bytes.is_empty(), bytes.get(arrived.saturating_sub(offset) as usize..));
            if let Some(new) = new.filter(|new| !new.is_empty() || (empty && offset == 0)) {
                files.write(part, offset.max(arrived), new.to_vec(), 0o600).await?;
            }
            if empty {
                break;
            }
            offset = next;
        }
        if offset != input.size || ContentDigest(hash.finalize().into()) != digest {
            files.remove(part).await?;
            return Err(Stopped::Damaged(digest));
        }
        Ok(())
    }

    /// Removes, once a day for each cluster, what lies in the corner for too long. That it cannot is no reason to stop.
    async fn tidy(&self, id: ClusterId, files: &dyn Files) {
        {
            let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
            if tidied.get(&id).is_some_and(|at| at.elapsed() < TIDY_EVERY) {
                return;
            }
            tidied.insert(id, Instant::now());
        }
        let done = async {
            remove_old(files, &format!("{CORNER}/staged"), MARK_KEPT).await?;
            remove_old(files, &format!("{CORNER}/latest"), MARK_KEPT).await?;
            for folder in listed(files, &format!("{CORNER}/contents")).await? {
                remove_old(files, &format!("{CORNER}/contents/{}", folder.name), CONTENT_KEPT).await?;
            }
            Ok::<_, FileError>(())
        };
        if let Err(error) = done.await {
            tracing::warn!(cluster = %id, %error, "old contents on the cluster stay for now");
        }
    }
}

/// Where a content lies on a cluster.
fn content(digest: ContentDigest) -> String {
    let name = digest.to_string();
    format!("{CORNER}/contents/{}/{name}", &name[..2])
}

async fn listed(files: &dyn Files, path: &str) -> Result<Vec<ports::Entry>, FileError> {
    match files.list(path).await {
        Err(FileError::NotFound(_)) => Ok(Vec::new()),
        listed => listed,
    }
}

async fn remove_old(files: &dyn Files, path: &str, kept: Duration) -> Result<(), FileError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let before = i64::try_from(now.saturating_sub(kept).as_secs()).unwrap_or(0);
    for entry in listed(files, path).await?.iter().filter(|entry| entry.modified_secs < before) {
        files.remove(&format!("{path}/{}", entry.name)).await?;
    }
    Ok(())
}

async fn has(files: &dyn Files, path: &str, size: u64) -> Result<bool, FileError> {
    match files.stat(path).await {
        Ok(found) => Ok(found.kind == EntryKind::File && found.size == size),
        Err(FileError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused(text: &str, note: String, permanent: bool) -> ConnectError {
    ConnectError::Refused { text: text.to_owned(), note, permanent }
}

/// What the tenant reads, and whether another try may help.
fn told(stopped: Stopped, order: &Order) -> ConnectError {
    let note = |what: String| format!("inputs of {}: {what}", order.attempt);
    match stopped {
        Stopped::There(FileError::Unreachable(source)) => ConnectError::Unreachable(source),
        Stopped::There(error @ FileError::Full(_)) => {
            refused("the cluster has no room for the job's input files", note(error.to_string()), false)
        }
        Stopped::There(error @ FileError::Denied(_)) => {
            refused("the cluster does not let the platform write the job's input files", note(error.to_string()), true)
        }
        Stopped::There(error) => refused(
            &format!("an input file cannot be put into the work folder: {error}"),
            note(error.to_string()),
            true,
        ),
        Stopped::Here(error) if error.kind() == io::ErrorKind::NotFound => {
            refused("an input file's content is missing on the platform", note(error.to_string()), true)
        }
        // A disk or a database of ours that does not answer now may do so later.
        Stopped::Here(error) => ConnectError::Unreachable(error),
        Stopped::Store(error) => ConnectError::Unreachable(io::Error::other(error.to_string())),
        Stopped::Damaged(digest) => refused(
            "an input file's content is damaged on the platform; upload it again",
            note(digest.to_string()),
            true,
        ),
    }
}
