//! What the policy makes of work: whom it tells to make room, how fast it takes it to run, where it may go.

use super::*;

/// A low job that fills the pool and was told to make room for an urgent one, the urgent one, and the order's signal.
fn told_to_go(f: &mut Fixture, change: impl FnOnce(&mut JobSpec)) -> (AttemptId, JobId, Effect) {
    let steering = engine::Steering::parse("[preemption]\nby = [\"urgent\"]\nsignal = \"TERM\"\n").unwrap();
    f.give(Command::Steer { steering: Box::new(steering), note: String::new(), expected: None });
    let whole = Request::of(1, Resources::new(8, Bytes::from_gib(1), 0));
    let low = f.submission(|spec| {
        (spec.class, spec.preemptible, spec.request) = (PriorityClass::Low, true, whole.clone());
        change(spec);
    });
    f.submit(low);
    let attempt = f.placed()[0];
    f.run(attempt);
    f.now = f.now + Span::from_mins(10);
    let urgent = f.submission(|spec| (spec.class, spec.request) = (PriorityClass::Urgent, whole.clone()));
    let urgent = f.submit(urgent);
    assert_eq!(f.placed(), []);
    assert_eq!(f.engine.reason(urgent).map(|r| r.code()), Some("making_room"));
    let audited = |r: &Record| matches!(r, Record::Audit(entry) if entry.action == "job.preempt");
    assert_eq!(f.out.records.iter().filter(|r| audited(r)).count(), 1);
    let signals: Vec<Effect> = f.out.effects.iter().filter(|e| matches!(e, Effect::Signal { .. })).cloned().collect();
    let [signal] = &signals[..] else { panic!("one signal: {signals:?}") };
    // It is outstanding as long as the run is: after a crash it is sent again, and to nobody else.
    assert_eq!(f.engine.outstanding(), signals);
    f.now = f.now + Span::from_secs(60);
    assert_eq!(f.placed(), []);
    assert!(f.out.effects.is_empty(), "{:?}", f.out.effects);
    (attempt, urgent, signal.clone())
}

fn went(attempt: AttemptId, at: Timestamp, outcome: Outcome) -> Observed {
    let exit = Some(model::Exit { code: 0, signal: 15 });
    Observed::Ended { attempt, started_at: None, at, outcome, exit, usage: Usage::default(), note: None }
}

#[test]
fn work_that_goes_at_the_signal_has_made_room_and_is_queued_again_unbilled() {
    let mut f = Fixture::new();
    let (attempt, urgent, signal) = told_to_go(&mut f, |_| {});
    assert_eq!(signal, Effect::Signal { cluster: CLUSTER, attempt, signal: 15, shell_only: false });
    let before = f.engine.wallet(TENANT).unwrap().balance;
    f.see(went(attempt, f.now, Outcome::Failed));
    assert_eq!(f.engine.job(attempt.job).map(|job| job.state().as_str()), Some("PENDING"));
    assert_eq!(f.placed().iter().map(|a| a.job).collect::<Vec<_>>(), [urgent]);
    // What had been billed of the run was given back.
    assert!(f.engine.wallet(TENANT).unwrap().balance >= before);
    assert!(f.engine.outstanding().iter().all(|e| e.attempt().job == urgent));
}

#[test]
fn work_that_is_done_when_told_to_go_is_done_and_its_own_signal_is_used() {
    let mut f = Fixture::new();
    let own = model::SignalSpec { signal: 12, before: Span::from_secs(60), shell_only: true };
    let (attempt, _, signal) = told_to_go(&mut f, |spec| spec.signal = Some(own));
    assert_eq!(signal, Effect::Signal { cluster: CLUSTER, attempt, signal: 12, shell_only: true });
    f.see(went(attempt, f.now, Outcome::Completed));
    assert!(f.engine.job(attempt.job).is_none_or(|job| !job.is_open()));
}

#[test]
fn the_lead_time_ends_with_an_order_that_is_outstanding_and_a_cancel_goes_before() {
    let mut f = Fixture::new();
    let (attempt, ..) = told_to_go(&mut f, |_| {});
    f.now = f.now + Span::from_secs(61);
    f.out = Batch::default();
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    let ends =
        |e: &&Effect, cause| matches!(e, Effect::End { attempt: a, how, .. } if *a == attempt && how.cause == cause);
    assert!(f.out.effects.iter().any(|e| ends(&e, model::EndCause::Preempted)), "{:?}", f.out.effects);
    assert!(f.engine.outstanding().iter().any(|e| ends(&e, model::EndCause::Preempted)));
    f.give(Command::Cancel { job: attempt.job });
    assert!(f.engine.outstanding().iter().any(|e| ends(&e, model::EndCause::Cancelled)));
    f.see(went(attempt, f.now, Outcome::Cancelled));
    assert!(f.engine.job(attempt.job).is_none_or(|job| !job.is_open()));
}

