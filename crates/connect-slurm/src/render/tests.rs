//! What is rendered, and the wrapper run for real by bash.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use base::{AttemptId, Bytes, JobId, PoolId, Resources, Span, Timestamp};
use model::spec::script_id;
use model::{ArrayRef, JobSpec, Request};

use super::*;
use crate::config::SlurmConfig;

fn config(root: &str) -> SlurmConfig {
    serde_json::from_value(serde_json::json!({"way": {"kind": "command"}, "work_root": root})).unwrap()
}

fn pool() -> SlurmPool {
    SlurmPool {
        id: PoolId::from_u128(1),
        name: "alpha-gpu".into(),
        partition: "gpu".into(),
        gres: Some(("gpu".into(), Some("a100".into()))),
        constraint: Some("fast".into()),
        exclude: vec!["n9".into()],
        nodes: vec!["n1".into(), "n2".into()],
        shape: Resources::new(8, Bytes::from_gib(16), 2),
        chip: None,
    }
}

fn realm() -> Realm {
    Realm::new(&[b"tests"])
}

fn order(change: impl FnOnce(&mut JobSpec)) -> Order {
    let per_node = Resources::new(1, Bytes::from_mib(64), 0);
    let mut spec = JobSpec::minimal("a job", script_id(""), Request::of(1, per_node), Span::from_mins(10));
    change(&mut spec);
    Order {
        attempt: AttemptId::new(JobId::from_u128(9), 1),
        number: 42,
        array: None,
        array_bounds: None,
        tenant: "hydro".into(),
        project: "flood".into(),
        user: "li".into(),
        pool: PoolId::from_u128(1),
        pool_name: "alpha-gpu".into(),
        nodes: Vec::new(),
        per_node: spec.request.per_node,
        spec: std::sync::Arc::new(spec),
        checkpoint: None,
    }
}

fn rendered(order: &Order, script: &str, root: &str) -> Result<Rendered, ScriptError> {
    let (config, pool) = (config(root), pool());
    let around = Surroundings {
        realm: realm(),
        cluster_name: "alpha",
        config: &config,
        pool: &pool,
        script_bytes_max: SCRIPT_BYTES_MAX,
        can_stage: false,
        has_folder: true,
        may_requeue: true,
    };
    request(order, script, around)
}

#[test]
fn a_request_says_what_was_granted() {
    let mut order = order(|spec| {
        spec.request = Request { nodes: 2, tasks: 3, cpus_per_task: 1, ..Request::single(Bytes::from_gib(1)) };
        spec.time_limit = Span::from_secs(61);
        spec.comment = Some("first\nsecond | \u{1b}[31m third".into());
        spec.name = "渠首 \u{1f600}".into();
    });
    order.per_node = Resources::new(4, Bytes::from_gib(2), 2);
    let found = rendered(&order, "#!/bin/sh\n", "/scratch/100% ours/").unwrap();
    assert!(!found.staged);
    let key = realm().name(order.attempt);
    let wanted = SubmitRequest {
        name: key.clone(),
        comment: format!("{key} hydro/flood/li 渠首 \u{1f600}: first second /  [31m third"),
        script: found.request.script.clone(),
        partition: Some("gpu".into()),
        account: None,
        qos: None,
        reservation: None,
        licences: None,
        switches: None,
        nodes: 2,
        tasks: 3,
        tasks_per_node: Some(2),
        cpus_per_task: 2,
        mem_per_node: Bytes::from_gib(2),
        gres: vec![Gres { name: "gpu".into(), kind: Some("a100".into()), count: 2 }],
        constraint: Some("fast".into()),
        exclude: vec!["n9".into()],
        time_limit_minutes: 2,
        signal: None,
        requeue: false,
        work_dir: "/scratch/100% ours".into(),
        stdout: format!("/scratch/100%% ours/.headworks/{}/attempts/{key}.slurm", &realm().prefix()[..11]),
        stderr: None,
        stdin: None,
        append: true,
        held: false,
        run_as: None,
    };
    assert_eq!(found.request, wanted);
}

