//! Which records of a job's runs count, and how runs are told. Works on what was asked for: no waiting, no calls.

use base::{AttemptId, Span, Timestamp};
use model::Observed;

use crate::carrier::{AccountedRun, SlurmState};
use crate::core::facts::Facts;
use crate::core::limits::VOID_SECS_MAX;
use crate::core::table::Entry;
use crate::evidence::Evidence;
use crate::states::{self, EXIT_STOPPED, EXIT_SUPERSEDED};

/// Suspensions that were not seen, or not seen to end, are told so that their sum is Slurm's to the second.
pub fn suspensions(entry: &mut Entry, attempt: AttemptId, facts: &Facts, end: Timestamp, news: &mut Vec<Observed>) {
    let untold = Span::from_secs((facts.suspended_seconds - entry.told.suspended_seconds).max(0));
    match entry.told.suspended.take() {
        Some(since) => news.push(Observed::Continued { attempt, at: (since + untold).min(end) }),
        None if untold > Span::ZERO => {
            news.push(Observed::Suspended { attempt, at: end - untold });
            news.push(Observed::Continued { attempt, at: end });
        }
        None => {}
    }
}

pub fn tell_interrupted(entry: &mut Entry, attempt: AttemptId, run: &AccountedRun, offset: Span) -> Option<Observed> {
    let (start, end) = (run.start?, run.end?);
    if !entry.told.interrupted.insert(start) {
        return None;
    }
    let offset = *entry.offset.get_or_insert(offset);
    let words = format!("Slurm started it again after {}", run.state.as_str());
    let outcome = states::interrupted(&run.state);
    let (started_at, at) = (Timestamp::from_secs(start) - offset, Timestamp::from_secs(end.max(start)) - offset);
    Some(Observed::Interrupted { attempt, started_at, at, outcome, note: Some(words.into()) })
}

/// The record that counts. A controller that was set back to an older state believes that a job runs which had ended, does not find
/// it on its node, and adds that the node has failed: what was recorded first of the same start is true.
pub fn last_word<'a>(runs: &[&'a AccountedRun]) -> Option<&'a AccountedRun> {
    let last = *runs.last()?;
    let of_same_start = |run: &&&AccountedRun| run.start == last.start && run.end.is_some() && is_own_end(run);
    let first = runs.iter().find(of_same_start).filter(|_| last.state == SlurmState::NodeFail);
    Some(first.copied().unwrap_or(last))
}

/// Without launches of a job after its end, by a controller that was set back.
pub fn without_echoes(mut runs: Vec<&AccountedRun>) -> Vec<&AccountedRun> {
    let own = runs.iter().any(|run| run.end.is_some() && is_own_end(run) && !is_void(run));
    runs.retain(|run| !own || !is_void(run));
    runs
}

/// The run in which the job wrote its last line, where accounting has it beside later launches.
pub fn own_run<'a>(runs: &[&'a AccountedRun], evidence: &Evidence) -> Option<&'a AccountedRun> {
    let ended = evidence.ended.as_ref()?.at.as_secs();
    let covers = |run: &&&AccountedRun| run.start.is_some_and(|start| start <= ended) && run.end >= Some(ended);
    runs.iter().filter(covers).find(|run| is_own_end(run) && !is_void(run)).copied()
}

/// Its script came to its end.
pub fn is_own_end(run: &AccountedRun) -> bool {
    [SlurmState::Completed, SlurmState::Failed].contains(&run.state)
}

/// Work that began and ended, of which the start is missing: a busy slurmdbd shows the end a moment before the rest.
pub fn is_half_written(run: &AccountedRun) -> bool {
    let began = [SlurmState::Completed, SlurmState::Failed, SlurmState::Timeout, SlurmState::OutOfMemory];
    began.contains(&run.state) && (run.start.is_none() || run.nodes.is_empty())
}

/// It did nothing: another job has the fence, or it was told to stay away.
pub fn is_void(run: &AccountedRun) -> bool {
    let is_short = run.start.zip(run.end).is_some_and(|(start, end)| end - start <= VOID_SECS_MAX);
    run.state == SlurmState::Failed && [EXIT_SUPERSEDED, EXIT_STOPPED].contains(&run.exit.0) && is_short
}

#[cfg(test)]
mod tests {
    use model::Exit;

    use super::*;
    use crate::evidence::Ended;

    fn run(state: SlurmState, exit: i32, start: i64, end: i64) -> AccountedRun {
        AccountedRun {
            number: 7,
            name: String::new(),
            comment: String::new(),
            user: None,
            state,
            submitted: 90,
            start: Some(start),
            end: Some(end),
            suspended_seconds: 0,
            nodes: vec!["n1".to_owned()],
            exit: (exit, 0),
            tres: String::new(),
            cpu_micros: 0,
            memory_peak: 0,
            read: 0,
            written: 0,
        }
    }

    /// As a completion log had it of a job whose controller was set back twice.
    #[test]
    fn later_launches_of_what_has_ended_are_no_runs() {
        let own = run(SlurmState::Completed, 0, 100, 101);
        let void = run(SlurmState::Failed, EXIT_SUPERSEDED, 107, 107);
        let lost = run(SlurmState::NodeFail, 0, 107, 176);
        assert_eq!(without_echoes(vec![&own, &void, &lost]), [&own, &lost]);
        assert_eq!(without_echoes(vec![&void]), [&void], "it is all there is");
        let ended =
            |at| Ended { at: Timestamp::from_secs(at), number: 7, exit: Some(Exit::default()), words: String::new() };
        let evidence = |at| Evidence { ended: Some(ended(at)), ..Evidence::default() };
        assert_eq!(own_run(&[&own, &lost], &evidence(101)), Some(&own));
        assert_eq!(own_run(&[&own, &lost], &evidence(104)), None, "no record has it");
        assert_eq!(own_run(&[&lost], &evidence(150)), None, "the node's failure is not its own end");
    }
}
