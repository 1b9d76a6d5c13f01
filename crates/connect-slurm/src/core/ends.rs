//! How attempts ended: asked of accounting in bulk, then of the controller's last record, then of the evidence beside the fence.
//! "Could not ask" is never "is not there": what is lost is only what every place has been asked for and does not show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Timestamp};
use futures::StreamExt;
use model::{Observed, Outcome};
use tokio::time::Instant;

use crate::carrier::{AccountedRun, AccountingKind, AccountsWanted, JobNumber, QueuedJob, SlurmState};
use crate::core::Inner;
use crate::core::facts::{Facts, join};
use crate::core::limits::{
    ACCOUNTS_BACK_MAX_SECS, ACCOUNTS_BACK_SECS, ACCOUNTS_PATIENCE, ACCOUNTS_PAUSE_FIRST, ACCOUNTS_PAUSE_MAX, COLLECT,
    EVIDENCE_KEPT, MISSING_PATIENCE, NUMBERS_MAX, WORDS_MAX, accounts_gap,
};
use crate::core::look::{self, Moment};
use crate::core::runs::{
    is_half_written, is_own_end, is_void, last_word, own_run, suspensions, tell_interrupted, without_echoes,
};
use crate::core::table::{Ending, Entry, Phase, Table};
use crate::evidence::{self, Evidence};
use crate::states::{self, Course, EXIT_NO_START, EXIT_STOPPED, EXIT_SUPERSEDED, Verdict, short};

/// Attempts whose evidence is read at the same time.
const READERS: usize = 16;

pub async fn run(inner: Arc<Inner>) {
    let mut pause = ACCOUNTS_PAUSE_FIRST;
    loop {
        let cases = inner.table().cases();
        if cases.is_empty() {
            inner.ends_due.notified().await;
            tokio::time::sleep(COLLECT).await;
            pause = ACCOUNTS_PAUSE_FIRST;
            continue;
        }
        let began = Instant::now();
        let answers = inner.ask(&cases).await;
        let cost = began.elapsed();
        let undecided = futures::stream::iter(cases)
            .map(|case| inner.decide(case, &answers))
            .buffer_unordered(READERS)
            .filter(|decided| std::future::ready(!*decided))
            .count()
            .await;
        inner.told();
        inner.orders_due.notify_one();
        if undecided > 0 {
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(ACCOUNTS_PAUSE_MAX),
                () = inner.ends_due.notified() => tokio::time::sleep(accounts_gap(cost)).await,
            }
        } else {
            tokio::time::sleep(accounts_gap(cost)).await;
        }
    }
}

/// One attempt about which something is to be found out.
#[derive(Clone, Copy, Debug)]
struct Case {
    attempt: AttemptId,
    number: Option<JobNumber>,
    /// The cluster's time since when it may have been there, where that is known.
    since: Option<i64>,
}

/// What accounting said.
#[derive(Debug, Default)]
struct Answers {
    runs: BTreeMap<AttemptId, Vec<AccountedRun>>,
    /// Whether the questions by number, and those by name, were answered.
    numbers: bool,
    names: bool,
}

impl Table {
    fn cases(&self) -> Vec<Case> {
        let case = |(attempt, entry): (&AttemptId, &Entry)| {
            let (is_due, since) = match entry.phase {
                Phase::Ending { .. } | Phase::Missing { .. } => (true, None),
                // A whole look that began after the last moment at which it could appear has not shown it.
                Phase::Seeking { until, since } => (entry.absent.is_some_and(|at| at >= until), Some(since)),
                Phase::Queued | Phase::Running => (entry.requeued.is_some() || entry.is_held_after_launch(), None),
                Phase::HandingOver | Phase::Over => (false, None),
            };
            is_due.then_some(Case { attempt: *attempt, number: entry.number, since })
        };
        self.attempts.iter().filter_map(case).collect()
    }
}

