//! Changed contents by rsync, through a real sshd: what travels, and what becomes of it where something is missing, damaged or cut off.
//! Skipped, with the reason, where Slurm or rsync is not installed.
#![allow(clippy::print_stdout, reason = "says why it was skipped, and what travelled")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use base::{ClusterId, Seed, Timestamp};
use connect_slurm::check::{Checked, Finding, Level, check};
use connect_slurm::config::Ssh as SshConfig;
use connect_slurm::files::SftpFiles;
use connect_slurm::ssh::Ssh;
use model::ContentDigest;
use ports::{Differences, DifferencesSent, FileError, Files};
use serde_json::json;
use support::{PATIENCE, farm, login};
use tempfile::TempDir;
use testkit::Cut;
use testkit::slurm::{Cluster, ClusterSpec, NodeSet, SshAccess};

const MIB: usize = 1 << 20;
const SIZE: usize = 64 * MIB;
const BASIS: &str = "contents/aa/older";
const TO: &str = "contents/bb/newer.part";
/// What a shell, rsync's own patterns or a careless join would stumble over.
const ODD: &str = "ro ot/'x' [a-z]*? $(touch pwned) 🜚";

fn config(access: &SshAccess) -> SshConfig {
    SshConfig::by_file(&access.host, access.config.clone())
}

fn rsync_is_here() -> bool {
    let is_here = Path::new("/usr/bin/rsync").exists();
    if !is_here {
        println!("skipped: rsync is not installed (scripts/setup.sh test)");
    }
    is_here
}

/// Bytes that repeat nowhere, others for each seed.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut stream = Seed::from_u64(seed).stream();
    (0..length / 8).flat_map(|_| stream.u64().to_le_bytes()).collect()
}

/// A folder of this machine with contents, and a work root at the far end with an older one.
struct Bed {
    dir: TempDir,
    root: PathBuf,
    old: Vec<u8>,
}

impl Bed {
    fn new() -> Bed {
        let dir = TempDir::new().expect("a folder");
        let (root, old) = (dir.path().join(ODD), bytes(SIZE, 1));
        std::fs::create_dir_all(root.join("contents/aa")).expect("a folder");
        std::fs::create_dir_all(root.join("contents/bb")).expect("a folder");
        std::fs::write(root.join(BASIS), &old).expect("an older content");
        Bed { dir, root, old }
    }

    fn files(&self, access: &SshAccess) -> SftpFiles {
        SftpFiles::new(Ssh::new(config(access)), self.root.to_str().expect("UTF-8"))
    }

    /// A content here, and its name, which the machine's own sha256sum computes.
    fn content(&self, bytes: &[u8]) -> (PathBuf, ContentDigest) {
        let path = self.dir.path().join("a: content");
        std::fs::write(&path, bytes).expect("a content");
        let said = std::process::Command::new("sha256sum").arg(&path).output().expect("sha256sum").stdout;
        let said = String::from_utf8(said).expect("text");
        (path, said[..64].parse().expect("a digest"))
    }

    /// Nothing but the older content and, where there is one, the new.
    fn is_tidy(&self, arrived: bool) {
        let mut names: Vec<_> = std::fs::read_dir(self.root.join("contents/bb")).expect("a folder").collect();
        assert_eq!(names.len(), usize::from(arrived), "{names:?}");
        if let Some(name) = names.pop() {
            assert_eq!(name.expect("a name").file_name(), "newer.part");
        }
    }

