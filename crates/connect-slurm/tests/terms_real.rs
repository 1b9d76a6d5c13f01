//! What a real cluster says of itself beyond shapes becomes what the platform knows of it, and what a job asks of its nodes
//! reaches Slurm and is granted. Skipped with a message where Slurm is missing.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, Span};
use connect_slurm::supply::{self, Known, Supply};
use model::{Caps, Conditions, NodeState, Order, Outcome, Switches};
use ports::{Cluster as _, ConnectError, conformance};
use serde_json::json;
use support::{Platform, Site, changed, farm};
use testkit::slurm::{Accounting, Cluster, ClusterSpec, NodeSet, Partition};

fn spec() -> ClusterSpec {
    let books = Accounting::default()
        .enforce("associations,limits,qos")
        .sacctmgr(&["add", "account", "guests"])
        .sacctmgr(&["add", "user", "daemon", "account=guests"])
        .sacctmgr(&["modify", "qos", "normal", "set", "MaxWall=2:00:00", "MaxTRESPerJob=cpu=24", "MaxJobsPerUser=40"]);
    ClusterSpec::new("terms")
        .nodes(NodeSet::new(2).feature("ib").feature("rack1"))
        .nodes(NodeSet::new(2).feature("rack2"))
        .partition(Partition::new("main").default().with("MaxNodes=3"))
        .partition(Partition::new("debug").sets(&[0]).with("MaxTime=30"))
        .licence("ansys", 4)
        .topology("SwitchName=leaf1 Nodes=terms-n[1-2]\nSwitchName=leaf2 Nodes=terms-n[3-4]\nSwitchName=top Switches=leaf[1-2]\n")
        .accounting(books)
        .restd_socket()
}

fn reserve(cluster: &Cluster, words: &[&str]) {
    let line: Vec<&str> = ["scontrol", "create", "reservation"].iter().chain(words).copied().collect();
    cluster.run(&line).expect("a reservation");
}

async fn looked_at(site: &Site, known: &[Known]) -> Supply {
    let survey = site.carrier.survey().await.expect("a survey");
    supply::pools(&survey, &site.config, ClusterId::from_u128(1), site.cluster.name(), known)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_what_a_cluster_says_is_known_and_what_a_job_asks_is_granted() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some((_farm, cluster)) = farm(dir.path(), spec()) else { return };
    let me = cluster.user().to_owned();
    reserve(
        &cluster,
        &[
            "ReservationName=mend",
            "StartTime=now+1hour",
            "Duration=60",
            "Users=daemon",
            "Flags=MAINT",
            "Nodes=terms-n1",
        ],
    );
    reserve(
        &cluster,
        &["ReservationName=course", "StartTime=now", "Duration=60", &format!("Users={me}"), "Nodes=terms-n4"],
    );
    let site = Site::new(&cluster, dir.path()).await;
    it_is_known(&site).await;
    it_is_granted(&site, true).await;
    let socket = cluster.restd_socket().expect("a socket");
    let rest = json!({"endpoint": format!("unix:{}", socket.display()), "version": "v0.0.38"});
    it_is_granted(&Site::by(&cluster, dir.path(), json!({"kind": "rest", "rest": rest})).await, false).await;
    names_stay(&site).await;
}

