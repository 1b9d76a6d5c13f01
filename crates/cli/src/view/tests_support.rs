//! Wire values that tests of views share.

use base::Timestamp;
use wire::job::{Exit, JobSummary, Reason};
use wire::submit::Requested;
use wire::supply::{Node, Pool, PoolPrice};
use wire::{Amounts, JobState, MoneyText, NodeState, PriorityClass, SupplyMode, TimeText};

pub fn time(text: &str) -> TimeText {
    TimeText(Timestamp::parse(text).unwrap())
}
pub fn money(text: &str) -> MoneyText {
    text.parse().unwrap()
}
fn id<T: std::str::FromStr>(prefix: &str, n: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}_{n:032x}").parse().unwrap()
}

/// A job of 4 cores that started at 08:00 and, if it has ended, ended at 09:02:03.
pub fn summary(number: u64, state: JobState) -> JobSummary {
    let ended = !state.is_open();
    JobSummary {
        id: id("job", number),
        number,
        array: None,
        name: "melt".into(),
        state,
        tenant: id("ten", 1),
        tenant_name: "bio".into(),
        project: id("prj", 1),
        project_name: "default".into(),
        user: id("usr", 1),
        user_name: "ann".into(),
        pool: Some(id("pol", 1)),
        pool_name: Some("local".into()),
        nodes: if ended { Vec::new() } else { vec!["n1".into(), "n2".into()] },
        pools: Vec::new(),
        reason: None,
        expected_start: None,
        class: PriorityClass::Normal,
        requested: Requested {
            nodes: 1,
            tasks: 4,
            cpus_per_task: 1,
            cpu_millis: 4_000,
            memory_bytes: 8 << 30,
            gpus: 0,
            chips: Vec::new(),
            tres: "cpu=4,mem=8G".into(),
        },
        time_limit_seconds: 7_200.0,
        submitted_at: time("2026-11-21T07:59:00Z"),
        started_at: Some(time("2026-11-21T08:00:00Z")),
        ended_at: ended.then(|| time("2026-11-21T09:02:03Z")),
        exit: ended.then_some(Exit { code: i32::from(state != JobState::Completed), signal: 0 }),
        charged: money("1.25"),
        currency: "CNY".into(),
    }
}

pub fn reason(code: &str) -> Reason {
    Reason {
        code: code.into(),
        text_en: code.into(),
        text_zh: code.into(),
        requested: None,
        available: None,
        pool: None,
        on: None,
        at: None,
    }
}

fn amounts(cores: u64, gib: u64, gpus: u32) -> Amounts {
    let tres = format!("cpu={cores},mem={gib}G,gres/gpu:a100={gpus}");
    Amounts { cpu_millis: cores * 1_000, memory_bytes: gib << 30, gpus, tres }
}

/// `nodes` nodes of 32 cores, the last of them drained, 16 cores in use.
pub fn pool(name: &str, nodes: u32) -> Pool {
    let up = u64::from(nodes - 1);
    let state = |n| if n == nodes { NodeState::Drained } else { NodeState::Up };
    Pool {
        id: id("pol", 1),
        name: name.into(),
        cluster: id("clu", 1),
        cluster_name: "local".into(),
        cluster_health: wire::ClusterHealth::Reachable,
        cluster_service: wire::ClusterService::InService,
        mode: SupplyMode::Own,
        chip: Some("nvidia-a100-80g".into()),
        shape: amounts(32, 64, 2),
        nodes_total: nodes,
        nodes_up: nodes - 1,
        total: amounts(32 * up, 64 * up, 2 * (nodes - 1)),
        free: Some(amounts(32 * up - 16, 64 * up, 2 * (nodes - 1))),
        running_jobs: Some(1),
        reserved_nodes: None,
        time_limit_max_seconds: Some(86_400),
        forecast: None,
        quality: None,
        price: Some(PoolPrice {
            core_hour: money("0.10"),
            gib_hour: money("0.01"),
            card_hour: Some(money("8.00")),
            currency: "CNY".into(),
        }),
        cost: None,
        fee: None,
        remarks: vec!["no control groups: memory is watched, not limited".into()],
        nodes: (1..=nodes).map(|n| Node { name: format!("n{n}"), state: state(n) }).collect(),
    }
}
