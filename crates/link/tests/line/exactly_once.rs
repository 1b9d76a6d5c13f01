//! What goes over the line is done once and told once, whatever breaks: the line at random bytes, the agent, the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Seed, Span};
use link::RemoteCluster;
use model::{EndCause, EndOrder, Observation, Observed, Order, Outcome};
use ports::conformance::order;
use ports::{Cluster, ConnectError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::{Cuts, Gate, Running, Server, SiteBed, identity, listener, machine, proxy, seed};

const PATIENCE: Duration = Duration::from_secs(60);

/// What was told of each attempt: starts and ends.
#[derive(Default)]
struct Told(BTreeMap<AttemptId, (u32, u32)>);

impl Told {
    fn take(&mut self, observation: Observation) {
        match observation.what {
            Observed::Started { attempt, .. } => self.0.entry(attempt).or_default().0 += 1,
            Observed::Ended { attempt, outcome, .. } => {
                assert_eq!(outcome, Outcome::Failed);
                let (starts, ends) = self.0.entry(attempt).or_default();
                assert!(*starts > 0, "an end before its start");
                *ends += 1;
            }
            // Lines are away for longer than the test's short patience.
            Observed::Unreachable | Observed::Reachable => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    fn ended(&self) -> usize {
        self.0.values().filter(|(_, ends)| *ends > 0).count()
    }
}

/// As the driver does: again until it is done.
async fn insist<T>(what: impl AsyncFn() -> Result<T, ConnectError>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match what().await {
            Ok(done) => return done,
            Err(ConnectError::Unreachable(error)) => assert!(Instant::now() < until, "{error}"),
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn hand_over(cluster: Arc<RemoteCluster>, order: Arc<Order>, script: &str) {
    while let Err(error) = cluster.submit(order.clone(), script.into()).await {
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_loses_and_repeats_nothing() {
    const JOBS: u64 = 400;
    let seed = seed();
    println!("HW_SEED={seed}");
    let cuts = Arc::new(Cuts::new(seed, 2_000, 40_000));
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let (through, _proxy) = proxy(address, cuts.clone());
    let machine = machine();
    let gate = Gate::new(identity(folder.path(), "agent").fingerprint());
    let server_identity = identity(folder.path(), "server");
    let pin = server_identity.fingerprint();
    let server = Server::start(&socket, server_identity, gate.clone());
    let _agent = Running::start(folder.path(), through, pin, &machine).await;
    let (sender, mut observations) = mpsc::channel(16);
    let cluster = Arc::new(RemoteCluster::new(server.gate.site.clone(), sender));
    insist(async || cluster.resume(Vec::new()).await).await;

    let bed = SiteBed::new(None);
    let script = "echo a line of output\nexit 3\n";
    let orders: Vec<_> = (1..=JOBS).map(|number| order(&bed, number, script)).collect();
    let submitting = {
        let (cluster, orders) = (cluster.clone(), orders.clone());
        tokio::spawn(async move {
            for some in orders.chunks(8) {
                let all = some.iter().map(|order| hand_over(cluster.clone(), order.clone(), script));
                futures::future::join_all(all).await;
            }
        })
    };
    let mut told = Told::default();
    let until = Instant::now() + PATIENCE;
    while told.ended() < JOBS as usize {
        assert!(Instant::now() < until, "{} of {JOBS} ended", told.ended());
        if let Ok(Some(observation)) = tokio::time::timeout(Duration::from_millis(2), observations.recv()).await {
            told.take(observation);
        }
        machine.tick(Span::from_millis(10)).await;
    }
    submitting.await.unwrap();
    for order in &orders {
        assert_eq!(machine.starts(order.attempt), 1, "handed over once");
        // A repeated submission may make the connector say it again; the line itself adds nothing.
        let (starts, ends) = told.0[&order.attempt];
        assert!(starts <= 2 && ends <= 2, "{starts} starts, {ends} ends");
    }
    let repeated = told.0.values().filter(|told| **told != (1, 1)).count();
    assert_eq!(repeated, 0, "neither lost answers nor lost lines made a repetition");
    println!("{} cuts", cuts.made());
    assert!(cuts.made() > 15, "the line was cut only {} times", cuts.made());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_and_servers_are_killed_and_every_job_runs_once() {
    const ROUNDS: u64 = 12;
    const JOBS: u64 = 10;
    let seed = seed();
    println!("HW_SEED={seed}");
    let mut chance = Seed::from_u64(seed).child("kills").stream();
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let machine = machine();
    let key = identity(folder.path(), "agent").fingerprint();
    let pin = identity(folder.path(), "server").fingerprint();
    let bed = SiteBed::new(None);
    let script = "sleep 1\nexit 3\n";
    let start_server = || {
        let (sender, observations) = mpsc::channel(16);
        let server = Server::start(&socket, identity(folder.path(), "server"), Gate::new(key));
        let cluster = Arc::new(RemoteCluster::new(server.gate.site.clone(), sender));
        (server, cluster, observations)
    };
    let (mut server, mut cluster, mut observations) = start_server();
    let mut agent = Running::start(folder.path(), address, pin, &machine).await;
    insist(async || cluster.resume(Vec::new()).await).await;
    // As the engine: open until an end is known, then forgotten.
    let mut open: BTreeMap<AttemptId, Arc<Order>> = BTreeMap::new();
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        for n in 0..JOBS {
            let order = order(&bed, round * JOBS + n + 1, script);
            open.insert(order.attempt, order.clone());
            all.push(order);
        }
        for order in open.values() {
            // Some are on their way when the other end dies.
            let (cluster, order) = (cluster.clone(), order.clone());
            drop(tokio::spawn(async move { drop(cluster.submit(order, script.into()).await) }));
        }
        machine.tick(Span::from_millis(chance.below(700) as i64)).await;
        if round % 3 == 2 {
            drop((server, cluster, observations));
            (server, cluster, observations) = start_server();
            let ids: Vec<_> = open.keys().copied().collect();
            insist(async || cluster.resume(ids.clone()).await).await;
        } else {
            *server.gate.open.lock().unwrap() = Some(open.keys().copied().collect());
            agent.kill().await;
            agent = Running::start(folder.path(), address, pin, &machine).await;
        }
        for order in open.values() {
            insist(async || cluster.submit(order.clone(), script.into()).await).await;
        }
        let until = Instant::now() + PATIENCE;
        while !open.is_empty() {
            assert!(Instant::now() < until, "round {round}: {} still open", open.len());
            machine.tick(Span::from_millis(50)).await;
            let Ok(Some(seen)) = tokio::time::timeout(Duration::from_millis(2), observations.recv()).await else {
                continue;
            };
            if let Observed::Ended { attempt, .. } = seen.what
                && open.remove(&attempt).is_some()
            {
                insist(async || cluster.forget(attempt).await).await;
            }
        }
    }
    for order in all {
        assert_eq!(machine.starts(order.attempt), 1, "{}", order.attempt);
    }
    drop(server);
}

/// That an attempt is not there was true once; both ends are started again after it came, and the log of the agent still has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_that_was_overtaken_is_not_heard_again() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let machine = machine();
    let key = identity(folder.path(), "agent").fingerprint();
    let pin = identity(folder.path(), "server").fingerprint();
    let start_server = || {
        let (sender, observations) = mpsc::channel(16);
        let server = Server::start(&socket, identity(folder.path(), "server"), Gate::new(key));
        let cluster = RemoteCluster::new(server.gate.site.clone(), sender);
        (server, cluster, observations)
    };
    let next = async |observations: &mut mpsc::Receiver<Observation>| {
        let seen = tokio::time::timeout(PATIENCE, observations.recv()).await.expect("nothing is told");
        seen.expect("the line is there").what
    };
    let (server, cluster, mut observations) = start_server();
    let agent = Running::start(folder.path(), address, pin, &machine).await;
    let order = order(&SiteBed::new(None), 1, "sleep 1000");
    insist(async || cluster.resume(vec![order.attempt]).await).await;
    machine.tick(Span::from_millis(1)).await;
    assert!(matches!(next(&mut observations).await, Observed::Gone { attempt, .. } if attempt == order.attempt));
    insist(async || cluster.submit(order.clone(), "sleep 1000".into()).await).await;
    machine.tick(Span::from_millis(10)).await;
    while !matches!(next(&mut observations).await, Observed::Started { .. }) {}
    agent.kill().await;
    drop((server, cluster, observations));
    let (_server, cluster, mut observations) = start_server();
    let _agent = Running::start(folder.path(), address, pin, &machine).await;
    insist(async || cluster.resume(vec![order.attempt]).await).await;
    machine.tick(Span::from_millis(1)).await;
    loop {
        match next(&mut observations).await {
            Observed::Started { .. } => break,
            Observed::Gone { .. } => panic!("it is there"),
            _ => {}
        }
    }
}

/// The folder of an agent is lost while work is open: the new agent ends nothing that it does not know, until it was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_lost_its_folder_is_told_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let machine = machine();
    let gate = Gate::new(identity(folder.path(), "agent").fingerprint());
    let pin = identity(folder.path(), "server").fingerprint();
    let _server = Server::start(&socket, identity(folder.path(), "server"), gate.clone());
    let agent = Running::start(folder.path(), address, pin, &machine).await;
    let (sender, mut observations) = mpsc::channel(16);
    let cluster = RemoteCluster::new(gate.site.clone(), sender);
    insist(async || cluster.resume(Vec::new()).await).await;
    let bed = SiteBed::new(None);
    let (kept, stray) = (order(&bed, 1, "sleep 1000"), order(&bed, 2, "sleep 1000"));
    for order in [&kept, &stray] {
        insist(async || cluster.submit((*order).clone(), "sleep 1000".into()).await).await;
    }
    machine.tick(Span::from_millis(10)).await;
    assert_eq!(machine.running().len(), 2);
    let before = gate.site.status().connected_since;
    agent.kill().await;
    for file in ["events", "attempts"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    let _agent = Running::start(folder.path(), address, pin, &machine).await;
    while gate.site.status().connected_since <= before {
        tokio::task::yield_now().await;
    }
    // The platform does not say yet: nothing is handed over, nothing is ended.
    let other = order(&bed, 3, "exit 0");
    let answer = cluster.submit(other.clone(), "exit 0".into()).await;
    assert!(matches!(answer, Err(ConnectError::Unreachable(_))), "{answer:?}");
    assert_eq!(machine.running().len(), 2);
    *gate.open.lock().unwrap() = Some(vec![kept.attempt]);
    insist(async || cluster.submit(other.clone(), "exit 0".into()).await).await;
    assert_eq!(machine.running(), [kept.attempt]);
    machine.tick(Span::from_millis(10)).await;
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "its end did not come");
        let Some(seen) = observations.recv().await else { panic!("closed") };
        if matches!(seen.what, Observed::Ended { attempt, .. } if attempt == other.attempt) {
            break;
        }
    }
}

/// A server that stays sees that the agent is another process now: what it was handed and had not passed on is handed over again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_was_started_again_is_noticed_and_a_line_that_came_back_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let machine = machine();
    let gate = Gate::new(identity(folder.path(), "agent").fingerprint());
    let pin = identity(folder.path(), "server").fingerprint();
    let _server = Server::start(&socket, identity(folder.path(), "server"), gate.clone());
    let (sender, _observations) = mpsc::channel(16);
    let cluster = RemoteCluster::new(gate.site.clone(), sender);
    *gate.open.lock().unwrap() = Some(Vec::new());
    let mut agent = Running::start(folder.path(), address, pin, &machine).await;
    insist(async || cluster.resume(Vec::new()).await).await;
    for restarts in 1..3 {
        // The same process over another line.
        let before = gate.site.status().connected_since;
        gate.site.hang_up();
        while gate.site.status().connected_since <= before {
            tokio::task::yield_now().await;
        }
        insist(async || cluster.describe().await).await;
        assert_eq!(gate.repeats.load(std::sync::atomic::Ordering::Relaxed), restarts - 1);
        agent.kill().await;
        agent = Running::start(folder.path(), address, pin, &machine).await;
        let until = Instant::now() + PATIENCE;
        while gate.repeats.load(std::sync::atomic::Ordering::Relaxed) < restarts {
            assert!(Instant::now() < until, "nobody noticed");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_without_a_line_is_unreachable_until_it_has_one_again() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let machine = machine();
    let gate = Gate::new(identity(folder.path(), "agent").fingerprint());
    let pin = identity(folder.path(), "server").fingerprint();
    let _server = Server::start(&socket, identity(folder.path(), "server"), gate.clone());
    let agent = Running::start(folder.path(), address, pin, &machine).await;
    let (sender, mut observations) = mpsc::channel(16);
    let cluster = RemoteCluster::new(gate.site.clone(), sender);
    insist(async || cluster.resume(Vec::new()).await).await;
    assert!(gate.site.status().connected_since.is_some());
    agent.kill().await;
    assert_eq!(observations.recv().await.unwrap().what, Observed::Unreachable);
    assert_eq!(gate.site.status().connected_since, None);
    let order = order(&SiteBed::new(None), 1, "exit 0");
    let how = EndOrder { cause: EndCause::Cancelled, grace: Span::from_secs(1) };
    let mut waiting = cluster.end(order.attempt, how);
    // Asked while nobody is there; a new agent that takes stock would have it asked again.
    tokio::select! {
        biased;
        early = &mut waiting => panic!("nobody was there to answer: {early:?}"),
        () = std::future::ready(()) => {}
    }
    let _agent = Running::start(folder.path(), address, pin, &machine).await;
    waiting.await.unwrap();
    assert_eq!(observations.recv().await.unwrap().what, Observed::Reachable);
}
