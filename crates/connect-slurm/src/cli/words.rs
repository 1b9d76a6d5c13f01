//! What Slurm's commands say when they fail, sorted by what it means for us. Pure. Texts are those of Slurm's `slurm_errno.c`,
//! stable from 18.08 to 24.11; what is not known counts as a refusal.

use std::io;

use crate::carrier::{CarrierError, SubmitError};
use crate::cli::runner::Output;

/// The request did not reach a daemon.
const NOT_REACHED: &[&str] = &[
    "(connect failure)",
    "connection refused",
    "no route to host",
    "network is unreachable",
    "could not establish a configuration source",
    "failed to fetch config",
    "munge encode failed",
    "unable to establish controller machine",
    "communication connection failure",
];

/// It may have reached one; the answer did not come back.
const UNANSWERED: &[&str] = &[
    "socket timed out",
    "(receive failure)",
    "(send failure)",
    "(shutdown failure)",
    "zero bytes were transmitted or received",
    "connection reset by peer",
    "broken pipe",
    "connection timed out",
    "transport endpoint is not connected",
    "munge decode failed",
    "insane message length",
    "incomplete or corrupt",
    "unexpected missing socket error",
    "message send failure",
    "message receive failure",
    "communication shutdown failure",
    "header lengths are longer than data received",
    // sbatch tries again by itself after a time-out: an earlier try may have made a job.
    "temporarily unable to accept job",
];

/// A daemon is there and cannot answer now.
const BUSY: &[&str] = &[
    "unable to contact slurm controller",
    "slurm backup controller in standby mode",
    "resource temporarily unavailable",
    "unable to connect to database",
    "slurmdbd: ",
    "slurm_persist_conn_open",
    "problem talking to the database",
    "not responding",
];

/// Words about a job that is not there, or is over.
const GONE: &[&str] = &[
    "invalid job id specified",
    "job/step already completing or completed",
    "job already finished",
    // The summary `scontrol hold` prints after the lines about single jobs.
    "slurm_suspend error: no error",
];

fn has(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Why a question got no answer, from what a command said as it failed.
pub fn question(output: &Output) -> CarrierError {
    let said = spoken(output);
    if output.code.is_none() || has(&said, NOT_REACHED) || has(&said, UNANSWERED) || has(&said, BUSY) {
        return CarrierError::Unreachable(io::Error::other(said));
    }
    CarrierError::Refused(said)
}

/// Why `sbatch` gave no number. In doubt a job may have come of it.
pub fn submission(output: &Output) -> SubmitError {
    let said = spoken(output);
    if output.code.is_none() || has(&said, UNANSWERED) {
        return SubmitError::Unanswered(io::Error::other(said));
    }
    if has(&said, NOT_REACHED) {
        return SubmitError::NotSent(io::Error::other(said));
    }
    if has(&said, BUSY) {
        return SubmitError::Unanswered(io::Error::other(said));
    }
    SubmitError::Refused(said)
}

/// Whether all that a command complains of are jobs that are not there or over.
pub fn only_gone(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    output.code.is_some() && lines.peek().is_some() && lines.all(|line| has(line, GONE))
}

/// Whether a line may be Slurm's word about something that went wrong.
pub fn is_complaint(line: &str) -> bool {
    const SIGNS: &[&str] = &["error", "fatal", "fail", "denied", "invalid", "not permitted", "unable"];
    [SIGNS, NOT_REACHED, UNANSWERED, BUSY, GONE].iter().any(|words| has(line, words))
}

/// Slurm's own words, without the name of the command before each line.
fn spoken(output: &Output) -> String {
    let said = output.said();
    if said.is_empty() {
        return match output.code {
            Some(code) => format!("exit code {code} and no word"),
            None => "ended by a signal".to_owned(),
        };
    }
    let strip = |line: &str| {
        let rest =
            line.split_once(": ").filter(|(name, _)| name.starts_with('s') && !name.contains(' ')).map(|(_, r)| r);
        rest.unwrap_or(line).trim_start_matches("error: ").to_owned()
    };
    said.lines().map(strip).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(stderr: &str) -> Output {
        Output { code: Some(1), stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
    }

    #[test]
    fn a_failed_submission_is_classed_by_what_may_have_come_of_it() {
        for (said, class) in [
            (
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
                "not sent",
            ),
            ("sbatch: error: Batch job submission failed: Connection refused", "not sent"),
            ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", "unanswered"),
            ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", "unanswered"),
            (
                "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n\
                 sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
                "unanswered",
            ),
            (
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (receive failure)",
                "unanswered",
            ),
            (
                "sbatch: error: slurm_msg_sendto: address:port=127.0.0.1:22138 msg_type=4003: Unexpected missing socket error\n\
                 sbatch: error: Batch job submission failed: Unexpected missing socket error",
                "unanswered",
            ),
            ("sbatch: error: Batch job submission failed: Resource temporarily unavailable", "unanswered"),
            ("sbatch: error: Batch job submission failed: Invalid partition name specified", "refused"),
            ("sbatch: error: Batch script is empty!", "refused"),
            ("", "refused"),
        ] {
            let found = match submission(&failed(said)) {
                SubmitError::NotSent(_) => "not sent",
                SubmitError::Unanswered(_) => "unanswered",
                SubmitError::Refused(_) => "refused",
            };
            assert_eq!(found, class, "{said}");
        }
        let killed = Output { code: None, ..failed("") };
        assert!(matches!(submission(&killed), SubmitError::Unanswered(_)));
    }

    #[test]
    fn refusals_are_slurms_own_words() {
        let output =
            failed("sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: x\n");
        let SubmitError::Refused(words) = submission(&output) else { panic!("not refused") };
        assert_eq!(words, "invalid partition specified: nope\nBatch job submission failed: x");
    }

    #[test]
    fn jobs_that_are_gone_are_no_fault() {
        for said in [
            "Invalid job id specified for job 2\nInvalid job id specified for job 999\nslurm_suspend error: No error\n",
            "scancel: error: Kill job error on job id 2: Invalid job id specified",
            "slurm_load_jobs error: Invalid job id specified",
            "scancel: error: Kill job error on job id 4: Job/step already completing or completed",
        ] {
            assert!(only_gone(&failed(said)), "{said}");
        }
        for said in ["", "Access/permission denied", "Invalid job id specified\nUnable to contact slurm controller"] {
            assert!(!only_gone(&failed(said)), "{said}");
        }
    }

    #[test]
    fn silence_is_never_a_refusal() {
        let down = failed("slurm_load_jobs error: Unable to contact slurm controller (connect failure)");
        assert!(matches!(question(&down), CarrierError::Unreachable(_)));
        let dbd = failed("sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection");
        assert!(matches!(question(&dbd), CarrierError::Unreachable(_)));
        assert!(matches!(question(&failed("squeue: error: Invalid user: x")), CarrierError::Refused(_)));
    }
}
