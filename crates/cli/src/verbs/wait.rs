//! Waiting for the end of a job, telling on standard error what happens meanwhile. Interrupting leaves the job alone.

use std::time::Duration;

use client::{Client, LogStep};
use wire::LogStream;
use wire::events::Event;
use wire::job::{Job, JobSummary, JobsQuery};

use super::submit::of_job;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::View;
use crate::view::cell::local_time;

/// Events tell of an end at once; this is the fallback when one got lost: a job is looked at again after this long.
const LOOK: Duration = Duration::from_secs(5);
/// How often an array is looked at: one page of a thousand elements a second is 1 % of a server's core.
const LOOK_ARRAY: Duration = Duration::from_secs(1);
/// As shells say it for SIGINT.
const INTERRUPTED: Exit = Exit::Job(130);

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pub number: u64,
    /// Of an array; 1 for a single job.
    pub elements: u32,
    /// Nothing is told meanwhile.
    pub quiet: bool,
}

/// Waits; the view's exit is the job's own (of an array, the greatest of its elements').
pub async fn wait(desk: &Desk, client: &Client, watch: Watch) -> Result<View, Fault> {
    let exit = async {
        match watch.elements {
            0 | 1 => single(desk, client, watch).await,
            _ => array(desk, client, watch).await,
        }
    };
    tokio::select! {
        exit = exit => Ok(View::done(exit?)),
        _ = tokio::signal::ctrl_c() => Ok(left_running(desk, &watch.number.to_string())),
    }
}

/// Shows standard output as it grows, then waits for the end.
pub async fn follow(desk: &Desk, client: &Client, watch: Watch) -> Result<View, Fault> {
    let name = watch.number.to_string();
    let shown = async {
        let mut tail = client.follow_log(&name, LogStream::Stdout, 0);
        while let LogStep::Text(text) = tail.next().await? {
            desk.out(&text)?;
        }
        Ok::<(), Fault>(())
    };
    tokio::select! {
        shown = shown => shown?,
        _ = tokio::signal::ctrl_c() => return Ok(left_running(desk, &name)),
    }
    wait(desk, client, watch).await
}

pub fn left_running(desk: &Desk, job: &str) -> View {
    View::done(INTERRUPTED).and(Word::LeftRunning.fill(desk.lang(), &[("job", job.into())]))
}

async fn single(desk: &Desk, client: &Client, watch: Watch) -> Result<Exit, Fault> {
    let name = watch.number.to_string();
    let mut stream = None;
    let progress = Progress::new(desk, watch.quiet);
    let mut told_until = 0;
    loop {
        told_until = catch_up(desk, client, &name, told_until, &progress).await?;
        let job = client.job(&name).await?;
        if !job.summary.state.is_open() {
            // Between the list and the look it may have ended: the rest of the story.
            catch_up(desk, client, &name, told_until, &progress).await?;
            progress.done();
            return Ok(end(desk, &job, watch.quiet));
        }
        progress.state(desk, &job);
        // A lost stream is no lost job: the look every few seconds goes on.
        // The stream begins behind the last fact of the list, so that none falls between the two.
        let events = stream.get_or_insert_with(|| client.events(&of_job(&name, told_until)));
        if let Ok(Err(_)) = tokio::time::timeout(LOOK, events.next()).await {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Tells what happened since `seq`; returns the last fact there is.
async fn catch_up(desk: &Desk, client: &Client, job: &str, seq: u64, progress: &Progress) -> Result<u64, Fault> {
    let page = client.job_events(job).take(client::PAGE_MAX).await?;
    let mut last = seq;
    for event in page.items.iter().filter(|event| event.seq > seq) {
        if !progress.quiet {
            progress.line(desk, &line(event, desk));
        }
        last = last.max(event.seq);
    }
    Ok(last)
}

/// `16:00:05  started on n1`
fn line(event: &Event, desk: &Desk) -> String {
    let time = local_time(event.at, &desk.settings.look.zone);
    let clock = time.split_once(' ').map_or(time.as_str(), |(_, clock)| clock);
    format!("{clock}  {}", desk.lang().pick(&event.text_en, &event.text_zh))
}

/// How a job ended, told, and as an exit.
fn end(desk: &Desk, job: &Job, quiet: bool) -> Exit {
    if !quiet {
        let gaps = [
            ("job", job.summary.number.to_string()),
            ("state", job.summary.state.to_string()),
            ("amount", job.summary.charged.to_string()),
            ("currency", job.summary.currency.clone()),
        ];
        desk.tell(Word::JobEnded, &gaps);
    }
    exit_of(&job.summary)
}

/// A job's own exit; one that never ran to an end of its own ends like a failure.
pub fn exit_of(job: &JobSummary) -> Exit {
    match (job.exit, job.state) {
        (Some(exit), wire::JobState::Completed) => Exit::of_job(exit.code, exit.signal),
        (Some(exit), _) if exit.code != 0 || exit.signal != 0 => Exit::of_job(exit.code, exit.signal),
        (None, wire::JobState::Completed) => Exit::Ok,
        _ => Exit::Failure,
    }
}

async fn array(desk: &Desk, client: &Client, watch: Watch) -> Result<Exit, Fault> {
    let query = JobsQuery { array: Some(watch.number.to_string()), ..JobsQuery::default() };
    let mut told = usize::MAX;
    loop {
        let page = client.jobs(&query).take(watch.elements as usize).await?;
        let ended = page.items.iter().filter(|job| !job.state.is_open()).count();
        if told != ended && !watch.quiet {
            let gaps = [("ended", ended.to_string()), ("elements", watch.elements.to_string())];
            desk.tell(Word::ArrayProgress, &gaps);
            told = ended;
        }
        if !page.items.is_empty() && ended == page.items.len() {
            let worst = page.items.iter().map(exit_of).max_by_key(|exit| exit.number());
            return Ok(worst.unwrap_or(Exit::Ok));
        }
        tokio::time::sleep(LOOK_ARRAY).await;
    }
}

/// One moving line on a terminal; nothing elsewhere.
struct Progress {
    bar: Option<indicatif::ProgressBar>,
    quiet: bool,
}

impl Progress {
    fn new(desk: &Desk, quiet: bool) -> Progress {
        let bar = (desk.settings.stderr_terminal && !quiet).then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, quiet }
    }
    fn line(&self, desk: &Desk, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| desk.say(text)),
            None => desk.say(text),
        }
    }
    fn state(&self, desk: &Desk, job: &Job) {
        let Some(bar) = &self.bar else { return };
        let lang = desk.lang();
        let why = job.summary.reason.as_ref().map(|reason| lang.pick(&reason.text_en, &reason.text_zh).to_string());
        let what = why.unwrap_or_else(|| format!("{} {}", job.summary.charged, job.summary.currency));
        bar.set_message(format!("{} {} {what}", job.summary.number, job.summary.state));
    }
    fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
