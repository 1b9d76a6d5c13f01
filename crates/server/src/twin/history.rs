//! The platform's own past as a trace: jobs as the API tells them become records of SWF with a header that says which number is whom,
//! and lines of CSV with the names. Knows no file and asks nobody.

use std::collections::BTreeMap;
use std::io::Write;

use base::{JobId, Span, Timestamp};
use sim::trace::{Header, Record};
use wire::JobState;
use wire::job::{Job, JobSummary};
use wire::supply::Pool;

/// Status words of SWF 2.2.
const FAILED: u32 = 0;
const COMPLETED: u32 = 1;
const CANCELLED: u32 = 5;

/// One job that is over.
#[derive(Clone, Debug)]
pub struct Past {
    pub told: JobSummary,
    /// Where it was asked for: what it used and what it waited for.
    pub used: Option<Used>,
}

/// What only a look at the job itself tells.
#[derive(Clone, Debug, Default)]
pub struct Used {
    pub cpu_seconds: Option<f64>,
    pub memory_peak_bytes: Option<u64>,
    pub after: Option<JobId>,
}

impl Used {
    /// Of the last attempt that ran; what a cluster cannot tell is zero there and unknown here.
    pub fn of(job: &Job) -> Used {
        let usage = job.attempts.iter().rev().find(|attempt| attempt.started_at.is_some()).map(|attempt| attempt.usage);
        Used {
            cpu_seconds: usage.map(|usage| usage.cpu_seconds).filter(|seconds| *seconds > 0.0),
            memory_peak_bytes: usage.map(|usage| usage.memory_peak_bytes).filter(|bytes| *bytes > 0),
            after: job.dependencies.first().map(|dependency| dependency.on),
        }
    }
}

/// Names in order of their numbers, which begin with 1.
#[derive(Clone, Debug, Default)]
struct Numbers {
    names: Vec<String>,
    of: BTreeMap<String, u32>,
}

impl Numbers {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.of.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.of.insert(name.to_owned(), number);
        number
    }
    fn all(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().enumerate().map(|(at, name)| (at + 1, name.as_str()))
    }
}

/// Jobs in order of their submission, with the numbers of their names.
#[derive(Clone, Debug, Default)]
pub struct History {
    jobs: Vec<Past>,
    records: Vec<Record>,
    tenants: Numbers,
    users: Numbers,
    apps: Numbers,
    queues: Numbers,
    pools: Numbers,
}

impl History {
    /// Jobs in any order. Each kind of name is numbered from 1 in the order in which it first comes.
    pub fn of(mut jobs: Vec<Past>) -> History {
        jobs.sort_by_key(|job| (job.told.submitted_at, job.told.number));
        let numbers: BTreeMap<JobId, u64> = jobs.iter().map(|job| (job.told.id, job.told.number)).collect();
        let mut history = History::default();
        let first = jobs.first().map_or(Timestamp::ZERO, |job| job.told.submitted_at.0);
        for job in &jobs {
            let record = history.record(job, first, &numbers);
            history.records.push(record);
        }
        history.jobs = jobs;
        history
    }

    fn record(&mut self, job: &Past, first: Timestamp, numbers: &BTreeMap<JobId, u64>) -> Record {
        let (told, used) = (&job.told, job.used.clone().unwrap_or_default());
        let procs = procs(told);
        let per_proc = |bytes: u64| bytes / 1_024 / u64::from(procs.max(1));
        let memory = Some(told.requested.memory_bytes).filter(|bytes| *bytes > 0);
        Record {
            job: told.number,
            submit_s: Some(told.submitted_at.0.since(first).as_secs()),
            wait_s: told.started_at.map(|at| at.0.since(told.submitted_at.0).as_secs().max(0)),
            run_s: run_s(told),
            procs_allocated: told.started_at.map(|_| procs),
            cpu_s: used.cpu_seconds.map(|seconds| (seconds / f64::from(procs.max(1)) * 100.0).round() / 100.0),
            memory_used_kib: used.memory_peak_bytes.map(per_proc),
            procs_requested: Some(procs),
            estimate_s: Some(told.time_limit_seconds.ceil() as i64),
            memory_requested_kib: memory.map(per_proc),
            status: Some(match told.state {
                JobState::Completed => COMPLETED,
                JobState::Cancelled => CANCELLED,
                _ => FAILED,
            }),
            user: Some(self.users.number(&format!("{}/{}", told.tenant_name, told.user_name))),
            group: Some(self.tenants.number(&told.tenant_name)),
            app: Some(self.apps.number(&told.name)),
            queue: Some(self.queues.number(told.class.as_str())),
            partition: told.pool_name.as_ref().map(|name| self.pools.number(name)),
            preceding: used.after.and_then(|on| numbers.get(&on).copied()),
            think_s: None,
        }
    }

