//! Pools that come into the configuration of this machine and leave it.

use base::{Bytes, Resources};
use model::NodeState::{Drained, Up};
use serde_json::json;
use server::boot::{LocalSupply, register_local};
use server::config::LocalPool;
use tokio::sync::mpsc;

use crate::support::{CORES, GIB, Platform};

/// What a start with these pools registers; `extra` has two nodes.
async fn configured(platform: &Platform, pools: &[&str]) {
    let pool = |name: &&str| {
        let nodes = if **name == *"extra" { vec!["extra-1".into(), "extra-2".into()] } else { vec!["main".into()] };
        let shape = Resources::new(CORES, Bytes::from_gib(GIB), 0);
        (
            LocalPool {
                name: name.to_string(),
                shape,
                chip: None,
                nodes: nodes.len() as u32,
                time_limit_max: None,
                interconnect: None,
            },
            nodes,
        )
    };
    let supply = LocalSupply::new("local", "test", pools.iter().map(pool).collect());
    let folder = tempfile::tempdir().unwrap();
    let config = server::testing::config(folder.path(), &[]);
    let (observe, _observed) = mpsc::channel(16);
    register_local(&platform.running.app, &config, &supply, &observe).await.unwrap();
}

/// The states of the two nodes of `extra`.
async fn extra(platform: &Platform) -> Vec<model::NodeState> {
    let pools = platform.running.app.store.pools().await.unwrap();
    let pool = pools.into_iter().map(|(pool, _)| pool).find(|pool| &*pool.name == "extra").unwrap();
    pool.nodes.into_iter().map(|node| node.state).collect()
}

#[tokio::test]
async fn a_pool_that_leaves_the_configuration_is_drained_until_it_returns() {
    let platform = Platform::start().await;
    let set = async |node: &str, state: &str| {
        let path = format!("/v1/pools/extra/nodes/{node}");
        platform.post(&platform.admin, &path, json!({ "state": state })).await.expect(200);
    };
    configured(&platform, &["main", "extra"]).await;
    set("extra-1", "drained").await;
    assert_eq!(extra(&platform).await, [Drained, Up]);

    configured(&platform, &["main"]).await;
    assert_eq!(extra(&platform).await, [Drained, Drained]);
    let audit = platform.get(&platform.admin, "/v1/audit?limit=1").await.expect(200)["items"][0].clone();
    assert_eq!((&audit["action"], &audit["actor"]["kind"]), (&json!("node.set"), &json!("platform")), "{audit}");
    assert!(audit["target"].as_str().unwrap().ends_with("/extra-2"), "{audit}");
    let alone = json!({ "script": "#!/bin/sh\n#SBATCH -p extra\ntrue\n" });
    let waits = platform.post(&platform.admin, "/v1/jobs", alone).await.expect(201)["job"].clone();
    let path = format!("/v1/jobs/{}", waits.as_str().unwrap());
    while platform.get(&platform.admin, &path).await.expect(200)["reason"]["code"] == "queued" {}
    assert_eq!(platform.get(&platform.admin, &path).await.expect(200)["reason"]["code"], "pools_unavailable");
    // A repeat changes nothing.
    let last = platform.get(&platform.admin, "/v1/audit?limit=1").await.expect(200);
    configured(&platform, &["main"]).await;
    assert_eq!(platform.get(&platform.admin, "/v1/audit?limit=1").await.expect(200), last);

    // Only what the platform drained is in use again.
    configured(&platform, &["main", "extra"]).await;
    assert_eq!(extra(&platform).await, [Drained, Up]);

    // An operator who takes a hand meanwhile has the last word.
    configured(&platform, &["main"]).await;
    set("extra-2", "up").await;
    set("extra-2", "drained").await;
    configured(&platform, &["main", "extra"]).await;
    assert_eq!(extra(&platform).await, [Drained, Drained]);
}

#[tokio::test]
async fn a_pool_that_left_says_so() {
    let platform = Platform::start().await;
    configured(&platform, &["extra"]).await;
    let shown = platform.get(&platform.admin, "/v1/pools").await.expect(200);
    let remarks = |at: usize| shown["items"][at]["remarks"].to_string();
    assert_eq!((&shown["items"][0]["name"], remarks(0).as_str()), (&json!("extra"), "[]"));
    assert!(remarks(1).contains("no longer names this pool"), "{}", remarks(1));
    assert_eq!(shown["items"][1]["nodes"][0]["state"], "drained");
}