    fn arrived(&self, wanted: &[u8]) {
        self.is_tidy(true);
        let path = self.root.join(TO);
        assert!(std::fs::read(&path).expect("the new content") == wanted, "other bytes than were sent");
        assert_eq!(path.metadata().expect("the new content").permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(path).expect("removed");
    }
}

/// A few changed bytes, and some more before all others, so that nothing stays where it was.
fn changed(old: &[u8]) -> Vec<u8> {
    let mut new = [b"inserted", old].concat();
    for at in [5_000, 20 * MIB, 40 * MIB, 60 * MIB] {
        new[at] ^= 0x55;
    }
    new
}

fn not_done(sent: Result<DifferencesSent, FileError>, words: &str) {
    match sent {
        Ok(DifferencesSent::NotDone(why)) if why.contains(words) => println!("as it should: {why}"),
        sent => panic!("instead of `{words}`: {sent:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn farm_of_a_changed_file_the_changes_travel() {
    let place = TempDir::new().expect("a folder");
    let spec = ClusterSpec::new("delta").nodes(NodeSet::new(1)).ssh_behind_jump();
    let Some((_farm, cluster)) = rsync_is_here().then(|| farm(place.path(), spec)).flatten() else { return };
    let access = cluster.ssh().expect("a login node");
    let cut = Cut::to(SocketAddr::from((Ipv4Addr::LOCALHOST, access.first_hop()))).expect("a port");
    let bed = Bed::new();
    let files = bed.files(&access.through(cut.address().port()).expect("a way through"));
    let found = files.differences().await.expect("an answer");
    assert!(matches!(&found, Some(Differences::Sent(by)) if by.contains("rsync")), "{found:?}");
    let passed = || cut.passed().0 + cut.passed().1;

    let new = changed(&bed.old);
    let (path, digest) = bed.content(&new);
    let (before, begun) = (passed(), Instant::now());
    let sent = files.send_differences(&path, digest, BASIS, TO).await.expect("sent");
    println!("{SIZE} bytes, few of them new: {sent:?}, {} bytes on the line, {:?}", passed() - before, begun.elapsed());
    assert!(matches!(sent, DifferencesSent::Done { new, .. } if new < MIB as u64 / 4), "{sent:?}");
    assert!(passed() - before < MIB as u64, "{} bytes on the line", passed() - before);
    bed.arrived(&new);
    assert!(
        std::fs::read(bed.root.join(BASIS)).expect("the older content") == bed.old,
        "the older content was changed"
    );

    // What it costs besides: the smallest content that goes so.
    let little = bed.content(&bed.old[..8 * MIB]);
    let (before, begun) = (passed(), Instant::now());
    let sent = files.send_differences(&little.0, little.1, BASIS, TO).await.expect("sent");
    println!("8 MiB of them: {sent:?}, {} bytes on the line, {:?}", passed() - before, begun.elapsed());
    bed.arrived(&bed.old[..8 * MIB]);
    let (path, digest) = bed.content(&new);

    // Of the older content a part is something else by now, and its end is gone.
    let mut damaged = bed.old.clone();
    damaged[10 * MIB..12 * MIB].copy_from_slice(&bytes(2 * MIB, 7));
    damaged.truncate(50 * MIB);
    std::fs::write(bed.root.join(BASIS), &damaged).expect("a damaged content");
    let sent = files.send_differences(&path, digest, BASIS, TO).await.expect("sent");
    assert!(matches!(sent, DifferencesSent::Done { new, .. } if new > 16 * MIB as u64), "{sent:?}");
    bed.arrived(&new);

    // A content that is not what its name says: the far end computes it.
    not_done(files.send_differences(&path, ContentDigest([7; 32]), BASIS, TO).await, "SHA-256");
    bed.is_tidy(false);

    // Cut off with much of it on the way, and once more when the line is back: it can be opened again after half a second.
    let other = bytes(SIZE, 2);
    let (path, digest) = bed.content(&other);
    cut.cut_after(10 * MIB as u64);
    let lost = files.send_differences(&path, digest, BASIS, TO).await;
    assert!(matches!(lost, Err(FileError::Unreachable(_))), "{lost:?}");
    assert!(!bed.root.join(TO).exists());
    cut.resume();
    let begun = Instant::now();
    let sent = loop {
        match files.send_differences(&path, digest, BASIS, TO).await {
            Ok(sent) => break sent,
            Err(fault) => assert!(begun.elapsed() < PATIENCE, "{fault}"),
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(sent, DifferencesSent::Done { taken: 0, .. }), "{sent:?}");
    bed.arrived(&other);
}

fn program(path: &Path, text: &str) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, text).expect("a program");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a program");
}

/// What a check says of rsync.
async fn findings(cluster: &Cluster, root: &Path) -> Vec<Finding> {
    let way = json!({"kind": "ssh", "ssh": login(cluster.ssh().expect("a login node")), "tools": {"slurm_conf": cluster.conf()}});
    let config = serde_json::from_value(json!({"way": way, "work_root": root})).expect("a configuration");
    let opened = connect_slurm::open(&config).expect("a way in");
    let wanted = Checked {
        config: &config,
        cluster: ClusterId::from_u128(1),
        name: "delta",
        tag: 7,
        clock: &|| Timestamp::from_secs(1_800_000_000),
        patience: PATIENCE,
    };
    let report = check(&*opened.carrier, opened.files.as_deref(), &wanted, &|_| {}).await;
    report.findings.into_iter().filter(|finding| finding.what == "rsync").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn farm_where_rsync_there_is_none_or_fails_nothing_is_sent() {
    let place = TempDir::new().expect("a folder");
    // Everything that the machine has but rsync, as a path of the login node.
    let (bin, rsync) = (place.path().join("bin"), place.path().join("bin/rsync"));
    std::fs::create_dir(&bin).expect("a folder");
    for entry in std::fs::read_dir("/usr/bin").expect("programs").flatten() {
        if entry.file_name() != "rsync" {
            symlink(entry.path(), bin.join(entry.file_name())).expect("a link");
        }
    }
    let spec = ClusterSpec::new("delta").nodes(NodeSet::new(1)).ssh().login_path(&bin);
    let Some((_farm, cluster)) = rsync_is_here().then(|| farm(place.path(), spec)).flatten() else { return };
    let access = cluster.ssh().expect("a login node");
    let bed = Bed::new();
    let (path, digest) = bed.content(&changed(&bed.old));

    for (text, words) in [
        (None, "no rsync on the login node"),
        (Some("#!/bin/sh\necho 'rsync  version 2.6.9  protocol version 29'\n"), "2.6"),
        (Some("#!/bin/sh\necho 'openrsync: protocol version 29'\n"), "openrsync"),
    ] {
        text.into_iter().for_each(|text| program(&rsync, text));
        let files = bed.files(access);
        let found = files.differences().await.expect("an answer");
        assert!(matches!(&found, Some(Differences::NotSent(why)) if why.contains(words)), "{found:?}");
        not_done(files.send_differences(&path, digest, BASIS, TO).await, words);
        bed.is_tidy(false);
    }

    let said = findings(&cluster, &place.path().join("work")).await;
    assert!(matches!(&said[..], [one] if one.found.contains("openrsync") && one.advice.contains("3.1")), "{said:?}");

    program(&rsync, "#!/bin/sh\ncase $1 in --server) echo Welcome;; esac\nexec /usr/bin/rsync \"$@\"\n");
    let said = findings(&cluster, &place.path().join("work")).await;
    assert!(matches!(&said[..], [one] if one.found.contains("does not work: rsync ended with")), "{said:?}");

    // It says that it is one and is killed, in the middle and at its beginning. The line stands, and what is half there goes.
    let middle = format!(
        "exec 3<&0; /usr/bin/rsync \"$@\" <&3 & until [ \"$(find '{}' -path '*.rsync/older' -size +1000k)\" ] || ! kill -0 $!; do :; done\n\
         kill -9 $! $(pgrep -P $!)",
        bed.dir.path().display()
    );
    for failing in [&middle, "kill -9 $$"] {
        let words = "case $1 in --version) exec /usr/bin/rsync --version;; esac";
        program(&rsync, &format!("#!/bin/sh\n{words}\n{failing}\n"));
        let files = bed.files(access);
        let other = bed.content(&bytes(SIZE, 3));
        not_done(files.send_differences(&other.0, other.1, BASIS, TO).await, "rsync ended with");
        bed.is_tidy(false);
        files.write(TO, 0, b"by SFTP".to_vec(), 0o600).await.expect("the line stands");
        bed.arrived(b"by SFTP");
    }

    // The real one: nothing of the tries before is in the way.
    let _ = std::fs::remove_file(&rsync);
    symlink("/usr/bin/rsync", &rsync).expect("a link");
    std::fs::create_dir(bed.root.join(format!("{TO}.rsync"))).expect("left by a try that was cut off");
    std::fs::write(bed.root.join(format!("{TO}.rsync/older")), bytes(MIB, 9)).expect("left by a try that was cut off");
    let (path, digest) = bed.content(&changed(&bed.old));
    let sent = bed.files(access).send_differences(&path, digest, BASIS, TO).await;
    assert!(matches!(sent, Ok(DifferencesSent::Done { .. })), "{sent:?}");
    bed.arrived(&changed(&bed.old));
    let said = findings(&cluster, &place.path().join("work")).await;
    assert!(matches!(&said[..], [one] if one.level == Level::Ok && one.found.contains("changes are sent")), "{said:?}");
    assert!(!Path::new("pwned").exists() && !bed.dir.path().join("pwned").exists());
}
