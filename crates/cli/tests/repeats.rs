//! One idempotency key, many requests: at the same time, and after a crash. One job, one answer; other content under the
//! key is refused.

mod support;

use support::{Place, client_of, script};

#[test]
fn one_key_makes_one_job() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = client_of(&server);
    let job = script("true");
    let answers = runtime.block_on(async {
        let one = |_| client.submit(&job, Some("the-key"));
        futures::future::join_all((0..32).map(one)).await
    });
    let first = answers[0].as_ref().expect("accepted").clone();
    for answer in answers {
        assert_eq!(answer.expect("accepted"), first);
    }
    server.kill();
    server.start();
    let client = client_of(&server);
    let after = runtime.block_on(client.submit(&job, Some("the-key"))).expect("accepted after a crash");
    assert_eq!(after, first);
    let other = runtime.block_on(client.submit(&script("false"), Some("the-key"))).expect_err("other content");
    let problem = other.problem().expect("a problem document");
    assert_eq!((problem.status, problem.code.as_str()), (409, "idempotency_key_reused"), "{problem:?}");
    let page = runtime.block_on(client.jobs(&Default::default()).take(100)).expect("jobs");
    assert_eq!(page.items.len(), 1);
}
