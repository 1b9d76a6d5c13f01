//! What `squeue` and `scontrol show job` say of jobs. Pure. Names and comments may hold anything, also what looks like the rest of
//! a listing: they end at a mark which nobody could have known beforehand.

use crate::carrier::{CarrierError, JobNumber, QueuedJob};
use crate::cli::arguments::{QUEUE_FIELDS, UNIT};
use crate::cli::{hostlist, read};
use crate::key;
use crate::states::{self, Course};

/// Jobs out of the answer to [`crate::cli::arguments::squeue`].
///
/// # Errors
/// [`CarrierError::Unreadable`] where the answer has another shape.
pub fn jobs(answer: &[u8], mark: &str) -> Result<Vec<QueuedJob>, CarrierError> {
    let text = String::from_utf8_lossy(answer);
    let mut rest: &str = &text;
    let mut jobs = Vec::new();
    while !rest.is_empty() {
        let (job, behind) = one_job(rest, mark).ok_or_else(|| read::unreadable("squeue", rest.as_bytes()))?;
        jobs.push(job);
        rest = behind;
    }
    Ok(jobs)
}

fn one_job<'a>(text: &'a str, mark: &str) -> Option<(QueuedJob, &'a str)> {
    let mut fields = [""; QUEUE_FIELDS.len()];
    let mut rest = text;
    for field in &mut fields {
        (*field, rest) = rest.split_once(UNIT)?;
    }
    let (name, rest) = rest.split_once(mark)?;
    let (comment, rest) = rest.split_once(mark)?;
    let end = |rest: &'a str| rest.strip_prefix('\n').or_else(|| rest.is_empty().then_some(rest));
    // A user stands there where he was asked for.
    let (user, rest) = match end(rest) {
        Some(rest) => ("", rest),
        None => {
            let (user, rest) = rest.split_once(mark)?;
            (user, end(rest)?)
        }
    };
    let [number, state, reason, submitted, start, end, used, nodes, restarts, exit, tres] = fields;
    let facts = Facts {
        number,
        name,
        comment,
        state,
        reason,
        submitted,
        start,
        end,
        nodes,
        restarts,
        exit: read::wait_status(exit),
        tres,
        suspended: None,
        used,
        user,
    };
    Some((facts.job()?, rest))
}

/// Jobs out of the answer to [`crate::cli::arguments::details`]; those that are not there are left out.
///
/// # Errors
/// [`CarrierError::Unreadable`] where the answer has another shape.
pub fn details(answer: &[u8], mark: &str) -> Result<Vec<QueuedJob>, CarrierError> {
    let text = String::from_utf8_lossy(answer);
    let mut jobs = Vec::new();
    let closing = format!("\n{mark}\n");
    // The program may show its prompt and what it was told; the mark stands alone in its line.
    for part in text.split(closing.as_str()) {
        let Some(begin) = part.find("JobId=") else { continue };
        let record = &part[begin..];
        jobs.push(one_record(record).ok_or_else(|| read::unreadable("scontrol show job", record.as_bytes()))?);
    }
    Ok(jobs)
}

fn one_record(record: &str) -> Option<QueuedJob> {
    let number = read::field(record, "JobId")?;
    let named = read::after(record, "JobName")?;
    let (name, rest) = named.split_once(" UserId=")?;
    let (facts, tail) = rest.split_once(" WorkDir=").unwrap_or((rest, ""));
    let comment = tail.split_once(" Comment=").map_or("", |(_, comment)| {
        // What follows is Slurm's: the last of these words is none of the comment's.
        let end = [" StdErr=", " Power=", " SystemComment="].iter().filter_map(|word| comment.rfind(word)).min();
        comment[..end.unwrap_or(comment.len())].trim_end_matches(' ')
    });
    let field = |key| read::field(facts, key).unwrap_or("");
    let start = read::time(field("StartTime"));
    // What it ran before its last suspension or resumption, and when that was.
    let suspended = read::time(field("SuspendTime")).zip(start).map(|(changed, start)| {
        let ran: i64 = field("SecsPreSuspend").parse().unwrap_or(0);
        (changed - start - ran).max(0)
    });
    let facts = Facts {
        number,
        name,
        comment,
        state: field("JobState"),
        reason: field("Reason"),
        submitted: field("SubmitTime"),
        start: field("StartTime"),
        end: field("EndTime"),
        nodes: field("NodeList"),
        restarts: field("Restarts"),
        exit: read::exit(field("ExitCode")),
        tres: field("TRES"),
        suspended: Some(suspended.unwrap_or(0)),
        used: "",
        // `li(1001)`
        user: rest.split(['(', ' ', '\n']).next().unwrap_or(""),
    };
    facts.job()
}

