//! The farm of real Slurm clusters keeps what it promises: each shape runs jobs, daemons can be killed and set back in
//! time, and nothing is left. Prints how long starts take. Skipped, with the reason, where Slurm is not installed.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use testkit::slurm::{Cluster, ClusterSpec, Daemon, Farm, NodeSet, alpha, beta, gamma};
use testkit::{Cut, wait_for};

/// A job starts within a second or two of its submission; a loaded machine is slower.
const JOB_WAIT: Duration = Duration::from_secs(60);
/// `SlurmdTimeout` and what Slurm adds to it.
const NODE_WAIT: Duration = Duration::from_secs(90);
/// The folder which the helper process of [`farm_whose_process_is_killed_leaves_nothing`] uses.
const HELPER_DIR: &str = "TESTKIT_FARM_HELPER_DIR";

/// A farm of these clusters; `None` when Slurm is not installed.
fn farm(specs: impl IntoIterator<Item = ClusterSpec>) -> Option<(Farm, TempDir)> {
    if let Some(why) = Farm::unavailable() {
        eprintln!("skipped: {why}");
        return None;
    }
    let dir = TempDir::new().unwrap();
    let mut farm = Farm::new(dir.path()).unwrap();
    let took = farm.start(specs).unwrap_or_else(|e| panic!("{e}"));
    eprintln!("farm started: {took}");
    Some((farm, dir))
}

fn one_node(name: &str) -> ClusterSpec {
    ClusterSpec::new(name).nodes(NodeSet::new(1))
}

/// Runs a script to COMPLETED; what it wrote.
fn completed(cluster: &Cluster, arguments: &[&str], script: &str) -> String {
    let out = cluster.dir().join("job.out");
    let output = format!("--output={}", out.display());
    let arguments: Vec<&str> = arguments.iter().copied().chain([output.as_str()]).collect();
    let job = cluster.sbatch(&arguments, script).unwrap_or_else(|e| panic!("{e}"));
    cluster.wait_job(job, "COMPLETED", JOB_WAIT).unwrap_or_else(|e| {
        panic!("{e}\n{}\n{}", fs::read_to_string(&out).unwrap_or_default(), cluster.log(Daemon::Slurmctld))
    });
    fs::read_to_string(out).unwrap()
}

/// Submits a job that runs until `gate` exists, and waits until its script runs: the controller says RUNNING before.
fn running(cluster: &Cluster, gate: &Path) -> u32 {
    let (gate, begun) = (gate.display(), gate.with_extension("begun"));
    let script = format!("#!/bin/sh\n: >{}\nwhile [ ! -e {gate} ]; do sleep 0.1; done\n", begun.display());
    let job = cluster.sbatch(&["--output=/dev/null"], &script).unwrap();
    wait_for("the job's script to begin", JOB_WAIT, || begun.exists().then_some(()));
    cluster.wait_job(job, "RUNNING", JOB_WAIT).unwrap();
    job
}

/// Processes with this text in their environment or command line, except this one.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| entry.file_name() != *std::process::id().to_string())
        .filter_map(|entry| {
            let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
            let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let environment = String::from_utf8_lossy(&read("environ")).into_owned();
            let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let ours = command.contains(text) || environment.contains(text) || folder.starts_with(text);
            ours.then(|| format!("{} {command}", entry.file_name().to_string_lossy()))
        })
        .collect()
}

#[test]
fn farm_without_accounting_runs_jobs_in_both_partitions() {
    let Some((farm, _dir)) = farm([alpha()]) else { return };
    let cluster = farm.cluster("alpha");
    let nodes = cluster.run(&["sinfo", "--noheader", "--format=%P %D %G %f"]).unwrap();
    assert_eq!(nodes.replace("(null)", "-"), "batch* 2 gpu:a100:4 ib\nai 1 gpu:i20:2 -\n");
    assert_eq!(completed(cluster, &["--gres=gpu:a100:2"], "#!/bin/sh\necho $CUDA_VISIBLE_DEVICES\n"), "0,1\n");
    let said = completed(
        cluster,
        &["-p", "ai", "--gres=gpu:i20:1", "-L", "ansys:2"],
        "#!/bin/sh\nhostname -s >/dev/null; echo $SLURM_JOB_NODELIST\n",
    );
    assert_eq!(said, "alpha-n3\n");
    let refused = cluster.sbatch(&["--gres=gpu:h100:1"], "#!/bin/sh\n").unwrap_err().to_string();
    assert!(refused.contains("sbatch failed"), "{refused}");
    // Without slurmdbd the last place of an ended job is this file.
    wait_for("the job's completion record", JOB_WAIT, || {
        let text = fs::read_to_string(cluster.dir().join("log/jobcomp.txt")).unwrap_or_default();
        (text.lines().filter(|line| line.contains("JobState=COMPLETED")).count() == 2).then_some(())
    });
}

