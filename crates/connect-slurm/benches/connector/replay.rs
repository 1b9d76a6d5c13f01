//! Slurm's commands without a Slurm: answers as real ones were recorded, with the numbers, names and times of jobs that wait, run and
//! end by the clock. A [`Runner`], so that everything of ours above it is the real thing. Counts the CPU time it takes itself.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connect_slurm::carrier::JobNumber;
use connect_slurm::cli::arguments::UNIT;
use connect_slurm::cli::runner::{Call, Output, RunError, Runner};
use futures::future::BoxFuture;

const CONFIG: &str = include_str!("../../src/cli/recorded/config.txt");
const NODE: &str = include_str!("../../src/cli/recorded/nodes.txt");
const PARTITION: &str = include_str!("../../src/cli/recorded/partitions.txt");
const RECORD: &str = include_str!("../../src/cli/recorded/details.txt");
const COUNTERS: &str = include_str!("sdiag.txt");

pub const NODES: usize = 40;
/// Jobs that run at a time.
pub const RUNNING: usize = 100;
/// One job ends, and the next starts, this often.
pub const CHANGE: Duration = Duration::from_secs(1);
/// The controller keeps what has ended for five minutes: its default.
const KEPT_SECS: i64 = 300;

struct Job {
    name: String,
    comment: String,
    submitted: i64,
    start: Option<i64>,
    end: Option<i64>,
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobNumber, Job>,
    waiting: VecDeque<JobNumber>,
    running: VecDeque<JobNumber>,
    ended: VecDeque<JobNumber>,
    last: JobNumber,
    started: u64,
    /// From when on jobs start and end, and how often they did.
    since: Option<Instant>,
    changes: u32,
    /// When a job of this name was changed last.
    moments: BTreeMap<String, Instant>,
}

pub struct Replay {
    model: Arc<Mutex<Model>>,
    own: Arc<AtomicU64>,
}

/// The outer end of a [`Replay`].
#[derive(Clone)]
pub struct Hand {
    model: Arc<Mutex<Model>>,
}

impl Hand {
    /// From now on jobs start and end.
    pub fn begin(&self) {
        lock(&self.model).since = Some(Instant::now());
    }
    pub fn is_full(&self, jobs: usize) -> bool {
        lock(&self.model).jobs.len() >= jobs
    }
    /// How long ago the latest change of a job was.
    pub fn age(&self, name: &str) -> Option<Duration> {
        lock(&self.model).moments.remove(name).map(|at| at.elapsed())
    }
}

impl Replay {
    /// `own` is given the nanoseconds of CPU that answers take here.
    pub fn new(own: Arc<AtomicU64>) -> (Replay, Hand) {
        let model = Arc::<Mutex<Model>>::default();
        (Replay { model: Arc::clone(&model), own }, Hand { model })
    }

    fn answer(&self, call: &Call) -> Result<String, String> {
        let mut model = lock(&self.model);
        model.advance();
        let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
        let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        match (call.program.as_str(), words.as_slice()) {
            ("id", _) => Ok("hpc\n".to_owned()),
            ("sbatch", _) => Ok(model.submit(option("--job-name"), option("--comment"))),
            ("sdiag", _) => {
                let text = COUNTERS.replace("@CLOCK@", &clock().to_string());
                Ok(text.replace("@STARTED@", &model.started.to_string()))
            }
            ("squeue", [.., "--steps", _, "-O", _]) => {
                Ok(model.running.iter().map(|number| format!("{number}{UNIT}\n")).collect())
            }
            ("squeue", [.., format]) => Ok(model.listing(option("--states") == Some("all"), mark_of(format))),
            ("scontrol", ["-o"]) => Ok(model.records(call.stdin.as_deref().unwrap_or_default())),
            ("scontrol", ["show", "config"]) => Ok(CONFIG.replacen("1795260519", &clock().to_string(), 1)),
            ("scontrol", [.., "node"]) => Ok(nodes(&model)),
            ("scontrol", [.., "partition"]) => Ok(partition()),
            ("scontrol", [.., "show", _]) => Ok(String::new()),
            ("sacct", _) => {
                let numbers = option("--jobs").unwrap_or_default().split(',').filter_map(|word| word.parse().ok());
                Ok(model.accounted(numbers, option("--delimiter").unwrap_or_default()))
            }
            (program, _) => Err(format!("{program} {words:?} was not recorded")),
        }
    }
}

