//! Copies the files that a running job's rule for checkpoints means into the contents of the platform, set by set, so that its next
//! attempt goes on from them wherever it runs. A set counts only when its files stood still from before its first to after its last
//! byte. Reconciles by level on the active server: what was on its way when a server died is gone on with. Never touches the job.

mod taking;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{AttemptId, ClusterId, Span};
use engine::{Checkpointed, Command, Envelope};
use model::Actor;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::app::App;
use crate::driver::Role;
use crate::fetching::{Stopped, bounded};
use crate::files::blocking;
use crate::limits::{CHECKPOINTS_AT_ONCE, CHECKPOINTS_SWEPT};
use taking::Taken;

/// Between two looks at what runs, at most: a question to the engine that ends at once where no job has a rule. Less where checkpoints
/// may be close together.
const LOOK_MAX: Duration = Duration::from_secs(5);
const LOOK_MIN: Duration = Duration::from_millis(100);
/// A job whose files could not be copied, or did not stand still, is tried again after this, and twice as long each time, at most
/// after its interval.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// A job that has nothing yet to be copied is looked at again after this, or its interval.
const NOTHING_YET: Duration = Duration::from_secs(60);
/// Between two looks for sets of jobs that are over.
const SWEEP: Duration = Duration::from_secs(5);

/// When a running attempt is next to be looked at.
struct Plan {
    next: Instant,
    pause: Duration,
    leaving: bool,
    /// What its tenant was told last.
    told: Option<Arc<str>>,
}

type Done = (AttemptId, Result<Taken, Stopped>);

struct Keeper {
    app: App,
    plans: BTreeMap<AttemptId, Plan>,
    busy: BTreeMap<AttemptId, (ClusterId, AbortHandle)>,
    tasks: JoinSet<Done>,
    swept: Option<Instant>,
}

/// Looks until the server stops. `least`: how close together the checkpoints of a job may be.
pub async fn run(app: App, role: watch::Receiver<Role>, least: Span, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval((least.to_std() / 10).clamp(LOOK_MIN, LOOK_MAX));
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut keeper = Keeper::new(app.clone());
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = timer.tick() => {}
        }
        if !matches!(&*role.borrow(), Role::Active) {
            // Whatever was under way is the next active server's.
            keeper = Keeper::new(app.clone());
            continue;
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = keeper.look() => {}
        }
    }
}

impl Keeper {
    fn new(app: App) -> Keeper {
        Keeper { app, plans: BTreeMap::new(), busy: BTreeMap::new(), tasks: JoinSet::new(), swept: None }
    }

    async fn look(&mut self) {
        let Ok(running) = self.app.engine.ask(|engine, _| engine.checkpointed()).await else { return };
        while let Some(done) = self.tasks.try_join_next() {
            match done {
                Ok((attempt, done)) => self.done(attempt, done, &running).await,
                Err(error) if error.is_cancelled() => {}
                Err(error) => tracing::error!(%error, "taking a checkpoint ended badly"),
            }
        }
        self.let_go(&running);
        for one in &running {
            if let Err(error) = self.plan(one).await {
                return tracing::warn!(%error, "checkpoints cannot be looked up now");
            }
        }
        let now = Instant::now();
        for one in running {
            let due = self.plans.get(&one.attempt).is_some_and(|plan| plan.next <= now);
            let beside = self.busy.values().filter(|(cluster, _)| *cluster == one.cluster).count();
            if due && !self.busy.contains_key(&one.attempt) && beside < CHECKPOINTS_AT_ONCE {
                let app = self.app.clone();
                let handle = self.tasks.spawn(async move { (one.attempt, taking::take(&app, &one).await) });
                self.busy.insert(one.attempt, (one.cluster, handle));
            }
        }
        if self.swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            self.swept = Some(now);
            if let Err(error) = self.sweep().await {
                tracing::warn!(error, "checkpoints of ended jobs stay for now");
            }
        }
    }

    /// Forgets attempts that do not run any more, or whose clusters do not answer, and stops copying from them.
    fn let_go(&mut self, running: &[Checkpointed]) {
        let runs = |attempt: &AttemptId| running.binary_search_by_key(attempt, |one| one.attempt).is_ok();
        self.plans.retain(|attempt, _| runs(attempt));
        self.busy.retain(|attempt, (_, handle)| {
            let stays = runs(attempt);
            if !stays {
                handle.abort();
            }
            stays
        });
    }

    /// Plans an attempt that is new here; brings one forward that may soon have to go.
    async fn plan(&mut self, one: &Checkpointed) -> Result<(), ports::StoreError> {
        if let Some(plan) = self.plans.get_mut(&one.attempt) {
            if one.leaving && !plan.leaving {
                plan.next = Instant::now();
            }
            plan.leaving = one.leaving;
            return Ok(());
        }
        let job = one.attempt.job;
        let cut_off = self.app.store.checkpoint_under_way(job).await?.is_some_and(|set| set.attempt == one.attempt);
        let sets = self.app.store.checkpoints(job, u32::MAX).await?;
        let last = sets.iter().find(|set| set.attempt == one.attempt).map_or(one.started_at, |set| set.at);
        let wait = if cut_off || one.leaving { Span::ZERO } else { last + one.every - self.app.clock.now() };
        let next = Instant::now() + wait.max(Span::ZERO).min(one.every).to_std();
        self.plans.insert(one.attempt, Plan { next, pause: RETRY_FIRST, leaving: one.leaving, told: None });
        Ok(())
    }

    async fn done(&mut self, attempt: AttemptId, done: Result<Taken, Stopped>, running: &[Checkpointed]) {
        self.busy.remove(&attempt);
        let every = running.iter().find(|one| one.attempt == attempt).map(|one| one.every.to_std());
        let (Some(plan), Some(every)) = (self.plans.get_mut(&attempt), every) else { return };
        let (wait, tell) = match done {
            Ok(Taken::Whole | Taken::Unchanged) => {
                plan.told = None;
                (every, None)
            }
            Ok(Taken::Nothing) => (every.min(NOTHING_YET), None),
            Err(Stopped::Never(text)) => (every, Some(text)),
            Err(Stopped::Later(text)) => {
                tracing::info!(%attempt, why = text, "no checkpoint now; trying again");
                let wait = plan.pause.min(every);
                plan.pause *= 2;
                (wait, (wait == every).then_some(text))
            }
        };
        if tell.is_none() && wait == every {
            plan.pause = RETRY_FIRST;
        }
        plan.next = Instant::now() + wait;
        let Some(text) = tell.map(|text| bounded(&text)).filter(|text| plan.told.as_ref() != Some(text)) else {
            return;
        };
        plan.told = Some(text.clone());
        let command = Command::NoteCheckpoint { attempt, text };
        let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
        if let Err(error) = self.app.engine.command(envelope).await {
            tracing::warn!(%attempt, %error, "that there is no checkpoint was not told");
        }
    }

    /// Lets go of the sets of jobs that are over, and of what had arrived of those that were on their way.
    async fn sweep(&self) -> Result<(), String> {
        let dropped = self.app.store.drop_checkpoints_of_ended(CHECKPOINTS_SWEPT).await.map_err(|e| e.to_string())?;
        clear(&self.app, &dropped).await.map_err(|error| error.to_string())
    }
}

/// Removes what had arrived of files whose set was let go.
async fn clear(app: &App, dropped: &store::Dropped) -> std::io::Result<()> {
    for (attempt, file) in &dropped.unfinished {
        let id = taking::part(*attempt, file);
        blocking(&app.files, move |space| space.discard(id)).await?;
    }
    Ok(())
}
