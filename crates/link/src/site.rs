//! The server's memory of one site: its present line if there is one, the requests under way, which events were taken in.
//! Lives as long as the server process; lines come and go.

mod events;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{AttemptId, Timestamp};
use model::BackendKind;
use ports::ConnectError;
use ports::cluster::Observations;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::agent::write_frames;
use crate::frame::{Bounds, Frame, FrameError, post};
use crate::limits::{OUTBOX_FRAMES, REQUESTS_MAX, RESUME_PART, Timing};
use crate::listen::Gatekeeper;
use crate::message::{Answer, Ask, Attach, Hello, Place, ToAgent, ToServer, attempts_to_bytes};
use crate::{stamp, wall_clock};

/// Frames of events on their way to the listener, 4 MiB each at most.
const EVENT_FRAMES: usize = 8;

/// What is known of a site's line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SiteStatus {
    /// `None`: no line at the moment.
    pub connected_since: Option<Timestamp>,
    /// When something was last heard.
    pub last_seen: Option<Timestamp>,
    pub address: Option<SocketAddr>,
    /// e.g. `hw 0.1.0`.
    pub software: Option<String>,
    pub machine: Option<String>,
    pub protocol: Option<u16>,
    pub backend: Option<BackendKind>,
    /// Events at the site that have not been taken in yet.
    pub waiting: u64,
    /// How far its clock is ahead of the server's, in milliseconds; the way there included.
    pub clock_ahead_ms: i64,
    /// Events that this program could not read: it is older than the agent.
    pub unreadable: u64,
}

/// One site, on the server.
pub struct Site {
    pub place: Place,
    timing: Timing,
    /// This server process.
    run: u64,
    /// Calls about attempts, and all others: those who wait for a log do not keep a job from its end.
    orders: Semaphore,
    reads: Semaphore,
    state: Mutex<State>,
    /// Whether there is a line.
    up: watch::Sender<bool>,
    /// The number of the present line: an older one ends when it sees that it is not the present one.
    line: watch::Sender<u64>,
    /// Counts how often the site said that it offers something else now.
    supply: watch::Sender<u64>,
    /// Who takes the events in.
    listener: watch::Sender<Option<Listener>>,
    heard: tokio::sync::Mutex<Heard>,
    /// Since when what the agent tells holds.
    stock: watch::Sender<Option<Stock>>,
    /// One `resume` at a time.
    resuming: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Listener {
    id: u64,
    to: Observations,
}

/// The last event taken in, of which log.
#[derive(Default)]
struct Heard {
    log: u64,
    number: u64,
}

/// The agent of this log was told the open attempts when `upto` was the number of its newest event.
#[derive(Clone, Copy)]
struct Stock {
    log: u64,
    upto: u64,
}

/// Log and process of an agent; process 0: it does not say.
type AgentId = (u64, u64);

/// Where the site's agent stands with what the platform counts as open.
#[derive(Clone, Copy, Default)]
enum Standing {
    /// Nobody has taken the cluster up since the present listener came: whoever does says what is open.
    #[default]
    Untaken,
    /// This agent was told, and was handed all that is on its way.
    Told(AgentId),
    /// Another has come since: nothing is handed over until it was told what is open.
    Closed,
    /// This agent was told; what was handed to the one before it is still to be handed to it.
    Owed(AgentId),
}

impl Standing {
    /// An agent has come; `knows`: it says that it knows its attempts.
    fn came(self, agent: AgentId, knows: bool) -> Standing {
        match self {
            Standing::Told(told) | Standing::Owed(told) if told != agent || !knows => Standing::Closed,
            standing => standing,
        }
    }

    /// This agent was told what is open.
    const fn told(self, agent: AgentId) -> Standing {
        match self {
            Standing::Untaken | Standing::Told(_) => Standing::Told(agent),
            Standing::Closed | Standing::Owed(_) => Standing::Owed(agent),
        }
    }

    /// What was on its way was handed over again.
    const fn repeated(self) -> Standing {
        match self {
            Standing::Owed(agent) => Standing::Told(agent),
            standing => standing,
        }
    }

    /// Somebody else listens: they will say what is open. An agent that has not been told is told all the same.
    const fn heard_by_another(self) -> Standing {
        match self {
            Standing::Told(_) => Standing::Untaken,
            standing => standing,
        }
    }

    const fn must_be_told(self) -> bool {
        matches!(self, Standing::Closed | Standing::Owed(_))
    }