#[test]
fn what_is_packed_is_unpacked() {
    let order = order(|spec| {
        spec.args = vec!["a b".into(), String::new(), "$(x)\n'\"".into()];
        spec.environment = vec![("A".into(), "1\n2".into()), ("HOME".into(), "/laptop".into())];
        spec.stdout = Some("out-%x-%N".into());
    });
    for script in ["#!/bin/sh\necho \u{1f600}\n", "#!/bin/sh\r\necho dos\r\n", "", "#!/bin/sh\n#SBATCH -n 100\n"] {
        let text = rendered(&order, script, "/w").unwrap().request.script;
        assert!(!text.contains('\r') && text.starts_with("#!/bin/bash\n"));
        let found = unpack(&text).unwrap();
        assert_eq!(found.script.as_deref(), Some(script));
        assert_eq!(found.plan.args, order.spec.args);
        assert_eq!(found.plan.paths.stdout, format!("/w/work/hydro/li/42/out-a job-{NODE_PLACE}"));
        let names: Vec<&str> = found.plan.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"A") && names.contains(&"HW_JOB_NUMBER") && !names.contains(&"HOME"), "{names:?}");
        assert!(!names.contains(&"SLURM_JOB_ID"), "srun needs Slurm's own number");
    }
}

#[test]
fn what_cannot_travel_is_refused_or_staged() {
    let plain = order(|_| {});
    assert_eq!(rendered(&plain, "a\0b", "/w"), Err(ScriptError::ZeroByte("the script")));
    let with_arg = order(|spec| spec.args = vec!["a\0".into()]);
    assert_eq!(rendered(&with_arg, "", "/w"), Err(ScriptError::ZeroByte("an argument")));
    let with_name = order(|spec| spec.environment = vec![("A=B".into(), String::new())]);
    assert_eq!(rendered(&with_name, "", "/w"), Err(ScriptError::Variable("A=B".into())));
    let large = "x".repeat(SCRIPT_BYTES_MAX);
    assert!(matches!(rendered(&plain, &large, "/w"), Err(ScriptError::TooLarge { max: SCRIPT_BYTES_MAX, .. })));
    let (config, pool) = (config("/w"), pool());
    let around = Surroundings {
        realm: realm(),
        cluster_name: "alpha",
        config: &config,
        pool: &pool,
        script_bytes_max: SCRIPT_BYTES_MAX,
        can_stage: true,
        has_folder: false,
        may_requeue: true,
    };
    let staged = request(&plain, &large, around).unwrap();
    assert!(staged.staged && staged.request.script.len() < 20_000);
    assert_eq!(staged.request.stdout, "/dev/null");
}

/// A job as Slurm would start it, without Slurm.
struct Node {
    root: tempfile::TempDir,
    order: Order,
}

impl Node {
    fn new(change: impl FnOnce(&mut JobSpec)) -> Node {
        Node { root: tempfile::tempdir().unwrap(), order: order(change) }
    }
    fn root(&self) -> &str {
        self.root.path().to_str().unwrap()
    }
    fn attempt(&self) -> PathBuf {
        self.root.path().join(evidence::folder(realm(), self.order.attempt))
    }
    fn work(&self) -> PathBuf {
        self.root.path().join("work/hydro/li/42")
    }
    fn output(&self) -> String {
        std::fs::read_to_string(self.work().join("slurm-42.out")).unwrap()
    }
    fn command(&self, script: &str, job: u32, restarts: u32) -> Command {
        let text = rendered(&self.order, script, self.root()).unwrap().request.script;
        let path = self.root.path().join(format!("slurm_script.{job}.{restarts}"));
        std::fs::write(&path, &*text).unwrap();
        let mut command = Command::new("bash");
        command.arg(path).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("SLURM_JOB_ID", job.to_string()).env("SLURMD_NODENAME", "n1.site.example");
        command.env("SLURM_EXPORT_ENV", "NONE").env("CUDA_VISIBLE_DEVICES", "3");
        if restarts > 0 {
            command.env("SLURM_RESTART_COUNT", restarts.to_string());
        }
        command
    }
    /// Status, and what was written to Slurm's own file.
    fn run(&self, script: &str, job: u32, restarts: u32) -> (ExitStatus, String) {
        let output = self.command(script, job, restarts).output().unwrap();
        (output.status, String::from_utf8(output.stderr).unwrap())
    }
    fn evidence(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.attempt().join(name)).ok()
    }
}

