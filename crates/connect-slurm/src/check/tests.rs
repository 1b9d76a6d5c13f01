//! Checks of clusters in memory, good and bad.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use base::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use ports::{Entry, FileError, Files};

use super::*;
use crate::carrier::*;

/// A cluster that runs every job at once, on a shared work folder in memory.
struct Site {
    survey: Result<Survey, ()>,
    refuse: Option<&'static str>,
    /// What a job writes besides.
    says: &'static str,
    /// It refuses jobs for this partition only.
    closed: &'static str,
    /// The name that the site gives to jobs, and whether it leaves their comment.
    rename: Option<(&'static str, bool)>,
    sent: Mutex<(String, String)>,
    /// State of every job; output is written when it is `Completed`.
    state: SlurmState,
    files: Arc<Memory>,
    /// The nodes' view of the work root is another one.
    apart: bool,
    cancelled: Mutex<Vec<JobNumber>>,
}

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>, bool);

fn survey() -> Survey {
    let node = NodeFacts {
        name: "n1".into(),
        state: "IDLE".into(),
        reason: None,
        cpus: 8,
        mem: Bytes::from_gib(32),
        gres: vec![Gres { name: "gpu".into(), kind: Some("a100".into()), count: 2 }],
        features: Vec::new(),
        partitions: vec!["main".into()],
        cpus_allocated: 0,
        mem_allocated: Bytes(0),
        gres_allocated: Vec::new(),
    };
    let partition = PartitionFacts {
        name: "main".into(),
        state: "UP".into(),
        is_default: true,
        nodes: vec!["n1".into()],
        max_time_minutes: None,
        max_nodes: None,
        min_nodes: None,
        default_time_minutes: None,
        allow_accounts: Vec::new(),
        allow_qos: Vec::new(),
        preempt_mode: "OFF".into(),
        rules: Vec::new(),
    };
    let words = [("MinJobAge", "300 sec"), ("MaxJobCount", "10000"), ("AccountingStorageTRES", "cpu,mem,gres/gpu")];
    Survey {
        version: "22.05.8".into(),
        cluster_name: "site".into(),
        user: "hw".into(),
        accounting: AccountingKind::Slurmdbd,
        clock: 1_000,
        config: words.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        partitions: vec![partition],
        nodes: vec![node],
        reservations: Vec::new(),
        licences: Vec::new(),
        limits: Vec::new(),
        topology: Vec::new(),
    }
}

impl Site {
    fn new() -> Site {
        Site {
            survey: Ok(survey()),
            refuse: None,
            says: "",
            closed: "",
            rename: None,
            sent: Mutex::default(),
            state: SlurmState::Completed,
            files: Arc::default(),
            apart: false,
            cancelled: Mutex::default(),
        }
    }
    fn job(&self, number: JobNumber) -> QueuedJob {
        let (name, comment) = self.sent.lock().unwrap().clone();
        QueuedJob {
            number,
            name: self.rename.map_or(name, |(name, _)| name.into()),
            comment: if self.rename.is_none_or(|(_, kept)| kept) { comment } else { String::new() },
            state: self.state.clone(),
            flags: Vec::new(),
            reason: Some("Resources".into()),
            submitted: 1_000,
            start: None,
            end: None,
            suspended_seconds: 0,
            nodes: Vec::new(),
            restarts: 0,
            exit: Some((0, 53)),
            tres: String::new(),
            user: None,
        }
    }
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    std::future::ready(value).boxed()
}

