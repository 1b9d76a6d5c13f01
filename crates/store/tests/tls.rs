//! PostgreSQL over the network: `sslmode` of the URL says what is asked of the connection, and is kept.

use ports::{Store as _, StoreError};
use store::{Location, SqlStore};
use testkit::Postgres;

async fn open(url: &str) -> Result<(), StoreError> {
    let store = SqlStore::open(&Location::Postgres(url.to_owned())).await?;
    // The readers' connections are made alike.
    let read = store.ping().await;
    store.load().await?;
    store.close().await;
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_as_private_as_its_url_says() {
    let server = Postgres::start_tls().unwrap();
    let url = server.over_tcp(&server.database().unwrap());
    let trusted = format!("&sslrootcert={}", server.certificate().display());
    // The server lets nobody in without TLS; without a word about it TLS is used where it is offered.
    for (mode, stands) in [
        ("", true),
        ("?sslmode=prefer", true),
        ("?sslmode=require", true),
        ("?sslmode=disable", false),
        ("?sslmode=verify-ca", false),
        ("?sslmode=verify-full", false),
        (&format!("?sslmode=verify-ca{trusted}"), true),
        (&format!("?sslmode=verify-full{trusted}"), true),
    ] {
        let opened = open(&format!("{url}{mode}")).await;
        assert_eq!(opened.is_ok(), stands, "{mode}: {opened:?}");
    }
    // The certificate is for the address, not for this name of it.
    let named = url.replace("127.0.0.1", "localhost");
    let other = open(&format!("{named}?sslmode=verify-full{trusted}")).await;
    assert!(matches!(&other, Err(StoreError::Unavailable(_))), "{other:?}");
    assert!(open(&format!("{named}?sslmode=verify-ca{trusted}")).await.is_ok());
    server.stop();
}
