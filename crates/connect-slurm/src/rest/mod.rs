//! Slurm's REST daemon as a way in: one pinned version of its API, over a unix socket or TCP, with keep-alive.
//! Talks HTTP only; what is sent is rendered and what comes is read by the pure files beside this one. Never falls back to another way.

mod http;
mod listing;
mod read;
mod render;
mod split;
mod token;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use reqwest::Method;

use crate::carrier::{
    AccountedRun, AccountingKind, AccountsWanted, Cancel, Carrier, CarrierError, JobNumber, NodeFacts, Queue,
    QueueWanted, QueuedJob, SubmitError, SubmitRequest, Survey,
};
use crate::key::NAME_PREFIX;
use crate::ssh::forward::Forward;
use http::{Answer, Failure, Http};
use listing::Listing;
pub use split::Split;

/// Where a slurmrestd listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    /// `http://host:port`.
    Tcp(String),
}

/// Why a way through slurmrestd cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    #[error("`{0}` is not an endpoint: write unix:/path/of/the.socket or http://host:port")]
    Endpoint(String),
    #[error("`{0}` is not a version of slurmrestd's API, such as v0.0.38")]
    Version(String),
    #[error("the token file {path} cannot be read: {source}")]
    Token { path: PathBuf, source: io::Error },
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Runs are asked for over this window, 400 days: longer than any platform is down.
const WINDOW_SECS: i64 = 400 * 86_400;
/// At most this many jobs are asked for one by one (1 to 2 ms each); beyond that the whole queue is cheaper.
const SINGLE_LOOKS_MAX: usize = 64;

/// Users of jobs that are remembered; one that is not is asked for.
const OWNERS_MAX: usize = 200_000;

/// One slurmrestd. See [`Split`] for large queues, which this daemon lists at great cost.
pub struct Rest {
    http: Http,
    version: String,
    /// Account there, as far as known.
    user: Option<String>,
    listing: Mutex<Listing>,
    /// The token speaks for everybody: jobs are handed over and ended as their users, who are remembered from the listings.
    acting: Option<Mutex<HashMap<JobNumber, Arc<str>>>>,
}

impl Rest {
    /// `pinned`: `v0.0.38` and its like. `token_file`: a JWT, read now, on every 401 and before it expires.
    ///
    /// # Errors
    /// [`RestError`]; nothing is sent yet.
    pub fn new(
        endpoint: Endpoint,
        pinned: &str,
        token_file: Option<PathBuf>,
        user: Option<String>,
    ) -> Result<Rest, RestError> {
        version(pinned)?;
        // A socket believes in the user of the process that connects to it.
        let own = matches!(endpoint, Endpoint::Unix(_)).then(own_user).flatten();
        let http = Http::new(endpoint, token_file, user)?;
        Ok(Rest {
            user: http.account().or(own),
            http,
            version: pinned.to_owned(),
            listing: Mutex::default(),
            acting: None,
        })
    }

    /// The same at the far end of a connection, which is opened with the first call, and again whenever it broke. `login`: the account
    /// at its far end, where known.
    ///
    /// # Errors
    /// [`RestError`]; nothing is sent yet.
    pub fn through(
        forward: Forward,
        pinned: &str,
        token_file: Option<PathBuf>,
        user: Option<String>,
        login: Option<String>,
    ) -> Result<Rest, RestError> {
        version(pinned)?;
        let http = Http::through(forward, token_file, user)?;
        Ok(Rest {
            user: http.account().or(login),
            http,
            version: pinned.to_owned(),
            listing: Mutex::default(),
            acting: None,
        })
    }

    /// As the users whose jobs they are, with a token that allows it.
    #[must_use]
    pub fn acting(self, acting: bool) -> Rest {
        Rest { acting: acting.then(Mutex::default), ..self }
    }

    /// Jobs that may be ours: of others' accounts only where several are.
    fn ours(&self, mut jobs: Vec<QueuedJob>) -> Vec<QueuedJob> {
        match (&self.acting, &self.user) {
            (Some(owners), _) => {
                let mut owners = owners.lock().unwrap_or_else(PoisonError::into_inner);
                if owners.len() > OWNERS_MAX {
                    owners.clear();
                }
                owners.extend(jobs.iter().filter_map(|job| Some((job.number, job.user.as_deref()?.into()))));
            }
            (None, Some(own)) => jobs.retain(|job| job.user.as_ref().is_none_or(|user| user == own)),
            (None, None) => {}
        }
        jobs
    }

    /// Whose a job is, asked for where it is not known yet; `None`: the account's own, or nobody's any more.
    async fn owner(&self, number: JobNumber) -> Result<Option<Arc<str>>, CarrierError> {
        let Some(owners) = &self.acting else { return Ok(None) };
        let known = || owners.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        if let Some(owner) = known() {
            return Ok(Some(owner));
        }
        self.some_jobs(&[number]).await?;
        Ok(known())
    }

