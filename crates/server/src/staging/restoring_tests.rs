//! What lies in a work folder after it was made ready for a later attempt: real files and a real store.

use std::path::PathBuf;
use std::sync::Arc;

use base::{Bytes, JobId, PoolId, Resources, Span, TenantId};
use connect_slurm::files::LocalFiles;
use model::spec::script_id;
use model::{ContentDigest, JobSpec, Request};
use sha2::{Digest, Sha256};
use store::{FileBounds, Location, SqlStore};

use super::*;
use crate::files::Space;

const HOME: ClusterId = ClusterId::from_u128(1);
const AWAY: ClusterId = ClusterId::from_u128(2);
const BOUNDS: FileBounds = FileBounds { bytes: u64::MAX, files: u64::MAX };

struct Bed {
    staging: Staging,
    store: Arc<SqlStore>,
    files: LocalFiles,
    root: PathBuf,
    _place: tempfile::TempDir,
}

impl Bed {
    async fn new() -> Bed {
        let place = tempfile::tempdir().unwrap();
        let store = Arc::new(SqlStore::open(&Location::Folder(place.path().join("db"))).await.unwrap());
        let (observe, _) = tokio::sync::mpsc::channel(1);
        let staging = Staging::new(Arc::new(Space::new(place.path(), BOUNDS)), store.clone(), observe);
        let root = place.path().join("root");
        Bed { staging, store, files: LocalFiles::new(&root), root, _place: place }
    }

    /// A content of the platform.
    fn content(&self, text: &str) -> ContentDigest {
        let digest = ContentDigest(Sha256::digest(text).into());
        let blob = self.staging.space.blob(digest);
        std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
        std::fs::write(blob, text).unwrap();
        digest
    }

    /// A job with the inputs `state/a` and `x`.
    fn order(&self, attempt: u32) -> Order {
        let per_node = Resources::new(1, Bytes::from_mib(64), 0);
        let mut spec = JobSpec::minimal("job", script_id(""), Request::of(1, per_node), Span::from_mins(10));
        let input = |path: &str| Input { path: path.into(), digest: self.content("input"), size: 5, mode: 0o640 };
        (spec.inputs, spec.checkpoint) = (vec![input("state/a"), input("x")], vec!["state".into()]);
        Order {
            attempt: AttemptId::new(JobId::from_u128(1), attempt),
            number: 1,
            array: None,
            array_bounds: None,
            tenant: "lab".into(),
            project: "main".into(),
            user: "mei".into(),
            pool: PoolId::from_u128(1),
            pool_name: "main".into(),
            nodes: Vec::new(),
            per_node,
            spec: Arc::new(spec),
            checkpoint: None,
        }
    }

    /// A whole set of `state/a` and `state/b` with this text in both.
    async fn set(&self, attempt: u32, secs: i64, text: &str) -> Checkpoint {
        let file = |path: &str| CheckpointFile {
            path: path.into(),
            size: text.len() as u64,
            modified_secs: 1_000,
            mode: 0o600,
            digest: Some(self.content(text)),
        };
        let set = Checkpoint {
            attempt: AttemptId::new(JobId::from_u128(1), attempt),
            at: Timestamp::from_secs(secs),
            cluster: HOME,
            tenant: TenantId::from_u128(1),
            files: 2,
            bytes: 2 * text.len() as u64,
        };
        self.store.begin_checkpoint(&set, &[file("state/a"), file("state/b")]).await.unwrap();
        assert_eq!(self.store.complete_checkpoint(&set, BOUNDS).await.unwrap(), Ok(true));
        set
    }

    /// Makes a folder ready: the time of what was put there, whether the timeline tells it, and what lies in `state/a`, `state/b`, `x`.
    async fn ready(&self, cluster: ClusterId, folder: &str, attempt: u32) -> (Option<i64>, bool, [String; 3]) {
        let order = self.order(attempt);
        let mark = format!(".headworks/staged/{folder}-{attempt}");
        assert_eq!(read_mark(&self.files, &mark).await.unwrap(), None);
        let Ok(restored) = self.staging.fill(cluster, &self.files, (folder, &mark), &order).await else {
            panic!("{folder} was not made ready")
        };
        let at = restored.as_ref().map(Restored::at);
        assert_eq!(read_mark(&self.files, &mark).await.unwrap(), Some(at), "a repeat knows it");
        let lies = |path| std::fs::read_to_string(self.root.join(folder).join(path)).unwrap_or_default();
        let told = restored.as_ref().is_some_and(|restored| restored.told(order.attempt).is_some());
        (at.map(Timestamp::as_secs), told, ["state/a", "state/b", "x"].map(lies))
    }
}

fn texts(a: &str, b: &str, x: &str) -> [String; 3] {
    [a, b, x].map(str::to_owned)
}

#[tokio::test]
async fn the_best_set_goes_over_the_inputs_and_under_newer_files_of_its_own() {
    let bed = Bed::new().await;
    assert_eq!(bed.ready(AWAY, "none", 2).await, (None, false, texts("input", "", "input")));
    bed.set(1, 100, "first").await;
    bed.set(1, 200, "second").await;
    assert_eq!(
        bed.ready(AWAY, "alone", 1).await,
        (None, false, texts("input", "", "input")),
        "of earlier attempts only"
    );
    assert_eq!(bed.ready(AWAY, "away", 2).await, (Some(200), true, texts("second", "second", "input")));

    // Where they were taken the job's own files are newer, all of them or none.
    let home = bed.root.join("home/state");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("a"), "newer").unwrap();
    assert_eq!(bed.ready(HOME, "home", 2).await, (Some(200), true, texts("second", "second", "input")));
    std::fs::write(home.join("a"), "newer").unwrap();
    std::fs::write(home.join("b"), "newer").unwrap();
    assert_eq!(bed.ready(HOME, "home", 3).await, (Some(200), false, texts("newer", "newer", "input")));
    assert_eq!(bed.ready(AWAY, "home", 4).await, (Some(200), true, texts("second", "second", "input")));
    let old = std::fs::File::options().write(true).open(home.join("b")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(999)).unwrap();
    std::fs::write(home.join("a"), "newer").unwrap();
    assert_eq!(bed.ready(HOME, "home", 5).await, (Some(200), true, texts("second", "second", "input")), "one is older");
}

#[tokio::test]
async fn a_set_that_was_damaged_gives_way_to_the_one_before() {
    let bed = Bed::new().await;
    bed.set(1, 100, "first").await;
    bed.set(2, 50, "second").await;
    let blob = |text: &str| bed.staging.space.blob(ContentDigest(Sha256::digest(text).into()));
    std::fs::write(blob("second"), "sECOND").unwrap();
    assert_eq!(bed.ready(HOME, "damaged", 3).await, (Some(100), true, texts("first", "first", "input")));
    std::fs::remove_file(blob("second")).unwrap();
    assert_eq!(bed.ready(AWAY, "missing", 3).await, (Some(100), true, texts("first", "first", "input")));
    std::fs::remove_file(bed.root.join(super::super::content(ContentDigest(Sha256::digest("first").into())))).unwrap();
    std::fs::remove_file(blob("first")).unwrap();
    assert_eq!(bed.ready(AWAY, "nothing", 3).await, (None, false, texts("input", "", "input")));
}
