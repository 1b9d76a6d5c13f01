//! What a job finds around itself: user, cores, accelerators, environment, folders; and what it must not reach.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::common::{Ground, order};
use base::{Bytes, PoolId, Resources};
use connect_local::{LocalError, LocalPool};
use model::{ExportPolicy, Outcome};
use ports::{Cluster, LogStream};

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[tokio::test]
async fn jobs_run_as_the_configured_user_without_privileges() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\nid -u; id -g; id -G; grep -c 'NoNewPrivs:.1' /proc/self/status; echo $HOME $USER\n";
    let order = order(1, script, |_, _| {});
    let (end, log) = platform.run(&order, script).await;
    assert_eq!(end.outcome, Outcome::Completed, "{end:?}");
    match &ground.config.run_as {
        Some(user) => {
            let wanted = format!("{}\n{}\n{}\n1\n{} {}\n", user.uid, user.gid, user.gid, user.home, user.name);
            assert_eq!(log, wanted);
            let out = std::fs::metadata(ground.dir.path().join("work/tenant/user/1/slurm-1.out")).unwrap();
            assert_eq!((out.uid(), out.gid()), (user.uid, user.gid));
        }
        None => assert!(log.starts_with(&format!("{}\n", nix::unistd::geteuid()))),
    }
}

#[tokio::test]
async fn jobs_are_bound_to_cores_of_their_own() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\nnproc; grep Cpus_allowed_list /proc/self/status | tr -cd '0-9,-'; echo; sleep 1000\n";
    let (first, second) = (order(1, script, |_, _| {}), order(2, script, |_, _| {}));
    let mut cores = Vec::new();
    for order in [&first, &second] {
        platform.submit(order, script).await;
        platform.started(order.attempt).await;
        platform.log_shows(order, "\n").await;
        let log = loop {
            let log = platform.log(order).await;
            if log.lines().count() == 2 {
                break log;
            }
        };
        assert!(log.starts_with("1\n"), "{log}");
        cores.push(log);
    }
    assert_ne!(cores[0], cores[1]);
    for order in [&first, &second] {
        platform.end(order.attempt, model::EndCause::Cancelled, base::Span::from_secs(5)).await;
        platform.ended(order.attempt).await;
    }
}

#[tokio::test]
async fn a_pool_larger_than_the_machine_is_unbound_and_says_so() {
    let mut ground = Ground::new();
    ground.config.pools[0].shape = Resources::new(64, Bytes::from_gib(64), 0);
    let mut platform = ground.start();
    let facts = platform.cluster.describe().await.unwrap();
    assert!(facts.remarks.iter().any(|r| r.contains("pool test declares 64 cores")), "{:?}", facts.remarks);
    assert_eq!(platform.cluster.pool_remarks(PoolId::from_u128(1)).len(), 1);
    let script = "#!/bin/sh\nnproc\n";
    let (_, log) = platform.run(&order(1, script, |_, _| {}), script).await;
    assert_eq!(log.trim(), std::thread::available_parallelism().unwrap().to_string());
}

#[tokio::test]
async fn gpus_are_given_by_number_and_never_twice() {
    let ground = Ground::new();
    let platform = ground.start();
    let script = "#!/bin/sh\necho \"[$CUDA_VISIBLE_DEVICES]\"\nsleep 1000\n";
    let one = |number| order(number, script, |order, _| order.per_node.gpus = 1);
    let orders = [one(1), one(2)];
    for (order, shown) in orders.iter().zip(["[0]", "[1]"]) {
        platform.submit(order, script).await;
        platform.log_shows(order, shown).await;
    }
    assert!(platform.cluster.submit(one(3), script.into()).await.is_err(), "a third one finds none");
    // After a restart the map is the same.
    drop(platform);
    let mut platform = ground.start();
    platform.cluster.resume(orders.iter().map(|o| o.attempt).collect()).await.unwrap();
    assert!(platform.cluster.submit(one(3), script.into()).await.is_err());
    platform.end(orders[0].attempt, model::EndCause::Cancelled, base::Span::from_secs(5)).await;
    platform.ended(orders[0].attempt).await;
    platform.submit(&one(4), script).await;
    platform.log_shows(&one(4), "[0]").await;
    let (_, log) = platform.run(&order(5, "", |_, _| {}), "#!/bin/sh\necho \"[$CUDA_VISIBLE_DEVICES]\"\n").await;
    assert_eq!(log, "[]\n", "who asked for none sees none");
    platform.cluster.resume(Vec::new()).await.unwrap();
}