    fn slurm(&self, rest: &str) -> String {
        format!("/slurm/{}/{rest}", self.version)
    }

    fn slurmdb(&self, rest: &str) -> String {
        format!("/slurmdb/{}/{rest}", self.version)
    }

    async fn get(&self, path: &str) -> Result<Answer, CarrierError> {
        self.http.call(Method::GET, path, None).await.map_err(Failure::asked)
    }

    /// The controller's clock: the time at which it answered for its statistics.
    async fn clock(&self) -> Result<i64, CarrierError> {
        read::clock(&self.get(&self.slurm("diag")).await?)
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn whole_queue(&self, since: Option<i64>) -> Result<Queue, CarrierError> {
        let begun = Instant::now();
        let path = match since {
            Some(time) => format!("{}?update_time={time}", self.slurm("jobs")),
            None => self.slurm("jobs"),
        };
        let answer = self.get(&path).await?;
        if answer.unchanged() {
            return Ok(Queue { clock: None, jobs: Vec::new(), whole: false });
        }
        let jobs = self.ours(read::jobs(&answer, NAME_PREFIX)?);
        self.listing().listed(begun.elapsed(), Instant::now());
        Ok(Queue { clock: None, jobs, whole: true })
    }

    async fn some_jobs(&self, numbers: &[JobNumber]) -> Result<Queue, CarrierError> {
        if numbers.len() > SINGLE_LOOKS_MAX {
            let mut queue = self.whole_queue(None).await?;
            queue.jobs.retain(|job| numbers.contains(&job.number));
            return Ok(Queue { whole: false, ..queue });
        }
        let mut jobs = Vec::with_capacity(numbers.len());
        for number in numbers {
            let answer = self.http.call(Method::GET, &self.slurm(&format!("job/{number}")), None).await;
            match answer.map_err(Failure::asked) {
                Ok(answer) if answer.no_such_job() => {}
                Ok(answer) => jobs.extend(read::jobs(&answer, "")?),
                Err(error) => return Err(error),
            }
        }
        Ok(Queue { clock: None, jobs: self.ours(jobs), whole: false })
    }

    async fn survey_now(&self) -> Result<Survey, CarrierError> {
        let ping = self.get(&self.slurm("ping")).await?;
        let version = read::version(&ping)?;
        let clock = self.clock().await?;
        let partitions = read::partitions(&self.get(&self.slurm("partitions")).await?)?;
        let nodes = read::nodes(&self.get(&self.slurm("nodes")).await?)?;
        let reservations = read::reservations(&self.get(&self.slurm("reservations")).await?)?;
        let licences = read::licences(&self.get(&self.slurm("licenses")).await?)?;
        let clusters = self.get(&self.slurmdb("clusters")).await.and_then(|answer| read::clusters(&answer));
        let accounting = if clusters.is_ok() { AccountingKind::Slurmdbd } else { AccountingKind::Controller };
        let cluster_name = clusters.unwrap_or_default().into_iter().next().unwrap_or_default();
        let mut config = vec![("RestApiVersion".to_owned(), self.version.clone())];
        config.push(("NodeCount".to_owned(), nodes.len().to_string()));
        Ok(Survey {
            version,
            cluster_name,
            user: self.user.clone().unwrap_or_default(),
            accounting,
            clock,
            config,
            partitions,
            nodes,
            reservations,
            licences,
            limits: Vec::new(),
            topology: Vec::new(),
        })
    }

    async fn accounted(&self, wanted: AccountsWanted) -> Result<Vec<AccountedRun>, CarrierError> {
        let mut runs = Vec::new();
        match wanted {
            AccountsWanted::Jobs(numbers) => {
                for number in numbers {
                    let answer = self.get(&self.slurmdb(&format!("job/{number}"))).await?;
                    let mut found = read::runs(&answer)?;
                    // slurmdbd's REST of 22.05 tells no exit code but a signal's, and no name of a job that ended before its
                    // start was written down: the controller's record does, while it lasts.
                    if let Ok(queue) = self.some_jobs(&[number]).await
                        && let Some(job) = queue.jobs.into_iter().next()
                        && let Some(run) = found.last_mut().filter(|run| run.submitted == job.submitted)
                        && let Some(exit) = job.exit
                    {
                        run.exit = exit;
                        run.name = job.name;
                    }
                    runs.append(&mut found);
                }
            }
            AccountsWanted::Since { time, name_prefix } => {
                // Without an end the window is the one second of its start.
                let (from, to) = (render::time(time), render::time(time + WINDOW_SECS));
                let path = format!("{}?start_time={from}&end_time={to}", self.slurmdb("jobs"));
                runs = read::runs(&self.get(&path).await?)?;
                runs.retain(|run| run.name.starts_with(&name_prefix));
            }
        }
        Ok(runs)
    }

    async fn change(&self, numbers: &[JobNumber], body: &str) -> Result<(), CarrierError> {
        for number in numbers {
            let path = self.slurm(&format!("job/{number}"));
            let owner = self.owner(*number).await?;
            let answer = self.http.call_as(owner.as_deref(), Method::POST, &path, Some(body.to_owned())).await;
            let answer = answer.map_err(Failure::asked)?;
            if !answer.no_such_job() && !answer.job_is_over() {
                answer.done()?;
            }
        }
        Ok(())
    }
}

impl Carrier for Rest {
    fn describe(&self) -> String {
        format!("slurmrestd {} at {}", self.version, self.http.place())
    }