    pub fn records(&self) -> &[Record] {
        &self.records
    }
    /// Tenants with their group numbers.
    pub fn tenants(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tenants.all()
    }
    /// Priority classes with their queue numbers.
    pub fn classes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.queues.all()
    }
    pub fn users(&self) -> usize {
        self.users.names.len()
    }
    /// What the job of the record at that place used, where it was asked for and is known.
    pub fn cpu_seconds(&self, record: usize) -> Option<f64> {
        self.jobs.get(record)?.used.as_ref()?.cpu_seconds
    }
    /// First and last submission.
    pub fn lasted(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.jobs.first()?.told.submitted_at.0, self.jobs.last()?.told.submitted_at.0))
    }

    /// The header that SWF 2.2 asks for: what there is in each pool, and which number is whom.
    pub fn header(&self, pools: &[Pool]) -> Header {
        let cores = |pool: &Pool| pool.shape.cpu_millis / 1_000 * u64::from(pool.nodes_total);
        let each = |of: &dyn Fn(&Pool) -> u64| {
            let sum: u64 = pools.iter().map(of).sum();
            let list: Vec<String> = pools.iter().map(|pool| format!("{} {}", pool.name, of(pool))).collect();
            if list.is_empty() { sum.to_string() } else { format!("{sum} ({})", list.join(", ")) }
        };
        let (first, last) = self.lasted().unwrap_or((Timestamp::ZERO, Timestamp::ZERO));
        let mut lines = vec![
            "; Version: 2.2".to_owned(),
            "; Computer: Headworks".to_owned(),
            format!("; Conversion: hw {} twin export", env!("CARGO_PKG_VERSION")),
            format!("; MaxJobs: {}", self.jobs.len()),
            format!("; MaxRecords: {}", self.jobs.len()),
            format!("; UnixStartTime: {}", first.as_secs()),
            "; TimeZoneString: UTC".to_owned(),
            format!("; StartTime: {}", first.rfc3339()),
            format!("; EndTime: {}", last.rfc3339()),
            format!("; MaxNodes: {}", each(&|pool| u64::from(pool.nodes_total))),
            format!("; MaxProcs: {}", each(&cores)),
            format!("; MaxQueues: {}", self.queues.names.len()),
            format!("; MaxPartitions: {}", self.pools.names.len()),
            "; Note: a queue is a priority class, a partition a pool, a group a tenant, an application a job's name"
                .to_owned(),
            "; Note: submissions and waits are cut to whole seconds, run times and limits rounded up".to_owned(),
        ];
        let named = [
            ("Queue", &self.queues),
            ("Partition", &self.pools),
            ("Group", &self.tenants),
            ("User", &self.users),
            ("Application", &self.apps),
        ];
        for (noun, numbers) in named {
            lines.extend(numbers.all().map(|(number, name)| format!("; {noun}: {number} {}", one_line(name))));
        }
        Header { lines }
    }

    /// One line for each job, with names. What did not happen or is not known is empty. Times are RFC 3339.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn csv(&self, mut out: impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "job,name,tenant,project,user,pool,class,state,submitted_at,started_at,ended_at,wait_s,run_s,limit_s,nodes,procs,\
             memory_bytes,gpus,exit_code,charged,currency,cpu_s,memory_peak_bytes"
        )?;
        for Past { told, used } in &self.jobs {
            let label = match &told.array {
                Some(array) => format!("{}_{}", array.root_number, array.index),
                None => told.number.to_string(),
            };
            let used = used.clone().unwrap_or_default();
            let span = |from: Timestamp, to: Timestamp| format!("{}", to.since(from).as_secs_f64());
            let (submitted, started) = (told.submitted_at.0, told.started_at.map(|at| at.0));
            let run = started.zip(told.ended_at).map(|(from, to)| span(from, to.0));
            let fields = [
                label,
                told.name.clone(),
                told.tenant_name.clone(),
                told.project_name.clone(),
                told.user_name.clone(),
                told.pool_name.clone().unwrap_or_default(),
                told.class.to_string(),
                told.state.to_string(),
                told.submitted_at.to_string(),
                text(told.started_at),
                text(told.ended_at),
                text(started.map(|at| span(submitted, at))),
                text(run),
                told.time_limit_seconds.to_string(),
                told.requested.nodes.to_string(),
                procs(told).to_string(),
                told.requested.memory_bytes.to_string(),
                told.requested.gpus.to_string(),
                text(told.exit.map(|exit| exit.code)),
                told.charged.to_string(),
                told.currency.clone(),
                text(used.cpu_seconds),
                text(used.memory_peak_bytes),
            ];
            writeln!(out, "{}", fields.map(|field| wire::sheet::field(&field).into_owned()).join(","))?;
        }
        Ok(())
    }
}

/// Whole cores over all nodes; what asks for less than one has one.
fn procs(told: &JobSummary) -> u32 {
    u32::try_from(told.requested.cpu_millis.div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
}

/// Rounded up, so that whatever ran is a job of the trace.
fn run_s(told: &JobSummary) -> Option<i64> {
    let ran: Span = told.ended_at?.0.since(told.started_at?.0);
    Some((ran.as_micros().max(1) + 999_999) / 1_000_000)
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// What a user wrote must not break a line of the header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
