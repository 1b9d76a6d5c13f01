//! A whole server inside a test's process: real store, real driver, clusters of the test's choice. Not part of the product.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base::Resources;

use crate::app::Clock;
use crate::boot::LocalSupply;
use crate::config::{Checked, Flags, LocalPool, Surroundings, Written};
use crate::driver::Connect;
use crate::shell::{Foundation, Running, StartError, listen, start_on};

struct Nothing;

impl Surroundings for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, _: &Path) -> std::io::Result<Option<String>> {
        Ok(None)
    }
}

/// The default configuration with `settings` over it, the data in `folder`, on a port that is free.
///
/// # Panics
/// When a setting is wrong.
pub fn config(folder: &Path, settings: &[(&str, &str)]) -> Checked {
    let mut flags: Flags = BTreeMap::from([
        ("data".to_owned(), folder.to_string_lossy().into_owned()),
        ("listen".to_owned(), "127.0.0.1:0".to_owned()),
    ]);
    flags.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let written = Written::gather(&flags, &Nothing).expect("the settings are known");
    Checked::from_written(&written).expect("the settings are right")
}

/// The supply of one cluster `local` with one pool `main` of one node, whose connector the test brings itself under
/// `supply.cluster`.
pub fn supply(shape: Resources) -> LocalSupply {
    let pool = LocalPool { name: "main".into(), shape, chip: None, nodes: 1, time_limit_max: None, interconnect: None };
    LocalSupply::new("local", "test", vec![(pool, vec!["main".into()])])
}

/// Starts a server with the embedded database.
///
/// # Errors
/// As [`crate::start`].
pub async fn start(
    config: Checked,
    clock: Clock,
    supply: LocalSupply,
    connect: Connect,
) -> Result<Running, StartError> {
    let store = Arc::new(store::SqlStore::open(&store::Location::Folder(config.data.clone())).await?);
    let listener = listen(config.listen).await?;
    start_on(Foundation {
        config,
        clock,
        store,
        listener,
        supply: Some(supply),
        connect,
        sites: None,
        remarks: Vec::new(),
    })
    .await
}