    const fn is_closed(self) -> bool {
        matches!(self, Standing::Closed)
    }
}

#[derive(Default)]
struct State {
    out: Option<mpsc::Sender<Arc<Frame>>>,
    status: SiteStatus,
    absent_since: Option<Instant>,
    next_id: u64,
    pending: BTreeMap<u64, Pending>,
    /// The agent that came last.
    agent: AgentId,
    files: bool,
    standing: Standing,
    backend_down: bool,
    remarks: BTreeMap<String, Vec<String>>,
}

struct Pending {
    frame: Arc<Frame>,
    reply: oneshot::Sender<Reply>,
}

/// An answer, its body, and the log and the process of the agent that gave it.
struct Reply {
    answer: Answer,
    body: Vec<u8>,
    from: AgentId,
}

/// Why a call got no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    Unreachable(io::Error),
    /// It can never be sent.
    TooLarge(String),
}

impl Site {
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(place: Place, timing: Timing) -> io::Result<Site> {
        let state = State { absent_since: Some(Instant::now()), ..State::default() };
        Ok(Site {
            place,
            timing,
            run: stamp()?,
            orders: Semaphore::new(REQUESTS_MAX / 2),
            reads: Semaphore::new(REQUESTS_MAX / 2),
            state: Mutex::new(state),
            up: watch::Sender::new(false),
            line: watch::Sender::new(0),
            supply: watch::Sender::new(0),
            listener: watch::Sender::new(None),
            heard: tokio::sync::Mutex::default(),
            stock: watch::Sender::new(None),
            resuming: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn run(&self) -> u64 {
        self.run
    }
    pub(crate) const fn timing(&self) -> Timing {
        self.timing
    }
    pub fn status(&self) -> SiteStatus {
        self.state().status.clone()
    }
    /// Whether there is a line, for those who wait for a change.
    pub fn up(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }
    /// Changes when the site says that it offers something else now: it is to be asked to describe itself again.
    pub fn supply(&self) -> watch::Receiver<u64> {
        self.supply.subscribe()
    }
    /// Ends the present line, if there is one: its key is no longer good.
    pub fn hang_up(&self) {
        self.line.send_modify(|line| *line += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_files(&self) -> bool {
        self.state().files
    }
    pub(crate) fn backend_is_down(&self) -> bool {
        self.state().backend_down
    }
    pub(crate) fn remarks(&self, pool: &str) -> Vec<String> {
        self.state().remarks.get(pool).cloned().unwrap_or_default()
    }
    pub(crate) fn pools_with_remarks(&self) -> Vec<String> {
        self.state().remarks.keys().cloned().collect()
    }
    pub(crate) fn note_remarks(&self, remarks: BTreeMap<String, Vec<String>>) {
        self.state().remarks = remarks;
    }

    /// Events go to `to` from now on. The number says who listens.
    pub(crate) fn listen(&self, to: Observations) -> u64 {
        let mut id = 0;
        self.listener.send_modify(|listener| {
            id = listener.as_ref().map_or(0, |l| l.id) + 1;
            *listener = Some(Listener { id, to });
        });
        // Whoever listened before may have had events that were not stored: the agent's connector says again what counts.
        let mut state = self.state();
        state.standing = state.standing.heard_by_another();
        drop(state);
        id
    }

    // ---- calls ----

    /// Asks the agent, over as many lines as it takes.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] when there is no line for longer than the patience, or no answer in time. It may have been
    /// done all the same.
    pub(crate) async fn call(&self, ask: Ask, body: Vec<u8>, within: Duration) -> Result<(Answer, Vec<u8>), CallError> {
        let Reply { answer, body, .. } = self.ask(ask, body, within).await?;
        Ok((answer, body))
    }

    async fn ask(&self, ask: Ask, body: Vec<u8>, within: Duration) -> Result<Reply, CallError> {
        let until = Instant::now() + within;
        let late =
            || CallError::Unreachable(io::Error::new(io::ErrorKind::TimedOut, "the site's agent did not answer"));
        let lane = if ask.changes() { &self.orders } else { &self.reads };
        let _permit = tokio::time::timeout_at(until, lane.acquire()).await.map_err(|_| late())?;
        if self.closed_for(&ask) {
            return Err(CallError::Unreachable(io::Error::other("the site's agent is new and takes stock")));
        }
        let (reply, mut answer) = oneshot::channel();
        let asked = self.send(ask, body, within, reply)?;
        if let Some(out) = asked.out.clone() {
            // A line that breaks meanwhile: the next one asks again.
            let _ = tokio::time::timeout_at(until, out.send(asked.frame.clone())).await;
        }
        tokio::select! {
            biased;
            answer = &mut answer => answer.map_err(|_| CallError::Unreachable(io::Error::other("the site was removed"))),
            () = tokio::time::sleep_until(until) => Err(late()),
            since = self.absence() => Err(CallError::Unreachable(io::Error::new(
                io::ErrorKind::NotConnected,
                format!("no line from the site's agent for {} s", since.as_secs()),
            ))),
        }
    }

    fn closed_for(&self, ask: &Ask) -> bool {
        self.state().standing.is_closed() && ask.changes() && !matches!(ask, Ask::Resume { .. })
    }

    fn send(
        &self,
        ask: Ask,
        body: Vec<u8>,
        within: Duration,
        reply: oneshot::Sender<Reply>,
    ) -> Result<Asked<'_>, CallError> {
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let id = {
            let mut state = self.state();
            state.next_id += 1;
            state.next_id
        };
        let frame = Frame::new(&ToAgent::Request { id, within_ms, ask: Box::new(ask) }, body)
            .map_err(|error| CallError::TooLarge(error.to_string()))?;
        let frame = Arc::new(frame);
        let mut state = self.state();
        state.pending.insert(id, Pending { frame: frame.clone(), reply });
        Ok(Asked { site: self, id, frame, out: state.out.clone() })
    }

    /// Resolves when there has been no line for longer than the patience.
    async fn absence(&self) -> Duration {
        let mut up = self.up.subscribe();
        loop {
            // The sender lives as long as the site.
            let _ = up.wait_for(|up| !*up).await;
            let since = self.state().absent_since.unwrap_or_else(Instant::now);
            let over = since + self.timing.patience;
            if tokio::time::timeout_at(over, up.wait_for(|up| *up)).await.is_err() {
                return since.elapsed();
            }
        }
    }

    /// Tells the agent which attempts are open; then it may be handed others.
    ///
    /// # Errors
    /// As [`Site::call`], and what its connector says.
    pub(crate) async fn resume(&self, open: &[AttemptId]) -> Result<(), ConnectError> {
        let _one = self.resuming.lock().await;
        self.resume_alone(open).await
    }

    async fn resume_alone(&self, open: &[AttemptId]) -> Result<(), ConnectError> {
        let (mut logs, mut upto) = (Vec::new(), 0);
        let parts: Vec<&[AttemptId]> = if open.is_empty() { vec![&[]] } else { open.chunks(RESUME_PART).collect() };
        for (part, some) in parts.iter().enumerate() {
            let ask = Ask::Resume { part: part as u32, last: part + 1 == parts.len(), stock: true };
            match self.ask(ask, attempts_to_bytes(some), self.timing.answer).await {
                Ok(Reply { answer: Answer::Done {}, from, .. }) => logs.push(from),
                Ok(Reply { answer: Answer::Resumed { newest }, from, .. }) => {
                    logs.push(from);
                    upto = newest;
                }
                Ok(Reply { answer: Answer::Fault { fault }, .. }) => return Err(fault.into()),
                Ok(_) => return Err(ConnectError::Unreachable(io::Error::other("an answer that is not understood"))),
                Err(error) => return Err(error.into()),
            }
        }
        let mut state = self.state();
        if logs.iter().any(|agent| *agent != state.agent) {
            return Err(ConnectError::Unreachable(io::Error::other("another agent came in between")));
        }
        state.standing = state.standing.told(state.agent);
        self.stock.send_replace(Some(Stock { log: state.agent.0, upto }));
        Ok(())
    }

    /// Tells a new agent which attempts are open, as the platform knows them once nothing more is handed over; until it works.
    pub(crate) async fn take_stock(&self, gate: &dyn Gatekeeper) {
        let _one = self.resuming.lock().await;
        let mut pause = self.timing.redial_first;
        while self.state().standing.is_closed() {
            if let Some(open) = gate.open_attempts(self.place.cluster).await {
                match self.resume_alone(&open).await {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(site = self.place.site, %error, "the new agent did not take stock"),
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.timing.redial_max);
        }
        gate.repeat(self.place.cluster).await;
        let mut state = self.state();
        state.standing = state.standing.repeated();
    }

    // ---- lines ----

    /// Serves one line to its end. `true` in the first value: the agent must be told the open attempts.
    pub(crate) fn attach(
        &self,
        hello: &Hello,
        attach: &Attach,
        protocol: u16,
        address: SocketAddr,
    ) -> (Attached<'_>, bool) {
        let (out, queue) = mpsc::channel(OUTBOX_FRAMES);
        let mut number = 0;
        self.line.send_modify(|line| {
            *line += 1;
            number = *line;
        });
        let now = wall_clock();
        let mut state = self.state();
        let from = (attach.log, attach.process);
        state.standing = state.standing.came(from, attach.told);
        let must_be_told = state.standing.must_be_told();
        state.agent = from;
        state.files = attach.files;
        state.absent_since = None;
        state.status = SiteStatus {
            connected_since: Some(Timestamp::from_micros(now)),
            last_seen: Some(Timestamp::from_micros(now)),
            address: Some(address),
            software: Some(bounded(&hello.software)),
            machine: Some(bounded(&hello.machine)),
            protocol: Some(protocol),
            backend: Some(attach.backend),
            clock_ahead_ms: (attach.clock - now) / 1_000,
            ..SiteStatus { unreadable: state.status.unreadable, ..SiteStatus::default() }
        };
        state.out = Some(out.clone());
        let again = state.pending.values().map(|pending| pending.frame.clone()).collect();
        drop(state);
        self.up.send_replace(true);
        (Attached { site: self, number, from, told: attach.told, out, queue, again }, must_be_told)
    }

    fn detach(&self, number: u64) {
        if *self.line.borrow() != number {
            return;
        }
        let mut state = self.state();
        state.out = None;
        state.absent_since = Some(Instant::now());
        state.status.connected_since = None;
        drop(state);
        self.up.send_replace(false);
    }

    fn heard_of(&self) {
        self.state().status.last_seen = Some(Timestamp::from_micros(wall_clock()));
    }

    fn answered(&self, id: u64, reply: Reply) {
        let pending = self.state().pending.remove(&id);
        if let Some(pending) = pending {
            // Who asked may have gone away.
            let _ = pending.reply.send(reply);
        }
    }
}

/// A request that is taken back when nobody waits for it any more.
struct Asked<'a> {
    site: &'a Site,
    id: u64,
    frame: Arc<Frame>,
    out: Option<mpsc::Sender<Arc<Frame>>>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.site.state().pending.remove(&self.id);
    }
}

impl From<CallError> for ConnectError {
    fn from(error: CallError) -> ConnectError {
        match error {
            CallError::Unreachable(error) => ConnectError::Unreachable(error),
            CallError::TooLarge(note) => ConnectError::Refused {
                text: "the job is too large to be sent to this cluster".to_owned(),
                note,
                permanent: true,
            },
        }
    }
}

/// A line that was let in.
pub(crate) struct Attached<'a> {
    site: &'a Site,
    number: u64,
    from: AgentId,
    /// The agent was told before, by whichever server, what is open.
    told: bool,
    out: mpsc::Sender<Arc<Frame>>,
    queue: mpsc::Receiver<Arc<Frame>>,
    /// What was asked on lines before and not answered.
    again: Vec<Arc<Frame>>,
}

/// Says that the line is gone, whichever way it ended.
struct Detach<'a>(&'a Site, u64);

impl Drop for Detach<'_> {
    fn drop(&mut self) {
        self.0.detach(self.1);
    }
}

