//! The command line against sites that answer otherwise than a plain Slurm: recorded words, a runner that says them.

use super::*;
use crate::carrier::SlurmState;

/// Answers each call by a function of its program and its arguments.
struct Site<F>(F);

impl<F: Fn(&str, &str) -> (i32, String, String) + Send + Sync + 'static> Runner for Site<F> {
    fn describe(&self) -> String {
        "recorded".to_owned()
    }
    fn arguments_bytes_max(&self) -> usize {
        100_000
    }
    fn run(&self, call: Call) -> BoxFuture<'_, Result<Output, RunError>> {
        let given = call.stdin.as_deref().unwrap_or("");
        let (code, out, err) = (self.0)(&call.program, &format!("{}\n{given}", call.arguments.join(" ")));
        Box::pin(async move { Ok(Output { code: Some(code), stdout: out.into_bytes(), stderr: err.into_bytes() }) })
    }
}

fn site(answer: impl Fn(&str, &str) -> (i32, String, String) + Send + Sync + 'static) -> CommandLine {
    CommandLine::new(Site(answer), Tools::default(), Some("hw".to_owned()))
}

const LOGGED: &str = "Configuration data as of 1795260519\nJobCompType = jobcomp/filetxt\n";

#[tokio::test]
async fn a_completion_log_that_this_account_may_not_read_proves_nothing() {
    for (code, said, kind) in [
        (0, "", AccountingKind::CompletionLog),
        (1, "sacct: fatal: open /var/log/jobcomp.txt: Permission denied", AccountingKind::Controller),
    ] {
        let cluster = site(move |program, _| match program {
            "sacct" => (code, String::new(), said.to_owned()),
            _ => (0, LOGGED.to_owned(), String::new()),
        });
        assert_eq!(cluster.facts().await.unwrap(), kind);
    }
    // No answer is no proof of either.
    let silent = site(|program, _| match program {
        "sacct" => (1, String::new(), "sacct: error: Unable to contact slurm controller (connect failure)".to_owned()),
        _ => (0, LOGGED.to_owned(), String::new()),
    });
    assert!(matches!(silent.facts().await, Err(CarrierError::Unreachable(_))));
}

#[tokio::test]
async fn a_notice_of_the_sites_wrappers_is_no_complaint() {
    let cluster = site(|_, words| {
        let notice = "NOTE: maintenance on Friday\n";
        match words.lines().find_map(|line| line.strip_prefix("show hostnames ")) {
            None => (0, LOGGED.to_owned(), notice.to_owned()),
            Some(mark) => {
                let job = "JobId=7 JobName=hw-x UserId=hw(1) JobState=RUNNING NodeList=n1 StartTime=5 WorkDir=/w\n";
                let gone = "slurm_load_jobs error: Invalid job id specified\n";
                (1, format!("{job}\n{mark}\n{mark}\n"), format!("{notice}{gone}"))
            }
        }
    });
    // Any command that succeeds teaches it.
    cluster.ask("scontrol", vec!["show".into(), "config".into()]).await.unwrap();
    let jobs = cluster.details(&[7, 8]).await.unwrap();
    assert_eq!(jobs.iter().map(|job| (job.number, &job.state)).collect::<Vec<_>>(), [(7, &SlurmState::Running)]);
}