#[test]
fn the_script_arrives_bit_by_bit_and_its_words_are_nobodys() {
    let nasty = "$(touch /tmp/never) `id` 'q' \"d\" \\ ; & | > \u{1f600}\ttab\nline -n %j %%";
    let node = Node::new(|spec| {
        spec.args = vec![nasty.into(), String::new(), "-e".into()];
        spec.environment =
            vec![("NASTY".into(), nasty.into()), ("PS4".into(), "x".into()), ("hw_dir".into(), "/".into())];
        spec.stdin = Some("in put".into());
    });
    std::fs::create_dir_all(node.work()).unwrap();
    std::fs::write(node.work().join("in put"), "from stdin\n").unwrap();
    let script = "#!/bin/bash\n#SBATCH --nodes=1000\ncat -- \"$0\"\nprintf '[%s]' \"$@\" \"$NASTY\" \"$hw_dir\" \"$HW_JOB_NUMBER\" \
                  \"$SLURM_JOB_ID\" \"$SLURM_JOB_NAME\" \"$CUDA_VISIBLE_DEVICES\" \"${SLURM_EXPORT_ENV-unset}\"\ncat\npwd\n# \u{1f600} '\"`$(";
    let (status, said) = node.run(script, 7, 0);
    assert!(status.success(), "{status} {said}");
    let work = node.work();
    let wanted = format!("{script}[{nasty}][][-e][{nasty}][/][42][7][a job][3][unset]from stdin\n{}\n", work.display());
    assert_eq!(node.output(), wanted);
    assert_eq!(said, "");
    assert!(!node.attempt().join("script").exists(), "the script is taken away");
    let left: Vec<_> = std::fs::read_dir(node.attempt()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "fence, started, ended: {left:?}");
}

#[test]
fn dos_scripts_arrive_as_they_are() {
    let node = Node::new(|_| {});
    let script = "#!/bin/sh\nprintf 'a\r\n'\r\n";
    let (status, said) = node.run(script, 7, 0);
    // The interpreter's own view of the carriage return is the tenant's affair.
    assert!(status.success(), "{said}");
    assert!(node.output().starts_with("a\r\n"), "{:?}", node.output());
}

#[test]
fn the_end_is_the_scripts_own() {
    use std::os::unix::process::ExitStatusExt;
    for (line, code, signal) in [
        ("exit 0", Some(0), None),
        ("exit 7", Some(7), None),
        ("exit 143", Some(143), None),
        ("exit 127", Some(127), None),
        ("kill -TERM $$", None, Some(15)),
        ("kill -KILL $$", None, Some(9)),
        ("kill -SEGV $$", None, Some(11)),
        ("kill -INT $$", None, Some(2)),
        ("kill -HUP $$", None, Some(1)),
    ] {
        let node = Node::new(|_| {});
        let (status, said) = node.run(&format!("#!/bin/sh\nulimit -c 0\n{line}\n"), 7, 0);
        assert_eq!((status.code(), status.signal()), (code, signal), "{line}: {said}");
        let ended = node.evidence("ended").unwrap();
        let words: Vec<&str> = ended.split_whitespace().collect();
        assert_eq!(words[1..], ["7", &code.unwrap_or(0).to_string(), &signal.unwrap_or(0).to_string()], "{line}");
        let started = node.evidence("started").unwrap();
        assert_eq!(started.split_whitespace().nth(1), Some("7"));
    }
}

/// A search path without perl.
fn without_perl(node: &Node) -> String {
    let bin = node.root.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in
        ["bash", "sh", "env", "tail", "head", "base64", "date", "mkdir", "mv", "rm", "cat", "wc", "chmod", "sleep"]
    {
        let found = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.exists());
        std::os::unix::fs::symlink(found.unwrap(), bin.join(name)).unwrap();
    }
    bin.to_str().unwrap().to_owned()
}

