//! Real work on real Slurm through the whole platform: an MPI application as one job over two nodes, to its bill; and a script that
//! saves its state and queues itself again, at a site with ways of its own. Skipped with a message where Slurm is not installed.
#![allow(clippy::print_stdout, reason = "says why it was skipped")]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::Place;
use testkit::slurm::{Accounting, Cluster, ClusterSpec, Farm, NodeSet, Partition};
use testkit::{Hw, wait_for};

/// Slurm looks at time limits twice a minute, and a job that it queues again waits some seconds.
const JOB_WAIT: Duration = Duration::from_secs(150);

/// 4,000 atoms of a Lennard-Jones melt, 100 steps: half a second of work for two ranks.
const MELT: &str = "units lj\natom_style atomic\nlattice fcc 0.8442\nregion box block 0 10 0 10 0 10\ncreate_box 1 box\n\
    create_atoms 1 box\nmass 1 1.0\nvelocity all create 1.44 87287 loop geom\npair_style lj/cut 2.5\n\
    pair_coeff 1 1 1.0 1.0 2.5\nfix 1 all nve\nthermo 50\nrun 100\n";

/// What a job_submit plugin of a site may do to a job.
const RENAMES: &str = "function slurm_job_submit(job, partitions, uid)\n\
    job.name = 'site_' .. string.sub(job.name, 1, 6)\nslurm.log_user('welcome: your job has been renamed')\n\
    return slurm.SUCCESS\nend\nfunction slurm_job_modify(job, record, partitions, uid) return slurm.SUCCESS end\n\
    return slurm.SUCCESS\n";

fn said(server: &Hw, words: &[&str]) -> String {
    let output = server.run(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words:?}: {}{}\n{}", text(&output.stdout), text(&output.stderr), server.log());
    text(&output.stdout)
}