/// When an attempt's job was handed in, from its id (a UUID of version 7), where that can be.
fn born(attempt: AttemptId, now: i64) -> i64 {
    let seconds = i64::try_from((attempt.job.as_u128() >> 80) / 1_000).unwrap_or(0);
    if (now - ACCOUNTS_BACK_MAX_SECS..=now).contains(&seconds) { seconds } else { now - ACCOUNTS_BACK_SECS }
}

impl Inner {
    async fn ask(&self, cases: &[Case]) -> Answers {
        let mut answers = Answers { numbers: true, names: true, ..Answers::default() };
        if self.accounting == AccountingKind::Controller {
            return answers;
        }
        let now = self.cluster_seconds();
        let numbers: Vec<JobNumber> = cases.iter().filter_map(|case| case.number).collect();
        for numbers in numbers.chunks(NUMBERS_MAX) {
            answers.numbers &= self.ask_for(AccountsWanted::Jobs(numbers.to_vec()), &mut answers.runs).await;
        }
        let nameless = cases.iter().filter(|case| case.number.is_none());
        if let Some(time) = nameless.map(|case| case.since.unwrap_or_else(|| born(case.attempt, now))).min() {
            let wanted = AccountsWanted::Since { time, name_prefix: self.realm.prefix() };
            answers.names = self.ask_for(wanted, &mut answers.runs).await;
        }
        answers
    }

    async fn ask_for(&self, wanted: AccountsWanted, into: &mut BTreeMap<AttemptId, Vec<AccountedRun>>) -> bool {
        match self.carrier.accounts(wanted).await {
            Ok(runs) => {
                self.link().accounting_error = None;
                for run in runs {
                    // A number whose job has another name is somebody else's by now.
                    if let Some(attempt) = self.realm.attempt(&run.name)
                        && self.is_by_its_owner(&run.name, run.user.as_deref())
                    {
                        into.entry(attempt).or_default().push(run);
                    }
                }
                true
            }
            Err(error) => {
                self.link().accounting_error = Some(short(&error.to_string(), WORDS_MAX));
                false
            }
        }
    }

    /// Finds out about one attempt. False: to be asked again.
    async fn decide(&self, case: Case, answers: &Answers) -> bool {
        let mut runs = answers.runs.get(&case.attempt).cloned().unwrap_or_default();
        runs.sort_by_key(|run| (run.start.unwrap_or(i64::MAX), run.submitted, run.number));
        let real: Vec<AccountedRun> = runs.iter().filter(|run| !is_void(run)).cloned().collect();
        let asked = if case.number.is_some() { answers.numbers } else { answers.names };
        let (phase, requeued, record, is_held) = {
            let table = self.table();
            let Some(entry) = table.attempts.get(&case.attempt) else { return true };
            if entry.number != case.number {
                return false;
            }
            (entry.phase, entry.requeued, entry.record.clone(), entry.is_held_after_launch())
        };
        match phase {
            // What the launch left in accounting is no run.
            Phase::Queued if is_held && self.never_began(case.attempt).await => {
                self.finish(case.attempt, Facts::unlaunched(), &[]).await
            }
            Phase::Queued | Phase::Running => match requeued {
                Some(since) => self.interrupted(case, &runs, since).await,
                None => !is_held,
            },
            Phase::Ending { since } => self.ending(case, &runs, record, since).await,
            Phase::Missing { since } => self.missing(case, &real, asked, since).await,
            Phase::Seeking { .. } => self.sought(case, &real, asked).await,
            Phase::HandingOver | Phase::Over => true,
        }
    }

