//! From one look at the queue to what is new about every attempt. Works on the table alone: no waiting, no calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{AttemptId, Span, Timestamp};
use model::Observed;
use tokio::time::Instant;

use crate::carrier::{JobNumber, Queue, QueuedJob, SlurmState};
use crate::core::limits::VOID_SECS_MAX;
use crate::core::table::{Entry, Phase, Table};
use crate::key::Realm;
use crate::states::{self, Course, EXIT_STOPPED, EXIT_SUPERSEDED};

/// When a look was made, and by which clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Before the question was sent.
    pub began: Instant,
    /// The cluster's clock, seconds.
    pub clock: i64,
    /// The cluster's clock less ours.
    pub offset: Span,
}

/// Flags that say nothing to a reader of a timeline.
const QUIET_FLAGS: &[&str] = &["COMPLETING", "CONFIGURING", "SIGNALING", "RESIZING_DONE"];
/// Reasons of plain waiting.
const QUIET_REASONS: &[&str] = &["None", "Resources", "Priority", ""];

impl Table {
    /// Takes in one answer. True when somebody's end or absence is to be asked for elsewhere.
    pub fn apply(&mut self, realm: Realm, queue: &Queue, moment: Moment) -> bool {
        let mut groups: BTreeMap<AttemptId, Vec<&QueuedJob>> = BTreeMap::new();
        for job in &queue.jobs {
            if let Some(attempt) = realm.attempt(&job.name) {
                groups.entry(attempt).or_default().push(job);
            }
        }
        let mut work = false;
        for (attempt, jobs) in &groups {
            match self.attempts.get_mut(attempt) {
                Some(entry) => {
                    let surplus = choose(entry, jobs);
                    let shown = entry.number.is_some_and(|number| jobs.iter().any(|job| job.number == number));
                    if shown {
                        work |= self.advance(*attempt, jobs, moment);
                    } else if queue.whole {
                        work |= absent(entry, moment);
                    }
                    self.surplus.extend(surplus.into_iter().map(|number| (number, *attempt)));
                }
                None => self.stray(*attempt, jobs, moment),
            }
        }
        if queue.whole {
            self.strays.retain(|attempt, _| groups.contains_key(attempt));
            self.surplus.retain(|number, attempt| {
                groups.get(attempt).is_some_and(|jobs| jobs.iter().any(|job| job.number == *number && is_active(job)))
            });
            for (attempt, entry) in &mut self.attempts {
                if !groups.contains_key(attempt) {
                    work |= absent(entry, moment);
                }
            }
        }
        work
    }

    /// A job of ours of which this connector knows nothing.
    fn stray(&mut self, attempt: AttemptId, jobs: &[&QueuedJob], moment: Moment) {
        let active: Vec<&&QueuedJob> = jobs.iter().filter(|job| is_active(job)).collect();
        if self.is_forgotten(attempt) {
            // Its end is stored: this is a copy that came late.
            self.surplus.extend(active.iter().map(|job| (job.number, attempt)));
            return;
        }
        self.strays.insert(attempt, jobs.iter().map(|job| (*job).clone()).collect());
        // It is for the platform to say that nobody waits for it: another platform's process may have taken over meanwhile.
        let running = active.iter().find(|job| job.state.course() == Course::Running && !job.nodes.is_empty());
        if let (true, Some(job)) = (self.resumed, running)
            && self.strays_told.insert(attempt)
        {
            let at = Timestamp::from_secs(job.start.unwrap_or(moment.clock)) - moment.offset;
            let external = Some(job.number.to_string().into());
            self.tell(Observed::Started { attempt, at, nodes: names(&job.nodes), external });
        }
    }

    /// Brings one attempt up to what its job was seen to be. True when its end is to be asked for.
    fn advance(&mut self, attempt: AttemptId, jobs: &[&QueuedJob], moment: Moment) -> bool {
        let Some(entry) = self.attempts.get_mut(&attempt) else { return false };
        let Some(job) = entry.number.and_then(|number| jobs.iter().find(|job| job.number == number)) else {
            return false;
        };
        if entry.phase == Phase::Over {
            return false;
        }
        entry.absent = None;
        entry.record = Some(Box::new((*job).clone()));
        entry.answer(&crate::core::table::Handed::TakenOn);
        match job.state.course() {
            Course::Over => {
                if !matches!(entry.phase, Phase::Ending { .. }) {
                    entry.phase = Phase::Ending { since: Instant::now() };
                }
                return true;
            }
            Course::Waiting => {
                entry.phase = Phase::Queued;
                if entry.told.started.is_some() {
                    entry.requeued.get_or_insert(Instant::now());
                }
            }
            Course::Running | Course::Suspended => {
                entry.phase = Phase::Running;
                // It is there for good and will not be handed over again, once it has run for longer than copies do that only
                // find out that they are not wanted.
                if job.start.is_some_and(|start| moment.clock - start > VOID_SECS_MAX) {
                    entry.order = None;
                }
                entry.seen_running = Some(moment.clock);
                if entry.told.started.is_some_and(|told| Some(told) != job.start) {
                    entry.requeued.get_or_insert(Instant::now());
                }
            }
            Course::Unknown => {}
        }
        let work = entry.requeued.is_some() || entry.is_held_after_launch();
        self.tell_course(attempt, moment);
        work
    }

    /// Tells what is new of an attempt that is there, in the order of its course.
    pub fn tell_course(&mut self, attempt: AttemptId, moment: Moment) {
        let mut news = Vec::new();
        if let Some(entry) = self.attempts.get_mut(&attempt)
            && let Some(job) = entry.record.take()
        {
            if !entry.told.accepted && !entry.forget_at_end {
                entry.told.accepted = true;
                news.push(Observed::Accepted { attempt, external: Some(job.number.to_string().into()) });
            }
            // The run before this one has to be told first.
            if entry.requeued.is_none() {
                run(entry, attempt, &job, moment, &mut news);
            }
            remark(entry, attempt, &job, &mut news);
            entry.record = Some(job);
        }
        self.outbox.extend(news);
    }
}