#[test]
fn without_perl_an_end_is_the_number_a_shell_has() {
    for (line, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 127", 127), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
    {
        let node = Node::new(|_| {});
        let path = without_perl(&node);
        let status = node.command(&format!("#!/bin/sh\n{line}\n"), 7, 0).env("PATH", path).status().unwrap();
        assert_eq!(status.code(), Some(code), "{line}");
        assert!(node.evidence("ended").unwrap().ends_with(&format!(" 7 {code} 0\n")));
    }
}

/// Slurm ends a job by a signal to all of its processes at once.
#[test]
fn an_end_of_all_processes_at_once_is_written() {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    for perl in [true, false] {
        for _ in 0..10 {
            let node = Node::new(|_| {});
            let mut command = node.command("#!/bin/sh\necho ready\nsleep 1000\n", 7, 0);
            if !perl {
                command.env("PATH", without_perl(&node));
            }
            let mut child = command.process_group(0).spawn().unwrap();
            let ready = || node.work().join("slurm-42.out").exists() && node.output() == "ready\n";
            while !ready() {
                std::thread::yield_now();
            }
            let group = format!("-{}", child.id());
            assert!(Command::new("kill").args(["-TERM", "--", &group]).status().unwrap().success());
            let status = child.wait().unwrap();
            let (seen, wanted) = match perl {
                true => (status.signal(), (0, 15)),
                false => (status.code().map(|code| code - 128), (143, 0)),
            };
            assert_eq!(seen, Some(15), "{status:?}");
            let ended = node.evidence("ended").unwrap();
            assert!(ended.ends_with(&format!(" 7 {} {}\n", wanted.0, wanted.1)), "{ended}");
        }
    }
}

#[test]
fn only_one_job_passes_the_fence() {
    let node = Node::new(|_| {});
    let script = "#!/bin/sh\necho ran >>ran\n";
    let children: Vec<_> = (1..=8).map(|job| node.command(script, job, 0).spawn().unwrap()).collect();
    let codes: Vec<_> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, crate::states::EXIT_SUPERSEDED].contains(code)), "{codes:?}");
    assert_eq!(std::fs::read_to_string(node.work().join("ran")).unwrap(), "ran\n");
    let winner = 1 + codes.iter().position(|code| *code == 0).unwrap() as u32;
    let owner = node.evidence("fence/owner").unwrap();
    assert_eq!(owner.split(' ').next(), Some(winner.to_string().as_str()));
    // Slurm starts the same job again: it may; what it wrote before is kept. Another job still may not.
    assert!(node.run("#!/bin/sh\necho again >>ran\n", winner, 1).0.success());
    // Launched twice: it ends as the first launch did.
    assert!(node.run(script, winner, 1).0.success());
    assert_eq!(node.run(script, winner + 1, 1).0.code(), Some(crate::states::EXIT_SUPERSEDED));
    assert_eq!(std::fs::read_to_string(node.work().join("ran")).unwrap(), "ran\nagain\n");
}

/// A slurmd that was started again launches a job a second time, and Slurm takes the end that it hears of first for the job's.
#[test]
fn a_second_launch_stays_with_the_first_and_ends_like_it() {
    let node = Node::new(|_| {});
    let script = "#!/bin/sh\necho ran >>ran\nwhile [ ! -e go ]; do sleep 0.05; done\nexit 3\n";
    let mut first = node.command(script, 7, 0).spawn().unwrap();
    while !node.work().join("ran").exists() {
        std::thread::yield_now();
    }
    let mut second = node.command(script, 7, 0).spawn().unwrap();
    let mut said = std::io::BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(line.contains("launched twice"), "{line}");
    assert!(second.try_wait().unwrap().is_none());
    std::fs::write(node.work().join("go"), "").unwrap();
    assert_eq!((first.wait().unwrap().code(), second.wait().unwrap().code()), (Some(3), Some(3)));
    assert_eq!(std::fs::read_to_string(node.work().join("ran")).unwrap(), "ran\n");
    // One that was killed leaves no end, and nobody repeats it.
    std::fs::remove_file(node.attempt().join("ended")).unwrap();
    assert_eq!(node.run(script, 7, 0).0.code(), Some(crate::states::EXIT_SUPERSEDED));
}

#[test]
fn an_ended_attempt_does_not_begin() {
    let node = Node::new(|_| {});
    std::fs::create_dir_all(node.attempt()).unwrap();
    std::fs::write(node.attempt().join("stop"), "").unwrap();
    assert_eq!(node.run("#!/bin/sh\necho ran\n", 7, 0).0.code(), Some(crate::states::EXIT_STOPPED));
    assert!(!node.work().exists() && node.evidence("started").is_none());
    // It has given the fence back: another copy may begin once the attempt is wanted again.
    std::fs::remove_file(node.attempt().join("stop")).unwrap();
    assert!(node.run("#!/bin/sh\necho ran\n", 8, 0).0.success());
}

