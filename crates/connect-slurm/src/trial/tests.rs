//! Trials of a cluster in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use base::{ClusterId, PoolId};
use futures::future::BoxFuture;
use ports::{ClusterFacts, ConnectError, FakeCluster, FakeMachine, Fault, LogChunk, PoolFacts};

use super::*;

/// The fake, with the array's variable filled in and the time limit held, as a real cluster does.
struct Site(FakeCluster, Option<EndCause>);

impl Cluster for Site {
    fn describe(&self) -> BoxFuture<'_, Result<ClusterFacts, ConnectError>> {
        self.0.describe()
    }
    fn submit(&self, order: Arc<Order>, script: Arc<str>) -> BoxFuture<'_, Result<(), ConnectError>> {
        let index = order.array.map_or(String::new(), |a| a.index.to_string());
        let script: Arc<str> = script.replace("$SLURM_ARRAY_TASK_ID", &index).into();
        Box::pin(async move {
            let timeout = *order.spec.name == *"hw-trial-time_limit";
            let attempt = order.attempt;
            self.0.submit(order, script).await?;
            if let (true, Some(cause)) = (timeout, self.1) {
                self.0.end(attempt, EndOrder { cause, grace: KILL_GRACE }).await?;
            }
            Ok(())
        })
    }
    fn end(&self, attempt: AttemptId, how: EndOrder) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.0.end(attempt, how)
    }
    fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.0.signal(attempt, signal, shell_only)
    }
    fn forget(&self, attempt: AttemptId) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.0.forget(attempt)
    }
    fn resume(&self, open: Vec<AttemptId>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.0.resume(open)
    }
    fn read_log(
        &self,
        order: Arc<Order>,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ConnectError>> {
        self.0.read_log(order, stream, offset, max)
    }
    fn wait_log(&self, order: Arc<Order>, stream: LogStream, size: u64) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.0.wait_log(order, stream, size)
    }
}

fn pool(number: u128, gpus: u32) -> SlurmPool {
    SlurmPool {
        id: PoolId::from_u128(number),
        name: format!("p{number}").into(),
        partition: "main".into(),
        gres: (gpus > 0).then(|| ("gpu".into(), None)),
        constraint: None,
        exclude: Vec::new(),
        nodes: vec!["fake".into()],
        shape: Resources::new(4, Bytes::from_gib(4), gpus),
        chip: None,
    }
}

async fn tried(pools: &[SlurmPool], timeout: Option<EndCause>, fault: Option<Fault>) -> TrialReport {
    let facts = PoolFacts {
        name: "p1".into(),
        shape: Resources::new(4, Bytes::from_gib(4), 0),
        chip: None,
        nodes: Vec::new(),
        time_limit_max: None,
        terms: Default::default(),
    };
    let machine = FakeMachine::new(ClusterId::from_u128(1), vec![facts], Timestamp::from_secs(1_000));
    let (sender, receiver) = mpsc::channel(64);
    let site = Site(machine.open(sender), timeout);
    if let Some(fault) = fault {
        // The first call resumes, the second hands in.
        machine.next_call(Fault::LostAnswer);
        machine.next_call(fault);
    }
    let passing = tokio::spawn(async move {
        loop {
            machine.tick(Span::from_secs(1)).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let drawn = AtomicU64::new(1);
    let trial = Trial {
        pools,
        draw: &|| u128::from(drawn.fetch_add(1, Ordering::Relaxed)),
        clock: &|| Timestamp::from_secs(1_000),
        tenant: "house".into(),
        project: "default".into(),
        user: "trial".into(),
        patience: Duration::from_secs(240),
    };
    let report = run(Arc::new(site), receiver, &trial).await;
    passing.abort();
    report
}

fn verdicts(report: &TrialReport) -> Vec<(&str, &str, Verdict)> {
    report.cases.iter().map(|c| (c.what.as_str(), c.pool.as_str(), c.verdict)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_as_told_passes() {
    let report = tried(&[pool(1, 0), pool(2, 2)], Some(EndCause::TimeLimit), None).await;
    assert!(report.passed(), "{report:#?}");
    use Verdict::Passed;
    let want = [
        ("success", "p1", Passed),
        ("success", "p2", Passed),
        ("failure", "p1", Passed),
        ("cancel", "p1", Passed),
        ("time_limit", "p1", Passed),
        ("array", "p1", Passed),
        ("cards", "p2", Passed),
    ];
    assert_eq!(verdicts(&report), want);
    assert!(report.cases[5].words.starts_with("3 elements"), "{report:#?}");
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<TrialReport>(&text).unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_not_held_fails_and_missing_cards_are_skipped() {
    let report = tried(&[pool(1, 0)], None, None).await;
    assert!(!report.passed());
    let limit = report.cases.iter().find(|c| c.what == "time_limit").unwrap();
    assert_eq!((limit.verdict, limit.words.as_str()), (Verdict::Failed, "it still runs; no reason was given"));
    assert!(report.cases.iter().any(|c| c.what == "cards" && c.verdict == Verdict::Skipped));
    let wrong = tried(&[pool(1, 0)], Some(EndCause::Cancelled), None).await;
    let limit = wrong.cases.iter().find(|c| c.what == "time_limit").unwrap();
    assert_eq!(limit.words, "wanted Timeout, saw Cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_in_the_clusters_words() {
    let report = tried(&[pool(1, 0)], Some(EndCause::TimeLimit), Some(Fault::Refused { permanent: true })).await;
    let refused: Vec<&Case> = report.cases.iter().filter(|c| c.verdict == Verdict::Failed).collect();
    assert_eq!(refused.len(), 1, "{report:#?}");
    assert!(refused[0].words.contains("refused: a fault"), "{report:#?}");
    let none = tried(&[], None, None).await;
    assert!(!none.passed());
}