/// A job in Slurm's words.
struct Facts<'a> {
    number: &'a str,
    name: &'a str,
    comment: &'a str,
    state: &'a str,
    reason: &'a str,
    submitted: &'a str,
    start: &'a str,
    end: &'a str,
    nodes: &'a str,
    restarts: &'a str,
    exit: Option<(i32, i32)>,
    tres: &'a str,
    /// Where the answer says it; otherwise what `used` leaves of the time between start and end.
    suspended: Option<i64>,
    used: &'a str,
    user: &'a str,
}

impl Facts<'_> {
    fn job(self) -> Option<QueuedJob> {
        let number: JobNumber = self.number.parse().ok()?;
        let (state, flags) = states::parse(self.state);
        let over = states::has_end(&state, &flags);
        let waits = state.course() == Course::Waiting;
        let start = read::time(self.start);
        // Of a job that runs `squeue` gives the end its time limit allows.
        let end = if over { read::time(self.end) } else { None };
        let left = |(start, end): (i64, i64)| read::seconds(self.used).map_or(0, |used| (end - start - used).max(0));
        let suspended_seconds = self.suspended.unwrap_or_else(|| start.zip(end).map_or(0, left));
        let nodes = hostlist::expand(self.nodes).unwrap_or_else(|_| vec![self.nodes.to_owned()]);
        Some(QueuedJob {
            number,
            name: key::identity(self.name, self.comment).to_owned(),
            comment: read::word(self.comment).unwrap_or_default(),
            state,
            flags,
            reason: read::word(self.reason),
            submitted: read::time(self.submitted).unwrap_or(0),
            start,
            end,
            suspended_seconds,
            nodes,
            restarts: self.restarts.trim().parse().unwrap_or(0),
            exit: if over { self.exit } else { None },
            // What a waiting job shows is what it asks for.
            tres: if waits { String::new() } else { read::word(self.tres).unwrap_or_default() },
            user: read::word(self.user),
        })
    }
}

