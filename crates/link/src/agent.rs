//! The site's end of the line: dials out, greets, answers requests through its [`Desk`], reports what its connector saw, and
//! dials again when the line breaks. What it must not forget is in its folder; jobs go on whatever happens to it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{BackendKind, Observation};
use ports::Cluster;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::desk::{Accounts, Desk, Examine, Outbox};
use crate::frame::{Bounds, Frame, FrameError, moved, post};
use crate::limits::{EVENTS_AT_ONCE, EVENTS_WINDOW, OUTBOX_FRAMES, PROTOCOL, Timing};
use crate::message::{Attach, Hello, Place, Purpose, Refusal, ToAgent, ToServer, Welcome};
use crate::spool::{Leases, Spool};
use crate::tls::{Fingerprint, Identity, IdentityError};
use crate::{stamp, wall_clock};

/// After this long without a fault a line counts as good, and the next pause is the first again.
const GOOD_LINE: Duration = Duration::from_secs(10);
/// Between two tries to write what the disk did not take.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// Whom to call, and how.
#[derive(Clone, Debug)]
pub struct Dial {
    /// `host:port`, tried in turn.
    pub servers: Vec<String>,
    /// The server's certificate.
    pub pin: Fingerprint,
    /// e.g. `hw 0.1.0`.
    pub software: String,
    /// The host's name.
    pub machine: String,
    pub timing: Timing,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("{server} does not answer")]
    Reach {
        server: String,
        #[source]
        source: io::Error,
    },
    /// Somebody else answers at that address, or the server has a new certificate: join again.
    #[error("{server} is not the server that this site joined: its certificate is {found}, expected {pinned}")]
    WrongServer { server: String, found: Fingerprint, pinned: Fingerprint },
    #[error("the server refuses: {0}")]
    Refused(Refusal),
    #[error("the greeting failed")]
    Greeting(#[source] FrameError),
    /// It answered with what a server of this protocol never says.
    #[error("{server} answered something that is not understood")]
    NotUnderstood { server: String },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("no server to call is named")]
    NoServer,
}

/// Why an agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("its folder cannot be used")]
    Folder(#[source] io::Error),
}

type Line = TlsStream<TcpStream>;

