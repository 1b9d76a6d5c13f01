//! What a site's own wrappers around Slurm's commands add on standard error ("maintenance on Friday"): learnt from commands that
//! succeeded, so that it is not taken for a complaint when one fails. Knows words, no commands.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::cli::runner::Output;
use crate::cli::words;

/// Lines remembered: a notice has a few, for some ten commands.
const LINES_MAX: usize = 128;
/// Bytes of one line that can be a notice.
const LINE_BYTES_MAX: usize = 400;

#[derive(Debug, Default)]
pub struct Notices(Mutex<BTreeSet<String>>);

impl Notices {
    /// Learns from a command that succeeded, and takes what is known out of what any command said.
    pub fn hear(&self, output: &mut Output) {
        if output.stderr.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.ok() {
            let notices = text.lines().filter(|line| line.len() <= LINE_BYTES_MAX && !words::is_complaint(line));
            for line in notices {
                if known.len() < LINES_MAX {
                    known.insert(shape(line));
                }
            }
        }
        let kept: Vec<&str> = text.lines().filter(|line| !known.contains(&shape(line))).collect();
        output.stderr = kept.join("\n").into_bytes();
    }
}

/// A line without its digits: dates and quotas change.
fn shape(line: &str) -> String {
    line.trim().chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stderr: &str) -> Output {
        Output { code: Some(code), stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
    }

    fn heard(notices: &Notices, code: i32, stderr: &str) -> String {
        let mut output = output(code, stderr);
        notices.hear(&mut output);
        String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn notices_are_learnt_and_complaints_stay() {
        let notices = Notices::default();
        let gone = "slurm_load_jobs error: Invalid job id specified";
        assert_eq!(heard(&notices, 1, &format!("quota: 93% used\n{gone}\n")), format!("quota: 93% used\n{gone}"));
        assert_eq!(heard(&notices, 0, &format!("quota: 93% used\n{gone}\n")), gone, "no complaint is learnt");
        assert_eq!(heard(&notices, 1, &format!("quota: 94% used\n{gone}\n")), gone);
        assert_eq!(heard(&notices, 1, ""), "");
        assert!(words::only_gone(&output(1, &heard(&notices, 1, &format!("quota: 5% used\n{gone}")))));
    }
}