fn json(server: &Hw, words: &[&str]) -> Value {
    let text = said(server, &[words, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{words:?}: {e}: {text}"))
}

/// A server with one cluster of this shape in service.
fn platform(place: &Place, spec: ClusterSpec) -> Option<(Hw, Farm)> {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return None;
    }
    let name = spec.name.clone();
    let mut farm = Farm::new(place.path().join("farm")).expect("a farm");
    farm.start([spec]).unwrap_or_else(|e| panic!("{e}"));
    let conf = farm.cluster(&name).conf().to_string_lossy().into_owned();
    let mut server = place.server(1, "");
    server.start();
    let work = place.shared("work").to_string_lossy().into_owned();
    let flags = ["--name", &name, "--supplier", "hpc", "--mode", "partner", "--command", "--slurm-conf", &conf];
    let added =
        json(&server, &[&["cluster", "add"], &flags[..], &["--work-root", &work, "--yes", "--no-trial"]].concat());
    assert_eq!(added["check"]["passed"], true, "{added:#}");
    said(&server, &["cluster", "service", &name, "in_service", "--force"]);
    Some((server, farm))
}

/// Hands a script in and waits for its end.
fn ended(server: &Hw, place: &Place, flags: &[&str], script: &str) -> Value {
    let path = place.path().join("job.sh");
    std::fs::write(&path, script).expect("a script can be written");
    let number = said(server, &[&["submit", "-q"], flags, &[&*path.to_string_lossy()]].concat());
    wait_for("the job's end", JOB_WAIT, || {
        let shown = json(server, &["show", number.trim()]);
        let over = !shown["ended_at"].is_null() && shown["state"] != "COMPLETING";
        (over || shown["state"] == "HELD").then_some(shown)
    })
}

/// Whole seconds of starts and ends of a job's runs, by Slurm's books.
fn runs(cluster: &Cluster, job: &str) -> Vec<(String, String)> {
    let mut sacct = cluster.command(&["sacct", "-D", "-X", "-n", "-P", "-o", "start,end", "-j", job]);
    let output = sacct.env("TZ", "UTC").output().expect("sacct runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pair = |line: &str| line.split_once('|').map(|(start, end)| (start.to_owned(), end.to_owned()));
    text.lines().filter_map(pair).collect()
}

/// The same by our bill: stretches of a run that follow each other are one.
fn billed(server: &Hw, number: &str) -> Vec<(String, String)> {
    let text = said(server, &["show", number, "--intervals"]);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("interval\t")) {
        let words: Vec<&str> = line.split('\t').map(|word| word.split('.').next().unwrap_or(word)).collect();
        match found.last_mut() {
            Some(last) if last.1 == words[3] => last.1 = words[4].to_owned(),
            _ => found.push((words[3].to_owned(), words[4].to_owned())),
        }
    }
    found
}

#[test]
fn farm_lammps_runs_over_two_nodes_to_its_bill() {
    let place = Place::new();
    let spec = ClusterSpec::new("eta")
        .nodes(NodeSet::named(&["r0n1", "r0n2", "r1n1"]))
        .partition(Partition::new("Big.Mem-2024").default())
        .accounting(Accounting::default());
    let Some((server, farm)) = platform(&place, spec) else { return };
    let input = place.path().join("in.melt");
    std::fs::write(&input, MELT).expect("an input can be written");
    said(&server, &["put", &input.to_string_lossy(), "melt/in.melt"]);
    // Two ranks share the cores with all else that runs here: they yield while they wait.
    let script = "#!/bin/bash\n#SBATCH --job-name=melt --nodes=2 --ntasks-per-node=1 --time=5 --output=%x-%j.out\nset -eu\n\
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1\n\
        mpirun sh -c 'echo rank on $SLURMD_NODENAME'\nmpirun lmp -in in.melt -log melt.log\n";
    let flags = ["-p", "eta-big.mem-2024", "--stage-in", "melt/in.melt"];
    let shown = ended(&server, &place, &flags, script);
    let number = shown["number"].to_string();
    let output = said(&server, &["logs", &number]);
    assert_eq!(shown["state"], "COMPLETED", "{shown:#}\n{output}");
    for wanted in ["rank on r0n1\n", "rank on r0n2\n", "Created 4000 atoms", " on 2 procs for 100 steps"] {
        assert!(output.contains(wanted), "{wanted} is not in\n{output}");
    }
    let log = said(&server, &["cat", &format!("{number}:melt.log")]);
    assert!(log.contains("Total wall time"), "{log}");
    let attempt = &shown["attempts"][0];
    assert_eq!(attempt["nodes"], serde_json::json!(["r0n1", "r0n2"]));
    let cluster = farm.cluster("eta");
    assert_eq!(billed(&server, &number), runs(cluster, attempt["external"].as_str().unwrap_or_default()));
    let bill = json(&server, &["bill", "--job", &number]);
    let charged: f64 = bill["lines"][0]["charge"].as_str().unwrap_or_default().parse().unwrap_or(0.0);
    assert!(charged > 0.0, "{bill:#}");
}

#[test]
fn farm_a_script_that_saves_and_queues_itself_again_is_billed_for_each_run() {
    let place = Place::new();
    let spec = ClusterSpec::new("iota")
        .nodes(NodeSet::new(1))
        .accounting(Accounting::default())
        .line("JobSubmitPlugins=lua")
        .file("job_submit.lua", RENAMES);
    let Some((server, farm)) = platform(&place, spec) else { return };
    let script = "#!/bin/bash\n#SBATCH --time=2 --signal=B:USR1@105 --open-mode=append --output=out.txt\n\
        save() { echo saved; touch state; scontrol requeue \"$SLURM_JOB_ID\"; wait; }\ntrap save USR1\n\
        if [ -e state ]; then echo resumed; exit 0; fi\necho began\nsleep 600 &\nwait\nwait\n";
    let shown = ended(&server, &place, &["-p", "iota-main"], script);
    let number = shown["number"].to_string();
    let output = said(&server, &["logs", &number]);
    assert_eq!((shown["state"].as_str(), output.as_str()), (Some("COMPLETED"), "began\nsaved\nresumed\n"), "{shown:#}");
    let attempts = shown["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(attempts.len(), 1, "it is the same attempt: {shown:#}");
    let external = attempts[0]["external"].as_str().unwrap_or_default();
    let cluster = farm.cluster("iota");
    let name = cluster.run(&["sacct", "-X", "-n", "-P", "-o", "jobname", "-j", external]).expect("sacct runs");
    assert!(name.starts_with("site_hw-"), "{name}");
    let runs = runs(cluster, external);
    assert_eq!(runs.len(), 2, "{runs:?}");
    // A run of less than a second costs nothing and has no stretch.
    let long: Vec<(String, String)> = runs.into_iter().filter(|(start, end)| start != end).collect();
    assert_eq!(billed(&server, &number), long);
}
