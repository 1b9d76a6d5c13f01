//! `scancel`: ends jobs by name or by what they have in common.

use clap::Parser;
use wire::ErrorCode;
use wire::job::{BulkItem, JobsQuery};

use super::{ids, listed, states};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::verbs::jobs::cancel_all;

/// Jobs that one command may end.
const JOBS_MAX: usize = 100_000;

#[derive(Debug, Parser)]
#[command(name = "scancel", version = super::VERSION, about = "Ends jobs")]
pub struct Scancel {
    /// Jobs: 12, 12_3, 12_[1-3]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Of this user
    #[arg(long, short = 'u', value_name = "USER")]
    user: Option<String>,
    /// Of yourself
    #[arg(long)]
    me: bool,
    /// In these states
    #[arg(long, short = 't', value_name = "STATES")]
    state: Vec<String>,
    /// Of this name
    #[arg(long, short = 'n', visible_alias = "jobname", value_name = "NAME")]
    name: Option<String>,
    /// In this pool
    #[arg(long, short = 'p', value_name = "POOL")]
    partition: Option<String>,
    /// Of this project
    #[arg(long, short = 'A', value_name = "PROJECT")]
    account: Option<String>,
    /// Only TERM and KILL: a job is always asked with TERM and killed after its grace
    #[arg(long, short = 's', value_name = "SIGNAL")]
    signal: Option<String>,
    /// No talk about jobs that have ended already
    #[arg(long, short = 'Q')]
    quiet: bool,
    /// More talk
    #[arg(long, short = 'v', action = clap::ArgAction::Count)]
    verbose: u8,
    /// The batch script's own process; the same as the job here
    #[arg(long, short = 'b')]
    batch: bool,
    /// The whole job; the same here
    #[arg(long, short = 'f')]
    full: bool,
}

/// Signals that mean "end".
fn ends(signal: &str) -> bool {
    let name = signal.to_ascii_uppercase();
    matches!(name.strip_prefix("SIG").unwrap_or(&name), "TERM" | "KILL" | "15" | "9")
}

pub async fn run(desk: &Desk, args: Scancel) -> Result<Exit, Fault> {
    if let Some(signal) = args.signal.filter(|signal| !ends(signal)) {
        return Err(Fault::Usage(Word::SignalUnsupported, vec![("signal", signal)]));
    }
    let client = desk.client()?;
    let mut names = ids::expand_all(args.jobs.iter().map(String::as_str))?;
    let state =
        states::list(&listed(&args.state)).map_err(|word| Fault::Usage(Word::NoSuchState, vec![("state", word)]))?;
    let filtered = args.user.is_some() || args.me || state.is_some() || args.name.is_some() || args.partition.is_some();
    let filtered = filtered || args.account.is_some();
    if names.is_empty() && !filtered {
        return Err(Fault::Usage(Word::CancelWhat, Vec::new()));
    }
    if filtered {
        let user = if args.me { Some(client.who_am_i().await?.user.name) } else { args.user };
        let query = JobsQuery {
            user,
            state,
            name: args.name,
            pool: args.partition,
            project: args.account,
            open: Some(true),
            ..JobsQuery::default()
        };
        let found = client.jobs(&query).take(JOBS_MAX).await?.items;
        // Names and filters together: jobs that are named and fit, as scancel has it.
        let fits = |name: &String| {
            found.iter().any(|job| {
                *name == job.number.to_string()
                    || *name == crate::verbs::jobs::name_of(job)
                    || *name == job.id.to_string()
            })
        };
        names = match names.is_empty() {
            true => found.iter().map(|job| job.id.to_string()).collect(),
            false => names.into_iter().filter(fits).collect(),
        };
    }
    if names.is_empty() {
        return Ok(Exit::Ok);
    }
    let result = cancel_all(&client, names).await?;
    if desk.settings.look.json {
        desk.out(&(crate::view::to_json(&result) + "\n"))?;
    }
    let mut exit = Exit::Ok;
    for item in result.results {
        let Some((what, is_failure)) = complaint(&item) else {
            if item.changed == 0 && args.verbose > 0 && !args.quiet {
                desk.say(&format!("scancel: Job/step already completing or completed: {}", item.job));
            }
            continue;
        };
        if is_failure || !args.quiet {
            desk.say(&format!("scancel: error: Kill job error on job id {}: {what}", item.job));
        }
        if is_failure {
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

/// What to say about a job that was not cancelled, and whether the command fails by it. An unknown or ended job is told and is
/// no failure: Slurm's scancel ends with 0.
fn complaint(item: &BulkItem) -> Option<(String, bool)> {
    match item.code? {
        ErrorCode::JobNotFound | ErrorCode::NotFound => Some(("Invalid job id specified".into(), false)),
        ErrorCode::WrongState => Some(("Job/step already completing or completed".into(), false)),
        _ => Some((item.detail.clone().unwrap_or_default(), true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signals_that_end_are_taken() {
        for signal in ["TERM", "sigkill", "9", "15", "SIGTERM"] {
            assert!(ends(signal), "{signal}");
        }
        for signal in ["USR1", "10", "INT", ""] {
            assert!(!ends(signal), "{signal}");
        }
    }
}
