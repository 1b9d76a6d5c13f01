//! Rates between currencies: numbered in the order in which they were told, one in place of another with a reason, and the same after a
//! restart from what was stored.

use super::*;
use engine::{NewRate, Snapshot};
use rating::rates::Day;

fn told(worth: &str, from: Option<&str>, reason: &str) -> Command {
    Command::SetRate(Box::new(NewRate {
        of: Currency::USD,
        into: Currency::CNY,
        worth: worth.parse().unwrap(),
        from: from.map(|day| day.parse().unwrap()),
        reason: reason.into(),
    }))
}

#[test]
fn a_rate_is_kept_once_and_another_for_the_day_takes_its_place_with_a_reason_only() {
    let mut f = Fixture::new();
    f.now = Timestamp::parse("2026-11-22T20:00:00Z").unwrap();
    assert_eq!(f.give(told("7.1234", Some("2026-11-01"), "")), Report::Rate { rate: 1 });
    assert_eq!(f.give(told("7.2", None, "a reason where none is needed")), Report::Rate { rate: 2 });
    // The same again is the one that is known.
    assert_eq!(f.give(told("7.12340", Some("2026-11-01"), "")), Report::Rate { rate: 1 });
    assert_eq!(f.ask(true, told("7.3", Some("2026-11-01"), " ")).unwrap_err().code(), "invalid");
    assert_eq!(f.give(told("7.3", Some("2026-11-01"), "misread")), Report::Rate { rate: 3 });
    let own =
        NewRate { of: Currency::CNY, into: Currency::CNY, worth: "1".parse().unwrap(), from: None, reason: "".into() };
    assert_eq!(f.ask(true, Command::SetRate(Box::new(own))).unwrap_err().code(), "invalid");
    let kept: Vec<rating::Rate> = f
        .out
        .records
        .iter()
        .filter_map(|r| match r {
            Record::Rate(rate) => Some(rate.as_ref().clone()),
            _ => None,
        })
        .collect();
    let told_of = |rate: &rating::Rate| (rate.number, rate.worth.to_string(), rate.from, rate.reason.to_string());
    let day = |text: &str| text.parse::<Day>().unwrap();
    assert_eq!(
        kept.iter().map(told_of).collect::<Vec<_>>(),
        [
            (1, "7.1234".into(), day("2026-11-01"), String::new()),
            (2, "7.2".into(), day("2026-11-22"), String::new()),
            (3, "7.3".into(), day("2026-11-01"), "misread".into()),
        ]
    );
    assert!(kept.iter().all(|rate| rate.user == Some(USER)));
    let audited = f.out.records.iter().filter_map(|r| match r {
        Record::Audit(entry) if entry.action == "rate.set" => Some(entry.detail.clone()),
        _ => None,
    });
    let detail = "1 USD = 7.3 CNY from 2026-11-01 on, in place of 7.1234 (rate 1): misread";
    assert_eq!(audited.collect::<Vec<_>>()[2], detail);

    // What is stored makes the same engine again: the next number follows, and what is known is known.
    let snapshot = Snapshot { rates: kept, last_event_at: f.now, ..Snapshot::default() };
    let mut again = Engine::restore(Policy::default(), snapshot).unwrap();
    let mut ask = |command| {
        let envelope = Envelope { actor: Actor::User(USER), operator: true, once: None, command };
        again.step(Input::Command(Box::new(envelope)), f.now, &mut Batch::default())
    };
    assert_eq!(ask(told("7.3", Some("2026-11-01"), "")), Ok(Report::Rate { rate: 3 }));
    assert!(ask(told("7.4", Some("2026-11-22"), "")).is_err());
    assert_eq!(ask(told("7.4", Some("2026-11-23"), "")), Ok(Report::Rate { rate: 4 }));
}
