//! `squeue`: jobs that have not ended, oldest first, in columns of the caller's choice.

use clap::Parser;
use wire::job::{JobSummary, JobsQuery};
use wire::{JobState, Page};

use super::fields::{Row, details};
use super::format::{self, Piece};
use super::{ids, listed, states};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;

/// Jobs read at once.
const JOBS_MAX: usize = 100_000;
const USUAL: &str = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R";
const LONG: &str = "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R";

#[derive(Debug, Parser)]
#[command(name = "squeue", version = super::VERSION, disable_help_flag = true, disable_version_flag = true, about = "Jobs that have not ended")]
pub struct Squeue {
    /// Of these users
    #[arg(long, short = 'u', value_name = "USERS")]
    user: Vec<String>,
    /// Of yourself
    #[arg(long)]
    me: bool,
    /// In these states: PD,R or `all`
    #[arg(long, short = 't', visible_alias = "state", value_name = "STATES")]
    states: Vec<String>,
    /// These jobs
    #[arg(long, short = 'j', visible_alias = "job", value_name = "JOBS", num_args = 0..=1, default_missing_value = "")]
    jobs: Vec<String>,
    /// In these pools
    #[arg(long, short = 'p', value_name = "POOLS")]
    partition: Vec<String>,
    /// Of these projects
    #[arg(long, short = 'A', value_name = "PROJECTS")]
    account: Vec<String>,
    /// Of these names
    #[arg(long, short = 'n', value_name = "NAMES")]
    name: Vec<String>,
    /// Columns: %i %j %u %t %T %M %l %L %D %R %r %N %P %C %m %b %V %S %e %a %q %Q %Z %o %k %E %F %K %A
    #[arg(long, short = 'o', value_name = "FORMAT")]
    format: Option<String>,
    /// Columns by name: jobid:10,name,state,…
    #[arg(long = "Format", short = 'O', value_name = "NAMES", conflicts_with = "format")]
    long_format: Option<String>,
    /// No heading
    #[arg(long, short = 'h')]
    noheader: bool,
    /// More columns
    #[arg(long, short = 'l')]
    long: bool,
    /// One line for each element of an array (always so here)
    #[arg(long, short = 'r')]
    array: bool,
    /// With the expected start of pending jobs
    #[arg(long)]
    start: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Again every so many seconds
    #[arg(long, short = 'i', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    iterate: Option<u64>,
    /// This text
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// The version
    #[arg(long, short = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Columns for `--start`.
const START: &str = "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %R";

pub async fn run(desk: &Desk, args: Squeue) -> Result<Exit, Fault> {
    let pieces = match &args.long_format {
        Some(names) => format::long(names, of_name)?,
        None => {
            let usual = if args.start {
                START
            } else if args.long {
                LONG
            } else {
                USUAL
            };
            format::percent(args.format.as_deref().unwrap_or(usual), |code| head(code).is_some())?
        }
    };
    loop {
        let text = once(desk, &args, &pieces).await?;
        desk.out(&text)?;
        let Some(seconds) = args.iterate else { return Ok(Exit::Ok) };
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(seconds)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
        }
    }
}