    fn survey(&self) -> BoxFuture<'_, Result<Survey, CarrierError>> {
        Box::pin(self.survey_now())
    }

    fn nodes(&self, since: Option<i64>) -> BoxFuture<'_, Result<Vec<NodeFacts>, CarrierError>> {
        Box::pin(async move {
            let path = match since {
                Some(time) => format!("{}?update_time={time}", self.slurm("nodes")),
                None => self.slurm("nodes"),
            };
            let answer = self.get(&path).await?;
            if answer.unchanged() { Ok(Vec::new()) } else { read::nodes(&answer) }
        })
    }

    fn submit<'a>(&'a self, request: &'a SubmitRequest) -> BoxFuture<'a, Result<JobNumber, SubmitError>> {
        Box::pin(async move {
            let body = render::submission(request);
            let user = request.run_as.as_deref();
            let answer = self.http.call_as(user, Method::POST, &self.slurm("job/submit"), Some(body)).await;
            read::submitted(&answer.map_err(Failure::sent)?)
        })
    }

    fn queue(&self, wanted: QueueWanted) -> BoxFuture<'_, Result<Queue, CarrierError>> {
        Box::pin(async move {
            match wanted {
                QueueWanted::All => {
                    let clock = self.clock().await?;
                    let queue = self.whole_queue(None).await?;
                    self.listing().told();
                    Ok(Queue { clock: Some(clock), ..queue })
                }
                QueueWanted::ChangedSince(time) => {
                    let from = self.listing().ask(time, Instant::now());
                    let Some(from) = from else { return Ok(Queue::default()) };
                    let queue = self.whole_queue(Some(from)).await?;
                    self.listing().told();
                    Ok(queue)
                }
                QueueWanted::Jobs(numbers) => self.some_jobs(&numbers).await,
            }
        })
    }

    fn accounts(&self, wanted: AccountsWanted) -> BoxFuture<'_, Result<Vec<AccountedRun>, CarrierError>> {
        Box::pin(self.accounted(wanted))
    }

    fn cancel<'a>(&'a self, numbers: &'a [JobNumber], how: Cancel) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(async move {
            let query = match how {
                Cancel::End => String::new(),
                Cancel::Signal(signal) => format!("?signal={signal}"),
                Cancel::SignalShell(_) => {
                    return Err(CarrierError::Refused(format!(
                        "slurmrestd {} cannot signal the batch shell alone",
                        self.version
                    )));
                }
            };
            for number in numbers {
                let path = self.slurm(&format!("job/{number}{query}"));
                let owner = self.owner(*number).await?;
                let answer = self.http.call_as(owner.as_deref(), Method::DELETE, &path, None).await;
                let answer = answer.map_err(Failure::asked)?;
                if !answer.no_such_job() && !answer.job_is_over() {
                    answer.done()?;
                }
            }
            Ok(())
        })
    }

    fn hold<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(self.change(numbers, r#"{"hold":true}"#))
    }

    fn release<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(self.change(numbers, r#"{"hold":false}"#))
    }

    fn set_time_limit(&self, number: JobNumber, minutes: u32) -> BoxFuture<'_, Result<(), CarrierError>> {
        let body = format!(r#"{{"time_limit":{minutes}}}"#);
        Box::pin(async move { self.change(&[number], &body).await })
    }
}

/// `unix:/path` or `http://host:port`.
///
/// # Errors
/// [`RestError::Endpoint`].
pub fn endpoint(text: &str) -> Result<Endpoint, RestError> {
    match (text.strip_prefix("unix:"), text.strip_prefix("http://")) {
        (Some(path), _) if path.starts_with('/') => Ok(Endpoint::Unix(path.into())),
        (_, Some(host)) if !host.is_empty() && !host.contains('/') => Ok(Endpoint::Tcp(text.to_owned())),
        _ => Err(RestError::Endpoint(text.chars().take(200).collect())),
    }
}

/// Whether `text` is a version of the API, such as `v0.0.38`.
///
/// # Errors
/// [`RestError::Version`].
pub fn version(text: &str) -> Result<(), RestError> {
    let digits = text.strip_prefix("v0.0.").unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RestError::Version(text.chars().take(40).collect()));
    }
    Ok(())
}

/// The account of this process.
fn own_user() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name)
}

/// A call may take this long: 10,000 jobs are listed in 4 s on an idle machine, and a stopped controller answers after 20 s.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(60);
