//! Job states in Slurm's spelling: long, short, and the other way round. Pure text.

use wire::JobState;

/// Slurm's two letters. `HELD` is a pending job to Slurm.
pub const fn short(state: JobState) -> &'static str {
    match state {
        JobState::Pending | JobState::Held => "PD",
        JobState::Running => "R",
        JobState::Completing => "CG",
        JobState::Completed => "CD",
        JobState::Failed => "F",
        JobState::Cancelled => "CA",
        JobState::Timeout => "TO",
        JobState::OutOfMemory => "OOM",
        JobState::NodeFail => "NF",
        JobState::Preempted => "PR",
    }
}

/// Slurm's word.
pub const fn long(state: JobState) -> &'static str {
    match state {
        JobState::Held => "PENDING",
        other => other.as_str(),
    }
}

/// Reads a long or short word, in any case.
pub fn parse(text: &str) -> Option<JobState> {
    let short_of = |state: &&JobState| **state != JobState::Held && short(**state).eq_ignore_ascii_case(text);
    JobState::parse(text).or_else(|| JobState::ALL.iter().find(short_of).copied())
}

/// States as Slurm's users list them, for a query: pending ones include held ones; `all` is every state.
pub fn list(words: &[&str]) -> Result<Option<String>, String> {
    if words.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case("all")) {
        return Ok(None);
    }
    let mut states = Vec::new();
    for word in words {
        let state = parse(word).ok_or_else(|| word.to_string())?;
        states.push(state);
        if state == JobState::Pending {
            states.push(JobState::Held);
        }
    }
    states.sort_unstable();
    states.dedup();
    Ok(Some(states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(",")))
}

/// Why a job is pending, in Slurm's words; a word of ours that Slurm does not have stays as it is.
pub fn reason(code: &str) -> &str {
    match code {
        "resources" => "Resources",
        "priority" => "Priority",
        "queued" | "starting" => "None",
        "held" => "JobHeldUser",
        "begin_time" | "retry" => "BeginTime",
        "dependency" => "Dependency",
        "dependency_never" => "DependencyNeverSatisfied",
        "array_limit" => "JobArrayTaskLimit",
        "no_feasible_pool" => "BadConstraints",
        "pools_unavailable" => "PartitionDown",
        "balance" => "AssocGrpBillingMinutes",
        "not_in_service" => "PartitionInactive",
        "cluster_total" => "AssocMaxJobsLimit",
        "licence" => "Licenses",
        "borrowing_limit" | "lending_limit" => "AssocGrpCpuLimit",
        "window" => "ReqNodeNotAvail",
        "switches" => "Resources",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_spelt_as_slurm_spells_them() {
        for (text, state) in [
            ("R", Some(JobState::Running)),
            ("running", Some(JobState::Running)),
            ("pd", Some(JobState::Pending)),
            ("OOM", Some(JobState::OutOfMemory)),
            ("held", Some(JobState::Held)),
            ("X", None),
            ("", None),
        ] {
            assert_eq!(parse(text), state, "{text}");
        }
        for state in JobState::ALL {
            if *state != JobState::Held {
                assert_eq!(parse(short(*state)), Some(*state));
                assert_eq!(parse(long(*state)), Some(*state));
            }
        }
    }

    #[test]
    fn pending_includes_held() {
        assert_eq!(list(&["PD", "R"]), Ok(Some("PENDING,HELD,RUNNING".into())));
        assert_eq!(list(&["all"]), Ok(None));
        assert_eq!(list(&[]), Ok(None));
        assert_eq!(list(&["R", "??"]), Err("??".into()));
    }
}