#[test]
fn what_cannot_be_prepared_is_said() {
    let node = Node::new(|spec| spec.work_dir = Some("/no/such/folder".into()));
    let (status, said) = node.run("#!/bin/sh\n", 7, 0);
    assert_eq!(status.code(), Some(crate::states::EXIT_UNPREPARED));
    assert!(said.contains("cannot enter the work folder /no/such/folder"), "{said}");
    assert!(node.evidence("ended").unwrap().contains(" 7 - - cannot enter the work folder /no/such/folder"));
    let node = Node::new(|spec| spec.stdout = Some("logs/%j.out".into()));
    let (status, said) = node.run("#!/bin/sh\n", 7, 0);
    assert_eq!(status.code(), Some(crate::states::EXIT_UNPREPARED), "{said}");
    // Cut off on its way.
    let path = node.root.path().join("slurm_script.7.0");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 30]).unwrap();
    let output = Command::new("bash").arg(&path).env("SLURM_JOB_ID", "8").output().unwrap();
    assert_eq!(output.status.code(), Some(crate::states::EXIT_UNPREPARED));
    assert!(!node.attempt().join("fence").join("owner").exists() || !node.work().join("ran").exists());
}

#[test]
fn output_goes_where_it_was_asked_to() {
    let node = Node::new(|spec| {
        spec.stdout = Some("out-%N-%x".into());
        spec.stderr = Some("err-%j".into());
        spec.append = true;
    });
    std::fs::create_dir_all(node.work()).unwrap();
    std::fs::write(node.work().join("err-42"), "before\n").unwrap();
    assert!(node.run("#!/bin/sh\necho out\necho err >&2\n", 7, 0).0.success());
    assert_eq!(std::fs::read_to_string(node.work().join("out-n1-a job")).unwrap(), "out\n");
    assert_eq!(std::fs::read_to_string(node.work().join("err-42")).unwrap(), "before\nerr\n");
    let known = paths(&node.order, node.root(), "alpha", Some("n1.site.example"));
    assert_eq!(Path::new(&known.stdout), node.work().join("out-n1-a job"));
}

#[test]
fn arrays_know_their_place() {
    let mut node = Node::new(|_| {});
    node.order.array = Some(ArrayRef { root: JobId::from_u128(9), root_number: 40, index: 5 });
    node.order.array_bounds = Some((3, 1, 9));
    let script =
        "#!/bin/sh\necho $SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID $SLURM_ARRAY_TASK_COUNT $SLURM_ARRAY_TASK_MAX\n";
    assert!(node.run(script, 7, 0).0.success());
    assert_eq!(std::fs::read_to_string(node.work().join("slurm-40_5.out")).unwrap(), "40 5 3 9\n");
}

#[test]
fn a_warning_before_the_time_limit_is_slurms_to_send() {
    let warned = |signal, shell_only| {
        let order = order(|spec| {
            spec.signal = Some(SignalSpec { signal, before: Span::from_secs(90), shell_only });
        });
        rendered(&order, "#!/bin/sh\n", "/w").unwrap().request.signal
    };
    assert_eq!(warned(10, true).as_deref(), Some("B:43@90"), "to the wrapper, which passes it on");
    assert_eq!(warned(10, false).as_deref(), Some("10@90"));
    assert_eq!(rendered(&order(|_| {}), "#!/bin/sh\n", "/w").unwrap().request.signal, None);
}

#[test]
fn only_a_job_that_queues_itself_again_may_be() {
    let saves = "#!/bin/bash\ntrap 'touch saved; /usr/bin/scontrol requeue \"$SLURM_JOB_ID\"' USR1\n";
    let requeue = |script: &str, may: bool| {
        let order = order(|spec| spec.requeue = may);
        rendered(&order, script, "/w").unwrap().request.requeue
    };
    assert!(requeue(saves, true));
    assert!(!requeue(saves, false), "--no-requeue");
    assert!(!requeue("#!/bin/bash\nscontrol show job\n", true));
}

#[test]
fn signals_reach_the_script_once_and_its_own_process_alone() {
    signals_reach_the_script(true);
    signals_reach_the_script(false);
}

