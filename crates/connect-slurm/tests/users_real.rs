//! Jobs as Unix users of their own, on real clusters and by every way that a site may grant it: `runuser` from root's own commands,
//! `sudo` for an ordinary account behind SSH, and a token of SlurmUser for slurmrestd. Makes users for itself and takes them away; skipped with
//! a message where it may not.
#![allow(clippy::print_stdout, reason = "says why it was skipped")]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base::{ClusterId, Span, Timestamp};
use connect_slurm::carrier::Survey;
use connect_slurm::check::{self, Checked, Level};
use connect_slurm::config::SlurmConfig;
use connect_slurm::key::Realm;
use connect_slurm::{Limits, Opened, Parts, SlurmCluster, SlurmPool, open, supply};
use model::{EndCause, EndOrder, Exit, Observed, Order, Outcome};
use ports::cluster::Observations;
use ports::conformance::{self, Bed};
use ports::{Cluster as _, ConnectError};
use serde_json::{Value, json};
use support::{Platform, farm, login, small};
use testkit::slurm::{Accounting, Cluster};

/// Users of one test: an account for the platform and two people, with homes of their own.
struct People {
    platform: String,
    ying: String,
    bo: String,
    homes: PathBuf,
    sudoers: PathBuf,
}

fn ran(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|done| done.status.success())
}

impl People {
    /// `None`: not root, or a program is missing.
    fn new(dir: &Path) -> Option<People> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let is_there = |program: &str| Path::new(program).exists();
        let needed = ["/usr/bin/sudo", "/usr/sbin/runuser", "/usr/sbin/useradd", "/usr/lib/openssh/sftp-server"];
        if !nix::unistd::geteuid().is_root() || !needed.iter().all(|program| is_there(program)) {
            println!("skipped: makes Unix users, which needs root, sudo, runuser, useradd and sftp-server");
            return None;
        }
        let tag = format!("{}{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let homes = dir.join("home");
        std::fs::create_dir_all(&homes).expect("a folder of homes");
        open_to_all(dir);
        open_to_all(&homes);
        let [platform, ying, bo] = ["p", "y", "b"].map(|letter| format!("hwt{letter}{tag}"));
        let people = People { platform, ying, bo, homes, sudoers: format!("/etc/sudoers.d/hwt-{tag}").into() };
        for name in people.names() {
            let home = people.homes.join(name);
            let words = ["--create-home", "--home-dir", &home.to_string_lossy(), "--shell", "/bin/bash", name];
            assert!(ran("useradd", &words), "{name} is made");
        }
        // As in docs/slurm.md.
        let rules = format!(
            "Defaults:{0} !requiretty\nDefaults:{0} env_keep += \"SLURM_CONF\"\n\
             {0} ALL=({1},{2}) NOPASSWD: /usr/bin/sbatch, /usr/bin/scancel, /usr/bin/scontrol, /usr/lib/openssh/sftp-server\n",
            people.platform, people.ying, people.bo
        );
        std::fs::write(&people.sudoers, rules).expect("rules of sudo");
        std::fs::set_permissions(&people.sudoers, Permissions::from_mode(0o440)).expect("their mode");
        Some(people)
    }

    fn names(&self) -> [&str; 3] {
        [&self.platform, &self.ying, &self.bo]
    }

    fn home(&self, name: &str) -> PathBuf {
        self.homes.join(name).join("headworks")
    }
}

impl Drop for People {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.sudoers);
        for name in self.names() {
            ran("userdel", &["--force", "--remove", name]);
        }
    }
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).expect("the mode can be set");
}

/// One registration of the cluster.
struct Grant {
    config: SlurmConfig,
    realm: Realm,
}

impl Grant {
    fn new(people: &People, dir: &Path, way: &Value, by: &str, platform: &str) -> Grant {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = dir.join(format!("work{number}"));
        std::fs::create_dir_all(&root).expect("a work root");
        open_to_all(&root);
        ran("chown", &[platform, &root.to_string_lossy()]);
        let config = json!({
            "way": way, "work_root": root, "poll_ms": 200,
            "users": {"by": by, "work_root": people.homes.join("{unix}/headworks"), "others": "service"},
            "identity": {"rules": [
                {"user": "ying", "unix_user": people.ying},
                {"user": "bo", "unix_user": people.bo},
                {"project": "project", "user": "user", "unix_user": people.ying},
                {"user": "ghost", "unix_user": "hw-nobody-has-this"},
                {"user": "daemon*", "unix_user": "{user}"},
            ]},
        });
        let config: SlurmConfig = serde_json::from_value(config).expect("a configuration");
        config.check().expect("it fits together");
        Grant { config, realm: Realm::new(&[b"users", &number.to_be_bytes(), &std::process::id().to_be_bytes()]) }
    }