async fn once(desk: &Desk, args: &Squeue, pieces: &[Piece<char>]) -> Result<String, Fault> {
    let client = desk.client()?;
    let state =
        states::list(&listed(&args.states)).map_err(|word| Fault::Usage(Word::NoSuchState, vec![("state", word)]))?;
    let users = match args.me {
        true => vec![client.who_am_i().await?.user.name],
        false => listed(&args.user).into_iter().map(String::from).collect(),
    };
    let one = |values: &[&str]| if let [one] = values { Some(one.to_string()) } else { None };
    let strs: Vec<&str> = users.iter().map(String::as_str).collect();
    let (pools, accounts, names) = (listed(&args.partition), listed(&args.account), listed(&args.name));
    // What is asked for by name is shown though it has ended; `-t all` as well.
    let asked = ids::expand_all(args.jobs.iter().map(String::as_str))?;
    let query = JobsQuery {
        open: (state.is_none() && args.states.is_empty()).then_some(true),
        state,
        user: one(&strs),
        pool: one(&pools),
        project: one(&accounts),
        name: one(&names),
        ..JobsQuery::default()
    };
    let mut jobs =
        if asked.is_empty() { client.jobs(&query).take(JOBS_MAX).await?.items } else { by_id(&client, &asked).await? };
    // Several values of one filter are sorted out here; the API takes one each.
    let among = |values: &[&str], value: &str| values.is_empty() || values.contains(&value);
    jobs.retain(|job| {
        among(&strs, &job.user_name)
            && among(&accounts, &job.project_name)
            && among(&names, &job.name)
            && (pools.is_empty() || job.pool_name.as_deref().is_some_and(|pool| pools.contains(&pool)))
    });
    if desk.settings.look.json || args.json {
        return Ok(crate::view::to_json(&Page { items: jobs, next_cursor: None }) + "\n");
    }
    jobs.sort_by_key(|job| (std::cmp::Reverse(job.state == JobState::Running), job.number));
    let needs = |code: char| pieces.iter().any(|piece| matches!(piece, Piece::Field { field, .. } if *field == code));
    let (rare, nodes, start) = ("ZEk".chars().any(&needs), "NRB".chars().any(&needs), needs('S'));
    let full = details(&client, &jobs, |job| {
        rare || (nodes && ran(job)) || (start && job.expected_start.is_none() && is_in_line(job))
    })
    .await?;
    let rows = jobs.iter().map(|job| {
        let row = Row { job, full: full.get(&job.number), now: desk.now(), zone: &desk.settings.look.zone };
        format::line(pieces, |code| field(&row, *code)) + "\n"
    });
    let heading = (!args.noheader).then(|| format::line(pieces, |code| head(*code).unwrap_or("").to_string()) + "\n");
    Ok(heading.into_iter().chain(rows).collect())
}

/// It has ended, and only its attempts tell where it ran.
fn ran(job: &JobSummary) -> bool {
    !job.state.is_open() && job.started_at.is_some()
}

/// Its start can be expected, though a list told none: lists do so for the first jobs of a page only.
fn is_in_line(job: &JobSummary) -> bool {
    job.reason.as_ref().is_some_and(|reason| matches!(reason.code.as_str(), "resources" | "priority" | "queued"))
}

/// Jobs by name; an array's root stands for all its elements.
async fn by_id(client: &client::Client, names: &[String]) -> Result<Vec<JobSummary>, Fault> {
    let mut jobs = Vec::new();
    for name in names {
        let job = client.job(name).await?.summary;
        match &job.array {
            Some(array) if !name.contains('_') && name.parse() == Ok(array.root_number) => {
                let query = JobsQuery { array: Some(name.clone()), ..JobsQuery::default() };
                jobs.extend(client.jobs(&query).take(JOBS_MAX).await?.items);
            }
            _ => jobs.push(job),
        }
    }
    jobs.sort_by_key(|job| job.number);
    jobs.dedup_by_key(|job| job.number);
    Ok(jobs)
}

/// A column's heading; `None` for codes that do not exist here.
fn head(code: char) -> Option<&'static str> {
    Some(match code {
        'i' => "JOBID",
        'A' => "JOBID",
        'F' => "ARRAY_JOB_ID",
        'K' => "ARRAY_TASK_ID",
        'j' => "NAME",
        'u' => "USER",
        't' => "ST",
        'T' => "STATE",
        'M' => "TIME",
        'l' => "TIME_LIMIT",
        'L' => "TIME_LEFT",
        'D' => "NODES",
        'R' => "NODELIST(REASON)",
        'r' => "REASON",
        'N' => "NODELIST",
        'P' => "PARTITION",
        'C' => "CPUS",
        'm' => "MIN_MEMORY",
        'b' => "TRES_PER_NODE",
        'V' => "SUBMIT_TIME",
        'S' => "START_TIME",
        'e' => "END_TIME",
        'a' => "ACCOUNT",
        'q' => "QOS",
        'Q' => "PRIORITY",
        'Z' => "WORK_DIR",
        'o' => "COMMAND",
        'k' => "COMMENT",
        'E' => "DEPENDENCY",
        'c' => "MIN_CPUS",
        'B' => "EXEC_HOST",
        'v' => "RESERVATION",
        _ => return None,
    })
}