#[tokio::test]
async fn several_pools_on_one_machine() {
    let mut ground = Ground::new();
    ground.config.pools[0].shape.cpu = base::CpuMillis::from_cores(1);
    ground.config.pools.push(LocalPool {
        id: PoolId::from_u128(2),
        name: "other".into(),
        shape: Resources::new(1, Bytes::from_gib(1), 0),
        chip: None,
        nodes: 3,
    });
    let mut platform = ground.start();
    let facts = platform.cluster.describe().await.unwrap();
    assert_eq!(facts.pools[1].nodes, ["other-1", "other-2", "other-3"]);
    let script = "#!/bin/sh\necho $SLURM_JOB_PARTITION $SLURM_JOB_NODELIST $SLURM_NNODES\n";
    let order = order(1, script, |order, spec| {
        (order.pool, order.pool_name) = (PoolId::from_u128(2), "other".into());
        spec.request.nodes = 2;
    });
    assert_eq!(platform.run(&order, script).await.1, "other other-1,other-2 2\n");
}

#[tokio::test]
async fn names_arguments_and_environment_arrive_unchanged() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let odd = ["it's \"quoted\"", "two\nlines", "$(touch /tmp/never) `id` $HOME", "流体力学 ✓", "", "*", "-x; exit 1"];
    let script = "#!/bin/bash\nprintf '%s\\0' \"$SLURM_JOB_NAME\" \"$ODD\" \"$@\"\n";
    for (number, text) in (1..).zip(odd) {
        let order = order(number, script, |_, spec| {
            spec.name = text.into();
            spec.args = odd.iter().map(|s| s.to_string()).collect();
            spec.environment = vec![("ODD".into(), text.into())];
            spec.stdout = Some("out".into());
        });
        let (end, log) = platform.run(&order, script).await;
        assert_eq!(end.outcome, Outcome::Completed, "{end:?}");
        let wanted: Vec<&str> = [text, text].into_iter().chain(odd).chain([""]).collect();
        assert_eq!(log.split('\0').collect::<Vec<_>>(), wanted);
    }
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for_and_nothing_of_the_servers() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\nenv\n";
    let sent = vec![("MINE".to_owned(), "1".to_owned()), ("SLURM_JOB_ID".to_owned(), "forged".to_owned())];
    let all = order(1, script, |_, spec| spec.environment = sent.clone());
    let (_, log) = platform.run(&all, script).await;
    let has = |log: &str, line: &str| log.lines().any(|l| l == line);
    assert!(has(&log, "MINE=1") && has(&log, "SLURM_JOB_ID=1"), "{log}");
    let folder = ground.dir.path().join("work/tenant/user/1");
    assert!(has(&log, &format!("SLURM_SUBMIT_DIR={}", folder.display())), "{log}");
    assert!(!log.contains("CARGO"), "{log}");
    let none = order(2, script, |_, spec| {
        spec.environment = sent.clone();
        spec.export = ExportPolicy::None;
    });
    let (_, log) = platform.run(&none, script).await;
    assert!(!has(&log, "MINE=1") && has(&log, "SLURM_JOB_ID=2"), "{log}");
}

#[tokio::test]
async fn output_goes_where_the_patterns_say() {
    let ground = Ground::new();
    let folder = ground.open_folder("place");
    let mut platform = ground.start();
    let script = "#!/bin/sh\npwd; echo err >&2; cat\n";
    std::fs::write(folder.join("in"), "input\n").unwrap();
    let order = order(7, script, |_, spec| {
        spec.work_dir = Some(folder.to_str().unwrap().into());
        spec.stdout = Some("%x-%j.out".into());
        spec.stderr = Some("%j.err".into());
        spec.stdin = Some("in".into());
    });
    platform.run(&order, script).await;
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(text("test job-7.out"), format!("{}\ninput\n", folder.display()));
    assert_eq!(text("7.err"), "err\n");
    let chunk = platform.cluster.read_log(order.clone(), LogStream::Stderr, 0, 10).await.unwrap();
    assert_eq!(chunk.bytes, b"err\n");
}