    async fn connect(&self) -> Connected {
        let opened = open(&self.config).expect("a way in");
        let survey = Arc::new(opened.carrier.survey().await.expect("a survey"));
        Connected { config: self.config.clone(), realm: self.realm, opened, survey }
    }

    async fn platform(&self) -> Platform {
        let (sender, observations) = tokio::sync::mpsc::channel(256);
        let parts = self.connect().await.parts();
        Platform::of(SlurmCluster::new(parts, sender), observations)
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    Timestamp::from_micros(since.as_micros() as i64)
}

/// One way in, by which connectors are built.
struct Connected {
    config: SlurmConfig,
    realm: Realm,
    opened: Opened,
    survey: Arc<Survey>,
}

impl Connected {
    fn pools(&self) -> Vec<SlurmPool> {
        let found = supply::pools(&self.survey, &self.config, ClusterId::from_u128(1), "users", &[]);
        found.plans.into_iter().map(|plan| plan.pool).collect()
    }

    fn parts(&self) -> Parts {
        Parts {
            cluster: ClusterId::from_u128(1),
            name: "users".into(),
            realm: self.realm,
            config: self.config.clone(),
            pools: self.pools(),
            carrier: Arc::clone(&self.opened.carrier),
            files: self.opened.files.clone(),
            homes: self.opened.homes.clone(),
            accounting: self.survey.accounting,
            limits: Limits::of(&self.survey),
            clock: Arc::new(now),
        }
    }

    /// The same in a realm and a folder of its own.
    fn again(&self) -> Connected {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let realm = Realm::new(&[b"again", &number.to_be_bytes(), &std::process::id().to_be_bytes()]);
        let mut config = self.config.clone();
        if let Some(users) = &mut config.users {
            users.work_root = format!("{}{number}", users.work_root);
        }
        let opened = open(&config).expect("a way in");
        Connected { config, realm, opened, survey: Arc::clone(&self.survey) }
    }
}

impl Bed for Connected {
    fn open(&self, observations: Observations) -> Arc<dyn ports::Cluster> {
        Arc::new(SlurmCluster::new(self.parts(), observations))
    }
    fn pool(&self) -> (base::PoolId, Arc<str>) {
        let pool = self.pools().into_iter().next().expect("a pool");
        (pool.id, pool.name)
    }
}

fn order_of(bed: &dyn Bed, number: u64, user: &str, script: &str) -> Arc<Order> {
    let mut order = Order::clone(&conformance::order(bed, number, script));
    order.user = user.into();
    Arc::new(order)
}

/// Where a thing stands, by its real owner and mode.
fn owned(path: &Path) -> (String, u32) {
    let found = std::fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let owner =
        nix::unistd::User::from_uid(found.uid().into()).ok().flatten().map_or_else(String::new, |user| user.name);
    (owner, found.mode() & 0o7777)
}

const SCRIPT: &str = "#!/bin/bash\nid -un\nenv | grep -c ^SUDO_\necho secret >result\nchmod 600 result\nexit 3\n";
const LONG: &str = "#!/bin/sh\necho begun\nsleep 1000\n";

/// Everything that the connector does for a job, for those of two users.
async fn works_for_its_users(grant: &Grant, people: &People, cluster: &Cluster) {
    let bed = grant.connect().await;
    let mut platform = grant.platform().await;
    let (hers, his) = (order_of(&bed, 1, "ying", SCRIPT), order_of(&bed, 2, "bo", SCRIPT));
    for order in [&hers, &his] {
        // Inputs are put there before the job is.
        let files = platform.cluster.files().expect("files");
        let folder = platform.cluster.work_folder(order).await.expect("a folder").expect("one of ours");
        files.make_folder(&folder).await.expect("a folder is made");
        files.write(&format!("{folder}/input"), 0, b"input".to_vec(), 0o600).await.expect("an input");
        platform.cluster.submit(Arc::clone(order), SCRIPT.into()).await.expect("a hand-over");
    }
    for (order, user) in [(&hers, &people.ying), (&his, &people.bo)] {
        let (outcome, exit, start, _) = platform.ended(order.attempt).await;
        assert_eq!((outcome, exit), (Outcome::Failed, Some(Exit { code: 3, signal: 0 })), "{user}");
        assert!(start.is_some(), "{user}: accounting knows its start");
        assert_eq!(platform.log(order).await, format!("{user}\n0\n"), "it ran as its user");
        let home = people.home(user);
        let work = home.join("work/tenant").join(&*order.user).join(order.number.to_string());
        for path in [&home, &work] {
            assert_eq!(owned(path), (user.clone(), 0o700), "{}", path.display());
        }
        for name in ["input", "result"] {
            assert_eq!(owned(&work.join(name)), (user.clone(), 0o600), "{name}");
        }
        let files = platform.cluster.files().expect("files");
        let folder = platform.cluster.work_folder(order).await.expect("a folder").expect("one of ours");
        assert_eq!(files.read(&format!("{folder}/result"), 0, 100).await.expect("a result"), b"secret\n");
        // A link to the other's file leads nowhere, with whatever rights the platform has.
        let others = if order.number == 1 { (&people.bo, "bo/2") } else { (&people.ying, "ying/1") };
        let target = people.home(others.0).join("work/tenant").join(others.1).join("result");
        std::os::unix::fs::symlink(target, work.join("link")).expect("a link");
        files.read(&format!("{folder}/link"), 0, 100).await.expect_err("it leads out");
    }
    changes_go_as_the_owner(&mut platform, &bed, cluster).await;
}

async fn changes_go_as_the_owner(platform: &mut Platform, bed: &dyn Bed, cluster: &Cluster) {
    let order = order_of(bed, 3, "ying", LONG);
    platform.cluster.submit(Arc::clone(&order), LONG.into()).await.expect("a hand-over");
    platform.started(order.attempt).await;
    platform.cluster.set_time_limit(order.attempt, Span::from_mins(4)).await.expect("a new limit");
    let name = cluster.run(&["squeue", "-h", "-o", "%j %u %l"]).expect("squeue");
    assert!(name.contains(" 4:00"), "{name}");
    let end = EndOrder { cause: EndCause::Cancelled, grace: Span::from_secs(1) };
    platform.cluster.end(order.attempt, end).await.expect("an order");
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Cancelled);
}

