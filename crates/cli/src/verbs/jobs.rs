//! Lists of jobs and changes to them.

use std::time::Duration;

use base::Timestamp;
use clap::Args;
use client::Client;
use wire::job::{BulkCancel, BulkRequest, BulkResult, JobPatch, JobSummary, JobsQuery};
use wire::{BulkAction, JobSort, JobState, Page, PriorityClass, SortOrder};

use super::Most;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::{When, choice, when};
use crate::slurm::ids;
use crate::text::Word;
use crate::view::{Cell, Table, View, to_json};

/// Pause between two looks of `--watch`.
const WATCH: Duration = Duration::from_secs(2);
/// Jobs named in one request of a bulk cancellation; the server takes as many.
const BULK_MAX: usize = 1_000;
/// Jobs that one command may cancel: a hundred bulk requests.
const CANCEL_MAX: usize = 100 * BULK_MAX;

#[derive(Clone, Debug, Default, Args)]
pub struct Filters {
    /// States: PENDING,RUNNING
    #[arg(long, short = 's', value_name = "STATES", value_delimiter = ',', value_parser = state)]
    pub state: Vec<JobState>,
    /// Only this user's; `me` is you
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Only this project's
    #[arg(long, short = 'A', visible_alias = "account", value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only jobs of this name
    #[arg(id = "of_name", long = "name", short = 'n', value_name = "NAME")]
    pub name: Option<String>,
    /// Only jobs whose name begins with this
    #[arg(long, value_name = "TEXT", conflicts_with = "of_name")]
    pub name_prefix: Option<String>,
    /// Only in this pool
    #[arg(long, short = 'p', visible_alias = "partition", value_name = "POOL")]
    pub pool: Option<String>,
    /// Only on this cluster
    #[arg(id = "on_cluster", long = "cluster", value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// Only of these classes: high,urgent
    #[arg(long, visible_alias = "qos", value_name = "CLASSES", value_delimiter = ',', value_parser = choice(PriorityClass::ALL, PriorityClass::as_str))]
    pub class: Vec<PriorityClass>,
    /// Only elements of this array
    #[arg(id = "of_array", long = "array", value_name = "JOB")]
    pub array: Option<String>,
    /// Handed in at or after
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub since: Option<When>,
    /// Handed in before
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub until: Option<When>,
    /// Ended at or after
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub ended_since: Option<When>,
    /// Ended before
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub ended_until: Option<When>,
}

fn state(text: &str) -> Result<JobState, String> {
    crate::slurm::states::parse(text).ok_or_else(|| {
        let all: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
        format!("there is no such state; there are {}", all.join(", "))
    })
}

impl Filters {
    fn is_empty(&self) -> bool {
        let Filters { state, user, tenant, project, name, name_prefix, pool, cluster, class, array, .. } = self;
        let Filters { since, until, ended_since, ended_until, .. } = self;
        state.is_empty()
            && class.is_empty()
            && [user, tenant, project, name, name_prefix, pool, cluster, array].iter().all(|filter| filter.is_none())
            && [since, until, ended_since, ended_until].iter().all(|time| time.is_none())
    }

    async fn query(&self, desk: &Desk, client: &Client, open: Option<bool>) -> Result<JobsQuery, Fault> {
        let states: Vec<&str> = self.state.iter().map(|state| state.as_str()).collect();
        let classes: Vec<&str> = self.class.iter().map(|class| class.as_str()).collect();
        let user = match self.user.as_deref() {
            Some("me") => Some(client.who_am_i().await?.user.name),
            _ => self.user.clone(),
        };
        let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
        Ok(JobsQuery {
            state: (!states.is_empty()).then(|| states.join(",")),
            user,
            tenant: self.tenant.clone(),
            project: self.project.clone(),
            name: self.name.clone(),
            name_prefix: self.name_prefix.clone(),
            pool: self.pool.clone(),
            cluster: self.cluster.clone(),
            class: (!self.class.is_empty()).then(|| classes.join(",")),
            submitted_after: at(&self.since),
            submitted_before: at(&self.until),
            ended_after: at(&self.ended_since),
            ended_before: at(&self.ended_until),
            array: self.array.clone(),
            open,
            ..JobsQuery::default()
        })
    }
}

#[derive(Debug, Args)]
pub struct Jobs {
    #[command(flatten)]
    pub filters: Filters,
    /// Also jobs that have ended
    #[arg(long, short = 'a')]
    pub all: bool,
    /// In this order, the greatest first: number, submitted, started, ended, run_time, price, name, user
    #[arg(long, value_name = "FIELD", value_parser = choice(JobSort::ALL, JobSort::as_str))]
    pub sort: Option<JobSort>,
    /// The least first
    #[arg(long, short = 'r')]
    pub reverse: bool,
    /// Look again every two seconds
    #[arg(long, short = 'w')]
    pub watch: bool,
    #[command(flatten)]
    pub most: Most,
}

