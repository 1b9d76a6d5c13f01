//! Documents as older and newer programs wrote them: what a reader must go on understanding.

use base::Span;

use super::*;

/// The fixture reads as `want`, what `want` is written as reads back, and fields of a later program are ignored.
fn check<T: Doc + PartialEq + std::fmt::Debug>(fixture: &str, want: &T) {
    assert_eq!(&parse::<T>(1, fixture).unwrap(), want, "new reader, old data");
    let written = serde_json::to_string(want).unwrap();
    assert_eq!(&parse::<T>(T::VERSION, &written).unwrap(), want, "what is written is read");
    let mut later: serde_json::Value = serde_json::from_str(fixture).unwrap();
    later["a_field_of_a_later_program"] = serde_json::json!({"x": 1});
    assert_eq!(&parse::<T>(1, &later.to_string()).unwrap(), want, "old reader, new data");
    let refused = parse::<T>(T::VERSION + 1, fixture).unwrap_err();
    assert!(refused.to_string().contains(T::KIND), "{refused}");
}

#[test]
fn job_documents_of_version_1_are_read() {
    let pool = PoolId::from_u128(0xa);
    let waiting = JobDoc {
        phase: Phase::Pending,
        attempts: 1,
        failed_starts: 1,
        not_before: Some(Timestamp::from_secs(60)),
        exit: None,
        dependencies: vec![Dependency { kind: model::DependencyKind::AfterOk, on: JobId::from_u128(7) }],
        avoid: None,
        preempted_at: None,
    };
    check(include_str!("../fixtures/job-1-waiting.json"), &waiting);
    let ended = JobDoc {
        phase: Phase::Ended { outcome: model::Outcome::OutOfMemory, at: Timestamp::from_secs(90) },
        attempts: 2,
        failed_starts: 0,
        not_before: None,
        exit: Some(Exit { code: 137, signal: 9 }),
        dependencies: Vec::new(),
        avoid: None,
        preempted_at: None,
    };
    check(include_str!("../fixtures/job-1-ended.json"), &ended);
    let running = JobDoc { phase: Phase::Running { attempt: 2, pool, since: Timestamp::from_secs(5) }, ..ended };
    check(include_str!("../fixtures/job-1-running.json"), &JobDoc { exit: None, ..running });
}

#[test]
fn attempt_documents_of_version_1_are_read() {
    let attempt = Attempt {
        id: AttemptId::new(JobId::from_u128(7), 2),
        cluster: base::ClusterId::from_u128(1),
        pool: PoolId::from_u128(0xa),
        phase: model::AttemptPhase::Ended,
        granted: base::Resources::new(4, base::Bytes::from_gib(16), 1),
        nodes: vec!["n1".into(), "n2".into()],
        external: Some("4711".into()),
        placed_at: Timestamp::from_secs(1),
        started_at: Some(Timestamp::from_secs(2)),
        ended_at: Some(Timestamp::from_secs(3)),
        exit: Some(Exit { code: 1, signal: 0 }),
        outcome: Some(model::Outcome::Failed),
        usage: model::Usage { cpu_time: Span::from_secs(9), memory_peak: base::Bytes(5), ..Default::default() },
        note: Some("no such node".into()),
        course: None,
    };
    check(include_str!("../fixtures/attempt-1.json"), &attempt);
}

#[test]
fn meter_documents_of_version_1_are_read() {
    let text = include_str!("../fixtures/meter-1.json");
    let meter = parse::<Meter>(1, text).unwrap();
    check(text, &meter);
    assert_eq!((meter.attempt, meter.charged, meter.intervals), (AttemptId::new(JobId::from_u128(7), 2), Money(11), 3));
    assert_eq!(*meter.tariff, rating::Tariff::flat(Money(1), Money(2), None));
    assert_eq!(meter.costed.total(), Money(3));
    assert_eq!(meter.metered_until, Timestamp::from_secs(180));
}

#[test]
fn price_books_of_version_1_are_read() {
    let text = include_str!("../fixtures/price-book-1.json");
    let book = parse::<PriceBook>(1, text).unwrap();
    check(text, &book);
    let chip: model::Chip = "nvidia-a100-80g".parse().unwrap();
    let list = rating::PriceList {
        core_hour: Some(Money(100_000)),
        gib_hour: Some(Money(10_000)),
        card_hour: [(chip, Money(6_000_000))].into(),
    };
    let from = Timestamp::from_micros(5);
    assert_eq!(book, PriceBook::list(base::PriceBookId::from_u128(1), "list".into(), Currency::CNY, from, list));
}

#[test]
fn states_keep_their_numbers() {
    let stored = [
        (0, StateCode::Pending),
        (1, StateCode::Held),
        (2, StateCode::Running),
        (3, StateCode::Completing),
        (4, StateCode::Completed),
        (5, StateCode::Failed),
        (6, StateCode::Cancelled),
        (7, StateCode::Timeout),
        (8, StateCode::OutOfMemory),
        (9, StateCode::NodeFail),
        (10, StateCode::Preempted),
    ];
    assert_eq!(stored.len(), StateCode::ALL.len());
    for (number, state) in stored {
        assert_eq!(state_number(state), number);
        assert_eq!(state_from(number).unwrap(), state);
    }
    assert!(state_from(11).is_err() && state_from(-1).is_err());
}
