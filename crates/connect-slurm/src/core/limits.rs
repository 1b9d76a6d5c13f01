//! Every limit of the core with its unit and arithmetic, and those that a cluster sets itself.

use std::time::Duration;

use crate::carrier::Survey;
use crate::render::SCRIPT_BYTES_MAX;

/// Hand-overs under way at once: slurmrestd takes 900 jobs a second from 16 connections, sbatch 209 from 8; beyond that a
/// slurmctld only queues them.
pub const HAND_OVERS: usize = 16;
/// Orders to end, and ends to be accounted for, that come within this time go into one call: a call costs 5 to 180 ms.
pub const COLLECT: Duration = Duration::from_millis(5);
/// Job numbers in one call: 500 cost squeue 3 ms and sacct 180 ms, and fit an argument list of 128 KiB many times.
pub const NUMBERS_MAX: usize = 500;
/// Between two looks at the whole queue while nothing is in doubt: 270 ms of squeue for 10,000 jobs each, 1 % of a core.
pub const WHOLE_LOOK: Duration = Duration::from_secs(30);
/// The same while an attempt is being looked for.
pub const WHOLE_LOOK_IN_DOUBT: Duration = Duration::from_secs(1);
/// Longest pause between two looks while the cluster does not answer.
pub const LOOK_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a call waits for the first look after the start of a connector.
pub const FIRST_LOOK_WAIT: Duration = Duration::from_secs(10);
/// What no place shows is asked for this long before it counts as lost: records that wait in slurmctld for slurmdbd arrive
/// 2.5 s after its start.
pub const MISSING_PATIENCE: Duration = Duration::from_secs(5);
/// After the end of a job its accounting record is waited for this long; then the controller's own record counts.
/// 0.1 s is usual; a slurmdbd that is being restarted takes seconds.
pub const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(60);
/// First and longest pause between two questions to accounting for the same end.
pub const ACCOUNTS_PAUSE_FIRST: Duration = Duration::from_millis(150);
pub const ACCOUNTS_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest pause after an answer of accounting that took less than this: an end is to be told within a second in the median, and a
/// look takes up to 400 ms before.
const ACCOUNTS_GAP_MAX: Duration = Duration::from_millis(400);
/// The pause after an answer of accounting that took so long: twice that, as most of the usual 90 ms are waits for small packets and
/// 10 ms are work, and as long as the answer where it is slow.
pub fn accounts_gap(took: Duration) -> Duration {
    (took * 2).clamp(COLLECT, ACCOUNTS_GAP_MAX.max(took))
}
/// An order to end is repeated after this long, until the job is gone.
pub const END_AGAIN: Duration = Duration::from_secs(5);
/// Between two looks at the nodes, and at the cluster as a whole. A survey costs hundreds of milliseconds: 1 % of a core.
pub const NODES_LOOK: Duration = Duration::from_secs(5);
pub const SURVEY_LOOK: Duration = Duration::from_secs(60);
/// Observations that nobody has taken yet, above which the cluster is not looked at: one per job of a large cluster.
pub const OUTBOX_MAX: usize = 20_000;
/// Recently forgotten attempts that a late job must not start again: 28 bytes each, half a mebibyte in all, and at 200 jobs a
/// second more than a minute's worth.
pub const FORGOTTEN_MAX: usize = 16_384;
/// Evidence of forgotten attempts is kept this long, as the fence against copies that appear late.
pub const EVIDENCE_KEPT: Duration = Duration::from_secs(600);
/// Evidence that a connector finds and does not know is kept this long, seconds.
pub const EVIDENCE_FOUND_KEPT_SECS: i64 = 86_400;
/// How far back accounting is asked for an attempt of unknown age, and at most, seconds: a week, sixty days.
pub const ACCOUNTS_BACK_SECS: i64 = 7 * 86_400;
pub const ACCOUNTS_BACK_MAX_SECS: i64 = 60 * 86_400;
/// Clocks count as equal up to this difference, seconds: Slurm's are whole seconds, and answers take part of one.
pub const CLOCK_SLACK_SECS: i64 = 2;
/// Between two looks of a waiter at a log file, and for how long it looks.
pub const LOG_POLL: Duration = Duration::from_millis(250);
pub const LOG_WAIT_MAX: Duration = Duration::from_secs(10);
/// Most bytes one `read_log` returns, as the port promises.
pub const LOG_READ_MAX: usize = 1 << 20;
/// Slurm's own words at the end of a job that go into its note, bytes.
pub const WORDS_MAX: usize = 1_000;

/// A job that does not begin is over within milliseconds; a loaded shared file system may take seconds.
pub const VOID_SECS_MAX: i64 = 30;

/// What a cluster sets itself, as its survey says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Between TERM and KILL of a job that is ended.
    pub kill_wait: Duration,
    /// For how long a submission that was not answered may still create its job.
    pub late: Duration,
    /// An acknowledged job that is seen this long after is in the controller's saved state.
    pub saved_after: Duration,
    /// Of a batch script.
    pub script_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        // Slurm's own defaults: KillWait=30, MessageTimeout=10. A save was seen up to 4 s after the acknowledgement.
        Limits {
            kill_wait: Duration::from_secs(30),
            late: Duration::from_secs(30),
            saved_after: Duration::from_secs(10),
            script_bytes_max: SCRIPT_BYTES_MAX,
        }
    }
}

impl Limits {
    /// What the survey says, Slurm's defaults for the rest. `late` is twice the message timeout, as a client tries twice, and
    /// ten seconds for a controller that is being started.
    pub fn of(survey: &Survey) -> Limits {
        let word = |name: &str| {
            survey.config.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let seconds = |name: &str| {
            let digits: String = word(name)?.trim().chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().map(Duration::from_secs)
        };
        let script = word("SchedulerParameters")
            .and_then(|all| all.split(',').find_map(|part| part.trim().strip_prefix("max_script_size=")?.parse().ok()));
        let default = Limits::default();
        Limits {
            kill_wait: seconds("KillWait").unwrap_or(default.kill_wait),
            late: seconds("MessageTimeout").map_or(default.late, |timeout| timeout * 2 + Duration::from_secs(10)),
            script_bytes_max: script.unwrap_or(default.script_bytes_max),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::AccountingKind;

    #[test]
    fn a_survey_says_what_differs() {
        let mut survey = Survey {
            version: String::new(),
            cluster_name: String::new(),
            user: String::new(),
            accounting: AccountingKind::Controller,
            clock: 0,
            config: Vec::new(),
            partitions: Vec::new(),
            nodes: Vec::new(),
            reservations: Vec::new(),
            licences: Vec::new(),
            limits: Vec::new(),
            topology: Vec::new(),
        };
        assert_eq!(Limits::of(&survey), Limits::default());
        let said =
            [("KillWait", "2 sec"), ("MessageTimeout", "60 sec"), ("SchedulerParameters", "a,max_script_size=100")];
        survey.config = said.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let found = Limits::of(&survey);
        assert_eq!((found.kill_wait.as_secs(), found.late.as_secs(), found.script_bytes_max), (2, 130, 100));
    }

    #[test]
    fn accounting_is_asked_often_while_it_is_quick() {
        let milliseconds = [(0, 5), (90, 180), (300, 400), (400, 400), (5_000, 5_000)];
        for (took, gap) in milliseconds {
            assert_eq!(accounts_gap(Duration::from_millis(took)), Duration::from_millis(gap), "{took}");
        }
    }
}