impl Dial {
    /// Connects to `server`, says hello, and gives back its answer.
    async fn greet(&self, server: &str, identity: &Identity, purpose: Purpose) -> Result<(Line, Welcome), DialError> {
        let (config, met) = identity.client(self.pin)?;
        let reach = |source| DialError::Reach { server: server.to_owned(), source };
        let late = || reach(io::ErrorKind::TimedOut.into());
        let greeted = async {
            let stream = TcpStream::connect(server).await.map_err(reach)?;
            // Small frames must not wait for more to come.
            stream.set_nodelay(true).map_err(reach)?;
            let name = ServerName::try_from("headworks").map_err(|e| reach(io::Error::other(e)))?;
            let mut line = match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
                Ok(line) => line,
                Err(error) => {
                    return Err(match met.instead() {
                        Some(found) => DialError::WrongServer { server: server.to_owned(), found, pinned: self.pin },
                        None => reach(error),
                    });
                }
            };
            let (software, machine) = (self.software.clone(), self.machine.clone());
            let hello = Hello { protocol: PROTOCOL, software, machine, purpose };
            let silence = self.timing.greeting;
            let frame = Frame::new(&hello, Vec::new()).map_err(DialError::Greeting)?;
            frame.write(&mut line, silence).await.map_err(DialError::Greeting)?;
            moved(silence, line.flush()).await.map_err(DialError::Greeting)?;
            let answer = Frame::read(&mut line, Bounds::GREETING, silence).await.map_err(DialError::Greeting)?;
            match answer.message().map_err(DialError::Greeting)? {
                Welcome::Refused(refusal) => Err(DialError::Refused(refusal)),
                welcome => Ok((line, welcome)),
            }
        };
        tokio::time::timeout(self.timing.greeting, greeted).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Presents the identity's key with the one-time token. From then on the key alone opens the line.
///
/// # Errors
/// [`DialError`]; of several servers that of the last.
pub async fn join(dial: &Dial, identity: &Identity, token: &str) -> Result<Place, DialError> {
    let mut last = DialError::NoServer;
    for server in &dial.servers {
        match dial.greet(server, identity, Purpose::Join { token: token.to_owned() }).await {
            Ok((_, Welcome::Joined(place))) => return Ok(place),
            Ok(_) => last = DialError::NotUnderstood { server: server.clone() },
            // The token may be used up by now; another server would only say so.
            Err(refused @ DialError::Refused(_)) => return Err(refused),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What stands behind an agent.
pub struct Hosted {
    pub backend: BackendKind,
    pub cluster: Arc<dyn Cluster>,
    /// How a look at it is taken, where it can be more than its description.
    pub examine: Option<Examine>,
    /// Accounts that it may keep from taking in work, where there are any.
    pub accounts: Option<Arc<dyn Accounts>>,
}

/// A site's agent in front of one connector.
pub struct Agent {
    shared: Arc<Shared>,
    observations: mpsc::Receiver<Observation>,
}

struct Shared {
    dial: Dial,
    identity: Identity,
    backend: BackendKind,
    desk: Arc<Desk>,
    spool: Spool,
    /// This process.
    process: u64,
}

impl Agent {
    /// Opens what the last run left in `folder` (which is there). The connector delivers to the sender of `observations`.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn open(
        (dial, identity): (Dial, Identity),
        place: &Place,
        folder: &Path,
        hosted: Hosted,
        observations: mpsc::Receiver<Observation>,
    ) -> Result<Agent, AgentError> {
        let spool = Spool::open(folder, stamp().map_err(AgentError::Folder)?).await.map_err(AgentError::Folder)?;
        let leases = Leases::open(folder).await.map_err(AgentError::Folder)?;
        let backend = hosted.backend;
        let desk = Arc::new(Desk::new(hosted, place.cluster, leases, spool.newest()));
        let process = stamp().map_err(AgentError::Folder)?;
        Ok(Agent { shared: Arc::new(Shared { dial, identity, backend, desk, spool, process }), observations })
    }

    /// Serves until `stop` resolves. Jobs go on afterwards.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Agent { shared, observations } = self;
        // Ended with this one, whichever way it ends.
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).collect(observations));
        tasks.spawn(Arc::clone(&shared).resume_own());
        tokio::select! {
            () = stop => {}
            () = shared.keep_a_line() => {}
        }
        tasks.shutdown().await;
    }
}