impl<'a> Attached<'a> {
    /// Until the line breaks or another takes its place.
    pub async fn serve(self, read: impl AsyncRead + Unpin, write: impl AsyncWrite + Unpin) -> FrameError {
        let Attached { site, number, from, told, out, queue, again } = self;
        let _detach = Detach(site, number);
        let (events, arrived) = mpsc::channel(EVENT_FRAMES);
        let mut line = site.line.subscribe();
        tokio::select! {
            error = write_frames(write, queue, site.timing) => error,
            error = hear(site, from, read, events) => error,
            error = events::take_in(site, (from.0, told), arrived, out.clone()) => error,
            error = ask_again_and_live(site, again, out) => error,
            // Ends with the site only.
            _ = line.wait_for(|present| *present != number) => FrameError::Closed,
        }
    }
}

async fn hear(
    site: &Site,
    from: AgentId,
    mut read: impl AsyncRead + Unpin,
    events: mpsc::Sender<(u64, Vec<u8>)>,
) -> FrameError {
    loop {
        let frame = match Frame::read(&mut read, Bounds::FULL, site.timing.silence).await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        site.heard_of();
        match frame.message() {
            Ok(ToServer::Answer { id, answer }) => site.answered(id, Reply { answer, body: frame.body, from }),
            Ok(ToServer::Events { from }) => {
                if events.send((from, frame.body)).await.is_err() {
                    return FrameError::Closed;
                }
            }
            Ok(ToServer::Alive { waiting, clock }) => {
                let mut state = site.state();
                state.status.waiting = waiting;
                state.status.clock_ahead_ms = (clock - wall_clock()) / 1_000;
            }
            Ok(ToServer::Unknown) => {}
            Err(error) => return error,
        }
    }
}

async fn ask_again_and_live(site: &Site, again: Vec<Arc<Frame>>, out: mpsc::Sender<Arc<Frame>>) -> FrameError {
    for frame in again {
        if out.send(frame).await.is_err() {
            return FrameError::Closed;
        }
    }
    let mut beat = tokio::time::interval(site.timing.heartbeat);
    loop {
        beat.tick().await;
        if let Err(error) = post(&out, &ToAgent::Alive {}, Vec::new()).await {
            return error;
        }
    }
}

/// Words of the other side, for people.
fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
