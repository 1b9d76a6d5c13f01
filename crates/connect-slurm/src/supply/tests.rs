//! Surveys of clusters of several kinds, and the pools they make.

use super::*;
use crate::carrier::Gres;
use crate::carrier::{AccountingKind, LimitFacts, ReservationFacts};
use crate::check::Level;

fn gres(text: &str) -> Gres {
    let mut parts: Vec<&str> = text.split(':').collect();
    let count = parts.pop().unwrap().parse().unwrap();
    Gres { name: parts[0].into(), kind: parts.get(1).map(|k| (*k).into()), count }
}

fn node(name: &str, cpus: u32, gib: u64, cards: &[&str], features: &[&str]) -> NodeFacts {
    NodeFacts {
        name: name.into(),
        state: "IDLE".into(),
        reason: None,
        cpus,
        mem: Bytes::from_gib(gib),
        gres: cards.iter().map(|g| gres(g)).collect(),
        features: features.iter().map(|f| (*f).into()).collect(),
        partitions: Vec::new(),
        cpus_allocated: 0,
        mem_allocated: Bytes(0),
        gres_allocated: Vec::new(),
    }
}

fn partition(name: &str, nodes: &[&str]) -> PartitionFacts {
    PartitionFacts {
        name: name.into(),
        state: "UP".into(),
        is_default: false,
        nodes: nodes.iter().map(|n| (*n).into()).collect(),
        max_time_minutes: None,
        max_nodes: None,
        min_nodes: None,
        default_time_minutes: None,
        allow_accounts: Vec::new(),
        allow_qos: Vec::new(),
        preempt_mode: "OFF".into(),
        rules: Vec::new(),
    }
}

fn survey(partitions: Vec<PartitionFacts>, nodes: Vec<NodeFacts>) -> Survey {
    Survey {
        version: "22.05.8".into(),
        cluster_name: "site".into(),
        user: "hw".into(),
        accounting: AccountingKind::Slurmdbd,
        clock: 1_000,
        config: Vec::new(),
        partitions,
        nodes,
        reservations: Vec::new(),
        licences: Vec::new(),
        limits: Vec::new(),
        topology: Vec::new(),
    }
}

fn config(words: &str) -> SlurmConfig {
    let mut text: serde_json::Value = serde_json::json!({"way": {"kind": "command"}, "work_root": "/work"});
    let more: serde_json::Value = serde_json::from_str(words).unwrap();
    text.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(text).unwrap()
}

fn look(survey: &Survey, words: &str) -> Supply {
    pools(survey, &config(words), ClusterId::from_u128(7), "alpha", &[])
}

fn told(supply: &Supply, level: Level) -> Vec<String> {
    supply.findings.iter().filter(|f| f.level == level).map(|f| format!("{}: {}", f.what, f.found)).collect()
}

#[test]
fn a_partition_of_one_shape_is_one_pool_without_conditions() {
    let nodes = vec![node("n1", 16, 64, &[], &[]), node("n2", 16, 63, &[], &[]), node("n3", 16, 64, &[], &[])];
    let mut main = partition("main", &["n1", "n2", "n3"]);
    main.max_time_minutes = Some(60);
    let supply = look(&survey(vec![main], nodes), "{}");
    let [plan] = &supply.plans[..] else { panic!("{supply:#?}") };
    assert_eq!(&*plan.pool.name, "alpha-main");
    assert_eq!(plan.pool.nodes, ["n1", "n2", "n3"]);
    assert_eq!(plan.pool.shape, Resources::new(16, Bytes::from_gib(63), 0), "the least of about one size");
    assert_eq!((plan.pool.constraint.as_deref(), plan.pool.exclude.len()), (None, 0));
    assert_eq!(plan.time_limit_max, Some(Span::from_mins(60)));
    assert_eq!(plan.pool.id, pool_id(ClusterId::from_u128(7), "alpha-main"), "ids follow from names");
    assert!(supply.findings.is_empty(), "{:?}", supply.findings);
}