fn field(row: &Row<'_>, code: char) -> String {
    let job = row.job;
    match code {
        'i' => row.id(),
        'A' => job.number.to_string(),
        'F' => job.array.as_ref().map_or(job.number, |array| array.root_number).to_string(),
        'K' => job.array.as_ref().map_or_else(|| "N/A".into(), |array| array.index.to_string()),
        'j' => job.name.clone(),
        'u' => job.user_name.clone(),
        't' => states::short(job.state).into(),
        'T' => states::long(job.state).into(),
        'M' => row.elapsed_short(),
        'l' => row.limit_short(),
        'L' => row.time_left(),
        'D' => job.requested.nodes.to_string(),
        'R' => row.nodes_or_reason(),
        'r' => row.reason(),
        'N' => row.nodes(),
        'P' => row.partition(),
        'C' => row.cpus().to_string(),
        'c' => job.requested.cpus_per_task.to_string(),
        'm' => row.memory(),
        'b' => row.gres(),
        'V' => row.time(Some(job.submitted_at), "N/A"),
        'S' => row.start("N/A"),
        'e' => row.end("N/A"),
        'a' => job.project_name.clone(),
        'q' => job.class.as_str().into(),
        'Q' => row.priority().to_string(),
        'Z' => row.text(|job| job.work_dir.as_ref(), ""),
        'o' => job.name.clone(),
        'k' => row.text(|job| job.comment.as_ref(), "(null)"),
        'E' => row.dependency(),
        'B' => row.first_node().unwrap_or_else(|| "n/a".into()),
        _ => "(null)".into(),
    }
}

/// The code of a name of `-O`.
fn of_name(name: &str) -> Option<char> {
    Some(match name {
        "jobarrayid" => 'i',
        "jobid" => 'A',
        "arrayjobid" => 'F',
        "arraytaskid" => 'K',
        "name" => 'j',
        "username" => 'u',
        "statecompact" => 't',
        "state" => 'T',
        "timeused" => 'M',
        "timelimit" => 'l',
        "timeleft" => 'L',
        "numnodes" => 'D',
        "reasonlist" => 'R',
        "reason" => 'r',
        "nodelist" => 'N',
        "partition" => 'P',
        "numcpus" => 'C',
        "mincpus" => 'c',
        "minmemory" => 'm',
        "tres-per-node" | "gres" => 'b',
        "submittime" => 'V',
        "starttime" => 'S',
        "endtime" => 'e',
        "account" => 'a',
        "qos" => 'q',
        "prioritylong" | "priority" => 'Q',
        "workdir" => 'Z',
        "command" => 'o',
        "comment" => 'k',
        "dependency" => 'E',
        "batchhost" => 'B',
        "reservation" => 'v',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::format::FormatFault;
    use crate::view::tests_support::{reason, summary};

    fn show(job: &JobSummary, format: &str) -> Result<String, FormatFault> {
        let pieces = format::percent(format, |code| head(code).is_some())?;
        let now = base::Timestamp::parse("2026-11-21T09:02:03Z").unwrap();
        let row = Row { job, full: None, now, zone: &jiff::tz::TimeZone::UTC };
        Ok(format::line(&pieces, |code| field(&row, *code)))
    }

    #[test]
    fn the_usual_columns_line_up() {
        let job = summary(12, JobState::Running);
        let pieces = format::percent(USUAL, |code| head(code).is_some()).unwrap();
        let heading = format::line(&pieces, |code| head(*code).unwrap().to_string());
        assert_eq!(heading, "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)");
        assert_eq!(
            show(&job, USUAL).unwrap(),
            "                12     local     melt      ann  R    1:02:03      1 n[1-2]"
        );
    }

    #[test]
    fn codes_that_people_use_are_known() {
        let mut job = summary(13, JobState::Pending);
        job.array = Some(wire::job::ArrayPosition { root_number: 12, index: 1 });
        job.started_at = None;
        job.reason = Some(reason("dependency"));
        job.nodes.clear();
        (job.pool, job.pool_name, job.pools) = (None, None, vec!["local".into()]);
        for (format, text) in [
            ("%i|%A|%F|%K", "12_1|13|12|1"),
            ("%t|%T|%M|%l|%L", "PD|PENDING|0:00|2:00:00|2:00:00"),
            ("%D|%C|%m|%b", "1|4|8G|N/A"),
            ("%V|%S|%e", "2026-11-21T07:59:00|N/A|N/A"),
            ("%a|%q|%Q", "default|normal|200"),
            ("%R|%r|%N", "(Dependency)|Dependency|"),
            ("%P", "local"),
        ] {
            assert_eq!(show(&job, format).as_deref(), Ok(text), "{format}");
        }
        assert_eq!(show(&job, "%!"), Err(FormatFault::UnknownCode('!')));
    }

    #[test]
    fn every_long_name_has_a_column() {
        for name in
            ["jobid", "jobarrayid", "name", "username", "state", "timeused", "reason", "tres-per-node", "workdir"]
        {
            assert!(of_name(name).and_then(head).is_some(), "{name}");
        }
        assert_eq!(of_name("nonsense"), None);
    }
}
