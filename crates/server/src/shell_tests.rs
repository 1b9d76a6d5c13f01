//! Several machines on one PostgreSQL database, each with a name of its own.

use base::{Bytes, Resources};
use testkit::Postgres;

use super::*;
use crate::config::LocalPool;
use crate::testing;

/// The configuration of a server on the database, in a folder of its own.
fn config(folder: &Path, url: &str, settings: &[(&str, &str)]) -> Checked {
    testing::config(folder, &[&[("database", url), ("local.cgroups", "false")], settings].concat())
}

/// A platform whose cluster `name` was registered by `machine`, and has stopped since.
async fn registered(folder: &Path, url: &str, name: &str, machine: &str) {
    let shape = Resources::new(1, Bytes::from_gib(1), 0);
    let pool = LocalPool { name: "main".into(), shape, chip: None, nodes: 1, time_limit_max: None, interconnect: None };
    let foundation = Foundation {
        config: config(folder, url, &[]),
        clock: Clock::steady(),
        store: Arc::new(store::SqlStore::open(&store::Location::Postgres(url.to_owned())).await.unwrap()),
        listener: listen("127.0.0.1:0".parse().unwrap()).await.unwrap(),
        supply: Some(LocalSupply::new(name, machine, vec![(pool, vec!["main".into()])])),
        connect: Arc::new(|_| Ok(Vec::new())),
        sites: None,
        remarks: Vec::new(),
    };
    start_on(foundation).await.unwrap().stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_machine_with_a_taken_name_is_refused() {
    let url = Postgres::shared().database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    registered(folder.path(), &url, "local", "another machine").await;
    let try_as = async |settings: &[(&str, &str)]| start(config(folder.path(), &url, settings)).await;

    let refused = try_as(&[]).await.err().expect("the name belongs to another machine");
    assert!(
        matches!(&refused, StartError::ForeignCluster { name, machine } if name == "local" && machine == "another machine"),
        "{refused}"
    );
    // It says what to do about it, and both ways stand.
    for (way, key, value) in
        [("local.name", "local.name", "second"), ("local.enabled = false", "local.enabled", "false")]
    {
        assert!(refused.to_string().contains(way), "{refused}");
        try_as(&[(key, value)]).await.unwrap().stop().await.unwrap();
    }
    // Its own name is no other machine's: a restart goes on with it.
    let again = try_as(&[("local.name", "second")]).await.unwrap();
    let clusters = again.app.store.clusters().await.unwrap();
    let machines: Vec<String> = clusters.iter().map(|c| c.machine.to_string()).collect();
    assert_eq!(machines, ["another machine".to_owned(), local::machine_id()]);
    // People meet the name of the site.
    assert_eq!(clusters.iter().map(|c| &*c.site).collect::<Vec<_>>(), ["local", "second"]);
    // Nor is its pool's, though neither machine has one configured.
    let pools: Vec<String> = again.app.store.pools().await.unwrap().iter().map(|(p, _)| p.name.to_string()).collect();
    assert_eq!(std::collections::BTreeSet::from_iter(pools), ["main", "second"].map(String::from).into());
    again.stop().await.unwrap();
    // The refusal changed nothing for the first.
    registered(folder.path(), &url, "local", "another machine").await;
}
