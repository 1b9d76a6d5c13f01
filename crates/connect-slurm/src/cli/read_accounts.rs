//! What `sacct` says of runs, from slurmdbd or from the completion log. Pure.

use crate::carrier::{AccountedRun, CarrierError, JobNumber};
use crate::cli::arguments::ACCOUNT_FIELDS;
use crate::cli::{hostlist, read};
use crate::key;
use crate::states;

/// The completion log knows no suspension, and `sacct` prints 2³² − 1 seconds and more instead: more than a century is none.
const SUSPENDED_SECONDS_MAX: i64 = 100 * 366 * 86_400;

/// Runs out of the answer to [`crate::cli::arguments::sacct`], each with what its steps used. A job that Slurm requeued has
/// several, in their order.
///
/// # Errors
/// [`CarrierError::Unreadable`] where the answer has another shape.
pub fn runs(answer: &[u8], mark: &str) -> Result<Vec<AccountedRun>, CarrierError> {
    let text = String::from_utf8_lossy(answer);
    let mut rest: &str = &text;
    let mut runs: Vec<AccountedRun> = Vec::new();
    while !rest.is_empty() {
        let (line, behind) = one_line(rest, mark).ok_or_else(|| read::unreadable("sacct", rest.as_bytes()))?;
        rest = behind;
        let number = line[0].trim();
        if let Some((of, _)) = number.split_once('.') {
            let of: Option<JobNumber> = of.parse().ok();
            if let Some(run) = runs.last_mut().filter(|run| Some(run.number) == of) {
                add_step(run, &line);
            }
            continue;
        }
        // `12+0` and the like: parts of heterogeneous jobs, which are none of ours.
        let Ok(number) = number.parse() else { continue };
        runs.push(run(number, &line, mark));
    }
    Ok(runs)
}

type Line<'a> = [&'a str; ACCOUNT_FIELDS.len()];

/// One line's fields: all but the last end at the mark, the last one with the line.
fn one_line<'a>(text: &'a str, mark: &str) -> Option<(Line<'a>, &'a str)> {
    let mut line: Line = [""; ACCOUNT_FIELDS.len()];
    let mut rest = text;
    let (last, first) = line.split_last_mut()?;
    for field in first {
        (*field, rest) = rest.split_once(mark)?;
    }
    (*last, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    Some((line, rest))
}

fn run(number: JobNumber, line: &Line, mark: &str) -> AccountedRun {
    let [_, name, comment, submitted, start, end, suspended, nodes, exit, tres, cpu, _, _, last] = *line;
    // A user stands there where he was asked for.
    let (state, user) = last.split_once(mark).unwrap_or((last, ""));
    AccountedRun {
        number,
        name: key::identity(name, comment).to_owned(),
        comment: comment.to_owned(),
        state: states::parse(state).0,
        submitted: read::time(submitted).unwrap_or(0),
        start: read::time(start),
        end: read::time(end),
        suspended_seconds: read::seconds(suspended).filter(|&seconds| seconds < SUSPENDED_SECONDS_MAX).unwrap_or(0),
        nodes: hostlist::expand(nodes).unwrap_or_else(|_| vec![nodes.to_owned()]),
        exit: read::exit(exit).unwrap_or((0, 0)),
        tres: read::word(tres).unwrap_or_default(),
        cpu_micros: read::micros(cpu).unwrap_or(0),
        memory_peak: 0,
        read: 0,
        written: 0,
        user: read::word(user),
    }
}

/// What one step used: its memory beside the peak so far, what it moved on top. CPU time stands in the job's own line already.
fn add_step(run: &mut AccountedRun, line: &Line) {
    let [.., used, made, _] = *line;
    run.memory_peak = run.memory_peak.max(read::tres(used, "mem"));
    run.read = run.read.saturating_add(read::tres(used, "fs/disk"));
    run.written = run.written.saturating_add(read::tres(made, "fs/disk"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::SlurmState;

    const SACCT: &[u8] = include_bytes!("recorded/sacct.txt");
    const COMPLETION: &[u8] = include_bytes!("recorded/completion.txt");
    const MARK: &str = "\u{1e}7d1f";

    #[test]
    fn runs_are_read_with_their_steps() {
        insta::assert_debug_snapshot!(runs(SACCT, MARK).unwrap());
    }

    #[test]
    fn a_requeued_job_has_two_runs() {
        let runs = runs(SACCT, MARK).unwrap();
        let of: Vec<_> = runs.iter().filter(|run| run.number == 22).map(|run| (run.start, run.end)).collect();
        assert_eq!(of, [(Some(1_795_260_514), Some(1_795_260_516)), (Some(1_795_260_524), Some(1_795_260_532))]);
        let last = runs.last().unwrap();
        assert_eq!((last.read, last.written, last.memory_peak), (8_388_620_263, 8_388_608_101, 2_880 << 10));
        assert_eq!(last.cpu_micros, 305_000);
    }

    #[test]
    fn the_completion_log_says_less() {
        let runs = runs(COMPLETION, MARK).unwrap();
        assert_eq!(runs.len(), 2);
        assert_eq!((&runs[0].state, runs[0].exit, runs[0].suspended_seconds), (&SlurmState::Failed, (2, 0), 0));
        assert_eq!(runs[1].nodes.len(), 2);
    }

    #[test]
    fn half_an_answer_is_no_answer() {
        assert!(runs(b"slurmdbd: what", MARK).is_err());
        assert_eq!(runs(b"", MARK).unwrap(), []);
    }
}
