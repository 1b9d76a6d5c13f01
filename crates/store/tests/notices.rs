//! Notices on both databases: they are made once however often the events are looked at, go lane by lane, wait after a failure, and
//! are given up.

use base::{NoticeId, Span, Timestamp, UserId, WebhookId};
use store::{Asked, Hook, Lane, Location, Notice, NoticeOutcome, SqlStore, Waiting, Wishes};
use testkit::Postgres;

const USER: UserId = UserId::from_u128(1);
const HOOK: WebhookId = WebhookId::from_u128(2);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000) + Span::from_secs(seconds)
}

fn notice(id: u128, lane: Lane, seq: u64, due: i64) -> Notice {
    let doc = format!("{{\"event\":{seq}}}");
    Notice { id: NoticeId::from_u128(id), lane, seq, made_at: at(0), due_at: at(due), tries: 0, doc }
}

fn hook() -> Hook {
    Hook {
        id: HOOK,
        user: USER,
        url: "https://example.org/".into(),
        secret: vec![7; 24],
        kinds: 6,
        made_at: at(0),
        failures: 0,
        sent_at: None,
        fault: None,
    }
}

fn failed(again_at: Option<Timestamp>) -> NoticeOutcome {
    NoticeOutcome::Failed { why: "it answered 500".into(), again_at }
}

async fn ids(store: &SqlStore, lane: Lane, now: i64) -> Vec<u128> {
    store.notices_due(lane, at(now), 10).await.unwrap().iter().map(|notice| notice.id.as_u128()).collect()
}

async fn notices_are_made_once_and_go_by_lanes(store: SqlStore) {
    let (mail, hooked) = (Lane::Mail(USER), Lane::Hook(HOOK));
    assert_eq!(store.notice_cursor().await.unwrap(), None);
    let first = [notice(11, hooked, 5, 0), notice(12, mail, 5, 0), notice(13, hooked, 6, 0)];
    assert!(store.make_notices(None, 6, &first).await.unwrap());
    assert!(!store.make_notices(None, 6, &first).await.unwrap(), "somebody was here before");
    assert!(!store.make_notices(Some(5), 7, &[notice(14, hooked, 7, 0)]).await.unwrap());
    assert_eq!(store.notice_cursor().await.unwrap(), Some(6));
    // The same notice once more is the same notice.
    assert!(store.make_notices(Some(6), 8, &[notice(13, hooked, 6, 0), notice(15, hooked, 8, 3)]).await.unwrap());

    let mut lanes = store.lanes_due(at(0), 10).await.unwrap();
    lanes.sort();
    assert_eq!(lanes, [mail, hooked]);
    assert_eq!(ids(&store, hooked, 0).await, [11, 13]);
    store.put_hook(&hook()).await.unwrap();
    let (one, two) = (NoticeId::from_u128(11), NoticeId::from_u128(13));
    let tries = [(one, NoticeOutcome::Sent), (two, failed(Some(at(10))))];
    store.tried(HOOK, &tries, at(1), at(8)).await.unwrap();
    assert_eq!(ids(&store, hooked, 7).await, [0; 0], "the rest of the lane waits too");
    assert_eq!(ids(&store, hooked, 8).await, [15], "and then goes before what failed");
    assert_eq!(ids(&store, hooked, 10).await, [15, 13]);
    assert_eq!(store.notices_due(hooked, at(10), 10).await.unwrap()[1].tries, 1);
    let kept = store.hook(HOOK).await.unwrap().unwrap();
    assert_eq!((kept.failures, kept.fault), (1, Some((at(1), "it answered 500".into()))));
    assert_eq!(kept.sent_at, Some(at(1)));

    store.tried(HOOK, &[(two, failed(None))], at(11), at(12)).await.unwrap();
    assert_eq!(store.notices_waiting(hooked).await.unwrap(), (Waiting { waiting: 1, given_up: 1 }, 8));
    store.tried(HOOK, &[(NoticeId::from_u128(15), NoticeOutcome::Sent)], at(13), at(13)).await.unwrap();
    assert_eq!(store.hook(HOOK).await.unwrap().unwrap().fault, None, "it works again");
    store.sweep_notices(at(1)).await.unwrap();
    assert_eq!(store.notices_waiting(hooked).await.unwrap().0, Waiting::default());
    store.drop_hook(HOOK).await.unwrap();
    assert_eq!(store.hooks_of(USER).await.unwrap(), []);
}

async fn mail_waits_is_gathered_and_given_up(store: SqlStore) {
    let lane = Lane::Mail(USER);
    let asked = Asked { address: "b@example.org".into(), at: at(2), code: vec![1; 32], guesses: 0 };
    let mut wishes = Wishes {
        user: USER,
        language: "zh".into(),
        kinds: 5,
        address: Some("a@example.org".into()),
        confirmed_at: Some(at(1)),
        asked: Some(asked),
        mailed_at: None,
        fault: None,
    };
    store.put_wishes(&wishes).await.unwrap();
    assert_eq!(store.wishes(USER).await.unwrap().as_ref(), Some(&wishes));
    wishes.asked = None;
    store.put_wishes(&wishes).await.unwrap();
    assert_eq!(store.wishes(USER).await.unwrap(), Some(wishes.clone()));

    assert!(store.make_notices(None, 3, &[notice(1, lane, 2, 0), notice(2, lane, 3, 0)]).await.unwrap());
    store.postpone(lane, at(60)).await.unwrap();
    assert_eq!(store.lanes_due(at(59), 10).await.unwrap(), []);
    assert!(store.make_notices(Some(3), 9, &[notice(3, lane, 9, 70)]).await.unwrap());
    store.mailed(USER, 3, at(61)).await.unwrap();
    assert_eq!(ids(&store, lane, 70).await, [3], "what came later stays");
    assert_eq!(store.wishes(USER).await.unwrap().unwrap().mailed_at, Some(at(61)));
    store.mail_failed(USER, "no route", at(80), at(90), at(-1)).await.unwrap();
    assert_eq!(store.notices_waiting(lane).await.unwrap().0, Waiting { waiting: 1, given_up: 0 });
    store.mail_failed(USER, "no route", at(91), at(99), at(1)).await.unwrap();
    assert_eq!(store.notices_waiting(lane).await.unwrap().0, Waiting { waiting: 0, given_up: 1 });
    assert_eq!(store.wishes(USER).await.unwrap().unwrap().fault, Some((at(91), "no route".into())));
    store.drop_notices(lane).await.unwrap();
    assert_eq!(store.notices_waiting(lane).await.unwrap().0, Waiting::default());
    assert_eq!(store.listeners().await.unwrap(), [], "nobody who is no user hears of anything");
}

async fn embedded() -> (SqlStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (SqlStore::open(&Location::Folder(folder.path().into())).await.unwrap(), folder)
}

#[tokio::test]
async fn notices_embedded() {
    let (store, _folder) = embedded().await;
    notices_are_made_once_and_go_by_lanes(store).await;
    let (store, _folder) = embedded().await;
    mail_waits_is_gathered_and_given_up(store).await;
}

#[tokio::test]
async fn notices_postgres() {
    let url = || Postgres::shared().database().unwrap();
    notices_are_made_once_and_go_by_lanes(SqlStore::open(&Location::Postgres(url())).await.unwrap()).await;
    mail_waits_is_gathered_and_given_up(SqlStore::open(&Location::Postgres(url())).await.unwrap()).await;
}
