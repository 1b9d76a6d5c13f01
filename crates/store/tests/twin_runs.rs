//! Runs of the twin on both databases: their way from asked to over, their pages, and which are forgotten.

use base::{Timestamp, TwinRunId};
use store::{Location, PageRequest, SqlStore, TwinRunState};
use testkit::Postgres;

const KEPT: u32 = 3;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + second)
}
fn id(number: u128) -> TwinRunId {
    TwinRunId::from_u128(number)
}

async fn runs_go_their_way_and_the_oldest_are_forgotten(store: SqlStore) {
    for number in [1, 2] {
        store.ask_twin_run(id(number), at(number as i64), "doc", KEPT).await.unwrap();
    }
    store.ask_twin_run(id(1), at(9), "another", KEPT).await.unwrap();
    let first = store.twin_run(id(1)).await.unwrap().unwrap();
    assert_eq!((first.at, first.doc.as_str(), first.state), (at(1), "doc", TwinRunState::Queued), "asked for once");
    let queue = store.twin_runs_in(TwinRunState::Queued).await.unwrap();
    assert_eq!(queue.iter().map(|run| run.id).collect::<Vec<_>>(), [id(1), id(2)]);

    assert!(store.begin_twin_run(id(1), at(20)).await.unwrap());
    assert!(!store.begin_twin_run(id(1), at(21)).await.unwrap(), "it does not wait any more");
    let end = async |begun| store.end_twin_run((id(1), begun), TwinRunState::Done, at(30), "gist", "result").await;
    assert!(!end(at(19)).await.unwrap(), "another play tells of it");
    assert!(store.twin_result(id(1)).await.unwrap().is_none());
    assert!(end(at(20)).await.unwrap());
    let done = store.twin_run(id(1)).await.unwrap().unwrap();
    assert_eq!((done.begun, done.ended, done.gist.as_str()), (Some(at(20)), Some(at(30)), "gist"));
    assert_eq!(store.twin_result(id(1)).await.unwrap().as_deref(), Some("result"));
    assert!(!store.cancel_twin_run(id(1), at(31)).await.unwrap(), "what is over stays as it is");

    // What is played when a server goes away; what is cancelled takes no answer any more.
    assert!(store.begin_twin_run(id(2), at(40)).await.unwrap());
    assert_eq!(store.interrupt_twin_runs(at(41)).await.unwrap(), 1);
    assert_eq!(store.twin_run(id(2)).await.unwrap().unwrap().state, TwinRunState::Interrupted);
    store.ask_twin_run(id(3), at(50), "doc", KEPT).await.unwrap();
    assert!(store.begin_twin_run(id(3), at(51)).await.unwrap());
    assert!(store.cancel_twin_run(id(3), at(52)).await.unwrap());
    assert!(!store.end_twin_run((id(3), at(51)), TwinRunState::Done, at(53), "", "late").await.unwrap());

    // Of the same moment the greater id is the newer one; what still waits is never forgotten.
    for number in [4, 5] {
        store.ask_twin_run(id(number), at(60), "doc", KEPT).await.unwrap();
    }
    let page = store.twin_runs(PageRequest::first(2)).await.unwrap();
    assert_eq!(page.items.iter().map(|run| run.id).collect::<Vec<_>>(), [id(5), id(4)]);
    let rest = PageRequest::new(Some(10), page.next.as_deref()).unwrap();
    let rest = store.twin_runs(rest).await.unwrap().items;
    assert_eq!(rest.iter().map(|run| run.id).collect::<Vec<_>>(), [id(3)], "1 and 2 were over and the oldest");
    for number in [6, 7, 8, 9] {
        store.ask_twin_run(id(number), at(70), "doc", KEPT).await.unwrap();
    }
    assert_eq!(store.twin_runs_in(TwinRunState::Queued).await.unwrap().len(), 6);
    assert!(store.remove_twin_run(id(4)).await.unwrap());
    assert!(!store.remove_twin_run(id(4)).await.unwrap());
    assert_eq!(store.twin_run(id(4)).await.unwrap(), None);
}

#[tokio::test]
async fn twin_runs_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&Location::Folder(folder.path().into())).await.unwrap();
    runs_go_their_way_and_the_oldest_are_forgotten(store).await;
}

#[tokio::test]
async fn twin_runs_postgres() {
    let url = Postgres::shared().database().unwrap();
    runs_go_their_way_and_the_oldest_are_forgotten(SqlStore::open(&Location::Postgres(url)).await.unwrap()).await;
}