/// Name, nodes, constraint and excluded nodes of a pool.
type Row = (String, Vec<String>, Option<String>, Vec<String>);

#[test]
fn mixed_shapes_are_told_apart_by_a_feature_or_by_exclusion() {
    let nodes = vec![
        node("c1", 32, 128, &[], &["epyc", "cpu"]),
        node("c2", 32, 128, &[], &["epyc", "cpu"]),
        node("f1", 32, 512, &[], &["epyc", "cpu"]),
        node("g1", 32, 256, &["gpu:a100:4", "nic:2"], &["epyc", "nvlink"]),
        node("a1", 64, 512, &["npu:ascend910b:8"], &["arm64"]),
    ];
    let all = ["c1", "c2", "f1", "g1", "a1"];
    let supply = look(&survey(vec![partition("Main", &all)], nodes), r#"{"chips": {"a100": "nvidia-a100-80g"}}"#);
    let seen: Vec<Row> = supply
        .plans
        .iter()
        .map(|p| (p.pool.name.to_string(), p.pool.nodes.clone(), p.pool.constraint.clone(), p.pool.exclude.clone()))
        .collect();
    let row = |name: &str, nodes: &[&str], constraint: Option<&str>, exclude: &[&str]| -> Row {
        let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        (name.to_owned(), owned(nodes), constraint.map(str::to_owned), owned(exclude))
    };
    let want = [
        row("alpha-main-32c128g", &["c1", "c2"], None, &["f1", "g1", "a1"]),
        row("alpha-main-32c512g", &["f1"], None, &["c1", "c2", "g1", "a1"]),
        row("alpha-main-ascend-910b", &["a1"], Some("arm64"), &[]),
        row("alpha-main-nvidia-a100-80g", &["g1"], Some("nvlink"), &[]),
    ];
    assert_eq!(seen, want);
    let ascend = &supply.plans[2].pool;
    assert_eq!((ascend.gres.clone(), ascend.shape.gpus), (Some(("npu".into(), Some("ascend910b".into()))), 8));
}

#[test]
fn unknown_types_are_kept_and_named() {
    let nodes = vec![node("g1", 8, 32, &["gpu:zx9:2"], &[]), node("g2", 8, 32, &["gpu:2"], &[])];
    let supply = look(&survey(vec![partition("gpu", &["g1", "g2"])], nodes), "{}");
    let names: Vec<&str> = supply.plans.iter().map(|p| &*p.pool.name).collect();
    assert_eq!(names, ["alpha-gpu-gpu", "alpha-gpu-zx9"]);
    assert_eq!(told(&supply, Level::Warn).len(), 2);
    assert!(supply.findings.iter().all(|f| f.what == "chips" && f.advice.contains("[slurm.chips]")));
}

#[test]
fn the_operator_says_what_joins_the_nodes_of_which_partition() {
    let facts = survey(
        vec![partition("main", &["n1"]), partition("ai", &["n2"])],
        vec![node("n1", 4, 8, &[], &[]), node("n2", 4, 8, &[], &[])],
    );
    let joined = |words: &str| -> Vec<Option<String>> {
        let supply = look(&facts, words);
        assert_eq!(told(&supply, Level::Fail), Vec::<String>::new());
        supply.plans.iter().map(|plan| plan.terms.interconnect.as_ref().map(ToString::to_string)).collect()
    };
    assert_eq!(joined("{}"), [None, None]);
    let ai = Some("infiniband-ndr:400G".to_owned());
    assert_eq!(joined(r#"{"interconnects": {"ai": "infiniband-ndr:400G"}}"#), [ai.clone(), None]);
    let both = r#"{"interconnects": {"ai": "infiniband-ndr:400G", "*": "ethernet:25G"}}"#;
    assert_eq!(joined(both), [ai, Some("ethernet:25G".to_owned())]);
    let moon = look(&facts, r#"{"interconnects": {"moon": "ethernet:25G"}}"#);
    assert_eq!(told(&moon, Level::Fail), ["interconnects: there is no partition `moon`"]);
}

#[test]
fn nodes_in_two_partitions_make_two_pools_and_a_remark() {
    let nodes = vec![node("n1", 16, 64, &[], &[]), node("n2", 16, 64, &[], &[])];
    let both = survey(vec![partition("main", &["n1", "n2"]), partition("debug", &["n1"])], nodes);
    let supply = look(&both, "{}");
    assert_eq!(supply.plans.len(), 2);
    assert_eq!(told(&supply, Level::Ok), ["pools: pools alpha-debug and alpha-main stand on 1 common nodes"]);
    let one = look(&both, r#"{"partitions": ["main", "moon"]}"#);
    assert_eq!(one.plans.len(), 1);
    assert_eq!(told(&one, Level::Fail), ["partitions: there is no partition `moon`"]);
}

#[test]
fn states_follow_nodes_partitions_and_reservations() {
    let mut nodes = vec![node("n1", 4, 8, &[], &[]), node("n2", 4, 8, &[], &[]), node("n3", 4, 8, &[], &[])];
    nodes[0].state = "IDLE+RESERVED".into();
    nodes[1].state = "MIXED+DRAIN".into();
    nodes[2].state = "DOWN*".into();
    let mut closed = partition("closed", &["n1"]);
    closed.state = "DRAIN".into();
    let mut facts = survey(vec![partition("main", &["n1", "n2", "n3"]), closed], nodes);
    use NodeState::{Down, Drained, Up};
    let states = |supply: &Supply, i: usize| supply.plans[i].states.clone();
    let plain = look(&facts, "{}");
    assert_eq!((states(&plain, 1), states(&plain, 0)), (vec![Drained, Drained, Down], vec![Drained]));
    facts.reservations.push(ReservationFacts {
        name: "ours".into(),
        start: 0,
        end: 1 << 40,
        nodes: vec!["n1".into()],
        users: vec!["hw".into()],
        accounts: Vec::new(),
        flags: String::new(),
    });
    let inside = look(&facts, r#"{"reservation": "ours", "partitions": ["main"]}"#);
    assert_eq!((inside.plans[0].pool.nodes.clone(), states(&inside, 0)), (vec!["n1".to_owned()], vec![Up]));
    assert_eq!(inside.plans[0].pool.exclude, ["n2", "n3"]);
    let nowhere = look(&facts, r#"{"reservation": "theirs"}"#);
    assert!(nowhere.plans.is_empty() && told(&nowhere, Level::Fail)[0].contains("theirs"));
}

#[test]
fn partitions_of_other_accounts_and_nodes_without_memory_are_left_out_and_named() {
    let mut theirs = partition("theirs", &["n1"]);
    theirs.allow_accounts = vec!["physics".into()];
    let mut unsized_node = node("n2", 16, 1, &[], &[]);
    unsized_node.mem = Bytes::from_mib(1);
    let nodes = vec![node("n1", 16, 64, &[], &[]), unsized_node];
    let mut facts = survey(vec![theirs, partition("main", &["n1", "n2"])], nodes);
    assert_eq!(look(&facts, "{}").plans.len(), 2, "nobody says which accounts are ours");
    facts.limits.push(LimitFacts { of: "association bio/hw".into(), limits: Vec::new() });
    let supply = look(&facts, "{}");
    assert_eq!(supply.plans.iter().map(|p| &*p.pool.name).collect::<Vec<_>>(), ["alpha-main"]);
    assert_eq!(supply.plans[0].pool.exclude, ["n2"]);
    assert_eq!(told(&supply, Level::Warn).len(), 2, "{:?}", supply.findings);
    assert_eq!(look(&facts, r#"{"partitions": ["theirs"]}"#).plans.len(), 1, "the operator's word counts");
}

#[test]
fn partitions_that_keep_our_jobs_out_are_left_out_and_named() {
    let names = ["main", "vip", "fast", "nobio", "nonormal", "root", "booked", "shy"];
    let mut all: Vec<PartitionFacts> = names.iter().map(|name| partition(name, &["n1"])).collect();
    all[1].allow_accounts = vec!["physics".into()];
    all[2].allow_qos = vec!["fast".into()];
    for (at, rule) in
        [(3, "DenyAccounts=bio,x"), (4, "DenyQos=normal"), (5, "RootOnly=YES"), (6, "ReqResv=YES"), (7, "Hidden=YES")]
    {
        all[at].rules = vec![rule.into()];
    }
    let mut facts = survey(all, vec![node("n1", 16, 64, &[], &[])]);
    facts.config = vec![("AccountingStorageEnforce".into(), "associations,limits,qos".into())];
    let limit =
        |of: &str, word: &str, value: &str| LimitFacts { of: of.into(), limits: vec![(word.into(), value.into())] };
    facts.limits = vec![
        limit("association bio/hw", "QOS", "normal,fast"),
        limit("association physics/hw", "Def QOS", "fast"),
        limit("user hw", "DefaultAccount", "bio"),
    ];
    let offered = |config: &str| -> Vec<String> {
        let plans = look(&facts, config).plans;
        plans.iter().map(|plan| plan.pool.partition.clone()).collect()
    };
    assert_eq!(offered("{}"), ["main"]);
    assert_eq!(told(&look(&facts, "{}"), Level::Warn).len(), 7);
    // Another account brings its own QOS; a rule for some brings both to what counts.
    let physics = r#"{"identity": {"rules": [{"account": "physics"}]}}"#;
    assert_eq!(offered(physics), ["fast", "main", "nobio", "nonormal", "vip"]);
    let some = r#"{"identity": {"rules": [{"tenant": "lab*", "account": "physics"}]}}"#;
    assert_eq!(offered(some), ["fast", "main", "nobio", "nonormal", "vip"]);
    let fast = r#"{"identity": {"rules": [{"qos": "fast"}]}}"#;
    assert_eq!(offered(fast), ["fast", "main", "nonormal"]);
    // The operator knows better, and a QOS that is not enforced keeps nobody out.
    assert_eq!(offered(r#"{"partitions": ["shy", "vip"]}"#), ["shy", "vip"]);
    facts.config.clear();
    let plans = look(&facts, "{}").plans;
    assert_eq!(plans.iter().map(|plan| plan.pool.partition.as_str()).collect::<Vec<_>>(), ["fast", "main", "nonormal"]);
}

#[test]
fn many_partitions_over_the_same_nodes_make_one_remark() {
    let all = ["a", "b", "c", "d"].map(|name| partition(name, &["n1"]));
    let supply = look(&survey(all.to_vec(), vec![node("n1", 16, 64, &[], &[])]), "{}");
    let wanted = "pools: 4 pools stand on common nodes: alpha-a, alpha-b, alpha-c, alpha-d";
    assert_eq!(told(&supply, Level::Ok), [wanted]);
}

#[test]
fn limits_of_account_and_qos_are_the_widest_that_a_job_may_have() {
    let limit = |of: &str, words: &[(&str, &str)]| LimitFacts {
        of: of.into(),
        limits: words.iter().map(|(word, value)| ((*word).into(), (*value).into())).collect(),
    };
    let mut main = partition("main", &["n1"]);
    (main.max_nodes, main.min_nodes, main.max_time_minutes) = (Some(2), Some(1), Some(600));
    let mut facts = survey(vec![main], vec![node("n1", 16, 64, &[], &[])]);
    facts.limits = vec![
        limit(
            "association bio/",
            &[("GrpTRES", "cpu=500,gres/gpu=8"), ("MaxWall", "1-00:00:00"), ("QOS", "normal,long")],
        ),
        limit("association bio/hw", &[("MaxJobs", "100"), ("MaxSubmit", "500"), ("MaxTRES", "cpu=64,mem=100G,node=8")]),
        limit("association bio/hw in gpu", &[("MaxJobs", "1")]),
        limit("association bio/other", &[("MaxJobs", "1")]),
        limit("qos normal", &[("MaxWall", "05:00:00"), ("MaxJobsPU", "30")]),
        limit("qos long", &[("MaxWall", "3-00:00:00"), ("MaxTRES", "cpu=32")]),
    ];
    let none = look(&facts, "{}");
    assert!(none.terms.together.is_none() && none.plans[0].terms.job.cores.is_none(), "nothing is enforced");
    facts.config.push(("AccountingStorageEnforce".into(), "associations,limits".into()));
    let one = look(&facts, "{}");
    let job = &one.plans[0].terms.job;
    assert_eq!((job.nodes, job.cores, job.mem), (Some(2), Some(64), Some(Bytes::from_gib(100))));
    assert_eq!(
        one.plans[0].time_limit_max,
        Some(Span::from_hours(5)),
        "the QOS is narrower than partition and account"
    );
    let together = &one.terms.together;
    assert_eq!((together.jobs, together.cores, together.gpus), (Some(30), Some(500), Some(8)));
    // Urgent work goes under another QOS: what one of them takes is not kept away.
    let both = r#"{"identity": {"rules": [{"project": "urgent", "qos": "long"}, {"account": "bio"}]}}"#;
    let two = look(&facts, both);
    assert_eq!(two.plans[0].time_limit_max, Some(Span::from_hours(10)), "the partition");
    assert_eq!(two.terms.together.jobs, Some(100));
}

#[test]
fn features_switches_licences_and_reservations_are_told() {
    let mut nodes: Vec<NodeFacts> =
        (1..=3).map(|n| node(&format!("n{n}"), 4, 8, &[], if n < 3 { &["ib", "x86"] } else { &["x86"] })).collect();
    nodes[1].state = "IDLE+MAINT".into();
    let mut facts = survey(vec![partition("main", &["n1", "n2", "n3"])], nodes);
    facts.topology = vec![
        ("leaf1".into(), vec!["n1".into(), "n2".into()]),
        ("leaf2".into(), vec!["n3".into()]),
        ("top".into(), vec!["n1".into(), "n2".into(), "n3".into()]),
    ];
    facts.licences = vec![crate::carrier::LicenceFacts { name: "ansys@flex".into(), total: 4, used: 1 }];
    let reservation = |name: &str, start, end, nodes: &[&str], users: &[&str]| ReservationFacts {
        name: name.into(),
        start,
        end,
        nodes: nodes.iter().map(|n| (*n).into()).collect(),
        users: users.iter().map(|u| (*u).into()).collect(),
        accounts: Vec::new(),
        flags: String::new(),
    };
    facts.reservations = vec![
        reservation("past", 0, 900, &["n1"], &[]),
        reservation("elsewhere", 0, 9_000, &["m1"], &[]),
        reservation("mend", 500, i64::MAX, &["n2"], &["root"]),
        reservation("course", 5_000, 6_000, &["n3", "n1"], &["hw"]),
    ];
    let supply = look(&facts, "{}");
    let terms = &supply.plans[0].terms;
    let at = |list: &[(std::sync::Arc<str>, model::Places)]| {
        list.iter().map(|(name, at)| format!("{name}={at}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((at(&terms.features), at(&terms.switches)), ("ib=0-1 x86=0-2".into(), "leaf1=0-1 leaf2=2".into()));
    assert_eq!(supply.terms.licences[0].used, 1);
    let windows: Vec<_> =
        supply.terms.windows.iter().map(|w| (&*w.name, w.ours, w.nodes.len(), w.from.as_secs())).collect();
    assert_eq!(windows, [("course", true, 2, 5_000), ("mend", false, 1, 500)]);
    // Whether mended nodes take work is asked of the reservation.
    assert_eq!(supply.plans[0].states, [NodeState::Up; 3]);
}
