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
    pub fn users(&self) -> usize {
        self.users.names.len()
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
            lines.extend(
                numbers.all().map(|(number, name)| format!("; {noun}: {number} {}", crate::view::cell::one_line(name))),
            );
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

#[cfg(test)]
mod tests {
    use sim::trace::{OnBad, swf};

    use super::*;
    use crate::view::tests_support::{pool, summary, time};

    fn past(number: u64, state: JobState, change: impl FnOnce(&mut JobSummary)) -> Past {
        let mut told = summary(number, state);
        change(&mut told);
        Past { told, used: None }
    }

    #[test]
    fn what_is_written_says_the_same_when_read() {
        let late = past(9, JobState::Timeout, |job| {
            job.submitted_at = time("2026-11-21T08:10:00.7Z");
            job.started_at = Some(time("2026-11-21T08:20:00.2Z"));
            job.ended_at = Some(time("2026-11-21T08:20:00.5Z"));
            (job.user_name, job.tenant_name, job.name) = ("zoe".into(), "chem".into(), "=1, \"x\"".into());
            job.requested.cpu_millis = 1_500;
        });
        let never = past(8, JobState::Cancelled, |job| {
            (job.started_at, job.pool, job.pool_name) = (None, None, None);
            job.submitted_at = time("2026-11-21T08:00:00Z");
        });
        let used = Used { cpu_seconds: Some(400.0), memory_peak_bytes: Some(1 << 30), after: Some(never.told.id) };
        let first = Past { used: Some(used), ..past(7, JobState::Completed, |_| {}) };
        let history = History::of(vec![late, first, never]);
        let mut text = Vec::new();
        swf::write(&history.header(&[pool("local", 3)]), history.records(), &mut text).unwrap();
        let trace = swf::read(text.as_slice(), OnBad::Refuse).unwrap();
        assert_eq!(trace.records, history.records());
        let [first, never, late] = &trace.records[..] else { panic!("{:?}", trace.records) };
        assert_eq!((first.submit_s, first.wait_s, first.run_s), (Some(0), Some(60), Some(3_723)));
        assert_eq!((first.procs_allocated, first.estimate_s, first.status), (Some(4), Some(7_200), Some(COMPLETED)));
        // Of four processors: 8 GiB asked for, 1 GiB and 400 s used.
        assert_eq!((first.memory_requested_kib, first.memory_used_kib), (Some(2 << 20), Some(1 << 18)));
        assert_eq!((first.cpu_s, first.preceding), (Some(100.0), Some(8)));
        assert_eq!((never.submit_s, never.wait_s, never.run_s), (Some(60), None, None));
        assert_eq!((never.procs_allocated, never.procs_requested, never.status), (None, Some(4), Some(CANCELLED)));
        // A third of a second is a run; one and a half cores are two processors.
        assert_eq!((late.submit_s, late.wait_s, late.run_s), (Some(660), Some(599), Some(1)));
        assert_eq!((late.procs_requested, late.status), (Some(2), Some(FAILED)));
        assert_eq!((late.user, late.group, late.app, late.partition), (Some(2), Some(2), Some(2), Some(1)));
        assert_eq!((never.user, never.partition), (Some(1), None));
        let header = &trace.header;
        assert_eq!(header.procs(), Some(96));
        assert_eq!((header.number("UnixStartTime"), header.number("MaxNodes")), (Some(1_795_247_940), Some(3)));
        assert_eq!(header.all("User").collect::<Vec<_>>(), ["1 bio/ann", "2 chem/zoe"]);
        assert_eq!(header.all("Partition").collect::<Vec<_>>(), ["1 local"]);
        let mut csv = Vec::new();
        history.csv(&mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert!(csv.contains("9,\"'=1, \"\"x\"\"\",chem,default,zoe,local,normal,TIMEOUT,"), "{csv}");
        let never = ",,normal,CANCELLED,2026-11-21T08:00:00.000000Z,,2026-11-21T09:02:03.000000Z,,,7200,1,4,";
        assert!(csv.contains(never), "what never ran has neither pool, start, wait nor run: {csv}");
        assert_eq!(csv.lines().count(), 4);
    }

    #[test]
    fn a_past_without_jobs_is_a_trace_without_jobs() {
        let history = History::of(Vec::new());
        let mut text = Vec::new();
        swf::write(&history.header(&[]), history.records(), &mut text).unwrap();
        assert_eq!(swf::read(text.as_slice(), OnBad::Refuse).unwrap().records, []);
    }
}
