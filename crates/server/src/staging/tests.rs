//! Changed inputs on their way through a real sshd: which older content is taken, and that everything arrives whatever rsync does.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{ClusterId, Seed};
use connect_slurm::config::Ssh as SshConfig;
use connect_slurm::files::SftpFiles;
use connect_slurm::ssh::Ssh;
use model::{ContentDigest, Input};
use ports::{FileError, Files};
use sha2::{Digest, Sha256};
use testkit::Cut;
use testkit::slurm::{ClusterSpec, Farm, NodeSet, SshAccess};

use super::{Staging, Stopped};
use crate::files::Space;

const MIB: u64 = 1 << 20;
const SIZE: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

fn bytes(seed: u64) -> Vec<u8> {
    let mut stream = Seed::from_u64(seed).stream();
    (0..SIZE / 8).flat_map(|_| stream.u64().to_le_bytes()).collect()
}

fn login(access: &SshAccess) -> SshConfig {
    SshConfig::by_file(&access.host, access.config.clone())
}

/// A login node with the machine's programs, but an rsync that fails while a file is there.
fn programs(place: &Path) -> PathBuf {
    let bin = place.join("bin");
    std::fs::create_dir(&bin).unwrap();
    for entry in std::fs::read_dir("/usr/bin").unwrap().flatten().filter(|entry| entry.file_name() != "rsync") {
        symlink(entry.path(), bin.join(entry.file_name())).unwrap();
    }
    let rsync = bin.join("rsync");
    let broken = place.join("broken");
    let text = format!(
        "#!/bin/sh\ncase $1 in --server) [ ! -e '{}' ] || exit 3;; esac\nexec /usr/bin/rsync \"$@\"\n",
        broken.display()
    );
    std::fs::write(&rsync, text).unwrap();
    std::fs::set_permissions(&rsync, PermissionsExt::from_mode(0o755)).unwrap();
    bin
}

struct Bed {
    staging: Staging,
    files: SftpFiles,
    root: PathBuf,
    cut: Cut,
}

impl Bed {
    async fn new(place: &Path, access: &SshAccess) -> Bed {
        let cut = Cut::to(SocketAddr::from((Ipv4Addr::LOCALHOST, access.first_hop()))).unwrap();
        let access = access.through(cut.address().port()).unwrap();
        let root = place.join("root");
        let space = Space::new(place, store::FileBounds { bytes: u64::MAX, files: u64::MAX });
        let (observe, _) = tokio::sync::mpsc::channel(1);
        let files = SftpFiles::new(Ssh::new(login(&access)), root.to_str().unwrap());
        let store = store::SqlStore::open(&store::Location::Folder(place.join("db"))).await.unwrap();
        Bed { staging: Staging::new(Arc::new(space), Arc::new(store), observe), files, root, cut }
    }

    fn passed(&self) -> u64 {
        self.cut.passed().0 + self.cut.passed().1
    }

    /// A content of the platform.
    fn input(&self, path: &str, bytes: &[u8]) -> Input {
        let digest = ContentDigest(Sha256::digest(bytes).into());
        let blob = self.staging.space.blob(digest);
        std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
        std::fs::write(blob, bytes).unwrap();
        Input { path: path.into(), digest, size: bytes.len() as u64, mode: 0o640 }
    }

    async fn put(&self, tenant: &str, job: &str, input: &Input) -> Result<u64, Stopped> {
        let before = self.passed();
        self.staging.put(ClusterId::from_u128(1), &self.files, (job, tenant), input).await?;
        Ok(self.passed() - before)
    }

