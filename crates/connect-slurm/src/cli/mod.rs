//! The way into a cluster by Slurm's own commands: `sbatch` with the script on its standard input, `squeue`, `scontrol`, `sacct`,
//! `scancel` for many jobs at once. Where the commands run, here or at the far end of a connection, a [`Runner`] knows.
//! Refuses to know: what a job means to the platform.

mod acting;
pub mod arguments;
mod associations;
pub mod hostlist;
mod looks;
mod notices;
pub mod read;
pub mod read_accounts;
pub mod read_queue;
pub mod read_survey;
pub mod runner;
mod survey;
pub mod words;

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;

use crate::carrier::{
    AccountedRun, AccountingKind, AccountsWanted, Cancel, Carrier, CarrierError, JobNumber, LimitRights, NodeFacts,
    Queue, QueueWanted, QueuedJob, SubmitError, SubmitLimit, SubmitRequest, Survey, UnixId,
};
use crate::config::{Become, Tools};
use crate::states::Course;
use arguments::Whose;
use looks::{Look, Looks, Next};
use runner::{Call, Output, RunError, Runner};

/// `sbatch` waits up to `MessageTimeout` for the controller, 10 s unless a site says otherwise, and may try again.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(60);
/// A listing of a million jobs takes some ten seconds.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// [`AT_ONCE`] orders of about a millisecond each, or one that waits for the controller.
const ORDER_TIMEOUT: Duration = Duration::from_secs(60);
/// Jobs in one order: 10,000 cancellations take 9 s, and others wait meanwhile.
const AT_ONCE: usize = 1_000;
/// Jobs in one question to the accounting: 500 take up to 180 ms.
const ACCOUNTS_AT_ONCE: usize = 2_000;
/// What is known of the accounting is asked again this often: a site may move to slurmdbd.
const FACTS_KEPT: Duration = Duration::from_secs(600);

/// Slurm's commands, run by a [`Runner`].
pub struct CommandLine {
    runner: Box<dyn Runner>,
    tools: Tools,
    user: Option<String>,
    /// Jobs belong to several users, and orders about them are given as these.
    acting: Option<acting::Acting>,
    /// Ends names and comments in listings. Drawn anew in each process: nobody can have put it into a name.
    mark: String,
    facts: Mutex<Option<(std::time::Instant, AccountingKind)>>,
    looks: Mutex<Looks>,
    notices: notices::Notices,
    /// The cluster's clock less ours, seconds.
    clock_ahead: Mutex<Option<i64>>,
}

impl CommandLine {
    /// Commands as `tools` says, for the jobs of `user`; `None`: of the account under which the commands run.
    pub fn new(runner: impl Runner, tools: Tools, user: Option<String>) -> CommandLine {
        let drawn = std::hash::RandomState::new().build_hasher().finish();
        CommandLine {
            runner: Box::new(runner),
            tools,
            user,
            acting: None,
            // Hexadecimal digits only: `scontrol` must be able to print it as a host's name.
            mark: format!("x{drawn:016x}"),
            facts: Mutex::default(),
            looks: Mutex::default(),
            notices: notices::Notices::default(),
            clock_ahead: Mutex::default(),
        }
    }

    /// Jobs run as users of their own, as whom commands run by way of `by`.
    #[must_use]
    pub fn acting(self, by: Become) -> CommandLine {
        CommandLine { acting: Some(acting::Acting::new(by)), ..self }
    }

