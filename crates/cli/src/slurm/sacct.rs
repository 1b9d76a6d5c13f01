//! `sacct`: what jobs did and used, ended ones included, oldest first. A job that has started has a second line for its batch
//! script (`12.batch`), where Slurm's users look for memory and CPU time.

use base::Timestamp;
use clap::Parser;
use wire::Page;
use wire::job::{JobSummary, JobsQuery};

use super::fields::{Row, details};
use super::format::{self, Piece};
use super::{ids, listed, states};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::{When, when};
use crate::text::Word;

/// Jobs read at once, open ones and ended ones each.
const JOBS_MAX: usize = 100_000;
const USUAL: &str = "jobid,jobname,partition,account,alloccpus,state,exitcode";
const BRIEF: &str = "jobid,state,exitcode";
const LONG: &str = "jobid,jobname,user,account,partition,alloccpus,nnodes,state,exitcode,submit,start,end,elapsed,totalcpu,maxrss,nodelist";

#[derive(Debug, Parser)]
#[command(name = "sacct", version = super::VERSION, disable_version_flag = true, about = "What jobs did and used")]
pub struct Sacct {
    /// These jobs
    #[arg(long, short = 'j', visible_alias = "job", value_name = "JOBS")]
    jobs: Vec<String>,
    /// Of these users
    #[arg(long, short = 'u', visible_alias = "uid", value_name = "USERS")]
    user: Vec<String>,
    /// Of all users you may see
    #[arg(long, short = 'a')]
    allusers: bool,
    /// Of these projects
    #[arg(long, short = 'A', visible_alias = "account", value_name = "PROJECTS")]
    accounts: Vec<String>,
    /// In these pools
    #[arg(long, short = 'r', value_name = "POOLS")]
    partition: Vec<String>,
    /// Of these names
    #[arg(long, value_name = "NAMES")]
    name: Vec<String>,
    /// In these states: CD,F,TO
    #[arg(long, short = 's', value_name = "STATES")]
    state: Vec<String>,
    /// Not ended before [default: today at 00:00, or any time with -j]
    #[arg(long, short = 'S', value_name = "TIME", value_parser = when)]
    starttime: Option<When>,
    /// Handed in before
    #[arg(long, short = 'E', value_name = "TIME", value_parser = when)]
    endtime: Option<When>,
    /// One line a job, without its batch script's
    #[arg(long, short = 'X')]
    allocations: bool,
    /// Fields with `|` between, and behind the last
    #[arg(long, short = 'p')]
    parsable: bool,
    /// Fields with `|` between
    #[arg(long, short = 'P')]
    parsable2: bool,
    /// What stands between fields instead of `|`
    #[arg(long, value_name = "TEXT", default_value = "|")]
    delimiter: String,
    /// No heading
    #[arg(long, short = 'n')]
    noheader: bool,
    /// Fields: JobID%20,JobName,State,…
    #[arg(long, short = 'o', value_name = "FIELDS")]
    format: Option<String>,
    /// JobID, State, ExitCode
    #[arg(long, short = 'b')]
    brief: bool,
    /// Many fields
    #[arg(long, short = 'l')]
    long: bool,
    /// Names of all fields
    #[arg(long, short = 'e')]
    helpformat: bool,
    /// Every run of a requeued job; only the last is shown here
    #[arg(long, short = 'D')]
    duplicates: bool,
    /// Memory in these units: K, M, G
    #[arg(long, value_name = "UNIT", value_parser = ["K", "M", "G"])]
    units: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The version
    #[arg(long, short = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Name and usual size of every field; negative: left-justified.
const FIELDS: &[(&str, isize)] = &[
    ("JobID", -12),
    ("JobIDRaw", -12),
    ("JobName", 10),
    ("User", 9),
    ("Group", 9),
    ("Account", 10),
    ("Partition", 10),
    ("QOS", 10),
    ("Cluster", 10),
    ("State", 10),
    ("ExitCode", 8),
    ("DerivedExitCode", 15),
    ("Reason", 22),
    ("Submit", 19),
    ("Eligible", 19),
    ("Start", 19),
    ("End", 19),
    ("Elapsed", 10),
    ("ElapsedRaw", 10),
    ("Timelimit", 10),
    ("TimelimitRaw", 12),
    ("CPUTime", 10),
    ("CPUTimeRAW", 10),
    ("TotalCPU", 10),
    ("UserCPU", 10),
    ("SystemCPU", 10),
    ("AllocCPUS", 10),
    ("NCPUS", 10),
    ("ReqCPUS", 8),
    ("AllocNodes", 10),
    ("NNodes", 8),
    ("ReqNodes", 8),
    ("NTasks", 8),
    ("NodeList", 15),
    ("AllocTRES", 20),
    ("ReqTRES", 20),
    ("ReqMem", 10),
    ("MaxRSS", 10),
    ("AveRSS", 10),
    ("MaxVMSize", 10),
    ("MaxDiskRead", 12),
    ("MaxDiskWrite", 12),
    ("AveCPU", 10),
    ("Priority", 10),
    ("WorkDir", 20),
    ("Comment", 14),
];

/// A field by its name in lower case.
fn find(name: &str) -> Option<(&'static str, isize)> {
    FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).copied()
}