async fn it_is_known(site: &Site) {
    let supply = looked_at(site, &[]).await;
    let plans: BTreeMap<&str, _> = supply.plans.iter().map(|p| (&*p.pool.name, p)).collect();
    let (main, debug) = (plans["terms-main"], plans["terms-debug"]);
    assert!(main.terms.machines && debug.terms.machines);
    // Of the partition, and of the QOS.
    assert_eq!(main.terms.job, Caps { nodes: Some(3), cores: Some(24), ..Caps::NONE });
    assert_eq!(debug.terms.job, Caps { cores: Some(24), ..Caps::NONE });
    assert_eq!((main.time_limit_max, debug.time_limit_max), (Some(Span::from_hours(2)), Some(Span::from_mins(30))));
    assert_eq!(supply.terms.together, Caps { jobs: Some(40), ..Caps::NONE });
    let at = |list: &[(Arc<str>, model::Places)]| {
        list.iter().map(|(name, at)| format!("{name}={at}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(at(&main.terms.features), "ib=0-1 rack1=0-1 rack2=2-3");
    assert_eq!(at(&main.terms.switches), "leaf1=0-1 leaf2=2-3");
    let licences: Vec<_> = supply.terms.licences.iter().map(|l| (&*l.name, l.total, l.used)).collect();
    assert_eq!(licences, [("ansys", 4, 0)]);
    let windows: Vec<_> =
        supply.terms.windows.iter().map(|w| (&*w.name, w.ours, &*w.nodes[0], w.until - w.from)).collect();
    let hour = Span::from_hours(1);
    assert_eq!(windows, [("course", true, "terms-n4", hour), ("mend", false, "terms-n1", hour)]);
    assert_eq!(main.states, [NodeState::Up; 4], "who may use a reserved node is not the node's state");
}

/// slurmrestd of 22.05 takes no `switches` and says so.
async fn it_is_granted(site: &Site, takes_switches: bool) {
    let mut platform = Platform::start(site);
    let asks: [(&str, u32, Conditions, &str); 5] = [
        ("ib&rack1", 1, Conditions::default(), "Features=ib&rack1"),
        ("[rack1|rack2]", 2, Conditions::default(), "Features=[rack1|rack2]"),
        ("", 1, Conditions { licences: vec![("ansys".into(), 2)], ..Conditions::default() }, "Licenses=ansys:2"),
        ("", 1, Conditions { reservation: Some("course".into()), ..Conditions::default() }, "Reservation=course"),
        (
            "(ib|rack2)&rack1",
            2,
            Conditions {
                switches: Some(Switches { count: 1, patience: Some(Span::from_mins(5)) }),
                ..Conditions::default()
            },
            "Switches=1@00:05:00",
        ),
    ];
    for (number, (constraint, nodes, conditions, _)) in (1..).zip(&asks) {
        let constraint = (!constraint.is_empty()).then(|| constraint.parse().expect("a constraint"));
        let conditions = Conditions { constraint, ..conditions.clone() };
        let script = "#!/bin/sh\nscontrol show job \"$SLURM_JOB_ID\" | tr '\\n' ' '\necho \"on $SLURM_JOB_NODELIST\"\n";
        let order = conformance::order(site, number, script);
        let mut order = Order::clone(&order);
        let main = site.pools().into_iter().find(|pool| &*pool.name == "terms-main").expect("the pool");
        (order.pool, order.pool_name) = (main.id, main.name);
        let order = changed(&Arc::new(order), |spec| {
            (spec.request.nodes, spec.request.tasks) = (*nodes, *nodes);
            spec.request.conditions = Some(Arc::new(conditions));
        });
        let answer = platform.cluster.submit(Arc::clone(&order), script.into()).await;
        if order.spec.request.conditions.as_ref().is_some_and(|asked| asked.switches.is_some()) && !takes_switches {
            let refused =
                matches!(&answer, Err(ConnectError::Refused { text, .. }) if text.contains("required_switches"));
            assert!(refused, "{answer:?}");
            continue;
        }
        answer.expect("it is taken");
        let (outcome, ..) = platform.ended(order.attempt).await;
        let log = platform.log(&order).await;
        assert_eq!(outcome, Outcome::Completed, "{log}");
        check(&log, asks[number as usize - 1].3, number);
        platform.cluster.forget(order.attempt).await.expect("forgotten");
    }
}

fn check(log: &str, wanted: &str, number: u64) {
    assert!(log.contains(wanted), "`{wanted}` is not in: {log}");
    let nodes = log.rsplit("on ").next().unwrap_or_default().trim();
    let fits: &[&str] = match number {
        1 => &["terms-n1", "terms-n2"],
        2 => &["terms-n[1-2]", "terms-n[2-3]", "terms-n[3-4]"],
        4 => &["terms-n4"],
        _ => return,
    };
    assert!(fits.contains(&nodes), "number {number} ran on {nodes}");
}

/// A node of another shape comes into the partition: the pool that was there keeps its name.
async fn names_stay(site: &Site) {
    let before = looked_at(site, &[]).await;
    let known: Vec<Known> = before.plans.iter().map(|plan| Known::from(&plan.pool)).collect();
    let mut survey = site.carrier.survey().await.expect("a survey");
    let other = survey.nodes.iter_mut().find(|n| n.name == "terms-n3").expect("the node");
    (other.cpus, other.mem) = (32, base::Bytes::from_gib(512));
    let now = supply::pools(&survey, &site.config, ClusterId::from_u128(1), site.cluster.name(), &known);
    let names: Vec<&str> = now.plans.iter().map(|p| &*p.pool.name).collect();
    assert_eq!(names, ["terms-debug", "terms-main", "terms-main-32c512g"]);
    let ids = |supply: &Supply| supply.plans.iter().map(|p| p.pool.id).take(2).collect::<Vec<_>>();
    assert_eq!(ids(&now), ids(&before));
}