#[tokio::test]
async fn a_work_folder_that_cannot_be_used_fails_the_job_with_its_reason() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\nexit 0\n";
    std::fs::write(ground.dir.path().join("file"), "").unwrap();
    let closed = ground.dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut folders = vec![ground.dir.path().join("missing"), ground.dir.path().join("file")];
    if is_root() {
        folders.push(closed);
    }
    for (number, folder) in (1..).zip(folders) {
        let order = order(number, script, |_, spec| spec.work_dir = Some(folder.to_str().unwrap().into()));
        platform.submit(&order, script).await;
        let end = platform.ended(order.attempt).await;
        assert_eq!(
            (end.outcome, end.exit.unwrap().signal, end.was_started),
            (Outcome::Failed, 53, false),
            "{folder:?}"
        );
        assert!(end.note.contains(folder.to_str().unwrap()), "{}", end.note);
    }
}

#[tokio::test]
async fn a_link_in_the_place_of_the_output_is_neither_written_nor_read_through() {
    let ground = Ground::new();
    let folder = ground.open_folder("place");
    let secret = ground.dir.path().join("secret");
    std::fs::write(&secret, "the platform's\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&secret, folder.join("out")).unwrap();
    let mut platform = ground.start();
    let in_place = |number, script: &str, stdout: &str| {
        order(number, script, |_, spec| {
            spec.work_dir = Some(folder.to_str().unwrap().into());
            spec.stdout = Some(stdout.into());
        })
    };
    let script = "#!/bin/sh\necho overwritten\n";
    let order = in_place(1, script, "out");
    platform.submit(&order, script).await;
    let end = platform.ended(order.attempt).await;
    assert_eq!((end.outcome, end.was_started), (Outcome::Failed, false), "{end:?}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "the platform's\n");
    // A job that puts a link, or a whole linked folder, in the place of its output while it runs.
    let script = format!("#!/bin/sh\nrm -f swapped\nln -s {} swapped\n", secret.display());
    let order = in_place(2, &script, "swapped");
    platform.submit(&order, &script).await;
    platform.ended(order.attempt).await;
    assert!(platform.cluster.read_log(order, LogStream::Stdout, 0, 100).await.is_err());
    if is_root() {
        let hidden = ground.dir.path().join("hidden");
        std::fs::create_dir(&hidden).unwrap();
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(hidden.join("out"), "the platform's\n").unwrap();
        let script = format!("#!/bin/sh\nmv logs away\nln -s {} logs\n", hidden.display());
        std::fs::create_dir(folder.join("logs")).unwrap();
        std::fs::set_permissions(folder.join("logs"), std::fs::Permissions::from_mode(0o777)).unwrap();
        let order = in_place(3, &script, "logs/out");
        platform.submit(&order, &script).await;
        platform.ended(order.attempt).await;
        assert!(platform.cluster.read_log(order, LogStream::Stdout, 0, 100).await.is_err());
    }
}

#[tokio::test]
async fn output_over_a_file_of_the_platform_is_refused_and_null_is_not() {
    let ground = Ground::new();
    let mut platform = ground.start();
    let script = "#!/bin/sh\necho x\n";
    if is_root() {
        let target = ground.dir.path().join("platform.db");
        std::fs::write(&target, "kept").unwrap();
        let path = target.to_str().unwrap();
        let (end, _) = platform.run(&order(1, script, |_, spec| spec.stdout = Some(path.into())), script).await;
        assert_eq!((end.outcome, end.was_started), (Outcome::Failed, false), "{end:?}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "kept");
    }
    let (end, log) = platform.run(&order(2, script, |_, spec| spec.stdout = Some("/dev/null".into())), script).await;
    assert_eq!((end.outcome, log.as_str()), (Outcome::Completed, ""));
}

#[tokio::test]
async fn a_data_folder_closed_to_the_jobs_user_is_refused_at_the_start() {
    let ground = Ground::new();
    if ground.config.run_as.is_none() {
        return;
    }
    std::fs::set_permissions(ground.dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let refused = connect_local::LocalCluster::new(ground.config.clone(), sender);
    assert!(matches!(refused, Err(LocalError::Closed { .. })), "{refused:?}");
}
