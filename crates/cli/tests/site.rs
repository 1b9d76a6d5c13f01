//! A machine elsewhere joins the platform with one command: jobs run there, and neither a cut line, nor a killed agent, nor a
//! killed server loses or doubles one of them.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base::Seed;
use client::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use store::Location;
use support::{HW, LONG, Place, audit, client_of, open_jobs, script, state};
use testkit::hw::free_address;
use testkit::slurm::{ClusterSpec, Farm, NodeSet, Partition};
use testkit::{Cut, Hw, wait_for};
use wire::sites::{SiteEnroll, SiteEnrolled, SiteState};

/// The agent of the site `harbour`, to be killed and started again.
struct Agent {
    state: PathBuf,
    pools: PathBuf,
    log: PathBuf,
    /// How `pools` is given.
    flag: &'static str,
    child: Option<Child>,
}

impl Agent {
    fn new(place: &Path) -> Agent {
        let pools = place.join("pools.toml");
        let jobs = place.join("site-jobs");
        let text = format!("dir = \"{}\"\n[[pool]]\nname = \"edge\"\ncores = 4\nmemory = \"4G\"\n", jobs.display());
        std::fs::write(&pools, text).expect("a file of pools");
        Agent { state: place.join("site"), pools, log: place.join("site.log"), flag: "--local", child: None }
    }