impl Carrier for Site {
    fn describe(&self) -> String {
        "a site in memory".into()
    }
    fn survey(&self) -> BoxFuture<'_, Result<Survey, CarrierError>> {
        let lost = |()| CarrierError::Unreachable(io::Error::other("no route"));
        ready(self.survey.clone().map_err(lost))
    }
    fn nodes(&self, _: Option<i64>) -> BoxFuture<'_, Result<Vec<NodeFacts>, CarrierError>> {
        ready(Ok(Vec::new()))
    }
    fn submit<'a>(&'a self, request: &'a SubmitRequest) -> BoxFuture<'a, Result<JobNumber, SubmitError>> {
        if let Some(words) = self.refuse {
            return ready(Err(SubmitError::Refused(words.into())));
        }
        if request.partition.as_deref() == Some(self.closed) {
            return ready(Err(SubmitError::Refused("not in this partition".into())));
        }
        *self.sent.lock().unwrap() = (request.name.clone(), request.comment.clone());
        if self.state == SlurmState::Completed && !self.apart {
            let path = request.stdout.strip_prefix("/work/").unwrap().to_owned();
            let room = "Filesystem 1024-blocks Used Available\n/dev/x 9 9 104857600 9% /\n";
            let text = format!("{room}{}headworks-check-done\n", self.says);
            self.files.0.lock().unwrap().insert(path, text.into_bytes());
        }
        ready(Ok(41))
    }
    fn queue(&self, wanted: QueueWanted) -> BoxFuture<'_, Result<Queue, CarrierError>> {
        let jobs = match wanted {
            QueueWanted::Jobs(numbers) => numbers.into_iter().map(|n| self.job(n)).collect(),
            _ => Vec::new(),
        };
        ready(Ok(Queue { clock: None, jobs, whole: true }))
    }
    fn accounts(&self, _: AccountsWanted) -> BoxFuture<'_, Result<Vec<AccountedRun>, CarrierError>> {
        ready(Ok(Vec::new()))
    }
    fn cancel<'a>(&'a self, numbers: &'a [JobNumber], _: Cancel) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.cancelled.lock().unwrap().extend(numbers);
        ready(Ok(()))
    }
    fn hold<'a>(&'a self, _: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        ready(Ok(()))
    }
    fn release<'a>(&'a self, _: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        ready(Ok(()))
    }
    fn set_time_limit(&self, _: JobNumber, _: u32) -> BoxFuture<'_, Result<(), CarrierError>> {
        ready(Ok(()))
    }
}

impl Files for Memory {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        ready(Err(FileError::NotFound(path.into())))
    }
    fn list<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        ready(Ok(Vec::new()))
    }
    fn read<'a>(&'a self, path: &'a str, _: u64, _: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        ready(self.0.lock().unwrap().get(path).cloned().ok_or_else(|| FileError::NotFound(path.into())))
    }
    fn write<'a>(&'a self, path: &'a str, _: u64, bytes: Vec<u8>, _: u32) -> BoxFuture<'a, Result<(), FileError>> {
        if self.1 {
            return ready(Err(FileError::Denied("read-only".into())));
        }
        self.0.lock().unwrap().insert(path.into(), bytes);
        ready(Ok(()))
    }
    fn make_folder<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        ready(Ok(()))
    }
    fn rename<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        ready(Ok(()))
    }
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        self.0.lock().unwrap().retain(|known, _| !known.starts_with(path));
        ready(Ok(()))
    }
}

async fn checked(site: &Site, seconds_off: i64) -> CheckReport {
    let text = r#"{"way": {"kind": "command"}, "work_root": "/work"}"#;
    let config: SlurmConfig = serde_json::from_str(text).unwrap();
    let clock = move || Timestamp::from_secs(1_000 + seconds_off);
    let wanted = Checked {
        config: &config,
        cluster: ClusterId::from_u128(1),
        name: "alpha",
        tag: 0xabc,
        clock: &clock,
        patience: Duration::from_secs(5),
    };
    let told = Mutex::new(0);
    let report = check(site, Some(&*site.files), &wanted, &|_| *told.lock().unwrap() += 1).await;
    assert_eq!(*told.lock().unwrap(), report.findings.len(), "every finding is told as it comes");
    let silent = report.findings.iter().find(|f| f.level != Level::Ok && f.advice.is_empty());
    assert_eq!(silent, None, "what is not well says what to do");
    report
}

