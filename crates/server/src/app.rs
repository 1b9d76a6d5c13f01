//! What handlers and the driver share: the store, a handle to the engine, the clusters, the clock and the stream of events.
//! Knows no HTTP; the router and the driver meet here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use base::{ClusterId, Seed, Timestamp};
use engine::{Denied, Engine, Envelope, Report};
use model::Event;
use moka::sync::Cache;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::limits::CLUSTER_FACTS_TRUSTED;

/// Batches of events that a slow listener may be behind before it is told that it missed some. A batch is one commit,
/// at most some hundred a second: ten seconds of a busy platform. A listener who missed some reads them from the store.
pub const EVENT_BATCHES_KEPT: usize = 4_096;

/// Everything a handler needs; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub store: Arc<store::SqlStore>,
    pub engine: EngineHandle,
    pub clusters: Arc<Clusters>,
    pub links: crate::links::Links,
    pub clock: Clock,
    pub ids: IdSource,
    pub settings: Arc<HttpSettings>,
    pub events: EventBus,
    /// Sites whose agents dial in, where that is switched on.
    pub sites: Option<Arc<crate::sites::Sites>>,
    pub files: Arc<crate::files::Space>,
    /// Bytes that tenants moved and that are not billed yet.
    pub traffic: Arc<crate::counting::Traffic>,
    /// Files on their way into work folders of jobs.
    pub coming: Arc<crate::bringing::Turns>,
    /// What is played of the twin.
    pub(crate) twin: crate::twin::TwinRuns,
    /// The provider of sign-ins, where one is named.
    pub oidc: Option<Arc<crate::oidc::Oidc>>,
    pub notices: Arc<crate::notices::Notices>,
    /// Sums of statements that were asked for lately.
    pub sums: Arc<crate::statements::KeptSums>,
}

/// What the configuration says about HTTP and submissions, checked.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Cookies are sent over HTTPS only. False on a loopback listener without TLS.
    pub secure_cookies: bool,
    /// What a job gets when its script says nothing.
    pub job_defaults: jobscript::Defaults,
    /// The policy until one is set.
    pub steering: engine::Steering,
    /// Currency of the operator's costs.
    pub cost_currency: base::Currency,
    /// Months of statements are the calendar's at this distance from UTC.
    pub statement_offset: rating::tariff::UtcOffset,
    /// Sign-ins that one address may try in a minute; more are refused for a while.
    pub sign_ins_per_minute: u32,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            secure_cookies: false,
            job_defaults: jobscript::Defaults::default(),
            steering: engine::Steering::default(),
            cost_currency: base::Currency::CNY,
            statement_offset: rating::tariff::UtcOffset::UTC,
            sign_ins_per_minute: crate::limits::SIGN_INS_PER_MINUTE,
        }
    }
}

/// Why a command got no report. Nothing of it was carried out, except that after `Unavailable` and `Stopping` the
/// caller cannot know and repeats it under the same idempotency key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// This server is a stand-by; `holder` names the active one, if there is one.
    #[error("this server does not run the engine")]
    NotActive { holder: Option<String> },
    /// The store cannot write; the text is for the operator.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    #[error("the server is stopping")]
    Stopping,
}

/// A read-only look into the live engine, made between two steps; it is told when there is no engine to look into.
pub type Question = Box<dyn FnOnce(Result<(&Engine, Timestamp), CommandError>) + Send>;

/// What handlers send to the driver.
pub enum Message {
    Command {
        envelope: Box<Envelope>,
        reply: oneshot::Sender<Result<Report, CommandError>>,
    },
    Ask(Question),
    /// A connector stands: let it deliver what happened, and do what is outstanding there.
    Resume(ClusterId),
    /// What this cluster was asked for and has not confirmed is to be asked of it again.
    Repeat(ClusterId),
}

/// The handlers' end of the driver's inbox.
#[derive(Clone)]
pub struct EngineHandle {
    inbox: mpsc::Sender<Message>,
}

impl EngineHandle {
    pub fn new(inbox: mpsc::Sender<Message>) -> Self {
        Self { inbox }
    }

    /// Gives a command to the engine and waits until what it did is stored.
    pub async fn command(&self, envelope: Envelope) -> Result<Report, CommandError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Command { envelope: Box::new(envelope), reply };
        self.inbox.send(message).await.map_err(|_| CommandError::Stopping)?;
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }

    /// Tells the driver something that has no answer. One that is going down needs not to know.
    pub async fn send(&self, message: Message) {
        let _ = self.inbox.send(message).await;
    }

    /// Looks into the live engine between two steps.
    pub async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |engine| {
            let seen = engine.map(|(engine, now)| look(engine, now));
            // The asker may have gone away; that is its own affair.
            let _ = reply.send(seen);
        });
        self.inbox.send(Message::Ask(question)).await.map_err(|_| CommandError::Stopping)?;
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }
}

/// The connected clusters by id, and what was said of them lately.
pub struct Clusters {
    by_id: RwLock<BTreeMap<ClusterId, Arc<dyn ports::Cluster>>>,
    /// What this server itself has to remark on a cluster.
    notes: RwLock<BTreeMap<ClusterId, Vec<String>>>,
    /// What is amiss with accounts of debtors at a site.
    owing: RwLock<BTreeMap<ClusterId, String>>,
    facts: Cache<ClusterId, Arc<ports::ClusterFacts>>,
}

