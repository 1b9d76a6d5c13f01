//! Plays runs of the twin, one at a time, on a thread that yields to everything else. The queue is in the store: a run that waited when
//! the server stopped is played after the start, one that was under way is told to be interrupted. Only the active server plays.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{Span, Timestamp, TwinRunId};
use store::{TwinRun, TwinRunState};
use tokio::sync::{Notify, oneshot, watch};
use wire::TwinKind;
use wire::twin_run::{TwinChanges, TwinResult};

use super::asked::{Doc, Over};
use super::history::History;
use super::play::{Fault, Looked, Past, Plays, played};
use super::{gather, tell};
use crate::app::App;
use crate::driver::Role;
use crate::problem::Failure;

/// Least of all, as `nice` counts.
const NICENESS: i32 = 19;
/// After the store failed.
const REST: Duration = Duration::from_secs(5);
/// Parts of a run's whole.
const WHOLE: u64 = 1_000_000;
/// Of a whole: before that nothing is foretold.
const FORETOLD_FROM: f64 = 0.02;

/// What routes know of runs under way; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct TwinRuns(Arc<Shared>);

#[derive(Default)]
struct Shared {
    asked: Notify,
    under_way: Mutex<Option<Arc<Play>>>,
}

/// The run that is played.
struct Play {
    id: TwinRunId,
    begun: Timestamp,
    /// Of [`WHOLE`].
    done: AtomicU64,
    stop: AtomicBool,
}

/// How far the run is that is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Of one.
    pub done: f64,
    pub expected_end: Option<Timestamp>,
}

impl TwinRuns {
    /// There is something to be played.
    pub fn wake(&self) {
        self.0.asked.notify_one();
    }

    /// Stops the run if it is the one that is played.
    pub fn stop(&self, id: TwinRunId) {
        if let Some(play) = self.under_way().filter(|play| play.id == id) {
            play.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Where the run is, if it is the one that is played.
    pub fn progress(&self, id: TwinRunId, now: Timestamp) -> Option<Progress> {
        let play = self.under_way().filter(|play| play.id == id)?;
        let done = play.done.load(Ordering::Relaxed) as f64 / WHOLE as f64;
        let took = (now - play.begun).as_secs_f64();
        let left = (took * (1.0 - done) / done.max(FORETOLD_FROM)).ceil() as i64;
        Some(Progress { done, expected_end: (done >= FORETOLD_FROM).then(|| now + Span::from_secs(left)) })
    }

    fn under_way(&self) -> Option<Arc<Play>> {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, play: Option<Arc<Play>>) {
        *self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner) = play;
    }
}

/// Plays what is asked for while this server is active, until it stops.
pub(crate) async fn run(app: App, mut role: watch::Receiver<Role>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            active = role.wait_for(|role| matches!(role, Role::Active)) => if active.is_err() { return },
        }
        tokio::select! {
            _ = stop.changed() => return halt(&app),
            _ = role.wait_for(|role| !matches!(role, Role::Active)) => halt(&app),
            () = plays(&app) => {}
        }
    }
}

/// What is played ends at its next look; whoever plays next tells that it was interrupted.
fn halt(app: &App) {
    if let Some(play) = app.twin.under_way() {
        play.stop.store(true, Ordering::Relaxed);
    }
    app.twin.set(None);
}

/// Until the store fails.
async fn plays(app: &App) {
    if let Err(fault) = all(app).await {
        tracing::warn!(%fault, "runs of the twin wait for the store");
        tokio::time::sleep(REST).await;
    }
}

async fn all(app: &App) -> Result<(), ports::StoreError> {
    app.store.interrupt_twin_runs(app.clock.now()).await?;
    loop {
        match app.store.twin_runs_in(TwinRunState::Queued).await?.into_iter().next() {
            Some(run) => one(app, run).await?,
            None => app.twin.0.asked.notified().await,
        }
    }
}

async fn one(app: &App, run: TwinRun) -> Result<(), ports::StoreError> {
    let begun = app.clock.now();
    if !app.store.begin_twin_run(run.id, begun).await? {
        return Ok(());
    }
    let play = Arc::new(Play { id: run.id, begun, done: AtomicU64::new(0), stop: AtomicBool::new(false) });
    app.twin.set(Some(play.clone()));
    let came = result(app, &run, &play).await;
    app.twin.set(None);
    let (state, over, result) = match came {
        Ok(result) => {
            let over = Over { gist: Some(tell::gist(&result)), reason: None };
            (TwinRunState::Done, over, serde_json::to_string(&result).unwrap_or_default())
        }
        Err(Fault::Stopped) => (TwinRunState::Cancelled, Over::default(), String::new()),
        Err(Fault::Refused(why)) => (TwinRunState::Failed, Over { gist: None, reason: Some(why) }, String::new()),
    };
    let over = serde_json::to_string(&over).unwrap_or_default();
    let now = app.clock.now();
    app.store.end_twin_run((run.id, begun), state, now, &over, &result).await.map(drop)
}

/// Gathers what is played and plays it.
async fn result(app: &App, run: &TwinRun, play: &Arc<Play>) -> Result<TwinResult, Fault> {
    let doc: Doc = serde_json::from_str(&run.doc).map_err(|fault| Fault::Refused(fault.to_string()))?;
    let told = |failure: Failure| {
        if let Some(note) = &failure.note {
            tracing::warn!(run = %run.id, note, "a run of the twin has nothing to play");
        }
        Fault::Refused(failure.detail)
    };
    let plays = gathered(app, run, doc).await.map_err(told)?;
    let (sender, receiver) = oneshot::channel();
    let play = play.clone();
    let work = move || {
        // Where the system does not let a thread yield it is played all the same.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let came = played(&plays, &mut |place, of, progress| {
            let each = WHOLE / of.max(1) as u64;
            let share = each * progress.ended as u64 / progress.jobs.max(1) as u64;
            play.done.store(place as u64 * each + share.min(each), Ordering::Relaxed);
            if play.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        // Nobody waits any more when the server stops.
        let _ = sender.send(came);
    };
    let thread = std::thread::Builder::new().name("twin".into()).spawn(work);
    thread.map_err(|fault| Fault::Refused(format!("no thread to play on: {fault}")))?;
    receiver.await.unwrap_or_else(|_| Err(Fault::Refused("the play broke down; the server's log says where".into())))
}

async fn gathered(app: &App, run: &TwinRun, doc: Doc) -> Result<Plays, Failure> {
    let changes = doc.asked.changes.clone();
    if doc.asked.kind == TwinKind::Ahead {
        let (state, expected) = gather::state(app).await?;
        return Ok(Plays::Ahead(Box::new(Looked {
            at: app.clock.now(),
            state,
            expected,
            currency: doc.currency(),
            changes,
            horizon_seconds: doc.horizon_seconds(),
            policy: doc.policy,
        })));
    }
    let (from, to) = doc.window(run.at);
    let jobs = gather::past(app, from, to).await?;
    let history = tokio::task::spawn_blocking(move || History::of(jobs)).await;
    let history = history.map_err(|fault| Failure::internal(fault.to_string()))?;
    let groups = history.tenants().map(|(number, name)| (name.to_owned(), number)).collect();
    let as_is = gather::offer(app, &doc, groups).await?;
    let changed = (changes != TwinChanges::default()).then(|| as_is.clone().changed(&changes));
    Ok(Plays::Past(Box::new(Past { history, as_is, changed, currency: doc.currency, now: to })))
}