/// Two pools of cards, of which one is twice as fast for an application.
fn cards(f: &mut Fixture) -> [PoolId; 2] {
    let chips = ["nvidia-a100-80g", "nvidia-h100"].map(|name| name.parse::<model::Chip>().unwrap());
    let list = PriceList {
        core_hour: Some(Money::from_units(1)),
        gib_hour: Some(Money::ZERO),
        card_hour: chips.iter().map(|chip| (chip.clone(), Money::from_units(2))).collect(),
    };
    f.give(Command::PublishPrices(book(17, f.now, list)));
    let ids = [PoolId::from_u128(21), PoolId::from_u128(22)];
    for (id, chip) in ids.into_iter().zip(chips) {
        let shape = Resources::new(8, Bytes::from_gib(32), 1);
        let card = Pool { id, name: chip.as_str().into(), shape, chip: Some(chip), ..pool() };
        f.give(Command::RegisterPool { pool: card, cost: None });
    }
    ids
}

#[test]
fn a_job_ends_sooner_on_a_faster_chip_and_its_limit_is_what_it_was() {
    let mut f = Fixture::new();
    let [_, fast] = cards(&mut f);
    let text = "[apps.\"md/1\"]\nspeed = { h100 = 2000 }\n";
    let steering = || Box::new(engine::Steering::parse(text).unwrap());
    f.give(Command::Steer { steering: steering(), note: String::new(), expected: None });
    let whole = Request::of(1, Resources::new(8, Bytes::from_gib(1), 1));
    let ask = |f: &mut Fixture, app: Option<&str>| {
        f.submission(|spec| {
            (spec.request, spec.time_limit) = (whole.clone(), Span::from_hours(2));
            (spec.pools, spec.app) = (vec!["nvidia-h100".into()], app.map(Arc::from));
        })
    };
    let first = ask(&mut f, Some("md/1"));
    let job = f.submit(first);
    let attempt = f.placed()[0];
    f.run(attempt);
    // The next one on that card is told when the first is expected to be over, not when it must be.
    let starts = |f: &mut Fixture, app: Option<&str>| {
        let spec = ask(f, app).spec;
        let (explanation, hold, _) = f.engine.quote(TENANT, &spec).unwrap();
        let row = explanation.candidates.into_iter().find(|row| row.pool == fast).unwrap();
        (row.expected_start.unwrap().since(f.now), row.run_time, hold)
    };
    let (start, run_time, hold) = starts(&mut f, Some("md/1"));
    assert_eq!((start, run_time), (Span::from_hours(1), Span::from_hours(1)));
    let (start, run_time, plain) = starts(&mut f, None);
    assert_eq!(
        (start, run_time, hold),
        (Span::from_hours(1), Span::from_hours(2), plain),
        "the hold follows the limit"
    );
    // Past what was expected it runs on, until its limit and the graces are over.
    f.now = f.now + Span::from_mins(119);
    f.out = Batch::default();
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    let ends = |f: &Fixture| f.out.effects.iter().any(|e| matches!(e, Effect::End { attempt: a, .. } if *a == attempt));
    assert!(!ends(&f), "{:?}", f.out.effects);
    f.now = f.now + Span::from_mins(30);
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    assert!(ends(&f) && f.engine.job(job).is_some());
}

#[test]
fn a_job_may_not_be_sent_beyond_its_tenant_s_regions() {
    let mut f = Fixture::new();
    let sent = |f: &mut Fixture, places: &[&str]| {
        let submission = f.submission(|spec| spec.regions = places.iter().map(|p| Arc::from(*p)).collect());
        f.ask(false, Command::Submit(Box::new(submission))).map(|_| ()).map_err(|denied| denied.code())
    };
    // Bound to nothing, it may name any place; one where nothing stands is no place to run.
    assert_eq!(sent(&mut f, &["here"]), Ok(()));
    assert_eq!(sent(&mut f, &["mars"]), Err("no_feasible_pool"));
    let east = Cluster { region: "cn-east".into(), ..cluster(CLUSTER, "local", BackendKind::Local) };
    f.give(Command::RegisterCluster(east));
    f.give(Command::RegisterPool { pool: pool(), cost: None });
    let regions = Some(Arc::new(["cn-east".into(), "cn-north".into()]) as Arc<[Arc<str>]>);
    let (shares, status, credit_limit, tier) = (None, None, None, None);
    f.give(Command::ChangeTenant { tenant: TENANT, shares, status, credit_limit, tier, regions });
    assert_eq!(sent(&mut f, &[]), Ok(()));
    assert_eq!(sent(&mut f, &["cn-east"]), Ok(()));
    assert_eq!(sent(&mut f, &["here"]), Ok(()), "a site within a region");
    assert_eq!(sent(&mut f, &["cn-north"]), Err("no_feasible_pool"));
    assert_eq!(sent(&mut f, &["cn-east", "cn-west"]), Err("region_not_allowed"));
}