#[test]
fn farm_with_accounting_keeps_books_while_slurmdbd_is_killed() {
    let Some((farm, dir)) = farm([beta()]) else { return };
    let cluster = farm.cluster("beta");
    completed(cluster, &["--gres=gpu:ascend910b:2"], "#!/bin/sh\n");
    let books = |job: &str| cluster.run(&["sacct", "-X", "-n", "-P", "-j", job, "-o", "state,alloctres"]);
    let row =
        wait_for("the first job in the books", JOB_WAIT, || books("1").ok().filter(|r| r.starts_with("COMPLETED")));
    assert!(row.contains("gres/gpu:ascend910b=2"), "{row}");
    let stopped = cluster.sbatch(&["--qos=stopped"], "#!/bin/sh\n").unwrap();
    let reason = format!("--jobs={stopped}");
    wait_for("the limit to hold the job", JOB_WAIT, || {
        let said = cluster.run(&["squeue", "-h", "-o", "%T %r", &reason]).ok()?;
        (said.trim() == "PENDING QOSMaxJobsPerUserLimit").then_some(())
    });

    cluster.kill(Daemon::Slurmdbd, Signal::SIGKILL);
    assert_eq!(cluster.pid(Daemon::Slurmdbd), None);
    let gate = dir.path().join("gate");
    let job = running(cluster, &gate);
    fs::write(&gate, "").unwrap();
    cluster.wait_job(job, "COMPLETED", JOB_WAIT).unwrap();
    assert!(books("1").is_err(), "sacct answers without slurmdbd");
    farm.restart_database().unwrap();
    let took = cluster.start(Daemon::Slurmdbd).unwrap();
    let begun = Instant::now();
    wait_for("the records kept meanwhile", JOB_WAIT, || {
        books(&job.to_string()).ok().filter(|r| r.starts_with("COMPLETED"))
    });
    eprintln!("slurmdbd started again in {took:?}, the records arrived {:?} later", begun.elapsed());
}