/// Numbers of jobs that have steps, in order, each once.
///
/// # Errors
/// [`CarrierError::Unreadable`] where a line is no number.
pub fn running(answer: &[u8]) -> Result<Vec<JobNumber>, CarrierError> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.lines().filter(|line| !line.is_empty());
    let numbers: Result<Vec<JobNumber>, _> = lines.map(|line| line.trim_end_matches(UNIT).trim().parse()).collect();
    let mut numbers = numbers.map_err(|_| read::unreadable("squeue --steps", answer))?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::carrier::SlurmState;

    const SQUEUE: &[u8] = include_bytes!("recorded/squeue.txt");
    const DETAILS: &[u8] = include_bytes!("recorded/details.txt");
    const STEPS: &[u8] = include_bytes!("recorded/steps.txt");
    const MARK: &str = "\u{1e}7d1f";

    fn find(jobs: &[QueuedJob], number: JobNumber) -> &QueuedJob {
        jobs.iter().find(|job| job.number == number).unwrap()
    }

    #[test]
    fn a_queue_is_read_whatever_names_and_comments_hold() {
        let jobs = jobs(SQUEUE, MARK).unwrap();
        insta::assert_debug_snapshot!(jobs);
        let odd = find(&jobs, 16);
        assert_eq!(odd.name, "we\"ird'$(id);|na\nme 🜚");
        assert_eq!(odd.comment, "c1 | ; $(x)\nJobId=2 JobName=evil JobState=FAILED\nline2 🜛 \"q\" 's'");
        assert!(jobs.iter().all(|job| job.number != 2));
    }

    #[test]
    fn details_agree_with_the_queue() {
        let queue = jobs(SQUEUE, MARK).unwrap();
        let details = details(DETAILS, "7d1f").unwrap();
        assert_eq!(details.iter().map(|job| job.number).collect::<Vec<_>>(), [17, 16, 21, 20]);
        for job in &details {
            // The listing was not asked for it.
            assert_eq!(job.user.as_deref(), Some("root"));
            assert_eq!(&QueuedJob { user: None, ..job.clone() }, find(&queue, job.number));
        }
    }

    #[test]
    fn a_suspended_job_has_run_until_then() {
        let record = b"JobId=10 JobName=hw-sus UserId=u(1) JobState=CANCELLED Reason=None Restarts=0 ExitCode=0:15 \
            RunTime=00:00:04 SubmitTime=1795259853 StartTime=1795259854 EndTime=1795259861 SuspendTime=1795259858 \
            SecsPreSuspend=1 NodeList=n1 TRES=cpu=1 Command=(null) WorkDir=/w StdErr=/dev/null";
        let job = &details(record, "x").unwrap()[0];
        assert_eq!((job.suspended_seconds, job.end, job.exit), (3, Some(1_795_259_861), Some((0, 15))));
        let line = "10\u{1f}CANCELLED\u{1f}None\u{1f}1795259853\u{1f}1795259854\u{1f}1795259861\u{1f}0:04\u{1f}n1\u{1f}0\u{1f}15\
            \u{1f}cpu=1\u{1f}hw-sus\u{1e}7d1f(null)\u{1e}7d1fu\u{1e}7d1f\n";
        assert_eq!(&jobs(line.as_bytes(), MARK).unwrap()[0], job);
    }

    #[test]
    fn a_job_that_is_tidied_up_is_neither_running_nor_over() {
        let queue = jobs(SQUEUE, MARK).unwrap();
        let job = find(&queue, 22);
        assert!(matches!(job.state, SlurmState::Unknown(_)));
        assert_eq!((job.flags.as_slice(), job.restarts, job.end), (&["COMPLETING".to_owned()][..], 1, None));
    }

    #[test]
    fn steps_name_each_running_job_once() {
        // 22 is being tidied up: its step is still there.
        assert_eq!(running(STEPS).unwrap(), [17, 21, 22]);
        assert_eq!(running(b"5\x1f\n5\x1f\n4\x1f\n").unwrap(), [4, 5]);
        assert!(running(b"x\n").is_err());
    }

    #[test]
    fn half_an_answer_is_no_answer() {
        assert!(jobs(&SQUEUE[..SQUEUE.len() - 20], MARK).is_err());
        assert!(jobs(b"squeue: something else", MARK).is_err());
        assert_eq!(jobs(b"", MARK).unwrap(), []);
    }

    proptest! {
        #[test]
        fn any_name_and_comment_come_back(name in "[^\u{1e}]{0,30}", comment in "[^\u{1e}]{1,60}") {
            let line = format!(
                "7\u{1f}PENDING\u{1f}Priority\u{1f}5\u{1f}N/A\u{1f}N/A\u{1f}0:00\u{1f}\u{1f}0\u{1f}0\u{1f}cpu=1\u{1f}\
                 {name}{MARK}{comment}{MARK}\n"
            );
            let jobs = jobs(line.repeat(2).as_bytes(), MARK).unwrap();
            prop_assert_eq!(jobs.len(), 2);
            prop_assert_eq!(&jobs[1].name, &name);
            prop_assert_eq!(&jobs[1].comment, &read::word(&comment).unwrap_or_default());
        }
    }
}