/// After a restart jobs of users are found again; one of another user with the same key is left alone.
async fn is_found_again_and_no_other(grant: &Grant, people: &People, cluster: &Cluster) {
    let bed = grant.connect().await;
    let order = order_of(&bed, 4, "ying", LONG);
    {
        let mut platform = grant.platform().await;
        platform.cluster.submit(Arc::clone(&order), LONG.into()).await.expect("a hand-over");
        platform.started(order.attempt).await;
    }
    let key = grant.realm.name(order.attempt);
    let conf = cluster.conf();
    let copied = Command::new("runuser")
        .args([
            "-u",
            &people.bo,
            "--",
            "sbatch",
            "--parsable",
            "-J",
            &key,
            &format!("--comment={key} tenant/project/ying x"),
        ])
        .args(["--chdir=/", "-o/dev/null", "--wrap=sleep 600"])
        .env("SLURM_CONF", &conf)
        .output()
        .expect("sbatch runs");
    let copy = String::from_utf8_lossy(&copied.stdout).trim().to_owned();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let mut platform = grant.platform().await;
    platform.cluster.resume(vec![order.attempt]).await.expect("it answers");
    platform.started(order.attempt).await;
    let told = |seen: &[Observed]| {
        let says =
            |what: &Observed| matches!(what, Observed::Remark { text, .. } if text.contains("carries this job's key"));
        seen.iter().any(says).then_some(())
    };
    platform
        .cluster
        .end(order.attempt, EndOrder { cause: EndCause::Cancelled, grace: Span::from_secs(1) })
        .await
        .expect("an order");
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Cancelled);
    platform.until("the word about the copy", told).await;
    let state = cluster.run(&["squeue", "-h", "-j", &copy, "-o", "%T"]).expect("squeue");
    assert!(["RUNNING", "PENDING"].contains(&state.trim()), "the stranger's job is left alone: {state}");
    cluster.run(&["scancel", &copy]).expect("it goes");
}

/// Whom the table does not mean, and whom it must not.
async fn the_others(grant: &Grant, platform_user: &str) {
    let bed = grant.connect().await;
    let mut platform = grant.platform().await;
    let plain = order_of(&bed, 5, "somebody", "#!/bin/sh\nid -un\n");
    platform.cluster.submit(Arc::clone(&plain), "#!/bin/sh\nid -un\n".into()).await.expect("a hand-over");
    assert_eq!(platform.ended(plain.attempt).await.0, Outcome::Completed);
    assert_eq!(platform.log(&plain).await, format!("{platform_user}\n"));
    for (number, user, word, lasts) in [
        (6, "ghost", "no Unix user hw-nobody-has-this", false),
        (7, "daemon", "account of the system", true),
        (8, "daemon;id", "no name", true),
    ] {
        let order = order_of(&bed, number, user, LONG);
        match platform.cluster.submit(order, LONG.into()).await {
            Err(ConnectError::Refused { text, permanent, .. }) => {
                assert!(text.contains(word) && permanent == lasts, "{user}: {text} {permanent}");
            }
            other => panic!("{user}: {other:?}"),
        }
    }
}