/// The start and the suspensions of the present run.
fn run(entry: &mut Entry, attempt: AttemptId, job: &QueuedJob, moment: Moment, news: &mut Vec<Observed>) {
    let course = job.state.course();
    let (Course::Running | Course::Suspended, Some(start)) = (course, job.start) else { return };
    if job.nodes.is_empty() {
        return;
    }
    let offset = *entry.offset.get_or_insert(moment.offset);
    if entry.told.started.is_none() {
        entry.told.started = Some(start);
        entry.told.suspended_seconds = 0;
        let external = Some(job.number.to_string().into());
        let at = Timestamp::from_secs(start) - offset;
        news.push(Observed::Started { attempt, at, nodes: names(&job.nodes), external });
    }
    match (course, entry.told.suspended) {
        (Course::Suspended, None) => {
            let at = Timestamp::from_secs(moment.clock.max(start)) - offset;
            entry.told.suspended = Some(at);
            news.push(Observed::Suspended { attempt, at });
        }
        (Course::Running, Some(since)) => {
            // Slurm counts whole suspensions: its length is exact, whenever we saw it begin.
            let seconds = (job.suspended_seconds - entry.told.suspended_seconds).max(0);
            entry.told.suspended = None;
            entry.told.suspended_seconds += seconds;
            news.push(Observed::Continued { attempt, at: since + Span::from_secs(seconds) });
        }
        _ => {}
    }
}

/// Slurm's own words, when they changed and say something.
fn remark(entry: &mut Entry, attempt: AttemptId, job: &QueuedJob, news: &mut Vec<Observed>) {
    let mut words: Vec<String> = Vec::new();
    let says_more = |flag: &str| !QUIET_FLAGS.contains(&flag);
    if let SlurmState::Unknown(state) = &job.state
        && says_more(state)
    {
        words.push(format!("Slurm's state is {state}"));
    }
    // A flag may stand in the place of its state.
    let flags = job.flags.iter().filter(|flag| says_more(flag) && flag.as_str() != job.state.as_str());
    words.extend(flags.map(|flag| format!("Slurm: {flag}")));
    if let Some(reason) = job.reason.as_deref()
        && job.state.course() == Course::Waiting
        && !QUIET_REASONS.contains(&reason)
    {
        words.push(states::waiting(reason));
    }
    let words = (!words.is_empty()).then(|| words.join("; "));
    if words != entry.told.remark {
        if let Some(text) = &words {
            news.push(Observed::Remark { attempt, text: text.as_str().into() });
        }
        entry.told.remark = words;
    }
}

/// Decides which of the jobs with one key is the attempt's, and which are to be ended.
fn choose(entry: &mut Entry, jobs: &[&QueuedJob]) -> Vec<JobNumber> {
    let all = jobs.iter().map(|job| job.number);
    if entry.phase == Phase::Over {
        return jobs.iter().filter(|job| is_active(job)).map(|job| job.number).collect();
    }
    let rank = |job: &QueuedJob| {
        let ours = Some(job.number) == entry.number;
        match job.state.course() {
            _ if is_void(job) => VOID,
            Course::Over if ours => 0,
            // A copy that was ended before it began.
            Course::Over if job.nodes.is_empty() && !ours => VOID,
            // It has the fence, or it will know at once that it has not.
            Course::Running | Course::Suspended => 1,
            Course::Over => 2,
            Course::Waiting | Course::Unknown if ours => 3,
            Course::Waiting | Course::Unknown => 4,
        }
    };
    let Some(main) = jobs.iter().min_by_key(|job| (rank(job), job.submitted, job.number)) else { return Vec::new() };
    // What never did anything is no sign of the one that is looked for.
    if rank(main) == VOID && Some(main.number) != entry.number {
        return Vec::new();
    }
    entry.number = Some(main.number);
    entry.rivals.extend(all.filter(|number| *number != main.number));
    // What has not begun never shall; two that run settle it at the fence, and the later one is gone at the next look.
    let surplus = |job: &&&QueuedJob| job.number != main.number && job.state.course() == Course::Waiting;
    jobs.iter().filter(surplus).map(|job| job.number).collect()
}

fn is_active(job: &QueuedJob) -> bool {
    !matches!(job.state.course(), Course::Over)
}

/// The rank of jobs that did nothing.
const VOID: u8 = 5;

/// Its own exit says that another job has the fence, or that it was not to begin.
fn is_void(job: &QueuedJob) -> bool {
    job.state == SlurmState::Failed && job.exit.is_some_and(|exit| [EXIT_SUPERSEDED, EXIT_STOPPED].contains(&exit.0))
}

/// A look at the whole queue does not show it. True when it is to be asked for elsewhere.
fn absent(entry: &mut Entry, moment: Moment) -> bool {
    // A look that began before the acknowledgement cannot know of it.
    if entry.acknowledged.is_some_and(|at| at >= moment.began) {
        return false;
    }
    entry.absent = Some(moment.began);
    match entry.phase {
        Phase::Queued | Phase::Running => {
            entry.phase = Phase::Missing { since: Instant::now() };
            true
        }
        Phase::Seeking { .. } | Phase::Missing { .. } | Phase::Ending { .. } => true,
        Phase::HandingOver | Phase::Over => false,
    }
}

/// Names as observations carry them.
pub fn names(nodes: &[String]) -> Vec<Arc<str>> {
    nodes.iter().map(|node| node.as_str().into()).collect()
}
