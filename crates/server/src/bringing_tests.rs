//! Files put into a work folder that stands on this machine.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{AttemptId, Bytes, JobId, PoolId, Resources, ScriptId, Span};
use connect_local::LocalFiles;
use model::{JobSpec, Request};
use ports::Files;

use super::*;

struct Stage {
    folder: WorkFolder,
    turns: Turns,
    work: PathBuf,
    above: tempfile::TempDir,
}

/// By the ways of a server's own machine, and of a cluster whose work root is mounted.
fn stages() -> [Stage; 2] {
    [
        stage_on(|root| Arc::new(LocalFiles::start(root, None).unwrap())),
        stage_on(|root| Arc::new(connect_slurm::files::LocalFiles::new(root))),
    ]
}

fn stage() -> Stage {
    let [stage, _] = stages();
    stage
}

fn stage_on(files: impl Fn(PathBuf) -> Arc<dyn Files>) -> Stage {
    let above = tempfile::tempdir().unwrap();
    let work = above.path().join("root/lab/anna/7");
    std::fs::create_dir_all(&work).unwrap();
    let files = files(above.path().join("root"));
    let request = Request::of(1, Resources::new(1, Bytes(0), 0));
    let mut spec = JobSpec::minimal("job", ScriptId::from_u128(1), request, Span::from_hours(1));
    spec.stderr = Some("./errors-%j".into());
    let order = Order {
        attempt: AttemptId::new(JobId::from_u128(1), 1),
        number: 7,
        array: None,
        array_bounds: None,
        tenant: "lab".into(),
        project: "lab".into(),
        user: "anna".into(),
        pool: PoolId::from_u128(1),
        pool_name: "main".into(),
        nodes: Vec::new(),
        per_node: Resources::new(1, Bytes(0), 0),
        spec: Arc::new(spec),
        checkpoint: None,
    };
    let folder = WorkFolder { files, root: "lab/anna/7".into(), order: Arc::new(order) };
    Stage { folder, turns: Turns::default(), work, above }
}

fn coming(path: &str, whole: &[u8]) -> Coming {
    let digest = ContentDigest(Sha256::digest(whole).into());
    Coming { path: path.into(), size: whole.len() as u64, digest: Some(digest), mode: 0o640, replace: false }
}

impl Stage {
    async fn put(&self, coming: &Coming, offset: u64, bytes: &[u8]) -> Result<u64, ErrorCode> {
        self.folder.take(&self.turns, coming, offset, bytes).await.map_err(|failure| failure.code)
    }
    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.work.join(path)).unwrap()
    }
    fn names(&self) -> Vec<String> {
        let listed = std::fs::read_dir(&self.work).unwrap();
        let mut all: Vec<String> = listed.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    }
}

#[tokio::test]
async fn a_file_appears_whole_and_the_older_one_stays_until_then() {
    for stage in stages() {
        appears(stage).await;
    }
}

async fn appears(stage: Stage) {
    let first = coming("in/deep/a.txt", b"hello world");
    assert_eq!(stage.put(&first, 0, b"hello ").await, Ok(6));
    assert_eq!(stage.names(), [COMING], "nothing but what is on its way");
    assert!(stage.folder.list("").await.unwrap().is_empty(), "which is not shown");
    assert_eq!(stage.put(&first, 3, b"world").await, Err(ErrorCode::WrongOffset));
    assert_eq!(stage.folder.arrived(&first).await.unwrap(), 6);
    // Another server goes on with it: it knows no digest of what came before.
    let stage = Stage { turns: Turns::default(), ..stage };
    assert_eq!(stage.put(&first, 6, b"world").await, Ok(11));
    assert_eq!((stage.text("in/deep/a.txt").as_str(), stage.names()), ("hello world", vec!["in".to_owned()]));
    // Written over only when it is said.
    let mut second = coming("in/deep/a.txt", b"other");
    assert_eq!(stage.put(&second, 0, b"oth").await, Err(ErrorCode::FileExists));
    second.replace = true;
    assert_eq!(stage.put(&second, 0, b"oth").await, Ok(3));
    assert_eq!(stage.text("in/deep/a.txt"), "hello world");
    assert_eq!(stage.put(&second, 3, b"er").await, Ok(5));
    assert_eq!(stage.text("in/deep/a.txt"), "other");
    // One without bytes.
    assert_eq!(stage.put(&coming("empty", b""), 0, b"").await, Ok(0));
    assert_eq!(stage.text("empty"), "");
}

