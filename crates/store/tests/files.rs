//! Tenants' files on both databases: places, quotas, uploads, and which contents may go.

use base::{ProjectId, Span, SpecId, TenantId, Timestamp, UploadId, UserId};
use model::ContentDigest;
use store::{FileBounds, FileRow, Location, PutRefused, SqlStore, UploadRow};
use testkit::Postgres;

const BOUNDS: FileBounds = FileBounds { bytes: 100, files: 5 };
const TENANT: TenantId = TenantId::from_u128(1);
const PROJECT: ProjectId = ProjectId::from_u128(2);

fn at(hours: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000) + Span::from_hours(hours)
}

fn file(path: &str, content: u8, size: u64) -> FileRow {
    let digest = ContentDigest([content; 32]);
    FileRow {
        tenant: TENANT,
        project: PROJECT,
        path: path.into(),
        digest,
        size,
        mode: 0o644,
        user: UserId::from_u128(3),
        at: at(0),
    }
}

async fn bring(store: &SqlStore, file: FileRow, id: u128) -> Result<(), PutRefused> {
    let upload = UploadRow { id: UploadId::from_u128(id), file };
    let upload = store.begin_upload(&upload, BOUNDS).await.unwrap()?;
    store.put_file(&upload.file, Some(upload.id), BOUNDS).await.unwrap()
}

async fn files_are_kept_and_let_go(store: SqlStore) {
    bring(&store, file("日本/a", 1, 40), 1).await.unwrap();
    assert_eq!(store.file(TENANT, PROJECT, "日本/a").await.unwrap(), Some(file("日本/a", 1, 40)));
    assert_eq!(store.file(TENANT, ProjectId::from_u128(9), "日本/a").await.unwrap(), None);
    assert!(store.has_content(TENANT, ContentDigest([1; 32]), 40).await.unwrap());
    assert!(!store.has_content(TENANT, ContentDigest([1; 32]), 41).await.unwrap());
    assert!(!store.has_content(TenantId::from_u128(8), ContentDigest([1; 32]), 40).await.unwrap());
    assert_eq!(bring(&store, file("日本/a/b", 1, 1), 2).await, Err(PutRefused::BelowFile("日本/a".into())));
    assert_eq!(bring(&store, file("日本", 1, 1), 2).await, Err(PutRefused::IsFolder("日本".into())));
    assert_eq!(bring(&store, file("b", 2, 61), 2).await, Err(PutRefused::OverQuota { quota: 100, missing: 1 }));
    // A content that nobody has cannot be put without being sent.
    assert_eq!(store.put_file(&file("c", 7, 1), None, BOUNDS).await.unwrap(), Err(PutRefused::NoContent));
    bring(&store, file("日本/a", 2, 90), 3).await.unwrap();
    assert_eq!(store.file_usage(TENANT).await.unwrap(), (90, 1));

    // The first content has no file any more; a fresh pin keeps it, an old one of no open job does not.
    let (first, spec) = (ContentDigest([1; 32]), SpecId::from_u128(5));
    store.pin_contents(spec, &[first], at(2)).await.unwrap();
    assert!(store.forget_orphans(at(2), at(1), 10).await.unwrap().is_empty());
    assert_eq!(store.forget_orphans(at(4), at(3), 10).await.unwrap(), [first]);
    assert!(store.forget_orphans(at(4), at(3), 10).await.unwrap().is_empty());
    assert_eq!(store.remove_files(TENANT, PROJECT, "日本", false).await.unwrap(), 0);
    assert_eq!(store.remove_files(TENANT, PROJECT, "日本", true).await.unwrap(), 1);
    assert_eq!(store.file_usage(TENANT).await.unwrap(), (0, 0));

    for n in 0..5 {
        bring(&store, file(&format!("f{n}"), 1, 1), 10 + n).await.unwrap();
    }
    assert_eq!(bring(&store, file("f5", 1, 1), 20).await, Err(PutRefused::TooMany(5)));
    let between = store.files_between(TENANT, PROJECT, b"f1", b"f3", 10).await.unwrap();
    assert_eq!(between.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["f1", "f2"]);

    // The same upload begun twice is one; another path is another.
    let begin = async |path: &str, id: u128| {
        let upload = UploadRow { id: UploadId::from_u128(id), file: file(path, 3, 9) };
        store.begin_upload(&upload, BOUNDS).await.unwrap().unwrap().id
    };
    assert_eq!((begin("f0", 30).await, begin("f0", 31).await), (UploadId::from_u128(30), UploadId::from_u128(30)));
    assert_eq!(begin("f1", 32).await, UploadId::from_u128(32));
    assert_eq!(store.upload(TenantId::from_u128(8), UploadId::from_u128(30)).await.unwrap(), None);
    assert_eq!(store.stale_uploads(at(1), 10).await.unwrap().len(), 2);
    store.drop_upload(UploadId::from_u128(30)).await.unwrap();
    assert_eq!(store.stale_uploads(at(1), 10).await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn files_embedded() {
    let folder = tempfile::tempdir().unwrap();
    files_are_kept_and_let_go(SqlStore::open(&Location::Folder(folder.path().into())).await.unwrap()).await;
}

#[tokio::test]
async fn files_postgres() {
    let url = Postgres::shared().database().unwrap();
    files_are_kept_and_let_go(SqlStore::open(&Location::Postgres(url)).await.unwrap()).await;
}