impl Shared {
    /// What the connector sees goes to the disk before anything else.
    async fn collect(self: Arc<Self>, mut observations: mpsc::Receiver<Observation>) {
        let mut some = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            self.spool.has_room().await;
            if observations.recv_many(&mut some, EVENTS_AT_ONCE).await == 0 {
                return;
            }
            let events: Vec<_> = some.drain(..).map(|observation| observation.what).collect();
            while let Err(error) = self.spool.add(&events).await {
                tracing::error!(%error, "events cannot be written; trying again");
                tokio::time::sleep(DISK_PAUSE).await;
            }
        }
    }

    async fn resume_own(self: Arc<Self>) {
        let mut pause = self.dial.timing.redial_first;
        while !self.desk.resume_own().await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.dial.timing.redial_max);
        }
    }

    async fn keep_a_line(&self) {
        let timing = self.dial.timing;
        let mut pause = timing.redial_first;
        loop {
            for server in &self.dial.servers {
                let begun = tokio::time::Instant::now();
                let error = self.one_line(server).await;
                if begun.elapsed() > GOOD_LINE {
                    pause = timing.redial_first;
                }
                tracing::warn!(%server, error = %chain(&*error), "no line to the server; dialling again");
                tokio::time::sleep(jittered(pause)).await;
            }
            pause = (pause * 2).min(timing.redial_max);
        }
    }

    /// One connection from its beginning to its end; why it ended.
    async fn one_line(&self, server: &str) -> Box<dyn std::error::Error + Send + Sync> {
        let attach = Attach {
            log: self.spool.log(),
            first: self.spool.first(),
            told: self.desk.was_told(),
            backend: self.backend,
            files: self.desk.has_files(),
            clock: wall_clock(),
            process: self.process,
        };
        match self.dial.greet(server, &self.identity, Purpose::Attach(attach)).await {
            Ok((line, Welcome::Attached { protocol, run, software, .. })) if protocol == PROTOCOL.max => {
                tracing::info!(server, software, protocol, "the line is up");
                Box::new(self.serve(line, run).await)
            }
            Ok(_) => Box::new(DialError::NotUnderstood { server: server.to_owned() }),
            Err(error) => Box::new(error),
        }
    }

    async fn serve(&self, line: Line, run: u64) -> FrameError {
        let (read, write) = tokio::io::split(line);
        let (out, queue) = mpsc::channel(OUTBOX_FRAMES);
        self.desk.attach(run, out.clone());
        let (listen, listening) = watch::channel(None);
        let (taken, taking) = watch::channel(0);
        tokio::select! {
            error = write_frames(write, queue, self.dial.timing) => error,
            error = self.hear(read, &listen, &taken) => error,
            error = self.report(out.clone(), listening, taking) => error,
            error = self.live(out) => error,
        }
    }

    async fn hear(
        &self,
        mut read: impl AsyncRead + Unpin,
        listen: &watch::Sender<Option<u64>>,
        taken: &watch::Sender<u64>,
    ) -> FrameError {
        let silence = self.dial.timing.silence;
        loop {
            let frame = match Frame::read(&mut read, Bounds::FULL, silence).await {
                Ok(frame) => frame,
                Err(error) => return error,
            };
            match frame.message() {
                Ok(ToAgent::Request { id, within_ms, ask }) => {
                    self.desk.take(id, Duration::from_millis(within_ms), *ask, frame.body);
                }
                Ok(ToAgent::Listen { after }) => {
                    taken.send_replace(after);
                    listen.send_replace(Some(after));
                }
                Ok(ToAgent::Taken { upto }) => {
                    taken.send_replace(upto);
                    if let Err(error) = self.spool.taken(upto).await {
                        tracing::warn!(%error, "the log of events could not be made shorter");
                    }
                }
                Ok(ToAgent::Alive {} | ToAgent::Unknown) => {}
                Err(error) => return error,
            }
        }
    }

    /// Sends events in order, from where the server wants them, and not too many ahead of what it has taken in.
    async fn report(
        &self,
        out: Outbox,
        mut listen: watch::Receiver<Option<u64>>,
        mut taken: watch::Receiver<u64>,
    ) -> FrameError {
        let mut newest = self.spool.newest();
        let mut next = None;
        loop {
            if listen.has_changed().unwrap_or(false) {
                next = listen.borrow_and_update().map(|after| after + 1);
            }
            let (seen, upto) = (*newest.borrow_and_update(), *taken.borrow_and_update());
            let ready = next.filter(|next| *next <= seen && *next <= upto + EVENTS_WINDOW);
            let Some(at) = ready else {
                tokio::select! {
                    changed = listen.changed() => {
                        if changed.is_err() {
                            return FrameError::Closed;
                        }
                        listen.mark_changed();
                    }
                    _ = newest.changed() => {}
                    _ = taken.changed() => {}
                }
                continue;
            };
            let (from, lines) = self.spool.batch(at);
            next = Some(from + lines.len() as u64);
            if lines.is_empty() {
                // All of them were taken in, by a server that has forgotten it.
                continue;
            }
            let body = lines.join("\n").into_bytes();
            if let Err(error) = post(&out, &ToServer::Events { from }, body).await {
                return error;
            }
        }
    }

    async fn live(&self, out: Outbox) -> FrameError {
        let mut beat = tokio::time::interval(self.dial.timing.heartbeat);
        loop {
            beat.tick().await;
            let alive = ToServer::Alive { waiting: self.spool.waiting(), clock: wall_clock() };
            if let Err(error) = post(&out, &alive, Vec::new()).await {
                return error;
            }
        }
    }
}

/// Writes frames as they come and flushes when no more wait.
pub(crate) async fn write_frames(
    mut write: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Arc<Frame>>,
    timing: Timing,
) -> FrameError {
    loop {
        let Some(mut frame) = queue.recv().await else { return FrameError::Closed };
        loop {
            if let Err(error) = frame.write(&mut write, timing.silence).await {
                return error;
            }
            match queue.try_recv() {
                Ok(next) => frame = next,
                Err(_) => break,
            }
        }
        if let Err(error) = moved(timing.silence, write.flush()).await {
            return error;
        }
    }
}

/// Between half of it and all of it: agents that lost the same server do not come back at the same moment.
fn jittered(pause: Duration) -> Duration {
    let chance = stamp().unwrap_or(0) % 1_000;
    pause / 2 + pause * chance as u32 / 2_000
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