#[tokio::test]
async fn what_was_not_announced_is_not_kept() {
    let stage = stage();
    let wanted = coming("a", b"hello");
    for turns in [Turns::default(), Turns::default()] {
        let stage = Stage { turns, ..self::stage() };
        assert_eq!(stage.put(&wanted, 0, b"he").await, Ok(2));
        assert_eq!(stage.put(&wanted, 2, b"y!!").await, Err(ErrorCode::ChecksumMismatch));
        assert_eq!(stage.folder.arrived(&wanted).await.unwrap(), 0);
    }
    // Two files of one path and different bytes do not meet on their way.
    assert_eq!(stage.put(&wanted, 0, b"hel").await, Ok(3));
    assert_eq!(stage.put(&coming("a", b"olleh"), 0, b"ol").await, Ok(2));
    assert_eq!(stage.put(&wanted, 3, b"lo").await, Ok(5));
    assert_eq!(stage.text("a"), "hello");
    assert_eq!(stage.put(&coming("a", b"olleh"), 2, b"leh").await, Err(ErrorCode::FileExists));
}

#[tokio::test]
async fn a_file_has_one_writer() {
    let stage = stage();
    let wanted = coming("a", b"hello");
    let held = stage.turns.take(format!("{}/{}", stage.folder.order.attempt, stage.folder.part(&wanted))).unwrap();
    assert_eq!(stage.put(&wanted, 0, b"he").await, Err(ErrorCode::WrongOffset));
    drop(held);
    assert_eq!(stage.put(&wanted, 0, b"hello").await, Ok(5));
}

fn closed(stage: &Stage) {
    let outside = stage.above.path().join("root/other");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("theirs"), "theirs").unwrap();
    symlink("../../../other", stage.work.join("out")).unwrap();
    symlink("../../../other/theirs", stage.work.join("theirs")).unwrap();
    std::fs::create_dir(stage.work.join("folder")).unwrap();
    std::fs::write(stage.work.join("plain"), "plain").unwrap();
}

#[tokio::test]
async fn nothing_leads_out_and_nothing_of_the_platforms_is_touched() {
    for stage in stages() {
        confined(stage).await;
    }
}

async fn confined(stage: Stage) {
    closed(&stage);
    for path in [
        "out/theirs",
        "out/new",
        "theirs",
        "folder",
        "plain/below",
        "../7/x",
        "/etc/passwd",
        "a//b",
        "",
        ".hw-uploads/x",
        "slurm-7.out",
        "errors-7",
    ] {
        let wanted = Coming { replace: true, ..coming(path, b"x") };
        assert_eq!(stage.put(&wanted, 0, b"x").await, Err(ErrorCode::Invalid), "{path}");
    }
    assert_eq!(std::fs::read_to_string(stage.above.path().join("root/other/theirs")).unwrap(), "theirs");
    // A job that puts a link where files arrive gets none.
    symlink("../../../other", stage.work.join(COMING)).unwrap();
    assert_eq!(stage.put(&coming("new", b"x"), 0, b"x").await, Err(ErrorCode::Invalid));
    let theirs: Vec<_> = std::fs::read_dir(stage.above.path().join("root/other")).unwrap().collect();
    assert_eq!(theirs.len(), 1);
}

#[tokio::test]
async fn without_a_folder_nothing_is_made() {
    let stage = stage();
    std::fs::remove_dir(&stage.work).unwrap();
    assert_eq!(stage.put(&coming("a", b"x"), 0, b"x").await, Err(ErrorCode::WrongState));
    assert!(!Path::new(&stage.work).exists());
}