async fn findings(grant: &Grant) -> Vec<check::Finding> {
    let Opened { carrier, files, .. } = open(&grant.config).expect("a way in");
    let wanted = Checked {
        config: &grant.config,
        cluster: ClusterId::from_u128(1),
        name: "users",
        tag: 7,
        clock: &now,
        patience: Duration::from_secs(60),
    };
    let report = check::check(&*carrier, files.as_deref(), &wanted, &|_| {}).await;
    report.findings.into_iter().filter(|finding| finding.what == "users").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_jobs_run_as_their_users_by_runuser() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(people) = People::new(dir.path()) else { return };
    let spec = small("users").accounting(Accounting::default());
    let Some((_farm, cluster)) = farm(dir.path(), spec) else { return };
    let way = json!({"kind": "command", "tools": {"slurm_conf": cluster.conf()}});
    let grant = Grant::new(&people, dir.path(), &way, "runuser", "root");
    works_for_its_users(&grant, &people, &cluster).await;
    is_found_again_and_no_other(&grant, &people, &cluster).await;
    the_others(&grant, "root").await;
    // What every cluster must do, all of it as one of the users.
    let bed = grant.connect().await;
    conformance::cluster(|| bed.again()).await;
}

/// The platform is an ordinary account there, and sudo's rules say what it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_jobs_run_as_their_users_by_sudo_behind_ssh() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(people) = People::new(dir.path()) else { return };
    let Some((_farm, cluster)) = farm(dir.path(), small("users").ssh()) else { return };
    let mut access = login(cluster.ssh().expect("a login node"));
    access["user"] = json!(people.platform);
    let keys = cluster.dir().join("ssh");
    std::fs::set_permissions(keys.join("authorized_keys"), Permissions::from_mode(0o644)).expect("a mode");
    for folder in keys.ancestors().take_while(|folder| folder.starts_with(dir.path())) {
        open_to_all(folder);
    }
    let way = json!({"kind": "ssh", "ssh": access, "tools": {"slurm_conf": cluster.conf()}});
    let grant = Grant::new(&people, dir.path(), &way, "sudo", &people.platform);
    let found = findings(&grant).await;
    let of = |name: &str| found.iter().find(|finding| finding.found.contains(name)).map(|finding| finding.level);
    assert_eq!([of(&people.ying), of(&people.bo)], [Some(Level::Ok); 2], "{found:#?}");
    assert_eq!(of("hw-nobody-has-this"), Some(Level::Fail), "{found:#?}");
    works_for_its_users(&grant, &people, &cluster).await;
    is_found_again_and_no_other(&grant, &people, &cluster).await;
    the_others(&grant, &people.platform).await;
    // The site takes its leave back: said by the check, and to whoever hands in.
    std::fs::remove_file(&people.sudoers).expect("rules of sudo");
    let found = findings(&grant).await;
    let all_fail = found.iter().all(|finding| finding.level == Level::Fail && finding.advice.contains("docs/slurm.md"));
    let hers = found.iter().find(|finding| finding.found.contains(&people.ying)).expect("a finding");
    assert!(all_fail && hers.found.contains("sudo: a password is required"), "{found:#?}");
}

/// slurmrestd hands over and ends with a token that speaks for everybody; files go by runuser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_jobs_run_as_their_users_through_slurmrestd() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(people) = People::new(dir.path()) else { return };
    let spec = small("users").accounting(Accounting::default()).restd_port();
    let Some((_farm, cluster)) = farm(dir.path(), spec) else { return };
    let token = dir.path().join("token");
    std::fs::write(&token, cluster.token("root", Duration::from_secs(1_800)).expect("a token")).expect("a file");
    let endpoint = format!("http://127.0.0.1:{}", cluster.restd_port().expect("a port"));
    let rest = json!({"endpoint": endpoint, "version": "v0.0.38", "token_file": token, "user": "root"});
    let way = json!({"kind": "rest", "rest": rest, "watch": "command-line", "commands": {"tools": {"slurm_conf": cluster.conf()}}});
    let grant = Grant::new(&people, dir.path(), &way, "runuser", "root");
    works_for_its_users(&grant, &people, &cluster).await;
    is_found_again_and_no_other(&grant, &people, &cluster).await;
}