fn signals_reach_the_script(perl: bool) {
    let node = Node::new(|_| {});
    let script = "#!/bin/bash\ntrap 'echo usr1' USR1\ntrap 'echo term; exit 3' TERM\ntrap 'echo int' INT\necho ready\nwhile :; do read -t 0.05 <> <(:) ; done\n";
    let mut command = node.command(script, 7, 0);
    if !perl {
        command.env("PATH", without_perl(&node));
    }
    let mut child = command.spawn().unwrap();
    let until = |text: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !node.work().join("slurm-42.out").exists() || node.output() != text {
            assert!(std::time::Instant::now() < deadline, "{:?} instead of {text:?}", node.output());
            std::thread::yield_now();
        }
    };
    let signal = |number: u32| {
        assert!(Command::new("kill").args([format!("-{number}"), child.id().to_string()]).status().unwrap().success());
    };
    until("ready\n");
    // An ordinary signal reaches the script from Slurm, not through the wrapper, which only outlives it.
    for number in [10, 15, 2, 1] {
        signal(number);
    }
    signal(33 + 10);
    until("ready\nusr1\n");
    signal(33 + 2);
    until("ready\nusr1\nint\n");
    signal(33 + 15);
    until("ready\nusr1\nint\nterm\n");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_staged_script_is_used_once_it_is_there() {
    let node = Node::new(|_| {});
    let (config, pool) = (config(node.root()), pool());
    let around = Surroundings {
        realm: realm(),
        cluster_name: "alpha",
        config: &config,
        pool: &pool,
        script_bytes_max: 10_000,
        can_stage: true,
        has_folder: true,
        may_requeue: true,
    };
    let script = format!("#!/bin/sh\necho staged\nexit 0\n{}", "#".repeat(10_000));
    let built = request(&node.order, &script, around).unwrap();
    assert!(built.staged);
    std::fs::create_dir_all(node.attempt()).unwrap();
    std::fs::write(node.attempt().join("staged"), script).unwrap();
    let path = node.root.path().join("slurm_script");
    std::fs::write(&path, &*built.request.script).unwrap();
    let status = Command::new("bash").arg(path).env("SLURM_JOB_ID", "7").status().unwrap();
    assert!(status.success());
    assert_eq!(node.output(), "staged\n");
}

#[test]
fn evidence_is_read_as_it_is_written() {
    let node = Node::new(|_| {});
    node.run("#!/bin/sh\nexit 7\n", 12, 0);
    let at = |name: &str| node.evidence(name).unwrap();
    let seconds = at("started").split('.').next().unwrap().parse::<i64>().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((now - 60..=now).contains(&seconds) && Timestamp::from_secs(seconds) > Timestamp::ZERO);
    assert!(at("ended").ends_with(" 12 7 0\n"), "{}", at("ended"));
}

#[test]
fn a_full_disk_is_no_other_job() {
    let node = Node::new(|_| {});
    let plain = node.command("#!/bin/sh\n", 7, 0);
    // A process that may write no file gets what a full disk gives: an error at every byte.
    let mut full = Command::new("bash");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec bash \"$@\"", "-"]).args(plain.get_args()).env_clear();
    full.env("SLURM_JOB_ID", "7").stdin(Stdio::null());
    let output = full.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(crate::states::EXIT_UNPREPARED), "{said}");
    assert!(said.contains("is the disk full?"), "{said}");
    assert!(node.run("#!/bin/sh\necho later\n", 7, 1).0.success(), "the fence is free");
    assert_eq!(node.output(), "later\n");
}

#[test]
fn what_is_asked_of_nodes_stands_beside_what_makes_the_pool() {
    let asks = |conditions: model::Conditions| {
        let order = order(|spec| spec.request.conditions = Some(std::sync::Arc::new(conditions)));
        rendered(&order, "#!/bin/sh\n", "/w").unwrap().request
    };
    let constraint = |text: &str| model::Conditions { constraint: Some(text.parse().unwrap()), ..Default::default() };
    // The pool is told from its neighbours by the feature `fast`.
    assert_eq!(asks(constraint("ib|opa")).constraint.as_deref(), Some("fast&(ib|opa)"));
    assert_eq!(asks(constraint("[r1|r2]")).constraint.as_deref(), Some("fast&[r1|r2]"));
    let found = asks(model::Conditions {
        licences: vec![("ansys@flex".into(), 2), ("matlab".into(), 1)],
        reservation: Some("course".into()),
        switches: Some(model::Switches { count: 1, patience: Some(Span::from_secs(90)) }),
        ..Default::default()
    });
    assert_eq!((found.constraint.as_deref(), found.reservation.as_deref()), (Some("fast"), Some("course")));
    assert_eq!((found.licences.as_deref(), found.switches), (Some("ansys@flex:2,matlab:1"), Some((1, Some(2)))));
}