impl Default for Clusters {
    fn default() -> Self {
        let facts = Cache::builder().time_to_live(CLUSTER_FACTS_TRUSTED).build();
        Self { by_id: RwLock::default(), notes: RwLock::default(), owing: RwLock::default(), facts }
    }
}

impl Clusters {
    pub fn get(&self, id: ClusterId) -> Option<Arc<dyn ports::Cluster>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
    pub fn insert(&self, id: ClusterId, cluster: Arc<dyn ports::Cluster>) {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(id, cluster);
    }
    /// Lets go of one.
    pub fn remove(&self, id: ClusterId) -> Option<Arc<dyn ports::Cluster>> {
        self.facts.invalidate(&id);
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
    /// Lets go of all of them; each ends when nobody uses it any more.
    pub fn clear(&self) {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.facts.invalidate_all();
    }
    /// Adds a sentence for the operator to what a cluster says of itself.
    pub fn note(&self, id: ClusterId, sentence: String) {
        self.notes.write().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().push(sentence);
    }
    pub fn notes(&self, id: ClusterId) -> Vec<String> {
        let mut notes = self.notes.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned().unwrap_or_default();
        notes.extend(self.owing.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned());
        notes
    }
    /// What is amiss with accounts of debtors there, instead of what was.
    pub(crate) fn set_owing(&self, id: ClusterId, amiss: Option<String>) {
        let mut owing = self.owing.write().unwrap_or_else(PoisonError::into_inner);
        match amiss {
            Some(amiss) => drop(owing.insert(id, amiss)),
            None => drop(owing.remove(&id)),
        }
    }
    /// What a cluster says of itself, now or a moment ago; `None` for one that is not connected here.
    ///
    /// # Errors
    /// As [`ports::Cluster::describe`].
    pub async fn facts(&self, id: ClusterId) -> Result<Option<Arc<ports::ClusterFacts>>, ports::ConnectError> {
        if let Some(known) = self.facts.get(&id) {
            return Ok(Some(known));
        }
        let Some(cluster) = self.get(id) else { return Ok(None) };
        let facts = Arc::new(cluster.describe().await?);
        self.facts.insert(id, facts.clone());
        Ok(Some(facts))
    }
    pub fn ids(&self) -> Vec<ClusterId> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// The server's only clock; tests pass their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of the system.
    pub fn system() -> Self {
        Self::new(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Timestamp::from_micros(since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
        })
    }
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// Draws ids: UUID version 7, so that rows of one time stand together in the store.
#[derive(Clone)]
pub struct IdSource {
    clock: Clock,
    random: Arc<dyn Fn() -> [u8; 10] + Send + Sync>,
}

impl IdSource {
    /// Random parts from the system.
    pub fn system(clock: Clock) -> Self {
        let random = || {
            let mut bytes = [0; 10];
            // Without randomness no id and no secret is safe: nothing could go on.
            getrandom::fill(&mut bytes).expect("the system gives random bytes");
            bytes
        };
        Self { clock, random: Arc::new(random) }
    }

    /// Random parts from a stated seed: the same ids in every run of a test.
    pub fn seeded(clock: Clock, seed: &Seed) -> Self {
        let stream = std::sync::Mutex::new(seed.child("ids").stream());
        let random = move || {
            let raw = stream.lock().unwrap_or_else(PoisonError::into_inner).u128().to_be_bytes();
            let mut bytes = [0; 10];
            bytes.copy_from_slice(&raw[..10]);
            bytes
        };
        Self { clock, random: Arc::new(random) }
    }

    /// The 128 bits of a new id, for `JobId::from_u128` and its like.
    pub fn draw(&self) -> u128 {
        let millis = u64::try_from(self.clock.now().as_micros() / 1_000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &(self.random)()).into_uuid().as_u128()
    }
}

/// Events as they are committed, for those who watch. Each batch is one commit, in order.
#[derive(Clone)]
pub struct EventBus(broadcast::Sender<Arc<[Event]>>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(EVENT_BATCHES_KEPT))
    }
}

impl EventBus {
    /// To be called after the commit, never before. Nobody listening is no fault.
    pub fn publish(&self, events: Arc<[Event]>) {
        if !events.is_empty() {
            let _ = self.0.send(events);
        }
    }
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::JobId;

    #[test]
    fn ids_are_of_version_7_and_carry_the_time() {
        let clock = Clock::new(|| Timestamp::from_micros(1_700_000_000_123_456));
        let ids = IdSource::seeded(clock.clone(), &Seed::from_u64(1));
        let (a, b) = (ids.draw(), ids.draw());
        assert_ne!(a, b);
        assert_eq!(a >> 80, 1_700_000_000_123);
        assert_eq!(a >> 76 & 0xf, 7);
        assert_eq!(IdSource::seeded(clock, &Seed::from_u64(1)).draw(), a);
        assert_eq!(JobId::from_u128(a).to_string().parse::<JobId>().unwrap().as_u128(), a);
    }
}
