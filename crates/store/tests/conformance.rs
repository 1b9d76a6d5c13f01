//! The suite that every store passes, on the embedded database and on a real PostgreSQL server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use ports::Store;
use ports::store_conformance::{StoreWorld, check};
use store::{Location, SqlStore};
use testkit::Postgres;

struct Folders(tempfile::TempDir);

impl StoreWorld for Folders {
    fn open(&self, number: u32) -> BoxFuture<'_, Arc<dyn Store>> {
        let location = Location::Folder(self.0.path().join(number.to_string()));
        async move { Arc::new(SqlStore::open(&location).await.unwrap()) as Arc<dyn Store> }.boxed()
    }
}

#[derive(Default)]
struct Databases(Mutex<BTreeMap<u32, String>>);

impl StoreWorld for Databases {
    fn open(&self, number: u32) -> BoxFuture<'_, Arc<dyn Store>> {
        let mut urls = self.0.lock().unwrap();
        let url = urls.entry(number).or_insert_with(|| Postgres::shared().database().unwrap()).clone();
        async move { Arc::new(SqlStore::open(&Location::Postgres(url)).await.unwrap()) as Arc<dyn Store> }.boxed()
    }
}

#[tokio::test]
async fn the_embedded_store_conforms() {
    check(&Folders(tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn the_postgres_store_conforms() {
    check(&Databases::default()).await;
}