pub async fn list(desk: &Desk, args: Jobs) -> Result<View, Fault> {
    let client = desk.client()?;
    // Asking for states, or for times, is asking for what has ended as well.
    let Filters { state, since, ended_since, ended_until, .. } = &args.filters;
    let times = [since, ended_since, ended_until].iter().any(|time| time.is_some());
    let open = (!args.all && state.is_empty() && !times).then_some(true);
    loop {
        let query = args.filters.query(desk, &client, open).await?;
        let query = JobsQuery { sort: args.sort, order: args.reverse.then_some(SortOrder::Asc), ..query };
        let page = client.jobs(&query).take(args.most.limit).await?;
        let mut view = list_view(&page, desk.now());
        if page.items.is_empty() && desk.settings.look.terminal {
            view = view.and(Word::NoJobs.text(desk.lang()));
        } else if page.next_cursor.is_some() {
            view = view.and(Word::MoreItems.fill(desk.lang(), &[("n", page.items.len().to_string())]));
        }
        if !args.watch {
            return Ok(view);
        }
        if desk.settings.look.terminal {
            // Home, and clear to the end of the screen: the list redraws in place.
            desk.out("\u{1b}[H\u{1b}[2J")?;
        }
        desk.show(&view)?;
        tokio::select! {
            () = tokio::time::sleep(WATCH) => {}
            _ = tokio::signal::ctrl_c() => return Ok(View::done(Exit::Ok)),
        }
    }
}

/// How users name a job: its number, or array and index.
pub fn name_of(job: &JobSummary) -> String {
    match &job.array {
        Some(array) => format!("{}_{}", array.root_number, array.index),
        None => job.number.to_string(),
    }
}

/// How long a job has run until its end, or until now.
pub fn run_seconds(job: &JobSummary, now: Timestamp) -> Option<f64> {
    let end = job.ended_at.map_or(now, |at| at.0);
    Some(end.since(job.started_at?.0).as_secs_f64())
}

pub fn list_view(page: &Page<JobSummary>, now: Timestamp) -> View {
    let heads = [
        Word::Job,
        Word::Name,
        Word::User,
        Word::Project,
        Word::State,
        Word::Pool,
        Word::Asked,
        Word::SubmittedAt,
        Word::RunTime,
        Word::Charged,
    ];
    let row = |job: &JobSummary| {
        vec![
            Cell::text(name_of(job)),
            Cell::text(&job.name),
            Cell::text(&job.user_name),
            Cell::text(&job.project_name),
            Cell::State(job.state),
            Cell::maybe(job.pool_name.as_ref(), Cell::text),
            Cell::text(&job.requested.tres),
            Cell::Time(job.submitted_at),
            Cell::maybe(run_seconds(job, now).map(f64::floor), Cell::Seconds),
            Cell::price(job.charged, &job.currency),
        ]
    };
    View::table(page, Table::new("job", &heads).with(page.items.iter().map(row)))
}

#[derive(Debug, Args)]
pub struct Names {
    /// Jobs: 12, 12_3, 12_[1-3]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    #[command(flatten)]
    pub filters: Filters,
}

#[derive(Clone, Copy, Debug)]
pub enum Change {
    Hold,
    Release,
    Requeue,
}

pub async fn change(desk: &Desk, args: Names, change: Change) -> Result<View, Fault> {
    match (args.jobs.is_empty(), args.filters.is_empty()) {
        (true, true) => return Err(Fault::Usage(Word::CancelWhat, Vec::new())),
        (false, false) => return Err(Fault::Usage(Word::CancelNamesOrFilters, Vec::new())),
        (true, false) => return change_found(desk, &args.filters, change).await,
        (false, true) => {}
    }
    let names = ids::expand_all(args.jobs.iter().map(String::as_str))?;
    let client = desk.client()?;
    let (mut answers, mut worst, mut notes) = (Vec::new(), None, Vec::new());
    for name in &names {
        let done = match change {
            Change::Hold => client.hold(name).await,
            Change::Release => client.release(name).await,
            Change::Requeue => client.requeue(name).await,
        };
        match done {
            Ok(answer) => {
                let word = match (answer.changed, change) {
                    (0, _) => Word::AlreadySo,
                    (_, Change::Hold) => Word::JobHeld,
                    (_, Change::Release) => Word::JobReleased,
                    (_, Change::Requeue) => Word::JobRequeued,
                };
                notes.push(word.fill(desk.lang(), &[("job", name.clone())]));
                answers.push(answer);
            }
            Err(fault) if names.len() == 1 => return Err(fault.into()),
            // The others are still to be done; the first fault names the exit.
            Err(fault) => {
                notes.push(format!("{name}: {fault}"));
                worst.get_or_insert(Exit::of(fault.next_move()));
            }
        }
    }
    Ok(View { json: Some(to_json(&answers)), notes, ..View::done(worst.unwrap_or(Exit::Ok)) })
}