#[test]
fn farm_behind_a_jump_host_is_reached_by_ssh_and_by_slurmrestd() {
    let Some((farm, _dir)) = farm([gamma()]) else { return };
    let cluster = farm.cluster("gamma");
    let ssh = cluster.ssh().unwrap();
    let remote = |words: &[&str]| ssh.command().args(words).stdin(Stdio::null()).output().unwrap();
    let begun = Instant::now();
    let seen = remote(&["sinfo", "-h", "-o", "'%P %D'"]);
    eprintln!("ssh through the jump host took {:?}", begun.elapsed());
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "main* 4\ndebug 1\n", "{seen:?}");
    assert!(cluster.log(Daemon::JumpSshd).contains("Accepted publickey"), "{}", cluster.log(Daemon::JumpSshd));

    cluster.kill(Daemon::JumpSshd, Signal::SIGKILL);
    assert!(!remote(&["true"]).status.success(), "the login node is reached without its jump host");
    cluster.start(Daemon::JumpSshd).unwrap();
    let submitted = remote(&["sbatch", "--parsable", "--output=/dev/null", "--wrap=true"]);
    let job = String::from_utf8_lossy(&submitted.stdout).trim().parse().unwrap_or_else(|_| panic!("{submitted:?}"));
    cluster.wait_job(job, "COMPLETED", JOB_WAIT).unwrap();

    let line = Cut::to(SocketAddr::from((Ipv4Addr::LOCALHOST, ssh.first_hop()))).unwrap();
    let through = ssh.through(line.address().port()).unwrap();
    let reached = || through.command().arg("true").stdin(Stdio::null()).status().unwrap().success();
    assert!(reached());
    line.cut();
    assert!(!reached());
    line.resume();
    assert!(reached());

    let curl = |words: &[&str]| {
        let output =
            Command::new("curl").args(["--silent", "--show-error", "--max-time", "20"]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let socket = cluster.restd_socket().unwrap();
    let pong = curl(&["--unix-socket", &socket.display().to_string(), "http://localhost/slurm/v0.0.38/ping"]);
    assert!(pong.contains(r#""ping": "UP""#), "{pong}");
    let url = format!("http://127.0.0.1:{}/slurm/v0.0.38/job/{job}", cluster.restd_port().unwrap());
    let token = cluster.token(cluster.user(), Duration::from_secs(600)).unwrap();
    let user = format!("X-SLURM-USER-NAME: {}", cluster.user());
    let answer = curl(&["-H", &user, "-H", &format!("X-SLURM-USER-TOKEN: {token}"), &url]);
    assert!(answer.contains(r#""job_state": "COMPLETED""#), "{answer}");
    // Slurm 22.05 says 401 only when there is no token; to a wrong or old one it says 500 and "Unspecified error".
    let status = |headers: &[&str]| {
        let words = ["-o", "/dev/null", "-w", "%{http_code}", &url];
        curl(&headers.iter().flat_map(|header| ["-H", header]).chain(words).collect::<Vec<_>>())
    };
    assert_eq!(status(&[]), "401");
    assert_eq!(status(&[&user, "X-SLURM-USER-TOKEN: wrong"]), "500");
    cluster.restart(Daemon::Slurmrestd).unwrap();
    cluster.restart(Daemon::SlurmrestdTcp).unwrap();
}

#[test]
fn farm_jobs_survive_the_death_of_slurmd_and_of_slurmctld() {
    let Some((farm, dir)) = farm([one_node("delta")]) else { return };
    let cluster = farm.cluster("delta");
    let gate = dir.path().join("gate");
    let job = running(cluster, &gate);
    cluster.kill(Daemon::Slurmd(0), Signal::SIGKILL);
    cluster.kill(Daemon::Slurmctld, Signal::SIGKILL);
    assert!(cluster.run(&["squeue"]).is_err());
    let took = cluster.start(Daemon::Slurmctld).unwrap();
    eprintln!("slurmctld started again in {took:?}, slurmd in {:?}", cluster.start(Daemon::Slurmd(0)).unwrap());
    cluster.wait_job(job, "RUNNING", JOB_WAIT).unwrap();

    let ctld = cluster.pid(Daemon::Slurmctld).unwrap();
    let state =
        || fs::read_to_string(format!("/proc/{ctld}/stat")).unwrap().rsplit(") ").next().unwrap()[..1].to_owned();
    cluster.stop(Daemon::Slurmctld);
    wait_for("slurmctld to stand still", JOB_WAIT, || (state() == "T").then_some(()));
    let mut asking = cluster.command(&["squeue", "--noheader"]).stdout(Stdio::null()).spawn().unwrap();
    assert!(asking.try_wait().unwrap().is_none());
    cluster.cont(Daemon::Slurmctld);
    assert!(asking.wait().unwrap().success());

    fs::write(&gate, "").unwrap();
    cluster.wait_job(job, "COMPLETED", JOB_WAIT).unwrap();
    assert!(cluster.terminate(Daemon::Slurmctld, JOB_WAIT), "slurmctld does not end in an orderly way");
    cluster.start(Daemon::Slurmctld).unwrap();
    // After an orderly end the ended job is still known.
    assert_eq!(cluster.job_state(job).unwrap().as_deref(), Some("COMPLETED"));
}

#[test]
fn farm_node_that_stays_dead_is_down_and_its_job_is_requeued() {
    let spec = ClusterSpec::new("epsilon").nodes(NodeSet::new(2)).slurmd_timeout(Duration::from_secs(5));
    let Some((farm, dir)) = farm([spec]) else { return };
    let cluster = farm.cluster("epsilon");
    let gate = dir.path().join("gate");
    let job = running(cluster, &gate);
    cluster.kill(Daemon::Slurmd(0), Signal::SIGKILL);
    let begun = Instant::now();
    wait_for("the job on the other node", NODE_WAIT, || {
        let said = cluster.run(&["squeue", "-h", "-o", "%T %N", &format!("--jobs={job}")]).ok()?;
        (said.trim() == "RUNNING epsilon-n2").then_some(())
    });
    eprintln!("the job ran on the other node {:?} after its slurmd was killed", begun.elapsed());
    fs::write(&gate, "").unwrap();
    cluster.wait_job(job, "COMPLETED", JOB_WAIT).unwrap();
    cluster.start(Daemon::Slurmd(0)).unwrap();
    cluster.wait_idle(2, NODE_WAIT).unwrap();
}

#[test]
fn farm_with_an_old_state_has_forgotten_a_job_and_gives_its_number_again() {
    let Some((farm, _dir)) = farm([one_node("zeta")]) else { return };
    let cluster = farm.cluster("zeta");
    let held = |name: &str| cluster.sbatch(&["--hold", "--job-name", name], "#!/bin/sh\n").unwrap();
    let saved = |name: &str| {
        wait_for("the job in the saved state", JOB_WAIT, || {
            let state = fs::read(cluster.dir().join("state/job_state")).unwrap_or_default();
            state.windows(name.len()).any(|bytes| bytes == name.as_bytes()).then_some(())
        });
    };
    let remembered = held("remembered");
    saved("remembered");
    let old = cluster.save_state().unwrap();
    let forgotten = held("forgotten");
    saved("forgotten");

    let took = cluster.restore_state(&old).unwrap();
    eprintln!("slurmctld started from an old state in {took:?}");
    assert_eq!(cluster.job_state(remembered).unwrap().as_deref(), Some("PENDING"));
    assert_eq!(cluster.job_state(forgotten).unwrap(), None);
    assert_eq!(held("another"), forgotten);
    let name = cluster.run(&["squeue", "-h", "-o", "%j", &format!("--jobs={forgotten}")]).unwrap();
    assert_eq!(name, "another\n");
}

#[test]
fn farm_runs_lammps_with_mpi_over_two_nodes() {
    let Some((farm, dir)) = farm([ClusterSpec::new("eta").nodes(NodeSet::new(2))]) else { return };
    let input = dir.path().join("in.melt");
    fs::write(
        &input,
        "units lj\natom_style atomic\nlattice fcc 0.8442\nregion box block 0 10 0 10 0 10\ncreate_box 1 box\n\
         create_atoms 1 box\nmass 1 1.0\nvelocity all create 1.44 87287 loop geom\npair_style lj/cut 2.5\n\
         pair_coeff 1 1 1.0 1.0 2.5\nfix 1 all nve\nthermo 50\nrun 100\n",
    )
    .unwrap();
    // Two ranks share the cores with all else that runs here: they yield while they wait.
    let script = format!(
        "#!/bin/sh\nexport OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1\n\
         mpirun sh -c 'echo rank on $SLURMD_NODENAME'\nmpirun lmp -in {} -log none\n",
        input.display()
    );
    let begun = Instant::now();
    let said = completed(farm.cluster("eta"), &["--nodes=2", "--ntasks-per-node=1"], &script);
    eprintln!("LAMMPS over two nodes took {:?}", begun.elapsed());
    for wanted in
        ["rank on eta-n1\n", "rank on eta-n2\n", "Created 4000 atoms", " on 2 procs for 100 steps", "Total wall time"]
    {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

#[test]
fn farm_that_ends_leaves_nothing_and_leaves_its_neighbour_alone() {
    let Some((first, first_dir)) = farm([one_node("theta")]) else { return };
    let Some((second, second_dir)) = farm([one_node("theta")]) else { return };
    let payloads = |dir: &str| processes_with(dir).iter().filter(|p| p.contains("sleep 1000")).count() >= 2;
    let detached = "#!/bin/sh\nsetsid sh -c 'while :; do sleep 1000; done' &\nsleep 1000\n";
    let submit = |farm: &Farm| {
        let job = farm.cluster("theta").sbatch(&["--output=/dev/null"], detached).unwrap();
        let dir = farm.dir().display().to_string();
        wait_for("the job's processes", JOB_WAIT, || payloads(&dir).then_some(()));
        job
    };
    submit(&first);
    let neighbour = submit(&second);
    // The worst end: a step without its slurmd, and a controller that answers nothing.
    first.cluster("theta").kill(Daemon::Slurmd(0), Signal::SIGKILL);
    first.cluster("theta").stop(Daemon::Slurmctld);
    let (dir, run) = (first_dir.path().display().to_string(), first.run_dir().to_path_buf());
    assert!(payloads(&dir), "{:?}", processes_with(&dir));
    let begun = Instant::now();
    drop(first);
    eprintln!("the farm ended in {:?}", begun.elapsed());
    assert_eq!(processes_with(&dir), Vec::<String>::new());
    assert!(!run.exists());
    assert_eq!(second.cluster("theta").job_state(neighbour).unwrap().as_deref(), Some("RUNNING"));
    assert!(payloads(&second_dir.path().display().to_string()));
}

#[test]
fn farm_whose_process_is_killed_leaves_nothing() {
    if let Some(why) = Farm::unavailable() {
        return eprintln!("skipped: {why}");
    }
    let dir = TempDir::new().unwrap();
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_holds_a_farm", "--ignored", "--nocapture"])
        .env(HELPER_DIR, dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let ready = dir.path().join("ready");
    let run = wait_for("the helper's farm", JOB_WAIT, || fs::read_to_string(&ready).ok().filter(|t| !t.is_empty()));
    helper.kill().unwrap();
    helper.wait().unwrap();
    let begun = Instant::now();
    let text = dir.path().display().to_string();
    wait_for("the killed process's farm to end", JOB_WAIT, || processes_with(&text).is_empty().then_some(()));
    wait_for("its sockets to be removed", JOB_WAIT, || (!Path::new(&run).exists()).then_some(()));
    eprintln!("the farm of a killed process was gone after {:?}", begun.elapsed());
}

/// Not a test of its own: the process which the test above kills.
#[test]
#[ignore = "started by farm_whose_process_is_killed_leaves_nothing"]
fn helper_holds_a_farm() {
    let Some(dir) = std::env::var_os(HELPER_DIR) else { return };
    let dir = Path::new(&dir);
    let mut farm = Farm::new(dir.join("farm")).unwrap();
    farm.start([alpha()]).unwrap();
    let gate = dir.join("never");
    running(farm.cluster("alpha"), &gate);
    fs::write(dir.join("ready"), farm.run_dir().display().to_string()).unwrap();
    loop {
        std::thread::park();
    }
}