pub async fn run(desk: &Desk, args: Sacct) -> Result<Exit, Fault> {
    if args.helpformat {
        let lines: Vec<String> =
            FIELDS.chunks(4).map(|row| row.iter().map(|(name, _)| format!("{name:<20}")).collect()).collect();
        return desk
            .out(&(lines.iter().map(|line: &String| line.trim_end()).collect::<Vec<_>>().join("\n") + "\n"))
            .map(|()| Exit::Ok);
    }
    let fields = match (&args.format, args.long, args.brief) {
        (Some(format), ..) => format.as_str(),
        (_, true, _) => LONG,
        (_, _, true) => BRIEF,
        _ => USUAL,
    };
    let pieces = format::sacct(fields, find)?;
    let client = desk.client()?;
    let jobs = jobs(desk, &client, &args).await?;
    if args.json || desk.settings.look.json {
        let text = crate::view::to_json(&Page { items: jobs, next_cursor: None });
        return desk.out(&(text + "\n")).map(|()| Exit::Ok);
    }
    let full = details(&client, &jobs, |_| wants_details(&pieces)).await?;
    let mut out = String::new();
    if !args.noheader {
        out.push_str(&heading(&pieces, &args));
    }
    for job in &jobs {
        let row = Row { job, full: full.get(&job.number), now: desk.now(), zone: &desk.settings.look.zone };
        out.push_str(&line(&pieces, &row, false, &args));
        if !args.allocations && job.started_at.is_some() {
            out.push_str(&line(&pieces, &row, true, &args));
        }
    }
    desk.out(&out)?;
    Ok(Exit::Ok)
}

