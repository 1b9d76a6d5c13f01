//! Programs of different age on the two ends: messages as the first version writes them are read for ever, and what a newer
//! one adds does not disturb.

use link::message::{Answer, Ask, Hello, Purpose, RefusalCode, ToAgent, ToServer, Welcome};
use model::Observed;
use serde::Serialize;
use serde::de::DeserializeOwned;

const V1: &str = include_str!("../fixtures/v1.jsonl");
const NEWER: &str = include_str!("../fixtures/newer.jsonl");

/// A line of a fixture: the message's type, a tab, its JSON.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('\t').expect("type, tab, JSON"))
}

fn same<T: Serialize + DeserializeOwned>(json: &str) {
    let read: T = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let (written, wanted) =
        (serde_json::to_value(&read).unwrap(), serde_json::from_str::<serde_json::Value>(json).unwrap());
    assert_eq!(written, wanted, "an old reader would not understand what is written now");
}

#[test]
fn the_first_version_is_read_and_written_as_it_was() {
    let mut seen = 0;
    for (kind, json) in lines(V1) {
        match kind {
            "hello" => same::<Hello>(json),
            "welcome" => same::<Welcome>(json),
            "to_agent" => same::<ToAgent>(json),
            "to_server" => same::<ToServer>(json),
            "event" => same::<Observed>(json),
            other => panic!("{other}"),
        }
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn what_a_newer_program_adds_is_left_out() {
    let of = |wanted: &str| lines(NEWER).find(|(kind, _)| *kind == wanted).expect("a line of this kind").1;
    let hello: Hello = serde_json::from_str(of("hello")).unwrap();
    assert_eq!((hello.protocol.max, hello.purpose), (9, Purpose::Unknown));
    let Welcome::Refused(refusal) = serde_json::from_str(of("refused")).unwrap() else { panic!("not refused") };
    assert_eq!((refusal.code, refusal.text.as_str()), (RefusalCode::Other, "words are for people"));
    assert_eq!(serde_json::from_str::<ToAgent>(of("to_agent")).unwrap(), ToAgent::Unknown);
    assert_eq!(serde_json::from_str::<ToServer>(of("to_server")).unwrap(), ToServer::Unknown);
    let ToAgent::Request { id: 4, ask, .. } = serde_json::from_str(of("ask")).unwrap() else {
        panic!("an unknown ask has a number, so that it can be answered")
    };
    assert_eq!(*ask, Ask::Unknown);
    let ToServer::Answer { id: 4, answer: Answer::Unknown } = serde_json::from_str(of("answer")).unwrap() else {
        panic!("an unknown answer ends the request")
    };
    assert_eq!(serde_json::from_str::<ToAgent>(of("field")).unwrap(), ToAgent::Taken { upto: 8 });
    // An event that is not known is left out by the receiver; see `deliver`.
    assert!(serde_json::from_str::<Observed>(of("event")).is_err());
}