    /// Runs before the present one are told as what they were.
    async fn interrupted(&self, case: Case, runs: &[AccountedRun], since: Instant) -> bool {
        let set_back = self.set_back(case);
        if let Some(before) = set_back {
            let own = runs
                .iter()
                .rfind(|run| run.start == Some(before) && run.end.is_some() && is_own_end(run) && !is_void(run));
            let facts = match own {
                Some(run) => Some(Facts::accounted(run, None)),
                None if self.is_patient(since) => return false,
                None => match self.evidence(case.attempt).await {
                    Ok(evidence) => Facts::of_evidence(&evidence, Some(before)),
                    Err(_) => return false,
                },
            };
            if let Some(facts) = facts {
                return self.finish(case.attempt, facts, &[]).await;
            }
        }
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&case.attempt) else { return true };
        let before = entry.told.started;
        let ended: Vec<&AccountedRun> = runs.iter().filter(|run| run.start.is_some() && run.end.is_some()).collect();
        let patient = self.is_patient(since);
        let is_there = ended.iter().any(|run| run.start == before);
        if !is_there && patient {
            return false;
        }
        let mut news = Vec::new();
        for run in &ended {
            news.extend(tell_interrupted(entry, case.attempt, run, self.link().offset()));
        }
        if let (false, Some(start)) = (is_there, before) {
            // The controller's word: it ran until it was last seen to.
            let offset = *entry.offset.get_or_insert(self.link().offset());
            let (started_at, end) = (Timestamp::from_secs(start), entry.seen_running.unwrap_or(start).max(start));
            let at = Timestamp::from_secs(end) - offset;
            let note = Some(
                "started again by Slurm; accounting has no record of the run, its end is when it was last seen".into(),
            );
            let outcome = Outcome::NodeFail;
            news.push(Observed::Interrupted {
                attempt: case.attempt,
                started_at: started_at - offset,
                at,
                outcome,
                note,
            });
        }
        entry.requeued = None;
        entry.told.started = None;
        entry.told.suspended = None;
        entry.told.suspended_seconds = 0;
        table.outbox.extend(news);
        let offset = self.link().offset();
        let clock = (self.now() + offset).as_secs();
        table.tell_course(case.attempt, Moment { began: Instant::now(), clock, offset });
        true
    }

    /// The start that was told of a run which Slurm's controller seems to have forgotten: it shows another or none, and has not
    /// counted a restart. What it does now is no run of the job.
    fn set_back(&self, case: Case) -> Option<i64> {
        let table = self.table();
        let entry = table.attempts.get(&case.attempt)?;
        let restarts = entry.record.as_ref()?.restarts;
        entry.told.started.filter(|_| restarts == 0 && entry.told.interrupted.is_empty())
    }

    fn is_patient(&self, since: Instant) -> bool {
        self.accounting != AccountingKind::Controller && since.elapsed() < ACCOUNTS_PATIENCE
    }

    /// The controller has said that it is over: accounting says exactly how.
    async fn ending(&self, case: Case, runs: &[AccountedRun], record: Option<Box<QueuedJob>>, since: Instant) -> bool {
        let mine: Vec<&AccountedRun> = runs.iter().filter(|run| Some(run.number) == case.number).collect();
        let mine = without_echoes(mine);
        let over = last_word(&mine).filter(|run| run.state.course() == Course::Over && run.end.is_some());
        // What was never written whole is the last resort.
        let began = record.as_deref().is_some_and(|record| record.start.is_some() && !record.nodes.is_empty());
        let half = over.filter(|run| is_half_written(run) || began && run.start.is_none());
        if let Some(run) = over.filter(|_| half.is_none()) {
            let of_it = |record: &&QueuedJob| record.state.course() == Course::Over && record.start == run.start;
            let facts = Facts::accounted(run, record.as_deref().filter(of_it));
            return self.finish(case.attempt, facts, &mine).await;
        }
        if self.is_patient(since) {
            return false;
        }
        let over = record.filter(|record| record.state.course() == Course::Over);
        let facts = over.as_deref().and_then(|record| Facts::of_record(record, self.accounting));
        if let Some(facts) = facts.or_else(|| half.map(|run| Facts::accounted(run, None))) {
            return self.finish(case.attempt, facts, &mine).await;
        }
        let mut table = self.table();
        if let (Some(entry), true) = (table.attempts.get_mut(&case.attempt), since.elapsed() >= ACCOUNTS_PATIENCE) {
            // No place has its end: the evidence decides.
            entry.phase = Phase::Missing { since: Instant::now() };
        }
        false
    }

    /// The controller does not show it.
    async fn missing(&self, case: Case, runs: &[AccountedRun], asked: bool, since: Instant) -> bool {
        if let Some(run) = runs.iter().rfind(|run| run.state.course() == Course::Over && run.end.is_some()) {
            if is_half_written(run) && self.is_patient(since) {
                return false;
            }
            let facts = Facts::accounted(run, None);
            let mine: Vec<&AccountedRun> = runs.iter().filter(|other| other.number == run.number).collect();
            self.number_is(case.attempt, run.number);
            return self.finish(case.attempt, facts, &mine).await;
        }
        let Ok(evidence) = self.evidence(case.attempt).await else { return false };
        if let Some(owner) = evidence.owner.filter(|owner| Some(*owner) != case.number) {
            // Another job of this attempt has the fence: that one is asked for.
            self.number_is(case.attempt, owner);
            return false;
        }
        let patience = if self.accounting == AccountingKind::Controller { COLLECT } else { MISSING_PATIENCE };
        if since.elapsed() < patience || !asked && since.elapsed() < ACCOUNTS_PATIENCE {
            return false;
        }
        let shown = self.table().attempts.get(&case.attempt).and_then(|entry| entry.told.started);
        if let Some(facts) = Facts::of_evidence(&evidence, shown) {
            return self.finish(case.attempt, facts, &[]).await;
        }
        if !asked {
            return false;
        }
        let (told, seen, order, end, absent) = {
            let table = self.table();
            let Some(entry) = table.attempts.get(&case.attempt) else { return true };
            if !matches!(entry.phase, Phase::Missing { .. }) || entry.number != case.number {
                return false;
            }
            (entry.told.started, entry.seen_running, entry.order.is_some(), entry.end, entry.absent)
        };
        let began = evidence.started.as_ref().map(|started| started.at.as_secs()).or(told);
        if began.is_some() || evidence.owner.is_some() || runs.iter().any(|run| run.start.is_some()) {
            // It ran. A node that comes back may still say how it ended.
            if since.elapsed() < Duration::from_secs(u64::from(self.config.grace_secs)) {
                return false;
            }
            let start = runs.iter().rev().find_map(|run| run.start).or(told).or(began);
            let facts = Facts::vanished(start, seen.or(began), runs.last());
            return self.finish(case.attempt, facts, &[]).await;
        }
        if end.is_none() && order {
            if absent.is_none() {
                return false;
            }
            self.hand_over_again(case.attempt);
            return true;
        }
        self.give_up(case.attempt, end, since).await
    }

    /// From here on no job of it shall begin, also not one that comes late. False: not yet, or it is wanted again.
    async fn give_up(&self, attempt: AttemptId, end: Option<Ending>, since: Instant) -> bool {
        if self.files.is_some() {
            if !self.is_kept_away(attempt).await {
                return false;
            }
        } else if since.elapsed() < self.limits.late {
            return false;
        }
        match end {
            Some(end) => self.bury(attempt, end.how, "the cluster did not have it"),
            None if self.gone(attempt) => {}
            None => {
                // Handed over anew meanwhile: then it shall begin.
                if let Some(files) = &self.files
                    && let Err(error) = evidence::unstop(files.as_ref(), self.realm, attempt).await
                {
                    tracing::warn!(attempt = %attempt, %error, "an order to stop could not be taken back");
                }
                return false;
            }
        }
        true
    }

    /// What was sent without an answer has not appeared for as long as it could.
    async fn sought(&self, case: Case, runs: &[AccountedRun], asked: bool) -> bool {
        if let Some(run) = runs.last() {
            self.missing_now(case.attempt, run.number);
            return false;
        }
        let Ok(evidence) = self.evidence(case.attempt).await else { return false };
        if let Some(owner) = evidence.owner {
            self.missing_now(case.attempt, owner);
            return false;
        }
        if !asked {
            return false;
        }
        self.hand_over_again(case.attempt);
        true
    }

    fn number_is(&self, attempt: AttemptId, number: JobNumber) {
        if let Some(entry) = self.table().attempts.get_mut(&attempt) {
            entry.number = Some(number);
        }
    }

    fn missing_now(&self, attempt: AttemptId, number: JobNumber) {
        if let Some(entry) = self.table().attempts.get_mut(&attempt) {
            entry.number = Some(number);
            entry.phase = Phase::Missing { since: Instant::now() };
        }
    }

    async fn evidence(&self, attempt: AttemptId) -> Result<Evidence, ports::FileError> {
        match &self.files {
            Some(files) => evidence::read(files.as_ref(), self.realm, attempt).await,
            None => Ok(Evidence::default()),
        }
    }

    async fn never_began(&self, attempt: AttemptId) -> bool {
        self.evidence(attempt).await.is_ok_and(|evidence| evidence.is_empty())
    }

    /// Every place has been asked and none shows it. False: it was handed over anew meanwhile.
    fn gone(&self, attempt: AttemptId) -> bool {
        let mut table = self.table();
        let is_wanted = |entry: &Entry| entry.order.is_some() || !matches!(entry.phase, Phase::Missing { .. });
        if table.attempts.get(&attempt).is_some_and(is_wanted) {
            return false;
        }
        if let Some(entry) = table.attempts.remove(&attempt)
            && !entry.forget_at_end
        {
            let now = Instant::now();
            table.doubtful.retain(|_, until| *until > now);
            table.doubtful.insert(attempt, now + self.limits.late);
            table.tell(Observed::Gone {
                attempt,
                note: Some("queue, accounting and work folder have no trace of it".into()),
            });
        }
        true
    }

    /// The last word on an attempt, checked against what the wrapper's own exits mean. False: it was not the last word.
    async fn finish(&self, attempt: AttemptId, mut facts: Facts, runs: &[&AccountedRun]) -> bool {
        let is_odd = facts.is_wrappers();
        let mut before_it_began = false;
        let cause = self.table().attempts.get(&attempt).and_then(|entry| entry.end).map(|end| end.how.cause);
        let shown = self.table().attempts.get(&attempt).and_then(|entry| entry.told.started);
        // A cancel after an order of ours is ours; a node's failure after one may still be the end of work that was done.
        let may_be = cause.is_none() || facts.state == SlurmState::NodeFail;
        let doubtful = may_be && self.files.is_some() && facts.is_doubtful(shown.is_some());
        if is_odd || doubtful || facts.needs_code() {
            let Ok(evidence) = self.evidence(attempt).await else { return false };
            let number = self.table().attempts.get(&attempt).and_then(|entry| entry.number);
            if (is_odd || doubtful) && facts.is_echo(&evidence, number) {
                facts = own_run(runs, &evidence)
                    .map_or_else(|| facts.of_echo(&evidence, shown), |run| Facts::accounted(run, None));
            } else if doubtful {
                facts.correct(&evidence, number);
                if facts.state == SlurmState::NodeFail && evidence.is_empty() && !self.is_kept_away(attempt).await {
                    return false;
                }
            }
            if facts.exit.0 == EXIT_SUPERSEDED && is_odd && !self.gave_way(attempt, number, &mut facts, &evidence) {
                return false;
            }
            let ended = evidence.ended.as_ref().filter(|ended| Some(ended.number) == number);
            match ended.map(|ended| (ended.exit, &ended.words)) {
                Some((None, words)) => {
                    facts.exit = (EXIT_NO_START.code, EXIT_NO_START.signal);
                    facts.note(words);
                }
                Some((Some(exit), _)) if facts.state == SlurmState::Failed => {
                    facts.exit = (exit.code, exit.signal);
                    // A slurmd that was started again may launch a job a second time; the copy gives way, and Slurm takes its
                    // exit for the job's.
                    if is_odd && facts.exit == (0, 0) {
                        facts.state = SlurmState::Completed;
                    }
                }
                _ => {}
            }
            before_it_began =
                is_odd && facts.exit.0 == EXIT_STOPPED && evidence.started.is_none() && self.files.is_some();
        }
        if before_it_began && cause.is_none() && self.is_wanted_again(attempt, &facts) {
            return false;
        }
        if before_it_began {
            facts.state = SlurmState::Cancelled;
            facts.start = None;
            facts.note("ended before it began");
        }
        let mut verdict =
            states::verdict(&facts.state, facts.exit, facts.reason.as_deref(), facts.start.is_some(), cause);
        if verdict.outcome != Outcome::Completed
            && cause.is_none()
            && let Some(words) = self.slurm_words(attempt).await
        {
            facts.note(&words);
        }
        verdict.note = join(verdict.note, facts.note.take());
        self.tell_end(attempt, &facts, verdict, runs);
        true
    }

    /// A copy was told to stay away before the attempt was handed over anew: it is handed over once more.
    fn is_wanted_again(&self, attempt: AttemptId, facts: &Facts) -> bool {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else { return true };
        entry.number = None;
        entry.record = None;
        entry.absent = None;
        let told = entry.told.started.take();
        let offset = entry.offset.unwrap_or_default();
        if entry.order.is_some() {
            entry.phase = Phase::Seeking { until: Instant::now(), since: 0 };
        } else {
            entry.phase = Phase::Missing { since: Instant::now() };
        }
        if let Some(start) = told {
            let started_at = Timestamp::from_secs(start) - offset;
            let at = Timestamp::from_secs(facts.end.unwrap_or(start).max(start)) - offset;
            let note = Some("a copy that was told to stay away; nothing ran".into());
            table.tell(Observed::Interrupted { attempt, started_at, at, outcome: Outcome::NodeFail, note });
        }
        drop(table);
        self.look_now.notify_one();
        true
    }

    /// What Slurm itself wrote at the end of a job.
    async fn slurm_words(&self, attempt: AttemptId) -> Option<String> {
        let files = self.files.as_ref()?;
        let bytes = files.read(&evidence::slurm_words(self.realm, attempt), 0, WORDS_MAX * 4).await.ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let words: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        (!words.is_empty()).then(|| short(&words.join("; "), WORDS_MAX))
    }

    fn tell_end(&self, attempt: AttemptId, facts: &Facts, verdict: Verdict, runs: &[&AccountedRun]) {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else { return };
        if entry.phase == Phase::Over {
            return;
        }
        let default = self.link().offset();
        let mut news = Vec::new();
        let is_before = |run: &AccountedRun| facts.start.is_none_or(|start| run.start.is_some_and(|at| at < start));
        for run in runs.iter().filter(|run| is_before(run) && run.end.is_some()) {
            news.extend(tell_interrupted(entry, attempt, run, default));
        }
        let offset = *entry.offset.get_or_insert(default);
        let ours = |seconds: i64| Timestamp::from_secs(seconds) - offset;
        let end = facts.end.unwrap_or_else(|| (self.now() + offset).as_secs()).max(facts.start.unwrap_or(i64::MIN));
        if let Some(start) = facts.start {
            if entry.told.started != Some(start) {
                entry.told.suspended = None;
                entry.told.suspended_seconds = 0;
                let external = entry.number.map(|number| number.to_string().into());
                news.push(Observed::Started { attempt, at: ours(start), nodes: look::names(&facts.nodes), external });
            }
            suspensions(entry, attempt, facts, ours(end), &mut news);
        }
        let ended = Observed::Ended {
            attempt,
            started_at: facts.start.map(ours),
            at: ours(end),
            outcome: verdict.outcome,
            exit: verdict.exit,
            usage: facts.usage,
            note: verdict.note.map(Into::into),
        };
        if !entry.forget_at_end {
            table.outbox.extend(news);
        }
        drop(table);
        self.over(attempt, ended);
    }

    /// Tells an end, and that is how it stays.
    pub(super) fn over(&self, attempt: AttemptId, ended: Observed) {
        let mut table = self.table();
        let Some(entry) = table.attempts.get_mut(&attempt) else { return };
        entry.answer(&crate::core::table::Handed::TakenOn);
        if entry.forget_at_end {
            table.forget(attempt, Instant::now() + EVIDENCE_KEPT);
        } else {
            entry.phase = Phase::Over;
            entry.order = None;
            entry.requeued = None;
            entry.told.ended = Some(ended.clone());
            table.tell(ended);
        }
        drop(table);
        self.told();
    }
}