/// All that pass the filters, a thousand a request; each request leaves fewer of them.
async fn change_found(desk: &Desk, filters: &Filters, change: Change) -> Result<View, Fault> {
    let client = desk.client()?;
    let action = match change {
        Change::Hold => BulkAction::Hold,
        Change::Release => BulkAction::Release,
        Change::Requeue => {
            desk.confirm(Word::ReallyRequeue, &[])?;
            BulkAction::Requeue
        }
    };
    let filter = filters.query(desk, &client, Some(true)).await?;
    let request = BulkRequest { action, jobs: Vec::new(), filter: Some(filter) };
    let mut all = BulkResult { results: Vec::new(), more: true };
    while all.more && all.results.len() < CANCEL_MAX {
        let BulkResult { results, more } = client.bulk(&request).await?;
        // Where none changes, those that are left are refused again and again.
        all.more = more && results.iter().any(|item| item.changed > 0);
        all.results.extend(results);
    }
    if all.results.is_empty() {
        return Ok(View::done(Exit::Ok).and(Word::NoJobs.text(desk.lang())));
    }
    Ok(bulk_view(desk, &all, Word::ChangedMany))
}

#[derive(Debug, Args)]
pub struct Cancel {
    /// Jobs: 12, 12_3, 12_[1-3]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    #[command(flatten)]
    pub filters: Filters,
}

pub async fn cancel(desk: &Desk, args: Cancel) -> Result<View, Fault> {
    let client = desk.client()?;
    let names = match (args.jobs.is_empty(), args.filters.is_empty()) {
        (true, true) => return Err(Fault::Usage(Word::CancelWhat, Vec::new())),
        (false, false) => return Err(Fault::Usage(Word::CancelNamesOrFilters, Vec::new())),
        (false, true) => ids::expand_all(args.jobs.iter().map(String::as_str))?,
        (true, false) => {
            let query = args.filters.query(desk, &client, Some(true)).await?;
            let found = client.jobs(&query).take(CANCEL_MAX).await?.items;
            if found.is_empty() {
                return Ok(View::done(Exit::Ok).and(Word::NoJobs.text(desk.lang())));
            }
            desk.confirm(Word::ReallyCancel, &[("n", found.len().to_string())])?;
            found.iter().map(|job| job.id.to_string()).collect()
        }
    };
    if let [name] = &names[..] {
        let answer = client.cancel(name).await?;
        let word = if answer.changed == 0 { Word::AlreadyEnded } else { Word::JobCancelled };
        return Ok(View::note(&answer, word.fill(desk.lang(), &[("job", name.clone())])));
    }
    let result = cancel_all(&client, names).await?;
    Ok(bulk_view(desk, &result, Word::CancelledMany))
}

/// Cancels any number of jobs, a thousand a request.
pub async fn cancel_all(client: &Client, names: Vec<String>) -> Result<BulkResult, Fault> {
    let mut all = BulkResult { results: Vec::new(), more: false };
    for names in names.chunks(BULK_MAX) {
        all.results.extend(client.cancel_many(&BulkCancel { jobs: names.to_vec() }).await?.results);
    }
    Ok(all)
}

pub fn bulk_view(desk: &Desk, result: &BulkResult, done: Word) -> View {
    let cancelled: u64 = result.results.iter().map(|item| u64::from(item.changed)).sum();
    let refused = result.results.iter().filter(|item| item.code.is_some());
    let mut notes: Vec<String> =
        refused.clone().map(|item| format!("{}: {}", item.job, item.detail.as_deref().unwrap_or_default())).collect();
    notes.push(done.fill(desk.lang(), &[("n", cancelled.to_string())]));
    let exit = refused.clone().find_map(|item| item.code).map_or(Exit::Ok, |code| match code.status() {
        404 => Exit::NotFound,
        401 | 403 => Exit::Access,
        _ => Exit::Conflict,
    });
    View { json: Some(to_json(result)), notes, ..View::done(exit) }
}

#[derive(Debug, Args)]
pub struct Update {
    /// The job
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Priority class: low, normal, high, urgent
    #[arg(long, value_name = "CLASS", value_parser = choice(PriorityClass::ALL, PriorityClass::as_str))]
    pub qos: Option<PriorityClass>,
    /// Time limit: minutes, H:MM:SS, D-HH
    #[arg(long, short = 't', visible_alias = "time", value_name = "TIME", required_unless_present = "qos")]
    pub time_limit: Option<String>,
}

pub async fn update(desk: &Desk, args: Update) -> Result<View, Fault> {
    let patch = JobPatch { qos: args.qos, time_limit: args.time_limit };
    let mut answers = Vec::new();
    let client = desk.client()?;
    for name in ids::expand(&args.job)? {
        answers.push(client.update_job(&name, &patch).await?);
    }
    let changed: u32 = answers.iter().map(|answer| answer.changed).sum();
    let word = if changed == 0 { Word::AlreadySo } else { Word::JobChanged };
    Ok(View::note(&answers, word.fill(desk.lang(), &[("job", args.job)])))
}