    fn command(&self, join: Option<(&str, &str, &str)>) -> Command {
        let mut command = Command::new(HW);
        command.arg("site").arg("--state").arg(&self.state).arg(self.flag).arg(&self.pools);
        if let Some((address, pin, token)) = join {
            command.args(["--join", address, "--pin", pin, "--token", token]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).env("HW_LANG", "en");
        command
    }

    fn start(&mut self, join: Option<(&str, &str, &str)>) {
        let log = File::options().create(true).append(true).open(&self.log).expect("a log");
        self.child = Some(self.command(join).stderr(log).spawn().expect("the agent starts"));
    }

    /// What an agent says that cannot begin.
    fn refused(&self, join: Option<(&str, &str, &str)>) -> String {
        let done = self.command(join).stderr(Stdio::piped()).output().expect("the agent ends");
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8_lossy(&done.stderr).into_owned()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn terminate(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("a signal");
        assert!(child.wait().expect("an end").success());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Bed {
    place: Place,
    server: Hw,
    line: Cut,
    agent: Agent,
    runtime: tokio::runtime::Runtime,
    client: Client,
    marks: PathBuf,
}

impl Bed {
    /// A server with a door for sites, a line to it that can be cut, and nobody at the far end yet.
    fn new() -> Bed {
        let place = Place::new();
        let door = free_address();
        let line = Cut::to(door).expect("a port");
        let settings = format!(
            "credit_limit = '100000'\n[site]\nlisten = '{door}'\nadvertise = '{}'\n[metering]\ninterval = '200ms'\nlag = '100ms'\n",
            line.address()
        );
        let mut server = place.server(2, &settings);
        server.start();
        let (client, marks) = (client_of(&server), place.shared("marks"));
        place.shared("site-jobs");
        let agent = Agent::new(place.path());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        Bed { place, server, line, agent, runtime, client, marks }
    }

    fn enroll(&self) -> SiteEnrolled {
        let site = SiteEnroll { name: "harbour".into(), backend: None, supplier: None, testing: false };
        self.runtime.block_on(self.client.enroll_site(&site)).expect("an enrolment")
    }

    fn site(&self) -> Option<wire::sites::Site> {
        self.runtime.block_on(self.client.sites().take(10)).ok()?.items.pop()
    }

    fn wait_site(&self, wanted: SiteState) -> wire::sites::Site {
        let seen = || self.site().filter(|site| site.state == wanted);
        wait_for(&format!("the site to be {wanted:?}:\n{}", self.agent.said()), LONG, seen)
    }

    /// Joins and waits until its pool takes work.
    fn join(&mut self) {
        let SiteEnrolled { token, pin, address, .. } = self.enroll();
        self.agent.start(Some((&address, &pin, &token)));
        self.wait_site(SiteState::Connected);
        wait_for("the site's pool", LONG, || {
            let pools = self.runtime.block_on(self.client.pools().take(10)).ok()?;
            pools.items.iter().any(|pool| pool.name == "harbour-edge").then_some(())
        });
    }

    /// A job on the site that marks its run, waits for `go`, and ends with `code`.
    fn submit(&self, name: &str, code: u8) -> String {
        self.submit_to("harbour-edge", name, code)
    }

    fn submit_to(&self, pool: &str, name: &str, code: u8) -> String {
        let mark = self.marks.join(name);
        let text = format!(
            "#SBATCH -p {pool} -n 1 -t 5 --mem 64M\necho run >> {m}\nuntil [ -e {m}.go ]; do sleep 0.05; done\nexit {code}",
            m = mark.display()
        );
        let accepted = self.runtime.block_on(self.client.submit(&script(&text), Some(name))).expect("a job");
        accepted.number.to_string()
    }

    fn let_go(&self, name: &str) {
        std::fs::write(self.marks.join(format!("{name}.go")), "").expect("a mark");
    }

    /// The program as a client, which must end with this code; what it says.
    #[track_caller]
    fn hw(&self, words: &[&str], code: i32) -> String {
        let done = self.server.run(words);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let aside = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{words:?}\n{said}\n{aside}\n{}", self.agent.said());
        said
    }

    fn pool(&self, name: &str) -> Option<wire::supply::Pool> {
        let pools = self.runtime.block_on(self.client.pools().take(10)).ok()?;
        pools.items.into_iter().find(|pool| pool.name == name)
    }

    /// Inputs of a job are put where it works, and its results come back, through the agent; nothing outside is shown.
    fn files_go_there_and_back(&self, pool: &str) {
        const MIB: usize = 1 << 20;
        let (case, back) = (self.place.path().join("case"), self.place.path().join("back"));
        std::fs::create_dir_all(case.join("deep")).expect("a folder");
        let large: Vec<u8> = (0..24 * MIB).map(|at| (at * 31 % 251 + at / MIB) as u8).collect();
        std::fs::write(case.join("deep/large"), &large).expect("a file");
        std::fs::write(case.join("日本 $(touch x)"), "odd").expect("a file");
        let script = self.place.path().join("job.sh");
        let lines = "#!/bin/sh\nset -e\nmkdir out\ncp input/deep/large out/\ncp 'input/日本 $(touch x)' out/\n\
            ln -s /etc/passwd leak\nln -s /etc etc\nln -s out/large near\n";
        std::fs::write(&script, lines).expect("a script");
        let (case_text, script) = (case.to_string_lossy(), script.to_string_lossy());
        self.hw(&["put", &case_text, "case"], 0);
        let submit = ["submit", "-W", "-q", "-p", pool, "-t", "5", "--mem", "64M", "--stage-in", "case:input", &script];
        let mut took = Vec::new();
        for _ in 0..2 {
            let begun = Instant::now();
            let job = self.hw(&submit, 0).trim().to_owned();
            took.push(begun.elapsed());
            let listed = self.hw(&["ls", &format!("{job}:")], 0);
            assert!(listed.lines().any(|line| line.starts_with("link\t")), "{listed}");
            let _ = std::fs::remove_dir_all(&back);
            let begun = Instant::now();
            self.hw(&["get", &format!("{job}:out"), &back.to_string_lossy()], 0);
            println!("24 MiB back from {pool}: {:?}", begun.elapsed());
            assert!(std::fs::read(back.join("large")).expect("the large file") == large);
            assert_eq!(std::fs::read_to_string(back.join("日本 $(touch x)")).expect("the odd file"), "odd");
            for path in ["leak", "etc/passwd", "near", "nothing"] {
                assert_eq!(self.hw(&["cat", &format!("{job}:{path}")], 3), "", "{path}");
            }
            self.hw(&["cat", &format!("{job}:../../x")], 2);
            assert!(self.hw(&["show", &job], 0).contains("input files"), "the timeline says so");
        }
        // The same by a rule, into the file space.
        let job = self.hw(&[&submit[..2], &["--fetch", "out"], &submit[2..]].concat(), 0).trim().to_owned();
        wait_for("its results", LONG, || self.hw(&["show", &job], 0).contains("2 result files").then_some(()));
        let _ = std::fs::remove_dir_all(&back);
        self.hw(&["get", &format!("results/{job}"), &back.to_string_lossy()], 0);
        assert!(std::fs::read(back.join("out/large")).expect("the large file") == large);
        println!("a job with 24 MiB of inputs on {pool}: {:?}, with what is there already {:?}", took[0], took[1]);
    }

    fn runs(&self, name: &str) -> usize {
        std::fs::read_to_string(self.marks.join(name)).unwrap_or_default().lines().count()
    }

    fn wait_run(&self, name: &str) {
        let about = format!("{name} to run\n{}\n{}", self.agent.said(), self.server.log());
        wait_for(&about, LONG, || (self.runs(name) > 0).then_some(()));
    }

    /// Waits for the end: failed with this code, once.
    fn expect_end(&self, name: &str, job: &str, code: i32) {
        let seen = || {
            let job = self.runtime.block_on(self.client.job(job)).ok()?;
            (!job.summary.state.is_open()).then_some(job)
        };
        let ended = wait_for(&format!("{name} to end\n{}", self.agent.said()), LONG, seen);
        assert_eq!(ended.summary.exit.map(|exit| exit.code), Some(code), "{name}: {:?}", ended.summary.state);
        assert_eq!(self.runs(name), 1, "{name} ran once");
    }
}

#[test]
fn heavy_a_machine_joins_with_one_command_and_loses_no_job() {
    let mut bed = Bed::new();
    let SiteEnrolled { token, pin, address, command, .. } = bed.enroll();
    assert!(command.contains(&token) && command.contains(&pin), "{command}");

    // Who may not.
    let wrong_pin = format!("{}{}", if pin.starts_with('0') { '1' } else { '0' }, &pin[1..]);
    let wrong_token = format!("hws_{}", "0".repeat(64));
    for (join, words) in [
        (None, "has not joined a platform"),
        (Some((address.as_str(), pin.as_str(), wrong_token.as_str())), "there is no such token"),
        (Some((address.as_str(), wrong_pin.as_str(), token.as_str())), "is not the server that this site joined"),
        (Some(("127.0.0.1:1", pin.as_str(), token.as_str())), "does not answer"),
    ] {
        let said = bed.agent.refused(join);
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(bed.site().map(|site| site.state), Some(SiteState::Invited));

    // Who may, once.
    bed.agent.start(Some((&address, &pin, &token)));
    bed.wait_site(SiteState::Connected);
    let mut thief = Agent::new(bed.place.path());
    thief.state = bed.place.path().join("thief");
    assert!(thief.refused(Some((&address, &pin, &token))).contains("used already"));
    let mode = std::fs::metadata(&bed.agent.state).expect("its folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    // The guided look, and what its agent says of the machine.
    let looked = bed.hw(&["cluster", "check", "harbour"], 0);
    for what in ["ok\treachability", "ok\tagent", "ok\tclock", "ok\tpools", "ok\twork_root"] {
        assert!(looked.contains(what), "{what}: {looked}");
    }
    bed.files_go_there_and_back("harbour-edge");

    let plain = bed.submit("plain", 7);
    bed.wait_run("plain");
    bed.let_go("plain");
    bed.expect_end("plain", &plain, 7);

    // The agent is killed while a job runs, and started again without a word about joining.
    let orphan = bed.submit("orphan", 3);
    bed.wait_run("orphan");
    bed.agent.kill();
    bed.let_go("orphan");
    bed.agent.start(None);
    bed.expect_end("orphan", &orphan, 3);

    // The line is cut while a job ends.
    let alone = bed.submit("alone", 4);
    bed.wait_run("alone");
    bed.line.cut();
    bed.let_go("alone");
    bed.wait_site(SiteState::Away);
    bed.line.resume();
    bed.expect_end("alone", &alone, 4);

    // The server is killed while a job runs and ends.
    let other = bed.submit("other", 5);
    bed.wait_run("other");
    bed.server.kill();
    bed.let_go("other");
    bed.server.start();
    bed.expect_end("other", &other, 5);

    // Told to stop, the agent leaves jobs running.
    let last = bed.submit("last", 6);
    wait_for("the last to run", LONG, || {
        bed.runtime.block_on(state(&bed.client, &last)).filter(|state| state == "RUNNING")
    });
    bed.agent.terminate();
    // The same command as at the beginning joins nothing anew.
    bed.agent.start(Some((&address, &pin, &token)));
    bed.let_go("last");
    bed.expect_end("last", &last, 6);

    // A new token replaces the key; a revoked one opens nothing.
    let SiteEnrolled { token, .. } = bed.enroll();
    bed.agent.terminate();
    bed.agent.start(Some((&address, &pin, &token)));
    bed.wait_site(SiteState::Connected);
    bed.runtime.block_on(bed.client.revoke_site("harbour")).expect("a revocation");
    bed.wait_site(SiteState::Closed);
    wait_for("the agent to be refused", LONG, || bed.agent.said().contains("taken this site's key back").then_some(()));

    bed.server.terminate();
    let books = bed.runtime.block_on(audit(Location::Folder(bed.server.data().to_owned())));
    books.expect_clean();
    assert_eq!(books.attempts, 8, "each job had one attempt");
}

/// The agent at a partner's login node: an ordinary Slurm cluster behind it, tried with real jobs and then given work.
#[test]
fn farm_a_slurm_cluster_joins_through_its_agent() {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return;
    }
    let mut bed = Bed::new();
    let mut farm = Farm::new(bed.place.path().join("farm")).expect("a farm");
    let spec = ClusterSpec::new("delta")
        .nodes(NodeSet::new(2))
        .partition(Partition::new("main").default().with("MaxTime=30:00"));
    farm.start([spec]).expect("a cluster");
    let conf = farm.cluster("delta").conf().to_string_lossy().into_owned();
    let work = bed.place.shared("work");
    let way = format!(
        "work_root = \"{}\"\n[way]\nkind = \"command\"\ntools = {{ slurm_conf = \"{conf}\" }}\n",
        work.display()
    );
    std::fs::write(&bed.agent.pools, way).expect("a file");
    bed.agent.flag = "--slurm";
    let site = SiteEnroll {
        name: "harbour".into(),
        backend: Some(wire::Backend::Slurm),
        supplier: Some("portco".into()),
        testing: false,
    };
    let told = bed.runtime.block_on(bed.client.enroll_site(&site)).expect("an enrolment");
    bed.agent.start(Some((&told.address, &told.pin, &told.token)));
    wait_for("the site's pool", LONG, || {
        let pools = bed.runtime.block_on(bed.client.pools().take(10)).ok()?;
        pools.items.iter().any(|pool| pool.name == "harbour-main").then_some(())
    });
    assert_eq!(bed.pool("harbour-main").and_then(|pool| pool.time_limit_max_seconds), Some(1_800));
    let looked = bed.hw(&["cluster", "check", "harbour"], 0);
    for what in ["ok\treachability", "ok\tagent", "ok\tversion", "ok\twork_root", "ok\tfirst_job"] {
        assert!(looked.contains(what), "{what}: {looked}");
    }
    bed.hw(&["cluster", "service", "harbour", "in_service"], 5);
    bed.hw(&["cluster", "trial", "harbour"], 0);
    bed.hw(&["cluster", "service", "harbour", "in_service"], 0);
    let left = || -> Vec<String> {
        let found = std::process::Command::new("find").arg(work.join("work")).args(["-mindepth", "3"]).output();
        String::from_utf8_lossy(&found.expect("find runs").stdout).lines().map(str::to_owned).collect()
    };
    assert_eq!(left(), [""; 0], "a trial takes its work folders away");
    bed.files_go_there_and_back("harbour-main");

    let job = bed.submit_to("harbour-main", "there", 7);
    bed.wait_run("there");
    bed.agent.kill();
    bed.let_go("there");
    bed.agent.start(None);
    bed.expect_end("there", &job, 7);
    let log = bed.runtime.block_on(state(&bed.client, &job));
    assert_eq!(log.as_deref(), Some("FAILED"));

    // The site changes its partitions: seen without a restart of the agent. What is gone is drained, and in use again when it
    // is back.
    let cluster = farm.cluster("delta");
    let scontrol = |words: &[&str]| {
        let told: Vec<&str> = std::iter::once("scontrol").chain(words.iter().copied()).collect();
        cluster.run(&told).expect("scontrol");
    };
    scontrol(&["update", "PartitionName=main", "MaxTime=20:00"]);
    scontrol(&["create", "PartitionName=extra", "Nodes=ALL", "MaxTime=5:00"]);
    let begun = Instant::now();
    wait_for("the new partition", LONG, || {
        let extra = bed.pool("harbour-extra")?;
        let main = bed.pool("harbour-main")?;
        ((extra.time_limit_max_seconds, main.time_limit_max_seconds) == (Some(300), Some(1_200))).then_some(())
    });
    println!("a new partition and a new limit are seen after {:?}", begun.elapsed());
    let quick = bed.submit_to("harbour-extra", "quick", 3);
    bed.let_go("quick");
    bed.expect_end("quick", &quick, 3);
    scontrol(&["delete", "PartitionName=extra"]);
    let up =
        |nodes: u32| wait_for("its nodes", LONG, || bed.pool("harbour-extra").filter(|pool| pool.nodes_up == nodes));
    let gone = up(0);
    assert!(gone.nodes.iter().all(|node| node.state == wire::NodeState::Drained), "{gone:?}");
    scontrol(&["create", "PartitionName=extra", "Nodes=ALL", "MaxTime=5:00"]);
    up(2);
    bed.server.terminate();
    let books = bed.runtime.block_on(audit(Location::Folder(bed.server.data().to_owned())));
    books.expect_clean();
}

#[test]
fn heavy_agent_line_and_server_die_at_random_and_every_job_runs_once() {
    let seed = std::env::var("HW_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_121u64);
    let rounds = std::env::var("HW_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20u64);
    println!("seed {seed}, {rounds} rounds");
    let mut bed = Bed::new();
    bed.join();
    let mut chance = Seed::from_u64(seed).child("site").stream();
    let mut jobs = Vec::new();
    for round in 0..rounds {
        for n in 0..3 {
            let name = format!("r{round}-{n}");
            let accepted = wait_for("a submission", LONG, || {
                let text = format!(
                    "#SBATCH -p harbour-edge -n 1 --mem 64M -t 10\necho run >> {}\nsleep 0.{}\nexit 9",
                    bed.marks.join(&name).display(),
                    chance.below(10)
                );
                bed.runtime.block_on(bed.client.submit(&script(&text), Some(&name))).ok()
            });
            jobs.push((name, accepted.number.to_string()));
        }
        // The moment of the fault, not a wait for anything.
        std::thread::park_timeout(Duration::from_millis(chance.below(700)));
        match chance.below(4) {
            0 => {
                bed.agent.kill();
                bed.agent.start(None);
            }
            1 => {
                bed.server.kill();
                bed.server.start();
            }
            2 => bed.line.cut_after(chance.below(20_000)),
            _ => bed.line.cut_answer_after(chance.below(5_000)),
        }
        std::thread::park_timeout(Duration::from_millis(chance.below(300)));
        bed.line.resume();
    }
    let begun = Instant::now();
    while bed.runtime.block_on(open_jobs(&bed.client)) != Some(0) {
        assert!(begun.elapsed() < LONG, "jobs are still open:\n{}\n{}", bed.agent.said(), bed.server.log());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    println!("{} jobs, the last ended {:?} after the last fault", jobs.len(), begun.elapsed());
    for (name, job) in &jobs {
        bed.expect_end(name, job, 9);
    }
    bed.server.terminate();
    let books = bed.runtime.block_on(audit(Location::Folder(bed.server.data().to_owned())));
    books.expect_clean();
    assert_eq!(books.attempts, jobs.len(), "each job had one attempt");
}