    fn whose(&self) -> Whose<'_> {
        match (&self.acting, &self.user) {
            (Some(_), _) => Whose::Everybodys,
            (None, Some(user)) => Whose::Of(user),
            (None, None) => Whose::Ours,
        }
    }

    fn program(&self, name: &str) -> String {
        self.tools.bin.as_ref().map_or_else(|| name.to_owned(), |bin| format!("{}/{name}", bin.trim_end_matches('/')))
    }

    fn call(&self, name: &str, arguments: Vec<String>, timeout: Duration) -> Call {
        let conf = self.tools.slurm_conf.iter().map(|path| ("SLURM_CONF", path.clone()));
        Call { program: self.program(name), arguments, environment: conf.collect(), stdin: None, timeout }
    }

    /// A call whose answer is read by a program: plain words, times in seconds since 1970.
    fn question(&self, name: &str, arguments: Vec<String>) -> Call {
        let mut call = self.call(name, arguments, LIST_TIMEOUT);
        let plain = [("LC_ALL", "C"), ("TZ", "UTC"), ("SLURM_TIME_FORMAT", "%s")];
        call.environment.extend(plain.map(|(name, value)| (name, value.to_owned())));
        call
    }

    async fn run(&self, call: Call) -> Result<Output, CarrierError> {
        let mut output = self.runner.run(call).await.map_err(|fault| match fault {
            RunError::NotStarted(fault) | RunError::Lost(fault) => CarrierError::Unreachable(fault),
            RunError::TooMuch => CarrierError::Unreadable(RunError::TooMuch.to_string()),
        })?;
        self.notices.hear(&mut output);
        Ok(output)
    }

    /// Standard output of a command that must succeed.
    async fn ask(&self, name: &str, arguments: Vec<String>) -> Result<Vec<u8>, CarrierError> {
        let output = self.run(self.question(name, arguments)).await?;
        if output.ok() { Ok(output.stdout) } else { Err(words::question(&output)) }
    }

    async fn ask_text(&self, name: &str, arguments: &[&str]) -> Result<String, CarrierError> {
        let answer = self.ask(name, arguments.iter().map(|&word| word.to_owned()).collect()).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// An order about jobs, given as the user whose they are; those that are not there, or are over, are no fault.
    async fn order(&self, of: Option<&str>, name: &str, arguments: Vec<String>) -> Result<(), CarrierError> {
        let output = self.run(self.call_as(of, name, arguments, ORDER_TIMEOUT)).await?;
        if output.ok() || words::only_gone(&output) { Ok(()) } else { Err(words::question(&output)) }
    }

    /// `scontrol WORD 1,2,3`.
    async fn control(&self, word: &str, numbers: &[JobNumber]) -> Result<(), CarrierError> {
        for (of, numbers) in self.by_owner(numbers).await? {
            for some in numbers.chunks(AT_ONCE) {
                for list in arguments::number_lists(some, self.list_bytes()) {
                    self.order(of.as_deref(), "scontrol", vec![word.to_owned(), list]).await?;
                }
            }
        }
        Ok(())
    }

    /// Bytes for a list of numbers: what an argument may have, less room for the others of the call.
    fn list_bytes(&self) -> usize {
        const OTHERS: usize = 4 << 10;
        self.runner.arguments_bytes_max().min(runner::ARGUMENT_BYTES_MAX).saturating_sub(OTHERS).max(16)
    }

    /// Takes in the cluster's clock from an answer to a question that was asked at `asked` by ours.
    fn set_clock(&self, clock: i64, asked: i64) {
        let mut known = lock(&self.clock_ahead);
        *known = Some(ahead(*known, clock, asked, our_clock()));
    }
    fn clock(&self) -> Option<i64> {
        lock(&self.clock_ahead).map(|ahead| our_clock() + ahead)
    }

    async fn submit_one(&self, request: &SubmitRequest) -> Result<JobNumber, SubmitError> {
        let options = arguments::sbatch(request);
        if let Some(fault) = arguments::unpassable(&options, self.runner.arguments_bytes_max()) {
            return Err(SubmitError::Refused(fault));
        }
        let mut call = self.call_as(request.run_as.as_deref(), "sbatch", options, SUBMIT_TIMEOUT);
        call.stdin = Some(Arc::clone(&request.script));
        let mut output = self.runner.run(call).await.map_err(|fault| match fault {
            RunError::NotStarted(fault) => SubmitError::NotSent(fault),
            RunError::Lost(fault) => SubmitError::Unanswered(fault),
            RunError::TooMuch => SubmitError::Unanswered(io::Error::other(RunError::TooMuch)),
        })?;
        self.notices.hear(&mut output);
        if !output.ok() {
            return Err(self.not_granted(request, &output).unwrap_or_else(|| words::submission(&output)));
        }
        // A site's wrapper may print words of its own before; the answer is the last line, `123` or `123;cluster`.
        let answer = String::from_utf8_lossy(&output.stdout);
        let line = answer.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
        let number = line.split(';').next().unwrap_or("").trim().parse();
        lock(&self.looks).one_more();
        number.map_err(|_| SubmitError::Unanswered(io::Error::other(format!("sbatch says {:?}", line.escape_debug()))))
    }

    /// Jobs in these states, by one `squeue`.
    async fn listing(&self, states: &str) -> Result<Vec<QueuedJob>, CarrierError> {
        let answer = self.ask("squeue", arguments::squeue(self.whose(), states, &self.mark)).await?;
        Ok(self.learn(read_queue::jobs(&answer, &self.mark)?))
    }

    /// These jobs, by one `scontrol`.
    async fn details(&self, numbers: &[JobNumber]) -> Result<Vec<QueuedJob>, CarrierError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.question("scontrol", vec!["-o".to_owned()]);
        call.stdin = Some(arguments::details(numbers, &self.mark).into());
        let output = self.run(call).await?;
        let silent = output.stderr.iter().all(u8::is_ascii_whitespace);
        if !silent && !words::only_gone(&output) || output.code.is_none() {
            return Err(words::question(&output));
        }
        let mut jobs = read_queue::details(&output.stdout, &self.mark)?;
        jobs.retain(|job| numbers.contains(&job.number));
        Ok(self.learn(jobs))
    }

    async fn whole_queue(&self) -> Result<Queue, CarrierError> {
        if self.clock().is_none() {
            self.facts().await?;
        }
        let jobs = self.listing("all").await?;
        lock(&self.looks).whole(jobs.len());
        Ok(Queue { clock: self.clock(), jobs, whole: true })
    }

    async fn these(&self, mut numbers: Vec<JobNumber>) -> Result<Queue, CarrierError> {
        numbers.sort_unstable();
        numbers.dedup();
        // 0.65 ms for each record against 9 µs for each job of a listing, from the table in `looks`.
        let known = lock(&self.looks).known();
        let jobs = if numbers.len() * 65 <= 65 + known.saturating_mul(9) / 10 {
            self.details(&numbers).await?
        } else {
            let mut jobs = self.listing("all").await?;
            lock(&self.looks).whole(jobs.len());
            jobs.retain(|job| numbers.binary_search(&job.number).is_ok());
            jobs
        };
        Ok(Queue { clock: self.clock(), jobs, whole: false })
    }

    async fn changed(&self, since: i64) -> Result<Queue, CarrierError> {
        if lock(&self.looks).small() {
            if self.clock().is_none() {
                self.facts().await?;
            }
            let jobs = self.listing(arguments::NOT_PENDING).await?;
            return Ok(Queue { clock: self.clock(), jobs, whole: false });
        }
        let mut look = self.look().await?;
        // Taken out of the match: the lock must not be held while asking.
        let next = lock(&self.looks).next(since, &look);
        let jobs = match next {
            Next::Nothing => Vec::new(),
            Next::Ask(numbers) => self.these(numbers).await?.jobs,
            Next::List => {
                let jobs = self.listing(arguments::NOT_PENDING).await?;
                lock(&self.looks).listed(look.clock);
                jobs
            }
        };
        let unsettled = jobs.iter().filter(|job| job.state.course() == Course::Unknown || !job.flags.is_empty());
        look.unsettled = unsettled.map(|job| job.number).collect();
        let clock = look.clock;
        lock(&self.looks).remember(look);
        Ok(Queue { clock: Some(clock), jobs, whole: false })
    }

    /// What runs, and the controller's counters and clock.
    async fn look(&self) -> Result<Look, CarrierError> {
        let asked = our_clock();
        let steps = self.ask("squeue", arguments::steps(self.whose()));
        let (counters, steps) = futures::join!(self.ask_text("sdiag", &[]), steps);
        let running = read_queue::running(&steps?)?;
        let counters = match counters {
            Ok(text) => looks::counters(&text),
            // A site may keep its counters to itself.
            Err(CarrierError::Refused(_)) => None,
            Err(fault) => return Err(fault),
        };
        match counters {
            Some((clock, _)) => self.set_clock(clock, asked),
            None if self.clock().is_none() => _ = self.facts().await?,
            None => {}
        }
        let clock = self.clock().unwrap_or_else(our_clock);
        let started = counters.map(|(_, started)| started);
        Ok(Look { clock, running: running.into(), unsettled: [].into(), started })
    }

    /// How ends are proven here; also sets the clock.
    async fn facts(&self) -> Result<AccountingKind, CarrierError> {
        if let Some((at, kind)) = *lock(&self.facts)
            && at.elapsed() < FACTS_KEPT
            && self.clock().is_some()
        {
            return Ok(kind);
        }
        let asked = our_clock();
        let text = self.ask_text("scontrol", &["show", "config"]).await?;
        let clock = read_survey::clock(&text).unwrap_or_else(our_clock);
        self.set_clock(clock, asked);
        let kind = self.proof(&read_survey::config(&text)).await?;
        *lock(&self.facts) = Some((std::time::Instant::now(), kind));
        Ok(kind)
    }

    /// How ends are proven here. A completion log counts where this account may read it: `sacct` opens it for writing, and it
    /// is mostly a file of the controller's machine that belongs to root. To take it for a proof would mean to wait for it at
    /// every end.
    async fn proof(&self, config: &[(String, String)]) -> Result<AccountingKind, CarrierError> {
        let kind = read_survey::accounting(config);
        if kind != AccountingKind::CompletionLog {
            return Ok(kind);
        }
        let mut arguments = arguments::sacct(true, &self.mark, Whose::Ours);
        arguments.push("--jobs=1".to_owned());
        match self.ask("sacct", arguments).await {
            Ok(_) => Ok(kind),
            Err(CarrierError::Refused(words)) => {
                tracing::debug!(words, "the completion log cannot be read");
                Ok(AccountingKind::Controller)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn runs(&self, wanted: AccountsWanted) -> Result<Vec<AccountedRun>, CarrierError> {
        let kind = self.facts().await?;
        if kind == AccountingKind::Controller {
            return Ok(Vec::new());
        }
        let base = arguments::sacct(kind == AccountingKind::CompletionLog, &self.mark, self.whose());
        let mut runs = Vec::new();
        match wanted {
            AccountsWanted::Jobs(numbers) => {
                for some in numbers.chunks(ACCOUNTS_AT_ONCE) {
                    for list in arguments::number_lists(some, self.list_bytes()) {
                        runs.extend(self.sacct(kind, &base, vec![format!("--jobs={list}")]).await?);
                    }
                }
                // A controller that lost its state gives numbers out again: both jobs stand there, and the name tells them apart.
                runs.retain(|run| numbers.contains(&run.number));
            }
            AccountsWanted::Since { time, name_prefix } => {
                let mut more = vec![format!("--starttime={}", arguments::utc(time)), "--endtime=now".to_owned()];
                if let Whose::Of(user) = self.whose() {
                    more.push(format!("--user={user}"));
                }
                runs = self.sacct(kind, &base, more).await?;
                runs.retain(|run| run.name.starts_with(&name_prefix));
            }
        }
        Ok(runs)
    }

    async fn sacct(
        &self,
        kind: AccountingKind,
        base: &[String],
        more: Vec<String>,
    ) -> Result<Vec<AccountedRun>, CarrierError> {
        match self.ask("sacct", [base, &more].concat()).await {
            Ok(answer) => read_accounts::runs(&answer, &self.mark),
            // The log is a file of the controller's machine: often nobody else may read it.
            Err(CarrierError::Refused(words)) if kind == AccountingKind::CompletionLog => {
                tracing::debug!(words, "the completion log cannot be read");
                Ok(Vec::new())
            }
            Err(fault) => Err(fault),
        }
    }
}

impl Carrier for CommandLine {
    fn describe(&self) -> String {
        self.runner.describe()
    }

    fn survey(&self) -> BoxFuture<'_, Result<Survey, CarrierError>> {
        Box::pin(self.whole_survey())
    }

    fn nodes(&self, _since: Option<i64>) -> BoxFuture<'_, Result<Vec<NodeFacts>, CarrierError>> {
        // `scontrol` knows no differences: all of them.
        Box::pin(async move { Ok(read_survey::nodes(&self.ask_text("scontrol", survey::NODES).await?)) })
    }

    fn submit<'a>(&'a self, request: &'a SubmitRequest) -> BoxFuture<'a, Result<JobNumber, SubmitError>> {
        Box::pin(self.submit_one(request))
    }

    fn queue(&self, wanted: QueueWanted) -> BoxFuture<'_, Result<Queue, CarrierError>> {
        Box::pin(async move {
            match wanted {
                QueueWanted::All => self.whole_queue().await,
                QueueWanted::Jobs(numbers) => self.these(numbers).await,
                QueueWanted::ChangedSince(since) => self.changed(since).await,
            }
        })
    }

    fn accounts(&self, wanted: AccountsWanted) -> BoxFuture<'_, Result<Vec<AccountedRun>, CarrierError>> {
        Box::pin(self.runs(wanted))
    }

    fn cancel<'a>(&'a self, numbers: &'a [JobNumber], how: Cancel) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(async move {
            for (of, numbers) in self.by_owner(numbers).await? {
                for some in numbers.chunks(AT_ONCE) {
                    for list in arguments::number_lists(some, self.list_bytes()) {
                        let mut words = arguments::scancel(how);
                        words.extend(list.split(',').map(str::to_owned));
                        self.order(of.as_deref(), "scancel", words).await?;
                    }
                }
            }
            Ok(())
        })
    }

    fn hold<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        // A hold of the user's own, which the user may release; `hold` by an administrator is one of the administrator's.
        Box::pin(self.control("uhold", numbers))
    }

    fn release<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(self.control("release", numbers))
    }

    fn set_time_limit(&self, number: JobNumber, minutes: u32) -> BoxFuture<'_, Result<(), CarrierError>> {
        let words = vec!["update".to_owned(), format!("JobId={number}"), format!("TimeLimit={minutes}")];
        Box::pin(async move {
            let of = self.by_owner(&[number]).await?.into_iter().next().and_then(|(of, _)| of);
            let output = self.run(self.call_as(of.as_deref(), "scontrol", words, ORDER_TIMEOUT)).await?;
            if output.ok() { Ok(()) } else { Err(words::question(&output)) }
        })
    }

    fn unix_id<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<UnixId, CarrierError>> {
        Box::pin(self.id_of(user))
    }

    fn submit_limits<'a>(
        &'a self,
        cluster: &'a str,
        accounts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<SubmitLimit>, CarrierError>> {
        Box::pin(self.limits_of(cluster, accounts))
    }

    fn set_submit_limit<'a>(
        &'a self,
        cluster: &'a str,
        limit: &'a SubmitLimit,
    ) -> BoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(self.limit(cluster, limit))
    }

    fn limit_rights<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<LimitRights, CarrierError>> {
        Box::pin(self.rights(user))
    }
}

/// Seconds since 1970 by this machine's clock.
fn our_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// The cluster's clock less ours, from its answer `clock` to a question asked at `asked` that was here at `now`. An answer that
/// took long says little: what was known before, or that there is no difference, stays unless the answer contradicts it.
fn ahead(known: Option<i64>, clock: i64, asked: i64, now: i64) -> i64 {
    let least = clock - now;
    known.unwrap_or(0).clamp(least, least.max(clock - asked))
}

/// What is behind these locks is whole after every line that changes it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod site_tests;
#[cfg(test)]
mod tests {
    use super::ahead;

    #[test]
    fn a_slow_answer_makes_no_difference_of_clocks() {
        // Asked at 100, answered by the cluster at once, here at 106; then a quick answer, and one of a clock that is wrong.
        assert_eq!(ahead(None, 100, 100, 106), 0);
        assert_eq!(ahead(None, 106, 100, 106), 0);
        assert_eq!(ahead(None, 130, 100, 100), 30);
        assert_eq!(ahead(Some(30), 131, 100, 106), 30);
        assert_eq!(ahead(Some(30), 107, 107, 107), 0);
        // A clock that was set back while the question was under way.
        assert_eq!(ahead(None, 50, 100, 99), -49);
    }
}
