use super::*;

#[test]
fn states_are_read_in_every_spelling() {
    for (text, state, flags) in [
        ("COMPLETED", SlurmState::Completed, &[][..]),
        ("CANCELLED by 1000", SlurmState::Cancelled, &[]),
        ("COMPLETED+COMPLETING", SlurmState::Completed, &["COMPLETING"]),
        ("RUNNING,CONFIGURING", SlurmState::Running, &["CONFIGURING"]),
        ("CONFIGURING", SlurmState::Running, &["CONFIGURING"]),
        ("REQUEUE_HOLD", SlurmState::Pending, &["REQUEUE_HOLD"]),
        ("STOPPED", SlurmState::Running, &["STOPPED"]),
        ("POWER_UP_NODE", SlurmState::Running, &["POWER_UP_NODE"]),
        ("COMPLETING", SlurmState::Unknown("COMPLETING".into()), &["COMPLETING"]),
        ("OOM", SlurmState::OutOfMemory, &[]),
        ("HIBERNATING", SlurmState::Unknown("HIBERNATING".into()), &["HIBERNATING"]),
        ("", SlurmState::Unknown(String::new()), &[]),
    ] {
        let flags: StateFlags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        assert_eq!(parse(text), (state, flags), "{text}");
    }
}

#[test]
fn the_end_of_a_job_is_known_while_its_nodes_are_tidied_up() {
    for (text, known) in [("COMPLETED", true), ("COMPLETING", true), ("RUNNING", false), ("STOPPED", false)] {
        let (state, flags) = parse(text);
        assert_eq!(has_end(&state, &flags), known, "{text}");
    }
}

/// The table in `docs/slurm.md` is this one.
#[test]
fn every_state_has_its_outcome() {
    use EndCause as C;
    use Outcome as O;
    use SlurmState as S;
    let unknown = || S::Unknown("ODD".into());
    for (state, exit, reason, cause, outcome) in [
        (S::Completed, (0, 0), None, None, O::Completed),
        // It ended by itself just before the order came.
        (S::Completed, (0, 0), None, Some(C::Cancelled), O::Completed),
        (S::Failed, (7, 0), Some("NonZeroExitCode"), None, O::Failed),
        (S::Failed, (7, 0), None, Some(C::Cancelled), O::Failed),
        (S::Failed, (0, 9), Some("OutOfMemory"), None, O::OutOfMemory),
        (S::Failed, (0, 9), None, None, O::Failed),
        (S::Failed, (0, 15), None, Some(C::TimeLimit), O::Timeout),
        (S::Failed, (143, 0), None, Some(C::Preempted), O::Preempted),
        (S::Failed, (0, 53), Some("JobLaunchFailure"), None, O::Failed),
        (S::Cancelled, (0, 15), None, None, O::Cancelled),
        (S::Cancelled, (0, 15), None, Some(C::TimeLimit), O::Timeout),
        (S::Cancelled, (0, 15), None, Some(C::Preempted), O::Preempted),
        (S::Cancelled, (0, 15), None, Some(C::Balance), O::Cancelled),
        (S::Timeout, (0, 0), Some("TimeLimit"), None, O::Timeout),
        (S::Deadline, (0, 0), None, None, O::Timeout),
        (S::OutOfMemory, (0, 125), None, None, O::OutOfMemory),
        (S::NodeFail, (1, 0), Some("NodeDown"), None, O::NodeFail),
        (S::BootFail, (0, 0), None, None, O::NodeFail),
        (S::Preempted, (0, 0), None, None, O::Preempted),
        (unknown(), (0, 0), None, None, O::Failed),
    ] {
        let found = verdict(&state, exit, reason, true, cause);
        assert_eq!(found.outcome, outcome, "{state:?} {exit:?} {reason:?} {cause:?}");
    }
    assert_eq!(verdict(&S::Failed, (7, 0), None, true, None).exit, Some(Exit { code: 7, signal: 0 }));
    assert_eq!(verdict(&S::Cancelled, (0, 0), None, false, None).exit, None, "what never ran has no exit");
    assert_eq!(verdict(&S::NodeFail, (1, 0), None, true, None).exit, None, "nobody saw it end");
    let note = verdict(&unknown(), (0, 0), Some("Strange"), true, None).note.unwrap();
    assert!(note.contains("ODD") && note.contains("Strange"), "{note}");
    assert!(
        verdict(&S::Failed, (0, 53), Some("JobLaunchFailure"), true, None).note.unwrap().contains("JobLaunchFailure")
    );
}

#[test]
fn refusals_are_passing_or_for_good() {
    for (text, permanent) in [
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
            true,
        ),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", true),
        ("sbatch: error: invalid partition specified: x", true),
        (
            "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time)",
            false,
        ),
        ("error: Slurm temporarily unable to accept job, sleeping and retrying", false),
        ("Required partition not available (inactive or drain)", false),
    ] {
        assert_eq!(refusal(text).1, permanent, "{text}");
    }
    let (words, _) = refusal("sbatch: error: invalid partition specified: x");
    assert_eq!(words, "the cluster does not take the job: invalid partition specified: x");
}

#[test]
fn reasons_keep_slurms_word() {
    assert_eq!(waiting("Priority"), "Slurm: Priority: others are ahead of it");
    assert_eq!(
        waiting("AssocGrpCPUMinutesLimit"),
        "Slurm: AssocGrpCPUMinutesLimit: a limit of the account at the site"
    );
    assert_eq!(waiting("NewWord"), "Slurm: NewWord");
}
