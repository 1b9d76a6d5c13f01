//! The whole phase × input table as one checked-in snapshot: a changed rule shows up as a changed row.

use std::fmt::Write;

use super::*;

const T0: Timestamp = Timestamp::from_secs(1_000);
const NOW: Timestamp = Timestamp::from_secs(2_000);

fn job_in(phase: Phase) -> Job {
    let mut job = Job::new(
        JobId::from_u128(1),
        1,
        TenantId::from_u128(1),
        ProjectId::from_u128(1),
        UserId::from_u128(1),
        SpecId::from_u128(1),
        None,
        None,
        T0,
    );
    job.attempts = phase.attempt().unwrap_or(0);
    job.phase = phase;
    job
}

fn phases() -> Vec<(&'static str, Phase)> {
    let pool = PoolId::from_u128(7);
    let mut all = vec![
        ("pending", Phase::Pending),
        ("held by user", Phase::Held { by: Holder::User }),
        ("held by operator", Phase::Held { by: Holder::Operator }),
        ("starting", Phase::Starting { attempt: 1, pool }),
        ("running", Phase::Running { attempt: 1, pool, since: T0 }),
    ];
    for (name, cause) in [
        ("ending: cancelled", EndCause::Cancelled),
        ("ending: time limit", EndCause::TimeLimit),
        ("ending: balance", EndCause::Balance),
        ("ending: preempted", EndCause::Preempted),
        ("ending: requeued", EndCause::Requeued),
    ] {
        all.push((name, Phase::Ending { attempt: 1, pool, since: Some(T0), cause }));
    }
    for (name, since, hold) in [
        ("withdrawing", None, None),
        ("withdrawing, held", None, Some(Holder::User)),
        ("withdrawing, op hold", None, Some(Holder::Operator)),
        ("withdrawing, started", Some(T0), None),
    ] {
        all.push((name, Phase::Withdrawing { attempt: 1, pool, since, hold }));
    }
    all.push(("ended", Phase::Ended { outcome: Outcome::Completed, at: T0 }));
    all
}

fn inputs() -> Vec<(&'static str, JobInput)> {
    let ended = |outcome, requeue| JobInput::AttemptEnded { attempt: 1, outcome, exit: Some(Exit::default()), requeue };
    vec![
        ("hold by user", JobInput::Hold { by: Holder::User }),
        ("hold by operator", JobInput::Hold { by: Holder::Operator }),
        ("release", JobInput::Release { operator: false }),
        ("release by operator", JobInput::Release { operator: true }),
        ("place", JobInput::Place { pool: PoolId::from_u128(7) }),
        ("started", JobInput::Started { attempt: 1, at: T0 }),
        ("started (stale)", JobInput::Started { attempt: 9, at: T0 }),
        ("start failed", JobInput::StartFailed { attempt: 1, retry_at: NOW, limit: 3 }),
        ("start failed, last try", JobInput::StartFailed { attempt: 1, retry_at: NOW, limit: 1 }),
        ("attempt completed", ended(Outcome::Completed, false)),
        ("attempt failed", ended(Outcome::Failed, true)),
        ("node failed", ended(Outcome::NodeFail, false)),
        ("node failed, requeue", ended(Outcome::NodeFail, true)),
        ("cancel", JobInput::End { cause: EndCause::Cancelled }),
        ("time limit", JobInput::End { cause: EndCause::TimeLimit }),
        ("balance", JobInput::End { cause: EndCause::Balance }),
        ("requeue", JobInput::End { cause: EndCause::Requeued }),
        ("interrupted", JobInput::Interrupted { attempt: 1 }),
        ("withdraw", JobInput::Withdraw),
        ("leave", JobInput::Leave { attempt: 1 }),
        ("return to an attempt", JobInput::Return { attempt: 1, pool: PoolId::from_u128(7), since: T0 }),
        ("an attempt has won", JobInput::Won { exit: None }),
        ("abandon", JobInput::Abandon),
    ]
}

#[test]
fn the_full_table_is_as_checked_in() {
    let mut table = String::new();
    for (phase_name, phase) in phases() {
        for (input_name, input) in inputs() {
            let mut job = job_in(phase);
            let before = job.clone();
            let row = match job.apply(input, NOW) {
                Ok(transition) => format!("{:?} -> {}", transition, job.state().as_str()),
                Err(refusal) => {
                    assert_eq!(job, before, "a refusal changes nothing: {phase_name} × {input_name}");
                    format!("refused: {refusal:?}")
                }
            };
            writeln!(table, "{phase_name:20} × {input_name:24} {row}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_ended_job_never_changes_and_an_open_one_can_always_be_ended() {
    for (name, phase) in phases() {
        let mut job = job_in(phase);
        let open = job.is_open();
        let ended = job.apply(JobInput::End { cause: EndCause::Cancelled }, NOW);
        match (open, ended) {
            (false, result) => assert_eq!(result, Err(Refusal::AlreadyEnded(Outcome::Completed)), "{name}"),
            (true, Ok(_) | Err(Refusal::AlreadyEnding)) => {
                if let Some(attempt) = job.phase().attempt() {
                    let over = JobInput::AttemptEnded { attempt, outcome: Outcome::Failed, exit: None, requeue: false };
                    job.apply(over, NOW).unwrap();
                }
                let requeued = matches!(phase, Phase::Ending { cause: EndCause::Requeued, .. });
                assert!(!job.is_open() || requeued, "{name}");
            }
            (true, Err(refusal)) => panic!("{name}: {refusal}"),
        }
    }
}