impl Model {
    /// What has happened since the last question.
    fn advance(&mut self) {
        let Some(since) = self.since else { return };
        let due = (since.elapsed().as_millis() / CHANGE.as_millis()) as u32;
        while self.changes < due {
            self.changes += 1;
            let (at, now) = (since + CHANGE * self.changes, clock());
            if let Some(number) = self.running.pop_front() {
                self.changed(number, at, |job| job.end = Some(now));
                self.ended.push_back(number);
            }
        }
        while self.running.len() < RUNNING
            && let Some(number) = self.waiting.pop_front()
        {
            let (at, now) = (since + CHANGE * self.changes, clock());
            self.changed(number, at, |job| job.start = Some(now));
            self.started += 1;
            self.running.push_back(number);
        }
        let old = |number: &JobNumber| self.jobs[number].end.is_some_and(|end| clock() - end > KEPT_SECS);
        if self.ended.front().is_some_and(old)
            && let Some(number) = self.ended.pop_front()
        {
            self.jobs.remove(&number);
        }
    }

    fn changed(&mut self, number: JobNumber, at: Instant, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(&number) {
            change(job);
            self.moments.insert(job.name.clone(), at);
        }
    }

    fn submit(&mut self, name: Option<&str>, comment: Option<&str>) -> String {
        self.last += 1;
        let (name, comment) = (name.unwrap_or_default().to_owned(), comment.unwrap_or_default().to_owned());
        self.jobs.insert(self.last, Job { name, comment, submitted: clock(), start: None, end: None });
        self.waiting.push_back(self.last);
        format!("{}\n", self.last)
    }

    fn listing(&self, all: bool, mark: &str) -> String {
        let mut text = String::new();
        for (number, job) in &self.jobs {
            if all || job.start.is_some() {
                job.line(*number, mark, &mut text);
            }
        }
        text
    }

    fn records(&self, asked: &str) -> String {
        let mut text = String::new();
        for line in asked.lines() {
            let _ = writeln!(text, "scontrol: {line}");
            if let Some(mark) = line.strip_prefix("show hostnames ") {
                let _ = writeln!(text, "{mark}");
            } else if let Some(number) = line.strip_prefix("show job ")
                && let Ok(number) = number.parse()
                && let Some(job) = self.jobs.get(&number)
            {
                job.record(number, &mut text);
            }
        }
        text + "scontrol: "
    }

    fn accounted(&self, numbers: impl Iterator<Item = JobNumber>, mark: &str) -> String {
        let mut text = String::new();
        for number in numbers {
            if let Some(job) = self.jobs.get(&number)
                && let Some(start) = job.start
            {
                let end = job.end.map_or_else(|| "Unknown".to_owned(), |end| end.to_string());
                let (state, submitted) = (job.word(), job.submitted);
                let node = node(number);
                let common = |id: String, name: &str, comment: &str, used: &str| {
                    let fields = [
                        &id,
                        name,
                        comment,
                        &submitted.to_string(),
                        &start.to_string(),
                        &end,
                        "00:00:00",
                        &node,
                        "0:0",
                        "billing=1,cpu=1,mem=500M,node=1",
                        "00:00.305",
                        used,
                        "energy=0,fs/disk=8388608",
                        state,
                    ];
                    fields.join(mark) + "\n"
                };
                text += &common(number.to_string(), &job.name, &job.comment, "");
                let used = "cpu=00:00:00,energy=0,fs/disk=8388620263,mem=2880K,pages=0,vmem=5092K";
                text += &common(format!("{number}.batch"), "batch", "", used);
            }
        }
        text
    }
}

