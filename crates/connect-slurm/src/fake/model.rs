//! The machine room of the fake: controller, accounting and nodes, advanced in steps of a tenth of a second.

mod faults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{AttemptId, Bytes};

use crate::carrier::{
    AccountedRun, AccountingKind, AccountsWanted, Cancel, JobNumber, NodeFacts, Queue, QueueWanted, QueuedJob,
    SlurmState, SubmitRequest,
};
use crate::fake::{Setup, WORK_ROOT};
use crate::key::Realm;
use crate::render::{NODE_PLACE, Plan, unpack};
use crate::states::{EXIT_STOPPED, EXIT_SUPERSEDED};

/// One step of the model, microseconds.
const STEP: i64 = 100_000;
const SECOND: i64 = 1_000_000;
/// A queued job waits this long before it may start.
const SCHEDULE: i64 = 200_000;
/// Signals for the script's own process alone stand this far above the ordinary ones.
const PASSED_ON: i32 = 33;

#[derive(Clone, Debug)]
struct Job {
    record: QueuedJob,
    request: SubmitRequest,
    queued_at: i64,
    changed: i64,
    held: bool,
    suspended_since: Option<i64>,
    purge_at: Option<i64>,
}

/// A job's script on its node.
#[derive(Clone, Debug)]
struct Process {
    attempt: Option<AttemptId>,
    steps: VecDeque<Step>,
    until: i64,
    dir: String,
    stdout: String,
}

#[derive(Clone, Debug)]
enum Step {
    Echo(String),
    Sleep(i64),
    Exit(i32),
}

fn steps(script: &str) -> VecDeque<Step> {
    let step = |line: &str| {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match word {
            "echo" => Some(Step::Echo(format!("{rest}\n"))),
            "sleep" => rest.parse().ok().map(|seconds: i64| Step::Sleep(seconds * SECOND)),
            "exit" => rest.parse().ok().map(Step::Exit),
            _ => None,
        }
    };
    script.lines().filter_map(step).collect()
}

#[derive(Clone, Debug)]
struct Node {
    state: String,
    foreign: u32,
}

/// What a controller has on disk: the jobs as it knew them, and the next number.
#[derive(Clone, Debug, Default)]
struct Saved {
    jobs: BTreeMap<JobNumber, Job>,
    next: JobNumber,
}

pub struct Model {
    now: i64,
    accounting: AccountingKind,
    cores: u32,
    lag: i64,
    min_job_age: i64,
    save_every: i64,
    realm: Realm,
    jobs: BTreeMap<JobNumber, Job>,
    next: JobNumber,
    saved: Saved,
    saved_at: i64,
    down_until: i64,
    late: Vec<(i64, SubmitRequest)>,
    processes: BTreeMap<JobNumber, Process>,
    /// Scripts that ended while the controller was down.
    ended: Vec<(JobNumber, i64, (i32, i32))>,
    /// Record and the time from which it can be read.
    ledger: Vec<(i64, AccountedRun)>,
    nodes: BTreeMap<String, Node>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub folders: BTreeSet<String>,
    begun: BTreeMap<AttemptId, u32>,
    completed: BTreeMap<AttemptId, u32>,
    /// Seconds in which the script last began, and in which it came to its end after that.
    worked: BTreeMap<AttemptId, (i64, Option<i64>)>,
}

impl Model {
    pub fn new(setup: &Setup, now: i64) -> Model {
        let micros = |span: std::time::Duration| span.as_micros() as i64;
        let node = Node { state: "IDLE".to_owned(), foreign: 0 };
        Model {
            now,
            accounting: setup.accounting,
            cores: setup.cores,
            lag: micros(setup.accounting_lag),
            min_job_age: micros(setup.min_job_age),
            save_every: micros(setup.save_every),
            realm: Realm::new(&[b"fake"]),
            jobs: BTreeMap::new(),
            next: 1,
            saved: Saved { next: 1, ..Saved::default() },
            saved_at: now,
            down_until: now,
            late: Vec::new(),
            processes: BTreeMap::new(),
            ended: Vec::new(),
            ledger: Vec::new(),
            nodes: (1..=setup.nodes).map(|n| (format!("f{n}"), node.clone())).collect(),
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            begun: BTreeMap::new(),
            completed: BTreeMap::new(),
            worked: BTreeMap::new(),
        }
    }