    /// Puts it, and looks at it; the bytes on the line.
    async fn arrives(&self, tenant: &str, job: &str, path: &str, bytes: &[u8]) -> u64 {
        let passed = self.put(tenant, job, &self.input(path, bytes)).await;
        let Ok(passed) = passed else { panic!("{job} did not arrive") };
        assert!(std::fs::read(self.root.join(job).join(path)).unwrap() == bytes, "{job} has other bytes");
        passed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn farm_a_changed_input_costs_its_changes_and_arrives_whatever_rsync_does() {
    if let Some(why) = Farm::unavailable().or_else(|| {
        let is_missing = !Path::new("/usr/bin/rsync").exists();
        is_missing.then(|| "rsync is not installed (scripts/setup.sh test)".to_owned())
    }) {
        eprintln!("skipped: {why}");
        return;
    }
    let place = tempfile::TempDir::new().unwrap();
    let mut farm = Farm::new(place.path().join("farm")).unwrap();
    let bin = programs(place.path());
    farm.start([ClusterSpec::new("delta").nodes(NodeSet::new(1)).ssh().login_path(&bin)]).unwrap();
    let bed = Bed::new(place.path(), farm.cluster("delta").ssh().unwrap()).await;
    let (mesh, whole) = ("case/mesh $(x).dat", SIZE as u64);

    let old = bytes(1);
    assert!(bed.arrives("lab", "1", mesh, &old).await > whole);
    let mut new = [b"inserted", &old[..]].concat();
    new[SIZE / 2] ^= 1;
    let passed = bed.arrives("lab", "2", mesh, &new).await;
    assert!(passed < MIB, "{passed} bytes for a few changed ones");
    // What another tenant has under the same path is none of this one's, nor what has another path.
    new[SIZE / 3] ^= 1;
    assert!(bed.arrives("others", "3", mesh, &new).await > whole);
    new[SIZE / 3] ^= 2;
    assert!(bed.arrives("lab", "4", "case/else", &new).await > whole);
    // The latest counts, also where it was there already: by another tenant, or as another path.
    assert!(bed.arrives("lab", "5", mesh, &new).await < MIB);
    new[SIZE / 3] ^= 4;
    assert!(bed.arrives("lab", "6", mesh, &new).await < MIB);

    // An older content that is damaged there, and one that is gone.
    let older = bed.root.join(super::content(bed.input(mesh, &new).digest));
    let mut damaged = new.clone();
    damaged[3 << 20..5 << 20].fill(7);
    std::fs::write(&older, &damaged).unwrap();
    new[SIZE / 4] ^= 8;
    let passed = bed.arrives("lab", "7", mesh, &new).await;
    assert!(2 * MIB < passed && passed < 4 * MIB, "{passed} bytes for 2 MiB and a few");
    std::fs::remove_file(bed.root.join(super::content(bed.input(mesh, &new).digest))).unwrap();
    new[SIZE / 4] ^= 16;
    assert!(bed.arrives("lab", "8", mesh, &new).await > whole);

    // rsync fails there: by SFTP, and the next one by rsync again.
    std::fs::write(place.path().join("broken"), "").unwrap();
    new[SIZE / 4] ^= 32;
    assert!(bed.arrives("lab", "9", mesh, &new).await > whole);
    std::fs::remove_file(place.path().join("broken")).unwrap();
    new[SIZE / 4] ^= 64;
    assert!(bed.arrives("lab", "10", mesh, &new).await < MIB);

    // The line is cut again and again: after three tries by rsync it goes by SFTP, which goes on where it was cut.
    let other = bytes(2);
    let input = bed.input(mesh, &other);
    let (mut lost, begun) = (0, Instant::now());
    bed.cut.cut_after(6 * MIB);
    loop {
        match bed.put("lab", "11", &input).await {
            Ok(_) => break,
            Err(Stopped::There(FileError::Unreachable(_))) => {}
            Err(_) => panic!("neither sent nor cut off"),
        }
        assert!(begun.elapsed() < PATIENCE, "cut {lost} times and still not there");
        tokio::task::yield_now().await;
        if bed.cut.open() == 0 {
            lost += 1;
            bed.cut.resume();
            bed.cut.cut_after(6 * MIB);
        }
    }
    assert!(std::fs::read(bed.root.join("11").join(mesh)).unwrap() == other, "other bytes after {lost} cuts");
    assert!(bed.staging.cut.lock().unwrap().values().all(|count| *count <= 3));
    let corner = bed.root.join(".headworks/contents");
    let left = walk(&corner).into_iter().filter(|path| path.contains(".part")).collect::<Vec<_>>();
    assert!(left.is_empty(), "{left:?}");
    let small = bed.input("case/small", &other[..100]);
    assert!(bed.put("lab", "12", &small).await.is_ok());
    let notes = std::fs::read_dir(bed.root.join(".headworks/latest")).unwrap().count();
    assert_eq!(notes, 3, "of two paths of one tenant and one of another, none of a small content");
    assert!(bed.files.list("12/case").await.is_ok());
}

fn walk(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        all.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            all.extend(walk(&entry.path()));
        }
    }
    all
}