impl Job {
    fn word(&self) -> &'static str {
        match (self.start, self.end) {
            (None, _) => "PENDING",
            (Some(_), None) => "RUNNING",
            (Some(_), Some(_)) => "COMPLETED",
        }
    }

    fn line(&self, number: JobNumber, mark: &str, text: &mut String) {
        let time = |time: Option<i64>| time.map_or_else(|| "N/A".to_owned(), |time| time.to_string());
        let used = self.start.map_or(0, |start| self.end.unwrap_or_else(clock) - start);
        let fields: [&str; 11] = [
            &number.to_string(),
            self.word(),
            if self.start.is_none() { "Resources" } else { "None" },
            &self.submitted.to_string(),
            &time(self.start),
            &time(self.end.or(self.start.map(|start| start + 600))),
            &format!("{}:{:02}", used / 60, used % 60),
            &self.start.map_or_else(String::new, |_| node(number)),
            "0",
            "0",
            "cpu=1,mem=500M,node=1,billing=1",
        ];
        for field in fields {
            text.push_str(field);
            text.push(UNIT);
        }
        let _ = writeln!(text, "{}{mark}{}{mark}", self.name, self.comment);
    }

    /// The recorded record of a running job, with what differs.
    fn record(&self, number: JobNumber, text: &mut String) {
        let recorded = RECORD.lines().find(|line| line.starts_with("JobId=17 ")).unwrap_or_default();
        for (at, word) in recorded.split(' ').enumerate() {
            let key = word.split('=').next().unwrap_or_default();
            let start = self.start.unwrap_or(0);
            let new = match key {
                "JobId" => number.to_string(),
                "JobName" => self.name.clone(),
                "JobState" => self.word().to_owned(),
                "SubmitTime" => self.submitted.to_string(),
                "StartTime" if self.start.is_some() => start.to_string(),
                "EndTime" if self.start.is_some() => self.end.unwrap_or(start + 600).to_string(),
                "StartTime" | "EndTime" => "Unknown".to_owned(),
                "NodeList" if self.start.is_some() => node(number),
                "NodeList" => String::new(),
                "Comment" => self.comment.clone(),
                _ => {
                    let _ = write!(text, "{}{word}", if at > 0 { " " } else { "" });
                    continue;
                }
            };
            let _ = write!(text, "{}{key}={new}", if at > 0 { " " } else { "" });
        }
        text.push('\n');
    }
}

impl Runner for Replay {
    fn describe(&self) -> String {
        "recorded answers".to_owned()
    }
    fn arguments_bytes_max(&self) -> usize {
        1 << 20
    }
    fn run(&self, call: Call) -> BoxFuture<'_, Result<Output, RunError>> {
        Box::pin(async move {
            let begun = thread_cpu();
            let answer = self.answer(&call);
            self.own.fetch_add(thread_cpu() - begun, Ordering::Relaxed);
            // Others come in between, as they would while a program runs.
            tokio::task::yield_now().await;
            Ok(match answer {
                Ok(text) => Output { code: Some(0), stdout: text.into_bytes(), stderr: Vec::new() },
                Err(words) => Output { code: Some(1), stdout: Vec::new(), stderr: words.into_bytes() },
            })
        })
    }
}

fn nodes(model: &Model) -> String {
    let recorded = NODE.lines().find(|line| line.starts_with("NodeName=c2a-n4 ")).unwrap_or_default();
    let recorded = recorded.replace("IDLE+DRAIN+RESERVED", "IDLE");
    let busy = model.running.len() / NODES;
    let recorded = recorded.replace("CPUAlloc=0", &format!("CPUAlloc={busy}"));
    (1..=NODES).map(|index| recorded.replace("c2a-n4", &format!("c2a-n{index}")) + "\n").collect()
}

fn partition() -> String {
    let recorded = PARTITION.lines().find(|line| line.starts_with("PartitionName=main ")).unwrap_or_default();
    recorded.replace("c2a-n[1-4]", &format!("c2a-n[1-{NODES}]")) + "\n"
}

fn node(number: JobNumber) -> String {
    format!("c2a-n{}", number as usize % NODES + 1)
}

/// What closes name and comment in `…,Name:MARK,Comment:MARK`.
fn mark_of(format: &str) -> &str {
    format.rsplit_once(':').map_or("", |(_, mark)| mark)
}

fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// CPU nanoseconds of this thread.
fn thread_cpu() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the one structure that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