    pub fn seconds(&self) -> i64 {
        self.now.div_euclid(SECOND)
    }

    pub fn is_down(&self) -> bool {
        self.now < self.down_until
    }

    /// Lets time pass up to `to`, microseconds.
    pub fn advance(&mut self, to: i64) {
        while self.now + STEP <= to {
            self.now += STEP;
            self.run_processes();
            if self.is_down() {
                continue;
            }
            for (number, at, exit) in std::mem::take(&mut self.ended) {
                self.finish(number, at, exit);
            }
            self.miss_jobs();
            let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= self.now);
            self.late = later;
            let due: Vec<(i64, SubmitRequest)> = due;
            for (_, request) in &due {
                self.submit(request);
            }
            self.start_jobs();
            let now = self.now;
            self.jobs.retain(|_, job| job.purge_at.is_none_or(|at| at > now));
            if now - self.saved_at >= self.save_every {
                self.saved_at = now;
                self.saved = Saved { jobs: self.jobs.clone(), next: self.next };
            }
        }
    }

    pub fn submit(&mut self, request: &SubmitRequest) -> JobNumber {
        let number = self.next;
        self.next += 1;
        let record = QueuedJob {
            number,
            name: request.name.clone(),
            comment: request.comment.clone(),
            state: SlurmState::Pending,
            flags: Vec::new(),
            reason: Some("Priority".to_owned()),
            submitted: self.seconds(),
            start: None,
            end: None,
            suspended_seconds: 0,
            nodes: Vec::new(),
            restarts: 0,
            exit: None,
            tres: String::new(),
            user: None,
        };
        let job = Job {
            record,
            request: request.clone(),
            queued_at: self.now,
            changed: self.seconds(),
            held: request.held,
            suspended_since: None,
            purge_at: None,
        };
        self.jobs.insert(number, job);
        number
    }

    pub fn submit_late(&mut self, request: &SubmitRequest, after: i64) {
        self.late.push((self.now + after, request.clone()));
    }

    fn free(&self, name: &str) -> u32 {
        let used: u32 = self
            .jobs
            .values()
            .filter(|job| {
                matches!(job.record.state, SlurmState::Running | SlurmState::Suspended)
                    && job.record.nodes.iter().any(|node| node == name)
            })
            .map(|job| job.request.cpus_per_task * job.request.tasks.div_ceil(job.request.nodes.max(1)))
            .sum();
        let node = &self.nodes[name];
        if node.state.starts_with("IDLE") && !node.state.contains('+') {
            self.cores.saturating_sub(used + node.foreign)
        } else {
            0
        }
    }

    fn start_jobs(&mut self) {
        let due =
            |job: &Job, now| job.record.state == SlurmState::Pending && !job.held && now - job.queued_at >= SCHEDULE;
        let waiting: Vec<JobNumber> =
            self.jobs.iter().filter(|(_, job)| due(job, self.now)).map(|(number, _)| *number).collect();
        for number in waiting {
            let request = &self.jobs[&number].request;
            let need = request.cpus_per_task * request.tasks.div_ceil(request.nodes.max(1));
            let nodes: Vec<String> = self.nodes.keys().filter(|name| self.free(name) >= need).cloned().collect();
            if nodes.len() >= request.nodes.max(1) as usize {
                let nodes = nodes.into_iter().take(request.nodes.max(1) as usize).collect();
                self.start(number, nodes);
            }
        }
    }

    fn start(&mut self, number: JobNumber, nodes: Vec<String>) {
        let seconds = self.seconds();
        let Some(job) = self.jobs.get_mut(&number) else { return };
        job.record.state = SlurmState::Running;
        job.record.reason = None;
        job.record.start = Some(seconds);
        job.record.tres = format!("cpu={},mem=64M,node={}", job.request.tasks * job.request.cpus_per_task, nodes.len());
        job.record.nodes = nodes;
        job.changed = seconds;
        let job = job.clone();
        if self.accounting == AccountingKind::Slurmdbd {
            // One row for a job as it was submitted: one that is started again without having been queued again takes its place.
            let same = |run: &AccountedRun| run.number == number && run.submitted == job.record.submitted;
            self.ledger.retain(|(_, run)| !same(run));
            self.ledger.push((self.now + self.lag, accounted(&job.record, None)));
        }
        if let Some(unpacked) = unpack(&job.request.script) {
            self.run_wrapper(&job, &unpacked.plan, unpacked.script.as_deref().unwrap_or_default());
        }
    }

    /// What the wrapper does on a node, in the same order.
    fn run_wrapper(&mut self, job: &Job, plan: &Plan, script: &str) {
        let dir = below_root(&plan.dir);
        let (number, restarts) = (job.record.number, job.record.restarts);
        let me = format!("{number} {restarts} {} 1", job.record.nodes[0]);
        let owner =
            self.files.get(&format!("{dir}/fence/owner")).map(|line| String::from_utf8_lossy(line).into_owned());
        let is_mine = owner.is_none_or(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(number.to_string().as_str())
                && words.next().and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n < restarts)
        });
        let attempt = self.realm.attempt(&job.record.name);
        let mut process = Process {
            attempt: None,
            steps: VecDeque::new(),
            until: self.now,
            stdout: below_root(&plan.paths.stdout.replace(NODE_PLACE, &job.record.nodes[0])),
            dir: String::new(),
        };
        if !is_mine {
            // Also a launch of the same job after its end; the scripts here are gone when a job is started again.
            process.steps.push_back(Step::Exit(EXIT_SUPERSEDED));
        } else {
            self.files.insert(format!("{dir}/fence/owner"), format!("{me}\n").into_bytes());
            if self.files.contains_key(&format!("{dir}/stop")) {
                self.files.remove(&format!("{dir}/fence/owner"));
                process.steps.push_back(Step::Exit(EXIT_STOPPED));
            } else {
                let started = format!("{}.{:06} {me}\n", self.now / SECOND, self.now % SECOND);
                self.files.insert(format!("{dir}/started"), started.into_bytes());
                process.steps = steps(script);
                process.attempt = attempt;
                process.dir = dir;
                if let Some(attempt) = attempt {
                    *self.begun.entry(attempt).or_default() += 1;
                    self.worked.insert(attempt, (self.now.div_euclid(SECOND), None));
                }
            }
        }
        self.processes.insert(number, process);
    }

    fn run_processes(&mut self) {
        let now = self.now;
        let mut done = Vec::new();
        for (number, process) in &mut self.processes {
            if self.jobs.get(number).is_some_and(|job| job.suspended_since.is_some()) {
                process.until += STEP;
                continue;
            }
            while process.until <= now {
                match process.steps.pop_front() {
                    Some(Step::Echo(text)) => {
                        self.files.entry(process.stdout.clone()).or_default().extend(text.bytes());
                    }
                    Some(Step::Sleep(span)) => process.until += span,
                    Some(Step::Exit(code)) => {
                        done.push((*number, (code, 0)));
                        break;
                    }
                    None => {
                        done.push((*number, (0, 0)));
                        break;
                    }
                }
            }
        }
        for (number, exit) in done {
            self.end_process(number, exit);
        }
    }

    /// A script is over, by itself or by a signal; the controller hears of it when it is there.
    fn end_process(&mut self, number: JobNumber, exit: (i32, i32)) {
        let Some(process) = self.processes.remove(&number) else { return };
        if let Some(attempt) = process.attempt {
            let line = format!("{}.{:06} {number} {} {}\n", self.now / SECOND, self.now % SECOND, exit.0, exit.1);
            self.files.insert(format!("{}/ended", process.dir), line.into_bytes());
            if exit.1 == 0 {
                *self.completed.entry(attempt).or_default() += 1;
                if let Some(worked) = self.worked.get_mut(&attempt) {
                    worked.1 = Some(self.now.div_euclid(SECOND));
                }
            }
        }
        self.ended.push((number, self.now, exit));
    }

    fn finish(&mut self, number: JobNumber, at: i64, exit: (i32, i32)) {
        let state = match exit {
            (0, 0) => SlurmState::Completed,
            _ => SlurmState::Failed,
        };
        self.close(number, at, state, exit);
    }

    /// The end of a job, whatever it was.
    fn close(&mut self, number: JobNumber, at: i64, state: SlurmState, exit: (i32, i32)) {
        let seconds = self.seconds();
        let Some(job) = self.jobs.get_mut(&number) else { return };
        if job.record.end.is_some() {
            return;
        }
        if let Some(since) = job.suspended_since.take() {
            job.record.suspended_seconds += (at - since).div_euclid(SECOND);
        }
        let end = at.div_euclid(SECOND).max(job.record.start.unwrap_or(0));
        job.record.end = Some(end);
        job.record.exit = Some(exit);
        job.record.state = state;
        job.changed = seconds;
        job.purge_at = Some(self.now + self.min_job_age);
        let record = job.record.clone();
        self.account(&record, end);
    }

    fn account(&mut self, record: &QueuedJob, end: i64) {
        if self.accounting == AccountingKind::Controller {
            return;
        }
        let run = accounted(record, Some(end));
        let visible = self.now + self.lag;
        let same = |known: &AccountedRun| known.number == run.number && known.name == run.name && known.end.is_none();
        match self.ledger.iter_mut().find(|(_, known)| same(known)) {
            Some(known) => *known = (visible, run),
            None => self.ledger.push((visible, run)),
        }
    }

    pub fn cancel(&mut self, number: JobNumber, how: Cancel) {
        let Some(job) = self.jobs.get(&number) else { return };
        match (job.record.state.clone(), how) {
            (SlurmState::Pending, Cancel::End) => self.close(number, self.now, SlurmState::Cancelled, (0, 0)),
            (SlurmState::Running | SlurmState::Suspended, Cancel::End) => {
                // Closed as cancelled first: what the script says of its end then changes nothing.
                self.close(number, self.now, SlurmState::Cancelled, (0, 15));
                self.end_process(number, (0, 15));
            }
            (SlurmState::Running, Cancel::Signal(signal)) => self.end_process(number, (0, signal)),
            (SlurmState::Running, Cancel::SignalShell(signal)) => self.end_process(number, (0, signal - PASSED_ON)),
            _ => {}
        }
    }

    /// Its node does not launch a job that waits: it ends so in the second of its start.
    pub fn refuse_launch(&mut self, attempt: AttemptId, state: SlurmState, exit: (i32, i32)) {
        let name = self.realm.name(attempt);
        let (now, node) = (self.seconds(), self.nodes.keys().next().cloned().unwrap_or_default());
        let waits = |job: &&mut Job| job.record.name == name && job.record.state == SlurmState::Pending;
        let Some(job) = self.jobs.values_mut().find(waits) else { return };
        (job.record.start, job.record.nodes) = (Some(now), vec![node]);
        let number = job.record.number;
        self.close(number, self.now, state, exit);
    }

    /// Its node does not launch a job that waits: it is queued again and held.
    pub fn hold_after_launch(&mut self, attempt: AttemptId) {
        let (name, seconds) = (self.realm.name(attempt), self.seconds());
        let waits = |job: &&mut Job| job.record.name == name && job.record.state == SlurmState::Pending;
        let Some(job) = self.jobs.values_mut().find(waits) else { return };
        job.record.reason = Some("launch failed requeued held".to_owned());
        (job.record.restarts, job.held, job.changed) = (job.record.restarts + 1, true, seconds);
    }

    pub fn hold(&mut self, numbers: &[JobNumber], held: bool) {
        for number in numbers {
            if let Some(job) = self.jobs.get_mut(number) {
                job.held = held;
            }
        }
    }

    pub fn set_time_limit(&mut self, number: JobNumber, minutes: u32) {
        if let Some(job) = self.jobs.get_mut(&number) {
            job.request.time_limit_minutes = minutes;
        }
    }

    pub fn queue(&self, wanted: &QueueWanted) -> Queue {
        let take = |job: &&Job| match wanted {
            QueueWanted::All => true,
            QueueWanted::ChangedSince(time) => job.changed >= *time,
            QueueWanted::Jobs(numbers) => numbers.contains(&job.record.number),
        };
        let jobs = self.jobs.values().filter(take).map(|job| job.record.clone()).collect();
        Queue { clock: Some(self.seconds()), jobs, whole: matches!(wanted, QueueWanted::All) }
    }

    pub fn accounts(&self, wanted: &AccountsWanted) -> Vec<AccountedRun> {
        let take = |run: &AccountedRun| match wanted {
            AccountsWanted::Jobs(numbers) => numbers.contains(&run.number),
            AccountsWanted::Since { time, name_prefix } => {
                run.name.starts_with(name_prefix) && run.end.is_none_or(|end| end >= *time)
            }
        };
        let ended_only = self.accounting == AccountingKind::CompletionLog;
        let visible = self.ledger.iter().filter(|(at, run)| *at <= self.now && (run.end.is_some() || !ended_only));
        visible.filter(|(_, run)| take(run)).map(|(at, run)| self.shown(*at, run)).collect()
    }

    /// A busy slurmdbd shows the end of a job a while before it has written that it began and where.
    fn shown(&self, visible: i64, run: &AccountedRun) -> AccountedRun {
        let is_half = self.accounting == AccountingKind::Slurmdbd && run.end.is_some() && self.now < visible + self.lag;
        if is_half { AccountedRun { start: None, nodes: Vec::new(), ..run.clone() } } else { run.clone() }
    }

    pub fn set_node_state(&mut self, name: &str, state: &str) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.state = state.to_owned();
        }
    }

    pub fn take_node(&mut self, name: &str, cores: u32) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.foreign = cores;
        }
    }

    pub fn node_names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    pub fn node_facts(&self) -> Vec<NodeFacts> {
        let facts = |(name, node): (&String, &Node)| {
            let free = if node.state.starts_with("IDLE") && !node.state.contains('+') { self.free(name) } else { 0 };
            NodeFacts {
                name: name.clone(),
                state: node.state.clone(),
                reason: None,
                cpus: self.cores,
                mem: Bytes::from_gib(16),
                gres: Vec::new(),
                features: Vec::new(),
                partitions: vec!["main".to_owned()],
                cpus_allocated: self.cores - free,
                mem_allocated: Bytes(0),
                gres_allocated: Vec::new(),
            }
        };
        self.nodes.iter().map(facts).collect()
    }

    pub fn has_folder(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.folders.contains(path) || self.files.keys().any(|name| name.starts_with(&prefix))
    }

    pub fn ran(&self, attempt: AttemptId) -> (u32, u32) {
        let count = |of: &BTreeMap<AttemptId, u32>| of.get(&attempt).copied().unwrap_or(0);
        (count(&self.begun), count(&self.completed))
    }

    pub fn worked(&self, attempt: AttemptId) -> Option<(i64, i64)> {
        self.worked.get(&attempt).and_then(|(began, ended)| Some((*began, (*ended)?)))
    }

    pub fn active(&self, attempt: AttemptId) -> Vec<JobNumber> {
        let name = self.realm.name(attempt);
        let all = self.jobs.values().filter(|job| job.record.name == name && job.record.end.is_none());
        all.map(|job| job.record.number).collect()
    }

    pub fn accounted(&self, attempt: AttemptId) -> Vec<(i64, i64)> {
        let name = self.realm.name(attempt);
        let runs = self.ledger.iter().map(|(_, run)| run).filter(|run| run.name == name && !run.nodes.is_empty());
        runs.filter_map(|run| Some((run.start?, run.end?))).collect()
    }
}

fn below_root(path: &str) -> String {
    path.strip_prefix(WORK_ROOT).unwrap_or(path).trim_start_matches('/').to_owned()
}

/// A record as accounting writes it: exit codes lose what is above 127.
fn accounted(record: &QueuedJob, end: Option<i64>) -> AccountedRun {
    let exit = record.exit.unwrap_or_default();
    let ran = record.start.filter(|_| !record.nodes.is_empty());
    AccountedRun {
        number: record.number,
        name: record.name.clone(),
        comment: record.comment.clone(),
        state: record.state.clone(),
        submitted: record.submitted,
        start: ran,
        end,
        suspended_seconds: record.suspended_seconds,
        nodes: record.nodes.clone(),
        exit: if exit.0 > 128 { (exit.0 - 128, exit.1) } else { exit },
        tres: record.tres.clone(),
        cpu_micros: ran.zip(end).map_or(0, |(start, end)| (end - start) * SECOND),
        memory_peak: 1 << 20,
        read: 0,
        written: 0,
        user: None,
    }
}