fn of<'a>(report: &'a CheckReport, what: &str) -> Vec<(Level, &'a str)> {
    report.findings.iter().filter(|f| f.what == what).map(|f| (f.level, f.found.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_good_cluster_passes_and_is_described() {
    let site = Site::new();
    let report = checked(&site, 0).await;
    assert!(report.passed(), "{report:#?}");
    assert!(report.findings.iter().all(|f| f.level == Level::Ok), "{report:#?}");
    let summary = report.summary.as_ref().unwrap();
    assert_eq!((summary.nodes, summary.pools.len(), summary.accounting.as_str()), (1, 1, "slurmdbd"));
    assert_eq!(summary.pools[0].chip.as_deref(), Some("nvidia-a100"));
    assert!(summary.first_job_millis.is_some());
    assert!(of(&report, "work_root").iter().any(|(_, f)| f.contains("100G free")), "{report:#?}");
    assert!(site.files.0.lock().unwrap().is_empty(), "nothing is left behind");
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<CheckReport>(&text).unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_fails_at_once() {
    let site = Site { survey: Err(()), ..Site::new() };
    let report = checked(&site, 0).await;
    assert!(!report.passed());
    assert_eq!(report.findings.len(), 1);
    assert!(report.findings[0].found.contains("no route"));
}

#[tokio::test(start_paused = true)]
async fn each_weakness_is_named() {
    let mut site = Site { apart: true, ..Site::new() };
    let facts = site.survey.as_mut().unwrap();
    facts.version = "19.05.3".into();
    facts.accounting = AccountingKind::Controller;
    facts.config = [("MinJobAge", "30 sec"), ("MaxJobCount", "100"), ("SelectType", "select/linear")]
        .iter()
        .map(|(a, b)| ((*a).into(), (*b).into()))
        .collect();
    facts.config.push(("AccountingStorageEnforce".into(), "associations,limits,qos".into()));
    let limit = |of: &str, word: &str, value: &str| LimitFacts {
        of: of.into(),
        limits: vec![("QOS".into(), "debt,normal".into()), (word.into(), value.into())],
    };
    // The first is nothing to say, the second is what stops us, the third is for others.
    facts.limits = vec![
        limit("association proj/hw", "Def QOS", "debt"),
        limit("qos debt", "GrpJobs", "0"),
        limit("qos blocked", "MaxJobsPU", "0"),
    ];
    let report = checked(&site, -40).await;
    assert_eq!(of(&report, "version")[0].0, Level::Fail);
    assert_eq!(of(&report, "clock"), [(Level::Warn, "is 40 s ahead of ours")]);
    assert!(of(&report, "accounting")[0].1.contains("30 s (MinJobAge)"));
    assert_eq!(of(&report, "limits").iter().map(|(l, _)| *l).collect::<Vec<_>>(), [Level::Warn, Level::Fail]);
    assert!(of(&report, "settings").iter().any(|(_, f)| f.contains("linear")));
    assert!(of(&report, "work_root").iter().any(|(l, f)| *l == Level::Fail && f.contains("not seen from here")));
    assert!(!report.passed());
}

#[tokio::test(start_paused = true)]
async fn a_first_job_that_is_refused_fails_or_waits() {
    let refused = checked(&Site { refuse: Some("Invalid account"), ..Site::new() }, 0).await;
    assert!(matches!(of(&refused, "first_job")[..], [(Level::Fail, words)] if words.contains("Invalid account")));
    let badly = checked(&Site { state: SlurmState::Failed, ..Site::new() }, 0).await;
    assert!(matches!(of(&badly, "first_job")[..], [(Level::Fail, words)] if words.contains("0:53")));
    let site = Site { state: SlurmState::Pending, ..Site::new() };
    let waits = checked(&site, 0).await;
    assert!(matches!(of(&waits, "first_job")[..], [(Level::Warn, words)] if words.contains("Resources")));
    assert_eq!(*site.cancelled.lock().unwrap(), [41]);
    let site = Site { files: Arc::new(Memory(Mutex::default(), true)), ..Site::new() };
    let closed = checked(&site, 0).await;
    assert!(matches!(of(&closed, "work_root")[..], [(Level::Fail, words)] if words.contains("read-only")));
    assert_eq!(of(&closed, "first_job")[0].0, Level::Warn);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_refuses_jobs_is_named_and_another_one_tried() {
    let mut site = Site { closed: "main", ..Site::new() };
    let partitions = &mut site.survey.as_mut().unwrap().partitions;
    partitions.push(PartitionFacts { name: "open".into(), is_default: false, ..partitions[0].clone() });
    let report = checked(&site, 0).await;
    assert!(report.passed(), "{report:#?}");
    let found = of(&report, "first_job");
    assert!(matches!(found[..], [(Level::Warn, refused), (Level::Ok, ran)]
        if refused.contains("`main` does not take it: not in this partition") && ran.contains("`open`")));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_renames_jobs_must_leave_their_comments() {
    for (kept, level) in [(true, Level::Warn), (false, Level::Fail)] {
        let report = checked(&Site { rename: Some(("site_job", kept)), ..Site::new() }, 0).await;
        let found = of(&report, "first_job");
        assert!(found.iter().any(|(l, words)| *l == level && words.contains("`site_job`")), "{found:?}");
        assert_eq!(report.passed(), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_work_root_from_which_no_program_starts_is_none() {
    let report = checked(&Site { says: "headworks-check-noexec\n", ..Site::new() }, 0).await;
    assert!(of(&report, "work_root").iter().any(|(l, words)| *l == Level::Fail && words.contains("noexec")));
    assert!(!report.passed());
}