fn wants_details(pieces: &[Piece<&'static str>]) -> bool {
    const FROM_DETAILS: &[&str] = &[
        "TotalCPU",
        "UserCPU",
        "SystemCPU",
        "AveCPU",
        "NodeList",
        "MaxRSS",
        "AveRSS",
        "MaxDiskRead",
        "MaxDiskWrite",
        "WorkDir",
        "Comment",
        "Cluster",
    ];
    pieces.iter().any(|piece| matches!(piece, Piece::Field { field, .. } if FROM_DETAILS.contains(field)))
}

async fn jobs(desk: &Desk, client: &client::Client, args: &Sacct) -> Result<Vec<JobSummary>, Fault> {
    let zone = &desk.settings.look.zone;
    let state =
        states::list(&listed(&args.state)).map_err(|word| Fault::Usage(Word::NoSuchState, vec![("state", word)]))?;
    let asked = ids::expand_all(args.jobs.iter().map(String::as_str))?;
    let mut users: Vec<String> = listed(&args.user).into_iter().map(String::from).collect();
    if users.is_empty() && !args.allusers && asked.is_empty() {
        users.push(client.who_am_i().await?.user.name);
    }
    let (accounts, pools, names) = (listed(&args.accounts), listed(&args.partition), listed(&args.name));
    let one = |values: &[&str]| if let [one] = values { Some(one.to_string()) } else { None };
    let strs: Vec<&str> = users.iter().map(String::as_str).collect();
    let since = match &args.starttime {
        Some(at) => at.at(desk.now(), zone).0,
        None if asked.is_empty() => today(desk),
        None => Timestamp::ZERO,
    };
    let mut found = Vec::new();
    if asked.is_empty() {
        let query = JobsQuery {
            state: state.clone(),
            user: one(&strs),
            project: one(&accounts),
            pool: one(&pools),
            name: one(&names),
            submitted_before: args.endtime.as_ref().map(|at| at.at(desk.now(), zone)),
            ..JobsQuery::default()
        };
        // What has not ended, and what ended since.
        let open = JobsQuery { open: Some(true), ..query.clone() };
        let ended = JobsQuery { open: Some(false), ended_after: Some(since.into()), ..query };
        found = client.jobs(&open).take(JOBS_MAX).await?.items;
        found.extend(client.jobs(&ended).take(JOBS_MAX).await?.items);
    }
    for name in &asked {
        match client.job(name).await {
            Ok(job) if is_root(&job.summary, name) => {
                let query = JobsQuery { array: Some(name.clone()), ..JobsQuery::default() };
                found.extend(client.jobs(&query).take(JOBS_MAX).await?.items);
            }
            Ok(job) => found.push(job.summary),
            // sacct says nothing about jobs it does not know.
            Err(fault) if fault.next_move() == client::NextMove::NotFound => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    let among = |values: &[&str], value: &str| values.is_empty() || values.contains(&value);
    let states: Option<Vec<&str>> = state.as_ref().map(|list| list.split(',').collect());
    found.retain(|job| {
        job.ended_at.is_none_or(|at| at.0 >= since)
            && among(&strs, &job.user_name)
            && among(&accounts, &job.project_name)
            && among(&names, &job.name)
            && (pools.is_empty() || job.pool_name.as_deref().is_some_and(|pool| pools.contains(&pool)))
            && states.as_ref().is_none_or(|states| states.contains(&job.state.as_str()))
    });
    found.sort_by_key(|job| job.number);
    found.dedup_by_key(|job| job.number);
    Ok(found)
}

fn is_root(job: &JobSummary, name: &str) -> bool {
    job.array.as_ref().is_some_and(|array| name.parse() == Ok(array.root_number))
}

fn today(desk: &Desk) -> Timestamp {
    when("today").map_or(Timestamp::ZERO, |today| today.at(desk.now(), &desk.settings.look.zone).0)
}

fn heading(pieces: &[Piece<&'static str>], args: &Sacct) -> String {
    if args.parsable || args.parsable2 {
        return joined(pieces, args, |name| name.to_string());
    }
    let dashes: Vec<String> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Field { width, .. } => Some("-".repeat(width.unwrap_or(1))),
            Piece::Text(_) => None,
        })
        .collect();
    format!("{}\n{} \n", format::columns(pieces, |name| name.to_string()), dashes.join(" "))
}

fn line(pieces: &[Piece<&'static str>], row: &Row<'_>, batch: bool, args: &Sacct) -> String {
    let text = |name: &&'static str| field(row, name, batch, args.units.as_deref());
    if args.parsable || args.parsable2 { joined(pieces, args, text) } else { format::columns(pieces, text) + "\n" }
}

fn joined(pieces: &[Piece<&'static str>], args: &Sacct, text: impl Fn(&&'static str) -> String) -> String {
    let cells: Vec<String> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Field { field, .. } => Some(crate::view::cell::one_line(&text(field))),
            Piece::Text(_) => None,
        })
        .collect();
    let end = if args.parsable { args.delimiter.as_str() } else { "" };
    cells.join(&args.delimiter) + end + "\n"
}

/// KiB in another unit, with two places.
fn in_units(kib: String, units: Option<&str>) -> String {
    let Some(number) = kib.strip_suffix('K').and_then(|digits| digits.parse::<f64>().ok()) else { return kib };
    match units {
        Some("M") => format!("{:.2}M", number / 1024.0),
        Some("G") => format!("{:.2}G", number / 1_048_576.0),
        _ => kib,
    }
}

/// The text of a field: who and where, when, how much. A name that none of the three knows is not measured: empty.
fn field(row: &Row<'_>, name: &str, batch: bool, units: Option<&str>) -> String {
    identity(row, name, batch)
        .or_else(|| times(row, name, batch))
        .or_else(|| amounts(row, name, batch, units))
        .unwrap_or_default()
}

fn identity(row: &Row<'_>, name: &str, batch: bool) -> Option<String> {
    let job = row.job;
    let of_job = |text: String| if batch { String::new() } else { text };
    let step = if batch { ".batch" } else { "" };
    Some(match name {
        "JobID" => row.id() + step,
        "JobIDRaw" => job.number.to_string() + step,
        "JobName" if batch => "batch".into(),
        "JobName" => job.name.clone(),
        "User" => of_job(job.user_name.clone()),
        "Group" => of_job(job.tenant_name.clone()),
        "Account" => job.project_name.clone(),
        "Partition" => of_job(row.partition()),
        "QOS" => of_job(job.class.as_str().into()),
        "Cluster" => row.full.and_then(|job| Some(job.attempts.last()?.cluster_name.clone())).unwrap_or_default(),
        "State" => states::long(job.state).into(),
        "ExitCode" => row.exit(),
        "DerivedExitCode" => of_job(row.exit()),
        "Reason" => of_job(row.reason()),
        "NodeList" => Some(row.nodes()).filter(|nodes| !nodes.is_empty()).unwrap_or_else(|| "None assigned".into()),
        "Priority" => of_job(row.priority().to_string()),
        "WorkDir" => of_job(row.text(|job| job.work_dir.as_ref(), "")),
        "Comment" => of_job(row.text(|job| job.comment.as_ref(), "")),
        _ => return None,
    })
}

fn times(row: &Row<'_>, name: &str, batch: bool) -> Option<String> {
    let job = row.job;
    let of_job = |text: String| if batch { String::new() } else { text };
    let cpu_seconds = || row.elapsed_seconds() * i64::try_from(row.cpus()).unwrap_or(i64::MAX);
    Some(match name {
        "Submit" => row.time(Some(job.submitted_at), "Unknown"),
        "Eligible" => row.time(row.full.and_then(|job| job.begin).or(Some(job.submitted_at)), "Unknown"),
        "Start" => row.time(job.started_at, "Unknown"),
        "End" => row.time(job.ended_at, "Unknown"),
        "Elapsed" => row.elapsed_long(),
        "ElapsedRaw" => row.elapsed_seconds().to_string(),
        "Timelimit" => of_job(row.limit_long()),
        "TimelimitRaw" => of_job((job.time_limit_seconds as i64 / 60).to_string()),
        "CPUTime" => base::Span::from_secs(cpu_seconds()).slurm(),
        "CPUTimeRAW" => cpu_seconds().to_string(),
        "TotalCPU" | "AveCPU" => row.total_cpu(),
        _ => return None,
    })
}

fn amounts(row: &Row<'_>, name: &str, batch: bool, units: Option<&str>) -> Option<String> {
    let asked = &row.job.requested;
    let started = row.job.started_at.is_some();
    let of_job = |text: String| if batch { String::new() } else { text };
    let mib = |bytes: u64| format!("{:.2}M", bytes as f64 / 1_048_576.0);
    Some(match name {
        "AllocCPUS" | "NCPUS" if !started => "0".into(),
        "AllocCPUS" | "NCPUS" | "ReqCPUS" => row.cpus().to_string(),
        "AllocNodes" | "NNodes" | "NTasks" if batch => "1".into(),
        "AllocNodes" | "NNodes" => asked.nodes.to_string(),
        "NTasks" => asked.tasks.to_string(),
        "ReqNodes" => of_job(asked.nodes.to_string()),
        "AllocTRES" if !started => String::new(),
        "AllocTRES" => row.tres(),
        "ReqTRES" => of_job(row.tres()),
        "ReqMem" => of_job(row.memory()),
        "MaxRSS" | "AveRSS" => in_units(row.max_rss(), units),
        "MaxDiskRead" => mib(row.disk().0),
        "MaxDiskWrite" => mib(row.disk().1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use wire::JobState;

    use super::*;
    use crate::view::tests_support::summary;

    fn show(words: &str) -> String {
        let args = Sacct::try_parse_from(std::iter::once("sacct").chain(words.split_whitespace())).unwrap();
        let pieces = format::sacct(args.format.as_deref().unwrap_or(USUAL), find).unwrap();
        let job = summary(12, JobState::Completed);
        let now = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let row = Row { job: &job, full: None, now, zone: &jiff::tz::TimeZone::UTC };
        let heading = if args.noheader { String::new() } else { heading(&pieces, &args) };
        let batch = if args.allocations { String::new() } else { line(&pieces, &row, true, &args) };
        heading + &line(&pieces, &row, false, &args) + &batch
    }

    #[test]
    fn the_usual_columns_are_slurms() {
        insta::assert_snapshot!(show(""));
    }

    #[test]
    fn parsable_output_is_split_by_bars() {
        assert_eq!(show("-X -n -P -o JobID,State,ExitCode"), "12|COMPLETED|0:0\n");
        assert_eq!(
            show("-X -P --delimiter=; -o jobid,elapsed,ElapsedRaw"),
            "JobID;Elapsed;ElapsedRaw\n12;01:02:03;3723\n"
        );
        assert_eq!(show("-p -n -o jobid,jobname"), "12|melt|\n12.batch|batch|\n");
        assert_eq!(
            show("-X -n -P -o start,end,submit,timelimit,cputime,alloctres,reqmem,nnodes,user,account"),
            "2026-11-21T08:00:00|2026-11-21T09:02:03|2026-11-21T07:59:00|02:00:00|04:08:12|cpu=4,mem=8G,node=1|8G|1|ann|default\n"
        );
    }

    #[test]
    fn units_change_memory() {
        assert_eq!(in_units("2048K".into(), Some("M")), "2.00M");
        assert_eq!(in_units("2048K".into(), None), "2048K");
        assert_eq!(in_units(String::new(), Some("M")), "");
    }

    #[test]
    fn every_field_is_found_by_its_name() {
        for (name, width) in FIELDS {
            assert_eq!(find(&name.to_lowercase()), Some((*name, *width)));
        }
        assert_eq!(find("nonsense"), None);
    }
}
